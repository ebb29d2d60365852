//! One world: read, judged, suppressed.

use super::{Part, unjudged};
use crate::entry::{Entry, Names};
use crate::git::Tree;
use crate::load::{self, Shared};
use crate::select::Codes;
use crate::settings::{Setting, Settings};
use crate::status::Failure;
use crate::stdio::Progress;
use crate::suppress::{InInput, Seen, hidden_by};
use crate::worlds::{Plan, absolute};
use mesh_analyzers::{NotJudged, Report, Rule, analyze, code_of_problem, codes, rules};
use mesh_model::{Completeness, Problem, ProblemKind};
use mesh_resolver::Mesh;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What came of all worlds.
#[derive(Default)]
pub struct Answer {
    pub entries: Vec<Entry>,
    pub not_judged: BTreeMap<NotJudged, usize>,
    /// Input that could not be read.
    pub unreadable: Vec<Problem>,
    /// Charts and kustomizations.
    pub unrendered: Vec<Problem>,
    /// What was asked for beside the input and could not be seen.
    pub unseen: Vec<String>,
    /// Worlds of which nothing was judged, and what to do.
    pub unjudged: Vec<String>,
    pub suppressed: usize,
    pub objects: usize,
    pub files: usize,
    /// Contexts of the clusters that were read.
    pub clusters: Vec<String>,
    pub not_objects: usize,
    pub unknown_kinds: BTreeMap<String, usize>,
    /// Patterns of the command line that match nothing.
    pub unused_flags: Vec<String>,
    /// A world of which only a part was judged, whichever it was.
    pub is_part: bool,
}

/// Where the files of a plan are.
pub enum Files<'t> {
    AsTyped,
    OfRevision(&'t Tree),
}

impl Files<'_> {
    fn base_dir(&self, settings: &Settings) -> PathBuf {
        match self {
            Files::AsTyped => settings.base_dir.clone(),
            Files::OfRevision(tree) => tree.map_path(&settings.base_dir),
        }
    }
}

/// Whether a rule belongs to what is asked.
fn runs(rule: &Rule, settings: &Settings, part: Part) -> bool {
    let is_part = part == Part::All || rules::is_validation(rule) || rule.codes.contains(&&codes::MSH0005);
    let is_named = settings.rules.as_ref().is_none_or(|names| names.contains(rule.name));
    is_part && is_named && rule.codes.iter().any(|c| settings.codes.contains(c.id))
}

/// The codes that are looked for.
fn active(settings: &Settings, part: Part) -> Codes {
    let off = |id: &str| settings.levels.get(id) == Some(&Setting::Off);
    rules::all().filter(|r| runs(r, settings, part)).flat_map(|r| r.codes).map(|c| c.id).filter(|id| settings.codes.contains(id) && !off(id)).collect()
}

#[allow(clippy::too_many_arguments)]
pub fn world(
    plan: &Plan,
    settings: &Settings,
    shared: &Shared,
    part: Part,
    at: &Files<'_>,
    progress: &Progress,
    note: &dyn Fn(&str),
    answer: &mut Answer,
) -> Result<(), Failure> {
    look(plan, settings, shared, part, at, progress, note, answer, &mut |_, _| {})
}

/// The same, and shows what was read and found while the indexes are there.
#[allow(clippy::too_many_arguments)]
pub fn look(
    plan: &Plan,
    settings: &Settings,
    shared: &Shared,
    part: Part,
    at: &Files<'_>,
    progress: &Progress,
    note: &dyn Fn(&str),
    answer: &mut Answer,
    then: &mut dyn FnMut(&Mesh<'_>, &[Entry]),
) -> Result<(), Failure> {
    let called = if plan.name.is_empty() { String::new() } else { format!(" world {}", plan.name) };
    progress.phase(|| format!("reading{called}…"));
    let base_dir = at.base_dir(settings);
    let loaded = load::load(plan, settings, &base_dir, shared, note)?;
    let snapshot = &loaded.snapshot;
    progress.phase(|| format!("judging{called}: {} objects…", snapshot.objects.len()));
    let mesh = Mesh::new(snapshot);
    let wanted: BTreeSet<&str> = rules::all().filter(|r| runs(r, settings, part)).map(|r| r.name).collect();
    let Report { findings, not_judged } = analyze(&mesh, &settings.options, |rule| wanted.contains(rule.name));
    let active = active(settings, part);

    let names = Names::of(snapshot);
    let mut entries = Vec::with_capacity(findings.len());
    let mut in_input = InInput::new(snapshot);
    for finding in findings.into_iter().filter(|f| active.contains(f.code.id)) {
        let by_input = in_input.hides(&finding);
        let by_pattern = hidden_by(&settings.suppressions, finding.code, Some(finding.object), finding.at.source().name(), &base_dir);
        if by_input || by_pattern {
            answer.suppressed += 1;
        } else {
            entries.push(Entry::new(finding, &names));
        }
    }
    let mut file: Arc<str> = Arc::default();
    for problem in &snapshot.problems {
        let Some(code) = code_of_problem(problem.kind) else { continue };
        if !settings.codes.contains(code.id) {
            continue;
        }
        if hidden_by(&settings.suppressions, code, None, &problem.subject, &base_dir) {
            answer.suppressed += 1;
        } else {
            // Those of a file stand in a row.
            if *file != *problem.subject {
                file = problem.subject.as_str().into();
            }
            entries.push(Entry::of_problem(problem, &file, code, &names.world, &base_dir));
        }
    }
    let is_complete = snapshot.completeness == Completeness::Complete;
    let seen = if is_complete || not_judged.is_empty() { Seen::Whole } else { Seen::Part };
    if settings.codes.contains(codes::MSH0004.id) {
        entries.extend(in_input.unused(&active, seen, &base_dir));
    }
    if !plan.only.is_empty() {
        let wanted = |e: &Entry| e.place.as_ref().is_none_or(|p| plan.only.iter().any(|only| absolute(Path::new(p.file())).starts_with(only)));
        entries.retain(wanted);
    }
    entries.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| (a.origin(), &a.message).cmp(&(b.origin(), &b.message))));

    then(&mesh, &entries);
    answer.entries.extend(entries);
    for (reason, n) in not_judged {
        *answer.not_judged.entry(reason).or_default() += n;
    }
    for problem in &snapshot.problems {
        match problem.kind {
            ProblemKind::Unreadable => answer.unreadable.push(problem.clone()),
            ProblemKind::HelmTemplate | ProblemKind::Kustomize => answer.unrendered.push(problem.clone()),
            ProblemKind::Syntax | ProblemKind::Ignored | ProblemKind::Unseen => {}
        }
    }
    let (objects, files) = load::judged(&loaded);
    answer.unjudged.extend(unjudged::why(plan, settings, &loaded, objects));
    answer.objects += objects;
    answer.files += files;
    answer.clusters.extend(loaded.clusters.iter().cloned());
    answer.not_objects += snapshot.not_objects;
    for (kind, n) in &snapshot.unknown_kinds {
        *answer.unknown_kinds.entry(kind.clone()).or_default() += n;
    }
    answer.unseen.extend(loaded.unseen.iter().cloned());
    answer.is_part |= seen == Seen::Part;
    // Freeing millions of nodes one by one takes longer than the operating system does at the end.
    std::mem::forget(mesh);
    drop(in_input);
    std::mem::forget(loaded);
    Ok(())
}

fn order(e: &Entry) -> (&str, u32, mesh_analyzers::Level, &str) {
    let place = e.place.as_ref();
    (place.map_or("", |p| p.file()), place.map_or(0, |p| p.span.start), e.level, e.code.id)
}

impl Answer {
    /// What can be said once every world was judged.
    pub fn finish(&mut self, settings: &Settings, part: Part) {
        let active = active(settings, part);
        for pattern in settings.suppressions.iter().filter(|p| !p.used.get() && p.codes.iter().any(|c| active.contains(c))) {
            match &pattern.place {
                None => self.unused_flags.push(pattern.written.clone()),
                Some(place) if settings.codes.contains(codes::MSH0004.id) => {
                    let message = format!("the suppression `{}` matches no finding", pattern.written);
                    let mut entry = Entry::of_unused(None, place.clone(), &message, &Arc::default(), &settings.base_dir);
                    entry.help = Some("remove it".into());
                    if self.is_part {
                        entry.level = mesh_analyzers::Level::Info;
                    }
                    self.entries.push(entry);
                }
                Some(_) => {}
            }
        }
        self.entries.retain(|e| settings.namespaces.is_empty() || e.namespace().is_empty() || settings.namespaces.iter().any(|n| n == e.namespace()));
        // What Istio's webhook says of a match without effect is a warning; only `analyze` takes it lightly.
        if part == Part::Schema {
            for entry in self.entries.iter_mut().filter(|e| e.code == &codes::IST0131) {
                entry.level = mesh_analyzers::Level::Warning;
            }
        }
        set_levels(&mut self.entries, settings);
    }
}

/// Gives findings the levels of the configuration.
pub fn set_levels(entries: &mut Vec<Entry>, settings: &Settings) {
    entries.retain_mut(|e| match settings.levels.get(e.code.id) {
        Some(Setting::Off) => false,
        Some(Setting::Level(level)) => {
            e.level = *level;
            true
        }
        None => true,
    });
}
