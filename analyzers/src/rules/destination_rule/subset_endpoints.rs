//! ## IST0174 UnknownDestinationRuleHost (Warning)
//!
//! **What it checks.** A DestinationRule's host is that of no Service or ServiceEntry that it can see; a wildcard host
//! covers none.
//!
//! **Why it matters.** The rule has no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: default, namespace: istio-system}
//! spec: {host: "*.local", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
//! ```
//!
//! ## IST0173 DestinationRuleSubsetNotSelectPods (Error)
//!
//! **What it checks.** A subset's labels are those of no workload. Pods count, workloads through their templates where
//! no Pods are given, WorkloadEntries and the endpoints of a ServiceEntry; labels of the node's topology count too.
//!
//! **Why it matters.** Requests to a subset without endpoints get 503 (`UH`).
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: reviews-v1, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews, version: v1}}}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v2, labels: {version: v2}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: reviews-v1, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews, version: v1}}}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! # meshctl: cluster east
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v2, labels: {version: v2}}]}
//! ---
//! # meshctl: cluster west
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: reviews-v2, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews, version: v2}}}}
//! ```
//!
//! ## KIA0203 SubsetSelectsNothingOfHost (Warning)
//!
//! **What it checks.** A subset's labels exist, but not on any workload of the host it belongs to. An Error where a
//! VirtualService sends traffic there.
//!
//! **Why it matters.** A subset picks among the endpoints of its host only; this one has none and answers with 503.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: reviews, namespace: shop, labels: {app: reviews, version: v1}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: ratings, namespace: shop, labels: {app: ratings, version: v2}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec: {host: reviews, subsets: [{name: v2, labels: {version: v2}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: vm, namespace: shop}
//! spec: {hosts: [vm.example.com], resolution: STATIC, workloadSelector: {labels: {app: vm}}, ports: [{number: 80, name: http, protocol: HTTP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadEntry
//! metadata: {name: vm-2, namespace: shop}
//! spec: {address: 10.0.0.2, labels: {app: vm, version: v2}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: vm, namespace: shop}
//! spec: {host: vm.example.com, subsets: [{name: v2, labels: {version: v2}}]}
//! ```

use crate::codes::{IST0173, IST0174, KIA0203};
use crate::finding::Level;
use crate::reference::{Missing, missing_host};
use crate::rule::{Context, NotJudged, Sink};
use crate::rules::virtual_service::destination::{Destination, Sort, destinations, export_to, viewers};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{Place, Selector, Service, ServiceKind, Workload, host};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Labels that Istio adds to an endpoint from where it runs.
const TOPOLOGY: &[&str] = &[
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
    "topology.istio.io/cluster",
    "topology.istio.io/network",
    "kubernetes.io/hostname",
];

type Traffic<'a> = FxHashMap<(Cow<'a, str>, &'a str), (&'a Object, Destination<'a>)>;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let default = cx.mesh.config.default_export_to("defaultDestinationRuleExportTo");
    let mut traffic: Option<Traffic<'a>> = None;
    let mut covered: FxHashMap<&str, bool> = FxHashMap::default();
    for rule in cx.mesh.objects(Kind::DestinationRule).iter().copied() {
        let Some(spec) = rule.spec() else { continue };
        let host = spec.text_of("host");
        let at = spec.get("host").unwrap_or(rule.name_node());
        let fqdn = host::expand(host, rule.namespace(), cx.mesh.domain);
        let export = export_to(rule, &default);
        let services = cx.mesh.resolve(&fqdn, &viewers(&export, rule.namespace()));
        if services.is_empty() {
            let covers = host.starts_with('*') && *covered.entry(host).or_insert_with(|| covers_any(cx, host));
            if !covers {
                unknown_host(cx, sink, rule, host, at);
            }
            continue;
        }
        let mut seen: Vec<&str> = Vec::new();
        for subset in spec.list("subsets") {
            let name = subset.text_of("name");
            if !seen.contains(&name) {
                seen.push(name);
                let check = Subset { rule, node: subset, services: &services, host, fqdn: &fqdn };
                judge(cx, sink, &check, &mut traffic);
            }
        }
    }
}

fn covers_any(cx: &Context<'_>, host: &str) -> bool {
    cx.mesh.services_everywhere().all().iter().filter(|s| s.object.role != Role::Assumed).any(|s| s.hosts.iter().any(|h| host::covers(host, h)))
}

fn unknown_host<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, rule: &'a Object, host: &str, at: Node<'a>) {
    let message = format!("host `{host}` is that of no Service or ServiceEntry: the rule has no effect");
    let m = Missing { code: &IST0174, object: rule, at, what: "host", value: host, place: Place::Hosts(""), reason: NotJudged::HostOutside };
    missing_host(cx, sink, &m, message);
}

struct Subset<'a, 'm> {
    rule: &'a Object,
    node: Node<'a>,
    services: &'m [&'m Service<'a>],
    host: &'a str,
    fqdn: &'m str,
}

fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, subset: &Subset<'a, '_>, traffic: &mut Option<Traffic<'a>>) {
    let labels = Selector::from_map(subset.node.get("labels"));
    let (topology, plain): (Vec<_>, Vec<_>) = labels.pairs.iter().copied().partition(|(k, _)| TOPOLOGY.contains(k));
    let wanted = Wanted { plain, topology };
    if subset.services.iter().any(|s| has_endpoint(cx, s, &wanted)) {
        return;
    }
    let Subset { rule, services, host, .. } = *subset;
    if !services.iter().all(|s| endpoints_known(cx, s)) {
        sink.not_judged(NotJudged::WorkloadOutside);
        return;
    }
    let name = subset.node.text_of("name");
    let at = subset.node.get("labels").filter(|l| !l.is_empty()).or(subset.node.get("name")).unwrap_or(subset.node);
    let traffic = traffic.get_or_insert_with(|| traffic_by_subset(cx));
    let sent = traffic.get(&(Cow::Borrowed(subset.fqdn), name)).filter(|(_, d)| d.sort == Sort::Mirror || d.share > 0.0);
    let effect = match sent {
        Some((vs, d)) if d.sort == Sort::Mirror => format!("what VirtualService `{}` mirrors there is lost", vs.full_name()),
        Some((vs, d)) => format!("{} of the traffic of VirtualService `{}` goes there and gets 503", d.share_text(), vs.full_name()),
        None => "requests sent there get 503".to_owned(),
    };
    let shown = if labels.is_empty() { String::new() } else { format!(" (`{}`)", labels.display()) };
    // A selector of the ServiceEntry belongs to the question, as istioctl asks it; that of a Service does not.
    let anywhere = services.iter().any(|s| {
        let own = if s.kind == ServiceKind::ServiceEntry { s.selector() } else { Selector::default() };
        cx.mesh.workloads_everywhere().matching(None, &wanted.with(&own)).any(|w| w.object.role != Role::Assumed && topology_fits(cx, w, &wanted))
    });
    let finding = if anywhere {
        let level = if sent.is_some_and(|(_, d)| d.sort != Sort::Mirror) { Level::Error } else { Level::Warning };
        sink.report_at_level(level, &KIA0203, rule, at, format!("subset `{name}`{shown} selects workloads of other services, none of `{host}`: {effect}"))
    } else {
        sink.report(&IST0173, rule, at, format!("subset `{name}`{shown} selects no workload of `{host}`: {effect}"))
    };
    let values = known_values(cx, services, &wanted);
    finding.help(if values.is_empty() {
        format!("label the workloads of `{host}` so, or remove the subset and what routes to it")
    } else {
        format!("the workloads of `{host}` have {}", values.into_iter().collect::<Vec<_>>().join(", "))
    });
    if let Some((vs, d)) = sent {
        finding.related(vs, d.subset_node(), "routes to it here");
    }
}

struct Wanted<'a> {
    plain: Vec<(&'a str, &'a str)>,
    topology: Vec<(&'a str, &'a str)>,
}

impl<'a> Wanted<'a> {
    /// The subset's labels and a selector's; the subset's win where both have a key.
    fn with(&self, own: &Selector<'a>) -> Selector<'a> {
        let mut pairs = self.plain.clone();
        pairs.extend(own.pairs.iter().filter(|(k, _)| !self.plain.iter().any(|(p, _)| p == k)));
        pairs.sort_unstable();
        Selector { pairs, expressions: None }
    }
    /// The subset's labels and a selector's, if they agree.
    fn and(&self, own: &Selector<'a>) -> Option<Selector<'a>> {
        let agree = own.pairs.iter().all(|(k, v)| self.plain.iter().all(|(pk, pv)| pk != k || pv == v));
        agree.then(|| self.with(own))
    }
}

fn has_endpoint<'a>(cx: &Context<'a>, service: &Service<'a>, wanted: &Wanted<'a>) -> bool {
    if service.selector.is_some() {
        let Some(selector) = wanted.and(&service.selector()) else { return false };
        let pods = cx.mesh.workloads_everywhere().matching(Some(service.namespace), &selector).any(|w| topology_fits(cx, w, wanted));
        return pods || cx.mesh.machines_everywhere().any(Some(service.namespace), &selector) || cx.mesh.picks_replaced(Some(service.namespace), &selector);
    }
    let endpoints = service.object.spec_at(&["endpoints"]).filter(|_| service.kind == ServiceKind::ServiceEntry);
    match endpoints.filter(|e| !e.is_empty()) {
        Some(list) => list.items().any(|e| {
            let labels = e.get("labels");
            wanted.plain.iter().all(|(k, v)| labels.and_then(|l| l.get(k)).map(Node::text) == Some(*v))
        }),
        // Endpoints given by hand, or the very host: only the pods themselves can have labels.
        None if wanted.plain.is_empty() => service.kind == ServiceKind::ServiceEntry || !cx.mesh.workloads_everywhere().all().is_empty(),
        None => service.kind == ServiceKind::Kubernetes && cx.mesh.workloads_everywhere().matching(None, &wanted.with(&Selector::default())).next().is_some(),
    }
}

/// Whether all endpoints that a service can have are in the input.
fn endpoints_known<'a>(cx: &Context<'a>, service: &Service<'a>) -> bool {
    let owns = |place| cx.mesh.owns(service.object, place);
    if cx.mesh.may_pick(service.object, Some(service.namespace), &service.selector()) {
        return false;
    }
    match (service.selector, service.kind) {
        (Some(_), ServiceKind::Kubernetes) => owns(Place::Workloads(service.namespace)),
        (Some(_), ServiceKind::ServiceEntry) => owns(Place::Workloads(service.namespace)) || owns(Place::Objects(Kind::WorkloadEntry, service.namespace)),
        (None, ServiceKind::Kubernetes) => cx.mesh.is_complete(),
        (None, ServiceKind::ServiceEntry) => true,
    }
}

/// Whether a workload may have the topology labels; where its node is unknown it may.
fn topology_fits(cx: &Context<'_>, workload: &Workload<'_>, wanted: &Wanted<'_>) -> bool {
    let node_name = workload.spec().map_or("", |s| s.text_of("nodeName"));
    let node = cx.mesh.find(Kind::Node, "", node_name);
    wanted.topology.iter().all(|(key, value)| {
        if let Some(own) = workload.label(key) {
            return own == *value;
        }
        match *key {
            "kubernetes.io/hostname" => node_name.is_empty() || node_name == *value,
            "topology.istio.io/cluster" | "topology.istio.io/network" => true,
            key => node.is_none_or(|n| n.label(key) == Some(*value)),
        }
    })
}

/// What the host's workloads have for the subset's keys: `` `version: v1` ``.
fn known_values<'a>(cx: &Context<'a>, services: &[&Service<'a>], wanted: &Wanted<'a>) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for service in services.iter().filter(|s| s.selector.is_some()) {
        for workload in cx.mesh.workloads_everywhere().matching(Some(service.namespace), &service.selector()).take(50) {
            for (key, _) in &wanted.plain {
                if let Some(value) = workload.label(key).filter(|_| out.len() < 6) {
                    out.insert(format!("`{key}: {value}`"));
                }
            }
        }
    }
    out
}

/// The destination that sends the largest share to each subset.
fn traffic_by_subset<'a>(cx: &Context<'a>) -> Traffic<'a> {
    let mut out: Traffic<'a> = FxHashMap::default();
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        for d in destinations(object).into_iter().filter(|d| !d.subset.is_empty()) {
            let key = (host::expand(d.host, object.namespace(), cx.mesh.domain), d.subset);
            let rank = |d: &Destination<'_>| (d.sort != Sort::Mirror, d.share);
            match out.entry(key) {
                std::collections::hash_map::Entry::Occupied(mut e) => {
                    if rank(&d) > rank(&e.get().1) {
                        e.insert((object, d));
                    }
                }
                std::collections::hash_map::Entry::Vacant(e) => {
                    e.insert((object, d));
                }
            }
        }
    }
    out
}
