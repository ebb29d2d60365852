//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CertificateValidationContext {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "trusted_ca")]
    pub trusted_ca: Option<super::core::DataSource>,
    #[prost(string, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "verify_certificate_spki")]
    pub verify_certificate_spki: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "verify_certificate_hash")]
    pub verify_certificate_hash: Vec<String>,
    #[prost(message, repeated, tag = "15")]
    #[serde(skip_serializing_if = "json::is_default", alias = "match_typed_subject_alt_names")]
    pub match_typed_subject_alt_names: Vec<super::tls::SubjectAltNameMatcher>,
    #[prost(message, repeated, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "match_subject_alt_names")]
    pub match_subject_alt_names: Vec<super::common::StringMatcher>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub crl: Option<super::core::DataSource>,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_expired_certificate")]
    pub allow_expired_certificate: bool,
    #[prost(enumeration = "super::tls::CertificateValidationContextTrustChainVerification", tag = "10")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "trust_chain_verification",
        serialize_with = "json::enumeration::serialize::<super::tls::CertificateValidationContextTrustChainVerification, _>",
        deserialize_with = "json::enumeration::deserialize::<super::tls::CertificateValidationContextTrustChainVerification, _>"
    )]
    pub trust_chain_verification: i32,
}

/// `envoy.extensions.transport_sockets.tls.v3.CommonTlsContext`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CommonTlsContext {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tls_params")]
    pub tls_params: Option<super::tls::TlsParameters>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tls_certificates")]
    pub tls_certificates: Vec<super::tls::TlsCertificate>,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tls_certificate_sds_secret_configs")]
    pub tls_certificate_sds_secret_configs: Vec<super::tls::SdsSecretConfig>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "validation_context")]
    pub validation_context: Option<super::tls::CertificateValidationContext>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "validation_context_sds_secret_config")]
    pub validation_context_sds_secret_config: Option<super::tls::SdsSecretConfig>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "combined_validation_context")]
    pub combined_validation_context: Option<super::tls::CommonTlsContextCombinedCertificateValidationContext>,
    #[prost(string, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "alpn_protocols")]
    pub alpn_protocols: Vec<String>,
}

/// `envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CommonTlsContextCombinedCertificateValidationContext {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_validation_context")]
    pub default_validation_context: Option<super::tls::CertificateValidationContext>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "validation_context_sds_secret_config")]
    pub validation_context_sds_secret_config: Option<super::tls::SdsSecretConfig>,
}

/// `envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DownstreamTlsContext {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "common_tls_context")]
    pub common_tls_context: Option<super::tls::CommonTlsContext>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "require_client_certificate")]
    pub require_client_certificate: Option<bool>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "require_sni")]
    pub require_sni: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "disable_stateless_session_resumption")]
    pub disable_stateless_session_resumption: Option<bool>,
}

impl prost::Name for DownstreamTlsContext {
    const NAME: &'static str = "DownstreamTlsContext";
    const PACKAGE: &'static str = "envoy.extensions.transport_sockets.tls.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext".into()
    }
}

/// `envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SdsSecretConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "sds_config")]
    pub sds_config: Option<super::core::ConfigSource>,
}

/// `envoy.extensions.transport_sockets.tls.v3.Secret`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Secret {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tls_certificate")]
    pub tls_certificate: Option<super::tls::TlsCertificate>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "validation_context")]
    pub validation_context: Option<super::tls::CertificateValidationContext>,
}

impl prost::Name for Secret {
    const NAME: &'static str = "Secret";
    const PACKAGE: &'static str = "envoy.extensions.transport_sockets.tls.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".into()
    }
}

/// `envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubjectAltNameMatcher {
    #[prost(enumeration = "super::tls::SubjectAltNameMatcherSanType", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "san_type",
        serialize_with = "json::enumeration::serialize::<super::tls::SubjectAltNameMatcherSanType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::tls::SubjectAltNameMatcherSanType, _>"
    )]
    pub san_type: i32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub matcher: Option<super::common::StringMatcher>,
}

/// `envoy.extensions.transport_sockets.tls.v3.TlsCertificate`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TlsCertificate {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "certificate_chain")]
    pub certificate_chain: Option<super::core::DataSource>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "private_key")]
    pub private_key: Option<super::core::DataSource>,
}

/// `envoy.extensions.transport_sockets.tls.v3.TlsParameters`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TlsParameters {
    #[prost(enumeration = "super::tls::TlsParametersTlsProtocol", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "tls_minimum_protocol_version",
        serialize_with = "json::enumeration::serialize::<super::tls::TlsParametersTlsProtocol, _>",
        deserialize_with = "json::enumeration::deserialize::<super::tls::TlsParametersTlsProtocol, _>"
    )]
    pub tls_minimum_protocol_version: i32,
    #[prost(enumeration = "super::tls::TlsParametersTlsProtocol", tag = "2")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "tls_maximum_protocol_version",
        serialize_with = "json::enumeration::serialize::<super::tls::TlsParametersTlsProtocol, _>",
        deserialize_with = "json::enumeration::deserialize::<super::tls::TlsParametersTlsProtocol, _>"
    )]
    pub tls_maximum_protocol_version: i32,
    #[prost(string, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cipher_suites")]
    pub cipher_suites: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "ecdh_curves")]
    pub ecdh_curves: Vec<String>,
}

/// `envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UpstreamTlsContext {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "common_tls_context")]
    pub common_tls_context: Option<super::tls::CommonTlsContext>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub sni: String,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "auto_host_sni")]
    pub auto_host_sni: bool,
    #[prost(bool, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "auto_sni_san_validation")]
    pub auto_sni_san_validation: bool,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_renegotiation")]
    pub allow_renegotiation: bool,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_session_keys")]
    pub max_session_keys: Option<u32>,
}

impl prost::Name for UpstreamTlsContext {
    const NAME: &'static str = "UpstreamTlsContext";
    const PACKAGE: &'static str = "envoy.extensions.transport_sockets.tls.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext".into()
    }
}

/// `envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.TrustChainVerification`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CertificateValidationContextTrustChainVerification {
    VerifyTrustChain = 0,
    AcceptUntrusted = 1,
}

impl json::Names for CertificateValidationContextTrustChainVerification {
    const NAMES: &'static [(&'static str, i32)] = &[("VERIFY_TRUST_CHAIN", 0), ("ACCEPT_UNTRUSTED", 1)];
}

/// `envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SubjectAltNameMatcherSanType {
    SanTypeUnspecified = 0,
    Email = 1,
    Dns = 2,
    Uri = 3,
    IpAddress = 4,
    OtherName = 5,
}

impl json::Names for SubjectAltNameMatcherSanType {
    const NAMES: &'static [(&'static str, i32)] = &[("SAN_TYPE_UNSPECIFIED", 0), ("EMAIL", 1), ("DNS", 2), ("URI", 3), ("IP_ADDRESS", 4), ("OTHER_NAME", 5)];
}

/// `envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum TlsParametersTlsProtocol {
    TlsAuto = 0,
    Tlsv10 = 1,
    Tlsv11 = 2,
    Tlsv12 = 3,
    Tlsv13 = 4,
}

impl json::Names for TlsParametersTlsProtocol {
    const NAMES: &'static [(&'static str, i32)] = &[("TLS_AUTO", 0), ("TLSv1_0", 1), ("TLSv1_1", 2), ("TLSv1_2", 3), ("TLSv1_3", 4)];
}
