//! Clusters at work: hosts and their health, circuit breakers, load balancing, connections.

pub mod balance;
pub mod breaker;
pub mod client;
pub mod cluster;
pub mod connection;
pub mod dns;
pub mod host;
pub mod io;
pub mod outlier;
pub mod pool;
pub mod ring;

use std::fmt;

/// Why an upstream gave no answer (Envoy's stream reset reasons).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    LocalConnectionFailure,
    RemoteConnectionFailure,
    ConnectionTimeout,
    ConnectionTermination,
    LocalReset,
    Overflow,
    RemoteReset,
    RemoteRefusedStream,
    ProtocolError,
}

impl Reason {
    /// In the words of bodies; details have `_` for blanks.
    pub fn words(self) -> &'static str {
        match self {
            Reason::LocalConnectionFailure => "local connection failure",
            Reason::RemoteConnectionFailure => "remote connection failure",
            Reason::ConnectionTimeout => "connection timeout",
            Reason::ConnectionTermination => "connection termination",
            Reason::LocalReset => "local reset",
            Reason::Overflow => "overflow",
            Reason::RemoteReset => "remote reset",
            Reason::RemoteRefusedStream => "remote refused stream reset",
            Reason::ProtocolError => "protocol error",
        }
    }
    /// The response flag.
    pub fn flag(self) -> &'static str {
        match self {
            Reason::LocalConnectionFailure | Reason::RemoteConnectionFailure | Reason::ConnectionTimeout => "UF",
            Reason::ConnectionTermination => "UC",
            Reason::LocalReset => "LR",
            Reason::Overflow => "UO",
            Reason::RemoteReset | Reason::RemoteRefusedStream => "UR",
            Reason::ProtocolError => "UPE",
        }
    }
    /// The status of the answer in the upstream's place.
    pub fn status(self) -> u16 {
        if self == Reason::ProtocolError { 502 } else { 503 }
    }
    pub fn is_connection_failure(self) -> bool {
        matches!(self, Reason::LocalConnectionFailure | Reason::RemoteConnectionFailure | Reason::ConnectionTimeout)
    }
}

/// A try that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: Reason,
    /// The transport's own words, blanks as `_`; "" for none.
    pub transport: String,
    /// Whether anything of the request may have left.
    pub sent: bool,
}

impl Failure {
    pub fn unsent(reason: Reason) -> Failure {
        Failure { reason, transport: String::new(), sent: false }
    }
    pub fn sent(reason: Reason) -> Failure {
        Failure { reason, transport: String::new(), sent: true }
    }
    /// Whether the upstream said goodbye without a look at the request: another connection may take it (RFC 9113 §6.8).
    pub fn is_unseen(&self) -> bool {
        self.reason == Reason::RemoteRefusedStream && !self.sent
    }
}

impl fmt::Display for Failure {
    /// `reason|transport`, as in response code details.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason.words().replace(' ', "_"))?;
        if !self.transport.is_empty() {
            write!(f, "|{}", self.transport)?;
        }
        Ok(())
    }
}
