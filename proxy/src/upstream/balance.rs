//! Load balancing: hosts in groups with their shares, and how one of a group is taken.
//!
//! The shares of priorities and localities are the engine's; within a group round robin, least request or random decides.

use super::host::Host;
use super::ring::{Ring, Size};
use crate::config::cluster::Balance;
use mesh_envoy::engine::pick::{Assignment, Cluster, Health, Pick};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

/// Hosts of one priority, one health and one locality.
#[derive(Debug)]
pub struct Group {
    priority: u64,
    /// Where its priority does not panic: there all are alike.
    is_degraded: bool,
    /// Too few of its priority are healthy: health does not count.
    panics: bool,
    share: u64,
    members: Vec<(Arc<Host>, u64)>,
    /// Whether all weights are the same.
    is_even: bool,
    total: u64,
}

/// The hosts that requests of one subset may go to.
#[derive(Debug, Default)]
pub struct Groups {
    list: Vec<Group>,
    total: u64,
    /// A ring a priority and health, each with its share; made when the first request is hashed.
    rings: OnceLock<Vec<OfPriority>>,
}

/// The ring of one priority and health.
#[derive(Debug)]
struct OfPriority {
    share: u64,
    panics: bool,
    ring: Ring,
}

/// A host that was chosen, and whether its priority panics.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'g> {
    pub host: &'g Arc<Host>,
    pub panics: bool,
}

/// What a request is hashed to, and how many hosts were passed over for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    pub hash: u64,
    pub attempt: u32,
}

/// A cluster's hosts at one time.
#[derive(Debug, Default)]
pub struct HostSet {
    pub assignment: Assignment,
    /// By address, as configuration spells it.
    pub hosts: FxHashMap<Box<str>, Arc<Host>>,
    whole: Arc<Groups>,
    /// By the labels that a route asks for.
    subsets: Mutex<BTreeMap<String, Arc<Groups>>>,
}

/// More subsets than a configuration has routes are not kept.
const MOST_SUBSETS: usize = 10_000;

impl HostSet {
    /// How many of its hosts are ejected.
    pub fn ejected(&self) -> u64 {
        self.hosts.values().filter(|h| h.ejected.load(std::sync::atomic::Ordering::Relaxed)).count() as u64
    }
    pub fn new(cluster: &Cluster, assignment: Assignment, hosts: FxHashMap<Box<str>, Arc<Host>>) -> HostSet {
        let whole = Arc::new(Groups::of(cluster, &assignment, &hosts, None));
        HostSet { assignment, hosts, whole, subsets: Mutex::default() }
    }
    pub fn groups(&self, cluster: &Cluster, subset: Option<&Value>) -> Arc<Groups> {
        let Some(subset) = subset else { return self.whole.clone() };
        let key = subset.to_string();
        let Ok(mut subsets) = self.subsets.lock() else { return self.whole.clone() };
        if let Some(found) = subsets.get(&key) {
            return found.clone();
        }
        let groups = Arc::new(Groups::of(cluster, &self.assignment, &self.hosts, Some(subset)));
        if subsets.len() < MOST_SUBSETS {
            subsets.insert(key, groups.clone());
        }
        groups
    }
}

impl Groups {
    fn of(cluster: &Cluster, assignment: &Assignment, hosts: &FxHashMap<Box<str>, Arc<Host>>, subset: Option<&Value>) -> Groups {
        let mut by_place: BTreeMap<(u64, bool, &str), Group> = BTreeMap::new();
        if let Pick::Among(candidates) = cluster.among(assignment, subset) {
            // Only where health does not count unhealthy ones get anything.
            let panicking: BTreeSet<u64> = candidates.list.iter().filter(|(e, _)| e.health == Health::Unhealthy).map(|(e, _)| e.priority).collect();
            for (endpoint, share) in candidates.list {
                let Some(host) = hosts.get(&endpoint.address) else { continue };
                // Degraded ones have a share of their own.
                let is_degraded = endpoint.health == Health::Degraded && !panicking.contains(&endpoint.priority);
                let group = by_place.entry((endpoint.priority, is_degraded, &endpoint.locality)).or_insert(Group {
                    priority: endpoint.priority,
                    is_degraded,
                    panics: panicking.contains(&endpoint.priority),
                    share: 0,
                    members: Vec::new(),
                    is_even: true,
                    total: 0,
                });
                group.share += share;
                group.total += endpoint.weight;
                group.is_even &= group.members.first().is_none_or(|(_, w)| *w == endpoint.weight);
                group.members.push((host.clone(), endpoint.weight));
            }
        }
        let list: Vec<Group> = by_place.into_values().filter(|g| !g.members.is_empty()).collect();
        Groups { total: list.iter().map(|g| g.share).sum(), list, rings: OnceLock::new() }
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn rings(&self, size: Size) -> &[OfPriority] {
        self.rings.get_or_init(|| {
            // Groups are in the order of their priorities, healthy hosts first.
            let of_one = |groups: &[Group]| {
                let members: Vec<(Arc<Host>, u64)> = groups.iter().flat_map(|g| g.members.iter().cloned()).collect();
                let panics = groups.iter().any(|g| g.panics);
                OfPriority { share: groups.iter().map(|g| g.share).sum(), panics, ring: Ring::new(&members, size) }
            };
            self.list.chunk_by(|a, b| (a.priority, a.is_degraded) == (b.priority, b.is_degraded)).map(of_one).collect()
        })
    }
    /// The host that a hash leads to; the priority is chosen by the hash as well.
    fn hashed(&self, size: Size, Hashed { hash, attempt }: Hashed) -> Option<Chosen<'_>> {
        let mut at = hash.checked_rem(self.total)?;
        let found = self.rings(size).iter().find(|of| {
            let here = at < of.share;
            at = at.saturating_sub(of.share);
            here
        })?;
        Some(Chosen { host: found.ring.at(hash, attempt)?, panics: found.panics })
    }

    /// A host. `turn` counts the requests of this worker.
    pub fn choose(&self, balance: Balance, turn: u64, hashed: Option<Hashed>, dice: &mut fastrand::Rng) -> Option<Chosen<'_>> {
        if let Balance::RingHash(size) = balance {
            // Without anything to hash, chance decides.
            return self.hashed(size, hashed.unwrap_or_else(|| Hashed { hash: dice.u64(..), attempt: 0 }));
        }
        let group = match self.list.as_slice() {
            [] => return None,
            [only] => only,
            list => {
                let mut at = dice.u64(..self.total.max(1));
                list.iter().find(|g| {
                    let here = at < g.share;
                    at = at.saturating_sub(g.share);
                    here
                })?
            }
        };
        let host = match balance {
            Balance::RoundRobin => group.in_turn(turn),
            Balance::Random | Balance::RingHash(_) => group.weighted(dice),
            Balance::LeastRequest { choices } => (0..choices).filter_map(|_| group.weighted(dice)).min_by_key(|h| h.active_requests.load(Ordering::Relaxed)),
        };
        Some(Chosen { host: host?, panics: group.panics })
    }
}

impl Group {
    fn in_turn(&self, turn: u64) -> Option<&Arc<Host>> {
        if self.is_even {
            let n = u64::try_from(self.members.len()).ok()?;
            return self.members.get(usize::try_from(turn % n).ok()?).map(|(h, _)| h);
        }
        // The hosts' weights are spread over the turns: a step that has no divisor in common with their sum visits each place
        // once, and neighbours in time are far apart in place.
        let step = coprime_step(self.total);
        let at = u128::from(turn % self.total) * u128::from(step) % u128::from(self.total);
        self.at(u64::try_from(at).ok()?)
    }
    fn weighted(&self, dice: &mut fastrand::Rng) -> Option<&Arc<Host>> {
        if self.is_even {
            return self.members.get(dice.usize(..self.members.len().max(1))).map(|(h, _)| h);
        }
        self.at(dice.u64(..self.total.max(1)))
    }
    fn at(&self, mut at: u64) -> Option<&Arc<Host>> {
        self.members.iter().find_map(|(host, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here.then_some(host)
        })
    }
}

fn coprime_step(total: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    // Near the golden section of the whole.
    let wanted = (total as f64 * 0.618) as u64;
    (wanted.max(1)..=total.max(1)).find(|s| gcd(*s, total.max(1)) == 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(weights: &[u64]) -> Group {
        let members: Vec<_> = weights.iter().enumerate().map(|(i, w)| (Arc::new(Host::new(&format!("10.0.0.{i}:80"), "", "", None)), *w)).collect();
        Group {
            priority: 0,
            is_degraded: false,
            panics: false,
            share: 1,
            is_even: weights.windows(2).all(|w| w[0] == w[1]),
            total: weights.iter().sum(),
            members,
        }
    }

    #[test]
    fn turns_follow_the_weights_exactly() {
        for weights in [vec![1, 1, 1], vec![1, 3], vec![5, 1, 10, 2]] {
            let g = group(&weights);
            let mut seen: BTreeMap<Box<str>, u64> = BTreeMap::new();
            for turn in 0..g.total {
                *seen.entry(g.in_turn(turn).expect("a host").label.clone()).or_default() += 1;
            }
            assert_eq!(seen.values().copied().collect::<Vec<_>>(), weights);
        }
    }

    #[test]
    fn weights_may_be_as_large_as_they_come() {
        let g = group(&[u64::from(u32::MAX), u64::from(u32::MAX), 5]);
        assert!((0..1000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).all(|turn| g.in_turn(turn).is_some()));
    }

    #[test]
    fn least_request_prefers_the_idle_host() {
        let groups = Groups { list: vec![group(&[1, 1])], total: 1, rings: OnceLock::new() };
        groups.list[0].members[0].0.active_requests.store(9, Ordering::Relaxed);
        let mut dice = fastrand::Rng::with_seed(7);
        let chosen =
            (0..100).filter(|_| &*groups.choose(Balance::LeastRequest { choices: 2 }, 0, None, &mut dice).expect("a host").host.label == "10.0.0.1:80").count();
        assert!(chosen > 60, "{chosen}");
    }

    #[test]
    fn a_hash_leads_to_the_same_host_and_chance_decides_without() {
        let groups = Groups { list: vec![group(&[1, 1, 1])], total: 1, rings: OnceLock::new() };
        let mut dice = fastrand::Rng::with_seed(7);
        let ring = Balance::RingHash(Size::default());
        let mut at = |hashed: Option<Hashed>| groups.choose(ring, 0, hashed, &mut dice).expect("a host").host.label.clone();
        for hash in [0, 7, u64::MAX] {
            let first = at(Some(Hashed { hash, attempt: 0 }));
            assert!((0..10).all(|_| at(Some(Hashed { hash, attempt: 0 })) == first));
        }
        assert!((0..100).map(|_| at(None)).collect::<std::collections::BTreeSet<_>>().len() == 3);
    }
}
