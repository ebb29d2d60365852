//! Ports, addresses, sockets.

use std::net::{IpAddr, Ipv6Addr};

/// 1 to 65535.
pub fn port(number: i64) -> Result<(), String> {
    if (1..=65535).contains(&number) { Ok(()) } else { Err(format!("port {number} is not in the range 1 to 65535")) }
}

/// An IPv4 or IPv6 address; IPv6 with or without a zone.
pub fn is_ip(text: &str) -> bool {
    match text.split_once('%') {
        Some((address, zone)) => !zone.is_empty() && address.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<IpAddr>().is_ok(),
    }
}

pub fn ip(text: &str) -> Result<(), String> {
    if is_ip(text) { Ok(()) } else { Err(format!("`{text}` is not a valid IP address")) }
}

/// `address/bits`; host bits may be set.
pub fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.rsplit_once('/') else { return false };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    (bits == "0" || !bits.starts_with('0')) && !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u16>().is_ok_and(|b| b <= most)
}

/// An address or a CIDR block.
pub fn ip_or_cidr(text: &str) -> Result<(), String> {
    if text.bytes().filter(|b| *b == b'/').count() != 1 {
        ip(text)
    } else if is_cidr(text) {
        Ok(())
    } else {
        Err(format!("`{text}` is not a valid CIDR block"))
    }
}

/// The prefix of an address that is a unix domain socket.
pub const UNIX: &str = "unix://";

/// The path of a unix domain socket, without `unix://`; one that begins with `@` is abstract.
pub fn unix_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        Err("a unix domain socket has no path".to_owned())
    } else if path.starts_with('@') || (path.starts_with('/') && !path.ends_with('/')) {
        Ok(())
    } else {
        Err(format!("`{path}` is not the absolute path of a unix domain socket"))
    }
}

/// `host:port`, `[v6]:port` or `:port` taken apart.
pub fn split_host_port(text: &str) -> Result<(&str, &str), String> {
    let bad = |why: &str| Err(format!("`{text}` is not `host:port`: {why}"));
    let Some((host, port)) = text.rsplit_once(':') else { return bad("it has no port") };
    let host = if let Some(inner) = host.strip_prefix('[') {
        match inner.split_once(']') {
            Some((address, "")) => address,
            Some(_) => return bad("it has too many colons"),
            None => return bad("a `]` is missing"),
        }
    } else if host.contains(':') {
        return bad("it has too many colons");
    } else {
        host
    };
    if host.contains(['[', ']']) || port.contains(['[', ']']) {
        return bad("it has a stray bracket");
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["10.0.0.1", "::1", "fe80::1%eth0", "::ffff:1.2.3.4"] {
            assert!(is_ip(good), "{good}");
        }
        for bad in ["", "10.0.0", "010.0.0.1", "1.2.3.4%eth0", "fe80::1%", "a"] {
            assert!(!is_ip(bad), "{bad}");
        }
        for good in ["10.1.2.3/8", "::/0", "10.0.0.0/32"] {
            assert!(is_cidr(good), "{good}");
        }
        for bad in ["10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/", "10.0.0.0/+8", "fe80::1%a/64", "x/8"] {
            assert!(!is_cidr(bad), "{bad}");
        }
        assert!(ip_or_cidr("1.2.3.4").is_ok() && ip_or_cidr("1.2.3.0/24/5").is_err());
    }

    #[test]
    fn sockets() {
        assert_eq!(split_host_port("[::1]:80"), Ok(("::1", "80")));
        assert_eq!(split_host_port(":80"), Ok(("", "80")));
        assert!(split_host_port("::1:80").is_err() && split_host_port("a").is_err() && split_host_port("[::1]80").is_err());
        assert!(unix_path("@x").is_ok() && unix_path("/a/b").is_ok() && unix_path("/a/").is_err() && unix_path("a").is_err() && unix_path("").is_err());
    }
}
