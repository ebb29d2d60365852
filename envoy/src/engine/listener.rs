//! Step one: which listener takes a connection.

use super::chain::Chains;
use super::field::{Message, Path, Read, Unknown};
use super::inspect::ListenerFilter;
use super::recorder::{Candidate, Recorder};
use super::request::Entry;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Socket(SocketAddr),
    /// A unix socket, or an internal listener that other listeners hand connections to.
    Other(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Unspecified,
    Inbound,
    Outbound,
}

/// A listener that is in use.
#[derive(Clone, Debug)]
pub struct Listener {
    pub name: Box<str>,
    /// The main address first.
    pub addresses: Vec<Address>,
    /// Whether a socket is bound; without, only other listeners hand connections to it.
    pub bound: bool,
    /// Whether connections go on to the listener of their original destination.
    pub hands_off: bool,
    pub direction: Direction,
    pub(super) filters: Vec<ListenerFilter>,
    /// Whether a connection goes on when the inspectors run out of time: those of clients that wait for the server.
    pub continues_on_timeout: bool,
    pub(super) chains: Chains,
    /// A field of the listener that decides something and is not known.
    pub(super) unknown: Option<Unknown>,
}

const KNOWN: &[&str] = &[
    "name",
    "stat_prefix",
    "address",
    "additional_addresses",
    "filter_chains",
    "filter_chain_matcher",
    "use_original_dst",
    "default_filter_chain",
    "per_connection_buffer_limit_bytes",
    "metadata",
    "drain_type",
    "listener_filters",
    "listener_filters_timeout",
    "continue_on_listener_filters_timeout",
    "transparent",
    "freebind",
    "socket_options",
    "tcp_fast_open_queue_length",
    "traffic_direction",
    "connection_balance_config",
    "reuse_port",
    "enable_reuse_port",
    "access_log",
    "tcp_backlog_size",
    "max_connections_to_accept_per_socket_event",
    "bind_to_port",
    "internal_listener",
    "enable_mptcp",
    "ignore_global_conn_limit",
    "bypass_overload_manager",
    "udp_listener_config",
    "deprecated_v1",
    "api_listener",
];

impl Listener {
    /// Reads `envoy.config.listener.v3.Listener`. What can't be read in it ends a verdict that reaches it.
    pub fn read(value: &serde_json::Value, path: Path<'_>) -> Read<Listener> {
        let m = Message::new(value, path)?;
        let mut addresses = Vec::new();
        if let Some(a) = m.message("address")? {
            addresses.extend(Address::read(&a)?);
        }
        for additional in m.messages("additional_addresses")? {
            if let Some(a) = additional.message("address")? {
                addresses.extend(Address::read(&a)?);
            }
        }
        let deprecated = m.message_or_empty("deprecated_v1")?.bool("bind_to_port")?;
        let filters = m.messages("listener_filters")?.iter().map(ListenerFilter::read).collect();
        Ok(Listener {
            name: m.text("name")?.into(),
            bound: m.bool("bind_to_port")?.or(deprecated).unwrap_or(true) && !m.has("internal_listener"),
            hands_off: m.flag("use_original_dst")?,
            direction: match m.enumeration("traffic_direction", &["UNSPECIFIED", "INBOUND", "OUTBOUND"])? {
                "INBOUND" => Direction::Inbound,
                "OUTBOUND" => Direction::Outbound,
                _ => Direction::Unspecified,
            },
            filters,
            continues_on_timeout: m.flag("continue_on_listener_filters_timeout")?,
            chains: Chains::read(&m)?,
            unknown: m.only(KNOWN).err(),
            addresses,
        })
    }

    /// Its filter chains in its own order, the default one last.
    pub fn chains(&self) -> &Chains {
        &self.chains
    }
    /// What its own filters look at on a connection to a port.
    pub fn looks(&self, port: u16) -> super::inspect::Looks {
        let mut looks = super::inspect::Looks { destination: self.hands_off, ..Default::default() };
        self.filters.iter().for_each(|f| f.looks(port, &mut looks));
        looks
    }
    /// What its own filters find out about a connection.
    ///
    /// # Errors
    /// A filter that runs and is not known.
    pub fn inspect<'a>(&self, connection: &super::request::Connection<'a>) -> Result<super::inspect::Inspected<'a>, &Unknown> {
        super::inspect::inspect(&self.filters, connection)
    }
    /// What is not known about the listener itself, if anything.
    pub fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_ref()
    }

    fn owns(&self, address: SocketAddr) -> bool {
        self.addresses.contains(&Address::Socket(address))
    }
    fn is_wildcard_of(&self, destination: SocketAddr) -> bool {
        self.addresses.iter().any(|a| match a {
            Address::Socket(s) => s.port() == destination.port() && s.ip().is_unspecified() && covers(s.ip(), destination.ip()),
            Address::Other(_) => false,
        })
    }
    fn port(&self) -> Option<u16> {
        self.addresses.iter().find_map(|a| if let Address::Socket(s) = a { Some(s.port()) } else { None })
    }
    fn candidate(&self) -> Candidate {
        Candidate { name: self.name.to_string(), source: String::new() }
    }
}

/// `::` takes connections of IPv4 too, `0.0.0.0` only its own.
fn covers(wildcard: IpAddr, address: IpAddr) -> bool {
    wildcard.is_ipv6() || address.is_ipv4()
}

impl Address {
    /// `None` for protocols other than TCP: HTTP/3 and UDP listeners take no connections.
    fn read(m: &Message<'_, '_>) -> Read<Option<Address>> {
        if let Some(socket) = m.message("socket_address")? {
            if socket.enumeration("protocol", &["TCP", "UDP"])? == "UDP" {
                return Ok(None);
            }
            let text = socket.text("address")?;
            let ip: IpAddr = text.parse().map_err(|_| socket.unknown_field("address", format!("`{text}` is no address")))?;
            let port = socket.uint("port_value")?.unwrap_or(0);
            let port = u16::try_from(port).map_err(|_| socket.unknown_field("port_value", format!("{port} is no port")))?;
            return Ok(Some(Address::Socket(SocketAddr::new(ip, port))));
        }
        let pipe = m.message_or_empty("pipe")?.text("path")?;
        let internal = m.message_or_empty("envoy_internal_address")?.text("server_listener_name")?;
        Ok(Some(Address::Other(if pipe.is_empty() { internal.into() } else { pipe.into() })))
    }
}

/// Chooses a listener for a connection to `destination`, or none: then nothing listens there.
///
/// A captured connection enters at the listener of its direction. Outbound that one hands it to the listener of the
/// original destination, by exact address, then by wildcard address, and keeps it where there is neither.
pub fn choose<'c, R: Recorder>(listeners: &'c [Listener], entry: Entry, destination: SocketAddr, recorder: &mut R) -> Option<&'c Listener> {
    let entered = match entry {
        Entry::Direct => None,
        Entry::CapturedOutbound => listeners.iter().find(|l| l.hands_off && l.direction != Direction::Inbound),
        Entry::CapturedInbound => inbound(listeners),
    };
    let chosen = match entered {
        Some(virtual_listener) if !virtual_listener.hands_off => Some(virtual_listener),
        Some(virtual_listener) => by_address(listeners, destination, |_| true).or(Some(virtual_listener)),
        // Without a listener that takes captured connections, those to a bound address still arrive there.
        None => by_address(listeners, destination, |l| l.bound),
    };
    if R::ON {
        for l in listeners.iter().filter(|l| chosen.is_none_or(|c| !std::ptr::eq(c, *l))) {
            if let Some(why) = passed_over(l, chosen, entry, destination) {
                recorder.failed(|| why);
                recorder.passed_over(|| l.candidate());
            }
        }
    }
    chosen
}

/// Listeners by their addresses, for connections that another listener hands on: the same answer as [`choose`] gives, without
/// a look at each of them.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    exact: FxHashMap<SocketAddr, usize>,
    /// By port: of any IPv4 address, of any address.
    wildcards: FxHashMap<u16, (Option<usize>, Option<usize>)>,
}

impl Addresses {
    /// Positions are those in the order given.
    pub fn new<'l>(listeners: impl Iterator<Item = &'l Listener>) -> Addresses {
        let mut out = Addresses::default();
        for (i, listener) in listeners.enumerate() {
            for address in &listener.addresses {
                let Address::Socket(a) = address else { continue };
                out.exact.entry(*a).or_insert(i);
                if a.ip().is_unspecified() {
                    let (v4, v6) = out.wildcards.entry(a.port()).or_default();
                    let place = if a.is_ipv4() { v4 } else { v6 };
                    place.get_or_insert(i);
                }
            }
        }
        out
    }
    pub fn find(&self, destination: SocketAddr) -> Option<usize> {
        if let Some(found) = self.exact.get(&destination) {
            return Some(*found);
        }
        let (v4, any) = self.wildcards.get(&destination.port())?;
        match (v4.filter(|_| destination.is_ipv4()), *any) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// The listener that inbound connections are redirected to: it matches by their original destination and keeps them.
fn inbound(listeners: &[Listener]) -> Option<&Listener> {
    let restores = |l: &&Listener| l.direction == Direction::Inbound && l.filters.iter().any(ListenerFilter::restores_destination);
    listeners.iter().find(|l| &*l.name == "virtualInbound").or_else(|| listeners.iter().find(restores))
}

fn by_address(listeners: &[Listener], destination: SocketAddr, may: impl Fn(&Listener) -> bool) -> Option<&Listener> {
    let exact = listeners.iter().find(|l| may(l) && l.owns(destination));
    exact.or_else(|| listeners.iter().find(|l| may(l) && l.is_wildcard_of(destination)))
}

/// Why a listener was passed over, for those that a reader may have expected: of the same port, or virtual.
fn passed_over(l: &Listener, chosen: Option<&Listener>, entry: Entry, destination: SocketAddr) -> Option<String> {
    if entry == Entry::CapturedInbound {
        return None;
    }
    if l.owns(destination) || l.is_wildcard_of(destination) {
        return Some(match (chosen, entry) {
            (_, Entry::Direct) if !l.bound => "no socket is bound for it; it only takes connections that other listeners hand to it".to_owned(),
            (Some(c), _) if c.owns(destination) => "a listener of the exact address comes before one of any address".to_owned(),
            _ => "another listener of this address comes first".to_owned(),
        });
    }
    if l.port() == Some(destination.port()) {
        let addresses: Vec<String> = l.addresses.iter().map(Address::to_string).collect();
        return Some(format!("it listens on {}, the connection goes to {destination}", addresses.join(" and ")));
    }
    let hands_off = l.hands_off && entry == Entry::CapturedOutbound;
    hands_off.then(|| "a listener of the original destination comes before it".to_owned())
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Socket(s) => write!(f, "{s}"),
            Address::Other(name) => write!(f, "envoy://{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listener(address: &str) -> Listener {
        let (ip, port) = address.rsplit_once(':').expect("a port");
        let value = serde_json::json!({"name": address, "address": {"socket_address": {"address": ip, "port_value": port.parse::<u16>().expect("a port")}}});
        Listener::read(&value, Path::root("l")).expect("a listener")
    }

    proptest! {
        #[test]
        fn the_index_finds_what_the_search_finds(picks in prop::collection::vec(0usize..6, 0..7), at in 0usize..4) {
            let all = ["0.0.0.0:80", "10.0.0.1:80", ":::80", "10.0.0.1:81", "0.0.0.0:81", "fd00::1:80"];
            let listeners: Vec<Listener> = picks.iter().map(|i| listener(all[*i])).collect();
            let destination: SocketAddr = ["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80", "10.0.0.1:82"][at].parse().expect("an address");
            let want = by_address(&listeners, destination, |_| true).map(|l| l.name.clone());
            let got = Addresses::new(listeners.iter()).find(destination).map(|i| listeners[i].name.clone());
            prop_assert_eq!(got, want);
        }
    }
}
