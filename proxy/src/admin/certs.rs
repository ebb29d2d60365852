//! `/certs`: the certificates that are shown, and those that peers are validated by. Never a key.

use crate::format::TimeFormat;
use crate::tls::facts::Facts;
use crate::tls::material::Secret;
use crate::tls::secrets::Secrets;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn page(secrets: &Secrets, now: SystemTime) -> Value {
    let mut list = Vec::new();
    for (name, secret) in secrets.all() {
        let own: Vec<Value> = match &secret {
            Secret::Certificate(identity) => vec![certificate(&name, &identity.leaf, now)],
            Secret::Validation(_) => Vec::new(),
        };
        let authorities: Vec<Value> = match &secret {
            Secret::Certificate(_) => Vec::new(),
            Secret::Validation(validation) => validation.authorities.iter().map(|a| certificate(&name, a, now)).collect(),
        };
        list.push(json!({"ca_cert": authorities, "cert_chain": own}));
    }
    json!({"certificates": list})
}

fn certificate(name: &str, facts: &Facts, now: SystemTime) -> Value {
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let text = |at: SystemTime| {
        let mut out = String::new();
        TimeFormat::Default.write(at, &mut out);
        out
    };
    let days = at(facts.not_after).duration_since(now).map_or(0, |d| d.as_secs() / 86_400);
    let uris = facts.uris.iter().map(|u| json!({"uri": u}));
    let names: Vec<Value> = uris.chain(facts.dns.iter().map(|d| json!({"dns": d}))).chain(facts.ips.iter().map(|i| json!({"ip_address": i}))).collect();
    json!({
        "path": format!("{name} (secret)"), "serial_number": facts.serial, "subject_alt_names": names, "days_until_expiration": days.to_string(),
        "valid_from": text(at(facts.not_before)), "expiration_time": text(at(facts.not_after)),
    })
}
