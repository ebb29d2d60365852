//! Steps in words.

use crate::engine::action::Forward;
use crate::engine::gate::Decision;
use crate::engine::request::Request;

pub(super) fn judged(decision: Decision<'_>) -> String {
    match (decision.allowed, decision.policy) {
        (true, Some(p)) => format!("allowed by {p}"),
        (true, None) => "allowed: no policy denies it".to_owned(),
        (false, Some(p)) => format!("denied by {p}"),
        (false, None) => "denied: no policy allows it".to_owned(),
    }
}

pub(super) fn asks_for_upgrade(request: &Request<'_>) -> bool {
    request.header("connection", 0).is_some_and(|c| c.split(',').any(|w| w.trim().eq_ignore_ascii_case("upgrade")))
}

/// What a forwarding route does, in words.
pub(super) fn described(f: &Forward, clusters: &[(String, u64)], upstream: Option<&(String, String)>, request: &Request<'_>) -> String {
    let mut parts: Vec<String> = match clusters {
        [(name, _)] => vec![name.clone()],
        list => vec![list.iter().map(|(n, s)| format!("{}% {n}", *s as f64 / 10_000.0)).collect::<Vec<_>>().join(", ")],
    };
    if let Some((host, path)) = upstream {
        if host != request.authority {
            parts.push(format!("host becomes {host}"));
        }
        if path != request.path {
            parts.push(format!("path becomes {path}"));
        }
    }
    parts.extend(f.timeout.map(|t| format!("timeout {t:?}")));
    if let Some(retry) = f.retry.as_ref().filter(|r| r.times > 0 && !r.on.is_empty()) {
        parts.push(format!("{} retries on {}", retry.times, retry.on));
    }
    for mirror in &f.mirrors {
        let share = mirror.fraction.map(|s| format!("{s} of requests ")).unwrap_or_default();
        parts.push(format!("{share}mirrored to {}", mirror.cluster));
    }
    parts.join("; ")
}
