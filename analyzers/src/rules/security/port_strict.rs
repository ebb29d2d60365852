//! ## MSH0310 StrictPortLeftOut (Warning)
//!
//! **What it checks.** In ambient mode, a PeerAuthentication with PERMISSIVE or DISABLE and STRICT for a port, where the mesh's
//! PeerAuthentication is STRICT and the namespace's own says nothing.
//!
//! **Why it matters.** istiod takes the port for protected by the mesh's policy, which the policy itself has replaced, and leaves it out:
//! ztunnel takes plaintext there. A sidecar would not.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: istio-system}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: unset, namespace: shop}
//! spec: {}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: istio-system}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: PERMISSIVE}}}
//! ```

use crate::codes::MSH0310;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::Kind;
use mesh_resolver::ambient::ztunnel;
use mesh_resolver::peer_authentication::own_mode;
use mesh_resolver::{InMesh, Place, Selector};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for policy in cx.mesh.objects(Kind::PeerAuthentication).iter().copied() {
        let Some(labels) = policy.spec_at(&["selector", "matchLabels"]).filter(|l| !l.is_empty()) else { continue };
        let Some(by_port) = policy.spec_at(&["portLevelMtls"]).filter(|_| ztunnel::leaves_strict_out(cx.mesh, policy)) else { continue };
        let ambient = cx.mesh.workloads.matching(Some(policy.namespace()), &Selector::from_map(Some(labels))).find(|w| cx.mesh.in_mesh(w) == InMesh::Ambient);
        let Some(workload) = ambient else { continue };
        for (port, mode) in by_port.entries().filter(|(_, mode)| mode.text_of("mode") == "STRICT") {
            let Some(of_mesh) = cx.mesh.peer_authentications.of_namespace(policy.namespace()).policy else { continue };
            // The namespace's own may be elsewhere.
            if !cx.mesh.owns(policy, Place::Objects(Kind::PeerAuthentication, policy.namespace())) {
                sink.not_judged(NotJudged::ObjectOutside);
                continue;
            }
            let own = own_mode(policy).map_or_else(String::new, |m| m.to_string());
            let message = format!(
                "ztunnel takes plaintext at port `{}`: beside {own} of the policy, istiod leaves STRICT of a port out where the mesh is STRICT and the namespace says nothing",
                port.text()
            );
            sink.report(&MSH0310, policy, mode.get("mode").unwrap_or(mode), message)
                .help("give the namespace a PeerAuthentication with a mode of its own, or set the policy to STRICT and its other ports to PERMISSIVE")
                .related(of_mesh, of_mesh.spec_at(&["mtls", "mode"]).unwrap_or_else(|| of_mesh.name_node()), "STRICT for the mesh")
                .related(workload.object, workload.object.name_node(), "this workload is in ambient mode");
        }
    }
}
