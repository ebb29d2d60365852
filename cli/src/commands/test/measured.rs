//! The metrics that a file of tests is answered from: what is typed counts before what the file names, and that before the
//! environment. A file without metrics of its own takes those among its sources.

use super::edge::Traffic;
use super::spec::Suite;
use crate::args::telemetry::TelemetryArgs;
use crate::args::test::TestArgs;
use crate::commands::tui::telemetry::is_series_file;
use crate::context::Context;
use crate::status::Failure;
use mesh_collectors::recording;
use mesh_collectors::telemetry::scrape::Target;
use mesh_model::Snapshot;
use std::path::Path;

/// Where what a file names lies, and what it names beside metrics.
pub struct Place<'p> {
    pub base: &'p Path,
    /// Sources of all sorts, and where relative ones among them begin.
    pub from: &'p [String],
    pub from_base: &'p Path,
}

/// Whether a source is one of metrics alone.
pub fn is_series(place: &Place<'_>, word: &str) -> bool {
    is_series_file(&place.from_base.join(word))
}

/// `None` without metrics.
pub fn read<'c>(args: &TestArgs, suite: &Suite, place: &Place<'_>, objects: Option<&Snapshot>, context: &'c Context) -> Result<Option<Traffic<'c>>, Failure> {
    let (from, prometheus) = if !args.metrics.is_empty() || args.prometheus.is_some() {
        (args.metrics.clone(), args.prometheus.clone())
    } else if !suite.metrics.from.is_empty() || suite.metrics.prometheus.is_some() {
        (suite.metrics.from.iter().map(|word| beside(place.base, word, context)).collect(), suite.metrics.prometheus.clone())
    } else {
        let has_metrics = |word: &&String| is_series(place, word) || recording::find(&place.from_base.join(word)).is_some();
        let from: Vec<String> = place.from.iter().filter(has_metrics).map(|word| beside(place.from_base, word, context)).collect();
        let named = std::env::var("MESHCTL_PROMETHEUS").ok().filter(|url| from.is_empty() && !url.is_empty());
        (from, named)
    };
    if from.is_empty() && prometheus.is_none() {
        return Ok(None);
    }
    if !from.is_empty() && prometheus.is_some() {
        return Err(Failure::input(format!("{}: it names `metrics` and `prometheus`: one of them makes the graph", suite.file)));
    }
    let since = args.since.as_ref().or(suite.metrics.since.as_ref()).cloned();
    let source = TelemetryArgs {
        interval: args.interval.clone(),
        at: context.at.clone(),
        ..TelemetryArgs::of(prometheus, from, since.unwrap_or_else(|| "10m".to_owned()), args.access.clone())
    };
    Traffic::read(source, objects, context).map(Some)
}

/// A file's place, and for a recording the time that is asked for.
fn beside(base: &Path, word: &str, context: &Context) -> String {
    if Target::parse(word).is_some() {
        return word.to_owned();
    }
    let path = base.join(word);
    let at = recording::find(&path).filter(|f| f.at.is_none() && f.form == recording::Form::Segments).and(context.at.as_ref());
    at.map_or_else(|| path.display().to_string(), |at| format!("{}@{at}", path.display()))
}
