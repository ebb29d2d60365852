//! What is judged: a request and its connection, as far as they are known.

use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A fact about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It was not seen.
    Unknown,
    /// It is known that there is none.
    Absent,
    Is(T),
}

/// Which address of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Of the connection (`direct_remote_ip`).
    Direct,
    /// After X-Forwarded-For or the PROXY protocol (`remote_ip`).
    Remote,
    /// Of the connection after listener filters (`source_ip`).
    Connection,
}

/// A request and its connection. The proxy implements it on what it holds; [`Request`] is for everybody else.
pub trait Subject {
    /// A header by its lower-case name, pseudo-headers included; several values are joined by commas.
    fn header(&self, name: &str) -> Fact<Cow<'_, str>>;
    /// The values of a header one by one.
    fn header_values(&self, name: &str) -> Fact<Vec<Cow<'_, str>>> {
        match self.header(name) {
            Fact::Unknown => Fact::Unknown,
            Fact::Absent => Fact::Absent,
            Fact::Is(v) => Fact::Is(vec![v]),
        }
    }
    fn destination_ip(&self) -> Fact<IpAddr>;
    /// The port before redirection: the workload's, not the proxy's.
    fn destination_port(&self) -> Fact<u16>;
    fn source_ip(&self, which: Source) -> Fact<IpAddr>;
    /// The names of the client's certificate: URI SANs, DNS SANs, the subject. Absent is plaintext; an empty list is
    /// TLS without a client certificate.
    fn peer(&self) -> Fact<&[String]>;
    /// The SNI.
    fn server_name(&self) -> Fact<Cow<'_, str>>;
    /// The dynamic metadata of a filter.
    fn metadata(&self, filter: &str) -> Fact<&Value>;
    fn filter_state(&self, key: &str) -> Fact<Cow<'_, str>>;
    /// Whether the peer, where it is not known who it is, is known not to have this name.
    fn is_not_peer(&self, _name: &str) -> bool {
        false
    }
}

/// A request as a person or a log line tells it. What is not told is unknown, but for headers.
#[derive(Clone, Debug)]
pub struct Request {
    /// Lower-case names with pseudo-headers; what is not in it is known to be absent.
    pub headers: BTreeMap<String, String>,
    /// Pseudo-headers and headers that are not known.
    pub unknown_headers: Vec<String>,
    pub destination_ip: Fact<IpAddr>,
    pub destination_port: Fact<u16>,
    /// The client's address, if it is the same whichever way one asks.
    pub source_ip: Fact<IpAddr>,
    pub peer: Fact<Vec<String>>,
    pub server_name: Fact<String>,
    /// By filter; a filter that is not in it left nothing, or nothing that is known.
    pub metadata: BTreeMap<String, Value>,
    pub other_metadata: Fact<()>,
    pub filter_state: BTreeMap<String, String>,
}

impl Default for Request {
    fn default() -> Request {
        Request {
            headers: BTreeMap::new(),
            unknown_headers: Vec::new(),
            destination_ip: Fact::Unknown,
            destination_port: Fact::Unknown,
            source_ip: Fact::Unknown,
            peer: Fact::Unknown,
            server_name: Fact::Unknown,
            metadata: BTreeMap::new(),
            other_metadata: Fact::Unknown,
            filter_state: BTreeMap::new(),
        }
    }
}

impl Subject for Request {
    fn header(&self, name: &str) -> Fact<Cow<'_, str>> {
        match self.headers.get(name) {
            Some(v) => Fact::Is(Cow::Borrowed(v)),
            None if self.unknown_headers.iter().any(|h| h == name) => Fact::Unknown,
            None => Fact::Absent,
        }
    }
    fn destination_ip(&self) -> Fact<IpAddr> {
        self.destination_ip
    }
    fn destination_port(&self) -> Fact<u16> {
        self.destination_port
    }
    fn source_ip(&self, _: Source) -> Fact<IpAddr> {
        self.source_ip
    }
    fn peer(&self) -> Fact<&[String]> {
        match &self.peer {
            Fact::Unknown => Fact::Unknown,
            Fact::Absent => Fact::Absent,
            Fact::Is(names) => Fact::Is(names),
        }
    }
    fn server_name(&self) -> Fact<Cow<'_, str>> {
        match &self.server_name {
            Fact::Unknown => Fact::Unknown,
            Fact::Absent => Fact::Absent,
            Fact::Is(name) => Fact::Is(Cow::Borrowed(name)),
        }
    }
    fn metadata(&self, filter: &str) -> Fact<&Value> {
        match (self.metadata.get(filter), self.other_metadata) {
            (Some(v), _) => Fact::Is(v),
            (None, Fact::Unknown) => Fact::Unknown,
            (None, _) => Fact::Absent,
        }
    }
    fn filter_state(&self, key: &str) -> Fact<Cow<'_, str>> {
        match (self.filter_state.get(key), &self.peer) {
            (Some(v), _) => Fact::Is(Cow::Borrowed(v)),
            (None, Fact::Absent) => Fact::Absent,
            _ => Fact::Unknown,
        }
    }
}
