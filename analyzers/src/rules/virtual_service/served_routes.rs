//! ## MSH0105 RoutesNotServed (Warning)
//!
//! **What it checks.** The gateway of a VirtualService has servers for its hosts, and none of them takes routes of the kinds that the VirtualService
//! has. Servers for HTTP, and for HTTPS that they end, take `http`; those that pass TLS through take `tls`; those for bytes, and for
//! TLS that they end, take `tcp`.
//!
//! **Why it matters.** Routes of another kind are passed over: connections are closed, or requests get 404.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: ["*.example.com"], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: PASSTHROUGH}}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: shop}
//! spec: {hosts: [shop.example.com], gateways: [edge/public], http: [{directResponse: {status: 204}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - {hosts: ["*.example.com"], port: {name: http, number: 80, protocol: HTTP}}
//!   - {hosts: ["*.example.com"], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: PASSTHROUGH}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: shop}
//! spec: {hosts: [shop.example.com], gateways: [edge/public], http: [{directResponse: {status: 204}}]}
//! ```

use super::gateway_reference::{hosts_of_server, split_name};
use crate::codes::MSH0105;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{Protocol, host};
use std::collections::BTreeSet;

/// Lists of routes that a VirtualService may have.
const KINDS: &[&str] = &["http", "tls", "tcp"];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for vs in cx.mesh.objects(Kind::VirtualService).iter().copied().filter(|v| v.role == Role::Judged) {
        let Some(spec) = vs.spec() else { continue };
        let own: Vec<&str> = KINDS.iter().copied().filter(|kind| spec.list(kind).next().is_some()).collect();
        if own.is_empty() {
            continue;
        }
        for gateway in spec.list("gateways").filter(|g| g.text() != "mesh") {
            let (namespace, name) = split_name(gateway.text(), vs.namespace());
            let Some(target) = cx.mesh.find(Kind::Gateway, namespace, name) else { continue };
            let is_same = |o: &Object| o.name() == target.name() && o.namespace() == target.namespace();
            if cx.mesh.replaced(Kind::Gateway).any(is_same) {
                continue;
            }
            judge(sink, vs, spec, gateway, target, &own);
        }
    }
}

fn judge<'a>(sink: &mut Sink<'a>, vs: &'a Object, spec: Node<'a>, gateway: Node<'a>, target: &'a Object, own: &[&str]) {
    let mine = |server: &Node<'a>| spec.list("hosts").any(|h| hosts_of_server(*server, target, vs.namespace()).any(|s| host::overlaps(s, h.text())));
    let servers: Vec<Node<'a>> = target.spec().into_iter().flat_map(|s| s.list("servers")).filter(mine).collect();
    let taken: Option<BTreeSet<&str>> = servers.iter().map(|s| taken_by(*s)).collect();
    let Some(taken) = taken.filter(|t| !t.is_empty() && own.iter().all(|kind| !t.contains(kind))) else { return };
    let list = |kinds: &mut dyn Iterator<Item = &&str>| kinds.map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" and ");
    let says = format!(
        "gateway `{}` takes {} routes for these hosts, and the VirtualService has {} only: none of them is used there",
        gateway.text(),
        list(&mut taken.iter()),
        list(&mut own.iter())
    );
    let help = match (taken.contains("http"), own.contains(&"http")) {
        (true, _) => "write `http` routes, or let the server pass TLS through (`tls.mode: PASSTHROUGH`) or carry bytes (protocol TCP)",
        (_, true) => "end TLS at the server (protocol HTTPS, `tls.mode: SIMPLE` with a certificate), or route by server name (`tls`, `sniHosts`)",
        _ => "write `tls` routes where the server passes TLS through, `tcp` where it carries bytes or ends TLS itself",
    };
    let finding = sink.report(&MSH0105, vs, gateway, says);
    finding.help(help);
    for server in servers.iter().take(3) {
        finding.related(target, *server, "the server");
    }
}

/// The kind of routes that a server takes, as istiod builds its chains; `None` where that is not told, or none are.
fn taken_by(server: Node<'_>) -> Option<&'static str> {
    let protocol = Protocol::parse(server.get("port").map_or("", |p| p.text_of("protocol")));
    let mode = server.get("tls").map(|t| t.text_of("mode"));
    match (protocol, mode) {
        (_, Some("AUTO_PASSTHROUGH")) | (Protocol::Unsupported | Protocol::Udp, _) => None,
        (p, _) if p.is_http() => Some("http"),
        (p, Some("PASSTHROUGH" | "")) if p.is_tls() => Some("tls"),
        (Protocol::Https, Some(_)) => Some("http"),
        (Protocol::Https, None) => None,
        _ => Some("tcp"),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    fn is_told(server: &str, routes: &str) -> bool {
        let text = format!(
            "{{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {{name: g, namespace: shop}}, spec: {{selector: {{a: b}}, servers: [{{hosts: ['*'], {server}}}]}}}}\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: a, namespace: shop}}, spec: {{hosts: [x.com], gateways: [g], {routes}}}}}\n"
        );
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        !analyze(&mesh, &Options::default(), |r| r.name == "served-routes").findings.is_empty()
    }

    #[test]
    fn each_server_takes_one_kind_of_routes() {
        let routes = ["http: [{route: []}]", "tls: [{route: []}]", "tcp: [{route: []}]"];
        for (server, taken) in [
            ("port: {number: 80, protocol: HTTP}", 0),
            ("port: {number: 80, protocol: GRPC}", 0),
            ("port: {number: 443, protocol: HTTPS}, tls: {mode: SIMPLE}", 0),
            ("port: {number: 443, protocol: HTTPS}, tls: {mode: PASSTHROUGH}", 1),
            ("port: {number: 443, protocol: TLS}, tls: {mode: PASSTHROUGH}", 1),
            ("port: {number: 443, protocol: TLS}, tls: {mode: SIMPLE}", 2),
            ("port: {number: 3306, protocol: TCP}", 2),
        ] {
            for (i, routes) in routes.iter().enumerate() {
                assert_eq!(is_told(server, routes), i != taken, "{server} {routes}");
            }
            assert!(!is_told(server, &routes.join(", ")), "{server}");
        }
        assert!(!is_told("port: {number: 15443, protocol: TLS}, tls: {mode: AUTO_PASSTHROUGH}", routes[0]));
    }
}
