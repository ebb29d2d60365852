//! PromQL, as much as a mesh needs: a parser with positions, and evaluation as Prometheus does it.
//!
//! What is not supported is refused by name, with its place in the query; nothing is ignored. Reference:
//! <https://prometheus.io/docs/prometheus/latest/querying/basics/>.

mod ast;
mod eval;
mod functions;
mod lexer;
mod parser;

pub use ast::{Aggregator, BinaryOp, Cardinality, Expr, ExprKind, Grouping, Matching, Selector, Side, ValueType};
pub use eval::{Answer, Options, Rules, STEPS, Sample, Track, Value, query, query_in_order, query_range, value_text};
pub use parser::{parse, parse_duration, parse_selector};

/// A part of the query's text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    pub fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end }
    }
}

/// Why a query has no answer, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub span: Span,
    pub message: String,
}

impl Error {
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Error {
        Error { span, message: message.into() }
    }

    /// One line: `1:14: message`, with line and column (in characters) from 1.
    pub fn render(&self, query: &str) -> String {
        let before = query.get(..self.span.start.min(query.len())).unwrap_or(query);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        format!("{line}:{column}: {}", self.message)
    }
}
