//! Policies that let through who was seen to call.

use super::{Drawn, World, client, is_asked, labels, maker, operations, workload};
use crate::args::generate::{Authz, Operations};
use crate::commands::generate::{Made, object};
use crate::context::Context;
use crate::status::{Failure, Outcome};
use crate::telemetry::observed::{Call, Name, Reporter};
use crate::telemetry::requests::Asked as Requested;
use mesh_model::{Kind, Snapshot};
use mesh_resolver::translate::Model;
use mesh_resolver::who_can::{self, Asked, Authorizer, Caller, May};
use mesh_resolver::{InMesh, Mesh, Selector, Workload};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Less than one request in eleven days is noise of a rate.
const LEAST: f64 = 1e-6;

pub fn run(args: &Authz, context: &Context) -> Outcome {
    super::give(&args.seen, context, &|world, mesh| draw(args, world, mesh), &verify(args))
}

/// Ports of a workload that were called; none where not all of them are known.
type Ports = Option<BTreeSet<u16>>;

/// Callers of a workload.
#[derive(Default)]
struct Callers {
    identities: BTreeMap<String, Ports>,
    /// Requests or bytes a second without mutual TLS.
    plaintext: f64,
    /// Callers whose identity is not known.
    unknown: BTreeSet<String>,
}

/// Who called whom, by workload.
fn callers(world: &World, mesh: &Mesh<'_>) -> BTreeMap<Name, Callers> {
    let mut out: BTreeMap<Name, Callers> = BTreeMap::new();
    for call in world.seen.calls.iter().filter(|c| c.destination.1 != "unknown" && !c.is_refused() && c.rate > LEAST) {
        let one = out.entry(call.destination.clone()).or_default();
        if call.reporter == Reporter::Server && call.security == "none" {
            one.plaintext += call.rate;
            continue;
        }
        // What a client counted says who it is; whether it came with mutual TLS the server says.
        match identity(call, mesh) {
            Some(id) => {
                let known = one.identities.entry(id).or_insert_with(|| Some(BTreeSet::new()));
                *known = known.take().zip(ports(call, mesh)).map(|(known, more)| known.into_iter().chain(more).collect());
            }
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
fn ports(call: &Call, mesh: &Mesh<'_>) -> Ports {
    let (_, w) = workload(mesh, &call.destination)?;
    let all: BTreeSet<u16> = super::services(mesh, call).into_iter().flat_map(|(_, ports)| ports).filter_map(|p| p.of_workload(w)).collect();
    Some(all).filter(|a| !a.is_empty())
}

fn draw(args: &Authz, world: &World, mesh: &Mesh<'_>) -> Result<Drawn, Failure> {
    let mut out = Drawn { made: Made::default(), left_out: Vec::new(), calls: BTreeSet::new(), operations: BTreeMap::new() };
    let asked = |name: &Name| is_asked(&args.seen, args.workload.as_deref(), mesh, name);
    let mut covered: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (name, callers) in callers(world, mesh) {
        let Some((_, w)) = workload(mesh, &name) else {
            if args.workload.is_none() && (args.seen.source.namespace.is_empty() || args.seen.source.namespace.contains(&name.0)) {
                out.left_out.push(format!("{}.{} is called, and is not in the input: no policy is made for it", name.1, name.0));
            }
            continue;
        };
        if !asked(&name)? || mesh.in_mesh(w) == InMesh::Gateway {
            continue;
        }
        covered.insert((w.namespace, maker(w)));
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
        if let Some(why) = selects_others(mesh, w, &selector) {
            out.left_out.push(why);
            continue;
        }
        let open = callers.identities.iter().filter(|(_, ports)| ports.is_none());
        out.made.notes.extend(open.map(|(id, _)| format!("{id} calls {title} at a port that metrics do not tell: all ports are open to it")));
        let told = Told::new(args, world, mesh, &name, w, &mut out.made.notes);
        let made = policy(mesh, &out.made.documents, w, &selector, &callers.identities, &told, &mut out.made.notes);
        out.made.notes.extend(others(mesh, w, &made));
        out.made.documents.push(made);
        for call in calls(world, &name) {
            let own: BTreeSet<(String, String)> = identity(call, mesh).map_or_else(BTreeSet::new, |id| told.asked_by(&id));
            for one in super::calls(mesh, call) {
                if !told.by_port.is_empty() {
                    out.operations.entry(one.clone()).or_default().extend(own.iter().cloned());
                }
                out.calls.insert(one);
            }
        }
    }
    if args.deny_unseen {
        deny(args, mesh, &covered, &mut out)?;
    }
    Ok(out)
}

/// The calls that were seen to arrive at a workload.
fn calls<'w>(world: &'w World, name: &Name) -> impl Iterator<Item = &'w Call> {
    world.seen.calls.iter().filter(move |c| c.destination == *name && !c.is_refused() && c.security != "none" && c.rate > LEAST)
}

/// What may be done (none where all is open), and the identities that may.
type Allowed<'i> = (Option<Vec<Value>>, Vec<&'i str>);

/// What access logs tell of a workload, as far as its policy is to say it.
struct Told<'w> {
    by_port: BTreeMap<u16, &'w Requested>,
    level: Operations,
}

impl<'w> Told<'w> {
    fn new(args: &Authz, world: &'w World, mesh: &Mesh<'_>, name: &Name, w: &Workload<'_>, notes: &mut Vec<String>) -> Told<'w> {
        let mut level = args.operations.unwrap_or(Operations::Paths);
        let nothing = Told { by_port: BTreeMap::new(), level };
        let Some(requests) = world.requests.as_ref().filter(|_| level != Operations::Ports) else {
            if args.operations.is_some_and(|o| o != Operations::Ports) {
                notes.push(format!("no access log is among the sources: the policy of {} says ports alone", client(w)));
            }
            return nothing;
        };
        let by_port: BTreeMap<u16, &Requested> = requests.by_port.iter().filter(|((n, _), _)| n == name).map(|((_, port), asked)| (*port, asked)).collect();
        if by_port.is_empty() {
            notes.push(format!("no access log tells what {} is asked: its policy says ports alone", client(w)));
            return nothing;
        }
        if let (Operations::Paths, Some(by)) = (level, operations::rewrites(mesh, w)) {
            notes.push(format!("{by} rewrites paths on their way to {}, and logs have them from before: its policy says methods alone", client(w)));
            level = Operations::Methods;
        }
        if by_port.values().any(|asked| asked.values().any(|whose| whose.contains(&None))) {
            notes.push(format!("of requests to {} logs do not tell who made them: each caller may do what any did", client(w)));
        }
        Told { by_port, level }
    }

    /// What a caller may do; none where all is open to it.
    fn operations(&self, id: &str, ports: &Ports) -> Option<Vec<Value>> {
        let (mut bare, mut out) = (Vec::new(), Vec::new());
        for port in ports.as_ref()? {
            let own = self.by_port.get(port).map(|asked| operations::of(asked, id, *port, self.level)).unwrap_or_default();
            if own.is_empty() { bare.push(port.to_string()) } else { out.extend(own) }
        }
        if !bare.is_empty() {
            out.insert(0, json!({"ports": bare}));
        }
        Some(out)
    }

    /// What a caller was seen to ask for, or may have been.
    fn asked_by(&self, id: &str) -> BTreeSet<(String, String)> {
        let own = self.by_port.values().flat_map(|asked| asked.iter()).filter(|(_, whose)| whose.iter().any(|w| w.as_deref().is_none_or(|w| w == id)));
        own.map(|(request, _)| request.clone()).collect()
    }

    /// A caller of whose requests at a port of HTTP no line tells.
    fn is_untold(&self, id: &str, ports: &Ports) -> bool {
        let is_of = |asked: &&Requested| asked.values().any(|whose| whose.iter().any(|w| w.as_deref().is_none_or(|w| w == id)));
        ports.iter().flatten().filter_map(|p| self.by_port.get(p)).any(|asked| !is_of(asked))
    }
}

fn policy(
    mesh: &Mesh<'_>,
    made: &[Value],
    w: &Workload<'_>,
    selector: &Value,
    identities: &BTreeMap<String, Ports>,
    told: &Told<'_>,
    notes: &mut Vec<String>,
) -> Value {
    // By what they may do: ports first, then the text of it all.
    let mut by_operations: BTreeMap<(&Ports, String), Allowed<'_>> = BTreeMap::new();
    for (id, ports) in identities {
        let operations = told.operations(id, ports);
        let open = operations.as_deref().filter(|_| told.level == Operations::Paths).map(operations::open).unwrap_or_default();
        if !open.is_empty() {
            let methods = open.into_iter().collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "{id} may ask {} for every path with {methods}: too many were seen, or one that a policy can't say or that begins with what may be secret",
                client(w)
            ));
        }
        let key = operations.as_ref().map_or_else(String::new, |o| json!(o).to_string());
        by_operations.entry((ports, key)).or_insert_with(|| (operations, Vec::new())).1.push(id);
        if told.is_untold(id, ports) {
            notes.push(format!("no log tells what {id} asks of {}: it may ask for anything there", client(w)));
        }
    }
    let rule = |(operations, ids): Allowed<'_>| {
        let mut rule = json!({"from": [{"source": {"principals": ids}}]});
        if let Some(operations) = operations {
            rule["to"] = operations.into_iter().map(|o| json!({"operation": o})).collect();
        }
        rule
    };
    let rules: Vec<Value> = by_operations.into_values().map(rule).collect();
    of(mesh, made, w, json!({"action": "ALLOW", "selector": {"matchLabels": selector}, "rules": rules}))
}

/// An earlier policy of the same making is replaced.
fn of(mesh: &Mesh<'_>, made: &[Value], w: &Workload<'_>, spec: Value) -> Value {
    let wanted = format!("{}-callers", maker(w));
    let is_own = |o: &mesh_model::Object| {
        let labels = o.spec_at(&["selector", "matchLabels"]).map(mesh_analyzers::schema::json::value);
        o.spec().is_some_and(|s| matches!(s.text_of("action"), "" | "ALLOW")) && labels.as_ref() == Some(&spec["selector"]["matchLabels"])
    };
    let name = match mesh.find(Kind::AuthorizationPolicy, w.namespace, &wanted) {
        Some(known) if is_own(known) => wanted,
        _ => object::unused_name(mesh, made, Kind::AuthorizationPolicy, w.namespace, &wanted),
    };
    object::new("security.istio.io/v1", "AuthorizationPolicy", w.namespace, &name, spec)
}

/// Why no policy is made, where labels select more than the workload's own pods: others would be closed to their callers.
fn selects_others(mesh: &Mesh<'_>, w: &Workload<'_>, selector: &Value) -> Option<String> {
    let pairs = selector.as_object()?.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default())).collect();
    let selector = Selector { pairs, expressions: None };
    // Policies of the root namespace are those of all namespaces.
    let namespace = (w.namespace != mesh.config.root_namespace()).then_some(w.namespace);
    let all = mesh.workloads.matching(namespace, &selector);
    let others: BTreeSet<String> = all
        .filter(|o| (o.namespace, maker(o)) != (w.namespace, maker(w)) && mesh.in_mesh(o) != InMesh::No)
        .map(|o| format!("{}.{}", maker(o), o.namespace))
        .collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let own = format!("{}.{}", maker(w), w.namespace);
    (!others.is_empty()).then(|| {
        format!("{own}: its labels, {}, select {} as well, which would lose its own callers: no policy is made for it", selector.display(), others.join(", "))
    })
}

/// Policies that let others in as well: of several that allow each counts.
fn others(mesh: &Mesh<'_>, w: &Workload<'_>, made: &Value) -> Vec<String> {
    let root = mesh.config.root_namespace();
    let namespaces = if root == w.namespace { vec![root] } else { vec![root, w.namespace] };
    let allows = |o: &&&mesh_model::Object| {
        let selector = Selector::from_map(o.spec_at(&["selector", "matchLabels"]));
        o.spec().is_some_and(|s| matches!(s.text_of("action"), "" | "ALLOW") && s.list("rules").next().is_some())
            && selector.matches(|k| w.label(k))
            && !(o.namespace() == w.namespace && made["metadata"]["name"] == o.name())
    };
    let all = namespaces.into_iter().flat_map(|ns| mesh.objects_in(Kind::AuthorizationPolicy, ns));
    all.filter(allows).map(|o| format!("{} lets callers of {} in as well: delete it once these policies are applied", o.origin(), client(w))).collect()
}

/// A policy without rules for workloads of Services that nobody called.
fn deny(args: &Authz, mesh: &Mesh<'_>, covered: &BTreeSet<(&str, &str)>, out: &mut Drawn) -> Result<(), Failure> {
    let mut done = covered.clone();
    for w in mesh.workloads.all() {
        let is_server = mesh.in_mesh(w) == InMesh::Sidecar && !mesh.services.selecting(w).is_empty();
        let own = (w.namespace.to_owned(), w.object.name().to_owned());
        if !is_server || done.contains(&(w.namespace, maker(w))) || !is_asked(&args.seen, args.workload.as_deref(), mesh, &own)? {
            continue;
        }
        done.insert((w.namespace, maker(w)));
        let Some(selector) = labels(w) else {
            out.left_out.push(format!("{} has no labels to select it by", client(w)));
            continue;
        };
        if let Some(why) = selects_others(mesh, w, &selector) {
            out.left_out.push(why);
            continue;
        }
        let made = of(mesh, &out.made.documents, w, json!({"action": "ALLOW", "selector": {"matchLabels": selector}}));
        out.made.notes.extend(others(mesh, w, &made));
        out.made.documents.push(made);
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
                let all = ports.as_ref().map_or_else(|| who_can::ports(&new, id), |p| p.iter().copied().collect());
                for port in all {
                    let was = workload(old.mesh, &name).map_or(id, |(id, _)| id);
                    if let Some(refused) = replayed(world, [(&old, was), (&new, id)], &name, port, identity) {
                        out.push(refused);
                    }
                    let ask = |model: &Model<'_, '_>| {
                        let id = workload(model.mesh, &name).map_or(id, |(id, _)| id);
                        let who: Arc<str> = identity.as_str().into();
                        let answer = who_can::access(model, id, port, &Asked::default(), &[Arc::clone(&who)], true);
                        answer.callers.into_iter().find(|(c, _)| *c == Caller::Identity(Arc::clone(&who))).map(|(_, may)| may)
                    };
                    let has_paths = world.requests.as_ref().is_some_and(|r| r.by_port.contains_key(&(name.clone(), port)));
                    if has_paths {
                        continue;
                    }
                    if let (Some(May::Never(why)), false) = (ask(&new), matches!(ask(&old), Some(May::Never(_)))) {
                        out.push(format!("{identity} was seen to call {}, port {port}, and would be refused: {why}", client(w)));
                    }
                }
            }
        }
        out
    }
}

/// The first request of the logs that a caller made, or may have made, and that would be refused, and is not yet.
fn replayed(world: &World, models: [(&Model<'_, '_>, u32); 2], name: &Name, port: u16, identity: &str) -> Option<String> {
    let asked = world.requests.as_ref()?.by_port.get(&(name.clone(), port))?;
    let [before, after] = models.map(|(model, id)| Authorizer::of(model, id, port, true));
    let caller = Caller::Identity(identity.into());
    let own = asked.iter().filter(|(_, whose)| whose.iter().any(|w| w.as_deref().is_none_or(|w| w == identity)));
    own.map(|(request, _)| request).find_map(|(method, path)| {
        let path = Some(path.clone()).filter(|p| !p.is_empty());
        let asked = Asked { method: Some(method.clone()), path, ..Asked::default() };
        let may = |authorizer: &Authorizer<'_>| authorizer.asking(&asked).may(&caller, &|_| None);
        match may(&after) {
            May::Never(why) if !matches!(may(&before), May::Never(_)) => Some(format!(
                "{identity} was seen to ask {}.{}, port {port}, for {method} {}, and would be refused: {why}",
                name.1,
                name.0,
                asked.path.as_deref().unwrap_or_default()
            )),
            _ => None,
        }
    })
}
