//! What a real control plane with its default settings sends, over ADS: all of it is taken, and served.

use crate::support;
use prost::Message as _;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use support::control_plane::{self as plane, ControlPlane, any};
use support::get;

/// The answers of a recorded istiod, or what stands in the repository of them.
fn answers() -> Value {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/recorded/ads-default/responses.json");
    let excerpt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/ads/default.json");
    let path = if whole.exists() {
        whole
    } else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not there, an excerpt is taken", whole.display());
        excerpt
    };
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).expect("JSON")
}

fn kind(answer: &Value) -> &str {
    answer["typeUrl"].as_str().and_then(|t| t.rsplit('.').next()).expect("a type")
}

/// Ports of its own in place of those of Istio.
fn on_free_ports(listener: &mut Value) {
    if listener["bindToPort"] != json!(false) {
        listener["address"]["socketAddress"]["address"] = json!("127.0.0.1");
        listener["address"]["socketAddress"]["portValue"] = json!(0);
    }
}

#[test]
fn all_that_istiod_sends_by_default_is_taken_and_served() {
    for api in ["GRPC", "DELTA_GRPC"] {
        let plane = ControlPlane::start();
        let (mut clusters, mut listeners) = (Vec::new(), Vec::new());
        // Endpoints that the recording lacks come empty, as istiod has them for services without any.
        let mut assignments: Vec<Value> = Vec::new();
        for answer in answers().as_array().expect("answers") {
            let resources = answer["resources"].as_array().expect("resources").clone();
            match kind(answer) {
                "Cluster" => clusters = resources,
                "Listener" => listeners = resources,
                "ClusterLoadAssignment" => assignments = resources,
                "RouteConfiguration" => plane.give("RouteConfiguration", &resources),
                _ => {}
            }
        }
        for cluster in &clusters {
            let Some(service) = cluster["edsClusterConfig"]["serviceName"].as_str() else { continue };
            if !assignments.iter().any(|a| a["clusterName"] == service) {
                assignments.push(json!({"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "clusterName": service}));
            }
        }
        // Routes that it lacks as well.
        let mut routes: Vec<Value> = answers().as_array().into_iter().flatten().find(|a| kind(a) == "RouteConfiguration").expect("routes")["resources"]
            .as_array()
            .cloned()
            .expect("routes");
        for name in ["9080", "9090", "15010", "15014", "mysql.default.svc.cluster.local:5432"] {
            routes.push(json!({"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": name}));
        }
        listeners.iter_mut().for_each(on_free_ports);
        let (n_clusters, n_listeners) = (clusters.len(), listeners.len());
        plane.give("Cluster", &clusters);
        plane.give("ClusterLoadAssignment", &assignments);
        plane.give("RouteConfiguration", &routes);
        // Types that no message of ours has come as istiod sends them.
        let stats = any(&json!({"@type": "type.googleapis.com/stats.PluginConfig"}));
        assert!(stats.encode_to_vec().len() > 2);
        plane.give("Listener", &listeners);
        // Secrets come from Istio's agent, which is not there: what waits for them says so.
        let mut bootstrap = plane::bootstrap(&plane.address, api);
        let mut sds = bootstrap["static_resources"]["clusters"][0].clone();
        sds["name"] = json!("sds-grpc");
        bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters").push(sds);
        let secrets = secrets();
        plane.give("Secret", &secrets);
        let proxy = support::start(bootstrap);
        let admin = proxy.admin.expect("an admin port");
        assert_eq!(plane.verdict("Cluster"), None, "{api}");
        assert_eq!(plane.verdict("Listener"), None, "{api}");
        for kind in ["ClusterLoadAssignment", "RouteConfiguration"] {
            plane.wait(kind, |h| h.kind == kind && !h.nonce.is_empty());
        }
        assert_eq!(plane.heard().into_iter().find_map(|h| h.error), None, "{api}");
        support::until("ready", || get(admin, "/ready").text() == "LIVE\n");
        let dump: Value = serde_json::from_str(&get(admin, "/config_dump?include_eds").text()).expect("JSON");
        let section = |kind: &str| {
            let all = dump["configs"].as_array().expect("sections");
            all.iter().find(|s| s["@type"].as_str().is_some_and(|t| t.ends_with(kind))).cloned().unwrap_or_default()
        };
        let active = section("ListenersConfigDump")["dynamic_listeners"].as_array().map_or(0, |l| l.iter().filter(|l| l["active_state"].is_object()).count());
        assert_eq!((section("ClustersConfigDump")["dynamic_active_clusters"].as_array().map_or(0, Vec::len), active), (n_clusters, n_listeners));
        // No key is ever shown.
        let text = dump.to_string();
        assert!(!text.contains("PRIVATE KEY") && section("SecretsConfigDump")["dynamic_active_secrets"].as_array().map_or(0, Vec::len) == 2, "{text}");
        // Plaintext to the virtual outbound listener goes where it was going: here to the listener itself, which is a black hole.
        let outbound = proxy.address("virtualOutbound").expect("a listener");
        assert!(proxy.address("0.0.0.0_80").is_none(), "no socket is bound for it");
        assert!(std::net::TcpStream::connect(outbound).is_ok());
    }
}

/// A workload's certificate and the roots, as Istio's agent hands them out.
fn secrets() -> Vec<Value> {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names.push(rcgen::SanType::URI("spiffe://cluster.local/ns/default/sa/web".try_into().expect("a URI")));
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let typed = |mut value: Value| {
        value["@type"] = json!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret");
        value
    };
    vec![
        typed(json!({"name": "default", "tlsCertificate": {"certificateChain": {"inlineString": pem}, "privateKey": {"inlineString": key.serialize_pem()}}})),
        typed(json!({"name": "ROOTCA", "validationContext": {"trustedCa": {"inlineString": pem}}})),
    ]
}
