//! TLS contexts: mutual TLS of the mesh, and what Gateways, Sidecars and DestinationRules ask for.

use super::filters::texts;
use mesh_envoy::api::{Any, Duration, common::StringMatcher, core, tls};
use mesh_model::Node;

/// Cipher suites of TLS 1.2 that istiod offers for mutual TLS.
const CIPHERS: &[&str] = &[
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

pub fn socket(config: Any) -> core::TransportSocket {
    core::TransportSocket { name: "envoy.transport_sockets.tls".into(), typed_config: Some(config) }
}

pub fn plaintext() -> core::TransportSocket {
    let raw = mesh_envoy::api::extensions::RawBuffer::default();
    core::TransportSocket { name: "envoy.transport_sockets.raw_buffer".into(), typed_config: Some(Any::pack(&raw)) }
}

fn secret(name: &str, timeout: Option<Duration>) -> tls::SdsSecretConfig {
    let grpc =
        core::GrpcService { envoy_grpc: Some(core::GrpcServiceEnvoyGrpc { cluster_name: "sds-grpc".to_owned(), ..Default::default() }), ..Default::default() };
    let source = core::ConfigSource {
        api_config_source: Some(core::ApiConfigSource {
            api_type: core::ApiConfigSourceApiType::Grpc as i32,
            transport_api_version: core::ApiVersion::V3 as i32,
            grpc_services: vec![grpc],
            set_node_on_first_message_only: true,
        }),
        initial_fetch_timeout: timeout,
        resource_api_version: core::ApiVersion::V3 as i32,
        ..Default::default()
    };
    tls::SdsSecretConfig { name: name.to_owned(), sds_config: Some(source) }
}

/// A secret that the agent has: `default` or `ROOTCA`, which are waited for, or files.
fn own_secret(name: &str) -> tls::SdsSecretConfig {
    secret(name, matches!(name, "default" | "ROOTCA").then(Duration::default))
}

/// A secret that istiod hands out.
fn credential(name: &str) -> tls::SdsSecretConfig {
    tls::SdsSecretConfig {
        name: format!("kubernetes://{name}"),
        sds_config: Some(core::ConfigSource {
            ads: Some(core::AggregatedConfigSource::default()),
            resource_api_version: core::ApiVersion::V3 as i32,
            ..Default::default()
        }),
    }
}

fn validation(names: Vec<StringMatcher>, root: tls::SdsSecretConfig) -> tls::CommonTlsContextCombinedCertificateValidationContext {
    tls::CommonTlsContextCombinedCertificateValidationContext {
        default_validation_context: Some(tls::CertificateValidationContext { match_subject_alt_names: names, ..Default::default() }),
        validation_context_sds_secret_config: Some(root),
    }
}

fn exact(names: &[String]) -> Vec<StringMatcher> {
    names.iter().map(|n| StringMatcher { exact: Some(n.clone()), ..Default::default() }).collect()
}

fn versions() -> tls::TlsParameters {
    tls::TlsParameters {
        tls_minimum_protocol_version: tls::TlsParametersTlsProtocol::Tlsv12 as i32,
        tls_maximum_protocol_version: tls::TlsParametersTlsProtocol::Tlsv13 as i32,
        ..Default::default()
    }
}

/// What a server of the mesh takes: certificates of the trust domain or of its aliases.
pub fn mesh_server(trust_domains: &[&str], is_http: bool, exchanges: bool) -> core::TransportSocket {
    let prefix = |d: &&str| StringMatcher { prefix: Some(format!("spiffe://{d}/")), ..Default::default() };
    let common = tls::CommonTlsContext {
        tls_params: Some(tls::TlsParameters { cipher_suites: texts(CIPHERS), ..versions() }),
        tls_certificate_sds_secret_configs: vec![own_secret("default")],
        combined_validation_context: Some(validation(trust_domains.iter().map(prefix).collect(), own_secret("ROOTCA"))),
        alpn_protocols: texts(if is_http || !exchanges { &["h2", "http/1.1"] } else { &["istio-peer-exchange", "h2", "http/1.1"] }),
        ..Default::default()
    };
    socket(Any::pack(&tls::DownstreamTlsContext { common_tls_context: Some(common), require_client_certificate: Some(true), ..Default::default() }))
}

/// What a client of the mesh sends.
pub fn mesh_client(sni: &str, names: &[String], is_http2: bool, exchanges: bool) -> core::TransportSocket {
    let all = &["istio-peer-exchange", "istio", "h2"][usize::from(!exchanges)..if is_http2 { 3 } else { 2 }];
    let common = tls::CommonTlsContext {
        tls_params: Some(versions()),
        tls_certificate_sds_secret_configs: vec![own_secret("default")],
        combined_validation_context: Some(validation(exact(names), own_secret("ROOTCA"))),
        alpn_protocols: texts(all),
        ..Default::default()
    };
    socket(Any::pack(&tls::UpstreamTlsContext { common_tls_context: Some(common), sni: sni.to_owned(), ..Default::default() }))
}

/// Mutual TLS of tunnels (HBONE): certificates of the trust domains, besides those whose names `own` matches.
pub fn tunnel(trust_domains: &[&str], own: Option<StringMatcher>) -> tls::CommonTlsContext {
    let prefix = |d: &&str| StringMatcher { prefix: Some(format!("spiffe://{d}/")), ..Default::default() };
    let uri = |matcher: StringMatcher| tls::SubjectAltNameMatcher { san_type: tls::SubjectAltNameMatcherSanType::Uri as i32, matcher: Some(matcher) };
    let names = trust_domains.iter().map(prefix).chain(own).map(uri).collect();
    let v1_3 = tls::TlsParametersTlsProtocol::Tlsv13 as i32;
    tls::CommonTlsContext {
        tls_params: Some(tls::TlsParameters { tls_minimum_protocol_version: v1_3, tls_maximum_protocol_version: v1_3, ..Default::default() }),
        tls_certificate_sds_secret_configs: vec![own_secret("default")],
        combined_validation_context: Some(tls::CommonTlsContextCombinedCertificateValidationContext {
            default_validation_context: Some(tls::CertificateValidationContext { match_typed_subject_alt_names: names, ..Default::default() }),
            validation_context_sds_secret_config: Some(own_secret("ROOTCA")),
        }),
        alpn_protocols: texts(&["h2"]),
        ..Default::default()
    }
}

fn names(node: Node<'_>) -> Vec<String> {
    node.list("subjectAltNames").map(|n| n.text().to_owned()).collect()
}

/// TLS that a DestinationRule asks for with its own certificates: SIMPLE or MUTUAL; `accounts` stand in for names.
pub fn own_client(node: Node<'_>, accounts: &[String], is_http2: bool) -> core::TransportSocket {
    let own = names(node);
    let names = exact(if own.is_empty() { accounts } else { &own });
    let mut common = tls::CommonTlsContext { tls_params: Some(versions()), ..Default::default() };
    let is_mutual = node.text_of("mode") == "MUTUAL";
    match node.text_of("credentialName") {
        "" => {
            if is_mutual {
                let files = format!("file-cert:{}~{}", node.text_of("clientCertificate"), node.text_of("privateKey"));
                common.tls_certificate_sds_secret_configs = vec![own_secret(&files)];
            }
            if node.get("insecureSkipVerify").and_then(Node::bool) == Some(true) {
                common.validation_context = Some(tls::CertificateValidationContext::default());
            } else {
                let root = Some(node.text_of("caCertificates")).filter(|c| !c.is_empty()).unwrap_or("system");
                common.combined_validation_context = Some(validation(names, own_secret(&format!("file-root:{root}"))));
            }
        }
        name => {
            if is_mutual {
                common.tls_certificate_sds_secret_configs = vec![credential(name)];
            }
            common.combined_validation_context = Some(validation(names, credential(&format!("{name}-cacert"))));
        }
    }
    if is_http2 {
        common.alpn_protocols = texts(&["h2"]);
    }
    socket(Any::pack(&tls::UpstreamTlsContext { common_tls_context: Some(common), sni: node.text_of("sni").to_owned(), ..Default::default() }))
}

/// What a server of a Gateway or of a Sidecar's ingress terminates.
pub fn own_server(node: Node<'_>, is_tcp: bool) -> core::TransportSocket {
    let mode = node.text_of("mode");
    let requires = matches!(mode, "MUTUAL" | "ISTIO_MUTUAL");
    let validates = requires || mode == "OPTIONAL_MUTUAL";
    let mut common = tls::CommonTlsContext { alpn_protocols: texts(&["h2", "http/1.1"]), ..Default::default() };
    if is_tcp && mode == "ISTIO_MUTUAL" {
        common.alpn_protocols = texts(&["istio-peer-exchange", "h2", "http/1.1"]);
    }
    let credentials: Vec<&str> =
        node.list("credentialNames").map(Node::text).chain(node.get("credentialName").map(Node::text)).filter(|c| !c.is_empty()).collect();
    let names = exact(&names(node));
    if mode == "ISTIO_MUTUAL" {
        common.tls_certificate_sds_secret_configs = vec![own_secret("default")];
        common.combined_validation_context = Some(validation(names, own_secret("ROOTCA")));
    } else if let Some(first) = credentials.first() {
        common.tls_certificate_sds_secret_configs = credentials.iter().map(|c| credential(c)).collect();
        if validates {
            common.combined_validation_context = Some(validation(names, credential(&format!("{first}-cacert"))));
        }
    } else {
        let pairs: Vec<(&str, &str)> = match node.get("tlsCertificates") {
            Some(list) => list.items().map(|c| (c.text_of("serverCertificate"), c.text_of("privateKey"))).collect(),
            None => vec![(node.text_of("serverCertificate"), node.text_of("privateKey"))],
        };
        common.tls_certificate_sds_secret_configs =
            pairs.iter().filter(|(c, k)| !c.is_empty() && !k.is_empty()).map(|(c, k)| own_secret(&format!("file-cert:{c}~{k}"))).collect();
        if common.tls_certificate_sds_secret_configs.is_empty() {
            common.tls_certificate_sds_secret_configs = vec![own_secret("default")];
        }
        if validates {
            let root = match node.text_of("caCertificates") {
                "" => "ROOTCA".to_owned(),
                file => format!("file-root:{file}"),
            };
            common.combined_validation_context = Some(validation(names, own_secret(&root)));
        }
    }
    let version = |key: &str| match node.text_of(key) {
        "TLSV1_0" => tls::TlsParametersTlsProtocol::Tlsv10,
        "TLSV1_1" => tls::TlsParametersTlsProtocol::Tlsv11,
        "TLSV1_2" => tls::TlsParametersTlsProtocol::Tlsv12,
        "TLSV1_3" => tls::TlsParametersTlsProtocol::Tlsv13,
        _ => tls::TlsParametersTlsProtocol::TlsAuto,
    } as i32;
    if matches!(mode, "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL") {
        let params = tls::TlsParameters {
            tls_minimum_protocol_version: version("minProtocolVersion"),
            tls_maximum_protocol_version: version("maxProtocolVersion"),
            cipher_suites: node.list("cipherSuites").map(|c| c.text().to_owned()).collect(),
            ecdh_curves: Vec::new(),
        };
        common.tls_params = Some(params).filter(|p| *p != tls::TlsParameters::default());
    }
    socket(Any::pack(&tls::DownstreamTlsContext { common_tls_context: Some(common), require_client_certificate: Some(requires), ..Default::default() }))
}

/// A server with secrets by name, which asks for no certificate of the client.
pub fn secret_server(names: &[String]) -> core::TransportSocket {
    let common = tls::CommonTlsContext {
        tls_certificate_sds_secret_configs: names.iter().map(|n| credential(n)).collect(),
        alpn_protocols: texts(&["h2", "http/1.1"]),
        ..Default::default()
    };
    socket(Any::pack(&tls::DownstreamTlsContext { common_tls_context: Some(common), require_client_certificate: Some(false), ..Default::default() }))
}
