//! Clients that speak HTTP/1.0: what of later versions means nothing there, and whether their connections stay.

use super::head::names;
use crate::message::{HeaderMap, Response};
use http::header::{self, HeaderValue};
use http::{StatusCode, Version};
use http_body::Body;

/// What the connection of an old client is to do behind its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// The client asked for it.
    Open,
    Nothing,
}

/// Where both words are said, the one that ends the connection counts.
pub fn keeps(headers: &HeaderMap) -> Keeps {
    let says = |word: &str| {
        let words = headers.get_all(header::CONNECTION).flat_map(|v| v.as_bytes().split(|b| *b == b','));
        words.map(<[u8]>::trim_ascii).any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
    };
    if says("keep-alive") && !says("close") { Keeps::Open } else { Keeps::Nothing }
}

/// Takes away what such a client can't ask for (RFC 9110 §7.8 and §10.1.1): another protocol, and an answer before the answer.
pub fn forget_what_is_new(headers: &mut HeaderMap) {
    for name in [header::UPGRADE, header::EXPECT, names::HELD_EXPECT] {
        headers.remove(name);
    }
}

/// Says whether the connection ends: a body without a length has no other end. hyper goes by what is said to this version.
pub fn finish<B: Body>(answer: &mut Response<B>, keeps: Keeps) {
    let is_delimited = answer.headers.contains_key(header::CONTENT_LENGTH)
        || answer.body.is_end_stream() && matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || answer.body.size_hint().exact().is_some_and(|n| n > 0);
    let closes = answer.headers.get(header::CONNECTION).is_some_and(|v| v == "close");
    let word = if keeps == Keeps::Nothing || !is_delimited || closes { "close" } else { "keep-alive" };
    answer.headers.insert(header::CONNECTION, HeaderValue::from_static(word));
    answer.version = Version::HTTP_10;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_where_that_is_asked_for() {
        let of = |values: &[&'static str]| {
            let headers: HeaderMap = values.iter().map(|v| (header::CONNECTION, HeaderValue::from_static(v))).collect();
            keeps(&headers)
        };
        assert_eq!([of(&["Keep-Alive"]), of(&["x , keep-alive"]), of(&["x", "keep-alive"])], [Keeps::Open; 3]);
        assert_eq!([of(&[]), of(&["x"]), of(&["keep-alive, close"]), of(&["keep-alive", "Close"])], [Keeps::Nothing; 4]);
    }
}
