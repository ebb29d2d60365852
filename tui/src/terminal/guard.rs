//! Taking the terminal and giving it back.

use super::takes_mouse;
use crate::app::MouseUse;
use crossterm::event::{DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange, EnableMouseCapture};
use crossterm::queue;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use std::io::{self, Write};

/// Holds the terminal; gives it back when it is dropped.
pub(super) struct Guard<'o, W: Write> {
    out: &'o mut W,
    is_in: bool,
}

impl<'o, W: Write> Guard<'o, W> {
    pub fn enter(out: &'o mut W, mouse: MouseUse) -> io::Result<Guard<'o, W>> {
        let mut guard = Guard { out, is_in: false };
        guard.enter_again(mouse)?;
        Ok(guard)
    }
    /// Takes the terminal, also if it is taken: after SIGCONT nobody knows.
    pub fn enter_again(&mut self, mouse: MouseUse) -> io::Result<()> {
        enable_raw_mode()?;
        self.is_in = true;
        queue!(self.out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
        self.mouse(mouse)
    }
    pub fn mouse(&mut self, mouse: MouseUse) -> io::Result<()> {
        if takes_mouse(mouse) {
            queue!(self.out, EnableMouseCapture)?;
        } else {
            queue!(self.out, DisableMouseCapture)?;
        }
        self.out.flush()
    }
    pub fn leave(&mut self) -> io::Result<()> {
        self.is_in = false;
        leave(self.out)
    }
    pub fn out(&mut self) -> &mut W {
        self.out
    }
}

impl<W: Write> Drop for Guard<'_, W> {
    fn drop(&mut self) {
        if self.is_in {
            // Nothing more can be done where even this fails.
            let _ = leave(self.out);
        }
    }
}

/// Gives the terminal back: safe to call at any time, as from a panic hook.
pub fn leave(out: &mut impl Write) -> io::Result<()> {
    queue!(
        out,
        crossterm::terminal::EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        crossterm::style::ResetColor,
        crossterm::cursor::Show,
        LeaveAlternateScreen
    )?;
    out.flush()?;
    disable_raw_mode()
}
