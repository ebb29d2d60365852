//! Label matchers: `=`, `!=`, `=~`, `!~`.

use regex::Regex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Equal,
    NotEqual,
    Matches,
    NotMatches,
}

impl Op {
    pub fn text(self) -> &'static str {
        match self {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches => "=~",
            Op::NotMatches => "!~",
        }
    }
}

/// A condition on one label. An absent label has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub name: String,
    pub op: Op,
    pub value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// Regular expressions are RE2's, match the whole value, and `.` matches newlines. The error is the reason alone.
    pub fn new(name: impl Into<String>, op: Op, value: impl Into<String>) -> Result<Matcher, String> {
        let value = value.into();
        let regex = match op {
            Op::Equal | Op::NotEqual => None,
            Op::Matches | Op::NotMatches => Some(anchored(&value)?),
        };
        Ok(Matcher { name: name.into(), op, value, regex })
    }

    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (Op::Equal, _) => self.value == value,
            (Op::NotEqual, _) => self.value != value,
            (Op::Matches, Some(regex)) => regex.is_match(value),
            (Op::NotMatches, Some(regex)) => !regex.is_match(value),
            (Op::Matches | Op::NotMatches, None) => false,
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

/// A regular expression for whole values.
pub fn anchored(pattern: &str) -> Result<Regex, String> {
    // The pattern alone first: what it opens it must close itself.
    Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?s:{pattern})$"))).map_err(|error| {
        let text = error.to_string();
        text.lines().rev().find_map(|l| l.trim().strip_prefix("error: ")).map_or(text.clone(), str::to_owned)
    })
}
