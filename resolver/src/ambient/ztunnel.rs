//! What a ztunnel lets pass: AuthorizationPolicies without `targetRefs`, as connections tell them. It sees no HTTP. An ALLOW
//! rule that asks for some allows nobody; of other rules that part alone is left out, and what is empty then matches nothing
//! (istiod's conversion for ztunnel, and ztunnel's own evaluation). CUSTOM and AUDIT count for nothing there.

use crate::mesh::Mesh;
use crate::peer_authentication::{Effective, MtlsMode, own_mode};
use crate::translate::{Model, is_on_trial};
use crate::workload::Workload;
use mesh_envoy::matcher::Truth;
use mesh_model::{Kind, Node, Object};
use std::net::IpAddr;
use std::sync::Arc;

/// Who connects, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer<'p> {
    /// A SPIFFE id without its scheme.
    Is(&'p str),
    /// Somebody with an identity that is not known.
    Somebody,
    /// The same, and it is none of these; SPIFFE ids without their scheme, in their order.
    NoneOf(&'p [Arc<str>]),
    /// Plaintext: nobody.
    Nobody,
}

#[derive(Clone, Copy, Debug)]
pub struct Connection<'p> {
    pub peer: Peer<'p>,
    pub source: Option<IpAddr>,
    pub destination: Option<IpAddr>,
    pub port: u16,
}

/// A rule of a policy, and its place in the policy's list.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    pub policy: &'a Object,
    pub index: usize,
    pub node: Node<'a>,
    /// Whether it asks for HTTP, which is not seen.
    pub asks_http: bool,
}

impl Rule<'_> {
    /// `AuthorizationPolicy shop/cart, rule 0`
    pub fn shown(&self) -> String {
        format!("{}, rule {}", self.policy.origin(), self.index)
    }
}

#[derive(Clone, Debug)]
pub enum Decision<'a> {
    /// By a rule, or because no policy is there to ask.
    Allowed(Option<Rule<'a>>),
    Denied(Rule<'a>),
    /// ALLOW policies are there, and none of their rules matches; those that ask for HTTP, which never do, first.
    NotAllowed(Vec<Rule<'a>>, &'a Object),
    /// What these rules ask for is not known: DENY rules, or ALLOW rules.
    Open(Vec<Rule<'a>>),
}

/// The policies that a workload's ztunnel enforces.
#[derive(Clone, Debug, Default)]
pub struct Ztunnel<'a> {
    deny: Vec<&'a Object>,
    allow: Vec<&'a Object>,
    /// Policies that are for the workload and that ztunnel knows nothing of: actions that it lacks.
    pub ignored: Vec<&'a Object>,
}

impl<'a> Ztunnel<'a> {
    /// Of a workload by its id.
    pub fn of(model: &Model<'_, 'a>, workload: u32) -> Ztunnel<'a> {
        let mut out = Ztunnel::default();
        for object in model.policies_for(Kind::AuthorizationPolicy, &model.proxy_of(workload)) {
            match object.spec().map_or("", |s| s.text_of("action")) {
                _ if is_on_trial(object) => {}
                "" | "ALLOW" => out.allow.push(object),
                "DENY" => out.deny.push(object),
                _ => out.ignored.push(object),
            }
        }
        out
    }

    pub fn is_empty(&self) -> bool {
        self.deny.is_empty() && self.allow.is_empty()
    }
    /// All of them, those that deny first.
    pub fn policies(&self) -> impl Iterator<Item = &'a Object> {
        self.deny.iter().chain(&self.allow).copied()
    }
    /// Rules that ask for HTTP, with whether they are of policies that allow.
    pub fn http_rules(&self) -> impl Iterator<Item = Rule<'a>> {
        self.policies().flat_map(rules).filter(|r| r.asks_http)
    }

    pub fn judge(&self, c: &Connection<'_>) -> Decision<'a> {
        let told = |list: &[&'a Object], is_allow: bool| -> Vec<(Rule<'a>, Truth)> {
            list.iter().flat_map(|o| rules(o)).map(|r| (r, matches(&r, is_allow, c))).collect()
        };
        let denying = told(&self.deny, false);
        if let Some((rule, _)) = denying.iter().find(|(_, t)| *t == Truth::Yes) {
            return Decision::Denied(*rule);
        }
        let open = |list: &[(Rule<'a>, Truth)]| list.iter().filter(|(_, t)| *t == Truth::Unknown).map(|(r, _)| *r).collect::<Vec<_>>();
        let mut unknown = open(&denying);
        let Some(first) = self.allow.first() else {
            return if unknown.is_empty() { Decision::Allowed(None) } else { Decision::Open(unknown) };
        };
        let allowing = told(&self.allow, true);
        let by = allowing.iter().find(|(_, t)| *t == Truth::Yes).map(|(r, _)| *r);
        if by.is_none() {
            let allows = open(&allowing);
            if allows.is_empty() {
                return Decision::NotAllowed(allowing.into_iter().map(|(r, _)| r).filter(|r| r.asks_http).collect(), first);
            }
            unknown.extend(allows);
        }
        if unknown.is_empty() { Decision::Allowed(by) } else { Decision::Open(unknown) }
    }
}

/// Fields of operations and sources that only HTTP has, and trust domains, which ztunnel does not tell.
const HTTP: &[&str] = &[
    "hosts",
    "notHosts",
    "methods",
    "notMethods",
    "paths",
    "notPaths",
    "remoteIpBlocks",
    "notRemoteIpBlocks",
    "requestPrincipals",
    "notRequestPrincipals",
    "trustDomains",
    "notTrustDomains",
];
/// Keys of conditions that connections have, and the field of a rule that says the same.
const CONNECTION: &[(&str, &str)] = &[
    ("source.ip", "ipBlocks"),
    ("source.namespace", "namespaces"),
    ("source.principal", "principals"),
    ("destination.ip", "destinationIps"),
    ("destination.port", "ports"),
];

fn rules(policy: &Object) -> impl Iterator<Item = Rule<'_>> {
    let list = policy.spec().into_iter().flat_map(|s| s.list("rules"));
    list.enumerate().map(move |(index, node)| Rule { policy, index, node, asks_http: asks_http(node) })
}

fn asks_http(rule: Node<'_>) -> bool {
    let parts = rule.list("to").filter_map(|t| t.get("operation")).chain(rule.list("from").filter_map(|f| f.get("source")));
    let has = |n: Node<'_>| HTTP.iter().any(|key| n.list(key).next().is_some());
    parts.into_iter().any(has) || rule.list("when").any(|w| CONNECTION.iter().all(|(key, _)| *key != w.text_of("key")))
}

/// What one field of a rule wants: its values, and those that it must not have.
type Wanted<'a> = (&'static str, Vec<&'a str>, Vec<&'a str>);

fn matches(rule: &Rule<'_>, is_allow: bool, c: &Connection<'_>) -> Truth {
    if is_allow && rule.asks_http {
        return Truth::No;
    }
    let namespace = rule.policy.namespace();
    let mut clauses: Vec<Vec<Vec<Wanted<'_>>>> = Vec::new();
    for (list, part, fields) in [
        ("to", "operation", &[("ports", "notPorts")][..]),
        (
            "from",
            "source",
            &[("ipBlocks", "notIpBlocks"), ("namespaces", "notNamespaces"), ("serviceAccounts", "notServiceAccounts"), ("principals", "notPrincipals")],
        ),
    ] {
        let all: Vec<Vec<Wanted<'_>>> = rule.node.list(list).map(|item| fields_of(item.get(part), fields)).collect();
        if !all.is_empty() {
            clauses.push(all);
        }
    }
    for when in rule.node.list("when") {
        let field = CONNECTION.iter().find(|(key, _)| *key == when.text_of("key")).map(|(_, field)| *field);
        let wanted = field.map(|f| (f, texts(when, "values"), texts(when, "notValues"))).filter(|(_, a, b)| !a.is_empty() || !b.is_empty());
        clauses.push(vec![wanted.into_iter().collect()]);
    }
    let clause = |all: &Vec<Vec<Wanted<'_>>>| {
        // An empty match is passed over.
        let some = all.iter().filter(|m| !m.is_empty());
        some.map(|m| m.iter().fold(Truth::Yes, |t, w| t.and(one(w, namespace, c)))).fold(Truth::No, Truth::or)
    };
    clauses.iter().fold(Truth::Yes, |t, all| t.and(clause(all)))
}

fn texts<'a>(node: Node<'a>, key: &str) -> Vec<&'a str> {
    node.list(key).map(Node::text).collect()
}

fn fields_of<'a>(node: Option<Node<'a>>, fields: &[(&'static str, &'static str)]) -> Vec<Wanted<'a>> {
    let Some(node) = node else { return Vec::new() };
    let all = fields.iter().map(|(key, not)| (*key, texts(node, key), texts(node, not)));
    all.filter(|(_, values, not)| !values.is_empty() || !not.is_empty()).collect()
}

fn one((field, values, not): &Wanted<'_>, namespace: &str, c: &Connection<'_>) -> Truth {
    let any = |list: &[&str]| list.iter().map(|v| is(field, v, namespace, c)).fold(Truth::No, Truth::or);
    let wanted = if values.is_empty() { Truth::Yes } else { any(values) };
    let unwanted = if not.is_empty() { Truth::No } else { any(not) };
    wanted.and(!unwanted)
}

fn is(field: &str, value: &str, own: &str, c: &Connection<'_>) -> Truth {
    let of_peer = |f: &dyn Fn(&str) -> bool| match c.peer {
        Peer::Is(id) => f(id).into(),
        Peer::Nobody => Truth::No,
        Peer::Somebody | Peer::NoneOf(_) if value == "*" && field != "serviceAccounts" => Truth::Yes,
        Peer::NoneOf(ids) if field == "principals" && ids.binary_search_by(|id| (**id).cmp(value)).is_ok() => Truth::No,
        Peer::Somebody | Peer::NoneOf(_) => Truth::Unknown,
    };
    match field {
        "ports" => value.parse().is_ok_and(|p: u16| p == c.port).into(),
        "ipBlocks" => c.source.map_or(Truth::Unknown, |ip| within(ip, value).into()),
        "destinationIps" => c.destination.map_or(Truth::Unknown, |ip| within(ip, value).into()),
        "principals" => of_peer(&|id| fits(value, id)),
        "namespaces" => of_peer(&|id| parts(id).is_some_and(|(ns, _)| fits(value, ns))),
        "serviceAccounts" => {
            let (namespace, account) = value.split_once('/').unwrap_or((own, value));
            of_peer(&|id| parts(id) == Some((namespace, account)))
        }
        _ => Truth::Unknown,
    }
}

/// Namespace and service account of `DOMAIN/ns/NAMESPACE/sa/ACCOUNT`.
fn parts(id: &str) -> Option<(&str, &str)> {
    let mut parts = id.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("ns"), Some(namespace), Some("sa"), Some(account)) => Some((namespace, account)),
        _ => None,
    }
}

/// `*`, `*suffix`, `prefix*`, or the text itself.
fn fits(pattern: &str, text: &str) -> bool {
    match (pattern, pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        ("*", ..) => !text.is_empty(),
        (_, Some(suffix), _) => text.ends_with(suffix),
        (_, _, Some(prefix)) => text.starts_with(prefix),
        _ => pattern == text,
    }
}

fn within(ip: IpAddr, range: &str) -> bool {
    let (base, length) = range.split_once('/').map_or((range, None), |(b, l)| (b, l.parse::<u32>().ok()));
    match (ip, base.parse()) {
        (IpAddr::V4(ip), Ok(IpAddr::V4(base))) => {
            let bits = 32 - length.unwrap_or(32).min(32);
            u64::from(u32::from(ip)) >> bits == u64::from(u32::from(base)) >> bits
        }
        (IpAddr::V6(ip), Ok(IpAddr::V6(base))) => {
            let bits = 128 - length.unwrap_or(128).min(128);
            bits == 128 || u128::from(ip) >> bits == u128::from(base) >> bits
        }
        _ => false,
    }
}

/// The mode that a ztunnel serves a port with: all but STRICT is PERMISSIVE to it. Where a workload's policy has no mode of its
/// own, a DISABLE for the port is an exception to the STRICT that it inherits only beside a PERMISSIVE for some port: that is
/// what istiod looks for before it converts the policy.
pub fn mode<'a>(mesh: &Mesh<'a>, w: &Workload<'a>, port: u16) -> Effective<'a> {
    let all = &mesh.peer_authentications;
    let effective = all.of_workload(w, Some(port));
    if is_left_out(mesh, &effective) {
        return Effective { mode: MtlsMode::Permissive, ..effective };
    }
    let is_converted = |p: &Object| own_mode(p).is_some() || has_permissive_port(p);
    if effective.mode != MtlsMode::Disable || effective.policy.is_none_or(is_converted) {
        return effective;
    }
    Some(all.of_namespace(w.namespace)).filter(|e| e.mode == MtlsMode::Strict).unwrap_or(effective)
}

/// Whether what is in force at a port is its own STRICT in a policy that istiod leaves such ports out of.
fn is_left_out(mesh: &Mesh<'_>, effective: &Effective<'_>) -> bool {
    effective.mode == MtlsMode::Strict && effective.policy.is_some_and(|p| leaves_strict_out(mesh, p))
}

/// Whether istiod leaves STRICT of ports out of a workload's policy: where its own mode is another one, the namespace says nothing and the
/// mesh is STRICT, it takes the port for protected by the mesh's policy, which this one has replaced (`convertPeerAuthentication`).
pub fn leaves_strict_out(mesh: &Mesh<'_>, policy: &Object) -> bool {
    let of_namespace = mesh.peer_authentications.of_namespace(policy.namespace());
    let is_of_mesh = of_namespace.policy.is_some_and(|p| p.namespace() == mesh.config.root_namespace());
    let selects = policy.spec_at(&["selector", "matchLabels"]).is_some_and(|l| !l.is_empty());
    selects && matches!(own_mode(policy), Some(MtlsMode::Permissive | MtlsMode::Disable)) && of_namespace.mode == MtlsMode::Strict && is_of_mesh
}

/// What to say of a port whose STRICT is left out; `None` of any other.
pub fn left_out<'a>(mesh: &Mesh<'a>, w: &Workload<'a>, port: u16) -> Option<String> {
    let effective = mesh.peer_authentications.of_workload(w, Some(port));
    let policy = effective.policy.filter(|_| is_left_out(mesh, &effective))?;
    let own = own_mode(policy)?;
    Some(format!("istiod leaves STRICT of the port out, as the mesh is STRICT and the policy {own}"))
}

fn has_permissive_port(policy: &Object) -> bool {
    let ports = policy.spec_at(&["portLevelMtls"]);
    ports.into_iter().flat_map(Node::entries).any(|(_, port)| port.text_of("mode") == "PERMISSIVE")
}

/// Whether a ztunnel takes plaintext at a port of a workload.
pub fn takes_plaintext<'a>(mesh: &Mesh<'a>, w: &Workload<'a>, port: u16) -> bool {
    mode(mesh, w, port).mode != MtlsMode::Strict
}
