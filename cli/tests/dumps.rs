//! What is shown of dumps: never a secret, never a control character; and how commands on dumps end.

use crate::common;
use common::{Run, folder, meshctl, meshctl_with_input};
use std::path::Path;
use std::process::Stdio;

fn dumps() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/dumps")
}

fn at(args: &[&str]) -> Run {
    meshctl(&dumps(), args)
}

const SECTIONS: &[&str] = &["all", "bootstrap", "cluster", "ecds", "eds", "listener", "route", "secret"];

#[test]
fn no_format_of_any_command_prints_a_secret() {
    for what in SECTIONS {
        for format in ["table", "wide", "csv", "json", "yaml"] {
            for compat in ["meshctl", "istioctl"] {
                let run = at(&["pc", what, "-f", "secrets.json", "-o", format, "--compat", compat]);
                let all = format!("{}{}", run.out, run.err);
                // The secret itself, and the end of its base64 in the key and in the module.
                for secret in ["hunter2", "aHVudGVyMg", "h1bnRlcjI", "odW50ZXIy", "\u{1b}"] {
                    assert!(!all.contains(secret), "{what} -o {format} --compat {compat}: {all}");
                }
            }
        }
    }
    for what in ["all", "certificate"] {
        for format in ["table", "json", "yaml"] {
            let run = at(&["zc", what, "-f", "ztunnel.json", "-o", format]);
            assert!(run.status == 0 && !run.out.contains("hunter2"), "{what} -o {format}: {}{}", run.out, run.err);
        }
    }
    assert!(!at(&["authz", "check", "-f", "secrets.json"]).out.contains("hunter2"));
}

#[test]
fn a_secret_is_told_by_length_and_hash_and_what_is_public_stays() {
    let out = at(&["pc", "secret", "-f", "secrets.json", "-o", "json"]).out;
    assert!(out.contains("[redacted: 62 bytes, sha256 "), "{out}");
    assert!(out.contains("\"certificateChain\""), "{out}");
    let compat = at(&["pc", "secret", "-f", "secrets.json", "-o", "json", "--compat", "istioctl"]).out;
    assert!(compat.contains("\"inlineBytes\": \"W3JlZGFjdGVkXQ==\""), "{compat}");
    let routes = at(&["pc", "route", "-f", "secrets.json"]).out;
    assert!(routes.contains("cookie=[redacted: 15 bytes"), "{routes}");
}

#[test]
fn statuses_are_those_of_every_command() {
    for (args, status, says) in [
        (&["pc", "cluster", "-f", "secrets.json"][..], 0, ""),
        (&["pc", "cluster"], 64, "--from"),
        (&["pc", "cluster", "-f", "secrets.json", "-o", "bogus"], 64, "\"bogus\""),
        (&["pc", "cluster", "-f", "secrets.json", "--no-such-flag"], 64, "--no-such-flag"),
        (&["pc", "cluster", "-f", "secrets.json", "--now", "yesterday"], 64, "--now"),
        (&["pc", "cluster", "-f", "secrets.json", "--compat", "kubectl"], 64, "--compat"),
        (&["pc", "cluster", "-f", "nosuch.json"], 65, "nosuch.json"),
        (&["pc", "cluster", "-f", "ztunnel.json"], 65, "ztunnel"),
        (&["zc", "workload", "-f", "secrets.json"], 65, "an Envoy config dump"),
        (&["authz", "check", "-f", "ztunnel.json"], 65, "ztunnel"),
        (&["pc", "eds", "-f", "secrets.json"], 1, "EndpointsConfigDump; it holds BootstrapConfigDump, ClustersConfigDump"),
        (&["pc", "all", "-f", "secrets.json"], 75, "not seen: the config dump has no type.googleapis.com/envoy.admin.v3.EndpointsConfigDump"),
        (&["pc", "all", "-f", "secrets.json", "--allow-partial"], 0, "not seen"),
        (&["-q", "pc", "all", "-f", "secrets.json"], 75, "not seen"),
        (&["-q", "pc", "cluster", "-f", "nosuch.json"], 65, "nosuch.json"),
    ] {
        let run = at(args);
        assert_eq!(run.status, status, "{args:?}: {}", run.err);
        assert!(run.err.contains(says), "{args:?}: {}", run.err);
        assert!(matches!(status, 0 | 75) || run.out.is_empty(), "{args:?}: nothing half-printed: {}", run.out);
    }
    let run = meshctl_with_input(&dumps(), &["zc", "workload", "-f", "-"], &std::fs::read_to_string(dumps().join("ztunnel.json")).expect("a dump"));
    assert!(run.status == 0 && run.out.contains("cart-1"), "{}", run.err);
}

/// A dump with RBAC filters of istiod's, of somebody else's, without rules and without policies.
fn authorization() -> String {
    let filter = |name: &str, config: &str| {
        format!(
            r#"{{"name": "envoy.filters.{name}.rbac", "typed_config": {{"@type": "type.googleapis.com/envoy.extensions.filters.{name}.rbac.v3.RBAC", {config}}}}}"#
        )
    };
    let policies = |names: &[&str]| names.iter().map(|n| format!(r#""{n}": {{}}"#)).collect::<Vec<_>>().join(", ");
    let rules = |action: &str, names: &[&str]| format!(r#"{{"action": "{action}", "policies": {{{}}}}}"#, policies(names));
    let http = [
        filter("http", &format!(r#""rules": {}"#, rules("DENY", &["ns[shop]-policy[no]-rule[0]", "ns[shop]-policy[no]-rule[1]", "corp"]))),
        filter("http", &format!(r#""shadow_rules": {}"#, rules("DENY", &["istio-ext-authz-ns[shop]-policy[ask]-rule[0]", "ns[shop]-policy[try]-rule[0]"]))),
    ];
    let manager = format!(
        r#"{{"name": "envoy.filters.network.http_connection_manager", "typed_config": {{"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "http_filters": [{}]}}}}"#,
        http.join(", ")
    );
    let listener = |name: &str, filters: &str| {
        format!(r#"{{"name": "{name}", "active_state": {{"listener": {{"name": "{name}", "filter_chains": [{{"filters": [{filters}]}}]}}}}}}"#)
    };
    let closed = filter("network", r#""rules": {}"#);
    format!(
        r#"{{"configs": [{{"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [{}, {}]}}]}}"#,
        listener("http", &manager),
        listener("tcp", &closed)
    )
}

#[test]
fn authz_check_lists_policies_by_action_in_every_format() {
    let check = |args: &[&str]| {
        let run = meshctl_with_input(&dumps(), &[&["authz", "check", "-f", "-"], args].concat(), &authorization());
        assert_eq!(run.status, 0, "{}", run.err);
        run.out
    };
    let want = "\
ACTION,AuthorizationPolicy,RULES
DENY,corp,1
DENY,no.shop,2
ALLOW,_anonymous_match_nothing_,1
CUSTOM,ask.shop,1
";
    assert_eq!(check(&["-o", "csv"]), want);
    assert_eq!(check(&[]).split_whitespace().collect::<Vec<_>>(), want.split([',', '\n']).filter(|w| !w.is_empty()).collect::<Vec<_>>());
    let json: serde_json::Value = serde_json::from_str(&check(&["-o", "json"])).expect("JSON");
    assert_eq!((json["complete"].as_bool(), json["policies"].as_array().map(Vec::len)), (Some(true), Some(4)));
    assert_eq!(json["policies"][1], serde_json::json!({"action": "DENY", "policy": "no.shop", "rules": 2}));
    assert!(check(&["-o", "yaml"]).contains("policy: no.shop"));
    // A filter without rules enforces nothing.
    let listener = authorization().replace(r#""rules": {}"#, r#""stat_prefix": "x""#);
    let run = meshctl_with_input(&dumps(), &["authz", "check", "-f", "-"], &listener);
    assert!(run.status == 0 && !run.out.contains("anonymous"), "{}{}", run.out, run.err);
}

#[test]
fn without_a_cluster_what_to_do_is_said() {
    for (args, says) in [
        (&["pc", "cluster", "cart-1.shop"][..], "there is no kubeconfig"),
        (&["pc", "cluster"], "which proxy?"),
        (&["pc", "cluster", "--from", "kube"], "which proxy?"),
        (&["pc", "log", "cart-1", "-n", "shop"], "there is no kubeconfig"),
        (&["zc", "workload"], "there is no kubeconfig"),
        (&["authz", "check", "cart-1.shop"], "there is no kubeconfig"),
        (&["authz", "can", "--from", "kube", "GET", "/"], "--pod"),
        (&["authz", "can", "GET", "/"], "--pod"),
        (&["ps"], "there is no kubeconfig"),
        (&["ps", "cart-1.shop"], "there is no kubeconfig"),
        (&["ps", "--from", "kube:"], "name of a context"),
        (&["explain", "-", "--from", "kube"], "--pod"),
    ] {
        let run = at(args);
        assert!(run.status == 64 && run.out.is_empty() && run.err.contains(says), "{args:?}: {} {}", run.status, run.err);
    }
    // A mistyped file is a file that is not there, and no pod.
    let run = at(&["snapshot", "diff", "secrets.json", "secrtes.json"]);
    assert!(run.status == 65 && run.err.contains("secrtes.json"), "{} {}", run.status, run.err);
}

#[test]
fn expiry_is_judged_at_the_instant_that_is_given() {
    let valid = |now: &str| at(&["zc", "certificate", "-f", "ztunnel.json", "--now", now]).out;
    assert!(valid("2026-11-15T00:00:00Z").contains("  yes  ") && !valid("2026-12-15T00:00:00Z").contains("  yes  "));
    assert!(valid("2026-12-15T00:00:00Z").contains("EXPIRED"));
    let run = common::run(
        common::command(&dumps()).args(["zc", "certificate", "-f", "ztunnel.json"]).env("MESHCTL_NOW", "2026-11-15T00:00:00Z").output().expect("meshctl runs"),
    );
    assert!(run.out.contains("  yes  "), "{}", run.out);
}

#[test]
fn every_format_of_ztunnels_tables_is_what_it_says() {
    for what in ["workload", "service", "policy", "certificate", "connections"] {
        let table = at(&["zc", what, "-f", "ztunnel.json"]).out;
        let wide = at(&["zc", what, "-f", "ztunnel.json", "-o", "wide"]).out;
        let csv = at(&["zc", what, "-f", "ztunnel.json", "-o", "csv"]).out;
        let columns = |line: &str| line.split("  ").filter(|c| !c.trim().is_empty()).count();
        let first = |text: &str| text.lines().next().unwrap_or("").to_owned();
        assert_eq!(first(&csv).split(',').count(), columns(&first(&wide)), "{what}: {csv}{wide}");
        assert!(columns(&first(&wide)) >= columns(&first(&table)) && csv.lines().count() == wide.lines().count(), "{what}: {wide}");
        let istioctl = at(&["zc", what, "-f", "ztunnel.json", "--compat", "istioctl"]);
        assert!(istioctl.status == 0 && first(&istioctl.out) != first(&table), "{what}: {}", istioctl.out);
    }
}

#[test]
fn endpoints_of_a_dump_are_printed_in_every_format_and_bootstrap_as_csv() {
    let dump = "../test/dumps/productpage.json";
    let json = at(&["pc", "endpoint", "-f", dump, "-o", "json"]);
    assert!(json.status == 0 && json.out.contains("\"clusterName\""), "{}{}", json.out, json.err);
    let csv = at(&["pc", "bootstrap", "-f", dump, "-o", "csv"]);
    assert!(csv.out.starts_with("NAME,VALUE\n"), "{}{}", csv.out, csv.err);
    let secrets = at(&["pc", "secret", "-f", dump]).out;
    assert!(secrets.contains("SIGNED BY") && secrets.contains("no root is held"), "{secrets}");
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    for args in [&["pc", "all", "-f", "secrets.json", "-o", "json"][..], &["zc", "all", "-f", "ztunnel.json"], &["authz", "check", "-f", "secrets.json"]] {
        let mut child = common::command(&dumps()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("meshctl runs");
        drop(child.stdout.take());
        let run = common::run(child.wait_with_output().expect("meshctl ends"));
        assert!(run.status == 0 && run.err.is_empty(), "{args:?}: {} {}", run.status, run.err);
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_an_answer_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder(&[]);
    let out = dir.path().join("out.json");
    let run = at(&["pc", "cluster", "-f", "secrets.json", "-o", "json", "--out", &out.display().to_string()]);
    assert!(run.status == 0 && run.out.is_empty(), "{}", run.err);
    assert_eq!(std::fs::metadata(&out).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&out).expect("a file").starts_with('['));
}

#[test]
fn an_entry_that_cannot_be_read_costs_itself_only() {
    let dump = std::fs::read_to_string(dumps().join("secrets.json")).expect("a dump");
    let value: serde_json::Value = serde_json::from_str(&dump).expect("JSON");
    let mut value = value;
    for section in value["configs"].as_array_mut().expect("sections") {
        if let Some(list) = section.get_mut("dynamic_active_clusters").and_then(serde_json::Value::as_array_mut) {
            list.insert(0, serde_json::json!({"cluster": {"name": "odd", "connect_timeout": {"hunter": 2}}}));
        }
    }
    let text = serde_json::to_string_pretty(&value).expect("JSON");
    let plain = at(&["pc", "cluster", "-f", "secrets.json"]);
    let run = meshctl_with_input(&dumps(), &["pc", "cluster", "-f", "-"], &text);
    assert_eq!((run.status, run.out.as_str()), (75, plain.out.as_str()), "{}", run.err);
    assert!(run.err.contains("dynamic_active_clusters[0] (`odd`) can't be read: line "), "{}", run.err);
}

/// The time is no part of the test, but with the square of it the test would not end.
#[test]
fn many_entries_that_cannot_be_read_are_counted() {
    let entries = vec!["{\"cluster\": {\"name\": \"a\", \"connect_timeout\": {}}}"; 20_000].join(",");
    let text = format!("{{\"configs\": [{{\"@type\": \"x.ClustersConfigDump\", \"dynamic_active_clusters\": [{entries}]}}]}}");
    let run = meshctl_with_input(&dumps(), &["pc", "cluster", "-f", "-"], &text);
    assert_eq!((run.status, run.out.as_str()), (65, ""));
    assert!(run.err.contains("19980 more entries") && run.err.lines().count() < 30, "{}", run.err);
}

#[test]
fn a_section_that_stands_twice_is_told_with_its_places() {
    let section = |name: &str| {
        let ads = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump";
        format!(r#"{{"@type": "{ads}", "static_clusters": [{{"cluster": {{"name": "{name}", "type": "STATIC"}}}}]}}"#)
    };
    let dir = folder(&[("twice.json", &format!(r#"{{"configs": [{}, {}]}}"#, section("first"), section("second")))]);
    let run = meshctl(dir.path(), &["pc", "cluster", "-f", "twice.json"]);
    assert!(run.status == 75 && run.out.contains("second") && !run.out.contains("first"), "{} {}", run.status, run.out);
    assert!(run.err.contains("configs[1] is shown, configs[0] is not"), "{}", run.err);
    // istioctl says nothing of it.
    let run = meshctl(dir.path(), &["pc", "cluster", "-f", "twice.json", "--compat", "istioctl"]);
    assert!(run.status == 0 && run.err.is_empty(), "{} {}", run.status, run.err);
}
