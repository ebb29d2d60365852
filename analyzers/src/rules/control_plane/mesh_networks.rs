//! ## IST0126 UnknownMeshNetworksServiceRegistry (Error)
//!
//! **What it checks.** A network of the mesh networks configuration whose endpoints come from a registry that is not known:
//! neither a cluster with a remote secret nor one of Istio's own. It stands in the file given with `--meshNetworksFile`, or
//! in `meshNetworks` of the ConfigMap `istio`.
//!
//! **Why it matters.** The network has no endpoints, so traffic between networks is not routed through its gateways.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   meshNetworks: 'networks: {east: {endpoints: [{fromRegistry: cluster-east}]}}'
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Secret
//! metadata: {name: istio-remote-secret-east, namespace: istio-system, labels: {istio/multiCluster: "true"}}
//! stringData: {cluster-east: kubeconfig}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   meshNetworks: 'networks: {east: {endpoints: [{fromRegistry: cluster-east}]}}'
//! ```

use crate::codes::IST0126;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::Place;
use std::collections::BTreeSet;

/// Registries that need no secret.
const OWN: &[&str] = &["Mock", "Kubernetes", "External"];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let secrets = cx.mesh.objects(Kind::Secret).iter().filter(|s| s.label("istio/multiCluster") == Some("true"));
    let known: BTreeSet<&str> = secrets
        .flat_map(|s| ["data", "stringData"].into_iter().filter_map(|f| s.root().get(f)).flat_map(Node::entries))
        .map(|(k, _)| k.text())
        .chain(OWN.iter().copied())
        .collect();
    for config in cx.mesh.objects(Kind::ConfigMap).iter().copied().filter(|c| c.role == Role::Judged && c.name() == "istio") {
        let Some(text) = config.at(&["data", "meshNetworks"]) else { continue };
        check(cx, sink, config, text, &known);
    }
}

/// The networks stand in a text of their own: names are found by its lines, findings point at the whole text.
fn check<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, config: &'a Object, text: Node<'a>, known: &BTreeSet<&str>) {
    let source = mesh_model::Source::new("meshNetworks", text.text());
    let span = mesh_model::Span::new(0, source.text().len());
    let Some(tree) = mesh_model::yaml::parse_document(&source, span, mesh_model::yaml::Limits::default()).tree else { return };
    for (network, value) in tree.root().map("networks") {
        for endpoint in value.list("endpoints") {
            let registry = endpoint.text_of("fromRegistry");
            if registry.is_empty() || known.contains(registry) {
                continue;
            }
            if !cx.mesh.owns(Place::Objects(Kind::Secret, config.namespace())) {
                sink.not_judged(NotJudged::SecretOutside);
                continue;
            }
            sink.report(&IST0126, config, text, format!("network `{}` takes its endpoints from `{registry}`, which is no known registry", network.text()))
                .help("give the cluster's name, as it stands in a remote secret labelled `istio/multiCluster=true`");
        }
    }
}
