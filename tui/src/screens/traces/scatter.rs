//! Traces as points: when they began, and how long they took, on a logarithmic scale.

use super::time;
use crate::graph::Health;
use crate::text::{moment, width};
use crate::theme::Role;
use crate::widgets::Pen;
use ratatui::layout::Rect;

/// Columns of the durations at the left.
const LABELS: u16 = 9;

/// A trace: its start and duration in microseconds, how it went, and whether it is selected.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub start: i64,
    pub duration: i64,
    pub health: Health,
    pub is_selected: bool,
}

/// What one cell of the picture holds.
#[derive(Clone, Copy, Default)]
struct Cell {
    count: usize,
    health: Health,
    is_selected: bool,
}

/// Draws points; where each came to lie.
pub fn draw(pen: &mut Pen<'_>, area: Rect, points: &[Point], now: i64) -> Vec<(u16, u16)> {
    let plot = Rect { x: area.x + LABELS.min(area.width), width: area.width.saturating_sub(LABELS), height: area.height.saturating_sub(1), ..area };
    let starts = || points.iter().map(|p| p.start);
    let (Some(first), Some(last)) = (starts().min(), starts().max()) else { return Vec::new() };
    if plot.width < 8 || plot.height < 3 {
        return Vec::new();
    }
    let scale = |duration: i64| (duration.max(1) as f64).ln();
    let heights = || points.iter().map(|p| scale(p.duration));
    let (low, high) = (heights().fold(f64::INFINITY, f64::min), heights().fold(0.0, f64::max));
    let spread = (high - low).max(0.1);
    let place = |p: &Point| {
        let x = (p.start - first) as f64 / (last - first).max(1) as f64 * f64::from(plot.width - 1);
        let y = (high - scale(p.duration)) / spread * f64::from(plot.height - 1);
        (plot.x + x.round() as u16, plot.y + y.round().min(f64::from(plot.height - 1)) as u16)
    };
    let mut cells: std::collections::BTreeMap<(u16, u16), Cell> = std::collections::BTreeMap::new();
    let places: Vec<(u16, u16)> = points.iter().map(place).collect();
    for (point, at) in points.iter().zip(&places) {
        let cell = cells.entry(*at).or_default();
        cell.count += 1;
        cell.health = cell.health.max(point.health);
        cell.is_selected |= point.is_selected;
    }
    for row in 0..plot.height {
        let share = f64::from(row) / f64::from(plot.height - 1);
        // A label for the top, the bottom, and about every third row.
        let is_said = row == 0 || row == plot.height - 1 || (row % 3 == 0 && row + 2 < plot.height);
        if is_said {
            let label = time((high - share * spread).exp() as i64);
            pen.text(area.x, plot.y + row, &format!("{label:>8}"), 8, Role::Dim);
        }
        let tick = if is_said { pen.theme.pick(["┤"], ["+"])[0] } else { pen.theme.pick(["│"], ["|"])[0] };
        pen.text(plot.x - 1, plot.y + row, tick, 1, Role::Frame);
    }
    for (&(x, y), cell) in &cells {
        let glyph = match cell.count {
            1 => pen.theme.pick(["•"], ["."])[0],
            2..=4 => pen.theme.pick(["●"], ["o"])[0],
            _ => pen.theme.pick(["⬤"], ["O"])[0],
        };
        let role = if cell.is_selected { Role::Selected } else { Role::Health(cell.health) };
        // What failed differs by more than its colour.
        let glyph = if cell.health >= Health::Degraded { pen.theme.mark(cell.health) } else { glyph };
        pen.text(x, y, glyph, 1, role);
    }
    let (from, to) = (moment(first.div_euclid(1_000_000), now), moment(last.div_euclid(1_000_000), now));
    let bottom = area.bottom() - 1;
    pen.text(plot.x, bottom, &from, usize::from(plot.width), Role::Dim);
    if from != to && usize::from(plot.width) > width(&from) + width(&to) + 2 {
        pen.text(plot.right() - width(&to) as u16, bottom, &to, width(&to), Role::Dim);
    }
    places
}
