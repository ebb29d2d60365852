//! Recordings, written: appended to by one recorder at a time, and bounded.

use super::RecordingError;
use super::capture::{Capture, Summary};
use super::reader::Reader;
use super::segment::{self, Entry, FILE, FILE_HEAD, Table};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What became of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Bytes that the file grew by.
    pub bytes: u64,
    /// Bytes that it has.
    pub length: u64,
    /// Old moments that were dropped to keep the file within its bound.
    pub dropped: usize,
}

/// The writer of a recording. The file is locked while this lives.
pub struct Recorder {
    path: PathBuf,
    file: File,
    /// Where the last whole segment ends.
    end: u64,
    next: u64,
    /// Pages of the last moment, by their hashes: they are not stored twice.
    known: BTreeMap<String, Entry>,
    limit: u64,
}

/// A page that is to be written.
struct Packed {
    path: String,
    size: u64,
    sha256: String,
    /// None where it is known.
    bytes: Option<Vec<u8>>,
}

impl Recorder {
    /// Creates a recording that its owner alone may read, or goes on with one. What a recorder that was killed left unfinished
    /// at its end is cut off. `limit` is what the file may have, in bytes.
    pub fn open(path: &Path, limit: u64) -> Result<Recorder, RecordingError> {
        let io = RecordingError::io(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        owner_only(&mut options);
        let mut file = options.open(path).map_err(&io)?;
        lock(&file, path)?;
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(FILE_HEAD).read_to_end(&mut head).map_err(&io)?;
        let is_begun = FILE.starts_with(head.get(..FILE.len().min(head.len())).unwrap_or_default());
        if !is_begun {
            return Err(RecordingError::NoRecording { file: path.to_owned() });
        }
        restrict(&file).map_err(&io)?;
        let mut recorder = Recorder { path: path.to_owned(), file, end: FILE_HEAD, next: 1, known: BTreeMap::new(), limit };
        if (head.len() as u64) < FILE_HEAD {
            recorder.file.set_len(0).map_err(&io)?;
            recorder.file.seek(SeekFrom::Start(0)).map_err(&io)?;
            recorder.file.write_all(&segment::file_head()).map_err(&io)?;
            return Ok(recorder);
        }
        recorder.resume()?;
        Ok(recorder)
    }

    /// Finds the end and what is known there.
    fn resume(&mut self) -> Result<(), RecordingError> {
        let io = RecordingError::io(&self.path);
        let mut reader = Reader::of(self.file.try_clone().map_err(&io)?, &self.path)?;
        let moments = reader.moments().to_vec();
        self.next = moments.iter().map(|m| m.id).max().unwrap_or(0) + 1;
        self.end = moments.last().map_or(FILE_HEAD, super::reader::Moment::end);
        if let Some(last) = moments.len().checked_sub(1) {
            // A table that is damaged makes nothing known.
            let pages = reader.table(last).map(|t| t.pages).unwrap_or_default();
            self.known = pages.into_iter().map(|e| (e.sha256.clone(), e)).collect();
        }
        if reader.length > self.end {
            self.file.set_len(self.end).map_err(&io)?;
        }
        Ok(())
    }

    /// Appends a capture, in one write. When the file has more bytes than it may, the older half is dropped.
    pub fn add(&mut self, capture: &Capture) -> Result<Added, RecordingError> {
        let pages = capture.pages.iter().map(|page| {
            let sha256 = segment::hash(page.text.as_bytes());
            let bytes = (!self.known.contains_key(&sha256)).then(|| segment::pack(page.text.as_bytes()));
            Packed { path: page.path.clone(), size: page.text.len() as u64, sha256, bytes }
        });
        let pages: Vec<Packed> = pages.collect();
        let bytes = self.append(self.next, capture.at, &capture.summary, pages)?;
        self.next += 1;
        let dropped = if self.end > self.limit { self.drop_old()? } else { 0 };
        Ok(Added { bytes, length: self.end, dropped })
    }

    fn append(&mut self, id: u64, at: i64, summary: &Summary, pages: Vec<Packed>) -> Result<u64, RecordingError> {
        let mut table = Table { summary: summary.clone(), pages: Vec::with_capacity(pages.len()) };
        let mut blobs = Vec::new();
        let mut now: BTreeMap<String, Entry> = BTreeMap::new();
        for page in pages {
            let known = now.get(&page.sha256).or_else(|| self.known.get(&page.sha256));
            let entry = match (known, page.bytes) {
                (Some(known), _) => Entry { path: page.path, ..known.clone() },
                (None, Some(bytes)) => {
                    let from = blobs.len() as u64;
                    blobs.extend(&bytes);
                    Entry { path: page.path, size: page.size, sha256: page.sha256, segment: id, from, packed: bytes.len() as u64 }
                }
                // Its bytes are lost; what reads it says so.
                (None, None) => Entry { path: page.path, size: page.size, sha256: page.sha256, segment: id, from: 0, packed: 0 },
            };
            now.insert(entry.sha256.clone(), entry.clone());
            table.pages.push(entry);
        }
        let mut out = segment::encode(id, at, &table, blobs.len() as u64).map_err(|e| RecordingError::damaged(&self.path, e.to_string()))?;
        out.append(&mut blobs);
        let io = RecordingError::io(&self.path);
        let written = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(&out)).and_then(|()| self.file.sync_data());
        if let Err(e) = written {
            // Of a disk that is full nothing half is left.
            let _ = self.file.set_len(self.end);
            return Err(io(e));
        }
        self.end += out.len() as u64;
        self.known = now;
        Ok(out.len() as u64)
    }

    /// Writes the newest segments into another file, as many as fill half of what is allowed, and puts it in this one's place.
    fn drop_old(&mut self) -> Result<usize, RecordingError> {
        let path = self.path.clone();
        let io = RecordingError::io(&path);
        let mut reader = Reader::of(self.file.try_clone().map_err(&io)?, &path)?;
        let moments = reader.moments().to_vec();
        let mut first = moments.len();
        let mut bytes = 0;
        while first > 0 && (first == moments.len() || bytes + moments[first - 1].bytes <= self.limit / 2) {
            first -= 1;
            bytes += moments[first].bytes;
        }
        loop {
            let fresh = self.copy(&mut reader, first)?;
            if fresh.end <= self.limit {
                std::fs::rename(&fresh.path, &path).map_err(&io)?;
                *self = Recorder { path: path.clone(), next: self.next, limit: self.limit, ..fresh };
                return Ok(first);
            }
            let _ = std::fs::remove_file(&fresh.path);
            if first + 1 >= moments.len() {
                return Err(RecordingError::TooLarge { file: self.path.clone(), bytes: fresh.end, limit: self.limit });
            }
            // The first that is kept has to hold what it shared with those before.
            first = (first + moments.len()).div_ceil(2).min(moments.len() - 1);
        }
    }

    /// The segments from one on, in a file beside this one.
    fn copy(&self, reader: &mut Reader, first: usize) -> Result<Recorder, RecordingError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let path = self.path.with_file_name(name);
        // Of a recorder that was killed.
        let _ = std::fs::remove_file(&path);
        let io = RecordingError::io(&path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        owner_only(&mut options);
        let mut file = options.open(&path).map_err(&io)?;
        lock(&file, &path)?;
        file.write_all(&segment::file_head()).map_err(&io)?;
        let mut fresh = Recorder { path: path.clone(), file, end: FILE_HEAD, next: 1, known: BTreeMap::new(), limit: u64::MAX };
        let moments = reader.moments().to_vec();
        for (place, moment) in moments.iter().enumerate().skip(first) {
            // A segment that is damaged is not carried on.
            let Ok(table) = reader.table(place) else { continue };
            let mut pages = Vec::with_capacity(table.pages.len());
            for entry in table.pages {
                let bytes = if fresh.known.contains_key(&entry.sha256) { None } else { reader.packed(&entry)? };
                pages.push(Packed { path: entry.path, size: entry.size, sha256: entry.sha256, bytes });
            }
            fresh.append(moment.id, moment.at, &table.summary, pages)?;
        }
        Ok(fresh)
    }
}

fn lock(file: &File, path: &Path) -> Result<(), RecordingError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(RecordingError::Busy { file: path.to_owned() }),
        // Some network file systems have no locks.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn owner_only(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = options;
}

/// A file that was there may be readable by others.
fn restrict(file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
