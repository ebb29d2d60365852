//! A control plane on a folder, real Envoys of it, and applications behind them. Loopback only; all ends with the test.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod client;

use mesh_controlplane::bind::{Loopback, Role};
use mesh_controlplane::bootstrap::Bootstrap;
use mesh_controlplane::ca::{Authority, Identity};
use mesh_controlplane::{Manifests, Options, Running, Settings};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The Envoy that `.ci/install-components` installed; `None` where there is none.
pub fn envoy() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| root.join("target/components"), PathBuf::from);
    let found = Some(folder.join("envoy")).filter(|p| p.exists());
    // CI says so: there a comparison that is left out is a failure.
    assert!(found.is_some() || std::env::var("MESHCTL_COMPONENTS_REQUIRED").as_deref() != Ok("1"), "no envoy in {}", folder.display());
    found
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// The files of the shop in a folder of its own.
pub fn shop() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/controlplane/shop");
    for entry in std::fs::read_dir(from).expect("the shop").flatten() {
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
    }
    dir
}

pub struct Plane {
    pub running: Running,
    pub said: Arc<Mutex<Vec<String>>>,
    pub folder: tempfile::TempDir,
}

/// Starts a control plane on free ports, and waits until it has read its input.
pub fn plane(folder: tempfile::TempDir, laptop: Option<Loopback>) -> Plane {
    plane_with(folder, laptop, Authority::self_signed("cluster.local", now()).expect("an authority"), 2000)
}

pub fn plane_with(folder: tempfile::TempDir, laptop: Option<Loopback>, authority: Authority, most_connections: usize) -> Plane {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let to = Arc::clone(&said);
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = Options {
        xds: any,
        tls: Some(any),
        http: any,
        translation: Settings { laptop, ..Settings::default() },
        authority,
        tokens: None,
        most_connections,
        say: Arc::new(move |text| to.lock().expect("said").push(text.to_owned())),
    };
    let input = Manifests::new(vec![folder.path().display().to_string()], None);
    let running = Running::start(options, Box::new(input)).expect("it starts");
    until("the input is read", || running.is_ready());
    Plane { running, said, folder }
}

pub fn until(what: &str, mut f: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !f() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Plane {
    pub fn page(&self, path: &str) -> String {
        get(self.running.http, path, "localhost").1
    }
    pub fn json(&self, path: &str) -> Value {
        let text = self.page(path);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("a file")
    }
    pub fn place(&self, workload: &str, role: Role, port: u16) -> SocketAddr {
        self.running.place(workload, role, port).expect("a place")
    }
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("said").clone()
    }
    /// An Envoy beside a workload of the shop.
    pub fn envoy(&self, program: &Path, kind: &str, name: &str, account: &str, labels: &[(&str, &str)], is_delta: bool) -> Envoy {
        let token = self.running.token(Identity::new("cluster.local", "shop", account)).expect("a token");
        let admin = mesh_testserver::ports::free_address();
        let bootstrap = Bootstrap {
            kind,
            name,
            namespace: "shop",
            account,
            address: "127.0.0.1",
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            xds: self.running.xds,
            admin,
            token: Some(&token),
            is_delta,
        };
        Envoy::start(program, &bootstrap.envoy(), admin)
    }
}

pub struct Envoy {
    process: Child,
    folder: tempfile::TempDir,
    pub admin: SocketAddr,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Envoy {
    fn start(program: &Path, bootstrap: &Value, admin: SocketAddr) -> Envoy {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bootstrap.json");
        std::fs::write(&file, bootstrap.to_string()).expect("the bootstrap");
        let log = std::fs::File::create(folder.path().join("envoy.log")).expect("a log");
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("Envoy starts");
        Envoy { process, folder, admin }
    }
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }
    /// Waits until it serves.
    pub fn ready(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(self.admin).is_err() || get(self.admin, "/ready", "localhost").0 != 200 {
            assert!(Instant::now() < end, "Envoy is not ready: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    /// A counter or gauge of it.
    pub fn stat(&self, name: &str) -> u64 {
        let page = get(self.admin, &format!("/stats?filter=^{name}$"), "localhost").1;
        page.lines().filter_map(|l| l.rsplit_once(": ")).filter_map(|(_, v)| v.trim().parse::<u64>().ok()).sum()
    }
    /// Updates that it refused, of all types.
    pub fn rejected(&self) -> u64 {
        self.stat(".*update_rejected")
    }
}

/// An application that says its name, and what it was asked; how many requests it has seen.
pub fn application(at: SocketAddr, name: &'static str) -> Arc<Mutex<usize>> {
    let listener = TcpListener::bind(at).unwrap_or_else(|e| panic!("{at}: {e}"));
    let count: Arc<Mutex<usize>> = Arc::default();
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                let (mut buffer, mut chunk) = (Vec::new(), [0; 4096]);
                while let Ok(n @ 1..) = stream.read(&mut chunk) {
                    buffer.extend_from_slice(&chunk[..n]);
                    while let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                        buffer.drain(..end + 4);
                        *seen.lock().expect("a count") += 1;
                        if stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()).as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    count
}

/// One request on a connection of its own: status and body; 0 where there is no answer.
pub fn get(at: SocketAddr, path: &str, host: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let text = send(at, request.as_bytes());
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, b)| b);
    let body = if text.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    (status, body)
}

fn unchunked(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let n = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if n == 0 || rest.len() < n {
            break;
        }
        out.push_str(&rest[..n]);
        body = rest[n..].trim_start_matches("\r\n");
    }
    out
}

/// Bytes, and what comes back until the end.
pub fn send(at: SocketAddr, bytes: &[u8]) -> String {
    let Ok(mut stream) = TcpStream::connect(at) else { return String::new() };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(15)));
    let _ = stream.write_all(bytes);
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
