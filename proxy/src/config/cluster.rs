//! Clusters: the engine's part, and beside it how connections to them are made and kept.

use super::header_format::Format;
use super::listener::greets_peers;
use super::outlier::Outlier;
use super::transport::Transports;
use super::{Compiler, alpn};
use crate::tls::validation::ServerNames;
use crate::upstream::ring::Size;
use mesh_envoy::engine::field::{Message, Path, Read};
use mesh_envoy::engine::pick;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub struct Cluster {
    pub name: Box<str>,
    /// Its name in statistics, logs and traces (`alt_stat_name`); "" for the same.
    pub alternative_name: Box<str>,
    pub engine: pick::Cluster,
    pub kind: Kind,
    pub connect_timeout: Duration,
    pub balance: Balance,
    /// Of the default and of the high priority.
    pub thresholds: [Thresholds; 2],
    pub protocol: Protocol,
    /// Of names of headers, over HTTP/1.
    pub format: Format,
    /// How long a connection may be kept without a request on it; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// How old a connection may become (`max_connection_duration`).
    pub max_connection_duration: Option<Duration>,
    pub max_stream_duration: Option<Duration>,
    /// 0 for no limit.
    pub max_requests_per_connection: u64,
    pub max_concurrent_streams: u32,
    pub outlier: Option<Box<Outlier>>,
    pub dns: Dns,
    /// How long it waits for its endpoints over EDS before it is used without; `None` for ever.
    pub fetch_timeout: Option<Duration>,
    pub transports: Transports,
    /// Whether servers are asked by the host of the request (`auto_sni`).
    pub names_request: bool,
    /// Whether TLS offers what its context says, whatever `istio.alpn` has.
    pub keeps_alpn: bool,
    /// Whether servers of bytes are told who this is where they agree to it, and tell it themselves.
    pub greets_servers: bool,
    /// The addresses that connections come from: the first of the same family as the host's.
    pub bind: Arc<[SocketAddr]>,
    /// The service that it leads to, for metrics.
    pub service_name: Option<Arc<Service>>,
}

/// The first of `services` in Istio's metadata of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    pub host: Box<str>,
    pub name: Box<str>,
    pub namespace: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Static,
    Dns,
    Eds,
    OriginalDestination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    RoundRobin,
    LeastRequest { choices: u32 },
    Random,
    RingHash(Size),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
    /// What the client speaks.
    Downstream,
}

/// `circuit_breakers.thresholds`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub connections: u64,
    pub pending: u64,
    pub requests: u64,
    pub retries: u64,
    /// In place of `retries`: the share of active requests in percent, and the least number.
    pub budget: Option<(f64, u64)>,
}

/// How names of hosts are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dns {
    pub refresh: Duration,
    /// By how much the next look comes later, at most: by lot, so that proxies do not all ask at once.
    pub jitter: Duration,
    pub family: Family,
}

/// `dns_lookup_family`: which of a name's addresses are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Those of IPv6, and without any those of IPv4.
    Auto,
    V4Only,
    V6Only,
    /// Those of IPv4, and without any those of IPv6.
    V4Preferred,
    All,
}

impl Dns {
    fn read(m: &Message<'_, '_>) -> Read<Dns> {
        let families = ["AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"];
        Ok(Dns {
            refresh: m.duration("dns_refresh_rate")?.unwrap_or(Duration::from_secs(5)),
            jitter: m.duration("dns_jitter")?.unwrap_or_default(),
            family: match m.enumeration("dns_lookup_family", &families)? {
                "V4_ONLY" => Family::V4Only,
                "V6_ONLY" => Family::V6Only,
                "V4_PREFERRED" => Family::V4Preferred,
                "ALL" => Family::All,
                _ => Family::Auto,
            },
        })
    }
}

const DEFAULT: Thresholds = Thresholds { connections: 1024, pending: 1024, requests: 1024, retries: 3, budget: None };

const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

impl Cluster {
    /// # Errors
    /// What can't be read, with its path.
    pub fn read(value: &Value, root: &str, compiler: &Compiler) -> Read<Cluster> {
        let m = Message::new(value, Path::root(root))?;
        let engine = pick::Cluster::read(value, Path::root(root))?;
        let options = match m.message("typed_extension_protocol_options")? {
            Some(map) => map.any(OPTIONS)?.map(|(_, o)| Options::read(&o)).transpose()?,
            None => None,
        };
        // What stands beside these options is of an older kind, and does not count then.
        let format = options.as_ref().map_or_else(|| Format::read(&m), |o| Ok(o.format))?;
        let options = options.unwrap_or_default();
        let kinds = ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"];
        let policies = ["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "MAGLEV", "", "CLUSTER_PROVIDED", "LOAD_BALANCING_POLICY_CONFIG"];
        let seconds = Duration::from_secs;
        let names = if options.checks_names { ServerNames::AsAskedFor } else { ServerNames::AsConfigured };
        Ok(Cluster {
            name: m.text("name")?.into(),
            kind: match m.enumeration("type", &kinds)? {
                "STRICT_DNS" => Kind::Dns,
                "EDS" => Kind::Eds,
                "ORIGINAL_DST" => Kind::OriginalDestination,
                _ => Kind::Static,
            },
            connect_timeout: m.duration("connect_timeout")?.unwrap_or(seconds(5)),
            balance: match m.enumeration("lb_policy", &policies)? {
                "LEAST_REQUEST" => {
                    let choices = m.message_or_empty("least_request_lb_config")?.uint("choice_count")?.unwrap_or(2);
                    Balance::LeastRequest { choices: u32::try_from(choices).unwrap_or(2).max(2) }
                }
                "RANDOM" => Balance::Random,
                "RING_HASH" => Balance::RingHash(ring(&m)?),
                _ => Balance::RoundRobin,
            },
            thresholds: thresholds(&m)?,
            protocol: match (options.protocol, m.has("http2_protocol_options")) {
                (Some(protocol), _) => protocol,
                (None, true) => Protocol::Http2,
                (None, false) => Protocol::Http1,
            },
            format,
            max_connection_duration: options.max_age,
            max_stream_duration: options.max_stream,
            idle_timeout: Some(options.idle_timeout.unwrap_or(seconds(3600))).filter(|d| !d.is_zero()),
            max_requests_per_connection: options.max_requests.or(m.uint("max_requests_per_connection")?).unwrap_or(0),
            max_concurrent_streams: options.max_streams.unwrap_or(1024),
            outlier: m.message("outlier_detection")?.map(|o| Outlier::read(&o).map(Box::new)).transpose()?,
            dns: Dns::read(&m)?,
            fetch_timeout: super::fetch_timeout(&m.message_or_empty("eds_cluster_config")?, "eds_config")?,
            transports: Transports::read(&m, compiler, names)?,
            names_request: options.names_request,
            keeps_alpn: alpn::stays(&m)?,
            greets_servers: m.messages("filters")?.iter().map(greets_peers).collect::<Read<Vec<_>>>()?.contains(&true),
            bind: m.message("upstream_bind_config")?.map(|b| bind(&b)).transpose()?.unwrap_or_default().into(),
            service_name: Service::read(&m)?.map(Arc::new),
            alternative_name: m.text("alt_stat_name")?.into(),
            engine,
        })
    }
    /// The name that people are shown.
    pub fn shown_name(&self) -> &str {
        if self.alternative_name.is_empty() { &self.name } else { &self.alternative_name }
    }
    /// The name that its statistics have. As in Envoy, a colon would be read as something else.
    pub fn stat_name(&self) -> std::borrow::Cow<'_, str> {
        let name = self.shown_name();
        if name.contains(':') { name.replace("://", "_").replace(":/", "_").replace(':', "_").into() } else { name.into() }
    }
    /// The name that its endpoints have over EDS.
    pub fn service(&self) -> Option<&str> {
        if let pick::Discovery::Eds(service) = &self.engine.discovery { Some(service) } else { None }
    }
}

/// `HttpProtocolOptions` of the upstream.
#[derive(Default)]
struct Options {
    protocol: Option<Protocol>,
    format: Format,
    idle_timeout: Option<Duration>,
    max_age: Option<Duration>,
    max_stream: Option<Duration>,
    max_requests: Option<u64>,
    max_streams: Option<u32>,
    names_request: bool,
    checks_names: bool,
}

/// `upstream_bind_config`; none for any address.
fn bind(m: &Message<'_, '_>) -> Read<Vec<SocketAddr>> {
    let mut out = Vec::new();
    out.extend(m.message("source_address")?.map(|a| source(&a)).transpose()?);
    for extra in m.messages("extra_source_addresses")? {
        out.extend(extra.message("address")?.map(|a| source(&a)).transpose()?);
    }
    out.retain(|a| !a.ip().is_unspecified() || a.port() != 0);
    Ok(out)
}

fn source(m: &Message<'_, '_>) -> Read<SocketAddr> {
    let text = m.text("address")?;
    let ip: IpAddr = text.parse().map_err(|_| m.unknown_field("address", format!("`{text}` is no address")))?;
    let port = m.uint("port_value")?.unwrap_or(0);
    let port = u16::try_from(port).map_err(|_| m.unknown_field("port_value", format!("{port} is no port")))?;
    Ok(SocketAddr::new(ip, port))
}

impl Options {
    fn read(m: &Message<'_, '_>) -> Read<Options> {
        let common = m.message_or_empty("common_http_protocol_options")?;
        let upstream = m.message_or_empty("upstream_http_protocol_options")?;
        let mut out = Options {
            protocol: None,
            format: Format::default(),
            idle_timeout: common.duration("idle_timeout")?,
            max_age: common.duration("max_connection_duration")?.filter(|d| !d.is_zero()),
            max_stream: common.duration("max_stream_duration")?.filter(|d| !d.is_zero()),
            max_requests: common.uint("max_requests_per_connection")?,
            max_streams: None,
            names_request: upstream.flag("auto_sni")?,
            checks_names: upstream.flag("auto_san_validation")?,
        };
        let mut streams = |http2: Option<Message<'_, '_>>| -> Read<()> {
            let max = http2.map(|h| h.uint("max_concurrent_streams")).transpose()?.flatten();
            out.max_streams = max.and_then(|n| u32::try_from(n).ok());
            Ok(())
        };
        if let Some(explicit) = m.message("explicit_http_config")? {
            streams(explicit.message("http2_protocol_options")?)?;
            out.format = Format::read(&explicit)?;
            out.protocol = Some(if explicit.has("http2_protocol_options") { Protocol::Http2 } else { Protocol::Http1 });
        } else if let Some(same) = m.message("use_downstream_protocol_config")? {
            streams(same.message("http2_protocol_options")?)?;
            out.format = Format::read(&same)?;
            out.protocol = Some(Protocol::Downstream);
        }
        Ok(out)
    }
}

/// `ring_hash_lb_config`
fn ring(m: &Message<'_, '_>) -> Read<Size> {
    if m.message_or_empty("common_lb_config")?.has("locality_weighted_lb_config") {
        return Err(m.unknown_field("common_lb_config.locality_weighted_lb_config", "not supported with RING_HASH"));
    }
    let config = m.message_or_empty("ring_hash_lb_config")?;
    let default = Size::default();
    let size = Size { min: config.uint("minimum_ring_size")?.unwrap_or(default.min), max: config.uint("maximum_ring_size")?.unwrap_or(default.max) };
    if size.min > size.max || size.max > default.max {
        return Err(m.unknown_field("ring_hash_lb_config", format!("rings have at most {} places, and no less than the minimum", default.max)));
    }
    Ok(size)
}

impl Service {
    fn read(m: &Message<'_, '_>) -> Read<Option<Service>> {
        let metadata = m.message_or_empty("metadata")?;
        let filters = metadata.message_or_empty("filter_metadata")?;
        let istio = filters.message_or_empty("istio")?;
        let services = istio.messages("services")?;
        let Some(first) = services.first() else { return Ok(None) };
        Ok(Some(Service { host: first.text("host")?.into(), name: first.text("name")?.into(), namespace: first.text("namespace")?.into() }))
    }
}

fn thresholds(m: &Message<'_, '_>) -> Read<[Thresholds; 2]> {
    let mut out = [DEFAULT; 2];
    for t in m.message_or_empty("circuit_breakers")?.messages("thresholds")? {
        let budget = match t.message("retry_budget")? {
            Some(b) => {
                let percent = b.message_or_empty("budget_percent")?.value("value").and_then(Value::as_f64).unwrap_or(20.0);
                Some((percent, b.uint("min_retry_concurrency")?.unwrap_or(3)))
            }
            None => None,
        };
        let index = usize::from(t.enumeration("priority", &["DEFAULT", "HIGH"])? == "HIGH");
        out[index] = Thresholds {
            connections: t.uint("max_connections")?.unwrap_or(1024),
            pending: t.uint("max_pending_requests")?.unwrap_or(1024),
            requests: t.uint("max_requests")?.unwrap_or(1024),
            retries: t.uint("max_retries")?.unwrap_or(3),
            budget,
        };
    }
    Ok(out)
}
