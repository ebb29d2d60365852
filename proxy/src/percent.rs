//! Escapes of queries (RFC 3986 §2.1).

/// A text whose `%XX` are the bytes that they stand for; what is none stays as it is.
pub fn decode(text: &str) -> String {
    let (bytes, mut out, mut i) = (text.as_bytes(), Vec::new(), 0);
    while i < bytes.len() {
        let hex = if bytes[i] == b'%' { text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok()) } else { None };
        out.push(hex.unwrap_or(bytes[i]));
        i += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_come_back_and_the_rest_stays() {
        assert_eq!(super::decode("%5E(server%5C.state)%"), "^(server\\.state)%");
    }
}
