//! Policies that ask an outside authorizer (`action: CUSTOM`).

use super::Level;
use super::told::{segment, string, text};
use crate::translate::{Context, Model, Proxy, RegisteredService, cluster, filters, virtual_service};
use mesh_envoy::api::common::{ListStringMatcher, MetadataMatcher, StringMatcher};
use mesh_envoy::api::rbac::{RBAC, RBACAction};
use mesh_envoy::api::{Duration, core, ext_authz, hcm, http_rbac};
use mesh_model::{Kind, Node, Object};

impl<'a> Model<'_, 'a> {
    /// The providers that a proxy's CUSTOM policies name, of a waypoint in the chains of a service those of the service too.
    pub fn custom_providers(&self, proxy: &Proxy, service: Option<&RegisteredService<'a>>) -> Vec<&'a str> {
        let all = self.policies_at(Kind::AuthorizationPolicy, proxy, service);
        let custom: Vec<&'a Object> = all.into_iter().filter(|o| o.spec().is_some_and(|s| s.text_of("action") == "CUSTOM")).collect();
        providers(&custom)
    }
}

impl<'a> Context<'_, 'a> {
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
    pub(super) fn custom_unseen(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let all = self.custom_rules(service);
        if all.len() > 1 {
            return self.custom(service);
        }
        all.into_iter().map(|(_, rules)| filters::rbac_http(&asking(rules))).collect()
    }

    /// Filters that ask outside authorizers, by provider.
    pub(super) fn custom(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
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
        let cluster = cluster::name(port, "", host);
        let timeout = node.get("timeout").and_then(|t| virtual_service::duration(t.text())).unwrap_or(Duration::from_seconds(600));
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
