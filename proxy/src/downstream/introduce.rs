//! The head of the PROXY protocol in front of a connection: who the client is, and where it wanted to go.

use super::raw::Raw;
use super::{Destination, Downstream};
use crate::config::proxy_protocol::ProxyProtocol;
use crate::proxy_protocol::read::{Head, Seen, read};
use std::io;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introduced {
    /// The connection has the addresses that it is to have, and its own bytes come next.
    Known,
    /// It began with what it must not begin with.
    Refused,
    /// The client left before.
    Gone,
}

/// Reads as far as the head needs it, takes it off, and gives the connection the addresses that it tells of. What comes of it is counted.
///
/// # Errors
/// Those of the socket.
pub async fn introduce(client: &mut Downstream, raw: &mut Raw, config: &ProxyProtocol) -> io::Result<Introduced> {
    let stats = client.worker.proxy_protocol_stats(&config.stat_prefix);
    let refused = || client.worker.root_stats().downstream_cx_proxy_proto_error.inc();
    let head = loop {
        match read(raw.early(), config.rules) {
            Seen::More => {}
            Seen::Head(head) => break head,
            Seen::Absent if config.rules.may_be_absent => {
                stats.not_found_allowed.inc();
                return Ok(Introduced::Known);
            }
            Seen::Absent | Seen::Endless => {
                stats.not_found_disallowed.inc();
                refused();
                return Ok(Introduced::Refused);
            }
            Seen::Wrong(version) => {
                stats.version(version).error.inc();
                refused();
                return Ok(Introduced::Refused);
            }
            Seen::Disallowed(version) => {
                stats.version(version).found.inc();
                stats.version(version).disallowed.inc();
                return Ok(Introduced::Refused);
            }
        }
        if !raw.read_ahead().await? {
            return Ok(Introduced::Gone);
        }
    };
    let Head { version, length, addresses } = head;
    stats.version(version).found.inc();
    raw.drop_early(length);
    let Some(addresses) = addresses else { return Ok(Introduced::Known) };
    client.peer = addresses.source;
    let may_differ = client.destination == Destination::Own || config.overrides_redirection;
    if may_differ && client.local != addresses.destination {
        (client.local, client.destination) = (addresses.destination, Destination::Restored);
    }
    Ok(Introduced::Known)
}
