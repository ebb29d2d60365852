//! Requests that tell routes and policies apart: one for each match of the VirtualServices that mean a host, and for
//! each operation of the policies that may judge it.

use super::virtual_service::{HttpMatch, StringMatch};
use super::{Model, gateway};
use crate::host;
use mesh_model::{Kind, Node, Object};
use std::collections::BTreeSet;

/// A request, as far as routes and policies look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Witness {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

/// So many requests are asked of one host.
const MOST: usize = 32;

impl Model<'_, '_> {
    /// For a host as its clients write it in full; the plain one first. Policies of the root namespace and the server's may
    /// judge, those of all where that is "".
    pub fn witnesses(&self, name: &str, server_namespace: &str) -> Vec<Witness> {
        let plain = Witness { method: "GET".to_owned(), path: "/".to_owned(), headers: Vec::new() };
        let mut out: BTreeSet<Witness> = BTreeSet::new();
        let meant = self.virtual_services.iter().filter(|v| v.hosts.iter().any(|h| host::covers(h, name)));
        for m in meant.flat_map(|v| &v.http).flat_map(|r| &r.matches) {
            out.extend(of_match(m));
        }
        let root = self.mesh.config.root_namespace();
        let places = [root, server_namespace];
        // Behind a gateway any server may stand.
        let may_judge = |o: &Object| server_namespace.is_empty() || places.contains(&o.namespace());
        for policy in self.mesh.objects(Kind::AuthorizationPolicy).iter().filter(|o| may_judge(o)) {
            let rules = policy.spec().into_iter().flat_map(|s| s.list("rules"));
            for operation in rules.flat_map(|r| r.list("to")).filter_map(|t| t.get("operation")) {
                let methods = some_or(operation, "methods", "GET");
                for path in some_or(operation, "paths", "/") {
                    out.extend(methods.iter().map(|m| Witness { method: m.clone(), path: path.clone(), headers: Vec::new() }));
                }
            }
        }
        out.remove(&plain);
        std::iter::once(plain).chain(out).take(MOST).collect()
    }

    /// The hosts and ports that a gateway serves, as VirtualServices name them.
    pub fn hosts_of_gateway(&self, proxy: &super::Proxy) -> Vec<(String, u16)> {
        let cx = self.context(proxy);
        let Some(merged) = gateway::merge(&cx) else { return Vec::new() };
        let names: BTreeSet<&str> = merged.gateways().map(|(name, _)| name).collect();
        let mut out = BTreeSet::new();
        for g in self.gateways.iter().filter(|g| names.contains(format!("{}/{}", g.namespace, g.name).as_str())) {
            let own = format!("{}/{}", g.namespace, g.name);
            for server in g.servers.iter().filter(|s| s.is_http() || s.is_tls()) {
                let bound = self.virtual_services.iter().filter(|v| v.gateways.contains(&own));
                for host in bound.flat_map(|v| &v.hosts) {
                    // Where a rule is for every host, those of the server are meant.
                    let of_server = server.hosts.iter().map(|h| h.split_once('/').map_or(h.as_str(), |(_, h)| h));
                    let meant: Vec<&str> = if host == "*" { of_server.collect() } else { vec![host] };
                    out.extend(meant.into_iter().map(|h| (some_host(h), server.number)));
                }
            }
        }
        out.into_iter().collect()
    }
}

/// A host that a wildcard covers.
fn some_host(host: &str) -> String {
    match host.strip_prefix('*') {
        Some("") => "any.example".to_owned(),
        Some(rest) => format!("any{rest}"),
        None => host.to_owned(),
    }
}

/// The values of a list with their wildcards filled, or one value where there is none.
fn some_or(node: Node<'_>, key: &str, other: &str) -> Vec<String> {
    let list: Vec<String> = node.list(key).map(|n| n.text().replace("{**}", "x").replace("{*}", "x").replace('*', "x")).collect();
    if list.is_empty() {
        vec![other.to_owned()]
    } else {
        list.into_iter().map(|p| if key == "paths" && !p.starts_with('/') { format!("/{p}") } else { p }).collect()
    }
}

/// A request that a match takes; none where only a regular expression says which.
fn of_match(m: &HttpMatch<'_>) -> Option<Witness> {
    let text = |s: &StringMatch| match s {
        StringMatch::Exact(t) | StringMatch::Prefix(t) => Some(t.clone()),
        StringMatch::Present => Some("x".to_owned()),
        StringMatch::Regex(_) => None,
    };
    let mut path = m.uri.as_ref().map_or(Some("/".to_owned()), text)?;
    for (i, (k, v)) in m.query.iter().enumerate() {
        path += &format!("{}{k}={}", if i == 0 { '?' } else { '&' }, text(v)?);
    }
    let headers = m.headers.iter().map(|(k, v)| Some((k.clone(), text(v)?))).collect::<Option<Vec<_>>>()?;
    Some(Witness { method: m.method.as_ref().map_or(Some("GET".to_owned()), text)?, path, headers })
}
