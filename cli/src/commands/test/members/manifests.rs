//! Workloads of manifests, and what istiod would send to the proxy of each.
//!
//! Manifests have Deployments, not Pods: each template is taken to have made one Pod as the injector would, with an address
//! that is nobody's: of the block that is reserved for future use (RFC 1112).

use super::{Asked, Identity, Members, Standing};
use crate::commands::route::manifests::not_judged;
use crate::commands::route::proxy::Proxy;
use crate::load::document;
use crate::status::Failure;
use mesh_analyzers::schema::json;
use mesh_collectors::manifests;
use mesh_envoy::engine::Configuration;
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Kind, Object, Role, Snapshot, Source};
use mesh_resolver::injection::InMesh;
use mesh_resolver::translate::{self, Model, Proxy as Node};
use mesh_resolver::{Mesh, Workload};
use serde_json::json;
use std::path::Path;

/// Reads manifests, which are the whole mesh.
pub fn read(paths: &[String], mesh_config: Option<&Path>) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot::new();
    manifests::read_with(&mut snapshot, paths, &manifests::Options { role: Role::Judged, cluster: 0, progress: None, exclude: None });
    if let Some(problem) = snapshot.problems.first() {
        return Err(Failure::input(format!("{}: {}", problem.subject, problem.message)));
    }
    snapshot.completeness = Completeness::Complete;
    if let Some(file) = mesh_config {
        snapshot.mesh_config = Some(Object::mesh_config(document(file)?));
    }
    if !has_gateway(&snapshot) {
        mesh_resolver::assumed::add_ingress_gateway(&mut snapshot);
    }
    // Behind what was read: of a Pod without an address the one that is made of it counts.
    let source = Source::new("(assumed)", pods(&snapshot));
    snapshot.objects.extend(read_manifest(&source, Role::Judged, 0, Limits::default()).objects);
    Ok(snapshot)
}

fn has_gateway(snapshot: &Snapshot) -> bool {
    Mesh::new(snapshot).workloads.all().iter().any(|w| w.label("istio") == Some("ingressgateway"))
}

/// Pods for the workloads that have none, as JSON documents.
fn pods(snapshot: &Snapshot) -> String {
    let mesh = Mesh::in_domain(snapshot, translate::domain_of(snapshot));
    let mut out = String::new();
    let has_address = |w: &Workload<'_>| w.object.kind == Kind::Pod && w.object.at(&["status", "podIP"]).is_some();
    for (i, w) in mesh.workloads.all().iter().enumerate().filter(|(_, w)| !has_address(w)) {
        let mut pod = json::value(w.pod);
        let labels = &mut pod["metadata"]["labels"];
        if !labels.is_object() {
            *labels = json!({});
        }
        if mesh.in_mesh(w) == InMesh::Sidecar {
            labels["security.istio.io/tlsMode"] = "istio".into();
        }
        if w.object.role == Role::Assumed {
            labels["service.istio.io/canonical-name"] = "istio-ingressgateway".into();
        }
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = w.object.name().into();
        pod["metadata"]["namespace"] = w.namespace.into();
        pod["status"] = json!({"podIP": format!("245.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255)});
        out.push_str(&format!("---\n{pod}\n"));
    }
    out
}

impl<'m> Members<'m> {
    /// The workloads of a mesh that is known from manifests.
    pub fn of_manifests(model: &'m Model<'m, '_>) -> Members<'m> {
        let mesh = model.mesh;
        let identities = mesh.workloads.all().iter().map(|w| identity(mesh, w)).collect();
        let make = move |i: usize| {
            let w = mesh.workloads.get(u32::try_from(i).unwrap_or(u32::MAX));
            asked(model, w)
        };
        let mut assumptions = vec!["the manifests are the whole mesh".to_owned()];
        if mesh.objects(Kind::Service).iter().any(|s| s.role == Role::Assumed) {
            assumptions.push("the default ingress gateway is there".to_owned());
        }
        Members::new(identities, Box::new(make), assumptions)
    }
}

fn identity(mesh: &Mesh<'_>, w: &Workload<'_>) -> Identity {
    let node = Node::of_workload(mesh, w);
    Identity {
        name: node.id.clone(),
        namespace: w.namespace.to_owned(),
        workload: w.object.name().to_owned(),
        service_account: w.service_account().to_owned(),
        labels: node.labels,
        addresses: node.addresses.iter().filter_map(|a| a.parse().ok()).collect(),
        standing: match mesh.in_mesh(w) {
            InMesh::Sidecar | InMesh::Gateway => Standing::Proxy,
            InMesh::No => Standing::Alone,
            InMesh::Ambient => Standing::NotJudged("is captured by ztunnel, and ambient mode is not translated"),
            InMesh::Unknown => Standing::NotJudged("may or may not have a sidecar: the input does not say"),
        },
    }
}

fn asked(model: &Model<'_, '_>, w: &Workload<'_>) -> Result<Asked, String> {
    let node = Node::of_workload(model.mesh, w);
    let translation = model.translate(&node);
    let configuration = Configuration::read(&translation.resources()).map_err(|e| format!("the translation for {}: {e}", node.id))?;
    let principal = format!("spiffe://{}/ns/{}/sa/{}", model.mesh.config.trust_domain(), w.namespace, w.service_account());
    let proxy = Proxy {
        name: node.id,
        configuration,
        addresses: node.addresses.iter().filter_map(|a| a.parse().ok()).collect(),
        namespace: w.namespace.to_owned(),
        service_account: w.service_account().to_owned(),
        workload: w.object.name().to_owned(),
        labels: node.labels,
        certified: Some(principal),
    };
    Ok(Asked { proxy, not_judged: not_judged(&translation) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn templates_become_pods_as_the_injector_would_make_them() {
        let text = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart}}, spec: {containers: [{name: app, image: cart}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: data}
spec: {containers: [{name: app, image: db}]}
---
apiVersion: v1
kind: Pod
metadata: {name: known, namespace: data}
spec: {containers: [{name: app, image: db}]}
status: {podIP: 10.0.0.1}
";
        let mut snapshot = Snapshot::new();
        let source = Source::new("", text);
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        snapshot.completeness = Completeness::Complete;
        let made = pods(&snapshot);
        let made: Vec<Value> = made.split("---\n").filter_map(|d| serde_json::from_str(d).ok()).collect();
        let told: Vec<(&str, &Value)> = made.iter().map(|p| (p["metadata"]["name"].as_str().unwrap_or(""), &p["metadata"]["labels"])).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.contains(&("cart", &json!({"app": "cart", "security.istio.io/tlsMode": "istio"}))), "{told:?}");
        assert!(told.contains(&("db", &json!({}))), "{told:?}");
    }
}
