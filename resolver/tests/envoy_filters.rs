//! EnvoyFilters are applied as istiod applies them; what can't be is named, and nothing else.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, Part, Proxy};
use serde_json::{Value, json};
use std::sync::Arc;

const SHOP: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart}}, spec: {}, status: {podIP: 10.1.0.1}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: cart, namespace: shop}, spec: {hosts: [cart], http: [{name: first, match: [{uri: {prefix: /a}}], route: [{destination: {host: cart}}]}, {name: rest, route: [{destination: {host: cart}}]}]}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: shop}, spec: {selector: {app: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: edge, namespace: shop}, spec: {hosts: [shop.example.com], gateways: [edge], http: [{route: [{destination: {host: cart}}]}]}}
";

const CART: &str =
    "{type: sidecar, id: cart-1.shop, ips: [10.1.0.1], configNamespace: shop, labels: {app: cart}, metadata: {ISTIO_VERSION: 1.30.2, TIER: gold}}";
const GATEWAY: &str = "{type: router, id: gw-1.shop, ips: [10.1.0.8], configNamespace: shop, labels: {app: gw}}";

struct Got {
    resources: Value,
    /// `OBJECT: WHAT`
    not_judged: Vec<String>,
    /// Places of HTTP filters that came of an EnvoyFilter: chain, filter, object, line.
    filters: Vec<(u32, u32, String, u32)>,
    origins: Vec<String>,
}

fn translated(filters: &[String], proxy: &str) -> Got {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    let source = Source::new("objects", format!("{SHOP}\n---\n{}", filters.join("\n---\n")));
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    let mesh = Mesh::new(&snapshot);
    let text = Source::new("proxy", proxy);
    let tree = Arc::new(yaml::parse_document(&text, Span::new(0, proxy.len()), Limits::default()).tree.expect("YAML"));
    let proxy = Proxy::from_node(tree.root()).expect("a proxy");
    let got = Model::new(&mesh).translate(&proxy);
    let inbound = got.listeners.iter().find(|l| l.message.name == "virtualInbound");
    Got {
        resources: got.resources(),
        not_judged: got.not_judged.iter().map(|n| format!("{}: {}", n.origin.map_or(String::new(), |o| o.object.origin()), n.what)).collect(),
        filters: inbound
            .into_iter()
            .flat_map(|l| &l.parts)
            .filter_map(|(p, o)| match *p {
                Part::HttpFilter(c, f) => Some((c, f, o.object.origin(), o.node.position().line)),
                _ => None,
            })
            .collect(),
        origins: got.routes.iter().flat_map(|r| &r.origins).chain(got.clusters.iter().flat_map(|c| &c.origins)).map(|o| o.object.origin()).collect(),
    }
}

fn filter_of(name: &str, more: &str, patches: &str) -> String {
    format!(
        "{{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {{name: {name}, namespace: shop}}, spec: {{{more} configPatches: [{patches}]}}}}"
    )
}

/// One EnvoyFilter with these patches, for the cart's sidecar; all of it is applied.
fn applied(patches: &str) -> Value {
    let got = translated(&[filter_of("f", "", patches)], CART);
    assert_eq!(got.not_judged, [""; 0], "{patches}");
    got.resources
}

fn named<'v>(resources: &'v Value, list: &str, name: &str) -> &'v Value {
    let all = resources[list].as_array().expect("a list");
    all.iter().find(|v| v["name"] == name).unwrap_or_else(|| panic!("no {name} among {:?}", all.iter().map(|v| &v["name"]).collect::<Vec<_>>()))
}

/// The names of the HTTP filters of the first chain of a port of virtualInbound.
fn http_filters(resources: &Value, port: u64) -> Vec<Value> {
    let chains = named(resources, "listeners", "virtualInbound")["filterChains"].as_array().expect("chains");
    let of = |c: &&Value| c["filterChainMatch"]["destinationPort"] == port;
    let manager = |c: &Value| c["filters"].as_array().and_then(|l| l.iter().find(|f| f["name"] == MANAGER)).cloned();
    let found = chains.iter().filter(of).find_map(manager).expect("a connection manager");
    found["typedConfig"]["httpFilters"].as_array().expect("filters").clone()
}

fn names(filters: &[Value]) -> Vec<&str> {
    filters.iter().map(|f| f["name"].as_str().unwrap_or("")).collect()
}

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const LIMIT: &str = "name: envoy.filters.http.local_ratelimit, typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, value: {stat_prefix: limit, token_bucket: {max_tokens: 4, tokens_per_fill: 4, fill_interval: 60s}, filter_enabled: {default_value: {numerator: 100}}, filter_enforced: {default_value: {numerator: 100}}}}";
const CORS: &str = "name: own.cors, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}";
const LUA: &str =
    "name: own.lua, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: 'x'}}";

/// A patch of HTTP filters on the way in, before or after the filter `sub`; "" for none.
fn http(operation: &str, sub: &str, value: &str) -> String {
    let sub = if sub.is_empty() { String::new() } else { format!(", subFilter: {{name: {sub}}}") };
    format!(
        "{{applyTo: HTTP_FILTER, match: {{context: SIDECAR_INBOUND, listener: {{filterChain: {{filter: {{name: {MANAGER}{sub}}}}}}}}}, patch: {{operation: {operation}, value: {{{value}}}}}}}"
    )
}

#[test]
fn a_local_rate_limit_stands_where_istiod_puts_it_and_says_where_it_is_written() {
    let got = translated(&[filter_of("limit", "workloadSelector: {labels: {app: cart}},", &http("INSERT_BEFORE", "", LIMIT))], CART);
    assert_eq!(got.not_judged, [""; 0]);
    let filters = http_filters(&got.resources, 8080);
    assert_eq!(filters[0]["name"], "envoy.filters.http.local_ratelimit");
    assert_eq!(filters[0]["typedConfig"]["value"]["token_bucket"], json!({"max_tokens": 4, "tokens_per_fill": 4, "fill_interval": "60s"}));
    assert!(
        !got.filters.is_empty() && got.filters.iter().all(|(_, at, object, line)| *at == 0 && object == "EnvoyFilter shop/limit" && *line > 1),
        "{:?}",
        got.filters
    );
    // Another workload has none of it.
    let other = translated(&[filter_of("limit", "workloadSelector: {labels: {app: web}},", &http("INSERT_BEFORE", "", LIMIT))], CART);
    assert!(other.filters.is_empty() && !other.resources.to_string().contains("local_ratelimit"));
}

#[test]
fn http_filters_are_inserted_replaced_removed_and_merged() {
    let before = names(&http_filters(&applied(""), 8080)).iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let router = before.iter().position(|n| n == "envoy.filters.http.router").expect("a router");
    let after = |patch: &str| names(&http_filters(&applied(patch), 8080)).iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let at = |list: &[String]| list.iter().position(|n| n == "own.cors");
    assert_eq!(at(&after(&http("INSERT_BEFORE", "envoy.filters.http.router", CORS))), Some(router));
    assert_eq!(at(&after(&http("INSERT_AFTER", "envoy.filters.http.fault", CORS))), before.iter().position(|n| n == "envoy.filters.http.fault").map(|i| i + 1));
    assert_eq!(at(&after(&http("INSERT_FIRST", "envoy.filters.http.router", CORS))), Some(0));
    assert_eq!(at(&after(&http("ADD", "", CORS))), Some(before.len()));
    assert_eq!(at(&after(&http("INSERT_BEFORE", "nobody", CORS))), None);
    assert_eq!(after(&http("REMOVE", "envoy.filters.http.fault", "")), before.iter().filter(|n| *n != "envoy.filters.http.fault").cloned().collect::<Vec<_>>());
    assert_eq!(after(&http("REMOVE", "", "")), before);
    let replaced = after(&http("REPLACE", "envoy.filters.http.fault", CORS));
    assert!(replaced.len() == before.len() && replaced.contains(&"own.cors".to_owned()));
    let merged = applied(&http(
        "MERGE",
        "envoy.filters.http.fault",
        "name: envoy.filters.http.fault, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 503, percentage: {numerator: 10}}}",
    ));
    let fault = http_filters(&merged, 8080).into_iter().find(|f| f["name"] == "envoy.filters.http.fault").expect("a filter");
    assert_eq!(fault["typedConfig"]["abort"], json!({"httpStatus": 503, "percentage": {"numerator": 10}}));
}

#[test]
fn ports_chains_and_contexts_are_matched() {
    let patch = |matching: &str| {
        let got = applied(&format!("{{applyTo: HTTP_FILTER, match: {{{matching}}}, patch: {{operation: INSERT_FIRST, value: {{{CORS}}}}}}}"));
        let is_in = |l: &Value| l.to_string().contains("own.cors");
        let all: Vec<String> =
            got["listeners"].as_array().expect("a list").iter().filter(|l| is_in(l)).map(|l| l["name"].as_str().unwrap_or("").to_owned()).collect();
        all
    };
    assert_eq!(patch("context: SIDECAR_INBOUND, listener: {portNumber: 8080}"), ["virtualInbound"]);
    assert_eq!(patch("context: SIDECAR_INBOUND, listener: {portNumber: 80}"), [""; 0]);
    assert_eq!(patch("context: SIDECAR_OUTBOUND, listener: {portNumber: 80}"), ["0.0.0.0_80"]);
    assert_eq!(patch("context: GATEWAY"), [""; 0]);
    assert_eq!(patch("listener: {filterChain: {transportProtocol: tls}}"), ["virtualInbound"]);
    assert_eq!(patch("listener: {filterChain: {transportProtocol: tls, applicationProtocols: 'istio,nobody'}}"), [""; 0]);
    assert_eq!(patch("listener: {filterChain: {name: 0.0.0.0_8080}}"), ["virtualInbound"]);
    assert_eq!(patch("listener: {filterChain: {destinationPort: 8080}}"), ["virtualInbound"]);
    assert_eq!(patch("listener: {filterChain: {filter: {name: nobody}}}"), [""; 0]);
    assert_eq!(patch("listener: {name: virtualInbound}"), ["virtualInbound"]);
    // Of a proxy that says who it is.
    assert_eq!(patch("listener: {name: virtualInbound}, proxy: {proxyVersion: '^1\\.30.*', metadata: {TIER: gold}}"), ["virtualInbound"]);
    assert_eq!(patch("proxy: {proxyVersion: '^1\\.29.*'}"), [""; 0]);
    assert_eq!(patch("proxy: {metadata: {TIER: silver}}"), [""; 0]);
}

#[test]
fn the_connection_manager_is_merged_into() {
    let value = "name: envoy.filters.network.http_connection_manager, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, xff_num_trusted_hops: 2, common_http_protocol_options: {idle_timeout: 30s}, upgrade_configs: [{upgrade_type: connect}]}";
    let got = applied(&format!(
        "{{applyTo: NETWORK_FILTER, match: {{context: SIDECAR_INBOUND, listener: {{filterChain: {{filter: {{name: {MANAGER}}}}}}}}}, patch: {{operation: MERGE, value: {{{value}}}}}}}"
    ));
    let listener = named(&got, "listeners", "virtualInbound");
    let chains = listener["filterChains"].as_array().expect("chains");
    let managers: Vec<&Value> = chains.iter().flat_map(|c| c["filters"].as_array().into_iter().flatten()).filter(|f| f["name"] == MANAGER).collect();
    assert!(!managers.is_empty());
    for m in managers {
        let config = &m["typedConfig"];
        assert_eq!((&config["xffNumTrustedHops"], &config["commonHttpProtocolOptions"]["idleTimeout"]), (&json!(2), &json!("30s")));
        assert_eq!(config["upgradeConfigs"], json!([{"upgradeType": "websocket"}, {"upgradeType": "connect"}]));
        assert!(config["httpFilters"].as_array().is_some_and(|l| l.len() > 3));
    }
}

const PER_ROUTE: &str = "typed_per_filter_config: {envoy.filters.http.local_ratelimit: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, value: {stat_prefix: route, token_bucket: {max_tokens: 1, fill_interval: 60s}}}}";

#[test]
fn routes_and_virtual_hosts_are_merged_into_and_removed() {
    let patch = |apply_to: &str, matching: &str, operation: &str, value: &str| {
        format!("{{applyTo: {apply_to}, match: {{{matching}}}, patch: {{operation: {operation}, value: {{{value}}}}}}}")
    };
    let outbound = |got: &Value| {
        let host =
            named(got, "routes", "80")["virtualHosts"].as_array().expect("hosts").iter().find(|h| h["name"] == "cart.shop.svc.cluster.local:80").cloned();
        host.expect("the cart")
    };
    let cart = "context: SIDECAR_OUTBOUND, routeConfiguration: {name: '80', vhost: {name: 'cart.shop.svc.cluster.local:80'";
    let got = outbound(&applied(&patch("HTTP_ROUTE", &format!("{cart}, route: {{name: rest}}}}}}"), "MERGE", PER_ROUTE)));
    let is_limited = |route: &Value| route["typedPerFilterConfig"]["envoy.filters.http.local_ratelimit"]["value"]["token_bucket"]["max_tokens"] == 1;
    assert_eq!(got["routes"].as_array().expect("routes").iter().map(is_limited).collect::<Vec<_>>(), [false, true]);
    let got = outbound(&applied(&patch("VIRTUAL_HOST", &format!("{cart}}}}}"), "MERGE", PER_ROUTE)));
    assert!(is_limited(&got));
    let got =
        applied(&patch("ROUTE_CONFIGURATION", "context: SIDECAR_OUTBOUND, routeConfiguration: {portNumber: 80}", "MERGE", "request_headers_to_remove: [x-a]"));
    assert_eq!(named(&got, "routes", "80")["requestHeadersToRemove"], json!(["x-a"]));
    let got = outbound(&applied(&patch("HTTP_ROUTE", &format!("{cart}, route: {{name: first}}}}}}"), "REMOVE", "")));
    assert_eq!(got["routes"].as_array().map(Vec::len), Some(1));
    let got = outbound(&applied(&patch(
        "HTTP_ROUTE",
        &format!("{cart}, route: {{name: rest}}}}}}"),
        "INSERT_BEFORE",
        "name: own, match: {prefix: /own}, direct_response: {status: 403}",
    )));
    assert_eq!(got["routes"].as_array().expect("routes").iter().map(|r| r["name"].as_str().unwrap_or("")).collect::<Vec<_>>(), ["first", "own", "rest"]);
    let got = applied(&patch("VIRTUAL_HOST", &format!("{cart}}}}}"), "REMOVE", ""));
    assert!(!named(&got, "routes", "80").to_string().contains("\"cart.shop.svc.cluster.local:80\""));
    let inbound = applied(&patch(
        "HTTP_ROUTE",
        "context: SIDECAR_INBOUND, routeConfiguration: {vhost: {name: 'inbound|http|80', route: {action: ANY}}}",
        "MERGE",
        PER_ROUTE,
    ));
    assert!(named(&inbound, "listeners", "virtualInbound").to_string().contains("\"stat_prefix\":\"route\""));
    // Gateways match by the ports of their servers.
    let at_gateway = |port: u16| {
        let text = patch("VIRTUAL_HOST", &format!("context: GATEWAY, routeConfiguration: {{portNumber: {port}}}"), "MERGE", PER_ROUTE);
        let got = translated(&[filter_of("f", "", &text)], GATEWAY);
        assert_eq!(got.not_judged, [""; 0]);
        (got.resources["routes"].to_string().contains("local_ratelimit"), got.origins.contains(&"EnvoyFilter shop/f".to_owned()))
    };
    assert_eq!((at_gateway(80), at_gateway(81)), ((true, true), (false, false)));
}

#[test]
fn clusters_are_merged_added_and_removed() {
    let patch = |matching: &str, operation: &str, value: &str| {
        format!("{{applyTo: CLUSTER, match: {{{matching}}}, patch: {{operation: {operation}, value: {{{value}}}}}}}")
    };
    let cart = "outbound|80||cart.shop.svc.cluster.local";
    let timeout = |matching: &str| named(&applied(&patch(matching, "MERGE", "connect_timeout: 0.5s")), "clusters", cart)["connectTimeout"] == "0.500s";
    assert!(timeout("context: SIDECAR_OUTBOUND, cluster: {service: cart.shop.svc.cluster.local}") && timeout(&format!("cluster: {{name: '{cart}'}}")));
    assert!(timeout("cluster: {portNumber: 80}") && timeout(""));
    assert!(
        !timeout("context: SIDECAR_INBOUND")
            && !timeout("cluster: {service: cart}")
            && !timeout("cluster: {subset: v1}")
            && !timeout("cluster: {portNumber: 81}")
    );
    let inbound =
        applied(&patch("context: SIDECAR_INBOUND, cluster: {service: cart.shop.svc.cluster.local, portNumber: 8080}", "MERGE", "connect_timeout: 0.5s"));
    assert_eq!(named(&inbound, "clusters", "inbound|8080||")["connectTimeout"], "0.500s");
    let gone = applied(&patch(&format!("cluster: {{name: '{cart}'}}"), "REMOVE", ""));
    assert!(gone["clusters"].as_array().expect("a list").iter().all(|c| c["name"] != cart));
    let added = applied(&patch("context: SIDECAR_OUTBOUND", "ADD", "name: own, type: STRICT_DNS, connect_timeout: 1s"));
    assert_eq!(named(&added, "clusters", "own")["type"], "STRICT_DNS");
    // Within the socket's own message; the rest of such a patch is not looked at.
    let socket = "connect_timeout: 0.5s, transport_socket: {name: envoy.transport_sockets.tls, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: other}}";
    let merged = applied(&patch(&format!("cluster: {{name: '{cart}'}}"), "MERGE", socket));
    let cluster = named(&merged, "clusters", cart);
    assert!(cluster.to_string().contains("\"sni\":\"other\"") && cluster["connectTimeout"] != "0.500s", "{cluster}");
}

#[test]
fn filters_apply_by_priority_root_namespace_age_and_name() {
    let of = |name: &str, namespace: &str, priority: i64, created: &str, hops: u32| {
        format!(
            "{{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '{created}'}}, spec: {{priority: {priority}, configPatches: [{}]}}}}",
            http("INSERT_FIRST", "", &format!("name: own.{hops}, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}"))
        )
    };
    let all = [
        of("a", "shop", 5, "2026-01-01T00:00:00Z", 6),
        of("z", "shop", 0, "2026-01-02T00:00:00Z", 3),
        of("y", "istio-system", 0, "2026-01-09T00:00:00Z", 2),
        of("b", "shop", 0, "2026-01-03T00:00:00Z", 4),
        of("c", "shop", 0, "2026-01-03T00:00:00Z", 5),
        of("d", "shop", -1, "2026-01-09T00:00:00Z", 1),
    ];
    // What is put first last stands first.
    let wanted = ["own.6", "own.5", "own.4", "own.3", "own.2", "own.1"];
    let mut turned = all.to_vec();
    for _ in 0..all.len() {
        turned.rotate_left(1);
        let got = translated(&turned, CART);
        let filters = http_filters(&got.resources, 8080);
        assert_eq!(names(&filters)[..6], wanted);
    }
}

#[test]
fn what_is_not_known_is_named_and_nothing_else() {
    let named = |patches: &str| translated(&[filter_of("f", "", patches)], CART);
    let got = named(&[http("INSERT_BEFORE", "envoy.filters.http.router", LUA), http("INSERT_BEFORE", "own.lua", LIMIT)].join(", "));
    assert_eq!(
        got.not_judged,
        [
            "EnvoyFilter shop/f: `spec.configPatches[0].patch.value.typed_config.default_source_code` is not applied: what envoy.extensions.filters.http.lua.v3.Lua does is not known to meshctl"
        ]
    );
    // The other stands where it would: before the one that is missing, which is before the router.
    let filters = http_filters(&got.resources, 8080);
    let all = names(&filters);
    assert_eq!(all[all.len() - 2..], ["envoy.filters.http.local_ratelimit", "envoy.filters.http.router"]);
    assert!(!got.resources.to_string().contains("not-judged"));
    let only = |patches: &str| {
        let list = named(patches).not_judged;
        assert_eq!(list.len(), 1, "{list:?}");
        list[0].trim_start_matches("EnvoyFilter shop/f: ").to_owned()
    };
    let wasm = "name: w, typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, value: {config: {}}}";
    assert!(only(&http("INSERT_FIRST", "", wasm)).starts_with("`spec.configPatches[0].patch.value.typed_config` is not applied: "));
    assert!(
        only("{applyTo: CLUSTER, patch: {operation: MERGE, value: {no_such_field: 1}}}")
            .starts_with("`spec.configPatches[0].patch.value.no_such_field` is not applied: a field")
    );
    assert!(only("{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {}}}").contains("a patch of BOOTSTRAP is not translated"));
    assert!(only(&http("MERGE", "envoy.filters.http.fault", CORS)).contains("another type"));
    // What matches nothing here changes nothing, known or not.
    for patches in [http("INSERT_BEFORE", "nobody", LUA), http("INSERT_FIRST", "", LUA).replace("SIDECAR_INBOUND", "GATEWAY")] {
        assert_eq!(named(&patches).not_judged, [""; 0]);
    }
    // A proxy that does not say what is asked.
    let silent = CART.replace(", metadata: {ISTIO_VERSION: 1.30.2, TIER: gold}", "");
    let got = translated(
        &[filter_of("f", "", "{applyTo: CLUSTER, match: {proxy: {proxyVersion: '1.*'}}, patch: {operation: MERGE, value: {connect_timeout: 1s}}}")],
        &silent,
    );
    assert!(
        got.not_judged.len() == 1 && got.not_judged[0].contains("`spec.configPatches[0].match.proxy` is not applied: whether it is for this proxy"),
        "{:?}",
        got.not_judged
    );
    let all = translated(&[], &silent).resources;
    for apply_to in ["CLUSTER", "LISTENER", "FILTER_CHAIN", "VIRTUAL_HOST", "HTTP_ROUTE"] {
        let got = translated(
            &[filter_of("f", "", &format!("{{applyTo: {apply_to}, match: {{proxy: {{proxyVersion: '1.*'}}}}, patch: {{operation: REMOVE}}}}"))],
            &silent,
        );
        assert!(got.not_judged.len() == 1 && got.resources == all, "{apply_to}: {:?}", got.not_judged);
    }
}

#[test]
fn rubbish_does_nothing() {
    for patches in [
        "1",
        "{}",
        "{applyTo: HTTP_FILTER}",
        "{applyTo: HTTP_FILTER, patch: {operation: ADD}}",
        "{applyTo: CLUSTER, patch: {operation: NONSENSE, value: {}}}",
        "null",
        "{patch: {operation: MERGE, value: 7}}",
    ] {
        let got = translated(&[filter_of("f", "", patches)], CART);
        assert!(got.not_judged.len() <= 1, "{patches}: {:?}", got.not_judged);
        named(&got.resources, "listeners", "virtualInbound");
    }
    let got = translated(&[filter_of("f", "", "{applyTo: CLUSTER, patch: {operation: MERGE, value: [1, {a: b}]}}")], CART);
    assert_eq!(got.not_judged.len(), 1, "{:?}", got.not_judged);
}
