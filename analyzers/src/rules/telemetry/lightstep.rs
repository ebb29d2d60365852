//! ## IST0002 Deprecated (Warning)
//!
//! **What it checks.** A Telemetry traces with a provider that the mesh configuration defines as Lightstep.
//!
//! **Why it matters.** Istio has deprecated the Lightstep provider; OpenTelemetry takes its place.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   mesh: |
//!     extensionProviders:
//!     - name: traces
//!       lightstep: {service: lightstep.shop.svc.cluster.local, port: 443}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: traces, namespace: shop}
//! spec: {tracing: [{providers: [{name: traces}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: traces, namespace: shop}
//! spec: {tracing: [{providers: [{name: otel}]}]}
//! ```

use crate::codes::IST0002;
use crate::rule::{Context, Sink};
use mesh_model::Kind;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let providers = cx.mesh.config.root().into_iter().flat_map(|r| r.list("extensionProviders"));
    let names: Vec<&str> = providers.filter(|p| p.get("lightstep").is_some()).map(|p| p.text_of("name")).collect();
    if names.is_empty() {
        return;
    }
    for object in cx.mesh.objects(Kind::Telemetry).iter().copied() {
        let mut seen: Vec<&str> = Vec::new();
        let tracing = object.spec().into_iter().flat_map(|s| s.list("tracing")).flat_map(|t| t.list("providers"));
        for name in tracing.filter_map(|p| p.get("name")).filter(|n| names.contains(&n.text())) {
            if !seen.contains(&name.text()) {
                seen.push(name.text());
                sink.report(&IST0002, object, name, format!("provider `{}` is Lightstep, which is deprecated", name.text()))
                    .help("use a provider of kind `opentelemetry`");
            }
        }
    }
}
