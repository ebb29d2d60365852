//! The cold path: configuration becomes a [`Snapshot`], or is refused with the path of what can't be honoured.

pub mod alpn;
pub mod cluster;
pub mod connection_limit;
mod fields;
pub mod forwarded_cert;
pub mod hash_policy;
pub mod header_format;
pub mod header_ops;
pub mod listener;
pub mod manager;
pub mod outlier;
pub mod overload;
pub mod proxy_protocol;
pub mod retry;
pub mod route;
pub mod tcp_proxy;
pub mod transport;

pub use fields::{Finding, findings};

use crate::access_log::{Lines, Sinks};
use crate::jwt::remote::Remotes;
use crate::tls::material::Secret;
use crate::tls::parameters;
use crate::tls::secrets::Secrets;
use crate::trace::exporter::Exporters;
use cluster::Cluster;
use listener::Listener;
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::listener::Addresses;
use mesh_envoy::engine::pick::Assignment;
use route::Table;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_rustls::rustls::crypto::CryptoProvider;

/// Everything that requests are decided by, compiled. Never changed: an update makes another one, which shares what stayed.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub listeners: Arc<Vec<Arc<Listener>>>,
    pub routes: Arc<FxHashMap<Box<str>, Arc<Table>>>,
    pub clusters: Arc<FxHashMap<Box<str>, Arc<Cluster>>>,
    /// Endpoints that came over EDS, by their name there.
    pub assignments: Arc<FxHashMap<Box<str>, Arc<Assignment>>>,
    by_address: Found<Addresses>,
    keeps_names: Found<bool>,
}

/// What is found out when it is first asked for. A copy of a snapshot may get other listeners and clusters, and so begins without.
#[derive(Debug)]
struct Found<T>(OnceLock<T>);

impl<T> Default for Found<T> {
    fn default() -> Found<T> {
        Found(OnceLock::new())
    }
}

impl<T> Clone for Found<T> {
    fn clone(&self) -> Found<T> {
        Found::default()
    }
}

/// What compiling needs beside the configuration.
#[derive(Debug)]
pub struct Compiler {
    pub sinks: Sinks,
    pub lines: Lines,
    pub exporters: Arc<Exporters>,
    pub remotes: Arc<Remotes>,
    /// Where contexts of TLS find their secrets. It outlives every configuration.
    pub secrets: Arc<Secrets>,
    pub crypto: Arc<CryptoProvider>,
}

impl Default for Compiler {
    fn default() -> Compiler {
        Compiler {
            sinks: Sinks::default(),
            lines: Lines::default(),
            exporters: Arc::default(),
            remotes: Arc::default(),
            secrets: Arc::default(),
            crypto: Arc::new(parameters::provider()),
        }
    }
}

impl Snapshot {
    /// The names that clusters are counted by.
    pub fn stat_names(&self) -> FxHashSet<Cow<'_, str>> {
        self.clusters.values().map(|c| c.stat_name()).collect()
    }
    /// Whether any cluster keeps names of headers as upstreams write them.
    pub fn keeps_names(&self) -> bool {
        // Each connection that is not plain asks, and there may be thousands of clusters.
        *self.keeps_names.0.get_or_init(|| self.clusters.values().any(|c| c.format.keeping().is_some()))
    }
    /// The listener that takes a connection which another one hands on.
    pub fn listener_for(&self, destination: SocketAddr) -> Option<Arc<Listener>> {
        let addresses = self.by_address.0.get_or_init(|| Addresses::new(self.listeners.iter().map(|l| &l.engine)));
        self.listeners.get(addresses.find(destination)?).cloned()
    }
    /// Compiles `static_resources` of a bootstrap.
    ///
    /// # Errors
    /// Everything that can't be honoured.
    pub fn compile(resources: &Value, compiler: &Compiler) -> Result<Snapshot, Vec<Unknown>> {
        let (mut clusters, mut listeners) = (FxHashMap::default(), Vec::new());
        let mut problems: Vec<Unknown> = Vec::new();
        let list = |name: &str| resources.get(name).and_then(Value::as_array).into_iter().flatten();
        for (i, value) in list("secrets").enumerate() {
            match Secret::read(value, &root("secrets", i, value)) {
                Ok((name, secret)) => compiler.secrets.set(&name, secret),
                Err(u) => problems.push(u),
            }
        }
        for (i, value) in list("clusters").enumerate() {
            let root = root("clusters", i, value);
            match Cluster::read(value, &root, compiler) {
                Ok(cluster) => {
                    if clusters.insert(cluster.name.clone(), Arc::new(cluster)).is_some() {
                        problems.push(Unknown { path: root, what: "a cluster of this name stands before it".to_owned() });
                    }
                }
                Err(u) => problems.push(u),
            }
        }
        for (i, value) in list("listeners").enumerate() {
            match Listener::read(value, &root("listeners", i, value), compiler) {
                Ok(listener) => listeners.push(Arc::new(listener)),
                Err(u) => problems.push(u),
            }
        }
        let snapshot = Snapshot { listeners: Arc::new(listeners), clusters: Arc::new(clusters), ..Snapshot::default() };
        if problems.is_empty() { Ok(snapshot) } else { Err(problems) }
    }
}

/// `initial_fetch_timeout` of a config source: Envoy waits 15 seconds, and for ever with 0.
pub(crate) fn fetch_timeout(m: &Message<'_, '_>, source: &str) -> Read<Option<Duration>> {
    let timeout = m.message_or_empty(source)?.duration("initial_fetch_timeout")?.unwrap_or(Duration::from_secs(15));
    Ok(Some(timeout).filter(|t| !t.is_zero()))
}

fn root(list: &str, index: usize, value: &Value) -> String {
    let name = value.get("name").and_then(Value::as_str).unwrap_or("");
    format!("static_resources.{list}[{index}] ({name})")
}

/// The bytes of a `DataSource`.
pub(crate) fn data_source(m: &Message<'_, '_>) -> Read<Vec<u8>> {
    if m.has("inline_string") {
        return Ok(m.text("inline_string")?.as_bytes().to_vec());
    }
    if m.has("inline_bytes") {
        let text = m.text("inline_bytes")?.trim_end_matches('=').as_bytes();
        return data_encoding::BASE64_NOPAD.decode(text).map_err(|_| m.unknown_field("inline_bytes", "no base64"));
    }
    if m.has("filename") {
        let name = m.text("filename")?;
        return std::fs::read(name).map_err(|e| m.unknown_field("filename", format!("`{name}`: {e}")));
    }
    Err(m.unknown("a source of data that is not known to mesh-proxy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_redirected_connection_finds_the_listener_of_where_it_wanted_to_go() {
        let filter =
            json!({"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "c"}});
        let listener = |name: &str, ip: &str, port: u16| {
            json!({"name": name, "address": {"socket_address": {"address": ip, "port_value": port}}, "bind_to_port": name == "virtualOutbound",
                "use_original_dst": name == "virtualOutbound", "filter_chains": [{"filters": [filter]}]})
        };
        let resources = json!({"listeners": [listener("virtualOutbound", "0.0.0.0", 15001), listener("any", "0.0.0.0", 80), listener("one", "10.0.0.1", 80)]});
        let mut snapshot = Snapshot::compile(&resources, &Compiler::default()).expect("a snapshot");
        let found = |s: &Snapshot, to: &str| s.listener_for(to.parse().expect("an address")).map(|l| l.engine.name.to_string());
        assert_eq!(found(&snapshot, "10.0.0.1:80").as_deref(), Some("one"));
        assert_eq!(found(&snapshot, "10.0.0.2:80").as_deref(), Some("any"));
        // It stays where it came in.
        assert_eq!(found(&snapshot, "10.0.0.2:81"), None);
        // A copy with other listeners does not remember those of before.
        snapshot = snapshot.clone();
        snapshot.listeners = Arc::new(snapshot.listeners.iter().take(2).cloned().collect());
        assert_eq!(found(&snapshot, "10.0.0.1:80").as_deref(), Some("any"));
    }

    #[test]
    fn a_copy_with_other_clusters_does_not_remember_how_those_of_before_wrote_names() {
        let formatter = json!({"@type": "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"});
        let options = json!({"header_key_format": {"stateful_formatter": {"name": "preserve_case", "typed_config": formatter}}});
        let resources = json!({"clusters": [{"name": "c", "type": "STATIC", "connect_timeout": "1s", "http_protocol_options": options}]});
        let mut snapshot = Snapshot::compile(&resources, &Compiler::default()).expect("a snapshot");
        assert!(snapshot.keeps_names());
        snapshot = snapshot.clone();
        snapshot.clusters = Arc::default();
        assert!(!snapshot.keeps_names());
    }
}
