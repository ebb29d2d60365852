//! What proxies hold, in columns: proxy → listener → filter chain → route → cluster → endpoint.

use super::overview::spots;
use super::{Cx, Drawn, Request, Screen, command_line, known};
use crate::action::{Action, Scope};
use crate::filter::Filter;
use crate::graph::Health;
use crate::theme::Role;
use crate::widgets::{Column, Cursor, Pen, Row, Table, pane};
use crate::world::Proxy;
use crate::world::drift::Drift;
use crate::world::proxies::{Chain, Cluster, Destination, Endpoint, Lead, Listener, Route, short};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// How deep one can go.
const DEPTH: usize = 6;

#[derive(Default)]
pub struct Proxies {
    cursors: [Cursor; DEPTH],
    depth: usize,
    /// The filter, and the column that had the keyboard when it was typed: it holds there alone.
    filter: Filter,
    filtered: usize,
    shows_drift: bool,
    scroll: usize,
}

/// A row of a column.
#[derive(Clone, Copy)]
enum Item<'w> {
    Proxy(&'w Proxy),
    Listener(&'w Listener),
    Chain(&'w Chain),
    Route(&'w Route),
    Cluster(&'w Cluster, &'w str),
    /// A cluster that a route names and the proxy does not have.
    Missing(&'w str),
    /// A cluster that a route names, of a proxy whose clusters were not read.
    Unseen(&'w str),
    Endpoint(&'w Endpoint),
}

impl<'w> Item<'w> {
    fn children(self, proxy: &'w Proxy) -> Vec<Item<'w>> {
        let cluster = |d: &'w Destination| match proxy.clusters.get(&d.cluster) {
            Some(cluster) => Item::Cluster(cluster, &d.share),
            None if proxy.has_clusters => Item::Missing(&d.cluster),
            None => Item::Unseen(&d.cluster),
        };
        let clusters = |list: &'w [Destination]| list.iter().map(cluster).collect();
        match self {
            Item::Proxy(p) => p.listeners.iter().map(Item::Listener).collect(),
            Item::Listener(l) => l.chains.iter().map(Item::Chain).collect(),
            Item::Chain(c) => match &c.leads {
                Lead::Routes(name) => proxy.routes.get(name).into_iter().flatten().map(Item::Route).collect(),
                Lead::Clusters(list) => clusters(list),
                Lead::Nowhere => Vec::new(),
            },
            Item::Route(r) => clusters(&r.clusters),
            Item::Cluster(c, _) => c.endpoints.iter().flatten().map(Item::Endpoint).collect(),
            Item::Missing(_) | Item::Unseen(_) | Item::Endpoint(_) => Vec::new(),
        }
    }
    fn health(self) -> Health {
        match self {
            Item::Proxy(p) => p.health(),
            Item::Listener(l) => l.health,
            Item::Cluster(c, _) => c.health,
            Item::Missing(_) => Health::Failing,
            Item::Unseen(_) => Health::Unknown,
            Item::Endpoint(e) => e.health,
            Item::Chain(_) | Item::Route(_) => Health::Ok,
        }
    }
    fn label(self) -> String {
        match self {
            Item::Proxy(p) => p.full_name(),
            Item::Listener(l) if l.direction.is_empty() => l.address.clone(),
            Item::Listener(l) => format!("{} {}", l.address, l.direction),
            Item::Chain(c) => c.accepts.clone(),
            Item::Route(r) => format!("{} {}", r.domains.first().map_or("", String::as_str), r.accepts),
            Item::Cluster(c, "") => short(&c.name),
            Item::Cluster(c, share) => format!("{share} {}", short(&c.name)),
            Item::Missing(name) | Item::Unseen(name) => short(name),
            Item::Endpoint(e) => e.address.clone(),
        }
    }
    fn heading(self) -> &'static str {
        match self {
            Item::Proxy(_) => "Proxies",
            Item::Listener(_) => "Listeners",
            Item::Chain(_) => "Filter chains",
            Item::Route(_) => "Routes",
            Item::Cluster(..) | Item::Missing(_) | Item::Unseen(_) => "Clusters",
            Item::Endpoint(_) => "Endpoints",
        }
    }
    /// Everything that is known of it.
    fn facts(self) -> Vec<(String, String)> {
        let fact = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        match self {
            Item::Proxy(p) => {
                let version = if p.version.is_empty() { "not said" } else { &p.version };
                let mut out = vec![fact("proxy", &p.full_name()), fact("version", version), fact("from", &p.from)];
                out.push(fact(
                    "holds",
                    &format!(
                        "{} listeners, {} route tables, {} clusters, {} certificates",
                        p.listeners.len(),
                        p.routes.len(),
                        p.clusters.len(),
                        p.certificates.len()
                    ),
                ));
                if let Some(drift) = &p.drift {
                    out.push(fact("manifests", &drift_line(drift)));
                }
                out.extend(p.problems.iter().map(|t| fact("trouble", &t.text)));
                out.extend(p.missing.iter().map(|m| fact("not available", m)));
                out
            }
            Item::Listener(l) => vec![fact("listener", &l.name), fact("address", &l.address), fact("direction", &l.direction), fact("state", &l.state)],
            Item::Chain(c) => {
                let mut out =
                    vec![fact("chain", &c.name), fact("takes", &c.accepts), fact("TLS", if c.tls.is_empty() { "none, or passed through" } else { &c.tls })];
                match &c.leads {
                    Lead::Routes(name) => out.push(fact("routes", name)),
                    Lead::Clusters(list) => out.push(fact("cluster", &list.iter().map(|d| short(&d.cluster)).collect::<Vec<_>>().join(", "))),
                    Lead::Nowhere => out.push(fact("leads", "nowhere that is known: the filter is not one that is read")),
                }
                out.extend(c.filters.iter().map(|f| fact("filter", f)));
                out
            }
            Item::Route(r) => {
                let mut out = vec![
                    fact("virtual host", &r.host),
                    fact("domains", &r.domains.join(", ")),
                    fact("route", &r.name),
                    fact("takes", &r.accepts),
                    fact("does", &r.action),
                ];
                out.extend(r.more.iter().map(|m| fact("", m)));
                out
            }
            Item::Cluster(c, _) => {
                let mut out = vec![fact("cluster", &c.name)];
                out.extend(c.facts.iter().cloned());
                out.push(match &c.endpoints {
                    Some(list) => fact("endpoints", &format!("{} of {} fit", list.iter().filter(|e| e.health < Health::Degraded).count(), list.len())),
                    None => fact("endpoints", "not known: the dump does not hold them"),
                });
                out
            }
            Item::Missing(name) => vec![fact("cluster", name), fact("trouble", "the proxy has no cluster of this name: requests get 503 NC")],
            Item::Unseen(name) => vec![fact("cluster", name), fact("not available", "the dump holds no clusters")],
            Item::Endpoint(e) => vec![fact("endpoint", &e.address), fact("state", &e.state), fact("locality", &e.locality)],
        }
    }
}

impl Proxies {
    /// Puts the cursor on a proxy of the world.
    pub fn show(&mut self, index: usize) {
        *self = Proxies::default();
        self.cursors[0].at = index;
    }
    /// The rows of each column down to the one behind the focused one.
    fn columns<'w>(&self, all: &'w [Proxy], cx: &Cx<'_>) -> Vec<Vec<Item<'w>>> {
        let mut out: Vec<Vec<Item<'w>>> = vec![all.iter().map(Item::Proxy).collect()];
        let mut proxy = None;
        for depth in 0..=self.depth {
            if depth == self.filtered && !cx.filter.is_empty() {
                out[depth].retain(|i| cx.filter.matches(&[("name", &i.label())]));
            }
            let Some(item) = self.cursors[depth].get(out[depth].len()).map(|at| out[depth][at]) else { break };
            if let Item::Proxy(p) = item {
                proxy = Some(p);
            }
            let Some(proxy) = proxy else { break };
            let children = item.children(proxy);
            if children.is_empty() || out.len() == DEPTH {
                break;
            }
            out.push(children);
        }
        out
    }
    fn chosen<'w>(&self, columns: &[Vec<Item<'w>>], depth: usize) -> Option<Item<'w>> {
        let column = columns.get(depth)?;
        column.get(self.cursors[depth].get(column.len())?).copied()
    }
    fn areas(cx: &Cx<'_>) -> (Rect, Rect) {
        let facts = (cx.area.height / 3).clamp(4, 12).min(cx.area.height.saturating_sub(4));
        let top = Rect { height: cx.area.height - facts, ..cx.area };
        (top, Rect { y: top.bottom(), height: facts, ..cx.area })
    }
}

impl Screen for Proxies {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        let Some(all) = cx.world.proxies.known() else { return Vec::new() };
        let columns = self.columns(all, cx);
        (0..=self.depth).filter_map(|d| self.chosen(&columns, d)).map(Item::label).collect()
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Proxies, Scope::List]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let Some(all) = cx.world.proxies.known() else { return Vec::new() };
        let columns = self.columns(all, cx);
        let (top, _) = Proxies::areas(cx);
        match action {
            Action::Drift => (self.shows_drift, self.scroll) = (!self.shows_drift, 0),
            Action::Down | Action::Up if self.shows_drift => {
                self.scroll = if action == Action::Down { (self.scroll + 1).min(100_000) } else { self.scroll.saturating_sub(1) };
            }
            Action::PageDown | Action::PageUp if self.shows_drift => {
                let page = usize::from(top.height);
                self.scroll = if action == Action::PageDown { (self.scroll + page).min(100_000) } else { self.scroll.saturating_sub(page) };
            }
            Action::Open | Action::Right | Action::NextPane => {
                if columns.len() > self.depth + 1 {
                    self.depth += 1;
                    self.cursors[self.depth] = Cursor::default();
                } else {
                    return vec![Request::Say("nothing behind it that the dump holds".to_owned())];
                }
            }
            Action::Left | Action::PreviousPane => self.depth = self.depth.saturating_sub(1),
            _ => {
                let rows = columns.get(self.depth).map_or(0, Vec::len);
                self.cursors[self.depth].act(action, rows, usize::from(top.height.saturating_sub(3)));
            }
        }
        Vec::new()
    }
    fn escape(&mut self) -> bool {
        std::mem::take(&mut self.shows_drift)
    }
    fn prepare(&mut self, cx: &Cx<'_>) {
        if self.filter != *cx.filter {
            self.filter = cx.filter.clone();
            self.filtered = self.depth;
        }
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        let Some(all) = known(&cx.world.proxies, "Proxies", cx, buffer, cx.area) else { return drawn };
        let mut pen = Pen { buffer, theme: cx.theme };
        let columns = self.columns(all, cx);
        if let (true, Some(Item::Proxy(proxy))) = (self.shows_drift, self.chosen(&columns, 0)) {
            difference(&mut pen, cx.area, proxy, self.scroll);
            return drawn;
        }
        let (top, bottom) = Proxies::areas(cx);
        let count = usize::from(top.width / 30).clamp(1, 4).min(columns.len());
        let first = (self.depth + 2).min(columns.len()).saturating_sub(count).min(self.depth);
        let mut x = top.x;
        let shown = columns.len().min(first + count) - first;
        for (i, column) in columns.iter().enumerate().skip(first).take(count) {
            let left = shown - (i - first);
            let width = (top.right() - x) / left as u16;
            let is_focused = i == self.depth;
            let title = column.first().map_or("", |item| item.heading());
            let inner = pane(&mut pen, Rect { x, width, ..top }, &format!("{title} {}", column.len()), is_focused);
            let rows: Vec<Row> =
                column.iter().map(|item| vec![(cx.theme.glyph(item.health()).to_owned(), Role::Health(item.health())), (item.label(), Role::Text)]).collect();
            let table = Table { columns: &[Column::left("", 1, 0, 0), Column::left("", 8, 1, 0)], rows: &rows, cursor: self.cursors[i], is_focused };
            // These tables have no heads: the row of titles is above the frame.
            let area = Rect { y: inner.y.saturating_sub(1), height: inner.height + u16::from(inner.height > 0), ..inner };
            let at = table.draw(&mut pen, area);
            let inner_title = Rect { x, width, ..top };
            retitle(&mut pen, inner_title, &format!("{title} {}", column.len()), is_focused);
            spots(&mut drawn, &at, column.len(), i << 20);
            if is_focused {
                drawn.cursor = at.cursor;
            }
            x += width;
        }
        if let Some(item) = self.chosen(&columns, self.depth) {
            let inner = pane(&mut pen, bottom, &item.label(), false);
            let mut y = inner.y;
            for (key, value) in item.facts() {
                if y >= inner.bottom() {
                    break;
                }
                pen.text(inner.x, y, &format!("{key:>13} "), 14, Role::Dim);
                let rest = Rect { x: inner.x + 14.min(inner.width), width: inner.width.saturating_sub(14), ..inner };
                y = pen.paragraph(rest, y, &value, Role::Text).max(y + 1);
            }
        }
        drawn
    }
    fn select(&mut self, spot: usize, _cx: &Cx<'_>) {
        self.depth = (spot >> 20).min(DEPTH - 1);
        self.cursors[self.depth].at = spot & ((1 << 20) - 1);
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        let columns = self.columns(cx.world.proxies.known()?, cx);
        self.chosen(&columns, self.depth).map(Item::label)
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        let columns = cx.world.proxies.known().map(|all| self.columns(all, cx)).unwrap_or_default();
        let arguments = match self.chosen(&columns, 0) {
            Some(Item::Proxy(p)) => p.arguments.as_str(),
            _ => "--from DUMP",
        };
        if self.shows_drift {
            return command_line(cx, "drift").replace("meshctl drift ", "meshctl drift -f ");
        }
        let what = match self.chosen(&columns, self.depth) {
            Some(Item::Listener(_) | Item::Chain(_)) => "listener",
            Some(Item::Route(_)) => "route",
            Some(Item::Cluster(..) | Item::Missing(_) | Item::Unseen(_)) => "cluster",
            Some(Item::Endpoint(_)) => "endpoint",
            _ => "all",
        };
        format!("meshctl proxy-config {what} {arguments}")
    }
}

/// What the comparison with the manifests says, in a line.
fn drift_line(drift: &Drift) -> String {
    match drift {
        Drift::Unknown(why) => format!("not compared: {why}"),
        Drift::Compared { rows, same, .. } if rows.is_empty() => format!("it holds what they say: {same} resources"),
        Drift::Compared { rows, same, .. } => format!("{} resources differ from what they say, {same} do not: d shows them", rows.len()),
    }
}

/// Every resource that differs, with its fields.
fn difference(pen: &mut Pen<'_>, area: Rect, proxy: &Proxy, scroll: usize) {
    let inner = pane(pen, area, &format!("{} against the manifests", proxy.full_name()), true);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(drift) = &proxy.drift else { return };
    let mut lines: Vec<(String, Role)> = vec![(drift_line(drift), Role::Text)];
    if let Drift::Compared { rows, not_judged, .. } = drift {
        for row in rows {
            lines.push((row.resource.clone(), Role::Name));
            let wrapped = row.fields.iter().flat_map(|f| crate::text::wrap(f, usize::from(inner.width).saturating_sub(2)));
            lines.extend(wrapped.map(|l| (format!("  {l}"), Role::Text)));
        }
        lines.extend(not_judged.iter().map(|n| (format!("not judged: {n}"), Role::Dim)));
    }
    let most = lines.len().saturating_sub(usize::from(inner.height));
    for ((text, role), y) in lines.iter().skip(scroll.min(most)).zip(inner.y..inner.bottom()) {
        pen.text(inner.x, y, text, usize::from(inner.width), *role);
    }
}

/// Writes a pane's title again, after something was drawn over its upper border.
fn retitle(pen: &mut Pen<'_>, area: Rect, title: &str, is_focused: bool) {
    let line = Rect { height: 2.min(area.height), ..area };
    if line.height == 2 && line.width >= 2 {
        let style = pen.theme.style(if is_focused { Role::Focus } else { Role::Frame });
        for x in line.x + 1..line.right() - 1 {
            pen.styled(x, line.y, pen.theme.line_glyph(3, false, false), 1, style);
        }
        if line.width > 4 {
            let columns = usize::from(line.width) - 4;
            pen.text(line.x + 1, line.y, &format!(" {} ", crate::text::cut(title, columns)), columns + 2, if is_focused { Role::Name } else { Role::Heading });
        }
    }
}
