//! `x-forwarded-client-cert`: what of a client's certificate goes on to the upstream.

use crate::tls::session::Session;
use http::HeaderValue;
use mesh_envoy::engine::field::{Message, Read};

/// `forward_client_cert_details`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The header is taken away.
    Sanitize,
    /// What a client with a certificate says goes on as it is.
    ForwardOnly,
    /// The same, and the certificate is added.
    AppendForward,
    /// The certificate stands in its place.
    SanitizeSet,
    /// What any client says goes on as it is.
    AlwaysForwardOnly,
}

/// How the header is made.
#[derive(Clone, Debug)]
pub struct CertForwarding {
    pub mode: Mode,
    cert: bool,
    subject: bool,
    uri: bool,
    dns: bool,
}

impl CertForwarding {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<CertForwarding> {
        const MODES: &[&str] = &["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"];
        let details = m.message_or_empty("set_current_client_cert_details")?;
        Ok(CertForwarding {
            mode: match m.enumeration("forward_client_cert_details", MODES)? {
                "FORWARD_ONLY" => Mode::ForwardOnly,
                "APPEND_FORWARD" => Mode::AppendForward,
                "SANITIZE_SET" => Mode::SanitizeSet,
                "ALWAYS_FORWARD_ONLY" => Mode::AlwaysForwardOnly,
                _ => Mode::Sanitize,
            },
            cert: details.flag("cert")?,
            subject: details.flag("subject")?,
            uri: details.flag("uri")?,
            dns: details.flag("dns")?,
        })
    }
    /// What is said of the certificate of a session; `None` where nothing is to be said.
    pub fn element(&self, session: &Session) -> Option<HeaderValue> {
        if !matches!(self.mode, Mode::AppendForward | Mode::SanitizeSet) {
            return None;
        }
        let certificate = session.peer.as_ref()?;
        let peer = &certificate.facts;
        let mut parts = Vec::new();
        let own = session.own.as_ref().and_then(|i| i.leaf.uris.first());
        parts.extend(own.map(|uri| format!("By={uri}")));
        parts.push(format!("Hash={}", peer.sha256));
        if self.cert {
            parts.push(format!("Cert=\"{}\"", escaped_pem(&certificate.der)));
        }
        if self.subject {
            parts.push(format!("Subject=\"{}\"", peer.subject));
        }
        if self.uri {
            // The key stands there for a certificate without one as well.
            match peer.uris.as_slice() {
                [] => parts.push("URI=".to_owned()),
                uris => parts.extend(uris.iter().map(|u| format!("URI={u}"))),
            }
        }
        if self.dns {
            parts.extend(peer.dns.iter().map(|d| format!("DNS={d}")));
        }
        HeaderValue::from_str(&parts.join(";")).ok()
    }
}

/// PEM in a header: what has a meaning there is escaped, as in a URI.
pub fn escaped_pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    // Lines of 64 characters, counted before they were escaped.
    let (mut out, mut column) = ("-----BEGIN%20CERTIFICATE-----%0A".to_owned(), 0);
    let mut rest = base64.as_str();
    while let Some(first) = rest.chars().next() {
        let (one, after) = rest.split_at(if first == '%' { 3 } else { 1 });
        out.push_str(one);
        (rest, column) = (after, column + 1);
        if column == 64 && !rest.is_empty() {
            out.push_str("%0A");
            column = 0;
        }
    }
    out.push_str("%0A-----END%20CERTIFICATE-----%0A");
    out
}
