//! The tree by which `main_internal` chooses a chain: the address that a connection goes to, its port, and where several
//! protocols may be spoken what the inspector has found.

use mesh_envoy::api::chain_matcher::{
    ApplicationProtocolInput, CidrRange, DestinationIPInput, DestinationPortInput, IPMatcher, IPMatcherIPRangeMatcher, Matcher, MatcherMatcherTree,
    MatcherMatcherTreeMatchMap, MatcherOnMatch, TypedExtensionConfig,
};
use mesh_envoy::api::{Any, StringValue};
use std::collections::BTreeMap;

fn named(name: &str, config: Any) -> TypedExtensionConfig {
    TypedExtensionConfig { name: name.to_owned(), typed_config: Some(config) }
}

fn exact(input: TypedExtensionConfig, map: BTreeMap<String, MatcherOnMatch>, otherwise: Option<MatcherOnMatch>) -> MatcherOnMatch {
    let tree = MatcherMatcherTree { input: Some(input), exact_match_map: Some(MatcherMatcherTreeMatchMap { map }), custom_match: None };
    let matcher = Matcher { matcher_tree: Some(Box::new(tree)), on_no_match: otherwise.map(Box::new) };
    MatcherOnMatch { matcher: Some(Box::new(matcher)), action: None }
}

/// To a chain by its name.
pub fn chain(name: &str) -> MatcherOnMatch {
    let action = named(name, Any::pack(&StringValue { value: name.to_owned() }));
    MatcherOnMatch { matcher: None, action: Some(Box::new(action)) }
}

/// To one chain where HTTP is spoken in plaintext, else to the other.
pub fn by_protocol(http: &str, tcp: &str) -> MatcherOnMatch {
    let map = ["'h2c'", "'http/1.1'"].into_iter().map(|p| (p.to_owned(), chain(http))).collect();
    exact(named("application-protocol", Any::pack(&ApplicationProtocolInput {})), map, Some(chain(tcp)))
}

pub fn by_port(ports: BTreeMap<String, MatcherOnMatch>) -> MatcherOnMatch {
    exact(named("port", Any::pack(&DestinationPortInput {})), ports, None)
}

/// Addresses and ranges that have one way on.
pub struct Reached {
    pub addresses: Vec<String>,
    pub on_match: MatcherOnMatch,
}

pub fn by_address(all: Vec<Reached>) -> Matcher {
    let range =
        |r: Reached| IPMatcherIPRangeMatcher { ranges: r.addresses.iter().filter_map(|a| cidr(a)).collect(), on_match: Some(r.on_match), exclusive: false };
    let ips = IPMatcher { range_matchers: all.into_iter().map(range).collect() };
    let tree = MatcherMatcherTree {
        input: Some(named("ip", Any::pack(&DestinationIPInput {}))),
        exact_match_map: None,
        custom_match: Some(named("ip", Any::pack(&ips))),
    };
    Matcher { matcher_tree: Some(Box::new(tree)), on_no_match: None }
}

fn cidr(text: &str) -> Option<CidrRange> {
    let range = super::super::outbound::Range::parse(text)?.message();
    Some(CidrRange { address_prefix: range.address_prefix, prefix_len: range.prefix_len })
}
