//! Operators of access logs that few formats have: what a real Envoy and mesh-proxy write of the same requests.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{envoy, pair, support};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use support::Upstream;

/// Values that are the same.
const SAME: &[(&str, &str)] = &[
    ("path", "%PATH%"),
    ("path_wq", "%PATH(WQ)%"),
    ("path_nq", "%PATH(NQ)%"),
    ("path_orig", "%PATH(WQ:ORIG)%"),
    ("path_path", "%PATH(NQ:PATH)%"),
    ("path_or", "%PATH(NQ:ORIG_OR_PATH)%"),
    ("path_cut", "%PATH(WQ:PATH):4%"),
    ("parameters", "%QUERY_PARAMS%"),
    ("custom", "%CUSTOM_FLAGS%"),
    ("none", "%ROUNDTRIP_DURATION%"),
    ("fingerprints", "%TLS_JA3_FINGERPRINT%|%TLS_JA4_FINGERPRINT%|%SPAN_ID%|%DOWNSTREAM_PEER_CERT%|%UPSTREAM_PEER_CERT%"),
    ("socket", "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT%"),
    ("email", "%DOWNSTREAM_PEER_EMAIL_SAN%|%DOWNSTREAM_LOCAL_IP_SAN%|%DOWNSTREAM_LOCAL_EMAIL_SAN%"),
];

/// Values of the moment: there or not, and of which kind.
const ALIKE: &[(&str, &str)] = &[
    ("read", "%COMMON_DURATION(DS_RX_BEG:DS_RX_END:us)%"),
    ("answer", "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ms)%"),
    ("over", "%COMMON_DURATION(DS_RX_END:DS_TX_END:ns)%"),
    ("request", "%REQUEST_DURATION%"),
    ("response", "%RESPONSE_DURATION%"),
    ("response_tx", "%RESPONSE_TX_DURATION%"),
    ("socket_port", "%DOWNSTREAM_DIRECT_LOCAL_PORT%"),
    ("emitted", "%EMIT_TIME%"),
    ("emitted_as", "%EMIT_TIME(%Y)%"),
    ("unique", "%UNIQUE_ID%"),
];

fn bootstrap(ports: &[u16], log: &Path, up: SocketAddr) -> Value {
    let mut m = support::manager(
        json!([
            {"match": {"prefix": "/old"}, "route": {"cluster": "up", "prefix_rewrite": "/new"}},
            {"match": {"prefix": "/direct"}, "direct_response": {"status": 204}},
            {"match": {"prefix": "/added"}, "route": {"cluster": "up"}, "request_headers_to_add": [{"header": {"key": "x-more", "value": "%PATH(NQ)%"}}]},
            {"match": {"prefix": "/up"}, "route": {"cluster": "up"}},
        ]),
        None,
    );
    m["access_log"] = support::with_operators(envoy::access_log(log), &[SAME, ALIKE]);
    json!({"static_resources": {"clusters": [support::cluster("up", &[up])], "listeners": [
        {"name": "l0", "address": support::socket(SocketAddr::from(([127, 0, 0, 1], ports[0]))), "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]}]}})
}

fn lines(path: &Path, n: usize) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    for mut line in support::log_lines(path, n) {
        let fields = line.as_object_mut().expect("an object");
        let peer = fields.remove("peer").expect("a peer");
        fields.remove("local");
        for (key, _) in ALIKE {
            let kind = match &fields[*key] {
                Value::Number(_) => "a number".to_owned(),
                Value::String(s) => format!("{} characters", s.len()),
                other => other.to_string(),
            };
            fields.insert((*key).to_owned(), json!(kind));
        }
        out.insert(peer.as_str().unwrap_or("").to_owned(), line);
    }
    out
}

#[test]
fn they_are_written_as_by_a_real_envoy() {
    let up = Upstream::named("x");
    let Some(pair) = pair::Pair::start(1, |ports, log| bootstrap(ports, log, up.address)) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let mut sent = Vec::new();
    for path in ["/old/a?b=c", "/direct?x", "/up", "/up?q=1#f", "/added/z?y", "/none", "/"] {
        for more in ["", "x-a: 1\r\nx-a: 22\r\n", "x-envoy-original-path: /first?one\r\n"] {
            for (method, body) in [("GET", ""), ("POST", "hello")] {
                let text = format!("{method} {path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n{body}", body.len());
                let ask = |address| {
                    let mut reader = support::connect(address);
                    let own = reader.stream().local_addr().expect("an address").to_string();
                    reader.stream().write_all(text.as_bytes()).expect("sent");
                    (own, reader.message().expect("an answer").status())
                };
                let (there, here) = pair.at(0);
                let (a, b) = (ask(there), ask(here));
                sent.push((text, a, b));
            }
        }
    }
    let (there, here) = (lines(&pair.theirs, sent.len()), lines(&pair.ours, sent.len()));
    let wrong: Vec<String> = sent
        .iter()
        .filter(|(_, a, b)| a.1 != b.1 || there[&a.0] != here[&b.0])
        .map(|(text, a, b)| format!("{text:?}\n  Envoy      {}\n  mesh-proxy {}", there[&a.0], here[&b.0]))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), sent.len(), wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n"));
}
