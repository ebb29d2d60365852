//! Objects as they are written: new ones, and existing ones without what only a cluster adds.

use mesh_analyzers::schema::json;
use mesh_model::Object;
use serde_json::{Map, Value, json};

/// Of `metadata`, what a cluster sets.
const OF_CLUSTER: &[&str] = &["creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An existing object, to be changed and applied again.
pub fn existing(object: &Object) -> Value {
    let mut value = json::value(object.root());
    value["apiVersion"] = object.api_version().into();
    value["kind"] = object.kind_name().into();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(meta) = value["metadata"].as_object_mut() {
        meta.retain(|k, _| !OF_CLUSTER.contains(&k.as_str()));
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
        meta.retain(|_, v| !v.is_null() && v.as_object().is_none_or(|m| !m.is_empty()));
    }
    value
}

pub fn new(api: &str, kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// The map at a field, made where there is none.
pub fn map<'v>(value: &'v mut Value, key: &str) -> &'v mut Map<String, Value> {
    let at = &mut value[key];
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    match at {
        Value::Object(map) => map,
        _ => unreachable!("an object was put there"),
    }
}

/// The list at a field, made where there is none.
pub fn list<'v>(value: &'v mut Value, key: &str) -> &'v mut Vec<Value> {
    let at = &mut value[key];
    if !at.is_array() {
        *at = Value::Array(Vec::new());
    }
    match at {
        Value::Array(list) => list,
        _ => unreachable!("a list was put there"),
    }
}

/// A name that no other object of the kind and namespace has.
pub fn free_name(mesh: &mesh_resolver::Mesh<'_>, kind: mesh_model::Kind, namespace: &str, wanted: &str) -> String {
    unused_name(mesh, &[], kind, namespace, wanted)
}

/// The same, that none of the objects has that are made with it either.
pub fn unused_name(mesh: &mesh_resolver::Mesh<'_>, made: &[Value], kind: mesh_model::Kind, namespace: &str, wanted: &str) -> String {
    let is_made = |name: &str| made.iter().any(|o| o["metadata"]["namespace"] == namespace && o["metadata"]["name"] == name);
    let is_free = |name: &str| mesh.find(kind, namespace, name).is_none() && !is_made(name);
    if is_free(wanted) {
        return wanted.to_owned();
    }
    (2..).map(|n| format!("{wanted}-{n}")).find(|n| is_free(n)).unwrap_or_default()
}
