//! The page scanner: formats, odd pages, and its differential reference.

use mesh_metrics::text::{Format, Kind, scan, scan_as};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn one(line: &str) -> (String, Vec<(String, String)>, f64, Option<i64>) {
    let page = format!("{line}\n");
    let page = scan(page.as_bytes());
    assert!(page.problems.is_empty(), "{line}: {:?}", page.problems);
    let [sample] = page.samples.as_slice() else { panic!("{line}: {} samples", page.samples.len()) };
    let labels = sample.labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    (sample.name().into_owned(), labels, sample.value, sample.timestamp)
}

fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

#[test]
fn lines_as_envoy_istio_and_others_write_them() {
    for (line, name, labels, value, time) in [
        (r#"istio_requests_total{response_flags="UF,URX"} 3"#, "istio_requests_total", pairs(&[("response_flags", "UF,URX")]), 3.0, None),
        (r#"m{a="x=y",b="x}y",} 1"#, "m", pairs(&[("a", "x=y"), ("b", "x}y")]), 1.0, None),
        (r#"m{a="\"q\" \\ \n"} 1"#, "m", pairs(&[("a", "\"q\" \\ \n")]), 1.0, None),
        ("job:m:rate5m 0.5 1700000000123", "job:m:rate5m", vec![], 0.5, Some(1_700_000_000_123)),
        ("m{} +Inf", "m", vec![], f64::INFINITY, None),
        (r#"{"my.metric","label.name"="v",b="w"} 2"#, "my.metric", pairs(&[("label.name", "v"), ("b", "w")]), 2.0, None),
        (r#"{"my.metric"} 2"#, "my.metric", vec![], 2.0, None),
        (r#"m { a = "x" , b = "y" }  7  -5 "#, "m", pairs(&[("a", "x"), ("b", "y")]), 7.0, Some(-5)),
        ("m\t1", "m", vec![], 1.0, None),
        (r#"m{a="日本"} 1"#, "m", pairs(&[("a", "日本")]), 1.0, None),
        (r#"m_bucket{le="0.5"} 7 # {trace_id="abc"} 0.3 1700000000.5"#, "m_bucket", pairs(&[("le", "0.5")]), 7.0, None),
        ("m 1\r", "m", vec![], 1.0, None),
    ] {
        assert_eq!(one(line), (name.to_owned(), labels, value, time), "{line}");
    }
}

#[test]
fn open_metrics_has_seconds_exemplars_units_and_an_end() {
    let text = "# TYPE a counter\n# UNIT a seconds\n# HELP a How\\nlong.\na_total 1 1700000000.25 # {t=\"x\"} 1\n# EOF\n";
    let page = scan(text.as_bytes());
    assert_eq!(page.format, Format::OpenMetrics);
    assert!(page.problems.is_empty(), "{:?}", page.problems);
    assert_eq!(page.samples[0].timestamp, Some(1_700_000_000_250));
    assert_eq!(page.samples[0].exemplar, Some("{t=\"x\"} 1"));
    let family = page.families[0];
    assert_eq!((family.name, family.kind, family.raw_help, family.unit), ("a", Kind::Counter, "How\\nlong.", "seconds"));

    let cut = scan_as(b"a_total 1\n", Format::OpenMetrics);
    assert_eq!(cut.samples.len(), 1);
    assert!(cut.problems.first[0].message.contains("cut off"));
}

#[test]
fn a_line_that_is_wrong_costs_that_line_and_is_named() {
    for (line, column, part) in [
        (r#"m{a="x 1"#, 6, "closing quote"),
        (r#"m{a="x" b="y"} 1"#, 9, "`,` or `}`"),
        (r#"m{a="x"  "#, 10, "`,` or `}`"),
        (r#"m{a:b="x"} 1"#, 6, "colon"),
        (r#"m{9="x"} 1"#, 3, "label's name"),
        ("m", 2, "value is missing"),
        ("m{} twelve", 5, "no number"),
        ("m 0x10", 3, "no number"),
        ("m 1 tomorrow", 5, "time"),
        ("m 1 2 3", 7, "more text"),
        ("-m 1", 1, "metric's name"),
        ("# TYPE m curve", 10, "no type"),
    ] {
        let text = format!("before 1\n{line}\nafter 2\n");
        let page = scan(text.as_bytes());
        assert_eq!(page.samples.iter().map(|s| s.value).collect::<Vec<_>>(), [1.0, 2.0], "{line}");
        assert_eq!(page.problems.total, 1, "{line}: {:?}", page.problems);
        let problem = &page.problems.first[0];
        assert!(problem.message.contains(part), "{line}: {problem:?}");
        assert_eq!((problem.line, problem.column), (2, column), "{line}: {problem:?}");
    }
}

/// What the fuzz target `metrics_page` does, over its seeds and cuts of them.
#[test]
fn the_seeds_of_the_fuzz_target() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/metrics_page");
    let mut seen = 0;
    for file in std::fs::read_dir(&seeds).expect("fuzz/seeds/metrics_page").flatten() {
        let bytes = std::fs::read(file.path()).expect("a seed");
        for cut in 0..=bytes.len() {
            let page = scan(&bytes[..cut]);
            assert!(page.samples.iter().all(|s| s.labels().count() == s.raw_pairs().count()));
        }
        seen += 1;
    }
    assert!(seen > 2);
}

#[test]
fn pages_that_are_cut_foreign_or_broken() {
    // Half a number is a wrong number.
    let cut = scan(b"a 1\nb 12");
    assert_eq!(cut.samples.len(), 1);
    assert!(cut.problems.first[0].message.contains("cut off"));
    let html = scan(b"\n<!DOCTYPE html><title>Sign in</title>\nm 1\n");
    assert!(html.samples.is_empty() && html.problems.first[0].message.contains("HTML"));
    let bytes = scan(b"a 1\nb{x=\"\xff\"} 2\nc 3\n\xfe\nd 4\n");
    assert_eq!(bytes.samples.iter().map(|s| (s.raw_name, s.line)).collect::<Vec<_>>(), [("a", 1), ("c", 3), ("d", 5)]);
    assert_eq!(bytes.problems.first.iter().map(|p| (p.line, p.column)).collect::<Vec<_>>(), [(2, 6), (4, 1)]);
    assert!(scan(b"").samples.is_empty());
    // Garbage is counted, not collected.
    let page = b"?\n".repeat(5000);
    let garbage = scan(&page);
    assert_eq!((garbage.problems.total, garbage.problems.first.len()), (5000, 20));
}

/// Values that prometheus-parse keeps. It cuts `a="x,y"` to `x` (Envoy's `response_flags="UF,URX"` becomes `UF`), drops labels
/// with `=` and samples with `}` in a value, does not decode escapes and drops names with a colon: there it is no reference.
const TAME: &str = "[a-zA-Z0-9_./:-]{1,12}";

proptest! {
    #[test]
    fn agrees_with_prometheus_parse_where_that_loses_nothing(
        lines in prop::collection::vec(("[a-z][a-z0-9_]{0,10}", prop::collection::btree_map("[a-z][a-z0-9]{0,6}", TAME, 1..5), any::<i32>(), 0_i64..2_000_000_000_000), 1..20)
    ) {
        let mut text = String::new();
        for (name, labels, value, time) in &lines {
            let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}=\"{v}\"")).collect();
            text.push_str(&format!("{name}{{{}}} {} {time}\n", labels.join(","), f64::from(*value) / 8.0));
        }
        let theirs = prometheus_parse::Scrape::parse(text.lines().map(|l| Ok(l.to_owned()))).unwrap();
        let ours = scan(text.as_bytes());
        prop_assert!(ours.problems.is_empty(), "{:?}", ours.problems);
        prop_assert_eq!(ours.samples.len(), theirs.samples.len());
        for (a, b) in ours.samples.iter().zip(&theirs.samples) {
            let prometheus_parse::Value::Untyped(value) = b.value else { panic!("{b:?}") };
            let labels: BTreeMap<String, String> = a.labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            let their_labels: BTreeMap<String, String> = b.labels.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
            prop_assert_eq!(a.name(), b.metric.as_str());
            prop_assert_eq!(labels, their_labels);
            prop_assert_eq!(a.value, value);
            prop_assert_eq!(a.timestamp, Some(b.timestamp.timestamp_millis()));
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,12}",
        labels in prop::collection::vec(("[a-zA-Z_][a-zA-Z0-9_]{0,8}", any::<String>()), 0..6),
        value in any::<f64>(),
        time in any::<Option<i64>>(),
    ) {
        let escaped = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let block: Vec<String> = labels.iter().map(|(n, v)| format!("{n}=\"{}\"", escaped(v))).collect();
        let time_text = time.map_or(String::new(), |t| format!(" {t}"));
        let value_text = if value.is_nan() { "NaN".to_owned() } else { format!("{value}") };
        let (n, l, v, t) = one(&format!("{name}{{{}}} {value_text}{time_text}", block.join(",")));
        prop_assert_eq!(n, name);
        prop_assert_eq!(l, labels);
        prop_assert!(v == value || v.is_nan() && value.is_nan());
        prop_assert_eq!(t, time);
    }

    #[test]
    fn never_panics_and_never_takes_more_than_it_was_given(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let page = scan(&bytes);
        let lines = bytes.split(|b| *b == b'\n').count();
        prop_assert!(page.samples.len() + page.problems.total <= lines + 1);
        for sample in &page.samples {
            let _ = sample.labels().count();
        }
    }

    #[test]
    fn never_panics_on_what_looks_like_a_page(text in r##"([a-z{}",=#\\ 0-9\n\t.é]|# TYPE |\{a="|"\} 1\n){0,60}"##) {
        let page = scan(text.as_bytes());
        for sample in &page.samples {
            let _ = (sample.name(), sample.labels().count());
        }
    }
}
