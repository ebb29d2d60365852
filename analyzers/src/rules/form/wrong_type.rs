//! ## MSH0502 WrongType (Error)
//!
//! **What it checks.** A value of another type than its field takes: a number or boolean where a string must be, a
//! single value where a list must be. Labels and annotations take strings, on every kind.
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   host: reviews.shop.svc.cluster.local
//!   subsets:
//!   - name: v1
//!     labels: {version: 1.10}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   host: reviews.shop.svc.cluster.local
//!   subsets:
//!   - name: v1
//!     labels: {version: "1.10"}
//! ```

use crate::codes::MSH0502;
use crate::rule::{Context, Sink};
use crate::schema::{Expected, What};
use mesh_model::{Node, NodeKind, Scalar, Style};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::WrongType { expected, duration } = fault.what else { continue };
        let (at, path) = (fault.at, fault.at.path_from(fault.object.root()));
        let value = if at.is_scalar() && !at.is_null() { format!("`{}`, {}", at.text(), what(at)) } else { what(at).to_owned() };
        let finding = sink.report(&MSH0502, fault.object, at, format!("`{path}` takes {}, not {value}", expected.name()));
        match (expected, at.kind()) {
            (Expected::String, NodeKind::Scalar) if duration => {
                finding.help(format!("a duration has a unit, as in `{}s`", at.text()));
            }
            (Expected::String, NodeKind::Scalar) if !at.is_null() => {
                finding.help("put it in quotes");
                finding.fix("put it in quotes", at.span(), format!("{:?}", at.text()));
            }
            (Expected::Integer | Expected::Number | Expected::Boolean, NodeKind::Scalar) if at.style() != Style::Plain && fits(expected, at.text()) => {
                finding.help("leave the quotes out");
                finding.fix("leave the quotes out", at.span(), at.text());
            }
            (Expected::List, NodeKind::Scalar) if !at.is_null() => {
                let item =
                    if at.text().bytes().all(|b| b.is_ascii_alphanumeric() || b"-./".contains(&b)) { at.text().to_owned() } else { format!("{:?}", at.text()) };
                finding.help(format!("write it as a list with one item, `[{item}]`"));
            }
            (Expected::List, NodeKind::Mapping) => {
                finding.help("start the item with `- `");
            }
            (Expected::Object, NodeKind::Sequence) => {
                finding.help("remove the `- ` before it");
            }
            _ => {
                finding.help(format!("give {}", expected.name()));
            }
        }
    }
}

fn what(node: Node<'_>) -> &'static str {
    match node.kind() {
        NodeKind::Mapping => "a mapping",
        NodeKind::Sequence => "a list",
        NodeKind::Scalar => match node.value() {
            Scalar::Null => "null",
            Scalar::Bool(_) => "a boolean",
            Scalar::Int(_) => "an integer",
            Scalar::Float(_) => "a number",
            Scalar::Str(_) => "a string",
        },
    }
}

/// Whether the text would be of that type without its quotes.
fn fits(expected: Expected, text: &str) -> bool {
    match mesh_model::yaml::resolve_plain(text) {
        Scalar::Bool(_) => expected == Expected::Boolean,
        Scalar::Int(_) => expected != Expected::Boolean,
        Scalar::Float(_) => expected == Expected::Number,
        _ => false,
    }
}
