//! Who may call a workload: every identity of the mesh asked of its policies, with what is not given left open. An answer
//! is therefore "always", "never", or under conditions, which are printed. Pure.

mod before;
mod unlisted;

use crate::ambient::ztunnel::{self, Connection, Decision, Peer, Ztunnel};
use crate::injection::InMesh;
use crate::peer_authentication::{Effective, MtlsMode};
use crate::translate::{Interception, Layer, Model, PEER_PRINCIPAL};
use crate::why::Thing;
use crate::workload::Workload;
use before::Ways;
use mesh_envoy::matcher::Truth;
use mesh_envoy::rbac::{Action, Fact, Filter, PolicyName, Request, Ruling, Trace};
use mesh_model::{Kind, Object, Role};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use unlisted::Unlisted;

/// What is asked for; what is `None` is left open.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: Option<String>,
    /// Without its query.
    pub path: Option<String>,
    pub host: Option<String>,
    /// Header names in lower case; with a method, headers that are not here are absent.
    pub headers: BTreeMap<String, String>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// A SPIFFE id without its scheme.
    Identity(Arc<str>),
    /// Over mutual TLS, as somebody that the input does not hold.
    AnyIdentity,
    /// Without mutual TLS, and so without an identity.
    Anybody,
}

/// Whether, and under which conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum May {
    Always,
    /// All of these hold.
    If(Vec<Condition>),
    Never(Cow<'static, str>),
}

/// Something that is not given and decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// `ALLOW AuthorizationPolicy shop/cart, rule 0`.
    pub rule: String,
    /// What the rule wants: `path starts with /api`.
    pub wants: String,
    pub thing: Option<Thing>,
}

/// The answer for one port of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub workload: String,
    pub namespace: String,
    pub port: u16,
    pub mode: MtlsMode,
    /// The PeerAuthentication that sets the mode.
    pub mode_by: Option<Thing>,
    /// AuthorizationPolicies that are for it.
    pub policies: Vec<Thing>,
    pub callers: Vec<(Caller, May)>,
    /// What touches the answer and is not judged.
    pub not_judged: Vec<String>,
}

/// What a port of a workload enforces, ready to be asked.
pub struct Authorizer<'a> {
    filters: Vec<Filter>,
    port: u16,
    mode: MtlsMode,
    is_http: bool,
    /// What judges instead of filters, in ambient mode.
    ztunnel: Option<Ztunnel<'a>>,
    /// Waypoints that judge who is in the mesh: ztunnel sees their identity then.
    ways: Ways,
}

impl<'a> Authorizer<'a> {
    /// Of a workload by its id, at a port of its own. HTTP policies count where HTTP is asked for and the port is not
    /// declared as bytes.
    pub fn of(model: &Model<'_, 'a>, workload: u32, port: u16, asks_http: bool) -> Authorizer<'a> {
        let w = model.mesh.workloads.get(workload);
        let services = model.mesh.services.selecting(w);
        let of_service = services.iter().find_map(|s| s.ports.iter().find(|p| p.of_workload(w) == Some(port)).map(|p| s.protocol(p)));
        let is_http = of_service.map_or(asks_http, |p| p.is_http() || (asks_http && !p.is_tcp()));
        let layer = if is_http { Layer::Http } else { Layer::Tcp };
        let proxy = model.proxy_of(workload);
        let filters = model.rbac_of(&proxy, layer, None).iter().map(Filter::compile).collect();
        let mode = mode_of(model, w, port).mode;
        let ztunnel = (model.mesh.in_mesh(w) == InMesh::Ambient).then(|| Ztunnel::of(model, workload));
        let ways = if ztunnel.is_some() { Ways::of(model, w, port, asks_http) } else { Ways::default() };
        Authorizer { filters, port, mode, is_http, ztunnel, ways }
    }

    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// One question, to be answered for many callers.
    pub fn asking(&self, asked: &Asked) -> Asking<'_, 'a> {
        Asking { authorizer: self, request: self.request(asked), identities: &[] }
    }

    /// But for the caller.
    fn request(&self, asked: &Asked) -> Request {
        let mut r = Request { destination_port: Fact::Is(self.port), ..Request::default() };
        if self.is_http {
            for (name, value) in [(":method", &asked.method), (":path", &asked.path), (":authority", &asked.host)] {
                match value {
                    Some(v) => drop(r.headers.insert(name.to_owned(), v.clone())),
                    None => r.unknown_headers.push(name.to_owned()),
                }
            }
            for (name, value) in &asked.headers {
                r.headers.insert(name.clone(), value.clone());
            }
            // Which other headers a request has is open until one is described.
            if asked.method.is_none() {
                r.unknown_headers.extend(self.header_names().into_iter().filter(|n| !r.headers.contains_key(n)));
            }
        }
        r
    }

    /// The headers that rules ask for.
    fn header_names(&self) -> BTreeSet<String> {
        let mut trace = Trace::default();
        let nothing = Request::default();
        for filter in self.filters.iter().chain(self.ways.filters()) {
            if let Ruling::Rules(rules) = &filter.rules {
                rules.decide(&nothing, &mut trace);
            }
        }
        let mut out = BTreeSet::new();
        for step in &trace.steps {
            for failed in step.failures() {
                out.extend(failed.wanted.split("header ").skip(1).filter_map(|t| t.split(' ').next()).map(str::to_ascii_lowercase));
            }
        }
        out
    }
}

/// A question to an [`Authorizer`], ready for any number of callers: a mesh has thousands, and each server asks of each.
pub struct Asking<'z, 'a> {
    authorizer: &'z Authorizer<'a>,
    request: Request,
    /// In their order; [`Caller::AnyIdentity`] is none of these.
    identities: &'z [Arc<str>],
}

/// Where the rule of a policy stands.
type Find<'f> = dyn Fn(&PolicyName<'_>) -> Option<Thing> + 'f;

impl<'z> Asking<'z, '_> {
    /// With the identities that the input holds, in their order: any other one is none of them.
    pub fn among(self, identities: &'z [Arc<str>]) -> Self {
        Asking { identities, ..self }
    }

    /// Whether a caller may, as far as that is given.
    pub fn may(&mut self, caller: &Caller, find: &Find<'_>) -> May {
        match (caller, self.authorizer.mode) {
            (Caller::Anybody, MtlsMode::Strict) => return May::Never(Cow::Borrowed("the port takes mutual TLS only (STRICT)")),
            // To ztunnel DISABLE is PERMISSIVE.
            (Caller::Identity(_) | Caller::AnyIdentity, MtlsMode::Disable) if self.authorizer.ztunnel.is_none() => {
                return May::Never(Cow::Borrowed("the port takes no mutual TLS, and so no identity"));
            }
            _ => {}
        }
        if let Some(ztunnel) = &self.authorizer.ztunnel {
            // Plaintext from outside of the mesh goes past waypoints.
            if *caller != Caller::Anybody && !self.authorizer.ways.is_empty() {
                return self.by_ways(ztunnel, caller, self.authorizer.port, find);
            }
            return by_ztunnel(ztunnel, caller, self.authorizer.port, self.identities);
        }
        self.call_as(caller);
        self.decide(&self.authorizer.filters, find)
    }

    fn decide(&self, filters: &[Filter], find: &Find<'_>) -> May {
        decide(filters, &Unlisted { request: &self.request, identities: self.identities }, find)
    }

    /// The texts of the last identity are written over.
    fn call_as(&mut self, caller: &Caller) {
        let Caller::Identity(id) = caller else {
            self.request.filter_state.remove(PEER_PRINCIPAL);
            self.request.peer = if *caller == Caller::Anybody { Fact::Absent } else { Fact::Unknown };
            return;
        };
        let write = |text: &mut String| {
            text.clear();
            text.push_str("spiffe://");
            text.push_str(id);
        };
        match self.request.filter_state.get_mut(PEER_PRINCIPAL) {
            Some(text) => write(text),
            None => _ = self.request.filter_state.insert(PEER_PRINCIPAL.to_owned(), format!("spiffe://{id}")),
        }
        match &mut self.request.peer {
            Fact::Is(names) if names.len() == 1 => names.iter_mut().for_each(write),
            peer => *peer = Fact::Is(vec![format!("spiffe://{id}")]),
        }
    }
}

/// What filters say of a request, as far as that is given.
fn decide(filters: &[Filter], request: &Unlisted<'_>, find: &Find<'_>) -> May {
    let mut conditions: Vec<Condition> = Vec::new();
    for filter in filters {
        if let Ruling::Rules(shadow) = &filter.shadow {
            let mut trace = Trace::default();
            shadow.decide(request, &mut trace);
            for step in trace.steps.iter().filter(|s| s.truth != Truth::No && PolicyName::parse(s.policy()).is_some_and(|n| n.is_custom)) {
                conditions.push(condition("CUSTOM", step.policy(), "its provider allows it".to_owned(), find));
            }
        }
        let rules = match &filter.rules {
            Ruling::None => continue,
            Ruling::Rules(rules) => rules,
            Ruling::Unknown(why) => {
                conditions.push(Condition { rule: "a filter".to_owned(), wants: why.clone(), thing: None });
                continue;
            }
        };
        // What is certain needs no telling.
        let decision = rules.decide(request, &mut ());
        let trace = || {
            let mut trace = Trace::default();
            rules.decide(request, &mut trace);
            trace
        };
        match (rules.action, decision.allowed) {
            (Action::Log, _) | (_, Truth::Yes) => {}
            (Action::Deny, Truth::No) => {
                return May::Never(Cow::Owned(format!("denied by {}", decision.policy.map_or_else(String::new, |p| shown(&p.name)))));
            }
            (Action::Allow, Truth::No) => return May::Never(Cow::Borrowed("no rule allows it")),
            (Action::Deny, Truth::Unknown) => {
                for step in trace().steps.iter().filter(|s| s.truth == Truth::Unknown) {
                    conditions.push(condition("DENY", step.policy(), format!("not ({})", wanted(step)), find));
                }
            }
            (Action::Allow, Truth::Unknown) => {
                // One of the rules must hold.
                let trace = trace();
                let open: Vec<_> = trace.steps.iter().filter(|s| s.truth == Truth::Unknown).collect();
                let wants = open.iter().map(|s| wanted(s)).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", or ");
                if let Some(first) = open.first() {
                    conditions.push(condition("ALLOW", first.policy(), wants, find));
                }
            }
        }
    }
    conditions.sort();
    conditions.dedup();
    if conditions.is_empty() { May::Always } else { May::If(conditions) }
}

fn by_ztunnel(ztunnel: &Ztunnel<'_>, caller: &Caller, port: u16, identities: &[Arc<str>]) -> May {
    let peer = match caller {
        Caller::Identity(id) => Peer::Is(id),
        Caller::AnyIdentity => Peer::NoneOf(identities),
        Caller::Anybody => Peer::Nobody,
    };
    match ztunnel.judge(&Connection { peer, source: None, destination: None, port }) {
        Decision::Allowed(_) => May::Always,
        Decision::Denied(rule) => May::Never(Cow::Owned(format!("denied by {}", rule.shown()))),
        Decision::NotAllowed(http, _) => match http.first() {
            Some(rule) => May::Never(Cow::Owned(format!("no rule allows it: {} asks for HTTP, which ztunnel does not see", rule.shown()))),
            None => May::Never(Cow::Borrowed("no rule allows it")),
        },
        Decision::Open(rules) => May::If(
            rules
                .iter()
                .map(|r| Condition {
                    rule: r.shown(),
                    wants: "what it says of identities and addresses that are not given".to_owned(),
                    thing: Some(Thing::at(r.policy, r.node)),
                })
                .collect(),
        ),
    }
}

fn shown(policy: &str) -> String {
    PolicyName::parse(policy).map_or_else(|| policy.to_owned(), |n| n.to_string())
}

fn condition(action: &str, policy: &str, wants: String, find: &dyn Fn(&PolicyName<'_>) -> Option<Thing>) -> Condition {
    let thing = PolicyName::parse(policy).and_then(|n| find(&n));
    Condition { rule: format!("{action} {}", shown(policy)), wants, thing }
}

fn wanted(step: &mesh_envoy::rbac::Step) -> String {
    step.failures().iter().map(|f| f.wanted.clone()).collect::<Vec<_>>().join(" and ")
}

/// The rule of an AuthorizationPolicy, as its place.
pub fn rule(model: &Model<'_, '_>, name: &PolicyName<'_>) -> Option<Thing> {
    let object = model.mesh.find(Kind::AuthorizationPolicy, name.namespace, name.name)?;
    let node = name.rule.parse().ok().and_then(|i: usize| object.spec()?.list("rules").nth(i));
    Some(Thing::at(object, node.unwrap_or(object.name_node())))
}

/// The identities of a mesh: the service accounts of workloads that have a proxy, or may have one. `TRUST-DOMAIN/ns/…`.
pub fn identities(model: &Model<'_, '_>) -> Vec<Arc<str>> {
    let mesh = model.mesh;
    let domain = mesh.config.trust_domain();
    let in_mesh = mesh.workloads.all().iter().filter(|w| mesh.in_mesh(w) != InMesh::No && w.replicas > 0 && w.object.role != Role::Assumed);
    let all: BTreeSet<Arc<str>> = in_mesh.map(|w| format!("{domain}/ns/{}/sa/{}", w.namespace, w.service_account()).into()).collect();
    all.into_iter().collect()
}

/// Who may call a port of a workload, identity by identity.
///
/// `identities` are in their order, as [`identities`] gives them.
pub fn access(model: &Model<'_, '_>, workload: u32, port: u16, asked: &Asked, identities: &[Arc<str>], asks_http: bool) -> Access {
    let mesh = model.mesh;
    let w = mesh.workloads.get(workload);
    let authorizer = Authorizer::of(model, workload, port, asks_http);
    let effective = mode_of(model, w, port);
    let find = |n: &PolicyName<'_>| rule(model, n);
    let callers = identities.iter().cloned().map(Caller::Identity).chain([Caller::AnyIdentity, Caller::Anybody]);
    let mut asking = authorizer.asking(asked).among(identities);
    let in_mesh = mesh.in_mesh(w);
    let goes_past = matches!(in_mesh, InMesh::Sidecar | InMesh::Gateway) && !w.captures_inbound(port);
    // Nobody enforces anything there, whatever policies say.
    let is_open = in_mesh == InMesh::No || goes_past;
    let answer = |c: Caller| {
        let may = if is_open { May::Always } else { asking.may(&c, &find) };
        (c, may)
    };
    let callers = callers.map(answer).collect();
    let proxy = model.proxy_of(workload);
    let mut policies: Vec<&Object> = model.policies_for(Kind::AuthorizationPolicy, &proxy);
    let mut not_judged: Vec<String> = Vec::new();
    match in_mesh {
        InMesh::No => not_judged.push(format!("{} has no sidecar: no policy counts for it, and everybody may", w.object.origin())),
        InMesh::Ambient => {
            let (open, by_waypoints) = before::described(model, w, port);
            not_judged.extend(open);
            policies.extend(by_waypoints);
        }
        InMesh::Unknown => not_judged.push(format!("whether {} has a sidecar, which enforces policies, is not in the input", w.object.origin())),
        InMesh::Sidecar | InMesh::Gateway => {}
    }
    if goes_past {
        not_judged.push(format!("port {port} goes past the sidecar: no policy counts for it, and everybody may"));
    } else if !is_open && in_mesh != InMesh::Ambient && proxy.interception == Interception::None {
        not_judged
            .push(format!("nothing is redirected to the sidecar (interception mode NONE): whether it or the application takes port {port} is not judged"));
    }
    for kind in [Kind::EnvoyFilter, Kind::WasmPlugin] {
        let all = model.policies_for(kind, &proxy);
        let may = all.iter().filter(|o| kind != Kind::EnvoyFilter || crate::translate::may_change_access(o));
        not_judged.extend(may.map(|o| format!("{} may change what is enforced", o.origin())));
    }
    Access {
        workload: w.object.name().to_owned(),
        namespace: w.namespace.to_owned(),
        port,
        mode: effective.mode,
        mode_by: effective.policy.map(|o| Thing::at(o, crate::peer_authentication::mode_node(o, port))),
        policies: policies.into_iter().map(Thing::whole).collect(),
        callers,
        not_judged,
    }
}

fn mode_of<'a>(model: &Model<'_, 'a>, w: &Workload<'a>, port: u16) -> Effective<'a> {
    match model.mesh.in_mesh(w) {
        InMesh::Ambient => ztunnel::mode(model.mesh, w, port),
        _ => model.mesh.peer_authentications.of_workload(w, Some(port)),
    }
}

/// The ports of a workload that Services lead to, or, where none does, that its containers declare.
pub fn ports(model: &Model<'_, '_>, workload: u32) -> Vec<u16> {
    let w = model.mesh.workloads.get(workload);
    let services = model.mesh.services.selecting(w);
    let of_services = services.iter().flat_map(|s| &s.ports).filter(|p| !p.protocol.eq_ignore_ascii_case("UDP")).filter_map(|p| p.of_workload(w));
    let mut out: Vec<u16> = of_services.collect();
    if out.is_empty() {
        out.extend(w.container_ports().filter_map(|p| u16::try_from(p.get("containerPort")?.int()?).ok()).filter(|p| !(15000..=15100).contains(p)));
    }
    out.sort_unstable();
    out.dedup();
    out
}
