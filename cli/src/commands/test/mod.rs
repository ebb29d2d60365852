//! `meshctl test`: assertions as unit tests for a mesh: about requests, from dumps or manifests, and about edges of the traffic
//! graph, from metrics.

mod edge;
mod encryption;
mod expect;
mod field;
mod follow;
mod judge;
mod measured;
mod members;
mod report;
mod spec;

use crate::args::test::TestArgs;
use crate::context::Context;
use crate::mesh_input::{self, Sources};
use crate::status::{Failure, Outcome, Status};
use judge::{Judged, Known, judge};
use measured::Place;
use members::Members;
use mesh_model::Snapshot;
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, domain_of};
use report::Counts;
use spec::{Case, Suite, Test};
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
    let place = Place { base: beside, from, from_base: Path::new(&base) };
    let is_edge = |t: &Test| matches!(t.case, Ok(Case::Call(_)));
    let (edges, others) = (suite.tests.iter().any(is_edge), suite.tests.iter().any(|t| t.case.is_ok() && !is_edge(t)));
    let mut input = None;
    // Files of series are no configuration; what is left is asked for objects too.
    let configured: Vec<String> = from.iter().filter(|word| !measured::is_series(&place, word)).cloned().collect();
    if others && configured.is_empty() {
        return Err(Failure::usage(format!("{}: what is asked? Name dumps or manifests with --from, or in the file: `from: [k8s/]`", suite.file)));
    }
    if !configured.is_empty() {
        let own = suite.mesh_config.as_ref().map(|file| beside.join(file));
        let mesh_config = args.mesh_config_file.as_deref().or(own.as_deref());
        let read = mesh_input::read_all(&Sources { from: &configured, base: &base, complete: true, mesh_config, ..Sources::default() }, context)?;
        // What is missing in manifests that count as the whole mesh would count as not existing.
        if !read.gaps.is_empty() && (read.knows_manifests() || read.held.is_empty()) {
            return Err(Failure::input(read.gaps.join("\n")));
        }
        if others && read.held.is_empty() && !read.knows_manifests() {
            let why = if read.problems().next().is_some() { read.problems().cloned().collect::<Vec<_>>().join("\n") } else { NOTHING.to_owned() };
            return Err(Failure::input(why));
        }
        input = Some(read);
    }
    let objects = input.as_ref().filter(|i| i.knows_manifests()).map(|i| &i.snapshot);
    let traffic = if edges { measured::read(args, suite, &place, objects, context) } else { Ok(None) };
    let traffic = match traffic {
        Ok(found) => found.ok_or_else(|| NO_METRICS.to_owned()),
        // Who does not answer costs the tests of edges alone.
        Err(Failure::Other(why)) if others => Err(why),
        Err(failure) => return Err(failure),
    };
    if let Ok(traffic) = &traffic {
        ran.unseen.extend(traffic.problems().iter().cloned());
    } else if edges && !others {
        return Err(Failure::usage(format!("{}: {NO_METRICS}", suite.file)));
    }
    let empty = Snapshot::new();
    let (snapshot, held) = match &mut input {
        Some(read) => {
            ran.unreadable = std::mem::take(&mut read.unreadable);
            ran.unseen.append(&mut read.unseen);
            (&read.snapshot, std::mem::take(&mut read.held))
        }
        None => (&empty, Vec::new()),
    };
    let mesh = Mesh::as_watched(snapshot, domain_of(snapshot));
    let model = Model::supposing(&mesh);
    let members = Members::new(&model, held);
    let known = Known { members: &members, traffic: traffic.as_ref().map_err(String::as_str) };
    ran.tests = suite.tests.iter().map(|t| judge(t, &known)).collect();
    Ok(ran)
}

const NO_METRICS: &str = "tests of edges need metrics: name a Prometheus with --prometheus, a recording, series or pages with --metrics, or \
                          in the file: `metrics: [mesh.rec]`";
const NOTHING: &str = "the sources hold neither a dump of a proxy nor manifests";
