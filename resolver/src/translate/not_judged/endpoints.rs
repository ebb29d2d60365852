//! Endpoints that clients reach in ways that the translation does not know: through gateways of other networks that the input lacks, over
//! HBONE, or by localities that the input lacks.

use super::NotJudged;
use crate::ambient::waypoint::{FROM_INGRESS, Waypoint, of_service};
use crate::protocol::Protocol;
use crate::translate::locality::{self, Setting};
use crate::translate::registry::{Endpoint, RegisteredService};
use crate::translate::{Context, Origin, ProxyKind, waypoint};

const WAYPOINT: &str = "istio.io/use-waypoint";

pub fn of<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let mut out: Vec<NotJudged<'a>> = Vec::new();
    let networks = &cx.model.networks;
    out.extend(networks.unreadable.iter().map(|o| NotJudged::new(Origin::whole(o), "its `meshNetworks` can't be read")));
    let behind: Vec<&RegisteredService<'a>> = match cx.waypoint {
        Some(_) => cx.served().collect(),
        None => cx.scope.services.iter().map(|s| &**s).collect(),
    };
    for service in behind {
        let Some(port) = service.ports.iter().find(|p| p.protocol != Protocol::Udp) else { continue };
        let endpoints = cx.model.registry.endpoints(cx.model.mesh, service, port);
        let first = |is: &dyn Fn(&&Endpoint<'a>) -> bool| endpoints.iter().find(is).map(|e| Origin::whole(e.object));
        let unknown = "is of another network, and the gateway to it or the network of the proxy is not in the input";
        out.extend(first(&|e| !networks.is_judged(cx, e)).map(|o| NotJudged::new(o, unknown)));
        let hbone = "is reached over HBONE, which is not translated";
        out.extend(first(&|e| e.takes_hbone && !cx.sends_hbone()).map(|o| NotJudged::new(o, hbone)));
        if !cx.sends_hbone() && has_waypoint(cx, service) {
            out.push(NotJudged::new(Origin::whole(service.object), "a waypoint stands before it; the way through waypoints is not translated"));
        }
        let through = waypoint::from_ingress(cx, service).filter(|gateway| waypoint::pods(cx, gateway).is_empty());
        out.extend(through.map(|gateway| NotJudged::new(Origin::whole(gateway), "the Pods of this waypoint, which a gateway sends to, are not in the input")));
        if cx.proxy.kind == ProxyKind::Router && cx.control_plane.ambient && service.object.label(FROM_INGRESS).is_some() && is_open(cx, service) {
            out.push(NotJudged::new(Origin::whole(service.object), "whether the gateway sends it to a waypoint is not in the input: its Namespace is not"));
        }
        out.extend(by_locality(cx, service, &endpoints));
    }
    out
}

/// Whether the labels of a Namespace that is not in the input decide on the service's waypoint.
fn is_open(cx: &Context<'_, '_>, service: &RegisteredService<'_>) -> bool {
    matches!(of_service(cx.model.mesh, service.object), Waypoint::PerhapsClosed(..) | Waypoint::Unasked(_))
}

fn has_waypoint(cx: &Context<'_, '_>, service: &RegisteredService<'_>) -> bool {
    let own = service.object.label(WAYPOINT);
    own.or_else(|| cx.model.mesh.namespace_label(service.namespace, WAYPOINT)).is_some_and(|w| !matches!(w, "" | "none"))
}

/// A service whose endpoints are chosen by where they are, where that or the proxy's own place is not in the input.
fn by_locality<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, endpoints: &[Endpoint<'a>]) -> Option<NotJudged<'a>> {
    let rules = cx.rules(service);
    let port = service.ports.iter().find(|p| p.protocol != Protocol::Udp)?;
    let subsets = rules.subsets();
    let top = crate::destination_rule::traffic_policy(&rules.0).map(|(object, _)| object);
    let of_subsets = subsets.iter().map(|s| (Some(s.object), rules.subset_policy(s, port.number)));
    let mut policies = std::iter::once((top, rules.policy(port.number))).chain(of_subsets);
    let origin = match locality::distribution(service.object).filter(|wish| !locality::is_known(wish)) {
        Some(wish) => {
            let node = service.object.spec_at(&["trafficDistribution"]).unwrap_or(service.object.name_node());
            return Some(NotJudged::new(Origin { object: service.object, node }, format!("the distribution `{wish}` is not translated")));
        }
        None => {
            let (object, policy) = policies.find(|(_, policy)| Setting::of(cx, service, policy).is_some_and(|s| s.prefers(policy)))?;
            let node = policy.outlier_detection.or(policy.load_balancer);
            object.zip(node).map_or(Origin::whole(service.object), |(object, node)| Origin { object, node })
        }
    };
    let place = |e: &Endpoint<'a>| (e.locality.clone(), e.zone);
    let is_spread = endpoints.iter().any(|e| place(e) != place(&endpoints[0]));
    let is_known = !cx.whereabouts.locality.is_empty() && endpoints.iter().all(|e| e.zone.is_empty());
    (is_spread && !is_known).then(|| NotJudged::new(origin, "endpoints are preferred by locality, and not all localities are in the input"))
}
