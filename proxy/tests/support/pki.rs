//! Certificates of one test, and a client of TLS that says what became of it.

#![allow(dead_code, reason = "each test uses a part of it")]

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// One that vouches for others.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
#[derive(Clone)]
pub struct Leaf {
    pub pem: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }
    /// A certificate for a SPIFFE id and DNS names.
    pub fn issue(&self, uri: &str, dns: &[&str]) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme, Inc");
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.subject_alt_names.push(SanType::URI(uri.try_into().expect("a URI")));
        params.subject_alt_names.extend(dns.iter().map(|d| SanType::DnsName((*d).try_into().expect("a name"))));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Leaf { pem: certificate.pem(), key: key.serialize_pem() }
    }
    /// `validation_context` with names of URIs.
    pub fn validation(&self, matcher: Option<Value>) -> Value {
        let mut out = json!({"trusted_ca": {"inline_string": self.pem}});
        if let Some(matcher) = matcher {
            out["match_typed_subject_alt_names"] = json!([{"san_type": "URI", "matcher": matcher}]);
        }
        out
    }
}

impl Leaf {
    /// `TlsCertificate`
    pub fn config(&self) -> Value {
        json!({"certificate_chain": {"inline_string": self.pem}, "private_key": {"inline_string": self.key}})
    }
}

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// A server's transport socket that asks for certificates of clients.
pub fn downstream(common: &Value) -> Value {
    json!({"name": "tls", "typed_config": {"@type": format!("{TLS}.DownstreamTlsContext"), "require_client_certificate": true, "common_tls_context": common}})
}

/// A client's transport socket.
pub fn upstream(common: &Value, sni: &str) -> Value {
    json!({"name": "tls", "typed_config": {"@type": format!("{TLS}.UpstreamTlsContext"), "sni": sni, "common_tls_context": common}})
}

/// A client of TLS on plain sockets.
pub struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    pub fn new(trusts: &Authority, shows: Option<&Leaf>, alpn: &[&str]) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusts.pem.as_bytes()).expect("PEM")).expect("a root");
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
        let mut config = match shows {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let chain = CertificateDer::pem_slice_iter(leaf.pem.as_bytes()).collect::<Result<_, _>>().expect("PEM");
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("PEM")).expect("a certificate")
            }
        };
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Client { config: Arc::new(config) }
    }
    pub fn connect(&self, address: SocketAddr, name: &'static str) -> StreamOwned<ClientConnection, TcpStream> {
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let name = ServerName::try_from(name).expect("a name");
        StreamOwned::new(ClientConnection::new(self.config.clone(), name).expect("a client"), socket)
    }
    /// Sends bytes, and reads what comes until the end; or what went wrong.
    pub fn ask(&self, address: SocketAddr, name: &'static str, bytes: &[u8]) -> Result<String, String> {
        let mut stream = self.connect(address, name);
        stream.write_all(bytes).map_err(|e| e.to_string())?;
        let mut out = Vec::new();
        match stream.read_to_end(&mut out) {
            Err(e) if out.is_empty() => Err(e.to_string()),
            _ => Ok(String::from_utf8_lossy(&out).into_owned()),
        }
    }
    pub fn get(&self, address: SocketAddr, path: &str) -> Result<String, String> {
        self.ask(address, "server.example.com", format!("GET {path} HTTP/1.1\r\nhost: a.com\r\nconnection: close\r\n\r\n").as_bytes())
    }
}
