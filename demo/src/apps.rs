//! The bookshop's services: each answers at its own place, and asks others by its sidecar.

use crate::mesh::{OUTSIDE, PORT};
use crate::programs::Programs;
use crate::workload::Workload;
use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What a trace is told by; a service hands it on.
pub const TRACE: &[&str] =
    &["x-request-id", "traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"];
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const MOST: usize = 64 * 1024;

/// Where the sidecar of a workload takes its requests.
#[derive(Clone, Copy, Debug)]
pub struct Outbound {
    /// To the services of the shop.
    pub services: SocketAddr,
    /// To [`OUTSIDE`].
    pub outside: SocketAddr,
}

/// Serves a workload until the runtime ends.
pub async fn serve(w: Arc<Workload>, socket: std::net::TcpListener, outbound: Outbound, programs: Arc<Programs>) {
    accept(socket, move |request| {
        let (w, programs) = (w.clone(), programs.clone());
        async move { answer(&w, &request, outbound, &programs).await }
    })
    .await;
}

/// Serves what is outside of the mesh until the runtime ends.
pub async fn serve_outside(socket: std::net::TcpListener) {
    accept(socket, |request| async move {
        let is_there = request.uri().path().starts_with("/isbn/");
        if is_there { page(StatusCode::OK, &json!({"isbn": "0486424618"})) } else { page(StatusCode::NOT_FOUND, &json!({"error": "there is no such page"})) }
    })
    .await;
}

async fn accept<F>(socket: std::net::TcpListener, answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static)
where
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let Ok(listener) = TcpListener::from_std(socket) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(w: &Workload, request: &Request<Incoming>, outbound: Outbound, programs: &Programs) -> Response<Full<Bytes>> {
    let (app, version) = (w.label("app"), w.label("version"));
    if !has_page(app, request.uri().path()) {
        return page(StatusCode::NOT_FOUND, &json!({"error": "there is no such page"}));
    }
    let behaviour = programs.of(&w.name);
    tokio::time::sleep(behaviour.takes).await;
    if fastrand::u8(..100) < behaviour.fails {
        return page(StatusCode::INTERNAL_SERVER_ERROR, &json!({}));
    }
    let trace = if behaviour.drops_trace { HeaderMap::new() } else { trace(request.headers()) };
    // Outside nobody is shown a token.
    let mut inside = trace.clone();
    inside.extend(header::HeaderValue::try_from(format!("Bearer {}", behaviour.token.text())).ok().map(|v| (header::AUTHORIZATION, v)));
    let mut body = json!({"service": app, "version": version});
    let asked: &[(&str, &str)] = match (app, version) {
        ("productpage", _) => &[("details", "/details/0"), ("reviews", "/reviews/0")],
        ("reviews", "v2" | "v3") => &[("ratings", "/ratings/0")],
        ("details", _) => &[(OUTSIDE, "/isbn/0")],
        _ => &[],
    };
    let mut status = StatusCode::OK;
    for (service, path) in asked {
        let (to, host, headers) =
            if *service == OUTSIDE { (outbound.outside, OUTSIDE.to_owned(), &trace) } else { (outbound.services, format!("{service}:{PORT}"), &inside) };
        match ask(to, &host, path, headers).await {
            Ok((200, value)) => body[*service] = value,
            Ok((other, _)) => {
                body[*service] = json!({"error": other});
                status = StatusCode::BAD_GATEWAY;
            }
            Err(why) => {
                body[*service] = json!({"error": why});
                status = StatusCode::BAD_GATEWAY;
            }
        }
    }
    // As slow as a service that does something.
    tokio::time::sleep(Duration::from_millis(if app == "productpage" { 4 } else { 2 })).await;
    page(status, &body)
}

fn page(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// Whether a service answers at a path: `/productpage` and `/api/v1/products`, else its own name and what follows.
fn has_page(app: &str, path: &str) -> bool {
    match app {
        "productpage" => path == "/productpage" || path == "/api/v1/products" || path.starts_with("/api/v1/products/"),
        other => path.strip_prefix('/').and_then(|p| p.strip_prefix(other)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

fn trace(headers: &HeaderMap) -> HeaderMap {
    TRACE.iter().filter_map(|name| Some((header::HeaderName::from_static(name), headers.get(*name)?.clone()))).collect()
}

/// One request on a connection of its own: the status, and the body where it is JSON.
pub async fn ask(to: SocketAddr, host: &str, path: &str, headers: &HeaderMap) -> Result<(u16, Value), String> {
    let whole = async {
        let stream = TcpStream::connect(to).await.map_err(|e| e.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        let mut request = Request::builder().uri(path).header(header::HOST, host).body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
        request.headers_mut().extend(headers.clone());
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST).collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    };
    tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::has_page;

    #[test]
    fn services_answer_at_their_own_paths_alone() {
        assert!(has_page("reviews", "/reviews/0") && has_page("ratings", "/ratings") && has_page("productpage", "/api/v1/products/1/reviews"));
        assert!(!has_page("reviews", "/reviewsx") && !has_page("reviews", "/ratings/0") && !has_page("productpage", "/") && !has_page("details", "/"));
    }
}
