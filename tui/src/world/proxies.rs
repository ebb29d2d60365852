//! Proxies as their dumps show them: listener → filter chain → route → cluster → endpoint. Private keys are never read.

use crate::graph::Health;
use mesh_envoy::admin::clusters::{self, ClusterStatus};
use mesh_envoy::certificate;
use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::dump::bootstrap::BootstrapDump;
use mesh_envoy::dump::cluster::{Cluster as EnvoyCluster, Clusters, Metadata, UpdateFailure};
use mesh_envoy::dump::endpoint::{Endpoints, LoadAssignment};
use mesh_envoy::dump::listener::{FilterChain, FilterChainMatch, Listener as EnvoyListener, Listeners};
use mesh_envoy::dump::route::{Match, Route as EnvoyRoute, RouteConfig, Routes};
use mesh_envoy::dump::secret::{Secret, Secrets};
use mesh_envoy::dump::{SectionKind, Sections, read as read_dump};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The pages of one proxy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages<'p> {
    /// What it is called where the dump does not say: the file or folder.
    pub name: &'p str,
    /// The file or source, to be put behind `--from`.
    pub from: &'p str,
    pub config_dump: Option<&'p str>,
    /// `/clusters?format=json`.
    pub clusters: Option<&'p str>,
}

/// A line of the tree, and what it leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxy {
    pub name: String,
    pub namespace: String,
    pub from: String,
    pub version: String,
    pub listeners: Vec<Listener>,
    pub routes: BTreeMap<String, Vec<Route>>,
    pub clusters: BTreeMap<String, Cluster>,
    pub certificates: Vec<Certificate>,
    pub problems: Vec<Trouble>,
    /// Why a part of it is not shown.
    pub missing: Vec<String>,
}

impl Proxy {
    pub fn full_name(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}.{}", self.name, self.namespace) }
    }
    pub fn health(&self) -> Health {
        self.problems.iter().map(|p| p.health).max().unwrap_or(Health::Ok)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub health: Health,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listener {
    pub name: String,
    pub address: String,
    pub direction: String,
    pub health: Health,
    pub state: String,
    pub chains: Vec<Chain>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    pub name: String,
    /// What a connection must be to take it.
    pub accepts: String,
    pub tls: String,
    pub filters: Vec<String>,
    pub leads: Lead,
}

/// Where a filter chain leads.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Lead {
    /// A route configuration by name.
    Routes(String),
    /// Clusters and their weights.
    Clusters(Vec<(String, u64)>),
    #[default]
    Nowhere,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    pub host: String,
    pub domains: Vec<String>,
    pub name: String,
    pub accepts: String,
    pub clusters: Vec<(String, u64)>,
    /// `→ reviews v1`, `redirect to …`, `503`.
    pub action: String,
    pub more: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    pub name: String,
    pub health: Health,
    pub facts: Vec<(String, String)>,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    pub address: String,
    pub health: Health,
    pub state: String,
    pub locality: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The proxy that holds it.
    pub of: String,
    /// `default`, `ROOTCA`.
    pub name: String,
    pub subject: String,
    pub issuer: String,
    pub not_before: i64,
    pub not_after: i64,
    pub is_ca: bool,
}

/// The certificates of proxies by expiry.
pub(super) fn certificates(proxies: &[Proxy]) -> Vec<Certificate> {
    let mut out: Vec<Certificate> = proxies.iter().flat_map(|p| p.certificates.iter().cloned()).collect();
    out.sort_by(|a, b| (a.not_after, &a.of, &a.name).cmp(&(b.not_after, &b.of, &b.name)));
    out
}

#[derive(Default)]
struct Wanted<'a> {
    bootstrap: Option<BootstrapDump<'a>>,
    clusters: Vec<Clusters<'a, EnvoyCluster<'a>>>,
    listeners: Vec<Listeners<'a, EnvoyListener<'a>>>,
    routes: Vec<Routes<'a, RouteConfig<'a>>>,
    endpoints: Vec<Endpoints<LoadAssignment<'a>>>,
    secrets: Vec<Secrets<'a, Secret<'a>>>,
}

impl<'a> Sections<'a> for Wanted<'a> {
    fn fresh(&self) -> Self {
        Wanted::default()
    }
    fn wants(&self, kind: SectionKind) -> bool {
        !matches!(kind, SectionKind::Ecds | SectionKind::ScopedRoutes)
    }
    fn take<D: serde::Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
        match kind {
            SectionKind::Bootstrap => self.bootstrap = Some(Deserialize::deserialize(section)?),
            SectionKind::Clusters => self.clusters.push(Deserialize::deserialize(section)?),
            SectionKind::Listeners => self.listeners.push(Deserialize::deserialize(section)?),
            SectionKind::Routes => self.routes.push(Deserialize::deserialize(section)?),
            SectionKind::Endpoints => self.endpoints.push(Deserialize::deserialize(section)?),
            SectionKind::Secrets => self.secrets.push(Deserialize::deserialize(section)?),
            SectionKind::Ecds | SectionKind::ScopedRoutes => {
                serde::de::IgnoredAny::deserialize(section)?;
            }
        }
        Ok(())
    }
}

pub(super) fn read(pages: &Pages<'_>) -> Proxy {
    let mut proxy = Proxy { name: pages.name.to_owned(), from: pages.from.to_owned(), ..Proxy::default() };
    let mut wanted = Wanted::default();
    match pages.config_dump {
        None => proxy.missing.push("no config dump: listeners, routes and clusters are not known".to_owned()),
        Some(text) => match read_dump(text, &mut wanted) {
            Ok(found) => proxy.missing.extend(found.unread.iter().map(|u| format!("an entry of the dump could not be read: {u}"))),
            Err(e) => proxy.problems.push(Trouble { health: Health::Failing, text: format!("its config dump can't be read: {e}") }),
        },
    }
    if let Some(bootstrap) = &wanted.bootstrap {
        name(&mut proxy, bootstrap);
    }
    let live: Vec<ClusterStatus<'_>> = match pages.clusters.map(clusters::read) {
        None => Vec::new(),
        Some(Ok(list)) => list,
        Some(Err(e)) => {
            proxy.problems.push(Trouble { health: Health::Failing, text: format!("its endpoints can't be read: {e}") });
            Vec::new()
        }
    };
    read_clusters(&mut proxy, &wanted, &live);
    read_routes(&mut proxy, &wanted);
    read_listeners(&mut proxy, &wanted);
    read_secrets(&mut proxy, &wanted);
    for (missing, section) in [(wanted.listeners.is_empty(), "listeners"), (wanted.clusters.is_empty(), "clusters"), (wanted.routes.is_empty(), "routes")] {
        if missing && pages.config_dump.is_some() {
            proxy.missing.push(format!("the dump has no section of {section}"));
        }
    }
    if wanted.endpoints.is_empty() && live.is_empty() {
        proxy.missing.push("no endpoints: take the dump with `config_dump?include_eds`, or add `clusters?format=json`".to_owned());
    }
    proxy
}

fn name(proxy: &mut Proxy, bootstrap: &BootstrapDump<'_>) {
    let node = &bootstrap.bootstrap.node;
    // `sidecar~10.1.2.3~reviews-v1-7d9.bookinfo~bookinfo.svc.cluster.local`
    let mut parts = node.id.split('~');
    if let Some(full) = parts.nth(2).filter(|f| !f.is_empty()) {
        let (pod, namespace) = full.rsplit_once('.').unwrap_or((full, ""));
        pod.clone_into(&mut proxy.name);
        namespace.clone_into(&mut proxy.namespace);
    }
    proxy.version = node.metadata.istio_version.to_string();
}

fn rejected(proxy: &mut Proxy, what: &str, error: Option<&UpdateFailure<'_>>) -> bool {
    let Some(error) = error else { return false };
    proxy.problems.push(Trouble { health: Health::Failing, text: format!("it rejected an update of {what}: {}", error.details) });
    true
}

fn read_listeners(proxy: &mut Proxy, wanted: &Wanted<'_>) {
    for section in &wanted.listeners {
        for state in &section.static_listeners {
            if let Some(l) = &state.listener {
                let listener = listener(proxy, l, "static", Health::Ok);
                proxy.listeners.push(listener);
            }
        }
        for d in &section.dynamic_listeners {
            let failed = rejected(proxy, &format!("listener {}", d.name), d.error_state.as_ref());
            for (state, name, health) in
                [(&d.active_state, "active", Health::Ok), (&d.warming_state, "warming", Health::Degraded), (&d.draining_state, "draining", Health::Idle)]
            {
                if let Some(l) = state.as_ref().and_then(|s| s.listener.as_ref()) {
                    let health = if failed { Health::Failing } else { health };
                    let name = if failed { format!("{name}, update rejected") } else { name.to_owned() };
                    let listener = listener(proxy, l, &name, health);
                    proxy.listeners.push(listener);
                }
            }
            if d.warming_state.is_some() {
                proxy.problems.push(Trouble { health: Health::Degraded, text: format!("listener {} is warming: it waits for something it refers to", d.name) });
            }
        }
    }
    proxy.listeners.sort_by(|a, b| (&a.direction, &a.address, &a.name).cmp(&(&b.direction, &b.address, &b.name)));
}

fn listener(proxy: &mut Proxy, l: &EnvoyListener<'_>, state: &str, health: Health) -> Listener {
    let address = l.addresses().map(ToString::to_string).filter(|a| !a.is_empty()).collect::<Vec<_>>().join(" ");
    let address = if address.is_empty() { "internal".to_owned() } else { address };
    let chains = l.chains().enumerate().map(|(i, c)| chain(proxy, &l.name, i, c, i >= l.filter_chains.len())).collect();
    Listener { name: l.name.to_string(), address, direction: l.traffic_direction.to_lowercase(), health, state: state.to_owned(), chains }
}

fn chain(proxy: &mut Proxy, listener: &str, index: usize, c: &FilterChain<'_>, is_default: bool) -> Chain {
    let mut leads = Lead::Nowhere;
    let mut filters = Vec::new();
    for f in &c.filters {
        let config = &f.typed_config;
        filters.push(f.name.to_string());
        if f.is_http_connection_manager() {
            filters.extend(config.http_filters.iter().map(|h| format!("  {}", h.name)));
            leads = match (&config.rds, &config.route_config) {
                (Some(rds), _) => Lead::Routes(rds.route_config_name.to_string()),
                (None, Some(inline)) => {
                    let name = if inline.name.is_empty() { format!("{listener} chain {index}") } else { format!("{} ({listener})", inline.name) };
                    proxy.routes.insert(name.clone(), routes(inline));
                    Lead::Routes(name)
                }
                (None, None) => Lead::Nowhere,
            };
        } else if f.is_tcp_proxy() {
            let weighted = config.weighted_clusters.iter().flat_map(|w| &w.clusters).map(|c| (c.name.to_string(), c.weight.0));
            let one = Some((config.cluster.to_string(), 0)).filter(|(n, _)| !n.is_empty());
            leads = Lead::Clusters(one.into_iter().chain(weighted).collect());
        }
    }
    let accepts = if is_default { "anything else".to_owned() } else { accepts(&c.filter_chain_match) };
    let tls = match &c.transport_socket {
        Some(s) if s.typed_config.require_client_certificate => "mutual TLS",
        Some(s) if s.typed_config.type_url.ends_with("DownstreamTlsContext") => "TLS",
        Some(_) => "",
        None => "",
    };
    Chain { name: c.name.to_string(), accepts, tls: tls.to_owned(), filters, leads }
}

/// The conditions of a filter chain, as few words as possible.
fn accepts(m: &FilterChainMatch<'_>) -> String {
    let list = |items: Vec<String>| items.join(",");
    let texts = |items: &[mesh_envoy::dump::Text<'_>]| list(items.iter().map(ToString::to_string).collect());
    let ranges = |items: &[mesh_envoy::dump::listener::CidrRange<'_>]| list(items.iter().map(|r| format!("{}/{}", r.address_prefix, r.prefix_len.0)).collect());
    let mut out = Vec::new();
    if let Some(port) = &m.destination_port {
        out.push(format!("port {}", port.0));
    }
    for (what, text) in [
        ("to", ranges(&m.prefix_ranges)),
        ("from", ranges(&m.source_prefix_ranges)),
        ("from directly", ranges(&m.direct_source_prefix_ranges)),
        ("SNI", texts(&m.server_names)),
        ("", m.transport_protocol.to_string()),
        ("ALPN", texts(&m.application_protocols)),
        ("", m.source_type.to_lowercase()),
    ] {
        if !text.is_empty() {
            out.push(if what.is_empty() { text } else { format!("{what} {text}") });
        }
    }
    if !m.source_ports.is_empty() {
        out.push(format!("from ports {}", list(m.source_ports.iter().map(|p| p.0.to_string()).collect())));
    }
    if out.is_empty() { "any connection".to_owned() } else { out.join(" · ") }
}

fn read_routes(proxy: &mut Proxy, wanted: &Wanted<'_>) {
    for section in &wanted.routes {
        for entry in section.static_route_configs.iter().chain(&section.dynamic_route_configs) {
            let Some(config) = &entry.route_config else { continue };
            rejected(proxy, &format!("routes {}", config.name), entry.error_state.as_ref());
            // Inline ones stand here once more, without a name.
            if !config.name.is_empty() {
                proxy.routes.entry(config.name.to_string()).or_insert_with(|| routes(config));
            }
        }
    }
}

fn routes(config: &RouteConfig<'_>) -> Vec<Route> {
    let mut out = Vec::new();
    for host in &config.virtual_hosts {
        let domains: Vec<String> = host.domains.iter().map(ToString::to_string).collect();
        out.extend(host.routes.iter().map(|r| route(&host.name, &domains, r)));
        if host.routes.is_empty() {
            out.push(Route { host: host.name.to_string(), domains, accepts: "nothing".to_owned(), action: "404: no route".to_owned(), ..Route::default() });
        }
    }
    out
}

fn route(host: &str, domains: &[String], r: &EnvoyRoute<'_>) -> Route {
    let mut clusters = Vec::new();
    let mut more = Vec::new();
    let action = if let Some(action) = &r.route {
        if !action.cluster.is_empty() {
            clusters.push((action.cluster.to_string(), 0));
        }
        clusters.extend(action.weighted_clusters.iter().flat_map(|w| &w.clusters).map(|c| (c.name.to_string(), c.weight.0)));
        if !action.timeout.is_empty() {
            more.push(format!("timeout {}", if &*action.timeout == "0s" { "none" } else { &action.timeout }));
        }
        if let Some(retry) = &action.retry_policy {
            more.push(format!("retries {} on {}", retry.num_retries.as_ref().map_or(1, |n| n.0), retry.retry_on));
        }
        more.extend(action.request_mirror_policies.iter().map(|m| format!("mirrored to {}", short(&m.cluster))));
        if !action.prefix_rewrite.is_empty() {
            more.push(format!("path rewritten to {}", action.prefix_rewrite));
        }
        match clusters.as_slice() {
            [] => format!("→ the cluster that header {} names", action.cluster_header),
            [(one, _)] => format!("→ {}", short(one)),
            many => format!("→ {}", many.iter().map(|(c, w)| format!("{} {w}%", short(c))).collect::<Vec<_>>().join(", ")),
        }
    } else if let Some(redirect) = &r.redirect {
        let scheme = if redirect.https_redirect { "https" } else { &redirect.scheme_redirect };
        format!("redirect {scheme} {} {}", redirect.host_redirect, redirect.path_redirect).split_whitespace().collect::<Vec<_>>().join(" ")
    } else if let Some(direct) = &r.direct_response {
        format!("answers {} itself", direct.status.0)
    } else {
        "nothing that is known".to_owned()
    };
    if let Some(fault) = &r.typed_per_filter_config.fault {
        if let Some(abort) = &fault.abort {
            more.push(format!("fault: {} for {}%", abort.http_status.0, abort.percentage.percent()));
        }
        if let Some(delay) = &fault.delay {
            more.push(format!("fault: delay {} for {}%", delay.fixed_delay, delay.percentage.percent()));
        }
    }
    if let Some(text) = origin(&r.metadata) {
        more.push(text);
    }
    Route { host: host.to_owned(), domains: domains.to_vec(), name: r.name.to_string(), accepts: matches(&r.matches), clusters, action, more }
}

fn origin(metadata: &Metadata<'_>) -> Option<String> {
    metadata.config_ref().map(|c| format!("from {} {}/{}", c.kind, c.namespace, c.name))
}

fn matches(m: &Match<'_>) -> String {
    let path = if let Some(p) = &m.path {
        p.to_string()
    } else if let Some(p) = &m.prefix {
        format!("{p}*")
    } else if let Some(p) = &m.path_separated_prefix {
        format!("{p}, {p}/*")
    } else if let Some(r) = &m.safe_regex {
        format!("~{}", r.regex)
    } else if m.connect_matcher.is_some() {
        "CONNECT".to_owned()
    } else {
        "any".to_owned()
    };
    let mut conditions = vec![path];
    conditions.extend(m.headers.iter().map(|h| {
        // Header values may be secrets; that there is a condition is what is shown.
        format!("{}header {}", if h.invert_match { "not " } else { "" }, h.name)
    }));
    conditions.extend(m.query_parameters.iter().map(|q| format!("query {}", q.name)));
    conditions.join(" + ")
}

/// `reviews.bookinfo v1 :9080` of `outbound|9080|v1|reviews.bookinfo.svc.cluster.local`.
pub fn short(cluster: &str) -> String {
    match ClusterName::parse_any(cluster) {
        None => cluster.to_owned(),
        Some(n) => {
            let host = n.host.split_once(".svc.").map_or(n.host, |(h, _)| h);
            let subset = if n.subset.is_empty() { String::new() } else { format!(" {}", n.subset) };
            if n.host.is_empty() { format!("{} :{}", n.direction, n.port) } else { format!("{host}{subset} :{}", n.port) }
        }
    }
}

fn read_clusters(proxy: &mut Proxy, wanted: &Wanted<'_>, live: &[ClusterStatus<'_>]) {
    let mut assigned: BTreeMap<&str, Vec<Endpoint>> = BTreeMap::new();
    for section in &wanted.endpoints {
        for a in section.static_endpoint_configs.iter().chain(&section.dynamic_endpoint_configs).filter_map(|e| e.endpoint_config.as_ref()) {
            assigned.insert(&a.cluster_name, endpoints(a));
        }
    }
    let live: BTreeMap<&str, Vec<Endpoint>> = live.iter().map(|c| (&*c.name, live_endpoints(c))).collect();
    for section in &wanted.clusters {
        let all = [(&section.static_clusters, "static"), (&section.dynamic_active_clusters, "active"), (&section.dynamic_warming_clusters, "warming")];
        for (entry, state) in all.into_iter().flat_map(|(list, state)| list.iter().map(move |e| (e, state))) {
            let Some(c) = &entry.cluster else { continue };
            let failed = rejected(proxy, &format!("cluster {}", short(&c.name)), entry.error_state.as_ref());
            if state == "warming" {
                proxy.problems.push(Trouble {
                    health: Health::Degraded,
                    text: format!("cluster {} is warming: its endpoints or certificates have not come", short(&c.name)),
                });
            }
            let own = c.load_assignment.as_ref().map(endpoints);
            let found = live.get(&*c.name).cloned().or_else(|| assigned.get(c.service_name()).or_else(|| assigned.get(&*c.name)).cloned()).or(own);
            proxy.clusters.insert(c.name.to_string(), cluster(c, state, failed, found));
        }
    }
}

fn cluster(c: &EnvoyCluster<'_>, state: &str, failed: bool, endpoints: Option<Vec<Endpoint>>) -> Cluster {
    let mut facts = vec![
        ("type".to_owned(), c.discovery_type().to_owned()),
        ("state".to_owned(), if failed { format!("{state}, update rejected") } else { state.to_owned() }),
    ];
    facts.push(("balancing".to_owned(), c.lb_policy().to_owned()));
    let tls: Vec<&str> =
        c.transport_socket.iter().chain(&c.transport_socket_matches).map(|s| s.typed_config.sni.as_ref()).filter(|s: &&str| !s.is_empty()).collect();
    let has_tls = c.transport_socket.iter().chain(&c.transport_socket_matches).any(|s| s.typed_config.type_url.ends_with("UpstreamTlsContext"));
    facts.push((
        "TLS".to_owned(),
        match (has_tls, tls.first()) {
            (false, _) => "none".to_owned(),
            (true, None) => "yes".to_owned(),
            (true, Some(sni)) => format!("SNI {sni}"),
        },
    ));
    for t in &c.circuit_breakers.thresholds {
        let limit = |name: &str, n: Option<&mesh_envoy::dump::UInt>| n.filter(|n| n.0 < u64::from(u32::MAX)).map(|n| format!("{name} {}", n.0));
        let limits: Vec<String> = [
            limit("connections", t.max_connections.as_ref()),
            limit("pending", t.max_pending_requests.as_ref()),
            limit("requests", t.max_requests.as_ref()),
            limit("retries", t.max_retries.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !limits.is_empty() {
            facts.push(("limits".to_owned(), limits.join(", ")));
        }
    }
    if let Some(o) = &c.outlier_detection {
        let after = o.consecutive_5xx.as_ref().or(o.consecutive_gateway_failure.as_ref()).map_or(5, |n| n.0);
        facts.push(("outliers".to_owned(), format!("ejected after {after} errors, checked every {}, for {}", o.interval, o.base_ejection_time)));
    }
    if let Some(from) = origin(&c.metadata) {
        facts.push(("made".to_owned(), from));
    }
    let has_none = matches!(c.discovery_type(), "EDS" | "STATIC" | "STRICT_DNS") && endpoints.as_ref().is_some_and(Vec::is_empty);
    let list = endpoints.unwrap_or_default();
    let bad = list.iter().filter(|e| e.health >= Health::Degraded).count();
    let health = match (failed, has_none, bad) {
        (true, ..) => Health::Failing,
        (_, true, _) => Health::Idle,
        (_, _, 0) => Health::Ok,
        (_, _, n) if n == list.len() => Health::Failing,
        _ => Health::Degraded,
    };
    Cluster { name: c.name.to_string(), health, facts, endpoints: list }
}

fn of_health(name: &str) -> Health {
    match name {
        "HEALTHY" | "UNKNOWN" => Health::Ok,
        "DRAINING" | "DEGRADED" => Health::Degraded,
        _ => Health::Failing,
    }
}

fn endpoints(a: &LoadAssignment<'_>) -> Vec<Endpoint> {
    let each = a.endpoints.iter().flat_map(|l| l.lb_endpoints.iter().map(move |e| (l, e)));
    each.map(|(l, e)| Endpoint {
        address: e.endpoint.address.to_string(),
        health: of_health(e.health_status()),
        state: e.health_status().to_lowercase(),
        locality: l.locality.to_string(),
    })
    .collect()
}

fn live_endpoints(c: &ClusterStatus<'_>) -> Vec<Endpoint> {
    let endpoint = |h: &clusters::HostStatus<'_>| {
        let mut states = vec![h.health_status.eds_health_status().to_lowercase()];
        let mut health = of_health(h.health_status.eds_health_status());
        for (is_so, text) in [
            (h.health_status.failed_outlier_check, "ejected as an outlier"),
            (h.health_status.failed_active_health_check, "fails its health check"),
            (h.health_status.failed_active_degraded_check, "degraded"),
            (h.health_status.pending_dynamic_removal, "about to be removed"),
        ] {
            if is_so {
                states.push(text.to_owned());
                health = Health::Failing;
            }
        }
        let (requests, errors) = (h.stat("rq_total"), h.stat("rq_error"));
        if requests > 0 {
            states.push(format!("{requests} requests, {errors} errors"));
        }
        Endpoint { address: h.address.to_string(), health, state: states.join(", "), locality: h.locality.to_string() }
    };
    c.host_statuses.iter().map(endpoint).collect()
}

fn read_secrets(proxy: &mut Proxy, wanted: &Wanted<'_>) {
    let mut seen = std::collections::BTreeSet::new();
    let of = proxy.full_name();
    for section in &wanted.secrets {
        let all = section.static_secrets.iter().chain(&section.dynamic_active_secrets).chain(&section.dynamic_warming_secrets);
        for entry in all {
            rejected(proxy, &format!("certificate {}", entry.name), entry.error_state.as_ref());
            let Some(secret) = &entry.secret else { continue };
            let own = secret.tls_certificate.iter().map(|t| &t.certificate_chain);
            let roots = secret.validation_context.iter().flat_map(|v| {
                let bundles = v.custom_validator_config.iter().flat_map(|c| &c.typed_config.trust_domains).map(|d| &d.trust_bundle);
                v.trusted_ca.iter().chain(bundles)
            });
            for source in own.chain(roots) {
                // The first of a chain is the proxy's own; the others come again with every proxy.
                for c in certificate::from_pem(&certificate::data_source(source)).into_iter().take(1) {
                    if seen.insert((entry.name.to_string(), c.serial.clone())) {
                        proxy.certificates.push(Certificate {
                            of: of.clone(),
                            name: entry.name.to_string(),
                            subject: c.sans.first().cloned().unwrap_or_else(|| c.subject.clone()),
                            issuer: c.issuer,
                            not_before: c.not_before,
                            not_after: c.not_after,
                            is_ca: c.is_ca,
                        });
                    }
                }
            }
        }
    }
}
