//! Servers of traces: what each is asked, and the search that they have in common.

use super::{Found, read};
use crate::telemetry::prometheus::{Client, QueryError};
use mesh_model::time::rfc3339;
use mesh_model::traces::{Criteria, Trace, Wanted, traces};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// Which API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/api/traces`, and `/api/v3` where that is not there.
    Jaeger,
    /// `/api/search` and `/api/traces/ID`.
    Tempo,
    /// `/api/v2`.
    Zipkin,
}

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Search {
    pub criteria: Criteria,
    /// Seconds since the epoch.
    pub from: i64,
    pub to: i64,
    pub limit: usize,
}

/// Services that are asked one by one where none is named: Jaeger wants one.
const SERVICES: usize = 30;

/// Traces, newest first, and what could not be had.
#[derive(Debug, Default)]
pub struct Answer {
    pub traces: Vec<Trace>,
    pub problems: Vec<String>,
}

/// Why a server gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceError {
    pub url: String,
    pub error: QueryError,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.url)?;
        match &self.error {
            QueryError::NotAllowed { code } => write!(f, "it answers {code}: give --trace-token-file or the --trace-header that it wants"),
            QueryError::WebPage => write!(f, "it answers with a web page: a login, or no server of traces"),
            QueryError::Foreign { why } => write!(f, "it does not answer as such a server does: {why}"),
            other => other.fmt(f),
        }
    }
}

impl std::error::Error for TraceError {}

/// One server.
pub struct Server {
    pub client: Client,
    pub api: Api,
}

type Parameters = Vec<(&'static str, String)>;

impl Server {
    fn fail(&self, error: QueryError) -> TraceError {
        TraceError { url: self.client.url().to_owned(), error }
    }

    fn missing(&self, what: &str, error: QueryError) -> String {
        format!("{what} is missing: {}", self.fail(error))
    }

    async fn get(&self, path: &str, parameters: &Parameters) -> Result<String, QueryError> {
        let pairs: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let body = self.client.get(path, &pairs).await?;
        String::from_utf8(body).map_err(|_| QueryError::Foreign { why: "bytes that are no text".to_owned() })
    }

    async fn spans(&self, path: &str, parameters: &Parameters) -> Result<Found, QueryError> {
        let text = self.get(path, parameters).await?;
        read(path, &text).map_err(|why| QueryError::Foreign { why })
    }

    /// One trace; `None` where the server does not have it.
    pub async fn trace(&self, id: &str) -> Result<Option<Answer>, TraceError> {
        let paths: &[&str] = match self.api {
            Api::Jaeger => &["/api/traces/", "/api/v3/traces/"],
            Api::Tempo => &["/api/traces/"],
            Api::Zipkin => &["/api/v2/trace/"],
        };
        let mut answer = None;
        for path in paths {
            match self.spans(&format!("{path}{id}"), &Vec::new()).await {
                Ok(found) if found.spans.is_empty() => {}
                Ok(found) => {
                    answer = Some(Answer { traces: traces(found.spans), problems: found.problems });
                    break;
                }
                Err(QueryError::Status { code: 404, .. }) => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(answer)
    }

    /// Those that fit. The server's own search narrows; what it can't narrow by is judged here.
    pub async fn search(&self, search: &Search) -> Result<Answer, TraceError> {
        let found = match self.api {
            Api::Zipkin => self.spans("/api/v2/traces", &zipkin(search)).await.map_err(|e| self.fail(e))?,
            Api::Jaeger => self.jaeger(search).await?,
            Api::Tempo => self.tempo(search).await?,
        };
        let mut list = traces(found.spans);
        list.retain(|t| search.criteria.fits(t));
        list.truncate(search.limit);
        Ok(Answer { traces: list, problems: found.problems })
    }

    async fn jaeger(&self, search: &Search) -> Result<Found, TraceError> {
        let listed = self.get("/api/services", &Vec::new()).await;
        let (services, is_v3) = match listed {
            Ok(text) => (names(&text, "data"), false),
            Err(QueryError::Status { code: 404, .. }) => {
                let text = self.get("/api/v3/services", &Vec::new()).await.map_err(|e| self.fail(e))?;
                (names(&text, "services"), true)
            }
            Err(error) => return Err(self.fail(error)),
        };
        let wanted = |name: &String| {
            search.criteria.service.as_ref().is_none_or(|s| name == s || name.strip_prefix(s.as_str()).is_some_and(|rest| rest.starts_with('.')))
        };
        let mut chosen: Vec<String> = services.into_iter().filter(wanted).collect();
        let mut all = Found::default();
        if chosen.len() > SERVICES {
            all.problems.push(format!("{} of {} services are not asked for: name one with --service", chosen.len() - SERVICES, chosen.len()));
            chosen.truncate(SERVICES);
        }
        let mut seen = BTreeSet::new();
        for service in chosen {
            let found = if is_v3 {
                self.spans("/api/v3/traces", &jaeger_v3(search, &service)).await
            } else {
                self.spans("/api/traces", &jaeger(search, &service)).await
            };
            match found {
                Ok(found) => {
                    // A trace is found for each of its services.
                    let before = seen.clone();
                    seen.extend(found.spans.iter().map(|s| s.trace.clone()));
                    all.spans.extend(found.spans.into_iter().filter(|s| !before.contains(&s.trace)));
                    all.problems.extend(found.problems);
                }
                Err(error) => all.problems.push(self.missing(&format!("what {service} reported"), error)),
            }
        }
        Ok(all)
    }

    async fn tempo(&self, search: &Search) -> Result<Found, TraceError> {
        let text = self.get("/api/search", &tempo(search)).await.map_err(|e| self.fail(e))?;
        let value: Value = serde_json::from_str(&text).map_err(|e| self.fail(QueryError::Foreign { why: format!("no JSON: {e}") }))?;
        let ids = value.get("traces").and_then(Value::as_array).into_iter().flatten().filter_map(|t| t.get("traceID")?.as_str());
        let mut all = Found::default();
        for id in ids.take(search.limit) {
            match self.spans(&format!("/api/traces/{id}"), &Vec::new()).await {
                Ok(found) => {
                    all.spans.extend(found.spans);
                    all.problems.extend(found.problems);
                }
                Err(error) => all.problems.push(self.missing(&format!("trace {id}"), error)),
            }
        }
        Ok(all)
    }
}

fn names(text: &str, key: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let mut names: Vec<String> = value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(|n| n.as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

fn tags(search: &Search) -> Vec<(String, String)> {
    let mut tags = search.criteria.tags.clone();
    if search.criteria.wanted == Wanted::Errors {
        tags.push(("error".to_owned(), "true".to_owned()));
    }
    tags
}

fn jaeger(search: &Search, service: &str) -> Parameters {
    let c = &search.criteria;
    let mut out = vec![
        ("service", service.to_owned()),
        ("limit", search.limit.to_string()),
        ("start", (search.from * 1_000_000).to_string()),
        ("end", (search.to * 1_000_000 + 999_999).to_string()),
    ];
    out.extend(c.operation.iter().map(|o| ("operation", o.clone())));
    // Its durations are those of spans, as ours is of the trace: shorter ones can't be ruled out, longer ones can.
    let tags = tags(search);
    if !tags.is_empty() {
        out.push(("tags", Value::Object(tags.into_iter().map(|(k, v)| (k, v.into())).collect()).to_string()));
    }
    out
}

fn jaeger_v3(search: &Search, service: &str) -> Parameters {
    let mut out = vec![
        ("query.service_name", service.to_owned()),
        ("query.start_time_min", rfc3339(search.from)),
        ("query.start_time_max", rfc3339(search.to + 1)),
        ("query.search_depth", search.limit.to_string()),
    ];
    out.extend(search.criteria.operation.iter().map(|o| ("query.operation_name", o.clone())));
    out
}

fn zipkin(search: &Search) -> Parameters {
    let c = &search.criteria;
    let mut out = vec![
        ("endTs", (search.to * 1000 + 999).to_string()),
        ("lookback", ((search.to - search.from).max(1) * 1000).to_string()),
        ("limit", search.limit.to_string()),
    ];
    // A short name is no service of Zipkin's: it is judged here.
    out.extend(c.service.iter().filter(|s| s.contains('.')).map(|s| ("serviceName", s.clone())));
    out.extend(c.operation.iter().map(|o| ("spanName", o.clone())));
    let mut query: Vec<String> = c.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if c.wanted == Wanted::Errors {
        query.push("error".to_owned());
    }
    if !query.is_empty() {
        out.push(("annotationQuery", query.join(" and ")));
    }
    out
}

fn tempo(search: &Search) -> Parameters {
    let c = &search.criteria;
    let mut out = vec![("limit", search.limit.to_string()), ("start", search.from.to_string()), ("end", (search.to + 1).to_string())];
    out.extend(c.least.map(|us| ("minDuration", format!("{us}us"))));
    out.extend(c.most.map(|us| ("maxDuration", format!("{us}us"))));
    let quoted = |(k, v): (String, String)| format!("{k}={}", Value::String(v));
    let mut words: Vec<String> = c.tags.iter().cloned().map(quoted).collect();
    words.extend(c.service.iter().filter(|s| s.contains('.')).map(|s| quoted(("service.name".to_owned(), s.clone()))));
    words.extend(c.operation.iter().map(|o| quoted(("name".to_owned(), o.clone()))));
    if c.wanted == Wanted::Errors {
        words.push("status=error".to_owned());
    }
    if !words.is_empty() {
        out.push(("tags", words.join(" ")));
    }
    out
}
