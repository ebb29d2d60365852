//! Where answers before the answer (RFC 9110 §15.2) go.

use super::head::{Upgrades, strip_hop_by_hop};
use super::wire::Wire;
use crate::http2::answer::Respond;
use crate::message::HeaderMap;
use http::StatusCode;
use std::rc::Rc;
use std::sync::Arc;

/// The client of one request.
#[derive(Clone)]
pub enum Interim {
    /// Its connection has one request at a time.
    Http1(Arc<Wire>),
    Http2(Rc<Respond>),
}

impl Interim {
    /// Sends that of an upstream.
    pub fn forward(&self, status: StatusCode, headers: &HeaderMap) {
        match self {
            Interim::Http1(wire) => wire.forward(status, headers),
            Interim::Http2(respond) => {
                let mut headers = headers.clone();
                strip_hop_by_hop(&mut headers, Upgrades::No);
                respond.interim(status, headers);
            }
        }
    }
    /// The client may send what it waits with.
    pub fn continues(&self) {
        match self {
            Interim::Http1(wire) => wire.continues(),
            Interim::Http2(respond) => respond.interim(StatusCode::CONTINUE, HeaderMap::new()),
        }
    }
}
