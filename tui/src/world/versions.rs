//! Which versions run: of control planes by their images, of proxies by what they say of themselves.

use super::Proxy;
use mesh_model::{Kind, Role};
use mesh_resolver::Mesh;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `control plane istio-system/istiod`, `proxies`.
    pub of: String,
    /// `1.30.3`; "unknown" where it is not said.
    pub version: String,
    pub count: usize,
}

pub(super) fn versions(mesh: &Mesh<'_>, proxies: &[Proxy]) -> Vec<Version> {
    let mut out = Vec::new();
    for object in mesh.objects(Kind::Deployment).iter().filter(|o| o.role != Role::Assumed) {
        let containers = object.spec_at(&["template", "spec"]).into_iter().flat_map(|s| s.list("containers"));
        for image in containers.map(|c| c.text_of("image")).filter(|i| i.contains("/pilot") || i.starts_with("pilot")) {
            let tag = image.rsplit_once(':').map_or("unknown", |(_, tag)| tag);
            out.push(Version { of: format!("control plane {}/{}", object.namespace(), object.name()), version: tag.to_owned(), count: 1 });
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for proxy in proxies {
        *counts.entry(if proxy.version.is_empty() { "unknown" } else { &proxy.version }).or_default() += 1;
    }
    out.extend(counts.into_iter().map(|(version, count)| Version { of: "proxies".to_owned(), version: version.to_owned(), count }));
    out
}
