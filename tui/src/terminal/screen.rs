//! Writing frames: only what changed, all at once.

use crate::app::App;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use std::io::{self, Write};
use std::time::Duration;

/// What the terminal shows.
#[derive(Default)]
pub struct Canvas {
    shown: Option<(Buffer, Option<Position>)>,
}

impl Canvas {
    /// What the terminal shows is not known any more.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    pub fn draw(&mut self, app: &mut App, now: Duration, out: &mut impl Write) -> io::Result<()> {
        let (width, height) = app.size();
        let area = Rect::new(0, 0, width, height);
        let mut next = Buffer::empty(area);
        let drawn = app.draw(&mut next, now);
        let cursor = drawn.cursor;
        app.shown(drawn);
        let before = self.shown.take().filter(|(b, _)| b.area == area);
        let is_new = before.is_none();
        let (old, old_cursor) = before.unwrap_or_else(|| (Buffer::empty(area), None));
        let updates = old.diff(&next);
        if updates.is_empty() && cursor == old_cursor && !is_new {
            self.shown = Some((next, cursor));
            return Ok(());
        }
        queue!(out, BeginSynchronizedUpdate, Hide)?;
        let mut backend = CrosstermBackend::new(&mut *out);
        if is_new {
            backend.clear()?;
        }
        backend.draw(updates.into_iter())?;
        // The cursor stands at the focused row: screen readers follow it.
        if let Some(at) = cursor {
            queue!(out, MoveTo(at.x, at.y), Show)?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()?;
        self.shown = Some((next, cursor));
        Ok(())
    }
}
