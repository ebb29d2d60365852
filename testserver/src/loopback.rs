//! HTTP on loopback: one exchange.

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The status and the body of an answer.
pub(crate) async fn fetch(address: SocketAddr, method: &str, path: &str) -> Result<(u16, Vec<u8>), Failed> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder().method(method).uri(path).header(http::header::HOST, "localhost").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes().to_vec();
    driver.abort();
    Ok((status, body))
}
