//! The proxy that configuration is translated for.

use crate::ambient::waypoint;
use crate::injection::InMesh;
use crate::mesh::Mesh;
use crate::workload::Workload;
use mesh_model::Node;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    Sidecar,
    /// A gateway.
    Router,
    Waypoint,
}

/// How traffic comes to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interception {
    Redirect,
    Tproxy,
    /// Nothing is captured: listeners bind to ports.
    None,
}

/// What a proxy tells istiod of itself.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub kind: ProxyKind,
    /// `name.namespace` of its Pod.
    pub id: String,
    /// The first is the Pod's own.
    pub addresses: Vec<String>,
    /// The namespace whose configuration it gets.
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    /// `default.svc.cluster.local`
    pub dns_domain: String,
    pub interception: Interception,
    /// Whether automatically given addresses of ServiceEntries count: DNS capture.
    pub auto_allocated_addresses: bool,
    /// The networks whose endpoints it sees (`REQUESTED_NETWORK_VIEW`), as gateways between networks ask for; all where empty.
    pub network_view: Vec<String>,
    /// What it says of itself, `ISTIO_VERSION` and the other texts of its node's metadata; `None` where that is not known.
    pub metadata: Option<BTreeMap<String, String>>,
}

impl Proxy {
    /// From an object such as istiod's debug pages print: `type`, `id`, `ips`, `configNamespace`, `labels`,
    /// `dnsDomain` and `metadata` (`LABELS`, `NAMESPACE`, `CLUSTER_ID`, `INTERCEPTION_MODE`, `DNS_CAPTURE`, …).
    pub fn from_node(node: Node<'_>) -> Result<Proxy, String> {
        let kind = match node.text_of("type") {
            "sidecar" | "" => ProxyKind::Sidecar,
            "router" => ProxyKind::Router,
            "waypoint" => ProxyKind::Waypoint,
            other => return Err(format!("a proxy of type {other:?} is not known: sidecar, router or waypoint")),
        };
        let meta = |key: &str| node.at(&["metadata", key]).map_or("", Node::text);
        let is_true = |key: &str| matches!(meta(key), "true" | "1");
        let labels = node.get("labels").or_else(|| node.at(&["metadata", "LABELS"]));
        // istiod keeps the locality of a proxy among its labels.
        let place = |key: &str, label: &str| Some((label.to_owned(), node.at(&["locality", key])?.text().to_owned())).filter(|(_, v)| !v.is_empty());
        let locality: Vec<(String, String)> =
            [place("region", "topology.kubernetes.io/region"), place("zone", "topology.kubernetes.io/zone"), place("subZone", "topology.istio.io/subzone")]
                .into_iter()
                .flatten()
                .collect();
        // And its cluster.
        let cluster = Some((super::locality::CLUSTER.to_owned(), meta("CLUSTER_ID").to_owned())).filter(|(_, v)| !v.is_empty());
        let first = |texts: [&str; 3]| texts.into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_owned();
        let namespace = first([node.text_of("configNamespace"), meta("NAMESPACE"), "default"]);
        let dns_domain = first([node.text_of("dnsDomain"), &format!("{namespace}.svc.{}", crate::host::CLUSTER_DOMAIN), ""]);
        Ok(Proxy {
            kind,
            id: node.text_of("id").to_owned(),
            addresses: node.list("ips").map(|ip| ip.text().to_owned()).collect(),
            labels: labels
                .into_iter()
                .flat_map(Node::entries)
                .map(|(k, v)| (k.text().to_owned(), v.text().to_owned()))
                .chain(locality)
                .chain(cluster)
                .collect(),
            dns_domain,
            namespace,
            interception: match meta("INTERCEPTION_MODE") {
                "NONE" => Interception::None,
                "TPROXY" => Interception::Tproxy,
                _ => Interception::Redirect,
            },
            auto_allocated_addresses: kind == ProxyKind::Waypoint || is_true("DNS_CAPTURE"),
            network_view: networks(meta("REQUESTED_NETWORK_VIEW")),
            metadata: node
                .get("metadata")
                .map(|m| m.entries().filter(|(_, v)| v.is_scalar()).map(|(k, v)| (k.text().to_owned(), v.text().to_owned())).collect()),
        })
    }

    /// The proxy beside a workload, as injection makes it.
    pub fn of_workload(mesh: &Mesh<'_>, w: &Workload<'_>) -> Proxy {
        let kind = match mesh.in_mesh(w) {
            _ if waypoint::is_own(|k| w.label(k)) => ProxyKind::Waypoint,
            InMesh::Gateway => ProxyKind::Router,
            _ => ProxyKind::Sidecar,
        };
        let ips = w.object.at(&["status", "podIPs"]).into_iter().flat_map(Node::items).map(|i| i.text_of("ip").to_owned());
        let mut addresses: Vec<String> = ips.filter(|i| !i.is_empty()).collect();
        if addresses.is_empty() {
            addresses.extend(w.object.at(&["status", "podIP"]).map(|ip| ip.text().to_owned()));
        }
        Proxy {
            kind,
            id: format!("{}.{}", w.object.name(), w.namespace),
            addresses,
            namespace: w.namespace.to_owned(),
            labels: w.labels().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            dns_domain: format!("{}.svc.{}", w.namespace, crate::host::CLUSTER_DOMAIN),
            interception: match w.annotation("sidecar.istio.io/interceptionMode") {
                Some("NONE") => Interception::None,
                Some("TPROXY") => Interception::Tproxy,
                _ => Interception::Redirect,
            },
            auto_allocated_addresses: kind == ProxyKind::Waypoint,
            network_view: networks(environment(w, "ISTIO_META_REQUESTED_NETWORK_VIEW")),
            metadata: None,
        }
    }

    /// The proxy of a waypoint, by the name and namespace of its Gateway.
    pub fn waypoint(name: &str, namespace: &str) -> Proxy {
        Proxy {
            kind: ProxyKind::Waypoint,
            id: format!("{name}.{namespace}"),
            addresses: Vec::new(),
            namespace: namespace.to_owned(),
            labels: std::iter::once((waypoint::GATEWAY_NAME.to_owned(), name.to_owned())).collect(),
            dns_domain: format!("{namespace}.svc.{}", crate::host::CLUSTER_DOMAIN),
            interception: Interception::Redirect,
            // Waypoints take these always.
            auto_allocated_addresses: true,
            network_view: Vec::new(),
            metadata: None,
        }
    }

    /// What it says of itself under a key of its metadata.
    pub fn says(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key).map(String::as_str)
    }
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }
    /// Whether every pair of a map of labels is one of the proxy's.
    pub fn has_labels(&self, map: Option<Node<'_>>) -> bool {
        map.into_iter().flat_map(Node::entries).all(|(k, v)| self.label(k.text()) == Some(v.text()))
    }
    fn is_ipv6(&self) -> bool {
        !self.addresses.is_empty() && self.addresses.iter().all(|a| a.contains(':'))
    }
    /// Whether it has addresses of both families.
    pub fn is_dual(&self) -> bool {
        self.addresses.iter().any(|a| a.contains(':')) && self.addresses.iter().any(|a| !a.contains(':'))
    }
    /// The address that its own listeners of a Sidecar are named by: the first that others can reach.
    pub fn bind_address(&self) -> &str {
        let reachable = |a: &&String| a.parse::<std::net::IpAddr>().is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast());
        self.addresses.iter().find(reachable).map_or(self.wildcard(), String::as_str)
    }
    /// The address of all interfaces.
    pub fn wildcard(&self) -> &'static str {
        if self.is_ipv6() { "::" } else { UNSPECIFIED }
    }
    pub fn loopback(&self) -> &'static str {
        if self.is_ipv6() { "::1" } else { "127.0.0.1" }
    }
    /// The source address of connections to the application, which capture leaves alone.
    pub fn inbound_source(&self) -> &'static str {
        if self.is_ipv6() { "::6" } else { "127.0.0.6" }
    }
}

/// The names in a list of networks as metadata write it: with commas between them.
pub fn networks(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

/// What a variable of some container says, as the agent takes metadata of its proxy from there; "" where none does.
fn environment<'a>(w: &Workload<'a>, name: &str) -> &'a str {
    let containers = w.spec().into_iter().flat_map(|s| s.list("containers").chain(s.list("initContainers")));
    let variable = containers.flat_map(|c| c.list("env")).find(|v| v.text_of("name") == name);
    variable.map_or("", |v| v.text_of("value"))
}

/// What a service without an address of its own has.
pub const UNSPECIFIED: &str = "0.0.0.0";
