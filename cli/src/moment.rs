//! `--at`, and the time of recordings among the words that were typed: whatever command they belong to.

use crate::print::time::parse_rfc3339;
use crate::status::Failure;
use mesh_collectors::recording;
use std::path::Path;

/// The words, with the moment that is asked for at each recording.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Placed {
    pub words: Vec<String>,
    /// How many words are recordings or archives.
    pub recordings: usize,
    /// When the last of the moments was, in seconds since the epoch.
    pub now: Option<i64>,
}

/// Flags whose value may stand behind `=`, or at once behind `-f`.
const FLAGS: &[&str] = &["--from=", "--filename=", "--file=", "--series=", "-f"];

/// Puts `@TIME` at the end of each word that is a recording, and finds out when its moment was. What is written, not read, is
/// left alone: the file of `--out` and that of `snapshot record`.
pub fn place(words: &[String], at: Option<&str>) -> Result<Placed, Failure> {
    if let Some(text) = at.filter(|t| parse_rfc3339(t).is_none()) {
        return Err(Failure::usage(format!("--at takes a time such as 2026-11-22T11:40:00Z, not `{text}`")));
    }
    let is_record = words.iter().any(|w| w == "snapshot") && words.iter().any(|w| w == "record");
    let mut placed = Placed::default();
    for (i, word) in words.iter().enumerate() {
        let is_written = i == 0 || is_record || words.get(i - 1).is_some_and(|w| w == "--out") || word.starts_with("--out=");
        let flag = FLAGS.iter().find(|f| word.starts_with(**f)).copied().unwrap_or("");
        let source = &word[flag.len()..];
        let Some(found) = (!is_written).then(|| recording::find(Path::new(source))).flatten() else {
            placed.words.push(word.clone());
            continue;
        };
        placed.recordings += 1;
        // A time of its own counts before that of all.
        let source = match at.filter(|_| found.at.is_none() && found.form == recording::Form::Segments) {
            Some(at) => format!("{source}@{at}"),
            None => source.to_owned(),
        };
        let time = recording::find(Path::new(&source)).and_then(|f| f.time().ok());
        placed.now = placed.now.max(time.map(|ms| ms.div_euclid(1000)));
        placed.words.push(format!("{flag}{source}"));
    }
    Ok(placed)
}
