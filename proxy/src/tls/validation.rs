//! What a peer's certificate has to be (`CertificateValidationContext`), and the check of it in a handshake.

use super::facts::Facts;
use super::known::{self, Known};
use crate::config::data_source;
use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::matcher::{StringMatcher, StringTest};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme};

/// What a certificate is checked for. Empty parts check nothing.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    pub roots: Option<Arc<RootCertStore>>,
    /// The contents of the roots.
    pub authorities: Vec<Facts>,
    /// Any of these is enough.
    names: Vec<NameRule>,
    /// SHA-256 of certificates in hex and of public keys in base64: any of these is enough.
    hashes: Vec<String>,
    keys: Vec<String>,
}

/// Which kind of subject alternative name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dns,
    Uri,
    Email,
    Ip,
}

#[derive(Clone, Debug)]
struct NameRule {
    /// `None` for names of any kind.
    kind: Option<Kind>,
    matcher: StringMatcher,
}

impl Validation {
    /// # Errors
    /// What is not known or can't be read.
    pub fn read(m: &Message<'_, '_>) -> Read<Validation> {
        let mut out = Validation::default();
        if let Some(source) = m.message("trusted_ca")? {
            let pem = data_source(&source)?;
            let (roots, authorities) = authorities(&pem).map_err(|what| m.unknown_field("trusted_ca", what))?;
            (out.roots, out.authorities) = (Some(Arc::new(roots)), authorities);
        }
        for value in m.values("match_subject_alt_names")? {
            out.names.push(NameRule { kind: None, matcher: matcher(value, m, "match_subject_alt_names")? });
        }
        for typed in m.messages("match_typed_subject_alt_names")? {
            let kind = match typed.enumeration("san_type", &["SAN_TYPE_UNSPECIFIED", "EMAIL", "DNS", "URI", "IP_ADDRESS", "OTHER_NAME"])? {
                "EMAIL" => Kind::Email,
                "DNS" => Kind::Dns,
                "URI" => Kind::Uri,
                "IP_ADDRESS" => Kind::Ip,
                _ => return Err(typed.unknown_field("san_type", "one of EMAIL, DNS, URI and IP_ADDRESS belongs here")),
            };
            out.names.push(NameRule { kind: Some(kind), matcher: matcher(typed.value("matcher").unwrap_or(&Value::Null), &typed, "matcher")? });
        }
        // Colons between the bytes are allowed.
        out.hashes = m.texts("verify_certificate_hash")?.into_iter().map(|h| h.replace(':', "").to_ascii_lowercase()).collect();
        if out.hashes.iter().any(|h| h.len() != 64 || !h.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(m.unknown_field("verify_certificate_hash", "a SHA-256 in hex belongs here"));
        }
        out.keys = m.texts("verify_certificate_spki")?.into_iter().map(str::to_owned).collect();
        Ok(out)
    }
    /// As Envoy merges what a secret says over what stands in the context: lists are joined, the rest is replaced.
    pub fn merged(&self, over: &Validation) -> Validation {
        let joined = |a: &[String], b: &[String]| a.iter().chain(b).cloned().collect();
        let roots = if over.roots.is_some() { over } else { self };
        Validation {
            roots: roots.roots.clone(),
            authorities: roots.authorities.clone(),
            names: self.names.iter().chain(&over.names).cloned().collect(),
            hashes: joined(&self.hashes, &over.hashes),
            keys: joined(&self.keys, &over.keys),
        }
    }
    /// Whether names are asked for of peers that nobody vouches for: anybody can write a name.
    pub fn is_insecure(&self) -> bool {
        !self.names.is_empty() && self.roots.is_none()
    }
    /// Whether a peer has to show a certificate to be checked: as with Envoy, trust alone asks for one, and names or hashes demand
    /// it.
    pub fn demands_certificate(&self) -> bool {
        !(self.names.is_empty() && self.hashes.is_empty() && self.keys.is_empty())
    }
    pub fn is_empty(&self) -> bool {
        self.roots.is_none() && self.names.is_empty() && self.hashes.is_empty() && self.keys.is_empty()
    }
    /// Names and hashes; the chain was looked at before.
    fn check(&self, facts: &Facts) -> Result<(), Refusal> {
        if !self.names.is_empty() && !self.names.iter().any(|r| r.matches(facts)) {
            return Err(Refusal::Names(facts.sans.clone()));
        }
        let pins = !self.hashes.is_empty() || !self.keys.is_empty();
        let is_pinned = self.hashes.contains(&facts.sha256) || self.keys.contains(&facts.spki);
        if pins && !is_pinned {
            return Err(Refusal::Hash);
        }
        Ok(())
    }
}

fn authorities(pem: &[u8]) -> Result<(RootCertStore, Vec<Facts>), String> {
    let (mut roots, mut list) = (RootCertStore::empty(), Vec::new());
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate: CertificateDer<'static> = certificate.map_err(|e| format!("no PEM: {e}"))?;
        list.push(Facts::of(&certificate).ok_or("a certificate that can't be read")?);
        roots.add(certificate).map_err(|e| format!("a certificate that can't be used: {e}"))?;
    }
    if roots.is_empty() { Err("no certificate in PEM".to_owned()) } else { Ok((roots, list)) }
}

fn matcher(value: &Value, m: &Message<'_, '_>, field: &str) -> Read<StringMatcher> {
    let matcher = StringMatcher::compile(value);
    match &matcher.test {
        StringTest::Unknown(why) => Err(m.unknown_field(field, why.clone())),
        _ => Ok(matcher),
    }
}

impl NameRule {
    fn matches(&self, facts: &Facts) -> bool {
        let of = |kind: Kind, list: &[String]| {
            self.kind.is_none_or(|k| k == kind)
                && list.iter().any(|name| match &self.matcher.test {
                    StringTest::Exact(wanted) if kind == Kind::Dns => covers(name, wanted),
                    _ => self.matcher.matches(name).is_yes(),
                })
        };
        of(Kind::Uri, &facts.uris) || of(Kind::Dns, &facts.dns) || of(Kind::Email, &facts.emails) || of(Kind::Ip, &facts.ips)
    }
}

/// Whether a certificate's DNS name, which may begin with `*.`, is that of a host.
pub fn covers(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(rest), Some((label, of_host))) = (name.strip_prefix("*."), host.split_once('.')) else { return false };
    !label.is_empty() && rest.eq_ignore_ascii_case(of_host)
}

/// Why a certificate was refused that its roots vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// With the names that the certificate has.
    Names(Vec<String>),
    Hash,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Names(_) => "none of its names is one that is asked for",
            Refusal::Hash => "it is none of those that are asked for",
        })
    }
}
impl std::error::Error for Refusal {}

impl Refusal {
    fn error(self) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
    /// The refusal in an error of a handshake.
    pub fn of(e: &CertificateError) -> Option<Refusal> {
        if let CertificateError::Other(OtherError(inner)) = e { inner.downcast_ref::<Refusal>().cloned() } else { None }
    }
}

/// Whether a server's names have to cover the name that it was asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerNames {
    AsConfigured,
    AsAskedFor,
}

/// Checks certificates in handshakes, of clients and of servers.
#[derive(Debug)]
pub struct Verifier {
    rules: Validation,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    is_mandatory: bool,
    server_names: ServerNames,
    provider: Arc<CryptoProvider>,
    known: Known,
}

impl Verifier {
    /// # Errors
    /// Roots that can't be used.
    pub fn new(rules: Validation, is_mandatory: bool, server_names: ServerNames, provider: &Arc<CryptoProvider>) -> Result<Verifier, String> {
        let clients = match &rules.roots {
            Some(roots) => {
                let built = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
                Some(built.map_err(|e| e.to_string())?)
            }
            None => None,
        };
        Ok(Verifier { rules, clients, is_mandatory, server_names, provider: provider.clone(), known: Known::default() })
    }
    /// What stands in the first certificate of a peer's chain. `None` for bytes that are no certificate.
    pub fn facts(&self, chain: &[CertificateDer<'_>]) -> Option<Arc<Facts>> {
        let (leaf, others) = chain.split_first()?;
        self.known.facts(&known::key(leaf, others)).or_else(|| Facts::of(leaf).map(Arc::new))
    }
    /// What stands in a leaf that this verifier's rules are content with. `vouched` looks at the chain, unless that was done before.
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        vouched: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Arc<Facts>, Error> {
        let key = known::key(leaf, others);
        if let Some(facts) = self.known.good(&key, now) {
            return Ok(facts);
        }
        vouched()?;
        let facts = Arc::new(Facts::of(leaf).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?);
        self.rules.check(&facts).map_err(Refusal::error)?;
        self.known.put(key, &facts, others);
        Ok(facts)
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.as_ref().map_or(&[], |c| c.root_hint_subjects())
    }
    fn verify_client_cert(&self, end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>], now: UnixTime) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now, || match &self.clients {
            Some(clients) => clients.verify_client_cert(end_entity, intermediates, now).map(|_| ()),
            None => Ok(()),
        })?;
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let facts = self.check(end_entity, intermediates, now, || match &self.rules.roots {
            Some(roots) => {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, self.provider.signature_verification_algorithms.all)
            }
            None => Ok(()),
        })?;
        if self.server_names == ServerNames::AsAskedFor {
            let asked = server_name.to_str();
            if !facts.dns.iter().any(|n| covers(n, &asked)) && !facts.ips.iter().any(|i| **i == *asked) {
                return Err(Refusal::Names(facts.sans.clone()).error());
            }
        }
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::engine::field::Path;
    use serde_json::json;

    fn rules(value: &Value) -> Validation {
        Validation::read(&Message::new(value, Path::root("v")).expect("a message")).expect("rules")
    }

    #[test]
    fn names_are_compared_by_kind() {
        let facts = Facts { uris: vec!["spiffe://cluster.local/ns/a/sa/b".into()], dns: vec!["*.example.com".into()], ..Facts::default() };
        let any = |value: Value| rules(&json!({"match_subject_alt_names": [value]})).check(&facts).is_ok();
        assert!(any(json!({"prefix": "spiffe://cluster.local/"})) && any(json!({"exact": "a.example.com"})) && !any(json!({"exact": "spiffe://other"})));
        let typed = |kind: &str, value: Value| rules(&json!({"match_typed_subject_alt_names": [{"san_type": kind, "matcher": value}]})).check(&facts).is_ok();
        assert!(
            typed("URI", json!({"prefix": "spiffe://"})) && !typed("DNS", json!({"prefix": "spiffe://"})) && typed("DNS", json!({"exact": "x.example.com"}))
        );
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(covers("*.a.com", "x.A.com") && covers("a.com", "A.com"));
        assert!(!covers("*.a.com", "x.y.a.com") && !covers("*.a.com", "a.com") && !covers("*.com", ".com"));
    }

    #[test]
    fn names_without_roots_are_insecure_until_a_secret_brings_roots() {
        let base = rules(&json!({"match_subject_alt_names": [{"exact": "a"}]}));
        assert!(base.is_insecure());
        let over = Validation { roots: Some(Arc::new(RootCertStore::empty())), ..Validation::default() };
        let both = base.merged(&over);
        assert!(!both.is_insecure() && both.names.len() == 1);
    }
}
