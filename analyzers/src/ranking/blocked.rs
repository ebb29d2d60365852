//! Calls that the caller's proxy lets out to nobody: their host is none that it knows.

use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Mesh, Selector, Workload, host};

/// The Sidecar that a workload's proxy goes by: one that selects it, that of its namespace, or that of the root one.
fn sidecar<'a>(mesh: &Mesh<'a>, workload: &Workload<'a>) -> Option<&'a Object> {
    let of = |namespace: &str| {
        let mut list: Vec<&'a Object> = mesh.objects(Kind::Sidecar).iter().filter(|o| o.namespace() == namespace).copied().collect();
        list.sort_by_key(|o| (o.creation(), o.name()));
        list
    };
    let is_for_all = |o: &&&Object| o.spec_at(&["workloadSelector"]).is_none();
    let own = of(workload.namespace);
    let selects = |o: &&&Object| {
        let selector = Selector::from_map(o.spec_at(&["workloadSelector", "labels"]));
        !is_for_all(o) && selector.pairs.iter().all(|(k, v)| workload.label(k) == Some(*v))
    };
    let found = own.iter().find(selects).or_else(|| own.iter().find(is_for_all)).copied();
    found.or_else(|| of(mesh.config.root_namespace()).iter().find(is_for_all).copied())
}

/// The object that makes the proxies of a workload refuse hosts that they do not know, and why; `None` where none does.
pub fn by<'a>(mesh: &Mesh<'a>, callers: &[&Workload<'a>]) -> Option<(&'a Object, &'static str)> {
    let sidecar = callers.first().and_then(|w| sidecar(mesh, w));
    let refuses = |policy: Node<'_>| !matches!(policy.text_of("mode"), "ALLOW_ANY" | "1");
    match sidecar.and_then(|s| Some((s, s.spec_at(&["outboundTrafficPolicy"])?))) {
        Some((object, policy)) => refuses(policy).then_some((object, "it lets callers reach nothing but hosts that it imports (REGISTRY_ONLY)")),
        None => {
            let object = mesh.snapshot.mesh_config.as_ref()?;
            refuses(object.at(&["outboundTrafficPolicy"])?).then_some((object, "the mesh lets callers reach nothing but hosts that it knows (REGISTRY_ONLY)"))
        }
    }
}

/// What is known of the host that is asked for.
pub fn known(mesh: &Mesh<'_>, asked: &str) -> String {
    let has = |o: &&&Object| o.spec().into_iter().flat_map(|s| s.list("hosts")).any(|h| host::covers(h.text(), asked));
    let entry = mesh.objects(Kind::ServiceEntry).iter().find(has).map(|o| o.origin());
    let service = || mesh.services.by_host(asked).next().map(|s| s.object.origin());
    match entry.or_else(service) {
        Some(origin) => format!("{asked} is of {origin}, which the caller's proxy is not told of"),
        None => format!("no ServiceEntry has {asked}"),
    }
}
