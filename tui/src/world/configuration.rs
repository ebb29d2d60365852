//! The graph that configuration draws: gateways, services, the workloads behind them, and what routes say.
//!
//! Who calls whom is not known from configuration. Edges mean "is routed to" (gateway or host to service, with the
//! share of a weighted route) and "is made of" (service to workload).

use super::{Finding, Level, percent};
use crate::graph::{Edge, Health, Node, View};
use mesh_model::{Kind, Node as Yaml, Object, Role};
use mesh_resolver::labels::Selector;
use mesh_resolver::{Mesh, host};
use std::collections::BTreeMap;

/// What stands in the box of a destination that the input does not hold.
const MISSING: &str = "not in the input";

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    Gateway,
    Service,
    External,
    Workload,
    /// A destination that the input does not hold.
    Missing,
}

#[derive(Clone, Debug)]
pub struct Configured {
    pub view: View,
    /// What each node of the view is, by namespace and name.
    pub bodies: BTreeMap<(String, String), Body>,
    /// Objects that say something of a node: `VirtualService bookinfo/reviews`.
    pub objects: BTreeMap<(String, String), Vec<String>>,
}

/// Namespace and name.
type Key = (String, String);

#[derive(Default)]
struct Draft {
    nodes: BTreeMap<(String, String), (Body, String)>,
    edges: BTreeMap<(Key, Key), String>,
    objects: BTreeMap<(String, String), Vec<String>>,
}

impl Draft {
    fn node(&mut self, namespace: &str, name: &str, body: Body) -> (String, String) {
        let key = (namespace.to_owned(), name.to_owned());
        let entry = self.nodes.entry(key.clone()).or_insert_with(|| (body.clone(), String::new()));
        if entry.0 == Body::Missing {
            entry.0 = body;
        }
        key
    }
    fn badge(&mut self, key: &(String, String), badge: char) {
        if let Some((_, badges)) = self.nodes.get_mut(key).filter(|(_, b)| !b.contains(badge)) {
            badges.push(badge);
        }
    }
    fn says(&mut self, key: &(String, String), object: &Object) {
        let list = self.objects.entry(key.clone()).or_default();
        let origin = object.origin();
        if !list.contains(&origin) {
            list.push(origin);
        }
    }
    fn edge(&mut self, from: &(String, String), to: &(String, String), label: &str) {
        let entry = self.edges.entry((from.clone(), to.clone())).or_default();
        if entry.is_empty() {
            label.clone_into(entry);
        }
    }
}

pub(super) fn configured(mesh: &Mesh<'_>, findings: &[Finding]) -> Configured {
    let mut draft = Draft::default();
    services(mesh, &mut draft);
    for object in mesh.objects(Kind::Gateway).iter().filter(|o| o.role != Role::Assumed) {
        let key = draft.node(object.namespace(), &gateway(object.name()), Body::Gateway);
        draft.says(&key, object);
    }
    for object in mesh.objects(Kind::K8sGateway).iter().filter(|o| o.role != Role::Assumed) {
        let key = draft.node(object.namespace(), &gateway(object.name()), Body::Gateway);
        draft.says(&key, object);
    }
    for object in mesh.objects(Kind::DestinationRule) {
        destination_rule(mesh, object, &mut draft);
    }
    for object in mesh.objects(Kind::VirtualService) {
        virtual_service(mesh, object, &mut draft);
    }
    for object in mesh.objects(Kind::HttpRoute) {
        http_route(mesh, object, &mut draft);
    }
    finish(draft, findings)
}

/// Gateways and services may have the same name; the mark keeps them apart.
fn gateway(name: &str) -> String {
    format!("{name} (gateway)")
}

fn services(mesh: &Mesh<'_>, draft: &mut Draft) {
    for service in mesh.services.all().iter().filter(|s| s.object.role != Role::Assumed) {
        if service.object.kind == Kind::ServiceEntry {
            for host in &service.hosts {
                let key = draft.node(service.namespace, host, Body::External);
                draft.badge(&key, 'E');
                draft.says(&key, service.object);
            }
            continue;
        }
        let key = draft.node(service.namespace, service.object.name(), Body::Service);
        draft.says(&key, service.object);
        if service.selector.is_none() {
            continue;
        }
        for workload in mesh.workloads.matching(Some(service.namespace), &service.selector()).filter(|w| w.object.role != Role::Assumed) {
            let name = workload_name(workload.object);
            if name == service.object.name() {
                continue;
            }
            let to = draft.node(workload.namespace, &name, Body::Workload);
            draft.says(&to, workload.object);
            draft.edge(&key, &to, "");
        }
    }
}

/// A workload is shown by what made it, at last by its Deployment: the name of a ReplicaSet ends in a hash.
fn workload_name(object: &Object) -> String {
    let owner = object.metadata().into_iter().flat_map(|m| m.list("ownerReferences")).next();
    match owner.map(|o| (o.text_of("kind"), o.text_of("name"))) {
        Some(("ReplicaSet", name)) => name.rsplit_once('-').map_or(name, |(n, _)| n).to_owned(),
        Some((_, name)) if !name.is_empty() => name.to_owned(),
        _ => object.name().to_owned(),
    }
}

/// The node of a host as a namespace writes it.
fn destination(mesh: &Mesh<'_>, written: &str, namespace: &str, draft: &mut Draft) -> (String, String) {
    let fqdn = host::expand(written, namespace, mesh.domain);
    match host::split_service(&fqdn, mesh.domain) {
        Some((name, ns)) => draft.node(ns, name, Body::Missing),
        None => match mesh.services.by_host(&fqdn).next() {
            Some(s) => draft.node(s.namespace, &fqdn, Body::External),
            None => draft.node(namespace, &fqdn, Body::Missing),
        },
    }
}

fn destination_rule(mesh: &Mesh<'_>, object: &Object, draft: &mut Draft) {
    let Some(spec) = object.spec() else { return };
    let fqdn = host::expand(spec.text_of("host"), object.namespace(), mesh.domain).into_owned();
    let Some(key) = host::split_service(&fqdn, mesh.domain).map(|(name, ns)| (ns.to_owned(), name.to_owned())).filter(|k| draft.nodes.contains_key(k)) else {
        return;
    };
    draft.says(&key, object);
    let policy = spec.get("trafficPolicy");
    if policy.is_some_and(|p| p.get("outlierDetection").is_some() || p.get("connectionPool").is_some()) {
        draft.badge(&key, 'C');
    }
}

/// The workloads of a service that a subset's labels choose.
fn of_subset(mesh: &Mesh<'_>, namespace: &str, service: &str, fqdn: &str, client: &str, name: &str) -> Vec<(String, String)> {
    let united = mesh.destination_rules.effective(client, fqdn, namespace);
    let Some((_, subset)) = mesh_resolver::destination_rule::subset(&united, name) else { return Vec::new() };
    let Some(of) = mesh.services.by_host(fqdn).find(|s| s.namespace == namespace && s.object.name() == service) else { return Vec::new() };
    let selector = Selector::from_map(subset.get("labels"));
    let chosen: Vec<_> = mesh.workloads.matching(Some(namespace), &selector).map(|w| (w.namespace, w.object)).collect();
    let all = mesh.workloads.matching(Some(namespace), &of.selector());
    all.filter(|w| chosen.iter().any(|(_, o)| std::ptr::eq(*o, w.object))).map(|w| (w.namespace.to_owned(), workload_name(w.object))).collect()
}

fn virtual_service(mesh: &Mesh<'_>, object: &Object, draft: &mut Draft) {
    let Some(spec) = object.spec() else { return };
    let namespace = object.namespace();
    let gateways: Vec<&str> = spec.list("gateways").map(Yaml::text).collect();
    let mut callers: Vec<(String, String)> = Vec::new();
    for name in gateways.iter().filter(|g| **g != "mesh") {
        let (ns, name) = name.split_once('/').unwrap_or((namespace, name));
        callers.push(draft.node(ns, &gateway(name), Body::Missing));
    }
    // A rule for callers inside the mesh: the host that they call is what is routed on.
    if gateways.is_empty() || gateways.contains(&"mesh") {
        for h in spec.list("hosts").map(Yaml::text).filter(|h| !h.contains('*')) {
            callers.push(destination(mesh, h, namespace, draft));
        }
    }
    for caller in &callers {
        draft.says(caller, object);
        draft.badge(caller, 'V');
    }
    for kind in ["http", "tls", "tcp"] {
        for rule in spec.list(kind) {
            if rule.get("fault").is_some() {
                callers.iter().for_each(|c| draft.badge(c, 'F'));
            }
            if rule.get("timeout").is_some() || rule.get("retries").is_some() {
                callers.iter().for_each(|c| draft.badge(c, 'T'));
            }
            let destinations: Vec<_> = rule.list("route").collect();
            let total = destinations.iter().map(|d| number(*d, 0)).sum();
            let is_split = destinations.len() > 1;
            let mirrors = rule.list("mirrors").filter_map(|m| m.get("destination")).chain(rule.get("mirror"));
            let targets = destinations
                .iter()
                .filter_map(|d| Some((d.get("destination")?, if is_split { percent(number(*d, 0), total) } else { String::new() })))
                .chain(mirrors.map(|m| (m, "mirror".to_owned())));
            for (to, label) in targets {
                let key = destination(mesh, to.text_of("host"), namespace, draft);
                let subset = to.text_of("subset");
                for caller in &callers {
                    if *caller != key {
                        draft.edge(caller, &key, &label);
                    }
                    if !subset.is_empty() {
                        let fqdn = host::expand(to.text_of("host"), namespace, mesh.domain);
                        for workload in of_subset(mesh, &key.0, &key.1, &fqdn, namespace, subset) {
                            let shown = if label.is_empty() { subset.to_owned() } else { label.clone() };
                            if draft.nodes.contains_key(&workload) {
                                draft.edge(&key, &workload, &shown);
                            }
                        }
                    }
                }
                if label == "mirror" {
                    draft.badge(&key, 'M');
                }
                if is_split {
                    draft.badge(&key, 'S');
                }
            }
        }
    }
}

/// The weight of a destination; one that is not written is `default`.
fn number(destination: Yaml<'_>, default: u64) -> u64 {
    destination.get("weight").and_then(Yaml::int).map_or(default, |w| u64::try_from(w).unwrap_or(0))
}

fn http_route(mesh: &Mesh<'_>, object: &Object, draft: &mut Draft) {
    let Some(spec) = object.spec() else { return };
    let namespace = object.namespace();
    let mut callers = Vec::new();
    for parent in spec.list("parentRefs") {
        let ns = if parent.text_of("namespace").is_empty() { namespace } else { parent.text_of("namespace") };
        match parent.text_of("kind") {
            "" | "Gateway" => callers.push(draft.node(ns, &gateway(parent.text_of("name")), Body::Missing)),
            "Service" => callers.push(draft.node(ns, parent.text_of("name"), Body::Missing)),
            _ => {}
        }
    }
    for caller in &callers {
        draft.says(caller, object);
        draft.badge(caller, 'V');
    }
    for rule in spec.list("rules") {
        let backends: Vec<_> = rule.list("backendRefs").collect();
        let total = backends.iter().map(|b| number(*b, 1)).sum();
        for backend in &backends {
            let ns = if backend.text_of("namespace").is_empty() { namespace } else { backend.text_of("namespace") };
            let fqdn = format!("{}.{ns}.svc.{}", backend.text_of("name"), mesh.domain);
            let key = destination(mesh, &fqdn, namespace, draft);
            let label = if backends.len() > 1 { percent(number(*backend, 1), total) } else { String::new() };
            for caller in callers.iter().filter(|c| **c != key) {
                draft.edge(caller, &key, &label);
            }
        }
    }
}

fn finish(draft: Draft, findings: &[Finding]) -> Configured {
    let mut worst: BTreeMap<&str, Level> = BTreeMap::new();
    for f in findings {
        let entry = worst.entry(&f.object).or_insert(f.level);
        *entry = (*entry).min(f.level);
    }
    let health = |key: &(String, String), body: &Body| {
        let level = draft.objects.get(key).into_iter().flatten().filter_map(|o| worst.get(o.as_str())).min();
        match (level, body) {
            (Some(Level::Error), _) => Health::Failing,
            (Some(Level::Warning), _) => Health::Degraded,
            (_, Body::Missing) => Health::Unknown,
            _ => Health::Ok,
        }
    };
    let mut place = BTreeMap::new();
    let mut nodes = Vec::new();
    for (key, (body, badges)) in &draft.nodes {
        place.insert(key, nodes.len());
        let figures = match body {
            Body::Gateway => "gateway",
            Body::Service => "service",
            Body::External => "external",
            Body::Workload => "workload",
            Body::Missing => MISSING,
        };
        let badges = if *body == Body::Gateway { format!("G{badges}") } else { badges.clone() };
        nodes.push(Node { namespace: key.0.clone(), name: key.1.clone(), health: health(key, body), figures: figures.to_owned(), badges, flow: None });
    }
    let edges = draft.edges.iter().map(|((from, to), label)| {
        let (a, b) = (place[from], place[to]);
        // A route to something that is missing, or that is judged wrong, is where one looks first.
        let health = if nodes[b].figures == MISSING { Health::Unknown } else { Health::Ok };
        Edge { from: a, to: b, health, label: label.clone(), flow: None }
    });
    let edges = edges.collect();
    let bodies = draft.nodes.into_iter().map(|(key, (body, _))| (key, body)).collect();
    Configured { view: View::new(nodes, edges), bodies, objects: draft.objects }
}
