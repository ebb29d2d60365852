//! Which mesh it is.

use crate::manifests;
use crate::workload::{Proxied, Workload};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// The Deployments of the manifests: name, service and service account, version.
const WORKLOADS: &[(&str, &str, &str)] = &[
    ("gateway", GATEWAY, ""),
    ("egress", EGRESS, ""),
    ("productpage-v1", "productpage", "v1"),
    ("details-v1", "details", "v1"),
    ("ratings-v1", "ratings", "v1"),
    ("reviews-v1", "reviews", "v1"),
    ("reviews-v2", "reviews", "v2"),
    ("reviews-v3", "reviews", "v3"),
];

pub fn workloads() -> Vec<Arc<Workload>> {
    WORKLOADS.iter().map(|(name, app, version)| Arc::new(workload(name, app, version))).collect()
}

fn workload(name: &str, app: &str, version: &str) -> Workload {
    let is_gateway = matches!(app, GATEWAY | EGRESS);
    let pairs = [("app", app), ("version", version), ("istio", if is_gateway { app } else { "" })];
    Workload {
        name: name.to_owned(),
        namespace: NAMESPACE.to_owned(),
        account: app.to_owned(),
        labels: pairs.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        owner: name.to_owned(),
        proxied: if is_gateway { Proxied::Gateway } else { Proxied::Sidecar },
        metadata: BTreeMap::new(),
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
pub fn folder(files: &[(&'static str, String)]) -> std::io::Result<crate::folders::Own> {
    let folder = crate::folders::own("")?;
    manifests::write(folder.path(), files, &[])?;
    Ok(folder)
}
