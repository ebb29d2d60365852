//! ## IST0118 PortNameIsNotUnderNamingConvention (Info)
//!
//! **What it checks.** A port of a Service whose name does not begin with a protocol that Istio knows.
//!
//! **Why it matters.** Istio has to look at the first bytes of each connection to find out what it is, and server-first
//! protocols are not found out at all.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {ports: [{name: web, port: 80}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {ports: [{name: http-web, port: 80}]}
//! ```
//!
//! ## IST0150 ExternalNameServiceTypeInvalidPortName (Warning)
//!
//! **What it checks.** A port of an ExternalName Service whose name tells no protocol, or tells `tcp`.
//!
//! **Why it matters.** A TCP listener for it takes the port of every address, and other traffic of that port with it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: api, namespace: shop}
//! spec: {type: ExternalName, externalName: api.example.com, ports: [{name: tcp, port: 443}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: api, namespace: shop}
//! spec: {type: ExternalName, externalName: api.example.com, ports: [{name: https, port: 443}]}
//! ```

use crate::codes::{IST0118, IST0150};
use crate::rule::{Context, Sink};
use mesh_model::{Object, Role};
use mesh_resolver::{Protocol, ServiceKind};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for service in cx.mesh.services.all().iter().filter(|s| s.kind == ServiceKind::Kubernetes && s.object.role == Role::Judged) {
        if is_istios(service.object) {
            continue;
        }
        let external = service.object.spec().is_some_and(|s| s.text_of("type") == "ExternalName");
        for port in service.ports.iter().filter(|p| service.protocol(p) == Protocol::Unsupported || (external && p.name == "tcp")) {
            let at = port.node.get("name").unwrap_or(port.node);
            let name = if port.name.is_empty() { "port without a name".to_owned() } else { format!("port name `{}`", port.name) };
            if external {
                sink.report(&IST0150, service.object, at, format!("{name} of an ExternalName Service does not tell a protocol other than TCP"))
                    .help("name it after its protocol (`https`, `http-api`), or set `appProtocol`");
            } else {
                sink.report(&IST0118, service.object, at, format!("{name} does not begin with a protocol, so Istio guesses it ({})", port.number))
                    .help("name it `<protocol>` or `<protocol>-<suffix>` (`http-web`, `tcp-db`), or set `appProtocol`");
            }
        }
    }
}

/// Services of the control plane and of gateways that Istio manages.
fn is_istios(service: &Object) -> bool {
    let managed = service.label("gateway.istio.io/managed");
    service.label("istio").is_some()
        || service.label("release") == Some("istio")
        || matches!(managed, Some("istio.io-gateway-controller" | "istio.io-mesh-controller" | "istio.io-eastwest-controller"))
}
