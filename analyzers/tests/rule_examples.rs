//! Every Bad example of a rule's comment must yield its code, every Good one must not.

use mesh_analyzers::{Options, analyze, code_of_problem};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use std::path::{Path, PathBuf};

fn rule_files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).expect("rules folder").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rule_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// (code, is it the bad one, how much of the mesh it is, yaml)
fn examples(text: &str) -> Vec<(String, bool, Completeness, String)> {
    let mut out = Vec::new();
    let (mut code, mut bad, mut yaml) = (String::new(), None, None::<String>);
    let mut completeness = Completeness::Complete;
    for line in text.lines().take_while(|l| l.starts_with("//!") || l.is_empty()) {
        let line = line.strip_prefix("//!").unwrap_or("");
        let line = line.strip_prefix(' ').unwrap_or(line);
        if let Some(body) = &mut yaml {
            if line.trim() == "```" {
                if let Some(bad) = bad {
                    out.push((code.clone(), bad, completeness, yaml.take().unwrap_or_default()));
                }
                yaml = None;
            } else {
                body.push_str(line);
                body.push('\n');
            }
        } else if let Some(rest) = line.strip_prefix("## ") {
            completeness = Completeness::Complete;
            code = rest.split_whitespace().next().unwrap_or("").to_owned();
            bad = None;
        } else if line.starts_with("**Bad**") || line.starts_with("**Good**") {
            bad = Some(line.starts_with("**Bad**"));
            completeness = if line.ends_with("(in a part of a mesh)") { Completeness::Part } else { Completeness::Complete };
        } else if line.trim() == "```yaml" {
            yaml = Some(String::new());
        }
    }
    out
}

fn codes_of(yaml: &str, completeness: Completeness) -> Vec<String> {
    let mut snapshot = Snapshot::new();
    // `# meshctl: cluster NAME` begins the documents of another cluster.
    const CLUSTER: &str = "# meshctl: cluster ";
    let mut parts: Vec<&str> = yaml.split(CLUSTER).collect();
    if parts.len() > 1 {
        parts.remove(0);
        snapshot.clusters = parts.iter().map(|p| p.lines().next().unwrap_or("").to_owned()).collect();
        parts = parts.iter().map(|p| p.split_once('\n').map_or("", |(_, rest)| rest)).collect();
    }
    for (cluster, text) in parts.into_iter().enumerate() {
        let source = Source::new("example.yaml", text);
        let manifest = read_manifest(&source, Role::Judged, cluster as u16, Limits::default());
        snapshot.add(&source, manifest);
    }
    mesh_resolver::assumed::add_ingress_gateway(&mut snapshot);
    snapshot.completeness = completeness;
    let mesh = Mesh::new(&snapshot);
    let options = Options::default();
    let problems = snapshot.problems.iter().filter_map(|p| Some(format!("{} {}", code_of_problem(p.kind)?.id, p.message)));
    let report = analyze(&mesh, &options, |_| true);
    problems.chain(report.findings.iter().map(|f| format!("{} {} {}", f.code.id, f.object.origin(), f.message))).collect()
}

#[test]
fn every_example_does_what_it_says() {
    let mut files = Vec::new();
    rule_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules"), &mut files);
    let mut problems = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("rule");
        let found = examples(&text);
        for code in text.lines().filter_map(|l| l.strip_prefix("//! ## ")).filter_map(|l| l.split_whitespace().next()) {
            for bad in [true, false] {
                if !found.iter().any(|(c, b, ..)| c == code && *b == bad) {
                    problems.push(format!("{}: {code} has no {} example", file.display(), if bad { "Bad" } else { "Good" }));
                }
            }
        }
        for (code, bad, completeness, yaml) in found {
            let codes = codes_of(&yaml, completeness);
            let broken = codes.iter().any(|c| c.starts_with("MSH0001"));
            if codes.iter().any(|c| c.starts_with(&code)) != bad || (broken && code != "MSH0001") {
                problems.push(format!("{}: {code} {} example gives {codes:#?}", file.display(), if bad { "Bad" } else { "Good" }));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
