//! What manifests leave to a cluster, and a mesh needs: namespaces, the proxies of gateways, somebody who asks. It is written
//! beside them as manifests of its own, so that the control plane and every command know of it.

use crate::clusters;
use mesh_model::{Completeness, Kind, Node, Object, Snapshot};
use mesh_resolver::injection::{NAMESPACE_LABEL, REVISION_LABEL};
use mesh_resolver::{Mesh, Selector};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

/// The namespace and the name of the workload that the load comes from.
pub const CLIENT_NAMESPACE: &str = "demo-load";
pub const CLIENT: &str = "load";
/// Where the proxies of Gateways are that name no namespace.
const GATEWAYS: &str = clusters::SYSTEM;
const NETWORK: &str = "topology.istio.io/network";

/// Manifests, and what is to be said about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Supplied {
    pub text: String,
    pub notes: BTreeSet<String>,
}

/// The folder, below that of a cluster's manifests, with what is added to them.
pub const ADDED: &str = "added-by-the-demo";

/// For whom something is added.
pub struct For<'f> {
    /// What is added lies there: it is passed over when it is looked what is lacking.
    pub folder: &'f Path,
    /// The port of 127.0.0.1 that takes spans.
    pub traces: u16,
    /// Its index in the input; the client is in the first.
    pub cluster: u16,
    /// Where there are several: its name, the address of its gateway, and labels of the control plane's namespace.
    pub network: Option<Network<'f>>,
}

/// The network of one of several clusters.
pub struct Network<'f> {
    pub cluster: &'f str,
    pub gateway: Option<SocketAddr>,
    pub labels: &'f BTreeMap<String, String>,
}

/// What a cluster lacks.
pub fn of(whole: &Snapshot, to: &For<'_>) -> Supplied {
    let is_added = |o: &Object| {
        let path = Path::new(o.source().name());
        path.starts_with(to.folder) || to.network.is_some() && path.components().any(|c| c.as_os_str() == ADDED)
    };
    let part = |holds: &dyn Fn(&Object) -> bool| {
        let mut part = Snapshot::new();
        part.completeness = Completeness::Complete;
        part.clusters.clone_from(&whole.clusters);
        part.objects = whole.objects.iter().filter(|o| !is_added(o) && holds(o)).cloned().collect();
        part
    };
    // Workloads may be in another cluster; namespaces are each cluster's own.
    let (all, own) = (part(&|_| true), part(&|o| o.cluster == to.cluster));
    let (all, mesh) = (Mesh::new(&all), Mesh::new(&own));
    let mut out = Out::default();
    // What is added for all proxies is there.
    out.namespaces.insert(GATEWAYS.to_owned());
    gateways(&mesh, &all, &mut out);
    kubernetes_gateways(&mesh, &mut out);
    namespaces(&mesh, to.network.as_ref(), &mut out);
    if to.cluster == 0 {
        client(&mesh, &mut out);
    }
    telemetry(&mesh, to.traces, &mut out);
    out.documents.extend(to.network.iter().flat_map(between_clusters));
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
fn gateways(mesh: &Mesh<'_>, all: &Mesh<'_>, out: &mut Out) {
    let mut wanted: BTreeMap<BTreeMap<String, String>, BTreeMap<u16, &'static str>> = BTreeMap::new();
    for g in mesh.objects(Kind::Gateway) {
        let selector = g.spec().and_then(|s| s.get("selector"));
        let labels: BTreeMap<String, String> = selector.into_iter().flat_map(Node::entries).map(|(k, v)| (k.text().to_owned(), v.text().to_owned())).collect();
        if labels.is_empty() || all.workloads.matching(None, &Selector::from_map(selector)).next().is_some() {
            continue;
        }
        let ports = wanted.entry(labels).or_default();
        for server in g.spec().into_iter().flat_map(|s| s.list("servers")) {
            let number = server.at(&["port", "number"]).and_then(Node::int).and_then(|n| u16::try_from(n).ok());
            ports.extend(number.map(|n| (n, port_name(&server.get("port").map_or("", |p| p.text_of("protocol")).to_uppercase()))));
        }
    }
    let ingress: BTreeMap<String, String> = BTreeMap::from([("istio".to_owned(), "ingressgateway".to_owned())]);
    let is_there = all.workloads.all().iter().any(|w| w.label("istio") == Some("ingressgateway"));
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

/// The label of namespaces whose Pods get a sidecar, as the mesh has it.
fn injected(mesh: &Mesh<'_>) -> Value {
    let revision = mesh.objects(Kind::Namespace).iter().find_map(|n: &&Object| n.label(REVISION_LABEL));
    revision.map_or(json!({NAMESPACE_LABEL: "enabled"}), |r| json!({REVISION_LABEL: r}))
}

/// Namespaces that something runs in and that no manifest makes: they are taken to be in the mesh.
fn namespaces(mesh: &Mesh<'_>, network: Option<&Network<'_>>, out: &mut Out) {
    let is_there = |name: &str| mesh.find(Kind::Namespace, "", name).is_some();
    let label = injected(mesh);
    let own = network.map_or(json!({}), |n| {
        let mut labels = n.labels.clone();
        labels.insert(NETWORK.to_owned(), clusters::network(n.cluster));
        json!(labels)
    });
    let labels = |name: &str, other: &Value| if name == GATEWAYS { own.clone() } else { other.clone() };
    let used: BTreeSet<&str> = mesh.workloads.all().iter().map(|w| w.namespace).filter(|n| !is_there(n)).collect();
    for name in &used {
        if *name != GATEWAYS {
            out.notes.insert(format!("no manifest makes the namespace {name}: it is taken to have sidecars injected"));
        }
        out.documents.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels(name, &label)}}));
    }
    for name in std::mem::take(&mut out.namespaces).iter().filter(|n| !is_there(n) && !used.contains(n.as_str())) {
        out.documents.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels(name, &json!({}))}}));
    }
}

/// The way into a cluster from the others, as `manifests/network.yaml` has it for Bookinfo.
fn between_clusters(network: &Network<'_>) -> Vec<Value> {
    let (label, name, own) = (clusters::network(network.cluster), clusters::GATEWAY, format!("{}-{}", clusters::GATEWAY, network.cluster));
    let pod = json!({"istio": name, "app": name});
    // As the controller of a load balancer writes it.
    let ingress: Vec<Value> = network.gateway.iter().map(|at| json!({"ip": at.ip().to_string()})).collect();
    let port = network.gateway.map_or(clusters::PORT, |at| at.port()).to_string();
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": GATEWAYS}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": GATEWAYS, "labels": {NETWORK: label, "networking.istio.io/gatewayPort": port}},
            "spec": {"type": "LoadBalancer", "selector": {"istio": name}, "ports": [{"name": "tls", "port": clusters::PORT}]},
            "status": {"loadBalancer": {"ingress": ingress}},
        }),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": own, "namespace": GATEWAYS}, "spec": {
            "selector": {"matchLabels": {"istio": name}},
            "template": {"metadata": {"labels": pod}, "spec": {"serviceAccountName": name, "containers": [{
                "name": "istio-proxy", "image": "mesh-proxy", "ports": [{"containerPort": clusters::PORT}],
                "env": [{"name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": label}],
            }]}},
        }}),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "cross-network", "namespace": GATEWAYS}, "spec": {
            "selector": {"istio": name},
            "servers": [{"port": {"number": clusters::PORT, "name": "tls", "protocol": "TLS"}, "hosts": ["*.local"], "tls": {"mode": "AUTO_PASSTHROUGH"}}],
        }}),
    ]
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
fn client(mesh: &Mesh<'_>, out: &mut Out) {
    let labels = json!({"app": CLIENT});
    out.documents.extend([
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CLIENT_NAMESPACE, "labels": injected(mesh)}}),
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
        of(&snapshot, &For { folder: Path::new("/supplied"), traces: 9999, cluster: 0, network: None })
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
