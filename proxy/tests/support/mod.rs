//! Scripted peers for a proxy in this process: upstreams that do as they are told, clients that say what they got. Loopback
//! only; everything ends with the test.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod control_plane;

use mesh_proxy::Proxy;
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::server::Settings;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Waits for something to hold.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}: it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A message of HTTP/1.1 as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub line: String,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("")
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads messages one after the other.
pub struct Reader {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Reader {
    pub fn new(stream: TcpStream) -> Reader {
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Reader { stream, seen: Vec::new() }
    }
    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(n) if n > 0 => {
                self.seen.extend_from_slice(&chunk[..n]);
                true
            }
            _ => false,
        }
    }
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.seen.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.seen[..end]).into_owned();
                self.seen.drain(..end + 2);
                return Some(line);
            }
            if !self.more() {
                return None;
            }
        }
    }
    pub fn exactly(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.seen.len() < n {
            if !self.more() {
                return None;
            }
        }
        Some(self.seen.drain(..n).collect())
    }
    /// Headers, or trailers: up to an empty line.
    fn fields(&mut self) -> Option<Vec<(String, String)>> {
        let mut out = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(out);
            }
            let (name, value) = line.split_once(':')?;
            out.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    /// The head of the next message; `None` at the end of the connection.
    pub fn head(&mut self) -> Option<Message> {
        let line = self.line()?;
        Some(Message { line, headers: self.fields()?, body: Vec::new() })
    }
    /// The next chunk of a body.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(self.line()?.trim(), 16).ok()?;
        let chunk = self.exactly(size)?;
        self.line()?;
        Some(chunk)
    }
    /// The next message whole. `bodiless` are answers to HEAD.
    pub fn message(&mut self) -> Option<Message> {
        let mut message = self.head()?;
        let status = message.status();
        if message.header("transfer-encoding").is_some_and(|t| t.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = usize::from_str_radix(self.line()?.split(';').next()?.trim(), 16).ok()?;
                if size == 0 {
                    let trailers = self.fields()?;
                    message.headers.extend(trailers.into_iter().map(|(k, v)| (format!("trailer {k}"), v)));
                    return Some(message);
                }
                message.body.extend(self.exactly(size)?);
                self.line()?;
            }
        }
        if status == 304 {
            // Its length is that of the answer which is not sent.
            return Some(message);
        }
        if let Some(length) = message.header("content-length").and_then(|l| l.parse().ok()) {
            message.body = self.exactly(length)?;
        } else if message.line.starts_with("HTTP/") && status != 204 && status >= 200 {
            while self.more() {}
            message.body = std::mem::take(&mut self.seen);
        }
        Some(message)
    }
    /// What comes until the peer closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.seen)
    }
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

/// What an upstream does with a request.
pub enum Act {
    /// These bytes, and the connection stays.
    Send(Vec<u8>),
    /// These bytes, and the connection is closed.
    SendAndClose(Vec<u8>),
    Close,
}

/// An answer with a length.
pub fn answer(status: u16, headers: &str, body: &str) -> Act {
    Act::Send(format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes())
}

/// A server that does what its script says, and remembers what it got.
pub struct Upstream {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Message>>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub fn new(script: impl Fn(&Message) -> Act + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (got, connections, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)), Arc::new(script));
        let upstream = Upstream { address, got: got.clone(), connections: connections.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (got, script) = (got.clone(), script.clone());
                std::thread::spawn(move || {
                    let mut reader = Reader::new(stream);
                    while let Some(message) = reader.message() {
                        got.lock().expect("unbroken").push(message.clone());
                        match script(&message) {
                            Act::Send(bytes) => {
                                if reader.stream().write_all(&bytes).is_err() {
                                    return;
                                }
                            }
                            Act::SendAndClose(bytes) => {
                                let _ = reader.stream().write_all(&bytes);
                                let _ = reader.stream().shutdown(Shutdown::Both);
                                return;
                            }
                            Act::Close => return,
                        }
                    }
                });
            }
        });
        upstream
    }
    /// One that always says 200 and its name.
    pub fn named(name: &'static str) -> Upstream {
        Upstream::new(move |_| answer(200, "", name))
    }
    /// What it got so far, and forgets.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.got.lock().expect("unbroken"))
    }
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A server that gives each connection to `each`, on a thread of its own.
pub fn server(each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (address, each) = (listener.local_addr().expect("an address"), Arc::new(each));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            std::thread::spawn(move || each(stream));
        }
    });
    address
}

/// Operators of where a request went and how much it carried.
pub const OF_TRAFFIC: &[(&str, &str)] = &[
    ("protocol", "%PROTOCOL%"),
    ("host", "%UPSTREAM_HOST%"),
    ("attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("received", "%BYTES_RECEIVED%"),
    ("sent", "%BYTES_SENT%"),
];

/// An access log in JSON with more operators.
pub fn with_operators(mut log: Value, lists: &[&[(&str, &str)]]) -> Value {
    let format = &mut log[0]["typed_config"]["log_format"]["json_format"];
    for (key, value) in lists.iter().copied().flatten() {
        format[*key] = (*value).into();
    }
    log
}

/// An address that nothing listens on, until the test that asks for it does.
pub fn nobody() -> SocketAddr {
    mesh_testserver::ports::free_address()
}

pub fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

/// A static cluster.
pub fn cluster(name: &str, hosts: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> = hosts.iter().map(|h| json!({"endpoint": {"address": socket(*h)}})).collect();
    json!({"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}})
}

/// A connection manager around routes of one virtual host for all domains, with the router alone and a log of `log`.
pub fn manager(routes: Value, log: Option<&std::path::Path>) -> Value {
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    if let Some(path) = log {
        manager["access_log"] = json!([{"name": "f", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path,
            "log_format": {"json_format": {
                "status": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%", "path": "%REQ(:PATH)%",
                "cluster": "%UPSTREAM_CLUSTER_RAW%", "host": "%UPSTREAM_HOST%", "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                "received": "%BYTES_RECEIVED%", "sent": "%BYTES_SENT%", "protocol": "%PROTOCOL%", "remote": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}}}]);
    }
    manager
}

/// A bootstrap with one listener on any port, called `l`, and an admin port.
pub fn bootstrap(manager: &Value, clusters: &[Value]) -> Value {
    json!({
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [{"name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]}],
            "clusters": clusters,
        },
    })
}

/// Starts a proxy with one worker.
pub fn start(bootstrap: Value) -> Proxy {
    start_with(bootstrap, &Settings::default())
}

/// The same with settings, but for times.
pub fn start_with(bootstrap: Value, settings: &Settings) -> Proxy {
    let settings = Settings { flush: Duration::from_millis(5), drain: Duration::from_secs(5), ..settings.clone() };
    let bootstrap = Bootstrap::new(bootstrap).unwrap_or_else(|e| panic!("{e}"));
    Proxy::start(bootstrap, &settings).unwrap_or_else(|e| panic!("{e}"))
}

pub fn connect(address: SocketAddr) -> Reader {
    Reader::new(TcpStream::connect(address).expect("a connection"))
}

/// Sends a request on a connection of its own, and reads the answer.
pub fn ask(address: SocketAddr, head: &str, body: &str) -> Message {
    let mut reader = connect(address);
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    reader.stream().write_all(format!("{head}\r\n{length}\r\n{body}").as_bytes()).expect("sent");
    loop {
        let got = reader.message().expect("an answer");
        if got.status() != 100 {
            return got;
        }
    }
}

/// `GET` of a path at a host.
pub fn get(address: SocketAddr, path: &str) -> Message {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: a.com"), "")
}

/// The lines of a JSON log, once there are so many.
pub fn log_lines(path: &std::path::Path, n: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // The last one may be on its way.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines: Vec<Value> = whole.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
        if lines.len() >= n || Instant::now() > until {
            assert!(lines.len() >= n, "{} of {n} lines", lines.len());
            return lines;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
