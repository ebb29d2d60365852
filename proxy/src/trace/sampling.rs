//! Which requests are told of. The decision stands in `x-request-id`, so that every proxy on a request's way makes the same one.

use super::config::Tracing;
use crate::message::HeaderMap;
use http::{HeaderName, HeaderValue};

/// Why a request is told of, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    NotTraceable,
    Sampling,
    /// `x-envoy-force-trace`
    ServiceForced,
    /// `x-client-trace-id`
    ClientForced,
}

/// The 14th digit of a UUID, which is otherwise its version, 4.
const PLACE: usize = 14;
const LENGTH: usize = 36;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CLIENT_TRACE_ID: HeaderName = HeaderName::from_static("x-client-trace-id");
const FORCE: HeaderName = HeaderName::from_static("x-envoy-force-trace");

impl Reason {
    pub fn is_traced(self) -> bool {
        self != Reason::NotTraceable
    }
    fn digit(self) -> u8 {
        match self {
            Reason::NotTraceable => b'4',
            Reason::Sampling => b'9',
            Reason::ServiceForced => b'a',
            Reason::ClientForced => b'b',
        }
    }
}

fn id(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(REQUEST_ID).map(HeaderValue::as_bytes)
}

fn read(headers: &HeaderMap) -> Reason {
    match id(headers).filter(|id| id.len() == LENGTH).map(|id| id[PLACE]) {
        Some(b'9') => Reason::Sampling,
        Some(b'a') => Reason::ServiceForced,
        Some(b'b') => Reason::ClientForced,
        _ => Reason::NotTraceable,
    }
}

/// Writes a reason into the id, where it is a UUID.
pub fn write(headers: &mut HeaderMap, reason: Reason) {
    let Some(mut bytes) = id(headers).filter(|id| id.len() == LENGTH).map(<[u8]>::to_vec) else { return };
    if bytes[PLACE] != reason.digit() {
        bytes[PLACE] = reason.digit();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.insert(REQUEST_ID, value);
        }
    }
}

/// Whether and why a request is told of.
pub fn decide(tracing: &Tracing, packs_reason: bool, by_id: bool, headers: &mut HeaderMap) -> Reason {
    if !by_id {
        return Reason::Sampling;
    }
    // The first eight digits are the lot.
    let lot = id(headers).and_then(|id| id.get(..8)).and_then(|d| u64::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
    let Some(lot) = lot.map(|n| n % 10_000) else { return Reason::NotTraceable };
    let before = read(headers);
    let mut reason = before;
    if reason == Reason::NotTraceable {
        if headers.contains_key(CLIENT_TRACE_ID) && tracing.client_percent > 0 && lot % 100 < tracing.client_percent {
            reason = Reason::ClientForced;
        } else if headers.contains_key(FORCE) {
            reason = Reason::ServiceForced;
        } else if lot < tracing.random {
            reason = Reason::Sampling;
        }
    }
    if reason.is_traced() && lot >= tracing.overall {
        reason = Reason::NotTraceable;
    }
    if packs_reason && reason != before {
        write(headers, reason);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(tracing: &Tracing, id: &'static str, more: &[&'static str]) -> (Reason, String) {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static(id));
        more.iter().for_each(|name| headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1")));
        let reason = decide(tracing, true, true, &mut headers);
        (reason, headers.get(REQUEST_ID).expect("an id").to_str().expect("a text").to_owned())
    }

    #[test]
    fn the_id_decides_and_tells() {
        // 0x1000 is 4096.
        const ID: &str = "00001000-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
        let all = Tracing::default();
        let (none, some, cut) =
            (Tracing { random: 0, ..Tracing::default() }, Tracing { random: 4096, ..Tracing::default() }, Tracing { overall: 4096, ..Tracing::default() });
        assert_eq!(decided(&all, ID, &[]), (Reason::Sampling, ID.replace("-4a", "-9a")));
        assert_eq!(decided(&none, ID, &[]), (Reason::NotTraceable, ID.to_owned()));
        assert_eq!(decided(&Tracing { random: 4097, ..Tracing::default() }, ID, &[]).0, Reason::Sampling);
        assert_eq!(decided(&some, ID, &[]).0, Reason::NotTraceable);
        assert_eq!(decided(&none, ID, &["x-client-trace-id"]), (Reason::ClientForced, ID.replace("-4a", "-ba")));
        assert_eq!(decided(&none, ID, &["x-envoy-force-trace"]), (Reason::ServiceForced, ID.replace("-4a", "-aa")));
        assert_eq!(decided(&none, "00001000-aaaa-9aaa-8aaa-aaaaaaaaaaaa", &[]).0, Reason::Sampling, "an earlier proxy decided");
        assert_eq!(decided(&cut, "00001000-aaaa-9aaa-8aaa-aaaaaaaaaaaa", &[]), (Reason::NotTraceable, ID.to_owned()));
        assert_eq!(decided(&all, "no uuid!", &[]).0, Reason::NotTraceable);
        assert_eq!(decided(&all, "00001000", &[]), (Reason::Sampling, "00001000".to_owned()), "too short for a note");
    }
}
