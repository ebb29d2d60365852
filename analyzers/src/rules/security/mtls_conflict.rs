//! ## MSH0304 MtlsConflict (Warning)
//!
//! **What it checks.** A DestinationRule that has clients speak to a workload as the workload does not listen: plaintext or
//! TLS of their own to one that takes mTLS only, Istio's mTLS to one that has no proxy or takes none.
//!
//! **Why it matters.** Every request of a client with a proxy fails with 503 UC or UF.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: cart, namespace: shop}
//! spec: {host: cart, trafficPolicy: {tls: {mode: DISABLE}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: cart, namespace: shop}
//! spec: {host: cart, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
//! ```

use crate::codes::MSH0304;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{InMesh, MtlsMode, Selector, Service, ServiceKind, Workload, host};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for rule in cx.mesh.objects(Kind::DestinationRule).iter().copied().filter(|d| d.role == Role::Judged) {
        let Some(spec) = rule.spec() else { continue };
        let fqdn = host::expand(spec.text_of("host"), rule.namespace(), cx.mesh.domain);
        let Some(service) = cx.mesh.services.by_host(&fqdn).find(|s| s.kind == ServiceKind::Kubernetes) else { continue };
        let whole = spec.get("trafficPolicy");
        if let Some(policy) = whole {
            check_policy(cx, sink, rule, service, policy, None);
        }
        for subset in spec.list("subsets") {
            if let Some(policy) = subset.get("trafficPolicy") {
                check_policy(cx, sink, rule, service, policy, subset.get("labels"));
            }
        }
    }
}

/// The policy's own TLS, then that of its ports, which replaces it there.
fn check_policy<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, rule: &'a Object, service: &Service<'a>, policy: Node<'a>, subset: Option<Node<'a>>) {
    let by_port: Vec<(u16, Node<'a>)> =
        policy.list("portLevelSettings").filter_map(|p| Some((u16::try_from(p.at(&["port", "number"])?.int()?).ok()?, p))).collect();
    for port in &service.ports {
        let own = by_port.iter().find(|(n, _)| *n == port.number).map(|(_, p)| *p);
        let Some(mode) = own.unwrap_or(policy).at(&["tls", "mode"]) else { continue };
        let target = match port.target {
            "" => Some(port.number),
            t => t.parse().ok(),
        };
        if check_port(cx, sink, rule, service, mode, subset, target) {
            return;
        }
    }
}

/// True when something was reported: one fault a policy.
fn check_port<'a>(
    cx: &Context<'a>,
    sink: &mut Sink<'a>,
    rule: &'a Object,
    service: &Service<'a>,
    mode: Node<'a>,
    subset: Option<Node<'a>>,
    target: Option<u16>,
) -> bool {
    let mut selector = service.selector();
    if selector.is_empty() {
        return false;
    }
    selector.pairs.extend(Selector::from_map(subset).pairs);
    for w in cx.mesh.workloads.matching(Some(service.namespace), &selector).take(200) {
        let place = cx.mesh.in_mesh(w);
        if place == InMesh::Ambient {
            sink.not_judged(NotJudged::Ambient);
            return false;
        }
        // Of a part of a mesh, a namespace's labels may be elsewhere.
        let outside = place == InMesh::No;
        if outside && !cx.mesh.is_complete() && cx.mesh.find(Kind::Namespace, "", w.namespace).is_none() {
            return false;
        }
        let serves = cx.mesh.peer_authentications.of_workload(w, target);
        let why = match mode.text() {
            "DISABLE" if !outside && serves.mode == MtlsMode::Strict => "clients speak plaintext, but it takes mTLS only (STRICT)",
            "SIMPLE" | "MUTUAL" if !outside && serves.mode == MtlsMode::Strict => "clients use TLS of their own, but it takes Istio's mTLS only (STRICT)",
            "ISTIO_MUTUAL" if outside => "clients use Istio's mTLS, but it has no proxy to take it",
            "ISTIO_MUTUAL" if serves.mode == MtlsMode::Disable => "clients use Istio's mTLS, but its mode is DISABLE",
            _ => continue,
        };
        report(sink, rule, service, w, mode, why, serves.policy.filter(|_| !outside));
        return true;
    }
    false
}

fn report<'a>(sink: &mut Sink<'a>, rule: &'a Object, service: &Service<'a>, w: &Workload<'a>, mode: Node<'a>, why: &str, policy: Option<&'a Object>) {
    let finding = sink.report(
        &MSH0304,
        rule,
        mode,
        format!("TLS mode {} does not fit workload `{}` of `{}`: {why}", mode.text(), w.object.name(), service.object.full_name()),
    );
    finding.help("leave out `tls`: Istio then uses mTLS wherever the workload takes it").related(w.object, w.object.name_node(), "this workload");
    if let Some(policy) = policy {
        finding.related(policy, policy.spec_at(&["mtls", "mode"]).unwrap_or_else(|| policy.name_node()), "its mode is set here");
    }
}
