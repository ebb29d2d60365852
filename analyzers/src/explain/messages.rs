//! Messages of the container istio-proxy's own log and of clients' answers. `…` in a name stands for anything.
//! Source: Envoy's and pilot-agent's logs, bodies as recorded.

use super::topic::{Page, page};

pub const ALL: &[Page] = &[
    page(
        "TLS error: Secret is not supplied by SDS",
        &["Secret is not supplied by SDS"],
        "A certificate that a connection needs has not come. Istiod's CA can't be reached or refuses (token, trust domain, clock), a credential (`credentialName`) does not exist in the right namespace, or the proxy just started. `meshctl proxy-config secret` shows such secrets as WARMING.",
        &["UF", "no-certificate-yet"],
    ),
    page(
        "gRPC config for … rejected",
        &["config for … rejected", "Error adding/updating listener(s)", "Error adding/updating cluster(s)"],
        "The proxy refused configuration from the control plane (NACK) and goes on with its last good one. The reason stands behind the type: a conflict of addresses, an invalid EnvoyFilter patch, a cluster that does not exist. Until it is mended this proxy gets no change of that type.",
        &["NACK", "pilot_total_xds_rejects"],
    ),
    page(
        "DeltaAggregatedResources gRPC config stream to xds-grpc closed",
        &["StreamAggregatedResources gRPC config stream", "gRPC config stream closed", "gRPC config stream to xds-grpc closed"],
        "The connection to the control plane ended. Once every half hour is ordinary (istiod ends streams); again and again means that istiod restarts, is overloaded or can't be reached. The proxy keeps its configuration.",
        &["15012"],
    ),
    page(
        "Envoy proxy is NOT ready",
        &[
            "config received from XDS server, but was rejected",
            "config not fully received from XDS server",
            "config not received from XDS server (is Istiod running?)",
        ],
        "The readiness probe of the proxy fails. `config not received`: no configuration came (istiod can't be reached, or everything was rejected: see the numbers of cds and lds updates); `workers not yet started`: it waits for a first complete configuration, often for a secret.",
        &["15021", "NACK"],
    ),
    page(
        "Envoy proxy is ready",
        &[],
        "The proxy has its first configuration and its workers run. From now on the pod's readiness can become true.",
        &["15021"],
    ),
    page(
        "failed to warm certificate",
        &["failed to generate workload certificate", "failed to sign CSR", "create certificate"],
        "The agent could not get the workload's certificate from istiod's CA. Reasons: istiod can't be reached at 15012, the service account's token is refused, istiod's own certificate is not trusted by the pod's root.",
        &["15012", "no-certificate-yet"],
    ),
    page(
        "upstream connect error or disconnect/reset before headers",
        &["upstream connect error", "reset reason: connection failure", "reset reason: connection termination", "reset reason: remote connection failure"],
        "The body that a client gets with 503: the proxy could not connect to the upstream (`connection failure`: UF) or the upstream closed before it answered (`connection termination`: UC). The access log of that proxy has the flag, the cluster and the transport's reason.",
        &["UF", "UC"],
    ),
    page("no healthy upstream", &[], "The body that a client gets with 503 UH: the cluster has no healthy host.", &["UH"]),
    page(
        "RBAC: access denied",
        &[],
        "The body that a client gets with 403: an AuthorizationPolicy refuses the request. The access log of the called side names the policy and the rule.",
        &["rbac_access_denied_matched_policy", "AuthorizationPolicy"],
    ),
    page("upstream request timeout", &[], "The body that a client gets with 504 UT: the route's timeout is over.", &["UT"]),
    page("fault filter abort", &[], "The body that a client gets when a fault was injected on purpose.", &["FI"]),
    page("local_rate_limited", &[], "The body that a client gets with 429: this proxy's own rate limit is over.", &["RL"]),
    page(
        "Jwt is missing",
        &["Jwt is expired", "Jwt issuer is not configured", "Jwks remote fetch is failed", "Jwt verification fails", "Audiences in Jwt are not allowed"],
        "The body that a client gets with 401: the JWT filter of the proxy refuses the token.",
        &["JWT", "RequestAuthentication", "jwt_authn_access_denied"],
    ),
    page(
        "Readiness probe failed: HTTP probe failed with statuscode: 500",
        &["rewritten probe", "app-health"],
        "The kubelet's probe of the application is answered by the agent (15020, `/app-health/…`), which asks the application. The status is the application's.",
        &["15020"],
    ),
    page(
        "filter chain not found",
        &["closing connection: no matching filter chain found"],
        "No filter chain of a listener takes the connection: plaintext where mutual TLS is wanted, or an SNI that no server has.",
        &["filter_chain_not_found", "STRICT"],
    ),
    page(
        "cannot bind … address already in use",
        &["Address already in use", "error adding listener … cannot bind"],
        "A listener could not take its port: another process in the pod has it, or two listeners want one address. The listener is refused (NACK).",
        &["NACK"],
    ),
    page(
        "peer is not validated",
        &["TLSV1_ALERT_UNKNOWN_CA", "CERTIFICATE_VERIFY_FAILED", "verify cert failed"],
        "A certificate was not accepted: another root, another name (SAN), or it has expired.",
        &["certificate-rejected", "unknown-authority"],
    ),
    page("WRONG_VERSION_NUMBER", &["wrong version number"], "One side spoke TLS, the other plaintext.", &["tls-to-plaintext"]),
    page(
        "Connection refused",
        &["delayed connect error: 111", "delayed_connect_error"],
        "Nothing listens on the address and port.",
        &["connection-refused", "application-not-listening"],
    ),
    page(
        "warming",
        &["dynamic_warming"],
        "A listener, cluster or secret that has arrived and is not in use yet, because something that it needs (endpoints, routes, a certificate) has not. Warming for long is a fault.",
        &["no-certificate-yet"],
    ),
    page(
        "drain",
        &["draining"],
        "A listener that was removed or changed takes no new connections; those that it has are closed after the drain time (45 s in Istio).",
        &["downstream_local_disconnect"],
    ),
];
