//! Listeners: the engine's part, and beside each filter chain what its filters need to run.

use super::Compiler;
use super::connection_limit::Limit;
use super::manager::{Manager, Routes};
use super::proxy_protocol::ProxyProtocol;
use super::tcp_proxy::TcpProxy;
use super::transport::Server;
use crate::access_log::Log;
use crate::telemetry::{Direction, Stats};
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::chain::FilterChain;
use mesh_envoy::engine::field::{Message, Path, Read};
use mesh_envoy::engine::gate::Rbac;
use mesh_envoy::engine::listener as engine;
use mesh_envoy::engine::network::Kind;
use serde_json::Value;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[derive(Debug)]
pub struct Listener {
    pub engine: engine::Listener,
    /// In the engine's order: the default chain last.
    pub chains: Vec<Arc<Chain>>,
    pub stat_prefix: Box<str>,
    pub direction: Direction,
    /// Its connections do not count against the limit of all.
    pub ignores_limit: bool,
    /// Nothing of the overload manager concerns it.
    pub bypasses_overload: bool,
    /// Whether workers have a socket each.
    pub shares_port: bool,
    pub backlog: i32,
    /// What connections begin with, where something passes them on.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How long the first bytes are waited for; `None` for ever.
    pub inspection_timeout: Option<Duration>,
    /// Of connections.
    pub logs: Arc<Vec<Log>>,
}

#[derive(Debug)]
pub struct Chain {
    pub name: Box<str>,
    pub server: Server,
    pub handshake_timeout: Option<Duration>,
    /// What asks a connection as soon as it is there.
    pub limits: Vec<Limit>,
    /// What a connection is asked by before its end.
    pub gates: Vec<Rbac>,
    pub end: End,
    /// Whether connections on it may stay.
    pub life: Life,
    /// Of all that it was made from: one of the same print is the same chain, and keeps its connections.
    print: u64,
}

/// Whether a filter chain is part of the configuration. Connections on one that is not are asked to end.
#[derive(Debug)]
pub struct Life(watch::Sender<Option<Instant>>);

impl Life {
    /// The chain is no part of the configuration any more: connections have until then to come to their end.
    pub fn retire(&self, until: Instant) {
        self.0.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(until);
            first
        });
    }
    pub fn is_retired(&self) -> bool {
        self.0.borrow().is_some()
    }
    /// Completes when the chain is retired.
    pub async fn retired(&self) {
        let mut receiver = self.0.subscribe();
        let _ = receiver.wait_for(Option::is_some).await;
    }
    /// Completes when connections had their time.
    pub async fn over(&self) {
        self.retired().await;
        let until = *self.0.borrow();
        tokio::time::sleep_until(until.unwrap_or_else(Instant::now).into()).await;
    }
}

/// The filter that ends a chain.
#[derive(Debug)]
pub enum End {
    Http(Arc<Manager>),
    Tcp(Arc<TcpProxy>),
}

impl Listener {
    /// # Errors
    /// What can't be read or honoured, with its path.
    pub fn read(value: &Value, root: &str, compiler: &Compiler) -> Read<Listener> {
        let m = Message::new(value, Path::root(root))?;
        let engine = engine::Listener::read(value, Path::root(root))?;
        if let Some(u) = engine.unknown() {
            return Err(u.clone());
        }
        let buffer = usize::try_from(m.uint("per_connection_buffer_limit_bytes")?.unwrap_or(1 << 20)).unwrap_or(usize::MAX);
        let mut messages = m.messages("filter_chains")?;
        messages.extend(m.message("default_filter_chain")?);
        let direction = match m.enumeration("traffic_direction", &["UNSPECIFIED", "INBOUND", "OUTBOUND"])? {
            "INBOUND" => Direction::Inbound,
            "OUTBOUND" => Direction::Outbound,
            _ => Direction::Unspecified,
        };
        let mut chains = Vec::new();
        for (message, chain) in messages.iter().zip(engine.chains().iter()) {
            chains.push(Arc::new(Chain::read(message, chain, direction, buffer, compiler)?));
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
            direction,
            ignores_limit: m.flag("ignore_global_conn_limit")?,
            bypasses_overload: m.flag("bypass_overload_manager")?,
            proxy_protocol: ProxyProtocol::read(&m)?,
            shares_port: m.bool("enable_reuse_port")?.or(m.bool("reuse_port")?).unwrap_or(true),
            inspection_timeout: Some(m.duration("listener_filters_timeout")?.unwrap_or(Duration::from_secs(15))).filter(|d| !d.is_zero()),
            logs: Arc::new(Log::read_all(&m, compiler)?),
            backlog: m.uint("tcp_backlog_size")?.and_then(|n| i32::try_from(n).ok()).unwrap_or(4096),
            engine,
        })
    }
    /// Takes over the chains of the listener whose place it takes where they are the same: their connections stay.
    pub fn inherit(&mut self, before: &Listener) {
        for chain in &mut self.chains {
            if let Some(same) = before.chains.iter().find(|c| c.print == chain.print && !c.life.is_retired()) {
                *chain = same.clone();
            }
        }
    }
    /// Asks connections to end, but for those on chains that `after` has as well.
    pub fn retire(&self, after: Option<&Listener>, until: Instant) {
        let stays = |chain: &Arc<Chain>| after.is_some_and(|a| a.chains.iter().any(|c| Arc::ptr_eq(c, chain)));
        self.chains.iter().filter(|c| !stays(c)).for_each(|c| c.life.retire(until));
    }
    /// Whether connections are still on chains that are no part of the configuration any more.
    pub fn is_in_use(&self) -> bool {
        self.chains.iter().any(|c| c.life.is_retired() && Arc::strong_count(c) > 1)
    }
    /// Names of route configurations that come over RDS, each with how long it is waited for; `None` for ever.
    pub fn routes(&self) -> impl Iterator<Item = (&str, Option<Duration>)> {
        self.chains.iter().filter_map(|chain| {
            let End::Http(manager) = &chain.end else { return None };
            match &manager.routes {
                Routes::Named { name, fetch_timeout } => Some((&**name, *fetch_timeout)),
                Routes::Inline(_) => None,
            }
        })
    }
}

impl Chain {
    fn read(m: &Message<'_, '_>, chain: &FilterChain, direction: Direction, buffer: usize, compiler: &Compiler) -> Read<Chain> {
        let (mut gates, mut limits, mut by_server_name, mut greets) = (Vec::new(), Vec::new(), false, false);
        let messages = m.messages("filters")?;
        for (message, filter) in messages.iter().zip(&chain.filters) {
            let value = message.value("typed_config").unwrap_or(&Value::Null);
            let path = format!("{}.typed_config", message.path());
            let end = match &filter.kind {
                Kind::Unknown(u) => return Err(u.clone()),
                Kind::Transparent => {
                    greets |= greets_peers(message)?;
                    continue;
                }
                Kind::Rbac(rbac) => {
                    gates.push(rbac.clone());
                    continue;
                }
                Kind::ClusterOfServerName => {
                    by_server_name = true;
                    continue;
                }
                Kind::Http(manager) => {
                    let mut manager = Manager::of_filter(value, &path, manager, buffer, compiler)?;
                    manager.telemetry.direction = direction;
                    End::Http(Arc::new(manager))
                }
                Kind::Tcp(target) => {
                    let config = Message::new(value, Path::root(&path))?;
                    let mut proxy = TcpProxy::read(&config, target, by_server_name, compiler)?;
                    (proxy.direction, proxy.stats, proxy.greets_clients, proxy.buffer) = (direction, Stats::find(&messages)?, greets, buffer);
                    End::Tcp(Arc::new(proxy))
                }
                Kind::RateLimit => {
                    limits.extend(Limit::read(message)?);
                    continue;
                }
                Kind::ExtAuthz(_) => return Err(message.unknown(format!("the network filter {} is not supported yet", filter.name))),
            };
            // Peers that speak HTTP tell in headers who they are.
            let server = Server::read(m, compiler)?;
            let server = if greets && matches!(end, End::Tcp(_)) { server.greeting() } else { server };
            return Ok(Chain {
                name: chain.name.clone(),
                server,
                handshake_timeout: m.duration("transport_socket_connect_timeout")?.filter(|d| !d.is_zero()),
                limits,
                gates,
                end,
                life: Life(watch::Sender::new(None)),
                print: print(m, buffer),
            });
        }
        Err(Unknown { path: m.path(), what: "no filter ends the chain".to_owned() })
    }
}

/// Whether a filter of a chain or of a cluster exchanges greetings.
pub fn greets_peers(filter: &Message<'_, '_>) -> Read<bool> {
    Ok(filter.any("typed_config")?.is_some_and(|(name, _)| name == "envoy.tcp.metadataexchange.config.MetadataExchange"))
}

/// A number for a chain's configuration; the same only for the same, as far as 64 bits tell.
fn print(m: &Message<'_, '_>, buffer: usize) -> u64 {
    let mut hasher = Hashed(std::hash::DefaultHasher::new());
    // Hashing does not fail.
    let _ = m.write_json(&mut hasher);
    hasher.0.write_usize(buffer);
    hasher.0.finish()
}

/// What is written is hashed.
struct Hashed(std::hash::DefaultHasher);

impl std::io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
