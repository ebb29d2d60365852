//! Chains of certificates that were checked before and found good. Peers of a mesh come back again and again with the same
//! certificate for hours: its signatures are checked once, that the peer has its key with every handshake. What is known here was
//! found by one set of rules and roots, and goes with them.

use super::facts::Facts;
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

/// Chains that are remembered at once, some 1 KiB each.
const MOST: usize = 512;

/// SHA-256 of a chain.
pub type Key = [u8; SHA256_OUTPUT_LEN];

struct Entry {
    facts: Arc<Facts>,
    /// Seconds since 1970-01-01T00:00:00Z between which every certificate of the chain is valid.
    valid: (i64, i64),
}

#[derive(Default)]
pub struct Known(Mutex<FxHashMap<Key, Entry>>);

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({})", self.entries().len())
    }
}

/// What a chain is found by: its certificates in their order, each with its length.
pub fn key(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Key {
    let mut context = Context::new(&SHA256);
    for certificate in std::iter::once(leaf).chain(others) {
        context.update(&(certificate.len() as u64).to_be_bytes());
        context.update(certificate);
    }
    let mut key = Key::default();
    key.copy_from_slice(context.finish().as_ref());
    key
}

impl Known {
    fn entries(&self) -> MutexGuard<'_, FxHashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What stands in the leaf of a chain that was found good, if all of it is still valid.
    pub fn good(&self, key: &Key, now: UnixTime) -> Option<Arc<Facts>> {
        let now = i64::try_from(now.as_secs()).ok()?;
        self.entries().get(key).filter(|e| (e.valid.0..=e.valid.1).contains(&now)).map(|e| e.facts.clone())
    }
    /// What stands in the leaf, whether it is still valid or not.
    pub fn facts(&self, key: &Key) -> Option<Arc<Facts>> {
        self.entries().get(key).map(|e| e.facts.clone())
    }
    /// Remembers a chain that was found good. One with a certificate that can't be read is not remembered.
    pub fn put(&self, key: Key, facts: &Arc<Facts>, others: &[CertificateDer<'_>]) {
        let mut valid = (facts.not_before, facts.not_after);
        for other in others {
            let Some(other) = Facts::of(other) else { return };
            valid = (valid.0.max(other.not_before), valid.1.min(other.not_after));
        }
        let mut entries = self.entries();
        if entries.len() >= MOST {
            // Whoever comes back is checked once more.
            entries.clear();
        }
        entries.insert(key, Entry { facts: facts.clone(), valid });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn der(byte: u8, length: usize) -> CertificateDer<'static> {
        CertificateDer::from(vec![byte; length])
    }
    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn chains_of_the_same_bytes_cut_otherwise_are_others() {
        let keys = [key(&der(1, 4), &[]), key(&der(1, 2), &[der(1, 2)]), key(&der(1, 3), &[der(1, 1)]), key(&der(1, 2), &[der(1, 1), der(1, 1)])];
        for (i, one) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|k| k != one));
        }
    }

    #[test]
    fn a_chain_is_good_for_as_long_as_it_is_valid() {
        let known = Known::default();
        let facts = Arc::new(Facts { not_before: 10, not_after: 20, ..Facts::default() });
        let chain = key(&der(1, 4), &[]);
        known.put(chain, &facts, &[]);
        let good = |seconds| known.good(&chain, at(seconds)).is_some();
        assert_eq!([9, 10, 20, 21].map(good), [false, true, true, false]);
        assert!(known.facts(&chain).is_some() && known.good(&key(&der(2, 4), &[]), at(15)).is_none());
        // What is behind the leaf can't be read: nobody knows for how long it is valid.
        let other = key(&der(3, 4), &[der(4, 4)]);
        known.put(other, &facts, &[der(4, 4)]);
        assert!(known.facts(&other).is_none());
    }

    #[test]
    fn it_is_bounded() {
        let known = Known::default();
        let facts = Arc::new(Facts::default());
        for i in 0..=MOST {
            known.put(key(&CertificateDer::from(i.to_be_bytes().to_vec()), &[]), &facts, &[]);
        }
        assert!(known.entries().len() <= MOST);
    }
}
