//! Clusters whose hosts are names (`STRICT_DNS`): every address of every name is a host.

use super::cluster::Runtime;
use crate::config::cluster::Family;
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
                    let mut list = of_family(config.dns.family, addresses.collect());
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
        tokio::time::sleep(config.dns.refresh + config.dns.jitter.mul_f64(fastrand::f64())).await;
        if watched.strong_count() == 0 {
            return;
        }
    }
}

/// Those addresses that are to be used.
fn of_family(family: Family, mut all: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let has = |v4: bool| all.iter().any(|a| a.is_ipv4() == v4);
    let v4 = match family {
        Family::All => return all,
        Family::V4Only => true,
        Family::V6Only => false,
        Family::V4Preferred => has(true),
        Family::Auto => !has(false),
    };
    all.retain(|a| a.is_ipv4() == v4);
    all
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_family_that_is_asked_for() {
        let (v4, v6): (SocketAddr, SocketAddr) = (([10, 0, 0, 1], 80).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 80).into());
        let of = |family, all: &[SocketAddr]| of_family(family, all.to_vec());
        assert_eq!(of(Family::V4Only, &[v6, v4]), [v4]);
        assert_eq!(of(Family::V4Only, &[v6]), []);
        assert_eq!(of(Family::V6Only, &[v6, v4]), [v6]);
        assert_eq!(of(Family::V4Preferred, &[v6, v4]), [v4]);
        assert_eq!(of(Family::V4Preferred, &[v6]), [v6]);
        assert_eq!(of(Family::Auto, &[v4, v6]), [v6]);
        assert_eq!(of(Family::Auto, &[v4]), [v4]);
        assert_eq!(of(Family::All, &[v4, v6]), [v4, v6]);
    }
}
