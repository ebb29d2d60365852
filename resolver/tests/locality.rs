//! Priorities and weights by locality, as istiod gives them.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Object, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, Proxy};
use std::sync::Arc;

/// A Service whose Pods run in five places, by their nodes; one Pod says its place by a label.
const MESH: &str = "
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: cart}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: near, labels: {topology.kubernetes.io/region: west, topology.kubernetes.io/zone: a, topology.istio.io/subzone: s1}}}
---
{apiVersion: v1, kind: Node, metadata: {name: beside, labels: {topology.kubernetes.io/region: west, topology.kubernetes.io/zone: a, topology.istio.io/subzone: s2}}}
---
{apiVersion: v1, kind: Node, metadata: {name: other, labels: {topology.kubernetes.io/region: west, topology.kubernetes.io/zone: b}}}
---
{apiVersion: v1, kind: Node, metadata: {name: far, labels: {failure-domain.beta.kubernetes.io/region: east, failure-domain.beta.kubernetes.io/zone: c}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart, tier: gold}}, spec: {nodeName: near}, status: {podIP: 10.1.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-2, namespace: shop, labels: {app: cart, tier: tin}}, spec: {nodeName: beside}, status: {podIP: 10.1.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-3, namespace: shop, labels: {app: cart, tier: gold}}, spec: {nodeName: other}, status: {podIP: 10.1.0.3}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-4, namespace: shop, labels: {app: cart, tier: tin}}, spec: {nodeName: far}, status: {podIP: 10.1.0.4}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-5, namespace: shop, labels: {app: cart, tier: gold, istio-locality: south.d}}, spec: {nodeName: near}, status: {podIP: 10.1.0.5}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-6, namespace: shop, labels: {app: cart, tier: tin}}, spec: {nodeName: near}, status: {podIP: 10.1.0.6}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web, tier: gold}}, spec: {nodeName: near}, status: {podIP: 10.1.0.9}}
---
";

fn parsed(text: &str) -> Arc<mesh_model::Tree> {
    let source = Source::new("settings", text);
    Arc::new(yaml::parse_document(&source, Span::new(0, text.len()), Limits::default()).tree.expect("YAML"))
}

/// The localities of a cluster's endpoints for `web-1`: `priority locality weight: hosts`; and whether they are weighted.
fn places(objects: &str, mesh_config: &str, cluster: &str) -> (Vec<String>, bool) {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    let source = Source::new("objects", format!("{MESH}{objects}"));
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot.mesh_config = (!mesh_config.is_empty()).then(|| Object::mesh_config(parsed(mesh_config)));
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let web = (0..).find(|id| mesh.workloads.get(*id).object.name() == "web-1").expect("web-1");
    let proxy: Proxy = model.proxy_of(web);
    let translation = model.translate(&proxy);
    assert!(translation.not_judged.is_empty(), "{:?}", translation.not_judged.iter().map(|n| &n.what).collect::<Vec<_>>());
    let made = translation.clusters.iter().find(|c| c.message.name == cluster).expect("the cluster");
    let is_weighted = made.message.common_lb_config.as_ref().is_some_and(|c| c.locality_weighted_lb_config.is_some());
    let of_name = made.message.load_assignment.clone();
    let assignment =
        of_name.unwrap_or_else(|| Box::new(translation.endpoints.iter().find(|e| e.message.cluster_name == cluster).expect("endpoints").message.clone()));
    let host = |h: &mesh_envoy::api::endpoint::LbEndpoint| {
        let address = h.endpoint.as_ref().and_then(|e| e.address.as_ref()).and_then(|a| a.socket_address.as_ref()).expect("an address");
        address.address.trim_start_matches("10.1.0.").to_owned()
    };
    let line = |l: &mesh_envoy::api::endpoint::LocalityLbEndpoints| {
        let at = l.locality.clone().unwrap_or_default();
        let hosts: Vec<String> = l.lb_endpoints.iter().map(host).collect();
        format!("{} {}/{}/{} {}: {}", l.priority, at.region, at.zone, at.sub_zone, l.load_balancing_weight.unwrap_or(0), hosts.join(" "))
    };
    (assignment.endpoints.iter().map(line).collect(), is_weighted)
}

const CART: &str = "outbound|80||cart.shop.svc.cluster.local";

fn rule(policy: &str) -> String {
    format!(
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: r, namespace: shop}}, spec: {{host: cart, trafficPolicy: {{{policy}}}}}}}"
    )
}

const DETECTS: &str = "outlierDetection: {consecutive5xxErrors: 3}";

/// All of one priority.
const FLAT: [&str; 5] = ["0 east/c/ 1: 4", "0 south/d/ 1: 5", "0 west/a/s1 2: 1 6", "0 west/a/s2 1: 2", "0 west/b/ 1: 3"];

fn with(policy: &str) -> (Vec<String>, bool) {
    places(&rule(policy), "", CART)
}

#[test]
fn without_outlier_detection_nobody_is_preferred() {
    assert_eq!(with("loadBalancer: {simple: RANDOM}").0, FLAT);
    let (places, is_weighted) = with("loadBalancer: {localityLbSetting: {failover: [{from: west, to: east}], failoverPriority: [tier]}}");
    assert_eq!(places, FLAT);
    assert!(!is_weighted);
}

#[test]
fn the_nearer_the_better() {
    let near = ["3 east/c/ 1: 4", "3 south/d/ 1: 5", "0 west/a/s1 2: 1 6", "1 west/a/s2 1: 2", "2 west/b/ 1: 3"];
    let (places, is_weighted) = with(DETECTS);
    assert_eq!(places, near);
    assert!(!is_weighted, "no setting says how");
    assert_eq!(with(&format!("{DETECTS}, loadBalancer: {{localityLbSetting: {{enabled: false}}}}")).0, FLAT);
}

#[test]
fn another_region_takes_over_and_the_rest_comes_last() {
    let (places, is_weighted) = with(&format!("{DETECTS}, loadBalancer: {{localityLbSetting: {{failover: [{{from: west, to: south}}]}}}}"));
    assert_eq!(places, ["4 east/c/ 1: 4", "3 south/d/ 1: 5", "0 west/a/s1 2: 1 6", "1 west/a/s2 1: 2", "2 west/b/ 1: 3"]);
    assert!(is_weighted);
}

#[test]
fn labels_decide_where_they_are_asked_for() {
    let by = |list: &str, more: &str| with(&format!("{DETECTS}, loadBalancer: {{localityLbSetting: {{failoverPriority: [{list}]{more}}}}}")).0;
    assert_eq!(by("tier", ""), ["1 east/c/ 1: 4", "0 south/d/ 1: 5", "0 west/a/s1 1: 1", "1 west/a/s1 1: 6", "1 west/a/s2 1: 2", "0 west/b/ 1: 3"]);
    assert_eq!(by("tier=tin", ""), ["0 east/c/ 1: 4", "1 south/d/ 1: 5", "0 west/a/s1 1: 6", "1 west/a/s1 1: 1", "0 west/a/s2 1: 2", "1 west/b/ 1: 3"]);
    // The first that differs counts the most.
    assert_eq!(
        by("topology.kubernetes.io/region, topology.kubernetes.io/zone", ""),
        ["2 east/c/ 1: 4", "2 south/d/ 1: 5", "0 west/a/s1 2: 1 6", "0 west/a/s2 1: 2", "1 west/b/ 1: 3"]
    );
    assert_eq!(by("kubernetes.io/hostname", "")[2..4], ["0 west/a/s1 2: 1 6", "1 west/a/s2 1: 2"]);
    // The proxy's cluster is its Pod's.
    assert_eq!(
        by("topology.istio.io/cluster, topology.kubernetes.io/region", ""),
        ["1 east/c/ 1: 4", "1 south/d/ 1: 5", "0 west/a/s1 2: 1 6", "0 west/a/s2 1: 2", "0 west/b/ 1: 3"]
    );
    // Within what labels say, places.
    assert_eq!(
        by("tier", ", failover: [{from: west, to: east}]"),
        ["5 east/c/ 1: 4", "2 south/d/ 1: 5", "0 west/a/s1 1: 1", "3 west/a/s1 1: 6", "4 west/a/s2 1: 2", "1 west/b/ 1: 3"]
    );
}

#[test]
fn requests_are_shared_out() {
    let by = |rules: &str| with(&format!("loadBalancer: {{localityLbSetting: {{distribute: [{rules}]}}}}"));
    let (places, is_weighted) = by("{from: west/a/*, to: {west/a/*: 70, east/*: 30}}");
    // Whom nobody names keeps its place and gets nothing; a share is parted by weights.
    assert_eq!(places, ["0 east/c/ 30: 4", "0 south/d/ 1: ", "0 west/a/s1 47: 1 6", "0 west/a/s2 24: 2", "0 west/b/ 1: "]);
    assert!(is_weighted);
    assert_eq!(by("{from: east, to: {west: 100}}").0, FLAT, "for others");
    assert_eq!(by("{from: '*', to: {south/d: 1, '*': 99}}").0[1], "0 south/d/ 17: 5", "rules are read in the order of their names");
}

#[test]
fn the_mesh_says_where_rules_are_silent() {
    let config = "{localityLbSetting: {distribute: [{from: west, to: {west/b: 100}}]}}";
    assert_eq!(places("", config, CART).0[4], "0 west/b/ 100: 3");
    assert_eq!(places(&rule(DETECTS), "{localityLbSetting: {enabled: false}}", CART).0, FLAT);
    assert_eq!(places(&rule(&format!("{DETECTS}, loadBalancer: {{localityLbSetting: {{enabled: true}}}}")), config, CART).0[0], "3 east/c/ 1: 4");
}

#[test]
fn a_service_wishes_for_what_is_close() {
    let wish = |text: &str| {
        format!("{{apiVersion: v1, kind: Service, metadata: {{name: pay, namespace: shop{text}, selector: {{app: cart}}, ports: [{{name: http, port: 81}}]}}}}")
    };
    let near = ["3 east/c/ 1: 4", "3 south/d/ 1: 5", "0 west/a/s1 2: 1 6", "1 west/a/s2 1: 2", "2 west/b/ 1: 3"];
    let pay = "outbound|81||pay.shop.svc.cluster.local";
    assert_eq!(places(&wish("}, spec: {clusterIP: 10.0.0.2, trafficDistribution: PreferClose"), "", pay).0, near);
    assert_eq!(places(&wish(", annotations: {networking.istio.io/traffic-distribution: PreferClose}}, spec: {clusterIP: 10.0.0.2"), "", pay).0, near);
    assert_eq!(places(&wish("}, spec: {clusterIP: 10.0.0.2"), "", pay).0, FLAT);
    // The annotation counts where the field says nothing that is known.
    let both = |field: &str, annotation: &str| {
        let text =
            format!(", annotations: {{networking.istio.io/traffic-distribution: {annotation}}}}}, spec: {{clusterIP: 10.0.0.2, trafficDistribution: {field}");
        places(&wish(&text), "", pay).0
    };
    assert_eq!(both("PreferClose", "Any"), near);
    assert_eq!(both("SomethingNew", "PreferClose"), near);
}

#[test]
fn hosts_that_are_asked_of_names() {
    let entry = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e, namespace: shop}, spec: {hosts: [e.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: w.e.com, locality: west/b}, {address: e.e.com, locality: east}]}}";
    let rule = |setting: &str| {
        format!(
            "{entry}\n---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: d, namespace: shop}}, spec: {{host: e.com, trafficPolicy: {{{DETECTS}, loadBalancer: {{localityLbSetting: {{{setting}}}}}}}}}}}"
        )
    };
    let of = |setting: &str| places(&rule(setting), "", "outbound|80||e.com").0;
    assert_eq!(of(""), ["1 east// 1: e.e.com", "0 west/b/ 1: w.e.com"]);
    // Labels of such endpoints are not looked at.
    assert_eq!(of("failoverPriority: [tier]"), ["0 east// 1: e.e.com", "0 west/b/ 1: w.e.com"]);
}

#[test]
fn weights_end_at_the_greatest_number() {
    let entry = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e, namespace: shop}, spec: {hosts: [e.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.1.0.11, locality: west/b, weight: 4294967295}, {address: 10.1.0.12, locality: west/b, weight: 4294967295}]}}";
    for (setting, expected) in [
        ("failoverPriority: [tier]", "0 west/b/ 4294967295: 11 12"),
        ("distribute: [{from: west, to: {west: 9223372036854775807}}]", "0 west/b/ 4294967295: 11 12"),
    ] {
        let rule = format!(
            "{entry}\n---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: d, namespace: shop}}, spec: {{host: e.com, trafficPolicy: {{{DETECTS}, loadBalancer: {{localityLbSetting: {{{setting}}}}}}}}}}}"
        );
        assert_eq!(places(&rule, "", "outbound|80||e.com").0, [expected], "{setting}");
    }
}

#[test]
fn a_proxy_is_where_the_pod_of_its_own_cluster_is() {
    let other = "{apiVersion: v1, kind: Node, metadata: {name: near, labels: {topology.kubernetes.io/region: east}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}}, spec: {nodeName: near}, status: {podIP: 10.2.0.9}}
";
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.clusters = vec!["one".to_owned(), "two".to_owned()];
    for (cluster, text) in [(0, MESH), (1, other)] {
        let source = Source::new("objects", text);
        snapshot.add(&source, read_manifest(&source, Role::Judged, cluster, Limits::default()));
    }
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let webs = (0..mesh.workloads.all().len() as u32).filter(|id| mesh.workloads.get(*id).object.name() == "web-1");
    let at = |id| {
        let at = model.whereabouts(&model.proxy_of(id));
        format!("{} {} {}", at.locality, at.node, at.cluster)
    };
    assert_eq!(webs.map(at).collect::<Vec<_>>(), ["west/a/s1 near one", "east// near two"]);
}

#[test]
fn replicas_on_other_nodes_are_alike_unless_a_rule_asks_for_nodes() {
    let more = "{apiVersion: v1, kind: Node, metadata: {name: near-2, labels: {topology.kubernetes.io/region: west, topology.kubernetes.io/zone: a, topology.istio.io/subzone: s1}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-2, namespace: shop, labels: {app: web, tier: gold}}, spec: {nodeName: near-2}, status: {podIP: 10.1.0.10}}
---
";
    let of_nodes = rule(&format!("{DETECTS}, loadBalancer: {{localityLbSetting: {{failoverPriority: [kubernetes.io/hostname]}}}}"));
    for (objects, expected) in [("", true), (of_nodes.as_str(), false)] {
        let mut snapshot = Snapshot::new();
        snapshot.completeness = Completeness::Complete;
        let source = Source::new("objects", format!("{MESH}{more}{objects}"));
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = Mesh::new(&snapshot);
        let model = Model::new(&mesh);
        let key = |name: &str| {
            let id = (0..).find(|id| mesh.workloads.get(*id).object.name() == name).expect("the Pod");
            model.alike(&model.proxy_of(id))
        };
        assert_eq!(key("web-1") == key("web-2"), expected, "{objects}");
    }
}

#[test]
fn a_proxy_without_a_pod_is_of_the_cluster_that_it_says() {
    let snapshot = Snapshot::new();
    let mesh = Mesh::new(&snapshot);
    let tree = parsed("{id: web-1.shop, metadata: {CLUSTER_ID: two}}");
    let proxy = Proxy::from_node(tree.root()).expect("a proxy");
    assert_eq!(Model::new(&mesh).whereabouts(&proxy).cluster, "two");
}

#[test]
fn an_endpoint_is_the_pod_of_its_slices_cluster() {
    let db = |node: &str, address: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: db, namespace: shop}}, spec: {{clusterIP: 10.0.0.9, ports: [{{name: http, port: 82}}]}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: db-0, namespace: shop}}, spec: {{nodeName: {node}}}, status: {{podIP: {address}}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: db-1, namespace: shop, labels: {{kubernetes.io/service-name: db}}}}, addressType: IPv4, endpoints: [{{addresses: [{address}], targetRef: {{kind: Pod, name: db-0}}}}], ports: [{{name: http, port: 82}}]}}
"
        )
    };
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.clusters = vec!["one".to_owned(), "two".to_owned()];
    let far = "{apiVersion: v1, kind: Node, metadata: {name: near, labels: {topology.kubernetes.io/region: east}}}\n---\n";
    for (cluster, text) in [(0, format!("{MESH}{}", db("near", "10.1.0.7"))), (1, format!("{far}{}", db("near", "10.2.0.7")))] {
        let source = Source::new("objects", text);
        snapshot.add(&source, read_manifest(&source, Role::Judged, cluster, Limits::default()));
    }
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let web = (0..).find(|id| mesh.workloads.get(*id).object.name() == "web-1").expect("the Pod");
    let translation = model.translate(&model.proxy_of(web));
    let assignment = translation.endpoints.iter().find(|e| e.message.cluster_name == "outbound|82||db.shop.svc.cluster.local").expect("endpoints");
    let regions = assignment.message.endpoints.iter().map(|p| (p.locality.as_ref().map_or("", |l| l.region.as_str()), p.lb_endpoints.len()));
    let mut regions: Vec<_> = regions.collect();
    regions.sort_unstable();
    assert_eq!(regions, [("east", 1), ("west", 1)]);
}
