//! Configuration is swapped again and again under load: no request notices.

use crate::support;
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::control_plane::{self as plane, ControlPlane, all_to, eds_cluster, endpoints, rds_listener, routes};
use support::{Message, Upstream, connect, get};

/// How long configuration is swapped; MESHCTL_SWAP_SECONDS for a longer run.
fn span() -> Duration {
    let seconds = std::env::var("MESHCTL_SWAP_SECONDS").ok().and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connections {
    /// Kept for as long as the proxy keeps them.
    Kept,
    /// A new one for every request.
    New,
}

/// Asks until it is told to stop; the first thing that went wrong.
fn load(address: SocketAddr, connections: Connections, stop: &AtomicBool, answered: &AtomicU64, closed: &AtomicU64) -> Option<String> {
    let mut reader = connect(address);
    while !stop.load(Ordering::Relaxed) {
        let head = b"POST /x HTTP/1.1\r\nhost: a.com\r\ncontent-length: 4\r\n\r\nbody";
        if let Err(e) = reader.stream().write_all(head) {
            return Some(format!("not sent: {e}"));
        }
        let Some(got): Option<Message> = reader.message() else { return Some("no answer: the connection ended".to_owned()) };
        if got.status() != 200 || !matches!(got.text().as_str(), "a" | "b") {
            return Some(format!("{got:?}"));
        }
        answered.fetch_add(1, Ordering::Relaxed);
        let ends = got.header("connection") == Some("close");
        closed.fetch_add(u64::from(ends), Ordering::Relaxed);
        if ends || connections == Connections::New {
            reader = connect(address);
        }
    }
    None
}

/// The configuration of a turn: everything that can change without meaning changes.
fn turn(n: u64, upstreams: [SocketAddr; 2]) -> Vec<(&'static str, Vec<Value>)> {
    let [a, b] = upstreams;
    let mut one = eds_cluster("one");
    one["circuitBreakers"] = json!({"thresholds": [{"maxConnections": 1000 + n % 3}]});
    let extra = format!("extra-{}", n % 5);
    let clusters = vec![one, eds_cluster("two"), eds_cluster(&extra)];
    // Hosts that are there together, or alone.
    let hosts = |n: u64| match n % 3 {
        0 => vec![a],
        1 => vec![b],
        _ => vec![a, b],
    };
    let assignments = vec![endpoints("one", &hosts(n)), endpoints("two", &hosts(n / 2 + 1)), endpoints(&extra, &[a])];
    let mut listener = rds_listener("l", 0, "80");
    // Every third turn its filter chain is another one.
    listener["filterChains"][0]["filters"][0]["typedConfig"]["stat_prefix"] = format!("in-{}", n / 3).into();
    listener["perConnectionBufferLimitBytes"] = json!(1 << 20);
    let mut listeners = vec![listener];
    if n.is_multiple_of(2) {
        listeners.push(rds_listener("other", 0, "80"));
    }
    let target = if n.is_multiple_of(2) { "one" } else { "two" };
    vec![("Cluster", clusters), ("ClusterLoadAssignment", assignments), ("Listener", listeners), ("RouteConfiguration", vec![routes("80", all_to(target))])]
}

fn swaps(api: &str) {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let upstreams = [a.address, b.address];
    let plane = ControlPlane::start();
    plane.give_all(&turn(0, upstreams));
    let bootstrap = mesh_proxy::bootstrap::Bootstrap::new(plane::bootstrap(&plane.address, api)).unwrap_or_else(|e| panic!("{e}"));
    let settings = mesh_proxy::server::Settings { workers: 2, drain: Duration::from_secs(60), ..Default::default() };
    let proxy = mesh_proxy::Proxy::start(bootstrap, &settings).unwrap_or_else(|e| panic!("{e}"));
    let end = Instant::now() + Duration::from_secs(20);
    while proxy.address("l").is_none() {
        assert!(Instant::now() < end, "no listener");
        std::thread::sleep(Duration::from_millis(5));
    }
    let address = proxy.address("l").expect("a listener");
    let (stop, answered, closed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = [Connections::Kept, Connections::Kept, Connections::New]
        .into_iter()
        .map(|connections| {
            let (stop, answered, closed) = (stop.clone(), answered.clone(), closed.clone());
            std::thread::spawn(move || load(address, connections, &stop, &answered, &closed))
        })
        .collect();
    let until = Instant::now() + span();
    let mut n = 0;
    // A busy machine gets longer for the same.
    let enough = |n: u64| answered.load(Ordering::Relaxed) > 200 && closed.load(Ordering::Relaxed) > 2 && n > 20;
    while Instant::now() < until || (!enough(n) && Instant::now() < until + Duration::from_secs(30)) {
        n += 1;
        plane.give_all(&turn(n, upstreams));
        std::thread::sleep(Duration::from_millis(100));
    }
    let last = plane.verdict("RouteConfiguration");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let went_wrong = client.join().expect("a client");
        assert_eq!(went_wrong, None, "{api}: after {} answers", answered.load(Ordering::Relaxed));
    }
    assert_eq!(last, None, "{api}");
    assert!(plane.heard().iter().all(|h| h.error.is_none()), "{api}: something was refused");
    let (answered, closed) = (answered.load(Ordering::Relaxed), closed.load(Ordering::Relaxed));
    assert!(answered > 200 && closed > 2 && n > 20, "{api}: {answered} answers, {closed} connections told to end, {n} swaps");
    // What was counted survived every swap.
    let stats = get(proxy.admin.expect("an admin port"), "/stats?filter=upstream_rq_completed").text();
    let counted: u64 = stats.lines().filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(counted, answered, "{stats}");
}

#[test]
fn no_request_fails_while_configuration_is_swapped() {
    swaps("GRPC");
    swaps("DELTA_GRPC");
}
