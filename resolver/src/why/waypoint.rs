//! A request on its way through a waypoint: what the waypoint's proxy makes of it, and what it sends on.

use super::answer::{Answer, Mark, Part, Stage, Step, Thing};
use super::party::Party;
use super::question::Question;
use super::{EPHEMERAL, HOPS, NOBODY, SOMEBODY, Why, find};
use crate::ambient::HBONE;
use crate::ambient::waypoint::{self, Bound, Waypoint};
use crate::held::Held;
use crate::translate::{PEER_PRINCIPAL, Proxy, RegisteredService, Resolution};
use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::engine::walk::Call;
use mesh_model::Object;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Who sends it.
pub(super) struct Sender<'s> {
    /// A SPIFFE id without its scheme.
    pub principal: &'s str,
    pub address: Option<IpAddr>,
}

/// Where it is sent to.
pub(super) struct Destination<'s, 'a> {
    pub service: &'s RegisteredService<'a>,
    /// The service's address, or a Pod's own.
    pub address: Option<IpAddr>,
    pub port: u16,
    /// What the request has become on its way.
    pub authority: &'s str,
    pub path: &'s str,
}

impl<'w, 'a> Why<'w, '_, 'a> {
    /// What a waypoint makes of a request that came to it by HBONE, and where it goes from there.
    pub(super) fn by_waypoint(
        &self,
        sender: &Sender<'_>,
        to: &Destination<'_, 'a>,
        bound: &Bound<'a>,
        gateway: &'a Object,
        question: &Question,
        answer: &mut Answer,
    ) {
        let party = self.waypoint(gateway);
        let mut part = Part { title: format!("waypoint {}", bound.shown()), ..Part::default() };
        let says = format!("the end of HBONE, port {HBONE}: who calls is {}", sender.principal);
        part.steps.push(Step::new(Stage::Listener, Mark::Good, says).thing(Thing::whole(gateway)));
        if waypoint::account(self.model.mesh, gateway).is_none() {
            answer.assume(format!("waypoint {} runs as the service account of its name", bound.shown()));
        }
        let peer = format!("spiffe://{}", sender.principal);
        let state = [(PEER_PRINCIPAL, peer.as_str())];
        let of_service = || to.service.address_for(party.proxy.as_ref()?).parse::<IpAddr>().ok();
        let address = to.address.or_else(of_service).unwrap_or(NOBODY);
        let mut connection = question.connection(SocketAddr::new(sender.address.unwrap_or(SOMEBODY), EPHEMERAL), SocketAddr::new(address, to.port));
        connection.filter_state = &state;
        let headers = question.headers();
        let request = question.request(to.authority, to.path, &headers);
        let call = Call { entry: Entry::CapturedInbound, connection, request, expects: None };
        self.follow(&party, &call, question, Some(to.service), part, HOPS, answer);
    }

    /// The waypoint that a gateway sends requests to a service to.
    pub(super) fn taken_by_gateway(&self, party: &Party<'w, 'a>, service: &RegisteredService<'a>) -> Option<(Bound<'a>, &'a Object)> {
        let is_asked = party.is_gateway() && self.model.control_plane.ambient && service.resolution != Resolution::Passthrough;
        match waypoint::of_service(self.model.mesh, service.object) {
            Waypoint::Stands(bound, gateway) if is_asked && waypoint::is_used_from_ingress(self.model.mesh, service.object) => Some((bound, gateway)),
            _ => None,
        }
    }

    /// The proxy of a waypoint, made once.
    fn waypoint(&self, gateway: &'a Object) -> Rc<Party<'w, 'a>> {
        let key = gateway.origin();
        if let Some(known) = self.waypoints.borrow().get(&key) {
            return Rc::clone(known);
        }
        let account = waypoint::account(self.model.mesh, gateway).unwrap_or(gateway.name());
        let principal = format!("spiffe://{}/ns/{}/sa/{account}", self.model.mesh.config.trust_domain(), gateway.namespace());
        let mut proxy = Proxy::waypoint(gateway.name(), gateway.namespace());
        proxy.addresses.extend(waypoint::pod(self.model.mesh, gateway).and_then(|id| self.model.registry.address_of_workload(self.model.mesh, id)));
        let made = Rc::new(Party::of_proxy(self.model, gateway.origin(), proxy, principal, self.dump_of_waypoint(gateway)));
        self.waypoints.borrow_mut().insert(key, Rc::clone(&made));
        made
    }

    fn dump_of_waypoint(&self, gateway: &Object) -> Option<&'w Held> {
        self.held.iter().find(|h| {
            let pod = h.name.rsplit_once('.').map_or(h.name.as_str(), |(pod, _)| pod);
            h.namespace == gateway.namespace() && find::is_made_by(pod, gateway.name())
        })
    }

    /// The waypoint's service that a filter chain is for.
    pub(super) fn service_of_chain(&self, party: &Party<'w, 'a>, chain: &str) -> Option<&'w RegisteredService<'a>> {
        let name = ClusterName::parse(chain).filter(|n| n.direction == "inbound-vip")?;
        party.proxy.as_ref()?;
        self.model.registry.by_host(name.host).map(|(_, s)| s).next()
    }
}

/// Where a tunnel to an endpoint leads: behind the internal listener that makes it.
pub(super) fn tunnel_to(endpoint: &str) -> Option<SocketAddr> {
    endpoint.strip_prefix("envoy://connect_originate/")?.parse().ok()
}

/// An endpoint's address, at the end of a tunnel if there is one.
pub(super) fn socket(endpoint: &str) -> Option<SocketAddr> {
    endpoint.parse().ok().or_else(|| tunnel_to(endpoint))
}
