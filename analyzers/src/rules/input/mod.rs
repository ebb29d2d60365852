//! Rules about the input itself.

use crate::codes;
use crate::rule::Rule;

mod duplicate_key;
mod duplicate_object;
pub mod unreadable_document;

pub const RULES: &[Rule] = &[
    Rule { name: "unreadable-document", codes: &[&codes::MSH0001, &codes::MSH0006], analyzer: "", run: unreadable_document::run },
    Rule { name: "duplicate-object", codes: &[&codes::MSH0003], analyzer: "", run: duplicate_object::run },
    Rule { name: "duplicate-key", codes: &[&codes::MSH0005], analyzer: "", run: duplicate_key::run },
];
