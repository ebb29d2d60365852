//! What can be explained by name.

use super::causes::Cause;

/// A topic of the tables: metrics, labels, ports, terms, messages.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub name: &'static str,
    /// Other spellings.
    pub also: &'static [&'static str],
    /// The first sentence is the summary.
    pub text: &'static str,
    /// Other words to ask for.
    pub see: &'static [&'static str],
}

pub(super) const fn page(name: &'static str, also: &'static [&'static str], text: &'static str, see: &'static [&'static str]) -> Page {
    Page { name, also, text, see }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Flag,
    Details,
    Status,
    Cause,
    Metric,
    Label,
    Port,
    Cluster,
    Term,
    Message,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Flag => "response flag",
            Kind::Details => "response code details",
            Kind::Status => "status",
            Kind::Cause => "cause",
            Kind::Metric => "metric",
            Kind::Label => "metric label",
            Kind::Port => "port",
            Kind::Cluster => "cluster",
            Kind::Term => "term",
            Kind::Message => "log message",
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Topic {
    pub kind: Kind,
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// What follows it, "" where the sentence is all.
    pub text: String,
    /// What can lead to it, the likeliest first.
    pub causes: Vec<&'static Cause>,
    pub see: Vec<String>,
}

impl Topic {
    pub(super) fn new(kind: Kind, name: &str, text: &str) -> Topic {
        // A sentence ends where a capital follows; `e.g.` and numbers do not end one.
        let end = text.match_indices(['.', ':']).map(|(i, _)| i + 1).find(|i| text.as_bytes()[i - 1] == b'.' && text[*i..].starts_with(' '));
        let (summary, rest) = text.split_at(end.unwrap_or(text.len()));
        Topic { kind, name: name.to_owned(), summary: summary.to_owned(), text: rest.trim().to_owned(), causes: Vec::new(), see: Vec::new() }
    }
    pub(super) fn of(kind: Kind, page: &Page) -> Topic {
        Topic { see: page.see.iter().map(|s| (*s).to_owned()).collect(), ..Topic::new(kind, page.name, page.text) }
    }
}
