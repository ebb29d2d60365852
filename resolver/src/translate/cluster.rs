//! Clusters: one for each port of a service and each subset, and the fixed ones.

mod inbound;
mod settings;

pub use settings::{balance, outliers, unlimited};

use super::endpoint;
use super::filters;
use super::locality::Setting;
use super::proxy::ProxyKind;
use super::proxy_protocol;
use super::registry::{RegisteredService, Resolution, ServicePort};
use super::scope::{Unknown, is_alias};
use super::tls;
use super::traffic_policy::{Rules, Subset, TrafficPolicy, tls_mode};
use super::{Context, Origin, Piece};
use crate::labels::Selector;
use crate::peer_authentication::MtlsMode;
use crate::protocol::Protocol;
use crate::service::ServiceKind;
use crate::workload::WorkloadSource;
use mesh_envoy::api::cluster::{self, Cluster, ClusterDiscoveryType, ClusterLbPolicy};
use mesh_envoy::api::{Any, Duration, Struct, Value, core, dynamic_forward_proxy, extensions, upstream_http};
use mesh_model::Node;
use settings::{connection_pool, keeps_protocol, retry_budget};

pub const BLACK_HOLE: &str = "BlackHoleCluster";
pub const PASSTHROUGH: &str = "PassthroughCluster";
pub const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";
pub const ALLOW_ANY_BY_NAME: &str = "AllowAnyDynamicDNSCluster";

/// `outbound|PORT|SUBSET|HOST`
pub fn name(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// The server name by which a gateway between networks tells clusters apart.
pub fn sni(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// All clusters of a proxy.
pub fn all<'a>(cx: &mut Context<'_, 'a>) -> Vec<Piece<'a, Cluster>> {
    let mut out = Vec::new();
    for i in 0..cx.scope.services.len() {
        let service = cx.scope.services[i].clone();
        of_service(cx, &service, &mut out);
    }
    rest(cx, &mut out);
    let mut seen = rustc_hash::FxHashSet::default();
    out.retain(|p| seen.insert(p.message.name.clone()));
    // There may be many thousands.
    out.shrink_to_fit();
    out
}

/// The clusters of the ports and subsets of one service.
pub fn of_service<'a>(cx: &mut Context<'_, 'a>, service: &RegisteredService<'a>, out: &mut Vec<Piece<'a, Cluster>>) {
    if !is_alias(service) {
        outbound(cx, service, out);
    }
}

/// The fixed ones, those of the proxy's own ports, and those behind the `AUTO_PASSTHROUGH` servers of a gateway.
pub fn rest<'a>(cx: &mut Context<'_, 'a>, out: &mut Vec<Piece<'a, Cluster>>) {
    out.push(Piece::fixed(fixed(cx, BLACK_HOLE, ClusterDiscoveryType::Static)));
    if cx.proxy.kind == ProxyKind::Sidecar {
        out.push(Piece::fixed(passthrough(cx)));
        if cx.scope.unknown == Unknown::AllowByName {
            out.push(Piece::fixed(by_name(cx)));
        }
        out.extend(inbound::all(cx));
        let mut inbound = fixed(cx, INBOUND_PASSTHROUGH, ClusterDiscoveryType::OriginalDst);
        inbound.alt_stat_name = format!("{PASSTHROUGH};");
        inbound.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
        let mut inbound = limited(cx, inbound);
        inbound.upstream_bind_config = Some(Box::new(bind_to(cx.proxy.inbound_source())));
        if let Some(bind) = inbound.upstream_bind_config.as_mut().filter(|_| cx.proxy.is_dual()) {
            let address = core::SocketAddress { address: "::6".into(), port_value: Some(0), ..Default::default() };
            bind.extra_source_addresses = vec![core::ExtraSourceAddress { address: Some(address) }];
        }
        set_http(&mut inbound, passthrough_http());
        out.push(Piece::fixed(inbound));
    } else if cx.gateway.as_ref().is_some_and(|g| g.has_auto_passthrough()) {
        for i in 0..cx.scope.services.len() {
            let service = cx.scope.services[i].clone();
            if !service.is_external && !is_alias(&service) {
                sni_dnat(cx, &service, out);
            }
        }
    }
}

pub fn fixed(cx: &Context<'_, '_>, name: &str, kind: ClusterDiscoveryType) -> Cluster {
    Cluster {
        name: name.to_owned(),
        alt_stat_name: format!("{name};"),
        r#type: Some(kind as i32),
        connect_timeout: Some(cx.connect_timeout()),
        ..Default::default()
    }
}

pub fn passthrough_http() -> upstream_http::HttpProtocolOptions {
    upstream_http::HttpProtocolOptions {
        common_http_protocol_options: Some(core::HttpProtocolOptions { idle_timeout: Some(Duration::from_seconds(300)), ..Default::default() }),
        use_downstream_protocol_config: Some(either_protocol()),
        ..Default::default()
    }
}

fn either_protocol() -> upstream_http::HttpProtocolOptionsUseDownstreamHttpConfig {
    upstream_http::HttpProtocolOptionsUseDownstreamHttpConfig {
        http_protocol_options: Some(core::Http1ProtocolOptions::default()),
        http2_protocol_options: Some(core::Http2ProtocolOptions::default()),
    }
}

fn passthrough(cx: &Context<'_, '_>) -> Cluster {
    let mut out = fixed(cx, PASSTHROUGH, ClusterDiscoveryType::OriginalDst);
    out.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
    let mut out = limited(cx, out);
    set_http(&mut out, passthrough_http());
    out.filters = filters::cluster_exchange(cx).into_iter().collect();
    out
}

/// What is let through, with what the mesh sets of connections; what it sets of requests does not count (istio/istio,
/// pilot/pkg/networking/core/cluster_builder.go, `buildDefaultPassthroughCluster`).
fn limited(cx: &Context<'_, '_>, cluster: Cluster) -> Cluster {
    let mut building = Building { cluster, http: upstream_http::HttpProtocolOptions::default() };
    connection_pool(cx, &mut building, cx.model.mesh.config.at(&["defaultTrafficPolicy", "connectionPool"]));
    building.cluster
}

fn by_name(cx: &Context<'_, '_>) -> Cluster {
    let config =
        dynamic_forward_proxy::ClusterConfig { dns_cache_config: Some(filters::name_cache()), allow_insecure_cluster_options: true, ..Default::default() };
    let mut out = fixed(cx, ALLOW_ANY_BY_NAME, ClusterDiscoveryType::Static);
    out.r#type = None;
    out.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
    out.cluster_type =
        Some(Box::new(cluster::ClusterCustomClusterType { name: "envoy.clusters.dynamic_forward_proxy".into(), typed_config: Some(Any::pack(&config)) }));
    out.circuit_breakers = Some(unlimited());
    set_http(&mut out, passthrough_http());
    out.filters = filters::cluster_exchange(cx).into_iter().collect();
    out
}

pub fn set_http(cluster: &mut Cluster, options: upstream_http::HttpProtocolOptions) {
    if options != upstream_http::HttpProtocolOptions::default() {
        cluster.typed_extension_protocol_options.insert("envoy.extensions.upstreams.http.v3.HttpProtocolOptions".into(), Any::pack(&options));
    }
}

fn bind_to(address: &str) -> core::BindConfig {
    let source = core::SocketAddress { address: address.to_owned(), port_value: Some(0), ..Default::default() };
    core::BindConfig { source_address: Some(source), ..Default::default() }
}

/// How the endpoints of a service come to a proxy.
pub fn discovery(cx: &Context<'_, '_>, service: &RegisteredService<'_>) -> ClusterDiscoveryType {
    match service.resolution {
        Resolution::Dns => ClusterDiscoveryType::StrictDns,
        Resolution::DnsRoundRobin => ClusterDiscoveryType::LogicalDns,
        Resolution::Passthrough if cx.proxy.kind != ProxyKind::Router => ClusterDiscoveryType::OriginalDst,
        _ => ClusterDiscoveryType::Eds,
    }
}

pub fn services_metadata<'s, 'a: 's>(services: impl Iterator<Item = &'s RegisteredService<'a>>) -> Struct {
    let of = |s: &RegisteredService<'_>| {
        Value::from(
            [("host", Value::from(s.host.as_str())), ("name", Value::from(s.name)), ("namespace", Value::from(s.namespace))].into_iter().collect::<Struct>(),
        )
    };
    std::iter::once(("services", Value::from(services.map(of).collect::<Vec<_>>()))).collect()
}

/// A cluster before policies.
pub fn base(cx: &Context<'_, '_>, name: String, service: &RegisteredService<'_>, port: &ServicePort<'_>, kind: ClusterDiscoveryType) -> Building {
    let mut out = fixed(cx, &name, kind);
    let mut http = upstream_http::HttpProtocolOptions::default();
    out.common_lb_config = Some(cluster::ClusterCommonLbConfig::default());
    match kind {
        ClusterDiscoveryType::StrictDns | ClusterDiscoveryType::LogicalDns => {
            out.dns_lookup_family = cluster::ClusterDnsLookupFamily::V4Only as i32;
            out.dns_refresh_rate = Some(cx.mesh_duration("dnsRefreshRate", Duration::from_seconds(60)));
            out.dns_jitter = Some(Duration::from_millis(100));
            out.respect_dns_ttl = true;
            out.typed_dns_resolver_config = Some(Box::new(core::TypedExtensionConfig {
                name: "envoy.network.dns_resolver.cares".into(),
                typed_config: Some(Any::pack(&extensions::CaresDnsResolverConfig { udp_max_queries: Some(100) })),
            }));
        }
        ClusterDiscoveryType::OriginalDst => {
            let other = port.target.parse::<u32>().ok().filter(|t| *t != 0 && service.kind == ServiceKind::ServiceEntry);
            out.original_dst_lb_config = other.map(|p| Box::new(cluster::ClusterOriginalDstLbConfig { upstream_port_override: Some(p), ..Default::default() }));
        }
        _ => {}
    }
    match port.protocol {
        Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb => http.explicit_http_config = Some(http2()),
        Protocol::Unsupported if cx.proxy.kind != ProxyKind::Router => http.use_downstream_protocol_config = Some(either_protocol()),
        _ => {}
    }
    Building { cluster: out, http }
}

fn http2() -> upstream_http::HttpProtocolOptionsExplicitHttpConfig {
    upstream_http::HttpProtocolOptionsExplicitHttpConfig { http2_protocol_options: Some(core::Http2ProtocolOptions::default()), ..Default::default() }
}

/// A cluster that is not finished.
pub struct Building {
    pub cluster: Cluster,
    pub http: upstream_http::HttpProtocolOptions,
}

impl Building {
    pub fn is_http2(&self) -> bool {
        self.http.explicit_http_config.as_ref().is_some_and(|c| c.http2_protocol_options.is_some())
    }
    fn is_passthrough(&self) -> bool {
        self.cluster.r#type == Some(ClusterDiscoveryType::OriginalDst as i32)
    }
    /// One whose hosts the proxy resolves by the names that are asked for.
    pub fn resolve(&mut self, cache: dynamic_forward_proxy::DnsCacheConfig) {
        let config = dynamic_forward_proxy::ClusterConfig { dns_cache_config: Some(cache), ..Default::default() };
        self.cluster.r#type = None;
        self.cluster.common_lb_config = None;
        self.cluster.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
        self.cluster.cluster_type =
            Some(Box::new(cluster::ClusterCustomClusterType { name: "envoy.clusters.dynamic_forward_proxy".into(), typed_config: Some(Any::pack(&config)) }));
    }
    pub fn finish(mut self) -> Cluster {
        if self.cluster.r#type == Some(ClusterDiscoveryType::Eds as i32) {
            let service_name = self.cluster.name.clone();
            self.cluster.eds_cluster_config = Some(cluster::ClusterEdsClusterConfig { eds_config: Some(filters::ads()), service_name });
        }
        let none = self.http.explicit_http_config.is_none() && self.http.use_downstream_protocol_config.is_none();
        if none && self.http != upstream_http::HttpProtocolOptions::default() {
            // Options need a protocol to stand with.
            let http = upstream_http::HttpProtocolOptionsExplicitHttpConfig {
                http_protocol_options: Some(core::Http1ProtocolOptions::default()),
                ..Default::default()
            };
            self.http.explicit_http_config = Some(http);
        }
        set_http(&mut self.cluster, self.http);
        self.cluster
    }
}

/// The clusters of a service's ports and subsets.
fn outbound<'a>(cx: &mut Context<'_, 'a>, service: &RegisteredService<'a>, out: &mut Vec<Piece<'a, Cluster>>) {
    let rules = cx.rules(service);
    let accounts = cx.accounts(service);
    for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
        let mut origins = vec![Origin { object: service.object, node: port.node }];
        origins.extend(rules.origins());
        let policy = rules.policy(port.number).or_of_mesh(&cx.model.mesh.config);
        let whole = Wanted { service, port, rules: &rules, policy, subset: None, accounts: &accounts };
        if let Some(cluster) = whole.build(cx) {
            out.push(Piece { message: cluster, origins: origins.clone(), parts: Vec::new() });
        }
        for subset in rules.subsets() {
            let policy = Rules::subset_policy_over(whole.policy, &subset, port.number);
            let wanted = Wanted { policy, subset: Some(subset), ..whole };
            if let Some(cluster) = wanted.build(cx) {
                let mut origins = origins.clone();
                origins.insert(1, Origin { object: subset.object, node: subset.node });
                out.push(Piece { message: cluster, origins, parts: Vec::new() });
            }
        }
    }
}

/// What a cluster is made of.
#[derive(Clone, Copy)]
pub struct Wanted<'w, 'a> {
    pub service: &'w RegisteredService<'a>,
    pub port: &'w ServicePort<'a>,
    pub rules: &'w Rules<'a>,
    pub policy: TrafficPolicy<'a>,
    pub subset: Option<Subset<'a>>,
    pub accounts: &'w [String],
}

impl<'a> Wanted<'_, 'a> {
    fn build(&self, cx: &mut Context<'_, 'a>) -> Option<Cluster> {
        let Wanted { service, port, rules, policy, subset, .. } = *self;
        let subset_name = subset.map_or("", |s| s.name);
        let mut kind = discovery(cx, service);
        let simple = policy.load_balancer.map_or("", |l| l.text_of("simple"));
        // A subset is what the whole is, and may be more of it by its own policy, whatever it says of the port.
        let of_whole = rules.policy(port.number).load_balancer;
        let of_subset = subset.and_then(|s| s.node.at(&["trafficPolicy", "loadBalancer"]));
        if simple == "PASSTHROUGH" || [of_whole, of_subset].into_iter().flatten().any(|l| l.text_of("simple") == "PASSTHROUGH") {
            kind = ClusterDiscoveryType::OriginalDst;
        }
        let mut building = base(cx, name(port.number, subset_name, &service.host), service, port, kind);
        if matches!(kind, ClusterDiscoveryType::StrictDns | ClusterDiscoveryType::LogicalDns) {
            let assignment = endpoint::assignment(cx, service, port, subset.as_ref(), &policy, endpoint::From::Caller)?;
            building.cluster.load_assignment = Some(Box::new(assignment));
        }
        self.connections(cx, &mut building);
        if service.resolves_wildcard() {
            building.resolve(filters::wildcard_cache(cx, &service.host));
        } else {
            outliers(&mut building.cluster, policy.outlier_detection);
            balance(&mut building.cluster, policy.load_balancer, simple);
        }
        if Setting::of(cx, service, &policy).is_some_and(|s| s.is_weighted(&policy)) {
            building.cluster.common_lb_config.get_or_insert_default().locality_weighted_lb_config =
                Some(cluster::ClusterCommonLbConfigLocalityWeightedLbConfig {});
        }
        self.encryption(cx, &mut building);
        if cx.sends_hbone() {
            super::waypoint::or_by_hbone(&mut building.cluster, policy.tls.map_or("", |t| t.text_of("mode")));
        }
        if let Some(protocol) = policy.proxy_protocol {
            proxy_protocol::introduce(&mut building.cluster, protocol);
        }
        building.cluster.filters = filters::cluster_exchange(cx).into_iter().collect();

        let mut istio = if service.resolves_wildcard() { Struct::default() } else { services_metadata(std::iter::once(service)) };
        if let Some(config) = rules.config() {
            istio.insert("config", Value::from(config.as_str()));
        }
        if let Some(subset) = subset {
            istio.insert("subset", Value::from(subset.name));
        } else if cx.sends_hbone() && self.all_take_hbone(cx) {
            istio.insert("disable_mx", Value::from(true));
        } else if service.is_external {
            istio.insert("external", Value::from(true));
        }
        if matches!(tls_mode(&policy), "SIMPLE" | "MUTUAL") {
            istio.insert("alpn_override", Value::from("false"));
        }
        if istio != Struct::default() {
            building.cluster.metadata = Some(core::Metadata { filter_metadata: std::iter::once(("istio".to_owned(), istio)).collect(), ..Default::default() });
        }
        Some(building.finish())
    }

    /// Whether all that serve a port are reached by HBONE.
    fn all_take_hbone(&self, cx: &Context<'_, 'a>) -> bool {
        let all = cx.model.registry.endpoints(cx.model.mesh, self.service, self.port);
        // A waypoint's own Pods end tunnels, and are not counted.
        !all.is_empty() && all.iter().all(|e| e.takes_hbone && !crate::ambient::waypoint::is_own(|k| e.label(k)))
    }

    pub fn connections(&self, cx: &Context<'_, '_>, building: &mut Building) {
        let pool = self.policy.connection_pool;
        let upgrade = pool.and_then(|p| p.at(&["http", "h2UpgradePolicy"])).map_or("", Node::text);
        let by_mesh = cx.model.mesh.config.at(&["h2UpgradePolicy"]).map(Node::text) == Some("UPGRADE") && self.port.protocol.is_http();
        if !keeps_protocol(pool) && (upgrade == "UPGRADE" || (by_mesh && upgrade != "DO_NOT_UPGRADE")) && building.http.explicit_http_config.is_none() {
            building.http.use_downstream_protocol_config = None;
            building.http.explicit_http_config = Some(http2());
        }
        connection_pool(cx, building, pool);
        retry_budget(building, self.policy.retry_budget);
    }

    fn encryption(&self, cx: &mut Context<'_, 'a>, building: &mut Building) {
        let Wanted { service, port, policy, subset, accounts, rules } = *self;
        let resolves = service.resolves_wildcard();
        let default_sni = sni(port.number, subset.map_or("", |s| s.name), &service.host);
        // Of many hosts each has its own name.
        let default_sni = if resolves { "" } else { default_sni.as_str() };
        let Some(settings) = policy.tls else {
            if service.is_external || !cx.model.mesh.config.auto_mtls() || !cx.serves_mtls(service, port, building.is_passthrough()) {
                return;
            }
            let socket = tls::mesh_client(default_sni, accounts, building.is_http2(), cx.exchanges());
            if building.is_passthrough() {
                building.cluster.transport_socket = Some(socket);
                return;
            }
            if resolves {
                building.http.upstream_http_protocol_options =
                    Some(mesh_envoy::api::upstream_options::UpstreamHttpProtocolOptions { auto_sni: true, auto_san_validation: true, ..Default::default() });
            }
            let matches = |name: &str, fields: Struct, socket| cluster::ClusterTransportSocketMatch {
                name: name.to_owned(),
                r#match: Some(fields),
                transport_socket: Some(socket),
            };
            building.cluster.transport_socket_matches = vec![
                matches("tlsMode-istio", std::iter::once(("tlsMode", Value::from("istio"))).collect(), socket),
                matches("tlsMode-disabled", Struct::default(), tls::plaintext()),
            ];
            return;
        };
        match settings.text_of("mode") {
            "ISTIO_MUTUAL" => {
                let own: Vec<String> = settings.list("subjectAltNames").map(|n| n.text().to_owned()).collect();
                let sni = Some(settings.text_of("sni")).filter(|s| !s.is_empty()).unwrap_or(default_sni);
                building.cluster.transport_socket =
                    Some(tls::mesh_client(sni, if own.is_empty() { accounts } else { &own }, building.is_http2(), cx.exchanges()));
            }
            "SIMPLE" | "MUTUAL" => {
                // Sidecars fetch credentials only for rules that select workloads.
                let credential = settings.text_of("credentialName");
                if !credential.is_empty() && cx.proxy.kind == ProxyKind::Sidecar && !rules.is_for_some_workloads() && !credential.starts_with("configmap://") {
                    return;
                }
                let names = if service.kind == ServiceKind::ServiceEntry { accounts } else { &[] };
                if settings.text_of("sni").is_empty() {
                    building.http.upstream_http_protocol_options = Some(automatic_sni(settings));
                }
                building.cluster.transport_socket = tls::own_client(settings, names, building.is_http2(), cx.tls_defaults());
            }
            _ => {}
        }
    }
}

/// The server name of what is called, where a rule asks for TLS and names none.
pub fn automatic_sni(settings: Node<'_>) -> mesh_envoy::api::upstream_options::UpstreamHttpProtocolOptions {
    let validates = settings.get("subjectAltNames").is_none_or(Node::is_empty) && settings.get("insecureSkipVerify").and_then(Node::bool) != Some(true);
    mesh_envoy::api::upstream_options::UpstreamHttpProtocolOptions { auto_sni: true, auto_san_validation: validates, ..Default::default() }
}

/// Clusters behind an `AUTO_PASSTHROUGH` server: named by the server name, without TLS of their own.
fn sni_dnat<'a>(cx: &mut Context<'_, 'a>, service: &RegisteredService<'a>, out: &mut Vec<Piece<'a, Cluster>>) {
    let rules = cx.rules(service);
    let subsets = rules.subsets();
    for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
        let whole = rules.policy(port.number).or_of_mesh(&cx.model.mesh.config);
        for subset in std::iter::once(None).chain(subsets.iter().map(Some)) {
            let name = subset.map_or("", |s| s.name);
            let policy = subset.map_or(whole, |s| Rules::subset_policy_over(whole, s, port.number));
            let mut building = base(cx, sni(port.number, name, &service.host), service, port, discovery(cx, service));
            connection_pool(cx, &mut building, policy.connection_pool);
            retry_budget(&mut building, policy.retry_budget);
            outliers(&mut building.cluster, policy.outlier_detection);
            balance(&mut building.cluster, policy.load_balancer, policy.load_balancer.map_or("", |l| l.text_of("simple")));
            building.cluster.filters = filters::cluster_exchange(cx).into_iter().collect();
            let mut istio = services_metadata(std::iter::once(service));
            if let Some(config) = rules.config() {
                istio.insert("config", Value::from(config.as_str()));
            }
            if let Some(subset) = subset {
                istio.insert("subset", Value::from(subset.name));
            }
            building.cluster.metadata = Some(core::Metadata { filter_metadata: std::iter::once(("istio".to_owned(), istio)).collect(), ..Default::default() });
            let mut origins = vec![Origin { object: service.object, node: port.node }];
            origins.extend(rules.origins());
            out.push(Piece { message: building.finish(), origins, parts: Vec::new() });
        }
    }
}

impl<'a> Context<'_, 'a> {
    /// The rules of a service's host, for this proxy.
    pub fn rules(&self, service: &RegisteredService<'a>) -> Rules<'a> {
        Rules::of(self.model, &self.proxy, service)
    }

    /// Whether servers of a service take mutual TLS, as far as the control plane tells clients: by the policies of
    /// mesh and namespace, and where nothing stands between by all endpoints.
    fn serves_mtls(&self, service: &RegisteredService<'a>, port: &ServicePort<'a>, is_passthrough: bool) -> bool {
        if service.resolution == Resolution::Passthrough || is_passthrough {
            let endpoints = self.model.registry.endpoints(self.model.mesh, service, port);
            if endpoints.is_empty() || endpoints.iter().any(|e| e.takes_mtls != Some(true)) {
                return false;
            }
        }
        self.model.mesh.peer_authentications.of_namespace(service.namespace).mode != MtlsMode::Disable
    }

    /// The identities of those who serve a service, sorted.
    fn accounts(&self, service: &RegisteredService<'a>) -> Vec<String> {
        let mesh = self.model.mesh;
        let domains = || std::iter::once(mesh.config.trust_domain()).chain(mesh.config.trust_domain_aliases());
        let spiffe = |namespace: &str, account: &str| domains().map(|d| format!("spiffe://{d}/ns/{namespace}/sa/{account}")).collect::<Vec<_>>();
        let selector = mesh.services.get(service.id).selector();
        let mut out: Vec<String> = Vec::new();
        if !selector.is_empty() {
            // Of what runs nowhere istiod sees no account.
            let workloads = mesh.workloads.matching(Some(service.namespace), &selector).filter(|w| w.source == WorkloadSource::Pod || w.is_ready());
            out.extend(workloads.flat_map(|w| spiffe(w.namespace, w.service_account())));
        }
        if service.kind == ServiceKind::ServiceEntry {
            let spec = service.object.spec();
            out.extend(spec.into_iter().flat_map(|s| s.list("subjectAltNames")).map(|n| n.text().to_owned()));
            let of_endpoints = spec.into_iter().flat_map(|s| s.list("endpoints")).map(|e| e.text_of("serviceAccount"));
            out.extend(of_endpoints.filter(|a| !a.is_empty()).flat_map(|a| spiffe(service.namespace, a)));
            let entries = mesh.objects_in(mesh_model::Kind::WorkloadEntry, service.namespace).iter().filter(|_| !selector.is_empty());
            let selected = entries.filter_map(|o| o.spec()).filter(|e| Selector::matches(&selector, |k| e.at(&["labels", k]).map(Node::text)));
            out.extend(selected.map(|e| e.text_of("serviceAccount")).filter(|a| !a.is_empty()).flat_map(|a| spiffe(service.namespace, a)));
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}
