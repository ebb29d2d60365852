//! Texts that occur many times, kept once.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A text's number. Equal texts have equal numbers; the numbers' order means nothing.
pub type Symbol = u32;

#[derive(Clone, Debug, Default)]
pub struct Symbols {
    texts: Vec<Arc<str>>,
    by_text: FxHashMap<Arc<str>, Symbol>,
}

impl Symbols {
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.by_text.get(text) {
            return *symbol;
        }
        let symbol = self.texts.len() as Symbol;
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.by_text.insert(text, symbol);
        symbol
    }

    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.by_text.get(text).copied()
    }

    /// Empty for a number that was not given out here.
    pub fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol as usize).map_or("", |t| t)
    }

    pub fn shared(&self, symbol: Symbol) -> Arc<str> {
        self.texts.get(symbol as usize).cloned().unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}
