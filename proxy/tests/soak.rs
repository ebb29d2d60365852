//! The program under load while all that can change does: configuration, certificates, upstreams that are killed. No answer is
//! neither an upstream's nor explained by one that was killed, no connection breaks, and memory stays where it is.
//! `cargo xtask soak` runs it for ten minutes.

// It says what it measured.
#![allow(clippy::print_stderr)]

mod support;

// The other tests' files use the rest.
#[path = "support/pki.rs"]
mod pki;

use pki::{Authority, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::control_plane::{self as plane, ControlPlane, eds_cluster, endpoints, rds_listener, routes};
use support::{Upstream, connect, get, nobody};

/// How long it lasts; MESHCTL_SOAK_SECONDS for a longer run.
fn span() -> Duration {
    let seconds = std::env::var("MESHCTL_SOAK_SECONDS").ok().and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(6))
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nmortal";

/// An upstream on an address of its own that is killed, with all its connections, and comes again.
fn mortal(address: SocketAddr, stop: &AtomicBool, deaths: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(listener) = TcpListener::bind(address) else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        listener.set_nonblocking(true).expect("a socket");
        let born = Instant::now();
        let mut streams: Vec<TcpStream> = Vec::new();
        while born.elapsed() < Duration::from_millis(700) && !stop.load(Ordering::Relaxed) {
            let Ok((stream, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            stream.set_nonblocking(false).expect("a socket");
            streams.push(stream.try_clone().expect("a socket"));
            std::thread::spawn(move || answer(stream));
        }
        drop(listener);
        for stream in streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        deaths.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn answer(mut stream: TcpStream) {
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(n) = stream.read(&mut chunk) {
        if n == 0 {
            return;
        }
        seen.extend_from_slice(&chunk[..n]);
        // All requests of this test have these four bytes as their body.
        while let Some(end) = seen.windows(8).position(|w| w == b"\r\n\r\nbody") {
            seen.drain(..end + 8);
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    /// Answers of the proxy in place of an upstream's.
    failed: AtomicU64,
}

impl Seen {
    fn take(&self, status: u16, body: &str) -> Option<String> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        match (status, body) {
            (200, "a" | "b" | "mortal") => None,
            (503, _) if body.contains("upstream connect error") => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                None
            }
            _ => Some(format!("{status} {body}")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connections {
    Kept,
    New,
}

const REQUEST: &[u8] = b"POST /x HTTP/1.1\r\nhost: a.com\r\ncontent-length: 4\r\n\r\nbody";

/// Asks until it is told to stop; the first thing that went wrong.
fn in_the_clear(address: SocketAddr, connections: Connections, stop: &AtomicBool, seen: &Seen) -> Option<String> {
    let mut reader = connect(address);
    while !stop.load(Ordering::Relaxed) {
        if let Err(e) = reader.stream().write_all(REQUEST) {
            return Some(format!("not sent: {e}"));
        }
        let Some(got) = reader.message() else { return Some("no answer: the connection ended".to_owned()) };
        if let Some(wrong) = seen.take(got.status(), &got.text()) {
            return Some(wrong);
        }
        if got.header("connection") == Some("close") || connections == Connections::New {
            reader = connect(address);
        }
    }
    None
}

/// The same over mTLS, a handshake for each request.
fn encrypted(address: SocketAddr, client: &Client, stop: &AtomicBool, seen: &Seen) -> Option<String> {
    while !stop.load(Ordering::Relaxed) {
        let request = String::from_utf8_lossy(REQUEST).replace("host:", "connection: close\r\nhost:");
        let text = match client.ask(address, "server.example.com", request.as_bytes()) {
            Ok(text) => text,
            Err(e) => return Some(format!("mTLS: {e}")),
        };
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        if let Some(wrong) = seen.take(status, body) {
            return Some(format!("mTLS: {wrong}"));
        }
    }
    None
}

/// A file that others see whole.
fn put(path: &Path, value: &Value) {
    let other = path.with_extension("new");
    std::fs::write(&other, value.to_string()).expect("written");
    std::fs::rename(&other, path).expect("renamed");
}

fn secrets(folder: &Path, authority: &Authority) {
    const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    let leaf = authority.issue("spiffe://cluster.local/ns/default/sa/web", &["server.example.com"]);
    put(&folder.join("default.json"), &json!({"resources": [{"@type": SECRET, "name": "default", "tls_certificate": leaf.config()}]}));
    put(&folder.join("roots.json"), &json!({"resources": [{"@type": SECRET, "name": "roots", "validation_context": authority.validation(None)}]}));
}

/// The configuration of a turn.
fn turn(n: u64, upstreams: [SocketAddr; 3], folder: &Path) -> Vec<(&'static str, Vec<Value>)> {
    let [a, b, mortal] = upstreams;
    let mut one = eds_cluster("one");
    one["circuitBreakers"] = json!({"thresholds": [{"maxConnections": 1000 + n % 3, "maxRetries": 100}]});
    let extra = format!("extra-{}", n % 5);
    let clusters = vec![one, eds_cluster("two"), eds_cluster(&extra)];
    let hosts = |n: u64| match n % 4 {
        0 => vec![a, mortal],
        1 => vec![b],
        2 => vec![a, b],
        _ => vec![a, b, mortal],
    };
    let assignments = vec![endpoints("one", &hosts(n)), endpoints("two", &hosts(n / 2 + 1)), endpoints(&extra, &[a])];
    let log = json!([{"name": "f", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": folder.join("log"),
        "log_format": {"json_format": {"status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "host": "%UPSTREAM_HOST%", "details": "%RESPONSE_CODE_DETAILS%"}}}}]);
    let listener = |name: &str| {
        let mut listener = rds_listener(name, 0, "80");
        let manager = &mut listener["filterChains"][0]["filters"][0]["typedConfig"];
        // Every third turn the filter chain is another one.
        manager["stat_prefix"] = format!("in-{}", n / 3).into();
        manager["access_log"] = log.clone();
        listener
    };
    let mut tls = listener("t");
    let source = |name: &str| json!({"name": name, "sds_config": {"path_config_source": {"path": folder.join(format!("{name}.json"))}}});
    tls["filterChains"][0]["transportSocket"] =
        pki::downstream(&json!({"tls_certificate_sds_secret_configs": [source("default")], "validation_context_sds_secret_config": source("roots")}));
    let target = if n.is_multiple_of(2) { "one" } else { "two" };
    let policy = json!({"retryOn": "connect-failure,refused-stream,reset", "numRetries": 2, "retryBackOff": {"baseInterval": "0.005s"},
        "hostSelectionRetryMaxAttempts": 5,
        "retryHostPredicate": [{"name": "p", "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]});
    let all = json!([{"match": {"prefix": "/"}, "route": {"cluster": target, "retryPolicy": policy}}]);
    vec![("Cluster", clusters), ("ClusterLoadAssignment", assignments), ("Listener", vec![listener("l"), tls]), ("RouteConfiguration", vec![routes("80", all)])]
}

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn start(bootstrap: &Value, folder: &Path) -> (Program, SocketAddr) {
        let (file, admin) = (folder.join("bootstrap.json"), folder.join("admin"));
        std::fs::write(&file, bootstrap.to_string()).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-proxy"));
        command.arg("-c").arg(&file).arg("--admin-address-path").arg(&admin).args(["--concurrency", "2", "--drain-time-s", "60", "-l", "warning"]);
        let program = Program(command.stdin(Stdio::null()).spawn().expect("it runs"));
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(address) = std::fs::read_to_string(&admin).ok().and_then(|t| t.parse().ok()) {
                return (program, address);
            }
            assert!(Instant::now() < end, "it does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    /// Memory in use, KiB.
    fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        text.lines().find_map(|l| l.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

fn listeners(admin: SocketAddr) -> [SocketAddr; 2] {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let page = get(admin, "/listeners").text();
        let of = |name: &str| page.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix("::")?.parse().ok());
        if let (Some(plain), Some(tls)) = (of("l"), of("t")) {
            return [plain, tls];
        }
        assert!(Instant::now() < end, "no listeners: {page}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every answer that was not an upstream's is explained by the one that was killed.
fn unexplained(log: &PathBuf, mortal: SocketAddr) -> (u64, Vec<String>) {
    let (mut failed, mut bad) = (0, Vec::new());
    for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        if entry["status"] == 200 {
            continue;
        }
        failed += 1;
        let flags = entry["flags"].as_str().unwrap_or("");
        let is_killed = flags.split(',').any(|f| matches!(f, "UF" | "UC")) && entry["host"] == mortal.to_string();
        if !is_killed {
            bad.push(line.to_owned());
        }
    }
    (failed, bad)
}

#[test]
fn nothing_is_lost_while_everything_changes() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path();
    let (a, b, third) = (Upstream::named("a"), Upstream::named("b"), nobody());
    let upstreams = [a.address, b.address, third];
    let authority = Authority::new("mesh");
    secrets(folder, &authority);
    let plane = ControlPlane::start();
    plane.give_all(&turn(0, upstreams, folder));
    let (program, admin) = Program::start(&plane::bootstrap(&plane.address, "DELTA_GRPC"), folder);
    assert_eq!(plane.verdict("Listener"), None);
    let [plain, tls] = listeners(admin);
    let (stop, seen, deaths) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()), Arc::new(AtomicU64::new(0)));
    let killed = {
        let (stop, deaths) = (stop.clone(), deaths.clone());
        std::thread::spawn(move || mortal(third, &stop, &deaths))
    };
    let leaf = authority.issue("spiffe://cluster.local/ns/default/sa/client", &["client.example.com"]);
    let client = Arc::new(Client::new(&authority, Some(&leaf), &["http/1.1"]));
    let mut clients: Vec<_> = [Connections::Kept, Connections::Kept, Connections::New]
        .into_iter()
        .map(|connections| {
            let (stop, seen) = (stop.clone(), seen.clone());
            std::thread::spawn(move || in_the_clear(plain, connections, &stop, &seen))
        })
        .collect();
    clients.push({
        let (stop, seen) = (stop.clone(), seen.clone());
        std::thread::spawn(move || encrypted(tls, &client, &stop, &seen))
    });
    let (start, span) = (Instant::now(), span());
    let (mut n, mut memory) = (0, BTreeMap::new());
    while start.elapsed() < span {
        n += 1;
        plane.give_all(&turn(n, upstreams, folder));
        if n.is_multiple_of(10) {
            secrets(folder, &authority);
            plane.forget();
            a.take();
            b.take();
            memory.insert(start.elapsed().as_secs(), program.memory());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    stop.store(true, Ordering::Relaxed);
    killed.join().expect("an upstream");
    for client in clients {
        let wrong = client.join().expect("a client");
        assert_eq!(wrong, None, "after {} answers", seen.answered.load(Ordering::Relaxed));
    }
    // Lines are written once a second.
    std::thread::sleep(Duration::from_millis(1500));
    let (failed, bad) = unexplained(&folder.join("log"), third);
    let (answered, told) = (seen.answered.load(Ordering::Relaxed), seen.failed.load(Ordering::Relaxed));
    assert!(bad.is_empty(), "{} answers are not explained by an upstream that was killed: {:#?}", bad.len(), &bad[..bad.len().min(5)]);
    assert_eq!(failed, told, "answers of the proxy in the log, and at clients");
    assert!(answered > 200 && deaths.load(Ordering::Relaxed) > 2, "{answered} answers, {} deaths", deaths.load(Ordering::Relaxed));
    // The first third may still fill caches and pools.
    let of = |from: u64, to: u64| memory.range(from..to).map(|(_, kib)| *kib).max();
    let (whole, third_of) = (span.as_secs() + 1, span.as_secs() / 3 + 1);
    if let (Some(early), Some(late)) = (of(0, third_of), of(third_of, whole)) {
        assert!(late < early + early / 4 + 4096, "memory grows: {memory:?} KiB");
    }
    let last = memory.values().last().copied().unwrap_or(0);
    eprintln!("{n} configurations, {answered} answers, {told} of them for want of an upstream, {} deaths, {last} KiB", deaths.load(Ordering::Relaxed));
}
