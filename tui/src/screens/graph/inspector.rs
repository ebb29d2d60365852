//! What is known of the selected node or namespace, beside the picture.

use crate::graph::collapse::COLLAPSED;
use crate::graph::flow::{milliseconds, percent};
use crate::graph::{Health, View};
use crate::screens::Cx;
use crate::screens::overview::tls_role;
use crate::theme::Role;
use crate::widgets::{Pen, pane};
use crate::world::Answer;
use ratatui::layout::Rect;
use std::collections::BTreeMap;

/// What is known of a node, beside the picture.
pub(super) fn inspector(cx: &Cx<'_>, pen: &mut Pen<'_>, view: &View, n: usize, area: Rect, is_traffic: bool) {
    let node = &view.nodes()[n];
    let inner = pane(pen, area, &if node.name == COLLAPSED { node.namespace.clone() } else { node.name.clone() }, false);
    let mut y = inner.y;
    let mut say = |pen: &mut Pen<'_>, parts: &[(&str, Role)]| {
        pen.row(inner, y, parts);
        y += 1;
    };
    say(
        pen,
        &[
            (cx.theme.glyph(node.health), Role::Health(node.health)),
            (" ", Role::Text),
            (&node.namespace, Role::Namespace),
            (" · ", Role::Dim),
            (&node.figures, Role::Text),
        ],
    );
    if !node.badges.is_empty() {
        say(pen, &[(&badges(&node.badges), Role::Badge)]);
    }
    let key = (node.namespace.clone(), node.name.clone());
    if let Some(traffic) = cx.world.drawn().filter(|_| is_traffic) {
        for (word, flow) in traffic.loads.get(&key).into_iter().flat_map(|l| [("in ", l.inbound), ("out", l.outbound)]) {
            let p95 = flow.p95.map_or(String::new(), |p| format!("  p95 {}", milliseconds(p)));
            let tls = flow.mtls().map_or(String::new(), |p| format!("  mTLS {}", percent(p)));
            say(pen, &[(word, Role::Dim), (" ", Role::Text), (&flow.figures(), Role::Text), (&p95, Role::Text), (&tls, tls_role(flow.mtls()))]);
        }
        if let Some(blame) = traffic.blame(&key, &|k| cx.world.objects_of_drawn(k)) {
            let text = if blame.why.is_empty() { blame.what } else { blame.why };
            y = pen.paragraph(inner, y, &text, Role::Health(node.health));
            for object in blame.objects.iter().take(2) {
                pen.row(inner, y, &[(" ", Role::Text), (object, Role::Name)]);
                y += 1;
            }
        }
    }
    let mut say = |pen: &mut Pen<'_>, parts: &[(&str, Role)]| {
        pen.row(inner, y, parts);
        y += 1;
    };
    say(pen, &[]);
    for (heading, is_caller) in [("called by", true), ("calls", false)] {
        let edges: Vec<_> = view.edges().iter().filter(|e| if is_caller { e.to == n } else { e.from == n }).collect();
        let word = if is_traffic {
            heading
        } else if is_caller {
            "routed from"
        } else {
            "routed to, made of"
        };
        say(pen, &[(word, Role::Heading), (&format!(" {}", edges.len()), Role::Dim)]);
        for e in edges.iter().take(8) {
            let other = &view.nodes()[if is_caller { e.from } else { e.to }];
            let name = if other.name == COLLAPSED { &other.namespace } else { &other.name };
            let p95 = e.flow.and_then(|f| f.p95).map_or(String::new(), |p| format!(" {}", milliseconds(p)));
            let figures = e.flow.map_or(e.label.clone(), |f| format!("{}{p95}", f.figures()));
            say(
                pen,
                &[
                    (" ", Role::Text),
                    (cx.theme.glyph(other.health), Role::Health(other.health)),
                    (" ", Role::Text),
                    (name, Role::Text),
                    ("  ", Role::Text),
                    (&figures, Role::Dim),
                ],
            );
        }
    }
    say(pen, &[]);
    let objects = cx.world.objects_of_drawn(&key);
    say(pen, &[("configuration", Role::Heading)]);
    for object in &objects {
        say(pen, &[(" ", Role::Text), (object, Role::Text)]);
    }
    if objects.is_empty() {
        say(pen, &[(" none of the objects that were read", Role::Dim)]);
    }
    say(pen, &[]);
    say(pen, &[("findings", Role::Heading)]);
    let all = cx.world.findings.known().map_or(&[][..], Vec::as_slice);
    if !all.iter().any(|f| objects.contains(&f.object)) {
        let text = if cx.world.findings.known().is_some() { " none" } else { " not judged: no manifests were read" };
        say(pen, &[(text, Role::Dim)]);
    }
    for f in all.iter().filter(|f| objects.contains(&f.object)).take(12) {
        let health = f.level.health();
        say(
            pen,
            &[
                (" ", Role::Text),
                (cx.theme.glyph(health), Role::Health(health)),
                (" ", Role::Text),
                (&f.code, Role::Text),
                (" ", Role::Text),
                (&f.message, Role::Dim),
            ],
        );
    }
    if matches!(cx.world.traffic, Answer::Unavailable { .. }) {
        say(pen, &[]);
        say(pen, &[("traffic: not available: no metrics, no logs", Role::Dim)]);
    }
}

/// What is known of a namespace: how its nodes are, and which namespaces it calls and is called by.
pub(super) fn of_namespace(cx: &Cx<'_>, pen: &mut Pen<'_>, view: &View, namespace: &str, area: Rect) {
    let title = if namespace.is_empty() { "(no namespace)" } else { namespace };
    let inner = pane(pen, area, title, true);
    let mut rows: Vec<Vec<(String, Role)>> = Vec::new();
    let Some((_, range)) = view.namespaces().into_iter().find(|(name, _)| *name == namespace) else { return };
    let (_, counts) = view.health_of(range.clone());
    let all = view.nodes().get(range.clone()).unwrap_or(&[]);
    if let [one] = all
        && one.name == COLLAPSED
    {
        rows.push(vec![(one.figures.clone(), Role::Text), ("  drawn as one node: x opens it".to_owned(), Role::Dim)]);
    } else {
        let mut row = vec![(format!("{} {} ", range.len(), if range.len() == 1 { "node" } else { "nodes" }), Role::Text)];
        row.extend(counts.iter().rev().map(|(health, n)| (format!(" {}{n}", cx.theme.glyph(*health)), Role::Health(*health))));
        rows.push(row);
    }
    for (word, is_caller) in [("called by", true), ("calls", false)] {
        // Namespaces at the other end, with the number of edges and the worst of them.
        let mut others: BTreeMap<&str, (usize, Health)> = BTreeMap::new();
        for e in view.edges() {
            let (here, there) = if is_caller { (e.to, e.from) } else { (e.from, e.to) };
            let other = view.nodes()[there].namespace.as_str();
            if range.contains(&here) && other != namespace {
                let entry = others.entry(other).or_default();
                *entry = (entry.0 + 1, entry.1.max(e.health));
            }
        }
        rows.push(Vec::new());
        rows.push(vec![(word.to_owned(), Role::Heading), (format!(" {}", others.len()), Role::Dim)]);
        rows.extend(others.into_iter().map(|(name, (edges, health))| {
            let name = if name.is_empty() { "(no namespace)" } else { name };
            vec![
                (format!(" {} ", cx.theme.glyph(health)), Role::Health(health)),
                (name.to_owned(), Role::Namespace),
                (format!("  {edges} {}", if edges == 1 { "edge" } else { "edges" }), Role::Dim),
            ]
        }));
    }
    rows.push(Vec::new());
    rows.push(vec![("nodes, worst first".to_owned(), Role::Heading)]);
    let mut order: Vec<_> = all.iter().filter(|n| n.name != COLLAPSED).collect();
    order.sort_by(|a, b| b.health.cmp(&a.health).then_with(|| a.name.cmp(&b.name)));
    rows.extend(order.into_iter().map(|n| {
        vec![(format!(" {} ", cx.theme.glyph(n.health)), Role::Health(n.health)), (n.name.clone(), Role::Text), (format!("  {}", n.figures), Role::Dim)]
    }));
    for (row, y) in rows.iter().zip(inner.y..inner.bottom()) {
        let parts: Vec<(&str, Role)> = row.iter().map(|(text, role)| (text.as_str(), *role)).collect();
        pen.row(inner, y, &parts);
    }
}

/// The letters of a box in words.
fn badges(letters: &str) -> String {
    let word = |c: char| match c {
        'V' => "routed",
        'C' => "circuit breaker",
        'F' => "fault",
        'M' => "mirrored",
        'S' => "split",
        'T' => "timeout/retries",
        'G' => "gateway",
        'E' => "external",
        'W' => "waypoint",
        'L' => "mutual TLS",
        'P' => "plaintext",
        _ => "",
    };
    letters.chars().map(word).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" · ")
}
