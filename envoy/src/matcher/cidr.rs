//! `envoy.config.core.v3.CidrRange`.

use crate::proto_json::{field, text};
use serde_json::Value;
use std::fmt;
use std::net::IpAddr;

/// A block of addresses. IPv4 and IPv6 addresses are never in each other's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub address: IpAddr,
    pub length: u8,
}

impl Cidr {
    /// Reads the message's JSON; `None` where the address is no IP address. An absent length is 0, as in protobuf.
    pub fn compile(json: &Value) -> Option<Cidr> {
        let address: IpAddr = text(json, "address_prefix").parse().ok()?;
        let length = field(json, "prefix_len").and_then(Value::as_u64).unwrap_or(0);
        let most = if address.is_ipv4() { 32 } else { 128 };
        Some(Cidr { address, length: length.min(most) as u8 })
    }
    pub fn contains(&self, ip: IpAddr) -> bool {
        let prefix = |bits: u128, width: u32| bits.checked_shr(width - u32::from(self.length)).unwrap_or(0);
        match (self.address, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => prefix(a.to_bits().into(), 32) == prefix(b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => prefix(a.to_bits(), 128) == prefix(b.to_bits(), 128),
            _ => false,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blocks_hold_what_shares_their_prefix() {
        let cidr = |a: &str, n: u8| Cidr::compile(&json!({"address_prefix": a, "prefix_len": n})).expect("an address");
        let ip = |a: &str| a.parse::<IpAddr>().expect("an address");
        assert!(cidr("10.1.0.0", 16).contains(ip("10.1.2.3")));
        assert!(!cidr("10.1.0.0", 16).contains(ip("10.2.0.0")));
        assert!(cidr("0.0.0.0", 0).contains(ip("255.1.1.1")) && !cidr("0.0.0.0", 0).contains(ip("::1")));
        assert!(cidr("fd00::", 8).contains(ip("fd12::1")) && !cidr("fd00::", 8).contains(ip("fe00::1")));
        assert!(cidr("::", 0).contains(ip("::1")));
        assert_eq!(Cidr::compile(&json!({"addressPrefix": "x"})), None);
    }
}
