//! Many calls at once, in the form of Istio's simulation tests: `--calls FILE`.

use crate::context::Compat;
use crate::print::document::Document;
use crate::print::dump;
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::listener::Direction;
use mesh_envoy::engine::request::{Certificate, ClientTls, Connection, Entry, Protocol, Request};
use mesh_envoy::engine::walk::{Call, End, Replied, Verdict, World, walk};
use serde::{Deserialize, Deserializer, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A call. Every field may be empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Described {
    /// "" is an address that no listener owns.
    address: String,
    port: u16,
    path: String,
    /// `http`, `http2` or `tcp`.
    protocol: String,
    /// `plaintext`, `tls` or `mtls`.
    tls: String,
    alpn: String,
    host: String,
    #[serde(deserialize_with = "or_empty")]
    headers: std::collections::BTreeMap<String, Values>,
    sni: String,
    /// `inbound` enters as traffic to the workload; otherwise from it, or at a gateway.
    mode: String,
    mtls_secret: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// What came of a call; "" for what was not reached.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    listener: String,
    filter_chain: String,
    route_config: String,
    virtual_host: String,
    route: String,
    cluster: String,
    error: String,
}

/// The answers as JSON.
pub struct Answered {
    pub text: String,
    /// Whether some call came over mutual TLS, and so from [`CALLER`].
    pub mutual: bool,
}

/// The address of a call that names none: no listener and no service has it.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 3, 3, 7));

/// Who calls over mutual TLS: these calls say nothing of it.
pub const CALLER: &str = "spiffe://cluster.local/ns/default/sa/default";

/// Answers a JSON array of calls by one of answers, in the same order.
pub fn answer(configuration: &Configuration, calls: &str) -> Result<Answered, String> {
    let calls: Vec<Described> = serde_json::from_str(calls).map_err(|e| format!("the calls can't be read: {e}"))?;
    let answers = calls.iter().map(|c| one(configuration, c)).collect::<Result<Vec<_>, _>>()?;
    let value = serde_json::to_value(&answers).map_err(|e| e.to_string())?;
    Ok(Answered { text: dump::document(value, Document::Json, Compat::Meshctl), mutual: calls.iter().any(|c| c.tls == "mtls") })
}

fn one(configuration: &Configuration, call: &Described) -> Result<Answer, String> {
    let address: IpAddr = match call.address.as_str() {
        "" => NOBODY,
        text => text.parse().map_err(|_| format!("`{text}` is no address"))?,
    };
    let protocol = match call.protocol.as_str() {
        "http2" => Protocol::Http2,
        "tcp" => Protocol::Tcp,
        "" | "http" => Protocol::Http11,
        other => return Err(format!("the protocol `{other}` is none of http, http2, tcp")),
    };
    let alpn = match (call.alpn.as_str(), call.tls.as_str(), protocol) {
        ("", "mtls", Protocol::Http2) => "istio-h2",
        ("", "mtls", Protocol::Tcp) => "istio",
        ("", "mtls", _) => "istio-http/1.1",
        (given, _, _) => given,
    };
    let mutual = call.tls == "mtls";
    let server_name = if call.sni.is_empty() && call.tls == "tls" { &call.host } else { &call.sni };
    let tls = match call.tls.as_str() {
        // A server name is said in a TLS hello and nowhere else: a call that has one speaks TLS.
        "" if call.sni.is_empty() => None,
        "plaintext" => None,
        "" | "tls" | "mtls" => Some(ClientTls {
            server_name,
            alpn: if alpn.is_empty() { Vec::new() } else { vec![alpn] },
            certificate: mutual.then(|| Certificate { names: vec![CALLER.to_owned()].into() }),
            passed_through: false,
        }),
        other => return Err(format!("`{other}` is none of plaintext, tls, mtls")),
    };
    let entry = match call.mode.as_str() {
        "inbound" => Entry::CapturedInbound,
        _ if configuration.listeners.iter().any(|l| l.hands_off && l.direction == Direction::Outbound) => Entry::CapturedOutbound,
        _ => Entry::Direct,
    };
    let secret = if call.mtls_secret.is_empty() { "default" } else { &call.mtls_secret };
    let headers: Vec<(&str, &str)> = call
        .headers
        .iter()
        .flat_map(|(k, v)| {
            let values = match v {
                Values::One(v) => std::slice::from_ref(v),
                Values::Many(list) => list,
            };
            values.iter().map(move |v| (k.as_str(), v.as_str()))
        })
        .collect();
    // A client without a name for the host sends the address.
    let named = SocketAddr::new(address, call.port).to_string();
    let authority = if call.host.is_empty() { &named } else { &call.host };
    let path = if call.path.is_empty() { "/" } else { &call.path };
    let request = Request { method: "GET", scheme: "http", authority, path, headers: &headers };
    let connection = Connection { tls, protocol, ..Connection::plain(IpAddr::V4(Ipv4Addr::new(10, 255, 255, 1)), SocketAddr::new(address, call.port)) };
    let call = Call { entry, connection, request: protocol.is_http().then_some(request), expects: mutual.then_some(secret) };
    Ok(told(configuration, &walk(configuration, &call, &World { random: Some(0), ..World::default() })))
}

fn told(configuration: &Configuration, v: &Verdict) -> Answer {
    let branch = v.branches.first();
    let error = match branch.map(|b| &b.end) {
        // Which clusters and endpoints exist is not what these calls ask.
        Some(End::Forwarded) => String::new(),
        Some(End::Replied(r)) => replied(v, r).to_owned(),
        Some(End::Closed { why: "no endpoint" | "no cluster", .. }) => String::new(),
        Some(End::Closed { why, .. }) => (*why).to_owned(),
        Some(End::UpTo(u)) => u.to_string(),
        None => "no answer".to_owned(),
    };
    Answer {
        listener: v.listener.clone(),
        filter_chain: v.filter_chain.clone(),
        // Named is what came over RDS.
        route_config: if configuration.routes.contains_key(&*v.route_configuration) { v.route_configuration.clone() } else { String::new() },
        virtual_host: v.virtual_host.clone(),
        route: v.route.clone(),
        cluster: branch.map_or("", |b| &b.cluster).to_owned(),
        error,
    }
}

/// The error that an answer of the proxy's own stands for; "" for one that the configuration wants.
fn replied<'v>(v: &Verdict, r: &'v Replied) -> &'v str {
    match r.details.as_str() {
        "cluster_not_found" | "no_healthy_upstream" => "",
        "route_not_found" if v.virtual_host.is_empty() => "no virtual host matched",
        "route_not_found" => "no route matched",
        "direct_response" if v.route.is_empty() => "tls required, sending 301",
        // A route that redirects or answers, named or not.
        "direct_response" => "",
        other => other,
    }
}
