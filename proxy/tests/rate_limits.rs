//! Local rate limits with descriptors: generated limits, policies and requests at a real Envoy and at mesh-proxy.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It shows its count, and says when it is skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use crate::{envoy, generate, pair, support};
use generate::Lot;
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use support::{Act, Message, Upstream};

const LISTENERS: usize = 48;
const REQUESTS: usize = 20;

fn echo(request: &Message) -> Act {
    let mut headers: Vec<String> = request.headers.iter().filter(|(k, _)| k.starts_with("x-l")).map(|(k, v)| format!("{k}: {v}")).collect();
    headers.sort();
    support::answer(200, "x-up: 1\r\n", &headers.join("\n"))
}

fn bucket(lot: &mut Lot) -> Value {
    // No bucket gets a token back while the test runs.
    let most = 1 + lot.number(6);
    json!({"max_tokens": most, "tokens_per_fill": 1 + lot.number(most), "fill_interval": lot.one(&["36000s", "72000s"])})
}

fn action(lot: &mut Lot) -> Value {
    match lot.number(10) {
        0 => json!({"source_cluster": {}}),
        1 => json!({"destination_cluster": {}}),
        2 => json!({"remote_address": {}}),
        3 => json!({"masked_remote_address": {"v4_prefix_mask_len": lot.one(&[&8, &24, &32])}}),
        4 | 5 => json!({"request_headers": {"header_name": lot.one(&["x-a", ":path", ":method"]), "descriptor_key": "k", "skip_if_absent": lot.yes(40)}}),
        6 => json!({"query_parameters": {"query_parameter_name": "q", "descriptor_key": "k", "skip_if_absent": lot.yes(40)}}),
        7 => json!({"header_value_match": {"descriptor_value": "v", "expect_match": lot.yes(60),
            "headers": [{"name": "x-a", "string_match": {"exact": "v"}}]}}),
        8 => json!({"query_parameter_value_match": {"descriptor_key": lot.one(&["", "k"]), "descriptor_value": "v", "expect_match": lot.yes(60),
            "query_parameters": [{"name": "q", "string_match": {"exact": "v"}}]}}),
        _ => json!({"generic_key": {"descriptor_key": lot.one(&["", "k"]), "descriptor_value": "v"}}),
    }
}

/// A descriptor that such actions may make.
fn descriptor(lot: &mut Lot, actions: &Value) -> Value {
    let entries: Vec<Value> = actions.as_array().expect("a list").iter().map(|a| entry(lot, a)).collect();
    json!({"entries": entries, "token_bucket": bucket(lot), "shadow_mode": lot.yes(35)})
}

fn entry(lot: &mut Lot, action: &Value) -> Value {
    let (kind, of) = action.as_object().and_then(|a| a.iter().next()).expect("an action");
    let key = of["descriptor_key"].as_str().unwrap_or("");
    let (key, value) = match kind.as_str() {
        "source_cluster" => ("source_cluster", "me"),
        "destination_cluster" => ("destination_cluster", "up"),
        "remote_address" => ("remote_address", "127.0.0.1"),
        "masked_remote_address" => ("masked_remote_address", lot.one(&["127.0.0.0/24", "127.0.0.0/8", "127.0.0.1/32"])),
        "header_value_match" => ("header_match", "v"),
        "query_parameter_value_match" if key.is_empty() => ("query_match", "v"),
        "generic_key" if key.is_empty() => ("generic_key", "v"),
        "generic_key" | "query_parameter_value_match" => ("k", "v"),
        _ => ("k", lot.one(&["v", "w", "/a", "GET"])),
    };
    // An empty value is any.
    json!({"key": key, "value": if lot.yes(20) { "" } else { value }})
}

fn policies(lot: &mut Lot) -> Value {
    let list: Vec<Value> = (0..lot.number(4))
        .map(|_| {
            let actions: Vec<Value> = (0..1 + lot.number(2)).map(|_| action(lot)).collect();
            let mut policy = json!({"actions": actions});
            if lot.yes(15) {
                policy["stage"] = json!(1);
            }
            if lot.yes(8) {
                policy["disable_key"] = json!("off");
            }
            policy
        })
        .collect();
    Value::Array(list)
}

fn headers(lot: &mut Lot, name: &str) -> Value {
    let action = |lot: &mut Lot| *lot.one(&[&"APPEND_IF_EXISTS_OR_ADD", &"ADD_IF_ABSENT", &"OVERWRITE_IF_EXISTS_OR_ADD", &"OVERWRITE_IF_EXISTS"]);
    let list: Vec<Value> = (0..lot.number(3)).map(|i| json!({"header": {"key": name, "value": format!("v{i}")}, "append_action": action(lot)})).collect();
    Value::Array(list)
}

/// A limit; its descriptors are made for these policies.
fn limit(lot: &mut Lot, name: &str, all: &[&Value]) -> Value {
    let share = |lot: &mut Lot, percent: usize| json!({"default_value": {"numerator": if lot.yes(percent) { 100 } else { 0 }}});
    let mut descriptors: Vec<Value> = Vec::new();
    for policy in all.iter().flat_map(|l| l.as_array().expect("a list")) {
        if lot.yes(85) {
            descriptors.push(descriptor(lot, &policy["actions"]));
        }
    }
    let mut seen = Vec::new();
    descriptors.retain(|d| {
        !seen.contains(&d["entries"]) && {
            seen.push(d["entries"].clone());
            true
        }
    });
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": name,
        "filter_enabled": share(lot, 92), "filter_enforced": share(lot, 85), "descriptors": descriptors, "stage": usize::from(lot.yes(10)),
        "enable_x_ratelimit_headers": lot.one(&["OFF", "DRAFT_VERSION_03", "DRAFT_VERSION_03"]),
        "vh_rate_limits": lot.one(&["OVERRIDE", "INCLUDE", "IGNORE"]), "always_consume_default_token_bucket": lot.yes(60),
        "rate_limited_as_resource_exhausted": lot.yes(50), "max_dynamic_descriptors": 2,
        "response_headers_to_add": headers(lot, "x-limited"), "request_headers_to_add_when_not_enforced": headers(lot, "x-l"),
    });
    config["token_bucket"] = bucket(lot);
    if lot.yes(30) {
        config["token_bucket"]["max_tokens"] = json!(100);
    }
    if lot.yes(30) {
        config["status"] = json!({"code": lot.one(&["ServiceUnavailable", "OK", "Forbidden"])});
    }
    config
}

/// One listener's connection manager.
fn manager(lot: &mut Lot, index: usize) -> Value {
    let (host, first, second) = (policies(lot), policies(lot), policies(lot));
    let name = |what: &str| format!("l{index}{what}");
    let mut global = limit(lot, &name("g"), &[&host, &first, &second]);
    // A connection has one limiter with Envoy, whatever routes it asks for: those have none of their own then.
    let per_connection = index.is_multiple_of(6);
    global["local_rate_limit_per_downstream_connection"] = json!(per_connection);
    if index % 7 == 3 {
        let own = json!([{"actions": [{"request_headers": {"header_name": "x-a", "descriptor_key": "k"}}]}]);
        global["descriptors"] = json!([descriptor(lot, &own[0]["actions"])]);
        global["rate_limits"] = own;
    }
    if index % 11 == 5 {
        global.as_object_mut().expect("an object").remove("token_bucket");
    }
    let mut routes = vec![
        json!({"match": {"prefix": "/a"}, "route": {"cluster": "up", "rate_limits": first, "include_vh_rate_limits": lot.yes(30)}}),
        json!({"match": {"prefix": "/b"}, "route": {"cluster": "up", "rate_limits": second}}),
        json!({"match": {"prefix": "/d"}, "direct_response": {"status": 200}}),
    ];
    let of = |limit: Value| json!({"limit": limit});
    if !per_connection && lot.yes(50) {
        routes[0]["typed_per_filter_config"] = of(limit(lot, &name("r"), &[&host, &first]));
    }
    let mut virtual_host = json!({"name": "v", "domains": ["*"], "routes": routes, "rate_limits": host});
    if !per_connection && lot.yes(30) {
        virtual_host["typed_per_filter_config"] = of(limit(lot, &name("h"), &[&host, &second]));
    }
    let mut m = support::manager(json!([]), None);
    m["route_config"]["virtual_hosts"] = json!([virtual_host]);
    m["http_filters"].as_array_mut().expect("a list").insert(0, json!({"name": "limit", "typed_config": global}));
    m
}

fn request(lot: &mut Lot) -> String {
    let path = format!("{}{}", lot.one(&["/a", "/a", "/b", "/d", "/none"]), lot.one(&["", "", "?q=v", "?q=w", "?q"]));
    let mut out = format!("{} {path} HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n", lot.one(&["GET", "GET", "POST"]));
    for (percent, line) in [(50, "x-a: v"), (15, "x-a: w"), (15, "content-type: application/grpc"), (15, "x-l: own")] {
        if lot.yes(percent) {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out + "\r\n"
}

/// What can be compared of an answer. Seconds until there is a token have passed in part.
fn comparable(m: &Message) -> String {
    let value = |k: &str, v: &str| match k {
        "x-ratelimit-reset" => format!("about {} minutes", (v.parse::<u64>().unwrap_or(0) + 30) / 60),
        "x-envoy-upstream-service-time" => "N".to_owned(),
        _ => v.to_owned(),
    };
    let mut headers: Vec<String> = m.headers.iter().filter(|(k, _)| k != "date").map(|(k, v)| format!("{k}: {}", value(k, v))).collect();
    headers.sort();
    format!("{} {headers:?} {:?}", m.status(), m.text())
}

/// The answers to requests, `each` on a connection.
fn answers(address: SocketAddr, requests: &[String], each: usize) -> Vec<String> {
    let mut out = Vec::new();
    for some in requests.chunks(each) {
        let mut reader = support::connect(address);
        for text in some {
            reader.stream().write_all(text.as_bytes()).expect("sent");
            out.push(comparable(&reader.message().expect("an answer")));
        }
    }
    out
}

#[test]
fn requests_are_limited_as_by_a_real_envoy() {
    let up = Upstream::new(echo);
    let mut lot = Lot(4711);
    let managers: Vec<Value> = (0..LISTENERS).map(|i| manager(&mut lot, i)).collect();
    let bootstrap = |ports: &[u16], log: &std::path::Path| {
        let listener = |(i, (m, port)): (usize, (&Value, &u16))| {
            let mut m = m.clone();
            m["access_log"] = envoy::access_log(log);
            json!({"name": format!("l{i}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))),
                "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]})
        };
        let listeners: Vec<Value> = managers.iter().zip(ports).enumerate().map(listener).collect();
        json!({"node": {"id": "n", "cluster": "me"}, "static_resources": {"listeners": listeners, "clusters": [support::cluster("up", &[up.address])]}})
    };
    let Some(pair) = pair::Pair::start(LISTENERS, bootstrap) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let (mut wrong, mut limited) = (Vec::new(), 0);
    for (i, manager) in managers.iter().enumerate() {
        let requests: Vec<String> = (0..REQUESTS).map(|_| request(&mut lot)).collect();
        let (there, here) = pair.at(i);
        let (want, got) = (answers(there, &requests, 5), answers(here, &requests, 5));
        limited += want.iter().filter(|a| a.contains("local_rate_limited")).count();
        if let Some(at) = want.iter().zip(&got).position(|(a, b)| a != b) {
            wrong.push(format!("l{i}, request {at}: {:?}\n  Envoy      {}\n  mesh-proxy {}\n  {manager}", requests[at], want[at], got[at]));
        }
    }
    let (want, got) = pair.stats("http_local_rate_limit");
    println!("{} requests, {limited} of them refused; {} statistics", LISTENERS * REQUESTS, want.len());
    assert!(wrong.is_empty(), "{} of {LISTENERS} listeners differ:\n{}", wrong.len(), wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
    assert_eq!(want, got);
    assert!(limited > 100, "{limited} refused");
}
