//! Whether the istiods run.

use super::report::{Line, Section};
use mesh_model::{Kind, Object};
use mesh_resolver::Mesh;

/// `True` of a condition of a Pod.
pub fn is_ready(pod: &Object) -> bool {
    pod.at(&["status", "conditions"]).is_some_and(|list| list.items().any(|c| c.text_of("type") == "Ready" && c.text_of("status") == "True"))
}

/// The tag of a container's image; "" where there is none.
pub fn tag<'o>(pod: &'o Object, container: &str) -> &'o str {
    let of = |key: &str| pod.at(&["spec", key]).into_iter().flat_map(|list| list.items()).find(|c| c.text_of("name") == container);
    let image = of("containers").or_else(|| of("initContainers")).map_or("", |c| c.text_of("image"));
    let file = image.rsplit('/').next().unwrap_or("");
    file.split('@').next().and_then(|f| f.split_once(':')).map_or("", |(_, tag)| tag)
}

/// Why a container of it does not run, as its status says: `CrashLoopBackOff`, `OOMKilled`.
fn reason(pod: &Object) -> Option<String> {
    let statuses = pod.at(&["status", "containerStatuses"])?;
    statuses.items().find_map(|s| {
        let waiting = s.at(&["state", "waiting", "reason"]).map(|r| r.text());
        let ended = s.at(&["lastState", "terminated", "reason"]).map(|r| r.text());
        waiting.filter(|r| !r.is_empty()).or(ended.filter(|r| !r.is_empty())).map(str::to_owned)
    })
}

pub fn section(mesh: &Mesh<'_>, namespace: &str, revision: Option<&str>) -> Section {
    let mut lines = Vec::new();
    let is_istiod = |p: &&&Object| p.label("app") == Some("istiod") && revision.is_none_or(|r| p.label("istio.io/rev") == Some(r));
    let istiods: Vec<&&Object> = mesh.objects_in(Kind::Pod, namespace).iter().filter(is_istiod).collect();
    for pod in &istiods {
        let (name, version) = (pod.name(), tag(pod, "discovery"));
        let version = if version.is_empty() { String::new() } else { format!(" {version}") };
        let revision = pod.label("istio.io/rev").filter(|r| *r != "default").map_or_else(String::new, |r| format!(" (revision {r})"));
        if is_ready(pod) {
            lines.push(Line::fine(format!("{name}{version}{revision} is ready")));
        } else {
            let why = reason(pod).map_or_else(String::new, |r| format!(": {r}"));
            lines.push(Line::wrong(format!("{name}{version}{revision} is not ready{why}"), format!("kubectl logs -n {namespace} {name}")));
        }
    }
    if mesh.snapshot.unseen.iter().any(|(_, kind)| *kind == Kind::Pod) && istiods.is_empty() {
        lines.push(Line::unseen("whether an istiod runs", "Pods could not be read"));
    } else if istiods.is_empty() {
        lines
            .push(Line::wrong(format!("no istiod runs in {namespace}"), "-i names another namespace; without istiod no proxy gets an update or a certificate"));
    }
    Section { title: "control plane", lines }
}
