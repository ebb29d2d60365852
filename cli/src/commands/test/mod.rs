//! `meshctl test`: assertions about requests as unit tests for a mesh, from dumps or manifests.

mod expect;
mod field;
mod follow;
mod judge;
mod members;
mod report;
mod sources;
mod spec;

use crate::args::test::TestArgs;
use crate::context::Context;
use crate::status::{Failure, Outcome, Status};
use judge::{Judged, judge};
use members::{Members, read_manifests};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, domain_of};
use report::Counts;
use sources::Sources;
use spec::Suite;
use std::path::{Path, PathBuf};

/// A file, and what came of its tests.
pub struct Ran<'s> {
    pub suite: &'s Suite,
    /// The sources that were asked, as they were named.
    pub sources: Vec<String>,
    /// What of them could not be read.
    pub problems: Vec<String>,
    pub tests: Vec<Judged<'s>>,
}

pub fn run(args: &TestArgs, context: &Context) -> Outcome {
    let mut suites = Vec::new();
    for path in &args.files {
        suites.push((path, Suite::read(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?));
    }
    let mut files = Vec::new();
    for (path, suite) in &suites {
        files.push(of_file(args, path, suite)?);
    }
    context.answer(&report::render(&files, args.output))?;
    let counts = Counts::of(&files);
    let readable = counts.unreadable == 0 && files.iter().all(|f| f.suite.complaints.is_empty() && f.problems.is_empty());
    Ok(match counts {
        Counts { failed: 1.., .. } => Status::NotFine,
        _ if !readable => Status::Unreadable,
        Counts { not_judged: 1.., .. } => context.partial,
        _ => Status::Fine,
    })
}

fn of_file<'s>(args: &TestArgs, path: &Path, suite: &'s Suite) -> Result<Ran<'s>, Failure> {
    // What the file names lies beside it; what is typed, where it is typed.
    let (from, base) = match args.from.as_slice() {
        [] => (&suite.from, path.parent().unwrap_or(Path::new("")).to_owned()),
        typed => (&typed.to_vec(), PathBuf::new()),
    };
    let mut ran = Ran { suite, sources: from.clone(), problems: Vec::new(), tests: Vec::new() };
    if suite.tests.is_empty() {
        return Ok(ran);
    }
    if from.is_empty() {
        return Err(Failure::usage(format!("{}: what is asked? Name dumps or manifests with --from, or in the file: `from: [k8s/]`", suite.file)));
    }
    match sources::read(from, &base)? {
        Sources::Dumps(pages, problems) => {
            let (members, unread) = Members::of_dumps(pages);
            ran.problems = problems.into_iter().chain(unread).collect();
            ran.tests = suite.tests.iter().map(|t| judge(t, &members)).collect();
        }
        Sources::Manifests(paths) => {
            let own = suite.mesh_config.as_ref().map(|file| path.parent().unwrap_or(Path::new("")).join(file));
            let snapshot = read_manifests(&paths, args.mesh_config_file.as_ref().or(own.as_ref()).map(PathBuf::as_path))?;
            let mesh = Mesh::in_domain(&snapshot, domain_of(&snapshot));
            let model = Model::new(&mesh);
            let members = Members::of_manifests(&model);
            ran.tests = suite.tests.iter().map(|t| judge(t, &members)).collect();
        }
    }
    Ok(ran)
}
