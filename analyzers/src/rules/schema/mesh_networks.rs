//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** Networks that istiod refuses: addresses, ranges, names and ports that can't be. They stand in the file
//! given with `--meshNetworksFile`, or in `meshNetworks` of the ConfigMap `istio`.
//!
//! **Why it matters.** istiod goes on with the networks it had: no change takes effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   meshNetworks: 'networks: {east: {endpoints: [{fromCidr: 10.0.0.0/33}]}}'
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio, namespace: istio-system}
//! data:
//!   meshNetworks: 'networks: {east: {endpoints: [{fromCidr: 10.0.0.0/16}], gateways: [{address: 192.0.2.1, port: 15443}]}}'
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{Checks, domain, each_text, has_text, messages, net, text};
use mesh_model::{Node, Object};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each_text(cx, sink, cx.mesh.snapshot.mesh_networks.as_ref(), "meshNetworks", Object::mesh_networks, check);
}

fn check<'a>(checks: &mut Checks<'a, '_>, networks: Node<'a>) {
    for (name, network) in networks.map("networks") {
        let of = |why: String| format!("network `{}`: {why}", name.text());
        for endpoint in messages(network, "endpoints") {
            if let Some(range) = endpoint.get("fromCidr").filter(|r| r.str().is_some()) {
                checks.valid(range, net::ip_or_cidr(range.text()).map_err(of));
            }
            if let Some(registry) = endpoint.get("fromRegistry").filter(|r| r.str().is_some()) {
                checks.valid(registry, domain::label("registry", registry.text()).map_err(of));
            }
        }
        for gateway in messages(network, "gateways") {
            if has_text(gateway, "registryServiceName") {
                let at = gateway.get("registryServiceName").unwrap_or(gateway);
                checks.valid(at, domain::fqdn(at.text()).map_err(of));
            }
            let address = text(gateway, "address");
            if !address.is_empty() && !net::is_ip(address) && domain::fqdn(address).is_err() {
                checks.error(gateway.get("address").unwrap_or(gateway), of(format!("`{address}` is neither an IP address nor a name")));
            }
            match gateway.get("port") {
                Some(port) => {
                    if let Some(number) = port.int() {
                        checks.valid(port, net::port(number).map_err(of));
                    }
                }
                None => {
                    checks.error(gateway, of("a gateway has no `port`".to_owned())).help("gateways between networks listen on 15443");
                }
            }
        }
    }
}
