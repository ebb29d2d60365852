//! One token: its three parts, and what they say. Nothing of it is believed yet.

use super::keys::Algorithm;
use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use mesh_envoy::strict_json;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Form,
    HeaderBase64,
    HeaderJson,
    HeaderAlgorithm,
    UnknownAlgorithm,
    HeaderKid,
    PayloadBase64,
    PayloadJson,
    Issuer,
    Subject,
    IssuedAt,
    NotBefore,
    Expires,
    /// The same, and they are numbers.
    IssuedAtRange,
    NotBeforeRange,
    ExpiresRange,
    Id,
    Audience,
    SignatureBase64,
    UnknownIssuer,
    NotYetValid,
    Expired,
    AudienceNotAllowed,
    FetchFailed,
    NoMatchingKey,
    SignatureLength,
    Unverified,
    NoSuchProvider,
    SubjectNotAllowed,
    NoExpiration,
    TooLong,
}

impl Refusal {
    /// What clients are told.
    pub fn words(self) -> &'static str {
        match self {
            Refusal::Form => "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
            Refusal::HeaderBase64 => "Jwt header is an invalid Base64url encoded",
            Refusal::HeaderJson => "Jwt header is an invalid JSON",
            Refusal::HeaderAlgorithm => "Jwt header [alg] field is required and must be a string",
            Refusal::UnknownAlgorithm => "Jwt header [alg] is not supported",
            Refusal::HeaderKid => "Jwt header [kid] field is not a string",
            Refusal::PayloadBase64 => "Jwt payload is an invalid Base64url encoded",
            Refusal::PayloadJson => "Jwt payload is an invalid JSON",
            Refusal::Issuer => "Jwt payload [iss] field is not a string",
            Refusal::Subject => "Jwt payload [sub] field is not a string",
            Refusal::IssuedAt => "Jwt payload [iat] field is not an integer",
            Refusal::NotBefore => "Jwt payload [nbf] field is not an integer",
            Refusal::Expires => "Jwt payload [exp] field is not an integer",
            Refusal::IssuedAtRange => "Jwt payload [iat] field is not a positive 64 bit integer",
            Refusal::NotBeforeRange => "Jwt payload [nbf] field is not a positive 64 bit integer",
            Refusal::ExpiresRange => "Jwt payload [exp] field is not a positive 64 bit integer",
            Refusal::Id => "Jwt payload [jti] field is not a string",
            Refusal::Audience => "Jwt payload [aud] field is not a string or string list",
            Refusal::SignatureBase64 => "Jwt signature is an invalid Base64url encoded",
            Refusal::UnknownIssuer | Refusal::NoSuchProvider => "Jwt issuer is not configured",
            Refusal::NotYetValid => "Jwt not yet valid",
            Refusal::Expired => "Jwt is expired",
            Refusal::AudienceNotAllowed => "Audiences in Jwt are not allowed",
            Refusal::FetchFailed => "Jwks remote fetch is failed",
            Refusal::NoMatchingKey => "Jwks doesn't have key to match kid or alg from Jwt",
            Refusal::SignatureLength => "Jwt ED25519 signature is wrong length",
            // As Envoy has it, these are told apart for nobody.
            Refusal::Unverified | Refusal::SubjectNotAllowed | Refusal::NoExpiration | Refusal::TooLong => "Jwt verification fails",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
impl std::error::Error for Refusal {}

/// A token as it was sent.
#[derive(Clone, Debug)]
pub struct Token {
    /// What is signed: header and payload with the dot between them.
    signed: String,
    /// The payload's part of it.
    payload_at: usize,
    pub signature: Vec<u8>,
    pub algorithm: Algorithm,
    /// "" for none.
    pub key_id: String,
    pub claims: Map<String, Value>,
    pub audiences: Vec<String>,
}

/// Longer ones are refused unread.
const LONGEST: usize = 64 * 1024;

/// As absl's decoder: padding may be there or not, and white space does not count.
fn decode(part: &str) -> Option<Vec<u8>> {
    let part: Cow<'_, str> = if part.bytes().any(|b| b.is_ascii_whitespace()) { part.split_ascii_whitespace().collect() } else { part.into() };
    let bytes = part.as_bytes();
    if part.ends_with('=') { BASE64URL.decode(bytes).ok() } else { BASE64URL_NOPAD.decode(bytes).ok() }
}

/// A claim that has to be a text where it is there.
fn text(claims: &Map<String, Value>, name: &str, wrong: Refusal) -> Result<(), Refusal> {
    if claims.get(name).is_none_or(Value::is_string) { Ok(()) } else { Err(wrong) }
}

/// A claim that has to be a point of time; parts of a second are cut off.
fn seconds(claims: &Map<String, Value>, name: &str, wrong: Refusal, range: Refusal) -> Result<Option<u64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let number = value.as_f64().ok_or(wrong)?;
    if !(0.0..1.844_674_407_370_955e19).contains(&number) {
        return Err(range);
    }
    Ok(Some(value.as_u64().unwrap_or(number as u64)))
}

impl Token {
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(text_of: &str) -> Result<Token, Refusal> {
        let mut parts = text_of.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return Err(Refusal::Form) };
        if header.is_empty() || payload.is_empty() || signature.is_empty() || text_of.len() > LONGEST {
            return Err(Refusal::Form);
        }
        let object = |bytes: Vec<u8>, wrong: Refusal| match strict_json::read(&bytes) {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Err(wrong),
        };
        let fields = object(decode(header).ok_or(Refusal::HeaderBase64)?, Refusal::HeaderJson)?;
        let named = fields.get("alg").and_then(Value::as_str).ok_or(Refusal::HeaderAlgorithm)?;
        let algorithm = Algorithm::parse(named).ok_or(Refusal::UnknownAlgorithm)?;
        text(&fields, "kid", Refusal::HeaderKid)?;
        let claims = match decode(payload).ok_or(Refusal::PayloadBase64)? {
            // As protobuf reads it, nothing at all is an object with nothing in it.
            nothing if nothing == b"null" => Map::new(),
            bytes => object(bytes, Refusal::PayloadJson)?,
        };
        text(&claims, "iss", Refusal::Issuer)?;
        text(&claims, "sub", Refusal::Subject)?;
        seconds(&claims, "iat", Refusal::IssuedAt, Refusal::IssuedAtRange)?;
        seconds(&claims, "nbf", Refusal::NotBefore, Refusal::NotBeforeRange)?;
        seconds(&claims, "exp", Refusal::Expires, Refusal::ExpiresRange)?;
        text(&claims, "jti", Refusal::Id)?;
        let audiences = match claims.get("aud") {
            None => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(list)) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or(Refusal::Audience)?,
            Some(_) => return Err(Refusal::Audience),
        };
        let key_id = fields.get("kid").and_then(Value::as_str).unwrap_or("").to_owned();
        Ok(Token {
            signed: text_of[..header.len() + 1 + payload.len()].to_owned(),
            payload_at: header.len() + 1,
            signature: decode(signature).ok_or(Refusal::SignatureBase64)?,
            algorithm,
            key_id,
            claims,
            audiences,
        })
    }
    pub fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }
    /// The payload as it was sent.
    pub fn payload(&self) -> &str {
        &self.signed[self.payload_at..]
    }
    /// "" for none.
    pub fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or("")
    }
    pub fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or("")
    }
    fn at(&self, name: &str) -> u64 {
        seconds(&self.claims, name, Refusal::Expires, Refusal::ExpiresRange).ok().flatten().unwrap_or(0)
    }
    /// When it expires; `None` for never, which 0 is too.
    pub fn expires(&self) -> Option<u64> {
        Some(self.at("exp")).filter(|e| *e > 0)
    }
    /// Whether it may be used now: `now` and `skew` are seconds.
    ///
    /// # Errors
    /// That it may not be yet, or any more.
    pub fn check_time(&self, now: u64, skew: u64) -> Result<(), Refusal> {
        if now.saturating_add(skew) < self.at("nbf") {
            return Err(Refusal::NotYetValid);
        }
        let expires = self.at("exp");
        if expires > 0 && now > expires.saturating_add(skew) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload.as_bytes()))
    }

    #[test]
    fn each_fault_has_its_words() {
        let good = r#"{"alg":"RS256"}"#;
        for (text, wanted) in [
            ("a.b".to_owned(), Refusal::Form),
            ("a..b".to_owned(), Refusal::Form),
            ("!.e30.c2ln".to_owned(), Refusal::HeaderBase64),
            (made("[]", "{}"), Refusal::HeaderJson),
            (made("{}", "{}"), Refusal::HeaderAlgorithm),
            (made(r#"{"alg":"none"}"#, "{}"), Refusal::UnknownAlgorithm),
            (made(r#"{"alg":"RS256","kid":1}"#, "{}"), Refusal::HeaderKid),
            (made(good, "x"), Refusal::PayloadJson),
            (made(good, r#"{"iss":1}"#), Refusal::Issuer),
            (made(good, r#"{"exp":"1"}"#), Refusal::Expires),
            (made(good, r#"{"nbf":-1}"#), Refusal::NotBeforeRange),
            (made(good, r#"{"iss":"a","iss":"a"}"#), Refusal::PayloadJson),
            (made(good, r#"{"aud":[1]}"#), Refusal::Audience),
            (made(good, "{}").replace("c2ln", "!"), Refusal::SignatureBase64),
        ] {
            assert_eq!(Token::parse(&text).err(), Some(wanted), "{text}");
        }
        let token = Token::parse(&made(good, r#"{"iss":"i","exp":100,"nbf":50,"aud":"a"}"#)).expect("a token");
        assert_eq!((token.issuer(), token.audiences.as_slice(), token.signature.as_slice()), ("i", &["a".to_owned()][..], &b"sig"[..]));
        let times = [(39, Err(Refusal::NotYetValid)), (40, Ok(())), (110, Ok(())), (111, Err(Refusal::Expired))];
        times.into_iter().for_each(|(now, wanted)| assert_eq!(token.check_time(now, 10), wanted, "{now}"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "[ -~]{0,80}", header in "[ -~]{0,40}", payload in "[ -~]{0,40}") {
            let _ = Token::parse(&text);
            let _ = Token::parse(&made(&header, &payload));
            let _ = Token::parse(&made(r#"{"alg":"ES256"}"#, &payload));
        }
    }
}
