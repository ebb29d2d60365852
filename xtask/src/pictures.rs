//! `cargo xtask pictures`: draws the pictures of the README and the book. `cli/tests/tui.rs` says when they are out of date.

use crate::{Outcome, root};
use std::process::Command;

/// A picture: its file below docs/pictures/, what is opened, the keys that are typed, its size.
const PICTURES: &[(&str, &str, &str, &str)] = &[
    ("overview", "testdata/bookinfo", "", "120x36"),
    ("graph", "testdata/recorded/bookinfo", "2", "160x42"),
    ("findings", "testdata/bookinfo", "4", "120x36"),
    ("proxies", "testdata/recorded/bookinfo", "6 l j l l l", "120x36"),
];

pub fn run(_args: &[String]) -> Outcome {
    std::fs::create_dir_all(root().join("docs/pictures")).map_err(|e| format!("docs/pictures: {e}"))?;
    for (name, path, keys, size) in PICTURES {
        let file = format!("docs/pictures/{name}.svg");
        let status = Command::new("cargo")
            .args([
                "run",
                "--quiet",
                "--package",
                "meshctl",
                "--",
                "tui",
                path,
                "--now",
                "2026-11-22T12:00:00Z",
                "--size",
                size,
                "--keys",
                keys,
                "--picture",
                &file,
            ])
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
