//! Reading the sources into the world that is shown: manifests judged as `analyze` judges them, and the pages of proxies.

use super::dumps;
use crate::args::{Cli, Command};
use crate::commands::analyze;
use crate::context::Context;
use crate::entry::{Entry, Place};
use crate::output::snippet::snippet;
use crate::status::Failure;
use clap::Parser;
use mesh_model::Snapshot;
use mesh_resolver::Mesh;
use mesh_tui::world::proxies::Pages;
use mesh_tui::world::{Finding, Input, Level, Source, SourceLine, World};
use std::collections::BTreeMap;

/// What to read.
pub struct Request {
    pub paths: Vec<String>,
    pub complete: bool,
    pub context: Context,
}

pub fn world(request: &Request) -> Result<World, Failure> {
    let mut sources = Vec::new();
    let mut proxies = Vec::new();
    let mut manifests = Vec::new();
    for path in &request.paths {
        let found = if path == "-" { dumps::Found::default() } else { dumps::find(path) };
        let count = found.proxies.len();
        if found.is_page {
            sources.push(Source { name: path.clone(), state: Ok("a proxy's state".to_owned()) });
        } else {
            manifests.push(path.clone());
            if count > 0 {
                sources.push(Source { name: path.clone(), state: Ok(format!("{count} {}", if count == 1 { "proxy" } else { "proxies" })) });
            }
        }
        proxies.extend(found.proxies);
    }
    let pages: Vec<Pages<'_>> =
        proxies.iter().map(|p| Pages { name: &p.name, from: &p.from, config_dump: p.config_dump.as_deref(), clusters: p.clusters.as_deref() }).collect();
    let make = |mesh: &Mesh<'_>, entries: &[Entry], mut sources: Vec<Source>, more: Vec<Source>| {
        sources.extend(more);
        let findings: Vec<Finding> = entries.iter().map(finding).collect();
        let explanations: BTreeMap<String, String> =
            findings.iter().map(|f| f.code.clone()).filter_map(|c| Some((c.clone(), crate::explain::page(&c)?.to_owned()))).collect();
        World::new(Input {
            context: request.paths.join(" "),
            arguments: request.paths.iter().map(|p| quoted(p)).collect::<Vec<_>>().join(" "),
            sources,
            mesh,
            findings,
            explanations,
            proxies: pages.clone(),
        })
    };
    if manifests.is_empty() {
        let mut snapshot = Snapshot::new();
        snapshot.as_of = mesh_model::Timestamp(request.context.now);
        return Ok(make(&Mesh::new(&snapshot), &[], sources, Vec::new()));
    }
    let args = analyze_args(&manifests, request.complete)?;
    let mut world = None;
    analyze::look(&args, &request.context, &mut |mesh, entries, problems| {
        // Of several worlds in a configuration the first is shown, and that there are more is said.
        match &mut world {
            None => {
                let mut more = Vec::new();
                let objects = mesh.snapshot.objects.len();
                more.push(Source { name: manifests.join(" "), state: Ok(format!("{objects} objects")) });
                more.extend(problems.iter().map(|(name, why)| Source { name: name.clone(), state: Err(why.clone()) }));
                world = Some(make(mesh, entries, sources.clone(), more));
            }
            Some(world) => {
                let name = format!("world {}", mesh.snapshot.world);
                world.sources.push(Source { name, state: Err("only the first world of a configuration is shown; name its folder".to_owned()) });
            }
        }
    })?;
    world.ok_or_else(|| Failure::usage("nothing to look at"))
}

/// The call of `analyze` whose answer is shown.
fn analyze_args(paths: &[String], complete: bool) -> Result<Box<crate::args::AnalyzeArgs>, Failure> {
    let words = ["meshctl", "analyze"].into_iter().map(str::to_owned);
    let words = words.chain(complete.then(|| "--complete".to_owned())).chain(["--".to_owned()]).chain(paths.iter().cloned());
    match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::Analyze(args))) => Ok(args),
        Ok(_) => Err(Failure::none("`analyze` is not called so")),
        Err(e) => Err(Failure::usage(e.to_string())),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn finding(e: &Entry) -> Finding {
    let location = |p: &Place| format!("{}:{}:{}", p.file(), p.start.line, p.start.column);
    let level = match e.level {
        mesh_analyzers::Level::Error => Level::Error,
        mesh_analyzers::Level::Warning => Level::Warning,
        mesh_analyzers::Level::Info => Level::Info,
    };
    Finding {
        code: e.code.id.to_owned(),
        level,
        object: e.origin.clone(),
        namespace: e.namespace.clone(),
        message: e.message.clone(),
        help: e.help.clone(),
        place: e.place.as_ref().map_or_else(|| e.origin.trim_start_matches("File ").to_owned(), location),
        lines: e.place.as_ref().map(lines).unwrap_or_default(),
        related: e.related.iter().map(|r| (location(&r.place), r.label.clone())).collect(),
        fix: e.fix.as_ref().map(|f| (f.title.clone(), f.replacement.clone())),
    }
}

/// The line of a place, as the text output shows it. What stands around it is not shown: it may be secret, and only
/// for the place itself is it known that it is not.
fn lines(place: &Place) -> Vec<SourceLine> {
    let shown = snippet(place).map(|s| SourceLine { number: place.start.line, text: s.text, marked: Some((s.from, s.from + s.len)) });
    shown.into_iter().collect()
}
