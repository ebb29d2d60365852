//! What the screens show, owned and plain: a snapshot's facts, put in the order in which they are looked at.
//!
//! A [`World`] is made once whenever the sources were read; drawing only looks at it. What a source can't give is an
//! [`Answer::Unavailable`] with the reason, never an empty list.

pub mod configuration;
mod namespaces;
pub mod proxies;
mod ranking;
mod versions;

pub use namespaces::Namespace;
pub use proxies::{Certificate, Proxy};
pub use ranking::{Problem, Target};
pub use versions::Version;

use crate::graph::{Health, View};
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
    /// What configuration says of who is routed where.
    pub configuration: Answer<configuration::Configured>,
    /// Who calls whom, from traffic.
    pub traffic: Answer<View>,
    /// What is wrong now, worst first.
    pub problems: Vec<Problem>,
}

/// What a world is made from.
pub struct Input<'i> {
    pub context: String,
    pub arguments: String,
    pub sources: Vec<Source>,
    pub mesh: &'i Mesh<'i>,
    pub findings: Vec<Finding>,
    pub explanations: BTreeMap<String, String>,
    pub proxies: Vec<proxies::Pages<'i>>,
}

impl World {
    pub fn new(input: Input<'_>) -> World {
        let as_of = input.mesh.snapshot.as_of.0;
        let mut findings = input.findings;
        findings.sort_by(|a, b| (a.level, &a.namespace, &a.object, &a.code, &a.place).cmp(&(b.level, &b.namespace, &b.object, &b.code, &b.place)));
        let has_objects = input.mesh.snapshot.objects.iter().any(|o| o.role != mesh_model::Role::Assumed);
        let mut proxies: Vec<Proxy> = input.proxies.iter().map(proxies::read).collect();
        // Of one proxy that several pages are of, the fullest counts.
        proxies.sort_by(|a, b| (&a.namespace, &a.name, b.listeners.len(), b.clusters.len()).cmp(&(&b.namespace, &b.name, a.listeners.len(), a.clusters.len())));
        proxies.dedup_by(|b, a| (&a.namespace, &a.name) == (&b.namespace, &b.name));
        let certificates = proxies::by_expiry(&proxies);
        let namespaces = namespaces::namespaces(input.mesh, &findings, &proxies);
        let configuration = configuration::configured(input.mesh, &findings);
        let versions = versions::versions(input.mesh, &proxies);
        let problems = ranking::ranking(&findings, &proxies, &certificates, &input.sources, as_of);
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
            findings: if has_objects || !findings.is_empty() {
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
            clusters: clusters(input.mesh),
            versions,
            configuration: if configuration.view.is_empty() {
                Answer::unavailable("no source holds services, routes or gateways", "add a folder of manifests, or what `kubectl get -A -o yaml` prints")
            } else {
                Answer::Known(configuration)
            },
            traffic: Answer::unavailable(
                "no source holds traffic: neither metrics nor access logs were given",
                "this version reads none; the picture shows what configuration says",
            ),
            problems,
        }
    }

    /// How many findings there are of each level.
    pub fn levels(&self) -> [usize; 3] {
        let count = |level| self.findings.known().map_or(0, |f| f.iter().filter(|f| f.level == level).count());
        [count(Level::Error), count(Level::Warning), count(Level::Info)]
    }
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
