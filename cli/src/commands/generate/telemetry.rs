//! Access logs, traces and metrics: the Telemetry of a place, new or changed. Of two for the same workloads one alone counts.

use super::Made;
use super::object;
use super::request::{labels, number};
use super::target;
use crate::args::generate::{AccessLog, Telemetry, Where};
use crate::args::mesh::MeshArgs;
use crate::status::Failure;
use mesh_analyzers::schema::json;
use mesh_model::{Kind, Object};
use mesh_resolver::Mesh;
use mesh_resolver::labels::Selector;
use mesh_resolver::why::Named;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What failed: an answer that says so, or none.
const ERRORS: &str = "response.code >= 400 || response.flags > 0";

pub fn access_log(args: &AccessLog, mesh: &Mesh<'_>) -> Result<Made, Failure> {
    let mut value = of_place(&args.place, &args.common.mesh, "access-log", mesh)?;
    let mut entry = json!({"providers": [{"name": args.provider}]});
    if args.off {
        entry["disabled"] = true.into();
    }
    if let Some(filter) = args.filter.as_deref().or(args.errors.then_some(ERRORS)) {
        entry["filter"] = json!({"expression": filter});
    }
    let list = object::list(&mut value["spec"], "accessLogging");
    // Those of other providers stay.
    list.retain(|e| e["providers"].as_array().is_some_and(|p| p.iter().any(|p| p["name"] != *args.provider)));
    list.push(entry);
    Ok(Made { documents: vec![value], notes: Vec::new() })
}

pub fn telemetry(args: &Telemetry, mesh: &Mesh<'_>) -> Result<Made, Failure> {
    let mut value = of_place(&args.place, &args.common.mesh, "telemetry", mesh)?;
    if let Some(n) = args.sampling.filter(|n| !(0.0..=100.0).contains(n)) {
        return Err(Failure::usage(format!("--sampling takes a share from 0 to 100, not {n}")));
    }
    if args.sampling.is_some() || args.provider.is_some() || !args.tag.is_empty() {
        let list = object::list(&mut value["spec"], "tracing");
        if list.is_empty() {
            list.push(json!({}));
        }
        let entry = &mut list[0];
        args.provider.iter().for_each(|p| entry["providers"] = json!([{"name": p}]));
        args.sampling.iter().for_each(|n| entry["randomSamplingPercentage"] = number(*n));
        for tag in &args.tag {
            let (name, of) = tag_of(tag)?;
            entry["customTags"][name] = of;
        }
    }
    let overrides = overrides(args)?;
    if !overrides.is_empty() {
        let list = object::list(&mut value["spec"], "metrics");
        let is_prometheus = |e: &Value| e["providers"].as_array().is_none_or(|p| p.iter().any(|p| p["name"] == "prometheus"));
        let at = list.iter().position(is_prometheus).unwrap_or_else(|| {
            list.push(json!({"providers": [{"name": "prometheus"}]}));
            list.len() - 1
        });
        let known = object::list(&mut list[at], "overrides");
        known.retain(|o| !overrides.iter().any(|(metric, _)| o["match"] == json!({"metric": metric})));
        known.extend(overrides.into_iter().map(|(metric, of)| {
            let mut of = Value::Object(of);
            of["match"] = json!({"metric": metric});
            of
        }));
    }
    Ok(Made { documents: vec![value], notes: Vec::new() })
}

/// `NAME=literal:VALUE` and its kin.
fn tag_of(text: &str) -> Result<(&str, Value), Failure> {
    let parts = text.split_once('=').and_then(|(name, rest)| Some((name, rest.split_once(':')?)));
    match parts {
        Some((name, ("literal", value))) if !name.is_empty() => Ok((name, json!({"literal": {"value": value}}))),
        Some((name, (kind @ ("header" | "environment"), of))) if !name.is_empty() => Ok((name, json!({(kind): {"name": of}}))),
        _ => Err(Failure::usage(format!("--tag takes NAME=literal:VALUE, NAME=header:HEADER or NAME=environment:VARIABLE, not `{text}`"))),
    }
}

/// What is set of each metric.
fn overrides(args: &Telemetry) -> Result<BTreeMap<String, Map<String, Value>>, Failure> {
    let mut out: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut tag = |metric: &str, label: &str, of: Value| {
        let all = out.entry(metric.to_ascii_uppercase()).or_default().entry("tagOverrides").or_insert_with(|| json!({}));
        all[label] = of;
    };
    for text in &args.add_label {
        let parts = text.split_once(':').and_then(|(metric, rest)| Some((metric, rest.split_once('=')?)));
        let (metric, (label, value)) = parts.ok_or_else(|| Failure::usage(format!("--add-label takes METRIC:LABEL=EXPRESSION, not `{text}`")))?;
        tag(metric, label, json!({"operation": "UPSERT", "value": value}));
    }
    for text in &args.drop_label {
        let (metric, label) = text.split_once(':').ok_or_else(|| Failure::usage(format!("--drop-label takes METRIC:LABEL, not `{text}`")))?;
        tag(metric, label, json!({"operation": "REMOVE"}));
    }
    for metric in &args.off_metric {
        out.entry(metric.to_ascii_uppercase()).or_default().insert("disabled".to_owned(), true.into());
    }
    Ok(out)
}

/// The Telemetry of a place: the one that is there, or a new one of the name.
fn of_place(place: &Where, args: &MeshArgs, name: &str, mesh: &Mesh<'_>) -> Result<Value, Failure> {
    let (namespace, selector, name) = match (&place.target, &args.namespace) {
        (Some(target), own) => {
            let (namespace, labels, of) = workload(target, own.as_deref(), mesh)?;
            (namespace, Some(labels), format!("{of}-{name}"))
        }
        (None, Some(namespace)) if !place.selector.is_empty() => (namespace.clone(), Some(labels("--selector", &place.selector)?), name.to_owned()),
        (None, Some(namespace)) => (namespace.clone(), None, name.to_owned()),
        (None, None) => (mesh.config.root_namespace().to_owned(), None, name.to_owned()),
    };
    let is_same = |o: &&&Object| {
        let own = o.spec_at(&["selector", "matchLabels"]).map(json::value).filter(|l| l.as_object().is_none_or(|m| !m.is_empty()));
        let targeted = o.spec_at(&["targetRef"]).or_else(|| o.spec_at(&["targetRefs"])).is_some();
        own == selector && !targeted
    };
    if let Some(known) = mesh.objects_in(Kind::Telemetry, &namespace).iter().find(is_same) {
        return Ok(object::existing(known));
    }
    let spec = selector.map_or_else(|| json!({}), |labels| json!({"selector": {"matchLabels": labels}}));
    let name = object::free_name(mesh, Kind::Telemetry, &namespace, &name);
    Ok(object::new("telemetry.istio.io/v1", "Telemetry", &namespace, &name, spec))
}

/// Namespace, labels and name of a workload, or of those behind a Service.
fn workload(text: &str, namespace: Option<&str>, mesh: &Mesh<'_>) -> Result<(String, Value, String), Failure> {
    let ids = Named::parse(text, namespace).workloads(mesh);
    if ids.is_empty() {
        if mesh.workloads.all().is_empty() {
            return Err(Failure::usage(format!("which labels has {text}? name the mesh with -f, or the labels with --selector")));
        }
        return Err(crate::near::no_workload(text, mesh));
    }
    let of: Vec<_> = ids.iter().map(|id| mesh.workloads.get(*id)).collect();
    let first = of[0];
    if of.iter().any(|w| w.namespace != first.namespace) {
        return Err(Failure::usage(format!("`{text}` is in several namespaces: name one, as NAME.NAMESPACE")));
    }
    // What the Service selects, where that is what was meant; else what the workload's own controller selects.
    let by_service = target::find(text, namespace, mesh).ok().and_then(|t| t.service);
    let node = match by_service {
        Some(service) if of.len() > 1 || service.object.name() == first.object.name() => service.selector,
        _ => first.object.spec_at(&["selector", "matchLabels"]).or_else(|| first.pod.at(&["metadata", "labels"])),
    };
    let labels = node.map(json::value).filter(|l| l.as_object().is_some_and(|m| !m.is_empty()));
    let labels = labels.ok_or_else(|| Failure::none(format!("{} has no labels to select it by", first.object.origin())))?;
    let selected = mesh.workloads.matching(Some(first.namespace), &Selector::from_map(node)).count();
    if selected == 0 {
        return Err(Failure::none(format!("the labels of {} select nothing", first.object.origin())));
    }
    let name = by_service.filter(|_| of.len() > 1).map_or(first.object.name(), |s| s.object.name());
    Ok((first.namespace.to_owned(), labels, name.to_owned()))
}
