//! What a change changes: the same requests asked before and after, and where routes, permissions or encryption differ.
//! Pure.

use crate::injection::InMesh;
use crate::translate::{Model, Resolution, Witness};
use crate::why::{Answer, Mark, OUTSIDE, Question, Stage, Thing, Url, Why};
use std::collections::{BTreeMap, BTreeSet};

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    Routes,
    Permission,
    Encryption,
}

impl Facet {
    pub fn name(self) -> &'static str {
        match self {
            Facet::Routes => "routes",
            Facet::Permission => "permission",
            Facet::Encryption => "encryption",
        }
    }
}

/// One difference, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub facet: Facet,
    /// `host:port`
    pub service: String,
    /// The request that shows it: `GET http://cart.shop:80/admin`.
    pub witness: String,
    pub before: String,
    pub after: String,
    /// Something works before that fails after, or is encrypted before and not after.
    pub is_worse: bool,
    /// What decides after the change; before it, where nothing does any more.
    pub thing: Option<Thing>,
    /// `name.namespace`, sorted.
    pub clients: Vec<String>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub changes: Vec<Change>,
    /// Requests that were asked on both sides.
    pub asked: usize,
    /// Answers on either side that were not judged, with the reason; each once.
    pub not_judged: BTreeSet<String>,
    /// Not everything was asked: there was too much.
    pub is_cut: bool,
}

/// So many requests are asked at most.
const MOST: usize = 20_000;

/// One side of an answer, facet by facet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    routes: String,
    routes_fail: bool,
    permission: String,
    encryption: String,
    things: BTreeMap<Facet, Option<Thing>>,
}

/// Asks both sides the same.
pub fn compare(before: &Why<'_, '_, '_>, after: &Why<'_, '_, '_>) -> Plan {
    let mut plan = Plan::default();
    // Changes without their clients, and those.
    let mut found: BTreeMap<Change, BTreeSet<String>> = BTreeMap::new();
    let clients: BTreeSet<String> = clients(before.model()).intersection(&clients(after.model())).cloned().chain([OUTSIDE.to_owned()]).collect();
    let mut targets: BTreeSet<Target> = targets(before.model());
    targets.extend(self::targets(after.model()));
    'all: for client in &clients {
        let of_gateway = gateway_targets(before, after, client);
        for target in of_gateway.as_ref().unwrap_or(&targets) {
            let mut witnesses: BTreeSet<Witness> = before.model().witnesses(&target.host, &target.namespace).into_iter().collect();
            witnesses.extend(after.model().witnesses(&target.host, &target.namespace));
            for witness in witnesses.iter().filter(|w| target.speaks.is_routed() || (w.path == "/" && w.method == "GET" && w.headers.is_empty())) {
                if plan.asked >= MOST {
                    plan.is_cut = true;
                    break 'all;
                }
                plan.asked += 1;
                let question = question(target, witness);
                let (Ok(a), Ok(b)) = (before.ask(client, None, &question), after.ask(client, None, &question)) else { continue };
                for answer in [&a, &b] {
                    let open = answer.parts.iter().flat_map(|p| &p.steps).filter(|s| s.mark == Mark::NotJudged);
                    plan.not_judged.extend(open.map(|s| s.says.clone()));
                }
                let (old, new) = (told(&a), told(&b));
                for (facet, before, after, is_worse) in differences(&old, &new) {
                    let thing = new.things.get(&facet).cloned().flatten().or_else(|| old.things.get(&facet).cloned().flatten());
                    let headers: String = witness.headers.iter().map(|(k, v)| format!(" -H '{k}: {v}'")).collect();
                    let service = format!("{}:{}", target.host, target.port);
                    let change = Change { facet, service, witness: format!("{question}{headers}"), before, after, is_worse, thing, clients: Vec::new() };
                    found.entry(change).or_default().insert(client.clone());
                }
            }
        }
    }
    // Of requests that show the same difference for the same clients the first is enough.
    let mut seen = BTreeSet::new();
    for (change, clients) in found {
        if seen.insert((change.facet, change.service.clone(), change.before.clone(), change.after.clone(), clients.clone())) {
            plan.changes.push(Change { clients: clients.into_iter().collect(), ..change });
        }
    }
    plan.changes.sort_by(|a, b| (!a.is_worse, a).cmp(&(!b.is_worse, b)));
    plan
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    host: String,
    port: u16,
    namespace: String,
    speaks: Speaks,
}

/// What a client speaks to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Speaks {
    Http,
    /// HTTP within TLS that a gateway ends.
    Https,
    /// TLS that goes through as it is.
    Tls,
    Bytes,
}

impl Speaks {
    /// Whether requests of all sorts can be told apart.
    fn is_routed(self) -> bool {
        matches!(self, Speaks::Http | Speaks::Https)
    }
    fn of(protocol: crate::Protocol) -> Speaks {
        match protocol {
            crate::Protocol::Unsupported => Speaks::Http,
            p if p.is_http() => Speaks::Http,
            crate::Protocol::Tls | crate::Protocol::Https => Speaks::Tls,
            _ => Speaks::Bytes,
        }
    }
}

fn clients(model: &Model<'_, '_>) -> BTreeSet<String> {
    let all = model.mesh.workloads.all().iter().filter(|w| w.replicas > 0);
    all.map(|w| format!("{}.{}", w.object.name(), w.namespace)).collect()
}

fn targets(model: &Model<'_, '_>) -> BTreeSet<Target> {
    let services = model.registry.services.iter().filter(|s| !s.is_wildcard() && s.resolution != Resolution::Alias);
    let of = |s: &crate::translate::RegisteredService<'_>| {
        let namespace = s.namespace.to_owned();
        let ports = s.ports.iter().filter(|p| p.protocol != crate::Protocol::Udp);
        ports.map(|p| Target { host: s.host.clone(), port: p.number, namespace: namespace.clone(), speaks: Speaks::of(p.protocol) }).collect::<Vec<_>>()
    };
    services.flat_map(of).collect()
}

/// What a gateway serves, where the client is one on either side.
fn gateway_targets(before: &Why<'_, '_, '_>, after: &Why<'_, '_, '_>, client: &str) -> Option<BTreeSet<Target>> {
    match (served_by(before.model(), client), served_by(after.model(), client)) {
        (None, None) => None,
        (old, new) => Some(old.into_iter().chain(new).flatten().collect()),
    }
}

fn served_by(model: &Model<'_, '_>, client: &str) -> Option<Vec<Target>> {
    let ids = crate::why::Named::parse(client, None).workloads(model.mesh);
    let id = ids.first().copied().filter(|i| model.mesh.in_mesh(model.mesh.workloads.get(*i)) == InMesh::Gateway)?;
    let proxy = model.proxy_of(id);
    let servers = model.servers_of(&proxy);
    let speaks = |host: &str, port: u16| {
        let has_tls = |s: &&crate::translate::ServerOf<'_>| s.number == port && s.has(host) && (s.ends_tls || s.passes_tls);
        match servers.iter().find(has_tls) {
            Some(s) if s.passes_tls => Speaks::Tls,
            Some(_) => Speaks::Https,
            None => Speaks::Http,
        }
    };
    let of = |(host, port): (String, u16)| Target { speaks: speaks(&host, port), host, port, namespace: String::new() };
    Some(model.hosts_of_gateway(&proxy).into_iter().map(of).collect())
}

fn question(target: &Target, witness: &Witness) -> Question {
    let (scheme, path) = match target.speaks {
        Speaks::Http => ("http", witness.path.clone()),
        Speaks::Https | Speaks::Tls => ("https", witness.path.clone()),
        Speaks::Bytes => ("tcp", String::new()),
    };
    let authority = format!("{}:{}", target.host, target.port);
    let mut question = Question::get(Url { scheme: scheme.to_owned(), authority, host: target.host.clone(), port: target.port, path });
    question.method.clone_from(&witness.method);
    question.headers.clone_from(&witness.headers);
    question
}

fn told(answer: &Answer) -> Told {
    let steps = || answer.parts.iter().flat_map(|p| &p.steps);
    let worst = |stages: &[Stage]| steps().filter(|s| stages.contains(&s.stage)).max_by_key(|s| s.mark);
    let thing = |stages: &[Stage]| worst(stages).and_then(|s| s.thing.clone());
    let denied: BTreeSet<&str> =
        steps().filter(|s| matches!(s.stage, Stage::Authentication | Stage::Authorization) && s.mark == Mark::Broken).map(|s| s.says.as_str()).collect();
    let is_reached = steps().any(|s| s.stage == Stage::Inbound || s.stage == Stage::Authorization);
    let permission = match (denied.is_empty(), is_reached) {
        (false, _) => denied.into_iter().collect::<Vec<_>>().join("; "),
        (true, true) => "allowed".to_owned(),
        (true, false) => String::new(),
    };
    let wires: BTreeSet<&str> = steps().filter(|s| s.stage == Stage::Encryption).map(|s| wire(s.mark, &s.says)).collect();
    let is_server = |o: &crate::why::Outcome| !o.server.is_empty();
    let mut routes: Vec<String> = answer
        .outcomes
        .iter()
        .map(|o| {
            let share = if o.share == 1_000_000 { String::new() } else { format!("{}% ", o.share as f64 / 1e4) };
            let to = if o.cluster.is_empty() { String::new() } else { crate::why::shown_cluster(&o.cluster) };
            let end = match (is_server(o), o.status) {
                (true, _) => String::new(),
                (false, Some(status)) => format!(" {status} {}", o.flags),
                (false, None) if o.mark == Mark::Broken => format!(" {}", o.says),
                (false, None) => String::new(),
            };
            format!("{share}{to}{end}").trim().to_owned()
        })
        .collect();
    routes.sort();
    routes.dedup();
    let stages = [Stage::Host, Stage::Listener, Stage::Route, Stage::Destination, Stage::Endpoints];
    let things = [
        (Facet::Routes, thing(&stages).filter(|_| worst(&stages).is_some_and(|s| s.mark != Mark::Good)).or_else(|| thing(&[Stage::Route]))),
        (Facet::Permission, thing(&[Stage::Authentication, Stage::Authorization])),
        (Facet::Encryption, thing(&[Stage::Encryption])),
    ];
    Told {
        routes: if routes.iter().all(String::is_empty) { "forwarded".to_owned() } else { routes.join("; ") },
        routes_fail: answer.outcomes.iter().any(|o| o.mark == Mark::Broken && !is_server(o)),
        permission,
        encryption: wires.into_iter().collect::<Vec<_>>().join(" and "),
        things: things.into_iter().collect(),
    }
}

fn wire(mark: Mark, says: &str) -> &'static str {
    match mark {
        Mark::Broken => "refused",
        Mark::NotJudged => "not judged",
        _ if says.starts_with("mutual TLS") => "mutual TLS",
        _ if says.starts_with("plaintext") || says.contains("in plaintext") => "plaintext",
        _ => "TLS",
    }
}

fn differences(old: &Told, new: &Told) -> Vec<(Facet, String, String, bool)> {
    let mut out = Vec::new();
    if old.routes != new.routes {
        out.push((Facet::Routes, old.routes.clone(), new.routes.clone(), new.routes_fail && !old.routes_fail));
    }
    // What is not reached on one side says nothing of permission there.
    if old.permission != new.permission && !old.permission.is_empty() && !new.permission.is_empty() {
        out.push((Facet::Permission, old.permission.clone(), new.permission.clone(), old.permission == "allowed"));
    }
    if old.encryption != new.encryption && !old.encryption.is_empty() && !new.encryption.is_empty() {
        let is_worse = new.encryption.contains("refused") && !old.encryption.contains("refused")
            || new.encryption.contains("plaintext") && !old.encryption.contains("plaintext");
        out.push((Facet::Encryption, old.encryption.clone(), new.encryption.clone(), is_worse));
    }
    out
}
