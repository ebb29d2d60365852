//! ## IST0101 ReferencedResourceNotFound (Error)
//!
//! **What it checks.** A Gateway's selector picks a workload, in any namespace. The default ingress gateway
//! (`istio: ingressgateway` in `istio-system`) is taken to exist.
//!
//! **Why it matters.** A Gateway that no proxy takes up opens no port.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingresgateway}, servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ```
//!
//! ## IST0162 GatewayPortNotDefinedOnService (Warning)
//!
//! **What it checks.** A server's port is a port or target port of a Service in front of the gateway's workloads.
//!
//! **Why it matters.** The proxy listens, but nothing sends traffic to that port.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*"], port: {name: http, number: 8000, protocol: HTTP}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: edge, namespace: edge}
//! spec: {selector: {app: edge}, ports: [{name: http, port: 80, targetPort: 8000}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: edge, namespace: edge}
//! spec: {selector: {matchLabels: {app: edge}}, template: {metadata: {labels: {app: edge}}}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {app: edge}, servers: [{hosts: ["*"], port: {name: http, number: 8000, protocol: HTTP}}]}
//! ```

use super::picked::{Cache, Pairs, Picked, selector};
use crate::codes::{IST0101, IST0162, MSH0002};
use crate::rule::{Context, NotJudged, Sink};
use crate::spelling;
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Place, Selector, ServiceKind, WorkloadSource};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut cache = Cache::default();
    let mut ports: FxHashMap<Pairs<'a>, BTreeSet<i64>> = FxHashMap::default();
    let mut misspelt: FxHashMap<Pairs<'a>, Option<String>> = FxHashMap::default();
    let gateways = cx.mesh.objects(Kind::Gateway);
    let serving: FxHashSet<Pairs<'a>> = gateways.iter().filter(|g| g.spec_at(&["servers"]).is_some_and(|s| !s.is_empty())).map(|g| selector(g).pairs).collect();
    for gateway in gateways.iter().copied() {
        let selector = selector(gateway);
        let picked = cache.of(cx, &selector);
        if picked.workloads.is_empty() {
            // The gateway of another cluster, which takes its configuration from this one.
            if cx.mesh.picks(None, &selector) {
                continue;
            }
            // Gateways share few selectors, and the search for a misspelling looks at every workload.
            let near = misspelt.entry(selector.pairs.clone()).or_insert_with(|| near_label(cx, gateway));
            nothing_picked(cx, sink, gateway, &selector, near.as_deref());
            continue;
        }
        let at = gateway.spec_at(&["selector"]).unwrap_or(gateway.name_node());
        if !selector.is_empty() && !serving.contains(&selector.pairs) {
            sink.report(&IST0101, gateway, at, format!("no server is defined for the workloads that `{}` picks: they serve nothing", selector.display()))
                .help("give the Gateway `servers`");
        } else if cx.mesh.is_complete() && picked.workloads.iter().all(|w| w.source == WorkloadSource::Pod && w.object.written_namespace().is_empty()) {
            // As istioctl has it: credentials are read from the pods' namespace, and these pods name none.
            sink.report(
                &IST0101,
                gateway,
                at,
                format!("the Pods that `{}` picks name no namespace: where the gateway's credentials are is not known", selector.display()),
            )
            .help("give the Pods a namespace");
        }
        if picked.only_assumed() && !cx.mesh.is_complete() {
            continue;
        }
        if !picked.namespaces.iter().all(|ns| cx.mesh.owns(gateway, Place::Objects(Kind::Service, ns))) {
            sink.not_judged(NotJudged::HostOutside);
            continue;
        }
        let open = ports.entry(selector.pairs.clone()).or_insert_with(|| service_ports(cx, &picked));
        missing_ports(sink, gateway, &selector, open);
    }
}

/// The label of a workload that a gateway's selector probably means.
fn near_label(cx: &Context<'_>, gateway: &Object) -> Option<String> {
    gateway.spec_at(&["selector"]).into_iter().flat_map(Node::entries).find_map(|(key, value)| {
        let known: BTreeSet<&str> = cx.mesh.workloads.all().iter().filter_map(|w| w.label(key.text())).collect();
        spelling::nearest(value.text(), known).map(|near| format!("`{}: {near}`", key.text()))
    })
}

fn nothing_picked<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, gateway: &'a Object, selector: &Selector<'a>, near: Option<&str>) {
    let at = gateway.spec_at(&["selector"]).unwrap_or(gateway.name_node());
    let shown = selector.display();
    if cx.mesh.is_complete() {
        let help = near.map_or_else(|| "correct the labels, or install the gateway that it is for".to_owned(), |near| format!("did you mean {near}?"));
        sink.report(&IST0101, gateway, at, format!("selector `{shown}` picks no workload in any namespace: no proxy opens the Gateway's ports")).help(help);
    } else if let Some(near) = near {
        sink.report(&MSH0002, gateway, at, format!("selector `{shown}` picks no workload of the input"))
            .help(format!("did you mean {near}? Otherwise give the gateway's workload as well, or with `--world`"));
    } else {
        sink.not_judged(NotJudged::WorkloadOutside);
    }
}

/// Ports and target ports of the Services that select any of the workloads.
fn service_ports<'a>(cx: &Context<'a>, picked: &Picked<'a>) -> BTreeSet<i64> {
    let mut out = BTreeSet::new();
    for namespace in &picked.namespaces {
        for service in cx.mesh.services.in_namespace(namespace).filter(|s| s.kind == ServiceKind::Kubernetes && s.selector.is_some()) {
            let selector = service.selector();
            let Some(workload) = picked.workloads.iter().find(|w| w.namespace == *namespace && selector.matches(|k| w.label(k))) else { continue };
            for port in service.ports.iter().filter(|p| matches!(p.protocol, "" | "TCP")) {
                out.insert(i64::from(port.number));
                match port.target.parse() {
                    Ok(number) => _ = out.insert(number),
                    Err(_) => out.extend(
                        workload
                            .spec()
                            .into_iter()
                            .flat_map(|s| s.list("containers"))
                            .flat_map(|c| c.list("ports"))
                            .filter_map(|p| (!port.target.is_empty() && p.text_of("name") == port.target).then(|| p.get("containerPort")?.int()).flatten()),
                    ),
                }
            }
        }
    }
    out
}

fn missing_ports<'a>(sink: &mut Sink<'a>, gateway: &'a Object, selector: &Selector<'a>, open: &BTreeSet<i64>) {
    let mut seen = BTreeSet::new();
    for port in gateway.spec().into_iter().flat_map(|s| s.list("servers")).filter_map(|s| s.get("port")) {
        let number = port.get("number").and_then(Node::int).unwrap_or(0);
        if open.contains(&number) || !seen.insert(number) {
            continue;
        }
        let at = port.get("number").unwrap_or(port);
        let finding = sink.report(
            &IST0162,
            gateway,
            at,
            format!("port `{number}` is on no Service in front of the workloads that `{}` picks: nothing reaches it", selector.display()),
        );
        if open.is_empty() {
            finding.help("no Service selects these workloads");
        } else {
            let list: Vec<String> = open.iter().take(8).map(|p| format!("`{p}`")).collect();
            finding.help(format!("their Services have {}", list.join(", ")));
        }
    }
}
