//! What a check found, as it is printed.

use crate::output::pretty;
use crate::term::{safe, safe_json};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

pub struct Section {
    pub title: &'static str,
    pub lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fine,
    Warning,
    Wrong,
    Unseen,
}

/// One thing that was looked at.
pub struct Line {
    state: State,
    text: String,
    /// What to do, or to type; "" where nothing is to be done.
    hint: String,
}

impl Line {
    pub fn fine(text: impl Into<String>) -> Line {
        Line { state: State::Fine, text: text.into(), hint: String::new() }
    }
    pub fn warning(text: impl Into<String>, hint: impl Into<String>) -> Line {
        Line { state: State::Warning, text: text.into(), hint: hint.into() }
    }
    pub fn wrong(text: impl Into<String>, hint: impl Into<String>) -> Line {
        Line { state: State::Wrong, text: text.into(), hint: hint.into() }
    }
    pub fn unseen(text: impl Into<String>, hint: impl Into<String>) -> Line {
        Line { state: State::Unseen, text: text.into(), hint: hint.into() }
    }
    pub fn is_wrong(&self) -> bool {
        self.state == State::Wrong
    }
    pub fn is_unseen(&self) -> bool {
        self.state == State::Unseen
    }
}

impl State {
    fn mark(self) -> (&'static str, Style) {
        match self {
            State::Fine => ("✔", AnsiColor::Green.on_default()),
            State::Warning => ("▲", AnsiColor::Yellow.on_default()),
            State::Wrong => ("✖", AnsiColor::Red.on_default()),
            State::Unseen => ("?", AnsiColor::Yellow.on_default()),
        }
    }
    fn word(self) -> &'static str {
        match self {
            State::Fine => "fine",
            State::Warning => "warning",
            State::Wrong => "wrong",
            State::Unseen => "unseen",
        }
    }
}

pub fn text(sections: &[Section]) -> String {
    let mut out = String::new();
    let bold = Style::new().bold();
    for section in sections.iter().filter(|s| !s.lines.is_empty()) {
        out.push_str(&format!("{bold}{}{bold:#}\n", section.title));
        for line in &section.lines {
            let (mark, style) = line.state.mark();
            out.push_str(&format!("  {style}{mark}{style:#} {}\n", safe(&line.text)));
            if !line.hint.is_empty() {
                out.push_str(&format!("      {}\n", safe(&line.hint)));
            }
        }
    }
    let count = |state| sections.iter().flat_map(|s| &s.lines).filter(|l| l.state == state).count();
    let (wrong, warnings, unseen) = (count(State::Wrong), count(State::Warning), count(State::Unseen));
    out.push_str(&match (wrong, warnings, unseen) {
        (0, 0, 0) => "everything that was looked at is fine\n".to_owned(),
        _ => format!("{wrong} wrong, {warnings} {}, {unseen} not seen\n", if warnings == 1 { "warning" } else { "warnings" }),
    });
    out
}

pub fn json(sections: &[Section]) -> String {
    let line = |l: &Line| json!({"state": l.state.word(), "text": l.text, "hint": l.hint});
    let list: Vec<Value> = sections.iter().map(|s| json!({"section": s.title, "checks": s.lines.iter().map(line).collect::<Vec<_>>()})).collect();
    let all = || sections.iter().flat_map(|s| &s.lines);
    let problems: Vec<&str> = all().filter(|l| l.is_unseen()).map(|l| l.text.as_str()).collect();
    safe_json(pretty(&json!({"complete": problems.is_empty(), "problems": problems, "fine": !all().any(Line::is_wrong), "sections": list}), b"  "))
}
