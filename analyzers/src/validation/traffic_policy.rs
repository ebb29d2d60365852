//! Traffic policies: load balancing, pools, outlier detection, client TLS.

use super::fields::{self, flag, float, given, has_text, int, message, messages, strings, text};
use super::{Checks, domain, duration, net};
use mesh_model::Node;
use rustc_hash::FxHashSet;

const FIELDS: &[&str] = &["outlierDetection", "connectionPool", "loadBalancer", "tls", "portLevelSettings", "tunnel", "proxyProtocol", "retryBudget"];

/// What a policy is of. Istio warns of the policy of a whole rule only: what a subset or a port lacks it may have from
/// the rule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Rule,
    /// A subset or a port.
    Part,
}

/// A policy of a rule or of a subset.
pub fn check<'a>(checks: &mut Checks<'a, '_>, policy: Node<'a>, of: Of) {
    let is_empty = |v: Node<'_>| v.is_sequence() && v.is_empty();
    if FIELDS.iter().all(|f| policy.get(f).is_none_or(is_empty)) {
        checks.error(policy, "a traffic policy has no content");
        return;
    }
    if let (Some(_), Some(at)) = (policy.get("tunnel"), policy.get("proxyProtocol")) {
        checks.error(at, "both `tunnel` and `proxyProtocol` are given");
        return;
    }
    check_common(checks, policy, of);
    for port in policy.list("portLevelSettings") {
        if port.is_null() {
            checks.error(port, "an entry of `portLevelSettings` is null");
        } else if port.is_mapping() {
            if port.get("port").is_none() {
                checks.error(port, "an entry of `portLevelSettings` has no `port`");
            }
            if FIELDS[..4].iter().all(|f| port.get(f).is_none()) {
                checks.error(port, "an entry of `portLevelSettings` has no content");
            } else {
                check_common(checks, port, Of::Part);
            }
        }
    }
    if let Some(tunnel) = message(policy, "tunnel") {
        check_tunnel(checks, tunnel);
    }
}

fn check_common<'a>(checks: &mut Checks<'a, '_>, policy: Node<'a>, of: Of) {
    let outlier = message(policy, "outlierDetection");
    if let Some(o) = outlier {
        check_outlier(checks, o, of);
    }
    if let Some(pool) = message(policy, "connectionPool") {
        check_pool(checks, pool);
    }
    if let Some(lb) = message(policy, "loadBalancer") {
        check_load_balancer(checks, lb, outlier, of);
    }
    if let Some(tls) = message(policy, "tls") {
        check_client_tls(checks, tls);
    }
}

fn check_tunnel<'a>(checks: &mut Checks<'a, '_>, tunnel: Node<'a>) {
    let at = |f: &str| tunnel.get(f).unwrap_or(tunnel);
    if !matches!(text(tunnel, "protocol"), "" | "CONNECT" | "POST") {
        checks.error_once("protocol of a tunnel", at("protocol"), format!("protocol `{}` of a tunnel is neither CONNECT nor POST", text(tunnel, "protocol")));
    }
    let host = text(tunnel, "targetHost");
    if domain::fqdn(host).is_err() && !net::is_ip(host) {
        checks.error(at("targetHost"), format!("`targetHost` `{host}` is neither a domain name nor an IP address"));
    }
    if let Err(why) = net::port(int(tunnel, "targetPort").unwrap_or(0)) {
        checks.error(at("targetPort"), format!("`targetPort` of a tunnel: {why}"));
    }
}

fn check_outlier<'a>(checks: &mut Checks<'a, '_>, o: Node<'a>, of: Of) {
    duration::check(checks, o, "baseEjectionTime");
    if of == Of::Rule && int(o, "consecutiveErrors").is_some_and(|n| n != 0) {
        checks
            .warn(o.get("consecutiveErrors").unwrap_or(o), "`consecutiveErrors` is deprecated")
            .help("use `consecutive5xxErrors` or `consecutiveGatewayErrors`");
    }
    if !flag(o, "splitExternalLocalOriginErrors") && int(o, "consecutiveLocalOriginFailures").is_some_and(|n| n > 0) {
        checks
            .error(o.get("consecutiveLocalOriginFailures").unwrap_or(o), "`consecutiveLocalOriginFailures` needs `splitExternalLocalOriginErrors: true`")
            .help("set it, or leave the field out");
    }
    duration::check(checks, o, "interval");
    for field in ["maxEjectionPercent", "minHealthPercent"] {
        if let Some(n) = int(o, field).filter(|n| !(0..=100).contains(n)) {
            checks.error_once(&format!("percentage {n}"), o.get(field).unwrap_or(o), format!("`{field}` is {n}, outside of 0 to 100"));
        }
    }
}

/// A pool of a rule, or of a Sidecar.
pub fn check_pool<'a>(checks: &mut Checks<'a, '_>, pool: Node<'a>) {
    let (http, tcp) = (message(pool, "http"), message(pool, "tcp"));
    if pool.get("http").is_none() && pool.get("tcp").is_none() {
        checks.error(pool, "a connection pool has neither `http` nor `tcp`");
        return;
    }
    let negative = |checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str| {
        if int(node, field).is_some_and(|n| n < 0) {
            let at = node.get(field).unwrap_or(node);
            checks.error_once(&format!("negative {field}"), at, format!("`{field}` is {}, below zero", at.text()));
        }
    };
    if let Some(http) = http {
        for field in ["http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries", "maxConcurrentStreams"] {
            negative(checks, http, field);
        }
        duration::check(checks, http, "idleTimeout");
        if text(http, "h2UpgradePolicy") == "UPGRADE" && flag(http, "useClientProtocol") {
            checks.error(http.get("useClientProtocol").unwrap_or(http), "`useClientProtocol` contradicts `h2UpgradePolicy: UPGRADE`");
        }
        if let Some(keepalive) = message(http, "http2KeepAlive") {
            for field in ["interval", "timeout"] {
                if keepalive.get(field).is_none() {
                    checks.error(keepalive, format!("`http2KeepAlive` has no `{field}`"));
                } else {
                    duration::check(checks, keepalive, field);
                }
            }
        }
    }
    if let Some(tcp) = tcp {
        negative(checks, tcp, "maxConnections");
        duration::check(checks, tcp, "connectTimeout");
        duration::check(checks, tcp, "maxConnectionDuration");
        if duration::field(tcp, "idleTimeout").is_some_and(|n| n / 1_000_000 != 0) {
            duration::check(checks, tcp, "idleTimeout");
        }
        if let Some(keepalive) = message(tcp, "tcpKeepalive") {
            duration::check(checks, keepalive, "time");
            duration::check(checks, keepalive, "interval");
        }
    }
}

const TOPOLOGY: &[&str] = &["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

/// The load balancing of a whole mesh: endpoints are found unhealthy there by default.
pub fn check_mesh_locality<'a>(checks: &mut Checks<'a, '_>, mesh: Node<'a>) {
    if let Some(l) = message(mesh, "localityLbSetting") {
        check_locality(checks, l, Some(l), Of::Rule);
    }
    if let Some(z) = message(mesh, "zoneAwareLbSetting") {
        check_zones(checks, z, Some(z), Of::Rule);
    }
}

/// The policy of a mesh for every host.
pub fn check_mesh_default<'a>(checks: &mut Checks<'a, '_>, policy: Node<'a>) {
    if let Some(pool) = message(policy, "connectionPool") {
        check_pool(checks, pool);
    }
    if let Some(outlier) = message(policy, "outlierDetection") {
        check_outlier(checks, outlier, Of::Rule);
    }
}

fn check_load_balancer<'a>(checks: &mut Checks<'a, '_>, lb: Node<'a>, outlier: Option<Node<'a>>, of: Of) {
    if let Some(hash) = message(lb, "consistentHash") {
        check_hash(checks, hash, of);
    }
    let (locality, zones) = (message(lb, "localityLbSetting"), message(lb, "zoneAwareLbSetting"));
    if let (Some(_), Some(z)) = (locality, zones) {
        checks.error(z, "both `localityLbSetting` and `zoneAwareLbSetting` are given");
    }
    if let Some(l) = locality {
        check_locality(checks, l, outlier, of);
    }
    if let Some(z) = zones {
        check_zones(checks, z, outlier, of);
    }
    if let Some(warm) = message(lb, "warmup") {
        if warm.get("duration").is_none() {
            checks.error(warm, "`warmup` has no `duration`");
        } else {
            duration::check(checks, warm, "duration");
        }
        if float(warm, "minimumPercent").is_some_and(|p| p > 100.0) {
            checks.error(warm.get("minimumPercent").unwrap_or(warm), "`minimumPercent` of `warmup` is more than 100");
        }
        if float(warm, "aggression").is_some_and(|a| a <= 0.0) {
            checks.error(warm.get("aggression").unwrap_or(warm), "`aggression` of `warmup` is not above 0");
        }
    }
}

fn check_hash<'a>(checks: &mut Checks<'a, '_>, hash: Node<'a>, of: Of) {
    if let Some(cookie) = message(hash, "httpCookie") {
        if fields::lacks_text(cookie, "name") {
            checks.error(cookie, "`httpCookie` has no `name`");
        }
        let mut names: FxHashSet<&str> = FxHashSet::default();
        for attribute in messages(cookie, "attributes") {
            let name = text(attribute, "name");
            if name.is_empty() {
                checks.error(attribute, "an attribute of `httpCookie` has no `name`");
            } else if !names.insert(name) {
                checks.error(attribute, format!("attribute `{name}` of `httpCookie` is given twice"));
            }
        }
    }
    let ring = number(hash, "minimumRingSize");
    if ring.is_some_and(|n| n != 0) {
        let at = hash.get("minimumRingSize").unwrap_or(hash);
        if of == Of::Rule {
            checks.warn(at, "`minimumRingSize` is deprecated").help("use `ringHash.minimumRingSize`");
        }
        if hash.get("ringHash").is_some() || hash.get("maglev").is_some() {
            checks.error(at, "`minimumRingSize` stands beside `ringHash` or `maglev`").help("keep one of them");
        }
    }
    if let Some(maglev) = message(hash, "maglev") {
        let at = maglev.get("tableSize").unwrap_or(maglev);
        let size = number(maglev, "tableSize").unwrap_or(0);
        if size == 0 {
            checks.error(at, "`maglev` has no `tableSize`");
        }
        if size >= 5_000_011 {
            checks.error(at, format!("`tableSize` of `maglev` is {size}, not below 5000011"));
        }
        if !is_prime(size) {
            checks.error(at, format!("`tableSize` of `maglev` is {size}, which is no prime number"));
        }
    }
}

/// 64-bit numbers may be written as strings.
fn number(node: Node<'_>, key: &str) -> Option<i64> {
    let v = node.get(key)?;
    v.int().or_else(|| v.str()?.parse().ok())
}

fn is_prime(n: i64) -> bool {
    match n {
        i64::MIN..=0 => false,
        1..4 => true,
        _ if n & 1 == 0 => false,
        _ => (3..).step_by(2).take_while(|f| f * f <= n).take(1 << 20).all(|f| n % f != 0),
    }
}

fn check_locality<'a>(checks: &mut Checks<'a, '_>, lb: Node<'a>, outlier: Option<Node<'a>>, of: Of) {
    if given(lb, "distribute") && given(lb, "failover") {
        checks.error(lb.get("failover").unwrap_or(lb), "both `distribute` and `failover` are given");
        return;
    }
    if given(lb, "failover")
        && let Some((at, label)) = strings(lb, "failoverPriority").find(|(_, l)| TOPOLOGY.contains(l))
    {
        checks.error(at, format!("`failoverPriority` names `{label}`, which contradicts `failover`"));
        return;
    }
    let mut sources: Vec<(Node<'a>, &str)> = Vec::new();
    for d in messages(lb, "distribute") {
        sources.push((d.get("from").unwrap_or(d), text(d, "from")));
        let mut total = 0;
        let mut targets = Vec::new();
        for (locality, weight) in d.map("to") {
            targets.push((locality, locality.text()));
            let w = weight.int().unwrap_or(0);
            if !(1..=100).contains(&w) {
                checks.error(weight, "a weight of `distribute` is outside of 1 to 100");
                return;
            }
            total += w;
        }
        if total != 100 {
            checks.error(d.get("to").unwrap_or(d), format!("the weights of `distribute` add up to {total}, not to 100"));
            return;
        }
        check_localities(checks, &targets);
    }
    check_localities(checks, &sources);
    check_failover(checks, lb, outlier, of);
}

fn check_zones<'a>(checks: &mut Checks<'a, '_>, zones: Node<'a>, outlier: Option<Node<'a>>, of: Of) {
    for (at, label) in strings(zones, "failoverPriority").filter(|(_, l)| TOPOLOGY.contains(l)) {
        checks.error(at, format!("`failoverPriority` names `{label}`, which `zoneAwareLbSetting` handles itself"));
    }
    check_failover(checks, zones, outlier, of);
}

fn check_failover<'a>(checks: &mut Checks<'a, '_>, lb: Node<'a>, outlier: Option<Node<'a>>, of: Of) {
    let first = ["failover", "failoverPriority"].into_iter().find(|key| given(lb, key)).and_then(|key| lb.get(key));
    if let Some(at) = first
        && outlier.is_none()
        && of == Of::Rule
    {
        checks
            .warn(at, "failover without `outlierDetection` never happens: no endpoint is ever found unhealthy")
            .help("add `outlierDetection` to the same policy");
    }
    for failover in messages(lb, "failover") {
        let (from, to) = (text(failover, "from"), text(failover, "to"));
        if from == to {
            checks.error(failover, "a failover goes to the region that it comes from");
        }
        if from.contains('/') || to.contains('/') {
            checks.error(failover, "a failover names zones; it goes between regions");
        }
        if from.contains('*') || to.contains('*') {
            checks.error(failover, "a failover has a wildcard; it goes between two regions");
        }
    }
}

/// Localities that overlap, are empty in part, or have a wildcard in their middle. One message a list.
fn check_localities<'a>(checks: &mut Checks<'a, '_>, list: &[(Node<'a>, &str)]) {
    let mut seen: Vec<Vec<&str>> = Vec::new();
    for (at, locality) in list {
        let stars = locality.matches('*').count();
        if stars > 1 || (stars == 1 && !locality.ends_with('*')) {
            checks.error(*at, format!("locality `{locality}` has a wildcard before its end"));
            return;
        }
        let parts: Vec<&str> = locality.splitn(3, '/').collect();
        if !seen.iter().any(|s| s.first() == Some(&"*")) && parts.iter().any(|p| p.is_empty()) {
            checks.error(*at, format!("locality `{locality}` has an empty part"));
            return;
        }
        // The wider of two localities holds the narrower.
        let overlaps = |s: &Vec<&str>| s[0] == "*" || s.iter().zip(&parts).all(|(a, b)| a == b || *a == "*");
        if seen.iter().any(overlaps) {
            checks.error(*at, format!("locality `{locality}` overlaps with one before it"));
            return;
        }
        seen.push(parts);
    }
}

pub fn check_client_tls<'a>(checks: &mut Checks<'a, '_>, tls: Node<'a>) {
    let at = |f: &str| tls.get(f).unwrap_or(tls);
    let (mode, credential) = (text(tls, "mode"), text(tls, "credentialName"));
    if let Some(rest) = credential.strip_prefix("configmap://") {
        let namespace = checks.object.written_namespace();
        let mut parts = rest.split('/');
        let (ns, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if ns.is_empty() || name.is_empty() {
            checks.error(at("credentialName"), format!("`{credential}` is not `configmap://namespace/name`"));
        } else if ns != namespace || namespace.is_empty() {
            checks.error(at("credentialName"), format!("`{credential}` is in another namespace than the rule"));
        }
    }
    let sans = tls.get("subjectAltNames").is_some_and(|l| l.is_sequence() && !l.is_empty());
    if flag(tls, "insecureSkipVerify") {
        let verifies = has_text(tls, "caCertificates") || sans || (mode == "SIMPLE" && !credential.is_empty());
        if matches!(mode, "SIMPLE" | "MUTUAL") && verifies {
            checks.error(at("insecureSkipVerify"), "`insecureSkipVerify` contradicts what is given to verify the server with");
        }
    }
    if matches!(mode, "SIMPLE" | "MUTUAL") && !credential.is_empty() {
        if let Some(f) = ["clientCertificate", "caCertificates", "privateKey", "caCrl"].into_iter().find(|f| has_text(tls, f)) {
            checks.error(at(f), format!("`{f}` stands beside `credentialName`")).help("keep one of them");
        }
        return;
    }
    if mode == "MUTUAL" {
        for (field, what) in [("clientCertificate", "client certificate"), ("privateKey", "private key")] {
            if fields::lacks_text(tls, field) {
                checks.error(at(field), format!("TLS of the mode MUTUAL has no {what}")).help("Istio's own certificates are the mode ISTIO_MUTUAL");
            }
        }
    }
}
