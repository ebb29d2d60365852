//! The state of proxies and of control planes, as their admin and debug pages show it, from wherever the pages are.
//!
//! A source is a file, standard input, a directory, a bug report of istioctl's, or a live admin port. What a page is is
//! found out by its content, which proxy it is of by the node id in it and by where it lies. Nothing is written to disk.

pub mod admin;
pub(crate) mod archive;
mod directory;
mod file;
mod group;
mod pod;
mod source;
pub mod syncz;

pub use group::{Choice, Dumps, Page, Proxy};
pub use pod::PodName;
pub use source::{Endpoint, Source};

use crate::recording::{Form, Found};
use mesh_envoy::identify::{Content, identify};
use std::io::Read;
use std::path::Path;

/// What is looked for. Pages of another kind, or of a proxy that is known to be another, are named and not kept.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    pub pod: Option<&'a PodName>,
    pub contents: &'a [Content],
}

impl Want<'_> {
    fn keeps(&self, content: Content, name: Option<&str>) -> bool {
        self.contents.contains(&content) && name.is_none_or(|n| self.pod.is_none_or(|p| p.fits(n)))
    }
}

/// How much is read, so that no input exhausts the machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one page.
    pub page: u64,
    /// Bytes of an archive or a directory, unpacked.
    pub total: u64,
    /// Entries of an archive, files of a directory.
    pub entries: usize,
    /// Unpacked bytes for each packed one, after the first [`Limits::FREE`].
    pub ratio: u64,
}

impl Limits {
    /// What any archive may unpack to, however small it is.
    pub const FREE: u64 = 16 * 1024 * 1024;
}

impl Default for Limits {
    /// A page of 10,000 services has 100 MB; text compresses to a tenth or a thirtieth of itself.
    fn default() -> Limits {
        Limits { page: 1 << 30, total: 4 << 30, entries: 100_000, ratio: 300 }
    }
}

/// Reads what lies in a file or below a folder.
pub fn read_path(path: &Path, want: &Want<'_>, limits: Limits) -> Dumps {
    let mut group = group::Grouping::new(want);
    if let Some(found) = crate::recording::find(path).filter(|f| f.form == Form::Segments) {
        recorded(&found, path, &mut group);
    } else if path.is_dir() {
        directory::read(path, &mut group, limits);
    } else {
        match std::fs::File::open(path) {
            Ok(opened) => file::read(&path.display().to_string(), opened, &mut group, limits),
            Err(e) => {
                let name = path.display().to_string();
                // `localhost:15000` is an address that lacks its scheme.
                let port = name.rsplit_once(':').filter(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok());
                let meant = if port.is_some() { format!("; is http://{name} meant?") } else { String::new() };
                group.problem(&name, format!("it can't be read: {e}{meant}"));
            }
        }
    }
    group.finish()
}

/// The pages of a moment of a recording.
fn recorded(found: &Found, path: &Path, group: &mut group::Grouping<'_>) {
    let name = path.display().to_string();
    match found.capture() {
        Err(e) => group.problem(&name, e.to_string()),
        Ok(capture) => {
            for problem in &capture.summary.problems {
                group.problem(&name, format!("was not seen when it was recorded: {problem}"));
            }
            for page in capture.pages.into_iter().filter(|p| !p.path.starts_with("manifests/")) {
                let origin = format!("{name}/{}", page.path);
                if group.may_want(&origin) {
                    let content = identify(&page.text);
                    group.add(&origin, page.text, content);
                }
            }
        }
    }
}

/// Reads a stream, such as standard input.
pub fn read_stream(name: &str, stream: impl Read, want: &Want<'_>, limits: Limits) -> Dumps {
    let mut group = group::Grouping::new(want);
    file::read(name, stream, &mut group, limits);
    group.finish()
}
