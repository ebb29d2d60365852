//! Secrets of a dump (`envoy.extensions.transport_sockets.tls.v3.Secret`). Private keys are never kept: Envoy redacts
//! them, and where a dump holds one all the same it is not read.

use super::cluster::UpdateFailure;
use super::value::Text;
use serde::Deserialize;

/// `SecretsConfigDump`; `S` is [`Secret`] or a whole JSON value.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>, 'de: 'a"))]
pub struct Secrets<'a, S> {
    #[serde(default = "Vec::new", alias = "staticSecrets")]
    pub static_secrets: Vec<Entry<'a, S>>,
    #[serde(default = "Vec::new", alias = "dynamicActiveSecrets")]
    pub dynamic_active_secrets: Vec<Entry<'a, S>>,
    #[serde(default = "Vec::new", alias = "dynamicWarmingSecrets")]
    pub dynamic_warming_secrets: Vec<Entry<'a, S>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>, 'de: 'a"))]
pub struct Entry<'a, S> {
    #[serde(default, borrow)]
    pub name: Text<'a>,
    #[serde(default, borrow, alias = "lastUpdated")]
    pub last_updated: Text<'a>,
    #[serde(default, borrow, alias = "versionInfo")]
    pub version_info: Text<'a>,
    #[serde(default = "none")]
    pub secret: Option<S>,
    #[serde(default, borrow, alias = "errorState")]
    pub error_state: Option<UpdateFailure<'a>>,
}

fn none<S>() -> Option<S> {
    None
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Secret<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "tlsCertificate")]
    pub tls_certificate: Option<TlsCertificate<'a>>,
    #[serde(borrow, alias = "validationContext")]
    pub validation_context: Option<ValidationContext<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TlsCertificate<'a> {
    #[serde(borrow, alias = "certificateChain")]
    pub certificate_chain: DataSource<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ValidationContext<'a> {
    #[serde(borrow, alias = "trustedCa")]
    pub trusted_ca: Option<DataSource<'a>>,
    #[serde(borrow, alias = "customValidatorConfig")]
    pub custom_validator_config: Option<CustomValidator<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CustomValidator<'a> {
    #[serde(borrow, alias = "typedConfig")]
    pub typed_config: SpiffeValidator<'a>,
}

/// `SPIFFECertValidatorConfig`: one bundle a trust domain.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SpiffeValidator<'a> {
    #[serde(borrow, alias = "trustDomains")]
    pub trust_domains: Vec<TrustDomain<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TrustDomain<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "trustBundle")]
    pub trust_bundle: DataSource<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DataSource<'a> {
    /// Base64.
    #[serde(borrow, alias = "inlineBytes")]
    pub inline_bytes: Text<'a>,
    #[serde(borrow, alias = "inlineString")]
    pub inline_string: Text<'a>,
    #[serde(borrow)]
    pub filename: Text<'a>,
}
