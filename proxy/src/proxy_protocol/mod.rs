//! The PROXY protocol: what a balancer says in front of a connection's bytes of who the client is and where it wanted to go
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

pub mod read;
pub mod write;

use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    V1,
    V2,
}

/// What is said of a connection: both addresses are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// The client's.
    pub source: SocketAddr,
    /// Where the client wanted to go.
    pub destination: SocketAddr,
}

/// What version 1 begins with.
const SIGNATURE1: &[u8] = b"PROXY ";
/// What version 2 begins with: no other protocol begins so.
const SIGNATURE2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of version 2 before its addresses.
const HEAD2: usize = SIGNATURE2.len() + 4;
