//! Clusters whose hosts are names (`STRICT_DNS`): every address of every name is a host.

use super::cluster::Runtime;
use mesh_envoy::engine::pick::Assignment;
use std::net::SocketAddr;
use std::sync::Arc;

/// Resolves a cluster's names again and again.
pub async fn follow(runtime: Arc<Runtime>) {
    let Some(own) = runtime.config.engine.own().cloned() else { return };
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
            runtime.replace(resolved(&own, &found));
            last = Some(found);
        }
        tokio::time::sleep(runtime.config.dns_refresh).await;
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
