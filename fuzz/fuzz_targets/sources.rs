//! Any bytes as a dump or an archive of dumps: no panic, bounded, and what is read of them makes sense.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_collectors::dumps::{Limits, Want, read_stream, syncz};
use mesh_envoy::diff::diff;
use mesh_envoy::dump::status::status;
use mesh_envoy::identify::Content;
use mesh_envoy::redact::{Mark, redact};

const ALL: &[Content] = &[Content::ConfigDump, Content::Clusters, Content::Ztunnel, Content::Syncz, Content::OtherJson];

fuzz_target!(|bytes: &[u8]| {
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
        // What was replaced stays as it is, and the matching engine compiles anything.
        if let Ok(value) = serde_json::from_str(text) {
            let _ = mesh_envoy::engine::Configuration::read(&value);
            let once = redact(value, Mark::LengthAndHash).into_value();
            assert_eq!(redact(once.clone(), Mark::LengthAndHash).into_value(), once);
        }
    }
});
