//! ## MSH0509 ApiVersionNotServed (Error)
//!
//! **What it checks.** An apiVersion that does not serve the kind: one of the past, another group's, or a kind that its
//! group does not have.
//!
//! **Why it matters.** The API server does not know such an object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1alpha1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ```

use crate::codes::MSH0509;
use crate::rule::{Context, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let (object, at) = (fault.object, fault.at);
        let (api, kind) = (object.api_version(), object.kind_name());
        match &fault.what {
            What::Version { served } => {
                let group = object.group();
                let finding = sink.report(&MSH0509, object, at, format!("`{api}` does not serve {kind}"));
                // Tables list v1 before v1alpha3; without a stable version the last is the newest.
                let best = served.iter().find(|v| **v == "v1").or(served.last()).copied().unwrap_or("v1");
                finding.help(format!("use `{group}/{best}`"));
                super::replace(finding, at, &format!("{group}/{best}"));
            }
            What::Kind { group: Some(group), .. } => {
                sink.report(&MSH0509, object, at, format!("`{api}` has no kind {kind}")).help(format!("{kind} is in the group `{group}`"));
            }
            What::Kind { near, .. } => {
                let finding = sink.report(&MSH0509, object, at, format!("`{api}` has no kind {kind}"));
                if let Some(near) = near {
                    finding.help(format!("did you mean `{near}`?"));
                    super::replace(finding, at, near);
                }
            }
            _ => {}
        }
    }
}
