//! Filters of access logs: which requests a log tells of.

use crate::support;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use support::{Upstream, answer, ask, bootstrap, cluster, get, log_lines, manager, nobody, start};

fn comparison(op: &str, value: u32) -> Value {
    json!({"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "x"}}})
}

fn cel(expression: &str) -> Value {
    json!({"extension_filter": {"name": "cel", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", "expression": expression}}})
}

/// Each filter with the paths that it lets through.
fn filters() -> Vec<(Value, &'static [&'static str])> {
    let header = |matcher: Value| json!({"header_filter": {"header": matcher}});
    vec![
        (json!({"status_code_filter": comparison("GE", 500)}), &["/away", "/fails"]),
        (json!({"status_code_filter": comparison("EQ", 200)}), &["/a", "/grpc", "/slow"]),
        (json!({"status_code_filter": comparison("NE", 200)}), &["/away", "/fails"]),
        (json!({"duration_filter": comparison("GE", 1000)}), &["/slow"]),
        (json!({"response_flag_filter": {"flags": ["UF"]}}), &["/away"]),
        (json!({"response_flag_filter": {}}), &["/away"]),
        (header(json!({"name": ":path", "string_match": {"prefix": "/s"}})), &["/slow"]),
        (header(json!({"name": "x-a", "present_match": true})), &["/a"]),
        (header(json!({"name": "x-a", "present_match": true, "invert_match": true})), &["/away", "/fails", "/grpc", "/slow"]),
        (json!({"grpc_status_filter": {"statuses": ["UNAVAILABLE"]}}), &["/away", "/fails", "/grpc"]),
        (json!({"and_filter": {"filters": [{"status_code_filter": comparison("GE", 500)}, {"response_flag_filter": {}}]}}), &["/away"]),
        (json!({"or_filter": {"filters": [{"response_flag_filter": {}}, {"duration_filter": comparison("GE", 1000)}]}}), &["/away", "/slow"]),
        (json!({"not_health_check_filter": {}}), &["/a", "/away", "/fails", "/grpc", "/slow"]),
        (json!({"runtime_filter": {"runtime_key": "x", "percent_sampled": {"numerator": 0}}}), &[]),
        (json!({"traceable_filter": {}}), &[]),
        (cel("response.code >= 500 && connection.mtls == false"), &["/away", "/fails"]),
        (cel("request.headers['x-a'] == 'b'"), &["/a"]),
        (cel("request.url_path.startsWith('/s') || response.flags > 0"), &["/away", "/slow"]),
        (cel("no.such == 1"), &[]),
    ]
}

fn config(folder: &Path, upstream: std::net::SocketAddr) -> Value {
    let mut m = manager(json!([{"match": {"prefix": "/away"}, "route": {"cluster": "away"}}, {"match": {"prefix": "/"}, "route": {"cluster": "c"}}]), None);
    let log = |i: usize, filter: Value| {
        json!({"name": "f", "filter": filter, "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": folder.join(i.to_string()), "log_format": {"text_format_source": {"inline_string": "%REQ(:PATH)%\n"}}}})
    };
    m["access_log"] = filters().into_iter().enumerate().map(|(i, (filter, _))| log(i, filter)).collect();
    bootstrap(&m, &[cluster("c", &[upstream]), cluster("away", &[nobody()])])
}

#[test]
fn each_log_tells_of_what_its_filter_lets_through() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::new(|r| match r.path() {
        "/fails" => answer(503, "", ""),
        "/grpc" => answer(200, "content-type: application/grpc\r\ngrpc-status: 14\r\n", ""),
        "/slow" => {
            std::thread::sleep(std::time::Duration::from_millis(1100));
            answer(200, "", "")
        }
        _ => answer(200, "", ""),
    });
    let proxy = start(config(folder.path(), upstream.address));
    let address = proxy.address("l").expect("a listener");
    for (path, headers) in [("/a", "\r\nx-a: b"), ("/away", ""), ("/fails", ""), ("/grpc", ""), ("/slow", "")] {
        ask(address, &format!("GET {path} HTTP/1.1\r\nhost: a{headers}"), "");
    }
    drop(proxy);
    let mut wrong = BTreeMap::new();
    for (i, (filter, wanted)) in filters().iter().enumerate() {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        let read = || {
            let text = std::fs::read_to_string(folder.path().join(i.to_string())).unwrap_or_default();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        while read().len() < wanted.len() && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if read() != *wanted {
            wrong.insert(filter.to_string(), read());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What filters leave for each other is told whole or in part.
#[test]
fn metadata_of_filters_are_values_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let direct = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]);
    let mut m = manager(direct, Some(&log));
    let rbac = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "shadow_rules": {"action": "ALLOW", "policies": {"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}}}});
    m["http_filters"].as_array_mut().expect("filters").insert(0, json!({"name": "rbac", "typed_config": rbac}));
    m["access_log"][0]["typed_config"]["log_format"]["json_format"] = json!({
        "all": "%DYNAMIC_METADATA(envoy.filters.http.rbac)%",
        "one": "%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_engine_result)%",
        "part": "it is %DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_engine_result)%",
        "none": "%DYNAMIC_METADATA(envoy.filters.http.rbac:no:such)%",
        "type": "%ACCESS_LOG_TYPE%",
    });
    let proxy = start(bootstrap(&m, &[]));
    get(proxy.address("l").expect("a listener"), "/");
    let all = json!({"shadow_engine_result": "allowed", "shadow_effective_policy_id": "p"});
    let wanted = json!({"all": all, "one": "allowed", "part": "it is allowed", "none": null, "type": "DownstreamEnd"});
    assert_eq!(log_lines(&log, 1)[0], wanted);
}
