//! What a proxy would hold of a mesh that is known from manifests.

use crate::load::document;
use crate::status::Failure;
use mesh_collectors::manifests;
use mesh_envoy::engine::Configuration;
use mesh_model::{Completeness, Object, Role, Snapshot};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{self, Effect, Model, NotJudged, Proxy, Translation};
use std::path::{Path, PathBuf};

/// What a proxy would hold, and what touches it without being translated.
pub struct Translated {
    pub configuration: Configuration,
    /// What may send its requests elsewhere, or stop them: an object with its place, and a sentence.
    pub not_judged: Vec<String>,
}

/// The translation of the manifests, which are the whole mesh, for one proxy.
pub fn translated(files: &[PathBuf], proxy: &Path, mesh_config: Option<&Path>) -> Result<Translated, Failure> {
    let mut snapshot = Snapshot::new();
    let paths: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    manifests::read_with(&mut snapshot, &paths, &manifests::Options { role: Role::Judged, cluster: 0, progress: None, exclude: None });
    if let Some(problem) = snapshot.problems.first() {
        return Err(Failure::input(format!("{}: {}", problem.subject, problem.message)));
    }
    snapshot.completeness = Completeness::Complete;
    if let Some(file) = mesh_config {
        snapshot.mesh_config = Some(Object::mesh_config(document(file)?));
    }
    let mesh = Mesh::as_watched(&snapshot, translate::domain_of(&snapshot));
    let node = document(proxy)?;
    let proxy = Proxy::from_node(node.root()).map_err(|e| Failure::input(format!("{}: {e}", proxy.display())))?;
    let translation = Model::new(&mesh).translate(&proxy);
    let configuration = Configuration::read(&translation.resources()).map_err(|e| Failure::Other(format!("the translation: {e}")))?;
    Ok(Translated { configuration, not_judged: not_judged(&translation) })
}

/// What may send a proxy's requests elsewhere, or stop them, and is not translated.
pub fn not_judged(translation: &Translation<'_>) -> Vec<String> {
    translation.not_judged.iter().filter(|n| n.effect == Effect::Traffic).map(said).collect()
}

fn said(n: &NotJudged<'_>) -> String {
    match n.origin {
        Some(o) => format!("{} ({}:{}): {}", o.object.origin(), o.node.source().name(), o.node.position().line, n.what),
        None => n.what.to_string(),
    }
}
