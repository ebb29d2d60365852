//! Why a recording can't be written or read.

use mesh_model::time::rfc3339;
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingError {
    Io {
        file: PathBuf,
        why: String,
    },
    /// The file is there and is something else: it is not written over.
    NoRecording {
        file: PathBuf,
    },
    /// Of a version that is not known here.
    Version {
        file: PathBuf,
        version: u32,
    },
    /// Another recorder writes the file.
    Busy {
        file: PathBuf,
    },
    /// Not one whole moment is in it.
    Empty {
        file: PathBuf,
    },
    /// It begins after the time that is asked for, in milliseconds.
    Later {
        file: PathBuf,
        begins: i64,
    },
    /// A segment or an archive that is not what was written.
    Damaged {
        file: PathBuf,
        why: String,
    },
    /// One moment has more bytes than the file may have.
    TooLarge {
        file: PathBuf,
        bytes: u64,
        limit: u64,
    },
}

impl RecordingError {
    pub(super) fn io(file: &Path) -> impl Fn(std::io::Error) -> RecordingError {
        move |e| RecordingError::Io { file: file.to_owned(), why: e.to_string() }
    }
    pub(super) fn damaged(file: &Path, why: impl Into<String>) -> RecordingError {
        RecordingError::Damaged { file: file.to_owned(), why: why.into() }
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use RecordingError::*;
        match self {
            Io { file, why } => write!(f, "{}: {why}", file.display()),
            NoRecording { file } => write!(f, "{}: this is no recording, and is left as it is; name another file", file.display()),
            Version { file, version } => {
                write!(f, "{}: a recording of version {version}; this meshctl knows version {}", file.display(), super::segment::VERSION)
            }
            Busy { file } => write!(f, "{}: another recorder writes it", file.display()),
            Empty { file } => write!(f, "{}: not one whole snapshot is in it", file.display()),
            Later { file, begins } => write!(f, "{}: it begins at {}, after the time that is asked for", file.display(), rfc3339(begins.div_euclid(1000))),
            Damaged { file, why } => write!(f, "{}: damaged: {why}", file.display()),
            TooLarge { file, bytes, limit } => {
                write!(f, "{}: one snapshot has {bytes} bytes, and the file may have {limit}; allow more with --max-size", file.display())
            }
        }
    }
}
impl std::error::Error for RecordingError {}
