//! Running the rules over a snapshot.

use crate::finding::Finding;
use crate::rule::{Context, NotJudged, Options, Sink};
use crate::rules;
use mesh_resolver::Mesh;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What the rules said of one world, sorted by place.
pub struct Report<'a> {
    pub findings: Vec<Finding<'a>>,
    pub not_judged: BTreeMap<NotJudged, usize>,
}

/// Runs the rules that `wanted` lets through.
pub fn analyze<'a>(mesh: &'a Mesh<'a>, options: &'a Options, wanted: impl Fn(&rules::Rule) -> bool + Sync) -> Report<'a> {
    let cx = Context { mesh, options };
    let selected: Vec<_> = rules::all().filter(|r| wanted(r)).collect();
    let sinks: Vec<Sink<'a>> = selected
        .par_iter()
        .map(|rule| {
            let mut sink = Sink::default();
            (rule.run)(&cx, &mut sink);
            sink
        })
        .collect();
    let mut all = Sink::default();
    for sink in sinks {
        all.merge(sink);
    }
    let mut findings = all.findings;
    findings.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message)));
    findings.dedup_by(|a, b| key(a) == key(b) && a.message == b.message);
    Report { findings, not_judged: all.not_judged }
}

fn key<'k>(f: &'k Finding<'_>) -> (&'k str, u32, crate::Level, &'static str, &'k str, &'k str) {
    (f.at.source().name(), f.at.span().start, f.level, f.code.id, f.object.namespace(), f.object.name())
}
