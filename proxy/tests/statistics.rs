//! Names of statistics and the labels that Prometheus gets, of a real Envoy and of mesh-proxy with the same bootstrap.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{pair, support};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use support::{Upstream, cluster, get};

/// What Istio's agent writes (1.30), without what is about histograms.
fn istio() -> Value {
    let tag = |name: &str, regex: &str| json!({"tag_name": name, "regex": regex});
    json!({"use_all_default_tags": false, "stats_tags": [
        tag("cluster_name", r"^cluster(\.(.+);)"),
        tag("http_conn_manager_prefix", r"^http\.(((?:[_.[:digit:]\w]*|[_\[\]aAbBcCdDeEfF[:digit:]\w\:]*));\.)"),
        tag("thread_name", r"^server(\.(.+))\.watchdog"),
        tag("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
        tag("response_code", r"_rq(_(\d{3}))$"),
        tag("response_code_class", r"_rq(_(\dxx))$"),
        tag("http_conn_manager_listener_prefix", r"^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)"),
        tag("listener_address", r"^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)"),
        tag("mongo_prefix", r"^mongo\.(.+?)\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$"),
        tag("cache", r"(cache\.(.+?)\.)"),
        tag("component", r"(component\.(.+?)\.)"),
        tag("tag", r"(tag\.(.+?);\.)"),
        tag("wasm_filter", r"(wasm_filter\.(.+?)\.)"),
        tag("authz_enforce_result", r"rbac(\.(allowed|denied))"),
        tag("authz_dry_run_action", r"(\.istio_dry_run_(allow|deny)_)"),
        tag("authz_dry_run_result", r"(\.shadow_(allowed|denied))"),
    ]})
}

fn filter(kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.{kind}"));
    json!({"name": kind, "typed_config": config})
}

/// Two listeners, of HTTP and of TCP, with limits and policies. Names end as Istio's do where `end` says so.
fn bootstrap(ports: &[u16], up: SocketAddr, stats: &Value, end: &str) -> Value {
    let any = json!({"permissions": [{"any": true}], "principals": [{"any": true}]});
    let always = json!({"default_value": {"numerator": 100}});
    let bucket = json!({"max_tokens": 3, "fill_interval": "36000s"});
    let mut m = support::manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "outbound|80||a.svc"}}]), None);
    m["stat_prefix"] = json!(format!("inbound_0_80{end}"));
    let filters = m["http_filters"].as_array_mut().expect("a list");
    filters.insert(
        0,
        filter(
            "http.rbac.v3.RBAC",
            json!({"rules": {"action": "ALLOW", "policies": {"p": any}}, "shadow_rules": {"action": "DENY", "policies": {"p": any}}, "shadow_rules_stat_prefix": "istio_dry_run_deny_"}),
        ),
    );
    filters.insert(
        0,
        filter(
            "http.local_ratelimit.v3.LocalRateLimit",
            json!({"stat_prefix": "limiter", "token_bucket": bucket, "filter_enabled": always, "filter_enforced": always}),
        ),
    );
    let tcp = json!({"stat_prefix": "outbound_tcp", "cluster": "outbound|80||a.svc"});
    let chains = [
        vec![filter("network.http_connection_manager.v3.HttpConnectionManager", m)],
        vec![
            filter("network.rbac.v3.RBAC", json!({"stat_prefix": "tcp.", "rules": {"action": "ALLOW", "policies": {"p": any}}})),
            filter("network.connection_limit.v3.ConnectionLimit", json!({"stat_prefix": "few", "max_connections": 100})),
            filter("network.tcp_proxy.v3.TcpProxy", tcp),
        ],
    ];
    let listener = |(i, (filters, port)): (usize, (&Vec<Value>, &u16))| {
        let address = support::socket(SocketAddr::from(([127, 0, 0, 1], *port)));
        json!({"name": format!("l{i}"), "stat_prefix": format!("127.0.0.1_{i}"), "address": address, "filter_chains": [{"filters": filters}]})
    };
    let mut c = cluster("outbound|80||a.svc", &[up]);
    c["alt_stat_name"] = json!(format!("outbound|80||a:svc{end}"));
    json!({"stats_config": stats, "static_resources": {"listeners": chains.iter().zip(ports).enumerate().map(listener).collect::<Vec<_>>(), "clusters": [c]}})
}

/// Series of a page: a family with its labels, sorted, and the value.
fn series(page: &str) -> BTreeMap<String, String> {
    let read = |line: &str| -> Option<(String, String)> {
        let (name, value) = line.rsplit_once(' ')?;
        let (family, labels) = name.split_once('{').map(|(f, l)| (f, l.trim_end_matches('}'))).unwrap_or((name, ""));
        let labels: BTreeSet<&str> = labels.split(',').filter(|l| !l.is_empty()).collect();
        Some((format!("{family}{labels:?}"), value.to_owned()))
    };
    page.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).filter_map(read).collect()
}

/// Families whose values are compared: those of requests. Connections were made to Envoy to see whether it listens; it counts those
/// of TCP in `upstream_rq_total` as well.
const COMPARED: &[&str] = &[
    "envoy_cluster_upstream_rq",
    "envoy_cluster_upstream_rq_xx",
    "envoy_cluster_upstream_rq_completed",
    "envoy_cluster_membership_healthy",
    "envoy_cluster_membership_total",
    "envoy_http_downstream_rq",
    "envoy_http_downstream_rq_xx",
    "envoy_http_downstream_rq_total",
    "envoy_http_rbac",
    "envoy_http_rbac_allowed",
    "envoy_http_rbac_shadow_denied",
    "envoy_http_local_rate_limit_enabled",
    "envoy_http_local_rate_limit_ok",
    "envoy_http_local_rate_limit_rate_limited",
    "envoy_limiter_http_local_rate_limit_ok",
    "envoy_tcp_rbac_allowed",
    "envoy_tcp_rbac",
];

fn compare(stats: &Value, end: &str) {
    let up = Upstream::named("x");
    let start = |ports: &[u16], _: &Path| bootstrap(ports, up.address, stats, end);
    let Some(pair) = pair::Pair::start(2, start) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    for listener in [0, 0, 0, 0, 1] {
        let (there, here) = pair.at(listener);
        assert_eq!(get(there, "/").status(), get(here, "/").status());
    }
    let pages = || {
        let (theirs, ours) = pair.pages("/stats/prometheus");
        (series(&theirs), series(&ours))
    };
    let (theirs, ours) = pages();
    // Every series of ours that has counted has one of Envoy's, called the same.
    let own = |name: &str| ["istio_build", "envoy_server_", "envoy_access_logs_", "envoy_overload"].iter().any(|p| name.starts_with(p));
    let unknown: Vec<&String> = ours.iter().filter(|(name, value)| *value != "0" && !own(name) && !theirs.contains_key(*name)).map(|(name, _)| name).collect();
    assert!(unknown.is_empty(), "Envoy has no {unknown:#?}\nbut {:#?}", theirs.keys().filter(|k| k.contains("rq") || k.contains("rbac")).collect::<Vec<_>>());
    let is_compared = |name: &str| name.split_once('{').is_some_and(|(family, _)| COMPARED.contains(&family));
    let names: Vec<&String> =
        theirs.iter().filter(|(name, value)| is_compared(name) && *value != "0" && ours.contains_key(*name)).map(|(name, _)| name).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert_eq!((name, theirs.get(name)), (name, ours.get(name)));
    }
}

#[test]
fn with_istios_bootstrap_dashboards_find_their_labels() {
    compare(&istio(), ";");
}

#[test]
fn without_one_the_labels_are_envoys_own() {
    compare(&json!({}), "");
}

/// The numbers of a page of text, by their names.
fn numbers(page: &str) -> BTreeMap<&str, &str> {
    page.lines().filter_map(|l| l.split_once(": ")).collect()
}

#[test]
fn what_the_bootstrap_leaves_out_is_not_shown() {
    let up = Upstream::named("x");
    let patterns = json!({"patterns": [{"prefix": "server."}, {"suffix": "upstream_rq_total"}, {"exact": "listener_manager.workers_started"},
        {"safe_regex": {"regex": ".*downstream_rq_[25]xx"}}, {"contains": "rbac"}]});
    for matcher in [json!({"inclusion_list": patterns}), json!({"exclusion_list": patterns}), json!({"reject_all": true})] {
        let start = |ports: &[u16], _: &Path| bootstrap(ports, up.address, &json!({"stats_matcher": matcher}), "");
        let Some(pair) = pair::Pair::start(2, start) else {
            eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
            return;
        };
        let (there, here) = pair.at(0);
        assert_eq!(get(there, "/").status(), get(here, "/").status());
        let (theirs, ours) = pair.pages("/stats");
        let (theirs, ours) = (numbers(&theirs), numbers(&ours));
        for name in [
            "server.live",
            "server.state",
            "listener_manager.workers_started",
            "cluster.outbound|80||a_svc.upstream_rq_total",
            "cluster.outbound|80||a_svc.upstream_cx_total",
            "http.inbound_0_80.downstream_rq_2xx",
            "http.inbound_0_80.downstream_rq_4xx",
            "http.inbound_0_80.rbac.allowed",
        ] {
            assert_eq!((name, ours.contains_key(name)), (name, theirs.contains_key(name)), "{matcher}");
        }
    }
}

#[test]
fn choices_in_panic_are_counted() {
    let up = Upstream::named("x");
    let config = |ports: &[u16], health: &str| {
        let mut bootstrap = bootstrap(ports, up.address, &json!({}), "");
        let hosts = &mut bootstrap["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"];
        let mut more = hosts[0].clone();
        more["health_status"] = json!(health);
        *hosts = json!([hosts[0], more, more, more]);
        bootstrap["static_resources"]["clusters"][0]["load_assignment"]["policy"] = json!({"overprovisioning_factor": 100});
        bootstrap
    };
    for (health, wanted) in [("UNHEALTHY", 3), ("HEALTHY", 0)] {
        let Some(pair) = pair::Pair::start(2, |ports, _| config(ports, health)) else {
            eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
            return;
        };
        let (there, here) = pair.at(0);
        let panics = || {
            let of = |page: String| numbers(&page).get("cluster.outbound|80||a_svc.lb_healthy_panic").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            let (theirs, ours) = pair.pages("/stats");
            [of(theirs), of(ours)]
        };
        // Envoy was asked for connections before, to see whether it listens.
        let before = panics();
        for _ in 0..3 {
            assert_eq!(get(there, "/").status(), get(here, "/").status());
        }
        let after = panics();
        assert_eq!([after[0] - before[0], after[1] - before[1]], [wanted, wanted], "{health}");
    }
}
