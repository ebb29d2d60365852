//! A request's span, from where its route is known to the end of its answer, with the tags that Envoy gives it.

use super::config::{Source, Tag};
use super::context::{Context, Found};
use super::sampling;
use crate::format::Absent;
use crate::http::exchange::Exchange;
use crate::http::head::names;
use crate::message::HeaderMap;
use crate::telemetry::Direction;
use crate::upstream::Reason;
use http::header::{self, HeaderName, HeaderValue};
use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Client,
    Server,
}

/// A span that is over.
#[derive(Clone, Debug)]
pub struct Span {
    pub context: Context,
    pub kind: Kind,
    pub name: String,
    pub started: SystemTime,
    pub duration: Duration,
    pub tags: Tags,
    /// Whether the parent is another process.
    pub has_remote_parent: bool,
}

pub type Tags = Vec<(Cow<'static, str>, String)>;

impl Span {
    /// By OpenTelemetry's rules for the status of HTTP and of gRPC.
    pub fn is_error(&self) -> bool {
        let value = |name: &str| self.tags.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        let number = |name: &str| value(name).and_then(|s| s.parse::<u16>().ok());
        let of_http = number("http.status_code").is_some_and(|status| status >= if self.kind == Kind::Client { 400 } else { 500 });
        let of_grpc = number("grpc.status_code").is_some_and(|status| match self.kind {
            Kind::Client => status != 0,
            Kind::Server => matches!(status, 2 | 4 | 12..=15),
        });
        of_http || of_grpc
    }
}

/// What is kept of a request's trace while it is on its way.
#[derive(Clone, Debug)]
pub struct Active {
    /// `None` where nothing is handed on: no provider, or a client whose headers can't be read.
    pub own: Option<Own>,
    /// The operation that an answer tells its client of.
    decorator: Option<Box<str>>,
    attempt: Option<Attempt>,
    /// `grpc-message` of the trailers.
    pub grpc_message: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Own {
    pub context: Context,
    kind: Kind,
    name: String,
    started: SystemTime,
    begun: Instant,
    has_remote_parent: bool,
}

/// The span of a try.
#[derive(Clone, Debug)]
struct Attempt {
    own: Own,
    tried: Option<Tried>,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// With an answer; if it is not wanted, its body is cut off.
    Answer {
        status: u16,
        is_whole: bool,
    },
    Failed(Reason),
    /// It took too long.
    Late,
}

impl Active {
    /// For `%TRACE_ID%`.
    pub fn trace_id(&self) -> Option<String> {
        self.own.as_ref().map(|o| o.context.trace_id())
    }
    /// For `%SPAN_ID%`.
    pub fn span_id(&self) -> Option<String> {
        self.own.as_ref().map(|o| format!("{:016x}", o.context.span))
    }
}

const DOWNSTREAM_CLUSTER: HeaderName = HeaderName::from_static("x-envoy-downstream-service-cluster");
const CLIENT_TRACE_ID: HeaderName = HeaderName::from_static("x-client-trace-id");

/// Decides whether a request is told of, and begins its span; its route is known.
pub fn begin(exchange: &mut Exchange, headers: &mut HeaderMap) {
    let connection = exchange.connection.clone();
    let manager = &connection.manager;
    let Some(tracing) = &manager.tracing else { return };
    let reason = sampling::decide(tracing, manager.packs_trace_reason, manager.samples_by_id, headers);
    let stats = connection.client.worker.tracing_stats(&manager.stat_prefix);
    match reason {
        sampling::Reason::NotTraceable => &stats.not_traceable,
        sampling::Reason::Sampling => &stats.random_sampling,
        sampling::Reason::ServiceForced => &stats.service_forced,
        sampling::Reason::ClientForced => &stats.client_enabled,
    }
    .inc();
    let egress = manager.telemetry.direction == Direction::Outbound;
    let decorator = exchange.route.as_ref().and_then(|r| r.extras().decorator.as_ref());
    let mut name = None;
    let mut tells = None;
    if let Some(decorator) = decorator {
        name = Some(decorator.operation.to_string()).filter(|o| !o.is_empty());
        tells = Some(decorator.operation.clone()).filter(|o| decorator.propagates && !o.is_empty());
    }
    if egress {
        // The server names its span by it.
        if let Some(value) = tells.take().and_then(|t| HeaderValue::from_str(&t).ok()) {
            headers.insert(names::DECORATOR, value);
        }
    } else if let Some(asked) = headers.remove(names::DECORATOR).and_then(|v| v.to_str().map(str::to_owned).ok()).filter(|a| !a.is_empty()) {
        (name, tells) = (Some(asked), None);
    }
    let mut active = Active { own: None, decorator: tells, attempt: None, grpc_message: None };
    if let Some(tracer) = &tracing.tracer {
        let mut dice = connection.client.worker.dice();
        let splits = tracing.spawns_upstream_span;
        let kind = if egress && !splits { Kind::Client } else { Kind::Server };
        let is_w3c = tracer.form == super::context::Form::W3c;
        let name = name.unwrap_or_else(|| match (is_w3c, egress) {
            (false, _) => exchange.authority.clone(),
            (true, true) => format!("egress {}", exchange.authority),
            (true, false) => "ingress".to_owned(),
        });
        let mut number = || dice.u64(1..);
        let context = match tracer.form.extract(headers) {
            Found::Broken => None,
            Found::Nothing(sampled) => {
                let span = number();
                // As Zipkin's clients do, the root's number is the lower half of the trace's.
                let low = if is_w3c { number() } else { span };
                let high = if tracer.is_wide { number() } else { 0 };
                let trace = u128::from(high) << 64 | u128::from(low);
                Some((Context { trace, span, parent: None, sampled: sampled.unwrap_or(reason.is_traced()), state: String::new() }, false))
            }
            Found::Context(client, sampled) => {
                let shares = tracer.shares_span && kind == Kind::Server;
                let (span, parent) = if shares { (client.span, client.parent) } else { (number(), Some(client.span)) };
                Some((Context { span, parent, sampled: sampled.unwrap_or(reason.is_traced()), ..client }, true))
            }
        };
        let (started, begun) = (exchange.started, exchange.begun);
        active.own = context.map(|(context, has_remote_parent)| Own { context, kind, name, started, begun, has_remote_parent });
    }
    exchange.trace = Some(Box::new(active));
}

/// Begins the span of a try, where tries have one.
pub fn begin_attempt(exchange: &mut Exchange) {
    let spawns = exchange.connection.manager.tracing.as_ref().is_some_and(|t| t.spawns_upstream_span);
    if !spawns {
        return;
    }
    end_attempt(exchange);
    let cluster = exchange.cluster.clone().unwrap_or_default();
    let span = exchange.connection.client.worker.dice().u64(1..);
    let Some(active) = &mut exchange.trace else { return };
    let Some(own) = &active.own else { return };
    let context = Context { span, parent: Some(own.context.span), ..own.context.clone() };
    let name = format!("router {cluster} egress");
    let own = Own { context, kind: Kind::Client, name, started: SystemTime::now(), begun: Instant::now(), has_remote_parent: false };
    active.attempt = Some(Attempt { own, tried: None });
}

/// Notes how a try ended.
pub fn note_attempt(exchange: &mut Exchange, tried: Tried) {
    if let Some(attempt) = exchange.trace.as_mut().and_then(|t| t.attempt.as_mut()) {
        attempt.tried = Some(tried);
    }
}

/// Ends the span of a try that another one follows.
pub fn end_attempt(exchange: &mut Exchange) {
    if let Some(attempt) = exchange.trace.as_mut().and_then(|t| t.attempt.take()) {
        tell_attempt(exchange, &attempt, true);
    }
}

/// `goes_on`: another try follows, or nobody waits any more.
fn tell_attempt(exchange: &Exchange, attempt: &Attempt, goes_on: bool) {
    let (status, flag) = match attempt.tried {
        Some(Tried::Answer { status, .. }) => (status, ""),
        Some(Tried::Failed(reason)) => (0, reason.flag()),
        Some(Tried::Late) | None => (0, ""),
    };
    let is_connected = !matches!(attempt.tried, Some(Tried::Failed(r)) if r.is_connection_failure() || r == Reason::Overflow);
    let http2 = exchange.upstream.as_ref().is_some_and(|u| u.config().protocol == crate::config::cluster::Protocol::Http2);
    let protocol = match (is_connected, exchange.upstream_protocol) {
        (false, _) => "-",
        (true, "") if http2 => "HTTP/2",
        (true, "") => "HTTP/1.1",
        (true, spoken) => spoken,
    };
    let mut tags: Tags = vec![("http.protocol".into(), protocol.to_owned())];
    if let Some(host) = &exchange.host {
        tags.extend(["upstream_address", "peer.address"].map(|k| (k.into(), host.label.to_string())));
    }
    if exchange.attempts > 1 {
        tags.push(("retry.count".into(), (exchange.attempts - 1).to_string()));
    }
    let is_cut = match attempt.tried {
        Some(Tried::Answer { is_whole, .. }) => goes_on && !is_whole,
        Some(Tried::Late) | None => true,
        Some(Tried::Failed(_)) => false,
    };
    if is_cut {
        tags.push(("canceled".into(), "true".to_owned()));
    }
    common(exchange, status, if flag.is_empty() { "-".to_owned() } else { flag.to_owned() }, &mut tags);
    if let Some(Tried::Failed(reason)) = attempt.tried {
        mark(&mut tags);
        tags.push(("error.reason".into(), reason.words().to_owned()));
    }
    if !goes_on {
        of_grpc(exchange, &mut tags);
    }
    tell(exchange, &attempt.own, tags);
}

fn tell(exchange: &Exchange, own: &Own, tags: Tags) {
    let Some(tracer) = exchange.connection.manager.tracing.as_ref().and_then(|t| t.tracer.as_ref()).filter(|_| own.context.sampled) else { return };
    tracer.exporter.send(Span {
        context: own.context.clone(),
        kind: own.kind,
        name: own.name.clone(),
        started: own.started,
        duration: own.begun.elapsed(),
        tags,
        has_remote_parent: own.has_remote_parent,
    });
}

/// Whether upstreams are told of the span that they are called in.
pub fn is_injected(exchange: &Exchange) -> bool {
    exchange.trace.is_some() && exchange.connection.manager.tracing.as_ref().is_some_and(|t| t.propagates && t.tracer.is_some())
}

/// Tells an upstream of the span that it is called in.
pub fn inject(exchange: &Exchange, headers: &mut HeaderMap) {
    let (Some(tracing), Some(active)) = (&exchange.connection.manager.tracing, &exchange.trace) else { return };
    let Some(tracer) = tracing.tracer.as_ref().filter(|_| tracing.propagates) else { return };
    if let Some(own) = active.attempt.as_ref().map(|a| &a.own).or(active.own.as_ref()) {
        tracer.form.inject(&own.context, headers);
    }
}

/// An answer goes to the client. Names of operations go between proxies, and no further.
pub fn answer(exchange: &mut Exchange, headers: &mut HeaderMap) {
    let egress = exchange.connection.manager.telemetry.direction == Direction::Outbound;
    let Some(active) = &mut exchange.trace else { return };
    if egress {
        let told = headers.remove(names::DECORATOR).and_then(|v| v.to_str().map(str::to_owned).ok()).filter(|t| !t.is_empty());
        if let (Some(told), Some(own)) = (told, &mut active.own) {
            own.name = told;
        }
    } else if let Some(value) = active.decorator.as_ref().and_then(|d| HeaderValue::from_str(d).ok()) {
        headers.insert(names::DECORATOR, value);
    }
}

/// The request is over.
pub fn finish(exchange: &Exchange) {
    let Some(active) = &exchange.trace else { return };
    if let Some(attempt) = &active.attempt {
        tell_attempt(exchange, attempt, exchange.flags.contains(&"DC"));
    }
    let Some(own) = active.own.as_ref().filter(|o| o.context.sampled) else { return };
    let mut tags = of_request(exchange);
    tags.push(("request_size".into(), exchange.body.received().to_string()));
    tags.push(("response_size".into(), exchange.sent.to_string()));
    let flags = if exchange.flags.is_empty() { "-".to_owned() } else { exchange.flags.join(",") };
    common(exchange, exchange.status, flags, &mut tags);
    of_grpc(exchange, &mut tags);
    tell(exchange, own, tags);
}

fn of_grpc(exchange: &Exchange, tags: &mut Tags) {
    let Some(status) = exchange.grpc_status else { return };
    let of_answer = exchange.answer.get(&names::GRPC_MESSAGE).and_then(|v| v.to_str().ok());
    let of_trailers = exchange.trace.as_ref().and_then(|t| t.grpc_message.as_deref());
    tags.push(("grpc.status_code".into(), status.to_string()));
    if let Some(message) = of_trailers.or(of_answer) {
        tags.push(("grpc.message".into(), message.to_owned()));
    }
    // The others are the client's own errors.
    if matches!(status, 2 | 4 | 8 | 12..=15) {
        mark(tags);
    }
}

fn mark(tags: &mut Tags) {
    if !tags.iter().any(|(k, _)| k == "error") {
        tags.push(("error".into(), "true".to_owned()));
    }
}

fn of_request(exchange: &Exchange) -> Tags {
    let (headers, own) = (&exchange.headers, &exchange.connection.worker().shared.own);
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let longest = exchange.connection.manager.tracing.as_ref().map_or(256, |t| t.longest_path);
    let path = text(&names::ORIGINAL_PATH).unwrap_or(&exchange.path);
    let path = &path[..(0..=longest.min(path.len())).rev().find(|i| path.is_char_boundary(*i)).unwrap_or(0)];
    let scheme = text(&names::FORWARDED_PROTO).unwrap_or(exchange.scheme);
    let mut tags: Tags = vec![("node_id".into(), own.id.to_str().unwrap_or("").to_owned()), ("zone".into(), own.zone.to_string())];
    if let Some(id) = text(&names::REQUEST_ID) {
        tags.push(("guid:x-request-id".into(), id.to_owned()));
    }
    tags.extend([
        ("http.url".into(), format!("{scheme}://{}{path}", exchange.authority)),
        ("http.method".into(), exchange.method.to_string()),
        ("downstream_cluster".into(), text(&DOWNSTREAM_CLUSTER).unwrap_or("-").to_owned()),
        ("user_agent".into(), text(&header::USER_AGENT).unwrap_or("-").to_owned()),
        ("http.protocol".into(), exchange.protocol.to_owned()),
        ("peer.address".into(), exchange.client.peer.ip().to_string()),
    ]);
    if let Some(id) = text(&CLIENT_TRACE_ID) {
        tags.push(("guid:x-client-trace-id".into(), id.to_owned()));
    }
    if exchange.is_grpc() {
        tags.push(("grpc.path".into(), exchange.path.clone()));
        tags.push(("grpc.authority".into(), exchange.authority.clone()));
        for (tag, name) in [("grpc.content_type", header::CONTENT_TYPE), ("grpc.timeout", names::GRPC_TIMEOUT)] {
            tags.extend(text(&name).map(|value| (tag.into(), value.to_owned())));
        }
    }
    tags
}

/// What spans of both sides have.
fn common(exchange: &Exchange, status: u16, flags: String, tags: &mut Tags) {
    tags.push(("component".into(), "proxy".to_owned()));
    if let Some(cluster) = &exchange.cluster {
        tags.push(("upstream_cluster".into(), cluster.to_string()));
        let shown = exchange.upstream.as_ref().map_or(&**cluster, |u| u.config().shown_name());
        tags.push(("upstream_cluster.name".into(), shown.to_owned()));
    }
    tags.push(("http.status_code".into(), status.to_string()));
    tags.push(("response_flags".into(), flags));
    if status == 0 || status >= 500 {
        mark(tags);
    }
    for tag in exchange.connection.manager.tracing.iter().flat_map(|t| &t.tags) {
        if let Some(value) = value_of(tag, exchange).filter(|v| !v.is_empty()) {
            tags.retain(|(k, _)| **k != *tag.name);
            tags.push((Cow::Owned(tag.name.to_string()), value));
        }
    }
}

fn value_of(tag: &Tag, exchange: &Exchange) -> Option<String> {
    match &tag.source {
        Source::Text(text) => Some(text.to_string()),
        Source::Header { name, default } => {
            Some(exchange.headers.get(name).map_or_else(|| default.to_string(), |v| String::from_utf8_lossy(v.as_bytes()).into_owned()))
        }
        Source::Metadata { filter, path, default } => {
            let value = exchange.metadata.of(filter).and_then(|m| path.iter().try_fold(m, |v, key| v.get(&**key)));
            Some(match value {
                None => default.to_string(),
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            })
        }
        Source::Format(template) => {
            let mut out = String::new();
            template.write(exchange, Absent::Dash, &mut out);
            Some(out)
        }
    }
}
