//! A listener: its addresses, inspectors and filter chains. Which one takes a connection is told in [`super::listeners`].

use super::chain::Chains;
use super::field::{Message, Path, Read, Unknown};
use super::inspect::ListenerFilter;
use super::recorder::Candidate;
use std::net::{IpAddr, SocketAddr};

pub use super::listeners::Addresses;

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

    pub(super) fn owns(&self, address: SocketAddr) -> bool {
        self.addresses.contains(&Address::Socket(address))
    }
    pub(super) fn is_wildcard_of(&self, destination: SocketAddr) -> bool {
        self.addresses.iter().any(|a| match a {
            Address::Socket(s) => s.port() == destination.port() && s.ip().is_unspecified() && covers(s.ip(), destination.ip()),
            Address::Other(_) => false,
        })
    }
    pub(super) fn port(&self) -> Option<u16> {
        self.addresses.iter().find_map(|a| if let Address::Socket(s) = a { Some(s.port()) } else { None })
    }
    pub(super) fn candidate(&self) -> Candidate {
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

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Socket(s) => write!(f, "{s}"),
            Address::Other(name) => write!(f, "envoy://{name}"),
        }
    }
}
