//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A WorkloadEntry that Istio refuses: no address, an address that is neither an IP nor a name, a
//! unix socket with ports, bad ports and labels.
//!
//! **Why it matters.** The object never takes effect: no traffic reaches the machine it stands for.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadEntry
//! metadata: {name: vm, namespace: shop}
//! spec: {labels: {app: vm}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadEntry
//! metadata: {name: vm, namespace: shop}
//! spec: {address: 10.0.0.1, labels: {app: vm}}
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{Checks, domain, each, labels, net, text};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::WorkloadEntry, |checks, spec| check(checks, spec, Addresses::IpsAndNames, None));
}

/// What an endpoint's address may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    Ips,
    IpsAndNames,
}

/// An endpoint: a WorkloadEntry, or one of a ServiceEntry with its `service_ports`.
pub fn check<'a>(checks: &mut Checks<'a, '_>, entry: Node<'a>, addresses: Addresses, service_ports: Option<&[&str]>) {
    if entry.get("address").is_some_and(|a| a.str().is_none()) {
        return;
    }
    let address = text(entry, "address");
    let at = entry.get("address").unwrap_or(entry);
    if address.is_empty() {
        let network = text(entry, "network");
        if network.is_empty() {
            checks.error(at, "an endpoint has no `address`");
            return;
        }
        checks.warn(at, format!("an endpoint of network `{network}` has no `address`"));
    }
    let socket = address.strip_prefix(net::UNIX);
    if let Some(path) = socket {
        checks.valid(at, net::unix_path(path));
        if let Some(ports) = entry.get("ports").filter(|p| !p.is_empty()) {
            checks.error(ports, format!("endpoint `{address}` is a unix domain socket and has ports"));
        }
    } else if !address.is_empty() && !net::is_ip(address) {
        if addresses == Addresses::Ips {
            checks.error(at, format!("endpoint address `{address}` is no IP address"));
        } else if domain::fqdn(address).is_err() {
            checks.error(at, format!("endpoint address `{address}` is neither an IP address nor a domain name"));
        }
    }
    check_ports(checks, entry, service_ports);
    labels::check(checks, entry, "labels");
    if socket.is_some() && service_ports.is_some_and(|p| p.len() != 1) {
        checks.error(at, "a service entry with a unix domain socket needs exactly one port");
    }
}

/// The ports of an endpoint by their names, which are those of the ServiceEntry that it belongs to.
pub fn check_ports<'a>(checks: &mut Checks<'a, '_>, endpoint: Node<'a>, service_ports: Option<&[&str]>) {
    for (name, port) in endpoint.map("ports") {
        if service_ports.is_some_and(|known| !known.contains(&name.text())) {
            checks.error(name, format!("endpoint port `{}` is no port of the service entry", port.text()));
        }
        checks.valid(name, domain::label("port name", name.text()));
        if let Some(number) = port.int() {
            checks.valid(port, net::port(number));
        }
    }
}
