//! Callers against callees: what is left when a picture would be a knot.

use super::view::View;
use crate::text::shorten;
use crate::theme::{Role, Theme};
use crate::widgets::Pen;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustc_hash::FxHashMap;

/// Columns of names.
const NAME: usize = 22;

/// Draws the part of the matrix around the selected node. Rows call columns; a column has the number of its row.
pub fn paint(view: &View, selected: Option<usize>, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen { buffer, theme };
    let count = view.nodes().len();
    if area.height < 3 || usize::from(area.width) < NAME + 8 || count == 0 {
        pen.paragraph(area, area.y, "too small for a matrix", Role::Dim);
        return;
    }
    let rows = usize::from(area.height) - 2;
    let columns = (usize::from(area.width) - NAME - 6) / 3;
    let around = |size: usize| selected.unwrap_or(0).saturating_sub(size / 2).min(count.saturating_sub(size));
    let (top, left) = (around(rows), around(columns));
    let calls: FxHashMap<(usize, usize), usize> = view.edges().iter().enumerate().map(|(i, e)| ((e.from, e.to), i)).collect();
    pen.row(area, area.y, &[("callers down, callees across; numbers are those of the rows", Role::Dim)]);
    for (c, x) in (left..count).take(columns).zip((area.x + NAME as u16 + 6..).step_by(3)) {
        let role = if selected == Some(c) { Role::Key } else { Role::Dim };
        pen.text(x, area.y + 1, &format!("{:>2}", (c + 1) % 100), 2, role);
    }
    for (r, y) in (top..count).take(rows).zip(area.y + 2..) {
        let node = &view.nodes()[r];
        let is_selected = selected == Some(r);
        let name = if node.name == super::collapse::COLLAPSED { node.namespace.clone() } else { node.name.clone() };
        pen.text(area.x, y, &format!("{:>3} ", r + 1), 4, if is_selected { Role::Key } else { Role::Dim });
        pen.text(area.x + 4, y, &shorten(&name, NAME), NAME, if is_selected { Role::Selected } else { Role::Text });
        for (c, x) in (left..count).take(columns).zip((area.x + NAME as u16 + 6..).step_by(3)) {
            let (text, role) = match calls.get(&(r, c)).and_then(|i| view.edges().get(*i)) {
                Some(e) => (theme.mark(e.health), Role::Health(e.health)),
                None if r == c => (theme.pick(["╲"], ["\\"])[0], Role::Dim),
                None => (theme.pick(["·"], ["."])[0], Role::Dim),
            };
            pen.text(x + 1, y, text, 1, role);
        }
    }
}
