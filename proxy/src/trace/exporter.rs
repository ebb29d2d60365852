//! Where spans go: a bounded queue for each collector, and a task that empties it beside the workers. What finds no room, or
//! does not arrive, is counted.

use super::config::{TIMEOUT, Tracer};
use super::span::Span;
use super::{otlp, zipkin};
use crate::logging::Logger;
use crate::stats::TracerStats;
use crate::upstream::client::{Answer, Client, SendError};
use crate::worker::Shared;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// Spans that wait, at most: two megabytes or so.
const QUEUED: usize = 1024;
/// Spans of one report.
const REPORTED: usize = 256;
/// How long spans gather before they are reported.
const GATHERED: Duration = Duration::from_millis(500);
/// How long what waits at the end of the proxy may take.
const LAST: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A collector.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub cluster: Box<str>,
    pub authority: Box<str>,
    pub path: Box<str>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub timeout: Duration,
}

impl Default for Target {
    fn default() -> Target {
        Target { cluster: "".into(), authority: "".into(), path: "".into(), headers: Vec::new(), timeout: TIMEOUT }
    }
}

/// How it is spoken with.
#[derive(Clone, Debug, PartialEq)]
pub enum To {
    /// JSON of version 2.
    Zipkin { shares_span: bool },
    /// OTLP, over gRPC or HTTP.
    OpenTelemetry { service: Box<str>, is_grpc: bool, from_environment: bool },
    /// An agent, by thrift over UDP; no cluster is asked.
    #[cfg(feature = "jaeger")]
    Jaeger { agent: std::net::SocketAddr },
}

impl To {
    /// The name in statistics.
    fn name(&self) -> &'static str {
        match self {
            To::Zipkin { .. } => "zipkin",
            To::OpenTelemetry { .. } => "opentelemetry",
            #[cfg(feature = "jaeger")]
            To::Jaeger { .. } => "jaeger",
        }
    }
}

/// Why a report did not arrive.
#[derive(Debug)]
enum Lost {
    NoCluster,
    /// The collector said no.
    Refused(String),
    Failed(String),
}

impl From<SendError> for Lost {
    fn from(e: SendError) -> Lost {
        match e {
            SendError::NoCluster => Lost::NoCluster,
            SendError::Status(status) => Lost::Refused(format!("it answered {status}")),
            e => Lost::Failed(e.to_string()),
        }
    }
}

/// What reports go out by.
enum Way {
    Cluster {
        client: Rc<Client>,
        target: Target,
        to: To,
    },
    #[cfg(feature = "jaeger")]
    Agent(super::jaeger::Agent),
}

impl Way {
    fn new(client: Rc<Client>, target: Target, to: To) -> Way {
        match to {
            #[cfg(feature = "jaeger")]
            To::Jaeger { agent } => Way::Agent(super::jaeger::Agent::new(agent)),
            to => Way::Cluster { client, target, to },
        }
    }
    /// Sends one report. Returns how many of its spans were not taken.
    async fn report(&mut self, shared: &Shared, spans: &[Span]) -> Result<u64, Lost> {
        match self {
            Way::Cluster { client, target, to } => Ok(report(client, shared, target, to, spans).await?),
            #[cfg(feature = "jaeger")]
            Way::Agent(agent) => agent.report(&shared.own, spans).await.map(|()| 0).map_err(Lost::Failed),
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Way::Cluster { target, .. } => write!(f, "the collector at cluster {}", target.cluster),
            #[cfg(feature = "jaeger")]
            Way::Agent(agent) => write!(f, "the agent at {}", agent.address),
        }
    }
}

/// The way to a collector.
#[derive(Debug)]
pub struct Exporter {
    queue: mpsc::Sender<Span>,
    dropped: AtomicU64,
}

impl Exporter {
    /// Hands a span on, if there is room.
    pub fn send(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Job {
    target: Target,
    to: To,
    spans: mpsc::Receiver<Span>,
    exporter: Weak<Exporter>,
}

/// The collectors of all configuration, each once.
pub struct Exporters {
    known: Mutex<Vec<(Target, To, Weak<Exporter>)>>,
    fresh: Mutex<Vec<Job>>,
    changed: Notify,
    fallback: Mutex<Option<Tracer>>,
    ends: watch::Sender<bool>,
}

impl std::fmt::Debug for Exporters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporters")
    }
}

impl Default for Exporters {
    fn default() -> Exporters {
        Exporters { known: Mutex::default(), fresh: Mutex::default(), changed: Notify::new(), fallback: Mutex::default(), ends: watch::Sender::new(false) }
    }
}

impl Exporters {
    /// The way to a collector; one that is known already is shared.
    pub fn get(&self, target: Target, to: To) -> Arc<Exporter> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(.., e)| e.strong_count() > 0);
        if let Some(found) = known.iter().find(|(t, o, _)| *t == target && *o == to).and_then(|(.., e)| e.upgrade()) {
            return found;
        }
        let (queue, spans) = mpsc::channel(QUEUED);
        let exporter = Arc::new(Exporter { queue, dropped: AtomicU64::new(0) });
        known.push((target.clone(), to.clone(), Arc::downgrade(&exporter)));
        let job = Job { target, to, spans, exporter: Arc::downgrade(&exporter) };
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).push(job);
        self.changed.notify_one();
        exporter
    }
    /// The provider of the bootstrap, for managers that name none.
    pub fn fallback(&self) -> Option<Tracer> {
        self.fallback.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn set_fallback(&self, tracer: Tracer) {
        *self.fallback.lock().unwrap_or_else(PoisonError::into_inner) = Some(tracer);
    }
    /// What waits is reported at once, and nothing after it.
    pub fn end(&self) {
        self.ends.send_replace(true);
    }

    /// Empties the queues until the proxy ends.
    pub async fn run(self: Arc<Exporters>, shared: Arc<Shared>) {
        let client = Rc::new(Client::new(shared.clone()));
        let mut ends = self.ends.subscribe();
        let mut tasks = Vec::new();
        loop {
            let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
            for job in fresh {
                let export = export(job, client.clone(), shared.clone(), self.ends.subscribe());
                tasks.push(tokio::task::spawn_local(export));
            }
            tasks.retain(|t| !t.is_finished());
            tokio::select! {
                () = self.changed.notified() => {}
                _ = ends.wait_for(|e| *e) => break,
            }
        }
        let all = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(LAST, all).await;
    }
}

async fn export(job: Job, client: Rc<Client>, shared: Arc<Shared>, mut ends: watch::Receiver<bool>) {
    let Job { target, to, mut spans, exporter } = job;
    let stats: Arc<TracerStats> = shared.registry.block(&format!("tracing.{}", to.name()));
    let mut way = Way::new(client, target, to);
    let mut batch = Vec::new();
    let (mut complained, mut counted) = (false, 0);
    loop {
        tokio::select! {
            n = spans.recv_many(&mut batch, REPORTED) => if n == 0 { return },
            _ = ends.wait_for(|e| *e) => if spans.recv_many(&mut batch, REPORTED).now_or_none().await.is_none_or(|n| n == 0) { return },
        }
        let until = Instant::now() + GATHERED;
        while batch.len() < REPORTED && !*ends.borrow() {
            let room = REPORTED - batch.len();
            tokio::select! {
                n = spans.recv_many(&mut batch, room) => if n == 0 { break },
                () = tokio::time::sleep_until(until) => {
                    stats.timer_flushed.inc();
                    break;
                }
                _ = ends.wait_for(|e| *e) => break,
            }
        }
        let n = batch.len() as u64;
        stats.spans_sent.add(n);
        let wrong = match way.report(&shared, &batch).await {
            Ok(lost) => {
                stats.reports_sent.inc();
                stats.spans_dropped.add(lost);
                None
            }
            Err(Lost::NoCluster) => {
                stats.reports_skipped_no_cluster.inc();
                Some("there is no such cluster".to_owned())
            }
            Err(Lost::Refused(why)) => {
                stats.reports_dropped.inc();
                Some(why)
            }
            Err(Lost::Failed(why)) => {
                stats.reports_failed.inc();
                Some(why)
            }
        };
        // Once for every time that it begins to fail: a collector may be away for hours.
        match &wrong {
            Some(why) => {
                stats.spans_dropped.add(n);
                // A proxy that serves nothing any more was told to: its workload has gone.
                if !complained && !shared.snapshot().listeners.is_empty() {
                    (shared.complain)(Logger::Tracing, &format!("spans are lost: {way}: {why}"));
                }
            }
            None if complained => (shared.complain)(Logger::Tracing, &format!("{way} takes spans again")),
            None => {}
        }
        complained = wrong.is_some();
        if let Some(exporter) = exporter.upgrade() {
            let dropped = exporter.dropped.load(Ordering::Relaxed);
            stats.spans_dropped.add(dropped - counted);
            counted = dropped;
        }
        batch.clear();
    }
}

/// A future that is asked once.
trait NowOrNone: Future + Sized {
    async fn now_or_none(self) -> Option<Self::Output> {
        let mut this = std::pin::pin!(self);
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match this.as_mut().poll(cx) {
                std::task::Poll::Ready(out) => Some(out),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
impl<F: Future> NowOrNone for F {}

/// Sends one report. Returns how many of its spans were not taken.
async fn report(client: &Client, shared: &Shared, target: &Target, to: &To, spans: &[Span]) -> Result<u64, SendError> {
    let (kind, body): (&str, Bytes) = match to {
        To::Zipkin { shares_span } => ("application/json", zipkin::report(spans, &shared.own, *shares_span).into()),
        To::OpenTelemetry { service, is_grpc, from_environment } => {
            let body = otlp::report(spans, service, *from_environment);
            if *is_grpc { ("application/grpc", otlp::framed(&body)) } else { ("application/x-protobuf", body.into()) }
        }
        #[cfg(feature = "jaeger")]
        To::Jaeger { .. } => return Err(SendError::Malformed),
    };
    let is_grpc = matches!(to, To::OpenTelemetry { is_grpc: true, .. });
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("http://{}{}", target.authority, target.path).parse().map_err(|_| SendError::Malformed)?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).map_err(|_| SendError::Malformed)?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("mesh-proxy/", env!("CARGO_PKG_VERSION"))));
    if is_grpc {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    for (name, value) in &target.headers {
        headers.insert(name, value.clone());
    }
    let answer: Answer = client.send(&target.cluster, request, target.timeout, LONGEST_ANSWER).await?;
    if !(200..300).contains(&answer.status) {
        return Err(SendError::Status(answer.status.to_string()));
    }
    if is_grpc {
        return match answer.header("grpc-status") {
            Some("0") => Ok(otlp::rejected(answer.body.get(5..).unwrap_or_default())),
            status => Err(SendError::Status(format!("gRPC status {}", status.unwrap_or("none")))),
        };
    }
    Ok(if matches!(to, To::OpenTelemetry { .. }) { otlp::rejected(&answer.body) } else { 0 })
}
