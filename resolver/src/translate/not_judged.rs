//! What touches a proxy and is not translated.

use super::proxy::ProxyKind;
use super::{Context, Origin};
use mesh_model::{Kind, Node};

/// An object whose effect on the configuration is not known.
#[derive(Clone, Debug)]
pub struct NotJudged<'a> {
    /// Nothing where it is the proxy as a whole.
    pub origin: Option<Origin<'a>>,
    /// What is not known, in a sentence.
    pub what: &'static str,
}

/// Kinds that patch or extend what istiod makes.
const KINDS: &[(Kind, &str)] = &[
    (Kind::EnvoyFilter, "an EnvoyFilter may change any part of the configuration"),
    (Kind::WasmPlugin, "a WasmPlugin adds a filter whose answer is not known"),
    (Kind::TrafficExtension, "a TrafficExtension adds a filter whose answer is not known"),
];

pub fn of<'a>(cx: &Context<'_, 'a>) -> Vec<NotJudged<'a>> {
    let mut out = Vec::new();
    if cx.proxy.kind == ProxyKind::Waypoint {
        out.push(NotJudged { origin: None, what: "the configuration of waypoints is not translated" });
    }
    let root = cx.model.mesh.config.root_namespace();
    for (kind, what) in KINDS {
        let own = cx.model.mesh.objects_in(*kind, &cx.proxy.namespace);
        let mesh = if cx.proxy.namespace == root { &[][..] } else { cx.model.mesh.objects_in(*kind, root) };
        for object in own.iter().chain(mesh) {
            let labels = object.spec_at(&["workloadSelector", "labels"]).or_else(|| object.spec_at(&["selector", "matchLabels"]));
            if cx.proxy.has_labels(labels.filter(|l: &Node<'_>| l.is_mapping())) {
                out.push(NotJudged { origin: Some(Origin::whole(object)), what });
            }
        }
    }
    out
}
