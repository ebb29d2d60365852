//! `cargo xtask docs`: a page a code in docs/rules/, an index of them, and their lines in the book's summary. All of it
//! comes from the doc comments that `meshctl explain` prints as well. `--check` writes nothing and says what is stale.

#[path = "../../cli/src/explain/pages.rs"]
mod pages;

use crate::Outcome;
use mesh_analyzers::codes;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the generated part of the summary begins.
const MARK: &str = "- [Rules](rules/README.md)";

pub fn run(args: &[String]) -> Outcome {
    let root = crate::root();
    let files = files(&root).map_err(|e| e.to_string())?;
    let check = args.iter().any(|a| a == "--check");
    let mut stale = Vec::new();
    for (path, text) in &files {
        if std::fs::read_to_string(path).is_ok_and(|old| old == *text) {
            continue;
        }
        if check {
            stale.push(path.clone());
        } else {
            write(path, text)?;
        }
    }
    for entry in std::fs::read_dir(root.join("docs/rules")).into_iter().flatten().flatten() {
        if !files.contains_key(&entry.path()) {
            if check {
                stale.push(entry.path());
            } else {
                std::fs::remove_file(entry.path()).map_err(|e| e.to_string())?;
            }
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stale.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).collect();
    Err(format!("stale, run `cargo xtask docs`: {}", names.join(", ")))
}

fn write(path: &PathBuf, text: &str) -> Outcome {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|e| e.to_string())?;
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Every generated file and its text.
fn files(root: &std::path::Path) -> std::io::Result<BTreeMap<PathBuf, String>> {
    let rules = root.join("docs/rules");
    let pages = pages::pages(root)?;
    let mut out = BTreeMap::new();
    let mut index = String::from(
        "# Rules\n\n`IST…` codes are istioctl's, `KIA…` codes Kiali's, `MSH…` codes our own. `meshctl explain CODE` prints the same pages.\n\n\
         | code | name | level | |\n| --- | --- | --- | --- |\n",
    );
    let mut summary = String::new();
    for code in codes::ALL {
        let link = if pages.contains_key(code.id) { format!("[{0}]({0}.md)", code.id) } else { code.id.to_owned() };
        index.push_str(&format!("| {link} | {} | {} | {} |\n", code.name, code.level.name(), code.summary));
        if let Some(text) = pages.get(code.id).map(|page| code.introduced(page)) {
            // The only heading of its page.
            let text = text.strip_prefix('#').unwrap_or(&text);
            out.insert(rules.join(format!("{}.md", code.id)), text.to_owned());
            summary.push_str(&format!("  - [{0}](rules/{0}.md)\n", code.id));
        }
    }
    out.insert(rules.join("README.md"), index);
    let path = root.join("docs/SUMMARY.md");
    let old = std::fs::read_to_string(&path)?;
    let head = old.split(MARK).next().unwrap_or("").trim_end();
    out.insert(path, format!("{head}\n{MARK}\n{summary}"));
    Ok(out)
}
