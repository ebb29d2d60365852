//! A gateway, of Istio's or of the Gateway API: where it listens, what serves it, what hangs on it. Waypoints are such.

use super::{Facts, policies, workload};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Mesh, Protocol, Selector, Workload};

/// Kinds that hang on a Gateway of the Gateway API by `parentRefs`.
const ROUTES: &[Kind] = &[Kind::HttpRoute, Kind::GrpcRoute, Kind::TcpRoute, Kind::TlsRoute];
/// What the pods that serve a Gateway are labelled with, by its name.
pub const OF_GATEWAY: &str = "gateway.networking.k8s.io/gateway-name";

pub fn describe<'a>(mesh: &Mesh<'a>, gateway: &'a Object, facts: &mut Facts) {
    match gateway.kind {
        Kind::K8sGateway => of_the_api(mesh, gateway, facts),
        _ => of_istio(mesh, gateway, facts),
    }
}

fn of_istio<'a>(mesh: &Mesh<'a>, gateway: &'a Object, facts: &mut Facts) {
    for server in gateway.spec().into_iter().flat_map(|s| s.list("servers")) {
        let port = server.get("port");
        let of = |key: &str| port.map_or("", |p| p.text_of(key));
        let hosts: Vec<&str> = server.list("hosts").map(Node::text).collect();
        let tls = server.get("tls").map_or_else(String::new, |t| tls(of("protocol"), t));
        facts.of("listens", gateway, format!("port {} {} for {}{tls}", of("number"), of("protocol"), hosts.join(", ")));
    }
    let selector = Selector::from_map(gateway.spec_at(&["selector"]));
    let serving: Vec<&Workload<'a>> = mesh.workloads.matching(None, &selector).collect();
    served(mesh, gateway, &serving, "no workload has the labels of its selector", facts);
    for vs in mesh.objects_everywhere(Kind::VirtualService) {
        let gateways = vs.spec().into_iter().flat_map(|s| s.list("gateways"));
        let is_this = |written: &str| match written.split_once('/') {
            Some((namespace, name)) => {
                name == gateway.name() && (namespace == gateway.namespace() || (namespace == "." && vs.namespace() == gateway.namespace()))
            }
            None => written == gateway.name() && vs.namespace() == gateway.namespace(),
        };
        if gateways.into_iter().any(|g| is_this(g.text())) {
            let hosts: Vec<&str> = vs.spec().into_iter().flat_map(|s| s.list("hosts")).map(Node::text).collect();
            facts.of("routes", vs, format!("for {}", hosts.join(", ")));
        }
    }
}

/// What a server's `tls` does: of plaintext ports only the redirect counts.
fn tls(protocol: &str, tls: Node<'_>) -> String {
    if Protocol::parse(protocol).is_tls() {
        let mode = Some(tls.text_of("mode")).filter(|m| !m.is_empty()).unwrap_or("PASSTHROUGH");
        return format!(", TLS {mode}");
    }
    let redirects = tls.get("httpsRedirect").is_some_and(|r| r.text() == "true");
    if redirects { ", redirects to HTTPS".to_owned() } else { String::new() }
}

fn of_the_api<'a>(mesh: &Mesh<'a>, gateway: &'a Object, facts: &mut Facts) {
    let class = gateway.spec().map_or("", |s| s.text_of("gatewayClassName"));
    facts.of("listens", gateway, format!("of class {class}"));
    for listener in gateway.spec().into_iter().flat_map(|s| s.list("listeners")) {
        let host = listener.text_of("hostname");
        let from = listener.at(&["allowedRoutes", "namespaces", "from"]).map_or("Same", Node::text);
        let tls = listener.get("tls").map(|t| format!(", TLS {}", if t.text_of("mode").is_empty() { "Terminate" } else { t.text_of("mode") }));
        facts.of(
            "listens",
            gateway,
            format!(
                "{}: port {} {} for {}{}, routes from {from}",
                listener.text_of("name"),
                listener.text_of("port"),
                listener.text_of("protocol"),
                if host.is_empty() { "every host" } else { host },
                tls.unwrap_or_default()
            ),
        );
    }
    for condition in gateway.at(&["status", "conditions"]).into_iter().flat_map(|l| l.items()).filter(|c| c.text_of("status") == "False") {
        facts.warn(
            "listens",
            format!("{}: not {}: {} {}", gateway.origin(), condition.text_of("type"), condition.text_of("reason"), condition.text_of("message")),
        );
    }
    let is_its = |w: &&Workload<'a>| w.label(OF_GATEWAY) == Some(gateway.name());
    let serving: Vec<&Workload<'a>> = mesh.workloads.in_namespace(gateway.namespace()).filter(is_its).collect();
    served(mesh, gateway, &serving, "no workload serves it yet: its controller makes one", facts);
    if is_waypoint(gateway) {
        users(mesh, gateway, facts);
    }
    for route in ROUTES.iter().flat_map(|k| mesh.objects_everywhere(*k)) {
        for parent in route.spec().into_iter().flat_map(|s| s.list("parentRefs")) {
            let or = |key: &str, default: &'a str| if parent.text_of(key).is_empty() { default.to_owned() } else { parent.text_of(key).to_owned() };
            if or("kind", "Gateway") != "Gateway" || parent.text_of("name") != gateway.name() || or("namespace", route.namespace()) != gateway.namespace() {
                continue;
            }
            let hosts: Vec<&str> = route.spec().into_iter().flat_map(|s| s.list("hostnames")).map(Node::text).collect();
            let on = Some(parent.text_of("sectionName")).filter(|s| !s.is_empty()).map_or_else(String::new, |s| format!(" on listener {s}"));
            facts.of("routes", route, format!("for {}{on}", if hosts.is_empty() { "every host".to_owned() } else { hosts.join(", ") }));
        }
    }
    policies::targeting(mesh, "Gateway", gateway.namespace(), gateway.name(), facts);
}

fn served<'a>(mesh: &Mesh<'a>, gateway: &Object, serving: &[&Workload<'a>], nobody: &str, facts: &mut Facts) {
    if serving.is_empty() {
        facts.warn("is served by", format!("{}: {nobody}", gateway.origin()));
    }
    for w in serving {
        facts.of("is served by", w.object, format!("as service account {}", w.service_account()));
        workload::policies(mesh, w, facts);
    }
}

fn is_waypoint(gateway: &Object) -> bool {
    gateway.spec().is_some_and(|s| s.text_of("gatewayClassName") == "istio-waypoint")
}

/// Who has a waypoint by its label.
fn users(mesh: &Mesh<'_>, gateway: &Object, facts: &mut Facts) {
    const ABOUT: &str = "is the waypoint of";
    let traffic = gateway.label("istio.io/waypoint-for").unwrap_or("service");
    let mut any = false;
    for object in [Kind::Namespace, Kind::Service, Kind::Pod].into_iter().flat_map(|k| mesh.objects_everywhere(k)) {
        let own = if object.kind == Kind::Namespace { object.name() } else { object.namespace() };
        let label = |key: &str| object.label(key).filter(|v| !v.is_empty());
        let namespace = label("istio.io/use-waypoint-namespace").unwrap_or(own);
        if label("istio.io/use-waypoint") == Some(gateway.name()) && namespace == gateway.namespace() {
            any = true;
            facts.of(ABOUT, object, format!("by its label istio.io/use-waypoint, for traffic to: {traffic}"));
        }
    }
    if !any {
        facts.warn(ABOUT, format!("{}: nothing has the label istio.io/use-waypoint={}", gateway.origin(), gateway.name()));
    }
}

/// The waypoint that takes the traffic to a Service or a workload, as labels of it or of its Namespace say.
pub fn waypoint<'a>(mesh: &Mesh<'a>, namespace: &str, label: &dyn Fn(&str) -> Option<&'a str>) -> Option<Waypoint<'a>> {
    let of_namespace = |key: &str| mesh.namespace_label(namespace, key);
    let (name, place) = match label("istio.io/use-waypoint") {
        Some(name) => (name, label("istio.io/use-waypoint-namespace")),
        None => (of_namespace("istio.io/use-waypoint")?, of_namespace("istio.io/use-waypoint-namespace")),
    };
    if name.is_empty() || name == "none" {
        return None;
    }
    let place = place.filter(|p| !p.is_empty()).unwrap_or(namespace).to_owned();
    Some(Waypoint { object: mesh.find(Kind::K8sGateway, &place, name), name: format!("{place}/{name}") })
}

pub struct Waypoint<'a> {
    pub name: String,
    /// `None` where there is no such Gateway among what was read.
    pub object: Option<&'a Object>,
}

impl Waypoint<'_> {
    pub fn tell(&self, about: &str, facts: &mut Facts) {
        match self.object {
            Some(gateway) => facts.of(about, gateway, "is the waypoint that its traffic goes through"),
            None => facts.warn(about, format!("its waypoint {} is not there", self.name)),
        }
    }
}
