//! The screens. One is one file: what is selected in it, what its actions do, how it is drawn.

pub mod detail;
mod findings;
pub mod graph;
mod logs;
mod mesh;
mod overview;
pub mod proxies;
mod traces;

use crate::action::{Action, Scope, Tab};
use crate::app::Ages;
use crate::filter::Filter;
use crate::theme::{Role, Theme};
use crate::widgets::{Pen, Table};
use crate::world::sections::Section;
use crate::world::{Answer, World};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

/// What a screen is given.
#[derive(Clone, Copy)]
pub struct Cx<'c> {
    pub world: &'c World,
    pub theme: &'c Theme,
    pub filter: &'c Filter,
    /// Where it is drawn.
    pub area: Rect,
    /// How old the figures of stale sections are.
    pub ages: Ages,
}

impl Cx<'_> {
    /// A title, with the age of what stands below it where that is stale: `Namespaces · 2m old`.
    pub fn titled(&self, title: &str, sections: &[Section]) -> String {
        match self.ages.of(sections) {
            Some(age) => format!("{title} · {age}"),
            None => title.to_owned(),
        }
    }
}

/// What a screen wants to happen beyond itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Show(Tab),
    /// A finding by its index in the world.
    Finding(usize),
    /// The findings that a filter lets through.
    Findings(String),
    Proxy(usize),
    /// The graph with a filter and a node selected.
    Graph {
        filter: String,
        node: Option<(String, String)>,
    },
    Detail(String, String),
    /// A trace by its id, as a waterfall.
    Trace(String),
    /// The traces that a filter lets through.
    Traces(String),
    Say(String),
}

/// What was drawn where, for the cursor and the mouse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    pub cursor: Option<Position>,
    /// Rows or nodes that a click selects: where, and what to give to [`Screen::select`].
    pub spots: Vec<(Rect, usize)>,
}

/// Spots from here on are titles of columns, by their numbers.
pub const HEAD: usize = 1 << 30;

impl Drawn {
    /// Makes the titles of a table spots.
    pub fn heads(&mut self, table: &Table<'_>, area: Rect) {
        self.spots.extend(table.heads(area).into_iter().map(|(rect, column)| (rect, HEAD + column)));
    }
}

pub trait Screen {
    /// Behind the screen's name in the top line.
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String>;
    /// Scopes of keys, the innermost first.
    fn scopes(&self) -> &'static [Scope];
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request>;
    /// Called before drawing whenever something may have changed: the place for work that is kept.
    fn prepare(&mut self, _cx: &Cx<'_>) {}
    /// Closes what lies over the screen's first view; whether there was something.
    fn escape(&mut self) -> bool {
        false
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn;
    /// Whether what is shown is what the filter is of: one thing of a list is shown whole.
    fn is_filtered(&self) -> bool {
        true
    }
    /// Shows what a filter is of, as one is to be typed; or says how to get there.
    fn to_filtered(&mut self) -> Result<(), &'static str> {
        Ok(())
    }
    /// Selects a spot of the last drawing.
    fn select(&mut self, _spot: usize, _cx: &Cx<'_>) {}
    /// What `copy` copies.
    fn name(&self, _cx: &Cx<'_>) -> Option<String> {
        None
    }
    /// The objects in focus, `VirtualService bookinfo/reviews`, what is closest first.
    fn objects(&self, _cx: &Cx<'_>) -> Vec<String> {
        Vec::new()
    }
    /// The command that prints the same facts.
    fn command(&self, cx: &Cx<'_>) -> String;
}

/// All screens; each keeps its selection while another is shown.
#[derive(Default)]
pub struct Screens {
    pub overview: overview::Overview,
    pub graph: graph::Graph,
    pub detail: detail::Detail,
    pub findings: findings::Findings,
    pub proxies: proxies::Proxies,
    pub mesh: mesh::Mesh,
    pub traces: traces::Traces,
    logs: logs::Logs,
}

impl Screens {
    pub fn get(&self, tab: Tab) -> &dyn Screen {
        match tab {
            Tab::Overview => &self.overview,
            Tab::Graph => &self.graph,
            Tab::Detail => &self.detail,
            Tab::Findings => &self.findings,
            Tab::Traces => &self.traces,
            Tab::Proxies => &self.proxies,
            Tab::Mesh => &self.mesh,
            Tab::Logs => &self.logs,
        }
    }
    pub fn get_mut(&mut self, tab: Tab) -> &mut dyn Screen {
        match tab {
            Tab::Overview => &mut self.overview,
            Tab::Graph => &mut self.graph,
            Tab::Detail => &mut self.detail,
            Tab::Findings => &mut self.findings,
            Tab::Traces => &mut self.traces,
            Tab::Proxies => &mut self.proxies,
            Tab::Mesh => &mut self.mesh,
            Tab::Logs => &mut self.logs,
        }
    }
}

/// Says in the middle of an area why something is not shown.
pub fn not_available(pen: &mut Pen<'_>, area: Rect, what: &str, why: &str, how: &str) {
    if area.height == 0 || area.width < 4 {
        return;
    }
    message(pen, area, [&format!("{what}: not available"), why, how]);
}

/// A title, a sentence and a hint in the middle of an area.
pub fn message(pen: &mut Pen<'_>, area: Rect, [title, text, hint]: [&str; 3]) {
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let top = area.y + (area.height / 3).min(area.height.saturating_sub(4));
    let y = pen.paragraph(inner, top, title, Role::Name);
    let y = pen.paragraph(inner, y, text, Role::Text);
    pen.paragraph(inner, y, hint, Role::Dim);
}

/// The value, or the reason drawn instead.
pub fn known<'a, T>(answer: &'a Answer<T>, what: &str, cx: &Cx<'_>, buffer: &mut Buffer, area: Rect) -> Option<&'a T> {
    match answer {
        Answer::Known(value) => Some(value),
        _ if answer.is_unread() => {
            message(&mut Pen { buffer, theme: cx.theme }, area, [&format!("{what}: being read…"), "", ""]);
            None
        }
        Answer::Unavailable { why, how } => {
            not_available(&mut Pen { buffer, theme: cx.theme }, area, what, why, how);
            None
        }
    }
}

/// `meshctl COMMAND ARGUMENTS`.
pub fn command_line(cx: &Cx<'_>, command: &str) -> String {
    // The others read no traffic.
    let traffic = cx.world.traffic.known().filter(|_| command.starts_with("tui")).map_or("", |t| t.arguments.as_str());
    // A demo is one word for both.
    let traffic = if traffic == cx.world.arguments { "" } else { traffic };
    let words = [command, cx.world.arguments.as_str(), traffic];
    format!("meshctl {}", words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" "))
}

/// `22.2 ms` of microseconds.
pub fn took(micros: i64) -> String {
    traces::time(micros)
}

/// `2h 5m`, `3d 4h`, `12s`; always of a positive number of seconds.
pub fn span(seconds: i64) -> String {
    let s = seconds.abs();
    match s {
        0..=59 => format!("{s}s"),
        60..=3599 => format!("{}m", s / 60),
        3600..=86_399 => format!("{}h {}m", s / 3600, s % 3600 / 60),
        86_400..=31_535_999 => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
        _ => format!("{}y {}d", s / 31_536_000, s % 31_536_000 / 86_400),
    }
}
