//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A mesh configuration that istiod refuses: addresses, ports, durations, localities and trust domains
//! that can't be. It stands in the file given with `--meshConfigFile`, or in `mesh` of the ConfigMap `istio`.
//!
//! **Why it matters.** istiod goes on with the configuration it had, or with the defaults: no change takes effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   mesh: 'defaultConfig: {discoveryAddress: istiod.istio-system.svc}'
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   mesh: 'defaultConfig: {discoveryAddress: "istiod.istio-system.svc:15012"}'
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** Extension providers without a name, a known type, or an address that can be reached, and settings that
//! istiod ignores.
//!
//! **Why it matters.** istiod only logs it; policies and telemetry that name the provider do not work.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   mesh: 'extensionProviders: [{name: authz, envoyExtAuthzGrpc: {service: authz.shop.svc.cluster.local}}]'
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   mesh: 'extensionProviders: [{name: authz, envoyExtAuthzGrpc: {service: authz.shop.svc.cluster.local, port: 9000}}]'
//! ```

use super::virtual_service::check_retries;
use crate::rule::{Context, Sink};
use crate::validation::{Checks, domain, duration, each_text, fields, has_text, int, message, messages, net, strings, text, traffic_policy};
use mesh_model::{Node, Object};
use rustc_hash::FxHashSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each_text(cx, sink, cx.mesh.snapshot.mesh_config.as_ref(), "mesh", Object::mesh_config, check);
}

fn at<'a>(node: Node<'a>, key: &str) -> Node<'a> {
    node.get(key).unwrap_or(node)
}

fn check<'a>(checks: &mut Checks<'a, '_>, mesh: Node<'a>) {
    check_port(checks, mesh, "proxyListenPort");
    duration::check(checks, mesh, "connectTimeout");
    if duration::field(mesh, "connectTimeout").is_some_and(|n| n > 3_600_000_000_000) {
        checks.error(at(mesh, "connectTimeout"), "`connectTimeout` is longer than an hour");
    }
    if duration::field(mesh, "protocolDetectionTimeout").is_some_and(|n| n % 1_000_000 != 0) {
        checks.error(at(mesh, "protocolDetectionTimeout"), "`protocolDetectionTimeout` is finer than a millisecond");
    }
    if let Some(config) = message(mesh, "defaultConfig") {
        check_proxy_config(checks, config);
    }
    traffic_policy::check_mesh_locality(checks, mesh);
    for (host, name) in messages(mesh, "serviceSettings").flat_map(|s| strings(s, "hosts")) {
        checks.valid(host, domain::wildcard(name));
    }
    if let Some(name) = mesh.get("trustDomain").and_then(Node::str) {
        checks.valid(at(mesh, "trustDomain"), trust_domain(name));
    }
    for (alias, name) in strings(mesh, "trustDomainAliases") {
        checks.valid(alias, trust_domain(name));
    }
    if let Some(curves) = message(mesh, "meshMTLS").and_then(|m| m.get("ecdhCurves")).filter(|c| !c.is_empty()) {
        checks.error(curves, "`meshMTLS` takes no `ecdhCurves`").help("`tlsDefaults` does");
    }
    if let Some(defaults) = message(mesh, "tlsDefaults") {
        check_curves(checks, defaults);
    }
    if let Some(policy) = message(mesh, "defaultTrafficPolicy") {
        traffic_policy::check_mesh_default(checks, policy);
    }
    if let Some(retries) = message(mesh, "defaultInboundHttpRetryPolicy") {
        check_retries(checks, retries);
        if int(retries, "attempts").unwrap_or(0) == 0 && fields::has(retries, "backoff") {
            checks.error(at(retries, "backoff"), "`backoff` is given, but `attempts` is 0");
        }
        for field in ["perTryTimeout", "retryRemoteLocalities", "retryIgnorePreviousHosts"] {
            if fields::has(retries, field) {
                checks.warn(at(retries, field), format!("`{field}` is ignored by `defaultInboundHttpRetryPolicy`"));
            }
        }
    }
    check_providers(checks, mesh);
}

fn check_port<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str) {
    if let Some(number) = int(node, field) {
        checks.valid(at(node, field), net::port(number).map_err(|why| format!("`{field}`: {why}")));
    }
}

fn trust_domain(name: &str) -> Result<(), String> {
    let labels = name.strip_suffix('.').unwrap_or(name);
    if !name.is_empty() && labels.split('.').all(domain::is_label) { Ok(()) } else { Err(format!("`{name}` is not a valid trust domain")) }
}

/// `host:port`, the host a name or an IP.
fn proxy_address(address: &str) -> Result<(), String> {
    let (host, port) = net::split_host_port(address)?;
    let number = port.parse::<i64>().map_err(|_| format!("`{port}` of `{address}` is no port"))?;
    net::port(number)?;
    if net::is_ip(host) || domain::fqdn(host).is_ok() { Ok(()) } else { Err(format!("`{host}` of `{address}` is neither a name nor an IP address")) }
}

/// An address that is given must be one, even an empty one where `empty` is an error.
fn check_address<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str) {
    let Some(address) = node.get(field).and_then(Node::str) else { return };
    checks.valid(at(node, field), proxy_address(&address.replacen("$(HOST_IP)", "127.0.0.1", 1)).map_err(|why| format!("`{field}`: {why}")));
}

fn check_proxy_config<'a>(checks: &mut Checks<'a, '_>, config: Node<'a>) {
    for field in ["configPath", "binaryPath", "serviceCluster"] {
        if config.get(field).is_some_and(|v| v.str() == Some("")) {
            checks.error(at(config, field), format!("`{field}` is empty"));
        }
    }
    duration::check(checks, config, "drainDuration");
    if duration::field(config, "drainDuration").is_some_and(|n| n % 1_000_000 == 0 && n >= 1_000_000 && n % 1_000_000_000 != 0) {
        checks.error(at(config, "drainDuration"), "`drainDuration` is no whole number of seconds");
    }
    check_address(checks, config, "discoveryAddress");
    if let Some(tracing) = message(config, "tracing") {
        check_tracing(checks, tracing);
    }
    for field in ["statsdUdpAddress", "envoyMetricsServiceAddress"] {
        if has_text(config, field) {
            check_address(checks, config, field);
        }
    }
    for field in ["envoyMetricsService", "envoyAccessLogService"] {
        if let Some(service) = message(config, field).filter(|s| has_text(*s, "address")) {
            check_address(checks, service, "address");
        }
    }
    check_port(checks, config, "proxyAdminPort");
    check_port(checks, config, "statusPort");
    if let Some(provider) = message(config, "privateKeyProvider") {
        check_key_provider(checks, provider);
    }
    if let Some(settings) = message(config, "connectionSettings") {
        check_connection_settings(checks, settings);
    }
}

fn check_tracing<'a>(checks: &mut Checks<'a, '_>, tracing: Node<'a>) {
    for tracer in ["lightstep", "zipkin", "datadog"] {
        let Some(node) = message(tracing, tracer) else { continue };
        if node.get("address").is_none() {
            checks.error(node, format!("`{tracer}` has no `address`"));
        }
        check_address(checks, node, "address");
        if tracer == "lightstep" && fields::lacks_text(node, "accessToken") {
            checks.error(node, "`lightstep` has no `accessToken`");
        }
    }
    if let Some(tls) = message(tracing, "tlsSettings") {
        traffic_policy::check_client_tls(checks, tls);
    }
}

fn check_key_provider<'a>(checks: &mut Checks<'a, '_>, provider: Node<'a>) {
    let Some((name, node)) = ["cryptomb", "qat"].into_iter().find_map(|n| message(provider, n).map(|p| (n, p))) else {
        checks.error(provider, "`privateKeyProvider` is neither `cryptomb` nor `qat`");
        return;
    };
    if node.get("pollDelay").is_none() || duration::field(node, "pollDelay") == Some(0) {
        checks.error(at(node, "pollDelay"), format!("`pollDelay` of `{name}` must be given, and above 0"));
    }
}

fn check_connection_settings<'a>(checks: &mut Checks<'a, '_>, settings: Node<'a>) {
    const LEAST: &[(&str, i64)] = &[
        ("listenerPerConnectionBufferLimitBytes", 0),
        ("clusterPerConnectionBufferLimitBytes", 0),
        ("httpMaxConcurrentStreams", 1),
        ("http2InitialStreamWindowSize", 65535),
        ("http2InitialConnectionWindowSize", 65535),
        ("listenerConnectionLimit", 1),
        ("globalDownstreamConnectionLimit", 1),
    ];
    for (field, least) in LEAST {
        if let Some(n) = int(settings, field).filter(|n| n < least) {
            checks.error(at(settings, field), format!("`{field}` is {n}, less than {least}"));
        }
    }
    for field in [
        "httpIdleTimeout",
        "httpMaxConnectionDuration",
        "httpDrainTimeout",
        "httpRequestTimeout",
        "httpRequestHeadersTimeout",
        "httpStreamIdleTimeout",
        "httpMaxStreamDuration",
    ] {
        if duration::field(settings, field).is_some_and(|n| n < 0) {
            checks.error(at(settings, field), format!("`{field}` is below zero"));
        }
    }
}

fn check_curves<'a>(checks: &mut Checks<'a, '_>, defaults: Node<'a>) {
    const CURVES: &[&str] = &["P-224", "P-256", "P-521", "P-384", "X25519", "X25519Kyber768Draft00", "X25519MLKEM768", ""];
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    for (node, curve) in strings(defaults, "ecdhCurves") {
        if !CURVES.contains(&curve) {
            let said = checks.warn_once("unknown curve", node, format!("`{curve}` is no curve that proxies know"));
            if let Some(near) = crate::spelling::nearest(curve, CURVES.iter().copied()) {
                said.help(format!("did you mean `{near}`?")).fix_value(near);
            }
        } else if !seen.insert(curve) {
            checks.warn_once("curve twice", node, format!("curve `{curve}` is given twice"));
        }
    }
}

/// Providers that call a service.
const CALLING: &[&str] = &[
    "envoyExtAuthzHttp",
    "envoyExtAuthzGrpc",
    "zipkin",
    "lightstep",
    "datadog",
    "opencensus",
    "skywalking",
    "envoyOtelAls",
    "opentelemetry",
    "envoyHttpAls",
    "envoyTcpAls",
];

/// What istiod only logs: the mesh configuration stands, the provider does not work.
fn check_providers<'a>(checks: &mut Checks<'a, '_>, mesh: Node<'a>) {
    let mut names: FxHashSet<&str> = FxHashSet::default();
    for provider in messages(mesh, "extensionProviders") {
        let name = text(provider, "name");
        if fields::lacks_text(provider, "name") {
            checks.warn(at(provider, "name"), "an extension provider has no `name`");
        } else if !names.insert(name) {
            checks.warn(at(provider, "name"), format!("extension provider `{name}` is given twice"));
        }
        if !provider.entries().any(|(k, v)| k.text() != "name" && !v.is_null()) && !name.is_empty() {
            checks.warn(provider, format!("extension provider `{name}` has no type, such as `zipkin` or `envoyExtAuthzGrpc`"));
        }
        for kind in CALLING {
            if let Some(settings) = message(provider, kind) {
                check_provider(checks, settings, name, kind);
            }
        }
    }
}

fn check_provider<'a>(checks: &mut Checks<'a, '_>, settings: Node<'a>, name: &str, kind: &str) {
    let service = text(settings, "service");
    if fields::lacks_text(settings, "service") {
        checks.warn(at(settings, "service"), format!("extension provider `{name}` has no `service`"));
    } else if let Err(why) = service_host(service) {
        checks.warn(at(settings, "service"), format!("`service` of extension provider `{name}`: {why}"));
    }
    if settings.get("port").is_none_or(|p| p.int().is_some_and(|n| net::port(n).is_err())) {
        checks.warn(at(settings, "port"), format!("extension provider `{name}` has no `port` in the range 1 to 65535"));
    }
    if kind == "lightstep" && fields::lacks_text(settings, "accessToken") {
        checks.warn(settings, format!("extension provider `{name}` has no `accessToken`"));
    }
    if kind == "opentelemetry" && message(settings, "http").is_some() && message(settings, "grpc").is_some() {
        checks.warn(at(settings, "grpc"), format!("extension provider `{name}` has both `http` and `grpc`"));
    }
    if let Some(status) = settings.get("statusOnError").and_then(Node::str).filter(|s| !s.is_empty())
        && !status.parse::<i64>().is_ok_and(|code| (100..600).contains(&code))
    {
        checks.warn(at(settings, "statusOnError"), format!("`statusOnError` of extension provider `{name}` is `{status}`, which is no HTTP status"));
    }
    if kind == "envoyExtAuthzHttp" && has_text(settings, "pathPrefix") && !text(settings, "pathPrefix").starts_with('/') {
        checks.warn(at(settings, "pathPrefix"), format!("`pathPrefix` of extension provider `{name}` does not begin with `/`"));
    }
}

/// A host, or `namespace/host`.
fn service_host(service: &str) -> Result<(), String> {
    if !service.contains('/') {
        return if net::is_ip(service) { Ok(()) } else { domain::fqdn(service) };
    }
    domain::namespaced_host(service, domain::HostOf::Sidecar).into_iter().next().map_or(Ok(()), |fault| Err(fault.message))
}
