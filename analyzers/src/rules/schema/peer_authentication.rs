//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A PeerAuthentication that Istio refuses: ports without a selector, a port out of range.
//!
//! **Why it matters.** The object never takes effect: the port keeps the mode of its namespace or mesh.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: ports, namespace: shop}
//! spec:
//!   portLevelMtls:
//!     8080: {mode: STRICT}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: ports, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   portLevelMtls:
//!     8080: {mode: STRICT}
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{each, labels, message, net};
use mesh_model::Kind;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::PeerAuthentication, |checks, spec| {
        let selector = message(spec, "selector");
        let whole_namespace = selector.is_none_or(|s| labels::is_empty_selector(s, "matchLabels"));
        if let Some(ports) = message(spec, "portLevelMtls") {
            if whole_namespace && !ports.is_empty() {
                checks.error(ports, "`portLevelMtls` stands in a policy of a whole namespace or mesh").help("add a `selector`; ports belong to workloads");
            }
            for (key, _) in ports.entries() {
                if key.text().parse::<i64>().is_ok_and(|p| net::port(p).is_err()) {
                    checks.error_once("port out of range", key, format!("port {} is not in the range 1 to 65535", key.text()));
                }
            }
        }
        labels::check_policy_selector(checks, selector);
    });
}
