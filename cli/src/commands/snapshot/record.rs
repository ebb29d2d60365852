//! `meshctl snapshot record`.

use super::collect::{self, Memory};
use super::{failure, shown, size};
use crate::args::snapshot::RecordArgs;
use crate::context::Context;
use crate::print::time::clock_millis;
use crate::status::{Failure, Outcome, Status};
use mesh_collectors::recording::Recorder;
use mesh_metrics::promql::parse_duration;
use std::time::{Duration, Instant};

pub fn run(args: &RecordArgs, context: &Context) -> Outcome {
    let interval = time("--interval", &args.interval)?;
    let whole = args.duration.as_deref().map(|t| time("--for", t)).transpose()?;
    let limit = size("--max-size", &args.max_size)?;
    collect::check(&args.capture)?;
    // A cluster of which more than one snapshot is taken is listed once.
    let (following, _followers) = context.following();
    let context = if args.count == Some(1) { context } else { &following };
    let began = Instant::now();
    let mut recorder = None;
    let mut count = 0_u64;
    let mut memory = Memory::of(&args.file);
    let is_part = loop {
        let started = Instant::now();
        // A source that hangs must not keep the others from being seen at the next moments.
        let bounds = collect::bounds(interval.max(Duration::from_secs(30)), limit);
        let capture = collect::capture(&args.capture, clock_millis(), &bounds, &mut memory, context);
        let problems = &capture.summary.problems;
        if capture.pages.is_empty() && recorder.is_none() && !memory.reads_logs() {
            return Err(Failure::none(format!("the sources give nothing: {}", problems.join("; "))));
        }
        if recorder.is_none() {
            recorder = Some(Recorder::open(&args.file, limit).map_err(failure)?);
            problems.iter().for_each(|p| context.note(p));
        }
        if let Some(recorder) = &mut recorder {
            let added = recorder.add(&capture).map_err(failure)?;
            count += 1;
            let dropped = if added.dropped > 0 { format!("; the {} oldest are dropped", added.dropped) } else { String::new() };
            let unseen = if problems.is_empty() { String::new() } else { format!(", {} problems", problems.len()) };
            context.note(&format!(
                "snapshot {count}: {} pages{unseen}, {} more; {} has {}{dropped}",
                capture.pages.len(),
                shown(added.bytes),
                args.file.display(),
                shown(added.length)
            ));
        }
        if args.count.is_some_and(|n| count >= n) || whole.is_some_and(|w| began.elapsed() + interval > w) {
            break !problems.is_empty();
        }
        std::thread::sleep(interval.saturating_sub(started.elapsed()));
    };
    context.answer(&format!("{count} snapshots recorded into {}\n", args.file.display()))?;
    Ok(if is_part { context.partial } else { Status::Fine })
}

fn time(flag: &str, text: &str) -> Result<Duration, Failure> {
    let found = parse_duration(text).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
    found.map(Duration::from_millis).ok_or_else(|| Failure::usage(format!("{flag} {text}: a duration such as 15s, 1m or 2h must stand here")))
}
