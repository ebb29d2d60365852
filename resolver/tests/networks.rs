//! Endpoints of other networks, as istiod lets clients reach them.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Object, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Mark, Question, Url, Why};
use std::sync::Arc;

fn parsed(text: &str) -> Arc<mesh_model::Tree> {
    let source = Source::new("settings", text);
    Arc::new(yaml::parse_document(&source, Span::new(0, text.len()), Limits::default()).tree.expect("YAML"))
}

fn pod(name: &str, ip: &str, labels: &str) -> String {
    format!("---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{{labels}}}}}, spec: {{}}, status: {{podIP: {ip}}}}}\n")
}

const SIDECAR: &str = "app: cart, security.istio.io/tlsMode: istio";

/// A Service with a Pod in each of two networks, and one of the far network that takes plaintext; the client's is `east`.
fn mesh(label: impl Fn(&str) -> String) -> String {
    [
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: cart}, ports: [{name: http, port: 80}]}}\n".to_owned(),
        pod("cart-1", "10.1.0.1", &format!("{SIDECAR}{}", label("east"))),
        pod("cart-2", "10.2.0.2", &format!("{SIDECAR}{}", label("west"))),
        pod("cart-3", "10.2.0.3", &format!("app: cart{}", label("west"))),
        pod("web-1", "10.1.0.9", "app: web, topology.istio.io/network: east"),
    ]
    .concat()
}

fn labelled(network: &str) -> String {
    format!(", topology.istio.io/network: {network}")
}

/// The endpoints of `cart` for `web-1`, by locality: `priority weight: address:port*weight workload`; and what is not judged.
fn seen(objects: &str, networks: &str) -> (Vec<String>, Vec<String>) {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    let source = Source::new("objects", objects);
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot.mesh_networks = (!networks.is_empty()).then(|| Object::mesh_networks(parsed(networks)));
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let web = (0..).find(|id| mesh.workloads.get(*id).object.name() == "web-1").expect("web-1");
    let translation = model.translate(&model.proxy_of(web));
    let cluster = "outbound|80||cart.shop.svc.cluster.local";
    let host = |h: &mesh_envoy::api::endpoint::LbEndpoint| {
        let socket = h.endpoint.as_ref().and_then(|e| e.address.as_ref()).and_then(|a| a.socket_address.as_ref()).expect("an address");
        let tls = h.metadata.as_ref().is_some_and(|m| m.filter_metadata.contains_key("envoy.transport_socket_match"));
        format!("{}:{}*{}{}", socket.address, socket.port_value.unwrap_or(0), h.load_balancing_weight.unwrap_or(0), if tls { "" } else { " plaintext" })
    };
    let made = translation.endpoints.iter().find(|e| e.message.cluster_name == cluster).expect("endpoints");
    let line = |l: &mesh_envoy::api::endpoint::LocalityLbEndpoints| {
        format!("{} {}: {}", l.priority, l.load_balancing_weight.unwrap_or(0), l.lb_endpoints.iter().map(host).collect::<Vec<_>>().join(", "))
    };
    let named = translation.not_judged.iter().map(|n| format!("{}: {}", n.origin.map_or(String::new(), |o| o.object.origin()), n.what));
    (made.message.endpoints.iter().map(line).collect(), named.collect())
}

fn gateway(ingress: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: istio-eastwestgateway, namespace: istio-system, labels: {{topology.istio.io/network: west}}}}, spec: {{type: LoadBalancer, ports: [{{name: tls, port: 15443}}]}}, status: {{loadBalancer: {{ingress: [{ingress}]}}}}}}\n"
    )
}

#[test]
fn a_gateway_stands_for_those_behind_it() {
    let (places, named) = seen(&(mesh(labelled) + &gateway("{ip: 35.0.0.1}")), "");
    assert_eq!(places, ["0 2: 10.1.0.1:80*1, 35.0.0.1:15443*1"], "who takes no mutual TLS is not reached");
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn gateways_share_the_weight_of_those_behind_them() {
    let (places, _) = seen(&(mesh(labelled) + &gateway("{ip: 35.0.0.1}, {ip: 35.0.0.2}")), "");
    assert_eq!(places, ["0 4: 10.1.0.1:80*2, 35.0.0.1:15443*1, 35.0.0.2:15443*1"]);
}

#[test]
fn the_mesh_says_which_addresses_are_of_which_network() {
    let networks =
        "{networks: {east: {endpoints: [{fromCidr: 10.1.0.0/16}]}, west: {endpoints: [{fromCidr: 10.2.0.0/16}], gateways: [{address: 35.0.0.9, port: 443}]}}}";
    let (places, named) = seen(&mesh(|_| String::new()), networks);
    assert_eq!(places, ["0 2: 10.1.0.1:80*1, 35.0.0.9:443*1"]);
    assert!(named.is_empty(), "{named:?}");
    // A registry is of one network, whatever its addresses.
    let of_registry = networks.replace("fromCidr: 10.1.0.0/16", "fromRegistry: Kubernetes");
    assert_eq!(seen(&mesh(|_| String::new()), &of_registry).0, ["0 3: 10.1.0.1:80*1, 10.2.0.2:80*1, 10.2.0.3:80*1 plaintext"]);
    // Its gateway may be a Service.
    let by_name = networks.replace("address: 35.0.0.9", "registryServiceName: istio-eastwestgateway.istio-system.svc.cluster.local");
    let service = gateway("{ip: 35.0.0.1}").replace("topology.istio.io/network: west", "a: b");
    assert_eq!(seen(&(mesh(|_| String::new()) + &service), &by_name).0, ["0 2: 10.1.0.1:80*1, 35.0.0.1:443*1"]);
}

#[test]
fn the_control_planes_namespace_says_it_for_its_cluster() {
    let namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: istio-system, labels: {topology.istio.io/network: east}}}\n";
    let far_alone = |network: &str| if network == "west" { labelled(network) } else { String::new() };
    let (places, named) = seen(&(mesh(far_alone) + namespace + &gateway("{ip: 35.0.0.1}")), "");
    assert_eq!(places, ["0 2: 10.1.0.1:80*1, 35.0.0.1:15443*1"]);
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn the_own_network_may_be_preferred() {
    let rule = "---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: r, namespace: shop}, spec: {host: cart, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}, loadBalancer: {localityLbSetting: {failoverPriority: [topology.istio.io/network]}}}}}\n";
    let (places, _) = seen(&(mesh(labelled) + &gateway("{ip: 35.0.0.1}") + rule), "");
    assert_eq!(places, ["0 1: 10.1.0.1:80*1", "1 1: 35.0.0.1:15443*1"]);
}

#[test]
fn a_gateway_that_is_not_seen_is_said() {
    let unknown = ["Pod shop/cart-2: is of another network, and the gateway to it or the network of the proxy is not in the input"];
    assert_eq!(seen(&mesh(labelled), "").1, unknown);
    assert_eq!(seen(&(mesh(labelled) + &gateway("{hostname: gw.example.com}")), "").1, unknown, "its addresses are asked of DNS");
}

#[test]
fn nobody_is_followed_through_a_gateway() {
    let namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}\n";
    let text = mesh(labelled).replace("spec: {}", "spec: {containers: [{name: istio-proxy}]}") + namespace + &gateway("{ip: 35.0.0.1}");
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    let source = Source::new("objects", text);
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let url = Url::parse("http://cart.shop:80/").expect("a URL");
    let answer = Why::new(&model, &[]).ask("web-1.shop", None, &Question::get(url)).expect("an answer");
    let far = answer.outcomes.iter().find(|o| o.server.starts_with("35.0.0.1")).expect("the gateway is reached");
    assert_eq!(far.mark, Mark::NotJudged);
    assert_eq!(far.says, "a gateway of network west: the servers behind it are not followed");
}

#[test]
fn a_namesake_in_another_cluster_is_of_its_own_network() {
    let text = |network: &str, ip: &str| {
        format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: istio-system, labels: {{topology.istio.io/network: {network}}}}}}}\n{}",
            pod("web-1", ip, "app: web")
        )
    };
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.clusters = vec!["one".to_owned(), "two".to_owned()];
    for (cluster, text) in [(0, text("east", "10.1.0.9")), (1, text("west", "10.2.0.9"))] {
        let source = Source::new("objects", text);
        snapshot.add(&source, read_manifest(&source, Role::Judged, cluster, Limits::default()));
    }
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let networks: Vec<String> = (0..2).map(|id| model.whereabouts(&model.proxy_of(id)).network).collect();
    assert_eq!(networks, ["east", "west"]);
}

#[test]
fn weights_of_many_gateways_end_at_the_greatest_number() {
    // Counts of gateways whose product is more than 32 bits hold.
    let network = |n: u8| {
        let gateways: Vec<String> = (0..n).map(|i| format!("{{address: 35.0.{n}.{i}}}")).collect();
        format!("n{n}: {{gateways: [{}]}}", gateways.join(", "))
    };
    let networks: Vec<String> = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29].map(network).to_vec();
    let far = |network: &str| labelled(if network == "west" { "n2" } else { network });
    let (places, _) = seen(&mesh(far), &format!("{{networks: {{{}}}}}", networks.join(", ")));
    let most = u32::MAX;
    let half = most / 2;
    assert_eq!(places, [format!("0 {most}: 10.1.0.1:80*{most}, 35.0.2.0:15443*{half}, 35.0.2.1:15443*{half}")]);
}
