//! Recordings: what sources gave at one moment after the other, in one file; and archives of a single moment.
//!
//! A moment is a [`Capture`]: pages under paths, as a folder of dumps and manifests would hold them. What may be secret is
//! replaced before a page enters one ([`redact`]). A recording is a file of segments, one a moment ([`segment`]): appended and
//! never changed, each with its checksums, pages that did not change stored once. An archive is the same folder in a `.tar.gz`.
//!
//! Sources name a moment as `FILE@TIME`; without a time the last one counts.

pub mod archive;
mod capture;
mod error;
mod reader;
mod recorder;
pub mod redact;
mod replay;
mod segment;

pub use capture::{Capture, Page, tidy};
pub use error::RecordingError;
pub use reader::{Moment, Reader};
pub use recorder::{Added, Recorder};
pub use replay::manifests;

use mesh_model::time::parse_rfc3339;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How moments are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A recording: many moments.
    Segments,
    /// A `.tar.gz` that [`archive`] made: one.
    Archive,
}

/// A source that is a recording or an archive, and the moment that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub file: PathBuf,
    pub form: Form,
    /// Milliseconds since the epoch; the last moment without it.
    pub at: Option<i64>,
}

/// What a source names, if it is a recording or an archive: `FILE` or `FILE@2026-11-22T11:40:00Z`. Pipes are not opened.
pub fn find(source: &Path) -> Option<Found> {
    if source.exists() {
        return Some(Found { file: source.to_owned(), form: form(source)?, at: None });
    }
    let (file, time) = source.to_str()?.rsplit_once('@')?;
    let at = parse_rfc3339(time)?;
    let file = PathBuf::from(file);
    // A moment lasts to its second's end.
    Some(Found { form: form(&file)?, file, at: Some(at.saturating_mul(1000).saturating_add(999)) })
}

/// Whether a source is there: a file, a folder, or a moment of a recording.
pub fn is_there(source: &Path) -> bool {
    source.exists() || find(source).is_some()
}

fn form(file: &Path) -> Option<Form> {
    if !file.is_file() {
        return None;
    }
    let mut head = [0; 8];
    std::fs::File::open(file).and_then(|mut f| f.read_exact(&mut head)).ok()?;
    if head == *segment::FILE {
        return Some(Form::Segments);
    }
    (head.starts_with(&[0x1f, 0x8b]) && archive::is_one(file)).then_some(Form::Archive)
}

impl Found {
    /// The capture of the moment that is meant, and what of the file could not be read.
    pub fn capture(&self) -> Result<Capture, RecordingError> {
        match self.form {
            Form::Archive => archive::read_file(&self.file),
            Form::Segments => {
                let mut reader = Reader::open(&self.file)?;
                let place = reader.place(self.at)?;
                reader.load(place)
            }
        }
    }

    /// When the moment that is meant was, in milliseconds since the epoch.
    pub fn time(&self) -> Result<i64, RecordingError> {
        match self.form {
            Form::Archive => Ok(archive::read_file(&self.file)?.at),
            Form::Segments => {
                let reader = Reader::open(&self.file)?;
                Ok(reader.moments()[reader.place(self.at)?].at)
            }
        }
    }
}
