//! The certificates that proxies hold.

use super::{Proxy, Wanted, rejected};
use mesh_envoy::certificate;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The proxy that holds it.
    pub of: String,
    /// `default`, `ROOTCA`.
    pub name: String,
    pub subject: String,
    pub issuer: String,
    pub not_before: i64,
    pub not_after: i64,
    pub is_ca: bool,
}

/// The certificates of proxies by expiry.
pub fn by_expiry(proxies: &[Proxy]) -> Vec<Certificate> {
    let mut out: Vec<Certificate> = proxies.iter().flat_map(|p| p.certificates.iter().cloned()).collect();
    out.sort_by(|a, b| (a.not_after, &a.of, &a.name).cmp(&(b.not_after, &b.of, &b.name)));
    out
}

pub(super) fn read(proxy: &mut Proxy, wanted: &Wanted<'_>) {
    let mut seen = std::collections::BTreeSet::new();
    let of = proxy.full_name();
    for section in &wanted.secrets {
        let all = section.static_secrets.iter().chain(&section.dynamic_active_secrets).chain(&section.dynamic_warming_secrets);
        for entry in all {
            rejected(proxy, &format!("certificate {}", entry.name), entry.error_state.as_ref());
            let Some(secret) = &entry.secret else { continue };
            let own = secret.tls_certificate.iter().map(|t| &t.certificate_chain);
            let roots = secret.validation_context.iter().flat_map(|v| {
                let bundles = v.custom_validator_config.iter().flat_map(|c| &c.typed_config.trust_domains).map(|d| &d.trust_bundle);
                v.trusted_ca.iter().chain(bundles)
            });
            for source in own.chain(roots) {
                // The first of a chain is the proxy's own; the others come again with every proxy.
                for c in certificate::from_pem(&certificate::data_source(source)).into_iter().take(1) {
                    if seen.insert((entry.name.to_string(), c.serial.clone())) {
                        proxy.certificates.push(Certificate {
                            of: of.clone(),
                            name: entry.name.to_string(),
                            subject: c.sans.first().cloned().unwrap_or_else(|| c.subject.clone()),
                            issuer: c.issuer,
                            not_before: c.not_before,
                            not_after: c.not_after,
                            is_ca: c.is_ca,
                        });
                    }
                }
            }
        }
    }
}
