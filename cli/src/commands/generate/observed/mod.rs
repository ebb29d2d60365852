//! What is made from traffic that was seen.

pub mod authz;
mod operations;
pub mod service_entry;
pub mod sidecar;

use super::{Made, check, mesh_of};
use crate::args::generate::Seen;
use crate::args::mesh::MeshArgs;
use crate::args::telemetry::TelemetryArgs;
use crate::commands::tui::logs;
use crate::commands::tui::telemetry::is_series_file;
use crate::context::Context;
use crate::mesh_input;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry;
use crate::telemetry::observed::{self, Call, Name, Observed};
use crate::telemetry::requests::{self, Requests};
use crate::term::safe;
use mesh_collectors::recording;
use mesh_collectors::telemetry::scrape::Target;
use mesh_model::graph::Appender;
use mesh_model::{Completeness, Kind, Snapshot};
use mesh_resolver::plan::Change;
use mesh_resolver::why::Named;
use mesh_resolver::{Mesh, Port, Protocol, Service, Workload};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The mesh, what was seen in it, and what could not be seen.
pub struct World {
    pub snapshot: Snapshot,
    pub seen: Observed,
    /// What access logs tell; none where there are none.
    pub requests: Option<Requests>,
    pub problems: Vec<String>,
    status: Status,
}

pub fn read(args: &Seen, context: &Context) -> Result<World, Failure> {
    // Metrics and objects are told apart by what they are.
    let is_metrics = |w: &&String| Target::parse(w).is_some() || recording::find(Path::new(w)).is_some() || is_series_file(Path::new(w));
    let logs: Vec<String> = args.source.from.iter().flat_map(|w| logs::find(w)).collect();
    // A log stands for itself; a folder or recording of some is something else as well.
    let is_log = |w: &&String| logs.contains(w) && recording::find(Path::new(w)).is_none();
    let (metrics, manifests): (Vec<String>, Vec<String>) = args.source.from.iter().filter(|w| !is_log(w)).cloned().partition(|w| is_metrics(&w));
    let source = TelemetryArgs { from: metrics, ..args.source.clone() };
    let mut options = telemetry::options("workload")?;
    options.appenders.remove(&Appender::AggregateNode);
    let recording = telemetry::read(&source, &options, context)?;
    let (mut snapshot, mut problems, mut status) = (recording.snapshot.clone(), Vec::new(), Status::Fine);
    if !manifests.is_empty() {
        let input = mesh_input::read_sources(&MeshArgs { complete: args.complete, ..MeshArgs::default() }, &manifests, context)?;
        problems.extend(input.problems().cloned());
        status = input.status(context);
        snapshot = input.snapshot;
    }
    if snapshot.objects.is_empty() {
        return Err(Failure::usage("metrics alone do not tell labels, ports and accounts: name the manifests with -f too, or `kube`, or a recording"));
    }
    if args.complete {
        snapshot.completeness = Completeness::Complete;
    }
    let seen = observed::read(&recording, &source, context)?;
    problems.extend(seen.problems.iter().cloned());
    let requests = (!logs.is_empty()).then(|| requests::read(&logs, &mesh_of(&snapshot)));
    problems.extend(requests.iter().flat_map(|r| r.problems.iter().cloned()));
    Ok(World { snapshot, seen, requests, problems, status })
}

/// What was made of it, and the workloads that had to be left out.
pub struct Drawn {
    pub made: Made,
    /// Why, each: the answer is one in part.
    pub left_out: Vec<String>,
    /// Clients that were seen, `name.namespace`, and what they called: `host:port`.
    pub calls: BTreeSet<(String, String)>,
    /// The methods and paths that they were seen to ask for, where no others are let through.
    pub operations: BTreeMap<(String, String), BTreeSet<(String, String)>>,
}

/// Judges and prints. What gets worse for those who were not seen is meant to.
pub fn give(
    args: &Seen,
    context: &Context,
    draw: &dyn Fn(&World, &Mesh<'_>) -> Result<Drawn, Failure>,
    verify: &dyn Fn(&Snapshot, &World) -> Vec<String>,
) -> Outcome {
    let world = read(args, context)?;
    let drawn = draw(&world, &mesh_of(&world.snapshot))?;
    let notes = drawn.made.notes.iter().chain(&drawn.left_out).chain(&world.problems);
    notes.for_each(|n| context.note(&safe(n)));
    if drawn.made.documents.is_empty() {
        context.note("nothing is to be made of what was seen");
        let own = if drawn.left_out.is_empty() && world.problems.is_empty() { Status::Fine } else { context.partial };
        return Ok(own.max(world.status));
    }
    let text = drawn.made.yaml();
    let was_seen = |c: &Change| {
        c.clients.iter().any(|client| {
            let call = (client.clone(), c.service.clone());
            drawn.calls.contains(&call) && drawn.operations.get(&call).is_none_or(|seen| seen.contains(&request_of(&c.witness)))
        })
    };
    let mut verdict = check::judge(&world.snapshot, &text, &|c| !was_seen(c));
    verdict.refusals.extend(verify(&check::applied(&world.snapshot, &text), &world));
    let own = if drawn.left_out.is_empty() { Status::Fine } else { context.partial };
    let problems = if world.problems.is_empty() { Status::Fine } else { context.partial };
    super::printed(&drawn.made, &text, &verdict, args.output, context).map(|s| s.max(own).max(problems).max(world.status))
}

/// Method and path of a request as a plan names it: `GET http://cart.shop:80/admin`.
fn request_of(witness: &str) -> (String, String) {
    let (method, url) = witness.split_once(' ').unwrap_or(("", witness));
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    (method.to_owned(), path.split(['?', '#', ' ']).next().unwrap_or("").to_owned())
}

/// The workload of a name that metrics have.
pub fn workload<'m, 'a>(mesh: &'m Mesh<'a>, name: &Name) -> Option<(u32, &'m Workload<'a>)> {
    let text = format!("{}/{}", name.0, name.1);
    let id = *Named::parse(&text, None).workloads(mesh).first()?;
    Some((id, mesh.workloads.get(id)))
}

/// The services of a host, with their ports that carry what a call was counted as: metrics have no port.
pub fn services<'m, 'a>(mesh: &'m Mesh<'a>, call: &Call) -> Vec<(&'m Service<'a>, Vec<&'m Port<'a>>)> {
    let carries = |p: Protocol| if call.protocol == "tcp" { !p.is_http() } else { !p.is_tcp() };
    let of = |s: &'m Service<'a>| (s, s.ports.iter().filter(|p| carries(s.protocol(p))).collect());
    mesh.services.by_host(&call.host).map(of).collect()
}

/// A call as a plan names it, once for each port that it may have gone to.
pub fn calls(mesh: &Mesh<'_>, call: &Call) -> Vec<(String, String)> {
    let Some((_, w)) = workload(mesh, &call.source) else { return Vec::new() };
    let ports = services(mesh, call).into_iter().flat_map(|(_, ports)| ports);
    ports.map(|p| (client(w), format!("{}:{}", call.host, p.number))).collect()
}

/// Whether a workload is the one that was asked for, and of the namespaces that count.
pub fn is_asked(args: &Seen, asked: Option<&str>, mesh: &Mesh<'_>, name: &Name) -> Result<bool, Failure> {
    let namespaces = &args.source.namespace;
    if let Some(text) = asked {
        let ids = Named::parse(text, namespaces.first().map(String::as_str)).workloads(mesh);
        if ids.is_empty() {
            return Err(crate::near::no_workload(text, mesh));
        }
        return Ok(workload(mesh, name).is_some_and(|(id, _)| ids.contains(&id)));
    }
    Ok(namespaces.is_empty() || namespaces.contains(&name.0))
}

/// Labels that tell pods of one workload apart.
const OF_PODS: &[&str] =
    &["pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"];

/// Labels that select a workload: those that its controller goes by, else its own.
pub fn labels(w: &Workload<'_>) -> Option<Value> {
    let node = w.object.spec_at(&["selector", "matchLabels"]).or_else(|| w.pod.at(&["metadata", "labels"]));
    let mut value = node.map(mesh_analyzers::schema::json::value)?;
    value.as_object_mut()?.retain(|k, _| !OF_PODS.contains(&k.as_str()));
    Some(value).filter(|v| v.as_object().is_some_and(|m| !m.is_empty()))
}

/// The name of what made a Pod, as metrics have it; of anything else its own.
pub fn maker<'a>(w: &Workload<'a>) -> &'a str {
    let name = w.object.name();
    if w.object.kind != Kind::Pod {
        return name;
    }
    let owner = w.object.metadata().and_then(|m| m.list("ownerReferences").next()).map(|o| (o.text_of("kind"), o.text_of("name")));
    let hash = w.label("pod-template-hash").unwrap_or_default();
    match owner {
        Some(("ReplicaSet", set)) => set.strip_suffix(hash).and_then(|s| s.strip_suffix('-')).unwrap_or(set),
        Some((_, owner)) => owner,
        None if !hash.is_empty() => name.rsplit_once('-').and_then(|(set, _)| set.strip_suffix(hash)?.strip_suffix('-')).unwrap_or(name),
        None if w.label("statefulset.kubernetes.io/pod-name").is_some() => name.rsplit_once('-').map_or(name, |(set, _)| set),
        None => name,
    }
}

/// The name of a workload as clients of a plan are named.
pub fn client(w: &Workload<'_>) -> String {
    format!("{}.{}", w.object.name(), w.namespace)
}
