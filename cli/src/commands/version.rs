//! `meshctl version`: of meshctl, of the control plane, of the proxies.

use crate::args::version::VersionArgs;
use crate::cluster::Takes;
use crate::context::{Compat, Context};
use crate::dump::block_on;
use crate::reach;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use crate::term::{safe, safe_json};
use mesh_collectors::dumps::syncz;
use mesh_collectors::kube::pods::{self, PROXY_CONTAINER, Pod, ProxyKind};
use mesh_collectors::kube::reach::Reach;
use mesh_envoy::identify::Content;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a cluster runs.
#[derive(Default)]
struct Mesh {
    istiods: Vec<Istiod>,
    /// Number of proxies by version.
    proxies: BTreeMap<String, usize>,
    problems: Vec<String>,
}

struct Istiod {
    pod: String,
    revision: String,
    version: String,
    ready: bool,
}

pub fn run(args: &VersionArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("version prints text or json, not `{}`", args.output)));
    }
    let is_named = args.reach.context.is_some() || args.reach.connect.kubeconfig.is_some();
    let mesh = match args.remote.then(|| block_on(mesh(args))) {
        None => None,
        Some(found) => match found? {
            Ok(mesh) => Some(mesh),
            // Without a cluster there is nothing to ask, and that is no gap.
            Err(Failure::Usage(_)) if !is_named => None,
            Err(failure @ Failure::Usage(_)) => return Err(failure),
            Err(failure) => Some(Mesh { problems: vec![failure.to_string()], ..Mesh::default() }),
        },
    };
    let text = match args.output.as_str() {
        "json" => safe_json(crate::output::pretty(&value(mesh.as_ref()), b"  ")),
        _ => text(mesh.as_ref(), context.compat),
    };
    context.answer(&text)?;
    let problems = mesh.map(|m| m.problems).unwrap_or_default();
    for problem in &problems {
        stdio::note(&format!("error: not seen: {problem}"));
    }
    Ok(if problems.is_empty() { Status::Fine } else { context.partial })
}

async fn mesh(args: &VersionArgs) -> Result<Mesh, Failure> {
    let reach = reach::connect_for(Takes::Kubeconfig, &args.reach, None).await?;
    let istiods = reach
        .istiods()
        .await
        .map_err(|e| Failure::none(format!("cluster {}: {e}{}", reach.cluster.name, e.help().map_or_else(String::new, |h| format!("; {h}")))))?;
    if istiods.is_empty() {
        return Err(Failure::none(format!("no istiod runs in {} of cluster {}; -i names another namespace", reach.istio_namespace, reach.cluster.name)));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for pod in istiods {
        let reach = reach.clone();
        tasks.spawn(async move {
            let (version, syncs) =
                tokio::join!(reach.istiod_page(&pod, "/version", &[]), reach.istiod_page(&pod, "/debug/syncz", &[Content::Syncz, Content::OtherJson]));
            (pod, version.map(|p| p.text), syncs)
        });
    }
    let mut mesh = Mesh::default();
    let mut are_proxies_known = true;
    for (pod, version, syncs) in tasks.join_all().await {
        let by_image = || pod.image_tag("discovery").unwrap_or("unknown").to_owned();
        let version = version.ok().and_then(|text| number(&text)).unwrap_or_else(by_image);
        mesh.istiods.push(Istiod { pod: pod.full_name(), revision: pod.revision.clone(), version, ready: pod.ready });
        match syncs.map_err(|e| e.to_string()).and_then(|page| syncz::read(&page.text).map_err(|e| format!("{}: {e}", page.origin))) {
            Ok(list) => list.into_iter().for_each(|p| *mesh.proxies.entry(p.version).or_default() += 1),
            Err(why) => {
                are_proxies_known = false;
                mesh.problems.push(why);
            }
        }
    }
    mesh.istiods.sort_by(|a, b| a.pod.cmp(&b.pod));
    mesh.problems.sort();
    if !are_proxies_known {
        by_image(&reach, &mut mesh).await;
    }
    Ok(mesh)
}

/// The proxies' versions by their images, where istiod can't be asked. That is no gap, but said.
async fn by_image(reach: &Reach, mesh: &mut Mesh) {
    let Ok(found) = pods::select(&reach.cluster, None, reach::WITH_PROXY).await else { return };
    mesh.proxies.clear();
    let running = found.iter().filter(|p: &&Pod| p.proxy() == Some(ProxyKind::Envoy) && p.phase == "Running");
    for tag in running.filter_map(|p| p.image_tag(PROXY_CONTAINER)) {
        *mesh.proxies.entry(tag.to_owned()).or_default() += 1;
    }
    mesh.problems = vec![format!("istiod is not asked ({}); versions are those of the images", mesh.problems.join("; "))];
}

/// `1.30.1` of `1.30.1-6a12…-Clean`, as istiod's `/version` has it; nothing of a build without one.
fn number(text: &str) -> Option<String> {
    let number = text.trim().rsplitn(3, '-').nth(2)?;
    (number != "unknown" && !number.is_empty()).then(|| number.to_owned())
}

fn text(mesh: Option<&Mesh>, compat: Compat) -> String {
    let mut out = match compat {
        Compat::Meshctl => format!("meshctl {}\n", crate::args::VERSION),
        Compat::Istioctl => format!("client version: {}\n", env!("CARGO_PKG_VERSION")),
    };
    let Some(mesh) = mesh else { return out };
    let word = if compat == Compat::Istioctl { " version" } else { "" };
    let mut control: BTreeMap<&str, usize> = BTreeMap::new();
    for istiod in &mesh.istiods {
        *control.entry(&istiod.version).or_default() += 1;
    }
    if !control.is_empty() {
        let list: Vec<String> = control.keys().map(|v| safe(v).into_owned()).collect();
        out.push_str(&format!("control plane{word}: {}\n", list.join(", ")));
    }
    let count = |(version, n): (&String, &usize)| format!("{} ({n} {})", safe(version), if *n == 1 && compat == Compat::Meshctl { "proxy" } else { "proxies" });
    if !mesh.istiods.is_empty() {
        let list: Vec<String> = mesh.proxies.iter().map(count).collect();
        out.push_str(&format!("data plane{word}: {}\n", if list.is_empty() { "none".to_owned() } else { list.join(", ") }));
    }
    out
}

fn value(mesh: Option<&Mesh>) -> Value {
    let mut out = json!({"name": "meshctl", "version": env!("CARGO_PKG_VERSION"), "repository": env!("CARGO_PKG_REPOSITORY")});
    if let Some(mesh) = mesh {
        let istiods: Vec<Value> = mesh.istiods.iter().map(|i| json!({"pod": i.pod, "revision": i.revision, "version": i.version, "ready": i.ready})).collect();
        let proxies: Vec<Value> = mesh.proxies.iter().map(|(version, n)| json!({"version": version, "proxies": n})).collect();
        out["complete"] = json!(mesh.problems.is_empty());
        out["problems"] = json!(mesh.problems);
        out["controlPlane"] = json!(istiods);
        out["dataPlane"] = json!(proxies);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_revision_and_the_state_of_the_tree() {
        assert_eq!(number("1.30.1-6a12bc-Clean\n").as_deref(), Some("1.30.1"));
        assert_eq!(number("1.31-alpha.0-6a12bc-Modified").as_deref(), Some("1.31-alpha.0"));
        assert_eq!(number("unknown-unknown-unknown"), None);
        assert_eq!(number("1.30.1"), None);
    }
}
