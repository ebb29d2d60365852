//! What is known of a peer's certificate: the names that policies, headers and logs speak of, spelled as Envoy spells them.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// A certificate's contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub uris: Vec<String>,
    pub dns: Vec<String>,
    pub emails: Vec<String>,
    pub ips: Vec<String>,
    /// All of these in the certificate's order.
    pub sans: Vec<String>,
    /// RFC 2253: the last part first, commas without blanks.
    pub subject: String,
    pub issuer: String,
    /// Lower-case hex, two digits a byte.
    pub serial: String,
    /// Of the certificate, in lower-case hex.
    pub sha256: String,
    /// Of its public key (`verify_certificate_spki`), in base64.
    pub spki: String,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub not_before: i64,
    pub not_after: i64,
}

impl Facts {
    /// `None` for bytes that are no certificate.
    pub fn of(der: &CertificateDer<'_>) -> Option<Facts> {
        let (_, c) = X509Certificate::from_der(der).ok()?;
        let mut facts = Facts {
            subject: rfc2253(c.subject()),
            issuer: rfc2253(c.issuer()),
            serial: serial(c.raw_serial()),
            sha256: data_encoding::HEXLOWER.encode(&digest(der)),
            spki: data_encoding::BASE64.encode(&digest(c.public_key().raw)),
            not_before: c.validity().not_before.timestamp(),
            not_after: c.validity().not_after.timestamp(),
            ..Facts::default()
        };
        if let Ok(Some(names)) = c.subject_alternative_name() {
            for name in &names.value.general_names {
                let (list, text) = match name {
                    GeneralName::URI(s) => (&mut facts.uris, Some((*s).to_owned())),
                    GeneralName::DNSName(s) => (&mut facts.dns, Some((*s).to_owned())),
                    GeneralName::RFC822Name(s) => (&mut facts.emails, Some((*s).to_owned())),
                    GeneralName::IPAddress(bytes) => (&mut facts.ips, ip(bytes)),
                    _ => continue,
                };
                list.extend(text.clone());
                facts.sans.extend(text);
            }
        }
        Some(facts)
    }
    /// The names that principals of RBAC are compared with: URIs first, then DNS names; the subject where there is neither.
    pub fn principals(&self) -> Vec<String> {
        let mut out = self.uris.clone();
        out.extend(self.dns.iter().cloned());
        if out.is_empty() {
            out.push(self.subject.clone());
        }
        out
    }
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(|b| Ipv4Addr::from(b).to_string());
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(|b| Ipv6Addr::from(b).to_string()))
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).to_vec()
}

/// Two digits a byte, without leading zero bytes.
fn serial(bytes: &[u8]) -> String {
    let leading = bytes.iter().take_while(|b| **b == 0).count();
    match &bytes[leading..] {
        [] => "0".to_owned(),
        rest => data_encoding::HEXLOWER.encode(rest),
    }
}

fn rfc2253(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    for relative in name.iter_rdn().collect::<Vec<_>>().into_iter().rev() {
        if !out.is_empty() {
            out.push(',');
        }
        for (i, attribute) in relative.iter().enumerate() {
            if i > 0 {
                out.push('+');
            }
            let kind = oid2abbrev(attribute.attr_type(), oid_registry()).map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
            let _ = write!(out, "{kind}=");
            let value = attribute.attr_value();
            if value.tag() == Tag::BmpString || value.tag() == Tag::UniversalString {
                let _ = write!(out, "#{}", data_encoding::HEXUPPER.encode(value.data));
            } else {
                escape(value.data, &mut out);
            }
        }
    }
    out
}

/// Characters with a meaning get a backslash, bytes beyond ASCII and control characters become hex.
fn escape(value: &[u8], out: &mut String) {
    for (i, b) in value.iter().enumerate() {
        let at_edge = (*b == b' ' && (i == 0 || i + 1 == value.len())) || (*b == b'#' && i == 0);
        if at_edge || b",+\"\\<>;".contains(b) {
            out.push('\\');
            out.push(char::from(*b));
        } else if *b < 0x20 || *b >= 0x7f {
            let _ = write!(out, "\\{b:02X}");
        } else {
            out.push(char::from(*b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_so_that_one_part_stays_one() {
        let mut out = String::new();
        escape(b" a,b\\\"=\xc3\xa9 ", &mut out);
        assert_eq!(out, "\\ a\\,b\\\\\\\"=\\C3\\A9\\ ");
    }

    #[test]
    fn serials_lose_leading_zero_bytes() {
        assert_eq!((serial(&[0, 0x0a, 0xbc]).as_str(), serial(&[0]).as_str()), ("0abc", "0"));
    }

    #[test]
    fn rubbish_is_no_certificate() {
        assert_eq!(Facts::of(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
