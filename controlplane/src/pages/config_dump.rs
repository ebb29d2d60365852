//! `/debug/config_dump?proxyID=`: what a proxy is to have, in the form of a proxy's own dump, without its bootstrap.

use crate::resource::{Named, Resources, Type};
use mesh_envoy::api::{Any, tls};
use serde_json::{Value, json};

/// The dump. Keys are left out: of a secret its certificate is shown.
pub fn config_dump(resources: &Resources, secrets: &Named) -> Value {
    let version = resources.version.as_str();
    let section =
        |name: &str, key: &str, list: Vec<Value>| json!({"@type": format!("type.googleapis.com/envoy.admin.v3.{name}"), "versionInfo": version, key: list});
    let any = |a: &Any| serde_json::to_value(a).unwrap_or_else(|e| json!({"@type": a.type_url, "unreadable": e.to_string()}));
    let list = |kind: Type| resources.of(kind).values().map(|r| any(&r.any)).collect::<Vec<_>>();
    let each = |kind: Type, key: &str| list(kind).into_iter().map(|v| json!({"versionInfo": version, key: v})).collect::<Vec<_>>();
    let listeners =
        list(Type::Listener).into_iter().map(|l| json!({"name": l["name"].clone(), "activeState": {"versionInfo": version, "listener": l}})).collect();
    let secret = |r: &crate::resource::Resource| {
        let mut message: tls::Secret = r.any.unpack().unwrap_or_default();
        if let Some(key) = message.tls_certificate.as_mut().and_then(|c| c.private_key.as_mut()) {
            *key = mesh_envoy::api::core::DataSource { inline_bytes: Some(b"[redacted]".to_vec()), ..Default::default() };
        }
        json!({"name": r.name, "versionInfo": r.version, "secret": any(&Any::pack(&message))})
    };
    json!({"configs": [
        {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"},
        section("ClustersConfigDump", "dynamicActiveClusters", each(Type::Cluster, "cluster")),
        section("ListenersConfigDump", "dynamicListeners", listeners),
        section("RoutesConfigDump", "dynamicRouteConfigs", each(Type::Route, "routeConfig")),
        section("EndpointsConfigDump", "dynamicEndpointConfigs", each(Type::Endpoint, "endpointConfig")),
        section("SecretsConfigDump", "dynamicActiveSecrets", secrets.values().map(|r| secret(r)).collect()),
    ]})
}
