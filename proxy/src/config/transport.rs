//! Transport sockets: what is below the filters of a chain, and below the connections of a cluster.

use super::Compiler;
use crate::proxy_protocol::Version;
use crate::tls::context::{ClientContext, ServerContext};
use crate::tls::validation::ServerNames;
use mesh_envoy::engine::field::{Message, Read};
use std::sync::Arc;

/// Of a filter chain.
#[derive(Debug)]
pub enum Server {
    Plaintext,
    Tls(Box<ServerContext>),
}

/// Of a cluster's connections.
#[derive(Clone, Debug)]
pub enum Client {
    Plaintext,
    Tls(Arc<ClientContext>),
}

const RAW: &[&str] = &["envoy.transport_sockets.raw_buffer", "raw_buffer"];

impl Server {
    /// Of a message with `transport_socket`.
    ///
    /// # Errors
    /// A socket that is not known, or can't be used.
    pub fn read(m: &Message<'_, '_>, compiler: &Compiler) -> Read<Server> {
        let Some(socket) = m.message("transport_socket")? else { return Ok(Server::Plaintext) };
        match socket.any("typed_config")? {
            None if RAW.contains(&socket.text("name")?) => Ok(Server::Plaintext),
            None => Err(socket.unknown("a transport socket without configuration")),
            Some((name, _)) if name.ends_with(".RawBuffer") => Ok(Server::Plaintext),
            Some((name, config)) if name.ends_with(".DownstreamTlsContext") => Ok(Server::Tls(Box::new(ServerContext::read(&config, compiler)?))),
            Some((name, config)) => Err(config.unknown(format!("the transport socket {name} is not supported"))),
        }
    }
}

impl Server {
    /// Clients may agree to greet.
    pub fn greeting(self) -> Server {
        match self {
            Server::Tls(context) => Server::Tls(Box::new(context.greeting())),
            Server::Plaintext => Server::Plaintext,
        }
    }
}

impl Client {
    /// # Errors
    /// A socket that is not known, or can't be used.
    pub fn read(m: &Message<'_, '_>, compiler: &Compiler, names: ServerNames) -> Read<Client> {
        let Some(socket) = m.message("transport_socket")? else { return Ok(Client::Plaintext) };
        match socket.any("typed_config")? {
            None if RAW.contains(&socket.text("name")?) => Ok(Client::Plaintext),
            None => Err(socket.unknown("a transport socket without configuration")),
            Some((name, _)) if name.ends_with(".RawBuffer") => Ok(Client::Plaintext),
            Some((name, config)) if name.ends_with(".UpstreamTlsContext") => Ok(Client::Tls(Arc::new(ClientContext::read(&config, compiler, names)?))),
            Some((name, config)) => Err(config.unknown(format!("the transport socket {name} is not supported"))),
        }
    }
}

/// What is below a cluster's connections, and what they begin with.
#[derive(Debug)]
struct Transport {
    client: Client,
    /// Upstreams are told who the client is, in this version of the PROXY protocol.
    introduces: Option<Version>,
}

impl Transport {
    fn read(m: &Message<'_, '_>, compiler: &Compiler, names: ServerNames) -> Read<Transport> {
        let socket = m.message_or_empty("transport_socket")?;
        match socket.any("typed_config")? {
            Some((name, wrapper)) if name.ends_with(".ProxyProtocolUpstreamTransport") => {
                if !wrapper.has("transport_socket") {
                    return Err(wrapper.unknown_field("transport_socket", "the transport that the head is written in front of belongs here"));
                }
                let version = match wrapper.message_or_empty("config")?.enumeration("version", &["V1", "V2"])? {
                    "V2" => Version::V2,
                    _ => Version::V1,
                };
                Ok(Transport { client: Client::read(&wrapper, compiler, names)?, introduces: Some(version) })
            }
            _ => Ok(Transport { client: Client::read(m, compiler, names)?, introduces: None }),
        }
    }
}

/// The transports of a cluster.
#[derive(Debug)]
pub struct Transports {
    own: Transport,
    /// `transport_socket_matches`, in order; the engine says which is an endpoint's.
    by_match: Vec<Transport>,
}

impl Transports {
    /// # Errors
    /// A socket that is not known, or can't be used.
    pub fn read(m: &Message<'_, '_>, compiler: &Compiler, names: ServerNames) -> Read<Transports> {
        let by_match = m.messages("transport_socket_matches")?.iter().map(|t| Transport::read(t, compiler, names)).collect::<Read<_>>()?;
        Ok(Transports { own: Transport::read(m, compiler, names)?, by_match })
    }
    pub fn has_tls(&self) -> bool {
        self.by_match.iter().chain([&self.own]).any(|t| matches!(t.client, Client::Tls(_)))
    }
    /// By [`mesh_envoy::engine::pick::Cluster::transport_match`].
    pub fn get(&self, index: Option<usize>) -> &Client {
        &self.of(index).client
    }
    /// Whether connections begin with a head of the PROXY protocol. By the same index.
    pub fn introduces(&self, index: Option<usize>) -> Option<Version> {
        self.of(index).introduces
    }
    /// Whether any do.
    pub fn introduce_clients(&self) -> bool {
        self.by_match.iter().chain([&self.own]).any(|t| t.introduces.is_some())
    }
    fn of(&self, index: Option<usize>) -> &Transport {
        index.and_then(|i| self.by_match.get(i)).unwrap_or(&self.own)
    }
}
