//! Access logs: what failed, how often, and why; below it everything that is known of the selected group.

use super::overview::spots;
use super::{Cx, Drawn, Request, Screen, known};
use crate::action::{Action, Scope};
use crate::theme::Role;
use crate::widgets::{Column, Cursor, Pen, Row, Table, pane};
use crate::world::logs::Group;
use crate::world::proxies::short;
use crate::world::sections::Section;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

#[derive(Default)]
pub struct Logs {
    cursor: Cursor,
    /// Lines that the explanation is scrolled by.
    scroll: usize,
    in_detail: bool,
}

const COLUMNS: [Column; 5] = [
    Column::left("", 1, 0, 0),
    Column::right("LINES", 5, 0),
    Column::left("ENDED", 8, 0, 0),
    Column::left("WHAT HAPPENED", 20, 4, 0),
    Column::left("CLUSTER", 16, 3, 1),
];

impl Logs {
    fn rows<'w>(&self, cx: &Cx<'w>) -> Vec<&'w Group> {
        let fits = |g: &&Group| {
            cx.filter.matches(&[
                ("ended", &g.ended),
                ("title", &g.title),
                ("cluster", &g.cluster),
                ("details", &g.details),
                ("pod", &g.pods.join(" ")),
                ("request", &g.requests.join(" ")),
            ])
        };
        cx.world.logs.known().into_iter().flat_map(|l| &l.groups).filter(fits).collect()
    }
    fn chosen<'w>(&self, cx: &Cx<'w>) -> Option<&'w Group> {
        let rows = self.rows(cx);
        rows.get(self.cursor.get(rows.len())?).copied()
    }
    fn areas(&self, cx: &Cx<'_>) -> (Rect, Rect) {
        let a = cx.area;
        if a.height < 14 {
            // Where there is room for one, the opened one takes all of it.
            let nothing = Rect { height: 0, ..a };
            return if self.in_detail { (nothing, a) } else { (a, nothing) };
        }
        let list = Rect { height: a.height / 2, ..a };
        (list, Rect { y: list.bottom(), height: a.height - list.height, ..a })
    }
}

/// Everything that is known of a group, a paragraph each.
fn explanation(g: &Group) -> Vec<(String, Role)> {
    let mut out = vec![(g.title.clone(), Role::Name), (g.why.clone(), Role::Text)];
    let mut list = |head: &str, items: &[String], role: Role| {
        if !items.is_empty() {
            out.push((head.to_owned(), Role::Heading));
            out.extend(items.iter().map(|i| (format!("  {i}"), role)));
        }
    };
    let times: Vec<String> = [&g.first, &g.last].into_iter().filter(|t| !t.is_empty()).cloned().collect();
    list("where to look", &g.evidence, Role::Text);
    list("what shows more", &g.next, Role::Key);
    list("it could also be", &g.others, Role::Text);
    list("requests", &g.requests, Role::Text);
    list("pods", &g.pods, Role::Text);
    list("first and last", &times, Role::Text);
    list("the first line", std::slice::from_ref(&g.sample), Role::Dim);
    out.retain(|(text, _)| !text.trim().is_empty());
    out
}

impl Screen for Logs {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        let Some(logs) = cx.world.logs.known() else { return Vec::new() };
        vec![format!("{} lines, {} fine, {} groups", logs.entries, logs.fine, logs.groups.len())]
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::List]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let rows = self.rows(cx).len();
        let (list, _) = self.areas(cx);
        match action {
            Action::NextPane | Action::PreviousPane | Action::Open => self.in_detail = !self.in_detail,
            Action::Down if self.in_detail => self.scroll = (self.scroll + 1).min(1_000),
            Action::Up if self.in_detail => self.scroll = self.scroll.saturating_sub(1),
            _ => {
                if self.cursor.act(action, rows, usize::from(list.height.saturating_sub(3))) {
                    self.scroll = 0;
                }
            }
        }
        Vec::new()
    }
    fn escape(&mut self) -> bool {
        std::mem::take(&mut self.in_detail)
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        let Some(logs) = known(&cx.world.logs, "Logs", cx, buffer, cx.area) else { return drawn };
        let mut pen = Pen { buffer, theme: cx.theme };
        let (list, below) = self.areas(cx);
        let rows = self.rows(cx);
        let inner = pane(&mut pen, list, &cx.titled("What failed", &[Section::Logs]), !self.in_detail);
        if rows.is_empty() {
            let text = if logs.groups.is_empty() { "Nothing: every line is of a request that went well." } else { "Nothing that the filter lets through." };
            let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner };
            let y = pen.paragraph(inner, inner.y, text, Role::Text);
            if logs.groups.is_empty() {
                pen.paragraph(inner, y, "The lines themselves: `meshctl logs`, with the same sources behind --from.", Role::Dim);
            }
            return drawn;
        }
        let table: Vec<Row> = rows
            .iter()
            .map(|g| {
                vec![
                    (cx.theme.glyph(g.health).to_owned(), Role::Health(g.health)),
                    (g.count.to_string(), Role::Text),
                    (g.ended.clone(), Role::Health(g.health)),
                    (g.title.clone(), Role::Text),
                    (short(&g.cluster), Role::Dim),
                ]
            })
            .collect();
        let shown = Table { columns: &COLUMNS, rows: &table, cursor: self.cursor, is_focused: !self.in_detail }.draw(&mut pen, inner);
        spots(&mut drawn, &shown, rows.len(), 0);
        drawn.cursor = shown.cursor;
        if let Some(g) = self.chosen(cx).filter(|_| below.height > 0) {
            let inner = pane(&mut pen, below, &format!("{} {}", g.ended, g.details), self.in_detail);
            let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
            let lines = explanation(g).into_iter().flat_map(|(text, role)| {
                let indent = if text.starts_with("  ") { "  " } else { "" };
                let room = usize::from(inner.width).saturating_sub(indent.len());
                crate::text::wrap(text.trim(), room).into_iter().map(move |l| (format!("{indent}{l}"), role))
            });
            let lines: Vec<(String, Role)> = lines.collect();
            let most = lines.len().saturating_sub(usize::from(inner.height));
            for ((text, role), y) in lines.iter().skip(self.scroll.min(most)).zip(inner.y..inner.bottom()) {
                pen.text(inner.x, y, text, usize::from(inner.width), *role);
            }
        }
        drawn
    }
    fn select(&mut self, spot: usize, _cx: &Cx<'_>) {
        self.cursor.at = spot;
        self.in_detail = false;
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        self.chosen(cx).map(|g| g.sample.clone())
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        let files = cx.world.logs.known().map_or("LOG".to_owned(), |l| l.files.join(" "));
        format!("meshctl explain {files}")
    }
}
