//! What a cluster answers is what the same objects say as files, and as a recording of that cluster.

use crate::common;
use common::Run;
use common::mesh::{Mesh, resource};
use mesh_testserver::apiserver::{Data, Faults};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded/bookinfo/k8s")
}

/// The recorded Bookinfo, and mistakes of every sort beside it.
fn mesh() -> Mesh {
    let mut data = Data::read(&recorded()).expect("the recorded lists");
    for (group, plural, kind, items) in extra() {
        data.add(resource(group, "v1", plural, kind, items));
    }
    Mesh::bare(data, Faults::default())
}

fn extra() -> Vec<(&'static str, &'static str, &'static str, Vec<Value>)> {
    let meta = |name: &str| json!({"name": name, "namespace": "bookinfo"});
    vec![
        (
            "networking.istio.io",
            "virtualservices",
            "VirtualService",
            vec![
                json!({"metadata": meta("broken"), "spec": {"hosts": ["ratings"], "http": [{"route": [{"destination": {"host": "nowhere", "subset": "v9"}, "weight": -5}]}]}}),
            ],
        ),
        (
            "networking.istio.io",
            "destinationrules",
            "DestinationRule",
            vec![json!({"metadata": meta("twice"), "spec": {"host": "reviews", "subsets": [{"name": "v1", "labels": {"version": "none"}}]}})],
        ),
        (
            "security.istio.io",
            "authorizationpolicies",
            "AuthorizationPolicy",
            vec![
                json!({"metadata": meta("nobody"), "spec": {"selector": {"matchLabels": {"app": "nosuch"}}, "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/x/sa/y"]}}]}]}}),
            ],
        ),
        (
            "",
            "services",
            "Service",
            vec![json!({"metadata": meta("odd"), "spec": {"selector": {"app": "reviews"}, "ports": [{"name": "wrong", "port": 1234}]}})],
        ),
    ]
}

/// The same objects as files.
fn files(dir: &Path) {
    let to = dir.join("k8s");
    std::fs::create_dir_all(&to).expect("a folder");
    for entry in std::fs::read_dir(recorded()).expect("the recorded lists").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
    for (group, plural, kind, items) in extra() {
        for mut item in items {
            item["kind"] = json!(kind);
            item["apiVersion"] = json!(if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") });
            std::fs::write(to.join(format!("z-extra-{plural}.json")), item.to_string()).expect("a file");
        }
    }
}

/// Of each finding what does not depend on where it was read.
fn findings(run: &Run) -> Vec<String> {
    let of = |f: &Value| {
        let text = |key: &str| f[key].as_str().unwrap_or("").to_owned();
        format!("{} {} {}: {}", text("code"), text("level"), text("origin"), text("message"))
    };
    let mut all: Vec<String> = run.findings().iter().map(of).collect();
    all.sort();
    all
}

#[test]
fn findings_tables_and_explanations_are_the_same() {
    let mesh = mesh();
    files(mesh.dir());
    let made = mesh.meshctl(&["snapshot", "record", "mesh.rec", "--from", "kube", "--count", "1"]);
    assert!(mesh.dir().join("mesh.rec").exists(), "{}{}", made.out, made.err);

    let analyze = |from: &str, complete: &[&str]| mesh.meshctl(&[&["analyze", "-o", "json", "--from", from], complete].concat());
    let live = findings(&analyze("kube", &[]));
    for code in ["IST0101", "IST0118"] {
        assert!(live.iter().any(|f| f.starts_with(code)), "{code}: {live:#?}");
    }
    // A cluster's Secrets and other ConfigMaps are not read, so that nothing is said of what is missing among them.
    let of_secrets = |f: &String| f.contains("Secret") || f.contains("credential");
    let of_files: Vec<String> = findings(&analyze("k8s", &["--complete"])).into_iter().filter(|f| !of_secrets(f)).collect();
    assert_eq!(live, of_files, "files");
    assert_eq!(live, findings(&analyze("mesh.rec", &[])), "a recording");

    for args in [
        &["mtls"][..],
        &["mtls", "-o", "json"],
        &["authz", "who-can", "reviews.bookinfo:9080"],
        &["authz", "matrix"],
        &["why", "deployment/productpage-v1.bookinfo", "http://reviews:9080/reviews/0"],
        &["why", "deployment/productpage-v1.bookinfo", "http://ratings:9080/ratings/0", "-o", "json"],
        &["describe", "deployment/reviews-v2.bookinfo"],
        &["describe", "svc/reviews.bookinfo", "-o", "json"],
        &["describe", "gateway/bookinfo-gateway.bookinfo"],
        &["plan", "--delete", "VirtualService bookinfo/reviews"],
    ] {
        let ask = |from: &str, complete: &[&str]| mesh.meshctl(&[args, &["-f", from], complete].concat());
        let live = ask("kube", &[]);
        assert!(!live.out.is_empty(), "{args:?}: {}", live.err);
        if !matches!(args[0], "plan") {
            let unnamed = mesh.meshctl(args);
            assert_eq!((unnamed.status, &unnamed.out), (live.status, &live.out), "{args:?} without a source: {}", unnamed.err);
        }
        let files = ask("k8s", &["--complete"]);
        assert_eq!(without_places(&live.out), without_places(&files.out), "{args:?} of files: {}{}", live.err, files.err);
        // A recording says beside it what was not seen when it was made: there is no istiod.
        if !args.contains(&"json") {
            let recording = ask("mesh.rec", &[]);
            assert_eq!(without_places(&live.out), without_places(&recording.out), "{args:?} of a recording: {}{}", live.err, recording.err);
        }
    }
}

/// Without where an object was read, `kube:dev/Kind/ns/name:3:1` or `k8s/file.json:3:1`, and without what was not seen.
fn without_places(text: &str) -> String {
    let is_place = |word: &str| ["kube:dev/", "k8s/", "mesh.rec/", "mesh.rec@"].iter().any(|p| word.trim_start_matches(['(', '"', '[']).starts_with(p));
    let is_kept = |line: &&str| !line.trim().is_empty() && *line != "problems:" && !line.contains("was not seen when it was recorded");
    text.lines().filter(is_kept).map(|line| line.split(' ').map(|w| if is_place(w) { "PLACE" } else { w }).collect::<Vec<_>>().join(" ") + "\n").collect()
}
