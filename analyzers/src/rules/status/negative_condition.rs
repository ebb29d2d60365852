//! ## IST0171 NegativeConditionStatus (Warning)
//!
//! **What it checks.** An object whose status says that a controller did not accept it.
//!
//! **Why it matters.** The object is there and does nothing, or not all that it says.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! status:
//!   conditions: [{type: istio.io/WaypointBound, status: "False", reason: WaypointMissing, message: no waypoint}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! status:
//!   conditions: [{type: istio.io/WaypointBound, status: "True", reason: WaypointAccepted, message: bound}]
//! ```

use crate::codes::IST0171;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};
use std::collections::BTreeSet;

/// The conditions that must not be False, by kind.
const CONDITIONS: &[(Kind, &[&str])] = &[
    (Kind::Service, &["istio.io/WaypointBound"]),
    (Kind::ServiceEntry, &["istio.io/WaypointBound"]),
    (Kind::WorkloadEntry, &["istio.io/WaypointBound"]),
    (Kind::AuthorizationPolicy, &["ZtunnelAccepted", "WaypointAccepted"]),
    (Kind::K8sGateway, &["Accepted", "Programmed", "ResolvedRefs"]),
    (Kind::HttpRoute, &["Accepted", "Programmed", "ResolvedRefs"]),
    (Kind::GrpcRoute, &["Accepted", "Programmed", "ResolvedRefs"]),
];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for (kind, types) in CONDITIONS {
        for object in cx.mesh.objects(*kind).iter().copied().filter(|o| o.role == Role::Judged) {
            let Some(status) = object.root().get("status") else { continue };
            let own = status.list("conditions");
            let of_parents = status.list("parents").flat_map(|p| p.list("conditions"));
            // Several parents may refuse a route for one reason.
            let mut said = BTreeSet::new();
            for condition in own.chain(of_parents) {
                if said.insert(["type", "status", "reason", "message"].map(|f| condition.text_of(f))) {
                    check(sink, object, condition, types);
                }
            }
        }
    }
}

fn check<'a>(sink: &mut Sink<'a>, object: &'a Object, condition: Node<'a>, types: &[&str]) {
    let (kind, reason) = (condition.text_of("type"), condition.text_of("reason"));
    let negative = condition.text_of("status") == "False" && types.contains(&kind);
    let partial = object.kind == Kind::AuthorizationPolicy && kind == "WaypointAccepted" && reason == "PartiallyInvalid";
    if negative || partial {
        let state = if negative { "is False" } else { "is partial" };
        sink.report(&IST0171, object, condition, format!("condition `{kind}` {state}: {reason}: {}", condition.text_of("message")));
    }
}
