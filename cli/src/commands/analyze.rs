//! `meshctl analyze` and `meshctl validate`.

mod run;
mod summary;
mod unjudged;

use crate::args::AnalyzeArgs;
use crate::baseline::{self, Known};
use crate::cluster::{self, Access};
use crate::config::{self, Config};
use crate::context::{Context, Notes};
use crate::entry::{Age, Entry};
use crate::git::Tree;
use crate::load::Shared;
use crate::output::{Amount, Style, give};
use crate::settings::Settings;
use crate::status::{Failure, Outcome, Status};
use crate::stdio::{self, Progress};
use crate::worlds::{self, Unnamed};
use mesh_analyzers::{codes, rules};
use run::{Answer, Files};

/// Which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    /// The schema and the fields of single objects: `validate`.
    Schema,
}

pub fn run(args: &AnalyzeArgs, part: Part, context: &Context) -> Outcome {
    if args.list.list_analyzers {
        context.answer(&list_analyzers())?;
        return Ok(Status::Fine);
    }
    let config = configuration(args)?;
    let settings = Settings::new(args, context, config.as_ref())?;
    let plans = plans(args, part, config.as_ref())?;
    let access = Access::new(&args.kube, &args.input.istio_namespace, &args.input.namespace, context)?;
    let known = args.select.baseline.as_deref().map(Known::read).transpose()?;

    let note = |text: &str| context.note(text);
    for text in &settings.notes {
        note(text);
    }
    let progress = Progress::start(context.notes);
    let shared = Shared::read(settings.mesh_config.as_deref(), settings.mesh_networks.as_deref(), access.clone())?;
    let mut answer = Answer::default();
    for plan in &plans {
        run::world(plan, &settings, &shared, part, &Files::AsTyped, &progress, &note, &mut answer)?;
    }
    answer.finish(&settings, part);
    let known = match &args.select.base {
        Some(revision) => Some(at_revision(revision, &plans, &settings, part, access, &progress)?),
        None => known,
    };
    drop(progress);

    if args.istioctl.ignore_unknown {
        answer.entries.retain(|e| e.code != &codes::MSH0001);
    }
    let gone = known.map(|k| k.mark(&mut answer.entries));
    let fails = |e: &&Entry| settings.fail_on.is_some_and(|limit| e.level <= limit) && e.age != Some(Age::Known);
    let mut status = Status::Fine;
    if !answer.unseen.is_empty() || !answer.unjudged.is_empty() {
        status = status.max(context.partial);
    }
    if !answer.unreadable.is_empty() || answer.entries.iter().any(|e| e.code == &codes::MSH0001 && e.age != Some(Age::Known)) {
        status = status.max(Status::Unreadable);
    }
    if let Some(path) = &args.select.write_baseline {
        baseline::write(&answer.entries, path)?;
        note(&format!("{} findings are written to {}", answer.entries.len(), path.display()));
        return Ok(status);
    }
    if answer.entries.iter().any(|e| fails(&e)) {
        status = Status::NotFine;
    }
    let is_text = matches!(settings.format, crate::args::Format::Text | crate::args::Format::Log);
    let shown: Vec<&Entry> = answer.entries.iter().filter(|e| e.level <= settings.threshold && !(is_text && e.age == Some(Age::Known))).collect();
    let style = Style {
        format: settings.format,
        compat: settings.compat,
        amount: if args.output.all { Amount::All } else { Amount::Short },
        istio_minor: settings.options.istio_minor,
        status: status.code(),
        fail_on: settings.fail_on,
    };
    // Errors, which nothing silences.
    stdio::notes(&summary::before(&answer));
    stdio::stream(context.out.as_deref(), context.color, &mut |sink| give(&shown, &style, sink))?;
    if context.notes == Notes::Said {
        stdio::notes(&summary::after(&answer, &settings, gone, args.output.verbose));
    }
    // The answer is given; taking the snapshots apart would only take time.
    std::mem::forget(answer);
    Ok(status)
}

/// What [`look`] shows of each world: the indexes, the findings, and what could not be read and why.
pub type Look<'l> = dyn FnMut(&mesh_resolver::Mesh<'_>, &[Entry], &[(String, String)]) + 'l;

/// Reads and judges as `analyze` does, and shows the worlds instead of printing findings.
pub fn look(args: &AnalyzeArgs, context: &Context, show: &mut Look<'_>) -> Result<(), Failure> {
    look_into(args, context, show).map(drop)
}

/// The same; what could not be seen.
pub fn look_into(args: &AnalyzeArgs, context: &Context, show: &mut Look<'_>) -> Result<Vec<String>, Failure> {
    let config = configuration(args)?;
    let settings = Settings::new(args, context, config.as_ref())?;
    let plans = plans(args, Part::All, config.as_ref())?;
    let access = Access::new(&args.kube, &args.input.istio_namespace, &args.input.namespace, context)?;
    let progress = Progress::start(context.notes);
    let shared = Shared::read(settings.mesh_config.as_deref(), settings.mesh_networks.as_deref(), access)?;
    let mut answer = Answer::default();
    for plan in &plans {
        run::look(plan, &settings, &shared, Part::All, &Files::AsTyped, &progress, &|_| {}, &mut answer, &mut |mesh, entries| {
            let mut entries = entries.to_vec();
            run::set_levels(&mut entries, &settings);
            let unread = mesh.snapshot.problems.iter().filter(|p| p.kind == mesh_model::ProblemKind::Unreadable);
            let unread: Vec<(String, String)> = unread.map(|p| (p.subject.clone(), p.message.clone())).collect();
            show(mesh, &entries, &unread);
        })?;
    }
    Ok(answer.unseen)
}

fn configuration(args: &AnalyzeArgs) -> Result<Option<Config>, Failure> {
    if args.input.no_config {
        return Ok(None);
    }
    if let Some(path) = &args.input.config {
        return config::read(path).map(Some);
    }
    let first = args.input.paths.first().or(args.input.from.first()).map(String::as_str);
    let first = first.or_else(|| args.input.cluster.first().and_then(|c| c.split_once('=')).map(|(_, dir)| dir));
    config::find(first)
}

/// The current cluster is read where nothing is named, as istioctl does; beside files only when it is asked for.
fn plans(args: &AnalyzeArgs, part: Part, config: Option<&Config>) -> Result<Vec<worlds::Plan>, Failure> {
    let unnamed = match (part, args.istioctl.use_kube) {
        (Part::Schema, _) | (_, Some(false)) => Unnamed::Nothing,
        (Part::All, _) => Unnamed::CurrentCluster,
    };
    if args.istioctl.use_kube == Some(false) && args.kube.names_cluster() {
        return Err(Failure::usage("--use-kube=false leaves clusters alone, and --context names one"));
    }
    let mut plans = worlds::plan(&args.input, &args.kube, unnamed, config)?;
    if args.istioctl.use_kube == Some(true) {
        for plan in plans.iter_mut().filter(|p| p.live.is_empty()) {
            plan.live.push(cluster::Source { context: None, role: mesh_model::Role::Judged });
        }
    }
    Ok(plans)
}

/// What a revision's tree is found guilty of.
fn at_revision(revision: &str, plans: &[worlds::Plan], settings: &Settings, part: Part, access: Access, progress: &Progress) -> Result<Known, Failure> {
    progress.phase(|| format!("reading revision {revision}"));
    let tree = Tree::new(revision, plans)?;
    let then = |path: &std::path::PathBuf| {
        let mapped = tree.map_path(path);
        if mapped.exists() { mapped } else { path.clone() }
    };
    let shared = Shared::read(settings.mesh_config.as_ref().map(then).as_deref(), settings.mesh_networks.as_ref().map(then).as_deref(), access)?;
    let mut answer = Answer::default();
    for plan in plans {
        run::world(&tree.plan(plan), settings, &shared, part, &Files::OfRevision(&tree), progress, &|_| {}, &mut answer)?;
    }
    answer.finish(settings, part);
    Ok(Known::of(&answer.entries))
}

fn list_analyzers() -> String {
    let mut out = String::new();
    for rule in rules::all() {
        let name = if rule.analyzer.is_empty() { String::new() } else { format!(" ({})", rule.analyzer) };
        let codes: Vec<&str> = rule.codes.iter().map(|c| c.id).collect();
        out.push_str(&format!("{}{name}: {}\n", rule.name, codes.join(", ")));
    }
    out
}
