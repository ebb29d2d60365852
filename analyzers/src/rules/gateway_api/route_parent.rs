//! ## KIA1401 RouteParentNotFound (Error)
//!
//! **What it checks.** What a route's `parentRefs` name exists: a Gateway, a ListenerSet or, for routes of the mesh, a
//! Service or a ServiceEntry. The same for the Gateway of a ListenerSet. Without `namespace` it is the object's own.
//!
//! **Why it matters.** A route without its parent is attached to nothing and takes no requests there.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public}]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.example.com}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public, namespace: edge}]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.example.com}}]}]
//! ```
//!
//! ## MSH0401 ListenerNotFound (Error)
//!
//! **What it checks.** The `sectionName` and `port` of a route's parent are those of a listener of the Gateway, or of a
//! port of the Service.
//!
//! **Why it matters.** The route is not attached and takes no requests there.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: shop}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public, sectionName: http}]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.example.com}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: shop}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public, sectionName: web, port: 80}]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.example.com}}]}]
//! ```
//!
//! ## MSH0402 NoCommonHostname (Warning)
//!
//! **What it checks.** The hostnames of a route and of the listeners that it refers to have a name in common. A single
//! hostname that none of them serves, beside others that are served, is told of as information.
//!
//! **Why it matters.** Without a common name the route is not attached; a hostname that no listener serves gets 404.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: shop}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP, hostname: "*.example.com"}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public}]
//!   hostnames: [example.com]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.example.com}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: shop}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP, hostname: "*.example.com"}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public}]
//!   hostnames: [shop.example.com]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: www.example.com}}]}]
//! ```
//!
//! ## MSH0403 RouteNotAllowed (Warning)
//!
//! **What it checks.** A listener that a route refers to takes routes of its kind and of its namespace
//! (`allowedRoutes`; without it only those of the Gateway's own namespace), and a Gateway takes the ListenerSet that
//! refers to it (`allowedListeners`; without it none).
//!
//! **Why it matters.** The route is not attached and takes no requests there.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public, namespace: edge}]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.example.com}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {routes: public}}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - name: web
//!     port: 80
//!     protocol: HTTP
//!     allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {routes: public}}}}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   parentRefs: [{name: public, namespace: edge}]
//!   rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.example.com}}]}]
//! ```

use super::listeners::{Listener, admits, listeners_of};
use super::refs::{GROUP, Ref, routes};
use crate::codes::{KIA1401, MSH0401, MSH0402, MSH0403};
use crate::finding::Level;
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use crate::spelling;
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{Place, host};
use rustc_hash::FxHashMap;

/// Names of Gateways, and a namespace that has one: what was meant where the namespace is left out.
type ByName<'a> = FxHashMap<&'a str, &'a str>;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let by_name: ByName<'a> = cx.mesh.objects(Kind::K8sGateway).iter().rev().map(|g| (g.name(), g.namespace())).collect();
    for route in routes(cx) {
        let mut served = Served { hostnames: Vec::new(), unknown: false };
        for node in route.spec().into_iter().flat_map(|s| s.list("parentRefs")) {
            let Some(r) = Ref::new(node, GROUP, "Gateway", route) else { continue };
            match r.known_kind() {
                Kind::Service | Kind::ServiceEntry => {
                    served.unknown = true;
                    let Some(service) = find(cx, sink, route, &r, &by_name) else { continue };
                    check_port(sink, route, &r, service);
                }
                Kind::K8sGateway | Kind::ListenerSet | Kind::XListenerSet => match find(cx, sink, route, &r, &by_name) {
                    Some(owner) => attach(cx, sink, route, &r, owner, &mut served),
                    None => served.unknown = true,
                },
                // Something of another implementation.
                _ => served.unknown = true,
            }
        }
        check_hostnames(sink, route, &served);
    }
    for set in [Kind::ListenerSet, Kind::XListenerSet].iter().flat_map(|k| cx.mesh.objects(*k)).copied().filter(|s| s.role == Role::Judged) {
        check_listener_set(cx, sink, set, &by_name);
    }
}

/// What the listeners that took a route serve.
struct Served<'a> {
    hostnames: Vec<&'a str>,
    /// Whether there are parents of which that is not known.
    unknown: bool,
}

fn find<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, r: &Ref<'a>, by_name: &ByName<'a>) -> Option<&'a Object> {
    let kind = r.known_kind();
    if let Some(found) = cx.mesh.find(kind, r.namespace, r.name) {
        return Some(found);
    }
    let place = Place::Objects(kind, r.namespace);
    let reason = if matches!(kind, Kind::Service | Kind::ServiceEntry) { NotJudged::HostOutside } else { NotJudged::GatewayOutside };
    let at = r.at("name");
    let m = Missing { code: &KIA1401, object, at, what: r.kind, value: r.name, place, reason };
    let message = format!("{} `{}` does not exist in namespace `{}`: the {} is attached to nothing there", r.kind, r.name, r.namespace, object.kind_name());
    let before = sink.findings.len();
    let elsewhere = by_name.get(r.name).filter(|ns| kind == Kind::K8sGateway && **ns != r.namespace);
    missing(cx, sink, &m, message, cx.mesh.objects_in(kind, r.namespace).iter().map(|o| o.name()));
    if let Some(finding) = sink.findings.get_mut(before).filter(|f| f.code == &KIA1401 && f.help.is_none()) {
        if let Some(namespace) = elsewhere {
            finding.help(format!("there is one in namespace `{namespace}`: write `namespace: {namespace}`"));
        } else if kind == Kind::K8sGateway && cx.mesh.find(Kind::Gateway, r.namespace, r.name).is_some() {
            finding.help("the Gateway of that name is one of Istio (`networking.istio.io`), which takes VirtualServices only");
        } else {
            finding.help(format!("create it, or name one that exists; without `namespace` it is looked up in `{}`", object.namespace()));
        }
    }
    None
}

/// The port of a Service or a ServiceEntry that a route of the mesh is for.
fn check_port<'a>(sink: &mut Sink<'a>, route: &'a Object, r: &Ref<'a>, service: &'a Object) {
    let Some((at, port)) = r.node.get("port").and_then(|p| Some((p, p.int()?))) else { return };
    let key = if service.kind == Kind::Service { "port" } else { "number" };
    let ports = || service.spec().into_iter().flat_map(|s| s.list("ports"));
    if ports().next().is_none() || ports().any(|p| p.get(key).and_then(Node::int) == Some(port)) {
        return;
    }
    let known: Vec<String> = ports().filter_map(|p| p.get(key)).map(|p| format!("`{}`", p.text())).collect();
    sink.report(&MSH0401, route, at, format!("{} `{}` has no port `{port}`: the route applies to no request", service.kind_name(), service.name()))
        .help(format!("it has {}", known.join(", ")))
        .related(service, service.name_node(), "the parent");
}

/// Why a listener does not take a route; the further down, the closer it came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Kind,
    Hostname,
    Namespace,
}

fn attach<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, route: &'a Object, r: &Ref<'a>, owner: &'a Object, served: &mut Served<'a>) {
    if listeners_of(owner).next().is_none() {
        served.unknown = true;
        return;
    }
    let (section, port) = (r.node.get("sectionName"), r.node.get("port"));
    let named = |l: &Listener<'a>| section.is_none_or(|s| s.text() == l.name());
    let on_port = |l: &Listener<'a>| port.and_then(Node::int).is_none_or(|p| l.port() == Some(p));
    if cx.mesh.replaced(owner.kind).any(|o| o.name() == owner.name() && o.namespace() == owner.namespace()) {
        served.unknown = true;
        return sink.not_judged(NotJudged::GatewayOutside);
    }
    if let Some(at) = section.filter(|_| !listeners_of(owner).any(|l| named(&l))) {
        let names: Vec<&str> = listeners_of(owner).map(|l| l.name()).collect();
        let finding =
            sink.report(&MSH0401, route, at, format!("{} has no listener `{}`: the {} is not attached", r.display(route), at.text(), route.kind_name()));
        finding.related(owner, owner.name_node(), "the parent");
        match spelling::nearest(at.text(), names.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("it has {}", quoted(&names))),
        };
        served.unknown = true;
        return;
    }
    let chosen: Vec<Listener<'a>> = listeners_of(owner).filter(|l| named(l) && on_port(l)).collect();
    if chosen.is_empty() {
        if let Some(at) = port {
            let ports: Vec<&str> = listeners_of(owner).filter(named).map(|l| l.node.text_of("port")).collect();
            let what = section.map_or_else(|| format!("{} has no listener", r.display(route)), |s| format!("listener `{}` is not", s.text()));
            sink.report(&MSH0401, route, at, format!("{what} on port `{}`: the {} is not attached", at.text(), route.kind_name()))
                .help(format!("it listens on {}", quoted(&ports)))
                .related(owner, owner.name_node(), "the parent");
        }
        served.unknown = true;
        return;
    }
    let mut refused: Option<(Refusal, Listener<'a>)> = None;
    let mut taken = false;
    let mut unknown = false;
    for l in &chosen {
        match refusal(cx, route, l) {
            Ok(known) => {
                taken |= known;
                unknown |= !known;
                served.hostnames.push(l.hostname());
            }
            Err(why) if refused.is_none_or(|(best, _)| why > best) => refused = Some((why, *l)),
            Err(_) => {}
        }
    }
    if unknown && !taken {
        sink.not_judged(NotJudged::NamespaceOutside);
    } else if let (false, Some((why, l))) = (taken, refused) {
        served.unknown = true;
        report_refusal(cx, sink, route, r, (why, l), chosen.len());
    }
}

/// Whether it is known that a listener takes a route, or why it does not.
fn refusal(cx: &Context<'_>, route: &Object, l: &Listener<'_>) -> Result<bool, Refusal> {
    if !l.takes_kind(route.kind.name()) {
        return Err(Refusal::Kind);
    }
    let mut hostnames = hostnames_of(route).peekable();
    if !l.hostname().is_empty() && hostnames.peek().is_some() && !hostnames.any(|h| host::overlaps(l.hostname(), h.text())) {
        return Err(Refusal::Hostname);
    }
    match l.takes_namespace(cx, route.namespace()) {
        Some(true) => Ok(true),
        Some(false) => Err(Refusal::Namespace),
        None => Ok(false),
    }
}

/// Hostnames of the kinds of routes that have them.
fn hostnames_of(route: &Object) -> impl Iterator<Item = Node<'_>> {
    let has = matches!(route.kind, Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute);
    route.spec().filter(|_| has).into_iter().flat_map(|s| s.list("hostnames"))
}

fn report_refusal<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, route: &'a Object, r: &Ref<'a>, (why, l): (Refusal, Listener<'a>), of: usize) {
    let subject = if of == 1 {
        format!("listener `{}` of {}", l.name(), r.display(route))
    } else {
        format!("{}, at its closest listener `{}`,", r.display(route), l.name())
    };
    let kind = route.kind_name();
    match why {
        Refusal::Kind => {
            let allowed: Vec<&str> = ["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"].into_iter().filter(|k| l.takes_kind(k)).collect();
            let takes = if allowed.is_empty() { "no routes".to_owned() } else { allowed.join(" and ") };
            sink.report(&MSH0403, route, r.at("sectionName"), format!("{subject} takes {takes}, no {kind}: the route is not attached"))
                .help("refer to a listener whose protocol carries this kind of route, and whose `allowedRoutes.kinds` has it")
                .related(l.owner, l.node.at(&["allowedRoutes", "kinds"]).or(l.node.get("protocol")).unwrap_or(l.node), "what it takes");
        }
        Refusal::Hostname => {
            let own: Vec<&str> = hostnames_of(route).map(Node::text).collect();
            let mut nodes = hostnames_of(route);
            let at = match (nodes.next(), nodes.next()) {
                (Some(only), None) => only,
                _ => route.spec_at(&["hostnames"]).unwrap_or(r.node),
            };
            sink.report(
                &MSH0402,
                route,
                at,
                format!("{subject} serves `{}`, which has no name in common with {}: the {kind} is not attached", l.hostname(), quoted(&own)),
            )
            .help("use hostnames that the listener serves, or widen the listener's; `*.example.com` does not stand for `example.com`")
            .related(l.owner, l.node.get("hostname").unwrap_or(l.node), "the listener's hostname");
        }
        Refusal::Namespace => {
            let namespaces = l.node.at(&["allowedRoutes", "namespaces"]);
            let (takes, help) = match namespaces.map(|n| n.text_of("from")).unwrap_or("") {
                "Selector" => {
                    let help = match cx.mesh.find(Kind::Namespace, "", route.namespace()) {
                        Some(_) => format!("give namespace `{}` the labels that the selector asks for", route.namespace()),
                        None => format!("namespace `{}` has no labels that are known; give it those that the selector asks for", route.namespace()),
                    };
                    ("routes of namespaces that its selector picks".to_owned(), help)
                }
                "None" => ("no routes".to_owned(), "allow them in the listener's `allowedRoutes.namespaces.from`".to_owned()),
                _ => (
                    format!("routes of its own namespace `{}` only", l.owner.namespace()),
                    "set `allowedRoutes.namespaces.from` of the listener to `All`, or to `Selector` with a selector for the namespace".to_owned(),
                ),
            };
            sink.report(&MSH0403, route, r.at("name"), format!("{subject} takes {takes}, not of `{}`: the {kind} is not attached", route.namespace()))
                .help(help)
                .related(l.owner, namespaces.unwrap_or(l.node), "what it takes");
        }
    }
}

/// Hostnames that none of the listeners serves, where others are served.
fn check_hostnames<'a>(sink: &mut Sink<'a>, route: &'a Object, served: &Served<'a>) {
    if served.unknown || served.hostnames.is_empty() || served.hostnames.contains(&"") {
        return;
    }
    for at in hostnames_of(route).filter(|h| !served.hostnames.iter().any(|s| host::overlaps(s, h.text()))) {
        sink.report_at_level(Level::Info, &MSH0402, route, at, format!("no listener of the route's parents serves `{}`: requests for it get 404", at.text()))
            .help(format!("they serve {}", quoted(&served.hostnames)));
    }
}

fn check_listener_set<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, set: &'a Object, by_name: &ByName<'a>) {
    let Some(r) = set.spec_at(&["parentRef"]).and_then(|p| Ref::new(p, GROUP, "Gateway", set)) else { return };
    if r.known_kind() != Kind::K8sGateway {
        return;
    }
    let Some(gateway) = find(cx, sink, set, &r, by_name) else { return };
    let namespaces = gateway.spec_at(&["allowedListeners", "namespaces"]);
    match admits(cx, namespaces, "None", gateway.namespace(), set.namespace()) {
        Some(true) => {}
        None => sink.not_judged(NotJudged::NamespaceOutside),
        Some(false) => {
            sink.report(
                &MSH0403,
                set,
                r.at("name"),
                format!("{} does not take listeners of namespace `{}`: the {} has no effect", r.display(set), set.namespace(), set.kind_name()),
            )
            .help("allow it in the Gateway's `allowedListeners.namespaces`")
            .related(gateway, namespaces.unwrap_or(gateway.name_node()), "what it takes");
        }
    }
}

fn quoted(values: &[&str]) -> String {
    let mut shown: Vec<String> = values.iter().take(5).map(|v| format!("`{v}`")).collect();
    shown.dedup();
    let more = if values.len() > 5 { format!(" and {} more", values.len() - 5) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
