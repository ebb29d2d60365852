//! `--watch`: the same answer again and again, shown where it has changed.

use crate::args::DumpArgs;
use crate::commands::proxy_config::Answer;
use crate::context::Context;
use crate::status::{Failure, Outcome};
use mesh_collectors::dumps::Source;
use std::io::IsTerminal;
use std::time::Duration;

/// Failures in a row after which a source is taken for gone.
const PATIENCE: u32 = 5;
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Gives the answer once, or as often as `--watch` says.
pub fn run(args: &DumpArgs, context: &Context, ask: impl Fn() -> Result<Answer, Failure>) -> Outcome {
    let Some(seconds) = args.watch else { return ask()?.give(context) };
    let interval = Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero());
    let interval = interval.ok_or_else(|| Failure::usage(format!("--watch takes seconds, not `{seconds}`")))?;
    if !crate::dump::sources(&args.source)?.iter().all(|s| matches!(s, Source::Live(_) | Source::Named(..) | Source::Cluster(_))) {
        return Err(Failure::usage("--watch is for live sources (a cluster, http://host:15000, unix:PATH): a file does not change while it is read"));
    }
    let clear = context.out.is_none() && std::io::stdout().is_terminal();
    let mut last = None;
    let mut failures = 0;
    loop {
        match ask() {
            Ok(answer) if last.as_ref() != Some(&answer.text) => {
                let text = answer.text.clone();
                let before = if clear {
                    CLEAR
                } else if last.is_some() {
                    "\n"
                } else {
                    ""
                };
                Answer { text: format!("{before}{}", answer.text), ..answer }.give(context)?;
                last = Some(text);
                failures = 0;
            }
            Ok(_) => failures = 0,
            Err(failure) => {
                failures += 1;
                if last.is_none() || failures >= PATIENCE {
                    return Err(failure);
                }
                context.note(&failure.to_string());
            }
        }
        std::thread::sleep(interval);
    }
}
