//! The list of traces, their points, and where the time of all of them went.

use super::super::overview::spots;
use super::scatter::{self, Point};
use super::{Traces, said, time};
use crate::graph::Health;
use crate::screens::{Cx, Drawn};
use crate::text::moment;
use crate::theme::{Role, Theme};
use crate::widgets::{Column, Pen, Row, Table, pane};
use crate::world::sections::Section;
use crate::world::traces::Traces as Known;
use mesh_model::traces::Place;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub(super) const COLUMNS: [Column; 9] = [
    Column::left("", 1, 0, 0),
    Column::left("START", 9, 0, 1),
    Column::right("TOOK", 8, 0),
    Column::left("", 10, 0, 2),
    Column::right("SPANS", 5, 4),
    Column::right("FAILED", 6, 1),
    Column::left("FLAGS", 5, 0, 3),
    Column::left("BEGINS WITH", 16, 3, 0),
    Column::left("TRACE", 8, 1, 5),
];
/// Columns of a trace's bar.
const BAR: i64 = 10;

/// Points above, the list, and the places beside or below it.
fn areas(area: Rect, theme: &Theme) -> (Rect, Rect, Rect) {
    let points = if area.height >= 20 && !theme.is_read() { (area.height / 3).clamp(7, 16) } else { 0 };
    let top = Rect { height: points, ..area };
    let rest = Rect { y: top.bottom(), height: area.height - points, ..area };
    let (side, below) = match (rest.width >= 150, rest.height >= 24) {
        (true, _) => (rest.width / 3, 0),
        (false, true) => (0, 9),
        (false, false) => (0, 0),
    };
    let list = Rect { width: rest.width - side, height: rest.height - below, ..rest };
    let places = match side {
        0 => Rect { y: list.bottom(), height: below, ..rest },
        _ => Rect { x: list.right(), width: side, ..rest },
    };
    (top, list, places)
}

impl Traces {
    pub(super) fn list(&self, known: &Known, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        let mut pen = Pen { buffer, theme: cx.theme };
        let rows = self.rows(known, cx);
        let (top, list, side) = areas(cx.area, cx.theme);
        let chosen = self.cursor.get(rows.len());
        if top.height > 0 {
            let inner = pane(&mut pen, top, &cx.titled("Duration over time", &[Section::Traces]), false);
            let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
            let points: Vec<Point> = rows
                .iter()
                .enumerate()
                .map(|(n, i)| {
                    let line = &known.lines[*i];
                    Point { start: line.start, duration: line.duration, health: line.health, is_selected: chosen == Some(n) }
                })
                .collect();
            let places = scatter::draw(&mut pen, inner, &points, cx.world.day());
            let spots = places.iter().enumerate().map(|(n, (x, y))| (Rect { x: *x, y: *y, width: 1, height: 1 }, n));
            drawn.spots.extend(spots);
        }
        let inner = pane(&mut pen, list, &cx.titled(&format!("Traces, {}", said(self.order)), &[Section::Traces]), true);
        if rows.is_empty() {
            let outside = known.all.len();
            let text = match (cx.filter.is_empty(), cx.world.traced_time()) {
                (false, _) => "None that the filter lets through.".to_owned(),
                (true, Some(_)) if outside > 0 => format!("None within the time window; {outside} outside of it: t takes a longer one."),
                _ => "The sources hold none of this time.".to_owned(),
            };
            pen.paragraph(Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner }, inner.y, &text, Role::Text);
            return drawn;
        }
        let longest = rows.iter().map(|i| known.lines[*i].duration).max().unwrap_or(1).max(1);
        let table: Vec<Row> = rows
            .iter()
            .map(|i| {
                let line = &known.lines[*i];
                let bar = if cx.theme.is_read() { 0 } else { (line.duration * BAR / longest).clamp(1, BAR) as usize };
                let failed = if line.errors > 0 { Role::Health(line.health) } else { Role::Dim };
                vec![
                    (cx.theme.glyph(line.health).to_owned(), Role::Health(line.health)),
                    (moment(line.start.div_euclid(1_000_000), cx.world.day()), Role::Text),
                    (time(line.duration), Role::Text),
                    (cx.theme.pick(["█"], ["#"])[0].repeat(bar), Role::Health(line.health)),
                    (line.spans.to_string(), Role::Dim),
                    (line.errors.to_string(), failed),
                    (line.flags.clone(), Role::Health(Health::Failing)),
                    (line.begins.clone(), Role::Text),
                    (known.all[*i].id.clone(), Role::Dim),
                ]
            })
            .collect();
        let table = Table { columns: &COLUMNS, rows: &table, cursor: self.cursor, is_focused: true };
        let shown = table.draw(&mut pen, inner);
        drawn.heads(&table, inner);
        spots(&mut drawn, &shown, rows.len(), 0);
        drawn.cursor = shown.cursor;
        if side.width > 0 && side.height > 0 {
            places(&mut pen, side, &self.places);
        }
        drawn
    }
}

/// Where the time went, by service and operation.
fn places(pen: &mut Pen<'_>, area: Rect, all: &[Place]) {
    let inner = pane(pen, area, "What the ends waited for", false);
    let whole: i64 = all.iter().map(|p| p.on_path).sum::<i64>().max(1);
    let wide = inner.width >= 54;
    let head = if wide { "SHARE     SELF      P95  FAILED  SERVICE" } else { "SHARE      P95  SERVICE" };
    pen.text(inner.x + 1, inner.y, head, usize::from(inner.width.saturating_sub(1)), Role::Heading);
    for (p, y) in all.iter().zip(inner.y + 1..inner.bottom()) {
        let share = format!("{:>4.0}%", p.on_path as f64 / whole as f64 * 100.0);
        let p95 = format!(" {:>8}", time(p.quantile(0.95)));
        let own = format!(" {:>8}", time(p.own));
        let failed = format!("  {:>6}", p.errors);
        let failing = if p.errors > 0 { Role::Health(Health::Failing) } else { Role::Dim };
        let mut parts: Vec<(&str, Role)> = vec![(" ", Role::Text), (&share, Role::Name)];
        if wide {
            parts.extend([(own.as_str(), Role::Dim), (p95.as_str(), Role::Text), (failed.as_str(), failing)]);
        } else {
            parts.push((p95.as_str(), Role::Text));
        }
        parts.extend([("  ", Role::Text), (p.service.as_str(), Role::Text), (" ", Role::Text), (p.operation.as_str(), Role::Dim)]);
        pen.row(inner, y, &parts);
    }
}
