//! Access logs among the sources: files that begin as one does.

use crate::commands::explain::logs::{files, is_log};
use crate::telemetry::traces::BACK;
use mesh_collectors::recording;
use mesh_tui::world::logs::Logs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How far a file is looked into, and how many of a folder.
const LOOK: u64 = 64 * 1024;
const FILES: usize = 2_000;
const DEPTH: usize = 6;

/// The logs that a path is or holds.
pub fn find(path: &str) -> Vec<String> {
    let root = Path::new(path);
    if let Some(recorded) = recording::find(root) {
        let has_some = recorded.gathered("logs", BACK).is_ok_and(|pages| !pages.is_empty());
        return has_some.then(|| path.to_owned()).into_iter().collect();
    }
    if root.is_file() {
        return if begins_so(root) { vec![path.to_owned()] } else { Vec::new() };
    }
    let mut files = Vec::new();
    walk(root, DEPTH, &mut files);
    files.into_iter().filter(|f| begins_so(f)).map(|f| f.display().to_string()).collect()
}

fn walk(path: &Path, depth: usize, out: &mut Vec<PathBuf>) {
    let is_named_so = path.extension().is_some_and(|e| ["log", "jsonl", "ndjson", "txt"].iter().any(|x| e == *x));
    if path.is_file() && is_named_so {
        out.push(path.to_owned());
    } else if path.is_dir() && depth > 0 && out.len() < FILES {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect();
        entries.sort();
        entries.iter().for_each(|p| walk(p, depth - 1, out));
    }
}

fn begins_so(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(LOOK).read_to_end(&mut head));
    // Dumps and manifests are no logs; JSON lines are.
    read.is_ok() && !head.contains(&0) && is_log(&String::from_utf8_lossy(&head))
}

/// Reads them; what could not be read.
pub fn read(names: &[String]) -> (Logs, Vec<String>) {
    let reading = files(names);
    (Logs::read(&reading.log, reading.broken, names.to_vec()), reading.problems)
}
