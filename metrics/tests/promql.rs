//! PromQL on small data, by the letter; what is refused, and where.

use mesh_metrics::promql::{self, Options, Rules, Value, parse, value_text};
use mesh_metrics::series::{Limits, NAME, Refused, STALE, Store, Target};
use mesh_metrics::text::scan;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

/// Samples every 30 s from 0 to 10 min.
fn store() -> Store {
    let mut store = Store::new(Limits::default());
    for step in 0..=20_i64 {
        let (at, n) = (step * 30_000, step as f64);
        let reset = if step > 10 { n - 11.0 } else { n };
        for (labels, value) in [
            (vec![(NAME, "requests_total"), ("app", "a"), ("code", "200")], n * 30.0),
            (vec![(NAME, "requests_total"), ("app", "a"), ("code", "500")], n * 3.0),
            (vec![(NAME, "requests_total"), ("app", "b"), ("code", "200")], reset * 60.0),
            (vec![(NAME, "size"), ("app", "a")], 4.0),
            (vec![(NAME, "size"), ("app", "b")], -2.5),
            (vec![(NAME, "latency_bucket"), ("app", "a"), ("le", "1")], n),
            (vec![(NAME, "latency_bucket"), ("app", "a"), ("le", "2")], n * 3.0),
            (vec![(NAME, "latency_bucket"), ("app", "a"), ("le", "+Inf")], n * 4.0),
            (vec![(NAME, "owner"), ("app", "a"), ("team", "x.y")], 1.0),
            (vec![(NAME, "owner"), ("app", "b"), ("team", "z")], 1.0),
        ] {
            store.append(labels, at, value).expect("in order");
        }
    }
    store
}

/// The vector as lines `{labels} value`; a scalar as its value.
fn lines(store: &Store, query: &str, at: i64) -> Vec<String> {
    let expr = parse(query).unwrap_or_else(|e| panic!("{query}: {}", e.render(query)));
    let answer = promql::query(store, &expr, at, &Options::default()).unwrap_or_else(|e| panic!("{query}: {}", e.render(query)));
    match answer.value {
        Value::Scalar(p) => vec![value_text(p.value)],
        Value::String(text) => vec![text],
        Value::Vector(samples) => samples
            .iter()
            .map(|s| {
                let labels: Vec<String> = s.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("{} {}", labels.join(","), value_text((s.value * 1e9).round() / 1e9))
            })
            .collect(),
        Value::Matrix(tracks) => tracks.iter().map(|t| format!("{} points", t.points.len())).collect(),
    }
}

#[test]
fn answers() {
    let store = store();
    for (query, want) in [
        ("1 + 2 * 3 ^ 2 ^ 0", "7"),
        ("-2 ^ 2", "-4"),
        ("2 * -3 % 4", "-2"),
        ("(2 * -3) % 4", "-2"),
        ("1 > bool 2", "0"),
        ("size", "__name__=size,app=a 4|__name__=size,app=b -2.5"),
        ("size{app!=\"a\"} * 2", "app=b -5"),
        ("size{app=~\"a|z\"}", "__name__=size,app=a 4"),
        ("size{app!~\"a.*\"}", "__name__=size,app=b -2.5"),
        ("size{missing=\"\"} > 0", "__name__=size,app=a 4"),
        ("size > bool 0", "app=a 1|app=b 0"),
        ("0 < size", "__name__=size,app=a 4"),
        ("rate(requests_total{code=\"500\"}[5m])", "app=a,code=500 0.1"),
        ("sum(rate(requests_total[5m])) by (app)", "app=a 1.1|app=b 1.8"),
        ("sum by (code) (rate(requests_total{app=\"a\"}[5m]))", "code=200 1|code=500 0.1"),
        ("sum without (code) (requests_total offset 5m)", "app=a 330|app=b 600"),
        ("increase(requests_total{app=\"a\",code=\"500\"}[2m])", "app=a,code=500 12"),
        ("irate(requests_total{app=\"b\"}[5m])", "app=b,code=200 2"),
        ("count(size) + avg(size) + max(size) + min(size)", " 4.25"),
        ("topk(1, size)", "__name__=size,app=a 4"),
        ("bottomk(1, size)", "__name__=size,app=b -2.5"),
        ("histogram_quantile(0.5, latency_bucket)", "app=a 1.5"),
        ("histogram_quantile(0.9, sum(rate(latency_bucket[5m])) by (le))", " 2"),
        ("size * on (app) group_left (team) owner", "app=a,team=x.y 4|app=b,team=z -2.5"),
        ("owner * on (app) group_right (team) size", "app=a,team=x.y 4|app=b,team=z -2.5"),
        ("size and on (app) owner{team=\"z\"}", "__name__=size,app=b -2.5"),
        ("size unless on (app) owner{team=\"z\"}", "__name__=size,app=a 4"),
        ("size{app=\"a\"} or owner", "__name__=owner,app=a,team=x.y 1|__name__=owner,app=b,team=z 1|__name__=size,app=a 4"),
        ("size - ignoring (team) owner", "app=a 3|app=b -3.5"),
        ("round(size)", "app=a 4|app=b -2"),
        ("round(vector(0.12345), 0.001)", " 0.123"),
        ("label_replace(owner, \"short\", \"$1\", \"team\", \"(.*)\\\\..*\")", "__name__=owner,app=a,short=x,team=x.y 1|__name__=owner,app=b,team=z 1"),
        ("label_join(size, \"j\", \"-\", \"app\", \"none\", \"app\")", "__name__=size,app=a,j=a--a 4|__name__=size,app=b,j=b--b -2.5"),
        ("scalar(size{app=\"a\"}) + time()", "604"),
        ("scalar(size)", "NaN"),
        ("absent(nothing{a=\"b\",c=~\"d\"})", "a=b 1"),
        ("size @ 0 + size @ end()", "app=a 8|app=b -5"),
        ("count_values(\"v\", size)", "v=-2.5 1|v=4 1"),
        ("quantile(0.5, size)", " 0.75"),
        ("clamp(size, 0, 3)", "app=a 3|app=b 0"),
        ("sort_desc(size)", "__name__=size,app=a 4|__name__=size,app=b -2.5"),
        ("timestamp(size{app=\"a\"})", "app=a 600"),
        ("max_over_time(requests_total{app=\"b\"}[10m]) # the top before its reset", "app=b,code=200 600"),
        ("requests_total{code=\"500\"}[1m]", "2 points"),
        ("'a\\'b'", "a'b"),
        ("`a\\b`", "a\\b"),
    ] {
        assert_eq!(lines(&store, query, 10 * MINUTE).join("|"), want, "{query}");
    }
}

#[test]
fn refusals_name_what_and_where() {
    for (query, place, part) in [
        ("sum(rate(x[5m]", "1:15", "`)` must close"),
        ("rate(x)", "1:6", "add a range"),
        ("sum(x[5m])", "1:5", "remove its range"),
        ("deriv(x[5m])", "1:1", "`deriv` is not supported"),
        ("1 +\n  raet(x[5m])", "2:3", "did you mean `rate`"),
        ("rate(x[1h:5m])", "1:7", "subqueries"),
        ("{a=\"\"}", "1:1", "selects everything"),
        ("x{a=~\"(\"}", "1:6", "not a regular expression"),
        ("x{a~\"b\"}", "1:4", "means nothing"),
        ("x[5]  y", "1:7", "after the end"),
        ("1 == 1", "1:3", "needs `bool`"),
        ("x and 1", "1:3", "two instant vectors"),
        ("x + on (a) group_left (a) y", "1:12", "both in"),
        ("x and on (a) group_left y", "1:14", "does not go with"),
        ("x + group_left y", "1:3", "needs `on(…)`"),
        ("x[5m] + 1", "1:1", "range vector"),
        ("\"a", "1:1", "closing quote"),
        ("'\\q'", "1:1", "no escape"),
        ("x offset 5", "1:10", ""),
        ("1x", "1:1", "neither a number nor a duration"),
        ("topk(x)", "1:1", "takes 2 arguments"),
        ("round(x, 1, 2)", "1:1", "takes 1 to 2 arguments"),
        ("", "1:1", "an expression must stand here"),
        ("sum by (a b) (x)", "1:11", "`,` or `)`"),
        ("x{a=\"b\"", "1:8", "`,` or `}`"),
        ("é", "1:1", "means nothing"),
    ] {
        if part.is_empty() {
            continue;
        }
        let error = parse(query).expect_err(query).render(query);
        assert!(error.starts_with(&format!("{place}: ")) && error.contains(part), "{query}: {error}");
    }
    let deep = "(".repeat(5000) + "1" + &")".repeat(5000);
    assert!(parse(&deep).expect_err("too deep").message.contains("nesting"));
}

#[test]
fn evaluation_refuses_what_has_no_answer() {
    let mut store = store();
    store.append([(NAME, "twin"), ("app", "a")], 10 * MINUTE, 1.0).expect("in order");
    for (query, part) in [
        ("size + on (none) owner", "matching many to many is not possible"),
        ("requests_total{app=\"a\"} + on (app) size", "`group_left` says"),
        ("label_replace(size, \"app\", \"same\", \"app\", \".*\")", "the same labels"),
        ("{__name__=~\"size|twin\"} * 1", "the same labels"),
        ("label_join(size, \"9\", \"\", \"app\")", "no label's name"),
    ] {
        let error = promql::query(&store, &parse(query).expect("parses"), 10 * MINUTE, &Options::default()).expect_err(query);
        assert!(error.message.contains(part), "{query}: {error:?}");
    }
    let expr = parse("requests_total").expect("parses");
    let error = promql::query(&store, &expr, 10 * MINUTE, &Options { samples: 2, ..Options::default() }).expect_err("a limit");
    assert!(error.message.contains("more than 2 samples"));
    for (start, end, step) in [(0, MINUTE, 0), (MINUTE, 0, 1000), (0, 12_000 * MINUTE, MINUTE)] {
        assert!(promql::query_range(&store, &expr, start, end, step, &Options::default()).is_err());
    }
}

#[test]
fn ranges_are_open_at_their_start_as_of_prometheus_3() {
    let store = store();
    let expr = parse("count_over_time(size{app=\"a\"}[1m])").expect("parses");
    for (rules, want) in [(Rules::Prometheus2, 3.0), (Rules::Prometheus3, 2.0)] {
        let answer = promql::query(&store, &expr, 10 * MINUTE, &Options { rules, ..Options::default() }).expect("an answer");
        let Value::Vector(samples) = answer.value else { panic!("a vector") };
        assert_eq!(samples[0].value, want);
    }
}

#[test]
fn series_end_after_the_look_back_or_at_once_when_a_scrape_has_them_no_more() {
    let mut store = Store::new(Limits::default());
    let mut target = Target::new(vec![("pod".to_owned(), "p".to_owned())]);
    target.ingest(&mut store, &scan(b"# TYPE a gauge\n# HELP a So\\nlong.\na 1\nb{pod=\"own\"} 2\n"), 0);
    let ingested = target.ingest(&mut store, &scan(b"a 1\n"), 30_000);
    assert_eq!((ingested.samples, ingested.ended, ingested.dropped.total()), (1, 1, 0));
    assert_eq!(lines(&store, "{pod=\"p\"}", 20_000), ["__name__=a,pod=p 1", "__name__=b,exported_pod=own,pod=p 2", "__name__=up,pod=p 1"]);
    assert_eq!(lines(&store, "{pod=\"p\"}", 30_000), ["__name__=a,pod=p 1", "__name__=up,pod=p 1"]);
    assert_eq!(lines(&store, "a", 30_000 + 5 * MINUTE - 1).len(), 1);
    assert_eq!(lines(&store, "a", 30_000 + 5 * MINUTE).len(), 0);
    target.failed(&mut store, 60_000);
    assert_eq!(lines(&store, "{pod=\"p\"}", 60_000), ["__name__=up,pod=p 0"]);
    assert_eq!(store.metadata["a"].help, "So\nlong.");
}

#[test]
fn a_store_is_bounded_and_counts_what_it_did_not_take() {
    let mut store = Store::new(Limits { series: 2, retention: MINUTE, samples: 1000 });
    for step in 0..100 {
        store.append([(NAME, "a")], step * 10_000, step as f64).expect("in order");
    }
    assert_eq!(store.append([(NAME, "a")], 990_000, 99.0), Ok(0), "the same sample again is no fault");
    assert_eq!(store.append([(NAME, "a")], 990_000, 1.0), Err(Refused::OutOfOrder));
    assert_eq!(store.append([(NAME, "a")], 5, 1.0), Err(Refused::OutOfOrder));
    assert_eq!(store.append([(NAME, "b"), ("x", "1"), ("x", "2")], 5, 1.0), Err(Refused::RepeatedLabel));
    store.append([(NAME, "b"), ("empty", "")], 980_000, 1.0).expect("room for two");
    assert_eq!(store.append([(NAME, "c")], 5, 1.0), Err(Refused::TooManySeries));
    assert_eq!(store.dropped.total(), 4);
    let (first, last) = store.span().expect("samples");
    assert!(last == 990_000 && first > 850_000, "old samples are dropped: {first}");
    store.expire(990_000 + MINUTE);
    assert_eq!(store.len(), 1, "b has no sample left");
    store.append([(NAME, "c")], 990_000, f64::from_bits(STALE)).expect("room again");
    assert!(lines(&store, "c", 990_000).is_empty());
}

#[test]
fn a_rate_that_was_recorded_answers_for_rates_and_warns_elsewhere() {
    let mut store = Store::new(Limits::default());
    store.add_rate([(NAME, "requests_total"), ("app", "a")], 1.5).expect("room");
    assert_eq!(lines(&store, "sum(rate(requests_total[1m])) by (app)", 0), ["app=a 1.5"]);
    assert_eq!(lines(&store, "increase(requests_total[1m])", 7), ["app=a 90"]);
    let answer = promql::query(&store, &parse("requests_total").expect("parses"), 0, &Options::default()).expect("an answer");
    assert_eq!(answer.value, Value::Vector(Vec::new()));
    assert!(answer.warnings[0].contains("known by their rate alone"));
}

#[test]
fn many_steps_give_tracks() {
    let store = store();
    let expr = parse("sum(requests_total) by (app) > 400").expect("parses");
    let answer = promql::query_range(&store, &expr, 0, 10 * MINUTE, MINUTE, &Options::default()).expect("an answer");
    let Value::Matrix(tracks) = answer.value else { panic!("a matrix") };
    let seen: Vec<(&str, usize, i64)> = tracks.iter().map(|t| (t.labels[0].1.as_ref(), t.points.len(), t.points[0].at)).collect();
    assert_eq!(seen, [("a", 4, 7 * MINUTE), ("b", 4, 4 * MINUTE)]);
}

/// What the fuzz target `promql` does.
fn parse_and_evaluate(store: &Store, text: &str) {
    match parse(text) {
        Ok(expr) => drop(promql::query(store, &expr, 5 * MINUTE, &Options { samples: 10_000, ..Options::default() })),
        Err(error) => assert!(error.span.start <= text.len() && !error.render(text).is_empty(), "{text}"),
    }
}

#[test]
fn the_seeds_of_the_fuzz_target() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/promql");
    let store = store();
    let mut seen = 0;
    for file in std::fs::read_dir(&seeds).expect("fuzz/seeds/promql").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a seed");
        for cut in (0..=text.len()).filter(|n| text.is_char_boundary(*n)) {
            parse_and_evaluate(&store, &text[..cut]);
        }
        seen += 1;
    }
    assert!(seen > 4);
}

proptest! {
    #[test]
    fn any_text_is_refused_or_evaluated(text in any::<String>(), words in prop::collection::vec(
        prop::sample::select(vec!["size", "requests_total", "owner", "(", ")", "{", "}", "[5m]", "[", "]", ",", "+", "-", "*", "/", "^", "==", "bool", ">", "and", "or",
            "unless", "on", "ignoring", "group_left", "(app)", "by", "without", "sum", "rate(", "topk", "1", "0.5", "NaN", "5m", "offset", "@", "\"app\"", "=~", "=", "app",
            "histogram_quantile(", "label_replace(", "'x'", "#", "\n", "é"]), 0..14)) {
        let store = store();
        parse_and_evaluate(&store, &text);
        parse_and_evaluate(&store, &words.join(" "));
        parse_and_evaluate(&store, &words.concat());
    }
}
