//! istioctl's bug reports, and other archives of pages: `.tar.gz` and `.tar`, read in memory and bounded.
//!
//! Nothing is unpacked to disk, so that the names of entries lead nowhere; links are passed over all the same, and entries
//! whose names climb out of the archive are reported.

use super::Limits;
use super::file;
use super::group::Grouping;
use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::io::{Cursor, Error, ErrorKind, Read};
use std::rc::Rc;

/// What a block of tar has at its byte 257.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// A packed stream: an archive, or one packed page.
pub(super) fn read_packed(name: &str, stream: impl Read, group: &mut Grouping<'_>, limits: Limits) {
    let mut unpacked = Bounded::unpacking(stream, limits);
    match file::head(&mut unpacked, 512) {
        Err(e) => group.problem(name, format!("it can't be unpacked: {e}")),
        Ok(head) if is_tar(&head) => read_tar(name, Cursor::new(head).chain(unpacked), group, limits),
        Ok(start) => {
            let mut rest = Cursor::new(start).chain(unpacked);
            match file::head(&mut rest, 1024 * 1024) {
                Err(e) => group.problem(name, format!("it can't be unpacked: {e}")),
                Ok(head) => file::page(name, &head, Cursor::new(head.clone()).chain(rest), group, limits),
            }
        }
    }
}

/// The pages of an archive. What ends it early is a problem; what was read until then is kept.
pub(super) fn read_tar(name: &str, stream: impl Read, group: &mut Grouping<'_>, limits: Limits) {
    let mut archive = tar::Archive::new(stream);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(e) => return group.problem(name, format!("the archive can't be read: {e}")),
    };
    let (mut total, mut links, mut strange) = (0u64, 0usize, Vec::new());
    for (i, entry) in entries.enumerate() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                group.problem(name, format!("the archive ends early: {e}; what came before is used"));
                break;
            }
        };
        if i >= limits.entries {
            group.problem(name, format!("the archive has more than {} entries; the rest was not read", limits.entries));
            break;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if path.starts_with('/') || path.split(['/', '\\']).any(|part| part == "..") {
            strange.push(path);
            continue;
        }
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {}
            tar::EntryType::Symlink | tar::EntryType::Link => {
                links += 1;
                continue;
            }
            _ => continue,
        }
        total = total.saturating_add(entry.size());
        if total > limits.total {
            group.problem(name, format!("the archive unpacks to more than {} MiB; the rest was not read", limits.total >> 20));
            break;
        }
        if !group.may_want(&path) {
            continue;
        }
        if entry.size() > limits.page {
            group.problem(&path, format!("it is larger than {} MiB", limits.page >> 20));
            continue;
        }
        if let Err(e) = page(&path, entry, group) {
            group.problem(name, format!("the archive ends early, in {path}: {e}; what came before is used"));
            break;
        }
    }
    if let Some(first) = strange.first() {
        group.problem(name, format!("{} lead out of the archive and were passed over, such as `{first}`", count(strange.len(), "entry", "entries")));
    }
    if links > 0 {
        group.problem(name, format!("{} passed over", count(links, "link was", "links were")));
    }
}

/// Adds an entry; what is no text, such as a core dump, is none of ours.
fn page(path: &str, mut entry: tar::Entry<'_, impl Read>, group: &mut Grouping<'_>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    // A torn archive ends without an error.
    if (entry.read_to_end(&mut bytes)? as u64) < entry.size() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    if let Ok(text) = String::from_utf8(bytes) {
        let what = mesh_envoy::identify::identify(&text);
        group.add(path, text, what);
    }
    Ok(())
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Counts what is read of the packed stream.
pub(crate) struct Counted<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.set(self.read.get() + n as u64);
        Ok(n)
    }
}

/// Ends a stream that unpacks to more than it may.
pub(crate) struct Bounded<R> {
    inner: R,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    limits: Limits,
}

impl<R: Read> Bounded<MultiGzDecoder<Counted<R>>> {
    pub(crate) fn unpacking(stream: R, limits: Limits) -> Bounded<MultiGzDecoder<Counted<R>>> {
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { inner: stream, read: Rc::clone(&packed) };
        Bounded { inner: MultiGzDecoder::new(counted), packed, unpacked: 0, limits }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.unpacked += n as u64;
        let ratio = self.limits.ratio.saturating_mul(self.packed.get());
        if self.unpacked > Limits::FREE && self.unpacked > ratio {
            return Err(Error::new(ErrorKind::InvalidData, format!("it unpacks to more than {} times its size", self.limits.ratio)));
        }
        if self.unpacked > self.limits.total {
            return Err(Error::new(ErrorKind::InvalidData, format!("it unpacks to more than {} MiB", self.limits.total >> 20)));
        }
        Ok(n)
    }
}
