//! The only way in which documents made of dumps leave: without their secrets, and without what a terminal obeys.

use super::document::{Document, render};
use crate::context::Compat;
use crate::term::safe_json;
use mesh_envoy::redact::{Mark, redact};
use serde_json::Value;

/// The value as JSON or YAML, its secrets replaced: by length and hash, or for istioctl's sake as Envoy marks them.
pub fn document(value: Value, as_: Document, compat: Compat) -> String {
    let mark = match compat {
        Compat::Meshctl => Mark::LengthAndHash,
        Compat::Istioctl => Mark::Envoy,
    };
    safe_json(render(redact(value, mark).value(), as_))
}
