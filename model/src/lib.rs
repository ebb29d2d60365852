//! What exists: documents with source spans, objects, and the snapshot that holds them.
//!
//! This crate is pure: no IO, no async, no clock, no randomness, no environment. A parser returns what it
//! understood *and* the problems it met; it never gives up on the rest and never panics.

pub mod duration;
pub mod graph;
pub mod history;
pub mod kind;
pub mod object;
pub mod snapshot;
pub mod source;
pub mod statistics;
pub mod time;
pub mod traces;
pub mod yaml;

pub use kind::{Kind, Scope};
pub use object::{Edit, Object, Role};
pub use snapshot::{Completeness, Problem, ProblemKind, Snapshot, Timestamp};
pub use source::{Invalid, Position, Source, Span};
pub use yaml::{Node, NodeKind, Scalar, Style, Tree};
