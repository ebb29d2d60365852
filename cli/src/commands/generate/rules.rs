//! The VirtualServices that send to a service, with their rules changed; a new one where none decides.

use super::Made;
use super::object;
use super::target::{Ports, Target};
use crate::status::Failure;
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Mesh, host};
use serde_json::{Value, json};

/// What becomes of a rule.
pub enum Changed {
    /// These in its place.
    To(Vec<Value>),
    /// It stays, for this reason.
    Stays(&'static str),
}

/// Which lists of rules are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    Http,
    HttpAndTcp,
}

/// Applies a change to each rule that sends to the target alone; `change` gets the rule and its destinations.
pub fn edit(mesh: &Mesh<'_>, target: &Target<'_, '_>, layers: Layers, change: &dyn Fn(&Value) -> Changed) -> Result<Made, Failure> {
    if let Some(route) = target.route_of_service(mesh) {
        return Err(Failure::none(format!("{route} routes {}: a VirtualService beside it would not decide; change that one", target.host)));
    }
    let ports = target.ports();
    if !ports.has_http && layers == Layers::Http {
        return Err(Failure::none(format!("{} has no port that carries HTTP: there are no requests to change", target.host)));
    }
    let mut made = Made::default();
    let (mut deciding, mut reasons) = (None, Vec::new());
    for vs in mesh.objects(Kind::VirtualService) {
        let Some(spec) = vs.spec() else { continue };
        let decides = is_of_mesh(spec) && spec.list("hosts").any(|h| target.is(h.text(), vs.namespace(), mesh));
        if decides && let Some(first) = deciding.replace(vs) {
            return Err(Failure::none(format!(
                "{} and {} are both for {}, and only one decides: make them one first",
                first.origin(),
                vs.origin(),
                target.host
            )));
        }
        let mut value = object::existing(vs);
        let mut is_changed = false;
        let lists: &[&str] = if layers == Layers::Http { &["http"] } else { &["http", "tcp"] };
        for list in lists {
            let old: Vec<Value> = value["spec"][*list].as_array().cloned().unwrap_or_default();
            let mut new = Vec::new();
            for (i, rule) in old.into_iter().enumerate() {
                match sends(&rule, vs, target, mesh) {
                    Sends::Elsewhere => new.push(rule),
                    Sends::Partly => {
                        reasons.push(format!("{}, {list}[{i}] stays: it sends to other services as well", vs.origin()));
                        new.push(rule);
                    }
                    Sends::Here => match change(&rule) {
                        Changed::To(rules) => {
                            is_changed = true;
                            new.extend(rules);
                        }
                        Changed::Stays(why) => {
                            reasons.push(format!("{}, {list}[{i}] stays: {why}", vs.origin()));
                            new.push(rule);
                        }
                    },
                }
            }
            if !new.is_empty() {
                value["spec"][*list] = Value::Array(new);
            }
        }
        if is_changed {
            made.documents.push(value);
        } else if decides {
            let why = if reasons.is_empty() { format!("{} sends none of its requests there", vs.origin()) } else { reasons.join("; ") };
            return Err(Failure::none(format!("{} decides for {} in the mesh, and no rule of it is changed: {why}", vs.origin(), target.host)));
        }
    }
    made.notes.extend(reasons);
    if deciding.is_none() {
        if let Some(wide) = covering(mesh, target) {
            return Err(Failure::none(format!(
                "{} decides for {} by a wildcard: a VirtualService of the host's own would hide its rules; change that one",
                wide.origin(),
                target.host
            )));
        }
        made.documents.push(fresh(mesh, target, layers, &ports, change));
    }
    for route in mesh.objects(Kind::HttpRoute).iter().filter(|r| leads(r, target)) {
        made.notes.push(format!("{} leads here from a gateway, and is not changed", route.origin()));
    }
    Ok(made)
}

fn is_of_mesh(spec: Node<'_>) -> bool {
    let mut gateways = spec.list("gateways").peekable();
    gateways.peek().is_none() || gateways.any(|g| g.text() == "mesh")
}

/// A VirtualService of the mesh whose wildcard means the host.
fn covering<'a>(mesh: &Mesh<'a>, target: &Target<'_, '_>) -> Option<&'a Object> {
    let covers =
        |o: &&Object| o.spec().is_some_and(|s| is_of_mesh(s) && s.list("hosts").any(|h| h.text().starts_with('*') && host::covers(h.text(), &target.host)));
    mesh.objects(Kind::VirtualService).iter().copied().find(covers)
}

enum Sends {
    Here,
    Partly,
    Elsewhere,
}

fn sends(rule: &Value, vs: &Object, target: &Target<'_, '_>, mesh: &Mesh<'_>) -> Sends {
    let routes = rule["route"].as_array().map(Vec::as_slice).unwrap_or_default();
    let here = routes.iter().filter(|r| r["destination"]["host"].as_str().is_some_and(|h| target.is(h, vs.namespace(), mesh))).count();
    match here {
        0 => Sends::Elsewhere,
        n if n == routes.len() => Sends::Here,
        _ => Sends::Partly,
    }
}

fn fresh(mesh: &Mesh<'_>, target: &Target<'_, '_>, layers: Layers, ports: &Ports, change: &dyn Fn(&Value) -> Changed) -> Value {
    let plain = json!({"route": [{"destination": {"host": target.host}}]});
    // A destination without a port means the service's only one.
    let of_port = |port: &u16| {
        let mut rule = plain.clone();
        rule["match"] = json!([{"port": port}]);
        rule["route"][0]["destination"]["port"] = json!({"number": port});
        rule
    };
    let rules = |list: Vec<Value>| -> Vec<Value> {
        let changed = |rule: Value| match change(&rule) {
            Changed::To(rules) => rules,
            Changed::Stays(_) => vec![rule],
        };
        list.into_iter().flat_map(changed).collect()
    };
    let mut spec = json!({"hosts": [target.host]});
    if ports.has_http {
        spec["http"] = rules(if ports.are_several { ports.http.iter().map(of_port).collect() } else { vec![plain.clone()] }).into();
    }
    if layers == Layers::HttpAndTcp && !ports.tcp.is_empty() {
        spec["tcp"] = rules(ports.tcp.iter().map(of_port).collect()).into();
    }
    let name = object::free_name(mesh, Kind::VirtualService, &target.namespace, &target.name);
    object::new("networking.istio.io/v1", "VirtualService", &target.namespace, &name, spec)
}

/// Whether a route of the Gateway API has the service as a backend.
fn leads(route: &Object, target: &Target<'_, '_>) -> bool {
    let name = target.service.map_or("", |s| s.object.name());
    route.spec().into_iter().flat_map(|s| s.list("rules")).flat_map(|r| r.list("backendRefs")).any(|b| {
        let namespace = if b.text_of("namespace").is_empty() { route.namespace() } else { b.text_of("namespace") };
        b.text_of("name") == name && namespace == target.namespace && matches!(b.text_of("kind"), "" | "Service")
    })
}
