//! Reading the sources into the world that is shown: manifests judged as `analyze` judges them, and the pages of proxies.

use super::dumps::{Found, Rest, Said};
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
use crate::commands::drift::one_machine;
use crate::commands::why::ranked::{State, endpoints};
use crate::context::{Clock, Context};
use crate::demos;
use crate::entry::{Entry, Place};
use crate::output::snippet::snippet;
use crate::print::time::{clock, parse_rfc3339};
use crate::status::Failure;
use crate::worlds;
use clap::Parser;
use mesh_collectors::dumps::Source;
use mesh_collectors::recording::{self, redact};
use mesh_model::graph::GraphType;
use mesh_model::{Role, Snapshot};
use mesh_resolver::Mesh;
use mesh_tui::shell::quoted;
use mesh_tui::world::changes::HOUR;
use mesh_tui::world::sections::{Section, Sections};
use mesh_tui::world::traffic::Times;
use mesh_tui::world::{self, Answer, Asked, Finding, Further, Input, Level, Load, Measured, SourceLine, World};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What to read.
pub struct Request {
    pub paths: Vec<String>,
    pub complete: bool,
    pub context: Context,
    pub metrics: Named,
    pub traces: TraceServerArgs,
    pub replay: replay::Kept,
    pub scraping: Scraping,
    /// What is needed of sections that are not asked this time.
    pub kept: Mutex<Kept>,
}

/// What readings leave for later ones.
#[derive(Default)]
pub struct Kept {
    /// What files turned out to be, so that none is read to find that out again.
    rests: BTreeMap<String, Rest>,
    /// The objects that came with metrics.
    objects: Option<Arc<Snapshot>>,
    /// What proxies said of their endpoints.
    state: State,
}

impl Request {
    /// What is looked at, for the top line.
    pub fn name(&self) -> String {
        if let Some(word) = self.demo() {
            return word;
        }
        let mut words = self.paths.clone();
        words.extend(Some(self.metrics.name()).filter(|n| !n.is_empty()));
        words.extend(traces::address(&self.traces).map(|(_, url)| url));
        words.join(" ")
    }

    /// The word for the demo that is looked at: its parts have addresses that nobody typed.
    fn demo(&self) -> Option<String> {
        demos::word_of(&self.paths)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sources, as far as they are told.
struct Told {
    sections: Sections,
    all: Vec<world::Source>,
}

impl Told {
    /// Begins with what was told before of sections that are not asked.
    fn new(sections: Sections, before: Option<&World>, request: &Request) -> Told {
        let is_left = |s: &&world::Source| s.section.is_some_and(|section| !sections.contains(section));
        let mut told = Told { sections, all: before.into_iter().flat_map(|w| &w.sources).filter(is_left).cloned().collect() };
        let is_unread = |section| !sections.contains(section) && before.is_none_or(|b| !b.read.contains_key(&section));
        let mut waits = |section: Section, name: String| {
            if is_unread(section) && !name.is_empty() {
                told.all.push(world::Source { section: Some(section), name, state: Ok("not asked yet".to_owned()) });
            }
        };
        waits(Section::Metrics, request.metrics.name());
        waits(Section::Traces, traces::address(&request.traces).map_or(String::new(), |(_, url)| url));
        told
    }
    fn say(&mut self, section: Section, name: impl Into<String>, state: Result<String, String>) {
        self.all.push(world::Source { section: Some(section), name: name.into(), state });
    }
    fn say_all(&mut self, section: Section, list: Said) {
        list.into_iter().for_each(|(name, state)| self.say(section, name, state));
    }
    fn has(&self, section: Section, name: &str, is_ok: bool) -> bool {
        self.all.iter().any(|s| s.section == Some(section) && s.name == name && s.state.is_ok() == is_ok)
    }
    /// In the order of their sections.
    fn sorted(mut self) -> Vec<world::Source> {
        self.all.sort_by_key(|s| s.section);
        self.all
    }
}

/// What the words that were typed hold, as far as that is asked.
#[derive(Default)]
struct Places {
    dumps: Found,
    manifests: Vec<String>,
    /// Whatever holds manifests or what proxies hold.
    objects: Vec<String>,
    logs: Vec<String>,
    traces: Vec<String>,
    /// Ports and files of proxies that could not be read.
    silent: Vec<String>,
}

/// Looks into every word; series that are found are the metrics where none were named.
fn places(request: &Request, paths: &[String], metrics: &mut Named, scraped: &scraping::Scraped, told: &mut Told) -> Result<Places, Failure> {
    let wanted = told.sections;
    let mut out = Places::default();
    for path in paths {
        let file = Path::new(path);
        // A folder or a recording holds things of all sorts; a file is one thing, and is looked at to tell which.
        let is_place = file.is_dir() || recording::find(file).is_some();
        let looks_for = |section| !is_place || wanted.contains(section);
        let found = if looks_for(Section::Logs) { logs::find(path) } else { Vec::new() };
        let is_log = found.iter().any(|f| f == path) && !is_place;
        out.logs.extend(found);
        if is_log {
            continue;
        }
        if metrics.is_empty()
            && looks_for(Section::Metrics)
            && let Some(series) = telemetry::find(path)
        {
            metrics.found(&series);
            // A series file that was named is nothing else; a recording may be.
            if series == file && !is_place {
                continue;
            }
        }
        let found = if looks_for(Section::Traces) { crate::telemetry::traces::find(path) } else { Vec::new() };
        let is_alone = found.iter().any(|f| f == path) && !is_place;
        out.traces.extend(found);
        if is_alone || scraping::is_page_alone(path) {
            continue;
        }
        out.objects.push(path.clone());
        let rest = match path.as_str() {
            // `analyze` reads clusters and standard input.
            "-" => Rest::Manifests,
            word if cluster::Source::parse(word, Role::Judged).is_some() || worlds::of_cluster(word, "").is_some() => Rest::Manifests,
            _ => {
                let source = Source::parse(path).map_err(|e| Failure::usage(format!("{path}: {e}")))?;
                let known = match &source {
                    _ if wanted.contains(Section::Proxies) => None,
                    _ if is_place => Some(Rest::Manifests),
                    Source::Path(_) => request.kept().rests.get(path).copied(),
                    // Ports are asked for nothing but what proxies hold.
                    _ => Some(request.kept().rests.get(path).copied().unwrap_or(Rest::Nothing)),
                };
                match known {
                    Some(rest) => rest,
                    None => {
                        let (rest, said) = out.dumps.read(path, &source);
                        // Istio's agent has a page of metrics and no dump.
                        let is_page = scraped.has(path) || told.has(Section::Metrics, path, true);
                        let said: Vec<_> = said.into_iter().filter(|(name, state)| !is_page || name != path || state.is_ok()).collect();
                        if said.iter().any(|(name, state)| name == path && state.is_err()) {
                            out.silent.push(path.clone());
                        }
                        if wanted.contains(Section::Proxies) {
                            told.say_all(Section::Proxies, said);
                        }
                        request.kept().rests.insert(path.clone(), rest);
                        rest
                    }
                }
            }
        };
        match rest {
            Rest::Manifests => out.manifests.push(path.clone()),
            // It holds neither objects nor what a proxy does.
            Rest::ControlPlane => out.objects.retain(|o| o != path),
            Rest::Nothing => {}
        }
    }
    if !wanted.contains(Section::Proxies) {
        out.dumps = Found::default();
    }
    Ok(out)
}

/// What means nothing without objects.
const OF_OBJECTS: Sections = Sections::NONE.with(Section::Proxies).with(Section::Metrics).with(Section::Configuration);

/// Asks what is wanted, and puts it into what was known before.
pub fn world(request: &Request, load: Load, before: Option<&World>) -> Result<World, Failure> {
    let (ask, wanted) = (load.ask, load.whole(before));
    let wants = |section| wanted.contains(section);
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
    let mut told = Told::new(wanted, before, request);
    told.all.extend(line.as_ref().zip(at).map(|(line, at)| replay::said(line, at)));
    let mut metrics = request.metrics.clone().placed(at);
    // Where metrics are named, pages are not looked for.
    let pages_wanted: Vec<String> = match (metrics.is_empty(), &request.scraping) {
        (false, _) => Vec::new(),
        // Twice takes time: only what is nothing but a page is worth it.
        (true, Scraping::Twice(_)) => paths.iter().filter(|p| scraping::is_page_alone(p)).cloned().collect(),
        (true, Scraping::Kept(_)) => paths.clone(),
    };
    let scraped = if wants(Section::Metrics) { request.scraping.turn(&pages_wanted)? } else { scraping::Scraped::default() };
    let found = places(request, &paths, &mut metrics, &scraped, &mut told)?;
    let mut failed = Sections::NONE;
    if wants(Section::Proxies) {
        let mut state = State::default();
        found.dumps.each(&mut |proxy| endpoints(proxy, &mut state));
        state.sort();
        request.kept().state = state;
    }
    let pages = found.dumps.pages();
    let (sync, unread) = found.dumps.sync(context.now);
    unread.into_iter().for_each(|why| told.say(Section::Proxies, "control plane", Err(why)));
    let logs = match found.logs.is_empty() {
        true => {
            Answer::unavailable("no source holds access logs", "add the log of istio-proxy (`kubectl logs POD -c istio-proxy > POD.log`), or a folder of logs")
        }
        false if !wants(Section::Logs) => Answer::unread(),
        false => {
            let (logs, problems) = logs::read(&found.logs);
            told.say(Section::Logs, found.logs.join(" "), Ok(format!("{} lines of access logs", logs.entries)));
            problems.into_iter().for_each(|p| told.say(Section::Logs, "access logs", Err(p)));
            Answer::Known(logs)
        }
    };
    let mut traced = Answer::unread();
    if wants(Section::Traces) {
        let read = traces::read(&found.traces, &request.traces, ask, &context)?;
        told.say_all(Section::Traces, read.said);
        traced = read.traces;
        if read.has_failed {
            failed = failed.with(Section::Traces);
        }
    }
    if wants(Section::Metrics) {
        for (word, state) in &scraped.pages {
            let text = if scraped.waits { "a page of metrics, scraped for the first time" } else { "a page of metrics" };
            // Of a port that told of its proxy a page is not asked for.
            if state.is_ok() || !told.all.iter().any(|s| s.name == *word) {
                told.say(Section::Metrics, word, state.clone().map(|()| text.to_owned()));
            }
        }
    }
    if !wants(Section::Configuration)
        && let Some(before) = before
    {
        let asked = Asked { ask, sections: wanted, failed, silent: &found.silent, before: Some(before) };
        return Ok(World::with(before, asked, Further { as_of: context.now, sources: told.sorted(), traces: traced, logs, timeline: line }));
    }
    let has_pages = !scraped.pages.is_empty();
    let mut why_none = None;
    let mut traffic = match (metrics.is_empty(), wants(Section::Metrics)) {
        (_, false) => None,
        (true, _) => scraped.recording.map(|recording| metrics.scraped(recording, ask)).transpose()?,
        (false, _) => match metrics.open(ask, at, &context) {
            Ok(opened) => {
                told.say(Section::Metrics, metrics.name(), Ok(format!("{} series", opened.series())));
                Some(opened)
            }
            Err(failure) => {
                why_none = Some(failure.to_string());
                told.say(Section::Metrics, metrics.name(), Err(failure.to_string()));
                None
            }
        },
    };
    if why_none.is_some() || has_pages && traffic.is_none() && !scraped.waits {
        failed = failed.with(Section::Metrics);
    }
    let history = match traffic.as_ref().map(telemetry::Telemetry::history) {
        None => None,
        Some(Ok(history)) => history,
        Some(Err(why)) => {
            told.say(Section::Metrics, "history of metrics", Err(why));
            None
        }
    };
    let demo = request.demo().map(|word| format!("--from {word}"));
    let arguments = match traffic.as_ref().filter(|_| metrics.is_empty()) {
        Some(_) => pages_wanted.iter().filter(|w| scraping::page(w).is_some()).map(|w| format!("--from {}", quoted(w))).collect::<Vec<_>>().join(" "),
        None => demo.clone().filter(|_| !metrics.is_empty()).unwrap_or_else(|| metrics.arguments()),
    };
    if let Some(traffic) = &mut traffic {
        request.kept().objects = traffic.objects(context.now).cloned().map(Arc::new);
    }
    let own = request.kept().objects.clone();
    let traffic = traffic.as_ref();
    let no_traffic = || match &why_none {
        _ if scraped.waits => (
            "the pages of metrics were scraped once, and rates need a second time".to_owned(),
            "it comes with the next reading of the sources; r reads them now",
        ),
        Some(why) => (why.clone(), "it is asked again with the next reading of the sources; r reads them now"),
        None if has_pages => ("no page of metrics could be read".to_owned(), "they are asked again with the next reading of the sources; r reads them now"),
        None => (
            "no source holds traffic: no metrics were given".to_owned(),
            "add a Prometheus (--prometheus URL), a proxy's page of metrics (http://HOST:15020), a file of series (--series FILE), or two pages of a proxy's metrics (--before, --page)",
        ),
    };
    let make = |mesh: &Mesh<'_>, entries: Option<&[Entry]>, mut told: Told, more: Said| {
        told.say_all(Section::Configuration, more);
        let mut failed = failed;
        let has_objects = mesh.snapshot.objects.iter().any(|o| o.role != Role::Assumed);
        let measured = traffic.map(|t| t.measure(has_objects.then_some(mesh.snapshot), &context));
        if let Some(Err(why)) = &measured {
            told.say(Section::Metrics, "metrics", Err(why.to_string()));
            failed = failed.with(Section::Metrics);
        }
        let typed = match traffic.and_then(|t| t.typed(ask.graph, has_objects.then_some(mesh.snapshot), &context)) {
            Some(Err(why)) => {
                told.say(Section::Metrics, format!("graph of the type {}", ask.graph.name()), Err(why.to_string()));
                None
            }
            Some(Ok(answer)) => Some(answer),
            None => None,
        };
        let before_then = traffic.and_then(|t| t.before(has_objects.then_some(mesh.snapshot), &context));
        let counted = |m| traffic.map(|t| t.counted(m)).unwrap_or_default();
        let kept = request.kept();
        let faults = measured.iter().flatten().flat_map(|(m, _)| suspects::of(&m.graph, &counted(m), mesh, &kept.state, context.now)).collect();
        drop(kept);
        let findings: Vec<Finding> = entries.into_iter().flatten().map(finding).collect();
        let explanations: BTreeMap<String, String> =
            findings.iter().map(|f| f.code.clone()).filter_map(|c| Some((c.clone(), crate::explain::page(&c)?.to_owned()))).collect();
        World::new(Input {
            asked: Asked { ask, sections: wanted, failed, silent: &found.silent, before },
            context: request.name(),
            arguments: demo.clone().unwrap_or_else(|| paths.iter().map(|p| quoted(p)).collect::<Vec<_>>().join(" ")),
            objects: found.objects.clone(),
            sources: told.sorted(),
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
            timeline: line.clone(),
            history: history.clone(),
            faults,
            created: created(mesh.snapshot),
            write: redact::object,
            on_one_machine: one_machine::each,
            before: before_then.as_ref().map(|m| Measured {
                graph: &m.graph,
                graph_type: GraphType::Workload,
                times: Times::default(),
                arguments: &arguments,
                problems: &m.problems,
            }),
            traffic: match &measured {
                None => Answer::unavailable(no_traffic().0, no_traffic().1),
                Some(Err(failure)) => Answer::unavailable(failure.to_string(), "name other metrics"),
                Some(Ok((measure, times))) => Answer::Known(Measured {
                    graph: &measure.graph,
                    graph_type: GraphType::Workload,
                    times: *times,
                    arguments: &arguments,
                    problems: &measure.problems,
                }),
            },
            typed: typed.as_ref().map(|answer| Measured {
                graph: &answer.graph,
                graph_type: ask.graph,
                times: measured.iter().flatten().map(|(_, times)| *times).next().unwrap_or_default(),
                arguments: &arguments,
                problems: &answer.problems,
            }),
        })
    };
    // Proxies without configuration beside them.
    let alone = |told| {
        let mut snapshot = own.as_deref().cloned().unwrap_or_default();
        snapshot.as_of = mesh_model::Timestamp(context.now);
        make(&Mesh::new(&snapshot), None, told, Vec::new())
    };
    let manifests = &found.manifests;
    if manifests.is_empty() || !wants(Section::Configuration) {
        return Ok(alone(told));
    }
    let args = analyze_args(manifests, request.complete)?;
    let mut world = None;
    let mut told = Some(told);
    let looked = analyze::look(&args, &context, &mut |mesh, entries, problems| {
        // Of several worlds in a configuration the first is shown, and that there are more is said.
        match (&mut world, told.take()) {
            (None, Some(told)) => {
                let objects = mesh.snapshot.objects.iter().filter(|o| o.role != Role::Assumed).count();
                let mut more = vec![(manifests.join(" "), Ok(format!("{objects} objects")))];
                let unread = problems.iter().filter(|(name, _)| !told.all.iter().any(|s| s.name == *name && s.state.is_err()));
                more.extend(unread.map(|(name, why)| (name.clone(), Err(why.clone()))));
                world = Some(make(mesh, Some(entries), told, more));
            }
            (Some(world), _) => world.sources.push(world::Source {
                section: Some(Section::Configuration),
                name: format!("world {}", mesh.snapshot.world),
                state: Err("only the first world of a configuration is shown; name its folder".to_owned()),
            }),
            (None, None) => {}
        }
    });
    match (looked, world, told) {
        (Ok(()), Some(world), _) => Ok(world),
        (Ok(()), None, _) => Err(Failure::usage("nothing to look at")),
        (Err(failure), _, Some(mut told)) => {
            told.say(Section::Configuration, manifests.join(" "), Err(failure.to_string()));
            match before.filter(|b| b.configuration.known().is_some()) {
                // Nothing that was asked can be judged without the objects: what was known stays.
                Some(before) => {
                    let asked = Asked { ask, sections: wanted, failed: failed.and(OF_OBJECTS), silent: &found.silent, before: Some(before) };
                    let (traces, sources) = (traced.clone(), told.sorted());
                    Ok(World::with(before, asked, Further { as_of: context.now, sources, traces, logs: logs.clone(), timeline: line.clone() }))
                }
                // What could be read is shown, and what could not is named.
                None if !pages.is_empty() || traffic.is_some() || traced.known().is_some() || logs.known().is_some() => Ok(alone(told)),
                None => Err(failure),
            }
        }
        // A world was judged before another one could not be read.
        (Err(failure), Some(mut world), None) => {
            let (section, name) = (Some(Section::Configuration), manifests.join(" "));
            world.sources.push(world::Source { section, name, state: Err(failure.to_string()) });
            Ok(world)
        }
        (Err(failure), None, None) => Err(failure),
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
    // Events tell of changes, and are none; nor is a lease that is renewed all the time.
    let is_change = |o: &&mesh_model::Object| o.role != Role::Assumed && !["Event", "Lease"].contains(&o.kind_name());
    let all = snapshot.objects.iter().filter(is_change);
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
