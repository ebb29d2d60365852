//! What callers saw: requests by source, service and version, with failures and latencies.

use crate::args::telemetry::TelemetryArgs;
use crate::context::Context;
use crate::status::Failure;
use crate::telemetry::{self, duration};
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_metrics::promql::Sample;
use std::collections::BTreeMap;

/// A workload, by namespace and name.
pub type Name = (String, String);

/// A version of a service, as a source reached it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub source: Name,
    /// Full host name.
    pub host: String,
    /// "unknown" where a request ended before it was chosen.
    pub workload: Name,
    pub revision: String,
}

/// Requests of one of them, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests {
    pub count: f64,
    /// 5xx, no answer, or a gRPC status other than OK.
    pub failed: f64,
    /// By response flag, of those that failed.
    pub flags: BTreeMap<String, f64>,
    /// Upper bounds in milliseconds, and counts of each bucket, not of all below.
    pub latency: Vec<(f64, f64)>,
}

#[derive(Debug, Default)]
pub struct Seen {
    pub requests: BTreeMap<Key, Requests>,
    /// Seconds over which they were counted.
    pub seconds: i64,
    pub problems: Vec<String>,
}

const BY: &str =
    "source_workload_namespace,source_workload,destination_service,destination_workload_namespace,destination_workload,destination_canonical_revision";

pub fn read(recording: &Recording, args: &TelemetryArgs, context: &Context) -> Result<Seen, Failure> {
    let answer = telemetry::asked(recording, args, &telemetry::options("workload")?, context)?;
    let mut problems = answer.problems.clone();
    let seconds = match answer.window {
        Some(_) => answer.options.duration,
        None => {
            problems.push(format!("the file has rates and does not say over what time: they are taken to be of {} (--over)", args.over));
            duration("--over", &args.over)? / 1000
        }
    };
    let mut seen = Seen { seconds, problems, ..Seen::default() };
    let at = answer.options.query_time * 1000;
    // What the caller counted has what never reached a version; where no caller counts, the versions do.
    for reporter in ["source", "destination"] {
        let mut of_this: BTreeMap<Key, Requests> = BTreeMap::new();
        let query =
            format!("sum(increase(istio_requests_total{{reporter=\"{reporter}\"}}[{seconds}s])) by ({BY},response_code,response_flags,grpc_response_status)");
        for sample in ask(&recording.store, &query, at).map_err(Failure::none)?.0 {
            if sample.value <= 0.0 || !sample.value.is_finite() {
                continue;
            }
            let requests = of_this.entry(key(&sample)).or_default();
            requests.count += sample.value;
            let code: u16 = label(&sample, "response_code").parse().unwrap_or(0);
            let grpc = label(&sample, "grpc_response_status");
            if code == 0 || code >= 500 || !matches!(grpc, "" | "0" | "unknown") {
                requests.failed += sample.value;
                let flags = label(&sample, "response_flags");
                *requests.flags.entry(if flags == "-" { format!("HTTP {code}") } else { flags.to_owned() }).or_default() += sample.value;
            }
        }
        let query = format!("sum(increase(istio_request_duration_milliseconds_bucket{{reporter=\"{reporter}\"}}[{seconds}s])) by ({BY},le)");
        let mut below: BTreeMap<Key, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in ask(&recording.store, &query, at).map_err(Failure::none)?.0 {
            if let Ok(bound) = label(&sample, "le").parse::<f64>() {
                below.entry(key(&sample)).or_default().push((bound, sample.value));
            }
        }
        for (key, mut buckets) in below {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut before = 0.0;
            let single = buckets.iter().map(|(bound, all)| {
                let own = (all - before).max(0.0);
                before = before.max(*all);
                (*bound, own)
            });
            if let Some(requests) = of_this.get_mut(&key) {
                requests.latency = single.collect();
            }
        }
        let told: Vec<(Name, String)> = seen.requests.keys().map(|k| (k.source.clone(), k.host.clone())).collect();
        seen.requests.extend(of_this.into_iter().filter(|(k, _)| !told.contains(&(k.source.clone(), k.host.clone()))));
    }
    Ok(seen)
}

fn label<'s>(sample: &'s Sample, name: &str) -> &'s str {
    sample.labels.iter().find(|(n, _)| n.as_ref() == name).map_or("", |(_, v)| v.as_ref())
}

fn key(sample: &Sample) -> Key {
    let text = |name: &str| label(sample, name).to_owned();
    Key {
        source: (text("source_workload_namespace"), text("source_workload")),
        host: text("destination_service"),
        workload: (text("destination_workload_namespace"), text("destination_workload")),
        revision: text("destination_canonical_revision"),
    }
}

impl Requests {
    pub fn add(&mut self, other: &Requests) {
        self.count += other.count;
        self.failed += other.failed;
        other.flags.iter().for_each(|(flag, n)| *self.flags.entry(flag.clone()).or_default() += n);
        for (bound, n) in &other.latency {
            match self.latency.iter_mut().find(|(b, _)| b == bound) {
                Some((_, known)) => *known += n,
                None => self.latency.push((*bound, *n)),
            }
        }
        self.latency.sort_by(|a, b| a.0.total_cmp(&b.0));
    }

    /// A quantile in milliseconds: the upper bound of its bucket; none where nothing was measured, or it lies beyond the last.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let whole: f64 = self.latency.iter().map(|(_, n)| n).sum();
        let mut below = 0.0;
        let found = self.latency.iter().find(|(_, n)| {
            below += n;
            below >= q * whole
        });
        found.map(|(bound, _)| *bound).filter(|b| whole > 0.0 && b.is_finite())
    }
}
