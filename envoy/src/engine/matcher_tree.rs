//! The tree form of filter chain matching (`filter_chain_matcher`, `xds.type.matcher.v3.Matcher`), as istiod sends it to
//! waypoints: inputs of the connection, compared in maps, prefixes, lists of predicates and ranges of addresses.
//!
//! A branch that matches and leads to a matcher without a match counts as not matched; what follows is tried.

use super::chain::Subject;
use super::field::{Message, Read, Unknown};
use super::text;
use crate::matcher::{Cidr, StringMatcher};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A compiled tree whose leaves are names of filter chains.
#[derive(Clone, Debug)]
pub struct ChainTree(Node);

impl ChainTree {
    pub fn read(m: &Message<'_, '_>) -> Read<ChainTree> {
        Node::read(m).map(ChainTree)
    }
    /// The name of the chain that the tree leads to.
    ///
    /// # Errors
    /// A part of the tree that had to be evaluated and is not known.
    pub fn choose(&self, subject: Subject<'_>) -> Result<Option<&str>, &Unknown> {
        self.0.evaluate(subject)
    }
}

#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    on_no_match: Option<OnMatch>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// The first that holds and leads somewhere.
    List(Vec<(Predicate, OnMatch)>),
    Exact(Input, BTreeMap<Box<str>, OnMatch>),
    /// Longest prefix first.
    Prefix(Input, Vec<(Box<str>, OnMatch)>),
    /// Ranges, each with its own way on; the most specific first.
    Ip(Input, Vec<(Cidr, usize)>, Vec<(OnMatch, Exclusive)>),
    /// `*.example.com` kept as `.example.com`; exact names first, then the longest suffix.
    ServerName(Input, Vec<(Box<str>, usize)>, Vec<OnMatch>),
}

/// Whether less specific ranges are tried where the way on of a range leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exclusive {
    Yes,
    No,
}

#[derive(Clone, Debug)]
enum OnMatch {
    Chain(Box<str>),
    Matcher(Box<Node>),
    Unknown(Unknown),
}

#[derive(Clone, Debug)]
enum Predicate {
    Single(Input, StringMatcher),
    Or(Vec<Predicate>),
    And(Vec<Predicate>),
    Not(Box<Predicate>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    DestinationIp,
    DestinationPort,
    SourceIp,
    SourcePort,
    DirectSourceIp,
    SourceType,
    ServerName,
    Transport,
    Application,
}

impl Input {
    fn read(m: &Message<'_, '_>) -> Read<Input> {
        let Some((name, config)) = m.any("typed_config")? else { return Err(m.unknown("an input without a type")) };
        Ok(match name.rsplit('.').next().unwrap_or(name) {
            "DestinationIPInput" => Input::DestinationIp,
            "DestinationPortInput" => Input::DestinationPort,
            "SourceIPInput" => Input::SourceIp,
            "SourcePortInput" => Input::SourcePort,
            "DirectSourceIPInput" => Input::DirectSourceIp,
            "SourceTypeInput" => Input::SourceType,
            "ServerNameInput" => Input::ServerName,
            "TransportProtocolInput" => Input::Transport,
            "ApplicationProtocolInput" => Input::Application,
            other => return Err(config.unknown(format!("the input {other} is not known to meshctl"))),
        })
    }
    /// `None` where the connection has no such value.
    fn value<'a>(self, s: Subject<'a>) -> Option<Cow<'a, str>> {
        let text = |t: &'a str| if t.is_empty() { None } else { Some(Cow::Borrowed(t)) };
        match self {
            Input::DestinationIp => Some(s.connection.destination.ip().to_string().into()),
            Input::DestinationPort => Some(s.connection.destination.port().to_string().into()),
            Input::SourceIp => Some(s.connection.source.ip().to_string().into()),
            Input::SourcePort => Some(s.connection.source.port().to_string().into()),
            Input::DirectSourceIp => Some(s.connection.direct_source.to_string().into()),
            Input::SourceType => s.connection.is_local().then_some("local".into()),
            Input::ServerName => text(&s.inspected.server_name),
            Input::Transport => text(s.inspected.transport),
            // Quoted and joined: `'h2','http/1.1'`.
            Input::Application if s.inspected.application.is_empty() => None,
            Input::Application => Some(format!("'{}'", s.inspected.application.join("','")).into()),
        }
    }
    fn address(self, s: Subject<'_>) -> Option<IpAddr> {
        match self {
            Input::DestinationIp => Some(s.connection.destination.ip()),
            Input::SourceIp => Some(s.connection.source.ip()),
            Input::DirectSourceIp => Some(s.connection.direct_source),
            _ => None,
        }
    }
}

impl Node {
    fn read(m: &Message<'_, '_>) -> Read<Node> {
        m.only(&["matcher_list", "matcher_tree", "on_no_match"])?;
        let on_no_match = m.message("on_no_match")?.map(|o| OnMatch::read(&o));
        if let Some(list) = m.message("matcher_list")? {
            let mut matchers = Vec::new();
            for field in list.messages("matchers")? {
                matchers.push((Predicate::read(&field.message_or_empty("predicate")?)?, OnMatch::read(&field.message_or_empty("on_match")?)));
            }
            return Ok(Node { kind: Kind::List(matchers), on_no_match });
        }
        let tree = m.message_or_empty("matcher_tree")?;
        tree.only(&["input", "exact_match_map", "prefix_match_map", "custom_match"])?;
        let input = Input::read(&tree.message_or_empty("input")?)?;
        if let Some(map) = tree.message("exact_match_map")? {
            let entries = map.map("map")?.into_iter().map(|(k, v)| (k.into(), OnMatch::read(&v))).collect();
            return Ok(Node { kind: Kind::Exact(input, entries), on_no_match });
        }
        if let Some(map) = tree.message("prefix_match_map")? {
            let mut entries: Vec<(Box<str>, OnMatch)> = map.map("map")?.into_iter().map(|(k, v)| (k.into(), OnMatch::read(&v))).collect();
            entries.sort_by_key(|(k, _)| std::cmp::Reverse(k.len()));
            return Ok(Node { kind: Kind::Prefix(input, entries), on_no_match });
        }
        let custom = tree.message_or_empty("custom_match")?;
        let Some((name, config)) = custom.any("typed_config")? else { return Err(tree.unknown("a matcher without a kind")) };
        let kind = match name.rsplit('.').next().unwrap_or(name) {
            "IPMatcher" => {
                let (mut prefixes, mut ways) = (Vec::new(), Vec::new());
                for range in config.messages("range_matchers")? {
                    let exclusive = if range.flag("exclusive")? { Exclusive::Yes } else { Exclusive::No };
                    prefixes.extend(text::cidrs(&range, "ranges")?.into_iter().map(|p| (p, ways.len())));
                    ways.push((OnMatch::read(&range.message_or_empty("on_match")?), exclusive));
                }
                prefixes.sort_by_key(|(p, _)| std::cmp::Reverse(p.length));
                Kind::Ip(input, prefixes, ways)
            }
            "ServerNameMatcher" => {
                let (mut names, mut ways) = (Vec::new(), Vec::new());
                for domain in config.messages("domain_matchers")? {
                    names.extend(domain.texts("domains")?.into_iter().map(|d| (Box::from(d.strip_prefix('*').unwrap_or(d)), ways.len())));
                    ways.push(OnMatch::read(&domain.message_or_empty("on_match")?));
                }
                names.sort_by_key(|(n, _): &(Box<str>, usize)| (n.starts_with('.') || n.is_empty(), std::cmp::Reverse(n.len())));
                Kind::ServerName(input, names, ways)
            }
            other => return Err(config.unknown(format!("the matcher {other} is not known to meshctl"))),
        };
        Ok(Node { kind, on_no_match })
    }

    fn evaluate(&self, s: Subject<'_>) -> Result<Option<&str>, &Unknown> {
        let found = match &self.kind {
            Kind::List(matchers) => first(matchers.iter().filter(|(p, _)| p.holds(s)).map(|(_, way)| way), s)?,
            Kind::Exact(input, map) => first(input.value(s).and_then(|v| map.get(&*v)), s)?,
            Kind::Prefix(input, list) => {
                let value = input.value(s);
                first(list.iter().filter(|(p, _)| value.as_ref().is_some_and(|v| v.starts_with(&**p))).map(|(_, way)| way), s)?
            }
            Kind::Ip(input, prefixes, ways) => {
                let mut found = None;
                for (_, way) in input.address(s).into_iter().flat_map(|ip| prefixes.iter().filter(move |(p, _)| p.contains(ip))) {
                    let Some((on_match, exclusive)) = ways.get(*way) else { continue };
                    found = on_match.follow(s)?;
                    if found.is_some() || *exclusive == Exclusive::Yes {
                        break;
                    }
                }
                found
            }
            Kind::ServerName(input, names, ways) => {
                let value = input.value(s).unwrap_or_default();
                let matches = |n: &str| n.is_empty() || *n == *value || n.starts_with('.') && value.len() > n.len() && value.ends_with(n);
                first(names.iter().filter(|(n, _)| matches(n)).filter_map(|(_, way)| ways.get(*way)), s)?
            }
        };
        match (found, &self.on_no_match) {
            (None, Some(way)) => way.follow(s),
            (found, _) => Ok(found),
        }
    }
}

/// The first way that leads somewhere.
fn first<'c>(ways: impl IntoIterator<Item = &'c OnMatch>, s: Subject<'_>) -> Result<Option<&'c str>, &'c Unknown> {
    for way in ways {
        if let Some(found) = way.follow(s)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

impl OnMatch {
    fn read(m: &Message<'_, '_>) -> OnMatch {
        OnMatch::try_read(m).unwrap_or_else(OnMatch::Unknown)
    }
    fn try_read(m: &Message<'_, '_>) -> Read<OnMatch> {
        m.only(&["matcher", "action"])?;
        if let Some(matcher) = m.message("matcher")? {
            return Ok(OnMatch::Matcher(Box::new(Node::read(&matcher)?)));
        }
        let action = m.message_or_empty("action")?;
        match action.any("typed_config")? {
            Some(("google.protobuf.StringValue", value)) => Ok(OnMatch::Chain(value.text("value")?.into())),
            Some((other, _)) => Err(action.unknown(format!("the action {other} is not known to meshctl"))),
            // The name of the action is the chain's, in older forms.
            None => Ok(OnMatch::Chain(action.text("name")?.into())),
        }
    }
    fn follow(&self, s: Subject<'_>) -> Result<Option<&str>, &Unknown> {
        match self {
            OnMatch::Chain(name) => Ok(Some(name)),
            OnMatch::Matcher(node) => node.evaluate(s),
            OnMatch::Unknown(u) => Err(u),
        }
    }
}

impl Predicate {
    fn read(m: &Message<'_, '_>) -> Read<Predicate> {
        m.only(&["single_predicate", "or_matcher", "and_matcher", "not_matcher"])?;
        let list = |set: &Message<'_, '_>| set.messages("predicate")?.iter().map(Predicate::read).collect::<Read<Vec<_>>>();
        if let Some(single) = m.message("single_predicate")? {
            single.only(&["input", "value_match"])?;
            let matcher = text::string(&single.message_or_empty("value_match")?)?;
            return Ok(Predicate::Single(Input::read(&single.message_or_empty("input")?)?, matcher));
        }
        if let Some(set) = m.message("or_matcher")? {
            return Ok(Predicate::Or(list(&set)?));
        }
        if let Some(set) = m.message("and_matcher")? {
            return Ok(Predicate::And(list(&set)?));
        }
        match m.message("not_matcher")? {
            Some(inner) => Ok(Predicate::Not(Box::new(Predicate::read(&inner)?))),
            None => Err(m.unknown("a predicate without a kind")),
        }
    }
    fn holds(&self, s: Subject<'_>) -> bool {
        match self {
            Predicate::Single(input, matcher) => input.value(s).is_some_and(|v| matcher.matches(&v).is_yes()),
            Predicate::Or(list) => list.iter().any(|p| p.holds(s)),
            Predicate::And(list) => list.iter().all(|p| p.holds(s)),
            Predicate::Not(inner) => !inner.holds(s),
        }
    }
}
