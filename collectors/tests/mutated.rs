//! What the fuzz targets of telemetry do, over inputs that are made of their seeds: on every compiler, a moment long, or as long as
//! MESHCTL_FUZZ_SECONDS says. `cargo test -p mesh-collectors --test mutated -- --nocapture` tells how many inputs there were.

// How many inputs there were.
#![allow(clippy::print_stdout)]

use mesh_collectors::dumps::Limits;
use mesh_collectors::recording::{Capture, Reader, Recorder, archive};
use mesh_collectors::telemetry::prometheus::vector;
use mesh_collectors::telemetry::series;
use mesh_metrics::promql;
use mesh_metrics::series::{Limits as StoreLimits, NAME, Store, Target};
use mesh_metrics::text::scan;
use mesh_metrics::{api, promql::Options};
use mesh_model::graph::find::{Find, hide, keep};
use mesh_model::graph::{self, Facts, Namespace, ServiceTraffic};
use mesh_model::traces::{critical_path, self_times, summary, traces};
use mesh_testserver::mutate::Mutator;
use std::io::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder)).expect("seeds").flatten().map(|e| e.path()).filter(|p| p.is_file()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files.iter().map(|f| std::fs::read(f).expect("a seed")).collect()
}

fn run(name: &str, seeds: Vec<Vec<u8>>, words: &[&str], check: impl FnMut(&[u8])) {
    println!("{name}: {} inputs", Mutator::new(seeds, words).run(check));
}

#[test]
fn pages_of_metrics() {
    let words = ["# TYPE a counter\n", "a_bucket{le=\"+Inf\"} 1\n", "{", "}", "\\\"", "\\n", "# {a=\"b\"} 1", "\n", "# EOF\n", "\u{feff}", "é"];
    run("pages", seeds("fuzz/seeds/metrics_page"), &words, |bytes| {
        let page = scan(bytes);
        assert!(page.samples.iter().all(|s| s.labels().count() == s.raw_pairs().count()));
        let mut store = Store::new(StoreLimits::default());
        let mut target = Target::new(vec![("instance".to_owned(), "a".to_owned())]);
        target.ingest(&mut store, &page, 1_000);
        target.ingest(&mut store, &page, 16_000);
    });
}

fn small() -> Store {
    let mut store = Store::new(StoreLimits::default());
    for at in 0..20 {
        let _ = store.append([(NAME, "a"), ("b", "c")], at * 15_000, at as f64);
        let _ = store.append([(NAME, "a"), ("b", "d")], at * 15_000, f64::NAN);
        let _ = store.append([(NAME, "a_bucket"), ("le", "+Inf")], at * 15_000, at as f64);
    }
    store
}

const PROMQL: [&str; 22] = [
    "sum(",
    "rate(",
    "a[5m]",
    " by (b)",
    "{b=~\"",
    "}",
    ")",
    "offset ",
    "@ end()",
    "unless ",
    "or ",
    "on()",
    "group_left",
    "topk(",
    "histogram_quantile(",
    "bool",
    "label_replace(",
    "absent(",
    "'",
    "`",
    "#",
    "-",
];

#[test]
fn queries() {
    let store = small();
    run("queries", seeds("fuzz/seeds/promql"), &PROMQL, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match promql::parse(&text) {
            Ok(expr) => drop(promql::query(&store, &expr, 300_000, &Options { samples: 10_000, ..Options::default() })),
            Err(error) => assert!(error.span.start <= text.len() && !error.render(&text).is_empty()),
        }
    });
}

#[test]
fn requests_to_the_query_api() {
    let store = small();
    let whole = [
        "/api/v1/query\nquery\na\ntime\n200",
        "/api/v1/query_range\nquery\nsum(rate(a[1m]))\nstart\n0\nend\n300\nstep\n15",
        "/api/v1/series\nmatch[]\na{b=\"c\"}",
        "/api/v1/label/b/values\nlimit\n1",
        "/api/v1/labels\nstart\n1970-01-01T00:00:00Z",
        "/api/v1/metadata\nmetric\na",
    ];
    let words = [&PROMQL[..], &["/api/v1/", "\n", "time", "1970-01-01T00:00:00Z", "match[]", "%"]].concat();
    run("requests", whole.iter().map(|t| t.as_bytes().to_vec()).collect(), &words, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split('\n').map(str::to_owned);
        let path = lines.next().unwrap_or_default();
        let mut parameters = Vec::new();
        while let Some(name) = lines.next() {
            parameters.push((name, lines.next().unwrap_or_default()));
        }
        let options = Options { samples: 10_000, ..Options::default() };
        let answer = api::answer(&store, &api::Request { path: &path, parameters: &parameters, now: 300_000 }, &options);
        assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_ok(), "{text:?}: {}", answer.body);
    });
}

#[test]
fn answers_of_prometheus() {
    let whole = [
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"x\"y","__name__":"m"},"value":[1.5,"NaN"]},{"metric":{},"value":[1,"+Inf"]}]},"warnings":["w"]}"#,
        r#"{"status":"error","errorType":"timeout","error":"slow"}"#,
        r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
        "<html><title>Log in</title></html>",
    ];
    let words = ["{\"metric\":", "\"value\":", "[1,\"2\"]", ",", "[", "]", "{", "}", "\"", "\\u0000", "\\ud800", "null", "true"];
    run("answers", whole.iter().map(|t| t.as_bytes().to_vec()).collect(), &words, |bytes| {
        let mut store = Store::new(StoreLimits::default());
        let read = vector(bytes, |element| {
            let labels = element.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref()));
            // A refusal is counted by the store.
            let _ = store.add_rate(labels.chain([(NAME, "m")]), element.value);
        });
        assert!(read.is_ok() || !read.expect_err("an error").to_string().is_empty());
    });
}

/// The traffic of Bookinfo.
fn bookinfo() -> graph::Graph {
    let text = std::fs::read_to_string(root().join("testdata/traffic/bookinfo.json")).expect("series");
    let recording = series::read("bookinfo", &text).expect("series");
    let namespaces = ["bookinfo", "istio-system"].map(|name| Namespace { name: name.to_owned(), duration: 600, is_ambient: false }).to_vec();
    let options = graph::Options { namespaces, ..graph::Options::default() };
    let queries = graph::plan(&options);
    let answers: Vec<_> = queries.iter().map(|q| mesh_collectors::telemetry::ask(&recording.store, &q.promql, 0).expect("an answer").0).collect();
    graph::build(&options, &Facts::default(), &queries, &answers, ServiceTraffic::Once)
}

#[test]
fn expressions_that_find_and_hide() {
    let graph = bookinfo();
    let whole = [
        "rt > 1000",
        "ns = shop and ! healthy",
        "(app = web or app = api) and httpin > 10",
        "name contains cart or grpc > 0",
        "label:a\"b = 'x y'",
        "%httperr >= 5.5",
        "flag = UO or rt = NaN",
    ];
    let words = [
        "and ",
        "or ",
        "not ",
        "!",
        "(",
        ")",
        "is ",
        "has ",
        "contains ",
        "startswith ",
        "^=",
        "!$=",
        "*=",
        "label:",
        "healthy",
        "idle",
        "rank",
        "%httptraffic",
        "'",
        "\"",
        "NaN",
    ];
    run("expressions", whole.iter().map(|t| t.as_bytes().to_vec()).collect(), &words, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match Find::parse(&text) {
            Ok(find) => {
                let (hidden, kept) = (hide(graph.clone(), &find), keep(graph.clone(), &find));
                for part in [&hidden, &kept] {
                    assert!(part.nodes.len() <= graph.nodes.len() && part.nodes.iter().flat_map(|n| &n.edges).all(|e| e.to < part.nodes.len()));
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

#[test]
fn files_of_traces() {
    let words = [
        "\"traceID\":",
        "\"spanID\":",
        "\"parentId\":",
        "\"references\":",
        "\"startTimeUnixNano\":",
        "\"kind\":",
        "null",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"\"",
        "\"0\"",
    ];
    run("traces", seeds("testdata/traces"), &words, |bytes| {
        let Ok(found) = mesh_collectors::traces::read("fuzz", &String::from_utf8_lossy(bytes)) else { return };
        let all = traces(found.spans);
        for trace in &all {
            let path = critical_path(trace);
            assert!(path.windows(2).all(|w| w[0].to == w[1].from));
            assert_eq!(self_times(trace).len(), trace.spans.len());
        }
        let _ = summary(&all);
    });
}

#[test]
fn files_of_series() {
    let whole = r#"{"clusterName":"c","overSeconds":60,"series":[{"metric":"istio_requests_total","labels":{"reporter":"source","source_workload":"w"},"rate":1.5},
        {"metric":"m","labels":{},"values":[[1,2],[16,3]]}],"namespaces":["a"],"queryScope":{"a":"b"},"waypoints":[{"cluster":"c","namespace":"n","name":"w"}],"objects":[{"kind":"Pod","apiVersion":"v1"}]}"#;
    let words = ["\"rate\":", "\"values\":", "[[", "]]", "null", "{", "}", ",", "\"labels\":", "\"objects\":"];
    run("series", vec![whole.as_bytes().to_vec()], &words, |bytes| {
        if let Ok(recording) = series::read("fuzz", &String::from_utf8_lossy(bytes)) {
            // What was read can be written and read again.
            assert!(series::read("again", &recording.to_json()).is_ok());
        }
    });
}

#[test]
fn recordings_and_archives() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("seed.rec");
    let mut recorder = Recorder::open(&file, 1 << 30).expect("a recorder");
    for n in 0..4 {
        let mut capture = Capture::new(1_795_347_600_000 + n * 1000);
        capture.add("manifests/same.yaml", "kind: Pod\nmetadata: {name: the same each time}\n".to_owned());
        capture.add("metrics/page.txt", format!("# TYPE a counter\na {n}\n"));
        capture.sort();
        recorder.add(&capture).expect("added");
    }
    drop(recorder);
    let mut all = seeds("fuzz/seeds/sources");
    all.push(std::fs::read(&file).expect("bytes"));
    let limits = Limits { page: 1 << 22, total: 1 << 24, entries: 1000, ratio: 300 };
    let changed = dir.path().join("changed.rec");
    run("recordings", all, &["manifests/a.yaml", "../", "\u{0}\u{0}\u{0}\u{1}"], |bytes| {
        let _ = archive::read(Path::new("fuzz"), bytes, limits);
        std::fs::File::create(&changed).and_then(|mut f| f.write_all(bytes)).expect("bytes");
        let Ok(mut reader) = Reader::open(&changed) else { return };
        for place in 0..reader.moments().len() {
            if let Ok(capture) = reader.load(place) {
                // Never something else than what was written.
                let same = capture.pages.iter().all(|p| p.text.starts_with("kind: Pod\n") || p.text.starts_with("# TYPE a counter\n"));
                assert!(same, "{capture:?}");
            }
        }
    });
}
