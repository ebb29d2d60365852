//! Expressions of Telemetry (CEL): what they ask of a request or a connection, by Envoy's names of attributes.

use crate::downstream::record::Record;
use crate::format::Subject;
use crate::http::exchange::Exchange;
use crate::message::HeaderMap;
use crate::telemetry::config::Direction;
use crate::telemetry::peer::Peer;
use crate::tls::session::Session;
use cel::{Context, Program, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// An expression, ready to be asked.
#[derive(Clone)]
pub struct Expression {
    program: Arc<Program>,
    text: Box<str>,
    /// The attributes that it names.
    names: Vec<Name>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.text == other.text
    }
}
impl Eq for Expression {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Request,
    Response,
    Connection,
    Source,
    Destination,
    Upstream,
    Node,
    Xds,
    Metadata,
    FilterState,
    UpstreamPeer,
    DownstreamPeer,
}

const NAMES: [(&str, Name); 12] = [
    ("request", Name::Request),
    ("response", Name::Response),
    ("connection", Name::Connection),
    ("source", Name::Source),
    ("destination", Name::Destination),
    ("upstream", Name::Upstream),
    ("node", Name::Node),
    ("xds", Name::Xds),
    ("metadata", Name::Metadata),
    ("filter_state", Name::FilterState),
    ("upstream_peer", Name::UpstreamPeer),
    ("downstream_peer", Name::DownstreamPeer),
];

/// Longer ones are refused: they are evaluated for every request.
const LONGEST: usize = 4096;

impl Expression {
    /// # Errors
    /// What is wrong with it, in a clause.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.len() > LONGEST {
            return Err(format!("longer than {LONGEST} characters"));
        }
        let program = Program::compile(text).map_err(|e| format!("no expression: {}", e.to_string().lines().next().unwrap_or("")))?;
        let references = program.references();
        let names = NAMES.iter().filter(|(text, _)| references.has_variable(text)).map(|(_, name)| *name).collect();
        Ok(Expression { names, text: text.into(), program: Arc::new(program) })
    }
    /// Its value; `None` where it can't be had, as when an attribute is not there.
    fn evaluate(&self, of: &impl Subject) -> Option<Value> {
        let mut context = Context::default();
        for (text, name) in NAMES.iter().filter(|(_, n)| self.names.contains(n)) {
            context.add_variable_from_value(*text, value(name.value(of)));
        }
        self.program.execute(&context).ok()
    }
    /// Whether it holds; what can't be had does not.
    pub fn holds(&self, of: &impl Subject) -> bool {
        matches!(self.evaluate(of), Some(Value::Bool(true)))
    }
    /// Its value as a label has it.
    pub fn text(&self, of: &impl Subject) -> Option<String> {
        match self.evaluate(of)? {
            Value::String(text) => Some(text.to_string()),
            Value::Int(n) => Some(n.to_string()),
            Value::UInt(n) => Some(n.to_string()),
            Value::Float(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            Value::Bytes(b) => Some(String::from_utf8_lossy(&b).into_owned()),
            _ => None,
        }
    }
}

/// As Envoy has it, whole numbers have a sign.
fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or(0.0)), Value::Int),
        Json::String(text) => Value::String(Arc::new(text)),
        Json::Array(list) => Value::List(Arc::new(list.into_iter().map(value).collect())),
        Json::Object(fields) => Value::Map(fields.into_iter().map(|(k, v)| (k, value(v))).collect::<HashMap<String, Value>>().into()),
    }
}

/// The values of a name together, as those of one line.
fn headers(map: &HeaderMap) -> Json {
    let mut fields = serde_json::Map::new();
    for (name, value) in map {
        let value = String::from_utf8_lossy(value.as_bytes());
        match fields.get_mut(name.as_str()) {
            Some(Json::String(text)) => {
                text.push(',');
                text.push_str(&value);
            }
            _ => drop(fields.insert(name.as_str().to_owned(), value.into())),
        }
    }
    Json::Object(fields)
}

fn address(of: Option<SocketAddr>) -> Json {
    of.map_or(json!({}), |a| json!({"address": a.to_string(), "port": a.port()}))
}

fn session(of: Option<&Session>, out: &mut Map<String, Json>) {
    let Some(session) = of else { return };
    let first = |list: &[String]| Json::from(list.first().map_or("", String::as_str));
    out.insert("tls_version".to_owned(), session.version.into());
    if let Some(peer) = &session.peer {
        out.insert("subject_peer_certificate".to_owned(), peer.facts.subject.to_string().into());
        out.insert("uri_san_peer_certificate".to_owned(), first(&peer.facts.uris));
        out.insert("dns_san_peer_certificate".to_owned(), first(&peer.facts.dns));
        out.insert("sha256_peer_certificate_digest".to_owned(), peer.facts.sha256.to_string().into());
    }
    if let Some(own) = &session.own {
        out.insert("subject_local_certificate".to_owned(), own.leaf.subject.to_string().into());
        out.insert("uri_san_local_certificate".to_owned(), first(&own.leaf.uris));
        out.insert("dns_san_local_certificate".to_owned(), first(&own.leaf.dns));
    }
}

fn peer(of: &Peer) -> Json {
    json!({"workload": of.workload, "namespace": of.namespace, "service": of.canonical_name, "revision": of.canonical_revision, "cluster": of.cluster,
        "app": of.app, "version": of.version,
        "labels": {"app": of.app, "version": of.version, "service.istio.io/canonical-name": of.canonical_name,
            "service.istio.io/canonical-revision": of.canonical_revision}})
}

/// The peers of both sides, as far as they are known.
fn peers(of: &impl Subject) -> Map<String, Json> {
    let record = of.record();
    let own = peer(&record.client.worker.shared.own.peer);
    let is_inbound = of.exchange().is_some_and(|e| e.connection.manager.telemetry.direction == Direction::Inbound);
    let said = of.exchange().and_then(|e| e.peer.clone()).or_else(|| if is_inbound { None } else { record.host.as_ref()?.workload.clone() });
    let (here, there) = if is_inbound { ("upstream_peer", "downstream_peer") } else { ("downstream_peer", "upstream_peer") };
    let mut out = Map::from_iter([(here.to_owned(), own)]);
    if let Some(said) = said {
        out.insert(there.to_owned(), peer(&said));
    }
    out
}

impl Name {
    fn value(self, of: &impl Subject) -> Json {
        let record = of.record();
        match self {
            Name::Request => of.exchange().map_or(json!({}), request),
            Name::Response => of.exchange().map_or(json!({}), response),
            Name::Connection => connection(record),
            Name::Source => address(Some(record.client.peer)),
            Name::Destination => address(Some(record.client.local)),
            Name::Upstream => {
                let mut out = address(record.host.as_ref().and_then(|h| h.address.socket()));
                if let Json::Object(fields) = &mut out {
                    session(record.upstream_tls.as_deref(), fields);
                    fields.insert("transport_failure_reason".to_owned(), record.transport_failure.as_str().into());
                    fields.insert("request_attempt_count".to_owned(), record.attempts.into());
                }
                out
            }
            Name::Node => record.client.worker.shared.own.node.clone(),
            Name::Xds => {
                let route = of.exchange().and_then(Exchange::route_name).unwrap_or("");
                let host = of.exchange().and_then(|e| e.route.as_ref()).map_or("", |r| &*r.virtual_host().name);
                json!({"cluster_name": record.cluster.as_deref().unwrap_or(""), "route_name": route, "virtual_host_name": host,
                    "filter_chain_name": &*record.client.chain_name})
            }
            Name::Metadata => json!({"filter_metadata": of.exchange().map_or(json!({}), |e| e.metadata.json())}),
            Name::FilterState => Json::Object(peers(of)),
            Name::UpstreamPeer => peers(of).remove("upstream_peer").unwrap_or(json!({})),
            Name::DownstreamPeer => peers(of).remove("downstream_peer").unwrap_or(json!({})),
        }
    }
}

fn request(e: &Exchange) -> Json {
    let text = |name: &str| e.headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let (path, query) = e.path.split_once('?').unwrap_or((&e.path, ""));
    let mut out = json!({
        "path": e.path, "url_path": path, "query": query, "host": e.authority, "scheme": e.scheme, "method": e.method.as_str(), "headers": headers(&e.headers),
        "protocol": e.protocol, "size": e.body.received(), "total_size": e.head_bytes + e.body.received(), "duration_ms": e.milliseconds(),
    });
    for (key, name) in [("referer", "referer"), ("useragent", "user-agent"), ("id", "x-request-id")] {
        if let Some(value) = text(name) {
            out[key] = value.into();
        }
    }
    out
}

fn response(e: &Exchange) -> Json {
    let mut out = json!({"code_details": &*e.details, "flags": bits(&e.flags), "headers": e.answer.all().map_or_else(|| json!({}), headers), "size": e.sent, "total_size": e.answer_head_bytes + e.sent});
    // A request without an answer has no code.
    if e.status > 0 {
        out["code"] = e.status.into();
    }
    if let Some(status) = e.grpc_status {
        out["grpc_status"] = status.into();
    }
    out
}

/// Response flags as Envoy's number: a bit each, in the order of its list.
fn bits(flags: &[&'static str]) -> u64 {
    let known = ["LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI", "IH", "DPE", "UMSDR"];
    flags.iter().filter_map(|f| known.iter().position(|k| k == f)).fold(0, |all, at| all | 1 << at)
}

fn connection(record: &Record) -> Json {
    let client = &record.client;
    let mut out = Map::new();
    let is_mutual = client.tls.as_ref().is_some_and(|s| s.peer.is_some());
    out.insert("mtls".to_owned(), is_mutual.into());
    out.insert("id".to_owned(), client.id.into());
    out.insert("requested_server_name".to_owned(), (&*client.server_name).into());
    out.insert("termination_details".to_owned(), (&**client.termination.borrow()).into());
    out.insert("transport_failure_reason".to_owned(), (&*client.transport_failure).into());
    session(client.tls.as_ref(), &mut out);
    Json::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_expression_is_said() {
        assert!(Expression::parse("response.code >= 400").is_ok_and(|e| e.names == [Name::Response]));
        assert!(Expression::parse("response.code >=").is_err_and(|e| e.starts_with("no expression")));
        assert!(Expression::parse(&"1+".repeat(3000)).is_err_and(|e| e.contains("4096")));
        assert_eq!((bits(&["NR"]), bits(&["LH", "UT"]), bits(&[])), (256, 5, 0));
    }
}
