//! A share of a service's requests for another version.

use super::Made;
use super::object;
use super::rules::{self, Changed, Layers};
use super::subsets;
use super::target::{self, Target};
use crate::args::generate::Canary;
use crate::status::Failure;
use mesh_resolver::Mesh;
use mesh_resolver::destination_rule;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub fn make(args: &Canary, mesh: &Mesh<'_>) -> Result<Made, Failure> {
    let target = target::find(&args.service, args.common.mesh.namespace.as_deref(), mesh)?;
    let stable = stable(args, &target, mesh)?;
    let mut rule = subsets::rule(mesh, &target);
    let mut names = Vec::new();
    let mut is_changed = rule.united.is_empty();
    for version in [stable.as_str(), &args.to] {
        let known = rule.united.iter().flat_map(|o| o.spec()).flat_map(|s| s.list("subsets")).find(|s| {
            let labels: Vec<_> = s.map("labels").collect();
            matches!(labels.as_slice(), [(k, v)] if k.text() == args.label && v.text() == version)
        });
        if let Some(subset) = known {
            names.push(subset.text_of("name").to_owned());
            continue;
        }
        let name = subset_name(version);
        if let Some((by, _)) = destination_rule::subset(&rule.united, &name) {
            return Err(Failure::none(format!("{} has a subset `{name}` of other labels than {}={version}: name it otherwise first", by.origin(), args.label)));
        }
        object::list(&mut rule.value["spec"], "subsets").push(json!({"name": name, "labels": {(args.label.as_str()): version}}));
        names.push(name);
        is_changed = true;
    }
    let change = |rule: &Value| split(rule, &names[0], &names[1], args.weight);
    let mut made = rules::edit(mesh, &target, Layers::HttpAndTcp, &change)?;
    made.notes.extend(rule.notes);
    if is_changed {
        // Subsets first: routes must not name what is not there yet.
        made.documents.insert(0, rule.value);
    }
    Ok(made)
}

/// The version that keeps the rest.
fn stable(args: &Canary, target: &Target<'_, '_>, mesh: &Mesh<'_>) -> Result<String, Failure> {
    let known: BTreeSet<&str> = target.workloads(mesh).iter().filter_map(|w| w.label(&args.label)).collect();
    let all = || known.iter().copied().collect::<Vec<_>>().join(", ");
    let is_there = |version: &str| known.is_empty() || known.contains(version);
    if let Some(missing) = std::iter::once(&args.to).chain(&args.stable).find(|v| !is_there(v)) {
        return Err(Failure::usage(format!("no workload of {} has {}={missing}; there is {}", target.host, args.label, all())));
    }
    match (&args.stable, known.iter().filter(|v| **v != args.to).collect::<Vec<_>>().as_slice()) {
        (Some(stable), _) if *stable == args.to => Err(Failure::usage("--stable and --to are the same version")),
        (Some(stable), _) => Ok(stable.clone()),
        (None, [one]) => Ok((**one).to_owned()),
        (None, []) => Err(Failure::usage("which version keeps the rest? name it with --stable, or the workloads with -f")),
        (None, _) => Err(Failure::usage(format!("which version keeps the rest? there is {}: name one with --stable", all()))),
    }
}

/// A subset's name is part of a cluster's name and of SNI.
fn subset_name(version: &str) -> String {
    let of = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    version.chars().map(of).collect::<String>().trim_matches('-').to_owned()
}

/// A rule that sends to no version, or to one of these, sends to both.
fn split(rule: &Value, stable: &str, canary: &str, weight: u8) -> Changed {
    let routes = rule["route"].as_array().map(Vec::as_slice).unwrap_or_default();
    let subsets: BTreeSet<&str> = routes.iter().map(|r| r["destination"]["subset"].as_str().unwrap_or("")).collect();
    if subsets.iter().any(|s| !["", stable, canary].contains(s)) {
        return Changed::Stays("it sends to other versions");
    }
    if subsets.iter().all(|s| *s == canary) && rule.get("match").is_some() {
        return Changed::Stays("what it matches goes to that version already");
    }
    let to = |subset: &str, weight: u8| {
        let mut one = routes.first().cloned().unwrap_or_default();
        one["destination"]["subset"] = subset.into();
        one["weight"] = weight.into();
        one
    };
    let mut out = rule.clone();
    out["route"] = json!([to(stable, 100 - weight), to(canary, weight)]);
    Changed::To(vec![out])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_of_these_versions_are_split() {
        let rule = |subset: &str| json!({"match": [{}], "route": [{"destination": {"host": "a", "subset": subset}, "headers": {"x": 1}}]});
        let is_split = |subset: &str| matches!(split(&rule(subset), "v1", "v2", 10), Changed::To(_));
        assert!(is_split("v1") && !is_split("v2") && !is_split("v3"));
        let plain = json!({"route": [{"destination": {"host": "a", "subset": "v2"}}]});
        let Changed::To(rules) = split(&plain, "v1", "v2", 10) else { panic!("it stays") };
        assert_eq!(rules[0]["route"][1], json!({"destination": {"host": "a", "subset": "v2"}, "weight": 10}));
        assert_eq!(subset_name("V1.2_a"), "v1-2-a");
    }
}
