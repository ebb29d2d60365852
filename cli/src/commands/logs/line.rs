//! A line of a log: when, who, what; and which lines are shown, without what is secret.

use crate::term::safe;
use mesh_collectors::kube::logs::{LogLine, LogOf};
use mesh_collectors::kube::pods::PROXY_CONTAINER;
use mesh_envoy::access_log::{Field, Line, Reader};
use mesh_envoy::engine::domain::without_port;

/// A line and who said it; in order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// Sorts as time does.
    key: (String, String),
    pub at: String,
    pub pod: String,
    pub container: String,
    pub text: String,
}

impl Said {
    pub fn new(of: &LogOf, line: LogLine) -> Said {
        Said { key: key(&line.at), at: line.at, pod: format!("{}.{}", of.pod, of.namespace), container: of.container.clone(), text: line.text }
    }
    /// A line of the proxy of a pod.
    pub fn of(pod: String, line: LogLine) -> Said {
        Said { key: key(&line.at), at: line.at, pod, container: PROXY_CONTAINER.to_owned(), text: line.text }
    }
    /// Whether it was said at a time or later; "" is always.
    pub fn is_since(&self, at: &str) -> bool {
        at.is_empty() || self.key >= key(at)
    }
    /// Whether it was said no later than another.
    pub fn is_before_or_at(&self, other: &Said) -> bool {
        self.key <= other.key
    }
    /// The line as it is printed.
    pub fn text_line(&self, shown: &Shown) -> String {
        let pod = if shown.pods == Pods::Several { format!("{} ", self.pod) } else { String::new() };
        format!("{} {}{} {}\n", safe(&self.at), safe(&pod), safe(&self.container), safe(&shown.line(self)))
    }
}

/// Fractions of a second have as many digits as they need: `…00Z` is before `…00.5Z`.
fn key(at: &str) -> (String, String) {
    let (seconds, rest) = at.split_at(at.len().min(19));
    let fraction: String = rest.trim_start_matches('.').chars().take_while(char::is_ascii_digit).collect();
    (seconds.to_owned(), format!("{fraction:0<9}"))
}

/// Whether lines are of one pod, which needs no name then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pods {
    One,
    Several,
}

/// `503`, or `5xx` for all of its hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    One(u16),
    Hundred(u16),
}

impl Statuses {
    pub fn parse(text: &str) -> Option<Statuses> {
        let text = text.trim();
        if text.len() != 3 {
            return None;
        }
        match text.to_ascii_lowercase().strip_suffix("xx") {
            Some(hundred) => hundred.parse().ok().filter(|h| (1..=9).contains(h)).map(Statuses::Hundred),
            None => text.parse().ok().filter(|s| (100..=999).contains(s)).map(Statuses::One),
        }
    }
    fn has(self, status: u16) -> bool {
        match self {
            Statuses::One(one) => status == one,
            Statuses::Hundred(hundred) => status / 100 == hundred,
        }
    }
}

/// Which lines are shown, and how.
pub struct Shown {
    pub pods: Pods,
    pub reader: Reader,
    pub flags: Vec<String>,
    pub failed: bool,
    pub statuses: Vec<Statuses>,
    pub path: Option<String>,
    pub host: Option<String>,
}

impl Shown {
    pub fn is_entry(&self, text: &str) -> bool {
        matches!(self.reader.read(text), Line::Entry(_))
    }
    pub fn keeps(&self, said: &Said) -> bool {
        if !self.asks_requests() {
            return true;
        }
        let Line::Entry(entry) = self.reader.read(&said.text) else { return false };
        let has = |flag: &str| self.flags.iter().any(|f| f.eq_ignore_ascii_case(flag));
        let host = |h: &String| {
            let authority = entry.text(Field::Authority);
            h.eq_ignore_ascii_case(authority) || h.eq_ignore_ascii_case(without_port(authority))
        };
        said.container == PROXY_CONTAINER
            && (!self.failed && self.flags.is_empty() || (self.failed && (entry.flags().next().is_some() || entry.code() >= 500)) || entry.flags().any(has))
            && (self.statuses.is_empty() || self.statuses.iter().any(|s| s.has(entry.code())))
            && self.path.as_ref().is_none_or(|p| entry.text(Field::Path).starts_with(p.as_str()))
            && self.host.as_ref().is_none_or(host)
    }
    /// Whether lines that tell of no request are left out.
    pub fn asks_requests(&self) -> bool {
        self.failed || !self.flags.is_empty() || !self.statuses.is_empty() || self.path.is_some() || self.host.is_some()
    }
    /// Its text without credentials, tokens and query values.
    pub fn line(&self, said: &Said) -> String {
        self.reader.sample(&said.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_hundred() {
        let has = |text: &str, status| Statuses::parse(text).is_some_and(|s| s.has(status));
        assert!(has("503", 503) && !has("503", 504) && has("5xx", 504) && has(" 4XX", 404) && !has("5xx", 404));
        assert!(["", "5", "x", "xxx", "0xx", "99", "5000", "fünf"].iter().all(|t| Statuses::parse(t).is_none()));
    }

    #[test]
    fn lines_are_in_the_order_of_time_whatever_their_digits() {
        let of = LogOf::default();
        let mut list: Vec<Said> = ["2026-11-22T11:40:00.5Z", "2026-11-22T11:40:00Z", "2026-11-22T11:40:00.25Z", "2026-11-22T11:39:59.999999999Z"]
            .map(|at| Said::new(&of, LogLine { at: at.to_owned(), text: String::new() }))
            .into();
        list.sort();
        let times: Vec<&str> = list.iter().map(|s| s.at.as_str()).collect();
        assert_eq!(times, ["2026-11-22T11:39:59.999999999Z", "2026-11-22T11:40:00Z", "2026-11-22T11:40:00.25Z", "2026-11-22T11:40:00.5Z"]);
    }
}
