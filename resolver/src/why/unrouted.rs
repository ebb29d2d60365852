//! Requests that the proxy has no service for: let through as they are, or refused.

use super::answer::{Mark, Stage, Step, Thing};
use super::outbound::BLACK_HOLE;
use super::party::Party;
use super::question::Question;
use super::uncounted;
use crate::protocol::Protocol;
use crate::translate::{Model, RegisteredService, Resolution};
use mesh_envoy::engine::walk::{End, Verdict};
use mesh_model::Object;

pub(super) fn step(
    model: &Model<'_, '_>,
    party: &Party<'_, '_>,
    place: &str,
    verdict: &Verdict,
    service: Option<&RegisteredService<'_>>,
    question: &Question,
    pod: Option<&Object>,
) -> Step {
    if let Some(port) = service.and_then(|s| s.port(question.url.port)).filter(|p| p.protocol.is_http() && question.speaks_tls) {
        let says = format!("{place}: the application speaks TLS to port `{}`, which is HTTP: the connection is let through as it is", port.name);
        return Step::new(Stage::Listener, Mark::Doubtful, says).thing(Thing::at(port.object, port.node)).change("call with http: the proxies encrypt");
    }
    let branch = verdict.branches.first();
    let refused = branch.is_some_and(|b| b.cluster == BLACK_HOLE || matches!(&b.end, End::Replied(r) if r.status >= 400));
    let (why, thing, change) = reason(model, party, service, question, pod);
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
pub(super) fn reason(
    model: &Model<'_, '_>,
    party: &Party<'_, '_>,
    service: Option<&RegisteredService<'_>>,
    question: &Question,
    pod: Option<&Object>,
) -> (String, Option<Thing>, String) {
    let Some(service) = service else {
        if let Some(pod) = pod {
            let says = format!("{} is the address of {} itself: nothing that is said of a Service counts", question.url.host, pod.origin());
            return (says, Some(Thing::whole(pod)), "call its Service".to_owned());
        }
        return ("no Service and no ServiceEntry has the host and port".to_owned(), None, String::new());
    };
    let object = service.object;
    if let Some((why, thing, change)) = uncounted::unseen(model, party, service) {
        return (why, Some(thing), change);
    }
    let Some(port) = service.port(question.url.port) else {
        let has: Vec<String> = service.ports.iter().map(|p| p.number.to_string()).collect();
        let change = format!("add the port to {}, or call one that it has ({})", object.origin(), has.join(", "));
        return (format!("{} has no port {}", object.origin(), question.url.port), Some(Thing::whole(object)), change);
    };
    let of_port = |says: String, change: &str| (says, Some(Thing::at(port.object, port.node)), change.to_owned());
    if service.resolution == Resolution::Alias {
        let name = object.spec().map_or("", |s| s.text_of("externalName"));
        let node = object.spec_at(&["externalName"]).unwrap_or(object.name_node());
        let says = format!("{} is another name of {name}, which no Service and no ServiceEntry has", object.origin());
        return (says, Some(Thing::at(object, node)), format!("add a ServiceEntry for {name}"));
    }
    if matches!(port.protocol, Protocol::Tls | Protocol::Https) && !question.speaks_tls {
        let says = format!("port `{}` is TLS, which is told apart by its server name, and the application speaks plaintext", port.name);
        return of_port(says, "call with https; or declare the port HTTP, and let a DestinationRule originate TLS");
    }
    if port.protocol.is_http() && !question.is_http() {
        let says = format!("port `{}` is HTTP by its name, and what the application speaks is not", port.name);
        return of_port(says, "name the port `tcp-…`, or give it `appProtocol: tcp`");
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
