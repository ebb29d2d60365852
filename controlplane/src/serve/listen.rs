//! Starts and ends a control plane.

use super::caller::Caller;
use super::shared::{Certify, Counts, Say, Shared, lock, now, rfc3339};
use super::{debug, grpc};
use crate::bind::Bind;
use crate::ca::{Authority, Identity, identity_of};
use crate::input::{Input, Reading};
use crate::translator::{Round, Settings, Translator, World};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mesh_model::{Kind, Object, Snapshot};
use mesh_resolver::translate::Model;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// How a control plane is set up.
pub struct Options {
    /// gRPC in plaintext; loopback only. Port 0 takes a free one.
    pub xds: SocketAddr,
    /// gRPC by TLS with a certificate of the mesh; `None` for none.
    pub tls: Option<SocketAddr>,
    /// Debug pages and metrics; loopback only.
    pub http: SocketAddr,
    pub translation: Settings,
    pub authority: Authority,
    /// Where a token is written for each identity, readable by its owner alone; nowhere without one.
    pub tokens: Option<PathBuf>,
    pub most_connections: usize,
    pub say: Say,
}

/// Why it does not start.
#[derive(Debug)]
pub enum StartError {
    /// A port that would be open to others and shows who asks for it to nobody.
    NotLoopback(SocketAddr),
    Bind(SocketAddr, std::io::Error),
    Tls(String),
    Thread(std::io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::NotLoopback(a) => write!(f, "{a} is no loopback address; plaintext and debug pages are served on loopback only, TLS anywhere"),
            StartError::Bind(a, e) => write!(f, "{a} can't be listened on: {e}"),
            StartError::Tls(e) => write!(f, "TLS can't be set up: {e}"),
            StartError::Thread(e) => write!(f, "a thread can't be started: {e}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A control plane that runs; it ends when this is dropped.
pub struct Running {
    pub xds: SocketAddr,
    pub tls: Option<SocketAddr>,
    pub http: SocketAddr,
    shared: Arc<Shared>,
    end: Arc<AtomicBool>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts it; returns when its ports are open.
    pub fn start(options: Options, input: Box<dyn Input>) -> Result<Running, StartError> {
        for address in [options.xds, options.http] {
            if !address.ip().is_loopback() {
                return Err(StartError::NotLoopback(address));
            }
        }
        let acceptor = options.tls.is_some().then(|| tls(&options.authority)).transpose()?;
        let bind = |a: SocketAddr| std::net::TcpListener::bind(a).and_then(|l| l.set_nonblocking(true).map(|()| l)).map_err(|e| StartError::Bind(a, e));
        let (xds, http) = (bind(options.xds)?, bind(options.http)?);
        let tls = options.tls.map(bind).transpose()?;
        let own = |l: &std::net::TcpListener, asked: SocketAddr| l.local_addr().unwrap_or(asked);
        let addresses = (own(&xds, options.xds), tls.as_ref().zip(options.tls).map(|(l, a)| own(l, a)), own(&http, options.http));
        // The report needs what is made after the thread that makes it.
        let slot: Arc<OnceLock<Arc<Shared>>> = Arc::default();
        let to = Arc::clone(&slot);
        let folder = options.tokens.clone();
        let report = move |round: &Round| {
            if let Some(shared) = to.get() {
                take(shared, round, folder.as_deref());
            }
        };
        let (translator, translating) = Translator::start(options.translation, Box::new(report)).map_err(StartError::Thread)?;
        let shared = Arc::new(Shared::new(translator, options.authority, options.most_connections, options.say));
        let _ = slot.set(Arc::clone(&shared));
        let end = Arc::new(AtomicBool::new(false));
        let mut threads = vec![translating];
        let (reading, ending) = (Arc::clone(&shared), Arc::clone(&end));
        threads.push(std::thread::Builder::new().name("input".into()).spawn(move || watch(&reading, input, &ending)).map_err(StartError::Thread)?);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let serving = Arc::clone(&shared);
        let serve = move || {
            runtime.block_on(async move {
                let listeners = async {
                    let plain = TcpListener::from_std(xds)?;
                    let debug = TcpListener::from_std(http)?;
                    tokio::spawn(accept_http(Arc::clone(&serving), debug));
                    if let (Some(l), Some(acceptor)) = (tls, acceptor) {
                        tokio::spawn(accept_grpc(Arc::clone(&serving), TcpListener::from_std(l)?, Some(acceptor)));
                    }
                    tokio::spawn(accept_grpc(serving, plain, None));
                    std::io::Result::Ok(())
                };
                if listeners.await.is_ok() {
                    let _ = stopped.await;
                }
            });
            runtime.shutdown_background();
        };
        threads.push(std::thread::Builder::new().name("sockets".into()).spawn(serve).map_err(StartError::Thread)?);
        Ok(Running { xds: addresses.0, tls: addresses.1, http: addresses.2, shared, end, stop: Some(stop), threads })
    }

    /// A token for an identity, for a workload that is started beside this control plane.
    ///
    /// # Errors
    /// A system that has no random bytes.
    pub fn token(&self, identity: Identity) -> Result<String, NoRandomness> {
        Ok(lock(&self.shared.tokens).issue(identity, random()?))
    }
    /// The root that certificates of the mesh are checked against, in PEM.
    pub fn root(&self) -> &str {
        self.shared.authority.root()
    }
    /// Where a workload's proxy, or its application, has a place on this machine; `None` where nothing is bound here.
    pub fn place(&self, workload: &str, role: crate::bind::Role, port: u16) -> Option<SocketAddr> {
        let workload = workload.to_owned();
        self.shared.translator.ask_and_wait(move |_, _, bind| bind.map(|b| b.places.give(&workload, role, "", port)))?
    }
    /// Asks something of the mesh that is served, and waits for the answer; `None` where it ends meanwhile.
    pub fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Model<'_, '_>, &World, Option<&mut Bind>) -> T + Send + 'static) -> Option<T> {
        self.shared.translator.ask_and_wait(question)
    }
    /// How often the input was read anew.
    pub fn generation(&self) -> u64 {
        lock(&self.shared.world).generation
    }
    /// Gives a proxy, `NAME.NAMESPACE`, something else than its right certificate when it asks next; `None` for the right one again.
    pub fn certify(&self, proxy: &str, how: Option<Certify>) {
        let mut all = lock(&self.shared.certify);
        match how {
            Some(how) => drop(all.insert(proxy.to_owned(), how)),
            None => drop(all.remove(proxy)),
        }
    }
    /// Plays dead, to show what comes of that: connections end, and new ones are closed at once; until it is told otherwise.
    pub fn away(&self, is_away: bool) {
        self.shared.away.send_replace(is_away);
    }
    /// How many proxies are connected.
    pub fn connected(&self) -> usize {
        lock(&self.shared.connections).len()
    }
    /// Whether the input was read.
    pub fn is_ready(&self) -> bool {
        !lock(&self.shared.counts).trust_domain.is_empty()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
        self.shared.translator.stop();
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// The system gives no random bytes: no token may be made of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system gives no random bytes: no token can be made")
    }
}

impl std::error::Error for NoRandomness {}

/// 32 random bytes of the one provider of cryptography.
///
/// # Errors
/// A provider that has none: bytes that could be guessed would be worse.
pub fn random() -> Result<[u8; 32], NoRandomness> {
    random_of(rustls::crypto::aws_lc_rs::default_provider().secure_random)
}

fn random_of(source: &dyn rustls::crypto::SecureRandom) -> Result<[u8; 32], NoRandomness> {
    let mut out = [0; 32];
    source.fill(&mut out).map_err(|_| NoRandomness)?;
    Ok(out)
}

/// Takes note of a reading that was translated.
fn take(shared: &Shared, round: &Round, folder: Option<&Path>) {
    shared.metrics.round(round.read, round.translated);
    *lock(&shared.counts) = Counts { services: round.services, virtual_services: round.virtual_services, trust_domain: round.trust_domain.clone() };
    let Some(folder) = folder else { return };
    for (namespace, account) in &round.accounts {
        let identity = Identity::new(&round.trust_domain, namespace, account);
        // Names of the input become names of files: only those that are names of Kubernetes.
        if Identity::parse(&identity.to_string()).as_ref() != Some(&identity) {
            continue;
        }
        let path = folder.join(namespace).join(account);
        if lock(&shared.tokens).is_known(&identity) {
            continue;
        }
        let token = match random() {
            Ok(bytes) => lock(&shared.tokens).issue(identity, bytes),
            Err(e) => return shared.say(&e.to_string()),
        };
        if let Err(e) = write_token(&path, &token) {
            shared.say(&format!("{}: {e}", path.display()));
        }
    }
}

fn write_token(path: &Path, token: &str) -> std::io::Result<()> {
    use std::io::Write;
    if let Some(parent) = path.parent() {
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(parent)?;
    }
    // A file that is there may be read by others: it is made anew.
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(token.as_bytes())
}

/// Reads the input again and again.
fn watch(shared: &Shared, mut input: Box<dyn Input>, end: &AtomicBool) {
    let mut known: BTreeMap<(Kind, String, String), u64> = BTreeMap::new();
    while !end.load(Ordering::Acquire) {
        match input.read() {
            Reading::Same => {}
            Reading::Failed(problems) => problems.iter().for_each(|p| shared.say(p)),
            Reading::New { snapshot, problems } => {
                problems.iter().for_each(|p| shared.say(p));
                known = events(shared, &snapshot, &known);
                let world = {
                    let mut current = lock(&shared.world);
                    let generation = current.generation + 1;
                    let version = format!("{}/{generation}", rfc3339(SystemTime::now()));
                    *current = World { snapshot: Arc::from(snapshot), version, generation };
                    current.clone()
                };
                let mut read_at = lock(&shared.read_at);
                read_at.insert(world.generation, Instant::now());
                while read_at.len() > 64 {
                    read_at.pop_first();
                }
                drop(read_at);
                shared.metrics.inbound_update("config");
                shared.translator.world(world);
            }
        }
        std::thread::park_timeout(input.pause());
    }
}

/// Counts what came, changed and went.
fn events(shared: &Shared, snapshot: &Snapshot, known: &BTreeMap<(Kind, String, String), u64>) -> BTreeMap<(Kind, String, String), u64> {
    use std::hash::{BuildHasher, Hasher};
    let content = |o: &Object| {
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        hasher.write(o.source().slice(o.root().span()).as_bytes());
        hasher.finish()
    };
    let found: BTreeMap<_, u64> = snapshot.objects.iter().map(|o| ((o.kind, o.namespace().to_owned(), o.name().to_owned()), content(o))).collect();
    let mut count: BTreeMap<(&'static str, Kind), u64> = BTreeMap::new();
    for (key, hash) in &found {
        match known.get(key) {
            None => *count.entry(("add", key.0)).or_default() += 1,
            Some(old) if old != hash => *count.entry(("update", key.0)).or_default() += 1,
            Some(_) => {}
        }
    }
    for key in known.keys().filter(|k| !found.contains_key(*k)) {
        *count.entry(("delete", key.0)).or_default() += 1;
    }
    for ((event, kind), n) in count {
        shared.metrics.event(kind.name(), event, n);
    }
    found
}

/// Names that proxies call a control plane by.
const NAMES: &[&str] = &["istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local", "istiod.istio-system", "istiod", "localhost", "127.0.0.1"];

/// TLS with a certificate of the mesh; clients may show one of theirs.
fn tls(authority: &Authority) -> Result<TlsAcceptor, StartError> {
    let bad = |e: &dyn std::fmt::Display| StartError::Tls(e.to_string());
    let issued = authority.issue_server(NAMES, now()).map_err(|e| bad(&e))?;
    let certificates = |pem: &str| CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = certificates(&issued.chain).map_err(|e| bad(&e))?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).map_err(|e| bad(&e))?;
    let mut roots = RootCertStore::empty();
    for root in certificates(authority.root()).map_err(|e| bad(&e))? {
        roots.add(root).map_err(|e| bad(&e))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).allow_unauthenticated().build().map_err(|e| bad(&e))?;
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|e| bad(&e))?;
    let mut config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key).map_err(|e| bad(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections that are open at once, of each port: more wait.
const MOST: usize = 4096;
/// A handshake, or the head of a request, takes no longer.
const PATIENCE: Duration = Duration::from_secs(10);

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Ok(found) => return Some(found),
            // Out of file descriptors, or a client that has gone: others are to be served yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Serves a connection until the control plane plays dead.
async fn unless(mut away: tokio::sync::watch::Receiver<bool>, serve: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        _ = away.wait_for(|is_away| *is_away) => {}
        () = serve => {}
    }
}

async fn accept_grpc(shared: Arc<Shared>, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    let places = Arc::new(tokio::sync::Semaphore::new(MOST));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Some((socket, address)) = accept(&listener).await else { return };
        let _ = socket.set_nodelay(true);
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        let away = shared.away.subscribe();
        tokio::spawn(unless(away, async move {
            let _place = place;
            match acceptor {
                None => connection(shared, TokioIo::new(socket), address, None).await,
                Some(acceptor) => {
                    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(socket)).await else { return };
                    let identity = stream.get_ref().1.peer_certificates().and_then(|c| identity_of(c.first()?));
                    connection(shared, TokioIo::new(stream), address, identity).await;
                }
            }
        }));
    }
}

async fn connection<I>(shared: Arc<Shared>, io: I, address: SocketAddr, identity: Option<Identity>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let caller = Caller::of(&shared, address, identity.as_ref(), request.headers());
        grpc::serve(Arc::clone(&shared), caller, request)
    });
    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    server.timer(TokioTimer::new()).max_concurrent_streams(100).keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(20));
    let _ = server.serve_connection(io, service).await;
}

async fn accept_http(shared: Arc<Shared>, listener: TcpListener) {
    let places = Arc::new(tokio::sync::Semaphore::new(64));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Some((socket, _)) = accept(&listener).await else { return };
        let shared = Arc::clone(&shared);
        let away = shared.away.subscribe();
        tokio::spawn(unless(away, async move {
            let _place = place;
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| debug::serve(Arc::clone(&shared), request));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Broken;

    impl rustls::crypto::SecureRandom for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), rustls::crypto::GetRandomFailed> {
            Err(rustls::crypto::GetRandomFailed)
        }
    }

    #[test]
    fn no_token_is_made_where_there_are_no_random_bytes() {
        assert_eq!(random_of(&Broken), Err(NoRandomness));
        assert!(random().is_ok_and(|bytes| bytes != [0; 32]));
    }
}
