//! Ambient mode: what ztunnels make of a connection on either side, and which waypoint stands between.

use super::answer::{Answer, Mark, Outcome, Part, Stage, Step, Thing};
use super::question::Question;
use super::server::{Arrival, Served, Wire, application};
use super::waypoint::{Destination, Sender};
use super::{EPHEMERAL, SOMEBODY, Why, host, source};
use crate::ambient::waypoint::{self, Bound, Waypoint};
use crate::ambient::ztunnel::{self, Connection, Decision, Peer, Rule, Ztunnel};
use crate::injection::InMesh;
use crate::mesh::Mesh;
use crate::peer_authentication::{MtlsMode, mode_node};
use crate::translate::{RegisteredService, Resolution};
use crate::workload::Workload;
use mesh_envoy::engine::walk::{Branch, End};
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;
use std::net::SocketAddr;

/// HTTP routes by the hosts that they mean.
pub(super) type RoutesByHost<'a> = FxHashMap<String, Vec<(&'a Object, Node<'a>)>>;

impl<'w, 'a> Why<'w, '_, 'a> {
    /// A client in ambient mode: ztunnel takes its connections, and speaks HBONE where the other side does.
    pub(super) fn sent_in_ambient(&self, client: u32, question: &Question, mut part: Part, answer: &mut Answer) {
        let mesh = self.model.mesh;
        let w = mesh.workloads.get(client);
        let found = host::find(self.model, &question.url.host, question.url.port, w.namespace, self.knows_manifests());
        let (service, is_reached) = (found.service, found.is_reached);
        part.steps.push(found.step);
        if !is_reached {
            answer.parts.push(part);
            return;
        }
        let domain = mesh.config.trust_domain();
        let own = format!("{domain}/ns/{}/sa/{}", w.namespace, w.service_account());
        let address = self.model.proxy_of(client).addresses.first().and_then(|a| a.parse().ok());
        if let Some(service) = service.filter(|s| s.resolution != Resolution::Passthrough)
            && let Waypoint::Stands(bound, gateway) = waypoint::of_service(mesh, service.object)
        {
            let says = format!("ztunnel sends what is for {} to waypoint {}", service.host, bound.shown());
            part.steps.push(Step::new(Stage::Route, Mark::Good, says).thing(Thing::at(bound.object, bound.node)));
            answer.parts.push(part);
            let to = Destination { service, address: question.address, port: question.url.port, authority: question.authority(), path: &question.url.path };
            return self.by_waypoint(&Sender { principal: &own, address }, &to, &bound, gateway, question, answer);
        }
        let Some(service) = service.filter(|s| s.is_kubernetes() || s.resolution == Resolution::Static) else {
            let says = "taken by ztunnel: what becomes of it outside of the mesh is not judged";
            part.steps.push(Step::new(Stage::Route, Mark::NotJudged, says));
            answer.parts.push(part);
            answer.outcomes.push(Outcome { mark: Mark::NotJudged, says: says.to_owned(), ..nowhere() });
            return;
        };
        let mut reached = self.addresses(service, question.url.port);
        if reached.is_empty() {
            part.steps.push(self.nobody(service, question.url.port, ""));
            answer.parts.push(part);
            return;
        }
        // DNS answers with any of them.
        let mut pods = 1;
        let waypoint = match service.resolution {
            // Its Pods are called by their own addresses, which services' waypoints do not stand before.
            Resolution::Passthrough => {
                let guarded = self.guarded(&mut reached);
                let mut shown: Vec<String> = Vec::new();
                for (_, bound, _) in &guarded {
                    if !shown.contains(&bound.shown()) {
                        let says = format!("ztunnel sends what is for Pods of {} to waypoint {}", service.host, bound.shown());
                        part.steps.push(Step::new(Stage::Route, Mark::Good, says).thing(Thing::at(bound.object, bound.node)));
                        shown.push(bound.shown());
                    }
                }
                if !guarded.is_empty() {
                    let title = part.title.clone();
                    answer.parts.push(std::mem::replace(&mut part, Part { title, ..Part::default() }));
                }
                pods = guarded.len() + self.distinct(&reached);
                for (pod, bound, gateway) in &guarded {
                    let to = Destination { service, address: Some(pod.ip()), port: pod.port(), authority: question.authority(), path: &question.url.path };
                    let before = answer.outcomes.len();
                    self.by_waypoint(&Sender { principal: &own, address }, &to, bound, gateway, question, answer);
                    answer.outcomes.iter_mut().skip(before).for_each(|o| o.share /= pods as u64);
                }
                if reached.is_empty() {
                    return;
                }
                self.before_pods(&reached)
            }
            _ => waypoint::of_service(mesh, service.object),
        };
        part.steps.push(self.through(service, &waypoint));
        let principal = if waypoint.is_open() { String::new() } else { own };
        let arrival = Arrival {
            wire: Wire::Hbone,
            server_name: "",
            principal: &principal,
            source: SocketAddr::new(address.unwrap_or(SOMEBODY), EPHEMERAL),
            is_routed: false,
            authority: question.authority(),
            path: &question.url.path,
            plaintext_by: None,
            plaintext_change: String::new(),
            own_certificate: false,
            tls_by: None,
            tunnelled_by: "the client's ztunnel",
            has_proxy: true,
        };
        let branch = Branch { share: 1_000_000, cluster: String::new(), source: String::new(), end: End::Forwarded, endpoints: Vec::new(), transport: None };
        let (before, parts) = (answer.outcomes.len(), answer.parts.len());
        self.each(&arrival, &branch, &reached, question, &mut part, 1, answer);
        if pods > 1 && answer.parts.len() - parts == answer.outcomes.len() - before + 1 {
            // Behind the client's own part there is one for each outcome.
            let sizes: Vec<u64> = answer.parts.iter().skip(parts + 1).map(|p| 1 + p.also.len() as u64).collect();
            answer.outcomes.iter_mut().skip(before).zip(sizes).for_each(|(o, size)| o.share = o.share * size / pods as u64);
        }
        let condition = match &waypoint {
            Waypoint::Unseen(b) => format!("if waypoint {} lets it pass and sends it there", b.shown()),
            Waypoint::PerhapsClosed(b, _) => format!("unless it goes to waypoint {}", b.shown()),
            Waypoint::Unasked(_) => "unless a waypoint stands before it".to_owned(),
            _ => return,
        };
        // It may send elsewhere than to the service's own Pods.
        for outcome in answer.outcomes.iter_mut().skip(before).filter(|o| o.mark != Mark::NotJudged) {
            outcome.mark = Mark::NotJudged;
            outcome.says = format!("{}, {condition}", outcome.says);
        }
    }

    /// The waypoint, or that there is none and what then counts for nothing.
    fn through(&self, service: &RegisteredService<'a>, waypoint: &Waypoint<'a>) -> Step {
        let of = |mark, says: String| Step::new(Stage::Route, mark, says);
        match waypoint {
            // Followed before it comes to this.
            Waypoint::Stands(b, _) => of(Mark::Good, format!("by waypoint {}", b.shown())).thing(Thing::at(b.object, b.node)),
            Waypoint::Unseen(b) => of(Mark::NotJudged, format!("waypoint {} decides on routes and HTTP policies, and is not in the input", b.shown()))
                .thing(Thing::at(b.object, b.node))
                .change("add its Gateway to the input"),
            Waypoint::PerhapsClosed(b, gateway) => {
                let says =
                    format!("whether waypoint {} lets requests of namespace {} in is not in the input: it asks for labels of the Namespace", b.shown(), b.of());
                of(Mark::NotJudged, says).thing(Thing::whole(gateway)).change(format!("add Namespace {} to the input", b.of()))
            }
            Waypoint::Unasked(namespace) => {
                let says = format!("whether a waypoint stands before {} is not in the input: Namespace {namespace} may ask for one by its label", service.host);
                let change = format!("add Namespace {namespace} to the input, or --complete where the input is everything");
                of(Mark::NotJudged, says).thing(Thing::whole(service.object)).change(change)
            }
            Waypoint::Missing(b) => {
                of(Mark::Doubtful, format!("waypoint {} does not exist: the connection goes without, and no HTTP route or policy counts", b.shown()))
                    .thing(Thing::at(b.object, b.node))
                    .change("create the Gateway of class istio-waypoint, or remove the label")
            }
            Waypoint::OfOther(b, gateway, what) => {
                let node = gateway.metadata().and_then(|m| m.at(&["labels", waypoint::FOR])).unwrap_or(gateway.name_node());
                of(Mark::Doubtful, format!("Gateway {} is for `{what}`, not for requests to services: the connection goes without a waypoint", b.shown()))
                    .thing(Thing::at(gateway, node))
                    .change(format!("label it `{}: service` or `all`, with the class {}", waypoint::FOR, waypoint::CLASS))
            }
            Waypoint::Closed(b, gateway) => {
                let says =
                    format!("waypoint {} lets no requests of this namespace in: the connection goes without, and no HTTP route or policy counts", b.shown());
                of(Mark::Doubtful, says).thing(Thing::whole(gateway)).change("give its HBONE listener `allowedRoutes.namespaces`, from All or by a selector")
            }
            Waypoint::None => match self.routes_of(service).first() {
                None => of(Mark::Good, "no waypoint: ztunnel passes connections on to the service's Pods".to_owned()),
                Some((object, node)) => {
                    of(Mark::Doubtful, format!("{} does not count: the service has no waypoint, and ztunnel sees no HTTP", object.origin()))
                        .thing(Thing::at(object, *node))
                        .change(format!("label the Service `{}: NAME` with the name of a waypoint", waypoint::USE))
                }
            },
        }
    }

    /// Takes out the Pods that a waypoint stands before, one for each workload.
    fn guarded(&self, reached: &mut Vec<SocketAddr>) -> Vec<(SocketAddr, Bound<'a>, &'a Object)> {
        let mut out: Vec<(SocketAddr, Bound<'a>, &'a Object)> = Vec::new();
        let mut seen: Vec<*const Object> = Vec::new();
        let one = |a: &SocketAddr| self.by_address.at(self.model, *a).one().map(|id| self.model.mesh.workloads.get(id));
        reached.sort_by_key(|a| (one(a).map(|w| w.object.origin()), *a));
        reached.retain(|a| {
            let Some(w) = one(a) else { return true };
            let Waypoint::Stands(bound, gateway) = waypoint::of_workload(self.model.mesh, w) else { return true };
            if !seen.contains(&std::ptr::from_ref(w.object)) {
                seen.push(std::ptr::from_ref(w.object));
                out.push((*a, bound, gateway));
            }
            false
        });
        out
    }

    /// How many servers there are among addresses.
    fn distinct(&self, reached: &[SocketAddr]) -> usize {
        let mut all: Vec<(Option<u32>, Option<SocketAddr>)> =
            reached.iter().map(|a| self.by_address.at(self.model, *a).one().map_or((None, Some(*a)), |id| (Some(id), None))).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }

    /// What is known to stand before Pods that are called by their own addresses, and is not in the input.
    fn before_pods(&self, reached: &[SocketAddr]) -> Waypoint<'a> {
        let ids = reached.iter().flat_map(|a| self.by_address.at(self.model, *a).all().to_vec());
        let mut all = ids.map(|id| waypoint::of_workload(self.model.mesh, self.model.mesh.workloads.get(id)));
        all.find(Waypoint::is_open).unwrap_or(Waypoint::None)
    }

    /// HTTP routes that mean a service.
    fn routes_of(&self, service: &RegisteredService<'a>) -> &[(&'a Object, Node<'a>)] {
        self.routes.get_or_init(|| http_routes(self.model.mesh)).get(&service.host).map_or(&[], Vec::as_slice)
    }

    /// A server that ztunnel stands before.
    pub(super) fn at_ztunnel(&self, arrival: &Arrival<'_>, server: u32, address: SocketAddr, mut served: Served) -> Served {
        let mesh = self.model.mesh;
        let w = mesh.workloads.get(server);
        let of = |mark, says: String| Step::new(Stage::Encryption, mark, says);
        let effective = ztunnel::mode(mesh, w, address.port());
        let policy = effective.policy.map(|o| Thing::at(o, mode_node(o, address.port())));
        let by = effective.policy.map_or_else(|| "default".to_owned(), Object::origin);
        let mode = match effective.mode {
            MtlsMode::Disable => format!("PERMISSIVE: ztunnel does not know DISABLE of {by}"),
            mode => match ztunnel::left_out(mesh, w, address.port()) {
                Some(why) => format!("{mode} by {by}: {why}"),
                None => format!("{mode} by {by}"),
            },
        };
        let is_tunnel = arrival.wire == Wire::Hbone;
        if !is_tunnel && arrival.has_proxy {
            let says = "whether the client's proxy reaches the server's ztunnel by HBONE is not in the input".to_owned();
            served.part.steps.push(of(Mark::NotJudged, says).thing(Thing::whole(w.object)));
            served.part.steps.push(application(w, address.port()));
            served.outcome.mark = Mark::NotJudged;
            served.outcome.says = format!("goes to {}, whose ztunnel decides", served.part.title);
            return served;
        }
        let closes = |mut served: Served| {
            served.outcome.mark = Mark::Broken;
            served.outcome.says = format!("the ztunnel of {} closes the connection", served.part.title);
            served
        };
        if is_tunnel {
            let says = format!("mutual TLS by {} and the server's ztunnel (HBONE, port {}); the server is {mode}", arrival.tunnelled_by, crate::ambient::HBONE);
            served.part.steps.push(of(Mark::Good, says).thing(policy));
        } else if effective.mode == MtlsMode::Strict {
            let says = format!("the client is not in the mesh, and the server's ztunnel takes mutual TLS only: {mode}");
            served.part.steps.push(of(Mark::Broken, says).thing(policy).change("enrol the client, or set the port to PERMISSIVE in a PeerAuthentication"));
            return closes(served);
        } else {
            let says = match arrival.wire {
                Wire::OfApplication => format!("the application's own TLS, which ztunnel passes on; the server is {mode}"),
                _ => format!("plaintext: the client is not in the mesh, and the server's ztunnel takes it, {mode}"),
            };
            served.part.steps.push(of(Mark::Doubtful, says).thing(policy).change("enrol the client, then set the server to STRICT"));
        }
        let peer = match (is_tunnel, arrival.principal) {
            (false, _) => Peer::Nobody,
            (true, "") => Peer::Somebody,
            (true, id) => Peer::Is(id.strip_prefix("spiffe://").unwrap_or(id)),
        };
        // Addresses that manifests do not give are nobody's: no rule can be judged by them.
        let ztunnel = Ztunnel::of(self.model, server);
        let steps = authorization(&ztunnel, &Connection { peer, source: None, destination: None, port: address.port() });
        let mark = steps.iter().map(|s| s.mark).max().unwrap_or(Mark::Good);
        served.part.steps.extend(steps);
        if mark == Mark::Broken {
            return closes(served);
        }
        if mark == Mark::NotJudged {
            served.outcome.mark = Mark::NotJudged;
        }
        served.part.steps.push(application(w, address.port()));
        served
    }

    /// A server that no ztunnel stands before, from one that a client's ztunnel sends to.
    pub(super) fn past_ztunnel(&self, w: Option<&Workload<'a>>, address: SocketAddr, question: &Question, mut served: Served) -> Served {
        let mesh = self.model.mesh;
        let of = |mark, says: &str| Step::new(Stage::Encryption, mark, says);
        let step = match w {
            Some(w) if mesh.in_mesh(w) == InMesh::No && question.speaks_tls => of(Mark::Good, "the application's own TLS"),
            Some(w) if mesh.in_mesh(w) == InMesh::No => {
                let why = source::step(mesh, w);
                of(Mark::Doubtful, "plaintext: the server is not in the mesh, and ztunnel passes the connection on as it is")
                    .thing(why.thing)
                    .change(why.change)
            }
            Some(w) => of(Mark::NotJudged, "whether the server's sidecar takes HBONE of ztunnels is not in the input").thing(Thing::whole(w.object)),
            None => of(Mark::NotJudged, "how ztunnel reaches an endpoint that is no workload of the input is not judged"),
        };
        if step.mark == Mark::NotJudged {
            served.outcome.mark = Mark::NotJudged;
        }
        served.part.steps.push(step);
        served.part.steps.extend(w.map(|w| application(w, address.port())));
        served
    }
}

/// HTTP routes by the hosts that they mean, with where each names it.
pub(super) fn http_routes<'a>(mesh: &Mesh<'a>) -> RoutesByHost<'a> {
    let mut out: RoutesByHost<'a> = FxHashMap::default();
    let mut add = |host: String, object: &'a Object, node: Node<'a>| {
        let list = out.entry(host).or_default();
        if !list.iter().any(|(o, _)| std::ptr::eq(*o, object)) {
            list.push((object, node));
        }
    };
    for object in mesh.objects(Kind::VirtualService) {
        let Some(spec) = object.spec().filter(|s| s.list("http").next().is_some()) else { continue };
        if spec.list("gateways").next().is_none() || spec.list("gateways").any(|g| g.text() == "mesh") {
            spec.list("hosts").for_each(|h| add(crate::host::expand(h.text(), object.namespace(), mesh.domain).into_owned(), object, h));
        }
    }
    for object in mesh.objects(Kind::HttpRoute).iter().chain(mesh.objects(Kind::GrpcRoute)) {
        let parents = object.spec().into_iter().flat_map(|s| s.list("parentRefs"));
        for parent in parents.filter(|p| p.text_of("kind") == "Service") {
            let namespace = Some(parent.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(object.namespace());
            add(crate::host::expand(parent.text_of("name"), namespace, mesh.domain).into_owned(), object, parent);
        }
    }
    out.values_mut().for_each(|list| list.sort_by_key(|(o, _)| o.origin()));
    out
}

fn nowhere() -> Outcome {
    Outcome {
        share: 1_000_000,
        cluster: String::new(),
        server: String::new(),
        mark: Mark::Good,
        says: String::new(),
        status: None,
        flags: String::new(),
        details: String::new(),
    }
}

/// What the server's ztunnel decides, and which of its policies mean more than it can see.
fn authorization(ztunnel: &Ztunnel<'_>, connection: &Connection<'_>) -> Vec<Step> {
    const TO_A_WAYPOINT: &str = "give the policy `targetRefs` of a waypoint's Gateway or Service, or ask for identities and ports alone";
    let of = |mark, says: String| Step::new(Stage::Authorization, mark, says);
    let at = |r: &Rule<'_>| Thing::at(r.policy, r.node);
    let decision = ztunnel.judge(connection);
    let first = match &decision {
        Decision::Allowed(None) if ztunnel.is_empty() => {
            of(Mark::Good, "no AuthorizationPolicy is for ztunnel to enforce here: everybody may connect".to_owned())
        }
        Decision::Allowed(None) => of(Mark::Good, "ztunnel: no policy denies it".to_owned()),
        Decision::Allowed(Some(rule)) => of(Mark::Good, format!("ztunnel: allowed by {}", rule.shown())).thing(at(rule)),
        Decision::Denied(rule) if rule.asks_http => {
            let says = format!("ztunnel: denied by {}, of which it leaves out what asks for HTTP", rule.shown());
            of(Mark::Broken, says).thing(at(rule)).change(TO_A_WAYPOINT)
        }
        Decision::Denied(rule) => {
            of(Mark::Broken, format!("ztunnel: denied by {}", rule.shown())).thing(at(rule)).change("narrow the rule, or connect otherwise")
        }
        Decision::NotAllowed(http, policy) => match http.first() {
            Some(rule) => {
                let says =
                    format!("ztunnel: no rule of the ALLOW policies matches; {} asks for HTTP, which it does not see, and so allows nobody", rule.shown());
                of(Mark::Broken, says).thing(at(rule)).change(TO_A_WAYPOINT)
            }
            None => of(Mark::Broken, "ztunnel: no rule of the ALLOW policies matches".to_owned())
                .thing(Thing::whole(policy))
                .change("add a rule that allows this caller"),
        },
        Decision::Open(rules) => {
            let names: Vec<String> = rules.iter().map(Rule::shown).collect();
            of(Mark::NotJudged, format!("ztunnel: what {} asks for is not in the input", names.join(", "))).thing(rules.first().map(at))
        }
    };
    let mut out = vec![first];
    if out[0].mark != Mark::Broken {
        out.extend(ztunnel.http_rules().next().map(|rule| {
            of(Mark::Doubtful, format!("{} asks for HTTP, and ztunnel sees none: it is not enforced as it is written", rule.shown()))
                .thing(at(&rule))
                .change(TO_A_WAYPOINT)
        }));
        out.extend(ztunnel.ignored.iter().find(|o| o.spec().is_some_and(|s| s.text_of("action") == "CUSTOM")).map(|o| {
            of(Mark::Doubtful, format!("{}: ztunnel does not know CUSTOM, and asks nobody", o.origin())).thing(Thing::whole(o)).change(TO_A_WAYPOINT)
        }));
    }
    out
}
