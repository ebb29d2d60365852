//! The commands around `analyze`: help, version, explain, completion, man, and words that are no command.

use crate::common;
use common::{folder, meshctl};
use std::path::Path;

fn here(args: &[&str]) -> common::Run {
    meshctl(Path::new("."), args)
}

#[test]
fn help_and_version_say_which_meshctl_this_is() {
    for args in [&["--help"][..], &["help"], &[], &["--version"], &["version"]] {
        let run = here(args);
        assert_eq!(run.status, 0, "{args:?}: {}", run.err);
        let first = run.out.lines().next().unwrap_or("");
        assert!(first.starts_with("meshctl") && first.contains("Istio"), "{args:?}: {first}");
    }
    let help = here(&["--help"]).out;
    for group in ["START HERE", "BEFORE YOU MERGE", "TRAFFIC", "SECURITY", "PROXIES", "DATA AND SET-UP"] {
        assert_eq!(help.lines().filter(|l| l.starts_with(group)).count(), 1, "{group}");
    }
    assert!(help.lines().count() <= 40 && help.find("Examples:") < help.find("START HERE"));
    assert_eq!(here(&["version", "-o", "json"]).status, 0);
    assert!(here(&["help", "analyze"]).out.contains("--complete"));
}

#[test]
fn a_word_that_is_no_command_is_answered_with_the_right_one() {
    for (words, says) in [(&["install"][..], "istioctl install"), (&["analyse", "x"], "meshctl analyze"), (&["instal"], "helm install")] {
        let run = here(words);
        assert!(run.status == 64 && run.err.contains(says) && run.out.is_empty(), "{words:?}: {} {}", run.status, run.err);
    }
    // Clusters are read by now.
    let check = here(&["check"]);
    assert!(check.status == 64 && check.err.contains("there is no kubeconfig") && check.err.contains("--kubeconfig"), "{}", check.err);
    assert!(!check.err.contains("--from") && here(&["check", "--from", "x"]).status == 64, "no flag is named that it does not take: {}", check.err);
    assert_eq!(here(&["analyze", "--no-such-flag"]).status, 64);
}

#[test]
fn explain_shows_a_rule_and_lists_them() {
    let run = here(&["explain", "msh0003"]);
    assert_eq!(run.status, 0);
    for words in ["MSH0003 DuplicateObject (Warning)", "What it checks.", "Why it matters.", "Bad", "Good", "kind: ServiceAccount"] {
        assert!(run.out.contains(words), "{}", run.out);
    }
    assert!(!run.out.contains("```") && !run.out.contains("**"));
    let list = here(&["explain", "--list", "rules"]);
    assert!(list.out.lines().count() > 60 && list.out.lines().all(|l| l.contains("  ")));
    assert!(here(&["explain", "IST01"]).out.lines().count() > 30);
    assert!(here(&["explain", "MSH0003", "-o", "json"]).out.contains("\"text\""));
    let wrong = here(&["explain", "IST1010"]);
    assert!(wrong.status == 64 && wrong.err.contains("did you mean `IST0110`"), "{}", wrong.err);
    assert_eq!(here(&["explain"]).status, 64);
}

#[test]
fn every_code_that_a_rule_emits_is_explained() {
    for rule in mesh_analyzers::rules::all() {
        for code in rule.codes {
            let run = here(&["explain", code.id, "-o", "markdown"]);
            assert!(run.out.contains("**What it checks.**"), "{}: {}", code.id, run.out);
        }
    }
}

#[test]
fn completions_and_manual_pages_come_from_the_same_definitions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(here(&["completion", shell]).out.contains("analyze"), "{shell}");
    }
    assert!(here(&["man"]).out.starts_with(".ie"));
    assert!(here(&["man", "analyze"]).out.contains("meshConfigFile"));
    assert_eq!(here(&["man", "nosuch"]).status, 64);
    let dir = folder(&[]);
    let path = dir.path().display().to_string();
    assert_eq!((here(&["completion", "--all", &path]).status, here(&["man", "--all", &path]).status), (0, 0));
    for file in ["_meshctl", "meshctl.bash", "meshctl.fish", "meshctl.1", "meshctl-proxy-config.1", "meshctl-version.1"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    assert!(!dir.path().join("meshctl-help.1").exists());
    assert_eq!(here(&["completion"]).status, 64);
}

#[test]
fn list_analyzers_names_rules_and_codes() {
    let run = meshctl(folder(&[]).path(), &["analyze", "-L"]);
    assert!(run.status == 0 && run.out.contains("duplicate-object: MSH0003"), "{}", run.out);
}

/// The examples of the codes that need a part of a mesh, or that are no rule's.
#[test]
fn examples_of_codes_about_the_input_do_what_they_say() {
    for code in ["MSH0001", "MSH0002", "MSH0004", "MSH0006"] {
        let page = here(&["explain", code, "-o", "markdown"]).out;
        let examples: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|p| p.split("```").next()).collect();
        assert!(examples.len() >= 2, "{page}");
        for (i, yaml) in examples.iter().enumerate() {
            let dir = folder(&[("a.yaml", yaml)]);
            let run = meshctl(dir.path(), &["analyze", "-o", "json", "a.yaml"]);
            assert_eq!(run.found().iter().any(|f| f.starts_with(code)), i % 2 == 0, "{code}: {yaml}\n{}", run.out);
        }
    }
}
