//! What local rate limits add to requests and answers.

use super::bucket::Tokens;
use crate::message::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use mesh_envoy::engine::gate::{AddedHeader, Append};
use std::sync::Arc;

/// Headers of configuration, ready to be put somewhere.
pub fn read(added: &[AddedHeader]) -> Vec<(HeaderName, HeaderValue, Append)> {
    let one = |a: &AddedHeader| Some((HeaderName::from_bytes(a.name.as_bytes()).ok()?, HeaderValue::from_str(&a.value).ok()?, a.append));
    added.iter().filter_map(one).collect()
}

/// Puts headers beside or in place of what is there. As in Envoy what was there before the first of them decides, and those
/// that replace something come first.
pub fn put(headers: &mut HeaderMap, list: Vec<(HeaderName, HeaderValue, Append)>) {
    let counts = |(name, _, append): &(HeaderName, HeaderValue, Append)| match append {
        Append::Always | Append::Overwrite => true,
        Append::IfAbsent => !headers.contains_key(name),
        Append::OverwriteIfExists => headers.contains_key(name),
    };
    let (replace, add): (Vec<_>, Vec<_>) =
        list.into_iter().filter(counts).partition(|(_, _, append)| matches!(append, Append::Overwrite | Append::OverwriteIfExists));
    for (name, value, _) in replace {
        headers.insert(name, value);
    }
    for (name, value, _) in add {
        headers.append(name, value);
    }
}

/// Tells a client what is left in the buckets that decided about its request (`enable_x_ratelimit_headers`). Filters see an answer
/// in reverse.
pub fn tell(buckets: &[Arc<Tokens>], headers: &mut HeaderMap) {
    for bucket in buckets.iter().rev() {
        let (left, seconds) = bucket.state();
        headers.append(HeaderName::from_static("x-ratelimit-limit"), bucket.most().into());
        headers.append(HeaderName::from_static("x-ratelimit-remaining"), left.into());
        headers.append(HeaderName::from_static("x-ratelimit-reset"), seconds.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_decides() {
        let put_in = |before: &str, list: &[(&str, Append)]| {
            let (name, mut headers) = (HeaderName::from_static("x"), HeaderMap::new());
            if !before.is_empty() {
                headers.insert(name.clone(), HeaderValue::from_str(before).expect("a value"));
            }
            put(&mut headers, list.iter().map(|(v, a)| (name.clone(), HeaderValue::from_str(v).expect("a value"), *a)).collect());
            headers.get_all(name).map(|v| v.to_str().expect("text").to_owned()).collect::<Vec<_>>().join(" ")
        };
        use Append::{Always, IfAbsent, Overwrite, OverwriteIfExists};
        assert_eq!(put_in("", &[("a", Always), ("b", IfAbsent), ("c", OverwriteIfExists)]), "a b");
        assert_eq!(put_in("", &[("a", IfAbsent), ("b", Overwrite)]), "b a");
        assert_eq!(put_in("o", &[("a", Always), ("b", IfAbsent), ("c", OverwriteIfExists)]), "c a");
    }
}
