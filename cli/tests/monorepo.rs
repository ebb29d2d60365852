//! A whole repository as input: only what is wrong in it is found, and what is no manifest is told apart.

use mesh_analyzers::{Options, analyze, code_of_problem};
use mesh_model::{ProblemKind, Role, Snapshot};
use mesh_resolver::Mesh;
use std::path::Path;

#[test]
fn only_the_seeded_mistake_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/monorepo");
    let mut snapshot = Snapshot::new();
    mesh_collectors::manifests::read(&mut snapshot, &[root.display().to_string()], Role::Judged, 0);
    mesh_resolver::assumed::add_ingress_gateway(&mut snapshot);

    let broken: Vec<_> = snapshot.problems.iter().filter(|p| code_of_problem(p.kind).is_some() || p.kind == ProblemKind::Unreadable).collect();
    assert!(broken.is_empty(), "{broken:#?}");

    let told: Vec<String> = snapshot
        .problems
        .iter()
        .map(|p| p.help.clone().unwrap_or_default().replace(&format!("{}/", root.display()), ""))
        .filter(|h| h != "render it first: `helm template NAME DIR | meshctl analyze -`")
        .collect();
    assert_eq!(
        told,
        [
            "type `helm template edge charts/edge | meshctl analyze -`",
            "type `helm template shop charts/shop | meshctl analyze -`",
            "type `kustomize build deploy/overlays/dev | meshctl analyze -`",
            "type `kustomize build deploy/overlays/prod | meshctl analyze -`",
            "type `kustomize build deploy/overlays/staging | meshctl analyze -`",
        ]
    );
    assert!(snapshot.not_objects >= 20, "{}", snapshot.not_objects);
    assert_eq!(snapshot.unknown_kinds.keys().collect::<Vec<_>>(), ["skaffold/v4beta6/Config", "tekton.dev/v1/Task"]);

    let mesh = Mesh::new(&snapshot);
    let options = Options::default();
    let report = analyze(&mesh, &options, |_| true);
    let found: Vec<_> = report.findings.iter().map(|f| format!("{} {} at {}", f.code.id, f.object.origin(), f.at.text())).collect();
    assert_eq!(found, ["IST0101 VirtualService shop/ratings at ratngs"]);
}
