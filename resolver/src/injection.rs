//! Which workloads get a sidecar, or are captured by ztunnel: the one place that decides it.
//!
//! Istio's webhooks choose by labels: those of the namespace (`istio-injection`, `istio.io/rev`), then those of the pod.
//! Whoever says no wins. What has neither is injected where the injector enables namespaces by default.

use crate::mesh::Mesh;
use crate::workload::Workload;
use mesh_model::{Kind, Node, Object, Source, Span, yaml};

pub const NAMESPACE_LABEL: &str = "istio-injection";
pub const REVISION_LABEL: &str = "istio.io/rev";
pub const DATAPLANE_LABEL: &str = "istio.io/dataplane-mode";
/// Annotation that the node's agent (istio-cni) gives to Pods whose traffic ztunnel takes.
pub const REDIRECTION: &str = "ambient.istio.io/redirection";
/// Label of pods, and in older days their annotation.
pub const POD_LABEL: &str = "sidecar.istio.io/inject";

/// The webhook that exists where namespaces are enabled by default.
const BY_DEFAULT_WEBHOOK: &str = "auto.sidecar-injector.istio.io";

/// How a workload takes part in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InMesh {
    /// Has a sidecar, or will be given one.
    Sidecar,
    /// Captured by ztunnel.
    Ambient,
    /// A gateway (its proxy is the workload).
    Gateway,
    No,
    /// What decides it is not in the input, which is a part of a mesh: the Namespace, or labels that it may be given
    /// when it is made.
    Unknown,
}

impl InMesh {
    /// Whether its traffic passes a proxy.
    pub fn is_in(self) -> bool {
        matches!(self, InMesh::Sidecar | InMesh::Ambient | InMesh::Gateway)
    }
}

/// The ConfigMap that configures the injector of a revision.
pub fn injector_name(revision: &str) -> String {
    if revision.is_empty() || revision == "default" { "istio-sidecar-injector".to_owned() } else { format!("istio-sidecar-injector-{revision}") }
}

/// Whether the default injector enables namespaces that have no label of their own.
pub fn enabled_by_default(objects: &[&Object]) -> bool {
    let name = injector_name("");
    objects.iter().any(|o| match o.kind {
        Kind::ConfigMap if o.name() == name => values_enable(o),
        Kind::MutatingWebhookConfiguration => o.root().list("webhooks").any(|w| w.text_of("name") == BY_DEFAULT_WEBHOOK),
        _ => false,
    })
}

/// `sidecarInjectorWebhook.enableNamespacesByDefault` of the injector's values, which are JSON.
fn values_enable(config_map: &Object) -> bool {
    let Some(text) = config_map.at(&["data", "values"]).map(Node::text) else { return false };
    let source = Source::new("", text);
    let parsed = yaml::parse_document(&source, Span::new(0, text.len()), yaml::Limits::default());
    let setting = |tree: &yaml::Tree| tree.root().at(&["sidecarInjectorWebhook", "enableNamespacesByDefault"]).and_then(Node::bool);
    parsed.tree.as_ref().and_then(setting) == Some(true)
}

/// Namespaces that injection leaves alone, whatever their labels (IgnoredNamespaces of pkg/kube/inject).
const NEVER_INJECTED: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// By its proxy container, else as injection and the ambient labels will have it (istioctl's order: container, pod label,
/// pod annotation, namespace label).
pub(crate) fn decide(mesh: &Mesh<'_>, w: &Workload<'_>) -> InMesh {
    if w.annotation(REDIRECTION) == Some("enabled") {
        return InMesh::Ambient;
    }
    if w.proxy_container().is_some_and(|c| !c.text_of("image").is_empty()) {
        let alone = w.spec().is_some_and(|s| s.list("containers").all(|c| c.text_of("name") == "istio-proxy"));
        let gateway = w.label("gateway.networking.k8s.io/gateway-name").is_some() || alone;
        return if gateway { InMesh::Gateway } else { InMesh::Sidecar };
    }
    if w.spec().and_then(|s| s.get("hostNetwork")).and_then(Node::bool) == Some(true) {
        return InMesh::No;
    }
    if NEVER_INJECTED.contains(&w.namespace) {
        return InMesh::No;
    }
    let asked = w.label(POD_LABEL).or_else(|| w.annotation(POD_LABEL));
    let by_pod = asked.or(w.label(REVISION_LABEL)).is_some();
    let ambient_pod = w.label(DATAPLANE_LABEL);
    let namespace = mesh.find(Kind::Namespace, "", w.namespace);
    let label = |key| namespace.and_then(|n| n.label(key)).filter(|v: &&str| !v.is_empty());
    // What is given no sidecar may still be enrolled: the node's agent asks for these labels alone.
    let is_ambient = ambient_pod.or(label(DATAPLANE_LABEL)) == Some("ambient");
    let without = |otherwise| if is_ambient { InMesh::Ambient } else { otherwise };
    // Injection is done when a Pod is made: what runs without a sidecar has none, whatever its namespace says by now.
    if runs_bare(w) {
        return without(InMesh::No);
    }
    if asked.is_some_and(|a| !a.eq_ignore_ascii_case("true")) {
        return without(InMesh::No);
    }
    if namespace.is_none() {
        return if by_pod { InMesh::Sidecar } else { without(unlabelled(mesh)) };
    }
    match (label(NAMESPACE_LABEL), label(REVISION_LABEL).is_some() || by_pod) {
        (Some("enabled"), _) | (None, true) => InMesh::Sidecar,
        // Whoever disables injection, namespace or pod, wins.
        (Some(_), _) => without(InMesh::No),
        (None, false) => without(unlabelled(mesh)),
    }
}

/// Whether it is a Pod that runs, without a proxy of its own.
pub(crate) fn runs_bare(w: &Workload<'_>) -> bool {
    let runs = || w.object.at(&["status", "phase"]).is_some_and(|p| p.text() == "Running");
    w.object.kind == Kind::Pod && w.proxy_container().is_none() && runs()
}

/// Of what nobody has said anything.
fn unlabelled(mesh: &Mesh<'_>) -> InMesh {
    match (mesh.enables_namespaces_by_default, mesh.is_complete()) {
        (true, _) => InMesh::Sidecar,
        (false, true) => InMesh::No,
        // A namespace is often labelled by hand, after its manifest.
        (false, false) => InMesh::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Completeness, Role, Snapshot};

    const BY_DEFAULT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio-sidecar-injector, namespace: istio-system}\ndata: {values: '{\"sidecarInjectorWebhook\": {\"enableNamespacesByDefault\": true}}'}\n---\n";

    /// Of the one Pod, by the labels of its namespace (none: no Namespace is there) and its own, and by what else is there.
    fn place(namespace: Option<&str>, pod: &str, more: &str, completeness: Completeness) -> InMesh {
        let namespace = namespace.map_or_else(String::new, |l| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{l}}}}}\n---\n"));
        let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: cart, namespace: shop, {pod}}}\nspec: {{containers: [{{name: app, image: cart}}]}}\n");
        let mut snapshot = Snapshot::new();
        let source = Source::new("", format!("{more}{namespace}{pod}"));
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        snapshot.completeness = completeness;
        let mesh = Mesh::new(&snapshot);
        mesh.in_mesh(mesh.workloads.get(0))
    }

    #[test]
    fn whoever_says_no_wins() {
        const INJECT: &str = "labels: {sidecar.istio.io/inject: \"true\"}";
        const REFUSE: &str = "labels: {sidecar.istio.io/inject: \"false\"}";
        for (namespace, pod, expected) in [
            (Some("istio-injection: enabled"), "labels: {}", InMesh::Sidecar),
            (Some("istio-injection: enabled"), REFUSE, InMesh::No),
            (Some("istio-injection: enabled"), "annotations: {sidecar.istio.io/inject: \"false\"}", InMesh::No),
            (Some("istio-injection: disabled"), INJECT, InMesh::No),
            (Some("istio-injection: disabled, istio.io/rev: canary"), "labels: {}", InMesh::No),
            (Some("istio.io/rev: canary"), "labels: {}", InMesh::Sidecar),
            (Some("istio.io/dataplane-mode: ambient"), "labels: {}", InMesh::Ambient),
            (Some("istio.io/dataplane-mode: ambient"), "labels: {istio.io/dataplane-mode: none}", InMesh::No),
            // Neither refuses ambient mode, and a sidecar goes before it.
            (Some("istio.io/dataplane-mode: ambient"), REFUSE, InMesh::Ambient),
            (Some("istio.io/dataplane-mode: ambient, istio-injection: disabled"), "labels: {}", InMesh::Ambient),
            (Some("istio.io/dataplane-mode: ambient"), INJECT, InMesh::Sidecar),
            (Some("istio.io/dataplane-mode: ambient, istio-injection: enabled"), "labels: {}", InMesh::Sidecar),
            (Some(""), "labels: {istio.io/dataplane-mode: ambient}", InMesh::Ambient),
            (Some(""), INJECT, InMesh::Sidecar),
            (Some(""), "labels: {istio.io/rev: canary}", InMesh::Sidecar),
            (Some(""), "labels: {}", InMesh::No),
            (None, INJECT, InMesh::Sidecar),
            (None, "labels: {}", InMesh::No),
        ] {
            assert_eq!(place(namespace, pod, "", Completeness::Complete), expected, "{namespace:?} {pod}");
        }
    }

    #[test]
    fn a_pod_that_runs_has_what_it_was_made_with() {
        let of = |phase: &str, namespace: &str| {
            let text = format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {{istio-injection: enabled}}}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: cart, namespace: {namespace}}}\nspec: {{containers: [{{name: app, image: cart}}]}}\nstatus: {{phase: {phase}}}\n"
            );
            let mut snapshot = Snapshot::new();
            let source = Source::new("", text);
            snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
            let mesh = Mesh::new(&snapshot);
            mesh.in_mesh(mesh.workloads.get(0))
        };
        assert_eq!([of("Running", "shop"), of("Pending", "shop"), of("Pending", "kube-system")], [InMesh::No, InMesh::Sidecar, InMesh::No]);
    }

    #[test]
    fn what_nobody_labelled_is_as_the_injector_has_it() {
        let webhook = "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: istio-sidecar-injector}\nwebhooks: [{name: auto.sidecar-injector.istio.io}]\n---\n";
        for namespace in [None, Some("")] {
            for (more, completeness, expected) in [
                (BY_DEFAULT, Completeness::Complete, InMesh::Sidecar),
                (webhook, Completeness::Part, InMesh::Sidecar),
                ("", Completeness::Complete, InMesh::No),
                ("", Completeness::Part, InMesh::Unknown),
            ] {
                assert_eq!(place(namespace, "labels: {}", more, completeness), expected, "{namespace:?} {more}");
            }
        }
        assert_eq!(place(Some("istio-injection: disabled"), "labels: {}", BY_DEFAULT, Completeness::Complete), InMesh::No);
        assert_eq!(place(Some("istio.io/dataplane-mode: ambient"), "labels: {}", BY_DEFAULT, Completeness::Complete), InMesh::Ambient);
    }
}
