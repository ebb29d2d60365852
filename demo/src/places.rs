//! Addresses that no other demo has.

use crate::Loopback;
use mesh_controlplane::bind;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Addresses for the workloads, kept from others by a socket for as long as this lives.
pub struct Reserved {
    pub loopback: bind::Loopback,
    _socket: TcpListener,
}

/// Whoever has this one has all of 127.20.0.0 to 127.22.255.255.
const OF_ADDRESSES: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 22, 255, 254)), 29_999);
/// Blocks of ports begin here; below where systems take ports for connections from.
const FIRST: u16 = 21_000;
const LAST: u16 = 31_000;
/// More than a demo needs.
const BLOCK: u16 = 100;

impl Reserved {
    pub fn new(wanted: Loopback) -> io::Result<Reserved> {
        if wanted == Loopback::Any
            && let Ok(socket) = TcpListener::bind(OF_ADDRESSES)
            && are_free((20..=22).map(|network| SocketAddr::from((Ipv4Addr::new(127, network, 0, 1), crate::mesh::PORT))))
        {
            return Ok(Reserved { loopback: bind::Loopback::Addresses, _socket: socket });
        }
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for first in (FIRST..LAST).step_by(usize::from(BLOCK)) {
            // The first port is the block's lock.
            match TcpListener::bind((Ipv4Addr::LOCALHOST, first)) {
                Ok(socket) if are_free((first + 1..first + BLOCK).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))) => {
                    return Ok(Reserved { loopback: bind::Loopback::Ports(first + 1), _socket: socket });
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
        let all: Vec<Reserved> = [Loopback::Any, Loopback::Any, Loopback::Ports].into_iter().map(|l| Reserved::new(l).expect("addresses")).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a.loopback != b.loopback), "{:?}", a.loopback);
        }
    }
}
