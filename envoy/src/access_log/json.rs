//! Lines of JSON formats. Keys are free; those of Istio's default format, of Envoy's operators and other usual ones
//! are known, and a format that is given adds its own.

use super::Line;
use super::entry::{Entry, Field};
use super::format::{FormatError, Piece, pieces};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Which key has which field.
#[derive(Clone, Debug)]
pub struct JsonKeys(BTreeMap<String, Field>);

/// Keys in lower case: Istio's default JSON format first, then usual names.
const USUAL: &[(&str, Field)] = &[
    ("start_time", Field::StartTime),
    ("method", Field::Method),
    ("path", Field::Path),
    ("protocol", Field::Protocol),
    ("response_code", Field::ResponseCode),
    ("response_flags", Field::ResponseFlags),
    ("response_code_details", Field::ResponseCodeDetails),
    ("connection_termination_details", Field::ConnectionTerminationDetails),
    ("upstream_transport_failure_reason", Field::UpstreamTransportFailureReason),
    ("bytes_received", Field::BytesReceived),
    ("bytes_sent", Field::BytesSent),
    ("duration", Field::Duration),
    ("upstream_service_time", Field::UpstreamServiceTime),
    ("x_forwarded_for", Field::ForwardedFor),
    ("user_agent", Field::UserAgent),
    ("request_id", Field::RequestId),
    ("authority", Field::Authority),
    ("upstream_host", Field::UpstreamHost),
    ("upstream_cluster", Field::UpstreamCluster),
    ("upstream_local_address", Field::UpstreamLocalAddress),
    ("downstream_local_address", Field::DownstreamLocalAddress),
    ("downstream_remote_address", Field::DownstreamRemoteAddress),
    ("requested_server_name", Field::RequestedServerName),
    ("route_name", Field::RouteName),
    ("downstream_transport_failure_reason", Field::DownstreamTransportFailureReason),
    ("upstream_cluster_raw", Field::UpstreamCluster),
    ("upstream_request_attempt_count", Field::Attempts),
    ("downstream_peer_uri_san", Field::PeerUriSan),
    ("grpc_status", Field::GrpcStatus),
    ("response_flags_long", Field::ResponseFlags),
    ("req(:method)", Field::Method),
    ("req(:path)", Field::Path),
    ("req(x-envoy-original-path?:path)", Field::Path),
    ("req(:authority)", Field::Authority),
    ("req(user-agent)", Field::UserAgent),
    ("req(x-request-id)", Field::RequestId),
    ("req(x-forwarded-for)", Field::ForwardedFor),
    ("resp(x-envoy-upstream-service-time)", Field::UpstreamServiceTime),
    ("response_status", Field::ResponseCode),
    ("status_code", Field::ResponseCode),
    ("x_request_id", Field::RequestId),
    ("x-request-id", Field::RequestId),
    ("x-forwarded-for", Field::ForwardedFor),
    ("user-agent", Field::UserAgent),
    (":authority", Field::Authority),
    (":path", Field::Path),
    (":method", Field::Method),
    ("x-envoy-origin-path", Field::Path),
    ("x-envoy-original-path", Field::Path),
    ("x-envoy-upstream-service-time", Field::UpstreamServiceTime),
    ("host", Field::Authority),
];

impl Default for JsonKeys {
    fn default() -> JsonKeys {
        JsonKeys(USUAL.iter().map(|(k, f)| ((*k).to_owned(), *f)).collect())
    }
}

impl JsonKeys {
    /// The keys of a format, and the usual ones it does not use otherwise.
    pub(super) fn of(format: &[(String, Vec<Piece>)]) -> JsonKeys {
        let mut keys = JsonKeys::default();
        for (key, pieces) in format {
            if let [Piece::Operator(o)] = pieces.as_slice() {
                match o.field() {
                    Some(field) => keys.0.insert(key.to_ascii_lowercase(), field),
                    None => keys.0.remove(&key.to_ascii_lowercase()),
                };
            }
        }
        keys
    }
    /// Reads a JSON object. One that holds nothing only a proxy logs is another line.
    pub fn read<'l>(&self, line: &'l str) -> Line<'l> {
        let value: Value = match serde_json::from_str(line) {
            Ok(v) => v,
            Err(e) if ["\"response_flags\"", "\"response_code_details\""].iter().any(|k| line.contains(k)) => {
                return Line::Broken(format!("it has the keys of an access log and is no JSON: {e}"));
            }
            Err(_) => return Line::Other,
        };
        let Value::Object(map) = value else { return Line::Other };
        let mut entry = Entry::default();
        self.take(map, "", &mut entry);
        // Applications log methods, paths and codes too.
        let proxy = [Field::ResponseFlags, Field::ResponseCodeDetails, Field::UpstreamCluster, Field::UpstreamHost, Field::DownstreamLocalAddress];
        let of_proxy = proxy.iter().filter(|f| !entry.text(**f).is_empty()).count();
        if of_proxy >= 1 && !(entry.text(Field::ResponseCode).is_empty() && entry.text(Field::ResponseFlags).is_empty()) {
            Line::Entry(Box::new(entry))
        } else {
            Line::Other
        }
    }
    fn take(&self, map: Map<String, Value>, prefix: &str, entry: &mut Entry<'_>) {
        for (key, value) in map {
            let path = if prefix.is_empty() { key.to_ascii_lowercase() } else { format!("{prefix}.{}", key.to_ascii_lowercase()) };
            let field = self.0.get(&path);
            match (field, value) {
                (None, Value::Object(inner)) if prefix.split('.').count() < 4 => self.take(inner, &path, entry),
                (Some(field), Value::String(s)) => entry.set(*field, Cow::Owned(s)),
                (Some(field), Value::Number(n)) => entry.set(*field, Cow::Owned(n.to_string())),
                _ => {}
            }
        }
    }
}

/// The formats in a JSON format, by path.
pub(super) fn flatten(value: &Value, path: &str, out: &mut Vec<(String, Vec<Piece>)>) -> Result<(), FormatError> {
    match value {
        Value::Object(map) => {
            for (key, v) in map {
                flatten(v, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, out)?;
            }
        }
        Value::String(s) => {
            let found = pieces(s, 0).map_err(|e| FormatError { message: format!("`{path}`: {}", e.message), ..e })?;
            out.push((path.to_owned(), found));
        }
        // Numbers and flags are printed as they are.
        other => out.push((path.to_owned(), vec![Piece::Literal(other.to_string())])),
    }
    Ok(())
}

/// Sets the value at a path, making the objects on the way.
pub(super) fn put(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        Some((head, tail)) => {
            let inner = map.entry(head).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, tail, value);
            }
        }
        None => {
            map.insert(path.to_owned(), value);
        }
    }
}
