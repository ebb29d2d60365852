//! TLS contexts: mutual TLS of the mesh, and what Gateways, Sidecars and DestinationRules ask for.

use super::filters::texts;
use crate::server_ciphers::SERVER_CIPHERS;
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

/// A secret that istiod hands out: `name`, `namespace/name`, or with the type of where it lies in front.
fn credential(name: &str) -> tls::SdsSecretConfig {
    match name {
        "builtin://" => return own_secret("default"),
        "builtin://-cacert" => return own_secret("ROOTCA"),
        _ => {}
    }
    let name = name.strip_prefix("sds://").unwrap_or(name);
    let has_type = ["configmap://", "kubernetes://", "kubernetes-gateway://"].iter().any(|t| name.starts_with(t));
    tls::SdsSecretConfig {
        name: match name {
            n if n.starts_with("builtin://") => "default".to_owned(),
            n if n.starts_with("invalid://") => "invalid://".to_owned(),
            n if has_type => n.to_owned(),
            n => format!("kubernetes://{n}"),
        },
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

/// TLS that a DestinationRule asks for with its own certificates: SIMPLE or MUTUAL; `accounts` stand in for names and
/// `defaults` are the mesh's `tlsDefaults`. None where it lacks the certificate that it must show.
pub fn own_client(node: Node<'_>, accounts: &[String], is_http2: bool, defaults: Option<Node<'_>>) -> Option<core::TransportSocket> {
    let own = names(node);
    let names = exact(if own.is_empty() { accounts } else { &own });
    let mut params = versions();
    if let Some(defaults) = mesh_defaults(defaults) {
        (params.cipher_suites, params.ecdh_curves) = (defaults.cipher_suites, defaults.ecdh_curves);
    }
    let mut common = tls::CommonTlsContext { tls_params: Some(params), ..Default::default() };
    let is_mutual = node.text_of("mode") == "MUTUAL";
    let skips = node.get("insecureSkipVerify").and_then(Node::bool) == Some(true);
    match node.text_of("credentialName") {
        "" => {
            if is_mutual {
                let (certificate, key) = (node.text_of("clientCertificate"), node.text_of("privateKey"));
                if certificate.is_empty() || key.is_empty() {
                    return None;
                }
                common.tls_certificate_sds_secret_configs = vec![own_secret(&format!("file-cert:{certificate}~{key}"))];
            }
            if skips {
                common.validation_context = Some(tls::CertificateValidationContext::default());
            } else {
                let root = Some(node.text_of("caCertificates")).filter(|c| !c.is_empty()).unwrap_or("system");
                let mut validation = validation(names, own_secret(&format!("file-root:{root}")));
                if let (Some(context), Some(file)) = (&mut validation.default_validation_context, node.get("caCrl").map(Node::text).filter(|c| !c.is_empty())) {
                    context.crl = Some(core::DataSource { filename: Some(file.to_owned()), ..Default::default() });
                }
                common.combined_validation_context = Some(validation);
            }
        }
        name => {
            if is_mutual {
                common.tls_certificate_sds_secret_configs = vec![credential(name)];
            }
            if !skips {
                common.combined_validation_context = Some(validation(names, credential(&format!("{name}-cacert"))));
            }
        }
    }
    if is_http2 {
        common.alpn_protocols = texts(&["h2"]);
    }
    Some(socket(Any::pack(&tls::UpstreamTlsContext { common_tls_context: Some(common), sni: node.text_of("sni").to_owned(), ..Default::default() })))
}

/// What a server asks of its own TLS: that of a Gateway, of a Sidecar's ingress, or of a listener of the Gateway API.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerSettings {
    /// As Istio writes it; "" counts as PASSTHROUGH where a Gateway is read.
    pub mode: String,
    /// Secrets, as `credentialName` writes them.
    pub credentials: Vec<String>,
    /// That of the clients' authority, where it is not the first with `-cacert` behind.
    pub ca_credential: String,
    /// Files: certificate chain and key.
    pub certificates: Vec<(String, String)>,
    pub ca: String,
    pub crl: String,
    pub subjects: Vec<String>,
    pub spki: Vec<String>,
    pub hashes: Vec<String>,
    pub skips_verification: bool,
    pub ciphers: Vec<String>,
    pub least: i32,
    pub most: i32,
}

impl ServerSettings {
    pub fn of(node: Node<'_>) -> ServerSettings {
        let list = |key: &str| node.list(key).map(|n| n.text().to_owned()).collect::<Vec<_>>();
        let several = list("credentialNames");
        let version = |key: &str| match node.text_of(key) {
            "TLSV1_0" => tls::TlsParametersTlsProtocol::Tlsv10,
            "TLSV1_1" => tls::TlsParametersTlsProtocol::Tlsv11,
            "TLSV1_2" => tls::TlsParametersTlsProtocol::Tlsv12,
            "TLSV1_3" => tls::TlsParametersTlsProtocol::Tlsv13,
            _ => tls::TlsParametersTlsProtocol::TlsAuto,
        } as i32;
        ServerSettings {
            mode: node.text_of("mode").to_owned(),
            credentials: if several.is_empty() {
                Some(node.text_of("credentialName").to_owned()).filter(|c| !c.is_empty()).into_iter().collect()
            } else {
                several
            },
            ca_credential: node.text_of("caCertCredentialName").to_owned(),
            certificates: match node.get("tlsCertificates").filter(|l| !l.is_empty()) {
                Some(pairs) => pairs.items().map(|c| (c.text_of("serverCertificate").to_owned(), c.text_of("privateKey").to_owned())).collect(),
                None => vec![(node.text_of("serverCertificate").to_owned(), node.text_of("privateKey").to_owned())],
            },
            ca: node.text_of("caCertificates").to_owned(),
            crl: node.text_of("caCrl").to_owned(),
            subjects: names(node),
            spki: list("verifyCertificateSpki"),
            hashes: list("verifyCertificateHash"),
            skips_verification: node.get("insecureSkipVerify").and_then(Node::bool) == Some(true),
            ciphers: list("cipherSuites"),
            least: version("minProtocolVersion"),
            most: version("maxProtocolVersion"),
        }
    }

    /// Secrets alone, which ask for no certificate of the client.
    pub fn of_secrets(credentials: Vec<String>) -> ServerSettings {
        ServerSettings { mode: "SIMPLE".into(), credentials, ..ServerSettings::default() }
    }

    /// Without cipher suites that Envoy does not know, and each once: so istiod hands a Gateway's on.
    pub fn with_known_ciphers(mut self) -> ServerSettings {
        let mut known: Vec<String> = Vec::new();
        for c in self.ciphers {
            // Operators such as `-` and `[` are let through.
            let is_known = c.is_empty() || c == "ALL" || !c.starts_with(char::is_alphanumeric) || SERVER_CIPHERS.contains(&c.as_str());
            if is_known && !known.contains(&c) {
                known.push(c);
            }
        }
        self.ciphers = known;
        self
    }
}

/// What a server of a Gateway or of a Sidecar's ingress terminates; `defaults` are the mesh's `tlsDefaults`.
pub fn own_server(own: &ServerSettings, is_tcp: bool, exchanges: bool, defaults: Option<Node<'_>>) -> core::TransportSocket {
    let mode = own.mode.as_str();
    let requires = matches!(mode, "MUTUAL" | "ISTIO_MUTUAL");
    let validates = requires || mode == "OPTIONAL_MUTUAL";
    let mut common = tls::CommonTlsContext { alpn_protocols: texts(&["h2", "http/1.1"]), ..Default::default() };
    if is_tcp && mode == "ISTIO_MUTUAL" && exchanges {
        common.alpn_protocols = texts(&["istio-peer-exchange", "h2", "http/1.1"]);
    }
    let mut context = tls::CertificateValidationContext { match_subject_alt_names: exact(&own.subjects), ..Default::default() };
    if own.skips_verification {
        context.trust_chain_verification = tls::CertificateValidationContextTrustChainVerification::AcceptUntrusted as i32;
    }
    let mut validation = |context, root| {
        common.combined_validation_context = Some(tls::CommonTlsContextCombinedCertificateValidationContext {
            default_validation_context: Some(context),
            validation_context_sds_secret_config: Some(root),
        });
    };
    let of_file = |context| tls::CertificateValidationContext {
        crl: Some(own.crl.clone()).filter(|c| !c.is_empty()).map(|file| core::DataSource { filename: Some(file), ..Default::default() }),
        ..context
    };
    if mode == "ISTIO_MUTUAL" {
        validation(of_file(context), own_secret("ROOTCA"));
        common.tls_certificate_sds_secret_configs = vec![own_secret("default")];
    } else if let Some(first) = own.credentials.first() {
        if matches!(mode, "MUTUAL" | "OPTIONAL_MUTUAL") {
            context.verify_certificate_spki = own.spki.clone();
            context.verify_certificate_hash = own.hashes.clone();
            let ca = if own.ca_credential.is_empty() { format!("{first}-cacert") } else { own.ca_credential.clone() };
            validation(context, credential(&ca));
        } else if !own.subjects.is_empty() {
            context.trust_chain_verification = 0;
            common.validation_context = Some(context);
        }
        common.tls_certificate_sds_secret_configs = own.credentials.iter().map(|c| credential(c)).collect();
    } else {
        if validates {
            let root = if own.ca.is_empty() { "ROOTCA".to_owned() } else { format!("file-root:{}", own.ca) };
            validation(of_file(context), own_secret(&root));
        }
        let pairs = own.certificates.iter().map(|(c, k)| if c.is_empty() || k.is_empty() { "default".to_owned() } else { format!("file-cert:{c}~{k}") });
        common.tls_certificate_sds_secret_configs = pairs.map(|name| own_secret(&name)).collect();
        if common.tls_certificate_sds_secret_configs.is_empty() {
            common.tls_certificate_sds_secret_configs = vec![own_secret("default")];
        }
    }
    if matches!(mode, "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL") {
        let mut params = mesh_defaults(defaults).unwrap_or_default();
        if own.least != 0 {
            params.tls_minimum_protocol_version = own.least;
        }
        if own.most != 0 {
            params.tls_maximum_protocol_version = own.most;
        }
        if !own.ciphers.is_empty() {
            params.cipher_suites = own.ciphers.clone();
        }
        common.tls_params = Some(params).filter(|p| *p != tls::TlsParameters::default());
    }
    socket(Any::pack(&tls::DownstreamTlsContext { common_tls_context: Some(common), require_client_certificate: Some(requires), ..Default::default() }))
}

/// `tlsDefaults` of the mesh: for TLS that is not the mesh's own.
fn mesh_defaults(node: Option<Node<'_>>) -> Option<tls::TlsParameters> {
    let node = node?;
    let list = |key: &str| node.list(key).map(|n| n.text().to_owned()).collect();
    Some(tls::TlsParameters {
        tls_minimum_protocol_version: match node.text_of("minProtocolVersion") {
            "TLSV1_3" => tls::TlsParametersTlsProtocol::Tlsv13,
            "TLSV1_2" => tls::TlsParametersTlsProtocol::Tlsv12,
            _ => tls::TlsParametersTlsProtocol::TlsAuto,
        } as i32,
        cipher_suites: list("cipherSuites"),
        ecdh_curves: list("ecdhCurves"),
        ..Default::default()
    })
}
