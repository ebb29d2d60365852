//! Requests that the proxy has no service for: let through as they are, or refused.

use super::answer::{Mark, Stage, Step, Thing};
use super::outbound::BLACK_HOLE;
use super::party::Party;
use super::question::Question;
use crate::translate::{Model, RegisteredService};
use mesh_envoy::engine::walk::{End, Verdict};
use mesh_model::Object;

pub(super) fn step(
    model: &Model<'_, '_>,
    party: &Party<'_, '_>,
    place: &str,
    verdict: &Verdict,
    service: Option<&RegisteredService<'_>>,
    question: &Question,
) -> Step {
    if let Some(port) = service.and_then(|s| s.port(question.url.port)).filter(|p| p.protocol.is_http() && question.speaks_tls) {
        let says = format!("{place}: the application speaks TLS to port `{}`, which is HTTP: the connection is let through as it is", port.name);
        return Step::new(Stage::Listener, Mark::Doubtful, says).thing(Thing::at(port.object, port.node)).change("call with http: the proxies encrypt");
    }
    let branch = verdict.branches.first();
    let refused = branch.is_some_and(|b| b.cluster == BLACK_HOLE || matches!(&b.end, End::Replied(r) if r.status >= 400));
    let (why, thing, change) = reason(model, party, service);
    let policy = party.proxy.as_ref().and_then(|p| model.unknown_traffic_of(p));
    let policy_thing = policy.map(|(o, n)| Thing::at(o, n));
    match refused {
        true => {
            let by = policy_thing
                .as_ref()
                .map_or_else(|| "what is unknown is refused".to_owned(), |t| format!("{} refuses what is unknown (REGISTRY_ONLY)", t.object));
            Step::new(Stage::Listener, Mark::Broken, format!("{place}: {by}: {why}")).thing(thing.or(policy_thing)).change(if change.is_empty() {
                "add a ServiceEntry for the host".to_owned()
            } else {
                change
            })
        }
        false => Step::new(Stage::Listener, Mark::Doubtful, format!("{place}: let through as it is, in plaintext where it is plaintext: {why}"))
            .thing(thing)
            .change(if change.is_empty() { "add a ServiceEntry for the host".to_owned() } else { change }),
    }
}

/// Why the proxy does not know the destination.
fn reason(model: &Model<'_, '_>, party: &Party<'_, '_>, service: Option<&RegisteredService<'_>>) -> (String, Option<Thing>, String) {
    let Some(service) = service else {
        return ("no Service and no ServiceEntry has the host and port".to_owned(), None, String::new());
    };
    let object = service.object;
    if !model.registry.is_visible(model.mesh, service, &party.namespace) {
        let node = object.spec_at(&["exportTo"]).or_else(|| object.at(&["metadata", "annotations", "networking.istio.io/exportTo"]));
        let thing = Thing::at(object, node.unwrap_or(object.name_node()));
        return (format!("{} is not exported to {}", object.origin(), party.namespace), Some(thing), format!("add {} to its exportTo", party.namespace));
    }
    let sidecar = party.proxy.as_ref().and_then(|p| model.sidecar_of(p));
    let is_held = party.translation.as_ref().is_some_and(|t| t.clusters.iter().any(|c| c.message.name.ends_with(&format!("|{}", service.host))));
    if let Some(sidecar) = sidecar.filter(|_| !is_held) {
        let egress = sidecar.spec_at(&["egress"]).unwrap_or(sidecar.name_node());
        let change = format!("add `{}/{}` to its egress hosts", service.namespace, service.host);
        return (format!("{} does not import {}", sidecar.origin(), service.host), Some(Thing::at(sidecar, egress)), change);
    }
    (format!("no listener of the proxy leads to {}", object.origin()), Some(Thing::whole(object)), "see `meshctl proxy-config listener`".to_owned())
}

/// The object and the field that say what becomes of unknown destinations.
impl<'a> Model<'_, 'a> {
    fn unknown_traffic_of(&self, proxy: &crate::translate::Proxy) -> Option<(&'a Object, mesh_model::Node<'a>)> {
        let of_sidecar = self.sidecar_of(proxy).and_then(|o| Some((o, o.spec_at(&["outboundTrafficPolicy"])?)));
        let of_mesh = || self.mesh.snapshot.mesh_config.as_ref().and_then(|o| Some((o, o.at(&["outboundTrafficPolicy"])?)));
        of_sidecar.or_else(of_mesh)
    }
}
