//! A single moment as a `.tar.gz`: a folder whose first file is `snapshot.json`, and beside it the pages, as a bug report of
//! istioctl's has them.

use super::RecordingError;
use super::capture::{Capture, Page, Summary};
use crate::dumps::Limits;
use crate::dumps::archive::Bounded;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mesh_model::time::rfc3339;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The first file: when it was, and what is said of it.
const FIRST: &str = "snapshot.json";
/// Bytes of the first file.
const FIRST_SIZE: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct About {
    #[serde(rename = "meshctlSnapshot")]
    version: u32,
    /// Milliseconds since the epoch.
    at: i64,
    #[serde(flatten)]
    summary: Summary,
}

/// The archive of a capture, in one folder that is named by its time.
pub fn write(capture: &Capture) -> std::io::Result<Vec<u8>> {
    let seconds = capture.at.div_euclid(1000);
    let folder = format!("meshctl-{}", rfc3339(seconds).replace([':', '-'], ""));
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let about = serde_json::to_string_pretty(&About { version: 1, at: capture.at, summary: capture.summary.clone() })?;
    let pages = std::iter::once((FIRST, about.as_str())).chain(capture.pages.iter().map(|p| (p.path.as_str(), p.text.as_str())));
    for (path, text) in pages {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(seconds).unwrap_or(0));
        builder.append_data(&mut header, format!("{folder}/{path}"), text.as_bytes())?;
    }
    builder.into_inner()?.finish()
}

/// Whether a packed file is one.
pub fn is_one(file: &Path) -> bool {
    let Ok(opened) = File::open(file) else { return false };
    let mut archive = tar::Archive::new(GzDecoder::new(opened));
    let Ok(mut entries) = archive.entries() else { return false };
    entries.next().and_then(Result::ok).is_some_and(|mut e| about(&mut e).is_some())
}

fn about(entry: &mut tar::Entry<'_, impl Read>) -> Option<About> {
    let is_first = String::from_utf8_lossy(&entry.path_bytes()).split_once('/').is_some_and(|(_, rest)| rest == FIRST);
    if !is_first || entry.size() > FIRST_SIZE {
        return None;
    }
    let mut text = String::new();
    entry.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Reads an archive. What ends it early is said, and what came before counts.
pub fn read_file(file: &Path) -> Result<Capture, RecordingError> {
    read(file, File::open(file).map_err(RecordingError::io(file))?, Limits::default())
}

/// The same of any stream; `name` stands for the file in errors.
pub fn read(name: &Path, stream: impl Read, limits: Limits) -> Result<Capture, RecordingError> {
    let broken = |why: String| RecordingError::damaged(name, why);
    let mut archive = tar::Archive::new(Bounded::unpacking(stream, limits));
    let mut entries = archive.entries().map_err(|e| broken(e.to_string()))?;
    let first = entries.next().and_then(Result::ok).and_then(|mut e| about(&mut e));
    let first = first.ok_or_else(|| broken(format!("it does not begin with a {FIRST}")))?;
    let mut capture = Capture { at: first.at, summary: first.summary, pages: Vec::new() };
    let mut total = 0_u64;
    for (i, entry) in entries.enumerate() {
        let page = entry.and_then(|mut entry| {
            let path = String::from_utf8_lossy(&entry.path_bytes()).split_once('/').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            let is_page = entry.header().entry_type().is_file() && !path.split('/').any(|part| part == "..") && !path.is_empty();
            total = total.saturating_add(entry.size());
            if entry.size() > limits.page || total > limits.total {
                return Err(std::io::Error::other("it unpacks to more than is read"));
            }
            let mut bytes = Vec::new();
            if (entry.read_to_end(&mut bytes)? as u64) < entry.size() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            Ok(String::from_utf8(bytes).ok().filter(|_| is_page).map(|text| Page { path, text }))
        });
        match page {
            _ if i >= limits.entries => {
                capture.summary.problems.push(format!("{}: more than {} entries; the rest was not read", name.display(), limits.entries));
                break;
            }
            Ok(page) => capture.pages.extend(page),
            Err(e) => {
                capture.summary.problems.push(format!("{}: the archive ends early: {e}; what came before is used", name.display()));
                break;
            }
        }
    }
    capture.sort();
    Ok(capture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut capture = Capture::new(1_795_347_600_500);
        capture.summary.problems.push("x: not seen".to_owned());
        capture.add("proxies/shop/cart-1/config_dump.json", "{\"configs\": []}".to_owned());
        capture.add("manifests/a.yaml", "kind: Pod\n".to_owned());
        capture.sort();
        let bytes = write(&capture).expect("an archive");
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("report.tar.gz");
        std::fs::write(&file, &bytes).expect("a file");
        assert!(is_one(&file));
        assert_eq!(read_file(&file), Ok(capture.clone()));
        // A torn one says so.
        std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("a file");
        let torn = read_file(&file);
        assert!(torn.is_err() || torn.is_ok_and(|c| c.pages.len() < 2 && c.summary.problems.len() == 2));
    }
}
