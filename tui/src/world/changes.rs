//! What changed within the hour before: objects that were made, calls that came, went, or go otherwise than then.

use super::traffic::{Call, Key, Traffic};
use crate::graph::Health;
use crate::graph::flow::{milliseconds, percent};
use std::collections::BTreeMap;

/// How far one looks back, in seconds.
pub const HOUR: i64 = 3600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it means for who is called.
    pub health: Health,
    /// When, where that is known: seconds since the epoch.
    pub at: Option<i64>,
    pub subject: String,
    pub text: String,
    /// The node to look at.
    pub node: Option<Key>,
}

/// Shares of errors that differ by less, in percent, and rates and latencies by a smaller factor are chance.
const POINTS: f64 = 1.0;
const FACTOR: f64 = 2.0;
/// Fewer requests a second and shorter times, in milliseconds, say nothing.
const RATE: f64 = 0.5;
const TIME: f64 = 50.0;

/// `created` are objects and the times at which they were made.
pub(super) fn changes(now: Option<&Traffic>, before: Option<&Traffic>, created: &[(i64, String)]) -> Vec<Change> {
    let mut out: Vec<Change> = created
        .iter()
        .map(|(at, object)| Change { health: Health::Ok, at: Some(*at), subject: object.clone(), text: "was made".to_owned(), node: None })
        .collect();
    out.sort_by_key(|c| std::cmp::Reverse(c.at));
    if let (Some(now), Some(before)) = (now, before) {
        let of = |t: &Traffic| -> BTreeMap<(Key, Key, String), Call> {
            t.calls.iter().filter(|c| !c.flow.is_idle()).map(|c| ((c.from.clone(), c.to.clone(), c.protocol.clone()), c.clone())).collect()
        };
        let (new, old) = (of(now), of(before));
        for (key, call) in &new {
            match old.get(key) {
                None => out.push(change(call, call.health.max(Health::Ok), format!("was not called an hour ago; now {}", call.flow.figures()))),
                Some(then) => out.extend(difference(call, then)),
            }
        }
        out.extend(
            old.iter()
                .filter(|(key, _)| !new.contains_key(*key))
                .map(|(_, call)| change(call, Health::Degraded, format!("is not called any more; an hour ago {}", call.flow.figures()))),
        );
    }
    out.sort_by_key(|c| std::cmp::Reverse(c.health));
    out
}

fn change(call: &Call, health: Health, text: String) -> Change {
    Change { health, at: None, subject: format!("{} → {}", call.from.1, call.to.1), text, node: Some(call.to.clone()) }
}

fn difference(now: &Call, then: &Call) -> Option<Change> {
    let mut texts = Vec::new();
    let mut health = Health::Ok;
    if let (Some(a), Some(b)) = (now.flow.errors(), then.flow.errors())
        && (a - b).abs() >= POINTS
    {
        texts.push(format!("{} fail, an hour ago {}", percent(a), percent(b)));
        health = if a > b { now.health.max(Health::Degraded) } else { Health::Ok };
    }
    let is_far = |a: f64, b: f64| a > b * FACTOR || b > a * FACTOR;
    let (a, b) = (now.flow.requests, then.flow.requests);
    if is_far(a, b) && a.max(b) >= RATE {
        texts.push(format!("{}, an hour ago {}", now.flow.rate(), then.flow.rate()));
    }
    if let (Some(a), Some(b)) = (now.flow.p95, then.flow.p95)
        && is_far(a, b)
        && a.max(b) >= TIME
    {
        texts.push(format!("p95 {}, an hour ago {}", milliseconds(a), milliseconds(b)));
        health = if a > b { health.max(Health::Degraded) } else { health };
    }
    (!texts.is_empty()).then(|| change(now, health, texts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Flow;

    fn traffic(calls: &[(&str, &str, f64, f64, f64)]) -> Traffic {
        let key = |name: &str| ("shop".to_owned(), name.to_owned());
        let calls = calls.iter().map(|(from, to, requests, failed, p95)| Call {
            from: key(from),
            to: key(to),
            protocol: "http".to_owned(),
            flow: Flow { requests: *requests, failed: *failed, p95: Some(*p95), ..Flow::default() },
            health: if *failed > 0.0 { Health::Failing } else { Health::Ok },
            endings: Vec::new(),
            source_principal: String::new(),
            destination_principal: String::new(),
        });
        Traffic { calls: calls.collect(), ..Traffic::default() }
    }

    #[test]
    fn what_came_went_and_differs_is_told_and_what_is_as_it_was_is_not() {
        let before = traffic(&[("a", "b", 10.0, 0.0, 20.0), ("a", "c", 10.0, 0.0, 20.0), ("a", "old", 3.0, 0.0, 20.0), ("a", "slow", 5.0, 0.0, 20.0)]);
        let now = traffic(&[("a", "b", 11.0, 0.0, 25.0), ("a", "c", 10.0, 2.0, 20.0), ("a", "new", 3.0, 0.0, 20.0), ("a", "slow", 5.0, 0.0, 200.0)]);
        let found = changes(Some(&now), Some(&before), &[(7, "VirtualService shop/c".to_owned())]);
        let lines: Vec<String> = found.iter().map(|c| format!("{} {}", c.subject, c.text)).collect();
        assert_eq!(
            lines,
            [
                "a → c 20% fail, an hour ago 0%",
                "a → slow p95 200ms, an hour ago 20ms",
                "a → old is not called any more; an hour ago 3.0/s 0%",
                "VirtualService shop/c was made",
                "a → new was not called an hour ago; now 3.0/s 0%",
            ]
        );
        assert_eq!(changes(Some(&now), None, &[]), []);
    }
}
