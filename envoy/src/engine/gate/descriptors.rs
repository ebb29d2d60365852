//! What rate limits know requests by: lists of keys and values that routes and virtual hosts make of them
//! (`envoy.config.route.v3.RateLimit`).

use crate::engine::field::{Message, Read, Unknown};
use crate::engine::header::{HeaderCheck, QueryMatcher};
use crate::engine::recorder::Off;
use crate::engine::request::{Metadata, Request};
use std::borrow::Cow;
use std::net::IpAddr;

/// Keys and values, in order.
pub type Descriptor<'c> = Vec<(Cow<'c, str>, Cow<'c, str>)>;

/// `rate_limits` of a route, a virtual host or a filter.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    list: Vec<Policy>,
    unknown: Option<Box<Unknown>>,
}

#[derive(Clone, Debug)]
struct Policy {
    stage: u64,
    /// `disable_key`: without a runtime the limit is off.
    is_off: bool,
    actions: Vec<Action>,
}

/// One entry of a descriptor.
#[derive(Clone, Debug)]
struct Action {
    key: Box<str>,
    value: Value,
    /// Whether the descriptor goes without the entry where there is nothing to make it of.
    skips: bool,
}

#[derive(Clone, Debug)]
enum Value {
    /// What the proxy calls itself (`--service-cluster`).
    SourceCluster,
    DestinationCluster,
    Header(Box<str>),
    Parameter(Box<str>),
    RemoteAddress,
    /// Bits of an address that count, of IPv4 and IPv6.
    Network(u32, u32),
    Fixed(Box<str>),
    Headers(Box<str>, Expects, Vec<HeaderCheck>),
    Parameters(Box<str>, Expects, Vec<QueryMatcher>),
    /// Of a filter: its name, the way to the value, and what stands in for it.
    Metadata(Box<str>, Vec<Box<str>>, Box<str>),
}

/// `expect_match`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Match,
    NoMatch,
}

/// What descriptors are made of.
#[derive(Clone, Copy)]
pub struct Facts<'x, 'a> {
    pub request: &'x Request<'a>,
    /// The client's address as forwarding headers tell it.
    pub remote: IpAddr,
    /// Where the request is on its way to; "" where there is no cluster.
    pub cluster: &'x str,
    pub own_cluster: &'x str,
    pub metadata: &'x Metadata,
}

impl Policies {
    /// Reads a field of a message; what is not known in it stands beside.
    pub fn read(m: &Message<'_, '_>, field: &str) -> Policies {
        match Policies::try_read(m, field) {
            Ok(list) => Policies { list, unknown: None },
            Err(u) => Policies { list: Vec::new(), unknown: Some(Box::new(u)) },
        }
    }
    fn try_read(m: &Message<'_, '_>, field: &str) -> Read<Vec<Policy>> {
        m.messages(field)?.iter().map(Policy::read).collect()
    }
    /// What is not known.
    pub fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_deref()
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.unknown.is_none()
    }
    /// The first that names a stage or a `disable_key`, which a filter's own may not.
    pub(super) fn is_staged(&self) -> bool {
        self.list.iter().any(|p| p.stage != 0 || p.is_off)
    }
    /// Adds the descriptors that the policies of a stage make of a request.
    pub fn describe<'c>(&'c self, stage: u64, facts: &Facts<'c, 'c>, out: &mut Vec<Descriptor<'c>>) {
        out.extend(self.list.iter().filter(|p| p.stage == stage && !p.is_off).filter_map(|p| p.descriptor(facts)));
    }
}

impl Policy {
    fn read(m: &Message<'_, '_>) -> Read<Policy> {
        m.only(&["stage", "disable_key", "actions"])?;
        Ok(Policy {
            stage: m.uint("stage")?.unwrap_or(0),
            is_off: !m.text("disable_key")?.is_empty(),
            actions: m.messages("actions")?.iter().map(Action::read).collect::<Read<_>>()?,
        })
    }
    /// `None` where an entry has nothing to be made of.
    fn descriptor<'c>(&'c self, facts: &Facts<'c, 'c>) -> Option<Descriptor<'c>> {
        let mut out = Vec::with_capacity(self.actions.len());
        for action in &self.actions {
            match action.value(facts) {
                Some(value) => out.push((Cow::Borrowed(&*action.key), value)),
                None if action.skips => {}
                None => return None,
            }
        }
        Some(out)
    }
}

impl Action {
    fn read(m: &Message<'_, '_>) -> Read<Action> {
        let known = [
            "source_cluster",
            "destination_cluster",
            "request_headers",
            "query_parameters",
            "remote_address",
            "masked_remote_address",
            "generic_key",
            "header_value_match",
            "query_parameter_value_match",
            "metadata",
        ];
        m.only(&known)?;
        let fixed = |key: &str, value: Value| Ok(Action { key: key.into(), value, skips: false });
        if m.has("source_cluster") {
            return fixed("source_cluster", Value::SourceCluster);
        }
        if m.has("destination_cluster") {
            return fixed("destination_cluster", Value::DestinationCluster);
        }
        if m.has("remote_address") {
            return fixed("remote_address", Value::RemoteAddress);
        }
        if let Some(masked) = m.message("masked_remote_address")? {
            let bits = |name: &str, all: u32| Ok(masked.uint(name)?.map_or(all, |n| u32::try_from(n).unwrap_or(all).min(all)));
            return fixed("masked_remote_address", Value::Network(bits("v4_prefix_mask_len", 32)?, bits("v6_prefix_mask_len", 128)?));
        }
        if let Some(of) = m.message("request_headers")? {
            let value = Value::Header(of.text("header_name")?.to_ascii_lowercase().into());
            return Ok(Action { key: of.text("descriptor_key")?.into(), value, skips: of.flag("skip_if_absent")? });
        }
        if let Some(of) = m.message("query_parameters")? {
            let value = Value::Parameter(of.text("query_parameter_name")?.into());
            return Ok(Action { key: of.text("descriptor_key")?.into(), value, skips: of.flag("skip_if_absent")? });
        }
        if let Some(of) = m.message("generic_key")? {
            return Ok(Action { key: key(&of, "generic_key")?, value: Value::Fixed(text(&of)?), skips: false });
        }
        if let Some(of) = m.message("header_value_match")? {
            let checks = of.messages("headers")?.iter().map(HeaderCheck::read).collect::<Read<_>>()?;
            return Ok(Action { key: key(&of, "header_match")?, value: Value::Headers(text(&of)?, expects(&of)?, checks), skips: false });
        }
        if let Some(of) = m.message("query_parameter_value_match")? {
            let checks = of.messages("query_parameters")?.iter().map(QueryMatcher::read).collect::<Read<_>>()?;
            return Ok(Action { key: key(&of, "query_match")?, value: Value::Parameters(text(&of)?, expects(&of)?, checks), skips: false });
        }
        if let Some(of) = m.message("metadata")? {
            if of.enumeration("source", &["DYNAMIC", "ROUTE_ENTRY"])? != "DYNAMIC" {
                return Err(of.unknown_field("source", "metadata of routes are not known to meshctl"));
            }
            let path = of.message_or_empty("metadata_key")?;
            let keys = path.messages("path")?.iter().map(|p| Ok(p.text("key")?.into())).collect::<Read<_>>()?;
            let value = Value::Metadata(path.text("key")?.into(), keys, of.text("default_value")?.into());
            return Ok(Action { key: of.text("descriptor_key")?.into(), value, skips: of.flag("skip_if_absent")? });
        }
        Err(m.unknown("an entry of a descriptor that is not known to meshctl"))
    }

    fn value<'c>(&'c self, facts: &Facts<'c, 'c>) -> Option<Cow<'c, str>> {
        let matched = |holds: bool, expects: Expects, value: &'c str| (holds == (expects == Expects::Match)).then_some(Cow::Borrowed(value));
        match &self.value {
            Value::SourceCluster => Some(facts.own_cluster.into()),
            Value::DestinationCluster => Some(facts.cluster.into()),
            Value::Header(name) => facts.request.header(name, 0).map(Cow::Borrowed),
            Value::Parameter(name) => facts.request.query_parameter(name).map(Cow::Borrowed),
            Value::RemoteAddress => Some(facts.remote.to_string().into()),
            Value::Network(v4, v6) => Some(network(facts.remote, *v4, *v6).into()),
            Value::Fixed(value) => Some(Cow::Borrowed(value)),
            Value::Headers(value, expects, checks) => matched(checks.iter().all(|c| c.check(facts.request, &mut Off)), *expects, value),
            Value::Parameters(value, expects, checks) => matched(checks.iter().all(|c| c.check(facts.request, &mut Off)), *expects, value),
            Value::Metadata(filter, path, default) => {
                let found = path.iter().try_fold(facts.metadata.of(filter)?, |at, key| at.get(&**key));
                let found = found.and_then(serde_json::Value::as_str).filter(|t| !t.is_empty());
                found.or(Some(&**default).filter(|d| !d.is_empty())).map(Cow::Borrowed)
            }
        }
    }
}

/// `descriptor_key`, or what it is without one.
fn key(m: &Message<'_, '_>, default: &str) -> Read<Box<str>> {
    Ok(match m.text("descriptor_key")? {
        "" => default.into(),
        key => key.into(),
    })
}

/// `descriptor_value`
fn text(m: &Message<'_, '_>) -> Read<Box<str>> {
    match m.text("descriptor_value")? {
        "" => Err(m.unknown_field("descriptor_value", "a value is needed")),
        // Newer Envoys read them as formats.
        value if value.contains('%') => Err(m.unknown_field("descriptor_value", "a value that is not fixed text")),
        value => Ok(value.into()),
    }
}

fn expects(m: &Message<'_, '_>) -> Read<Expects> {
    Ok(if m.bool("expect_match")?.unwrap_or(true) { Expects::Match } else { Expects::NoMatch })
}

/// The network of an address, `10.1.0.0/16`.
fn network(address: IpAddr, v4: u32, v6: u32) -> String {
    match address {
        IpAddr::V4(a) => format!("{}/{v4}", std::net::Ipv4Addr::from_bits(a.to_bits() & u32::MAX.checked_shl(32 - v4).unwrap_or(0))),
        IpAddr::V6(a) => format!("{}/{v6}", std::net::Ipv6Addr::from_bits(a.to_bits() & u128::MAX.checked_shl(128 - v6).unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::field::Path;
    use serde_json::json;

    fn described(rate_limits: &serde_json::Value, path: &str, headers: &Vec<(&str, &str)>) -> Vec<String> {
        let value = json!({ "rate_limits": rate_limits });
        let policies = Policies::read(&Message::new(&value, Path::root("route")).expect("a message"), "rate_limits");
        assert!(policies.unknown().is_none(), "{policies:?}");
        let request = Request { method: "GET", scheme: "http", authority: "a.b", path, headers };
        let mut metadata = Metadata::default();
        metadata.set("jwt", "claims", json!({"sub": "me"}));
        let facts = Facts { request: &request, remote: IpAddr::from([10, 1, 2, 3]), cluster: "up", own_cluster: "me", metadata: &metadata };
        let mut out = Vec::new();
        policies.describe(0, &facts, &mut out);
        out.iter().map(|d| d.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")).collect()
    }

    #[test]
    fn each_kind_of_entry_is_made_of_the_request() {
        let limits = json!([
            {"actions": [{"source_cluster": {}}, {"destination_cluster": {}}, {"remote_address": {}}]},
            {"actions": [{"masked_remote_address": {"v4_prefix_mask_len": 16}}, {"generic_key": {"descriptor_value": "v"}}]},
            {"actions": [{"request_headers": {"header_name": ":path", "descriptor_key": "p"}}, {"generic_key": {"descriptor_key": "k", "descriptor_value": "v"}}]},
            {"actions": [{"query_parameters": {"query_parameter_name": "q", "descriptor_key": "q"}}]},
            {"actions": [{"header_value_match": {"descriptor_value": "is", "headers": [{"name": "x-a", "string_match": {"exact": "1"}}]}}]},
            {"actions": [{"header_value_match": {"descriptor_value": "not", "expect_match": false, "headers": [{"name": "x-a", "string_match": {"exact": "1"}}]}}]},
            {"actions": [{"query_parameter_value_match": {"descriptor_value": "has", "query_parameters": [{"name": "q", "present_match": true}]}}]},
            {"actions": [{"metadata": {"descriptor_key": "sub", "metadata_key": {"key": "jwt", "path": [{"key": "claims"}, {"key": "sub"}]}}}]},
        ]);
        let mut want = vec![
            "source_cluster=me,destination_cluster=up,remote_address=10.1.2.3",
            "masked_remote_address=10.1.0.0/16,generic_key=v",
            "p=/a?q=7,k=v",
            "q=7",
            "header_match=is",
            "query_match=has",
            "sub=me",
        ];
        assert_eq!(described(&limits, "/a?q=7", &vec![("x-a", "1")]), want);
        (want[2], want[3]) = ("p=/a,k=v", "header_match=not");
        (want[4], want[5]) = ("sub=me", "");
        assert_eq!(described(&limits, "/a", &vec![]), want[..5]);
    }

    #[test]
    fn what_is_absent_ends_a_descriptor_or_is_left_out() {
        let header = |skips: bool| json!([{"actions": [{"generic_key": {"descriptor_value": "v"}}, {"request_headers": {"header_name": "x", "descriptor_key": "x", "skip_if_absent": skips}}]}]);
        assert_eq!(described(&header(false), "/", &vec![]), Vec::<String>::new());
        assert_eq!(described(&header(true), "/", &vec![]), ["generic_key=v"]);
        assert_eq!(
            described(&json!([{"stage": 1, "actions": [{"remote_address": {}}]}, {"disable_key": "x", "actions": [{"remote_address": {}}]}]), "/", &vec![])
                .len(),
            0
        );
    }

    #[test]
    fn what_is_not_known_is_named_by_its_path() {
        let value = json!({"rate_limits": [{"actions": [{"remote_address": {}}, {"extension": {}}]}]});
        let policies = Policies::read(&Message::new(&value, Path::root("route")).expect("a message"), "rate_limits");
        assert_eq!(policies.unknown().map(|u| u.path.as_str()), Some("route.rate_limits[0].actions[1].extension"));
    }
}
