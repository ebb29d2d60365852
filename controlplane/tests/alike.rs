//! Proxies that share a translation would have got the same one by themselves.

use mesh_controlplane::client::Client;
use mesh_controlplane::translate::Translations;
use mesh_envoy::api::discovery::Node;
use mesh_envoy::api::{Struct, Value};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use std::collections::HashMap;

const MESH: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: a}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: named, namespace: a}
spec: {clusterIP: 10.0.0.2, selector: {app: named}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: named-1, namespace: a, labels: {app: named}}
spec: {containers: [{name: x, ports: [{name: web, containerPort: 81}]}]}
status: {podIP: 10.1.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: named-2, namespace: a, labels: {app: named}}
spec: {containers: [{name: x, ports: [{name: web, containerPort: 82}]}]}
status: {podIP: 10.1.0.2}
";

const HEADLESS: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: a}
spec: {clusterIP: None, selector: {app: named}, ports: [{name: tcp, port: 5432}]}
";

const INGRESS: &str = "
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: b}
spec: {ingress: [{port: {number: 9000, name: http, protocol: HTTP}, captureMode: NONE, defaultEndpoint: '0.0.0.0:9001'}]}
";

fn client(name: &str, namespace: &str, ip: &str, app: &str) -> Client {
    let labels: Struct = [("app", app)].into_iter().collect();
    let metadata: Struct = [("LABELS", Value::from(labels))].into_iter().collect();
    let id = format!("sidecar~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local");
    Client::read(Some(&Node { id, metadata: Some(metadata), ..Node::default() })).expect("a proxy")
}

#[test]
fn who_shares_a_translation_would_have_got_the_same() {
    let clients = [
        client("web-1", "a", "10.1.1.1", "web"),
        client("web-2", "a", "10.1.1.2", "web"),
        client("web-6", "a", "fd00::1", "web"),
        client("named-1", "a", "10.1.0.1", "named"),
        client("named-2", "a", "10.1.0.2", "named"),
        client("x-1", "b", "10.1.2.1", "x"),
        client("x-2", "b", "10.1.2.2", "x"),
    ];
    for text in [MESH.to_owned(), format!("{MESH}{HEADLESS}"), format!("{MESH}{INGRESS}"), format!("{MESH}{HEADLESS}{INGRESS}")] {
        let source = Source::new("mesh", text.as_str());
        let mut snapshot = Snapshot::new();
        snapshot.completeness = Completeness::Complete;
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = Mesh::new(&snapshot);
        let model = Model::new(&mesh);
        let mut by_key = HashMap::new();
        let mut shared = 0;
        for c in &clients {
            let mut alone = Translations::new(&model, "1", None);
            let wanted = alone.wanted(c, None);
            let own = alone.resources(&wanted, None);
            let versions: Vec<(String, String)> = own.by_type.values().flatten().map(|(n, r)| (n.clone(), r.version.clone())).collect();
            match by_key.get(&wanted.key) {
                Some(other) => {
                    shared += 1;
                    assert_eq!(other, &versions, "{}", c.id);
                }
                None => drop(by_key.insert(wanted.key, versions)),
            }
        }
        assert!(text.contains("kind: Sidecar") || text.contains("name: db") || shared == 2, "{shared} share");
    }
}
