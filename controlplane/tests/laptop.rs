//! Manifests without an address become a mesh of one machine.

use mesh_controlplane::bind::{Bind, Loopback, Places};
use mesh_controlplane::client::Client;
use mesh_controlplane::resource::{Resources, Type};
use mesh_controlplane::translate::Translations;
use mesh_envoy::api::cluster::{Cluster, ClusterDiscoveryType};
use mesh_envoy::api::discovery::Node;
use mesh_envoy::api::endpoint::ClusterLoadAssignment;
use mesh_envoy::api::listener::Listener;
use mesh_envoy::api::{Any, core};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Addresses, ControlPlane, Model};
use std::sync::Arc;

const MESH: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: queue, namespace: shop}
spec: {selector: {app: web}, ports: [{name: tcp, port: 9000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain, namespace: shop}
spec: {selector: {matchLabels: {app: plain}}, template: {metadata: {labels: {app: plain, sidecar.istio.io/inject: 'false'}}, spec: {containers: [{name: web}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: shop}
spec: {selector: {app: plain}, ports: [{name: http, port: 8000}]}
";

/// What the proxy of a workload is served, from these manifests.
fn served(name: &str, loopback: Loopback) -> Arc<Resources> {
    let source = Source::new("mesh", MESH);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mesh = Mesh::new(&snapshot);
    let model = Model::build(&mesh, ControlPlane::default(), Addresses::Supposed);
    let mut bind = Bind::new(Places::new(loopback));
    bind.learn(&model);
    let client = Client::read(Some(&Node { id: format!("sidecar~127.0.0.1~{name}.shop~shop.svc.cluster.local"), ..Node::default() })).expect("a proxy");
    let mut translations = Translations::new(&model, "1", None);
    let wanted = translations.wanted(&client, Some(&bind));
    translations.resources(&wanted, Some(&mut bind))
}

fn all<M: prost::Message + prost::Name + Default>(r: &Resources, kind: Type) -> Vec<M> {
    r.of(kind).values().filter_map(|r| Any::unpack(&r.any)).collect()
}

fn text(address: Option<&core::Address>) -> String {
    let socket = address.and_then(|a| a.socket_address.as_ref()).expect("an address");
    format!("{}:{}", socket.address, socket.port_value.unwrap_or(0))
}

fn endpoints(a: &ClusterLoadAssignment) -> Vec<String> {
    a.endpoints.iter().flat_map(|g| &g.lb_endpoints).map(|e| text(e.endpoint.as_ref().and_then(|e| e.address.as_ref()))).collect()
}

#[test]
fn every_listener_is_bound_and_each_address_is_of_this_machine() {
    for loopback in [Loopback::Addresses, Loopback::Ports(23_000)] {
        let r = served("web", loopback);
        let listeners: Vec<Listener> = all(&r, Type::Listener);
        let mut places: Vec<String> = listeners.iter().map(|l| text(l.address.as_ref())).collect();
        assert!(listeners.iter().all(|l| l.bind_to_port != Some(false) && l.name != "virtualOutbound" && l.name != "virtualInbound"));
        assert!(places.iter().all(|p| p.starts_with("127.")), "{places:?}");
        let count = places.len();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), count, "two listeners at one place: {places:?}");
        for cluster in all::<Cluster>(&r, Type::Cluster).iter().filter(|c| c.name.contains("bound|")) {
            assert_ne!(cluster.r#type, Some(ClusterDiscoveryType::OriginalDst as i32), "{}", cluster.name);
        }
        for a in all::<ClusterLoadAssignment>(&r, Type::Endpoint) {
            assert!(endpoints(&a).iter().all(|e| e.starts_with("127.")), "{}: {:?}", a.cluster_name, endpoints(&a));
        }
    }
}

#[test]
fn endpoints_are_proxies_where_there_is_one_and_applications_where_there_is_none() {
    let r = served("web-5d-x", Loopback::Addresses);
    let of = |name: &str| {
        let a = all::<ClusterLoadAssignment>(&r, Type::Endpoint).into_iter().find(|a| a.cluster_name == name).unwrap_or_else(|| panic!("{name}"));
        endpoints(&a)
    };
    // Workloads in the order of their names: db, plain, web.
    assert_eq!(of("outbound|80||web.shop.svc.cluster.local"), ["127.20.0.3:8080"]);
    assert_eq!(of("outbound|8000||plain.shop.svc.cluster.local"), ["127.21.0.2:8000"]);
    assert_eq!(of("outbound|5432||db.shop.svc.cluster.local"), ["127.20.0.1:5432"]);
    let inbound = all::<Cluster>(&r, Type::Cluster).into_iter().find(|c| c.name == "inbound|8080||").expect("a cluster");
    assert_eq!(endpoints(&inbound.load_assignment.expect("endpoints")), ["127.21.0.3:8080"]);
}

#[test]
fn a_workload_that_nobody_knows_is_bound_nowhere() {
    let r = served("stranger", Loopback::Addresses);
    assert!(r.of(Type::Listener).is_empty() && r.of(Type::Cluster).is_empty());
}
