//! A mesh of real Envoys on loopback, one for each workload with a sidecar, run from files: the translated configuration with
//! the addresses of this machine, certificates of an authority of its own, and an access log.

use super::generate::{Asked, WORKLOADS};
use crate::engine::workload;
use crate::support::{now, send};
use mesh_controlplane::bind::{Bind, Loopback, Messages, Places, Role};
use mesh_controlplane::ca::{Authority, Identity};
use mesh_resolver::translate::{Model, ProxyKind};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Envoys {
    processes: Vec<Child>,
    folder: tempfile::TempDir,
    places: Places,
    /// Where each place is on this machine.
    here: BTreeMap<SocketAddr, SocketAddr>,
}

/// Answers every request with 200, and closes what is no HTTP.
fn application(listener: TcpListener) {
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
                while let Ok(n @ 1..) = stream.read(&mut chunk) {
                    seen.extend_from_slice(&chunk[..n]);
                    if !seen.first().is_some_and(u8::is_ascii_uppercase) {
                        return;
                    }
                    while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                        seen.drain(..end + 4);
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
}

impl Drop for Envoys {
    fn drop(&mut self) {
        for p in &mut self.processes {
            let _ = p.kill();
        }
        for p in &mut self.processes {
            let _ = p.wait();
        }
    }
}

/// The header by which the lines of logs are told apart.
const CASE: &str = "x-case";

impl Envoys {
    /// Translates for proxies without Istio's own filters, and waits until all listen.
    pub fn start(program: &Path, model: &Model<'_, '_>) -> Envoys {
        let mut bind = Bind::new(Places::new(Loopback::Addresses));
        bind.learn(model);
        let mut all: Vec<(String, Messages, Identity)> = Vec::new();
        for w in WORKLOADS.iter().filter(|w| w.has_sidecar) {
            let name = format!("{}.{}", w.name, w.namespace);
            let id = workload(model, &name);
            let t = model.translate(&model.proxy_of(id));
            let mut messages = Messages {
                listeners: t.listeners.into_iter().map(|p| p.message).collect(),
                routes: t.routes.into_iter().map(|p| p.message).collect(),
                clusters: t.clusters.into_iter().map(|p| p.message).collect(),
                endpoints: t.endpoints.into_iter().map(|p| p.message).collect(),
            };
            bind.bind(id, ProxyKind::Sidecar, &mut messages);
            all.push((name, messages, Identity::new("cluster.local", w.namespace, w.account)));
        }
        // An address of this process, so that nobody else's ports are met.
        let pid = std::process::id();
        let ip = IpAddr::V4(Ipv4Addr::new(127, 64 + (pid % 128) as u8, (pid / 128 % 256) as u8, 1));
        let (mut here, mut held) = (BTreeMap::new(), Vec::new());
        for (place, address) in bind.places.all() {
            let listener = TcpListener::bind((ip, 0)).expect("a port");
            here.insert(address, listener.local_addr().expect("an address"));
            held.push((place.role == Role::Application, listener));
        }
        let applications: Vec<SocketAddr> = held.iter().filter(|(is, _)| *is).map(|(_, l)| l.local_addr().expect("an address")).collect();
        drop(held);
        for at in applications {
            application(TcpListener::bind(at).expect("the application's port"));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::self_signed("cluster.local", now()).expect("an authority");
        let mut envoys = Envoys { processes: Vec::new(), folder, places: bind.places, here };
        let mut ports = Vec::new();
        for (name, messages, identity) in &all {
            let file = envoys.folder.path().join(format!("{name}.json"));
            let issued = authority.issue(identity, now()).expect("a certificate");
            let secrets = json!([
                {"name": "default", "tlsCertificate": {"certificateChain": {"inlineString": issued.chain}, "privateKey": {"inlineString": issued.key}}},
                {"name": "ROOTCA", "validationContext": {"trustedCa": {"inlineString": authority.root()}}},
            ]);
            let bootstrap = envoys.bootstrap(name, messages, secrets, &mut ports);
            std::fs::write(&file, bootstrap.to_string()).expect("a bootstrap");
            let log = std::fs::File::create(envoys.folder.path().join(format!("{name}.err"))).expect("a log");
            let mut command = Command::new(program);
            command.arg("-c").arg(&file).args(["--file-flush-interval-msec", "20", "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]);
            envoys.processes.push(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("Envoy starts"));
        }
        let until = Instant::now() + Duration::from_secs(60);
        for at in ports {
            while TcpStream::connect(at).is_err() {
                let gone = envoys.processes.iter_mut().any(|p| p.try_wait().ok().flatten().is_some());
                assert!(!gone && Instant::now() < until, "an Envoy does not listen: {}", envoys.said());
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        envoys
    }

    fn said(&self) -> String {
        let all = std::fs::read_dir(self.folder.path()).expect("a folder").flatten().filter(|e| e.path().extension().is_some_and(|x| x == "err"));
        all.map(|e| std::fs::read_to_string(e.path()).unwrap_or_default()).collect()
    }

    fn bootstrap(&self, name: &str, messages: &Messages, secrets: Value, ports: &mut Vec<SocketAddr>) -> Value {
        let value = |v: Result<Value, serde_json::Error>| v.expect("JSON");
        let routes = value(serde_json::to_value(&messages.routes));
        let endpoints = value(serde_json::to_value(&messages.endpoints));
        let mut listeners = value(serde_json::to_value(&messages.listeners));
        let mut clusters = value(serde_json::to_value(&messages.clusters));
        self.local(&mut listeners, &routes, name);
        self.local(&mut clusters, &routes, name);
        for l in listeners.as_array().expect("listeners") {
            let socket = &l["address"]["socketAddress"];
            ports.push(SocketAddr::new(
                socket["address"].as_str().and_then(|a| a.parse().ok()).expect("an address"),
                socket["portValue"].as_u64().expect("a port") as u16,
            ));
        }
        for c in clusters.as_array_mut().expect("clusters").iter_mut().filter(|c| c["type"] == "EDS") {
            let mut known = endpoints.as_array().expect("endpoints").iter().find(|e| e["clusterName"] == c["name"]).cloned();
            known.iter_mut().for_each(|e| self.local(e, &routes, name));
            c["type"] = "STATIC".into();
            c["loadAssignment"] = known.unwrap_or_else(|| json!({"clusterName": c["name"]}));
            c.as_object_mut().expect("a cluster").remove("edsClusterConfig");
        }
        json!({
            "node": {"id": name, "cluster": name},
            "staticResources": {"listeners": listeners, "clusters": clusters, "secrets": secrets},
        })
    }

    /// Addresses of this machine, secrets and routes from the same file, and a log for every connection manager.
    fn local(&self, value: &mut Value, routes: &Value, name: &str) {
        match value {
            Value::Object(fields) => {
                fields.remove("sdsConfig");
                if let Some(rds) = fields.remove("rds") {
                    let table = routes.as_array().expect("routes").iter().find(|r| r["name"] == rds["routeConfigName"]).expect("a route configuration");
                    fields.insert("routeConfig".to_owned(), table.clone());
                }
                if fields.get("@type").and_then(Value::as_str).is_some_and(|t| t.ends_with(".HttpConnectionManager")) {
                    fields.insert("accessLog".to_owned(), self.access_log(name));
                }
                self.move_here(fields);
                fields.values_mut().for_each(|v| self.local(v, routes, name));
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.local(v, routes, name)),
            _ => {}
        }
    }

    fn move_here(&self, fields: &mut Map<String, Value>) {
        let port = fields.get("portValue").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok());
        let ip: Option<IpAddr> = fields.get("address").and_then(Value::as_str).and_then(|a| a.parse().ok());
        let (Some(port), Some(ip)) = (port, ip) else { return };
        if let Some(at) = self.here.get(&SocketAddr::new(ip, port)) {
            fields.insert("address".to_owned(), at.ip().to_string().into());
            fields.insert("portValue".to_owned(), at.port().into());
        }
    }

    fn access_log(&self, name: &str) -> Value {
        json!([{"name": "log", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": self.folder.path().join(format!("{name}.log")),
            "logFormat": {"jsonFormat": {
                "case": format!("%REQ({CASE})%"), "status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%",
                "route": "%ROUTE_NAME%", "cluster": "%UPSTREAM_CLUSTER_RAW%"}}}}])
    }

    /// Sends a request as its client's application would: by the client's proxy, or straight to a server's where it has none.
    /// `None` where there is no such place. The status is 0 where nothing is answered.
    pub fn send(&self, asked: &Asked, case: usize, server: Option<(&str, u16)>) -> Option<u16> {
        let place = match server {
            Some((server, port)) => self.places.find(server, Role::Inbound, port),
            None => self.places.find(asked.client, Role::Outbound, asked.port),
        };
        let at = self.here.get(&place?)?;
        let mut text =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n{CASE}: {case}\r\nconnection: close\r\ncontent-length: 0\r\n", asked.method, asked.path, asked.authority());
        for (name, value) in &asked.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let answer = send(*at, format!("{text}\r\n").as_bytes());
        Some(answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0))
    }

    /// What a proxy's log says of a request, once it does.
    pub fn logged(&self, workload: &str, case: usize) -> Value {
        let (_, line) = self.logged_by_one(&[workload.to_owned()], case);
        line
    }

    /// Which of some proxies says something of a request, once one does, and what: a request goes to one of several by lot.
    pub fn logged_by_one(&self, workloads: &[String], case: usize) -> (String, Value) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            for workload in workloads {
                let text = std::fs::read_to_string(self.folder.path().join(format!("{workload}.log"))).unwrap_or_default();
                let mut lines = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
                if let Some(line) = lines.rfind(|l| l["case"].as_str() == Some(&case.to_string())) {
                    return (workload.clone(), line);
                }
            }
            assert!(Instant::now() < until, "{workloads:?} have no line of request {case}: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
