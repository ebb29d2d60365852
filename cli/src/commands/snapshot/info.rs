//! `meshctl snapshot info`: what is in a recording, from when, and what is missing.

use super::{failure, shown};
use crate::args::snapshot::InfoArgs;
use crate::context::Context;
use crate::print::document::Document;
use crate::print::dump::document;
use crate::print::time::rfc3339;
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_collectors::recording::{self, Capture, Form, Found, Reader};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is told.
struct Info {
    form: &'static str,
    bytes: u64,
    /// Of each snapshot, in milliseconds.
    times: Vec<i64>,
    /// Times between which more than twice the usual interval lies.
    gaps: Vec<(i64, i64)>,
    /// What can't be read.
    damage: Vec<String>,
    shown: Capture,
}

pub fn run(args: &InfoArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats are text and json", args.output)));
    }
    let path = Path::new(&args.file);
    let Some(found) = recording::find(path) else {
        let why = if path.exists() { "this is neither a recording nor an archive of `snapshot bug-report`" } else { "there is no such file" };
        return Err(Failure::input(format!("{}: {why}", path.display())));
    };
    let info = read(&found)?;
    let text = if args.output == "json" { document(value(&info), Document::Json, context.compat) } else { text(&info, &args.file) };
    context.answer(&text)?;
    let is_whole = info.damage.is_empty() && info.shown.summary.problems.is_empty();
    Ok(if is_whole { Status::Fine } else { context.partial })
}

fn read(found: &Found) -> Result<Info, Failure> {
    let bytes = std::fs::metadata(&found.file).map_or(0, |m| m.len());
    if found.form == Form::Archive {
        let shown = found.capture().map_err(failure)?;
        return Ok(Info { form: "bug report", bytes, times: vec![shown.at], gaps: Vec::new(), damage: Vec::new(), shown });
    }
    let mut reader = Reader::open(&found.file).map_err(failure)?;
    let mut damage: Vec<String> = reader.damaged.iter().map(|(at, n)| format!("{n} bytes from byte {at} on are no segment: passed over")).collect();
    if reader.unfinished > 0 {
        damage.push(format!("the last snapshot is not finished ({} bytes): it is being written, or its recorder was killed", reader.unfinished));
    }
    let times: Vec<i64> = reader.moments().iter().map(|m| m.at).collect();
    let place = reader.place(found.at).map_err(failure)?;
    let shown = reader.load(place).map_err(failure)?;
    Ok(Info { form: "recording", bytes, gaps: gaps(&times), times, damage, shown })
}

/// Pauses: more than twice the usual interval, which is the median.
fn gaps(times: &[i64]) -> Vec<(i64, i64)> {
    let pairs = || times.windows(2).map(|w| (w[0], w[1]));
    let mut steps: Vec<i64> = pairs().map(|(a, b)| b - a).collect();
    steps.sort_unstable();
    let Some(usual) = steps.get(steps.len() / 2).copied() else { return Vec::new() };
    pairs().filter(|(a, b)| b - a > 2 * usual.max(1) || b < a).collect()
}

/// Counts of what a capture holds.
fn holds(capture: &Capture) -> Vec<(&'static str, usize)> {
    let folders =
        |top: &str, depth: usize| capture.below(top).map(|p| p.path.split('/').take(depth).collect::<Vec<_>>().join("/")).collect::<BTreeSet<_>>().len();
    let objects = capture.below("manifests").map(|p| p.text.lines().filter(|l| l.starts_with("kind: ")).count()).sum();
    let pages = capture.pages.iter().filter(|p| p.path.ends_with("prometheus.txt") || p.path.starts_with("metrics/")).count();
    vec![
        ("objects", objects),
        ("proxies", folders("proxies", 3) + folders("unnamed", 2)),
        ("answers of istiod", capture.below("istio").count()),
        ("pages of metrics", pages),
        ("files of series", capture.below("series").count()),
        ("files of traces", capture.below("traces").count()),
    ]
}

fn text(info: &Info, name: &str) -> String {
    let at = |ms: i64| rfc3339(ms.div_euclid(1000));
    let mut out = format!("{}: a {}, {}\n", safe(name), info.form, shown(info.bytes));
    if let (Some(first), Some(last)) = (info.times.first(), info.times.last()) {
        out.push_str(&format!("{} snapshots, from {} to {}\n", info.times.len(), at(*first), at(*last)));
    }
    for (from, to) in info.gaps.iter().take(10) {
        out.push_str(&format!("  pause: nothing from {} to {}\n", at(*from), at(*to)));
    }
    if info.gaps.len() > 10 {
        out.push_str(&format!("  and {} more pauses\n", info.gaps.len() - 10));
    }
    info.damage.iter().for_each(|d| out.push_str(&format!("  damaged: {d}\n")));
    out.push_str(&format!("\nAt {}, by meshctl {}:\n", at(info.shown.at), safe(&info.shown.summary.meshctl)));
    info.shown.summary.sources.iter().for_each(|s| out.push_str(&format!("  from {}\n", safe(s))));
    for (what, count) in holds(&info.shown).into_iter().filter(|(_, n)| *n > 0) {
        out.push_str(&format!("  {count} {what}\n"));
    }
    info.shown.summary.problems.iter().for_each(|p| out.push_str(&format!("  not seen: {}\n", safe(p))));
    out
}

fn value(info: &Info) -> Value {
    let at = |ms: i64| rfc3339(ms.div_euclid(1000));
    let holds: BTreeMap<&str, usize> = holds(&info.shown).into_iter().collect();
    json!({
        "complete": info.damage.is_empty() && info.shown.summary.problems.is_empty(),
        "problems": info.damage.iter().chain(&info.shown.summary.problems).collect::<Vec<_>>(),
        "form": info.form,
        "bytes": info.bytes,
        "snapshots": info.times.iter().map(|t| at(*t)).collect::<Vec<_>>(),
        "pauses": info.gaps.iter().map(|(a, b)| json!({"from": at(*a), "to": at(*b)})).collect::<Vec<_>>(),
        "at": at(info.shown.at),
        "sources": info.shown.summary.sources,
        "holds": holds,
        "pages": info.shown.pages.iter().map(|p| json!({"path": p.path, "bytes": p.text.len()})).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_more_than_twice_the_usual_interval() {
        assert_eq!(gaps(&[0, 15, 30, 45, 90, 105]), [(45, 90)]);
        assert_eq!(gaps(&[0, 15, 10]), [(15, 10)]);
        assert!(gaps(&[7]).is_empty() && gaps(&[]).is_empty());
    }
}
