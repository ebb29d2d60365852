//! Which policies are for a proxy: by labels, or by `targetRefs`.

use super::proxy::{Proxy, ProxyKind};
use super::waypoint::is_attached;
use super::{Model, RegisteredService};
use crate::ambient::waypoint::{CLASS, GATEWAY_NAME};
use crate::labels::Selector;
use crate::mesh::Mesh;
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;

/// Kinds that are for some proxies by labels or `targetRefs`.
const KINDS: &[Kind] =
    &[Kind::AuthorizationPolicy, Kind::RequestAuthentication, Kind::EnvoyFilter, Kind::WasmPlugin, Kind::TrafficExtension, Kind::Telemetry, Kind::ProxyConfig];

/// Policies by what they are for: a mesh may have one for each service, and all proxies ask.
#[derive(Default)]
pub(super) struct Attachments<'a> {
    by_place: FxHashMap<(Kind, &'a str), Attached<'a>>,
}

/// Those of a kind in one namespace.
#[derive(Default)]
struct Attached<'a> {
    /// The oldest first.
    objects: Vec<&'a Object>,
    /// Indexes of those that ask for no label and name nothing.
    of_all: Vec<u32>,
    /// Of those with a selector, by the label of it that the fewest ask for.
    by_label: FxHashMap<(&'a str, &'a str), Vec<u32>>,
    /// By kind and name of what they name.
    by_target: FxHashMap<(&'a str, &'a str), Vec<u32>>,
}

impl<'a> Attachments<'a> {
    pub fn new(mesh: &Mesh<'a>) -> Attachments<'a> {
        let mut lists: FxHashMap<(Kind, &'a str), Vec<&'a Object>> = FxHashMap::default();
        for kind in KINDS {
            for object in mesh.objects(*kind) {
                lists.entry((*kind, object.namespace())).or_default().push(object);
            }
        }
        Attachments { by_place: lists.into_iter().map(|(place, objects)| (place, Attached::new(objects))).collect() }
    }

    /// Those of a kind and namespace that may be for a proxy, the oldest first: few more than are.
    fn candidates(&self, kind: Kind, namespace: &str, proxy: &Proxy, service: Option<&RegisteredService<'a>>) -> Vec<&'a Object> {
        debug_assert!(KINDS.contains(&kind), "{kind:?}");
        let Some(attached) = self.by_place.get(&(kind, namespace)) else { return Vec::new() };
        let gateway = proxy.label(GATEWAY_NAME).unwrap_or_default();
        let mut ids: Vec<u32> = attached.naming("Gateway", gateway);
        if proxy.kind == ProxyKind::Waypoint {
            ids.extend(attached.naming("GatewayClass", CLASS));
            if let Some(name) = service.map(|s| s.object.name()) {
                ids.extend(attached.naming("Service", name));
                ids.extend(attached.naming("ServiceEntry", name));
            }
        } else {
            ids.extend(&attached.of_all);
            for (key, value) in &proxy.labels {
                ids.extend(attached.by_label.get(&(key.as_str(), value.as_str())).into_iter().flatten());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|id| attached.objects[id as usize]).collect()
    }
}

impl<'a> Attached<'a> {
    fn new(mut objects: Vec<&'a Object>) -> Attached<'a> {
        objects.sort_by_key(|o| (o.creation(), o.name()));
        let mut out = Attached::default();
        let selectors: Vec<Selector<'a>> = objects.iter().map(|o| Selector::from_map(selector(o))).collect();
        let mut asked: FxHashMap<(&'a str, &'a str), usize> = FxHashMap::default();
        selectors.iter().flat_map(|s| &s.pairs).for_each(|pair| *asked.entry(*pair).or_default() += 1);
        for (id, (object, selector)) in objects.iter().zip(&selectors).enumerate() {
            let id = id as u32;
            let mut names_any = false;
            for r in targets(object) {
                names_any = true;
                out.by_target.entry((r.text_of("kind"), r.text_of("name"))).or_default().push(id);
            }
            match selector.pairs.iter().min_by_key(|pair| asked.get(pair)) {
                _ if names_any => {}
                Some(pair) => out.by_label.entry(*pair).or_default().push(id),
                None => out.of_all.push(id),
            }
        }
        out.objects = objects;
        out
    }

    fn naming(&self, kind: &str, name: &str) -> Vec<u32> {
        self.by_target.get(&(kind, name)).cloned().unwrap_or_default()
    }
}

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
        let attachments = self.attachments.get_or_init(|| Attachments::new(self.mesh));
        namespaces.into_iter().flat_map(|n| attachments.candidates(kind, n, proxy, service)).filter(is_meant).collect()
    }
}

/// What a policy names.
pub(super) fn targets<'a>(object: &'a Object) -> impl Iterator<Item = Node<'a>> {
    object.spec().into_iter().flat_map(|s| s.list("targetRefs").chain(s.get("targetRef")))
}

fn selector(object: &Object) -> Option<Node<'_>> {
    object.spec_at(&["selector", "matchLabels"]).or_else(|| object.spec_at(&["workloadSelector", "labels"]))
}

fn is_for(object: &Object, proxy: &Proxy) -> bool {
    let mut refs = targets(object).peekable();
    if refs.peek().is_none() {
        return proxy.has_labels(selector(object));
    }
    let gateway = proxy.label(GATEWAY_NAME);
    proxy.kind == ProxyKind::Router && refs.any(|r| r.text_of("kind") == "Gateway" && Some(r.text_of("name")) == gateway)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    /// What is looked at for one proxy does not grow with what is for others.
    #[test]
    fn the_policies_of_others_are_not_looked_at() {
        let mut text = String::new();
        for i in 0..300 {
            text += &format!(
                "---\n{{apiVersion: v1, kind: Service, metadata: {{name: s{i}, namespace: shop}}, spec: {{ports: [{{port: 80}}]}}}}\n\
                 ---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: s{i}, namespace: shop}}, spec: {{targetRefs: [{{kind: Service, group: \"\", name: s{i}}}]}}}}\n\
                 ---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: w{i}, namespace: shop}}, spec: {{selector: {{matchLabels: {{all: of-them, app: s{i}}}}}}}}}\n"
            );
        }
        text += "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: wp, namespace: shop}, spec: {targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: wp}]}}\n\
                 ---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: everybody, namespace: shop}, spec: {}}\n";
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let attachments = Attachments::new(&mesh);
        let waypoint = Proxy::waypoint("wp", "shop");
        let mut sidecar = Proxy { kind: ProxyKind::Sidecar, labels: Default::default(), ..Proxy::waypoint("s7", "shop") };
        sidecar.labels.extend([("app", "s7"), ("all", "of-them")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let service = model.registry.by_host("s7.shop.svc.cluster.local").map(|(_, s)| s).next();
        for (proxy, service, expected) in [(&waypoint, service, vec!["s7", "wp"]), (&waypoint, None, vec!["wp"]), (&sidecar, None, vec!["everybody", "w7"])] {
            let names = |list: Vec<&Object>| list.iter().map(|o| o.name().to_owned()).collect::<Vec<_>>();
            assert_eq!(names(attachments.candidates(Kind::AuthorizationPolicy, "shop", proxy, service)), expected);
            assert_eq!(names(model.policies_at(Kind::AuthorizationPolicy, proxy, service)), expected);
        }
    }
}
