//! Certificates as tables show them. Only certificates are read, never keys.

use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What is shown of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub is_ca: bool,
    /// Lower-case hex without leading zeros, at least one digit.
    pub serial: String,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub not_before: i64,
    pub not_after: i64,
    pub subject: String,
    pub issuer: String,
    /// Subject alternative names: DNS names, URIs and IPs.
    pub sans: Vec<String>,
    /// The whole of it.
    pub der: Box<[u8]>,
}

/// What stands behind a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A root, by its subject: each certificate up to it was signed by the next.
    Root(String),
    /// Each was signed by the next, and none of the roots signed the last.
    NoRoot,
    /// What is wrong with which certificate.
    Broken(String),
    /// What can't be checked.
    NotChecked(String),
}

/// Follows a chain, the leaf first, by its signatures to one of the roots. Times are not looked at.
pub fn trust(chain: &[Certificate], roots: &[Certificate]) -> Trust {
    for (i, certificate) in chain.iter().enumerate() {
        if roots.contains(certificate) {
            return Trust::Root(certificate.subject.clone());
        }
        let by = |issuer: &&Certificate| certificate.is_signed_by(issuer);
        if let Some(root) = roots.iter().find(|r| by(r) == Some(true)) {
            return Trust::Root(root.subject.clone());
        }
        let Some(next) = chain.get(i + 1) else {
            return match roots.iter().find(|r| by(r).is_none()) {
                Some(root) => Trust::NotChecked(format!("how {} signs is not known", root.subject)),
                None => Trust::NoRoot,
            };
        };
        match certificate.is_signed_by(next) {
            Some(true) if next.is_ca => {}
            Some(true) => return Trust::Broken(format!("{} signed it and is no CA", next.subject)),
            Some(false) => return Trust::Broken(format!("{} stands next and did not sign it", next.subject)),
            None => return Trust::NotChecked(format!("how {} signs is not known", next.subject)),
        }
    }
    Trust::NoRoot
}

impl Certificate {
    pub fn valid_at(&self, now: i64) -> bool {
        self.not_before < now && now < self.not_after
    }
    /// The trust domain of a SPIFFE id among the names.
    pub fn trust_domain(&self) -> Option<&str> {
        self.sans.iter().find_map(|s| s.strip_prefix("spiffe://")?.split('/').next())
    }
    /// Whether another one signed it, by name and signature; `None` where the algorithm is not known.
    pub fn is_signed_by(&self, issuer: &Certificate) -> Option<bool> {
        if self.issuer != issuer.subject {
            return Some(false);
        }
        let (Ok((_, own)), Ok((_, other))) = (X509Certificate::from_der(&self.der), X509Certificate::from_der(&issuer.der)) else { return None };
        match own.verify_signature(Some(other.public_key())) {
            Ok(()) => Some(true),
            Err(X509Error::SignatureVerificationError) => Some(false),
            Err(_) => None,
        }
    }
    pub fn from_der(der: &[u8]) -> Option<Certificate> {
        let (_, c) = X509Certificate::from_der(der).ok()?;
        let digits: String = c.raw_serial().iter().map(|b| format!("{b:02x}")).collect();
        let serial = digits.trim_start_matches('0');
        let mut sans = Vec::new();
        if let Ok(Some(names)) = c.subject_alternative_name() {
            for name in &names.value.general_names {
                match name {
                    GeneralName::DNSName(s) | GeneralName::URI(s) | GeneralName::RFC822Name(s) => sans.push((*s).to_owned()),
                    GeneralName::IPAddress([a, b, c, d]) => sans.push(format!("{a}.{b}.{c}.{d}")),
                    GeneralName::IPAddress(v6) => sans.extend(<[u8; 16]>::try_from(*v6).ok().map(|b| std::net::Ipv6Addr::from(b).to_string())),
                    _ => {}
                }
            }
        }
        Some(Certificate {
            is_ca: c.is_ca(),
            serial: if serial.is_empty() { "0".to_owned() } else { serial.to_owned() },
            not_before: c.validity().not_before.timestamp(),
            not_after: c.validity().not_after.timestamp(),
            subject: c.subject().to_string(),
            issuer: c.issuer().to_string(),
            sans,
            der: der.into(),
        })
    }
}

/// The certificates of a PEM text, in order; blocks of another kind and broken ones are passed over.
pub fn from_pem(pem: &[u8]) -> Vec<Certificate> {
    Pem::iter_from_buffer(pem).filter_map(Result::ok).filter(|p| p.label == "CERTIFICATE").filter_map(|p| Certificate::from_der(&p.contents)).collect()
}

/// The same of PEM in base64, as webhooks and Secrets hold it; none where it is something else.
pub fn from_base64(text: &str) -> Vec<Certificate> {
    from_pem(&data_encoding::BASE64.decode(text.trim().as_bytes()).unwrap_or_default())
}

/// The bytes in the first block of a PEM text, whatever its label is; `None` where there is none.
pub fn first_block(pem: &[u8]) -> Option<Vec<u8>> {
    // Blanks around a line are no fault to Go, which reads the credentials of gateways.
    let lines: Vec<&str> = std::str::from_utf8(pem).ok()?.lines().map(str::trim).collect();
    let (block, _) = Pem::read(std::io::Cursor::new(lines.join("\n"))).ok()?;
    Some(block.contents)
}

/// The bytes of a `DataSource`: its string, or its bytes decoded.
pub fn data_source(source: &crate::dump::secret::DataSource<'_>) -> Vec<u8> {
    if source.inline_bytes.is_empty() {
        return source.inline_string.as_bytes().to_vec();
    }
    data_encoding::BASE64.decode(source.inline_bytes.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_is_taken_whatever_its_label() {
        let pem = "x\n-----BEGIN SECRET-----\n  aGVs \nbG8=\n-----END SECRET-----\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(first_block(pem.as_bytes()).as_deref(), Some(&b"hello"[..]));
        for bad in ["", "aGVsbG8=", "-----BEGIN X-----\naGVs", "-----BEGIN X-----\na*b=\n-----END X-----\n"] {
            assert_eq!(first_block(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Certificate::from_der(b"hello"), None);
    }

    #[test]
    fn chains_are_followed_by_signatures() {
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair};
        let params = |name: &str, ca: bool| {
            let mut p = CertificateParams::default();
            p.distinguished_name.push(DnType::CommonName, name);
            p.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
            p
        };
        let key = || KeyPair::generate().expect("a key");
        let read = |der: &[u8]| Certificate::from_der(der).expect("a certificate");
        let root = CertifiedIssuer::self_signed(params("root", true), key()).expect("a root");
        // Of the same name, with another key.
        let twin = CertifiedIssuer::self_signed(params("root", true), key()).expect("a root");
        let middle = CertifiedIssuer::signed_by(params("middle", true), key(), &root).expect("a CA");
        let leaf_key = key();
        let by = |issuer: &Issuer<'_, KeyPair>| read(params("leaf", false).signed_by(&leaf_key, issuer).expect("a leaf").der());
        let (leaf, direct) = (by(&middle), by(&root));
        let (root, twin, middle) = (read(root.der()), read(twin.der()), read(middle.der()));
        let all = std::slice::from_ref(&root);
        let to_root = Trust::Root(root.subject.clone());
        assert_eq!(trust(&[leaf.clone(), middle.clone()], all), to_root);
        assert_eq!(trust(&[leaf.clone(), middle.clone(), root.clone()], all), to_root);
        assert_eq!(trust(std::slice::from_ref(&direct), all), to_root);
        assert_eq!(trust(std::slice::from_ref(&leaf), all), Trust::NoRoot);
        assert_eq!(trust(std::slice::from_ref(&direct), std::slice::from_ref(&twin)), Trust::NoRoot);
        assert!(matches!(trust(&[direct.clone(), twin.clone()], &[]), Trust::Broken(why) if why.contains("did not sign it")));
        assert!(matches!(trust(&[leaf.clone(), root.clone()], &[]), Trust::Broken(_)));
        assert_eq!(trust(&[leaf, middle], &[]), Trust::NoRoot);
    }
}
