//! Transport sockets: what is below the filters of a chain, and below the connections of a cluster.

use super::Compiler;
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

/// The transports of a cluster.
#[derive(Debug)]
pub struct Transports {
    own: Client,
    /// `transport_socket_matches`, in order; the engine says which is an endpoint's.
    by_match: Vec<Client>,
}

impl Transports {
    /// # Errors
    /// A socket that is not known, or can't be used.
    pub fn read(m: &Message<'_, '_>, compiler: &Compiler, names: ServerNames) -> Read<Transports> {
        let by_match = m.messages("transport_socket_matches")?.iter().map(|t| Client::read(t, compiler, names)).collect::<Read<_>>()?;
        Ok(Transports { own: Client::read(m, compiler, names)?, by_match })
    }
    pub fn has_tls(&self) -> bool {
        self.by_match.iter().chain([&self.own]).any(|c| matches!(c, Client::Tls(_)))
    }
    /// By [`mesh_envoy::engine::pick::Cluster::transport_match`].
    pub fn get(&self, index: Option<usize>) -> &Client {
        index.and_then(|i| self.by_match.get(i)).unwrap_or(&self.own)
    }
}
