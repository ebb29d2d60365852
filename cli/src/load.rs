//! Reading a world into a snapshot.

use crate::cluster::{self, Access, Input};
use crate::settings::Settings;
use crate::status::Failure;
use crate::worlds::{Command, Plan};
use mesh_collectors::manifests;
use mesh_model::{Completeness, Kind, Object, ProblemKind, Role, Snapshot, Source, Span, Tree};
use std::path::Path;
use std::sync::Arc;

/// A world as read.
pub struct Loaded {
    pub snapshot: Snapshot,
    /// What was asked for and could not be seen, beside the judged input itself.
    pub unseen: Vec<String>,
    /// The contexts of the clusters that were read.
    pub clusters: Vec<String>,
    /// The first so many objects come from them, each with a source of its own.
    pub of_clusters: usize,
}

/// What every world shares.
pub struct Shared {
    pub mesh_config: Option<Arc<Tree>>,
    pub mesh_networks: Option<Arc<Tree>>,
    pub access: Access,
}

impl Shared {
    pub fn read(mesh_config: Option<&Path>, mesh_networks: Option<&Path>, access: Access) -> Result<Shared, Failure> {
        Ok(Shared { mesh_config: mesh_config.map(document).transpose()?, mesh_networks: mesh_networks.map(document).transpose()?, access })
    }
}

/// A file with one mapping in YAML or JSON.
pub fn document(path: &Path) -> Result<Arc<Tree>, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{name}: {e}")))?;
    let source = Source::new(name.as_str(), text);
    let span = Span::new(0, source.text().len());
    let parsed = mesh_model::yaml::parse_document(&source, span, mesh_model::yaml::Limits::default());
    if let Some(error) = parsed.error {
        let at = source.position(error.span.start);
        return Err(Failure::input(format!("{name}:{}:{}: {}", at.line, at.column, error.message)));
    }
    match parsed.tree {
        Some(tree) if tree.root().is_mapping() => Ok(Arc::new(tree)),
        _ => Err(Failure::input(format!("{name}: this is no mapping of settings"))),
    }
}

/// Reads a world. A cluster that is all there is to read, and gives nothing, is an error; the rest is a problem of the
/// snapshot.
pub fn load(plan: &Plan, settings: &Settings, base_dir: &Path, shared: &Shared, say: &dyn Fn(&str)) -> Result<Loaded, Failure> {
    let mut snapshot = Snapshot::new();
    let mut unseen = Vec::new();
    snapshot.world.clone_from(&plan.name);
    snapshot.as_of = settings.as_of;
    let excluded = |path: &Path| settings.exclude.as_ref().is_some_and(|set| set.is_match(crate::suppress::relative(&path.display().to_string(), base_dir)));
    let read = |snapshot: &mut Snapshot, paths: &[String], role, cluster| {
        manifests::read_with(snapshot, paths, &manifests::Options { role, cluster, progress: None, exclude: Some(&excluded) });
    };
    let has_unnamed = !plan.paths.is_empty() || plan.command.is_some() || plan.clusters.is_empty();
    if !has_unnamed {
        snapshot.clusters.clear();
    }
    let is_all = plan.paths.is_empty() && plan.clusters.is_empty() && plan.command.is_none();
    let input = if is_all { Input::Clusters } else { Input::FilesToo };
    let clusters = shared.access.read_all(&plan.live, input, &mut snapshot, &mut unseen)?;
    let of_clusters = snapshot.objects.len();
    read(&mut snapshot, &plan.paths, Role::Judged, 0);
    for (name, dir) in &plan.clusters {
        let index = u16::try_from(snapshot.clusters.len()).unwrap_or(u16::MAX);
        snapshot.clusters.push(name.clone());
        read(&mut snapshot, std::slice::from_ref(dir), Role::Judged, index);
    }
    if let Some(command) = &plan.command {
        say(&format!("runs `{}` for world {}", command.words.join(" "), plan.name));
        match run(command) {
            Ok(bytes) => manifests::add(&mut snapshot, &format!("({})", command.words.join(" ")), bytes, Role::Judged, 0),
            Err(why) => unseen.push(format!("world {}: {why}", plan.name)),
        }
    }
    let of_clusters = cluster::forget_replaced(&mut snapshot, of_clusters);
    // What can't be read of the judged input is unreadable; what is only consulted makes the answer a partial one.
    let judged = snapshot.problems.len();
    read(&mut snapshot, &plan.consulted, Role::Consulted, 0);
    for problem in snapshot.problems.split_off(judged) {
        if matches!(problem.kind, ProblemKind::Unreadable | ProblemKind::Syntax) {
            unseen.push(format!("{}: {}", problem.subject, problem.message));
        }
    }
    // What a recording could not see is no problem of its objects.
    unseen.extend(snapshot.problems.extract_if(.., |p| p.kind == ProblemKind::Unseen).map(|p| format!("{}: {}", p.subject, p.message)));
    if plan.live.is_empty() {
        mesh_resolver::assumed::add_ingress_gateway(&mut snapshot);
    }
    if shared.mesh_config.is_some() {
        snapshot.mesh_config = shared.mesh_config.clone().map(Object::mesh_config);
    }
    if shared.mesh_networks.is_some() {
        snapshot.mesh_networks = shared.mesh_networks.clone().map(Object::mesh_networks);
    }
    if plan.complete {
        snapshot.completeness = Completeness::Complete;
    }
    Ok(Loaded { snapshot, unseen, clusters, of_clusters })
}

/// Objects that are judged, and of how many files they are.
pub fn judged(loaded: &Loaded) -> (usize, usize) {
    let is_judged = |o: &&Object| o.role == Role::Judged && o.kind != Kind::Other;
    let (of_clusters, of_files) = loaded.snapshot.objects.split_at(loaded.of_clusters);
    let (mut objects, mut files) = (of_clusters.iter().filter(is_judged).count(), 0);
    let mut last: Option<&Arc<Source>> = None;
    for object in of_files.iter().filter(is_judged) {
        objects += 1;
        if last.is_none_or(|l| !Arc::ptr_eq(l, object.source())) {
            files += 1;
            last = Some(object.source());
        }
    }
    (objects, files)
}

fn run(command: &Command) -> Result<Vec<u8>, String> {
    let Some((program, arguments)) = command.words.split_first() else { return Err("the command is empty".to_owned()) };
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(&command.dir)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| format!("`{program}` can't be run: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("").trim().to_owned();
        return Err(format!("`{}` failed ({}): {last}", command.words.join(" "), output.status));
    }
    Ok(output.stdout)
}
