//! `meshctl snapshot record`, `info` and `bug-report`; and every command on what they made.

use crate::common;
use common::{command, folder, meshctl};
use mesh_collectors::recording::{Capture, Reader, Recorder};
use mesh_testserver::admin::Admin;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A Service, a Secret and a VirtualService with a header that nobody may see.
const MANIFESTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{name: http, port: 80}], selector: {app: cart}}
---
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: shop}
data: {password: aHVudGVyMg==}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec:
  hosts: [cart]
  http:
  - match: [{headers: {authorization: {exact: hunter2}}}]
    route: [{destination: {host: nowhere.shop.svc.cluster.local}}]
";

fn sources() -> Vec<String> {
    let dumps = root().join("testdata/dumps/mesh").display().to_string();
    let traffic = root().join("testdata/traffic/bookinfo.json").display().to_string();
    ["--from", "k8s", "--from", &dumps, "--from", &traffic].map(str::to_owned).to_vec()
}

fn with<'a>(words: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    words.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

/// The whole of a file, unpacked, as text.
fn everything(file: &Path) -> String {
    let found = mesh_collectors::recording::find(file).expect("a recording").capture().expect("a capture");
    found.pages.iter().map(|p| format!("{}\n{}\n", p.path, p.text)).collect()
}

#[test]
fn every_command_reads_a_recording_and_an_archive_as_it_reads_the_sources() {
    let dir = folder(&[("k8s/a.yaml", MANIFESTS)]);
    let sources = sources();
    let made = meshctl(dir.path(), &with(&["snapshot", "record", "mesh.rec", "--count", "2", "--interval", "1100ms"], &sources));
    assert_eq!((made.status, made.out.as_str()), (0, "2 snapshots recorded into mesh.rec\n"), "{}", made.err);
    let made = meshctl(dir.path(), &with(&["snapshot", "bug-report", "--out", "report.tar.gz", "--now", "2026-11-22T11:40:00Z"], &sources));
    assert_eq!(made.status, 0, "{}", made.err);
    for file in ["mesh.rec", "report.tar.gz"] {
        let text = everything(&dir.path().join(file));
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg") && text.contains("manifests/k8s/a.yaml") && text.contains("kind: Secret"));
        let run = |words: &[&str]| meshctl(dir.path(), words);
        let findings = run(&["analyze", file, "-o", "json"]);
        assert!(findings.found().iter().any(|f| f == "IST0101 VirtualService shop/cart"), "{}{}", findings.out, findings.err);
        let clusters = run(&["pc", "cluster", "cart-1", "-n", "shop", "--from", file]);
        assert!(clusters.status == 0 && clusters.out.contains("SERVICE FQDN"), "{}", clusters.err);
        let status = run(&["ps", "--from", file]);
        assert!(status.out.contains("cart-1.shop") && status.out.contains("web-1.web"), "{}{}", status.out, status.err);
        let graph = run(&["graph", "--from", file]);
        assert!(graph.out.contains("productpage") && graph.out.contains("edges"), "{}{}", graph.out, graph.err);
        let top = run(&["top", "--from", file]);
        assert!(top.out.contains("reviews"), "{}{}", top.out, top.err);
        let tui = run(&["tui", file, "--no-tui"]);
        assert!(tui.out.contains("cart") && tui.out.contains("2 proxies"), "{}{}", tui.out, tui.err);
        let why = run(&["why", "outside", "http://cart.shop/", "--from", file]);
        assert!(why.out.contains("cart"), "{}{}", why.out, why.err);
        let info = run(&["snapshot", "info", file]);
        assert!(
            info.status == 0 && info.out.contains("  3 objects\n") && info.out.contains("  2 proxies\n") && info.out.contains("  1 files of series\n"),
            "{}",
            info.out
        );
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |file: &str| std::fs::metadata(dir.path().join(file)).expect("a file").permissions().mode() & 0o777;
        assert_eq!((mode("mesh.rec"), mode("report.tar.gz")), (0o600, 0o600));
    }
}

#[test]
fn a_time_says_which_snapshot_counts() {
    let dir = folder(&[("k8s/a.yaml", MANIFESTS)]);
    let record = |to: &str| meshctl(dir.path(), &["snapshot", "record", to, "--from", "k8s", "--count", "1"]);
    assert_eq!(record("mesh.rec").status, 0);
    std::thread::sleep(Duration::from_millis(2100));
    std::fs::write(
        dir.path().join("k8s/a.yaml"),
        "apiVersion: v1\nkind: Service\nmetadata: {name: pay, namespace: shop}\nspec: {ports: [{name: http, port: 80}]}\n",
    )
    .expect("a file");
    assert_eq!(record("mesh.rec").status, 0);
    let info: serde_json::Value = serde_json::from_str(&meshctl(dir.path(), &["snapshot", "info", "mesh.rec", "-o", "json"]).out).expect("JSON");
    let first = info["snapshots"][0].as_str().expect("a time").to_owned();
    let objects = |words: &[&str]| meshctl(dir.path(), &[&["analyze", "-o", "json"], words].concat());
    assert_eq!(objects(&["mesh.rec"]).found(), [] as [String; 0]);
    for words in [vec!["mesh.rec".to_owned(), "--at".to_owned(), first.clone()], vec![format!("mesh.rec@{first}")], vec![format!("--from=mesh.rec@{first}")]] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(objects(&words).found(), ["IST0101 VirtualService shop/cart"], "{words:?}");
    }
    let early = objects(&["mesh.rec", "--at", "2020-01-01T00:00:00Z"]);
    assert!(early.status == 65 && (early.out + &early.err).contains("begins at"), "{}", early.err);
    let none = objects(&["k8s", "--at", &first]);
    assert!(none.status == 64 && none.err.contains("none of the sources has times"), "{}", none.err);
    let wrong = objects(&["mesh.rec", "--at", "noon"]);
    assert!(wrong.status == 64 && wrong.err.contains("2026-11-22T11:40:00Z"), "{}", wrong.err);
}

#[test]
fn rubbish_is_refused_by_its_name() {
    let dir = folder(&[("k8s/a.yaml", MANIFESTS), ("notes.txt", "keep me")]);
    let run = |words: &[&str]| meshctl(dir.path(), words);
    assert_eq!(run(&["snapshot", "record", "a.rec"]).status, 64);
    assert_eq!(run(&["snapshot", "record", "a.rec", "--from", "-"]).status, 64);
    assert_eq!(run(&["snapshot", "record", "a.rec", "--from", "k8s", "--max-size", "lots"]).status, 64);
    assert_eq!(run(&["snapshot", "record", "a.rec", "--from", "k8s", "--max-size", "100", "--count", "1"]).status, 1);
    let nothing = run(&["snapshot", "record", "b.rec", "--from", "nowhere", "--count", "1"]);
    assert!(nothing.status == 1 && nothing.err.contains("nowhere") && !dir.path().join("b.rec").exists(), "{}", nothing.err);
    let other = run(&["snapshot", "record", "notes.txt", "--from", "k8s", "--count", "1"]);
    assert!(other.status == 65 && other.err.contains("no recording"), "{}", other.err);
    assert_eq!(std::fs::read_to_string(dir.path().join("notes.txt")).expect("a file"), "keep me");
    assert_eq!(run(&["snapshot", "info", "notes.txt"]).status, 65);
    assert_eq!(run(&["snapshot", "info", "absent"]).status, 65);
    // What is missing is said, and the rest is recorded.
    let part = run(&["snapshot", "record", "c.rec", "--from", "k8s", "--from", "http://127.0.0.1:1", "--count", "1"]);
    assert!(part.status == 75 && part.err.contains("does not answer"), "{}", part.err);
    let info = run(&["snapshot", "info", "c.rec"]);
    assert!(info.status == 75 && info.out.contains("not seen: http://127.0.0.1:1"), "{}", info.out);
    assert_eq!(run(&["analyze", "c.rec", "--fail-on", "never"]).status, 75);
}

/// Kills the recorder a hundred times, at any moment: what it had said to be recorded is there, and at most what it was at is not.
#[test]
fn a_hundred_kills_lose_nothing_that_was_said_to_be_recorded() {
    let dir = folder(&[("k8s/a.yaml", MANIFESTS)]);
    let file = dir.path().join("mesh.rec");
    let dump = root().join("testdata/dumps/mesh/proxies/shop/cart-1").display().to_string();
    let mut recorded = 0;
    let mut dice = 7_u64;
    for kill in 0..100 {
        let words = ["snapshot", "record", "mesh.rec", "--from", "k8s", "--from", &dump, "--interval", "1ms", "--max-size", "64MiB"];
        let mut child = command(dir.path()).args(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a recorder");
        let said = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&said);
        let stderr = child.stderr.take().expect("stderr");
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                counted.fetch_add(u64::from(line.starts_with("note: snapshot ")), Ordering::SeqCst);
            }
        });
        // Each second one is killed when it has begun to record, however slow the machine is.
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while kill % 2 == 0 && said.load(Ordering::SeqCst) == 0 && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(20 + (dice >> 33) % 120));
        child.kill().expect("killed");
        child.wait().expect("ended");
        reader.join().expect("read");
        recorded += said.load(Ordering::SeqCst);
        // Killed before it had made the file.
        let Ok(mut reader) = Reader::open(&file) else {
            assert_eq!(recorded, 0, "{kill}");
            continue;
        };
        let whole = reader.moments().len() as u64;
        assert!(reader.damaged.is_empty(), "{kill}: {:?}", reader.damaged);
        // One more may have been written than was said.
        assert!((recorded..=recorded + 1).contains(&whole), "{kill}: {whole} are there, {recorded} were said");
        if whole == 0 {
            continue;
        }
        let last = reader.load(whole as usize - 1).expect("a capture");
        assert!(last.summary.problems.is_empty() && last.pages.len() >= 3, "{kill}: {:?}", last.summary.problems);
        recorded = whole;
    }
    assert!(recorded >= 50, "{recorded} snapshots between 100 kills");
}

#[test]
fn traces_of_a_server_and_new_lines_of_logs_are_recorded_and_read_again() {
    let log = std::fs::read_to_string(root().join("testdata/access-log/istio-text.log")).expect("a log");
    let cut = log.len() / 2;
    let traces = std::fs::read_to_string(root().join("testdata/traces/zipkin-traces-error.json")).expect("traces");
    let zipkin = Admin::start([("/api/v2/traces".to_owned(), traces.clone())].into()).expect("a server");
    let dir = folder(&[("access.log", &log[..cut]), ("whole.log", &log), ("traces.json", &traces)]);
    let url = format!("http://{}", zipkin.address());
    let mut recorder = command(dir.path())
        .args(["snapshot", "record", "mesh.rec", "--from", "access.log", "--zipkin", &url, "--interval", "1500ms", "--count", "3", "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a recorder");
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while Reader::open(&dir.path().join("mesh.rec")).map_or(0, |r| r.moments().len()) < 1 {
        assert!(std::time::Instant::now() < until, "nothing is recorded");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.path().join("access.log")).expect("the log");
    std::io::Write::write_all(&mut file, &log.as_bytes()[cut..]).expect("more lines");
    assert!(recorder.wait().expect("an end").success());

    let explained = |name: &str| meshctl(dir.path(), &["explain", name]);
    let (recorded, whole) = (explained("mesh.rec"), explained("./whole.log"));
    assert_eq!((recorded.status, &recorded.out), (whole.status, &whole.out), "{}", recorded.err);
    let listed = |from: &str| meshctl(dir.path(), &["traces", "--from", from, "-o", "json"]);
    let (recorded, file) = (listed("mesh.rec"), listed("traces.json"));
    assert_eq!((recorded.status, &recorded.out), (0, &file.out), "{}", recorded.err);
    // Traces are asked for from the moment before on, and a minute more.
    let asked = zipkin.requests();
    assert!(asked.len() == 3 && asked.iter().all(|r| r.contains("lookback=")), "{asked:?}");
    // A recorder that goes on does not take again what it has.
    let again = meshctl(dir.path(), &["snapshot", "record", "mesh.rec", "--from", "access.log", "--count", "1", "-q"]);
    assert_eq!(again.status, 0, "{}", again.err);
    assert_eq!(explained("mesh.rec").out, whole.out);
}

/// A config dump with one cluster.
fn dump(timeout: &str) -> String {
    let cluster = serde_json::json!({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "outbound|80||cart.shop.svc.cluster.local", "connect_timeout": timeout});
    let section = serde_json::json!({"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [{"cluster": cluster}]});
    serde_json::json!({"configs": [section]}).to_string()
}

#[test]
fn all_proxies_of_two_moments_are_compared() {
    let dir = folder(&[]);
    let file = dir.path().join("mesh.rec");
    let mut recorder = Recorder::open(&file, 1 << 30).expect("a recorder");
    for (second, proxies) in [(0, [("web-1", "1s"), ("cart-1", "1s"), ("old-1", "1s")]), (60, [("web-1", "5s"), ("cart-1", "1s"), ("new-1", "1s")])] {
        let mut capture = Capture::new(1_795_347_600_000 + second * 1000);
        for (name, timeout) in proxies {
            capture.add(&format!("proxies/shop/{name}/config_dump.json"), dump(timeout));
        }
        capture.sort();
        recorder.add(&capture).expect("added");
    }
    drop(recorder);
    let moments = ["mesh.rec@2026-11-22T11:40:00Z", "mesh.rec@2026-11-22T11:41:00Z"];
    let run = meshctl(dir.path(), &["snapshot", "diff", moments[0], moments[1]]);
    assert_eq!(run.status, 79, "{}{}", run.out, run.err);
    for says in [
        "web-1.shop:\n",
        "connectTimeout: \"1s\" -> \"5s\"",
        "old-1.shop: only in mesh.rec@2026-11-22T11:40:00Z",
        "new-1.shop: only in",
        "3 of 4 proxies differ",
    ] {
        assert!(run.out.contains(says), "{says}\n{}", run.out);
    }
    let json = meshctl(dir.path(), &["snapshot", "diff", moments[0], moments[1], "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&value["onlyInLeft"], &value["proxies"].as_array().map(Vec::len)), (&serde_json::json!(["old-1.shop"]), &Some(2)), "{value}");
    let same = meshctl(dir.path(), &["snapshot", "diff", moments[0], moments[0]]);
    assert!(same.status == 0 && same.out.contains("0 of 3 proxies differ"), "{}{}", same.out, same.err);
    // One proxy of them, as before.
    let one = meshctl(dir.path(), &["snapshot", "diff", "web-1.shop", "cart-1.shop", "--from", moments[1]]);
    assert!(one.status == 79 && one.out.contains("connectTimeout"), "{}{}", one.out, one.err);
}
