//! A line of a log: when, who, what; and which lines are shown, without what is secret.

use crate::term::safe;
use mesh_collectors::kube::logs::{LogLine, LogOf};
use mesh_collectors::kube::pods::PROXY_CONTAINER;
use mesh_envoy::access_log::{Line, Reader};

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

/// Which lines are shown, and how.
pub struct Shown {
    pub pods: Pods,
    pub reader: Reader,
    pub flags: Vec<String>,
    pub failed: bool,
}

impl Shown {
    pub fn is_entry(&self, text: &str) -> bool {
        matches!(self.reader.read(text), Line::Entry(_))
    }
    pub fn keeps(&self, said: &Said) -> bool {
        if self.flags.is_empty() && !self.failed {
            return true;
        }
        let Line::Entry(entry) = self.reader.read(&said.text) else { return false };
        let has = |flag: &str| self.flags.iter().any(|f| f.eq_ignore_ascii_case(flag));
        said.container == PROXY_CONTAINER && ((self.failed && (entry.flags().next().is_some() || entry.code() >= 500)) || entry.flags().any(has))
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
