//! A small mesh with a fault, by hand.

use super::read::view;
use super::*;

fn key(name: &str) -> Key {
    ("shop".to_owned(), name.to_owned())
}

fn ending(code: &str, flags: &str, rate: f64) -> Ending {
    Ending { code: code.to_owned(), flags: flags.to_owned(), rate, is_failure: code != "200" }
}

fn call(from: &str, to: &str, endings: Vec<Ending>) -> Call {
    let requests: f64 = endings.iter().map(|e| e.rate).sum();
    let failed: f64 = endings.iter().filter(|e| e.is_failure).map(|e| e.rate).sum();
    Call {
        from: key(from),
        to: key(to),
        protocol: "http".to_owned(),
        flow: Flow { requests, failed, p95: Some(20.0), secure: requests, judged: requests, ..Flow::default() },
        health: if failed > 0.0 { Health::Failing } else { Health::Ok },
        endings,
        source_principal: String::new(),
        destination_principal: String::new(),
    }
}

/// web → cart → store, cart → audit: the store's circuit breaker is open, and web sees it as 500.
pub(crate) fn sample() -> Traffic {
    let calls = vec![
        call("cart", "audit", vec![ending("200", "", 9.0)]),
        call("cart", "store", vec![ending("503", "UO", 2.0), ending("200", "", 8.0)]),
        call("web", "cart", vec![ending("500", "", 2.0), ending("200", "", 8.0)]),
    ];
    let mut loads: BTreeMap<Key, Load> = BTreeMap::new();
    for name in ["web", "cart", "store", "audit"] {
        let sum = |side: fn(&Call) -> &Key| calls.iter().filter(|c| *side(c) == key(name)).fold(Flow::default(), |sum, c| sum.and(&c.flow));
        let (inbound, outbound) = (sum(|c| &c.to), sum(|c| &c.from));
        let health = calls.iter().filter(|c| c.to == key(name)).map(|c| c.health).max().unwrap_or(Health::Ok);
        let services = if name == "store" { vec![key("stores")] } else { Vec::new() };
        loads.insert(key(name), Load { kind: "workload", namespace: "shop".to_owned(), inbound, outbound, health, services, ..Load::default() });
    }
    let view = view(GraphType::Workload, &loads, &calls, &|_| String::new());
    Traffic { view, loads, calls, window: Some(600), at: Some(1_795_348_800), span: Some((1_795_341_600, 1_795_348_800)), ..Traffic::default() }
}

/// The same between services: carts → stores.
pub(crate) fn sample_of_services() -> Traffic {
    let calls = vec![call("carts", "stores", vec![ending("503", "UO", 2.0), ending("200", "", 8.0)])];
    let node = |name: &str| (key(name), Load { kind: "service", namespace: "shop".to_owned(), services: vec![key(name)], ..Load::default() });
    let loads: BTreeMap<Key, Load> = ["carts", "stores"].into_iter().map(node).collect();
    let view = view(GraphType::Service, &loads, &calls, &|_| String::new());
    Traffic { graph_type: GraphType::Service, view, loads, calls, ..Traffic::default() }
}

#[test]
fn the_blame_goes_to_where_a_failure_starts() {
    let traffic = sample();
    let objects = |k: &Key| if k.1 == "store" { vec!["DestinationRule shop/stores".to_owned(), "Service shop/stores".to_owned()] } else { Vec::new() };
    let blame = traffic.blame(&key("cart"), &objects).expect("it fails");
    assert_eq!(blame.at, key("store"));
    assert_eq!(blame.what, "20% of 10/s fail: 500");
    assert!(blame.why.starts_with("its calls to store fail with 503 UO: A circuit breaker is open"), "{}", blame.why);
    assert_eq!(blame.objects, ["DestinationRule shop/stores"]);
    let own = traffic.blame(&key("store"), &objects).expect("it fails");
    assert_eq!((own.at, own.what.as_str()), (key("store"), "20% of 10/s fail: 503 UO"));
    assert_eq!(traffic.blame(&key("audit"), &objects), None);
    assert_eq!(traffic.blame(&key("web"), &objects), None, "nobody calls it");
}

#[test]
fn who_is_hurt_and_what_is_behind_a_service() {
    let traffic = sample();
    let hurt: Vec<(usize, String)> = traffic.hurt_by(&key("store")).into_iter().map(|(d, k)| (d, k.1.clone())).collect();
    assert_eq!(hurt, [(1, "cart".to_owned()), (2, "web".to_owned())]);
    assert_eq!(traffic.hurt_by(&key("web")), []);
    assert_eq!(traffic.behind(&key("stores")).map(|(k, _)| k.1.as_str()).collect::<Vec<_>>(), ["store"]);
    assert_eq!(traffic.whole().mtls(), Some(100.0));
    let labels: Vec<&str> = traffic.view.edges().iter().map(|e| e.label.as_str()).collect();
    assert_eq!(labels, ["9.0/s", "20%", "20%"]);
}

#[test]
fn a_ring_of_failures_ends() {
    let fails = |from, to| call(from, to, vec![ending("500", "", 1.0)]);
    let mut traffic = sample();
    traffic.calls = vec![fails("a", "b"), fails("b", "a")];
    traffic.loads = [("a", Load::default()), ("b", Load::default())].into_iter().map(|(n, l)| (key(n), l)).collect();
    let blame = traffic.blame(&key("a"), &|_| Vec::new()).expect("it fails");
    assert_eq!(blame.at, key("b"));
    assert_eq!(traffic.hurt_by(&key("a")).len(), 1);
}
