//! Workloads: Pods, and the templates that make them where no Pods are given.

use crate::injection::InMesh;
use crate::labels::{LabelIndex, Selector};
use mesh_model::{Kind, Node, Object};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadSource {
    Pod,
    /// A Deployment, StatefulSet, … whose Pods are not in the input.
    Template,
}

#[derive(Clone, Debug)]
pub struct Workload<'a> {
    pub object: &'a Object,
    /// Effective namespace.
    pub namespace: &'a str,
    /// The Pod, or the pod template: has `metadata` and `spec`.
    pub pod: Node<'a>,
    pub source: WorkloadSource,
    /// Replicas wanted; 1 for a Pod.
    pub replicas: i64,
    labels: Option<Node<'a>>,
    /// Asked for by many rules, decided once.
    pub(crate) in_mesh: OnceLock<InMesh>,
}

impl<'a> Workload<'a> {
    /// The workload that a template will make, whether its Pods are known or not.
    pub fn of_template(object: &'a Object, template: Node<'a>) -> Workload<'a> {
        let labels = template.at(&["metadata", "labels"]).filter(|l| l.is_mapping());
        let replicas = object.spec_at(&["replicas"]).and_then(Node::int).unwrap_or(1);
        Workload { object, namespace: object.namespace(), pod: template, source: WorkloadSource::Template, replicas, labels, in_mesh: OnceLock::new() }
    }
    pub fn label(&self, key: &str) -> Option<&'a str> {
        let written = self.labels.and_then(|l| l.get(key)).map(Node::text);
        written.or_else(|| given_by_injection(self.object, self.labels, key))
    }
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.labels.into_iter().flat_map(Node::entries).map(|(k, v)| (k.text(), v.text()))
    }
    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        self.pod.at(&["metadata", "annotations"])?.get(key).map(Node::text)
    }
    pub fn spec(&self) -> Option<Node<'a>> {
        self.pod.get("spec")
    }
    pub fn service_account(&self) -> &'a str {
        let spec = self.spec();
        let name = spec.map_or("", |s| s.text_of("serviceAccountName"));
        let name = if name.is_empty() { spec.map_or("", |s| s.text_of("serviceAccount")) } else { name };
        if name.is_empty() { "default" } else { name }
    }
    /// The port that a Service's target port is here: a number, or the name of a container's port.
    pub fn target_port(&self, target: &str) -> Option<u16> {
        target.parse().ok().or_else(|| self.container_ports().find(|p| p.text_of("name") == target)?.get("containerPort").and_then(port_number))
    }
    /// Ports that the containers declare.
    pub fn container_ports(&self) -> impl Iterator<Item = Node<'a>> {
        let spec = self.spec();
        let containers = ["containers", "initContainers"].into_iter().flat_map(move |f| spec.into_iter().flat_map(move |s| s.list(f)));
        containers.flat_map(|c| c.list("ports"))
    }
    /// Whether what is sent to a port passes the sidecar, as its annotations have it.
    pub fn captures_inbound(&self, port: u16) -> bool {
        let lists = |key: &str| self.annotation(key).is_some_and(|v| v.split(',').any(|p| p.trim().parse() == Ok(port)));
        let included = match self.annotation("traffic.sidecar.istio.io/includeInboundPorts").map(str::trim) {
            None | Some("*") => true,
            Some(_) => lists("traffic.sidecar.istio.io/includeInboundPorts"),
        };
        included && !lists("traffic.sidecar.istio.io/excludeInboundPorts")
    }
    /// Whether it takes requests, as far as the input tells: a Pod that has ended or is not ready does not, nor does a template of
    /// which its controller says that no Pod is.
    pub fn is_ready(&self) -> bool {
        let Some(status) = self.object.at(&["status"]) else { return true };
        if self.source == WorkloadSource::Template {
            let counts = ["readyReplicas", "numberReady"].into_iter().any(|k| status.get(k).and_then(Node::int).is_some_and(|n| n > 0));
            // Jobs don't say it, and what no controller has seen yet says nothing.
            return counts || status.get("observedGeneration").is_none() || matches!(self.object.kind, Kind::Job | Kind::CronJob);
        }
        let says_no = |c: Node<'_>| c.text_of("type") == "Ready" && c.text_of("status") == "False";
        !matches!(status.text_of("phase"), "Succeeded" | "Failed") && !status.list("conditions").any(says_no)
    }
    /// The `istio-proxy` container: an ordinary one, or a native sidecar among the init containers.
    pub fn proxy_container(&self) -> Option<Node<'a>> {
        let spec = self.spec()?;
        spec.list("containers").chain(spec.list("initContainers")).find(|c| c.text_of("name") == "istio-proxy")
    }
}

/// Labels that injection gives to pods that lack them, for the sake of telemetry.
const GIVEN: &[&str] = &["service.istio.io/canonical-name", "service.istio.io/canonical-revision"];

fn given_by_injection<'a>(object: &'a Object, labels: Option<Node<'a>>, key: &str) -> Option<&'a str> {
    let first = |keys: [&str; 2]| keys.into_iter().find_map(|k| labels?.get(k)).map(Node::text);
    match key {
        "service.istio.io/canonical-name" => first(["app.kubernetes.io/name", "app"]).or(Some(object.name())),
        "service.istio.io/canonical-revision" => first(["app.kubernetes.io/version", "version"]).or(Some("latest")),
        _ => None,
    }
}

fn port_number(node: Node<'_>) -> Option<u16> {
    node.int().and_then(|n| u16::try_from(n).ok())
}

/// The pod template of a workload object, if it has one.
pub fn pod_template<'a>(object: &'a Object) -> Option<Node<'a>> {
    match object.kind {
        Kind::Pod => Some(object.root()),
        Kind::CronJob => object.spec_at(&["jobTemplate", "spec", "template"]),
        k if Kind::TEMPLATES.contains(&k) => object.spec_at(&["template"]),
        _ => None,
    }
}

/// All workloads, in input order, and their indexes.
#[derive(Debug, Default)]
pub struct Workloads<'a> {
    all: Vec<Workload<'a>>,
    by_namespace: FxHashMap<&'a str, Vec<u32>>,
    index: LabelIndex,
    /// (namespace, service account) that something runs as.
    accounts: FxHashSet<(&'a str, &'a str)>,
    /// Ids in the order of namespaces and names, made when somebody asks.
    by_name: OnceLock<Vec<u32>>,
}

impl<'a> Workloads<'a> {
    pub fn new(objects: &[&'a Object]) -> Workloads<'a> {
        let mut this = Workloads::default();
        for object in objects.iter().copied().filter(|o| o.kind == Kind::Pod) {
            this.push(object, object.root(), WorkloadSource::Pod);
        }
        let mut templates = Vec::new();
        for object in objects.iter().copied().filter(|o| Kind::TEMPLATES.contains(&o.kind)) {
            let Some(template) = pod_template(object) else { continue };
            let selector = match object.kind {
                Kind::Job | Kind::CronJob => Selector::from_map(template.at(&["metadata", "labels"])),
                Kind::ReplicationController => Selector::from_map(object.spec_at(&["selector"])),
                _ => Selector::from_label_selector(object.spec_at(&["selector"])),
            };
            let has_pods = !selector.is_empty() && this.matching(Some(object.namespace()), &selector).next().is_some();
            if !has_pods {
                templates.push((object, template));
            }
        }
        for (object, template) in templates {
            this.push(object, template, WorkloadSource::Template);
        }
        this
    }

    fn push(&mut self, object: &'a Object, pod: Node<'a>, source: WorkloadSource) {
        let id = self.all.len() as u32;
        let namespace = object.namespace();
        let labels = pod.at(&["metadata", "labels"]).filter(|l| l.is_mapping());
        for (k, v) in labels.into_iter().flat_map(Node::entries) {
            self.index.insert(id, namespace, k.text(), v.text());
        }
        for key in GIVEN.iter().filter(|k| labels.is_none_or(|l| l.get(k).is_none())) {
            if let Some(value) = given_by_injection(object, labels, key) {
                self.index.insert(id, namespace, key, value);
            }
        }
        let replicas = match source {
            WorkloadSource::Pod => 1,
            WorkloadSource::Template => object.spec_at(&["replicas"]).and_then(Node::int).unwrap_or(1),
        };
        self.by_namespace.entry(namespace).or_default().push(id);
        let workload = Workload { object, namespace, pod, source, replicas, labels, in_mesh: OnceLock::new() };
        self.accounts.insert((namespace, workload.service_account()));
        self.all.push(workload);
    }

    pub fn all(&self) -> &[Workload<'a>] {
        &self.all
    }
    pub fn get(&self, id: u32) -> &Workload<'a> {
        &self.all[id as usize]
    }
    /// Ids of a namespace's workloads.
    pub fn ids_in(&self, namespace: &str) -> &[u32] {
        self.by_namespace.get(namespace).map_or(&[], Vec::as_slice)
    }
    /// Ids of the workloads of a namespace that have a name: one of each cluster, and of each kind.
    pub fn ids_named(&self, namespace: &str, name: &str) -> &[u32] {
        let key = |id: &u32| (self.get(*id).namespace, self.get(*id).object.name());
        let ids = self.by_name.get_or_init(|| {
            let mut ids: Vec<u32> = (0..self.all.len() as u32).collect();
            ids.sort_by_key(key);
            ids
        });
        let wanted = (namespace, name);
        &ids[ids.partition_point(|id| key(id) < wanted)..ids.partition_point(|id| key(id) <= wanted)]
    }
    pub fn in_namespace<'s>(&'s self, namespace: &str) -> impl Iterator<Item = &'s Workload<'a>> {
        self.ids_in(namespace).iter().map(|id| self.get(*id))
    }
    /// Whether a workload of the namespace runs as this service account.
    pub fn run_as(&self, namespace: &str, account: &str) -> bool {
        self.accounts.contains(&(namespace, account))
    }
    /// Workloads that a selector picks, in one namespace or (`None`) in all. An empty selector picks all.
    pub fn matching<'s>(&'s self, namespace: Option<&str>, selector: &Selector<'_>) -> impl Iterator<Item = &'s Workload<'a>> + use<'a, 's> {
        self.matching_ids(namespace, selector).into_iter().map(|id| self.get(id))
    }
    /// The same, as ids in ascending order.
    pub fn matching_ids(&self, namespace: Option<&str>, selector: &Selector<'_>) -> Vec<u32> {
        let verify = |id: &u32| {
            let w = self.get(*id);
            namespace.is_none_or(|ns| w.namespace == ns)
                && selector.pairs.iter().all(|(k, v)| w.label(k) == Some(*v))
                && (selector.expressions.is_none() || Selector { pairs: Vec::new(), expressions: selector.expressions }.matches(|k| w.label(k)))
        };
        match (self.index.candidates(namespace, selector), namespace) {
            (Some(list), _) => list.iter().copied().filter(verify).collect(),
            (None, Some(ns)) => self.ids_in(ns).iter().copied().filter(verify).collect(),
            (None, None) => (0..self.all.len() as u32).filter(verify).collect(),
        }
    }
}
