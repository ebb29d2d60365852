//! The request that the command line describes.

use crate::args::route::RequestArgs;
use crate::status::Failure;
use mesh_envoy::engine::gate::Answer;
use mesh_envoy::engine::pick::UpstreamTransport;
use mesh_envoy::engine::request::{ClientTls, Connection, Protocol, Request};
use mesh_envoy::engine::walk::{TokenState, World};
use mesh_resolver::Held;
use mesh_resolver::why::{Url, mesh_tls};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Addresses of documentation (RFC 5737): nobody's.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// A port that clients are given by the system.
const EPHEMERAL: u16 = 49152;

pub struct Described {
    method: String,
    scheme: String,
    pub authority: String,
    host: String,
    port: u16,
    /// With its query.
    pub path: String,
    headers: Vec<(String, String)>,
    protocol: Protocol,
    tls: bool,
    sni: Option<String>,
    alpn: Vec<String>,
    address: Option<IpAddr>,
    source: Option<IpAddr>,
}

impl Described {
    pub fn new(args: &RequestArgs, method: &str, url: &str) -> Result<Described, Failure> {
        let Url { scheme, authority, host, port, path } = Url::parse(url).map_err(Failure::usage)?;
        let mut headers = Vec::new();
        let mut named = authority;
        for header in &args.headers {
            let (name, value) = header.split_once(':').ok_or_else(|| Failure::usage(format!("the header `{header}` is not of the form NAME: VALUE")))?;
            match name.trim().to_ascii_lowercase().as_str() {
                "host" => named = value.trim().to_owned(),
                name => headers.push((name.to_owned(), value.trim().to_owned())),
            }
        }
        let protocol = match (scheme.as_str(), args.http2) {
            ("tcp", _) => Protocol::Tcp,
            (_, true) => Protocol::Http2,
            _ => Protocol::Http11,
        };
        Ok(Described {
            method: method.to_ascii_uppercase(),
            tls: args.tls || scheme == "https" || args.sni.is_some(),
            scheme,
            authority: named,
            host,
            port,
            path,
            headers,
            protocol,
            sni: args.sni.clone(),
            alpn: args.alpn.clone(),
            address: args.address,
            source: args.source_ip,
        })
    }

    /// Where the connection goes.
    pub fn destination(&self, proxy: &Held, inbound: bool, assumptions: &mut Vec<String>) -> SocketAddr {
        let given = self.address.or_else(|| self.host.parse().ok());
        let own = if inbound { proxy.addresses.first().copied() } else { None };
        let known = || if inbound { None } else { proxy.address_of(&self.host) };
        let address = given.or(own).or_else(known).unwrap_or_else(|| {
            assumptions.push(format!("the address of {} is one that no listener has of its own (--address IP names another)", self.host));
            NOBODY
        });
        SocketAddr::new(address, self.port)
    }

    /// Where it comes from.
    pub fn source(&self, proxy: &Held, inbound: bool, assumptions: &mut Vec<String>) -> SocketAddr {
        let own =
            if inbound { None } else { proxy.addresses.first().copied().filter(|_| proxy.entry_outbound() != mesh_envoy::engine::request::Entry::Direct) };
        let address = self.source.or(own).unwrap_or_else(|| {
            assumptions.push(format!("the client's address is {SOMEBODY} (--source-ip IP names another)"));
            SOMEBODY
        });
        SocketAddr::new(address, EPHEMERAL)
    }

    /// The client's connection; with a certificate it is mutual TLS of the mesh.
    pub fn connection<'a>(&'a self, source: SocketAddr, destination: SocketAddr, principal: Option<&'a str>) -> Connection<'a> {
        let tls = match principal {
            Some(name) => Some(mesh_tls(name, self.protocol)),
            None if self.tls => Some(ClientTls {
                server_name: self.sni.as_deref().unwrap_or(if self.host.parse::<IpAddr>().is_ok() { "" } else { &self.host }),
                alpn: self.alpn.iter().map(String::as_str).collect(),
                ..ClientTls::default()
            }),
            None => None,
        };
        Connection { destination, source, direct_source: source.ip(), tls, protocol: self.protocol, filter_state: &[] }
    }

    /// The connection of the client's proxy to the server's; with a principal it is mutual TLS of the mesh.
    pub fn as_sent_by<'a>(&'a self, near: &Held, destination: SocketAddr, sent: &'a UpstreamTransport, principal: Option<&'a str>) -> Connection<'a> {
        let source = SocketAddr::new(near.addresses.first().copied().unwrap_or(SOMEBODY), EPHEMERAL);
        let tls = match sent {
            UpstreamTransport::Tls { server_name, .. } => {
                let of_mesh = principal.map(|name| mesh_tls(name, self.protocol));
                // TLS that shows no certificate is not the mesh's, and offers none of its protocols.
                Some(ClientTls { server_name, ..of_mesh.unwrap_or_default() })
            }
            UpstreamTransport::Plaintext | UpstreamTransport::Other(_) => None,
        };
        Connection { destination, source, direct_source: source.ip(), tls, protocol: self.protocol, filter_state: &[] }
    }

    pub fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }

    /// `None` for bytes.
    pub fn request<'a>(&'a self, headers: &'a Vec<(&'a str, &'a str)>) -> Option<Request<'a>> {
        let request = Request { method: &self.method, scheme: &self.scheme, authority: &self.authority, path: &self.path, headers };
        self.protocol.is_http().then_some(request)
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Tcp => write!(f, "tcp://{}", self.authority),
            _ => write!(f, "{} {}://{}{}", self.method, self.scheme, self.authority, self.path),
        }
    }
}

/// The trust domain of identities that are given without one; the same is said among the assumptions.
pub const TRUST_DOMAIN: &str = "cluster.local";

/// A mesh's trust domain where it says one; where it is the usual one that stays an assumption.
pub fn other_domain(trust_domain: &str) -> Option<&str> {
    Some(trust_domain).filter(|d| !d.is_empty() && *d != TRUST_DOMAIN)
}

/// `NAMESPACE/SERVICE-ACCOUNT` or a SPIFFE id, as a SPIFFE id. `option` is what it was given with; the trust domain of the mesh is given where it
/// is known.
pub fn spiffe(who: &str, option: &str, trust_domain: Option<&str>, assumptions: &mut Vec<String>) -> Result<String, Failure> {
    if who.starts_with("spiffe://") {
        return Ok(who.to_owned());
    }
    match who.split('/').collect::<Vec<_>>().as_slice() {
        [namespace, account] if !namespace.is_empty() && !account.is_empty() => {
            let domain = trust_domain.unwrap_or_else(|| {
                assumptions.push(format!("the caller's trust domain is {TRUST_DOMAIN} ({option} spiffe://DOMAIN/ns/{namespace}/sa/{account} names another)"));
                TRUST_DOMAIN
            });
            Ok(format!("spiffe://{domain}/ns/{namespace}/sa/{account}"))
        }
        // As Istio writes principals: TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT.
        [_, "ns", _, "sa", _] => Ok(format!("spiffe://{who}")),
        _ => Err(Failure::usage(format!("`{who}` is neither NAMESPACE/SERVICE-ACCOUNT nor a SPIFFE id"))),
    }
}

/// What the command line assumes about the world.
pub fn world(args: &RequestArgs) -> Result<World, Failure> {
    let token = match args.token.as_deref() {
        None => TokenState::Absent,
        Some("invalid") => TokenState::Invalid("Jwt verification fails".to_owned()),
        Some(claims) => match serde_json::from_str(claims) {
            Ok(claims @ serde_json::Value::Object(_)) => TokenState::Valid(claims),
            _ => return Err(Failure::usage("--token takes claims as a JSON object, or `invalid`")),
        },
    };
    Ok(World { random: args.random, token, limits_used_up: args.limited, outside: Answer::Allowed, unlucky: args.unlucky })
}
