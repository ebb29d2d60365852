//! HTTP/2 beside a real Envoy: answers before the answer in all combinations with HTTP/1.1, streams that break off, and connections
//! that are asked to go.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It shows its count, and says when it is skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use crate::{beside, envoy, scripted, support};
use scripted::Step;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use support::Reader;

/// Of HTTP/1.1: does with a request what its path says.
fn serve(reader: &mut Reader) -> Option<()> {
    let head = reader.head()?;
    let early: &[u8] = match head.path() {
        "/continue" | "/never" => b"HTTP/1.1 100 Continue\r\n\r\n",
        "/continue-more" => b"HTTP/1.1 100 Continue\r\nx-i: 1\r\n\r\n",
        "/hints" => b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n",
        "/processing" => b"HTTP/1.1 102 Processing\r\nx-i: 1\r\n\r\n",
        "/both" => b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n",
        "/big" => b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
        "/refuse" => b"HTTP/1.1 417 No\r\ncontent-length: 2\r\n\r\nno",
        _ => b"",
    };
    reader.stream().write_all(early).ok()?;
    match head.path() {
        "/refuse" | "/close" | "/reset" => return None,
        "/big" => return reader.stream().write_all(&[b'a'; 1_000_000]).ok(),
        "/never" => {
            let _ = reader.stream().read(&mut [0; 64]);
            return None;
        }
        _ => {}
    }
    let body = match head.header("content-length") {
        Some(length) => reader.exactly(length.parse().ok()?)?,
        None if head.header("transfer-encoding").is_some() => {
            let mut body = Vec::new();
            loop {
                let chunk = reader.chunk()?;
                if chunk.is_empty() {
                    break body;
                }
                body.extend(chunk);
            }
        }
        None => Vec::new(),
    };
    if head.path() == "/part" {
        reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").ok()?;
        std::thread::sleep(Duration::from_millis(100));
        return None;
    }
    let text = format!("expect={} {:?}", head.header("expect").is_some(), String::from_utf8_lossy(&body));
    reader.stream().write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).as_bytes()).ok()
}

fn plain_upstream() -> SocketAddr {
    support::server(|stream| {
        let mut reader = Reader::new(stream);
        while serve(&mut reader).is_some() {}
    })
}

fn clusters() -> Vec<Value> {
    let mut over_http2 = support::cluster("http2", &[scripted::upstream()]);
    over_http2["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}});
    vec![support::cluster("http1", &[plain_upstream()]), over_http2]
}

/// A connection manager that sends all to a cluster, with changes.
fn manager(cluster: &str, changes: &Value) -> Value {
    let mut manager = support::manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]), None);
    for (key, value) in changes.as_object().into_iter().flatten() {
        manager[key] = value.clone();
    }
    manager
}

fn bootstrap(managers: &[(String, Value)], clusters: &[Value], ports: &[u16], log: &Path) -> Value {
    let listener = |((name, manager), port): (&(String, Value), &u16)| {
        let mut manager = manager.clone();
        manager["access_log"] = beside::log(log);
        manager["delayed_close_timeout"] = json!("0.05s");
        json!({"name": name, "address": support::socket(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]})
    };
    json!({"static_resources": {"listeners": managers.iter().zip(ports).map(listener).collect::<Vec<_>>(), "clusters": clusters}})
}

/// Both proxies with the same listeners.
struct Both {
    managers: Vec<(String, Value)>,
    ports: Vec<u16>,
    real: envoy::Envoy,
    proxy: mesh_proxy::Proxy,
    folder: tempfile::TempDir,
    log: std::path::PathBuf,
}

impl Both {
    /// `None` without an Envoy.
    fn start(managers: Vec<(String, Value)>) -> Option<Both> {
        let Some(program) = envoy::find() else {
            eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
            return None;
        };
        let (of_envoy, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (log, clusters, ports) = (folder.path().join("envoy.log"), clusters(), mesh_testserver::ports::free(managers.len()));
        let real = envoy::Envoy::start(&program, of_envoy, &bootstrap(&managers, &clusters, &ports, &log), &ports);
        let proxy = support::start(bootstrap(&managers, &clusters, &vec![0; ports.len()], &folder.path().join("ours.log")));
        Some(Both { managers, ports, real, proxy, folder, log })
    }
    /// Of a listener: Envoy's, and ours.
    fn ports(&self, listener: &str) -> [u16; 2] {
        let index = self.managers.iter().position(|(n, _)| n == listener).expect("a listener");
        [self.ports[index], self.proxy.address(listener).expect("a listener").port()]
    }
    /// The line of a client's request in each log.
    fn lines(self, clients: &[[(envoy::Client, usize); 2]]) -> Vec<[Value; 2]> {
        let of = |i: usize| clients.iter().map(|c| c[i]).collect::<Vec<_>>();
        let (theirs, ours) = (beside::lines(&self.log, &of(0)), beside::lines(&self.folder.path().join("ours.log"), &of(1)));
        drop(self.real);
        let line = |lines: &std::collections::BTreeMap<String, Value>, client: envoy::Client| lines.get(&client.key()).cloned().unwrap_or_default();
        clients.iter().map(|c| [line(&theirs, c[0].0), line(&ours, c[1].0)]).collect()
    }
}

struct Case {
    name: String,
    listener: String,
    method: &'static str,
    path: &'static str,
    expects: bool,
    steps: Vec<Step>,
}

/// What the two did otherwise, a text a case.
fn differences(both: Both, cases: &[Case]) -> Vec<String> {
    let mut played = Vec::new();
    for case in cases {
        let headers: &[(&str, &str)] = if case.expects { &[("expect", "100-continue"), ("content-length", "5")] } else { &[] };
        played.push(both.ports(&case.listener).map(|port| {
            let (address, heard) = scripted::play(port, case.method, case.path, headers, &case.steps);
            (envoy::Client { address, port }, heard)
        }));
    }
    let clients: Vec<_> = played.iter().map(|p| [(p[0].0, 1), (p[1].0, 1)]).collect();
    let mut wrong = Vec::new();
    for ((case, [(_, there), (_, here)]), [theirs, ours]) in cases.iter().zip(&played).zip(both.lines(&clients)) {
        let mut found = Vec::new();
        if there != here {
            found.push(format!("  heard\n    Envoy      {there:?}\n    mesh-proxy {here:?}"));
        }
        for (key, value) in theirs.as_object().into_iter().flatten().filter(|(k, _)| !["peer", "local"].contains(&k.as_str())) {
            if ours[key] != *value {
                found.push(format!("  {key}\n    Envoy      {value}\n    mesh-proxy {}", ours[key]));
            }
        }
        if theirs.is_null() || ours.is_null() {
            found.push(format!("  logged\n    Envoy      {theirs}\n    mesh-proxy {ours}"));
        }
        if !found.is_empty() {
            wrong.push(format!("{} {}\n{}", case.listener, case.name, found.join("\n")));
        }
    }
    wrong
}

fn check(both: Both, cases: &[Case]) {
    let wrong = differences(both, cases);
    println!("{} cases, {} differ", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn case(listener: &str, path: &'static str, expects: bool, steps: &[Step]) -> Case {
    let name = format!("{path} {}{steps:?}", if expects { "expects " } else { "" });
    Case { name, listener: listener.to_owned(), method: if expects { "POST" } else { "GET" }, path, expects, steps: steps.to_vec() }
}

#[test]
fn answers_before_the_answer_reach_streams_as_with_a_real_envoy() {
    let mut managers = Vec::new();
    for cluster in ["http1", "http2"] {
        managers.push((format!("own-{cluster}"), manager(cluster, &json!({}))));
        managers.push((format!("forwards-{cluster}"), manager(cluster, &json!({"proxy_100_continue": true}))));
    }
    let listeners: Vec<String> = managers.iter().map(|m| m.0.clone()).collect();
    let Some(both) = Both::start(managers) else { return };
    let mut cases = Vec::new();
    for listener in &listeners {
        let waits = [Step::Hear, Step::End("hello")];
        cases.push(case(listener, "/continue", true, &waits));
        cases.push(case(listener, "/continue-more", true, &waits));
        cases.push(case(listener, "/continue", true, &[Step::End("hello")]));
        cases.push(case(listener, "/ok", true, &[Step::Pause(Duration::from_millis(100)), Step::End("hello")]));
        for path in ["/continue", "/hints", "/processing", "/ok"] {
            cases.push(case(listener, path, false, &[]));
        }
        // Whether the proxy's leave comes before the upstream's answer is a matter of who is faster.
        if listener.starts_with("forwards") {
            cases.push(case(listener, "/refuse", true, &[Step::Hear]));
        }
    }
    check(both, &cases);
}

/// Envoy sends the first of them alone, where a proxy is to send all (RFC 9110 §15.2).
#[test]
fn several_answers_before_the_answer_arrive_in_order() {
    let clusters = clusters();
    for cluster in ["http1", "http2"] {
        let proxy = support::start(support::bootstrap(&manager(cluster, &json!({"proxy_100_continue": true})), &clusters));
        let port = proxy.address("l").expect("a listener").port();
        let (_, heard) = scripted::play(port, "GET", "/both", &[], &[]);
        assert_eq!(heard[..2], ["103 link=</a>", "103 link=</b>"], "{cluster}");
        assert!(heard[2].starts_with("200 "), "{heard:?}");
        let mut client = support::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        client.stream().write_all(b"GET /both HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        // The reason phrase is the status's own, where Envoy says "Unknown".
        let links: Vec<_> = (0..3).map(|_| client.head().expect("a head")).map(|h| (h.status(), h.header("link").map(str::to_owned))).collect();
        assert_eq!(links, [(103, Some("</a>".to_owned())), (103, Some("</b>".to_owned())), (200, None)], "{cluster}");
    }
}

#[test]
fn answers_before_the_answer_of_streams_reach_http1_as_with_a_real_envoy() {
    use beside::{Case, Step};
    let managers = [("own", manager("http2", &json!({}))), ("forwards", manager("http2", &json!({"proxy_100_continue": true})))];
    let mut cases = Vec::new();
    for listener in ["own", "forwards"] {
        let mut add = |name, steps| cases.push(Case { listener, name, steps, lines: 1 });
        let head =
            |method: &str, path: &str, headers: &str| Step::Send(format!("{method} {path} HTTP/1.1\r\nhost: a.com\r\nconnection: close\r\n{headers}\r\n"));
        let expects = |path: &str| head("POST", path, "expect: 100-continue\r\ncontent-length: 5\r\n");
        let waits = |path: &str| vec![expects(path), Step::Until("\r\n\r\n"), Step::Send("hello".into())];
        add("the upstream lets it", waits("/continue"));
        add("the upstream says more", waits("/continue-more"));
        add("the upstream says nothing", vec![expects("/ok"), Step::Pause(Duration::from_millis(100)), Step::Send("hello".into())]);
        add("nobody asked", vec![head("GET", "/continue", "")]);
        add("the answer breaks off", vec![head("GET", "/part", "")]);
        add("the stream breaks off", vec![head("GET", "/reset", "")]);
    }
    match beside::differences(&managers, &clusters(), &cases) {
        None => eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one"),
        Some(wrong) => assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n")),
    }
}

#[test]
fn streams_break_off_as_with_a_real_envoy() {
    let changes = json!({"proxy_100_continue": true});
    let managers = ["http1", "http2"].map(|cluster| (cluster.to_owned(), manager(cluster, &changes)));
    let Some(both) = Both::start(managers.into()) else { return };
    let mut cases = Vec::new();
    for listener in ["http1", "http2"] {
        cases.push(case(listener, "/part", false, &[]));
        cases.push(case(listener, "/close", false, &[]));
        cases.push(case(listener, "/reset", false, &[]));
        // What the client hears says that the upstream has heard of it.
        cases.push(case(listener, "/never", false, &[Step::Hear, Step::Leave]));
        for path in ["/never", "/continue"] {
            cases.push(case(listener, path, true, &[Step::Data("he"), Step::Hear, Step::Reset]));
        }
        for end in ["more than was announced", ""] {
            cases.push(case(listener, "/continue", true, &[Step::Data("he"), Step::Hear, Step::End(end)]));
        }
    }
    check(both, &cases);
}

#[test]
fn clients_are_asked_to_go_as_with_a_real_envoy() {
    let managers = vec![
        ("few".to_owned(), manager("http1", &json!({"common_http_protocol_options": {"max_requests_per_connection": 3}}))),
        ("many".to_owned(), manager("http1", &json!({}))),
    ];
    let Some(both) = Both::start(managers) else { return };
    for listener in ["few", "many"] {
        let [there, here] = both.ports(listener).map(|port| scripted::ask_until_goodbye(port, 6));
        assert_eq!(here, there, "{listener}");
    }
}

#[test]
fn clients_that_take_nothing_are_let_go_as_with_a_real_envoy() {
    let short = json!({"stream_idle_timeout": "0.3s"});
    let managers = ["http1", "http2"].map(|cluster| (cluster.to_owned(), manager(cluster, &short)));
    let Some(both) = Both::start(managers.into()) else { return };
    let log = both.folder.path().join("ours.log");
    for listener in ["http1", "http2"] {
        let [there, here] = both.ports(listener).map(|port| scripted::starve(port, "/big"));
        assert_eq!(here.1, there.1, "{listener}");
    }
    // Envoy has taken all of the answer by then, and logs it as whole.
    for line in support::log_lines(&log, 2) {
        assert_eq!((&line["status"], &line["flags"], &line["details"]), (&json!(200), &json!("SI"), &json!("stream_idle_timeout")), "{line}");
    }
}

#[test]
fn a_stream_that_takes_nothing_holds_up_no_other() {
    let clusters = clusters();
    for cluster in ["http1", "http2"] {
        let proxy = support::start(support::bootstrap(&manager(cluster, &json!({})), &clusters));
        let port = proxy.address("l").expect("a listener").port();
        assert_eq!(scripted::ask_beside_a_stalled(port, 50), 50, "{cluster}");
    }
}

#[test]
fn both_sides_of_a_stream_speak_at_once() {
    let proxy = support::start(support::bootstrap(&manager("http2", &json!({})), &clusters()));
    let port = proxy.address("l").expect("a listener").port();
    assert_eq!(scripted::converse(port, &["one", "two", "three"]), ["one", "two", "three", "\"\" x-last=1"]);
}

#[test]
fn trailers_are_logged_as_by_a_real_envoy() {
    let Some(both) = Both::start(vec![("http2".to_owned(), manager("http2", &json!({})))]) else { return };
    for port in both.ports("http2") {
        assert_eq!(scripted::converse(port, &["one"]), ["one", "\"\" x-last=1"]);
    }
    let [there, here] = [&both.log, &both.folder.path().join("ours.log")].map(|log| support::log_lines(log, 1)[0]["trailers"].clone());
    assert_eq!((there.as_str(), here.as_str()), (Some("1 1 7"), Some("1 1 7")));
}

/// An upstream that answers the first stream of each connection, and says goodbye on the second without a look at it.
fn one_answer_each() -> SocketAddr {
    const HEADERS: u8 = 1;
    support::server(|mut stream| {
        let frame = |kind: u8, flags: u8, id: u32, payload: &[u8]| {
            let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
            [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
        };
        let mut serve = || -> std::io::Result<()> {
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(&frame(4, 0, 0, &[]))?;
            stream.read_exact(&mut [0; 24])?;
            loop {
                let mut head = [0; 9];
                stream.read_exact(&mut head)?;
                let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
                stream.read_exact(&mut payload)?;
                match (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])) {
                    // `:status: 200`, and no body.
                    (HEADERS, 1) => stream.write_all(&frame(HEADERS, 5, 1, &[0x88]))?,
                    (HEADERS, _) => return stream.write_all(&frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])),
                    _ => {}
                }
            }
        };
        let _ = serve();
    })
}

#[test]
fn what_an_upstream_that_says_goodbye_has_not_looked_at_goes_elsewhere() {
    let mut over_http2 = support::cluster("up", &[one_answer_each()]);
    over_http2["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}});
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]);
    let proxy = support::start(support::bootstrap(&support::manager(routes, Some(&log)), &[over_http2]));
    let address = proxy.address("l").expect("a listener");
    let statuses: Vec<u16> = (0..5).map(|_| support::get(address, "/").status()).collect();
    assert_eq!(statuses, [200; 5]);
    let lines = support::log_lines(&log, 5);
    assert!(lines.iter().all(|l| l["flags"] == "-" && l["attempts"] == 1), "{lines:?}");
}
