//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A Gateway that Istio refuses: no server, a host or port that can't be, TLS settings that don't fit
//! the protocol or lack a certificate.
//!
//! **Why it matters.** The object never takes effect: nothing listens.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: istio-system}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - port: {number: 443, name: https, protocol: HTTPS}
//!     hosts: [shop.example.com]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: istio-system}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - port: {number: 443, name: https, protocol: HTTPS}
//!     tls: {mode: PASSTHROUGH}
//!     hosts: [shop.example.com]
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** Settings of a Gateway that are accepted and have no effect, such as `httpsRedirect` on a port that is
//! not HTTP.
//!
//! **Why it matters.** What was meant does not happen.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: istio-system}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - port: {number: 443, name: https, protocol: HTTPS}
//!     tls: {mode: PASSTHROUGH, httpsRedirect: true}
//!     hosts: [shop.example.com]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: istio-system}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - port: {number: 80, name: http, protocol: HTTP}
//!     tls: {httpsRedirect: true}
//!     hosts: [shop.example.com]
//! ```

use crate::rule::{Context, Sink};
use crate::validation::domain::{self, HostOf};
use crate::validation::{Checks, Protocol, each, fields, has_text, int, message, net, server_tls, strings, text};
use mesh_model::{Kind, Node};
use rustc_hash::FxHashSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::Gateway, check);
}

fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    let object = checks.object;
    checks.valid(object.name_node(), domain::label("name of a Gateway", object.name()));
    if spec.get("servers").is_none_or(|s| s.is_sequence() && s.is_empty()) {
        checks.error(spec, "a Gateway has no `servers`");
    }
    for server in spec.list("servers") {
        if server.is_null() {
            checks.error(server, "a server is null");
        } else if server.is_mapping() {
            check_server(checks, server);
        }
    }
    let mut names: FxHashSet<&str> = FxHashSet::default();
    for server in fields::messages(spec, "servers") {
        let Some(port) = message(server, "port") else { continue };
        let name = text(port, "name");
        if port.get("name").is_none_or(|n| n.str().is_some()) && !names.insert(name) {
            checks.error(port.get("name").unwrap_or(port), format!("port name `{name}` is used by two servers")).help("names of ports are unique in a Gateway");
        }
        if !Protocol::parse(text(port, "protocol")).is_http() && server_tls::redirects(message(server, "tls")) {
            let tls = server.get("tls").unwrap_or(server);
            checks.warn(tls.get("httpsRedirect").unwrap_or(tls), "`httpsRedirect` has an effect on HTTP ports only");
        }
    }
}

fn check_server<'a>(checks: &mut Checks<'a, '_>, server: Node<'a>) {
    if server.get("hosts").is_none_or(|h| h.is_sequence() && h.is_empty()) {
        checks.error(server, "a server has no `hosts`");
    }
    // Gateways that Istio makes of Gateway API objects may name no namespace at all.
    let generated = checks.object.annotation("internal.istio.io/gateway-semantics") == Some("gateway");
    for (at, host) in strings(server, "hosts") {
        let host = if generated { host.strip_prefix("~/").unwrap_or(host) } else { host };
        for fault in domain::namespaced_host(host, HostOf::Gateway) {
            checks.error_once(&fault.key, at, fault.message);
        }
    }
    let bind = text(server, "bind");
    let port = message(server, "port");
    let port_fine = check_port(checks, server, port, bind);
    check_bind(checks, server, port, bind);
    let tls = message(server, "tls");
    if let Some(tls) = tls {
        server_tls::check(checks, tls);
    }
    let Some(port) = port.filter(|_| port_fine) else { return };
    let protocol = Protocol::parse(text(port, "protocol"));
    match tls {
        None if protocol.is_tls() && server.get("tls").is_none() => {
            checks
                .error_once("no tls", port.get("protocol").unwrap_or(port), format!("a server of the protocol {} has no `tls`", text(port, "protocol")))
                .help("add `tls` with a mode and a certificate");
        }
        Some(tls) if !protocol.is_tls() => {
            let passthrough = matches!(text(tls, "mode"), "" | "PASSTHROUGH" | "AUTO_PASSTHROUGH");
            if !protocol.is_http() {
                checks.error(tls, "`tls` stands on a port that is neither HTTPS nor TLS").help("use the protocol HTTPS or TLS");
            } else if !passthrough || ["caCertificates", "privateKey", "serverCertificate"].iter().any(|f| has_text(tls, f)) {
                checks.error(tls, "`tls` stands on a plain text HTTP port").help("use the protocol HTTPS; only `httpsRedirect` belongs here");
            }
        }
        _ => {}
    }
}

/// False when the port is refused.
fn check_port<'a>(checks: &mut Checks<'a, '_>, server: Node<'a>, port: Option<Node<'a>>, bind: &str) -> bool {
    let Some(port) = port else {
        if server.get("port").is_none() {
            checks.error(server, "a server has no `port`");
        }
        return false;
    };
    let mut fine = true;
    let protocol = text(port, "protocol");
    if Protocol::parse(protocol) == Protocol::Unsupported && port.get("protocol").is_none_or(|p| p.str().is_some()) {
        fine = false;
        let said = checks.error(port.get("protocol").unwrap_or(port), format!("protocol `{protocol}` of a server is not known"));
        match crate::validation::protocol::nearest(protocol) {
            Some(near) => said.help(format!("did you mean `{near}`?")).fix_value(near),
            None => said.help("HTTP, HTTPS, HTTP2, GRPC, TLS, TCP, MONGO, REDIS and MYSQL are"),
        };
    }
    let number = int(port, "number").unwrap_or(0);
    let number_given = port.get("number").is_none_or(|n| n.int().is_some());
    if number_given
        && (number > 0 || !bind.starts_with(net::UNIX))
        && let Err(why) = net::port(number)
    {
        fine = false;
        checks.error(port.get("number").unwrap_or(port), why);
    }
    if int(port, "targetPort").is_some_and(|t| t > 0) {
        fine = false;
        checks.error(port.get("targetPort").unwrap_or(port), "`targetPort` has no effect in a Gateway").help("the gateway's Service maps ports");
    }
    if fields::lacks_text(port, "name") {
        fine = false;
        checks.error_once(&format!("unnamed port {number} {protocol} {}", int(port, "targetPort").unwrap_or(0)), port, "a port of a server has no `name`");
    }
    fine
}

fn check_bind<'a>(checks: &mut Checks<'a, '_>, server: Node<'a>, port: Option<Node<'a>>, bind: &str) {
    let at = server.get("bind").unwrap_or(server);
    if let Some(path) = bind.strip_prefix(net::UNIX) {
        checks.valid(at, net::unix_path(path));
        if let Some(number) = port.filter(|p| int(*p, "number").unwrap_or(0) != 0) {
            let at = number.get("number").unwrap_or(number);
            let key =
                format!("port of a socket {} {} {} {}", at.text(), text(number, "protocol"), text(number, "name"), int(number, "targetPort").unwrap_or(0));
            checks.error_once(&key, at, format!("a server on a unix domain socket has the port number {}", at.text())).help("use 0");
        }
    } else if !bind.is_empty() {
        checks.valid(at, net::ip(bind));
    }
}
