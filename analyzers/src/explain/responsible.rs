//! Which objects are behind the lines of a group, by what the proxy that logged them holds.

use super::log::{Case, Group};
use super::proxy::{Chain, Proxy, RouteFacts, services_of};
use mesh_envoy::Direction;
use mesh_envoy::matcher::Truth;
use mesh_envoy::rbac::{Action, Fact, PolicyName, Request, Ruling, Trace};
use mesh_envoy::response_code_details::Details;
use mesh_envoy::response_flags;
use std::collections::BTreeSet;

/// What the proxy's configuration says of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Responsible {
    /// `VirtualService bookinfo/reviews`, `AuthorizationPolicy ns/name, rule 0`; sorted.
    pub objects: BTreeSet<String>,
    /// What is seen in the dump: timeouts, limits, endpoints, conditions that failed.
    pub facts: Vec<String>,
}

impl Responsible {
    /// Whether the dump says nothing about it.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.facts.is_empty()
    }
    fn fact(&mut self, text: String) {
        if !self.facts.contains(&text) {
            self.facts.push(text);
        }
    }
}

/// More facts than these tire.
const MOST_FACTS: usize = 12;

pub fn responsible(proxy: &Proxy, group: &Group) -> Responsible {
    let mut out = Responsible::default();
    let details = Details::parse(&group.details);
    let flags: Vec<&str> = group.flags.split(',').filter_map(|f| response_flags::find(f.trim()).map(|f| f.short)).collect();
    let has = |f: &str| flags.contains(&f);
    for case in &group.cases {
        match details.name {
            "rbac_access_denied_matched_policy" => policies(proxy, case, details.reason, &mut out),
            "filter_chain_not_found" => connection(proxy, case, &mut out),
            "route_not_found" | "route_configuration_not_found" => no_route(proxy, case, &mut out),
            "local_rate_limited" => rate_limit(proxy, case, &mut out),
            "jwt_authn_access_denied" => filter(proxy, case, "envoy.filters.http.jwt_authn", "RequestAuthentication", &mut out),
            "ext_authz_denied" | "ext_authz_error" => filter(proxy, case, "envoy.filters.http.ext_authz", "AuthorizationPolicy with action CUSTOM", &mut out),
            _ => routes(proxy, group, case, &mut out),
        }
        if details.name.starts_with("http1.") || details.name == "low_version" || has("DPE") {
            listener(proxy, case, &mut out);
        }
    }
    if !group.cluster.is_empty() {
        cluster(proxy, group, &flags, &mut out);
    }
    out.facts.truncate(MOST_FACTS);
    out
}

/// The request of a line as RBAC sees it. What the line does not tell is not known.
pub fn request(case: &Case, chain: &Chain) -> Request {
    let mut r = Request { destination_port: case.port().map_or(Fact::Unknown, Fact::Is), ..Request::default() };
    if chain.is_http {
        for (name, value) in [(":method", &case.method), (":authority", &case.authority), (":path", &case.path)] {
            if !value.is_empty() {
                r.headers.insert(name.to_owned(), value.clone());
            }
        }
    }
    r.source_ip = case.source.parse().map_or(Fact::Unknown, Fact::Is);
    r.destination_ip = case.address.rsplit_once(':').and_then(|(ip, _)| ip.trim_matches(['[', ']']).parse().ok()).map_or(Fact::Unknown, Fact::Is);
    if !case.peer.is_empty() {
        r.peer = Fact::Is(case.peer.split(',').map(str::to_owned).collect());
    }
    if !case.server_name.is_empty() {
        r.server_name = Fact::Is(case.server_name.clone());
    }
    r
}

fn policies(proxy: &Proxy, case: &Case, reason: &str, out: &mut Responsible) {
    if let Some(name) = PolicyName::parse(reason) {
        out.objects.insert(name.to_string());
    }
    for chain in proxy.chains_of(case.port()).into_iter().filter(|c| c.is_http) {
        for filter in chain.rbac.iter().filter(|f| !f.disabled) {
            let Ruling::Rules(rules) = &filter.filter.rules else { continue };
            let mut trace = Trace::default();
            let decision = rules.decide(&request_for(case, chain), &mut trace);
            for step in &trace.steps {
                let Some(name) = PolicyName::parse(step.policy()) else { continue };
                match rules.action {
                    Action::Deny if step.policy() == reason => out.fact(format!("{name} (DENY) matches")),
                    Action::Allow if reason == "none" && decision.allowed != Truth::Yes => {
                        out.objects.insert(format!("AuthorizationPolicy {}/{}", name.namespace, name.name));
                        for f in step.failures() {
                            out.fact(format!("{name} (ALLOW) wants: {}; found: {}", f.wanted, f.found));
                        }
                    }
                    _ => {}
                }
            }
            if reason == "none" && rules.action == Action::Allow && rules.policies.is_empty() {
                out.fact("an ALLOW policy without rules lets nothing pass (the dump has no name for it)".to_owned());
            }
        }
    }
}

fn request_for(case: &Case, chain: &Chain) -> Request {
    let mut r = request(case, chain);
    // Headers beyond those in the log are not known; those asked for by policies are rarely others.
    r.unknown_headers = ["authorization", "cookie", "host", "x-forwarded-client-cert", "user-agent"].map(str::to_owned).to_vec();
    r
}

fn connection(proxy: &Proxy, case: &Case, out: &mut Responsible) {
    let Some(port) = case.port() else { return };
    let chains = proxy.chains_of(Some(port));
    if chains.is_empty() {
        return out.fact(format!("no filter chain of the proxy is for port {port}"));
    }
    let names: BTreeSet<&str> = chains.iter().flat_map(|c| c.server_names.iter().map(String::as_str)).collect();
    let sni = if case.server_name.is_empty() { "none".to_owned() } else { case.server_name.clone() };
    if chains.iter().all(|c| c.tls && c.mutual) {
        out.fact(format!(
            "port {port} takes mutual TLS only: all {} filter chains of listener {} want it, so PeerAuthentication is STRICT there",
            chains.len(),
            chains[0].listener
        ));
    } else if !names.is_empty() {
        out.fact(format!("port {port} takes the SNI {}; the connection's was {sni}", names.into_iter().collect::<Vec<_>>().join(", ")));
    } else if chains.iter().all(|c| c.tls) {
        out.fact(format!("port {port} takes TLS only: all {} filter chains of listener {} want it", chains.len(), chains[0].listener));
    } else {
        out.fact(format!("port {port} has {} filter chains, with and without TLS: the connection's protocol or SNI ({sni}) fits none", chains.len()));
    }
}

fn no_route(proxy: &Proxy, case: &Case, out: &mut Responsible) {
    let hosts = proxy.hosts_of(&case.authority, case.port());
    if hosts.is_empty() {
        let mut near: Vec<&str> = proxy.hosts.iter().flat_map(|h| h.domains.iter().map(String::as_str)).collect();
        near.sort_unstable();
        near.dedup();
        let meant = crate::spelling::nearest(case.authority.split(':').next().unwrap_or(""), near.iter().copied());
        let meant = meant.map_or(String::new(), |m| format!("; is {m} meant?"));
        return out.fact(format!("no virtual host has the authority {}{meant}", case.authority));
    }
    let routes: Vec<&RouteFacts> = hosts.iter().flat_map(|h| &h.routes).collect();
    out.objects.extend(routes.iter().filter_map(|r| r.object.clone()));
    let matches: BTreeSet<&str> = routes.iter().map(|r| r.matches.as_str()).collect();
    let taken = routes.iter().any(|r| r.takes_path(&case.path));
    let list = matches.into_iter().take(6).collect::<Vec<_>>().join(", ");
    out.fact(if routes.is_empty() {
        format!("the virtual host of {} has no route", case.authority)
    } else if taken {
        format!(
            "the virtual host of {} has a route for the path {}, with conditions on headers, method or query that the request does not meet",
            case.authority, case.path
        )
    } else {
        format!("the virtual host of {} has no route for the path {}: it has {list}", case.authority, case.path)
    });
}

fn rate_limit(proxy: &Proxy, case: &Case, out: &mut Responsible) {
    for chain in proxy.chains_of(case.port()) {
        if let Some(limit) = &chain.rate_limit {
            out.objects.insert("an EnvoyFilter (the dump does not name it)".to_owned());
            out.fact(format!("envoy.filters.http.local_ratelimit in listener {}: {limit}", chain.listener));
        }
    }
}

fn filter(proxy: &Proxy, case: &Case, name: &str, object: &str, out: &mut Responsible) {
    for chain in proxy.chains_of(case.port()).into_iter().filter(|c| c.filters.iter().any(|f| f == name)) {
        out.objects.insert(format!("{object} (the dump does not name it)"));
        out.fact(format!("{name} stands in listener {}", chain.listener));
    }
}

fn listener(proxy: &Proxy, case: &Case, out: &mut Responsible) {
    let Some(port) = case.port() else { return };
    for chain in proxy.chains_of(Some(port)) {
        let kind = if chain.is_http { "HTTP" } else { "TCP" };
        let tls = if chain.tls { "with TLS" } else { "in plaintext" };
        out.fact(format!("listener {}, port {port}: {kind} {tls}", chain.listener));
    }
}

/// The routes that a request can have taken: by name, host, path and cluster, as far as each is known.
fn routes(proxy: &Proxy, group: &Group, case: &Case, out: &mut Responsible) {
    if matches!(Direction::of(&group.cluster), Direction::Inbound | Direction::InboundPassthrough) {
        return;
    }
    let missing = group.details == "cluster_not_found" || response_flags::find(&group.flags).is_some_and(|f| f.short == "NC");
    let leads = |r: &&RouteFacts| {
        if group.cluster.is_empty() { !missing || r.clusters.iter().any(|c| !proxy.clusters.contains_key(c)) } else { r.clusters.contains(&group.cluster) }
    };
    let hosts = proxy.hosts_of(&case.authority, case.port());
    let all: Vec<&RouteFacts> =
        if hosts.is_empty() { proxy.hosts.iter().flat_map(|h| &h.routes).collect() } else { hosts.iter().flat_map(|h| &h.routes).collect() };
    let fits = |r: &&RouteFacts| (case.route.is_empty() || r.name == case.route) && (case.path.is_empty() || r.takes_path(&case.path)) && leads(r);
    let mut found: Vec<&RouteFacts> = all.into_iter().filter(fits).collect();
    if group.details == "direct_response" {
        found.retain(|r| r.answers);
    }
    // The first match counts; before it only what has further conditions can have been passed over.
    if let Some(first) = found.iter().position(|r| !r.is_conditional()) {
        found.truncate(first + 1);
    }
    for r in found {
        out.objects.extend(r.object.clone());
        let name = if r.name.is_empty() { r.matches.clone() } else { format!("{} ({})", r.name, r.matches) };
        if !r.notes.is_empty() {
            out.fact(format!("route {name}: {}", r.notes.join("; ")));
        }
        for c in r.clusters.iter().filter(|c| !proxy.clusters.contains_key(*c)) {
            out.fact(format!("route {name} leads to {c}, which the proxy does not have"));
        }
    }
}

fn cluster(proxy: &Proxy, group: &Group, flags: &[&str], out: &mut Responsible) {
    let name = &group.cluster;
    let facts = proxy.clusters.get(name);
    let services = services_of(name, facts).join(", ");
    let Some(facts) = facts else {
        return out.fact(format!("the proxy has no cluster {name} (any more)"));
    };
    let is_inbound = matches!(Direction::of(name), Direction::Inbound | Direction::InboundPassthrough);
    if is_inbound {
        out.fact(format!("{name} is this workload itself{}", if services.is_empty() { String::new() } else { format!(", service {services}") }));
        return;
    }
    let has = |f: &str| flags.contains(&f);
    let about_cluster = ["UO", "UH", "UF", "UC", "UR", "UPE", "DF"].iter().any(|f| has(f));
    if about_cluster {
        out.objects.extend(facts.object.clone());
    }
    if has("UO") {
        out.fact(format!("limits of {name}: {}", if facts.limits.is_empty() { "none" } else { &facts.limits }));
    }
    if has("UH") {
        match proxy.endpoints.as_ref().map(|e| e.get(name).copied().unwrap_or((0, 0))) {
            None => out.fact("the dump has no endpoints: take it with ?include_eds".to_owned()),
            Some((_, 0)) => out.fact(format!("{name} has no endpoint at all")),
            Some((healthy, all)) => {
                let ejected = if facts.outlier { "; outlier detection can have ejected them" } else { "" };
                out.fact(format!("{name} has {all} endpoints, {healthy} healthy by the control plane{ejected}"));
            }
        }
    }
    if has("UF") || has("UC") {
        out.fact(format!("TLS of {name}: {}", facts.tls));
    }
    if group.details == "via_upstream" {
        out.fact(format!("the answer came from {services}"));
    }
}
