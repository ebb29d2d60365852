//! ## IST0177 ConflictingServiceEntryProtocol (Warning)
//!
//! **What it checks.** ServiceEntries that a namespace can see declare the same host and port with different protocols.
//!
//! **Why it matters.** One of the protocols is used for the port, and which one is not defined.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: one, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: two, namespace: web}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: http, protocol: HTTP}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: one, namespace: shop}
//! spec: {hosts: [api.example.com], exportTo: ["."], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: two, namespace: web}
//! spec: {hosts: [api.example.com], exportTo: ["."], resolution: DNS, ports: [{number: 443, name: http, protocol: HTTP}]}
//! ```

use crate::codes::IST0177;
use crate::rule::{Context, Sink};
use crate::rules::virtual_service::destination::export_to;
use mesh_model::{Kind, Node, Object};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

struct Claim<'a> {
    object: &'a Object,
    protocol: Node<'a>,
    /// Upper case.
    name: String,
    scope: &'a str,
}

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let default = cx.mesh.config.default_export_to("defaultServiceExportTo");
    let mut claims: FxHashMap<(&str, i64), Vec<Claim<'a>>> = FxHashMap::default();
    let mut order = Vec::new();
    for object in cx.mesh.objects(Kind::ServiceEntry).iter().copied() {
        let Some(spec) = object.spec() else { continue };
        let export = export_to(object, &default).0;
        let scopes = if export.contains(&"*") { vec!["*"] } else { export };
        for host in spec.list("hosts") {
            for port in spec.list("ports") {
                let key = (host.text(), port.get("number").and_then(Node::int).unwrap_or(0));
                let list = claims.entry(key).or_default();
                if list.is_empty() {
                    order.push(key);
                }
                let protocol = port.get("protocol").unwrap_or(port);
                let name = port.text_of("protocol").to_ascii_uppercase();
                list.extend(scopes.iter().map(|s| Claim { object, protocol, name: name.clone(), scope: if *s == "." { object.namespace() } else { s } }));
            }
        }
    }
    let mut reported: FxHashSet<*const Object> = FxHashSet::default();
    for (host, port) in order {
        let Some(list) = claims.get(&(host, port)).filter(|l| l.len() > 1) else { continue };
        for group in groups(list) {
            for claim in &group {
                let Some(other) = group.iter().find(|c| c.name != claim.name) else { continue };
                if reported.insert(std::ptr::from_ref(claim.object)) {
                    sink.report(
                        &IST0177,
                        claim.object,
                        claim.protocol,
                        format!(
                            "port `{port}` of `{host}` is `{}` here and `{}` in ServiceEntry `{}`: which of them holds is undefined",
                            shown(claim),
                            shown(other),
                            other.object.full_name()
                        ),
                    )
                    .help("agree on one protocol, or narrow `exportTo` so that no namespace sees both")
                    .related(other.object, other.protocol, "declared here too");
                }
            }
        }
    }
}

fn shown<'c>(claim: &'c Claim<'_>) -> &'c str {
    if claim.name.is_empty() { "of no protocol" } else { &claim.name }
}

/// The claims that one namespace sees: those of each scope with those for all; only where they disagree.
fn groups<'c, 'a>(list: &'c [Claim<'a>]) -> Vec<Vec<&'c Claim<'a>>> {
    let mut by_scope: BTreeMap<&str, Vec<&Claim<'a>>> = BTreeMap::new();
    for claim in list {
        by_scope.entry(claim.scope).or_default().push(claim);
    }
    let for_all = by_scope.remove("*").unwrap_or_default();
    let disagree = |group: &[&Claim<'a>]| group.iter().any(|c| group.first().is_some_and(|f| f.name != c.name));
    let mut out: Vec<Vec<&Claim<'a>>> = Vec::new();
    for (_, mut group) in by_scope {
        // Two of those for all that disagree are enough to tell; more would only cost time.
        group.extend(for_all.iter().take(1));
        group.extend(for_all.iter().find(|c| for_all.first().is_some_and(|f| f.name != c.name)));
        out.push(group);
    }
    out.push(for_all);
    out.retain(|g| disagree(g));
    out
}
