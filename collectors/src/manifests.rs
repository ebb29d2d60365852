//! Manifests: files, directories, globs and standard input.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Problem, ProblemKind, Role, Snapshot, Source};
use std::io::Read;
use std::path::Path;

/// Reads paths (`-` is standard input) into a snapshot. What can't be read becomes a problem.
pub fn read(snapshot: &mut Snapshot, paths: &[String], role: Role, cluster: u16) {
    for path in paths {
        match path.as_str() {
            "-" => {
                let mut bytes = Vec::new();
                match std::io::stdin().lock().read_to_end(&mut bytes) {
                    Ok(_) => add(snapshot, "-", bytes, role, cluster),
                    Err(e) => unreadable(snapshot, "-", &e.to_string()),
                }
            }
            _ => read_path(snapshot, Path::new(path), role, cluster),
        }
    }
}

fn read_path(snapshot: &mut Snapshot, path: &Path, role: Role, cluster: u16) {
    if path.is_dir() {
        let mut entries: Vec<_> = match std::fs::read_dir(path) {
            Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
            Err(e) => return unreadable(snapshot, &path.display().to_string(), &e.to_string()),
        };
        entries.sort();
        for entry in entries {
            let known = entry.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|k| e.eq_ignore_ascii_case(k)));
            if entry.is_dir() || known {
                read_path(snapshot, &entry, role, cluster);
            }
        }
        return;
    }
    match std::fs::read(path) {
        Ok(bytes) => add(snapshot, &path.display().to_string(), bytes, role, cluster),
        Err(e) => unreadable(snapshot, &path.display().to_string(), &e.to_string()),
    }
}

/// Adds the bytes of one source.
pub fn add(snapshot: &mut Snapshot, name: &str, bytes: Vec<u8>, role: Role, cluster: u16) {
    let text = String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    let source = Source::new(name, text);
    let manifest = read_manifest(&source, role, cluster, Limits::default());
    snapshot.add(&source, manifest);
}

fn unreadable(snapshot: &mut Snapshot, subject: &str, message: &str) {
    snapshot.problems.push(Problem { kind: ProblemKind::Unreadable, subject: subject.into(), message: message.into(), help: None, place: None });
}
