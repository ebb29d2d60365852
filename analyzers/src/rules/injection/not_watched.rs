//! ## MSH0514 NamespaceNotWatched (Warning)
//!
//! **What it checks.** Where `discoverySelectors` of the mesh configuration choose the namespaces that istiod watches: Istio's and the
//! Gateway API's objects in other namespaces, and other namespaces whose labels ask for sidecars or for ambient mode. Namespaces whose
//! labels are not in the input are not judged.
//!
//! **Why it matters.** istiod reads nothing of a namespace that it does not watch. What is written there has no effect, nobody in the mesh
//! knows its services, and its Pods get proxies that know nothing of them.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   mesh: 'discoverySelectors: [{matchLabels: {mesh: "on"}}]'
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   mesh: 'discoverySelectors: [{matchLabels: {mesh: "on"}}]'
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled, mesh: "on"}}
//! ```

use crate::codes::MSH0514;
use crate::rule::{Context, Sink};
use mesh_envoy::matcher::Truth;
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::injection::{DATAPLANE_LABEL, NAMESPACE_LABEL};
use mesh_resolver::watch::Watch;

const REVISION_LABEL: &str = "istio.io/rev";

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let snapshot = cx.mesh.snapshot;
    let watch = Watch::new(snapshot);
    if watch.is_everything() {
        return;
    }
    for object in snapshot.objects.iter().filter(|o| o.role == Role::Judged) {
        if object.kind == Kind::Namespace {
            let Some(label) = joins(object).filter(|_| watch.namespace(object.cluster, object.name()) == Truth::No) else { continue };
            let says =
                format!("the namespace's Pods are to join the mesh, and istiod does not watch {}: none of the discoverySelectors matches", object.name());
            sink.report(&MSH0514, object, label, says).help("give the namespace a label that `discoverySelectors` of the mesh configuration ask for");
        } else if (object.kind.is_istio() || object.kind.is_gateway_api()) && watch.object(object) == Truth::No {
            let says = format!("it has no effect: istiod does not watch namespace {}, none of the discoverySelectors matches", object.namespace());
            let help = "give the namespace a label that `discoverySelectors` of the mesh configuration ask for, or move it to one that is watched";
            sink.report(&MSH0514, object, object.name_node(), says).help(help);
        }
    }
}

/// The label by which a namespace's Pods join the mesh.
fn joins(namespace: &Object) -> Option<Node<'_>> {
    let is_it = |key: &str, value: &str| match key {
        NAMESPACE_LABEL => value == "enabled",
        DATAPLANE_LABEL => value == "ambient",
        REVISION_LABEL => !value.is_empty(),
        _ => false,
    };
    namespace.labels().find(|(key, value)| is_it(key.text(), value.text())).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use crate::rule::{Context, Options, Sink};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    /// The objects that are reported, with a selector by a label and one by names.
    fn reported(objects: &str) -> Vec<String> {
        let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: 'discoverySelectors: [{matchLabels: {mesh: \"on\"}}, {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [istio-system]}]}]'\n";
        let source = Source::new("", format!("{mesh}---\n{objects}"));
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let options = Options::default();
        let mut sink = Sink::default();
        super::run(&Context { mesh: &mesh, options: &options, faults: Vec::new() }, &mut sink);
        sink.findings.iter().map(|f| f.object.origin()).collect()
    }

    #[test]
    fn what_is_not_watched_is_named_and_what_is_not_known_is_not() {
        let objects = "{apiVersion: v1, kind: Namespace, metadata: {name: off, labels: {istio.io/rev: stable}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: quiet}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: on, labels: {istio-injection: enabled, mesh: 'on'}}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: a, namespace: off}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: b, namespace: on}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: c, namespace: istio-system}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: d, namespace: unseen}}
";
        assert_eq!(reported(objects), ["Namespace off", "Sidecar off/a"]);
    }
}
