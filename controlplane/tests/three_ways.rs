//! The three ways to an answer agree: `why` from manifests, the matching engine on the translated configuration, and, for a
//! sample, real Envoys that run it. And who may call, asked symbolically, is what the engine decides for each identity.
#![allow(clippy::print_stdout)]

#[path = "three_ways/engine.rs"]
mod engine;
#[path = "three_ways/generate.rs"]
mod generate;
#[path = "three_ways/real.rs"]
mod real;
mod support;

use engine::{Ended, Engine, Told};
use generate::{Asked, CLIENTS, Lot, WORKLOADS};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Kind, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Addresses, ControlPlane, Model};
use mesh_resolver::who_can::{self, Asked as Wanted, Authorizer, Caller, May};
use mesh_resolver::why::{Answer, Mark, Question, Stage, Url, Why};
use real::Envoys;
use std::collections::{BTreeMap, BTreeSet};

const SEED: u64 = 20_261_129;
const MESHES: usize = 26;
/// Of each client in each mesh.
const REQUESTS: usize = 10;
const MOST_SHOWN: usize = 20;

fn snapshot(text: &str) -> Snapshot {
    let source = Source::new("mesh", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

fn question(asked: &Asked) -> Question {
    let mut question = Question::get(Url::parse(&asked.url()).expect("a URL"));
    question.method = asked.method.to_owned();
    question.headers = asked.headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    question
}

/// Outcomes of `why`, without its words. Servers that fare alike are told once: their names come from the parts.
fn told(answer: &Answer) -> BTreeSet<Ended> {
    let of = |o: &mesh_resolver::why::Outcome, server: &str| Ended {
        share: o.share,
        cluster: o.cluster.clone(),
        server: server.to_owned(),
        status: o.status,
        flags: o.flags.clone(),
        details: o.details.clone(),
    };
    let mut out = BTreeSet::new();
    for o in &answer.outcomes {
        out.insert(of(o, &o.server));
        // The parts of servers come in the order of their outcomes.
        let same = answer.parts.iter().filter(|p| p.title == o.server).flat_map(|p| &p.also);
        out.extend(same.map(|server| of(o, server)));
    }
    out
}

/// Which parts of the meshes the run has seen: a generator that goes round what matters proves nothing.
#[derive(Default, Debug)]
struct Seen {
    asked: usize,
    identities: usize,
    kinds: BTreeMap<String, usize>,
}

fn each(mut f: impl FnMut(&str, &Model<'_, '_>, &Why<'_, '_, '_>, &Engine<'_, '_>, &[Asked])) {
    let mut lot = Lot(SEED);
    for _ in 0..MESHES {
        let text = generate::mesh(&mut lot);
        let asked: Vec<Asked> = CLIENTS.iter().flat_map(|c| (0..REQUESTS).map(|_| generate::request(&mut lot, c)).collect::<Vec<_>>()).collect();
        let snapshot = snapshot(&text);
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        f(&text, &model, &Why::new(&model, &[]), &Engine::new(&model), &asked);
    }
}

#[test]
fn manifests_and_their_translation_answer_alike_and_who_can_agrees() {
    let (mut seen, mut wrong) = (Seen::default(), Vec::new());
    each(|text, model, why, engine, all| {
        for asked in all {
            let answer = why.ask(asked.client, None, &question(asked)).expect("an answer");
            let by_engine = engine.ask(asked);
            let (a, b) = (told(&answer), by_engine.ends.iter().cloned().collect::<BTreeSet<_>>());
            seen.asked += 1;
            for e in &b {
                let end = format!("{} {} {}", e.status.map_or("-".to_owned(), |s| s.to_string()), e.flags, e.details.split(['{', '[']).next().unwrap_or(""));
                *seen.kinds.entry(end.trim().to_owned()).or_default() += 1;
            }
            if a != b {
                wrong.push(format!("{asked:?}\n why    {a:?}\n engine {b:?}\n{}", changing(text)));
            }
            // The route by its name.
            let says: Vec<&str> = answer.parts.iter().flat_map(|p| &p.steps).filter(|s| s.stage == Stage::Route).map(|s| s.says.as_str()).collect();
            let r = &by_engine.route;
            let is_named = r.len() == 2 && r.starts_with('r');
            if is_named && !says.iter().any(|s| s.contains(&format!(", {r}")) || s.starts_with(&format!("{r} ")) || s.contains("fault")) {
                wrong.push(format!("{asked:?}: the engine takes route {r}, why says {says:?}"));
            }
            let denied = answer.parts.iter().flat_map(|p| &p.steps).any(|s| s.stage == Stage::Authorization && s.mark == Mark::Broken);
            if denied != by_engine.arrived.iter().any(|a| a.is_denied) {
                wrong.push(format!("{asked:?}: denied by why {denied}\n{}", changing(text)));
            }
            wrong.extend(who_may(model, asked, &by_engine, &mut seen));
        }
    });
    println!("{seen:#?}");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), seen.asked, wrong.iter().take(MOST_SHOWN).cloned().collect::<Vec<_>>().join("\n"));
    assert!(seen.asked >= 1000 && seen.identities >= 500, "{seen:?}");
    for wanted in [
        "-",
        "503 UH no_healthy_upstream",
        "503 NC cluster_not_found",
        "403  rbac_access_denied_matched_policy",
        "503 UC",
        "503 URX,UF",
        "301",
        "418",
        "503 FI fault_filter_abort",
    ] {
        assert!(seen.kinds.keys().any(|k| k.starts_with(wanted)), "no request ends with {wanted}: {:?}", seen.kinds);
    }
}

/// The objects that differ from mesh to mesh.
fn changing(text: &str) -> String {
    text.lines().filter(|l| l.contains("istio.io/v1")).collect::<Vec<_>>().join("\n")
}

/// What the engine decided at each server, asked of the symbolic answer.
fn who_may(model: &Model<'_, '_>, asked: &Asked, by_engine: &Told, seen: &mut Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let w = WORKLOADS.iter().find(|w| format!("{}.{}", w.name, w.namespace) == asked.client).expect("a client");
    for a in &by_engine.arrived {
        let caller = if a.is_mutual { Caller::Identity(format!("cluster.local/ns/{}/sa/{}", w.namespace, w.account).into()) } else { Caller::Anybody };
        let authorizer = Authorizer::of(model, a.server, a.port, true);
        let wanted = Wanted {
            method: Some(asked.method.to_owned()),
            path: Some(a.path.split('?').next().unwrap_or("").to_owned()),
            host: Some(a.authority.clone()),
            headers: asked.headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        let may = authorizer.asking(&wanted).may(&caller, &|_| None);
        let passes = !a.is_refused && !a.is_denied;
        if (may == May::Always) != passes || matches!(may, May::If(_)) {
            wrong.push(format!("{asked:?}: {caller:?} at {} passes {passes}, who-can says {may:?}", model.mesh.workloads.get(a.server).object.origin()));
        }
        seen.identities += 1;
        // With nothing given, "always" and "never" must hold for this request as for any other.
        match authorizer.asking(&Wanted::default()).may(&caller, &|_| None) {
            May::Always if !passes => wrong.push(format!("{asked:?}: {caller:?} always may, and does not pass")),
            May::Never(why) if passes => wrong.push(format!("{asked:?}: {caller:?} never may ({why}), and passes")),
            _ => {}
        }
    }
    wrong
}

#[test]
fn every_identity_of_a_mesh_is_asked() {
    each(|_, model, _, _, _| {
        let identities: Vec<String> = who_can::identities(model).iter().map(ToString::to_string).collect();
        let want: BTreeSet<String> = WORKLOADS.iter().filter(|w| w.has_sidecar).map(|w| format!("cluster.local/ns/{}/sa/{}", w.namespace, w.account)).collect();
        assert_eq!(identities, want.into_iter().collect::<Vec<_>>());
    });
}

/// Meshes of the sample, and requests of each client in it.
const REAL_MESHES: usize = 4;
const REAL_REQUESTS: usize = 16;

#[test]
fn real_envoys_answer_as_their_configuration_is_read() {
    let Some(program) = support::envoy() else {
        println!("SKIPPED: no Envoy; .ci/install-components installs it");
        return;
    };
    let (mut lot, mut wrong, mut compared) = (Lot(SEED ^ 1), Vec::new(), BTreeMap::<&str, usize>::new());
    for n in 0..REAL_MESHES {
        let mut text = generate::mesh(&mut lot);
        // Policies in each, and one mesh that takes no plaintext. What is judged by its port is not: it has another one here.
        let has_policies = |t: &str| t.contains("action: ALLOW") || t.contains("action: DENY");
        let asks_for_ports = |t: &str| t.contains("destination.port") || t.contains("orts: ['8080']");
        while !has_policies(&text) || asks_for_ports(&text) || (n == 0 && !takes_mutual_tls_only(&text)) {
            text = generate::mesh(&mut lot);
        }
        let snapshot = snapshot(&text);
        let mesh = Mesh::new(&snapshot);
        let (model, plain) = (
            Model::supposing(&mesh),
            Model::build(
                &mesh,
                ControlPlane { metadata_exchange: false, alpn_filter: false, metrics: false, records: false, ambient: false },
                Addresses::Supposed,
            ),
        );
        let engine = Engine::new(&model);
        let envoys = Envoys::start(&program, &plain);
        let mut case = 0;
        for client in CLIENTS {
            for _ in 0..REAL_REQUESTS {
                let asked = generate::request(&mut lot, client);
                case += 1;
                let told = engine.ask(&asked);
                let server_names: BTreeMap<String, u32> = told.arrived.iter().map(|a| (mesh.workloads.get(a.server).object.origin(), a.server)).collect();
                let name_of = |server: &str| server_names.get(server).map(|id| mesh.workloads.get(*id)).map(|w| format!("{}.{}", w.object.name(), w.namespace));
                if *client == "plain.shop" {
                    // To the first server itself, in plaintext.
                    let (Some(arrived), Some(ended)) = (told.arrived.first(), told.ends.first()) else { continue };
                    let name = name_of(&ended.server).expect("a server");
                    let Some(status) = envoys.send(&asked, case, Some((&name, arrived.port))) else { continue };
                    *compared.entry(if arrived.is_refused { "refused" } else { "in plaintext" }).or_default() += 1;
                    let want = if arrived.is_refused { 0 } else { ended.status.unwrap_or(200) };
                    if status != want {
                        wrong.push(format!("{asked:?} at {name}: Envoy {status}, engine {want}\n{}", changing(&text)));
                    }
                    continue;
                }
                // What goes to unknown places has no way without capture.
                if told.ends.iter().any(|e| e.cluster == "PassthroughCluster") || told.route == "allow_any" {
                    continue;
                }
                let Some(status) = envoys.send(&asked, case, None) else { continue };
                let line = envoys.logged(client, case);
                let deniers: Vec<String> = told.ends.iter().filter(|e| e.details.starts_with("rbac")).filter_map(|e| name_of(&e.server)).collect();
                let denied = (status == 403 && !deniers.is_empty()).then(|| envoys.logged_by_one(&deniers, case));
                let denied_by = |name: Option<String>| denied.as_ref().filter(|(by, _)| Some(by) == name.as_ref()).map(|(_, line)| &line["details"]);
                let matches = |e: &Ended| {
                    let text = |key: &str| line[key].as_str().filter(|t| *t != "-").unwrap_or("").to_owned();
                    let by_server = !e.server.is_empty() && (e.status.is_none() || e.details.starts_with("rbac"));
                    let flags = if by_server { "" } else { &e.flags };
                    let is_sent = e.status.is_none() || !e.server.is_empty();
                    let details = text("details");
                    status == e.status.unwrap_or(200)
                        && text("flags") == flags
                        && text("route") == told.route
                        && (!is_sent || text("cluster") == e.cluster)
                        && (by_server || is_same(&details, &e.details))
                        && (!e.details.starts_with("rbac") || denied_by(name_of(&e.server)).is_some_and(|details| *details == e.details))
                };
                let kind = told.ends.first().map_or("", |e| match (e.status, e.details.split(['{', '[']).next().unwrap_or("")) {
                    (None, _) => "forwarded",
                    (_, "rbac_access_denied_matched_policy") => "denied",
                    (_, "upstream_reset_before_response_started") => "reset",
                    _ => "by the client's proxy",
                });
                *compared.entry(kind).or_default() += 1;
                if !told.ends.iter().any(matches) {
                    wrong.push(format!("{asked:?}\n Envoy  {status} {line}\n engine {:?} {:?}\n{}", told.route, told.ends, changing(&text)));
                }
            }
        }
    }
    println!("{compared:?}");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.iter().take(MOST_SHOWN).cloned().collect::<Vec<_>>().join("\n"));
    for kind in ["forwarded", "denied", "reset", "by the client's proxy", "refused", "in plaintext"] {
        assert!(compared.contains_key(kind), "nothing was {kind}: {compared:?}");
    }
}

/// Whether no workload of the namespace `shop` takes plaintext.
fn takes_mutual_tls_only(text: &str) -> bool {
    let snapshot = snapshot(text);
    let mut modes = snapshot.objects.iter().filter(|o| o.kind == Kind::PeerAuthentication && o.namespace() == "shop").peekable();
    let is_strict = |o: &mesh_model::Object| o.name() == "default" && o.spec_at(&["mtls", "mode"]).is_some_and(|m| m.text() == "STRICT");
    modes.peek().is_some() && modes.all(is_strict)
}

/// Envoy's details of a reset go on with what the system says.
fn is_same(envoy: &str, engine: &str) -> bool {
    let kind = |t: &str| t.split(['{', '|', '}']).take(2).collect::<Vec<_>>().join("{");
    envoy == engine || (engine.starts_with("upstream_reset") && kind(envoy) == kind(engine))
}
