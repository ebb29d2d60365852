//! Step two: what a listener's own filters find out about a connection before a filter chain is chosen.

use super::field::{Message, Read, Unknown};
use super::request::{Connection, Protocol};

/// What the inspectors found: the input of filter chain matching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected<'a> {
    /// `tls` or `raw_buffer`.
    pub transport: &'static str,
    /// In lower case; "" for none.
    pub server_name: std::borrow::Cow<'a, str>,
    /// In the client's order: from TLS, or `http/1.1` and the like from plaintext.
    pub application: Vec<&'a str>,
}

/// What a listener's filters look at: what a proxy has to find out before it asks for a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Where a redirected connection wanted to go.
    pub destination: bool,
    /// Who the client is and where it wanted to go, which whoever passed the connection on says first (PROXY protocol).
    pub introduction: bool,
    /// Whether the first bytes are a TLS hello, and what it says.
    pub tls: bool,
    /// Whether they are HTTP, where they are no TLS.
    pub http: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    OriginalDestination,
    /// The addresses of a connection are those that it tells of.
    ProxyProtocol,
    Tls,
    Http,
    /// Changes nothing that is matched on.
    Transparent,
    Unknown(Unknown),
}

/// A listener filter and where it is switched off.
#[derive(Clone, Debug)]
pub struct ListenerFilter {
    kind: Kind,
    disabled: Option<Predicate>,
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate`.
#[derive(Clone, Debug)]
enum Predicate {
    Any,
    /// From, and up to but without.
    Port(u64, u64),
    Not(Box<Predicate>),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
}

impl Predicate {
    fn read(m: &Message<'_, '_>) -> Read<Predicate> {
        m.only(&["or_match", "and_match", "not_match", "any_match", "destination_port_range"])?;
        let rules = |set: &Message<'_, '_>| set.messages("rules")?.iter().map(Predicate::read).collect::<Read<Vec<_>>>();
        if let Some(set) = m.message("or_match")? {
            return Ok(Predicate::Or(rules(&set)?));
        }
        if let Some(set) = m.message("and_match")? {
            return Ok(Predicate::And(rules(&set)?));
        }
        if let Some(inner) = m.message("not_match")? {
            return Ok(Predicate::Not(Box::new(Predicate::read(&inner)?)));
        }
        if let Some(range) = m.message("destination_port_range")? {
            return Ok(Predicate::Port(range.uint("start")?.unwrap_or(0), range.uint("end")?.unwrap_or(0)));
        }
        Ok(Predicate::Any)
    }
    fn holds(&self, port: u16) -> bool {
        match self {
            Predicate::Any => true,
            Predicate::Port(start, end) => (*start..*end).contains(&u64::from(port)),
            Predicate::Not(inner) => !inner.holds(port),
            Predicate::And(rules) => rules.iter().all(|r| r.holds(port)),
            Predicate::Or(rules) => rules.iter().any(|r| r.holds(port)),
        }
    }
}

impl ListenerFilter {
    pub(super) fn read(m: &Message<'_, '_>) -> ListenerFilter {
        ListenerFilter::try_read(m).unwrap_or_else(|u| ListenerFilter { kind: Kind::Unknown(u), disabled: None })
    }
    fn try_read(m: &Message<'_, '_>) -> Read<ListenerFilter> {
        m.only(&["name", "typed_config", "filter_disabled", "config_discovery"])?;
        let disabled = m.message("filter_disabled")?.map(|p| Predicate::read(&p)).transpose()?;
        let config = m.any("typed_config")?;
        let kind = match config.as_ref().map_or("", |(name, _)| name.rsplit('.').next().unwrap_or(name)) {
            "OriginalDst" => Kind::OriginalDestination,
            "TlsInspector" => Kind::Tls,
            "HttpInspector" => Kind::Http,
            "ProxyProtocol" => Kind::ProxyProtocol,
            "OriginalSrc" | "LocalRateLimit" => Kind::Transparent,
            // Older dumps carry the name alone.
            "" => match m.text("name")? {
                "envoy.filters.listener.original_dst" | "envoy.listener.original_dst" => Kind::OriginalDestination,
                "envoy.filters.listener.tls_inspector" | "envoy.listener.tls_inspector" => Kind::Tls,
                "envoy.filters.listener.http_inspector" | "envoy.listener.http_inspector" => Kind::Http,
                "envoy.filters.listener.proxy_protocol" | "envoy.listener.proxy_protocol" => Kind::ProxyProtocol,
                other => return Err(m.unknown(format!("the listener filter {other} is not known to meshctl"))),
            },
            other => return Err(m.unknown(format!("the listener filter {other} is not known to meshctl"))),
        };
        Ok(ListenerFilter { kind, disabled })
    }
    pub(super) fn looks(&self, port: u16, into: &mut Looks) {
        if self.runs(port) {
            match self.kind {
                Kind::OriginalDestination => into.destination = true,
                Kind::ProxyProtocol => into.introduction = true,
                Kind::Tls => into.tls = true,
                Kind::Http => into.http = true,
                Kind::Transparent | Kind::Unknown(_) => {}
            }
        }
    }
    pub(super) fn restores_destination(&self) -> bool {
        matches!(self.kind, Kind::OriginalDestination)
    }
    fn runs(&self, port: u16) -> bool {
        !self.disabled.as_ref().is_some_and(|p| p.holds(port))
    }
}

/// Runs the listener filters over a connection.
///
/// # Errors
/// A filter that runs and is not known.
pub fn inspect<'c, 'a>(filters: &'c [ListenerFilter], connection: &Connection<'a>) -> Result<Inspected<'a>, &'c Unknown> {
    let mut found = Inspected { transport: "", server_name: "".into(), application: Vec::new() };
    for filter in filters.iter().filter(|f| f.runs(connection.destination.port())) {
        match &filter.kind {
            Kind::Unknown(u) => return Err(u),
            Kind::OriginalDestination | Kind::ProxyProtocol | Kind::Transparent => {}
            Kind::Tls => {
                if let Some(hello) = &connection.tls {
                    found.transport = "tls";
                    found.server_name = match hello.server_name.bytes().any(|b| b.is_ascii_uppercase()) {
                        true => hello.server_name.to_ascii_lowercase().into(),
                        false => hello.server_name.into(),
                    };
                    found.application.clone_from(&hello.alpn);
                }
            }
            // What is inside TLS can't be seen, and with TLS found there is nothing to look for.
            Kind::Http if connection.tls.is_none() => {
                found.application = match connection.protocol {
                    Protocol::Http10 => vec!["http/1.0"],
                    Protocol::Http11 => vec!["http/1.1"],
                    Protocol::Http2 => vec!["h2c"],
                    Protocol::Tcp => Vec::new(),
                };
            }
            Kind::Http => {}
        }
    }
    if found.transport.is_empty() {
        found.transport = "raw_buffer";
    }
    Ok(found)
}
