//! One capture of what sources give now.

use super::proxies;
use crate::args::snapshot::CaptureArgs;
use crate::args::telemetry::TelemetryArgs;
use crate::args::{KubeArgs, ReachArgs, SourceArgs};
use crate::cluster::{Access, Input, Source};
use crate::commands::explain::logs::is_log;
use crate::context::Context;
use crate::status::Failure;
use crate::telemetry;
use crate::telemetry::traces::server;
use crate::worlds;
use mesh_collectors::dumps;
use mesh_collectors::manifests;
use mesh_collectors::recording::{self, Capture, redact, tidy};
use mesh_collectors::telemetry::scrape::Target;
use mesh_collectors::telemetry::series;
use mesh_collectors::traces;
use mesh_collectors::traces::server::{Search, Server};
use mesh_model::traces::{Criteria, Span};
use mesh_model::{Completeness, Kind, Object, Role, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much is taken.
pub struct Bounds {
    pub ends: Instant,
    pub size: u64,
}

/// What is wrong with the sources, whatever they answer.
pub fn check(args: &CaptureArgs) -> Result<(), Failure> {
    let server = server(&args.traces)?;
    if args.from.is_empty() && args.prometheus.is_none() && server.is_none() {
        return Err(Failure::usage(
            "name what to take with --from (manifests, dumps, http://host:15000, `kube`), --prometheus, or --jaeger, --tempo, --zipkin for traces",
        ));
    }
    if args.from.iter().any(|f| f == "-") {
        return Err(Failure::usage("standard input can't be read again: save it in a file"));
    }
    Ok(())
}

/// Takes what all sources give. Whatever does not answer is said in the capture; it is never an error.
pub fn capture(args: &CaptureArgs, at: i64, bounds: &Bounds, memory: &mut Memory, context: &Context) -> Capture {
    let mut taking = Taking { capture: Capture::new(at), bounds, memory, size: 0, left_out: 0 };
    let mut files = Vec::new();
    let several = args.from.iter().filter(|f| Source::parse(f, Role::Judged).is_some()).count() > 1;
    for word in &args.from {
        taking.capture.summary.sources.push(redact::source(word));
        if taking.is_late(word) {
            continue;
        }
        if let Some(source) = Source::parse(word, Role::Judged) {
            let place = if several { Place::OneOf(taking.capture.summary.clusters.len()) } else { Place::Alone };
            taking.cluster(args, &source, place, context);
        } else if let Some(Ok(target)) = Target::parse(word).filter(|_| word.contains("://") && dumps::Source::parse(word).is_err()) {
            let left = bounds.ends.saturating_duration_since(Instant::now());
            let page = proxies::page(&target, left);
            taking.answer(&format!("metrics/{}.txt", tidy(&target.to_string())), page);
        } else if let Some((name, path)) = worlds::of_cluster(word, "") {
            let folder = format!("manifests/clusters/{}", taking.capture.summary.clusters.len());
            taking.capture.summary.clusters.push(name);
            taking.manifests(&[path], &folder);
        } else if taking.path(word) {
            files.push(word.clone());
        }
    }
    if !files.is_empty() {
        taking.manifests(&files, "manifests");
    }
    if let Some(url) = &args.prometheus {
        let shown = redact::source(url);
        taking.capture.summary.sources.push(format!("--prometheus {shown}"));
        if !taking.is_late(&shown) {
            taking.prometheus(url, args, at, context);
        }
    }
    if let Ok(Some(server)) = server(&args.traces) {
        let shown = redact::source(server.client.url());
        taking.capture.summary.sources.push(format!("traces of {shown}"));
        if !taking.is_late(&shown) {
            taking.traces(&server, args, at, context);
        }
    }
    if taking.left_out > 0 {
        let message = format!("{} pages are left out: all together may have {} bytes; allow more with --max-size", taking.left_out, bounds.size);
        taking.capture.summary.problems.push(message);
    }
    let mut capture = taking.capture;
    capture.sort();
    let mut seen = BTreeSet::new();
    capture.summary.problems.retain(|p| seen.insert(p.clone()));
    capture
}

/// What is known from the moment before.
#[derive(Debug, Default)]
pub struct Memory {
    /// A recording that was there is gone on with: what logs have by now may be in it already.
    goes_on: bool,
    /// How much of each log was taken: which file it was (its inode), and how many bytes of it.
    logs: BTreeMap<String, Taken>,
    /// Up to when traces were asked for, in seconds since the epoch.
    traced: Option<i64>,
}

impl Memory {
    /// Of a recording that may be there already.
    pub fn of(file: &Path) -> Memory {
        Memory { goes_on: std::fs::metadata(file).is_ok_and(|m| m.len() > 0), ..Memory::default() }
    }

    /// Whether there is a log, which may have no new line.
    pub fn reads_logs(&self) -> bool {
        !self.logs.is_empty()
    }
}

/// Which of the clusters is taken.
#[derive(Clone, Copy)]
enum Place {
    Alone,
    OneOf(usize),
}

struct Taking<'b> {
    capture: Capture,
    bounds: &'b Bounds,
    memory: &'b mut Memory,
    size: u64,
    left_out: usize,
}

impl Taking<'_> {
    fn problem(&mut self, message: impl Into<String>) {
        self.capture.summary.problems.push(redact::source(&message.into()));
    }

    fn is_late(&mut self, what: &str) -> bool {
        let is_late = Instant::now() >= self.bounds.ends;
        if is_late {
            self.problem(format!("{what}: it was not asked: the time was over"));
        }
        is_late
    }

    fn add(&mut self, path: &str, text: String) {
        if self.size + text.len() as u64 > self.bounds.size {
            self.left_out += 1;
            return;
        }
        self.size += text.len() as u64;
        self.capture.add(path, text);
    }

    fn answer(&mut self, path: &str, page: Result<dumps::Page, String>) {
        match page {
            Ok(page) => self.add(path, redact::page(&page.text, page.content)),
            Err(why) => self.problem(why),
        }
    }

    /// A file, a folder or a port. Whether there may be manifests in it.
    fn path(&mut self, word: &str) -> bool {
        let path = Path::new(word);
        if let Some(found) = recording::find(path) {
            match found.capture() {
                Err(e) => self.problem(e.to_string()),
                Ok(other) => {
                    other.pages.into_iter().for_each(|p| self.add(&p.path, p.text));
                    self.capture.summary.problems.extend(other.summary.problems);
                }
            }
            return false;
        }
        if crate::commands::tui::telemetry::is_series_file(path) {
            let text = std::fs::read_to_string(path).map_err(|e| e.to_string());
            match text.and_then(|t| series::read(word, &t).and_then(|_| redact::series(&t))) {
                Ok(text) => self.add(&format!("series/{}.json", tidy(word)), text),
                Err(e) => self.problem(e),
            }
            return false;
        }
        if let Some(text) = traces_in(path) {
            match traces::read(word, &text) {
                Ok(found) => {
                    self.add(&format!("traces/{}.json", tidy(word)), traces::to_json(&found.spans));
                    found.problems.into_iter().for_each(|p| self.problem(p));
                }
                Err(e) => self.problem(e),
            }
            return false;
        }
        if begins_as_log(path) || self.memory.logs.contains_key(word) {
            self.log(word);
            return false;
        }
        if let Some(logs) = folder_of_logs(path) {
            logs.iter().for_each(|l| self.log(&l.display().to_string()));
            return false;
        }
        let source = match dumps::Source::parse(word) {
            Ok(dumps::Source::Live(endpoint) | dumps::Source::Named(_, endpoint)) => {
                let left = self.bounds.ends.saturating_duration_since(Instant::now());
                let (pages, problems) = proxies::live(&endpoint, left);
                pages.into_iter().for_each(|(path, page)| self.answer(&path, Ok(page)));
                problems.into_iter().for_each(|p| self.problem(p));
                return false;
            }
            Ok(source) => source,
            Err(e) => {
                self.problem(format!("{word}: {e}"));
                return false;
            }
        };
        if !path.exists() {
            self.problem(format!("{word}: there is no such file or folder"));
            return false;
        }
        let (pages, problems) = proxies::files(&source);
        let found = pages.len();
        pages.into_iter().for_each(|(path, page)| self.answer(&path, Ok(page)));
        problems.into_iter().for_each(|p| self.problem(p));
        found == 0 || path.is_dir()
    }

    /// The lines of a log that are new.
    fn log(&mut self, word: &str) {
        let path = Path::new(word);
        let end = || std::fs::metadata(path).map(|m| (m.ino(), m.len())).ok().filter(|_| self.memory.goes_on);
        let from = self.memory.logs.get(word).copied().or_else(end);
        match new_lines(path, from) {
            Ok((text, end)) => {
                self.memory.logs.insert(word.to_owned(), end);
                if !text.is_empty() {
                    self.add(&format!("logs/{}", tidy(word)), redact::log(&text));
                }
            }
            Err(e) => self.problem(format!("{word}: {e}")),
        }
    }

    fn manifests(&mut self, files: &[String], folder: &str) {
        let mut snapshot = Snapshot::new();
        manifests::read(&mut snapshot, files, Role::Judged, 0);
        self.objects(&snapshot, folder, |o| o.source().name().to_owned());
    }

    fn objects(&mut self, snapshot: &Snapshot, folder: &str, file: impl Fn(&Object) -> String) {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        for object in snapshot.objects.iter().filter(|o| o.role != Role::Assumed) {
            match redact::object(object) {
                Ok(yaml) => {
                    let text = texts.entry(tidy(&file(object))).or_default();
                    text.push_str(if text.is_empty() { "" } else { "---\n" });
                    text.push_str(&yaml);
                }
                Err(e) => self.problem(format!("{}: {e}", object.origin())),
            }
        }
        for (name, text) in texts {
            let name = name.trim_end_matches(".yaml").trim_end_matches(".yml").trim_end_matches(".json").to_owned();
            self.add(&format!("{folder}/{name}.yaml"), text);
        }
        for problem in &snapshot.problems {
            self.problem(format!("{}: {}", problem.subject, problem.message));
        }
    }

    fn cluster(&mut self, args: &CaptureArgs, source: &Source, place: Place, context: &Context) {
        let reach = &args.reach;
        let kube = KubeArgs {
            context: Vec::new(),
            connect: reach.connect.clone(),
            with_secrets: false,
            revision: reach.revision.clone(),
            remote_contexts: Vec::new(),
        };
        let source = Source { context: source.context.clone().or_else(|| reach.context.clone()), role: source.role };
        let (mut snapshot, mut unseen) = (Snapshot::new(), Vec::new());
        let access = Access::new(&kube, &reach.istio_namespace, &args.namespace, context);
        let folder = match place {
            Place::Alone => "manifests".to_owned(),
            Place::OneOf(number) => format!("manifests/clusters/{number}"),
        };
        let mut name = source.context.clone().unwrap_or_else(|| source.name());
        match access.and_then(|a| a.read_all(std::slice::from_ref(&source), Input::Clusters, &mut snapshot, &mut unseen)) {
            Err(e) => return self.problem(format!("{}: {e}", source.name())),
            Ok(names) => {
                name = names.into_iter().next().unwrap_or(name);
                self.objects(&snapshot, &folder, |o| o.kind_name().to_owned());
            }
        }
        let is_complete = snapshot.completeness == Completeness::Complete;
        self.capture.summary.complete = match place {
            Place::Alone => is_complete && args.from.len() == 1,
            // What a cluster that was not seen has is not known.
            Place::OneOf(_) => false,
        };
        let taken: BTreeSet<String> = self.capture.pages.iter().filter_map(|p| proxy_folder(&p.path)).map(str::to_owned).collect();
        if matches!(place, Place::OneOf(_)) {
            self.capture.summary.clusters.push(name.clone());
        }
        let written = |kind: &Kind| match kind.groups().first() {
            None | Some(&"") => kind.name().to_owned(),
            Some(group) => format!("{group}/{}", kind.name()),
        };
        self.capture.summary.unseen = snapshot.unseen.iter().map(|(_, kind)| written(kind)).collect();
        unseen.into_iter().for_each(|u| self.problem(u));
        if self.is_late("the cluster's proxies") {
            return;
        }
        let place = SourceArgs {
            from: Vec::new(),
            namespace: args.namespace.first().cloned().filter(|_| args.namespace.len() == 1),
            reach: ReachArgs { context: source.context.clone(), ..reach.clone() },
        };
        let (pages, problems) = proxies::cluster(&place, context);
        for (path, page) in pages {
            // Of two clusters each may have a pod of one name.
            let path = match proxy_folder(&path).filter(|f| taken.contains(*f)) {
                Some(folder) => format!("{folder}+{}{}", tidy(&name).replace('/', "_"), &path[folder.len()..]),
                None => path,
            };
            self.answer(&path, Ok(page));
        }
        problems.into_iter().for_each(|p| self.problem(p));
    }

    /// Traces that began since the moment before, and a minute more: their last spans arrive late.
    fn traces(&mut self, server: &Server, args: &CaptureArgs, at: i64, context: &Context) {
        let read = || {
            let to = at.div_euclid(1000);
            let since = telemetry::duration("--since", &args.since)? / 1000;
            let from = self.memory.traced.map_or(to - since, |last| (last - LATE).max(to - since.max(LATE)));
            telemetry::traces::searched(server, &Search { criteria: Criteria::default(), from, to, limit: TRACES }, context).map(|answer| (answer, to))
        };
        match read() {
            Err(e) => self.problem(e.to_string()),
            Ok((answer, to)) => {
                self.memory.traced = Some(to);
                if answer.traces.len() >= TRACES {
                    self.problem(format!("{}: of the traces of this moment the newest {TRACES} are taken", server.client.url()));
                }
                answer.problems.into_iter().for_each(|p| self.problem(p));
                // As they were reported: clocks are put right when they are looked at.
                let spans: Vec<Span> = answer.traces.into_iter().flat_map(|t| t.spans).map(|p| Span { start: p.span.start - p.shift, ..p.span }).collect();
                if !spans.is_empty() {
                    self.add(&format!("traces/{}.json", tidy(server.client.url())), traces::to_json(&spans));
                }
            }
        }
    }

    fn prometheus(&mut self, url: &str, args: &CaptureArgs, at: i64, context: &Context) {
        let read = || {
            let options = telemetry::options("workload")?;
            let args = TelemetryArgs {
                namespace: args.namespace.clone(),
                at: Some(mesh_model::time::rfc3339(at.div_euclid(1000))),
                ..TelemetryArgs::of(Some(url.to_owned()), Vec::new(), args.since.clone(), args.access.clone())
            };
            telemetry::read(&args, &options, context)
        };
        match read() {
            Err(e) => self.problem(format!("--prometheus: {e}")),
            Ok(recording) => {
                self.add("series/prometheus.json", recording.to_json());
                recording.problems.into_iter().for_each(|p| self.problem(p));
            }
        }
    }
}

/// `proxies/NAMESPACE/NAME` of a page of a proxy, and the like of istiod's.
fn proxy_folder(path: &str) -> Option<&str> {
    let is_so = ["proxies/", "istio/", "views/"].iter().any(|f| path.starts_with(f));
    let end = path.match_indices('/').nth(2)?.0;
    is_so.then(|| &path[..end])
}

/// The text of a file of traces.
fn traces_in(path: &Path) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    let mut head = Vec::new();
    std::fs::File::open(path).ok()?.take(LOOK).read_to_end(&mut head).ok()?;
    traces::begins_so(&String::from_utf8_lossy(&head)).then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// How far a file is looked into for traces.
const LOOK: u64 = 4096;
/// How far it is looked into for a line of an access log.
const LOOK_LOG: u64 = 64 * 1024;
/// What is taken of a log at one moment, in bytes: of a longer one its end.
const LOG: u64 = 8 << 20;
/// Traces that are taken at one moment.
const TRACES: usize = 500;
/// Seconds that spans may arrive late.
const LATE: i64 = 60;

fn begins_as_log(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = path.is_file() && std::fs::File::open(path).and_then(|f| f.take(LOOK_LOG).read_to_end(&mut head)).is_ok();
    read && !head.contains(&0) && is_log(&String::from_utf8_lossy(&head))
}

/// The logs of a folder that holds nothing else; there may be no line in them yet.
fn folder_of_logs(path: &Path) -> Option<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).ok()?;
    let mut all: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    // What was moved aside is a log's own past.
    all.retain(|p| p.extension().is_none_or(|e| e != "1"));
    all.sort();
    (!all.is_empty() && all.iter().all(|p| p.is_file() && p.extension().is_some_and(|e| e == "log"))).then_some(all)
}

/// Which file a log is, and how much of it was taken.
type Taken = (u64, u64);

/// The whole lines of a log from a place on, and where they end. A log that is another file than it was, or shorter, has begun
/// anew; what it was is read to its end where it was moved aside as `FILE.1`.
fn new_lines(path: &Path, from: Option<Taken>) -> std::io::Result<(String, Taken)> {
    let own = std::fs::metadata(path)?;
    let aside = PathBuf::from(format!("{}.1", path.display()));
    let is_aside = |id: u64| std::fs::metadata(&aside).is_ok_and(|m| m.ino() == id);
    let before = from.map_or(Some((0, 0)), |(id, at)| Some((id, at)).filter(|_| id != own.ino() && is_aside(id)));
    let mut text = before.map_or_else(String::new, |(_, at)| lines_from(&aside, at).map(|(text, _)| text).unwrap_or_default());
    let at = from.filter(|(id, at)| *id == own.ino() && *at <= own.len()).map_or(0, |(_, at)| at);
    let (new, end) = lines_from(path, at)?;
    text.push_str(&new);
    Ok((text, (own.ino(), end)))
}

/// The whole lines of a file from a place on, and where they end.
fn lines_from(path: &Path, from: u64) -> std::io::Result<(String, u64)> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let begin = from.max(length.saturating_sub(LOG));
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(length - begin).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    // Of what was cut in two the second half is no line.
    let first = if begin > from { bytes[..whole].iter().position(|b| *b == b'\n').map_or(whole, |at| at + 1) } else { 0 };
    Ok((String::from_utf8_lossy(&bytes[first..whole]).into_owned(), begin + whole as u64))
}

/// The bounds of a capture that begins now.
pub fn bounds(time: Duration, size: u64) -> Bounds {
    Bounds { ends: Instant::now() + time, size }
}
