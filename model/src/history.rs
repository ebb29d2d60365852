//! Golden signals over time: what a source of metrics is asked, and its answers put together.

use mesh_metrics::promql::Track;
use std::collections::BTreeMap;

/// A stretch of time and its steps, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub from: i64,
    pub to: i64,
    pub step: i64,
}

impl Span {
    /// How many points there are.
    pub fn points(&self) -> usize {
        usize::try_from((self.to - self.from) / self.step.max(1) + 1).unwrap_or(0)
    }
    fn index(&self, at: i64) -> Option<usize> {
        usize::try_from((at - self.from) / self.step.max(1)).ok().filter(|i| *i < self.points())
    }
}

/// What a query tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Requests per second.
    Rate,
    /// Those that failed: no answer, 4xx, 5xx, or a gRPC status that is not OK.
    Failed,
    /// The 95th percentile of durations, in milliseconds.
    P95,
}

/// Whose signals are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Of each workload and service.
    Each,
    /// Of all together.
    Whole,
}

/// The queries, for rates over so many seconds. `matchers` stand in every selector: `cluster="a"`; "" for none.
pub fn queries(detail: Detail, range: i64, matchers: &str) -> Vec<(Signal, String)> {
    let own = if matchers.is_empty() { String::new() } else { format!(",{matchers}") };
    let by = match detail {
        Detail::Each => "reporter,destination_workload_namespace,destination_workload,destination_service_namespace,destination_service_name",
        Detail::Whole => "reporter",
    };
    let requests = |more: &str| format!("sum by ({by}) (rate(istio_requests_total{{reporter!=\"\"{more}{own}}}[{range}s]))");
    let mut out = vec![
        (Signal::Rate, requests("")),
        (Signal::Failed, requests(",request_protocol!=\"grpc\",response_code=~\"-|0|[45]..\"")),
        (Signal::Failed, requests(",request_protocol=\"grpc\",grpc_response_status!~\"|0\"")),
    ];
    if detail == Detail::Each {
        let buckets = format!("rate(istio_request_duration_milliseconds_bucket{{reporter!=\"\"{own}}}[{range}s])");
        let quantile = format!("histogram_quantile(0.95, sum by (le,reporter,destination_workload_namespace,destination_workload) ({buckets}))");
        out.push((Signal::P95, quantile));
    }
    out
}

/// The signals of one thing, a value for each point of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    pub rate: Vec<f64>,
    pub failed: Vec<f64>,
    /// Not a number where it is not known.
    pub p95: Vec<f64>,
}

impl Signals {
    /// The share of failures at each point, in percent; 0 without requests.
    pub fn shares(&self) -> Vec<f64> {
        self.rate.iter().zip(&self.failed).map(|(r, f)| if *r > 0.0 { (f / r * 100.0).min(100.0) } else { 0.0 }).collect()
    }
}

/// Everything over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub span: Span,
    /// By namespace and name; requests into them.
    pub workloads: BTreeMap<(String, String), Signals>,
    pub services: BTreeMap<(String, String), Signals>,
    pub namespaces: BTreeMap<String, Signals>,
    pub whole: Signals,
}

/// Whose signals are summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Workload(String, String),
    Service(String, String),
    Namespace(String),
    Whole,
}

impl History {
    /// Puts answers together. Both ends of a call count it: of what several reporters say, the most is so.
    pub fn new(span: Span, answers: &[(Signal, Vec<Track>)]) -> History {
        let points = span.points();
        let mut sums: BTreeMap<(Thing, Signal, String), Vec<f64>> = BTreeMap::new();
        for (signal, tracks) in answers {
            for track in tracks {
                let label = |name: &str| track.labels.iter().find(|(n, _)| &**n == name).map_or("", |(_, v)| &**v);
                let known = |text: &str| !text.is_empty() && text != "unknown";
                let workload = (label("destination_workload_namespace"), label("destination_workload"));
                let service = (label("destination_service_namespace"), label("destination_service_name"));
                let mut things = Vec::new();
                if known(workload.1) {
                    things.push(Thing::Workload(workload.0.to_owned(), workload.1.to_owned()));
                }
                if *signal != Signal::P95 {
                    if known(service.1) {
                        things.push(Thing::Service(service.0.to_owned(), service.1.to_owned()));
                    }
                    let namespace = if known(workload.0) { workload.0 } else { service.0 };
                    if known(namespace) {
                        things.push(Thing::Namespace(namespace.to_owned()));
                    }
                    things.push(Thing::Whole);
                }
                for thing in things {
                    let sum = sums.entry((thing, *signal, label("reporter").to_owned())).or_insert_with(|| vec![0.0; points]);
                    for point in track.points.iter().filter(|p| p.value.is_finite()) {
                        if let Some(i) = span.index(point.at.div_euclid(1000)) {
                            sum[i] += point.value;
                        }
                    }
                }
            }
        }
        let mut out = History { span, whole: Signals::empty(points), ..History::default() };
        for ((thing, signal, _), values) in sums {
            let signals = match thing {
                Thing::Workload(ns, name) => out.workloads.entry((ns, name)).or_insert_with(|| Signals::empty(points)),
                Thing::Service(ns, name) => out.services.entry((ns, name)).or_insert_with(|| Signals::empty(points)),
                Thing::Namespace(ns) => out.namespaces.entry(ns).or_insert_with(|| Signals::empty(points)),
                Thing::Whole => &mut out.whole,
            };
            let of = match signal {
                Signal::Rate => &mut signals.rate,
                Signal::Failed => &mut signals.failed,
                Signal::P95 => &mut signals.p95,
            };
            for (old, new) in of.iter_mut().zip(values) {
                // A percentile of 0 is none.
                if new > 0.0 && (old.is_nan() || new > *old) {
                    *old = new;
                }
            }
        }
        out
    }
    pub fn is_empty(&self) -> bool {
        self.whole.rate.iter().all(|r| *r <= 0.0)
    }
}

impl Signals {
    fn empty(points: usize) -> Signals {
        Signals { rate: vec![0.0; points], failed: vec![0.0; points], p95: vec![f64::NAN; points] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_metrics::series::Point;
    use std::sync::Arc;

    fn track(labels: &[(&str, &str)], values: &[f64]) -> Track {
        let labels = labels.iter().map(|(n, v)| (Arc::from(*n), Arc::from(*v))).collect();
        Track { labels, points: values.iter().enumerate().map(|(i, v)| Point { at: (100 + 10 * i as i64) * 1000, value: *v }).collect() }
    }

    #[test]
    fn both_ends_of_a_call_count_once_and_what_never_arrived_counts_too() {
        let span = Span { from: 100, to: 120, step: 10 };
        let to = |reporter: &'static str, workload: &'static str| {
            [
                ("reporter", reporter),
                ("destination_workload_namespace", if workload == "unknown" { "unknown" } else { "shop" }),
                ("destination_workload", workload),
                ("destination_service_namespace", "shop"),
                ("destination_service_name", "cart"),
            ]
        };
        let rate = vec![
            track(&to("source", "cart-v1"), &[4.0, 5.0, 6.0]),
            track(&to("destination", "cart-v1"), &[4.0, 5.0, f64::NAN]),
            track(&to("source", "unknown"), &[0.0, 1.0, 1.0]),
        ];
        let failed = vec![track(&to("source", "unknown"), &[0.0, 1.0, 1.0])];
        let history = History::new(span, &[(Signal::Rate, rate), (Signal::Failed, failed)]);
        let cart = &history.services[&("shop".to_owned(), "cart".to_owned())];
        assert_eq!((cart.rate.as_slice(), cart.failed.as_slice()), (&[4.0, 6.0, 7.0][..], &[0.0, 1.0, 1.0][..]));
        assert_eq!(history.workloads[&("shop".to_owned(), "cart-v1".to_owned())].rate, [4.0, 5.0, 6.0]);
        assert_eq!((history.namespaces["shop"].rate.as_slice(), history.whole.failed.as_slice()), (&[4.0, 6.0, 7.0][..], &[0.0, 1.0, 1.0][..]));
        assert!(cart.p95.iter().all(|p| p.is_nan()) && cart.shares()[0] == 0.0 && !history.is_empty());
    }
}
