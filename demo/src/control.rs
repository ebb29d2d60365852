//! The port on which a demo takes orders from other processes of the same user: HTTP on loopback, with a token.

use crate::state::State;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Does what a request asks: method and path with its query, to a status and an answer.
pub type Orders = Arc<dyn Fn(&str, &str) -> (u16, Value) + Send + Sync>;

/// Answers until the runtime ends. Without the token nothing is told.
pub async fn serve(socket: std::net::TcpListener, token: Arc<str>, orders: Orders) {
    let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (token, orders) = (token.clone(), orders.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (token, orders) = (token.clone(), orders.clone());
                async move { Ok::<_, Infallible>(answer(&request, &token, orders).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: &Request<Incoming>, token: &str, orders: Orders) -> Response<Full<Bytes>> {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let (status, value) = if shown.is_some_and(|shown| is_same(shown, token)) {
        let (method, path) = (request.method().as_str().to_owned(), request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned());
        // Orders may wait for files and for the control plane.
        let done = tokio::task::spawn_blocking(move || orders(&method, &path)).await;
        done.unwrap_or_else(|_| (500, json!({"error": "the order was not carried out"})))
    } else {
        (401, json!({"error": "the token of the demo's state file is needed"}))
    };
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// Takes as long for a wrong token as for the right one.
fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

const PATIENCE: Duration = Duration::from_secs(10);
const MOST: u64 = 1 << 20;

/// Gives an order to a demo, and waits for its answer.
///
/// # Errors
/// A demo that does not answer, or not as one.
pub fn ask(state: &State, method: &str, path: &str) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&state.control, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        state.control, state.token
    );
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.take(MOST).read_to_string(&mut text)?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "this is no answer of a demo");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(bad)?;
    Ok((status, serde_json::from_str(body).map_err(|_| bad())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_same("abc", "abc") && !is_same("abc", "abd") && !is_same("abc", "ab") && !is_same("", "a"));
    }
}
