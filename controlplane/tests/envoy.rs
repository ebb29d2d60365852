//! Real Envoys that are served from here: they take everything, route by it, speak mutual TLS, and lose no request when it
//! changes.
#![allow(clippy::print_stdout)]

mod support;

use mesh_controlplane::bind::Role;
use mesh_controlplane::places::{Reserved, Wanted};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{application, envoy, get, plane, send, shop, until};

/// The shop with a page and both reviews.
fn a_mesh(is_delta: bool) {
    let Some(program) = envoy() else {
        println!("SKIPPED: no Envoy; .ci/install-components installs it");
        return;
    };
    // A demo that runs beside it is not met.
    let reserved = Reserved::new(if is_delta { Wanted::Any } else { Wanted::Ports }, &[], 100).expect("addresses");
    let plane = plane(shop(), Some(reserved.loopback));
    let (v1, v2) = (plane.place("reviews-v1.shop", Role::Application, 9080), plane.place("reviews-v2.shop", Role::Application, 9080));
    application(v1, "v1");
    application(v2, "v2");
    application(plane.place("page-v1.shop", Role::Application, 9080), "page");
    let page = plane.envoy(&program, "sidecar", "page-v1", "page", &[("app", "page"), ("version", "v1")], is_delta);
    let reviews = plane.envoy(&program, "sidecar", "reviews-v1-7d4-x2", "reviews", &[("app", "reviews"), ("version", "v1")], is_delta);
    let second = plane.envoy(&program, "sidecar", "reviews-v2", "reviews", &[("app", "reviews"), ("version", "v2")], is_delta);
    let gateway = plane.envoy(&program, "router", "gateway", "gateway", &[("istio", "gateway")], is_delta);
    let all = [&page, &reviews, &second, &gateway];
    all.iter().for_each(|e| e.ready());
    let out = plane.place("page-v1.shop", Role::Outbound, 9080);
    until("the first request is answered", || get(out, "/", "reviews:9080").0 == 200);
    assert_eq!(get(out, "/", "reviews").1, "v1");
    assert_eq!(get(out, "/", "reviews.shop.svc.cluster.local").1, "v1");

    // Encrypted both ends, by the right identities, and no other way in.
    assert!(reviews.stat("listener.*ssl.handshake") > 0, "no handshake");
    let inbound = plane.place("reviews-v1.shop", Role::Inbound, 9080);
    assert_eq!(send(inbound, b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n"), "", "plaintext was answered");
    // Who is not the page may not ask: the policy sees the client's identity.
    let other = plane.place("gateway.shop", Role::Inbound, 8080);
    until("the gateway answers", || get(other, "/", "shop.example.com") == (200, "page".to_owned()));
    assert_eq!(get(other, "/", "elsewhere.example.com").0, 404);
    let stranger = plane.place("reviews-v2.shop", Role::Outbound, 9080);
    assert_eq!(get(stranger, "/", "reviews"), (403, "RBAC: access denied".to_owned()));

    // One VirtualService changes: within a second all goes to v2, and no request is lost on the way.
    let traffic = plane.read("traffic.yaml").replace("host: reviews, subset: v1", "host: reviews, subset: v2");
    let done = Arc::new(AtomicBool::new(false));
    let (flag, failed) = (Arc::clone(&done), Arc::new(std::sync::Mutex::new(Vec::new())));
    let failures = Arc::clone(&failed);
    let load = std::thread::spawn(move || {
        while !flag.load(Ordering::Acquire) {
            let answer = get(out, "/", "reviews");
            if answer.0 != 200 {
                failures.lock().expect("a list").push(answer);
            }
        }
    });
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    plane.write("traffic.yaml", &traffic);
    until("v2 answers", || get(out, "/", "reviews").1 == "v2");
    let took = start.elapsed();
    // A new subset, a new cluster: routes to it come when its endpoints are there.
    let canary = traffic
        .replace("- {name: v2, labels: {version: v2}}", "- {name: v2, labels: {version: v2}}\n  - {name: next, labels: {version: v1}}")
        .replace("subset: v2}}]", "subset: next}}]");
    for round in 0..4 {
        plane.write("traffic.yaml", if round % 2 == 0 { &canary } else { &traffic });
        let want = if round % 2 == 0 { "v1" } else { "v2" };
        until("the change is there", || get(out, "/", "reviews").1 == want);
    }
    std::thread::sleep(Duration::from_millis(300));
    done.store(true, Ordering::Release);
    load.join().expect("load");
    let failed = failed.lock().expect("a list").clone();
    assert!(failed.is_empty(), "requests were lost: {failed:?}");
    println!("a changed route took {took:?}");
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 1 }), "{took:?}");

    // Nothing was refused, and the pages say so.
    for e in all {
        assert_eq!(e.rejected(), 0, "{}", e.said());
    }
    until("all is confirmed", || {
        let page = plane.json("/debug/syncz");
        let list = page.as_array().cloned().unwrap_or_default();
        list.len() == 4
            && list
                .iter()
                .all(|p| p["resources"].as_object().is_some_and(|r| r.len() >= 4 && r.values().all(|t| t["sent"] == t["acked"] && t.get("refused").is_none())))
    });
    let said = plane.said();
    assert!(said.is_empty(), "{said:?}");
    let metrics = plane.page("/metrics");
    assert!(metrics.contains("pilot_xds{version=\"unknown\"} 4") && !metrics.contains("pilot_total_xds_rejects{"), "{metrics}");
    let dump = plane.page("/debug/config_dump?proxyID=page-v1.shop");
    assert!(dump.contains("outbound|9080|v2|reviews.shop.svc.cluster.local") && !dump.contains("PRIVATE KEY"));
}

#[test]
fn envoys_take_everything_and_lose_no_request_by_delta() {
    a_mesh(true);
}

#[test]
fn envoys_take_everything_and_lose_no_request_by_state_of_the_world() {
    a_mesh(false);
}
