//! The examples of an ordinary Istio guide, each alone and with the objects around it.

use mesh_analyzers::{Level, Options, analyze};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;

/// (code, level, message and help) of all findings on files of a folder of testdata/guide.
fn of(folder: &str, files: &[&str], completeness: Completeness) -> Vec<(&'static str, Level, String)> {
    let mut snapshot = Snapshot::new();
    for file in files {
        let path = format!("{}/../testdata/guide/{folder}/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
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

fn findings(files: &[&str], completeness: Completeness) -> Vec<(&'static str, Level, String)> {
    of("canary", files, completeness)
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

#[test]
fn the_circuit_breaker_is_warned_of() {
    let alone = of("circuit-breaker", &["destination-rule"], Completeness::Part);
    let around = of("circuit-breaker", &["destination-rule", "around"], Completeness::Complete);
    for found in [alone, around] {
        let warnings: Vec<_> = found.iter().filter(|(_, level, _)| *level != Level::Info).collect();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().all(|(_, level, _)| *level == Level::Warning), "{warnings:?}");
        assert!(warnings.iter().any(|(.., m)| m.contains("rejects the second concurrent request with 503 UO")), "{warnings:?}");
        assert!(warnings.iter().any(|(.., m)| m.contains("can eject every endpoint")), "{warnings:?}");
    }
}

#[test]
fn a_principal_needs_mtls_and_the_mode_is_told() {
    let mode = |files: &[&str], completeness| {
        let found = of("principal", files, completeness);
        let about: Vec<_> = found.into_iter().filter(|(code, ..)| *code == "KIA0105").collect();
        assert!(about.len() < 2, "{about:?}");
        about.into_iter().next()
    };
    for (files, completeness) in [(&["authorization-policy"][..], Completeness::Part), (&["authorization-policy", "around"], Completeness::Complete)] {
        let (_, level, text) = mode(files, completeness).expect("the mode");
        assert!(level == Level::Info && text.contains("needs mTLS") && text.contains("PERMISSIVE, the default"), "{text}");
    }
    let (_, level, text) = mode(&["authorization-policy", "around", "disable"], Completeness::Complete).expect("the mode");
    assert!(level == Level::Warning && text.contains("DISABLE"), "{text}");
    assert_eq!(mode(&["authorization-policy", "around", "strict"], Completeness::Complete), None);
    let found = of("principal", &["authorization-policy", "around", "strict"], Completeness::Complete);
    assert!(found.iter().all(|(_, level, _)| *level == Level::Info), "{found:?}");
}

#[test]
fn an_external_https_service_is_fine() {
    for completeness in [Completeness::Part, Completeness::Complete] {
        let found = of("external-service", &["service-entry"], completeness);
        assert!(found.iter().all(|(_, level, _)| *level == Level::Info), "{found:?}");
    }
}
