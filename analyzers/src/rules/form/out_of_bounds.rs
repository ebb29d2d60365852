//! ## MSH0504 OutOfBounds (Error)
//!
//! **What it checks.** A number that is too small or too large, a text or list that is too short or too long, a text
//! that does not have the form that its field asks for.
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hostnames: [Reviews_v1.example.com]
//!   rules:
//!   - backendRefs: [{name: reviews, port: 9080}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hostnames: [reviews-v1.example.com]
//!   rules:
//!   - backendRefs: [{name: reviews, port: 9080}]
//! ```

use crate::codes::MSH0504;
use crate::rule::{Context, Sink};
use crate::schema::{Bound, What};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::OutOfBounds(bound) = &fault.what else { continue };
        let (at, path) = (fault.at, fault.at.path_from(fault.object.root()));
        let (message, help) = match bound {
            Bound::Min(min) => (format!("`{path}` is {}, less than {min}", at.text()), format!("use {min} or more")),
            Bound::Max(max) => (format!("`{path}` is {}, more than {max}", at.text()), format!("use {max} or less")),
            Bound::MinLength(1) | Bound::MinItems(1) => (format!("`{path}` is empty"), "give it a value, or leave the field out".to_owned()),
            Bound::MinLength(min) => (format!("`{path}` has fewer than {min} characters"), format!("use at least {min}")),
            Bound::MaxLength(max) => (format!("`{path}` has {} characters, more than {max}", at.text().chars().count()), format!("use at most {max}")),
            Bound::MinItems(min) => (format!("`{path}` has {} entries, fewer than {min}", at.len()), format!("give at least {min}")),
            Bound::MaxItems(max) => {
                (format!("`{path}` has {} entries, more than {max}", at.len()), format!("keep at most {max}; split the object if there must be more"))
            }
            Bound::Pattern(pattern) => (format!("`{}` does not have the form that `{path}` asks for", at.text()), format!("it must match `{pattern}`")),
            Bound::Format("int32") => (format!("`{path}` is {}, which does not fit into 32 bits", at.text()), "use a number up to 2147483647".to_owned()),
            Bound::Format("byte") => (format!("`{path}` is not base64"), "encode the value as base64".to_owned()),
            Bound::Format("key") => (
                format!("`{}` is no valid key of a label or annotation", at.text()),
                "use up to 63 letters, digits, `-`, `_` and `.`, with a lower-case domain and `/` before them if need be".to_owned(),
            ),
            Bound::Format("label value") => (
                format!("`{}` is no valid value of a label", at.text()),
                "use up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends".to_owned(),
            ),
            Bound::Format(format) => (format!("`{}` is no valid {format} for `{path}`", at.text()), format!("give a valid {format}")),
        };
        sink.report(&MSH0504, fault.object, at, message).help(help);
    }
}
