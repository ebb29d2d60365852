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
use mesh_model::{Kind, Object, Role};
use mesh_resolver::{Port, ServiceKind};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for service in cx.mesh.services.all().iter().filter(|s| s.kind == ServiceKind::Kubernetes && s.object.role == Role::Judged) {
        if is_istios(service.object) {
            continue;
        }
        let external = service.object.spec().is_some_and(|s| s.text_of("type") == "ExternalName");
        for port in service.ports.iter().filter(|p| !tells_protocol(p) || (external && p.name == "tcp")) {
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
    debug_assert!(service.kind == Kind::Service);
    service.label("istio").is_some()
        || service.label("release") == Some("istio")
        || service.label("operator.istio.io/component").is_some_and(|c| !c.is_empty())
        || matches!(managed, Some("istio.io-gateway-controller" | "istio.io-mesh-controller" | "istio.io-eastwest-controller"))
}

const PROTOCOLS: &[&str] =
    &["tcp", "udp", "http", "http2", "http_proxy", "grpc", "grpc-web", "grpc-web-text", "https", "tls", "mongo", "redis", "mysql", "sctp"];
const APP_PROTOCOLS: &[&str] = &["kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss", "kubernetes.io/https", "gateway.envoyproxy.io/https"];
/// Ports of protocols in which the server speaks first.
const WELL_KNOWN: &[u16] = &[25, 53, 3306, 27017];

/// Whether Istio knows the protocol without looking at the traffic.
fn tells_protocol(port: &Port<'_>) -> bool {
    if port.protocol == "UDP" || port.protocol == "SCTP" {
        return true;
    }
    let named = |text: &str| {
        let text = text.to_ascii_lowercase();
        if text.starts_with("grpc-web") {
            return true;
        }
        let prefix = text.split('-').next().unwrap_or("");
        PROTOCOLS.contains(&prefix) || PROTOCOLS.contains(&text.as_str())
    };
    if !port.app_protocol.is_empty() && (APP_PROTOCOLS.contains(&port.app_protocol) || named(port.app_protocol)) {
        return true;
    }
    let by_name = if port.app_protocol.is_empty() { port.name } else { port.app_protocol };
    named(by_name) || (WELL_KNOWN.contains(&port.number) && port.app_protocol.is_empty())
}
