//! Config dumps and endpoint pages among the paths: what a file is is found out by its content.

use mesh_envoy::identify::{Content, identify};
use std::path::{Path, PathBuf};

/// The pages of one proxy, as read.
#[derive(Default)]
pub struct Read {
    pub name: String,
    pub from: String,
    pub config_dump: Option<String>,
    pub clusters: Option<String>,
}

/// A folder is looked into so deep, and so many files of it are read.
const DEPTH: usize = 6;
const FILES: usize = 2_000;
/// Larger files are no dumps.
const SIZE: u64 = 256 * 1024 * 1024;

/// What was found below a path.
#[derive(Default)]
pub struct Found {
    pub proxies: Vec<Read>,
    /// Whether the path itself is a page and nothing else needs to be read of it.
    pub is_page: bool,
}

pub fn find(path: &str) -> Found {
    let mut found = Found::default();
    let root = Path::new(path);
    if root.is_dir() {
        let mut files = Vec::new();
        walk(root, DEPTH, &mut files);
        for file in files {
            take(&file, true, &mut found);
        }
    } else if root.is_file() {
        found.is_page = take(root, false, &mut found);
    }
    found
}

fn walk(dir: &Path, depth: usize, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if out.len() >= FILES {
            return;
        }
        if path.is_dir() && depth > 0 {
            walk(&path, depth - 1, out);
        } else if path.extension().is_some_and(|e| e == "json") {
            out.push(path);
        }
    }
}

/// Keeps a file if it is a page; pages of one folder are of one proxy.
fn take(path: &Path, is_in_folder: bool, found: &mut Found) -> bool {
    if std::fs::metadata(path).is_ok_and(|m| m.len() > SIZE) {
        return false;
    }
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let content = identify(&text);
    if !matches!(content, Content::ConfigDump | Content::Clusters) {
        return false;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = |p: &Path| p.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let name = if is_in_folder { folder.file_name().map_or_else(|| stem(path), |n| n.to_string_lossy().into_owned()) } else { stem(path) };
    let has_it = |r: &Read| if content == Content::ConfigDump { r.config_dump.is_some() } else { r.clusters.is_some() };
    let index = found.proxies.iter().rposition(|r| r.name == name && !has_it(r)).unwrap_or_else(|| {
        found.proxies.push(Read { name, ..Read::default() });
        found.proxies.len() - 1
    });
    let proxy = &mut found.proxies[index];
    if content == Content::ConfigDump {
        proxy.from = path.display().to_string();
        proxy.config_dump = Some(text);
    } else {
        if proxy.from.is_empty() {
            proxy.from = path.display().to_string();
        }
        proxy.clusters = Some(text);
    }
    true
}
