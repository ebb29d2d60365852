//! Traces that a node took part in: those that failed there first, then the longest.

use super::{Line, heading, mark};
use crate::screens::{Cx, Request, took};
use crate::text::moment;
use crate::theme::Role;
use crate::world::sections::Section;
use crate::world::traffic::Key;

/// How many are listed.
const MOST: usize = 5;

pub(super) fn lines(cx: &Cx<'_>, key: &Key, out: &mut Vec<Line>) {
    // Where nothing gives traces, the screen of traces says so.
    let Some(traces) = cx.world.traces.known() else { return };
    let time = cx.world.traced_time();
    let in_time = |i: &usize| time.is_none_or(|(from, to)| (from..=to).contains(&traces.lines[*i].start.div_euclid(1_000_000)));
    let found: Vec<usize> = traces.of(key).into_iter().filter(in_time).collect();
    heading(cx, Section::Traces, out, format!("TRACES {}", found.len()));
    if found.is_empty() {
        out.push(Line::dim("none that it took part in"));
    }
    for i in found.iter().take(MOST) {
        let line = &traces.lines[*i];
        let failed = if line.errors > 0 { format!("{} failed {}", line.errors, line.flags) } else { String::new() };
        let parts = vec![
            mark(cx, line.health),
            (format!("{} ", moment(line.start.div_euclid(1_000_000), cx.world.day())), Role::Dim),
            (format!("{:>9}  ", took(line.duration)), Role::Text),
            (format!("{:<14} ", failed.trim()), Role::Health(line.health)),
            (line.begins.clone(), Role::Text),
        ];
        out.push(Line::opening(parts, Request::Trace(traces.all[*i].id.clone())));
    }
    if found.len() > MOST {
        out.push(Line::opening(vec![(format!("    and {} more", found.len() - MOST), Role::Dim)], Request::Traces(key.1.clone())));
    }
}
