//! Spans in memory behind HTTP/1.1: proxies and applications hand them in as to a Zipkin (`POST /api/v2/spans`, JSON) or a collector of
//! OpenTelemetry (`POST /v1/traces`, JSON), and they are read by Jaeger's query API.

use super::forward::Next;
use super::query::{self, Request as Asked};
use crate::http::{Limits, body, json, parameters};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use mesh_model::traces::store::Store;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// A report of a proxy is some hundred kilobytes. Each proxy of a mesh keeps a connection: one that finds no place would lose its spans.
const LIMITS: fn() -> Limits = || Limits { body: 8 << 20, connections: 4096, ..Limits::default() };

/// Takes spans and answers questions until it is dropped. Reports in Zipkin's form are handed on to `next` as they came.
pub async fn serve(listener: TcpListener, store: Arc<RwLock<Store>>, next: Option<Next>) {
    let answer = move |request| {
        let (store, next) = (Arc::clone(&store), next.clone());
        async move { answer(request, &store, next.as_ref()).await }
    };
    crate::http::serve(listener, LIMITS(), answer).await;
}

async fn answer(request: Request<Incoming>, store: &RwLock<Store>, next: Option<&Next>) -> Response<Full<Bytes>> {
    let (head, incoming) = request.into_parts();
    let path = head.uri.path();
    let said = |status: StatusCode, why: &str| json(status, serde_json::json!({"errors": [{"code": status.as_u16(), "msg": why}]}).to_string());
    match (head.method.clone(), path) {
        (Method::GET, _) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64);
            let given = parameters(head.uri.query().unwrap_or("").as_bytes());
            let store = store.read().unwrap_or_else(PoisonError::into_inner);
            let answer = query::answer(&store, &Asked { path, parameters: &given, now });
            drop(store);
            json(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), answer.body)
        }
        (Method::POST, "/api/v2/spans" | "/v1/traces") => {
            let bytes = match body(incoming, LIMITS()).await {
                Ok(bytes) => bytes,
                Err((status, why)) => return said(status, why),
            };
            let found = match std::str::from_utf8(&bytes)
                .map_err(|_| "no JSON: OpenTelemetry's is taken as JSON alone".to_owned())
                .and_then(|t| super::read(path, t))
            {
                Ok(found) => found,
                Err(why) => return said(StatusCode::BAD_REQUEST, &why),
            };
            let count = found.spans.len();
            store.write().unwrap_or_else(PoisonError::into_inner).add(found.spans);
            // Zipkin's answers 202 and nothing; what is handed on is Zipkin's alone.
            if path == "/v1/traces" {
                return json(StatusCode::OK, "{}".to_owned());
            }
            if let Some(next) = next {
                next.hand(bytes, count);
            }
            let mut taken = json(StatusCode::ACCEPTED, String::new());
            taken.headers_mut().remove(http::header::CONTENT_TYPE);
            taken
        }
        _ => said(StatusCode::METHOD_NOT_ALLOWED, "questions are asked with GET, and spans handed in with POST at /api/v2/spans or /v1/traces"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::traces::store::Limits as Kept;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    #[test]
    fn proxies_that_keep_their_connections_keep_nobody_out() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let at = listener.local_addr().expect("an address");
            tokio::spawn(serve(listener, Arc::new(RwLock::new(Store::new(Kept::default()))), None));
            let mut kept = Vec::new();
            for i in 0..200 {
                let mut stream = TcpStream::connect(at).await.expect("a connection");
                let report = "POST /api/v2/spans HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]";
                stream.write_all(report.as_bytes()).await.expect("sent");
                let mut answer = [0; 12];
                let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut answer)).await;
                assert!(read.is_ok_and(|r| r.is_ok()) && answer.ends_with(b" 202"), "{i}: {:?}", String::from_utf8_lossy(&answer));
                kept.push(stream);
            }
        });
    }
}
