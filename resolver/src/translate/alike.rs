//! What of a proxy decides its configuration: proxies that are alike are translated for once.

use super::locality::{CLUSTER, HOSTNAME};
use super::proxy::{Interception, Proxy, ProxyKind};
use super::registry::Resolution;
use super::{Model, Whereabouts, envoy_filter};
use mesh_model::Kind;

/// Two proxies with one key get the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alike {
    kind: ProxyKind,
    namespace: String,
    labels: Vec<(String, String)>,
    dns_domain: String,
    interception: Interception,
    auto_allocated_addresses: bool,
    network_view: Vec<String>,
    /// Whether it has addresses of IPv4, of IPv6.
    families: [bool; 2],
    /// The ports that it serves: service, port, its own port.
    targets: Vec<(u32, usize, u16)>,
    /// Its locality and network, and its node and cluster where a rule asks for them: endpoints are preferred by them.
    whereabouts: Whereabouts,
    /// Its addresses, where they are written into what it gets.
    addresses: Vec<String>,
    /// What it says of itself, where an EnvoyFilter asks for it.
    metadata: Option<Vec<(String, String)>>,
}

impl Alike {
    /// The same of proxies that serve other ports: services stand elsewhere in another model.
    pub(super) fn without_targets(self) -> Alike {
        Alike { targets: Vec::new(), ..self }
    }
}

impl Model<'_, '_> {
    /// The key of a proxy among those of this model.
    pub fn alike(&self, proxy: &Proxy) -> Alike {
        // Listeners of a Sidecar's ingress are bound to its address, and it is no client of its own headless services.
        let has_ingress = self.sidecar_of(proxy).is_some_and(|s| s.spec_at(&["ingress"]).is_some());
        let is_written = has_ingress || self.registry.services.iter().any(|s| s.resolution == Resolution::Passthrough);
        let has = |v6: bool| proxy.addresses.iter().any(|a| a.contains(':') == v6);
        let mut whereabouts = self.whereabouts(proxy);
        for (label, text) in [(HOSTNAME, &mut whereabouts.node), (CLUSTER, &mut whereabouts.cluster)] {
            if !self.asked_labels.contains(label) {
                text.clear();
            }
        }
        Alike {
            kind: proxy.kind,
            namespace: proxy.namespace.clone(),
            labels: proxy.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            dns_domain: proxy.dns_domain.clone(),
            interception: proxy.interception,
            auto_allocated_addresses: proxy.auto_allocated_addresses,
            network_view: proxy.network_view.clone(),
            families: [has(false), has(true)],
            targets: self.registry.targets_of(self.mesh, proxy).iter().map(|t| (t.service, t.port, t.target)).collect(),
            whereabouts,
            addresses: if is_written { proxy.addresses.clone() } else { Vec::new() },
            metadata: proxy
                .metadata
                .as_ref()
                .filter(|_| self.policies_for(Kind::EnvoyFilter, proxy).into_iter().any(envoy_filter::asks_for_proxies))
                .map(|m| m.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        }
    }
}
