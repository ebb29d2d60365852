//! Policies (RBAC): generated principals, permissions and requests at a real Envoy and at mesh-proxy, enforced and in the shadow, with
//! what both count.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It shows its count, and says when it is skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use crate::{envoy, generate, pair, support, token};
use generate::Lot;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use support::Upstream;

const LISTENERS: usize = 60;
const REQUESTS: usize = 12;

fn string_match(lot: &mut Lot, values: &[&str]) -> Value {
    let value = lot.one(values);
    let half = &value[..value.len() / 2];
    match lot.number(6) {
        0 => json!({"exact": value}),
        1 => json!({"prefix": half}),
        2 => json!({"suffix": &value[value.len() / 2..]}),
        3 => json!({"contains": &value[1..]}),
        4 => json!({"safe_regex": {"regex": format!("{}.*", value.replace('.', "\\."))}}),
        _ => json!({"exact": value.to_uppercase(), "ignore_case": lot.yes(50)}),
    }
}

fn network(lot: &mut Lot) -> Value {
    let (address, length) =
        *lot.one(&[&("127.0.0.0", 8), &("127.0.0.1", 32), &("10.1.0.0", 16), &("10.1.2.3", 32), &("0.0.0.0", 0), &("192.168.0.0", 16), &("::1", 128)]);
    json!({"address_prefix": address, "prefix_len": length})
}

fn metadata(lot: &mut Lot) -> Value {
    let (path, value) = match lot.number(4) {
        0 => (json!([{"key": "payload"}, {"key": "iss"}]), json!({"string_match": string_match(lot, &["me", "you"])})),
        1 => (json!([{"key": "payload"}, {"key": "none"}]), json!({"present_match": true})),
        2 => (json!([{"key": "payload"}, {"key": "iss"}]), json!({"present_match": true})),
        _ => (
            json!([{"key": "payload"}, {"key": "iss"}]),
            json!({"or_match": {"value_matchers": [{"string_match": {"exact": "x"}}, {"string_match": {"exact": "me"}}]}}),
        ),
    };
    json!({"filter": "envoy.filters.http.jwt_authn", "path": path, "value": value, "invert": lot.yes(25)})
}

fn header(lot: &mut Lot) -> Value {
    let name = lot.one(&["x-a", "x-b", ":method", ":authority", ":path", "x-forwarded-for"]);
    match lot.number(3) {
        0 => json!({"name": name, "present_match": lot.yes(60), "invert_match": lot.yes(20)}),
        _ => json!({"name": name, "string_match": string_match(lot, &["value", "other", "GET", "a.test", "/admin/x"]), "invert_match": lot.yes(20),
            "treat_missing_header_as_empty": lot.yes(20)}),
    }
}

/// `some` makes what a set is made of.
fn set(lot: &mut Lot, field: &str, depth: usize, some: fn(&mut Lot, usize) -> Value) -> Value {
    let list: Vec<Value> = (0..1 + lot.number(2)).map(|_| some(lot, depth + 1)).collect();
    json!({ field: list })
}

fn permission(lot: &mut Lot, depth: usize) -> Value {
    match lot.number(if depth < 2 { 11 } else { 8 }) {
        0 => json!({"any": true}),
        1 => json!({"header": header(lot)}),
        2 => json!({"url_path": {"path": string_match(lot, &["/admin/x", "/open", "/op"])}}),
        3 => json!({"destination_ip": network(lot)}),
        4 => json!({"destination_port_range": {"start": 1, "end": lot.one(&[&2, &65536])}}),
        5 => json!({"destination_port": lot.one(&[&1, &80])}),
        6 => json!({"metadata": metadata(lot)}),
        7 => json!({"requested_server_name": string_match(lot, &["a.test", "bb"])}),
        8 => json!({"and_rules": set(lot, "rules", depth, permission)}),
        9 => json!({"or_rules": set(lot, "rules", depth, permission)}),
        _ => json!({"not_rule": permission(lot, depth + 1)}),
    }
}

fn principal(lot: &mut Lot, depth: usize) -> Value {
    match lot.number(if depth < 2 { 12 } else { 9 }) {
        0 => json!({"any": true}),
        1 => json!({"authenticated": {}}),
        2 => json!({"authenticated": {"principal_name": {"prefix": "spiffe://"}}}),
        3 => json!({"source_ip": network(lot)}),
        4 => json!({"direct_remote_ip": network(lot)}),
        5 => json!({"remote_ip": network(lot)}),
        6 => json!({"header": header(lot)}),
        7 => json!({"url_path": {"path": string_match(lot, &["/admin/x", "/open", "/op"])}}),
        8 => json!({"metadata": metadata(lot)}),
        9 => json!({"and_ids": set(lot, "ids", depth, principal)}),
        10 => json!({"or_ids": set(lot, "ids", depth, principal)}),
        _ => json!({"not_id": principal(lot, depth + 1)}),
    }
}

fn rules(lot: &mut Lot) -> Value {
    let policy = |lot: &mut Lot| {
        let permissions: Vec<Value> = (0..1 + lot.number(2)).map(|_| permission(lot, 0)).collect();
        let principals: Vec<Value> = (0..1 + lot.number(2)).map(|_| principal(lot, 0)).collect();
        json!({"permissions": permissions, "principals": principals})
    };
    let policies: Map<String, Value> = (0..lot.number(4)).map(|i| (format!("ns[a]-policy[p]-rule[{i}]"), policy(lot))).collect();
    json!({"action": lot.one(&["ALLOW", "DENY", "LOG"]), "policies": policies})
}

fn config(lot: &mut Lot) -> Value {
    let mut config = json!({});
    if lot.yes(85) {
        config["rules"] = rules(lot);
    }
    if lot.yes(50) {
        config["shadow_rules"] = rules(lot);
        if lot.yes(60) {
            config["shadow_rules_stat_prefix"] = json!(lot.one(&["istio_dry_run_allow_", "istio_dry_run_deny_"]));
        }
    }
    if lot.yes(20) {
        config["rules_stat_prefix"] = json!("own_");
    }
    config
}

fn manager(lot: &mut Lot, index: usize) -> Value {
    let filter = |name: &str, kind: &str, mut config: Value| {
        config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
        json!({"name": name, "typed_config": config})
    };
    let mut m = support::manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), None);
    m["stat_prefix"] = json!(format!("in{index}"));
    m["use_remote_address"] = json!(lot.yes(60));
    m["xff_num_trusted_hops"] = json!(lot.number(3));
    let filters = m["http_filters"].as_array_mut().expect("a list");
    filters.insert(0, filter("rbac", "rbac.v3.RBAC", config(lot)));
    if lot.yes(30) {
        filters.insert(1, filter("rbac2", "rbac.v3.RBAC", config(lot)));
    }
    let jwt = json!({"providers": {"p": {"issuer": "me", "payload_in_metadata": "payload", "local_jwks": {"inline_string": token::KEYS}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"allow_missing_or_failed": {}}}]});
    filters.insert(0, filter("envoy.filters.http.jwt_authn", "jwt_authn.v3.JwtAuthentication", jwt));
    if lot.yes(60) {
        let own = if lot.yes(50) { json!({}) } else { json!({ "rbac": config(lot) }) };
        let mut own = own;
        own["@type"] = json!("type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute");
        m["route_config"]["virtual_hosts"][0]["routes"][0]["typed_per_filter_config"] = json!({ "rbac": own });
    }
    m
}

fn request(lot: &mut Lot) -> String {
    let path = lot.one(&["/admin/x", "/admin/x?q=/open", "/open", "/ADMIN/X", "/"]);
    let mut out =
        format!("{} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 0\r\n", lot.one(&["GET", "POST"]), lot.one(&["a.test", "b.test"]));
    for name in ["x-a", "x-b"] {
        for _ in 0..lot.number(3) {
            out.push_str(&format!("{name}: {}\r\n", lot.one(&["value", "VALUE", "other", "v"])));
        }
    }
    if lot.yes(60) {
        out.push_str(&format!("x-forwarded-for: {}\r\n", lot.one(&["10.1.2.3", "10.1.9.9, 192.168.3.4", "8.8.8.8,10.1.2.3, 192.168.1.1", "junk", "::1"])));
    }
    let token = [token::Kind::None, token::Kind::Good, token::Kind::Forged][lot.number(3)];
    if let Some(value) = token::bearer(token) {
        out.push_str(&format!("authorization: {value}\r\n"));
    }
    out + "\r\n"
}

fn bootstrap(managers: &[Value], ports: &[u16], log: &Path, up: SocketAddr) -> Value {
    let more: &[(&str, &str)] = &[
        ("shadow", "%DYNAMIC_METADATA(envoy.filters.http.rbac)%"),
        ("remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ("direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ];
    let listener = |(i, (m, port)): (usize, (&Value, &u16))| {
        let mut m = m.clone();
        m["access_log"] = support::with_operators(envoy::access_log(log), &[more]);
        json!({"name": format!("l{i}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]})
    };
    let listeners: Vec<Value> = managers.iter().zip(ports).enumerate().map(listener).collect();
    json!({"static_resources": {"listeners": listeners, "clusters": [support::cluster("up", &[up])]}})
}

/// Sends a request, and says from where, and what came back.
fn send(address: SocketAddr, text: &str) -> (envoy::Client, String) {
    let mut reader = support::connect(address);
    let own = reader.stream().local_addr().expect("an address");
    reader.stream().write_all(text.as_bytes()).expect("sent");
    let m = reader.message().unwrap_or_default();
    (envoy::Client { address: own, port: address.port() }, format!("{} {:?}", m.status(), m.text()))
}

fn lines(path: &Path, n: usize) -> BTreeMap<String, Value> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    support::log_lines(path, n).into_iter().map(|l| (format!("{} to {}", text(&l["peer"]), text(&l["local"])), l)).collect()
}

#[test]
fn policies_decide_as_with_a_real_envoy() {
    let up = Upstream::named("x");
    let mut lot = Lot(20_261);
    let managers: Vec<Value> = (0..LISTENERS).map(|i| manager(&mut lot, i)).collect();
    let Some(pair) = pair::Pair::start(LISTENERS, |ports, log| bootstrap(&managers, ports, log, up.address)) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let mut sent = Vec::new();
    for i in 0..LISTENERS {
        let (there, here) = pair.at(i);
        for _ in 0..REQUESTS {
            let text = request(&mut lot);
            let (a, b) = (send(there, &text), send(here, &text));
            sent.push((i, text, a, b));
        }
    }
    let (there, here) = (lines(&pair.theirs, sent.len()), lines(&pair.ours, sent.len()));
    let (mut wrong, mut denied) = (Vec::new(), 0);
    for (i, text, (a, want), (b, got)) in &sent {
        let (mut x, mut y) = (there[&a.key()].clone(), here[&b.key()].clone());
        for line in [&mut x, &mut y] {
            line.as_object_mut().expect("an object").retain(|k, _| k != "peer" && k != "local");
        }
        denied += usize::from(want.starts_with("403"));
        if want != got || x != y {
            wrong.push(format!(
                "l{i} {text:?}\n  Envoy      {want} {x}\n  mesh-proxy {got} {y}\n  {}\n  {}",
                managers[*i]["http_filters"], managers[*i]["route_config"]["virtual_hosts"][0]["routes"]
            ));
        }
    }
    let (want, got) = pair.stats("rbac");
    println!("{} requests, {denied} of them denied; {} statistics", sent.len(), want.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), sent.len(), wrong.iter().take(6).cloned().collect::<Vec<_>>().join("\n"));
    assert_eq!(want, got);
    assert!(denied > 100, "{denied} denied");
}
