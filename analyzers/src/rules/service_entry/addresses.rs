//! ## IST0134 ServiceEntryAddressesRequired (Warning)
//!
//! **What it checks.** A ServiceEntry has a TCP port (or one without protocol) and no `addresses`, and none were
//! allocated.
//!
//! **Why it matters.** A sidecar tells TCP connections apart by their address alone: without one the port catches every
//! connection to that port number, whatever its destination.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: db, namespace: shop}
//! spec: {hosts: [db.example.com], resolution: DNS, ports: [{number: 5432, name: tcp, protocol: TCP}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: db, namespace: shop}
//! spec: {hosts: [db.example.com], addresses: [240.0.0.5], resolution: DNS, ports: [{number: 5432, name: tcp, protocol: TCP}]}
//! ```

use crate::codes::IST0134;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let metadata = cx.mesh.config.at(&["defaultConfig", "proxyMetadata"]);
    let on = |key: &str| metadata.and_then(|m| m.get(key)).map(Node::text) == Some("true");
    if on("ISTIO_META_DNS_CAPTURE") && (on("ISTIO_META_DNS_AUTO_ALLOCATE") || on("PILOT_ENABLE_IP_AUTOALLOCATE")) {
        return;
    }
    for object in cx.mesh.objects(Kind::ServiceEntry).iter().copied() {
        let given = |path: &[&str]| object.at(path).is_some_and(|list| !list.is_empty());
        if given(&["spec", "addresses"]) || given(&["status", "addresses"]) {
            continue;
        }
        for port in object.spec().into_iter().flat_map(|s| s.list("ports")) {
            let protocol = port.text_of("protocol");
            if !protocol.is_empty() && !protocol.eq_ignore_ascii_case("TCP") {
                continue;
            }
            let shown = if protocol.is_empty() { "of no protocol".to_owned() } else { format!("of protocol `{protocol}`") };
            let at = port.get("name").or(port.get("number")).unwrap_or(port);
            sink.report(
                &IST0134,
                object,
                at,
                format!("port `{}` {shown} has no address to be told apart by: it takes every connection to that port number", port.text_of("number")),
            )
            .help("give `addresses`, or a `protocol` that carries host names such as HTTP or TLS");
        }
    }
}
