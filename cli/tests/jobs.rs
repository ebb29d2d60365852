//! The ten jobs of somebody who looks for a fault: each from the first screen in at most eight keys, on three meshes with
//! different answers.

use crate::common;
use common::meshctl;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A mesh: the arguments that open it.
struct Mesh {
    arguments: Vec<String>,
    _dir: Option<tempfile::TempDir>,
}

/// The recording of Bookinfo: its configuration, three of its proxies, and its traffic.
fn bookinfo() -> Mesh {
    let arguments = ["testdata/recorded/bookinfo", "--series", "testdata/traffic/bookinfo.json"];
    Mesh { arguments: arguments.map(str::to_owned).to_vec(), _dir: None }
}

/// Requests from a workload to another one.
struct Call<'c> {
    from: &'c str,
    to: &'c str,
    service: &'c str,
    namespace: &'c str,
    code: &'c str,
    flags: &'c str,
    rate: f64,
    policy: &'c str,
}

impl Call<'_> {
    /// As both proxies report it; over time where `minutes` are given.
    fn series(&self, minutes: Option<i64>) -> Vec<Value> {
        let Call { from, to, service, namespace: ns, code, flags, rate, policy } = self;
        let report = |reporter: &str, policy: &str| {
            let labels = json!({
                "reporter": reporter, "source_cluster": "c", "source_workload_namespace": ns, "source_workload": from,
                "source_canonical_service": from, "source_canonical_revision": "v1", "source_principal": format!("spiffe://cluster.local/ns/{ns}/sa/{from}"),
                "destination_cluster": "c", "destination_service_namespace": ns, "destination_service": format!("{service}.{ns}.svc.cluster.local"),
                "destination_service_name": service, "destination_workload_namespace": ns, "destination_workload": to,
                "destination_canonical_service": service, "destination_canonical_revision": "v1",
                "destination_principal": format!("spiffe://cluster.local/ns/{ns}/sa/{to}"), "request_protocol": "http", "response_code": code,
                "response_flags": flags, "connection_security_policy": policy
            });
            match minutes {
                None => json!({"metric": "istio_requests_total", "labels": labels, "rate": rate}),
                Some(minutes) => {
                    let values: Vec<(i64, f64)> = (0..=minutes).map(|m| (NOW - (minutes - m) * 60, m as f64 * 60.0 * rate)).collect();
                    json!({"metric": "istio_requests_total", "labels": labels, "values": values})
                }
            }
        };
        vec![report("destination", policy), report("source", "unknown")]
    }
}

/// 2026-11-22T12:00:00Z.
const NOW: i64 = 1_795_348_800;

/// 25 namespaces of 20 workloads; each calls the next of its namespace. `n7/w3` has an open circuit breaker, `n3/w5` has a
/// canary that gets more than it should, and one VirtualService leads nowhere.
fn large() -> Mesh {
    let mut series = Vec::new();
    for n in 0..25 {
        let namespace = format!("n{n}");
        for w in 0..20 {
            let (from, to, service) = (format!("w{w}-v1"), format!("w{}-v1", (w + 1) % 20), format!("w{}", (w + 1) % 20));
            let mut call = |to: &str, code: &str, flags: &str, rate: f64| {
                let policy = if (n, w) == (9, 4) { "none" } else { "mutual_tls" };
                let call = Call { from: &from, to, service: &service, namespace: &namespace, code, flags, rate, policy };
                series.extend(call.series(None));
            };
            match (n, w) {
                (_, 19) => {}
                (7, 2) => {
                    call(&to, "200", "-", 8.0);
                    call(&to, "503", "UO", 2.0);
                }
                (3, 4) => {
                    call(&to, "200", "-", 7.0);
                    call("w5-v2", "200", "-", 3.0);
                }
                _ => call(&to, "200", "-", 10.0),
            }
        }
    }
    let manifests = "
apiVersion: v1
kind: Namespace
metadata: {name: n3, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: w5, namespace: n3, creationTimestamp: \"2026-11-20T12:00:00Z\"}
spec: {selector: {app: w5}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w5-v1, namespace: n3}
spec: {selector: {matchLabels: {app: w5, version: v1}}, template: {metadata: {labels: {app: w5, version: v1}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w5-v2, namespace: n3}
spec: {selector: {matchLabels: {app: w5, version: v2}}, template: {metadata: {labels: {app: w5, version: v2}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: w5, namespace: n3}
spec: {host: w5, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: w5, namespace: n3, creationTimestamp: \"2026-11-22T11:40:00Z\"}
spec: {hosts: [w5], http: [{route: [{destination: {host: w5, subset: v1}, weight: 90}, {destination: {host: w5, subset: v2}, weight: 10}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken, namespace: n3}
spec: {hosts: [nobody], http: [{route: [{destination: {host: w5, subset: v9}}]}]}
";
    mesh(&json!({"clusterName": "c", "series": series}), manifests, &["testdata/dumps/mesh", "testdata/dumps/secrets.json"])
}

/// Three workloads that do as they should, for two hours.
fn healthy() -> Mesh {
    let call = |from, to, service| Call { from, to, service, namespace: "shop", code: "200", flags: "-", rate: 5.0, policy: "mutual_tls" };
    let calls = [call("web", "cart", "cart"), call("cart", "store", "store")];
    let series: Vec<Value> = calls.iter().flat_map(|c| c.series(Some(120))).collect();
    let manifests = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}, creationTimestamp: \"2026-01-01T00:00:00Z\"}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {selector: {matchLabels: {app: cart, version: v1}}, template: {metadata: {labels: {app: cart, version: v1}}, spec: {containers: [{name: a, image: \"a:1\"}]}}}
";
    mesh(&json!({"clusterName": "c", "series": series}), manifests, &["testdata/recorded/bookinfo/envoy/productpage-v1-79f59ff6bd-b7wxt"])
}

fn mesh(series: &Value, manifests: &str, others: &[&str]) -> Mesh {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::create_dir(dir.path().join("k8s")).expect("a folder");
    common::write(dir.path(), &[("series.json", &series.to_string()), ("k8s/mesh.yaml", manifests)]);
    let mut arguments = vec![at("k8s"), "--series".to_owned(), at("series.json")];
    arguments.extend(others.iter().map(|o| (*o).to_owned()));
    Mesh { arguments, _dir: Some(dir) }
}

/// What stands on the screen once keys were typed.
fn screen(mesh: &Mesh, keys: &str) -> String {
    assert!(keys.split_whitespace().count() <= 8, "more than eight keys: {keys}");
    let mut arguments: Vec<&str> = vec!["tui", "--now", "2026-11-22T12:00:00Z", "--picture", "-", "--size", "160x50", "--keys", keys];
    arguments.extend(mesh.arguments.iter().map(String::as_str));
    let run = meshctl(&root(), &arguments);
    assert_eq!(run.status, 0, "{}", run.err);
    run.out
}

/// A job: keys, and what the screen must say then.
struct Job {
    what: &'static str,
    keys: &'static str,
    answer: &'static [&'static str],
}

const fn job(what: &'static str, keys: &'static str, answer: &'static [&'static str]) -> Job {
    Job { what, keys, answer }
}

fn done(mesh: &Mesh, jobs: &[Job]) {
    let mut screens: BTreeMap<&str, String> = BTreeMap::new();
    for Job { what, keys, answer } in jobs {
        let screen = screens.entry(keys).or_insert_with(|| screen(mesh, keys));
        for part in *answer {
            assert!(screen.contains(part), "{what}: `{part}` is not there after `{keys}`:\n{screen}");
        }
    }
}

#[test]
fn a_mesh_with_a_fault_on_purpose() {
    done(
        &bookinfo(),
        &[
            job("which service fails, and why", "enter", &["LIKELY CAUSE", "is ejected for its errors"]),
            job("is traffic encrypted", "", &["mTLS 65%"]),
            job("who calls ratings", "ctrl-p r a t i n enter", &["CALLED BY 3", "bookinfo/reviews-v3"]),
            job("did the canary get its share", "ctrl-p / r e v enter", &["reviews-v2", "14% of it (routes say 20%)"]),
            job("which proxy is out of date", "6", &["resources differ from what they say"]),
            job("which certificate expires next", "7", &["Certificates by expiry", "23h 52m istio-ing"]),
            job("why 503 here", "2 enter", &["503 URX,UF", "The connection to the upstream could not be made"]),
            job("what changed since an hour", "7", &["not available: no source says what was an hour ago"]),
            job("who would be hurt if ratings stops", "ctrl-p r a t i n enter", &["HURT IF IT STOPS 5", "istio-system/istio-ingressgateway"]),
            job("which manifest is wrong", "4", &["0 errors", "MSH0202"]),
        ],
    );
}

#[test]
fn a_mesh_of_five_hundred_workloads() {
    done(
        &large(),
        &[
            job("which service fails, and why", "enter", &["n7", "w3-v1", "503 UO", "A circuit breaker is open"]),
            job("is traffic encrypted", "", &["mTLS >99%"]),
            job("which of it is not", "2 f p l a i n enter", &["found 0 nodes 1 edges"]),
            job("who calls it", "enter", &["CALLED BY 1", "n7/w2-v1"]),
            job("did the canary get its share", "ctrl-p n 3 / w 5 enter", &["w5-v2", "30% of it", "routes say 10%"]),
            job("which proxy is out of date", "7", &["0 of 2 proxies have what was sent", "cart-1.shop  LDS STALE", "web-1.web  CDS STALE"]),
            job("which certificate expires next", "7", &["Certificates by expiry"]),
            job("why 503 here", "2 enter", &["503 UO"]),
            job("what changed since an hour", "7", &["VirtualService n3/w5", "was made", "20m ago"]),
            job("who would be hurt if it stops", "enter", &["HURT IF IT STOPS 3", "over 2 others"]),
            job("which manifest is wrong", "4", &["IST0101", "v9"]),
        ],
    );
}

#[test]
fn a_mesh_where_nothing_is_wrong() {
    done(
        &healthy(),
        &[
            job("which service fails, and why", "enter", &["Nothing that these sources show."]),
            job("is traffic encrypted", "", &["mTLS 100%"]),
            job("who calls cart", "ctrl-p c a r t enter", &["CALLED BY 1", "shop/web"]),
            job("did the canary get its share", "ctrl-p c a r t enter", &["cart"]),
            job("which proxy is out of date", "", &["1 proxies, 0 in trouble"]),
            job("which certificate expires next", "7", &["Certificates by expiry", "productpage"]),
            job("why 503 here", "ctrl-p c a r t enter", &["100%"]),
            job("what changed since an hour", "7", &["Nothing that these sources show."]),
            job("who would be hurt if store stops", "ctrl-p s t o r e enter", &["HURT IF IT STOPS 2"]),
            job("which manifest is wrong", "4", &["0 errors"]),
        ],
    );
}
