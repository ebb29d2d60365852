//! Markdown as a terminal shows it.

use anstyle::{AnsiColor, Style};

pub const BOLD: Style = Style::new().bold();
pub const CODE: Style = AnsiColor::Cyan.on_default();

/// Markdown as a terminal shows it: bold words bold, examples indented, no marks.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            out.push_str(&format!("    {CODE}{line}{CODE:#}\n"));
        } else if let Some(heading) = line.strip_prefix("## ") {
            out.push_str(&format!("{BOLD}{heading}{BOLD:#}\n"));
        } else {
            // `**` opens and closes in turn.
            for (i, part) in line.split("**").enumerate() {
                if i % 2 == 1 { out.push_str(&format!("{BOLD}{part}{BOLD:#}")) } else { out.push_str(part) }
            }
            out.push('\n');
        }
    }
    // The fences leave blank lines in pairs.
    while out.contains("\n\n\n") {
        out = out.replace("\n\n\n", "\n\n");
    }
    out
}

/// A paragraph in lines of at most `width`, each behind `indent`.
pub fn wrap(text: &str, indent: &str, width: usize) -> String {
    let mut out = String::new();
    let mut length = usize::MAX;
    for word in text.split_whitespace() {
        let n = word.chars().count();
        if length.saturating_add(n + 1) > width {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(indent);
            out.push_str(word);
            length = indent.chars().count() + n;
        } else {
            out.push(' ');
            out.push_str(word);
            length += n + 1;
        }
    }
    out.push('\n');
    out
}

/// As wide as text is easy to read.
pub const WIDTH: usize = 110;

/// The text with what stands in backquotes coloured.
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        if i % 2 == 1 { out.push_str(&format!("{CODE}{part}{CODE:#}")) } else { out.push_str(part) }
    }
    out
}
