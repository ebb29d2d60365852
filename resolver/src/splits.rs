//! Rules that send requests to versions: whose shares a canary is judged by. Routes of VirtualServices, and backends of HTTPRoutes.

use crate::host;
use crate::{Mesh, Selector, Workload};
use mesh_model::{Kind, Node, Object};

/// One destination of a rule.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    /// Full host name.
    pub host: String,
    /// "" for the whole service.
    pub subset: &'a str,
    /// The share of the rule's requests, from 0 to 1.
    pub weight: f64,
    /// Labels of the subset; none where no DestinationRule defines it.
    pub labels: Option<Vec<(&'a str, &'a str)>>,
    /// Names of the workloads that it selects, as metrics have them; `namespace` and name.
    pub workloads: Vec<(String, String)>,
}

/// Who sends by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients<'a> {
    Mesh,
    /// The workloads of these Gateways, by namespace and name.
    Gateways(Vec<(&'a str, &'a str)>),
    Both(Vec<(&'a str, &'a str)>),
}

/// A rule, with at least one destination.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    pub object: &'a Object,
    /// `http[1] canary`, `rules[0]`.
    pub name: String,
    pub destinations: Vec<Destination<'a>>,
    pub clients: Clients<'a>,
}

/// All rules with destinations, in the order of their objects.
pub fn rules<'a>(mesh: &Mesh<'a>) -> Vec<Rule<'a>> {
    let mut out = Vec::new();
    for object in mesh.objects(Kind::VirtualService) {
        for list in ["http", "tcp", "tls"] {
            for (i, rule) in object.spec().into_iter().flat_map(|s| s.list(list)).enumerate() {
                let name = format!("{list}[{i}] {}", rule.text_of("name"));
                let routes: Vec<Node<'a>> = rule.list("route").collect();
                let destinations = weighted(routes.iter().map(|r| (r.get("weight").and_then(Node::int), routed(mesh, object, *r))));
                out.extend(rule_of(object, name.trim_end().to_owned(), destinations, clients(object)));
            }
        }
    }
    for object in mesh.objects(Kind::HttpRoute) {
        for (i, rule) in object.spec().into_iter().flat_map(|s| s.list("rules")).enumerate() {
            let backends: Vec<Node<'a>> = rule.list("backendRefs").filter(|b| matches!(b.text_of("kind"), "" | "Service")).collect();
            let destinations = weighted(backends.iter().map(|b| (Some(b.get("weight").and_then(Node::int).unwrap_or(1)), backend(mesh, object, *b))));
            let by_service = object.spec().into_iter().flat_map(|s| s.list("parentRefs")).any(|p| p.text_of("kind") == "Service");
            out.extend(rule_of(object, format!("rules[{i}]"), destinations, if by_service { Clients::Mesh } else { Clients::Gateways(Vec::new()) }));
        }
    }
    out
}

fn rule_of<'a>(object: &'a Object, name: String, destinations: Vec<Destination<'a>>, clients: Clients<'a>) -> Option<Rule<'a>> {
    (!destinations.is_empty()).then_some(Rule { object, name, destinations, clients })
}

/// Weights as shares. One destination without a weight takes all; of several those without one take nothing.
fn weighted<'a>(list: impl Iterator<Item = (Option<i64>, Option<Destination<'a>>)>) -> Vec<Destination<'a>> {
    let list: Vec<_> = list.collect();
    let total: i64 = list.iter().filter_map(|(w, _)| *w).map(|w| w.max(0)).sum();
    let is_one = list.len() == 1;
    list.into_iter()
        .filter_map(|(weight, destination)| {
            let share = if total > 0 { weight.unwrap_or(0).max(0) as f64 / total as f64 } else { f64::from(u8::from(is_one)) };
            destination.map(|d| Destination { weight: share, ..d })
        })
        .collect()
}

fn routed<'a>(mesh: &Mesh<'a>, object: &'a Object, route: Node<'a>) -> Option<Destination<'a>> {
    let at = route.get("destination")?;
    let fqdn = host::expand(at.text_of("host"), object.namespace(), mesh.domain).into_owned();
    let subset = at.text_of("subset");
    let namespace = host::split_service(&fqdn, mesh.domain).map_or(object.namespace(), |(_, ns)| ns).to_owned();
    let labels = match subset {
        "" => Some(Vec::new()),
        name => {
            let united = mesh.destination_rules.effective(object.namespace(), &fqdn, &namespace);
            crate::destination_rule::subset(&united, name).map(|(_, s)| Selector::from_map(s.get("labels")).pairs)
        }
    };
    Some(destination(mesh, fqdn, subset, labels))
}

fn backend<'a>(mesh: &Mesh<'a>, object: &'a Object, backend: Node<'a>) -> Option<Destination<'a>> {
    let namespace = if backend.text_of("namespace").is_empty() { object.namespace() } else { backend.text_of("namespace") };
    let fqdn = format!("{}.{namespace}.svc.{}", backend.text_of("name"), mesh.domain);
    Some(destination(mesh, fqdn, "", Some(Vec::new())))
}

fn destination<'a>(mesh: &Mesh<'a>, fqdn: String, subset: &'a str, labels: Option<Vec<(&'a str, &'a str)>>) -> Destination<'a> {
    let mut workloads: Vec<(String, String)> = Vec::new();
    for service in mesh.services.by_host(&fqdn) {
        let selector = service.selector();
        let (Some(labels), false) = (&labels, selector.is_empty()) else { continue };
        let chosen = mesh.workloads.matching(Some(service.namespace), &selector).filter(|w| labels.iter().all(|(k, v)| w.label(k) == Some(*v)));
        workloads.extend(chosen.map(|w| (w.namespace.to_owned(), name(w))));
    }
    workloads.sort();
    workloads.dedup();
    Destination { host: fqdn, subset, weight: 0.0, labels, workloads }
}

/// The name that metrics give a workload: that of what made its pods.
pub fn name(workload: &Workload<'_>) -> String {
    let name = workload.object.name();
    // Pods, and the ReplicaSets between them and their Deployment, have its hash in their names.
    match workload.label("pod-template-hash") {
        Some(hash) => name.split(&format!("-{hash}")).next().unwrap_or(name).to_owned(),
        None => name.to_owned(),
    }
}

fn clients(object: &Object) -> Clients<'_> {
    let all: Vec<&str> = object.spec().into_iter().flat_map(|s| s.list("gateways")).map(Node::text).collect();
    let in_mesh = all.is_empty() || all.contains(&"mesh");
    let gateways: Vec<(&str, &str)> = all
        .iter()
        .copied()
        .filter(|g| *g != "mesh")
        .map(|g| match unsplit(g) {
            ("", name) => (object.namespace(), name),
            both => both,
        })
        .collect();
    match (in_mesh, gateways.is_empty()) {
        (true, true) => Clients::Mesh,
        (true, false) => Clients::Both(gateways),
        (false, _) => Clients::Gateways(gateways),
    }
}

/// Namespace and name of `ns/name`; "" where there is no namespace.
fn unsplit(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

impl Clients<'_> {
    /// Whether a workload sends by the rule; `None` where nothing is known of it.
    pub fn include(&self, mesh: &Mesh<'_>, namespace: &str, workload: &str) -> Option<bool> {
        let known: Vec<&Workload<'_>> = mesh.workloads.in_namespace(namespace).filter(|w| name(w) == workload).collect();
        let picks = |gateway: &Object| {
            let selector = Selector::from_map(gateway.spec_at(&["selector"]));
            !selector.is_empty() && known.iter().any(|w| selector.pairs.iter().all(|(k, v)| w.label(k) == Some(*v)))
        };
        let is_gateway = mesh.objects(Kind::Gateway).iter().any(|g| picks(g));
        let of_these = |list: &[(&str, &str)]| mesh.objects(Kind::Gateway).iter().any(|g| list.contains(&(g.namespace(), g.name())) && picks(g));
        if known.is_empty() {
            return None;
        }
        Some(match self {
            Clients::Mesh => !is_gateway,
            Clients::Gateways(list) => list.is_empty() || of_these(list),
            Clients::Both(list) => !is_gateway || of_these(list),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::{Role, Snapshot, Source};

    const YAML: &str = "
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80, name: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v1, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart, version: v1}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec: {host: cart, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v22}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec: {hosts: [cart], http: [{match: [{headers: {a: {exact: b}}}], route: [{destination: {host: cart, subset: v9}}]}, {name: canary, route: [{destination: {host: cart, subset: v1}, weight: 3}, {destination: {host: cart, subset: v2}, weight: 1}]}]}
";

    #[test]
    fn a_rules_destinations_and_what_they_select() {
        let mut snapshot = Snapshot::new();
        let source = Source::new("t", YAML);
        let manifest = read_manifest(&source, Role::Judged, 0, mesh_model::yaml::Limits::default());
        snapshot.add(&source, manifest);
        let mesh = Mesh::new(&snapshot);
        let rules = rules(&mesh);
        assert_eq!(rules.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["http[0]", "http[1] canary"]);
        assert_eq!((rules[0].destinations[0].weight, &rules[0].destinations[0].labels), (1.0, &None));
        let [v1, v2] = rules[1].destinations.as_slice() else { panic!("{rules:?}") };
        assert_eq!((v1.weight, v2.weight, v1.host.as_str()), (0.75, 0.25, "cart.shop.svc.cluster.local"));
        assert_eq!(v1.workloads, [("shop".to_owned(), "cart-v1".to_owned())]);
        assert!(v2.workloads.is_empty() && v2.labels == Some(vec![("version", "v22")]));
        assert_eq!((rules[1].clients.include(&mesh, "shop", "cart-v1"), rules[1].clients.include(&mesh, "shop", "x")), (Some(true), None));
    }
}
