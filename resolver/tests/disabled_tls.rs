//! `tls.mode: DISABLE` of a DestinationRule: whole, by port and by subset it holds in the translation, in `mtls` and in `why`,
//! and what stands closer to the request goes before it.

use mesh_envoy::api::cluster::Cluster;
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Mark, Question, Stage, Url, Why};
use mesh_resolver::{Mesh, mtls};

const MESH: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}, {name: http-admin, port: 81, targetPort: 8081}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart, version: v1}}, spec: {serviceAccountName: cart, containers: [{name: a}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: a}]}}}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: cart, namespace: shop}, spec: {hosts: [cart], http: [{match: [{uri: {prefix: /v1}}], route: [{destination: {host: cart, subset: v1}}]}, {route: [{destination: {host: cart}}]}]}}
---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: shop}, spec: {mtls: {mode: MODE}}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: cart, namespace: shop}, spec: {host: cart, RULE}}
";

const SUBSET: &str = "subsets: [{name: v1, labels: {version: v1}OWN}]";
const DISABLE: &str = "tls: {mode: DISABLE}";
const MUTUAL: &str = "tls: {mode: ISTIO_MUTUAL}";

/// Whether a cluster sends plaintext, whatever its endpoints say.
fn is_plaintext(cluster: &Cluster) -> bool {
    let is_raw = |t: &mesh_envoy::api::core::TransportSocket| t.name.contains("raw_buffer");
    cluster.transport_socket.as_ref().is_none_or(is_raw) && cluster.transport_socket_matches.is_empty()
}

#[test]
fn disable_holds_and_the_closer_setting_goes_before_it() {
    let subset = |own: &str| SUBSET.replace("OWN", &if own.is_empty() { String::new() } else { format!(", trafficPolicy: {{{own}}}") });
    let plain = subset("");
    // The rule, and whether port 80, port 81 and subset v1 at either get plaintext.
    for (rule, expected) in [
        (plain.clone(), [false, false, false, false]),
        (format!("trafficPolicy: {{{DISABLE}}}, {plain}"), [true, true, true, true]),
        (format!("trafficPolicy: {{{MUTUAL}}}, {plain}"), [false, false, false, false]),
        (format!("trafficPolicy: {{portLevelSettings: [{{port: {{number: 80}}, {DISABLE}}}]}}, {plain}"), [true, false, true, false]),
        (format!("trafficPolicy: {{{DISABLE}, portLevelSettings: [{{port: {{number: 81}}, {MUTUAL}}}]}}, {plain}"), [true, false, true, false]),
        (subset(DISABLE), [false, false, true, true]),
        (format!("trafficPolicy: {{{DISABLE}}}, {}", subset(MUTUAL)), [true, true, false, false]),
    ] {
        for (mode, is_strict) in [("STRICT", true), ("PERMISSIVE", false)] {
            let source = Source::new("mesh", MESH.replace("RULE", &rule).replace("MODE", mode));
            let mut snapshot = Snapshot::new();
            snapshot.completeness = Completeness::Complete;
            snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
            assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
            let mesh = Mesh::new(&snapshot);
            let model = Model::supposing(&mesh);
            let web = mesh.workloads.all().iter().position(|w| w.object.name() == "web").expect("the client") as u32;
            let translation = model.translate(&model.proxy_of(web));
            let cluster = |name: &str| {
                let found = translation.clusters.iter().find(|c| c.message.name == name);
                is_plaintext(&found.unwrap_or_else(|| panic!("{name}")).message)
            };
            let host = "cart.shop.svc.cluster.local";
            let made = [
                cluster(&format!("outbound|80||{host}")),
                cluster(&format!("outbound|81||{host}")),
                cluster(&format!("outbound|80|v1|{host}")),
                cluster(&format!("outbound|81|v1|{host}")),
            ];
            assert_eq!(made, expected, "{rule} {mode}");

            let why = Why::new(&model, &[]);
            for (url, is_plain) in [("http://cart/", expected[0]), ("http://cart:81/", expected[1]), ("http://cart/v1", expected[2])] {
                let answer = why.ask("web.shop", None, &Question::get(Url::parse(url).expect("a URL"))).expect("an answer");
                let step = answer.parts.iter().flat_map(|p| &p.steps).find(|s| s.stage == Stage::Encryption).expect("a step");
                let mark = match (is_plain, is_strict) {
                    (false, _) => Mark::Good,
                    (true, false) => Mark::Doubtful,
                    (true, true) => Mark::Broken,
                };
                assert_eq!(step.mark, mark, "{rule} {mode} {url}: {step:?}");
                if is_plain {
                    assert_eq!(step.thing.as_ref().map(|t| t.object.as_str()), Some("DestinationRule shop/cart"), "{rule} {mode} {url}: {step:?}");
                    assert_eq!(answer.outcomes[0].flags, if is_strict { "UC" } else { "" }, "{rule} {mode} {url}");
                }
            }

            let report = mtls::report(&mesh);
            for (port, is_plain) in [(8080, expected[0] || expected[2]), (8081, expected[1] || expected[3])] {
                let port = report.ports.iter().find(|p| p.workload == "cart" && p.port == port).expect("a port");
                let plaintext: Vec<_> = port.sends.iter().filter(|s| s.what == mtls::What::Plaintext).collect();
                assert_eq!(!plaintext.is_empty(), is_plain, "{rule} {mode}: {port:#?}");
                assert!(plaintext.iter().all(|s| s.why == "DestinationRule shop/cart says DISABLE"), "{plaintext:?}");
                let verdict = if is_plain && !is_strict { mtls::Verdict::NotEncrypted } else { mtls::Verdict::Encrypted };
                assert_eq!(port.verdict, verdict, "{rule} {mode}: {port:#?}");
            }
        }
    }
}
