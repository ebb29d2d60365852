//! Golden signals over time, from samples in memory or a live Prometheus.

use super::prometheus;
use crate::args::telemetry::{PrometheusArgs, TelemetryArgs};
use crate::dump::block_on;
use mesh_collectors::telemetry::prometheus::Client;
use mesh_metrics::promql::{self, Options, Track, Value};
use mesh_metrics::series::{Point, Store};
use mesh_model::history::{Detail, History, Signal, Span, queries};
use std::sync::Arc;

/// Points of a chart.
const POINTS: i64 = 60;
/// More series times points than that are asked only for what is cheap.
const COSTLY: usize = 400_000;

/// The steps of a chart over a stretch of time, in seconds.
pub fn span(from: i64, to: i64) -> Span {
    let step = ((to - from) / POINTS).max(1);
    Span { from: to - (to - from) / step * step, to, step }
}

/// How far rates look back at each point: two steps, and four scrapes of the usual interval.
fn range(span: Span) -> i64 {
    (span.step * 2).max(60)
}

/// The signals of samples in memory; `None` where there are none over that time.
pub fn of_store(store: &Store, span: Span, detail: Detail) -> Option<History> {
    store.span()?;
    let is_costly = store.len() * span.points() > COSTLY;
    let mut answers = Vec::new();
    for (signal, query) in queries(detail, range(span), "") {
        if signal == Signal::P95 && is_costly {
            continue;
        }
        let expr = promql::parse(&query).ok()?;
        let answer = promql::query_range(store, &expr, span.from * 1000, span.to * 1000, span.step * 1000, &Options::default()).ok()?;
        if let Value::Matrix(tracks) = answer.value {
            answers.push((signal, tracks));
        }
    }
    Some(History::new(span, &answers)).filter(|h| !h.is_empty())
}

/// The same from a live Prometheus. The error says what it did not answer.
pub fn of_server(url: &str, args: &TelemetryArgs, span: Span) -> Result<Option<History>, String> {
    let server = Server::new(url, &args.access)?;
    let mut answers = Vec::new();
    for (signal, query) in queries(Detail::Each, range(span), &server.matchers) {
        answers.push((signal, server.range(&query, span)?));
    }
    Ok(Some(History::new(span, &answers)).filter(|h| !h.is_empty()))
}

/// A live Prometheus that is asked for stretches of time.
pub struct Server {
    client: Client,
    /// What belongs into every selector, by commas.
    pub matchers: String,
}

impl Server {
    pub fn new(url: &str, access: &PrometheusArgs) -> Result<Server, String> {
        let client = prometheus::client(url, access).map_err(|e| e.to_string())?;
        let labels = prometheus::labels(access).map_err(|e| e.to_string())?;
        let matchers: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        Ok(Server { client, matchers: matchers.join(",") })
    }
    /// What a query answers at each step. The error says what is wrong.
    pub fn range(&self, query: &str, span: Span) -> Result<Vec<Track>, String> {
        let parameters = [("query", query), ("start", &span.from.to_string()), ("end", &span.to.to_string()), ("step", &span.step.to_string())];
        let body = block_on(self.client.get("/api/v1/query_range", &parameters)).map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        tracks(&body)
    }
}

/// The matrix of an answer of `/api/v1/query_range`.
fn tracks(body: &[u8]) -> Result<Vec<Track>, String> {
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|e| format!("no JSON: {e}"))?;
    let list = value["data"]["result"].as_array().ok_or("an answer without a result")?;
    let text = |v: &serde_json::Value| v.as_str().map(Arc::from);
    let point = |v: &serde_json::Value| {
        let at = v[0].as_f64()?;
        Some(Point { at: (at * 1000.0) as i64, value: v[1].as_str()?.parse().ok()? })
    };
    let track = |v: &serde_json::Value| {
        let labels = v["metric"].as_object().into_iter().flatten().filter_map(|(n, v)| Some((Arc::from(n.as_str()), text(v)?))).collect();
        Track { labels, points: v["values"].as_array().into_iter().flatten().filter_map(point).collect() }
    };
    Ok(list.iter().map(track).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_prometheus_are_read() {
        let body = br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"reporter":"source"},"values":[[100,"1.5"],[110.5,"NaN"]]}]}}"#;
        let found = tracks(body).expect("a matrix");
        assert_eq!((found[0].labels.len(), found[0].points[0].at, found[0].points[0].value), (1, 100_000, 1.5));
        assert_eq!(tracks(b"{}"), Err("an answer without a result".to_owned()));
        let s = span(1_000, 1_600);
        assert_eq!((s.from, s.step, s.points()), (1_000, 10, 61));
    }
}
