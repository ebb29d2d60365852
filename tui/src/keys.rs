//! Keys as they are written (`ctrl-p`, `enter`, `G`) and what they do.

use crate::action::{ACTIONS, Action, Scope};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::fmt;

/// One press of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    has_ctrl: bool,
    has_alt: bool,
}

const NAMES: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
];

impl Key {
    /// The key of a terminal's event. Shift is in the character already.
    pub fn of(event: &KeyEvent) -> Key {
        Key { code: event.code, has_ctrl: event.modifiers.contains(KeyModifiers::CONTROL), has_alt: event.modifiers.contains(KeyModifiers::ALT) }
    }
    /// Reads `ctrl-p`, `alt-x`, `f5`, `pgdn`, `G`.
    pub fn parse(text: &str) -> Result<Key, String> {
        let (mut rest, mut has_ctrl, mut has_alt) = (text, false, false);
        loop {
            match rest.split_once('-') {
                Some(("ctrl", r)) if !r.is_empty() => (rest, has_ctrl) = (r, true),
                Some(("alt", r)) if !r.is_empty() => (rest, has_alt) = (r, true),
                _ => break,
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => match (NAMES.iter().find(|(n, _)| *n == rest), rest.strip_prefix('f').and_then(|n| n.parse::<u8>().ok())) {
                (Some((_, code)), _) => *code,
                (_, Some(n)) if (1..=12).contains(&n) => KeyCode::F(n),
                _ => {
                    return Err(format!(
                        "`{text}` is no key; write a character, ctrl-x, alt-x, f1 … f12, or one of {}",
                        NAMES.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ")
                    ));
                }
            },
        };
        Ok(Key { code, has_ctrl, has_alt })
    }
    /// The character that it types, if it types one.
    pub fn typed(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if !self.has_ctrl && !self.has_alt => Some(c),
            _ => None,
        }
    }
    pub fn code(&self) -> KeyCode {
        self.code
    }
    pub fn has_ctrl(&self) -> bool {
        self.has_ctrl
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_ctrl {
            f.write_str("ctrl-")?;
        }
        if self.has_alt {
            f.write_str("alt-")?;
        }
        match (self.code, NAMES.iter().find(|(_, c)| *c == self.code)) {
            (_, Some((name, _))) => f.write_str(name),
            (KeyCode::Char(c), _) => write!(f, "{c}"),
            (KeyCode::F(n), _) => write!(f, "f{n}"),
            _ => f.write_str("?"),
        }
    }
}

/// Which key does what.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// In the order of the table; of two for one key in one scope there is only one.
    bindings: Vec<(Scope, Key, Action)>,
}

impl Default for Keymap {
    fn default() -> Keymap {
        let mut bindings = Vec::new();
        for spec in ACTIONS {
            for key in spec.keys.split(' ').filter_map(|k| Key::parse(k).ok()) {
                bindings.push((spec.scope, key, spec.action));
            }
        }
        Keymap { bindings }
    }
}

impl Keymap {
    /// Gives an action, by its name, other keys. Says why it can't.
    pub fn rebind(&mut self, id: &str, keys: &[String]) -> Result<(), String> {
        let Some(spec) = ACTIONS.iter().find(|s| s.id == id) else {
            let near = ACTIONS.iter().map(|s| s.id).min_by_key(|other| distance(id, other)).filter(|other| distance(id, other) <= 3);
            let hint = near.map_or_else(|| "`meshctl tui --print-config` lists them".to_owned(), |n| format!("is `{n}` meant?"));
            return Err(format!("there is no action `{id}`; {hint}"));
        };
        let parsed = keys.iter().map(|k| Key::parse(k)).collect::<Result<Vec<_>, _>>()?;
        for key in &parsed {
            let clashes = |scope: Scope| scope == spec.scope || scope == Scope::Global || spec.scope == Scope::Global;
            let other = self.bindings.iter().find(|(scope, k, a)| k == key && *a != spec.action && clashes(*scope)).map(|(_, _, a)| *a);
            if let Some(other) = other.and_then(|a| ACTIONS.iter().find(|s| s.action == a)) {
                return Err(format!("`{key}` is the key of `{}` already; give that another one first", other.id));
            }
        }
        self.bindings.retain(|(scope, _, a)| *a != spec.action || *scope != spec.scope);
        for key in parsed {
            self.bindings.push((spec.scope, key, spec.action));
        }
        Ok(())
    }
    /// What a key does where these scopes hold, the innermost first.
    pub fn find(&self, scopes: &[Scope], key: Key) -> Option<Action> {
        scopes.iter().chain(&[Scope::Global]).find_map(|s| self.bindings.iter().find(|(scope, k, _)| scope == s && *k == key).map(|(_, _, a)| *a))
    }
    /// The keys of an action in a scope, the first one first.
    pub fn keys(&self, action: Action, scope: Scope) -> Vec<Key> {
        self.bindings.iter().filter(|(s, _, a)| *s == scope && *a == action).map(|(_, k, _)| *k).collect()
    }
}

/// How many letters differ (Levenshtein).
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_table_is_a_key_and_is_written_back() {
        for spec in ACTIONS {
            for text in spec.keys.split(' ') {
                assert_eq!(Key::parse(text).map(|k| k.to_string()), Ok(text.to_owned()));
            }
        }
        assert!(Key::parse("ctrl-").is_err_and(|e| e.contains("`ctrl-` is no key")));
    }

    #[test]
    fn keys_can_be_given_to_other_actions_and_mistakes_are_told() {
        let mut map = Keymap::default();
        assert!(map.rebind("refresh", &["f5".into()]).is_ok());
        let refresh = |map: &Keymap, key: &str| map.find(&[], Key::parse(key).expect("a key"));
        assert_eq!((refresh(&map, "f5"), refresh(&map, "r")), (Some(Action::Refresh), None));
        assert_eq!(map.rebind("refersh", &[]), Err("there is no action `refersh`; is `refresh` meant?".into()));
        assert!(map.rebind("refresh", &["j".into()]).is_err_and(|e| e.contains("`down`")));
    }
}
