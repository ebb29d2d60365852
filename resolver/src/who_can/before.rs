//! Waypoints before a workload: they judge requests to its Services, and ztunnel sees their identity in place of the caller's.
//! Who has a sidecar goes past them, and so do gateways but where a Service asks them not to.

use super::{Asking, Caller, Condition, Find, May, by_ztunnel};
use crate::accounts::Accounts;
use crate::ambient::waypoint::{self, Bound, Waypoint};
use crate::ambient::ztunnel::Ztunnel;
use crate::translate::{Layer, Model, Proxy, RegisteredService};
use crate::why::Thing;
use crate::workload::Workload;
use mesh_envoy::rbac::{Fact, Filter};
use mesh_model::{Kind, Object};
use std::borrow::Cow;
use std::sync::Arc;

/// The ways to a port of a workload in ambient mode.
#[derive(Default)]
pub struct Ways {
    through: Vec<Through>,
    /// Waypoints that are not in the input.
    unseen: Vec<Condition>,
    /// Whether a Service without a waypoint leads there too.
    past: bool,
    /// Whether a waypoint stands before the Pods' own addresses.
    guards_pods: bool,
    /// Who calls through waypoints, and who does not.
    accounts: Option<Arc<Accounts>>,
    /// Whether gateways do.
    from_ingress: bool,
}

/// A Service's way through its waypoint, or that of those who call a Pod's own address.
struct Through {
    shown: String,
    /// What the waypoint stands before.
    before: String,
    /// The Service's, or the Pod's.
    port: u16,
    filters: Vec<Filter>,
    principal: Arc<str>,
}

/// A waypoint and a Service before which it stands, or the Pods' own addresses.
pub struct Stands<'m, 'a> {
    pub bound: Bound<'a>,
    pub gateway: Option<&'a Object>,
    pub service: Option<&'m RegisteredService<'a>>,
    port: u16,
}

/// What stands before a port.
pub struct Before<'m, 'a> {
    pub stands: Vec<Stands<'m, 'a>>,
    /// Whether a way without a waypoint leads there too.
    past: bool,
    /// Services, or the workload, of which nobody knows whether a waypoint stands before them: their Namespace is not in the input.
    unasked: Vec<&'a Object>,
}

impl Stands<'_, '_> {
    pub fn proxy(&self) -> Proxy {
        Proxy::waypoint(self.bound.name, self.bound.namespace)
    }
    /// What it stands before.
    fn before(&self) -> String {
        self.service.map_or_else(|| "the Pods' own addresses".to_owned(), |s| s.object.origin())
    }
}

/// The Services that lead to a port and have a waypoint, by name, and the waypoint of Pods that are called by their own
/// addresses: behind a headless Service, or where no Service leads to the port.
pub fn standing<'m, 'a>(model: &'m Model<'_, 'a>, w: &Workload<'a>, port: u16) -> Before<'m, 'a> {
    let mut out = Before { stands: Vec::new(), past: false, unasked: Vec::new() };
    let (mut to_pods, mut to_services) = (false, false);
    for service in model.mesh.services.selecting(w) {
        let Some(own) = service.ports.iter().find(|p| p.of_workload(w) == Some(port)) else { continue };
        let registered = service.hosts.first().and_then(|h| model.registry.by_host(h).map(|(_, s)| s).find(|s| std::ptr::eq(s.object, service.object)));
        if service.is_headless() {
            to_pods = true;
            continue;
        }
        to_services = true;
        match waypoint::of_service(model.mesh, service.object) {
            Waypoint::Unasked(_) => out.unasked.push(service.object),
            found => match standing_of(found) {
                Some((bound, gateway)) => out.stands.extend(registered.map(|service| Stands { bound, gateway, service: Some(service), port: own.number })),
                None => out.past = true,
            },
        }
    }
    if to_pods || !to_services {
        match waypoint::of_workload(model.mesh, w) {
            Waypoint::Unasked(_) => out.unasked.push(w.object),
            found => match standing_of(found) {
                Some((bound, gateway)) => out.stands.push(Stands { bound, gateway, service: None, port }),
                None => out.past = true,
            },
        }
    }
    let key = |s: &Stands<'_, '_>| (s.bound.shown(), s.before());
    out.stands.sort_by_key(key);
    out.stands.dedup_by_key(|s| key(s));
    out.unasked.sort_by_key(|o| o.origin());
    out.unasked.dedup_by_key(|o| std::ptr::from_ref(*o));
    out
}

/// One that stands, with its Gateway if that is in the input and lets the namespace in for certain.
fn standing_of<'a>(waypoint: Waypoint<'a>) -> Option<(Bound<'a>, Option<&'a Object>)> {
    match waypoint {
        Waypoint::Stands(bound, gateway) => Some((bound, Some(gateway))),
        Waypoint::Unseen(bound) | Waypoint::PerhapsClosed(bound, _) => Some((bound, None)),
        _ => None,
    }
}

impl Ways {
    pub fn of<'a>(model: &Model<'_, 'a>, w: &Workload<'a>, port: u16, asks_http: bool) -> Ways {
        let Before { stands: standing, past, unasked } = standing(model, w, port);
        let of_pods = waypoint::of_workload(model.mesh, w);
        let guards_pods = of_pods.is_open() || standing_of(of_pods).is_some();
        let mut out = Ways { past, guards_pods, ..Ways::default() };
        out.unseen.extend(unasked.iter().map(|o| Condition {
            rule: format!("Namespace {}", o.namespace()),
            wants: format!("whether a waypoint stands before {}, and what it decides", o.origin()),
            thing: Some(Thing::whole(o)),
        }));
        for s in &standing {
            let Some(gateway) = s.gateway else {
                out.unseen.push(Condition {
                    rule: format!("waypoint {}", s.bound.shown()),
                    wants: format!("what it decides on requests to {}", s.before()),
                    thing: Some(Thing::at(s.bound.object, s.bound.node)),
                });
                continue;
            };
            let is_http = match s.service {
                Some(service) => service.port(s.port).is_some_and(|p| p.protocol.is_http() || (asks_http && !p.protocol.is_tcp())),
                // Told by what is spoken.
                None => asks_http,
            };
            let layer = if is_http { Layer::Http } else { Layer::Tcp };
            let filters = model.rbac_of(&s.proxy(), layer, s.service).iter().map(Filter::compile).collect();
            let account = waypoint::account(model.mesh, gateway).unwrap_or(gateway.name());
            let principal = format!("{}/ns/{}/sa/{account}", model.mesh.config.trust_domain(), gateway.namespace()).into();
            out.through.push(Through { shown: s.bound.shown(), before: s.before(), port: s.port, filters, principal });
        }
        if !out.is_empty() {
            out.from_ingress = standing.iter().filter_map(|s| s.service).any(|s| waypoint::is_used_from_ingress(model.mesh, s.object));
            out.accounts = Some(model.mesh.accounts());
        }
        out
    }

    pub fn is_empty(&self) -> bool {
        self.through.is_empty() && self.unseen.is_empty()
    }

    pub fn filters(&self) -> impl Iterator<Item = &Filter> {
        self.through.iter().flat_map(|t| &t.filters)
    }

    /// Whether somebody calls through waypoints, and past them.
    fn of_caller(&self, caller: &Caller) -> (bool, bool) {
        let Caller::Identity(id) = caller else { return (*caller == Caller::AnyIdentity, *caller == Caller::Anybody) };
        let account = id.split_once("/ns/").and_then(|(_, rest)| rest.split_once("/sa/"));
        let parts = self.accounts.as_ref().zip(account).map(|(all, (namespace, name))| all.of(namespace, name)).unwrap_or_default();
        let past = parts.sidecars || parts.gateways && !self.from_ingress;
        (parts.ambient || parts.gateways && self.from_ingress || !past, past)
    }
}

impl Asking<'_, '_> {
    /// By the widest of the ways that a caller has.
    pub(super) fn by_ways(&mut self, ztunnel: &Ztunnel<'_>, caller: &Caller, port: u16, find: &Find<'_>) -> May {
        let ways = &self.authorizer.ways;
        let (through, past) = ways.of_caller(caller);
        let direct = by_ztunnel(ztunnel, caller, port, self.identities);
        if !through {
            return direct;
        }
        let mut all: Vec<(String, May)> = Vec::new();
        if past || ways.past {
            all.push(("past the waypoints".to_owned(), direct.clone()));
        }
        self.call_as(caller);
        for t in &ways.through {
            self.request.destination_port = Fact::Is(t.port);
            let may = match self.decide(&t.filters, find) {
                May::Never(why) => May::Never(at(&t.shown, &why, !ways.guards_pods && !matches!(direct, May::Never(_)))),
                may => both(may, behind(ztunnel, t, port)),
            };
            all.push((format!("by {}", t.before), may));
        }
        if !ways.unseen.is_empty() {
            all.push(("otherwise".to_owned(), May::If(ways.unseen.clone())));
        }
        self.request.destination_port = Fact::Is(port);
        widest(all).unwrap_or(direct)
    }
}

/// What somebody may who has the choice of several ways, each with a name. Where all that may lead there ask for something, one of them
/// has to be met as a whole: that is one condition.
fn widest(ways: Vec<(String, May)>) -> Option<May> {
    let best = ways.iter().map(|(_, may)| may).min()?.clone();
    let mut asking: Vec<(String, Vec<Condition>)> = Vec::new();
    for (way, may) in ways {
        let May::If(conditions) = may else { continue };
        if !asking.iter().any(|(_, known)| *known == conditions) {
            asking.push((way, conditions));
        }
    }
    if !matches!(best, May::If(_)) || asking.len() < 2 {
        return Some(best);
    }
    let wants = |(way, list): &(String, Vec<Condition>)| format!("{way}: {}", list.iter().map(|c| c.wants.as_str()).collect::<Vec<_>>().join(" and "));
    let mut rules: Vec<&str> = asking.iter().flat_map(|(_, list)| list).map(|c| c.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let one = Condition {
        rule: rules.join("; "),
        wants: asking.iter().map(wants).collect::<Vec<_>>().join("; or "),
        thing: asking[0].1.first().and_then(|c| c.thing.clone()),
    };
    Some(May::If(vec![one]))
}

/// Why a waypoint refuses, and that it can be gone past where it can.
fn at(waypoint: &str, why: &str, is_open_aside: bool) -> Cow<'static, str> {
    let aside = if is_open_aside { "; ztunnel lets through who calls the Pod's own address, past the waypoint" } else { "" };
    Cow::Owned(format!("{why} at waypoint {waypoint}{aside}"))
}

/// What the workload's ztunnel says of the waypoint.
fn behind(ztunnel: &Ztunnel<'_>, t: &Through, port: u16) -> May {
    match by_ztunnel(ztunnel, &Caller::Identity(Arc::clone(&t.principal)), port, &[]) {
        May::Never(why) => May::Never(Cow::Owned(format!("ztunnel refuses waypoint {}, which calls in its place: {why}", t.shown))),
        may => may,
    }
}

fn both(a: May, b: May) -> May {
    match (a, b) {
        (May::Never(why), _) | (_, May::Never(why)) => May::Never(why),
        (May::Always, other) | (other, May::Always) => other,
        (May::If(mut a), May::If(b)) => {
            a.extend(b);
            a.sort();
            a.dedup();
            May::If(a)
        }
    }
}

/// What of the waypoints before a port is not judged, and the policies that they enforce.
pub fn described<'a>(model: &Model<'_, 'a>, w: &Workload<'a>, port: u16) -> (Vec<String>, Vec<&'a Object>) {
    let (mut not_judged, mut policies): (Vec<String>, Vec<&'a Object>) = (Vec::new(), Vec::new());
    let before = standing(model, w, port);
    for object in &before.unasked {
        not_judged.push(format!("whether a waypoint stands before {} is not in the input: Namespace {} is not", object.origin(), object.namespace()));
    }
    for s in before.stands {
        if s.gateway.is_none() {
            let says = "decides on requests to";
            not_judged.push(format!("waypoint {} {says} {}, and ztunnel sees its identity in place of theirs", s.bound.shown(), s.before()));
            continue;
        }
        let proxy = s.proxy();
        policies.extend(model.policies_at(Kind::AuthorizationPolicy, &proxy, s.service));
        for kind in [Kind::EnvoyFilter, Kind::WasmPlugin, Kind::TrafficExtension] {
            // EnvoyFilters of a Service are nobody's.
            let all = model.policies_at(kind, &proxy, s.service.filter(|_| kind != Kind::EnvoyFilter));
            let may = all.iter().filter(|o| kind != Kind::EnvoyFilter || crate::translate::may_change_access(o));
            not_judged.extend(may.map(|o| format!("{} may change what is enforced", o.origin())));
        }
    }
    policies.sort_by_key(|o| o.origin());
    policies.dedup_by_key(|o| std::ptr::from_ref(*o));
    (not_judged, policies)
}
