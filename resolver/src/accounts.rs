//! How the workloads of each service account take part in the mesh: who calls as an identity.

use crate::injection::InMesh;
use crate::mesh::Mesh;
use rustc_hash::FxHashMap;

/// What there is among the workloads of one service account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub sidecars: bool,
    pub gateways: bool,
    /// Captured by ztunnel.
    pub ambient: bool,
}

#[derive(Debug, Default)]
pub struct Accounts {
    /// By namespace and name.
    parts: FxHashMap<String, FxHashMap<String, Parts>>,
}

impl Accounts {
    pub fn new(mesh: &Mesh<'_>) -> Accounts {
        let mut out = Accounts::default();
        for w in mesh.workloads.all() {
            let parts = out.parts.entry(w.namespace.to_owned()).or_default().entry(w.service_account().to_owned()).or_default();
            match mesh.in_mesh(w) {
                InMesh::Sidecar => parts.sidecars = true,
                InMesh::Gateway => parts.gateways = true,
                InMesh::Ambient => parts.ambient = true,
                InMesh::No | InMesh::Unknown => {}
            }
        }
        out
    }

    /// Nothing of an account that no workload runs as.
    pub fn of(&self, namespace: &str, account: &str) -> Parts {
        self.parts.get(namespace).and_then(|all| all.get(account)).copied().unwrap_or_default()
    }
}
