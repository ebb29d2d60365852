//! `cargo xtask pictures`: draws the pictures of the README and the book. `cli/tests/tui.rs` says when they are out of date.

use crate::{Outcome, root};
use std::process::Command;

/// A picture: its file below docs/pictures/, the arguments, the keys that are typed, its size.
const PICTURES: &[(&str, &str, &str, &str)] = &[
    ("overview", "testdata/recorded/bookinfo --series testdata/traffic/bookinfo.json", "", "120x36"),
    ("graph", "testdata/recorded/bookinfo --series testdata/traffic/bookinfo.json", "2 i", "160x42"),
    ("detail", "testdata/recorded/bookinfo --series testdata/traffic/bookinfo-over-time.json", "enter", "120x36"),
    ("configuration", "testdata/recorded/bookinfo", "2", "160x42"),
    ("logs", "testdata/access-log/istio-json.log", "8", "120x36"),
    ("findings", "testdata/bookinfo", "4", "120x36"),
    ("proxies", "testdata/recorded/bookinfo", "6 l j l l l", "120x36"),
    ("request", "testdata/test/dumps", "6 w r e v i e w s : 9 0 8 0 / r e v i e w s / 0 space - H space ' e n d - u s e r : j a s o n ' enter", "120x36"),
    ("waterfall", "testdata/traces", "5 j enter j j j j j j j", "120x36"),
];

pub fn run(_args: &[String]) -> Outcome {
    std::fs::create_dir_all(root().join("docs/pictures")).map_err(|e| format!("docs/pictures: {e}"))?;
    for (name, arguments, keys, size) in PICTURES {
        let file = format!("docs/pictures/{name}.svg");
        let status = Command::new("cargo")
            .args(["run", "--quiet", "--package", "meshctl", "--", "tui", "--now", "2026-11-22T12:00:00Z"])
            .args(arguments.split(' '))
            .args(["--size", size, "--keys", keys, "--picture", &file])
            .current_dir(root())
            .status()
            .map_err(|e| format!("cargo: {e}"))?;
        if !status.success() {
            return Err(format!("{file}: meshctl ended with {status}"));
        }
        println!("{file}");
    }
    Ok(())
}
