//! `POST /why`: what would become of a request, step by step, by the engine that decides about the real ones, on the
//! configuration that is in use, with the endpoints' health as it is known now.

use super::{Context, dump};
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::pick::UpstreamTransport;
use mesh_envoy::engine::request::{Certificate, ClientTls, Connection, Entry, Protocol, Request};
use mesh_envoy::engine::walk::{Branch, Call, End, Step, TokenState, Verdict, World, walk};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a question may have.
const FIELDS: [&str; 11] = ["to", "from", "entry", "method", "scheme", "host", "path", "headers", "http", "tls", "claims"];
const HELP: &str = "\
a question is an object: {\"to\": \"10.0.0.1:80\", \"host\": \"cart\", \"path\": \"/\"} with, as wanted,
  to (ADDRESS:PORT, where the client wants to go; else the first listener), from (ADDRESS), entry (direct, outbound, inbound),
  method, scheme, host, path, headers ({NAME: VALUE}), http (1.0, 1.1, 2, none), tls ({server_name, alpn, principals}),
  claims (those of a valid token)";

/// # Errors
/// What is wrong with the question.
pub fn answer(context: &Context, question: &[u8]) -> Result<Value, String> {
    let question: Value = serde_json::from_slice(question).map_err(|e| format!("no JSON: {e}\n{HELP}"))?;
    let fields = question.as_object().ok_or_else(|| HELP.to_owned())?;
    if let Some(unknown) = fields.keys().find(|k| !FIELDS.contains(&k.as_str())) {
        return Err(format!("`{unknown}` is no field of a question; {HELP}"));
    }
    let text = |name: &str, default: &str| {
        fields.get(name).map_or(Ok(default.to_owned()), |v| v.as_str().map(str::to_owned).ok_or(format!("{name}: a text belongs here")))
    };
    let to = match fields.get("to") {
        Some(_) => text("to", "")?.parse::<SocketAddr>().map_err(|_| "to: ADDRESS:PORT belongs here".to_owned())?,
        None => context.shared.listeners.slots().first().map(|s| s.address).ok_or("to: there is no listener that it could be")?,
    };
    let to = configured(context, to);
    let from: IpAddr = text("from", &Ipv4Addr::LOCALHOST.to_string())?.parse().map_err(|_| "from: an address belongs here".to_owned())?;
    let entry = match text("entry", "direct")?.as_str() {
        "direct" => Entry::Direct,
        "outbound" => Entry::CapturedOutbound,
        "inbound" => Entry::CapturedInbound,
        other => return Err(format!("entry: `{other}` is none of direct, outbound, inbound")),
    };
    let protocol = match text("http", "1.1")?.as_str() {
        "1.0" => Protocol::Http10,
        "1.1" => Protocol::Http11,
        "2" => Protocol::Http2,
        "none" => Protocol::Tcp,
        other => return Err(format!("http: `{other}` is none of 1.0, 1.1, 2, none")),
    };
    let list = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_array).into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let tls = fields.get("tls");
    let (server_name, alpn, principals) = (
        tls.and_then(|t| t.get("server_name")).and_then(Value::as_str).unwrap_or("").to_owned(),
        list(tls.and_then(|t| t.get("alpn"))),
        list(tls.and_then(|t| t.get("principals"))),
    );
    let headers: Vec<(String, String)> = match fields.get("headers") {
        None => Vec::new(),
        Some(Value::Object(map)) => {
            map.iter().map(|(k, v)| Some((k.to_ascii_lowercase(), v.as_str()?.to_owned()))).collect::<Option<_>>().ok_or("headers: texts belong here")?
        }
        Some(_) => return Err("headers: an object belongs here".to_owned()),
    };
    let (method, host, path) = (text("method", "GET")?, text("host", "")?, text("path", "/")?);
    let scheme = text("scheme", if tls.is_some() { "https" } else { "http" })?;
    let connection = Connection {
        tls: tls.map(|_| ClientTls {
            server_name: &server_name,
            alpn: alpn.iter().map(String::as_str).collect(),
            certificate: (!principals.is_empty()).then(|| Certificate { names: principals.as_slice().into() }),
            passed_through: false,
        }),
        protocol,
        ..Connection::plain(from, to)
    };
    let request = Request { method: &method, scheme: &scheme, authority: &host, path: &path, headers: &headers };
    let call = Call { entry, connection, request: protocol.is_http().then_some(request), expects: None };
    let token = fields.get("claims").map_or(TokenState::Absent, |c| TokenState::Valid(c.clone()));
    let configuration = configuration(context)?;
    Ok(told(&walk(&configuration, &call, &World { token, ..World::default() })))
}

/// A listener on any port is known to the configuration by port 0.
fn configured(context: &Context, to: SocketAddr) -> SocketAddr {
    let slots = context.shared.listeners.slots();
    let name = slots.iter().find(|s| s.address == to).map(|s| s.name.clone());
    let snapshot = context.shared.snapshot();
    let listener = name.and_then(|name| snapshot.listeners.iter().find(|l| *l.engine.name == *name));
    let address = listener.and_then(|l| l.engine.addresses.first()?.to_string().parse().ok());
    address.filter(|a: &SocketAddr| a.port() == 0).unwrap_or(to)
}

/// What is in use, with the health of endpoints as it was found out.
fn configuration(context: &Context) -> Result<Configuration, String> {
    let mut out = Configuration::read(&dump::all(context, dump::EndpointsIn::Yes)).map_err(|e| e.to_string())?;
    for runtime in context.shared.runtimes() {
        if let Some(service) = runtime.config.service() {
            out.assignments.insert(service.into(), runtime.hosts().assignment.clone());
        }
    }
    Ok(out)
}

fn told(verdict: &Verdict) -> Value {
    json!({
        "listener": verdict.listener, "filterChain": verdict.filter_chain, "routeConfiguration": verdict.route_configuration,
        "virtualHost": verdict.virtual_host, "route": verdict.route, "cluster": verdict.cluster,
        "steps": verdict.steps.iter().map(step).collect::<Vec<_>>(), "outcomes": verdict.branches.iter().map(branch).collect::<Vec<_>>(),
        "assumptions": verdict.assumptions, "complete": !verdict.branches.iter().any(|b| matches!(b.end, End::UpTo(_))),
    })
}

fn step(s: &Step) -> Value {
    let passed: Vec<Value> = s.passed.iter().map(|p| json!({"name": p.candidate.name, "object": p.candidate.source, "why": p.why})).collect();
    json!({"step": s.kind.name(), "name": s.name, "object": s.source, "note": s.note, "policy": s.policy, "passedOver": passed})
}

fn branch(b: &Branch) -> Value {
    let endpoints: Vec<Value> = b.endpoints.iter().map(|(address, share)| json!({"address": address, "share": *share as f64 / 1e6})).collect();
    let transport = b.transport.as_ref().map(|t| match t {
        UpstreamTransport::Plaintext => "plaintext".to_owned(),
        UpstreamTransport::Tls { presents_certificate: true, .. } => "mutual TLS".to_owned(),
        UpstreamTransport::Tls { .. } => "TLS".to_owned(),
        UpstreamTransport::Other(name) => name.to_string(),
    });
    let mut out = json!({"share": b.share as f64 / 1e6, "cluster": b.cluster, "object": b.source, "endpoints": endpoints, "transport": transport});
    let more = match &b.end {
        End::Forwarded => json!({"end": "forwarded"}),
        End::Replied(r) => json!({"end": "replied", "status": r.status, "flags": r.flags.join(","), "details": r.details, "location": r.location}),
        End::Closed { why, flag, details } => json!({"end": "closed", "why": why, "flags": flag, "details": details}),
        End::UpTo(u) => json!({"end": "unknown", "path": u.path, "why": u.what}),
    };
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
    }
    out
}
