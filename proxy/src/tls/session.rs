//! What a finished handshake found out, for policies, headers and logs.

use super::facts::Facts;
use super::material::Identity;
use super::parameters::openssl_name;
use super::validation::Verifier;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{CommonState, ProtocolVersion, ServerConnection, SupportedCipherSuite};

/// A TLS session, from either side.
#[derive(Debug)]
pub struct Session {
    /// `TLSv1.3`
    pub version: &'static str,
    /// OpenSSL's name where it has its own.
    pub cipher: Box<str>,
    /// The protocol that was agreed upon; "" for none.
    pub protocol: Box<str>,
    pub peer: Option<Peer>,
    /// The certificate that was shown.
    pub own: Option<Arc<Identity>>,
}

/// The other side's certificate.
#[derive(Debug)]
pub struct Peer {
    pub facts: Arc<Facts>,
    /// [`Facts::principals`]
    pub principals: Vec<String>,
    /// The certificate itself.
    pub der: CertificateDer<'static>,
}

impl Session {
    /// `verifier` is the one that looked at the peer.
    pub fn of(state: &CommonState, own: Option<Arc<Identity>>, verifier: &Verifier) -> Session {
        let peer = state.peer_certificates().and_then(|c| Some((verifier.facts(c)?, c.first()?)));
        Session {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            cipher: state.negotiated_cipher_suite().map_or_else(|| "".into(), cipher),
            protocol: state.alpn_protocol().map(String::from_utf8_lossy).unwrap_or_default().into(),
            peer: peer.map(|(facts, der)| Peer { principals: facts.principals(), facts, der: der.clone() }),
            own,
        }
    }
    /// Of a server, with the certificate that it showed.
    pub fn of_server(connection: &ServerConnection, own: Arc<Identity>, verifier: &Verifier) -> Session {
        Session::of(connection, Some(own), verifier)
    }
}

fn cipher(suite: SupportedCipherSuite) -> Box<str> {
    let suite = suite.suite();
    match openssl_name(suite) {
        Some(name) => name.into(),
        // `TLS13_AES_128_GCM_SHA256` is the standard's TLS_AES_128_GCM_SHA256.
        None => suite.as_str().map_or_else(|| "".into(), |s| s.replacen("TLS13_", "TLS_", 1).into()),
    }
}
