//! Rules that keep callers out.

use super::{Breakage, Change, Scenario, networking, object, security};
use crate::mesh::NAMESPACE;
use crate::programs::Behaviour;
use crate::tokens::{ISSUER, KEYS, OTHER_KEYS, Token};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "mtls-mismatch",
        what: "clients speak plaintext to a server that takes mutual TLS only",
        victims: &["ratings", "details"],
        make: |victim, _| Breakage {
            changes: vec![networking("DestinationRule", victim, &format!("  host: {victim}\n  trafficPolicy:\n    tls: {{mode: DISABLE}}\n"))],
            cause: format!("DestinationRule {NAMESPACE}/{victim}"),
            seen: "UC",
            ..Breakage::default()
        },
    },
    Scenario {
        name: "denied-by-policy",
        what: "an AuthorizationPolicy keeps callers out that are needed",
        victims: &["ratings", "details", "reviews"],
        make: |victim, dice| {
            let caller = if victim == "ratings" { "reviews" } else { "productpage" };
            let rules = match dice.u8(0..3) {
                0 => format!("  action: DENY\n  rules:\n  - from: [{{source: {{principals: [cluster.local/ns/{NAMESPACE}/sa/{caller}]}}}}]\n"),
                1 => format!("  action: ALLOW\n  rules:\n  - from: [{{source: {{principals: [cluster.local/ns/{NAMESPACE}/sa/gateway]}}}}]\n"),
                _ => "  action: ALLOW\n  rules:\n  - to: [{operation: {methods: [POST]}}]\n".to_owned(),
            };
            Breakage {
                changes: vec![security("AuthorizationPolicy", victim, &format!("  selector: {{matchLabels: {{app: {victim}}}}}\n{rules}"))],
                cause: format!("AuthorizationPolicy {NAMESPACE}/{victim}"),
                seen: "403",
                ..Breakage::default()
            }
        },
    },
    Scenario {
        name: "bad-jwt",
        what: "the tokens that callers send are not accepted: of another issuer, signed with another key, or expired",
        victims: &["ratings", "details"],
        make: |victim, dice| {
            let callers: &[&'static str] = if victim == "ratings" { &["reviews-v2", "reviews-v3"] } else { &["productpage-v1"] };
            let (issuer, keys, token) = match dice.u8(0..3) {
                0 => ("https://login.example.net", KEYS, Token::Good),
                1 => (ISSUER, OTHER_KEYS, Token::Good),
                _ => (ISSUER, KEYS, Token::Expired),
            };
            let spec = format!("  selector: {{matchLabels: {{app: {victim}}}}}\n  jwtRules: [{{issuer: '{issuer}', jwks: '{keys}'}}]\n");
            let sent = callers.iter().filter(|_| token == Token::Expired).map(|w| Change::Program(w, Behaviour { token, ..Behaviour::default() }));
            Breakage {
                changes: std::iter::once(security("RequestAuthentication", victim, &spec)).chain(sent).collect(),
                cause: format!("RequestAuthentication {NAMESPACE}/{victim}"),
                seen: "401",
                ..Breakage::default()
            }
        },
    },
    Scenario {
        name: "rate-limit",
        what: "an EnvoyFilter lets through fewer requests than callers send",
        victims: &["ratings", "details"],
        make: |victim, dice| {
            let (tokens, seconds) = (dice.u8(1..=3), dice.u8(30..=60));
            Breakage {
                changes: vec![local_rate_limit(victim, tokens, seconds)],
                cause: format!("EnvoyFilter {NAMESPACE}/{victim}"),
                seen: "429",
                ..Breakage::default()
            }
        },
    },
    Scenario {
        name: "blocked-egress",
        what: "proxies let nothing out to hosts that they know nothing of, and a Sidecar hides one that is needed",
        victims: &["details", "default"],
        make: |victim, dice| {
            let selector = if victim == "default" { String::new() } else { format!("  workloadSelector: {{labels: {{app: {victim}}}}}\n") };
            let hosts = if dice.bool() { "./*" } else { "bookinfo/*" };
            let spec = format!("{selector}  egress: [{{hosts: ['{hosts}', istio-system/*]}}]\n  outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n");
            Breakage { changes: vec![networking("Sidecar", victim, &spec)], cause: format!("Sidecar {NAMESPACE}/{victim}"), seen: "502", ..Breakage::default() }
        },
    },
];

/// A local rate limit for a workload as Istio's documentation writes it.
fn local_rate_limit(app: &str, tokens: u8, seconds: u8) -> Change {
    let spec = format!(
        "  workloadSelector: {{labels: {{app: {app}}}}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener: {{filterChain: {{filter: {{name: envoy.filters.network.http_connection_manager}}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.local_ratelimit
        typed_config:
          '@type': type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          value:
            stat_prefix: http_local_rate_limiter
            token_bucket: {{max_tokens: {tokens}, tokens_per_fill: {tokens}, fill_interval: {seconds}s}}
            filter_enabled: {{runtime_key: local_rate_limit_enabled, default_value: {{numerator: 100, denominator: HUNDRED}}}}
            filter_enforced: {{runtime_key: local_rate_limit_enforced, default_value: {{numerator: 100, denominator: HUNDRED}}}}
            response_headers_to_add:
            - append_action: OVERWRITE_IF_EXISTS_OR_ADD
              header: {{key: x-limited, value: 'true'}}
"
    );
    object("networking.istio.io/v1alpha3", "traffic.yaml", "EnvoyFilter", app, &spec)
}
