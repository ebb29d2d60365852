//! Secrets of a dump (`envoy.extensions.transport_sockets.tls.v3.Secret`). Private keys are never kept: Envoy redacts
//! them, and where a dump holds one all the same it is not read.

use super::cluster::UpdateFailure;
use super::value::Text;
use crate::certificate;
use crate::proto_json::{field, items, text};
use serde::Deserialize;
use serde_json::Value;

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

/// The SPIFFE id in the certificate that the proxy of a config dump shows to others.
pub fn identity_in(dump: &Value) -> Option<String> {
    let sections = items(dump, "configs").filter(|s| text(s, "@type").ends_with(".SecretsConfigDump"));
    let entries = sections.flat_map(|s| items(s, "dynamic_active_secrets"));
    let own = entries.filter(|e| text(e, "name") == "default").find_map(|e| field(field(e, "secret")?, "tls_certificate"))?;
    let own = TlsCertificate::deserialize(own).ok()?;
    let chain = certificate::from_pem(&certificate::data_source(&own.certificate_chain));
    chain.first()?.sans.iter().find(|s| s.starts_with("spiffe://")).cloned()
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
