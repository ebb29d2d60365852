//! What the proxies write to their standard output, kept as a kubelet keeps it: a file for each, which is moved aside when it is
//! full. Two are kept of each, so that all together are bounded.

use crate::Say;
use crate::folders::{self, Own};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes of all logs together.
const ALL: u64 = 16 << 20;
/// A file is moved aside at this length, where there is room for so much.
const LONGEST: u64 = 1 << 20;

/// A folder with `NAME.NAMESPACE.log`, and `NAME.NAMESPACE.log.1` with what was before. It goes with this.
pub struct Logs {
    folder: Own,
    all: u64,
    files: Mutex<BTreeMap<String, (File, u64)>>,
    /// Those whose lines are lost: it is said when there is one, and when there is none any more.
    failing: Mutex<BTreeSet<String>>,
    say: Say,
}

impl Logs {
    /// A folder for this user alone.
    ///
    /// # Errors
    /// A folder that can't be made.
    pub fn new(say: Say) -> io::Result<Logs> {
        Logs::within(ALL, say)
    }

    fn within(all: u64, say: Say) -> io::Result<Logs> {
        let folder = folders::own("logs-")?;
        Ok(Logs { folder, all, files: Mutex::default(), failing: Mutex::default(), say })
    }

    /// An empty file for a proxy that has none.
    ///
    /// # Errors
    /// A file that can't be made, or a name that is no file's: it would lead out of the folder.
    pub fn add(&self, name: &str) -> io::Result<()> {
        if name.contains(['/', '\\', '\0']) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a file")));
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains_key(name) {
            files.insert(name.to_owned(), (open(&path(self.folder.path(), name))?, 0));
        }
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Appends whole lines to a proxy's file. What can't be written is lost, and said: a demo goes on without a disk.
    pub fn take(&self, name: &str, lines: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = (self.all / 2 / files.len().max(1) as u64).min(LONGEST);
        let Some((file, length)) = files.get_mut(name) else { return };
        let own = path(self.folder.path(), name);
        if *length > 0
            && *length + lines.len() as u64 > longest
            && std::fs::rename(&own, own.with_extension("log.1")).is_ok()
            && let Ok(fresh) = open(&own)
        {
            (*file, *length) = (fresh, 0);
        }
        match file.write_all(lines.as_bytes()) {
            Ok(()) => {
                *length += lines.len() as u64;
                let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
                if failing.remove(name) && failing.is_empty() {
                    (self.say)(&format!("access logs are written to {} again", self.folder().display()));
                }
            }
            Err(e) => {
                // Half a line is none.
                let _ = file.set_len(*length);
                let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
                if failing.insert(name.to_owned()) && failing.len() == 1 {
                    (self.say)(&format!("{}: {e}; lines of access logs are lost until they can be written again", own.display()));
                }
            }
        }
    }
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn logs(all: u64) -> (Logs, Arc<Mutex<Vec<String>>>) {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = heard.clone();
        let say: Say = Arc::new(move |what| listener.lock().expect("unbroken").push(what.to_owned()));
        (Logs::within(all, say).expect("a folder"), heard)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_without_room_is_named_once_and_lines_come_again_when_there_is_some() {
        let (logs, heard) = logs(ALL);
        let path = path(logs.folder(), "a.ns");
        std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
        logs.add("a.ns").expect("a file");
        (0..3).for_each(|_| logs.take("a.ns", "lost\n"));
        let full = heard.lock().expect("unbroken").clone();
        assert!(full.len() == 1 && full[0].contains("a.ns.log: No space left on device"), "{full:?}");
        logs.add("b.ns").expect("a file");
        logs.take("b.ns", "kept\n");
        assert_eq!(heard.lock().expect("unbroken").len(), 1, "the other one has no room still");
        std::fs::remove_file(&path).expect("removed");
        logs.files.lock().expect("unbroken").insert("a.ns".to_owned(), (open(&path).expect("a file"), 0));
        logs.take("a.ns", "kept\n");
        assert!(heard.lock().expect("unbroken").last().is_some_and(|l| l.contains("again")) && heard.lock().expect("unbroken").len() == 2);
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let within = tempfile::tempdir().expect("a folder");
        let (logs, _) = logs(ALL);
        let out = within.path().join("out");
        for name in [out.display().to_string(), format!("..{}", out.display()), "../out.ns".to_owned()] {
            assert!(logs.add(&name).is_err(), "{name}");
        }
        assert_eq!(std::fs::read_dir(within.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn the_last_lines_are_there_and_all_is_bounded() {
        let (logs, _) = logs(400);
        ["a.ns", "b.ns", "a.ns"].iter().for_each(|name| logs.add(name).expect("a file"));
        for i in 0..100 {
            logs.take("a.ns", &format!("line {i:03}\n"));
        }
        logs.take("b.ns", "one\n");
        logs.take("nobody", "none\n");
        let read = |name: &str| std::fs::read_to_string(logs.folder().join(name)).unwrap_or_default();
        let both = read("a.ns.log.1") + &read("a.ns.log");
        assert!(both.len() <= 200 && both.ends_with("line 098\nline 099\n") && both.lines().all(|l| l.len() == 8), "{both}");
        assert_eq!((read("b.ns.log"), read("b.ns.log.1")), ("one\n".to_owned(), String::new()));
        let is_log = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().contains(".log");
        assert_eq!(std::fs::read_dir(logs.folder()).expect("a folder").flatten().filter(is_log).count(), 3);
        let folder = logs.folder().to_owned();
        drop(logs);
        assert!(!folder.exists());
    }
}
