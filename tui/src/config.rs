//! The configuration file, `tui.toml`: colours, characters, mouse, keys.

use crate::action::ACTIONS;
use crate::keys::{Keymap, distance};
use crate::theme::{Charset, Medium, Palette};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a configuration says; what it leaves out is decided elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub theme: Option<Palette>,
    pub charset: Option<Charset>,
    /// Whether the mouse is taken at the start.
    pub mouse: Option<Mouse>,
    /// Whether the screen is for a screen reader.
    pub medium: Option<Medium>,
    pub keymap: Keymap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    Taken,
    Left,
}

#[derive(Deserialize)]
struct File {
    theme: Option<toml::Spanned<String>>,
    characters: Option<toml::Spanned<String>>,
    mouse: Option<toml::Spanned<bool>>,
    a11y: Option<bool>,
    #[serde(default)]
    keys: BTreeMap<toml::Spanned<String>, toml::Spanned<Keys>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Many(Vec<String>),
}

const SETTINGS: [&str; 5] = ["theme", "characters", "mouse", "a11y", "keys"];

/// Reads a configuration. All mistakes, each as `file:line: what`; nothing is ignored silently.
pub fn parse(name: &str, text: &str) -> Result<Config, Vec<String>> {
    let at = |offset: usize| format!("{name}:{}", text.get(..offset).unwrap_or("").matches('\n').count() + 1);
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(e) => return Err(vec![format!("{}: {}", at(e.span().map_or(0, |s| s.start)), e.message())]),
    };
    let mut errors = Vec::new();
    let mut config = Config::default();
    if let Some(theme) = &file.theme {
        config.theme = Palette::parse(theme.get_ref());
        if config.theme.is_none() {
            errors.push(format!(
                "{}: there is no theme `{}`; there are {}",
                at(theme.span().start),
                theme.get_ref(),
                Palette::ALL.map(Palette::name).join(", ")
            ));
        }
    }
    if let Some(characters) = &file.characters {
        config.charset = match characters.get_ref().as_str() {
            "unicode" => Some(Charset::Unicode),
            "ascii" => Some(Charset::Ascii),
            other => {
                errors.push(format!("{}: characters are unicode or ascii, not `{other}`", at(characters.span().start)));
                None
            }
        };
    }
    config.mouse = file.mouse.as_ref().map(|m| if *m.get_ref() { Mouse::Taken } else { Mouse::Left });
    config.medium = file.a11y.map(|is_read| if is_read { Medium::Read } else { Medium::Seen });
    for (id, keys) in &file.keys {
        let list = match keys.get_ref() {
            Keys::One(key) => vec![key.clone()],
            Keys::Many(keys) => keys.clone(),
        };
        if let Err(why) = config.keymap.rebind(id.get_ref(), &list) {
            errors.push(format!("{}: {why}", at(id.span().start)));
        }
    }
    let all: BTreeMap<toml::Spanned<String>, serde::de::IgnoredAny> = toml::from_str(text).unwrap_or_default();
    for key in all.keys().filter(|k| !SETTINGS.contains(&k.get_ref().as_str())) {
        let near = SETTINGS.iter().min_by_key(|s| distance(s, key.get_ref())).filter(|s| distance(s, key.get_ref()) <= 3);
        let hint = near.map_or_else(|| format!("there are {}", SETTINGS.join(", ")), |n| format!("is `{n}` meant?"));
        errors.push(format!("{}: there is no setting `{}`; {hint}", at(key.span().start), key.get_ref()));
    }
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

/// A configuration with everything at its default, to start from.
pub fn example() -> String {
    let mut out = String::from(
        "# meshctl tui: everything at its default. Place: $XDG_CONFIG_HOME/meshctl/tui.toml\n\n\
         # dark, light, deuteranopia, tritanopia, high-contrast, mono\ntheme = \"dark\"\n\
         # unicode or ascii\ncharacters = \"unicode\"\n\
         # whether the mouse selects and scrolls; M changes it\nmouse = true\n\
         # for screen readers: words and lines in place of marks, frames and charts\na11y = false\n\n[keys]\n",
    );
    for spec in ACTIONS {
        let keys: Vec<String> = spec.keys.split(' ').map(|k| format!("\"{k}\"")).collect();
        out.push_str(&format!("{} = [{}] # {}\n", spec.id, keys.join(", "), spec.what));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_read_and_changes_nothing() {
        let config = parse("tui.toml", &example()).expect("the example is right");
        assert_eq!((config.theme, config.charset, config.mouse), (Some(Palette::Dark), Some(Charset::Unicode), Some(Mouse::Taken)));
        assert_eq!(config.medium, Some(Medium::Seen));
        for spec in ACTIONS {
            assert_eq!(config.keymap.keys(spec.action, spec.scope), Keymap::default().keys(spec.action, spec.scope), "{}", spec.id);
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = "theme = \"pink\"\nmouse = true\ncolour = 1\n[keys]\nrefersh = \"f5\"\nhelp = \"hyper-x\"\n";
        let errors = parse("t", text).expect_err("four mistakes");
        assert!(errors[0].starts_with("t:1: there is no theme `pink`; there are dark"), "{errors:?}");
        assert!(errors.contains(&"t:5: there is no action `refersh`; is `refresh` meant?".to_owned()), "{errors:?}");
        assert!(errors.iter().any(|e| e.starts_with("t:6: `hyper-x` is no key")), "{errors:?}");
        assert!(errors.iter().any(|e| e.starts_with("t:3: there is no setting `colour`")), "{errors:?}");
        assert_eq!(parse("t", "theme = 1").expect_err("a type").len(), 1);
    }
}
