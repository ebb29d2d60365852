//! Metrics among the sources: whatever `meshctl graph` reads, and series files among the paths.

use crate::args::telemetry::TelemetryArgs;
use crate::commands::why::ranked::counted;
use crate::context::Context;
use crate::print::time::rfc3339;
use crate::status::Failure;
use crate::telemetry::{self, Answer, folder, history};
use mesh_analyzers::ranking::Counted;
use mesh_collectors::recording;
use mesh_collectors::telemetry::series::Recording;
use mesh_metrics::series::Store;
use mesh_model::graph::{GraphType, Options};
use mesh_model::history::{Detail, History};
use mesh_model::{Snapshot, Timestamp};
use mesh_tui::shell::quoted;
use mesh_tui::world::Ask;
use mesh_tui::world::changes::HOUR;
use mesh_tui::world::traffic::Times;
use std::path::{Path, PathBuf};

/// How far back a live Prometheus is asked, in seconds.
const WEEK: i64 = 7 * 86_400;

/// What was named for metrics.
#[derive(Clone)]
pub struct Named(pub TelemetryArgs);

impl Named {
    pub fn is_empty(&self) -> bool {
        self.0.prometheus.is_none() && self.0.series.is_none() && self.0.page.is_empty()
    }

    /// Whether it may say something else the next time it is asked.
    pub fn is_live(&self) -> bool {
        self.0.prometheus.is_some() && self.0.series.is_none() && self.0.page.is_empty()
    }

    /// Takes a series file that was found among the paths.
    pub fn found(&mut self, file: &Path) {
        self.0.series = Some(file.to_owned());
    }

    /// The same at a moment, where the series are a recording's.
    pub fn placed(mut self, at: Option<i64>) -> Named {
        self.0.series = self.0.series.map(|f| PathBuf::from(super::replay::placed(&f.display().to_string(), at)));
        self
    }

    /// A Prometheus without what may be secret in its address.
    fn address(&self) -> Option<String> {
        self.0.prometheus.as_deref().map(without_secrets)
    }

    /// The files or the address, for the list of sources.
    pub fn name(&self) -> String {
        let files: Vec<String> = self.0.series.iter().chain(&self.0.page).map(|f| f.display().to_string()).collect();
        if files.is_empty() { self.address().unwrap_or_default() } else { files.join(" ") }
    }

    /// As they are typed behind a command.
    pub fn arguments(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut add = |flag: &str, value: &str| words.push(format!("{flag} {}", quoted(value)));
        if self.is_live() {
            add("--prometheus", &self.address().unwrap_or_default());
        }
        self.0.series.iter().for_each(|f| add("--series", &f.display().to_string()));
        self.0.before.iter().for_each(|f| add("--before", &f.display().to_string()));
        self.0.page.iter().for_each(|f| add("--page", &f.display().to_string()));
        if !self.0.page.is_empty() {
            add("--over", &self.0.over);
        }
        words.join(" ")
    }

    /// What was scraped, at a time of it.
    pub fn scraped(&self, recording: Recording, ask: Ask) -> Result<Telemetry, Failure> {
        let options = telemetry::options("workload")?;
        let span = recording.store.span().map(|(first, last)| (first / 1000, (last + 999) / 1000));
        // Scraping began not long ago: rates look back so far at most.
        let length = span.map_or(ask.window, |(first, last)| (last - first).max(1));
        let window = recording.over.unwrap_or_else(|| ask.window.min(length));
        let at = span.map(|(_, last)| last - ask.back);
        let args = TelemetryArgs { since: format!("{window}s"), at: at.map(rfc3339), ..self.0.clone() };
        Ok(Telemetry { args, options, recording, at, span, window, is_live: false })
    }

    /// Reads them, for a time.
    pub fn open(&self, ask: Ask, at: Option<i64>, context: &Context) -> Result<Telemetry, Failure> {
        let mut args = self.0.clone();
        if args.page.is_empty() {
            args.since = format!("{}s", ask.window);
        }
        let options = telemetry::options("workload")?;
        let now = telemetry::at(&args)?.unwrap_or(context.now);
        if self.is_live() {
            args.at = Some(rfc3339(now - ask.back));
        }
        let recording = telemetry::read(&args, &options, context)?;
        let span = match recording.store.span() {
            _ if self.is_live() => Some((now - WEEK, now)),
            span => span.map(|(first, last)| (first / 1000, (last + 999) / 1000)),
        };
        let at = at.filter(|_| !self.is_live()).or(span.map(|(_, last)| telemetry::at(&self.0).ok().flatten().unwrap_or(last) - ask.back));
        args.at = at.map(rfc3339).or(args.at);
        Ok(Telemetry { args, options, recording, at, span, window: ask.window, is_live: self.is_live() })
    }
}

/// Metrics that were read.
pub struct Telemetry {
    args: TelemetryArgs,
    options: Options,
    recording: Recording,
    at: Option<i64>,
    span: Option<(i64, i64)>,
    window: i64,
    is_live: bool,
}

impl Telemetry {
    /// The objects that came with the metrics, judged at an instant; `None` where there are none.
    pub fn objects(&mut self, now: i64) -> Option<&Snapshot> {
        self.recording.snapshot.as_of = Timestamp(now);
        (!self.recording.snapshot.objects.is_empty()).then_some(&self.recording.snapshot)
    }

    pub fn store(&self) -> &Store {
        &self.recording.store
    }

    /// The first and the last second with a sample.
    pub fn samples(&self) -> Option<(i64, i64)> {
        self.recording.store.span().map(|(first, last)| (first / 1000, (last + 999) / 1000))
    }

    /// Golden signals over the window; what of them could not be had.
    pub fn history(&self) -> Result<Option<History>, String> {
        let Some(at) = self.at else { return Ok(None) };
        let first = self.span.filter(|_| !self.is_live).map_or(at - self.window, |(first, _)| first);
        let span = history::span((at - self.window).max(first), at);
        match (&self.args.prometheus, self.is_live) {
            (Some(url), true) => history::of_server(url, &self.args, span),
            _ => Ok(history::of_store(&self.recording.store, span, Detail::Each)),
        }
    }

    pub fn series(&self) -> usize {
        self.recording.store.len()
    }

    /// The traffic graph. `objects` are those of manifests beside it, which count before its own.
    pub fn measure(&self, objects: Option<&Snapshot>, context: &Context) -> Result<(Answer, Times), Failure> {
        let objects = objects.unwrap_or(&self.recording.snapshot);
        let answer = telemetry::asked_of(&self.recording, objects, &self.args, &self.options, context)?;
        let times = Times { window: answer.window, at: self.at, span: self.span };
        Ok((answer, times))
    }

    /// The graph of another type than workloads, of the same objects.
    pub fn typed(&self, graph_type: GraphType, objects: Option<&Snapshot>, context: &Context) -> Option<Result<Answer, Failure>> {
        if graph_type == self.options.graph_type {
            return None;
        }
        let objects = objects.unwrap_or(&self.recording.snapshot);
        let asked = telemetry::options(graph_type.name()).and_then(|options| telemetry::asked_of(&self.recording, objects, &self.args, &options, context));
        Some(asked)
    }

    /// What is counted of the calls of a graph beside it.
    pub fn counted(&self, answer: &Answer) -> Counted {
        counted::counted(&self.recording, answer)
    }

    /// The traffic graph of an hour before, where a recording reaches back so far. A live Prometheus is not asked twice.
    pub fn before(&self, objects: Option<&Snapshot>, context: &Context) -> Option<Answer> {
        let (first, _) = self.span.filter(|_| !self.is_live)?;
        let at = self.at.filter(|at| at - HOUR >= first)? - HOUR;
        let args = TelemetryArgs { at: Some(rfc3339(at)), ..self.args.clone() };
        telemetry::asked_of(&self.recording, objects.unwrap_or(&self.recording.snapshot), &args, &self.options, context).ok()
    }
}

/// An address without user information and query.
pub fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
}

/// How far a file of a folder is looked into; one that is named is looked into whole.
const LOOK: u64 = 64 * 1024;
const WHOLE: u64 = 1 << 30;

/// The first series file that a path is or holds.
pub fn find(path: &str) -> Option<PathBuf> {
    let root = Path::new(path);
    if let Some(found) = recording::find(root) {
        let holds = |c: recording::Capture| c.pages.iter().any(|p| p.path.starts_with("series/") || p.path.ends_with(".txt"));
        return found.capture().is_ok_and(holds).then(|| root.to_owned());
    }
    let look = if root.is_dir() { LOOK } else { WHOLE };
    folder::files(root, &["json"]).into_iter().find(|f| is_series(f, look))
}

/// Whether a file is one of series.
pub fn is_series_file(path: &Path) -> bool {
    path.is_file() && is_series(path, WHOLE)
}

/// Whether a file begins as a series file does.
fn is_series(path: &Path, look: u64) -> bool {
    let Some(head) = folder::head(path, look) else { return false };
    let text = String::from_utf8_lossy(&head);
    let has = |key: &str| text.contains(key);
    text.trim_start().starts_with('{') && has("\"series\"") && has("\"metric\"") && (has("\"rate\"") || has("\"values\""))
}
