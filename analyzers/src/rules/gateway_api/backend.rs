//! ## KIA1402 RouteBackendNotFound (Error)
//!
//! **What it checks.** The backend of a route exists: the Service (by its name, not its host), the host of Istio's kind
//! `Hostname`, the InferencePool. Mirrors and backends of weight 0 are warned of.
//!
//! **Why it matters.** Requests for a backend that does not exist are answered with 500.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 9080}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   parentRefs: [{group: "", kind: Service, name: reviews}]
//!   rules: [{backendRefs: [{name: reviews-v2, port: 9080}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 9080}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   parentRefs: [{group: "", kind: Service, name: reviews}]
//!   rules: [{backendRefs: [{name: reviews, port: 9080}]}]
//! ```
//!
//! ## MSH0404 BackendPortNotFound (Error)
//!
//! **What it checks.** The port of a route's backend is a port of the Service (not of its workloads).
//!
//! **Why it matters.** Requests for a port that the Service does not have get 500 or 503.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80, targetPort: 9080}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   parentRefs: [{group: "", kind: Service, name: reviews}]
//!   rules: [{backendRefs: [{name: reviews, port: 9080}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80, targetPort: 9080}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   parentRefs: [{group: "", kind: Service, name: reviews}]
//!   rules: [{backendRefs: [{name: reviews, port: 80}]}]
//! ```
//!
//! ## MSH0405 ReferenceNotGranted (Error)
//!
//! **What it checks.** A ReferenceGrant of the other namespace allows a route on a Gateway to send to a backend there.
//! Routes of the mesh need none.
//!
//! **Why it matters.** The requests are answered with 500.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP}]}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: edge}
//! spec:
//!   parentRefs: [{name: public}]
//!   rules: [{backendRefs: [{name: reviews, namespace: shop, port: 80}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP}]}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: edge}
//! spec:
//!   parentRefs: [{name: public}]
//!   rules: [{backendRefs: [{name: reviews, namespace: shop, port: 80}]}]
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: edge}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1beta1
//! kind: ReferenceGrant
//! metadata: {name: edge, namespace: shop}
//! spec:
//!   from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}]
//!   to: [{group: "", kind: Service, name: reviews}]
//! ```
//!
//! ## MSH0406 BackendKindNotSupported (Warning)
//!
//! **What it checks.** A route on a Gateway of Istio, or of the mesh, sends to a kind that Istio knows: Service,
//! ServiceImport, InferencePool, XBackend, or `Hostname` of `networking.istio.io`.
//!
//! **Why it matters.** Requests for another kind are answered with 500.
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
//! metadata: {name: files, namespace: edge}
//! spec:
//!   parentRefs: [{name: public}]
//!   rules: [{backendRefs: [{group: storage.example.com, kind: Bucket, name: files}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: files, namespace: edge}
//! spec: {hosts: [files.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: files, namespace: edge}
//! spec:
//!   parentRefs: [{name: public}]
//!   rules: [{backendRefs: [{group: networking.istio.io, kind: Hostname, name: files.example.com, port: 443}]}]
//! ```

use super::listeners::{gateway_of, is_istio};
use super::refs::{GROUP, Grants, Ref, routes};
use crate::codes::{KIA1402, MSH0404, MSH0406};
use crate::finding::Level;
use crate::reference::{Missing, missing, missing_host};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::Place;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let grants = Grants::new(cx);
    for route in routes(cx) {
        let attached = Attached::of(cx, route);
        for rule in route.spec().into_iter().flat_map(|s| s.list("rules")) {
            for mirror in mirrors(rule) {
                judge(cx, sink, &grants, route, &attached, mirror, Effect::Mirrored);
            }
            for backend in rule.list("backendRefs") {
                let weightless = backend.get("weight").and_then(Node::int) == Some(0);
                judge(cx, sink, &grants, route, &attached, backend, if weightless { Effect::Weightless } else { Effect::Sent });
                for mirror in mirrors(backend) {
                    judge(cx, sink, &grants, route, &attached, mirror, Effect::Mirrored);
                }
            }
        }
    }
}

fn mirrors(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    node.list("filters").filter_map(|f| f.at(&["requestMirror", "backendRef"]))
}

const USE_WAYPOINT: &str = "istio.io/use-waypoint";

/// What a route is attached to.
struct Attached {
    /// A Gateway, so that grants are needed.
    gateway: bool,
    /// Something that Istio is known to implement.
    istio: bool,
}

impl Attached {
    fn of(cx: &Context<'_>, route: &Object) -> Attached {
        let mut attached = Attached { gateway: false, istio: false };
        for r in route.spec().into_iter().flat_map(|s| s.list("parentRefs")).filter_map(|p| Ref::new(p, GROUP, "Gateway", route)) {
            match r.known_kind() {
                // A waypoint may be another implementation's.
                kind @ (Kind::Service | Kind::ServiceEntry) => {
                    let label = cx.mesh.find(kind, r.namespace, r.name).and_then(|s| s.label(USE_WAYPOINT));
                    attached.istio |= label.or_else(|| cx.mesh.namespace_label(r.namespace, USE_WAYPOINT)).is_none();
                }
                kind @ (Kind::K8sGateway | Kind::ListenerSet | Kind::XListenerSet) => {
                    attached.gateway = true;
                    let gateway = cx.mesh.find(kind, r.namespace, r.name).and_then(|o| gateway_of(cx, o));
                    attached.istio |= gateway.is_some_and(|g| is_istio(cx, g));
                }
                _ => {}
            }
        }
        attached
    }
}

/// What becomes of requests for a backend.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Sent,
    Mirrored,
    Weightless,
}

impl Effect {
    fn describe(self) -> &'static str {
        match self {
            Effect::Sent => "its requests are answered with 500",
            Effect::Mirrored => "nothing is mirrored",
            Effect::Weightless => "its requests would be answered with 500 as soon as it has a weight",
        }
    }
    fn level(self, level: Level) -> Level {
        if self == Effect::Sent { level } else { Level::Warning }
    }
}

/// The API group of Istio's networking, whose kind `Hostname` stands for any host.
const ISTIO: &str = "networking.istio.io";

fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, grants: &Grants<'a>, route: &'a Object, attached: &Attached, node: Node<'a>, effect: Effect) {
    let Some(r) = Ref::new(node, "", "Service", route) else { return };
    let before = sink.findings.len();
    let granted = !attached.gateway || !grants.denied(cx, sink, route, &r, effect.describe());
    match (r.group, r.kind) {
        ("", "Service") if granted => judge_service(cx, sink, route, &r, effect),
        ("multicluster.x-k8s.io", "ServiceImport") if granted => judge_import(cx, sink, route, &r),
        (ISTIO, "Hostname") => judge_hostname(cx, sink, route, &r, effect),
        _ if r.known_kind() == Kind::InferencePool && (!granted || cx.mesh.find(Kind::InferencePool, r.namespace, r.name).is_some()) => {}
        _ if r.known_kind() == Kind::InferencePool => not_found(cx, sink, route, &r, effect, (Kind::InferencePool, NotJudged::ObjectOutside)),
        ("", "Service") | ("multicluster.x-k8s.io", "ServiceImport") | ("gateway.networking.x-k8s.io", "XBackend") => {}
        _ if attached.istio && granted => {
            sink.report(&MSH0406, route, r.at("kind"), format!("Istio can not send to {} `{}`: {}", r.kind_of_group(), r.name, effect.describe()))
                .help("send to a Service, or to a host with `group: networking.istio.io, kind: Hostname`");
        }
        _ => {}
    }
    for finding in sink.findings.iter_mut().skip(before) {
        finding.level = effect.level(finding.level);
    }
}

fn not_found<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, route: &'a Object, r: &Ref<'a>, effect: Effect, (kind, reason): (Kind, NotJudged)) {
    let m = Missing { code: &KIA1402, object: route, at: r.at("name"), what: r.kind, value: r.name, place: Place::Objects(kind, r.namespace), reason };
    let message = format!("{} `{}` does not exist in namespace `{}`: {}", r.kind, r.name, r.namespace, effect.describe());
    let before = sink.findings.len();
    missing(cx, sink, &m, message, cx.mesh.objects_in(kind, r.namespace).iter().map(|o| o.name()));
    if let Some(finding) = sink.findings.get_mut(before).filter(|f| f.code == &KIA1402 && f.help.is_none()) {
        finding.help(if r.node.get("namespace").is_none() {
            format!("without `namespace` it is looked up in `{}`, the route's own", r.namespace)
        } else {
            "create it, or name one that exists".to_owned()
        });
    }
}

fn judge_service<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, route: &'a Object, r: &Ref<'a>, effect: Effect) {
    if r.name.contains('.') {
        let (name, rest) = r.name.split_once('.').unwrap_or((r.name, ""));
        let namespace = rest.split('.').next().unwrap_or("");
        sink.report(&KIA1402, route, r.at("name"), format!("`{}` is a host and no name of a Service: {}", r.name, effect.describe())).help(
            if rest.ends_with(cx.mesh.domain) || !rest.contains('.') {
                format!("write `name: {name}` and `namespace: {namespace}`")
            } else {
                "for a host of a ServiceEntry use `group: networking.istio.io, kind: Hostname`".to_owned()
            },
        );
        return;
    }
    let Some(service) = cx.mesh.find(Kind::Service, r.namespace, r.name) else {
        return not_found(cx, sink, route, r, effect, (Kind::Service, NotJudged::HostOutside));
    };
    let Some((at, port)) = r.node.get("port").and_then(|p| Some((p, p.int()?))) else { return };
    let ports = || service.spec().into_iter().flat_map(|s| s.list("ports"));
    if ports().next().is_none() || ports().any(|p| p.get("port").and_then(Node::int) == Some(port)) {
        return;
    }
    if cx.mesh.replaced(Kind::Service).any(|s| s.name() == service.name() && s.namespace() == service.namespace()) {
        return sink.not_judged(NotJudged::ObjectOutside);
    }
    let known: Vec<String> = ports().map(|p| format!("`{}`", p.text_of("port"))).collect();
    let finding = sink.report(&MSH0404, route, at, format!("Service `{}` has no port `{port}`: {}", r.name, effect.describe()));
    match ports().find(|p| p.get("targetPort").and_then(Node::int) == Some(port)) {
        Some(p) => finding.help(format!("`{port}` is the workload's port; the Service's is `{}`", p.text_of("port"))),
        None => finding.help(format!("it has {}", known.join(", "))),
    };
    finding.related(service, service.spec_at(&["ports"]).unwrap_or(service.name_node()), "the Service's ports");
}

/// Istio looks for the Service of an import's name.
fn judge_import<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, route: &'a Object, r: &Ref<'a>) {
    if cx.mesh.find(Kind::Service, r.namespace, r.name).is_none() {
        if cx.mesh.is_complete() {
            sink.report(&KIA1402, route, r.at("name"), format!("there is no Service `{}` in namespace `{}` for the ServiceImport", r.name, r.namespace))
                .level(Level::Warning)
                .help("Istio looks for the Service of the same name in this cluster; create it there, without endpoints if it has none");
        } else {
            sink.not_judged(NotJudged::HostOutside);
        }
    }
}

fn judge_hostname<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, route: &'a Object, r: &Ref<'a>, effect: Effect) {
    if !r.name.contains('.') || !cx.mesh.resolve(r.name, &[route.namespace()]).is_empty() {
        return;
    }
    let m = Missing { code: &KIA1402, object: route, at: r.at("name"), what: "host", value: r.name, place: Place::Hosts(""), reason: NotJudged::HostOutside };
    missing_host(cx, sink, &m, format!("host `{}` is unknown: {}", r.name, effect.describe()));
}
