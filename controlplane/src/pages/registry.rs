//! `/debug/registryz`, `/debug/endpointz` and `/debug/configz`: what of the input counts.

use crate::json;
use mesh_model::{Kind, Snapshot};
use mesh_resolver::Protocol;
use mesh_resolver::translate::{Model, RegisteredService, Resolution};
use serde_json::{Map, Value, json};

/// Names that istiod's pages give protocols.
fn protocol(p: Protocol) -> &'static str {
    match p {
        Protocol::Http => "HTTP",
        Protocol::HttpProxy => "HTTP_PROXY",
        Protocol::Http2 => "HTTP2",
        Protocol::Https => "HTTPS",
        Protocol::Grpc => "GRPC",
        Protocol::GrpcWeb => "GRPC-Web",
        Protocol::Tls => "TLS",
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Mongo => "Mongo",
        Protocol::Redis => "Redis",
        Protocol::MySql => "MySQL",
        _ => "UnsupportedProtocol",
    }
}

fn registry_of(service: &RegisteredService<'_>) -> &'static str {
    if service.is_kubernetes() { "Kubernetes" } else { "External" }
}

pub fn registryz(model: &Model<'_, '_>) -> Value {
    let resolution = |r: Resolution| match r {
        Resolution::Static => 0,
        Resolution::Dns => 1,
        Resolution::Passthrough => 2,
        Resolution::DnsRoundRobin => 3,
        Resolution::Alias => 4,
        Resolution::DynamicDns => 5,
    };
    let of = |service: &RegisteredService<'_>| {
        let object = service.object;
        let map = |path: &[&str]| object.at(path).map_or(Value::Null, json::value);
        let cluster = match model.mesh.snapshot.cluster_name(object) {
            "" => "Kubernetes",
            name => name,
        };
        let kind = match object.spec().map_or("", |s| s.text_of("type")) {
            "" if service.is_kubernetes() => "ClusterIP",
            kind => kind,
        };
        json!({
            "Attributes": {
                "ServiceRegistry": registry_of(service), "Name": service.name, "Namespace": service.namespace, "Labels": map(&["metadata", "labels"]),
                "LabelSelectors": if service.is_kubernetes() { map(&["spec", "selector"]) } else { map(&["spec", "workloadSelector", "labels"]) },
                "Type": if service.is_kubernetes() { kind } else { "" },
            },
            "ports": service.ports.iter().map(|p| json!({"name": p.name, "port": p.number, "protocol": protocol(p.protocol)})).collect::<Vec<_>>(),
            "creationTime": if object.creation().is_empty() { Value::Null } else { object.creation().into() },
            "hostname": service.host,
            "clusterVIPs": {"Addresses": if service.is_kubernetes() { json!({cluster: [service.address]}) } else { Value::Null }},
            "defaultAddress": service.address,
            "Resolution": resolution(service.resolution),
            "MeshExternal": service.is_external,
        })
    };
    let mut list: Vec<(String, Value)> = model.registry.services.iter().map(|s| (format!("{}/{}", s.host, s.address), of(s))).collect();
    list.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Array(list.into_iter().map(|(_, v)| v).collect())
}

pub fn endpointz(model: &Model<'_, '_>) -> Value {
    let mut out: Map<String, Value> = Map::new();
    let mut services: Vec<&RegisteredService<'_>> = model.registry.services.iter().collect();
    services.sort_by(|a, b| (&a.host, a.namespace).cmp(&(&b.host, b.namespace)));
    let domain = model.mesh.config.trust_domain();
    for service in services {
        let mut endpoints = Vec::new();
        let mut accounts = Map::new();
        for (port, e) in service.ports.iter().flat_map(|p| model.registry.endpoints(model.mesh, service, p).into_iter().map(move |e| (p, e))) {
            let account = e.service_account.map_or_else(String::new, |a| format!("spiffe://{domain}/ns/{}/sa/{a}", e.namespace));
            if !account.is_empty() {
                accounts.insert(account.clone(), json!({}));
            }
            endpoints.push(json!({
                "Labels": e.labels.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect::<Map<_, _>>(),
                "Addresses": [e.address], "ServicePortName": port.name, "ServiceAccount": account, "Network": e.network,
                "Locality": {"Label": e.locality, "ClusterID": "Kubernetes"}, "EndpointPort": e.port, "LbWeight": e.weight,
                "TLSMode": if e.takes_mtls == Some(true) { "istio" } else { "disabled" }, "Namespace": e.namespace, "WorkloadName": e.object.name(),
            }));
        }
        let shards = json!({"Shards": {format!("{}/Kubernetes", registry_of(service)): endpoints}, "ServiceAccounts": accounts});
        let host = out.entry(service.host.clone()).or_insert_with(|| json!({}));
        if let Some(host) = host.as_object_mut() {
            host.insert(service.namespace.to_owned(), shards);
        }
    }
    Value::Object(out)
}

/// The objects of Istio and of the Gateway API; no Secret and nothing of others.
pub fn configz(snapshot: &Snapshot) -> Value {
    let is_config = |kind: Kind| kind.is_istio() || kind.groups().contains(&"gateway.networking.k8s.io");
    let mut list: Vec<_> = snapshot.objects.iter().filter(|o| is_config(o.kind)).collect();
    list.sort_by_key(|o| (o.kind.name(), o.namespace(), o.name()));
    let of = |o: &mesh_model::Object| {
        let meta = |key: &str| o.at(&["metadata", key]).map(json::value);
        let mut metadata = Map::new();
        metadata.insert("name".into(), o.name().into());
        metadata.insert("namespace".into(), o.namespace().into());
        for key in ["labels", "creationTimestamp", "resourceVersion", "generation"] {
            metadata.extend(meta(key).map(|v| (key.to_owned(), v)));
        }
        json!({"kind": o.kind.name(), "apiVersion": o.api_version(), "metadata": metadata, "spec": o.spec().map_or(Value::Null, json::value)})
    };
    Value::Array(list.into_iter().map(of).collect())
}
