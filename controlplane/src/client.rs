//! Who a proxy says that it is: the node of its first request, as Istio's agent fills it.

use mesh_envoy::api::Struct;
use mesh_envoy::api::discovery::{Extension, Node};
use mesh_envoy::api::well_known::Field;
use mesh_resolver::translate::{ControlPlane, Interception, ProxyKind, read_networks};
use std::collections::BTreeMap;

/// A proxy, by its own word.
#[derive(Clone, Debug)]
pub struct Client {
    /// `sidecar~10.0.0.7~cart-1.shop~shop.svc.cluster.local`
    pub id: String,
    pub kind: ProxyKind,
    /// Of its Pod.
    pub name: String,
    pub namespace: String,
    /// "" where it does not say.
    pub service_account: String,
    /// `Kubernetes` unless it says otherwise.
    pub cluster: String,
    /// Of Istio; "" where it does not say.
    pub version: String,
    pub labels: BTreeMap<String, String>,
    pub addresses: Vec<String>,
    pub dns_domain: String,
    pub interception: Option<Interception>,
    pub auto_allocated_addresses: bool,
    /// The networks whose endpoints it asks for; all where empty.
    pub network_view: Vec<String>,
    /// Filters that Istio's builds of Envoy have and others lack.
    pub has: ControlPlane,
    pub metadata: Struct,
    pub user_agent: String,
}

/// Why a node is no proxy of a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeError {
    Missing,
    Id(String),
    Kind(String),
}

impl std::fmt::Display for NodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NodeError::Missing => f.write_str("the first request of a stream has no node; it says which proxy asks"),
            NodeError::Id(id) => write!(f, "the node id {id:?} is not of the form sidecar~IP~POD.NAMESPACE~DOMAIN"),
            NodeError::Kind(kind) => write!(f, "a proxy of type {kind:?} is not served: sidecar or router"),
        }
    }
}

impl std::error::Error for NodeError {}

fn text<'s>(metadata: &'s Struct, key: &str) -> &'s str {
    metadata.get(key).and_then(|v| v.text()).unwrap_or("")
}

fn is_true(metadata: &Struct, key: &str) -> bool {
    let value = metadata.get(key);
    matches!(text(metadata, key), "true" | "1") || value.and_then(|v| v.bool()) == Some(true)
}

/// Whether a proxy has a filter; one that lists nothing is taken for an Istio build.
fn has(extensions: &[Extension], type_url: &str) -> bool {
    extensions.is_empty() || extensions.iter().flat_map(|e| &e.type_urls).any(|t| t == type_url)
}

/// Messages that configure Istio's own filters.
const METADATA_EXCHANGE: &str = "envoy.tcp.metadataexchange.config.MetadataExchange";
const PEER_METADATA: &str = "io.istio.http.peer_metadata.Config";
const ALPN: &str = "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig";

const STATS: &str = "stats.PluginConfig";

impl Client {
    pub fn read(node: Option<&Node>) -> Result<Client, NodeError> {
        let node = node.filter(|n| !n.id.is_empty()).ok_or(NodeError::Missing)?;
        let parts: Vec<&str> = node.id.split('~').collect();
        let [kind, ip, full_name, domain] = parts.as_slice() else { return Err(NodeError::Id(node.id.clone())) };
        let kind = match *kind {
            "sidecar" => ProxyKind::Sidecar,
            "router" => ProxyKind::Router,
            other => return Err(NodeError::Kind(other.to_owned())),
        };
        let (name, of_id) = full_name.rsplit_once('.').filter(|(n, _)| !n.is_empty()).ok_or_else(|| NodeError::Id(node.id.clone()))?;
        let metadata = node.metadata.clone().unwrap_or_default();
        let namespace = Some(text(&metadata, "NAMESPACE")).filter(|n| !n.is_empty()).unwrap_or(of_id).to_owned();
        let labels = metadata.get("LABELS").and_then(|v| v.object());
        let label = |f: &Field| Some((f.key.clone(), f.value.as_ref()?.text()?.to_owned()));
        let mut addresses: Vec<String> = text(&metadata, "INSTANCE_IPS").split(',').map(str::trim).filter(|a| !a.is_empty()).map(str::to_owned).collect();
        if addresses.is_empty() && !ip.is_empty() {
            addresses.push((*ip).to_owned());
        }
        let or = |a: &str, b: &str| if a.is_empty() { b.to_owned() } else { a.to_owned() };
        Ok(Client {
            id: node.id.clone(),
            kind,
            name: name.to_owned(),
            service_account: text(&metadata, "SERVICE_ACCOUNT").to_owned(),
            cluster: or(text(&metadata, "CLUSTER_ID"), "Kubernetes"),
            version: text(&metadata, "ISTIO_VERSION").to_owned(),
            labels: labels.into_iter().flat_map(|l| &l.fields).filter_map(label).collect(),
            addresses,
            dns_domain: or(domain, &format!("{namespace}.svc.cluster.local")),
            interception: match text(&metadata, "INTERCEPTION_MODE") {
                "NONE" => Some(Interception::None),
                "TPROXY" => Some(Interception::Tproxy),
                "REDIRECT" => Some(Interception::Redirect),
                _ => None,
            },
            auto_allocated_addresses: is_true(&metadata, "DNS_CAPTURE"),
            network_view: read_networks(text(&metadata, "REQUESTED_NETWORK_VIEW")),
            has: ControlPlane {
                metadata_exchange: has(&node.extensions, METADATA_EXCHANGE) && has(&node.extensions, PEER_METADATA),
                alpn_filter: has(&node.extensions, ALPN),
                // Not of one that lists nothing: upstream Envoys refuse it.
                metrics: !node.extensions.is_empty() && has(&node.extensions, STATS),
                records: true,
                ambient: false,
            },
            namespace,
            metadata,
            user_agent: node.user_agent_name.clone(),
        })
    }

    /// `cart-1.shop`, the name on istiod's pages.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::api::Value;

    fn node(id: &str, metadata: Struct) -> Node {
        Node { id: id.into(), metadata: Some(metadata), ..Node::default() }
    }

    #[test]
    fn a_node_says_who_the_proxy_is() {
        let labels: Struct = [("app", "cart")].into_iter().collect();
        let metadata: Struct = [
            ("NAMESPACE", Value::from("shop")),
            ("SERVICE_ACCOUNT", Value::from("cart")),
            ("INSTANCE_IPS", Value::from("10.0.0.7, fd00::7")),
            ("LABELS", Value::from(labels)),
        ]
        .into_iter()
        .collect();
        let c = Client::read(Some(&node("sidecar~10.0.0.7~cart.v1-1.shop~shop.svc.cluster.local", metadata))).expect("a proxy");
        assert_eq!((c.name.as_str(), c.namespace.as_str(), c.service_account.as_str()), ("cart.v1-1", "shop", "cart"));
        assert_eq!((c.addresses, c.labels.get("app").map(String::as_str)), (vec!["10.0.0.7".to_owned(), "fd00::7".to_owned()], Some("cart")));
        assert!(c.has.alpn_filter, "one that lists nothing is an Istio build");
    }

    #[test]
    fn what_is_no_proxy_is_refused_by_reason() {
        assert_eq!(Client::read(None).err(), Some(NodeError::Missing));
        for id in ["x", "sidecar~1~a~b~c", "sidecar~1~.b~c", "sidecar~1~nodots~c"] {
            assert!(matches!(Client::read(Some(&node(id, Struct::default()))), Err(NodeError::Id(_))), "{id}");
        }
        assert!(matches!(Client::read(Some(&node("ztunnel~1~a.b~c", Struct::default()))), Err(NodeError::Kind(_))));
    }

    #[test]
    fn what_a_proxy_lacks_it_is_not_sent() {
        let upstream = vec![Extension { name: "envoy.filters.http.router".into(), ..Extension::default() }];
        let c = Client::read(Some(&Node { extensions: upstream, ..node("router~1.2.3.4~gw.infra~x", Struct::default()) })).expect("a proxy");
        assert_eq!(c.has, ControlPlane { metadata_exchange: false, alpn_filter: false, metrics: false, records: true, ambient: false });
    }
}
