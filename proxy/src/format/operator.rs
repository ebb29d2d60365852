//! The operators that are known, and what each writes.

use super::time::TimeFormat;
use crate::http::exchange::Exchange;
use http::HeaderName;
use mesh_envoy::access_log::Operator;
use std::fmt::Write;
use std::net::SocketAddr;

/// A header or pseudo-header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Method,
    Path,
    Authority,
    Scheme,
    Header(HeaderName),
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
    UpstreamCluster,
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
    GrpcStatus,
    Never,
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
            Name::Method => Some(e.method.as_str()),
            Name::Path => Some(e.path.as_str()).filter(|p| !p.is_empty()),
            Name::Authority => Some(e.authority.as_str()).filter(|a| !a.is_empty()),
            Name::Scheme => Some(e.scheme),
            Name::Header(name) => e.headers.get(name).and_then(|v| std::str::from_utf8(v.as_bytes()).ok()),
        }
    }
}

/// The names of `REQ(A?B)`.
fn alternatives(o: &Operator) -> Result<Vec<&str>, String> {
    let argument = o.argument.as_deref().ok_or_else(|| format!("%{}% needs the name of a header", o.name))?;
    Ok(argument.split('?').collect())
}

impl Op {
    pub fn compile(o: &Operator) -> Result<Op, String> {
        let plain = |op: Op| match &o.argument {
            Some(a) if !a.is_empty() => Err(format!("%{}({a})%: the argument is not known to mesh-proxy", o.name)),
            _ => Ok(op),
        };
        match o.name.as_str() {
            "REQ" => Ok(Op::Request(alternatives(o)?.into_iter().map(Name::parse).collect::<Result<_, _>>()?, Query::Kept)),
            "REQ_WITHOUT_QUERY" => Ok(Op::Request(alternatives(o)?.into_iter().map(Name::parse).collect::<Result<_, _>>()?, Query::Cut)),
            "RESP" => {
                let names = alternatives(o)?
                    .into_iter()
                    .map(|n| HeaderName::from_bytes(n.to_ascii_lowercase().as_bytes()).map_err(|_| format!("`{n}` is no name of a header")));
                Ok(Op::Response(names.collect::<Result<_, _>>()?))
            }
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
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => plain(Op::UpstreamCluster),
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
            "GRPC_STATUS_NUMBER" => plain(Op::GrpcStatus),
            // Of TLS with the client, which there is none of yet, and of virtual clusters, which are refused.
            "DOWNSTREAM_TRANSPORT_FAILURE_REASON" | "VIRTUAL_CLUSTER_NAME" | "TRACE_ID" => plain(Op::Never),
            other => Err(format!("the operator %{other}% is not known to mesh-proxy")),
        }
    }

    pub fn is_number(&self) -> bool {
        let port = |p: &Part| *p == Part::Port;
        match self {
            Op::ResponseCode | Op::BytesReceived | Op::BytesSent | Op::Duration | Op::RequestDuration | Op::ResponseDuration | Op::ResponseTxDuration => true,
            Op::Attempts | Op::ConnectionId | Op::GrpcStatus => true,
            Op::UpstreamHost(p) | Op::UpstreamLocal(p) | Op::DownstreamLocal(p) | Op::DownstreamRemote(p) | Op::DownstreamDirectRemote(p) => port(p),
            _ => false,
        }
    }

    /// Appends the value; false where there is none.
    pub fn write(&self, e: &Exchange, out: &mut String) -> bool {
        let text = |value: Option<&str>, out: &mut String| value.filter(|v| !v.is_empty()).inspect(|v| out.push_str(v)).is_some();
        let number = |value: Option<u64>, out: &mut String| value.is_some_and(|n| write!(out, "{n}").is_ok());
        match self {
            Op::Request(names, query) => {
                let value = names.iter().find_map(|n| n.of(e));
                let value = if *query == Query::Cut { value.map(|v| v.split('?').next().unwrap_or("")) } else { value };
                text(value, out)
            }
            Op::Response(names) => text(names.iter().find_map(|n| e.answer.get(n).and_then(|v| std::str::from_utf8(v.as_bytes()).ok())), out),
            Op::StartTime(format) => {
                format.write(e.started, out);
                true
            }
            Op::Protocol => text(Some(e.protocol), out),
            Op::ResponseCode => number(Some(u64::from(e.status)), out),
            Op::ResponseCodeDetails => text(Some(&e.details), out),
            Op::TerminationDetails => text(Some(&e.connection.termination), out),
            Op::Flags => {
                for (i, flag) in e.flags.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    out.push_str(flag);
                }
                if e.flags.is_empty() {
                    out.push('-');
                }
                true
            }
            Op::FlagsLong => {
                for (i, flag) in e.flags.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    out.push_str(mesh_envoy::response_flags::find(flag).map_or(flag, |f| f.long));
                }
                if e.flags.is_empty() {
                    out.push('-');
                }
                true
            }
            Op::BytesReceived => number(Some(e.received()), out),
            Op::BytesSent => number(Some(e.sent), out),
            Op::Duration => number(Some(e.milliseconds()), out),
            Op::RequestDuration => number(e.request_complete(), out),
            Op::ResponseDuration => number(e.answer_begun, out),
            Op::ResponseTxDuration => number(e.answer_begun.map(|b| e.milliseconds().saturating_sub(b)), out),
            Op::UpstreamHost(part) => match e.host.as_ref().map(|h| h.address.socket()) {
                Some(Some(address)) => write_address(address, *part, out),
                Some(None) if *part == Part::Whole => text(e.host.as_ref().map(|h| &*h.label), out),
                _ => false,
            },
            Op::UpstreamCluster => text(e.cluster.as_deref(), out),
            Op::UpstreamLocal(part) => e.upstream_local.is_some_and(|a| write_address(a, *part, out)),
            Op::UpstreamFailure => text(Some(&e.transport_failure), out),
            Op::Attempts => number(Some(u64::from(e.attempts)), out),
            Op::UpstreamProtocol => text(Some(e.upstream_protocol), out),
            Op::DownstreamLocal(part) => write_address(e.connection.local, *part, out),
            Op::DownstreamRemote(part) => write_address(e.remote, *part, out),
            Op::DownstreamDirectRemote(part) => write_address(e.connection.peer, *part, out),
            Op::ServerName => text(Some(&e.connection.server_name), out),
            Op::RouteName => text(e.route_name(), out),
            Op::FilterChain => text(Some(&e.connection.chain.name), out),
            Op::ConnectionId => number(Some(e.connection.id), out),
            Op::RequestId => text(Name::Header(HeaderName::from_static("x-request-id")).of(e), out),
            Op::Hostname => text(Some(&e.connection.worker.hostname), out),
            Op::GrpcStatus => number(e.grpc_status, out),
            Op::Never => false,
        }
    }
}

fn write_address(address: SocketAddr, part: Part, out: &mut String) -> bool {
    match part {
        Part::Whole => write!(out, "{address}"),
        Part::Ip => write!(out, "{}", address.ip()),
        Part::Port => write!(out, "{}", address.port()),
    }
    .is_ok()
}
