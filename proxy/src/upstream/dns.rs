//! Clusters whose hosts are names (`STRICT_DNS`): every address of every name is a host.

use super::cluster::Runtime;
use mesh_envoy::engine::pick::Assignment;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

/// Resolves a cluster's names again and again, until the cluster is gone.
pub async fn follow(watched: Weak<Runtime>) {
    let Some(config) = watched.upgrade().map(|r| r.config.clone()) else { return };
    let Some(own) = config.engine.own().cloned() else { return };
    let mut last: Option<Vec<(usize, Vec<SocketAddr>)>> = None;
    loop {
        let mut found = Vec::new();
        for (i, endpoint) in own.endpoints.iter().enumerate() {
            // A name that can't be resolved keeps the addresses that it had.
            match tokio::net::lookup_host(&*endpoint.address).await {
                Ok(addresses) => {
                    let mut list: Vec<SocketAddr> = addresses.collect();
                    list.sort_unstable();
                    list.dedup();
                    found.push((i, list));
                }
                Err(_) => found.push((i, last.as_ref().and_then(|l| l.get(i)).map(|(_, a)| a.clone()).unwrap_or_default())),
            }
        }
        if last.as_ref() != Some(&found) {
            let Some(runtime) = watched.upgrade() else { return };
            runtime.replace(Arc::new(resolved(&own, &found)));
            last = Some(found);
        }
        tokio::time::sleep(config.dns_refresh).await;
        if watched.strong_count() == 0 {
            return;
        }
    }
}

/// An endpoint for each address, with all that configuration says of the name.
fn resolved(own: &Assignment, found: &[(usize, Vec<SocketAddr>)]) -> Assignment {
    let mut out = own.clone();
    out.endpoints.clear();
    for (i, addresses) in found {
        for address in addresses {
            let mut endpoint = own.endpoints[*i].clone();
            if endpoint.hostname.is_empty() {
                endpoint.hostname = endpoint.address.rsplit_once(':').map_or(&*endpoint.address, |(name, _)| name).into();
            }
            endpoint.address = address.to_string().into();
            out.endpoints.push(endpoint);
        }
    }
    out
}
