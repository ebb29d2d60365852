//! All sources, asked beside each other: what they say within the time, and the names of those that say nothing.

use super::counted;
use super::propagation;
use super::proxies::{self, Port, Said, State};
use crate::args::mesh::MeshArgs;
use crate::args::telemetry::TelemetryArgs;
use crate::args::why::WhyArgs;
use crate::beside::{Pending, Round};
use crate::cluster;
use crate::commands::certs;
use crate::context::{Context, Notes};
use crate::dump;
use crate::mesh_input::{self, Input};
use crate::status::Failure;
use crate::stdio::Progress;
use crate::telemetry::{self, Answer, history};
use crate::worlds;
use mesh_analyzers::ranking::Counted;
use mesh_collectors::dumps::{Dumps, Source};
use mesh_collectors::recording;
use mesh_collectors::telemetry::series::Recording;
use mesh_model::graph::{Appender, Options};
use mesh_model::history::{Detail, History};
use mesh_model::traces::Dropped;
use mesh_model::{Role, Snapshot};
use std::path::Path;
use std::time::Duration;

/// How far is looked back for the beginning, in seconds.
const HISTORY: i64 = 3600;

/// What was found out.
#[derive(Default)]
pub struct Found {
    pub traffic: Option<Answer>,
    pub counted: Counted,
    /// How it came about, where the source has more than one moment.
    pub history: Option<History>,
    pub snapshot: Snapshot,
    pub state: State,
    /// Who does not hand trace headers on.
    pub dropped: Vec<Dropped>,
    pub problems: Vec<String>,
}

/// The sources by how they are asked.
#[derive(Default)]
struct Words {
    /// Manifests, dumps and recordings: what lies here.
    files: Vec<String>,
    clusters: Vec<String>,
    ports: Vec<Port>,
}

impl Words {
    fn new(words: &[String]) -> Result<Words, Failure> {
        let mut out = Words::default();
        for word in words {
            if cluster::Source::parse(word, Role::Judged).is_some() {
                out.clusters.push(word.clone());
                continue;
            }
            if worlds::of_cluster(word, "").is_some() {
                out.files.push(word.clone());
                continue;
            }
            match Source::parse(word).map_err(|e| Failure::usage(format!("{word}: {e}")))? {
                Source::Live(endpoint) => out.ports.push(Port { name: word.clone(), known: None, endpoint }),
                Source::Named(name, endpoint) => out.ports.push(Port { name: name.clone(), known: Some(name), endpoint }),
                _ => out.files.push(word.clone()),
            }
        }
        Ok(out)
    }
}

/// Asks all of them. `metrics` are files of series and recordings, `words` the other sources.
pub fn all(args: &WhyArgs, metrics: &[String], words: &[String], context: &Context) -> Result<Found, Failure> {
    let round = Round::begin(Duration::from_millis(telemetry::duration("--within", &args.within)?.unsigned_abs()));
    let words = Words::new(words)?;
    let progress = Progress::start(context.notes);
    progress.phase(|| "asking the sources".to_owned());
    let quiet = Context { notes: Notes::Quiet, ..context.clone() };
    let source = source(args, metrics, context, round.whole());
    let mut options = telemetry::options("workload")?;
    options.appenders.remove(&Appender::AggregateNode);
    let server = if metrics.is_empty() { args.prometheus.clone() } else { None };
    let server = server.map(|url| Server::ask(&round, url, &source, &options, &quiet)).transpose()?;
    let traces = propagation::ask(&round, args, telemetry::at(&source)?.unwrap_or(context.now))?;
    let live = Live::ask(&round, &words, args, &quiet);
    let mut out = Found { snapshot: Snapshot::new(), ..Found::default() };
    // What lies here is read while they think.
    files(args, &words, context, &mut out)?;
    live.take(&round, &mut out)?;
    if words.files.is_empty() && words.clusters.is_empty() && words.ports.is_empty() {
        out.problems.push("no objects were given (-f manifests, `kube`, a recording): what decides is not known".to_owned());
    }
    match server {
        Some(server) => server.take(&round, &source, &options, context, &mut out)?,
        None => recorded(metrics, &source, &options, context, &mut out)?,
    }
    if let Some(traces) = traces {
        out.dropped = traces.take(&round, &mut out.problems);
    }
    drop(progress);
    out.state.judge(context.now);
    out.problems.append(&mut out.state.problems);
    // A source without anything is named; where none has anything there is no answer.
    let has_objects = !words.files.is_empty() || !out.snapshot.objects.is_empty() || out.state.is_there;
    if out.traffic.is_none() && !has_objects {
        let failed: Vec<String> = out.problems.into_iter().filter(|p| !p.starts_with("no objects were given")).collect();
        return Err(Failure::none(failed.join("\n")));
    }
    Ok(out)
}

fn source(args: &WhyArgs, metrics: &[String], context: &Context, within: Duration) -> TelemetryArgs {
    let url = if metrics.is_empty() { args.prometheus.clone() } else { None };
    let mut source = TelemetryArgs::of(url, metrics.to_vec(), args.since.clone(), args.access.clone());
    source.at.clone_from(&context.at);
    source.access.within = Some(within);
    source
}

/// The metrics of files and recordings.
fn recorded(metrics: &[String], source: &TelemetryArgs, options: &Options, context: &Context, out: &mut Found) -> Result<(), Failure> {
    if metrics.is_empty() {
        out.problems.push("no metrics were given (--prometheus, a file of series, a recording): which calls fail was not seen".to_owned());
        return Ok(());
    }
    let recording = telemetry::read(source, options, context)?;
    match telemetry::asked(&recording, source, options, context) {
        Ok(answer) => {
            let to = answer.options.query_time;
            out.history = history::of_store(&recording.store, history::span(to - HISTORY, to), Detail::Each);
            out.take(&recording, answer);
            Ok(())
        }
        // A recording without traffic has the rest all the same.
        Err(Failure::Input(why)) => {
            out.problems.push(format!("which calls fail was not seen: {why}"));
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

impl Found {
    fn take(&mut self, recording: &Recording, answer: Answer) {
        self.problems.extend(answer.problems.iter().cloned());
        self.counted = counted::counted(recording, &answer);
        self.traffic = Some(answer);
    }
}

/// A Prometheus, asked for what is and for how it came about.
struct Server {
    name: String,
    metrics: Pending<Result<Recording, Failure>>,
    history: Pending<Result<Option<History>, String>>,
}

impl Server {
    fn ask(round: &Round, url: String, source: &TelemetryArgs, options: &Options, context: &Context) -> Result<Server, Failure> {
        let to = telemetry::at(source)?.unwrap_or(context.now);
        let (of_metrics, options, quiet) = (source.clone(), options.clone(), context.clone());
        let metrics = round.ask(move || telemetry::read(&of_metrics, &options, &quiet));
        let (of_history, at) = (source.clone(), url.clone());
        let history = round.ask(move || history::of_server(&at, &of_history, history::span(to - HISTORY, to)));
        Ok(Server { name: format!("prometheus {url}"), metrics, history })
    }

    fn take(self, round: &Round, source: &TelemetryArgs, options: &Options, context: &Context, out: &mut Found) -> Result<(), Failure> {
        let without = "which calls fail was not seen";
        let answered = match self.metrics.take() {
            Some(Ok(recording)) => telemetry::asked(&recording, source, options, context).map(|answer| (recording, answer)),
            Some(Err(failure)) => Err(failure),
            None => {
                out.problems.push(round.silent(&self.name, without));
                return Ok(());
            }
        };
        match answered {
            Ok((recording, answer)) => out.take(&recording, answer),
            Err(Failure::Other(why) | Failure::Input(why)) => {
                // The address stands in it already.
                let why = why.strip_prefix(self.name.trim_start_matches("prometheus ")).map_or(why.as_str(), |w| w.trim_start_matches(": "));
                let more = if why.contains("no answer within") { " (--within gives it longer)" } else { "" };
                out.problems.push(format!("{}: {why}; without it {without}{more}", self.name));
                return Ok(());
            }
            Err(failure) => return Err(failure),
        }
        match self.history.take() {
            Some(Ok(history)) => out.history = history,
            Some(Err(why)) => out.problems.push(format!("{}: {why}; when calls began to fail was not seen", self.name)),
            None => out.problems.push(round.silent(&format!("{} (of the last hour)", self.name), "when calls began to fail was not seen")),
        }
        Ok(())
    }
}

/// What answers over the network, but for metrics.
struct Live {
    clusters: Option<Pending<Result<Input, Failure>>>,
    names: Vec<String>,
    /// Read alone where the clusters are silent.
    files: Vec<String>,
    mesh: MeshArgs,
    context: Context,
    proxies: Option<Pending<Said>>,
    ports: Vec<Port>,
}

impl Live {
    fn ask(round: &Round, words: &Words, args: &WhyArgs, context: &Context) -> Live {
        let within = round.whole();
        let clusters = (!words.clusters.is_empty()).then(|| {
            let (mesh, quiet) = (args.mesh.clone(), context.clone());
            // Standard input can be read once only.
            let all: Vec<String> = words.clusters.iter().chain(&words.files).cloned().collect();
            round.ask(move || mesh_input::read_within(&mesh, &all, within, &quiet))
        });
        let ports = words.ports.clone();
        let proxies = (!ports.is_empty()).then(|| round.ask_many(move |tell| proxies::ask(ports, within, &tell)));
        Live {
            clusters,
            names: words.clusters.clone(),
            files: words.files.iter().filter(|f| *f != "-").cloned().collect(),
            mesh: args.mesh.clone(),
            context: context.clone(),
            proxies,
            ports: words.ports.clone(),
        }
    }

    fn take(self, round: &Round, out: &mut Found) -> Result<(), Failure> {
        if let Some(clusters) = self.clusters {
            let without = "its objects are not known";
            let read = match clusters.take() {
                Some(Ok(input)) => Some(input),
                Some(Err(failure @ (Failure::Usage(_) | Failure::Closed))) => return Err(failure),
                Some(Err(failure)) => {
                    out.problems.push(format!("{failure}; without it {without}"));
                    None
                }
                None => {
                    out.problems.push(round.silent(&self.names.join(", "), without));
                    None
                }
            };
            let read = match read {
                None if !self.files.is_empty() => Some(mesh_input::read_sources(&self.mesh, &self.files, &self.context)?),
                read => read,
            };
            if let Some(input) = read {
                out.problems.extend(input.problems().cloned());
                out.snapshot = input.snapshot;
            }
        }
        let Some(pending) = self.proxies else { return Ok(()) };
        let mut said = pending.all();
        said.sort_by_key(|s| s.port);
        let is_silent = |i: &usize| said.iter().all(|s| s.port != *i);
        let silent: Vec<&str> = (0..self.ports.len()).filter(is_silent).map(|i| self.ports[i].name.as_str()).collect();
        if !silent.is_empty() {
            out.problems.push(round.silent(&named(&silent), "its endpoints, updates and certificates are not known"));
        }
        said.into_iter().for_each(|one| out.state.add(one.state));
        Ok(())
    }
}

/// Manifests and dumps that lie here.
fn files(args: &WhyArgs, words: &Words, context: &Context, out: &mut Found) -> Result<(), Failure> {
    // Beside clusters the manifests are read with them: an object of a file takes the place of a cluster's.
    if words.clusters.is_empty() && !words.files.is_empty() {
        let input = mesh_input::read_sources(&args.mesh, &words.files, context)?;
        out.problems.extend(input.problems().cloned());
        out.snapshot = input.snapshot;
    }
    let mut dumps = Dumps::default();
    for word in words.files.iter().filter(|w| *w != "-") {
        let place = worlds::of_cluster(word, "").map_or_else(|| Source::parse(word), |(_, path)| Ok(Source::Path(path.into())));
        let found = match place {
            Ok(Source::Path(path)) if recording::is_there(&path) => dump::proxies(&Source::Path(path))?,
            _ => continue,
        };
        // A dump that was saved does not say when: by now its certificates may have expired.
        if recording::find(Path::new(word)).is_some() {
            out.state.held.extend(certs::held(&found));
        }
        dumps.merge(found);
    }
    out.state.add(State::of(&dumps));
    Ok(())
}

/// Names in one problem.
const NAMED: usize = 5;

/// `proxy a.shop`, `7 proxies (a.shop, b.shop, … and 2 more)`.
fn named(proxies: &[&str]) -> String {
    if let [one] = proxies {
        return format!("proxy {one}");
    }
    let more = proxies.len().checked_sub(NAMED).filter(|n| *n > 0).map_or_else(String::new, |n| format!(" and {n} more"));
    format!("{} proxies ({}{more})", proxies.len(), proxies.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
}
