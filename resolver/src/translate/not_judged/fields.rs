//! The fields that the translation reads, kind by kind. Whatever else an object holds is named: a field that is not in
//! these tables is one whose effect is not known, be it new, misspelt or left out on purpose.

use mesh_model::{Kind, Node, Object};

/// A field that is read.
pub struct Field {
    name: &'static str,
    /// The fields in it that are read; none where it is read as a whole.
    fields: &'static [Field],
}

const fn whole(name: &'static str) -> Field {
    Field { name, fields: &[] }
}
const fn of(name: &'static str, fields: &'static [Field]) -> Field {
    Field { name, fields }
}

const CONNECTION_POOL: &[Field] = &[
    of("tcp", &[whole("maxConnections"), whole("connectTimeout"), whole("maxConnectionDuration"), whole("idleTimeout"), of("tcpKeepalive", KEEPALIVE)]),
    of(
        "http",
        &[
            whole("http1MaxPendingRequests"),
            whole("http2MaxRequests"),
            whole("maxRequestsPerConnection"),
            whole("maxRetries"),
            whole("idleTimeout"),
            whole("h2UpgradePolicy"),
            whole("useClientProtocol"),
            whole("maxConcurrentStreams"),
        ],
    ),
];
const KEEPALIVE: &[Field] = &[whole("probes"), whole("time"), whole("interval")];

const LOAD_BALANCER: &[Field] = &[
    whole("simple"),
    of(
        "consistentHash",
        &[
            whole("httpHeaderName"),
            whole("httpCookie"),
            whole("useSourceIp"),
            whole("httpQueryParameterName"),
            of("ringHash", &[whole("minimumRingSize")]),
            of("maglev", &[whole("tableSize")]),
            whole("minimumRingSize"),
        ],
    ),
    whole("warmupDurationSecs"),
    of("warmup", &[whole("duration"), whole("minimumPercent")]),
    of("localityLbSetting", &[whole("enabled"), whole("distribute"), whole("failover"), whole("failoverPriority")]),
];

const OUTLIER_DETECTION: &[Field] = &[
    whole("consecutive5xxErrors"),
    whole("consecutiveGatewayErrors"),
    whole("consecutiveLocalOriginFailures"),
    whole("splitExternalLocalOriginErrors"),
    whole("interval"),
    whole("baseEjectionTime"),
    whole("maxEjectionPercent"),
    whole("minHealthPercent"),
];

const CLIENT_TLS: &[Field] = &[
    whole("mode"),
    whole("clientCertificate"),
    whole("privateKey"),
    whole("caCertificates"),
    whole("credentialName"),
    whole("subjectAltNames"),
    whole("sni"),
    whole("insecureSkipVerify"),
    whole("caCrl"),
];

const TUNNEL: &[Field] = &[whole("protocol"), whole("targetHost"), whole("targetPort")];

/// Of the mesh configuration.
const DEFAULT_TRAFFIC_POLICY: &[Field] = &[of("connectionPool", CONNECTION_POOL), of("outlierDetection", OUTLIER_DETECTION)];

const TRAFFIC_POLICY: &[Field] = &[
    of("tunnel", TUNNEL),
    of("proxyProtocol", &[whole("version")]),
    of("connectionPool", CONNECTION_POOL),
    of("loadBalancer", LOAD_BALANCER),
    of("outlierDetection", OUTLIER_DETECTION),
    of("tls", CLIENT_TLS),
    whole("retryBudget"),
    of(
        "portLevelSettings",
        &[
            whole("port"),
            of("connectionPool", CONNECTION_POOL),
            of("loadBalancer", LOAD_BALANCER),
            of("outlierDetection", OUTLIER_DETECTION),
            of("tls", CLIENT_TLS),
            whole("retryBudget"),
        ],
    ),
];

const DESTINATION_RULE: &[Field] = &[
    whole("host"),
    whole("exportTo"),
    whole("workloadSelector"),
    of("trafficPolicy", TRAFFIC_POLICY),
    of("subsets", &[whole("name"), whole("labels"), of("trafficPolicy", TRAFFIC_POLICY)]),
];

const L4_ROUTE: &[Field] = &[
    of("match", &[whole("sniHosts"), whole("destinationSubnets"), whole("port"), whole("sourceLabels"), whole("sourceNamespace"), whole("gateways")]),
    of("route", &[whole("destination"), whole("weight")]),
];

const HTTP_ROUTE: &[Field] = &[
    whole("name"),
    of(
        "match",
        &[
            whole("name"),
            whole("uri"),
            whole("scheme"),
            whole("method"),
            whole("authority"),
            whole("headers"),
            whole("withoutHeaders"),
            whole("queryParams"),
            whole("ignoreUriCase"),
            whole("port"),
            whole("sourceLabels"),
            whole("sourceNamespace"),
            whole("gateways"),
            // Not read: it names statistics.
            whole("statPrefix"),
        ],
    ),
    of("route", &[whole("destination"), whole("weight"), whole("headers")]),
    whole("redirect"),
    of("directResponse", &[whole("status"), of("body", &[whole("string")])]),
    whole("delegate"),
    whole("rewrite"),
    whole("timeout"),
    of("retries", &[whole("attempts"), whole("perTryTimeout"), whole("retryOn"), whole("retryIgnorePreviousHosts"), whole("backoff")]),
    of(
        "fault",
        &[
            of("delay", &[whole("fixedDelay"), whole("percentage"), whole("percent")]),
            of("abort", &[whole("httpStatus"), whole("grpcStatus"), whole("percentage")]),
        ],
    ),
    whole("mirror"),
    whole("mirrorPercent"),
    whole("mirror_percent"),
    whole("mirrorPercentage"),
    whole("mirrors"),
    whole("corsPolicy"),
    whole("headers"),
];

const VIRTUAL_SERVICE: &[Field] = &[whole("hosts"), whole("gateways"), whole("exportTo"), of("http", HTTP_ROUTE), of("tls", L4_ROUTE), of("tcp", L4_ROUTE)];

const SERVER_TLS: &[Field] = &[
    whole("mode"),
    whole("httpsRedirect"),
    whole("credentialName"),
    whole("credentialNames"),
    whole("serverCertificate"),
    whole("privateKey"),
    whole("caCertificates"),
    whole("caCertCredentialName"),
    whole("caCrl"),
    whole("insecureSkipVerify"),
    whole("verifyCertificateSpki"),
    whole("verifyCertificateHash"),
    of("tlsCertificates", &[whole("serverCertificate"), whole("privateKey")]),
    whole("subjectAltNames"),
    whole("minProtocolVersion"),
    whole("maxProtocolVersion"),
    whole("cipherSuites"),
];

// `targetPort` is not read: it has no effect in Istio either.
const PORT: &[Field] = &[whole("number"), whole("name"), whole("protocol"), whole("targetPort")];

const GATEWAY: &[Field] = &[whole("selector"), of("servers", &[of("port", PORT), whole("bind"), whole("hosts"), whole("name"), of("tls", SERVER_TLS)])];

const SIDECAR: &[Field] = &[
    whole("workloadSelector"),
    of("egress", &[of("port", PORT), whole("bind"), whole("captureMode"), whole("hosts")]),
    of(
        "ingress",
        &[of("port", PORT), whole("bind"), whole("captureMode"), whole("defaultEndpoint"), of("tls", SERVER_TLS), of("connectionPool", CONNECTION_POOL)],
    ),
    of("outboundTrafficPolicy", &[whole("mode"), whole("egressProxy")]),
    of("inboundConnectionPool", CONNECTION_POOL),
];

const K8S_GATEWAY: &[Field] = &[
    whole("gatewayClassName"),
    whole("addresses"),
    // Of the workload that is made for it, not of its configuration.
    whole("infrastructure"),
    whole("allowedListeners"),
    of("tls", &[whole("frontend")]),
    of(
        "listeners",
        &[
            whole("name"),
            whole("hostname"),
            whole("port"),
            whole("protocol"),
            of("tls", &[whole("mode"), whole("certificateRefs"), whole("options")]),
            whole("allowedRoutes"),
        ],
    ),
];

const BACKEND: &[Field] = &[
    whole("group"),
    whole("kind"),
    whole("name"),
    whole("namespace"),
    whole("port"),
    whole("weight"),
    of("filters", &[whole("type"), whole("requestHeaderModifier"), whole("responseHeaderModifier")]),
];

const K8S_HTTP_ROUTE: &[Field] = &[
    whole("parentRefs"),
    whole("hostnames"),
    of(
        "rules",
        &[
            whole("name"),
            whole("matches"),
            of(
                "filters",
                &[
                    whole("type"),
                    whole("requestHeaderModifier"),
                    whole("responseHeaderModifier"),
                    whole("requestRedirect"),
                    whole("urlRewrite"),
                    whole("requestMirror"),
                    whole("cors"),
                ],
            ),
            of("backendRefs", BACKEND),
            of("timeouts", &[whole("request"), whole("backendRequest")]),
            of("retry", &[whole("codes"), whole("attempts"), whole("backoff")]),
        ],
    ),
];

const K8S_L4_ROUTE: &[Field] = &[whole("parentRefs"), whole("hostnames"), of("rules", &[whole("name"), of("backendRefs", BACKEND)])];

/// What is read of an object's `spec`; `None` where no table says.
fn of_kind(kind: Kind) -> Option<&'static [Field]> {
    Some(match kind {
        Kind::DestinationRule => DESTINATION_RULE,
        Kind::VirtualService => VIRTUAL_SERVICE,
        Kind::Gateway => GATEWAY,
        Kind::Sidecar => SIDECAR,
        Kind::K8sGateway => K8S_GATEWAY,
        Kind::HttpRoute | Kind::GrpcRoute => K8S_HTTP_ROUTE,
        Kind::TcpRoute | Kind::TlsRoute => K8S_L4_ROUTE,
        _ => return None,
    })
}

/// The fields of an object's `spec` that are not read, in the order in which they stand.
pub fn not_read(object: &Object) -> Vec<Node<'_>> {
    let mut out = Vec::new();
    if let (Some(spec), Some(fields)) = (object.spec(), of_kind(object.kind)) {
        compare(spec, fields, &mut out);
    }
    out
}

/// The same of the mesh configuration's `defaultTrafficPolicy`.
pub fn not_read_by_default(policy: Node<'_>) -> Vec<Node<'_>> {
    let mut out = Vec::new();
    compare(policy, DEFAULT_TRAFFIC_POLICY, &mut out);
    out
}

fn compare<'a>(node: Node<'a>, fields: &[Field], out: &mut Vec<Node<'a>>) {
    for item in node.items() {
        compare(item, fields, out);
    }
    for (key, value) in node.entries() {
        match fields.iter().find(|f| f.name == key.text()) {
            None if value.is_null() => {}
            None => out.push(value),
            Some(field) if field.fields.is_empty() => {}
            Some(field) => compare(value, field.fields, out),
        }
    }
}
