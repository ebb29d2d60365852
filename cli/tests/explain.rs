//! `meshctl explain`: words and access logs.

// It says when a test is skipped.
#![allow(clippy::print_stderr)]

use crate::common;
use common::{folder, meshctl, meshctl_with_input};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn here(args: &[&str]) -> common::Run {
    meshctl(Path::new("."), args)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/access-log").join(name)
}

fn json(run: &common::Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}{}", run.out, run.err))
}

#[test]
fn words_are_explained() {
    for (words, says) in [
        (&["UF"][..], "could not be made"),
        (&["URX,UF"], "last permitted attempt"),
        (&["UpstreamOverflow"], "circuit breaker"),
        (&["via_upstream"], "The upstream answered"),
        (&["rbac_access_denied_matched_policy[none]"], "No ALLOW policy matches"),
        (&["istio_requests_total"], "reporter"),
        (&["connection_security_policy"], "always unknown at the source"),
        (&["15006"], "Inbound traffic"),
        (&["503"], "UF"),
        (&["outbound|9080|v2|reviews.default.svc.cluster.local"], "subset v2"),
        (&["outbound_.80_._.a.b"], "SNI"),
        (&["waypoint"], "ambient"),
        (&["TLS", "error:", "Secret", "is", "not", "supplied", "by", "SDS"], "certificate"),
        (&["gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error adding"], "NACK"),
        (&["UF", "NR"], "No route matches"),
    ] {
        let run = here(&[&["explain"], words].concat());
        let said = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(run.status == 0 && said.contains(says), "{words:?}: {} {}", run.out, run.err);
    }
    let run = here(&["explain", "istio_request_total"]);
    assert!(run.status == 64 && run.err.contains("did you mean `istio_requests_total`"), "{}", run.err);
    assert_eq!(here(&["explain", "qqqqqqqq"]).status, 64);
    assert!(here(&["explain", "no-such-file.log"]).err.contains("there is no file"));
}

#[test]
fn everything_can_be_listed() {
    for (what, least) in [("flags", 30), ("details", 60), ("metrics", 40), ("ports", 15), ("terms", 60), ("causes", 70), ("rules", 60)] {
        let run = here(&["explain", "--list", what]);
        assert!(run.status == 0 && run.out.lines().count() >= least, "{what}: {}", run.out.lines().count());
        assert!(json(&here(&["explain", "--list", what, "-o", "json"])).as_array().is_some_and(|a| a.len() >= least), "{what}");
    }
    assert_eq!(json(&here(&["explain", "UF", "-o", "json"]))[0]["kind"], "response flag");
}

#[test]
fn a_log_is_grouped_by_cause() {
    let log = fixture("istio-text.log");
    let run = here(&["explain", log.to_str().unwrap_or(""), "-o", "json"]);
    assert_eq!(run.status, 79, "{}", run.err);
    let value = json(&run);
    assert_eq!((&value["entries"], &value["fine"], &value["complete"]), (&22.into(), &1.into(), &true.into()));
    let groups = value["groups"].as_array().expect("groups");
    assert_eq!(groups.iter().filter_map(|g| g["count"].as_u64()).sum::<u64>(), 21);
    let refused = groups.iter().find(|g| g["cause"]["id"] == "connection-refused").expect("the refused connection");
    assert_eq!(refused["upstream_cluster"], "outbound|9080||ratings.default.svc.cluster.local");
    assert!(refused["cause"]["next"][0].as_str().is_some_and(|n| n.contains("'outbound|9080||ratings.default.svc.cluster.local'")), "{refused}");
    let text = here(&["explain", log.to_str().unwrap_or("")]);
    assert!(text.out.contains("URX,UF") && text.out.contains("Connection_refused") && text.out.contains("1 are fine"), "{}", text.out);
}

#[test]
fn a_mixed_wrapped_log_is_read_from_standard_input() {
    let text = std::fs::read_to_string(fixture("wrapped.log")).expect("the fixture");
    let run = meshctl_with_input(Path::new("."), &["explain", "-", "-o", "json"], &text);
    let value = json(&run);
    assert_eq!((&value["entries"], &value["other"], &value["broken"]), (&13.into(), &4.into(), &1.into()));
    assert!(value["problems"][0].as_str().is_some_and(|p| p.starts_with("standard input:18:")), "{value}");
    assert!(value["groups"].as_array().is_some_and(|g| g.iter().any(|g| g["pods"][0] == "shop-1")));
}

#[test]
fn exit_statuses_follow_the_level() {
    let fine = r#"[2026-01-01T00:00:00.000Z] "GET / HTTP/1.1" 200 - 0 0 1 1 "-" "-" "-" "h" "10.0.0.1:80""#;
    let gone = fine.replace(" 200 - ", " 0 DC ");
    let failed = fine.replace(" 200 - ", " 503 UF ");
    let broken = fine.replace(" 200 - ", " x y ");
    let status = |text: &str, args: &[&str]| meshctl_with_input(Path::new("."), &[&["explain", "-"], args].concat(), text).status;
    assert_eq!(status(fine, &[]), 0);
    assert_eq!(status(&gone, &[]), 0);
    assert_eq!(status(&gone, &["--fail-on", "warning"]), 79);
    assert_eq!(status(&failed, &[]), 79);
    assert_eq!(status(&failed, &["--fail-on", "never"]), 0);
    assert_eq!(status(&format!("{fine}\n{broken}"), &[]), 65);
    assert_eq!(status(&format!("{failed}\n{broken}"), &[]), 79);
    assert_eq!(status("hello\nworld\n", &[]), 65);
    assert_eq!(status(fine, &["--format", "%oops%"]), 64);
    assert_eq!(here(&["explain", "UF", "--format", "%A%"]).status, 64);
}

#[test]
fn a_format_of_ones_own_is_read() {
    let run = meshctl_with_input(
        Path::new("."),
        &["explain", "-", "-o", "json", "--format", r"%START_TIME% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% c=%UPSTREAM_CLUSTER% a=%REQ(AUTHORIZATION)%\n"],
        "2026-01-01T00:00:00Z code=503 flags=UO c=outbound|80||a.b a=Bearer hunter2\n",
    );
    let value = json(&run);
    assert_eq!(value["groups"][0]["cause"]["id"], "circuit-breaker");
    assert!(!run.out.contains("hunter2"));
}

#[test]
fn samples_carry_neither_secrets_nor_commands_to_a_terminal() {
    let line = "[2026-01-01T00:00:00.000Z] \"GET /a?password=hunter2 HTTP/1.1\" 503 UF 0 0 1 1 \"-\" \"\u{1b}[31mred\u{202e}\" \"-\" \"h\" \"-\"\n";
    for format in ["text", "json", "markdown"] {
        let run = meshctl_with_input(Path::new("."), &["explain", "-", "-o", format, "--color", "never"], line);
        assert!(!run.out.contains("hunter2") && run.out.contains("redacted"), "{}", run.out);
        assert!(!run.out.contains('\u{1b}') && !run.out.contains('\u{202e}'), "{format}: {}", run.out);
    }
}

#[test]
fn a_file_that_cannot_be_read_costs_only_itself() {
    let dir = folder(&[("a.log", "[2026-01-01T00:00:00.000Z] \"GET / HTTP/1.1\" 200 - 0 0 1 1 \"-\" \"-\" \"-\" \"h\" \"-\"\n")]);
    std::fs::create_dir(dir.path().join("b.log")).expect("a folder");
    let run = meshctl(dir.path(), &["explain", "a.log", "b.log"]);
    assert!(run.status == 65 && run.out.contains("1 are fine") && run.err.contains("b.log can't be read"), "{} {} {}", run.status, run.out, run.err);
}

/// A sidecar of port 9080 with mutual TLS: one DENY and one ALLOW policy, and a route to a subset that is not there.
const DUMP: &str = r#"{"configs": [
 {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [{"name": "virtualInbound", "active_state": {"listener": {
   "name": "virtualInbound", "traffic_direction": "INBOUND", "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
   "filter_chains": [{"name": "0.0.0.0_9080", "filter_chain_match": {"destination_port": 9080, "transport_protocol": "tls"},
     "transport_socket": {"typed_config": {"@type": "t/DownstreamTlsContext", "require_client_certificate": true}},
     "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {"@type": "t/envoy.HttpConnectionManager", "http_filters": [
       {"name": "envoy.filters.http.rbac", "typed_config": {"@type": "t/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"action": "DENY", "policies": {
         "ns[shop]-policy[no-admin]-rule[0]": {"permissions": [{"url_path": {"path": {"prefix": "/admin"}}}], "principals": [{"any": true}]}}}}},
       {"name": "envoy.filters.http.rbac", "typed_config": {"@type": "t/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"policies": {
         "ns[shop]-policy[readers]-rule[0]": {"permissions": [{"header": {"name": ":method", "string_match": {"exact": "GET"}}}],
           "principals": [{"authenticated": {"principal_name": {"exact": "spiffe://cluster.local/ns/shop/sa/front"}}}]}}}}}
     ]}}]}]}}}]},
 {"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [{"route_config": {"name": "80", "virtual_hosts": [
   {"name": "cart", "domains": ["cart"], "routes": [{"name": "v9", "match": {"prefix": "/"}, "route": {"cluster": "outbound|80|v9|cart.shop"},
     "metadata": {"filter_metadata": {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/cart"}}}}]}]}}]},
 {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"}]}"#;

#[test]
fn authz_can_says_who_may_and_why_not() {
    let dir = folder(&[("dump.json", DUMP)]);
    let can = |args: &[&str]| meshctl(dir.path(), &[&["authz", "can", "--from", "dump.json"], args].concat());
    let front = "cluster.local/ns/shop/sa/front";
    for (args, status, says) in [
        (&["GET", "/", "--principal", front][..], 0, "allowed: ALLOW by AuthorizationPolicy shop/readers, rule 0"),
        (&["GET", "/admin?x=1", "--principal", front], 79, "refused: DENY by AuthorizationPolicy shop/no-admin, rule 0"),
        (&["POST", "/", "--principal", front], 79, "wants: method is `GET`; found: `POST`"),
        (&["GET", "/", "--principal", "cluster.local/ns/shop/sa/x"], 79, "wants: principal is `spiffe://cluster.local/ns/shop/sa/front`"),
        (&["GET", "/", "--plaintext"], 79, "STRICT"),
        (&["GET", "/"], 75, "not known"),
        (&["GET", "/", "--allow-partial"], 0, "not known"),
        (&["GET", "nopath"], 64, "begins with /"),
    ] {
        let run = can(args);
        assert!(run.status == status && format!("{}{}", run.out, run.err).contains(says), "{args:?}: {} {} {}", run.status, run.out, run.err);
    }
    let value = json(&can(&["POST", "/", "--principal", front, "-o", "json"]));
    assert_eq!((&value["verdict"], &value["rules"][1]["failed"][0]["found"]), (&"refused".into(), &"`POST`".into()));
}

/// A route that switches authorization off, one with rules of its own, and the rest.
#[test]
fn authz_can_asks_the_rules_of_the_route() {
    let own = |rules: &str| {
        format!(r#""typed_per_filter_config": {{"envoy.filters.http.rbac": {{"@type": "t/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"{rules}}}}}"#)
    };
    let deny = r#", "rbac": {"rules": {"action": "DENY", "policies": {"of the route": {"permissions": [{"any": true}], "principals": [{"any": true}]}}}}"#;
    let routes = format!(
        r#""route_config": {{"name": "in", "virtual_hosts": [{{"name": "in", "domains": ["*"], "routes": [
            {{"match": {{"prefix": "/open"}}, "route": {{"cluster": "in"}}, {}}},
            {{"match": {{"prefix": "/shut"}}, "route": {{"cluster": "in"}}, {}}},
            {{"match": {{"prefix": "/"}}, "route": {{"cluster": "in"}}}}]}}]}}, "http_filters""#,
        own(""),
        own(deny)
    );
    let dir = folder(&[("dump.json", &DUMP.replacen("\"http_filters\"", &routes, 1))]);
    let can =
        |method: &str, path: &str| meshctl(dir.path(), &["authz", "can", "--from", "dump.json", method, path, "--principal", "cluster.local/ns/shop/sa/front"]);
    for (method, path, status, says) in [
        ("POST", "/open/x", 0, "allowed"),
        ("GET", "/shut?x", 79, "of the route"),
        ("GET", "/", 0, "shop/readers, rule 0"),
        ("POST", "/", 79, "method is `GET`"),
    ] {
        let run = can(method, path);
        assert!(run.status == status && run.out.contains(says), "{method} {path}: {} {}{}", run.status, run.out, run.err);
    }
}

#[test]
fn a_dump_names_the_objects_behind_a_log() {
    let line = |code: &str, details: &str, cluster: &str, path: &str, host: &str, address: &str| {
        format!(
            r#"[2026-01-01T00:00:00.000Z] "GET {path} HTTP/1.1" {code} {details} - "-" 0 0 1 - "-" "-" "-" "{host}" "-" {cluster} - {address} 10.0.0.2:5 - -"#
        )
    };
    let log = [
        line("503 NC", "cluster_not_found", "-", "/", "cart", "10.0.0.9:80"),
        line("403 -", "rbac_access_denied_matched_policy[none]", "inbound|9080||", "/x", "shop", "10.0.0.1:9080"),
        line("403 -", "rbac_access_denied_matched_policy[ns[shop]-policy[no-admin]-rule[0]]", "inbound|9080||", "/admin", "shop", "10.0.0.1:9080"),
    ];
    let dir = folder(&[("dump.json", DUMP), ("a.log", &log.join("\n"))]);
    let run = meshctl(dir.path(), &["explain", "a.log", "--from", "dump.json", "-o", "json"]);
    let objects: Vec<String> = json(&run)["groups"].as_array().expect("groups").iter().map(|g| g["objects"][0].as_str().unwrap_or("").to_owned()).collect();
    for want in ["VirtualService shop/cart", "AuthorizationPolicy shop/readers", "AuthorizationPolicy shop/no-admin, rule 0"] {
        assert!(objects.iter().any(|o| o == want), "{want}: {objects:?}");
    }
    assert!(run.out.contains("which the proxy does not have") && run.out.contains("wants: principal"), "{}", run.out);
    assert_eq!(meshctl(dir.path(), &["explain", "a.log", "--from", "a.log"]).status, 65);
}

/// The recorded mesh that lies beside the repository.
#[test]
fn every_failure_of_the_recorded_mesh_is_explained_by_the_dump_of_its_pod() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/recorded/bookinfo");
    let Ok(pods) = std::fs::read_dir(recorded.join("envoy")) else {
        return eprintln!("SKIPPED: {} is not there", recorded.display());
    };
    let mut failures = 0;
    for pod in pods.flatten().map(|e| e.file_name().to_string_lossy().into_owned()) {
        let (log, dump) = (format!("accesslog/{pod}.jsonl"), format!("envoy/{pod}/config_dump_include_eds.json"));
        let value = json(&meshctl(&recorded, &["explain", &log, "--from", &dump, "-o", "json"]));
        assert_eq!((&value["complete"], &value["broken"]), (&true.into(), &0.into()), "{pod}");
        for g in value["groups"].as_array().expect("groups") {
            let some = |key: &str| g[key].as_array().is_some_and(|a| !a.is_empty());
            assert!(g["cause"]["id"].is_string() && (some("objects") || some("facts")), "{pod}: {g}");
            failures += g["count"].as_u64().unwrap_or(0) * u64::from(g["response_code"].as_u64().is_some_and(|c| c >= 400));
        }
    }
    assert!(failures > 100, "{failures}");
}
