//! What a person does with `meshctl analyze`: exit statuses, input, formats.

use crate::common;
use common::{BROKEN, REVIEWS, TWICE, command, folder, meshctl, meshctl_with_input, write};
use std::process::Stdio;

const FORMATS: [&str; 8] = ["text", "json", "yaml", "sarif", "junit", "github", "gitlab", "log"];

#[test]
fn the_exit_status_is_the_same_in_every_format() {
    let dir = folder(&[("bad/svc.yaml", REVIEWS), ("bad/vs.yaml", BROKEN), ("warn/a.yaml", TWICE), ("good/svc.yaml", REVIEWS)]);
    for format in FORMATS {
        let status = |args: &[&str]| meshctl(dir.path(), &[&["analyze", "-q", "-o", format], args].concat()).status;
        assert_eq!(status(&["bad"]), 79, "{format}");
        assert_eq!(status(&["warn"]), 0, "{format}");
        assert_eq!(status(&["--fail-on", "warning", "warn"]), 79, "{format}");
        assert_eq!(status(&["--failure-threshold", "Info", "warn"]), 79, "{format}");
        assert_eq!(status(&["--fail-on", "never", "bad"]), 0, "{format}");
        assert_eq!(status(&["good"]), 0, "{format}");
        assert_eq!(status(&["good", "gone.yaml"]), 65, "{format}");
        assert_eq!(status(&["bad", "gone.yaml"]), 79, "{format}");
        assert_eq!(status(&["good", "--world", "gone.yaml"]), 75, "{format}");
        assert_eq!(status(&["good", "--world", "gone.yaml", "--allow-partial"]), 0, "{format}");
        assert_eq!(status(&["good", "gone.yaml", "--world", "gone.yaml"]), 65, "{format}");
        assert_eq!(status(&["bad", "--world", "gone.yaml"]), 79, "{format}");
        assert_eq!(status(&["good", "--no-such-flag"]), 64, "{format}");
    }
}

#[test]
fn a_broken_document_is_one_finding_and_the_rest_goes_on() {
    let dir = folder(&[("a.yaml", &format!("{REVIEWS}---\nkind: [\n---\n{BROKEN}"))]);
    let run = meshctl(dir.path(), &["analyze", "-o", "json", "a.yaml"]);
    let found = run.found();
    assert_eq!(run.status, 79);
    assert_eq!(found, ["MSH0001 File a.yaml", "IST0101 VirtualService shop/reviews"]);
    let first = &run.findings()[0];
    assert_eq!((first["level"].as_str(), first["range"]["start"]["line"].as_u64().is_some_and(|l| l >= 6)), (Some("Error"), true), "{first}");
    assert_eq!(meshctl(dir.path(), &["analyze", "--fail-on", "never", "a.yaml"]).status, 65);
    let broken_only = folder(&[("a.yaml", "kind: [\n")]);
    assert_eq!(meshctl(broken_only.path(), &["analyze", "--ignore-unknown", "a.yaml"]).status, 0);
    for format in FORMATS {
        let run = meshctl(dir.path(), &["analyze", "-q", "-o", format, "a.yaml"]);
        assert!(run.out.contains("MSH0001"), "{format}: {}", run.out);
    }
}

#[test]
fn input_of_which_nothing_is_judged_is_not_fine() {
    const APP: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: argo}\n";
    let overlay = "resources: [../base]\nnamePrefix: x-\n";
    let dir = folder(&[
        ("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n"),
        ("chart/values.yaml", "replicas: 1\n"),
        ("chart/templates/vs.yaml", &BROKEN.replace("reviews", "{{ .Values.name }}")),
        ("over/kustomization.yaml", overlay),
        ("both/svc.yaml", REVIEWS),
        ("both/over/kustomization.yaml", overlay),
        ("values/values.yaml", "replicas: 1\n"),
        ("apps/app.yaml", APP),
        ("none/readme.txt", "nothing"),
        ("rendered.yaml", "---\n# Source: chart/templates/vs.yaml\n"),
    ]);
    let run = |args: &[&str]| meshctl(dir.path(), &[&["analyze", "-q"], args].concat());
    for (args, words) in [
        (&["chart"][..], "render them first: `helm template"),
        (&["over"], "`over` holds charts or kustomizations that are not rendered"),
        (&["chart", "over"], "the input holds charts"),
        (&["chart/**/*.yaml"], "not rendered"),
        (&["none"], "no manifest (*.yaml, *.yml, *.json) is in `none`"),
        (&["values"], "no Kubernetes object is in `values`"),
        (&["rendered.yaml"], "no Kubernetes object is in `rendered.yaml`"),
        (&["-"], "standard input is empty; see whether the program that writes it failed"),
        (&["--cluster", "east=none"], "no manifest (*.yaml, *.yml, *.json) is in `none` of cluster east"),
    ] {
        let run = run(args);
        assert_eq!((run.status, run.err.contains(words)), (75, true), "{args:?}: {}", run.err);
        assert_eq!(run.err.matches("error: ").count(), 1, "{args:?}: {}", run.err);
        assert_eq!(run_with(dir.path(), args, "--allow-partial"), 0, "{args:?}");
        assert_eq!(run_with(dir.path(), args, "--compat=istioctl"), 0, "{args:?}");
    }
    // What a pipe says in place of manifests.
    let piped = |text: &str| meshctl_with_input(dir.path(), &["analyze", "-"], text);
    let failed = piped("Error: chart \"shop\" not found\n");
    assert_eq!((failed.status, failed.err.contains("standard input holds no Kubernetes object")), (75, true), "{}", failed.err);
    assert_eq!(piped(REVIEWS).status, 0);
    assert_eq!(meshctl(dir.path(), &["validate", "none"]).status, 75);
    // Something was judged, or read and found to be no business of a mesh.
    for args in [&["both"][..], &["both", "chart", "none"], &["apps"]] {
        assert_eq!(run(args).status, 0, "{args:?}");
    }
    // The files of a commit, as a hook names them.
    for args in [&["chart/values.yaml"][..], &["chart/templates/vs.yaml"], &["over/kustomization.yaml"], &["values/values.yaml", "rendered.yaml"]] {
        let run = run(args);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{args:?}");
    }
}

fn run_with(dir: &std::path::Path, args: &[&str], more: &str) -> i32 {
    meshctl(dir, &[&["analyze", "-q", more], args].concat()).status
}

#[test]
fn each_world_of_a_repository_has_something_to_judge() {
    let dir = folder(&[
        ("k8s/svc.yaml", REVIEWS),
        ("empty/readme.txt", ""),
        (".meshctl.toml", "[[world]]\nname = \"prod\"\npaths = [\"k8s\"]\n[[world]]\nname = \"dev\"\ncommand = [\"true\"]\n"),
    ]);
    let run = meshctl(dir.path(), &["analyze", "-q"]);
    assert_eq!(run.status, 75, "{}", run.err);
    assert!(run.err.contains("world dev: nothing was judged: the output of `true` is empty"), "{}", run.err);
    assert_eq!(meshctl(dir.path(), &["analyze", "-q", "k8s/svc.yaml"]).status, 0);
    // Files that the settings leave out are none that a hook's user misses.
    write(dir.path(), &[(".meshctl.toml", "exclude = [\"empty\"]\n"), ("empty/none.yaml", "")]);
    assert_eq!(meshctl(dir.path(), &["analyze", "empty/none.yaml"]).status, 0);
}

#[test]
fn without_input_it_says_what_can_be_typed() {
    let dir = folder(&[]);
    let run = meshctl(dir.path(), &["analyze"]);
    assert_eq!(run.status, 64);
    for words in ["meshctl analyze DIR", "meshctl analyze -", ".meshctl.toml"] {
        assert!(run.err.contains(words), "{}", run.err);
    }
    assert_eq!(run.out, "");
    assert_eq!(meshctl(dir.path(), &["analyze", "--use-kube=false"]).status, 64);
}

#[test]
fn standard_input_globs_and_istioctls_flags_work() {
    let dir = folder(&[("k8s/svc.yaml", REVIEWS), ("k8s/vs.yaml", BROKEN), ("mesh.yaml", "rootNamespace: istio-config\n")]);
    let piped = meshctl_with_input(dir.path(), &["analyze", "-o", "json", "-"], &format!("{REVIEWS}---\n{BROKEN}"));
    assert_eq!(piped.found(), ["IST0101 VirtualService shop/reviews"]);
    assert!(piped.findings()[0]["reference"].as_str().is_some_and(|r| r.starts_with("-:")), "{}", piped.out);
    let run = meshctl(
        dir.path(),
        &[
            "analyze",
            "--use-kube=false",
            "-A",
            "-R",
            "--timeout",
            "30s",
            "--revision",
            "canary",
            "-i",
            "istio-system",
            "--meshConfigFile",
            "mesh.yaml",
            "--failure-threshold",
            "Error",
            "--output-threshold",
            "Info",
            "--color=false",
            "-o",
            "json",
            "k8s/*.yaml",
        ],
    );
    assert_eq!((run.status, run.found()), (79, vec!["IST0101 VirtualService shop/reviews".to_owned()]), "{}", run.err);
    assert_eq!(meshctl(dir.path(), &["validate", "-f", "k8s/svc.yaml", "-o", "json"]).out, "[]\n");
}

#[test]
fn what_is_misspelt_or_missing_is_an_error_that_names_it() {
    let dir = folder(&[("vs.yaml", BROKEN)]);
    for (args, status, says) in [
        (&["--select", "IST1010"][..], 64, "did you mean `IST0110`"),
        (&["--ignore", "duplicate-objekt"], 64, "did you mean `duplicate-object`"),
        (&["-S", "IST010l=*"], 64, "did you mean `IST0101`"),
        (&["-S", "IST0101"], 64, "CODE=OBJECT"),
        (&["--analyzer", "duplicate-objekt"], 64, "did you mean `duplicate-object`"),
        (&["--meshConfigFile", "missing.yaml"], 65, "missing.yaml"),
        (&["--meshNetworksFile", "missing.yaml"], 65, "missing.yaml"),
        (&["--baseline", "missing.json"], 65, "missing.json"),
        (&["--now", "yesterday"], 64, "--now"),
        (&["--istio-version", "two"], 64, "--istio-version"),
        (&["--fail-on", "fatal"], 64, "--fail-on"),
        (&["--output-threshold", "fatal"], 64, "--output-threshold"),
        (&["--compat", "linkerd"], 64, "--compat"),
        (&["--cluster", "a"], 64, "NAME=DIR"),
        (&["-o", "xml"], 64, "xml"),
        (&["--base", "--output=/tmp/x"], 64, "--base"),
        (&["-", "-"], 64, "once only"),
        (&["kube", "kube"], 64, "named twice"),
        (&["--kubeclient-timeout", "soon"], 64, "--kubeclient-timeout"),
        (&["--use-kube=false", "--context", "a"], 64, "--context"),
    ] {
        let run = meshctl(dir.path(), &[&["analyze", "vs.yaml"], args].concat());
        assert_eq!(run.status, status, "{args:?}: {}", run.err);
        assert!(run.err.contains(says), "{args:?}: {}", run.err);
        assert_eq!(run.out, "", "{args:?}");
    }
}

#[test]
fn versions_that_are_not_known_are_said() {
    let dir = folder(&[("svc.yaml", REVIEWS)]);
    for (version, says) in [("1.20", "older than the oldest"), ("1.99", "newer than the newest"), ("1.30.2", "")] {
        let run = meshctl(dir.path(), &["analyze", "--istio-version", version, "svc.yaml"]);
        assert!(run.status == 0 && run.err.contains(says) && run.err.contains("note:") != says.is_empty(), "{version}: {}", run.err);
    }
}

#[test]
fn text_shows_the_line_a_caret_and_the_help_and_counts_what_repeats() {
    let dir = folder(&[("svc.yaml", REVIEWS), ("vs.yaml", &BROKEN.replace("nowhere", "reveiws"))]);
    let run = meshctl(dir.path(), &["analyze", "."]);
    assert!(run.out.starts_with("./vs.yaml:11:15: error[IST0101] ") || run.out.starts_with("vs.yaml:11:15: error[IST0101] "), "{}", run.out);
    assert!(run.out.contains("\n11 |         host: reveiws\n   |               ^^^^^^^\n   = help: did you mean `reviews`?\n"), "{}", run.out);
    assert!(run.err.contains("1 error, "), "{}", run.err);

    // What is offered to be pasted keeps its lines.
    write(dir.path(), &[("subset.yaml", &BROKEN.replace("host: nowhere", "host: reviews\n        subset: v2"))]);
    let offered = meshctl(dir.path(), &["analyze", "--complete", "svc.yaml", "subset.yaml"]);
    let rule = "\n   = help: this DestinationRule would define it:\n     apiVersion: networking.istio.io/v1\n     kind: DestinationRule\n     metadata:\n       name: reviews\n";
    assert!(offered.out.contains(rule), "{}", offered.out);

    let many: String = (0..9).map(|i| format!("---\n{}", BROKEN.replace("name: reviews", &format!("name: r{i}")))).collect();
    write(dir.path(), &[("many.yaml", &format!("{REVIEWS}{many}"))]);
    let short = meshctl(dir.path(), &["analyze", "--select", "IST0101", "many.yaml"]);
    assert_eq!(short.out.matches("error[IST0101]").count(), 1);
    assert!(short.out.contains("and 8 more of IST0101, in 9 objects"), "{}", short.out);
    let all = meshctl(dir.path(), &["analyze", "--select", "IST0101", "--all", "many.yaml"]);
    assert_eq!(all.out.matches("error[IST0101]").count(), 9);
    assert_eq!(meshctl(dir.path(), &["analyze", "--select", "IST0101", "-o", "json", "many.yaml"]).findings().len(), 9);
}

#[test]
fn what_leads_out_of_the_input_is_counted_and_is_no_error() {
    let dir = folder(&[("vs.yaml", BROKEN), ("world.yaml", REVIEWS)]);
    let part = meshctl(dir.path(), &["analyze", "vs.yaml"]);
    assert_eq!((part.status, part.out.as_str()), (0, ""), "{}", part.err);
    assert!(part.err.contains("not judged"), "{}", part.err);
    assert_eq!(meshctl(dir.path(), &["analyze", "--complete", "vs.yaml"]).status, 79);
    // What is consulted makes the namespace known, and is itself not judged.
    let consulted = meshctl(dir.path(), &["analyze", "-o", "json", "vs.yaml", "--world", "world.yaml", "--world", "world.yaml"]);
    assert_eq!(consulted.found(), ["IST0101 VirtualService shop/reviews"], "{}", consulted.err);
}

#[test]
fn namespaces_levels_and_codes_choose_what_is_reported() {
    let other = BROKEN.replace("namespace: shop", "namespace: web");
    let dir = folder(&[("a.yaml", &format!("{REVIEWS}---\n{BROKEN}---\n{other}---\n{TWICE}"))]);
    let found = |args: &[&str]| meshctl(dir.path(), &[&["analyze", "--complete", "-o", "json", "a.yaml"], args].concat()).found();
    let all = found(&[]);
    assert!(all.contains(&"IST0101 VirtualService web/reviews".to_owned()) && all.contains(&"MSH0003 ServiceAccount shop/a".to_owned()), "{all:?}");
    assert!(found(&["-n", "web"]).iter().all(|f| f.contains("web/")));
    assert!(found(&["--select", "IST01"]).iter().all(|f| f.starts_with("IST01")));
    assert!(!found(&["--ignore", "DuplicateObject"]).iter().any(|f| f.starts_with("MSH0003")));
    assert!(!found(&["--output-threshold", "Error"]).iter().any(|f| f.starts_with("MSH0003")));
    assert_eq!(found(&["--analyzer", "duplicate-object"]), ["MSH0003 ServiceAccount shop/a"]);
}

#[test]
fn clusters_are_told_apart() {
    let dir = folder(&[("east/a.yaml", REVIEWS), ("west/a.yaml", TWICE)]);
    let run = meshctl(dir.path(), &["analyze", "-o", "json", "--select", "MSH0003", "--cluster", "east=east", "--cluster", "west=west"]);
    assert_eq!(run.findings().iter().map(|f| f["cluster"].as_str()).collect::<Vec<_>>(), [Some("west")], "{}", run.err);
    // The same among the sources, where every command takes it.
    let sources = meshctl(dir.path(), &["analyze", "-o", "json", "--select", "MSH0003", "east=east", "--from", "west=west"]);
    assert_eq!(sources.out, run.out, "{}", sources.err);
    let twice = meshctl(dir.path(), &["analyze", "--cluster", "east=east", "east=west"]);
    assert!(twice.status == 64 && twice.err.contains("two clusters are named `east`"), "{}", twice.err);
    let twice = meshctl(dir.path(), &["mtls", "--from", "east=east", "--from", "east=west"]);
    assert!(twice.status == 64 && twice.err.contains("two clusters are named `east`"), "{}", twice.err);
    let mtls = meshctl(dir.path(), &["mtls", "--from", "east=east", "--from", "west=west"]);
    assert!(mtls.status != 64 && mtls.status != 1, "{}", mtls.err);
    // A file of such a name is that file.
    std::fs::rename(dir.path().join("west"), dir.path().join("b=east")).expect("renamed");
    let file = meshctl(dir.path(), &["analyze", "-o", "json", "--select", "MSH0003", "b=east"]);
    assert_eq!(file.findings().len(), 1, "{}", file.err);
}

#[test]
fn commands_to_the_terminal_do_not_pass_and_secrets_are_not_shown() {
    let hostile = BROKEN.replace("host: nowhere", "host: \"no\\e[2Jwhere\\u202e\"").replace("name: reviews\n", "name: \"re\\e]0;x\\a\"\n");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\ndata: {key: aHVudGVyMg==}\n";
    let dir = folder(&[("a.yaml", &format!("{REVIEWS}---\n{hostile}---\n{secret}---\n{secret}"))]);
    for format in FORMATS {
        let run = meshctl(dir.path(), &["analyze", "--complete", "-o", format, "a.yaml"]);
        // istioctl's format colours the level, whatever it is written to; what stands there is our own.
        let text = run.out + &run.err;
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{format}: {text:?}");
        assert!(!text.contains("aHVudGVyMg"), "{format}: {text}");
        assert!(text.contains("MSH0003"), "{format}: {text}");
    }
    let broken = folder(&[("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: hunter2\n")]);
    let run = meshctl(broken.path(), &["analyze", "s.yaml"]);
    assert!(run.out.contains("MSH0001") && !(run.out + &run.err).contains("hunter2"));
}

#[test]
fn answers_go_to_a_private_file_and_a_closed_pipe_is_no_failure() {
    let dir = folder(&[("svc.yaml", REVIEWS), ("vs.yaml", BROKEN)]);
    let run = meshctl(dir.path(), &["analyze", "-o", "sarif", "--out", "out.sarif", "."]);
    assert_eq!((run.status, run.out.as_str()), (79, ""));
    assert!(std::fs::read_to_string(dir.path().join("out.sarif")).is_ok_and(|t| t.contains("\"2.1.0\"")));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("out.sarif")).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    for args in [&["analyze", "-o", "json", "."][..], &["explain", "--list", "rules"], &["completion", "bash"], &["version"]] {
        let mut child = command(dir.path()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("meshctl runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("meshctl ends");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(0) && !err.contains("panicked"), "{args:?}: {:?} {err}", output.status);
    }
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let many: String = (0..200).map(|i| format!("---\n{}---\n{TWICE}", BROKEN.replace("name: reviews", &format!("name: r{}", i % 150)))).collect();
    let dir = folder(&[("a.yaml", &format!("{REVIEWS}{many}"))]);
    let out = |threads: &str, format: &str| {
        let output = command(dir.path())
            .env("RAYON_NUM_THREADS", threads)
            .args(["analyze", "--complete", "-o", format, "--now", "2026-01-01T00:00:00Z", "a.yaml"])
            .output()
            .expect("meshctl runs");
        assert!(!output.stdout.is_empty());
        (output.stdout, output.stderr)
    };
    for format in ["json", "text", "sarif"] {
        assert_eq!(out("1", format), out("4", format));
    }
}

#[test]
fn compat_prints_istioctls_shape() {
    let dir = folder(&[("svc.yaml", REVIEWS), ("vs.yaml", BROKEN)]);
    let log = command(dir.path()).env("MESHCTL_COMPAT", "istioctl").args(["analyze", "svc.yaml", "vs.yaml"]).output().expect("meshctl runs");
    assert!(String::from_utf8_lossy(&log.stdout).starts_with("Error [IST0101] (VirtualService shop/reviews vs.yaml:11) "));
    let json = common::run(command(dir.path()).args(["analyze", "--compat", "istioctl", "-o", "json", "svc.yaml", "vs.yaml"]).output().expect("meshctl runs"));
    let keys: Vec<String> = json.findings()[0].as_object().expect("object").keys().cloned().collect();
    assert_eq!(keys, ["code", "documentationUrl", "level", "message", "origin", "reference"]);
    assert!(json.out.starts_with("[\n\t{\n\t\t\"code\""));
}

/// Secrets in every form in which a finding may point into one.
#[test]
fn no_format_shows_a_line_of_a_secret() {
    let in_block = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\nstringData:\n  config: |\n    x # meshctl: ignore hunter2 hunter2\n    # meshctl: ignore IST0101 hunter2\n";
    let on_line = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: b\n  namespace: shop\n  annotations: {galley.istio.io/analyze-suppress: IST0101, x: hunter2}\ndata:\n  password: hunter2 # meshctl: ignore IST0101\n";
    let twice = "apiVersion: v1\nkind: Secret\nmetadata: {name: c, namespace: shop}\nstringData: {password: hunter2, password: hunter2}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: c, namespace: shop}\nstringData: {password: hunter2}\n";
    let broken = "apiVersion: v1\nkind: Secret\nmetadata: {name: d\nstringData: {password: hunter2: [}\n";
    let list = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"e\", \"annotations\": {\"galley.istio.io/analyze-suppress\": \"IST0101\"}}, \"stringData\": {\"a\": \"hunter2\"}}]}";
    let environment = "apiVersion: v1\nkind: Pod\nmetadata: {name: f, namespace: shop}\nspec:\n  containers:\n  - name: a\n    env:\n    - {name: A, value: hunter2} # meshctl: ignore IST0101\n";
    let dir = folder(&[("a.yaml", in_block), ("b.yaml", on_line), ("c.yaml", twice), ("d.yaml", broken), ("e.json", list), ("f.yaml", environment)]);
    for format in ["text", "json", "yaml", "sarif", "junit", "github", "gitlab", "log"] {
        let run = meshctl(dir.path(), &["analyze", "--all", "--complete", "--output-threshold", "info", "-o", format, "."]);
        let found = format!("{}{}", run.out, run.err);
        assert!(!found.contains("hunter2"), "{format}: {found}");
        assert!(found.contains("MSH0004") && found.contains("MSH0001"), "{format}: {found}");
    }
    let found = meshctl(dir.path(), &["analyze", "--complete", "-o", "json", "."]).found();
    for origin in ["Secret shop/a", "Secret shop/b", "Secret e", "Pod shop/f"] {
        assert!(found.contains(&format!("MSH0004 {origin}")), "{origin}: {found:?}");
    }
}

#[test]
fn quiet_leaves_out_notes_and_never_errors() {
    let dir = folder(&[("a.yaml", TWICE)]);
    let run = meshctl(dir.path(), &["-q", "analyze", "a.yaml", "nosuch.yaml"]);
    assert_eq!(run.status, 65, "{}", run.err);
    assert!(run.err.contains("error: nosuch.yaml") && !run.err.contains("warning"), "{}", run.err);
    assert!(!meshctl(dir.path(), &["analyze", "--help"]).out.contains("istioNamespace"));
}
