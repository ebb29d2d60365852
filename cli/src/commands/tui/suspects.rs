//! What best explains the calls that fail, that are slow or that are tried again, as `why` ranks it.

use crate::commands::why::ranked::{State, changes};
use mesh_analyzers::ranking::{Counted, Evidence, Fault, rank};
use mesh_analyzers::{Options, analyze};
use mesh_model::graph::Graph;
use mesh_resolver::Mesh;

/// Such calls, the most failures first, each with its suspects.
pub fn of(graph: &Graph, counted: &Counted, mesh: &Mesh<'_>, state: &State, now: i64) -> Vec<Fault> {
    let (none, changes) = (Vec::new(), changes(mesh.snapshot, now));
    let evidence =
        |findings| Evidence { graph, mesh, hosts: &state.hosts, empty: &state.empty, findings, rejections: &[], distrusts: &[], counted, changes: &changes };
    // Where nothing is wrong there is nothing to judge.
    if rank(&evidence(&none)).is_empty() {
        return Vec::new();
    }
    let options = Options::default();
    let findings = analyze(mesh, &options, |_| true).findings;
    rank(&evidence(&findings))
}
