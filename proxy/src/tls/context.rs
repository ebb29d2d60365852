//! TLS contexts (`DownstreamTlsContext`, `UpstreamTlsContext`): which certificate is shown, what peers are validated by, which
//! protocols are offered. A context is compiled once; what rustls needs of it is made again when one of its secrets changed,
//! so that new handshakes see a rotation and connections that are open do not.

use super::material::Identity;
use super::parameters::parameters;
use super::secrets::Slot;
use super::validation::{ServerNames, Validation, Verifier};
use crate::config::Compiler;
use crate::telemetry::greeting;
use mesh_envoy::engine::field::{Message, Read};
use std::fmt;
use std::sync::{Arc, RwLock};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{DnsName, IpAddr, Ipv4Addr, ServerName};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

/// Why a context can't be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// A secret of this name is not there yet.
    Secret(Box<str>),
    /// Its secrets do not fit together.
    Unusable(String),
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotReady::Secret(name) => write!(f, "the secret {name} is not there"),
            NotReady::Unusable(why) => f.write_str(why),
        }
    }
}
impl std::error::Error for NotReady {}

#[derive(Debug)]
enum Shown {
    InPlace(Arc<Identity>),
    Named(Arc<Slot>),
}

/// What both kinds of contexts have.
#[derive(Debug)]
struct Common {
    shown: Vec<Shown>,
    /// What stands in the context.
    validation: Validation,
    /// What is merged over it.
    named: Option<Arc<Slot>>,
    alpn: Vec<Vec<u8>>,
    /// The list for those who greet their peers; the same where it has no such protocol.
    greeting_alpn: Vec<Vec<u8>>,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

/// Names of protocols as ALPN has them, without that of greetings: who agrees upon it has to greet.
pub fn offer(names: Vec<&str>) -> Vec<Vec<u8>> {
    names.into_iter().filter(|n| *n != greeting::PROTOCOL).map(|n| n.as_bytes().to_vec()).collect()
}

impl Common {
    fn read(m: &Message<'_, '_>, compiler: &Compiler, newest: &'static SupportedProtocolVersion) -> Read<Common> {
        let mut shown = Vec::new();
        for certificate in m.messages("tls_certificates")? {
            shown.push(Shown::InPlace(Arc::new(Identity::read(&certificate)?)));
        }
        for named in m.messages("tls_certificate_sds_secret_configs")? {
            shown.push(Shown::Named(slot(&named, compiler)?));
        }
        let combined = m.message_or_empty("combined_validation_context")?;
        let in_place = match m.message("validation_context")? {
            Some(own) => Some(own),
            None => combined.message("default_validation_context")?,
        };
        let named = match m.message("validation_context_sds_secret_config")? {
            Some(own) => Some(own),
            None => combined.message("validation_context_sds_secret_config")?,
        };
        let validation = in_place.map(|v| Validation::read(&v)).transpose()?.unwrap_or_default();
        if validation.is_insecure() && named.is_none() {
            return Err(m.unknown_field("validation_context", "names are asked for without a trusted_ca: anybody can write a name"));
        }
        let (provider, versions) = parameters(&m.message_or_empty("tls_params")?, compiler, newest)?;
        let protocols = m.texts("alpn_protocols")?;
        let greeting_alpn = protocols.iter().map(|n| n.as_bytes().to_vec()).collect();
        let named = named.map(|n| slot(&n, compiler)).transpose()?;
        Ok(Common { shown, validation, named, alpn: offer(protocols), greeting_alpn, provider, versions })
    }
    fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        let shown = self.shown.iter().filter_map(|s| if let Shown::Named(slot) = s { Some(slot) } else { None });
        shown.chain(&self.named)
    }
    /// Another number after every change of a secret.
    fn stamp(&self) -> u64 {
        self.slots().map(|s| s.version()).sum()
    }
    fn identities(&self) -> Result<Vec<Arc<Identity>>, NotReady> {
        let of = |s: &Shown| match s {
            Shown::InPlace(identity) => Ok(identity.clone()),
            Shown::Named(slot) => slot.identity().ok_or_else(|| NotReady::Secret(slot.name.clone())),
        };
        self.shown.iter().map(of).collect()
    }
    fn validation(&self) -> Result<Validation, NotReady> {
        let Some(slot) = &self.named else { return Ok(self.validation.clone()) };
        let over = slot.validation().ok_or_else(|| NotReady::Secret(slot.name.clone()))?;
        let merged = self.validation.merged(&over);
        if merged.is_insecure() {
            return Err(NotReady::Unusable(format!("the secret {} has no trusted_ca", slot.name)));
        }
        Ok(merged)
    }
}

/// The place of a secret that a context names (`SdsSecretConfig`).
fn slot(m: &Message<'_, '_>, compiler: &Compiler) -> Read<Arc<Slot>> {
    let name = m.text("name")?;
    match m.value("sds_config") {
        Some(source) => {
            let wanted = compiler.secrets.want(name, source);
            wanted.map_err(|_| m.unknown_field("sds_config", format!("the secret {name} is asked of another source elsewhere")))
        }
        None if compiler.secrets.has(name) => Ok(compiler.secrets.slot(name)),
        None => Err(m.unknown_field("name", format!("there is no secret {name} in static_resources.secrets"))),
    }
}

/// The server's side of a filter chain.
#[derive(Debug)]
pub struct ServerContext {
    common: Common,
    requires_certificate: bool,
    resumes: bool,
    greets: bool,
    built: RwLock<Option<Arc<Server>>>,
}

/// A server's side as it is now.
#[derive(Debug)]
pub struct Server {
    stamp: u64,
    pub verifier: Arc<Verifier>,
    certificates: Vec<Certificate>,
}

/// One of a server's certificates, ready for handshakes.
#[derive(Debug)]
pub struct Certificate {
    pub identity: Arc<Identity>,
    alpn: Arc<ServerConfig>,
    /// For clients that offer none of the protocols: as Envoy has it, they go on without one.
    plain: Arc<ServerConfig>,
    protocols: Vec<Vec<u8>>,
}

impl Certificate {
    pub fn config(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let shares = hello.alpn().is_none_or(|mut offered| offered.any(|o| self.protocols.iter().any(|p| p == o)));
        if shares { self.alpn.clone() } else { self.plain.clone() }
    }
}

impl Server {
    /// The certificate for a client: one of the name that it asks for before others, and of a kind that it can check.
    pub fn choose(&self, hello: &ClientHello<'_>) -> Option<&Certificate> {
        let can_check = |c: &&Certificate| c.identity.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let is_named = |c: &&Certificate| hello.server_name().is_some_and(|n| c.identity.leaf.dns.iter().any(|d| super::validation::covers(d, n)));
        let named = self.certificates.iter().filter(can_check).find(is_named);
        named.or_else(|| self.certificates.iter().find(can_check)).or(self.certificates.first())
    }
}

impl ServerContext {
    /// `DownstreamTlsContext`
    ///
    /// # Errors
    /// What is not known or can't be used.
    pub fn read(m: &Message<'_, '_>, compiler: &Compiler) -> Read<ServerContext> {
        let common = Common::read(&m.message_or_empty("common_tls_context")?, compiler, &TLS13)?;
        if common.shown.is_empty() {
            return Err(m.unknown_field("common_tls_context", "a server needs a certificate"));
        }
        Ok(ServerContext {
            common,
            requires_certificate: m.flag("require_client_certificate")?,
            resumes: !m.flag("disable_stateless_session_resumption")?,
            greets: false,
            built: RwLock::default(),
        })
    }
    /// Clients may agree to greet.
    pub fn greeting(mut self) -> ServerContext {
        self.greets = true;
        self
    }
    /// The context with its newest secrets. Where they do not fit together, the ones before them are kept.
    ///
    /// # Errors
    /// A secret is missing.
    pub fn ready(&self) -> Result<Arc<Server>, NotReady> {
        let stamp = self.common.stamp();
        let before = self.built.read().ok().and_then(|b| b.clone());
        if let Some(current) = before.as_ref().filter(|b| b.stamp == stamp) {
            return Ok(current.clone());
        }
        match (self.build(stamp), before) {
            (Ok(server), _) => {
                let server = Arc::new(server);
                if let Ok(mut built) = self.built.write() {
                    *built = Some(server.clone());
                }
                Ok(server)
            }
            (Err(_), Some(before)) => Ok(before),
            (Err(e), None) => Err(e),
        }
    }
    fn build(&self, stamp: u64) -> Result<Server, NotReady> {
        let common = &self.common;
        let validation = common.validation()?;
        let (asks, demands) = (self.requires_certificate || !validation.is_empty(), self.requires_certificate || validation.demands_certificate());
        let verifier = Arc::new(Verifier::new(validation, demands, ServerNames::AsConfigured, &common.provider).map_err(NotReady::Unusable)?);
        // Sessions of before a rotation are not taken up again: their peers were checked by other rules.
        let ticketer = aws_lc_rs::Ticketer::new().map_err(|e| NotReady::Unusable(e.to_string()))?;
        let mut certificates = Vec::new();
        for identity in common.identities()? {
            let builder = ServerConfig::builder_with_provider(common.provider.clone()).with_protocol_versions(&common.versions);
            let builder = builder.map_err(|e| NotReady::Unusable(e.to_string()))?;
            let builder = if asks { builder.with_client_cert_verifier(verifier.clone()) } else { builder.with_no_client_auth() };
            let mut plain = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key.clone())));
            if self.resumes {
                plain.ticketer = ticketer.clone();
            } else {
                plain.session_storage = Arc::new(NoServerSessionStorage {});
                plain.send_tls13_tickets = 0;
            }
            let mut alpn = plain.clone();
            let protocols = if self.greets { &common.greeting_alpn } else { &common.alpn };
            alpn.alpn_protocols.clone_from(protocols);
            certificates.push(Certificate { identity, alpn: Arc::new(alpn), plain: Arc::new(plain), protocols: protocols.clone() });
        }
        Ok(Server { stamp, verifier, certificates })
    }
}

/// The client's side of a cluster.
#[derive(Debug)]
pub struct ClientContext {
    common: Common,
    /// "" for none.
    pub server_name: Box<str>,
    /// Whether the name is that of the endpoint where it has one.
    pub names_endpoint: bool,
    server_names: ServerNames,
    built: RwLock<Option<Arc<Client>>>,
}

/// A client's side as it is now.
#[derive(Debug)]
pub struct Client {
    stamp: u64,
    pub verifier: Arc<Verifier>,
    /// What is shown to servers that ask for a certificate.
    pub identity: Option<Arc<Identity>>,
    /// By [`Speaks`]; all the same where protocols are configured.
    configs: [Arc<ClientConfig>; 4],
}

/// What is spoken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Bytes,
    /// Bytes behind a greeting, where the server agrees.
    Greeting,
    Http1,
    Http2,
}

impl Client {
    pub fn config(&self, speaks: Speaks) -> Arc<ClientConfig> {
        let index = match speaks {
            Speaks::Bytes => 0,
            Speaks::Http1 => 1,
            Speaks::Http2 => 2,
            Speaks::Greeting => 3,
        };
        self.configs[index].clone()
    }
    /// The same with another list of protocols to offer.
    pub fn offering(&self, speaks: Speaks, protocols: &[Vec<u8>]) -> Arc<ClientConfig> {
        let mut own = ClientConfig::clone(&self.config(speaks));
        own.alpn_protocols = protocols.to_vec();
        Arc::new(own)
    }
}

impl ClientContext {
    /// `UpstreamTlsContext`. `checks_name`: whether servers have to have the name that they are asked by.
    ///
    /// # Errors
    /// What is not known or can't be used.
    pub fn read(m: &Message<'_, '_>, compiler: &Compiler, server_names: ServerNames) -> Read<ClientContext> {
        // As with Envoy, a client speaks TLS 1.3 only where the configuration says so.
        let common = Common::read(&m.message_or_empty("common_tls_context")?, compiler, &TLS12)?;
        if common.shown.len() > 1 {
            return Err(m.unknown_field("common_tls_context", "a client has one certificate"));
        }
        let name = m.text("sni")?;
        server_name(name).ok_or_else(|| m.unknown_field("sni", format!("`{name}` is no name of a host")))?;
        let checks = m.flag("auto_sni_san_validation")?;
        Ok(ClientContext {
            common,
            server_name: name.into(),
            names_endpoint: m.flag("auto_host_sni")?,
            server_names: if checks { ServerNames::AsAskedFor } else { server_names },
            built: RwLock::default(),
        })
    }
    /// The context with its newest secrets. Where they do not fit together, the ones before them are kept.
    ///
    /// # Errors
    /// A secret is missing.
    pub fn ready(&self) -> Result<Arc<Client>, NotReady> {
        let stamp = self.common.stamp();
        let before = self.built.read().ok().and_then(|b| b.clone());
        if let Some(current) = before.as_ref().filter(|b| b.stamp == stamp) {
            return Ok(current.clone());
        }
        match (self.build(stamp), before) {
            (Ok(client), _) => {
                let client = Arc::new(client);
                if let Ok(mut built) = self.built.write() {
                    *built = Some(client.clone());
                }
                Ok(client)
            }
            (Err(_), Some(before)) => Ok(before),
            (Err(e), None) => Err(e),
        }
    }
    fn build(&self, stamp: u64) -> Result<Client, NotReady> {
        let common = &self.common;
        let verifier = Arc::new(Verifier::new(common.validation()?, true, self.server_names, &common.provider).map_err(NotReady::Unusable)?);
        let identity = common.identities()?.into_iter().next();
        let builder = ClientConfig::builder_with_provider(common.provider.clone()).with_protocol_versions(&common.versions);
        let builder = builder.map_err(|e| NotReady::Unusable(e.to_string()))?.dangerous().with_custom_certificate_verifier(verifier.clone());
        let mut config = match &identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key.clone()))),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(256);
        let with = |protocol: &[u8]| {
            let mut own = config.clone();
            own.alpn_protocols = match (common.alpn.as_slice(), protocol) {
                ([], b"") => Vec::new(),
                ([], protocol) => vec![protocol.to_vec()],
                (configured, _) => configured.to_vec(),
            };
            Arc::new(own)
        };
        let mut greeting = config.clone();
        greeting.alpn_protocols.clone_from(&common.greeting_alpn);
        Ok(Client { stamp, verifier, identity, configs: [with(b""), with(b"http/1.1"), with(b"h2"), Arc::new(greeting)] })
    }
}

/// A name to ask a server by. "" and addresses are asked by no name; `None` for what is neither a name nor an address.
pub fn server_name(text: &str) -> Option<ServerName<'static>> {
    if text.is_empty() {
        return Some(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0]))));
    }
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(ServerName::IpAddress(address.into()));
    }
    DnsName::try_from(text.to_owned()).ok().map(ServerName::DnsName)
}
