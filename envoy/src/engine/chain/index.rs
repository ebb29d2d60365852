//! Filter chains by what Envoy asks first: destination port, destination address, server name. What these three leave is
//! looked through one by one.
//!
//! The choice is that of the search through all chains, criterion by criterion; `envoy/tests/engine_properties.rs` holds
//! both to the documentation.

use super::ChainMatch;
use rustc_hash::FxHashMap;
use std::net::IpAddr;

/// Positions of chains in their listener, in its order.
type Positions = Vec<u32>;

#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_port: FxHashMap<u16, Destinations>,
    /// Chains that ask for no port.
    any_port: Destinations,
}

/// The chains of a port, by their address ranges.
#[derive(Clone, Debug, Default)]
struct Destinations {
    /// By length, the longest first; the ranges by their first address. An empty list is the range of length 0 of either
    /// family.
    v4: Vec<(u8, FxHashMap<u32, Names>)>,
    v6: Vec<(u8, FxHashMap<u128, Names>)>,
}

/// The chains of a range, by their server names.
#[derive(Clone, Debug, Default)]
struct Names {
    exact: FxHashMap<Box<str>, Positions>,
    /// With their leading dot.
    suffixes: FxHashMap<Box<str>, Positions>,
    /// Chains that ask for no name.
    none: Positions,
}

impl Index {
    pub fn new<'m>(chains: impl Iterator<Item = &'m ChainMatch>) -> Index {
        let mut index = Index::default();
        for (i, m) in chains.enumerate() {
            let destinations = m.destination_port.map_or(&mut index.any_port, |p| index.by_port.entry(p).or_default());
            destinations.add(u32::try_from(i).unwrap_or(u32::MAX), m);
        }
        index
    }

    /// The chains that are left after destination port, destination address and server name.
    pub fn find(&self, port: u16, address: IpAddr, server_name: &str) -> &[u32] {
        // A port that any chain asks for hides the chains that ask for none, even where the rest then fails.
        let destinations = self.by_port.get(&port).unwrap_or(&self.any_port);
        destinations.find(address).map_or(&[], |names| names.find(server_name))
    }
}

impl Destinations {
    fn add(&mut self, i: u32, m: &ChainMatch) {
        if m.destination.is_empty() {
            at_length(&mut self.v4, 0).entry(0).or_default().add(i, m);
            at_length(&mut self.v6, 0).entry(0).or_default().add(i, m);
        }
        for range in &m.destination {
            match range.address {
                IpAddr::V4(a) => at_length(&mut self.v4, range.length).entry(first_v4(a.to_bits(), range.length)).or_default().add(i, m),
                IpAddr::V6(a) => at_length(&mut self.v6, range.length).entry(first_v6(a.to_bits(), range.length)).or_default().add(i, m),
            }
        }
    }
    fn find(&self, address: IpAddr) -> Option<&Names> {
        match address {
            IpAddr::V4(a) => self.v4.iter().find_map(|(length, ranges)| ranges.get(&first_v4(a.to_bits(), *length))),
            IpAddr::V6(a) => self.v6.iter().find_map(|(length, ranges)| ranges.get(&first_v6(a.to_bits(), *length))),
        }
    }
}

/// The first address of the range of a length that an address is in.
fn first_v4(bits: u32, length: u8) -> u32 {
    bits & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}
fn first_v6(bits: u128, length: u8) -> u128 {
    bits & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

fn at_length<K>(list: &mut Vec<(u8, FxHashMap<K, Names>)>, length: u8) -> &mut FxHashMap<K, Names> {
    let at = list.partition_point(|(l, _)| *l > length);
    if list.get(at).is_none_or(|(l, _)| *l != length) {
        list.insert(at, (length, FxHashMap::default()));
    }
    &mut list[at].1
}

impl Names {
    fn add(&mut self, i: u32, m: &ChainMatch) {
        if m.server_names.is_empty() {
            push(&mut self.none, i);
        }
        for name in &m.server_names {
            push(self.exact.entry(name.clone()).or_default(), i);
            if name.starts_with('.') {
                push(self.suffixes.entry(name.clone()).or_default(), i);
            }
        }
    }
    /// The exact name, the longest suffix, no name at all.
    fn find(&self, name: &str) -> &[u32] {
        if let Some(found) = self.exact.get(name) {
            return found;
        }
        let suffixes = || name.char_indices().filter(|(i, c)| *c == '.' && *i > 0).find_map(|(i, _)| self.suffixes.get(&name[i..]));
        let found = if self.suffixes.is_empty() { None } else { suffixes() };
        found.unwrap_or(&self.none)
    }
}

/// A chain that names the same twice stands there once.
fn push(list: &mut Positions, i: u32) {
    if list.last() != Some(&i) {
        list.push(i);
    }
}
