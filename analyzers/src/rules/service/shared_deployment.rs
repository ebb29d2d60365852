//! ## IST0116 DeploymentAssociatedToMultipleServices (Warning)
//!
//! **What it checks.** Services that select the same Deployment and use one port number with different transport protocols.
//!
//! **Why it matters.** The proxy serves a port with one protocol.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: dns, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: dns}}
//!   template: {metadata: {labels: {app: dns}}, spec: {containers: [{name: app, image: dns}]}}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: dns-tcp, namespace: shop}
//! spec: {selector: {app: dns}, ports: [{name: tcp-dns, port: 53, protocol: TCP}]}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: dns-udp, namespace: shop}
//! spec: {selector: {app: dns}, ports: [{name: udp-dns, port: 53, protocol: UDP}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: dns, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: dns}}
//!   template: {metadata: {labels: {app: dns}}, spec: {containers: [{name: app, image: dns}]}}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: dns-tcp, namespace: shop}
//! spec: {selector: {app: dns}, ports: [{name: tcp-dns, port: 53, protocol: TCP}]}
//! ```
//!
//! ## IST0137 DeploymentConflictingPorts (Warning)
//!
//! **What it checks.** Services that send different ports to the same port of a Deployment.
//!
//! **Why it matters.** The proxy of the workload knows one service for a port; policies and telemetry of the others are
//! lost.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   template: {metadata: {labels: {app: cart}}, spec: {containers: [{name: app, image: cart}]}}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: basket, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 8000, targetPort: 8080}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   template: {metadata: {labels: {app: cart}}, spec: {containers: [{name: app, image: cart}]}}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {app: cart}
//!   ports: [{name: http, port: 80, targetPort: 8080}, {name: http-alt, port: 8000, targetPort: 8080}]
//! ```

use crate::codes::{IST0116, IST0137};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Object, Role};
use mesh_resolver::workload::pod_template;
use mesh_resolver::{Service, Workload};
use std::collections::{BTreeMap, BTreeSet};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for deployment in cx.mesh.objects(Kind::Deployment).iter().copied().filter(|d| d.role == Role::Judged) {
        if deployment.label("gateway.istio.io/managed") == Some("istio.io-mesh-controller") {
            continue;
        }
        let Some(template) = pod_template(deployment) else { continue };
        let workload = Workload::of_template(deployment, template);
        let services = cx.mesh.services.selecting(&workload);
        if !services.is_empty() && cx.mesh.in_mesh(&workload).is_in() {
            check_protocols(sink, deployment, &services);
            check_targets(sink, deployment, &services);
        }
    }
}

fn names(services: &BTreeSet<&str>) -> String {
    services.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ")
}

fn check_protocols<'a>(sink: &mut Sink<'a>, deployment: &'a Object, services: &[&Service<'a>]) {
    let mut by_port: BTreeMap<u16, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for s in services {
        for p in &s.ports {
            let protocol = if p.protocol.is_empty() { "TCP" } else { p.protocol };
            by_port.entry(p.number).or_default().entry(protocol).or_default().insert(s.object.name());
        }
    }
    for (port, protocols) in by_port.iter().filter(|(_, p)| p.len() > 1) {
        let all: BTreeSet<&str> = protocols.values().flatten().copied().collect();
        // One Service may serve a port by TCP and UDP, as DNS does.
        if all.len() < 2 {
            continue;
        }
        let kinds: Vec<&str> = protocols.keys().copied().collect();
        let message = format!("Deployment `{}` is reached on port {port} by {} through the Services {}", deployment.name(), kinds.join(" and "), names(&all));
        let finding = sink.report(&IST0116, deployment, deployment.name_node(), message);
        finding.help("use another port for one of the protocols");
        for s in services.iter().filter(|s| all.contains(s.object.name())) {
            finding.related(s.object, s.object.name_node(), "this Service");
        }
    }
}

fn check_targets<'a>(sink: &mut Sink<'a>, deployment: &'a Object, services: &[&Service<'a>]) {
    let mut by_target: BTreeMap<String, BTreeMap<u16, BTreeSet<&str>>> = BTreeMap::new();
    for s in services {
        for p in &s.ports {
            let target = if matches!(p.target, "" | "0") { p.number.to_string() } else { p.target.to_owned() };
            by_target.entry(target).or_default().entry(p.number).or_default().insert(s.object.name());
        }
    }
    for (target, ports) in by_target.iter().filter(|(_, p)| p.len() > 1) {
        let all: BTreeSet<&str> = ports.values().flatten().copied().collect();
        // Two ports of one Service may share a target: nothing is ambiguous then.
        if all.len() < 2 {
            continue;
        }
        let numbers: Vec<String> = ports.keys().map(u16::to_string).collect();
        let message =
            format!("port `{target}` of Deployment `{}` is the target of the ports {} of the Services {}", deployment.name(), numbers.join(", "), names(&all));
        let finding = sink.report(&IST0137, deployment, deployment.name_node(), message);
        finding.help("use one port number for the target, or targets of their own");
        for s in services.iter().filter(|s| all.contains(s.object.name())) {
            finding.related(s.object, s.object.name_node(), "this Service");
        }
    }
}
