//! Endpoints, as far as the input holds them.

use super::registry::{Endpoint, RegisteredService, ServicePort};
use super::traffic_policy::Rules;
use super::{Context, filters};
use crate::peer_authentication::MtlsMode;
use mesh_envoy::api::{Struct, Value, core, endpoint as eds};
use mesh_model::Node;

/// The endpoints of a service's port, or of a subset, by locality; none where there are none.
pub fn assignment<'a>(
    cx: &Context<'_, 'a>,
    service: &RegisteredService<'a>,
    port: &ServicePort<'a>,
    subset: Option<(&Rules<'a>, &str)>,
) -> Option<eds::ClusterLoadAssignment> {
    let mut endpoints = cx.model.registry.endpoints(cx.model.mesh, service, port);
    let mut name = "";
    if let Some((rules, subset)) = subset {
        name = subset;
        let labels = rules.subsets().into_iter().find(|s| s.name == subset).and_then(|s| s.node.get("labels"));
        // The host itself, asked from DNS, stands for every subset.
        endpoints.retain(|e| e.address == service.host || labels.into_iter().flat_map(Node::entries).all(|(k, v)| e.label(k.text()) == Some(v.text())));
    }
    if endpoints.is_empty() {
        return None;
    }
    let mut localities: Vec<(&str, Vec<&Endpoint<'a>>)> = Vec::new();
    for e in &endpoints {
        match localities.iter_mut().find(|(l, _)| *l == e.locality) {
            Some((_, list)) => list.push(e),
            None => localities.push((e.locality, vec![e])),
        }
    }
    localities.sort_by_key(|(l, _)| *l);
    Some(eds::ClusterLoadAssignment {
        cluster_name: super::cluster::name(port.number, name, &service.host),
        endpoints: localities.into_iter().map(|(l, list)| group(cx, l, &list)).collect(),
        ..Default::default()
    })
}

fn group<'a>(cx: &Context<'_, 'a>, locality: &str, list: &[&Endpoint<'a>]) -> eds::LocalityLbEndpoints {
    let mut parts = locality.splitn(3, '/').map(str::to_owned);
    let locality =
        core::Locality { region: parts.next().unwrap_or_default(), zone: parts.next().unwrap_or_default(), sub_zone: parts.next().unwrap_or_default() };
    let weight = |e: &Endpoint<'_>| e.weight.max(1);
    let hosts: Vec<eds::LbEndpoint> = list.iter().map(|e| host(cx, e, weight(e))).collect();
    eds::LocalityLbEndpoints {
        locality: Some(locality),
        load_balancing_weight: Some(list.iter().map(|e| weight(e)).sum()),
        lb_endpoints: hosts,
        ..Default::default()
    }
}

fn host(cx: &Context<'_, '_>, e: &Endpoint<'_>, weight: u32) -> eds::LbEndpoint {
    let mut metadata = core::Metadata::default();
    // Clients are told of each endpoint whether it takes mutual TLS: a policy for its workload may switch it off.
    let is_off = || cx.model.mesh.peer_authentications.of_labels(e.namespace, |k| e.label(k), Some(e.port)).mode == MtlsMode::Disable;
    if e.takes_mtls == Some(true) && !is_off() {
        let mode: Struct = std::iter::once(("tlsMode", Value::from("istio"))).collect();
        metadata.filter_metadata.insert("envoy.transport_socket_match".into(), mode);
    }
    let canonical = |keys: [&str; 3]| keys.into_iter().find_map(|k| e.label(k));
    let name = canonical(["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]).unwrap_or_else(|| e.object.name());
    let revision = canonical(["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]).unwrap_or_default();
    let cluster = match cx.model.mesh.snapshot.cluster_name(e.object) {
        "" => "Kubernetes",
        cluster => cluster,
    };
    let workload = format!("{};{};{name};{revision};{cluster}", e.object.name(), e.namespace);
    metadata.filter_metadata.insert("istio".into(), std::iter::once(("workload", Value::from(workload.as_str()))).collect());
    eds::LbEndpoint {
        endpoint: Some(eds::Endpoint { address: Some(filters::socket_address(&e.address, e.port)), ..Default::default() }),
        metadata: Some(metadata),
        load_balancing_weight: Some(weight),
        ..Default::default()
    }
}
