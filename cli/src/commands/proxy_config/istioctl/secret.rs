//! `proxy-config secret`.

use super::WIDE;
use crate::print::table::Table;
use crate::print::time::rfc3339;
use mesh_envoy::certificate::{Certificate, data_source, from_pem};
use mesh_envoy::dump::secret::{Entry, Secret, Secrets};

/// One line of the table: a secret, or one trust domain of it.
struct Item {
    name: String,
    state: &'static str,
    trust_domain: String,
    certificate: Option<Certificate>,
}

/// The table as of `now` (seconds since the epoch).
pub fn table(secrets: &Secrets<'_, Secret<'_>>, now: i64, prefix: Option<&str>) -> String {
    if secrets.dynamic_active_secrets.is_empty() && secrets.dynamic_warming_secrets.is_empty() {
        return "No active or warming secrets found.\n".to_owned();
    }
    let mut items: Vec<Item> = secrets.dynamic_warming_secrets.iter().flat_map(|s| items_of(s, "WARMING")).collect();
    items.extend(secrets.dynamic_active_secrets.iter().flat_map(|s| items_of(s, "ACTIVE")));
    let federated = items.iter().all(|i| !i.trust_domain.is_empty());
    let mut header = vec!["RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"];
    if federated {
        header.push("TRUST DOMAIN");
    }
    let mut table = Table::new(header);
    for i in items {
        let name = format!("{}{}", prefix.unwrap_or(""), i.name);
        let mut row = match &i.certificate {
            Some(c) => vec![
                name,
                if c.is_ca { "CA" } else { "Cert Chain" }.to_owned(),
                i.state.to_owned(),
                c.valid_at(now).to_string(),
                format!("{:0>32}", c.serial),
                rfc3339(c.not_after),
                rfc3339(c.not_before),
            ],
            None => vec![name, String::new(), i.state.to_owned(), "false".to_owned(), String::new(), String::new(), String::new()],
        };
        if federated {
            row.push(i.trust_domain);
        }
        table.row(row);
    }
    table.render(WIDE)
}

fn items_of(entry: &Entry<'_, Secret<'_>>, state: &'static str) -> Vec<Item> {
    let item = |name: &str, pem: &[u8], trust_domain: &str| {
        // Only the first certificate of a chain is shown.
        let certificate = from_pem(pem).into_iter().next();
        let found = certificate.as_ref().and_then(Certificate::trust_domain).unwrap_or("").to_owned();
        let trust_domain = if trust_domain.is_empty() { found } else { trust_domain.to_owned() };
        Item { name: name.to_owned(), state, trust_domain: if certificate.is_some() { trust_domain } else { String::new() }, certificate }
    };
    let Some(secret) = &entry.secret else { return vec![item(&entry.name, b"", "")] };
    let chain = secret.tls_certificate.as_ref().map(|t| data_source(&t.certificate_chain)).unwrap_or_default();
    if !chain.is_empty() {
        return vec![item(&entry.name, &chain, "")];
    }
    let context = secret.validation_context.as_ref();
    let ca = context.and_then(|c| c.trusted_ca.as_ref()).map(data_source).unwrap_or_default();
    if !ca.is_empty() {
        return vec![item(&entry.name, &ca, "")];
    }
    match context.and_then(|c| c.custom_validator_config.as_ref()) {
        Some(v) => v.typed_config.trust_domains.iter().map(|d| item(&secret.name, &data_source(&d.trust_bundle), &d.name)).collect(),
        None => vec![item(&entry.name, b"", "")],
    }
}
