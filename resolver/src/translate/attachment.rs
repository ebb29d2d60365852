//! Which policies are for a proxy: by labels, or by `targetRefs`.

use super::proxy::{Proxy, ProxyKind};
use super::waypoint::is_attached;
use super::{Model, RegisteredService};
use mesh_model::{Kind, Node, Object};

impl<'a> Model<'_, 'a> {
    /// The policies of a kind that are for a proxy, the root namespace's first.
    pub fn policies_for(&self, kind: Kind, proxy: &Proxy) -> Vec<&'a Object> {
        self.policies_at(kind, proxy, None)
    }

    /// The same; of a waypoint in the chains of a service those for the service too.
    pub fn policies_at(&self, kind: Kind, proxy: &Proxy, service: Option<&RegisteredService<'a>>) -> Vec<&'a Object> {
        let mut namespaces = vec![self.mesh.config.root_namespace()];
        for more in std::iter::once(proxy.namespace.as_str()).chain(service.map(|s| s.namespace)) {
            if !namespaces.contains(&more) {
                namespaces.push(more);
            }
        }
        let is_meant = |o: &&'a Object| match proxy.kind {
            ProxyKind::Waypoint => is_attached(self.mesh, o, proxy, service),
            _ => is_for(o, proxy),
        };
        let mut out: Vec<&'a Object> = Vec::new();
        for namespace in namespaces {
            let mut own: Vec<&'a Object> = self.mesh.objects_in(kind, namespace).iter().copied().filter(is_meant).collect();
            own.sort_by_key(|o| (o.creation(), o.name()));
            out.extend(own);
        }
        out
    }
}

fn is_for(object: &Object, proxy: &Proxy) -> bool {
    let refs: Vec<Node<'_>> = object.spec().into_iter().flat_map(|s| s.list("targetRefs").chain(s.get("targetRef"))).collect();
    if refs.is_empty() {
        let labels = object.spec_at(&["selector", "matchLabels"]).or_else(|| object.spec_at(&["workloadSelector", "labels"]));
        return proxy.has_labels(labels);
    }
    let gateway = proxy.label("gateway.networking.k8s.io/gateway-name");
    proxy.kind == ProxyKind::Router && refs.iter().any(|r| r.text_of("kind") == "Gateway" && Some(r.text_of("name")) == gateway)
}
