//! Secrets in files that SDS is told to look at (`path_config_source`): read at start, and again when they or the files that
//! they name change. What can't be read leaves the secret before it in place.

use super::material::Secret;
use super::secrets::{Secrets, Told, Wanted};
use crate::bootstrap::{get, parse};
use data_encoding::BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// The files that secrets stand in.
#[derive(Debug)]
pub struct Files {
    secrets: Arc<Secrets>,
    /// What was read last, by the name of the secret.
    seen: BTreeMap<Box<str>, Vec<u8>>,
}

/// The file of a source of configuration; `None` where another kind of source is meant.
pub fn path(source: &Value) -> Option<&str> {
    get(source, "path_config_source").and_then(|p| get(p, "path")).or_else(|| get(source, "path")).and_then(Value::as_str)
}

impl Files {
    pub fn new(secrets: Arc<Secrets>) -> Files {
        Files { secrets, seen: BTreeMap::new() }
    }
    /// Reads what changed. Returns what could not be read, once for every change.
    pub fn look(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        for Wanted { name, source } in self.secrets.wanted() {
            let Some(path) = path(&source) else { continue };
            let text = std::fs::read_to_string(path);
            let parsed = text.as_ref().ok().and_then(|t| parse(t).ok());
            let mark = mark(text.as_deref().unwrap_or(""), parsed.as_ref());
            if self.seen.get(&name) == Some(&mark) {
                continue;
            }
            self.seen.insert(name.clone(), mark);
            let found = match (text, parsed) {
                (Err(e), _) => Err(e.to_string()),
                (Ok(_), None) => Err("neither JSON nor YAML".to_owned()),
                (Ok(_), Some(value)) => secret(&value, &name, path),
            };
            match found {
                Ok((secret, told)) => self.secrets.set_told(&name, secret, told),
                Err(what) => problems.push(format!("the secret {name} in {path}: {what}")),
            }
        }
        problems
    }
}

/// The secret of a name in a discovery response.
fn secret(value: &Value, name: &str, path: &str) -> Result<(Secret, Told), String> {
    let list = get(value, "resources").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let found = list.iter().find(|r| get(r, "name").and_then(Value::as_str) == Some(name)).ok_or("no resource of this name")?;
    let (_, secret) = Secret::read(found, path).map_err(|u| u.to_string())?;
    let version = get(value, "version_info").and_then(Value::as_str).unwrap_or("").to_owned();
    Ok((secret, Told { version, updated: SystemTime::now(), body: shown(found) }))
}

/// A secret as Envoy dumps it: what stands in files is in place, and of keys there is nothing.
fn shown(secret: &Value) -> Value {
    let bytes = |text: &[u8]| json!({"inline_bytes": BASE64.encode(text)});
    let in_place = |source: &Value| match get(source, "filename").and_then(Value::as_str) {
        Some(name) => bytes(&std::fs::read(name).unwrap_or_default()),
        None => source.clone(),
    };
    let mut out = json!({"name": get(secret, "name")});
    if let Some(chain) = get(secret, "tls_certificate").and_then(|c| get(c, "certificate_chain")) {
        out["tls_certificate"] = json!({"certificate_chain": in_place(chain), "private_key": bytes(b"[redacted]")});
    }
    if let Some(context) = get(secret, "validation_context") {
        let mut context = context.clone();
        for field in ["trusted_ca", "trustedCa", "crl"] {
            if let Some(source) = context.get_mut(field) {
                *source = in_place(source);
            }
        }
        out["validation_context"] = context;
    }
    out
}

/// Changes with the file and with all that it names.
fn mark(text: &str, value: Option<&Value>) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(text);
    let mut names = Vec::new();
    value.into_iter().for_each(|v| filenames(v, &mut names));
    for name in names {
        hash.update(std::fs::read(name).unwrap_or_default());
    }
    hash.finalize().to_vec()
}

fn filenames<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match inner.as_str() {
                    Some(name) if key == "filename" => out.push(name),
                    _ => filenames(inner, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|i| filenames(i, out)),
        _ => {}
    }
}
