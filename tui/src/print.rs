//! The screens as text, for pipes and for terminals that can't draw.

use crate::action::Tab;
use crate::app::Ages;
use crate::filter::Filter;
use crate::find::name_of;
use crate::graph::tree::tree;
use crate::screens::{Cx, detail, span};
use crate::text::clean;
use crate::theme::Theme;
use crate::world::traffic::Key;
use crate::world::{Answer, World};
use ratatui::layout::Rect;

/// What a screen shows, line by line. Screens without facts say why.
pub fn text(world: &World, tab: Tab) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(&clean(text));
        out.push('\n');
    };
    match tab {
        Tab::Overview => overview(world, &mut line),
        Tab::Findings => findings(world, &mut line),
        Tab::Graph => graph(world, &mut line),
        Tab::Detail => match world.view().and_then(|v| v.nodes().get(v.worst()?)) {
            Some(node) => return self::node(world, &(node.namespace.clone(), node.name.clone())),
            None => graph(world, &mut line),
        },
        Tab::Proxies => proxies(world, &mut line),
        Tab::Mesh => mesh(world, &mut line),
        Tab::Traces => traces(world, &mut line),
        Tab::Logs => logs(world, &mut line),
    }
    out
}

/// Everything that is known of one node.
pub fn node(world: &World, key: &Key) -> String {
    let theme = Theme::default();
    let cx = Cx { world, theme: &theme, filter: &Filter::default(), area: Rect::new(0, 0, 120, 40), ages: Ages::default() };
    detail::text(&cx, key)
}

fn or_why<'a, T>(answer: &'a Answer<T>, what: &str, line: &mut dyn FnMut(&str)) -> Option<&'a T> {
    match answer {
        Answer::Known(value) => Some(value),
        Answer::Unavailable { why, how } => {
            line(&format!("{what}: not available: {why}; {how}"));
            None
        }
    }
}

fn overview(world: &World, line: &mut dyn FnMut(&str)) {
    line("WHAT IS WRONG NOW");
    if world.problems.is_empty() {
        line("  nothing that these sources show");
    }
    for p in &world.problems {
        line(&format!("  {:8} {}: {}", name_of(p.health), p.subject, p.text));
    }
    line("NAMESPACES");
    for n in &world.namespaces {
        if let Some(flow) = n.flow.filter(|f| !f.is_idle()) {
            line(&format!("  {}: {}{}{}", n.name, flow.figures(), latency(&flow), tls(&flow)));
        }
        line(&format!(
            "  {}: {} errors, {} warnings, {} services, {} of {} workloads in the mesh{}, {} proxies",
            n.name,
            n.errors,
            n.warnings,
            n.services,
            n.in_mesh,
            n.workloads,
            if n.unknown > 0 { format!(" ({} not known)", n.unknown) } else { String::new() },
            n.proxies
        ));
    }
    mesh(world, line);
}

fn latency(flow: &crate::graph::Flow) -> String {
    flow.p95.map_or(String::new(), |p| format!(", p95 {}", crate::graph::flow::milliseconds(p)))
}

fn tls(flow: &crate::graph::Flow) -> String {
    flow.mtls().map_or(", mTLS not known".to_owned(), |p| format!(", mTLS {}", crate::graph::flow::percent(p)))
}

fn findings(world: &World, line: &mut dyn FnMut(&str)) {
    let Some(all) = or_why(&world.findings, "findings", line) else { return };
    for f in all {
        line(&format!("{} {} {}: {} ({})", f.level.name(), f.code, f.object, f.message, f.place));
    }
    if all.is_empty() {
        line("nothing was found in what was read");
    }
}

fn graph(world: &World, line: &mut dyn FnMut(&str)) {
    let view = match world.traffic.known() {
        Some(traffic) => &traffic.view,
        None => {
            line("who calls whom: not available: no source holds traffic; what configuration routes:");
            let Some(configured) = or_why(&world.configuration, "graph", line) else { return };
            &configured.view
        }
    };
    let near = view.neighbours();
    for n in (0..view.nodes().len()).filter(|&n| near.callers[n].is_empty()) {
        let node = &view.nodes()[n];
        line(&format!("{}/{}  {}  {}", node.namespace, node.name, node.figures, name_of(node.health)));
        // The half that says what it leads to.
        for l in tree(view, n).iter().skip_while(|l| l.text != "calls").skip(1).filter(|l| l.node.is_some()) {
            line(&format!("{}{}  {}", "  ".repeat(l.depth), l.text, name_of(l.health)));
        }
    }
}

fn logs(world: &World, line: &mut dyn FnMut(&str)) {
    let Some(logs) = or_why(&world.logs, "logs", line) else { return };
    line(&format!("{} lines of requests and connections, {} of them fine", logs.entries, logs.fine));
    for g in &logs.groups {
        line(&format!("{:8} {} {} {} {}: {}", name_of(g.health), g.count, g.ended, g.details, g.cluster, g.title));
        line(&format!("  {}", g.why));
        g.next.iter().for_each(|n| line(&format!("  more: {n}")));
    }
}

fn traces(world: &World, line: &mut dyn FnMut(&str)) {
    let Some(traces) = or_why(&world.traces, "traces", line) else { return };
    line(&format!("{} traces", traces.all.len()));
    for (trace, l) in traces.all.iter().zip(&traces.lines) {
        let flags = if l.flags.is_empty() { String::new() } else { format!(", {}", l.flags) };
        let took = crate::screens::took(l.duration);
        line(&format!("{:8} {} {took}, {} spans, {} failed{flags}: {}", name_of(l.health), trace.id, l.spans, l.errors, l.begins));
    }
    line(&format!("  more: meshctl traces ID {}", traces.arguments));
}

fn proxies(world: &World, line: &mut dyn FnMut(&str)) {
    let Some(all) = or_why(&world.proxies, "proxies", line) else { return };
    for p in all.iter() {
        line(&format!(
            "{} {} {}: {} listeners, {} route tables, {} clusters",
            name_of(p.health()),
            p.full_name(),
            p.version,
            p.listeners.len(),
            p.routes.len(),
            p.clusters.len()
        ));
        p.problems.iter().for_each(|t| line(&format!("  {}", t.text)));
        p.missing.iter().for_each(|m| line(&format!("  not available: {m}")));
        line(&format!("  more: meshctl proxy-config all {}", p.arguments));
    }
}

fn mesh(world: &World, line: &mut dyn FnMut(&str)) {
    line("SOURCES");
    for s in &world.sources {
        line(&match &s.state {
            Ok(text) => format!("  {}: {text}", s.name),
            Err(why) => format!("  {}: not read: {why}", s.name),
        });
    }
    line("VERSIONS");
    for v in &world.versions {
        line(&format!("  {} {} {}", v.count, v.of, v.version));
    }
    line("CHANGED WITHIN THE HOUR");
    for c in or_why(&world.changes, "  changes", line).into_iter().flatten() {
        let ago = c.at.map_or(String::new(), |at| format!(", {} ago", span(world.as_of - at)));
        line(&format!("  {:8} {} {}{ago}", name_of(c.health), c.subject, c.text));
    }
    line("CERTIFICATES BY EXPIRY");
    let Some(all) = or_why(&world.certificates, "  certificates", line) else { return };
    for c in all {
        let left = c.not_after - world.as_of;
        let when = if left <= 0 { format!("expired {} ago", span(left)) } else { format!("in {}", span(left)) };
        line(&format!("  {when}: {} {} {}", c.of, c.name, c.subject));
    }
}
