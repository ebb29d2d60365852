//! Many traces: a line each, and where their time went.

use super::time;
use crate::print::table::Table;
use crate::print::time::rfc3339;
use crate::term::safe;
use mesh_model::traces::{Trace, dropped, summary};

/// Places that are listed.
const PLACES: usize = 15;

pub fn render(traces: &[Trace]) -> String {
    if traces.is_empty() {
        return "no trace fits\n".to_owned();
    }
    let mut table = Table::new(["TRACE", "START", "DURATION", "SPANS", "SERVICES", "ERRORS", "FLAGS", "BEGINS WITH"]);
    for trace in traces {
        let root = trace.roots().next().map(|r| &trace.spans[r].span);
        let mut flags: Vec<&str> = trace.spans.iter().map(|p| p.span.flags()).filter(|f| !f.is_empty()).collect();
        flags.sort_unstable();
        flags.dedup();
        table.row(vec![
            trace.id.clone(),
            rfc3339(trace.start().div_euclid(1_000_000)),
            time(trace.duration()),
            trace.spans.len().to_string(),
            trace.services().len().to_string(),
            trace.errors().to_string(),
            if flags.is_empty() { "-".to_owned() } else { flags.join(" ") },
            root.map_or(String::new(), |s| format!("{} {}", s.service, s.operation)),
        ]);
    }
    let mut out = table.render(2);
    let places = summary(traces);
    let whole: i64 = places.iter().map(|p| p.on_path).sum();
    out.push_str(&format!("\nWhere the time of {} went (critical paths, {} in all):\n", plural(traces.len(), "trace"), time(whole)));
    let mut table = Table::new(["SHARE", "WAITED FOR", "SELF", "SPANS", "ERRORS", "P50", "P95", "SERVICE", "OPERATION", "SIDE"]);
    for place in places.iter().take(PLACES) {
        table.row(vec![
            if whole > 0 { format!("{:.0}%", place.on_path as f64 / whole as f64 * 100.0) } else { "-".to_owned() },
            time(place.on_path),
            time(place.own),
            place.spans.to_string(),
            place.errors.to_string(),
            time(place.quantile(0.5)),
            time(place.quantile(0.95)),
            place.service.clone(),
            place.operation.clone(),
            place.kind.word().to_owned(),
        ]);
    }
    out.push_str(&table.render(2));
    if places.len() > PLACES {
        out.push_str(&format!("and {} more operations\n", places.len() - PLACES));
    }
    let odd = traces.iter().filter(|t| !t.notes.is_empty()).count();
    if odd > 0 {
        out.push_str(&format!("\nOdd in {} of them:\n", odd));
        for trace in traces {
            trace.notes.iter().for_each(|n| out.push_str(&format!("  {}: {}\n", trace.id, safe(&n.to_string()))));
        }
    }
    let dropped = dropped(traces);
    if !dropped.is_empty() {
        out.push_str("\nTrace headers that are not handed on:\n");
        dropped.iter().for_each(|d| out.push_str(&format!("  {}\n", safe(&d.to_string()))));
    }
    if let Some(longest) = traces.iter().max_by_key(|t| t.duration()) {
        out.push_str(&format!("\nThe longest: meshctl traces {}\n", longest.id));
    }
    out
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}
