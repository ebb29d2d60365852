//! What is counted of calls beside their graph: how often they arrive of what is sent, and what half of them take.

use crate::telemetry::Answer;
use mesh_analyzers::ranking::{Counted, Retried};
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_metrics::promql::Sample;
use std::collections::BTreeMap;

/// Caller, callee and host.
type Key = [String; 5];

const BY: &str = "source_workload_namespace, source_workload, destination_workload_namespace, destination_workload, destination_service";

pub fn counted(recording: &Recording, answer: &Answer) -> Counted {
    let served = |quantile| times(recording, answer, quantile, "{reporter=\"destination\"}");
    let slowest = served(0.95);
    let both = |(call, middle): ((String, String), f64)| Some((call.clone(), [middle, *slowest.get(&call)?]));
    Counted {
        retried: retried(recording, answer),
        middle: times(recording, answer, 0.5, ""),
        served: served(0.5).into_iter().filter_map(both).collect(),
        window: answer.options.duration as f64,
    }
}

/// A quantile by caller and callee, as either end counts it: the longer of the two.
fn times(recording: &Recording, answer: &Answer, quantile: f64, selector: &str) -> BTreeMap<(String, String), f64> {
    const BY: &str = "reporter, source_workload_namespace, source_workload, destination_workload_namespace, destination_workload";
    let rates = format!("rate(istio_request_duration_milliseconds_bucket{selector}[{}s])", answer.options.duration);
    let query = format!("histogram_quantile({quantile}, sum by (le, {BY}) ({rates}))");
    let (samples, _) = ask(&recording.store, &query, answer.options.query_time * 1000).unwrap_or_default();
    let mut out = BTreeMap::new();
    for s in samples.iter().filter(|s| s.value.is_finite()) {
        let label = |name: &str| s.labels.iter().find(|(n, _)| &**n == name).map_or("", |(_, v)| v);
        let name = |side: &str| match (label(&format!("{side}_workload_namespace")), label(&format!("{side}_workload"))) {
            (_, "unknown" | "") => "unknown".to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        let time: &mut f64 = out.entry((name("source"), name("destination"))).or_default();
        *time = time.max(s.value);
    }
    out
}

/// The calls that both ends count.
fn retried(recording: &Recording, answer: &Answer) -> Vec<Retried> {
    let rates = |selector: &str| -> BTreeMap<Key, f64> {
        let query = format!("sum by ({BY}) (rate(istio_requests_total{{{selector}}}[{}s]))", answer.options.duration);
        let (samples, _) = ask(&recording.store, &query, answer.options.query_time * 1000).unwrap_or_default();
        let key = |s: &Sample| {
            let label = |name: &str| s.labels.iter().find(|(n, _)| &**n == name).map_or_else(String::new, |(_, v)| v.to_string());
            [
                label("source_workload_namespace"),
                label("source_workload"),
                label("destination_workload_namespace"),
                label("destination_workload"),
                label("destination_service"),
            ]
        };
        samples.iter().map(|s| (key(s), s.value)).collect()
    };
    let sent = rates("reporter=\"source\"");
    let received = rates("reporter=\"destination\"");
    // A try that took too long has no status.
    let failing = rates("reporter=\"destination\",response_code=~\"5..|0\"");
    let one = |(key, sent): (&Key, &f64)| {
        let received = *received.get(key)?;
        let [from_ns, from, to_ns, to, host] = key;
        Some(Retried {
            from: format!("{from_ns}/{from}"),
            to: format!("{to_ns}/{to}"),
            host: host.clone(),
            sent: *sent,
            received,
            failing: failing.get(key).copied().unwrap_or(0.0) / received.max(f64::MIN_POSITIVE),
        })
    };
    sent.iter().filter_map(one).collect()
}
