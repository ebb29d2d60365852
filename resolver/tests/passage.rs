//! Two clusters on two networks: what the gateways between them hold, and requests that pass through both.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Answer, Mark, Question, Url, Why};

/// A cluster with a gateway between networks at an address of its own, and what the input adds.
fn cluster(network: &str, ip: &str, more: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: istio-system, labels: {{topology.istio.io/network: {network}}}}}}}
---
{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{istio-injection: enabled}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: eastwest, namespace: istio-system, labels: {{topology.istio.io/network: {network}}}}}
spec: {{type: LoadBalancer, selector: {{istio: eastwest}}, ports: [{{name: tls, port: 15443}}]}}
status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: eastwest, namespace: istio-system}}
spec:
  selector: {{matchLabels: {{istio: eastwest}}}}
  template:
    metadata: {{labels: {{istio: eastwest}}}}
    spec:
      containers:
      - {{name: istio-proxy, image: proxy, env: [{{name: ISTIO_META_REQUESTED_NETWORK_VIEW, value: {network}}}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: cross-network, namespace: istio-system}}
spec:
  selector: {{istio: eastwest}}
  servers:
  - port: {{number: 15443, name: tls, protocol: TLS}}
    hosts: ['*.local']
    tls: {{mode: AUTO_PASSTHROUGH}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: cart, namespace: shop}}, spec: {{selector: {{app: cart}}, ports: [{{name: http, port: 80}}]}}}}
---
{more}"
    )
}

fn deployment(name: &str, app: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: {app}}}}}\n  template:\n    metadata: {{labels: {{app: {app}}}}}\n    spec: {{containers: [{{name: app, image: app, ports: [{{containerPort: 80}}]}}]}}\n---\n"
    )
}

const STRICT: &str =
    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n---\n";

/// `web` and a `cart` in the east, another `cart` in the west.
fn snapshot(west: &str) -> Snapshot {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.clusters = vec!["east".to_owned(), "west".to_owned()];
    let east = cluster("net-east", "35.0.0.1", &(deployment("web", "web") + &deployment("cart-east", "cart") + STRICT));
    for (i, text) in [(0, east), (1, cluster("net-west", "35.0.0.2", west))] {
        let source = Source::new("objects", text);
        snapshot.add(&source, read_manifest(&source, Role::Judged, i, Limits::default()));
    }
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

fn asked(snapshot: &Snapshot) -> Answer {
    let mesh = Mesh::new(snapshot);
    let model = Model::supposing(&mesh);
    let url = Url::parse("http://cart:80/").expect("a URL");
    Why::new(&model, &[]).ask("web.shop", None, &Question::get(url)).expect("an answer")
}

#[test]
fn a_gateway_between_networks_leads_to_its_own_and_to_no_other_gateway() {
    let snapshot = snapshot(&deployment("cart-west", "cart"));
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let addresses = |cluster: u16, wanted: &str| -> Vec<String> {
        let id = (0..).find(|id| mesh.workloads.get(*id).object.name() == "eastwest" && mesh.workloads.get(*id).object.cluster == cluster).expect("a gateway");
        let made = model.translate(&model.proxy_of(id));
        assert!(made.clusters.iter().any(|c| c.message.name == wanted && c.message.transport_socket_matches.is_empty()));
        let assignment = made.endpoints.iter().find(|e| e.message.cluster_name == wanted).expect("endpoints");
        let sockets =
            assignment.message.endpoints.iter().flat_map(|l| &l.lb_endpoints).filter_map(|e| e.endpoint.as_ref()?.address.as_ref()?.socket_address.as_ref());
        sockets.map(|s| s.address.clone()).collect()
    };
    let of = |name: &str| {
        let id = (0..).find(|id| mesh.workloads.get(*id).object.name() == name).expect("a workload");
        model.proxy_of(id).addresses
    };
    let name = "outbound_.80_._.cart.shop.svc.cluster.local";
    assert_eq!((addresses(0, name), addresses(1, name)), (of("cart-east"), of("cart-west")));
}

#[test]
fn a_request_is_followed_through_the_gateway_of_the_other_network() {
    let answer = asked(&snapshot(&(deployment("cart-west", "cart") + STRICT)));
    let servers: Vec<(&str, Mark)> = answer.outcomes.iter().map(|o| (o.server.as_str(), o.mark)).collect();
    assert_eq!(servers, [("Deployment shop/cart-east", Mark::Good), ("Deployment shop/cart-west", Mark::Good)], "{answer:#?}");
    let gateway = answer.parts.iter().find(|p| p.title == "Deployment istio-system/eastwest").expect("the gateway is on the way");
    assert!(gateway.steps.iter().any(|s| s.says == "cart.shop.svc.cluster.local:80"), "{gateway:#?}");
    let far = answer.parts.iter().find(|p| p.title == "Deployment shop/cart-west").expect("the server is on the way");
    assert!(far.steps.iter().any(|s| s.says.starts_with("mutual TLS; the server is STRICT")), "{far:#?}");
}

#[test]
fn a_gateway_that_passes_nothing_on_ends_the_way_there() {
    let mut broken = snapshot(&deployment("cart-west", "cart"));
    broken.objects.retain(|o| o.kind != mesh_model::Kind::Gateway);
    let answer = asked(&broken);
    assert!(answer.outcomes.iter().any(|o| o.server == "Deployment shop/cart-east" && o.mark == Mark::Good), "{:?}", answer.outcomes);
    assert!(answer.outcomes.iter().any(|o| o.mark == Mark::Broken && o.says.contains("no listener")), "{:?}", answer.outcomes);
}
