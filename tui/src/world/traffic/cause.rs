//! Why requests fail: from how they ended and where calls go on, to the place where the failure starts.

use super::{Key, Side, Traffic};
use crate::graph::flow::{count, percent};
use mesh_analyzers::explain::causes::{Symptom, diagnose};
use mesh_envoy::response_flags;

/// How a part of the requests ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Status of HTTP or gRPC; `-` without answer.
    pub code: String,
    /// Envoy's flags as reported, "" for none.
    pub flags: String,
    /// Per second.
    pub rate: f64,
    pub is_failure: bool,
}

impl Ending {
    /// `503 UO`, `200`, `no answer DC`.
    pub fn name(&self) -> String {
        let code = if matches!(self.code.as_str(), "-" | "0") { "no answer" } else { &self.code };
        if self.flags.is_empty() { code.to_owned() } else { format!("{code} {}", self.flags) }
    }
    /// What it means, as far as status and flags tell.
    pub fn meaning(&self) -> Option<String> {
        if self.flags.is_empty() && self.code != "403" {
            return None;
        }
        let symptom = Symptom { status: self.code.parse().unwrap_or(0), flags: &self.flags, ..Symptom::default() };
        let cause = diagnose(&symptom).first().map(|c| c.title.to_owned());
        let meaning = || self.flags.split(',').find_map(response_flags::find).map(|f| f.meaning.to_owned());
        cause.or_else(meaning)
    }
    /// The kind of the objects that usually are responsible.
    fn responsible(&self) -> &'static [&'static str] {
        let has = |flags: &[&str]| self.flags.split(',').any(|f| flags.contains(&f.trim()));
        if has(&["FI", "DI", "NR", "UT", "DT", "URX"]) {
            &["VirtualService", "HTTPRoute"]
        } else if has(&["UO", "UH", "NC", "UF"]) {
            &["DestinationRule", "VirtualService"]
        } else if has(&["RL", "RLSE"]) {
            &["EnvoyFilter"]
        } else if self.flags.is_empty() && self.code == "403" {
            &["AuthorizationPolicy"]
        } else {
            &[]
        }
    }
}

/// What is known of a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Blame {
    /// Where it starts: the node itself, or one that it calls.
    pub at: Key,
    /// `7.4% of 14/s fail: 503 FI`.
    pub what: String,
    /// Why, as a sentence without its end; "" where the figures do not tell.
    pub why: String,
    /// Objects that decide it: `VirtualService bookinfo/reviews`.
    pub objects: Vec<String>,
}

/// A call takes the blame for a failure when so much of it could come from there.
const SHARE: f64 = 0.3;

impl Traffic {
    /// How the requests into or out of a node ended, failures first, the most frequent first.
    pub fn endings(&self, key: &Key, side: Side) -> Vec<Ending> {
        let mut out: Vec<Ending> = Vec::new();
        for ending in self.calls_of(key, side).flat_map(|c| &c.endings) {
            match out.iter_mut().find(|e| (&e.code, &e.flags, e.is_failure) == (&ending.code, &ending.flags, ending.is_failure)) {
                Some(known) => known.rate += ending.rate,
                None => out.push(ending.clone()),
            }
        }
        sort(&mut out);
        out
    }

    /// Why requests to a node fail; `None` where none do. `objects` are those of a node.
    pub fn blame(&self, key: &Key, objects: &dyn Fn(&Key) -> Vec<String>) -> Option<Blame> {
        let ending = self.endings(key, Side::Inbound).into_iter().find(|e| e.is_failure && e.rate > 0.0)?;
        let inbound = &self.loads.get(key)?.inbound;
        let what = format!("{} of {} fail: {}", inbound.errors().map_or("some".to_owned(), percent), inbound.rate(), ending.name());
        let mut path = vec![key];
        let mut last = ending.clone();
        // An answer without flags came from the program behind the proxy: perhaps because what it calls fails.
        while last.flags.is_empty()
            && last.code != "403"
            && let Some((to, ending)) = self.failing_call(path[path.len() - 1], &last)
            && !path.contains(&to)
        {
            path.push(to);
            last = ending;
        }
        let at = path[path.len() - 1];
        let meaning = last.meaning();
        let own = match (&meaning, last.flags.is_empty()) {
            (Some(meaning), _) => meaning.clone(),
            (None, true) => "the program behind it answers so, or a filter".to_owned(),
            (None, false) => String::new(),
        };
        let why = if path.len() == 1 { own } else { format!("its calls to {} fail with {}: {own}", at.1, last.name()) };
        let kinds = last.responsible();
        let is_responsible = |o: &String| kinds.iter().any(|k| o.strip_prefix(k).is_some_and(|rest| rest.starts_with(' ')));
        let mut found: Vec<String> = path.iter().rev().take(2).flat_map(|k| objects(k)).filter(is_responsible).collect();
        found.sort();
        found.dedup();
        Some(Blame { at: at.clone(), what, why, objects: found })
    }

    /// The call out of a node that fails enough to be the reason for a failure.
    fn failing_call<'t>(&'t self, key: &'t Key, failure: &Ending) -> Option<(&'t Key, Ending)> {
        let failing = self.calls_of(key, Side::Outbound).filter_map(|c| Some((c, c.endings.iter().find(|e| e.is_failure)?)));
        let enough = failing.filter(|(_, e)| e.rate >= failure.rate * SHARE);
        enough.max_by(|(a, x), (b, y)| x.rate.total_cmp(&y.rate).then_with(|| b.to.cmp(&a.to))).map(|(c, e)| (&c.to, e.clone()))
    }
}

impl Blame {
    /// All of it in a line.
    pub fn line(&self) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(" — {}", self.why) };
        let objects = if self.objects.is_empty() { String::new() } else { format!(" ({})", self.objects.join(", ")) };
        format!("{}{why}{objects}", self.what)
    }
}

/// Failures first, then the most frequent.
pub(super) fn sort(endings: &mut [Ending]) {
    endings.sort_by(|a, b| b.is_failure.cmp(&a.is_failure).then(b.rate.total_cmp(&a.rate)).then_with(|| (&a.code, &a.flags).cmp(&(&b.code, &b.flags))));
}

/// `12/s`, for lists of endings.
pub fn per_second(rate: f64) -> String {
    format!("{}/s", count(rate))
}
