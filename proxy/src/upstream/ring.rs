//! Consistent hashing (`RING_HASH`): each host stands on a ring at many places, and a request goes to the first one after its
//! own hash. Places and hashes are Envoy's (xxHash64), so that both send a client to the same host.

use super::host::Host;
use std::sync::Arc;
use twox_hash::XxHash64;

/// How large rings are (`ring_hash_lb_config`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub min: u64,
    pub max: u64,
}

impl Default for Size {
    fn default() -> Size {
        Size { min: 1024, max: 8 << 20 }
    }
}

/// Hosts by their places; sorted.
#[derive(Debug, Default)]
pub struct Ring(Vec<(u64, Arc<Host>)>);

impl Ring {
    /// Every host has places in proportion to its weight; the lightest one has a whole number of them.
    pub fn new(members: &[(Arc<Host>, u64)], size: Size) -> Ring {
        let total: u64 = members.iter().map(|(_, w)| w).sum();
        let Some(lightest) = members.iter().map(|(_, w)| *w).filter(|w| *w > 0).min() else { return Ring::default() };
        let share = |weight: u64| weight as f64 / total as f64;
        let scale = ((share(lightest) * size.min as f64).ceil() / share(lightest)).min(size.max as f64);
        let mut out = Vec::with_capacity(scale.ceil() as usize);
        let (mut placed, mut due) = (0.0, 0.0);
        for (host, weight) in members {
            due += scale * share(*weight);
            let mut i = 0u64;
            while placed < due {
                out.push((XxHash64::oneshot(0, format!("{}_{i}", host.label).as_bytes()), host.clone()));
                i += 1;
                placed += 1.0;
            }
        }
        out.sort_by_key(|(hash, _)| *hash);
        Ring(out)
    }
    /// The host for a hash; for later tries the ones after it.
    pub fn at(&self, hash: u64, attempt: u32) -> Option<&Arc<Host>> {
        let first = self.0.partition_point(|(place, _)| *place < hash);
        let at = first.checked_add(attempt as usize)?.checked_rem(self.0.len())?;
        self.0.get(at).map(|(_, host)| host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn members(weights: &[u64]) -> Vec<(Arc<Host>, u64)> {
        weights.iter().enumerate().map(|(i, w)| (Arc::new(Host::new(&format!("10.0.0.{i}:80"), "", "", None)), *w)).collect()
    }
    fn places(ring: &Ring) -> BTreeMap<&str, usize> {
        ring.0.iter().fold(BTreeMap::new(), |mut all, (_, host)| {
            *all.entry(&*host.label).or_default() += 1;
            all
        })
    }

    #[test]
    fn hosts_have_places_in_proportion_to_their_weight() {
        let size = Size { min: 12, max: 100 };
        assert_eq!(places(&Ring::new(&members(&[1, 1, 1]), size)), BTreeMap::from([("10.0.0.0:80", 4), ("10.0.0.1:80", 4), ("10.0.0.2:80", 4)]));
        assert_eq!(places(&Ring::new(&members(&[1, 3]), size)), BTreeMap::from([("10.0.0.0:80", 3), ("10.0.0.1:80", 9)]));
        assert!(Ring::new(&[], size).at(7, 0).is_none());
    }

    #[test]
    fn most_hashes_keep_their_host_when_another_one_leaves() {
        let all = members(&[1, 1, 1, 1]);
        let (before, after) = (Ring::new(&all, Size::default()), Ring::new(&all[..3], Size::default()));
        let moved = (0..1000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).filter(|h| {
            let (a, b) = (before.at(*h, 0).expect("a host"), after.at(*h, 0).expect("a host"));
            *a.label != *b.label && &*a.label != "10.0.0.3:80"
        });
        // Those that are left have more places than before.
        let moved = moved.count();
        assert!(moved < 200, "{moved} of 1000");
        assert!(before.at(u64::MAX, 5).is_some());
    }
}
