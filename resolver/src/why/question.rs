//! What is asked: one request, as its sender would send it.

use super::url::Url;
use mesh_envoy::engine::request::{ClientTls, Connection, Protocol, Request};
use mesh_envoy::engine::walk::World;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug)]
pub struct Question {
    /// In capitals.
    pub method: String,
    pub url: Url,
    /// The Host header; "" for that of the URL.
    pub authority: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub protocol: Protocol,
    /// The server name and protocols of the application's own TLS.
    pub sni: Option<String>,
    pub alpn: Vec<String>,
    /// Whether the application speaks TLS itself.
    pub speaks_tls: bool,
    /// Where the connection goes, and where it comes from, instead of what the input says.
    pub address: Option<IpAddr>,
    pub source: Option<IpAddr>,
    /// What is assumed of dice, tokens and limits.
    pub world: World,
}

impl Question {
    /// A plain GET of a URL.
    pub fn get(url: Url) -> Question {
        let speaks_tls = url.scheme == "https";
        let protocol = if url.scheme == "tcp" { Protocol::Tcp } else { Protocol::Http11 };
        Question {
            method: "GET".to_owned(),
            url,
            authority: String::new(),
            headers: Vec::new(),
            protocol,
            sni: None,
            alpn: Vec::new(),
            speaks_tls,
            address: None,
            source: None,
            world: World::default(),
        }
    }
    pub fn is_http(&self) -> bool {
        self.protocol.is_http()
    }
    pub(super) fn authority(&self) -> &str {
        if self.authority.is_empty() { &self.url.authority } else { &self.authority }
    }
    /// The host that is asked for, without its port.
    pub(super) fn bare_authority(&self) -> &str {
        let authority = self.authority();
        authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(authority, |(host, _)| host)
    }
    pub(super) fn server_name(&self) -> &str {
        match &self.sni {
            Some(name) => name,
            None if self.url.host.parse::<IpAddr>().is_ok() => "",
            None => &self.url.host,
        }
    }
    /// The connection that the application opens.
    pub(super) fn connection(&self, source: SocketAddr, destination: SocketAddr) -> Connection<'_> {
        let alpn = self.alpn.iter().map(String::as_str).collect();
        let tls = self.speaks_tls.then(|| ClientTls { server_name: self.server_name(), alpn, ..ClientTls::default() });
        Connection { destination, source, direct_source: source.ip(), tls, protocol: self.protocol, filter_state: &[] }
    }
    pub(super) fn request<'q>(&'q self, authority: &'q str, path: &'q str, headers: &'q Vec<(&'q str, &'q str)>) -> Option<Request<'q>> {
        let request = Request { method: &self.method, scheme: &self.url.scheme, authority, path, headers };
        self.is_http().then_some(request)
    }
    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Tcp => write!(f, "tcp://{}", self.authority()),
            _ => write!(f, "{} {}://{}{}", self.method, self.url.scheme, self.authority(), self.url.path),
        }
    }
}
