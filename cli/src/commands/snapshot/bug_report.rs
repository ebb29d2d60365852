//! `meshctl snapshot bug-report`.

use super::collect::{self, Memory};
use super::{shown, size};
use crate::args::snapshot::BugReportArgs;
use crate::context::Context;
use crate::print::time::rfc3339;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use crate::telemetry::duration;
use mesh_collectors::recording::archive;
use std::path::PathBuf;
use std::time::Duration;

pub fn run(args: &BugReportArgs, context: &Context) -> Outcome {
    let time = Duration::from_millis(duration("--timeout", &args.timeout)?.unsigned_abs());
    let limit = size("--max-size", &args.max_size)?;
    collect::check(&args.capture)?;
    let capture = collect::capture(&args.capture, context.now * 1000, &collect::bounds(time, limit), &mut Memory::default(), context);
    if capture.pages.is_empty() {
        return Err(Failure::none(format!("the sources give nothing: {}", capture.summary.problems.join("; "))));
    }
    let name = format!("meshctl-{}.tar.gz", rfc3339(context.now).replace([':', '-'], ""));
    let file = context.out.clone().unwrap_or_else(|| PathBuf::from(name));
    let bytes = archive::write(&capture).map_err(|e| Failure::none(e.to_string()))?;
    stdio::file(&file, &bytes)?;
    let problems = &capture.summary.problems;
    let to_stdout = Context { out: None, ..context.clone() };
    to_stdout.answer(&format!("{}: {} pages, {}\n", file.display(), capture.pages.len(), shown(bytes.len() as u64)))?;
    problems.iter().for_each(|p| context.note(p));
    Ok(if problems.is_empty() { Status::Fine } else { context.partial })
}
