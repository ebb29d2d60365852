//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A ProxyConfig that Istio refuses: concurrency below zero, a selector that can't be.
//!
//! **Why it matters.** The object never takes effect: proxies keep the mesh's defaults.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1beta1
//! kind: ProxyConfig
//! metadata: {name: threads, namespace: shop}
//! spec: {concurrency: -1}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1beta1
//! kind: ProxyConfig
//! metadata: {name: threads, namespace: shop}
//! spec: {concurrency: 2}
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{each, int, labels, message};
use mesh_model::Kind;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::ProxyConfig, |checks, spec| {
        labels::check_policy_selector(checks, message(spec, "selector"));
        if let Some(n) = int(spec, "concurrency").filter(|n| *n < 0) {
            checks.error(spec.get("concurrency").unwrap_or(spec), format!("`concurrency` is {n}")).help("0 means all cores");
        }
    });
}
