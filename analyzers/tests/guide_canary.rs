//! The canary of an ordinary guide: subsets that no DestinationRule defines.

use mesh_analyzers::{Level, Options, analyze};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;

/// (code, level, message and help) of all findings.
fn findings(files: &[&str], completeness: Completeness) -> Vec<(&'static str, Level, String)> {
    let mut snapshot = Snapshot::new();
    for file in files {
        let path = format!("{}/../testdata/guide/canary/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let source = Source::new(*file, std::fs::read_to_string(path).expect("fixture"));
        let manifest = read_manifest(&source, Role::Judged, 0, Limits::default());
        snapshot.add(&source, manifest);
    }
    snapshot.completeness = completeness;
    let mesh = Mesh::new(&snapshot);
    let options = Options::default();
    let report = analyze(&mesh, &options, |_| true);
    report.findings.iter().map(|f| (f.code.id, f.level, format!("{} {}", f.message, f.help.as_deref().unwrap_or("")))).collect()
}

#[test]
fn alone_it_is_not_judged_and_the_rule_is_offered() {
    for files in [&["virtual-service"][..], &["virtual-service", "service"]] {
        let found = findings(files, Completeness::Part);
        assert!(found.iter().all(|(_, level, _)| *level == Level::Info), "{found:?}");
        let (_, _, text) = found.iter().find(|(code, ..)| *code == "MSH0121").expect("the offer");
        for part in ["`v1` (80%)", "`v2` (20%)", "kind: DestinationRule", "host: reviews", "- name: v2\n    labels:\n      version: v2"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn where_it_is_known_each_subset_is_an_error_with_its_share() {
    let lacking = findings(&["virtual-service", "service", "destination-rule-without-subsets"], Completeness::Part);
    let complete = findings(&["virtual-service", "service"], Completeness::Complete);
    for found in [lacking, complete] {
        let errors: Vec<_> = found.iter().filter(|(_, level, _)| *level == Level::Error).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors.iter().all(|(code, ..)| *code == "IST0101"), "{errors:?}");
        assert!(errors.iter().any(|(.., m)| m.contains("80%")) && errors.iter().any(|(.., m)| m.contains("20%")), "{errors:?}");
    }
}

#[test]
fn with_its_destination_rule_nothing_is_said() {
    assert_eq!(findings(&["virtual-service", "service", "destination-rule"], Completeness::Part), []);
}
