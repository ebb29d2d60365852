//! `meshctl tui`: every screen at three sizes, what it says without a terminal, and that the pictures of the book are fresh.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tui(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshctl"))
        .args(["tui", "--now", "2026-11-22T12:00:00Z"])
        .args(args)
        .current_dir(root())
        .env_remove("MESHCTL_COMPAT")
        .output()
        .expect("meshctl runs")
}

fn picture(arguments: &str, size: &str, keys: &str) -> String {
    let output = tui(&[&arguments.split(' ').collect::<Vec<_>>()[..], &["--picture", "-", "--size", size, "--keys", keys]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

const OWN: &str = "testdata/bookinfo";
const RECORDED: &str = "testdata/recorded/bookinfo";
const BUSY: &str = "testdata/recorded/bookinfo --series testdata/traffic/bookinfo.json testdata/access-log/istio-json.log";
const TRACED: &str = "testdata/traces";
const SIZES: [&str; 3] = ["80x24", "120x40", "200x60"];

/// Screens by the keys that lead to them.
const SCREENS: [(&str, &str); 13] = [
    ("overview", ""),
    ("graph", "2"),
    ("graph-selected", "2 l l"),
    ("graph-tree", "2 v v"),
    ("graph-focus", "2 l e +"),
    ("detail", "3"),
    ("findings", "4 j"),
    ("findings-explained", "4 x"),
    ("proxies", "6 l l l l"),
    ("proxies-difference", "6 j d"),
    ("mesh", "7"),
    ("help", "2 ?"),
    ("palette", "ctrl-p r e v"),
];

/// What metrics and logs add.
const BUSY_SCREENS: [(&str, &str); 8] = [
    ("overview", ""),
    ("graph", "2"),
    ("graph-selected", "2 l l a a"),
    ("graph-found", "2 f e r r > 1 enter"),
    ("graph-tree", "2 v v"),
    ("detail", "enter"),
    ("mesh", "7"),
    ("logs", "8 j"),
];

/// Traces: the list, a waterfall at a span, the critical path alone.
const TRACED_SCREENS: [(&str, &str); 3] = [("traces", "5"), ("waterfall", "5 j enter j j"), ("waterfall-path", "5 o enter p")];

#[test]
fn every_screen_at_every_size() {
    for (source, path, screens) in [
        ("own", OWN, SCREENS.to_vec()),
        ("recorded", RECORDED, SCREENS.to_vec()),
        ("busy", BUSY, BUSY_SCREENS.to_vec()),
        ("traced", TRACED, TRACED_SCREENS.to_vec()),
    ] {
        for (name, keys) in screens {
            for size in SIZES {
                insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "screens" }, {
                    insta::assert_snapshot!(format!("{source}-{name}-{size}"), picture(path, size, keys));
                });
            }
        }
    }
}

#[test]
fn a_recording_is_replayed_and_every_screen_follows() {
    let dir = tempfile::tempdir().expect("a folder");
    let manifest = |host: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: cart, namespace: shop}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: cart, namespace: shop}}\nspec:\n  hosts: [cart]\n  http:\n  - route:\n    - destination: {{host: {host}}}\n"
        )
    };
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_meshctl")).args(args).current_dir(dir.path()).output().expect("meshctl runs");
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    std::fs::create_dir(dir.path().join("k8s")).expect("a folder");
    for (i, host) in ["cart.shop.svc.cluster.local", "nowhere.shop.svc.cluster.local", "nowhere.shop.svc.cluster.local"].iter().enumerate() {
        if i > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1_100));
        }
        std::fs::write(dir.path().join("k8s/a.yaml"), manifest(host)).expect("it is written");
        let (out, err) = run(&["snapshot", "record", "mesh.rec", "--from", "k8s", "--count", "1"]);
        assert!(out.contains("1 snapshots"), "{err}");
    }
    let picture = |source: &str, keys: &str| run(&["tui", source, "--picture", "-", "--size", "120x30", "--keys", keys]).0;
    for (keys, place, is_broken) in
        [("", "3/3", true), ("<", "2/3", true), ("< <", "1/3", false), ("< < >", "2/3", true), ("{", "2/3", true), ("< < }", "2/3", true)]
    {
        let text = picture("mesh.rec", keys);
        assert!(text.contains(place) && text.contains("◆") && text.contains("replay "), "{keys}: {text}");
        assert_eq!(text.contains("IST0101"), is_broken, "{keys}: {text}");
        assert_eq!(picture("mesh.rec", &format!("{keys} 4")).contains("IST0101"), is_broken, "{keys}");
    }
    assert!(picture("mesh.rec", "!").contains("what failed when is not known"));
    // Opened at a time, it can be gone through from its beginning to its end.
    let (out, _) = run(&["snapshot", "info", "mesh.rec", "-o", "json"]);
    let info: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let first = info["snapshots"][0].as_str().expect("a time");
    assert!(picture(&format!("mesh.rec@{first}"), "").contains("1/3"));
    assert!(picture(&format!("mesh.rec@{first}"), ">").contains("2/3"));
    assert!(picture("mesh.rec", ": a t space l a s t enter").contains("3/3"));
}

#[test]
fn empty_and_tiny_screens_say_so() {
    let empty = tempfile::tempdir().expect("a folder");
    let path = empty.path().to_string_lossy().into_owned();
    for (key, want) in [
        ("1", "proxies: not available"),
        ("2", "Graph: not available"),
        ("4", "Findings: not available"),
        ("5", "Traces: not available"),
        ("6", "Proxies: not available"),
        ("7", "Certificates: not available"),
        ("8", "Logs: not available"),
    ] {
        let text = picture(&path, "100x30", key);
        assert!(text.contains(want), "{key}: {text}");
    }
    assert!(picture(OWN, "20x5", "").contains("too small"));
    // Only that it is drawn at all: no size may be too odd.
    for size in ["30x8", "31x9", "40x10", "300x10", "33x100"] {
        for (_, keys) in SCREENS.iter().chain(&BUSY_SCREENS) {
            picture(BUSY, size, keys);
        }
    }
}

#[test]
fn without_a_terminal_the_facts_are_printed() {
    let output = tui(&[OWN]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(err.contains("standard output is no terminal"), "{err}");
    assert!(out.contains("WHAT IS WRONG NOW") && out.contains("IST0101") && out.contains("certificates: not available"), "{out}");
    assert_eq!(output.status.code(), Some(79));
    let quiet = tui(&[RECORDED, "--no-tui", "--open", "graph"]);
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");
    let out = String::from_utf8_lossy(&quiet.stdout).into_owned();
    assert!(out.contains("who calls whom: not available") && out.contains("bookinfo/reviews-v2  20%"), "{out}");
    assert_eq!(tui(&[]).status.code(), Some(64));
}

#[test]
fn secrets_and_escape_sequences_reach_no_screen() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: shop}\nstringDate: {password: hunter2}\n---\n\
                apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: \"a\\u001b[31m\\u0007b\", namespace: shop}\nspec:\n  hosts: [\"x\\u001b]0;title\\u0007\"]\n  http:\n  - route:\n    - destination: {host: nowhere, subset: v9}\n";
    std::fs::write(dir.path().join("a.yaml"), text).expect("it is written");
    let path = dir.path().to_string_lossy().into_owned();
    for (_, keys) in SCREENS {
        for ascii in [&[][..], &["--ascii"]] {
            let args = [&[path.as_str(), "--picture", "-", "--keys", keys], ascii].concat();
            let out = String::from_utf8(tui(&args).stdout).expect("UTF-8");
            assert!(!out.contains("hunter2"), "{keys}: {out}");
            assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{keys}: {out:?}");
        }
    }
}

#[test]
fn ascii_is_ascii() {
    for (_, keys) in SCREENS.iter().filter(|(n, _)| n.starts_with("graph") || *n == "overview") {
        let output = tui(&[OWN, "--picture", "-", "--ascii", "--keys", keys]);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let odd: String = out.chars().filter(|c| !c.is_ascii() && !"…·—".contains(*c)).collect();
        assert_eq!(odd, "", "{keys}");
    }
}

#[test]
fn the_pictures_of_the_book_are_fresh() {
    const TRAFFIC: &str = "testdata/recorded/bookinfo --series testdata/traffic/bookinfo.json";
    for (file, path, keys, size) in [
        ("overview", TRAFFIC, "", "120x36"),
        ("graph", TRAFFIC, "2 i", "160x42"),
        ("detail", TRAFFIC, "enter", "120x36"),
        ("configuration", RECORDED, "2", "160x42"),
        ("logs", "testdata/access-log/istio-json.log", "8", "120x36"),
        ("findings", OWN, "4", "120x36"),
        ("proxies", RECORDED, "6 l j l l l", "120x36"),
        ("waterfall", TRACED, "5 j enter j j j j j j j", "120x36"),
    ] {
        let output = tempfile::tempdir().expect("a folder");
        let fresh = output.path().join("a.svg");
        let name = fresh.to_string_lossy().into_owned();
        let arguments: Vec<&str> = path.split(' ').collect();
        assert!(tui(&[&arguments[..], &["--picture", &name, "--size", size, "--keys", keys]].concat()).status.success());
        let book = root().join(format!("docs/pictures/{file}.svg"));
        let is_same = std::fs::read(&book).ok() == std::fs::read(&fresh).ok();
        assert!(is_same, "{} is out of date: `cargo xtask pictures` draws it again", book.display());
    }
}
