//! The hosts that a workload's proxy has to know.

use super::{Drawn, World, client, is_asked, labels, maker, workload};
use crate::args::generate::Sidecar;
use crate::commands::generate::{Made, object};
use crate::context::Context;
use crate::status::{Failure, Outcome};
use crate::telemetry::observed::{Name, Reporter};
use mesh_analyzers::schema::json;
use mesh_model::{Kind, Object};
use mesh_resolver::translate::Model;
use mesh_resolver::{InMesh, Mesh, Selector};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub fn run(args: &Sidecar, context: &Context) -> Outcome {
    super::give(&args.seen, context, &|world, mesh| draw(args, world, mesh), &|_, _| Vec::new())
}

fn draw(args: &Sidecar, world: &World, mesh: &Mesh<'_>) -> Result<Drawn, Failure> {
    let mut out = Drawn { made: Made::default(), left_out: Vec::new(), calls: BTreeSet::new(), operations: BTreeMap::new() };
    let mut hosts: BTreeMap<Name, BTreeSet<(String, String)>> = BTreeMap::new();
    for call in world.seen.calls.iter().filter(|c| c.source.1 != "unknown") {
        let found = mesh.services.by_host(&call.host).chain(mesh.services.by_wildcard(&call.host)).next();
        match found {
            Some(service) => {
                let host = service.hosts.iter().find(|h| **h == call.host).or_else(|| service.hosts.first()).cloned().unwrap_or_default();
                hosts.entry(call.source.clone()).or_default().insert((service.namespace.to_owned(), host));
            }
            // What passes a proxy by passes it by with a Sidecar too.
            None if call.reporter == Reporter::Client
                && call.destination.1 != "unknown"
                && is_asked(&args.seen, args.workload.as_deref(), mesh, &call.source)? =>
            {
                let why = format!("{}.{} calls {}, which is not in the input: no Sidecar is made for it", call.source.1, call.source.0, call.host);
                out.left_out.push(why);
            }
            None => {}
        }
    }
    out.left_out.sort();
    out.left_out.dedup();
    let model = Model::supposing(mesh);
    for (name, mut hosts) in hosts {
        if !is_asked(&args.seen, args.workload.as_deref(), mesh, &name)? {
            continue;
        }
        let Some((_, w)) = workload(mesh, &name) else {
            out.left_out.push(format!("{}.{} calls, and is not in the input: no Sidecar is made for it", name.1, name.0));
            continue;
        };
        // A gateway has no Sidecar.
        if mesh.in_mesh(w) == InMesh::Gateway || out.left_out.iter().any(|l| l.starts_with(&format!("{}.{} ", name.1, name.0))) {
            continue;
        }
        let Some(selector) = labels(w) else {
            out.left_out.push(format!("{} has no labels to select it by", client(w)));
            continue;
        };
        let selects =
            |o: &&&Object| o.spec_at(&["workloadSelector"]).is_some() && Selector::from_map(o.spec_at(&["workloadSelector", "labels"])).matches(|k| w.label(k));
        let is_same = |o: &Object| o.spec_at(&["workloadSelector", "labels"]).map(json::value).as_ref() == Some(&selector);
        let mut own: Vec<&Object> = mesh.objects_in(Kind::Sidecar, w.namespace).iter().filter(selects).copied().collect();
        own.sort_by_key(|o| (o.creation(), o.name()));
        // Of several that select a workload the oldest counts.
        if let Some(other) = own.iter().find(|o| !is_same(o)) {
            out.left_out.push(format!("{} is selected by {} already, with other labels: no Sidecar is made for it", client(w), other.origin()));
            continue;
        }
        add_leads(&model, w.namespace, mesh, &mut hosts);
        out.calls.extend(world.seen.calls.iter().filter(|c| c.source == name).flat_map(|c| super::calls(mesh, c)));
        let egress: Vec<String> = hosts.iter().map(|(ns, host)| if *ns == w.namespace { format!("./{host}") } else { format!("{ns}/{host}") }).collect();
        let made = match own.first() {
            Some(known) => {
                let mut value = object::existing(known);
                value["spec"]["egress"] = json!([{"hosts": egress}]);
                value
            }
            None => new(mesh, &out.made.documents, w, &selector, &egress),
        };
        out.made.documents.push(made);
    }
    Ok(out)
}

/// Metrics name where a request ended. A VirtualService that leads there is asked by its own hosts, and has to be known too.
fn add_leads(model: &Model<'_, '_>, namespace: &str, mesh: &Mesh<'_>, hosts: &mut BTreeSet<(String, String)>) {
    let called: BTreeSet<String> = hosts.iter().map(|(_, host)| host.clone()).collect();
    for lead in model.leads(namespace).into_iter().filter(|l| l.destinations.iter().any(|d| called.contains(d))) {
        for host in lead.hosts {
            hosts.extend(mesh.services.by_host(&host).map(|s| (s.namespace.to_owned(), host.clone())));
            hosts.insert((lead.namespace.clone(), host));
        }
    }
}

/// The Sidecar that counts for workloads without one of their own: that of the namespace, else the root namespace's, the oldest of each.
fn wide<'a>(mesh: &Mesh<'a>, namespace: &str) -> Option<&'a Object> {
    let oldest = |namespace: &str| {
        let all = mesh.objects_in(Kind::Sidecar, namespace).iter().copied().filter(|o| o.spec_at(&["workloadSelector"]).is_none());
        all.min_by_key(|o| (o.creation(), o.name()))
    };
    oldest(namespace).or_else(|| oldest(mesh.config.root_namespace()))
}

/// Of several Sidecars one counts alone: what the wide one says beside its hosts is said again.
fn new(mesh: &Mesh<'_>, made: &[Value], w: &mesh_resolver::Workload<'_>, selector: &Value, egress: &[String]) -> Value {
    let name = object::unused_name(mesh, made, Kind::Sidecar, w.namespace, maker(w));
    let mut spec = wide(mesh, w.namespace).map(|o| object::existing(o)["spec"].take()).filter(Value::is_object).unwrap_or_else(|| json!({}));
    spec["workloadSelector"] = json!({"labels": selector});
    spec["egress"] = json!([{"hosts": egress}]);
    object::new("networking.istio.io/v1", "Sidecar", w.namespace, &name, spec)
}
