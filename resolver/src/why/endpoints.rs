//! The cluster and its endpoints: which are there, and why none are.

use super::answer::{Answer, Mark, Miss, Part, Stage, Step, Thing};
use super::outbound::{BLACK_HOLE, PASSTHROUGH, parsed, shown};
use super::party::{Party, named};
use super::question::Question;
use super::waypoint::{Destination, Sender, socket};
use super::{NOBODY, Why, server, uncounted};
use crate::ambient::waypoint::FROM_INGRESS;
use crate::destination_rule;
use crate::host;
use crate::ownership::Place;
use crate::translate::{ENCAP, RegisteredService, Resolution, ServicePort};
use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::engine::walk::{Branch, Call, End, StepKind, Verdict};
use mesh_model::{Kind, Node, Object};
use std::net::SocketAddr;

/// A share of the requests on its way to a cluster.
struct Towards<'s, 'w, 'a> {
    party: &'s Party<'w, 'a>,
    branch: &'s Branch,
    verdict: &'s Verdict,
    /// The cluster's name taken apart, where it is one of Istio's.
    name: Option<ClusterName<'s>>,
    /// The service that the cluster is for.
    target: Option<&'s RegisteredService<'a>>,
}

impl<'w, 'a> Why<'w, '_, 'a> {
    /// One share of the requests: where it goes, and what happens there.
    #[expect(clippy::too_many_arguments, reason = "what is known of a request at one point of its way")]
    pub(super) fn branch(
        &self,
        party: &Party<'w, 'a>,
        branch: &Branch,
        verdict: &Verdict,
        call: &Call<'_>,
        question: &Question,
        service: Option<&RegisteredService<'a>>,
        part: &mut Part,
        hops: usize,
        answer: &mut Answer,
    ) {
        let finish = |part: &mut Part, answer: &mut Answer, mark: Mark, says: String| {
            answer.parts.push(std::mem::take(part));
            answer.outcomes.push(self.outcome(branch, mark, says));
        };
        if let End::UpTo(u) = &branch.end {
            part.steps.push(Step::new(Stage::Destination, Mark::NotJudged, format!("what decides next is not known: {u}")));
            return finish(part, answer, Mark::NotJudged, format!("up to here: {u}"));
        }
        if branch.cluster.is_empty() {
            let (mark, says) = match &branch.end {
                End::Replied(r) if r.status < 400 => (Mark::Good, format!("the proxy answers {}", r.status)),
                End::Replied(r) => (Mark::Broken, format!("the proxy answers {}", r.status)),
                End::Closed { why: "no listener", .. } if party.lacks_capture() => (Mark::NotJudged, "what takes the connection is not in the dump".to_owned()),
                End::Closed { why, .. } => (Mark::Broken, format!("the connection is closed: {why}")),
                _ => (Mark::Good, "forwarded".to_owned()),
            };
            return finish(part, answer, mark, says);
        }
        if branch.cluster == BLACK_HOLE {
            // Why is told with the listener.
            return finish(part, answer, Mark::Broken, "what is unknown is refused".to_owned());
        }
        let name = parsed(&branch.cluster);
        let target = name.and_then(|n| self.model.registry.by_host(n.host).map(|(_, s)| s).next()).or(service);
        if let End::Replied(_) | End::Closed { .. } = &branch.end {
            let step = self.no_endpoint(&Towards { party, branch, verdict, name, target });
            let (mark, says) = (step.mark, step.says.clone());
            part.steps.push(step);
            if mark == Mark::NotJudged {
                answer.parts.push(std::mem::take(part));
                answer.outcomes.push(super::outbound::open(self.outcome(branch, mark, says)));
                return;
            }
            return finish(part, answer, Mark::Broken, says);
        }
        part.steps.push(self.destination(party, branch));
        if let (Some(service), Some(number)) = (target, name.map(|n| n.port))
            && let Some((bound, gateway)) = self.taken_by_gateway(party, service)
        {
            let says = format!("the gateway sends it to waypoint {}, as the label `{}` asks", bound.shown(), FROM_INGRESS);
            part.steps.push(Step::new(Stage::Endpoints, Mark::Good, says).thing(Thing::whole(gateway)));
            answer.parts.push(std::mem::take(part));
            let (authority, path) = verdict.upstream_request.as_ref().map_or((question.authority(), question.url.path.as_str()), |(a, p)| (a, p));
            let to = Destination { service, address: None, port: number, authority, path };
            let principal = party.principal.strip_prefix("spiffe://").unwrap_or(&party.principal);
            let sender = Sender { principal, address: party.addresses.first().copied() };
            return self.by_waypoint(&sender, &to, &bound, gateway, question, answer);
        }
        let mut reached: Vec<SocketAddr> = branch.endpoints.iter().filter_map(|(a, _)| socket(a)).collect();
        // Where only DNS knows the address, a made one is nobody's.
        reached.retain(|a| a.ip() != NOBODY || question.address == Some(NOBODY));
        if branch.cluster == ENCAP {
            // The tunnel leads to the Pod whose own address was called.
            reached = vec![call.connection.destination];
        }
        if branch.cluster == PASSTHROUGH
            && let Some(service) = service.filter(|s| s.port(question.url.port).is_some() && s.resolution != Resolution::Alias)
            && (service.is_kubernetes() || service.resolution == Resolution::Static)
        {
            // The network finds the service where the proxy does not: in plaintext, to any of its Pods.
            reached = self.addresses(service, question.url.port);
            if reached.is_empty() {
                part.steps.push(self.nobody(service, question.url.port, ""));
            }
        }
        if let Some(headless) =
            target.filter(|s| is_headless(s) && s.port(question.url.port).is_some() && !matches!(branch.cluster.as_str(), PASSTHROUGH | ENCAP))
        {
            // Each of its Pods may be the one that DNS answers with.
            let all = self.addresses(headless, question.url.port);
            let is_one = super::host::pod(self.model, &question.url.host, &party.namespace).is_some();
            if !is_one && reached.iter().any(|r| all.contains(r)) {
                reached = all;
            }
        }
        if reached.is_empty() {
            let step = match (target, name) {
                (Some(s), Some(n)) if s.resolution == Resolution::Static => self.nobody(s, n.port, n.subset),
                (Some(s), _) if matches!(s.resolution, Resolution::Dns | Resolution::DnsRoundRobin) && s.host.starts_with('*') && !has_endpoints(s) => {
                    let says = format!("{} is asked of DNS as it stands, which has no such name: a wildcard can't have resolution {:?}", s.host, s.resolution);
                    let node = s.object.spec_at(&["resolution"]).unwrap_or(s.object.name_node());
                    let change = "set `resolution: NONE` (or DYNAMIC_DNS), or name the hosts";
                    Step::new(Stage::Endpoints, Mark::Broken, says.replace("Dns", "DNS")).thing(Thing::at(s.object, node)).change(change)
                }
                (Some(s), _) if matches!(s.resolution, Resolution::Dns | Resolution::DnsRoundRobin | Resolution::DynamicDns | Resolution::Alias) => {
                    Step::new(Stage::Endpoints, Mark::Good, format!("{} is asked of DNS", s.host)).thing(Thing::whole(s.object))
                }
                (Some(s), _) if s.resolution == Resolution::Passthrough && !s.is_kubernetes() => {
                    Step::new(Stage::Endpoints, Mark::Good, "it goes to the address that the application connects to").thing(Thing::whole(s.object))
                }
                (_, _) if branch.cluster == PASSTHROUGH => Step::new(Stage::Endpoints, Mark::Good, "it goes to the address that the application connects to"),
                _ => Step::new(Stage::Endpoints, Mark::NotJudged, "its endpoints are not in the input"),
            };
            let mark = step.mark;
            let says = if mark == Mark::Good { format!("forwarded to {}", shown(&branch.cluster)) } else { step.says.clone() };
            part.steps.push(step);
            part.steps.extend(self.outward(party, branch, target, question));
            let worst = part.steps.iter().map(|s| s.mark).filter(|m| *m >= Mark::NotJudged).max().unwrap_or(Mark::Good);
            let mut outcome = self.outcome(branch, worst, says);
            if mark == Mark::Broken {
                (outcome.status, outcome.flags, outcome.details) = (Some(503), "UH".to_owned(), "no_healthy_upstream".to_owned());
            }
            answer.parts.push(std::mem::take(part));
            answer.outcomes.push(outcome);
            return;
        }
        let sent = server::Sent { party, branch, transport: branch.transport.as_ref(), call, upstream: verdict.upstream_request.as_ref(), service };
        self.serve(&sent, &reached, question, part, hops, answer);
    }

    /// The endpoints of a service at a port. Behind a headless one nothing translates the port: it is the Pod's own.
    pub(super) fn addresses(&self, service: &RegisteredService<'a>, port: u16) -> Vec<SocketAddr> {
        let Some(found) = service.port(port) else { return Vec::new() };
        let all = self.model.registry.endpoints(self.model.mesh, service, found);
        let own = |e: &crate::translate::Endpoint<'_>| if is_headless(service) { port } else { e.port };
        all.iter().filter_map(|e| Some(SocketAddr::new(e.address.parse().ok()?, own(e)))).collect()
    }

    pub(super) fn destination(&self, party: &Party<'w, 'a>, branch: &Branch) -> Step {
        let origins = party.cluster(&branch.cluster);
        let has_subset = parsed(&branch.cluster).is_some_and(|c| !c.subset.is_empty());
        let written = origins.get(usize::from(has_subset)).or(origins.first()).map(|o| Thing::at(o.object, o.node));
        Step::new(Stage::Destination, Mark::Good, shown(&branch.cluster)).thing(written.or_else(|| named(self.model.mesh, &branch.source)))
    }

    /// A cluster that the proxy lacks, or that has no endpoint for this request.
    fn no_endpoint(&self, to: &Towards<'_, 'w, 'a>) -> Step {
        let Towards { party, branch, verdict, name, target } = *to;
        let details = match &branch.end {
            End::Replied(r) => r.details.as_str(),
            End::Closed { details, .. } => details.as_str(),
            _ => "",
        };
        if details == "cluster_not_found" {
            let written = party.route(verdict).map(|o| Thing::at(o.object, destination_of(o.node, name).unwrap_or(o.node)));
            let written = written.or_else(|| verdict.steps.iter().rev().find_map(|s| named(self.model.mesh, &s.source)));
            let step = self.missing_cluster(to);
            return if step.thing.is_some() { step } else { step.thing(written) };
        }
        if details.contains("overflow") || matches!(&branch.end, End::Closed { why: "overflow", .. }) {
            let rule = party.cluster(&branch.cluster).iter().find(|o| o.object.kind == Kind::DestinationRule);
            return Step::new(Stage::Destination, Mark::Broken, "its circuit breaker lets nothing through")
                .thing(rule.map(|o| Thing::at(o.object, o.node)).or_else(|| named(self.model.mesh, &branch.source)))
                .change("raise the limit in `connectionPool`");
        }
        if party.held.is_some() {
            // What the proxy knows of them, told behind the cluster's own step.
            let at = verdict.steps.iter().position(|s| s.kind == StepKind::Cluster && s.name == branch.cluster);
            let note = at.and_then(|i| verdict.steps.get(i + 1)).map_or("it has no endpoint", |s| s.note.as_str());
            return Step::new(Stage::Endpoints, Mark::Broken, format!("{}: {note}", shown(&branch.cluster)))
                .thing(named(self.model.mesh, &branch.source))
                .change("see `meshctl proxy-config endpoint`: Pods that are not ready, or that outlier detection has ejected");
        }
        match (target, name) {
            (Some(service), Some(n)) => self.nobody(service, n.port, n.subset),
            _ => Step::new(Stage::Endpoints, Mark::Broken, format!("{} has no endpoint that will do", shown(&branch.cluster))),
        }
    }

    /// Whether a host that is missing is known not to exist: it is one of the cluster's, in a namespace of which the input holds hosts.
    fn owns_host(&self, host: &str) -> bool {
        let mesh = self.model.mesh;
        let namespace = crate::host::split_service(host, mesh.domain).map_or("", |(_, ns)| ns);
        mesh.snapshot.objects.first().is_some_and(|o| mesh.owns(o, Place::Hosts(namespace)))
    }

    fn missing_cluster(&self, to: &Towards<'_, 'w, 'a>) -> Step {
        let Towards { party, branch, verdict, name, target } = *to;
        let of = |says: String| Step::new(Stage::Destination, Mark::Broken, says);
        let Some(n) = name else {
            let ungranted = party.route(verdict).and_then(|o| self.model.ungranted(o.object, o.node));
            return match ungranted {
                Some(u) => {
                    let mark = if u.is_unseen { Mark::NotJudged } else { Mark::Broken };
                    let says = if u.is_unseen { format!("{}; the ReferenceGrants of that namespace are not in the input", u.why) } else { u.why };
                    Step::new(Stage::Destination, mark, says).change(u.change).thing(Thing::at(u.origin.object, u.origin.node))
                }
                None => of(format!("the proxy holds no cluster {}", branch.cluster)),
            };
        };
        let mesh = self.model.mesh;
        let Some(service) = target.filter(|s| s.host == n.host) else {
            let short = n.host.split('.').next().unwrap_or(n.host);
            let unwatched = host::split_service(n.host, mesh.domain).and_then(|(name, namespace)| mesh.find_unwatched(Kind::Service, namespace, name));
            if let Some(object) = unwatched {
                let namespace = object.namespace();
                return of(format!("no service of the mesh is {}: istiod does not watch namespace {namespace} (discoverySelectors)", n.host))
                    .change(format!("give the Namespace {namespace} labels that the selectors ask for"));
            }
            let near = mesh.services.all().iter().filter(|s| s.object.name() == short);
            let mut misses: Vec<Miss> = near
                .map(|s| Miss {
                    name: s.hosts.first().cloned().unwrap_or_default(),
                    thing: Some(Thing::whole(s.object)),
                    why: "has the same name in another namespace".to_owned(),
                })
                .collect();
            misses.sort_by(|a, b| a.name.cmp(&b.name));
            let change = misses
                .first()
                .map_or_else(|| "correct the destination's host, or create the Service".to_owned(), |m| format!("write the destination as {}", m.name));
            if party.held.is_none() && misses.is_empty() && !self.owns_host(n.host) {
                return Step::new(Stage::Destination, Mark::NotJudged, format!("no service of the input is {}", n.host))
                    .change("give its manifest as well, or --complete where the input is everything");
            }
            return of(format!("no service of the mesh is {}", n.host)).change(change).misses(misses);
        };
        if service.port(n.port).is_none() {
            return of(format!("{} has no port {}", service.object.origin(), n.port)).change("correct `destination.port.number`");
        }
        if n.subset.is_empty() {
            if let Some((why, thing, change)) = uncounted::unseen(self.model, party, service) {
                let miss = Miss { name: thing.object.clone(), thing: Some(thing), why: "hides it from this proxy".to_owned() };
                return of(format!("the proxy holds no cluster for {}: {why}", n.host)).change(change).misses(vec![miss]);
            }
            return of(format!("the proxy holds no cluster for {}", n.host)).change("see `exportTo` of the service and `egress` of the Sidecar");
        }
        let rules = mesh.destination_rules.effective(&party.namespace, &service.host, service.namespace);
        let subsets = rules.iter().flat_map(|o| o.spec().into_iter().flat_map(|s| s.list("subsets")).map(move |s| (*o, s)));
        let mut misses: Vec<Miss> =
            subsets.map(|(o, s)| Miss { name: format!("subset {}", s.text_of("name")), thing: Some(Thing::at(o, s)), why: "is another".to_owned() }).collect();
        let uncounted = uncounted::with_subset(self.model, party, service, n.subset);
        misses.extend(uncounted.iter().map(uncounted::Uncounted::miss));
        if let Some(first) = uncounted.first() {
            let before =
                rules.first().map_or_else(|| format!("subset {} of {} is nowhere", n.subset, n.host), |r| format!("{} has no subset {}", r.origin(), n.subset));
            return of(format!("{before}; {} {}", first.object.origin(), first.why)).change(first.change.clone()).misses(misses);
        }
        let may_be_elsewhere = |ns: &str| !mesh.owns(service.object, Place::Objects(Kind::DestinationRule, ns));
        if rules.is_empty() && party.held.is_none() && may_be_elsewhere(service.namespace) && may_be_elsewhere(&party.namespace) {
            return Step::new(Stage::Destination, Mark::NotJudged, format!("no DestinationRule of the input has subset {} of {}", n.subset, n.host))
                .change("give its manifest as well, or --complete where the input is everything");
        }
        match rules.first() {
            None => of(format!("subset {} of {} is nowhere: no DestinationRule for the host counts in namespace {}", n.subset, n.host, party.namespace))
                .change(format!("create a DestinationRule for {} with the subset", n.host)),
            Some(rule) => of(format!("{} has no subset {}", rule.origin(), n.subset))
                .change(format!("add the subset to {}, or name one that it has", rule.origin()))
                .misses(misses),
        }
    }

    /// Why a service has no endpoint at a port, for a subset or as a whole.
    pub(super) fn nobody(&self, service: &RegisteredService<'a>, port: u16, subset: &str) -> Step {
        let mesh = self.model.mesh;
        let object = service.object;
        let of = |mark, says: String| Step::new(Stage::Endpoints, mark, says);
        let known = mesh.owns(object, Place::Workloads(service.namespace));
        let unseen = if known { Mark::Broken } else { Mark::NotJudged };
        let selector = service_selector(object);
        let picked: Vec<_> = match (service.port(port), selector) {
            (Some(_), Some(node)) => {
                let selector = crate::Selector::from_map(Some(node));
                mesh.workloads.matching(Some(service.namespace), &selector).collect()
            }
            _ => Vec::new(),
        };
        if picked.is_empty() {
            let Some(node) = selector else {
                // Who may not list EndpointSlices has seen no endpoint of any such Service.
                let was_seen = mesh.snapshot.unseen.iter().all(|(_, kind)| *kind != Kind::EndpointSlice);
                let unseen = if was_seen { unseen } else { Mark::NotJudged };
                return of(unseen, format!("{} selects nothing, and no EndpointSlice of it is in the input", object.origin())).thing(Thing::whole(object));
            };
            let pairs: Vec<String> = node.entries().map(|(k, v)| format!("{}={}", k.text(), v.text())).collect();
            let near = mesh.workloads.in_namespace(service.namespace).filter(|w| node.entries().any(|(k, v)| w.label(k.text()) == Some(v.text())));
            let mut misses: Vec<Miss> = near.map(|w| miss(w.object, w.labels())).collect();
            misses.sort_by(|a, b| a.name.cmp(&b.name));
            misses.truncate(5);
            return of(unseen, format!("no workload of namespace {} has the labels {}", service.namespace, pairs.join(", ")))
                .thing(Thing::at(object, node))
                .change("make the selector that of the Pods")
                .misses(misses);
        }
        let of_subset = self.subset(service, subset).filter(|_| !subset.is_empty());
        let has_labels = |w: &&crate::workload::Workload<'a>, node: Node<'a>| node.map("labels").all(|(k, v)| w.label(k.text()) == Some(v.text()));
        if let Some((rule, node)) = of_subset
            && !picked.iter().any(|w| has_labels(w, node))
        {
            let labels = node.get("labels");
            let pairs: Vec<String> = labels.into_iter().flat_map(Node::entries).map(|(k, v)| format!("{}={}", k.text(), v.text())).collect();
            let mut misses: Vec<Miss> = picked.iter().map(|w| miss(w.object, w.labels())).collect();
            misses.sort_by(|a, b| a.name.cmp(&b.name));
            misses.truncate(5);
            return of(Mark::Broken, format!("no workload behind {} has the labels of subset {subset}: {}", object.origin(), pairs.join(", ")))
                .thing(Thing::at(rule, labels.unwrap_or(node)))
                .change("make the subset's labels those of the Pods")
                .misses(misses);
        }
        let Some(p) = service.port(port) else { return of(Mark::Broken, format!("{} has no port {port}", object.origin())).thing(Thing::whole(object)) };
        if let Some(step) = self.idle(service, p, &picked) {
            return step;
        }
        let misses = picked.iter().flat_map(|w| w.container_ports().map(|c| (w.object, c)));
        let mut misses: Vec<Miss> = misses
            .map(|(o, c)| Miss {
                name: format!("port {} of {}", c.text_of("containerPort"), o.origin()),
                thing: Some(Thing::at(o, c)),
                why: format!("is called `{}`", c.text_of("name")),
            })
            .collect();
        misses.sort_by(|a, b| a.name.cmp(&b.name));
        misses.truncate(5);
        let idle = picked.iter().all(|w| w.replicas == 0);
        let (says, change) = match idle {
            true => ("all workloads behind it have 0 replicas".to_owned(), "scale one up"),
            false => (format!("no container behind {} has a port called `{}`", object.origin(), p.target), "make targetPort a port of the containers"),
        };
        let node = p.node.get("targetPort").unwrap_or(p.node);
        of(Mark::Broken, says).thing(Thing::at(p.object, node)).change(change).misses(misses)
    }

    /// Workloads that a service selects and that take nothing: they are not ready, or in localities that get nothing.
    fn idle(&self, service: &RegisteredService<'a>, port: &ServicePort<'a>, picked: &[&crate::workload::Workload<'a>]) -> Option<Step> {
        let mesh = self.model.mesh;
        let broken = |says: String| Some(Step::new(Stage::Endpoints, Mark::Broken, says));
        if !self.model.registry.endpoints(mesh, service, port).is_empty() {
            let rules = mesh.destination_rules.effective(service.namespace, &service.host, service.namespace);
            let setting = rules.iter().find_map(|o| Some((*o, o.spec_at(&["trafficPolicy", "loadBalancer", "localityLbSetting"])?)));
            return match setting {
                Some((rule, node)) => broken(format!("its endpoints are in localities to which {} sends nothing (localityLbSetting)", rule.origin()))?
                    .thing(Thing::at(rule, node))
                    .change("send a share to a locality that has endpoints")
                    .into(),
                None => broken("it has endpoints, and none that this proxy may use".to_owned())?.thing(Thing::whole(service.object)).into(),
            };
        }
        let is_of = |s: &&&Object| s.label("kubernetes.io/service-name") == Some(service.name);
        let slices: Vec<&Object> = mesh.objects_in(Kind::EndpointSlice, service.namespace).iter().filter(is_of).copied().collect();
        let listed: usize = slices.iter().map(|s| s.root().list("endpoints").count()).sum();
        let asleep: Vec<Miss> = picked
            .iter()
            .filter(|w| !w.is_ready())
            .map(|w| Miss {
                name: w.object.origin(),
                thing: Some(Thing::whole(w.object)),
                why: if w.object.kind == Kind::Pod { "is not ready" } else { "has no Pod that is ready" }.to_owned(),
            })
            .collect();
        let change = "see why its Pods are not ready: their probes, their logs";
        if let Some(slice) = slices.first().filter(|_| listed > 0) {
            let says = format!("none of the {listed} endpoints in {} is ready, or has the port `{}`", slice.origin(), port.name);
            return broken(says)?.thing(Thing::whole(service.object)).change(change).misses(asleep).into();
        }
        (!picked.is_empty() && asleep.len() == picked.len()).then(|| {
            broken(format!("none of the Pods behind {} is ready", service.object.origin()))
                .map(|s| s.thing(Thing::whole(service.object)).change(change).misses(asleep))
        })?
    }

    fn subset(&self, service: &RegisteredService<'a>, subset: &str) -> Option<(&'a Object, Node<'a>)> {
        let mesh = self.model.mesh;
        let seen = mesh.destination_rules.effective(service.namespace, &service.host, service.namespace);
        destination_rule::subset(&seen, subset).or_else(|| {
            let all: Vec<&'a Object> = mesh.objects(Kind::DestinationRule).to_vec();
            let of_host =
                all.into_iter().filter(|o| crate::host::expand(o.spec().map_or("", |s| s.text_of("host")), o.namespace(), mesh.domain) == service.host);
            destination_rule::subset(&of_host.collect::<Vec<_>>(), subset)
        })
    }
}

/// Whether the name leads to Pods, and to no address of the Service's.
pub(super) fn is_headless(service: &RegisteredService<'_>) -> bool {
    service.is_kubernetes() && service.resolution == Resolution::Passthrough
}

fn has_endpoints(service: &RegisteredService<'_>) -> bool {
    service.object.spec_at(&["endpoints"]).is_some_and(|e| !e.is_empty())
}

fn service_selector(object: &Object) -> Option<Node<'_>> {
    object.spec_at(&["selector"]).or_else(|| object.spec_at(&["workloadSelector", "labels"])).filter(|s| !s.is_empty())
}

fn miss<'t>(object: &Object, labels: impl Iterator<Item = (&'t str, &'t str)>) -> Miss {
    let labels: Vec<String> = labels.map(|(k, v)| format!("{k}={v}")).collect();
    Miss { name: object.origin(), thing: Some(Thing::whole(object)), why: format!("has {}", labels.join(", ")) }
}

/// The destination of a rule that a cluster's name stands for.
fn destination_of<'a>(node: Node<'a>, name: Option<ClusterName<'_>>) -> Option<Node<'a>> {
    let name = name?;
    let mut rule = Some(node);
    for _ in 0..4 {
        let here = rule?;
        if here.get("route").is_some() {
            let of = |d: &Node<'a>| d.text_of("subset") == name.subset && name.host.starts_with(d.text_of("host"));
            return here.list("route").filter_map(|r| r.get("destination")).find(of);
        }
        rule = here.parent();
    }
    None
}
