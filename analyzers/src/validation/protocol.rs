//! Port protocols as the networking kinds write them.

pub use mesh_resolver::Protocol;
use mesh_resolver::protocol::SPELLINGS;

/// Unknown protocols; an absent one is detected at run time.
pub fn known(text: &str) -> Result<(), String> {
    if text.is_empty() || Protocol::parse(text) != Protocol::Unsupported {
        return Ok(());
    }
    Err(format!("`{text}` is not a protocol that Istio knows"))
}

/// The protocol that was probably meant.
pub fn nearest(text: &str) -> Option<&'static str> {
    crate::spelling::nearest(&text.to_ascii_uppercase(), SPELLINGS.iter().map(|(s, _)| *s))
}
