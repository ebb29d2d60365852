//! Base64 as Go's standard encoding reads it, which Kubernetes and Istio both do.

/// The bytes of a text in the standard alphabet with padding; line ends in it do not count. `None` for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64_MIME_PERMISSIVE.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn the_standard_alphabet_with_padding() {
        assert_eq!(decode("aGVs\r\nbG8=\n").as_deref(), Some(&b"hello"[..]));
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        // Bits that are left over are not looked at.
        assert_eq!(decode("aGVsbG9=").as_deref(), Some(&b"hello"[..]));
        for bad in ["a", "a*b=", "aGVsbG8", "aGVsbG8=x", "aGV sbG8=", "_-_-", "===="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
