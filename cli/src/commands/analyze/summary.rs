//! What is said beside the findings, on standard error.

use super::run::Answer;
use crate::entry::Age;
use crate::settings::Settings;
use mesh_analyzers::Level;
use mesh_model::{Problem, ProblemKind};

/// Notes of one sort that are shown at most.
const SHOWN: usize = 5;

/// What could not be read, and what was not judged at all.
pub fn before(answer: &Answer) -> String {
    let mut out = String::new();
    for problem in &answer.unreadable {
        let help = problem.help.as_ref().map_or_else(String::new, |h| format!("; {h}"));
        out.push_str(&format!("error: {}: {}{help}\n", problem.subject, problem.message));
    }
    for text in &answer.unseen {
        out.push_str(&format!("error: not seen: {text}\n"));
    }
    for text in &answer.unjudged {
        out.push_str(&format!("error: {text}\n"));
    }
    out
}

pub fn after(answer: &Answer, settings: &Settings, gone: Option<usize>, verbose: bool) -> String {
    let mut out = String::new();
    for kind in [ProblemKind::HelmTemplate, ProblemKind::Kustomize] {
        let list: Vec<&Problem> = answer.unrendered.iter().filter(|p| p.kind == kind).collect();
        let limit = if verbose { list.len() } else { SHOWN };
        for problem in list.iter().take(limit) {
            let help = problem.help.as_ref().map_or_else(String::new, |h| format!("; {h}"));
            out.push_str(&format!("note: {}: {}{help}\n", problem.subject, problem.message));
        }
        if list.len() > limit {
            out.push_str(&format!("note: and {} more like these (-v shows them)\n", list.len() - limit));
        }
    }
    if answer.not_objects > 0 {
        out.push_str(&format!("note: {} no Kubernetes object and not judged\n", count(answer.not_objects, "document is", "documents are")));
    }
    let unknown: usize = answer.unknown_kinds.values().sum();
    if unknown > 0 {
        let kinds: Vec<String> = answer.unknown_kinds.iter().take(if verbose { usize::MAX } else { SHOWN }).map(|(k, n)| format!("{k} ({n})")).collect();
        let more = if kinds.len() < answer.unknown_kinds.len() { ", …" } else { "" };
        out.push_str(&format!("note: {} of a kind that is not known here: {}{more}\n", count(unknown, "object is", "objects are"), kinds.join(", ")));
    }
    for written in &answer.unused_flags {
        out.push_str(&format!("note: --suppress `{written}` matches no finding\n"));
    }
    let references: usize = answer.not_judged.values().sum();
    if references > 0 {
        out.push_str(&format!("not judged, for want of input: {references}\n"));
        for (reason, n) in &answer.not_judged {
            out.push_str(&format!("  {n} × {}\n", reason.describe()));
        }
        out.push_str("  (`--world SRC` adds what exists beside the input, `--complete` says that there is nothing else)\n");
    }
    out.push_str(&result(answer, settings, gone));
    out
}

fn result(answer: &Answer, settings: &Settings, gone: Option<usize>) -> String {
    let of = |level| answer.entries.iter().filter(|e| e.level == level && e.age != Some(Age::Known)).count();
    let (errors, warnings, infos) = (of(Level::Error), of(Level::Warning), of(Level::Info));
    let clusters = answer.clusters.iter().map(|name| format!("cluster {name}"));
    let files = (answer.files > 0 || answer.clusters.is_empty()).then(|| count(answer.files, "file", "files"));
    let input = format!("{} of {}", count(answer.objects, "object", "objects"), files.into_iter().chain(clusters).collect::<Vec<_>>().join(" and "));
    let new = if gone.is_some() { "new " } else { "" };
    let mut out = if answer.objects == 0 && errors + warnings + infos == 0 {
        "no object was found that could be judged".to_owned()
    } else if errors + warnings + infos == 0 {
        format!("no {new}problem found in {input}")
    } else {
        let hidden = if infos > 0 && settings.threshold < Level::Info { " (not shown: --output-threshold info)" } else { "" };
        let errors = count(errors, "error", "errors");
        let warnings = count(warnings, "warning", "warnings");
        format!("{new}{errors}, {warnings}, {}{hidden} in {input}", count(infos, "info", "infos"))
    };
    if answer.suppressed > 0 {
        out.push_str(&format!("; {} suppressed", answer.suppressed));
    }
    if let Some(gone) = gone {
        let known = answer.entries.iter().filter(|e| e.age == Some(Age::Known)).count();
        out.push_str(&format!("; {known} known, {gone} gone"));
    }
    out.push('\n');
    out
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
