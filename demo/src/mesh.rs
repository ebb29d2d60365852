//! Which mesh it is.

use crate::manifests::{self, Files};
use std::collections::BTreeMap;

pub const NAMESPACE: &str = "bookinfo";
pub const TRUST_DOMAIN: &str = "cluster.local";
/// The port of every service.
pub const PORT: u16 = 9080;
pub const GATEWAY: &str = "gateway";
pub const GATEWAY_PORT: u16 = 8080;
/// The host that the gateway takes requests for.
pub const HOST: &str = "bookinfo.example.com";

/// A Deployment of the manifests.
#[derive(Debug)]
pub struct Workload {
    pub name: &'static str,
    /// Its service, and its service account.
    pub app: &'static str,
    /// "" for none.
    pub version: &'static str,
}

const fn workload(name: &'static str, app: &'static str, version: &'static str) -> Workload {
    Workload { name, app, version }
}

pub static WORKLOADS: &[Workload] = &[
    workload("gateway", GATEWAY, ""),
    workload("productpage-v1", "productpage", "v1"),
    workload("details-v1", "details", "v1"),
    workload("ratings-v1", "ratings", "v1"),
    workload("reviews-v1", "reviews", "v1"),
    workload("reviews-v2", "reviews", "v2"),
    workload("reviews-v3", "reviews", "v3"),
];

impl Workload {
    pub fn labels(&self) -> BTreeMap<String, String> {
        let pairs = [("app", self.app), ("version", self.version), ("istio", if self.app == GATEWAY { GATEWAY } else { "" })];
        pairs.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }
}

pub const FILES: Files = &[
    ("apps.yaml", include_str!("../manifests/apps.yaml")),
    ("security.yaml", include_str!("../manifests/security.yaml")),
    ("traffic.yaml", include_str!("../manifests/traffic.yaml")),
];

/// The manifests in a folder of their own, for this user alone.
pub fn folder() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("meshctl-demo-").tempdir()?;
    manifests::write(folder.path(), FILES, &[])?;
    Ok(folder)
}
