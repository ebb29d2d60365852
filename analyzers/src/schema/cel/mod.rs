//! The CEL rules of the CRDs as native checks, found by the hash of their expression.
//!
//! A check is told the value that its rule stands on, and says what is wrong with it. Defaults are applied by the
//! API server before rules are evaluated, so a check reads an absent field as its default.

mod gateway_api;
mod istio;
mod text;

pub use text::{is_qualified_name, is_subdomain};

use mesh_model::Node;

/// What a rule found wrong: the offending node, and why.
pub type Verdict<'a> = Option<(Node<'a>, String)>;

/// One rule.
pub struct Rule {
    /// FNV-1a of the expression.
    pub hash: u32,
    /// What is wrong with the value that the rule stands on, if anything.
    pub check: for<'a> fn(Node<'a>) -> Verdict<'a>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cel={:08x}", self.hash)
    }
}

/// The rule that durations are at least a millisecond; its fields are durations.
pub const DURATION: u32 = 0x3791_7445;

const FAMILIES: &[&[Rule]] = &[istio::RULES, gateway_api::RULES];

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|f| f.iter())
}

/// The rule of an expression's hash.
pub fn find(hash: u32) -> Option<&'static Rule> {
    all().find(|r| r.hash == hash)
}

fn has(n: Node<'_>, field: &str) -> bool {
    n.get(field).is_some()
}

/// The text of a field, or its default.
fn text_or<'a>(n: Node<'a>, field: &str, default: &'a str) -> &'a str {
    n.get(field).map_or(default, Node::text)
}

/// The key of a field, to point at; the mapping where it is absent.
fn key<'a>(n: Node<'a>, field: &str) -> Node<'a> {
    n.get_entry(field).map_or(n, |(k, _)| k)
}

/// Pointing at a field's key.
fn at_key<'a>(n: Node<'a>, field: &str, message: impl Into<String>) -> Verdict<'a> {
    Some((key(n, field), message.into()))
}

/// At most one of some fields is set.
fn one_of<'a>(n: Node<'a>, fields: &[&str]) -> Verdict<'a> {
    let set: Vec<_> = fields.iter().filter(|f| has(n, f)).collect();
    let [_, second, ..] = set[..] else { return None };
    let names: Vec<_> = set.iter().map(|f| format!("`{f}`")).collect();
    at_key(n, second, format!("{} exclude each other", names.join(" and ")))
}

/// The first item that agrees with an earlier one. Lists are bounded by their schema; of longer ones, which are
/// faults already, only the front is looked at.
fn repeated<'a>(list: Node<'a>, same: impl Fn(Node<'a>, Node<'a>) -> bool) -> Option<Node<'a>> {
    list.items().take(256).enumerate().find(|(i, item)| list.items().take(*i).any(|earlier| same(earlier, *item))).map(|(_, item)| item)
}

/// Whether two mappings agree in a field, absent and empty being the same.
fn agree(a: Node<'_>, b: Node<'_>, field: &str) -> bool {
    text_or(a, field, "") == text_or(b, field, "")
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_rule_stands_twice() {
        let mut hashes: Vec<_> = super::all().map(|r| r.hash).collect();
        hashes.sort_unstable();
        assert!(hashes.windows(2).all(|w| w[0] != w[1]));
    }
}
