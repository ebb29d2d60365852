//! The selected row of a list.

use crate::action::Action;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub at: usize,
}

impl Cursor {
    /// Moves in a list of so many rows; `false` if the action is no movement.
    pub fn act(&mut self, action: Action, rows: usize, page: usize) -> bool {
        let last = rows.saturating_sub(1);
        let page = page.max(1);
        self.at = match action {
            Action::Down | Action::NextMatch => self.at.saturating_add(1),
            Action::Up | Action::PreviousMatch => self.at.min(last).saturating_sub(1),
            Action::PageDown => self.at.saturating_add(page),
            Action::PageUp => self.at.min(last).saturating_sub(page),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        }
        .min(last);
        true
    }
    /// The selected row among so many.
    pub fn get(&self, rows: usize) -> Option<usize> {
        rows.checked_sub(1).map(|last| self.at.min(last))
    }
    /// The first row that is shown in a window of so many, so that the selected one is seen.
    pub fn first(&self, rows: usize, height: usize) -> usize {
        let at = self.at.min(rows.saturating_sub(1));
        at.saturating_sub(height / 2).min(rows.saturating_sub(height))
    }
}
