//! `meshctl drift`: what each proxy holds against what the manifests say that it should.

pub mod one_machine;

use crate::args::drift::DriftArgs;
use crate::cluster::{self, Takes};
use crate::commands::proxy_status::compare;
use crate::context::Context;
use crate::mesh_input::{self, Sources};
use crate::print::document::{Document, render};
use crate::reach::{self, Pods};
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_model::Role;
use mesh_resolver::translate::{ControlPlane, Model, domain_of};
use mesh_resolver::why::workload_of;
use mesh_resolver::{Held, Mesh, drift, laptop};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

const MANIFESTS: &str = "the manifests";
const NO_WORKLOAD: &str = "the manifests hold no workload of this proxy";

pub fn run(args: &DriftArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o takes text or json, not `{}`", args.output)));
    }
    let words = words(args);
    let sources = Sources {
        from: &words,
        complete: args.mesh.complete,
        mesh_config: args.mesh.mesh_config.as_deref(),
        connect: Some(&args.reach.connect),
        takes: Takes::KubeconfigAndSources,
        ..Sources::default()
    };
    let mut input = mesh_input::read_all(&sources, context)?;
    let mut problems: Vec<String> = input.problems().cloned().collect();
    let clusters: Vec<cluster::Source> = words.iter().filter_map(|w| cluster::Source::parse(w, Role::Judged)).collect();
    // Dumps that were given are what is meant, and no pod is asked then.
    let is_bare = input.held.is_empty();
    for cluster in clusters.iter().filter(|_| is_bare) {
        add_held(args, cluster, context, &mut input, &mut problems)?;
    }
    if input.held.is_empty() && clusters.is_empty() {
        return Err(Failure::usage("no proxy's config dump is among the sources: name one with -f, beside the manifests"));
    }
    if input.held.is_empty() {
        problems.push("no proxy of the cluster was compared".to_owned());
    }
    let mesh = Mesh::as_watched(&input.snapshot, domain_of(&input.snapshot));
    let mut models: Vec<(ControlPlane, Model<'_, '_>)> = Vec::new();
    let (mut text, mut values, mut differ) = (String::new(), Vec::new(), false);
    let mut all: Vec<(String, drift::Drift)> = Vec::new();
    let (here, elsewhere): (Vec<_>, Vec<_>) = input.held.iter().zip(&input.dumps).partition(|(_, dump)| laptop::put_back(dump).is_some());
    one_machine::compare(&input.snapshot, &here, &mut all, &mut problems);
    for (held, dump) in elsewhere {
        let key = drift::control_plane_of(&dump.to_string());
        let at = models.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            models.push((key, Model::of(&mesh, key)));
            models.len() - 1
        });
        let model = &models[at].1;
        let Some(id) = workload_of(model, held) else {
            problems.push(format!("{}: {NO_WORKLOAD}", held.name));
            continue;
        };
        match drift::compare(model, id, dump) {
            Ok(found) => all.push((held.name.clone(), found)),
            Err((_, e)) => problems.push(format!("{}: {e}", held.name)),
        }
    }
    let mut not_judged: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, found) in &all {
        differ |= !found.report.differences.is_empty();
        text += &compare::text(&found.report, MANIFESTS, name);
        values.push(value(name, found));
        found.not_judged.iter().for_each(|n| not_judged.entry(n).or_default().push(name));
    }
    let not_judged: Vec<String> = not_judged.iter().map(|(what, proxies)| format!("not judged for {}: {what}", named(proxies, all.len()))).collect();
    not_judged.iter().for_each(|n| _ = writeln!(text, "{}", safe(n)));
    if args.output == "text" {
        problems.iter().for_each(|p| context.note(&safe(p)));
    }
    problems.extend(not_judged);
    problems.dedup();
    let answer = match args.output.as_str() {
        "json" => render(&json!({"proxies": values, "complete": problems.is_empty(), "problems": problems}), Document::Json),
        _ => text,
    };
    context.answer(&answer)?;
    let own = match (differ, problems.is_empty()) {
        (true, _) => Status::NotFine,
        (false, false) => context.partial,
        (false, true) => Status::Fine,
    };
    Ok(own.max(input.status(context)))
}

/// The sources; without any the current cluster.
fn words(args: &DriftArgs) -> Vec<String> {
    let mut words = args.mesh.from.clone();
    if words.is_empty() {
        words.push("kube".to_owned());
    }
    // `kube` and `--context NAME` together mean one cluster, the named one.
    if let Some(context) = &args.reach.context {
        words.iter_mut().filter(|w| *w == "kube").for_each(|w| *w = format!("kube:{context}"));
    }
    words
}

/// Adds what the proxies of a cluster hold.
fn add_held(args: &DriftArgs, cluster: &cluster::Source, context: &Context, input: &mut mesh_input::Input, problems: &mut Vec<String>) -> Result<(), Failure> {
    let which = if args.all_pods { Pods::All } else { Pods::OnePerWorkload };
    let (pages, left_out) = reach::held(cluster.context.as_deref(), &args.reach, args.mesh.namespace.as_deref(), which, context)?;
    problems.extend(left_out);
    for (pod, page) in pages {
        let read = page.map_err(|e| e.to_string()).and_then(|reached| {
            let dump: Value = serde_json::from_str(&reached.page.text).map_err(|e| format!("{pod}: {e}"))?;
            Held::read(&pod, &dump).map(|held| (held, dump)).map_err(|e| format!("{pod}: {e}"))
        });
        match read {
            Ok((held, dump)) => {
                input.held.push(held);
                input.dumps.push(dump);
            }
            Err(why) => problems.push(why),
        }
    }
    Ok(())
}

/// Proxies that a line names; the others are counted.
const SHOWN: usize = 3;

/// `a.ns, b.ns`, `12 proxies (a.ns, b.ns, c.ns and 9 more)`, `all 12 proxies`.
fn named(proxies: &[&str], all: usize) -> String {
    let first = proxies.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match proxies.len() {
        n if n <= SHOWN => first,
        n if n == all => format!("all {n} proxies"),
        n => format!("{n} proxies ({first} and {} more)", n - SHOWN),
    }
}

fn value(name: &str, found: &drift::Drift) -> Value {
    let mut out = compare::value(&found.report, MANIFESTS, name, &[]);
    if let Some(map) = out.as_object_mut() {
        map.remove("complete");
        map.remove("problems");
        map.insert("proxy".to_owned(), name.into());
        map.insert("notJudged".to_owned(), found.not_judged.clone().into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn many_proxies_are_counted() {
        let of = |n: usize, all| named(&["a", "b", "c", "d", "e"][..n], all);
        assert_eq!([of(2, 2), of(3, 9), of(5, 5), of(5, 6)], ["a, b", "a, b, c", "all 5 proxies", "5 proxies (a, b, c and 2 more)"]);
    }
}
