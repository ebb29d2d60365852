//! Heads of the PROXY protocol, as they begin a connection.

use super::{Addresses, HEAD2, SIGNATURE1, SIGNATURE2, Version};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest line of version 1, with its end.
pub const LONGEST1: usize = 107;

/// What a connection begins with, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It can't be told yet.
    More,
    /// No head.
    Absent,
    /// A line of version 1 that has no end.
    Endless,
    /// A head of a version that is not wanted.
    Disallowed(Version),
    /// A head that is none.
    Wrong(Version),
    Head(Head),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub version: Version,
    /// In bytes.
    pub length: usize,
    /// `None` where the connection is the balancer's own, or the client is not known: its addresses are those of the socket.
    pub addresses: Option<Addresses>,
}

/// Which heads are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether connections may begin without.
    pub may_be_absent: bool,
    pub without_v1: bool,
    pub without_v2: bool,
}

impl Rules {
    fn allows(self, version: Version) -> bool {
        match version {
            Version::V1 => !self.without_v1,
            Version::V2 => !self.without_v2,
        }
    }
}

/// Reads the head that a connection begins with. More bytes never change what was seen, but [`Seen::More`], and [`Seen::Endless`] where the end of a line
/// that is too long comes after all: that is [`Seen::Wrong`], as with Envoy.
///
/// Where heads may be absent, one of a version that is not wanted is no head, as with Envoy.
pub fn read(bytes: &[u8], rules: Rules) -> Seen {
    let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(a, b)| a == b);
    let version = match (begins(SIGNATURE1), begins(SIGNATURE2)) {
        _ if bytes.is_empty() => return Seen::More,
        (false, false) => return Seen::Absent,
        (true, _) => Version::V1,
        (_, true) => Version::V2,
    };
    let signature = if version == Version::V1 { SIGNATURE1 } else { SIGNATURE2 };
    match rules.allows(version) {
        false if rules.may_be_absent => Seen::Absent,
        _ if bytes.len() < signature.len() => Seen::More,
        false => Seen::Disallowed(version),
        true if version == Version::V1 => read1(bytes),
        true => read2(bytes),
    }
}

fn read1(bytes: &[u8]) -> Seen {
    let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") else {
        return if bytes.len() < LONGEST1 { Seen::More } else { Seen::Endless };
    };
    let length = end + 2;
    let head = |addresses| Seen::Head(Head { version: Version::V1, length, addresses });
    let line = std::str::from_utf8(&bytes[SIGNATURE1.len()..end]).ok().filter(|_| length <= LONGEST1);
    let words: Vec<&str> = line.unwrap_or("").split(' ').collect();
    let ports = |from: &str, to: &str| Some((port(from)?, port(to)?));
    let addresses = match words[..] {
        ["UNKNOWN", ..] => return head(None),
        ["TCP4", from, to, a, b] => ports(a, b).and_then(|ports| Some((from.parse::<Ipv4Addr>().ok()?.into(), to.parse::<Ipv4Addr>().ok()?.into(), ports))),
        ["TCP6", from, to, a, b] => ports(a, b).and_then(|ports| Some((from.parse::<Ipv6Addr>().ok()?.into(), to.parse::<Ipv6Addr>().ok()?.into(), ports))),
        _ => None,
    };
    match addresses.and_then(|(from, to, (a, b))| unicast((from, a), (to, b))) {
        Some(addresses) => head(Some(addresses)),
        None => Seen::Wrong(Version::V1),
    }
}

/// A number without a sign or zeros before it.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn read2(bytes: &[u8]) -> Seen {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD2>() else { return Seen::More };
    let wrong = Seen::Wrong(Version::V2);
    let (command, family, length) = (head[12], head[13], usize::from(u16::from_be_bytes([head[14], head[15]])));
    let found = |addresses| Seen::Head(Head { version: Version::V2, length: HEAD2 + length, addresses });
    // Of IPv4 and IPv6, over streams or datagrams: the bytes of two addresses and two ports.
    let needed = match (command, family) {
        (0x20, _) => 0,
        (0x21, 0x11 | 0x12) => 12,
        (0x21, 0x21 | 0x22) => 36,
        _ => return wrong,
    };
    if length < needed {
        return wrong;
    }
    let Some(content) = rest.get(..length) else { return Seen::More };
    let (addresses, extensions) = content.split_at(needed);
    if needed == 0 {
        return found(None);
    }
    match of(addresses) {
        Some(addresses) if are_extensions(extensions) => found(Some(addresses)),
        _ => wrong,
    }
}

/// The addresses of version 2: source, destination, their ports; of IPv4 where there are 12 bytes.
fn of(bytes: &[u8]) -> Option<Addresses> {
    let (from, rest) = bytes.split_at_checked(if bytes.len() == 12 { 4 } else { 16 })?;
    let (to, ports) = rest.split_at_checked(from.len())?;
    let ip = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok();
    let [a, b, c, d] = *<&[u8; 4]>::try_from(ports).ok()?;
    unicast((ip(from)?, u16::from_be_bytes([a, b])), (ip(to)?, u16::from_be_bytes([c, d])))
}

/// Both addresses, if a connection may have them.
fn unicast((from, a): (IpAddr, u16), (to, b): (IpAddr, u16)) -> Option<Addresses> {
    let may_be = |ip: IpAddr| !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST);
    (may_be(from) && may_be(to)).then(|| Addresses { source: SocketAddr::new(from, a), destination: SocketAddr::new(to, b) })
}

/// Whether bytes are extensions (TLV): a type, a length of two bytes, so many bytes.
fn are_extensions(mut bytes: &[u8]) -> bool {
    while let [_, high, low, rest @ ..] = bytes {
        let Some(next) = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..) else { return false };
        bytes = next;
    }
    bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy_protocol::write::head;

    const ANY: Rules = Rules { may_be_absent: false, without_v1: false, without_v2: false };

    fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let mut out = SIGNATURE2.to_vec();
        out.extend([command, family]);
        out.extend(u16::try_from(content.len()).expect("a length").to_be_bytes());
        out.extend(content);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        for (from, to) in [("1.2.3.4:5", "6.7.8.9:65535"), ("[2001:db8::1]:5", "[::1]:0"), ("[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.5]:2")] {
            let addresses = Addresses { source: from.parse().expect("an address"), destination: to.parse().expect("an address") };
            for version in [Version::V1, Version::V2] {
                let mut bytes = head(version, Some(addresses));
                let length = bytes.len();
                bytes.extend(b"PROXY and more");
                let Seen::Head(read) = read(&bytes, ANY) else { panic!("{version:?} {from}: {:?}", read(&bytes, ANY)) };
                assert_eq!(read, Head { version, length, addresses: Some(addresses) });
            }
        }
        assert_eq!(read(&head(Version::V2, None), ANY), Seen::Head(Head { version: Version::V2, length: 16, addresses: None }));
    }

    #[test]
    fn more_bytes_never_take_back_what_was_seen() {
        let heads: [Vec<u8>; 6] = [
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET".to_vec(),
            b"PROXY UNKNOWN\r\n\r\n".to_vec(),
            v2(0x21, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 4, 0, 1, 9]),
            v2(0x21, 0x31, &[7; 216]),
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY ".iter().chain(&[b'x'; 300]).copied().collect(),
        ];
        for (bytes, may_be_absent) in heads.iter().flat_map(|h| [(h, false), (h, true)]) {
            let rules = Rules { may_be_absent, ..ANY };
            let whole = read(bytes, rules);
            assert_ne!(whole, Seen::More);
            for end in 0..bytes.len() {
                let part = read(&bytes[..end], rules);
                assert!(part == Seen::More || part == whole, "{part:?} {whole:?}");
            }
        }
    }

    #[test]
    fn lines_that_are_none_are_wrong() {
        let wrong = [
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
            "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            "PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n",
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP6 fe80::1%1 ::2 1 2\r\n",
            "PROXY TCP4 224.0.0.1 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 255.255.255.255 1 2\r\n",
            "PROXY TCP6 :: ::2 1 2\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY \r\n",
        ];
        for line in wrong {
            assert_eq!(read(line.as_bytes(), ANY), Seen::Wrong(Version::V1), "{line:?}");
        }
        let unknown = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
        assert!(matches!(read(unknown(LONGEST1).as_bytes(), ANY), Seen::Head(Head { addresses: None, .. })));
        assert_eq!(read(unknown(LONGEST1 + 1).as_bytes(), ANY), Seen::Wrong(Version::V1));
    }

    #[test]
    fn of_version_2_all_that_it_says_has_to_fit() {
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2];
        let with = |more: &[u8]| [four.as_slice(), more].concat();
        let ok = |bytes: &[u8]| matches!(read(bytes, ANY), Seen::Head(_));
        assert!(ok(&v2(0x21, 0x11, &four)) && ok(&v2(0x21, 0x12, &four)) && ok(&v2(0x20, 0, &[])) && ok(&v2(0x20, 0x11, &[9; 70])));
        assert!(ok(&v2(0x21, 0x11, &with(&[4, 0, 0]))) && ok(&v2(0x21, 0x11, &with(&[4, 0, 2, 1, 1, 5, 0, 0]))));
        for wrong in [
            v2(0x11, 0x11, &four),
            v2(0x22, 0x11, &four),
            v2(0x21, 0x10, &four),
            v2(0x21, 0x00, &four),
            v2(0x21, 0x11, &four[..11]),
            v2(0x21, 0x21, &four),
            v2(0x21, 0x11, &with(&[4])),
            v2(0x21, 0x11, &with(&[4, 0])),
            v2(0x21, 0x11, &with(&[4, 0, 3, 1])),
            v2(0x21, 0x11, &[224, 0, 0, 1, 5, 6, 7, 8, 0, 1, 0, 2]),
        ] {
            assert_eq!(read(&wrong, ANY), Seen::Wrong(Version::V2), "{wrong:?}");
        }
        // The longest there is.
        assert!(ok(&v2(0x20, 0, &[0; 65535])));
    }

    #[test]
    fn versions_that_are_not_wanted_are_no_heads_where_heads_may_be_absent() {
        let one = b"PROXY UNKNOWN\r\n";
        assert_eq!(read(one, Rules { without_v1: true, ..ANY }), Seen::Disallowed(Version::V1));
        assert_eq!(read(one, Rules { without_v1: true, may_be_absent: true, ..ANY }), Seen::Absent);
        assert_eq!(read(SIGNATURE2, Rules { without_v2: true, ..ANY }), Seen::Disallowed(Version::V2));
        assert_eq!(read(b"P", Rules { without_v1: true, ..ANY }), Seen::More);
    }
}
