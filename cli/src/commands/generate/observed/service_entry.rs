//! ServiceEntries for hosts outside of the mesh that nobody declares.

use super::{Drawn, World};
use crate::args::generate::ServiceEntry;
use crate::commands::generate::{Made, object};
use crate::context::Context;
use crate::status::{Failure, Outcome};
use crate::telemetry::observed::{Call, Reporter};
use mesh_analyzers::validation::domain;
use mesh_model::Kind;
use mesh_resolver::Mesh;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Where a proxy sends what it has no cluster for.
const ELSEWHERE: &[&str] = &["PassthroughCluster", "BlackHoleCluster"];

pub fn run(args: &ServiceEntry, context: &Context) -> Outcome {
    super::give(&args.seen, context, &|world, mesh| draw(args, world, mesh), &|_, _| Vec::new())
}

/// Ports of a host with what they carry, and the namespaces of its callers.
#[derive(Default)]
struct Use {
    ports: BTreeMap<u16, &'static str>,
    namespaces: BTreeSet<String>,
}

fn draw(args: &ServiceEntry, world: &World, mesh: &Mesh<'_>) -> Result<Drawn, Failure> {
    let mut out = Drawn { made: Made::default(), left_out: Vec::new(), calls: BTreeSet::new(), operations: BTreeMap::new() };
    let mut hosts: BTreeMap<String, Use> = BTreeMap::new();
    let mut nameless: BTreeMap<String, f64> = BTreeMap::new();
    let namespaces = &args.seen.source.namespace;
    let counts = |c: &&Call| c.reporter == Reporter::Client && (namespaces.is_empty() || namespaces.contains(&c.source.0));
    for call in world.seen.calls.iter().filter(counts).filter(|c| c.destination.1 == "unknown" || ELSEWHERE.contains(&c.service.as_str())) {
        let who = format!("{}.{}", call.source.1, call.source.0);
        let is_elsewhere = ELSEWHERE.contains(&call.service.as_str());
        let Some((host, port)) = host_and_port(call) else {
            // Of what a known service did not answer nothing is to be declared.
            if is_elsewhere {
                *nameless.entry(who).or_default() += call.rate;
            }
            continue;
        };
        if is_known(&host, mesh) {
            continue;
        }
        let one = hosts.entry(host).or_default();
        one.ports.insert(port, if call.protocol == "grpc" { "GRPC" } else { "HTTP" });
        one.namespaces.insert(call.source.0.clone());
    }
    for (who, rate) in nameless {
        out.left_out.push(format!(
            "{who} sends {rate:.0} a second to hosts of which metrics have no name (TLS, or bytes): access logs of its proxy have server names and addresses"
        ));
    }
    for (host, seen) in hosts {
        if host.parse::<IpAddr>().is_ok() {
            out.left_out.push(format!("{host} is asked for by its address, which a ServiceEntry can't resolve: no entry is made for it"));
            continue;
        }
        if let Err(why) = domain::fqdn(&host) {
            out.left_out.push(format!("{why}: no entry is made for this host"));
            continue;
        }
        let made = entry(mesh, &out.made.documents, &host, &seen);
        out.made.documents.push(made);
    }
    Ok(out)
}

/// The host that was asked for, and the port that stands behind its name or 80.
fn host_and_port(call: &Call) -> Option<(String, u16)> {
    let host = call.host.as_str();
    if call.protocol == "tcp" || host.is_empty() || host == "unknown" || ELSEWHERE.contains(&host) {
        return None;
    }
    // `[::1]:80`, `a.example:8080`
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            Some((name.trim_matches(['[', ']']).to_ascii_lowercase(), port.parse().ok().filter(|p| *p > 0)?))
        }
        _ => Some((host.trim_matches(['[', ']']).to_ascii_lowercase(), 80)),
    }
}

/// Whether a service has the host, or it is one of the cluster's own names.
fn is_known(host: &str, mesh: &Mesh<'_>) -> bool {
    let is_of_cluster = !host.contains('.') || host.ends_with(&format!(".svc.{}", mesh.domain)) || host.ends_with(".svc");
    // `reviews.bookinfo`
    let is_short = host.split_once('.').is_some_and(|(name, ns)| mesh.find(Kind::Service, ns, name).is_some());
    is_of_cluster || is_short || mesh.services.by_host(host).next().is_some() || mesh.services.by_wildcard(host).next().is_some()
}

fn entry(mesh: &Mesh<'_>, made: &[Value], host: &str, seen: &Use) -> Value {
    // One namespace keeps it to itself; for several it stands where the mesh's own settings do.
    let (namespace, export) = match seen.namespaces.iter().collect::<Vec<_>>().as_slice() {
        [one] => (one.as_str(), vec!["."]),
        several => (mesh.config.root_namespace(), several.iter().map(|n| n.as_str()).collect()),
    };
    let ports: Vec<Value> =
        seen.ports.iter().map(|(n, protocol)| json!({"number": n, "name": format!("{}-{n}", protocol.to_ascii_lowercase()), "protocol": protocol})).collect();
    let spec = json!({"hosts": [host], "location": "MESH_EXTERNAL", "resolution": "DNS", "ports": ports, "exportTo": export});
    let name = object::unused_name(mesh, made, Kind::ServiceEntry, namespace, &host.trim_end_matches('.').replace('.', "-"));
    object::new("networking.istio.io/v1", "ServiceEntry", namespace, &name, spec)
}
