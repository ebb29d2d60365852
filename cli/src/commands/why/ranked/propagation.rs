//! Who does not hand trace headers on, as a server of traces has it: nothing fails for it, so it comes last.

use super::Line;
use crate::args::traces::TraceServerArgs;
use crate::args::why::WhyArgs;
use crate::beside::{Pending, Round};
use crate::commands::generate::maker;
use crate::dump::block_on;
use crate::status::Failure;
use crate::telemetry::{duration, traces};
use mesh_collectors::traces::server::{Answer, Search};
use mesh_model::traces::{Criteria, Dropped, dropped};
use mesh_resolver::Mesh;
use std::collections::BTreeSet;

/// Traces that are looked at, the newest.
const TRACES: usize = 100;
const WITHOUT: &str = "who does not hand trace headers on was not seen";

/// A server of traces that was asked.
pub struct Asked {
    name: String,
    answer: Pending<Result<Answer, Failure>>,
}

/// Asks the server that is named, if one is, for what there was until a time in seconds since the epoch. Where one thing is asked about
/// nobody is asked: no call to it fails for this.
pub fn ask(round: &Round, args: &WhyArgs, to: i64) -> Result<Option<Asked>, Failure> {
    let mut of_server = args.traces.clone();
    of_server.trace_timeout = format!("{}ms", round.whole().as_millis());
    if args.who.is_some() {
        return Ok(None);
    }
    let Some(server) = traces::server(&of_server)? else { return Ok(None) };
    let from = to - duration("--since", &args.since)? / 1000;
    let search = Search { criteria: Criteria::default(), from, to, limit: TRACES };
    let name = format!("traces of {}", server.client.url());
    let answer = round.ask(move || block_on(server.search(&search))?.map_err(|e| Failure::none(e.to_string())));
    Ok(Some(Asked { name, answer }))
}

impl Asked {
    /// What is found in the answer; what could not be had is a problem.
    pub fn take(self, round: &Round, problems: &mut Vec<String>) -> Vec<Dropped> {
        match self.answer.take() {
            Some(Ok(answer)) => {
                problems.extend(answer.problems);
                dropped(&answer.traces)
            }
            Some(Err(why)) => {
                problems.push(format!("traces of {why}; without them {WITHOUT}"));
                Vec::new()
            }
            None => {
                problems.push(round.silent(&self.name, WITHOUT));
                Vec::new()
            }
        }
    }
}

/// A line for each.
pub fn lines(all: &[Dropped], mesh: &Mesh<'_>, args: &TraceServerArgs, demo: Option<&str>) -> Vec<Line> {
    let source = match demo {
        Some(source) => source.to_owned(),
        None if args.zipkin.is_some() => "--zipkin $MESHCTL_ZIPKIN".to_owned(),
        None if args.tempo.is_some() => "--tempo $MESHCTL_TEMPO".to_owned(),
        None => "--jaeger $MESHCTL_JAEGER".to_owned(),
    };
    let line = |d: &Dropped| {
        let name = name(d, mesh);
        Line {
            subject: format!("workload {}/{name}", d.namespace),
            what: format!("workload {}/{name}: {}", d.namespace, d.text(&name)),
            more: format!("meshctl traces --service {} --limit {TRACES} {source}", d.service),
        }
    };
    all.iter().map(line).collect()
}

/// The workload that has these tags, where the objects know exactly one, else what its tags call it.
fn name(dropped: &Dropped, mesh: &Mesh<'_>) -> String {
    let is_it = |w: &&mesh_resolver::Workload<'_>| {
        let is_of = |key: &str, value: &str| w.label(key) == Some(value);
        w.namespace == dropped.namespace
            && is_of("service.istio.io/canonical-name", &dropped.canonical)
            && is_of("service.istio.io/canonical-revision", &dropped.revision)
    };
    let names: BTreeSet<&str> = mesh.workloads.all().iter().filter(is_it).map(maker).collect();
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => (*one).to_owned(),
        _ => dropped.name(),
    }
}
