//! Endpoints that clients reach in ways that the translation does not know: through gateways of other networks, over
//! HBONE, or by locality.

use super::NotJudged;
use crate::mesh::Mesh;
use crate::protocol::Protocol;
use crate::translate::registry::{Endpoint, RegisteredService};
use crate::translate::traffic_policy::Rules;
use crate::translate::{Context, Origin};
use mesh_model::{Kind, Node, Object, Source, Span, yaml};

const NETWORK: &str = "topology.istio.io/network";
const WAYPOINT: &str = "istio.io/use-waypoint";

pub fn of<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let mut out: Vec<NotJudged<'a>> = Vec::new();
    let networks = "endpoints of other networks are reached through gateways, which are not translated";
    out.extend(with_networks(cx.model.mesh).into_iter().map(|o| NotJudged::new(Origin::whole(o), networks)));
    for service in &cx.scope.services {
        let Some(port) = service.ports.iter().find(|p| p.protocol != Protocol::Udp) else { continue };
        let endpoints = cx.model.registry.endpoints(cx.model.mesh, service, port);
        let first = |is: &dyn Fn(&&Endpoint<'a>) -> bool| endpoints.iter().find(is).map(|e| Origin::whole(e.object));
        let network = cx.proxy.label(NETWORK).unwrap_or_default();
        out.extend(first(&|e| !e.network.is_empty() && e.network != network).map(|o| NotJudged::new(o, networks)));
        let hbone = "is reached over HBONE, which is not translated";
        out.extend(first(&|e| e.takes_hbone).map(|o| NotJudged::new(o, hbone)));
        if waypoint(cx, service) {
            out.push(NotJudged::new(Origin::whole(service.object), "a waypoint stands before it; the way through waypoints is not translated"));
        }
        out.extend(by_locality(cx, service, &endpoints));
    }
    out
}

/// What declares networks: a file of them, else the ConfigMaps of control planes.
fn with_networks<'a>(mesh: &Mesh<'a>) -> Vec<&'a Object> {
    if let Some(object) = &mesh.snapshot.mesh_networks {
        return if object.root().map("networks").next().is_some() { vec![object] } else { Vec::new() };
    }
    let declares = |o: &&&'a Object| {
        let Some(text) = o.control_plane_text("meshNetworks") else { return false };
        let source = Source::new("meshNetworks", text.text());
        let parsed = yaml::parse_document(&source, Span::new(0, source.text().len()), yaml::Limits::default());
        // A text that can't be read may declare some.
        parsed.tree.is_none_or(|t| t.root().map("networks").next().is_some())
    };
    mesh.objects(Kind::ConfigMap).iter().filter(declares).copied().collect()
}

fn waypoint(cx: &Context<'_, '_>, service: &RegisteredService<'_>) -> bool {
    let own = service.object.label(WAYPOINT);
    own.or_else(|| cx.model.mesh.namespace_label(service.namespace, WAYPOINT)).is_some_and(|w| !matches!(w, "" | "none"))
}

/// A service whose endpoints are chosen by where they are: where its own setting or a Service's distribution asks for
/// it, and by default where outlier detection is on and there is a choice.
fn by_locality<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, endpoints: &[Endpoint<'a>]) -> Option<NotJudged<'a>> {
    let what = "endpoints are preferred by locality, which is not translated";
    let distribution = service.object.spec_at(&["trafficDistribution"]);
    if let Some(node) = distribution {
        return Some(NotJudged::new(Origin { object: service.object, node }, what));
    }
    if service.object.annotation("networking.istio.io/traffic-distribution").is_some() {
        return Some(NotJudged::new(Origin::whole(service.object), what));
    }
    let rules = cx.rules(service);
    let detection = outlier_detection(&rules)?;
    let spread = endpoints.iter().any(|e| e.zone != endpoints[0].zone);
    (spread && !is_off(cx, &rules)).then(|| NotJudged::new(detection, what))
}

fn policies<'a>(rules: &Rules<'a>) -> impl Iterator<Item = (Origin<'a>, Node<'a>)> {
    rules.0.iter().flat_map(|object| {
        let spec = object.spec();
        let tops = spec.into_iter().flat_map(|s| s.get("trafficPolicy").into_iter().chain(s.list("subsets").filter_map(|s| s.get("trafficPolicy"))));
        let with_ports = tops.flat_map(|t| std::iter::once(t).chain(t.list("portLevelSettings")));
        with_ports.map(|node| (Origin { object, node }, node))
    })
}

fn outlier_detection<'a>(rules: &Rules<'a>) -> Option<Origin<'a>> {
    policies(rules).find_map(|(origin, p)| p.get("outlierDetection").map(|node| Origin { node, ..origin }))
}

/// Whether the rules, or where they are silent the mesh, switch the preference off.
fn is_off(cx: &Context<'_, '_>, rules: &Rules<'_>) -> bool {
    let of_rules = policies(rules).find_map(|(_, p)| p.at(&["loadBalancer", "localityLbSetting", "enabled"]));
    let setting = of_rules.or_else(|| cx.model.mesh.config.at(&["localityLbSetting", "enabled"]));
    setting.and_then(Node::bool) == Some(false)
}
