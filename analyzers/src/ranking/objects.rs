//! The objects that decide how calls to a host end.

use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Mesh, Selector, Workload, host};

/// Namespace of a service's full host name; "" where it has none.
pub fn namespace_of<'h>(mesh: &Mesh<'_>, fqdn: &'h str) -> &'h str {
    host::split_service(fqdn, mesh.domain).map_or("", |(_, ns)| ns)
}

/// VirtualServices and HTTPRoutes that name a host, with the path of each rule and the rule.
pub fn rules<'a>(mesh: &Mesh<'a>, fqdn: &str) -> Vec<(&'a Object, String, Node<'a>)> {
    let mut out = Vec::new();
    for object in mesh.objects(Kind::VirtualService) {
        let expand = |h: &str| host::expand(h, object.namespace(), mesh.domain).into_owned();
        let names = object.spec().into_iter().flat_map(|s| s.list("hosts")).any(|h| expand(h.text()) == fqdn);
        for (i, rule) in object.spec().into_iter().flat_map(|s| s.list("http")).enumerate() {
            let sends = rule.list("route").any(|r| r.get("destination").is_some_and(|d| expand(d.text_of("host")) == fqdn));
            if names || sends {
                out.push((*object, format!("http[{i}] {}", rule.text_of("name")).trim_end().to_owned(), rule));
            }
        }
    }
    for object in mesh.objects(Kind::HttpRoute) {
        for (i, rule) in object.spec().into_iter().flat_map(|s| s.list("rules")).enumerate() {
            let to = |b: Node<'_>| {
                let namespace = if b.text_of("namespace").is_empty() { object.namespace() } else { b.text_of("namespace") };
                format!("{}.{namespace}.svc.{}", b.text_of("name"), mesh.domain) == fqdn
            };
            if rule.list("backendRefs").any(to) {
                out.push((*object, format!("rules[{i}]"), rule));
            }
        }
    }
    out
}

/// DestinationRules that callers in a namespace go by, with each traffic policy in them and its path.
pub fn policies<'a>(mesh: &Mesh<'a>, client: &str, fqdn: &str) -> Vec<(&'a Object, String, Node<'a>)> {
    let united = mesh.destination_rules.effective(client, fqdn, namespace_of(mesh, fqdn));
    let mut out = Vec::new();
    for object in united {
        out.extend(object.spec_at(&["trafficPolicy"]).map(|p| (object, "trafficPolicy".to_owned(), p)));
        for subset in object.spec().into_iter().flat_map(|s| s.list("subsets")) {
            out.extend(subset.get("trafficPolicy").map(|p| (object, format!("subset {}", subset.text_of("name")), p)));
        }
    }
    out
}

/// Workloads of a name that metrics have.
pub fn workloads<'m, 'a>(mesh: &'m Mesh<'a>, namespace: &str, name: &str) -> Vec<&'m Workload<'a>> {
    mesh.workloads.in_namespace(namespace).filter(|w| mesh_resolver::splits::name(w) == name).collect()
}

/// Objects of a kind, of a workload's namespace or the root one, that select it. One without a selector selects all.
pub fn selecting<'a>(mesh: &Mesh<'a>, kind: Kind, workload: &[&Workload<'a>], namespace: &str) -> Vec<&'a Object> {
    let root = mesh.config.root_namespace();
    let selects = |object: &&&Object| {
        let labels = object.spec_at(&["selector", "matchLabels"]).or_else(|| object.spec_at(&["workloadSelector", "labels"]));
        let selector = Selector::from_map(labels);
        (object.namespace() == namespace || object.namespace() == root)
            && (selector.is_empty() || workload.iter().any(|w| selector.pairs.iter().all(|(k, v)| w.label(k) == Some(*v))))
    };
    mesh.objects(kind).iter().filter(selects).copied().collect()
}

/// Replicas that are wanted and those that are available, of a workload whose status says so.
pub fn replicas(workload: &Workload<'_>) -> Option<(i64, i64)> {
    if !matches!(workload.object.kind, Kind::Deployment | Kind::StatefulSet) {
        return None;
    }
    let status = workload.object.at(&["status"])?;
    // A field that is zero is left out by Kubernetes; a status that is missing says nothing.
    let ready = status.get("readyReplicas").or_else(|| status.get("availableReplicas")).and_then(Node::int).unwrap_or(0);
    (!status.is_empty()).then_some((workload.replicas, ready))
}
