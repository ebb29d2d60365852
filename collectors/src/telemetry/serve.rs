//! Series in memory as a Prometheus: its query API over HTTP/1.1, so that Grafana, or another meshctl, can ask.

use crate::http::{body, json, parameters};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use mesh_metrics::api;
use mesh_metrics::promql::Options;
use mesh_metrics::series::Store;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

pub use crate::http::Limits;

/// Answers requests until it is dropped. A query without a time is of the clock's.
pub async fn serve(listener: TcpListener, store: Arc<RwLock<Store>>, options: Options, limits: Limits) {
    let answer = move |request| {
        let store = Arc::clone(&store);
        async move { answer(request, &store, &options, limits).await }
    };
    crate::http::serve(listener, limits, answer).await;
}

async fn answer(request: Request<Incoming>, store: &RwLock<Store>, options: &Options, limits: Limits) -> Response<Full<Bytes>> {
    let (head, incoming) = request.into_parts();
    if !matches!(head.method, Method::GET | Method::POST) {
        return json(StatusCode::METHOD_NOT_ALLOWED, error("bad_data", "GET and POST are answered"));
    }
    let body = match body(incoming, limits).await {
        Ok(body) => body,
        Err((status, why)) => return json(status, error(if status == StatusCode::REQUEST_TIMEOUT { "timeout" } else { "bad_data" }, why)),
    };
    let mut given = parameters(head.uri.query().unwrap_or("").as_bytes());
    if head.method == Method::POST {
        given.extend(parameters(&body));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let store = store.read().unwrap_or_else(PoisonError::into_inner);
    let answer = api::answer(&store, &api::Request { path: head.uri.path(), parameters: &given, now }, options);
    json(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), answer.body)
}

fn error(kind: &str, message: &str) -> String {
    format!("{{\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":\"{message}\"}}")
}
