//! What the screens show, owned and plain: a snapshot's facts, put in the order in which they are looked at.
//!
//! A [`World`] is made once whenever the sources were read; drawing only looks at it. What a source can't give is an
//! [`Answer::Unavailable`] with the reason, never an empty list.

mod ask;
pub mod changes;
pub mod configuration;
pub mod documents;
pub mod drift;
pub mod held;
pub mod logs;
mod merge;
mod namespaces;
pub mod proxies;
mod ranking;
pub mod sections;
pub mod sync;
pub mod timeline;
pub mod traces;
pub mod traffic;
mod versions;
pub mod way;

pub use ask::{Ask, TYPES, nodes_of};
pub use merge::{Asked, Further, Load};
pub use namespaces::Namespace;
pub use proxies::{Certificate, Proxy};
#[cfg(test)]
pub(crate) use ranking::suspected;
pub use ranking::{Problem, Target, node as fault_node, seen as fault_seen};
pub use traffic::Traffic;
pub use versions::Version;

use crate::graph::{Health, View};
use mesh_analyzers::ranking::Fault;
use mesh_model::graph::{Graph, GraphType};
use mesh_model::history::{History, Signals};
use mesh_resolver::Mesh;
use sections::{Section, Sections};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// Why a thing is not known that nobody has asked for.
const UNREAD: &str = "it has not been read yet";

impl<T> Answer<T> {
    /// Nobody has asked yet: a screen that shows it asks.
    pub fn unread() -> Answer<T> {
        Answer::unavailable(UNREAD, "it is read while a screen is open that shows it")
    }
    /// Whether it comes by itself where it is shown.
    pub fn is_unread(&self) -> bool {
        matches!(self, Answer::Unavailable { why, .. } if why == UNREAD)
    }
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

impl<T> Answer<Arc<T>> {
    /// The shared value.
    pub fn shared(&self) -> Option<&T> {
        self.known().map(Arc::as_ref)
    }
}

/// One source and how reading it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it gives; `None` where it is about the sources themselves.
    pub section: Option<Section>,
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
    /// Those of them that hold manifests or what proxies hold, as they were typed.
    pub objects: Vec<String>,
    pub sources: Vec<Source>,
    /// Seconds since the epoch at which expiries and ages are judged.
    pub as_of: i64,
    /// Sorted worst first.
    pub findings: Answer<Vec<Finding>>,
    /// Pages by code.
    pub explanations: BTreeMap<String, String>,
    pub namespaces: Vec<Namespace>,
    pub proxies: Answer<Arc<Vec<Proxy>>>,
    /// Sorted by expiry.
    pub certificates: Answer<Vec<Certificate>>,
    pub clusters: Vec<(String, usize)>,
    pub versions: Vec<Version>,
    /// By proxy.
    pub sync: Answer<Vec<sync::Sync>>,
    /// What configuration says of who is routed where.
    pub configuration: Answer<configuration::Configured>,
    /// The objects that were read, as YAML.
    pub documents: Arc<documents::Documents>,
    /// Who calls whom, how much and how well: workloads.
    pub traffic: Answer<Arc<Traffic>>,
    /// The same between apps or services, where that is asked for.
    pub typed: Option<Arc<Traffic>>,
    pub logs: Answer<Arc<logs::Logs>>,
    pub traces: Answer<Arc<traces::Traces>>,
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
    /// The sections that were ever asked, each with the time that it was asked for.
    pub read: BTreeMap<Section, Ask>,
    /// Those that were asked for this world, and those of them that gave nothing new: what was known before is shown on.
    pub fresh: Sections,
    pub old: Sections,
}

/// What a world is made from.
pub struct Input<'i> {
    pub asked: Asked<'i>,
    pub context: String,
    pub arguments: String,
    pub objects: Vec<String>,
    pub sources: Vec<Source>,
    pub mesh: &'i Mesh<'i>,
    /// Of which it is not known where nothing was judged.
    pub findings: Answer<Vec<Finding>>,
    pub explanations: BTreeMap<String, String>,
    pub proxies: Vec<proxies::Pages<'i>>,
    /// What control planes say of their proxies; none where none was asked.
    pub sync: Vec<sync::Sync>,
    pub traffic: Answer<Measured<'i>>,
    /// The graph of the type that is asked for, where that is not workloads.
    pub typed: Option<Measured<'i>>,
    pub logs: Answer<logs::Logs>,
    pub traces: Answer<traces::Traces>,
    pub timeline: Option<timeline::Timeline>,
    pub history: Option<History>,
    pub faults: Vec<Fault>,
    /// The traffic graph of an hour before, where a source goes back so far.
    pub before: Option<Measured<'i>>,
    /// Objects that were made within the last hour, with their times; `None` where no object says when it was made.
    pub created: Option<Vec<(i64, String)>>,
    /// How an object is written for people.
    pub write: documents::Writing,
    /// How proxies at places of one machine, as a demo's are, are compared with the manifests.
    pub on_one_machine: drift::OnOneMachine,
}

/// The traffic graph of some time.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'i> {
    pub graph: &'i Graph,
    pub graph_type: GraphType,
    pub times: traffic::Times,
    /// What `meshctl graph` takes to draw the same.
    pub arguments: &'i str,
    /// What could not be seen.
    pub problems: &'i [String],
}

impl World {
    pub fn new(input: Input<'_>) -> World {
        let asked = input.asked;
        let as_of = input.mesh.snapshot.as_of.0;
        let is_judged = input.findings.known().is_some();
        let mut findings = input.findings.known().cloned().unwrap_or_default();
        findings.sort_by(|a, b| (a.level, &a.namespace, &a.object, &a.code, &a.place).cmp(&(b.level, &b.namespace, &b.object, &b.code, &b.place)));
        let has_objects = input.mesh.snapshot.objects.iter().any(|o| o.role != mesh_model::Role::Assumed);
        let (held, proxies_old) = merge::proxies(&input);
        let proxies = held.proxies.known().map_or(&[][..], |all| all.as_slice());
        let certificates = held.certificates.known().map_or(&[][..], Vec::as_slice);
        let configuration = configuration::configured(input.mesh, &findings);
        let badges = |key: &traffic::Key| configuration.view.find(&key.0, &key.1).map_or(String::new(), |n| configuration.view.nodes()[n].badges.clone());
        let read = |m: &Measured<'_>| Traffic::read(m, &badges);
        let measured = merge::measured(&input, &read);
        let traffic = measured.traffic.shared();
        let traces = asked.answer(Section::Traces, |w| &w.traces, input.traces.map(Arc::new));
        let logs = asked.answer(Section::Logs, |w| &w.logs, input.logs.map(Arc::new));
        let shown = merge::shown(traffic, traces.shared(), asked.ask);
        let namespaces = namespaces::namespaces(input.mesh, &findings, proxies, traffic);
        let versions = versions::versions(input.mesh, proxies);
        let problems = ranking::ranking(&ranking::Facts {
            findings: &findings,
            proxies,
            certificates,
            sync: held.sync.known().map_or(&[][..], Vec::as_slice),
            sources: &input.sources,
            traffic,
            faults: &measured.faults,
            configured: &configuration,
            now: as_of,
        });
        let is_unread = !asked.sections.contains(Section::Configuration);
        World {
            context: input.context,
            arguments: input.arguments,
            objects: input.objects,
            sources: input.sources,
            as_of,
            findings: if is_judged && (has_objects || !findings.is_empty()) {
                Answer::Known(findings)
            } else if is_unread {
                Answer::unread()
            } else {
                Answer::unavailable(
                    "no source holds manifests, so there is nothing to judge",
                    "add a folder of manifests, or what `kubectl get -A -o yaml` prints",
                )
            },
            explanations: input.explanations,
            namespaces,
            certificates: held.certificates,
            proxies: held.proxies,
            sync: held.sync,
            clusters: clusters(input.mesh),
            versions,
            configuration: if !configuration.view.is_empty() {
                Answer::Known(configuration)
            } else if is_unread {
                Answer::unread()
            } else {
                Answer::unavailable("no source holds services, routes or gateways", "add a folder of manifests, or what `kubectl get -A -o yaml` prints")
            },
            traffic: measured.traffic,
            typed: measured.typed,
            logs,
            traces,
            shown,
            documents: Arc::new(documents::Documents::new(input.mesh.snapshot, input.write)),
            timeline: input.timeline,
            history: measured.history,
            faults: measured.faults,
            changes: measured.changes,
            problems,
            read: asked.read(),
            fresh: asked.sections,
            old: asked.old().and(proxies_old),
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

    /// The traffic that the graph shows: of the type that is asked for, where that is known.
    pub fn drawn(&self) -> Option<&Traffic> {
        self.typed.as_deref().or(self.traffic.shared())
    }

    /// The graph that is shown first: traffic where it is known, else what configuration says.
    pub fn view(&self) -> Option<&View> {
        self.traffic.known().map(|t| &t.view).or(self.configuration.known().map(|c| &c.view))
    }

    /// Objects that say something of a node of either graph: `VirtualService bookinfo/reviews`.
    pub fn objects(&self, key: &traffic::Key) -> Vec<String> {
        let Some(configured) = self.configuration.known() else { return Vec::new() };
        objects(configured, self.traffic.shared(), key)
    }

    /// The same of a node of the graph that is drawn.
    pub fn objects_of_drawn(&self, key: &traffic::Key) -> Vec<String> {
        let Some(configured) = self.configuration.known() else { return Vec::new() };
        objects(configured, self.drawn(), key)
    }

    /// The first and the last second of which traces are shown; `None` where the sources do not say. Traffic may have been
    /// measured over less than was asked for, and before the newest traces came: these are shown as well.
    pub fn traced_time(&self) -> Option<(i64, i64)> {
        let (from, to) = self.shown_time()?;
        if self.timeline.is_some() {
            return Some((from, to));
        }
        let ask = self.read.get(&Section::Traces).copied().unwrap_or_default();
        let newest = self.traces.shared().and_then(|t| t.span()).map(|(_, last)| last).filter(|_| ask.back == 0);
        let to = newest.map_or(to, |last| last.max(to));
        Some((from.min(to - ask.window), to))
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
