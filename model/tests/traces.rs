//! Traces as trees, and where their time went.

use mesh_model::traces::{Criteria, Kind, Note, Span, Trace, Wanted, critical_path, self_times, summary, traces};
use proptest::prelude::*;

/// `id < parent service kind start+duration`.
fn span(id: &str, parent: &str, service: &str, kind: Kind, start: i64, duration: i64) -> Span {
    Span { trace: "t".into(), id: id.into(), parent: parent.into(), service: service.into(), operation: "op".into(), kind, start, duration, ..Span::default() }
}

fn path(trace: &Trace) -> Vec<(&str, i64, i64)> {
    critical_path(trace).iter().map(|s| (trace.spans[s.span].span.id.as_str(), s.from, s.to)).collect()
}

#[test]
fn the_critical_path_is_what_the_end_waited_for() {
    use Kind::*;
    // b and c at once, c ends later; then d.
    let trace = Trace::new(
        "t".into(),
        vec![span("a", "", "a", Server, 0, 100), span("b", "a", "a", Client, 10, 20), span("c", "a", "a", Client, 10, 40), span("d", "a", "a", Client, 60, 30)],
    );
    assert_eq!(path(&trace), [("a", 0, 10), ("c", 10, 50), ("a", 50, 60), ("d", 60, 90), ("a", 90, 100)]);
    assert_eq!(self_times(&trace), [100 - 40 - 30, 20, 40, 30]);
    assert_eq!(trace.notes, []);
    // What goes on after its parent is not waited for.
    let trace = Trace::new("t".into(), vec![span("a", "", "a", Server, 0, 10), span("b", "a", "a", Internal, 5, 5_000)]);
    assert_eq!((path(&trace), self_times(&trace)), (vec![("a", 0, 10)], vec![5, 5_000]));
    // But what is timed a little longer than its parent is.
    let trace = Trace::new("t".into(), vec![span("a", "", "a", Server, 0, 10), span("b", "a", "a", Client, 5, 50)]);
    assert_eq!(path(&trace), [("a", 0, 5), ("b", 5, 10)]);
}

#[test]
fn spans_whose_parents_are_missing_are_kept_and_named() {
    let trace =
        Trace::new("t".into(), vec![span("b", "x", "b", Kind::Server, 0, 5), span("c", "x", "b", Kind::Client, 1, 2), span("d", "c", "c", Kind::Server, 1, 1)]);
    assert_eq!(trace.notes, [Note::MissingParent { parent: "x".into(), children: 2 }, Note::NoRoot]);
    assert_eq!(trace.roots().count(), 2);
    assert_eq!(trace.spans.iter().map(|p| p.depth).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn a_clock_that_differs_is_put_right_and_named() {
    use Kind::*;
    let trace = Trace::new(
        "t".into(),
        vec![span("a", "", "a", Client, 0, 10_000), span("b", "a", "b", Server, -50_000, 6_000), span("c", "b", "b", Client, -49_000, 2_000)],
    );
    assert_eq!(trace.notes, [Note::Skew { late: "b".into(), by: "a".into(), shift: 52_000 }]);
    let starts: Vec<i64> = trace.spans.iter().map(|p| p.span.start).collect();
    assert_eq!(starts, [0, 2_000, 3_000]);
    assert_eq!(trace.duration(), 10_000);
}

#[test]
fn halves_of_a_shared_span_stand_below_each_other() {
    let server = Span { is_shared: true, ..span("a", "", "b", Kind::Server, 1, 8) };
    let trace = Trace::new("t".into(), vec![server, span("a", "", "a", Kind::Client, 0, 10), span("c", "a", "b", Kind::Client, 2, 3)]);
    assert_eq!(trace.spans.iter().map(|p| (p.span.service.as_str(), p.depth)).collect::<Vec<_>>(), [("a", 0), ("b", 1), ("b", 2)]);
    assert_eq!(trace.notes, []);
}

#[test]
fn circles_and_repetitions_end() {
    let trace =
        Trace::new("t".into(), vec![span("a", "b", "a", Kind::Client, 0, 5), span("b", "a", "a", Kind::Client, 1, 3), span("b", "a", "a", Kind::Client, 1, 3)]);
    assert_eq!(trace.notes, [Note::Repeated { spans: 1 }, Note::Circle { spans: 2 }, Note::NoRoot]);
    assert_eq!(trace.spans.len(), 2);
    let own = Trace::new("t".into(), vec![span("a", "a", "a", Kind::Client, 0, 5)]);
    assert_eq!(own.spans.len(), 1);
}

#[test]
fn criteria_ask_one_span_and_the_whole() {
    let mut failing = span("b", "a", "cart.shop", Kind::Server, 0, 5);
    failing.tags.insert("http.status_code".into(), "503".into());
    failing.tags.insert("response_flags".into(), "UH".into());
    let trace = Trace::new("t".into(), vec![span("a", "", "web", Kind::Server, 0, 10), failing]);
    let fits = |c: Criteria| c.fits(&trace);
    assert!(fits(Criteria { service: Some("cart".into()), wanted: Wanted::Errors, ..Criteria::default() }));
    assert!(fits(Criteria { tags: vec![("response_flags".into(), "UH".into())], least: Some(10), ..Criteria::default() }));
    assert!(!fits(Criteria { service: Some("web".into()), tags: vec![("response_flags".into(), "UH".into())], ..Criteria::default() }));
    assert!(!fits(Criteria { service: Some("car".into()), ..Criteria::default() }) && !fits(Criteria { least: Some(11), ..Criteria::default() }));
}

fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    let one = (0_u8..12, 0_u8..14, 0_u8..4, 0_u8..5, -20_i64..200, 0_i64..100);
    prop::collection::vec(one, 0..25).prop_map(|list| {
        list.into_iter()
            .map(|(id, parent, service, kind, start, duration)| {
                let kind = [Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer, Kind::Internal][usize::from(kind)];
                let parent = if parent > 12 { String::new() } else { format!("{parent}") };
                span(&format!("{id}"), &parent, &format!("s{service}"), kind, start * 100, duration * 100)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn whatever_comes_makes_a_forest_and_the_path_has_no_gap(spans in any_spans()) {
        let count = spans.iter().map(|s| (s.id.clone(), s.kind, s.service.clone())).collect::<std::collections::BTreeSet<_>>().len();
        let mut backwards = spans.clone();
        backwards.reverse();
        for trace in traces(spans.clone()) {
            prop_assert_eq!(trace.spans.len(), count);
            for (i, placed) in trace.spans.iter().enumerate() {
                prop_assert!(placed.parent.is_none_or(|p| p < i && trace.spans[p].children.contains(&i) && trace.spans[p].depth + 1 == placed.depth));
            }
            let own = self_times(&trace);
            prop_assert!(own.iter().zip(&trace.spans).all(|(own, p)| (0..=p.span.duration).contains(own)));
            // The path covers its root once, from its start to its end.
            let path = critical_path(&trace);
            prop_assert!(path.windows(2).all(|w| w[0].to == w[1].from) && path.iter().all(|s| s.from < s.to));
            let total: i64 = path.iter().map(|s| s.to - s.from).sum();
            prop_assert!(trace.roots().any(|r| trace.spans[r].span.duration == total), "{:?}", path);
            prop_assert_eq!(summary(std::slice::from_ref(&trace)).iter().map(|p| p.on_path).sum::<i64>(), total);
        }
    }
}
