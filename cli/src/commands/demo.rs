//! `meshctl demo`: a whole mesh in this process, and the other commands on it.

mod breaking;

use super::tui;
use crate::args::demo::{DemoArgs, DemoCommand};
use crate::args::{Cli, Command};
use crate::context::{Context, Notes};
use crate::demos;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use clap::Parser;
use mesh_demo::process::{self, Processes, Program, Which};
use mesh_demo::state::{self, Cluster};
use mesh_demo::{Demo, DemoError, Loopback, Mesh, Options, topology};
use mesh_metrics::promql::parse_duration;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a demo is called that is given no name.
const NAME: &str = "bookinfo";
/// How long the load runs before it is shown.
const FIRST: Duration = Duration::from_secs(10);
/// And how much longer where the machine is too busy for rates by then.
const LONGER: Duration = Duration::from_secs(60);

pub fn run(args: &DemoArgs, context: &Context) -> Outcome {
    match &args.what {
        Some(DemoCommand::Break(args)) => return breaking::run(args, context),
        Some(DemoCommand::Part { .. }) => {
            let say = Arc::new(|what: &str| stdio::note(what));
            return process::serve(std::io::stdin(), &mut std::io::stdout(), say).map(|()| Status::Fine).map_err(Failure::none);
        }
        None => {}
    }
    refuse(args, context)?;
    let span = args.span.as_deref().map(span).transpose()?;
    let mut signals = Signals::follow()?;
    let mesh = mesh(args)?;
    let name = args.name.clone().unwrap_or_else(|| name_of(&mesh));
    let options = Options {
        mesh,
        loopback: if args.ports { Loopback::Ports } else { Loopback::Any },
        rate: args.rate,
        seed: args.seed,
        requests: args.requests,
        states: demos::folder(),
        zipkin: args.zipkin.clone(),
        name: name.clone(),
        clusters: args.clusters.0.clone(),
        places: args.place.clone(),
        processes: processes(args)?,
        say: Arc::new(|what| stdio::note(&format!("demo: {what}"))),
    };
    let demo = Demo::start(&options).map_err(|e| match e {
        DemoError::Mesh(what) => Failure::input(what),
        DemoError::Usage(what) => Failure::usage(what),
        other => Failure::none(other.to_string()),
    })?;
    let begun = Instant::now();
    if context.notes == Notes::Said {
        introduce(&demo, &options);
    }
    let is_drawn = !args.once && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if is_drawn && span.is_none() {
        // What is drawn needs two scrapes.
        if signals.within(Duration::from_secs(3)) == Ended::ByTime {
            draw(&demo, context)?;
        }
        return Ok(Status::Fine);
    }
    let first = span.map_or(FIRST, |s| s.min(FIRST));
    if signals.within(if args.once { span.unwrap_or(FIRST) } else { first }) == Ended::BySignal {
        return Ok(Status::Fine);
    }
    let end = Instant::now() + LONGER;
    loop {
        let since = format!("{}s", begun.elapsed().as_secs().max(2));
        match show(&["graph", "--prometheus", &prometheus(&demo), "--since", &since]) {
            Err(Failure::Input(_) | Failure::Other(_)) if Instant::now() < end => {}
            Err(failure) => {
                unshown(args, failure)?;
                break;
            }
            Ok(()) => break,
        }
        if signals.within(Duration::from_secs(1)) == Ended::BySignal {
            return Ok(Status::Fine);
        }
    }
    let pages = planes(&demo);
    let words: Vec<&str> = std::iter::once("ps").chain(pages.iter().flat_map(|page| ["--from", page.as_str()])).collect();
    show(&words).or_else(|failure| unshown(args, failure))?;
    if args.once {
        context.answer(&load("load", &demo, begun))?;
        return Ok(if demo.counts().failed.load(Ordering::Relaxed) > 0 { Status::NotFine } else { Status::Fine });
    }
    context.answer(&load("load so far", &demo, begun))?;
    match span {
        Some(span) => drop(signals.within(span.saturating_sub(begun.elapsed()))),
        None => signals.come(),
    }
    context.answer(&load("load", &demo, begun))?;
    Ok(Status::Fine)
}

/// What became of the requests until now: a line.
fn load(what: &str, demo: &Demo, begun: Instant) -> String {
    let counts = demo.counts();
    let (fine, failed) = (counts.fine.load(Ordering::Relaxed), counts.failed.load(Ordering::Relaxed));
    // Those that are answered were sent before.
    let sent = counts.sent.load(Ordering::Relaxed);
    let under_way = match sent.saturating_sub(fine + failed) {
        0 => String::new(),
        n => format!(", {n} on their way"),
    };
    format!("{what}: {sent} requests sent in {} s, {fine} answered, {failed} failed{under_way}\n", begun.elapsed().as_secs())
}

fn is_own(args: &DemoArgs) -> bool {
    args.size.is_some() || !args.words.is_empty()
}

/// What is not there is said, and nothing is started.
fn refuse(args: &DemoArgs, context: &Context) -> Result<(), Failure> {
    let (count, most) = (args.clusters.0.len(), mesh_demo::CLUSTERS_OF_BOOKINFO);
    let refused = [
        (!is_own(args) && count > most, "--clusters: Bookinfo is spread over two clusters; a mesh of your own over up to four"),
        (!is_own(args) && !args.place.is_empty(), "--place is of meshes of your own: Bookinfo has its places"),
        (count < 2 && !args.place.is_empty(), "--place says which of several clusters a workload is in: say --clusters as well"),
        (context.out.is_some(), "--out: a demo gives more than one answer; send its standard output where you want it"),
    ];
    refused.iter().find(|(asked, _)| *asked).map_or(Ok(()), |(_, why)| Err(Failure::usage(*why)))
}

/// Bookinfo, unless something else is asked for.
fn mesh(args: &DemoArgs) -> Result<Mesh, Failure> {
    if let Some(size) = args.size {
        return Ok(Mesh::Generated(size as usize));
    }
    let missing = args.words.iter().find(|w| !w.exists());
    if let Some(word) = missing {
        return Err(Failure::usage(format!(
            "{}: there is no such file or folder; a demo takes manifests, a MockServiceGraph, or no word at all",
            word.display()
        )));
    }
    // Others that are told of them have another folder.
    let words: Vec<PathBuf> = args.words.iter().map(|w| w.canonicalize().unwrap_or_else(|_| w.clone())).collect();
    let graph = words.iter().find(|w| w.is_file() && topology::is_one(w));
    match (words.as_slice(), graph) {
        ([], _) => Ok(Mesh::Bookinfo),
        ([_], Some(graph)) => Ok(Mesh::Graph(graph.clone())),
        (_, Some(graph)) => Err(Failure::usage(format!("{} is a MockServiceGraph, which is a mesh by itself: name nothing beside it", graph.display()))),
        (words, None) => Ok(Mesh::Manifests(words.to_vec())),
    }
}

/// What a mesh is called that is given no name: as its file or folder.
fn name_of(mesh: &Mesh) -> String {
    let path = match mesh {
        Mesh::Bookinfo => return NAME.to_owned(),
        Mesh::Generated(_) => return "generated".to_owned(),
        Mesh::Graph(path) => Some(path),
        Mesh::Manifests(paths) => paths.first(),
    };
    let whole = path.and_then(|p| p.canonicalize().ok());
    let stem = whole.as_deref().and_then(|p| if p.is_dir() { p.file_name() } else { p.file_stem() }).map(|n| n.to_string_lossy().to_lowercase());
    let is_kept = |c: &char| state::is_name(&format!("a{c}"));
    let name: String = stem.unwrap_or_default().chars().filter(is_kept).skip_while(|c| !c.is_ascii_alphanumeric()).take(40).collect();
    if name.is_empty() { "mesh".to_owned() } else { name }
}

/// Which processes there are beside this one: this program again, which is told what to be.
fn processes(args: &DemoArgs) -> Result<Option<Processes>, Failure> {
    let mut envoys = BTreeMap::new();
    for word in &args.envoy {
        let (workload, program) = word.split_once('=').ok_or_else(|| Failure::usage(format!("--envoy takes WORKLOAD=PROGRAM, not `{word}`")))?;
        // Of a mesh of one's own the names are known when it is read.
        let names = if is_own(args) { vec![workload.to_owned()] } else { mesh_demo::workloads() };
        if !names.iter().any(|n| n == workload) {
            return Err(Failure::usage(format!("--envoy: no workload is called `{workload}`; there are {}", names.join(", "))));
        }
        let path = Path::new(program);
        if !path.is_file() {
            return Err(Failure::usage(format!("--envoy: {program} is no file; name the program itself")));
        }
        envoys.insert(workload.to_owned(), path.to_owned());
    }
    if !args.processes && envoys.is_empty() {
        return Ok(None);
    }
    let path = std::env::current_exe().map_err(|e| Failure::none(format!("this program does not know where it is: {e}")))?;
    let program = Program { path, arguments: vec!["demo".to_owned(), "part".to_owned()] };
    Ok(Some(Processes { program, which: if args.processes { Which::All } else { Which::Envoys }, envoys }))
}

fn span(text: &str) -> Result<Duration, Failure> {
    let ms = parse_duration(text).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms >= 5000);
    ms.map(Duration::from_millis).ok_or_else(|| Failure::usage(format!("--for takes a time of 5s at least, such as 30s or 5m, not `{text}`")))
}

/// Manifests: those of the mesh, and what was added to them.
fn folders(demo: &Demo) -> Vec<String> {
    match demo.clusters() {
        [] => demo.manifests().iter().map(|p| p.display().to_string()).collect(),
        several => several.iter().map(Cluster::source).collect(),
    }
}

/// The debug pages of the control planes.
fn planes(demo: &Demo) -> Vec<String> {
    let others = demo.clusters().iter().skip(1).map(|c| c.control_plane);
    std::iter::once(demo.control_plane()).chain(others).map(|at| format!("http://{at}")).collect()
}

fn prometheus(demo: &Demo) -> String {
    format!("http://{}", demo.prometheus())
}

fn jaeger(demo: &Demo) -> String {
    format!("http://{}", demo.jaeger())
}

/// Where everything listens, how to stop it, and what to type next.
fn introduce(demo: &Demo, options: &Options) {
    let (folders, prometheus, jaeger, planes) = (folders(demo), prometheus(demo), jaeger(demo), planes(demo));
    let several = if planes.len() > 1 { "control planes" } else { "control plane" };
    let entry = demo.gateway().map_or_else(|| " without a gateway".to_owned(), |(at, host)| format!(" by http://{at} (host {host})"));
    stdio::note(&format!(
        "demo: {}{entry}, metrics on {prometheus}, traces on {jaeger} (Jaeger's API), {several} on {}, manifests in {}; stop with Ctrl-C",
        demo.name().unwrap_or(&options.name),
        planes.join(" and "),
        folders.join(" and ")
    ));
    if let Some(said) = demo.said() {
        stdio::note(&format!("demo: what its processes say is in {}", said.display()));
    }
    stdio::notes("next, in another terminal:");
    let third = if options.mesh == Mesh::Bookinfo { "why productpage http://reviews:9080/reviews/0" } else { "why" };
    let next = match source(demo) {
        Some(from) => ["top", "ps", third].map(|command| format!("{command} --from {from}")),
        // Nobody finds it by its name here.
        None => [
            format!("top --prometheus {prometheus} --since 30s"),
            format!("ps --from {}", planes.join(" --from ")),
            format!("analyze --complete {}", folders.join(" ")),
        ],
    };
    next.iter().for_each(|command| stdio::notes(&format!("  meshctl {command}")));
}

/// What other commands find it by; `None` where they can't.
fn source(demo: &Demo) -> Option<String> {
    demo.name().map(|name| if name == NAME && demos::is_alone() { demos::WORD.to_owned() } else { format!("{}:{name}", demos::WORD) })
}

fn parse(words: &[&str]) -> Result<Cli, Failure> {
    parse_whole(&std::iter::once("meshctl").chain(words.iter().copied()).map(str::to_owned).collect::<Vec<_>>())
}

fn parse_whole(words: &[String]) -> Result<Cli, Failure> {
    Cli::try_parse_from(words).map_err(|e| Failure::Other(e.to_string()))
}

/// What could not be shown: the end of a demo that shows it once. Another one goes on; somebody may have broken what would be shown.
fn unshown(args: &DemoArgs, failure: Failure) -> Result<(), Failure> {
    match failure {
        Failure::Closed => Err(Failure::Closed),
        failure if args.once => Err(failure),
        failure => {
            stdio::note(&format!("demo: {failure}"));
            Ok(())
        }
    }
}

/// Another command's answer, as if it were typed.
fn show(words: &[&str]) -> Result<(), Failure> {
    crate::run(parse(words)?, None).map(drop)
}

/// The terminal UI on it, as `--from demo` opens it. A signal ends that alone: the demo is still to be put away.
fn draw(demo: &Demo, context: &Context) -> Result<(), Failure> {
    let how = ["--since", "30s", "--refresh", "5s", "--open", "graph"];
    let (folders, prometheus) = (folders(demo), prometheus(demo));
    let (logs, jaeger) = (demo.logs().display().to_string(), jaeger(demo));
    let (cli, greeting) = match source(demo) {
        Some(from) => {
            let words: Vec<String> = ["meshctl", "tui", "--from", &from].into_iter().chain(how).map(str::to_owned).collect();
            let placed = demos::place(&words, &parse_whole(&words)?, context.now)?.unwrap_or(words);
            (parse_whole(&placed)?, Some(format!("in another terminal: meshctl top, ps or why --from {from}   here: ? help  q back")))
        }
        // Nobody finds it by its name here.
        None => {
            let words = ["tui"].into_iter().chain(folders.iter().map(String::as_str)).chain([logs.as_str(), "--jaeger", &jaeger, "--prometheus", &prometheus]);
            (parse(&words.chain(how).collect::<Vec<_>>())?, None)
        }
    };
    match cli.command {
        Some(Command::Tui(args)) => tui::run_and(&args, context, greeting, |_| Ok(())).map(drop),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    ByTime,
    BySignal,
}

/// SIGINT, SIGTERM and SIGHUP (the terminal has gone): from now on they end nothing by themselves, so that what was made
/// is taken away.
struct Signals {
    runtime: tokio::runtime::Runtime,
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn follow() -> Result<Signals, Failure> {
        let bad = |e: std::io::Error| Failure::none(format!("signals can't be followed: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(bad)?;
        let of = |kind| {
            let _context = runtime.enter();
            signal(kind).map_err(bad)
        };
        let (interrupt, terminate, hang_up) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?, of(SignalKind::hangup())?);
        Ok(Signals { runtime, interrupt, terminate, hang_up })
    }
    fn come(&mut self) {
        while self.within(Duration::from_secs(3600)) == Ended::ByTime {}
    }
    fn within(&mut self, span: Duration) -> Ended {
        let Signals { runtime, interrupt, terminate, hang_up } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => Ended::BySignal,
                _ = terminate.recv() => Ended::BySignal,
                _ = hang_up.recv() => Ended::BySignal,
                () = tokio::time::sleep(span) => Ended::ByTime,
            }
        })
    }
}
