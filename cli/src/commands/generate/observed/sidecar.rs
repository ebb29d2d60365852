//! The hosts that a workload's proxy has to know.

use super::{Drawn, World, client, is_asked, labels, workload};
use crate::args::generate::Sidecar;
use crate::commands::generate::{Made, object};
use crate::context::Context;
use crate::status::{Failure, Outcome};
use crate::telemetry::observed::{Name, Reporter};
use mesh_analyzers::schema::json;
use mesh_model::Kind;
use mesh_resolver::{InMesh, Mesh};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub fn run(args: &Sidecar, context: &Context) -> Outcome {
    super::give(&args.seen, context, &|world, mesh| draw(args, world, mesh), &|_, _| Vec::new())
}

fn draw(args: &Sidecar, world: &World, mesh: &Mesh<'_>) -> Result<Drawn, Failure> {
    let mut out = Drawn { made: Made::default(), left_out: Vec::new(), calls: BTreeSet::new() };
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
    for (name, hosts) in hosts {
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
        out.calls.extend(world.seen.calls.iter().filter(|c| c.source == name).flat_map(|c| super::calls(mesh, c)));
        let egress: Vec<String> = hosts.iter().map(|(ns, host)| if *ns == w.namespace { format!("./{host}") } else { format!("{ns}/{host}") }).collect();
        let is_same = |o: &&&mesh_model::Object| o.spec_at(&["workloadSelector", "labels"]).map(json::value).as_ref() == Some(&selector);
        let known = mesh.objects_in(Kind::Sidecar, w.namespace).iter().find(is_same);
        out.made.documents.push(match known {
            Some(known) => {
                let mut value = object::existing(known);
                value["spec"]["egress"] = json!([{"hosts": egress}]);
                value
            }
            None => new(mesh, w, &selector, &egress),
        });
    }
    Ok(out)
}

fn new(mesh: &Mesh<'_>, w: &mesh_resolver::Workload<'_>, selector: &Value, egress: &[String]) -> Value {
    let name = object::free_name(mesh, Kind::Sidecar, w.namespace, w.object.name());
    let spec = json!({"workloadSelector": {"labels": selector}, "egress": [{"hosts": egress}]});
    object::new("networking.istio.io/v1", "Sidecar", w.namespace, &name, spec)
}
