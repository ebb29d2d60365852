//! The first step: who sends the request, and whether a proxy takes it.

use super::answer::{Mark, Stage, Step, Thing};
use crate::injection::{DATAPLANE_LABEL, InMesh, NAMESPACE_LABEL, POD_LABEL, REVISION_LABEL};
use crate::mesh::Mesh;
use crate::workload::Workload;
use mesh_model::{Kind, Node};

/// Whether the workload's requests to a port and an address pass its sidecar.
pub(super) fn excluded<'a>(w: &Workload<'a>, port: u16) -> Option<(Node<'a>, String)> {
    let annotation = |key: &str| w.pod.at(&["metadata", "annotations"])?.get(key);
    let lists = |node: Node<'_>| node.text().split(',').any(|p| p.trim().parse() == Ok(port));
    let key = "traffic.sidecar.istio.io/excludeOutboundPorts";
    if let Some(node) = annotation(key).filter(|n| lists(*n)) {
        return Some((node, format!("{key} lists port {port}")));
    }
    let included = "traffic.sidecar.istio.io/includeOutboundIPRanges";
    annotation(included).filter(|n| n.text().trim().is_empty()).map(|node| (node, format!("{included} is empty: nothing is captured")))
}

/// Whether the proxy of a workload is a native sidecar: an init container that goes on running.
pub(super) fn is_native(w: &Workload<'_>) -> bool {
    let init = w.spec().into_iter().flat_map(|s| s.list("initContainers"));
    init.into_iter().any(|c| c.text_of("name") == "istio-proxy" && c.text_of("restartPolicy") == "Always")
}

pub(super) fn step(mesh: &Mesh<'_>, w: &Workload<'_>) -> Step {
    let of = |mark, says: String| Step::new(Stage::Source, mark, says);
    let name = w.object.origin();
    let pod = |key: &str| {
        let metadata = w.pod.get("metadata");
        metadata.and_then(|m| m.at(&["labels", key]).or_else(|| m.at(&["annotations", key])))
    };
    let namespace = mesh.find(Kind::Namespace, "", w.namespace);
    let of_namespace = |key: &str| namespace.and_then(|n| Some((n, n.metadata()?.at(&["labels", key])?)));
    match mesh.in_mesh(w) {
        InMesh::Sidecar if is_native(w) => of(Mark::Good, format!("{name} has a native sidecar")).thing(Thing::whole(w.object)),
        InMesh::Sidecar => {
            let by = pod(POD_LABEL).map(|n| Thing::at(w.object, n));
            let by = by.or_else(|| of_namespace(NAMESPACE_LABEL).or_else(|| of_namespace(REVISION_LABEL)).map(|(o, n)| Thing::at(o, n)));
            let has = if w.proxy_container().is_some() { "has a sidecar" } else { "is given a sidecar" };
            of(Mark::Good, format!("{name} {has}")).thing(by.unwrap_or_else(|| Thing::whole(w.object)))
        }
        InMesh::Gateway => of(Mark::Good, format!("{name} is a gateway")).thing(Thing::whole(w.object)),
        InMesh::Ambient => {
            let by = pod(DATAPLANE_LABEL).map(|n| Thing::at(w.object, n)).or_else(|| of_namespace(DATAPLANE_LABEL).map(|(o, n)| Thing::at(o, n)));
            of(Mark::Good, format!("{name} is in ambient mode: ztunnel takes its requests")).thing(by.unwrap_or_else(|| Thing::whole(w.object)))
        }
        InMesh::Unknown => {
            of(Mark::NotJudged, format!("whether {name} is given a sidecar is not in the input, which lacks the labels of Namespace {}", w.namespace))
                .thing(Thing::whole(w.object))
                .change("add the Namespace to the input, or --complete where the input is everything")
        }
        InMesh::No => {
            let host_network = w.spec().and_then(|s| s.get("hostNetwork")).filter(|n| n.bool() == Some(true));
            let (thing, says, change) = if let Some(node) = host_network {
                (Thing::at(w.object, node), "it uses the host's network, where nothing is injected", "run it without hostNetwork")
            } else if crate::injection::runs_bare(w)
                && pod(POD_LABEL).is_none_or(|n| n.text() == "true")
                && of_namespace(NAMESPACE_LABEL).is_none_or(|(_, n)| n.text() == "enabled")
                && (pod(POD_LABEL).is_some() || of_namespace(NAMESPACE_LABEL).or_else(|| of_namespace(REVISION_LABEL)).is_some())
            {
                (
                    Thing::whole(w.object),
                    "its Pod runs without one: it was made before injection was asked for, or the injector did not answer",
                    "restart it, so that it is injected",
                )
            } else if let Some(node) = pod(POD_LABEL) {
                (Thing::at(w.object, node), "it refuses injection", "remove the label, and restart it")
            } else if let Some((object, node)) = of_namespace(NAMESPACE_LABEL) {
                (Thing::at(object, node), "its namespace refuses injection", "label the namespace `istio-injection: enabled`, and restart it")
            } else {
                let thing = namespace.map_or_else(|| Thing::whole(w.object), Thing::whole);
                (thing, "neither its namespace nor itself asks for one", "label the namespace `istio-injection: enabled`, and restart it")
            };
            of(Mark::Doubtful, format!("{name} has no sidecar: {says}. No route, no retry and no mutual TLS of the mesh counts for it"))
                .thing(thing)
                .change(change)
        }
    }
}
