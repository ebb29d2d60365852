//! Running the rules over a snapshot.

use crate::finding::Finding;
use crate::rule::{Context, NotJudged, Options, Sink};
use crate::rules;
use crate::schema;
use crate::secrets;
use mesh_model::{Node, Object};
use mesh_resolver::Mesh;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// What the rules said of one world, sorted by place.
pub struct Report<'a> {
    pub findings: Vec<Finding<'a>>,
    pub not_judged: BTreeMap<NotJudged, usize>,
}

/// Runs the rules that `wanted` lets through.
pub fn analyze<'a>(mesh: &'a Mesh<'a>, options: &'a Options, wanted: impl Fn(&rules::Rule) -> bool + Sync) -> Report<'a> {
    let selected: Vec<_> = rules::all().filter(|r| wanted(r)).collect();
    let form = selected.iter().any(|r| r.codes.iter().any(|c| is_form(c.id)));
    let faults = if form { schema::faults(&mesh.snapshot.objects, options) } else { Vec::new() };
    let cx = Context { mesh, options, faults };
    let mut all = Sink::default();
    if mesh.clusters().is_empty() {
        all.merge(run(&cx, &selected));
    } else {
        let (of_all, of_one): (Vec<&rules::Rule>, Vec<_>) = selected.into_iter().partition(|r| rules::spans_clusters(r));
        all.merge(run(&cx, &of_all));
        for mesh in mesh.clusters() {
            all.merge(run(&Context { mesh, options, faults: Vec::new() }, &of_one));
        }
    }
    let mut findings = all.findings;
    yield_to_validation(&mut findings);
    findings.iter_mut().for_each(secrets::hide);
    findings.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message)));
    findings.dedup_by(|a, b| key(a) == key(b) && a.message == b.message);
    Report { findings, not_judged: all.not_judged }
}

fn run<'a>(cx: &Context<'a>, selected: &[&rules::Rule]) -> Sink<'a> {
    let one = |rule: &&rules::Rule| {
        let mut sink = Sink::default();
        (rule.run)(cx, &mut sink);
        sink
    };
    // One a job: some cost a hundred times of others.
    let sinks: Vec<Sink<'a>> = selected.par_iter().with_max_len(1).map(one).collect();
    let mut all = Sink::default();
    sinks.into_iter().for_each(|s| all.merge(s));
    all
}

fn key<'k>(f: &'k Finding<'_>) -> (&'k str, u32, crate::Level, &'static str, &'k str, &'k str) {
    (f.at.source().name(), f.at.span().start, f.level, f.code.id, f.object.namespace(), f.object.name())
}

fn is_form(id: &str) -> bool {
    id.starts_with("MSH05")
}

/// One fault, one finding: where Istio's validation (IST0106) speaks of a value, what its schema says of the same
/// value is left out. A field that does not exist or a version is never the same fault.
fn yield_to_validation(findings: &mut Vec<Finding<'_>>) {
    let place = |o: &Object| (std::ptr::from_ref(o.tree().as_ref()) as usize, o.root().id());
    let mut refused: FxHashMap<(usize, u32), Vec<Node<'_>>> = FxHashMap::default();
    for f in findings.iter().filter(|f| f.code.id == "IST0106") {
        refused.entry(place(f.object)).or_default().push(f.at);
    }
    if refused.is_empty() {
        return;
    }
    // A mapping of which nothing is left but fields that do not exist is "empty" for that reason alone.
    let unknown: FxHashSet<_> = findings.iter().filter(|f| f.code.id == "MSH0501").map(|f| (place(f.object).0, f.at.id())).collect();
    findings.retain(|f| {
        if f.code.id == "IST0106" && f.at.is_mapping() && !f.at.is_empty() {
            let tree = place(f.object).0;
            return !f.at.entries().all(|(k, _)| unknown.contains(&(tree, k.id())));
        }
        let may_yield = is_form(f.code.id) && !matches!(f.code.id, "MSH0501" | "MSH0508" | "MSH0509" | "MSH0511");
        !may_yield || !refused.get(&place(f.object)).is_some_and(|nodes| nodes.iter().any(|n| same_fault(f, *n)))
    });
}

fn same_fault(f: &Finding<'_>, other: Node<'_>) -> bool {
    let (a, b) = (f.at, other);
    let whole = |n: Node<'_>| n == f.object.root() || n == f.object.name_node() || f.object.spec() == Some(n);
    let inside = |a: Node<'_>, b: Node<'_>| a.id() <= b.id() && b.id() < a.end_id();
    match (whole(a), whole(b)) {
        (true, true) => true,
        (false, false) => inside(a, b) || inside(b, a),
        _ => a == b,
    }
}
