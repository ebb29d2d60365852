//! ## MSH0512 PodAnnotation (Warning)
//!
//! **What it checks.** Istio's annotations in the pod template of a Deployment, a StatefulSet, a Job and the like whose Pods
//! are not in the input: whether there is such an annotation, whether it is one of Pods, and its value. One that resembles
//! no other may belong to a newer release, and is told as Info.
//!
//! **Why it matters.** A misspelled annotation does nothing; a bad value fails the injection, and with it each Pod.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   template:
//!     metadata:
//!       labels: {app: cart}
//!       annotations: {traffic.sidecar.istio.io/excludeOutboundPort: "5432"}
//!     spec: {containers: [{name: app, image: cart}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   template:
//!     metadata:
//!       labels: {app: cart}
//!       annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: "5432"}
//!     spec: {containers: [{name: app, image: cart}]}
//! ```

use super::placement::{IGNORED, is_istios};
use super::values;
use crate::codes::MSH0512;
use crate::finding::Level;
use crate::rule::{Context, Sink};
use crate::schema::names;
use crate::spelling;
use mesh_model::{Node, Object};
use mesh_resolver::WorkloadSource;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for w in cx.mesh.workloads.all().iter().filter(|w| w.source == WorkloadSource::Template) {
        let annotations = w.pod.get("metadata").into_iter().flat_map(|m| m.map("annotations"));
        for (key, value) in annotations.filter(|(k, _)| is_istios(k.text()) && !IGNORED.contains(&k.text())) {
            check(sink, w.object, key, value);
        }
    }
}

fn check<'a>(sink: &mut Sink<'a>, object: &'a Object, key: Node<'a>, value: Node<'a>) {
    let name = key.text();
    let Some(known) = names::annotation(name) else {
        match spelling::nearest(name, names::annotations().iter().map(|k| k.name)) {
            Some(near) => sink.report(&MSH0512, object, key, format!("annotation `{name}` is not known")).help(format!("did you mean `{near}`?")),
            None => sink.report_at_level(Level::Info, &MSH0512, object, key, format!("annotation `{name}` is not known")),
        };
        return;
    };
    let applies: Vec<&str> = known.resources().collect();
    if !applies.iter().any(|r| matches!(*r, "Pod" | "Any")) {
        sink.report(&MSH0512, object, key, format!("annotation `{name}` has no effect on a Pod; it applies to {}", applies.join(", ")))
            .help("move it to where it applies");
    } else if let Err(why) = values::check(name, value.text()) {
        sink.report(&MSH0512, object, value, format!("annotation `{name}` has the value `{}`: {why}", value.text()))
            .help("correct the value, or remove the annotation to have the default");
    }
}
