//! The client's side: listener, route, destination, endpoints, as its proxy decides them.

use super::answer::{Answer, Mark, Outcome, Part, Stage, Step, Thing};
use super::party::{Party, named, policy};
use super::question::Question;
use super::{Why, refused_by_gateway, unrouted};
use crate::held::entry_outbound;
use crate::translate::{Effect, Model, OF_BYTES, Origin, RegisteredService, Wanted};
use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::engine::walk::{Branch, Call, End, Replied, StepKind, Verdict, walk};
use mesh_envoy::rbac::{BAD_CUSTOM, PolicyName};
use mesh_model::{Kind, Node};
use std::net::{IpAddr, SocketAddr};

/// What istiod calls the clusters that are for unknown destinations.
pub(super) const PASSTHROUGH: &str = "PassthroughCluster";
pub(super) const BLACK_HOLE: &str = "BlackHoleCluster";

/// What changes a rate limit.
const RAISE: &str = "raise `max_tokens` and `tokens_per_fill`, or call less often";

impl<'w, 'a> Why<'w, '_, 'a> {
    /// Lets a call run through a proxy, and on to whatever it sends it to.
    #[expect(clippy::too_many_arguments, reason = "what is known of a request at one point of its way")]
    pub(super) fn follow(
        &self,
        party: &Party<'w, 'a>,
        call: &Call<'_>,
        question: &Question,
        service: Option<&RegisteredService<'a>>,
        mut part: Part,
        hops: usize,
        answer: &mut Answer,
    ) {
        let verdict = walk(&party.configuration, call, &question.world);
        verdict.assumptions.iter().for_each(|a| answer.assume(a.clone()));
        part.steps.extend(self.disagreement(party, call, question, &verdict));
        part.steps.extend(self.not_translated(party, &verdict, question, party.is_gateway() || party.is_waypoint()));
        let certificate = refused_by_gateway::certificate(self.model, party, &verdict);
        if let Some(step) = certificate.clone().filter(|s| s.mark == Mark::Broken) {
            let outcome = Outcome { share: 1_000_000, cluster: String::new(), ..closed(&step) };
            part.steps.push(step);
            answer.parts.push(part);
            answer.outcomes.push(outcome);
            return;
        }
        part.steps.push(self.listener(party, &verdict, question, service));
        part.steps.extend(certificate);
        if matches!(verdict.virtual_host.as_str(), "block_all" | "allow_any") {
            // Told with the listener.
        } else if has(&verdict, StepKind::VirtualHost) {
            let step = self.route(party, &verdict, question, service);
            let is_open = step.mark == Mark::NotJudged;
            part.steps.push(step);
            if let Some(branch) = verdict.branches.first().filter(|b| is_open && b.cluster.is_empty()) {
                // Where a rule that would decide is not in the input, what is left says nothing.
                answer.outcomes.push(open(self.outcome(branch, Mark::NotJudged, String::new())));
                answer.parts.push(part);
                return;
            }
        } else if question.is_http() && verdict.branches.iter().any(|b| !matches!(b.cluster.as_str(), "" | PASSTHROUGH | BLACK_HOLE)) {
            part.steps.extend(self.not_http(party, &verdict, question, service));
        }
        part.steps.extend(self.filters(party, &verdict));
        if let (Some(says), Some(branch)) = (left_open(&part.steps), verdict.branches.first()) {
            answer.outcomes.push(open(self.outcome(branch, Mark::NotJudged, says)));
            answer.parts.push(part);
            return;
        }
        let ends: Vec<&Branch> = verdict.branches.iter().collect();
        if let [only] = ends.as_slice() {
            let mut only_part = part;
            self.branch(party, only, &verdict, call, question, service, &mut only_part, hops, answer);
            return;
        }
        answer.parts.push(part);
        for branch in ends {
            let mut own = Part { title: format!("{}% to {}", branch.share as f64 / 1e4, shown(&branch.cluster)), ..Part::default() };
            self.branch(party, branch, &verdict, call, question, service, &mut own, hops, answer);
        }
    }

    pub(super) fn listener(&self, party: &Party<'w, 'a>, verdict: &Verdict, question: &Question, service: Option<&RegisteredService<'a>>) -> Step {
        let of = |mark, says: String| Step::new(Stage::Listener, mark, says);
        let place =
            if verdict.filter_chain.is_empty() { verdict.listener.clone() } else { format!("{}, filter chain {}", verdict.listener, verdict.filter_chain) };
        let cluster = verdict.branches.first().map_or("", |b| b.cluster.as_str());
        let passed = || {
            verdict.steps.iter().filter(|s| matches!(s.kind, StepKind::Listener | StepKind::FilterChain)).flat_map(|s| &s.passed).cloned().collect::<Vec<_>>()
        };
        match verdict.branches.first().map(|b| &b.end) {
            Some(End::Closed { why: "no listener", .. }) if party.lacks_capture() => {
                of(Mark::NotJudged, "the dump lacks the listener that takes captured connections".to_owned()).change("give the whole of `config_dump`")
            }
            Some(End::Closed { why, details, .. })
                if cluster.is_empty()
                    && matches!(
                        *why,
                        "no listener" | "no filter chain" | "invalid TLS" | "invalid mutual TLS" | "protocol error" | "multiple filter chains"
                    ) =>
            {
                let note = verdict.steps.last().map_or("", |s| s.note.as_str());
                let change = match *why {
                    "protocol error" => "speak plain HTTP to this port, or declare it HTTPS or TLS",
                    "no listener" => "no Gateway of this proxy has a server on the port: add one, or call another port",
                    "invalid TLS" => "call with https",
                    _ => "use a server name that a Gateway has, or speak what the port speaks",
                };
                let says = format!(
                    "{}{why}: {note}{}",
                    if place.is_empty() { String::new() } else { format!("{place}: ") },
                    if details.is_empty() { String::new() } else { format!(" ({details})") }
                );
                let elsewhere = party
                    .proxy
                    .as_ref()
                    .filter(|_| party.is_gateway())
                    .map(|p| self.model.gateways_elsewhere(p, question.bare_authority()))
                    .unwrap_or_default();
                if let Some(step) = Some(())
                    .filter(|()| *why == "no listener" && party.is_gateway())
                    .and_then(|()| refused_by_gateway::no_listener(self.model, party, question))
                {
                    return step;
                }
                if let (Some(first), "no listener") = (elsewhere.first(), *why) {
                    return of(Mark::Broken, format!("{says}; {}: {}", first.origin.object.origin(), first.why))
                        .thing(Thing::at(first.origin.object, first.origin.node))
                        .change(first.change.clone());
                }
                let thing = service.map(|s| Thing::whole(s.object)).or_else(|| party.listener(&verdict.listener));
                of(Mark::Broken, says).thing(thing).change(change).misses(party.misses(self.model.mesh, &passed()))
            }
            _ if matches!(cluster, PASSTHROUGH | BLACK_HOLE)
                || verdict.route == "block_all"
                || verdict.route == "allow_any"
                || matches!(verdict.virtual_host.as_str(), "block_all" | "allow_any") =>
            {
                unrouted::step(self.model, party, &place, verdict, service, question, self.pod_at(question))
            }
            _ => {
                // One listener of a port serves many Services: the one that is asked for says more than the first of them.
                let own = service.filter(|_| !party.is_gateway()).and_then(|s| s.port(question.url.port).map(|p| Thing::at(s.object, p.node)));
                of(Mark::Good, place).thing(own.or_else(|| party.listener(&verdict.listener)))
            }
        }
    }

    fn route(&self, party: &Party<'w, 'a>, verdict: &Verdict, question: &Question, service: Option<&RegisteredService<'a>>) -> Step {
        let mesh = self.model.mesh;
        let step =
            verdict.steps.iter().rev().find(|s| s.kind == StepKind::Route).or_else(|| verdict.steps.iter().rev().find(|s| s.kind == StepKind::VirtualHost));
        let passed = step.map(|s| s.passed.as_slice()).unwrap_or_default();
        let origin = party.route(verdict);
        let thing = origin.map(|o| Thing::at(o.object, o.node)).or_else(|| step.and_then(|s| named(mesh, &s.source)));
        let conditions = step.filter(|s| s.kind == StepKind::Route).map_or("", |s| s.note.as_str());
        let name = step.map_or("", |s| s.name.as_str());
        let mut out = match verdict.branches.first().map(|b| &b.end) {
            Some(End::Replied(Replied { details, .. })) if details == "route_not_found" && verdict.virtual_host.is_empty() => {
                Step::new(Stage::Route, Mark::Broken, format!("no virtual host of {} has the host `{}`", verdict.route_configuration, question.authority()))
                    .change("call a host that a Gateway and a VirtualService (or a Service) have in common")
            }
            Some(End::Replied(Replied { details, .. })) if details == "route_not_found" => {
                let any = self.model.mesh.snapshot.objects.first();
                let has_seen_all = party.held.is_some() || any.is_some_and(|o| mesh.owns(o, crate::Place::Objects(Kind::VirtualService, "")));
                if verdict.virtual_host.starts_with("blackhole:") && !has_seen_all && mesh.objects(Kind::HttpRoute).is_empty() {
                    let says = "no VirtualService and no HTTPRoute is in the input: whether something is routed here is not known";
                    return Step::new(Stage::Route, Mark::NotJudged, says).change("give their manifests as well, or --complete where the input is everything");
                }
                let of = match verdict.virtual_host.strip_prefix("blackhole:") {
                    Some(port) => format!("nothing is routed at port {port} of the gateway"),
                    None => format!("no route of {} matches the request", verdict.virtual_host),
                };
                Step::new(Stage::Route, Mark::Broken, of)
                    .thing(party.rules_of_host(verdict).first().map(|o| Thing::whole(o)))
                    .change("add a route without a match at the end, or call what one matches")
            }
            Some(End::Replied(Replied { status, details, .. })) if details == "fault_filter_abort" => {
                let fault = origin.and_then(|o| fault_of(o.node));
                let thing = fault.and_then(|n| Some(Thing::at(origin?.object, n))).or(thing.clone());
                Step::new(Stage::Route, Mark::Broken, format!("an injected fault answers {status}")).thing(thing).change("remove `fault` from the route")
            }
            Some(End::Replied(Replied { status, details, location, .. })) if details == "direct_response" => {
                let to = location.as_ref().map_or_else(String::new, |l| format!(" to {l}"));
                let mark = if *status >= 400 { Mark::Broken } else { Mark::Good };
                let step = Step::new(Stage::Route, mark, format!("{name} answers {status}{to} itself"));
                if *status == 301 && !has(verdict, StepKind::Route) {
                    // The server's `httpsRedirect`: no rule is asked.
                    return step.thing(party.listener(&verdict.listener));
                }
                step
            }
            _ => {
                let says = [verdict.virtual_host.as_str(), name, conditions].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(", ");
                Step::new(Stage::Route, Mark::Good, says)
            }
        };
        if out.thing.is_none() {
            out.thing = thing;
        }
        if out.mark == Mark::Good
            && let Some(node) = origin.and_then(|o| fault_of(o.node))
        {
            out.mark = Mark::Doubtful;
            out.says += ", which injects faults into a share of the requests";
            out.change = "remove `fault` from the route".to_owned();
            out.thing = origin.map(|o| Thing::at(o.object, node));
        }
        if out.mark == Mark::Good
            && conditions == "path starts with `/`"
            && let Some(behind) = origin.and_then(|o| rule_behind(o.object, o.node))
        {
            out.mark = Mark::Doubtful;
            out.says += "; it takes every request, so that the rules behind it are never asked";
            out.change = "put the rule that takes everything last".to_owned();
            out.misses.push(super::Miss { name: String::new(), thing: origin.map(|o| Thing::at(o.object, behind)), why: "stands behind it".to_owned() });
        }
        out.misses.extend(party.misses(mesh, passed));
        if let [route] = party.rules_of_host(verdict).as_slice() {
            // What is generated of a route of the Gateway API is nobody's to look up.
            let is_generated = |t: &Thing| t.place.is_empty() && route.kind != Kind::VirtualService;
            out.misses.iter_mut().filter(|m| m.thing.as_ref().is_some_and(is_generated)).for_each(|m| m.thing = Some(Thing::whole(route)));
        }
        self.overlooked(party, verdict, question, service, &mut out);
        out
    }

    /// VirtualServices that mean this host and do not count.
    fn overlooked(&self, party: &Party<'w, 'a>, verdict: &Verdict, question: &Question, service: Option<&RegisteredService<'a>>, out: &mut Step) {
        let Some(proxy) = &party.proxy else { return };
        let bare = question.bare_authority();
        let host = service.map_or(bare, |s| s.host.as_str());
        let applied = verdict.steps.iter().rev().find(|s| s.kind == StepKind::Route).map_or("", |s| s.source.as_str());
        let routes_http = has(verdict, StepKind::VirtualHost);
        let mut in_force = party.rules_of_host(verdict);
        // One of delegates alone has no route of its own.
        for root in in_force.clone().into_iter().flat_map(|o| self.model.roots_of(o, host)) {
            if !in_force.iter().any(|o| std::ptr::eq(*o, root)) {
                in_force.push(root);
            }
        }
        self.lost(&in_force, party.route(verdict), question, out);
        let mut found = self.model.overlooked(proxy, &Wanted { host, port: question.url.port, routes_http, applied, in_force: &in_force });
        if party.is_gateway() && out.mark == Mark::Broken {
            found.extend(self.model.unattached(proxy, bare));
            found.extend(self.model.gateways_elsewhere(proxy, bare));
        }
        let is_unrouted = matches!(verdict.branches.first().map(|b| &b.end), Some(End::Replied(r)) if r.details == "route_not_found");
        if let Some(open) = found.iter().find(|f| f.is_unseen && is_unrouted) {
            out.mark = Mark::NotJudged;
            out.says += &format!("; whether {} counts is not in the input: {}", open.origin.object.origin(), open.why);
            out.thing = Some(Thing::at(open.origin.object, open.origin.node));
            out.change.clone_from(&open.change);
            return;
        }
        let Some(first) = found.first() else { return };
        let is_applied = applied.contains("/virtual-service/");
        if out.mark == Mark::Good && !is_applied || out.mark == Mark::Broken && out.thing.is_none() {
            out.mark = if first.is_unseen { Mark::NotJudged } else { out.mark.max(Mark::Doubtful) };
            out.says += &format!("; {} does not count: {}", first.origin.object.origin(), first.why);
            out.thing = Some(Thing::at(first.origin.object, first.origin.node));
            out.change.clone_from(&first.change);
        } else if out.mark == Mark::Good && found.iter().any(|f| f.why.starts_with("another VirtualService")) {
            out.mark = Mark::Doubtful;
            out.says += &format!("; of {} VirtualServices for this host only that one counts", found.len() + 1);
            out.change.clone_from(&first.change);
        }
        let misses =
            found.iter().map(|f| super::Miss { name: f.origin.object.origin(), thing: Some(Thing::at(f.origin.object, f.origin.node)), why: f.why.clone() });
        out.misses.extend(misses);
    }

    /// Rules of what counts that vanished with their delegates, and that may have been meant for the request.
    fn lost(&self, in_force: &[&'a mesh_model::Object], taken: Option<Origin<'a>>, question: &Question, out: &mut Step) {
        let is_before = |root: &'a mesh_model::Object, rule: Node<'a>| taken.is_none_or(|t| Model::stands_before(root, rule, t));
        let all = in_force.iter().flat_map(|o| self.model.lost_delegates(o).into_iter().map(move |l| (*o, l)));
        let takes = |(o, l): &(&'a mesh_model::Object, crate::translate::LostDelegate<'a>)| {
            is_before(o, l.rule) && self.model.may_take(o, l.rule, &question.method, &question.url.path)
        };
        let Some((_, first)) = all.into_iter().find(takes) else { return };
        let is_open = matches!(out.mark, Mark::Good | Mark::Broken);
        if !is_open {
            return;
        }
        out.mark = match (first.lost.is_unseen, out.mark) {
            (true, _) => Mark::NotJudged,
            (false, Mark::Broken) => Mark::Broken,
            (false, _) => Mark::Doubtful,
        };
        out.says += &format!("; a rule of {} that stands before is gone: {}", first.lost.origin.object.origin(), first.lost.why);
        out.thing = Some(Thing::at(first.lost.origin.object, first.lost.origin.node));
        out.change.clone_from(&first.lost.change);
    }

    /// The Pods whose own address is asked for.
    pub(super) fn pods_at(&self, question: &Question) -> Vec<&'a mesh_model::Object> {
        let Ok(ip) = question.url.host.parse::<IpAddr>() else { return Vec::new() };
        let at = self.by_address.at(self.model, SocketAddr::new(ip, question.url.port));
        at.all().iter().map(|id| self.model.mesh.workloads.get(*id).object).collect()
    }

    /// The one Pod that has it.
    pub(super) fn pod_at(&self, question: &Question) -> Option<&'a mesh_model::Object> {
        let all = self.pods_at(question);
        all.first().copied().filter(|_| all.len() == 1)
    }

    /// An HTTP request on a port that is bytes to the proxy.
    fn not_http(&self, party: &Party<'w, 'a>, verdict: &Verdict, question: &Question, service: Option<&RegisteredService<'a>>) -> Option<Step> {
        let service = service?;
        let port = service.port(question.url.port)?;
        if question.speaks_tls || port.protocol.is_http() {
            return None;
        }
        let says = format!(
            "port `{}` is bytes to the mesh ({}): no http route, retry, timeout or HTTP policy counts",
            port.name,
            port.protocol.spelling().unwrap_or("TCP")
        );
        let mut step = Step::new(Stage::Route, Mark::Doubtful, says)
            .thing(Thing::at(port.object, port.node))
            .change("name the port `http-…`, or give it `appProtocol: http`");
        self.overlooked(party, verdict, question, Some(service), &mut step);
        Some(step)
    }

    /// What the proxy's filters say: policies and tokens, at gateways and servers.
    pub(super) fn filters(&self, party: &Party<'w, 'a>, verdict: &Verdict) -> Vec<Step> {
        let mesh = self.model.mesh;
        let mut out = Vec::new();
        let last = verdict.steps.len().saturating_sub(1);
        let ended = |i: usize| i == last && verdict.branches.iter().all(|b| b.cluster.is_empty());
        for (i, s) in verdict.steps.iter().enumerate().filter(|(_, s)| matches!(s.kind, StepKind::HttpFilter | StepKind::NetworkFilter)) {
            let rejected = ended(i) && (s.note.starts_with("answers") || s.note.starts_with("denied"));
            if s.name.contains("rbac") {
                let by = PolicyName::parse(&s.policy).and_then(|n| policy(mesh, &n));
                let misses = party.misses(mesh, &s.passed);
                out.push(match (rejected, &by) {
                    (true, Some(thing)) if s.policy.ends_with(BAD_CUSTOM) && self.is_provider_unseen(party, verdict) => {
                        let says = format!("{} asks a provider of the mesh configuration, which is not in the input", policy_name(&s.policy));
                        Step::new(Stage::Authorization, Mark::NotJudged, says)
                            .thing(thing.clone())
                            .change("give the mesh configuration as well, or --complete where the input is everything")
                    }
                    (true, Some(thing)) if s.policy.ends_with(BAD_CUSTOM) => {
                        let (bad, change) = self.bad_provider(party, verdict);
                        let says = format!("{} asks a provider {bad}: what it covers is denied", policy_name(&s.policy));
                        Step::new(Stage::Authorization, Mark::Broken, says).thing(thing.clone()).change(change)
                    }
                    (true, Some(thing)) => Step::new(Stage::Authorization, Mark::Broken, format!("denied by {}", policy_name(&s.policy)))
                        .thing(thing.clone())
                        .change("narrow the rule, or call otherwise"),
                    (true, None) => {
                        let nearest = misses.first().and_then(|m| m.thing.clone()).or_else(|| self.first_policy(party, verdict));
                        let says = if misses.is_empty() {
                            "no rule of the ALLOW policies can match such a connection: all are denied"
                        } else {
                            "no rule of the ALLOW policies matches"
                        };
                        let asks_token = misses.iter().any(|m| m.why.contains("the token's `"));
                        let reads_none = party.proxy.as_ref().is_some_and(|p| self.model.policies_for(Kind::RequestAuthentication, p).is_empty());
                        let (says, change) = match asks_token && reads_none {
                            true => (
                                format!("{says}: it asks for a token, and no RequestAuthentication is for this proxy, so that none is read"),
                                "add a RequestAuthentication that selects the workload",
                            ),
                            false => (says.to_owned(), "add a rule that allows this caller and request"),
                        };
                        Step::new(Stage::Authorization, Mark::Broken, says).thing(nearest).change(change)
                    }
                    (false, Some(thing)) => Step::new(Stage::Authorization, Mark::Good, format!("allowed by {}", policy_name(&s.policy))).thing(thing.clone()),
                    (false, None) => Step::new(Stage::Authorization, Mark::Good, "no policy denies it"),
                });
                if let Some(step) = out.last_mut() {
                    step.misses = misses;
                }
            } else if rejected && s.name.contains("jwt") {
                let service = self.service_of_chain(party, &verdict.filter_chain);
                let policies = party.proxy.as_ref().map(|p| self.model.policies_at(Kind::RequestAuthentication, p, service)).unwrap_or_default();
                out.push(
                    Step::new(Stage::Authentication, Mark::Broken, s.note.clone())
                        .thing(policies.first().map(|o| Thing::whole(o)))
                        .change("send a token of an issuer and audience that the RequestAuthentication lists"),
                );
            } else if let Some(limit) = s.note.strip_prefix("limits: ") {
                let says = format!("a local rate limit of {limit}, applies here; whether it is spent is not known");
                out.push(Step::new(Stage::Limit, Mark::Doubtful, says).thing(party.filter(verdict, &s.name)).change(RAISE));
            } else if rejected && s.note.contains("local_rate_limited") {
                let limit = s.note.split_once('(').map_or("", |(_, l)| l.trim_end_matches(')'));
                let says = format!("the local rate limit of {limit} is spent: it answers with flag RL");
                out.push(Step::new(Stage::Limit, Mark::Broken, says).thing(party.filter(verdict, &s.name)).change(RAISE));
            } else if rejected && !s.name.contains("fault") {
                out.push(Step::new(Stage::Authorization, Mark::Broken, format!("{} {}", s.name, s.note)));
            } else if s.note.starts_with("delays") {
                out.push(Step::new(Stage::Route, Mark::Doubtful, s.note.clone()).change("remove `fault` from the route"));
            }
        }
        out
    }

    /// Whether a provider that looks missing may stand in a mesh configuration that was not given. Of several at one proxy none
    /// is asked, whatever it says.
    fn is_provider_unseen(&self, party: &Party<'w, 'a>, verdict: &Verdict) -> bool {
        let Some(proxy) = party.proxy.as_ref().filter(|_| party.held.is_none() && !self.model.mesh.knows_config()) else { return false };
        self.model.custom_providers(proxy, self.service_of_chain(party, &verdict.filter_chain)).len() < 2
    }

    /// Why the provider of a policy is not asked, and what to do.
    fn bad_provider(&self, party: &Party<'w, 'a>, verdict: &Verdict) -> (String, &'static str) {
        let all = party.proxy.as_ref().map(|p| self.model.custom_providers(p, self.service_of_chain(party, &verdict.filter_chain))).unwrap_or_default();
        match all.as_slice() {
            [] => ("that istiod could not use".to_owned(), "see `extensionProviders` of the mesh configuration"),
            [one] => {
                let change = "add the provider to `extensionProviders` of the mesh configuration, correct it there, or name one that it has";
                (self.model.provider(one).err().unwrap_or_else(|| "that istiod could not use".to_owned()), change)
            }
            several => {
                let says = format!("beside others ({}), and of several at one proxy istiod lets none be asked", several.join(", "));
                (says, "name the same provider in all CUSTOM policies of the proxy")
            }
        }
    }

    fn first_policy(&self, party: &Party<'w, 'a>, verdict: &Verdict) -> Option<Thing> {
        let proxy = party.proxy.as_ref()?;
        let all = self.model.policies_at(Kind::AuthorizationPolicy, proxy, self.service_of_chain(party, &verdict.filter_chain));
        let allows = |o: &&&mesh_model::Object| matches!(o.spec().map_or("", |s| s.text_of("action")), "" | "ALLOW");
        all.iter().find(allows).map(|o| Thing::whole(o))
    }

    /// What touches this request and the translation leaves out.
    /// Policies count where `judges` says so: at gateways and servers.
    pub(super) fn not_translated(&self, party: &Party<'w, 'a>, verdict: &Verdict, question: &Question, judges: bool) -> Vec<Step> {
        if party.held.is_some() {
            return Vec::new();
        }
        let Some(translation) = &party.translation else { return Vec::new() };
        let mut involved: Vec<*const mesh_model::Object> = Vec::new();
        for branch in &verdict.branches {
            involved.extend(party.cluster(&branch.cluster).iter().map(|o| std::ptr::from_ref(o.object)));
        }
        involved.extend(party.route(verdict).map(|o| std::ptr::from_ref(o.object)));
        let everywhere = [Kind::EnvoyFilter, Kind::WasmPlugin, Kind::TrafficExtension, Kind::AuthorizationPolicy, Kind::MeshConfig, Kind::MeshNetworks];
        // Whom policies ask about requests is told with the filters.
        let asks_of_bytes = judges && !question.is_http();
        let policies = party.proxy.as_ref().filter(|_| asks_of_bytes).map(|p| {
            let service = self.service_of_chain(party, &verdict.filter_chain);
            self.model.policies_at(Kind::AuthorizationPolicy, p, service)
        });
        let is_asked = |o: &mesh_model::Object| policies.iter().flatten().any(|p| std::ptr::eq(*p, o));
        let counts = |n: &crate::translate::NotJudged<'_>| match n.origin {
            Some(o) if o.object.kind == Kind::AuthorizationPolicy => n.what == OF_BYTES && is_asked(o.object),
            _ => true,
        };
        let touches = |o: &mesh_model::Object| everywhere.contains(&o.kind) || involved.contains(&std::ptr::from_ref(o));
        let of_request = translation.not_judged.iter().filter(|n| n.effect == Effect::Traffic && counts(n) && n.origin.is_none_or(|o| touches(o.object)));
        of_request
            .map(|n| {
                Step::new(Stage::Listener, Mark::NotJudged, n.what.to_string())
                    .thing(n.origin.map(|o| Thing::at(o.object, o.node)))
                    .change("give the proxy's config dump with --from")
            })
            .chain(self.tunnel(party, verdict))
            .collect()
    }

    /// Where a dump and the manifests send the request to different places.
    pub(super) fn disagreement(&self, party: &Party<'w, 'a>, call: &Call<'_>, question: &Question, verdict: &Verdict) -> Option<Step> {
        let (Some(_), Some(translation)) = (party.held, &party.translation) else { return None };
        let configuration = mesh_envoy::engine::Configuration::read(&translation.resources()).ok()?;
        // What is captured by the manifests' word may be listened for by its own: on a machine without capture.
        let entry = if call.entry == Entry::CapturedInbound { call.entry } else { entry_outbound(&configuration) };
        let call = Call { entry, connection: call.connection.clone(), request: call.request, expects: call.expects };
        let wished = walk(&configuration, &call, &question.world);
        // Where it is sent; whether an endpoint is healthy is no matter of configuration.
        let sent = |b: &Branch| if b.cluster.is_empty() { ending(&b.end) } else { String::new() };
        let clusters = |v: &Verdict| v.branches.iter().map(|b| (b.share, b.cluster.clone(), sent(b))).collect::<Vec<_>>();
        (clusters(&wished) != clusters(verdict)).then(|| {
            let list = |v: &Verdict| clusters(v).into_iter().map(|(_, c, e)| if c.is_empty() { e } else { shown(&c) }).collect::<Vec<_>>().join(" or ");
            Step::new(
                Stage::Route,
                Mark::Doubtful,
                format!("the proxy holds something else than the manifests say: {} instead of {}", list(verdict), list(&wished)),
            )
            .change("wait for the update or see why it was rejected: `meshctl proxy-status`; or the manifests are not what is applied")
        })
    }

    pub(super) fn outcome(&self, branch: &Branch, mark: Mark, says: String) -> Outcome {
        let (status, flags, details) = match &branch.end {
            End::Replied(r) => (Some(r.status), r.flags.join(","), r.details.clone()),
            End::Closed { flag, details, .. } => (None, (*flag).to_owned(), details.clone()),
            End::Forwarded | End::UpTo(_) => (None, String::new(), String::new()),
        };
        Outcome { share: branch.share, cluster: branch.cluster.clone(), server: String::new(), mark, says, status, flags, details }
    }
}

/// Where something that decides is not in the input: the proxy's own answer says nothing then.
pub(super) fn open(outcome: Outcome) -> Outcome {
    Outcome { status: None, flags: String::new(), details: String::new(), ..outcome }
}

/// What steps of policies leave open, where they do.
pub(super) fn left_open(steps: &[Step]) -> Option<String> {
    steps.iter().find(|s| s.stage == Stage::Authorization && s.mark == Mark::NotJudged).map(|s| format!("up to here: {}", s.says))
}

/// A connection that is closed by what a step says.
fn closed(step: &Step) -> Outcome {
    let says = format!("the connection is closed: {}", step.says);
    let none = String::new;
    Outcome { share: 0, cluster: none(), server: none(), mark: step.mark, says, status: None, flags: none(), details: none() }
}

/// How something ends, for comparisons: what is forwarded, and what is answered by which status.
fn ending(end: &End) -> String {
    match end {
        End::Forwarded => "forwarded".to_owned(),
        End::Replied(r) => format!("{} {}", r.status, r.details),
        End::Closed { why, .. } => (*why).to_owned(),
        End::UpTo(_) => "not known".to_owned(),
    }
}

pub(super) fn has(verdict: &Verdict, kind: StepKind) -> bool {
    verdict.steps.iter().any(|s| s.kind == kind)
}

/// A policy of RBAC as the AuthorizationPolicy that it is.
pub(super) fn policy_name(name: &str) -> String {
    PolicyName::parse(name).map_or_else(|| name.to_owned(), |n| n.to_string())
}

/// A cluster's name taken apart; of a waypoint's without the protocol that stands before the subset (`http/v1`).
pub(super) fn parsed(cluster: &str) -> Option<ClusterName<'_>> {
    let name = ClusterName::parse_any(cluster)?;
    let subset = if name.direction == "inbound-vip" { name.subset.split_once('/').map_or("", |(_, subset)| subset) } else { name.subset };
    Some(ClusterName { subset, ..name })
}

/// `reviews:9080, subset v1` of a cluster's name.
pub fn shown(cluster: &str) -> String {
    match parsed(cluster) {
        Some(c) if !c.subset.is_empty() => format!("{}:{}, subset {}", c.host, c.port, c.subset),
        Some(c) if !c.host.is_empty() => format!("{}:{}", c.host, c.port),
        _ => cluster.to_owned(),
    }
}

/// The rule behind the one that a node stands in, in `spec.http` of its object.
fn rule_behind<'a>(object: &'a mesh_model::Object, node: Node<'a>) -> Option<Node<'a>> {
    let rules: Vec<Node<'a>> = object.spec()?.list("http").collect();
    let at = rules.iter().position(|r| r.id() <= node.id() && node.id() < r.end_id())?;
    rules[at + 1..].iter().find(|r| !is_apart(node, **r)).copied()
}

/// Whether a rule is for other gateways, or for other ports, than a match is: it stands behind, but in no proxy.
fn is_apart(taken: Node<'_>, rule: Node<'_>) -> bool {
    let gateways: Vec<&str> = taken.list("gateways").map(Node::text).collect();
    let other_gateways = |m: Node<'_>| !gateways.is_empty() && m.get("gateways").is_some() && m.list("gateways").all(|g| !gateways.contains(&g.text()));
    let other_port = |m: Node<'_>| matches!((taken.get("port"), m.get("port")), (Some(a), Some(b)) if a.text() != b.text());
    let mut matches = rule.list("match").peekable();
    matches.peek().is_some() && matches.all(|m| other_gateways(m) || other_port(m))
}

/// `fault` of the rule that a match or rule is written in.
fn fault_of(node: Node<'_>) -> Option<Node<'_>> {
    let mut at = Some(node);
    for _ in 0..4 {
        let here = at?;
        if let Some(fault) = here.get("fault") {
            return Some(fault);
        }
        at = here.parent();
    }
    None
}
