//! `meshctl traces`: files, servers that answer as the real ones do, and a real Zipkin.

use crate::common;
use common::zipkin::{self, Zipkin};
use common::{folder, meshctl};
use mesh_testserver::admin::Admin;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/traces").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(recorded(name)).expect("a recording")
}

fn here(args: &[&str]) -> common::Run {
    meshctl(Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/traces").as_path(), args)
}

/// The id of the trace that Jaeger was asked for in both of its ways.
const ONE: &str = "a4d0dd3709d963a260d87ef146dc80d2";

#[test]
fn one_trace_is_the_same_from_each_of_jaegers_apis() {
    let waterfall = |file: &str| here(&["traces", ONE, "--from", file, "-o", "json"]);
    let (old, new) = (waterfall("jaeger-trace.json"), waterfall("jaeger-v3-trace.json"));
    assert_eq!((old.status, new.status), (0, 0), "{}{}", old.err, new.err);
    let spans = |run: &common::Run| {
        let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
        let spans = value["traces"][0]["spans"].as_array().expect("spans").clone();
        let of = |s: &serde_json::Value| {
            ["id", "parent", "depth", "service", "side", "startMicros", "durationMicros", "selfMicros", "status", "flags", "workload"].map(|k| s[k].to_string())
        };
        spans.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(spans(&old).len(), 7);
    assert_eq!(spans(&old), spans(&new));
    let shown = here(&["traces", &ONE[..8], "--from", "jaeger-trace.json"]).out;
    for words in ["spans of 4 services", "istio-ingressgateway.istio-system", "bookinfo/productpage v1", "The end waited for:", "#"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_missing_parent_is_named_and_the_rest_is_drawn() {
    let run = here(&["traces", "f92b785c", "--from", "zipkin-trace-incomplete.json"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("odd: the parent 5cd584af") && run.out.contains("details.bookinfo"), "{}", run.out);
}

#[test]
fn searches_narrow_and_tell_where_time_went() {
    let all = here(&["traces", "--from", "zipkin-traces-error.json"]);
    assert!(all.status == 0 && all.out.contains("Where the time of ") && all.out.contains("WAITED FOR"), "{}{}", all.out, all.err);
    let count = |args: &[&str]| {
        let run = here(&[&["traces", "--from", "zipkin-traces-error.json", "-o", "json"], args].concat());
        let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
        value["traces"].as_array().map_or(0, Vec::len)
    };
    let whole = count(&[]);
    assert!(whole >= 3 && count(&["--errors"]) == whole && count(&["--service", "reviews"]) > 0 && count(&["--service", "review"]) == 0);
    assert!(count(&["--limit", "1"]) == 1 && count(&["--tag", "response_flags=nothing"]) == 0 && count(&["--min-duration", "1h"]) == 0);
    for (args, status) in [
        (&["traces"][..], 64),
        (&["traces", "--from", "absent.json"], 65),
        (&["traces", "--from", "README.md"], 65),
        (&["traces", "ffffffff", "--from", "jaeger-trace.json"], 1),
        (&["traces", "--from", "jaeger-trace.json", "--tag", "x"], 64),
        (&["traces", "--from", "jaeger-trace.json", "-o", "xml"], 64),
        (&["traces", "--jaeger", "http://127.0.0.1:1"], 1),
        (&["traces", "--jaeger", "http://a", "--zipkin", "http://b"], 64),
    ] {
        let run = here(args);
        assert_eq!(run.status, status, "{args:?}: {}", run.err);
    }
}

#[test]
fn servers_are_asked_in_their_own_ways() {
    let pages = |list: &[(&str, &str)]| list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>();
    let services = r#"{"data": ["details.bookinfo", "productpage.bookinfo"], "errors": null}"#;
    let jaeger = Admin::start(pages(&[
        ("/api/services", services),
        ("/api/traces", &text("jaeger-trace.json")),
        (&format!("/api/traces/{ONE}"), &text("jaeger-trace.json")),
    ]))
    .expect("a server");
    let url = format!("http://{}", jaeger.address());
    let found = here(&["traces", "--jaeger", &url, "--service", "productpage", "--now", "2026-11-22T12:00:00Z"]);
    assert!(found.status == 0 && found.out.contains(ONE), "{}{}", found.out, found.err);
    let asked = jaeger.requests();
    assert!(asked.iter().any(|r| r.contains("service=productpage.bookinfo") && r.contains("limit=20") && r.contains("start=")), "{asked:?}");
    let one = here(&["traces", ONE, "--jaeger", &url]);
    assert!(one.status == 0 && one.out.contains("The end waited for"), "{}", one.err);
    assert_eq!(here(&["traces", "abc", "--jaeger", &url]).status, 1);

    let zipkin = Admin::start(pages(&[("/api/v2/traces", &text("zipkin-traces-error.json"))])).expect("a server");
    let url = format!("http://{}", zipkin.address());
    let found = here(&["traces", "--zipkin", &url, "--errors", "--service", "reviews.bookinfo", "--tag", "http.method=GET"]);
    assert!(found.status == 0 && found.out.contains("reviews.bookinfo"), "{}{}", found.out, found.err);
    let asked = zipkin.requests();
    assert!(asked.iter().any(|r| r.contains("serviceName=reviews.bookinfo") && r.contains("annotationQuery=http.method%3DGET+and+error")), "{asked:?}");

    // Jaeger without its old API.
    let v3 = Admin::start(pages(&[
        ("/api/v3/services", r#"{"services": ["productpage.bookinfo"]}"#),
        ("/api/v3/traces", &text("jaeger-v3-trace.json")),
        (&format!("/api/v3/traces/{ONE}"), &text("jaeger-v3-trace.json")),
    ]))
    .expect("a server");
    let url = format!("http://{}", v3.address());
    let found = here(&["traces", "--jaeger", &url, "--service", "productpage", "--now", "2026-11-22T12:00:00Z"]);
    assert!(found.status == 0 && found.out.contains(ONE), "{}{}", found.out, found.err);
    let asked = v3.requests();
    assert!(asked.iter().any(|r| r.contains("query.service_name=productpage.bookinfo") && r.contains("query.start_time_min=2026-11-22T11")), "{asked:?}");
    assert_eq!(here(&["traces", ONE, "--jaeger", &url]).out, one.out);

    // Tempo: a search, then each trace, in the form of OpenTelemetry.
    let listed = format!(
        r#"{{"traces": [{{"traceID": "{ONE}", "rootServiceName": "productpage.bookinfo", "startTimeUnixNano": "1", "durationMs": 5}}], "metrics": {{}}}}"#
    );
    let tempo =
        Admin::start(pages(&[("/api/search", &listed), (&format!("/api/traces/{ONE}"), &text("jaeger-v3-trace.json").replace("\"result\"", "\"trace\""))]))
            .expect("a server");
    let url = format!("http://{}", tempo.address());
    let found = here(&["traces", "--tempo", &url, "--service", "productpage.bookinfo", "--min-duration", "1ms", "--errors", "--now", "2026-11-22T12:00:00Z"]);
    let asked = tempo.requests();
    assert!([0, 75].contains(&found.status), "{}{}", found.out, found.err);
    assert!(asked.iter().any(|r| r.contains("/api/search") && r.contains("minDuration=1000us") && r.contains("status%3Derror")), "{asked:?}");
    assert_eq!(here(&["traces", ONE, "--tempo", &url]).out, one.out);

    let login = Admin::start(pages(&[("/api/v2/traces", "<html>log in</html>")])).expect("a server");
    let run = here(&["traces", "--zipkin", &format!("http://{}", login.address())]);
    assert!(run.status == 1 && run.err.contains("web page"), "{}", run.err);
}

#[test]
fn traces_are_recorded_and_replayed() {
    let dir = folder(&[]);
    let file = recorded("jaeger-trace.json").display().to_string();
    let made = meshctl(dir.path(), &["snapshot", "record", "mesh.rec", "--from", &file, "--count", "1"]);
    assert_eq!(made.status, 0, "{}", made.err);
    let run = meshctl(dir.path(), &["traces", ONE, "--from", "mesh.rec"]);
    assert_eq!((run.status, run.out), (0, here(&["traces", ONE, "--from", "jaeger-trace.json"]).out), "{}", run.err);
}

#[test]
fn a_real_zipkin_gives_what_was_sent_to_it() {
    let Some(zipkin) = Zipkin::start() else { return };
    zipkin.ready();
    let port = zipkin.port;
    let sent = text("zipkin-traces-error.json");
    let flat: Vec<serde_json::Value> = serde_json::from_str::<Vec<Vec<serde_json::Value>>>(&sent).expect("traces").concat();
    let answer = zipkin::post(port, "/api/v2/spans", &serde_json::to_string(&flat).expect("JSON"));
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let url = format!("http://127.0.0.1:{port}");
    // The recording is of a day that is long ago, or to come.
    let at = ["--now", "2026-11-22T12:30:00Z", "--since", "2h", "-o", "json", "--limit", "100"];
    let deadline = Instant::now() + Duration::from_secs(60);
    let (live, file) = loop {
        let live = here(&[&["traces", "--zipkin", &url], &at[..]].concat());
        let file = here(&[&["traces", "--from", "zipkin-traces-error.json"], &at[..]].concat());
        if live.out == file.out || Instant::now() > deadline {
            break (live, file);
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!((live.status, &live.out), (0, &file.out), "{}", live.err);
    for criteria in
        [&["--errors"][..], &["--service", "reviews.bookinfo"], &["--service", "reviews"], &["--tag", "http.status_code=503"], &["--min-duration", "100ms"]]
    {
        let live = here(&[&["traces", "--zipkin", &url], &at[..], criteria].concat());
        let file = here(&[&["traces", "--from", "zipkin-traces-error.json"], &at[..], criteria].concat());
        assert_eq!((live.status, &live.out), (0, &file.out), "{criteria:?}: {}", live.err);
    }
    let id = flat[0]["traceId"].as_str().expect("an id");
    let one = here(&["traces", id, "--zipkin", &url]);
    assert!(one.status == 0 && one.out.contains("The end waited for"), "{}{}", one.out, one.err);
}
