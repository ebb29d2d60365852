//! Services that are not behind a waypoint and that it sends to all the same: routes of those behind it lead there, and
//! providers of the mesh configuration are asked, and EnvoyFilters name some.

use crate::translate::scope::{self, SeenService};
use crate::translate::virtual_service::MESH;
use crate::translate::{Context, RegisteredService};
use mesh_model::{Kind, Node};
use rustc_hash::FxHashSet;

/// Services that the patches of an EnvoyFilter send to.
const REFERENCED: &str = "envoyfilter.istio.io/referenced-services";

pub fn services<'a>(cx: &Context<'_, 'a>) -> Vec<RegisteredService<'a>> {
    let wanted = destinations(cx);
    let providers = providers(cx);
    let is_wanted = |s: &&SeenService<'_, 'a>| {
        let is_provider = |(namespace, host): &(&str, &str)| *host == s.host && (namespace.is_empty() || *namespace == s.namespace);
        wanted.contains(&s.host) || providers.iter().any(is_provider)
    };
    cx.scope.services.iter().filter(is_wanted).map(|s| (**s).clone()).collect()
}

/// Where VirtualServices of the mesh lead from hosts behind the waypoint; what is behind it too has clusters of its own,
/// unless it is outside of the mesh.
fn destinations(cx: &Context<'_, '_>) -> FxHashSet<String> {
    let Some(served) = &cx.waypoint else { return FxHashSet::default() };
    let all = cx.model.virtual_services.iter().filter(|v| v.gateways.iter().any(|g| g == MESH) && v.hosts.iter().any(|h| served.serves(h)));
    let hosts = all.flat_map(scope::all_destinations);
    let is_inside = |host: &String| cx.served().any(|s| s.host == *host && !s.is_external);
    hosts.filter(|h| !is_inside(h)).collect()
}

/// Services of extension providers: their namespaces, where these are written, and hosts.
fn providers<'a>(cx: &Context<'_, 'a>) -> Vec<(&'a str, &'a str)> {
    const KINDS: &[&str] =
        &["envoyExtAuthzHttp", "envoyExtAuthzGrpc", "zipkin", "datadog", "skywalking", "opentelemetry", "envoyHttpAls", "envoyTcpAls", "envoyOtelAls", "sds"];
    let all = cx.model.mesh.config.root().into_iter().flat_map(|r| r.list("extensionProviders"));
    let service = |p: Node<'a>| KINDS.iter().find_map(|k| p.get(k)).map(|n| n.text_of("service"));
    let patches = cx.model.policies_for(Kind::EnvoyFilter, &cx.proxy).into_iter().filter_map(|o| o.annotation(REFERENCED));
    all.filter_map(service).chain(patches.flat_map(|text| text.split(','))).filter(|s| !s.is_empty()).map(|s| s.split_once('/').unwrap_or(("", s))).collect()
}
