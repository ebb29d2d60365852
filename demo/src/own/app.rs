//! Programs that stand in for those of the manifests: each answers on its ports and follows its script.

use super::places::Places;
use super::plan::{Member, Plan};
use super::script::{Call, Carries, Step};
use crate::apps::TRACE;
use crate::proxies::Proxies;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a body that are read.
const MOST: usize = 16 << 20;
/// A call that came by so many programs goes to no further one: scripts may lead in a circle.
const HOPS: u32 = 20;
const HOPS_HEADER: &str = "x-demo-hops";
/// How long a peer may say nothing.
const QUIET: Duration = Duration::from_secs(60);

/// How long a client may take until it is known what it speaks.
const FIRST: Duration = Duration::from_secs(5);
/// Calls of all programs on their way at once. Scripts that lead in a circle and call several at once would multiply without end.
const AT_ONCE: usize = 1000;

/// What all programs of a mesh share.
pub struct Stage {
    plan: RwLock<Arc<Plan>>,
    pub proxies: Arc<Proxies>,
    places: Places,
    /// Of errors and probabilities.
    dice: Mutex<fastrand::Rng>,
    calls: Semaphore,
}

impl Stage {
    pub fn new(proxies: Arc<Proxies>, seed: u64) -> Stage {
        Stage { plan: RwLock::default(), proxies, places: Places::default(), dice: Mutex::new(fastrand::Rng::with_seed(seed)), calls: Semaphore::new(AT_ONCE) }
    }
    pub fn plan(&self) -> Arc<Plan> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn set(&self, plan: Arc<Plan>) {
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = plan;
    }
    /// Whether a lot of this share falls.
    fn falls(&self, share: f64) -> bool {
        share > 0.0 && self.dice.lock().unwrap_or_else(PoisonError::into_inner).f64() < share
    }
    fn one_of<T: Copy>(&self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.dice.lock().unwrap_or_else(PoisonError::into_inner).usize(..list.len())])
    }
}

/// Serves a port until the task is ended.
pub async fn serve(stage: Arc<Stage>, id: String, carries: Carries, socket: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(socket) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (stage, id) = (stage.clone(), id.clone());
        tokio::spawn(async move {
            match carries {
                Carries::Bytes => echo(stream).await,
                Carries::Http | Carries::Grpc => exchange(stage, id, stream).await,
            }
        });
    }
}

/// Gives back what comes.
async fn echo(mut stream: TcpStream) {
    let mut chunk = [0; 4096];
    while let Ok(Ok(n @ 1..)) = tokio::time::timeout(QUIET, stream.read(&mut chunk)).await {
        if stream.write_all(&chunk[..n]).await.is_err() {
            return;
        }
    }
}

/// HTTP/1.1, or HTTP/2 where the client begins with it.
async fn exchange(stage: Arc<Stage>, id: String, stream: TcpStream) {
    let mut first = [0; 3];
    if !matches!(tokio::time::timeout(QUIET, stream.peek(&mut first)).await, Ok(Ok(1..))) {
        return;
    }
    let begun = async {
        // What was peeked at is there still, even when the client has gone.
        while stream.peek(&mut first).await.is_ok_and(|n| n < 3) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(FIRST, begun).await.is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let (stage, id) = (stage.clone(), id.clone());
        async move { Ok::<_, Infallible>(answer(&stage, &id, request).await) }
    });
    let io = TokioIo::new(stream);
    if &first == b"PRI" {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(stage: &Arc<Stage>, id: &str, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let is_grpc = head.headers.get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
    let _ = Limited::new(body, MOST).collect().await;
    let plan = stage.plan();
    let Some(member) = plan.members.get(id) else { return respond(is_grpc, Ok(Bytes::from_static(b"{}"))) };
    let said = if stage.falls(member.program.errors) {
        Err("failed, as it is told to".to_owned())
    } else {
        let run = run(stage, &plan, member, &member.program.script, trace(&head.headers));
        run.await.map(|()| match member.program.size {
            0 => serde_json::json!({"service": member.workload.owner, "version": member.workload.label("version")}).to_string().into(),
            size => vec![b'.'; size].into(),
        })
    };
    respond(is_grpc, said)
}

fn respond(is_grpc: bool, said: Result<Bytes, String>) -> Response<Body> {
    let content = |kind| (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let (status, kind, body) = match (is_grpc, said) {
        (true, said) => {
            let code = if said.is_ok() { "0" } else { "13" };
            let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))]);
            let framed = said.map_or_else(|_| Bytes::new(), |payload| frame(&payload));
            (StatusCode::OK, "application/grpc", Full::new(framed).with_trailers(async move { Some(Ok(trailers)) }).boxed_unsync())
        }
        (false, Ok(payload)) => (StatusCode::OK, "application/json", Full::new(payload).boxed_unsync()),
        (false, Err(why)) => {
            let body = serde_json::json!({"error": why}).to_string();
            (StatusCode::INTERNAL_SERVER_ERROR, "application/json", Full::new(Bytes::from(body)).boxed_unsync())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().extend([content(kind)]);
    response
}

/// A message of gRPC: not compressed, its length, itself.
fn frame(payload: &[u8]) -> Bytes {
    let mut out = vec![0];
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(payload);
    out.into()
}

/// What a program hands on: the headers of traces, and by how many programs a call came.
fn trace(headers: &HeaderMap) -> HeaderMap {
    let mut out: HeaderMap = TRACE.iter().filter_map(|name| Some((HeaderName::from_static(name), headers.get(*name)?.clone()))).collect();
    let hops = headers.get(HOPS_HEADER).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u32>().ok()).unwrap_or(0);
    out.insert(HOPS_HEADER, HeaderValue::from(hops.saturating_add(1)));
    out
}

type Ran<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Follows a script; the first call that fails ends it.
pub fn run<'a>(stage: &'a Arc<Stage>, plan: &'a Plan, member: &'a Member, script: &'a [Step], headers: HeaderMap) -> Ran<'a> {
    Box::pin(async move {
        for step in script {
            match step {
                Step::Sleep(time) => tokio::time::sleep(*time).await,
                Step::Call(c) => call(stage, plan, member, c, &headers).await?,
                Step::Together(steps) => {
                    let mut tasks = tokio::task::JoinSet::new();
                    for step in steps {
                        let (stage, id, headers, step) = (stage.clone(), member.id.clone(), headers.clone(), step.clone());
                        tasks.spawn(async move {
                            let plan = stage.plan();
                            let Some(member) = plan.members.get(&id) else { return Ok(()) };
                            run(&stage, &plan, member, std::slice::from_ref(&step), headers).await
                        });
                    }
                    let mut failed = Ok(());
                    while let Some(ended) = tasks.join_next().await {
                        failed = failed.and(ended.unwrap_or_else(|_| Err("a step did not end".to_owned())));
                    }
                    failed?;
                }
            }
        }
        Ok(())
    })
}

/// A request of a member, by its sidecar where it has one.
pub async fn call(stage: &Stage, plan: &Plan, member: &Member, call: &Call, headers: &HeaderMap) -> Result<(), String> {
    if call.percent < 100.0 && !stage.falls(call.percent / 100.0) {
        return Ok(());
    }
    if headers.get(HOPS_HEADER).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).is_some_and(|hops: u32| hops >= HOPS) {
        return Err(format!("{}: this call came by {HOPS} programs: scripts lead in a circle", call.host));
    }
    let Ok(_place) = stage.calls.try_acquire() else { return Err(format!("{}: {AT_ONCE} calls are on their way already", call.host)) };
    let service = plan.resolve(&call.host, &member.workload.namespace);
    let fits = |carries: Carries| call.carries.is_none_or(|c| c == carries);
    let port = service.and_then(|s| s.ports.iter().find(|p| call.port.map_or(fits(p.carries), |n| n == p.number)));
    let number = call.port.or(port.map(|p| p.number)).unwrap_or(80);
    let carries = call.carries.or(port.map(|p| p.carries)).unwrap_or(Carries::Http);
    let at = if member.workload.has_proxy() {
        let shared = format!("0.0.0.0_{number}");
        let names: Vec<&str> = port.iter().flat_map(|p| &p.listeners).chain([&shared]).map(String::as_str).collect();
        stage.places.listener(&stage.proxies, &member.workload.id(), &names).await
    } else {
        port.and_then(|p| stage.one_of(&p.endpoints))
    };
    let at = at.ok_or_else(|| format!("{}:{number}: nothing takes what goes there", call.host))?;
    let host = if number == 80 { call.host.clone() } else { format!("{}:{number}", call.host) };
    let whole = async {
        match carries {
            Carries::Bytes => bytes(at, call.size).await,
            Carries::Http => http1(at, &host, &call.path, call.size, headers).await.and_then(|status| match status {
                200..400 => Ok(()),
                _ => Err(format!("{host} answered {status}")),
            }),
            Carries::Grpc => grpc(at, &host, &call.path, call.size, headers).await,
        }
    };
    tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err(format!("{host} did not answer in time")))
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// One request on a connection of its own: GET, or POST with a body. The status.
pub async fn http1(at: SocketAddr, host: &str, path: &str, size: usize, headers: &HeaderMap) -> Result<u16, String> {
    let stream = TcpStream::connect(at).await.map_err(text)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    tokio::spawn(connection);
    let method = if size > 0 { Method::POST } else { Method::GET };
    let body = Full::new(Bytes::from(vec![b'.'; size]));
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, host).body(body).map_err(text)?;
    request.headers_mut().extend(headers.clone());
    let response = sender.send_request(request).await.map_err(text)?;
    let status = response.status().as_u16();
    Limited::new(response.into_body(), MOST).collect().await.map_err(text)?;
    Ok(status)
}

/// A page of JSON.
pub async fn json(at: SocketAddr, path: &str) -> Result<serde_json::Value, String> {
    let whole = async {
        let stream = TcpStream::connect(at).await.map_err(text)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
        tokio::spawn(connection);
        let request = Request::builder().uri(path).header(header::HOST, "localhost").body(Full::new(Bytes::new())).map_err(text)?;
        let response = sender.send_request(request).await.map_err(text)?;
        let body = Limited::new(response.into_body(), MOST).collect().await.map_err(text)?.to_bytes();
        serde_json::from_slice(&body).map_err(text)
    };
    tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn grpc(at: SocketAddr, host: &str, path: &str, size: usize, headers: &HeaderMap) -> Result<(), String> {
    let stream = TcpStream::connect(at).await.map_err(text)?;
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(text)?;
    tokio::spawn(connection);
    let path = if path == "/" { "/demo.Demo/Ask" } else { path };
    let body = Full::new(frame(&vec![b'.'; size]));
    let request = Request::builder().method(Method::POST).uri(format!("http://{host}{path}"));
    let mut request = request.header(header::CONTENT_TYPE, "application/grpc").header(header::TE, "trailers").body(body).map_err(text)?;
    request.headers_mut().extend(headers.clone());
    let response = sender.send_request(request).await.map_err(text)?;
    let (head, body) = response.into_parts();
    let whole = Limited::new(body, MOST).collect().await.map_err(text)?;
    let status = whole.trailers().and_then(|t| t.get("grpc-status")).or_else(|| head.headers.get("grpc-status"));
    match (head.status.as_u16(), status.and_then(|s| s.to_str().ok())) {
        (200, Some("0")) => Ok(()),
        (200, status) => Err(format!("{host} answered with grpc-status {}", status.unwrap_or("of no kind"))),
        (other, _) => Err(format!("{host} answered {other}")),
    }
}

/// A few bytes, and whether any come back.
async fn bytes(at: SocketAddr, size: usize) -> Result<(), String> {
    let mut stream = TcpStream::connect(at).await.map_err(text)?;
    stream.write_all(&vec![b'.'; size.clamp(16, 4096)]).await.map_err(text)?;
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk).await {
        Ok(1..) => Ok(()),
        Ok(_) => Err("the connection was closed".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Logs;
    use crate::own::plan::{Port, Program, Service};
    use crate::workload::{Proxied, Workload};
    use std::collections::BTreeMap;
    use std::io::{Read, Write};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    fn stage() -> Arc<Stage> {
        let logs = Arc::new(Logs::new(Arc::new(|_| {})).expect("a folder"));
        Arc::new(Stage::new(Arc::new(Proxies::new("cluster.local", &logs)), 1))
    }

    #[test]
    fn calls_that_multiply_are_bounded() {
        let workload = Workload {
            name: "a".into(),
            namespace: "ns".into(),
            account: "a".into(),
            labels: BTreeMap::new(),
            owner: "a".into(),
            proxied: Proxied::Not,
            metadata: BTreeMap::new(),
        };
        let member = Member {
            id: workload.id(),
            workload: Arc::new(workload),
            program: Arc::new(Program::default()),
            serves: Vec::new(),
            begins: false,
            is_entry: false,
        };
        runtime().block_on(async {
            let (stage, socket) = (stage(), crate::listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port"));
            let port = Port { number: 80, carries: Carries::Http, listeners: Vec::new(), endpoints: vec![socket.local_addr().expect("an address")] };
            let service = Service { namespace: "ns".into(), ports: vec![port], ..Service::default() };
            let plan = Plan { services: BTreeMap::from([("a".to_owned(), service)]), ..Plan::default() };
            tokio::spawn(serve(stage.clone(), "a.ns".into(), Carries::Http, socket));
            let to = Call { host: "a".into(), port: None, path: "/".into(), carries: None, size: 0, percent: 100.0 };
            assert_eq!(call(&stage, &plan, &member, &to, &HeaderMap::new()).await, Ok(()));
            let others = stage.calls.try_acquire_many(u32::try_from(AT_ONCE).unwrap_or(0)).expect("all places");
            let refused = call(&stage, &plan, &member, &to, &HeaderMap::new()).await;
            assert!(refused.as_ref().is_err_and(|e| e.contains("on their way")), "{refused:?}");
            drop(others);
            assert_eq!(call(&stage, &plan, &member, &to, &HeaderMap::new()).await, Ok(()));
        });
    }

    #[test]
    fn a_client_that_goes_after_a_byte_keeps_nobody_busy() {
        runtime().block_on(async {
            let socket = crate::listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
            let at = socket.local_addr().expect("an address");
            tokio::spawn(serve(stage(), "a.ns".into(), Carries::Http, socket));
            let ask = move || {
                let mut stream = std::net::TcpStream::connect(at)?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                stream.write_all(b"G")?;
                stream.shutdown(std::net::Shutdown::Write)?;
                match stream.read(&mut [0; 16]) {
                    // A connection that is closed while something is unread is reset.
                    Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => Ok(0),
                    other => other,
                }
            };
            let got = tokio::task::spawn_blocking(ask).await.expect("it ends");
            assert_eq!(got.map_err(|e: std::io::Error| e.kind()), Ok(0));
        });
    }
}
