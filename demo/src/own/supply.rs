//! What manifests leave to a cluster, and a mesh needs: namespaces, the proxies of gateways, somebody who asks. It is written
//! beside them as manifests of its own, so that the control plane and every command know of it.

use mesh_model::{Completeness, Kind, Node, Object, Snapshot};
use mesh_resolver::injection::{NAMESPACE_LABEL, REVISION_LABEL};
use mesh_resolver::{Mesh, Selector};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The namespace and the name of the workload that the load comes from.
pub const CLIENT_NAMESPACE: &str = "demo-load";
pub const CLIENT: &str = "load";
/// Where the proxies of Gateways are that name no namespace.
const GATEWAYS: &str = "istio-system";

/// Manifests, and what is to be said about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Supplied {
    pub text: String,
    pub notes: BTreeSet<String>,
}

/// What a mesh lacks, whose objects come from elsewhere than `folder`; spans are taken at a port of 127.0.0.1.
pub fn of(whole: &Snapshot, folder: &Path, traces: u16) -> Supplied {
    let mut own = Snapshot::new();
    own.completeness = Completeness::Complete;
    let is_own = |o: &Object| !Path::new(o.source().name()).starts_with(folder);
    own.objects = whole.objects.iter().filter(|o| is_own(o)).cloned().collect();
    let mesh = Mesh::new(&own);
    let mut out = Out::default();
    // What is added for all proxies is there.
    out.namespaces.insert(GATEWAYS.to_owned());
    gateways(&mesh, &mut out);
    kubernetes_gateways(&mesh, &mut out);
    namespaces(&mesh, &mut out);
    client(&mut out);
    telemetry(&mesh, traces, &mut out);
    Supplied { text: out.documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n") + "\n", notes: out.notes }
}

#[derive(Default)]
struct Out {
    documents: Vec<Value>,
    notes: BTreeSet<String>,
    /// That something is put into.
    namespaces: BTreeSet<String>,
}

impl Out {
    fn gateway(&mut self, namespace: &str, name: &str, labels: &BTreeMap<String, String>, ports: &BTreeMap<u16, &'static str>) {
        self.namespaces.insert(namespace.to_owned());
        let ports: Vec<Value> = ports.iter().map(|(port, name)| json!({"name": format!("{name}-{port}"), "port": port, "targetPort": port})).collect();
        let mut pod = labels.clone();
        pod.entry("app".to_owned()).or_insert_with(|| name.to_owned());
        let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
        self.documents.extend([
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": labels, "ports": ports}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": pod}, "spec": {
                    "serviceAccountName": name,
                    "containers": [{"name": "istio-proxy", "image": "mesh-proxy"}],
                }},
            }}),
        ]);
    }
}

/// The name of a Service's port by which its protocol is known.
fn port_name(protocol: &str) -> &'static str {
    match protocol {
        "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" => "http2",
        "HTTPS" => "https",
        "TLS" => "tls",
        _ => "tcp",
    }
}

/// Proxies for Gateways, and for Ingresses, whose selectors pick nobody.
fn gateways(mesh: &Mesh<'_>, out: &mut Out) {
    let mut wanted: BTreeMap<BTreeMap<String, String>, BTreeMap<u16, &'static str>> = BTreeMap::new();
    for g in mesh.objects(Kind::Gateway) {
        let selector = g.spec().and_then(|s| s.get("selector"));
        let labels: BTreeMap<String, String> = selector.into_iter().flat_map(Node::entries).map(|(k, v)| (k.text().to_owned(), v.text().to_owned())).collect();
        if labels.is_empty() || mesh.workloads.matching(None, &Selector::from_map(selector)).next().is_some() {
            continue;
        }
        let ports = wanted.entry(labels).or_default();
        for server in g.spec().into_iter().flat_map(|s| s.list("servers")) {
            let number = server.at(&["port", "number"]).and_then(Node::int).and_then(|n| u16::try_from(n).ok());
            ports.extend(number.map(|n| (n, port_name(&server.get("port").map_or("", |p| p.text_of("protocol")).to_uppercase()))));
        }
    }
    let ingress: BTreeMap<String, String> = BTreeMap::from([("istio".to_owned(), "ingressgateway".to_owned())]);
    let is_there = mesh.workloads.all().iter().any(|w| w.label("istio") == Some("ingressgateway"));
    if !mesh.objects(Kind::Ingress).is_empty() && !is_there {
        wanted.entry(ingress).or_default().insert(80, "http2");
    }
    for (labels, ports) in wanted {
        let first = labels.get("istio").or_else(|| labels.get("app")).or_else(|| labels.values().next());
        let name = format!("istio-{}", first.map_or("gateway", |n| n.trim_start_matches("istio-")));
        let shown: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        out.notes.insert(format!("no workload has the labels {} of a Gateway: {name} in {GATEWAYS} is added for it", shown.join(",")));
        out.gateway(GATEWAYS, &name, &labels, &ports);
    }
}

/// What Istio makes for a Gateway of the Gateway API: a proxy and a Service, called by its name and its class.
fn kubernetes_gateways(mesh: &Mesh<'_>, out: &mut Out) {
    for g in mesh.objects(Kind::K8sGateway) {
        let class = g.spec().map_or("", |s| s.text_of("gatewayClassName"));
        if class == "istio-waypoint" {
            out.notes.insert(format!("{}: there are no waypoints here", g.origin()));
            continue;
        }
        let is_named = g.spec().is_some_and(|s| s.list("addresses").next().is_some());
        let is_istios = mesh
            .find(Kind::GatewayClass, "", class)
            .and_then(|c| c.spec())
            .map_or(class == "istio", |s| s.text_of("controllerName") == "istio.io/gateway-controller");
        if is_named || !is_istios {
            continue;
        }
        let name = g.annotation("networking.istio.io/service-name").or(g.annotation("gateway.istio.io/name-override"));
        let name = name.map_or_else(|| format!("{}-{class}", g.name()), str::to_owned);
        if mesh.find(Kind::Service, g.namespace(), &name).is_some() {
            continue;
        }
        let port = |l: Node<'_>| Some((l.get("port").and_then(Node::int).and_then(|n| u16::try_from(n).ok())?, port_name(l.text_of("protocol"))));
        let ports = g.spec().into_iter().flat_map(|s| s.list("listeners")).filter_map(port).collect();
        let labels = BTreeMap::from([("gateway.networking.k8s.io/gateway-name".to_owned(), g.name().to_owned())]);
        out.gateway(g.namespace(), &name, &labels, &ports);
    }
}

/// Namespaces that something runs in and that no manifest makes: they are taken to be in the mesh.
fn namespaces(mesh: &Mesh<'_>, out: &mut Out) {
    let is_there = |name: &str| mesh.find(Kind::Namespace, "", name).is_some();
    let revision = mesh.objects(Kind::Namespace).iter().find_map(|n: &&Object| n.label(REVISION_LABEL));
    let label = revision.map_or(json!({NAMESPACE_LABEL: "enabled"}), |r| json!({REVISION_LABEL: r}));
    let used: BTreeSet<&str> = mesh.workloads.all().iter().map(|w| w.namespace).filter(|n| !is_there(n)).collect();
    for name in &used {
        if *name != GATEWAYS {
            out.notes.insert(format!("no manifest makes the namespace {name}: it is taken to have sidecars injected"));
        }
        let labels = if *name == GATEWAYS { json!({}) } else { label.clone() };
        out.documents.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}));
    }
    for name in std::mem::take(&mut out.namespaces).iter().filter(|n| !is_there(n) && !used.contains(n.as_str())) {
        out.documents.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    out.documents.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CLIENT_NAMESPACE, "labels": label}}));
}

/// The host of the collector that is added.
pub const TRACES: &str = "traces.demo.example";

/// Access logs and traces of everything, where the mesh says nothing of either.
fn telemetry(mesh: &Mesh<'_>, port: u16, out: &mut Out) {
    let is_configured = mesh.objects(Kind::ConfigMap).iter().any(|c| c.namespace() == GATEWAYS && (c.name() == "istio" || c.name().starts_with("istio-")));
    if is_configured || mesh.objects(Kind::Telemetry).iter().any(|t| t.namespace() == GATEWAYS) {
        out.notes.insert("the mesh says itself what it logs and traces: what goes elsewhere is not kept here".to_owned());
        return;
    }
    let config = format!("accessLogFile: /dev/stdout\nextensionProviders:\n- name: demo\n  zipkin: {{service: {TRACES}, port: 9411, timeout: 60s}}\n");
    let root = |api: &str, kind: &str, name: &str, spec: Value| json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": GATEWAYS}, "spec": spec});
    out.documents.extend([
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": GATEWAYS}, "data": {"mesh": config}}),
        root(
            "networking.istio.io/v1",
            "ServiceEntry",
            "demo-traces",
            json!({
                "hosts": [TRACES], "location": "MESH_EXTERNAL", "resolution": "STATIC", "ports": [{"number": 9411, "name": "http", "protocol": "HTTP"}],
                "endpoints": [{"address": "127.0.0.1", "ports": {"http": port}}],
            }),
        ),
        root("telemetry.istio.io/v1", "Telemetry", "demo", json!({"tracing": [{"providers": [{"name": "demo"}], "randomSamplingPercentage": 100}]})),
    ]);
}

/// Who asks the services that are asked by nobody else.
fn client(out: &mut Out) {
    let labels = json!({"app": CLIENT});
    out.documents.extend([
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": CLIENT, "namespace": CLIENT_NAMESPACE}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": CLIENT, "namespace": CLIENT_NAMESPACE, "labels": labels}, "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"serviceAccountName": CLIENT, "containers": [{"name": "load", "image": "load"}]}},
        }}),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Source};

    fn supplied(text: &str) -> Supplied {
        let mut snapshot = Snapshot::new();
        for (name, text) in [("/dir/mesh.yaml", text), ("/supplied/a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")] {
            let source = Source::new(name, text);
            snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        }
        of(&snapshot, Path::new("/supplied"), 9999)
    }

    #[test]
    fn what_a_cluster_would_have_is_added_and_what_is_there_is_not() {
        let got = supplied(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a}]}}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: shop}\nspec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n---\n\
             apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: api, namespace: shop}\nspec: {gatewayClassName: istio, listeners: [{name: web, port: 8080, protocol: HTTP}]}\n",
        );
        for part in [
            "\"name\":\"istio-ingressgateway\",\"namespace\":\"istio-system\"",
            "\"port\":80,",
            "\"name\":\"api-istio\",\"namespace\":\"shop\"",
            "\"port\":8080,",
        ] {
            assert!(got.text.contains(part), "{part}: {}", got.text);
        }
        assert!(got.notes.iter().any(|n| n.contains("namespace shop")) && got.notes.iter().any(|n| n.contains("istio=ingressgateway")), "{:?}", got.notes);
        let again = supplied("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: disabled}}\n");
        assert!(again.notes.is_empty() && again.text.matches("\"Namespace\"").count() == 2, "{}", again.text);
    }
}
