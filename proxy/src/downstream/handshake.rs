//! TLS with a client.

use super::raw::Raw;
use crate::stats::TlsStats;
use crate::tls::context::ServerContext;
use crate::tls::reason;
use crate::tls::session::Session;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

/// Longest time for a handshake where configuration sets none.
const LONGEST: Duration = Duration::from_secs(60);

/// Takes TLS off a connection.
///
/// # Errors
/// Why it came to nothing, as a log tells it; "" where there is no word for it.
pub async fn accept(mut raw: Raw, context: &ServerContext, timeout: Option<Duration>, stats: &TlsStats) -> Result<(Box<TlsStream<Raw>>, Session), String> {
    let Ok(server) = context.ready() else {
        stats.connection_error.inc();
        return Err("TLS_error:_Secret_is_not_supplied_by_SDS".to_owned());
    };
    let shake = async {
        // Enough to tell a client that speaks HTTP to a port of TLS. It would not understand an alert.
        while raw.early().len() < 5 && raw.read_ahead().await? {}
        if let Some(plaintext) = reason::plaintext(raw.early()) {
            return Ok(Err(plaintext));
        }
        let start = LazyConfigAcceptor::new(Acceptor::default(), raw).await?;
        let hello = start.client_hello();
        let certificate = server.choose(&hello).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let config = certificate.config(&hello);
        let stream = start.into_stream(config).await?;
        Ok::<_, io::Error>(Ok((stream, certificate.identity.clone())))
    };
    let failed = match tokio::time::timeout(timeout.unwrap_or(LONGEST), shake).await {
        Ok(Ok(Ok((stream, identity)))) => {
            let connection = stream.get_ref().1;
            stats.handshake.inc();
            if connection.handshake_kind() == Some(HandshakeKind::Resumed) {
                stats.session_reused.inc();
            }
            let session = Session::of_server(connection, identity, &server.verifier);
            // A session that is taken up again is not checked again: a certificate may have expired since.
            if session.peer.as_ref().is_some_and(|p| p.facts.not_after < now()) {
                stats.connection_error.inc();
                return Err(String::new());
            }
            if session.peer.is_none() {
                stats.no_certificate.inc();
            }
            return Ok((Box::new(stream), session));
        }
        Ok(Ok(Err(plaintext))) => {
            stats.connection_error.inc();
            return Err(plaintext);
        }
        Ok(Err(e)) => e,
        Err(_) => return Err(String::new()),
    };
    stats.connection_error.inc();
    let Some(e) = reason::error(&failed) else { return Err(String::new()) };
    stats.count(reason::kind(e));
    Err(reason::words(e))
}

/// Seconds since 1970-01-01T00:00:00Z.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_secs()).ok()).unwrap_or(0)
}
