//! What is wrong in the configuration: the list, and for the selected one its source, explanation and fix.

use super::overview::spots;
use super::{Cx, Drawn, HEAD, Request, Screen, command_line, known};
use crate::action::{Action, Scope};
use crate::text::width;
use crate::theme::Role;
use crate::widgets::{By, Column, Cursor, Order, Pen, Row, Table, pane};
use crate::world::Finding;
use crate::world::sections::Section;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub struct Findings {
    cursor: Cursor,
    order: Order,
    explains: bool,
    /// Lines that the detail is scrolled by.
    scroll: usize,
    in_detail: bool,
}

impl Default for Findings {
    fn default() -> Findings {
        Findings { cursor: Cursor::default(), order: Order { by: ORDERS[0], turned: false }, explains: false, scroll: 0, in_detail: false }
    }
}

/// What the list can be sorted by; first as it comes, the worst first.
const ORDERS: [By; 5] = [By::Errors, By::Namespace, By::Code, By::File, By::Name];

const COLUMNS: [Column; 4] = [Column::left("", 1, 0, 0), Column::left("CODE", 7, 0, 0), Column::left("OBJECT", 14, 2, 1), Column::left("MESSAGE", 20, 5, 0)];

/// From which size on a finding is shown in full beside the list, or below it.
const WIDE: u16 = 150;
const HIGH: u16 = 14;

impl Findings {
    fn rows<'w>(&self, all: &'w [Finding], cx: &Cx<'_>) -> Vec<(usize, &'w Finding)> {
        let fields = |f: &Finding| {
            cx.filter.matches(&[
                ("ns", &f.namespace),
                ("object", &f.object),
                ("code", &f.code),
                ("level", f.level.name()),
                ("message", &f.message),
                ("file", &f.place),
            ])
        };
        let mut out: Vec<(usize, &Finding)> = all.iter().enumerate().filter(|(_, f)| fields(f)).collect();
        match self.order.by {
            By::Namespace => out.sort_by(|a, b| (&a.1.namespace, a.0).cmp(&(&b.1.namespace, b.0))),
            By::Code => out.sort_by(|a, b| (&a.1.code, a.0).cmp(&(&b.1.code, b.0))),
            By::File => out.sort_by(|a, b| (&a.1.place, a.0).cmp(&(&b.1.place, b.0))),
            By::Name => out.sort_by(|a, b| (&a.1.object, a.0).cmp(&(&b.1.object, b.0))),
            _ => {}
        }
        self.order.turn(&mut out);
        out
    }
    fn chosen<'w>(&self, cx: &Cx<'w>) -> Option<&'w Finding> {
        let rows = self.rows(cx.world.findings.known()?, cx);
        rows.get(self.cursor.get(rows.len())?).map(|(_, f)| *f)
    }
    /// Puts the cursor on a finding of the world.
    pub fn show(&mut self, index: usize, cx: &Cx<'_>) {
        let Some(all) = cx.world.findings.known() else { return };
        self.cursor.at = self.rows(all, cx).iter().position(|(i, _)| *i == index).unwrap_or(0);
        self.scroll = 0;
    }
    /// The list, and where there is room the detail below or beside it.
    fn areas(&self, cx: &Cx<'_>) -> (Rect, Rect) {
        let a = cx.area;
        if a.width >= WIDE {
            let list = Rect { width: a.width * 11 / 20, ..a };
            (list, Rect { x: list.right(), width: a.width - list.width, ..a })
        } else if a.height >= HIGH {
            let list = Rect { height: a.height * 2 / 5, ..a };
            (list, Rect { y: list.bottom(), height: a.height - list.height, ..a })
        } else if self.in_detail {
            // Where there is room for one, an opened finding takes all of it.
            (Rect { width: 0, height: 0, ..a }, a)
        } else {
            (a, Rect { width: 0, height: 0, ..a })
        }
    }
    fn is_small(cx: &Cx<'_>) -> bool {
        cx.area.width < WIDE && cx.area.height < HIGH
    }
}

impl Screen for Findings {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        let [errors, warnings, infos] = cx.world.levels();
        vec![format!("{errors} errors · {warnings} warnings · {infos} infos")]
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Findings, Scope::List]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let Some(all) = cx.world.findings.known() else { return Vec::new() };
        let count = self.rows(all, cx).len();
        if let Some(sorted) = self.order.act(action, &ORDERS) {
            (self.cursor.at, self.scroll) = (0, 0);
            return sorted.err().map(Request::Say).into_iter().collect();
        }
        match action {
            Action::Explain | Action::Open if Findings::is_small(cx) => (self.in_detail, self.explains) = (!self.in_detail, !self.in_detail),
            Action::Explain | Action::Open => self.explains = !self.explains,
            Action::NextPane | Action::PreviousPane => self.in_detail = !self.in_detail,
            Action::Down if self.in_detail => self.scroll = (self.scroll + 1).min(1_000),
            Action::Up if self.in_detail => self.scroll = self.scroll.saturating_sub(1),
            _ => {
                let (list, _) = self.areas(cx);
                if self.cursor.act(action, count, usize::from(list.height.saturating_sub(3))) {
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
        let Some(all) = known(&cx.world.findings, "Findings", cx, buffer, cx.area) else { return drawn };
        let mut pen = Pen { buffer, theme: cx.theme };
        let (list, detail) = self.areas(cx);
        let rows = self.rows(all, cx);
        let order = self.order.said(ORDERS[0]);
        let title = if order.is_empty() { "Findings".to_owned() } else { format!("Findings {order}") };
        let inner = pane(&mut pen, list, &cx.titled(&title, &[Section::Configuration]), !self.in_detail);
        if rows.is_empty() {
            let text = if all.is_empty() { "Nothing was found in what was read." } else { "Nothing that the filter lets through." };
            pen.paragraph(inner, inner.y, text, Role::Text);
            return drawn;
        }
        let cells: Vec<Row> = rows
            .iter()
            .map(|(_, f)| {
                let health = f.level.health();
                vec![
                    (cx.theme.glyph(health).to_owned(), Role::Health(health)),
                    (f.code.clone(), Role::Text),
                    (f.object.clone(), Role::Text),
                    (f.message.clone(), Role::Text),
                ]
            })
            .collect();
        let table = Table { columns: &COLUMNS, rows: &cells, cursor: self.cursor, is_focused: !self.in_detail };
        let shown = table.draw(&mut pen, inner);
        drawn.heads(&table, inner);
        spots(&mut drawn, &shown, rows.len(), 0);
        drawn.cursor = shown.cursor;
        if let Some(f) = self.chosen(cx).filter(|_| detail.height > 2) {
            let inner = pane(&mut pen, detail, &format!("{} {}", f.code, f.object), self.in_detail);
            let lines = describe(f, cx, self.explains, usize::from(inner.width));
            for (line, y) in lines.iter().skip(self.scroll.min(lines.len().saturating_sub(1))).zip(inner.y..inner.bottom()) {
                let parts: Vec<(&str, Role)> = line.iter().map(|(t, r)| (t.as_str(), *r)).collect();
                pen.row(inner, y, &parts);
            }
        }
        drawn
    }
    fn select(&mut self, spot: usize, _cx: &Cx<'_>) {
        if let Some(column) = spot.checked_sub(HEAD) {
            return self.order.click(COLUMNS.get(column).map_or("", |c| c.title), &ORDERS);
        }
        self.cursor.at = spot;
        self.scroll = 0;
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        self.chosen(cx).map(|f| format!("{} {}", f.object, f.place))
    }
    fn objects(&self, cx: &Cx<'_>) -> Vec<String> {
        self.chosen(cx).map(|f| f.object.clone()).into_iter().collect()
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        match self.chosen(cx) {
            Some(f) if self.explains => format!("meshctl explain {}", f.code),
            Some(f) => command_line(cx, &format!("analyze --select {}", f.code)),
            None => command_line(cx, "analyze"),
        }
    }
}

type Line = Vec<(String, Role)>;

/// A finding in full: message, source, what to do, the explanation.
fn describe(f: &Finding, cx: &Cx<'_>, explains: bool, columns: usize) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let health = Role::Health(f.level.health());
    let paragraph = |out: &mut Vec<Line>, text: &str, role: Role| out.extend(crate::text::wrap(text, columns).into_iter().map(|l| vec![(l, role)]));
    paragraph(&mut out, &f.message, Role::Name);
    if !f.place.is_empty() {
        out.push(vec![(f.place.clone(), Role::Dim)]);
    }
    out.push(Vec::new());
    let gutter = f.lines.last().map_or(1, |l| l.number.to_string().len());
    let bar = if cx.theme.is_read() { "" } else { cx.theme.pick(["│"], ["|"])[0] };
    for line in &f.lines {
        let number = format!("{:>gutter$} {bar} ", line.number);
        let role = if line.marked.is_some() { Role::Text } else { Role::Dim };
        out.push(vec![(number.clone(), Role::Dim), (line.text.clone(), role)]);
        if let Some((from, to)) = line.marked {
            let before: String = line.text.chars().take(from).collect();
            let blank = " ".repeat(width(&before));
            let marks = "^".repeat(to.saturating_sub(from).max(1));
            out.push(vec![(format!("{:gutter$} {bar} {blank}", ""), Role::Dim), (marks, health)]);
        }
    }
    if f.lines.is_empty() {
        out.push(vec![("The source is not shown: it may hold a secret, or is no file.".to_owned(), Role::Dim)]);
    }
    out.push(Vec::new());
    if let Some(help) = &f.help {
        paragraph(&mut out, &format!("help: {help}"), Role::Text);
    }
    for (place, label) in &f.related {
        paragraph(&mut out, &format!("{place}: {label}"), Role::Dim);
    }
    if let Some((title, replacement)) = &f.fix {
        paragraph(&mut out, &format!("fix: {title}"), Role::Name);
        out.extend(replacement.lines().map(|l| vec![(format!("  + {l}"), Role::Health(crate::graph::Health::Ok))]));
    }
    if explains {
        out.push(Vec::new());
        match cx.world.explanations.get(&f.code) {
            Some(page) => {
                let mut is_code = false;
                for line in page.lines() {
                    is_code ^= line.starts_with("```");
                    if line.starts_with("```") {
                        continue;
                    }
                    let role = if line.starts_with('#') || line.starts_with("**") { Role::Name } else { Role::Text };
                    if is_code {
                        out.push(vec![(format!("  {line}"), Role::Badge)]);
                    } else {
                        paragraph(&mut out, &line.replace("**", ""), role);
                    }
                    if line.is_empty() {
                        out.push(Vec::new());
                    }
                }
            }
            None => paragraph(&mut out, "There is no page for this code.", Role::Dim),
        }
    } else {
        out.push(vec![("x shows the explanation of the code".to_owned(), Role::Dim)]);
    }
    out
}
