//! Clusters that misbehave: the answer is a part, in bounded time, and each gap is named.

use crate::common;
use common::Run;
use common::mesh::{Mesh, objects, pod, resource};
use mesh_testserver::apiserver::{Data, Faults};
use serde_json::json;
use std::time::{Duration, Instant};

/// Longer than any bound of these tests, shorter than a hang.
const BOUND: Duration = Duration::from_secs(60);

fn within(mesh: &Mesh, args: &[&str]) -> Run {
    let start = Instant::now();
    let run = mesh.meshctl(args);
    assert!(start.elapsed() < BOUND, "{args:?} took {:?}", start.elapsed());
    run
}

#[test]
fn half_of_the_pods_unreachable_costs_that_half() {
    let mut data = objects();
    data.add(resource("", "v1", "pods", "Pod", (0..10).map(|i| pod("half", &format!("p-{i}"), &format!("w{i}"), &[("istio-proxy", "p:1")])).collect()));
    let dump = mesh_testserver::admin::Admin::start([("/config_dump".to_owned(), common::mesh::page("mesh/proxies/web/web-1/config_dump"))].into())
        .expect("an admin port");
    for i in 0..10 {
        data.forward("half", &format!("p-{i}"), 15000, dump.address());
    }
    let slow = (0..10).step_by(2).map(|i| (format!("/api/v1/namespaces/half/pods/p-{i}/"), Duration::from_secs(120))).collect();
    let mesh = Mesh::with(data, Faults { slow, ..Faults::default() });
    let run = within(&mesh, &["pc", "cluster", "-l", "service.istio.io/canonical-name", "-n", "half", "--kubeclient-timeout", "1s"]);
    assert_eq!(run.status, 75, "{}{}", run.out, run.err);
    for i in 0..10 {
        let (shown, named) = (run.out.contains(&format!("p-{i}.half by port-forward")), run.err.contains(&format!("p-{i}.half is not reached")));
        assert_eq!((shown, named), (i % 2 == 1, i % 2 == 0), "p-{i}: {}{}", run.out, run.err);
    }
    assert!(mesh.server.counts().most_streams_at_once() <= 8);
}

#[test]
fn without_istiod_proxies_still_tell_what_they_hold() {
    let mut data = Data::default();
    data.add(resource("", "v1", "pods", "Pod", vec![pod("shop", "cart-1", "cart", &[("istio-proxy", "p:1")])]));
    let mesh = Mesh::with(data, Faults::default());
    assert_eq!(within(&mesh, &["pc", "cluster", "cart-1"]).status, 0);
    let run = within(&mesh, &["ps"]);
    assert!(run.status == 1 && run.err.contains("no istiod runs in istio-system"), "{}", run.err);
    let run = within(&mesh, &["check"]);
    assert!(run.status == 79 && run.out.contains("✖ no istiod runs in istio-system"), "{}{}", run.out, run.err);
    // An istiod that is there and does not answer.
    let mut faults = Faults::default();
    faults.slow.push(("/api/v1/namespaces/istio-system/pods/istiod-1/".to_owned(), Duration::from_secs(120)));
    let run = within(&Mesh::start(faults), &["ps", "--kubeclient-timeout", "1s"]);
    assert!(run.status == 1 && run.err.contains("istiod-1.istio-system is not reached: by port-forward: no answer within 1 s"), "{}", run.err);
}

#[test]
fn a_server_that_asks_for_patience_or_restarts_is_asked_again() {
    let failing = vec![("/api/v1/namespaces/shop/pods/cart-1".to_owned(), 429, 1), ("/api/v1/namespaces/shop/pods/cart-1".to_owned(), 503, 1)];
    let run = within(&Mesh::start(Faults { failing, ..Faults::default() }), &["pc", "cluster", "cart-1"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let failing = vec![("/api/v1/namespaces/shop/pods/cart-1".to_owned(), 503, 99)];
    let run = within(&Mesh::start(Faults { failing, ..Faults::default() }), &["pc", "cluster", "cart-1"]);
    assert!(run.status == 1 && run.err.contains("503"), "{}", run.err);
    // A list whose place is forgotten is begun anew.
    let mut data = objects();
    data.add(resource("", "v1", "pods", "Pod", (0..600).map(|i| pod("many", &format!("p-{i:03}"), "many", &[("app", "a:1")])).collect()));
    let run = within(&Mesh::with(data, Faults { expired: 1, ..Faults::default() }), &["changes", "--since", "72h"]);
    assert!(!run.err.contains("410"), "{}", run.err);
}

#[test]
fn an_expired_token_says_what_to_do() {
    for args in [&["ps"][..], &["pc", "cluster", "cart-1"], &["check"], &["certs"], &["logs", "cart-1"], &["changes"]] {
        let run = within(&Mesh::start(Faults { token: Some("new".to_owned()), ..Faults::default() }), args);
        assert!(run.status == 1 && run.out.is_empty() && run.err.contains("401") && run.err.contains("log in again"), "{args:?}: {}{}", run.out, run.err);
    }
}

#[test]
fn a_planted_secret_comes_out_of_no_command() {
    let mut data = objects();
    let secrets = json!({"metadata": {"name": "leaky-1", "namespace": "shop", "labels": {"app": "leaky", "service.istio.io/canonical-name": "leaky"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "planted-secret"}},
        "spec": {"containers": [{"name": "leaky", "args": ["--password=planted-secret"], "env": [{"name": "TOKEN", "value": "planted-secret"}]}, {"name": "istio-proxy", "image": "p:1"}]},
        "status": {"phase": "Running"}});
    data.add(resource("", "v1", "pods", "Pod", vec![secrets]));
    data.add(resource(
        "",
        "v1",
        "secrets",
        "Secret",
        vec![json!({"metadata": {"name": "tls", "namespace": "shop"}, "data": {"tls.key": "cGxhbnRlZC1zZWNyZXQ="}})],
    ));
    data.log("shop", "leaky-1", "leaky", &[("2026-11-22T11:39:00Z", "GET /?api_key=planted-secret authorization: Bearer planted-secret")]);
    data.log("shop", "leaky-1", "istio-proxy", &[("2026-11-22T11:39:00Z", "connecting to https://user:planted-secret@db/")]);
    let dump = common::mesh::page("secrets.json").replace("hunter2", "planted-secret");
    let admin = mesh_testserver::admin::Admin::start([("/config_dump".to_owned(), dump)].into()).expect("an admin port");
    data.forward("shop", "leaky-1", 15000, admin.address());
    // Every place that may hold one: code, headers that are set, URLs with userinfo, keys of providers, annotations.
    let lua = "function envoy_on_request(h) h:headers():add('x', 'planted-secret') end";
    let config = |group: &str, version: &str, plural: &str, kind: &str, spec: serde_json::Value| {
        let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "planted-secret"});
        resource(group, version, plural, kind, vec![json!({"metadata": {"name": "leaky", "namespace": "shop", "annotations": annotations}, "spec": spec})])
    };
    data.add(config(
        "networking.istio.io",
        "v1alpha3",
        "envoyfilters",
        "EnvoyFilter",
        json!({"configPatches": [{"applyTo": "HTTP_FILTER", "match": {"context": "SIDECAR_INBOUND"}, "patch": {"operation": "INSERT_BEFORE",
            "value": {"name": "lua", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua", "inlineCode": lua}}}}]}),
    ));
    data.add(config(
        "extensions.istio.io",
        "v1alpha1",
        "wasmplugins",
        "WasmPlugin",
        json!({"url": "oci://user:planted-secret@registry/plugin", "pluginConfig": {"api_key": "planted-secret", "password": "planted-secret"}}),
    ));
    data.add(config(
        "networking.istio.io",
        "v1",
        "virtualservices",
        "VirtualService",
        json!({"hosts": ["leaky"], "http": [{"headers": {"request": {"set": {"authorization": "Bearer planted-secret", "x-api-key": "planted-secret", "cookie": "s=planted-secret"}}},
            "route": [{"destination": {"host": "nowhere"}}]}]}),
    ));
    data.add(resource(
        "",
        "v1",
        "services",
        "Service",
        vec![json!({"metadata": {"name": "leaky", "namespace": "shop"}, "spec": {"selector": {"app": "leaky"}, "ports": [{"name": "http", "port": 80}]}})],
    ));
    let mesh = Mesh::with(data, Faults::default());
    std::fs::write(mesh.dir().join("dump.json"), common::mesh::page("secrets.json").replace("hunter2", "planted-secret")).expect("a file");
    for args in [
        &["check"][..],
        &["check", "-o", "json"],
        &["certs", "leaky-1", "-o", "json"],
        &["certs", "leaky-1"],
        &["logs", "leaky-1"],
        &["logs", "leaky-1", "-o", "json"],
        &["changes", "leaky-1", "--since", "9999h", "-o", "json"],
        &["pc", "all", "leaky-1", "-o", "json"],
        &["pc", "secret", "leaky-1", "-o", "yaml"],
        &["pc", "route", "leaky-1"],
        &["authz", "check", "leaky-1"],
        &["ps", "-o", "json"],
        &["ps", "leaky-1", "-o", "json"],
        &["analyze", "-o", "json"],
        &["analyze", "--all"],
        &["describe", "leaky-1.shop"],
        &["describe", "svc/leaky.shop", "-o", "json"],
        &["why", "-f", "kube", "leaky-1.shop", "http://leaky.shop/", "-o", "json"],
        &["mtls", "-f", "kube", "-o", "json"],
        &["authz", "matrix", "-f", "kube"],
        &["plan", "-f", "kube", "--delete", "VirtualService shop/leaky"],
        &["drift", "-f", "kube", "-f", "dump.json", "-o", "json"],
        &["tui", "kube", "--no-tui"],
        &["version", "-o", "json"],
        &["snapshot", "record", "all.rec", "--from", "kube", "--count", "1"],
        &["snapshot", "bug-report", "--from", "kube", "--out", "all.tar.gz"],
        &["snapshot", "info", "all.rec", "-o", "json"],
        &["analyze", "all.rec", "-o", "json"],
        &["pc", "all", "leaky-1.shop", "--from", "all.rec", "-o", "json"],
    ] {
        let run = within(&mesh, args);
        for planted in ["planted-secret", "cGxhbnRlZC1zZWNyZXQ"] {
            assert!(!run.out.contains(planted) && !run.err.contains(planted), "{args:?}: {}{}", run.out, run.err);
        }
    }
    let recorded = std::fs::read(mesh.dir().join("all.rec")).expect("a recording");
    assert!(!recorded.windows(14).any(|w| w == b"planted-secret"));
    let followed = mesh.start_meshctl(&["logs", "leaky-1", "-f"]);
    followed.until("both logs are there", |out| out.contains("api_key") && out.contains("connecting"));
    assert!(!followed.out().contains("planted-secret"), "{}", followed.out());
    assert!(mesh.server.counts().requests().iter().all(|r| !r.contains("/secrets")));
}
