//! ## MSH0511 InvalidName (Error)
//!
//! **What it checks.** The name of an Istio or Gateway API object: lower-case letters, digits, `-` and `.`, with a
//! letter or digit at both ends of every part, 253 characters at most. (`validate` leaves this to the API server.)
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: strict_mTLS, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: strict-mtls, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ```

use crate::codes::MSH0511;
use crate::rule::{Context, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in cx.faults.iter().filter(|f| matches!(f.what, What::Name)) {
        let name = fault.object.name();
        let finding = sink.report(&MSH0511, fault.object, fault.at, format!("`{name}` is no valid name of an object"));
        let better = name.to_ascii_lowercase().replace(['_', ' '], "-");
        if crate::schema::cel::is_subdomain(&better) {
            finding.help(format!("call it `{better}`"));
            super::replace(finding, fault.at, &better);
        } else {
            finding.help("use lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of every part");
        }
    }
}
