//! Tests of edges of the traffic graph: who calls whom, how much and how well, by what was measured.

mod judge;
mod observed;
mod traffic;

pub use judge::{Evidence, judge, rounded};
pub use traffic::Traffic;

use super::field::{Read, mapping, scalar, text, time, wrong};
use mesh_model::{Node, Position};
use observed::Failed;
use std::time::Duration;

/// Who calls whom, and what must be so.
#[derive(Debug)]
pub struct Call {
    /// A workload, an app or a service, by name; `unknown` for what is outside of the mesh.
    pub from: String,
    pub to: String,
    pub expect: Vec<Bound>,
}

/// One assertion, and where it stands.
#[derive(Debug)]
pub struct Bound {
    /// As the file spells it: `maxP95`.
    pub key: String,
    pub at: Position,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Something was carried.
    Present,
    /// Nothing was.
    Absent,
    /// Requests per second; bytes where no requests are counted.
    MinRate(f64),
    MaxRate(f64),
    /// Percent of requests.
    MaxErrors(Failed, f64),
    /// A quantile, from 0 to 1, and its bound.
    MaxLatency(f64, Duration),
    /// Percent of what was carried.
    MinMtls(f64),
    /// http, grpc or tcp.
    Protocol(String),
    ReportedBy(Reporters),
}

/// Whose proxies have counted the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporters {
    Both,
    Source,
    Destination,
}

impl Reporters {
    /// As a file spells it.
    pub fn word(self) -> &'static str {
        match self {
            Reporters::Both => "both",
            Reporters::Source => "source",
            Reporters::Destination => "destination",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Reporters::Both => "both ends",
            Reporters::Source => "the source",
            Reporters::Destination => "the destination",
        }
    }
}

const KEYS: &[&str] = &[
    "exists",
    "minRate",
    "maxRate",
    "maxErrorPercent",
    "maxServerErrorPercent",
    "maxP50",
    "maxP90",
    "maxP95",
    "maxP99",
    "minMtlsPercent",
    "protocol",
    "reportedBy",
];

impl Call {
    pub fn read(node: Node<'_>) -> Read<Call> {
        mapping(node, "a test of an edge", &["name", "edge", "expect"])?;
        text(node, "name")?;
        let example = "`edge: {from: productpage, to: reviews}`";
        let Some(ends) = node.get("edge") else { return wrong(node, format!("a test of an edge has {example}")) };
        mapping(ends, "`edge`", &["from", "to"])?;
        let end = |key: &str| text(ends, key)?.map_or_else(|| wrong(ends, format!("an edge has two ends: {example}")), |name| Ok(name.to_owned()));
        let (from, to) = (end("from")?, end("to")?);
        let Some(expect) = node.get("expect") else { return wrong(node, "a test says what it expects: `expect: present`, `absent`, or a mapping") };
        Ok(Call { from, to, expect: bounds(expect)? })
    }

    pub fn describe(&self) -> String {
        format!("{} calls {}", self.from, self.to)
    }
}

fn bounds(node: Node<'_>) -> Read<Vec<Bound>> {
    if node.is_scalar() {
        let what = match node.text() {
            "present" => What::Present,
            "absent" => What::Absent,
            _ => return wrong(node, "`expect` of an edge is `present`, `absent` or a mapping"),
        };
        return Ok(vec![Bound { key: "exists".to_owned(), at: node.position(), what }]);
    }
    mapping(node, "what is expected of an edge", KEYS)?;
    let list: Vec<Bound> = node.entries().map(|(key, value)| one(key.text(), value)).collect::<Read<_>>()?;
    let absent = list.iter().any(|b| b.what == What::Absent);
    match list.len() {
        0 => wrong(node, "`expect` says nothing"),
        2.. if absent => wrong(node, "of an edge that does not exist nothing else can be expected"),
        _ => Ok(list),
    }
}

fn one(key: &str, value: Node<'_>) -> Read<Bound> {
    let latency = |q: f64| time(value, key).map(|t| What::MaxLatency(q, t));
    let what = match key {
        "exists" => match value.bool() {
            Some(true) => What::Present,
            Some(false) => What::Absent,
            None => return wrong(value, "`exists` is true or false"),
        },
        "minRate" => What::MinRate(rate(value, key)?),
        "maxRate" => What::MaxRate(rate(value, key)?),
        "maxErrorPercent" => What::MaxErrors(Failed::Any, percent(value, key)?),
        "maxServerErrorPercent" => What::MaxErrors(Failed::Server, percent(value, key)?),
        "minMtlsPercent" => What::MinMtls(percent(value, key)?),
        "maxP50" => latency(0.5)?,
        "maxP90" => latency(0.9)?,
        "maxP95" => latency(0.95)?,
        "maxP99" => latency(0.99)?,
        "protocol" => match scalar(value, key)? {
            known @ ("http" | "grpc" | "tcp") => What::Protocol(known.to_owned()),
            _ => return wrong(value, "`protocol` is http, grpc or tcp"),
        },
        // The last of the known keys: `mapping` lets no others through.
        _ => match [Reporters::Both, Reporters::Source, Reporters::Destination].into_iter().find(|r| r.word() == value.text()) {
            Some(reporters) => What::ReportedBy(reporters),
            None => return wrong(value, "`reportedBy` is both, source or destination"),
        },
    };
    Ok(Bound { key: key.to_owned(), at: value.position(), what })
}

fn rate(value: Node<'_>, key: &str) -> Read<f64> {
    let found = value.float().filter(|r| r.is_finite() && *r >= 0.0);
    found.map_or_else(|| wrong(value, format!("`{key}` is a number of requests (of TCP: bytes) per second")), Ok)
}

/// `1`, `0.5`, `1%`.
fn percent(value: Node<'_>, key: &str) -> Read<f64> {
    let number = value.float().or_else(|| value.text().strip_suffix('%').and_then(|t| t.trim().parse().ok()));
    number.filter(|p| (0.0..=100.0).contains(p)).map_or_else(|| wrong(value, format!("`{key}` is a share in percent, from 0 to 100")), Ok)
}
