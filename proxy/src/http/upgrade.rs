//! Connections that become another protocol, as WebSocket's do.

use super::body::Body;
use super::exchange::Exchange;
use super::framing::Upgrade;
use super::spelling::Names;
use super::timeouts::Late;
use crate::message::{HeaderMap, Response};
use crate::splice::Splice;
use crate::tcp::copy::{self, Bytes, Ended, Limits, Means, both_ways};
use crate::upstream::pool::Lease;
use http::{Extensions, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use mesh_envoy::engine::action::Forward;
use mesh_envoy::engine::http::Manager;
use mesh_envoy::engine::request::Request;

/// Whether a request asks for a protocol that it may not go over to.
pub fn is_refused(request: &Request<'_>, manager: &Manager, forward: Option<&Forward>) -> bool {
    let asks = request.header("connection", 0).is_some_and(|c| c.split(',').any(|w| w.trim().eq_ignore_ascii_case("upgrade")));
    let protocol = if request.is_connect() { Some("connect") } else { request.header("upgrade", 0).filter(|_| asks) };
    protocol.is_some_and(|p| !manager.allows_upgrade(p, forward.map_or(&[], |f| &f.upgrades)))
}

/// hyper stands between its bytes and the socket.
impl Splice for TokioIo<Upgraded> {}

/// Joins the two connections once both have switched. The exchange lasts as long as they do.
pub fn switch(
    mut exchange: Box<Exchange>,
    (status, headers): (StatusCode, HeaderMap),
    extensions: Extensions,
    lease: Lease,
    downstream: Option<OnUpgrade>,
) -> Response<Body> {
    let names = extensions.get::<Names>().cloned();
    let mut answer = http::Response::new(());
    *answer.extensions_mut() = extensions;
    let upstream = hyper::upgrade::on(&mut answer);
    let Some(downstream) = downstream else {
        return super::respond::Reply::new(502, "UPE", "upstream_reset_before_response_started{protocol_error}", "").send(exchange);
    };
    exchange.connection.wire.decide(Upgrade::Switched);
    let (over, tunnel) = tokio::sync::oneshot::channel();
    exchange.connection.tunnel.set(Some(tunnel));
    tokio::task::spawn_local(async move {
        // The connection is in use for as long as the two speak, and is never used again.
        let _lease = lease;
        if let (Ok(client), Ok(server)) = (downstream.await, upstream.await) {
            let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
            let limits = Limits { idle: exchange.limits.idle(), until: exchange.limits.end().map(Into::into), buffer: copy::CHUNK };
            let (bytes, worker) = (Bytes::default(), exchange.connection.worker().clone());
            let ended = both_ways(&mut client, &mut server, limits, Means { scratch: &worker.scratch, pipes: &worker.pipes }, &bytes).await;
            exchange.sent = bytes.of_upstream.get();
            let late = match ended {
                Ended::Idle => Some(Late::Idle),
                Ended::Late => Some(Late::Duration),
                Ended::Both | Ended::Failed(..) => None,
            };
            if let Some(late) = late {
                late.count(&exchange.connection.stats);
                exchange.raise(late.flag());
                exchange.details = late.details().into();
            }
        }
        exchange.is_complete = true;
        drop(exchange);
        let _ = over.send(());
    });
    let mut out = Response { status, headers, ..Response::new(Body::plain(bytes::Bytes::new())) };
    if let Some(names) = names {
        out.extensions.insert(names);
    }
    out
}
