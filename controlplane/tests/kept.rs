//! What a proxy gets after a change is what it would have got without anything before, and what did not change is shared.

use mesh_controlplane::client::Client;
use mesh_controlplane::resource::{Resources, Type};
use mesh_controlplane::translate::{Before, Made, Translations, Wanted};
use mesh_envoy::api::discovery::Node;
use mesh_envoy::api::{Struct, Value};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Differences, Model};
use std::collections::BTreeMap;
use std::sync::Arc;

const MESH: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: a}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: b}
spec: {clusterIP: 10.0.0.2, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: a, labels: {app: web, version: v1}}
spec: {serviceAccountName: web, containers: [{name: x}]}
status: {podIP: 10.1.1.1}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: a}
spec: {hosts: [web], http: [{timeout: 1s, route: [{destination: {host: web}}]}]}
";

/// Texts of the mesh, one after the other.
fn steps() -> Vec<String> {
    let slow = MESH.replace("timeout: 1s", "timeout: 2s");
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: a}\nspec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}\n";
    let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: web, namespace: a}\nspec: {rules: [{to: [{operation: {methods: [GET]}}]}]}\n";
    let labelled = slow.replace("app: web, version: v1}}", "app: web, version: v2}}");
    vec![
        MESH.to_owned(),
        slow.clone(),
        format!("{slow}{rule}"),
        format!("{slow}{rule}{policy}"),
        format!("{labelled}{rule}{policy}"),
        labelled.replace("name: db, namespace: b", "name: db2, namespace: b"),
        format!("{MESH}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n"),
        MESH.to_owned(),
    ]
}

fn client(kind: &str, name: &str, namespace: &str, ip: &str, app: &str) -> Client {
    let labels: Struct = [("app", app)].into_iter().collect();
    let metadata: Struct = [("LABELS", Value::from(labels))].into_iter().collect();
    let id = format!("{kind}~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local");
    Client::read(Some(&Node { id, metadata: Some(metadata), ..Node::default() })).expect("a proxy")
}

fn read(text: &str) -> Snapshot {
    let source = Source::new("mesh", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    snapshot
}

#[test]
fn what_follows_is_what_would_have_been_made_afresh() {
    let clients = [
        client("sidecar", "web-1", "a", "10.1.1.1", "web"),
        client("sidecar", "web-2", "a", "10.1.1.2", "web"),
        client("sidecar", "db-1", "b", "10.1.1.3", "db"),
        client("router", "gate-1", "b", "10.1.1.4", "gate"),
    ];
    let mut last: Option<(Snapshot, Made)> = None;
    let mut known: BTreeMap<usize, (Wanted, Arc<Resources>)> = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for (at, text) in steps().iter().enumerate() {
        let snapshot = read(text);
        let made = {
            let mesh = Mesh::new(&snapshot);
            let model = Model::new(&mesh);
            let before = last.take().map(|(old, made)| Before { differences: Differences::between(&old, &snapshot), made });
            let mut following = Translations::new(&model, "1", before);
            let mut afresh = Translations::new(&model, "1", None);
            for (i, client) in clients.iter().enumerate() {
                let old = known.remove(&i);
                let mut wanted = following.wanted(client, None);
                wanted.last = old.as_ref().map(|(w, _)| w.key.clone());
                let got = following.resources(&wanted, None);
                let expected = afresh.resources(&wanted, None);
                for kind in Type::ALL {
                    assert_eq!(got.of(kind), expected.of(kind), "step {at}, client {i}, {kind:?}");
                    assert_eq!(got.sum(kind), expected.sum(kind), "step {at}, client {i}, {kind:?}");
                }
                if let Some((_, old)) = &old {
                    let are_shared = |kind: Type| got.of(kind).iter().all(|(name, r)| old.of(kind).get(name).is_some_and(|o| Arc::ptr_eq(o, r)));
                    shared.insert((at, i), [Type::Cluster, Type::Endpoint, Type::Listener, Type::Route].map(are_shared));
                }
                known.insert(i, (wanted, got));
            }
            following.into_made()
        };
        last = Some((snapshot, made));
    }
    // A VirtualService: routes. Who may call: the listeners.
    assert_eq!(shared[&(1, 0)], [true, true, true, false]);
    assert_eq!(shared[&(3, 0)], [true, true, false, true]);
    // A Namespace: everything.
    assert_eq!(shared[&(6, 2)], [false; 4]);
}
