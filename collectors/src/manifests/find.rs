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
            Ok(meta) if meta.is_dir() => self.walk(path, None),
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

    /// Adds the manifests below a directory; with a glob, the files that it matches.
    fn walk(&mut self, dir: &Path, glob: Option<&globset::GlobMatcher>) {
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
            if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            let wanted = match glob {
                Some(glob) => glob.is_match(path.strip_prefix(".").unwrap_or(&path)),
                None => is_manifest(&path),
            };
            match std::fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => self.walk(&path, glob),
                Ok(meta) if wanted => self.file(&path, Named::Found, &meta),
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
        let matcher = match globset::GlobBuilder::new(pattern.strip_prefix("./").unwrap_or(pattern)).literal_separator(true).build() {
            Ok(glob) => glob.compile_matcher(),
            Err(e) => return self.unreadable(Path::new(pattern), format!("does not exist, and is no glob: {}", e.kind()), None),
        };
        let literal = &pattern[..pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len())];
        let root = literal.rfind('/').map_or(".", |i| if i == 0 { "/" } else { &literal[..i] });
        let before = (self.files.len(), self.unreadable.len());
        if Path::new(root).is_dir() {
            self.walk(Path::new(root), Some(&matcher));
        }
        if before == (self.files.len(), self.unreadable.len()) {
            self.unreadable(Path::new(pattern), "matches no file", None);
        }
    }
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
