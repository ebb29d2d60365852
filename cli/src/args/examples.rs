//! Tests: what the help of each command shows can be pasted, fits a terminal, and stands where it is looked for.

use super::Cli;
use clap::{Command, CommandFactory, Parser};

/// Columns of a terminal that nobody made wider.
const WIDTH: usize = 80;

/// Each command and subcommand that is shown, with its whole name.
fn commands() -> Vec<(String, Command)> {
    fn all(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
        found.push((name.to_owned(), command.clone()));
        for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
            all(sub, &format!("{name} {}", sub.get_name()), found);
        }
    }
    let mut found = Vec::new();
    all(&Cli::command(), "meshctl", &mut found);
    found
}

/// The words of each program of a pipe, up to a comment, a file or an end that a shell would see.
fn programs(line: &str) -> Vec<Vec<String>> {
    let mut programs = vec![vec![String::new()]];
    let mut quote = None;
    for c in line.trim().chars() {
        let words = programs.last_mut().unwrap();
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '|') => programs.push(vec![String::new()]),
            (None, '#' | '>' | '&') => break,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    programs.into_iter().map(|words| words.into_iter().filter(|w| !w.is_empty()).collect()).collect()
}

#[test]
fn examples_can_be_pasted_as_they_stand() {
    let mut seen = 0;
    for (name, command) in commands() {
        let Some(help) = command.get_after_help().map(ToString::to_string) else { continue };
        let Some((_, examples)) = help.split_once("Examples:\n") else { continue };
        for line in examples.lines().take_while(|l| l.starts_with("  ")) {
            // What explains a line stands behind `#`, or on a line of its own that begins with it.
            let explained = line.contains("# ");
            assert!(!explained || line.chars().count() <= WIDTH, "{name}: a terminal breaks `{line}`");
            for words in programs(line).iter().filter(|words| words.first().is_some_and(|w| w == "meshctl")) {
                seen += 1;
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{name}: `{line}` does not work: {error}");
                }
            }
        }
    }
    assert!(seen > 100, "{seen} examples");
}

#[test]
fn what_the_book_tells_to_type_is_understood() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = std::fs::read_dir(root.join("docs")).expect("the book").flatten().map(|e| e.path()).chain([root.join("README.md")]);
    let mut seen = 0;
    for page in pages.filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(&page).expect("a page");
        let mut fenced = false;
        for line in text.lines() {
            if line.starts_with("```") {
                fenced = !fenced;
            }
            let code = line.strip_prefix("    ").filter(|_| !fenced).or_else(|| fenced.then(|| line.trim_start_matches("$ ")));
            for words in code.map(programs).into_iter().flatten().filter(|words| words.first().is_some_and(|w| w == "meshctl")) {
                seen += 1;
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{}: `{line}` does not work: {error}", page.display());
                }
            }
        }
    }
    assert!(seen > 60, "{seen} commands");
}

#[test]
fn an_option_stands_below_its_own_heading() {
    let mut unexplained = Vec::new();
    for (name, mut command) in commands() {
        command.build();
        for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
            let id = argument.get_id();
            if argument.is_positional() {
                assert_eq!(argument.get_help_heading(), None, "{name}: {id}");
            }
            if ["output", "port", "headers", "fail_on", "method"].contains(&id.as_str()) {
                assert_ne!(argument.get_help_heading(), Some("Cluster"), "{name}: {id}");
            }
            if ["color", "quiet", "out", "now", "compat", "allow_partial"].contains(&id.as_str()) {
                assert_eq!(argument.get_help_heading(), Some("Options of every command"), "{name}: {id}");
            }
            if argument.get_help().is_none_or(|h| h.to_string().is_empty()) {
                unexplained.push(format!("{name} {id}"));
            }
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:?}");
}
