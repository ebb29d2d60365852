//! `metadata`, which is the same for every kind.

use super::cel::{is_qualified_name, is_subdomain};
use super::fault::{Bound, Expected, Fault, What};
use crate::spelling;
use mesh_model::{Kind, Node, Object, Scalar};

const FIELDS: [&str; 17] = [
    "annotations",
    "clusterName",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "initializers",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Adds the faults of an object's metadata, and of its pod template's.
pub fn check<'a>(object: &'a Object, out: &mut Vec<Fault<'a>>) {
    if let Some((_, metadata)) = object.root().get_entry("metadata") {
        one(object, metadata, out);
    }
    if Kind::TEMPLATES.contains(&object.kind)
        && let Some(spec) = object.spec()
        && let Some(template) = spec.at(&["jobTemplate", "spec", "template", "metadata"]).or_else(|| spec.at(&["template", "metadata"]))
    {
        one(object, template, out);
    }
}

/// Adds what is wrong with the name of an object of a custom kind.
pub fn name<'a>(object: &'a Object, out: &mut Vec<Fault<'a>>) {
    let metadata = object.metadata().filter(|m| m.is_mapping());
    match object.name() {
        "" if metadata.is_none_or(|m| m.get("name").is_none() && m.get("generateName").is_none()) => {
            let (at, field) = metadata.map_or((object.root(), "metadata.name"), |m| (m, "name"));
            out.push(Fault { object, at, what: What::Missing { field } });
        }
        "" => {}
        name if name.len() <= 253 && is_subdomain(name) => {}
        _ => out.push(Fault { object, at: object.name_node(), what: What::Name }),
    }
}

fn one<'a>(object: &'a Object, metadata: Node<'a>, out: &mut Vec<Fault<'a>>) {
    if metadata.is_null() {
        return;
    }
    if !metadata.is_mapping() {
        out.push(Fault { object, at: metadata, what: What::WrongType { expected: Expected::Object, duration: false } });
        return;
    }
    for (key, value) in metadata.entries() {
        let name = key.text();
        match name {
            "name" | "namespace" | "generateName" => string(object, value, out),
            "labels" | "annotations" if value.is_mapping() => {
                for (k, v) in value.entries() {
                    if !is_qualified_name(k.text()) {
                        out.push(Fault { object, at: k, what: What::OutOfBounds(Bound::Format("key")) });
                    }
                    string(object, v, out);
                    if name == "labels" && v.is_scalar() && !is_label_value(v.text()) {
                        out.push(Fault { object, at: v, what: What::OutOfBounds(Bound::Format("label value")) });
                    }
                }
            }
            "labels" | "annotations" if !value.is_null() => {
                out.push(Fault { object, at: value, what: What::WrongType { expected: Expected::Object, duration: false } });
            }
            _ if FIELDS.contains(&name) => {}
            _ => {
                let near = spelling::nearest(name, FIELDS.into_iter().filter(|f| metadata.get_entry(f).is_none()));
                // Labels and annotations that slipped out of their mapping have a `/` in them.
                let belongs = near.is_none().then_some(()).filter(|()| name.contains('/')).map(|()| super::Belongs::Below("annotations"));
                out.push(Fault { object, at: key, what: What::UnknownField { near, belongs } });
            }
        }
    }
}

fn string<'a>(object: &'a Object, value: Node<'a>, out: &mut Vec<Fault<'a>>) {
    if !value.is_scalar() || !matches!(value.value(), Scalar::Str(_) | Scalar::Null) {
        out.push(Fault { object, at: value, what: What::WrongType { expected: Expected::String, duration: false } });
    }
}

/// Empty, or letters, digits, `-`, `_` and `.` with a letter or digit at both ends, 63 at most.
fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified_name(text) && !text.contains('/')
}
