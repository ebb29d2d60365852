//! What the fuzz targets do, over their seeds and all fixtures, on any compiler.

use mesh_analyzers::{Options, analyze};
use mesh_model::yaml::{Limits, compare_paths, documents};
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use std::path::{Path, PathBuf};

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|k| e == *k)) {
            out.push(path);
        }
    }
}

/// Each file as it is, and shortened in many places: half a document is what people's editors save.
fn inputs() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    files(&root.join("fuzz/seeds"), &mut found);
    assert!(!found.is_empty());
    files(&root.join("testdata"), &mut found);
    found.sort();
    let read = |path: PathBuf| std::fs::read(&path).ok().filter(|b| b.len() < 100_000).map(|b| (path, b));
    found.into_iter().filter_map(read).collect()
}

#[test]
fn both_parsers_agree() {
    for (path, bytes) in inputs() {
        for cut in 0..16 {
            let source = Source::from_bytes("replay", bytes[..bytes.len() - bytes.len() * cut / 16].to_vec());
            for chunk in documents(source.text()) {
                if let Err(difference) = compare_paths(&source, chunk.span, Limits::default()) {
                    panic!("{}: {:?}\n{difference}", path.display(), source.slice(chunk.span));
                }
            }
        }
    }
}

#[test]
fn rules_answer_any_input_and_always_alike() {
    for (path, bytes) in inputs() {
        let mut snapshot = Snapshot::new();
        mesh_collectors::manifests::add(&mut snapshot, "replay.yaml", bytes, Role::Judged, 0);
        mesh_resolver::assumed::add_ingress_gateway(&mut snapshot);
        for completeness in [Completeness::Part, Completeness::Complete] {
            snapshot.completeness = completeness;
            let mesh = Mesh::new(&snapshot);
            let options = Options::default();
            let messages = || analyze(&mesh, &options, |_| true).findings.iter().map(|f| (f.at.position(), f.message.clone())).collect::<Vec<_>>();
            assert_eq!(messages(), messages(), "{}", path.display());
        }
    }
}
