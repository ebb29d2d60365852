//! A Kubernetes API server that replays lists: TLS, tokens, discovery, lists with pages and selectors, single objects,
//! errors, slowness, rights; ports of pods forwarded by websocket, the agents' request commands, logs. `kubectl` reads from it.

mod answer;
mod data;
mod stream;

pub use data::{Data, Resource};

use answer::Answer;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stream::Wanted;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, pki_types};

/// How the server misbehaves.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Resources (`pods`) that may not be read in the whole cluster, and streams (`pods/portforward`) that may not be used.
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
    /// The most requests that were open at one time.
    pub fn most_at_once(&self) -> usize {
        self.most_open.load(Ordering::Relaxed)
    }
}

struct State {
    data: Data,
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
        let state = Arc::new(State { data, faults: Mutex::new(faults), counts: Counts::default() });
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
        tokio::spawn(async move {
            // A peer that does not trust the certificate ends here; that is its affair.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(move |request| serve(request, Arc::clone(&state)));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
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
    let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer ")).map(str::to_owned);
    let answered = {
        let mut faults = state.faults.lock().unwrap_or_else(PoisonError::into_inner);
        match Wanted::of(&path) {
            None => Some(answer::answer(&state.data, &mut faults, &path, token.as_deref())),
            Some(wanted) => answer::refused(&mut faults, &path, token.as_deref()).or_else(|| (wanted.subresource == "log").then(|| wanted.log(&state.data))),
        }
    };
    let answered = match (answered, Wanted::of(&path)) {
        (Some(answer), _) => Err(answer),
        (None, Some(wanted)) => stream::open(request, wanted, Arc::clone(&state)),
        (None, None) => Err(Answer::error(404, "NotFound", &path)),
    };
    state.counts.open.fetch_sub(1, Ordering::Relaxed);
    let Answer { status, body, retry_after } = match answered {
        Ok(opened) => return Ok(opened),
        Err(answer) => answer,
    };
    state.counts.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    Ok(response)
}
