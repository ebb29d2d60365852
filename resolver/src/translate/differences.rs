//! What differs between two readings of an input, by how far it reaches in a translation. Only contents count: not where
//! an object stands. The order counts for what stands behind services alone, as endpoints are in that order.

use mesh_model::{Kind, Node, Object, Snapshot};
use rustc_hash::{FxHashMap, FxHashSet};

/// What has changed, come and gone.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Something that may reach every piece of every proxy.
    pub(super) whole: Option<String>,
    /// A VirtualService differs.
    pub(super) routes: bool,
    /// One with routes of TCP or TLS does.
    pub(super) routes_of_bytes: bool,
    /// Namespaces and hosts of DestinationRules, as they are written.
    pub(super) rules: Vec<(String, String)>,
    /// Such a rule differs, and some rule of either reading balances by a hash, which routes hold.
    pub(super) hashes: bool,
    /// Namespaces with a Service or ServiceEntry that differs.
    pub(super) services: FxHashSet<String>,
    /// Namespaces with something that differs behind services: workloads, their entries, slices.
    pub(super) workloads: FxHashSet<String>,
    /// Namespaces of PeerAuthentications.
    pub(super) peers: FxHashSet<String>,
    /// What only the listeners of the proxies themselves hold differs: who may call, and with which token.
    pub(super) policies: bool,
    pub(super) sidecars: bool,
    /// What gateways alone read differs.
    pub(super) gateways: bool,
    /// A Telemetry differs: what is made of it is compared itself.
    pub(super) records: bool,
}

impl Differences {
    pub fn between(old: &Snapshot, new: &Snapshot) -> Differences {
        let mut out = Differences::default();
        if let Some(what) = settings(old, new) {
            out.whole = Some(what.to_owned());
        }
        let (before, after) = (by_name(old), by_name(new));
        for (key, list) in &before {
            let now = after.get(key).map_or(&[][..], Vec::as_slice);
            if list.len() != now.len() || list.iter().zip(now).any(|(a, b)| !is_same(a, b)) {
                list.iter().chain(now).for_each(|o| out.note(o));
            }
        }
        for (_, list) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
            list.iter().for_each(|o| out.note(o));
        }
        let (was, is) = (behind_services(old, &after), behind_services(new, &before));
        out.workloads.extend(was.into_iter().filter(|(namespace, order)| is.get(namespace) != Some(order)).map(|(namespace, _)| namespace.to_owned()));
        if !out.rules.is_empty() {
            let rules = old.objects.iter().chain(&new.objects).filter(|o| o.kind == Kind::DestinationRule);
            out.hashes = rules.filter_map(Object::spec).any(|spec| has_key(spec, "consistentHash"));
        }
        out.rules.sort_unstable();
        out.rules.dedup();
        out
    }

    /// Nothing differs that a translation looks at.
    pub fn is_empty(&self) -> bool {
        let Differences { whole, routes, routes_of_bytes: _, rules, hashes: _, services, workloads, peers, policies, sidecars, gateways, records } = self;
        whole.is_none()
            && !routes
            && rules.is_empty()
            && services.is_empty()
            && workloads.is_empty()
            && peers.is_empty()
            && !(*policies || *sidecars || *gateways || *records)
    }

    /// What keeps every translation from being taken over, if anything does: `Namespace shop differs`.
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_deref()
    }

    fn note(&mut self, object: &Object) {
        let namespace = || object.namespace().to_owned();
        match object.kind {
            Kind::VirtualService => {
                self.routes = true;
                self.routes_of_bytes |= ["tcp", "tls"].iter().any(|key| object.spec_at(&[key]).is_some());
            }
            Kind::DestinationRule => {
                let host = object.spec().map_or("", |s| s.text_of("host"));
                self.rules.push((namespace(), host.to_owned()));
            }
            Kind::Service | Kind::ServiceEntry => {
                self.services.insert(namespace());
            }
            kind if is_behind_services(kind) => {
                self.workloads.insert(namespace());
            }
            Kind::PeerAuthentication => {
                self.peers.insert(namespace());
            }
            Kind::AuthorizationPolicy | Kind::RequestAuthentication => self.policies = true,
            Kind::Sidecar => self.sidecars = true,
            Kind::Gateway => self.gateways = true,
            Kind::Telemetry => self.records = true,
            // Not looked at: what is not translated is said of the whole translation alone.
            Kind::ProxyConfig | Kind::WasmPlugin | Kind::TrafficExtension | Kind::Other => {}
            // The control plane's and the injector's settings are `istio`, `istio-REVISION`, `istio-sidecar-injector`.
            Kind::ConfigMap if !object.name().starts_with("istio") => {}
            kind => {
                self.whole.get_or_insert_with(|| format!("{} {} differs", kind.name(), object.name()));
            }
        }
    }
}

/// What differs beside the objects.
fn settings(old: &Snapshot, new: &Snapshot) -> Option<&'static str> {
    let are_same = |a: &Option<Object>, b: &Option<Object>| match (a, b) {
        (Some(a), Some(b)) => is_same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    if !are_same(&old.mesh_config, &new.mesh_config) || old.mesh_config_unreadable != new.mesh_config_unreadable {
        return Some("the mesh configuration differs");
    }
    if !are_same(&old.mesh_networks, &new.mesh_networks) {
        return Some("the mesh networks differ");
    }
    let is_seen_alike = (old.completeness, &old.unseen, &old.clusters, &old.world) == (new.completeness, &new.unseen, &new.clusters, &new.world);
    (!is_seen_alike).then_some("other parts of the mesh are seen")
}

type Name<'s> = (u16, Kind, &'s str, &'s str);

/// Mostly one object a name; of several the order counts.
fn by_name(snapshot: &Snapshot) -> FxHashMap<Name<'_>, Vec<&Object>> {
    let mut out: FxHashMap<Name<'_>, Vec<&Object>> = FxHashMap::default();
    for o in &snapshot.objects {
        out.entry((o.cluster, o.kind, o.namespace(), o.name())).or_default().push(o);
    }
    out
}

fn is_behind_services(kind: Kind) -> bool {
    matches!(kind, Kind::Pod | Kind::WorkloadEntry | Kind::WorkloadGroup | Kind::EndpointSlice | Kind::Endpoints) || Kind::TEMPLATES.contains(&kind)
}

/// Those that another reading has as well, in their order, by namespace.
fn behind_services<'s>(snapshot: &'s Snapshot, other: &FxHashMap<Name<'_>, Vec<&Object>>) -> FxHashMap<&'s str, Vec<Name<'s>>> {
    let mut out: FxHashMap<&str, Vec<Name<'_>>> = FxHashMap::default();
    for o in snapshot.objects.iter().filter(|o| is_behind_services(o.kind)) {
        let name = (o.cluster, o.kind, o.namespace(), o.name());
        if other.contains_key(&name) {
            out.entry(o.namespace()).or_default().push(name);
        }
    }
    out
}

fn is_same(a: &Object, b: &Object) -> bool {
    if a.kind != b.kind || a.role != b.role || a.cluster != b.cluster {
        return false;
    }
    let (one, other) = (a.root(), b.root());
    (one.id() == other.id() && a.tree().len() == b.tree().len() && a.source().slice(a.tree().span()) == b.source().slice(b.tree().span()))
        || is_same_node(one, other)
}

/// The same texts in the same order: a header may be set twice.
fn is_same_node(a: Node<'_>, b: Node<'_>) -> bool {
    if a.kind() != b.kind() {
        return false;
    }
    if a.is_mapping() {
        a.len() == b.len() && a.entries().zip(b.entries()).all(|((k, v), (l, w))| k.text() == l.text() && is_same_node(v, w))
    } else if a.is_sequence() {
        a.len() == b.len() && a.items().zip(b.items()).all(|(v, w)| is_same_node(v, w))
    } else {
        a.text() == b.text() && a.value() == b.value()
    }
}

fn has_key(node: Node<'_>, key: &str) -> bool {
    if node.is_mapping() {
        node.entries().any(|(k, v)| k.text() == key || has_key(v, key))
    } else {
        node.is_sequence() && node.items().any(|v| has_key(v, key))
    }
}
