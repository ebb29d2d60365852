//! What the screens show, owned and plain: a snapshot's facts, put in the order in which they are looked at.
//!
//! A [`World`] is made once whenever the sources were read; drawing only looks at it. What a source can't give is an
//! [`Answer::Unavailable`] with the reason, never an empty list.

mod ask;
pub mod changes;
pub mod configuration;
pub mod drift;
pub mod logs;
mod namespaces;
pub mod proxies;
mod ranking;
pub mod sync;
pub mod timeline;
pub mod traces;
pub mod traffic;
mod versions;
pub mod way;

pub use ask::Ask;
pub use namespaces::Namespace;
pub use proxies::{Certificate, Proxy};
#[cfg(test)]
pub(crate) use ranking::suspected;
pub use ranking::{Problem, Target, node as fault_node, seen as fault_seen};
pub use traffic::Traffic;
pub use versions::Version;

use crate::graph::{Health, View};
use mesh_analyzers::ranking::Fault;
use mesh_model::graph::Graph;
use mesh_model::history::{History, Signals};
use mesh_resolver::Mesh;
use std::collections::BTreeMap;

/// Something that may not be known.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    Known(T),
    /// Why not, and what to do: a sentence each.
    Unavailable {
        why: String,
        how: String,
    },
}

impl<T> Answer<T> {
    pub fn unavailable(why: impl Into<String>, how: impl Into<String>) -> Answer<T> {
        Answer::Unavailable { why: why.into(), how: how.into() }
    }
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Known(value) => Answer::Known(change(value)),
            Answer::Unavailable { why, how } => Answer::Unavailable { why, how },
        }
    }
    pub fn known(&self) -> Option<&T> {
        match self {
            Answer::Known(value) => Some(value),
            Answer::Unavailable { .. } => None,
        }
    }
}

/// One source and how reading it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it was typed.
    pub name: String,
    /// `12 objects`, `2 proxies`; or why it failed.
    pub state: Result<String, String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Info,
}

impl Level {
    pub fn health(self) -> Health {
        match self {
            Level::Error => Health::Failing,
            Level::Warning => Health::Degraded,
            Level::Info => Health::Idle,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
        }
    }
}

/// A line of a source around a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    pub number: u32,
    pub text: String,
    /// The columns of the place on this line, in characters from 0.
    pub marked: Option<(usize, usize)>,
}

/// One fault, ready to be shown: secrets are taken out by whoever makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: String,
    pub level: Level,
    /// `Kind ns/name`.
    pub object: String,
    /// "" where there is none.
    pub namespace: String,
    pub message: String,
    pub help: Option<String>,
    /// `file:line:column`; the file alone where there is no position.
    pub place: String,
    pub lines: Vec<SourceLine>,
    /// Other places and what they have to do with it.
    pub related: Vec<(String, String)>,
    /// What a fix does, and the text that it puts in the marked place.
    pub fix: Option<(String, String)>,
}

/// Everything that is shown.
#[derive(Clone, Debug)]
pub struct World {
    /// What was opened, for the top line.
    pub context: String,
    /// The command line's own words for the sources, to be put behind another command.
    pub arguments: String,
    pub sources: Vec<Source>,
    /// Seconds since the epoch at which expiries and ages are judged.
    pub as_of: i64,
    /// Sorted worst first.
    pub findings: Answer<Vec<Finding>>,
    /// Pages by code.
    pub explanations: BTreeMap<String, String>,
    pub namespaces: Vec<Namespace>,
    pub proxies: Answer<Vec<Proxy>>,
    /// Sorted by expiry.
    pub certificates: Answer<Vec<Certificate>>,
    pub clusters: Vec<(String, usize)>,
    pub versions: Vec<Version>,
    /// By proxy.
    pub sync: Answer<Vec<sync::Sync>>,
    /// What configuration says of who is routed where.
    pub configuration: Answer<configuration::Configured>,
    /// Who calls whom, how much and how well.
    pub traffic: Answer<Traffic>,
    pub logs: Answer<logs::Logs>,
    pub traces: Answer<traces::Traces>,
    /// Of which time traffic and traces are; `None` where the sources hold neither.
    pub shown: Option<traffic::Times>,
    /// The moments that can be replayed.
    pub timeline: Option<timeline::Timeline>,
    /// Golden signals over the time that is shown; `None` where no source has samples over time.
    pub history: Option<History>,
    /// Calls that fail, the most failures first, each with its suspects.
    pub faults: Vec<Fault>,
    /// Within the last hour, worst first.
    pub changes: Answer<Vec<changes::Change>>,
    /// What is wrong now, worst first.
    pub problems: Vec<Problem>,
}

/// What a world is made from.
pub struct Input<'i> {
    pub context: String,
    pub arguments: String,
    pub sources: Vec<Source>,
    pub mesh: &'i Mesh<'i>,
    /// Of which it is not known where nothing was judged.
    pub findings: Answer<Vec<Finding>>,
    pub explanations: BTreeMap<String, String>,
    pub proxies: Vec<proxies::Pages<'i>>,
    /// What control planes say of their proxies; none where none was asked.
    pub sync: Vec<sync::Sync>,
    pub traffic: Answer<Measured<'i>>,
    pub logs: Answer<logs::Logs>,
    pub traces: Answer<traces::Traces>,
    /// The time that was asked for: it holds for traces where no traffic says another one.
    pub ask: Ask,
    pub timeline: Option<timeline::Timeline>,
    pub history: Option<History>,
    pub faults: Vec<Fault>,
    /// The traffic graph of an hour before, where a source goes back so far.
    pub before: Option<Measured<'i>>,
    /// Objects that were made within the last hour, with their times; `None` where no object says when it was made.
    pub created: Option<Vec<(i64, String)>>,
}

/// The traffic graph of some time.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'i> {
    pub graph: &'i Graph,
    pub times: traffic::Times,
    /// What `meshctl graph` takes to draw the same.
    pub arguments: &'i str,
    /// What could not be seen.
    pub problems: &'i [String],
}

impl World {
    pub fn new(input: Input<'_>) -> World {
        let as_of = input.mesh.snapshot.as_of.0;
        let is_judged = input.findings.known().is_some();
        let mut findings = input.findings.known().cloned().unwrap_or_default();
        findings.sort_by(|a, b| (a.level, &a.namespace, &a.object, &a.code, &a.place).cmp(&(b.level, &b.namespace, &b.object, &b.code, &b.place)));
        let has_objects = input.mesh.snapshot.objects.iter().any(|o| o.role != mesh_model::Role::Assumed);
        let drifts = drift::compare(input.mesh, &input.proxies);
        let read = |(page, drift)| Proxy { drift: Some(drift), ..proxies::read(page) };
        let mut proxies: Vec<Proxy> = input.proxies.iter().zip(drifts).map(read).collect();
        // Of one proxy that several pages are of, the fullest counts.
        proxies.sort_by(|a, b| (&a.namespace, &a.name, b.listeners.len(), b.clusters.len()).cmp(&(&b.namespace, &b.name, a.listeners.len(), a.clusters.len())));
        proxies.dedup_by(|b, a| (&a.namespace, &a.name) == (&b.namespace, &b.name));
        let certificates = proxies::by_expiry(&proxies);
        let configuration = configuration::configured(input.mesh, &findings);
        let badges = |key: &traffic::Key| configuration.view.find(&key.0, &key.1).map_or(String::new(), |n| configuration.view.nodes()[n].badges.clone());
        let traffic = input.traffic.map(|m| Traffic::read(&m, &badges));
        let measured = traffic.known().map(|t| traffic::Times { window: t.window, at: t.at, span: t.span });
        let traced = || {
            input.traces.known()?.span().map(|(first, last)| traffic::Times {
                window: Some(input.ask.window),
                at: Some(last - input.ask.back),
                span: Some((first, last)),
            })
        };
        let shown = measured.or_else(traced);
        let namespaces = namespaces::namespaces(input.mesh, &findings, &proxies, traffic.known());
        let versions = versions::versions(input.mesh, &proxies);
        let before = input.before.map(|m| Traffic::read(&m, &badges));
        let changes = match (&before, &input.created) {
            (None, None) => Answer::unavailable(
                "no source says what was an hour ago: no object has the time at which it was made, and no metrics reach back so far",
                "add objects of a cluster (`kubectl get -A -o yaml`), or series with samples of more than an hour",
            ),
            (_, created) => Answer::Known(changes::changes(traffic.known(), before.as_ref(), created.as_deref().unwrap_or_default())),
        };
        let problems = ranking::ranking(&ranking::Facts {
            findings: &findings,
            proxies: &proxies,
            certificates: &certificates,
            sync: &input.sync,
            sources: &input.sources,
            traffic: traffic.known(),
            faults: &input.faults,
            configured: &configuration,
            now: as_of,
        });
        let no_dump = || {
            (
                "no source holds the state of a proxy",
                "add a config dump: `curl localhost:15000/config_dump?include_eds` in the pod's istio-proxy, or a bug report",
            )
        };
        World {
            context: input.context,
            arguments: input.arguments,
            sources: input.sources,
            as_of,
            findings: if is_judged && (has_objects || !findings.is_empty()) {
                Answer::Known(findings)
            } else {
                Answer::unavailable(
                    "no source holds manifests, so there is nothing to judge",
                    "add a folder of manifests, or what `kubectl get -A -o yaml` prints",
                )
            },
            explanations: input.explanations,
            namespaces,
            certificates: match proxies.is_empty() {
                true => Answer::unavailable(no_dump().0, no_dump().1),
                false => Answer::Known(certificates),
            },
            proxies: match proxies.is_empty() {
                true => Answer::unavailable(no_dump().0, no_dump().1),
                false => Answer::Known(proxies),
            },
            sync: match input.sync.is_empty() {
                true => Answer::unavailable("no source holds a control plane's word on its proxies", "add a bug report, or a page of istiod's `/debug/syncz`"),
                false => Answer::Known(input.sync),
            },
            clusters: clusters(input.mesh),
            versions,
            configuration: if configuration.view.is_empty() {
                Answer::unavailable("no source holds services, routes or gateways", "add a folder of manifests, or what `kubectl get -A -o yaml` prints")
            } else {
                Answer::Known(configuration)
            },
            traffic,
            logs: input.logs,
            traces: input.traces,
            shown,
            timeline: input.timeline,
            history: input.history,
            faults: input.faults,
            changes,
            problems,
        }
    }

    /// Of which time traffic and traces are.
    pub fn times(&self) -> Option<traffic::Times> {
        self.shown
    }

    /// Golden signals of a node, a service by its own, a workload by its own.
    pub fn signals(&self, key: &traffic::Key) -> Option<&Signals> {
        let history = self.history.as_ref()?;
        let load = self.traffic.known().and_then(|t| t.loads.get(key));
        let of = (load.map_or(&key.0, |l| &l.namespace).clone(), key.1.trim_end_matches(" (service)").to_owned());
        history.workloads.get(&of).or_else(|| history.services.get(&of))
    }

    /// An instant of the day that times are shown without a date of.
    pub fn day(&self) -> i64 {
        self.shown.and_then(|t| t.at).unwrap_or(self.as_of)
    }

    /// The first and the last second that are shown; `None` where the sources do not say.
    pub fn shown_time(&self) -> Option<(i64, i64)> {
        let times = self.shown?;
        let (at, window) = (times.at?, times.window?);
        Some((at - window, at))
    }

    /// The graph that is shown first: traffic where it is known, else what configuration says.
    pub fn view(&self) -> Option<&View> {
        self.traffic.known().map(|t| &t.view).or(self.configuration.known().map(|c| &c.view))
    }

    /// Objects that say something of a node of either graph: `VirtualService bookinfo/reviews`.
    pub fn objects(&self, key: &traffic::Key) -> Vec<String> {
        let Some(configured) = self.configuration.known() else { return Vec::new() };
        objects(configured, self.traffic.known(), key)
    }

    /// How many findings there are of each level.
    pub fn levels(&self) -> [usize; 3] {
        let count = |level| self.findings.known().map_or(0, |f| f.iter().filter(|f| f.level == level).count());
        [count(Level::Error), count(Level::Warning), count(Level::Info)]
    }
}

/// The objects of a node, and of the services that it is called by.
fn objects(configured: &configuration::Configured, traffic: Option<&Traffic>, key: &traffic::Key) -> Vec<String> {
    let load = traffic.and_then(|t| t.loads.get(key));
    let own = load.map_or_else(|| key.clone(), |l| (l.namespace.clone(), key.1.clone()));
    let mut out: Vec<String> = Vec::new();
    for object in load.into_iter().flat_map(|l| &l.services).chain([&own]).filter_map(|k| configured.objects.get(k)).flatten() {
        if !out.contains(object) {
            out.push(object.clone());
        }
    }
    out
}

/// `20%`, `33.3%`: a weight's part of all; "" where the weights have no sum.
fn percent(part: u64, whole: u64) -> String {
    let thousandths = u128::from(part) * 1_000;
    let Some(share) = (thousandths + u128::from(whole) / 2).checked_div(whole.into()) else { return String::new() };
    if share % 10 == 0 { format!("{}%", share / 10) } else { format!("{}.{}%", share / 10, share % 10) }
}

fn clusters(mesh: &Mesh<'_>) -> Vec<(String, usize)> {
    let mut out: Vec<(String, usize)> = mesh.snapshot.clusters.iter().map(|c| (c.clone(), 0)).collect();
    for object in mesh.snapshot.objects.iter().filter(|o| o.role != mesh_model::Role::Assumed) {
        if let Some((_, count)) = out.get_mut(object.cluster as usize) {
            *count += 1;
        }
    }
    out
}
