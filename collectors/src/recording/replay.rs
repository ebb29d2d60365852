//! What captures hold, for those who ask: objects, and series.

use super::capture::{Capture, Page};
use super::reader::Reader;
use super::{Form, Found, RecordingError};
use crate::telemetry::series::{self, Recording};
use mesh_envoy::identify::{Content, identify};
use mesh_metrics::series::{Limits, Store, Target};
use mesh_metrics::text::scan;
use mesh_model::{Completeness, Kind, Problem, ProblemKind, Role, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// Adds a capture's objects to a snapshot, and what could not be seen when it was made. `name` stands before the paths.
pub fn manifests(snapshot: &mut Snapshot, name: &str, capture: &Capture, role: Role, cluster: u16) {
    let is_alone = snapshot.objects.is_empty();
    let clusters = name_clusters(snapshot, &capture.summary.clusters);
    for page in capture.below("manifests") {
        let number = page.path.strip_prefix("manifests/clusters/").and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
        let cluster = number.and_then(|n| clusters.get(n)).copied().unwrap_or(cluster);
        crate::manifests::add(snapshot, &format!("{name}/{}", page.path), page.text.clone().into_bytes(), role, cluster);
    }
    if is_alone && capture.summary.complete {
        snapshot.completeness = Completeness::Complete;
        for written in &capture.summary.unseen {
            let (group, name) = written.split_once('/').unwrap_or(("", written));
            snapshot.unseen.insert((cluster, Kind::find(group, name)));
        }
    }
    let unseen = |message: &String| Problem {
        kind: ProblemKind::Unseen,
        subject: name.to_owned(),
        message: format!("was not seen when it was recorded: {message}"),
        help: None,
        place: None,
    };
    snapshot.problems.extend(capture.summary.problems.iter().map(unseen));
}

/// The places of a recording's clusters among the snapshot's, which know them then.
fn name_clusters(snapshot: &mut Snapshot, names: &[String]) -> Vec<u16> {
    if !names.is_empty() && snapshot.objects.is_empty() && snapshot.clusters.iter().all(String::is_empty) {
        snapshot.clusters.clear();
    }
    let place = |name: &String| {
        let known = snapshot.clusters.iter().position(|c| c == name).unwrap_or_else(|| {
            snapshot.clusters.push(name.clone());
            snapshot.clusters.len() - 1
        });
        u16::try_from(known).unwrap_or(u16::MAX)
    };
    names.iter().map(place).collect()
}

impl Found {
    /// The series up to the moment that is meant: those that Prometheus gave then; without such, the pages of proxies from `back`
    /// milliseconds before it on. `name` stands for the file in problems.
    pub fn series(&self, name: &str, back: i64) -> Result<Recording, RecordingError> {
        let last = self.capture()?;
        let mut recording = match files(name, &last) {
            Some(found) => found.map_err(|why| RecordingError::damaged(&self.file, why))?,
            None => self.pages(&last, back)?,
        };
        let mut objects = Snapshot::new();
        manifests(&mut objects, name, &last, Role::Judged, 0);
        if !objects.objects.is_empty() {
            recording.snapshot = objects;
        }
        recording.problems.extend(last.summary.problems.iter().map(|p| format!("{name}: was not seen when it was recorded: {p}")));
        if recording.store.is_empty() {
            recording.problems.push(format!("{name}: it holds no metrics: name a Prometheus or proxies when it is recorded"));
        }
        Ok(recording)
    }

    /// Pages below a folder, of the moment that is meant and of those up to `back` milliseconds before it, the oldest first: what
    /// grows from moment to moment, such as traces and logs. A page that did not change stands there once; of logs each has new lines.
    pub fn gathered(&self, folder: &str, back: i64) -> Result<Vec<Page>, RecordingError> {
        let last = self.capture()?;
        let mut all: Vec<Page> = Vec::new();
        let mut take = |capture: &Capture| {
            for page in capture.below(folder) {
                if folder == "logs" || !all.contains(page) {
                    all.push(page.clone());
                }
            }
        };
        if self.form == Form::Segments {
            let mut reader = Reader::open(&self.file)?;
            let end = reader.place(self.at)?;
            for place in 0..end {
                let is_within = (last.at.saturating_sub(back)..=last.at).contains(&reader.moments()[place].at);
                // One that is damaged is a gap; `snapshot info` tells.
                if is_within && let Ok(capture) = reader.load_some(place, &|path| path.starts_with(folder)) {
                    take(&capture);
                }
            }
        }
        take(&last);
        Ok(all)
    }

    /// The pages of metrics, scraped as it were at each moment.
    fn pages(&self, last: &Capture, back: i64) -> Result<Recording, RecordingError> {
        let mut scraping = Scraping::default();
        if self.form == Form::Segments {
            let mut reader = Reader::open(&self.file)?;
            let end = reader.place(self.at)?;
            let from = last.at.saturating_sub(back);
            let times: Vec<i64> = reader.moments()[..=end].iter().map(|m| m.at).collect();
            scraping.set_back = times.windows(2).filter(|w| w[1] < w[0] && w[0] >= from).map(|w| w[0] - w[1]).collect();
            for place in 0..end {
                let at = reader.moments()[place].at;
                if (from..last.at).contains(&at) {
                    // One that is damaged is a gap; `snapshot info` tells.
                    if let Ok(capture) = reader.load_some(place, &|path| path.ends_with(".txt")) {
                        scraping.take(&capture);
                    }
                }
            }
        }
        scraping.take(last);
        Ok(scraping.finish())
    }
}

/// What Prometheus gave, or a file of series.
fn files(name: &str, capture: &Capture) -> Option<Result<Recording, String>> {
    let mut all = capture.below("series").map(|page| series::read(&format!("{name}/{}", page.path), &page.text));
    let mut recording = match all.next()? {
        Ok(recording) => recording,
        Err(e) => return Some(Err(e)),
    };
    for other in all {
        match other {
            Ok(other) => recording.merge(other),
            Err(e) => recording.problems.push(e),
        }
    }
    Some(Ok(recording))
}

struct Scraping {
    store: Store,
    targets: BTreeMap<String, Target>,
    moments: usize,
    /// By how much the recorder's clock was set back, each time. Milliseconds.
    set_back: Vec<i64>,
}

impl Default for Scraping {
    fn default() -> Scraping {
        Scraping { store: Store::new(Limits { retention: i64::MAX, ..Limits::default() }), targets: BTreeMap::new(), moments: 0, set_back: Vec::new() }
    }
}

impl Scraping {
    fn take(&mut self, capture: &Capture) {
        let mut seen = BTreeSet::new();
        for page in capture.pages.iter().filter(|p| p.path.ends_with(".txt") && identify(&p.text) == Content::Stats) {
            let target = self.targets.entry(page.path.clone()).or_insert_with(|| Target::new(vec![("instance".to_owned(), page.path.clone())]));
            target.ingest(&mut self.store, &scan(page.text.as_bytes()), capture.at);
            seen.insert(page.path.as_str());
        }
        for (_, target) in self.targets.iter_mut().filter(|(path, _)| !seen.contains(path.as_str())) {
            target.failed(&mut self.store, capture.at);
        }
        self.moments += usize::from(!seen.is_empty());
    }

    fn finish(self) -> Recording {
        let mut problems = Vec::new();
        if self.moments == 1 {
            problems.push("there is one snapshot of these pages up to that time, and two make rates".to_owned());
        }
        for by in &self.set_back {
            let dropped = self.store.dropped.out_of_order;
            let seconds = *by as f64 / 1000.0;
            problems.push(format!("the recorder's clock was set back by {seconds} s: rates around that time leave out {dropped} samples"));
        }
        Recording { store: self.store, problems, ..Recording::default() }
    }
}
