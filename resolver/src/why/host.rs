//! What the host of a URL is to a client: a service of the registry, a name outside, or nothing.

use super::answer::{Mark, Miss, Stage, Step, Thing};
use crate::host;
use crate::mesh::Mesh;
use crate::ownership::Place;
use crate::protocol::Protocol;
use crate::translate::{Model, RegisteredService};
use mesh_model::Kind;
use std::net::IpAddr;

/// Where a name leads.
pub(super) struct Found<'m, 'a> {
    pub service: Option<&'m RegisteredService<'a>>,
    pub step: Step,
    /// Whether the client has an address to send to.
    pub is_reached: bool,
}

/// The service that a host means for a client of a namespace: by its address, by the spellings that DNS completes, by a
/// wildcard.
pub fn service<'m, 'a>(model: &'m Model<'_, 'a>, name: &str, namespace: &str) -> Option<&'m RegisteredService<'a>> {
    let registry = &model.registry;
    if name.parse::<IpAddr>().is_ok() {
        return registry.services.iter().find(|s| s.address == name);
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let pick = |host: &str| {
        let all: Vec<&RegisteredService<'a>> = registry.by_host(host).map(|(_, s)| s).collect();
        let seen = |s: &&&RegisteredService<'a>| registry.is_visible(model.mesh, s, namespace);
        all.iter().find(|s| s.is_kubernetes()).or_else(|| all.iter().find(seen)).or(all.first()).copied()
    };
    let wild = || {
        let found = model.mesh.services.by_wildcard(&name).next()?;
        let host = found.hosts.iter().find(|h| host::covers(h, &name))?;
        pick(host)
    };
    let of_pod = || pod(model, &name, namespace).map(|(service, _)| service);
    spellings(model.mesh, &name, namespace).iter().find_map(|h| pick(h)).or_else(of_pod).or_else(wild)
}

/// The Pod, or the StatefulSet of it, that is called by its own name within a headless service: `cart-0.peers.shop`.
pub(super) fn pod<'m, 'a>(model: &'m Model<'_, 'a>, name: &str, namespace: &str) -> Option<(&'m RegisteredService<'a>, u32)> {
    let (own, rest) = name.split_once('.')?;
    let found = spellings(model.mesh, &rest.to_ascii_lowercase(), namespace).iter().find_map(|h| model.registry.by_host(h).map(|(_, s)| s).next())?;
    if !super::endpoints::is_headless(found) {
        return None;
    }
    let all = model.mesh.workloads.all();
    let is_it = |w: &crate::workload::Workload<'_>| {
        let set = own.rsplit_once('-').filter(|(_, n)| n.bytes().all(|b| b.is_ascii_digit())).map(|(set, _)| set);
        w.object.kind == Kind::Pod && w.object.name() == own || w.object.kind == Kind::StatefulSet && set == Some(w.object.name())
    };
    let id = (0u32..).zip(all).find(|(_, w)| w.namespace == found.namespace && is_it(w)).map(|(id, _)| id)?;
    Some((found, id))
}

/// The full names that a spelling may mean, the first that exists counts: as the search list of a Pod has it.
fn spellings(mesh: &Mesh<'_>, name: &str, namespace: &str) -> Vec<String> {
    let domain = mesh.domain;
    let mut out = Vec::new();
    let suffix = if domain.is_empty() { String::new() } else { format!(".svc.{domain}") };
    if !name.contains('.') {
        out.push(format!("{name}.{namespace}{suffix}"));
    } else {
        if name.split('.').count() == 2 {
            out.push(format!("{name}{suffix}"));
        }
        if name.ends_with(".svc") {
            out.push(format!("{name}.{domain}"));
        }
    }
    out.push(name.to_owned());
    out
}

/// The namespace of the cluster that a name must be in, where it can be no other.
fn namespace_of(mesh: &Mesh<'_>, name: &str, own: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [_] => Some(own.to_owned()),
        [_, namespace] if mesh.is_populated(namespace) || mesh.left_out().unwatched.contains_key(namespace) => Some((*namespace).to_owned()),
        [_, namespace, "svc"] => Some((*namespace).to_owned()),
        [_, namespace, "svc", ..] if name.ends_with(mesh.domain) => Some((*namespace).to_owned()),
        _ => None,
    }
}

pub(super) fn find<'m, 'a>(model: &'m Model<'_, 'a>, name: &str, port: u16, namespace: &str, knows_manifests: bool) -> Found<'m, 'a> {
    let mesh = model.mesh;
    let step = |mark, says: String| Step::new(Stage::Host, mark, says);
    let Some(service) = service(model, name, namespace) else {
        if !knows_manifests {
            return Found { service: None, step: step(Mark::Good, format!("{name} is looked up in what the proxy holds")), is_reached: true };
        }
        let is_address = name.parse::<IpAddr>().is_ok();
        let Some(place) = namespace_of(mesh, name, namespace).filter(|_| !is_address) else {
            let says = format!("{name} is no service of the mesh: an address outside");
            return Found { service: None, step: step(Mark::Good, says), is_reached: true };
        };
        let short = name.split('.').next().unwrap_or(name);
        if let Some(object) = mesh.find_unwatched(Kind::Service, &place, short) {
            let says = format!("{} is in namespace {place}, which istiod does not watch (discoverySelectors): no proxy knows it", object.origin());
            let step = step(Mark::Doubtful, says).thing(Thing::whole(object));
            let change = format!("give the Namespace {place} labels that the selectors ask for, or call it from outside of the mesh");
            return Found { service: None, step: step.change(change), is_reached: true };
        }
        let mut near: Vec<Miss> = mesh
            .services
            .all()
            .iter()
            .filter(|s| s.object.name() == short || s.namespace == place && is_near(short, s.object.name()))
            .map(|s| Miss {
                name: s.hosts.first().cloned().unwrap_or_default(),
                thing: Some(Thing::whole(s.object)),
                why: format!("is in namespace {}", s.namespace),
            })
            .collect();
        near.sort_by(|a, b| a.name.cmp(&b.name));
        let is_known = mesh.snapshot.objects.first().is_some_and(|o| mesh.owns(o, Place::Hosts(&place)));
        let (mark, says) = match is_known || !near.is_empty() {
            true => (Mark::Broken, format!("no Service `{short}` is in namespace {place}: the name does not resolve")),
            false => (Mark::NotJudged, format!("no Service `{short}` of namespace {place} is in the input")),
        };
        let change = near.first().map_or_else(|| "create the Service, or correct the host".to_owned(), |m| format!("call {}", m.name));
        return Found { service: None, step: step(mark, says).change(change).misses(near), is_reached: mark != Mark::Broken };
    };
    let object = service.object;
    let Some(found) = service.port(port) else {
        let has: Vec<Miss> = service
            .ports
            .iter()
            .map(|p| Miss { name: format!("port {}", p.number), thing: Some(Thing::at(p.object, p.node)), why: format!("named `{}`", p.name) })
            .collect();
        let says = format!("{} has no port {port}", object.origin());
        if !service.is_kubernetes() {
            // The name leads somewhere all the same; what becomes of it the proxy's listeners say.
            let step = step(Mark::Doubtful, says).thing(Thing::whole(object)).change(format!("add port {port} to {}", object.origin())).misses(has);
            return Found { service: Some(service), step, is_reached: true };
        }
        let change = has.first().map_or_else(|| format!("give it port {port}"), |p| format!("call {}", p.name));
        return Found { service: Some(service), step: step(Mark::Broken, says).thing(Thing::whole(object)).change(change).misses(has), is_reached: false };
    };
    if !model.registry.is_visible(mesh, service, namespace) {
        let node = object.spec_at(&["exportTo"]).or_else(|| object.at(&["metadata", "annotations", "networking.istio.io/exportTo"]));
        let says = format!("{} is not exported to namespace {namespace}: the proxy does not know it", object.origin());
        let step = step(Mark::Doubtful, says).thing(Thing::at(object, node.unwrap_or(object.name_node()))).change(format!("add {namespace} to its exportTo"));
        return Found { service: Some(service), step, is_reached: true };
    }
    if found.protocol == Protocol::Udp {
        let says = format!("port {port} of {} is UDP: nobody takes connections there, and the mesh carries none", object.origin());
        let step = step(Mark::Broken, says).thing(Thing::at(object, found.node)).change("call a port of TCP, or give it `protocol: TCP`");
        return Found { service: Some(service), step, is_reached: false };
    }
    let protocol = format!("{:?}", found.protocol).to_uppercase();
    let says = format!(
        "{name}:{port} is {}, port `{}`, {}",
        object.origin(),
        found.name,
        if protocol == "UNSUPPORTED" { "its protocol is detected" } else { &protocol }
    );
    Found { service: Some(service), step: step(Mark::Good, says).thing(Thing::at(object, found.node)), is_reached: true }
}

/// Whether two names differ by one letter, or by the order of two.
pub(super) fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 1 || a.len() < 3 {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    same + back + 1 >= a.len().max(b.len())
        || (a.len() == b.len() && same + back + 2 >= a.len() && a.get(same) == b.get(same + 1) && a.get(same + 1) == b.get(same))
}
