//! Whether an edge is what its test expects. What was not seen is never judged.

use super::observed::{Failed, Observed, Quantile};
use super::traffic::Traffic;
use super::{Bound, Call, Reporters, What};
use crate::commands::graph::view::label;
use crate::commands::test::judge::{Failure as Wrong, Held, Outcome};
use crate::status::Failure;
use crate::telemetry::edge::series;
use std::time::Duration;

/// What a verdict rests on.
#[derive(Debug, Default)]
pub struct Evidence {
    /// `shop/web-v1 -> shop/cart`, those that carried something.
    pub edges: Vec<String>,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Of TCP, per second.
    pub bytes: Option<f64>,
    pub error_percent: Option<f64>,
    pub mtls_percent: Option<f64>,
    pub reported_by: Option<Reporters>,
    /// Seconds that rates look back, where the source says so.
    pub over: Option<i64>,
    /// The series that make the edges, with their rates per second.
    pub series: Vec<(String, f64)>,
}

pub fn judge(call: &Call, traffic: &Traffic<'_>) -> (Outcome, Evidence) {
    judged(call, traffic).unwrap_or_else(|e| (Outcome::NotJudged(vec![e.to_string()]), Evidence::default()))
}

fn judged(call: &Call, traffic: &Traffic<'_>) -> Result<(Outcome, Evidence), Failure> {
    let asked = traffic.ends(&call.from, &call.to);
    let observed = Observed::new(&traffic.recording, &asked)?;
    let graph = &asked.answer.graph;
    let names = observed.calls.iter().map(|(a, b)| format!("{} -> {}", label(graph, &graph.nodes[*a]), label(graph, &graph.nodes[*b])));
    let evidence = Evidence {
        edges: names.collect(),
        rate: observed.request_rate(),
        bytes: Some(observed.byte_rate()).filter(|b| *b > 0.0),
        error_percent: observed.error_percent(Failed::Any),
        mtls_percent: observed.mtls_percent()?,
        reported_by: observed.reporters()?,
        over: asked.answer.window,
        series: series(&traffic.recording, asked.answer, &observed.calls)?,
    };
    let missing: Vec<&String> = [(&call.from, &asked.callers), (&call.to, &asked.callees)].into_iter().filter(|(_, f)| f.is_empty()).map(|(n, _)| n).collect();
    let view = View { call, traffic, observed: &observed, evidence: &evidence, missing };
    let (mut failures, mut unknown) = (Vec::new(), Vec::new());
    for bound in &call.expect {
        match view.holds(bound)? {
            Held::Yes => {}
            Held::Unknown(why) => unknown.push(format!("{}: {why}", bound.key)),
            Held::No { expected, found } => {
                failures.push(Wrong { key: bound.key.clone(), at: bound.at, expected, found, proxy: evidence.edges.join("; ") });
            }
        }
    }
    let outcome = match (failures.is_empty(), unknown.is_empty()) {
        (false, _) => Outcome::Failed(failures),
        (true, false) => Outcome::NotJudged(unknown),
        (true, true) => Outcome::Passed,
    };
    Ok((outcome, evidence))
}

struct View<'v> {
    call: &'v Call,
    traffic: &'v Traffic<'v>,
    observed: &'v Observed<'v>,
    evidence: &'v Evidence,
    /// Names that nothing in the metrics has.
    missing: Vec<&'v String>,
}

fn no(expected: impl Into<String>, found: impl Into<String>) -> Held {
    Held::No { expected: expected.into(), found: found.into() }
}

impl View<'_> {
    /// What can be said where not all was seen: a call that was seen is there, one that was not seen may be.
    fn unless_unseen(&self, held: Held) -> Held {
        match self.traffic.problems().first() {
            Some(problem) => Held::Unknown(format!("not all was seen: {problem}")),
            None => held,
        }
    }

    fn nothing(&self) -> String {
        match self.missing.first() {
            None => format!("nothing that {} sent to {}", self.call.from, self.call.to),
            Some(name) => {
                let meant = self.traffic.nearest(name).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
                format!("nothing in the metrics is called {name}{meant}")
            }
        }
    }

    fn holds(&self, bound: &Bound) -> Result<Held, Failure> {
        let is_absent = self.observed.calls.is_empty();
        if bound.what == What::Absent {
            // A name that nobody has is more likely misspelt than at rest.
            let stranger = self.missing.iter().find(|n| !self.traffic.is_known(n));
            return Ok(match stranger {
                _ if !is_absent => no("no call", self.evidence.edges.join("; ")),
                Some(_) => Held::Unknown(self.nothing()),
                None => self.unless_unseen(Held::Yes),
            });
        }
        if is_absent {
            return Ok(self.unless_unseen(no("a call", self.nothing())));
        }
        Ok(match &bound.what {
            What::Present | What::Absent => Held::Yes,
            What::MinRate(least) if self.rate().0 < *least => self.unless_unseen(no(format!("at least {}", self.shown(*least)), self.shown(self.rate().0))),
            What::MaxRate(most) if self.rate().0 > *most => no(format!("at most {}", self.shown(*most)), self.shown(self.rate().0)),
            What::MinRate(_) => Held::Yes,
            What::MaxRate(_) => self.unless_unseen(Held::Yes),
            What::MaxErrors(failed, most) => match self.observed.error_percent(*failed) {
                None => Held::Unknown("bytes alone are counted, and those do not fail".to_owned()),
                Some(found) if found <= *most => Held::Yes,
                Some(found) => no(format!("at most {most}%"), format!("{}% ({})", rounded(found), self.observed.failures(*failed).join(", "))),
            },
            What::MinMtls(least) => match self.evidence.mtls_percent {
                None => {
                    Held::Unknown("nobody who takes these calls has said whether they are encrypted: is there a proxy at that end, and is it asked?".to_owned())
                }
                Some(found) if found >= *least => self.unless_unseen(Held::Yes),
                Some(found) => no(format!("at least {least}%"), format!("{}%", rounded(found))),
            },
            What::MaxLatency(q, most) => latency(self.observed.quantile(*q)?, *most),
            What::Protocol(wanted) => match self.observed.protocols().as_slice() {
                [one] if one == wanted => Held::Yes,
                found => no(wanted.as_str(), found.join(", ")),
            },
            What::ReportedBy(wanted) => match self.evidence.reported_by {
                Some(found) if found == *wanted || found == Reporters::Both => Held::Yes,
                Some(found) => self.unless_unseen(no(wanted.name(), found.name())),
                None => Held::Unknown("neither end has counted it".to_owned()),
            },
        })
    }

    /// With its unit.
    fn rate(&self) -> (f64, &'static str) {
        self.evidence.rate.map_or((self.evidence.bytes.unwrap_or(0.0), " bytes/s"), |r| (r, "/s"))
    }

    fn shown(&self, rate: f64) -> String {
        format!("{}{}", rounded(rate), self.rate().1)
    }
}

/// To three digits behind the point, without those that are 0.
pub fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

fn latency(found: Option<Quantile>, most: Duration) -> Held {
    let limit = most.as_secs_f64() * 1e3;
    match found {
        None => Held::Unknown("no latency was measured".to_owned()),
        Some(Quantile::In { about, above, to }) if about > limit => {
            no(format!("at most {most:?}"), format!("about {} ms, between {above} and {to} ms", rounded(about)))
        }
        Some(Quantile::In { .. }) => Held::Yes,
        Some(Quantile::Beyond(bound)) if bound >= limit => no(format!("at most {most:?}"), format!("more than {bound} ms")),
        Some(Quantile::Beyond(bound)) => Held::Unknown(format!("it is above {bound} ms, the highest bound that is measured")),
    }
}
