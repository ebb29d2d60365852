//! YAML and JSON as Kubernetes reads them, with a position for every value.
//!
//! A stream is cut at lines that start with `---`, as Kubernetes does before it parses; each document becomes
//! a [`Tree`] or a problem. `parse` never fails as a whole.

mod full;
mod hand;
mod names;
mod scalar;
mod split;
mod tree;
mod write;

pub use scalar::{Scalar, resolve_plain};
pub use split::{Chunk, Documents, documents, split};
pub use tree::{Builder, Entries, Items, Node, NodeId, NodeKind, Style, Tree};
pub use write::push_string;

use crate::source::{Source, Span};
use std::sync::Arc;

/// What was wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub span: Span,
    pub message: String,
    /// What to do about it.
    pub help: Option<&'static str>,
    /// The document before this place is whole; what follows is ignored.
    pub after_document: bool,
}

/// Bounds that keep hostile input cheap. The defaults are far above any real manifest.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of nesting.
    pub depth: usize,
    /// Nodes of one document after aliases and merge keys are expanded.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 200, nodes: 8_000_000 }
    }
}

/// What came of one document: its tree, and what was wrong with it. Both can be there.
#[derive(Debug)]
pub struct Parsed {
    /// `None` where the document is empty or broken.
    pub tree: Option<Tree>,
    pub error: Option<SyntaxError>,
}

/// Parses one document of `source`, the bytes of `span`.
pub fn parse_document(source: &Arc<Source>, span: Span, limits: Limits) -> Parsed {
    parse_document_with(&mut Builder::default(), source, span, limits)
}

/// The same, with a builder whose memory is used again from document to document.
pub fn parse_document_with(builder: &mut Builder, source: &Arc<Source>, span: Span, limits: Limits) -> Parsed {
    if let Some(invalid) = source.first_invalid(span) {
        let error = SyntaxError {
            span: Span { start: invalid.at, end: invalid.at + 3 },
            message: match source.cut().filter(|_| span.end as usize == source.text().len()) {
                None => format!("the byte at offset {} of the file is no UTF-8", invalid.offset),
                Some(cut) => format!("the byte at offset {} of the file is no UTF-8, as are many more: what follows byte {cut} is not read", invalid.offset),
            },
            help: Some("save the file as UTF-8"),
            after_document: false,
        };
        return Parsed { tree: None, error: Some(error) };
    }
    builder.clear();
    if hand::parse(source, span, limits, builder) {
        let tree = (!builder.is_empty()).then(|| builder.finish(source, span));
        return Parsed { tree, error: None };
    }
    builder.clear();
    full::parse(builder, source, span, limits)
}

/// Where the fast path answers otherwise than the full parser: for tests and fuzzing. `Ok(false)`: it gave up.
#[doc(hidden)]
pub fn compare_paths(source: &Arc<Source>, span: Span, limits: Limits) -> Result<bool, String> {
    let mut builder = Builder::default();
    if !hand::parse(source, span, limits, &mut builder) {
        return Ok(false);
    }
    let fast = (!builder.is_empty()).then(|| builder.finish(source, span));
    builder.clear();
    let full = full::parse(&mut builder, source, span, limits);
    let (fast, slow) = (fast.map(|t| t.dump()), full.tree.map(|t| t.dump()));
    match full.error {
        Some(error) => Err(format!("the full parser finds an error: {error:?}")),
        None if fast != slow => Err(format!("fast: {}full: {}", fast.unwrap_or_default(), slow.unwrap_or_default())),
        None => Ok(true),
    }
}
