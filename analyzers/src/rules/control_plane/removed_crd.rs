//! ## IST0002 Deprecated (Warning)
//!
//! **What it checks.** A CustomResourceDefinition of the old authorization API, `rbac.istio.io`.
//!
//! **Why it matters.** Istio removed it: objects of these kinds protect nothing.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: apiextensions.k8s.io/v1
//! kind: CustomResourceDefinition
//! metadata: {name: serviceroles.rbac.istio.io}
//! spec: {group: rbac.istio.io, names: {kind: ServiceRole, plural: serviceroles}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: apiextensions.k8s.io/v1
//! kind: CustomResourceDefinition
//! metadata: {name: authorizationpolicies.security.istio.io}
//! spec: {group: security.istio.io, names: {kind: AuthorizationPolicy, plural: authorizationpolicies}}
//! ```

use crate::codes::IST0002;
use crate::rule::{Context, Sink};
use mesh_model::Kind;

const REMOVED: &[&str] = &["ClusterRbacConfig", "RbacConfig", "ServiceRole", "ServiceRoleBinding"];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for object in cx.mesh.objects(Kind::CustomResourceDefinition).iter().copied() {
        let Some(spec) = object.spec().filter(|s| s.text_of("group") == "rbac.istio.io") else { continue };
        if let Some(kind) = spec.at(&["names", "kind"]).filter(|k| REMOVED.contains(&k.text())) {
            sink.report(&IST0002, object, kind, format!("`{}` of `rbac.istio.io` was removed from Istio: its objects protect nothing", kind.text()))
                .help("use AuthorizationPolicy, and delete the definition");
        }
    }
}
