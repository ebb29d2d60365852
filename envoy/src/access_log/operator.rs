//! Command operators of format strings: `%RESPONSE_CODE%`, `%REQ(:AUTHORITY)%`, `%START_TIME(%s)%`, `%REQ(X):20%`.

use super::entry::Field;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// `REQ`.
    pub name: String,
    /// What stands in parentheses: `X-ENVOY-ORIGINAL-PATH?:PATH`.
    pub argument: Option<String>,
    /// Longer values are cut.
    pub max_length: Option<usize>,
}

/// What the values of an operator look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Digits, or `-`.
    Number,
    /// Neither a blank nor a quote.
    Token,
    /// Names of flags, joined by commas, or `-`.
    Flags,
    /// Neither a bracket nor a quote.
    Time,
    Any,
}

/// Operators whose values are numbers.
const NUMBERS: &[&str] = &[
    "RESPONSE_CODE",
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "DURATION",
    "REQUEST_DURATION",
    "REQUEST_TX_DURATION",
    "RESPONSE_DURATION",
    "RESPONSE_TX_DURATION",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "ROUNDTRIP_DURATION",
    "CONNECTION_ID",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_PORT",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_LOCAL_PORT",
];

/// Operators whose values have no blanks.
const TOKENS: &[&str] = &[
    "PROTOCOL",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_HOST",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TLS_CIPHER",
    "REQUESTED_SERVER_NAME",
    "TRACE_ID",
    "STREAM_ID",
    "UNIQUE_ID",
    "HOSTNAME",
];

impl Operator {
    pub fn new(name: &str, argument: Option<&str>) -> Operator {
        Operator { name: name.to_owned(), argument: argument.map(str::to_owned), max_length: None }
    }
    pub fn class(&self) -> Class {
        let name = self.name.as_str();
        if name == "RESPONSE_FLAGS" || name == "RESPONSE_FLAGS_LONG" {
            Class::Flags
        } else if NUMBERS.contains(&name) {
            Class::Number
        } else if TOKENS.contains(&name) {
            Class::Token
        } else if name.starts_with("START_TIME") && !self.argument.as_deref().unwrap_or("").contains(['[', ']', '"']) {
            Class::Time
        } else {
            Class::Any
        }
    }
    /// The class of what well-behaved clients send: headers that are one word there.
    pub(super) fn usual_class(&self) -> Class {
        let is_word = self.name == "REQ" && matches!(self.field(), Some(Field::Method | Field::Authority | Field::RequestId));
        if is_word { Class::Token } else { self.class() }
    }
    /// The field that it fills; `None` for what no answer needs.
    pub fn field(&self) -> Option<Field> {
        let header = || self.argument.as_deref().unwrap_or("").to_ascii_lowercase();
        Some(match self.name.as_str() {
            "START_TIME" | "START_TIME_LOCAL" => Field::StartTime,
            "RESPONSE_CODE" => Field::ResponseCode,
            "RESPONSE_FLAGS" | "RESPONSE_FLAGS_LONG" => Field::ResponseFlags,
            "RESPONSE_CODE_DETAILS" => Field::ResponseCodeDetails,
            "CONNECTION_TERMINATION_DETAILS" => Field::ConnectionTerminationDetails,
            "UPSTREAM_TRANSPORT_FAILURE_REASON" => Field::UpstreamTransportFailureReason,
            "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Field::DownstreamTransportFailureReason,
            "PROTOCOL" => Field::Protocol,
            "BYTES_RECEIVED" => Field::BytesReceived,
            "BYTES_SENT" => Field::BytesSent,
            "DURATION" => Field::Duration,
            "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => Field::UpstreamHost,
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Field::UpstreamCluster,
            "UPSTREAM_LOCAL_ADDRESS" => Field::UpstreamLocalAddress,
            "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Field::Attempts,
            "DOWNSTREAM_LOCAL_ADDRESS" => Field::DownstreamLocalAddress,
            "DOWNSTREAM_REMOTE_ADDRESS" => Field::DownstreamRemoteAddress,
            "DOWNSTREAM_PEER_URI_SAN" => Field::PeerUriSan,
            "REQUESTED_SERVER_NAME" => Field::RequestedServerName,
            "ROUTE_NAME" => Field::RouteName,
            "PATH" => Field::Path,
            "REQ" | "REQ_WITHOUT_QUERY" => match header().split('?').next().unwrap_or("") {
                ":method" => Field::Method,
                ":path" | "x-envoy-original-path" => Field::Path,
                ":authority" | "host" => Field::Authority,
                "x-forwarded-for" => Field::ForwardedFor,
                "user-agent" => Field::UserAgent,
                "x-request-id" => Field::RequestId,
                _ => return None,
            },
            "RESP" if header() == "x-envoy-upstream-service-time" => Field::UpstreamServiceTime,
            "GRPC_STATUS" | "GRPC_STATUS_NUMBER" => Field::GrpcStatus,
            _ => return None,
        })
    }
    /// Reads an operator at the start of a text that begins behind its `%`; the rest follows its closing `%`.
    pub(super) fn parse(text: &str) -> Option<(Operator, &str)> {
        let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).filter(|end| *end > 0)?;
        let (name, mut rest) = text.split_at(end);
        let mut argument = None;
        if let Some(inside) = rest.strip_prefix('(') {
            // An argument may hold anything, as `%START_TIME(%Y (%b))%` does: it ends where an operator can.
            let at = inside.match_indices(')').find_map(|(at, _)| close(&inside[at + 1..]).map(|_| at))?;
            argument = Some(inside[..at].to_owned());
            rest = &inside[at + 1..];
        }
        let (max_length, rest) = close(rest)?;
        Some((Operator { name: name.to_owned(), argument, max_length }, rest))
    }
}

/// `%`, or `:20%`: the length and what follows.
fn close(text: &str) -> Option<(Option<usize>, &str)> {
    if let Some(rest) = text.strip_prefix('%') {
        return Some((None, rest));
    }
    let (digits, rest) = text.strip_prefix(':')?.split_once('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().map(|n| (Some(n), rest))
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.name)?;
        if let Some(a) = &self.argument {
            write!(f, "({a})")?;
        }
        if let Some(n) = self.max_length {
            write!(f, ":{n}")?;
        }
        f.write_str("%")
    }
}

impl Class {
    /// Whether a text can be a value. `-` and "" stand for nothing in every class.
    pub fn admits(self, value: &str) -> bool {
        match self {
            Class::Number => value == "-" || !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()),
            Class::Token => !value.contains(|c: char| c.is_whitespace() || c == '"'),
            Class::Flags => value == "-" || !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b',' | b'_' | b'.')),
            Class::Time => !value.contains(['[', ']', '"']),
            Class::Any => true,
        }
    }
}
