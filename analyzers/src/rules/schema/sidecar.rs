//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A Sidecar that Istio refuses: no content, ports and binds that can't be, egress hosts without a
//! namespace, a catch-all listener that is not the last.
//!
//! **Why it matters.** The object never takes effect: proxies see what they saw before.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec:
//!   egress:
//!   - hosts: [reviews.shop.svc.cluster.local]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec:
//!   egress:
//!   - hosts: ["./*"]
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** Egress hosts that another one includes already, and settings without effect.
//!
//! **Why it matters.** The narrower host has no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec:
//!   egress:
//!   - hosts: ["./*", "./*"]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec:
//!   egress:
//!   - hosts: ["./*"]
//! ```

use crate::rule::{Context, Sink};
use crate::validation::domain::{self, HostOf};
use crate::validation::{Checks, Protocol, each, flag, has, has_text, int, labels, message, net, protocol, server_tls, strings, text, traffic_policy};
use mesh_model::{Kind, Node};
use rustc_hash::{FxHashMap, FxHashSet};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::Sidecar, check);
}

fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    let selector = message(spec, "workloadSelector");
    if let Some(selector) = selector
        && labels::check_selector(checks, selector, "labels")
    {
        return;
    }
    let listed = |key: &str| spec.get(key).is_some_and(|l| !l.is_empty());
    if !listed("egress") && !listed("ingress") && !has(spec, "outboundTrafficPolicy") && !has(spec, "inboundConnectionPool") {
        checks.error(spec, "a Sidecar has no content");
        return;
    }
    if let Some(selector) = selector.filter(|s| labels::is_empty_selector(*s, "labels")) {
        checks.warn(selector, "the workload selector has no labels, so the Sidecar applies to every workload of the namespace").help("leave the selector out");
    }
    check_ingress(checks, spec);
    if let Some(pool) = message(spec, "inboundConnectionPool") {
        traffic_policy::check_pool(checks, pool);
    }
    check_egress(checks, spec);
    if let Some(policy) = message(spec, "outboundTrafficPolicy") {
        check_outbound(checks, policy);
    }
}

fn check_ingress<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    let mut numbers: FxHashSet<i64> = FxHashSet::default();
    for listener in spec.list("ingress") {
        if listener.is_null() {
            checks.error(listener, "an ingress listener is null");
            continue;
        }
        let Some(port) = message(listener, "port") else {
            if listener.is_mapping() && !has(listener, "port") {
                checks.error(listener, "an ingress listener has no `port`");
            }
            continue;
        };
        check_target_port(checks, port);
        check_port(checks, port);
        let number = int(port, "number").unwrap_or(0);
        let number_at = port.get("number").unwrap_or(port);
        checks.valid(number_at, net::port(number));
        let bind = text(listener, "bind");
        if !bind.is_empty() {
            checks.valid(listener.get("bind").unwrap_or(listener), net::ip(bind));
        }
        if !numbers.insert(number) {
            checks.error(number_at, "two listeners have the same port number");
        }
        if has_text(listener, "defaultEndpoint") {
            check_default_endpoint(checks, listener.get("defaultEndpoint").unwrap_or(listener));
        }
        let proto = Protocol::parse(text(port, "protocol"));
        if let Some(tls) = message(listener, "tls") {
            check_ingress_tls(checks, tls, proto);
        }
        if let Some(pool) = message(listener, "connectionPool") {
            traffic_policy::check_pool(checks, pool);
            if has(pool, "http") && !proto.is_http() {
                checks
                    .warn(pool.get("http").unwrap_or(pool), format!("HTTP settings stand on port {number} (`{}`), which is not HTTP", text(port, "name")))
                    .help("only the TCP settings apply");
            }
        }
    }
}

fn check_target_port<'a>(checks: &mut Checks<'a, '_>, port: Node<'a>) {
    if int(port, "targetPort").is_some_and(|t| t > 0) {
        checks.error(port.get("targetPort").unwrap_or(port), "`targetPort` has no effect in a Sidecar");
    }
}

fn check_port<'a>(checks: &mut Checks<'a, '_>, port: Node<'a>) {
    if has_text(port, "name") {
        checks.valid(port.get("name").unwrap_or(port), domain::label("port name", text(port, "name")));
    }
    let proto = text(port, "protocol");
    if let Err(why) = protocol::known(proto) {
        let said = checks.error(port.get("protocol").unwrap_or(port), why);
        if let Some(near) = protocol::nearest(proto) {
            said.help(format!("did you mean `{near}`?")).fix_value(near);
        }
    }
}

fn check_default_endpoint<'a>(checks: &mut Checks<'a, '_>, at: Node<'a>) {
    let text = at.text();
    if let Some(path) = text.strip_prefix(net::UNIX) {
        checks.valid(at, net::unix_path(path));
        return;
    }
    let (host, port) = net::split_host_port(text).unwrap_or_else(|why| {
        checks.error(at, why);
        ("", "")
    });
    if !matches!(host, "" | "127.0.0.1" | "0.0.0.0" | "::1" | "::") {
        checks
            .error(at, "`defaultEndpoint` is neither on the loopback nor on the pod's own address")
            .help("use `127.0.0.1:PORT`, `0.0.0.0:PORT`, `[::1]:PORT`, `[::]:PORT` or `unix://PATH`");
    }
    match port.parse::<i64>() {
        Ok(number) => checks.valid(at, net::port(number)),
        Err(_) => {
            checks.error(at, format!("the port of `defaultEndpoint` `{text}` is no number"));
        }
    }
}

fn check_ingress_tls<'a>(checks: &mut Checks<'a, '_>, tls: Node<'a>, proto: Protocol) {
    let unsupported = |checks: &mut Checks<'a, '_>, field: &str| {
        checks.error(tls.get(field).unwrap_or(tls), format!("`{field}` is not supported in the TLS of a Sidecar's ingress"));
    };
    for field in ["subjectAltNames", "credentialNames", "tlsCertificates"] {
        if tls.get(field).is_some_and(|l| !l.is_empty()) {
            unsupported(checks, field);
        }
    }
    if flag(tls, "httpsRedirect") {
        unsupported(checks, "httpsRedirect");
    }
    if has_text(tls, "credentialName") {
        unsupported(checks, "credentialName");
    }
    let mode = text(tls, "mode");
    if matches!(mode, "ISTIO_MUTUAL" | "AUTO_PASSTHROUGH") {
        checks.error(tls.get("mode").unwrap_or(tls), format!("the mode {mode} is not supported in the TLS of a Sidecar's ingress"));
    }
    if !proto.is_tls() {
        checks.error(tls, "`tls` stands on a port that is neither HTTPS nor TLS");
    }
    server_tls::check(checks, tls);
}

fn check_egress<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    let count = spec.get("egress").map_or(0, Node::len);
    let mut numbers: FxHashSet<i64> = FxHashSet::default();
    let mut sockets: FxHashSet<&str> = FxHashSet::default();
    let mut catch_all = false;
    for (i, listener) in spec.list("egress").enumerate() {
        if listener.is_null() {
            checks.error(listener, "an egress listener is null");
            continue;
        }
        if !listener.is_mapping() {
            continue;
        }
        match message(listener, "port") {
            None if has(listener, "port") => {}
            None if catch_all => {
                checks.error(listener, "two egress listeners have no port");
                continue;
            }
            None if i + 1 == count => catch_all = true,
            None => {
                checks.error(listener, "an egress listener without a port is not the last one").help("it catches what the others leave; put it at the end");
            }
            Some(port) => {
                check_target_port(checks, port);
                check_egress_port(checks, listener, port);
                let number = int(port, "number").unwrap_or(0);
                if number == 0 {
                    if !sockets.insert(text(listener, "bind")) {
                        checks.error(listener, "two egress listeners have the same unix domain socket");
                    }
                } else if !numbers.insert(number) {
                    checks.error(port.get("number").unwrap_or(port), "two listeners have the same port number");
                }
            }
        }
        check_hosts(checks, listener);
    }
}

fn check_egress_port<'a>(checks: &mut Checks<'a, '_>, listener: Node<'a>, port: Node<'a>) {
    check_port(checks, port);
    let bind = text(listener, "bind");
    let at = listener.get("bind").unwrap_or(listener);
    let number = int(port, "number").unwrap_or(0);
    if number != 0 {
        checks.valid(port.get("number").unwrap_or(port), net::port(number));
        if !bind.is_empty() {
            checks.valid(at, net::ip(bind));
        }
        return;
    }
    match bind.strip_prefix(net::UNIX) {
        None => {
            checks.error(at, "an egress listener with port 0 is not bound to a unix domain socket");
        }
        Some(path) => checks.valid(at, net::unix_path(path)),
    }
    if !matches!(text(listener, "captureMode"), "" | "DEFAULT" | "NONE") {
        checks.error(listener.get("captureMode").unwrap_or(listener), "the capture mode of a unix domain socket is neither DEFAULT nor NONE");
    }
}

fn check_hosts<'a>(checks: &mut Checks<'a, '_>, listener: Node<'a>) {
    if listener.get("hosts").is_none_or(|h| h.is_sequence() && h.is_empty()) {
        checks.error(listener, "an egress listener has no `hosts`");
        return;
    }
    let own = checks.object.namespace();
    let mut seen: FxHashMap<&str, FxHashSet<&str>> = FxHashMap::default();
    for (at, host) in strings(listener, "hosts") {
        if let Some((namespace, name)) = host.split_once('/').filter(|(ns, _)| !ns.starts_with('~')) {
            let services = seen.entry(if namespace == "." { own } else { namespace }).or_default();
            let covered = if name == "*" { !services.is_empty() } else { services.contains(name) || services.contains("*") };
            if covered {
                checks.warn(at, format!("egress host `{host}` overlaps with another one of the listener"));
            }
            services.insert(name);
        }
        for fault in domain::namespaced_host(host, HostOf::Sidecar) {
            checks.error_once(&fault.key, at, fault.message);
        }
    }
    if seen.len() > 1 && seen.get("*").is_some_and(|s| s.contains("*")) {
        checks.warn(listener.get("hosts").unwrap_or(listener), "`*/*` selects everything; the other hosts have no effect");
    }
}

fn check_outbound<'a>(checks: &mut Checks<'a, '_>, policy: Node<'a>) {
    let mode = text(policy, "mode");
    let at = policy.get("mode").unwrap_or(policy);
    if mode == "ALLOW_ANY_DYNAMIC_DNS" || int(policy, "mode") == Some(3) {
        checks.error(at, "the mode ALLOW_ANY_DYNAMIC_DNS is for the mesh configuration only");
        return;
    }
    let Some(proxy) = message(policy, "egressProxy") else { return };
    // An absent mode is REGISTRY_ONLY here.
    if mode != "ALLOW_ANY" {
        checks.error(proxy, "`egressProxy` needs the mode ALLOW_ANY");
        return;
    }
    let host_at = proxy.get("host").unwrap_or(proxy);
    checks.valid(host_at, domain::fqdn(text(proxy, "host")));
    let Some(port) = message(proxy, "port") else {
        checks.error(proxy, "`egressProxy` has no `port`");
        return;
    };
    if has_text(proxy, "subset") {
        checks.valid(proxy.get("subset").unwrap_or(proxy), domain::label("subset name", text(proxy, "subset")));
    }
    checks.valid(port.get("number").unwrap_or(port), net::port(int(port, "number").unwrap_or(0)));
    if text(proxy, "host") == "*" {
        checks.error(host_at, "the host of `egressProxy` is `*`");
    }
}
