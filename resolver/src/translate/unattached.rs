//! Routes of the Gateway API that mean a host and are not attached to a proxy's Gateways, and their backends that another
//! namespace does not grant them.

use super::proxy::Proxy;
use super::{Model, Origin, Overlooked, gateway_api};
use crate::host;
use crate::ownership::Place;
use mesh_model::{Kind, Node, Object};

impl<'a> Model<'_, 'a> {
    /// The HTTPRoutes and GRPCRoutes for a host whose parents do not take them, each with the first reason. Routes of
    /// Gateways that configure other proxies are left out.
    pub fn unattached(&self, proxy: &Proxy, wanted: &str) -> Vec<Overlooked<'a>> {
        let own = self.gateways_of(proxy);
        let mut out = Vec::new();
        for object in [Kind::HttpRoute, Kind::GrpcRoute].iter().flat_map(|k| self.mesh.objects(*k)).copied() {
            let hostnames = || object.spec().into_iter().flat_map(|s| s.list("hostnames"));
            if hostnames().next().is_some() && !hostnames().any(|h| host::covers(h.text(), wanted)) {
                continue;
            }
            let parents = object.spec().into_iter().flat_map(|s| s.list("parentRefs"));
            let of_gateways = parents.filter(|r| matches!(r.text_of("kind"), "" | "Gateway"));
            out.extend(of_gateways.filter_map(|r| self.refused_by(object, r, &own, wanted)).next());
        }
        out
    }

    fn refused_by(&self, object: &'a Object, parent: Node<'a>, own: &[String], wanted: &str) -> Option<Overlooked<'a>> {
        let namespace = Some(parent.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(object.namespace());
        let name = parent.text_of("name");
        let of = |node: Node<'a>, why: String, change: String| Some(Overlooked { origin: Origin { object, node }, why, change, is_unseen: false });
        let Some(gateway) = self.mesh.find(Kind::K8sGateway, namespace, name) else {
            let is_known = self.mesh.owns(object, Place::Objects(Kind::K8sGateway, namespace));
            let mut near = self.mesh.objects(Kind::K8sGateway).iter().filter(|g| g.name() == name);
            let is_own = |g: &&&Object| own.iter().any(|o| o.starts_with(&format!("{}/{name}~", g.namespace())));
            let lacks = if is_known { "does not exist" } else { "is not in the input" };
            return match (is_known, near.clone().find(is_own)) {
                (_, Some(g)) => of(
                    parent,
                    format!("its parent is Gateway {namespace}/{name}, which {lacks}: {} has that name", g.origin()),
                    format!("add `namespace: {}` to the parentRef", g.namespace()),
                ),
                // It is meant for another proxy.
                (true, None) if near.next().is_some() => None,
                (true, None) => of(parent, format!("its parent Gateway {namespace}/{name} does not exist"), "correct the parentRef".to_owned()),
                (false, None) => None,
            };
        };
        if !own.iter().any(|g| g.starts_with(&format!("{namespace}/{name}~"))) {
            return None;
        }
        let port = parent.get("port").and_then(Node::int);
        let section = parent.text_of("sectionName");
        let all: Vec<Node<'a>> = gateway.spec().into_iter().flat_map(|s| s.list("listeners")).collect();
        let named: Vec<Node<'a>> = all
            .iter()
            .copied()
            .filter(|l| section.is_empty() || l.text_of("name") == section)
            .filter(|l| port.is_none_or(|p| l.get("port").and_then(Node::int) == Some(p)))
            .collect();
        if named.is_empty() {
            let has: Vec<&str> = all.iter().map(|l| l.text_of("name")).collect();
            let node = parent.get("sectionName").or(parent.get("port")).unwrap_or(parent);
            return of(
                node,
                format!("{} has no listener {}", gateway.origin(), if section.is_empty() { node.text() } else { section }),
                format!("name one of {}", has.join(", ")),
            );
        }
        let http: Vec<Node<'a>> = named.iter().copied().filter(|l| matches!(l.text_of("protocol"), "HTTP" | "HTTPS")).collect();
        if http.is_empty() {
            return of(parent, format!("its listener of {} is not for HTTP", gateway.origin()), "attach it to a listener for HTTP or HTTPS".to_owned());
        }
        let lets_in = |l: &Node<'a>| {
            let allowed = gateway_api::allowed_namespaces(self.mesh, gateway, *l);
            allowed.contains(&"*") || allowed.contains(&object.namespace())
        };
        let open: Vec<Node<'a>> = http.iter().copied().filter(lets_in).collect();
        if open.is_empty() {
            let from_of = |l: &Node<'a>| l.at(&["allowedRoutes", "namespaces"]).map_or("Same", |n| n.text_of("from"));
            let is_selected = http.iter().any(|l| from_of(l) == "Selector");
            if is_selected && self.mesh.find(Kind::Namespace, "", object.namespace()).is_none() && !self.mesh.is_complete() {
                let why = format!("{} selects namespaces by labels, and Namespace {} is not in the input", gateway.origin(), object.namespace());
                let change = "give its manifest as well".to_owned();
                return Some(Overlooked { origin: Origin { object, node: parent }, why, change, is_unseen: true });
            }
            let from = from_of(&http[0]);
            return of(
                parent,
                format!("the listener of {} takes no routes of namespace {} (allowedRoutes: {from})", gateway.origin(), object.namespace()),
                "set `allowedRoutes.namespaces.from: All` at the listener, or a selector that has the namespace".to_owned(),
            );
        }
        let has_host = |l: &Node<'a>| matches!(l.text_of("hostname"), "" | "*") || host::covers(l.text_of("hostname"), wanted);
        if !open.iter().any(has_host) {
            let names: Vec<&str> = open.iter().map(|l| l.text_of("hostname")).collect();
            let node = object.spec_at(&["hostnames"]).unwrap_or(parent);
            return of(
                node,
                format!("the hostname of the listener of {} is {}, which does not have {wanted}", gateway.origin(), names.join(", ")),
                "make the hostname of the listener one that has the route's".to_owned(),
            );
        }
        None
    }

    /// The first backend of a rule of a route that another namespace does not let it refer to.
    pub fn ungranted(&self, route: &'a Object, rule: Node<'a>) -> Option<Overlooked<'a>> {
        let mut at = Some(rule);
        let rule = loop {
            let here = at?;
            if here.get("backendRefs").is_some() {
                break here;
            }
            at = here.parent();
        };
        rule.list("backendRefs").find_map(|b| {
            let namespace = Some(b.text_of("namespace")).filter(|n| !n.is_empty() && *n != route.namespace())?;
            (!gateway_api::is_backend_granted(self.mesh, route, namespace, b)).then(|| Overlooked {
                origin: Origin { object: route, node: b },
                why: format!("no ReferenceGrant of namespace {namespace} lets {} refer to {namespace}/{}", route.origin(), b.text_of("name")),
                change: format!("create a ReferenceGrant in {namespace} from {} of {} to its Services", route.kind_name(), route.namespace()),
                is_unseen: !self.mesh.owns(route, Place::Objects(Kind::ReferenceGrant, namespace)),
            })
        })
    }
}
