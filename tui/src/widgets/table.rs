//! A table with a selected row. Where the columns don't fit, the least important are left out.

use super::{Cursor, Pen};
use crate::text::{abbreviated, cut, shorten, width};
use crate::theme::Role;
use ratatui::layout::{Position, Rect};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A column: its least width, how much of what is left it takes, and how important it is (0 is never left out).
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    pub min: u16,
    pub grow: u16,
    pub rank: u8,
    pub align: Align,
}

impl Column {
    pub const fn left(title: &'static str, min: u16, grow: u16, rank: u8) -> Column {
        Column { title, min, grow, rank, align: Align::Left }
    }
    pub const fn right(title: &'static str, min: u16, rank: u8) -> Column {
        Column { title, min, grow: 0, rank, align: Align::Right }
    }
}

pub type Row = Vec<(String, Role)>;

pub struct Table<'t> {
    pub columns: &'t [Column],
    pub rows: &'t [Row],
    pub cursor: Cursor,
    pub is_focused: bool,
}

/// Where the rows of a drawn table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Shown {
    pub area: Rect,
    /// The row that stands first.
    pub first: usize,
    pub cursor: Option<Position>,
}

impl Table<'_> {
    /// Where the titles of the columns are, by the numbers of these.
    pub fn heads(&self, area: Rect) -> Vec<(Rect, usize)> {
        if area.height == 0 || area.width < 3 {
            return Vec::new();
        }
        let mut x = area.x + 2;
        let mut out = Vec::new();
        for (i, w) in self.widths(area.width.saturating_sub(2)).into_iter().enumerate().filter(|(_, w)| *w > 0) {
            out.push((Rect { x, y: area.y, width: w, height: 1 }, i));
            x += w + 1;
        }
        out
    }
    pub fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> Shown {
        let area = area.intersection(pen.buffer.area);
        if area.height == 0 || area.width < 3 {
            return Shown::default();
        }
        let widths = self.widths(area.width.saturating_sub(2));
        let mut x = area.x + 2;
        for (column, w) in self.columns.iter().zip(&widths).filter(|(_, w)| **w > 0) {
            pen.text(x, area.y, &aligned(column.title, *w, column.align), usize::from(*w), Role::Heading);
            x += w + 1;
        }
        let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        let height = usize::from(body.height);
        let first = self.cursor.first(self.rows.len(), height);
        let mut cursor = None;
        for (i, row) in self.rows.iter().enumerate().skip(first).take(height) {
            let y = body.y + (i - first) as u16;
            let is_selected = self.cursor.get(self.rows.len()) == Some(i);
            if is_selected {
                let mark = if self.is_focused { pen.theme.pick(["▶"], [">"])[0] } else { pen.theme.pick(["▷"], ["-"])[0] };
                pen.text(body.x, y, mark, 1, Role::Key);
                cursor = Some(Position { x: body.x, y });
            }
            let mut x = body.x + 2;
            for ((text, role), (column, w)) in row.iter().zip(self.columns.iter().zip(&widths)) {
                if *w == 0 {
                    continue;
                }
                let role = if is_selected && self.is_focused && *role == Role::Text { Role::Name } else { *role };
                pen.text(x, y, &aligned(text, *w, column.align), usize::from(*w), role);
                x += w + 1;
            }
        }
        if self.rows.len() > height && height > 0 {
            let more = format!("{}-{}/{}", first + 1, (first + height).min(self.rows.len()), self.rows.len());
            let columns = width(&more) as u16;
            if area.width > columns + 10 {
                pen.text(area.right() - columns, area.y, &more, usize::from(columns), Role::Dim);
            }
        }
        Shown { area: body, first, cursor }
    }

    /// The widths of the columns; 0 for those that are left out.
    fn widths(&self, room: u16) -> Vec<u16> {
        let content = |i: usize| self.rows.iter().filter_map(|r| r.get(i)).map(|(t, _)| width(t)).max().unwrap_or(0) as u16;
        let wish: Vec<u16> = self.columns.iter().enumerate().map(|(i, c)| content(i).max(width(c.title) as u16)).collect();
        // A column without growth is as wide as what is in it.
        let base = |i: usize, c: &Column| if c.grow == 0 { wish[i].max(c.min.min(wish[i])) } else { c.min.min(wish[i].max(1)) };
        let mut shown: Vec<bool> = vec![true; self.columns.len()];
        let needed = |shown: &[bool]| {
            let each = self.columns.iter().enumerate().filter(|(i, _)| shown[*i]);
            each.map(|(i, c)| base(i, c) + 1).sum::<u16>().saturating_sub(1)
        };
        while needed(&shown) > room {
            let least = self.columns.iter().enumerate().filter(|(i, c)| shown[*i] && c.rank > 0).max_by_key(|(i, c)| (c.rank, *i)).map(|(i, _)| i);
            let Some(least) = least else { break };
            shown[least] = false;
        }
        let mut out: Vec<u16> = self.columns.iter().enumerate().map(|(i, c)| if shown[i] { base(i, c) } else { 0 }).collect();
        let mut left = room.saturating_sub(needed(&shown));
        // What grows takes no more than it has to show.
        for _ in 0..self.columns.len() {
            let growing: Vec<usize> = self.columns.iter().enumerate().filter(|(i, c)| shown[*i] && c.grow > 0 && out[*i] < wish[*i]).map(|(i, _)| i).collect();
            let total: u16 = growing.iter().map(|&i| self.columns[i].grow).sum();
            if total == 0 || left == 0 {
                break;
            }
            let now = left;
            for i in growing {
                let part = (u32::from(now) * u32::from(self.columns[i].grow) / u32::from(total)) as u16;
                let part = part.max(1).min(wish[i] - out[i]).min(left);
                out[i] += part;
                left -= part;
            }
        }
        // The last resort of a tiny window.
        let mut used = 0;
        for w in &mut out {
            *w = (*w).min(room.saturating_sub(used));
            used += if *w > 0 { *w + 1 } else { 0 };
        }
        out
    }
}

fn aligned(text: &str, columns: u16, align: Align) -> String {
    let columns = usize::from(columns);
    // Of an object its name says more than its kind.
    let short = abbreviated(text).filter(|_| width(text) > columns);
    let text = short.as_deref().unwrap_or(text);
    match align {
        Align::Left if text.contains(' ') => cut(text, columns),
        Align::Left => shorten(text, columns),
        Align::Right => {
            let text = cut(text, columns);
            format!("{}{text}", " ".repeat(columns.saturating_sub(width(&text))))
        }
    }
}
