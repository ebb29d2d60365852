//! Peers tell each other in headers who they are (`istio.metadata_exchange`); applications see none of it.

use super::peer::{LONGEST, Peer};
use crate::http::exchange::Exchange;
use crate::http::head::names::{PEER_METADATA, PEER_METADATA_ID};
use crate::message::HeaderMap;
use http::HeaderValue;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::sync::Arc;

/// Peers that one worker has heard of, by what they said.
#[derive(Default)]
pub struct Heard(RefCell<FxHashMap<HeaderValue, Option<Arc<Peer>>>>);

/// What was said is kept so often, and then forgotten.
const MOST: usize = 1000;

impl Heard {
    fn peer(&self, said: &HeaderValue) -> Option<Arc<Peer>> {
        if said.len() > LONGEST {
            return None;
        }
        let mut known = self.0.borrow_mut();
        if let Some(peer) = known.get(said) {
            return peer.clone();
        }
        if known.len() >= MOST {
            known.clear();
        }
        let peer = Peer::of_header(said).map(Arc::new);
        // A value keeps all of the head that it came in: what is remembered is a copy.
        if let Ok(own) = HeaderValue::from_bytes(said.as_bytes()) {
            known.insert(own, peer.clone());
        }
        peer
    }
    /// Takes away what a peer said of itself.
    fn take(&self, headers: &mut HeaderMap) -> (bool, Option<Arc<Peer>>) {
        let id = headers.remove(PEER_METADATA_ID);
        let said = headers.remove(PEER_METADATA);
        (id.is_some() || said.is_some(), said.and_then(|s| self.peer(&s)))
    }
}

fn tell(exchange: &Exchange, headers: &mut HeaderMap) {
    let own = &exchange.connection.worker().shared.own;
    headers.insert(PEER_METADATA_ID, own.id.clone());
    headers.insert(PEER_METADATA, own.metadata.clone());
}

/// A client's request came.
pub fn hear_client(exchange: &mut Exchange) {
    if exchange.connection.manager.telemetry.exchanges_downstream {
        let worker = exchange.connection.worker().clone();
        (exchange.client_asked, exchange.peer) = worker.heard.take(&mut exchange.headers);
    }
}

/// Whether upstreams are told who asks.
pub fn tells_upstream(exchange: &Exchange) -> bool {
    exchange.connection.manager.telemetry.exchanges_upstream
}

/// A request goes to an upstream that is told who asks.
pub fn tell_upstream(exchange: &Exchange, headers: &mut HeaderMap) {
    tell(exchange, headers);
}

/// An upstream's answer came.
pub fn hear_upstream(exchange: &mut Exchange, headers: &mut HeaderMap) {
    if exchange.connection.manager.telemetry.exchanges_upstream {
        let worker = exchange.connection.worker().clone();
        exchange.peer = worker.heard.take(headers).1;
    }
}

/// An answer goes to a client: one that said who it is is told who answers.
pub fn tell_client(exchange: &Exchange, headers: &mut HeaderMap) {
    if exchange.client_asked {
        tell(exchange, headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn what_was_heard_keeps_nothing_of_the_message_it_came_in() {
        let (heard, head) = (Heard::default(), Bytes::from(vec![b'A'; 60_000]));
        let value = |from: Bytes| HeaderValue::from_maybe_shared(from).expect("a value");
        heard.peer(&value(head.slice(..100)));
        heard.peer(&value(head.slice(..LONGEST + 1)));
        assert_eq!(heard.0.borrow().keys().map(HeaderValue::len).collect::<Vec<_>>(), [100]);
        assert!(head.is_unique(), "the whole head is kept");
    }
}
