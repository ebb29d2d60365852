//! What the fuzz target `sources` does, over its seeds and the dumps of testdata, whole, cut and changed.

use mesh_collectors::dumps::{Limits, Want, read_stream, syncz};
use mesh_envoy::diff::diff;
use mesh_envoy::dump::status::status;
use mesh_envoy::identify::Content;
use mesh_envoy::redact::{Mark, redact};
use std::path::{Path, PathBuf};

/// The kinds of pages whose text is kept.
const ALL: &[Content] = &[Content::ConfigDump, Content::Clusters, Content::Ztunnel, Content::Syncz, Content::OtherJson];

fn read_as_dumps(bytes: &[u8]) {
    let want = Want { pod: None, contents: ALL };
    let limits = Limits { page: 1 << 24, total: 1 << 26, entries: 1000, ratio: 300 };
    let dumps = read_stream("fuzz", bytes, &want, limits);
    for page in dumps.proxies.iter().chain(&dumps.views).chain(&dumps.control_planes).flat_map(|p| &p.pages) {
        let text = page.text.as_str();
        let _ = (status(text), mesh_envoy::ztunnel::read(text), syncz::read(text), mesh_envoy::node::name_in(text));
        // Nothing differs from itself.
        if let Ok(report) = diff(text, text) {
            assert!(report.differences.is_empty() && report.missing.is_empty(), "{report:?}");
        }
        // What was replaced stays as it is.
        if let Ok(value) = serde_json::from_str(text) {
            let once = redact(value, Mark::LengthAndHash).into_value();
            assert_eq!(redact(once.clone(), Mark::LengthAndHash).into_value(), once);
        }
    }
}

#[test]
fn any_bytes_are_read_as_dumps_without_harm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    walk(&root.join("fuzz/seeds/sources"), &mut found);
    let seeds = found.len();
    walk(&root.join("testdata/dumps"), &mut found);
    assert!(seeds >= 5 && found.len() > seeds + 5);
    for path in found {
        let bytes = std::fs::read(&path).expect("a seed");
        for cut in 0..8 {
            read_as_dumps(&bytes[..bytes.len() - bytes.len() * cut / 8]);
        }
        // A byte changed here and there.
        for at in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x15;
            read_as_dumps(&changed);
        }
    }
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.is_dir() { walk(&path, out) } else { out.push(path) }
    }
}
