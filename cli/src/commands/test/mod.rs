//! `meshctl test`: assertions about requests as unit tests for a mesh, from dumps or manifests.

mod encryption;
mod expect;
mod field;
mod follow;
mod judge;
mod members;
mod report;
mod spec;

use crate::args::test::TestArgs;
use crate::context::Context;
use crate::mesh_input::{self, Sources};
use crate::status::{Failure, Outcome, Status};
use judge::{Judged, judge};
use members::Members;
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, domain_of};
use report::Counts;
use spec::Suite;
use std::path::Path;

/// A file, and what came of its tests.
pub struct Ran<'s> {
    pub suite: &'s Suite,
    /// The sources that were asked, as they were named.
    pub sources: Vec<String>,
    /// What of them could not be read.
    pub unreadable: Vec<String>,
    /// What of them could not be seen.
    pub unseen: Vec<String>,
    pub tests: Vec<Judged<'s>>,
}

pub fn run(args: &TestArgs, context: &Context) -> Outcome {
    let mut suites = Vec::new();
    for path in &args.files {
        suites.push((path, Suite::read(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?));
    }
    let mut files = Vec::new();
    for (path, suite) in &suites {
        files.push(of_file(args, path, suite, context)?);
    }
    context.answer(&report::render(&files, args.output))?;
    let counts = Counts::of(&files);
    let readable = counts.unreadable == 0 && files.iter().all(|f| f.suite.complaints.is_empty() && f.unreadable.is_empty());
    let unseen = files.iter().any(|f| !f.unseen.is_empty());
    Ok(match counts {
        Counts { failed: 1.., .. } => Status::NotFine,
        _ if !readable => Status::Unreadable,
        Counts { not_judged: 1.., .. } => context.partial,
        _ if unseen => context.partial,
        _ => Status::Fine,
    })
}

fn of_file<'s>(args: &TestArgs, path: &Path, suite: &'s Suite, context: &Context) -> Result<Ran<'s>, Failure> {
    // What the file names lies beside it; what is typed, where it is typed.
    let beside = path.parent().unwrap_or(Path::new(""));
    let (from, base) = match args.from.as_slice() {
        [] => (suite.from.as_slice(), beside.display().to_string()),
        typed => (typed, String::new()),
    };
    let mut ran = Ran { suite, sources: from.to_vec(), unreadable: Vec::new(), unseen: Vec::new(), tests: Vec::new() };
    if suite.tests.is_empty() {
        return Ok(ran);
    }
    if from.is_empty() {
        return Err(Failure::usage(format!("{}: what is asked? Name dumps or manifests with --from, or in the file: `from: [k8s/]`", suite.file)));
    }
    let own = suite.mesh_config.as_ref().map(|file| beside.join(file));
    let mesh_config = args.mesh_config_file.as_deref().or(own.as_deref());
    let mut input = mesh_input::read_all(&Sources { from, base: &base, complete: true, mesh_config }, context)?;
    // What is missing in manifests that count as the whole mesh would count as not existing.
    if !input.gaps.is_empty() && (input.knows_manifests() || input.held.is_empty()) {
        return Err(Failure::input(input.gaps.join("\n")));
    }
    if input.held.is_empty() && !input.knows_manifests() {
        let why = if input.problems().next().is_some() { input.problems().cloned().collect::<Vec<_>>().join("\n") } else { NOTHING.to_owned() };
        return Err(Failure::input(why));
    }
    let held = std::mem::take(&mut input.held);
    let mesh = Mesh::in_domain(&input.snapshot, domain_of(&input.snapshot));
    let model = Model::supposing(&mesh);
    let members = Members::new(&model, held);
    ran.tests = suite.tests.iter().map(|t| judge(t, &members)).collect();
    (ran.unreadable, ran.unseen) = (input.unreadable, input.unseen);
    Ok(ran)
}

const NOTHING: &str = "the sources hold neither a dump of a proxy nor manifests";
