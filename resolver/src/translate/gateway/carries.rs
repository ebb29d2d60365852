//! What the servers of Gateways may share a port for.

use crate::protocol::Protocol;

/// What a server of a Gateway carries, as istiod merges those of one port and address, the oldest Gateway's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Plain HTTP of every sort: all of a port share it.
    Http,
    /// Any other bytes, told apart by nothing: one server has the port.
    Bytes,
    /// TLS, told apart by its hosts.
    Tls,
}

impl Carries {
    /// Of a server's protocol, and whether it has settings for TLS; those of plain HTTP only redirect.
    pub fn of(protocol: Protocol, has_tls: bool) -> Carries {
        match () {
            () if protocol.is_http() => Carries::Http,
            () if has_tls => Carries::Tls,
            () => Carries::Bytes,
        }
    }
    pub fn is_plain(self) -> bool {
        self != Carries::Tls
    }
    /// Whether it may join the plain server that has the port. Where only TLS has it, everything may.
    pub fn may_join(self, plain: Carries) -> bool {
        (self, plain) == (Carries::Http, Carries::Http)
    }
}
