//! Manifests, clusters and dumps among the sources of a question about the mesh: what a source is is found out by content.
//!
//! This is the one reading of them: `why`, `test`, `mtls`, `plan`, `drift` and the rest ask the same input the same way.

use crate::args::mesh::MeshArgs;
use crate::args::{AnalyzeArgs, Cli, Command, ConnectArgs};
use crate::cluster::{self, Access, Source, Takes};
use crate::context::Context;
use crate::dump;
use crate::load::{self, Shared};
use crate::settings::Settings;
use crate::status::{Failure, Status};
use crate::term::safe;
use crate::worlds::{self, Plan};
use clap::Parser;
use mesh_collectors::dumps::{self, Dumps};
use mesh_collectors::recording;
use mesh_envoy::identify::{Content, identify};
use mesh_model::{Problem, ProblemKind, Role, Snapshot};
use mesh_resolver::Held;
use mesh_resolver::watch::Watch;
use mesh_resolver::workload::pod_template;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

/// What is read, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'s> {
    pub from: &'s [String],
    /// Where relative paths begin; "" is the working directory.
    pub base: &'s str,
    /// The manifests are the whole mesh.
    pub complete: bool,
    pub mesh_config: Option<&'s Path>,
    /// How long a cluster has for all of its answers; what is missing then is named.
    pub within: Option<Duration>,
    /// How clusters are asked, where a command has flags for it.
    pub connect: Option<&'s ConnectArgs>,
    /// What an error names where there is no cluster.
    pub takes: Takes,
}

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
    /// Of manifests alone: what is missing in them.
    pub gaps: Vec<String>,
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
    /// Whether there are manifests.
    pub fn knows_manifests(&self) -> bool {
        self.snapshot.objects.iter().any(|o| o.role != Role::Assumed)
    }
}

/// Reads all sources.
pub fn read(args: &MeshArgs, context: &Context) -> Result<Input, Failure> {
    read_sources(args, &args.from, context)
}

/// The same of other sources than those that the arguments name.
pub fn read_sources(args: &MeshArgs, from: &[String], context: &Context) -> Result<Input, Failure> {
    read_all(&named(args, from), context)
}

/// The same of clusters that have so long, for a question that metrics answer, too.
pub fn read_within(args: &MeshArgs, from: &[String], within: Duration, context: &Context) -> Result<Input, Failure> {
    read_all(&Sources { within: Some(within), takes: Takes::SourcesOrMetrics, ..named(args, from) }, context)
}

fn named<'s>(args: &'s MeshArgs, from: &'s [String]) -> Sources<'s> {
    Sources { from, base: "", complete: args.complete, mesh_config: args.mesh_config.as_deref(), ..Sources::default() }
}

/// Reads sources.
pub fn read_all(sources: &Sources<'_>, context: &Context) -> Result<Input, Failure> {
    if sources.from.is_empty() {
        return Err(Failure::usage("name what to answer from with -f: manifests, config dumps, folders of both, or `kube` for the current cluster"));
    }
    let mut pages = Pages::default();
    let (mut manifests, mut clusters, mut live) = (Vec::new(), Vec::new(), Vec::new());
    for word in sources.from {
        if let Some(source) = Source::parse(word, Role::Judged) {
            live.push(source);
            continue;
        }
        if let Some((name, path)) = worlds::of_cluster(word, sources.base) {
            if pages.take(&dumps::Source::Path(path.as_str().into()), context)? == Rest::Manifests {
                clusters.push((name, path));
            }
            continue;
        }
        let place = dumps::Source::parse(word).map_err(|e| Failure::usage(format!("{word}: {e}")))?;
        let (place, word) = match place {
            dumps::Source::Path(path) => {
                let path = Path::new(sources.base).join(path);
                let word = path.display().to_string();
                (dumps::Source::Path(path), word)
            }
            other => (other, word.clone()),
        };
        if pages.take(&place, context)? == Rest::Manifests {
            manifests.push(word);
        }
    }
    let Pages { mut held, mut unreadable, mut unseen, seen } = pages;
    let mut snapshot = Snapshot::new();
    let mut gaps = Vec::new();
    worlds::check_names(&clusters)?;
    if !manifests.is_empty() || !clusters.is_empty() || !live.is_empty() {
        let mut analyze = analyze_args(sources.complete, &manifests)?;
        if let Some(connect) = sources.connect {
            analyze.kube.connect = connect.clone();
        }
        let settings = Settings::new(&analyze, context, None)?;
        let access = Access::new(&analyze.kube, &analyze.input.istio_namespace, &analyze.input.namespace, context)?.within(sources.within);
        let shared = Shared::read(sources.mesh_config, None, access)?;
        let plan = Plan { paths: manifests, clusters, live, complete: sources.complete, ..Plan::default() };
        let loaded = load::load(&plan, &settings, Path::new("."), &shared, &|text| context.note(text)).map_err(|e| cluster::as_asked(e, sources.takes))?;
        gaps = loaded.unseen;
        unseen.extend(gaps.iter().cloned());
        snapshot = loaded.snapshot;
        for p in snapshot.problems.iter().filter(|p| !seen.contains(&p.subject)) {
            let Some(list) = list_of(p, &mut unreadable, &mut unseen) else { continue };
            let text = format!("{}: {}", p.subject, p.message);
            gaps.push(text.clone());
            list.push(text);
        }
        forget_assumed_gateway(&mut snapshot);
    }
    for list in [&mut unreadable, &mut unseen] {
        let mut known = BTreeSet::new();
        list.retain(|text| known.insert(text.clone()));
    }
    say_left_out(&snapshot, context);
    snapshot.as_of = mesh_model::Timestamp(context.now);
    let (held, dumps) = held.drain(..).map(|h| (h.held, h.dump)).unzip();
    Ok(Input { snapshot, held, dumps, unreadable, unseen, gaps })
}

/// Names what is in the input and takes no part in the mesh, so that nobody looks for it.
fn say_left_out(snapshot: &Snapshot, context: &Context) {
    let left = Watch::new(snapshot).left_out(snapshot);
    if !left.unwatched.is_empty() {
        let named: Vec<String> =
            left.unwatched.iter().map(|(name, n)| format!("{} ({n} {})", safe(name), if *n == 1 { "object" } else { "objects" })).collect();
        context.note(&format!("left out: {}: istiod does not watch these namespaces (discoverySelectors of the mesh configuration)", named.join(", ")));
    }
}

/// Whether a problem is one of reading or of seeing; of neither where it is only counted.
fn list_of<'l>(problem: &Problem, unreadable: &'l mut Vec<String>, unseen: &'l mut Vec<String>) -> Option<&'l mut Vec<String>> {
    match problem.kind {
        ProblemKind::Unreadable | ProblemKind::Syntax => Some(unreadable),
        ProblemKind::HelmTemplate | ProblemKind::Kustomize | ProblemKind::Unseen => Some(unseen),
        ProblemKind::Ignored => None,
    }
}

/// The default ingress gateway is assumed only where the input has none of its own.
fn forget_assumed_gateway(snapshot: &mut Snapshot) {
    let is_own = |o: &mesh_model::Object| {
        let label = pod_template(o).and_then(|t| t.at(&["metadata", "labels", "istio"]));
        o.role != Role::Assumed && label.is_some_and(|l| l.text() == "ingressgateway")
    };
    if snapshot.objects.iter().any(is_own) {
        snapshot.objects.retain(|o| o.role != Role::Assumed);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Manifests,
    Nothing,
}

/// A proxy, and the page that says what it holds.
struct Known {
    held: Held,
    dump: Value,
    origin: String,
}

/// The config dumps of all sources.
#[derive(Default)]
struct Pages {
    held: Vec<Known>,
    unreadable: Vec<String>,
    unseen: Vec<String>,
    /// Where dumps lie: those are no manifests, whatever is wrong with them.
    seen: BTreeSet<String>,
}

impl Pages {
    /// Takes the dumps of a source, and tells whether manifests may be in it.
    fn take(&mut self, source: &dumps::Source, context: &Context) -> Result<Rest, Failure> {
        let file = match source {
            dumps::Source::Path(path) if !recording::is_there(path) => return Ok(Rest::Manifests),
            dumps::Source::Path(path) => (path.is_file() && recording::find(path).is_none()).then_some(path),
            dumps::Source::Stdin if !is_page_on_stdin() => return Ok(Rest::Manifests),
            _ => None,
        };
        let found: Dumps = dump::proxies(source)?;
        // What istiod would send stands for proxies where there is nothing of themselves.
        let list = if found.proxies.iter().any(|p| p.page(&[Content::ConfigDump]).is_some()) { &found.proxies } else { &found.views };
        let mut any = false;
        for page in list.iter().flat_map(|p| &p.pages).filter(|p| p.content == Content::ConfigDump) {
            any = true;
            self.seen.insert(page.origin.clone());
            let read = |dump: Value| Held::read(&page.origin, &dump).map(|held| Known { held, dump, origin: page.origin.clone() }).map_err(|e| e.to_string());
            match serde_json::from_str(&page.text).map_err(|e| e.to_string()).and_then(read) {
                Ok(one) => self.keep(one, context),
                Err(e) => self.unreadable.push(format!("{}: {e}", page.origin)),
            }
        }
        self.unseen.extend(found.problems.iter().map(|(subject, message)| format!("{subject}: {message}")));
        if any && !matches!(source, dumps::Source::Path(path) if path.is_dir() || recording::find(path).is_some()) {
            return Ok(Rest::Nothing);
        }
        let other = found.proxies.iter().chain(&found.control_planes).flat_map(|p| &p.pages).next();
        match (file, other) {
            (Some(_), Some(page)) if !may_be_manifests(page.content) => {
                Err(Failure::input(format!("{}: this is {}; expected are manifests or config dumps of proxies", page.origin, page.content.describe())))
            }
            (None, _) if matches!(source, dumps::Source::Live(_) | dumps::Source::Named(..) | dumps::Source::Stdin) => Ok(Rest::Nothing),
            // An archive that can't be read is no manifest either.
            (Some(_), None) if !found.problems.is_empty() => Ok(Rest::Nothing),
            _ => Ok(Rest::Manifests),
        }
    }

    /// Of two dumps of a proxy the one with more endpoints counts, else the first; which one is said.
    fn keep(&mut self, one: Known, context: &Context) {
        let is_same = |k: &&mut Known| k.held.name == one.held.name && k.held.addresses == one.held.addresses;
        let Some(known) = self.held.iter_mut().find(is_same) else { return self.held.push(one) };
        let endpoints = |k: &Known| k.held.configuration.assignments.len();
        let why = if endpoints(known) == endpoints(&one) { "comes first" } else { "has more endpoints" };
        let left = if endpoints(known) < endpoints(&one) { std::mem::replace(known, one) } else { one };
        context.note(&safe(&format!("of two dumps of {} {} is used, which {why}, and {} is not", known.held.name, known.origin, left.origin)));
    }
}

fn may_be_manifests(content: Content) -> bool {
    matches!(content, Content::Yaml | Content::Kubernetes | Content::OtherText | Content::OtherJson | Content::Empty)
}

/// Whether standard input begins like a page or an archive; nothing of it is taken away.
fn is_page_on_stdin() -> bool {
    let mut stdin = std::io::stdin().lock();
    let head = stdin.fill_buf().unwrap_or_default();
    head.starts_with(&[0x1f, 0x8b]) || !may_be_manifests(identify(&String::from_utf8_lossy(head)))
}

/// The call of `analyze` that reads the same.
fn analyze_args(complete: bool, paths: &[String]) -> Result<Box<AnalyzeArgs>, Failure> {
    let words = ["meshctl", "analyze", "--no-config"].into_iter().map(str::to_owned);
    let words = words.chain(complete.then(|| "--complete".to_owned())).chain(["--".to_owned()]).chain(paths.iter().cloned());
    match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::Analyze(args))) => Ok(args),
        Ok(_) => Err(Failure::none("`analyze` is not called so")),
        Err(e) => Err(Failure::usage(e.to_string())),
    }
}
