//! Which files are meant: paths, directories, globs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub named: Named,
}

/// How a file came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its own name: whatever its extension, and be it a pipe.
    Itself,
    /// Found in a directory or by a glob.
    Found,
}

/// Something that was asked for and can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub subject: String,
    pub message: String,
    pub help: Option<String>,
}

/// Files in the order of the arguments, those of a directory sorted, each once.
#[derive(Default)]
pub struct Search {
    pub files: Vec<Found>,
    pub unreadable: Vec<Unreadable>,
    seen: HashSet<PathBuf>,
    directories: HashSet<PathBuf>,
}

impl Search {
    /// Adds what an argument stands for.
    pub fn add(&mut self, argument: &str) {
        let path = Path::new(argument);
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => self.walk(path, None, 0),
            Ok(meta) => self.file(path, Named::Itself, &meta),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && argument.contains(['*', '?', '[', '{']) => self.glob(argument),
            Err(e) => self.missing(path, &e, Named::Itself),
        }
    }

    fn unreadable(&mut self, path: &Path, message: impl Into<String>, help: Option<&str>) {
        self.unreadable.push(Unreadable { subject: path.display().to_string(), message: message.into(), help: help.map(str::to_owned) });
    }

    fn missing(&mut self, path: &Path, error: &std::io::Error, named: Named) {
        match std::fs::read_link(path) {
            Ok(target) if error.kind() == std::io::ErrorKind::NotFound => {
                self.unreadable(path, format!("is a link to `{}`, which does not exist", target.display()), None);
            }
            _ if error.kind() == std::io::ErrorKind::NotFound => {
                // A file that goes away while its directory is read is no one's fault.
                if named == Named::Itself {
                    self.unreadable(path, "does not exist", None);
                }
            }
            Ok(_) => self.unreadable(path, format!("is a link that leads nowhere: {}", plain(error)), None),
            Err(_) => self.unreadable(path, plain(error), None),
        }
    }

    fn file(&mut self, path: &Path, named: Named, meta: &std::fs::Metadata) {
        if !meta.is_file() {
            match (kind(meta), named) {
                (Special::Pipe, Named::Itself) => {}
                (Special::Pipe, Named::Found) => return self.unreadable(path, "is a pipe", Some("name it on the command line to read it")),
                (Special::Other(what), _) => return self.unreadable(path, format!("is {what}, no file"), None),
            }
        }
        let clean: PathBuf = path.components().filter(|c| !matches!(c, std::path::Component::CurDir)).collect();
        if self.seen.insert(clean.clone()) {
            // What is found below `.` is shown as people and CI systems write it, without `./`.
            self.files.push(Found { path: if named == Named::Found { clean } else { path.to_owned() }, named });
        }
    }

    /// Adds the manifests below a directory; with a glob, the files that it matches. `level` counts the directories from
    /// the one where the search began.
    fn walk(&mut self, dir: &Path, glob: Option<&Glob>, level: usize) {
        // A link can lead back up: each directory is read once.
        let identity = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        if !self.directories.insert(identity.clone()) {
            return;
        }
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) => return self.unreadable(dir, plain(&e), None),
        };
        let mut entries: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap_or_default();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let wanted = match glob {
                Some(glob) => glob.matches(&path),
                None => is_manifest(&path),
            };
            let enters = glob.is_none_or(|g| g.enters(level, Path::new(name)));
            if !wanted && !enters {
                continue;
            }
            match std::fs::metadata(&path) {
                Ok(meta) if meta.is_dir() && enters => self.walk(&path, glob, level + 1),
                Ok(meta) if wanted && !meta.is_dir() => self.file(&path, Named::Found, &meta),
                Err(e) if wanted => self.missing(&path, &e, Named::Found),
                _ => {}
            }
        }
        if glob.is_some() {
            // Another glob may want other files of the same directory.
            self.directories.remove(&identity);
        }
    }

    /// Expands a glob that the shell left alone: `*` stays within a directory, `**` does not.
    fn glob(&mut self, pattern: &str) {
        let glob = match Glob::new(pattern) {
            Ok(glob) => glob,
            Err(e) => return self.unreadable(Path::new(pattern), format!("does not exist, and is no glob: {}", e.kind()), None),
        };
        let before = (self.files.len(), self.unreadable.len());
        if glob.root.is_dir() {
            self.walk(&glob.root, Some(&glob), 0);
        }
        if before == (self.files.len(), self.unreadable.len()) {
            self.unreadable(Path::new(pattern), "matches no file", None);
        }
    }
}

/// A glob over paths, and where what it matches can be.
struct Glob {
    root: PathBuf,
    whole: globset::GlobMatcher,
    /// What the directories below `root` must match, one level each.
    levels: Vec<globset::GlobMatcher>,
    /// Below these levels there may be any.
    deep: bool,
}

impl Glob {
    fn new(pattern: &str) -> Result<Glob, globset::Error> {
        let matcher = |text: &str| globset::GlobBuilder::new(text).literal_separator(true).build().map(|g| g.compile_matcher());
        let whole = matcher(pattern.strip_prefix("./").unwrap_or(pattern))?;
        let literal = &pattern[..pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len())];
        let (root, rest) = match literal.rfind('/') {
            Some(0) => ("/", &pattern[1..]),
            Some(i) => (&literal[..i], &pattern[i + 1..]),
            None => (".", pattern),
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let (_, directories) = parts.split_last().unwrap_or((&"", &[]));
        let plain = directories.iter().take_while(|p| **p != "**");
        let levels: Result<Vec<_>, _> = plain.map(|p| matcher(p)).collect();
        // A slash within braces or brackets leaves parts that are no globs: then any directory may be meant.
        let (levels, deep) = match levels {
            Ok(levels) if !rest.contains(['{', '[']) || is_balanced(&parts) => (levels, parts.contains(&"**")),
            _ => (Vec::new(), true),
        };
        Ok(Glob { root: PathBuf::from(root), whole, levels, deep })
    }

    fn matches(&self, path: &Path) -> bool {
        self.whole.is_match(path.strip_prefix(".").unwrap_or(path))
    }

    /// Whether a match can be below a directory of this name on this level.
    fn enters(&self, level: usize, name: &Path) -> bool {
        self.levels.get(level).map_or(self.deep, |m| m.is_match(name))
    }
}

/// Whether each part closes the braces and brackets that it opens.
fn is_balanced(parts: &[&str]) -> bool {
    let count = |part: &str, c: char| part.matches(c).count();
    parts.iter().all(|p| count(p, '{') == count(p, '}') && count(p, '[') == count(p, ']'))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|k| e.eq_ignore_ascii_case(k)))
}

enum Special {
    /// A pipe, or a character device such as a terminal.
    Pipe,
    Other(&'static str),
}

#[cfg(unix)]
fn kind(meta: &std::fs::Metadata) -> Special {
    use std::os::unix::fs::FileTypeExt;
    let t = meta.file_type();
    if t.is_fifo() || t.is_char_device() {
        Special::Pipe
    } else if t.is_socket() {
        Special::Other("a socket")
    } else {
        Special::Other("a device")
    }
}

#[cfg(not(unix))]
fn kind(_: &std::fs::Metadata) -> Special {
    Special::Other("something else")
}

/// An error of the operating system without its number.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The directories that a glob looks into, of some.
    fn entered(pattern: &str) -> Vec<&'static str> {
        let glob = Glob::new(pattern).expect("a glob");
        let all = ["a", "a/b", "a/b/c", "x", "x/b"];
        let enters = |path: &&str| path.split('/').enumerate().all(|(level, name)| glob.enters(level, Path::new(name)));
        all.into_iter().filter(|p| enters(p)).collect()
    }

    #[test]
    fn a_glob_is_looked_for_only_where_it_can_match() {
        assert_eq!(entered("*.yaml"), Vec::<&str>::new());
        assert_eq!(entered("./top/*.yaml"), Vec::<&str>::new());
        assert_eq!(entered("a*/*.yaml"), ["a"]);
        assert_eq!(entered("*/b/?.yaml"), ["a", "a/b", "x", "x/b"]);
        assert_eq!(entered("{a,z}/**/*.yaml"), ["a", "a/b", "a/b/c"]);
        assert_eq!(entered("{a/b,x}/*.yaml"), ["a", "a/b", "a/b/c", "x", "x/b"]);
    }
}
