//! Health: from the shares of errors, and from replicas. Rules: a rate's first match counts, the worst of all counts in the end.

use super::facts::Workload;
use std::collections::BTreeMap;

/// In the order of their weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    NotApplicable,
    Healthy,
    NotReady,
    Degraded,
    Failure,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::NotApplicable => "NA",
            Status::Healthy => "Healthy",
            Status::NotReady => "Not Ready",
            Status::Degraded => "Degraded",
            Status::Failure => "Failure",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// From which share of which codes on a thing is degraded, and from which it fails. Percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerance {
    code: Pattern,
    degraded: f64,
    failure: f64,
    protocol: Pattern,
    direction: Pattern,
}

/// A small pattern: alternatives of literals, `X` a digit, `.*` everything; what is more than that goes to a regular expression.
#[derive(Clone, Debug)]
enum Pattern {
    Any,
    Regex(Box<mesh_metrics::series::Matcher>),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        match (self, other) {
            (Pattern::Any, Pattern::Any) => true,
            (Pattern::Regex(a), Pattern::Regex(b)) => a == b,
            _ => false,
        }
    }
}

impl Pattern {
    /// Codes may be written with `X` for any digit.
    fn new(text: &str, digits: Digits) -> Option<Pattern> {
        if text.is_empty() || text == ".*" {
            return Some(Pattern::Any);
        }
        let text = match digits {
            Digits::Marked => text.replace(['X', 'x'], "\\d"),
            Digits::Plain => text.to_owned(),
        };
        let matcher = mesh_metrics::series::Matcher::new("", mesh_metrics::series::Op::Matches, text).ok()?;
        Some(Pattern::Regex(Box::new(matcher)))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Regex(matcher) => matcher.matches(text),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Digits {
    Marked,
    Plain,
}

impl Tolerance {
    fn new(code: &str, degraded: f64, failure: f64, protocol: &str, direction: &str) -> Option<Tolerance> {
        Some(Tolerance {
            code: Pattern::new(code, Digits::Marked)?,
            degraded,
            failure,
            protocol: Pattern::new(protocol, Digits::Plain)?,
            direction: Pattern::new(direction, Digits::Plain)?,
        })
    }

    fn status(&self, percent: f64) -> Status {
        match percent {
            p if p <= 0.0 => Status::Healthy,
            p if p >= self.failure => Status::Failure,
            p if p >= self.degraded => Status::Degraded,
            _ => Status::Healthy,
        }
    }
}

/// What holds where nothing else is said.
pub fn default_tolerances() -> Vec<Tolerance> {
    let rules = [("5XX", 0.0, 10.0, "http"), ("4XX", 10.0, 20.0, "http"), ("[1-9]|1[0-6]", 0.0, 10.0, "grpc"), ("-", 0.0, 10.0, "http|grpc")];
    rules.into_iter().filter_map(|(code, degraded, failure, protocol)| Tolerance::new(code, degraded, failure, protocol, ".*")).collect()
}

/// The annotation `health.kiali.io/rate`: `code,degraded,failure,protocol,direction;…`. None where it can't be read: then the
/// defaults hold.
pub fn annotated_tolerances(text: &str) -> Option<Vec<Tolerance>> {
    let rule = |text: &str| {
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let [code, degraded, failure, protocol, direction] = fields.as_slice() else { return None };
        let (degraded, failure): (f64, f64) = (degraded.parse().ok()?, failure.parse().ok()?);
        if degraded > failure { None } else { Tolerance::new(code, degraded, failure, protocol, direction) }
    };
    let rules: Vec<Tolerance> = text.split(';').filter(|r| !r.trim().is_empty()).filter_map(rule).collect();
    (!rules.is_empty()).then_some(rules)
}

/// Rates by protocol and code.
pub type Requests = BTreeMap<String, BTreeMap<String, f64>>;

#[derive(Clone, Debug, PartialEq)]
pub struct Calculated {
    pub status: Status,
    /// Percent, of what decided; -1 without traffic.
    pub error_ratio: f64,
    /// Per second, all protocols and directions.
    pub total: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicas {
    pub name: String,
    pub desired: i64,
    pub current: i64,
    pub available: i64,
    /// Proxies that have all of their configuration; -1 when not known.
    pub synced: i64,
}

impl Replicas {
    pub fn new(name: &str, workload: &Workload) -> Replicas {
        Replicas { name: name.to_owned(), desired: workload.desired, current: workload.current, available: workload.available, synced: -1 }
    }

    pub fn status(&self) -> Status {
        let Replicas { desired, current, available, synced, .. } = *self;
        if desired == 0 {
            Status::NotReady
        } else if available == 0 {
            Status::Failure
        } else if current > 0 && (current < desired || available < desired) {
            Status::Degraded
        } else if available == desired && current != desired {
            Status::Failure
        } else if (synced >= 0 && synced < desired) || available != desired {
            Status::Degraded
        } else {
            Status::Healthy
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    pub inbound: Requests,
    pub outbound: Requests,
    /// `health.kiali.io/rate` of what the node stands for.
    pub annotation: String,
    /// Of a workload one, of an app all.
    pub replicas: Vec<Replicas>,
    pub calculated: Option<Calculated>,
}

impl Health {
    /// Calculates by what the annotation says, else by the defaults.
    pub fn judge(&mut self) {
        let tolerances = annotated_tolerances(&self.annotation).unwrap_or_else(default_tolerances);
        self.calculate(&tolerances);
    }

    pub fn calculate(&mut self, tolerances: &[Tolerance]) {
        let (mut status, mut ratio, mut has_traffic) = (Status::NotApplicable, -1.0, false);
        for (requests, direction) in [(&self.inbound, "inbound"), (&self.outbound, "outbound")] {
            for (protocol, codes) in requests {
                let total: f64 = codes.values().sum();
                for tolerance in tolerances.iter().filter(|t| t.direction.matches(direction) && t.protocol.matches(protocol)) {
                    if total == 0.0 {
                        continue;
                    }
                    has_traffic = true;
                    let errors: f64 = codes.iter().filter(|(code, _)| tolerance.code.matches(code)).map(|(_, v)| v).sum();
                    let percent = errors / total * 100.0;
                    let found = tolerance.status(percent);
                    if found > status {
                        (status, ratio) = (found, percent);
                    }
                }
            }
        }
        if status == Status::NotApplicable && has_traffic {
            (status, ratio) = (Status::Healthy, 0.0);
        }
        let total = [&self.inbound, &self.outbound].into_iter().flat_map(|r| r.values()).flat_map(|codes| codes.values()).sum();
        let replicas = self.replicas.iter().map(Replicas::status).max().unwrap_or(Status::NotApplicable);
        self.calculated = Some(Calculated { status: status.max(replicas), error_ratio: ratio, total });
    }
}

/// An edge's: `responses` are codes with their rates. None without traffic.
pub fn edge_status<'a>(
    responses: impl Iterator<Item = (&'a str, f64)> + Clone,
    protocol: &str,
    source: &[Tolerance],
    destination: &[Tolerance],
) -> Option<Status> {
    let total: f64 = responses.clone().map(|(_, v)| v).sum();
    if total == 0.0 {
        return None;
    }
    let mut worst = Status::Healthy;
    for (tolerances, direction) in [(source, "outbound"), (destination, "inbound")] {
        for tolerance in tolerances.iter().filter(|t| t.direction.matches(direction) && t.protocol.matches(protocol)) {
            let errors: f64 = responses.clone().filter(|(code, _)| tolerance.code.matches(code)).map(|(_, v)| v).sum();
            worst = worst.max(tolerance.status(errors / total * 100.0));
        }
    }
    Some(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(protocol: &str, codes: &[(&str, f64)]) -> (Status, f64) {
        let codes: BTreeMap<String, f64> = codes.iter().map(|(c, v)| (c.to_string(), *v)).collect();
        let mut health = Health { inbound: [(protocol.to_owned(), codes)].into(), ..Health::default() };
        health.calculate(&default_tolerances());
        let calculated = health.calculated.expect("calculated");
        (calculated.status, (calculated.error_ratio * 10.0).round() / 10.0)
    }

    #[test]
    fn the_default_rates() {
        for (protocol, codes, want) in [
            ("http", vec![("200", 99.0), ("503", 1.0)], (Status::Degraded, 1.0)),
            ("http", vec![("200", 90.0), ("503", 10.0)], (Status::Failure, 10.0)),
            ("http", vec![("200", 95.0), ("404", 5.0)], (Status::Healthy, 0.0)),
            ("http", vec![("200", 90.0), ("404", 10.0)], (Status::Degraded, 10.0)),
            ("http", vec![("200", 80.0), ("404", 20.0)], (Status::Failure, 20.0)),
            ("http", vec![("200", 98.0), ("-", 2.0)], (Status::Degraded, 2.0)),
            ("grpc", vec![("0", 98.0), ("14", 2.0)], (Status::Degraded, 2.0)),
            ("grpc", vec![("0", 98.0), ("17", 2.0)], (Status::Healthy, 0.0)),
            ("tcp", vec![("-", 2.0)], (Status::NotApplicable, -1.0)),
            ("http", vec![], (Status::NotApplicable, -1.0)),
        ] {
            assert_eq!(health(protocol, &codes), want, "{protocol} {codes:?}");
        }
    }

    #[test]
    fn annotations_replace_the_rates_and_are_left_when_unreadable() {
        let rules = annotated_tolerances("4XX,20,30,http,inbound;5xx,1,2,http,.*").expect("two rules");
        assert_eq!(rules.len(), 2);
        let edge = |code: &'static str, percent: f64| edge_status([(code, percent), ("200", 100.0 - percent)].into_iter(), "http", &rules, &rules);
        assert_eq!(edge("404", 19.0), Some(Status::Healthy));
        assert_eq!(edge("404", 25.0), Some(Status::Degraded));
        assert_eq!(edge("503", 2.0), Some(Status::Failure));
        for text in ["", "4XX,30,20,http,inbound", "4XX,1,2,http", "(,1,2,http,.*", "4XX,a,2,http,.*"] {
            assert_eq!(annotated_tolerances(text), None, "{text}");
        }
    }

    #[test]
    fn replicas() {
        for ((desired, current, available, synced), want) in [
            ((0, 0, 0, -1), Status::NotReady),
            ((2, 2, 2, -1), Status::Healthy),
            ((2, 2, 1, -1), Status::Degraded),
            ((2, 1, 1, -1), Status::Degraded),
            ((1, 1, 0, -1), Status::Failure),
            ((1, 10, 1, -1), Status::Failure),
            ((2, 2, 2, 1), Status::Degraded),
        ] {
            let replicas = Replicas { name: String::new(), desired, current, available, synced };
            assert_eq!(replicas.status(), want, "{replicas:?}");
        }
    }
}
