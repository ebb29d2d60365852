//! Policies that let through who was seen to call.

use super::{Drawn, World, client, is_asked, labels, workload};
use crate::args::generate::Authz;
use crate::commands::generate::{Made, object};
use crate::context::Context;
use crate::status::{Failure, Outcome};
use crate::telemetry::observed::{Call, Name, Reporter};
use mesh_model::{Kind, Snapshot};
use mesh_resolver::translate::Model;
use mesh_resolver::who_can::{self, Asked, Caller, May};
use mesh_resolver::{InMesh, Mesh, Selector};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Requests that were refused: nothing is lost to those who know no other answer.
const REFUSED: u16 = 403;
/// Less than one request in eleven days is noise of a rate.
const LEAST: f64 = 1e-6;

pub fn run(args: &Authz, context: &Context) -> Outcome {
    super::give(&args.seen, context, &|world, mesh| draw(args, world, mesh), &verify(args))
}

/// Callers of a workload.
#[derive(Default)]
struct Callers {
    /// Identities, and the ports of the workload that they called; none where that is not known.
    identities: BTreeMap<String, BTreeSet<u16>>,
    /// Requests or bytes a second without mutual TLS.
    plaintext: f64,
    /// Callers whose identity is not known.
    unknown: BTreeSet<String>,
}

/// Who called whom, by workload.
fn callers(world: &World, mesh: &Mesh<'_>) -> BTreeMap<Name, Callers> {
    let mut out: BTreeMap<Name, Callers> = BTreeMap::new();
    for call in world.seen.calls.iter().filter(|c| c.destination.1 != "unknown" && c.code != REFUSED && c.rate > LEAST) {
        let one = out.entry(call.destination.clone()).or_default();
        if call.reporter == Reporter::Server && call.security == "none" {
            one.plaintext += call.rate;
            continue;
        }
        // What a client counted says who it is; whether it came with mutual TLS the server says.
        match identity(call, mesh) {
            Some(id) => one.identities.entry(id).or_default().extend(ports(call, mesh)),
            None => _ = one.unknown.insert(format!("{}.{}", call.source.1, call.source.0)),
        }
    }
    out
}

/// The caller's identity, as the metrics say or its account does.
fn identity(call: &Call, mesh: &Mesh<'_>) -> Option<String> {
    if !call.principal.is_empty() {
        return Some(call.principal.clone());
    }
    let (_, w) = workload(mesh, &call.source)?;
    (mesh.in_mesh(w) != InMesh::No).then(|| format!("{}/ns/{}/sa/{}", mesh.config.trust_domain(), w.namespace, w.service_account()))
}

/// The workload's ports behind the service's that carry what was seen.
fn ports(call: &Call, mesh: &Mesh<'_>) -> Vec<u16> {
    let Some((_, w)) = workload(mesh, &call.destination) else { return Vec::new() };
    super::services(mesh, call).into_iter().flat_map(|(_, ports)| ports).filter_map(|p| p.of_workload(w)).collect()
}

fn draw(args: &Authz, world: &World, mesh: &Mesh<'_>) -> Result<Drawn, Failure> {
    let mut out = Drawn { made: Made::default(), left_out: Vec::new(), calls: BTreeSet::new() };
    let asked = |name: &Name| is_asked(&args.seen, args.workload.as_deref(), mesh, name);
    let mut covered: BTreeSet<u32> = BTreeSet::new();
    for (name, callers) in callers(world, mesh) {
        let Some((id, w)) = workload(mesh, &name) else {
            if args.workload.is_none() && (args.seen.source.namespace.is_empty() || args.seen.source.namespace.contains(&name.0)) {
                out.left_out.push(format!("{}.{} is called, and is not in the input: no policy is made for it", name.1, name.0));
            }
            continue;
        };
        if !asked(&name)? || mesh.in_mesh(w) == InMesh::Gateway {
            continue;
        }
        covered.insert(id);
        let title = client(w);
        if callers.plaintext > 0.0 && !args.drop_plaintext {
            out.left_out.push(format!(
                "{title} is called without mutual TLS ({:.2}/s): no identity can be asked for, and no policy is made for it (--drop-plaintext makes one, and these callers lose access)",
                callers.plaintext
            ));
            continue;
        }
        if !callers.unknown.is_empty() {
            let who: Vec<&str> = callers.unknown.iter().map(String::as_str).collect();
            out.left_out
                .push(format!("{title} is called by {}, of whom neither metrics nor manifests know the identity: no policy is made for it", who.join(", ")));
            continue;
        }
        if callers.identities.is_empty() {
            continue;
        }
        let Some(selector) = labels(w) else {
            out.left_out.push(format!("{title} has no labels to select it by"));
            continue;
        };
        out.made.documents.push(policy(mesh, w, selector, &callers.identities));
        out.made.notes.extend(others(mesh, id, &title));
        out.calls.extend(calls(world, mesh, &name));
    }
    if args.deny_unseen {
        deny(args, mesh, &covered, &mut out)?;
    }
    Ok(out)
}

/// The clients that were seen at a workload, with the hosts that they called it by.
fn calls(world: &World, mesh: &Mesh<'_>, name: &Name) -> Vec<(String, String)> {
    let those = world.seen.calls.iter().filter(|c| c.destination == *name && c.code != REFUSED && c.security != "none" && c.rate > LEAST);
    those.flat_map(|c| super::calls(mesh, c)).collect()
}

fn policy(mesh: &Mesh<'_>, w: &mesh_resolver::Workload<'_>, selector: Value, identities: &BTreeMap<String, BTreeSet<u16>>) -> Value {
    let mut by_ports: BTreeMap<&BTreeSet<u16>, Vec<&str>> = BTreeMap::new();
    for (id, ports) in identities {
        by_ports.entry(ports).or_default().push(id);
    }
    let rule = |(ports, ids): (&BTreeSet<u16>, Vec<&str>)| {
        let mut rule = json!({"from": [{"source": {"principals": ids}}]});
        if !ports.is_empty() {
            rule["to"] = json!([{"operation": {"ports": ports.iter().map(u16::to_string).collect::<Vec<_>>()}}]);
        }
        rule
    };
    let rules: Vec<Value> = by_ports.into_iter().map(rule).collect();
    of(mesh, w, json!({"action": "ALLOW", "selector": {"matchLabels": selector}, "rules": rules}))
}

/// An earlier policy of the same making is replaced.
fn of(mesh: &Mesh<'_>, w: &mesh_resolver::Workload<'_>, spec: Value) -> Value {
    let wanted = name(w);
    let is_own = |o: &mesh_model::Object| {
        let labels = o.spec_at(&["selector", "matchLabels"]).map(mesh_analyzers::schema::json::value);
        o.spec().is_some_and(|s| matches!(s.text_of("action"), "" | "ALLOW")) && labels.as_ref() == Some(&spec["selector"]["matchLabels"])
    };
    let name = match mesh.find(Kind::AuthorizationPolicy, w.namespace, &wanted) {
        Some(known) if !is_own(known) => object::free_name(mesh, Kind::AuthorizationPolicy, w.namespace, &wanted),
        _ => wanted,
    };
    object::new("security.istio.io/v1", "AuthorizationPolicy", w.namespace, &name, spec)
}

fn name(w: &mesh_resolver::Workload<'_>) -> String {
    format!("{}-callers", w.object.name())
}

/// Policies that let others in as well: of several that allow each counts.
fn others(mesh: &Mesh<'_>, id: u32, title: &str) -> Vec<String> {
    let w = mesh.workloads.get(id);
    let root = mesh.config.root_namespace();
    let namespaces = if root == w.namespace { vec![root] } else { vec![root, w.namespace] };
    let allows = |o: &&&mesh_model::Object| {
        let selector = Selector::from_map(o.spec_at(&["selector", "matchLabels"]));
        o.spec().is_some_and(|s| matches!(s.text_of("action"), "" | "ALLOW") && s.list("rules").next().is_some())
            && selector.matches(|k| w.label(k))
            && o.name() != name(w)
    };
    let all = namespaces.into_iter().flat_map(|ns| mesh.objects_in(Kind::AuthorizationPolicy, ns));
    all.filter(allows).map(|o| format!("{} lets callers of {title} in as well: delete it once these policies are applied", o.origin())).collect()
}

/// A policy without rules for workloads of Services that nobody called.
fn deny(args: &Authz, mesh: &Mesh<'_>, covered: &BTreeSet<u32>, out: &mut Drawn) -> Result<(), Failure> {
    for (id, w) in mesh.workloads.all().iter().enumerate() {
        let is_server = mesh.in_mesh(w) == InMesh::Sidecar && !mesh.services.selecting(w).is_empty();
        let own = (w.namespace.to_owned(), w.object.name().to_owned());
        if !is_server || covered.contains(&(id as u32)) || !is_asked(&args.seen, args.workload.as_deref(), mesh, &own)? {
            continue;
        }
        if let Some(selector) = labels(w) {
            let value = of(mesh, w, json!({"action": "ALLOW", "selector": {"matchLabels": selector}}));
            if !out.made.documents.contains(&value) {
                out.made.documents.push(value);
            }
        }
    }
    Ok(())
}

/// Who was seen may still call, asked of the policies as a proxy would enforce them.
fn verify(args: &Authz) -> impl Fn(&Snapshot, &World) -> Vec<String> + '_ {
    move |after, world| {
        let before = super::mesh_of(&world.snapshot);
        let (old, new) = (Model::supposing(&before), super::mesh_of(after));
        let new = Model::supposing(&new);
        let mut out = Vec::new();
        for (name, callers) in callers(world, &before) {
            if callers.plaintext > 0.0 && !args.drop_plaintext {
                continue;
            }
            let Some((id, w)) = workload(new.mesh, &name) else { continue };
            if !is_asked(&args.seen, args.workload.as_deref(), new.mesh, &name).unwrap_or(false) || new.mesh.in_mesh(w) == InMesh::Gateway {
                continue;
            }
            for (identity, ports) in &callers.identities {
                let all = if ports.is_empty() { who_can::ports(&new, id) } else { ports.iter().copied().collect() };
                for port in all {
                    let ask = |model: &Model<'_, '_>| {
                        let id = workload(model.mesh, &name).map_or(id, |(id, _)| id);
                        let who: Arc<str> = identity.as_str().into();
                        let answer = who_can::access(model, id, port, &Asked::default(), &[Arc::clone(&who)], true);
                        answer.callers.into_iter().find(|(c, _)| *c == Caller::Identity(Arc::clone(&who))).map(|(_, may)| may)
                    };
                    if let (Some(May::Never(why)), false) = (ask(&new), matches!(ask(&old), Some(May::Never(_)))) {
                        out.push(format!("{identity} was seen to call {}, port {port}, and would be refused: {why}", client(w)));
                    }
                }
            }
        }
        out
    }
}
