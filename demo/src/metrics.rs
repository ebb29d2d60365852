//! The proxies' pages, scraped into a store that answers as Prometheus does.

use crate::proxies::{Page as Proxy, Proxies};
use crate::workload::Workload;
use mesh_collectors::dumps::admin::Options as Patience;
use mesh_collectors::telemetry::scrape::{self, Target as Page};
use mesh_collectors::telemetry::serve;
use mesh_metrics::promql::Options;
use mesh_metrics::series::{Limits, Store, Target};
use mesh_metrics::text::scan;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How a mesh is measured.
struct Measure {
    interval: Duration,
    limits: Limits,
    /// Only what begins so is kept.
    prefix: &'static str,
}

/// An hour of a small mesh, each second, with all that its proxies tell.
const SMALL: Measure = Measure { interval: Duration::from_secs(1), limits: Limits { series: 50_000, retention: 3600 * 1000, samples: 3600 }, prefix: "" };
/// A quarter of an hour of a large one, each five seconds, and of its traffic alone: a proxy has a hundred series for each service.
const LARGE: Measure = Measure { interval: Duration::from_secs(5), limits: Limits { series: 200_000, retention: 900 * 1000, samples: 180 }, prefix: "istio_" };
/// A mesh of more proxies is large.
const MANY: usize = 40;

impl Measure {
    fn of(proxies: usize) -> Measure {
        if proxies > MANY { LARGE } else { SMALL }
    }
    /// The lines of a page that are kept.
    fn kept<'p>(&self, page: &'p str) -> Cow<'p, str> {
        if self.prefix.is_empty() {
            return Cow::Borrowed(page);
        }
        let name = |line: &'p str| line.strip_prefix("# TYPE ").or_else(|| line.strip_prefix("# HELP ")).unwrap_or(line);
        let lines = page.split_inclusive('\n').filter(|l| name(l).starts_with(self.prefix) || l.starts_with("# EOF"));
        Cow::Owned(lines.collect())
    }
}

/// Waits until proxies have their configuration. Returns those that have not.
pub async fn ready(pages: Vec<Proxy>, within: Duration) -> Vec<String> {
    let end = Instant::now() + within;
    let mut waiting = pages;
    while !waiting.is_empty() && Instant::now() < end {
        let mut late = Vec::new();
        for (w, admin) in waiting {
            // The answer is 503 until it is LIVE.
            let got = crate::apps::ask(admin, "localhost", "/ready", &http::HeaderMap::new()).await;
            if !matches!(got, Ok((200, _))) {
                late.push((w, admin));
            }
        }
        waiting = late;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    waiting.into_iter().map(|(w, _)| w.name.clone()).collect()
}

/// Scrapes the proxies that there are, and answers, until the runtime ends.
pub async fn run(proxies: Arc<Proxies>, socket: std::net::TcpListener) {
    let measure = Measure::of(proxies.pages().len());
    let store = Arc::new(RwLock::new(Store::new(measure.limits)));
    let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
    tokio::spawn(serve::serve(listener, store.clone(), Options::default(), serve::Limits::default()));
    let mut targets: BTreeMap<SocketAddr, (Page, Target)> = BTreeMap::new();
    let mut turns = tokio::time::interval(measure.interval);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let pages = proxies.pages();
        targets.retain(|at, _| pages.iter().any(|(_, admin)| admin == at));
        for (w, admin) in pages {
            if let (false, Some(Ok(page))) = (targets.contains_key(&admin), Page::parse(&format!("http://{admin}"))) {
                targets.insert(admin, (page, target(&w, admin)));
            }
        }
        for (page, target) in targets.values_mut() {
            let got = scrape::once(page, Patience::default()).await;
            let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
            let mut store = store.write().unwrap_or_else(PoisonError::into_inner);
            match got {
                Ok(got) => drop(target.ingest(&mut store, &scan(measure.kept(&got.text).as_bytes()), at)),
                Err(_) => target.failed(&mut store, at),
            }
        }
    }
}

fn target(w: &Workload, admin: SocketAddr) -> Target {
    let pairs = [("job", "mesh-proxy".to_owned()), ("instance", admin.to_string()), ("namespace", w.namespace.clone()), ("pod", w.name.clone())];
    // Its proxies began with the demo.
    Target::new(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()).counting_from_zero()
}

#[cfg(test)]
mod tests {
    use super::Measure;

    #[test]
    fn of_a_large_mesh_its_traffic_is_kept() {
        let page = "# TYPE envoy_x counter\nenvoy_x 1\n# TYPE istio_requests_total counter\nistio_requests_total{a=\"istio_\"} 2\nx{y=\"istio_\"} 1\n";
        assert_eq!(Measure::of(8).kept(page), page);
        assert_eq!(Measure::of(200).kept(page), "# TYPE istio_requests_total counter\nistio_requests_total{a=\"istio_\"} 2\n");
    }
}
