//! Which pods should have a sidecar and have none, and why.

use super::is_asked;
use super::report::{Line, Section};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::injection::{DATAPLANE_LABEL, REDIRECTION};
use mesh_resolver::{Mesh, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// Namespaces that the injector leaves alone whatever their labels are.
const LEFT_ALONE: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Why a pod has no sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// A webhook selects it: it is older than the label, or the webhook did not answer.
    Missed,
    HostNetwork,
    /// The pod's annotation says no; a label is seen by the webhook's selectors already.
    Annotation,
    NamespaceLeftAlone,
}

struct Webhook<'a> {
    namespaces: Selector<'a>,
    objects: Selector<'a>,
}

pub fn section(mesh: &Mesh<'_>, asked: &[String]) -> Section {
    let mut lines = Vec::new();
    let webhooks: Vec<Webhook<'_>> = mesh
        .objects_everywhere(Kind::MutatingWebhookConfiguration)
        .iter()
        .flat_map(|o| o.root().list("webhooks"))
        .filter(|w| w.text_of("name").ends_with("sidecar-injector.istio.io"))
        .map(|w| Webhook {
            namespaces: Selector::from_label_selector(w.get("namespaceSelector")),
            objects: Selector::from_label_selector(w.get("objectSelector")),
        })
        .collect();
    let unseen = |kind| mesh.snapshot.unseen.iter().any(|(_, k)| *k == kind);
    if let Some(kind) = [Kind::Pod, Kind::Namespace, Kind::MutatingWebhookConfiguration].into_iter().find(|k| unseen(*k)) {
        lines.push(Line::unseen("which pods lack a sidecar", format!("{} could not be read", kind.name())));
        return Section { title: "injection", lines };
    }
    let (mut injected, mut left, mut ambient) = (0, 0, 0);
    let mut not_taken: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut without: BTreeMap<(&str, Why), Vec<&str>> = BTreeMap::new();
    for pod in mesh.objects_everywhere(Kind::Pod).iter().filter(|p| is_asked(asked, p.namespace())) {
        if has_proxy(pod) {
            injected += 1;
            continue;
        }
        if pod.annotation(REDIRECTION) == Some("enabled") {
            ambient += 1;
            continue;
        }
        // What has ended needs no sidecar any more.
        let has_ended = pod.at(&["status", "phase"]).is_some_and(|p| matches!(p.text(), "Succeeded" | "Failed"));
        let of_namespace = |key: &str| match mesh.namespace_label(pod.namespace(), key) {
            // The API server labels every Namespace with its name.
            None if key == "kubernetes.io/metadata.name" => Some(pod.namespace()),
            label => label,
        };
        let mode = pod.label(DATAPLANE_LABEL).or_else(|| of_namespace(DATAPLANE_LABEL));
        if mode == Some("ambient") && !has_ended && pod.spec_at(&["hostNetwork"]).and_then(Node::bool) != Some(true) {
            not_taken.entry(pod.namespace()).or_default().push(pod.name());
            continue;
        }
        let is_selected = webhooks.iter().any(|w| w.namespaces.matches(of_namespace) && w.objects.matches(|key| pod.label(key)));
        if has_ended || !is_selected {
            left += 1;
            continue;
        }
        without.entry((pod.namespace(), why(pod))).or_default().push(pod.name());
    }
    lines.push(Line::fine(format!("{injected} {} a proxy, {left} {} out of the mesh on purpose", have(injected), if left == 1 { "is" } else { "are" })));
    if ambient > 0 {
        lines.push(Line::fine(format!("{ambient} {} in ambient mode, taken by ztunnels", if ambient == 1 { "pod is" } else { "pods are" })));
    }
    for (namespace, mut names) in not_taken {
        names.sort_unstable();
        let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
        lines.push(Line::warning(
            format!("{namespace}: {}{more} labelled for ambient mode, and not taken by ztunnel", names.first().copied().unwrap_or("")),
            "see that istio-cni and ztunnel run on the node: `kubectl get pods -n istio-system -o wide`; a restart of the pod takes it up again",
        ));
    }
    for ((namespace, why), mut names) in without {
        names.sort_unstable();
        let first = names.first().copied().unwrap_or("");
        let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
        let subject = format!(
            "{namespace}: {first}{more} {} no sidecar though the webhook selects {}",
            if names.len() > 1 { "have" } else { "has" },
            if names.len() > 1 { "them" } else { "it" }
        );
        lines.push(match why {
            Why::Missed => Line::warning(
                format!("{subject}: older than the label, or made while the webhook did not answer"),
                format!("kubectl rollout restart deployment -n {namespace}; then `kubectl get events -n {namespace}` for errors of the webhook"),
            ),
            Why::HostNetwork => {
                Line::warning(format!("{subject}: hostNetwork is never injected"), "label it sidecar.istio.io/inject=\"false\" if that is meant")
            }
            Why::Annotation => Line::fine(format!("{subject}: its annotation sidecar.istio.io/inject says no")),
            Why::NamespaceLeftAlone => Line::warning(format!("{subject}: the injector leaves this namespace alone"), "take the label off the namespace"),
        });
    }
    if webhooks.is_empty() {
        lines.push(Line::warning("there is no injection webhook", "pods get a sidecar by `istioctl kube-inject` only; ambient pods need none"));
    }
    Section { title: "injection", lines }
}

fn have(n: usize) -> &'static str {
    if n == 1 { "pod has" } else { "pods have" }
}

/// The pods (`NAME.NAMESPACE`) that run with a sidecar or as a gateway; `None` where not all Pods could be read.
pub fn running(mesh: &Mesh<'_>) -> Option<BTreeSet<String>> {
    if mesh.snapshot.unseen.iter().any(|(_, kind)| *kind == Kind::Pod) {
        return None;
    }
    let is_ending = |p: &Object| p.at(&["metadata", "deletionTimestamp"]).is_some();
    let runs = |p: &Object| p.at(&["status", "phase"]).is_some_and(|phase| phase.text() == "Running") && p.label("app") != Some("ztunnel") && !is_ending(p);
    let pods = mesh.objects_everywhere(Kind::Pod).iter().filter(|p| has_proxy(p) && runs(p));
    Some(pods.map(|p| format!("{}.{}", p.name(), p.namespace())).collect())
}

fn has_proxy(pod: &Object) -> bool {
    let all = ["containers", "initContainers"].into_iter().filter_map(|key| pod.spec_at(&[key]));
    all.flat_map(|list| list.items()).any(|c| c.text_of("name") == "istio-proxy")
}

fn why(pod: &Object) -> Why {
    if pod.spec_at(&["hostNetwork"]).and_then(Node::bool) == Some(true) {
        Why::HostNetwork
    } else if pod.annotation("sidecar.istio.io/inject").is_some_and(|v| !v.eq_ignore_ascii_case("true")) {
        Why::Annotation
    } else if LEFT_ALONE.contains(&pod.namespace()) {
        Why::NamespaceLeftAlone
    } else {
        Why::Missed
    }
}
