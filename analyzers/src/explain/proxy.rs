//! What one proxy holds, as far as explanations need it: routes, clusters, endpoints, inbound chains and their policies.

use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::dump::cluster::{Cluster, Clusters, ConfigRef};
use mesh_envoy::dump::endpoint::{Endpoints, LoadAssignment};
use mesh_envoy::dump::listener::Listeners;
use mesh_envoy::dump::route::{Match, Route, RouteConfig, Routes};
use mesh_envoy::dump::{DumpError, SectionKind, Sections};
use mesh_envoy::matcher::StringTest;
use mesh_envoy::matcher::path_only;
use mesh_envoy::proto_json::{field, items, text};
use mesh_envoy::rbac::Filter;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct Proxy {
    pub hosts: Vec<VirtualHost>,
    pub clusters: BTreeMap<String, ClusterFacts>,
    /// Healthy and all endpoints by cluster; only where the dump has them.
    pub endpoints: Option<BTreeMap<String, (usize, usize)>>,
    pub chains: Vec<Chain>,
    /// Entries of the dump that can't be read: the rest was.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct VirtualHost {
    /// The route configuration that it stands in; "" for nameless ones.
    pub config: String,
    pub domains: Vec<String>,
    pub routes: Vec<RouteFacts>,
}

#[derive(Clone, Debug)]
pub struct RouteFacts {
    pub name: String,
    /// As it is shown: `prefix /`.
    pub matches: String,
    path: PathTest,
    /// Whether more than the path decides: headers, method, query.
    pub is_conditional: bool,
    pub clusters: Vec<String>,
    /// The object that it was made from: `VirtualService bookinfo/reviews`.
    pub object: Option<String>,
    /// What it does beside choosing a cluster: timeouts, retries, faults, redirects.
    pub notes: Vec<String>,
    /// Whether the route itself answers.
    pub answers: bool,
}

#[derive(Clone, Debug)]
enum PathTest {
    Any,
    Prefix(String),
    Exact(String),
    Separated(String),
    Regex(StringTest),
}

#[derive(Clone, Debug, Default)]
pub struct ClusterFacts {
    /// `DestinationRule ns/name`.
    pub object: Option<String>,
    pub services: Vec<String>,
    pub limits: String,
    pub tls: String,
    pub outlier: bool,
}

/// A filter chain of a listener.
#[derive(Clone, Debug)]
pub struct Chain {
    pub listener: String,
    pub name: String,
    /// What the chain matches; that of its listener where it says none.
    pub port: Option<u16>,
    pub is_inbound: bool,
    /// It takes TLS connections only.
    pub tls: bool,
    /// It demands a client certificate.
    pub mutual: bool,
    pub server_names: Vec<String>,
    pub is_http: bool,
    /// The route configuration that its requests are routed by, where that is asked for by name.
    pub routes: String,
    /// RBAC filters in their order.
    pub rbac: Vec<Filter>,
    /// Names of all its filters, network and HTTP.
    pub filters: Vec<String>,
    /// `50 tokens, 50 more each 1s`, where a local rate limit is among them.
    pub rate_limit: Option<String>,
}

#[derive(Default)]
struct Read<'a> {
    routes: Vec<Routes<'a, RouteConfig<'a>>>,
    clusters: Vec<Clusters<'a, Cluster<'a>>>,
    endpoints: Vec<Endpoints<LoadAssignment<'a>>>,
    listeners: Vec<Listeners<'a, Value>>,
}

impl<'a> Sections<'a> for Read<'a> {
    fn fresh(&self) -> Self {
        Read::default()
    }
    fn wants(&self, kind: SectionKind) -> bool {
        matches!(kind, SectionKind::Routes | SectionKind::Clusters | SectionKind::Endpoints | SectionKind::Listeners)
    }
    fn take<D: Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
        match kind {
            SectionKind::Routes => self.routes.push(Deserialize::deserialize(section)?),
            SectionKind::Clusters => self.clusters.push(Deserialize::deserialize(section)?),
            SectionKind::Endpoints => self.endpoints.push(Deserialize::deserialize(section)?),
            SectionKind::Listeners => self.listeners.push(Deserialize::deserialize(section)?),
            _ => {}
        }
        Ok(())
    }
}

impl Proxy {
    /// Reads a config dump.
    pub fn read(dump: &str) -> Result<Proxy, DumpError> {
        let mut read = Read::default();
        let found = mesh_envoy::dump::read(dump, &mut read)?;
        let mut proxy = Proxy { problems: found.unread.iter().map(ToString::to_string).collect(), ..Proxy::default() };
        for section in &read.routes {
            for config in section.dynamic_route_configs.iter().chain(&section.static_route_configs).filter_map(|e| e.route_config.as_ref()) {
                for vhost in &config.virtual_hosts {
                    let domains = vhost.domains.iter().map(|d| d.to_string()).collect();
                    proxy.hosts.push(VirtualHost { config: config.name.to_string(), domains, routes: vhost.routes.iter().map(route).collect() });
                }
            }
        }
        for section in &read.clusters {
            for c in section.dynamic_active_clusters.iter().chain(&section.static_clusters).filter_map(|e| e.cluster.as_ref()) {
                proxy.clusters.insert(c.name.to_string(), cluster(c));
            }
        }
        for section in &read.endpoints {
            let known = proxy.endpoints.get_or_insert_with(BTreeMap::new);
            for a in section.dynamic_endpoint_configs.iter().chain(&section.static_endpoint_configs).filter_map(|e| e.endpoint_config.as_ref()) {
                let all = || a.endpoints.iter().flat_map(|l| &l.lb_endpoints);
                let healthy = all().filter(|e| matches!(e.health_status(), "HEALTHY" | "UNKNOWN" | "DEGRADED")).count();
                known.insert(a.cluster_name.to_string(), (healthy, all().count()));
            }
        }
        for section in &read.listeners {
            let dynamic = section.dynamic_listeners.iter().filter_map(|d| d.active_state.as_ref());
            for listener in dynamic.chain(&section.static_listeners).filter_map(|s| s.listener.as_ref()) {
                chains(listener, &mut proxy.chains);
            }
        }
        Ok(proxy)
    }

    /// The virtual hosts that requests to a port can meet: those of the route configurations of its listeners, all
    /// where none is known.
    fn hosts_at(&self, port: Option<u16>) -> impl Iterator<Item = &VirtualHost> {
        let configs: Vec<&str> = self.chains.iter().filter(|c| c.port.is_some() && c.port == port && !c.routes.is_empty()).map(|c| c.routes.as_str()).collect();
        self.hosts.iter().filter(move |h| configs.is_empty() || configs.contains(&h.config.as_str()))
    }
    /// The virtual hosts whose domains have an authority, by their most exact domain; `*` counts last.
    pub fn hosts_of(&self, authority: &str, port: Option<u16>) -> Vec<&VirtualHost> {
        let rank = |h: &VirtualHost| h.domains.iter().filter_map(|d| domain_rank(d, authority)).max();
        let best = self.hosts_at(port).filter_map(rank).max();
        self.hosts_at(port).filter(|h| best.is_some() && rank(h) == best).collect()
    }
    /// The chains that a connection to a port can have. Inbound ones first: outbound listeners take what comes from the
    /// workload itself.
    pub fn chains_of(&self, port: Option<u16>) -> Vec<&Chain> {
        let of_port: Vec<&Chain> = self.chains.iter().filter(|c| c.port.is_some() && c.port == port).collect();
        let inbound: Vec<&Chain> = of_port.iter().copied().filter(|c| c.is_inbound).collect();
        if !inbound.is_empty() {
            inbound
        } else if !of_port.is_empty() {
            of_port
        } else {
            self.chains.iter().filter(|c| c.is_inbound && c.port.is_none()).collect()
        }
    }
}

/// How well a domain has an authority: exact before the longest suffix, before the longest prefix, before `*`.
fn domain_rank(domain: &str, authority: &str) -> Option<(u8, usize)> {
    let bare =
        |t: &str| t.rsplit_once(':').filter(|(_, p)| p.bytes().all(|b| b.is_ascii_digit())).map_or(t.to_owned(), |(h, _)| h.to_owned()).to_ascii_lowercase();
    let (domain, authority) = (bare(domain), bare(authority));
    if domain == "*" {
        Some((0, 0))
    } else if let Some(suffix) = domain.strip_prefix('*') {
        (authority.len() > suffix.len() && authority.ends_with(suffix)).then_some((2, suffix.len()))
    } else if let Some(prefix) = domain.strip_suffix('*') {
        (authority.len() > prefix.len() && authority.starts_with(prefix)).then_some((1, prefix.len()))
    } else {
        (domain == authority).then_some((3, 0))
    }
}

impl RouteFacts {
    /// Whether the path fits; headers, method and query are not looked at.
    pub fn takes_path(&self, path: &str) -> bool {
        let path = path_only(path);
        match &self.path {
            PathTest::Any => true,
            PathTest::Prefix(p) => path.starts_with(&**p),
            PathTest::Exact(p) => path == p,
            PathTest::Separated(p) => path.strip_prefix(&**p).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            PathTest::Regex(StringTest::Regex(r, _)) => r.is_match(path),
            PathTest::Regex(_) => true,
        }
    }
}

fn route(r: &Route<'_>) -> RouteFacts {
    let m: &Match<'_> = &r.matches;
    let (path, matches) = if let Some(p) = &m.path {
        (PathTest::Exact(p.to_string()), format!("path {p}"))
    } else if let Some(p) = &m.path_separated_prefix {
        (PathTest::Separated(p.to_string()), format!("prefix {p}/"))
    } else if let Some(e) = &m.safe_regex {
        (PathTest::Regex(StringTest::regex(&e.regex)), format!("regex {}", e.regex))
    } else if let Some(p) = &m.prefix {
        (PathTest::Prefix(p.to_string()), format!("prefix {p}"))
    } else {
        (PathTest::Any, "any path".to_owned())
    };
    let mut notes = Vec::new();
    let mut clusters = Vec::new();
    if let Some(action) = &r.route {
        clusters.extend(Some(action.cluster.to_string()).filter(|c| !c.is_empty()));
        clusters.extend(action.weighted_clusters.iter().flat_map(|w| &w.clusters).map(|c| c.name.to_string()));
        let set = |t: &str| !matches!(t, "" | "0s" | "0");
        if set(&action.timeout) {
            notes.push(format!("timeout {}", action.timeout));
        }
        if let Some(retry) = &action.retry_policy {
            let per_try = if set(&retry.per_try_timeout) { format!(", perTryTimeout {}", retry.per_try_timeout) } else { String::new() };
            notes.push(format!("{} retries on {}{per_try}", retry.num_retries.map_or(1, |n| n.0), retry.retry_on));
        }
    }
    if let Some(fault) = &r.typed_per_filter_config.fault {
        notes.extend(fault.abort.as_ref().map(|a| format!("fault: {} % are answered with {}", a.percentage.percent(), a.http_status.0)));
        notes.extend(fault.delay.as_ref().map(|d| format!("fault: {} % are delayed by {}", d.percentage.percent(), d.fixed_delay)));
    }
    notes.extend(r.redirect.as_ref().map(|_| "a redirect".to_owned()));
    notes.extend(r.direct_response.as_ref().map(|d| format!("answers {} itself", d.status.0)));
    RouteFacts {
        name: r.name.to_string(),
        matches,
        path,
        is_conditional: !m.headers.is_empty() || !m.query_parameters.is_empty() || m.runtime_fraction.is_some() || m.grpc.is_some(),
        clusters,
        object: r.metadata.config_ref().map(|c| object(&c, &r.name)),
        notes,
        answers: r.redirect.is_some() || r.direct_response.is_some(),
    }
}

/// An object by its kind as people write it. VirtualServices that istiod makes of routes of the Gateway API have names
/// with `~` in it; the route's own name is then `NAMESPACE.NAME.RULE`.
fn object(c: &ConfigRef<'_>, route: &str) -> String {
    if c.name.contains('~') || c.name.contains("istio-autogenerated-k8s-gateway") {
        let made_of = || {
            let (namespace, rest) = route.split_once('.')?;
            let (name, rule) = rest.rsplit_once('.')?;
            rule.parse::<u32>().ok().map(|rule| format!("HTTPRoute {namespace}/{name}, rule {rule}"))
        };
        if let Some(name) = made_of() {
            return name;
        }
    }
    let kind: String =
        c.kind.split('-').map(|part| part.chars().take(1).flat_map(char::to_uppercase).chain(part.chars().skip(1)).collect::<String>()).collect();
    format!("{kind} {}/{}", c.namespace, c.name)
}

fn cluster(c: &Cluster<'_>) -> ClusterFacts {
    // Istio prints the largest number for "no limit".
    let limit = |name: &str, n: Option<mesh_envoy::dump::UInt>| n.filter(|n| n.0 < u64::from(u32::MAX)).map(|n| format!("{name} {}", n.0));
    let limits: Vec<String> = c
        .circuit_breakers
        .thresholds
        .iter()
        .take(1)
        .flat_map(|t| {
            [
                limit("connections", t.max_connections),
                limit("pending requests", t.max_pending_requests),
                limit("requests", t.max_requests),
                limit("retries", t.max_retries),
            ]
        })
        .flatten()
        .collect();
    let tls = match (&c.transport_socket, c.transport_socket_matches.is_empty()) {
        (_, false) => "TLS to endpoints with a sidecar, plaintext to others",
        (Some(t), _) if t.name.ends_with("tls") => "TLS always",
        _ => "plaintext",
    };
    ClusterFacts {
        object: c.metadata.config_ref().map(|r| object(&r, "")),
        services: c.metadata.services().iter().map(|s| s.host.to_string()).collect(),
        limits: limits.join(", "),
        tls: tls.to_owned(),
        outlier: c.outlier_detection.is_some(),
    }
}

fn chains(listener: &Value, out: &mut Vec<Chain>) {
    let name = text(listener, "name");
    let own_port = field(listener, "address").and_then(|a| field(a, "socket_address")).and_then(|s| field(s, "port_value")).and_then(Value::as_u64);
    // Redirected traffic comes to a listener of another port than it was meant for.
    let is_virtual = matches!(name, "virtualInbound" | "virtualOutbound");
    let port_of = |n: Option<u64>| n.and_then(|n| u16::try_from(n).ok());
    for chain in items(listener, "filter_chains").chain(field(listener, "default_filter_chain")) {
        let m = field(chain, "filter_chain_match");
        let said = m.and_then(|m| field(m, "destination_port")).and_then(Value::as_u64);
        let socket = field(chain, "transport_socket").and_then(|s| field(s, "typed_config"));
        let mut c = Chain {
            listener: name.to_owned(),
            name: text(chain, "name").to_owned(),
            port: port_of(said.or(own_port.filter(|_| !is_virtual))),
            is_inbound: name == "virtualInbound" || text(listener, "traffic_direction") == "INBOUND",
            tls: m.is_some_and(|m| text(m, "transport_protocol") == "tls") || socket.is_some_and(|s| text(s, "@type").contains("DownstreamTls")),
            mutual: socket.and_then(|s| field(s, "require_client_certificate")).and_then(Value::as_bool).unwrap_or(false),
            server_names: m.into_iter().flat_map(|m| items(m, "server_names")).filter_map(Value::as_str).map(str::to_owned).collect(),
            is_http: false,
            routes: String::new(),
            rbac: Vec::new(),
            filters: Vec::new(),
            rate_limit: None,
        };
        for filter in items(chain, "filters") {
            let config = field(filter, "typed_config").unwrap_or(&Value::Null);
            add_filter(&mut c, filter, config);
            if text(config, "@type").ends_with(".HttpConnectionManager") {
                c.is_http = true;
                c.routes = field(config, "rds").map_or("", |r| text(r, "route_config_name")).to_owned();
                for http in items(config, "http_filters") {
                    add_filter(&mut c, http, field(http, "typed_config").unwrap_or(&Value::Null));
                }
            }
        }
        out.push(c);
    }
}

fn add_filter(chain: &mut Chain, filter: &Value, config: &Value) {
    let name = text(filter, "name");
    chain.filters.push(name.to_owned());
    let kind = text(config, "@type");
    if kind.ends_with(".rbac.v3.RBAC") {
        chain.rbac.push(Filter::compile(config));
    }
    // EnvoyFilters wrap what they add in a TypedStruct.
    let inner = field(config, "value").filter(|_| kind.ends_with("TypedStruct")).unwrap_or(config);
    if kind.contains("LocalRateLimit") || text(config, "type_url").contains("LocalRateLimit") {
        let bucket = field(inner, "token_bucket");
        let part = |key: &str| bucket.and_then(|b| field(b, key)).map_or("?".to_owned(), |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        chain.rate_limit = Some(format!("{} tokens, {} more each {}", part("max_tokens"), part("tokens_per_fill"), part("fill_interval")));
    }
}

/// The services of a cluster, from its metadata or its name.
pub fn services_of(name: &str, facts: Option<&ClusterFacts>) -> Vec<String> {
    let known = facts.map(|f| f.services.clone()).unwrap_or_default();
    if !known.is_empty() {
        return known;
    }
    ClusterName::parse_any(name).map(|n| n.host.to_owned()).filter(|h| !h.is_empty()).into_iter().collect()
}
