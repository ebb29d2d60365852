//! Input of which nothing could be judged: a check of it is no green one.

use crate::context::Compat;
use crate::load::Loaded;
use crate::settings::Settings;
use crate::worlds::Plan;
use mesh_collectors::recording;
use mesh_model::{ProblemKind, Role};
use std::path::Path;

/// How input was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Stdin,
    /// A file by its own name. Hooks name those of a change, which may well be none of a mesh.
    File,
    /// What a folder, a glob or a pipe holds.
    Search,
    /// A cluster, or a recording of one, of which is known what it holds, be that nothing.
    Cluster,
}

fn named(path: &str) -> Named {
    let at = Path::new(path);
    match path {
        "-" => Named::Stdin,
        _ if recording::find(at).is_some() => Named::Cluster,
        _ if at.is_file() => Named::File,
        _ => Named::Search,
    }
}

/// What to say where a world was read as it should, and held nothing that can be judged. `None` where something was judged, where an
/// error tells of it already, and where files were named one by one that are something else than manifests.
pub fn why(plan: &Plan, settings: &Settings, loaded: &Loaded, judged: usize) -> Option<String> {
    let snapshot = &loaded.snapshot;
    let is_error = |kind| matches!(kind, ProblemKind::Unreadable | ProblemKind::Syntax);
    // Objects of other tools were read, and are no business of a mesh.
    let is_read = judged > 0 || snapshot.objects.iter().any(|o| o.role == Role::Judged);
    let is_told = !loaded.unseen.is_empty() || snapshot.problems.iter().any(|p| is_error(p.kind));
    let names: Vec<Named> = plan.paths.iter().map(|p| named(p)).collect();
    let of_cluster = plan.live.iter().any(|s| s.role == Role::Judged) || names.contains(&Named::Cluster);
    if is_read || is_told || of_cluster || settings.compat == Compat::Istioctl {
        return None;
    }
    let is_unrendered = snapshot.problems.iter().any(|p| matches!(p.kind, ProblemKind::HelmTemplate | ProblemKind::Kustomize));
    let are_files = plan.command.is_none() && plan.clusters.is_empty() && names.iter().all(|n| *n == Named::File);
    if are_files && (is_unrendered || snapshot.not_objects > 0 || settings.exclude.is_some()) {
        return None;
    }
    let called = if plan.name.is_empty() { String::new() } else { format!("world {}: ", plan.name) };
    let input = match (&plan.command, plan.paths.as_slice(), plan.clusters.as_slice()) {
        (Some(command), [], _) => format!("the output of `{}`", command.words.join(" ")),
        (None, [path], []) if path == "-" => "standard input".to_owned(),
        (None, [path], []) => format!("`{path}`"),
        (None, [], [(name, dir)]) => format!("`{dir}` of cluster {name}"),
        _ => "the input".to_owned(),
    };
    let comes_from_a_program = plan.command.is_some() || names.contains(&Named::Stdin);
    let (what, todo) = if is_unrendered {
        let todo = "render them first: `helm template NAME CHART | meshctl analyze -`, `kustomize build DIR | meshctl analyze -`";
        (format!("{input} holds charts or kustomizations that are not rendered, and no other manifest"), todo)
    } else if comes_from_a_program {
        let what = if snapshot.not_objects > 0 { "holds no Kubernetes object" } else { "is empty" };
        (format!("{input} {what}"), "see whether the program that writes it failed")
    } else if are_files || snapshot.not_objects > 0 {
        (format!("no Kubernetes object is in {input}"), "name the files or the folder that hold manifests")
    } else {
        (format!("no manifest (*.yaml, *.yml, *.json) is in {input}"), "name the files or the folder that hold manifests")
    };
    Some(format!("{called}nothing was judged: {what}; {todo} (--allow-partial makes the exit status 0)"))
}
