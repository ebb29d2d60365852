//! What Kubernetes and Istio objects say of the things in a graph: workloads and their pods, services, and configuration that
//! shows on a node.

use crate::{Kind, Node, Object, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

/// A workload as its controller and its pods show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    pub labels: Labels,
    /// `health.kiali.io/rate`, "" where absent.
    pub health_rate: String,
    pub pods: usize,
    pub desired: i64,
    pub current: i64,
    pub available: i64,
    pub has_sidecar: bool,
    pub is_ambient: bool,
}

impl Workload {
    pub fn is_gateway(&self) -> bool {
        let component = self.labels.get("operator.istio.io/component").map_or("", String::as_str);
        matches!(component, "IngressGateways" | "EgressGateways") || self.labels.contains_key(GATEWAY_NAME)
    }

    pub fn is_waypoint(&self) -> bool {
        self.labels.get("gateway.istio.io/managed").is_some_and(|m| m == "istio.io-mesh-controller")
            || self.labels.get(GATEWAY_NAME).is_some_and(|n| n.contains("waypoint"))
    }
}

pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub labels: Labels,
    pub health_rate: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    pub cluster: String,
    pub namespace: String,
    pub name: String,
    pub hosts: Vec<String>,
    pub location: &'static str,
    pub export_to: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By cluster, namespace and name.
    pub workloads: BTreeMap<(String, String, String), Workload>,
    /// The same, hosts of ServiceEntries included.
    pub services: BTreeMap<(String, String, String), Service>,
    pub service_entries: Vec<ServiceEntry>,
    /// Cluster, and the object.
    pub config: Vec<(String, Object)>,
    /// Clusters of which objects were seen.
    pub clusters: BTreeSet<String>,
    /// Namespaces enrolled in the ambient mesh, by cluster.
    pub ambient_namespaces: BTreeSet<(String, String)>,
    /// Waypoints that are known by other ways than their workload.
    pub waypoints: Vec<(String, String, String)>,
}

/// The names that Istio and Kubernetes have for an app and a version, in the order in which they count.
const APP: [&str; 3] = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];
const VERSION: [&str; 3] = ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"];

pub fn app_label(labels: &Labels) -> Option<(&'static str, &str)> {
    APP.iter().find_map(|name| labels.get(*name).map(|v| (*name, v.as_str())))
}

pub fn version_label(labels: &Labels) -> Option<(&'static str, &str)> {
    VERSION.iter().find_map(|name| labels.get(*name).map(|v| (*name, v.as_str())))
}

fn labels_at(node: Option<Node<'_>>, key: &str) -> Labels {
    node.into_iter().flat_map(|n| n.map(key)).map(|(k, v)| (k.text().to_owned(), v.text().to_owned())).collect()
}

fn number(object: &Object, path: &[&str]) -> Option<i64> {
    object.at(path).and_then(|n| n.text().parse().ok())
}

fn texts(object: &Object, path: &[&str]) -> Vec<String> {
    object.spec_at(path).into_iter().flat_map(|n| n.items()).map(|n| n.text().to_owned()).collect()
}

/// Kind and name of the controller that owns an object.
fn owner(object: &Object) -> Option<(String, String)> {
    let owners = object.metadata()?.get("ownerReferences")?;
    let controls = |o: &Node<'_>| o.get("controller").is_some_and(|c| c.text() == "true");
    let owner = owners.items().find(controls).or_else(|| owners.items().next())?;
    Some((owner.text_of("kind").to_owned(), owner.text_of("name").to_owned()))
}

impl Facts {
    /// `home` names the cluster of objects whose cluster has no name.
    pub fn new(snapshot: &Snapshot, home: &str) -> Facts {
        let mut facts = Facts::default();
        let cluster = |object: &Object| match snapshot.clusters.get(usize::from(object.cluster)).map(String::as_str) {
            None | Some("") => home.to_owned(),
            Some(name) => name.to_owned(),
        };
        let mut owners: BTreeMap<(String, String, String), String> = BTreeMap::new();
        for object in &snapshot.objects {
            let cluster = cluster(object);
            facts.clusters.insert(cluster.clone());
            let key = (cluster.clone(), object.namespace().to_owned(), object.name().to_owned());
            let health_rate = object.annotation("health.kiali.io/rate").unwrap_or("").to_owned();
            match object.kind_name() {
                "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" if owner(object).is_none() => {
                    facts.workloads.insert(key, controller(object, health_rate));
                }
                "ReplicaSet" => {
                    if let Some((_, name)) = owner(object) {
                        owners.insert(key, name);
                    }
                }
                "Service" if object.kind == Kind::Service => {
                    facts.services.insert(key, Service { labels: labels_at(object.metadata(), "labels"), health_rate });
                }
                "Namespace" if object.label("istio.io/dataplane-mode") == Some("ambient") => {
                    facts.ambient_namespaces.insert((cluster, object.name().to_owned()));
                }
                "ServiceEntry" => facts.add_service_entry(cluster, object),
                "DestinationRule" | "VirtualService" | "Gateway" | "WorkloadEntry" => facts.config.push((cluster, object.clone())),
                _ => {}
            }
        }
        for object in snapshot.objects.iter().filter(|o| o.kind_name() == "Pod") {
            facts.add_pod(cluster(object), object, &owners);
        }
        let waypoints = facts.workloads.iter().filter(|(_, w)| w.is_waypoint()).map(|(key, _)| key.clone());
        facts.waypoints.extend(waypoints);
        facts
    }

    fn add_service_entry(&mut self, cluster: String, object: &Object) {
        let is_internal = object.spec_at(&["location"]).is_some_and(|l| l.text() == "MESH_INTERNAL");
        let namespace = object.namespace().to_owned();
        let hosts = texts(object, &["hosts"]);
        for host in &hosts {
            self.services.entry((cluster.clone(), namespace.clone(), host.clone())).or_default();
        }
        self.service_entries.push(ServiceEntry {
            cluster,
            namespace,
            name: object.name().to_owned(),
            hosts,
            location: if is_internal { "MESH_INTERNAL" } else { "MESH_EXTERNAL" },
            export_to: texts(object, &["exportTo"]),
        });
    }

    fn add_pod(&mut self, cluster: String, pod: &Object, owners: &BTreeMap<(String, String, String), String>) {
        let namespace = pod.namespace().to_owned();
        let name = match owner(pod) {
            None => pod.name().to_owned(),
            Some((kind, name)) if kind == "ReplicaSet" => match owners.get(&(cluster.clone(), namespace.clone(), name.clone())) {
                Some(deployment) => deployment.clone(),
                // The ReplicaSet was not seen: its name is the Deployment's and a hash.
                None if self.workloads.contains_key(&(cluster.clone(), namespace.clone(), name.clone())) => name,
                None => name.rsplit_once('-').map_or(name.clone(), |(n, _)| n.to_owned()),
            },
            Some((_, name)) => name,
        };
        let containers = ["containers", "initContainers"].into_iter().flat_map(|c| pod.spec_at(&[c]).into_iter().flat_map(|n| n.items()));
        let has_sidecar = containers.into_iter().any(|c| c.text_of("name") == "istio-proxy");
        let is_ambient = pod.annotation("ambient.istio.io/redirection") == Some("enabled");
        let workload = self.workloads.entry((cluster, namespace, name)).or_insert_with(|| Workload {
            labels: labels_at(pod.metadata(), "labels"),
            desired: 1,
            current: 1,
            available: i64::from(pod.at(&["status", "phase"]).is_some_and(|p| p.text() == "Running")),
            ..Workload::default()
        });
        // A workload is in the mesh when all its pods are.
        workload.has_sidecar = has_sidecar && (workload.pods == 0 || workload.has_sidecar);
        workload.is_ambient = is_ambient && (workload.pods == 0 || workload.is_ambient);
        workload.pods += 1;
    }

    pub fn workload(&self, cluster: &str, namespace: &str, name: &str) -> Option<&Workload> {
        self.workloads.get(&(cluster.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    pub fn service(&self, cluster: &str, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(&(cluster.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    /// Workloads of a namespace, by name.
    pub fn workloads_in<'a>(&'a self, cluster: &'a str, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a Workload)> {
        in_namespace(&self.workloads, cluster, namespace)
    }

    /// Services of a namespace, hosts of ServiceEntries included, by name.
    pub fn services_in<'a>(&'a self, cluster: &'a str, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a Service)> {
        in_namespace(&self.services, cluster, namespace)
    }

    /// Workloads whose app label, and version label where one is asked for, are those.
    pub fn app_workloads<'a>(&'a self, cluster: &'a str, namespace: &'a str, app: &'a str, version: &'a str) -> impl Iterator<Item = (&'a str, &'a Workload)> {
        let is_version = move |w: &Workload| matches!(version, "" | "unknown") || version_label(&w.labels).is_some_and(|(_, v)| v == version);
        self.workloads_in(cluster, namespace).filter(move |(_, w)| app_label(&w.labels).is_some_and(|(_, a)| a == app) && is_version(w))
    }
}

fn in_namespace<'a, T>(all: &'a BTreeMap<(String, String, String), T>, cluster: &'a str, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a T)> {
    let first = (cluster.to_owned(), namespace.to_owned(), String::new());
    all.range(first..).take_while(move |((c, ns, _), _)| c == cluster && ns == namespace).map(|((_, _, name), one)| (name.as_str(), one))
}

fn controller(object: &Object, health_rate: String) -> Workload {
    let template = object.spec_at(&["template", "metadata"]);
    let (desired, current, available) = match object.kind_name() {
        "DaemonSet" => (
            number(object, &["status", "desiredNumberScheduled"]),
            number(object, &["status", "currentNumberScheduled"]),
            number(object, &["status", "numberAvailable"]),
        ),
        _ => (
            Some(number(object, &["spec", "replicas"]).unwrap_or(1)),
            number(object, &["status", "replicas"]),
            number(object, &["status", "availableReplicas"]),
        ),
    };
    // What has no status was never applied, or lost it: nothing is known of its pods.
    let is_told = object.at(&["status"]).is_some_and(|s| !s.is_empty());
    let count = |n: Option<i64>| if is_told { n } else { desired }.unwrap_or(0);
    Workload {
        labels: labels_at(template, "labels"),
        health_rate,
        desired: desired.unwrap_or(0),
        current: count(current),
        available: count(available),
        ..Workload::default()
    }
}
