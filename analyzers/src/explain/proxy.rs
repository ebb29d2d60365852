//! What one proxy holds, as far as explanations need it: routes, clusters, endpoints, inbound chains and their policies.

use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::dump::cluster::{Cluster, Clusters, ConfigRef};
use mesh_envoy::dump::endpoint::{Endpoints, LoadAssignment};
use mesh_envoy::dump::listener::Listeners;
use mesh_envoy::dump::route::{Route, RouteConfig, Routes};
use mesh_envoy::dump::{DumpError, SectionKind, Sections};
use mesh_envoy::engine::domain::{Domains, without_port};
use mesh_envoy::engine::route::{Match, Table};
use mesh_envoy::proto_json::{field, items, text};
use mesh_envoy::rbac::Filter;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct Proxy {
    pub hosts: Vec<VirtualHost>,
    configs: Vec<Config>,
    /// Route configurations that change RBAC filters, by name.
    tables: BTreeMap<String, Compiled>,
    pub clusters: BTreeMap<String, ClusterFacts>,
    /// Healthy and all endpoints by cluster; only where the dump has them.
    pub endpoints: Option<BTreeMap<String, (usize, usize)>>,
    pub chains: Vec<Chain>,
    /// Entries of the dump that can't be read: the rest was.
    pub problems: Vec<String>,
}

/// A route configuration, for looking up its virtual hosts.
#[derive(Clone, Debug, Default)]
struct Config {
    /// "" for nameless ones.
    name: String,
    /// To positions in [`Proxy::hosts`].
    domains: Domains,
    ignores_port: bool,
}

#[derive(Clone, Debug)]
pub struct VirtualHost {
    pub domains: Vec<String>,
    pub routes: Vec<RouteFacts>,
}

#[derive(Clone, Debug)]
pub struct RouteFacts {
    pub name: String,
    /// As it is shown: `prefix /`.
    pub matches: String,
    /// `None` where a condition is not known.
    asks: Option<Match>,
    pub clusters: Vec<String>,
    /// The object that it was made from: `VirtualService bookinfo/reviews`.
    pub object: Option<String>,
    /// What it does beside choosing a cluster: timeouts, retries, faults, redirects.
    pub notes: Vec<String>,
    /// Whether the route itself answers.
    pub answers: bool,
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
    pub rbac: Vec<RbacFilter>,
    /// Its own route configuration, where routes of it change RBAC filters.
    own_table: Option<Compiled>,
    /// Names of all its filters, network and HTTP.
    pub filters: Vec<String>,
    /// `50 tokens, 50 more each 1s`, where a local rate limit is among them.
    pub rate_limit: Option<String>,
}

/// An RBAC filter of a chain.
#[derive(Clone, Debug)]
pub struct RbacFilter {
    pub name: String,
    pub of: Level,
    /// Switched off, but for routes that switch it on.
    pub disabled: bool,
    pub filter: Filter,
}

/// What a filter judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Connections,
    Requests,
}

/// A route configuration, or why it can't be compiled.
pub type Compiled = Result<Table, String>;

/// Per-route configuration of RBAC filters.
const PER_ROUTE: &str = ".RBACPerRoute";

/// A route configuration, compiled where routes of it change RBAC filters or switch any filter off.
fn table(value: &Value) -> Option<Compiled> {
    fn changes(value: &Value) -> bool {
        match value {
            Value::Object(map) => map
                .iter()
                .any(|(k, v)| k == "@type" && v.as_str().is_some_and(|t| t.ends_with(PER_ROUTE) || t.ends_with(".route.v3.FilterConfig")) || changes(v)),
            Value::Array(list) => list.iter().any(changes),
            _ => false,
        }
    }
    changes(value).then(|| Table::compile(value).map_err(|u| u.to_string()))
}

#[derive(Default)]
struct Read<'a> {
    routes: Vec<Routes<'a, Value>>,
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
            for value in section.dynamic_route_configs.iter().chain(&section.static_route_configs).filter_map(|e| e.route_config.as_ref()) {
                proxy.routes(value);
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

    fn routes(&mut self, value: &Value) {
        let config = match RouteConfig::deserialize(value) {
            Ok(config) => config,
            Err(e) => return self.problems.push(format!("routes {}: {e}", text(value, "name"))),
        };
        let mut domains = Domains::default();
        for (vhost, value) in config.virtual_hosts.iter().zip(items(value, "virtual_hosts")) {
            let position = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
            vhost.domains.iter().for_each(|d| domains.add(d, position));
            let routes = vhost.routes.iter().zip(items(value, "routes")).map(|(r, v)| route(r, field(v, "match"))).collect();
            self.hosts.push(VirtualHost { domains: vhost.domains.iter().map(|d| d.to_string()).collect(), routes });
        }
        let ignores_port = field(value, "ignore_port_in_host_matching").and_then(Value::as_bool).unwrap_or(false);
        if let Some(table) = table(value) {
            self.tables.insert(config.name.to_string(), table);
        }
        self.configs.push(Config { name: config.name.to_string(), domains, ignores_port });
    }

    /// The virtual hosts of an authority in the route configurations that requests to a port can meet: those of its
    /// listeners, all where none is known. One of `*` alone counts where there is no other.
    pub fn hosts_of(&self, authority: &str, port: Option<u16>) -> Vec<&VirtualHost> {
        let of_port = |c: &&Chain| c.port.is_some() && c.port == port && !c.routes.is_empty();
        let names: Vec<&str> = self.chains.iter().filter(of_port).map(|c| c.routes.as_str()).collect();
        let configs = self.configs.iter().filter(|c| names.is_empty() || names.contains(&c.name.as_str()));
        let find = |c: &Config| c.domains.find(if c.ignores_port { without_port(authority) } else { authority });
        let mut found: Vec<u32> = configs.filter_map(find).collect();
        found.sort_unstable();
        found.dedup();
        let mut hosts: Vec<&VirtualHost> = found.into_iter().filter_map(|i| self.hosts.get(i as usize)).collect();
        let is_any = |h: &&VirtualHost| h.domains.iter().all(|d| d == "*");
        if !hosts.iter().all(is_any) {
            hosts.retain(|h| !is_any(h));
        }
        hosts
    }
    /// The routes of a chain, where they change its RBAC filters.
    pub fn table_of<'p>(&'p self, chain: &'p Chain) -> Option<&'p Compiled> {
        chain.own_table.as_ref().or_else(|| self.tables.get(&chain.routes))
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

impl RouteFacts {
    /// Whether the path fits; headers, method and query are not looked at.
    pub fn takes_path(&self, path: &str) -> bool {
        self.asks.as_ref().is_none_or(|m| m.takes_path(path))
    }
    /// Whether more than the path decides: headers, method, query.
    pub fn is_conditional(&self) -> bool {
        self.asks.as_ref().is_none_or(Match::is_conditional)
    }
}

fn route(r: &Route<'_>, asks: Option<&Value>) -> RouteFacts {
    let m = &r.matches;
    let matches = match (&m.path, &m.path_separated_prefix, &m.safe_regex, &m.prefix) {
        (Some(p), ..) => format!("path {p}"),
        (_, Some(p), ..) => format!("prefix {p}/"),
        (_, _, Some(e), _) => format!("regex {}", e.regex),
        (.., Some(p)) => format!("prefix {p}"),
        _ => "any path".to_owned(),
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
        asks: asks.and_then(|v| Match::read(v).ok()),
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
            own_table: None,
            filters: Vec::new(),
            rate_limit: None,
        };
        for filter in items(chain, "filters") {
            let config = field(filter, "typed_config").unwrap_or(&Value::Null);
            add_filter(&mut c, filter, config, Level::Connections);
            if text(config, "@type").ends_with(".HttpConnectionManager") {
                c.is_http = true;
                c.routes = field(config, "rds").map_or("", |r| text(r, "route_config_name")).to_owned();
                c.own_table = field(config, "route_config").and_then(table);
                for http in items(config, "http_filters") {
                    add_filter(&mut c, http, field(http, "typed_config").unwrap_or(&Value::Null), Level::Requests);
                }
            }
        }
        out.push(c);
    }
}

fn add_filter(chain: &mut Chain, filter: &Value, config: &Value, of: Level) {
    let name = text(filter, "name");
    chain.filters.push(name.to_owned());
    let kind = text(config, "@type");
    if kind.ends_with(".rbac.v3.RBAC") {
        let disabled = field(filter, "disabled").and_then(Value::as_bool).unwrap_or(false);
        chain.rbac.push(RbacFilter { name: name.to_owned(), of, disabled, filter: Filter::compile(config) });
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
