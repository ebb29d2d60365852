//! One line of text that is being typed.

use crate::keys::Key;
use crossterm::event::KeyCode;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineEdit {
    text: String,
    /// Characters before the cursor.
    at: usize,
}

impl LineEdit {
    pub fn new(text: &str) -> LineEdit {
        LineEdit { text: text.to_owned(), at: text.chars().count() }
    }
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The text before the cursor.
    pub fn before(&self) -> &str {
        &self.text[..self.byte(self.at)]
    }
    fn byte(&self, at: usize) -> usize {
        self.text.char_indices().nth(at).map_or(self.text.len(), |(i, _)| i)
    }
    /// Inserts text: what is typed, and what is pasted. Control characters are left out.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            let at = self.byte(self.at);
            self.text.insert(at, c);
            self.at += 1;
        }
    }
    /// Takes a key; `false` if it is none of a line's.
    pub fn key(&mut self, key: Key) -> bool {
        let count = self.text.chars().count();
        match (key.code(), key.has_ctrl()) {
            (KeyCode::Left, false) => self.at = self.at.saturating_sub(1),
            (KeyCode::Right, false) => self.at = (self.at + 1).min(count),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.at = 0,
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.at = count,
            (KeyCode::Backspace, _) | (KeyCode::Char('h'), true) if self.at > 0 => {
                self.at -= 1;
                let at = self.byte(self.at);
                self.text.remove(at);
            }
            (KeyCode::Delete, _) if self.at < count => {
                let at = self.byte(self.at);
                self.text.remove(at);
            }
            (KeyCode::Char('u'), true) => {
                self.text.drain(..self.byte(self.at));
                self.at = 0;
            }
            (KeyCode::Char('w'), true) => {
                let head = self.before().trim_end();
                let keep = head.rfind(' ').map_or(0, |i| i + 1);
                let end = self.byte(self.at);
                self.at = self.text[..keep].chars().count();
                self.text.drain(keep..end);
            }
            _ => match key.typed() {
                Some(c) => self.insert(&c.to_string()),
                None => return matches!(key.code(), KeyCode::Backspace | KeyCode::Delete),
            },
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut line = LineEdit::new("grüße an");
        for key in ["left", "left", "backspace", "ctrl-w", "x", "end", "!", "home", "delete"] {
            line.key(Key::parse(key).expect("a key"));
        }
        assert_eq!((line.text(), line.before()), ("an!", ""));
        line.insert("a\u{1b}[2Jb\n");
        assert_eq!(line.text(), "a[2Jban!");
    }
}
