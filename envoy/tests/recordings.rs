//! The engine on recordings that lie beside the repository: 45 requests to a real Envoy, and what a control plane with its
//! default settings sends. Skipped without them.

// It says when it is skipped.
#![allow(clippy::print_stderr)]

use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::gate::Answer;
use mesh_envoy::engine::listener::Address;
use mesh_envoy::engine::request::{Certificate, ClientTls, Connection, Entry, Protocol, Request};
use mesh_envoy::engine::walk::{Call, End, TokenState, Verdict, World, walk};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

fn recording(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(name);
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Requests whose status an upstream decided, and how: what reached it and by which route is predicted all the same.
const UPSTREAMS: &[(&str, &str)] = &[
    ("refused", "nothing listens at the endpoint"),
    ("refused-retry", "nothing listens at the endpoint, twice more"),
    ("timeout", "the upstream is slower than the route's timeout"),
    ("pertry", "the upstream is slower than a try's timeout"),
    ("retry503", "the upstream answers 503 as often as it is asked"),
    ("retry409", "the upstream answers 409 as often as it is asked"),
    ("retrycodes", "the upstream answers 418 as often as it is asked"),
    ("reset", "the upstream resets the connection"),
    ("reset-retry", "the upstream resets the connection, twice"),
    ("close", "the upstream closes the connection"),
    ("garbage", "the upstream's answer is no HTTP"),
    ("hdr_retry_on", "the upstream answers 503"),
    ("hdr_retry_on_internal", "the upstream answers 503"),
];

fn told<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

#[test]
fn recorded_requests_to_a_real_envoy_are_predicted() {
    let Some(folder) = recording("envoy-semantics") else { return };
    let bootstrap = read(&folder.join("envoy.json"));
    let resources = &bootstrap["static_resources"];
    let configuration =
        Configuration::read(&json!({"listeners": resources["listeners"], "clusters": resources["clusters"], "routes": []})).expect("a configuration");
    assert_eq!(configuration.problems, []);
    let requests = read(&folder.join("envoy_semantics.json"));
    let (mut wrong, mut by_upstreams, mut limited) = (Vec::new(), Vec::new(), false);
    for recorded in requests.as_array().expect("a list") {
        let name = told(recorded, "name");
        let v = predict(&configuration, &recorded["request"], limited);
        limited |= name == "rl";
        let line = &recorded["log"][0];
        if let Some((_, why)) = UPSTREAMS.iter().find(|(n, _)| *n == name) {
            by_upstreams.push(format!("{name}: {why}"));
        }
        let differences = differences(&v, recorded, line, UPSTREAMS.iter().any(|(n, _)| *n == name));
        wrong.extend(differences.iter().map(|d| format!("{name}: {d}")));
    }
    assert_eq!(by_upstreams.len(), UPSTREAMS.len(), "{by_upstreams:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn predict(configuration: &Configuration, request: &Value, limited: bool) -> Verdict {
    let headers: Vec<(&str, &str)> = request["headers"].as_object().into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or(""))).collect();
    let token = match headers.iter().any(|(k, _)| *k == "authorization") {
        true => TokenState::Invalid("Jwt header is an invalid Base64url encoded".to_owned()),
        false => TokenState::Absent,
    };
    let destination: SocketAddr = "127.0.0.1:19000".parse().expect("an address");
    let call = Call {
        entry: Entry::Direct,
        connection: Connection::plain(destination.ip(), destination),
        request: Some(Request {
            method: told(request, "method"),
            scheme: "http",
            authority: told(request, "host"),
            path: told(request, "path"),
            headers: &headers,
        }),
        expects: None,
    };
    walk(configuration, &call, &World { random: Some(0), token, limits_used_up: limited, outside: Answer::Allowed, unlucky: false })
}

/// What a prediction has different from the recording: the log's line, the answer's headers, what reached the upstream.
fn differences(v: &Verdict, recorded: &Value, line: &Value, upstream_decides: bool) -> Vec<String> {
    let branch = v.branches.first().expect("an end");
    let mut out = Vec::new();
    let mut compare = |what: &str, want: String, got: String| {
        if want != got {
            out.push(format!("{what}: Envoy {want:?}, engine {got:?}"));
        }
    };
    compare("route", told(line, "ROUTE_NAME").to_owned(), v.route.clone());
    let flags = |list: &[&str]| if list.is_empty() { "-".to_owned() } else { list.join(",") };
    match &branch.end {
        End::Replied(r) => {
            compare("status", recorded["status"].to_string(), r.status.to_string());
            compare("flags", told(line, "RESPONSE_FLAGS").to_owned(), flags(&r.flags));
            compare("details", told(line, "RESPONSE_CODE_DETAILS").to_owned(), r.details.clone());
            let location = recorded["headers"].as_array().into_iter().flatten().find(|h| h[0] == "location").map_or("", |h| h[1].as_str().unwrap_or(""));
            compare("location", location.to_owned(), r.location.clone().unwrap_or_default());
            compare("upstream requests", "[]".to_owned(), recorded["upstream"].to_string());
        }
        End::Forwarded => {
            compare("cluster", told(line, "UPSTREAM_CLUSTER_RAW").to_owned(), branch.cluster.clone());
            compare("endpoint", told(line, "UPSTREAM_HOST").to_owned(), branch.endpoints.first().map_or_else(String::new, |(a, _)| a.clone()));
            if let Some(first) = recorded["upstream"].get(0) {
                let host = first[2].as_array().into_iter().flatten().find(|h| h[0] == "host").map_or("", |h| h[1].as_str().unwrap_or(""));
                let (want_host, want_path) = v.upstream_request.clone().unwrap_or_default();
                compare("the upstream's host", host.to_owned(), want_host);
                compare("the upstream's path", first[1].as_str().unwrap_or("").to_owned(), want_path);
            }
            let copies = recorded["upstream"].as_array().into_iter().flatten().filter(|u| u[2].to_string().contains("-shadow")).count();
            compare("copies", copies.to_string(), v.policy.as_ref().map_or(0, |p| p.mirrors.len()).to_string());
            if !upstream_decides {
                compare("flags", told(line, "RESPONSE_FLAGS").to_owned(), flags(&v.flags));
                compare("details", told(line, "RESPONSE_CODE_DETAILS").to_owned(), "via_upstream".to_owned());
            }
        }
        other => compare("end", recorded["status"].to_string(), format!("{other:?}")),
    }
    out
}

/// What a control plane sends of a kind.
fn resources(responses: &Value, kind: &str) -> Value {
    let of_kind = responses.as_array().into_iter().flatten().filter(|r| told(r, "typeUrl").ends_with(kind));
    of_kind.flat_map(|r| r["resources"].as_array().cloned().unwrap_or_default()).collect()
}

#[test]
fn all_that_a_control_plane_sends_by_default_is_known() {
    let Some(folder) = recording("recorded/ads-default") else { return };
    let responses = read(&folder.join("responses.json"));
    let of = |kind| resources(&responses, kind);
    let configuration = Configuration::read(&json!({
        "listeners": of(".Listener"), "routes": of(".RouteConfiguration"), "clusters": of(".Cluster"), "endpoints": of(".ClusterLoadAssignment")
    }))
    .expect("a configuration");
    assert_eq!((configuration.problems.as_slice(), configuration.listeners.len()), (&[][..], 17));
    let named = |url: &str, headers: &[(&str, &str)]| outbound(&configuration, url, headers);

    // The VirtualService's header route, with its delay; and its split.
    let jason = named("web.default.svc.cluster.local", &[("end-user", "jason")]);
    assert!(jason.branches[0].cluster.contains("|v2|web.default") && jason.flags == ["DI"], "{:?}", jason.branches);
    let others = named("web.default.svc.cluster.local", &[]);
    let shares: Vec<u64> = others.branches.iter().map(|b| b.share).collect();
    assert_eq!(shares, [900_000, 100_000]);
    assert_eq!(others.policy.as_ref().map(|p| (p.timeout.map(|t| t.as_secs()), p.mirrors.len())), Some((Some(5), 1)));
    assert!(others.steps.iter().any(|s| s.source.ends_with("/virtual-service/web")), "{:?}", others.steps);

    // Authorization at the server, by its ALLOW policy; mutual TLS is STRICT.
    let client = "spiffe://cluster.local/ns/default/sa/client";
    for (method, path, who, want) in [
        ("GET", "/api/x", Some(client), ""),
        ("POST", "/api/x", Some(client), "rbac_access_denied_matched_policy[none]"),
        ("GET", "/other", Some(client), "rbac_access_denied_matched_policy[none]"),
        ("GET", "/api/x", Some("spiffe://cluster.local/ns/default/sa/other"), "rbac_access_denied_matched_policy[none]"),
        ("GET", "/api/x", None, "filter_chain_not_found"),
    ] {
        let v = inbound(&configuration, method, path, who);
        let found = match &v.branches[0].end {
            End::Forwarded => "",
            End::Replied(r) => &r.details,
            End::Closed { details, .. } => details,
            End::UpTo(u) => panic!("{u}"),
        };
        assert_eq!(found, want, "{method} {path} {who:?}");
    }

    // Nothing in any listener is unknown, for HTTP and for bytes, plain and with TLS.
    for listener in &configuration.listeners {
        for address in listener.addresses.iter().filter_map(|a| if let Address::Socket(s) = a { Some(*s) } else { None }) {
            for (entry, protocol, tls) in [
                (Entry::CapturedOutbound, Protocol::Http11, false),
                (Entry::CapturedOutbound, Protocol::Tcp, true),
                (Entry::CapturedInbound, Protocol::Http11, true),
                (Entry::CapturedInbound, Protocol::Tcp, true),
            ] {
                let v = called(&configuration, entry, address, protocol, tls.then_some(client), ("GET", "anything", "/"), &[]);
                assert!(!v.branches.iter().any(|b| matches!(b.end, End::UpTo(_))), "{} {entry:?} {protocol:?}: {:?}", listener.name, v.branches);
            }
        }
    }
}

fn outbound(configuration: &Configuration, host: &str, headers: &[(&str, &str)]) -> Verdict {
    called(configuration, Entry::CapturedOutbound, "10.1.0.1:80".parse().expect("an address"), Protocol::Http11, None, ("GET", host, "/"), headers)
}

fn inbound(configuration: &Configuration, method: &str, path: &str, who: Option<&str>) -> Verdict {
    called(configuration, Entry::CapturedInbound, "127.0.0.1:8081".parse().expect("an address"), Protocol::Http11, who, (method, "web", path), &[])
}

fn called(
    configuration: &Configuration,
    entry: Entry,
    destination: SocketAddr,
    protocol: Protocol,
    who: Option<&str>,
    (method, host, path): (&str, &str, &str),
    headers: &[(&str, &str)],
) -> Verdict {
    let headers: Vec<(&str, &str)> = headers.to_vec();
    let source = "10.0.0.9".parse().expect("an address");
    let tls = who.map(|name| ClientTls {
        alpn: vec![if protocol == Protocol::Tcp { "istio-peer-exchange" } else { "istio-http/1.1" }, "istio"],
        certificate: Some(Certificate { names: vec![name.to_owned()].into() }),
        ..ClientTls::default()
    });
    let request = Request { method, scheme: "http", authority: host, path, headers: &headers };
    let connection = Connection { tls, protocol, ..Connection::plain(source, destination) };
    let call = Call { entry, connection, request: protocol.is_http().then_some(request), expects: None };
    walk(configuration, &call, &World::default())
}
