//! What a proxy sees: the services and VirtualServices of its egress listeners, by its Sidecar or by the default.

use super::Model;
use super::proxy::{Proxy, ProxyKind};
use super::registry::{RegisteredService, Resolution, ServicePort};
use super::virtual_service::{MESH, Semantics, VirtualService};
use crate::host;
use crate::protocol::Protocol;
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// A service as a proxy sees it: perhaps with some of its ports only.
pub type SeenService<'c, 'a> = Cow<'c, RegisteredService<'a>>;

/// One egress listener of a Sidecar, or the one that stands for everything.
#[derive(Debug)]
pub struct Egress<'c, 'a> {
    pub node: Option<Node<'a>>,
    pub port: Option<(u16, Protocol)>,
    pub bind: &'a str,
    /// Binds to its port instead of catching redirected connections.
    pub captures_none: bool,
    pub services: Vec<SeenService<'c, 'a>>,
    /// Indexes into [`Model::virtual_services`], the ones that count first in front.
    pub virtual_services: Vec<u32>,
}

/// Where traffic to unknown destinations goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// To where it was meant.
    Allow,
    /// The same, by names that the proxy resolves.
    AllowByName,
    /// To a cluster (`egressProxy`).
    Proxy(String),
    Refuse,
}

#[derive(Debug)]
pub struct Scope<'c, 'a> {
    pub sidecar: Option<&'a Object>,
    pub egress: Vec<Egress<'c, 'a>>,
    /// Of all listeners, one a host.
    pub services: Vec<SeenService<'c, 'a>>,
    by_host: FxHashMap<String, usize>,
    pub unknown: Unknown,
}

impl<'c, 'a> Scope<'c, 'a> {
    /// Nothing is seen: for what only policies decide.
    pub fn nothing() -> Scope<'c, 'a> {
        Scope { sidecar: None, egress: Vec::new(), services: Vec::new(), by_host: FxHashMap::default(), unknown: Unknown::Allow }
    }

    pub fn new(model: &'c Model<'_, 'a>, proxy: &Proxy) -> Scope<'c, 'a> {
        let sidecar = (proxy.kind == ProxyKind::Sidecar).then(|| sidecar_of(model, proxy)).flatten();
        let spec = sidecar.and_then(Object::spec);
        let listeners: Vec<Node<'a>> = spec.into_iter().flat_map(|s| s.list("egress")).collect();
        let mut egress: Vec<Egress<'c, 'a>> = listeners.iter().map(|n| listener(model, proxy, *n)).collect();
        if egress.is_empty() {
            egress.push(everything(model, proxy));
        }
        let mut this = Scope { sidecar, egress, services: Vec::new(), by_host: FxHashMap::default(), unknown: unknown(model, spec) };
        this.collect(model, proxy);
        this
    }

    pub fn service(&self, host: &str) -> Option<&RegisteredService<'a>> {
        self.by_host.get(host).map(|i| &*self.services[*i])
    }

    /// The listeners' services, and those that their VirtualServices lead to.
    fn collect(&mut self, model: &'c Model<'_, 'a>, proxy: &Proxy) {
        for i in 0..self.egress.len() {
            for service in self.egress[i].services.clone() {
                self.add(service);
            }
            if proxy.kind != ProxyKind::Sidecar {
                continue;
            }
            let matches_port = self.egress[i].port.filter(|(_, p)| *p != Protocol::HttpProxy).map(|(n, _)| n);
            for id in self.egress[i].virtual_services.clone() {
                for (host, ports) in destinations(&model.virtual_services[id as usize], &proxy.namespace) {
                    let found = model.registry.by_host(&host).filter(|(_, s)| model.registry.is_visible(model.mesh, s, &proxy.namespace));
                    let found: Vec<&RegisteredService<'a>> = found.map(|(_, s)| s).collect();
                    let own = found.iter().find(|s| s.namespace == proxy.namespace);
                    let Some(service) = own.or_else(|| best(&found)) else { continue };
                    let seen = match matches_port {
                        Some(port) => with_port(service, port),
                        None => with_ports(service, &ports),
                    };
                    if let Some(seen) = seen {
                        self.add(seen);
                    }
                }
            }
        }
    }

    fn add(&mut self, service: SeenService<'c, 'a>) {
        let Some(&at) = self.by_host.get(&service.host) else {
            self.by_host.insert(service.host.clone(), self.services.len());
            self.services.push(service);
            return;
        };
        let known = &self.services[at];
        if known.is_kubernetes() && !service.is_kubernetes() {
            return;
        }
        if !known.is_kubernetes() && service.is_kubernetes() {
            self.services[at] = service;
            return;
        }
        let numbers = |s: &RegisteredService<'_>| s.ports.iter().map(|p| (p.number, p.protocol)).collect::<Vec<_>>();
        if numbers(known) == numbers(&service) || known.namespace != service.namespace || known.resolution != service.resolution {
            return;
        }
        let mut merged = known.clone().into_owned();
        let more: Vec<ServicePort<'a>> = service.ports.iter().filter(|p| merged.port(p.number).is_none()).copied().collect();
        merged.ports.extend(more);
        self.services[at] = Cow::Owned(merged);
    }

    /// The listener whose routes a route configuration holds.
    pub fn egress_for(&self, port: u16) -> Option<&Egress<'c, 'a>> {
        self.egress.iter().find(|e| e.port.is_none_or(|(p, _)| p == port))
    }
}

/// The first of a host's services by kind, then age.
fn best<'r, 'a, 's>(found: &'s [&'r RegisteredService<'a>]) -> Option<&'s &'r RegisteredService<'a>> {
    found.iter().find(|s| s.is_kubernetes()).or_else(|| found.first())
}

/// The Sidecar of a proxy: one that selects it, that of its namespace, that of the root namespace; the oldest of each.
pub fn sidecar_of<'a>(model: &Model<'_, 'a>, proxy: &Proxy) -> Option<&'a Object> {
    let selector = |o: &Object| o.spec_at(&["workloadSelector", "labels"]).is_some_and(|l| !l.is_empty()) || o.spec_at(&["workloadSelector"]).is_some();
    let mut own: Vec<&'a Object> = model.mesh.objects_in(Kind::Sidecar, &proxy.namespace).to_vec();
    own.sort_by_key(|o| (o.creation(), o.name()));
    let selected = own.iter().find(|o| selector(o) && proxy.has_labels(o.spec_at(&["workloadSelector", "labels"])));
    if let Some(found) = selected.or_else(|| own.iter().find(|o| !selector(o))) {
        return Some(found);
    }
    let mut root: Vec<&'a Object> = model.mesh.objects_in(Kind::Sidecar, model.mesh.config.root_namespace()).to_vec();
    root.sort_by_key(|o| (o.creation(), o.name()));
    root.into_iter().find(|o| !selector(o))
}

fn unknown<'a>(model: &Model<'_, 'a>, sidecar: Option<Node<'a>>) -> Unknown {
    let own = sidecar.and_then(|s| s.get("outboundTrafficPolicy"));
    let policy = own.or_else(|| model.mesh.config.at(&["outboundTrafficPolicy"]));
    // The API's own default is REGISTRY_ONLY; only a policy that is not written at all is ALLOW_ANY.
    let mode = policy.map_or("ALLOW_ANY", |p| p.text_of("mode"));
    match mode {
        "ALLOW_ANY" | "1" => match own.and_then(|p| p.get("egressProxy")) {
            Some(d) => {
                let port = d.at(&["port", "number"]).and_then(Node::int).unwrap_or(0);
                Unknown::Proxy(format!("outbound|{port}|{}|{}", d.text_of("subset"), d.text_of("host")))
            }
            None => Unknown::Allow,
        },
        "ALLOW_ANY_DYNAMIC_DNS" => Unknown::AllowByName,
        _ => Unknown::Refuse,
    }
}

/// Services by the order in which they count for a namespace: private ones, those exported to it, public ones.
fn exported<'c, 'a>(model: &'c Model<'_, 'a>, namespace: &str) -> Vec<&'c RegisteredService<'a>> {
    let rank = |s: &RegisteredService<'a>| {
        let export = &model.mesh.services.get(s.id).export_to.0;
        match export.contains(&"*") {
            true => 2,
            false => u8::from(s.namespace != namespace),
        }
    };
    let visible = |s: &&RegisteredService<'a>| model.registry.is_visible(model.mesh, s, namespace);
    let mut out: Vec<&'c RegisteredService<'a>> = model.registry.services.iter().filter(visible).collect();
    out.sort_by_key(|s| rank(s));
    out
}

/// VirtualServices on a gateway, or on the mesh, by the order in which they count for a namespace.
pub fn virtual_services_on(model: &Model<'_, '_>, namespace: &str, gateway: &str) -> Vec<u32> {
    let all = model.on_gateway.get(gateway).map_or(&[][..], Vec::as_slice);
    let mut out: Vec<u32> = all.iter().copied().filter(|i| model.virtual_services[*i as usize].is_visible_to(namespace)).collect();
    out.sort_by_key(|i| {
        let v = &model.virtual_services[*i as usize];
        // A consumer's own routes of the Gateway API come before the producer's.
        (v.rank_for(namespace), !(v.semantics == Semantics::GatewayApi && v.namespace == namespace))
    });
    out
}

fn everything<'c, 'a>(model: &'c Model<'_, 'a>, proxy: &Proxy) -> Egress<'c, 'a> {
    let services = exported(model, &proxy.namespace).into_iter().map(Cow::Borrowed).collect();
    Egress {
        node: None,
        port: None,
        bind: "",
        captures_none: false,
        services: one_namespace_a_host(services, &proxy.namespace),
        virtual_services: virtual_services_on(model, &proxy.namespace, MESH),
    }
}

/// Of services with one host in several namespaces those of one count: the proxy's own, else a Kubernetes Service's,
/// else the first.
fn one_namespace_a_host<'c, 'a>(services: Vec<SeenService<'c, 'a>>, namespace: &str) -> Vec<SeenService<'c, 'a>> {
    let mut chosen: FxHashMap<&str, (&str, bool)> = FxHashMap::default();
    for s in &services {
        let this = (s.namespace, s.is_kubernetes());
        let known = chosen.entry(&s.host).or_insert(this);
        if s.namespace == namespace || (!known.1 && this.1 && known.0 != namespace) {
            *known = this;
        }
    }
    let keep: Vec<bool> = services.iter().map(|s| chosen[s.host.as_str()].0 == s.namespace).collect();
    services.into_iter().zip(keep).filter(|(_, k)| *k).map(|(s, _)| s).collect()
}

/// The `namespace/dnsName` entries of a listener for one namespace.
#[derive(Default)]
struct Hosts<'a> {
    included: Vec<&'a str>,
    excluded: Vec<&'a str>,
}

impl Hosts<'_> {
    fn matches(&self, name: &str) -> bool {
        self.included.iter().any(|h| host::covers(h, name))
    }
    fn overlaps(&self, name: &str) -> bool {
        self.included.iter().any(|h| host::overlaps(h, name))
    }
    fn excludes(&self, name: &str) -> bool {
        self.excluded.iter().any(|h| host::covers(h, name))
    }
}

fn listener<'c, 'a>(model: &'c Model<'_, 'a>, proxy: &Proxy, node: Node<'a>) -> Egress<'c, 'a> {
    let mut hosts: FxHashMap<String, Hosts<'a>> = FxHashMap::default();
    for entry in node.list("hosts").map(Node::text) {
        let Some((namespace, name)) = entry.split_once('/') else { continue };
        let (excludes, namespace) = match namespace.strip_prefix('~') {
            // `~/*` imports nothing at all.
            Some("") => (true, "*"),
            Some(rest) => (true, rest),
            None => (false, namespace),
        };
        let namespace = if namespace == "." { proxy.namespace.as_str() } else { namespace };
        let list = hosts.entry(namespace.to_owned()).or_default();
        if excludes { list.excluded.push(name) } else { list.included.push(name) }
    }
    let number = node.at(&["port", "number"]).and_then(Node::int).and_then(|n| u16::try_from(n).ok());
    let port = number.map(|n| (n, Protocol::parse(node.at(&["port", "protocol"]).map_or("", Node::text))));
    let wanted = port.filter(|(n, p)| *n != 0 && *p != Protocol::HttpProxy).map(|(n, _)| n);
    let lists = |namespace: &str| [hosts.get(namespace), hosts.get("*")];

    let mut services = Vec::new();
    for s in exported(model, &proxy.namespace) {
        let lists = lists(s.namespace);
        if lists.iter().flatten().any(|l| l.excludes(&s.host)) {
            continue;
        }
        if lists.iter().flatten().any(|l| l.matches(&s.host)) {
            services.extend(match wanted {
                Some(port) => with_port(s, port),
                None => Some(Cow::Borrowed(s)),
            });
        }
    }
    let selects = |v: &VirtualService<'_>| {
        let lists = lists(v.namespace);
        let matches = |l: &&Hosts<'_>, h: &str| if v.semantics == Semantics::GatewayApi { l.matches(h) } else { l.overlaps(h) };
        v.hosts.iter().any(|h| lists.iter().flatten().any(|l| matches(l, h)) && !lists.iter().flatten().any(|l| l.excludes(h)))
    };
    let on_mesh = virtual_services_on(model, &proxy.namespace, MESH);
    Egress {
        node: Some(node),
        port,
        bind: node.text_of("bind"),
        captures_none: node.text_of("captureMode") == "NONE",
        services: one_namespace_a_host(services, &proxy.namespace),
        virtual_services: on_mesh.into_iter().filter(|i| selects(&model.virtual_services[*i as usize])).collect(),
    }
}

/// The service with one of its ports; none where it has no such port.
fn with_port<'c, 'a>(service: &'c RegisteredService<'a>, number: u16) -> Option<SeenService<'c, 'a>> {
    let port = *service.port(number)?;
    Some(if service.ports.len() == 1 { Cow::Borrowed(service) } else { Cow::Owned(RegisteredService { ports: vec![port], ..service.clone() }) })
}

/// The service with those of its ports that a VirtualService sends to; all where it names none.
fn with_ports<'c, 'a>(service: &'c RegisteredService<'a>, ports: &[Option<u16>]) -> Option<SeenService<'c, 'a>> {
    if ports.contains(&None) {
        return Some(Cow::Borrowed(service));
    }
    let found: Vec<ServicePort<'a>> = service.ports.iter().filter(|p| ports.contains(&Some(p.number))).copied().collect();
    match found.len() {
        0 => None,
        n if n == service.ports.len() => Some(Cow::Borrowed(service)),
        _ => Some(Cow::Owned(RegisteredService { ports: found, ..service.clone() })),
    }
}

/// Where a VirtualService leads from a namespace: hosts in order of their first mention, with the ports.
pub fn destinations(v: &VirtualService<'_>, namespace: &str) -> Vec<(String, Vec<Option<u16>>)> {
    let mut out: Vec<(String, Vec<Option<u16>>)> = Vec::new();
    let mut add = |host: &str, port: Option<u16>| match out.iter_mut().find(|(h, _)| h == host) {
        Some((_, ports)) => ports.push(port),
        None => out.push((host.to_owned(), vec![port])),
    };
    let from_here = |source: &str| source.is_empty() || source == namespace;
    for route in &v.http {
        if !route.matches.is_empty() && !route.matches.iter().any(|m| from_here(m.source_namespace)) {
            continue;
        }
        route.destinations.iter().for_each(|d| add(&d.destination.host, d.destination.port));
        route.mirrors.iter().for_each(|(d, _)| add(&d.host, d.port));
    }
    for route in v.tcp.iter().chain(&v.tls) {
        if route.matches.is_empty() || route.matches.iter().any(|m| from_here(m.source_namespace)) {
            route.destinations.iter().for_each(|d| add(&d.destination.host, d.destination.port));
        }
    }
    out
}

/// The hosts that a VirtualService leads to from anywhere.
pub fn all_destinations(v: &VirtualService<'_>) -> Vec<String> {
    let of_http = v.http.iter().flat_map(|r| r.destinations.iter().map(|d| &d.destination).chain(r.mirrors.iter().map(|(d, _)| d)));
    let of_bytes = v.tcp.iter().chain(&v.tls).flat_map(|r| &r.destinations).map(|d| &d.destination);
    of_http.chain(of_bytes).map(|d| d.host.clone()).filter(|h| !h.is_empty()).collect()
}

/// A VirtualService as sidecars of a namespace see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    pub namespace: String,
    /// Full names, or wildcards.
    pub hosts: Vec<String>,
    /// Full names of where it sends.
    pub destinations: Vec<String>,
}

impl Model<'_, '_> {
    /// Where VirtualServices lead sidecars of a namespace, the ones that count first in front.
    pub fn leads(&self, namespace: &str) -> Vec<Lead> {
        let lead = |v: &VirtualService<'_>| Lead {
            namespace: v.namespace.to_owned(),
            hosts: v.hosts.clone(),
            destinations: destinations(v, namespace).into_iter().map(|(host, _)| host).collect(),
        };
        virtual_services_on(self, namespace, MESH).into_iter().map(|id| lead(&self.virtual_services[id as usize])).collect()
    }
}

/// Whether a service is another name only, which gets no listener and no cluster.
pub fn is_alias(service: &RegisteredService<'_>) -> bool {
    service.resolution == Resolution::Alias
}
