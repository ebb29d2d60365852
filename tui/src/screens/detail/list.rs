//! All services, workloads and gateways, one a row: the way to one of them.

use crate::graph::flow::{milliseconds, percent};
use crate::graph::{Flow, Health};
use crate::screens::overview::{spots, tls_role};
use crate::screens::{Cx, Drawn};
use crate::theme::Role;
use crate::widgets::{By, Column, Cursor, Order, Pen, Row, Table, pane};
use crate::world::Level;
use crate::world::sections::Section;
use crate::world::traffic::Key;
use ratatui::buffer::Buffer;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What the list can be sorted by; first the worst.
pub(super) const ORDERS: [By; 6] = [By::Given, By::Name, By::Namespace, By::Errors, By::Rate, By::Latency];

const COLUMNS: [Column; 8] = [
    Column::left("", 1, 0, 0),
    Column::left("NAME", 16, 3, 0),
    Column::left("NAMESPACE", 12, 2, 1),
    Column::left("KIND", 8, 0, 3),
    Column::right("ERRORS", 6, 2),
    Column::right("WARNINGS", 8, 4),
    Column::right("REPLICAS", 8, 6),
    Column::left("BADGES", 6, 0, 5),
];
const WITH_TRAFFIC: [Column; 12] = [
    COLUMNS[0],
    COLUMNS[1],
    COLUMNS[2],
    COLUMNS[3],
    Column::right("RATE", 6, 0),
    Column::right("FAIL", 5, 0),
    Column::right("P95", 5, 1),
    Column::right("MTLS", 5, 2),
    COLUMNS[4],
    COLUMNS[5],
    COLUMNS[6],
    COLUMNS[7],
];

/// One service, workload or gateway.
pub(super) struct Entry<'w> {
    pub key: &'w Key,
    kind: &'w str,
    namespace: &'w str,
    health: Health,
    /// What arrives.
    flow: Option<Flow>,
    errors: usize,
    warnings: usize,
    replicas: Option<(i64, i64)>,
    badges: &'w str,
}

/// What is listed, filtered and sorted.
pub(super) fn entries<'w>(cx: &Cx<'w>, order: Order) -> Vec<Entry<'w>> {
    let world = cx.world;
    let traffic = world.traffic.shared();
    let configured = world.configuration.known();
    let mut found: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for f in world.findings.known().into_iter().flatten() {
        match f.level {
            Level::Error => found.entry(&f.object).or_default()[0] += 1,
            Level::Warning => found.entry(&f.object).or_default()[1] += 1,
            Level::Info => {}
        }
    }
    // What arrives at the workloads of a service arrives by it.
    let mut of_services: BTreeMap<&Key, (Flow, Health)> = BTreeMap::new();
    for load in traffic.into_iter().flat_map(|t| t.loads.values()) {
        for service in &load.services {
            let (flow, health) = of_services.entry(service).or_default();
            (*flow, *health) = (flow.and(&load.inbound), load.health.max(*health));
        }
    }
    let mut all: BTreeMap<&Key, Entry<'w>> = BTreeMap::new();
    for (key, load) in traffic.into_iter().flat_map(|t| &t.loads) {
        let entry = Entry {
            key,
            kind: load.kind,
            namespace: &load.namespace,
            health: load.health,
            flow: Some(load.inbound),
            errors: 0,
            warnings: 0,
            replicas: load.replicas,
            badges: "",
        };
        all.insert(key, entry);
    }
    for (key, node) in configured.into_iter().flat_map(|c| c.bodies.keys().filter_map(|key| Some((key, &c.view.nodes()[c.view.find(&key.0, &key.1)?])))) {
        let entry = all.entry(key).or_insert_with(|| Entry {
            key,
            kind: &node.figures,
            namespace: &key.0,
            health: of_services.get(key).map_or(Health::Idle, |(_, health)| *health),
            flow: of_services.get(key).map(|(flow, _)| *flow),
            errors: 0,
            warnings: 0,
            replicas: None,
            badges: "",
        });
        entry.badges = &node.badges;
        entry.health = entry.health.max(node.health);
        for object in configured.and_then(|c| c.objects.get(key)).into_iter().flatten() {
            let [errors, warnings] = found.get(object.as_str()).copied().unwrap_or_default();
            entry.errors += errors;
            entry.warnings += warnings;
        }
    }
    let shown = |e: &Entry<'_>| {
        cx.filter.matches(&[("name", &e.key.1), ("ns", e.namespace), ("kind", e.kind), ("health", crate::find::name_of(e.health)), ("badge", e.badges)])
    };
    let mut out: Vec<Entry<'w>> = all.into_values().filter(shown).collect();
    let most = |figure: Option<f64>| Reverse(figure.map_or(-1, |f| (f * 1e6) as i64));
    let errors = |e: &Entry<'_>| (most(e.flow.and_then(|f| f.errors())), Reverse((e.errors, e.warnings)));
    match order.by {
        By::Name => out.sort_by(|a, b| (&a.key.1, &a.key.0).cmp(&(&b.key.1, &b.key.0))),
        By::Namespace => {}
        By::Errors => out.sort_by_key(errors),
        By::Rate => out.sort_by_key(|e| most(e.flow.map(|f| f.requests))),
        By::Latency => out.sort_by_key(|e| most(e.flow.and_then(|f| f.p95))),
        _ => out.sort_by_key(|e| (Reverse(e.health), most(e.flow.map(|f| f.failed)))),
    }
    order.turn(&mut out);
    out
}

/// The columns of the list.
pub(super) fn columns(cx: &Cx<'_>) -> &'static [Column] {
    if cx.world.traffic.known().is_some() { &WITH_TRAFFIC } else { &COLUMNS }
}

/// Draws them.
pub(super) fn draw(cx: &Cx<'_>, cursor: Cursor, order: Order, buffer: &mut Buffer) -> Drawn {
    let mut drawn = Drawn::default();
    let mut pen = Pen { buffer, theme: cx.theme };
    let list = entries(cx, order);
    let said = order.said(ORDERS[0]);
    let title = if said.is_empty() { "Services, workloads, gateways: the worst first".to_owned() } else { format!("Services, workloads, gateways {said}") };
    let inner = pane(&mut pen, cx.area, &cx.titled(&title, &[Section::Configuration, Section::Metrics]), true);
    if list.is_empty() {
        let text = if cx.filter.is_empty() { "None that these sources show." } else { "Nothing that the filter lets through." };
        pen.paragraph(inner, inner.y, text, Role::Text);
        return drawn;
    }
    let has_traffic = cx.world.traffic.known().is_some();
    let rows: Vec<Row> = list.iter().map(|e| row(e, cx, has_traffic)).collect();
    let table = Table { columns: columns(cx), rows: &rows, cursor, is_focused: true };
    let shown = table.draw(&mut pen, inner);
    drawn.heads(&table, inner);
    spots(&mut drawn, &shown, rows.len(), 0);
    drawn.cursor = shown.cursor;
    drawn
}

fn row(e: &Entry<'_>, cx: &Cx<'_>, has_traffic: bool) -> Row {
    let count = |n: usize, health: Health| (n.to_string(), if n == 0 { Role::Dim } else { Role::Health(health) });
    let figure = |text: Option<String>, role: Role| text.map_or(("-".to_owned(), Role::Dim), |t| (t, role));
    let mut row: Row = vec![
        (cx.theme.glyph(e.health).to_owned(), Role::Health(e.health)),
        (e.key.1.clone(), Role::Text),
        (e.namespace.to_owned(), Role::Dim),
        (e.kind.to_owned(), Role::Dim),
    ];
    if has_traffic {
        let flow = e.flow.filter(|f| !f.is_idle());
        let failing = if flow.is_some_and(|f| f.failed > 0.0) { Role::Health(e.health.max(Health::Degraded)) } else { Role::Text };
        row.push(figure(flow.map(|f| f.rate()), Role::Text));
        row.push(figure(flow.and_then(|f| f.errors()).map(percent), failing));
        row.push(figure(flow.and_then(|f| f.p95).map(milliseconds), Role::Text));
        row.push(figure(flow.and_then(|f| f.mtls()).map(percent), tls_role(flow.and_then(|f| f.mtls()))));
    }
    row.push(count(e.errors, Health::Failing));
    row.push(count(e.warnings, Health::Degraded));
    row.push(match e.replicas {
        Some((wanted, there)) if there < wanted => (format!("{there}/{wanted}"), Role::Health(Health::Degraded)),
        Some((wanted, there)) => (format!("{there}/{wanted}"), Role::Text),
        None => ("-".to_owned(), Role::Dim),
    });
    row.push((e.badges.to_owned(), Role::Badge));
    row
}
