//! A real Envoy with a bootstrap of ours, an upstream behind it, and plain sockets in front of it. Loopback only; everything
//! stops with the test.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The Envoy that `.ci/install-components` installed; `None` where there is none.
pub fn find() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| root.join("target/components"), PathBuf::from);
    let found = Some(folder.join("envoy")).filter(|p| p.exists());
    // CI says so: there a comparison that is left out is a failure.
    assert!(found.is_some() || std::env::var("MESHCTL_COMPONENTS_REQUIRED").as_deref() != Ok("1"), "no envoy in {}", folder.display());
    found
}

pub struct Envoy {
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection: ports of clients come again, together with another port of ours.
#[derive(Clone, Copy)]
pub struct Client {
    pub address: SocketAddr,
    pub port: u16,
}

impl Client {
    pub fn key(self) -> String {
        format!("{} to {}", self.address, self.port)
    }
}

/// An upstream that answers every request with 200, but what asks for another status in its path (`/authz/deny…`: 403).
pub fn upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(n) = stream.read(&mut chunk) {
        if n == 0 {
            return;
        }
        seen.extend_from_slice(&chunk[..n]);
        if !seen.first().is_some_and(u8::is_ascii_uppercase) {
            // No HTTP: one answer, and over.
            let _ = stream.write_all(b"bytes");
            return;
        }
        while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).into_owned();
            seen.drain(..end + 4);
            let status = if head.lines().next().is_some_and(|l| l.contains("/authz") && l.contains("deny")) { "403 Forbidden" } else { "200 OK" };
            if stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The access log that lines are told apart by.
pub fn access_log(path: &Path) -> Value {
    json!([{"name": "log", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": {"json_format": {
            "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "local": "%DOWNSTREAM_LOCAL_PORT%",
            "status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%",
            "route": "%ROUTE_NAME%", "cluster": "%UPSTREAM_CLUSTER_RAW%", "chain": "%FILTER_CHAIN_NAME%", "ended": "%CONNECTION_TERMINATION_DETAILS%"}}}}])
}

impl Envoy {
    /// Starts Envoy, and waits until it listens.
    pub fn start(program: &Path, folder: tempfile::TempDir, bootstrap: &Value, ports: &[u16]) -> Envoy {
        let file = folder.path().join("bootstrap.json");
        std::fs::write(&file, serde_json::to_string_pretty(bootstrap).expect("JSON")).expect("the bootstrap");
        let log = std::fs::File::create(folder.path().join("envoy.log")).expect("a log");
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).args(["--file-flush-interval-msec", "20", "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("Envoy starts");
        let mut envoy = Envoy { process, folder };
        let until = Instant::now() + Duration::from_secs(60);
        for port in ports {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err() {
                let gone = envoy.process.try_wait().ok().flatten();
                assert!(gone.is_none() && Instant::now() < until, "Envoy does not listen: {}", envoy.said());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        envoy
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    /// The lines of the access log by connection, once all of these connections have one.
    pub fn log(&self, clients: &[Client]) -> BTreeMap<String, Value> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let text = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
            let lines = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
            let by_client: BTreeMap<String, Value> = lines
                .filter_map(|l| Some((format!("{} to {}", l["peer"].as_str()?, l["local"].as_str().map_or_else(|| l["local"].to_string(), str::to_owned)), l)))
                .collect();
            if clients.iter().all(|c| by_client.contains_key(&c.key())) {
                return by_client;
            }
            assert!(
                Instant::now() < until,
                "lines of {} clients are missing: {}",
                clients.iter().filter(|c| !by_client.contains_key(&c.key())).count(),
                self.said()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Sends bytes, reads until the end, and says from which address.
pub fn send(port: u16, bytes: &[u8]) -> Client {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let address = stream.local_addr().expect("an address");
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut Vec::new());
    Client { address, port }
}

/// Sends bytes, waits for the first that come back, and leaves.
pub fn send_and_leave(port: u16, bytes: &[u8]) -> Client {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let address = stream.local_addr().expect("an address");
    let _ = stream.write_all(bytes);
    let _ = stream.read(&mut [0; 64]);
    Client { address, port }
}

/// A TLS 1.2 hello with a server name and protocols, as inspectors look at it.
pub fn hello(server_name: &str, alpn: &[&str]) -> Vec<u8> {
    let sized = |bytes: &[u8]| [(u16::try_from(bytes.len()).expect("short")).to_be_bytes().to_vec(), bytes.to_vec()].concat();
    let extension = |kind: u16, body: &[u8]| [kind.to_be_bytes().to_vec(), sized(body)].concat();
    let mut extensions = Vec::new();
    if !server_name.is_empty() {
        extensions.extend(extension(0, &sized(&[&[0u8][..], &sized(server_name.as_bytes())].concat())));
    }
    if !alpn.is_empty() {
        let list: Vec<u8> = alpn.iter().flat_map(|p| [&[u8::try_from(p.len()).expect("short")][..], p.as_bytes()].concat()).collect();
        extensions.extend(extension(16, &sized(&list)));
    }
    // Groups and signatures, which a server looks for.
    extensions.extend(extension(10, &sized(&[0, 29])));
    extensions.extend(extension(13, &sized(&[4, 3])));
    let body = [&[3u8, 3][..], &[7; 32], &[0], &sized(&[0xc0, 0x2f]), &[1, 0], &sized(&extensions)].concat();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    let handshake = [&[1u8][..], &length[1..], &body].concat();
    [&[22u8, 3, 1][..], &sized(&handshake)].concat()
}
