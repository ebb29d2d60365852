//! What a rule tells operations and callers by, as conditions of RBAC.

use super::super::outbound::Range;
use super::super::route::quote;
use super::{Level, Untold};
use mesh_envoy::api::common::{
    FilterStateMatcher, ListMatcher, MetadataMatcher, MetadataMatcherPathSegment, OrMatcher, PathMatcher, RegexMatcher, StringMatcher, ValueMatcher,
};
use mesh_envoy::api::rbac::{Permission, PermissionSet, Principal, PrincipalAuthenticated, PrincipalSet};
use mesh_envoy::api::{Any, core, extensions, route};
use mesh_model::Object;

/// What an operation is told by.
pub(super) enum What<'k> {
    Host,
    Method,
    Path,
    Port,
    DestinationIp,
    Sni,
    /// Metadata of a filter, and the key in it.
    Metadata(&'k str, &'k str),
}

impl<'k> What<'k> {
    pub fn of_permission(key: &'k str) -> Option<What<'k>> {
        match key {
            "destination.ip" => Some(What::DestinationIp),
            "destination.port" => Some(What::Port),
            "connection.sni" => Some(What::Sni),
            _ => {
                let (filter, name) = key.strip_prefix("experimental.").filter(|k| k.starts_with("envoy.filters."))?.split_once('[')?;
                Some(What::Metadata(filter, name.strip_suffix(']')?))
            }
        }
    }
    pub fn is_http(&self) -> bool {
        matches!(self, What::Host | What::Method | What::Path)
    }
}

pub(super) fn permission(what: &What<'_>, values: &[&str], not_values: &[&str], level: Level, is_allow: bool, and: &mut Vec<Permission>) -> Result<(), Untold> {
    for (list, negated) in [(values, false), (not_values, true)] {
        // All values of metadata stand in one matcher.
        if let (What::Metadata(filter, key), false) = (what, list.is_empty()) {
            let matcher =
                MetadataMatcher { filter: (*filter).to_owned(), path: vec![segment(key)], value: Some(any_of(list, of_metadata)), ..Default::default() };
            let of = Permission { metadata: Some(matcher), ..Default::default() };
            and.push(if negated { Permission { not_rule: Some(Box::new(of)), ..Default::default() } } else { of });
            continue;
        }
        let mut or = Vec::new();
        for value in list {
            match one_permission(what, value).filter(|_| !(what.is_http() && level == Level::Tcp)) {
                Some(p) => or.push(p),
                None if is_allow => return Err(Untold),
                None => {}
            }
        }
        if or.is_empty() {
            continue;
        }
        let any = Permission { or_rules: Some(PermissionSet { rules: or }), ..Default::default() };
        and.push(if negated { Permission { not_rule: Some(Box::new(any)), ..Default::default() } } else { any });
    }
    Ok(())
}

fn one_permission(what: &What<'_>, value: &str) -> Option<Permission> {
    let mut out = Permission::default();
    match what {
        What::Host => out.header = Some(header(":authority", value, true)),
        What::Method => out.header = Some(header(":method", value, false)),
        What::Path if value.contains("{*}") || value.contains("{**}") => {
            let config = extensions::UriTemplateMatchConfig { path_template: value.replace("{**}", "**").replace("{*}", "*") };
            out.uri_template = Some(core::TypedExtensionConfig { name: "uri-template".into(), typed_config: Some(Any::pack(&config)) });
        }
        What::Path => out.url_path = Some(PathMatcher { path: Some(string(value)) }),
        What::Port => out.destination_port = Some(u32::from(value.parse::<u16>().ok()?)),
        What::DestinationIp => out.destination_ip = Some(Range::parse(value)?.message()),
        What::Sni => out.requested_server_name = Some(string(value)),
        What::Metadata(..) => return None,
    }
    Some(out)
}

/// One value of a filter's metadata: `[value]` is one of a list.
fn of_metadata(value: &str) -> ValueMatcher {
    match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
        Some(inner) => ValueMatcher { list_match: Some(Box::new(ListMatcher { one_of: Some(Box::new(text(string(inner)))) })), ..Default::default() },
        None => text(string(value)),
    }
}

/// One of several values.
fn any_of(values: &[&str], one: impl Fn(&str) -> ValueMatcher) -> ValueMatcher {
    match values {
        [single] => one(single),
        several => ValueMatcher { or_match: Some(OrMatcher { value_matchers: several.iter().map(|v| one(v)).collect() }), ..Default::default() },
    }
}

/// What a caller is told by.
pub(super) enum Who<'k> {
    Principal,
    RequestPrincipal,
    ServiceAccount,
    TrustDomain,
    Namespace,
    RemoteIp,
    DirectIp,
    Header(&'k str),
    /// A claim of the token by its path.
    Claims(Vec<&'k str>),
}

impl<'k> Who<'k> {
    pub fn of(key: &'k str) -> Option<Who<'k>> {
        Some(match key {
            "source.ip" => Who::DirectIp,
            "remote.ip" => Who::RemoteIp,
            "source.namespace" => Who::Namespace,
            "source.trustDomain" => Who::TrustDomain,
            "source.serviceAccount" => Who::ServiceAccount,
            "source.principal" => Who::Principal,
            "request.auth.principal" => Who::RequestPrincipal,
            "request.auth.audiences" => Who::Claims(vec!["aud"]),
            "request.auth.presenter" => Who::Claims(vec!["azp"]),
            _ => {
                if let Some(name) = key.strip_prefix("request.headers[").and_then(|k| k.strip_suffix(']')) {
                    return Some(Who::Header(name));
                }
                let path = key.strip_prefix("request.auth.claims[")?.strip_suffix(']')?;
                Who::Claims(path.split("][").collect())
            }
        })
    }
    pub fn is_http(&self) -> bool {
        matches!(self, Who::RequestPrincipal | Who::Header(_) | Who::Claims(_))
    }
}

/// Where the identity of a caller stands.
#[derive(Clone, Copy)]
pub(super) enum Told {
    ByCertificate,
    ByFilterState,
}

pub(super) fn one_principal(object: &Object, who: &Who<'_>, value: &str, told: Told) -> Option<Principal> {
    let named = |m: StringMatcher| match told {
        Told::ByCertificate => Principal { authenticated: Some(PrincipalAuthenticated { principal_name: Some(m) }), ..Default::default() },
        Told::ByFilterState => Principal { filter_state: Some(FilterStateMatcher { key: PEER_PRINCIPAL.into(), string_match: Some(m) }), ..Default::default() },
    };
    Some(match who {
        Who::Principal => named(match value.strip_prefix('*') {
            Some("") => regex(".+"),
            Some(suffix) => regex(&format!("spiffe://.*{}", quote(suffix))),
            None => match value.strip_suffix('*') {
                Some(prefix) => StringMatcher { prefix: Some(format!("spiffe://{prefix}")), ..Default::default() },
                None => StringMatcher { exact: Some(format!("spiffe://{value}")), ..Default::default() },
            },
        }),
        Who::Namespace => {
            let pattern = value.split('*').map(quote).collect::<Vec<_>>().join(".*");
            named(regex(&format!(".*/ns/{pattern}/.*")))
        }
        Who::ServiceAccount => {
            let (namespace, account) = value.split_once('/').unwrap_or((object.namespace(), value));
            named(regex(&format!("spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?", quote(namespace), quote(account))))
        }
        Who::TrustDomain => named(match value.split_once('*') {
            _ if value == "*" => StringMatcher { prefix: Some("spiffe://".into()), ..Default::default() },
            None => StringMatcher { prefix: Some(format!("spiffe://{value}/")), ..Default::default() },
            Some((a, b)) => regex(&format!("spiffe://{}[^/]*{}/.*", quote(a), quote(b))),
        }),
        Who::DirectIp => Principal { direct_remote_ip: Some(Range::parse(value)?.message()), ..Default::default() },
        Who::RemoteIp => Principal { remote_ip: Some(Range::parse(value)?.message()), ..Default::default() },
        Who::Header(name) => Principal { header: Some(header(name, value, false)), ..Default::default() },
        Who::RequestPrincipal | Who::Claims(_) => return None,
    })
}

/// `issuer/subject` of a token; `*` in front or at the end.
pub(super) fn request_principal(value: &str) -> Principal {
    let exact = |t: &str| StringMatcher { exact: Some(t.to_owned()), ..Default::default() };
    let suffix = |t: &str| StringMatcher { suffix: Some(t.trim_start_matches('*').to_owned()), ..Default::default() };
    let prefix = |t: &str| StringMatcher { prefix: Some(t.trim_end_matches('*').to_owned()), ..Default::default() };
    let (issuer, subject) = match value.rsplit_once('/') {
        _ if value == "*" => (regex(".+"), regex(".+")),
        Some((iss, sub)) if value.starts_with('*') => (if iss == "*" { regex(".+") } else { suffix(iss) }, exact(sub)),
        None if value.starts_with('*') => (regex(".+"), suffix(value)),
        Some((iss, sub)) if value.ends_with('*') => (exact(iss), if sub == "*" { regex(".+") } else { prefix(sub) }),
        None if value.ends_with('*') => (prefix(value), regex(".+")),
        Some((iss, sub)) => (exact(iss), exact(sub)),
        None => (exact(value), exact("")),
    };
    let of = |name: &str, m: StringMatcher| {
        let matcher = MetadataMatcher { filter: JWT.into(), path: vec![segment("payload"), segment(name)], value: Some(text(m)), ..Default::default() };
        Principal { metadata: Some(matcher), ..Default::default() }
    };
    Principal { and_ids: Some(PrincipalSet { ids: vec![of("iss", issuer), of("sub", subject)] }), ..Default::default() }
}

const JWT: &str = "envoy.filters.http.jwt_authn";
/// The filter state in which the end of a tunnel keeps who has made it.
pub const PEER_PRINCIPAL: &str = "io.istio.peer_principal";

/// A claim that is one of the values, or a list with one of them.
pub(super) fn claim(path: &[&str], values: &[&str]) -> MetadataMatcher {
    let one = any_of(values, |v| text(string(v)));
    let list = ValueMatcher { list_match: Some(Box::new(ListMatcher { one_of: Some(Box::new(one.clone())) })), ..Default::default() };
    MetadataMatcher {
        filter: JWT.into(),
        path: std::iter::once(segment("payload")).chain(path.iter().map(|p| segment(p))).collect(),
        value: Some(ValueMatcher { or_match: Some(OrMatcher { value_matchers: vec![list, one] }), ..Default::default() }),
        ..Default::default()
    }
}

pub(super) fn segment(key: &str) -> MetadataMatcherPathSegment {
    MetadataMatcherPathSegment { key: Some(key.to_owned()) }
}

pub(super) fn text(m: StringMatcher) -> ValueMatcher {
    ValueMatcher { string_match: Some(m), ..Default::default() }
}

fn regex(pattern: &str) -> StringMatcher {
    StringMatcher { safe_regex: Some(RegexMatcher { regex: pattern.to_owned(), ..Default::default() }), ..Default::default() }
}

/// `*`, `*suffix`, `prefix*` or the text itself.
pub(super) fn string(value: &str) -> StringMatcher {
    match (value.strip_prefix('*'), value.strip_suffix('*')) {
        (Some(""), _) => regex(".+"),
        (Some(suffix), _) => StringMatcher { suffix: Some(suffix.to_owned()), ..Default::default() },
        (None, Some(prefix)) => StringMatcher { prefix: Some(prefix.to_owned()), ..Default::default() },
        (None, None) => StringMatcher { exact: Some(value.to_owned()), ..Default::default() },
    }
}

fn header(name: &str, value: &str, ignore_case: bool) -> route::HeaderMatcher {
    let mut out = route::HeaderMatcher { name: name.to_owned(), ..Default::default() };
    if value == "*" {
        out.present_match = Some(true);
    } else {
        out.string_match = Some(StringMatcher { ignore_case, ..string(value) });
    }
    out
}
