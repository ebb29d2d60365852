//! The report as text and JSON.

use super::judge::{Report, Split, Verdict, Version};
use crate::print::table::Table;
use crate::term::safe;
use mesh_model::statistics::Difference;
use serde_json::{Value, json};

fn percent(x: f64) -> String {
    format!("{:.1}%", x * 100.0)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::AsWanted => "as wanted",
        Verdict::TooFew => "undecided",
        Verdict::Differs => "differs",
    }
}

fn against(difference: Option<Difference>, better: Difference) -> &'static str {
    match difference {
        None | Some(Difference::None) => "",
        Some(Difference::TooFew) => " (?)",
        Some(d) if d == better => " (better)",
        Some(_) => " (worse)",
    }
}

fn millis(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |ms| format!("<{ms} ms"))
}

pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for split in &report.splits {
        out.push_str(&format!("{}\n", safe(&split.rules.join(" and "))));
        out.push_str(&format!("from {}/{}: {:.0} requests in {} s\n", safe(&split.source.0), safe(&split.source.1), split.placed, report.seconds));
        out.push_str(&table(split));
        if !split.unplaced.is_empty() {
            let flags: Vec<String> = split.unplaced.iter().map(|(flag, n)| format!("{n:.0} {}", safe(flag))).collect();
            out.push_str(&format!("  beside them {} ended before a version is known: they count for and against each\n", flags.join(", ")));
        }
        for version in split.versions.iter().filter(|v| !v.reason.is_empty()) {
            out.push_str(&format!("  {} {}: {}\n", word(version.verdict), safe(&version.name), safe(&version.reason)));
        }
        out.push('\n');
    }
    for rule in &report.unused {
        out.push_str(&format!("undecided {}: no request that it may have sent was seen\n", safe(rule)));
    }
    for one in &report.unexplained {
        out.push_str(&format!(
            "differs: {:.0} requests from {}/{} to {} went to {}/{}, to which no rule sends\n",
            one.count,
            safe(&one.source.0),
            safe(&one.source.1),
            safe(&one.host),
            safe(&one.workload.0),
            safe(&one.workload.1)
        ));
    }
    out.push_str(&format!("{}\n", word(report.verdict())));
    out
}

fn table(split: &Split) -> String {
    let mut table = Table::new(["  VERSION", "WANTED", "OBSERVED", "95 % INTERVAL", "REQUESTS", "FAILED", "P50", "P95", "VERDICT"]);
    for v in &split.versions {
        let wanted = if v.wanted.0 == v.wanted.1 { percent(v.wanted.0) } else { format!("{}-{}", percent(v.wanted.0), percent(v.wanted.1)) };
        let failed = if v.requests.count > 0.0 { percent(v.requests.failed / v.requests.count) } else { "-".to_owned() };
        table.row(vec![
            format!("  {}", v.name),
            wanted,
            percent(v.observed.share),
            format!("{} - {}", percent(v.observed.low), percent(v.observed.high)),
            format!("{:.0}", v.requests.count),
            format!("{failed}{}", against(v.failures, Difference::Lower)),
            millis(v.requests.quantile(0.5)),
            format!("{}{}", millis(v.requests.quantile(0.95)), against(v.latency, Difference::Lower)),
            word(v.verdict).to_owned(),
        ]);
    }
    table.render(2)
}

fn difference(d: Option<Difference>) -> Value {
    match d {
        None => Value::Null,
        Some(Difference::Higher) => "higher".into(),
        Some(Difference::Lower) => "lower".into(),
        Some(Difference::None) => "none".into(),
        Some(Difference::TooFew) => "too few requests".into(),
    }
}

pub fn value(report: &Report, problems: &[String]) -> Value {
    let version = |v: &Version| {
        json!({
            "version": v.name, "wantedLeast": v.wanted.0, "wantedMost": v.wanted.1, "observed": v.observed.share,
            "low": v.observed.low, "high": v.observed.high, "requests": v.requests.count, "failed": v.requests.failed,
            "flags": v.requests.flags, "p50Millis": v.requests.quantile(0.5), "p95Millis": v.requests.quantile(0.95),
            "failuresAgainstMain": difference(v.failures), "latencyAgainstMain": difference(v.latency),
            "verdict": word(v.verdict), "reason": v.reason,
        })
    };
    let split = |s: &Split| {
        json!({
            "rules": s.rules, "source": format!("{}/{}", s.source.0, s.source.1), "requests": s.placed, "unplaced": s.unplaced,
            "versions": s.versions.iter().map(version).collect::<Vec<_>>(),
        })
    };
    json!({
        "complete": problems.is_empty(),
        "problems": problems,
        "verdict": word(report.verdict()),
        "seconds": report.seconds,
        "splits": report.splits.iter().map(split).collect::<Vec<_>>(),
        "unused": report.unused,
        "unexplained": report.unexplained.iter().map(|u| json!({
            "source": format!("{}/{}", u.source.0, u.source.1), "host": u.host, "workload": format!("{}/{}", u.workload.0, u.workload.1), "requests": u.count,
        })).collect::<Vec<_>>(),
    })
}
