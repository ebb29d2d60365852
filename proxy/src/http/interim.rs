//! Where answers before the answer (RFC 9110 §15.2) go.

use super::head::{Upgrades, strip_hop_by_hop};
use super::spelling::{Names, Spelling};
use super::wire::Wire;
use crate::config::header_format::Format;
use crate::http2::answer::Respond;
use crate::message::HeaderMap;
use http::StatusCode;
use std::rc::Rc;
use std::sync::Arc;

/// The client of one request.
#[derive(Clone)]
pub enum Interim {
    /// Its connection has one request at a time.
    Http1(Arc<Wire>, Format),
    Http2(Rc<Respond>),
}

impl Interim {
    /// Sends that of an upstream, which wrote names of headers so.
    pub fn forward(&self, status: StatusCode, headers: &HeaderMap, names: Option<&Names>) {
        match self {
            Interim::Http1(wire, format) => wire.forward(status, headers, Spelling::of(names, *format)),
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
            Interim::Http1(wire, _) => wire.continues(),
            Interim::Http2(respond) => respond.interim(StatusCode::CONTINUE, HeaderMap::new()),
        }
    }
}
