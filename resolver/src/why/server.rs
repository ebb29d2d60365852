//! The server's side: what arrives there, whether its proxy takes it, what its policies say, and the port behind.

use super::answer::{Answer, Mark, Miss, Outcome, Part, Stage, Step, Thing};
use super::by_address::{self, At};
use super::outbound::{has, left_open, open};
use super::party::Party;
use super::question::Question;
use super::waypoint::tunnel_to;
use super::{Why, source};
use crate::injection::InMesh;
use crate::translate::{ENCAP, RegisteredService};
use crate::workload::Workload;
use mesh_envoy::engine::pick::UpstreamTransport;
use mesh_envoy::engine::request::{Certificate, ClientTls, Connection, Entry, Protocol};
use mesh_envoy::engine::walk::{Branch, Call, End, StepKind, Verdict, walk};
use mesh_model::{Kind, Node, Object};
use std::net::SocketAddr;
use std::rc::Rc;

/// The details of a connection that the server closed behind its beginning.
const CLOSED: &str = "upstream_reset_before_response_started{connection_termination}";

/// The transport of what is handed to a listener of the proxy's own.
const TO_A_LISTENER: &str = "InternalUpstreamTransport";

/// What a client's proxy sends.
pub(super) struct Sent<'s, 'w, 'a> {
    pub party: &'s Party<'w, 'a>,
    pub branch: &'s Branch,
    pub transport: Option<&'s UpstreamTransport>,
    pub call: &'s Call<'s>,
    /// The host and path that the upstream sees.
    pub upstream: Option<&'s (String, String)>,
    /// The service that the client called.
    pub service: Option<&'s RegisteredService<'a>>,
}

/// What a client without a proxy sends.
pub(super) struct Bare {
    pub source: SocketAddr,
}

/// What is on the wire to a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Plaintext,
    /// Mutual TLS of the mesh.
    Mesh,
    /// TLS of another sort, by the client's proxy.
    Tls,
    /// The application's own TLS, as it is.
    OfApplication,
    /// The application's own TLS, within TLS by its proxy.
    Twice,
    /// Mutual TLS of ztunnels and waypoints, where the server's side takes it.
    Hbone,
    NotKnown,
}

/// A request as it comes to a server.
pub(super) struct Arrival<'s> {
    pub wire: Wire,
    pub server_name: &'s str,
    /// "" for none, and for one that is not known.
    pub principal: &'s str,
    pub source: SocketAddr,
    /// Whether the client's side routed it as HTTP.
    pub is_routed: bool,
    pub authority: &'s str,
    pub path: &'s str,
    /// Why it is plaintext, where it is: an object of the client's side.
    pub plaintext_by: Option<(Thing, String)>,
    /// What would change that; "" for the usual.
    pub plaintext_change: String,
    /// The rule that asks for TLS, where one does.
    pub tls_by: Option<Thing>,
    /// Who makes the tunnel, where there is one.
    pub tunnelled_by: &'s str,
    /// It shows a certificate of its own, not the mesh's (`mode: MUTUAL`).
    pub own_certificate: bool,
    pub has_proxy: bool,
}

/// What came of it at one server.
pub(super) struct Served {
    pub part: Part,
    pub outcome: Outcome,
}

/// What a sidecar says in the hello of mutual TLS.
pub fn mesh_tls(principal: &str, protocol: Protocol) -> ClientTls<'_> {
    let alpn = match protocol {
        Protocol::Http2 => vec!["istio-h2", "istio", "h2"],
        Protocol::Tcp => vec!["istio-peer-exchange", "istio"],
        _ => vec!["istio-http/1.1", "istio", "http/1.1"],
    };
    ClientTls { server_name: "", alpn, certificate: Some(Certificate { names: vec![principal.to_owned()].into() }), passed_through: false }
}

impl<'w, 'a> Why<'w, '_, 'a> {
    pub(super) fn serve(&self, sent: &Sent<'_, 'w, 'a>, reached: &[SocketAddr], question: &Question, part: &mut Part, hops: usize, answer: &mut Answer) {
        let terminated = sent.party.is_gateway();
        let of_application = sent.call.connection.tls.is_some() && !terminated;
        let (wire, server_name) = match sent.transport {
            Some(UpstreamTransport::Tls { .. }) if of_application => (Wire::Twice, ""),
            Some(UpstreamTransport::Tls { server_name, presents_certificate: true }) => (Wire::Mesh, &**server_name),
            Some(UpstreamTransport::Tls { server_name, .. }) => (Wire::Tls, &**server_name),
            Some(UpstreamTransport::Plaintext) | None if of_application => (Wire::OfApplication, question.server_name()),
            Some(UpstreamTransport::Plaintext) => (Wire::Plaintext, ""),
            None if sent.branch.cluster == super::outbound::PASSTHROUGH => (Wire::Plaintext, ""),
            // What no tunnel leads to is reached as it is.
            Some(UpstreamTransport::Other(name)) if &**name == TO_A_LISTENER => {
                let is_tunnel = sent.branch.cluster == ENCAP || sent.branch.endpoints.iter().any(|(e, _)| tunnel_to(e).is_some());
                (if is_tunnel { Wire::Hbone } else { Wire::Plaintext }, "")
            }
            Some(UpstreamTransport::Other(_)) | None => (Wire::NotKnown, ""),
        };
        let (mut tls_by, mut plaintext_by) = self.who_encrypts(sent);
        let mut plaintext_change = String::new();
        if sent.branch.cluster == super::outbound::PASSTHROUGH {
            let (why, thing, change) = super::unrouted::reason(self.model, sent.party, sent.service, question, self.pod_at(question));
            plaintext_change = change;
            plaintext_by = thing.map(|t| (t, format!("its proxy lets it through as it is: {why}")));
        }
        if wire == Wire::OfApplication {
            tls_by = sent.service.and_then(|s| s.port(question.url.port)).filter(|p| p.protocol.is_http()).map(|p| Thing::at(p.object, p.node));
        }
        let arrival = Arrival {
            wire,
            server_name,
            principal: &sent.party.principal,
            source: SocketAddr::new(sent.party.addresses.first().copied().unwrap_or(super::SOMEBODY), super::EPHEMERAL),
            is_routed: sent.upstream.is_some(),
            authority: sent.upstream.map_or(question.authority(), |u| &u.0),
            path: sent.upstream.map_or(&question.url.path, |u| &u.1),
            plaintext_by,
            plaintext_change,
            own_certificate: self.mode_of(sent.party, &sent.branch.cluster).is_some_and(|(_, m)| m.text() == "MUTUAL"),
            tls_by,
            tunnelled_by: if sent.party.is_waypoint() { "the waypoint" } else { "the client's proxy" },
            has_proxy: true,
        };
        self.each(&arrival, sent.branch, reached, question, part, hops, answer);
    }

    pub(super) fn serve_bare(&self, bare: &Bare, reached: &[SocketAddr], question: &Question, part: &mut Part, answer: &mut Answer) {
        let arrival = Arrival {
            wire: if question.speaks_tls { Wire::OfApplication } else { Wire::Plaintext },
            server_name: question.server_name(),
            principal: "",
            source: bare.source,
            is_routed: false,
            authority: question.authority(),
            path: &question.url.path,
            plaintext_by: None,
            plaintext_change: String::new(),
            tls_by: None,
            tunnelled_by: "",
            own_certificate: false,
            has_proxy: false,
        };
        let branch = Branch { share: 1_000_000, cluster: String::new(), source: String::new(), end: End::Forwarded, endpoints: Vec::new(), transport: None };
        self.each(&arrival, &branch, reached, question, part, 1, answer);
    }

    /// Every server once; those that fare alike are told together.
    #[expect(clippy::too_many_arguments, reason = "what is known of a request at one point of its way")]
    pub(super) fn each(
        &self,
        arrival: &Arrival<'_>,
        branch: &Branch,
        reached: &[SocketAddr],
        question: &Question,
        part: &mut Part,
        hops: usize,
        answer: &mut Answer,
    ) {
        let mut seen: Vec<(*const Object, u16)> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        let mut served: Vec<Served> = Vec::new();
        let (mut gateways, mut passages) = (Vec::new(), Vec::new());
        let (mut once, mut shared) = (Vec::new(), Vec::new());
        let mut sorted = reached.to_vec();
        let at = |a: &SocketAddr| self.by_address.at(self.model, *a);
        sorted.sort_by_key(|a| (at(a).all().first().map(|id| self.model.mesh.workloads.get(*id).object.origin()), *a));
        for address in &sorted {
            let found = at(address);
            let workload = found.one();
            if let At::Several(ids) = &found {
                let all: Vec<String> = ids.iter().map(|id| self.model.mesh.workloads.get(*id).object.origin()).collect();
                names.push(address.to_string());
                shared.push((*address, all));
                continue;
            }
            if let Some(id) = workload {
                let key = (std::ptr::from_ref(self.model.mesh.workloads.get(id).object), address.port());
                if seen.contains(&key) {
                    continue;
                }
                seen.push(key);
            }
            once.push((*address, workload));
            let origin = |id: u32| self.model.mesh.workloads.get(id).object.origin();
            let passage = || self.passage(*address).map_or_else(|| address.to_string(), |(id, _)| format!("{address}, {}", origin(id)));
            names.push(workload.map_or_else(passage, origin));
        }
        let (mesh, count) = (self.model.mesh, names.len());
        let shown = if count > 5 { format!("{} and {} more", names[..5].join(", "), count - 5) } else { names.join(", ") };
        part.steps.push(Step::new(Stage::Endpoints, Mark::Good, shown));
        answer.parts.push(std::mem::take(part));
        for (address, workload) in once {
            if let Some(id) = workload.filter(|id| mesh.in_mesh(mesh.workloads.get(*id)) == InMesh::Gateway) {
                gateways.push((id, address));
                continue;
            }
            if let Some(passage) = self.passage(address).filter(|_| workload.is_none()) {
                passages.push(passage);
                continue;
            }
            let one = self.at(arrival, branch, address, workload, question, answer);
            match served.iter_mut().find(|s| s.part.steps == one.part.steps && s.outcome.mark == one.outcome.mark && s.outcome.details == one.outcome.details) {
                Some(same) => same.part.also.push(one.part.title),
                None => served.push(one),
            }
        }
        for (address, all) in shared {
            let step = Step::new(Stage::Endpoints, Mark::NotJudged, by_address::shared(address, &all));
            let outcome = Outcome { server: address.to_string(), ..self.outcome(branch, Mark::NotJudged, step.says.clone()) };
            served.push(Served { part: Part { title: address.to_string(), steps: vec![step], ..Part::default() }, outcome });
        }
        for one in served {
            answer.parts.push(one.part);
            answer.outcomes.push(one.outcome);
        }
        for (id, address) in gateways {
            if hops == 0 {
                answer.problems.push("the request is sent from gateway to gateway: it is followed no further".to_owned());
                continue;
            }
            let party = self.party(id);
            let part = Part { title: party.name.clone(), ..Part::default() };
            let connection = self.connection(arrival, address, question);
            let headers = question.headers();
            let call = Call { entry: Entry::Direct, connection, request: question.request(arrival.authority, arrival.path, &headers), expects: None };
            self.follow(&party, &call, question, None, part, hops - 1, answer);
        }
        passages.into_iter().for_each(|passage| self.pass(arrival, branch, passage, question, hops, answer));
    }

    pub(super) fn connection<'q>(&self, arrival: &'q Arrival<'_>, destination: SocketAddr, question: &'q Question) -> Connection<'q> {
        let protocol = if arrival.is_routed || !question.is_http() { question.protocol } else { Protocol::Tcp };
        let tls = match arrival.wire {
            Wire::Mesh => Some(ClientTls { server_name: arrival.server_name, ..mesh_tls(arrival.principal, protocol) }),
            Wire::Tls | Wire::Twice => Some(ClientTls { server_name: arrival.server_name, ..ClientTls::default() }),
            Wire::OfApplication => {
                Some(ClientTls { server_name: arrival.server_name, alpn: question.alpn.iter().map(String::as_str).collect(), ..ClientTls::default() })
            }
            Wire::Plaintext | Wire::NotKnown | Wire::Hbone => None,
        };
        Connection { destination, source: arrival.source, direct_source: arrival.source.ip(), tls, protocol: question.protocol, filter_state: &[] }
    }

    fn at(&self, arrival: &Arrival<'_>, branch: &Branch, address: SocketAddr, workload: Option<u32>, question: &Question, answer: &mut Answer) -> Served {
        let mesh = self.model.mesh;
        let w = workload.map(|id| mesh.workloads.get(id));
        let title = w.map_or_else(|| address.to_string(), |w| w.object.origin());
        let mut part = Part { title: title.clone(), ..Part::default() };
        let outcome = Outcome { server: title.clone(), ..self.outcome(branch, Mark::Good, format!("reaches {title}, port {}", address.port())) };
        let dump = match workload {
            Some(id) => self.dump_of(id),
            None => {
                let mut of = self.held.iter().filter(|h| h.addresses.contains(&address.ip()));
                // Loopback that several proxies have says nothing of who is there.
                of.next().filter(|_| !address.ip().is_loopback() || of.next().is_none())
            }
        };
        if workload.is_none()
            && dump.is_none()
            && let Some(gateway) = self.model.gateway_at(address)
        {
            let says = format!("a gateway of network {}: the servers behind it are not followed", gateway.network);
            part.steps.push(Step::new(Stage::Endpoints, Mark::NotJudged, says.clone()));
            return Served { part, outcome: Outcome { mark: Mark::NotJudged, says, ..outcome } };
        }
        if let Some(id) = workload.filter(|id| dump.is_none() && mesh.in_mesh(mesh.workloads.get(*id)) == InMesh::Ambient) {
            return self.at_ztunnel(arrival, id, address, Served { part, outcome });
        }
        if arrival.wire == Wire::Hbone {
            return self.past_ztunnel(w, address, question, Served { part, outcome });
        }
        let party = match (workload, dump) {
            (Some(id), _) if dump.is_some() || matches!(mesh.in_mesh(mesh.workloads.get(id)), InMesh::Sidecar | InMesh::Unknown) => self.party(id),
            (None, Some(held)) => Rc::new(Party::of_dump(mesh, held, &mut Vec::new())),
            _ => return self.without_proxy(arrival, w, address, question, Served { part, outcome }),
        };
        if let Some(w) = w
            && !w.captures_inbound(address.port())
        {
            return self.without_proxy(arrival, Some(w), address, question, Served { part, outcome });
        }
        if let Some(w) = w.filter(|w| mesh.in_mesh(w) == InMesh::Unknown && dump.is_none()) {
            answer.assume(format!("{} has a sidecar", w.object.origin()));
        }
        if arrival.wire == Wire::NotKnown {
            part.steps.push(Step::new(Stage::Encryption, Mark::NotJudged, "whether the server receives TLS or plaintext is not known"));
            return Served { part, outcome: Outcome { mark: Mark::NotJudged, ..outcome } };
        }
        let headers = question.headers();
        let request = question.request(arrival.authority, arrival.path, &headers);
        let call = Call { entry: party.entry_inbound(), connection: self.connection(arrival, address, question), request, expects: None };
        let verdict = walk(&party.configuration, &call, &question.world);
        verdict.assumptions.iter().for_each(|a| answer.assume(a.clone()));
        part.steps.extend(self.not_translated(&party, &verdict, question, true));
        let end = verdict.branches.first().map(|b| &b.end);
        let refused = match end {
            Some(End::Closed { why, .. })
                if matches!(*why, "no filter chain" | "invalid TLS" | "invalid mutual TLS" | "no listener" | "protocol error" | "multiple filter chains") =>
            {
                Some(*why)
            }
            _ => None,
        };
        // Whoever speaks no HTTP to a chain that does is not refused for its TLS.
        let speaks_otherwise = refused == Some("protocol error") && !question.is_http() && arrival.wire != Wire::OfApplication;
        part.steps.push(self.encryption(arrival, w, (question.url.port, address.port()), refused.filter(|_| !speaks_otherwise), &verdict));
        if speaks_otherwise {
            let mut step = self.inbound(&party, &verdict, address.port());
            step.mark = Mark::Broken;
            step.says = format!("{}: the port is HTTP by its name, and what the client speaks is not", verdict.filter_chain);
            part.steps.push(step.change("name the port `tcp-…`, or give it `appProtocol: tcp`"));
        }
        let unjudged = part.steps.iter().any(|s| s.mark == Mark::NotJudged);
        if let Some(why) = refused {
            let is_tls = !matches!(arrival.wire, Wire::Plaintext);
            let (status, flags, details) = match (arrival.has_proxy && question.is_http() && arrival.is_routed, is_tls) {
                (false, _) => (None, String::new(), String::new()),
                (true, false) => (Some(503), "UC", CLOSED).into_texts(),
                // With TLS 1.3 a client learns only behind its handshake that its certificate was missed.
                (true, true) if why == "invalid mutual TLS" && arrival.wire != Wire::Mesh => (Some(503), "UC", CLOSED).into_texts(),
                (true, true) => (Some(503), "URX,UF", "upstream_reset_before_response_started{remote_connection_failure}").into_texts(),
            };
            let says = format!("{title} closes the connection: {why}");
            return Served { part, outcome: Outcome { mark: Mark::Broken, says, status, flags, details, ..outcome } };
        }
        part.steps.push(self.inbound(&party, &verdict, address.port()));
        part.steps.extend(self.authentication(&party, &verdict));
        let filters = self.filters(&party, &verdict);
        if filters.is_empty() && !unjudged && !matches!(end, Some(End::UpTo(_))) {
            part.steps.push(Step::new(Stage::Authorization, Mark::Good, "no AuthorizationPolicy is for the server: everybody may"));
        }
        part.steps.extend(filters);
        if let Some(says) = left_open(&part.steps) {
            return Served { part, outcome: open(Outcome { mark: Mark::NotJudged, says, ..outcome }) };
        }
        match end {
            Some(End::Replied(r)) if verdict.branches.iter().all(|b| b.cluster.is_empty()) => {
                let says = format!("{title} answers {} in place of the application", r.status);
                let mark = if r.status >= 400 { Mark::Broken } else { Mark::Good };
                Served { part, outcome: Outcome { mark, says, status: Some(r.status), flags: r.flags.join(","), details: r.details.clone(), ..outcome } }
            }
            Some(End::Closed { why, flag, details }) => {
                let says = format!("{title} closes the connection: {why}");
                Served { part, outcome: Outcome { mark: Mark::Broken, says, flags: (*flag).to_owned(), details: details.clone(), ..outcome } }
            }
            Some(End::UpTo(u)) => {
                part.steps.push(Step::new(Stage::Inbound, Mark::NotJudged, format!("what decides next is not known: {u}")));
                Served { part, outcome: Outcome { mark: Mark::NotJudged, says: format!("up to here: {u}"), ..outcome } }
            }
            _ => {
                part.steps.extend(w.map(|w| application(w, address.port())));
                let mark = if unjudged { Mark::NotJudged } else { Mark::Good };
                Served { part, outcome: Outcome { mark, ..outcome } }
            }
        }
    }

    /// A server whose requests pass no sidecar.
    fn without_proxy(&self, arrival: &Arrival<'_>, w: Option<&Workload<'a>>, address: SocketAddr, question: &Question, mut served: Served) -> Served {
        let of = |mark, says: &str| Step::new(Stage::Encryption, mark, says);
        let Some(w) = w else {
            let (mark, says) = match arrival.wire {
                Wire::Plaintext => (Mark::Doubtful, "plaintext, to an endpoint that is no workload of the input"),
                Wire::Twice => (Mark::Broken, "TLS twice: the application speaks TLS, and its proxy wraps it again"),
                Wire::NotKnown => (Mark::NotJudged, "what it receives is not known"),
                Wire::Mesh if arrival.server_name.starts_with("outbound_.") && self.held.is_empty() => {
                    (Mark::NotJudged, "mutual TLS, to an endpoint whose proxy is not in the input: what its policies say is not judged")
                }
                _ => (Mark::Good, "TLS, to an endpoint that is no workload of the input"),
            };
            served.part.steps.push(of(mark, says).thing(arrival.tls_by.clone()));
            served.outcome.mark = served.outcome.mark.max(if mark >= Mark::NotJudged { mark } else { Mark::Good });
            return served;
        };
        let annotation = |key: &str| w.pod.at(&["metadata", "annotations"])?.get(key);
        let excluded = (!w.captures_inbound(address.port()))
            .then(|| ["traffic.sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/includeInboundPorts"].iter().find_map(|k| annotation(k)))
            .flatten();
        let step = match (excluded, arrival.wire) {
            (Some(node), Wire::Mesh) => of(Mark::Broken, "the client speaks mutual TLS, and this port goes past the server's sidecar, which would end it")
                .thing(Thing::at(w.object, node))
                .change("remove the annotation, and restart it; or a DestinationRule with `tls.mode: DISABLE` for the port"),
            (Some(node), _) => of(Mark::Doubtful, "plaintext: this port goes past the server's sidecar, and no policy counts for it")
                .thing(Thing::at(w.object, node))
                .change("remove the annotation, and restart it"),
            (None, Wire::Mesh) => of(Mark::Broken, "the client speaks mutual TLS, and the server has no sidecar to end it")
                .thing(arrival.tls_by.clone().or_else(|| source::step(self.model.mesh, w).thing))
                .change("remove `tls` from the DestinationRule: without it clients find out which servers take mutual TLS; or inject a sidecar"),
            (None, Wire::Twice) => of(Mark::Broken, "TLS twice: the application speaks TLS, and its proxy wraps it again")
                .thing(arrival.tls_by.clone())
                .change("call with http, or remove `tls` from the DestinationRule"),
            (None, Wire::Tls | Wire::OfApplication) => of(Mark::Good, "TLS, which the application must end").thing(arrival.tls_by.clone()),
            (None, _) => {
                let why = source::step(self.model.mesh, w);
                of(Mark::Doubtful, &format!("plaintext: {}", why.says)).thing(why.thing).change(why.change)
            }
        };
        if step.mark == Mark::Broken {
            served.outcome.mark = Mark::Broken;
            served.outcome.says.clone_from(&step.says);
            if question.is_http() && arrival.is_routed {
                (served.outcome.status, served.outcome.flags) = (Some(503), "URX,UF".to_owned());
                served.outcome.details = "upstream_reset_before_response_started{remote_connection_failure|TLS_error}".to_owned();
            }
        }
        let is_broken = step.mark == Mark::Broken;
        served.part.steps.push(step);
        if !is_broken {
            served.part.steps.push(application(w, address.port()));
        }
        served
    }

    fn inbound(&self, party: &Party<'w, 'a>, verdict: &Verdict, port: u16) -> Step {
        let cluster = verdict.branches.first().map_or("", |b| b.cluster.as_str());
        let says = match has(verdict, StepKind::VirtualHost) {
            true => format!("{}, as HTTP", verdict.filter_chain),
            false => format!("{}, as bytes", verdict.filter_chain),
        };
        if cluster.starts_with("InboundPassthrough")
            && let Some(sidecar) = party.proxy.as_ref().and_then(|p| self.model.sidecar_of(p))
            && let Some(node) = sidecar.spec_at(&["ingress"]).filter(|n| !n.is_empty())
        {
            return Step::new(Stage::Inbound, Mark::Doubtful, format!("{says}; {} lists other ports under `ingress`", sidecar.origin()))
                .thing(Thing::at(sidecar, node))
                .change(format!("add port {port} to its `ingress`"));
        }
        let says = if cluster.starts_with("InboundPassthrough") { format!("{says}; no Service has this port") } else { says };
        let chain = party.translation.as_ref().and_then(|t| {
            let piece = t.listeners.iter().find(|l| l.message.name == verdict.listener)?;
            let at = piece.message.filter_chains.iter().position(|c| c.name == verdict.filter_chain)?;
            let part = crate::translate::Part::FilterChain(u32::try_from(at).ok()?);
            piece.parts.iter().find(|(p, _)| *p == part).map(|(_, o)| Thing::at(o.object, o.node))
        });
        Step::new(Stage::Inbound, Mark::Good, says).thing(chain)
    }

    /// Tokens: what RequestAuthentications ask for, where the filter let the request on.
    fn authentication(&self, party: &Party<'w, 'a>, verdict: &Verdict) -> Option<Step> {
        let policies = self.model.policies_for(Kind::RequestAuthentication, party.proxy.as_ref()?);
        let first = policies.first()?;
        let refused = verdict.steps.last().is_some_and(|s| s.name.contains("jwt"));
        if refused || !has(verdict, StepKind::VirtualHost) {
            return None;
        }
        let absent = verdict.assumptions.iter().any(|a| a == "the request carries no token");
        let says = if absent {
            "a request without a token passes: only AuthorizationPolicies with `requestPrincipals` ask for one"
        } else {
            "the token is one that it takes"
        };
        Some(Step::new(Stage::Authentication, Mark::Good, says).thing(Thing::whole(first)))
    }
}

trait Texts {
    fn into_texts(self) -> (Option<u16>, String, String);
}
impl Texts for (Option<u16>, &str, &str) {
    fn into_texts(self) -> (Option<u16>, String, String) {
        (self.0, self.1.to_owned(), self.2.to_owned())
    }
}

/// The port behind the proxy: whether a container says that it listens there.
pub(super) fn application(w: &Workload<'_>, port: u16) -> Step {
    let declared: Vec<(u16, Node<'_>)> = w.container_ports().filter_map(|p| Some((u16::try_from(p.get("containerPort")?.int()?).ok()?, p))).collect();
    let of = |mark, says: String| Step::new(Stage::Application, mark, says);
    match declared.iter().find(|(p, _)| *p == port) {
        Some((_, node)) => of(Mark::Good, format!("a container declares port {port}")).thing(Thing::at(w.object, *node)),
        None if declared.is_empty() => of(Mark::Good, format!("port {port}; the containers declare none")).thing(Thing::whole(w.object)),
        None => {
            let misses = declared.iter().map(|(p, n)| Miss {
                name: format!("port {p}"),
                thing: Some(Thing::at(w.object, *n)),
                why: "is what a container declares".to_owned(),
            });
            of(Mark::Doubtful, format!("no container declares port {port}"))
                .thing(Thing::whole(w.object))
                .change("make targetPort a port on which the application listens")
                .misses(misses.collect())
        }
    }
}
