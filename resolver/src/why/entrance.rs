//! Ways into the cluster from outside: the addresses of load balancers, external addresses, and ports of nodes.

use super::answer::{Mark, Stage, Step, Thing};
use crate::translate::{Model, RegisteredService};
use mesh_model::{Kind, Node, Object};
use std::net::IpAddr;

/// Where an address leads from outside.
pub(super) struct Entrance<'m, 'a> {
    pub service: &'m RegisteredService<'a>,
    /// The Service's port.
    pub port: u16,
    pub step: Step,
    /// What was taken for granted.
    pub assumed: Option<String>,
}

/// How an address is one of a Service.
enum Way<'a> {
    /// The value that says so.
    Address(Node<'a>),
    Node,
    /// The input holds no nodes, and the port fits.
    SupposedNode,
}

/// The Service that stands behind a name or an address outside of the mesh, at a port.
pub(super) fn entrance<'m, 'a>(model: &'m Model<'_, 'a>, host: &str, port: u16) -> Option<Entrance<'m, 'a>> {
    let host = host.strip_suffix('.').unwrap_or(host).trim_matches(['[', ']']);
    let mut own: Vec<&'m RegisteredService<'a>> = model.registry.services.iter().filter(|s| s.object.kind == Kind::Service).collect();
    own.sort_by_key(|s| s.object.origin());
    // Several Services may share an address, each with its ports, and it may be a node's at the same time.
    let by_address: Vec<_> = own.iter().filter_map(|s| Some((*s, address(s.object, host)?))).collect();
    let with_port = by_address.iter().find(|(s, _)| s.port(port).is_some());
    let without = || by_address.first().map(|(s, node)| at(s, port, host, port, &Way::Address(*node)));
    match with_port {
        Some((service, node)) => Some(at(service, port, host, port, &Way::Address(*node))),
        None => by_port_of_node(model, &own, host, port).or_else(without),
    }
}

fn by_port_of_node<'m, 'a>(model: &'m Model<'_, 'a>, own: &[&'m RegisteredService<'a>], host: &str, port: u16) -> Option<Entrance<'m, 'a>> {
    let (service, number) = own.iter().find_map(|s| Some((*s, by_node_port(s.object, port)?)))?;
    let nodes = model.mesh.objects_everywhere(Kind::Node);
    let way = match nodes.iter().any(|n| is_node(n, host)) {
        true => Way::Node,
        false if nodes.is_empty() && host.parse::<IpAddr>().is_ok() => Way::SupposedNode,
        false => return None,
    };
    Some(at(service, number, host, port, &way))
}

fn at<'m, 'a>(service: &'m RegisteredService<'a>, port: u16, host: &str, asked: u16, way: &Way<'a>) -> Entrance<'m, 'a> {
    let object = service.object;
    let origin = object.origin();
    let (says, thing) = match way {
        Way::Address(node) => (format!("{host} is an address of {origin}"), Thing::at(object, *node)),
        Way::Node | Way::SupposedNode => (format!("{host}:{asked} is the port of a node for {origin}, port {port}"), Thing::whole(object)),
    };
    let step = match service.port(port) {
        Some(_) => Step::new(Stage::Host, Mark::Good, says).thing(thing),
        None => {
            let has: Vec<String> = service.ports.iter().map(|p| p.number.to_string()).collect();
            let says = format!("{says}, which has no port {port}");
            Step::new(Stage::Host, Mark::Broken, says).thing(thing).change(format!("call one of its ports ({}), or give it port {port}", has.join(", ")))
        }
    };
    let assumed = matches!(way, Way::SupposedNode).then(|| format!("{host} is the address of a node: the input holds none"));
    Entrance { service, port, step, assumed }
}

/// Where a Service says that an address or a name is its own.
fn address<'a>(service: &'a Object, host: &str) -> Option<Node<'a>> {
    let status = service.at(&["status", "loadBalancer"]);
    let of_balancer = status.into_iter().flat_map(|s| s.list("ingress")).flat_map(|i| [i.get("hostname"), i.get("ip")]).flatten();
    let typed = service.spec_at(&["loadBalancerIP"]);
    let external = service.spec().into_iter().flat_map(|s| s.list("externalIPs"));
    of_balancer.chain(typed).chain(external).find(|n| !n.text().is_empty() && n.text().trim_end_matches('.').eq_ignore_ascii_case(host))
}

/// The Service's port behind a node's.
fn by_node_port(service: &Object, port: u16) -> Option<u16> {
    let ports = service.spec().into_iter().flat_map(|s| s.list("ports"));
    let number = |p: Node<'_>, key: &str| p.get(key).and_then(Node::int).and_then(|n| u16::try_from(n).ok());
    ports.into_iter().find(|p| number(*p, "nodePort") == Some(port)).and_then(|p| number(p, "port"))
}

fn is_node(node: &Object, host: &str) -> bool {
    let addresses = node.at(&["status", "addresses"]).into_iter().flat_map(|a| a.items());
    node.name().eq_ignore_ascii_case(host) || addresses.into_iter().any(|a| a.text_of("address").eq_ignore_ascii_case(host))
}

/// The gateways with a server for a host: its name may lead to one of them.
pub(super) fn gateways(model: &Model<'_, '_>, host: &str) -> Vec<String> {
    let is_for = |pattern: &str| {
        let pattern = pattern.rsplit('/').next().unwrap_or(pattern);
        pattern != "*" && crate::host::covers(pattern, host)
    };
    let of_istio = model.mesh.objects_everywhere(Kind::Gateway).iter().filter(|g| {
        let servers = g.spec().into_iter().flat_map(|s| s.list("servers"));
        servers.into_iter().flat_map(|s| s.list("hosts")).any(|h| is_for(h.text()))
    });
    let of_api = model.mesh.objects_everywhere(Kind::K8sGateway).iter().filter(|g| {
        let listeners = g.spec().into_iter().flat_map(|s| s.list("listeners"));
        listeners.into_iter().any(|l| is_for(l.text_of("hostname")))
    });
    let mut out: Vec<String> = of_istio.chain(of_api).map(|g| g.origin()).collect();
    out.sort();
    out.dedup();
    out
}
