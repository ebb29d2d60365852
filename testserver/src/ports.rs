//! Ports for programs that are told where to listen.
//!
//! A port that the system gives out (`bind` to port 0) and that is let go may be given to another socket a moment later: to a client
//! for its end of a connection, to another test's server. Worse, sockets that share their ports (`SO_REUSEPORT`, as Envoy's and the
//! sidecar's do) then both listen there, and each gets some of the other's connections, without a word. So these ports are from a
//! range that the system never gives out by itself.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Below what Linux (32768) and macOS (49152) give out, and below the places of the control plane's demos (20800 and up).
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

/// What this process was given.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Ports of 127.0.0.1 that nobody listens on, each given once by a process.
///
/// # Panics
///
/// Where there are none left.
pub fn free(n: usize) -> Vec<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Processes begin at different places: what one was given and does not yet listen on, another can't see.
    let begin = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    let all = (0..COUNT).map(|i| FIRST + (begin + i) % COUNT);
    let ports: Vec<u16> = all.filter(|port| !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).take(n).collect();
    assert_eq!(ports.len(), n, "ports from {FIRST} on that are free");
    given.extend(&ports);
    ports
}

/// An address of 127.0.0.1 that nobody listens on, and that nobody else is given.
pub fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free(1)[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_given_once_and_what_is_taken_is_left_out() {
        let first = free(3);
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("a port").port();
        let next = free(3);
        assert!(first.iter().all(|p| !next.contains(p) && (FIRST..FIRST + COUNT).contains(p)), "{first:?} {next:?}");
        assert!(!(FIRST..FIRST + COUNT).contains(&taken), "the system gives out {taken} by itself");
        // Where a program listens nobody else is sent.
        let after = next[2] + 1;
        if let Ok(_held) = TcpListener::bind((Ipv4Addr::LOCALHOST, after)) {
            assert!(!free(5).contains(&after));
        }
    }
}
