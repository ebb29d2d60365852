//! Files of a folder, to be looked at for what they hold.

use std::io::Read;
use std::path::{Path, PathBuf};

/// How many files of a folder are looked at, and how deep.
const FILES: usize = 2_000;
const DEPTH: usize = 6;

/// The file itself, or the files below a folder in the order of their paths, of those with one of the extensions.
pub fn files(root: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    walk(root, extensions, DEPTH, &mut out);
    out
}

fn walk(path: &Path, extensions: &[&str], depth: usize, out: &mut Vec<PathBuf>) {
    if path.is_file() && path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
        out.push(path.to_owned());
    } else if path.is_dir() && depth > 0 && out.len() < FILES {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect();
        entries.sort();
        entries.iter().for_each(|p| walk(p, extensions, depth - 1, out));
    }
}

/// The first bytes of a file; `None` where it can't be read.
pub fn head(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(most).read_to_end(&mut head)).ok()?;
    Some(head)
}
