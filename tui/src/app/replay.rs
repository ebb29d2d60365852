//! Replay: moments of a recording, gone through one by one, played, or jumped to; and the line that shows where one is.

use super::{App, Effect};
use crate::graph::Health;
use crate::text::{moment, width};
use crate::theme::Role;
use crate::widgets::Pen;
use crate::world::timeline::{Jump, Timeline};
use ratatui::buffer::Buffer;
use std::time::Duration;

impl App {
    /// Goes to another moment of what is replayed.
    pub(super) fn jump(&mut self, jump: Jump, now: Duration) -> Vec<Effect> {
        let world = self.world();
        let Some(line) = world.as_ref().and_then(|w| w.timeline.as_ref()) else {
            self.say("replay: not available: no source is a recording, or has samples over time", now);
            return Vec::new();
        };
        if self.reading.is_some() {
            return Vec::new();
        }
        match line.jump(line.last() - self.ask.back, jump) {
            Ok(at) if line.last() - at == self.ask.back => Vec::new(),
            Ok(at) => {
                self.ask.back = line.last() - at;
                self.load()
            }
            Err(why) => {
                self.is_playing = false;
                self.say(why, now);
                Vec::new()
            }
        }
    }

    /// Goes to `first`, `last`, `error`, `11:40` or `11:40:00` of the shown day, or a whole time.
    pub(super) fn go_to(&mut self, time: &str, now: Duration) -> Vec<Effect> {
        let day = self.world().map_or(0, |w| w.day());
        let jump = match time {
            "first" => Some(Jump::First),
            "last" => Some(Jump::Last),
            "error" => Some(Jump::FirstError),
            _ => crate::text::instant(time, day).map(Jump::To),
        };
        match jump {
            Some(jump) => self.jump(jump, now),
            None => {
                self.say(format!("at takes first, last, error, 11:40:00 or 2026-11-22T11:40:00Z, not `{time}`"), now);
                Vec::new()
            }
        }
    }

    pub(super) fn has_timeline(&self) -> bool {
        self.world().is_some_and(|w| w.timeline.is_some())
    }

    /// The line above the footer: how much failed when, where the configuration changed, and the moment that is shown.
    pub(super) fn timeline(&self, buffer: &mut Buffer) {
        let Some(line) = self.replay() else { return };
        let theme = self.theme;
        let mut pen = Pen { buffer, theme: &theme };
        let y = self.size.1.saturating_sub(2);
        let at = line.last() - self.ask.back;
        let place = line.position(at);
        let state = if self.is_playing { theme.pick(["▶ playing"], ["> playing"])[0] } else { "replay" };
        let head = format!(" {state} {} ", moment(at, line.last()));
        let tail = format!(" {}/{}  < > step  space play ", place + 1, line.marks().len());
        let tail = if usize::from(self.size.0) < width(&head) + width(&tail) + 24 { format!(" {}/{} ", place + 1, line.marks().len()) } else { tail };
        let x = pen.text(0, y, &head, usize::from(self.size.0), Role::Key);
        let columns = usize::from(self.size.0).saturating_sub(usize::from(x) + width(&tail));
        let cells = cells(line, columns, place);
        let most = line.marks().iter().filter_map(|m| m.failing).fold(0.0, f64::max);
        for (i, cell) in cells.iter().enumerate() {
            let (glyph, role) = cell.shown(most, line.usual(), &theme);
            let role = if cell.is_now { Role::Selected } else { role };
            pen.text(x + i as u16, y, glyph, 1, role);
        }
        pen.text(x + columns as u16, y, &tail, width(&tail), Role::Dim);
    }
}

/// A column of the line: the moments that fall into it.
#[derive(Clone, Copy, Default)]
struct Cell {
    is_there: bool,
    failing: Option<f64>,
    changes: usize,
    is_now: bool,
}

impl Cell {
    fn shown(&self, most: f64, usual: f64, theme: &crate::theme::Theme) -> (&'static str, Role) {
        let failing = self.failing.filter(|f| *f > 0.0);
        match (self.changes > 0, failing) {
            (true, f) => (theme.pick(["◆"], ["*"])[0], if f.is_some_and(|f| f > usual) { Role::Health(Health::Failing) } else { Role::Badge }),
            (false, Some(f)) => {
                let bars = theme.pick(["▁", "▂", "▃", "▄", "▅", "▆", "▇"], [".", ".", ":", "-", "=", "+", "#"]);
                let at = ((f / most * 7.0).ceil() as usize).clamp(1, 7) - 1;
                (bars[at], Role::Health(if f > usual { Health::Failing } else { Health::Degraded }))
            }
            (false, None) if self.is_there => (theme.pick(["·"], ["."])[0], Role::Health(Health::Ok)),
            _ => (theme.pick(["─"], ["-"])[0], Role::Frame),
        }
    }
}

/// Where each moment falls, by its time.
fn cells(line: &Timeline, columns: usize, now: usize) -> Vec<Cell> {
    let mut out = vec![Cell::default(); columns];
    let length = (line.last() - line.first()).max(1);
    for (i, mark) in line.marks().iter().enumerate() {
        let column = (mark.at - line.first()) as usize * columns.saturating_sub(1) / length as usize;
        let Some(cell) = out.get_mut(column) else { continue };
        cell.is_there = true;
        cell.failing = match (cell.failing, mark.failing) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        cell.changes += mark.changes;
        cell.is_now |= i == now;
    }
    out
}
