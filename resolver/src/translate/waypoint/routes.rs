//! Routes of requests to one service: those of VirtualServices and HTTPRoutes for it, else to the service itself.

use super::name;
use crate::host;
use crate::translate::registry::Resolution;
use crate::translate::route::{self, Place};
use crate::translate::traffic_policy::Rules;
use crate::translate::virtual_service::{MESH, VirtualService};
use crate::translate::{Context, Origin, RegisteredService, ServicePort};
use mesh_envoy::api::route as api;
use rustc_hash::FxHashMap;

/// Istio's bound for the body of an answer of the proxy's own.
const LONGEST_BODY: u32 = 1_048_576;

/// VirtualServices by their hosts, in the order in which they count: each service behind a waypoint asks for its own.
#[derive(Debug, Default)]
pub struct ByHost {
    /// Indexes into [`Model::virtual_services`](crate::translate::Model).
    ids: Vec<u32>,
    /// Indexes into `ids`, of hosts without a wildcard.
    exact: FxHashMap<String, Vec<u32>>,
    /// The same of those that have a wildcard.
    wild: Vec<u32>,
}

impl ByHost {
    pub fn of(all: &[VirtualService<'_>], ids: impl Iterator<Item = u32>) -> ByHost {
        let mut out = ByHost { ids: ids.collect(), ..ByHost::default() };
        for (at, id) in out.ids.iter().enumerate() {
            for host in &all[*id as usize].hosts {
                let list = if host.starts_with('*') { &mut out.wild } else { out.exact.entry(host.clone()).or_default() };
                list.push(at as u32);
            }
        }
        out
    }

    /// Those that may be for a host: few more than are.
    fn candidates(&self, host: &str) -> Vec<u32> {
        if host.starts_with('*') {
            return self.ids.clone();
        }
        let mut at: Vec<u32> = self.exact.get(host).into_iter().flatten().chain(&self.wild).copied().collect();
        at.sort_unstable();
        at.dedup();
        at.into_iter().map(|i| self.ids[i as usize]).collect()
    }
}

/// The VirtualServices for a service that count at a waypoint: of the service's namespace or the waypoint's.
pub fn virtual_services<'c, 'a>(cx: &Context<'c, 'a>, service: &RegisteredService<'a>) -> Vec<&'c VirtualService<'a>> {
    let candidates = cx.waypoint.as_ref().map(|w| w.routes.candidates(&service.host)).unwrap_or_default();
    let all = candidates.into_iter().map(|id| &cx.model.virtual_services[id as usize]);
    let is_near = |v: &&VirtualService<'a>| v.namespace == cx.proxy.namespace || v.namespace == service.namespace;
    all.filter(is_near).filter(|v| v.hosts.iter().any(|h| host::overlaps(h, &service.host))).collect()
}

/// A service's routes at a port, and where each is written; nowhere for the default one.
pub fn of_service<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> (api::RouteConfiguration, Vec<Origin<'a>>) {
    let cluster = name("http", &service.host, port.number);
    let lookup = |h: &str| cx.scope.service(h).cloned();
    let place = Place { gateway: MESH, port: port.number, is_tls: false, lookup: &lookup };
    let found = virtual_services(cx, service).into_iter().flat_map(|v| route::of_virtual_service(cx, v, &place));
    let (routes, origins): (Vec<_>, Vec<_>) = found.unzip();
    // A host that anybody may send must not be resolved in place of the service's.
    let domain = if service.resolution == Resolution::DynamicDns { service.host.as_str() } else { "*" };
    if !routes.is_empty() {
        return (configuration(&cluster, port.number, domain, routes, None), origins);
    }
    let rules = Rules::inbound(cx.model, &cx.proxy, service);
    let hash = crate::destination_rule::traffic_policy(&rules.0).and_then(|(_, n)| n.at(&["loadBalancer", "consistentHash"]));
    let mut default = route::outbound_default(cx, &service.host, port.number, hash);
    default.route.get_or_insert_default().cluster = Some(cluster.clone());
    (configuration(&cluster, port.number, domain, vec![default], Some(LONGEST_BODY)), Vec::new())
}

/// All requests to one cluster.
pub fn to_cluster(cx: &Context<'_, '_>, cluster: &str) -> api::RouteConfiguration {
    let mut default = route::outbound_default(cx, "", 0, None);
    default.route.get_or_insert_default().cluster = Some(cluster.to_owned());
    configuration(cluster, 0, "*", vec![default], Some(LONGEST_BODY))
}

fn configuration(name: &str, port: u16, domain: &str, routes: Vec<api::Route>, longest: Option<u32>) -> api::RouteConfiguration {
    let host = api::VirtualHost { name: format!("inbound|http|{port}"), domains: vec![domain.to_owned()], routes, ..Default::default() };
    api::RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![host],
        validate_clusters: Some(false),
        max_direct_response_body_size_bytes: longest,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::Mesh;
    use crate::translate::Model;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    /// What is looked at for one service does not grow with what is for others.
    #[test]
    fn the_routes_of_others_are_not_looked_at() {
        let of = |name: &str, hosts: &str| {
            format!(
                "---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: {name}, namespace: shop}}, spec: {{hosts: [{hosts}], http: [{{route: [{{destination: {{host: s1}}}}]}}]}}}}\n"
            )
        };
        let text: String = (0..300).map(|i| of(&format!("v{i:03}"), &format!("s{i}, t{i}"))).chain([of("w", "'*.svc.cluster.local'")]).collect();
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let by_host = ByHost::of(&model.virtual_services, 0..model.virtual_services.len() as u32);
        let found = |host: &str| by_host.candidates(host).into_iter().map(|id| model.virtual_services[id as usize].name.clone()).collect::<Vec<_>>();
        assert_eq!(found("t7.shop.svc.cluster.local"), ["v007", "w"]);
        assert_eq!(found("elsewhere"), ["w"]);
        assert_eq!(found("*.shop.svc.cluster.local").len(), 301);
    }
}
