//! What has changed in a cluster lately, as its objects themselves remember it: creation and managed fields (who, when),
//! roll-outs, restarts of containers, Events. Nothing has to have run before.

use super::client::Cluster;
use super::discovery::{self, Resource};
use super::error::ApiError;
use super::list;
use mesh_model::Kind;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// RFC 3339, in UTC, to the second or finer.
    pub at: String,
    pub what: What,
    /// `VirtualService shop/web`.
    pub object: String,
    /// "" where nobody is named.
    pub who: String,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Created,
    Updated,
    Deleted,
    RolledOut,
    Restarted,
    Event,
}

impl What {
    pub fn word(self) -> &'static str {
        match self {
            What::Created => "created",
            What::Updated => "updated",
            What::Deleted => "being deleted",
            What::RolledOut => "rolled out",
            What::Restarted => "restarted",
            What::Event => "event",
        }
    }
}

/// What was found, and what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub changes: Vec<Change>,
    pub problems: Vec<String>,
}

/// The changes since an instant (RFC 3339 in UTC, to the second), in a namespace or everywhere, in order of time.
pub async fn changes(cluster: &Cluster, since: &str, namespace: Option<&str>, istio_namespace: &str) -> Result<Changes, ApiError> {
    let served = discovery::discover(cluster).await?;
    let mut out = Changes::default();
    out.problems.extend(served.failed.iter().map(|f| format!("{}: {}", discovery::api_version(&f.group, &f.version), f.error)));
    let mut tasks = tokio::task::JoinSet::new();
    for resource in served.resources.into_values().filter(is_followed) {
        let (cluster, since) = (cluster.clone(), since.to_owned());
        let namespace = match resource.kind {
            // Those beside the control plane are its settings; others are their owners' business.
            Kind::ConfigMap if namespace.is_none_or(|n| n == istio_namespace) => Some(istio_namespace.to_owned()),
            Kind::ConfigMap => continue,
            _ if !resource.is_namespaced() => None,
            _ => namespace.map(str::to_owned),
        };
        tasks.spawn(async move {
            let (kind, from) = (resource.kind, since);
            let read = move |body: &[u8]| page::<Item, _>(body, |item| item.changes(kind, &from));
            (resource.plural.clone(), list::pages(&cluster, &resource.path(namespace.as_deref()), &[], read).await)
        });
    }
    let events = namespace.map_or_else(|| "/api/v1/events".to_owned(), |ns| format!("/api/v1/namespaces/{ns}/events"));
    let from = since.to_owned();
    let asked = cluster.clone();
    tasks.spawn(async move {
        let read = move |body: &[u8]| page::<Event, _>(body, |event| event.change(&from).into_iter().collect());
        ("events".to_owned(), list::pages(&asked, &events, &[], read).await)
    });
    let mut answers = tasks.join_all().await;
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    let mut first = None;
    let mut answered = 0;
    for (plural, answer) in answers {
        match answer {
            Ok(pages) => {
                answered += 1;
                out.changes.extend(pages.into_iter().flatten());
            }
            Err(error) => {
                let rule = if error.is_forbidden() { "; deploy/rbac-troubleshooter.yaml has the rights that this needs" } else { "" };
                out.problems.push(format!("{plural}: {error}{rule}"));
                first.get_or_insert(error);
            }
        }
    }
    if let (0, Some(error)) = (answered, first) {
        return Err(error);
    }
    out.changes.sort();
    out.changes.dedup();
    Ok(out)
}

/// What shapes traffic, and what carries it.
fn is_followed(resource: &Resource) -> bool {
    let is_mesh =
        resource.group.ends_with("istio.io") || resource.group.starts_with("gateway.networking.") || resource.group.starts_with("inference.networking.");
    let others = [
        Kind::Service,
        Kind::Namespace,
        Kind::ConfigMap,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::ReplicaSet,
        Kind::Pod,
        Kind::MutatingWebhookConfiguration,
        Kind::ValidatingWebhookConfiguration,
    ];
    is_mesh || others.contains(&resource.kind)
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: list::PageMeta,
    /// Some servers say null where there is none.
    #[serde(default = "none")]
    items: Option<Vec<T>>,
}

fn none<T>() -> Option<T> {
    None
}

fn page<T: for<'de> Deserialize<'de>, F: Fn(&T) -> Vec<Change>>(body: &[u8], changes: F) -> Result<(Vec<Change>, String), ApiError> {
    let page: Page<T> = serde_json::from_slice(body).map_err(|e| ApiError::Odd(format!("not a list: {e}")))?;
    Ok((page.items.iter().flatten().flat_map(changes).collect(), page.metadata.r#continue))
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    namespace: String,
    name: String,
    creation_timestamp: String,
    deletion_timestamp: String,
    managed_fields: Vec<Managed>,
    owner_references: Vec<Owner>,
    annotations: Option<BTreeMap<String, String>>,
}

/// The annotation of what is a lock for the election of a leader: it is renewed every few seconds.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Managed {
    manager: String,
    time: String,
    subresource: String,
    fields_v1: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    restart_count: u64,
    last_state: LastState,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LastState {
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    exit_code: i64,
    finished_at: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    metadata: Meta,
    status: Status,
}

fn object(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

impl Item {
    fn changes(&self, kind: Kind, since: &str) -> Vec<Change> {
        let m = &self.metadata;
        let mut out = Vec::new();
        if m.annotations.as_ref().is_some_and(|a| a.contains_key(LEADER)) {
            return out;
        }
        let name = object(kind.name(), &m.namespace, &m.name);
        let mut add = |at: &str, what, object: &str, who: &str, detail: String| {
            if !at.is_empty() && at >= since {
                out.push(Change { at: at.to_owned(), what, object: object.to_owned(), who: who.to_owned(), detail });
            }
        };
        let by = m.managed_fields.iter().filter(|f| f.subresource.is_empty()).min_by(|a, b| a.time.cmp(&b.time)).map_or("", |f| f.manager.as_str());
        match (kind, m.owner_references.first()) {
            (Kind::ReplicaSet, Some(owner)) => {
                add(&m.creation_timestamp, What::RolledOut, &object(&owner.kind, &m.namespace, &owner.name), "", format!("as ReplicaSet {}", m.name));
            }
            // Who made the owner made them.
            (Kind::Pod, Some(_)) => {}
            _ => add(&m.creation_timestamp, What::Created, &name, by, String::new()),
        }
        add(&m.deletion_timestamp, What::Deleted, &name, "", String::new());
        // Pods and ReplicaSets are updated by their controllers all the time.
        if !matches!(kind, Kind::Pod | Kind::ReplicaSet) {
            for f in m.managed_fields.iter().filter(|f| f.subresource != "status" && f.time != m.creation_timestamp) {
                add(&f.time, What::Updated, &name, &f.manager, fields(&f.fields_v1));
            }
        }
        for c in self.status.container_statuses.iter().chain(&self.status.init_container_statuses) {
            if let (Some(t), true) = (&c.last_state.terminated, c.restart_count > 0) {
                let times = if c.restart_count == 1 { "once".to_owned() } else { format!("{} times", c.restart_count) };
                add(&t.finished_at, What::Restarted, &name, "", format!("container {}: {} (exit {}), {times} so far", c.name, t.reason, t.exit_code));
            }
        }
        out
    }
}

/// The fields that somebody set: `spec.http, spec.hosts`. Those are all that are theirs, not only what was changed.
fn fields(of: &BTreeMap<String, serde_json::Value>) -> String {
    let mut out = Vec::new();
    for (key, below) in of.iter().filter(|(k, _)| k.as_str() != "f:status") {
        let key = key.trim_start_matches("f:");
        let children: Vec<&str> = below.as_object().into_iter().flatten().filter_map(|(k, _)| k.strip_prefix("f:")).collect();
        if children.is_empty() {
            out.push(key.to_owned());
        } else {
            out.extend(children.into_iter().map(|c| format!("{key}.{c}")));
        }
    }
    out.sort();
    match out.len() {
        0 => String::new(),
        n if n > 4 => format!("of its fields {} and {} more", out[..4].join(", "), n - 4),
        _ => format!("of its fields {}", out.join(", ")),
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    metadata: Meta,
    involved_object: Involved,
    r#type: String,
    reason: String,
    message: String,
    last_timestamp: Option<String>,
    event_time: Option<String>,
    count: Option<u64>,
    source: EventSource,
    reporting_component: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Involved {
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EventSource {
    component: String,
}

impl Event {
    /// Warnings, and what scaled.
    fn change(&self, since: &str) -> Option<Change> {
        let at = [&self.last_timestamp, &self.event_time].into_iter().flatten().find(|t| !t.is_empty()).unwrap_or(&self.metadata.creation_timestamp);
        if at.as_str() < since || !(self.r#type == "Warning" || self.reason == "ScalingReplicaSet") {
            return None;
        }
        let times = self.count.filter(|n| *n > 1).map_or_else(String::new, |n| format!(" ({n} times)"));
        let who = if self.source.component.is_empty() { &self.reporting_component } else { &self.source.component };
        Some(Change {
            at: at.clone(),
            what: What::Event,
            object: object(&self.involved_object.kind, &self.involved_object.namespace, &self.involved_object.name),
            who: who.clone(),
            detail: format!("{}: {}{times}", self.reason, self.message),
        })
    }
}
