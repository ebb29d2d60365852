//! The servers that the Gateways of a proxy have, whether or not something is routed at them.

use super::gateway;
use super::proxy::Proxy;
use super::virtual_service::VirtualService;
use super::{Model, Origin};
use crate::host;

/// A server of a Gateway that configures a proxy.
#[derive(Clone, Debug)]
pub struct ServerOf<'a> {
    pub origin: Origin<'a>,
    /// `namespace/name` of its Gateway, as VirtualServices name it.
    pub gateway: String,
    /// As it is written: the port of the gateway's Service.
    pub number: u16,
    /// Whether TLS goes through as it is.
    pub passes_tls: bool,
    /// Whether TLS ends here.
    pub ends_tls: bool,
    /// Whether what arrives is routed as HTTP.
    pub is_http: bool,
    pub hosts: Vec<String>,
}

impl ServerOf<'_> {
    pub fn has(&self, wanted: &str) -> bool {
        self.hosts.iter().any(|h| host::covers(h.split_once('/').map_or(h.as_str(), |(_, h)| h), wanted))
    }
}

impl<'a> Model<'_, 'a> {
    pub fn servers_of(&self, proxy: &Proxy) -> Vec<ServerOf<'a>> {
        let Some(merged) = gateway::merge(&self.context(proxy)) else { return Vec::new() };
        let mut own: Vec<&str> = merged.gateways().map(|(name, _)| name).collect();
        own.dedup();
        let is_own = |name: &String| own.contains(&name.as_str());
        let all = self.gateways.iter().map(|g| (g, format!("{}/{}", g.namespace, g.name))).filter(|(_, name)| is_own(name));
        all.flat_map(|(g, name)| {
            g.servers.iter().map(move |s| ServerOf {
                origin: Origin { object: g.object, node: s.node },
                gateway: name.clone(),
                number: s.number,
                passes_tls: s.is_passthrough(),
                ends_tls: s.is_tls() && !s.is_passthrough(),
                is_http: s.is_http(),
                hosts: s.hosts.clone(),
            })
        })
        .collect()
    }

    /// The VirtualServices that name a Gateway and have a host.
    pub(crate) fn bound_to(&self, gateway: &str, wanted: &str) -> Vec<&VirtualService<'a>> {
        let names = |v: &&VirtualService<'a>| v.gateways.iter().any(|g| g == gateway) && v.hosts.iter().any(|h| host::covers(h, wanted));
        self.virtual_services.iter().filter(names).collect()
    }
}
