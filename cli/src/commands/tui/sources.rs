//! Reading the sources into the world that is shown: manifests judged as `analyze` judges them, and the pages of proxies.

use super::dumps::{Found, Rest};
use super::logs;
use super::replay;
use super::scraping::{self, Scraping};
use super::suspects;
use super::telemetry::{self, Named};
use super::traces;
use crate::args::traces::TraceServerArgs;
use crate::args::{Cli, Command};
use crate::cluster;
use crate::commands::analyze;
use crate::context::{Clock, Context};
use crate::entry::{Entry, Place};
use crate::output::snippet::snippet;
use crate::print::time::{clock, parse_rfc3339};
use crate::status::Failure;
use crate::worlds;
use clap::Parser;
use mesh_collectors::dumps::Source;
use mesh_collectors::recording;
use mesh_model::{Role, Snapshot};
use mesh_resolver::Mesh;
use mesh_tui::shell::quoted;
use mesh_tui::world::changes::HOUR;
use mesh_tui::world::traffic::Times;
use mesh_tui::world::{self, Answer, Ask, Finding, Input, Level, Measured, SourceLine, World};
use std::collections::BTreeMap;

/// What to read.
pub struct Request {
    pub paths: Vec<String>,
    pub complete: bool,
    pub context: Context,
    pub metrics: Named,
    pub traces: TraceServerArgs,
    pub replay: replay::Kept,
    pub scraping: Scraping,
}

impl Request {
    /// What is looked at, for the top line.
    pub fn name(&self) -> String {
        let mut words = self.paths.clone();
        words.extend(Some(self.metrics.name()).filter(|n| !n.is_empty()));
        words.extend(traces::address(&self.traces).map(|(_, url)| url));
        words.join(" ")
    }
}

/// Reads everything, and traffic of a time.
pub fn world(request: &Request, ask: Ask) -> Result<World, Failure> {
    let line = request.replay.timeline(&request.paths, &request.metrics, &request.context);
    let at = line.as_ref().map(|l| l.last() - ask.back);
    let context = Context {
        now: match (request.context.clock, at) {
            // What is asked for in the past is judged as of then.
            (_, Some(_)) => request.context.now - ask.back,
            (Clock::Runs, None) => clock(),
            (Clock::Stands, None) => request.context.now,
        },
        ..request.context.clone()
    };
    let paths: Vec<String> = request.paths.iter().map(|p| replay::placed(p, at)).collect();
    let mut sources = Vec::new();
    sources.extend(line.as_ref().zip(at).map(|(line, at)| replay::said(line, at)));
    let mut dumps = Found::default();
    let mut manifests = Vec::new();
    let mut metrics = request.metrics.clone().placed(at);
    // Where metrics are named, pages are not looked for.
    let pages_wanted: Vec<String> = match (metrics.is_empty(), &request.scraping) {
        (false, _) => Vec::new(),
        // Twice takes time: only what is nothing but a page is worth it.
        (true, Scraping::Twice(_)) => paths.iter().filter(|p| scraping::is_page_alone(p)).cloned().collect(),
        (true, Scraping::Kept(_)) => paths.clone(),
    };
    let scraped = request.scraping.turn(&pages_wanted)?;
    let mut log_files = Vec::new();
    let mut trace_files = Vec::new();
    for path in &paths {
        let found = logs::find(path);
        let is_log = found.iter().any(|f| f == path) && recording::find(std::path::Path::new(path)).is_none();
        log_files.extend(found);
        if is_log {
            continue;
        }
        if metrics.is_empty()
            && let Some(file) = telemetry::find(path)
        {
            metrics.found(&file);
            // A series file that was named is nothing else; a recording may be.
            if file == std::path::Path::new(path) && recording::find(&file).is_none() {
                continue;
            }
        }
        let found = crate::telemetry::traces::find(path);
        let is_alone = found.iter().any(|f| f == path) && recording::find(std::path::Path::new(path)).is_none();
        trace_files.extend(found);
        if is_alone {
            continue;
        }
        if scraping::is_page_alone(path) {
            continue;
        }
        let before = sources.len();
        let rest = match path.as_str() {
            // `analyze` reads clusters and standard input.
            "-" => Rest::Manifests,
            word if cluster::Source::parse(word, Role::Judged).is_some() || worlds::of_cluster(word, "").is_some() => Rest::Manifests,
            _ => {
                let source = Source::parse(path).map_err(|e| Failure::usage(format!("{path}: {e}")))?;
                dumps.read(path, &source, &mut sources)
            }
        };
        // Istio's agent has a page of metrics and no dump.
        if scraped.has(path) {
            let said = sources.split_off(before);
            sources.extend(said.into_iter().filter(|s| s.name != *path || s.state.is_ok()));
        }
        if rest == Rest::Manifests {
            manifests.push(path.clone());
        }
    }
    let pages = dumps.pages();
    let (sync, unread) = dumps.sync(context.now);
    sources.extend(unread.into_iter().map(|why| world::Source { name: "control plane".to_owned(), state: Err(why) }));
    let logs = match log_files.is_empty() {
        true => {
            Answer::unavailable("no source holds access logs", "add the log of istio-proxy (`kubectl logs POD -c istio-proxy > POD.log`), or a folder of logs")
        }
        false => {
            let (logs, problems) = logs::read(&log_files);
            sources.push(world::Source { name: log_files.join(" "), state: Ok(format!("{} lines of access logs", logs.entries)) });
            sources.extend(problems.into_iter().map(|p| world::Source { name: "access logs".to_owned(), state: Err(p) }));
            Answer::Known(logs)
        }
    };
    let traced = traces::read(&trace_files, &request.traces, ask, &context, &mut sources)?;
    for (word, state) in scraped.pages {
        let state = state.map(|()| if scraped.waits { "a page of metrics, scraped for the first time".to_owned() } else { "a page of metrics".to_owned() });
        // Of a port that told of its proxy a page is not asked for.
        if state.is_ok() || !sources.iter().any(|s| s.name == word) {
            sources.push(world::Source { name: word, state });
        }
    }
    let mut traffic = match metrics.is_empty() {
        true => scraped.recording.map(|recording| metrics.scraped(recording, ask)).transpose()?,
        false => match metrics.open(ask, at, &context) {
            Ok(opened) => {
                sources.push(world::Source { name: metrics.name(), state: Ok(format!("{} series", opened.series())) });
                Some(opened)
            }
            Err(failure) => {
                sources.push(world::Source { name: metrics.name(), state: Err(failure.to_string()) });
                None
            }
        },
    };
    let history = match traffic.as_ref().map(telemetry::Telemetry::history) {
        None => None,
        Some(Ok(history)) => history,
        Some(Err(why)) => {
            sources.push(world::Source { name: "history of metrics".to_owned(), state: Err(why) });
            None
        }
    };
    let arguments = match traffic.as_ref().filter(|_| metrics.is_empty()) {
        Some(_) => pages_wanted.iter().filter(|w| scraping::page(w).is_some()).map(|w| format!("--from {}", quoted(w))).collect::<Vec<_>>().join(" "),
        None => metrics.arguments(),
    };
    let own = traffic.as_mut().and_then(|t| t.objects(context.now)).cloned();
    let traffic = traffic.as_ref();
    let make = |mesh: &Mesh<'_>, entries: Option<&[Entry]>, mut sources: Vec<world::Source>, more: Vec<world::Source>| {
        sources.extend(more);
        let has_objects = mesh.snapshot.objects.iter().any(|o| o.role != Role::Assumed);
        let measured = traffic.map(|t| t.measure(has_objects.then_some(mesh.snapshot), &context));
        let before = traffic.and_then(|t| t.before(has_objects.then_some(mesh.snapshot), &context));
        let retried = |m| traffic.map_or_else(Vec::new, |t| t.retried(m));
        let faults = measured.iter().flatten().flat_map(|(m, _)| suspects::of(&m.graph, &retried(m), mesh, &dumps, context.now)).collect();
        let findings: Vec<Finding> = entries.into_iter().flatten().map(finding).collect();
        let explanations: BTreeMap<String, String> =
            findings.iter().map(|f| f.code.clone()).filter_map(|c| Some((c.clone(), crate::explain::page(&c)?.to_owned()))).collect();
        World::new(Input {
            context: request.name(),
            arguments: paths.iter().map(|p| quoted(p)).collect::<Vec<_>>().join(" "),
            sources,
            mesh,
            findings: match entries {
                Some(_) => Answer::Known(findings),
                None => Answer::unavailable(
                    "no source holds manifests, so there is nothing to judge",
                    "add a folder of manifests, or what `kubectl get -A -o yaml` prints",
                ),
            },
            explanations,
            proxies: pages.clone(),
            sync: sync.clone(),
            logs: logs.clone(),
            traces: traced.clone(),
            ask,
            timeline: line.clone(),
            history: history.clone(),
            faults,
            created: created(mesh.snapshot),
            before: before.as_ref().map(|m| Measured { graph: &m.graph, times: Times::default(), arguments: &arguments, problems: &m.problems }),
            traffic: match &measured {
                None if scraped.waits => Answer::unavailable(
                    "the pages of metrics were scraped once, and rates need a second time",
                    "it comes with the next reading of the sources; r reads them now",
                ),
                None => Answer::unavailable(
                    "no source holds traffic: no metrics were given",
                    "add a Prometheus (--prometheus URL), a proxy's page of metrics (http://HOST:15020), a file of series (--series FILE), or two pages of a proxy's metrics (--before, --page)",
                ),
                Some(Err(failure)) => Answer::unavailable(failure.to_string(), "name other metrics"),
                Some(Ok((measure, times))) => {
                    Answer::Known(Measured { graph: &measure.graph, times: *times, arguments: &arguments, problems: &measure.problems })
                }
            },
        })
    };
    // Proxies without configuration beside them.
    let alone = |sources| {
        let mut snapshot = own.clone().unwrap_or_default();
        snapshot.as_of = mesh_model::Timestamp(context.now);
        make(&Mesh::new(&snapshot), None, sources, Vec::new())
    };
    if manifests.is_empty() {
        return Ok(alone(sources));
    }
    let args = analyze_args(&manifests, request.complete)?;
    let mut world = None;
    let looked = analyze::look(&args, &context, &mut |mesh, entries, problems| {
        // Of several worlds in a configuration the first is shown, and that there are more is said.
        match &mut world {
            None => {
                let objects = mesh.snapshot.objects.iter().filter(|o| o.role != Role::Assumed).count();
                let mut more = vec![world::Source { name: manifests.join(" "), state: Ok(format!("{objects} objects")) }];
                let is_told = |name: &str| sources.iter().any(|s| s.name == name && s.state.is_err());
                let unread = problems.iter().filter(|(name, _)| !is_told(name));
                more.extend(unread.map(|(name, why)| world::Source { name: name.clone(), state: Err(why.clone()) }));
                world = Some(make(mesh, Some(entries), sources.clone(), more));
            }
            Some(world) => {
                let name = format!("world {}", mesh.snapshot.world);
                world.sources.push(world::Source { name, state: Err("only the first world of a configuration is shown; name its folder".to_owned()) });
            }
        }
    });
    match (looked, world) {
        (Ok(()), Some(world)) => Ok(world),
        (Ok(()), None) => Err(Failure::usage("nothing to look at")),
        // What could be read is shown, and what could not is named.
        (Err(failure), _) if !pages.is_empty() || traffic.is_some() || traced.known().is_some() || logs.known().is_some() => {
            sources.push(world::Source { name: manifests.join(" "), state: Err(failure.to_string()) });
            Ok(alone(sources))
        }
        (Err(failure), _) => Err(failure),
    }
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

/// Objects that were made within the last hour; `None` where none says when it was made.
fn created(snapshot: &Snapshot) -> Option<Vec<(i64, String)>> {
    let now = snapshot.as_of.0;
    let all = snapshot.objects.iter().filter(|o| o.role != Role::Assumed);
    let mut times = all.filter_map(|o| Some((parse_rfc3339(o.creation())?, o.origin()))).peekable();
    times.peek()?;
    Some(times.filter(|(at, _)| (0..=HOUR).contains(&(now - at))).collect())
}

fn finding(e: &Entry) -> Finding {
    let location = |p: &Place| format!("{}:{}:{}", p.file(), p.start().line, p.start().column);
    let level = match e.level {
        mesh_analyzers::Level::Error => Level::Error,
        mesh_analyzers::Level::Warning => Level::Warning,
        mesh_analyzers::Level::Info => Level::Info,
    };
    Finding {
        code: e.code.id.to_owned(),
        level,
        object: e.origin(),
        namespace: e.namespace().to_owned(),
        message: e.message.clone(),
        help: e.help.as_deref().map(str::to_owned),
        place: e.place.as_ref().map_or_else(|| e.file().to_owned(), location),
        lines: e.place.as_ref().map(lines).unwrap_or_default(),
        related: e.related.iter().map(|r| (location(&r.place), r.label.clone())).collect(),
        fix: e.fix.as_ref().map(|f| (f.title.clone(), f.replacement.clone())),
    }
}

/// The line of a place, as the text output shows it. What stands around it is not shown: it may be secret, and only
/// for the place itself is it known that it is not.
fn lines(place: &Place) -> Vec<SourceLine> {
    let shown = snippet(place).map(|s| SourceLine { number: place.start().line, text: s.text, marked: Some((s.from, s.from + s.len)) });
    shown.into_iter().collect()
}
