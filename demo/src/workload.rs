//! A workload of a mesh that runs here.

use std::collections::BTreeMap;

/// Who takes its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proxied {
    /// A sidecar beside its application.
    Sidecar,
    /// A proxy that stands alone.
    Gateway,
    /// Nobody: it was given no sidecar.
    Not,
}

/// A Pod, or the template that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub name: String,
    pub namespace: String,
    /// The service account that it runs as.
    pub account: String,
    pub labels: BTreeMap<String, String>,
    /// What it is called in metrics: the name of what has made it.
    pub owner: String,
    pub proxied: Proxied,
    /// What its proxy says of itself beside the usual (node metadata).
    pub metadata: BTreeMap<String, String>,
}

impl Workload {
    /// `NAME.NAMESPACE`
    pub fn id(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
    pub fn has_proxy(&self) -> bool {
        self.proxied != Proxied::Not
    }
    pub fn is_gateway(&self) -> bool {
        self.proxied == Proxied::Gateway
    }
    /// A label; "" where it has none of the key.
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }
}
