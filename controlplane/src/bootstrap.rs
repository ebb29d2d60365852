//! The bootstrap of a proxy that is served from here: an Envoy, or one that takes Envoy's.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What a proxy is started with.
#[derive(Clone, Debug)]
pub struct Bootstrap<'b> {
    /// `sidecar` or `router`.
    pub kind: &'b str,
    /// Of its Pod, or of the template that makes it.
    pub name: &'b str,
    pub namespace: &'b str,
    pub account: &'b str,
    pub address: &'b str,
    pub labels: BTreeMap<String, String>,
    /// Of the control plane, in plaintext.
    pub xds: SocketAddr,
    pub admin: SocketAddr,
    /// By which it shows who it is; without one it gets no certificate.
    pub token: Option<&'b str>,
    pub is_delta: bool,
}

impl Bootstrap<'_> {
    /// The bootstrap in Envoy's JSON. It holds the token: a file of it is for its owner alone.
    pub fn envoy(&self) -> Value {
        let socket = |a: SocketAddr| json!({"socket_address": {"address": a.ip().to_string(), "port_value": a.port()}});
        let http2 = json!({"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}});
        let cluster = |name: &str| {
            json!({
                "name": name, "type": "STATIC", "connect_timeout": "5s",
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(self.xds)}}]}]},
                "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
            })
        };
        let ads = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
        let metadata: Vec<Value> = self.token.iter().map(|t| json!({"key": "authorization", "value": format!("Bearer {t}")})).collect();
        json!({
            "node": {
                "id": format!("{}~{}~{}.{}~{}.svc.cluster.local", self.kind, self.address, self.name, self.namespace, self.namespace),
                "cluster": format!("{}.{}", self.labels.get("app").map_or(self.name, String::as_str), self.namespace),
                "metadata": {
                    "NAMESPACE": self.namespace, "NAME": self.name, "SERVICE_ACCOUNT": self.account, "LABELS": self.labels, "INSTANCE_IPS": self.address,
                    "CLUSTER_ID": "Kubernetes",
                },
            },
            "admin": {"address": socket(self.admin)},
            "dynamic_resources": {
                "lds_config": ads, "cds_config": ads,
                "ads_config": {
                    "api_type": if self.is_delta { "DELTA_GRPC" } else { "GRPC" }, "transport_api_version": "V3", "set_node_on_first_message_only": true,
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}, "initial_metadata": metadata}],
                },
            },
            "static_resources": {"clusters": [cluster("xds-grpc")]},
        })
    }
}
