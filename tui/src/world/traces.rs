//! Traces: a line of each for lists, and which of them a node took part in.

use super::traffic::Key;
use crate::graph::Health;
use mesh_model::traces::{Span, Trace};

/// What a list shows of a trace. Times are in microseconds, starts since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub start: i64,
    pub duration: i64,
    pub spans: usize,
    pub services: usize,
    pub errors: usize,
    /// Envoy's flags in it, with blanks between; "" for none.
    pub flags: String,
    /// Service and operation of its first span.
    pub begins: String,
    pub health: Health,
}

/// The traces that were read, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traces {
    pub all: Vec<Trace>,
    /// One for each of `all`.
    pub lines: Vec<Line>,
    /// What `meshctl traces` takes to read the same.
    pub arguments: String,
}

impl Traces {
    pub fn new(all: Vec<Trace>, arguments: String) -> Traces {
        let lines = all.iter().map(line).collect();
        Traces { all, lines, arguments }
    }

    /// The first and the last second in which one of them began.
    pub fn span(&self) -> Option<(i64, i64)> {
        let starts = || self.lines.iter().map(|l| l.start.div_euclid(1_000_000));
        Some((starts().min()?, starts().max()?))
    }

    /// Traces that a node took part in: those that failed there first, then the longest.
    pub fn of(&self, key: &Key) -> Vec<usize> {
        let mut found: Vec<(bool, i64, usize)> = Vec::new();
        for (i, trace) in self.all.iter().enumerate() {
            let own = || trace.spans.iter().map(|p| &p.span).filter(|s| is_of(s, key));
            if own().next().is_some() {
                found.push((own().any(Span::is_error), self.lines[i].duration, i));
            }
        }
        found.sort_by_key(|(failed, duration, i)| (std::cmp::Reverse((*failed, *duration)), *i));
        found.into_iter().map(|(_, _, i)| i).collect()
    }
}

fn line(trace: &Trace) -> Line {
    let root = trace.roots().next().map(|r| &trace.spans[r].span);
    let mut flags: Vec<&str> = trace.spans.iter().map(|p| p.span.flags()).filter(|f| !f.is_empty()).collect();
    flags.sort_unstable();
    flags.dedup();
    let errors = trace.errors();
    // A call that was tried again, or whose failure was covered up, is not the whole's failure.
    let health = match (errors, root.is_some_and(Span::is_error)) {
        (0, _) => Health::Ok,
        (_, true) => Health::Failing,
        (_, false) => Health::Degraded,
    };
    Line {
        start: trace.start(),
        duration: trace.duration(),
        spans: trace.spans.len(),
        services: trace.services().len(),
        errors,
        flags: flags.join(" "),
        begins: root.map_or(String::new(), |s| format!("{} {}", s.service, s.operation)),
        health,
    }
}

/// The workload that reported a span, `None` where its proxy says nothing of it.
pub fn workload(span: &Span) -> Option<Key> {
    // `sidecar~10.0.0.1~reviews-v1-5d9c7-x2x4f.bookinfo~bookinfo.svc.cluster.local`: a pod's name ends in two parts of its set's.
    let pod = span.tag("node_id").split('~').nth(2)?;
    let (pod, namespace) = pod.rsplit_once('.')?;
    let name = pod.rsplitn(3, '-').nth(2)?;
    Some((namespace.to_owned(), name.to_owned()))
}

/// Whether a span is of a workload, or of a service or app.
fn is_of(span: &Span, key: &Key) -> bool {
    let (namespace, name) = key;
    if workload(span).is_some_and(|w| w == *key) {
        return true;
    }
    let canonical = span.tag("istio.canonical_service");
    let is_here = namespace.is_empty() || span.tag("istio.namespace") == namespace || span.service.split_once('.').is_some_and(|(_, ns)| ns == namespace);
    let is_named = canonical == name || span.service.split('.').next() == Some(name.as_str());
    let with_revision = || format!("{canonical}-{}", span.tag("istio.canonical_revision"));
    is_here && (is_named || (!canonical.is_empty() && with_revision() == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_of_its_workload_its_service_and_its_revision() {
        let tags = [
            ("node_id", "sidecar~10.0.0.7~reviews-v3-5d9c7f-x2x4f.bookinfo~bookinfo.svc.cluster.local"),
            ("istio.canonical_service", "reviews"),
            ("istio.canonical_revision", "v3"),
            ("istio.namespace", "bookinfo"),
        ];
        let span = Span { service: "reviews.bookinfo".to_owned(), tags: tags.map(|(k, v)| (k.to_owned(), v.to_owned())).into(), ..Span::default() };
        let key = |ns: &str, name: &str| (ns.to_owned(), name.to_owned());
        assert_eq!(workload(&span), Some(key("bookinfo", "reviews-v3")));
        let plain = Span { tags: Default::default(), ..span.clone() };
        for (name, whole, bare) in [("reviews-v3", true, false), ("reviews", true, true), ("reviews-v2", false, false), ("review", false, false)] {
            assert_eq!((is_of(&span, &key("bookinfo", name)), is_of(&plain, &key("bookinfo", name))), (whole, bare), "{name}");
        }
        assert!(!is_of(&span, &key("shop", "reviews")));
    }
}
