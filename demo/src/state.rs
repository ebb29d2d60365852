//! Where a running demo is: a file that tells other processes of the same user.

use crate::control;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// One of several clusters of a demo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub name: String,
    /// The folder of its manifests.
    pub manifests: PathBuf,
    /// Its control plane's debug pages.
    pub control_plane: SocketAddr,
}

impl Cluster {
    /// Its manifests as a source of commands: `east=FOLDER`.
    pub fn source(&self) -> String {
        format!("{}={}", self.name, self.manifests.display())
    }
}

/// What others need to know of a demo. It is written as JSON to `NAME.json`, readable by its owner alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct State {
    /// `bookinfo`; `bookinfo-2` for one that runs beside it.
    pub name: String,
    pub pid: u32,
    /// Seconds since the epoch.
    pub started: i64,
    /// The folder of the mesh's manifests.
    pub manifests: PathBuf,
    /// Others: what was added to a mesh of one's own.
    #[serde(default)]
    pub also: Vec<PathBuf>,
    /// Where the load goes in, and the host that it asks for; `None` for a mesh without a gateway.
    pub gateway: Option<SocketAddr>,
    pub host: String,
    /// Prometheus' query API.
    pub prometheus: SocketAddr,
    /// Jaeger's query API.
    pub jaeger: SocketAddr,
    /// The folder of the proxies' access logs: `NAME.NAMESPACE.log`.
    pub logs: PathBuf,
    /// The control plane's debug pages.
    pub control_plane: SocketAddr,
    /// Where there are several; the folder and the control plane above are those of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    /// Where its processes write what they say, where proxies have processes of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<PathBuf>,
    /// Admin ports of proxies, by `NAME.NAMESPACE`.
    pub admins: BTreeMap<String, SocketAddr>,
    /// Where the demo takes orders, and the token that they need.
    pub control: SocketAddr,
    pub token: String,
}

impl std::fmt::Debug for State {
    // The token gives power over the demo.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {}, {})", self.name, self.pid, self.control)
    }
}

/// The file of a demo; it goes with this.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
}

impl Entry {
    /// Writes what has changed.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn update(&self, state: &State) -> io::Result<()> {
        let draft = self.path.with_file_name(format!(".{}-{}", state.name, state.pid));
        write(&draft, state)?;
        fs::rename(&draft, &self.path)
    }
}

/// For this user alone.
fn write(path: &Path, state: &State) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(&serde_json::to_vec_pretty(state)?)
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a demo may be called so: a file is, and a word of the command line has it (`demo:NAME`).
pub fn is_name(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    text.len() <= 63 && text.bytes().all(is_inner) && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

/// Names that are tried beside the first.
const MOST: usize = 100;

/// Writes the state under its name, or under one with a number where a demo of that name runs; the name is put into it.
///
/// # Errors
/// A folder that can't be written, or that has too many demos.
pub fn enter(folder: &Path, state: &mut State) -> io::Result<Entry> {
    let mut make = DirBuilder::new();
    make.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.create(folder)?;
    let wanted = state.name.clone();
    for n in 1..MOST {
        state.name = if n == 1 { wanted.clone() } else { format!("{wanted}-{n}") };
        let path = folder.join(format!("{}.json", state.name));
        // Whole or not at all: it is written elsewhere, and gets its name when nobody has that.
        let draft = folder.join(format!(".{}-{}", state.name, state.pid));
        write(&draft, state)?;
        let mut linked = fs::hard_link(&draft, &path);
        if linked.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists) && !read(&path).is_some_and(|s| is_alive(&s)) {
            let _ = fs::remove_file(&path);
            linked = fs::hard_link(&draft, &path);
        }
        let _ = fs::remove_file(&draft);
        match linked {
            Ok(()) => return Ok(Entry { path }),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{MOST} demos are called {wanted}")))
}

fn read(path: &Path) -> Option<State> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn is_alive(state: &State) -> bool {
    control::ask(state, "GET", "/").is_ok_and(|(status, answer)| status == 200 && answer["pid"].as_u64() == Some(u64::from(state.pid)))
}

/// The demos that run, by name. What a killed one has left is passed over.
pub fn running(folder: &Path) -> Vec<State> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json"));
    let mut found: Vec<State> = files.filter_map(|p| read(&p)).filter(is_alive).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(control: SocketAddr) -> State {
        State {
            name: "bookinfo".into(),
            pid: 1,
            started: 0,
            manifests: "/m".into(),
            also: Vec::new(),
            gateway: Some(control),
            host: "h".into(),
            prometheus: control,
            jaeger: control,
            logs: "/l".into(),
            control_plane: control,
            clusters: Vec::new(),
            said: None,
            admins: BTreeMap::new(),
            control,
            token: "secret".into(),
        }
    }

    #[test]
    fn a_name_is_one_word_that_leads_nowhere() {
        assert!(is_name("bookinfo") && is_name("bookinfo-2") && is_name("2_a"));
        for name in ["", "..", "a/b", "a b", "a@b", "a:b", "-a", "A", "a\n", "é", &"a".repeat(64)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn what_a_killed_demo_left_is_passed_over_and_its_name_is_free() {
        let dir = tempfile::tempdir().expect("a folder");
        // Nobody listens on a port that was just given back.
        let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("an address");
        let mut first = state(gone);
        std::mem::forget(enter(dir.path(), &mut first).expect("written"));
        assert!(dir.path().join("bookinfo.json").exists() && running(dir.path()).is_empty());
        let mut second = state(gone);
        let entry = enter(dir.path(), &mut second).expect("written");
        assert_eq!(second.name, "bookinfo");
        second.also.push("/n".into());
        entry.update(&second).expect("written");
        assert_eq!(read(&dir.path().join("bookinfo.json")).map(|s| s.also), Some(second.also.clone()));
        drop(entry);
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
        assert!(!format!("{first:?}").contains("secret"));
    }
}
