//! ## IST0176 GatewayAPICRDVersionBelowMinimum (Warning)
//!
//! **What it checks.** CRDs of the Gateway API that are older than Istio needs.
//!
//! **Why it matters.** Istio passes over objects of these kinds.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: apiextensions.k8s.io/v1
//! kind: CustomResourceDefinition
//! metadata:
//!   name: grpcroutes.gateway.networking.k8s.io
//!   annotations: {gateway.networking.k8s.io/bundle-version: v1.0.0}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: apiextensions.k8s.io/v1
//! kind: CustomResourceDefinition
//! metadata:
//!   name: grpcroutes.gateway.networking.k8s.io
//!   annotations: {gateway.networking.k8s.io/bundle-version: v1.2.0}
//! ```

use crate::codes::IST0176;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Role};

const MINIMUM: &[(&str, [u64; 3])] = &[
    ("grpcroutes.gateway.networking.k8s.io", [1, 1, 0]),
    ("backendtlspolicies.gateway.networking.k8s.io", [1, 4, 0]),
    ("tlsroutes.gateway.networking.k8s.io", [1, 5, 0]),
    ("tcproutes.gateway.networking.k8s.io", [1, 6, 0]),
];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for crd in cx.mesh.objects(Kind::CustomResourceDefinition).iter().copied().filter(|c| c.role == Role::Judged) {
        let Some((_, minimum)) = MINIMUM.iter().find(|(name, _)| *name == crd.name()) else { continue };
        let Some((_, version)) = crd.annotations().find(|(k, _)| k.text() == "gateway.networking.k8s.io/bundle-version") else { continue };
        if let Some(found) = parse(version.text()).filter(|v| v < minimum) {
            let show = |v: &[u64; 3]| format!("{}.{}.{}", v[0], v[1], v[2]);
            let message = format!("CRD `{}` is of version {}, but Istio needs at least {}", crd.name(), show(&found), show(minimum));
            sink.report(&IST0176, crd, version, message).help("upgrade the CRDs of the Gateway API; objects of this kind are passed over until then");
        }
    }
}

/// `v1.2.3-rc1` without its prerelease; `v1.2` is 1.2.0.
fn parse(text: &str) -> Option<[u64; 3]> {
    let core = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|p| p.parse::<u64>().ok());
    let version = [parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?];
    parts.next().is_none().then_some(version)
}
