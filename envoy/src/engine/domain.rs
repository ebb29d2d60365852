//! Step four: which virtual host of a route configuration a host belongs to.
//!
//! The exact domain, then the longest `*.suffix`, then the longest `prefix.*`, then `*`. Hosts are compared in lower case.

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::borrow::Cow;
use std::hash::BuildHasher;

/// The domains of a route configuration, for lookup.
#[derive(Clone, Debug, Default)]
pub struct Domains {
    exact: Exact,
    /// By length, longest first: what follows the `*`.
    suffixes: Vec<(usize, FxHashMap<Box<str>, u32>)>,
    /// By length, longest first: what stands before the `*`.
    prefixes: Vec<(usize, FxHashMap<Box<str>, u32>)>,
    any: Option<u32>,
}

impl Domains {
    /// Adds a domain of the virtual host at `index`. Of a repeated domain the first counts; Envoy refuses such a configuration.
    pub fn add(&mut self, domain: &str, index: u32) {
        let domain = domain.to_ascii_lowercase();
        if domain == "*" {
            self.any.get_or_insert(index);
        } else if let Some(suffix) = domain.strip_prefix('*') {
            by_length(&mut self.suffixes, suffix.len()).entry(suffix.into()).or_insert(index);
        } else if let Some(prefix) = domain.strip_suffix('*') {
            by_length(&mut self.prefixes, prefix.len()).entry(prefix.into()).or_insert(index);
        } else {
            self.exact.add(&domain, index);
        }
    }
    /// Gives back what was there for more domains.
    pub fn shrink(&mut self) {
        self.exact.texts.shrink_to_fit();
    }

    /// The index of the virtual host of a host.
    pub fn find(&self, host: &str) -> Option<u32> {
        let host: Cow<'_, str> = if host.bytes().any(|b| b.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() };
        if let Some(found) = self.exact.get(&host) {
            return Some(found);
        }
        // The `*` stands for at least one character.
        let suffix = |(length, map): &(usize, FxHashMap<Box<str>, u32>)| map.get(host.get(host.len().checked_sub(*length).filter(|n| *n > 0)?..)?).copied();
        let prefix = |(length, map): &(usize, FxHashMap<Box<str>, u32>)| map.get(host.get(..*length).filter(|p| p.len() < host.len())?).copied();
        self.suffixes.iter().find_map(suffix).or_else(|| self.prefixes.iter().find_map(prefix)).or(self.any)
    }
}

/// Domains without a wildcard, which are nearly all: six a service. One text of all of them takes half of what a text for each does.
#[derive(Clone, Debug, Default)]
struct Exact {
    texts: String,
    places: HashTable<Place>,
}

/// Where a domain stands in the text, and its virtual host.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    length: u32,
    index: u32,
}

impl Place {
    fn text(self, texts: &str) -> &str {
        texts.get(self.start as usize..).and_then(|t| t.get(..self.length as usize)).unwrap_or("")
    }
}

impl Exact {
    fn get(&self, domain: &str) -> Option<u32> {
        self.places.find(hash(domain), |place| place.text(&self.texts) == domain).map(|place| place.index)
    }
    fn add(&mut self, domain: &str, index: u32) {
        // Four gigabytes of domains are not taken in.
        let (Ok(start), Ok(length)) = (u32::try_from(self.texts.len()), u32::try_from(domain.len())) else { return };
        if self.get(domain).is_some() {
            return;
        }
        self.texts.push_str(domain);
        let Exact { texts, places } = self;
        places.insert_unique(hash(domain), Place { start, length, index }, |place| hash(place.text(texts)));
    }
}

fn hash(domain: &str) -> u64 {
    FxBuildHasher.hash_one(domain)
}

fn by_length(list: &mut Vec<(usize, FxHashMap<Box<str>, u32>)>, length: usize) -> &mut FxHashMap<Box<str>, u32> {
    let at = list.partition_point(|(l, _)| *l > length);
    if list.get(at).is_none_or(|(l, _)| *l != length) {
        list.insert(at, (length, FxHashMap::default()));
    }
    &mut list[at].1
}

/// A host without its port; the colons of an IPv6 address in brackets are none.
pub fn without_port(host: &str) -> &str {
    let bytes = host.as_bytes();
    match bytes.iter().rposition(|b| matches!(b, b':' | b']')) {
        Some(at) if bytes[at] == b':' => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_cut_from_hosts() {
        for (host, want) in [("a.com:80", "a.com"), ("a.com", "a.com"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("", "")] {
            assert_eq!(without_port(host), want);
        }
    }
}
