//! Which endpoints come first, and how requests are shared out: by where the proxy and they are
//! (`localityLbSetting`, `trafficDistribution`).
//!
//! Priorities count from 0 without gaps, as istiod gives them: the same subzone, zone, region, another region; with
//! `failover` regions that are not named come last, and with `failoverPriority` labels decide, the first that differs
//! the most.

use super::endpoint::Found;
use super::proxy::Proxy;
use super::registry::{Endpoint, RegisteredService};
use super::traffic_policy::TrafficPolicy;
use super::{Context, Model};
use crate::mesh::Mesh;
use crate::workload::Workload;
use mesh_envoy::api::endpoint::{ClusterLoadAssignment, LocalityLbEndpoints};
use mesh_model::{Kind, Node, Object, Role};
use std::collections::{BTreeMap, BTreeSet};

const LABEL: &str = "istio-locality";
const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";
const SUBZONE: &str = "topology.istio.io/subzone";
const NETWORK: &str = "topology.istio.io/network";
pub const HOSTNAME: &str = "kubernetes.io/hostname";
pub const CLUSTER: &str = "topology.istio.io/cluster";
const DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";

/// Where a proxy or an endpoint is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Whereabouts {
    /// `region/zone/subzone`, "" where nothing says.
    pub locality: String,
    /// The node's name.
    pub node: String,
    /// "" where nothing says.
    pub network: String,
    /// The name of its cluster, "" where nothing says.
    pub cluster: String,
}

/// Region, zone and subzone.
pub fn parts(locality: &str) -> [&str; 3] {
    let mut parts = locality.splitn(3, '/');
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// The locality of a workload: its label, else that of its node; "" where nothing says.
pub fn of_workload(mesh: &Mesh<'_>, w: &Workload<'_>) -> String {
    match w.label(LABEL).filter(|l| !l.is_empty()) {
        Some(own) => of_label(own),
        None => of_node(mesh, w.object.cluster, w.spec().map_or("", |s| s.text_of("nodeName"))),
    }
}

/// A label can't hold `/`.
fn of_label(text: &str) -> String {
    if text.contains('/') { text.to_owned() } else { text.replace('.', "/") }
}

/// The locality of a cluster's node; clusters may give nodes the same name.
pub fn of_node(mesh: &Mesh<'_>, cluster: u16, name: &str) -> String {
    let found = if name.is_empty() { None } else { mesh.find(Kind::Node, "", name) };
    let own = |n: &&Object| n.cluster == cluster;
    let of_clusters = || mesh.clusters().iter().find_map(|m| m.find(Kind::Node, "", name).filter(own));
    // What is only consulted is of no cluster.
    let node = found.filter(own).or_else(|| of_clusters().or(found.filter(|n| n.role != Role::Judged)).filter(|_| found.is_some()));
    node.map(|n| of_labels(|k| n.label(k))).unwrap_or_default()
}

fn of_labels<'l>(label: impl Fn(&str) -> Option<&'l str>) -> String {
    let first = |keys: [&str; 2]| keys.into_iter().find_map(&label).unwrap_or_default();
    let region = first([REGION, "failure-domain.beta.kubernetes.io/region"]);
    let zone = first([ZONE, "failure-domain.beta.kubernetes.io/zone"]);
    let subzone = label(SUBZONE).unwrap_or_default();
    if region.is_empty() && zone.is_empty() && subzone.is_empty() { String::new() } else { format!("{region}/{zone}/{subzone}") }
}

impl<'m, 'a> Model<'m, 'a> {
    /// The workload that a proxy stands before, by its id: of several clusters that have one of this name, the one with its
    /// address.
    fn pod_of(&self, proxy: &Proxy) -> Option<&'m Workload<'a>> {
        let (name, namespace) = proxy.id.rsplit_once('.')?;
        let ids = self.mesh.workloads.ids_named(namespace, name);
        let is_elsewhere = |id: &&u32| {
            let w = self.mesh.workloads.get(**id);
            let has_address = self.proxy_of(**id).addresses.iter().any(|a| proxy.addresses.contains(a));
            (!has_address, proxy.label(CLUSTER).is_some_and(|c| c != super::endpoint::cluster_name(self.mesh, w.object)))
        };
        let id = if ids.len() > 1 { ids.iter().min_by_key(is_elsewhere)? } else { ids.first()? };
        Some(self.mesh.workloads.get(*id))
    }

    /// Where a proxy is: as it says itself, else as its Pod is.
    pub fn whereabouts(&self, proxy: &Proxy) -> Whereabouts {
        let pod = self.pod_of(proxy);
        let node = pod.and_then(Workload::spec).map_or("", |s| s.text_of("nodeName"));
        let own = proxy.label(LABEL).map(of_label).unwrap_or_else(|| of_labels(|k| proxy.label(k)));
        let locality = if own.is_empty() { pod.map(|w| of_workload(self.mesh, w)).unwrap_or_default() } else { own };
        let cluster = pod.map(|w| super::endpoint::cluster_name(self.mesh, w.object)).or(proxy.label(CLUSTER)).unwrap_or_default();
        Whereabouts { locality, node: node.to_owned(), network: self.networks.of_proxy(proxy, pod), cluster: cluster.to_owned() }
    }
}

/// What says how endpoints are preferred.
#[derive(Clone, Debug, Default)]
pub struct Setting<'a> {
    distribute: Vec<Node<'a>>,
    failover: Vec<Node<'a>>,
    priorities: Vec<&'a str>,
    /// Preferred even where nothing finds out that an endpoint fails.
    is_forced: bool,
}

/// What a Service wishes by itself: the value of its distribution. Its annotation counts where its field says nothing that
/// istiod knows.
pub fn distribution(service: &Object) -> Option<&str> {
    let field = service.spec_at(&["trafficDistribution"]).map(Node::text);
    let known = field.filter(|d| is_known(d) || d.eq_ignore_ascii_case("PreferSameNode"));
    [known, service.annotation(DISTRIBUTION), field].into_iter().flatten().find(|d| !matches!(*d, "" | "Any"))
}

/// Distributions that are translated.
pub fn is_known(distribution: &str) -> bool {
    ["PreferClose", "PreferSameZone"].iter().any(|k| distribution.eq_ignore_ascii_case(k))
}

/// The labels that some setting asks for, by which endpoints may be preferred.
pub fn asked_labels<'a>(mesh: &Mesh<'a>) -> BTreeSet<&'a str> {
    let rules = mesh.objects(Kind::DestinationRule).iter().filter_map(|o| o.spec());
    let policies = rules.flat_map(|s| s.get("trafficPolicy").into_iter().chain(s.list("subsets").filter_map(|s| s.get("trafficPolicy"))));
    let balancers = policies.flat_map(|p| std::iter::once(p).chain(p.list("portLevelSettings"))).filter_map(|p| p.get("loadBalancer"));
    let settings = balancers.filter_map(|b| b.get("localityLbSetting")).chain(mesh.config.at(&["localityLbSetting"]));
    let priorities = settings.flat_map(|s| s.list("failoverPriority")).map(Node::text);
    priorities.map(|p| p.split_once('=').map_or(p, |(key, _)| key)).collect()
}

impl<'a> Setting<'a> {
    /// The setting for a service's endpoints: of its rules, else its own, else of the mesh; `None` where it is off.
    pub fn of(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, policy: &TrafficPolicy<'a>) -> Option<Setting<'a>> {
        let read = |node: Node<'a>| {
            let is_off = node.get("enabled").and_then(Node::bool) == Some(false);
            (!is_off).then(|| Setting {
                distribute: node.list("distribute").collect(),
                failover: node.list("failover").collect(),
                priorities: node.list("failoverPriority").map(Node::text).collect(),
                is_forced: false,
            })
        };
        if let Some(own) = policy.load_balancer.and_then(|l| l.get("localityLbSetting")) {
            return read(own);
        }
        if let Some(wish) = distribution(service.object) {
            return is_known(wish).then(|| Setting { priorities: vec![NETWORK, REGION, ZONE, SUBZONE], is_forced: true, ..Setting::default() });
        }
        cx.model.mesh.config.at(&["localityLbSetting"]).map_or(Some(Setting::default()), read)
    }

    /// Whether failing over makes sense: something finds out that endpoints fail.
    pub fn fails_over(&self, policy: &TrafficPolicy<'_>) -> bool {
        policy.outlier_detection.is_some() || self.is_forced
    }

    /// Whether localities have weights of their own.
    pub fn is_weighted(&self, policy: &TrafficPolicy<'_>) -> bool {
        !self.distribute.is_empty() || (self.fails_over(policy) && (!self.failover.is_empty() || !self.priorities.is_empty()))
    }

    /// Whether it changes anything for endpoints in several places.
    pub fn prefers(&self, policy: &TrafficPolicy<'_>) -> bool {
        !self.distribute.is_empty() || self.fails_over(policy)
    }

    /// Puts priorities and weights to the localities of an assignment, whose endpoints stand in `groups`.
    pub fn apply(&self, cx: &Context<'_, 'a>, policy: &TrafficPolicy<'_>, found: Found, groups: &[&[Endpoint<'a>]], assignment: &mut ClusterLoadAssignment) {
        let own = &cx.whereabouts.locality;
        if !self.distribute.is_empty() {
            self.distribute(own, assignment);
        } else if self.fails_over(policy) {
            if self.priorities.is_empty() {
                self.by_place(own, assignment);
            } else {
                // Labels of endpoints are known to who is asked for them alone.
                if found == Found::ByControlPlane {
                    self.by_labels(cx, groups, assignment);
                }
                if !self.failover.is_empty() {
                    self.by_place(own, assignment);
                }
            }
        }
    }

    fn distribute(&self, own: &str, assignment: &mut ClusterLoadAssignment) {
        let at = |l: &LocalityLbEndpoints, rule: &str| {
            let l = l.locality.clone().unwrap_or_default();
            covers(rule, [&l.region, &l.zone, &l.sub_zone])
        };
        let Some(rule) = self.distribute.iter().find(|d| covers(d.text_of("from"), parts(own))) else { return };
        let mut open: BTreeSet<usize> = (0..assignment.endpoints.len()).collect();
        let to: BTreeMap<&str, u64> = rule.map("to").map(|(k, v)| (k.text(), v.int().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))).collect();
        for (place, share) in to {
            let meant: Vec<usize> = open.iter().copied().filter(|i| at(&assignment.endpoints[*i], place)).collect();
            let weight = |l: &LocalityLbEndpoints| u64::from(l.load_balancing_weight.unwrap_or(1));
            let total: u64 = meant.iter().map(|i| weight(&assignment.endpoints[*i])).sum();
            for i in meant {
                open.remove(&i);
                let part = weight(&assignment.endpoints[i]).saturating_mul(share).div_ceil(total.max(1));
                if part > 0 {
                    assignment.endpoints[i].load_balancing_weight = Some(u32::try_from(part).unwrap_or(u32::MAX));
                }
            }
        }
        // Who is not named gets nothing.
        for i in open {
            assignment.endpoints[i].lb_endpoints.clear();
        }
    }

    fn by_place(&self, own: &str, assignment: &mut ClusterLoadAssignment) {
        let [region, zone, subzone] = parts(own);
        let next = self.failover.iter().find(|f| f.text_of("from") == region).map(|f| f.text_of("to"));
        for l in &mut assignment.endpoints {
            let at = l.locality.clone().unwrap_or_default();
            let distance = match (at.region == region, at.zone == zone, at.sub_zone == subzone) {
                (true, true, true) => 0,
                (true, true, false) => 1,
                (true, false, _) => 2,
                (false, _, _) if next.is_some_and(|to| to != at.region) => 4,
                (false, _, _) => 3,
            };
            l.priority = l.priority * 5 + distance;
        }
        close_gaps(assignment);
    }

    fn by_labels(&self, cx: &Context<'_, 'a>, groups: &[&[Endpoint<'a>]], assignment: &mut ClusterLoadAssignment) {
        let wanted: Vec<(&str, Option<&str>)> = self.priorities.iter().map(|p| p.split_once('=').map_or((*p, None), |(k, v)| (k, Some(v)))).collect();
        let rank = |e: &Endpoint<'a>| {
            let differs = |(key, value): &(&str, Option<&str>)| value.map_or_else(|| of_proxy(cx, key), str::to_owned) != of_endpoint(cx, e, key);
            wanted.iter().position(differs).map_or(0, |at| (wanted.len() - at) as u32)
        };
        let mut out = Vec::new();
        for (mut place, endpoints) in std::mem::take(&mut assignment.endpoints).into_iter().zip(groups) {
            let mut by_rank: BTreeMap<u32, Vec<_>> = BTreeMap::new();
            for (host, e) in std::mem::take(&mut place.lb_endpoints).into_iter().zip(endpoints.iter()) {
                by_rank.entry(rank(e)).or_default().push(host);
            }
            for (priority, hosts) in by_rank {
                let mut part = place.clone();
                part.priority = priority;
                part.load_balancing_weight = Some(hosts.iter().map(|h| h.load_balancing_weight.unwrap_or(0)).fold(0, u32::saturating_add));
                part.lb_endpoints = hosts;
                out.push(part);
            }
        }
        assignment.endpoints = out;
        close_gaps(assignment);
    }
}

fn close_gaps(assignment: &mut ClusterLoadAssignment) {
    let used: BTreeSet<u32> = assignment.endpoints.iter().map(|l| l.priority).collect();
    let at: BTreeMap<u32, u32> = used.into_iter().zip(0..).collect();
    for l in &mut assignment.endpoints {
        l.priority = at.get(&l.priority).copied().unwrap_or_default();
    }
}

/// Whether a locality as rules write it covers one: `*` and what is left out stand for all.
fn covers(rule: &str, place: [&str; 3]) -> bool {
    let [region, zone, subzone] = parts(rule);
    let is_any = |r: &str| matches!(r, "" | "*");
    (region == "*" || region == place[0]) && (is_any(zone) || zone == place[1]) && (is_any(subzone) || subzone == place[2])
}

/// A label of the proxy, with those that say where it is.
fn of_proxy(cx: &Context<'_, '_>, key: &str) -> String {
    let at = topology(&cx.whereabouts, key);
    if at.is_empty() { cx.proxy.label(key).unwrap_or_default().to_owned() } else { at }
}

fn of_endpoint<'a>(cx: &Context<'_, 'a>, e: &Endpoint<'a>, key: &str) -> String {
    if key == CLUSTER {
        return e.gateway.as_ref().map_or_else(|| super::endpoint::cluster_of(cx, e.object).to_owned(), |g| g.cluster.clone());
    }
    let network = e.gateway.as_ref().map_or_else(|| cx.model.networks.of_endpoint(cx, e), |g| g.network.clone());
    let at = topology(&Whereabouts { locality: e.locality.clone(), node: e.node.to_owned(), network, cluster: String::new() }, key);
    if at.is_empty() { e.label(key).unwrap_or_default().to_owned() } else { at }
}

fn topology(at: &Whereabouts, key: &str) -> String {
    let [region, zone, subzone] = parts(&at.locality);
    match key {
        REGION => region,
        ZONE => zone,
        SUBZONE => subzone,
        NETWORK => &at.network,
        HOSTNAME => &at.node,
        CLUSTER => &at.cluster,
        _ => "",
    }
    .to_owned()
}
