//! `meshctl analyze` and `meshctl validate`.

use crate::args::AnalyzeArgs;
use mesh_analyzers::{Options, analyze};
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use std::process::ExitCode;
use std::sync::Arc;

pub fn run(args: &AnalyzeArgs) -> ExitCode {
    with(args, |_| true)
}

/// The schema part: rules of the `schema` area.
pub fn validate(args: &AnalyzeArgs) -> ExitCode {
    with(args, |rule| rule.name.starts_with("schema"))
}

fn with(args: &AnalyzeArgs, wanted: impl Fn(&mesh_analyzers::Rule) -> bool + Sync) -> ExitCode {
    let mut snapshot = Snapshot::new();
    let paths: Vec<String> = args.paths.iter().chain(&args.files).cloned().collect();
    mesh_collectors::manifests::read(&mut snapshot, &paths, Role::Judged, 0);
    mesh_resolver::assumed::add_ingress_gateway(&mut snapshot);
    snapshot.mesh_config = args.mesh_config.as_deref().and_then(tree);
    snapshot.mesh_networks = args.mesh_networks.as_deref().and_then(tree);
    if args.complete {
        snapshot.completeness = Completeness::Complete;
    }
    let mesh = Mesh::new(&snapshot);
    let options = Options::default();
    let report = analyze(&mesh, &options, wanted);
    let list: Vec<serde_json::Value> = report
        .findings
        .iter()
        .map(|f| {
            let p = f.at.position();
            serde_json::json!({
                "code": f.code.id, "level": f.level.name(), "origin": f.object.origin(), "message": f.message,
                "reference": format!("{}:{}", f.at.source().name(), p.line), "path": f.path(),
            })
        })
        .collect();
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&list).unwrap_or_default());
    ExitCode::from(if report.findings.iter().any(|f| f.level == mesh_analyzers::Level::Error) { 79 } else { 0 })
}

fn tree(path: &str) -> Option<Arc<mesh_model::Tree>> {
    let source = Source::new(path, std::fs::read_to_string(path).ok()?);
    let span = mesh_model::Span::new(0, source.text().len());
    mesh_model::yaml::parse_document(&source, span, mesh_model::yaml::Limits::default()).tree.map(Arc::new)
}
