//! The moments of recordings and series, to be replayed.

use super::telemetry::{self, Named};
use crate::context::Context;
use crate::print::time::rfc3339;
use mesh_collectors::recording::{self, Form, Reader};
use mesh_metrics::promql;
use mesh_tui::world::timeline::{Mark, Timeline};
use mesh_tui::world::{Ask, Source};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Moments of a series file.
const STEPS: i64 = 120;
/// Its shortest step, in seconds.
const STEP: i64 = 15;

/// The recordings among the paths.
fn recordings(paths: &[String]) -> Vec<PathBuf> {
    paths.iter().filter_map(|p| recording::find(Path::new(p))).filter(|f| f.form == Form::Segments).map(|f| f.file).collect()
}

/// Paths without the times at which recordings are to be seen, and the latest of these times, in seconds.
pub fn without_times(paths: &[String]) -> (Vec<String>, Option<i64>) {
    let mut at = None;
    let bare = paths.iter().map(|p| match recording::find(Path::new(p)).filter(|f| f.form == Form::Segments) {
        Some(found) => {
            at = at.max(found.at.map(|ms| ms.div_euclid(1000)));
            found.file.display().to_string()
        }
        None => p.clone(),
    });
    (bare.collect(), at)
}

/// The last moment of the recordings among the paths, in seconds.
pub fn last(paths: &[String]) -> Option<i64> {
    let of = |file: &PathBuf| Reader::open(file).ok()?.moments().iter().map(|m| m.at.div_euclid(1000)).max();
    recordings(paths).iter().filter_map(of).max()
}

/// A path at a moment, where it is a recording.
pub fn placed(path: &str, at: Option<i64>) -> String {
    match at.filter(|_| recording::find(Path::new(path)).is_some_and(|f| f.form == Form::Segments && f.at.is_none())) {
        Some(at) => format!("{path}@{}", rfc3339(at)),
        None => path.to_owned(),
    }
}

/// The time line of what was read last: it is made again when a recording has grown.
#[derive(Default)]
pub struct Kept(Mutex<Option<(Vec<u64>, Option<Timeline>)>>);

impl Kept {
    /// The moments of recordings, or else those of samples; `None` where there are not two.
    pub fn timeline(&self, paths: &[String], metrics: &Named, context: &Context) -> Option<Timeline> {
        let mut files = recordings(paths);
        files.extend(metrics.0.series.iter().filter_map(|f| recording::find(f)).filter(|f| f.form == Form::Segments).map(|f| f.file));
        files.sort();
        files.dedup();
        let sizes: Vec<u64> = files.iter().map(|f| std::fs::metadata(f).map_or(0, |m| m.len())).collect();
        let mut kept = self.0.lock().ok()?;
        if let Some((of, line)) = kept.as_ref()
            && *of == sizes
        {
            return line.clone();
        }
        let line = read(paths, &files, metrics, context);
        *kept = Some((sizes, line.clone()));
        line
    }
}

fn read(paths: &[String], files: &[PathBuf], metrics: &Named, context: &Context) -> Option<Timeline> {
    let mut changes: BTreeMap<i64, usize> = BTreeMap::new();
    for file in files {
        // What can't be read is told by who reads it.
        let Ok(mut reader) = Reader::open(file) else { continue };
        for place in 0..reader.moments().len() {
            let at = reader.moments()[place].at.div_euclid(1000);
            let changed = reader.changed(place).map_or(0, |c| c.iter().filter(|p| p.starts_with("manifests/")).count());
            *changes.entry(at).or_default() += changed;
        }
    }
    let mut named = metrics.clone();
    // As the screens find their series.
    if let Some(file) = paths.iter().filter(|_| named.is_empty()).find_map(|p| telemetry::find(p)) {
        named.found(&file);
    }
    let opened = if named.is_live() || named.is_empty() { None } else { named.open(Ask::default(), None, context).ok() };
    if changes.is_empty() {
        let (first, last) = opened.as_ref()?.samples()?;
        let step = ((last - first) / STEPS).max(STEP);
        let mut at = last;
        while at > first {
            changes.insert(at, 0);
            at -= step;
        }
    }
    let failing = |at: i64| opened.as_ref().and_then(|o| failing(o.store(), at));
    Timeline::new(changes.into_iter().map(|(at, changes)| Mark { at, changes, failing: failing(at) }).collect())
}

/// The share of requests that failed within two minutes, in percent.
fn failing(store: &mesh_metrics::series::Store, at: i64) -> Option<f64> {
    store.span()?;
    let queries = mesh_model::history::queries(mesh_model::history::Detail::Whole, 120, "");
    let sum = |query: &str| -> Option<f64> {
        let answer = promql::query(store, &promql::parse(query).ok()?, at * 1000, &promql::Options::default()).ok()?;
        match answer.value {
            promql::Value::Vector(samples) => samples.iter().map(|s| s.value).reduce(f64::max),
            _ => None,
        }
    };
    let all = sum(&queries.first()?.1).filter(|a| *a > 0.0)?;
    let failed: f64 = queries.iter().skip(1).filter_map(|(_, q)| sum(q)).sum();
    Some((failed / all * 100.0).min(100.0))
}

/// What is said of a recording among the sources.
pub fn said(line: &Timeline, at: i64) -> Source {
    let (place, all) = (line.position(at) + 1, line.marks().len());
    Source { section: None, name: "time line".to_owned(), state: Ok(format!("moment {place} of {all}, {}", rfc3339(at))) }
}
