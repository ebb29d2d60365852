//! Step three: which filter chain of a listener takes a connection.
//!
//! Envoy looks at the criteria in a fixed order, and at each one keeps only the chains of the most specific value that
//! matches: destination port, destination address, server name, transport protocol, application protocols, directly connected
//! source, source type, source address, source port. It never goes back: a chain that matched an early criterion more
//! specifically hides the others, even where a later criterion then fails.

mod index;

use super::field::{Message, Read, Unknown};
use super::inspect::Inspected;
use super::matcher_tree::ChainTree;
use super::network::NetworkFilter;
use super::recorder::{Candidate, Recorder};
use super::request::Connection;
use super::text;
use super::transport::Transport;
use crate::matcher::Cidr;
use index::Index;
use std::fmt;

/// `source_type` of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    Any,
    SameIpOrLoopback,
    External,
}

/// `envoy.config.listener.v3.FilterChainMatch`. Empty lists match everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainMatch {
    pub destination_port: Option<u16>,
    pub destination: Vec<Cidr>,
    /// In lower case; `*.example.com` is kept as `.example.com`.
    pub server_names: Vec<Box<str>>,
    pub transport: Box<str>,
    pub application: Vec<Box<str>>,
    pub direct_source: Vec<Cidr>,
    pub source_type: SourceType,
    pub source: Vec<Cidr>,
    pub source_ports: Vec<u16>,
}

impl ChainMatch {
    pub fn read(m: &Message<'_, '_>) -> Read<ChainMatch> {
        m.only(&[
            "destination_port",
            "prefix_ranges",
            "server_names",
            "transport_protocol",
            "application_protocols",
            "direct_source_prefix_ranges",
            "source_type",
            "source_prefix_ranges",
            "source_ports",
        ])?;
        let port = |n: u64| u16::try_from(n).map_err(|_| m.unknown(format!("{n} is no port")));
        let ports = m.values("source_ports")?.iter().map(|v| v.as_u64().ok_or_else(|| m.unknown_field("source_ports", "no port")).and_then(port));
        Ok(ChainMatch {
            destination_port: m.uint("destination_port")?.filter(|p| *p != 0).map(port).transpose()?,
            destination: text::cidrs(m, "prefix_ranges")?,
            server_names: m.texts("server_names")?.into_iter().map(|n| n.strip_prefix('*').unwrap_or(n).to_ascii_lowercase().into()).collect(),
            transport: m.text("transport_protocol")?.into(),
            application: m.texts("application_protocols")?.into_iter().map(Into::into).collect(),
            direct_source: text::cidrs(m, "direct_source_prefix_ranges")?,
            source_type: match m.enumeration("source_type", &["ANY", "SAME_IP_OR_LOOPBACK", "EXTERNAL"])? {
                "SAME_IP_OR_LOOPBACK" => SourceType::SameIpOrLoopback,
                "EXTERNAL" => SourceType::External,
                _ => SourceType::Any,
            },
            source: text::cidrs(m, "source_prefix_ranges")?,
            source_ports: ports.collect::<Read<_>>()?,
        })
    }
    /// Whether it matches by what no index answers.
    fn takes(&self, s: Subject<'_>) -> bool {
        let asks = self.source_type != SourceType::Any || !self.transport.is_empty() || !self.application.is_empty() || !self.source_ports.is_empty();
        let asks = asks || !self.direct_source.is_empty() || !self.source.is_empty();
        !asks || Criterion::ALL[Criterion::INDEXED..].iter().all(|by| rank(self, *by, s).is_some())
    }
}

/// The criteria in Envoy's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    DestinationPort,
    Destination,
    ServerName,
    Transport,
    Application,
    DirectSource,
    SourceType,
    Source,
    SourcePort,
}

impl Criterion {
    pub const ALL: [Criterion; 9] = [
        Criterion::DestinationPort,
        Criterion::Destination,
        Criterion::ServerName,
        Criterion::Transport,
        Criterion::Application,
        Criterion::DirectSource,
        Criterion::SourceType,
        Criterion::Source,
        Criterion::SourcePort,
    ];
    /// The first so many are answered by an index.
    const INDEXED: usize = 3;

    fn name(self) -> &'static str {
        match self {
            Criterion::DestinationPort => "destination port",
            Criterion::Destination => "destination address",
            Criterion::ServerName => "server name",
            Criterion::Transport => "transport protocol",
            Criterion::Application => "application protocol",
            Criterion::DirectSource => "directly connected source",
            Criterion::SourceType => "source type",
            Criterion::Source => "source address",
            Criterion::SourcePort => "source port",
        }
    }
}

/// What chains are matched against.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub connection: &'a Connection<'a>,
    pub inspected: &'a Inspected<'a>,
}

/// How specifically a criterion of a chain matches; 0 where the chain asks nothing. `None` where it does not match.
fn rank(m: &ChainMatch, criterion: Criterion, s: Subject<'_>) -> Option<u32> {
    let prefixes = |list: &[Cidr], ip| match list {
        // An empty list is the prefix of length 0, which other chains may spell out.
        [] => Some(1),
        list => list.iter().filter(|p| p.contains(ip)).map(|p| u32::from(p.length) + 1).max(),
    };
    let asks = |empty: bool, rank: Option<u32>| if empty { Some(0) } else { rank };
    match criterion {
        Criterion::DestinationPort => m.destination_port.map_or(Some(0), |p| (p == s.connection.destination.port()).then_some(1)),
        Criterion::Destination => prefixes(&m.destination, s.connection.destination.ip()),
        Criterion::ServerName => asks(m.server_names.is_empty(), m.server_names.iter().filter_map(|n| server_name_rank(n, &s.inspected.server_name)).max()),
        Criterion::Transport => asks(m.transport.is_empty(), (*m.transport == *s.inspected.transport).then_some(1)),
        // The client's first protocol that any chain asks for wins.
        Criterion::Application => asks(
            m.application.is_empty(),
            s.inspected.application.iter().position(|p| m.application.iter().any(|a| **a == **p)).map(|i| u32::MAX - u32::try_from(i).unwrap_or(u32::MAX - 1)),
        ),
        Criterion::DirectSource => prefixes(&m.direct_source, s.connection.direct_source),
        Criterion::SourceType => match (m.source_type, s.connection.is_local()) {
            (SourceType::Any, _) => Some(0),
            (SourceType::SameIpOrLoopback, true) | (SourceType::External, false) => Some(1),
            _ => None,
        },
        Criterion::Source => prefixes(&m.source, s.connection.source.ip()),
        Criterion::SourcePort => asks(m.source_ports.is_empty(), m.source_ports.contains(&s.connection.source.port()).then_some(1)),
    }
}

/// The exact name beats every suffix, and a longer suffix a shorter one.
fn server_name_rank(wanted: &str, name: &str) -> Option<u32> {
    if wanted == name {
        return Some(u32::MAX);
    }
    let is_suffix = wanted.starts_with('.') && name.len() > wanted.len() && name.ends_with(wanted);
    is_suffix.then(|| u32::try_from(wanted.len()).unwrap_or(u32::MAX - 1))
}

/// A filter chain.
#[derive(Clone, Debug)]
pub struct FilterChain {
    pub name: Box<str>,
    /// The configuration object that made it; "" where the metadata names none.
    pub source: Box<str>,
    pub transport: Transport,
    pub filters: Vec<NetworkFilter>,
    criteria: Result<ChainMatch, Unknown>,
}

impl FilterChain {
    fn read(m: &Message<'_, '_>) -> Read<FilterChain> {
        let criteria = m
            .only(&[
                "name",
                "filter_chain_match",
                "filters",
                "use_proxy_proto",
                "metadata",
                "transport_socket",
                "transport_socket_connect_timeout",
                "on_demand_configuration",
            ])
            .and_then(|()| ChainMatch::read(&m.message_or_empty("filter_chain_match")?));
        Ok(FilterChain {
            name: m.text("name")?.into(),
            source: super::source_of(m),
            transport: Transport::read(m.message("transport_socket")?.as_ref()),
            filters: m.messages("filters")?.iter().map(NetworkFilter::read).collect(),
            criteria,
        })
    }
    fn candidate(&self) -> Candidate {
        Candidate { name: self.name.to_string(), source: self.source.to_string() }
    }
}

/// The chains of a listener and how one is chosen.
#[derive(Clone, Debug)]
pub struct Chains {
    list: Vec<FilterChain>,
    default: Option<FilterChain>,
    tree: Option<Result<ChainTree, Unknown>>,
    /// Of the list, where all of its criteria are known.
    index: Result<Index, Unknown>,
}

/// Which chain takes the connection.
#[derive(Clone, Debug)]
pub enum Choice<'c> {
    Chain(&'c FilterChain),
    /// Envoy closes the connection: `filter_chain_not_found`.
    None,
    /// Two chains with the same criteria: Envoy refuses such a listener.
    Ambiguous(&'c FilterChain, &'c FilterChain),
    Unknown(&'c Unknown),
}

impl Chains {
    pub(super) fn read(listener: &Message<'_, '_>) -> Read<Chains> {
        let mut list = Vec::new();
        for m in listener.messages("filter_chains")? {
            list.push(FilterChain::read(&m)?);
        }
        let default = match listener.message("default_filter_chain")? {
            Some(m) => Some(FilterChain::read(&m)?),
            None => None,
        };
        let tree = listener.message("filter_chain_matcher")?.map(|m| ChainTree::read(&m));
        // A chain whose criteria are not known may be the one: then so is the answer not known.
        let criteria = list.iter().map(|c| c.criteria.as_ref().map_err(Clone::clone)).collect::<Result<Vec<_>, _>>();
        let index = criteria.map(|list| Index::new(list.into_iter()));
        Ok(Chains { list, default, tree, index })
    }
    /// In the listener's order, the default one last.
    pub fn iter(&self) -> impl Iterator<Item = &FilterChain> {
        self.list.iter().chain(&self.default)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut FilterChain> {
        self.list.iter_mut().chain(&mut self.default)
    }

    pub fn choose<'c, R: Recorder>(&'c self, subject: Subject<'_>, recorder: &mut R) -> Choice<'c> {
        match &self.tree {
            None => self.by_criteria(subject, recorder),
            Some(Err(u)) => Choice::Unknown(u),
            Some(Ok(tree)) => match tree.choose(subject) {
                Err(u) => Choice::Unknown(u),
                Ok(name) => {
                    let chosen = name.and_then(|n| self.list.iter().find(|c| *c.name == *n));
                    if R::ON {
                        for chain in self.list.iter().filter(|c| chosen.is_none_or(|chosen| !std::ptr::eq(*c, chosen))) {
                            recorder.failed(|| format!("the listener's matcher leads to {}", name.unwrap_or("no chain")));
                            recorder.passed_over(|| chain.candidate());
                        }
                    }
                    // A name that no chain has leads nowhere, not to the default chain.
                    let chosen = if name.is_none() { self.default.as_ref() } else { chosen };
                    chosen.map_or(Choice::None, Choice::Chain)
                }
            },
        }
    }

    fn by_criteria<'c, R: Recorder>(&'c self, subject: Subject<'_>, recorder: &mut R) -> Choice<'c> {
        let index = match &self.index {
            Ok(index) => index,
            Err(u) => return Choice::Unknown(u),
        };
        let known = |c: &'c FilterChain| c.criteria.as_ref().ok().map(|m| (c, m));
        // The index answers the first criteria; told is what all of them say of every chain.
        let (mut left, criteria): (Vec<(&'c FilterChain, &'c ChainMatch)>, &[Criterion]) = if R::ON {
            (self.list.iter().filter_map(known).collect(), &Criterion::ALL)
        } else {
            let destination = subject.connection.destination;
            let found = index.find(destination.port(), destination.ip(), &subject.inspected.server_name);
            // As a rule one is left, and asks for nothing more.
            if let [only] = found {
                let chain = self.list.get(*only as usize).filter(|c| c.criteria.as_ref().is_ok_and(|m| m.takes(subject)));
                return chain.or(self.default.as_ref()).map_or(Choice::None, Choice::Chain);
            }
            (found.iter().filter_map(|i| self.list.get(*i as usize)).filter_map(known).collect(), &Criterion::ALL[Criterion::INDEXED..])
        };
        for criterion in criteria.iter().copied() {
            let best = left.iter().filter_map(|(_, m)| rank(m, criterion, subject)).max();
            if R::ON {
                for (chain, m) in left.iter().filter(|(_, m)| rank(m, criterion, subject) != best || best.is_none()) {
                    recorder.failed(|| why(m, criterion, subject));
                    recorder.passed_over(|| chain.candidate());
                }
            }
            left.retain(|(_, m)| best.is_some() && rank(m, criterion, subject) == best);
        }
        match left.as_slice() {
            [] => self.default.as_ref().map_or(Choice::None, Choice::Chain),
            [(chain, _)] => {
                if R::ON
                    && let Some(default) = &self.default
                {
                    recorder.failed(|| "the default chain is for what no other chain takes".to_owned());
                    recorder.passed_over(|| default.candidate());
                }
                Choice::Chain(chain)
            }
            [(a, _), (b, _), ..] => Choice::Ambiguous(a, b),
        }
    }
}

fn why(m: &ChainMatch, criterion: Criterion, s: Subject<'_>) -> String {
    let fails = rank(m, criterion, s).is_none();
    let name = criterion.name();
    let wants = match criterion {
        Criterion::DestinationPort => m.destination_port.map_or("any".to_owned(), |p| p.to_string()),
        Criterion::Destination => list(&m.destination),
        Criterion::ServerName => list(&m.server_names),
        Criterion::Transport => list(std::slice::from_ref(&m.transport)),
        Criterion::Application => list(&m.application),
        Criterion::DirectSource => list(&m.direct_source),
        Criterion::SourceType => match m.source_type {
            SourceType::Any => "any".to_owned(),
            SourceType::SameIpOrLoopback => "same address or loopback".to_owned(),
            SourceType::External => "external".to_owned(),
        },
        Criterion::Source => list(&m.source),
        Criterion::SourcePort => list(&m.source_ports),
    };
    let is = match criterion {
        Criterion::DestinationPort => s.connection.destination.port().to_string(),
        Criterion::Destination => s.connection.destination.ip().to_string(),
        Criterion::ServerName if s.inspected.server_name.is_empty() => "absent".to_owned(),
        Criterion::ServerName => s.inspected.server_name.to_string(),
        Criterion::Transport => s.inspected.transport.to_owned(),
        Criterion::Application if s.inspected.application.is_empty() => "unknown".to_owned(),
        Criterion::Application => s.inspected.application.join(", "),
        Criterion::DirectSource => s.connection.direct_source.to_string(),
        Criterion::SourceType => if s.connection.is_local() { "local" } else { "external" }.to_owned(),
        Criterion::Source => s.connection.source.ip().to_string(),
        Criterion::SourcePort => s.connection.source.port().to_string(),
    };
    if fails { format!("{name}: wants {wants}, is {is}") } else { format!("{name}: another chain matches {is} more specifically than {wants}") }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(|i| i.to_string()).filter(|t| !t.is_empty()).collect();
    if texts.is_empty() { "any".to_owned() } else { texts.join(" or ") }
}
