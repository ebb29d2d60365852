//! Secrets as configuration spells them (`envoy.extensions.transport_sockets.tls.v3.Secret`).

use super::facts::Facts;
use super::validation::Validation;
use crate::config::data_source;
use mesh_envoy::engine::field::{Message, Path, Read};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Secret {
    Certificate(Arc<Identity>),
    Validation(Arc<Validation>),
}

impl Secret {
    /// A `Secret` with its name.
    ///
    /// # Errors
    /// What is not known or can't be used. Nothing of a key is told.
    pub fn read(value: &Value, root: &str) -> Read<(Box<str>, Secret)> {
        let m = Message::new(value, Path::root(root))?;
        let name = m.text("name")?.into();
        if let Some(certificate) = m.message("tls_certificate")? {
            return Ok((name, Secret::Certificate(Arc::new(Identity::read(&certificate)?))));
        }
        if let Some(validation) = m.message("validation_context")? {
            return Ok((name, Secret::Validation(Arc::new(Validation::read(&validation)?))));
        }
        Err(m.unknown("a secret of a kind that mesh-proxy does not support"))
    }
}

/// A certificate chain with its key.
pub struct Identity {
    pub key: Arc<CertifiedKey>,
    /// Of the chain's first certificate.
    pub leaf: Facts,
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}

impl Identity {
    /// `TlsCertificate`
    ///
    /// # Errors
    /// What is missing, can't be read, or does not fit together.
    pub fn read(m: &Message<'_, '_>) -> Read<Identity> {
        let bytes = |field: &str| -> Read<Vec<u8>> {
            m.message(field)?.map(|s| data_source(&s)).transpose()?.ok_or_else(|| m.unknown_field(field, "a certificate needs it"))
        };
        Identity::new(&bytes("certificate_chain")?, &bytes("private_key")?).map_err(|(field, what)| m.unknown_field(field, what))
    }
    /// From PEM: the chain with the leaf first, and its key.
    ///
    /// # Errors
    /// The field at fault, and what is wrong with it.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Identity, (&'static str, String)> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|e| ("certificate_chain", format!("no PEM: {e}")))?;
        let first = chain.first().ok_or(("certificate_chain", "no certificate in PEM".to_owned()))?;
        let leaf = Facts::of(first).ok_or(("certificate_chain", "the first certificate can't be read".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| ("private_key", "no private key in PEM (PKCS#8, PKCS#1 or SEC1)".to_owned()))?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|e| ("private_key", format!("the key can't be used with the certificate: {e}")))?;
        Ok(Identity { key: Arc::new(key), leaf })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};
    use serde_json::json;

    fn certificate() -> (String, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["a.example.com".to_owned()]).expect("parameters");
        params.subject_alt_names.push(SanType::URI("spiffe://cluster.local/ns/a/sa/b".try_into().expect("a URI")));
        (params.self_signed(&key).expect("a certificate").pem(), key)
    }

    #[test]
    fn certificates_are_read_in_both_ways_of_spelling_bytes() {
        let (pem, key) = certificate();
        let base64 = data_encoding::BASE64.encode(pem.as_bytes());
        for chain in [json!({"inline_string": pem}), json!({"inlineBytes": base64})] {
            let value = json!({"name": "default", "tls_certificate": {"certificate_chain": chain, "private_key": {"inline_string": key.serialize_pem()}}});
            let (name, secret) = Secret::read(&value, "s").expect("a secret");
            let Secret::Certificate(identity) = secret else { panic!("no certificate") };
            assert_eq!((&*name, identity.leaf.uris[0].as_str()), ("default", "spiffe://cluster.local/ns/a/sa/b"));
            assert_eq!(identity.leaf.principals(), ["spiffe://cluster.local/ns/a/sa/b", "a.example.com"]);
            assert_eq!(identity.leaf.sha256.len(), 64);
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_and_none_is_ever_told() {
        let ((pem, key), (_, other)) = (certificate(), certificate());
        let (field, what) = Identity::new(pem.as_bytes(), other.serialize_pem().as_bytes()).expect_err("keys differ");
        assert!(field == "private_key" && !what.contains("BEGIN"), "{what}");
        let identity = Identity::new(pem.as_bytes(), key.serialize_pem().as_bytes()).expect("an identity");
        let secret = data_encoding::BASE64.encode(&key.serialize_der());
        assert!(!format!("{identity:?}").contains(&secret[..20]) && !format!("{identity:?}").contains("private"));
        assert!(Identity::new(b"rubbish", b"rubbish").is_err() && Identity::new(pem.as_bytes(), b"rubbish").is_err());
    }

    #[test]
    fn roots_and_kinds_that_are_not_supported() {
        let (pem, _) = certificate();
        let read = |value: Value| Secret::read(&value, "s");
        let roots = read(json!({"name": "ROOTCA", "validation_context": {"trusted_ca": {"inline_string": pem}}})).expect("roots");
        assert!(matches!(&roots.1, Secret::Validation(v) if v.authorities.len() == 1));
        assert!(read(json!({"name": "x", "generic_secret": {}})).is_err_and(|e| e.what.contains("not support")));
        assert!(read(json!({"name": "x", "validation_context": {"trusted_ca": {"inline_string": "no"}}})).is_err_and(|e| e.path.ends_with("trusted_ca")));
    }
}
