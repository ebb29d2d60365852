//! RBAC filters of AuthorizationPolicies, by their actions: asking an outside authorizer, logging, denying, allowing.

use super::outbound::Range;
use super::proxy::{Proxy, ProxyKind};
use super::route::quote;
use super::scope::Scope;
use super::{Context, Model, RegisteredService, Whereabouts, filters};
use mesh_envoy::api::common::{
    FilterStateMatcher, ListMatcher, ListStringMatcher, MetadataMatcher, MetadataMatcherPathSegment, OrMatcher, PathMatcher, RegexMatcher, StringMatcher,
    ValueMatcher,
};
use mesh_envoy::api::rbac::{Permission, PermissionSet, Policy, Principal, PrincipalAuthenticated, PrincipalSet, RBAC, RBACAction};
use mesh_envoy::api::{Any, Duration, core, ext_authz, extensions, hcm, http_rbac, listener, network_filters, route};
use mesh_model::{Kind, Node, Object};
use std::borrow::Cow;

/// Which of a proxy's policies are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Those that judge requests.
    Http,
    /// Those that judge connections that are no HTTP.
    Tcp,
}

/// Whether a filter judges requests, or connections only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Http,
    Tcp,
}

/// A condition that can't be told of connections, or that makes no sense. An ALLOW rule with it is dropped; of other
/// rules only the condition is, which makes them wider.
struct Untold;

impl<'a> Model<'_, 'a> {
    /// The configurations of the RBAC filters of a sidecar's inbound chains in their order, as protobuf JSON; of a waypoint's
    /// chains for a service where one is given.
    pub fn rbac_of(&self, proxy: &Proxy, layer: Layer, service: Option<&RegisteredService<'a>>) -> Vec<serde_json::Value> {
        let cx = Context {
            model: self,
            control_plane: self.control_plane,
            proxy: Cow::Borrowed(proxy),
            whereabouts: Whereabouts::default(),
            scope: Scope::nothing(),
            targets: Vec::new(),
            gateway: None,
            waypoint: None,
            records: super::records::Records::default(),
        };
        let configs = match layer {
            Layer::Http => {
                let custom = if self.mesh.knows_config() { cx.custom(service) } else { cx.custom_unseen(service) };
                let all = custom.into_iter().chain(cx.rules_of(service));
                all.filter(|f| f.name.contains("rbac")).map(|f| serde_json::to_value(&f)).collect::<Vec<_>>()
            }
            Layer::Tcp => cx.network_policies_of(service).into_iter().map(|f| serde_json::to_value(&f)).collect(),
        };
        // Our own messages are JSON always.
        configs.into_iter().filter_map(Result::ok).filter_map(|mut f| f.get_mut("typedConfig").map(serde_json::Value::take)).collect()
    }

    /// The providers that a proxy's CUSTOM policies name, of a waypoint in the chains of a service those of the service too.
    pub fn custom_providers(&self, proxy: &Proxy, service: Option<&RegisteredService<'a>>) -> Vec<&'a str> {
        let all = self.policies_at(Kind::AuthorizationPolicy, proxy, service);
        let custom: Vec<&'a Object> = all.into_iter().filter(|o| o.spec().is_some_and(|s| s.text_of("action") == "CUSTOM")).collect();
        providers(&custom)
    }
}

impl<'a> Context<'_, 'a> {
    /// The HTTP filters of policies, in the order in which they judge.
    pub fn http_policies(&self) -> Vec<hcm::HttpFilter> {
        self.http_policies_of(None)
    }

    /// The same of a waypoint's chain for a service.
    pub fn http_policies_of(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let mut out = self.custom(service);
        out.extend(self.request_authentication(service).map(|jwt| filters::jwt_http(&jwt)));
        out.extend(self.rules_of(service));
        out
    }

    /// The filters of rules that the proxy judges by itself.
    fn rules_of(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let filter = |(rules, shadow): (Option<RBAC>, Option<RBAC>)| {
            let shadow_rules_stat_prefix = shadow_prefix(shadow.as_ref());
            filters::rbac_http(&http_rbac::RBAC { shadow_rules_stat_prefix, rules, shadow_rules: shadow, ..Default::default() })
        };
        self.enforced(Level::Http, service).into_iter().map(filter).collect()
    }

    /// The same for connections that are no HTTP.
    pub fn network_policies(&self) -> Vec<listener::Filter> {
        self.network_policies_of(None)
    }

    /// The same of a waypoint's chain for a service.
    pub fn network_policies_of(&self, service: Option<&RegisteredService<'a>>) -> Vec<listener::Filter> {
        let filter = |(rules, shadow): (Option<RBAC>, Option<RBAC>)| {
            let config = network_filters::RBAC {
                shadow_rules_stat_prefix: shadow_prefix(shadow.as_ref()),
                rules,
                shadow_rules: shadow,
                stat_prefix: "tcp.".into(),
                ..Default::default()
            };
            filters::network_filter("envoy.filters.network.rbac", Any::pack(&config))
        };
        self.enforced(Level::Tcp, service).into_iter().map(filter).collect()
    }

    /// The policies of a kind that are for this proxy, the root namespace's first.
    pub fn policies(&self, kind: Kind) -> Vec<&'a Object> {
        self.model.policies_for(kind, &self.proxy)
    }

    /// The AuthorizationPolicies of an action.
    pub fn with_action(&self, action: &str, service: Option<&RegisteredService<'a>>) -> Vec<&'a Object> {
        let of = |o: &&Object| Some(o.spec().map_or("", |s| s.text_of("action"))).filter(|a| !a.is_empty()).unwrap_or("ALLOW") == action;
        self.model.policies_at(Kind::AuthorizationPolicy, &self.proxy, service).into_iter().filter(of).collect()
    }

    /// Rules in force and on trial, by action.
    fn enforced(&self, level: Level, service: Option<&RegisteredService<'a>>) -> Vec<(Option<RBAC>, Option<RBAC>)> {
        let actions = [("AUDIT", RBACAction::Log), ("DENY", RBACAction::Deny), ("ALLOW", RBACAction::Allow)];
        let of = |(name, action)| {
            let all = self.with_action(name, service);
            let (trial, real): (Vec<_>, Vec<_>) = all.into_iter().partition(|o| o.annotation("istio.io/dry-run") == Some("true"));
            let rules = |list: &[&'a Object]| (!list.is_empty()).then(|| self.rbac(list, action, level, ""));
            let (real, trial) = (rules(&real), rules(&trial));
            (real.is_some() || trial.is_some()).then_some((real, trial))
        };
        actions.into_iter().filter_map(of).collect()
    }

    fn rbac(&self, policies: &[&'a Object], action: RBACAction, level: Level, prefix: &str) -> RBAC {
        let mut out = RBAC { action: action as i32, ..RBAC::default() };
        for object in policies {
            let name = |i: usize| format!("{prefix}ns[{}]-policy[{}]-rule[{i}]", object.namespace(), object.name());
            let rules: Vec<Node<'a>> = object.spec().into_iter().flat_map(|s| s.list("rules")).collect();
            if rules.is_empty() {
                out.policies.insert(name(0), never());
            }
            for (i, rule) in rules.into_iter().enumerate() {
                if let Ok(policy) = self.policy(object, rule, level, action == RBACAction::Allow) {
                    out.policies.insert(name(i), policy);
                }
            }
        }
        out
    }

    fn policy(&self, object: &'a Object, rule: Node<'a>, level: Level, is_allow: bool) -> Result<Policy, Untold> {
        let when: Vec<Node<'a>> = rule.list("when").collect();
        let mut permissions = Vec::new();
        let to: Vec<Option<Node<'a>>> = some_or_none(rule.list("to").map(|t| t.get("operation")));
        for operation in to {
            let mut and = Vec::new();
            for (what, key) in [(What::Host, "hosts"), (What::Method, "methods"), (What::Path, "paths"), (What::Port, "ports")] {
                let of = |key: &str| operation.into_iter().flat_map(|o| o.list(key)).map(Node::text).collect::<Vec<_>>();
                permission(&what, &of(key), &of(&not(key)), level, is_allow, &mut and)?;
            }
            for w in &when {
                if let Some(what) = What::of_permission(w.text_of("key")) {
                    permission(&what, &values(*w, "values"), &values(*w, "notValues"), level, is_allow, &mut and)?;
                } else if Who::of(w.text_of("key")).is_none() {
                    return Err(Untold);
                }
            }
            if and.is_empty() {
                and.push(Permission { any: Some(true), ..Default::default() });
            }
            permissions.push(Permission { and_rules: Some(PermissionSet { rules: and }), ..Default::default() });
        }
        let mut principals = Vec::new();
        let from: Vec<Option<Node<'a>>> = some_or_none(rule.list("from").map(|f| f.get("source")));
        for source in from {
            let mut and = Vec::new();
            for (who, key) in [
                (Who::Principal, "principals"),
                (Who::RequestPrincipal, "requestPrincipals"),
                (Who::ServiceAccount, "serviceAccounts"),
                (Who::TrustDomain, "trustDomains"),
                (Who::Namespace, "namespaces"),
                (Who::RemoteIp, "remoteIpBlocks"),
                (Who::DirectIp, "ipBlocks"),
            ] {
                let of = |key: &str| source.into_iter().flat_map(|o| o.list(key)).map(Node::text).collect::<Vec<_>>();
                self.principal(object, &who, &of(key), &of(&not(key)), level, is_allow, &mut and)?;
            }
            for w in &when {
                if let Some(who) = Who::of(w.text_of("key")) {
                    self.principal(object, &who, &values(*w, "values"), &values(*w, "notValues"), level, is_allow, &mut and)?;
                }
            }
            if and.is_empty() {
                and.push(Principal { any: Some(true), ..Default::default() });
            }
            principals.push(Principal { and_ids: Some(PrincipalSet { ids: and }), ..Default::default() });
        }
        Ok(Policy { permissions, principals })
    }

    #[allow(clippy::too_many_arguments)]
    fn principal(
        &self,
        object: &'a Object,
        who: &Who<'_>,
        values: &[&str],
        not_values: &[&str],
        level: Level,
        is_allow: bool,
        and: &mut Vec<Principal>,
    ) -> Result<(), Untold> {
        for (list, negated) in [(values, false), (not_values, true)] {
            if list.is_empty() {
                continue;
            }
            let one = match self.principal_of(object, who, list, level) {
                Ok(one) => one,
                Err(Untold) if is_allow => return Err(Untold),
                Err(Untold) => continue,
            };
            and.push(if negated { Principal { not_id: Some(Box::new(one)), ..Default::default() } } else { one });
        }
        Ok(())
    }

    fn principal_of(&self, object: &'a Object, who: &Who<'_>, values: &[&str], level: Level) -> Result<Principal, Untold> {
        let any = |ids: Vec<Principal>| Principal { or_ids: Some(PrincipalSet { ids }), ..Default::default() };
        let metadata = |m: MetadataMatcher| Principal { metadata: Some(m), ..Default::default() };
        if who.is_http() && level == Level::Tcp {
            return Err(Untold);
        }
        match who {
            Who::RequestPrincipal => {
                let mut ids: Vec<Principal> = values.iter().map(|v| request_principal(v)).collect();
                return Ok(if ids.len() == 1 { ids.remove(0) } else { any(ids) });
            }
            Who::Claims(path) => return Ok(metadata(claim(path, values))),
            _ => {}
        }
        let mut expanded: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        match who {
            Who::Principal => expanded = expanded.iter().flat_map(|p| self.with_aliases(p)).collect(),
            Who::TrustDomain => {
                let domains = self.trust_domains();
                expanded = expanded
                    .iter()
                    .flat_map(|d| if domains.contains(&d.as_str()) { domains.iter().map(|d| (*d).to_owned()).collect() } else { vec![d.clone()] })
                    .collect();
                let mut seen = Vec::new();
                expanded.retain(|d| {
                    !seen.contains(d) && {
                        seen.push(d.clone());
                        true
                    }
                });
            }
            _ => {}
        }
        // Who has made a tunnel is not who shows a certificate inside of it.
        let told = if self.proxy.kind == ProxyKind::Waypoint { Told::ByFilterState } else { Told::ByCertificate };
        let ids: Vec<Principal> = expanded.iter().filter_map(|v| one_principal(object, who, v, told)).collect();
        if ids.len() < expanded.len() { Err(Untold) } else { Ok(any(ids)) }
    }

    /// A principal of this trust domain or of an alias, in all of them.
    fn with_aliases(&self, principal: &str) -> Vec<String> {
        let parts: Vec<&str> = principal.split('/').collect();
        let domains = self.trust_domains();
        let is_wildcard = parts[0] == "*";
        if parts.len() != 5 || is_wildcard {
            return vec![principal.to_owned()];
        }
        // A domain may be written with a wildcard in front.
        let is = |d: &str| {
            parts[0] == d
                || parts[0].strip_prefix('*').is_some_and(|suffix| d.ends_with(suffix))
                || parts[0].strip_suffix('*').is_some_and(|p| d.starts_with(p))
        };
        if !domains.iter().any(|d| is(d)) && parts[0] != crate::host::CLUSTER_DOMAIN {
            return vec![principal.to_owned()];
        }
        let mut out: Vec<String> = Vec::new();
        for d in domains {
            let new = if parts[0].strip_prefix('*').is_some_and(|suffix| d.ends_with(suffix)) || parts[0] == d {
                principal.to_owned()
            } else {
                format!("{d}/{}", parts[1..].join("/"))
            };
            if !out.contains(&new) {
                out.push(new);
            }
        }
        out
    }

    /// The rules of CUSTOM policies by their providers.
    fn custom_rules(&self, service: Option<&RegisteredService<'a>>) -> Vec<(&'a str, RBAC)> {
        let all = self.with_action("CUSTOM", service);
        let of = |provider: &'a str| {
            let own: Vec<&'a Object> = all.iter().copied().filter(|o| o.spec_at(&["provider", "name"]).map(Node::text) == Some(provider)).collect();
            (provider, self.rbac(&own, RBACAction::Deny, Level::Http, &format!("istio-ext-authz-{provider}-")))
        };
        providers(&all).into_iter().map(of).collect()
    }

    /// The rules alone, where nobody knows which providers there are: whoever meets them is asked about, if it is.
    fn custom_unseen(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let all = self.custom_rules(service);
        if all.len() > 1 {
            return self.custom(service);
        }
        all.into_iter().map(|(_, rules)| filters::rbac_http(&asking(rules))).collect()
    }

    /// Filters that ask outside authorizers, by provider.
    fn custom(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let mut out = Vec::new();
        let all = self.custom_rules(service);
        let is_only = all.len() == 1;
        for (provider, mut rules) in all {
            let authorizer = self.authorizer(provider).filter(|_| is_only);
            let Some(authorizer) = authorizer else {
                // What can't be asked is denied.
                rules.policies = rules.policies.into_iter().map(|(k, v)| (format!("{k}-deny-due-to-bad-CUSTOM-action"), v)).collect();
                out.push(filters::rbac_http(&http_rbac::RBAC { rules: Some(rules), ..Default::default() }));
                continue;
            };
            out.push(filters::rbac_http(&asking(rules)));
            out.push(filters::ext_authz_http(&authorizer));
        }
        out
    }

    /// The filter for a provider of the mesh configuration.
    fn authorizer(&self, provider: &str) -> Option<ext_authz::ExtAuthz> {
        let config = self.model.mesh.config.root()?.list("extensionProviders").find(|p| p.text_of("name") == provider)?;
        let (node, is_grpc) = match (config.get("envoyExtAuthzHttp"), config.get("envoyExtAuthzGrpc")) {
            (Some(http), _) => (http, false),
            (None, grpc) => (grpc?, true),
        };
        let service = node.text_of("service");
        let host = service.split_once('/').map_or(service, |(_, h)| h);
        let port = node.get("port").and_then(Node::int).and_then(|p| u16::try_from(p).ok())?;
        let cluster = super::cluster::name(port, "", host);
        let timeout = node.get("timeout").and_then(|t| super::virtual_service::duration(t.text())).unwrap_or(Duration::from_seconds(600));
        let patterns = |key: &str| {
            let patterns: Vec<StringMatcher> = node.list(key).map(|h| StringMatcher { ignore_case: true, ..string(h.text()) }).collect();
            (!patterns.is_empty()).then_some(ListStringMatcher { patterns })
        };
        let mut out = ext_authz::ExtAuthz {
            failure_mode_allow: node.get("failOpen").and_then(Node::bool) == Some(true),
            transport_api_version: core::ApiVersion::V3 as i32,
            filter_enabled_metadata: Some(MetadataMatcher {
                filter: "envoy.filters.http.rbac".into(),
                path: vec![segment("istio_ext_authz_shadow_effective_policy_id")],
                value: Some(text(StringMatcher { prefix: Some(format!("istio-ext-authz-{provider}")), ..Default::default() })),
                ..Default::default()
            }),
            ..Default::default()
        };
        if is_grpc {
            let envoy = core::GrpcServiceEnvoyGrpc { cluster_name: cluster, authority: host.to_owned() };
            out.grpc_service = Some(core::GrpcService { envoy_grpc: Some(envoy), timeout: Some(timeout), ..Default::default() });
        } else {
            let response = ext_authz::AuthorizationResponse {
                allowed_upstream_headers: patterns("headersToUpstreamOnAllow"),
                allowed_client_headers: patterns("headersToDownstreamOnDeny"),
                allowed_client_headers_on_success: patterns("headersToDownstreamOnAllow"),
                ..Default::default()
            };
            out.http_service = Some(ext_authz::HttpService {
                server_uri: Some(core::HttpUri { uri: format!("http://{host}"), cluster: Some(cluster), timeout: Some(timeout) }),
                path_prefix: node.text_of("pathPrefix").to_owned(),
                authorization_request: None,
                authorization_response: Some(response).filter(|r| *r != ext_authz::AuthorizationResponse::default()),
            });
        }
        Some(out)
    }
}

/// The providers that CUSTOM policies name.
fn providers<'a>(policies: &[&'a Object]) -> Vec<&'a str> {
    let mut out: Vec<&str> = policies.iter().filter_map(|o| o.spec_at(&["provider", "name"])).map(Node::text).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// Rules whose match makes the filter behind them ask.
fn asking(rules: RBAC) -> http_rbac::RBAC {
    http_rbac::RBAC { shadow_rules: Some(rules), shadow_rules_stat_prefix: "istio_ext_authz_".into(), ..Default::default() }
}

fn shadow_prefix(shadow: Option<&RBAC>) -> String {
    match shadow.map(|s| s.action) {
        None => "istio_dry_run_allow_",
        Some(a) if a == RBACAction::Allow as i32 => "istio_dry_run_allow_",
        Some(a) if a == RBACAction::Deny as i32 => "istio_dry_run_deny_",
        Some(_) => "",
    }
    .to_owned()
}

fn not(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|c| format!("not{}{}", c.to_ascii_uppercase(), chars.as_str())).unwrap_or_default()
}

fn values<'a>(node: Node<'a>, key: &str) -> Vec<&'a str> {
    node.list(key).map(Node::text).collect()
}

/// The items of a list; one empty item for an empty list.
fn some_or_none<'a>(items: impl Iterator<Item = Option<Node<'a>>>) -> Vec<Option<Node<'a>>> {
    let out: Vec<_> = items.collect();
    if out.is_empty() { vec![None] } else { out }
}

/// A rule that nothing meets: a policy without rules.
fn never() -> Policy {
    Policy {
        permissions: vec![Permission { not_rule: Some(Box::new(Permission { any: Some(true), ..Default::default() })), ..Default::default() }],
        principals: vec![Principal { not_id: Some(Box::new(Principal { any: Some(true), ..Default::default() })), ..Default::default() }],
    }
}

/// What an operation is told by.
enum What<'k> {
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
    fn of_permission(key: &'k str) -> Option<What<'k>> {
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
    fn is_http(&self) -> bool {
        matches!(self, What::Host | What::Method | What::Path)
    }
}

fn permission(what: &What<'_>, values: &[&str], not_values: &[&str], level: Level, is_allow: bool, and: &mut Vec<Permission>) -> Result<(), Untold> {
    for (list, negated) in [(values, false), (not_values, true)] {
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
        What::Metadata(filter, key) => {
            let list = value.strip_prefix('[').and_then(|v| v.strip_suffix(']'));
            let value = match list {
                Some(inner) => ValueMatcher { list_match: Some(Box::new(ListMatcher { one_of: Some(Box::new(text(string(inner)))) })), ..Default::default() },
                None => text(string(value)),
            };
            out.metadata = Some(MetadataMatcher { filter: (*filter).to_owned(), path: vec![segment(key)], value: Some(value), ..Default::default() });
        }
    }
    Some(out)
}

/// What a caller is told by.
enum Who<'k> {
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
    fn of(key: &'k str) -> Option<Who<'k>> {
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
    fn is_http(&self) -> bool {
        matches!(self, Who::RequestPrincipal | Who::Header(_) | Who::Claims(_))
    }
}

/// Where the identity of a caller stands.
#[derive(Clone, Copy)]
enum Told {
    ByCertificate,
    ByFilterState,
}

fn one_principal(object: &Object, who: &Who<'_>, value: &str, told: Told) -> Option<Principal> {
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
fn request_principal(value: &str) -> Principal {
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
fn claim(path: &[&str], values: &[&str]) -> MetadataMatcher {
    let mut matchers: Vec<ValueMatcher> = values.iter().map(|v| text(string(v))).collect();
    let one =
        if matchers.len() == 1 { matchers.remove(0) } else { ValueMatcher { or_match: Some(OrMatcher { value_matchers: matchers }), ..Default::default() } };
    let list = ValueMatcher { list_match: Some(Box::new(ListMatcher { one_of: Some(Box::new(one.clone())) })), ..Default::default() };
    MetadataMatcher {
        filter: JWT.into(),
        path: std::iter::once(segment("payload")).chain(path.iter().map(|p| segment(p))).collect(),
        value: Some(ValueMatcher { or_match: Some(OrMatcher { value_matchers: vec![list, one] }), ..Default::default() }),
        ..Default::default()
    }
}

fn segment(key: &str) -> MetadataMatcherPathSegment {
    MetadataMatcherPathSegment { key: Some(key.to_owned()) }
}

fn text(m: StringMatcher) -> ValueMatcher {
    ValueMatcher { string_match: Some(m), ..Default::default() }
}

fn regex(pattern: &str) -> StringMatcher {
    StringMatcher { safe_regex: Some(RegexMatcher { regex: pattern.to_owned(), ..Default::default() }), ..Default::default() }
}

/// `*`, `*suffix`, `prefix*` or the text itself.
fn string(value: &str) -> StringMatcher {
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
