//! The proxies' pages, scraped into a store that answers as Prometheus does.

use crate::mesh::{NAMESPACE, Workload};
use mesh_collectors::dumps::admin::Options as Patience;
use mesh_collectors::telemetry::scrape::{self, Target as Page};
use mesh_collectors::telemetry::serve;
use mesh_metrics::promql::Options;
use mesh_metrics::series::{Limits, Store, Target};
use mesh_metrics::text::scan;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const INTERVAL: Duration = Duration::from_secs(1);
/// An hour of a demo.
const LIMITS: Limits = Limits { series: 50_000, retention: 3600 * 1000, samples: 3600 };

/// Waits until proxies have their configuration. Returns those that have not.
pub async fn ready(pages: &[(&'static Workload, SocketAddr)], within: Duration) -> Vec<&'static str> {
    let end = Instant::now() + within;
    let mut waiting: Vec<_> = pages.to_vec();
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
    waiting.into_iter().map(|(w, _)| w.name).collect()
}

/// Scrapes and answers until the runtime ends.
pub async fn run(pages: Vec<(&'static Workload, SocketAddr)>, socket: std::net::TcpListener) {
    let store = Arc::new(RwLock::new(Store::new(LIMITS)));
    let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
    tokio::spawn(serve::serve(listener, store.clone(), Options::default(), serve::Limits::default()));
    let mut targets: Vec<(Page, Target)> =
        pages.iter().filter_map(|(w, admin)| Some((Page::parse(&format!("http://{admin}"))?.ok()?, target(w, *admin)))).collect();
    let mut turns = tokio::time::interval(INTERVAL);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        for (page, target) in &mut targets {
            let got = scrape::once(page, Patience::default()).await;
            let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
            let mut store = store.write().unwrap_or_else(PoisonError::into_inner);
            match got {
                Ok(got) => drop(target.ingest(&mut store, &scan(got.text.as_bytes()), at)),
                Err(_) => target.failed(&mut store, at),
            }
        }
    }
}

fn target(w: &Workload, admin: SocketAddr) -> Target {
    let pairs = [("job", "mesh-proxy".to_owned()), ("instance", admin.to_string()), ("namespace", NAMESPACE.to_owned()), ("pod", w.name.to_owned())];
    Target::new(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}
