//! One trace as a waterfall.

use super::time;
use crate::print::table::Table;
use crate::print::time::rfc3339;
use crate::term::safe;
use mesh_model::traces::{Segment, Span, Trace, critical_path, self_times};

/// Columns of the bars.
const WIDTH: i64 = 40;

pub fn render(trace: &Trace) -> String {
    let (start, whole) = (trace.start(), trace.duration().max(1));
    let path = critical_path(trace);
    let own = self_times(trace);
    let mut out = format!(
        "trace {}: {}, {} spans of {} services, {} failed, from {}\n\n",
        trace.id,
        time(trace.duration()),
        trace.spans.len(),
        trace.services().len(),
        trace.errors(),
        rfc3339(start.div_euclid(1_000_000))
    );
    let mut table = Table::new(["", "SERVICE", "SIDE", "OPERATION", "ANSWER", "START", "DURATION", "SELF", "", "WORKLOAD"]);
    for (i, placed) in trace.spans.iter().enumerate() {
        let span = &placed.span;
        table.row(vec![
            if span.is_error() { "!" } else { " " }.to_owned(),
            format!("{}{}", "  ".repeat(placed.depth.min(20)), span.service),
            span.kind.word().to_owned(),
            shortened(&span.operation),
            answer(span),
            time(span.start - start),
            time(span.duration),
            time(own[i]),
            format!("|{}|", bar(span, i, &path, start, whole)),
            span.workload(),
        ]);
    }
    out.push_str(&table.render(2));
    out.push_str("\nThe end waited for:\n");
    let mut table = Table::new(["SHARE", "TIME", "SERVICE", "SIDE", "OPERATION"]);
    let total: i64 = path.iter().map(|s| s.to - s.from).sum();
    let mut by_span: Vec<(usize, i64)> = (0..trace.spans.len()).map(|i| (i, path.iter().filter(|s| s.span == i).map(|s| s.to - s.from).sum())).collect();
    by_span.retain(|(_, t)| *t > 0);
    by_span.sort_by_key(|(i, t)| (std::cmp::Reverse(*t), *i));
    for (i, on_path) in by_span.into_iter().take(8) {
        let span = &trace.spans[i].span;
        let share = format!("{:.0}%", on_path as f64 / total.max(1) as f64 * 100.0);
        table.row(vec![share, time(on_path), span.service.clone(), span.kind.word().to_owned(), shortened(&span.operation)]);
    }
    out.push_str(&table.render(2));
    for note in &trace.notes {
        out.push_str(&format!("odd: {}\n", safe(&note.to_string())));
    }
    out
}

/// The status, Envoy's flags, and where the request went.
fn answer(span: &Span) -> String {
    let mut words = Vec::new();
    words.extend(span.status().map(|s| s.to_string()));
    words.extend(Some(span.flags().to_owned()).filter(|f| !f.is_empty()));
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn shortened(operation: &str) -> String {
    const MOST: usize = 44;
    if operation.chars().count() <= MOST { operation.to_owned() } else { operation.chars().take(MOST - 1).chain(['~']).collect() }
}

fn bar(span: &Span, index: usize, path: &[Segment], start: i64, whole: i64) -> String {
    let column = |at: i64| ((at - start) * WIDTH / whole).clamp(0, WIDTH);
    let (from, to) = (column(span.start), column(span.end()).max(column(span.start) + 1).min(WIDTH));
    // What is too short to be seen is seen all the same.
    let from = from.min(WIDTH - 1);
    let waited: Vec<(i64, i64)> = path.iter().filter(|s| s.span == index).map(|s| (column(s.from), column(s.to).max(column(s.from) + 1))).collect();
    (0..WIDTH)
        .map(|c| match () {
            () if !(from..to.max(from + 1)).contains(&c) => ' ',
            () if waited.iter().any(|(a, b)| (*a..*b).contains(&c)) => '#',
            () => '-',
        })
        .collect()
}
