//! A folder of pages: dumps side by side, a folder a proxy, or an unpacked bug report.

use super::Limits;
use super::file;
use super::group::Grouping;
use std::path::Path;

/// Folders below folders that are looked into.
const DEPTH: usize = 12;

/// Reads every file below a folder, in the order of their names. Links and special files are passed over.
pub(super) fn read(dir: &Path, group: &mut Grouping<'_>, limits: Limits) {
    let mut left = Left { files: limits.entries, bytes: limits.total };
    if let Err(stop) = walk(dir, 0, group, limits, &mut left) {
        group.problem(&dir.display().to_string(), stop);
    }
}

struct Left {
    files: usize,
    bytes: u64,
}

fn walk(dir: &Path, depth: usize, group: &mut Grouping<'_>, limits: Limits, left: &mut Left) -> Result<(), String> {
    let mut entries: Vec<_> = match std::fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(Result::ok).collect(),
        Err(e) => {
            group.problem(&dir.display().to_string(), format!("it can't be read: {e}"));
            return Ok(());
        }
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = path.display().to_string();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if depth < DEPTH && !entry.file_name().to_string_lossy().starts_with('.') {
                walk(&path, depth + 1, group, limits, left)?;
            }
            continue;
        }
        if !kind.is_file() {
            continue;
        }
        if left.files == 0 {
            return Err(format!("there are more than {} files; the rest was not read", limits.entries));
        }
        left.files -= 1;
        if !group.may_want(&name) {
            continue;
        }
        let size = entry.metadata().map_or(0, |m| m.len());
        if size > left.bytes {
            return Err(format!("the files have more than {} MiB; the rest was not read", limits.total >> 20));
        }
        left.bytes -= size;
        match std::fs::File::open(&path) {
            Ok(opened) => file::read(&name, opened, group, limits),
            Err(e) => group.problem(&name, format!("it can't be read: {e}")),
        }
    }
    Ok(())
}
