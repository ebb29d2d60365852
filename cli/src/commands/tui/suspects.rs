//! What best explains the calls that fail, as `why` ranks it.

use super::dumps::Found;
use crate::commands::why::ranked::{State, changes, endpoints};
use mesh_analyzers::ranking::{Evidence, Fault, FaultKind, rank};
use mesh_analyzers::{Options, analyze};
use mesh_model::graph::Graph;
use mesh_resolver::Mesh;

/// Calls that fail, the most failures first, each with its suspects.
pub fn of(graph: &Graph, mesh: &Mesh<'_>, dumps: &Found, now: i64) -> Vec<Fault> {
    let mut state = State::default();
    dumps.each(&mut |proxy| endpoints(proxy, &mut state));
    state.sort();
    let (none, changes) = (Vec::new(), changes(mesh.snapshot, now));
    let evidence = |findings| Evidence {
        graph,
        mesh,
        hosts: &state.hosts,
        empty: &state.empty,
        findings,
        rejections: &[],
        distrusts: &[],
        retried: &[],
        changes: &changes,
    };
    // Calls that are slow have a colour of their own there.
    let failing = |faults: Vec<Fault>| faults.into_iter().filter(|f| f.kind == FaultKind::Fails).collect::<Vec<_>>();
    // Where nothing fails there is nothing to judge.
    if failing(rank(&evidence(&none))).is_empty() {
        return Vec::new();
    }
    let options = Options::default();
    let findings = analyze(mesh, &options, |_| true).findings;
    failing(rank(&evidence(&findings)))
}
