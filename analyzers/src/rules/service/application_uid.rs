//! ## IST0144 InvalidApplicationUID (Warning)
//!
//! **What it checks.** A container that runs as user 1337, which is the proxy's.
//!
//! **Why it matters.** Traffic of that user is not redirected to the proxy: the container is outside the mesh.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {securityContext: {runAsUser: 1337}, containers: [{name: app, image: cart}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {securityContext: {runAsUser: 1000}, containers: [{name: app, image: cart}]}
//! ```

use crate::codes::IST0144;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};

/// The user that the proxy runs as.
const PROXY_UID: i64 = 1337;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for pod in cx.mesh.objects(Kind::Pod).iter().copied().filter(|p| p.role == Role::Judged) {
        check(sink, pod, pod.root());
    }
    for deployment in cx.mesh.objects(Kind::Deployment).iter().copied().filter(|d| d.role == Role::Judged) {
        if let Some(template) = deployment.spec_at(&["template"]) {
            check(sink, deployment, template);
        }
    }
}

fn check<'a>(sink: &mut Sink<'a>, object: &'a Object, pod: Node<'a>) {
    if object.label("istio").is_some() || object.label("release") == Some("istio") {
        return;
    }
    let Some(spec) = pod.get("spec") else { return };
    let uid = |node: Node<'a>| node.at(&["securityContext", "runAsUser"]).filter(|u| u.int() == Some(PROXY_UID));
    let of_pod = uid(spec);
    let offending = spec.list("containers").filter(|c| !matches!(c.text_of("name"), "istio-proxy" | "istio-operator")).find_map(|c| of_pod.or_else(|| uid(c)));
    if let Some(at) = offending {
        sink.report(&IST0144, object, at, "a container runs as user 1337, which is the proxy's: its traffic bypasses the proxy")
            .help("run the application as another user");
    }
}
