//! Living with findings: suppressions, baselines, revisions, worlds, the configuration file.

use crate::common;
use common::{BROKEN, REVIEWS, TWICE, folder, meshctl, write};
use std::path::Path;
use std::process::Command;

fn found(dir: &Path, args: &[&str]) -> Vec<String> {
    meshctl(dir, &[&["analyze", "-o", "json"], args].concat()).found()
}

#[test]
fn suppressions_hide_what_they_name_and_nothing_else() {
    let commented = |at: &str| BROKEN.replace("        host: nowhere\n", at);
    let annotated =
        |value: &str| BROKEN.replace("  namespace: shop\n", &format!("  namespace: shop\n  annotations: {{galley.istio.io/analyze-suppress: \"{value}\"}}\n"));
    for (text, hidden) in [
        (commented("        host: nowhere # meshctl: ignore IST0101 to come\n"), true),
        (commented("        # meshctl: ignore IST0102,IST0101 to come\n        host: nowhere\n"), true),
        (format!("# meshctl: ignore IST0101 to come\n{BROKEN}"), true),
        (format!("{BROKEN}# meshctl: ignore IST0101 too late\n"), false),
        (annotated("IST0101"), true),
        (annotated("IST0106, IST0101"), true),
        (annotated("*"), true),
        (annotated("IST0106"), false),
    ] {
        let dir = folder(&[("svc.yaml", REVIEWS), ("vs.yaml", &text)]);
        let list = found(dir.path(), &["."]);
        assert_eq!(!list.iter().any(|f| f.starts_with("IST0101")), hidden, "{text}\n{list:?}");
        // Of two codes the one that hides nothing is reported.
        let unused = list.iter().filter(|f| f.starts_with("MSH0004")).count();
        let expected = usize::from(!hidden) + usize::from(text.contains("IST0102") || text.contains("IST0106, "));
        assert_eq!(unused, expected, "{text}\n{list:?}");
    }
    let dir = folder(&[("svc.yaml", REVIEWS), ("vs.yaml", BROKEN)]);
    for (pattern, hidden) in [
        ("IST0101=*", true),
        ("IST01=VirtualService shop/*", true),
        ("IST0101=VirtualService reviews.shop", true),
        ("IST0101=VirtualService web/*", false),
        ("IST0106=*", false),
    ] {
        let run = meshctl(dir.path(), &["analyze", "-S", pattern, "."]);
        assert_eq!(run.status, if hidden { 0 } else { 79 }, "{pattern}: {}", run.err);
        assert_eq!(run.err.contains("matches no finding"), !hidden, "{pattern}: {}", run.err);
    }
}

#[test]
fn an_unknown_code_in_a_comment_is_reported_with_the_nearest() {
    let dir = folder(&[("a.yaml", &format!("# meshctl: ignore MSH003 twice\n{REVIEWS}"))]);
    let run = meshctl(dir.path(), &["analyze", "-o", "json", "a.yaml"]);
    assert_eq!(run.found(), ["MSH0004 Service shop/reviews"]);
    assert!(run.findings()[0]["help"].as_str().is_some_and(|h| h.contains("did you mean `MSH0003`")), "{}", run.out);
}

#[test]
fn fingerprints_survive_moving_and_change_with_the_value() {
    let dir =
        folder(&[("svc.yaml", REVIEWS), ("a.yaml", BROKEN), ("b.yaml", &format!("# moved\n\n{BROKEN}")), ("c.yaml", &BROKEN.replace("nowhere", "elsewhere"))]);
    let print = |file: &str| meshctl(dir.path(), &["analyze", "-o", "json", "svc.yaml", file]).findings()[0]["fingerprint"].as_str().map(str::to_owned);
    assert_eq!(print("a.yaml"), print("b.yaml"));
    assert_ne!(print("a.yaml"), print("c.yaml"));
}

#[test]
fn a_baseline_lets_only_what_is_new_fail() {
    let dir = folder(&[("k/svc.yaml", REVIEWS), ("k/vs.yaml", BROKEN)]);
    let written = meshctl(dir.path(), &["analyze", "--write-baseline", "base.json", "k"]);
    assert_eq!(written.status, 0, "{}", written.err);
    let same = meshctl(dir.path(), &["analyze", "--baseline", "base.json", "k"]);
    assert_eq!((same.status, same.out.as_str()), (0, ""), "{}", same.err);
    write(dir.path(), &[("k/new.yaml", &BROKEN.replace("name: reviews\n", "name: other\n"))]);
    let more = meshctl(dir.path(), &["analyze", "--baseline", "base.json", "-o", "json", "--select", "IST0101", "k"]);
    assert_eq!(more.status, 79);
    let ages: Vec<String> =
        more.findings().iter().map(|f| format!("{} {}", f["origin"].as_str().unwrap_or(""), f["baseline"].as_str().unwrap_or(""))).collect();
    assert_eq!(ages, ["VirtualService shop/other new", "VirtualService shop/reviews known"]);
    // What `-o json` printed serves as well.
    write(dir.path(), &[("all.json", &meshctl(dir.path(), &["analyze", "-o", "json", "k"]).out)]);
    assert_eq!(meshctl(dir.path(), &["analyze", "--baseline", "all.json", "k"]).status, 0);
    write(dir.path(), &[("no.json", "{}")]);
    assert_eq!(meshctl(dir.path(), &["analyze", "--baseline", "no.json", "k"]).status, 65);
}

fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"])
        .args(args)
        .output()
        .expect("git runs");
    assert!(status.status.success(), "{args:?}: {}", String::from_utf8_lossy(&status.stderr));
}

#[test]
fn base_fails_only_on_what_a_branch_brings_in() {
    let dir = folder(&[("k/svc.yaml", REVIEWS), ("k/vs.yaml", BROKEN), ("mesh.yaml", "rootNamespace: a\n")]);
    git(dir.path(), &["init", "-q"]);
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-qm", "one"]);
    let base = |args: &[&str]| meshctl(dir.path(), &[&["analyze", "--base", "HEAD"], args].concat());
    let same = base(&["k"]);
    assert_eq!((same.status, same.out.as_str()), (0, ""), "{}", same.err);
    assert!(same.err.contains("1 known, 0 gone"), "{}", same.err);

    write(
        dir.path(),
        &[("k/vs.yaml", &format!("# moved down\n{BROKEN}")), ("k/new.yaml", &BROKEN.replace("name: reviews\n", "name: other\n")), ("k/broken.yaml", "a: [\n")],
    );
    let more = base(&["-o", "json", "--select", "IST0101,MSH0001", "--meshConfigFile", "mesh.yaml", "k"]);
    assert_eq!(more.status, 79);
    let new: Vec<String> = more.findings().iter().filter(|f| f["baseline"] == "new").map(|f| f["origin"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(new, ["File k/broken.yaml", "VirtualService shop/other"], "{}", more.out);

    // A file that could not be read before is known by its name in the repository.
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-qm", "two"]);
    assert_eq!(base(&["k"]).status, 0);
    assert_eq!(meshctl(&dir.path().join("k"), &["analyze", "--base", "HEAD", "."]).status, 0);
    std::fs::remove_file(dir.path().join("k/new.yaml")).expect("removed");
    assert!(!base(&["k"]).err.contains(" 0 gone"));

    let wrong = base(&["--base", "HEAD", "k"]);
    assert_eq!(wrong.status, 64);
    let wrong = meshctl(dir.path(), &["analyze", "--base", "nosuch", "k"]);
    assert!(wrong.status == 64 && wrong.err.contains("nosuch"), "{}", wrong.err);
    let left: Vec<_> =
        std::fs::read_dir(std::env::temp_dir()).expect("temp").flatten().filter(|e| e.file_name().to_string_lossy().starts_with("meshctl-base-")).collect();
    // Other tests may be under way; none is older than this one needs.
    assert!(left.len() < 8);
    let outside = folder(&[("a.yaml", BROKEN)]);
    assert_eq!(meshctl(outside.path(), &["analyze", "--base", "HEAD", "a.yaml"]).status, 64);
}

#[test]
fn the_configuration_of_the_repository_is_found_and_checked() {
    let dir = folder(&[
        ("k/svc.yaml", REVIEWS),
        ("k/vs.yaml", BROKEN),
        ("k/old/vs.yaml", &BROKEN.replace("name: reviews\n", "name: old\n")),
        ("k/gen/vs.yaml", &BROKEN.replace("name: reviews\n", "name: gen\n")),
        (".git/HEAD", ""),
        (
            ".meshctl.toml",
            "exclude = [\"k/gen\"]\nfail-on = \"warning\"\nignore = [\"IST0118\"]\n[levels]\nIST0101 = \"warning\"\n[[suppress]]\ncode = \"IST0101\"\npaths = [\"k/old\"]\nreason = \"moves out\"\n",
        ),
    ]);
    for (at, path) in [(".", "k"), ("k", "."), ("k/old", "..")] {
        let run = meshctl(&dir.path().join(at), &["analyze", "-o", "json", "--select", "IST0101", path]);
        assert_eq!((run.status, run.found()), (79, vec!["IST0101 VirtualService shop/reviews".to_owned()]), "{at}: {}", run.err);
        assert_eq!(run.findings()[0]["level"], "Warning");
    }
    assert_eq!(found(dir.path(), &["--no-config", "--select", "IST0101", "k"]).len(), 3);
    for (text, says) in [
        ("ignore = [\"IST1010\"]", "did you mean `IST0110`"),
        ("levels = {IST0101 = \"bad\"}", "error, warning, info or off"),
        ("levels = {IST010l = \"off\"}", "did you mean"),
        ("[[suppress]]\ncode = \"IST9999\"", "IST9999"),
        ("rule-set = \"99.0\"", "newer than this meshctl"),
        ("colour = true", "colour"),
        ("# by the team\nfail-on = \"errors\"", ".meshctl.toml:2: fail-on takes error, warning, info or never, not `errors`"),
        ("istio-version = \"2\"", ".meshctl.toml:1: istio-version takes a version such as 1."),
        ("rule-set = \"new\"", ".meshctl.toml:1: rule-set is a version of meshctl"),
        ("[levels]\nIST0101 = \"bad\"", ".meshctl.toml:2: levels:"),
        ("[[world]]\nname = \"a\"", "neither paths nor a command"),
        ("not toml", "expected"),
    ] {
        write(dir.path(), &[(".meshctl.toml", text)]);
        let run = meshctl(dir.path(), &["analyze", "k"]);
        assert!(run.status == 64 && run.err.contains(says), "{text}: {} {}", run.status, run.err);
    }
    write(dir.path(), &[(".meshctl.toml", "rule-set = \"0.1\"\n[[suppress]]\ncode = \"MSH0003\"\n")]);
    assert!(found(dir.path(), &["k"]).contains(&"MSH0004 File .meshctl.toml".to_owned()));
}

#[test]
fn a_configuration_above_the_repository_is_none_of_ours() {
    let dir = folder(&[
        (".meshctl.toml", "ignore = [\"IST0101\"]\n"),
        ("repo/.git/HEAD", ""),
        ("repo/a.yaml", &format!("{REVIEWS}---\n{BROKEN}")),
        ("loose/a.yaml", &format!("{REVIEWS}---\n{BROKEN}")),
    ]);
    assert_eq!(meshctl(dir.path(), &["analyze", "repo"]).status, 79);
    assert_eq!(meshctl(&dir.path().join("loose"), &["analyze", "."]).status, 79);
    // Outside of a repository the folder that one works in counts.
    assert_eq!(meshctl(dir.path(), &["analyze", "loose"]).status, 0);
}

#[test]
fn each_world_is_analysed_alone_and_named() {
    let render = if cfg!(unix) { "command = [\"cat\", \"base/vs.yaml\", \"nl.yaml\", \"base/svc.yaml\"]" } else { "paths = [\"base\"]" };
    let config = format!(
        "[[world]]\nname = \"dev\"\npaths = [\"dev\"]\n[[world]]\nname = \"prod\"\npaths = [\"prod\"]\ncomplete = true\n[[world]]\nname = \"rendered\"\n{render}\n[[world]]\nname = \"bad\"\ncommand = \"false now\"\n"
    );
    let dir = folder(&[
        (".meshctl.toml", &config),
        ("nl.yaml", "\n---\n"),
        ("base/svc.yaml", REVIEWS),
        ("base/vs.yaml", BROKEN),
        ("dev/a.yaml", BROKEN),
        ("prod/a.yaml", &format!("{REVIEWS}---\n{BROKEN}")),
        ("prod/b.yaml", TWICE),
        ("extra.yaml", TWICE),
    ]);
    let world = |args: &[&str]| -> Vec<String> {
        let run = meshctl(dir.path(), &[&["analyze", "-o", "json", "--select", "IST0101,MSH0003"], args].concat());
        run.findings().iter().map(|f| format!("{} {}", f["world"].as_str().unwrap_or("-"), f["code"].as_str().unwrap_or(""))).collect()
    };
    // The same objects in two worlds are no duplicates, and only the complete one knows that a host is missing.
    assert_eq!(world(&[]), ["prod IST0101", "prod MSH0003", "rendered IST0101"]);
    assert_eq!(world(&["."]), ["prod IST0101", "prod MSH0003", "rendered IST0101"]);
    assert_eq!(world(&["prod"]), ["prod IST0101", "prod MSH0003"]);
    assert_eq!(world(&["prod/b.yaml"]), ["prod MSH0003"]);
    assert_eq!(world(&["extra.yaml"]), ["- MSH0003"]);
    let run = meshctl(dir.path(), &["analyze", "--fail-on", "never"]);
    assert!(run.status == 75 && run.err.contains("world bad: `false now` failed"), "{} {}", run.status, run.err);
    assert!(run.out.contains("[prod] "), "{}", run.out);
    assert_eq!(meshctl(dir.path(), &["analyze", "--fail-on", "never", "dev"]).status, 0);
}

#[test]
fn the_level_of_an_unused_suppression_does_not_depend_on_the_order_of_worlds() {
    let config = |worlds: &str| format!("[[suppress]]\ncode = \"IST0106\"\nobject = \"VirtualService shop/*\"\n\n{worlds}");
    // Alone, `part` has a reference that cannot be judged; `whole` has none.
    let (part, whole) = ("[[world]]\nname = \"part\"\npaths = [\"part\"]\n", "[[world]]\nname = \"whole\"\npaths = [\"whole\"]\n");
    let level = |worlds: String| {
        let dir = folder(&[
            (".meshctl.toml", &config(&worlds)),
            ("part/vs.yaml", &BROKEN.replace("nowhere", "a.other.svc.cluster.local")),
            ("whole/svc.yaml", REVIEWS),
        ]);
        let run = meshctl(dir.path(), &["analyze", "-o", "json"]);
        let found = run.findings();
        let unused = found.iter().find(|f| f["code"] == "MSH0004").unwrap_or_else(|| panic!("{}{}", run.out, run.err));
        unused["level"].as_str().unwrap_or("").to_owned()
    };
    assert_eq!(level(format!("{part}{whole}")), "Info");
    assert_eq!(level(format!("{whole}{part}")), "Info");
}
