//! Limits towards a service, and when an endpoint of it is left out.

use super::Made;
use super::object;
use super::request::duration;
use super::subsets;
use super::target;
use crate::args::generate::Breaker;
use crate::status::Failure;
use mesh_resolver::Mesh;
use serde_json::{Value, json};

pub fn make(args: &Breaker, mesh: &Mesh<'_>) -> Result<Made, Failure> {
    let target = target::find(&args.service, args.common.mesh.namespace.as_deref(), mesh)?;
    let http: Vec<(&str, u32)> = [("http1MaxPendingRequests", args.max_pending), ("http2MaxRequests", args.max_requests), ("maxRetries", args.max_retries)]
        .into_iter()
        .filter_map(|(name, n)| Some((name, n?)))
        .collect();
    if !http.is_empty() && !target.ports().has_http {
        return Err(Failure::usage(format!("{} has no port that carries HTTP: of its connections only --max-connections counts", target.host)));
    }
    let mut rule = subsets::rule(mesh, &target);
    let mut notes = std::mem::take(&mut rule.notes);
    for first in rule.united.iter().take(1) {
        let settings = |node: mesh_model::Node<'_>| node.get("connectionPool").is_some() || node.get("outlierDetection").is_some();
        let ports = first.spec_at(&["trafficPolicy"]).into_iter().flat_map(|p| p.list("portLevelSettings"));
        notes.extend(
            ports
                .filter_map(|p| p.at(&["port", "number"]))
                .map(|n| format!("{}: portLevelSettings of port {} count for it in place of these", first.origin(), n.text())),
        );
        let subsets = first.spec().into_iter().flat_map(|s| s.list("subsets")).filter(|s| s.get("trafficPolicy").is_some_and(settings));
        notes.extend(subsets.map(|s| format!("{}: subset {} has settings of its own", first.origin(), s.text_of("name"))));
    }
    object::map(&mut rule.value["spec"], "trafficPolicy");
    let policy = &mut rule.value["spec"]["trafficPolicy"];
    if let Some(n) = args.max_connections {
        policy["connectionPool"]["tcp"]["maxConnections"] = n.into();
    }
    for (name, n) in &http {
        policy["connectionPool"]["http"][*name] = (*n).into();
    }
    let ejects = args.errors.is_some() || args.interval.is_some() || args.eject.is_some() || args.max_ejected.is_some();
    let limits = args.max_connections.is_some() || !http.is_empty();
    if ejects || !limits {
        let old = policy["outlierDetection"].clone();
        let mut set = |name: &str, typed: Option<Value>, default: Value| {
            policy["outlierDetection"][name] = typed.unwrap_or_else(|| old.get(name).cloned().unwrap_or(default));
        };
        set("consecutive5xxErrors", args.errors.map(Value::from), json!(5));
        set("interval", args.interval.as_ref().map(|d| duration("--interval", d)).transpose()?.map(Value::from), json!("10s"));
        set("baseEjectionTime", args.eject.as_ref().map(|d| duration("--eject", d)).transpose()?.map(Value::from), json!("30s"));
        set("maxEjectionPercent", args.max_ejected.map(Value::from), json!(50));
    }
    Ok(Made { documents: vec![rule.value], notes })
}
