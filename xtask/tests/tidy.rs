//! The invariants of docs/architecture.md that the text of the tree shows.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            walk(&path, out);
        } else if path.is_file() {
            out.push(path);
        }
    }
}

/// The Rust files of a folder, by their paths from the root.
fn rust(folder: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let name = |p: &Path| p.strip_prefix(root()).unwrap_or(p).display().to_string();
    paths.iter().filter(|p| p.extension().is_some_and(|e| e == "rs")).map(|p| (name(p), read(p))).collect()
}

/// What runs: without comments and without the tests at the end of a file.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap_or("");
    body.lines().map(|l| if l.trim_start().starts_with("//") { "" } else { l }).collect::<Vec<_>>().join("\n")
}

const PURE: &[(&str, &[&str])] = &[
    ("envoy", &["data-encoding", "hashbrown", "prost", "regex", "rustc-hash", "serde", "serde_json", "sha2", "x509-parser"]),
    ("metrics", &["memchr", "regex", "rustc-hash", "serde_json"]),
    ("model", &["mesh-metrics", "granit-parser", "memchr", "petgraph", "rayon", "rustc-hash", "sha2"]),
    ("resolver", &["mesh-envoy", "mesh-model", "rayon", "rustc-hash", "serde", "serde_json"]),
    (
        "analyzers",
        &[
            "mesh-envoy",
            "mesh-model",
            "mesh-resolver",
            "data-encoding",
            "kube-cel",
            "memchr",
            "rayon",
            "regex",
            "regex-syntax",
            "rustc-hash",
            "serde",
            "serde_json",
            "stacker",
        ],
    ),
];

/// Files, sockets, processes, the clock, the environment, threads of its own, hash order.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::ToSocketAddrs",
    "std::process",
    "std::env::",
    "std::io::std",
    "SystemTime",
    "Instant::",
    "std::thread",
    "std::os::",
    "tokio",
    "async fn",
    "println!",
    "print!(",
    "dbg!(",
    "HashMap::new()",
    "HashSet::new()",
    "RandomState",
    "static mut",
    "thread_local!",
];

#[test]
fn pure_crates_have_no_io_no_clock_no_environment_and_no_hash_order() {
    let mut problems = Vec::new();
    for (krate, allowed) in PURE {
        let manifest = read(&root().join(krate).join("Cargo.toml"));
        let section = manifest.split("\n[dependencies]").nth(1).unwrap_or("").split("\n[").next().unwrap_or("");
        for name in section.lines().filter_map(|l| l.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty() && !n.starts_with('#')) {
            if !allowed.contains(&name) {
                problems.push(format!("{krate}/Cargo.toml: `{name}` is not on the list of what a pure crate may use"));
            }
        }
        for (path, text) in rust(&format!("{krate}/src")) {
            let code = code(&text);
            problems.extend(IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{path}: `{word}`")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The state, the screens and the layout of the terminal UI are pure; its `terminal/` is what touches one.
#[test]
fn the_terminal_ui_is_pure_outside_its_terminal() {
    let mut problems = Vec::new();
    for (path, text) in rust("tui/src").into_iter().filter(|(p, _)| !p.starts_with("tui/src/terminal/")) {
        let code = code(&text);
        problems.extend(IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{path}: `{word}`")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Of the control plane all but its sockets and threads.
#[test]
fn the_control_plane_decides_without_sockets_and_clock() {
    let is_impure = |p: &str| p.starts_with("controlplane/src/serve/") || ["input.rs", "translator.rs"].iter().any(|f| p.ends_with(f));
    let mut problems = Vec::new();
    for (path, text) in rust("controlplane/src").into_iter().filter(|(p, _)| !is_impure(p)) {
        let code = code(&text);
        problems.extend(IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{path}: `{word}`")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn only_binaries_print_and_exit() {
    let mut problems = Vec::new();
    for krate in ["envoy", "metrics", "model", "resolver", "analyzers", "collectors", "tui", "proxy", "controlplane", "demo"] {
        for (path, text) in rust(&format!("{krate}/src")).into_iter().filter(|(p, _)| p != "proxy/src/main.rs") {
            let code = code(&text);
            let words = ["println!", "print!(", "std::process::exit", "stdout()", "stderr()"];
            problems.extend(words.iter().filter(|w| code.contains(**w)).map(|w| format!("{path}: `{w}`")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_dependency_has_its_version_and_its_reason_in_the_root() {
    let manifest = read(&root().join("Cargo.toml"));
    let table = manifest.split("[workspace.dependencies]").nth(1).and_then(|t| t.split("\n[").next()).expect("the version table");
    for line in table.lines().filter(|l| l.contains('=') && !l.contains("path = ")) {
        assert!(line.split_once(" # ").is_some_and(|(_, reason)| reason.trim().len() > 6), "no reason: {line}");
    }
    let mut files = Vec::new();
    walk(&root(), &mut files);
    // The fuzz targets are a workspace of their own, so that nightly tools stay out of this one.
    for path in files.iter().filter(|p| p.ends_with("Cargo.toml") && !p.starts_with(root().join("fuzz"))) {
        let text = read(path);
        for section in
            text.split("\n[").filter(|s| s.starts_with("dependencies]") || s.starts_with("dev-dependencies]") || s.starts_with("build-dependencies]"))
        {
            for line in section.lines().skip(1).filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
                assert!(line.contains("workspace = true"), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_is_forbidden_everywhere() {
    assert!(read(&root().join("Cargo.toml")).contains("unsafe_code = \"forbid\""));
    let mut files = Vec::new();
    walk(&root(), &mut files);
    for path in files.iter().filter(|p| p.ends_with("Cargo.toml") && **p != root().join("Cargo.toml") && !p.starts_with(root().join("fuzz"))) {
        assert!(read(path).contains("[lints]\nworkspace = true"), "{} does not take the workspace's lints", path.display());
    }
}

#[test]
fn files_stay_readable() {
    let mut problems = Vec::new();
    for folder in ["envoy", "metrics", "model", "resolver", "analyzers", "collectors", "tui", "proxy", "controlplane", "demo", "cli", "xtask"] {
        for (path, text) in rust(folder) {
            let lines = text.lines().count();
            // A table is read by looking things up, not from top to bottom.
            let is_table = text.contains("@generated") || path.ends_with("codes.rs");
            if lines > 650 && !is_table {
                problems.push(format!("{path}: {lines} lines; is it two files?"));
            }
            problems.extend(text.lines().enumerate().filter(|(_, l)| l.ends_with([' ', '\t'])).map(|(i, _)| format!("{path}:{}: blanks at the end", i + 1)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Where a crate names its test files itself, one that is named nowhere would never run.
#[test]
fn every_file_of_tests_runs() {
    let mut files = Vec::new();
    walk(&root(), &mut files);
    for manifest in files.iter().filter(|p| p.ends_with("Cargo.toml")) {
        let text = read(manifest);
        if !text.contains("autotests = false") {
            continue;
        }
        let folder = manifest.parent().expect("a folder").join("tests");
        let name_of = |p: &PathBuf| p.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (programs, parts): (Vec<&PathBuf>, Vec<&PathBuf>) = files
            .iter()
            .filter(|p| p.parent() == Some(&folder) && p.extension().is_some_and(|e| e == "rs"))
            .partition(|p| text.contains(&format!("name = \"{}\"", name_of(p))));
        let roots: Vec<String> = programs.iter().map(|p| read(p)).collect();
        for part in parts {
            let line = format!("mod {};", name_of(part));
            assert!(roots.iter().any(|t| t.lines().any(|l| l == line)), "no program of tests has {}", part.display());
        }
    }
}

#[test]
fn every_code_is_explained_with_a_bad_and_a_good_example() {
    let mut problems = Vec::new();
    for code in mesh_analyzers::codes::ALL {
        let page = root().join(format!("docs/rules/{}.md", code.id));
        let Ok(text) = std::fs::read_to_string(&page) else {
            problems.push(format!("{}: no section `## {} {} ({})` in any rule's doc comment", code.id, code.id, code.name, code.level.name()));
            continue;
        };
        for part in ["**What it checks.**", "**Why it matters.**", "**Bad**", "**Good**"] {
            if !text.contains(part) {
                problems.push(format!("{}: no {part}", code.id));
            }
        }
        let heading = text.lines().next().unwrap_or("");
        if !heading.starts_with(&format!("# {} {} (", code.id, code.name)) {
            problems.push(format!("{}: the heading is `{heading}`, its name {}", code.id, code.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_pages_of_the_rules_are_not_stale() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_xtask")).args(["docs", "--check"]).output().expect("xtask runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_invariant_of_the_architecture_names_files_that_exist() {
    let text = read(&root().join("docs/architecture.md"));
    let table = text.split("| invariant | held by |").nth(1).expect("the table of invariants");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|l| l.starts_with('|')).collect();
    assert!(rows.len() > 8);
    let mut problems = Vec::new();
    for row in rows {
        let held_by = row.trim_end_matches(['|', ' ']).rsplit_once(" | ").map_or("", |(_, cell)| cell);
        let files = || held_by.split('`').skip(1).step_by(2).filter(|n| n.contains(['/', '.']));
        problems.extend(files().filter(|n| !root().join(n).is_file()).map(|n| format!("no file {n}: {row}")));
        // A test is a Rust file with a test in it.
        let has_test = |n: &str| std::fs::read_to_string(root().join(n)).is_ok_and(|t| n.ends_with(".rs") && t.contains("#[test]"));
        if !files().any(has_test) {
            problems.push(format!("no test: {row}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn documents_of_dumps_leave_by_one_door() {
    let mut problems = Vec::new();
    for (path, text) in rust("cli/src/commands") {
        let code = code(&text);
        let words = ["document::render", "to_string_pretty", "serde_json::to_string(", "serde_json::to_writer"];
        problems.extend(words.iter().filter(|w| code.contains(**w)).map(|w| format!("{path}: `{w}`; use print::dump::document, which redacts")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_summary_of_the_book_names_every_chapter_once() {
    let summary = read(&root().join("docs/SUMMARY.md"));
    let mut files = Vec::new();
    walk(&root().join("docs"), &mut files);
    for path in files.iter().filter(|p| p.extension().is_some_and(|e| e == "md") && !p.ends_with("SUMMARY.md")) {
        let name = path.strip_prefix(root().join("docs")).unwrap_or(path).display().to_string();
        assert_eq!(summary.matches(&format!("({name})")).count(), 1, "{name}");
    }
    for target in summary.split("](").skip(1).filter_map(|t| t.split(')').next()) {
        assert!(root().join("docs").join(target).exists(), "{target} is in SUMMARY.md and not in docs/");
    }
}

/// `cargo run -- …`, as the README has it, is refused where it could mean several programs.
#[test]
fn cargo_run_runs_meshctl() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = std::process::Command::new(cargo).current_dir(root()).args(["metadata", "--no-deps", "--format-version", "1"]).output().expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |v: &serde_json::Value| v.as_array().cloned().unwrap_or_default();
    let meant = list(&metadata["workspace_default_members"]);
    let packages = list(&metadata["packages"]).into_iter().filter(|p| meant.contains(&p["id"]));
    let programs: Vec<serde_json::Value> = packages.flat_map(|p| list(&p["targets"])).filter(|t| t["kind"][0] == "bin").map(|t| t["name"].clone()).collect();
    assert_eq!(programs, ["meshctl"]);
    assert!(read(&root().join("README.md")).contains("cargo run --release -- demo"));
}
