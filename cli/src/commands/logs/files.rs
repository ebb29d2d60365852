//! `logs --from`: access logs of files, folders and recordings, and of a running demo. A log's pod is what its file is named after,
//! as in `NAME.NAMESPACE.log`; what was moved aside (`NAME.NAMESPACE.log.1`) comes before it.

use super::line::{Pods, Said, Shown};
use crate::args::logs::LogsArgs;
use crate::context::Context;
use crate::dump::block_on;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::folder;
use crate::telemetry::traces::BACK;
use mesh_collectors::kube::logs::LogLine;
use mesh_collectors::kube::pods::PROXY_CONTAINER;
use mesh_collectors::recording;
use mesh_envoy::access_log::{Field, Line};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at files that are followed.
const LOOK: Duration = Duration::from_millis(250);
/// A line is cut at this length.
const LONGEST: u64 = 1 << 20;
/// Lines that are kept of one log where all are asked for.
const MOST: usize = 1_000_000;

/// Which lines are wanted.
pub struct Wanted {
    /// RFC 3339; "" for all.
    pub since: String,
    /// The last lines of each log.
    pub tail: Option<u64>,
}

/// The logs of a pod by their files, the oldest first.
type Logs = BTreeMap<String, Vec<PathBuf>>;

/// Lines with their times, and what could not be read.
#[derive(Default)]
struct Reading {
    said: Vec<Said>,
    problems: Vec<String>,
}

pub fn run(args: &LogsArgs, mut shown: Shown, wanted: &Wanted, context: &Context) -> Outcome {
    if args.which.selector.is_some() {
        return Err(Failure::usage("-l selects pods by labels, and files tell none: name a pod"));
    }
    if args.container.as_deref().is_some_and(|c| c != PROXY_CONTAINER) {
        return Err(Failure::usage(format!("--from reads the logs of {PROXY_CONTAINER} alone")));
    }
    let mut logs = Logs::new();
    let mut pages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for word in &args.from {
        if let Some(recorded) = recording::find(Path::new(word)) {
            let gathered = recorded.gathered("logs", BACK).map_err(crate::commands::snapshot::failure)?;
            gathered.into_iter().for_each(|p| pages.entry(pod_of(Path::new(&p.path))).or_default().push(p.text));
        } else {
            files(word)?.into_iter().for_each(|f| logs.entry(pod_of(&f)).or_default().push(f));
        }
    }
    let names: Vec<String> = logs.keys().chain(pages.keys()).cloned().collect();
    let is_meant = |name: &str| args.pod.as_deref().is_none_or(|p| is_of(name, p)) && args.namespace.as_deref().is_none_or(|n| namespace(name) == n);
    logs.retain(|name, _| is_meant(name));
    pages.retain(|name, _| is_meant(name));
    if logs.is_empty() && pages.is_empty() {
        let which = args.pod.as_deref().unwrap_or("that namespace");
        return Err(Failure::none(match names.as_slice() {
            [] => format!("no access log is in {}", args.from.join(" ")),
            all => format!("no log is of {which}; there are logs of {}", all.join(", ")),
        }));
    }
    if logs.len() + pages.len() > 1 {
        shown.pods = Pods::Several;
    }
    // What the files gave before is told first, and what comes is taken up behind it.
    let mut ends: BTreeMap<PathBuf, (u64, u64)> = BTreeMap::new();
    let mut reading = Reading::default();
    for (pod, list) in &pages {
        let mut last = Last::new(pod, &shown, wanted);
        list.iter().for_each(|text| text.lines().for_each(|line| last.take(line)));
        reading.said.extend(last.lines);
    }
    for (pod, list) in &logs {
        let mut last = Last::new(pod, &shown, wanted);
        for path in list {
            match read(path, 0, &mut last) {
                Ok(end) => drop(ends.insert(path.clone(), end)),
                Err(e) => reading.problems.push(format!("{}: {e}", path.display())),
            }
        }
        reading.said.extend(last.lines);
    }
    reading.said.sort();
    if args.follow {
        return follow(&logs, ends, reading, &shown, context);
    }
    let namespace = logs.keys().chain(pages.keys()).map(|n| namespace(n)).find(|n| !n.is_empty()).unwrap_or("NAMESPACE");
    super::give(&reading.said, &shown, args, namespace, reading.problems, context)
}

/// The files that a word names: itself, or those of a folder.
fn files(word: &str) -> Result<Vec<PathBuf>, Failure> {
    let path = Path::new(word);
    if !path.exists() {
        return Err(Failure::input(format!("{word}: there is no such file or folder")));
    }
    let mut found = if path.is_dir() { folder::files(path, &["log", "jsonl", "ndjson", "txt", "1"]) } else { vec![path.to_owned()] };
    // What was moved aside is older.
    found.sort_by_key(|f| (f.extension().is_none_or(|e| e != "1"), f.clone()));
    Ok(found)
}

/// `reviews-v1.bookinfo` of `logs/reviews-v1.bookinfo.log.1`.
fn pod_of(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let name = name.strip_suffix(".1").unwrap_or(&name);
    let ends = [".log", ".jsonl", ".ndjson", ".txt"];
    ends.iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name).to_owned()
}

fn namespace(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, n)| n)
}

/// Whether a log is of the pod that is meant: `NAME`, `NAME.NAMESPACE`, or `KIND/NAME` for those that a workload makes.
pub fn is_of(log: &str, meant: &str) -> bool {
    let (kind, meant) = meant.split_once('/').map_or((None, meant), |(k, n)| (Some(k), n));
    let own = log.rsplit_once('.').map_or(log, |(n, _)| n);
    let is_named = |name: &str, meant: &str| {
        // `-7d4cbd9f6-x2x9k` and `-0` are of pods, `-v1` is another workload's.
        let is_end = |e: &str| e.len() >= 5 || e.bytes().all(|b| b.is_ascii_digit());
        name == meant || kind.is_some() && name.strip_prefix(meant).and_then(|r| r.strip_prefix('-')).is_some_and(|r| r.split('-').all(is_end))
    };
    match meant.rsplit_once('.') {
        Some((name, of)) if namespace(log) == of => is_named(own, name),
        _ => is_named(own, meant) || log == meant,
    }
}

/// The lines of one pod: no more than are asked for.
struct Last<'l> {
    pod: &'l str,
    shown: &'l Shown,
    wanted: &'l Wanted,
    /// Of the line before: what has no time of its own was said with it.
    at: String,
    lines: VecDeque<Said>,
}

impl<'l> Last<'l> {
    fn new(pod: &'l str, shown: &'l Shown, wanted: &'l Wanted) -> Last<'l> {
        Last { pod, shown, wanted, at: String::new(), lines: VecDeque::new() }
    }
    fn take(&mut self, text: &str) {
        if let Line::Entry(entry) = self.shown.reader.read(text) {
            entry.text(Field::StartTime).clone_into(&mut self.at);
        }
        let said = Said::of(self.pod.to_owned(), LogLine { at: self.at.clone(), text: text.to_owned() });
        if !said.is_since(&self.wanted.since) {
            return;
        }
        let most = self.wanted.tail.and_then(|t| usize::try_from(t).ok()).unwrap_or(MOST);
        self.lines.push_back(said);
        if self.lines.len() > most {
            self.lines.pop_front();
        }
    }
}

/// Reads whole lines from a place on; which file it was, and where they end.
fn read(path: &Path, from: u64, last: &mut Last<'_>) -> std::io::Result<(u64, u64)> {
    let mut file = File::open(path)?;
    let id = file.metadata()?.ino();
    file.seek(SeekFrom::Start(from))?;
    let mut input = BufReader::new(file);
    let mut at = from;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = input.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)?;
        // The rest of a line may be still to come.
        if read == 0 || (!bytes.ends_with(b"\n") && (read as u64) < LONGEST) {
            return Ok((id, at));
        }
        at += read as u64;
        last.take(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']));
    }
}

/// Prints lines until the files are gone, or nobody reads.
fn follow(logs: &Logs, mut ends: BTreeMap<PathBuf, (u64, u64)>, reading: Reading, shown: &Shown, context: &Context) -> Outcome {
    let print = |said: &[Said]| said.iter().filter(|s| shown.keeps(s)).try_for_each(|s| context.answer(&s.text_line(shown)));
    reading.problems.iter().for_each(|p| context.note(p));
    print(&reading.said)?;
    let all = Wanted { since: String::new(), tail: None };
    block_on(async {
        loop {
            tokio::time::sleep(LOOK).await;
            let (mut said, mut left) = (Vec::new(), 0);
            for (pod, list) in logs {
                let mut last = Last::new(pod, shown, &all);
                // The last is written; the others were moved aside.
                let Some(path) = list.last() else { continue };
                let Ok(file) = std::fs::metadata(path) else { continue };
                left += 1;
                let mut from = 0;
                if let Some((id, end)) = ends.get(path).copied() {
                    if id == file.ino() && file.len() >= end {
                        from = end;
                    } else {
                        // It was moved aside: what came before that is there.
                        let aside = PathBuf::from(format!("{}.1", path.display()));
                        if std::fs::metadata(&aside).is_ok_and(|m| m.ino() == id) {
                            let _ = read(&aside, end, &mut last);
                        }
                    }
                }
                if let Ok(end) = read(path, from, &mut last) {
                    ends.insert(path.clone(), end);
                }
                said.extend(last.lines);
            }
            said.sort();
            print(&said)?;
            if left == 0 {
                return Ok(Status::Fine);
            }
        }
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_named_after_their_pods() {
        assert_eq!(
            ["a/reviews-v1.bookinfo.log", "reviews-v1.bookinfo.log.1", "web.jsonl", "x"].map(|p| pod_of(Path::new(p))),
            ["reviews-v1.bookinfo", "reviews-v1.bookinfo", "web", "x"]
        );
        for meant in ["reviews-v1", "reviews-v1.bookinfo", "deployment/reviews-v1", "pod/reviews-v1.bookinfo"] {
            assert!(is_of("reviews-v1.bookinfo", meant), "{meant}");
        }
        for meant in ["reviews", "deployment/reviews", "reviews-v1.shop", "v1"] {
            assert!(!is_of("reviews-v1.bookinfo", meant), "{meant}");
        }
        assert!(is_of("web-7d4cbd9f6-x2x9k.shop", "deploy/web") && is_of("db-0", "statefulset/db") && !is_of("web-7d4cbd9f6-x2x9k", "web"));
    }
}
