//! What the environment says of the terminal: colours, characters, whether it can draw at all; and the configuration file.

use crate::args::ColorWhen;
use crate::status::Failure;
use mesh_tui::config::{Config, parse};
use mesh_tui::theme::{Charset, Depth, Palette};
use std::io::IsTerminal;
use std::path::PathBuf;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// Why nothing can be drawn here; `None` where it can.
pub fn cannot_draw() -> Option<String> {
    if !std::io::stdout().is_terminal() {
        return Some("standard output is no terminal".to_owned());
    }
    if !std::io::stdin().is_terminal() {
        return Some("standard input is no terminal, so no key can be read".to_owned());
    }
    match variable("TERM").as_deref() {
        Some("dumb") => Some("TERM is dumb: this terminal can't draw".to_owned()),
        _ => None,
    }
}

/// `--color`, then NO_COLOR, then what the terminal says of itself.
pub fn depth(color: ColorWhen) -> Depth {
    let says_true = variable("COLORTERM").is_some_and(|v| v == "truecolor" || v == "24bit");
    let term = variable("TERM").unwrap_or_default();
    match color {
        ColorWhen::Never => Depth::None,
        ColorWhen::Auto if variable("NO_COLOR").is_some() => Depth::None,
        _ if says_true || term.ends_with("-direct") => Depth::True,
        _ if term.contains("256color") => Depth::Ansi256,
        _ => Depth::Ansi16,
    }
}

/// UTF-8 where the locale says so.
pub fn charset() -> Charset {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default().to_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") { Charset::Unicode } else { Charset::Ascii }
}

/// Light or dark where the environment says what the terminal's background is (`COLORFGBG=0;15`).
pub fn palette() -> Option<Palette> {
    let background = variable("COLORFGBG").and_then(|v| v.rsplit(';').next().and_then(|b| b.parse::<u8>().ok()))?;
    Some(if matches!(background, 7 | 9..=15) { Palette::Light } else { Palette::Dark })
}

/// Whether the terminal may be asked for its background: consoles print what they do not know.
pub fn knows_colours() -> bool {
    let term = variable("TERM").unwrap_or_default();
    !term.is_empty() && !["linux", "vt", "cons", "dumb"].iter().any(|t| term.starts_with(t))
}

/// `$XDG_CONFIG_HOME/meshctl/tui.toml`, else `~/.config/meshctl/tui.toml`.
fn path() -> Option<PathBuf> {
    let base = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")))?;
    Some(base.join("meshctl/tui.toml"))
}

/// The configuration; without a file everything is at its default.
pub fn config() -> Result<Config, Failure> {
    let Some(path) = path() else { return Ok(Config::default()) };
    let name = path.display().to_string();
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&name, &text).map_err(|errors| Failure::usage(errors.join("\n"))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(e) => Err(Failure::input(format!("{name}: {e}"))),
    }
}
