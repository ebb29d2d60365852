//! What a waypoint holds, against what a real istiod sends it: listeners, chains with their policies and routes, clusters and
//! endpoints of `testdata/waypoints/`, as lines of text.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, Proxy};
use serde_json::Value;
use std::path::Path;

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/waypoints").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn list<'v>(value: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn keys(value: &Value, path: &str) -> String {
    let mut out: Vec<&str> = value.pointer(path).and_then(Value::as_object).into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    out.sort_unstable();
    out.join(" ")
}

/// The cluster of an action or a filter, or several with their weights.
fn target(value: &Value) -> Option<String> {
    let weighted: Vec<String> =
        list(value, "/weightedClusters/clusters").map(|w| format!("{}*{}", w["name"].as_str().unwrap_or_default(), w["weight"])).collect();
    value["cluster"].as_str().map(str::to_owned).or((!weighted.is_empty()).then(|| weighted.join(" ")))
}

fn names<'v>(values: impl Iterator<Item = &'v Value>, key: &str) -> String {
    values.filter_map(|v| v[key].as_str()).collect::<Vec<_>>().join(" ")
}

fn policies(filter: &Value, out: &mut String) {
    let config = &filter["typedConfig"];
    let name = filter["name"].as_str().unwrap_or_default();
    if name.ends_with("rbac") && config.get("rules").is_some() {
        *out += &format!("\n  rbac {}: {}", config["rules"]["action"].as_str().unwrap_or("ALLOW"), keys(config, "/rules/policies"));
    }
    if name.ends_with("jwt_authn") {
        let issuers = config["providers"].as_object().into_iter().flatten().map(|(_, p)| p);
        *out += &format!("\n  jwt {}", names(issuers, "issuer"));
    }
}

fn chain(chain: &Value) -> String {
    let mut out = format!("chain {}: {}", chain["name"].as_str().unwrap_or_default(), names(list(chain, "/filters"), "name"));
    for filter in list(chain, "/filters") {
        let config = &filter["typedConfig"];
        policies(filter, &mut out);
        list(config, "/httpFilters").for_each(|f| policies(f, &mut out));
        for route in list(config, "/routeConfig/virtualHosts/0/routes") {
            let path = ["prefix", "path", "pathSeparatedPrefix"].iter().find_map(|k| route["match"][k].as_str()).unwrap_or_default();
            let to = target(&route["route"]).unwrap_or_else(|| "redirect".to_owned());
            out += &format!("\n  route {path} -> {to}");
        }
        if let Some(to) = target(config) {
            out += &format!("\n  to {to}");
        }
    }
    out
}

fn rendered(resources: &Value) -> String {
    let mut out = Vec::new();
    for l in list(resources, "/listeners") {
        out.push(format!("listener {}", l["name"].as_str().unwrap_or_default()));
        if l.get("filterChainMatcher").is_some() {
            out.extend(list(l, "/filterChains").map(chain));
            for r in list(l, "/filterChainMatcher/matcherTree/customMatch/typedConfig/rangeMatchers") {
                let ways = keys(r, "/onMatch/matcher/matcherTree/exactMatchMap/map");
                out.push(format!("address {}: {ways}", names(list(r, "/ranges"), "addressPrefix")));
            }
        }
    }
    for c in list(resources, "/clusters") {
        let kind = c["type"].as_str().unwrap_or(if c.get("clusterType").is_some() { "by name" } else { "STATIC" });
        let sockets: String = list(c, "/transportSocketMatches").map(|m| format!(" {}", m["name"].as_str().unwrap_or_default())).collect();
        out.push(format!("cluster {} {kind}{sockets}", c["name"].as_str().unwrap_or_default()));
    }
    for e in list(resources, "/endpoints") {
        for host in list(e, "/endpoints").flat_map(|l| list(l, "/lbEndpoints")) {
            let address = &host["endpoint"]["address"];
            let internal = &address["envoyInternalAddress"];
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let shown = match address["socketAddress"]["address"].as_str() {
                Some(ip) => ip.to_owned(),
                None => format!("{}/{}", text(&internal["serverListenerName"]), text(&internal["endpointId"])),
            };
            let told = &host["metadata"]["filterMetadata"]["envoy.filters.listener.original_dst"];
            let meant = told.get("waypoint").map_or_else(String::new, |_| format!(" for {}", text(&told["local"])));
            out.push(format!("endpoint {} {shown}{meant}", text(&e["clusterName"])));
        }
    }
    out.sort();
    out.join("\n") + "\n"
}

fn snapshot(manifest: &str) -> Snapshot {
    let source = Source::new("shop.yaml", manifest);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

#[test]
fn a_waypoint_holds_what_istiod_sends_it() {
    let snapshot = snapshot(&text("shop.yaml"));
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let workload = mesh.workloads.all().iter().find(|w| w.object.name() == "wp-1").expect("the waypoint's Pod");
    let of_pod = model.translate(&Proxy::of_workload(&mesh, workload));
    let got = rendered(&of_pod.resources());
    let want = text("shop.txt");
    let differs: Vec<(&str, &str)> = want.lines().zip(got.lines()).filter(|(a, b)| a != b).take(3).collect();
    assert!(got == want, "{differs:#?}\n{got}");
    assert!(of_pod.not_judged.is_empty(), "{:?}", of_pod.not_judged);
    // The Gateway alone says as much: its Pods are made by a controller.
    let of_gateway = rendered(&model.translate(&Proxy::waypoint("wp", "shop")).resources());
    assert!(of_gateway == want, "{of_gateway}");
}

#[test]
fn sidecars_and_gateways_send_hbone_as_istiod_has_them() {
    let snapshot = snapshot(&text("clients.yaml"));
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    for (pod, expected) in [("client-1", "sidecar.txt"), ("ingress-1", "gateway.txt")] {
        let workload = mesh.workloads.all().iter().find(|w| w.object.name() == pod).expect("the Pod");
        let translation = model.translate(&Proxy::of_workload(&mesh, workload));
        let got = rendered(&translation.resources());
        assert!(got == text(expected), "{pod}\n{got}");
        assert!(translation.not_judged.is_empty(), "{:?}", translation.not_judged);
    }
}

#[test]
fn the_order_of_objects_changes_no_waypoint() {
    let manifest = text("shop.yaml");
    let mut documents: Vec<&str> = manifest.split("\n---\n").collect();
    let first = snapshot(&manifest);
    documents.reverse();
    let second = snapshot(&documents.join("\n---\n"));
    let translated = |s: &Snapshot| {
        let mesh = Mesh::new(s);
        Model::new(&mesh).translate(&Proxy::waypoint("wp", "shop")).resources()["listeners"].to_string()
    };
    // Workloads stand in the order of their names, chains in that of their services.
    assert_eq!(translated(&first), translated(&second));
}

#[test]
fn routes_of_a_waypoint_say_where_they_are_written() {
    let snapshot = snapshot(&text("shop.yaml"));
    let mesh = Mesh::new(&snapshot);
    let translation = Model::new(&mesh).translate(&Proxy::waypoint("wp", "shop"));
    let origins = &translation.inline_routes["inbound-vip|80|http|cart.shop.svc.cluster.local"];
    let written: Vec<String> = origins.iter().map(|o| o.object.origin()).collect();
    assert_eq!(written, vec!["VirtualService shop/cart"; 5]);
    assert!(!translation.inline_routes.contains_key("inbound-vip|80|http|head.shop.svc.cluster.local"));
}

/// As a real istiod has it: patches by the Gateway count and those by a Service or by nothing do not; routes of VirtualServices,
/// those of tunnels and the waypoint's own clusters stay as they are.
#[test]
fn envoy_filters_of_a_waypoint_are_those_that_name_it() {
    const PATCHES: &str = r#"
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: limit, namespace: shop}
spec:
  targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: wp}]
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: limit
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          stat_prefix: limit
          token_bucket: {max_tokens: 10, tokens_per_fill: 10, fill_interval: 60s}
  - {applyTo: VIRTUAL_HOST, patch: {operation: MERGE, value: {request_headers_to_remove: [x-patched]}}}
  - {applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 3s}}}
  - {applyTo: CLUSTER, patch: {operation: ADD, value: {name: not-added, type: STATIC}}}
  - {applyTo: CLUSTER, match: {context: SIDECAR_INBOUND}, patch: {operation: ADD, value: {name: added, type: STATIC}}}
  - {applyTo: LISTENER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: REMOVE}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: of-service, namespace: shop}
spec: {targetRefs: [{kind: Service, group: "", name: cart}], configPatches: [{applyTo: LISTENER, patch: {operation: REMOVE}}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: all, namespace: istio-system}
spec: {configPatches: [{applyTo: LISTENER, patch: {operation: REMOVE}}]}
"#;
    let snapshot = snapshot(&(text("shop.yaml").trim_end().to_owned() + PATCHES));
    let mesh = Mesh::new(&snapshot);
    let translation = Model::new(&mesh).translate(&Proxy::waypoint("wp", "shop"));
    assert!(translation.not_judged.is_empty(), "{:?}", translation.not_judged);
    let resources = translation.resources();
    assert_eq!(list(&resources, "/listeners").count(), 5);
    let find = |what: &str, name: &str| list(&resources, what).find(|v| v["name"] == name).cloned();
    let cluster = |name: &str| find("/clusters", name);
    assert!(cluster("added").is_some() && cluster("not-added").is_none());
    assert_ne!(cluster("inbound-vip|80|http|cart.shop.svc.cluster.local").expect("its own")["connectTimeout"], "3s");
    let chain_of = |service: &str| {
        let main = find("/listeners", "main_internal").expect("the inner listener");
        let name = format!("inbound-vip|80|http|{service}.shop.svc.cluster.local");
        list(&main, "/filterChains").find(|c| c["name"] == name.as_str()).cloned().expect("a chain")
    };
    let removed = |listener: &Value| {
        let manager = list(listener, "/filters").find(|f| f["typedConfig"].get("httpFilters").is_some()).expect("a connection manager");
        let filters = names(list(manager, "/typedConfig/httpFilters"), "name");
        (filters.contains("limit envoy.filters.http.router"), manager["typedConfig"]["routeConfig"]["virtualHosts"][0].get("requestHeadersToRemove").is_some())
    };
    assert_eq!(removed(&chain_of("cart")), (true, false));
    assert_eq!(removed(&chain_of("head")), (true, true));
    let tunnel = find("/listeners", "connect_terminate").expect("the outer listener");
    assert_eq!(removed(&tunnel["filterChains"][0]), (true, false));
}
