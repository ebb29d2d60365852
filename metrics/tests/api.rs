//! Prometheus' HTTP API, by its bodies.

use mesh_metrics::api::{Request, answer};
use mesh_metrics::promql::Options;
use mesh_metrics::series::{Limits, NAME, Store, Target};
use mesh_metrics::text::scan;

fn ask(path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let mut store = Store::new(Limits::default());
    let mut target = Target::new(vec![]);
    target.ingest(&mut store, &scan(b"# TYPE up gauge\n# HELP m A \"m\".\n# TYPE m counter\nm{a=\"x\\\"y\"} 3\nm{a=\"z\"} NaN\n"), 1_000_500);
    store.append([(NAME, "late")], 9_000_000, 1.0).expect("in order");
    let parameters: Vec<(String, String)> = parameters.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let response = answer(&store, &Request { path, parameters: &parameters, now: 1_001_000 }, &Options::default());
    serde_json::from_str::<serde_json::Value>(&response.body).unwrap_or_else(|e| panic!("{}: {e}", response.body));
    (response.status, response.body)
}

#[test]
fn bodies() {
    let ok = |data: &str| (200, format!("{{\"status\":\"success\",\"data\":{data}}}"));
    for (path, parameters, data) in [
        (
            "/api/v1/query",
            vec![("query", "m")],
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"m","a":"x\"y"},"value":[1001,"3"]},{"metric":{"__name__":"m","a":"z"},"value":[1001,"NaN"]}]}"#,
        ),
        ("/api/v1/query", vec![("query", "1/0"), ("time", "5.25")], r#"{"resultType":"scalar","result":[5.250,"+Inf"]}"#),
        ("/api/v1/query", vec![("query", "'s'"), ("time", "1970-01-01T00:00:05Z")], r#"{"resultType":"string","result":[5,"s"]}"#),
        ("/api/v1/query", vec![("query", "up[1m]")], r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up"},"values":[[1000.500,"1"]]}]}"#),
        (
            "/api/v1/query_range",
            vec![("query", "sum(up)"), ("start", "1001"), ("end", "1002"), ("step", "1s")],
            r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1001,"1"],[1002,"1"]]}]}"#,
        ),
        ("/api/v1/series", vec![("match[]", "m{a=\"z\"}"), ("match[]", "up")], r#"[{"__name__":"m","a":"z"},{"__name__":"up"}]"#),
        ("/api/v1/series", vec![("match[]", "{__name__=~\".+\"}"), ("start", "8000")], r#"[{"__name__":"late"}]"#),
        ("/api/v1/labels", vec![], r#"["__name__","a"]"#),
        ("/api/v1/label/a/values", vec![], r#"["x\"y","z"]"#),
        ("/api/v1/label/a/values", vec![("limit", "1")], r#"["x\"y"]"#),
        ("/api/v1/label/__name__/values", vec![("match[]", "up")], r#"["up"]"#),
        ("/api/v1/metadata", vec![("metric", "m")], r#"{"m":[{"type":"counter","help":"A \"m\".","unit":""}]}"#),
    ] {
        assert_eq!(ask(path, &parameters), ok(data), "{path} {parameters:?}");
    }
}

#[test]
fn refusals_have_prometheus_statuses_and_types() {
    for (path, parameters, status, kind, part) in [
        ("/api/v1/query", vec![], 400, "bad_data", "`query` is missing"),
        ("/api/v1/query", vec![("query", "sum(")], 400, "bad_data", "1:5"),
        ("/api/v1/query", vec![("query", "m"), ("time", "noon")], 400, "bad_data", "`time=noon`"),
        ("/api/v1/query", vec![("query", "m + on () m")], 422, "execution", "many to many"),
        ("/api/v1/query_range", vec![("query", "m"), ("start", "1"), ("end", "0"), ("step", "1")], 400, "bad_data", "not before"),
        ("/api/v1/query_range", vec![("query", "m"), ("start", "0"), ("end", "1"), ("step", "0")], 400, "bad_data", "longer than 0"),
        ("/api/v1/series", vec![], 400, "bad_data", "match[]"),
        ("/api/v1/labels", vec![("match[]", "{}")], 400, "bad_data", "selects everything"),
        ("/api/v1/alerts", vec![], 404, "not_found", "query_range"),
        ("/", vec![], 404, "not_found", ""),
    ] {
        let (got, body) = ask(path, &parameters);
        assert!(got == status && body.contains(&format!("\"errorType\":\"{kind}\"")) && body.contains(part), "{path} {parameters:?}: {got} {body}");
    }
}
