//! Who does not hand trace headers on, told from what the proxies timed.

use mesh_model::traces::{Dropped, Kind, Span, dropped, traces};

/// What one proxy of a workload reports.
struct Proxy(&'static str, &'static str, Vec<Span>);

impl Proxy {
    /// By the kind of its node, `sidecar` or `router`, and the name of its workload.
    fn new(kind: &'static str, service: &'static str) -> Proxy {
        Proxy(kind, service, Vec::new())
    }

    fn span(mut self, trace: &str, parent: &str, kind: Kind, start: i64, duration: i64) -> Proxy {
        let Proxy(node, service, spans) = &mut self;
        let tags = [
            ("node_id", format!("{node}~10.0.0.1~{service}-v2-x.shop~shop.svc.cluster.local")),
            ("istio.namespace", "shop".into()),
            ("istio.canonical_service", (*service).into()),
            ("istio.canonical_revision", "v2".into()),
        ];
        spans.push(Span {
            trace: trace.into(),
            id: format!("{:x}", spans.len() + 1),
            parent: parent.into(),
            service: format!("{service}.shop"),
            kind,
            start,
            duration,
            tags: tags.map(|(k, v)| (k.to_owned(), v)).into(),
            ..Span::default()
        });
        self
    }

    /// So many requests, one every 100 ms, each of them served for 10 ms.
    fn serves(self, count: i64) -> Proxy {
        (0..count).fold(self, |p, i| p.span(&format!("a{i}"), "f", Kind::Server, i * 100_000, 10_000))
    }

    /// A call within each of these requests: with the trace of the request, or one of its own.
    fn hands_on(self, which: std::ops::Range<i64>) -> Proxy {
        which.fold(self, |p, i| p.span(&format!("a{i}"), "f", Kind::Client, i * 100_000 + 2_000, 3_000))
    }
    fn begins(self, which: std::ops::Range<i64>, after: i64) -> Proxy {
        which.fold(self, |p, i| p.span(&format!("b{i}"), "", Kind::Client, i * 100_000 + after, 3_000))
    }

    fn judged(self) -> Vec<Dropped> {
        dropped(&traces(self.2))
    }
}

fn reviews() -> Proxy {
    Proxy::new("sidecar", "reviews")
}

#[test]
fn who_begins_traces_while_it_serves_is_named() {
    let found = reviews().serves(8).begins(0..8, 2_000).judged();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.service.as_str(), one.namespace.as_str(), one.calls, one.begun), ("reviews.shop", "shop", 8, 8));
    let text = one.to_string();
    assert!(text.starts_with("8 of 8 outgoing calls of reviews-v2 began traces of their own") && text.contains("traceparent"), "{text}");
    // One of two libraries does.
    let found = reviews().serves(8).hands_on(0..8).begins(0..8, 5_000).judged();
    assert_eq!(found.iter().map(|d| (d.calls, d.begun)).collect::<Vec<_>>(), [(16, 8)]);
}

#[test]
fn who_hands_on_and_who_calls_nobody_are_not() {
    assert_eq!(reviews().serves(20).hands_on(0..20).judged(), []);
    assert_eq!(reviews().serves(20).judged(), []);
    assert_eq!(dropped(&[]), []);
    // Of many that are handed on some few are not.
    assert_eq!(reviews().serves(60).hands_on(0..60).begins(0..6, 5_000).judged(), []);
}

#[test]
fn what_a_workload_does_by_itself_begins_traces() {
    // Without any request, between requests, and now and then during one.
    assert_eq!(reviews().begins(0..20, 0).judged(), []);
    assert_eq!(reviews().serves(20).hands_on(0..20).begins(0..19, 50_000).judged(), []);
    assert_eq!(reviews().serves(20).begins(0..5, 2_000).begins(5..19, 50_000).judged(), []);
    // Who is always busy has all its calls during requests: that says nothing.
    let busy = (0..20).fold(reviews(), |p, i| p.span(&format!("a{i}"), "f", Kind::Server, i * 100_000, 99_000));
    assert_eq!(busy.begins(0..20, 50_000).judged(), []);
}

#[test]
fn calls_of_requests_that_were_not_sampled_say_nothing() {
    // Calls are sampled on their own: few of them belong to a request that was seen.
    let some = (0..10).fold(reviews(), |p, i| p.span(&format!("a{i}"), "f", Kind::Server, i * 1_000_000, 10_000));
    assert_eq!(some.begins(0..90, 2_000).judged(), []);
}

#[test]
fn few_spans_and_other_proxies_are_not_judged() {
    assert_eq!(reviews().serves(4).begins(0..4, 2_000).judged(), []);
    assert_eq!(reviews().serves(20).begins(0..4, 2_000).judged(), []);
    assert_eq!(reviews().serves(5).begins(0..5, 2_000).judged().len(), 1);
    for kind in ["router", "waypoint", ""] {
        assert_eq!(Proxy::new(kind, "gateway").serves(20).begins(0..20, 2_000).judged(), [], "{kind}");
    }
    // What happened before the first request that was seen, and after the last, is not counted.
    let found = reviews().serves(5).begins(0..5, 2_000).begins(10..200, 2_000).judged();
    assert_eq!(found.iter().map(|d| (d.calls, d.begun)).collect::<Vec<_>>(), [(5, 5)]);
}

#[test]
fn a_clock_that_was_put_right_is_taken_as_it_was() {
    // The caller's clock is 10 s ahead: the trace of the request is moved, the one that began here is not.
    let mut spans = reviews().serves(8).begins(0..8, 2_000).2;
    let callers: Vec<Span> = (0..8)
        .map(|i| Span {
            trace: format!("a{i}"),
            id: "f".into(),
            service: "web.shop".into(),
            kind: Kind::Client,
            start: 10_000_000 + i * 100_000,
            duration: 20_000,
            ..Span::default()
        })
        .collect();
    spans.extend(callers);
    let all = traces(spans);
    assert!(all.iter().any(|t| t.spans.iter().any(|p| p.shift != 0)));
    assert_eq!(dropped(&all).len(), 1);
}
