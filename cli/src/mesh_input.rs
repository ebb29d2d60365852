//! Manifests, clusters and dumps among the sources of a question about the mesh: what a source is is found out by content.

use crate::args::mesh::MeshArgs;
use crate::args::{AnalyzeArgs, Cli, Command};
use crate::cluster::{Access, Source};
use crate::context::Context;
use crate::dump;
use crate::load::{self, Shared};
use crate::settings::Settings;
use crate::status::{Failure, Status};
use crate::worlds::Plan;
use clap::Parser;
use mesh_collectors::{dumps, recording};
use mesh_envoy::identify::Content;
use mesh_model::{ProblemKind, Role, Snapshot};
use mesh_resolver::why::Held;
use serde_json::Value;
use std::path::Path;

/// What was read.
pub struct Input {
    pub snapshot: Snapshot,
    /// What proxies hold, by the order of the sources.
    pub held: Vec<Held>,
    /// Their dumps, in the same order.
    pub dumps: Vec<Value>,
    /// What could not be read.
    pub unreadable: Vec<String>,
    /// What was asked for and could not be seen.
    pub unseen: Vec<String>,
}

impl Input {
    /// The status that the input alone makes.
    pub fn status(&self, context: &Context) -> Status {
        let unseen = if self.unseen.is_empty() { Status::Fine } else { context.partial };
        if self.unreadable.is_empty() { unseen } else { Status::Unreadable.max(unseen) }
    }
    pub fn problems(&self) -> impl Iterator<Item = &String> {
        self.unreadable.iter().chain(&self.unseen)
    }
}

/// Reads all sources.
pub fn read(args: &MeshArgs, context: &Context) -> Result<Input, Failure> {
    read_sources(args, &args.from, context)
}

/// The same of other sources than those that the arguments name.
pub fn read_sources(args: &MeshArgs, from: &[String], context: &Context) -> Result<Input, Failure> {
    if from.is_empty() {
        return Err(Failure::usage("name what to answer from with -f: manifests, config dumps, folders of both, or `kube` for the current cluster"));
    }
    let (mut manifests, mut live, mut held, mut unreadable) = (Vec::new(), Vec::new(), Vec::<(Held, Value)>::new(), Vec::new());
    for word in from {
        if let Some(source) = Source::parse(word, Role::Judged) {
            live.push(source);
            continue;
        }
        let before = held.len();
        let source = if word == "-" { None } else { dumps::Source::parse(word).ok() };
        if let Some(source) = source.filter(|s| !matches!(s, dumps::Source::Path(path) if !recording::is_there(path))) {
            let found = dump::proxies(&source)?;
            for page in found.proxies.iter().flat_map(|p| &p.pages).filter(|p| p.content == Content::ConfigDump) {
                let read = |v: Value| Held::read(&page.origin, &v).map(|h| (h, v)).map_err(|e| e.to_string());
                match serde_json::from_str(&page.text).map_err(|e| e.to_string()).and_then(read) {
                    Ok(one) => keep(&mut held, one),
                    Err(e) => unreadable.push(format!("{}: {e}", page.origin)),
                }
            }
            if held.len() > before && !matches!(&source, dumps::Source::Path(path) if path.is_dir() || recording::find(path).is_some()) {
                continue;
            }
        }
        manifests.push(word.clone());
    }
    let mut unseen = Vec::new();
    let mut snapshot = Snapshot::new();
    if !manifests.is_empty() || !live.is_empty() {
        let analyze = analyze_args(args, &manifests)?;
        let settings = Settings::new(&analyze, context, None)?;
        let access = Access::new(&analyze.kube, &analyze.input.istio_namespace, &analyze.input.namespace)?;
        let shared = Shared::read(args.mesh_config.as_deref(), None, access)?;
        let plan = Plan { paths: manifests, live, complete: args.complete, ..Plan::default() };
        let loaded = load::load(&plan, &settings, Path::new("."), &shared, &|text| context.note(text))?;
        unseen = loaded.unseen;
        snapshot = loaded.snapshot;
        for p in &snapshot.problems {
            match p.kind {
                ProblemKind::Unreadable | ProblemKind::Syntax => unreadable.push(format!("{}: {}", p.subject, p.message)),
                ProblemKind::HelmTemplate | ProblemKind::Kustomize => unseen.push(format!("{}: {}", p.subject, p.message)),
                ProblemKind::Unseen => unseen.push(format!("{}: {}", p.subject, p.message)),
                ProblemKind::Ignored => {}
            }
        }
    }
    snapshot.as_of = mesh_model::Timestamp(context.now);
    let (held, dumps) = held.into_iter().unzip();
    Ok(Input { snapshot, held, dumps, unreadable, unseen })
}

/// Of two dumps of a proxy the one with endpoints counts.
fn keep(held: &mut Vec<(Held, Value)>, one: (Held, Value)) {
    match held.iter_mut().find(|(h, _)| h.name == one.0.name && h.addresses == one.0.addresses) {
        Some(known) if known.0.configuration.assignments.len() < one.0.configuration.assignments.len() => *known = one,
        Some(_) => {}
        None => held.push(one),
    }
}

/// The call of `analyze` that reads the same.
fn analyze_args(args: &MeshArgs, paths: &[String]) -> Result<Box<AnalyzeArgs>, Failure> {
    let words = ["meshctl", "analyze", "--no-config"].into_iter().map(str::to_owned);
    let words = words.chain(args.complete.then(|| "--complete".to_owned())).chain(["--".to_owned()]).chain(paths.iter().cloned());
    match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::Analyze(args))) => Ok(args),
        Ok(_) => Err(Failure::none("`analyze` is not called so")),
        Err(e) => Err(Failure::usage(e.to_string())),
    }
}
