//! Istio's metrics as they are counted: each worker has series of its own, which the admin port sums up.

use super::labels::{Key, Labels, Protocol};
use super::overrides::{Metric, Overrides};
use super::peer::Own;
use crate::stats::Counter;
use mesh_envoy::buckets::BUCKETS;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub struct Histogram {
    /// The last is for what is longer than all.
    buckets: [Counter; BUCKETS.len() + 1],
    sum: Counter,
}

impl Histogram {
    pub fn record(&self, value: f64) {
        self.buckets[BUCKETS.partition_point(|end| *end < value)].inc();
        self.sum.add(value as u64);
    }
}

#[derive(Debug)]
pub struct Series {
    labels: Labels,
    pub counts: Counts,
}

#[derive(Debug)]
pub enum Counts {
    Http(Box<OfHttp>),
    Tcp(OfTcp),
}

#[derive(Debug, Default)]
pub struct OfHttp {
    is_grpc: bool,
    pub requests: Counter,
    /// Milliseconds.
    pub durations: Histogram,
    pub request_bytes: Histogram,
    pub response_bytes: Histogram,
    pub request_messages: Counter,
    pub response_messages: Counter,
}

#[derive(Debug, Default)]
pub struct OfTcp {
    pub opened: Counter,
    pub closed: Counter,
    pub sent: Counter,
    pub received: Counter,
}

impl Series {
    fn counter(&self, metric: Metric) -> Option<&Counter> {
        match (&self.counts, metric) {
            (Counts::Http(c), Metric::Requests) => Some(&c.requests),
            (Counts::Http(c), Metric::RequestMessages) if c.is_grpc => Some(&c.request_messages),
            (Counts::Http(c), Metric::ResponseMessages) if c.is_grpc => Some(&c.response_messages),
            (Counts::Tcp(c), Metric::Opened) => Some(&c.opened),
            (Counts::Tcp(c), Metric::Closed) => Some(&c.closed),
            (Counts::Tcp(c), Metric::Sent) => Some(&c.sent),
            (Counts::Tcp(c), Metric::Received) => Some(&c.received),
            _ => None,
        }
    }
    fn histogram(&self, metric: Metric) -> Option<&Histogram> {
        match (&self.counts, metric) {
            (Counts::Http(c), Metric::Duration) => Some(&c.durations),
            (Counts::Http(c), Metric::RequestBytes) => Some(&c.request_bytes),
            (Counts::Http(c), Metric::ResponseBytes) => Some(&c.response_bytes),
            _ => None,
        }
    }
}

/// The series of all workers.
#[derive(Default)]
pub struct Registry(Mutex<Vec<Arc<Series>>>);

impl Registry {
    /// A new series of one worker.
    pub fn series(&self, key: &Key, own: &Own, overrides: &Overrides) -> Arc<Series> {
        let counts = match key.protocol {
            Protocol::Tcp => Counts::Tcp(OfTcp::default()),
            other => Counts::Http(Box::new(OfHttp { is_grpc: other == Protocol::Grpc, ..OfHttp::default() })),
        };
        let series = Arc::new(Series { labels: Labels::new(key, &own.peer, overrides), counts });
        if let Ok(mut all) = self.0.lock() {
            all.push(series.clone());
        }
        series
    }
    /// The pages' part of Prometheus' text format.
    pub fn write(&self, version: &str, out: &mut String) {
        let Ok(all) = self.0.lock() else { return };
        if all.is_empty() {
            return;
        }
        let _ = writeln!(out, "# TYPE istio_build gauge\nistio_build{{component=\"proxy\",tag=\"{}\"}} 1", super::labels::escaped(version));
        for metric in Metric::ALL {
            counters(&all, metric, out);
            histograms(&all, metric, out);
        }
    }
}

fn counters(all: &[Arc<Series>], metric: Metric, out: &mut String) {
    let mut summed: BTreeMap<&str, u64> = BTreeMap::new();
    for series in all {
        if let (Some(counter), Some(labels)) = (series.counter(metric), series.labels.of(metric)) {
            *summed.entry(labels).or_default() += counter.get();
        }
    }
    if !summed.is_empty() {
        let _ = writeln!(out, "# TYPE istio_{} counter", metric.name());
    }
    for (labels, value) in &summed {
        let _ = writeln!(out, "istio_{}{{{labels}}} {value}", metric.name());
    }
}

fn histograms(all: &[Arc<Series>], metric: Metric, out: &mut String) {
    let mut summed: BTreeMap<&str, ([u64; BUCKETS.len() + 1], u64)> = BTreeMap::new();
    for series in all {
        if let (Some(histogram), Some(labels)) = (series.histogram(metric), series.labels.of(metric)) {
            let (buckets, sum) = summed.entry(labels).or_default();
            buckets.iter_mut().zip(&histogram.buckets).for_each(|(all, one)| *all += one.get());
            *sum += histogram.sum.get();
        }
    }
    let name = metric.name();
    if !summed.is_empty() {
        let _ = writeln!(out, "# TYPE istio_{name} histogram");
    }
    for (labels, (buckets, sum)) in &summed {
        let mut so_far = 0;
        let ends = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (end, count) in ends.zip(buckets) {
            so_far += count;
            let _ = writeln!(out, "istio_{name}_bucket{{{labels},le=\"{end}\"}} {so_far}");
        }
        let _ = writeln!(out, "istio_{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "istio_{name}_count{{{labels}}} {so_far}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_bucket_whose_end_they_do_not_pass() {
        assert_eq!([0.2, 0.5, 0.6, 1e9].map(|ms: f64| BUCKETS.partition_point(|end| *end < ms)), [0, 0, 1, 19]);
    }
}
