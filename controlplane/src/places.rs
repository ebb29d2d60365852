//! Addresses that no other mesh of this machine has.

use crate::bind;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Which addresses the workloads get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Addresses of their own in 127.20.0.0/14 where they can be bound and nobody else has them, else ports.
    #[default]
    Any,
    /// Ports of 127.0.0.1.
    Ports,
}

/// Addresses for the workloads, kept from others by a socket for as long as this lives.
#[derive(Debug)]
pub struct Reserved {
    pub loopback: bind::Loopback,
    _locks: Vec<TcpListener>,
}

/// Whoever has this one has all of 127.20.0.0 to 127.23.255.255.
const OF_ADDRESSES: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 22, 255, 254)), 29_999);
/// A port that a workload of any mesh is likely to have.
const PROBED: u16 = 9080;
/// Blocks of ports begin here; below where systems take ports for connections from.
const FIRST: u16 = 21_000;
const LAST: u16 = 31_000;
const BLOCK: u16 = 100;
/// Whoever has the port of a block from here on has the block: a mesh binds its own ports one after the other.
const LOCKS: u16 = 20_800;

impl Reserved {
    /// Addresses of 127.20.0.0/14, and nothing else, for a mesh that serves these ports: whoever listens at one of them on all
    /// addresses of the machine has it here too.
    ///
    /// # Errors
    /// They can't be bound, or another mesh has them.
    pub fn addresses(served: &[u16]) -> io::Result<Reserved> {
        let socket = TcpListener::bind(OF_ADDRESSES)?;
        for port in std::iter::once(PROBED).chain(served.iter().copied().filter(|p| *p > 0).map(bind::unprivileged)) {
            for network in 20..=23 {
                let at = SocketAddr::from((Ipv4Addr::new(127, network, 0, 1), port));
                TcpListener::bind(at).map_err(|e| io::Error::new(e.kind(), format!("{at}: {e}")))?;
            }
        }
        Ok(Reserved { loopback: bind::Loopback::Addresses, _locks: vec![socket] })
    }

    /// Addresses for a mesh that serves these ports, or a block of so many ports where those can't be had or are not wanted.
    ///
    /// # Errors
    /// No block of so many ports is free.
    pub fn new(wanted: Wanted, served: &[u16], ports: u16) -> io::Result<Reserved> {
        if wanted == Wanted::Any
            && let Ok(addresses) = Reserved::addresses(served)
        {
            return Ok(addresses);
        }
        let blocks = ports.div_ceil(BLOCK).max(1);
        let all = (LAST - FIRST) / BLOCK;
        if blocks > all {
            return Err(io::Error::other(format!("{ports} ports are needed, and {} are set aside: {FIRST} to {LAST}", LAST - FIRST)));
        }
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for first in 0..=all - blocks {
            let locked = (first..first + blocks).map(|block| TcpListener::bind((Ipv4Addr::LOCALHOST, LOCKS + block))).collect::<io::Result<Vec<_>>>();
            let (from, to) = (FIRST + first * BLOCK, FIRST + (first + blocks) * BLOCK);
            match locked {
                Ok(locks) if are_free((from..to).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))) => {
                    return Ok(Reserved { loopback: bind::Loopback::Ports(from), _locks: locks });
                }
                Ok(_) => {}
                Err(e) => last = e,
            }
        }
        Err(last)
    }
}

fn are_free(mut addresses: impl Iterator<Item = SocketAddr>) -> bool {
    addresses.all(|a| TcpListener::bind(a).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_what_another_has() {
        let all: Vec<Reserved> = [Wanted::Any, Wanted::Any, Wanted::Ports].into_iter().map(|l| Reserved::new(l, &[], 100).expect("addresses")).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a.loopback != b.loopback), "{:?}", a.loopback);
        }
        // Several blocks: the next demo's begin behind them.
        let first = |r: &Reserved| if let bind::Loopback::Ports(first) = r.loopback { first } else { 0 };
        let large = Reserved::new(Wanted::Ports, &[], 250).expect("ports");
        let next = Reserved::new(Wanted::Ports, &[], 1).expect("ports");
        assert!(!(first(&large)..first(&large) + 300).contains(&first(&next)), "{} {}", first(&large), first(&next));
        assert!(Reserved::new(Wanted::Ports, &[], 20_000).is_err());
    }

    #[test]
    fn a_port_that_somebody_has_on_all_addresses_is_not_given_there() {
        let other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let port = other.local_addr().expect("an address").port();
        let reserved = Reserved::new(Wanted::Any, &[port], 100).expect("ports");
        assert!(matches!(reserved.loopback, bind::Loopback::Ports(_)), "{:?}", reserved.loopback);
    }
}
