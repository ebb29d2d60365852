//! Label selectors and the index that answers them.

use mesh_envoy::matcher::Truth;
use mesh_model::Node;
use rustc_hash::FxHashMap;
use std::hash::{Hash, Hasher};

/// A conjunction of `key=value`; empty matches everything. Expressions (`matchExpressions`) are kept as nodes.
#[derive(Clone, Debug, Default)]
pub struct Selector<'a> {
    pub pairs: Vec<(&'a str, &'a str)>,
    pub expressions: Option<Node<'a>>,
}

impl<'a> Selector<'a> {
    /// A plain map of labels, such as a Service's `spec.selector` or Istio's `matchLabels`.
    pub fn from_map(map: Option<Node<'a>>) -> Selector<'a> {
        let mut pairs: Vec<_> = map.map(|m| m.entries().map(|(k, v)| (k.text(), v.text())).collect()).unwrap_or_default();
        pairs.sort_unstable();
        pairs.dedup();
        Selector { pairs, expressions: None }
    }
    /// A Kubernetes LabelSelector: `matchLabels` and `matchExpressions`.
    pub fn from_label_selector(selector: Option<Node<'a>>) -> Selector<'a> {
        let mut s = Selector::from_map(selector.and_then(|s| s.get("matchLabels")));
        s.expressions = selector.and_then(|s| s.get("matchExpressions")).filter(|e| !e.is_empty());
        s
    }
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.expressions.is_none()
    }
    /// `k=v,k2=v2`, sorted.
    pub fn display(&self) -> String {
        self.pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
    }
    pub fn matches(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.pairs.iter().all(|(k, v)| label(k) == Some(*v)) && self.expressions.is_none_or(|list| list.items().all(|e| holds_of(e, label(e.text_of("key")))))
    }
    /// The same where not all labels are known: `None` for one that is not, `Some(None)` for one that is not there.
    pub fn truth<'l>(&self, label: impl Fn(&str) -> Option<Option<&'l str>>) -> Truth {
        let holds = |key: &str, is: &dyn Fn(Option<&str>) -> bool| label(key).map_or(Truth::Unknown, |v| Truth::from(is(v)));
        let pairs = self.pairs.iter().map(|(k, v)| holds(k, &|found| found == Some(*v)));
        let expressions = self.expressions.into_iter().flat_map(Node::items).map(|e| holds(e.text_of("key"), &|found| holds_of(e, found)));
        pairs.chain(expressions).fold(Truth::Yes, Truth::and)
    }
}

/// Whether an item of `matchExpressions` holds of its label's value.
fn holds_of(expression: Node<'_>, value: Option<&str>) -> bool {
    let among = |v: &str| expression.list("values").any(|x| x.text() == v);
    match expression.text_of("operator") {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Finds labelled things by selector in time proportional to the rarest label, not to all things. Lists are keyed
/// by hash, so a candidate may be wrong and must be verified.
#[derive(Debug, Default)]
pub struct LabelIndex {
    lists: FxHashMap<u64, Vec<u32>>,
}

fn hash(namespace: Option<&str>, key: &str, value: &str) -> u64 {
    let mut h = rustc_hash::FxHasher::default();
    (namespace, key, value).hash(&mut h);
    h.finish()
}

impl LabelIndex {
    pub fn insert(&mut self, id: u32, namespace: &str, key: &str, value: &str) {
        self.lists.entry(hash(None, key, value)).or_default().push(id);
        self.lists.entry(hash(Some(namespace), key, value)).or_default().push(id);
    }
    /// The smallest candidate list for a selector, in one namespace or (`None`) in all. `None` when the selector
    /// has no pairs and the caller must look at everything. Candidates are ascending; verify each, the namespace too.
    pub fn candidates<'s>(&'s self, namespace: Option<&str>, selector: &Selector<'_>) -> Option<&'s [u32]> {
        let list = |(k, v): &(&str, &str)| self.lists.get(&hash(namespace, k, v)).map_or(&[][..], Vec::as_slice);
        selector.pairs.iter().map(list).min_by_key(|list| list.len())
    }
}
