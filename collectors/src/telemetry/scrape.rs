//! Proxies without a Prometheus: pages of metrics scraped twice make rates.

use super::pages::{self, Pair, Saved};
use super::series::Recording;
use crate::dumps::admin::{Admin, AdminError, Options};
use crate::dumps::{Endpoint, Page};
use mesh_metrics::series::{Limits, Store};
use std::fmt;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A page of metrics on a port: a sidecar's, a gateway's, a waypoint's, ztunnel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    endpoint: Endpoint,
    path: String,
}

/// The page of Envoy and of Istio's agent.
const PAGE: &str = "/stats/prometheus";
/// Targets that are asked at once.
const AT_ONCE: usize = 8;

impl Target {
    /// `http://host:15020/stats/prometheus`, `http://host:15020` for the same, or `unix:PATH`; none for any other word.
    pub fn parse(text: &str) -> Option<Result<Target, String>> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(if path.is_empty() {
                Err("unix: takes the path of a socket".to_owned())
            } else {
                Ok(Target { endpoint: Endpoint::Unix(path.into()), path: PAGE.to_owned() })
            });
        }
        let (scheme, rest) = text.split_once("://")?;
        let place = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(place);
        if !matches!(scheme, "http" | "https") || authority.is_empty() || authority.contains('@') || path.contains('#') {
            return Some(Err("a page of metrics is named as http://host:15020/stats/prometheus, without a user".to_owned()));
        }
        let path = if matches!(path, "" | "/") { PAGE.to_owned() } else { path.to_owned() };
        Some(Ok(Target { endpoint: Endpoint::Url(format!("{scheme}://{authority}")), path }))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold what is nobody's business.
        write!(f, "{}{}", self.endpoint, self.path.split('?').next().unwrap_or(""))
    }
}

/// A page and when it had arrived.
pub type Answer = Result<(String, Instant), AdminError>;

/// Scrapes all targets, waits, and scrapes them again. What did not answer is a problem; the first error is returned where
/// nothing did.
pub async fn scrape(targets: &[Target], interval: Duration, options: Options) -> Result<Recording, AdminError> {
    let mut targets: Vec<Target> = targets.to_vec();
    let mut seen = Vec::new();
    targets.retain(|t| {
        let is_new = !seen.contains(t);
        seen.push(t.clone());
        is_new
    });
    let before = round(&targets, options).await;
    if let Some(Err(error)) = before.first()
        && before.iter().all(Result::is_err)
    {
        return Err(error.clone());
    }
    tokio::time::sleep(interval).await;
    let after = round(&targets, options).await;
    let seconds = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX);
    let mut recording = Recording { store: Store::new(Limits::default()), over: Some(seconds), ..Recording::default() };
    for (target, pair) in targets.iter().zip(before.into_iter().zip(after)) {
        match pair {
            (Ok((old, then)), Ok((new, now))) => {
                let name = target.to_string();
                let (before, after) = (Saved { name: &name, bytes: old.as_bytes() }, Saved { name: &name, bytes: new.as_bytes() });
                // The time that really passed: answers may be slow.
                let between = now.duration_since(then).as_secs_f64();
                recording.problems.extend(pages::add(&mut recording.store, &[Pair { before, after }], between));
            }
            (Err(error), _) | (_, Err(error)) => recording.problems.push(error.to_string()),
        }
    }
    Ok(recording)
}

/// Each target's page, in their order.
pub async fn round(targets: &[Target], options: Options) -> Vec<Answer> {
    let mut waiting = targets.iter().cloned().enumerate();
    let mut running = JoinSet::new();
    let mut answers: Vec<Option<Answer>> = targets.iter().map(|_| None).collect();
    loop {
        while running.len() < AT_ONCE
            && let Some((index, target)) = waiting.next()
        {
            running.spawn(async move { (index, page(&target, options).await) });
        }
        let Some(Ok((index, answer))) = running.join_next().await else { break };
        answers[index] = Some(answer);
    }
    answers.into_iter().flatten().collect()
}

/// One target's page.
pub async fn once(target: &Target, options: Options) -> Result<Page, AdminError> {
    Admin::new(&target.endpoint, options)?.get(&target.path, &[]).await
}

async fn page(target: &Target, options: Options) -> Answer {
    Ok((once(target, options).await?.text, Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_by_their_spelling() {
        let shown = |text: &str| Target::parse(text).map(|t| t.map(|t| t.to_string()));
        assert_eq!(shown("http://a:15020"), Some(Ok("http://a:15020/stats/prometheus".to_owned())));
        assert_eq!(shown("https://a/metrics?x=s3cret"), Some(Ok("https://a/metrics".to_owned())));
        assert_eq!(shown("unix:///run/a.sock"), Some(Ok("unix:/run/a.sock/stats/prometheus".to_owned())));
        assert_eq!(shown("mesh.json"), None);
        for wrong in ["http://u:p@a:1", "ftp://a", "http://", "unix:"] {
            assert!(matches!(shown(wrong), Some(Err(_))), "{wrong}");
        }
    }
}
