//! Frames, and writing text into a buffer.

use crate::text::{cut, width, wrap};
use crate::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Writes into an area; what does not fit is left out.
pub struct Pen<'p> {
    pub buffer: &'p mut Buffer,
    pub theme: &'p Theme,
}

impl Pen<'_> {
    /// Writes clean text at a place, at most so many columns; the columns that it took.
    pub fn styled(&mut self, x: u16, y: u16, text: &str, columns: usize, style: Style) -> u16 {
        if !self.buffer.area.contains((x, y).into()) || columns == 0 {
            return 0;
        }
        let text = cut(text, columns);
        let (end, _) = self.buffer.set_stringn(x, y, &text, columns, style);
        end - x
    }
    pub fn text(&mut self, x: u16, y: u16, text: &str, columns: usize, role: Role) -> u16 {
        let style = self.theme.style(role);
        self.styled(x, y, text, columns, style)
    }
    /// Writes several texts after each other in one row.
    pub fn row(&mut self, area: Rect, y: u16, texts: &[(&str, Role)]) {
        if y >= area.bottom() {
            return;
        }
        let mut x = area.x;
        for (text, role) in texts {
            let left = usize::from(area.right().saturating_sub(x));
            x += self.text(x, y, text, left, *role);
        }
    }
    /// Writes wrapped text from a row on; the next free row.
    pub fn paragraph(&mut self, area: Rect, y: u16, text: &str, role: Role) -> u16 {
        let mut y = y;
        for line in wrap(text, usize::from(area.width)) {
            if y >= area.bottom() {
                break;
            }
            self.text(area.x, y, &line, usize::from(area.width), role);
            y += 1;
        }
        y
    }
}

/// Draws a frame with a title; the area inside. `is_focused` panes have the keyboard.
pub fn pane(pen: &mut Pen<'_>, area: Rect, title: &str, is_focused: bool) -> Rect {
    let area = area.intersection(pen.buffer.area);
    if area.width < 2 || area.height < 2 {
        return Rect { width: 0, height: 0, ..area };
    }
    if pen.theme.is_read() {
        let role = if is_focused { Role::Name } else { Role::Heading };
        let word = if is_focused && !title.is_empty() { ", in focus" } else { "" };
        pen.text(area.x, area.y, &format!("{title}{word}:"), usize::from(area.width), role);
        return Rect { y: area.y + 1, height: area.height - 1, ..area };
    }
    let role = if is_focused { Role::Focus } else { Role::Frame };
    let style = pen.theme.style(role);
    let (right, bottom) = (area.right() - 1, area.bottom() - 1);
    let theme = pen.theme;
    for x in area.x + 1..right {
        pen.styled(x, area.y, theme.line_glyph(3, false, false), 1, style);
        pen.styled(x, bottom, theme.line_glyph(3, false, false), 1, style);
    }
    for y in area.y + 1..bottom {
        pen.styled(area.x, y, theme.line_glyph(12, false, false), 1, style);
        pen.styled(right, y, theme.line_glyph(12, false, false), 1, style);
    }
    for (x, y, ways) in [(area.x, area.y, 10), (right, area.y, 9), (area.x, bottom, 6), (right, bottom, 5)] {
        pen.styled(x, y, theme.line_glyph(ways, false, false), 1, style);
    }
    if !title.is_empty() && area.width > 4 {
        let title = cut(title, usize::from(area.width) - 4);
        let role = if is_focused { Role::Name } else { Role::Heading };
        let columns = width(&title) + 2;
        pen.text(area.x + 1, area.y, &format!(" {title} "), columns, role);
    }
    Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 }
}
