//! What is assumed to exist though the input does not hold it.

/// The default ingress gateway, as istioctl assumes it when it reads files: a pod labelled
/// `istio=ingressgateway` in `istio-system` and its Service.
pub const INGRESS_GATEWAY: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: istio-ingressgateway-assumed, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: istio/proxyv2}]}
---
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  ports:
  - {name: http2, protocol: TCP, port: 80}
  - {name: https, protocol: TCP, port: 443}
  - {name: tcp, protocol: TCP, port: 31400}
  - {name: tls, protocol: TCP, port: 15443}
";

/// Adds the assumed objects to a snapshot, to be consulted and never judged.
pub fn add_ingress_gateway(snapshot: &mut mesh_model::Snapshot) {
    let source = mesh_model::Source::new("(assumed)", INGRESS_GATEWAY);
    let manifest = mesh_model::snapshot::read_manifest(&source, mesh_model::Role::Assumed, 0, mesh_model::yaml::Limits::default());
    // Put in front, so that an object of the input with the same name is the one that counts.
    snapshot.objects.splice(0..0, manifest.objects);
}
