//! Pods, as people name them and as commands need them.

use super::client::Cluster;
use super::error::ApiError;
use super::list;
use super::watch::{Event, Start, Watch};
use crate::dumps::PodName;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tokio::sync::mpsc;

/// What a person names: a pod, or what has pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: TargetKind,
    pub name: String,
    /// The context's where none is named.
    pub namespace: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    Pod,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Job,
    Service,
}

impl TargetKind {
    /// The path of all objects of the kind in a namespace.
    fn path(self, namespace: &str) -> String {
        let (root, plural) = match self {
            TargetKind::Pod => ("/api/v1", "pods"),
            TargetKind::Service => ("/api/v1", "services"),
            TargetKind::Deployment => ("/apis/apps/v1", "deployments"),
            TargetKind::StatefulSet => ("/apis/apps/v1", "statefulsets"),
            TargetKind::DaemonSet => ("/apis/apps/v1", "daemonsets"),
            TargetKind::ReplicaSet => ("/apis/apps/v1", "replicasets"),
            TargetKind::Job => ("/apis/batch/v1", "jobs"),
        };
        format!("{root}/namespaces/{namespace}/{plural}")
    }
    pub fn word(self) -> &'static str {
        match self {
            TargetKind::Pod => "pod",
            TargetKind::Deployment => "deployment",
            TargetKind::StatefulSet => "statefulset",
            TargetKind::DaemonSet => "daemonset",
            TargetKind::ReplicaSet => "replicaset",
            TargetKind::Job => "job",
            TargetKind::Service => "service",
        }
    }
}

impl Target {
    /// `[KIND/]NAME[.NAMESPACE]`, split at the last dot behind the slash, as istioctl does.
    pub fn parse(text: &str, namespace: Option<&str>) -> Result<Target, String> {
        let (kind, rest) = match text.split_once('/') {
            None => (TargetKind::Pod, text),
            Some((kind, rest)) => {
                let kind = match kind.to_ascii_lowercase().as_str() {
                    "pod" | "pods" | "po" => TargetKind::Pod,
                    "deployment" | "deployments" | "deploy" => TargetKind::Deployment,
                    "statefulset" | "statefulsets" | "sts" => TargetKind::StatefulSet,
                    "daemonset" | "daemonsets" | "ds" => TargetKind::DaemonSet,
                    "replicaset" | "replicasets" | "rs" => TargetKind::ReplicaSet,
                    "job" | "jobs" => TargetKind::Job,
                    "service" | "services" | "svc" => TargetKind::Service,
                    other => {
                        return Err(format!(
                            "`{other}` has no pods that can be looked for: pod, deployment, statefulset, daemonset, replicaset, job and service have"
                        ));
                    }
                };
                (kind, rest)
            }
        };
        if rest.contains('/') {
            return Err(format!("`{text}` is no name of a pod: NAME, NAME.NAMESPACE or deployment/NAME"));
        }
        let PodName { name, namespace } = PodName::parse(rest, namespace)?;
        Ok(Target { kind, name, namespace })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != TargetKind::Pod {
            write!(f, "{}/", self.kind.word())?;
        }
        f.write_str(&self.name)?;
        self.namespace.as_ref().map_or(Ok(()), |ns| write!(f, ".{ns}"))
    }
}

/// A pod, as much of it as reaching it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// `ReplicaSet/reviews-v1-54465994f9`; its own name where nobody owns it.
    pub owner: String,
    /// The control plane's revision that it says it is of; "" where it does not say.
    pub revision: String,
    pub phase: String,
    pub ready: bool,
    pub node: String,
    pub service_account: String,
    /// RFC 3339.
    pub created: String,
    pub ready_since: String,
    pub restarts: u64,
    pub containers: Vec<Container>,
    /// Whether it is being deleted.
    pub is_ending: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    pub image: String,
}

/// Which proxy a pod has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    Envoy,
    Ztunnel,
}

/// The container of every proxy of Istio's, ztunnel's included.
pub const PROXY_CONTAINER: &str = "istio-proxy";

impl Pod {
    /// `NAME.NAMESPACE`, as proxies call themselves.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
    pub fn proxy(&self) -> Option<ProxyKind> {
        let is_there = self.containers.iter().any(|c| c.name == PROXY_CONTAINER);
        let is_ztunnel = self.labels.get("app").is_some_and(|app| app == "ztunnel");
        match (is_there, is_ztunnel) {
            (_, true) => Some(ProxyKind::Ztunnel),
            (true, false) => Some(ProxyKind::Envoy),
            (false, false) => None,
        }
    }
    /// The tag of a container's image: `1.30.1` of `docker.io/istio/proxyv2:1.30.1`.
    pub fn image_tag(&self, container: &str) -> Option<&str> {
        let image = &self.containers.iter().find(|c| c.name == container)?.image;
        let file = image.rsplit('/').next().unwrap_or(image);
        let file = file.split('@').next().unwrap_or(file);
        file.split_once(':').map(|(_, tag)| tag)
    }
    /// The best pod to ask first: running, ready, ready for longest, as `kubectl logs deployment/X` chooses.
    fn rank(&self) -> impl Ord + use<> {
        let phase = match self.phase.as_str() {
            "Running" => 0,
            "Pending" => 2,
            _ => 1,
        };
        let since = if self.ready_since.is_empty() { "~".to_owned() } else { self.ready_since.clone() };
        (
            self.is_ending,
            self.node.is_empty(),
            phase,
            !self.ready,
            since,
            Reverse(self.restarts),
            self.created.clone(),
            self.namespace.clone(),
            self.name.clone(),
        )
    }
}

/// The JSON of a pod, read loosely: what is missing or of another shape is empty.
fn pod(value: &Value) -> Pod {
    let text = |v: &Value| v.as_str().unwrap_or("").to_owned();
    let (metadata, spec, status) = (&value["metadata"], &value["spec"], &value["status"]);
    let list = |v: &'_ Value| v.as_array().cloned().unwrap_or_default();
    let strings = |v: &Value| v.as_object().map(|m| m.iter().map(|(k, v)| (k.clone(), text(v))).collect::<BTreeMap<_, _>>()).unwrap_or_default();
    let ready = list(&status["conditions"]).into_iter().find(|c| c["type"] == "Ready");
    let labels = strings(&metadata["labels"]);
    let owner = list(&metadata["ownerReferences"]).into_iter().find(|o| o["controller"] != Value::Bool(false));
    let name = text(&metadata["name"]);
    let revision = labels.get("istio.io/rev").cloned().unwrap_or_else(|| text(&metadata["annotations"]["istio.io/rev"]));
    // A native sidecar is an init container that goes on running.
    let native = list(&spec["initContainers"]).into_iter().filter(|c| c["restartPolicy"] == "Always" || c["name"] == PROXY_CONTAINER);
    let containers = list(&spec["containers"]).into_iter().chain(native);
    let statuses = list(&status["containerStatuses"]).into_iter().chain(list(&status["initContainerStatuses"]));
    Pod {
        namespace: text(&metadata["namespace"]),
        owner: owner.map_or_else(|| name.clone(), |o| format!("{}/{}", text(&o["kind"]), text(&o["name"]))),
        name,
        labels,
        revision,
        phase: text(&status["phase"]),
        ready: ready.as_ref().is_some_and(|c| c["status"] == "True"),
        node: text(&spec["nodeName"]),
        service_account: text(&spec["serviceAccountName"]),
        created: text(&metadata["creationTimestamp"]),
        ready_since: ready.filter(|c| c["status"] == "True").map_or_else(String::new, |c| text(&c["lastTransitionTime"])),
        restarts: statuses.filter_map(|s| s["restartCount"].as_u64()).sum(),
        containers: containers.map(|c| Container { name: text(&c["name"]), image: text(&c["image"]) }).collect(),
        is_ending: metadata["deletionTimestamp"].is_string(),
    }
}

/// Why no pod is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodsError {
    Api(ApiError),
    /// There is no such object.
    NoSuch(String),
    /// It has no pods.
    NoPods(String),
}

impl fmt::Display for PodsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PodsError::Api(error) => error.fmt(f),
            PodsError::NoSuch(what) => write!(f, "there is no {what}"),
            PodsError::NoPods(what) => write!(f, "{what} has no pod now"),
        }
    }
}

impl std::error::Error for PodsError {}

impl PodsError {
    pub fn help(&self) -> Option<&'static str> {
        match self {
            PodsError::Api(error) => error.help(),
            PodsError::NoSuch(_) => Some("`kubectl get pods -n NAMESPACE` lists what there is; -n and NAME.NAMESPACE name the namespace"),
            PodsError::NoPods(_) => None,
        }
    }
}

/// The pods of what a person names, the best to ask first.
pub async fn find(cluster: &Cluster, target: &Target) -> Result<Vec<Pod>, PodsError> {
    let namespace = target.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let shown = Target { namespace: Some(namespace.clone()), ..target.clone() }.to_string();
    let object = named_object(cluster, target, &namespace).await?;
    if target.kind == TargetKind::Pod {
        return Ok(vec![pod(&object)]);
    }
    let selector = selector(&object["spec"]["selector"]).ok_or_else(|| PodsError::NoPods(shown.clone()))?;
    let pods = select(cluster, Some(&namespace), &selector).await.map_err(PodsError::Api)?;
    if pods.is_empty() { Err(PodsError::NoPods(shown)) } else { Ok(pods) }
}

async fn named_object(cluster: &Cluster, target: &Target, namespace: &str) -> Result<Value, PodsError> {
    let shown = Target { namespace: Some(namespace.to_owned()), ..target.clone() }.to_string();
    match object(cluster, &format!("{}/{}", target.kind.path(namespace), target.name)).await {
        Ok(object) => Ok(object),
        Err(error) if error.is_not_found() => Err(PodsError::NoSuch(if target.kind == TargetKind::Pod { format!("pod {shown}") } else { shown })),
        Err(error) => Err(PodsError::Api(error)),
    }
}

/// The namespace and the label selector of what has pods; `None` for a pod itself, and for what selects nothing.
pub async fn selection(cluster: &Cluster, target: &Target) -> Result<Option<(String, String)>, PodsError> {
    if target.kind == TargetKind::Pod {
        return Ok(None);
    }
    let namespace = target.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let object = named_object(cluster, target, &namespace).await?;
    Ok(selector(&object["spec"]["selector"]).map(|selector| (namespace, selector)))
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodChange {
    /// It is there, or has changed.
    There(Box<Pod>),
    Gone {
        namespace: String,
        name: String,
    },
}

/// After a failure the next try waits so long.
const WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Tells of the pods that a label selector fits: those that there are, and what becomes of them, until nobody listens. An
/// error is one that does not pass by itself.
pub async fn changes(cluster: &Cluster, namespace: &str, selector: &str, sender: &mpsc::Sender<PodChange>) -> Result<(), ApiError> {
    let path = TargetKind::Pod.path(namespace);
    let parameters = ("labelSelector", selector);
    let mut told: BTreeSet<String> = BTreeSet::new();
    let passes = |error: &ApiError| !matches!(error, ApiError::Status { code: 401 | 403 | 404, .. });
    loop {
        let (pods, mut version) = match all(cluster, &path, &[parameters]).await {
            Ok(list) => list,
            Err(error) if passes(&error) => {
                tokio::time::sleep(WAIT).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let names: BTreeSet<String> = pods.iter().map(|p| p.name.clone()).collect();
        let gone = told.difference(&names).map(|name| PodChange::Gone { namespace: namespace.to_owned(), name: name.clone() });
        for change in gone.chain(pods.into_iter().map(|p| PodChange::There(Box::new(p)))) {
            if sender.send(change).await.is_err() {
                return Ok(());
            }
        }
        told = names;
        // From the version of the list on, until the server has forgotten it.
        loop {
            let error = match Watch::open(cluster, &path, parameters, Start::Version(&version)).await {
                Ok(mut watch) => tell(&mut watch, &mut version, &mut told, sender).await.err(),
                Err(error) => Some(error),
            };
            if sender.is_closed() {
                return Ok(());
            }
            match error {
                Some(error) if error.is_expired() || matches!(error, ApiError::Odd(_)) => break,
                Some(error) if !passes(&error) => return Err(error),
                _ => tokio::time::sleep(WAIT).await,
            }
        }
    }
}

async fn tell(watch: &mut Watch, version: &mut String, told: &mut BTreeSet<String>, sender: &mpsc::Sender<PodChange>) -> Result<(), ApiError> {
    while let Some(event) = watch.next().await? {
        let (now, change) = match event {
            Event::Bookmark { version, .. } => (version, None),
            Event::Applied { version, json } => {
                let value: Value = serde_json::from_str(&json).map_err(|e| ApiError::Odd(e.to_string()))?;
                let pod = pod(&value);
                told.insert(pod.name.clone());
                (version, Some(PodChange::There(Box::new(pod))))
            }
            Event::Deleted { version, namespace, name } => {
                told.remove(&name);
                (version, Some(PodChange::Gone { namespace, name }))
            }
        };
        *version = now;
        if let Some(change) = change
            && sender.send(change).await.is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// One object as JSON.
pub async fn object(cluster: &Cluster, path: &str) -> Result<Value, ApiError> {
    let body = cluster.get(path).await?;
    serde_json::from_slice(&body).map_err(|e| ApiError::Odd(e.to_string()))
}

/// The pods that a label selector (`app=reviews,version!=v1`) fits, in a namespace or everywhere, the best to ask first.
pub async fn select(cluster: &Cluster, namespace: Option<&str>, selector: &str) -> Result<Vec<Pod>, ApiError> {
    let path = namespace.map_or_else(|| "/api/v1/pods".to_owned(), |ns| TargetKind::Pod.path(ns));
    Ok(all(cluster, &path, &[("labelSelector", selector)]).await?.0)
}

/// Lists of which only the metadata is wanted; whole ones where a server does not know of that. A page may be longer, since
/// an object is some tenth of a whole one.
const METADATA_ONLY: list::Form = list::Form { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io, application/json", page: "2000" };

/// Pods by their names (`NAME.NAMESPACE`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The injector says that it gave them a proxy.
    pub injected: BTreeSet<String>,
    pub others: BTreeSet<String>,
}

/// The names of the running pods that a label selector fits, without those that are being deleted; a tenth of what the pods
/// themselves would be to read.
pub async fn running(cluster: &Cluster, namespace: Option<&str>, selector: &str) -> Result<Names, ApiError> {
    let path = namespace.map_or_else(|| "/api/v1/pods".to_owned(), |ns| TargetKind::Pod.path(ns));
    let parameters = [("labelSelector", selector), ("fieldSelector", "status.phase=Running")];
    let mut names = Names::default();
    for page in list::pages_as(cluster, &path, METADATA_ONLY, &parameters, names_of).await? {
        names.injected.extend(page.injected);
        names.others.extend(page.others);
    }
    Ok(names)
}

fn names_of(body: &[u8]) -> Result<(Names, String), ApiError> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Annotations<'a> {
        /// What the injector did: JSON with the names of containers.
        #[serde(rename = "sidecar.istio.io/status", borrow)]
        injection: Option<Cow<'a, str>>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Meta<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        namespace: Cow<'a, str>,
        deletion_timestamp: Option<&'a str>,
        #[serde(borrow)]
        annotations: Option<Annotations<'a>>,
    }
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        metadata: Meta<'a>,
    }
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(default)]
        metadata: list::PageMeta,
        #[serde(borrow, default)]
        items: Vec<Named<'a>>,
    }
    let page: Page<'_> = serde_json::from_slice(body).map_err(|e| ApiError::Odd(format!("not a list of pods: {e}")))?;
    let mut names = Names::default();
    for Meta { name, namespace, deletion_timestamp, annotations } in page.items.into_iter().map(|i| i.metadata) {
        let is_injected = annotations.and_then(|a| a.injection).is_some_and(|status| status.contains(PROXY_CONTAINER));
        let list = if is_injected { &mut names.injected } else { &mut names.others };
        if deletion_timestamp.is_none() {
            list.insert(format!("{name}.{namespace}"));
        }
    }
    Ok((names, page.metadata.r#continue))
}

/// The pods of a list, the best to ask first, and the list's version.
async fn all(cluster: &Cluster, path: &str, parameters: &[(&str, &str)]) -> Result<(Vec<Pod>, String), ApiError> {
    let pages = list::pages(cluster, path, parameters, pods_of).await?;
    let version = pages.last().map_or_else(String::new, |(_, version)| version.clone());
    let mut pods: Vec<Pod> = pages.into_iter().flat_map(|(pods, _)| pods).collect();
    pods.sort_by_cached_key(Pod::rank);
    Ok((pods, version))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: list::PageMeta,
    #[serde(default)]
    items: Vec<Value>,
}

fn pods_of(body: &[u8]) -> Result<((Vec<Pod>, String), String), ApiError> {
    let page: Page = serde_json::from_slice(body).map_err(|e| ApiError::Odd(format!("not a list of pods: {e}")))?;
    Ok(((page.items.iter().map(pod).collect(), page.metadata.resource_version), page.metadata.r#continue))
}

/// A selector of an object as the API takes it; `None` where it selects nothing.
fn selector(value: &Value) -> Option<String> {
    let map = value.as_object()?;
    let equal = |labels: &serde_json::Map<String, Value>| labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))).collect::<Vec<_>>();
    // A Service has the labels themselves.
    let mut terms = match map.get("matchLabels").and_then(Value::as_object) {
        Some(labels) => equal(labels),
        None if map.contains_key("matchExpressions") => Vec::new(),
        None => equal(map),
    };
    for e in map.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = e["key"].as_str()?;
        let values = || e["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        terms.push(match e["operator"].as_str()? {
            "In" => format!("{key} in ({})", values()),
            "NotIn" => format!("{key} notin ({})", values()),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!terms.is_empty()).then(|| terms.join(","))
}

/// The first pod of each workload.
pub fn one_per_workload(pods: Vec<Pod>) -> Vec<Pod> {
    let mut seen = BTreeSet::new();
    pods.into_iter().filter(|p| seen.insert((p.namespace.clone(), p.owner.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_are_named_as_istioctl_names_them() {
        let target = |text: &str, ns: Option<&str>| Target::parse(text, ns).map(|t| (t.kind, t.name, t.namespace));
        let ns = |text: &str| Some(text.to_owned());
        assert_eq!(target("web-1.shop", None), Ok((TargetKind::Pod, "web-1".into(), ns("shop"))));
        assert_eq!(target("web-1", Some("shop")), Ok((TargetKind::Pod, "web-1".into(), ns("shop"))));
        assert_eq!(target("deployment/web.v1.shop", Some("x")), Ok((TargetKind::Deployment, "web.v1".into(), ns("shop"))));
        assert_eq!(target("svc/web", None), Ok((TargetKind::Service, "web".into(), None)));
        for wrong in ["node/a", "deployment/a/b", "deployment/", ".shop", ""] {
            assert!(target(wrong, None).is_err(), "{wrong}");
        }
        assert_eq!(Target::parse("deploy/web.shop", None).unwrap().to_string(), "deployment/web.shop");
    }

    #[test]
    fn selectors_are_written_as_the_api_takes_them() {
        assert_eq!(selector(&json!({"app": "web"})).as_deref(), Some("app=web"));
        let both = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "v", "operator": "In", "values": ["1", "2"]}, {"key": "x", "operator": "DoesNotExist"}]});
        assert_eq!(selector(&both).as_deref(), Some("app=web,v in (1,2),!x"));
        assert_eq!(selector(&json!({})), None);
        assert_eq!(selector(&json!(null)), None);
    }

    #[test]
    fn the_pod_that_answers_best_comes_first() {
        let make = |name: &str, phase: &str, ready: &str, since: &str| {
            pod(
                &json!({"metadata": {"name": name, "namespace": "shop", "ownerReferences": [{"kind": "ReplicaSet", "name": if name == "other" { "b" } else { "a" }, "controller": true}]},
                "spec": {"nodeName": "n", "containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy", "image": "r:5000/istio/proxyv2:1.30.1@sha256:0"}, {"name": "istio-init"}]},
                "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}]}}),
            )
        };
        let mut pods = vec![
            make("pending", "Pending", "False", ""),
            make("young", "Running", "True", "2026-11-22T12:00:00Z"),
            make("other", "Running", "False", ""),
            make("old", "Running", "True", "2026-11-21T12:00:00Z"),
        ];
        pods.sort_by_cached_key(Pod::rank);
        let names = |pods: &[Pod]| pods.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&pods), ["old", "young", "other", "pending"]);
        assert_eq!(pods[0].proxy(), Some(ProxyKind::Envoy));
        assert_eq!((pods[0].containers.len(), pods[0].image_tag("istio-proxy")), (2, Some("1.30.1")));
        assert_eq!(names(&one_per_workload(pods)), ["old", "other"]);
    }
}
