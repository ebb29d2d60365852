//! What the terminal's background is: it is asked (OSC 11), and its answer comes among the keys whenever it comes. Nobody waits for
//! it, as over a slow line it may take long, and many terminals never answer.

use crate::theme::Palette;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Asks for the colour of the background.
pub(super) const QUESTION: &str = "\u{1b}]11;?\u{7}";

/// Longer answers are none.
const MOST: usize = 40;

/// What is waited for, as far as it has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing was asked, or all was answered.
    #[default]
    None,
    Asked,
    /// It has begun with what crossterm takes for `alt-]`.
    Begun(String),
}

/// What a key was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Key,
    /// A part of the answer.
    Part,
    /// The end of the answer; what it said, if that was a colour.
    End(Option<Palette>),
}

impl Answer {
    /// Looks at a key before it is one.
    pub fn take(&mut self, key: &KeyEvent) -> Taken {
        let has = |modifier| key.modifiers.contains(modifier);
        let (alt, ctrl) = (has(KeyModifiers::ALT), has(KeyModifiers::CONTROL));
        match (&mut *self, key.code) {
            (Answer::Asked, KeyCode::Char(']')) if alt => {
                *self = Answer::Begun(String::new());
                Taken::Part
            }
            (Answer::Begun(text), KeyCode::Char('g' | '\\')) if ctrl != alt => {
                let palette = palette(text);
                *self = Answer::None;
                Taken::End(palette)
            }
            (Answer::Begun(text), KeyCode::Char(c)) if !alt && !ctrl && text.len() < MOST && is_like(text, c) => {
                text.push(c);
                Taken::Part
            }
            // Somebody typed that, or it is another answer.
            (Answer::Begun(_), _) => {
                *self = Answer::None;
                Taken::Key
            }
            _ => Taken::Key,
        }
    }
}

/// Whether a character may follow in `11;rgb:0000/0000/0000`.
fn is_like(text: &str, next: char) -> bool {
    const HEAD: &str = "11;rgb";
    match HEAD.chars().nth(text.chars().count()) {
        Some(expected) => next == expected,
        None => next.is_ascii_hexdigit() || matches!(next, ':' | '/'),
    }
}

/// Dark or light, by the brightness of `11;rgb:ffff/ffff/dddd`.
fn palette(text: &str) -> Option<Palette> {
    let colours = text.strip_prefix("11;rgb")?.trim_start_matches('a').strip_prefix(':')?;
    let part = |text: &str| -> Option<f64> {
        let most = 16_u32.checked_pow(u32::try_from(text.len()).ok().filter(|n| (1..=4).contains(n))?)? - 1;
        Some(f64::from(u32::from_str_radix(text, 16).ok()?) / f64::from(most))
    };
    let mut parts = colours.split('/').map(part);
    let (red, green, blue) = (parts.next()??, parts.next()??, parts.next()??);
    // As bright as eyes see it (Rec. 601).
    Some(if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 { Palette::Light } else { Palette::Dark })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of the bytes behind `ESC ]`, as crossterm makes keys of them.
    fn told(answer: &mut Answer, text: &str) -> Vec<Taken> {
        let key = |c: char| match c {
            '\u{7}' => KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL),
            ']' | '\\' => KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT),
            c => KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE),
        };
        text.chars().map(|c| answer.take(&key(c))).filter(|t| *t != Taken::Part).collect()
    }

    #[test]
    fn the_answer_is_found_among_keys_and_no_key_is_lost() {
        let one = |text: &str| told(&mut Answer::Asked, text);
        assert_eq!(one("]11;rgb:ffff/ffff/dddd\u{7}"), [Taken::End(Some(Palette::Light))]);
        assert_eq!(one("]11;rgb:1e/1e/2e\\"), [Taken::End(Some(Palette::Dark))]);
        assert_eq!(one("]11;rgba:0000/0000/0000/ffff\u{7}"), [Taken::End(Some(Palette::Dark))]);
        assert_eq!(one("]11;rgb:\u{7}"), [Taken::End(None)]);
        assert_eq!(one("jk"), [Taken::Key, Taken::Key]);
        // What only begins like it is typed.
        assert_eq!(one("]1x"), [Taken::Key]);
        let mut unasked = Answer::None;
        assert_eq!(told(&mut unasked, "]1"), [Taken::Key, Taken::Key]);
        // It comes once.
        let mut asked = Answer::Asked;
        told(&mut asked, "]11;rgb:0/0/0\u{7}");
        assert_eq!(told(&mut asked, "1"), [Taken::Key]);
    }
}
