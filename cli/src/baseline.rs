//! What was there before: findings of a git revision or of a file, by fingerprint.

use crate::entry::{Age, Entry};
use crate::status::Failure;
use crate::stdio;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// How often each finding is known, by world and fingerprint.
pub struct Known(BTreeMap<(String, String), usize>);

#[derive(Serialize, Deserialize)]
struct File {
    /// The version of this format.
    baseline: u32,
    findings: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    fingerprint: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    world: String,
    // For people who read the file.
    #[serde(default)]
    code: String,
    #[serde(default)]
    origin: String,
}

/// A baseline, or what `-o json` prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    File(File),
    Findings(Vec<Item>),
}

impl Known {
    pub fn of(entries: &[Entry]) -> Known {
        Known::count(entries.iter().map(|e| (e.world.to_string(), e.fingerprint.to_string())))
    }

    pub fn read(path: &Path) -> Result<Known, Failure> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{name}: {e}")))?;
        let input: Input = serde_json::from_str(&text).map_err(|_| Failure::input(format!("{name}: this is no baseline; `--write-baseline` writes one")))?;
        let items = match input {
            Input::File(file) if file.baseline != 1 => return Err(Failure::input(format!("{name}: a baseline of format {} is not known here", file.baseline))),
            Input::File(file) => file.findings,
            Input::Findings(list) => list,
        };
        Ok(Known::count(items.into_iter().map(|i| (i.world, i.fingerprint))))
    }

    fn count(keys: impl Iterator<Item = (String, String)>) -> Known {
        let mut out = BTreeMap::new();
        for key in keys {
            *out.entry(key).or_default() += 1;
        }
        Known(out)
    }

    /// Marks what is new and what is known; how many of the known are gone.
    pub fn mark(mut self, entries: &mut [Entry]) -> usize {
        for entry in entries {
            entry.age = Some(match self.0.get_mut(&(entry.world.to_string(), entry.fingerprint.to_string())) {
                Some(n) if *n > 0 => {
                    *n -= 1;
                    Age::Known
                }
                _ => Age::New,
            });
        }
        self.0.values().sum()
    }
}

pub fn write(entries: &[Entry], path: &Path) -> Result<(), Failure> {
    let item = |e: &Entry| Item { fingerprint: e.fingerprint.to_string(), world: e.world.to_string(), code: e.code.id.to_owned(), origin: e.origin() };
    let mut findings: Vec<Item> = entries.iter().map(item).collect();
    // By what it is about, so that two versions of the file differ where the findings do.
    findings.sort_by(|a, b| (&a.world, &a.code, &a.origin, &a.fingerprint).cmp(&(&b.world, &b.code, &b.origin, &b.fingerprint)));
    let value = serde_json::to_value(File { baseline: 1, findings }).map_err(|e| Failure::Other(e.to_string()))?;
    stdio::file(path, crate::term::safe_json(crate::output::pretty(&value, b" ")).as_bytes())
}
