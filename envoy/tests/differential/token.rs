//! Tokens signed with a shared key (HS256).

use sha2::{Digest, Sha256};

const KEY: &[u8] = b"a key of the differential test, for nothing else";

/// The key as a set (`KEY` in base64url).
pub const KEYS: &str = "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"YSBrZXkgb2YgdGhlIGRpZmZlcmVudGlhbCB0ZXN0LCBmb3Igbm90aGluZyBlbHNl\"}]}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    None,
    Good,
    Forged,
}

/// The value of an Authorization header.
pub fn bearer(kind: Kind) -> Option<String> {
    let key: &[u8] = match kind {
        Kind::None => return None,
        Kind::Good => KEY,
        Kind::Forged => b"another key",
    };
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let signed = format!("{}.{}", encode(br#"{"alg":"HS256","typ":"JWT"}"#), encode(br#"{"iss":"me","sub":"s","exp":9999999999}"#));
    Some(format!("Bearer {signed}.{}", encode(&hmac(key, signed.as_bytes()))))
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().to_vec()
}
