//! Prometheus' HTTP API over a store, as a function: path and parameters in, status and JSON out. Who listens is someone
//! else's business. Format: <https://prometheus.io/docs/prometheus/latest/querying/api/>.

mod json;
mod time;

pub use time::parse_time;

use crate::promql::{self, Options, Value};
use crate::series::{Data, Matcher, Series, Store};
use json::Json;

/// A request: the path without its query, and all parameters of query and form, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub path: &'a str,
    pub parameters: &'a [(String, String)],
    /// The time of a query that names none. Milliseconds.
    pub now: i64,
}

/// HTTP status and a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// Why there is no answer: Prometheus' error types.
enum Refusal {
    BadData(String),
    Execution(String),
    NotFound,
}

pub fn answer(store: &Store, request: &Request<'_>, options: &Options) -> Response {
    let result = route(store, request, options);
    let (status, kind, message) = match result {
        Ok(body) => return Response { status: 200, body },
        Err(Refusal::BadData(message)) => (400, "bad_data", message),
        Err(Refusal::Execution(message)) => (422, "execution", message),
        Err(Refusal::NotFound) => {
            (404, "not_found", format!("there is no {} here; query, query_range, series, labels, label/NAME/values and metadata are", request.path))
        }
    };
    let mut json = Json::default();
    json.raw("{\"status\":\"error\",\"errorType\":");
    json.text(kind);
    json.raw(",\"error\":");
    json.text(&message);
    json.raw("}");
    Response { status, body: json.into_string() }
}

fn route(store: &Store, request: &Request<'_>, options: &Options) -> Result<String, Refusal> {
    let path = request.path.trim_end_matches('/');
    match path.strip_prefix("/api/v1/").ok_or(Refusal::NotFound)? {
        "query" => query(store, request, options),
        "query_range" => query_range(store, request, options),
        "series" => series(store, request),
        "labels" => labels(store, request),
        "metadata" => Ok(metadata(store, request)),
        other => match other.strip_prefix("label/").and_then(|o| o.strip_suffix("/values")) {
            Some(name) => label_values(store, request, name),
            None => Err(Refusal::NotFound),
        },
    }
}

impl<'a> Request<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn need(&self, name: &str) -> Result<&'a str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::BadData(format!("the parameter `{name}` is missing")))
    }

    fn time(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.get(name).filter(|t| !t.is_empty()) else { return Ok(None) };
        let time = parse_time(text).ok_or_else(|| Refusal::BadData(format!("`{name}={text}` is no time; Unix seconds or RFC 3339 are")))?;
        Ok(Some(time))
    }

    fn limit(&self) -> usize {
        self.get("limit").and_then(|l| l.parse().ok()).filter(|l| *l > 0).unwrap_or(usize::MAX)
    }

    fn matchers(&self) -> Result<Vec<Vec<Matcher>>, Refusal> {
        let texts = self.parameters.iter().filter(|(n, _)| n == "match[]").map(|(_, v)| v);
        texts.map(|t| promql::parse_selector(t).map_err(|e| Refusal::BadData(format!("`match[]`: {}", e.render(t))))).collect()
    }
}

fn step(text: &str) -> Option<i64> {
    let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && s.abs() < 1e12).map(|s| (s * 1000.0).round() as i64);
    seconds.or_else(|| promql::parse_duration(text))
}

/// A query may shorten or lengthen the look-back, as in Prometheus.
fn options_of(request: &Request<'_>, options: &Options) -> Result<Options, Refusal> {
    let Some(text) = request.get("lookback_delta").filter(|t| !t.is_empty()) else { return Ok(*options) };
    let lookback = step(text).filter(|l| *l > 0).ok_or_else(|| Refusal::BadData(format!("`lookback_delta={text}` is no duration")))?;
    Ok(Options { lookback, ..*options })
}

fn query(store: &Store, request: &Request<'_>, options: &Options) -> Result<String, Refusal> {
    let text = request.need("query")?;
    let at = request.time("time")?.unwrap_or(request.now);
    let options = options_of(request, options)?;
    let expr = promql::parse(text).map_err(|e| Refusal::BadData(format!("`query`: {}", e.render(text))))?;
    let answer = promql::query(store, &expr, at, &options).map_err(|e| Refusal::Execution(e.render(text)))?;
    Ok(result(&answer, at))
}

fn query_range(store: &Store, request: &Request<'_>, options: &Options) -> Result<String, Refusal> {
    let text = request.need("query")?;
    let missing = |name: &str| Refusal::BadData(format!("the parameter `{name}` is missing"));
    let start = request.time("start")?.ok_or_else(|| missing("start"))?;
    let end = request.time("end")?.ok_or_else(|| missing("end"))?;
    let step_text = request.need("step")?;
    let step = step(step_text).ok_or_else(|| Refusal::BadData(format!("`step={step_text}` is no duration; `15` (seconds) or `1m` are")))?;
    let options = options_of(request, options)?;
    let expr = promql::parse(text).map_err(|e| Refusal::BadData(format!("`query`: {}", e.render(text))))?;
    if step <= 0 || end < start || (end - start) / step > promql::STEPS {
        return Err(Refusal::BadData(format!("`step` must be longer than 0, `end` not before `start`, and there may be {} steps", promql::STEPS)));
    }
    let answer = promql::query_range(store, &expr, start, end, step, &options).map_err(|e| Refusal::Execution(e.render(text)))?;
    Ok(result(&answer, end))
}

fn result(answer: &promql::Answer, at: i64) -> String {
    let mut json = Json::default();
    json.raw("{\"status\":\"success\",\"data\":{\"resultType\":");
    match &answer.value {
        Value::Scalar(point) => {
            json.raw("\"scalar\",\"result\":");
            json.point(point.at, point.value);
        }
        Value::String(text) => {
            json.raw("\"string\",\"result\":[");
            json.time(at);
            json.raw(",");
            json.text(text);
            json.raw("]");
        }
        Value::Vector(samples) => {
            json.raw("\"vector\",\"result\":");
            json.list(samples, |json, sample| {
                json.raw("{\"metric\":");
                json.labels(sample.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
                json.raw(",\"value\":");
                json.point(sample.at, sample.value);
                json.raw("}");
            });
        }
        Value::Matrix(tracks) => {
            json.raw("\"matrix\",\"result\":");
            json.list(tracks, |json, track| {
                json.raw("{\"metric\":");
                json.labels(track.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
                json.raw(",\"values\":");
                json.list(&track.points, |json, p| json.point(p.at, p.value));
                json.raw("}");
            });
        }
    }
    json.raw("}");
    if !answer.warnings.is_empty() {
        json.raw(",\"warnings\":");
        json.list(&answer.warnings, |json, w| json.text(w));
    }
    json.raw("}");
    json.into_string()
}

/// Series that the request's matchers select, with a sample between its times.
fn selected<'s>(store: &'s Store, request: &Request<'_>) -> Result<Vec<&'s Series>, Refusal> {
    let (start, end) = (request.time("start")?.unwrap_or(i64::MIN), request.time("end")?.unwrap_or(i64::MAX));
    let is_there = |series: &&Series| match &series.data {
        Data::Points(points) => points.at(end).is_some_and(|p| p.at >= start),
        Data::Rate(_) => true,
    };
    Ok(store.select_any(&request.matchers()?).into_iter().filter_map(|id| store.get(id)).filter(is_there).collect())
}

fn success(write: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::default();
    json.raw("{\"status\":\"success\",\"data\":");
    write(&mut json);
    json.raw("}");
    json.into_string()
}

fn series(store: &Store, request: &Request<'_>) -> Result<String, Refusal> {
    request.need("match[]")?;
    let found = selected(store, request)?;
    let text = |symbol| store.symbols().text(symbol);
    let mut labels: Vec<Vec<(&str, &str)>> = found.iter().map(|s| s.labels.iter().map(|(n, v)| (text(*n), text(*v))).collect()).collect();
    labels.sort();
    labels.truncate(request.limit());
    Ok(success(|json| json.list(&labels, |json, l| json.labels(l.iter().copied()))))
}

fn labels(store: &Store, request: &Request<'_>) -> Result<String, Refusal> {
    let names: Vec<&str> = store.label_names(selected(store, request)?).into_iter().take(request.limit()).collect();
    Ok(success(|json| json.list(&names, |json, n| json.text(n))))
}

fn label_values(store: &Store, request: &Request<'_>, name: &str) -> Result<String, Refusal> {
    if name.is_empty() {
        return Err(Refusal::BadData("the label's name is empty".to_owned()));
    }
    let values: Vec<&str> = store.label_values(name, selected(store, request)?).into_iter().take(request.limit()).collect();
    Ok(success(|json| json.list(&values, |json, v| json.text(v))))
}

fn metadata(store: &Store, request: &Request<'_>) -> String {
    let wanted = request.get("metric").filter(|m| !m.is_empty());
    let families: Vec<_> = store.metadata.iter().filter(|(name, _)| wanted.is_none_or(|w| w == *name)).take(request.limit()).collect();
    success(|json| {
        json.raw("{");
        for (index, (name, metadata)) in families.iter().enumerate() {
            if index > 0 {
                json.raw(",");
            }
            json.text(name);
            json.raw(":[");
            json.labels([("type", metadata.kind.name()), ("help", metadata.help.as_str()), ("unit", metadata.unit.as_str())]);
            json.raw("]");
        }
        json.raw("}");
    })
}
