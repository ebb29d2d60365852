//! Why a request fares as it does: its way from the client's proxy to the port behind the server's, step by step, each
//! with a mark, the object that decides and what would change it.
//!
//! The steps are those of the matching engine ([`mesh_envoy::engine`]) on what the proxies hold: by their dumps where
//! those are given, else by the translation of the manifests. Pure.

mod ambient;
mod answer;
mod bare;
mod by_address;
mod encryption;
mod endpoints;
mod entrance;
mod find;
mod host;
mod outbound;
mod party;
mod passage;
mod question;
mod refused_by_gateway;
mod server;
mod source;
mod uncounted;
mod unrouted;
mod url;
mod waypoint;

pub use answer::{Answer, Mark, Miss, Outcome, Part, Stage, Step, Thing};
pub use find::{Named, names, other_names};
pub use host::service;
pub use outbound::shown as shown_cluster;
pub use question::Question;
pub use server::mesh_tls;
pub use url::Url;

pub use crate::held::Held;
use crate::injection::InMesh;
use crate::mesh::Mesh;
use crate::translate::Model;
use by_address::ByAddress;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::engine::walk::Call;
use mesh_model::Role;
use party::Party;
use rustc_hash::FxHashMap;
use std::cell::{OnceCell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// Addresses of documentation (RFC 5737): nobody's.
pub(crate) const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// A port that clients are given by the system.
const EPHEMERAL: u16 = 49152;
/// A request passes so many gateways, and no more.
const HOPS: usize = 4;
/// The client that is none of the mesh's workloads.
pub const OUTSIDE: &str = "outside";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// Nobody is called so; all names that there are.
    Nobody(String, Vec<String>),
    /// Somebody is called so in a namespace that the control plane does not watch.
    Unwatched(String, String),
    /// The name stands for workloads of several namespaces.
    Ambiguous(String, Vec<String>),
}

impl std::fmt::Display for AskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AskError::Nobody(name, known) if known.is_empty() => write!(f, "no workload `{name}` is in the input, which holds none at all"),
            AskError::Nobody(name, known) => write!(f, "no workload `{name}` is in the input; it holds {}", known[..known.len().min(20)].join(", ")),
            AskError::Unwatched(name, namespace) => write!(
                f,
                "`{name}` is in namespace {namespace}, which istiod does not watch: `discoverySelectors` of the mesh configuration select none of its labels, \
                 so that its proxies and services take no part in the mesh"
            ),
            AskError::Ambiguous(name, all) => write!(f, "`{name}` may be any of {}: add the namespace, as in NAME.NAMESPACE", all.join(", ")),
        }
    }
}
impl std::error::Error for AskError {}

/// Answers questions about one mesh.
pub struct Why<'w, 'm, 'a> {
    model: &'w Model<'m, 'a>,
    held: &'w [Held],
    by_address: ByAddress,
    /// Proxies that were made for earlier questions.
    parties: RefCell<FxHashMap<u32, Rc<Party<'w, 'a>>>>,
    /// The same of waypoints, by their Gateways.
    waypoints: RefCell<FxHashMap<String, Rc<Party<'w, 'a>>>>,
    /// What would count if there were a waypoint, read once.
    routes: OnceCell<ambient::RoutesByHost<'a>>,
}

impl<'w, 'm, 'a> Why<'w, 'm, 'a> {
    /// From manifests (a model without objects where there are none), and from what proxies hold.
    pub fn new(model: &'w Model<'m, 'a>, held: &'w [Held]) -> Why<'w, 'm, 'a> {
        Why { model, held, by_address: ByAddress::of(model), parties: RefCell::default(), waypoints: RefCell::default(), routes: OnceCell::new() }
    }

    pub fn model(&self) -> &'w Model<'m, 'a> {
        self.model
    }

    /// The proxy of a workload, made once.
    fn party(&self, id: u32) -> Rc<Party<'w, 'a>> {
        if let Some(known) = self.parties.borrow().get(&id) {
            return Rc::clone(known);
        }
        let made = Rc::new(Party::of_workload(self.model, id, self.dump_of(id)));
        self.parties.borrow_mut().insert(id, Rc::clone(&made));
        made
    }

    fn knows_manifests(&self) -> bool {
        self.model.mesh.snapshot.objects.iter().any(|o| o.role != Role::Assumed)
    }

    /// The dump of a workload's proxy, where one is given.
    fn dump_of(&self, id: u32) -> Option<&'w Held> {
        self.held.iter().find(|h| is_of(self.model, id, h))
    }

    /// What happens to a request of a client: `[KIND/]NAME[.NAMESPACE]`, or [`OUTSIDE`].
    ///
    /// # Errors
    /// A client that the input does not hold, or that several are.
    pub fn ask(&self, from: &str, namespace: Option<&str>, question: &Question) -> Result<Answer, AskError> {
        let mut answer = Answer { from: from.to_owned(), request: question.to_string(), ..Answer::default() };
        let named = Named::parse(from, namespace);
        let ids = named.workloads(self.model.mesh);
        let mut places: Vec<&str> = ids.iter().map(|i| self.model.mesh.workloads.get(*i).namespace).collect();
        places.sort_unstable();
        places.dedup();
        if places.len() > 1 {
            let all = ids.iter().map(|i| self.model.mesh.workloads.get(*i)).map(|w| format!("{}.{}", w.object.name(), w.namespace));
            return Err(AskError::Ambiguous(from.to_owned(), all.collect()));
        }
        if let Some(id) = ids.first() {
            if ids.len() > 1 {
                let w = self.model.mesh.workloads.get(*id);
                answer.assume(format!("{} of {} workloads called `{from}` sends it", w.object.origin(), ids.len()));
            }
            self.sent_by_workload(*id, question, &mut answer);
        } else if let Some(held) = self.held.iter().find(|h| is_named(h, &named)).or(self.held.first().filter(|_| !self.knows_manifests() && named.name == "-"))
        {
            let mut assumptions = Vec::new();
            let party = Party::of_dump(self.model.mesh, held, &mut assumptions);
            answer.assumptions = assumptions;
            self.sent_by_proxy(&party, question, Part { title: party.name.clone(), ..Part::default() }, &mut answer);
        } else if named.name == OUTSIDE {
            let step = Step::new(Stage::Source, Mark::Good, "a client outside of the mesh: it speaks plaintext, and has no identity");
            let part = Part { title: OUTSIDE.to_owned(), steps: vec![step], ..Part::default() };
            self.sent_bare("default", None, question, part, &mut answer);
        } else if let Some(namespace) = self.unwatched_namespace(&named) {
            return Err(AskError::Unwatched(from.to_owned(), namespace));
        } else {
            let known = names(self.model.mesh).into_iter().chain(self.held.iter().map(|h| h.name.clone()));
            return Err(AskError::Nobody(from.to_owned(), known.collect()));
        }
        if answer.outcomes.is_empty() {
            let mark = answer.mark();
            let broken = answer.parts.iter().flat_map(|p| &p.steps).rev().find(|s| s.mark == mark);
            let says = broken.map_or_else(String::new, |s| s.says.clone());
            answer.outcomes.push(Outcome {
                share: 1_000_000,
                cluster: String::new(),
                server: String::new(),
                mark,
                says,
                status: None,
                flags: String::new(),
                details: String::new(),
            });
        }
        Ok(answer)
    }

    /// The namespace that is not watched and has a workload of the name.
    fn unwatched_namespace(&self, named: &Named<'_>) -> Option<String> {
        let unwatched = &self.model.mesh.left_out().unwatched;
        if unwatched.is_empty() {
            return None;
        }
        let all = Mesh::in_domain(self.model.mesh.snapshot, self.model.mesh.domain);
        let found = named.workloads(&all);
        found.iter().map(|id| all.workloads.get(*id).namespace).find(|n| unwatched.contains_key(n)).map(str::to_owned)
    }

    fn sent_by_workload(&self, id: u32, question: &Question, answer: &mut Answer) {
        let mesh = self.model.mesh;
        let w = mesh.workloads.get(id);
        let mut part = Part { title: w.object.origin(), ..Part::default() };
        part.steps.push(source::step(mesh, w));
        let address = self.model.proxy_of(id).addresses.first().and_then(|a| a.parse().ok());
        match mesh.in_mesh(w) {
            InMesh::Ambient => self.sent_in_ambient(id, question, part, answer),
            InMesh::No => self.sent_bare(w.namespace, address, question, part, answer),
            InMesh::Sidecar | InMesh::Gateway | InMesh::Unknown => {
                if mesh.in_mesh(w) == InMesh::Unknown {
                    answer.assume(format!("{} has a sidecar", w.object.origin()));
                }
                if let Some((node, why)) = source::excluded(w, question.url.port) {
                    let step = Step::new(Stage::Source, Mark::Doubtful, format!("the request goes past the sidecar: {why}"));
                    part.steps.push(step.thing(Thing::at(w.object, node)).change("remove the annotation, and restart it"));
                    return self.sent_bare(w.namespace, address, question, part, answer);
                }
                let party = self.party(id);
                self.sent_by_proxy(&party, question, part, answer);
            }
        }
    }

    fn sent_by_proxy(&self, party: &Party<'w, 'a>, question: &Question, mut part: Part, answer: &mut Answer) {
        if let Some(held) = party.held {
            answer.problems.extend(held.problems());
            for reason in &held.rejected {
                let says = format!("the proxy rejected an update, and goes on with what it had: {reason}");
                part.steps.push(Step::new(Stage::Source, Mark::Doubtful, says).change("correct what made it; `meshctl proxy-status` lists such updates"));
            }
        }
        if party.is_gateway() {
            let own = party.addresses.first().copied().unwrap_or(SOMEBODY);
            let port = party.workload.and_then(|id| self.target_of(id, question.url.port)).unwrap_or(question.url.port);
            let source = question.source.unwrap_or_else(|| {
                answer.assume(format!("the client's address is {SOMEBODY} (--source-ip IP names another)"));
                SOMEBODY
            });
            let connection = question.connection(SocketAddr::new(source, EPHEMERAL), SocketAddr::new(question.address.unwrap_or(own), port));
            let headers = question.headers();
            let request = question.request(question.authority(), &question.url.path, &headers);
            let call = Call { entry: Entry::Direct, connection, request, expects: None };
            return self.follow(party, &call, question, None, part, HOPS, answer);
        }
        let found = host::find(self.model, &question.url.host, question.url.port, &party.namespace, self.knows_manifests());
        let is_reached = found.is_reached;
        let pods = if found.service.is_none() { self.pods_at(question) } else { Vec::new() };
        part.steps.push(match pods.as_slice() {
            [] => found.step,
            [pod] => Step::new(Stage::Host, Mark::Good, format!("{} is the address of {} itself", question.url.host, pod.origin())).thing(Thing::whole(pod)),
            several => {
                let names: Vec<String> = several.iter().map(|o| o.origin()).collect();
                Step::new(Stage::Host, Mark::NotJudged, by_address::shared(&question.url.host, &names)).thing(Thing::whole(several[0]))
            }
        });
        if !is_reached {
            answer.parts.push(part);
            return;
        }
        let given = question.address.or_else(|| question.url.host.parse::<IpAddr>().ok());
        let proxy = party.proxy.as_ref();
        let of_pod = host::pod(self.model, &question.url.host, &party.namespace);
        let of_pod = of_pod.and_then(|(_, id)| self.model.proxy_of(id).addresses.first()?.parse::<IpAddr>().ok());
        let given = given.or(of_pod);
        let of_service =
            found.service.and_then(|s| proxy.map_or(s.address.as_str(), |p| s.address_for(p)).parse::<IpAddr>().ok()).filter(|a| !a.is_unspecified());
        let of_dump = party.held.and_then(|h| h.address_of(&question.url.host));
        // A dump knows the real address where the manifests only suppose one.
        let headless = found.service.filter(|s| endpoints::is_headless(s));
        if let Some(service) = headless.filter(|s| given.is_none() && party.held.is_none() && self.addresses(s, question.url.port).is_empty()) {
            part.steps.push(self.nobody(service, question.url.port, ""));
            answer.parts.push(part);
            return;
        }
        // Without an address of its own a Service's name leads to its Pods.
        let of_pods = || {
            let first = self.addresses(headless?, question.url.port).into_iter().min()?;
            Some(first.ip())
        };
        let address = given.or(of_dump).or(of_service).or_else(of_pods).unwrap_or_else(|| {
            answer.assume(format!("the address of {} is one that no listener has of its own", question.url.host));
            NOBODY
        });
        if found.service.is_some_and(|s| s.is_kubernetes() && matches!(s.object.spec().map_or("", |s| s.text_of("clusterIP")), "")) {
            answer.assume("addresses that the manifests do not give are of 198.18.0.0/15, which nobody has".to_owned());
        }
        let own = question.source.or(party.addresses.first().copied()).unwrap_or(SOMEBODY);
        let connection = question.connection(SocketAddr::new(own, EPHEMERAL), SocketAddr::new(address, question.url.port));
        let headers = question.headers();
        let request = question.request(question.authority(), &question.url.path, &headers);
        let call = Call { entry: party.entry_outbound(), connection, request, expects: None };
        self.follow(party, &call, question, found.service, part, HOPS, answer);
    }

    /// The port of a gateway's own behind a port of its Service.
    fn target_of(&self, id: u32, port: u16) -> Option<u16> {
        let w = self.model.mesh.workloads.get(id);
        self.model.mesh.services.selecting(w).into_iter().find_map(|s| s.port(port)?.of_workload(w))
    }
}

/// Whether a proxy is that of a workload: by its address, or by its Pod's name.
fn is_of(model: &Model<'_, '_>, id: u32, held: &Held) -> bool {
    let w = model.mesh.workloads.get(id);
    let snapshot = model.mesh.snapshot;
    // Clusters may have Deployments of the same names. Of one that is called otherwise in the input the name says nothing.
    if snapshot.clusters.len() > 1 && snapshot.clusters.contains(&held.cluster) && snapshot.cluster_name(w.object) != held.cluster {
        return false;
    }
    let has_address = || model.proxy_of(id).addresses.iter().filter_map(|a| a.parse().ok()).any(|a| held.addresses.contains(&a));
    let is_pod = |pod: &str| pod == w.object.name() || find::is_made_by(pod, w.object.name());
    (held.namespace == w.namespace && held.name.rsplit_once('.').is_some_and(|(pod, _)| is_pod(pod))) || has_address()
}

/// The workload of a proxy, where the manifests hold it.
pub fn workload_of(model: &Model<'_, '_>, held: &Held) -> Option<u32> {
    (0..model.mesh.workloads.all().len() as u32).find(|id| is_of(model, *id, held))
}

fn is_named(held: &Held, named: &Named<'_>) -> bool {
    let (pod, namespace) = held.name.rsplit_once('.').unwrap_or((&held.name, &held.namespace));
    let is_pod =
        pod == named.name || held.name == named.name || find::is_made_by(pod, named.name) || pod.strip_prefix(named.name).is_some_and(|r| r.starts_with('-'));
    is_pod && named.namespace.is_none_or(|n| n == namespace)
}
