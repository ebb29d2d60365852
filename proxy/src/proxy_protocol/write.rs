//! Heads of the PROXY protocol, for upstreams.

use super::{Addresses, SIGNATURE1, SIGNATURE2, Version};
use std::io::Write as _;
use std::net::IpAddr;

/// The head for a connection of a client's; with no addresses the one that says that the connection is the proxy's own.
pub fn head(version: Version, addresses: Option<Addresses>) -> Vec<u8> {
    match (version, addresses) {
        (Version::V1, None) => [SIGNATURE1, b"UNKNOWN\r\n"].concat(),
        (Version::V1, Some(addresses)) => line(addresses),
        (Version::V2, addresses) => binary(addresses),
    }
}

fn line(Addresses { source, destination }: Addresses) -> Vec<u8> {
    let mut out = SIGNATURE1.to_vec();
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    // Writing to memory does not fail.
    let _ = write!(out, "{family} {} {} {} {}\r\n", source.ip(), destination.ip(), source.port(), destination.port());
    out
}

fn binary(addresses: Option<Addresses>) -> Vec<u8> {
    let mut out = SIGNATURE2.to_vec();
    let Some(Addresses { source, destination }) = addresses else {
        out.extend([0x20, 0, 0, 0]);
        return out;
    };
    out.extend(if source.is_ipv4() { [0x21, 0x11, 0, 12] } else { [0x21, 0x21, 0, 36] });
    for ip in [source.ip(), destination.ip()] {
        match ip {
            IpAddr::V4(ip) => out.extend(ip.octets()),
            IpAddr::V6(ip) => out.extend(ip.octets()),
        }
    }
    out.extend(source.port().to_be_bytes());
    out.extend(destination.port().to_be_bytes());
    out
}
