//! Spans to an old Jaeger agent. Built with the feature `jaeger` alone.

mod support;

use mesh_proxy::Proxy;
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::server::Settings;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use support::{Upstream, answer, ask, bootstrap, cluster, get, manager};

/// Thrift's compact protocol as values: structs are objects with the fields' numbers, lists are lists.
struct Packet<'b>(&'b [u8]);

impl Packet<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("another byte");
        self.0 = rest;
        *first
    }
    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.varint()).expect("a length");
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }
    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    fn zigzag(&mut self) -> i64 {
        let n = self.varint();
        (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
    }
    fn value(&mut self, kind: u8) -> Value {
        match kind {
            1 => true.into(),
            2 => false.into(),
            3 => self.byte().into(),
            4..=6 => self.zigzag().into(),
            8 => String::from_utf8(self.bytes()).expect("text").into(),
            9 => {
                let head = self.byte();
                let n = if head >> 4 == 15 { self.varint() } else { u64::from(head >> 4) };
                (0..n).map(|_| self.value(head & 15)).collect()
            }
            12 => self.object(),
            other => panic!("a value of kind {other}"),
        }
    }
    fn object(&mut self) -> Value {
        let (mut out, mut id) = (Map::new(), 0);
        loop {
            let head = self.byte();
            if head == 0 {
                return Value::Object(out);
            }
            id = if head >> 4 == 0 { self.zigzag() } else { id + i64::from(head >> 4) };
            let value = self.value(head & 15);
            out.insert(id.to_string(), value);
        }
    }
    /// The arguments of a call.
    fn call(mut self) -> (String, Value) {
        assert_eq!(self.byte(), 0x82, "the compact protocol");
        self.byte();
        self.varint();
        let name = String::from_utf8(self.bytes()).expect("text");
        let arguments = self.object();
        assert!(self.0.is_empty());
        (name, arguments)
    }
}

/// A batch's service and its spans, once one comes.
fn batch(agent: &UdpSocket) -> (Value, Vec<Value>) {
    let mut bytes = vec![0; 65_536];
    let n = agent.recv(&mut bytes).expect("a packet");
    let (name, arguments) = Packet(&bytes[..n]).call();
    assert_eq!(name, "emitBatch");
    let batch = &arguments["1"];
    (batch["1"].clone(), batch["2"].as_array().expect("spans").clone())
}

fn tag<'v>(of: &'v Value, field: &str, name: &str) -> Option<&'v Value> {
    let found = of[field].as_array()?.iter().find(|t| t["1"] == name)?;
    ["3", "5", "6"].iter().find_map(|f| found.get(f))
}

fn agent() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// A proxy whose requests are all traced, without a provider.
fn proxy(agent: SocketAddr, upstream: &Upstream) -> (Proxy, SocketAddr) {
    let mut m =
        manager(json!([{"match": {"prefix": "/broken"}, "direct_response": {"status": 503}}, {"match": {"prefix": "/"}, "route": {"cluster": "c"}}]), None);
    m["tracing"] = json!({"custom_tags": [{"tag": "long", "request_header": {"name": "x-long"}}]});
    let mut config = bootstrap(&m, &[cluster("c", &[upstream.address])]);
    config["node"] = json!({"id": "sidecar~10.1.2.3~web-1.shop~x", "cluster": "web.shop"});
    let settings = Settings { flush: Duration::from_millis(5), jaeger_agent: Some(agent), ..Settings::default() };
    let proxy = Proxy::start(Bootstrap::new(config).expect("a bootstrap"), &settings).expect("a proxy");
    let at = proxy.address("l").expect("a listener");
    (proxy, at)
}

#[test]
fn spans_reach_an_agent_and_go_on_by_the_header_of_its_clients() {
    let (socket, address) = agent();
    let upstream = Upstream::new(|_| answer(200, "", "ok"));
    let (_proxy, at) = proxy(address, &upstream);
    ask(at, "GET /a?b HTTP/1.1\r\nhost: web\r\nuber-trace-id: ab:cd:0:1", "");
    let (process, spans) = batch(&socket);
    assert_eq!((&process["1"], tag(&process, "2", "ip"), spans.len()), (&json!("web.shop"), Some(&json!("10.1.2.3")), 1), "{process}");
    let span = &spans[0];
    // The trace, no upper half, the client's span above, sampled.
    assert_eq!((&span["1"], &span["2"], &span["4"], &span["7"]), (&json!(0xab), &json!(0), &json!(0xcd), &json!(1)), "{span}");
    assert_eq!((tag(span, "10", "http.status_code"), tag(span, "10", "span.kind")), (Some(&json!("200")), Some(&json!("server"))));
    assert!(tag(span, "10", "error").is_none() && span["9"].as_i64().is_some_and(|d| d > 0) && span["8"].as_i64().is_some_and(|t| t > 1_600_000_000_000_000));
    let got = &upstream.take()[0];
    let id = span["3"].as_i64().expect("a number").cast_unsigned();
    assert_eq!(got.header("uber-trace-id"), Some(format!("00000000000000ab:{id:016x}:00000000000000cd:1").as_str()));
    assert_eq!(got.header("x-b3-spanid"), Some(format!("{id:016x}").as_str()));

    // What is not sampled is handed on, and not told; an error is.
    ask(at, "GET / HTTP/1.1\r\nhost: web\r\nuber-trace-id: ab:cd:0:0", "");
    assert!(upstream.take()[0].header("uber-trace-id").is_some_and(|v| v.ends_with(":0")));
    assert_eq!(get(at, "/broken").status(), 503);
    let (_, spans) = batch(&socket);
    assert_eq!((spans.len(), tag(&spans[0], "10", "error")), (1, Some(&json!(true))), "{spans:?}");
}

#[test]
fn many_long_spans_are_cut_and_spread_over_packets() {
    let (socket, address) = agent();
    let upstream = Upstream::new(|_| answer(200, "", "ok"));
    let (_proxy, at) = proxy(address, &upstream);
    let long = "é".repeat(10_000);
    let mut reader = support::connect(at);
    // More than a packet holds, less than a socket keeps for a reader.
    for _ in 0..50 {
        std::io::Write::write_all(reader.stream(), format!("GET / HTTP/1.1\r\nhost: web\r\nx-long: {long}\r\n\r\n").as_bytes()).expect("sent");
        assert_eq!(reader.message().expect("an answer").status(), 200);
    }
    let mut n = 0;
    while n < 50 {
        let (_, spans) = batch(&socket);
        n += spans.len();
        assert!(spans.iter().all(|s| tag(s, "10", "long").and_then(Value::as_str).is_some_and(|t| t.len() == 1024)));
    }
    assert_eq!(n, 50);
}

#[test]
fn an_agent_that_is_away_costs_spans_and_no_request() {
    let (socket, address) = agent();
    drop(socket);
    let upstream = Upstream::new(|_| answer(200, "", "ok"));
    let (proxy, at) = proxy(address, &upstream);
    let admin = proxy.admin.expect("an admin port");
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        assert_eq!(get(at, "/").status(), 200);
        // That nobody is there is heard with the report after the first.
        let page = get(admin, "/stats?filter=tracing.jaeger").text();
        let of = |name: &str| page.lines().find_map(|l| l.strip_prefix(&format!("tracing.jaeger.{name}: "))?.parse::<u64>().ok());
        if of("reports_failed").is_some_and(|n| n > 0) && of("spans_dropped").is_some_and(|n| n > 0) {
            break;
        }
        assert!(Instant::now() < end, "nothing is counted: {page}");
    }
}
