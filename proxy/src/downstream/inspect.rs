//! Listener filters: what the first bytes of a connection are, looked at before a filter chain is chosen.

use super::raw::Raw;
use crate::tls::hello::{self, Hello, Http, Seen};
use mesh_envoy::engine::inspect::Looks;
use mesh_envoy::engine::request::{ClientTls, Protocol};
use std::io;

/// What was found out.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub tls: Option<Hello>,
    /// What plaintext begins as, where that was looked at.
    pub http: Option<Http>,
}

/// How the look at the bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Enough was seen.
    Known,
    /// The client left before.
    Gone,
    /// More came than any hello has.
    TooLong,
}

impl Found {
    /// Reads as far as the inspectors need it. What is found stands in `self` at every moment: the wait may be cut off.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn look(&mut self, raw: &mut Raw, looks: Looks) -> io::Result<Ended> {
        let (mut wants_tls, mut wants_http) = (looks.tls, looks.http);
        loop {
            let early = raw.early();
            if wants_tls && !early.is_empty() {
                match hello::tls(early) {
                    Seen::More => {}
                    Seen::No => wants_tls = false,
                    Seen::Yes(hello) => {
                        self.tls = Some(hello);
                        return Ok(Ended::Known);
                    }
                }
            }
            if !wants_tls && wants_http && !early.is_empty() {
                match hello::http(early) {
                    Seen::More => {}
                    Seen::No => wants_http = false,
                    Seen::Yes(http) => {
                        self.http = Some(http);
                        return Ok(Ended::Known);
                    }
                }
            }
            if !wants_tls && !wants_http {
                return Ok(Ended::Known);
            }
            if early.len() > hello::LONGEST {
                return Ok(Ended::TooLong);
            }
            if !raw.read_ahead().await? {
                return Ok(Ended::Gone);
            }
        }
    }
    /// For the engine: the hello, with a certificate that nobody saw yet.
    pub fn client_tls(&self) -> Option<ClientTls<'_>> {
        let hello = self.tls.as_ref()?;
        Some(ClientTls { server_name: &hello.server_name, alpn: hello.alpn.iter().map(String::as_str).collect(), certificate: None, passed_through: false })
    }
    pub fn protocol(&self) -> Protocol {
        match self.http {
            Some(Http::Http10) => Protocol::Http10,
            Some(Http::Http11) => Protocol::Http11,
            Some(Http::Http2) => Protocol::Http2,
            None => Protocol::Tcp,
        }
    }
}
