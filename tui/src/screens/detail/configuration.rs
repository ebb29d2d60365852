//! What configuration and proxies say of a node.

use super::{Line, heading, mark};
use crate::screens::{Cx, Request};
use crate::theme::Role;
use crate::world::sections::Section;
use crate::world::traffic::Key;

pub(super) fn lines(cx: &Cx<'_>, key: &Key, out: &mut Vec<Line>) {
    let objects = cx.world.objects(key);
    heading(cx, Section::Configuration, out, "FINDINGS");
    match cx.world.findings.known() {
        None => out.push(Line::dim("not available: no source holds manifests")),
        Some(all) => {
            let before = out.len();
            for (i, f) in all.iter().enumerate().filter(|(_, f)| objects.contains(&f.object)) {
                let parts = vec![
                    mark(cx, f.level.health()),
                    (format!("{:8} ", f.code), Role::Text),
                    (f.message.clone(), Role::Text),
                    (format!("  {}", f.object), Role::Dim),
                ];
                out.push(Line::opening(parts, Request::Finding(i)));
            }
            if out.len() == before {
                out.push(Line::dim("none on its objects"));
            }
        }
    }
    routes(cx, key, out);
    heading(cx, Section::Configuration, out, "CONFIGURATION");
    for object in &objects {
        let words = format!("object:{}", object.rsplit('/').next().unwrap_or(object));
        out.push(Line::opening(vec![(format!("    {object}"), Role::Text)], Request::Findings(words)).about(object));
    }
    if objects.is_empty() {
        out.push(Line::dim("none that was read"));
    }
    proxies(cx, key, out);
}

/// Who is routed to it, and where it leads.
fn routes(cx: &Cx<'_>, key: &Key, out: &mut Vec<Line>) {
    let Some((view, node)) = cx.world.configuration.known().and_then(|c| Some((&c.view, c.view.find(&key.0, &key.1)?))) else { return };
    for (title, is_caller) in [("ROUTED FROM", true), ("ROUTED TO, MADE OF", false)] {
        heading(cx, Section::Configuration, out, title);
        let edges: Vec<_> = view.edges().iter().filter(|e| if is_caller { e.to == node } else { e.from == node }).collect();
        for e in &edges {
            let other = &view.nodes()[if is_caller { e.from } else { e.to }];
            let parts = vec![
                mark(cx, other.health),
                (format!("{}/{}", other.namespace, other.name), Role::Text),
                (format!("  {}", e.label), Role::Badge),
                (format!("  {}", other.figures), Role::Dim),
            ];
            out.push(Line::opening(parts, Request::Detail(other.namespace.clone(), other.name.clone())));
        }
        if edges.is_empty() {
            out.push(Line::dim("nothing that configuration says"));
        }
    }
}

fn proxies(cx: &Cx<'_>, key: &Key, out: &mut Vec<Line>) {
    heading(cx, Section::Proxies, out, "PROXIES");
    let Some(all) = cx.world.proxies.known() else {
        out.push(Line::dim("not available: no source holds the state of a proxy"));
        return;
    };
    let configured = cx.world.configuration.known();
    let behind = configured.and_then(|c| Some((&c.view, c.view.find(&key.0, &key.1)?)));
    let behind = behind.into_iter().flat_map(|(view, node)| view.edges().iter().filter(move |e| e.from == node).map(|e| view.nodes()[e.to].name.as_str()));
    // Pods are called after what made them.
    let near: Vec<&str> = behind.chain([key.1.as_str()]).collect();
    let namespace = cx.world.traffic.known().and_then(|t| t.loads.get(key)).map_or(&key.0, |l| &l.namespace);
    let before = out.len();
    for (i, p) in all.iter().enumerate() {
        if p.namespace != *namespace || !near.iter().any(|n| p.name == *n || p.name.strip_prefix(n).is_some_and(|rest| rest.starts_with('-'))) {
            continue;
        }
        let parts =
            vec![mark(cx, p.health()), (p.name.clone(), Role::Text), (format!("  {} listeners {} clusters", p.listeners.len(), p.clusters.len()), Role::Dim)];
        out.push(Line::opening(parts, Request::Proxy(i)));
    }
    if out.len() == before {
        out.push(Line::dim("none of the dumps is of its pods"));
    }
}
