//! What istiod pushed over time, and what proxies refused: its own metrics, by way of a Prometheus.

use super::Row;
use crate::args::telemetry::PrometheusArgs;
use crate::print::time::rfc3339;
use crate::telemetry::history::Server;
use mesh_metrics::promql::Track;
use mesh_model::history::Span;

/// Steps of the whole time, at most.
const STEPS: i64 = 60;
/// No step is shorter, in seconds: an increase needs two scrapes.
const LEAST: i64 = 60;

/// A counter of istiod's by type of resource (`cds`, `lds` …), and how one says what it counts.
struct Counter {
    metric: &'static str,
    what: &'static str,
    who: &'static str,
    counted: (&'static str, &'static str),
}

/// `pilot/pkg/xds/monitoring.go` of Istio names them.
const COUNTERS: &[Counter] = &[
    Counter { metric: "pilot_xds_pushes", what: "pushed", who: "istiod", counted: ("push", "pushes") },
    Counter { metric: "pilot_total_xds_rejects", what: "rejected", who: "proxies", counted: ("answer", "answers") },
];

/// A row for each stretch of time in which a type of resource was pushed or refused. The error says what Prometheus did not answer.
pub fn over_time(url: &str, access: &PrometheusArgs, from: i64, to: i64) -> Result<Vec<Row>, String> {
    let server = Server::new(url, access)?;
    let step = ((to - from) / STEPS).max(LEAST);
    // Each point tells of the step before it.
    let span = Span { from: to - ((to - from) / step - 1).max(0) * step, to, step };
    let mut rows = Vec::new();
    for counter in COUNTERS {
        let tracks = server.range(&query(counter, &server.matchers, step), span)?;
        rows.extend(tracks.iter().flat_map(|track| stretches(counter, track, step)));
    }
    Ok(rows)
}

fn query(counter: &Counter, matchers: &str, step: i64) -> String {
    format!("sum by (type) (increase({}{{{matchers}}}[{step}s]))", counter.metric)
}

fn stretches(counter: &Counter, track: &Track, step: i64) -> Vec<Row> {
    let of = track.labels.iter().find(|(name, _)| &**name == "type").map_or_else(|| "?".to_owned(), |(_, of)| of.to_uppercase());
    let mut rows: Vec<(i64, i64, f64)> = Vec::new();
    // An increase is extrapolated: what rounds to nothing is none.
    for point in track.points.iter().filter(|p| p.value.round() >= 1.0) {
        let end = point.at / 1000;
        match rows.last_mut() {
            Some((_, last, count)) if *last == end - step => (*last, *count) = (end, *count + point.value),
            _ => rows.push((end - step, end, point.value)),
        }
    }
    let row = |(begin, end, count): (i64, i64, f64)| Row {
        at: rfc3339(begin),
        what: counter.what.to_owned(),
        object: of.clone(),
        who: counter.who.to_owned(),
        detail: format!("{count:.0} {} until {}", if count.round() == 1.0 { counter.counted.0 } else { counter.counted.1 }, rfc3339(end)),
    };
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_metrics::series::Point;

    #[test]
    fn the_queries_are_ones() {
        for counter in COUNTERS {
            for matchers in ["", "cluster=\"eu\""] {
                mesh_metrics::promql::parse(&query(counter, matchers, 60)).expect("a query");
            }
        }
    }

    #[test]
    fn what_goes_on_is_one_row() {
        let points = [(60, 0.0), (120, 2.0), (180, 1.5), (240, 0.2), (300, 1.0)].map(|(at, value)| Point { at: at * 1000, value });
        let track = Track { labels: vec![("type".into(), "lds".into())], points: points.to_vec() };
        let rows = stretches(&COUNTERS[1], &track, 60);
        let rows: Vec<[&str; 4]> = rows.iter().map(|r| [r.at.as_str(), &r.what, &r.object, &r.detail]).collect();
        assert_eq!(
            rows,
            [
                ["1970-01-01T00:01:00Z", "rejected", "LDS", "4 answers until 1970-01-01T00:03:00Z"],
                ["1970-01-01T00:04:00Z", "rejected", "LDS", "1 answer until 1970-01-01T00:05:00Z"]
            ]
        );
    }
}
