//! Label keys, label values, and selectors made of them.

use super::fields::string_map;
use super::names::{is_dashed, is_label_name};
use super::report::Checks;
use mesh_model::Node;

pub fn key(text: &str) -> Result<(), String> {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(p, n)| (Some(p), n));
    // A label of a prefix may be of any length here, as in Istio.
    let why = if !is_label_name(name) || !prefix.is_none_or(|p| p.split('.').all(is_dashed)) {
        "it must be letters, digits, `-`, `_` and `.`, optionally after a domain and `/`"
    } else if prefix.is_some_and(|p| p.len() > 253) {
        "its domain has more than 253 characters"
    } else if name.len() > 63 {
        "its name has more than 63 characters"
    } else {
        return Ok(());
    };
    Err(format!("`{text}` is not a valid label key: {why}"))
}

pub fn value(text: &str) -> Result<(), String> {
    if text.is_empty() || is_label_name(text) {
        Ok(())
    } else {
        Err(format!("`{text}` is not a valid label value: it must be letters, digits, `-`, `_` and `.`"))
    }
}

/// The map of labels under `field`.
pub fn check<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str) {
    for (k, v, text) in string_map(node, field) {
        checks.valid(k, key(k.text()));
        checks.valid(v, value(text));
    }
}

/// Keys and values of a selector. True when one of them is wrong.
pub fn check_selector<'a>(checks: &mut Checks<'a, '_>, selector: Node<'a>, field: &str) -> bool {
    let mut wrong = false;
    for (k, v, text) in string_map(selector, field) {
        let key = k.text();
        if key.is_empty() {
            wrong = true;
            checks.error(k, format!("selector `{key}={text}` has an empty key"));
        }
        if key.contains('*') || text.contains('*') {
            wrong = true;
            let at = if key.contains('*') { k } else { v };
            checks.error_once(
                &format!("wildcard in selector {key}={text}"),
                at,
                format!("selector `{key}={text}` has a wildcard; labels are compared literally"),
            );
        }
    }
    wrong
}

/// Whether a selector has no labels; labels of the wrong type are some.
pub fn is_empty_selector(selector: Node<'_>, field: &str) -> bool {
    selector.get(field).is_none_or(|l| l.is_mapping() && l.is_empty())
}

/// The `selector` of a policy: `matchLabels`.
pub fn check_policy_selector<'a>(checks: &mut Checks<'a, '_>, selector: Option<Node<'a>>) {
    let Some(selector) = selector.filter(|s| s.is_mapping()) else { return };
    check_selector(checks, selector, "matchLabels");
    if is_empty_selector(selector, "matchLabels") {
        checks.warn(selector, "the workload selector has no labels, so it selects every workload").help("give labels, or leave the selector out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values() {
        for good in ["app", "a.b/c_d.e", "app.kubernetes.io/name", "A"] {
            assert!(key(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "/a", "a/", "a b", "a/b/c", "@app", &"a".repeat(64), &format!("{}/a", "a.".repeat(127) + "a")] {
            assert!(key(bad).is_err(), "{bad}");
        }
        assert!(value("").is_ok() && value("v1.2_3-x").is_ok() && value("-a").is_err() && value("a/b").is_err() && value(&"a".repeat(99)).is_ok());
    }
}
