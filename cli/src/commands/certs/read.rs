//! The certificates that a proxy holds: chains that it shows, roots that it trusts.

use crate::commands::proxy_config::{missing, not_a_dump};
use crate::status::Failure;
use mesh_envoy::certificate::{Certificate, data_source, from_pem};
use mesh_envoy::dump::secret::{Secret, Secrets};
use mesh_envoy::dump::{SectionKind, Sections, read};
use serde::{Deserialize, Deserializer};

/// What one proxy holds.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// `NAME.NAMESPACE`.
    pub proxy: String,
    /// The context of its cluster; "" where there is only one.
    pub cluster: String,
    /// By the secret's name; the leaf first.
    pub chains: Vec<(String, Vec<Certificate>)>,
    /// Each once.
    pub roots: Vec<Certificate>,
    /// Secrets that wait for their certificate.
    pub waiting: Vec<String>,
}

#[derive(Default)]
struct Wanted<'a>(Option<Secrets<'a, Secret<'a>>>);

impl<'a> Sections<'a> for Wanted<'a> {
    fn fresh(&self) -> Self {
        Wanted::default()
    }
    fn wants(&self, kind: SectionKind) -> bool {
        kind == SectionKind::Secrets
    }
    fn take<D: Deserializer<'a>>(&mut self, _: SectionKind, section: D) -> Result<(), D::Error> {
        self.0 = Some(Deserialize::deserialize(section)?);
        Ok(())
    }
}

/// Reads the secrets of a config dump.
pub fn of_dump(proxy: &str, text: &str) -> Result<Held, Failure> {
    let mut wanted = Wanted::default();
    let found = read(text, &mut wanted).map_err(|e| not_a_dump(text, &e.to_string()))?;
    let secrets = wanted.0.ok_or_else(|| missing(SectionKind::Secrets, &found.types))?;
    let mut held = Held { proxy: proxy.to_owned(), ..Held::default() };
    held.waiting = secrets.dynamic_warming_secrets.iter().map(|e| e.name.to_string()).collect();
    for entry in secrets.dynamic_active_secrets.iter().chain(&secrets.static_secrets) {
        let Some(secret) = &entry.secret else { continue };
        if let Some(certificate) = &secret.tls_certificate {
            let chain = from_pem(&data_source(&certificate.certificate_chain));
            if !chain.is_empty() {
                held.chains.push((entry.name.to_string(), chain));
            }
        }
        let Some(context) = &secret.validation_context else { continue };
        let bundles = context.custom_validator_config.iter().flat_map(|v| &v.typed_config.trust_domains).map(|d| &d.trust_bundle);
        for root in context.trusted_ca.iter().chain(bundles).flat_map(|source| from_pem(&data_source(source))) {
            if !held.roots.contains(&root) {
                held.roots.push(root);
            }
        }
    }
    Ok(held)
}
