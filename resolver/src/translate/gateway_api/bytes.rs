//! Routes of connections: TLSRoutes by server name, TCPRoutes all of a listener's.

use super::backends::{Backend, Backends, Grants};
use super::listeners::Listener;
use super::parents::{self, Parent};
use super::{GENERATED, hostnames, rules, virtual_service};
use crate::host;
use crate::mesh::Mesh;
use crate::translate::registry::Registry;
use crate::translate::virtual_service::{Destination, L4Match, L4Route, VirtualService, WeightedDestination};
use mesh_model::{Kind, Node, Object};

pub fn add<'a>(mesh: &Mesh<'a>, registry: &Registry<'a>, object: &'a Object, listeners: &[Listener<'a>], services: &mut Vec<VirtualService<'a>>) {
    let is_tls = object.kind == Kind::TlsRoute;
    let mut count = 0;
    for parent in parents::of(mesh, object, listeners) {
        let grants = if matches!(parent, Parent::Service { .. }) { Grants::Waived } else { Grants::Needed };
        let backends = Backends { mesh, registry, object, grants };
        let all: Option<Vec<L4Route<'a>>> = object.spec().into_iter().flat_map(|s| s.list("rules")).map(|r| of_rule(&backends, r)).collect();
        let routes = all.unwrap_or_default();
        let hosts: Vec<String> = match &parent {
            Parent::Service { hosts, .. } => hosts.clone(),
            Parent::Listener(l, _) if is_tls => within(&hostnames(object).into_iter().map(str::to_owned).collect::<Vec<_>>(), l.hostname),
            Parent::Listener(..) => vec!["*".to_owned()],
        };
        for host in &hosts {
            let kind = if is_tls { "tls" } else { "tcp" };
            let mut v = virtual_service(mesh, object, format!("{}~{kind}~{count}~{GENERATED}", object.name()), host.clone(), parent.name().to_owned());
            let list = routes.iter().filter_map(|r| at(r, &parent, &hosts, host)).collect();
            if is_tls {
                v.tls = list;
            } else {
                v.tcp = list;
            }
            services.push(v);
            count += 1;
        }
    }
}

/// Those of the hosts that the hostname covers, and the hostname where they cover it.
fn within(hosts: &[String], hostname: &str) -> Vec<String> {
    if hostname.is_empty() {
        return hosts.to_vec();
    }
    let mut out: Vec<String> = Vec::new();
    for h in hosts {
        let found = if host::covers(hostname, h) {
            h.as_str()
        } else if host::covers(h, hostname) {
            hostname
        } else {
            continue;
        };
        if out.iter().all(|o| o != found) {
            out.push(found.to_owned());
        }
    }
    out
}

/// A rule for one host of a parent; none where their server names have nothing in common.
fn at<'a>(route: &L4Route<'a>, parent: &Parent<'_, 'a>, hosts: &[String], host: &str) -> Option<L4Route<'a>> {
    let mut out = route.clone();
    match parent {
        Parent::Listener(l, _) => {
            for m in &mut out.matches {
                m.sni_hosts = within(&m.sni_hosts, l.hostname);
            }
            (out.matches.is_empty() || out.matches.iter().any(|m| !m.sni_hosts.is_empty())).then_some(out)
        }
        Parent::Service { port, .. } => {
            let is_tls = !out.matches.is_empty();
            for m in &mut out.matches {
                if m.sni_hosts == ["*"] {
                    m.sni_hosts = hosts.to_vec();
                }
                if m.sni_hosts.len() > 1 {
                    m.sni_hosts.retain(|h| host::overlaps(host, h));
                }
                m.port = port.unwrap_or(0);
            }
            if let (false, Some(port)) = (is_tls, port) {
                out.matches.push(L4Match { port: *port, ..L4Match::default() });
            }
            Some(out)
        }
    }
}

fn of_rule<'a>(backends: &Backends<'_, 'a>, rule: Node<'a>) -> Option<L4Route<'a>> {
    let weighted: Vec<(Node<'a>, u32)> = rule.list("backendRefs").map(|b| (b, rules::weight(b))).filter(|(_, w)| *w > 0).collect();
    let is_only = weighted.len() == 1;
    let mut destinations = Vec::new();
    for (b, weight) in &weighted {
        let destination = match backends.find(*b) {
            Backend::Found(d) | Backend::Missing(d) => d,
            Backend::Refused => Destination::nowhere(),
            Backend::Invalid => return None,
        };
        destinations.push(WeightedDestination { destination, weight: if is_only { 0 } else { *weight }, headers: Default::default() });
    }
    let mut out = L4Route { node: rule, matches: Vec::new(), destinations };
    if weighted.is_empty() {
        // There is no way to refuse a connection: it is sent to a cluster that does not exist.
        let destination = Destination { host: "internal.cluster.local".into(), subset: "zero-weight".into(), port: Some(65535) };
        out.destinations.push(WeightedDestination { destination, weight: 0, headers: Default::default() });
    } else if backends.object.kind == Kind::TlsRoute {
        out.matches.push(L4Match { sni_hosts: hostnames(backends.object).into_iter().map(str::to_owned).collect(), ..L4Match::default() });
    }
    Some(out)
}
