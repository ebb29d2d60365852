//! The admin port: what the proxy holds and counts, for people and tools that know Envoy's. It is on loopback alone, what
//! changes something is a POST, and it runs on a thread of its own.

mod certs;
mod clusters;
mod dump;
mod dynamic;
mod live;
pub mod matcher;
mod requests;
mod secrets;
mod stats;
pub mod tags;
mod why;

use self::matcher::Matcher;
use self::tags::Tags;
use crate::bootstrap::Kept;
use crate::logging::{Levels, Logger};
use crate::tls::secrets::Secrets;
use crate::worker::{Drained, Phase, Shared};
use crate::xds::Dynamic;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use live::Content;
use serde_json::json;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// What the pages are made of.
pub struct Context {
    pub shared: Arc<Shared>,
    pub bootstrap: Arc<Kept>,
    pub workers: usize,
    /// What came from a control plane; `None` without one.
    pub dynamic: Option<Arc<Dynamic>>,
    pub secrets: Arc<Secrets>,
    /// What is made of names of statistics.
    pub tags: Tags,
    /// Which of them there are.
    pub matcher: Matcher,
    pub levels: Arc<Levels>,
    /// How long a graceful drain takes.
    pub drain: Duration,
}

impl Context {
    /// Envoy's words for what the proxy is at.
    fn state(&self) -> &'static str {
        if self.shared.phase() >= Phase::Draining || self.shared.health.load(Ordering::Relaxed) > 0 {
            "DRAINING"
        } else if self.is_ready() {
            "LIVE"
        } else {
            "INITIALIZING"
        }
    }
    /// Whether the control plane's first clusters and listeners are in use.
    fn is_ready(&self) -> bool {
        self.dynamic.as_ref().is_none_or(|d| d.is_ready.load(Ordering::Acquire))
    }
}

struct Page {
    status: u16,
    kind: &'static str,
    text: String,
}

impl Page {
    fn text(text: impl Into<String>) -> Page {
        Page { status: 200, kind: "text/plain; charset=UTF-8", text: text.into() }
    }
    fn json(value: &serde_json::Value) -> Page {
        Page { status: 200, kind: "application/json", text: format!("{value:#}\n") }
    }
    fn status(status: u16, text: impl Into<String>) -> Page {
        Page { status, ..Page::text(text) }
    }
}

const HELP: &str = "\
GET:
  /certs                 certificates
  /clusters              hosts with their health and counters (?format=json)
  /config_dump           configuration, keys left out (?include_eds for endpoints)
  /listeners             addresses that are listened on (?format=json)
  /ready                 LIVE, or 503
  /rejected              what of the control plane's answers was refused, and why (?format=json)
  /requests              the last requests: route, host, attempts, flags, times (?last=N, flag, status, cluster, path, host, failed, ?format=json)
  /requests/live         the same as they are made, a JSON object a line, until the client leaves
  /server_info           version, state, times
  /stats                 counters (?filter=REGEX, ?usedonly, ?format=json|prometheus)
  /stats/prometheus      counters for Prometheus
  /unused                listeners, routes and clusters that nothing came to
POST:
  /drain_listeners       no new connections (?inboundonly, ?graceful asks clients to go first, ?skip_exit goes on taking)
  /healthcheck/fail, /healthcheck/ok
  /logging               levels of the proxy's own log (?level=L, ?paths=NAME:L,…, ?NAME=L)
  /quitquitquit          the end
  /reopen_logs           access logs are opened again
  /why                   what would become of a request that the body describes, step by step; changes nothing
";

/// A parameter of a query; "" for one without a value.
fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').map(|p| p.split_once('=').unwrap_or((p, ""))).find(|(k, _)| *k == name).map(|(_, v)| v)
}

fn page(context: &Context, method: &Method, path: &str, query: &str) -> Page {
    let is_json = parameter(query, "format") == Some("json");
    let changes = matches!(path, "/drain_listeners" | "/healthcheck/fail" | "/healthcheck/ok" | "/logging" | "/quitquitquit" | "/reopen_logs");
    if changes && method != Method::POST {
        return Page::status(405, format!("Method {method} not allowed, POST required."));
    }
    if !changes && method != Method::GET && method != Method::HEAD {
        return Page::status(405, format!("Method {method} not allowed."));
    }
    match path {
        "/" | "/help" => Page::text(HELP),
        "/ready" => match context.state() {
            "LIVE" => Page::text("LIVE\n"),
            other => Page::status(503, format!("{other}\n")),
        },
        "/stats" => match stats::page(context, query) {
            Ok((text, kind)) => Page { status: 200, kind, text },
            Err(why) => Page::status(400, format!("{why}\n")),
        },
        "/stats/prometheus" => Page::text(stats::prometheus(context, query)),
        "/clusters" if is_json => Page::json(&clusters::json(context)),
        "/clusters" => Page::text(clusters::text(context)),
        "/config_dump" => {
            let endpoints = if parameter(query, "include_eds").is_some() { dump::EndpointsIn::Yes } else { dump::EndpointsIn::No };
            Page::json(&dump::page(context, endpoints))
        }
        "/listeners" if is_json => {
            let address = |a: &SocketAddr| json!({"socket_address": {"address": a.ip().to_string(), "port_value": a.port()}});
            let slots = context.shared.listeners.slots();
            let list: Vec<_> = slots.iter().map(|s| json!({"name": &*s.name, "local_address": address(&s.address)})).collect();
            Page::json(&json!({"listener_statuses": list}))
        }
        "/listeners" => Page::text(context.shared.listeners.slots().iter().map(|s| format!("{}::{}\n", s.name, s.address)).collect::<String>()),
        "/rejected" if is_json => Page::json(&dynamic::rejected_json(context)),
        "/rejected" => Page::text(dynamic::rejected(context)),
        "/requests" => {
            let made = if is_json { requests::json(context, query).map(|v| Page::json(&v)) } else { requests::text(context, query).map(Page::text) };
            made.unwrap_or_else(|why| Page::status(400, format!("{why}\n")))
        }
        "/unused" => Page::json(&requests::unused(context)),
        "/certs" => Page::json(&certs::page(&context.secrets, SystemTime::now())),
        "/server_info" => Page::json(&dump::server_info(context)),
        "/healthcheck/fail" => {
            context.shared.health.store(1, Ordering::Relaxed);
            Page::text("OK\n")
        }
        "/healthcheck/ok" => {
            context.shared.health.store(0, Ordering::Relaxed);
            Page::text("OK\n")
        }
        "/drain_listeners" => drain_listeners(context, query),
        "/quitquitquit" => {
            context.shared.advance(Phase::Stopping);
            Page::text("OK\n")
        }
        "/reopen_logs" => {
            context.shared.writer.reopen();
            Page::text("OK\n")
        }
        "/logging" => match context.levels.change(query) {
            Ok(()) => Page::text(context.levels.list()),
            Err(why) => Page::status(400, format!("error: {why}\n\n{LOGGING}{}", context.levels.list())),
        },
        _ => Page::status(404, format!("there is no page {path}\n{HELP}")),
    }
}

/// As Envoy drains: the process stays. `graceful` asks clients to come again elsewhere, and listeners take connections until the
/// drain time is over; `skip_exit` lets them take connections for ever; `inboundonly` is about listeners of inbound traffic.
fn drain_listeners(context: &Context, query: &str) -> Page {
    let has = |name: &str| parameter(query, name).is_some();
    let whose = if has("inboundonly") { Drained::Inbound } else { Drained::Everybody };
    let is_asked_first = !has("graceful") || context.shared.drain(whose);
    if is_asked_first && !has("skip_exit") {
        let (shared, time) = (context.shared.clone(), if has("graceful") { context.drain } else { Duration::ZERO });
        tokio::task::spawn_local(async move {
            tokio::time::sleep(time).await;
            shared.listeners.stop(whose);
        });
    }
    Page::text("OK\n")
}

const LOGGING: &str = "\
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: trace debug info warning error critical off

";

/// Bytes of a question.
const LONGEST_QUESTION: usize = 64 * 1024;

/// `POST /why`
async fn why(context: &Context, request: Request<Incoming>) -> Page {
    if request.method() != Method::POST {
        return Page::status(405, format!("Method {} not allowed, POST required.\n", request.method()));
    }
    let mut body = request.into_body();
    let mut question = Vec::new();
    let read = async {
        loop {
            match std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
                None => return true,
                Some(Ok(frame)) => question.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d)),
                Some(Err(_)) => return false,
            }
            if question.len() > LONGEST_QUESTION {
                return false;
            }
        }
    };
    if !tokio::time::timeout(Duration::from_secs(10), read).await.unwrap_or(false) {
        return Page::status(413, format!("a question has {LONGEST_QUESTION} bytes at most\n"));
    }
    match why::answer(context, &question) {
        Ok(answer) => Page::json(&answer),
        Err(what) => Page::status(400, format!("{what}\n")),
    }
}

/// Serves the pages until the thread ends.
pub async fn serve(socket: TcpListener, context: Rc<Context>) {
    let listener = match socket.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(socket)) {
        Ok(listener) => listener,
        Err(e) => return (context.shared.complain)(Logger::Admin, &format!("admin port: {e}")),
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let context = context.clone();
        tokio::task::spawn_local(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let context = context.clone();
                async move {
                    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or(""));
                    let page = match path {
                        "/why" => Err(why(&context, request).await),
                        "/requests/live" if request.method() == Method::GET => live::follow(&context, query),
                        _ => Err(page(&context, request.method(), path, query)),
                    };
                    let (page, content) = match page {
                        Ok(lines) => (Page { kind: "application/x-ndjson", ..Page::text("") }, Content::Lines(lines)),
                        Err(mut page) => {
                            let text = std::mem::take(&mut page.text);
                            (page, Content::Text(text.into()))
                        }
                    };
                    let mut response = Response::new(content);
                    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
                    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(page.kind));
                    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
                    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
                    Ok::<_, Infallible>(response)
                }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(60));
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
