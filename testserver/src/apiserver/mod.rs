//! A Kubernetes API server that replays lists: TLS, tokens, discovery, lists with pages and selectors, single objects, watches,
//! errors, slowness, rights; ports of pods forwarded by websocket, the agents' request commands, logs. `kubectl` reads from it.

mod answer;
mod data;
mod stream;
mod watch;

pub use data::{Data, Resource};

use answer::{Answer, Form};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stream::Wanted;
use tokio::sync::watch as watch_channel;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, pki_types};
use watch::Watch;

/// How the server misbehaves.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Resources (`pods`) that may not be read in the whole cluster, and streams (`pods/portforward`) that may not be used,
    /// and lists that may not be watched (`pods:watch`).
    pub forbidden: BTreeSet<String>,
    /// Namespaces in which they may be read all the same.
    pub allowed_namespaces: BTreeSet<String>,
    /// Paths that begin so get this status, so many times.
    pub failing: Vec<(String, u16, usize)>,
    /// Paths that begin so wait before they are answered.
    pub slow: Vec<(String, Duration)>,
    /// Continuations are forgotten, so many times.
    pub expired: usize,
    /// The only token that is accepted; any where none is given.
    pub token: Option<String>,
    /// Something in front of the server takes the upgrades off the requests.
    pub strips_upgrades: bool,
    pub streaming_lists: StreamingLists,
}

/// What becomes of a watch that is to begin with what its list would have (`sendInitialEvents`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamingLists {
    #[default]
    Served,
    /// It ends with an error, as on an etcd before 3.4.31.
    Failing,
    /// The server does not know of it.
    Unknown,
}

/// The body of an answer: one piece, or a stream.
type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// What was asked, and how much was answered.
#[derive(Debug, Default)]
pub struct Counts {
    requests: Mutex<Vec<String>>,
    bytes: AtomicU64,
    open: AtomicUsize,
    most_open: AtomicUsize,
    streams: AtomicUsize,
    open_streams: AtomicUsize,
    most_open_streams: AtomicUsize,
    stream_bytes: AtomicU64,
    watches: AtomicUsize,
    open_watches: AtomicUsize,
    bookmarks: AtomicUsize,
}

impl Counts {
    /// Paths with their queries, in order.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Bytes of bodies.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
    /// Streams into pods that were opened.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }
    pub fn most_streams_at_once(&self) -> usize {
        self.most_open_streams.load(Ordering::Relaxed)
    }
    /// Bytes that came out of pods by streams.
    pub fn stream_bytes(&self) -> u64 {
        self.stream_bytes.load(Ordering::Relaxed)
    }
    /// Watches that were opened.
    pub fn watches(&self) -> usize {
        self.watches.load(Ordering::Relaxed)
    }
    /// Watches and followed logs that are open now.
    pub fn open_watches(&self) -> usize {
        self.open_watches.load(Ordering::Relaxed)
    }
    /// Bookmarks that were told, all watches together; those that end the first list do not count.
    pub fn bookmarks(&self) -> usize {
        self.bookmarks.load(Ordering::Relaxed)
    }
    /// The most requests that were open at one time.
    pub fn most_at_once(&self) -> usize {
        self.most_open.load(Ordering::Relaxed)
    }
}

struct State {
    data: Mutex<Data>,
    /// Changes with everything that streams may have to tell.
    versions: watch_channel::Sender<u64>,
    /// Changes when all connections end; none is taken until the instant that it has.
    restarts: watch_channel::Sender<Instant>,
    faults: Mutex<Faults>,
    counts: Counts,
}

/// A running server.
pub struct Server {
    state: Arc<State>,
    address: SocketAddr,
    certificate: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// No test needs longer.
const LIFETIME: Duration = Duration::from_secs(300);

impl Server {
    /// Starts on a free port of 127.0.0.1.
    pub fn start(data: Data, faults: Faults) -> std::io::Result<Server> {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).map_err(std::io::Error::other)?;
        let certificate = key.cert.pem();
        let private = pki_types::PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private)
            .map_err(std::io::Error::other)?;
        let state = Arc::new(State {
            data: Mutex::new(data),
            versions: watch_channel::Sender::new(0),
            restarts: watch_channel::Sender::new(Instant::now()),
            faults: Mutex::new(faults),
            counts: Counts::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, acceptor, served) => {}
                    _ = stopped => {}
                    () = tokio::time::sleep(LIFETIME) => {}
                }
            });
        });
        Ok(Server { state, address, certificate, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// Its certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
    pub fn counts(&self) -> &Counts {
        &self.state.counts
    }
    /// Misbehaves otherwise from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.state.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
    fn change(&self, change: impl FnOnce(&mut Data)) {
        change(&mut self.state.data.lock().unwrap_or_else(PoisonError::into_inner));
        self.state.versions.send_modify(|n| *n += 1);
    }
    /// Adds an object, or another version of one; `resource` is `group/version/plural`.
    pub fn apply(&self, resource: &str, object: serde_json::Value) {
        self.change(|data| data.apply(resource, object));
    }
    pub fn remove(&self, resource: &str, namespace: &str, name: &str) {
        self.change(|data| data.remove(resource, namespace, name));
    }
    /// Tells every watch that takes bookmarks how far it is.
    pub fn bookmark(&self) {
        self.change(Data::bookmark);
    }
    /// Forgets all changes: whoever asks for those since an earlier version has to list again (410).
    pub fn forget(&self) {
        self.change(Data::forget);
    }
    /// A container says a line, at a time (RFC 3339).
    pub fn say(&self, namespace: &str, pod: &str, container: &str, at: &str, line: &str) {
        self.change(|data| data.say(namespace, pod, container, at, line));
    }
    /// Ends every connection, and takes none for so long.
    pub fn restart(&self, away: Duration) {
        self.state.restarts.send_replace(Instant::now() + away);
    }
    /// Ends every connection, makes the change while nobody watches, and only then takes connections again: nobody is told of it
    /// by a watch that was open before.
    pub fn while_away(&self, change: impl FnOnce()) {
        self.restart(LIFETIME);
        let until = Instant::now() + Duration::from_secs(20);
        while self.counts().open_watches() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        change();
        self.restart(Duration::ZERO);
    }
    /// A kubeconfig with one context and its namespace.
    pub fn kubeconfig(&self, name: &str, token: &str, namespace: &str) -> String {
        let ca = data_encoding::BASE64.encode(self.certificate.as_bytes());
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {name}\nclusters:\n- name: {name}\n  cluster:\n    server: https://{}\n    certificate-authority-data: {ca}\nusers:\n- name: {name}\n  user:\n    token: {token}\ncontexts:\n- name: {name}\n  context: {{cluster: {name}, user: {name}, namespace: {namespace}}}\n",
            self.address
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        let mut restarts = state.restarts.subscribe();
        if *restarts.borrow_and_update() > Instant::now() {
            continue;
        }
        tokio::spawn(async move {
            // A peer that does not trust the certificate ends here; that is its affair.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(move |request| serve(request, Arc::clone(&state)));
            tokio::select! {
                _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades() => {}
                _ = restarts.changed() => {}
            }
        });
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, std::convert::Infallible> {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
    state.counts.requests.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
    let open = state.counts.open.fetch_add(1, Ordering::Relaxed) + 1;
    state.counts.most_open.fetch_max(open, Ordering::Relaxed);
    let wait = {
        let faults = state.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.slow.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, wait)| *wait)
    };
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
    }
    let answered = answered(request, &path, &state);
    state.counts.open.fetch_sub(1, Ordering::Relaxed);
    let Answer { status, body, retry_after } = match answered {
        Ok(opened) => return Ok(opened),
        Err(answer) => answer,
    };
    state.counts.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
    let mut response = json(whole(body));
    *response.status_mut() = status;
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    Ok(response)
}

fn json(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// A stream, or else what is answered in one piece.
fn answered(request: Request<Incoming>, path: &str, state: &Arc<State>) -> Result<Response<Body>, Answer> {
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let token = text(header::AUTHORIZATION).strip_prefix("Bearer ").map(str::to_owned);
    let form = Form::of(&text(header::ACCEPT));
    if let Some(refused) = answer::refused(&mut state.faults.lock().unwrap_or_else(PoisonError::into_inner), path, token.as_deref()) {
        return Err(refused);
    }
    if let Some(wanted) = Wanted::of(path) {
        if wanted.subresource != "log" {
            return stream::open(request, wanted, Arc::clone(state));
        }
        let there = wanted.log(&state.data.lock().unwrap_or_else(PoisonError::into_inner));
        return if there.status.is_success() && wanted.follows() { Ok(json(watch::follow_log(state, wanted))) } else { Err(there) };
    }
    if let Some(watch) = Watch::of(path) {
        return watch.open(state).map(json);
    }
    let mut faults = state.faults.lock().unwrap_or_else(PoisonError::into_inner);
    Err(answer::answer(&state.data.lock().unwrap_or_else(PoisonError::into_inner), &mut faults, path, form))
}
