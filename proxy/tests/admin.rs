//! Pages of the admin port that Envoy's has not: what would become of a request, what became of the last ones, what is never used.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{pair, support};
use mesh_envoy::proto_json::camel_case;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use support::{Upstream, ask, bootstrap, cluster, manager, nobody, start};

fn proxy() -> (mesh_proxy::Proxy, Upstream) {
    let upstream = Upstream::named("ok");
    let mut m = manager(
        json!([{"match": {"prefix": "/gone"}, "name": "gone", "direct_response": {"status": 410}},
            {"match": {"prefix": "/away"}, "name": "away", "route": {"cluster": "away", "retry_policy": {"retry_on": "connect-failure", "num_retries": 1}}},
            {"match": {"prefix": "/old"}, "name": "old", "route": {"cluster": "old"}},
            {"match": {"prefix": "/"}, "name": "rest", "route": {"cluster": "c"}, "metadata": {"filter_metadata": {"istio": {"config": "/apis/x/virtual-service/web"}}}}]),
        None,
    );
    let router = m["http_filters"][0].take();
    let rbac = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"action": "DENY", "policies": {
        "ns[a]-policy[no-deletes]-rule[0]": {"permissions": [{"header": {"name": ":method", "string_match": {"exact": "DELETE"}}}], "principals": [{"any": true}]}}}});
    m["http_filters"] = json!([{"name": "rbac", "typed_config": rbac}, router]);
    let clusters = [cluster("c", &[upstream.address]), cluster("away", &[nobody()]), cluster("old", &[nobody()])];
    (start(bootstrap(&m, &clusters)), upstream)
}

fn why(proxy: &mesh_proxy::Proxy, question: &Value) -> (u16, Value) {
    let got = ask(proxy.admin.expect("an admin port"), "POST /why HTTP/1.1\r\nhost: admin", &question.to_string());
    (got.status(), serde_json::from_str(&got.text()).unwrap_or_else(|_| got.text().into()))
}

#[test]
fn what_is_foretold_is_what_happens() {
    let (proxy, upstream) = proxy();
    let address = proxy.address("l").expect("a listener");
    for (method, path) in [("GET", "/"), ("DELETE", "/"), ("GET", "/gone/x"), ("POST", "/old")] {
        let (status, foretold) = why(&proxy, &json!({"to": address.to_string(), "method": method, "host": "a.com", "path": path}));
        assert_eq!((status, &foretold["complete"]), (200, &json!(true)), "{foretold}");
        let end = &foretold["outcomes"][0];
        let happened = ask(address, &format!("{method} {path} HTTP/1.1\r\nhost: a.com"), "");
        match end["end"].as_str() {
            Some("replied") => assert_eq!(end["status"], json!(happened.status()), "{path}"),
            Some("forwarded") if path == "/" => assert_eq!((end["cluster"].as_str(), happened.text().as_str()), (Some("c"), "ok")),
            Some("forwarded") => assert_eq!(end["cluster"], "old"),
            other => panic!("{other:?}: {foretold}"),
        }
    }
    let (_, denied) = why(&proxy, &json!({"to": address.to_string(), "method": "DELETE", "host": "a.com"}));
    assert!(denied["outcomes"][0]["details"].as_str().is_some_and(|d| d.contains("ns[a]-policy[no-deletes]-rule[0]")), "{denied}");
    let (_, forwarded) = why(&proxy, &json!({"host": "a.com"}));
    let route = forwarded["steps"].as_array().and_then(|s| s.iter().find(|s| s["step"] == "route")).cloned().expect("a route");
    assert_eq!((&route["name"], &route["object"]), (&json!("rest"), &json!("/apis/x/virtual-service/web")));
    assert!(route["passedOver"].as_array().is_some_and(|p| p.len() == 3), "{route}");
    assert_eq!(forwarded["outcomes"][0]["endpoints"][0]["address"], upstream.address.to_string());
}

#[test]
fn questions_that_are_none_are_refused_and_bounded() {
    let (proxy, _upstream) = proxy();
    let admin = proxy.admin.expect("an admin port");
    for (question, wanted) in [
        (json!({"hots": "a"}), "`hots`"),
        (json!({"to": "x"}), "to: ADDRESS:PORT"),
        (json!({"http": "3"}), "http: `3`"),
        (json!([]), "a question is an object"),
    ] {
        let (status, answer) = why(&proxy, &question);
        assert!(status == 400 && answer.as_str().is_some_and(|a| a.contains(wanted)), "{answer}");
    }
    assert_eq!(support::get(admin, "/why").status(), 405);
    assert_eq!(ask(admin, "POST /why HTTP/1.1\r\nhost: a", "{").status(), 400);
    assert_eq!(ask(admin, "POST /why HTTP/1.1\r\nhost: a\r\nconnection: close", &" ".repeat(70_000)).status(), 413);
}

#[test]
fn the_last_requests_tell_what_was_decided() {
    let (proxy, _upstream) = proxy();
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    for path in ["/a?token=secret", "/away", "/gone"] {
        ask(address, &format!("GET {path} HTTP/1.1\r\nhost: a.com"), "");
    }
    // A request is told of when it has ended, a moment after its answer.
    support::until("three requests are told", || support::get(admin, "/requests").text().lines().count() == 3);
    let page = support::get(admin, "/requests?format=json").text();
    let all: Value = serde_json::from_str(&page).expect("JSON");
    let list = all["requests"].as_array().expect("a list");
    let of = |path: &str| list.iter().find(|r| r["path"] == path).unwrap_or_else(|| panic!("{path}: {page}"));
    assert_eq!((list.len(), &of("/a")["route"], &of("/a")["cluster"], &of("/a")["attempts"]), (3, &json!("rest"), &json!("c"), &json!(1)));
    assert_eq!((&of("/away")["flags"], &of("/away")["attempts"], &of("/away")["status"]), (&json!("URX,UF"), &json!(2), &json!(503)));
    assert_eq!((&of("/gone")["status"], &of("/gone")["details"]), (&json!(410), &json!("direct_response")));
    assert!(!page.contains("secret"), "{page}");
    for (query, n) in [("flag=UF", 1), ("status=5xx", 1), ("status=200", 1), ("last=2", 2), ("cluster=c", 1), ("path=%2Faw", 1), ("flag=NR", 0)] {
        assert_eq!(support::get(admin, &format!("/requests?{query}")).text().lines().count(), n, "{query}");
    }
    assert_eq!((support::get(admin, "/requests?last=x").status(), support::get(admin, "/requests?lats=1").status()), (400, 400));
    // Old ones are forgotten.
    let mut client = support::connect(address);
    for _ in 0..300 {
        std::io::Write::write_all(client.stream(), b"GET /gone HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        client.message().expect("an answer");
    }
    assert_eq!(support::get(admin, "/requests?last=1000").text().lines().count(), 256);
}

#[test]
fn what_nothing_came_to_is_named() {
    let (proxy, _upstream) = proxy();
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    let unused = || serde_json::from_str::<Value>(&support::get(admin, "/unused").text()).expect("JSON");
    assert_eq!(unused()["counts"], json!({"listeners": {"unused": 1, "of": 1}, "routes": {"unused": 4, "of": 4}, "clusters": {"unused": 3, "of": 3}}));
    ["/", "/away"].into_iter().for_each(|path| drop(support::get(address, path)));
    let left = unused();
    let names: Vec<&Value> = left["routes"].as_array().expect("a list").iter().map(|r| &r["route"]).collect();
    assert_eq!((names, &left["listeners"]), (vec![&json!("gone"), &json!("old")], &json!([])));
    assert!(left["clusters"].as_array().is_some_and(|c| c.contains(&json!("old")) && !c.contains(&json!("c"))), "{left}");
}

/// Names of fields, at any depth.
fn keys(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, v)| {
            out.insert(key.clone());
            keys(v, out);
        }),
        Value::Array(items) => items.iter().for_each(|v| keys(v, out)),
        _ => {}
    }
}

#[test]
fn dumps_name_their_fields_as_a_real_envoys_do() {
    let upstream = Upstream::named("ok");
    let config = |ports: &[u16], log: &Path| {
        let mut m = manager(json!([{"match": {"prefix": "/"}, "name": "r", "route": {"cluster": "c"}}]), Some(log));
        m["proxy_100_continue"] = json!(true);
        let listener = json!({"name": "l0", "address": support::socket(SocketAddr::from(([127, 0, 0, 1], ports[0]))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]});
        // As a control plane of another language would write it.
        camel_case(json!({"node": {"id": "n", "cluster": "c", "metadata": {"someKey": 1}},
            "static_resources": {"listeners": [listener], "clusters": [cluster("c", &[upstream.address])]}}))
    };
    let Some(pair) = pair::Pair::start(1, config) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let (theirs, ours) = pair.pages("/config_dump");
    let read = |page: &str| serde_json::from_str::<Value>(page).expect("JSON");
    let (theirs, ours) = (read(&theirs), read(&ours));
    for kind in ["BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "RoutesConfigDump"] {
        let of = |dump: &Value| {
            let section =
                dump["configs"].as_array().and_then(|l| l.iter().find(|s| s["@type"].as_str().is_some_and(|t| t.ends_with(&format!("v3.{kind}"))))).cloned();
            let mut out = BTreeSet::new();
            keys(&section.unwrap_or_default(), &mut out);
            out
        };
        let unknown: Vec<String> = of(&ours).difference(&of(&theirs)).cloned().collect();
        assert!(unknown.is_empty(), "{kind}: {unknown:?}");
    }
    let node = &ours["configs"][0]["bootstrap"]["node"];
    assert_eq!((&node["user_agent_name"], &node["metadata"]["someKey"]), (&json!("mesh-proxy"), &json!(1)));
    assert!(node["user_agent_build_version"]["version"].is_object(), "{node}");
}
