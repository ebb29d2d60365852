//! Does one set of requests contain another? Sets are conjunctions of string patterns (path, method, headers,
//! query parameters); patterns are exact strings, prefixes and regular expressions.
//!
//! Answers are sound: "contained" is only said when no request is left over. What cannot be decided within the
//! bounds (a huge automaton, syntax that RE2 and Rust read differently) is "not contained".
//!
//! Premise: requests are printable ASCII, a path begins with `/` (or is `*`) and is matched without its query.

mod automaton;
pub mod pattern;
mod requests;
#[cfg(test)]
mod soundness;

pub use pattern::Pattern;
pub use requests::{Field, Requests};
