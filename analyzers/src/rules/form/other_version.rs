//! ## MSH0508 OtherVersion (Error)
//!
//! **What it checks.** A field, value or kind that other minor versions of Istio have, but not the one that is
//! checked for (`--istio-version`). For the Gateway API, whose version in a cluster is not known, the newest counts;
//! what only older ones have is a Warning.
//!
//! **Why it matters.** The custom resource definitions of that version refuse it, or drop it without a word.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - name: https
//!     port: 443
//!     protocol: HTTPS
//!     tls:
//!       certificateRefs: [{name: shop-cert}]
//!       frontendValidation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   gatewayClassName: istio
//!   tls:
//!     frontend: {default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}}
//!   listeners:
//!   - name: https
//!     port: 443
//!     protocol: HTTPS
//!     tls:
//!       certificateRefs: [{name: shop-cert}]
//! ```

use crate::codes::MSH0508;
use crate::finding::Level;
use crate::rule::{Context, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::OtherVersion { range, family, minor } = fault.what else { continue };
        let (object, at) = (fault.object, fault.at);
        let level = if object.kind.is_istio() { Level::Error } else { Level::Warning };
        let path = at.path_from(object.root());
        let subject = match path.as_str() {
            "kind" => format!("{} {}", object.api_version(), object.kind_name()),
            _ if at.is_scalar() && path.ends_with(at.text()) => format!("`{path}`"),
            _ => format!("`{}` of `{path}`", at.text()),
        };
        let there = match (range.since, range.until) {
            (0, until) => format!("the last to have it was 1.{until}"),
            (since, u16::MAX) => format!("it is there since 1.{since}"),
            (since, until) => format!("it is there from 1.{since} to 1.{until}"),
        };
        sink.report_at_level(level, &MSH0508, object, at, format!("{subject} is not in {family} 1.{minor}; {there}")).help(if range.since > minor {
            "upgrade before you use it, or give the version you run with `--istio-version`"
        } else {
            "move to what replaced it"
        });
    }
}
