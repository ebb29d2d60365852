//! Names of a graph by number. The ones that the rules ask for have fixed numbers.

use mesh_metrics::series::{Symbol, Symbols};
use std::sync::Arc;

/// A name's number in one graph's [`Names`].
pub type Name = Symbol;

pub const EMPTY: Name = 0;
pub const UNKNOWN: Name = 1;
pub const GRPC: Name = 2;
pub const HTTP: Name = 3;
pub const TCP: Name = 4;
pub const DASH: Name = 5;
pub const LATEST: Name = 6;
pub const PASSTHROUGH: Name = 7;
pub const BLACK_HOLE: Name = 8;

/// In the order of the numbers above.
const FIXED: [&str; 9] = ["", "unknown", "grpc", "http", "tcp", "-", "latest", "PassthroughCluster", "BlackHoleCluster"];

#[derive(Clone, Debug)]
pub struct Names(Symbols);

impl Default for Names {
    fn default() -> Self {
        let mut symbols = Symbols::default();
        for text in FIXED {
            symbols.intern(text);
        }
        Names(symbols)
    }
}

impl Names {
    pub fn intern(&mut self, text: &str) -> Name {
        self.0.intern(text)
    }

    pub fn text(&self, name: Name) -> &str {
        self.0.text(name)
    }

    pub fn shared(&self, name: Name) -> Arc<str> {
        self.0.shared(name)
    }
}

/// Istio writes `unknown` where it does not know.
pub fn is_known(name: Name) -> bool {
    name != EMPTY && name != UNKNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_names_have_their_numbers() {
        let mut names = Names::default();
        for (text, number) in FIXED.iter().zip(0..) {
            assert_eq!(names.intern(text), number);
        }
    }
}
