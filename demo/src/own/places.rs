//! Where a program sends what it asks for: to a listener of its sidecar. One in this process is looked at; one with a process of its
//! own is asked.

use super::app;
use crate::proxies::Proxies;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An answer counts for so long.
const FRESH: Duration = Duration::from_secs(1);

/// What proxies with processes of their own have answered, by `NAME.NAMESPACE`.
#[derive(Debug, Default)]
pub struct Places(Mutex<BTreeMap<String, Known>>);

#[derive(Clone, Debug)]
struct Known {
    /// Another port is another proxy.
    admin: SocketAddr,
    at: Instant,
    listeners: BTreeMap<String, SocketAddr>,
}

impl Places {
    /// The first of some listeners that a workload's proxy has.
    pub async fn listener(&self, proxies: &Proxies, id: &str, names: &[&str]) -> Option<SocketAddr> {
        let Some(admin) = proxies.apart_at(id) else { return proxies.listener(id, names) };
        let find = |listeners: &BTreeMap<String, SocketAddr>| names.iter().find_map(|n| listeners.get(*n)).copied();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).filter(|k| k.admin == admin).cloned();
        if let Some(known) = known.as_ref().filter(|k| k.at.elapsed() < FRESH) {
            return find(&known.listeners);
        }
        let listeners = match app::json(admin, "/listeners?format=json").await {
            Ok(page) => read(&page),
            // One that is gone is missed where it would be called.
            Err(_) => known.map(|k| k.listeners).unwrap_or_default(),
        };
        let found = find(&listeners);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), Known { admin, at: Instant::now(), listeners });
        found
    }
}

/// Envoy's page of listeners.
fn read(page: &Value) -> BTreeMap<String, SocketAddr> {
    let one = |l: &Value| {
        let socket = &l["local_address"]["socket_address"];
        let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
        Some((l["name"].as_str()?.to_owned(), SocketAddr::new(socket["address"].as_str()?.parse().ok()?, port)))
    };
    page["listener_statuses"].as_array().into_iter().flatten().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_listeners_says_where_each_is() {
        let page = serde_json::json!({"listener_statuses": [
            {"name": "0.0.0.0_80", "local_address": {"socket_address": {"address": "127.22.0.1", "port_value": 10080}}},
            {"name": "pipe", "local_address": {"pipe": {"path": "/x"}}},
        ]});
        assert_eq!(read(&page), BTreeMap::from([("0.0.0.0_80".to_owned(), SocketAddr::from(([127, 22, 0, 1], 10080)))]));
    }
}
