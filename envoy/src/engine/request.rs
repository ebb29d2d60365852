//! What the steps look at: a connection and what it carries. Nothing here is configuration.

use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How a connection reaches the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// To a socket that the proxy listens on.
    Direct,
    /// Out of the workload, redirected to the proxy's outbound port.
    CapturedOutbound,
    /// Into the workload, redirected to the proxy's inbound port.
    CapturedInbound,
}

/// What the client says in its TLS hello, and the identity it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls<'a> {
    /// "" for none.
    pub server_name: &'a str,
    pub alpn: Vec<&'a str>,
    pub certificate: Option<Certificate<'a>>,
    /// Whether TLS does not end at this proxy: nobody here has seen what is inside.
    pub passed_through: bool,
}

/// The names in a client's certificate: URIs first, then DNS names; the subject where it has neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate<'a> {
    pub names: Cow<'a, [String]>,
}

/// What the client speaks, inside TLS where there is TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http10,
    Http11,
    Http2,
    /// Bytes that are no HTTP.
    Tcp,
}

impl Protocol {
    pub fn is_http(self) -> bool {
        self != Protocol::Tcp
    }
}

/// A connection as a listener sees it.
#[derive(Clone, Debug)]
pub struct Connection<'a> {
    /// Where the client wanted to go: the original destination where the connection was redirected.
    pub destination: SocketAddr,
    pub source: SocketAddr,
    /// The peer of the socket, where a PROXY header or a tunnel names another source.
    pub direct_source: IpAddr,
    pub tls: Option<ClientTls<'a>>,
    pub protocol: Protocol,
    /// Filter state that a tunnel or an earlier listener set, such as a peer's principal.
    pub filter_state: &'a [(&'a str, &'a str)],
}

impl Connection<'_> {
    /// Plaintext HTTP/1.1 from a port nobody looks at.
    pub fn plain(source: IpAddr, destination: SocketAddr) -> Connection<'static> {
        let source = SocketAddr::new(source, 49152);
        Connection { destination, source, direct_source: source.ip(), tls: None, protocol: Protocol::Http11, filter_state: &[] }
    }
    /// Whether the source is the destination or a loopback address (`SAME_IP_OR_LOOPBACK`).
    pub fn is_local(&self) -> bool {
        self.source.ip() == self.destination.ip() || self.source.ip().is_loopback()
    }
}

/// The headers of a request, whatever keeps them. Names are asked for in lower case.
pub trait Headers {
    /// The `n`th value of a header, from 0.
    fn nth(&self, name: &str, n: usize) -> Option<&str>;
}

impl<K: AsRef<str>, V: AsRef<str>> Headers for &[(K, V)] {
    fn nth(&self, name: &str, n: usize) -> Option<&str> {
        self.iter().filter(|(k, _)| k.as_ref().eq_ignore_ascii_case(name)).nth(n).map(|(_, v)| v.as_ref())
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Headers for Vec<(K, V)> {
    fn nth(&self, name: &str, n: usize) -> Option<&str> {
        self.iter().filter(|(k, _)| k.as_ref().eq_ignore_ascii_case(name)).nth(n).map(|(_, v)| v.as_ref())
    }
}

/// A request as filters and routes see it: after the connection manager has put it in order.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// `http` or `https`, from the connection or a trusted proxy.
    pub scheme: &'a str,
    pub authority: &'a str,
    /// With its query; "" for a CONNECT without a path.
    pub path: &'a str,
    pub headers: &'a (dyn Headers + 'a),
}

impl<'a> Request<'a> {
    /// The `n`th value of a header, pseudo-headers included.
    pub fn header(&self, name: &str, n: usize) -> Option<&'a str> {
        let pseudo = match name {
            ":method" => self.method,
            ":authority" | "host" => self.authority,
            ":path" => self.path,
            ":scheme" => self.scheme,
            _ => return self.headers.nth(name, n),
        };
        if n == 0 && !pseudo.is_empty() { Some(pseudo) } else { None }
    }
    /// The values of a header, pseudo-headers included.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + use<'s, 'a> {
        (0..).map_while(move |n| self.header(name, n))
    }
    /// The values of a header as one text, joined by commas.
    pub fn joined(&self, name: &str) -> Option<Cow<'a, str>> {
        let first = self.header(name, 0)?;
        if self.header(name, 1).is_none() {
            return Some(first.into());
        }
        let mut all = first.to_owned();
        let mut n = 1;
        while let Some(value) = self.header(name, n) {
            all.push(',');
            all.push_str(value);
            n += 1;
        }
        Some(all.into())
    }
    /// The path without query and fragment.
    pub fn path_only(&self) -> &'a str {
        crate::matcher::path_only(self.path)
    }
    fn query(&self) -> &'a str {
        let path = self.path.split('#').next().unwrap_or("");
        path.split_once('?').map_or("", |(_, q)| q)
    }
    /// The first value of a query parameter, as spelled; "" for one without `=`.
    pub fn query_parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self.query().split('&').filter(|p| !p.is_empty());
        pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).find(|(k, _)| *k == name).map(|(_, v)| v)
    }
    pub fn is_connect(&self) -> bool {
        self.method == "CONNECT"
    }
    /// `application/grpc` and its kin.
    pub fn is_grpc(&self) -> bool {
        self.header("content-type", 0).is_some_and(|t| t == "application/grpc" || t.starts_with("application/grpc+"))
    }
}

/// Values that filters leave for later filters, by filter and key (`dynamic metadata`).
#[derive(Clone, Debug, Default)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// All of it, as an object.
    pub fn json(&self) -> Value {
        Value::Object(self.0.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
    }
    /// What a filter left.
    pub fn of(&self, filter: &str) -> Option<&Value> {
        self.0.get(filter)
    }
    pub fn set(&mut self, filter: &str, key: &str, value: Value) {
        let entry = self.0.entry(filter.to_owned()).or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Value::Object(map) = entry {
            map.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_spelled_and_the_first_value_counts() {
        let headers = vec![("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())];
        let r = Request { method: "GET", scheme: "http", authority: "a", path: "/p?q=a%20b&q=2&e&x=#f?z=1", headers: &headers };
        assert_eq!((r.path_only(), r.query_parameter("q"), r.query_parameter("e"), r.query_parameter("z")), ("/p", Some("a%20b"), Some(""), None));
        assert_eq!((r.header("x-a", 1), r.header("x-a", 2), r.header("host", 0)), (Some("2"), None, Some("a")));
    }
}
