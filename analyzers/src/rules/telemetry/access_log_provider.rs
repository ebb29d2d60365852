//! ## IST0157 InvalidTelemetryProvider (Warning)
//!
//! **What it checks.** A Telemetry sets up access logging without a provider, and the mesh configuration has no default
//! one (`defaultProviders.accessLogging`).
//!
//! **Why it matters.** Nothing is logged.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: logs, namespace: shop}
//! spec: {accessLogging: [{filter: {expression: "response.code >= 400"}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: logs, namespace: shop}
//! spec: {accessLogging: [{providers: [{name: envoy}], filter: {expression: "response.code >= 400"}}]}
//! ```

use crate::codes::IST0157;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    if cx.mesh.config.at(&["defaultProviders", "accessLogging"]).is_some_and(|list| !list.is_empty()) {
        return;
    }
    let known = cx.mesh.knows_config();
    for object in cx.mesh.objects(Kind::Telemetry).iter().copied() {
        let mut logging = object.spec().into_iter().flat_map(|s| s.list("accessLogging"));
        let disabled = |entry: &Node<'a>| entry.get("disabled").and_then(Node::bool) == Some(true);
        let Some(entry) = logging.find(|e| !disabled(e) && e.get("providers").is_none_or(Node::is_empty)) else { continue };
        if known {
            sink.report(&IST0157, object, entry, "access logging names no provider and the mesh has no default one: nothing is logged")
                .help("give `providers`, or set `defaultProviders.accessLogging` in the mesh configuration");
        } else {
            sink.not_judged(NotJudged::MeshConfig);
        }
    }
}
