//! Refused: authorization, tokens, outside parties.

use super::{ANY, Cause, When, Whose};

pub const CAUSES: &[Cause] = &[
    Cause {
        id: "no-allow-policy-matched",
        title: "No ALLOW policy matches the request",
        whose: Whose::Configuration,
        when: &[When { details: &["rbac_access_denied_matched_policy"], reason: &["=none"], ..ANY }],
        why: "At least one AuthorizationPolicy with action ALLOW applies to this workload, so everything that none of them allows is \
              refused. Often: the caller's principal is empty because the call is not mTLS; the principal, namespace, path or method \
              differs from what the rule says; HTTP fields in a rule for a TCP port, where the rule is dropped.",
        evidence: &[
            "the policies that the proxy enforces, and the first condition of each rule that fails",
            "connection_security_policy of istio_requests_total at the destination: `none` means no principal",
        ],
        next: &["meshctl authz check --from DUMP", "meshctl authz can --from DUMP METHOD PATH --principal PRINCIPAL   # which condition of which rule fails"],
        source: "Envoy: RBAC filter; Istio: AuthorizationPolicy; recorded requests",
    },
    Cause {
        id: "denied-by-policy",
        title: "An AuthorizationPolicy denies the request",
        whose: Whose::Intended,
        when: &[When { details: &["rbac_access_denied_matched_policy"], ..ANY }],
        why: "The details name the policy and the index of its rule: a DENY rule matches. RBAC leaves no response flag. DENY \
              counts before every ALLOW; a DENY rule with HTTP fields on a TCP port loses those fields and denies more.",
        evidence: &["`spec.rules` of the named policy, the rule with that index"],
        next: &["meshctl authz check --from DUMP"],
        source: "Envoy: RBAC filter; Istio: names of RBAC policies; recorded requests",
    },
    Cause {
        id: "ext-authz-unreachable",
        title: "The external authorization service could not be asked",
        whose: Whose::Infrastructure,
        when: &[When { details: &["ext_authz_error"], ..ANY }],
        why: "An AuthorizationPolicy with action CUSTOM sends requests to an extension provider, which did not answer or answered with an error; \
              the filter refuses then (unless `failOpen` is set).",
        evidence: &[
            "the provider in meshConfig.extensionProviders: service, port, timeout",
            "stats ext_authz.error and ext_authz.timeout",
            "endpoints of the provider's cluster",
        ],
        next: &["meshctl authz check --from DUMP"],
        source: "Envoy: ext_authz filter",
    },
    Cause {
        id: "ext-authz-denied",
        title: "The external authorization service refused the request",
        whose: Whose::Intended,
        when: &[When { flags: &["UAEX"], ..ANY }, When { details: &["ext_authz_denied"], ..ANY }],
        why: "An AuthorizationPolicy with action CUSTOM asked its extension provider, and the provider said no. Its own log says why.",
        evidence: &["the log of the provider (OPA, oauth2-proxy …) at this time", "stats ext_authz.denied"],
        next: &["meshctl authz check --from DUMP"],
        source: "Envoy: ext_authz filter, response flags",
    },
    Cause {
        id: "jwt-missing",
        title: "The request has no token where one is required",
        whose: Whose::Client,
        when: &[When { details: &["jwt_authn_access_denied"], reason: &["jwt is missing"], ..ANY }],
        why: "A JWT requirement of this proxy admits no request without a token. Istio's own RequestAuthentication lets requests without \
              tokens pass; so the requirement comes from an EnvoyFilter, or the token stands where the rule does not look (`fromHeaders`, `fromParams`, `fromCookies`).",
        evidence: &["the filter envoy.filters.http.jwt_authn of the listener: `rules` and `requires`"],
        next: &["meshctl proxy-config listener --from DUMP -o json"],
        source: "Envoy: jwt_authn filter; recorded requests",
    },
    Cause {
        id: "jwt-expired",
        title: "The token has expired, or is not valid yet",
        whose: Whose::Client,
        when: &[When { details: &["jwt_authn_access_denied"], reason: &["jwt is expired", "jwt not yet valid"], ..ANY }],
        why: "`exp` lies in the past or `nbf` in the future by this proxy's clock. Clients that do not renew tokens, and clocks that differ.",
        evidence: &["the claims `exp`, `nbf`, `iat` of the token", "the clocks of the issuer's and this pod's node"],
        next: &["meshctl explain JWT"],
        source: "Envoy: jwt_authn filter",
    },
    Cause {
        id: "jwt-unknown-issuer",
        title: "No rule knows the token's issuer",
        whose: Whose::Configuration,
        when: &[When { details: &["jwt_authn_access_denied"], reason: &["jwt issuer is not configured", "issuer"], ..ANY }],
        why: "`iss` of the token equals the `issuer` of no RequestAuthentication of this workload, to the letter (a slash at the end counts).",
        evidence: &["`iss` of the token", "`jwtRules[].issuer` of the RequestAuthentications that select the workload"],
        next: &["meshctl explain RequestAuthentication"],
        source: "Envoy: jwt_authn filter; Istio: RequestAuthentication",
    },
    Cause {
        id: "jwt-keys-unavailable",
        title: "The keys of the token's issuer could not be fetched",
        whose: Whose::Infrastructure,
        when: &[When { details: &["jwt_authn_access_denied"], reason: &["jwks remote fetch is failed", "jwks"], ..ANY }],
        why: "Istiod fetches `jwksUri` and hands the keys to proxies; where it could not, tokens of that issuer are refused. Often istiod has \
              no way out (egress, proxy, a private CA).",
        evidence: &["istiod's log: `Failed to fetch public key`", "`localJwks` of the provider in the listener"],
        next: &["meshctl proxy-config listener --from DUMP -o json"],
        source: "Istio: JWKS resolver; Envoy: jwt_authn filter",
    },
    Cause {
        id: "jwt-wrong-audience",
        title: "The token is for somebody else",
        whose: Whose::Client,
        when: &[When { details: &["jwt_authn_access_denied"], reason: &["audiences in jwt are not allowed"], ..ANY }],
        why: "`aud` of the token has none of the rule's `audiences`.",
        evidence: &["`aud` of the token", "`jwtRules[].audiences`"],
        next: &["meshctl explain RequestAuthentication"],
        source: "Envoy: jwt_authn filter",
    },
    Cause {
        id: "jwt-invalid",
        title: "The token is not valid",
        whose: Whose::Client,
        when: &[When { details: &["jwt_authn_access_denied"], ..ANY }],
        why: "The reason stands in braces: the signature does not fit the issuer's keys (keys were rotated, another environment's token), or the token is malformed.",
        evidence: &["`kid` of the token's header against the keys at the issuer's jwks_uri"],
        next: &["meshctl explain JWT"],
        source: "Envoy: jwt_authn filter; recorded requests",
    },
    Cause {
        id: "csrf",
        title: "The CSRF filter refused the request's origin",
        whose: Whose::Intended,
        when: &[When { details: &["csrf_origin_mismatch"], ..ANY }],
        why: "An EnvoyFilter added CSRF protection, and Origin or Referer is not the host.",
        evidence: &["the filter envoy.filters.http.csrf: additional_origins"],
        next: &["meshctl proxy-config listener --from DUMP -o json"],
        source: "Envoy: CSRF filter",
    },
];
