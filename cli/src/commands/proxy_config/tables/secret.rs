//! Secrets: every certificate of a chain, with what is left of its life.

use super::cell;
use crate::print::table::Table;
use crate::print::time::rfc3339;
use mesh_envoy::certificate::{Certificate, Trust, data_source, from_pem, trust};
use mesh_envoy::dump::secret::{Entry, Secret, Secrets};

const DAY: i64 = 86_400;

/// The table as of `now` (seconds since the epoch).
pub fn table(secrets: &Secrets<'_, Secret<'_>>, now: i64) -> Table {
    let mut table = Table::new(["NAME", "TYPE", "STATE", "VALID", "LEFT", "NOT AFTER", "NAMES", "ISSUER", "SIGNED BY", "SERIAL"]);
    let roots = roots(secrets);
    let sections = [("WARMING", &secrets.dynamic_warming_secrets), ("ACTIVE", &secrets.dynamic_active_secrets), ("STATIC", &secrets.static_secrets)];
    for (state, entries) in sections {
        for entry in entries {
            let state = match &entry.error_state {
                Some(e) => format!("ERROR: {}", e.details),
                None if &*entry.version_info == "uninitialized" => "UNINITIALIZED".to_owned(),
                None => state.to_owned(),
            };
            let found = certificates(entry);
            if found.is_empty() {
                table.row(vec![
                    cell(&*entry.name),
                    "-".into(),
                    state,
                    "no certificate".into(),
                    "-".into(),
                    "-".into(),
                    "-".into(),
                    "-".into(),
                    "-".into(),
                    "-".into(),
                ]);
                continue;
            }
            let shown: Vec<Certificate> = chain(entry);
            for (domain, i, c) in &found {
                // A chain is judged at its leaf.
                let signed = if *i == 0 && shown.first() == Some(c) { signed(&shown, &roots) } else { cell("") };
                let kind = match (c.is_ca, i) {
                    (true, _) => "CA",
                    (false, 0) => "Cert Chain",
                    (false, _) => "Intermediate",
                };
                let name = if domain.is_empty() { entry.name.to_string() } else { format!("{} ({domain})", entry.name) };
                let names = if c.sans.is_empty() { c.subject.clone() } else { c.sans.join(",") };
                table.row(vec![
                    name,
                    kind.to_owned(),
                    state.clone(),
                    validity(c, now).to_owned(),
                    left(c.not_after - now),
                    rfc3339(c.not_after),
                    cell(names),
                    cell(c.issuer.clone()),
                    signed,
                    c.serial.clone(),
                ]);
            }
        }
    }
    table
}

/// What stands behind a chain that the proxy shows.
fn signed(chain: &[Certificate], roots: &[Certificate]) -> String {
    match trust(chain, roots) {
        Trust::Root(root) => format!("trusted: {root}"),
        Trust::NoRoot if roots.is_empty() => "no root is held".to_owned(),
        Trust::NoRoot => "none of the roots held".to_owned(),
        Trust::Broken(why) => format!("BROKEN: {why}"),
        Trust::NotChecked(why) => format!("not checked: {why}"),
    }
}

/// The chain that an entry shows to others.
fn chain(entry: &Entry<'_, Secret<'_>>) -> Vec<Certificate> {
    let certificate = entry.secret.as_ref().and_then(|s| s.tls_certificate.as_ref());
    certificate.map(|t| from_pem(&data_source(&t.certificate_chain))).unwrap_or_default()
}

/// What the proxy trusts, in all its secrets.
fn roots(secrets: &Secrets<'_, Secret<'_>>) -> Vec<Certificate> {
    let sections = [&secrets.dynamic_active_secrets, &secrets.static_secrets, &secrets.dynamic_warming_secrets];
    let contexts = sections.into_iter().flatten().filter_map(|e| e.secret.as_ref()?.validation_context.as_ref());
    let mut out: Vec<Certificate> = Vec::new();
    for context in contexts {
        let bundles = context.custom_validator_config.iter().flat_map(|v| &v.typed_config.trust_domains).map(|d| &d.trust_bundle);
        for root in context.trusted_ca.iter().chain(bundles).flat_map(|source| from_pem(&data_source(source))) {
            if !out.contains(&root) {
                out.push(root);
            }
        }
    }
    out
}

fn validity(c: &Certificate, now: i64) -> &'static str {
    if now <= c.not_before {
        "not yet"
    } else if now >= c.not_after {
        "EXPIRED"
    } else {
        "yes"
    }
}

/// What is left of a life, in days or hours.
pub fn left(seconds: i64) -> String {
    match seconds {
        s if s <= 0 => "0".to_owned(),
        s if s < 2 * DAY => format!("{}h", s / 3600),
        s => format!("{}d", s / DAY),
    }
}

/// Trust domain ("" where there is only one), place in its chain, certificate.
fn certificates(entry: &Entry<'_, Secret<'_>>) -> Vec<(String, usize, Certificate)> {
    let Some(secret) = &entry.secret else { return Vec::new() };
    let numbered = |domain: &str, pem: Vec<u8>| from_pem(&pem).into_iter().enumerate().map(|(i, c)| (domain.to_owned(), i, c)).collect::<Vec<_>>();
    let mut out = secret.tls_certificate.as_ref().map(|t| numbered("", data_source(&t.certificate_chain))).unwrap_or_default();
    if let Some(context) = &secret.validation_context {
        out.extend(context.trusted_ca.as_ref().map(|ca| numbered("", data_source(ca))).unwrap_or_default());
        for d in context.custom_validator_config.iter().flat_map(|v| &v.typed_config.trust_domains) {
            out.extend(numbered(&d.name, data_source(&d.trust_bundle)));
        }
    }
    out
}
