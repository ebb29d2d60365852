//! Which worlds are analysed: the input as typed, or those of `.meshctl.toml` that it touches.

use crate::args::{InputArgs, KubeArgs};
use crate::cluster;
use crate::config::{self, Config, World};
use crate::status::Failure;
use mesh_model::Role;
use std::path::{Path, PathBuf};

/// One world to read.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// "" for the ordinary, single world.
    pub name: String,
    pub paths: Vec<String>,
    pub clusters: Vec<(String, String)>,
    pub consulted: Vec<String>,
    pub command: Option<Command>,
    /// Clusters that are read.
    pub live: Vec<cluster::Source>,
    pub complete: bool,
    /// Findings are shown only of what lies here; everything when empty.
    pub only: Vec<PathBuf>,
}

/// A program whose output is manifests.
#[derive(Clone, Debug)]
pub struct Command {
    pub words: Vec<String>,
    pub dir: PathBuf,
}

/// What to type, for one who typed nothing.
pub const NOTHING: &str = "\
nothing to analyse: no path is given, and there is no cluster. Type one of
  meshctl analyze DIR                              the manifests in a folder (or files, or globs)
  kustomize build DIR | meshctl analyze -          what a tool renders (`helm template CHART | …` as well)
  meshctl analyze                                  in a repository whose .meshctl.toml has `paths` or [[world]]";

/// What is analysed where nothing is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// The cluster of the current context.
    CurrentCluster,
    Nothing,
}

/// The worlds that the arguments ask for.
pub fn plan(input: &InputArgs, kube: &KubeArgs, unnamed: Unnamed, config: Option<&Config>) -> Result<Vec<Plan>, Failure> {
    let (mut typed, mut live, mut consulted) = (Vec::new(), Vec::new(), Vec::new());
    let mut named_here = Vec::new();
    for word in input.paths.iter().chain(&input.from) {
        match (cluster::Source::parse(word, Role::Judged), of_cluster(word, "")) {
            (Some(source), _) => live.push(source),
            (None, Some(cluster)) => named_here.push(cluster),
            (None, None) => typed.push(word.clone()),
        }
    }
    for word in &input.world {
        match cluster::Source::parse(word, Role::Consulted) {
            Some(source) => live.push(source),
            None => consulted.push(word.clone()),
        }
    }
    // `kube` and `--context NAME` together mean one cluster, the named one.
    let mut named = kube.context.iter().chain(&kube.remote_contexts).cloned();
    if let Some(source) = live.iter_mut().find(|s| s.context.is_none()) {
        source.context = named.next();
    }
    live.extend(named.map(|context| cluster::Source { context: Some(context), role: Role::Judged }));
    for (i, source) in live.iter().enumerate() {
        if live.iter().take(i).any(|s| s.context == source.context) {
            return Err(Failure::usage(format!("the cluster `{}` is named twice", source.name())));
        }
    }
    if let Some(bad) = typed.iter().chain(&input.world).find(|p| p.is_empty()) {
        return Err(Failure::usage(format!("a path is empty: `{bad}`")));
    }
    let stdin = typed.iter().chain(&input.world).filter(|p| *p == "-").count();
    if stdin > 1 {
        return Err(Failure::usage("standard input (`-`) can be read once only"));
    }
    let mut clusters = input.cluster.iter().map(|text| cluster(text)).collect::<Result<Vec<_>, _>>()?;
    clusters.extend(named_here);
    check_names(&clusters)?;
    let ordinary = |paths: Vec<String>| {
        let file = config.map(|c| &c.file);
        let more = config.into_iter().flat_map(|c| c.file.consulted.iter().map(|p| config::shown(&c.dir, p)));
        Plan {
            paths,
            clusters: clusters.clone(),
            consulted: consulted.iter().cloned().chain(more).collect(),
            live: live.clone(),
            complete: input.complete || file.is_some_and(|f| f.complete),
            ..Plan::default()
        }
    };
    let Some(config) = config.filter(|c| !c.file.world.is_empty() || !c.file.paths.is_empty()) else {
        let mut plan = ordinary(typed);
        if plan.paths.is_empty() && clusters.is_empty() && !live.iter().any(|s| s.role == Role::Judged) {
            match unnamed {
                Unnamed::Nothing => return Err(Failure::usage(NOTHING)),
                Unnamed::CurrentCluster => plan.live.push(cluster::Source { context: None, role: Role::Judged }),
            }
        }
        return Ok(vec![plan]);
    };
    let world = |w: &World, only: Vec<PathBuf>| Plan {
        name: w.name.clone(),
        paths: w.paths.iter().map(|p| config::shown(&config.dir, p)).collect(),
        command: w.command.as_ref().map(|c| Command { words: c.split(), dir: config.dir.clone() }),
        consulted: consulted.iter().cloned().chain(config.file.consulted.iter().chain(&w.consulted).map(|p| config::shown(&config.dir, p))).collect(),
        complete: input.complete || w.complete || config.file.complete,
        only,
        clusters: Vec::new(),
        live: live.iter().filter(|s| s.role == Role::Consulted).cloned().collect(),
    };
    if typed.is_empty() && clusters.is_empty() && !live.iter().any(|s| s.role == Role::Judged) {
        let mut plans: Vec<Plan> = config.file.world.iter().map(|w| world(w, Vec::new())).collect();
        if !config.file.paths.is_empty() {
            plans.insert(0, ordinary(config.file.paths.iter().map(|p| config::shown(&config.dir, p)).collect()));
        }
        return Ok(plans);
    }
    // A path that holds a world's folder asks for that world; one inside of it asks for that part of its findings.
    let mut plans = Vec::new();
    let mut left = vec![true; typed.len()];
    for w in &config.file.world {
        let roots: Vec<PathBuf> = if w.paths.is_empty() { vec![config.dir.clone()] } else { w.paths.iter().map(|p| absolute(&config.dir.join(p))).collect() };
        let (mut whole, mut only) = (false, Vec::new());
        for (i, path) in typed.iter().enumerate().filter(|(_, p)| *p != "-") {
            let path = absolute(Path::new(path));
            if roots.iter().any(|r| r.starts_with(&path)) {
                whole = true;
            } else if !w.paths.is_empty() && roots.iter().any(|r| path.starts_with(r)) {
                only.push(path);
            } else {
                continue;
            }
            left[i] = false;
        }
        if whole || !only.is_empty() {
            plans.push(world(w, if whole { Vec::new() } else { only }));
        }
    }
    let rest: Vec<String> = typed.into_iter().zip(left).filter(|(_, left)| *left).map(|(path, _)| path).collect();
    if !rest.is_empty() || !clusters.is_empty() || live.iter().any(|s| s.role == Role::Judged) {
        plans.insert(0, ordinary(rest));
    }
    Ok(plans)
}

pub fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_path_buf())
}

/// A cluster among sources: `NAME=PATH`, where the path is there and no file has the whole as its name. Its name, and the path
/// from `base` on, "" for the working directory.
pub fn of_cluster(word: &str, base: &str) -> Option<(String, String)> {
    let (name, path) = word.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let path = Path::new(base).join(path);
    (is_name && path.exists() && !Path::new(base).join(word).exists()).then(|| (name.to_owned(), path.display().to_string()))
}

/// No two clusters have one name.
pub fn check_names(clusters: &[(String, String)]) -> Result<(), Failure> {
    let again = clusters.iter().enumerate().find(|(i, (name, _))| clusters.iter().take(*i).any(|(n, _)| n == name));
    again.map_or(Ok(()), |(_, (name, _))| Err(Failure::usage(format!("two clusters are named `{name}`"))))
}

fn cluster(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, dir)) if !name.is_empty() && !dir.is_empty() => Ok((name.to_owned(), dir.to_owned())),
        _ => Err(Failure::usage(format!("--cluster takes NAME=DIR, not `{text}`"))),
    }
}
