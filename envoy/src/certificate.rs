//! Certificates as tables show them. Only certificates are read, never keys.

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
}

impl Certificate {
    pub fn valid_at(&self, now: i64) -> bool {
        self.not_before < now && now < self.not_after
    }
    /// The trust domain of a SPIFFE id among the names.
    pub fn trust_domain(&self) -> Option<&str> {
        self.sans.iter().find_map(|s| s.strip_prefix("spiffe://")?.split('/').next())
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
}
