//! The JWT filter of RequestAuthentications: a token must be good, none need be there.

use super::cluster;
use super::proxy::ProxyKind;
use super::virtual_service::duration;
use super::{Context, RegisteredService};
use mesh_envoy::api::jwt_authn::{
    JwtAuthentication, JwtClaimToHeader, JwtHeader, JwtProvider, JwtProviderNormalizePayload, JwtRequirement, JwtRequirementAndList, JwtRequirementOrList,
    RemoteJwks, RequirementRule,
};
use mesh_envoy::api::{Duration, Empty, core, route};
use mesh_model::{Kind, Node};

impl<'a> Context<'_, 'a> {
    /// The filter for all rules that are for this proxy; by issuer, so that the order of objects does not count.
    pub fn request_authentication(&self, service: Option<&RegisteredService<'a>>) -> Option<JwtAuthentication> {
        let policies = self.model.policies_at(Kind::RequestAuthentication, &self.proxy, service);
        let mut rules: Vec<Node<'a>> = policies.iter().filter_map(|o| o.spec()).flat_map(|s| s.list("jwtRules")).collect();
        rules.sort_by_key(|r| r.text_of("issuer"));
        if rules.is_empty() {
            return None;
        }
        let named = |name: &str| JwtRequirement { provider_name: Some(name.to_owned()), ..Default::default() };
        let any = |requirements| JwtRequirement { requires_any: Some(JwtRequirementOrList { requirements }), ..Default::default() };
        let mut out = JwtAuthentication { bypass_cors_preflight: true, ..Default::default() };
        let (mut each, mut one) = (Vec::new(), Vec::new());
        for (i, rule) in rules.iter().enumerate() {
            let name = format!("origins-{i}");
            let clear_route_cache = self.proxy.kind != ProxyKind::Sidecar;
            out.providers.insert(name.clone(), JwtProvider { clear_route_cache, ..provider(*rule) });
            each.push(any(vec![named(&name), JwtRequirement { allow_missing: Some(Empty {}), ..Default::default() }]));
            one.push(named(&name));
        }
        let requires = if each.len() == 1 {
            each.remove(0)
        } else {
            one.push(JwtRequirement { requires_all: Some(JwtRequirementAndList { requirements: each }), ..Default::default() });
            any(one)
        };
        let everywhere = route::RouteMatch { prefix: Some("/".into()), ..Default::default() };
        out.rules = vec![RequirementRule { r#match: Some(everywhere), requires: Some(requires), ..Default::default() }];
        Some(out)
    }
}

fn provider(rule: Node<'_>) -> JwtProvider {
    let texts = |key: &str| rule.list(key).map(|t| t.text().to_owned()).collect::<Vec<_>>();
    let mut spaces = texts("spaceDelimitedClaims");
    spaces.extend(["permission".to_owned(), "scope".to_owned()]);
    spaces.sort();
    spaces.dedup();
    let mut out = JwtProvider {
        issuer: rule.text_of("issuer").to_owned(),
        audiences: texts("audiences"),
        forward: rule.get("forwardOriginalToken").and_then(Node::bool) == Some(true),
        forward_payload_header: rule.text_of("outputPayloadToHeader").to_owned(),
        payload_in_metadata: "payload".into(),
        normalize_payload_in_metadata: Some(JwtProviderNormalizePayload { space_delimited_claims: spaces }),
        claim_to_headers: rule
            .list("outputClaimToHeaders")
            .map(|c| JwtClaimToHeader { header_name: c.text_of("header").to_owned(), claim_name: c.text_of("claim").to_owned() })
            .collect(),
        from_headers: rule
            .list("fromHeaders")
            .map(|h| JwtHeader { name: h.text_of("name").to_owned(), value_prefix: h.text_of("prefix").to_owned() })
            .collect(),
        from_params: texts("fromParams"),
        from_cookies: texts("fromCookies"),
        ..Default::default()
    };
    match rule.text_of("jwks") {
        "" => {
            // istiod fetches the keys itself; what it would find is not in the input.
            let uri = rule.text_of("jwksUri");
            let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")).unwrap_or(uri);
            let authority = rest.split('/').next().unwrap_or_default();
            let default = if uri.starts_with("http://") { 80 } else { 443 };
            let (host, port) = authority.rsplit_once(':').map_or((authority, default), |(h, p)| (h, p.parse().unwrap_or(default)));
            let timeout = rule.get("timeout").and_then(|t| duration(t.text())).unwrap_or(Duration::from_seconds(5));
            out.remote_jwks = Some(RemoteJwks {
                http_uri: Some(core::HttpUri { uri: uri.to_owned(), cluster: Some(cluster::name(port, "", host)), timeout: Some(timeout) }),
                cache_duration: Some(Duration::from_seconds(300)),
                ..Default::default()
            });
        }
        keys => out.local_jwks = Some(core::DataSource { inline_string: Some(keys.to_owned()), ..Default::default() }),
    }
    out
}
