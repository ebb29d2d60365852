//! The operators that are known, and what each writes.

use super::moments::{self, Moment, Unit};
use super::time::TimeFormat;
use super::{Subject, digits};
use crate::config::forwarded_cert::escaped_pem;
use crate::downstream::Downstream;
use crate::http::exchange::Exchange;
use crate::http::head;
use crate::tls::facts::Facts;
use crate::tls::session::Session;
use http::HeaderName;
use mesh_envoy::access_log::Operator;
use mesh_envoy::engine::domain::without_port;
use mesh_envoy::grpc;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::SystemTime;

/// A header or pseudo-header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Method,
    Path,
    Authority,
    Scheme,
    Header(HeaderName),
}

/// Which name of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    Raw,
    /// `alt_stat_name` where it has one.
    Shown,
}

/// Which form of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Ip,
    Port,
}

#[derive(Clone, Debug)]
pub enum Op {
    /// The first of these that is there, without its query where that is asked for.
    Request(Vec<Name>, Query),
    Response(Vec<HeaderName>),
    StartTime(TimeFormat),
    Protocol,
    ResponseCode,
    ResponseCodeDetails,
    TerminationDetails,
    Flags,
    FlagsLong,
    BytesReceived,
    BytesSent,
    /// Milliseconds: of the whole exchange; until the request was complete; until the answer began; between that and the end.
    Duration,
    RequestDuration,
    ResponseDuration,
    ResponseTxDuration,
    UpstreamHost(Part),
    UpstreamCluster(Cluster),
    UpstreamLocal(Part),
    UpstreamFailure,
    Attempts,
    UpstreamProtocol,
    DownstreamLocal(Part),
    DownstreamRemote(Part),
    DownstreamDirectRemote(Part),
    ServerName,
    RouteName,
    FilterChain,
    ConnectionId,
    RequestId,
    Hostname,
    GrpcStatus(StatusForm),
    HostName(Port),
    QueryParameter(Box<str>),
    /// What does not change while the proxy runs.
    Constant(Box<str>),
    DownstreamFailure,
    Tls(Side, Fact),
    TraceId,
    /// What filters left for later ones: the filter, and the way to the value.
    Metadata(Vec<Box<str>>),
    /// Which moment the line tells of.
    LogType,
    /// When the line is written.
    EmitTime(TimeFormat),
    /// A number of the line, drawn by lot.
    UniqueId,
    Path(Query, PathOf),
    /// Between two moments of a request, in so many a second.
    Between(Moment, Moment, Unit),
    /// The first of these trailers of the answer that is there.
    Trailer(Vec<HeaderName>),
    /// Names and values of the answer's trailers, in bytes.
    TrailerBytes,
    QueryParameters,
    SpanId,
    /// The address of the socket, whatever address was asked for.
    DownstreamSocket(Part),
    /// There, and empty.
    Empty,
    Never,
}

/// Which path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathOf {
    /// As the client asked, where it was rewritten.
    Original,
    Sent,
    OriginalOrSent,
}

/// `PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH)`
fn path(argument: Option<&str>) -> Result<Op, String> {
    let argument = argument.unwrap_or("");
    let wrong = || format!("%PATH({argument})%: WQ or NQ, then ORIG, PATH or ORIG_OR_PATH belong here");
    let (query, of) = argument.split_once(':').unwrap_or((argument, ""));
    let query = match query {
        "" | "WQ" => Query::Kept,
        "NQ" => Query::Cut,
        _ => return Err(wrong()),
    };
    let of = match of {
        "ORIG" => PathOf::Original,
        "PATH" => PathOf::Sent,
        "" | "ORIG_OR_PATH" => PathOf::OriginalOrSent,
        _ => return Err(wrong()),
    };
    Ok(Op::Path(query, of))
}

/// How a status of gRPC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusForm {
    /// `InvalidArgument`
    Camel,
    /// `INVALID_ARGUMENT`
    Snake,
    Number,
}

impl StatusForm {
    fn parse(argument: Option<&str>) -> Result<StatusForm, String> {
        match argument.unwrap_or("") {
            "" | "CAMEL_STRING" => Ok(StatusForm::Camel),
            "SNAKE_STRING" => Ok(StatusForm::Snake),
            "NUMBER" => Ok(StatusForm::Number),
            other => Err(format!("%GRPC_STATUS({other})%: CAMEL_STRING, SNAKE_STRING and NUMBER are known")),
        }
    }
    fn write(self, status: u64, out: &mut String) {
        let name = usize::try_from(status).ok().and_then(|n| grpc::names(grpc::Spelling::Grpc).nth(n));
        match (self, name) {
            (StatusForm::Number, _) | (_, None) => digits::number(status, out),
            (StatusForm::Snake, Some(name)) => out.push_str(name),
            // As Envoy spells these two.
            (StatusForm::Camel, Some("OK")) => out.push_str("OK"),
            (StatusForm::Camel, Some("CANCELLED")) => out.push_str("Canceled"),
            (StatusForm::Camel, Some(name)) => {
                for word in name.split('_') {
                    let (first, rest) = word.split_at(1);
                    out.push_str(first);
                    out.push_str(&rest.to_ascii_lowercase());
                }
            }
        }
    }
}

/// The status of an answer to gRPC: its own, or the one that follows from HTTP's where it has none
/// (gRPC's "HTTP to gRPC Status Code Mapping"). `None` for other requests.
fn grpc_status(exchange: &Exchange) -> Option<u64> {
    let of_http = || match exchange.status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    };
    exchange.is_grpc().then(|| exchange.grpc_status.unwrap_or_else(of_http))
}

/// Whether a name is written with its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Kept,
    Cut,
}

/// Which of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Downstream,
    Upstream,
}

/// What of a TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    Version,
    Cipher,
    PeerUris,
    PeerDns,
    PeerIps,
    PeerSubject,
    PeerIssuer,
    PeerSerial,
    PeerFingerprint,
    PeerCertificate,
    PeerFrom,
    PeerUntil,
    OwnUris,
    OwnDns,
    OwnIps,
    OwnEmails,
    PeerEmails,
    OwnSubject,
}

impl Fact {
    fn parse(name: &str) -> Option<Fact> {
        Some(match name {
            "TLS_VERSION" => Fact::Version,
            "TLS_CIPHER" => Fact::Cipher,
            "PEER_URI_SAN" => Fact::PeerUris,
            "PEER_DNS_SAN" => Fact::PeerDns,
            "PEER_IP_SAN" => Fact::PeerIps,
            "PEER_SUBJECT" => Fact::PeerSubject,
            "PEER_ISSUER" => Fact::PeerIssuer,
            "PEER_SERIAL" => Fact::PeerSerial,
            "PEER_FINGERPRINT_256" => Fact::PeerFingerprint,
            "PEER_CERT" => Fact::PeerCertificate,
            "PEER_CERT_V_START" => Fact::PeerFrom,
            "PEER_CERT_V_END" => Fact::PeerUntil,
            "LOCAL_URI_SAN" => Fact::OwnUris,
            "LOCAL_DNS_SAN" => Fact::OwnDns,
            "LOCAL_IP_SAN" => Fact::OwnIps,
            "LOCAL_EMAIL_SAN" => Fact::OwnEmails,
            "PEER_EMAIL_SAN" => Fact::PeerEmails,
            "LOCAL_SUBJECT" => Fact::OwnSubject,
            _ => return None,
        })
    }
    fn write(self, session: &Session, out: &mut String) -> bool {
        let text = |value: &str, out: &mut String| {
            out.push_str(value);
            !value.is_empty()
        };
        let list = |values: &[String], out: &mut String| text(&values.join(","), out);
        let at = |seconds: i64, out: &mut String| {
            let Ok(seconds) = u64::try_from(seconds) else { return false };
            TimeFormat::Default.write(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds), out);
            true
        };
        let own: Option<&Facts> = session.own.as_ref().map(|i| &i.leaf);
        let peer: Option<&Facts> = session.peer.as_ref().map(|p| &*p.facts);
        match self {
            Fact::Version => text(session.version, out),
            Fact::Cipher => text(&session.cipher, out),
            Fact::PeerUris => peer.is_some_and(|f| list(&f.uris, out)),
            Fact::PeerDns => peer.is_some_and(|f| list(&f.dns, out)),
            Fact::PeerIps => peer.is_some_and(|f| list(&f.ips, out)),
            Fact::PeerSubject => peer.is_some_and(|f| text(&f.subject, out)),
            Fact::PeerIssuer => peer.is_some_and(|f| text(&f.issuer, out)),
            Fact::PeerSerial => peer.is_some_and(|f| text(&f.serial, out)),
            Fact::PeerFingerprint => peer.is_some_and(|f| text(&f.sha256, out)),
            Fact::PeerCertificate => session.peer.as_ref().is_some_and(|p| text(&escaped_pem(&p.der), out)),
            Fact::PeerFrom => peer.is_some_and(|f| at(f.not_before, out)),
            Fact::PeerUntil => peer.is_some_and(|f| at(f.not_after, out)),
            Fact::OwnUris => own.is_some_and(|f| list(&f.uris, out)),
            Fact::OwnDns => own.is_some_and(|f| list(&f.dns, out)),
            Fact::OwnIps => own.is_some_and(|f| list(&f.ips, out)),
            Fact::OwnEmails => own.is_some_and(|f| list(&f.emails, out)),
            Fact::PeerEmails => peer.is_some_and(|f| list(&f.emails, out)),
            Fact::OwnSubject => own.is_some_and(|f| text(&f.subject, out)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    Kept,
    Cut,
}

impl Name {
    fn parse(text: &str) -> Result<Name, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            ":method" => Name::Method,
            ":path" => Name::Path,
            ":authority" | "host" => Name::Authority,
            ":scheme" => Name::Scheme,
            other => Name::Header(HeaderName::from_bytes(other.as_bytes()).map_err(|_| format!("`{text}` is no name of a header"))?),
        })
    }
    fn of<'e>(&self, e: &'e Exchange) -> Option<&'e str> {
        match self {
            Name::Method => Some(e.method.as_str()).filter(|_| e.has_head()),
            Name::Path => Some(e.path.as_str()).filter(|p| !p.is_empty()),
            Name::Authority => Some(e.authority.as_str()).filter(|a| !a.is_empty()),
            Name::Scheme => Some(e.scheme).filter(|_| e.has_head()),
            Name::Header(name) => e.headers.get(name).and_then(|v| std::str::from_utf8(v.as_bytes()).ok()),
        }
    }
}

/// `DOWNSTREAM_TLS_VERSION` and its kin.
fn tls(name: &str) -> Option<Op> {
    let (side, fact) = match name.strip_prefix("DOWNSTREAM_") {
        Some(fact) => (Side::Downstream, fact),
        None => (Side::Upstream, name.strip_prefix("UPSTREAM_")?),
    };
    Fact::parse(fact).map(|f| Op::Tls(side, f))
}

/// The names of `REQ(A?B)`.
fn alternatives(o: &Operator) -> Result<Vec<&str>, String> {
    let argument = o.argument.as_deref().ok_or_else(|| format!("%{}% needs the name of a header", o.name))?;
    Ok(argument.split('?').collect())
}

fn header_names(o: &Operator) -> Result<Vec<HeaderName>, String> {
    let read = |n: &str| HeaderName::from_bytes(n.to_ascii_lowercase().as_bytes()).map_err(|_| format!("`{n}` is no name of a header"));
    alternatives(o)?.into_iter().map(read).collect()
}

impl Op {
    pub fn compile(o: &Operator) -> Result<Op, String> {
        let plain = |op: Op| match &o.argument {
            Some(a) if !a.is_empty() => Err(format!("%{}({a})%: the argument is not known to mesh-proxy", o.name)),
            _ => Ok(op),
        };
        match o.name.as_str() {
            "REQ" | "REQUEST_HEADER" => Ok(Op::Request(alternatives(o)?.into_iter().map(Name::parse).collect::<Result<_, _>>()?, Query::Kept)),
            "REQ_WITHOUT_QUERY" => Ok(Op::Request(alternatives(o)?.into_iter().map(Name::parse).collect::<Result<_, _>>()?, Query::Cut)),
            "RESP" | "RESPONSE_HEADER" => Ok(Op::Response(header_names(o)?)),
            "START_TIME" => Ok(Op::StartTime(o.argument.as_deref().map_or(Ok(TimeFormat::Default), TimeFormat::parse)?)),
            "PROTOCOL" => plain(Op::Protocol),
            "RESPONSE_CODE" => plain(Op::ResponseCode),
            "RESPONSE_CODE_DETAILS" => plain(Op::ResponseCodeDetails),
            "CONNECTION_TERMINATION_DETAILS" => plain(Op::TerminationDetails),
            "RESPONSE_FLAGS" => plain(Op::Flags),
            "RESPONSE_FLAGS_LONG" => plain(Op::FlagsLong),
            "BYTES_RECEIVED" => plain(Op::BytesReceived),
            "BYTES_SENT" => plain(Op::BytesSent),
            "DURATION" => plain(Op::Duration),
            "REQUEST_DURATION" => plain(Op::RequestDuration),
            "RESPONSE_DURATION" => plain(Op::ResponseDuration),
            "RESPONSE_TX_DURATION" => plain(Op::ResponseTxDuration),
            "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => plain(Op::UpstreamHost(Part::Whole)),
            "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => plain(Op::UpstreamHost(Part::Ip)),
            "UPSTREAM_REMOTE_PORT" => plain(Op::UpstreamHost(Part::Port)),
            "UPSTREAM_CLUSTER" => plain(Op::UpstreamCluster(Cluster::Shown)),
            "UPSTREAM_CLUSTER_RAW" => plain(Op::UpstreamCluster(Cluster::Raw)),
            "UPSTREAM_LOCAL_ADDRESS" => plain(Op::UpstreamLocal(Part::Whole)),
            "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => plain(Op::UpstreamLocal(Part::Ip)),
            "UPSTREAM_LOCAL_PORT" => plain(Op::UpstreamLocal(Part::Port)),
            "UPSTREAM_TRANSPORT_FAILURE_REASON" => plain(Op::UpstreamFailure),
            "UPSTREAM_REQUEST_ATTEMPT_COUNT" => plain(Op::Attempts),
            "UPSTREAM_PROTOCOL" => plain(Op::UpstreamProtocol),
            "DOWNSTREAM_LOCAL_ADDRESS" => plain(Op::DownstreamLocal(Part::Whole)),
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => plain(Op::DownstreamLocal(Part::Ip)),
            "DOWNSTREAM_LOCAL_PORT" => plain(Op::DownstreamLocal(Part::Port)),
            "DOWNSTREAM_REMOTE_ADDRESS" => plain(Op::DownstreamRemote(Part::Whole)),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => plain(Op::DownstreamRemote(Part::Ip)),
            "DOWNSTREAM_REMOTE_PORT" => plain(Op::DownstreamRemote(Part::Port)),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => plain(Op::DownstreamDirectRemote(Part::Whole)),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => plain(Op::DownstreamDirectRemote(Part::Ip)),
            "DOWNSTREAM_DIRECT_REMOTE_PORT" => plain(Op::DownstreamDirectRemote(Part::Port)),
            "REQUESTED_SERVER_NAME" => plain(Op::ServerName),
            "ROUTE_NAME" => plain(Op::RouteName),
            "FILTER_CHAIN_NAME" => plain(Op::FilterChain),
            "CONNECTION_ID" => plain(Op::ConnectionId),
            "STREAM_ID" => plain(Op::RequestId),
            "HOSTNAME" => plain(Op::Hostname),
            "GRPC_STATUS" => Ok(Op::GrpcStatus(StatusForm::parse(o.argument.as_deref())?)),
            "GRPC_STATUS_NUMBER" => plain(Op::GrpcStatus(StatusForm::Number)),
            "UPSTREAM_HOST_NAME" => plain(Op::HostName(Port::Kept)),
            "UPSTREAM_HOST_NAME_WITHOUT_PORT" => plain(Op::HostName(Port::Cut)),
            "QUERY_PARAM" => Ok(Op::QueryParameter(o.argument.as_deref().ok_or("%QUERY_PARAM% needs the name of a parameter")?.into())),
            "ENVIRONMENT" => {
                let name = o.argument.as_deref().filter(|a| !a.is_empty()).ok_or("%ENVIRONMENT% needs the name of a variable")?;
                // As with Envoy, a variable that is not there is a dash in JSON too.
                Ok(Op::Constant(std::env::var(name).unwrap_or_else(|_| "-".to_owned()).into()))
            }
            "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => plain(Op::DownstreamFailure),
            "TRACE_ID" => plain(Op::TraceId),
            "ACCESS_LOG_TYPE" => plain(Op::LogType),
            "EMIT_TIME" => Ok(Op::EmitTime(o.argument.as_deref().map_or(Ok(TimeFormat::Default), TimeFormat::parse)?)),
            "UNIQUE_ID" => plain(Op::UniqueId),
            "PATH" => path(o.argument.as_deref()),
            "COMMON_DURATION" => moments::parse(o.argument.as_deref().unwrap_or("")).map(|(from, to, unit)| Op::Between(from, to, unit)),
            "DYNAMIC_METADATA" => match o.argument.as_deref() {
                Some(way) if !way.is_empty() => Ok(Op::Metadata(way.split(':').map(Into::into).collect())),
                _ => Err("%DYNAMIC_METADATA% needs the name of a filter".to_owned()),
            },
            "TRAILER" | "RESPONSE_TRAILER" => Ok(Op::Trailer(header_names(o)?)),
            "RESPONSE_TRAILERS_BYTES" => plain(Op::TrailerBytes),
            "QUERY_PARAMS" => plain(Op::QueryParameters),
            "SPAN_ID" => plain(Op::SpanId),
            "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" => plain(Op::DownstreamSocket(Part::Whole)),
            "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT" => plain(Op::DownstreamSocket(Part::Ip)),
            "DOWNSTREAM_DIRECT_LOCAL_PORT" => plain(Op::DownstreamSocket(Part::Port)),
            // Filters that raise some are refused.
            "CUSTOM_FLAGS" => plain(Op::Empty),
            // Of virtual clusters and of fingerprints that an inspector takes, which are refused, and of QUIC.
            "VIRTUAL_CLUSTER_NAME" | "TLS_JA3_FINGERPRINT" | "TLS_JA4_FINGERPRINT" | "ROUNDTRIP_DURATION" => plain(Op::Never),
            other if tls(other).is_some() => plain(tls(other).unwrap_or(Op::Never)),
            other => Err(format!("the operator %{other}% is not known to mesh-proxy")),
        }
    }

    pub fn is_number(&self) -> bool {
        let port = |p: &Part| *p == Part::Port;
        match self {
            Op::ResponseCode | Op::BytesReceived | Op::BytesSent | Op::Duration | Op::RequestDuration | Op::ResponseDuration | Op::ResponseTxDuration => true,
            Op::Between(..) | Op::TrailerBytes => true,
            Op::Attempts | Op::ConnectionId | Op::GrpcStatus(StatusForm::Number) => true,
            Op::UpstreamHost(p) | Op::UpstreamLocal(p) | Op::DownstreamLocal(p) | Op::DownstreamRemote(p) | Op::DownstreamDirectRemote(p) => port(p),
            Op::DownstreamSocket(p) => port(p),
            _ => false,
        }
    }

    /// Appends the value; false where there is none.
    pub fn write(&self, of: &impl Subject, out: &mut String) -> bool {
        let text = |value: Option<&str>, out: &mut String| value.filter(|v| !v.is_empty()).inspect(|v| out.push_str(v)).is_some();
        let number = |value: Option<u64>, out: &mut String| value.inspect(|n| digits::number(*n, out)).is_some();
        let record = of.record();
        let milliseconds = || u64::try_from(record.lasted().as_millis()).unwrap_or(u64::MAX);
        let client = &record.client;
        match self {
            Op::Request(names, query) => {
                let value = of.exchange().and_then(|e| names.iter().find_map(|n| n.of(e)));
                let value = if *query == Query::Cut { value.map(|v| v.split('?').next().unwrap_or("")) } else { value };
                text(value, out)
            }
            Op::Response(names) => {
                text(of.exchange().and_then(|e| names.iter().find_map(|n| e.answer.get(n).and_then(|v| std::str::from_utf8(v.as_bytes()).ok()))), out)
            }
            Op::StartTime(format) => {
                match format {
                    TimeFormat::Default => client.worker.texts.time(record.started, out),
                    TimeFormat::Parts(_) => format.write(record.started, out),
                }
                true
            }
            Op::Protocol => text(Some(record.protocol), out),
            Op::ResponseCode => number(Some(of.exchange().map_or(0, |e| u64::from(e.status))), out),
            Op::ResponseCodeDetails => text(Some(&record.details), out),
            Op::TerminationDetails => text(Some(&client.termination.borrow()), out),
            Op::Flags => write_flags(&record.flags, |f| f, out),
            Op::FlagsLong => write_flags(&record.flags, |flag| mesh_envoy::response_flags::find(flag).map_or(flag, |f| f.long), out),
            Op::BytesReceived => number(Some(of.received()), out),
            Op::BytesSent => number(Some(record.sent), out),
            Op::Duration => number(Some(milliseconds()), out),
            Op::RequestDuration => number(of.exchange().and_then(Exchange::request_complete), out),
            Op::ResponseDuration => number(of.exchange().and_then(Exchange::upstream_answered), out),
            Op::ResponseTxDuration => number(of.exchange().and_then(Exchange::upstream_answered).map(|b| milliseconds().saturating_sub(b)), out),
            Op::UpstreamHost(part) => match record.host.as_ref().map(|h| h.address.socket()) {
                Some(Some(address)) => write_address(client, address, *part, out),
                Some(None) if *part == Part::Whole => text(record.host.as_ref().map(|h| &*h.label), out),
                _ => false,
            },
            Op::UpstreamCluster(Cluster::Raw) => text(record.cluster.as_deref(), out),
            Op::UpstreamCluster(Cluster::Shown) => {
                let shown = of.exchange().and_then(|e| e.upstream.as_ref()).map(|u| u.config().shown_name());
                text(record.cluster.as_deref().map(|raw| shown.unwrap_or(raw)), out)
            }
            Op::UpstreamLocal(part) => record.upstream_local.is_some_and(|a| write_address(client, a, *part, out)),
            Op::UpstreamFailure => text(Some(&record.transport_failure), out),
            Op::Attempts => number(Some(u64::from(record.attempts)), out),
            Op::UpstreamProtocol => text(of.exchange().map(|e| e.upstream_protocol), out),
            Op::DownstreamLocal(part) => write_address(client, client.local, *part, out),
            Op::DownstreamRemote(part) => write_address(client, of.exchange().map_or(client.peer, |e| e.remote), *part, out),
            Op::DownstreamDirectRemote(part) => write_address(client, client.direct_peer, *part, out),
            Op::ServerName => text(Some(&client.server_name), out),
            Op::RouteName => text(of.exchange().and_then(Exchange::route_name), out),
            Op::FilterChain => text(Some(&client.chain_name), out),
            Op::ConnectionId => number(Some(client.id), out),
            Op::RequestId => text(of.exchange().and_then(|e| Name::Header(HeaderName::from_static("x-request-id")).of(e)), out),
            Op::Hostname => text(Some(&client.worker.hostname), out),
            Op::GrpcStatus(form) => of.exchange().and_then(grpc_status).inspect(|status| form.write(*status, out)).is_some(),
            Op::HostName(port) => match &record.host {
                Some(host) if host.hostname.is_empty() => match host.address.socket() {
                    Some(address) => write_address(client, address, if *port == Port::Cut { Part::Ip } else { Part::Whole }, out),
                    None => text(Some(&host.label), out),
                },
                Some(host) => text(Some(if *port == Port::Cut { without_port(&host.hostname) } else { &host.hostname }), out),
                None => false,
            },
            Op::QueryParameter(name) => {
                let query = of.exchange().and_then(|e| e.path.split_once('?')).map_or("", |(_, query)| query);
                let query = query.split('#').next().unwrap_or("");
                let found = query.split('&').map(|p| p.split_once('=').unwrap_or((p, ""))).find(|(k, _)| *k == &**name);
                // One that is there and empty is there.
                found.inspect(|(_, value)| out.push_str(value)).is_some()
            }
            Op::Constant(value) => text(Some(value), out),
            Op::DownstreamFailure => text(Some(&client.transport_failure), out),
            Op::Tls(Side::Downstream, fact) => client.tls.as_ref().is_some_and(|s| fact.write(s, out)),
            Op::Tls(Side::Upstream, fact) => record.upstream_tls.as_deref().is_some_and(|s| fact.write(s, out)),
            Op::TraceId => text(of.exchange().and_then(|e| e.trace.as_ref()?.trace_id()).as_deref(), out),
            Op::Metadata(_) => match self.value(of) {
                Some(Value::String(text)) => {
                    out.push_str(text);
                    true
                }
                Some(value) => {
                    out.push_str(&value.to_string());
                    true
                }
                None => false,
            },
            Op::LogType => text(Some(if of.exchange().is_some() { "DownstreamEnd" } else { "TcpConnectionEnd" }), out),
            Op::EmitTime(format) => {
                format.write(SystemTime::now(), out);
                true
            }
            Op::UniqueId => {
                out.push_str(&head::unique_id(&mut client.worker.dice()));
                true
            }
            Op::Path(query, which) => {
                let original = of.exchange().and_then(|e| Name::Header(HeaderName::from_static("x-envoy-original-path")).of(e));
                let sent = || of.exchange().and_then(|e| Name::Path.of(e));
                let value = match which {
                    PathOf::Original => original,
                    PathOf::Sent => sent(),
                    PathOf::OriginalOrSent => original.or_else(sent),
                };
                text(if *query == Query::Cut { value.map(|v| v.split('?').next().unwrap_or("")) } else { value }, out)
            }
            Op::Between(from, to, unit) => number(of.exchange().and_then(|e| moments::between(e, (*from, *to, *unit))), out),
            Op::Trailer(names) => {
                let trailers = of.exchange().and_then(|e| e.trailers.as_deref());
                text(trailers.and_then(|t| names.iter().find_map(|n| std::str::from_utf8(t.get(n)?.as_bytes()).ok())), out)
            }
            Op::TrailerBytes => {
                let trailers = of.exchange().and_then(|e| e.trailers.as_deref());
                number(Some(trailers.map_or(0, |t| t.iter().map(|(n, v)| (n.as_str().len() + v.len()) as u64).sum())), out)
            }
            Op::QueryParameters => text(of.exchange().and_then(|e| e.path.split_once('?')).map(|(_, query)| query), out),
            Op::SpanId => text(of.exchange().and_then(|e| e.trace.as_ref()?.span_id()).as_deref(), out),
            Op::DownstreamSocket(part) => write_address(client, client.socket, *part, out),
            Op::Empty => true,
            Op::Never => false,
        }
    }
    /// Whether it looks at trailers of the answer.
    pub fn tells_trailers(&self) -> bool {
        matches!(self, Op::Trailer(_) | Op::TrailerBytes)
    }
    /// A value that is more than text.
    pub fn value<'s>(&self, of: &'s impl Subject) -> Option<&'s Value> {
        let Op::Metadata(way) = self else { return None };
        let (filter, keys) = way.split_first()?;
        keys.iter().try_fold(of.exchange()?.metadata.of(filter)?, |value, key| value.get(&**key))
    }
}

fn write_flags(flags: &[&'static str], spell: impl Fn(&'static str) -> &'static str, out: &mut String) -> bool {
    for (i, flag) in flags.iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        out.push_str(spell(flag));
    }
    if flags.is_empty() {
        out.push('-');
    }
    true
}

fn write_address(client: &Downstream, address: SocketAddr, part: Part, out: &mut String) -> bool {
    match part {
        Part::Whole => client.worker.texts.address(address, out),
        Part::Ip => digits::ip(address.ip(), out),
        Part::Port => digits::number(address.port().into(), out),
    }
    true
}
