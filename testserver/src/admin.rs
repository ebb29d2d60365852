//! The admin port of a proxy, or istiod's debug port, playing pages. Config dumps are masked as Envoy masks them.

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Pages by their path: with the query where the page is that query's alone.
pub type Pages = BTreeMap<String, String>;

struct State {
    pages: Pages,
    requests: Mutex<Vec<String>>,
}

/// A running admin port.
pub struct Admin {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// No test needs longer.
const LIFETIME: Duration = Duration::from_secs(300);

impl Admin {
    /// Starts on a free port of 127.0.0.1.
    pub fn start(pages: Pages) -> std::io::Result<Admin> {
        let state = Arc::new(State { pages, requests: Mutex::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                    () = tokio::time::sleep(LIFETIME) => {}
                }
            });
        });
        Ok(Admin { address, state, stop: Some(stop), thread: Some(thread) })
    }

    /// The pages of an Envoy as they lie in a folder: `config_dump_include_eds.json`, `clusters.json`, `certs.json` …
    pub fn pages_of(dir: &Path) -> Pages {
        let files = [
            ("/config_dump", "config_dump_include_eds.json"),
            ("/clusters", "clusters.json"),
            ("/certs", "certs.json"),
            ("/server_info", "server_info.json"),
            ("/stats/prometheus", "stats_prometheus.txt"),
            ("/logging", "logging.txt"),
        ];
        files.into_iter().filter_map(|(path, file)| Some((path.to_owned(), std::fs::read_to_string(dir.join(file)).ok()?))).collect()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// Method and path with query of everything that was asked, in order.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| serve(request, Arc::clone(&state)));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let whole = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
    state.requests.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} {whole}", request.method()));
    let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
    let page = match state.pages.get(&whole).or_else(|| state.pages.get(path)) {
        Some(page) if path == "/config_dump" => Some(masked(page, query)),
        other => other.cloned(),
    };
    let mut response = Response::new(Full::new(Bytes::new()));
    match page {
        Some(page) => *response.body_mut() = Full::new(Bytes::from(page)),
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}

/// Without `include_eds` there are no endpoints; a mask leaves of each section the fields that it names.
fn masked(page: &str, query: &str) -> String {
    let parameter = |key: &str| form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == key).map(|(_, v)| v.into_owned());
    let Ok(Value::Object(mut dump)) = serde_json::from_str(page) else { return page.to_owned() };
    let Some(Value::Array(mut sections)) = dump.remove("configs") else { return page.to_owned() };
    if parameter("include_eds").is_none() {
        sections.retain(|s| !s["@type"].as_str().unwrap_or("").ends_with("EndpointsConfigDump"));
    }
    if let Some(mask) = parameter("mask") {
        let fields: Vec<&str> = mask.split(',').collect();
        sections = sections
            .into_iter()
            .filter_map(|section| {
                let Value::Object(section) = section else { return None };
                let kept: Map<String, Value> = section.into_iter().filter(|(k, _)| k == "@type" || fields.contains(&k.as_str())).collect();
                (kept.len() > 1).then_some(Value::Object(kept))
            })
            .collect();
    }
    dump.insert("configs".to_owned(), Value::Array(sections));
    Value::Object(dump).to_string()
}
