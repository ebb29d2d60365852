//! Where metrics come from.

use super::{duration, prometheus};
use crate::args::telemetry::TelemetryArgs;
use crate::context::Context;
use crate::status::Failure;
use mesh_collectors::telemetry::pages::{self, Pair, Saved};
use mesh_collectors::telemetry::series::{self, Recording};
use mesh_metrics::series::{Limits, Store};
use mesh_model::graph::Options;
use std::path::Path;

/// The metrics of the source that is named. `options` say what a graph of them will ask; its namespaces do not count.
pub fn read(args: &TelemetryArgs, options: &Options, context: &Context) -> Result<Recording, Failure> {
    // A source that is typed out counts before the environment's.
    if let Some(path) = &args.series {
        let text = String::from_utf8(bytes(path)?).map_err(|_| Failure::input(format!("{}: not UTF-8", path.display())))?;
        return series::read(&path.display().to_string(), &text).map_err(Failure::input);
    }
    if !args.page.is_empty() {
        return saved(args);
    }
    match &args.prometheus {
        Some(url) => prometheus::read(url, args, options, context),
        None => {
            Err(Failure::usage("no metrics to look at: name a Prometheus with --prometheus, a file with --series, or two saved pages with --before and --page"))
        }
    }
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
