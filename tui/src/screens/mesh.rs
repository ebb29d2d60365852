//! The mesh as a whole: sources, clusters, versions, certificates by expiry.

use super::overview::{spots, synced};
use super::{Cx, Drawn, Request, Screen, command_line, known, span};
use crate::action::{Action, Scope};
use crate::graph::Health;
use crate::theme::Role;
use crate::widgets::{Column, Cursor, Pen, Row, Table, pane};
use crate::world::sections::Section;
use crate::world::{Answer, Certificate, Source};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

#[derive(Default)]
pub struct Mesh {
    cursor: Cursor,
    /// The pane that is shown where there is room for one alone.
    shown: usize,
}

/// Below this size one pane is shown, and tab goes to the next.
const SMALL: (u16, u16) = (60, 14);
const PANES: usize = 5;

const COLUMNS: [Column; 6] = [
    Column::left("", 1, 0, 0),
    Column::right("EXPIRES IN", 10, 0),
    Column::left("PROXY", 12, 3, 0),
    Column::left("NAME", 6, 1, 1),
    Column::left("IDENTITY", 12, 4, 2),
    Column::left("ISSUER", 8, 2, 3),
];

/// Below so many columns three panes beside each other are too narrow.
const NARROW: u16 = 120;

impl Mesh {
    fn rows<'w>(cx: &Cx<'w>) -> Vec<&'w Certificate> {
        let all = cx.world.certificates.known().map_or(&[][..], Vec::as_slice);
        all.iter().filter(|c| cx.filter.matches(&[("proxy", &c.of), ("name", &c.name), ("identity", &c.subject), ("issuer", &c.issuer)])).collect()
    }
    fn is_small(cx: &Cx<'_>) -> bool {
        cx.area.width < SMALL.0 || cx.area.height < SMALL.1
    }
    fn areas(&self, cx: &Cx<'_>) -> [Rect; PANES] {
        let a = cx.area;
        if Mesh::is_small(cx) {
            let nothing = Rect { width: 0, height: 0, ..a };
            // Sources first: what could not be read stands there.
            return std::array::from_fn(|i| if i == self.shown { a } else { nothing });
        }
        let stale = cx.world.sync.known().map_or(0, |all| all.iter().filter(|s| s.health() >= Health::Degraded).count());
        let needed = cx.world.sources.len().max(cx.world.versions.len() + 1 + stale).max(cx.world.clusters.len()) as u16 + 2;
        let is_narrow = a.width < NARROW && a.height >= 18;
        let height = needed.clamp(if is_narrow { 8 } else { 4 }, 10).min(a.height / 2);
        let third = a.width / 3;
        let top = |i: u16, w: u16| Rect { x: a.x + third * i, y: a.y, width: w, height };
        // In a third of a narrow screen no source could be read: the other two stand one above the other.
        let half = a.width / 2;
        let lower = (cx.world.clusters.len() as u16 + 2).min(height / 2);
        let beside = |y: u16, height: u16| Rect { x: a.x + half, y, width: a.width - half, height };
        let below = Rect { y: a.y + height, height: a.height - height, ..a };
        // Beside each other where it is wide.
        let (first, second) = if a.width >= 150 {
            let left = Rect { width: below.width / 2, ..below };
            (left, Rect { x: left.right(), width: below.width - left.width, ..below })
        } else {
            let upper = Rect { height: below.height.div_ceil(2), ..below };
            (upper, Rect { y: upper.bottom(), height: below.height - upper.height, ..below })
        };
        if is_narrow {
            return [top(0, half), beside(a.y, height - lower), beside(a.y + height - lower, lower), first, second];
        }
        [top(0, third), top(1, third), top(2, a.width - 2 * third), first, second]
    }
}

impl Screen for Mesh {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        if Mesh::is_small(cx) { vec![format!("{}/{PANES} tab", self.shown + 1)] } else { Vec::new() }
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::List]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let rows = Mesh::rows(cx);
        let chosen = self.cursor.get(rows.len()).and_then(|i| rows.get(i));
        if action == Action::Open {
            let proxies = cx.world.proxies.shared().map_or(&[][..], Vec::as_slice);
            return chosen.and_then(|c| proxies.iter().position(|p| p.full_name() == c.of)).map(Request::Proxy).into_iter().collect();
        }
        match action {
            Action::NextPane if Mesh::is_small(cx) => self.shown = (self.shown + 1) % PANES,
            Action::PreviousPane if Mesh::is_small(cx) => self.shown = (self.shown + PANES - 1) % PANES,
            _ => {}
        }
        self.cursor.act(action, rows.len(), usize::from(self.areas(cx)[3].height.saturating_sub(3)));
        Vec::new()
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        let [sources, versions, clusters, certificates, changed] = self.areas(cx);
        let mut pen = Pen { buffer, theme: cx.theme };
        let inner = pane(&mut pen, sources, "Sources", false);
        // What failed comes first where not all have room, and that there are more is said.
        let mut all: Vec<&Source> = cx.world.sources.iter().collect();
        let rows = usize::from(inner.height);
        let more = if all.len() > rows { all.len() - rows + 1 } else { 0 };
        if more > 0 {
            all.sort_by_key(|s| s.state.is_ok());
            all.truncate(rows.saturating_sub(1));
            pen.row(inner, inner.bottom().saturating_sub(1), &[(&format!("and {more} more"), Role::Dim)]);
        }
        for (s, y) in all.into_iter().zip(inner.y..inner.bottom()) {
            let (health, text) = match &s.state {
                Ok(text) => (Health::Ok, text),
                Err(text) => (Health::Failing, text),
            };
            pen.row(
                inner,
                y,
                &[(cx.theme.glyph(health), Role::Health(health)), (" ", Role::Text), (&s.name, Role::Text), (": ", Role::Dim), (text, Role::Dim)],
            );
        }
        let inner = pane(&mut pen, versions, &cx.titled("Control planes and versions", &[Section::Configuration, Section::Proxies]), false);
        let mut y = inner.y;
        for v in &cx.world.versions {
            pen.row(
                inner,
                y,
                &[
                    (&format!("{:>3} ", v.count), Role::Text),
                    (&v.of, Role::Text),
                    (" ", Role::Text),
                    (if v.version == "unknown" { "of a version that is not said" } else { &v.version }, Role::Name),
                ],
            );
            y += 1;
        }
        match &cx.world.sync {
            Answer::Known(all) => {
                pen.row(inner, y, &[("sync: ", Role::Dim), (&synced(all), Role::Text)]);
                for s in all.iter().filter(|s| s.health() >= Health::Degraded) {
                    y += 1;
                    let health = s.health();
                    pen.row(
                        inner,
                        y,
                        &[
                            (cx.theme.glyph(health), Role::Health(health)),
                            (" ", Role::Text),
                            (&s.proxy, Role::Text),
                            ("  ", Role::Text),
                            (&s.trouble(), Role::Dim),
                        ],
                    );
                }
            }
            Answer::Unavailable { why, .. } => pen.row(inner, y, &[("sync: not available: ", Role::Dim), (why, Role::Dim)]),
        }
        let inner = pane(&mut pen, clusters, &cx.titled("Clusters", &[Section::Configuration]), false);
        for ((name, count), y) in cx.world.clusters.iter().zip(inner.y..inner.bottom()) {
            let name = if name.is_empty() { "(unnamed)" } else { name };
            pen.row(inner, y, &[(name, Role::Text), (&format!("  {count} objects"), Role::Dim)]);
        }
        changes(cx, &mut pen, changed);
        let inner = pane(&mut pen, certificates, &cx.titled("Certificates by expiry", &[Section::Proxies]), true);
        let buffer = pen.buffer;
        if known(&cx.world.certificates, "Certificates", cx, buffer, inner).is_none() {
            return drawn;
        }
        let mut pen = Pen { buffer, theme: cx.theme };
        let rows = Mesh::rows(cx);
        let cells: Vec<Row> = rows.iter().map(|c| row(c, cx)).collect();
        let shown = Table { columns: &COLUMNS, rows: &cells, cursor: self.cursor, is_focused: true }.draw(&mut pen, inner);
        spots(&mut drawn, &shown, rows.len(), 0);
        drawn.cursor = shown.cursor;
        drawn
    }
    fn select(&mut self, spot: usize, _cx: &Cx<'_>) {
        self.cursor.at = spot;
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        let rows = Mesh::rows(cx);
        self.cursor.get(rows.len()).and_then(|i| rows.get(i)).map(|c| c.of.clone())
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        let rows = Mesh::rows(cx);
        let chosen = self.cursor.get(rows.len()).and_then(|i| rows.get(i));
        let proxy = chosen.and_then(|c| cx.world.proxies.known()?.iter().find(|p| p.full_name() == c.of));
        proxy.map_or_else(|| command_line(cx, "tui --no-tui"), |p| format!("meshctl proxy-config secret {}", p.arguments))
    }
}

fn changes(cx: &Cx<'_>, pen: &mut Pen<'_>, area: Rect) {
    let inner = pane(pen, area, &cx.titled("Changed within the hour", &[Section::Configuration, Section::Metrics]), false);
    match &cx.world.changes {
        Answer::Unavailable { why, how } => {
            let y = pen.paragraph(inner, inner.y, &format!("not available: {why}"), Role::Dim);
            pen.paragraph(inner, y, how, Role::Dim);
        }
        Answer::Known(all) if all.is_empty() => {
            pen.paragraph(inner, inner.y, "Nothing that these sources show.", Role::Text);
        }
        Answer::Known(all) => {
            for (c, y) in all.iter().zip(inner.y..inner.bottom()) {
                let ago = c.at.map_or(String::new(), |at| format!(" {} ago", span(cx.world.as_of - at)));
                let parts = [(cx.theme.glyph(c.health), Role::Health(c.health)), (" ", Role::Text), (c.subject.as_str(), Role::Text), ("  ", Role::Text)];
                pen.row(inner, y, &[&parts[..], &[(c.text.as_str(), Role::Dim), (ago.as_str(), Role::Dim)]].concat());
            }
        }
    }
}

fn row(c: &Certificate, cx: &Cx<'_>) -> Row {
    let left = c.not_after - cx.world.as_of;
    let (health, text) = match left {
        ..=0 => (Health::Failing, format!("expired {}", span(left))),
        1..=3600 => (Health::Degraded, span(left)),
        _ => (Health::Ok, span(left)),
    };
    vec![
        (cx.theme.glyph(health).to_owned(), Role::Health(health)),
        (text, if health == Health::Ok { Role::Text } else { Role::Health(health) }),
        (c.of.clone(), Role::Text),
        (c.name.clone(), Role::Text),
        (c.subject.clone(), Role::Dim),
        (c.issuer.clone(), Role::Dim),
    ]
}
