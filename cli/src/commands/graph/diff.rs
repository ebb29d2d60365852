//! `graph diff BEFORE AFTER`: what changed between two times or two sources, and whether chance could have made it.

use super::view::{errors, label};
use crate::args::graph::DiffArgs;
use crate::args::telemetry::TelemetryArgs;
use crate::context::Context;
use crate::print::document::Document;
use crate::print::dump::document;
use crate::print::table::Table;
use crate::print::time::parse_rfc3339;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::{self, Answer};
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_model::graph::{Appender, EdgeRate, GRPC, Graph, HTTP};
use mesh_model::statistics::{self, Difference};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A call: labels of both ends, and the protocol.
type Key = (String, String, String);

/// A call at one of the times.
#[derive(Clone, Debug, Default)]
struct Call {
    /// Per second.
    rate: f64,
    /// Of the requests, per second; none for bytes.
    failed: Option<f64>,
    /// The 95th percentile in milliseconds.
    latency: Option<f64>,
    /// Requests by bucket of latency.
    buckets: BTreeMap<String, f64>,
}

/// One side.
struct Side {
    calls: BTreeMap<Key, Call>,
    /// Seconds over which it was counted; none where the source does not say.
    seconds: Option<f64>,
    problems: Vec<String>,
}

/// What became of a call.
struct Change {
    key: Key,
    before: Option<Call>,
    after: Option<Call>,
    rate: Difference,
    failures: Difference,
    latency: Difference,
}

impl Change {
    fn is_worse(&self) -> bool {
        self.failures == Difference::Higher || self.latency == Difference::Higher
    }
    fn is_any(&self) -> bool {
        let differs = |d: Difference| matches!(d, Difference::Higher | Difference::Lower);
        self.before.is_none() || self.after.is_none() || differs(self.rate) || differs(self.failures) || differs(self.latency)
    }
    /// Worse first, then what came and went, then rates.
    fn rank(&self) -> usize {
        match () {
            () if self.failures == Difference::Higher => 0,
            () if self.latency == Difference::Higher => 1,
            () if self.after.is_none() => 2,
            () if self.before.is_none() => 3,
            () => 4,
        }
    }
    fn words(&self) -> Vec<&'static str> {
        let mut words = Vec::new();
        match (&self.before, &self.after) {
            (None, _) => words.push("new"),
            (_, None) => words.push("gone"),
            _ => {}
        }
        match self.failures {
            Difference::Higher => words.push("fails more"),
            Difference::Lower => words.push("fails less"),
            _ => {}
        }
        match self.latency {
            Difference::Higher => words.push("slower"),
            Difference::Lower => words.push("faster"),
            _ => {}
        }
        match self.rate {
            Difference::Higher if self.before.is_some() => words.push("more"),
            Difference::Lower if self.after.is_some() => words.push("less"),
            _ => {}
        }
        words
    }
}

pub fn run(args: &DiffArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats are text and json", args.output)));
    }
    let sides = (side(&args.older, args, context)?, side(&args.newer, args, context)?);
    let changes = compare(&sides.0, &sides.1);
    let mut problems: Vec<String> = Vec::new();
    for (name, side) in [(&args.older, &sides.0), (&args.newer, &sides.1)] {
        problems.extend(side.problems.iter().map(|p| format!("{name}: {p}")));
        if side.seconds.is_none() {
            problems.push(format!("{name}: its rates do not say over what time: nothing tells chance from change"));
        }
    }
    let text = if args.output == "json" { document(value(&changes, &problems), Document::Json, context.compat) } else { text(args, &changes) };
    context.answer(&text)?;
    problems.iter().for_each(|p| context.note(p));
    let is_worse = changes.iter().any(Change::is_worse);
    Ok(match (is_worse, problems.is_empty()) {
        (true, _) => Status::NotFine,
        (false, true) => Status::Fine,
        (false, false) => context.partial,
    })
}

/// A source, or a time of the source that flags name.
fn side(word: &str, args: &DiffArgs, context: &Context) -> Result<Side, Failure> {
    let source = match parse_rfc3339(word) {
        Some(_) => TelemetryArgs { at: Some(word.to_owned()), ..args.source.clone() },
        None => TelemetryArgs { from: vec![word.to_owned()], series: None, page: Vec::new(), before: Vec::new(), ..args.source.clone() },
    };
    let mut options = telemetry::options(&args.graph_type)?;
    options.appenders.remove(&Appender::AggregateNode);
    let recording = telemetry::read(&source, &options, context)?;
    let answer = telemetry::asked(&recording, &source, &options, context)?;
    let seconds = answer.window.map(|_| answer.options.duration as f64);
    let mut calls = calls(&answer.graph);
    if let (Some(_), "workload") = (seconds, answer.options.graph_type.name()) {
        buckets(&recording, &answer, &mut calls)?;
    }
    Ok(Side { calls, seconds, problems: answer.problems })
}

fn calls(graph: &Graph) -> BTreeMap<Key, Call> {
    let mut out: BTreeMap<Key, Call> = BTreeMap::new();
    for node in &graph.nodes {
        for edge in &node.edges {
            let key = (label(graph, node), label(graph, &graph.nodes[edge.to]), graph.names.text(edge.protocol).to_owned());
            let rate = edge.rate(EdgeRate::Total);
            let failed = matches!(edge.protocol, GRPC | HTTP).then(|| errors(edge).unwrap_or(0.0) / 100.0 * rate);
            let call = out.entry(key).or_default();
            call.rate += rate;
            call.failed = failed.map(|f| call.failed.unwrap_or(0.0) + f);
            call.latency = edge.response_time;
        }
    }
    out
}

const BY: &str = "source_workload_namespace,source_workload,destination_workload_namespace,destination_workload";

/// The distribution of latencies, as the destination measured it, or its callers where it did not.
fn buckets(recording: &Recording, answer: &Answer, calls: &mut BTreeMap<Key, Call>) -> Result<(), Failure> {
    let mut told = BTreeSet::new();
    for reporter in ["destination", "source"] {
        let mut now = BTreeSet::new();
        let query = format!("sum(increase(istio_request_duration_milliseconds_bucket{{reporter=\"{reporter}\"}}[{}s])) by ({BY},le)", answer.options.duration);
        for sample in ask(&recording.store, &query, answer.options.query_time * 1000).map_err(Failure::none)?.0 {
            let text = |name: &str| sample.labels.iter().find(|(n, _)| n.as_ref() == name).map_or("", |(_, v)| v.as_ref());
            let place =
                |namespace: &str, name: &str| if text(namespace) == "unknown" { text(name).to_owned() } else { format!("{}/{}", text(namespace), text(name)) };
            let ends = (place("source_workload_namespace", "source_workload"), place("destination_workload_namespace", "destination_workload"));
            if told.contains(&ends) {
                continue;
            }
            for (_, call) in calls.iter_mut().filter(|((from, to, _), c)| (from, to) == (&ends.0, &ends.1) && c.failed.is_some()) {
                *call.buckets.entry(text("le").to_owned()).or_default() += sample.value;
            }
            now.insert(ends);
        }
        told.extend(now);
    }
    Ok(())
}

fn compare(before: &Side, after: &Side) -> Vec<Change> {
    let keys: BTreeSet<&Key> = before.calls.keys().chain(after.calls.keys()).collect();
    let mut changes: Vec<Change> = keys
        .into_iter()
        .map(|key| {
            let (old, new) = (before.calls.get(key).cloned(), after.calls.get(key).cloned());
            let (rate, failures, latency) = match (before.seconds, after.seconds) {
                (Some(s), Some(t)) => differences((old.as_ref(), s), (new.as_ref(), t)),
                _ => (Difference::TooFew, Difference::TooFew, Difference::TooFew),
            };
            Change { key: key.clone(), before: old, after: new, rate, failures, latency }
        })
        .filter(|c| c.before.as_ref().is_some_and(|b| b.rate > 0.0) || c.after.as_ref().is_some_and(|a| a.rate > 0.0))
        .collect();
    for change in &mut changes {
        // What carried nothing was not there.
        change.before = change.before.take().filter(|c| c.rate > 0.0);
        change.after = change.after.take().filter(|c| c.rate > 0.0);
    }
    changes.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.key.cmp(&b.key)));
    changes
}

fn differences(old: (Option<&Call>, f64), new: (Option<&Call>, f64)) -> (Difference, Difference, Difference) {
    let none = Call::default();
    let ((a, s), (b, t)) = ((old.0.unwrap_or(&none), old.1), (new.0.unwrap_or(&none), new.1));
    // Bytes come in lumps: counts of them say nothing about chance.
    let is_requests = a.failed.is_some() || b.failed.is_some();
    let rate = if is_requests { statistics::rates(a.rate * s, s, b.rate * t, t) } else { Difference::TooFew };
    let failures = match (a.failed, b.failed) {
        (Some(x), Some(y)) => statistics::shares(x * s, a.rate * s, y * t, b.rate * t),
        _ => Difference::TooFew,
    };
    let bounds: BTreeSet<&String> = a.buckets.keys().chain(b.buckets.keys()).collect();
    let mut bounds: Vec<(f64, &String)> = bounds.into_iter().filter_map(|b| Some((b.parse().ok()?, b))).collect();
    bounds.sort_by(|x, y| x.0.total_cmp(&y.0));
    let single = |call: &Call| {
        let mut before = 0.0_f64;
        bounds
            .iter()
            .map(|(_, b)| {
                let all = call.buckets.get(*b).copied().unwrap_or(before);
                let own = (all - before).max(0.0);
                before = before.max(all);
                own
            })
            .collect::<Vec<f64>>()
    };
    (rate, failures, statistics::ranks(&single(a), &single(b)))
}

fn percent(call: &Call) -> String {
    call.failed.map_or_else(|| "-".to_owned(), |f| format!("{:.1}%", f / call.rate * 100.0))
}

fn text(args: &DiffArgs, changes: &[Change]) -> String {
    let mut table = Table::new(["FROM", "TO", "PROTOCOL", "RATE", "ERRORS", "P95", "WHAT"]);
    let mut shown = 0;
    for change in changes.iter().filter(|c| c.is_any()) {
        let pair = |of: &dyn Fn(&Call) -> String| {
            let one = |call: &Option<Call>| call.as_ref().map_or_else(|| "-".to_owned(), of);
            format!("{} -> {}", one(&change.before), one(&change.after))
        };
        let is_bytes = change.key.2 == "tcp";
        table.row(vec![
            change.key.0.clone(),
            change.key.1.clone(),
            change.key.2.clone(),
            pair(&|c| if is_bytes { format!("{:.0} B/s", c.rate) } else { format!("{:.2}/s", c.rate) }),
            pair(&percent),
            pair(&|c| c.latency.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"))),
            change.words().join(", "),
        ]);
        shown += 1;
    }
    let same = changes.len() - shown;
    let worse = changes.iter().filter(|c| c.is_worse()).count();
    let head = if shown == 0 { String::new() } else { table.render(2) };
    format!(
        "{head}{shown} calls changed, {worse} for the worse; {same} as before, from {} to {}\n",
        crate::term::safe(&args.older),
        crate::term::safe(&args.newer)
    )
}

fn value(changes: &[Change], problems: &[String]) -> Value {
    let call = |call: &Option<Call>| call.as_ref().map_or(Value::Null, |c| json!({"rate": c.rate, "failedRate": c.failed, "p95Millis": c.latency}));
    let word = |d: Difference| match d {
        Difference::Higher => "higher",
        Difference::Lower => "lower",
        Difference::None => "none",
        Difference::TooFew => "too few to tell",
    };
    let list: Vec<Value> = changes
        .iter()
        .map(|c| {
            json!({
                "from": c.key.0, "to": c.key.1, "protocol": c.key.2, "before": call(&c.before), "after": call(&c.after),
                "rate": word(c.rate), "errors": word(c.failures), "latency": word(c.latency), "changed": c.is_any(), "worse": c.is_worse(),
            })
        })
        .collect();
    json!({"complete": problems.is_empty(), "problems": problems, "calls": list})
}
