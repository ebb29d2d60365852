//! One reading of the sources asks for some sections; of the others what was known before is shown on, and so is what a
//! source gave last that does not answer now.

use super::proxies::by_expiry;
use super::sections::{Section, Sections};
use super::timeline::Timeline;
use super::traces::Traces;
use super::traffic::{Times, Traffic};
use super::{Answer, Ask, Certificate, Input, Measured, Proxy, Source, World, changes, drift, logs, proxies, ranking, sync};
use mesh_analyzers::ranking::Fault;
use mesh_model::history::History;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub ask: Ask,
    pub sections: Sections,
}

/// What was asked for, and what was known before.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'i> {
    pub ask: Ask,
    pub sections: Sections,
    /// Those of which no source answered.
    pub failed: Sections,
    /// Sources of proxies that did not answer, as they were typed.
    pub silent: &'i [String],
    pub before: Option<&'i World>,
}

impl<'i> Asked<'i> {
    /// Everything, for the first time.
    pub fn all() -> Asked<'static> {
        Asked { ask: Ask::default(), sections: Sections::ALL, failed: Sections::NONE, silent: &[], before: None }
    }
    /// What was known of a section before and is shown on. A source that fails leaves what it gave for the same time.
    pub(super) fn kept(&self, section: Section) -> Option<&'i World> {
        let before = self.before?;
        let of = before.read.get(&section)?;
        let is_left = || self.failed.contains(section) && section.is_same_time(*of, self.ask) && before.knows(section);
        (!self.sections.contains(section) || is_left()).then_some(before)
    }
    /// What was read of a section, or was known before.
    pub(super) fn answer<T: Clone>(&self, section: Section, before: impl Fn(&World) -> &Answer<T>, now: Answer<T>) -> Answer<T> {
        match self.kept(section) {
            Some(world) => before(world).clone(),
            _ if !self.sections.contains(section) => Answer::unread(),
            _ => now,
        }
    }
    /// The sections that are known now.
    pub(super) fn read(&self) -> BTreeMap<Section, Ask> {
        let mut read = self.before.map(|b| b.read.clone()).unwrap_or_default();
        read.extend(self.sections.iter().map(|s| (s, self.ask)));
        read
    }
    /// The wanted sections of which older facts are shown.
    pub(super) fn old(&self) -> Sections {
        self.sections.iter().filter(|s| self.kept(*s).is_some()).fold(Sections::NONE, Sections::with)
    }
}

/// What proxies hold.
pub(super) struct Held {
    pub proxies: Answer<Arc<Vec<Proxy>>>,
    pub certificates: Answer<Vec<Certificate>>,
    pub sync: Answer<Vec<sync::Sync>>,
}

/// Proxies, with those of silent sources as they were known before; whether there are such, as a section.
pub(super) fn proxies(input: &Input<'_>) -> (Held, Sections) {
    let asked = &input.asked;
    if !asked.sections.contains(Section::Proxies) {
        let held = match asked.before {
            Some(b) => Held { proxies: b.proxies.clone(), certificates: b.certificates.clone(), sync: b.sync.clone() },
            None => Held { proxies: Answer::unread(), certificates: Answer::unread(), sync: Answer::unread() },
        };
        return (held, Sections::NONE);
    }
    let drifts = drift::compare(input.mesh, &input.proxies, input.on_one_machine);
    let read = |(page, drift)| Proxy { drift: Some(drift), ..proxies::read(page) };
    let mut list: Vec<Proxy> = input.proxies.iter().zip(drifts).map(read).collect();
    // A page of endpoints alone says nothing of a proxy that others say more of.
    let is_bare = |p: &Proxy| p.listeners.is_empty() && p.routes.is_empty() && p.clusters.is_empty() && p.certificates.is_empty() && p.version.is_empty();
    if !list.iter().all(is_bare) {
        list.retain(|p| !is_bare(p));
    }
    // Of one proxy that several pages are of, the fullest counts.
    list.sort_by(|a, b| (&a.namespace, &a.name, b.listeners.len(), b.clusters.len()).cmp(&(&b.namespace, &b.name, a.listeners.len(), a.clusters.len())));
    list.dedup_by(|b, a| (&a.namespace, &a.name) == (&b.namespace, &b.name));
    let is_same = asked.before.and_then(|b| b.read.get(&Section::Proxies)).is_some_and(|of| Section::Proxies.is_same(*of, asked.ask));
    let before = asked.before.filter(|_| is_same && !asked.silent.is_empty());
    let is_silent = |p: &&Proxy| asked.silent.iter().any(|word| p.arguments.ends_with(&format!("--from {}", crate::shell::quoted(word))));
    let known = before.and_then(|b| b.proxies.known());
    let old: Vec<Proxy> = known
        .into_iter()
        .flat_map(|all| all.iter())
        .filter(is_silent)
        .filter(|p| !list.iter().any(|l| (&l.namespace, &l.name) == (&p.namespace, &p.name)))
        .map(|p| Proxy { is_old: true, ..p.clone() })
        .collect();
    let mut is_old = !old.is_empty();
    list.extend(old);
    list.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let sync = match (input.sync.is_empty(), before.map(|b| &b.sync)) {
        (true, Some(Answer::Known(sync))) => {
            is_old = true;
            Answer::Known(sync.clone())
        }
        (true, _) => Answer::unavailable("no source holds a control plane's word on its proxies", "add a bug report, or a page of istiod's `/debug/syncz`"),
        (false, _) => Answer::Known(input.sync.clone()),
    };
    let no_dump =
        ("no source holds the state of a proxy", "add a config dump: `curl localhost:15000/config_dump?include_eds` in the pod's istio-proxy, or a bug report");
    let held = match list.is_empty() {
        true => Held { proxies: Answer::unavailable(no_dump.0, no_dump.1), certificates: Answer::unavailable(no_dump.0, no_dump.1), sync },
        false => Held { certificates: Answer::Known(by_expiry(&list)), proxies: Answer::Known(Arc::new(list)), sync },
    };
    (held, if is_old { Sections::of(&[Section::Proxies]) } else { Sections::NONE })
}

/// What traffic says.
pub(super) struct Traffics {
    pub traffic: Answer<Arc<Traffic>>,
    pub typed: Option<Arc<Traffic>>,
    pub history: Option<History>,
    pub faults: Vec<Fault>,
    pub changes: Answer<Vec<changes::Change>>,
}

pub(super) fn measured(input: &Input<'_>, read: &dyn Fn(&Measured<'_>) -> Traffic) -> Traffics {
    let asked = &input.asked;
    let is_wanted = asked.sections.contains(Section::Metrics);
    if let Some(b) = asked.kept(Section::Metrics) {
        return Traffics {
            traffic: b.traffic.clone(),
            typed: b.typed.clone(),
            history: b.history.clone(),
            faults: b.faults.clone(),
            changes: b.changes.clone(),
        };
    }
    if !is_wanted {
        return Traffics { traffic: Answer::unread(), typed: None, history: None, faults: Vec::new(), changes: Answer::unread() };
    }
    let traffic = input.traffic.clone().map(|m| Arc::new(read(&m)));
    let before = input.before.as_ref().map(read);
    let changes = match (&before, &input.created) {
        (None, None) => Answer::unavailable(
            "no source says what was an hour ago: no object has the time at which it was made, and no metrics reach back so far",
            "add objects of a cluster (`kubectl get -A -o yaml`), or series with samples of more than an hour",
        ),
        (_, created) => Answer::Known(changes::changes(traffic.shared(), before.as_ref(), created.as_deref().unwrap_or_default())),
    };
    let typed = input.typed.as_ref().filter(|_| traffic.known().is_some()).map(|m| Arc::new(read(m)));
    Traffics { traffic, typed, history: input.history.clone(), faults: input.faults.clone(), changes }
}

/// Of which time traffic is, or else traces.
pub(super) fn shown(traffic: Option<&Traffic>, traces: Option<&Traces>, ask: Ask) -> Option<Times> {
    let measured = traffic.map(|t| Times { window: t.window, at: t.at, span: t.span });
    let traced = || traces?.span().map(|(first, last)| Times { window: Some(ask.window), at: Some(last - ask.back), span: Some((first, last)) });
    measured.or_else(traced)
}

/// What is asked without configuration: it is put into the world that is known.
#[derive(Clone, Debug)]
pub struct Further {
    pub as_of: i64,
    pub sources: Vec<Source>,
    pub traces: Answer<Traces>,
    pub logs: Answer<logs::Logs>,
    pub timeline: Option<Timeline>,
}

impl World {
    /// Whether anything is known of a section.
    fn knows(&self, section: Section) -> bool {
        match section {
            Section::Proxies => self.proxies.known().is_some() || self.sync.known().is_some(),
            Section::Logs => self.logs.known().is_some(),
            Section::Traces => self.traces.known().is_some(),
            Section::Metrics => self.traffic.known().is_some(),
            Section::Configuration => self.findings.known().is_some() || self.configuration.known().is_some(),
        }
    }
    /// The world before with what was asked now: traces and logs, which nothing else is judged by. Of other sections that
    /// were asked nothing came.
    pub fn with(before: &World, asked: Asked<'_>, further: Further) -> World {
        let traces = asked.answer(Section::Traces, |w| &w.traces, further.traces.map(Arc::new));
        let logs = asked.answer(Section::Logs, |w| &w.logs, further.logs.map(Arc::new));
        let shown = shown(before.traffic.shared(), traces.shared(), asked.ask);
        let mut problems = ranking::unread(&further.sources);
        problems.extend(before.problems.iter().filter(|p| !ranking::is_unread(p)).cloned());
        problems.sort_by_key(|p| std::cmp::Reverse(p.health));
        // Of what can't be judged without objects all is from before, whatever time was asked for.
        let stays = |s: &Section| !matches!(s, Section::Traces | Section::Logs);
        let mut read = asked.read();
        read.retain(|s, _| !stays(s) || before.read.contains_key(s));
        read.extend(before.read.iter().filter(|(s, _)| stays(s)).map(|(s, ask)| (*s, *ask)));
        let old = asked.sections.iter().filter(stays).fold(asked.old(), Sections::with);
        World {
            as_of: further.as_of,
            problems,
            sources: further.sources,
            timeline: further.timeline,
            traces,
            logs,
            shown,
            read,
            fresh: asked.sections,
            old,
            ..before.clone()
        }
    }
}
