//! Policies that ask an outside authorizer (`action: CUSTOM`).

use super::Level;
use super::told::{segment, string, text};
use crate::translate::{Context, Model, Proxy, RegisteredService, cluster, filters, virtual_service};
use mesh_envoy::api::common::{HttpStatus, ListStringMatcher, MetadataMatcher, StatusCode, StringMatcher};
use mesh_envoy::api::rbac::{RBAC, RBACAction};
use mesh_envoy::api::{Any, Duration, core, ext_authz, hcm, http_rbac, listener, network_filters};
use mesh_envoy::rbac::BAD_CUSTOM;
use mesh_model::{Kind, Node, Object};

/// A provider of the mesh configuration that can be asked.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    node: Node<'a>,
    /// Over gRPC it is asked about connections that are no HTTP as well.
    pub is_grpc: bool,
    host: &'a str,
    port: u16,
}

/// Lists of headers, in which a star alone is refused.
const HEADERS: &[&str] =
    &["includeRequestHeadersInCheck", "includeHeadersInCheck", "headersToUpstreamOnAllow", "headersToDownstreamOnDeny", "headersToDownstreamOnAllow"];

impl<'a> Model<'_, 'a> {
    /// The providers that a proxy's CUSTOM policies name, of a waypoint in the chains of a service those of the service too.
    pub fn custom_providers(&self, proxy: &Proxy, service: Option<&RegisteredService<'a>>) -> Vec<&'a str> {
        let all = self.policies_at(Kind::AuthorizationPolicy, proxy, service);
        let custom: Vec<&'a Object> = all.into_iter().filter(|o| o.spec().is_some_and(|s| s.text_of("action") == "CUSTOM")).collect();
        providers(&custom)
    }

    /// The provider of a name, as istiod looks it up (`pilot/pkg/security/authz/builder/extauthz.go`).
    ///
    /// # Errors
    /// Why it is not asked, said of it: what policies cover that name it is denied.
    pub fn provider(&self, name: &str) -> Result<Provider<'a>, String> {
        let mut all = self.mesh.config.root().into_iter().flat_map(|r| r.list("extensionProviders")).filter(|p| p.text_of("name") == name);
        let Some(config) = all.next() else { return Err("that the mesh configuration does not have".to_owned()) };
        if all.next().is_some() {
            return Err(format!("that the mesh configuration has twice (`{name}`)"));
        }
        let (node, is_grpc) = match (config.get("envoyExtAuthzHttp"), config.get("envoyExtAuthzGrpc")) {
            (Some(http), _) => (http, false),
            (None, Some(grpc)) => (grpc, true),
            (None, None) => return Err(format!("that authorizes nothing (`{name}` is of another kind)")),
        };
        let port = node.get("port").and_then(Node::int).and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0);
        let port = port.ok_or_else(|| format!("that istiod refuses (`{name}` has no port)"))?;
        let service = node.text_of("service");
        let (namespace, host) = service.split_once('/').map_or(("", service), |(n, h)| (n, h));
        let found = self.registry.by_host(host).filter(|(_, s)| namespace.is_empty() || s.namespace == namespace);
        let mut places: Vec<&str> = found.map(|(_, s)| s.namespace).collect();
        places.sort_unstable();
        places.dedup();
        match places.as_slice() {
            [] if self.mesh.is_complete() => return Err(format!("whose service is not in the mesh (`{name}` has `{service}`)")),
            [] | [_] => {}
            several => return Err(format!("whose service may be several (`{name}` has `{service}`, which is in {})", several.join(", "))),
        }
        let prefix = node.text_of("pathPrefix");
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(format!("that istiod refuses (`pathPrefix` of `{name}` begins with no `/`)"));
        }
        if HEADERS.iter().any(|key| node.list(key).any(|h| h.text() == "*")) {
            return Err(format!("that istiod refuses (`{name}` has a header `*`)"));
        }
        let status = node.text_of("statusOnError");
        if !status.is_empty() && status_of(status).is_none() {
            return Err(format!("that istiod refuses (`statusOnError` of `{name}` is no status)"));
        }
        Ok(Provider { node, is_grpc, host, port })
    }
}

impl<'a> Context<'_, 'a> {
    /// The rules of CUSTOM policies by their providers.
    fn custom_rules(&self, service: Option<&RegisteredService<'a>>, level: Level) -> Vec<(&'a str, RBAC)> {
        let all = self.with_action("CUSTOM", service);
        let of = |provider: &'a str| {
            let own: Vec<&'a Object> = all.iter().copied().filter(|o| o.spec_at(&["provider", "name"]).map(Node::text) == Some(provider)).collect();
            (provider, self.rbac(&own, RBACAction::Deny, level, &format!("istio-ext-authz-{provider}-")))
        };
        providers(&all).into_iter().map(of).collect()
    }

    /// The rules alone, where nobody knows which providers there are: whoever meets them is asked about, if it is.
    pub(super) fn custom_unseen(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let all = self.custom_rules(service, Level::Http);
        if all.len() > 1 {
            return self.custom(service);
        }
        all.into_iter().map(|(_, rules)| filters::rbac_http(&asking(rules))).collect()
    }

    /// Filters that ask outside authorizers, by provider.
    pub(super) fn custom(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let mut out = Vec::new();
        let all = self.custom_rules(service, Level::Http);
        let is_only = all.len() == 1;
        for (name, rules) in all {
            match self.model.provider(name) {
                Ok(provider) if is_only => {
                    out.push(filters::rbac_http(&asking(rules)));
                    out.push(filters::ext_authz_http(&authorizer(name, &provider)));
                }
                _ => out.push(filters::rbac_http(&http_rbac::RBAC { rules: Some(denying(rules)), ..Default::default() })),
            }
        }
        out
    }

    /// Filters of connections that are no HTTP: what can't be asked is denied here too.
    pub(super) fn custom_denied_bytes(&self, service: Option<&RegisteredService<'a>>) -> Vec<listener::Filter> {
        let all = self.custom_rules(service, Level::Tcp);
        let is_only = all.len() == 1;
        let bad = all.into_iter().filter(|(name, _)| !is_only || self.model.provider(name).is_err());
        bad.map(|(_, rules)| network_filter(network_filters::RBAC { rules: Some(denying(rules)), ..Default::default() })).collect()
    }

    /// The rules alone of the one provider that is asked about them, if there is: those over HTTP are not. Where nobody knows which there are, it may be.
    pub(super) fn custom_asked_bytes(&self, service: Option<&RegisteredService<'a>>) -> Vec<listener::Filter> {
        let all = self.custom_rules(service, Level::Tcp);
        let [(name, _)] = all.as_slice() else { return Vec::new() };
        if self.model.mesh.knows_config() && !self.model.provider(name).is_ok_and(|p| p.is_grpc) {
            return Vec::new();
        }
        let asking = |rules| network_filters::RBAC { shadow_rules: Some(rules), shadow_rules_stat_prefix: ASKING.into(), ..Default::default() };
        all.into_iter().map(|(_, rules)| network_filter(asking(rules))).collect()
    }
}

/// The filter that asks a provider.
fn authorizer(name: &str, provider: &Provider<'_>) -> ext_authz::ExtAuthz {
    let Provider { node, is_grpc, host, port } = *provider;
    let cluster = cluster::name(port, "", host);
    let timeout = node.get("timeout").and_then(|t| virtual_service::duration(t.text())).unwrap_or(Duration::from_seconds(600));
    let patterns = |key: &str| {
        let patterns: Vec<StringMatcher> = node.list(key).map(|h| StringMatcher { ignore_case: true, ..string(h.text()) }).collect();
        (!patterns.is_empty()).then_some(ListStringMatcher { patterns })
    };
    let mut out = ext_authz::ExtAuthz {
        failure_mode_allow: node.get("failOpen").and_then(Node::bool) == Some(true),
        transport_api_version: core::ApiVersion::V3 as i32,
        status_on_error: status_of(node.text_of("statusOnError")).map(|code| HttpStatus { code: code as i32 }),
        with_request_body: node.get("includeRequestBodyInCheck").map(|b| ext_authz::BufferSettings {
            max_request_bytes: b.get("maxRequestBytes").and_then(Node::int).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            allow_partial_message: b.get("allowPartialMessage").and_then(Node::bool) == Some(true),
            pack_as_bytes: b.get("packAsBytes").and_then(Node::bool) == Some(true),
        }),
        filter_enabled_metadata: Some(MetadataMatcher {
            filter: "envoy.filters.http.rbac".into(),
            path: vec![segment("istio_ext_authz_shadow_effective_policy_id")],
            value: Some(text(StringMatcher { prefix: Some(format!("istio-ext-authz-{name}")), ..Default::default() })),
            ..Default::default()
        }),
        ..Default::default()
    };
    if is_grpc {
        let envoy = core::GrpcServiceEnvoyGrpc { cluster_name: cluster, authority: host.to_owned() };
        out.grpc_service = Some(core::GrpcService { envoy_grpc: Some(envoy), timeout: Some(timeout), ..Default::default() });
    } else {
        out.allowed_headers = patterns("includeRequestHeadersInCheck").or_else(|| patterns("includeHeadersInCheck"));
        let response = ext_authz::AuthorizationResponse {
            allowed_upstream_headers: patterns("headersToUpstreamOnAllow"),
            allowed_client_headers: patterns("headersToDownstreamOnDeny"),
            allowed_client_headers_on_success: patterns("headersToDownstreamOnAllow"),
            ..Default::default()
        };
        let added = node.get("includeAdditionalHeadersInCheck").into_iter().flat_map(Node::entries);
        let mut headers_to_add: Vec<core::HeaderValue> =
            added.map(|(k, v)| core::HeaderValue { key: k.text().to_owned(), value: v.text().to_owned() }).collect();
        headers_to_add.sort_by(|a, b| a.key.cmp(&b.key));
        out.http_service = Some(ext_authz::HttpService {
            server_uri: Some(core::HttpUri { uri: format!("http://{host}"), cluster: Some(cluster), timeout: Some(timeout) }),
            path_prefix: node.text_of("pathPrefix").to_owned(),
            authorization_request: (!headers_to_add.is_empty()).then(|| ext_authz::AuthorizationRequest { headers_to_add, ..Default::default() }),
            authorization_response: Some(response).filter(|r| *r != ext_authz::AuthorizationResponse::default()),
        });
    }
    out
}

/// A status that Envoy has a name for.
fn status_of(text: &str) -> Option<StatusCode> {
    StatusCode::try_from(text.parse::<i32>().ok()?).ok()
}

/// The providers that CUSTOM policies name.
pub(in crate::translate) fn providers<'a>(policies: &[&'a Object]) -> Vec<&'a str> {
    let mut out: Vec<&str> = policies.iter().filter_map(|o| o.spec_at(&["provider", "name"])).map(Node::text).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// The prefix of what rules leave for the filter that asks.
const ASKING: &str = "istio_ext_authz_";

/// Rules whose match makes the filter behind them ask.
fn asking(rules: RBAC) -> http_rbac::RBAC {
    http_rbac::RBAC { shadow_rules: Some(rules), shadow_rules_stat_prefix: ASKING.into(), ..Default::default() }
}

/// Rules of a provider that can't be asked: whoever meets them is denied.
fn denying(mut rules: RBAC) -> RBAC {
    rules.policies = rules.policies.into_iter().map(|(k, v)| (format!("{k}{BAD_CUSTOM}"), v)).collect();
    rules
}

fn network_filter(config: network_filters::RBAC) -> listener::Filter {
    filters::network_filter("envoy.filters.network.rbac", Any::pack(&network_filters::RBAC { stat_prefix: "tcp.".into(), ..config }))
}
