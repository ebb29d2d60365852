//! What is to run for a mesh as its manifests have it now: made of the model that the control plane serves.

use super::script::{self, Carries, Script, Wrong};
use super::supply::TRACES;
use crate::clusters;
use crate::workload::{Proxied, Workload};
use mesh_controlplane::bind::{Bind, Role};
use mesh_model::{Kind, Node, Object, Source, Span, yaml};
use mesh_resolver::protocol::Protocol;
use mesh_resolver::service::ServiceKind;
use mesh_resolver::translate::Model;
use mesh_resolver::workload::Workload as Declared;
use mesh_resolver::{InMesh, Mesh, Selector, host};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// Annotations of a Pod or its template that say what its program does.
pub const SCRIPT: &str = "demo.meshctl/script";
pub const ERROR_RATE: &str = "demo.meshctl/error-rate";
pub const RESPONSE_SIZE: &str = "demo.meshctl/response-size";
/// `true`: the load asks this service; where any says so, no other.
pub const ENTRY: &str = "demo.meshctl/entry";

/// What a workload's program does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    pub script: Script,
    /// Of requests so many are answered with 500, 0 to 1.
    pub errors: f64,
    /// Bytes of an answer; 0 for a few words.
    pub size: usize,
}

/// A port that a program serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    pub at: SocketAddr,
    pub carries: Carries,
}

/// A workload and its program.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// By which the plan knows it.
    pub id: String,
    pub workload: Arc<Workload>,
    pub program: Arc<Program>,
    pub serves: Vec<Served>,
    /// Nobody asks it, and it has a script: it begins by itself.
    pub begins: bool,
    pub is_entry: bool,
}

/// A port of a service, as those who call it know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    pub number: u16,
    pub carries: Carries,
    /// Names of the listeners by which a sidecar may take what goes there and nowhere else: of the service's address, and of
    /// its endpoints' where it has none.
    pub listeners: Vec<String>,
    /// Where who has no sidecar finds its endpoints.
    pub endpoints: Vec<SocketAddr>,
}

/// A service by its full host name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    pub namespace: String,
    pub ports: Vec<Port>,
    pub is_outside: bool,
    /// Somebody here answers for it, and it is no gateway.
    pub is_played: bool,
    /// One of its workloads says that the load begins there.
    pub is_entry: bool,
}

/// All that is to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// By `NAME.NAMESPACE` of what the manifests have.
    pub members: BTreeMap<String, Member>,
    pub services: BTreeMap<String, Service>,
    /// Who is played outside of the mesh: where, and what it is called.
    pub outside: BTreeMap<SocketAddr, (Carries, String)>,
    pub domain: String,
    /// What can't be played, and is left out.
    pub notes: BTreeSet<String>,
}

impl Plan {
    /// The host that a caller means: as it stands, or of the caller's namespace.
    pub fn resolve(&self, host: &str, namespace: &str) -> Option<&Service> {
        self.services.get(&self.full(host, namespace)?)
    }
    /// The whole name of such a host.
    pub fn full(&self, host: &str, namespace: &str) -> Option<String> {
        let domain = &self.domain;
        let names = [host.to_owned(), format!("{host}.{namespace}.svc.{domain}"), format!("{host}.svc.{domain}"), format!("{host}.{domain}")];
        names.into_iter().find(|n| self.services.contains_key(n))
    }
}

/// Makes the plan of a model, for the cluster of its input with this index.
pub fn make(model: &Model<'_, '_>, bind: &mut Bind, own: u16) -> Plan {
    let mesh = model.mesh;
    let mut plan = Plan { domain: if mesh.domain.is_empty() { host::CLUSTER_DOMAIN.to_owned() } else { mesh.domain.to_owned() }, ..Plan::default() };
    let cluster = Some(mesh.snapshot.clusters.len()).filter(|n| *n > 1).and_then(|_| mesh.snapshot.clusters.get(usize::from(own)));
    for w in mesh.workloads.all().iter().filter(|w| w.object.cluster == own) {
        let name = format!("{} {}/{}", w.object.kind_name(), w.namespace, w.object.name());
        if !is_name(w.object.name()) || !is_name(w.namespace) {
            plan.notes.insert(format!("{name} is not played: no cluster takes such a name"));
            continue;
        }
        if let Some(why) = left_out(w) {
            plan.notes.insert(format!("{name} is not played: {why}"));
            continue;
        }
        let proxied = match mesh.in_mesh(w) {
            InMesh::Sidecar => Proxied::Sidecar,
            InMesh::Gateway => Proxied::Gateway,
            InMesh::No | InMesh::Unknown => Proxied::Not,
            InMesh::Ambient => {
                plan.notes.insert(format!("{name} is in ambient mode: there is no ztunnel here, so that it is played without a proxy"));
                Proxied::Not
            }
        };
        if w.spec().and_then(|s| s.get("hostNetwork")).and_then(Node::bool) == Some(true) {
            plan.notes.insert(format!("{name} uses its node's network: it is played at a place of its own"));
        }
        if w.replicas > 1 {
            plan.notes.insert(format!("{name} has {} replicas: one is played", w.replicas));
        }
        let program = program(w).unwrap_or_else(|wrong| {
            plan.notes.insert(format!("{name}: {wrong}; it answers without a script"));
            Program::default()
        });
        let id = id_of(w);
        let serves = if proxied == Proxied::Gateway { Vec::new() } else { serves(model, w, &id, bind, &mut plan.notes) };
        let workload = Workload {
            name: pod(mesh, w, own),
            namespace: w.namespace.to_owned(),
            account: w.service_account().to_owned(),
            labels: w.labels().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            owner: owner(w.object),
            proxied,
            metadata: network_view(w).into_iter().chain(cluster.into_iter().flat_map(|c| of_cluster(c))).collect(),
        };
        let begins = serves.is_empty() && proxied != Proxied::Gateway && !program.script.is_empty();
        let is_entry = w.annotation(ENTRY) == Some("true");
        let member = Member { id: id.clone(), workload: Arc::new(workload), program: Arc::new(program), serves, begins, is_entry };
        if plan.members.insert(id.clone(), member).is_some() {
            plan.notes.insert(format!("{name}: another workload of its namespace has the same name, and one of them is played"));
        }
    }
    services(model, bind, own, &mut plan);
    plan
}

fn id_of(w: &Declared<'_>) -> String {
    format!("{}.{}", w.object.name(), w.namespace)
}

/// What Kubernetes takes as the name of a workload: a subdomain of DNS. Files are called by it.
fn is_name(text: &str) -> bool {
    let is_part =
        |p: &str| !p.is_empty() && !p.starts_with('-') && !p.ends_with('-') && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    text.len() <= 253 && text.split('.').all(is_part)
}

fn left_out(w: &Declared<'_>) -> Option<&'static str> {
    match w.object.kind {
        Kind::Job | Kind::CronJob if w.annotation(SCRIPT).is_none() => Some("what it does when it runs is not known"),
        _ if w.replicas == 0 => Some("it has no replicas"),
        _ if w.label("gateway.istio.io/managed") == Some("istio.io-mesh-controller") => Some("there are no waypoints here"),
        _ => None,
    }
}

/// The name of what has made a Pod, as Istio's injector gives it to the proxy.
pub(super) fn owner(o: &Object) -> String {
    let first = o.metadata().into_iter().flat_map(|m| m.list("ownerReferences")).next();
    match first.map(|o| (o.text_of("kind"), o.text_of("name"))) {
        Some(("ReplicaSet", name)) => name.rsplit_once('-').map_or(name, |(deployment, _)| deployment).to_owned(),
        Some((_, name)) if !name.is_empty() => name.to_owned(),
        _ => o.name().to_owned(),
    }
}

/// The network whose endpoints alone a gateway is to see, as its container is told.
fn network_view(w: &Declared<'_>) -> Option<(String, String)> {
    const KEY: &str = "REQUESTED_NETWORK_VIEW";
    let containers = w.spec().into_iter().flat_map(|s| s.list("containers")).filter(|c| c.text_of("name") == "istio-proxy");
    let view = containers.flat_map(|c| c.list("env")).find(|e| e.text_of("name").strip_prefix("ISTIO_META_") == Some(KEY))?;
    Some((KEY.to_owned(), view.get("value")?.text().to_owned()))
}

/// What the injector of a cluster tells its proxies.
fn of_cluster(name: &str) -> [(String, String); 2] {
    [("CLUSTER_ID".to_owned(), name.to_owned()), ("NETWORK".to_owned(), clusters::network(name))]
}

/// What the Pod is called that plays a workload. Proxies are told apart by it, so that of a name that several clusters have the later ones' differ.
fn pod(mesh: &Mesh<'_>, w: &Declared<'_>, own: u16) -> String {
    let name = w.object.name();
    let is_like = |o: &Declared<'_>| o.object.cluster < own && o.namespace == w.namespace && o.object.name() == name;
    if !mesh.workloads.all().iter().any(is_like) {
        return name.to_owned();
    }
    let cluster: String = mesh.snapshot.cluster_name(w.object).chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{name}-{cluster}{}", own + 1)
}

fn program(w: &Declared<'_>) -> Result<Program, Wrong> {
    let annotation = |key: &str| w.pod.at(&["metadata", "annotations"]).and_then(|a| a.get(key));
    let mut out = Program::default();
    if let Some(node) = annotation(ERROR_RATE) {
        out.errors = script::share(node, ERROR_RATE)?;
    }
    if let Some(node) = annotation(RESPONSE_SIZE) {
        out.size = script::size(node, RESPONSE_SIZE)?;
    }
    if let Some(node) = annotation(SCRIPT) {
        let source = Source::new(format!("{}:{}", node.source().name(), node.position().line), node.text());
        let parsed = yaml::parse_document(&source, Span::new(0, source.text().len()), yaml::Limits::default());
        let tree = parsed.tree.ok_or_else(|| Wrong::at(node, SCRIPT, "this is no YAML"))?;
        out.script = script::read(tree.root(), SCRIPT, 0)?;
    }
    Ok(out)
}

fn carries(protocol: Protocol) -> Option<Carries> {
    match protocol {
        Protocol::Grpc | Protocol::GrpcWeb => Some(Carries::Grpc),
        Protocol::Http | Protocol::Http2 | Protocol::HttpProxy | Protocol::Unsupported => Some(Carries::Http),
        Protocol::Tcp | Protocol::Mongo | Protocol::Redis | Protocol::MySql => Some(Carries::Bytes),
        Protocol::Https | Protocol::Tls | Protocol::Udp => None,
    }
}

/// The ports by which services lead to a workload, and where its program has them.
fn serves(model: &Model<'_, '_>, w: &Declared<'_>, id: &str, bind: &mut Bind, notes: &mut BTreeSet<String>) -> Vec<Served> {
    let mut ports: BTreeMap<u16, Carries> = BTreeMap::new();
    for service in model.mesh.services.selecting(w) {
        for port in &service.ports {
            let Some(target) = port.of_workload(w).filter(|p| *p != 0) else { continue };
            match carries(service.protocol(port)) {
                Some(carries) => drop(ports.entry(target).or_insert(carries)),
                None => drop(notes.insert(format!(
                    "port {} of {}: programs here speak no TLS of their own and no UDP, so that it is not played",
                    port.number,
                    service.object.origin()
                ))),
            }
        }
    }
    ports.into_iter().map(|(port, carries)| Served { at: bind.places.give(id, Role::Application, "", port), carries }).collect()
}

fn services(model: &Model<'_, '_>, bind: &mut Bind, own: u16, plan: &mut Plan) {
    // The demo's own collector listens already.
    for s in model.registry.services.iter().filter(|s| s.host != TRACES) {
        if s.is_wildcard() {
            plan.notes.insert(format!("{}: nobody can be played for all of {}", s.object.origin(), s.host));
            continue;
        }
        let is_outside = s.kind == ServiceKind::ServiceEntry && s.is_external;
        let selector = Selector::from_map(s.object.spec_at(&["selector"]));
        let behind = if selector.is_empty() { Vec::new() } else { model.mesh.workloads.matching_ids(Some(s.namespace), &selector) };
        let behind: Vec<&Declared<'_>> = behind.iter().map(|id| model.mesh.workloads.get(*id)).collect();
        let is_gateway = behind.iter().any(|w| model.mesh.in_mesh(w) == InMesh::Gateway);
        let members: Vec<&Member> = behind.iter().filter(|w| w.object.cluster == own).filter_map(|w| plan.members.get(&id_of(w))).collect();
        let is_entry = members.iter().any(|m| m.is_entry);
        let is_played = !is_gateway && (is_outside || !members.is_empty());
        let mut ports = Vec::new();
        for port in &s.ports {
            let Some(carries) = carries(port.protocol) else {
                if is_gateway {
                    continue;
                }
                plan.notes.insert(format!("port {} of {}: TLS and UDP of programs are not played", port.number, s.object.origin()));
                continue;
            };
            let found = model.registry.endpoints(model.mesh, s, port);
            let mut endpoints = Vec::new();
            let mut listeners = vec![format!("{}_{}", s.address, port.number)];
            for e in &found {
                listeners.push(format!("{}_{}", e.address, port.number));
                let Some((at, is_workload)) = bind.reached(&e.address, e.port) else { continue };
                if !is_workload {
                    plan.outside.insert(at, (carries, s.host.clone()));
                }
                endpoints.push(at);
            }
            if s.kind == ServiceKind::ServiceEntry && found.is_empty() {
                plan.notes.insert(format!("{}: it names no endpoint, so that nobody can be played for {}", s.object.origin(), s.host));
            }
            ports.push(Port { number: port.number, carries, listeners, endpoints });
        }
        let service = Service { namespace: s.namespace.to_owned(), ports, is_outside, is_played, is_entry };
        plan.services.entry(s.host.clone()).or_insert(service);
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_that_no_cluster_takes_are_not_played() {
        assert!(is_name("reviews-v1") && is_name("a.b-2") && is_name(&"a".repeat(253)));
        for name in ["", "..", "../a", "a/b", "/etc/a", "a\n", "A", "-a", "a.", &"a".repeat(254)] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
