//! Access logs against what was requested when they were recorded.

use mesh_analyzers::explain::log::{Group, Log};
use mesh_analyzers::explain::proxy::Proxy;
use mesh_analyzers::explain::responsible::responsible;
use mesh_envoy::access_log::{Line, Origin, Reader};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The recordings beside the repository, if they are there.
#[allow(clippy::print_stderr)] // A skipped test says so.
fn recorded(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/conformance/recorded").join(name);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

/// The one group of one line; `None` where the line is fine.
fn group(line: &str) -> Option<Group> {
    let reader = Reader::default();
    let Line::Entry(entry) = reader.read(line) else { panic!("{line}") };
    let mut log = Log::default();
    log.add(&entry, &Origin::default(), &|| reader.sample(line));
    log.groups().first().map(|g| (*g).clone())
}

fn truth() -> Vec<(usize, [String; 3])> {
    let text = read(&root().join("testdata/access-log/truth.tsv"));
    let rows = text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect::<Vec<_>>());
    rows.map(|r| (r[0].parse().expect("a line number"), [r[2].to_owned(), r[3].to_owned(), r[4].to_owned()])).collect()
}

#[test]
fn every_line_has_its_cause_and_cluster() {
    let text = read(&root().join("testdata/access-log/istio-text.log"));
    let lines: Vec<&str> = text.lines().collect();
    let truth = truth();
    assert_eq!(truth.len(), lines.len());
    for (number, [cause, cluster, _]) in truth {
        let found = group(lines[number - 1]);
        let id = found.as_ref().map_or("-", |g| g.causes().first().map_or("unknown", |c| c.id));
        assert_eq!(id, cause, "line {number}");
        if let Some(g) = found {
            assert_eq!(if g.cluster.is_empty() { "-" } else { &g.cluster }, cluster, "line {number}");
        }
    }
}

#[test]
fn the_dump_of_the_gateway_names_what_is_behind_each_line() {
    let Some(folder) = recorded("accesslog-labelled") else { return };
    let proxy = Proxy::read(&read(&folder.join("config_dump.json"))).expect("a dump");
    let text = read(&folder.join("envoy.log"));
    let mut wrong = Vec::new();
    for (number, [_, _, says]) in truth().into_iter().filter(|(_, t)| t[2] != "-") {
        let g = group(text.lines().nth(number - 1).expect("a line")).expect("a failure");
        let found = responsible(&proxy, &g);
        if !found.objects.iter().chain(&found.facts).any(|t| t.contains(&says)) {
            wrong.push(format!("line {number}: `{says}` is not in {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_failure_of_the_recorded_mesh_is_explained_by_its_own_proxys_dump() {
    let Some(folder) = recorded("bookinfo") else { return };
    let mut logs: Vec<PathBuf> = std::fs::read_dir(folder.join("accesslog")).expect("logs").flatten().map(|e| e.path()).collect();
    logs.retain(|p| p.extension().is_some_and(|e| e == "jsonl"));
    logs.sort();
    let (mut wrong, mut failures) = (Vec::new(), 0);
    for log in &logs {
        let pod = log.file_stem().and_then(|s| s.to_str()).expect("a name");
        let proxy = Proxy::read(&read(&folder.join("envoy").join(pod).join("config_dump_include_eds.json"))).expect("a dump");
        for g in read(log).lines().filter_map(group).filter(|g| g.status >= 400 || g.status == 0) {
            failures += 1;
            let found = responsible(&proxy, &g);
            if g.causes().is_empty() || found.is_empty() {
                wrong.push(format!("{pod}: {} {} {} {}: {found:?}", g.status, g.flags, g.details, g.cluster));
            }
            // What is known of the mesh.
            let want = match (g.status, g.details.as_str()) {
                (503, "fault_filter_abort") => "VirtualService bookinfo/ratings",
                (504, _) | (503, "no_healthy_upstream") => "VirtualService bookinfo/reviews",
                (403, "rbac_access_denied_matched_policy[none]") => "AuthorizationPolicy bookinfo/ratings-callers",
                (429, "local_rate_limited") => "EnvoyFilter",
                (0, "filter_chain_not_found") => "STRICT",
                (503, "upstream_reset_before_response_started{overflow}") => "DestinationRule bookinfo/reviews",
                (404, _) if g.sample.contains("unknown.example.com") => "no virtual host has the authority",
                (404, _) => "VirtualService bookinfo/bookinfo",
                _ => "",
            };
            if !found.objects.iter().chain(&found.facts).any(|t| t.contains(want)) {
                wrong.push(format!("{pod}: {} {} {}: `{want}` is not in {found:?}", g.status, g.flags, g.details));
            }
        }
    }
    wrong.dedup();
    assert!(failures > 80, "{failures}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
