//! What a rule says: plain data with positions.

use crate::codes::Code;
use mesh_model::{Node, Object, Span};
use std::borrow::Cow;

/// How bad a finding is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Error,
    Warning,
    Info,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "Error",
            Level::Warning => "Warning",
            Level::Info => "Info",
        }
    }
    /// By name, any case.
    pub fn parse(name: &str) -> Option<Level> {
        [Level::Error, Level::Warning, Level::Info].into_iter().find(|l| l.name().eq_ignore_ascii_case(name))
    }
}

/// Another place that belongs to a finding.
#[derive(Clone, Debug)]
pub struct Related<'a> {
    pub object: &'a Object,
    pub at: Node<'a>,
    pub label: String,
}

/// A change that would mend it: replace the bytes of `span` in the finding's own source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    pub title: String,
    pub span: Span,
    pub replacement: String,
}

/// One fault in one object.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    pub code: &'static Code,
    pub level: Level,
    pub object: &'a Object,
    /// The offending value (or key).
    pub at: Node<'a>,
    /// One sentence that names the offending value; no advice.
    pub message: String,
    /// What to do.
    pub help: Option<Cow<'static, str>>,
    pub related: Vec<Related<'a>>,
    pub fix: Option<Fix>,
}

impl<'a> Finding<'a> {
    pub fn help(&mut self, text: impl Into<Cow<'static, str>>) -> &mut Self {
        self.help = Some(text.into());
        self
    }
    pub fn level(&mut self, level: Level) -> &mut Self {
        self.level = level;
        self
    }
    pub fn related(&mut self, object: &'a Object, at: Node<'a>, label: impl Into<String>) -> &mut Self {
        self.related.push(Related { object, at, label: label.into() });
        self
    }
    pub fn fix(&mut self, title: impl Into<String>, span: Span, replacement: impl Into<String>) -> &mut Self {
        self.fix = Some(Fix { title: title.into(), span, replacement: replacement.into() });
        self
    }
    /// The path of the offending field, `spec.http[0].route[0].destination.host`; "" for the object itself.
    pub fn path(&self) -> String {
        if std::ptr::eq(self.at.tree(), self.object.root().tree()) { self.at.path_from(self.object.root()) } else { String::new() }
    }
}
