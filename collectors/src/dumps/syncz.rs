//! istiod's `/debug/syncz`: what it sent to each proxy, and what the proxy made of it.
//!
//! Two forms: the flat list that istiod's port 15014 answers, with nonces and no reasons, and the `DiscoveryResponse` of its
//! xDS form, as `istioctl proxy-status -o json` prints it, with states and the reasons of rejections.

use mesh_envoy::dump::DumpError;
use mesh_envoy::node;
use mesh_envoy::proto_json::{field, items, text};
use serde_json::Value;

/// One proxy, by one istiod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySync {
    /// `NAME.NAMESPACE`.
    pub proxy: String,
    pub cluster: String,
    pub version: String,
    /// The istiod it is connected to; "" where the page does not say.
    pub istiod: String,
    pub types: Vec<TypeSync>,
}

/// One type of resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeSync {
    /// `type.googleapis.com/envoy.config.cluster.v3.Cluster`.
    pub type_url: String,
    pub state: Sync,
    /// When it was sent or changed last, RFC 3339; "" where the page does not say.
    pub since: String,
    /// Why it was rejected; "" where the page does not say.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    Synced,
    /// Sent, and an older one acknowledged.
    Stale,
    /// Sent, and none ever acknowledged.
    NeverAcknowledged,
    NotSent,
    /// Rejected (a NACK).
    Error,
    /// A word that is not known here.
    Unknown,
}

impl TypeSync {
    /// `CDS`, `LDS`, …; the message's name for types without a short one.
    pub fn short(&self) -> &str {
        match self.type_url.rsplit(['.', '/']).next().unwrap_or("") {
            "Cluster" => "CDS",
            "Listener" => "LDS",
            "ClusterLoadAssignment" => "EDS",
            "RouteConfiguration" => "RDS",
            "TypedExtensionConfig" => "ECDS",
            "NameTable" => "NDS",
            "ProxyConfig" => "PCDS",
            "Secret" => "SDS",
            other => other,
        }
    }
}

/// Reads either form.
pub fn read(page: &str) -> Result<Vec<ProxySync>, DumpError> {
    let value: Value = serde_json::from_str(page)?;
    match &value {
        Value::Array(list) => Ok(list.iter().map(flat).collect()),
        Value::Object(_) => Ok(of_response(&value)),
        _ => Err(DumpError { message: "this is no answer of istiod's `/debug/syncz`".to_owned(), line: 0, column: 0 }),
    }
}

fn flat(entry: &Value) -> ProxySync {
    let resources = entry.get("resources").and_then(Value::as_object);
    let mut types: Vec<TypeSync> = resources
        .into_iter()
        .flatten()
        .map(|(url, s)| TypeSync {
            type_url: url.clone(),
            state: by_nonces(text(s, "sent"), text(s, "acked")),
            since: text(s, "sentTime").to_owned(),
            reason: String::new(),
        })
        .collect();
    // Before Istio 1.27 there was a pair of fields for each of four types.
    const FIELDS: &[(&str, &str)] = &[
        ("cluster", "envoy.config.cluster.v3.Cluster"),
        ("listener", "envoy.config.listener.v3.Listener"),
        ("endpoint", "envoy.config.endpoint.v3.ClusterLoadAssignment"),
        ("route", "envoy.config.route.v3.RouteConfiguration"),
    ];
    if resources.is_none() {
        for (name, message) in FIELDS {
            let (sent, acked) = (text(entry, &format!("{name}_sent")), text(entry, &format!("{name}_acked")));
            if !sent.is_empty() || !acked.is_empty() {
                let type_url = format!("type.googleapis.com/{message}");
                types.push(TypeSync { type_url, state: by_nonces(sent, acked), since: String::new(), reason: String::new() });
            }
        }
    }
    ProxySync {
        proxy: text(entry, "proxy").to_owned(),
        cluster: text(entry, "cluster_id").to_owned(),
        version: text(entry, "istio_version").to_owned(),
        istiod: String::new(),
        types,
    }
}

fn by_nonces(sent: &str, acked: &str) -> Sync {
    match (sent, acked) {
        ("", _) => Sync::NotSent,
        (s, a) if s == a => Sync::Synced,
        (_, "") => Sync::NeverAcknowledged,
        _ => Sync::Stale,
    }
}

fn of_response(response: &Value) -> Vec<ProxySync> {
    // The identifier is JSON in a string.
    let identifier = field(response, "control_plane").map_or("", |c| text(c, "identifier"));
    let istiod = serde_json::from_str::<Value>(identifier).ok().and_then(|v| Some(v.get("ID")?.as_str()?.to_owned())).unwrap_or_default();
    let configs = items(response, "resources").filter(|r| text(r, "@type").ends_with("service.status.v3.ClientConfig"));
    configs
        .map(|config| {
            let node = config.get("node").cloned().unwrap_or_default();
            let metadata = |key: &str| node.get("metadata").and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or("").to_owned();
            let types = items(config, "generic_xds_configs").map(|c| TypeSync {
                type_url: text(c, "type_url").to_owned(),
                state: match text(c, "config_status") {
                    "SYNCED" => Sync::Synced,
                    "NOT_SENT" => Sync::NotSent,
                    "STALE" => Sync::Stale,
                    "ERROR" => Sync::Error,
                    _ => Sync::Unknown,
                },
                since: text(c, "last_updated").to_owned(),
                reason: field(c, "error_state").map_or("", |e| text(e, "details")).to_owned(),
            });
            ProxySync {
                proxy: node::name_of(&node).unwrap_or("").to_owned(),
                cluster: metadata("CLUSTER_ID"),
                version: metadata("ISTIO_VERSION"),
                istiod: istiod.clone(),
                types: types.collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let flat = r#"[{"cluster_id": "K", "proxy": "a.b", "istio_version": "1.30", "resources": {
            "t/envoy.config.cluster.v3.Cluster": {"sent": "n", "acked": "n", "sentTime": "2026-11-22T11:40:00Z"},
            "t/envoy.config.listener.v3.Listener": {"sent": "n", "acked": "m", "sentTime": "2026-11-22T11:40:00Z"},
            "t/envoy.config.route.v3.RouteConfiguration": {}}}, {"proxy": "c.d", "cluster_sent": "n", "cluster_acked": ""}]"#;
        let found = read(flat).expect("a page");
        let states = |p: &ProxySync| p.types.iter().map(|t| (t.short().to_owned(), t.state)).collect::<Vec<_>>();
        assert_eq!(states(&found[0]), [("CDS".into(), Sync::Synced), ("LDS".into(), Sync::Stale), ("RDS".into(), Sync::NotSent)]);
        assert_eq!(states(&found[1]), [("CDS".into(), Sync::NeverAcknowledged)]);
        let response = r#"{"resources": [{"@type": "t/envoy.service.status.v3.ClientConfig", "node": {"id": "a.b", "metadata": {"CLUSTER_ID": "K"}},
            "genericXdsConfigs": [{"typeUrl": "t/envoy.config.listener.v3.Listener", "configStatus": "ERROR", "errorState": {"details": "no"}}]}],
            "controlPlane": {"identifier": "{\"Component\":\"istiod\",\"ID\":\"istiod-1\"}"}}"#;
        let found = read(response).expect("a page");
        assert_eq!((found[0].proxy.as_str(), found[0].istiod.as_str(), found[0].types[0].reason.as_str()), ("a.b", "istiod-1", "no"));
        assert!(read("3").is_err() && read("[").is_err());
    }
}
