//! What proxies hold, in columns: proxy → listener → filter chain → route → cluster → endpoint.

mod difference;
mod item;
mod request;
mod resource;

use super::overview::spots;
use super::{Cx, Drawn, Request, Screen, known};
use crate::action::{Action, Scope};
use crate::filter::Filter;
use crate::theme::Role;
use crate::widgets::{Column, Cursor, Pen, Row, Table, pane};
use crate::world::Proxy;
use crate::world::held::Wanted;
use crate::world::sections::Section;
use crate::world::way::{self, Asked, Question, Way};
use difference::difference;
use item::Item;
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
    /// The request that was asked about, and what became of it.
    asked: Option<(Question, Told)>,
    /// How many were asked.
    questions: u64,
    /// Whether what it was asked of was read again since.
    is_outdated: bool,
    scroll: usize,
}

/// What is known of a request that was asked about.
enum Told {
    Waited,
    Way(Box<Way>),
    Failed(String),
}

/// What lies over the columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Drift,
    Request,
}

impl Proxies {
    fn over(&self) -> Option<Over> {
        if self.asked.is_some() { Some(Over::Request) } else { self.shows_drift.then_some(Over::Drift) }
    }
    /// A request is asked about at the selected proxy: the question to answer.
    pub fn ask(&mut self, words: Vec<String>, cx: &Cx<'_>) -> Result<Question, String> {
        let has_objects = cx.world.configuration.known().is_some();
        let of = match cx.world.proxies.known() {
            // Who sends it is named: then it is for the manifests to say, with what proxies hold.
            _ if has_objects && way::names_a_sender(&words) => Asked::Sources(cx.world.objects.clone()),
            Some(all) => {
                let columns = self.columns(all, cx);
                let Some(Item::Proxy(proxy)) = self.chosen(&columns, 0) else { return Err("no proxy is selected".to_owned()) };
                Asked::Proxy(proxy.arguments.clone())
            }
            None if has_objects => return Err("say who sends it, as no proxy is known: `productpage http://reviews:9080/reviews/0`".to_owned()),
            None => return Err("no source holds the state of a proxy, or manifests to tell it from".to_owned()),
        };
        self.questions += 1;
        let question = Question { of, words, number: self.questions };
        self.asked = Some((question.clone(), Told::Waited));
        (self.shows_drift, self.is_outdated, self.scroll) = (false, false, 0);
        Ok(question)
    }
    /// What it is asked of was read again: the answer that is shown is of before.
    pub fn outdate(&mut self) {
        self.is_outdated = self.asked.is_some();
    }
    /// What became of it; an answer to another question is too late.
    pub fn told(&mut self, question: &Question, answer: Result<Way, String>) {
        if let Some((_, told)) = self.asked.as_mut().filter(|(asked, _)| asked == question) {
            *told = answer.map_or_else(Told::Failed, |way| Told::Way(Box::new(way)));
        }
    }
    /// The request as it was typed, to be typed again with a change.
    pub fn request(&self) -> Option<String> {
        let (question, _) = self.asked.as_ref()?;
        Some(question.words.iter().map(|w| crate::shell::quoted(w)).collect::<Vec<_>>().join(" "))
    }
    /// Puts the cursor on a proxy of the world.
    pub fn show(&mut self, index: usize) {
        *self = Proxies { questions: self.questions, ..Proxies::default() };
        self.cursors[0].at = index;
    }
    /// Scrolls what lies over the columns; whether that was it.
    fn scrolled(&mut self, action: Action, page: usize) -> bool {
        let by = match action {
            _ if self.over().is_none() => return false,
            Action::Down | Action::Up => 1,
            Action::PageDown | Action::PageUp => page,
            _ => return false,
        };
        let is_down = matches!(action, Action::Down | Action::PageDown);
        self.scroll = if is_down { (self.scroll + by).min(100_000) } else { self.scroll.saturating_sub(by) };
        true
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
        let (top, _) = Proxies::areas(cx);
        if self.scrolled(action, usize::from(top.height)) {
            return Vec::new();
        }
        let Some(all) = cx.world.proxies.known() else { return Vec::new() };
        let columns = self.columns(all, cx);
        match action {
            Action::Drift => (self.shows_drift, self.scroll, self.asked) = (!self.shows_drift, 0, None),
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
        self.asked.take().is_some() || std::mem::take(&mut self.shows_drift)
    }
    fn is_filtered(&self) -> bool {
        self.over().is_none()
    }
    fn to_filtered(&mut self) -> Result<(), &'static str> {
        if self.is_filtered() { Ok(()) } else { Err("the filter is of the columns: esc goes there") }
    }
    fn prepare(&mut self, cx: &Cx<'_>) {
        if self.filter != *cx.filter {
            self.filter = cx.filter.clone();
            self.filtered = self.depth;
        }
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        if let Some((question, told)) = &self.asked {
            drawn.cursor = request::draw(&mut Pen { buffer, theme: cx.theme }, cx.area, (question, told, self.is_outdated), self.scroll);
            return drawn;
        }
        let Some(all) = known(&cx.world.proxies, "Proxies", cx, buffer, cx.area) else {
            if cx.world.configuration.known().is_some() && cx.area.height > 12 {
                let row = Rect { x: cx.area.x + 1, width: cx.area.width.saturating_sub(2), ..cx.area };
                let text = "w asks the manifests what a request would do: productpage-v1 http://reviews:9080/reviews/0";
                Pen { buffer, theme: cx.theme }.paragraph(row, cx.area.bottom() - 2, text, Role::Text);
            }
            return drawn;
        };
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
            let title = cx.titled(&format!("{title} {}", column.len()), &[Section::Proxies]);
            let inner = pane(&mut pen, Rect { x, width, ..top }, &title, is_focused);
            let rows: Vec<Row> =
                column.iter().map(|item| vec![(cx.theme.glyph(item.health()).to_owned(), Role::Health(item.health())), (item.label(), item.role())]).collect();
            let table = Table { columns: &[Column::left("", 1, 0, 0), Column::left("", 8, 1, 0)], rows: &rows, cursor: self.cursors[i], is_focused };
            // These tables have no heads: the row of titles is above the frame.
            let area = Rect { y: inner.y.saturating_sub(1), height: inner.height + u16::from(inner.height > 0), ..inner };
            let at = table.draw(&mut pen, area);
            let inner_title = Rect { x, width, ..top };
            retitle(&mut pen, inner_title, &title, is_focused);
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
        if let Some((question, _)) = &self.asked {
            return question.command();
        }
        let columns = cx.world.proxies.known().map(|all| self.columns(all, cx)).unwrap_or_default();
        let arguments = match self.chosen(&columns, 0) {
            Some(Item::Proxy(p)) => p.arguments.as_str(),
            _ => "--from DUMP",
        };
        if self.shows_drift {
            let sources: Vec<String> = cx.world.objects.iter().map(|s| format!("-f {}", crate::shell::quoted(s))).collect();
            return format!("meshctl drift {}", sources.join(" "));
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

/// Writes a pane's title again, after something was drawn over its upper border.
fn retitle(pen: &mut Pen<'_>, area: Rect, title: &str, is_focused: bool) {
    let line = Rect { height: 2.min(area.height), ..area };
    if pen.theme.is_read() {
        pane(pen, line, title, is_focused);
    } else if line.height == 2 && line.width >= 2 {
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
