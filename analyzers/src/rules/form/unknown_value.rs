//! ## MSH0503 UnknownEnumValue (Error)
//!
//! **What it checks.** A value that is none of those that its field can have.
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec:
//!   mtls: {mode: STRIKT}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec:
//!   mtls: {mode: STRICT}
//! ```

use crate::codes::MSH0503;
use crate::rule::{Context, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::UnknownValue { near, known } = &fault.what else { continue };
        let path = fault.at.path_from(fault.object.root());
        let finding = sink.report(&MSH0503, fault.object, fault.at, format!("`{}` is no value of `{path}`", fault.at.text()));
        let list: Vec<_> = known.iter().map(|k| format!("`{k}`")).collect();
        match near {
            Some(near) => {
                finding.help(format!("did you mean `{near}`? There are {}", list.join(", ")));
                super::replace(finding, fault.at, near);
            }
            None => {
                finding.help(format!("use one of {}", list.join(", ")));
            }
        }
    }
}
