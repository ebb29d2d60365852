//! Listeners: the engine's part, and beside each filter chain what its filters need to run.

use super::Compiler;
use super::manager::Manager;
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::chain::FilterChain;
use mesh_envoy::engine::field::{Message, Path, Read};
use mesh_envoy::engine::listener as engine;
use mesh_envoy::engine::network::Kind;
use mesh_envoy::engine::transport::Transport;
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug)]
pub struct Listener {
    pub engine: engine::Listener,
    /// In the engine's order: the default chain last.
    pub chains: Vec<Chain>,
    pub stat_prefix: Box<str>,
    /// Whether workers have a socket each.
    pub shares_port: bool,
    pub backlog: i32,
    pub source: Value,
}

#[derive(Debug)]
pub struct Chain {
    pub name: Box<str>,
    pub end: End,
}

/// The filter that ends a chain.
#[derive(Debug)]
pub enum End {
    Http(Arc<Manager>),
}

impl Listener {
    /// # Errors
    /// What can't be read or honoured, with its path.
    pub(super) fn read(value: &Value, root: &str, compiler: &Compiler) -> Read<Listener> {
        let m = Message::new(value, Path::root(root))?;
        let engine = engine::Listener::read(value, Path::root(root))?;
        if let Some(u) = engine.unknown() {
            return Err(u.clone());
        }
        let buffer = usize::try_from(m.uint("per_connection_buffer_limit_bytes")?.unwrap_or(1 << 20)).unwrap_or(usize::MAX);
        let mut messages = m.messages("filter_chains")?;
        messages.extend(m.message("default_filter_chain")?);
        let mut chains = Vec::new();
        for (message, chain) in messages.iter().zip(engine.chains().iter()) {
            chains.push(Chain::read(message, chain, buffer, compiler)?);
        }
        if chains.is_empty() {
            return Err(m.unknown_field("filter_chains", "a listener needs a filter chain"));
        }
        let first = engine.addresses.first().ok_or_else(|| m.unknown_field("address", "a listener needs an address"))?;
        // Envoy names statistics by the address, colons and all.
        let stat_prefix = match m.text("stat_prefix")? {
            "" => first.to_string().replace(':', "_").into(),
            name => name.into(),
        };
        Ok(Listener {
            chains,
            stat_prefix,
            shares_port: m.bool("enable_reuse_port")?.or(m.bool("reuse_port")?).unwrap_or(true),
            backlog: m.uint("tcp_backlog_size")?.and_then(|n| i32::try_from(n).ok()).unwrap_or(4096),
            source: value.clone(),
            engine,
        })
    }
}

impl Chain {
    fn read(m: &Message<'_, '_>, chain: &FilterChain, buffer: usize, compiler: &Compiler) -> Read<Chain> {
        match &chain.transport {
            Transport::Plaintext => {}
            Transport::Unknown(u) => return Err(u.clone()),
            Transport::Tls(_) => return Err(m.unknown_field("transport_socket", "TLS is not supported yet")),
        }
        let messages = m.messages("filters")?;
        for (message, filter) in messages.iter().zip(&chain.filters) {
            match &filter.kind {
                Kind::Unknown(u) => return Err(u.clone()),
                Kind::Transparent => {}
                Kind::Http(manager) => {
                    let value = message.value("typed_config").unwrap_or(&Value::Null);
                    let path = format!("{}.typed_config", message.path());
                    let manager = Manager::of_filter(value, &path, manager, buffer, compiler)?;
                    return Ok(Chain { name: chain.name.clone(), end: End::Http(Arc::new(manager)) });
                }
                _ => return Err(message.unknown(format!("the network filter {} is not supported yet", filter.name))),
            }
        }
        Err(Unknown { path: m.path(), what: "no filter ends the chain".to_owned() })
    }
}
