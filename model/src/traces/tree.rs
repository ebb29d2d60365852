//! Spans as trees. What does not fit is kept and said: parents that are missing, spans that came twice, clocks that differ.

use super::span::{Kind, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What is odd about a trace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// So many spans name this parent, and it is not there: it was not reported, or has not arrived yet.
    MissingParent { parent: String, children: usize },
    /// The same span more than once.
    Repeated { spans: usize },
    /// Spans that are their own ancestors; the circle is cut.
    Circle { spans: usize },
    /// The clock of `late` was put right by so many microseconds, against that of its caller `by`.
    Skew { late: String, by: String, shift: i64 },
    /// Without any span that has no parent.
    NoRoot,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Note::MissingParent { parent, children: 1 } => write!(f, "the parent {parent} of a span is missing: it was not reported, or has not arrived yet"),
            Note::MissingParent { parent, children } => {
                write!(f, "the parent {parent} of {children} spans is missing: it was not reported, or has not arrived yet")
            }
            Note::Repeated { spans } => write!(f, "{spans} spans came more than once; each counts once"),
            Note::Circle { spans } => write!(f, "{spans} spans are their own ancestors; the circle is cut"),
            Note::Skew { late, by, shift } => {
                let ms = shift.unsigned_abs() as f64 / 1000.0;
                write!(f, "the clock of {late} is {ms:.1} ms {} that of {by}; its spans are moved", if *shift > 0 { "behind" } else { "before" })
            }
            Note::NoRoot => write!(f, "no span without a parent is there: the beginning of the trace is missing"),
        }
    }
}

/// A span in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub span: Span,
    pub parent: Option<usize>,
    /// By their starts.
    pub children: Vec<usize>,
    pub depth: usize,
    /// Microseconds that `span.start` was moved by, because clocks differ.
    pub shift: i64,
}

/// One trace. Spans stand as they are drawn: each before its children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    pub id: String,
    pub spans: Vec<Placed>,
    pub notes: Vec<Note>,
}

/// A child may stick out of its parent by so many microseconds before clocks are said to differ.
pub(super) const TOLERANCE: i64 = 1_000;

/// Puts spans together, a trace for each id; the newest first.
pub fn traces(spans: Vec<Span>) -> Vec<Trace> {
    let mut by_id: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in spans {
        by_id.entry(span.trace.clone()).or_default().push(span);
    }
    let mut all: Vec<Trace> = by_id.into_iter().map(|(id, spans)| Trace::new(id, spans)).collect();
    all.sort_by(|a, b| b.start().cmp(&a.start()).then_with(|| a.id.cmp(&b.id)));
    all
}

impl Trace {
    pub fn new(id: String, mut spans: Vec<Span>) -> Trace {
        let mut notes = Vec::new();
        spans.sort_by(|a, b| (a.start, &a.id, a.is_shared, a.kind, &a.service).cmp(&(b.start, &b.id, b.is_shared, b.kind, &b.service)));
        let before = spans.len();
        let mut seen = BTreeSet::new();
        spans.retain(|s| seen.insert((s.id.clone(), s.is_shared, s.kind, s.service.clone())));
        if spans.len() < before {
            notes.push(Note::Repeated { spans: before - spans.len() });
        }
        let mut parents = parents(&spans, &mut notes);
        cut_circles(&mut parents, &mut notes);
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
        for (i, parent) in parents.iter().enumerate() {
            if let Some(list) = parent.and_then(|p| children.get_mut(p)) {
                list.push(i);
            }
        }
        let roots: Vec<usize> = (0..spans.len()).filter(|i| parents[*i].is_none()).collect();
        if !spans.is_empty() && !roots.iter().any(|r| spans[*r].parent.is_empty()) {
            notes.push(Note::NoRoot);
        }
        let shifts = shifts(&mut spans, &parents, &children, &roots, &mut notes);
        // Clocks that were put right may change who comes first.
        children.iter_mut().for_each(|list| list.sort_by_key(|i| (spans[*i].start, *i)));
        let mut order = Vec::with_capacity(spans.len());
        let mut stack: Vec<(usize, usize)> = roots.iter().rev().map(|r| (*r, 0)).collect();
        while let Some((i, depth)) = stack.pop() {
            order.push((i, depth));
            stack.extend(children[i].iter().rev().map(|c| (*c, depth + 1)));
        }
        let mut place = vec![0; spans.len()];
        order.iter().enumerate().for_each(|(new, (old, _))| place[*old] = new);
        let mut spans: Vec<Option<Span>> = spans.into_iter().map(Some).collect();
        let placed = order.iter().filter_map(|(i, depth)| {
            let span = spans[*i].take()?;
            let children = children[*i].iter().map(|c| place[*c]).collect();
            Some(Placed { span, parent: parents[*i].map(|p| place[p]), children, depth: *depth, shift: shifts[*i] })
        });
        let placed = placed.collect();
        notes.sort();
        Trace { id, spans: placed, notes }
    }

    /// Microseconds since the epoch.
    pub fn start(&self) -> i64 {
        self.spans.iter().map(|p| p.span.start).min().unwrap_or(0)
    }
    pub fn end(&self) -> i64 {
        self.spans.iter().map(|p| p.span.end()).max().unwrap_or(0)
    }
    /// From its first moment to its last, in microseconds.
    pub fn duration(&self) -> i64 {
        self.end() - self.start()
    }
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        self.spans.iter().enumerate().filter(|(_, p)| p.parent.is_none()).map(|(i, _)| i)
    }
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans.iter().map(|p| p.span.service.as_str()).collect()
    }
    pub fn errors(&self) -> usize {
        self.spans.iter().filter(|p| p.span.is_error()).count()
    }
}

/// The parent of each span by its place. Of a span that client and server share, the server's half is below the client's, and
/// what the server's service did is below that.
fn parents(spans: &[Span], notes: &mut Vec<Note>) -> Vec<Option<usize>> {
    let mut by_id: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    spans.iter().enumerate().for_each(|(i, s)| by_id.entry(&s.id).or_default().push(i));
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    let is_half = |s: &Span| s.is_shared || s.kind == Kind::Server;
    let found: Vec<Option<usize>> = spans
        .iter()
        .enumerate()
        .map(|(i, span)| {
            let halves = by_id.get(span.id.as_str()).map_or(&[][..], Vec::as_slice);
            if is_half(span)
                && let Some(client) = halves.iter().find(|h| **h != i && !is_half(&spans[**h]))
            {
                return Some(*client);
            }
            if span.parent.is_empty() {
                return None;
            }
            let of = by_id.get(span.parent.as_str()).map_or(&[][..], Vec::as_slice);
            let own = of
                .iter()
                .find(|p| **p != i && spans[**p].service == span.service)
                .or_else(|| of.iter().filter(|p| **p != i).max_by_key(|p| is_half(&spans[**p])));
            if own.is_none() {
                *missing.entry(&span.parent).or_default() += 1;
            }
            own.copied()
        })
        .collect();
    notes.extend(missing.into_iter().map(|(parent, children)| Note::MissingParent { parent: parent.to_owned(), children }));
    found
}

fn cut_circles(parents: &mut [Option<usize>], notes: &mut Vec<Note>) {
    // 0 not looked at, 1 on the way, 2 known to end.
    let mut state = vec![0_u8; parents.len()];
    let mut cut = 0;
    for start in 0..parents.len() {
        let mut way = Vec::new();
        let mut at = Some(start);
        while let Some(i) = at.filter(|i| state[*i] == 0) {
            state[i] = 1;
            way.push(i);
            at = parents[i];
        }
        if let Some(i) = at.filter(|i| state[*i] == 1) {
            // The earliest of the circle begins it: spans stand by their starts.
            let from = way.iter().position(|w| *w == i).unwrap_or(0);
            if let Some(first) = way[from..].iter().min().copied() {
                parents[first] = None;
                cut += way.len() - from;
            }
        }
        way.into_iter().for_each(|i| state[i] = 2);
    }
    if cut > 0 {
        notes.push(Note::Circle { spans: cut });
    }
}

/// Moves what another clock timed into its caller's time, where it sticks out and would fit: to the middle, so that both ways
/// take as long.
fn shifts(spans: &mut [Span], parents: &[Option<usize>], children: &[Vec<usize>], roots: &[usize], notes: &mut Vec<Note>) -> Vec<i64> {
    let mut shifts = vec![0_i64; spans.len()];
    let mut said: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut stack: Vec<usize> = roots.to_vec();
    while let Some(i) = stack.pop() {
        stack.extend(&children[i]);
        let Some(parent) = parents[i] else { continue };
        let above = &spans[parent];
        let (from, to) = (above.start, above.end());
        if spans[i].clock() == above.clock() {
            shifts[i] = shifts[parent];
            spans[i].start += shifts[i];
            continue;
        }
        let sticks_out = from - spans[i].start > TOLERANCE || spans[i].end() - to > TOLERANCE;
        let slack = above.duration - spans[i].duration;
        // What goes on after its caller has ended, and takes longer, is no matter of clocks.
        if sticks_out && slack >= 0 && spans[i].kind != Kind::Consumer {
            shifts[i] = from + slack / 2 - spans[i].start;
            said.entry((spans[i].service.clone(), above.service.clone())).or_insert(shifts[i]);
            spans[i].start += shifts[i];
        }
    }
    notes.extend(said.into_iter().map(|((late, by), shift)| Note::Skew { late, by, shift }));
    shifts
}
