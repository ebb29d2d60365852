//! What the mouse does: it selects, opens, scrolls, and moves the graph.

use super::{App, Effect, Mode};
use crate::action::{Action, Tab};
use crate::screens::HEAD;
use std::time::Duration;

/// Two clicks on one place within this time open it.
const DOUBLE: Duration = Duration::from_millis(400);

impl App {
    /// Moves what is under the mouse: a picture, else the selection.
    pub(super) fn wheel(&mut self, rows: i32, now: Duration) -> Vec<Effect> {
        let is_down = rows > 0;
        let rows = rows.unsigned_abs().min(9);
        let action = if is_down { Action::Down } else { Action::Up };
        match &mut self.mode {
            Mode::Document(pager) => (0..rows).for_each(|_| App::pager_wheel(pager, action)),
            Mode::Help { scroll } => *scroll = if is_down { *scroll + rows as usize } else { scroll.saturating_sub(rows as usize) },
            _ if self.tab == Tab::Graph && self.screens.graph.is_picture() => self.screens.graph.drag((0, if is_down { -(rows as i32) } else { rows as i32 })),
            _ => return (0..rows).flat_map(|_| self.act(action, now)).collect(),
        }
        Vec::new()
    }

    /// Moves the graph along with the mouse.
    pub(super) fn drag(&mut self, x: u16, y: u16) {
        let Some((from_x, from_y)) = self.dragged.replace((x, y)) else { return };
        if matches!(self.mode, Mode::Screen) && self.tab == Tab::Graph {
            self.screens.graph.drag((i32::from(x) - i32::from(from_x), i32::from(y) - i32::from(from_y)));
        }
    }

    pub(super) fn click(&mut self, x: u16, y: u16, now: Duration) -> Vec<Effect> {
        self.dragged = Some((x, y));
        if !matches!(self.mode, Mode::Screen) {
            self.mode = Mode::Screen;
            return Vec::new();
        }
        let is_double = self.last_click.is_some_and(|(cx, cy, at)| (cx, cy) == (x, y) && now.saturating_sub(at) <= DOUBLE);
        self.last_click = Some((x, y, now));
        if y == 0 {
            // The crumbs lead back.
            return self.act(Action::Escape, now);
        }
        // What was drawn last lies on top.
        let spot = self.spots.iter().rev().find(|(area, _)| area.contains((x, y).into())).map(|(_, spot)| *spot);
        match spot {
            Some(spot) => {
                self.with_screen(|screen, cx| screen.select(spot, cx));
                if is_double && spot < HEAD { self.act(Action::Open, now) } else { Vec::new() }
            }
            None => Vec::new(),
        }
    }
}
