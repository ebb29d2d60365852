//! Which mesh it is.

use crate::manifests;
use std::collections::BTreeMap;

pub const NAMESPACE: &str = "bookinfo";
pub const TRUST_DOMAIN: &str = "cluster.local";
/// The port of every service.
pub const PORT: u16 = 9080;
pub const GATEWAY: &str = "gateway";
pub const GATEWAY_PORT: u16 = 8080;
/// The way out of the mesh.
pub const EGRESS: &str = "egress";
/// A service outside of the mesh, the port that is asked for, and what stands in the manifests for the one that it has here.
pub const OUTSIDE: &str = "isbn.example.org";
pub const OUTSIDE_PORT: u16 = 80;
const OUTSIDE_AT: &str = "PORT_OF_ISBN";
/// The same for the collector of traces.
const TRACES_AT: &str = "PORT_OF_TRACES";
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
    workload("egress", EGRESS, ""),
    workload("productpage-v1", "productpage", "v1"),
    workload("details-v1", "details", "v1"),
    workload("ratings-v1", "ratings", "v1"),
    workload("reviews-v1", "reviews", "v1"),
    workload("reviews-v2", "reviews", "v2"),
    workload("reviews-v3", "reviews", "v3"),
];

impl Workload {
    /// A proxy that stands alone.
    pub fn is_gateway(&self) -> bool {
        matches!(self.app, GATEWAY | EGRESS)
    }
    pub fn labels(&self) -> BTreeMap<String, String> {
        let pairs = [("app", self.app), ("version", self.version), ("istio", if self.is_gateway() { self.app } else { "" })];
        pairs.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }
}

const FILES: &[(&str, &str)] = &[
    ("apps.yaml", include_str!("../manifests/apps.yaml")),
    ("egress.yaml", include_str!("../manifests/egress.yaml")),
    ("mesh.yaml", include_str!("../manifests/mesh.yaml")),
    ("security.yaml", include_str!("../manifests/security.yaml")),
    ("traffic.yaml", include_str!("../manifests/traffic.yaml")),
];

/// The manifests of a demo whose service outside, and whose collector of traces, listen on ports of 127.0.0.1.
pub fn files(outside: u16, traces: u16) -> Vec<(&'static str, String)> {
    FILES.iter().map(|(name, text)| (*name, text.replace(OUTSIDE_AT, &outside.to_string()).replace(TRACES_AT, &traces.to_string()))).collect()
}

/// Manifests in a folder of their own, for this user alone.
pub fn folder(files: &[(&'static str, String)]) -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("meshctl-demo-").tempdir()?;
    manifests::write(folder.path(), files, &[])?;
    Ok(folder)
}
