//! Envoy's matchers of strings, headers, addresses and metadata, compiled once and asked often.
//!
//! The route table, RBAC and access-log filters use the same ones. A matcher that meshctl does not know, or whose
//! regular expression it can't read, answers [`Truth::Unknown`]: never a guess.

mod cidr;
mod header;
mod metadata;
pub mod re2;
mod string;
mod uri_template;

pub use cidr::Cidr;
pub use header::{HeaderMatcher, HeaderTest};
pub use metadata::{MetadataMatcher, ValueMatcher};
pub use string::{StringMatcher, StringTest};
pub use uri_template::UriTemplate;

/// An answer of three values (Kleene's logic): what was not seen is never judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    pub fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::No, _) | (_, Truth::No) => Truth::No,
            (Truth::Yes, Truth::Yes) => Truth::Yes,
            _ => Truth::Unknown,
        }
    }
    pub fn or(self, other: Truth) -> Truth {
        !(!self).and(!other)
    }
    pub fn is_yes(self) -> bool {
        self == Truth::Yes
    }
}

impl std::ops::Not for Truth {
    type Output = Truth;
    fn not(self) -> Truth {
        match self {
            Truth::No => Truth::Yes,
            Truth::Unknown => Truth::Unknown,
            Truth::Yes => Truth::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(b: bool) -> Truth {
        if b { Truth::Yes } else { Truth::No }
    }
}

/// A path without its query and fragment, as path matchers see it.
pub fn path_only(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or("")
}
