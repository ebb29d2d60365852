//! `SecretsConfigDump`: the secrets by name, as Envoy dumps them. Of keys nothing is left when the page goes out.

use super::Context;
use super::dump::{timestamp, typed};
use super::dynamic::{failure, state};
use crate::tls::secrets::Shown;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Envoy's version of what nobody has sent yet.
const UNINITIALIZED: &str = "uninitialized";

fn secret(value: &Value) -> Value {
    typed("envoy.extensions.transport_sockets.tls.v3.Secret", value)
}

/// `statics`: those of the bootstrap.
pub fn section(context: &Context, statics: &[Value]) -> Value {
    let of_bootstrap: Vec<Value> = statics.iter().map(|s| json!({"name": s["name"], "secret": secret(s)})).collect();
    let (mut active, mut warming) = (BTreeMap::new(), BTreeMap::new());
    for (name, shown) in context.secrets.shown() {
        let (into, value) = match shown {
            Shown::Filled(told) => {
                let told = json!({"name": &*name, "version_info": told.version, "last_updated": timestamp(told.updated), "secret": secret(&told.body)});
                (&mut active, told)
            }
            Shown::Awaited => {
                let updated = timestamp(context.shared.started);
                (&mut warming, json!({"name": &*name, "version_info": UNINITIALIZED, "last_updated": updated, "secret": secret(&json!({"name": &*name}))}))
            }
        };
        into.insert(name.into_string(), value);
    }
    if let Some(dynamic) = &context.dynamic {
        let tables = dynamic.tables();
        for (name, held) in tables.secrets.active() {
            let mut value = json!({"name": name});
            value.as_object_mut().into_iter().for_each(|v| v.extend(state("secret", held).as_object().cloned().unwrap_or_default()));
            active.insert(name.to_owned(), value);
        }
        for refusal in tables.secrets.refusals() {
            // One that is in use stays there, with what was wrong with the next.
            let entry = match active.get_mut(&refusal.name) {
                Some(entry) => entry,
                None => warming.entry(refusal.name.clone()).or_insert_with(|| json!({"name": refusal.name, "version_info": refusal.version})),
            };
            entry["error_state"] = failure(refusal);
        }
    }
    let list = |map: BTreeMap<String, Value>| map.into_values().collect::<Vec<Value>>();
    json!({
        "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump",
        "static_secrets": of_bootstrap, "dynamic_active_secrets": list(active), "dynamic_warming_secrets": list(warming),
    })
}
