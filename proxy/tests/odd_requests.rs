//! Requests that are seldom, and those that proxies like to answer differently: a real Envoy and mesh-proxy get the same bytes.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{beside, support};
use beside::{Case, Step};
use serde_json::{Value, json};
use support::{Act, Message, Upstream, cluster, manager, nobody};

/// Answers with what it got, sorted, without what is of the moment, and as the request asks it to.
fn echo(request: &Message) -> Act {
    if request.header("x-close").is_some() {
        return Act::Close;
    }
    if let Some(text) = request.header("x-raw") {
        return Act::SendAndClose(text.replace("\\r\\n", "\r\n").into_bytes());
    }
    let status = request.header("x-status").and_then(|s| s.parse().ok()).unwrap_or(200);
    let given: String = request.headers.iter().filter_map(|(k, v)| Some(format!("{}: {v}\r\n", k.strip_prefix("x-give-")?))).collect();
    let varies = ["x-request-id", "x-envoy-expected-rq-timeout-ms"];
    let mut headers: Vec<String> = request.headers.iter().filter(|(k, _)| !varies.contains(&k.as_str())).map(|(k, v)| format!("{k}: {v}")).collect();
    headers.sort();
    support::answer(status, &format!("x-up: 1\r\n{given}"), &format!("{}\n{}\n{}", request.line, headers.join("\n"), request.text()))
}

fn routes() -> Value {
    let to = |path: &str, change: Value| {
        let mut route = json!({"match": {"prefix": path}, "route": {"cluster": "up"}});
        route.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        route
    };
    let forward = |path: &str, action: Value| {
        let mut route = to(path, json!({}));
        route["route"].as_object_mut().expect("an object").extend(action.as_object().expect("an object").clone());
        route
    };
    let redirect = |path: &str, action: Value| json!({"match": {"prefix": path}, "redirect": action});
    let retry = |path: &str, on: &str| {
        let quick = json!({"base_interval": "0.001s"});
        let mut policy = json!({"retry_on": on, "num_retries": 1, "retry_back_off": quick});
        policy["retriable_headers"] = json!([{"name": "x-again", "present_match": true}]);
        policy["retriable_status_codes"] = json!([410]);
        forward(path, json!({"retry_policy": policy}))
    };
    json!([
        redirect("/to-port", json!({"port_redirect": 8443, "https_redirect": true})),
        redirect("/to-80", json!({"port_redirect": 80})),
        redirect("/to-scheme", json!({"scheme_redirect": "ftp", "host_redirect": "x.y"})),
        redirect("/to-https", json!({"https_redirect": true})),
        redirect("/to-path", json!({"path_redirect": "/a?b=c", "response_code": "SEE_OTHER"})),
        {"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "{}"}},
            "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}}]},
        retry("/again-5xx", "5xx"),
        retry("/again-limited", "envoy-ratelimited"),
        retry("/again-4xx", "retriable-4xx"),
        retry("/again-reset", "reset"),
        retry("/again-header", "retriable-headers"),
        retry("/again-code", "retriable-status-codes"),
        retry("/again-grpc", "unavailable"),
        forward("/nowhere", json!({"cluster": "nope"})),
        forward("/not-found", json!({"cluster": "nope", "cluster_not_found_response_code": "NOT_FOUND"})),
        forward("/dead", json!({"cluster": "dead"})),
        {"match": {"prefix": "/header"}, "route": {"cluster_header": "x-cluster"}},
        forward("/own-host", json!({"cluster": "named", "auto_host_rewrite": true, "append_x_forwarded_host": true})),
        forward("/host", json!({"host_rewrite_literal": "h.x"})),
        forward("/regex", json!({"regex_rewrite": {"pattern": {"regex": "^/regex/([^/]+)/(.*)$"}, "substitution": "/\\2/\\1"}})),
        forward("/grpc-time", json!({"max_stream_duration": {"grpc_timeout_header_max": "5s"}})),
        {"match": {"path_separated_prefix": "/apart"}, "route": {"cluster": "up", "prefix_rewrite": "/n"}},
        {"match": {"prefix": "/number", "headers": [{"name": "x-n", "range_match": {"start": 1, "end": 5}}]}, "route": {"cluster": "up"}},
        to("/cors", json!({"typed_per_filter_config": {"envoy.filters.http.cors": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
            "allow_origin_string_match": [{"exact": "http://a"}, {"safe_regex": {"regex": "http://.*\\.ok"}}], "allow_methods": "GET, PUT",
            "allow_headers": "x-a", "expose_headers": "x-e", "max_age": "5", "allow_credentials": true, "filter_enabled": {"default_value": {"numerator": 100}}}}})),
        to("/changed", json!({"response_headers_to_remove": ["x-up", "server"], "request_headers_to_remove": ["x-a"],
            "request_headers_to_add": [{"header": {"key": "x-a", "value": "one"}}, {"header": {"key": "x-a", "value": "two"}}],
            "response_headers_to_add": [{"header": {"key": "x-r", "value": "%RESPONSE_CODE% %REQ(x-b)% %%"}}, {"header": {"key": "x-e", "value": "%REQ(x-no)%"}, "keep_empty_value": true}]})),
        to("/", json!({})),
    ])
}

/// What a client sends; each asks for the end of the connection.
fn requests() -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut add = |method: &str, path: &str, headers: &str, body: &str| {
        let name = format!("{method} {path} {}", headers.replace("\r\n", " | "));
        let host = if headers.starts_with("host:") { "" } else { "host: a.b\r\n" };
        let close = if headers.starts_with("connection:") { "" } else { "connection: close\r\n" };
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        out.push((name, format!("{method} {path} HTTP/1.1\r\n{host}{close}{headers}{length}\r\n{body}")));
    };
    for path in ["/to-port", "/to-80", "/to-scheme", "/to-https", "/to-path/x?y"] {
        add("GET", path, "", "");
        for host in ["a.b:80", "a.b:8080", "[::1]:99", "A.b"] {
            add("GET", path, &format!("host: {host}\r\n"), "");
        }
    }
    for path in ["/direct", "/nowhere", "/not-found", "/dead", "/header", "/own-host", "/host", "/regex/a/b/c?d", "/changed", "/apart", "/apart/x", "/apartx"] {
        add("GET", path, "x-a: 0\r\n", "");
        add("POST", path, "content-type: application/grpc\r\n", "");
    }
    for cluster in ["up", "none", ""] {
        add("GET", "/header", &format!("x-cluster: {cluster}\r\n"), "");
    }
    for number in ["1", "4", "5", "0", "x", "-1", " 3 "] {
        add("GET", "/number", &format!("x-n: {number}\r\n"), "");
    }
    add("GET", "/again-5xx", "x-status: 503\r\n", "");
    add("GET", "/again-limited", "x-status: 429\r\nx-give-x-envoy-ratelimited: true\r\n", "");
    add("GET", "/again-limited", "x-status: 429\r\n", "");
    add("GET", "/again-4xx", "x-status: 409\r\n", "");
    add("GET", "/again-reset", "x-close: 1\r\n", "");
    add("GET", "/asks", "x-status: 503\r\nx-envoy-retry-on: reset\r\nx-envoy-retry-on: 5xx\r\nx-forwarded-for: 10.0.0.1\r\n", "");
    let codes = "x-envoy-retriable-status-codes: 411\r\nx-envoy-retriable-status-codes: 410\r\nx-forwarded-for: 10.0.0.1\r\n";
    add(
        "GET",
        "/asks",
        &format!("x-status: 410\r\nx-envoy-retry-on: retriable-status-codes\r\nx-envoy-max-retries: 2\r\nx-envoy-max-retries: 3\r\n{codes}"),
        "",
    );
    add("GET", "/again-header", "x-give-x-again: 1\r\n", "");
    add("GET", "/again-code", "x-status: 410\r\n", "");
    add("POST", "/again-grpc", "content-type: application/grpc\r\nx-give-content-type: application/grpc\r\nx-give-grpc-status: 14\r\n", "");
    add("POST", "/grpc-time", "content-type: application/grpc\r\ngrpc-timeout: 1S\r\n", "");
    for (origin, method, asked) in [
        ("http://a", "GET", ""),
        ("http://z", "GET", ""),
        ("http://a", "OPTIONS", "PUT"),
        ("http://z", "OPTIONS", "PUT"),
        ("http://q.ok", "OPTIONS", "GET"),
        ("http://a", "OPTIONS", ""),
    ] {
        let asked = if asked.is_empty() { String::new() } else { format!("access-control-request-method: {asked}\r\n") };
        add(method, "/cors", &format!("origin: {origin}\r\n{asked}"), "");
    }
    for method in ["HEAD", "TRACE", "OPTIONS", "PUT", "PATCH", "DELETE", "POST", "PROPFIND"] {
        add(method, "/m", "", "");
    }
    add("GET", "/body", "", "hello");
    add("DELETE", "/body", "", "hello");
    for target in ["http://c.d/p?q", "https://c.d:444/p?q", "http://c.d", "http://c.d?x", "/a/../b", "//a///b", "/a%2Fb%5Cc", "/x?y=/../z"] {
        add("GET", target, "", "");
    }
    for headers in [
        "connection: close, upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "connection: close, upgrade\r\nupgrade: websocket\r\n",
        "connection: close, x-hop\r\nx-hop: 1\r\n",
        "connection: close, x-forwarded-for\r\nx-forwarded-for: 1.2.3.4\r\n",
        "connection: close, X-Forwarded-Proto\r\nx-forwarded-proto: https\r\n",
        "connection: close, x-forwarded-host\r\nx-forwarded-host: z\r\n",
        "connection: close, :path\r\n",
        "connection: close, te\r\nte: trailers\r\n",
        "connection: close, te\r\nte: gzip\r\n",
        "connection: close, host\r\n",
        "connection: close, content-length\r\n",
        "connection: close, authorization, cookie, x-request-id, x-envoy-attempt-count\r\nauthorization: z\r\ncookie: a\r\nx-envoy-attempt-count: 5\r\n",
        "connection: close, x-a, x-b, x-c, x-d, x-e, x-f, x-g, x-h, x-i, x-j, x-k\r\nx-k: 1\r\n",
        "connection: close, upgrade, x-hop\r\nupgrade: websocket\r\nx-hop: 1\r\n",
        "connection: close, a b, \r\n",
        "connection: close\r\nconnection: x-hop\r\nx-hop: 1\r\n",
        "x-forwarded-for: 10.0.0.1\r\nx-forwarded-for: 1.2.3.4\r\n",
        "x-forwarded-for: 1.2.3.4\r\nx-forwarded-for: 10.0.0.1\r\n",
        "x-forwarded-for: 1.2.3.4\r\nx-forwarded-for:\r\nvia:\r\nvia: 1.1 a\r\nvia:\r\n",
        "x-forwarded-proto: https\r\nx-forwarded-proto: http\r\n",
        "x-forwarded-proto: HTTPS\r\n",
        "x-forwarded-proto: https\r\nx-forwarded-host: a\r\nx-forwarded-host: b\r\nx-forwarded-port: 1\r\nx-forwarded-port: 2\r\n",
        "x-forwarded-client-cert: a\r\nx-forwarded-client-cert: b\r\n",
        "content-type: a/b\r\ncontent-type: c/d\r\nuser-agent: a\r\nuser-agent: b\r\nvia: 1.1 a\r\nvia: 1.1 b\r\nauthorization: a\r\nauthorization: b\r\n",
        "accept: a\r\naccept: b\r\norigin: a\r\norigin: b\r\nreferer: a\r\nreferer: b\r\naccept-encoding: a\r\naccept-encoding: b\r\ncache-control: a\r\ncache-control: b\r\n",
        "grpc-timeout: 1S\r\ngrpc-timeout: 2S\r\ntraceparent: a\r\ntraceparent: b\r\nx-b3-traceid: a\r\nx-b3-traceid: b\r\nif-match: a\r\nif-match: b\r\n",
        "x-envoy-upstream-rq-timeout-ms: 18446744073709551615\r\n",
        "!xpect: 5\r\n",
        "te: trailers\r\n",
        "te: gzip, trailers\r\n",
        "te: gzip\r\n",
        "keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\n",
        "x-MiXed: V\r\nx-d: 1\r\nx-d: 2\r\ncookie: a=1\r\ncookie: b=2\r\nx-empty:\r\nx_under: 1\r\n",
        "x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-forwarded-host: h\r\nx-forwarded-port: 1\r\n",
        "x-envoy-internal: true\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 3\r\nx-envoy-upstream-rq-timeout-ms: 5\r\nx-envoy-attempt-count: 9\r\nx-envoy-original-path: /z\r\n",
        "x-give-content-type: text/plain\r\nx-give-server: z\r\nx-give-via: 1.1 q\r\nx-give-x-envoy-overloaded: true\r\nx-give-location: http://q/\r\n",
        "x-give-connection: close\r\nx-give-keep-alive: x\r\nx-give-upgrade: foo\r\nx-give-proxy-authenticate: z\r\n",
        "x-close: 1\r\n",
        "x-raw: HTTP/1.1 304 Not Modified\\r\\ncontent-length: 7\\r\\n\\r\\n\r\n",
        "x-raw: no HTTP\\r\\n\\r\\n\r\n",
        // What Envoy takes and mesh-proxy does not stands nowhere here: lines that are continued, other versions, statuses that are none, 101
        // unasked, chunks of HTTP/1.0.
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\ncontent-length: 2\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length: 2, 2\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length: +2\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length: 99999999999999999999999\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length:\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n2\\r\\nok\\r\\n0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ntransfer-encoding: gzip, chunked\\r\\n\\r\\n2\\r\\nok\\r\\n0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ntransfer-encoding: identity\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ntransfer-encoding: gzip\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n2\\r\\nok\\r\\n0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ntransfer-encoding: xchunked\\r\\n\\r\\n2\\r\\nok\\r\\n0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\nx-a : 1\\r\\ncontent-length: 0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\nx-a\\r\\ncontent-length: 0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\nx a: 1\\r\\ncontent-length: 0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200\\r\\ncontent-length: 0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 600 High\\r\\ncontent-length: 0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 103 Hints\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 204 No\\r\\ncontent-length: 0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 204 No\\r\\ncontent-length: 2\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 204 No\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.0 200 OK\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nokHTTP/1.1 200 OK\\r\\n\\r\\n\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ncontent-length: 5\\r\\n\\r\\nok\r\n",
        "x-raw: HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\nx\\r\\nok\r\n",
    ] {
        add("GET", "/h", headers, "");
    }
    for status in [201, 205, 301, 404, 429, 500, 503] {
        add("GET", "/s", &format!("x-status: {status}\r\n"), "");
    }
    add("OPTIONS", "*", "", "");
    add("POST", "/expects", "expect: 100-continue\r\n", "hello");
    out
}

#[test]
fn odd_requests_are_answered_as_by_a_real_envoy() {
    let up = Upstream::new(echo);
    let mut named = cluster("named", &[up.address]);
    named["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = json!("its.own");
    let mut of_all = manager(routes(), None);
    of_all["route_config"]["validate_clusters"] = json!(false);
    let cors = json!({"name": "envoy.filters.http.cors", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}});
    of_all["http_filters"].as_array_mut().expect("filters").insert(0, cors);
    let mut normal = of_all.clone();
    (normal["normalize_path"], normal["merge_slashes"], normal["path_with_escaped_slashes_action"]) = (json!(true), json!(true), json!("UNESCAPE_AND_FORWARD"));
    let clusters = [cluster("up", &[up.address]), cluster("dead", &[nobody()]), named];
    let mut cases = Vec::new();
    for listener in ["plain", "normal"] {
        for (name, text) in requests() {
            let name: &'static str = Box::leak(name.into_boxed_str());
            cases.push(Case { listener, name, steps: vec![Step::Send(text)], lines: 1 });
        }
    }
    let count = cases.len();
    match beside::differences(&[("plain", of_all), ("normal", normal)], &clusters, &cases) {
        None => eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one"),
        Some(wrong) => assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n")),
    }
}
