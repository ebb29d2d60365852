//! What is made is judged before it is printed: by the analyzers, and by what changes for whom.

use mesh_analyzers::{Level, Options, analyze};
use mesh_collectors::manifests;
use mesh_model::{Object, Role, Snapshot};
use mesh_resolver::Mesh;
use mesh_resolver::plan::{Change, compare};
use mesh_resolver::translate::Model;
use mesh_resolver::why::Why;
use std::collections::BTreeSet;

use super::mesh_of;

/// The name of the text that is judged.
const NAME: &str = "(generated)";
/// How many callers are named.
const NAMED: usize = 5;

#[derive(Default)]
pub struct Verdict {
    /// Why it is not printed.
    pub refusals: Vec<String>,
    /// What is said beside it.
    pub notes: Vec<String>,
}

/// The mesh once the text is applied.
pub fn applied(before: &Snapshot, text: &str) -> Snapshot {
    let mut after = before.clone();
    let at = after.objects.len();
    manifests::add(&mut after, NAME, text.as_bytes().to_vec(), Role::Judged, 0);
    let made: BTreeSet<String> = after.objects[at..].iter().map(key).collect();
    let mut i = 0;
    after.objects.retain(|o| {
        i += 1;
        i > at || !made.contains(&key(o))
    });
    after
}

fn key(o: &Object) -> String {
    format!("{} {}/{}", o.kind_name(), o.namespace(), o.name())
}

/// Judges a text beside the mesh as it is. `is_wanted`: what gets worse, and is meant to.
pub fn judge(before: &Snapshot, text: &str, is_wanted: &dyn Fn(&Change) -> bool) -> Verdict {
    let after = applied(before, text);
    let (old, new) = (mesh_of(before), mesh_of(&after));
    let mut verdict = Verdict::default();
    findings(&old, &new, &mut verdict);
    let (old, new) = (Model::supposing(&old), Model::supposing(&new));
    let plan = compare(&Why::new(&old, &[]), &Why::new(&new, &[]));
    let mut unwanted = 0;
    for change in &plan.changes {
        match (change.is_worse, is_wanted(change)) {
            (true, false) => verdict.refusals.push(worse(change)),
            (true, true) => unwanted += 1,
            (false, _) => {}
        }
    }
    if !plan.changes.is_empty() && verdict.refusals.is_empty() {
        let meant = if unwanted > 0 { format!(", {unwanted} for the worse, as asked") } else { String::new() };
        verdict.notes.push(format!("plan: {} differences{meant}; {} requests compared", plan.changes.len(), plan.asked));
    }
    if plan.is_cut {
        verdict.notes.push(format!("plan: too much to ask: the first {} requests were compared", plan.asked));
    }
    verdict
}

/// Errors that were not there before, and what else is new in what is made.
fn findings(old: &Mesh<'_>, new: &Mesh<'_>, verdict: &mut Verdict) {
    let options = Options::default();
    let said = |f: &mesh_analyzers::Finding<'_>| format!("{} {}: {}", f.code.id, f.object.origin(), f.message);
    let known: BTreeSet<String> = analyze(old, &options, |_| true).findings.iter().map(said).collect();
    let found = analyze(new, &options, |_| true).findings;
    for f in found.iter().filter(|f| !known.contains(&said(f))) {
        match f.level {
            Level::Error => verdict.refusals.push(said(f)),
            Level::Warning => verdict.notes.push(said(f)),
            Level::Info => {}
        }
    }
}

fn worse(change: &Change) -> String {
    let more = change.clients.len().checked_sub(NAMED).filter(|n| *n > 0).map_or_else(String::new, |n| format!(" and {n} more"));
    let who = change.clients.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("{} of {} for {who}{more}: {} is {:?}, and would be {:?}", change.facet.name(), change.service, change.witness, change.before, change.after)
}
