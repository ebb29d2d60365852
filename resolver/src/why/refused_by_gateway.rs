//! What a gateway does not take, and why: no server on the port, a server that nothing is routed at, a certificate that is
//! not there.

use super::answer::{Mark, Miss, Stage, Step, Thing};
use super::party::Party;
use super::question::Question;
use crate::issued::Issued;
use crate::mesh::Mesh;
use crate::ownership::Place;
use crate::translate::{Model, Part, ServerOf, VirtualService};
use mesh_envoy::engine::walk::Verdict;
use mesh_model::{Kind, Node, Object};

/// Why nothing listens where the request comes in, by the servers of the gateway's own Gateways.
pub(super) fn no_listener(model: &Model<'_, '_>, party: &Party<'_, '_>, question: &Question) -> Option<Step> {
    let servers = model.servers_of(party.proxy.as_ref()?);
    let host = question.bare_authority();
    let of = |says: String| Step::new(Stage::Listener, Mark::Broken, format!("no listener at port {}: {says}", question.url.port));
    let at_port: Vec<&ServerOf<'_>> = servers.iter().filter(|s| s.number == question.url.port).collect();
    if let Some(server) = at_port.iter().find(|s| s.has(host)).or(at_port.first()) {
        let gateway = server.origin.object.origin();
        if server.is_http {
            return None;
        }
        let wanted = if server.passes_tls { "tls" } else { "tcp" };
        let does = if server.passes_tls { "passes TLS on by its server name" } else { "passes bytes on" };
        let bound = model.bound_to(&server.gateway, host);
        let has_routes = |v: &VirtualService<'_>| !(if server.passes_tls { &v.tls } else { &v.tcp }).is_empty();
        return Some(match bound.iter().find(|v| has_routes(v)).or(bound.first()) {
            Some(v) if has_routes(v) && !v.is_visible_to(&party.namespace) => {
                let node = v.object.spec_at(&["exportTo"]).unwrap_or(v.object.name_node());
                of(format!("the server of {gateway} {does}, and {} is not exported to {}", v.object.origin(), party.namespace))
                    .thing(Thing::at(v.object, node))
                    .change(format!("add {} to its exportTo", party.namespace))
            }
            Some(v) if has_routes(v) => {
                let node = v.object.spec_at(&[wanted]).unwrap_or(v.object.name_node());
                of(format!("the server of {gateway} {does}, and no `{wanted}` route of {} is for it", v.object.origin()))
                    .thing(Thing::at(v.object, node))
                    .change("see `port`, `gateways` and `sniHosts` of their matches, and the namespaces in the server's hosts")
            }
            Some(v) => {
                let node = v.object.spec_at(&["http"]).unwrap_or(v.object.name_node());
                of(format!("the server of {gateway} {does}, and {} has no `{wanted}` routes", v.object.origin()))
                    .thing(Thing::at(v.object, node))
                    .change(format!("write `{wanted}` routes, or let the server end TLS (`mode: SIMPLE`)"))
            }
            None => of(format!("the server of {gateway} {does}, and no VirtualService that names it has {host}"))
                .thing(Thing::at(server.origin.object, server.origin.node))
                .change(format!("add a VirtualService with `{wanted}` routes for {host}")),
        });
    }
    let elsewhere: Vec<&ServerOf<'_>> = servers.iter().filter(|s| s.has(host)).collect();
    let (first, has) = (elsewhere.first()?, |s: &ServerOf<'_>| format!("{} has a server for {host} at port {}", s.origin.object.origin(), s.number));
    let misses = elsewhere.iter().skip(1).map(|s| Miss {
        name: format!("port {}", s.number),
        thing: Some(Thing::at(s.origin.object, s.origin.node)),
        why: "is another server for the host".to_owned(),
    });
    let misses = misses.collect();
    Some(
        of(has(first))
            .thing(Thing::at(first.origin.object, first.origin.node.get("port").unwrap_or(first.origin.node)))
            .change(format!("call port {}, or make it the server's port", first.number))
            .misses(misses),
    )
}

/// What is wrong with the certificate of the server that was taken: a Secret that is known not to exist. Without any it closes every
/// connection. Of several `certificateRefs` of a listener the others count, but where the first one is missing: then istiod gives the server the
/// gateway's own certificate of the mesh (istio/istio, pilot/pkg/config/kube/gateway/conversion.go, `buildTLS`).
pub(super) fn certificate(model: &Model<'_, '_>, party: &Party<'_, '_>, verdict: &Verdict) -> Option<Step> {
    let proxy = party.proxy.as_ref().filter(|_| party.held.is_none() && party.is_gateway())?;
    let piece = party.translation.as_ref()?.listeners.iter().find(|l| l.message.name == verdict.listener)?;
    let chain = u32::try_from(piece.message.filter_chains.iter().position(|c| c.name == verdict.filter_chain)?).ok()?;
    piece.message.filter_chains.get(chain as usize)?.transport_socket.as_ref()?;
    let origin = piece.parts.iter().find(|(p, _)| *p == Part::FilterChain(chain)).map(|(_, o)| *o).or_else(|| piece.origins.first().copied())?;
    let tls = origin.node.get("tls")?;
    let (object, mesh) = (origin.object, model.mesh);
    let issued = Issued::new(mesh);
    if object.kind == Kind::Gateway {
        // Of several each is waited for.
        let several: Vec<Node<'_>> = tls.list("credentialNames").collect();
        let wanted = if several.is_empty() { tls.get("credentialName").into_iter().collect() } else { several };
        return wanted.into_iter().find_map(|n| absent(mesh, &issued, object, &proxy.namespace, n.text(), n));
    }
    let of = |r: Node<'_>| {
        let namespace = Some(r.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(object.namespace());
        absent(mesh, &issued, object, namespace, r.text_of("name"), r)
    };
    let mut all: Vec<Option<Step>> = tls.list("certificateRefs").map(of).collect();
    let missing = all.iter().position(Option::is_some)?;
    let step = all[missing].take()?;
    if all.iter().enumerate().all(|(i, s)| i == missing || s.is_some()) {
        return Some(step);
    }
    let (secret, _) = step.says.split_once(" does not exist").unwrap_or((&step.says, ""));
    let says = match missing {
        0 => format!(
            "{secret} does not exist, and it is the first of several: the server shows the gateway's own certificate of the mesh, which clients outside do not trust"
        ),
        _ => format!("{secret} does not exist: the server has its other certificate alone"),
    };
    Some(Step { mark: Mark::Doubtful, says, ..step })
}

fn absent(mesh: &Mesh<'_>, issued: &Issued<'_>, object: &Object, namespace: &str, name: &str, node: Node<'_>) -> Option<Step> {
    // What is no Secret of Kubernetes is nobody's to look for: `kubernetes://`, files, `configmap://`.
    let is_name = !name.is_empty() && !name.contains(['/', ':']);
    let is_there = || mesh.find(Kind::Secret, namespace, name).is_some() || issued.has(Kind::Secret, namespace, name);
    let is_made = || object.annotations().any(|(k, _)| k.text().starts_with("cert-manager.io/"));
    if !is_name
        || is_there()
        || is_made()
        || !mesh.owns(object, Place::Objects(Kind::Secret, namespace))
        || mesh.may_hold(object, Kind::Secret, namespace, name)
    {
        return None;
    }
    let elsewhere = mesh.objects(Kind::Secret).iter().filter(|s| s.name() == name);
    let misses: Vec<Miss> =
        elsewhere.map(|s| Miss { name: s.origin(), thing: Some(Thing::whole(s)), why: "is in another namespace: the proxy's own counts".to_owned() }).collect();
    let says = format!("Secret {namespace}/{name} does not exist: the server has no certificate, and closes every connection");
    Some(Step::new(Stage::Listener, Mark::Broken, says).thing(Thing::at(object, node)).change(format!("create it in namespace {namespace}")).misses(misses))
}
