//! Addresses of what manifests give none: Pods that a template will make, Services that no cluster has seen. They are of
//! the network that is set aside for benchmarks (RFC 2544), so that no real one is meant, and are told apart from real
//! ones wherever they are shown. A real one of that network is never given to anything else.

use crate::mesh::Mesh;
use mesh_model::{Kind, Object};
use rustc_hash::FxHashSet;
use std::net::Ipv4Addr;

/// Whether things without an address count as if they had one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// What has no address is not there: what istiod sees.
    #[default]
    Given,
    /// Templates and Services are given one each: what a cluster will see when the manifests are applied to it.
    Supposed,
}

/// Addresses of that network that something in the input really has: they are supposed of nothing else.
#[derive(Clone, Debug, Default)]
pub struct Taken(Vec<(u32, u32)>);

impl Taken {
    pub fn new(mesh: &Mesh<'_>) -> Taken {
        let mut out: Vec<(u32, u32)> = Vec::new();
        let mut add = |text: &str| out.extend(range(text));
        let objects = |kind: Kind| mesh.objects_everywhere(kind).iter().copied();
        for service in objects(Kind::Service).filter_map(Object::spec) {
            add(service.text_of("clusterIP"));
            ["clusterIPs", "externalIPs"].into_iter().flat_map(|k| service.list(k)).for_each(|ip| add(ip.text()));
        }
        for status in objects(Kind::Pod).filter_map(|o| o.at(&["status"])) {
            add(status.text_of("podIP"));
            status.list("podIPs").for_each(|ip| add(ip.text_of("ip")));
        }
        for slice in objects(Kind::EndpointSlice) {
            slice.root().list("endpoints").flat_map(|e| e.list("addresses")).for_each(|ip| add(ip.text()));
        }
        for entry in objects(Kind::ServiceEntry).filter_map(Object::spec) {
            entry.list("addresses").for_each(|ip| add(ip.text()));
            entry.list("endpoints").for_each(|e| add(e.text_of("address")));
        }
        for entry in objects(Kind::WorkloadEntry).filter_map(Object::spec) {
            add(entry.text_of("address"));
        }
        out.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in out {
            match merged.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Taken(merged)
    }
}

const FIRST: u32 = 198 << 24 | 18 << 16;
const LAST: u32 = 198 << 24 | 19 << 16 | 0xffff;

/// The part of an address or a range that is of the network.
fn range(text: &str) -> Option<(u32, u32)> {
    let (ip, bits) = text.split_once('/').unwrap_or((text, "32"));
    let (ip, bits): (Ipv4Addr, u32) = (ip.parse().ok()?, bits.parse().ok().filter(|b| *b <= 32)?);
    let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
    let (first, last) = (u32::from(ip) & !rest, u32::from(ip) | rest);
    (first <= LAST && last >= FIRST).then(|| (first.max(FIRST), last.min(LAST)))
}

/// How many addresses there are of a sort.
const MOST: u32 = 65_534;

/// The place of each of some things by its name, so that one more or less leaves the others where they are: only of names that would have the
/// same place one has the next. The smaller key comes first.
pub fn places<'k>(keys: impl Iterator<Item = (bool, u16, &'k str, &'k str, &'k str)>) -> Vec<u32> {
    let mut sorted: Vec<_> = keys.enumerate().map(|(i, k)| (k, i)).collect();
    sorted.sort();
    let mut out = vec![0; sorted.len()];
    let mut taken: FxHashSet<u32> = FxHashSet::default();
    for ((_, cluster, namespace, name, kind), i) in sorted {
        let mut place = (hash([&cluster.to_string(), namespace, name, kind]) % u64::from(MOST)) as u32;
        // Beyond the last place there is no address.
        out[i] = MOST;
        if taken.len() < MOST as usize {
            while !taken.insert(place) {
                place = (place + 1) % MOST;
            }
            out[i] = place;
        }
    }
    out
}

/// FNV-1a: the same on every machine.
fn hash(parts: [&str; 4]) -> u64 {
    let bytes = parts.iter().flat_map(|p| p.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The address of a workload, by its place; none beyond 65,534 of them.
pub fn of_workload(id: u32, taken: &Taken) -> Option<String> {
    within(18, id, taken)
}

/// The address of a Service, by its place; none beyond 65,534 of them.
pub fn of_service(id: u32, taken: &Taken) -> Option<String> {
    within(19, id, taken)
}

fn within(network: u32, id: u32, taken: &Taken) -> Option<String> {
    let first = (198 << 24 | network << 16) + 1;
    let mut at = first.checked_add(id)?;
    for (from, to) in taken.0.iter().filter(|(_, to)| *to >= first) {
        if *from > at {
            break;
        }
        at = at.checked_add(to - from.max(&first) + 1)?;
    }
    (at < first + MOST).then(|| Ipv4Addr::from(at).to_string())
}

#[cfg(test)]
mod tests {
    use super::{MOST, Taken, of_service, of_workload, places, range};

    #[test]
    fn one_more_leaves_the_others_where_they_are() {
        let of = |names: &[String]| places(names.iter().map(|n| (false, 0, "shop", n.as_str(), "Service")));
        let names: Vec<String> = (0..300).map(|i| format!("s{i}")).collect();
        let all = of(&names);
        assert_eq!(of(&names[1..]), all[1..], "of these names none collide");
        let many: Vec<String> = (0..MOST + 10).map(|i| format!("s{i}")).collect();
        let mut sorted = of(&many);
        assert_eq!(of(&many), sorted);
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|w| w[0] < w[1] || w[0] == MOST), "each place is had once");
    }

    #[test]
    fn each_has_its_own_and_there_is_an_end() {
        let none = Taken::default();
        assert_eq!(of_workload(0, &none).as_deref(), Some("198.18.0.1"));
        assert_eq!(of_workload(255, &none).as_deref(), Some("198.18.1.0"));
        assert_eq!(of_service(65_533, &none).as_deref(), Some("198.19.255.254"));
        assert_eq!((of_workload(65_534, &none), of_workload(70_000, &none)), (None, None));
    }

    #[test]
    fn what_is_real_is_stepped_over() {
        let taken = Taken(["198.18.0.0/31", "198.18.0.3", "198.18.0.4/31", "198.19.0.0/16"].into_iter().filter_map(range).collect());
        let places: Vec<_> = (0..3).map(|id| of_workload(id, &taken).unwrap_or_default()).collect();
        assert_eq!(places, ["198.18.0.2", "198.18.0.6", "198.18.0.7"]);
        assert_eq!(of_service(0, &taken), None, "nothing is left");
        assert_eq!(range("10.0.0.0/8"), None);
        assert_eq!(range("0.0.0.0/0"), Some((super::FIRST, super::LAST)));
        assert_eq!(range("cart.example.com"), None);
    }
}
