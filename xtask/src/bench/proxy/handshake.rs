//! Connections of mTLS, each for one request.

use super::config::Certificates;
use super::load::Done;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{CipherSuite, ClientConfig, ClientConnection, NamedGroup, RootCertStore, StreamOwned};

const CLIENTS: usize = 4;

/// Connects, asks once and leaves, until the time is over.
pub fn run(address: SocketAddr, certificates: &Certificates, span: Duration) -> Result<Done, String> {
    let config = config(certificates).map_err(|e| e.to_string())?;
    let end = Instant::now() + span;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let config = config.clone();
            std::thread::spawn(move || {
                let mut done = Done { requests: 0, failed: 0 };
                while Instant::now() < end {
                    done.requests += 1;
                    if once(address, config.clone()).is_none() {
                        done.failed += 1;
                    }
                }
                done
            })
        })
        .collect();
    let mut all = Done { requests: 0, failed: 0 };
    for client in clients {
        let done = client.join().map_err(|_| "a client of TLS came to its end")?;
        all = Done { requests: all.requests + done.requests, failed: all.failed + done.failed };
    }
    Ok(all)
}

fn config(certificates: &Certificates) -> Result<Arc<ClientConfig>, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificates.root.as_bytes())?)?;
    let chain = vec![CertificateDer::from_pem_slice(certificates.leaf.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(certificates.key.as_bytes())?;
    // What sidecars offer each other, as Envoy has it by default. Of a client that offers less Envoy asks for more, which costs it a round trip.
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.sort_by_key(|g| g.name() != NamedGroup::X25519MLKEM768);
    provider.cipher_suites.sort_by_key(|s| s.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key)?;
    // Each handshake whole.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn once(address: SocketAddr, config: Arc<ClientConfig>) -> Option<()> {
    let socket = TcpStream::connect(address).ok()?;
    socket.set_nodelay(true).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let connection = ClientConnection::new(config, ServerName::try_from("bench").ok()?).ok()?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // The peer may leave without saying so.
    let _ = stream.read_to_end(&mut answer);
    answer.starts_with(b"HTTP/1.1 200").then_some(())
}
