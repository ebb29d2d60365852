//! Forms of text that rules ask for.

use crate::validation::names::{is_dashed, is_label_name};

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
pub fn is_label(text: &str) -> bool {
    is_dashed(text) && !text.bytes().any(|b| b.is_ascii_uppercase())
}

/// Labels with dots between them; the length is the schema's to bound.
pub fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// A subdomain that may start with `*.`.
pub fn is_wildcard_subdomain(text: &str) -> bool {
    is_subdomain(text.strip_prefix("*.").unwrap_or(text))
}

/// The name of a label or annotation, `[prefix/]name`.
pub fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((p, n)) => (Some(p), n),
        None => (None, text),
    };
    prefix.is_none_or(is_subdomain) && name.len() <= 63 && is_label_name(name)
}

/// `[A-Za-z_][A-Za-z_0-9]*`
pub fn is_identifier(text: &str) -> bool {
    !text.as_bytes().first().is_none_or(u8::is_ascii_digit) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualified_names_have_a_prefix_and_a_name() {
        assert!(is_qualified_name("a.example/Name_1") && is_qualified_name("x"));
        assert!(!is_qualified_name("A.example/x") && !is_qualified_name("a//b") && !is_qualified_name("-x") && !is_qualified_name(""));
    }
}
