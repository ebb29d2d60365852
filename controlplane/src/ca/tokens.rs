//! Tokens by which a workload says who it is before it has a certificate: made here, one an identity, kept as hashes.

use super::Identity;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Tokens {
    by_hash: BTreeMap<[u8; 32], Identity>,
}

impl Tokens {
    /// A token of 32 random bytes for an identity.
    pub fn issue(&mut self, identity: Identity, random: [u8; 32]) -> String {
        let token = data_encoding::BASE64URL_NOPAD.encode(&random);
        self.by_hash.insert(Sha256::digest(token.as_bytes()).into(), identity);
        token
    }

    /// Whether a token was issued for an identity.
    pub fn is_known(&self, identity: &Identity) -> bool {
        self.by_hash.values().any(|i| i == identity)
    }

    /// Whose token it is. What is compared is a hash: how long it takes says nothing of a token.
    pub fn whose(&self, token: &str) -> Option<&Identity> {
        self.by_hash.get(&<[u8; 32]>::from(Sha256::digest(token.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_identity() {
        let mut tokens = Tokens::default();
        let cart = Identity::new("cluster.local", "shop", "cart");
        let token = tokens.issue(cart.clone(), [7; 32]);
        assert_eq!(tokens.whose(&token), Some(&cart));
        assert_eq!(tokens.whose(&token[1..]), None);
        assert_eq!(tokens.whose(""), None);
        assert!(!format!("{tokens:?}").contains(&token));
    }
}
