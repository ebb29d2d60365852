//! The metrics of a mesh, fetched once for all its namespaces: one query a metric, cut into smaller ones where that is too much
//! for the server, at most four at once.

use super::answer;
use super::client::Client;
use super::error::{PrometheusError, QueryError};
use super::split::{Level, Part, parts, quoted};
use crate::telemetry::series::Recording;
use mesh_metrics::series::{Limits, NAME, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::task::{Id, JoinSet};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Want {
    /// Metrics, and the labels by which their rates are summed.
    pub metrics: BTreeMap<String, BTreeSet<String>>,
    /// Seconds since the epoch.
    pub at: i64,
    /// Seconds that rates look back.
    pub window: i64,
    /// All when empty.
    pub namespaces: Vec<String>,
    /// Put into every selector, such as `cluster="prod-eu"`.
    pub labels: Vec<(String, String)>,
    pub idle: Idle,
    /// For all of it.
    pub deadline: Duration,
}

/// Whether series count that carried nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    Kept,
    Left,
}

const AT_ONCE: usize = 4;
/// Bytes of all answers together.
const TOTAL: u64 = 2 << 30;
/// Queries in all; a mesh that needs more is asked for by namespaces.
const QUERIES: usize = 5_000;
/// Labels by which several meshes or clusters in one Prometheus are told apart.
const MESHES: [&str; 8] = ["cluster", "cluster_id", "cluster_name", "k8s_cluster", "k8s_cluster_name", "kubernetes_cluster", "mesh", "mesh_id"];

/// Labels by which replicas of one Prometheus are told apart, all with the same series.
const REPLICAS: [&str; 3] = ["prometheus_replica", "__replica__", "replica"];

/// One query to be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    metric: String,
    part: Part,
}

impl Want {
    fn selector(&self, metric: &str, part: &Part) -> String {
        let own = self.labels.iter().map(|(n, v)| format!("{n}={}", quoted(v)));
        format!("{metric}{{{}}}", own.chain(part.matchers.iter().cloned()).collect::<Vec<_>>().join(","))
    }

    fn query(&self, job: &Job) -> String {
        let by: Vec<&str> = self.metrics.get(&job.metric).into_iter().flatten().map(String::as_str).collect();
        // Buckets without growth stand between those that have some.
        let condition = if self.idle == Idle::Kept || by.contains(&"le") { "" } else { " > 0" };
        format!("sum(rate({}[{}s])) by ({}){condition}", self.selector(&job.metric, &job.part), self.window, by.join(","))
    }
}

/// Fetches the rates of a mesh's metrics. What could not be had is a problem of the recording; an error is returned where
/// nothing was.
pub async fn read(client: &Client, want: &Want) -> Result<Recording, PrometheusError> {
    let mut round = Round { want, began: Instant::now(), answers: BTreeMap::new(), failed: Vec::new(), bytes: 0, asked: 0 };
    let jobs = want.metrics.keys().flat_map(|metric| parts(&want.namespaces).into_iter().map(|part| Job { metric: metric.clone(), part }));
    round.run(client, jobs.collect()).await;
    let mut recording = Recording { store: Store::new(Limits::default()), over: Some(want.window), ..Recording::default() };
    let mut problems = Vec::new();
    if round.answers.is_empty()
        && let Some((_, error)) = round.failed.first()
    {
        return Err(PrometheusError { url: client.url().to_owned(), error: error.clone() });
    }
    let left = round.left();
    let Round { answers, failed, .. } = round;
    let mut first = None;
    let mut refused = 0_usize;
    for (job, body) in answers {
        let added = answer::vector(&body, |element| {
            let labels = element.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).filter(|(n, _)| *n != NAME);
            if element.value.is_finite() {
                refused += usize::from(recording.store.add_rate(labels.chain([(NAME, job.metric.as_str())]), element.value).is_err());
            } else {
                refused += 1;
            }
        });
        match added {
            Ok(warnings) => problems.extend(warnings.into_iter().map(|w| format!("Prometheus warns: {w}"))),
            Err(error) => {
                first.get_or_insert(error.clone());
                problems.push(missing(&job, &error));
            }
        }
    }
    if recording.store.is_empty()
        && let Some(error) = first
    {
        return Err(PrometheusError { url: client.url().to_owned(), error });
    }
    problems.extend(failed.iter().map(|(job, error)| missing(job, error)));
    if refused > 0 {
        problems.push(format!("{refused} series are left out: no number, a label twice, or beyond the limit of series"));
    }
    problems.extend(tokio::time::timeout(left, several_meshes(client, want)).await.unwrap_or_default());
    // Many namespaces may fail alike.
    let mut seen = BTreeSet::new();
    problems.retain(|p| seen.insert(p.clone()));
    recording.problems = problems;
    Ok(recording)
}

fn missing(job: &Job, error: &QueryError) -> String {
    let what = if job.part.matchers.is_empty() { String::new() } else { format!(" with {}", job.part.matchers.join(", ")) };
    format!("{}{what} is missing: {error}", job.metric)
}

struct Round<'w> {
    want: &'w Want,
    began: Instant,
    answers: BTreeMap<Job, Vec<u8>>,
    failed: Vec<(Job, QueryError)>,
    bytes: u64,
    asked: usize,
}

impl Round<'_> {
    async fn run(&mut self, client: &Client, mut jobs: VecDeque<Job>) {
        let mut running = JoinSet::new();
        let mut under_way: HashMap<Id, Job> = HashMap::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(job) = jobs.pop_front()
            {
                if let Some(error) = self.exhausted() {
                    self.failed.push((job, error));
                    continue;
                }
                self.asked += 1;
                let (client, query, at) = (client.clone(), self.want.query(&job), self.want.at);
                let labels =
                    job.part.level.label().map(|label| {
                        (label, format!("count(last_over_time({}[{}s])) by ({label})", self.want.selector(&job.metric, &job.part), self.want.window))
                    });
                let named = job.clone();
                let task = running.spawn(async move {
                    let answer = client.query(&query, at).await;
                    let smaller = match (&answer, labels) {
                        (Err(error), Some((label, query))) if error.is_too_much() => smaller(&client, &job, label, &query, at).await,
                        _ => None,
                    };
                    (job, answer, smaller)
                });
                under_way.insert(task.id(), named);
            }
            let Ok(joined) = tokio::time::timeout(self.left(), running.join_next_with_id()).await else {
                // What is under way is given up, and what came until now counts.
                let error = QueryError::TimedOut { after: self.want.deadline };
                self.failed.extend(under_way.into_values().chain(jobs).map(|job| (job, error.clone())));
                break;
            };
            // A task ends without panic: what it does returns its errors.
            let Some(Ok((id, (job, answer, smaller)))) = joined else { break };
            under_way.remove(&id);
            match (answer, smaller) {
                (Ok(body), _) => {
                    self.bytes += body.len() as u64;
                    self.answers.insert(job, body);
                }
                (Err(_), Some(parts)) => jobs.extend(parts.into_iter().map(|part| Job { metric: job.metric.clone(), part })),
                (Err(error), None) => self.failed.push((job, error)),
            }
        }
        self.failed.sort_by(|a, b| a.0.cmp(&b.0));
    }

    /// What is left of the time.
    fn left(&self) -> Duration {
        self.want.deadline.saturating_sub(self.began.elapsed())
    }

    /// Why no further query is made.
    fn exhausted(&self) -> Option<QueryError> {
        if self.left().is_zero() {
            return Some(QueryError::TimedOut { after: self.want.deadline });
        }
        if self.bytes > TOTAL {
            return Some(QueryError::TooLarge { limit: TOTAL });
        }
        (self.asked >= QUERIES).then(|| QueryError::Foreign { why: format!("{QUERIES} queries were not enough; name namespaces with -n") })
    }
}

/// The smaller parts of a job that was too much; none where they can't be found out.
async fn smaller(client: &Client, job: &Job, label: &str, query: &str, at: i64) -> Option<Vec<Part>> {
    let body = client.query(query, at).await.ok()?;
    let mut values = BTreeSet::new();
    let of = |element: answer::Element<'_>| element.labels.iter().find(|(n, _)| n == label).map_or(String::new(), |(_, v)| v.clone().into_owned());
    answer::vector(&body, |element| {
        values.insert(of(element));
    })
    .ok()?;
    let values: Vec<String> = values.into_iter().collect();
    // One value is no smaller part, unless it can be cut further.
    (values.len() > 1 || (values.len() == 1 && job.part.level == Level::Mesh)).then(|| job.part.cut(label, &values))
}

/// Names the labels by which one Prometheus holds several clusters or meshes, or the same twice, of which none was chosen.
async fn several_meshes(client: &Client, want: &Want) -> Vec<String> {
    let open: Vec<&str> = MESHES.into_iter().chain(REPLICAS).filter(|label| want.labels.iter().all(|(n, _)| n != label)).collect();
    let metric = "istio_requests_total";
    if !want.metrics.contains_key(metric) {
        return Vec::new();
    }
    let whole = Part { matchers: Vec::new(), level: Level::Mesh };
    let query = format!("count({}) by ({})", want.selector(metric, &whole), open.join(","));
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // Where this can't be answered the rest said why.
    let Ok(body) = client.query(&query, want.at).await else { return Vec::new() };
    let _ = answer::vector(&body, |element| {
        for label in &open {
            let value = element.labels.iter().find(|(n, _)| n == label).map_or("", |(_, v)| v.as_ref());
            values.entry((*label).to_owned()).or_default().insert(value.to_owned());
        }
    });
    let several = values.into_iter().filter(|(_, v)| v.len() > 1);
    several
        .map(|(label, values)| {
            let named: Vec<&str> = values.iter().map(|v| if v.is_empty() { "none" } else { v.as_str() }).take(5).collect();
            let first = values.iter().find(|v| !v.is_empty()).map_or("", String::as_str);
            if REPLICAS.contains(&label.as_str()) {
                return format!(
                    "series of {} replicas (`{label}`: {}) count several times; let the querier deduplicate them, or choose one, such as --prom-label {label}={first}",
                    values.len(),
                    named.join(", ")
                );
            }
            format!("series of {} values of `{label}` ({}) are put together; choose one, such as --prom-label {label}={first}", values.len(), named.join(", "))
        })
        .collect()
}
