//! Which policies a waypoint goes by: those that name it, its class or a service behind it by `targetRefs`. Labels select no
//! waypoint (istio/istio, pilot/pkg/model/policyattachment.go).

use crate::ambient::waypoint::{CLASS, GATEWAY_NAME};
use crate::mesh::Mesh;
use crate::translate::{Proxy, RegisteredService};
use mesh_model::Object;

/// Whether a policy is for a waypoint, in the chains of a service where one is given.
pub fn is_attached(mesh: &Mesh<'_>, object: &Object, proxy: &Proxy, service: Option<&RegisteredService<'_>>) -> bool {
    let refs = object.spec().into_iter().flat_map(|s| s.list("targetRefs").chain(s.get("targetRef")));
    refs.into_iter().any(|r| {
        let (kind, name) = (r.text_of("kind"), r.text_of("name"));
        let of_service =
            |s: &RegisteredService<'_>, is_kubernetes: bool| s.is_kubernetes() == is_kubernetes && s.object.name() == name && s.namespace == object.namespace();
        match (r.text_of("group"), kind) {
            ("" | "core", "Service") => service.is_some_and(|s| of_service(s, true)),
            ("networking.istio.io", "ServiceEntry") => service.is_some_and(|s| of_service(s, false)),
            ("gateway.networking.k8s.io", "GatewayClass") => name == CLASS && object.namespace() == mesh.config.root_namespace(),
            ("gateway.networking.k8s.io", "Gateway") => {
                let other = !matches!(r.text_of("namespace"), n if n.is_empty() || n == proxy.namespace);
                object.namespace() == proxy.namespace && !other && proxy.label(GATEWAY_NAME) == Some(name)
            }
            _ => false,
        }
    })
}
