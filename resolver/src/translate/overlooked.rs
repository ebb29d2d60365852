//! VirtualServices that mean a host and do not count for a proxy, with the reason.

use super::proxy::{Proxy, ProxyKind};
use super::scope::Scope;
use super::virtual_service::{MESH, Semantics, VirtualService};
use super::{Model, Origin, gateway};
use crate::host;
use mesh_model::{Kind, Object};

/// One that does not count.
#[derive(Clone, Debug)]
pub struct Overlooked<'a> {
    /// The field that keeps it from counting.
    pub origin: Origin<'a>,
    pub why: String,
    /// What would make it count.
    pub change: String,
    /// What decides may be outside of the input: it may count.
    pub is_unseen: bool,
}

/// The place that is asked about.
pub struct Wanted<'w> {
    /// The full host, as the registry knows it.
    pub host: &'w str,
    pub port: u16,
    /// Whether HTTP is routed there.
    pub routes_http: bool,
    /// What Envoy's metadata calls the VirtualService that counts; "" for none.
    pub applied: &'w str,
    /// The objects whose routes stand in the virtual host that was taken, delegates among them.
    pub in_force: &'w [&'w Object],
}

impl Wanted<'_> {
    fn counts(&self, v: &VirtualService<'_>) -> bool {
        let is_one = |o: &Object| std::ptr::eq(o, v.object) || v.http.iter().any(|r| r.object.is_some_and(|r| std::ptr::eq(o, r)));
        v.config == self.applied || self.in_force.iter().any(|o| is_one(o))
    }
}

impl<'a> Model<'_, 'a> {
    /// The VirtualServices that name a host and do not count for a proxy at a port.
    pub fn overlooked(&self, proxy: &Proxy, wanted: &Wanted<'_>) -> Vec<Overlooked<'a>> {
        let scope = Scope::new(self, proxy);
        let own = self.gateways_of(proxy);
        let mut out = Vec::new();
        for (id, v) in self.virtual_services.iter().enumerate().filter(|(_, v)| v.semantics == Semantics::Istio && !wanted.counts(v)) {
            let at = |path: &[&str], why: String, change: &str| {
                let node = v.object.spec_at(path).unwrap_or(v.object.name_node());
                Overlooked { origin: Origin { object: v.object, node }, why, change: change.to_owned(), is_unseen: false }
            };
            if !v.hosts.iter().any(|h| host::covers(h, wanted.host)) {
                if let Some(found) = short_host(self, v, wanted.host).or_else(|| partial_host(v, wanted.host)) {
                    out.push(at(&["hosts"], found, "write the full host name"));
                }
                continue;
            }
            let is_listed = match proxy.kind {
                ProxyKind::Router => v.gateways.iter().any(|g| own.contains(g)),
                _ => v.gateways.iter().any(|g| g == MESH),
            };
            let imported = scope.egress_for(wanted.port).is_none_or(|e| e.virtual_services.contains(&(id as u32)));
            out.push(if !is_listed && proxy.kind == ProxyKind::Router {
                at(&["gateways"], format!("its gateways are {}, and none of them is one of this proxy's", v.gateways.join(", ")), &listed(&own))
            } else if !is_listed {
                at(&["gateways"], format!("its gateways are {}, and `mesh` is not among them", v.gateways.join(", ")), "add `mesh` to `gateways`")
            } else if proxy.kind == ProxyKind::Router && !self.serves(&own, &v.gateways, wanted.host) {
                at(&["hosts"], format!("no server of {} has the host {}", v.gateways.join(", "), wanted.host), "add the host to a server of the Gateway")
            } else if let Some(server) = self.for_others(&own, v, wanted.host).filter(|_| proxy.kind == ProxyKind::Router) {
                let gateway = server.object.origin();
                let why = format!("the server of {gateway} takes rules of other namespaces only (`NAMESPACE/` before its host), not of {}", v.namespace);
                at(&["hosts"], why, &format!("write the host as {}/… or */… in {gateway}", v.namespace))
            } else if !v.is_visible_to(&proxy.namespace) {
                at(&["exportTo"], format!("it is exported to {} only, not to {}", v.export_to.join(", "), proxy.namespace), "widen `exportTo`")
            } else if !imported && proxy.kind == ProxyKind::Sidecar {
                let sidecar = scope.sidecar.map(Object::origin).unwrap_or_default();
                at(&["hosts"], format!("{sidecar} imports none of its hosts"), "add its host to `egress.hosts` of the Sidecar")
            } else if !wanted.routes_http && !v.http.is_empty() {
                at(&["http"], "its http routes do not count on a port that is not HTTP".to_owned(), "name the port `http-…`, or give it `appProtocol: http`")
            } else if proxy.kind == ProxyKind::Waypoint {
                let is_near = v.namespace == proxy.namespace || self.registry.by_host(wanted.host).any(|(_, s)| s.namespace == v.namespace);
                if is_near {
                    // Those of one host are united there.
                    continue;
                }
                let why = "a waypoint goes by the routes of the service's namespace and of its own alone".to_owned();
                at(&["hosts"], why, "write it into the namespace of the service")
            } else if let Some(lost) = self.lost_delegates(v.object).into_iter().next().filter(|_| v.http.is_empty()) {
                lost.lost
            } else if proxy.kind == ProxyKind::Router && v.http.is_empty() {
                let field = if v.tls.is_empty() { "tcp" } else { "tls" };
                at(
                    &[field],
                    format!("it has `{field}` routes only, and the server is for HTTP: these are for servers that pass TLS or bytes on"),
                    "write `http` routes",
                )
            } else if wanted.in_force.is_empty() && wanted.applied.is_empty() {
                at(
                    &["http"],
                    "none of its rules is for this proxy and port (`gateways`, `port`, `sourceLabels` or `sourceNamespace` of their matches)".to_owned(),
                    "add a rule without them",
                )
            } else {
                at(&["hosts"], "another VirtualService for the host comes before it".to_owned(), "write the rules of a host in one VirtualService")
            });
        }
        out
    }

    /// The Gateways that configure a proxy, as VirtualServices name them.
    pub(super) fn gateways_of(&self, proxy: &Proxy) -> Vec<String> {
        if proxy.kind != ProxyKind::Router {
            return Vec::new();
        }
        let cx = self.context(proxy);
        let mut out: Vec<String> = gateway::merge(&cx).iter().flat_map(|m| m.gateways().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()).collect();
        out.dedup();
        out
    }

    /// Whether a server of one of these Gateways has a host.
    fn serves(&self, own: &[String], named: &[String], host: &str) -> bool {
        let is_named = |name: &String| own.contains(name) && named.contains(name);
        let of = self.gateways.iter().filter(|g| is_named(&format!("{}/{}", g.namespace, g.name)));
        of.flat_map(|g| &g.servers).flat_map(|s| &s.hosts).any(|h| host::covers(h.split_once('/').map_or(h.as_str(), |(_, h)| h), host))
    }

    /// The hosts of the server that has a host for VirtualServices of other namespaces only, where no other server has it.
    fn for_others(&self, own: &[String], v: &VirtualService<'a>, host: &str) -> Option<Origin<'a>> {
        let is_named = |name: &String| own.contains(name) && v.gateways.contains(name);
        let servers = || self.gateways.iter().filter(|g| is_named(&format!("{}/{}", g.namespace, g.name))).flat_map(|g| g.servers.iter().map(move |s| (g, s)));
        let has = |h: &String, open: bool| match h.split_once('/') {
            Some((ns, h)) => host::covers(h, host) && (open == matches!(ns, "*" | "") || ns == v.namespace) && (open || ns != v.namespace),
            None => open && host::covers(h, host),
        };
        if servers().any(|(_, s)| s.hosts.iter().any(|h| has(h, true))) {
            return None;
        }
        let (g, s) = servers().find(|(_, s)| s.hosts.iter().any(|h| has(h, false)))?;
        Some(Origin { object: g.object, node: s.node.get("hosts").unwrap_or(s.node) })
    }

    /// Gateways with a host that do not select a proxy, with their selectors.
    pub fn gateways_elsewhere(&self, proxy: &Proxy, authority: &str) -> Vec<Overlooked<'a>> {
        let own = self.gateways_of(proxy);
        let bare = |h: &str| h.split_once('/').map_or(h, |(_, h)| h).to_owned();
        let all = self.gateways.iter().filter(|g| g.object.kind == Kind::Gateway && !own.contains(&format!("{}/{}", g.namespace, g.name)));
        let named = all.filter(|g| g.servers.iter().any(|s| s.hosts.iter().any(|h| host::covers(&bare(h), authority))));
        named
            .map(|g| {
                let node = g.object.spec_at(&["selector"]).unwrap_or(g.object.name_node());
                let labels: Vec<String> = node.entries().map(|(k, v)| format!("{}={}", k.text(), v.text())).collect();
                Overlooked {
                    origin: Origin { object: g.object, node },
                    why: format!("it selects {}, which this proxy does not have", labels.join(", ")),
                    change: "make its selector that of the gateway's Pods".to_owned(),
                    is_unseen: false,
                }
            })
            .collect()
    }
}

fn listed(own: &[String]) -> String {
    match own {
        [] => "no Gateway selects this proxy".to_owned(),
        list => format!("name one of {}", list.join(", ")),
    }
}

/// Whether a host is written short and stands for a service of the VirtualService's own namespace, where the one that is
/// meant is in another.
fn short_host(model: &Model<'_, '_>, v: &VirtualService<'_>, wanted: &str) -> Option<String> {
    let (name, namespace) = host::split_service(wanted, model.mesh.domain)?;
    let written = v.object.spec().into_iter().flat_map(|s| s.list("hosts")).find(|h| h.text() == name)?;
    (namespace != v.namespace).then(|| {
        let meant = host::expand(written.text(), v.namespace, model.mesh.domain);
        format!("its host `{name}` is {meant}: a short name belongs to the VirtualService's own namespace")
    })
}

/// Whether a host is the beginning of the one that is meant, as DNS completes it: `cart.shop`. With a dot in it a host
/// counts as it stands.
fn partial_host(v: &VirtualService<'_>, wanted: &str) -> Option<String> {
    let is_part = |h: &str| h.contains('.') && !h.starts_with('*') && wanted.strip_prefix(h).is_some_and(|rest| rest.starts_with('.'));
    let written = v.hosts.iter().find(|h| is_part(h))?;
    Some(format!("its host `{written}` has a dot, and counts as it stands: it is not {wanted}"))
}
