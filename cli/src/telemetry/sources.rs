//! Where metrics come from.

use super::{duration, prometheus};
use crate::args::telemetry::TelemetryArgs;
use crate::commands::snapshot::failure;
use crate::context::Context;
use crate::status::Failure;
use crate::stdio::Progress;
use mesh_collectors::dumps::admin;
use mesh_collectors::recording;
use mesh_collectors::telemetry::pages::{self, Pair, Saved};
use mesh_collectors::telemetry::scrape::{Target, scrape};
use mesh_collectors::telemetry::series::{self, Recording};
use mesh_metrics::series::{Limits, Store};
use mesh_model::graph::Options;
use std::path::Path;
use std::time::Duration;

/// The metrics of the source that is named. `options` say what a graph of them will ask; its namespaces do not count.
pub fn read(args: &TelemetryArgs, options: &Options, context: &Context) -> Result<Recording, Failure> {
    if !args.from.is_empty() && (args.series.is_some() || !args.page.is_empty()) {
        return Err(Failure::usage("--from and --series or --page are both sources of metrics: name one of them"));
    }
    // A source that is typed out counts before the environment's.
    if let Some(path) = &args.series {
        return file(path);
    }
    if !args.page.is_empty() {
        return saved(args);
    }
    if !args.from.is_empty() {
        return named(args, context);
    }
    match &args.prometheus {
        Some(url) => prometheus::read(url, args, options, context),
        None => Err(Failure::usage(
            "no metrics to look at: name a Prometheus with --prometheus, proxies with --from, a file with --series, or two saved pages with --before and --page",
        )),
    }
}

/// How far a recording is looked back into for the pages of proxies, in milliseconds.
const BACK: i64 = 6 * 3600 * 1000;

fn file(path: &Path) -> Result<Recording, Failure> {
    if let Some(found) = recording::find(path) {
        return found.series(&path.display().to_string(), BACK).map_err(failure);
    }
    let text = String::from_utf8(bytes(path)?).map_err(|_| Failure::input(format!("{}: not UTF-8", path.display())))?;
    series::read(&path.display().to_string(), &text).map_err(Failure::input)
}

/// What `--from` names: one file of series, or pages that are scraped.
fn named(args: &TelemetryArgs, context: &Context) -> Result<Recording, Failure> {
    let mut targets = Vec::new();
    for word in &args.from {
        match Target::parse(word) {
            Some(target) => targets.push(target.map_err(|e| Failure::usage(format!("--from {e}")))?),
            None if args.from.len() == 1 => return file(Path::new(word)),
            None => return Err(Failure::usage(format!("--from {word}: a file of series stands alone; several sources are pages such as http://host:15020"))),
        }
    }
    let interval = Duration::from_millis(duration("--interval", &args.interval)?.unsigned_abs());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| Failure::none(e.to_string()))?;
    let progress = Progress::start(context.notes);
    progress.phase(|| format!("scraping {} pages, {} s apart", targets.len(), interval.as_secs()));
    let scraped = runtime.block_on(scrape(&targets, interval, admin::Options::default()));
    drop(progress);
    scraped.map_err(|e| Failure::none(e.to_string()))
}

pub fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))
}

fn saved(args: &TelemetryArgs) -> Result<Recording, Failure> {
    if args.page.len() != args.before.len() {
        return Err(Failure::usage(format!("{} --page and {} --before: each page needs the one from before", args.page.len(), args.before.len())));
    }
    let over = duration("--over", &args.over)?;
    let mut recording = Recording { store: Store::new(Limits::default()), over: Some(over / 1000), ..Recording::default() };
    for (before, page) in args.before.iter().zip(&args.page) {
        let names = (before.display().to_string(), page.display().to_string());
        let (before, after) = (bytes(before)?, bytes(page)?);
        let pair = Pair { before: Saved { name: &names.0, bytes: &before }, after: Saved { name: &names.1, bytes: &after } };
        recording.problems.extend(pages::add(&mut recording.store, &[pair], over as f64 / 1000.0));
    }
    Ok(recording)
}
