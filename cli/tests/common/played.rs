//! A recorded config dump as the configuration of a real Envoy: everything that a control plane had sent is read from files,
//! so that the dump of that Envoy has the same resources in the same sections.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Filters of which the dump in testdata/ has only the names.
const TRIMMED: &[(&str, &str)] = &[
    ("envoy.filters.http.cors", "envoy.extensions.filters.http.cors.v3.Cors"),
    ("envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
    ("envoy.filters.http.grpc_stats", "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"),
    ("envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC"),
    ("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
];

/// The bootstrap that lets an Envoy hold what `dump` shows. Its listeners bind no port, and its keys are new ones.
pub fn bootstrap(dump: &str, folder: &Path, admin: &str) -> String {
    let mut dump: Value = serde_json::from_str(dump).expect("JSON");
    let section = |dump: &Value, name: &str| {
        let found = dump["configs"].as_array().into_iter().flatten().find(|s| s["@type"].as_str().is_some_and(|t| t.ends_with(name)));
        found.cloned().unwrap_or_default()
    };
    let named = |list: &Value, key: &str, name: &str| -> BTreeMap<String, Value> {
        list.as_array().into_iter().flatten().map(|r| (r[key][name].as_str().unwrap_or("").to_owned(), r[key].clone())).collect()
    };
    // Away from its log: Envoy watches the folder of such files, and says so in the log.
    let folder = &folder.join("xds");
    std::fs::create_dir_all(folder).expect("a folder");
    let mut files = Files { folder, routes: BTreeMap::new(), number: 0 };
    files.routes = named(&section(&dump, "RoutesConfigDump")["dynamic_route_configs"], "route_config", "name");
    let endpoints = named(&section(&dump, "EndpointsConfigDump")["dynamic_endpoint_configs"], "endpoint_config", "cluster_name");
    files.play(&mut dump);

    let list = |section: &Value, key: &str, part: &[&str]| -> Vec<Value> {
        let items = section[key].as_array().cloned().unwrap_or_default();
        items.into_iter().map(|item| part.iter().fold(item, |v, p| v[p].clone())).collect()
    };
    let mut listeners = list(&section(&dump, "ListenersConfigDump"), "dynamic_listeners", &["active_state", "listener"]);
    listeners.iter_mut().for_each(|l| l["bind_to_port"] = json!(false));
    let mut clusters = list(&section(&dump, "ClustersConfigDump"), "dynamic_active_clusters", &["cluster"]);
    for cluster in clusters.iter_mut().filter(|c| c["type"] == "EDS") {
        let name = cluster["eds_cluster_config"]["service_name"].as_str().or(cluster["name"].as_str()).unwrap_or("").to_owned();
        let resource = endpoints
            .get(&name)
            .cloned()
            .unwrap_or_else(|| json!({"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": name}));
        cluster["eds_cluster_config"]["eds_config"] = files.put(&[resource]);
    }
    json!({
        "node": section(&dump, "BootstrapConfigDump")["bootstrap"]["node"],
        "admin": {"address": serde_json::from_str::<Value>(admin).expect("an address")},
        "dynamic_resources": {"lds_config": files.put(&listeners), "cds_config": files.put(&clusters)},
    })
    .to_string()
}

struct Files<'f> {
    folder: &'f Path,
    routes: BTreeMap<String, Value>,
    number: usize,
}

impl Files<'_> {
    /// A source of these resources.
    fn put(&mut self, resources: &[Value]) -> Value {
        self.number += 1;
        let path = self.folder.join(format!("{}.json", self.number));
        std::fs::write(&path, json!({"version_info": "1", "resources": resources}).to_string()).expect("a file");
        json!({"path_config_source": {"path": path}, "resource_api_version": "V3"})
    }

    /// Lets files stand for the control plane.
    fn play(&mut self, value: &mut Value) {
        if let Value::Object(map) = value {
            if let Some(name) = map.get("rds").map(|r| r["route_config_name"].as_str().unwrap_or("").to_owned()) {
                let route = self
                    .routes
                    .get(&name)
                    .cloned()
                    .unwrap_or_else(|| json!({"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": name}));
                map["rds"]["config_source"] = self.put(&[route]);
            }
            if map.contains_key("sds_config") {
                let secret = secret(map["name"].as_str().unwrap_or(""));
                map["sds_config"] = self.put(&[secret]);
            }
            let bare = TRIMMED.iter().find(|(name, _)| map.get("name").is_some_and(|n| n == name));
            if let Some((_, kind)) = bare.filter(|_| !map.contains_key("typed_config")) {
                map.insert("typed_config".to_owned(), json!({"@type": format!("type.googleapis.com/{kind}")}));
            }
        }
        match value {
            Value::Object(map) => map.values_mut().for_each(|v| self.play(v)),
            Value::Array(list) => list.iter_mut().for_each(|v| self.play(v)),
            _ => {}
        }
    }
}

/// A certificate with its key, or what is trusted.
fn secret(name: &str) -> Value {
    let key = rcgen::generate_simple_self_signed(["played.example".to_owned()]).expect("a key");
    let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    match name {
        "ROOTCA" => json!({"@type": kind, "name": name, "validation_context": {"trusted_ca": {"inline_string": key.cert.pem()}}}),
        _ => json!({"@type": kind, "name": name, "tls_certificate":
            {"certificate_chain": {"inline_string": key.cert.pem()}, "private_key": {"inline_string": key.signing_key.serialize_pem()}}}),
    }
}
