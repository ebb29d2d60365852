//! `proxy-config log --level` and `--reset`, and ztunnel's: the one thing that changes a proxy, through its own admin port alone.
//!
//! Without `--yes` nothing is changed; what would be, and how it is undone, is told either way.

use super::log::{levels, table};
use crate::args::proxy_config::LogArgs;
use crate::context::Context;
use crate::dump::{self, Need, sources};
use crate::reach;
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_analyzers::spelling;
use mesh_collectors::dumps::admin::{Admin, AdminError, Options};
use mesh_collectors::dumps::{Endpoint, Source};
use mesh_collectors::kube::pods::Pod;
use mesh_collectors::kube::reach::{Ask, Reach};
use mesh_envoy::identify::Content;
use std::collections::BTreeMap;
use std::fmt;

/// Envoy's levels.
const LEVELS: &[&str] = &["trace", "debug", "info", "warning", "error", "critical", "off"];
/// What Istio starts its proxies with.
const DEFAULT: &str = "warning";

/// What is to be.
enum Wanted {
    All(&'static str),
    /// By logger.
    Some(BTreeMap<String, &'static str>),
}

pub fn run(args: &LogArgs, context: &Context) -> Outcome {
    let wanted = wanted(args)?;
    let door = Door::of(args)?;
    let before = door.ask("/logging")?;
    let known: BTreeMap<&str, &str> = levels(&before).into_iter().collect();
    if known.contains_key("*") {
        return of_ztunnel(&door, &wanted, args, &before, context);
    }
    if known.is_empty() {
        return Err(Failure::usage(format!("{door}: its answer to /logging has no levels")));
    }
    let changes = changes(&wanted, &known)?;
    if changes.is_empty() {
        context.note("the levels are these already: nothing is changed");
        context.answer(&table(&before, context))?;
        return Ok(Status::Fine);
    }
    let path = match &wanted {
        Wanted::All(level) => format!("/logging?level={level}"),
        Wanted::Some(list) => format!("/logging?paths={}", list.iter().map(|(n, l)| format!("{n}:{l}")).collect::<Vec<_>>().join(",")),
    };
    let back: Vec<String> = changes.iter().map(|(name, (was, _))| format!("{name}:{was}")).collect();
    // All of them were alike, and are again.
    let alike = changes.len() == known.len() && changes.values().all(|(was, _)| changes.values().next().is_some_and(|(first, _)| first == was));
    let undo = if alike { changes.values().next().map_or_else(String::new, |(was, _)| (*was).to_owned()) } else { back.join(",") };
    let told = format!(
        "POST {door}{path} changes {} of {} loggers of this proxy, until it restarts\nundo it with: meshctl pc log {} --level {undo} --yes",
        changes.len(),
        known.len(),
        door.words()
    );
    if !args.source.which.yes {
        return Err(Failure::usage(format!("{told}\nnothing is changed: --yes does it")));
    }
    told.lines().for_each(|line| context.note(&safe(line)));
    let after = door.ask(&path)?;
    context.answer(&table(&after, context))?;
    Ok(Status::Fine)
}

/// `/logging?level=…` adds to what ztunnel started with; `&reset` leaves that out. `info` is what Istio starts it with.
fn of_ztunnel(door: &Door, wanted: &Wanted, args: &LogArgs, before: &str, context: &Context) -> Outcome {
    let path = match wanted {
        _ if args.reset => "/logging?level=info&reset".to_owned(),
        Wanted::All(level) => format!("/logging?level={}", of_tracing(level)?),
        Wanted::Some(list) => {
            let list = list.iter().map(|(module, level)| Ok(format!("{}:{}", module_name(module)?, of_tracing(level)?)));
            format!("/logging?level={}", list.collect::<Result<Vec<_>, Failure>>()?.join(","))
        }
    };
    let told = format!(
        "POST {door}{path} changes the levels of this ztunnel, until it restarts; {}\nundo it with: meshctl zc log {} --reset --yes (info, with which Istio starts it)",
        before.trim(),
        door.words()
    );
    if !args.source.which.yes {
        return Err(Failure::usage(format!("{told}\nnothing is changed: --yes does it")));
    }
    told.lines().for_each(|line| context.note(&safe(line)));
    let after = door.ask(&path)?;
    context.answer(&table(&after, context))?;
    Ok(Status::Fine)
}

/// A level by the name that ztunnel has for it.
fn of_tracing(level: &'static str) -> Result<&'static str, Failure> {
    match level {
        "warning" => Ok("warn"),
        "critical" => Err(Failure::usage("ztunnel has no level `critical`: trace, debug, info, warn, error, off")),
        same => Ok(same),
    }
}

fn module_name(name: &str) -> Result<&str, Failure> {
    let is_path = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    if is_path { Ok(name) } else { Err(Failure::usage(format!("`{name}` is no name of a module, such as ztunnel::proxy"))) }
}

/// `debug`, or `http:debug,rbac:trace`.
fn wanted(args: &LogArgs) -> Result<Wanted, Failure> {
    let Some(text) = args.level.as_deref().filter(|_| !args.reset) else { return Ok(Wanted::All(DEFAULT)) };
    if !text.contains(':') {
        return Ok(Wanted::All(level(text)?));
    }
    let mut list = BTreeMap::new();
    for part in text.split(',') {
        let (name, word) = part.rsplit_once(':').ok_or_else(|| Failure::usage(format!("--level takes LEVEL or LOGGER:LEVEL,…, not `{part}`")))?;
        list.insert(name.trim().to_owned(), level(word)?);
    }
    Ok(Wanted::Some(list))
}

fn level(word: &str) -> Result<&'static str, Failure> {
    let word = word.trim().to_ascii_lowercase();
    let word = match word.as_str() {
        "warn" => "warning",
        "none" => "off",
        other => other,
    };
    let found = LEVELS.iter().find(|l| **l == word);
    found.copied().ok_or_else(|| Failure::usage(format!("`{word}` is no level: {}", LEVELS.join(", "))))
}

/// The loggers that change: what they are and what they become.
fn changes<'k>(wanted: &Wanted, known: &BTreeMap<&'k str, &'k str>) -> Result<BTreeMap<&'k str, (&'k str, &'static str)>, Failure> {
    let differing =
        |list: Vec<(&'k str, &'k str, &'static str)>| list.into_iter().filter(|(_, was, to)| was != to).map(|(n, was, to)| (n, (was, to))).collect();
    match wanted {
        Wanted::All(to) => Ok(differing(known.iter().map(|(n, was)| (*n, *was, *to)).collect())),
        Wanted::Some(list) => {
            let mut out = Vec::new();
            for (name, to) in list {
                let (known_name, was) = known.get_key_value(name.as_str()).ok_or_else(|| {
                    let near = spelling::nearest(name, known.keys().copied()).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
                    Failure::usage(format!("the proxy has no logger `{name}`{near}"))
                })?;
                out.push((*known_name, *was, *to));
            }
            Ok(differing(out))
        }
    }
}

/// The way to the one proxy whose levels are changed. What is asked at last is asked over the connection that came first.
struct Door {
    runtime: tokio::runtime::Runtime,
    way: Way,
}

enum Way {
    Live(Endpoint),
    Pod {
        reach: Box<Reach>,
        pod: Box<Pod>,
        /// The options that lead to its cluster.
        options: String,
    },
}

impl Door {
    fn of(args: &LogArgs) -> Result<Door, Failure> {
        let named = sources(&args.source.source)?;
        let runtime = dump::runtime()?;
        let way = match named.as_slice() {
            [Source::Live(endpoint) | Source::Named(_, endpoint)] => Way::Live(endpoint.clone()),
            [Source::Cluster(name)] if args.source.pod.is_some() || args.source.which.selector.is_some() || args.source.which.node.is_some() => {
                let place = &args.source.source.reach;
                let (reach, pod) = runtime.block_on(async {
                    let reach = reach::connect(place, name.as_deref()).await?;
                    let pod = reach::only(&reach, &args.source, Need::Logging).await?;
                    Ok::<_, Failure>((reach, pod))
                })?;
                let kubeconfig = place.connect.kubeconfig.as_ref().map_or_else(String::new, |path| format!(" --kubeconfig {}", path.display()));
                let context = if reach.cluster.is_own() { String::new() } else { format!(" --context {}", reach.cluster.name) };
                Way::Pod { reach: Box::new(reach), pod: Box::new(pod), options: kubeconfig + &context }
            }
            _ => {
                return Err(Failure::usage(
                    "levels are changed at one proxy: name a pod, or a live admin port with --from http://127.0.0.1:15000 or --from unix:PATH",
                ));
            }
        };
        Ok(Door { runtime, way })
    }
    /// The words of a command that name the same proxy.
    fn words(&self) -> String {
        match &self.way {
            Way::Live(endpoint) => format!("--from {endpoint}"),
            Way::Pod { pod, options, .. } => format!("{}{options}", pod.full_name()),
        }
    }
    fn ask(&self, path: &str) -> Result<String, Failure> {
        match &self.way {
            Way::Live(endpoint) => {
                let exchange = async {
                    let admin = Admin::new(endpoint, Options::default())?;
                    admin.post(path, &[Content::Logging]).await
                };
                let page: Result<_, AdminError> = self.runtime.block_on(exchange);
                page.map(|p| p.text).map_err(|e| Failure::none(e.to_string()))
            }
            Way::Pod { reach, pod, .. } => {
                let ask = Ask { path: path.to_owned(), ..reach::ask(Need::Logging) };
                let reached = self.runtime.block_on(reach.page(pod, &ask));
                reached.map(|r| r.page.text).map_err(|e| reach::failure(e, Need::Logging))
            }
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Live(endpoint) => endpoint.fmt(f),
            Way::Pod { pod, .. } => write!(f, "{} ", pod.full_name()),
        }
    }
}
