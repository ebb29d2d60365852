//! Keys of an issuer (a JWKS), and signatures by them. The cryptography is aws-lc's.

use super::token::{Refusal, Token};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    Hs256,
    Hs384,
    Hs512,
    EdDsa,
}

impl Algorithm {
    pub fn parse(name: &str) -> Option<Algorithm> {
        Some(match name {
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "PS256" => Algorithm::Ps256,
            "PS384" => Algorithm::Ps384,
            "PS512" => Algorithm::Ps512,
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            "ES512" => Algorithm::Es512,
            "HS256" => Algorithm::Hs256,
            "HS384" => Algorithm::Hs384,
            "HS512" => Algorithm::Hs512,
            "EdDSA" => Algorithm::EdDsa,
            _ => return None,
        })
    }
}

/// The keys of an issuer.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

struct Key {
    /// "" for none.
    id: String,
    /// The only algorithm that it is for.
    algorithm: Option<Algorithm>,
    material: Material,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A symmetric key is a secret.
        write!(f, "Key({:?}, {:?})", self.id, self.algorithm)
    }
}

enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point.
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
    Ed25519(Vec<u8>),
    Symmetric(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

/// Why a JWKS is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysError {
    Json,
    NoKeys,
    /// No key in it that can be used.
    NoValidKeys,
}

impl std::fmt::Display for KeysError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeysError::Json => "Jwks is an invalid JSON",
            KeysError::NoKeys => "Jwks does not have [keys] field",
            KeysError::NoValidKeys => "Jwks doesn't have any valid public key",
        })
    }
}
impl std::error::Error for KeysError {}

fn bytes(key: &Value, name: &str) -> Option<Vec<u8>> {
    let text = key.get(name)?.as_str()?.as_bytes();
    if text.ends_with(b"=") { BASE64URL.decode(text).ok() } else { BASE64URL_NOPAD.decode(text).ok() }
}

impl Keys {
    /// Reads a JWKS. Keys of kinds that are not known are passed over.
    ///
    /// # Errors
    /// Why there is no key in it.
    pub fn parse(text: &[u8]) -> Result<Keys, KeysError> {
        let value: Value = serde_json::from_slice(text).map_err(|_| KeysError::Json)?;
        let list = value.get("keys").and_then(Value::as_array).ok_or(KeysError::NoKeys)?;
        let keys: Vec<Key> = list.iter().filter_map(Key::read).collect();
        if keys.is_empty() { Err(KeysError::NoValidKeys) } else { Ok(Keys(keys)) }
    }
    /// Whether one of them signed a token.
    ///
    /// # Errors
    /// That none did, or that none could have.
    pub fn verify(&self, token: &Token) -> Result<(), Refusal> {
        let mut matched = false;
        for key in &self.0 {
            let is_other = !token.key_id.is_empty() && !key.id.is_empty() && key.id != token.key_id;
            if is_other || key.algorithm.is_some_and(|a| a != token.algorithm) {
                continue;
            }
            matched = true;
            if token.algorithm == Algorithm::EdDsa && matches!(key.material, Material::Ed25519(_)) && token.signature.len() != 64 {
                return Err(Refusal::SignatureLength);
            }
            if key.material.signed(token) {
                return Ok(());
            }
        }
        Err(if matched { Refusal::Unverified } else { Refusal::NoMatchingKey })
    }
}

impl Key {
    fn read(key: &Value) -> Option<Key> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        // A name that is no algorithm is no key for any.
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::parse(name)?),
        };
        let material = match text("kty")? {
            "RSA" => Material::Rsa { n: bytes(key, "n")?, e: bytes(key, "e")? },
            "EC" => {
                let (curve, size) = match text("crv") {
                    Some("P-384") => (Curve::P384, 48),
                    Some("P-521") => (Curve::P521, 66),
                    Some("P-256") => (Curve::P256, 32),
                    _ => return None,
                };
                let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
                if x.len() > size || y.len() > size {
                    return None;
                }
                let padded = |mut part: Vec<u8>| {
                    part.splice(0..0, vec![0; size - part.len()]);
                    part
                };
                Material::Ec { curve, point: [vec![4], padded(x), padded(y)].concat() }
            }
            "OKP" if text("crv") == Some("Ed25519") => Material::Ed25519(bytes(key, "x").filter(|x| x.len() == 32)?),
            "oct" => Material::Symmetric(bytes(key, "k").filter(|k| !k.is_empty())?),
            _ => return None,
        };
        Some(Key { id: text("kid").unwrap_or("").to_owned(), algorithm, material })
    }
}

impl Material {
    /// Whether a token was signed with it. A key of another kind than the algorithm did not.
    fn signed(&self, token: &Token) -> bool {
        let (message, signature) = (token.signed(), token.signature.as_slice());
        match self {
            Material::Rsa { n, e } => {
                let scheme: &signature::RsaParameters = match token.algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(scheme, message, signature).is_ok()
            }
            Material::Ec { curve, point } => {
                let scheme: &'static dyn VerificationAlgorithm = match (curve, token.algorithm) {
                    (Curve::P256, Algorithm::Es256) => &signature::ECDSA_P256_SHA256_FIXED,
                    (Curve::P384, Algorithm::Es384) => &signature::ECDSA_P384_SHA384_FIXED,
                    (Curve::P521, Algorithm::Es512) => &signature::ECDSA_P521_SHA512_FIXED,
                    _ => return false,
                };
                UnparsedPublicKey::new(scheme, point).verify(message, signature).is_ok()
            }
            Material::Ed25519(key) => {
                token.algorithm == Algorithm::EdDsa && UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
            }
            Material::Symmetric(key) => {
                let hash = match token.algorithm {
                    Algorithm::Hs256 => hmac::HMAC_SHA256,
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => return false,
                };
                hmac::verify(&hmac::Key::new(hash, key), message, signature).is_ok()
            }
        }
    }
}
