//! Recordings, read: also while they are written.

use super::RecordingError;
use super::capture::{Capture, Page, Summary};
use super::segment::{self, Entry, FILE, FILE_HEAD, HEAD, Head, MARK, Table, VERSION};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes that the pages of one moment may have.
const TOTAL: u64 = 4 << 30;
/// How much is looked through at once for the next segment, behind one that is damaged.
const CHUNK: u64 = 1 << 20;

/// One whole segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub id: u64,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// Bytes in the file.
    pub bytes: u64,
    position: u64,
    head: Head,
}

/// What is there of a moment: whether it can be shown is known once it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub summary: Summary,
    /// Paths of its pages and their sizes.
    pub pages: Vec<(String, u64)>,
}

pub struct Reader {
    file: File,
    path: PathBuf,
    moments: Vec<Moment>,
    /// Bytes of a segment that ends with the file: it was not finished, or is being written.
    pub unfinished: u64,
    /// Stretches that are no segment: where they begin and how long they are.
    pub damaged: Vec<(u64, u64)>,
    /// The file's length when it was opened.
    pub length: u64,
}

impl Reader {
    /// Opens a recording and finds its segments. What is no segment is passed over and stands in `damaged`.
    pub fn open(path: &Path) -> Result<Reader, RecordingError> {
        let file = File::open(path).map_err(RecordingError::io(path))?;
        Reader::of(file, path)
    }

    /// The same of an open file.
    pub(super) fn of(mut file: File, path: &Path) -> Result<Reader, RecordingError> {
        let io = RecordingError::io(path);
        let length = file.metadata().map_err(&io)?.len();
        let mut head = [0; FILE_HEAD as usize];
        file.seek(SeekFrom::Start(0)).map_err(&io)?;
        if file.read_exact(&mut head).is_err() || !head.starts_with(FILE) {
            return Err(RecordingError::NoRecording { file: path.to_owned() });
        }
        let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if version != VERSION {
            return Err(RecordingError::Version { file: path.to_owned(), version });
        }
        let mut reader = Reader { file, path: path.to_owned(), moments: Vec::new(), unfinished: 0, damaged: Vec::new(), length };
        reader.scan().map_err(&io)?;
        Ok(reader)
    }

    fn scan(&mut self) -> std::io::Result<()> {
        let mut at = FILE_HEAD;
        while at < self.length {
            match self.head(at)? {
                Some(head) if at + head.length() <= self.length => {
                    self.moments.push(Moment { id: head.id, at: head.at, bytes: head.length(), position: at, head });
                    at += head.length();
                }
                // Behind a segment that is not finished nothing comes.
                Some(_) => {
                    self.unfinished = self.length - at;
                    break;
                }
                None => match self.next(at + 1)? {
                    Some(next) => {
                        self.damaged.push((at, next - at));
                        at = next;
                    }
                    None if self.length - at < HEAD as u64 => {
                        self.unfinished = self.length - at;
                        break;
                    }
                    None => {
                        self.damaged.push((at, self.length - at));
                        break;
                    }
                },
            }
        }
        Ok(())
    }

    fn head(&mut self, at: u64) -> std::io::Result<Option<Head>> {
        if at + HEAD as u64 > self.length {
            return Ok(None);
        }
        Ok(Head::read(&self.bytes(at, HEAD as u64)?))
    }

    /// Where the next whole head stands, from `from` on.
    fn next(&mut self, from: u64) -> std::io::Result<Option<u64>> {
        let mut start = from;
        while start + HEAD as u64 <= self.length {
            let chunk = self.bytes(start, CHUNK.min(self.length - start))?;
            for found in memchr::memmem::find_iter(&chunk, MARK) {
                let at = start + found as u64;
                if self.head(at)?.is_some() {
                    return Ok(Some(at));
                }
            }
            // A mark may stand across the border.
            start += (chunk.len() as u64).saturating_sub(MARK.len() as u64 - 1).max(1);
        }
        Ok(None)
    }

    fn bytes(&mut self, at: u64, length: u64) -> std::io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(at))?;
        let mut out = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut out)?;
        if out.len() as u64 == length { Ok(out) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Whole segments, in the order of the file.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Which of [`Reader::moments`] counts at a time in milliseconds: the last that is not later; the last of all without a time.
    pub fn place(&self, at: Option<i64>) -> Result<usize, RecordingError> {
        let last = self.moments.len().checked_sub(1).ok_or_else(|| RecordingError::Empty { file: self.path.clone() })?;
        let Some(at) = at else { return Ok(last) };
        let found = self.moments.iter().enumerate().filter(|(_, m)| m.at <= at).max_by_key(|(i, m)| (m.at, *i));
        let begins = self.moments.iter().map(|m| m.at).min().unwrap_or_default();
        found.map(|(i, _)| i).ok_or_else(|| RecordingError::Later { file: self.path.clone(), begins })
    }

    pub(super) fn table(&mut self, place: usize) -> Result<Table, RecordingError> {
        let moment = self.moments[place];
        let packed = self.bytes(moment.position + HEAD as u64, u64::from(moment.head.table)).map_err(RecordingError::io(&self.path))?;
        segment::decode(&moment.head, &packed).map_err(|why| RecordingError::damaged(&self.path, format!("the segment at byte {}: {why}", moment.position)))
    }

    /// What a moment holds, without its pages.
    pub fn contents(&mut self, place: usize) -> Result<Contents, RecordingError> {
        let table = self.table(place)?;
        Ok(Contents { summary: table.summary, pages: table.pages.into_iter().map(|e| (e.path, e.size)).collect() })
    }

    /// Paths of the pages that are not as they were at the moment before, that came or went; none at the first moment.
    pub fn changed(&mut self, place: usize) -> Result<Vec<String>, RecordingError> {
        let Some(before) = place.checked_sub(1) else { return Ok(Vec::new()) };
        let list = |table: Table| table.pages.into_iter().map(|e| (e.path, e.sha256)).collect::<std::collections::BTreeMap<_, _>>();
        let (old, new) = (list(self.table(before)?), list(self.table(place)?));
        let mut out: Vec<String> = new.iter().filter(|(path, hash)| old.get(*path) != Some(*hash)).map(|(path, _)| path.clone()).collect();
        out.extend(old.into_keys().filter(|path| !new.contains_key(path)));
        Ok(out)
    }

    /// The packed bytes of a page; none where its segment is gone or damaged.
    pub(super) fn packed(&mut self, entry: &Entry) -> Result<Option<Vec<u8>>, RecordingError> {
        let Some(moment) = self.moments.iter().rev().find(|m| m.id == entry.segment).copied() else { return Ok(None) };
        let pages = moment.body() - u64::from(moment.head.table);
        if entry.from.checked_add(entry.packed).is_none_or(|end| end > pages) {
            return Ok(None);
        }
        let at = moment.position + HEAD as u64 + u64::from(moment.head.table) + entry.from;
        self.bytes(at, entry.packed).map(Some).map_err(RecordingError::io(&self.path))
    }

    /// A moment whole. A page that is damaged is left out, and said.
    pub fn load(&mut self, place: usize) -> Result<Capture, RecordingError> {
        self.load_some(place, &|_| true)
    }

    /// The same with the pages alone whose paths are wanted.
    pub fn load_some(&mut self, place: usize, is_wanted: &dyn Fn(&str) -> bool) -> Result<Capture, RecordingError> {
        let table = self.table(place)?;
        let mut capture = Capture { at: self.moments[place].at, summary: table.summary, pages: Vec::with_capacity(table.pages.len()) };
        let mut total = 0_u64;
        for entry in table.pages.into_iter().filter(|e| is_wanted(&e.path)) {
            total = total.saturating_add(entry.size);
            if total > TOTAL {
                return Err(RecordingError::damaged(&self.path, format!("a snapshot of more than {} MiB", TOTAL >> 20)));
            }
            let packed = self.packed(&entry)?;
            let bytes = packed.and_then(|p| segment::unpack(&p, entry.size)).filter(|b| segment::hash(b) == entry.sha256);
            match bytes.and_then(|b| String::from_utf8(b).ok()) {
                Some(text) => capture.pages.push(Page { path: entry.path, text }),
                None => capture.summary.problems.push(format!("{}: {} is damaged and left out", self.path.display(), entry.path)),
            }
        }
        Ok(capture)
    }
}

impl Moment {
    fn body(&self) -> u64 {
        self.head.body
    }
    /// Where it ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.position + self.bytes
    }
}
