//! What of a picture lies outside of the window, and on which side.

use crate::graph::Layout;
use crate::theme::Role;
use crate::widgets::Pen;
use ratatui::layout::Rect;

/// How many nodes are not seen whole, on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beyond {
    pub all: usize,
    left: usize,
    right: usize,
    above: usize,
    below: usize,
}

impl Beyond {
    /// Of a layout whose cell `origin` stands in the upper left corner of a window.
    pub(super) fn of(layout: &Layout, origin: (i32, i32), window: Rect) -> Beyond {
        let (right, bottom) = (origin.0 + i32::from(window.width), origin.1 + i32::from(window.height));
        let mut out = Beyond::default();
        for node in &layout.nodes {
            let sides = [node.left < origin.0, node.right > right, node.top < origin.1, node.bottom > bottom];
            for (count, is_beyond) in [&mut out.left, &mut out.right, &mut out.above, &mut out.below].into_iter().zip(sides) {
                *count += usize::from(is_beyond);
            }
            out.all += usize::from(sides.contains(&true));
        }
        out
    }
    /// Says on each side of the window how many there are.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, window: Rect) {
        if window.width < 16 || window.height < 3 {
            return;
        }
        let [left, right, above, below] = pen.theme.pick(["◂", "▸", "▴", "▾"], ["<", ">", "^", "v"]);
        let sides = [
            (self.left, format!("{left}{} ", self.left), 0, 1),
            (self.right, format!(" {}{right}", self.right), 2, 1),
            (self.above, format!(" {above}{} ", self.above), 1, 0),
            (self.below, format!(" {below}{} ", self.below), 1, 2),
        ];
        for (_, text, across, down) in sides.into_iter().filter(|(count, ..)| *count > 0) {
            let columns = crate::text::width(&text) as u16;
            let x = window.x + (window.width - columns) / 2 * across;
            let x = if across == 2 { window.right() - columns } else { x };
            let y = window.y + if down == 2 { window.height - 1 } else { (window.height - 1) / 2 * down };
            pen.text(x, y, &text, usize::from(columns), Role::Key);
        }
    }
}
