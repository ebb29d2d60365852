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
use mesh_model::{Kind, Node, Object, Role, Source, Span, yaml};
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
    if let Some(networks) = &cx.mesh.snapshot.mesh_networks {
        for (network, registry) in unknown(networks.root(), &known) {
            report(cx, sink, networks, registry, network.text(), registry.text());
        }
        return;
    }
    for config in cx.mesh.objects(Kind::ConfigMap).iter().copied().filter(|c| c.role == Role::Judged) {
        let Some(text) = config.control_plane_text("meshNetworks") else { continue };
        let source = Source::new("meshNetworks", text.text());
        let parsed = yaml::parse_document(&source, Span::new(0, source.text().len()), yaml::Limits::default());
        // The networks stand in a text of their own: findings point at the whole text. That a text can't be read is said
        // where its form is judged.
        for (network, registry) in parsed.tree.iter().flat_map(|tree| unknown(tree.root(), &known)) {
            report(cx, sink, config, text, network.text(), registry.text());
        }
    }
}

/// Networks with the registries that they name and that are not known, each once a network.
fn unknown<'t>(networks: Node<'t>, known: &BTreeSet<&str>) -> Vec<(Node<'t>, Node<'t>)> {
    let mut out: Vec<(Node<'t>, Node<'t>)> = Vec::new();
    for (network, value) in networks.map("networks") {
        for registry in value.list("endpoints").filter_map(|e| e.get("fromRegistry")).filter(|r| !r.text().is_empty() && !known.contains(r.text())) {
            if !out.iter().any(|(n, r)| *n == network && r.text() == registry.text()) {
                out.push((network, registry));
            }
        }
    }
    out
}

fn report<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, at: Node<'a>, network: &str, registry: &str) {
    if !cx.mesh.owns(object, Place::Objects(Kind::Secret, object.namespace())) {
        sink.not_judged(NotJudged::SecretOutside);
        return;
    }
    sink.report(&IST0126, object, at, format!("network `{network}` takes its endpoints from `{registry}`, which is no known registry"))
        .help("give the cluster's name, as it stands in a remote secret labelled `istio/multiCluster=true`");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Report, analyze};
    use mesh_model::{Completeness, Snapshot};
    use std::sync::Arc;

    #[test]
    fn a_file_of_networks_has_its_own_places() {
        let source = Source::new("networks.yaml", "networks:\n  east:\n    endpoints:\n    - fromRegistry: Kubernetes\n    - fromRegistry: nowhere\n");
        let tree = yaml::parse_document(&source, Span::new(0, source.text().len()), yaml::Limits::default()).tree.expect("networks");
        let mut snapshot = Snapshot::new();
        snapshot.mesh_networks = Some(Object::mesh_networks(Arc::new(tree)));
        snapshot.completeness = Completeness::Complete;
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let options = Options::default();
        let Report { findings, .. } = analyze(&mesh, &options, |_| true);
        let said: Vec<_> = findings.iter().map(|f| (f.code.id, f.object.origin(), f.at.position().line, f.path())).collect();
        assert_eq!(said, [("IST0126", "MeshNetworks istio-system/meshnetworks".to_owned(), 5, "networks.east.endpoints[1].fromRegistry".to_owned())]);
    }
}
