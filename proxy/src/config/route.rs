//! Route configurations: the engine's table, and beside it what it does not need to decide.

use super::hash_policy::HashPolicy;
use super::header_ops::HeaderChanges;
use super::retry::RetryPolicy;
use bytes::Bytes;
use http::HeaderName;
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::field::{Message, Path, Read};
use mesh_envoy::engine::route;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A route configuration, ready to be asked.
#[derive(Debug)]
pub struct Table {
    pub engine: Arc<route::Table>,
    pub changes: HeaderChanges,
    /// By the index of the virtual host.
    pub hosts: Vec<Host>,
    pub internal_only: Vec<HeaderName>,
    /// Whether the most specific change of headers comes last, and so counts.
    pub most_specific_wins: bool,
}

#[derive(Debug)]
pub struct Host {
    pub changes: HeaderChanges,
    /// By the index of the route.
    pub routes: Vec<Route>,
    pub tells_attempts_upstream: bool,
    pub tells_attempts_downstream: bool,
}

#[derive(Debug, Default)]
pub struct Route {
    pub changes: HeaderChanges,
    /// By the index of the weighted cluster.
    pub weighted: Vec<HeaderChanges>,
    /// Of a direct response.
    pub body: Bytes,
    /// Routes that have the same after each other have one, as all of a control plane's default do.
    pub retry: Option<Arc<RetryPolicy>>,
    pub hash: Vec<HashPolicy>,
    /// `None`: as the connection manager has it. Zero: none.
    pub idle_timeout: Option<Duration>,
    pub high_priority: bool,
    pub appends_forwarded_host: bool,
    /// The longest `grpc-timeout` that counts in place of the route's timeout; zero for any.
    pub max_grpc_timeout: Option<Duration>,
    /// Taken off a `grpc-timeout` where more is left.
    pub grpc_timeout_offset: Option<Duration>,
    /// In place of the route's timeout, where it is there at all.
    pub stream: Option<MaxStreamDuration>,
    /// Whether a request ever came to it.
    pub used: AtomicBool,
    /// The name of the operation in traces.
    pub decorator: Option<Decorator>,
}

/// `max_stream_duration`: how long a request and its answer may take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxStreamDuration {
    /// `None`: as the connection manager has it. Zero: any.
    pub duration: Option<Duration>,
    /// The longest `grpc-timeout` that counts in its place; zero for any.
    pub grpc_max: Option<Duration>,
    /// Taken off a `grpc-timeout`.
    pub grpc_offset: Option<Duration>,
}

#[derive(Debug)]
pub struct Decorator {
    pub operation: Box<str>,
    /// Whether peers hear of it.
    pub propagates: bool,
}

impl Table {
    /// # Errors
    /// What can't be read, with its path.
    pub fn read(value: &Value, root: &str) -> Read<Table> {
        Table::beside(Arc::new(route::Table::read(value, Path::root(root))?), value, root)
    }
    /// What stands beside the engine's table, which was read from the same message.
    ///
    /// # Errors
    /// What can't be read, with its path.
    pub fn beside(engine: Arc<route::Table>, value: &Value, root: &str) -> Read<Table> {
        let m = Message::new(value, Path::root(root))?;
        let list = m.messages("virtual_hosts")?;
        let mut hosts = Vec::with_capacity(list.len());
        let mut retries = Retries::default();
        for host in list {
            hosts.push(Host::read(&host, &mut retries)?);
        }
        let mut internal_only = Vec::new();
        for name in m.texts("internal_only_headers")? {
            let name =
                HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| m.unknown_field("internal_only_headers", "no name of a header"))?;
            internal_only.push(name);
        }
        if let Some(u) = engine.unknown().or_else(|| unknown_limits(&engine)) {
            return Err(u.clone());
        }
        duplicate_domain(&engine)?;
        Ok(Table { engine, changes: HeaderChanges::read(&m)?, hosts, internal_only, most_specific_wins: m.flag("most_specific_header_mutations_wins")? })
    }
}

/// What is not known of rate limits.
fn unknown_limits(table: &route::Table) -> Option<&Unknown> {
    table.hosts.iter().find_map(|h| h.rate_limits.unknown().or_else(|| h.routes.iter().find_map(|r| h.limits(r)?.route.unknown())))
}

/// Envoy refuses a domain that two virtual hosts have.
fn duplicate_domain(table: &route::Table) -> Read<()> {
    let mut seen = std::collections::BTreeSet::new();
    for host in &table.hosts {
        for domain in &host.domains {
            if !seen.insert(domain.to_ascii_lowercase()) {
                return Err(Unknown {
                    path: format!("routes {}: virtual host {}", table.name, host.name),
                    what: format!("the domain `{domain}` stands twice"),
                });
            }
        }
    }
    Ok(())
}

/// The policy that was read last, and what of.
#[derive(Default)]
struct Retries<'v>(Option<(&'v Value, Arc<RetryPolicy>)>);

impl<'v> Retries<'v> {
    /// That of a message with `retry_policy`.
    fn read(&mut self, m: &Message<'v, '_>) -> Read<Option<Arc<RetryPolicy>>> {
        let (Some(value), Some(message)) = (m.value("retry_policy"), m.message("retry_policy")?) else { return Ok(None) };
        if let Some((_, same)) = self.0.as_ref().filter(|(last, _)| *last == value) {
            return Ok(Some(same.clone()));
        }
        let policy = Arc::new(RetryPolicy::read(&message)?);
        self.0 = Some((value, policy.clone()));
        Ok(Some(policy))
    }
}

impl Host {
    fn read<'v>(m: &Message<'v, '_>, retries: &mut Retries<'v>) -> Read<Host> {
        let list = m.messages("routes")?;
        let mut routes = Vec::with_capacity(list.len());
        for route in list {
            routes.push(Route::read(&route, m, retries)?);
        }
        Ok(Host {
            changes: HeaderChanges::read(m)?,
            routes,
            tells_attempts_upstream: m.flag("include_request_attempt_count")?,
            tells_attempts_downstream: m.flag("include_attempt_count_in_response")?,
        })
    }
}

impl Route {
    fn read<'v>(m: &Message<'v, '_>, host: &Message<'v, '_>, retries: &mut Retries<'v>) -> Read<Route> {
        let mut out = Route { changes: HeaderChanges::read(m)?, ..Route::default() };
        if let Some(direct) = m.message("direct_response")? {
            out.body = direct.message("body")?.map(|b| super::data_source(&b)).transpose()?.unwrap_or_default().into();
        }
        if let Some(d) = m.message("decorator")? {
            out.decorator = Some(Decorator { operation: d.text("operation")?.into(), propagates: d.bool("propagate")?.unwrap_or(true) });
        }
        let Some(action) = m.message("route")? else { return Ok(out) };
        out.retry = retries.read(if action.has("retry_policy") { &action } else { host })?;
        for policy in action.messages("hash_policy")? {
            out.hash.push(HashPolicy::read(&policy)?);
        }
        out.idle_timeout = action.duration("idle_timeout")?;
        out.high_priority = action.enumeration("priority", &["DEFAULT", "HIGH"])? == "HIGH";
        out.appends_forwarded_host = action.flag("append_x_forwarded_host")?;
        out.max_grpc_timeout = action.duration("max_grpc_timeout")?;
        out.grpc_timeout_offset = action.duration("grpc_timeout_offset")?;
        if let Some(m) = action.message("max_stream_duration")? {
            out.stream = Some(MaxStreamDuration {
                duration: m.duration("max_stream_duration")?,
                grpc_max: m.duration("grpc_timeout_header_max")?,
                grpc_offset: m.duration("grpc_timeout_header_offset")?,
            });
        }
        for cluster in action.message_or_empty("weighted_clusters")?.messages("clusters")? {
            out.weighted.push(HeaderChanges::read(&cluster)?);
        }
        Ok(out)
    }
}
