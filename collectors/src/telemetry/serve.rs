//! Series in memory as a Prometheus: its query API over HTTP/1.1, so that Grafana, or another meshctl, can ask.
//!
//! Bounded: requests of [`Limits::body`] bytes, so many connections at once, so long for one.

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_metrics::api;
use mesh_metrics::promql::Options;
use mesh_metrics::series::Store;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    pub connections: usize,
    /// For a connection that asks nothing.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { body: 1 << 20, connections: 64, idle: Duration::from_secs(30) }
    }
}

/// Answers requests until it is dropped. A query without a time is of the clock's.
pub async fn serve(listener: TcpListener, store: Arc<RwLock<Store>>, options: Options, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: a moment later there may be some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let store = Arc::clone(&store);
                async move { Ok::<_, Infallible>(answer(request, &store, &options, limits).await) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(limits.idle);
            // A client that goes away is its own affair.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

async fn answer(request: Request<Incoming>, store: &RwLock<Store>, options: &Options, limits: Limits) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if !matches!(head.method, Method::GET | Method::POST) {
        return response(StatusCode::METHOD_NOT_ALLOWED, error("bad_data", "GET and POST are answered"));
    }
    let body = match tokio::time::timeout(limits.idle, Limited::new(body, limits.body).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return response(StatusCode::PAYLOAD_TOO_LARGE, error("bad_data", "the request can't be read, or is too large")),
        Err(_) => return response(StatusCode::REQUEST_TIMEOUT, error("timeout", "the request took too long to arrive")),
    };
    let mut parameters: Vec<(String, String)> = form_urlencoded::parse(head.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    if head.method == Method::POST {
        parameters.extend(form_urlencoded::parse(&body).into_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let store = store.read().unwrap_or_else(PoisonError::into_inner);
    let answer = api::answer(&store, &api::Request { path: head.uri.path(), parameters: &parameters, now }, options);
    response(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), answer.body)
}

fn error(kind: &str, message: &str) -> String {
    format!("{{\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":\"{message}\"}}")
}

fn response(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
