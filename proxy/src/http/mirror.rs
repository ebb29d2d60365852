//! Copies of requests that go elsewhere; nobody waits for what comes of them.

use super::exchange::Exchange;
use super::forward::asked_by;
use super::head::{self, names};
use super::outgoing;
use super::service::Onward;
use super::upload::{Source, Upload};
use crate::config::cluster::Protocol;
use crate::upstream::cluster::Wanted;
use http::HeaderValue;
use mesh_envoy::engine::action::Mirror;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Longest that a copy is kept on its way where the route has no timeout.
const LONGEST: Duration = Duration::from_secs(60);

/// Sends a copy once the request is there as a whole: the client's own is never held up by it.
pub fn send(exchange: &Exchange, mirror: &Mirror, onward: &Onward, timeout: Option<Duration>) {
    let Some(handle) = onward.generation.cluster(&mirror.cluster) else { return };
    let (connection, source) = (exchange.connection.clone(), exchange.body.clone());
    let mut headers = exchange.headers.clone();
    crate::trace::span::inject(exchange, &mut headers);
    let local = connection.client.local.ip().to_string();
    headers.insert(names::INTERNAL, HeaderValue::from_static("true"));
    head::append(&mut headers, names::FORWARDED_FOR, &local);
    if let Some(timeout) = timeout {
        headers.insert(names::EXPECTED_TIMEOUT, HeaderValue::from(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)));
    }
    if exchange.route.as_ref().is_some_and(|r| r.host_extras().tells_attempts_upstream) {
        headers.insert(names::ATTEMPT_COUNT, HeaderValue::from(1));
    }
    let authority = if mirror.keeps_host { exchange.authority.clone() } else { shadow(&exchange.authority) };
    let protocol = handle.config().protocol;
    let http2 = protocol == Protocol::Http2 || (protocol == Protocol::Downstream && exchange.protocol == "HTTP/2");
    let version = if http2 { outgoing::Version::Http2 } else { outgoing::Version::Http1 };
    let Some(request) = outgoing::message(exchange, headers, &authority, version, Upload::new(&source)) else { return };
    let server_name = handle.config().names_request.then(|| asked_by(&authority)).flatten();
    let offers = onward.offers.clone();
    let downstream_is_http2 = exchange.protocol == "HTTP/2";
    tokio::task::spawn_local(async move {
        let whole = async {
            if !complete(&source).await {
                return;
            }
            let host = handle.choose(None, None, connection.client.original(), &[], 0, &mut connection.client.worker.dice());
            let Some(host) = host else { return };
            let begun = Instant::now();
            let wanted = Wanted { request, protocol, downstream_is_http2, priority: 0, server_name, offers, interim: None, client: None, begun };
            if let Ok((response, lease)) = handle.send(&host, wanted, |_| {}).await {
                let mut body = response.body;
                loop {
                    let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(std::pin::Pin::new(&mut body), cx)).await;
                    match frame {
                        None => return lease.release(),
                        Some(Err(_)) => return,
                        Some(Ok(_)) => {}
                    }
                }
            }
        };
        let _ = tokio::time::timeout(timeout.unwrap_or(LONGEST), whole).await;
    });
}

/// Whether all of the request came, and was kept.
async fn complete(source: &Rc<Source>) -> bool {
    source.completed().await;
    source.is_repeatable() && !source.has_failed()
}

/// `a.com:80` becomes `a.com-shadow:80`.
fn shadow(authority: &str) -> String {
    let name = mesh_envoy::engine::domain::without_port(authority);
    format!("{name}-shadow{}", &authority[name.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_to_the_shadow_of_the_host() {
        assert_eq!((shadow("a.com"), shadow("a.com:80")), ("a.com-shadow".to_owned(), "a.com-shadow:80".to_owned()));
    }
}
