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
/// Everything that there is: manifests, dumps, metrics over time (so charts and a time line too), access logs, traces.
const FULL: &str = "testdata/recorded/bookinfo --series testdata/traffic/bookinfo-over-time.json testdata/access-log/istio-json.log testdata/traces";
const TRACED: &str = "testdata/traces";
const SIZES: &str = "80x24,120x40,200x60";

/// The screens, by the keys that lead to them.
const SCREENS: [(&str, &str); 8] =
    [("overview", "1"), ("graph", "2"), ("detail", "3"), ("findings", "4"), ("traces", "5"), ("proxies", "6"), ("mesh", "7"), ("logs", "8")];

/// What the sources give: their arguments, and more arguments of the picture.
const STATES: [(&str, &str, &str); 6] = [
    ("loading", OWN, "--moment reading"),
    ("empty", "testdata/tui/empty", ""),
    // Nothing could be read at all.
    ("failed", "testdata/tui/missing", ""),
    // Some sources can't be read, and the rest goes on. Nothing listens at that port.
    ("failing", "testdata/bookinfo testdata/tui/broken --prometheus http://127.0.0.1:1", ""),
    ("full", FULL, ""),
    // What was to be read again every 15 s was not, for two minutes.
    ("stale", FULL, "--moment later"),
];

/// Further views of screens: name, sources, keys.
const VIEWS: [(&str, &str, &str); 36] = [
    ("detail-list", FULL, "3 w R"),
    ("detail-of-list", FULL, "3 w / r e v i e w s - enter enter"),
    ("findings-yaml", RECORDED, "4 y"),
    ("overview-aloud", "testdata/recorded/bookinfo --series testdata/traffic/bookinfo-over-time.json --a11y", "1"),
    ("graph-aloud", "testdata/recorded/bookinfo --series testdata/traffic/bookinfo-over-time.json --a11y", "2"),
    ("graph-selected", FULL, "2 l l a a"),
    ("graph-of-apps", FULL, "2 l l g"),
    ("graph-of-versioned-apps", FULL, "2 g g"),
    ("graph-of-services", FULL, "2 l l l : t y p e space s e r v i c e enter"),
    ("graph-found", FULL, "2 f e r r > 1 enter"),
    ("graph-out-of-sight", FULL, "2 z"),
    ("graph-tree", FULL, "2 v v"),
    ("graph-matrix", FULL, "2 v"),
    ("graph-focus", FULL, "2 l e +"),
    ("graph-boxes", FULL, "2 b k"),
    ("graph-boxes-collapsed", FULL, "2 b k x"),
    ("graph-configuration", RECORDED, "2"),
    ("graph-of-manifests", OWN, "2 l l"),
    ("detail-of-manifests", OWN, "3"),
    ("detail-earlier", FULL, "< < 3"),
    ("detail-without-charts", "testdata/recorded/bookinfo --series testdata/traffic/bookinfo.json", "enter"),
    ("findings-of-manifests", OWN, "4 j"),
    ("findings-explained", OWN, "4 x"),
    ("waterfall", TRACED, "5 j enter j j"),
    ("waterfall-path", TRACED, "5 o enter p"),
    ("proxies-endpoints", RECORDED, "6 l l l l"),
    ("proxies-bootstrap", RECORDED, "6 y / s e c r e t s enter"),
    ("proxies-listener", RECORDED, "6 l y"),
    ("proxies-route", RECORDED, "6 l j l l : j s o n enter"),
    ("proxies-endpoint", RECORDED, "6 l j l l l l y"),
    ("proxies-difference", RECORDED, "6 j d"),
    ("proxies-request", "testdata/test/dumps", REVIEWS),
    ("proxies-request-wrong", RECORDED, "6 w enter"),
    ("proxies-request-of-manifests", OWN, OF_MANIFESTS),
    ("help", OWN, "2 ?"),
    ("palette", OWN, "ctrl-p r e v"),
];

/// What a request to reviews would do at the first proxy.
const REVIEWS: &str = "6 w r e v i e w s : 9 0 8 0 / r e v i e w s / 0 space - H space ' e n d - u s e r : j a s o n ' enter";

/// The same by the manifests, which no proxy is known of.
const OF_MANIFESTS: &str =
    "6 w p r o d u c t p a g e - v 1 space h t t p : / / r e v i e w s : 9 0 8 0 / r e v i e w s / 0 space - H space ' e n d - u s e r : j a s o n ' enter";

fn matches(name: &str, sources: &str, more: &str, keys: &str) {
    let words = |text: &'static str| text.split(' ').filter(|w| !w.is_empty());
    // What could not be read is on the picture and in the exit status.
    let is_unreadable = ["broken", "missing"].iter().any(|u| sources.contains(u)) && !more.contains("reading");
    let expected = if is_unreadable { 65 } else { 0 };
    let sources: Vec<String> = sources.split(' ').map(str::to_owned).collect();
    let more: Vec<String> = more.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect();
    let fixed = words("--picture - --size").map(str::to_owned);
    let arguments: Vec<String> = sources.into_iter().chain(more).chain(fixed).chain([SIZES, "--keys", keys].map(str::to_owned)).collect();
    let output = tui(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(expected), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let screen = String::from_utf8(output.stdout).expect("UTF-8");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "screens" }, {
        insta::assert_snapshot!(name, screen);
    });
}

#[test]
fn every_screen_in_every_state_at_every_size() {
    for (state, sources, more) in STATES {
        for (screen, keys) in SCREENS {
            matches(&format!("{screen}-{state}"), sources, more, keys);
        }
    }
}

#[test]
fn every_view_at_every_size() {
    for (name, sources, keys) in VIEWS {
        matches(name, sources, "", keys);
    }
}

#[test]
fn who_is_asked_is_who_a_screen_shows() {
    use mesh_testserver::counting::Counting;
    let start = |body| Counting::start(body).expect("a server");
    for (opened, keys, asks) in [
        ("findings", "", [false, false, false]),
        ("findings", "1", [true, true, false]),
        ("findings", "2", [true, false, false]),
        ("findings", "6", [false, true, false]),
        ("findings", "5", [false, false, true]),
        ("findings", "8", [false, false, false]),
        ("findings", "3", [true, true, true]),
        ("overview", "2 4 6 7 8 1", [true, true, false]),
        ("graph", "4 8", [true, false, false]),
        ("traces", "8", [false, false, true]),
    ] {
        let prometheus = start(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#);
        let (proxy, jaeger) = (start("{}"), start(r#"{"data":[]}"#));
        let servers = ["--prometheus", &prometheus.url(), "--jaeger", &jaeger.url()];
        let rest = ["--picture", "-", "--open", opened, "--keys", keys];
        let output = tui(&[&[OWN, &proxy.url()], &servers[..], &rest].concat());
        let asked = [&prometheus, &proxy, &jaeger].map(Counting::asked);
        assert_eq!(asked.each_ref().map(|a| !a.is_empty()), asks, "{opened} {keys}: {asked:?}\n{}", String::from_utf8_lossy(&output.stdout));
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
fn access_logs_of_a_recording_are_those_of_the_moment() {
    use std::io::{BufRead, Write};
    let dir = tempfile::tempdir().expect("a folder");
    let log = std::fs::read_to_string(root().join("testdata/access-log/istio-json.log")).expect("a log");
    let lines: Vec<&str> = log.lines().collect();
    let file = dir.path().join("a.log");
    std::fs::write(&file, format!("{}\n", lines[..2].join("\n"))).expect("it is written");
    let words = ["snapshot", "record", "mesh.rec", "--from", "a.log", "--count", "60", "--interval", "1s"];
    let mut recorder =
        Command::new(env!("CARGO_BIN_EXE_meshctl")).args(words).current_dir(dir.path()).stderr(std::process::Stdio::piped()).spawn().expect("meshctl runs");
    let notes = std::io::BufReader::new(recorder.stderr.take().expect("notes"));
    let mut taken = notes.lines().map_while(Result::ok).filter(|l| l.contains("snapshot "));
    taken.next().expect("a first snapshot");
    let mut more = std::fs::OpenOptions::new().append(true).open(&file).expect("the log");
    writeln!(more, "{}", lines[2..5].join("\n")).expect("it is written");
    let picture = |keys: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_meshctl"))
            .args(["tui", "mesh.rec", "--picture", "-", "--size", "120x30", "--keys", keys])
            .current_dir(dir.path())
            .output()
            .expect("meshctl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // A snapshot that began before the lines were written may still come.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut last = picture("8");
    while !last.contains("5 lines") && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(200));
        last = picture("8");
    }
    let _ = recorder.kill();
    let _ = recorder.wait();
    assert!(last.contains("5 lines"), "{last}");
    let first = picture(": a t space f i r s t enter 8");
    assert!(first.contains("2 lines"), "{first}");
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
    let full = VIEWS.iter().filter(|(_, sources, _)| *sources == FULL).map(|(.., keys)| keys);
    for keys in SCREENS.iter().map(|(_, keys)| keys).chain(full) {
        picture(FULL, "30x8,31x9,40x10,300x10,33x100", keys);
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
    // A last word that is no file says where to open, and what is printed.
    let one = tui(&[OWN, "reviews", "--no-tui"]);
    assert!(String::from_utf8_lossy(&one.stdout).contains("reviews  service"), "{one:?}");
    assert_eq!(String::from_utf8_lossy(&tui(&[OWN, "mesh", "--no-tui"]).stdout), String::from_utf8_lossy(&tui(&[OWN, "--open", "mesh", "--no-tui"]).stdout));
    let none = tui(&[OWN, "revues", "--no-tui"]);
    assert!(none.status.code() == Some(64) && String::from_utf8_lossy(&none.stderr).contains("nothing is called `revues`"), "{none:?}");
    assert_eq!(tui(&[]).status.code(), Some(64));
}

#[test]
fn secrets_and_escape_sequences_reach_no_screen() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: shop}\nstringDate: {password: hunter2}\n---\n\
                apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: \"a\\u001b[31m\\u0007b\", namespace: shop}\nspec:\n  hosts: [\"x\\u001b]0;title\\u0007\"]\n  http:\n  - route:\n    - destination: {host: nowhere, subset: v9}\n";
    std::fs::write(dir.path().join("a.yaml"), text).expect("it is written");
    let path = dir.path().to_string_lossy().into_owned();
    for keys in SCREENS.map(|(_, keys)| keys).into_iter().chain(VIEWS.map(|(.., keys)| keys)) {
        for ascii in [&[][..], &["--ascii"]] {
            let args = [&[path.as_str(), "--picture", "-", "--keys", keys], ascii].concat();
            let out = String::from_utf8(tui(&args).stdout).expect("UTF-8");
            assert!(!out.contains("hunter2"), "{keys}: {out}");
            assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{keys}: {out:?}");
        }
    }
}

#[test]
fn what_a_proxy_holds_is_shown_without_its_secrets() {
    for keys in ["6 y", "6 l y", "6 l l y", "6 l l l y"] {
        for form in ["", " tab"] {
            let text = picture("testdata/dumps/secrets.json", "160x200", &format!("{keys}{form}"));
            assert!(text.contains("[redacted: "), "{keys}{form}: {text}");
            // The secret itself, and the end of its base64 in the key and in the module.
            for secret in ["hunter2", "aHVudGVyMg", "h1bnRlcjI", "odW50ZXIy"] {
                assert!(!text.contains(secret), "{keys}{form}: {text}");
            }
        }
    }
}

#[test]
fn ascii_is_ascii() {
    let views = VIEWS.iter().map(|(_, sources, keys)| (*sources, *keys));
    for (sources, keys) in SCREENS.iter().map(|(_, keys)| (FULL, *keys)).chain(views) {
        let words: Vec<&str> = sources.split(' ').chain(["--picture", "-", "--ascii", "--keys", keys]).collect();
        let output = tui(&words);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let odd: String = out.chars().filter(|c| !c.is_ascii()).collect();
        assert_eq!(odd, "", "{keys}");
    }
}

#[test]
fn the_pictures_of_the_book_are_fresh() {
    const TRAFFIC: &str = "testdata/recorded/bookinfo --series testdata/traffic/bookinfo.json";
    const HOUR: &str = "testdata/recorded/bookinfo --series testdata/traffic/bookinfo-over-time.json";
    for (file, path, keys, size) in [
        ("overview", TRAFFIC, "", "120x36"),
        ("graph", TRAFFIC, "2 i", "160x42"),
        ("detail", HOUR, "enter", "120x36"),
        ("configuration", RECORDED, "2", "160x42"),
        ("logs", "testdata/access-log/istio-json.log", "8", "120x36"),
        ("findings", OWN, "4", "120x36"),
        ("proxies", RECORDED, "6 l j l l l", "120x36"),
        ("request", "testdata/test/dumps", REVIEWS, "120x36"),
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
