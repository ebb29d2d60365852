//! Which ports of which workloads are reached encrypted: what each server takes, by which object, and what each client
//! would send. Pure; the rules are those of the translation, asked directly.

use crate::ambient::ztunnel;
use crate::destination_rule;
use crate::injection::InMesh;
use crate::mesh::Mesh;
use crate::peer_authentication::{MtlsMode, mode_node};
use crate::service::{Service, ServiceKind};
use crate::why::Thing;
use crate::workload::Workload;
use mesh_model::{Kind, Node, Object, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a server takes at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Takes {
    /// Mutual TLS only.
    Strict,
    /// Mutual TLS, and whatever else comes.
    Permissive,
    /// A PeerAuthentication switches mutual TLS off.
    Off,
    /// No proxy stands before it.
    NoProxy,
    /// ztunnel: HBONE, and whatever else comes; a PeerAuthentication that is not STRICT changes nothing.
    Ambient,
    /// ztunnel: HBONE only.
    AmbientStrict,
    /// Whether a sidecar is there is not in the input.
    Unknown,
}

impl Takes {
    pub fn name(self) -> &'static str {
        match self {
            Takes::Strict => "STRICT",
            Takes::Permissive => "PERMISSIVE",
            Takes::Off => "off",
            Takes::NoProxy => "no sidecar",
            Takes::Ambient => "ambient",
            Takes::AmbientStrict => "ambient, STRICT",
            Takes::Unknown => "not known",
        }
    }
}

/// What clients send, and who they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sends {
    pub what: What,
    /// Why, where it is no mutual TLS: `it has no sidecar`, `DestinationRule shop/cart says DISABLE`.
    pub why: String,
    pub thing: Option<Thing>,
    /// `name.namespace`, sorted. Every port names most of the mesh.
    pub clients: Vec<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    MutualTls,
    /// TLS that a rule asks for, with certificates of its own.
    OtherTls,
    Plaintext,
    /// By ztunnel, or by a proxy that may be there or not.
    NotJudged,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            What::MutualTls => "mutual TLS",
            What::OtherTls => "TLS of its own",
            What::Plaintext => "plaintext",
            What::NotJudged => "not judged",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Encrypted,
    NotEncrypted,
    NotJudged,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Encrypted => "encrypted",
            Verdict::NotEncrypted => "not encrypted",
            Verdict::NotJudged => "not judged",
        }
    }
}

/// A port of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub workload: String,
    pub namespace: String,
    pub port: u16,
    /// `service.namespace:port` of those that lead here.
    pub services: Vec<String>,
    pub takes: Takes,
    /// The object that decides; `None` for defaults.
    pub thing: Option<Thing>,
    pub sends: Vec<Sends>,
    pub verdict: Verdict,
    /// The reason, in a sentence.
    pub says: String,
}

/// All ports, and the workloads that no proxy stands before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub ports: Vec<Port>,
    /// `name.namespace` and the reason.
    pub outside: Vec<(String, String)>,
}

impl Report {
    pub fn count(&self, verdict: Verdict) -> usize {
        self.ports.iter().filter(|p| p.verdict == verdict).count()
    }
    /// `41 of 44 ports encrypted, 2 not, 1 not judged (…)`.
    pub fn last_line(&self) -> String {
        let mut out = format!("{} of {} ports encrypted", self.count(Verdict::Encrypted), self.ports.len());
        let reasons = |verdict| {
            let of: BTreeSet<&str> = self.ports.iter().filter(|p| p.verdict == verdict).map(|p| p.says.as_str()).collect();
            let of: Vec<&str> = of.into_iter().collect();
            if of.len() > 3 { format!("{}; and {} more reasons", of[..3].join("; "), of.len() - 3) } else { of.join("; ") }
        };
        let (not, unknown) = (self.count(Verdict::NotEncrypted), self.count(Verdict::NotJudged));
        if not > 0 {
            out += &format!(", {not} not ({})", reasons(Verdict::NotEncrypted));
        }
        if unknown > 0 {
            out += &format!(", {unknown} not judged ({})", reasons(Verdict::NotJudged));
        }
        out
    }
}

/// A client as it sends: its sidecar or lack of one.
struct Client<'m, 'a> {
    name: String,
    workload: &'m Workload<'a>,
    in_mesh: InMesh,
}

/// Clients that send the same to whatever server: of one namespace, with the same labels where a rule may select them.
struct Class<'c, 'm, 'a> {
    example: &'c Client<'m, 'a>,
    /// Places among the names, sorted; with the workload of each.
    members: Vec<(u32, &'m Workload<'a>)>,
}

struct Callers<'c, 'm, 'a> {
    classes: Vec<Class<'c, 'm, 'a>>,
    names: Vec<Arc<str>>,
}

fn callers<'c, 'm, 'a>(mesh: &Mesh<'a>, clients: &'c [Client<'m, 'a>]) -> Callers<'c, 'm, 'a> {
    let names: Vec<Arc<str>> = clients.iter().map(|c| Arc::from(c.name.as_str())).collect::<BTreeSet<_>>().into_iter().collect();
    let mut classes: BTreeMap<_, Class<'c, 'm, 'a>> = BTreeMap::new();
    for client in clients {
        let w = client.workload;
        let labels: Vec<(&str, &str)> = if mesh.destination_rules.select_in(w.namespace) { w.labels().collect() } else { Vec::new() };
        // An exception names the workload that it is of.
        let own = w.annotation(EXCLUDED).map(|_| client.name.as_str());
        let class = classes.entry((client.in_mesh, w.namespace, labels, own)).or_insert_with(|| Class { example: client, members: Vec::new() });
        let place = names.partition_point(|n| n.as_ref() < client.name.as_str());
        class.members.push((place as u32, w));
    }
    Callers { classes: classes.into_values().collect(), names }
}

/// Every port that Services lead to or containers declare, of all workloads but gateways and control planes.
pub fn report(mesh: &Mesh<'_>) -> Report {
    let clients: Vec<Client<'_, '_>> = mesh
        .workloads
        .all()
        .iter()
        .filter(|w| !is_control_plane(w) && w.replicas > 0 && w.object.role != Role::Assumed)
        .map(|w| Client { name: named(w), workload: w, in_mesh: mesh.in_mesh(w) })
        .collect();
    let callers = callers(mesh, &clients);
    let mut out = Report::default();
    let mut seen: BTreeSet<(&str, &str, String)> = BTreeSet::new();
    for client in &clients {
        let w = client.workload;
        if client.in_mesh == InMesh::Gateway {
            continue;
        }
        if client.in_mesh == InMesh::No {
            out.outside.push((client.name.clone(), why_outside(mesh, w)));
        }
        // Pods of one making are one workload.
        let labels: Vec<(&str, &str)> = w.labels().filter(|(k, _)| *k != "pod-template-hash").collect();
        if !seen.insert((w.namespace, w.service_account(), format!("{} {labels:?}", maker(w)))) {
            continue;
        }
        let mut ports: BTreeMap<u16, Vec<(&Service<'_>, u16)>> = BTreeMap::new();
        for service in mesh.services.selecting(w) {
            for p in service.ports.iter().filter(|p| !p.protocol.eq_ignore_ascii_case("UDP")) {
                if let Some(target) = p.of_workload(w) {
                    ports.entry(target).or_default().push((service, p.number));
                }
            }
        }
        let declared = w.container_ports().filter(|p| !p.text_of("protocol").eq_ignore_ascii_case("UDP"));
        for number in declared.filter_map(|p| u16::try_from(p.get("containerPort")?.int()?).ok()).filter(|n| !(15000..=15100).contains(n)) {
            ports.entry(number).or_default();
        }
        for (number, services) in ports {
            out.ports.push(port(mesh, client, number, &services, &callers));
        }
    }
    out.outside.sort();
    out.ports.sort_by(|a, b| (&a.namespace, &a.workload, a.port).cmp(&(&b.namespace, &b.workload, b.port)));
    out
}

fn named(w: &Workload<'_>) -> String {
    format!("{}.{}", w.object.name(), w.namespace)
}

/// The name of what made a Pod, as far as its own name says.
fn maker(w: &Workload<'_>) -> String {
    let name = w.object.name();
    match w.object.kind == Kind::Pod && w.label("pod-template-hash").is_some() {
        true => name.rsplitn(3, '-').nth(2).unwrap_or(name).to_owned(),
        false => name.to_owned(),
    }
}

fn is_control_plane(w: &Workload<'_>) -> bool {
    w.label("app") == Some("istiod") || w.label("istio") == Some("pilot") || matches!(w.label("app"), Some("ztunnel" | "istio-cni-node"))
}

fn why_outside(mesh: &Mesh<'_>, w: &Workload<'_>) -> String {
    if w.spec().and_then(|s| s.get("hostNetwork")).and_then(Node::bool) == Some(true) {
        return "it uses the host's network".to_owned();
    }
    let key = crate::injection::POD_LABEL;
    if w.label(key).or_else(|| w.annotation(key)).is_some_and(|v| !v.eq_ignore_ascii_case("true")) {
        return "it refuses injection".to_owned();
    }
    match mesh.namespace_label(w.namespace, crate::injection::NAMESPACE_LABEL) {
        Some(v) => format!("its namespace says istio-injection={v}"),
        None => "its namespace does not ask for injection".to_owned(),
    }
}

fn port<'a>(mesh: &Mesh<'a>, server: &Client<'_, 'a>, number: u16, services: &[(&Service<'a>, u16)], callers: &Callers<'_, '_, 'a>) -> Port {
    let w = server.workload;
    let effective = match server.in_mesh {
        InMesh::Ambient => ztunnel::mode(mesh, w, number),
        _ => mesh.peer_authentications.of_workload(w, Some(number)),
    };
    let by_policy = || effective.policy.map(|o| Thing::at(o, mode_node(o, number)));
    let annotation = |key: &str| w.pod.at(&["metadata", "annotations"])?.get(key);
    let (takes, thing) = match server.in_mesh {
        InMesh::Ambient if effective.mode == MtlsMode::Strict => (Takes::AmbientStrict, by_policy()),
        InMesh::Ambient => (Takes::Ambient, by_policy()),
        InMesh::Unknown => (Takes::Unknown, Some(Thing::whole(w.object))),
        InMesh::No => (Takes::NoProxy, Some(Thing::whole(w.object))),
        InMesh::Sidecar | InMesh::Gateway if !w.captures_inbound(number) => {
            let keys = ["traffic.sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/includeInboundPorts"];
            (Takes::NoProxy, keys.iter().find_map(|k| annotation(k)).map(|n| Thing::at(w.object, n)))
        }
        InMesh::Sidecar | InMesh::Gateway => match effective.mode {
            MtlsMode::Strict => (Takes::Strict, by_policy()),
            MtlsMode::Permissive => (Takes::Permissive, by_policy()),
            MtlsMode::Disable => (Takes::Off, by_policy()),
        },
    };
    let is_excluded = takes == Takes::NoProxy && server.in_mesh != InMesh::No;
    let takes_mtls = matches!(takes, Takes::Strict | Takes::Permissive);
    let mut sends: BTreeMap<(What, String, Option<Thing>), Vec<u32>> = BTreeMap::new();
    for class in &callers.classes {
        let others = || class.members.iter().filter(|(_, m)| !std::ptr::eq(*m, w)).map(|(place, _)| *place);
        if matches!(takes, Takes::Ambient | Takes::AmbientStrict) {
            // Whatever is called, a Service or a Pod, ztunnels carry it.
            sends.entry(sent_to_ambient(class.example.in_mesh)).or_default().extend(others());
            continue;
        }
        for (service, port) in services {
            let sent = sent(mesh, class.example, service, *port, takes_mtls, is_excluded);
            sends.entry(sent).or_default().extend(others());
        }
    }
    sends.retain(|_, places| !places.is_empty());
    let named = |mut places: Vec<u32>| {
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|p| Arc::clone(&callers.names[p as usize])).collect()
    };
    let sends: Vec<Sends> = sends.into_iter().map(|((what, why, thing), places)| Sends { what, why, thing, clients: named(places) }).collect();
    let (mut verdict, mut says) = judged(mesh, takes, &sends, services.is_empty(), is_excluded, server);
    if takes_mtls && verdict == Verdict::Encrypted && w.annotation("sidecar.istio.io/interceptionMode") == Some("NONE") {
        let who = "nothing is redirected to the sidecar (interception mode NONE): whether it or the application takes the port is not judged";
        (verdict, says) = (Verdict::NotJudged, who.to_owned());
    }
    if takes == Takes::Ambient
        && let Some(why) = ztunnel::left_out(mesh, w, number)
    {
        says = format!("{says}; {why}");
    }
    // Of several clusters each may have the Service.
    let mut services: Vec<String> = services.iter().map(|(s, p)| format!("{}.{}:{p}", s.object.name(), s.namespace)).collect();
    services.dedup();
    Port { workload: w.object.name().to_owned(), namespace: w.namespace.to_owned(), port: number, services, takes, thing, sends, verdict, says }
}

fn judged(mesh: &Mesh<'_>, takes: Takes, sends: &[Sends], is_direct: bool, is_excluded: bool, server: &Client<'_, '_>) -> (Verdict, String) {
    let worst = sends.iter().filter(|s| matches!(s.what, What::Plaintext | What::NotJudged)).max_by_key(|s| s.what == What::Plaintext);
    match takes {
        Takes::Strict => (Verdict::Encrypted, "it takes mutual TLS only".to_owned()),
        Takes::AmbientStrict => (Verdict::Encrypted, "ztunnel takes mutual TLS only (HBONE)".to_owned()),
        Takes::Ambient => match worst {
            Some(s) if s.what == What::Plaintext => (Verdict::NotEncrypted, format!("ztunnel takes what clients outside of the mesh send: {}", s.why)),
            Some(s) => (Verdict::NotJudged, format!("ambient mode, and what some clients send is not judged: {}", s.why)),
            None if !mesh.is_complete() => {
                (Verdict::NotJudged, "ambient mode without STRICT, and clients that the input does not hold are not seen".to_owned())
            }
            None => (Verdict::Encrypted, "ambient mode, and every client sends mutual TLS (HBONE)".to_owned()),
        },
        Takes::Unknown => (Verdict::NotJudged, format!("the input lacks the labels of Namespace {}", server.workload.namespace)),
        Takes::Off => (Verdict::NotEncrypted, "mutual TLS is switched off".to_owned()),
        Takes::NoProxy if is_excluded => (Verdict::NotEncrypted, "the port goes past the sidecar".to_owned()),
        Takes::NoProxy => (Verdict::NotEncrypted, "the workload has no sidecar".to_owned()),
        Takes::Permissive if is_direct => (Verdict::NotJudged, "no Service leads to the port: what is sent to Pods themselves is not judged".to_owned()),
        Takes::Permissive => match worst {
            Some(s) if s.what == What::Plaintext => (Verdict::NotEncrypted, format!("PERMISSIVE, and some clients send plaintext: {}", s.why)),
            Some(s) => (Verdict::NotJudged, format!("PERMISSIVE, and what some clients send is not judged: {}", s.why)),
            None if !mesh.is_complete() => (Verdict::NotJudged, "PERMISSIVE, and clients that the input does not hold may send plaintext".to_owned()),
            None => (Verdict::Encrypted, "PERMISSIVE, and every client sends mutual TLS".to_owned()),
        },
    }
}

/// What clients send to a server that ztunnel stands before.
fn sent_to_ambient(client: InMesh) -> (What, String, Option<Thing>) {
    match client {
        InMesh::Ambient => (What::MutualTls, String::new(), None),
        InMesh::No => (What::Plaintext, "they are not in the mesh".to_owned(), None),
        InMesh::Sidecar | InMesh::Gateway => (What::NotJudged, "whether their proxies send HBONE is not in the input".to_owned(), None),
        InMesh::Unknown => (What::NotJudged, "whether they are in the mesh is not in the input".to_owned(), None),
    }
}

const EXCLUDED: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";

/// What a client's side sends to a service's port.
fn sent<'a>(mesh: &Mesh<'a>, client: &Client<'_, 'a>, service: &Service<'a>, port: u16, takes_mtls: bool, is_excluded: bool) -> (What, String, Option<Thing>) {
    match client.in_mesh {
        InMesh::No => return (What::Plaintext, "they have no sidecar".to_owned(), None),
        InMesh::Ambient => return (What::NotJudged, "whether the server's sidecar takes HBONE of ztunnels is not in the input".to_owned(), None),
        InMesh::Unknown => return (What::NotJudged, "whether they have a sidecar is not in the input".to_owned(), None),
        InMesh::Sidecar | InMesh::Gateway => {}
    }
    let w = client.workload;
    let excluded = w.annotation(EXCLUDED).is_some_and(|v| v.split(',').any(|p| p.trim().parse() == Ok(port)));
    if excluded {
        return (What::Plaintext, "their sidecars do not take the port".to_owned(), Some(Thing::whole(w.object)));
    }
    let host = service.hosts.first().map_or("", String::as_str);
    if !service.export_to.visible_to(service.namespace, w.namespace) {
        return (What::Plaintext, format!("{} is not exported to them", service.object.origin()), Some(Thing::whole(service.object)));
    }
    let rules = mesh.destination_rules.of_workload(w.namespace, |k| w.label(k), host, service.namespace);
    if let Some((object, node)) = tls_of(&rules, port) {
        let thing = Some(Thing::at(object, node));
        return match node.text() {
            "ISTIO_MUTUAL" => (What::MutualTls, String::new(), None),
            "SIMPLE" | "MUTUAL" => (What::OtherTls, format!("{} says {}", object.origin(), node.text()), thing),
            _ => (What::Plaintext, format!("{} says DISABLE", object.origin()), thing),
        };
    }
    if !mesh.config.auto_mtls() {
        return (What::Plaintext, "automatic mutual TLS is switched off in the mesh".to_owned(), None);
    }
    let of_namespace = mesh.peer_authentications.of_namespace(service.namespace);
    if of_namespace.mode == MtlsMode::Disable {
        let thing = of_namespace.policy.map(Thing::whole);
        return (What::Plaintext, "the server's namespace has mutual TLS switched off".to_owned(), thing);
    }
    // Endpoints tell clients whether a sidecar is there; not that it lets a port pass.
    match (takes_mtls || is_excluded, service.kind) {
        (true, ServiceKind::Kubernetes) if service.is_headless() && !takes_mtls => (What::NotJudged, "a headless Service".to_owned(), None),
        (true, _) => (What::MutualTls, String::new(), None),
        (false, _) => (What::Plaintext, "the server takes no mutual TLS".to_owned(), None),
    }
}

/// The mode of TLS that rules set for a port, the weakest of rule and subsets first.
fn tls_of<'a>(rules: &[&'a Object], port: u16) -> Option<(&'a Object, Node<'a>)> {
    let whole = destination_rule::traffic_policy(rules).and_then(|(o, p)| Some((o, destination_rule::tls_mode(p, port)?)));
    let subsets = rules.iter().flat_map(|o| o.spec().into_iter().flat_map(|s| s.list("subsets")).map(move |s| (*o, s)));
    let of_subsets: Vec<(&'a Object, Node<'a>)> = subsets.filter_map(|(o, s)| Some((o, destination_rule::tls_mode(s.get("trafficPolicy")?, port)?))).collect();
    let weak = |(_, n): &(&Object, Node<'_>)| matches!(n.text(), "DISABLE" | "");
    of_subsets.iter().copied().find(weak).or(whole)
}
