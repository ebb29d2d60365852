//! Fingerprints: what a finding is about, whatever line it stands on.

use mesh_model::{Node, NodeKind};
use std::fmt;

/// 128 bits of code, object, field path and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// FNV-1a of 128 bits: stable over versions and machines, and nobody gains by a collision.
pub struct Hasher(u128);

impl Default for Hasher {
    fn default() -> Self {
        Hasher(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Hasher {
    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    /// A text, told apart from what comes before and after it.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for byte in text.bytes() {
            self.byte(byte);
        }
        // No byte of UTF-8.
        self.byte(0xff);
        self
    }
    /// A value, whatever its spelling and place.
    pub fn value(&mut self, node: Node<'_>) -> &mut Self {
        match node.kind() {
            NodeKind::Scalar => self.text(node.text()),
            NodeKind::Sequence => {
                self.byte(0xf8);
                for item in node.items() {
                    self.value(item);
                }
                self.text("")
            }
            NodeKind::Mapping => {
                self.byte(0xf9);
                for (key, value) in node.entries() {
                    self.text(key.text()).value(value);
                }
                self.text("")
            }
        }
    }
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_and_stay_stable() {
        let of = |parts: &[&str]| {
            let mut h = Hasher::default();
            for p in parts {
                h.text(p);
            }
            h.finish().to_string()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        // A changed value would make every baseline stale.
        assert_eq!(of(&[]), "6c62272e07bb014262b821756295c58d");
        assert_eq!(of(&["IST0101"]), of(&["IST0101"]));
    }
}
