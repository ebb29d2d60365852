//! A page a code, from the doc comments of the rules' own files. Used by the build script, and by `cargo xtask docs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files whose doc comments explain codes, from the root of the workspace; sorted.
pub fn sources(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut out = vec![root.join("cli/src/suppress.rs")];
    walk(&root.join("analyzers/src"), &mut out)?;
    out.sort();
    Ok(out)
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    Ok(())
}

/// Pages by code: `## CODE Name (Level)` and what follows. A code that several files explain has one page.
pub fn pages(root: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for path in sources(root)? {
        let text = std::fs::read_to_string(&path)?;
        for (heading, body) in sections(&text) {
            let code = heading.split_whitespace().next().unwrap_or("").to_owned();
            let page = out.entry(code).or_insert_with(|| format!("## {heading}\n"));
            page.push('\n');
            page.push_str(&body);
            page.push('\n');
        }
    }
    Ok(out)
}

/// Headings and bodies of the sections of a file's head comment.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines().take_while(|l| l.starts_with("//!") || l.is_empty()) {
        let line = line.trim_start_matches("//!");
        let line = line.strip_prefix(' ').unwrap_or(line);
        if let Some(heading) = line.strip_prefix("## ") {
            out.push((heading.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = out.last_mut() {
            lines.push(line);
        }
    }
    out.into_iter().map(|(heading, lines)| (heading, lines.join("\n").trim().to_owned())).collect()
}
