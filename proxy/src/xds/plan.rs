//! `dynamic_resources` of a bootstrap: whom to ask, in which dialect, and who asks.

use super::protocol::Dialect;
use crate::bootstrap::get;
use crate::config::Snapshot;
use crate::config::fetch_timeout;
use mesh_envoy::api::discovery::{Extension, Node};
use mesh_envoy::api::{Struct, core::Locality};
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::field::{Message, Path, Read};
use serde_json::Value;
use std::time::Duration;

/// A control plane: the clusters that lead to it, tried in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub clusters: Vec<String>,
    pub dialect: Dialect,
    /// The `:authority` of requests.
    pub authority: String,
    pub metadata: Vec<(String, String)>,
}

/// How long the first answer is waited for; without a time for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub ads: Source,
    pub cds: Option<Fetch>,
    pub lds: Option<Fetch>,
    pub node: Node,
}

impl Plan {
    /// `None` where everything is static.
    ///
    /// # Errors
    /// What is asked for and can't be had.
    pub fn read(bootstrap: &Value, statics: &Snapshot) -> Read<Option<Plan>> {
        let m = Message::new(bootstrap, Path::root("bootstrap"))?;
        let dynamic = m.message_or_empty("dynamic_resources")?;
        let fetch =
            |name: &str| -> Read<Option<Fetch>> { if dynamic.has(name) { Ok(Some(Fetch { timeout: fetch_timeout(&dynamic, name)? })) } else { Ok(None) } };
        let (cds, lds) = (fetch("cds_config")?, fetch("lds_config")?);
        let Some(ads) = dynamic.message("ads_config")? else {
            let by_clusters = statics.clusters.values().find(|c| c.service().is_some()).map(|c| format!("cluster {}", c.name));
            let by_listeners = statics.listeners.iter().find(|l| l.routes().next().is_some()).map(|l| format!("listener {}", l.engine.name));
            let asked = if cds.is_some() || lds.is_some() { Some("dynamic_resources".to_owned()) } else { by_clusters.or(by_listeners) };
            return match asked {
                None => Ok(None),
                Some(path) => Err(Unknown { path, what: "it asks for ads, and dynamic_resources.ads_config does not say where that is".to_owned() }),
            };
        };
        Ok(Some(Plan { ads: Source::read(&ads, statics)?, cds, lds, node: node(&m)? }))
    }
}

impl Source {
    /// `ApiConfigSource`
    ///
    /// # Errors
    /// A cluster that is not there, or a dialect that is none.
    pub fn read(m: &Message<'_, '_>, statics: &Snapshot) -> Read<Source> {
        let dialect = match m.enumeration("api_type", &["DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE", "REST", "GRPC", "DELTA_GRPC"])? {
            "GRPC" => Dialect::StateOfTheWorld,
            "DELTA_GRPC" => Dialect::Delta,
            _ => return Err(m.unknown_field("api_type", "neither GRPC nor DELTA_GRPC")),
        };
        let mut out = Source { clusters: Vec::new(), dialect, authority: String::new(), metadata: Vec::new() };
        for service in m.messages("grpc_services")? {
            let envoy = service.message_or_empty("envoy_grpc")?;
            let cluster = envoy.text("cluster_name")?;
            if !statics.clusters.contains_key(cluster) {
                return Err(envoy.unknown_field("cluster_name", format!("there is no static cluster `{cluster}`")));
            }
            if out.clusters.is_empty() {
                out.authority = Some(envoy.text("authority")?).filter(|a| !a.is_empty()).unwrap_or(cluster).to_owned();
                for header in service.messages("initial_metadata")? {
                    out.metadata.push((header.text("key")?.to_ascii_lowercase(), header.text("value")?.to_owned()));
                }
            }
            out.clusters.push(cluster.to_owned());
        }
        if out.clusters.is_empty() {
            return Err(m.unknown_field("grpc_services", "a control plane belongs here"));
        }
        Ok(out)
    }
}

fn node(bootstrap: &Message<'_, '_>) -> Read<Node> {
    let m = bootstrap.message_or_empty("node")?;
    let value = m.json();
    let wrong = |field: &str, e: &serde_json::Error| m.unknown_field(field, e.to_string());
    let part = |name: &str| get(&value, name).cloned();
    let metadata = part("metadata").map(serde_json::from_value::<Struct>).transpose().map_err(|e| wrong("metadata", &e))?;
    let locality = part("locality").map(serde_json::from_value::<Locality>).transpose().map_err(|e| wrong("locality", &e))?;
    Ok(Node {
        id: m.text("id")?.to_owned(),
        cluster: m.text("cluster")?.to_owned(),
        metadata,
        locality,
        user_agent_name: "mesh-proxy".to_owned(),
        user_agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: extensions(),
        client_features: Vec::new(),
    })
}

/// The filters of Istio's own that are taken, so that the control plane configures them.
fn extensions() -> Vec<Extension> {
    let of =
        |name: &str, category: &str, message: &str| Extension { name: name.to_owned(), category: category.to_owned(), type_urls: vec![message.to_owned()] };
    vec![
        of("istio.metadata_exchange", "envoy.filters.http", "io.istio.http.peer_metadata.Config"),
        of("istio.stats", "envoy.filters.http", "stats.PluginConfig"),
        of("istio.alpn", "envoy.filters.http", "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig"),
        of("istio.metadata_exchange", "envoy.filters.network", "envoy.tcp.metadataexchange.config.MetadataExchange"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Compiler;
    use serde_json::json;

    fn plan(dynamic: Value) -> Read<Option<Plan>> {
        let cluster = json!({"name": "xds-grpc", "type": "STATIC", "load_assignment": {"cluster_name": "xds-grpc", "endpoints": []}});
        let bootstrap = json!({"node": {"id": "n", "cluster": "c", "metadata": {"A": {"b": [1]}}, "locality": {"subZone": "z"}},
            "dynamic_resources": dynamic, "static_resources": {"clusters": [cluster]}});
        let statics = Snapshot::compile(&bootstrap["static_resources"], &Compiler::default()).expect("static");
        Plan::read(&bootstrap, &statics)
    }

    #[test]
    fn bootstraps_say_whom_to_ask() {
        let ads = |cluster: &str| json!({"api_type": "DELTA_GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": cluster}}]});
        let dynamic = json!({"cds_config": {"ads": {}, "initial_fetch_timeout": "0s"}, "ldsConfig": {"ads": {}}, "ads_config": ads("xds-grpc")});
        let read = plan(dynamic).expect("read").expect("dynamic");
        assert_eq!((read.ads.dialect, read.ads.authority.as_str()), (Dialect::Delta, "xds-grpc"));
        assert_eq!((read.cds.map(|f| f.timeout), read.lds.map(|f| f.timeout)), (Some(None), Some(Some(Duration::from_secs(15)))));
        assert_eq!((read.node.id.as_str(), read.node.locality.map(|l| l.sub_zone).as_deref()), ("n", Some("z")));
        assert!(read.node.metadata.is_some_and(|m| m.get("A").is_some()));
        assert!(plan(json!({"cds_config": {"ads": {}}})).is_err_and(|u| u.what.contains("ads_config")));
        assert!(plan(json!({"ads_config": ads("nowhere")})).is_err_and(|u| u.to_string().contains("cluster_name: there is no static cluster `nowhere`")));
        assert!(plan(Value::Null).expect("read").is_none());
    }
}
