//! The same listeners at a real Envoy and at mesh-proxy, the same bytes sent to both, and what differs in what clients read and
//! what logs tell.

use super::envoy;
use super::support;
use mesh_proxy::Proxy;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a client does; then it reads to the end.
#[derive(Clone, Debug)]
pub enum Step {
    Send(String),
    /// Reads until these bytes came, or the peer closed.
    Until(&'static str),
    Pause(Duration),
}

pub struct Case {
    pub listener: &'static str,
    pub name: &'static str,
    pub steps: Vec<Step>,
    /// Lines of the log that it leads to.
    pub lines: usize,
}

/// What is compared beside what every differential test compares.
const OPERATORS: &[(&str, &str)] = &[
    ("method", "%REQ(:METHOD)%"),
    ("remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("grpc", "%GRPC_STATUS%"),
    ("grpc_snake", "%GRPC_STATUS(SNAKE_STRING)%"),
    ("grpc_number", "%GRPC_STATUS_NUMBER%"),
    ("host_name", "%UPSTREAM_HOST_NAME%"),
    ("cluster_name", "%UPSTREAM_CLUSTER%"),
    ("parameter", "%QUERY_PARAM(q)%"),
    ("again", "%REQUEST_HEADER(x-no?:path)% %RESPONSE_HEADER(x-no?x-c)%"),
    ("trailers", "%TRAILER(x-no?x-last)% %RESPONSE_TRAILER(x-last)% %RESPONSE_TRAILERS_BYTES%"),
    ("variable", "%ENVIRONMENT(NO_SUCH_VARIABLE)%"),
];

pub fn log(path: &Path) -> Value {
    support::with_operators(envoy::access_log(path), &[support::OF_TRAFFIC, OPERATORS])
}

/// Connection managers by the names of their listeners.
fn bootstrap(managers: &[(&'static str, Value)], clusters: &[Value], ports: &[u16], path: &Path) -> Value {
    let listener = |((name, manager), port): (&(&str, Value), &u16)| {
        let mut manager = manager.clone();
        manager["access_log"] = log(path);
        // Envoy waits a second before it closes, otherwise.
        manager["delayed_close_timeout"] = json!("0.05s");
        json!({"name": name, "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]})
    };
    json!({"static_resources": {"listeners": managers.iter().zip(ports).map(listener).collect::<Vec<_>>(), "clusters": clusters}})
}

/// Goes through a case at a port.
pub fn play(case: &Case, port: u16) -> (envoy::Client, String) {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let address = stream.local_addr().expect("an address");
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    for step in &case.steps {
        match step {
            Step::Send(text) => drop(stream.write_all(text.as_bytes())),
            Step::Pause(span) => std::thread::sleep(*span),
            Step::Until(text) => {
                while !String::from_utf8_lossy(&seen).contains(text) {
                    match stream.read(&mut chunk) {
                        Ok(n) if n > 0 => seen.extend_from_slice(&chunk[..n]),
                        _ => break,
                    }
                }
            }
        }
    }
    let _ = stream.read_to_end(&mut seen);
    (envoy::Client { address, port }, String::from_utf8_lossy(&seen).into_owned())
}

/// What can be compared of a client's view: lines, but for what is of the moment, in order within each head.
fn comparable(text: &str) -> String {
    let steady = |l: &&str| !["date:", "x-envoy-upstream-service-time:"].iter().any(|p| l.to_ascii_lowercase().starts_with(p));
    let mut parts = Vec::new();
    for part in text.split("\r\n\r\n") {
        let mut lines: Vec<&str> = part.split("\r\n").filter(steady).collect();
        if let Some(rest) = lines.get_mut(1..) {
            rest.sort_unstable();
        }
        parts.push(lines.join("|"));
    }
    parts.join("\n      ")
}

/// The last line of each connection, once there are all of them.
pub fn lines(path: &Path, clients: &[(envoy::Client, usize)]) -> BTreeMap<String, Value> {
    let until = Instant::now() + Duration::from_secs(30);
    let port = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in lines {
            found.entry(format!("{} to {}", line["peer"].as_str().unwrap_or(""), port(&line["local"]))).or_default().push(line);
        }
        if clients.iter().all(|(c, n)| found.get(&c.key()).is_some_and(|l| l.len() >= *n)) || Instant::now() > until {
            return found.into_iter().filter_map(|(key, mut list)| Some((key, list.pop()?))).collect();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Both, with the same listeners, each with a log of its own.
pub struct Both {
    /// It stops when it is dropped, before its folder goes.
    _real: envoy::Envoy,
    proxy: Proxy,
    names: Vec<&'static str>,
    ports: Vec<u16>,
    logs: [PathBuf; 2],
    _scratch: tempfile::TempDir,
}

impl Both {
    /// `None` without an Envoy.
    pub fn start(managers: &[(&'static str, Value)], clusters: &[Value]) -> Option<Both> {
        let program = envoy::find()?;
        let (folder, scratch) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let logs = [scratch.path().join("envoy.log"), scratch.path().join("ours.log")];
        let ports = mesh_testserver::ports::free(managers.len());
        let real = envoy::Envoy::start(&program, folder, &bootstrap(managers, clusters, &ports, &logs[0]), &ports);
        let proxy = support::start(bootstrap(managers, clusters, &vec![0; ports.len()], &logs[1]));
        Some(Both { _real: real, proxy, names: managers.iter().map(|(name, _)| *name).collect(), ports, logs, _scratch: scratch })
    }
    /// The ports of a listener, Envoy's and mesh-proxy's.
    pub fn ports(&self, listener: &str) -> [u16; 2] {
        let index = self.names.iter().position(|n| *n == listener).expect("a listener");
        [self.ports[index], self.proxy.address(listener).expect("a listener").port()]
    }
    /// What each tells of its clients: the last line of each, once there are so many.
    pub fn lines(&self, clients: &[([envoy::Client; 2], usize)]) -> [BTreeMap<String, Value>; 2] {
        [0, 1].map(|i| lines(&self.logs[i], &clients.iter().map(|(c, n)| (c[i], *n)).collect::<Vec<_>>()))
    }
}

/// What differs, a text a case; `None` without an Envoy.
pub fn differences(managers: &[(&'static str, Value)], clusters: &[Value], cases: &[Case]) -> Option<Vec<String>> {
    let both = Both::start(managers, clusters)?;
    let played: Vec<_> = cases.iter().map(|case| (case, both.ports(case.listener).map(|port| play(case, port)))).collect();
    let [there, here] = both.lines(&played.iter().map(|(case, clients)| (clients.each_ref().map(|c| c.0), case.lines)).collect::<Vec<_>>());
    drop(both);
    let mut wrong = Vec::new();
    for (case, [(a, answer), (b, own)]) in &played {
        let mut found = Vec::new();
        let mut compare = |what: &str, want: String, got: String| {
            if want != got {
                found.push(format!("  {what}\n    Envoy      {want}\n    mesh-proxy {got}"));
            }
        };
        compare("answer", comparable(answer), comparable(own));
        let nothing = Value::Null;
        let (want, got) = (there.get(&a.key()).unwrap_or(&nothing), here.get(&b.key()).unwrap_or(&nothing));
        // Nobody has asked for the body yet: it waits in the socket, where Envoy has read and counted it.
        let is_unread = ["no time for gRPC", "no answer to gRPC in time"].contains(&case.name) || case.listener.ends_with("-delay");
        let compared = |k: &str| match k {
            "peer" | "local" => false,
            "received" => !is_unread,
            _ => true,
        };
        for (key, value) in want.as_object().into_iter().flatten().filter(|(k, _)| compared(k)) {
            compare(key, value.to_string(), got[key].to_string());
        }
        compare("logged", want.is_object().to_string(), got.is_object().to_string());
        if !found.is_empty() {
            wrong.push(format!("{} {}\n{}", case.listener, case.name, found.join("\n")));
        }
    }
    Some(wrong)
}
