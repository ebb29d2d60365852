//! One service, workload or gateway: everything that the sources say of it.

use super::{Cx, Drawn, Request, Screen, command_line, not_available};
use crate::action::{Action, Scope};
use crate::graph::Health;
use crate::theme::Role;
use crate::widgets::{Cursor, Pen};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

#[derive(Default)]
pub struct Detail {
    subject: Option<(String, String)>,
    cursor: Cursor,
}

struct Line {
    parts: Vec<(String, Role)>,
    /// What opening it shows.
    opens: Option<Request>,
}

impl Detail {
    pub fn show(&mut self, namespace: String, name: String) {
        self.subject = Some((namespace, name));
        self.cursor.at = 0;
    }
    /// What is shown: the node asked for, else the worst one.
    fn subject(&self, cx: &Cx<'_>) -> Option<(String, String)> {
        self.subject.clone().or_else(|| {
            let nodes = cx.world.configuration.known()?.view.nodes();
            nodes.iter().max_by_key(|n| (n.health, std::cmp::Reverse((&n.namespace, &n.name)))).map(|n| (n.namespace.clone(), n.name.clone()))
        })
    }
    fn lines(&self, cx: &Cx<'_>) -> Vec<Line> {
        let mut out = Vec::new();
        let (Some((ns, name)), Some(configured)) = (self.subject(cx), cx.world.configuration.known()) else { return out };
        let heading = |out: &mut Vec<Line>, text: &str| {
            out.push(Line { parts: Vec::new(), opens: None });
            out.push(Line { parts: vec![(text.to_owned(), Role::Heading)], opens: None });
        };
        let mark = |h: Health| (format!("  {} ", cx.theme.glyph(h)), Role::Health(h));
        let view = &configured.view;
        let Some(node) = view.find(&ns, &name) else {
            out.push(Line { parts: vec![(format!("{ns}/{name} is not in what was read."), Role::Text)], opens: None });
            return out;
        };
        let n = &view.nodes()[node];
        out.push(Line {
            parts: vec![mark(n.health), (name.clone(), Role::Name), (format!("  {}", n.figures), Role::Text), (format!("  namespace {ns}"), Role::Dim)],
            opens: Some(Request::Graph { filter: String::new(), node: Some((ns.clone(), name.clone())) }),
        });
        let objects = configured.objects.get(&(ns.clone(), name.clone()));
        let all = cx.world.findings.known().map_or(&[][..], Vec::as_slice);
        heading(&mut out, "FINDINGS");
        let mut count = 0;
        for (i, f) in all.iter().enumerate().filter(|(_, f)| objects.is_some_and(|o| o.contains(&f.object))) {
            count += 1;
            let parts =
                vec![mark(f.level.health()), (format!("{:8} ", f.code), Role::Text), (f.message.clone(), Role::Text), (format!("  {}", f.object), Role::Dim)];
            out.push(Line { parts, opens: Some(Request::Finding(i)) });
        }
        if count == 0 {
            out.push(Line { parts: vec![("  none on its objects".to_owned(), Role::Dim)], opens: None });
        }
        for (title, is_caller) in [("ROUTED FROM", true), ("ROUTED TO, MADE OF", false)] {
            heading(&mut out, title);
            let edges: Vec<_> = view.edges().iter().filter(|e| if is_caller { e.to == node } else { e.from == node }).collect();
            for e in &edges {
                let other = &view.nodes()[if is_caller { e.from } else { e.to }];
                let parts = vec![
                    mark(other.health),
                    (format!("{}/{}", other.namespace, other.name), Role::Text),
                    (format!("  {}", e.label), Role::Badge),
                    (format!("  {}", other.figures), Role::Dim),
                ];
                out.push(Line { parts, opens: Some(Request::Detail(other.namespace.clone(), other.name.clone())) });
            }
            if edges.is_empty() {
                out.push(Line { parts: vec![("  nothing that configuration says".to_owned(), Role::Dim)], opens: None });
            }
        }
        heading(&mut out, "CONFIGURATION");
        for object in objects.into_iter().flatten() {
            out.push(Line {
                parts: vec![(format!("    {object}"), Role::Text)],
                opens: Some(Request::Findings(format!("object:{}", object.rsplit('/').next().unwrap_or(object)))),
            });
        }
        heading(&mut out, "PROXIES");
        match cx.world.proxies.known() {
            None => out.push(Line { parts: vec![("  not available: no source holds the state of a proxy".to_owned(), Role::Dim)], opens: None }),
            Some(all) => {
                // Pods are called after what made them.
                let near: Vec<&str> = view.edges().iter().filter(|e| e.from == node).map(|e| view.nodes()[e.to].name.as_str()).chain([name.as_str()]).collect();
                let mut count = 0;
                for (i, p) in
                    all.iter().enumerate().filter(|(_, p)| p.namespace == ns && near.iter().any(|n| p.name.starts_with(&format!("{n}-")) || p.name == *n))
                {
                    count += 1;
                    let parts = vec![
                        mark(p.health()),
                        (p.name.clone(), Role::Text),
                        (format!("  {} listeners {} clusters", p.listeners.len(), p.clusters.len()), Role::Dim),
                    ];
                    out.push(Line { parts, opens: Some(Request::Proxy(i)) });
                }
                if count == 0 {
                    out.push(Line { parts: vec![("  none of the dumps is of its pods".to_owned(), Role::Dim)], opens: None });
                }
            }
        }
        heading(&mut out, "TRAFFIC, METRICS, TRACES, LOGS");
        out.push(Line { parts: vec![("  not available: no source holds metrics, traces or access logs".to_owned(), Role::Dim)], opens: None });
        out
    }
}

impl Screen for Detail {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        self.subject(cx).map(|(ns, name)| format!("{ns}/{name}")).into_iter().collect()
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::List]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let lines = self.lines(cx);
        if action == Action::Open {
            return self.cursor.get(lines.len()).and_then(|i| lines[i].opens.clone()).into_iter().collect();
        }
        let before = self.cursor.at;
        if !self.cursor.act(action, lines.len(), usize::from(cx.area.height / 2)) {
            return Vec::new();
        }
        // Headings are passed over.
        let is_stop = |i: &usize| lines.get(*i).is_some_and(|l| l.opens.is_some());
        let at = self.cursor.at;
        let forward = (at..lines.len()).find(is_stop);
        let backward = (0..=at).rev().find(is_stop);
        let next = if at >= before { forward.or(backward) } else { backward.or(forward) };
        self.cursor.at = next.unwrap_or(at);
        Vec::new()
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        let lines = self.lines(cx);
        let mut pen = Pen { buffer, theme: cx.theme };
        if lines.is_empty() {
            not_available(&mut pen, cx.area, "Detail", "No source holds services or workloads.", "Add a folder of manifests.");
            return drawn;
        }
        let height = usize::from(cx.area.height);
        let first = self.cursor.first(lines.len(), height);
        for (i, line) in lines.iter().enumerate().skip(first).take(height) {
            let y = cx.area.y + (i - first) as u16;
            let row = Rect { x: cx.area.x + 1, width: cx.area.width.saturating_sub(1), ..cx.area };
            let mut parts: Vec<(&str, Role)> = line.parts.iter().map(|(t, r)| (t.as_str(), *r)).collect();
            let is_selected = self.cursor.get(lines.len()) == Some(i) && line.opens.is_some();
            if is_selected {
                for part in parts.iter_mut().filter(|p| p.1 == Role::Text) {
                    part.1 = Role::Name;
                }
                pen.text(cx.area.x, y, cx.theme.pick(["▶"], [">"])[0], 1, Role::Key);
                drawn.cursor = Some(Position { x: cx.area.x, y });
            }
            pen.row(row, y, &parts);
            if line.opens.is_some() {
                drawn.spots.push((Rect { y, height: 1, ..cx.area }, i));
            }
        }
        drawn
    }
    fn select(&mut self, spot: usize, _cx: &Cx<'_>) {
        self.cursor.at = spot;
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        self.subject(cx).map(|(ns, name)| format!("{ns}/{name}"))
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        command_line(cx, &self.subject(cx).map_or("analyze".to_owned(), |(ns, _)| format!("analyze -n {ns}")))
    }
}
