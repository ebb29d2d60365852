//! What touches a proxy and is not translated.

mod endpoints;
mod fields;
mod waypoint;

use super::proxy::{Interception, ProxyKind};
use super::virtual_service::VirtualService;
use super::{Context, Origin};
use crate::mesh::Mesh;
use crate::protocol::Protocol;
use mesh_model::{Kind, Object};
use std::borrow::Cow;

/// What is lost by not knowing something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It may decide where a request goes, how, or whether it is let through.
    Traffic,
    /// It decides what is recorded of requests.
    Observation,
}

/// An object whose effect on the configuration is not known.
#[derive(Clone, Debug)]
pub struct NotJudged<'a> {
    /// Nothing where it is the proxy as a whole.
    pub origin: Option<Origin<'a>>,
    /// What is not known, in a sentence.
    pub what: Cow<'static, str>,
    pub effect: Effect,
}

impl<'a> NotJudged<'a> {
    pub(super) fn new(origin: Origin<'a>, what: impl Into<Cow<'static, str>>) -> NotJudged<'a> {
        NotJudged { origin: Some(origin), what: what.into(), effect: Effect::Traffic }
    }
}

/// Kinds that extend what istiod makes, for the proxies that they select. Of EnvoyFilters see [`super::envoy_filter`].
const KINDS: &[(Kind, &str, Effect)] = &[
    (Kind::WasmPlugin, "a WasmPlugin adds a filter whose answer is not known", Effect::Traffic),
    (Kind::TrafficExtension, "a TrafficExtension adds a filter whose answer is not known", Effect::Traffic),
    (Kind::Telemetry, "access logs, metrics and tracing are not translated", Effect::Observation),
];

/// Kinds of the Gateway API that say how services are reached.
const OF_BACKENDS: &[(Kind, &str)] = &[
    (Kind::BackendTlsPolicy, "TLS to backends by a BackendTLSPolicy is not translated"),
    (Kind::XBackendTrafficPolicy, "an XBackendTrafficPolicy is not translated"),
];

/// Settings of the mesh that change every proxy's configuration and are not read.
const OF_MESH: &[(&[&str], Effect)] = &[
    (&["serviceSettings"], Effect::Traffic),
    (&["meshMTLS"], Effect::Traffic),
    (&["zoneAwareLbSetting"], Effect::Traffic),
    (&["accessLogFile"], Effect::Observation),
    (&["enableEnvoyAccessLogService"], Effect::Observation),
    (&["enableTracing"], Effect::Observation),
    (&["defaultProviders"], Effect::Observation),
];

/// By object and place, each once.
pub fn of<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let mut out = Vec::new();
    let records = cx.control_plane.records;
    if cx.waypoint.is_some() {
        out.extend(waypoint::of(cx));
    }
    for (kind, what, effect) in KINDS.iter().filter(|(kind, ..)| !records || *kind != Kind::Telemetry) {
        out.extend(cx.policies(*kind).into_iter().map(|o| NotJudged { effect: *effect, ..NotJudged::new(Origin::whole(o), *what) }));
    }
    if records {
        out.extend(super::records::not_judged(cx));
    }
    if cx.waypoint.is_none() {
        let takes_bytes = cx.gateway.as_ref().map_or(cx.proxy.kind == ProxyKind::Sidecar, |g| g.takes_bytes());
        custom_of(cx, cx.with_action("CUSTOM", None), takes_bytes, &mut out);
    }
    out.extend(of_mesh(cx));
    out.extend(of_backends(cx));
    out.extend(endpoints::of(cx));
    out.extend(wildcards(cx));
    out.extend(lost_filters(cx));
    out.extend(objects(cx).into_iter().flat_map(of_fields));
    in_order(&mut out);
    out
}

/// Fields of an object that are not read.
pub fn of_fields(object: &Object) -> impl Iterator<Item = NotJudged<'_>> {
    let named = move |node| NotJudged::new(Origin { object, node }, format!("`{}` is not translated", Mesh::path(object, node)));
    fields::not_read(object).into_iter().map(named)
}

pub fn in_order(list: &mut Vec<NotJudged<'_>>) {
    list.sort_by(|a, b| key(a).cmp(&key(b)));
    list.dedup_by(|a, b| key(a) == key(b));
}

fn key<'n>(n: &'n NotJudged<'_>) -> (Option<(&'n str, &'n str, &'n str, u16)>, &'n str) {
    let object = n.origin.map(|o| o.object);
    (object.map(|o| (o.kind_name(), o.namespace(), o.name(), o.cluster)), &n.what)
}

/// What is said of a CUSTOM policy: it means no HTTP request.
pub const OF_BYTES: &str = "whom it asks about connections that are not HTTP is not translated: they look allowed, and may not be";

/// Policies that ask an outside party. Requests are translated; of bytes it is only that nobody can be asked.
fn custom_of<'a>(cx: &Context<'_, 'a>, policies: Vec<&'a Object>, takes_bytes: bool, out: &mut Vec<NotJudged<'a>>) {
    let all = super::authorization::providers(&policies);
    let may_be_asked = matches!(all.as_slice(), [name] if !cx.model.mesh.knows_config() || cx.model.provider(name).is_ok_and(|p| p.is_grpc));
    for object in policies {
        if takes_bytes && may_be_asked {
            out.push(NotJudged::new(Origin::whole(object), OF_BYTES));
        }
        if !cx.model.mesh.knows_config() {
            out.push(NotJudged::new(Origin::whole(object), "its provider stands in the mesh configuration, which the input lacks"));
        }
    }
}

fn of_mesh<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let Some(object) = &cx.model.mesh.snapshot.mesh_config else { return Vec::new() };
    let is_set = |path: &[&str]| object.at(path).filter(|n| if n.is_scalar() { !matches!(n.text(), "" | "false") } else { !n.is_empty() });
    let of = |(path, effect): &(&[&str], Effect)| {
        let node = is_set(path)?;
        Some(NotJudged { effect: *effect, ..NotJudged::new(Origin { object, node }, format!("`{}` is not translated", path.join("."))) })
    };
    let is_left = |(path, effect): &&(&[&str], Effect)| !cx.control_plane.records || *effect == Effect::Traffic || path[0] == "enableEnvoyAccessLogService";
    let defaults = object.at(&["defaultTrafficPolicy"]).map(fields::not_read_by_default).unwrap_or_default();
    let of_default = defaults.into_iter().map(|node| NotJudged::new(Origin { object, node }, format!("`{}` is not translated", node.path_from(object.root()))));
    let selectors = object.at(&["discoverySelectors"]);
    let unknown = cx.model.mesh.left_out().unknown.keys().filter_map(|namespace| {
        let what = format!("whether istiod watches namespace `{namespace}` is not known: its Namespace is not in the input");
        Some(NotJudged::new(Origin { object, node: selectors? }, what))
    });
    OF_MESH.iter().filter(is_left).filter_map(of).chain(of_default).chain(unknown).collect()
}

/// Filters of single protocols and of capture that are not sent: they change what is counted, and what the application sees.
fn lost_filters<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let observation = |origin, what: &'static str| NotJudged { origin, what: what.into(), effect: Effect::Observation };
    let ports = cx.scope.services.iter().flat_map(|s| s.ports.iter().filter(|p| p.protocol == Protocol::Mongo));
    let origins = ports.map(|p| Origin { object: p.object, node: p.node });
    let mut out: Vec<NotJudged<'a>> = origins.map(|o| observation(Some(o), "the filter that counts what MongoDB is asked is not translated")).collect();
    if cx.proxy.kind == ProxyKind::Sidecar && cx.proxy.interception == Interception::Tproxy {
        out.push(observation(None, "the filter by which applications see the clients' addresses (`original_src`, with TPROXY) is not translated"));
    }
    out
}

/// TLS to the hosts under a wildcard passes a filter that resolves their names, for which there is no type here.
fn wildcards<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let is_sidecar = cx.proxy.kind == ProxyKind::Sidecar;
    let seen = cx.scope.services.iter().filter(|s| is_sidecar && s.resolves_wildcard());
    let ports = seen.flat_map(|s| s.ports.iter().filter(|p| p.protocol.is_tls()));
    ports
        .map(|p| {
            NotJudged::new(
                Origin { object: p.object, node: p.node },
                "TLS to hosts under its wildcard is translated without the filter that resolves their names",
            )
        })
        .collect()
}

fn of_backends<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let mut out = Vec::new();
    for (kind, what) in OF_BACKENDS {
        for object in cx.model.mesh.objects(*kind) {
            let is_seen = |name: &str| cx.scope.services.iter().any(|s| s.is_kubernetes() && s.namespace == object.namespace() && s.name == name);
            let mut targets = object.spec().into_iter().flat_map(|s| s.list("targetRefs"));
            if targets.any(|t| is_seen(t.text_of("name"))) {
                out.push(NotJudged::new(Origin::whole(object), *what));
            }
        }
    }
    out
}

/// The objects that were read for this proxy, each once.
fn objects<'a>(cx: &Context<'_, 'a>) -> Vec<&'a Object> {
    let mut out: Vec<&'a Object> = cx.scope.sidecar.into_iter().collect();
    if cx.waypoint.is_some() {
        out.extend(waypoint::objects(cx));
    } else {
        out.extend(cx.scope.services.iter().flat_map(|s| cx.rules(s).0));
    }
    let mut routes: Vec<u32> = cx.scope.egress.iter().filter(|_| cx.proxy.kind == ProxyKind::Sidecar).flat_map(|e| &e.virtual_services).copied().collect();
    if let Some(gateway) = &cx.gateway {
        for (name, object) in gateway.gateways() {
            out.push(object);
            routes.extend(super::scope::virtual_services_on(cx.model, &cx.proxy.namespace, name));
        }
    }
    routes.sort_unstable();
    routes.dedup();
    for id in routes {
        let v: &VirtualService<'a> = &cx.model.virtual_services[id as usize];
        out.push(v.object);
        // Delegates.
        out.extend(v.http.iter().filter_map(|r| r.object));
    }
    let mut seen = rustc_hash::FxHashSet::default();
    out.retain(|o| seen.insert(std::ptr::from_ref(*o)));
    out
}
