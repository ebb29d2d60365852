//! The steps in a row: a call from its connection to its endpoint, with every step told and every assumption named.

mod assumed;
mod verdict;
mod words;

pub use assumed::{TokenState, World};
pub use verdict::{Branch, End, Policy, Replied, Step, StepKind, Verdict};

use crate::engine::action::{Action, Forward, Target, WeightedCluster};
use crate::engine::chain;
use crate::engine::configuration::Configuration;
use crate::engine::field::Unknown;
use crate::engine::gate::{Context, Gate, Live, Reply, Routed, Subject, denied};
use crate::engine::http::{Manager, Routes};
use crate::engine::network::Kind;
use crate::engine::pick::{Candidates, Cluster, Pick};
use crate::engine::recorder::Trace;
use crate::engine::request::{Connection, Entry, Metadata, Request};
use crate::engine::route::{Choice, RequireTls, Route, Table, VirtualHost};
use crate::engine::transport::Transport;
use assumed::Assumed;
use words::{asks_for_upgrade, described, judged};

/// A connection, and the request on it.
pub struct Call<'a> {
    pub entry: Entry,
    pub connection: Connection<'a>,
    /// `None` for bytes that are no HTTP.
    pub request: Option<Request<'a>>,
    /// The secret that a mesh client expects of the server: it takes part in mutual TLS or not at all.
    pub expects: Option<&'a str>,
}

/// Lets a call run through a configuration.
pub fn walk(configuration: &Configuration, call: &Call<'_>, world: &World) -> Verdict {
    let mut walker = Walker {
        configuration,
        call,
        trace: Trace::default(),
        live: Assumed { world, assumptions: Vec::new() },
        verdict: Verdict {
            steps: Vec::new(),
            branches: Vec::new(),
            assumptions: Vec::new(),
            listener: String::new(),
            filter_chain: String::new(),
            route_configuration: String::new(),
            virtual_host: String::new(),
            route: String::new(),
            route_index: None,
            cluster: String::new(),
            upstream_request: None,
            policy: None,
            flags: Vec::new(),
        },
    };
    if let Err(end) = walker.connection() {
        walker.end(end);
    }
    let mut verdict = walker.verdict;
    verdict.assumptions = walker.live.assumptions;
    verdict
}

struct Walker<'c, 'w, 'a> {
    configuration: &'c Configuration,
    call: &'c Call<'a>,
    trace: Trace,
    live: Assumed<'w>,
    verdict: Verdict,
}

/// A step that ends the walk says how.
type Walked<T> = Result<T, End>;

fn closed<T>(why: &'static str, flag: &'static str, details: &str) -> Walked<T> {
    Err(End::Closed { why, flag, details: details.to_owned() })
}

fn replied(status: u16, flag: &'static str, details: &str) -> End {
    End::Replied(Replied { status, flags: if flag.is_empty() { Vec::new() } else { vec![flag] }, details: details.to_owned(), location: None })
}

/// The status of an answer of the proxy's own: those to gRPC clients carry theirs in a header.
fn own_status(call: &Call<'_>, status: u16) -> u16 {
    if call.request.as_ref().is_some_and(Request::is_grpc) { 200 } else { status }
}

fn up_to(u: &Unknown) -> End {
    End::UpTo(u.clone())
}

impl<'c, 'a> Walker<'c, '_, 'a> {
    fn step(&mut self, kind: StepKind, name: &str, source: &str, note: String) {
        let (passed, policy) = (self.trace.take(), self.trace.take_policy());
        self.verdict.steps.push(Step { kind, name: name.to_owned(), source: source.to_owned(), note, passed, policy });
    }
    fn end(&mut self, mut end: End) {
        if let End::Replied(reply) = &mut end {
            let raised = std::mem::take(&mut self.verdict.flags);
            reply.flags.splice(0..0, raised);
            reply.status = own_status(self.call, reply.status);
        }
        self.verdict.branches.push(Branch { share: 1_000_000, cluster: String::new(), source: String::new(), end, endpoints: Vec::new(), transport: None });
    }

    fn connection(&mut self) -> Walked<()> {
        let connection = &self.call.connection;
        let chosen = self.configuration.listeners.choose(self.call.entry, connection.destination, &mut self.trace);
        // One that can't be read may be the one that listens there.
        if let Some(u) = self.configuration.unreadable_listeners.first().filter(|_| chosen.is_none_or(|l| l.hands_off)) {
            return Err(up_to(u));
        }
        let Some(listener) = chosen else {
            self.step(StepKind::Listener, "", "", format!("nothing listens on {}", connection.destination));
            if self.configuration.missing.contains(&"listeners") {
                return Err(End::UpTo(Unknown { path: "listeners".to_owned(), what: "not in the input".to_owned() }));
            }
            return closed("no listener", "", "");
        };
        self.verdict.listener = listener.name.to_string();
        self.step(StepKind::Listener, &listener.name, "", format!("takes connections to {}", connection.destination));
        if let Some(u) = listener.unknown() {
            return Err(up_to(u));
        }
        let inspected = listener.inspect(connection).map_err(up_to)?;
        let mut found = vec![inspected.transport.to_owned()];
        if !inspected.server_name.is_empty() {
            found.push(format!("server name {}", inspected.server_name));
        }
        if !inspected.application.is_empty() {
            found.push(inspected.application.join(", "));
        }
        self.step(StepKind::Inspectors, "", "", found.join("; "));
        let subject = chain::Subject { connection, inspected: &inspected };
        let chain = match listener.chains().choose(subject, &mut self.trace) {
            chain::Choice::Chain(chain) => chain,
            chain::Choice::Unknown(u) => return Err(up_to(u)),
            chain::Choice::None => {
                self.step(StepKind::FilterChain, "", "", "no filter chain matches".to_owned());
                return closed("no filter chain", "NR", "filter_chain_not_found");
            }
            chain::Choice::Ambiguous(a, b) => {
                self.step(StepKind::FilterChain, "", "", format!("{} and {} match the same: Envoy refuses such a listener", a.name, b.name));
                return closed("multiple filter chains", "", "");
            }
        };
        self.verdict.filter_chain = chain.name.to_string();
        self.step(StepKind::FilterChain, &chain.name, &chain.source, String::new());
        let terminated = self.transport(&chain.transport)?;
        self.network(chain, terminated)
    }

    /// Whether TLS ends here.
    fn transport(&mut self, transport: &Transport) -> Walked<bool> {
        let client = self.call.connection.tls.as_ref();
        let tls = match (transport, client) {
            (Transport::Unknown(u), _) => return Err(up_to(u)),
            (Transport::Plaintext, _) => return Ok(false),
            (Transport::Tls(_), None) => {
                self.step(StepKind::Transport, "TLS", "", "the chain wants TLS, the client speaks plaintext".to_owned());
                return closed("invalid TLS", "", "");
            }
            (Transport::Tls(tls), Some(_)) => tls,
        };
        let certificate = client.and_then(|c| c.certificate.as_ref());
        let refused = if tls.requires_client_certificate && certificate.is_none() {
            Some("the chain wants a client certificate, the client shows none")
        } else if self.call.expects.is_some_and(|e| !tls.requires_client_certificate || *e != *tls.secret) {
            Some("the client expects mutual TLS with another certificate than the server shows")
        } else if certificate.is_some_and(|c| !tls.client_names.is_empty() && !c.names.iter().any(|n| tls.client_names.iter().any(|m| m.matches(n).is_yes()))) {
            Some("the client's certificate has none of the names that the chain accepts")
        } else {
            None
        };
        if let Some(why) = refused {
            self.step(StepKind::Transport, "TLS", "", why.to_owned());
            return closed("invalid mutual TLS", "", "");
        }
        let kind = if tls.requires_client_certificate { "mutual TLS" } else { "TLS" };
        self.step(StepKind::Transport, kind, "", format!("ends here, with secret {}", if tls.secret.is_empty() { "in place" } else { &tls.secret }));
        Ok(true)
    }

    fn network(&mut self, chain: &'c chain::FilterChain, terminated: bool) -> Walked<()> {
        let mut connection = self.call.connection.clone();
        if let Some(tls) = connection.tls.as_mut().filter(|_| !terminated) {
            // Nobody here has seen what is inside.
            tls.certificate = None;
            tls.passed_through = true;
        }
        let mut server_name_cluster = false;
        for filter in &chain.filters {
            match &filter.kind {
                Kind::Transparent => {}
                Kind::Unknown(u) => return Err(up_to(u)),
                Kind::ClusterOfServerName => server_name_cluster = true,
                Kind::RateLimit => {
                    self.step(StepKind::NetworkFilter, &filter.name, "", String::new());
                    let (limiter, name) = (&mut self.live, &filter.name);
                    if !limiter.has_token(name, None) {
                        return closed("limited", "RL", "");
                    }
                }
                Kind::ExtAuthz(service) => {
                    self.live.assume(format!("{service} lets the connection through"));
                    self.step(StepKind::NetworkFilter, &filter.name, "", format!("asks {service}"));
                }
                Kind::Rbac(rbac) => {
                    let metadata = Metadata::default();
                    let subject = Subject { connection: &connection, request: None, remote: connection.source.ip(), metadata: &metadata };
                    let (decision, _) = rbac.decide(&subject, &mut self.trace).map_err(up_to)?;
                    self.step(StepKind::NetworkFilter, &filter.name, "", judged(decision));
                    if !decision.allowed {
                        return closed("denied", "", &denied(decision.policy));
                    }
                }
                Kind::Http(manager) => {
                    let clear = connection.tls.is_none() || terminated;
                    return match &self.call.request {
                        Some(request) if clear => self.http(manager, request, &connection, terminated),
                        _ => {
                            self.step(StepKind::NetworkFilter, &filter.name, "", "the chain speaks HTTP, the client does not".to_owned());
                            closed("protocol error", "DPE", "http1.codec_error")
                        }
                    };
                }
                Kind::Tcp(target) => {
                    let by_name = self.call.connection.tls.as_ref().map_or("", |t| t.server_name);
                    let named = Target::Cluster(by_name.into());
                    self.step(StepKind::NetworkFilter, &filter.name, "", "forwards bytes".to_owned());
                    let target = if server_name_cluster { &named } else { target };
                    let clusters = self.clusters(target, None);
                    for (name, share) in clusters {
                        let branch = self.branch(&name, share, None);
                        self.verdict.branches.push(branch);
                    }
                    return Ok(());
                }
            }
        }
        closed("no filter forwards the connection", "", "")
    }

    fn http(&mut self, manager: &'c Manager, original: &Request<'a>, connection: &Connection<'_>, terminated: bool) -> Walked<()> {
        if let Some(u) = manager.unknown() {
            return Err(up_to(u));
        }
        let (host, path) = match manager.prepare(original, connection) {
            Ok(prepared) => prepared,
            Err(Reply { status, flag, details }) => {
                self.step(StepKind::Request, "", "", format!("refused: {details}"));
                return Err(replied(status, flag, &details));
            }
        };
        if *path != *original.path || *host != *original.authority {
            self.step(StepKind::Request, "", "", format!("put in order: {host}{path}"));
        }
        let scheme = if terminated { "https" } else { "http" };
        let scheme = original.header("x-forwarded-proto", 0).filter(|p| manager.trusts_forwarded() && matches!(*p, "http" | "https")).unwrap_or(scheme);
        let request = Request { scheme, authority: &host, path: &path, ..*original };
        let table = match &manager.routes {
            Routes::Inline(table) => &**table,
            Routes::Unknown(u) => return Err(up_to(u)),
            Routes::Named(name) => {
                self.verdict.route_configuration = name.to_string();
                match self.configuration.routes.get(name) {
                    Some(table) => table,
                    None => match self.configuration.unreadable_routes.get(name) {
                        Some(u) => return Err(up_to(u)),
                        None if self.configuration.missing.contains(&"routes") => {
                            return Err(End::UpTo(Unknown { path: format!("routes {name}"), what: "not in the input".to_owned() }));
                        }
                        None => {
                            self.step(StepKind::RouteConfiguration, name, "", "the proxy does not hold it".to_owned());
                            return Err(replied(404, "NR", "route_not_found"));
                        }
                    },
                }
            }
        };
        self.verdict.route_configuration = table.name.to_string();
        self.step(StepKind::RouteConfiguration, &table.name, "", String::new());
        let random = self.live.world.random.unwrap_or(0);
        let (host, route) = self.choose_route(table, &request, connection, random)?;
        self.filters(manager, table, host, route, &request, connection, random)
    }

    /// The virtual host and the route; none of either is an answer too, that filters get to see first.
    fn choose_route(
        &mut self,
        table: &'c Table,
        request: &Request<'_>,
        connection: &Connection<'_>,
        random: u64,
    ) -> Walked<(Option<&'c VirtualHost>, Option<&'c Route>)> {
        let host = match table.virtual_host(request.authority, &mut self.trace) {
            Choice::Unknown(u) => return Err(up_to(u)),
            Choice::None => {
                self.step(StepKind::VirtualHost, "", "", format!("no virtual host has a domain that matches `{}`", request.authority));
                return Ok((None, None));
            }
            Choice::Found(host) => host,
        };
        self.verdict.virtual_host = host.name.to_string();
        self.step(StepKind::VirtualHost, &host.name, &host.source, String::new());
        if host.require_tls != RequireTls::No && request.scheme != "https" {
            return Ok((Some(host), None));
        }
        match table.route(host, request, connection, random, &mut self.trace) {
            Choice::Unknown(u) => Err(up_to(u)),
            Choice::None => {
                self.step(StepKind::Route, "", "", "no route of the virtual host matches".to_owned());
                Ok((Some(host), None))
            }
            Choice::Found(route) => {
                self.verdict.route = route.name.to_string();
                self.verdict.route_index = Some(route.index);
                let name = if route.name.is_empty() { format!("route {}", route.index) } else { route.name.to_string() };
                self.step(StepKind::Route, &name, &route.source, route.conditions());
                Ok((Some(host), Some(route)))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a filter may look at, found in the steps before")]
    fn filters(
        &mut self,
        manager: &'c Manager,
        table: &'c Table,
        host: Option<&'c VirtualHost>,
        route: Option<&'c Route>,
        request: &Request<'_>,
        connection: &Connection<'_>,
        random: u64,
    ) -> Walked<()> {
        let forward = route.and_then(|r| if let Action::Forward(f) = &r.action { Some(&**f) } else { None });
        if request.is_connect() && route.is_none() {
            self.step(StepKind::Request, "", "", "CONNECT, and no route matches".to_owned());
            return Err(replied(404, "NR", "route_not_found"));
        }
        let upgrade = if request.is_connect() { Some("connect") } else { request.header("upgrade", 0).filter(|_| asks_for_upgrade(request)) };
        if let Some(protocol) = upgrade
            && !manager.allows_upgrade(protocol, forward.map_or(&[], |f| &f.upgrades))
        {
            self.step(StepKind::Request, "", "", format!("an upgrade to {protocol} is not allowed here"));
            return Err(replied(403, "", "upgrade_failed"));
        }
        let target = forward.and_then(|f| f.target.choose(request, random));
        let cluster = target.map_or("", |(name, _)| name).to_owned();
        self.verdict.cluster.clone_from(&cluster);
        let mut scopes = Vec::new();
        if let (Some(host), Some(route)) = (host, route) {
            scopes.extend(target.and_then(|(_, own)| own));
            scopes.extend([&route.overrides, &host.overrides, &table.overrides]);
        }
        let wants_tls = host.is_some_and(|h| h.require_tls != RequireTls::No) && request.scheme != "https";
        let routed = match (forward, route.is_some() || wants_tls) {
            (Some(_), _) => Routed::Forwarded,
            (None, true) => Routed::Answered,
            (None, false) => Routed::Nowhere,
        };
        let remote = manager.remote_address(connection, request.headers);
        let mut metadata = Metadata::default();
        let limits = host.zip(route).and_then(|(host, route)| host.limits(route));
        for filter in &manager.filters {
            if filter.is_router() {
                return self.act(host, route, request, random);
            }
            let mut context = Context { request, connection, remote, metadata: &mut metadata, scopes: &scopes, cluster: &cluster, routed, limits };
            let mut gate = filter.gate(&mut context, &mut self.live, &mut self.trace);
            if let Gate::Ask(question) = gate {
                let answer = self.live.world.outside;
                self.live.assume(format!("{} answers the question for {} with: {answer:?}", question.service, question.what()));
                gate = question.answered(answer);
            }
            let limit = filter.limit(&scopes);
            match gate {
                Gate::Continue if limit.is_some() => {
                    let note = limit.map_or_else(String::new, |l| format!("limits: {l}, then {} with flag RL", l.status));
                    self.step(StepKind::HttpFilter, &filter.name, "", note);
                }
                Gate::Continue => {
                    let (passed, policy) = (self.trace.take(), self.trace.take_policy());
                    let is_silent = filter.is_transparent() || (passed.is_empty() && policy.is_empty());
                    if !is_silent {
                        self.verdict.steps.push(Step {
                            kind: StepKind::HttpFilter,
                            name: filter.name.to_string(),
                            source: String::new(),
                            note: "lets the request on".to_owned(),
                            passed,
                            policy,
                        });
                    }
                }
                Gate::Delay(delay) => {
                    self.verdict.flags.push("DI");
                    self.step(StepKind::HttpFilter, &filter.name, "", format!("delays the request by {delay:?}"));
                }
                Gate::Reply(Reply { status, flag, details }, delay) => {
                    if delay.is_some() {
                        self.verdict.flags.push("DI");
                    }
                    let limited = limit.map_or_else(String::new, |l| format!(" ({l})"));
                    self.step(StepKind::HttpFilter, &filter.name, "", format!("answers {status}: {details}{limited}"));
                    return Err(replied(status, flag, &details));
                }
                Gate::Unknown(u) => return Err(up_to(u)),
                Gate::Ask(_) => return closed("a question without an answer", "", ""),
            }
        }
        closed("no filter forwards the request", "", "")
    }

    /// What the router does with the route.
    fn act(&mut self, host: Option<&'c VirtualHost>, route: Option<&'c Route>, request: &Request<'_>, random: u64) -> Walked<()> {
        let requires_tls = host.is_some_and(|h| h.require_tls != RequireTls::No) && request.scheme != "https";
        if requires_tls {
            self.step(StepKind::Action, "redirect to TLS", "", "the virtual host wants TLS".to_owned());
            let location = Some(format!("https://{}{}", request.authority, request.path));
            return Err(End::Replied(Replied { status: 301, flags: Vec::new(), details: "direct_response".to_owned(), location }));
        }
        let Some(route) = route else { return Err(replied(404, "NR", "route_not_found")) };
        match &route.action {
            Action::Unknown(u) => Err(up_to(u)),
            Action::Nothing => Err(replied(404, "NR", "route_not_found")),
            Action::Direct { status } => {
                self.step(StepKind::Action, "direct response", &route.source, format!("answers {status}"));
                Err(replied(*status, "", "direct_response"))
            }
            Action::Redirect(redirect) => {
                let location = redirect.location(request);
                self.step(StepKind::Action, "redirect", &route.source, format!("answers {} with {location}", redirect.status));
                Err(End::Replied(Replied { status: redirect.status, flags: Vec::new(), details: "direct_response".to_owned(), location: Some(location) }))
            }
            Action::Forward(forward) => {
                self.forward(forward, route, request, random);
                Ok(())
            }
        }
    }

    fn forward(&mut self, forward: &'c Forward, route: &'c Route, request: &Request<'_>, random: u64) {
        let clusters = self.clusters(&forward.target, Some((request, random)));
        let host = forward.rewrite.host(request).to_owned();
        self.verdict.upstream_request = Some((host, forward.rewrite.path(request)));
        self.verdict.policy = Some(Policy { timeout: forward.timeout, retry: forward.retry.clone(), mirrors: forward.mirrors.clone() });
        let note = described(forward, &clusters, self.verdict.upstream_request.as_ref(), request);
        self.step(StepKind::Action, "forward", &route.source, note);
        for (name, share) in &clusters {
            let branch = self.branch(name, *share, Some(forward));
            self.verdict.branches.push(branch);
        }
        if clusters.is_empty() {
            self.end(replied(forward.not_found, "NC", "cluster_not_found"));
        }
    }

    /// The clusters of a target with their shares in a million: all of them where no random number is given.
    fn clusters(&mut self, target: &Target, request: Option<(&Request<'_>, u64)>) -> Vec<(String, u64)> {
        let one = |name: Option<&str>| name.map(|n| (n.to_owned(), 1_000_000)).into_iter().collect();
        let header = |h: &str| request.and_then(|(r, _)| r.header(h, 0));
        match target {
            Target::Cluster(name) => one(Some(name)),
            Target::Header(h) => one(header(h)),
            Target::Weighted(weighted) => {
                let name = |c: &WeightedCluster| c.name.as_deref().or_else(|| header(&c.header)).map(str::to_owned);
                if let Some(chosen) = weighted.choose(request.map(|(r, _)| r), self.live.world.random) {
                    return one(name(chosen).as_deref());
                }
                let total: u64 = weighted.clusters.iter().map(|c| c.weight).sum();
                let share = |w: u64| (w * 1_000_000).checked_div(total).unwrap_or(0);
                weighted.clusters.iter().filter(|c| c.weight > 0).filter_map(|c| Some((name(c)?, share(c.weight)))).collect()
            }
        }
    }

    fn branch(&mut self, name: &str, share: u64, forward: Option<&Forward>) -> Branch {
        let mut branch = Branch { share, cluster: name.to_owned(), source: String::new(), end: End::Forwarded, endpoints: Vec::new(), transport: None };
        let end = |status: u16, flag: &'static str, details: &str, raised: &[&'static str]| {
            let mut end = replied(status, flag, details);
            if let End::Replied(reply) = &mut end {
                reply.flags.splice(0..0, raised.iter().copied());
                reply.status = own_status(self.call, reply.status);
            }
            end
        };
        let is_http = forward.is_some();
        let Some(cluster) = self.configuration.clusters.get(name) else {
            if self.configuration.missing.contains(&"clusters") {
                branch.end = End::UpTo(Unknown { path: format!("cluster {name}"), what: "not in the input".to_owned() });
                return branch;
            }
            self.step(StepKind::Cluster, name, "", "the proxy does not hold it".to_owned());
            branch.end = match forward {
                Some(f) => end(f.not_found, "NC", "cluster_not_found", &self.verdict.flags),
                None => End::Closed { why: "no cluster", flag: "NC", details: "cluster_not_found".to_owned() },
            };
            return branch;
        };
        branch.source = cluster.source.to_string();
        self.step(StepKind::Cluster, name, &cluster.source, String::new());
        if let Some(field) = cluster.closed_by {
            self.live.assume(format!("the circuit breaker {field} of {name}, which is 0, is not raised elsewhere"));
            branch.end = match is_http {
                true => end(503, "UO", "upstream_reset_before_response_started{overflow}", &self.verdict.flags),
                false => End::Closed { why: "overflow", flag: "UO", details: String::new() },
            };
            return branch;
        }
        self.endpoints(cluster, forward, &mut branch);
        branch
    }

    fn endpoints(&mut self, cluster: &Cluster, forward: Option<&Forward>, branch: &mut Branch) {
        match cluster.pick(&self.configuration.assignments, forward.and_then(|f| f.subset.as_deref())) {
            Pick::OriginalDestination => {
                let destination = self.call.connection.destination.to_string();
                self.step(StepKind::Endpoint, &destination, "", "where the connection wanted to go".to_owned());
                branch.endpoints.push((destination, 1_000_000));
                branch.transport = Some(cluster.transport(None).clone());
            }
            Pick::NotSeen(why) => self.live.assume(format!("{} has an endpoint that answers: {why}", cluster.name)),
            Pick::Among(Candidates { list, passed_over, panics }) => {
                if list.is_empty() {
                    let reason =
                        passed_over.first().map_or("it has no endpoint".to_owned(), |(_, why)| format!("of {} none will do: {why}", passed_over.len()));
                    self.step(StepKind::Endpoint, "", "", reason);
                    branch.end = match forward {
                        Some(_) => {
                            let mut flags = self.verdict.flags.clone();
                            flags.push("UH");
                            End::Replied(Replied { status: own_status(self.call, 503), flags, details: "no_healthy_upstream".to_owned(), location: None })
                        }
                        None => End::Closed { why: "no endpoint", flag: "UH", details: "no_healthy_upstream".to_owned() },
                    };
                    return;
                }
                branch.transport = list.first().map(|(e, _)| cluster.transport(Some(e)).clone());
                branch.endpoints = list.iter().map(|(e, share)| (e.address.to_string(), *share)).collect();
                let names: Vec<String> = list.iter().map(|(e, _)| e.address.to_string()).collect();
                let note = if panics { "too few are healthy: health is ignored" } else { "" };
                self.step(StepKind::Endpoint, &names.join(", "), "", note.to_owned());
            }
        }
    }
}
