//! What names are made of, under the rules that tell one kind of name from another.

/// Letters, digits and the `inner` characters, with a letter or digit at both ends; of any length but none.
pub fn is_name(text: &str, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|b| b.is_ascii_alphanumeric() || inner.contains(b))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// A label of a domain name, of any length: letters, digits and inner hyphens.
pub fn is_dashed(text: &str) -> bool {
    is_name(text, b"-")
}

/// The name of a label or annotation behind its prefix, or a label's value, of any length.
pub fn is_label_name(text: &str) -> bool {
    is_name(text, b"-_.")
}
