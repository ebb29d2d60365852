//! Access logs among the sources: files that begin as one does.

use crate::commands::explain::logs::{files, is_log};
use crate::telemetry::folder;
use crate::telemetry::traces::BACK;
use mesh_collectors::recording;
use mesh_tui::world::logs::Logs;
use std::path::Path;

/// How far a file is looked into.
const LOOK: u64 = 64 * 1024;

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
    folder::files(root, &["log", "jsonl", "ndjson", "txt", "1"]).into_iter().filter(|f| begins_so(f)).map(|f| f.display().to_string()).collect()
}

fn begins_so(path: &Path) -> bool {
    // Dumps and manifests are no logs; JSON lines are.
    folder::head(path, LOOK).is_some_and(|head| !head.contains(&0) && is_log(&String::from_utf8_lossy(&head)))
}

/// Reads them; what could not be read.
pub fn read(names: &[String]) -> (Logs, Vec<String>) {
    let reading = files(names);
    (Logs::read(&reading.log, reading.broken, names.to_vec()), reading.problems)
}
