//! Where a trace's time went: its critical path, and what each span did itself.

use super::tree::{TOLERANCE, Trace};

/// A stretch of the critical path, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The span that was waited for.
    pub span: usize,
    pub from: i64,
    pub to: i64,
}

/// The stretches that the trace's end waited for, in the order of time: shortening one shortens the whole. From the end of the
/// root back: the child that ended last was waited for, and before its start the one that ended last before that.
pub fn critical_path(trace: &Trace) -> Vec<Segment> {
    let mut out = Vec::new();
    // What has no parent because it is missing is waited for by nobody that is known: the longest counts.
    let Some(root) = trace.roots().max_by_key(|r| (trace.spans[*r].span.parent.is_empty(), trace.spans[*r].span.duration, usize::MAX - r)) else { return out };
    let mut stack = vec![(root, trace.spans[root].span.start, trace.spans[root].span.end())];
    while let Some((i, from, to)) = stack.pop() {
        let mut children: Vec<usize> = trace.spans[i].children.clone();
        children.sort_by_key(|c| std::cmp::Reverse((trace.spans[*c].span.end(), *c)));
        let mut at = to;
        let own_end = trace.spans[i].span.end();
        for child in children {
            let span = &trace.spans[child].span;
            // What goes on after its parent is not waited for; a little more is how spans are timed.
            if span.end() - own_end > TOLERANCE {
                continue;
            }
            let (begin, end) = (span.start.max(from), span.end().min(to));
            // What ended later than what is waited for went on beside it.
            if end > at || begin >= end {
                continue;
            }
            if end < at {
                out.push(Segment { span: i, from: end, to: at });
            }
            stack.push((child, begin, end));
            at = begin;
        }
        if at > from {
            out.push(Segment { span: i, from, to: at });
        }
    }
    out.sort_by_key(|s| (s.from, s.to));
    out
}

/// What each span did itself, in microseconds: its duration without the time in which one of its children was under way.
pub fn self_times(trace: &Trace) -> Vec<i64> {
    let own = |placed: &super::tree::Placed| {
        let (from, to) = (placed.span.start, placed.span.end());
        let mut stretches: Vec<(i64, i64)> = placed.children.iter().map(|c| &trace.spans[*c].span).map(|s| (s.start.max(from), s.end().min(to))).collect();
        stretches.retain(|(a, b)| a < b);
        stretches.sort_unstable();
        let (mut covered, mut at) = (0, from);
        for (a, b) in stretches {
            covered += (b - a.max(at)).max(0);
            at = at.max(b);
        }
        (to - from) - covered
    };
    trace.spans.iter().map(own).collect()
}
