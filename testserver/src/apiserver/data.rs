//! What the server holds.

use super::watch::Change;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

/// Objects of one kind in one version.
#[derive(Clone, Debug)]
pub struct Resource {
    /// "" for the core group.
    pub group: String,
    pub version: String,
    pub plural: String,
    pub kind: String,
    pub is_namespaced: bool,
    pub items: Vec<Value>,
}

/// All resources, by `group/version/plural`, and what is behind the pods.
#[derive(Clone, Debug)]
pub struct Data {
    pub(super) resources: BTreeMap<String, Resource>,
    /// Of the newest change.
    pub(super) version: u64,
    /// Watches from before this version are refused: what came after it was forgotten.
    pub(super) oldest: u64,
    pub(super) changes: Vec<Change>,
    /// Where a port of a pod leads, by namespace, pod and port.
    pub(super) ports: BTreeMap<(String, String, u16), SocketAddr>,
    /// Lines with their times (RFC 3339), by namespace, pod and container.
    pub(super) logs: BTreeMap<(String, String, String), Vec<(String, String)>>,
}

/// Kinds without a namespace, for lists that are empty.
const OF_THE_CLUSTER: &[&str] = &[
    "namespaces",
    "nodes",
    "gatewayclasses",
    "customresourcedefinitions",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "ingressclasses",
];

/// What a server that was just filled is at.
const FIRST: u64 = 1000;

impl Default for Data {
    fn default() -> Data {
        Data { resources: BTreeMap::new(), version: FIRST, oldest: FIRST, changes: Vec::new(), ports: BTreeMap::new(), logs: BTreeMap::new() }
    }
}

impl Data {
    /// Reads a folder of lists as `kubectl get --raw` writes them: `apps.v1.deployments.json`, `v1.pods.json`. Other
    /// files are left aside.
    pub fn read(dir: &Path) -> std::io::Result<Data> {
        let mut data = Data::default();
        let mut paths: Vec<_> = std::fs::read_dir(dir)?.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".json")) else { continue };
            let parts: Vec<&str> = name.split('.').collect();
            let [group @ .., version, plural] = parts.as_slice() else { continue };
            if !version.starts_with('v') {
                continue;
            }
            let list: Value = serde_json::from_slice(&std::fs::read(&path)?).map_err(std::io::Error::other)?;
            let mut items = list["items"].as_array().cloned().unwrap_or_default();
            // `kubectl get` makes a List of anything, whose items say their kind; those of the API do not.
            let kind = match list["kind"].as_str().unwrap_or("") {
                "List" => items.first().and_then(|i| i["kind"].as_str()).unwrap_or("").to_owned(),
                kind => kind.trim_end_matches("List").to_owned(),
            };
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                item.remove("kind");
                item.remove("apiVersion");
            }
            data.add(Resource {
                group: group.join("."),
                version: (*version).to_owned(),
                plural: (*plural).to_owned(),
                kind,
                is_namespaced: !OF_THE_CLUSTER.contains(plural),
                items,
            });
        }
        Ok(data)
    }

    /// Adds a resource, or more objects of one.
    pub fn add(&mut self, mut resource: Resource) {
        let key = |o: &Value| (o["metadata"]["namespace"].as_str().unwrap_or("").to_owned(), o["metadata"]["name"].as_str().unwrap_or("").to_owned());
        let name = format!("{}/{}/{}", resource.group, resource.version, resource.plural);
        match self.resources.get_mut(&name) {
            Some(old) => {
                old.items.append(&mut resource.items);
                old.items.sort_by_key(key);
            }
            None => {
                resource.items.sort_by_key(key);
                self.resources.insert(name, resource);
            }
        }
    }

    /// Lets a port of a pod lead to a port of this machine.
    pub fn forward(&mut self, namespace: &str, pod: &str, port: u16, to: SocketAddr) {
        self.ports.insert((namespace.to_owned(), pod.to_owned(), port), to);
    }
    /// What a container has said: times (RFC 3339) and lines.
    pub fn log(&mut self, namespace: &str, pod: &str, container: &str, lines: &[(&str, &str)]) {
        let lines = lines.iter().map(|(at, line)| ((*at).to_owned(), (*line).to_owned())).collect();
        self.logs.insert((namespace.to_owned(), pod.to_owned(), container.to_owned()), lines);
    }

    /// Adds an object, or another version of one; `resource` is `group/version/plural`.
    pub(super) fn apply(&mut self, resource: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let Some(of) = self.resources.get_mut(resource) else { return };
        let is_it = |o: &&mut Value| ["namespace", "name"].iter().all(|key| o["metadata"][key] == object["metadata"][key]);
        let kind = match of.items.iter_mut().find(is_it) {
            Some(old) => {
                *old = object.clone();
                "MODIFIED"
            }
            None => {
                of.items.push(object.clone());
                "ADDED"
            }
        };
        self.changes.push(Change { version: self.version, resource: resource.to_owned(), kind, object });
    }
    pub(super) fn remove(&mut self, resource: &str, namespace: &str, name: &str) {
        let Some(of) = self.resources.get_mut(resource) else { return };
        let is_it = |o: &Value| o["metadata"]["namespace"].as_str().unwrap_or("") == namespace && o["metadata"]["name"] == name;
        let Some(at) = of.items.iter().position(is_it) else { return };
        let mut object = of.items.remove(at);
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.changes.push(Change { version: self.version, resource: resource.to_owned(), kind: "DELETED", object });
    }
    /// Tells every watch that takes bookmarks how far it is.
    pub(super) fn bookmark(&mut self) {
        self.version += 1;
        self.changes.push(Change { version: self.version, resource: String::new(), kind: "BOOKMARK", object: Value::Null });
    }
    /// Forgets all changes, as a server does after a while.
    pub(super) fn forget(&mut self) {
        self.oldest = self.version;
        self.changes.clear();
    }
    /// Another line of a log.
    pub(super) fn say(&mut self, namespace: &str, pod: &str, container: &str, at: &str, line: &str) {
        self.logs.entry((namespace.to_owned(), pod.to_owned(), container.to_owned())).or_default().push((at.to_owned(), line.to_owned()));
    }

    /// An object as it is answered alone: with its kind.
    pub(super) fn whole(&self, object: &Value, resource: &Resource) -> Value {
        let mut object = object.clone();
        object["kind"] = json!(resource.kind);
        object["apiVersion"] = json!(if resource.group.is_empty() { resource.version.clone() } else { format!("{}/{}", resource.group, resource.version) });
        object
    }

    /// The resource of a path below `/api` or `/apis`.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        self.resources.get(&format!("{group}/{version}/{plural}"))
    }

    pub(super) fn groups(&self) -> Value {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for r in self.resources.values().filter(|r| !r.group.is_empty()) {
            let versions = groups.entry(&r.group).or_default();
            if !versions.contains(&r.version.as_str()) {
                versions.push(&r.version);
            }
        }
        let version = |group: &str, v: &str| json!({"groupVersion": format!("{group}/{v}"), "version": v});
        let groups: Vec<Value> = groups
            .into_iter()
            .map(|(g, versions)| {
                let list: Vec<Value> = versions.iter().map(|v| version(g, v)).collect();
                json!({"name": g, "preferredVersion": list.first(), "versions": list})
            })
            .collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    pub(super) fn resources(&self, group: &str, version: &str) -> Option<Value> {
        let of_version = |r: &&Resource| r.group == group && r.version == version;
        let list: Vec<Value> = self
            .resources
            .values()
            .filter(of_version)
            .map(|r| json!({"name": r.plural, "singularName": r.kind.to_lowercase(), "namespaced": r.is_namespaced, "kind": r.kind, "verbs": ["get", "list", "watch"]}))
            .collect();
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        (!list.is_empty()).then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list}))
    }
}
