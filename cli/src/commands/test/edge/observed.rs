//! What was measured of the calls between two names.

use super::Reporters;
use super::traffic::Asked;
use crate::status::Failure;
use crate::telemetry::edge::{Ends, matchers};
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_metrics::promql::Sample;
use mesh_model::graph::{Edge, EdgeRate, TCP};
use std::collections::{BTreeMap, BTreeSet};

pub struct Observed<'t> {
    recording: &'t Recording,
    asked: &'t Asked<'t>,
    edges: Vec<&'t Edge>,
    /// Without repetition: a call may have an edge a protocol.
    pub calls: Vec<Ends>,
    /// Requests by how they ended.
    ended: BTreeMap<End, f64>,
}

/// How requests ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    code: String,
    flags: String,
    /// "" where it is no gRPC.
    grpc: String,
}

/// Whose fault a failure is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// 4xx as well.
    Any,
    /// 5xx, no answer, errors of gRPC.
    Server,
}

impl End {
    fn has_failed(&self, failed: Failed) -> bool {
        let code: u16 = self.code.parse().unwrap_or(0);
        let is_grpc_error = !matches!(self.grpc.as_str(), "" | "0" | "unknown");
        code == 0 || code >= 500 || is_grpc_error || (failed == Failed::Any && code >= 400)
    }
}

/// A quantile of what was measured in buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantile {
    /// In milliseconds, linear within its bucket, whose bounds stand beside.
    In { about: f64, above: f64, to: f64 },
    /// Above the highest bound.
    Beyond(f64),
}

impl<'t> Observed<'t> {
    /// Edges that carried something.
    pub fn new(recording: &'t Recording, asked: &'t Asked<'t>) -> Result<Observed<'t>, Failure> {
        let nodes = &asked.answer.graph.nodes;
        let all = asked.callers.iter().flat_map(|from| nodes[*from].edges.iter().map(move |e| (*from, e)));
        let fitting: Vec<(usize, &Edge)> = all.filter(|(_, e)| asked.callees.contains(&e.to) && e.rate(EdgeRate::Total) > 0.0).collect();
        let calls: BTreeSet<Ends> = fitting.iter().map(|(from, e)| (*from, e.to)).collect();
        let edges = fitting.into_iter().map(|(_, e)| e).collect();
        let mut observed = Observed { recording, asked, edges, calls: calls.into_iter().collect(), ended: BTreeMap::new() };
        observed.ended = observed.count()?;
        Ok(observed)
    }

    /// Requests as the callers counted them, and where a caller did not, those that it called.
    fn count(&self) -> Result<BTreeMap<End, f64>, Failure> {
        let mut ended: BTreeMap<End, f64> = BTreeMap::new();
        let over = self.asked.answer.options.duration;
        for call in &self.calls {
            let m = matchers(self.asked.answer, *call);
            for reporter in ["source", "destination", "waypoint"] {
                let by = "response_code,response_flags,grpc_response_status,request_protocol";
                let query = format!("sum(rate(istio_requests_total{{{m},reporter=\"{reporter}\"}}[{over}s])) by ({by})");
                let found: Vec<Sample> = self.samples(&query)?.into_iter().filter(|s| s.value > 0.0).collect();
                for sample in &found {
                    let grpc = if label(sample, "request_protocol") == "grpc" { label(sample, "grpc_response_status") } else { "" };
                    let end = End { code: label(sample, "response_code").to_owned(), flags: label(sample, "response_flags").to_owned(), grpc: grpc.to_owned() };
                    *ended.entry(end).or_default() += sample.value;
                }
                if !found.is_empty() {
                    break;
                }
            }
        }
        Ok(ended)
    }

    pub fn protocols(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.edges.iter().map(|e| self.asked.answer.graph.names.text(e.protocol)).collect();
        names.into_iter().collect()
    }

    /// Per second, of requests; none where bytes alone are counted.
    pub fn request_rate(&self) -> Option<f64> {
        (!self.ended.is_empty()).then(|| self.ended.values().sum())
    }

    /// Per second, of TCP.
    pub fn byte_rate(&self) -> f64 {
        self.edges.iter().filter(|e| e.protocol == TCP).map(|e| e.rate(EdgeRate::Total)).sum()
    }

    /// The share of requests that failed, in percent.
    pub fn error_percent(&self, failed: Failed) -> Option<f64> {
        let rate: f64 = self.ended.iter().filter(|(end, _)| end.has_failed(failed)).map(|(_, rate)| rate).sum();
        self.request_rate().map(|all| rate / all * 100.0)
    }

    /// Codes and flags of what failed, the most frequent first: `503 UF 1.2/s`.
    pub fn failures(&self, failed: Failed) -> Vec<String> {
        let mut all: Vec<(&End, f64)> = self.ended.iter().filter(|(end, _)| end.has_failed(failed)).map(|(end, rate)| (end, *rate)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let said = |end: &End| {
            let grpc = if end.grpc.is_empty() { String::new() } else { format!("grpc {}", end.grpc) };
            let words = [end.code.as_str(), &grpc, &end.flags];
            words.into_iter().filter(|w| !matches!(*w, "" | "-")).collect::<Vec<_>>().join(" ")
        };
        all.into_iter().map(|(end, rate)| format!("{} {rate:.3}/s", said(end))).collect()
    }

    /// The sum of what a query gives for each call; `{}` stands for the matchers of the call.
    fn sum(&self, query: impl Fn(&str) -> String) -> Result<f64, Failure> {
        let mut sum = 0.0;
        for call in &self.calls {
            let query = query(&matchers(self.asked.answer, *call));
            sum += self.samples(&query)?.iter().map(|s| s.value).sum::<f64>();
        }
        Ok(sum)
    }

    fn samples(&self, query: &str) -> Result<Vec<Sample>, Failure> {
        let samples = ask(&self.recording.store, query, self.asked.answer.options.query_time * 1000).map_err(Failure::none)?.0;
        Ok(samples.into_iter().filter(|s| s.value.is_finite()).collect())
    }

    fn metric(&self) -> &'static str {
        if self.request_rate().is_some() { "istio_requests_total" } else { "istio_tcp_sent_bytes_total" }
    }

    /// Whose proxies have counted; none where neither side's has (a waypoint's, for one).
    pub fn reporters(&self) -> Result<Option<Reporters>, Failure> {
        let (metric, over) = (self.metric(), self.asked.answer.options.duration);
        let has = |side: &str| self.sum(|m| format!("sum(rate({metric}{{{m},reporter=\"{side}\"}}[{over}s]))")).map(|rate| rate > 0.0);
        Ok(match (has("source")?, has("destination")?) {
            (true, true) => Some(Reporters::Both),
            (true, false) => Some(Reporters::Source),
            (false, true) => Some(Reporters::Destination),
            (false, false) => None,
        })
    }

    /// The share that came over mutual TLS in percent, of what was counted by those who know; none where nobody does.
    pub fn mtls_percent(&self) -> Result<Option<f64>, Failure> {
        let (metric, over) = (self.metric(), self.asked.answer.options.duration);
        let of = |policy: &str| self.sum(|m| format!("sum(rate({metric}{{{m},reporter!=\"source\",connection_security_policy{policy}}}[{over}s]))"));
        let (mutual, known) = (of("=\"mutual_tls\"")?, of("!~\"unknown|\"")?);
        Ok((known > 0.0).then(|| mutual / known * 100.0))
    }

    /// A quantile as the callers measured it, or those that they called where no caller did.
    pub fn quantile(&self, q: f64) -> Result<Option<Quantile>, Failure> {
        let over = self.asked.answer.options.duration;
        for reporter in ["source", "destination", "waypoint"] {
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for call in &self.calls {
                let m = matchers(self.asked.answer, *call);
                let query = format!("sum(rate(istio_request_duration_milliseconds_bucket{{{m},reporter=\"{reporter}\"}}[{over}s])) by (le)");
                for sample in self.samples(&query)? {
                    let Ok(bound) = label(&sample, "le").parse::<f64>() else { continue };
                    let rate = sample.value;
                    match buckets.iter_mut().find(|(b, _)| *b == bound) {
                        Some((_, all)) => *all += rate,
                        None => buckets.push((bound, rate)),
                    }
                }
            }
            if let Some(found) = quantile(buckets, q) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn label<'s>(sample: &'s Sample, name: &str) -> &'s str {
    sample.labels.iter().find(|(n, _)| n.as_ref() == name).map_or("", |(_, v)| v.as_ref())
}

/// Of cumulative buckets; none without the last of them, or without observations.
fn quantile(mut buckets: Vec<(f64, f64)>, q: f64) -> Option<Quantile> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (last, total) = *buckets.last()?;
    if last != f64::INFINITY || total.is_nan() || total <= 0.0 {
        return None;
    }
    let (mut above, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if count >= q * total {
            let about = above + (bound - above) * ((q * total - below) / (count - below)).clamp(0.0, 1.0);
            return Some(if bound == f64::INFINITY { Quantile::Beyond(above) } else { Quantile::In { about, above, to: bound } });
        }
        // Rates of buckets are taken one by one and may waver.
        (above, below) = (bound, count.max(below));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_in_their_bucket_and_none_is_made_up_beyond_the_last() {
        let buckets = vec![(10.0, 50.0), (f64::INFINITY, 100.0), (20.0, 90.0)];
        assert_eq!(quantile(buckets.clone(), 0.5), Some(Quantile::In { about: 10.0, above: 0.0, to: 10.0 }));
        assert_eq!(quantile(buckets.clone(), 0.7), Some(Quantile::In { about: 15.0, above: 10.0, to: 20.0 }));
        assert_eq!(quantile(buckets, 0.95), Some(Quantile::Beyond(20.0)));
        assert_eq!(quantile(vec![(10.0, 5.0)], 0.5), None);
        assert_eq!(quantile(vec![(10.0, 0.0), (f64::INFINITY, 0.0)], 0.5), None);
        assert_eq!(quantile(Vec::new(), 0.5), None);
    }
}
