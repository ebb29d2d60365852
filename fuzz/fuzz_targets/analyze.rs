//! Any bytes through all rules: no panic, and the same findings twice.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_analyzers::{Options, analyze};
use mesh_model::{Completeness, Role, Snapshot};
use mesh_resolver::Mesh;

fuzz_target!(|bytes: &[u8]| {
    let mut snapshot = Snapshot::new();
    mesh_collectors::manifests::add(&mut snapshot, "fuzz.yaml", bytes.to_vec(), Role::Judged, 0);
    mesh_resolver::assumed::add_ingress_gateway(&mut snapshot);
    for completeness in [Completeness::Part, Completeness::Complete] {
        snapshot.completeness = completeness;
        let mesh = Mesh::new(&snapshot);
        let options = Options::default();
        let messages = || analyze(&mesh, &options, |_| true).findings.iter().map(|f| (f.at.position(), f.message.clone())).collect::<Vec<_>>();
        assert_eq!(messages(), messages());
    }
});
