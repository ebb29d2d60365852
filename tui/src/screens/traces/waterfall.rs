//! One trace as a waterfall: its spans as a tree, their bars over time, and what the end waited for drawn heavy.

use super::time;
use crate::action::Action;
use crate::graph::Health;
use crate::screens::{Cx, Drawn};
use crate::text::{cut, moment, width};
use crate::theme::{Role, Theme};
use crate::widgets::{Cursor, Pen, pane};
use mesh_envoy::response_flags;
use mesh_model::traces::{Kind, Segment, Span, Trace, critical_path, self_times};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use std::collections::BTreeSet;

/// Which spans are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    All,
    /// Those that the end waited for.
    Path,
}

#[derive(Default)]
pub(super) struct Waterfall {
    pub cursor: Cursor,
    folded: BTreeSet<usize>,
    shown: Shown,
}

/// What is known of a trace beside its spans.
struct Times {
    path: Vec<Segment>,
    own: Vec<i64>,
    /// Microseconds of each span on the critical path.
    on_path: Vec<i64>,
}

impl Times {
    fn new(trace: &Trace) -> Times {
        let path = critical_path(trace);
        let mut on_path = vec![0; trace.spans.len()];
        path.iter().for_each(|s| on_path[s.span] += s.to - s.from);
        Times { own: self_times(trace), path, on_path }
    }
}

/// Columns right of the bars: `12.3 ms` and `503 UO`.
const TIME: u16 = 9;
const ANSWER: u16 = 9;

impl Waterfall {
    /// The spans that are shown, in the order of the tree.
    fn rows(&self, trace: &Trace) -> Vec<usize> {
        let on_path: BTreeSet<usize> = if self.shown == Shown::Path { critical_path(trace).iter().map(|s| s.span).collect() } else { BTreeSet::new() };
        let mut hidden = vec![false; trace.spans.len()];
        let mut out = Vec::new();
        for (i, placed) in trace.spans.iter().enumerate() {
            hidden[i] = placed.parent.is_some_and(|p| hidden[p] || self.folded.contains(&p));
            if !hidden[i] && (self.shown == Shown::All || on_path.contains(&i)) {
                out.push(i);
            }
        }
        out
    }
    pub fn chosen(&self, trace: &Trace) -> Option<usize> {
        let rows = self.rows(trace);
        self.cursor.get(rows.len()).map(|at| rows[at])
    }
    pub fn act(&mut self, action: Action, trace: &Trace, cx: &Cx<'_>) {
        let rows = self.rows(trace);
        let chosen = self.chosen(trace);
        match (action, chosen) {
            (Action::CriticalPath, _) => {
                self.shown = if self.shown == Shown::All { Shown::Path } else { Shown::All };
                self.select(trace, chosen);
            }
            (Action::Left, Some(i)) => {
                // What has nothing to fold leads to what it belongs to.
                let closes = !trace.spans[i].children.is_empty() && self.folded.insert(i);
                if !closes {
                    self.select(trace, trace.spans[i].parent.or(Some(i)));
                }
            }
            (Action::Right, Some(i)) => {
                if !self.folded.remove(&i) {
                    self.cursor.act(Action::Down, rows.len(), 1);
                }
            }
            (Action::NextMatch | Action::PreviousMatch, Some(_)) => {
                // To the next span that failed.
                let failed = |at: &usize| trace.spans[rows[*at]].span.is_error();
                let now = self.cursor.get(rows.len()).unwrap_or(0);
                let next = if action == Action::NextMatch { (now + 1..rows.len()).find(failed) } else { (0..now).rev().find(failed) };
                self.cursor.at = next.unwrap_or(now);
            }
            _ => {
                self.cursor.act(action, rows.len(), usize::from(cx.area.height / 2));
            }
        }
    }
    fn select(&mut self, trace: &Trace, span: Option<usize>) {
        let rows = self.rows(trace);
        self.cursor.at = span.and_then(|s| rows.iter().position(|r| *r == s)).unwrap_or(self.cursor.at).min(rows.len().saturating_sub(1));
    }

    pub fn draw(&self, trace: &Trace, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        let mut pen = Pen { buffer, theme: cx.theme };
        let times = Times::new(trace);
        let above = self.head(trace, cx, &mut pen);
        let rows = self.rows(trace);
        // Facts take what the spans leave, and a third at least.
        let left = cx.area.height.saturating_sub(above + 2 + rows.len() as u16);
        let facts = if cx.area.height >= 16 { left.clamp(cx.area.height / 3, 26) } else { 0 };
        let body = Rect { y: cx.area.y + above, height: cx.area.height.saturating_sub(above + facts), ..cx.area };
        let names: Vec<String> = rows.iter().map(|i| self.label(trace, *i, cx.theme)).collect();
        let named = names.iter().map(|n| width(n)).max().unwrap_or(0) as u16 + 1;
        let names_width = named.min(body.width * 2 / 5).max(12);
        let right = if body.width >= 90 {
            2 * (TIME + 1) + ANSWER + 1
        } else if body.width >= 60 {
            TIME + 1
        } else {
            0
        };
        let bars = Rect { x: body.x + 2 + names_width, width: body.width.saturating_sub(names_width + right + 3), ..body };
        axis(&mut pen, bars, trace, right);
        let list = Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body };
        let height = usize::from(list.height);
        let first = self.cursor.first(rows.len(), height);
        for (n, (i, y)) in rows.iter().skip(first).zip(list.y..list.bottom()).enumerate() {
            let span = &trace.spans[*i].span;
            let is_chosen = self.cursor.get(rows.len()) == Some(first + n);
            if is_chosen {
                pen.text(body.x, y, cx.theme.pick(["▶"], [">"])[0], 1, Role::Key);
                drawn.cursor = Some(Position { x: body.x, y });
            }
            let role = match (is_chosen, span.is_error()) {
                (true, _) => Role::Name,
                (_, true) => Role::Health(Health::Failing),
                _ => Role::Text,
            };
            pen.text(body.x + 2, y, &cut(&names[first + n], usize::from(names_width)), usize::from(names_width), role);
            bar(&mut pen, Rect { y, height: 1, ..bars }, trace, *i, &times);
            let at = bars.right() + 1;
            if right > 0 {
                pen.text(at, y, &format!("{:>9}", time(span.duration)), TIME.into(), Role::Text);
            }
            if right > TIME + 1 {
                pen.text(at + TIME + 1, y, &format!("{:>9}", time(times.own[*i])), TIME.into(), Role::Dim);
                let failing = if span.is_error() { Role::Health(Health::Failing) } else { Role::Dim };
                pen.text(at + 2 * (TIME + 1), y, &answer(span), ANSWER.into(), failing);
            }
            drawn.spots.push((Rect { y, height: 1, ..body }, first + n));
        }
        if facts > 0
            && let Some(i) = self.chosen(trace)
        {
            self.facts(trace, i, &times, &mut pen, Rect { y: cx.area.bottom() - facts, height: facts, ..cx.area });
        }
        drawn
    }

    /// What the trace is, and what is odd about it; the rows that it took.
    fn head(&self, trace: &Trace, cx: &Cx<'_>, pen: &mut Pen<'_>) -> u16 {
        let errors = trace.errors();
        let failed = if errors > 0 { Role::Health(Health::Failing) } else { Role::Dim };
        let took = time(trace.duration());
        let begun = moment(trace.start().div_euclid(1_000_000), cx.world.day());
        let parts = [
            (" ".to_owned(), Role::Text),
            (took, Role::Name),
            (format!("  {} spans of {} services", trace.spans.len(), trace.services().len()), Role::Text),
            (format!("  {errors} failed"), failed),
            (format!("  from {begun}"), Role::Dim),
            (if cx.theme.is_read() { "  times:".to_owned() } else { format!("   {}", cx.theme.pick(["█"], ["#"])[0]) }, Role::Focus),
            (if self.shown == Shown::Path { " the critical path alone".to_owned() } else { " what the end waited for".to_owned() }, Role::Dim),
        ];
        let parts: Vec<(&str, Role)> = parts.iter().map(|(t, r)| (t.as_str(), *r)).collect();
        pen.row(cx.area, cx.area.y, &parts);
        let most = usize::from(cx.area.height / 6);
        let mut y = cx.area.y + 1;
        for note in trace.notes.iter().take(most) {
            pen.row(cx.area, y, &[(" odd: ", Role::Health(Health::Degraded)), (&note.to_string(), Role::Text)]);
            y += 1;
        }
        y - cx.area.y
    }

    /// The name of a span, below what it belongs to.
    fn label(&self, trace: &Trace, i: usize, theme: &Theme) -> String {
        let placed = &trace.spans[i];
        let fold = match (placed.children.is_empty(), self.folded.contains(&i)) {
            (true, _) => theme.pick(["·"], ["-"])[0],
            (_, true) => theme.pick(["▸"], [">"])[0],
            (_, false) => theme.pick(["▾"], ["v"])[0],
        };
        let mark = if placed.span.is_error() { format!("{} ", theme.glyph(Health::Failing)) } else { String::new() };
        format!("{}{fold} {mark}{}", " ".repeat(placed.depth.min(30)), title(&placed.span, theme))
    }

    /// Everything that is known of a span.
    fn facts(&self, trace: &Trace, i: usize, times: &Times, pen: &mut Pen<'_>, area: Rect) {
        let span = &trace.spans[i].span;
        let inner = pane(pen, area, &format!("{} {}", span.service, span.operation), false);
        let whole = trace.duration().max(1);
        let on_path = times.on_path[i];
        let mut lines: Vec<(String, String, Role)> = vec![(
            "time".to_owned(),
            format!(
                "{} after the beginning, {} long, {} of it itself; the end waited {} for it ({:.0}%)",
                time(span.start - trace.start()),
                time(span.duration),
                time(times.own[i]),
                time(on_path),
                on_path as f64 / whole as f64 * 100.0
            ),
            Role::Text,
        )];
        let workload = span.workload();
        lines.push((
            "reported by".to_owned(),
            if workload.is_empty() { span.clock().to_owned() } else { format!("{workload}, {} side", span.kind.word()) },
            Role::Text,
        ));
        if span.is_error() || !span.flags().is_empty() {
            let meaning: Vec<&str> = span.flags().split(',').filter_map(response_flags::find).map(|f| f.meaning).collect();
            let meaning = if meaning.is_empty() { String::new() } else { format!(": {}", meaning.join("; ")) };
            lines.push(("answer".to_owned(), format!("{}{meaning}", answer(span)), Role::Health(Health::Failing)));
        }
        if trace.spans[i].shift != 0 {
            lines.push(("clock".to_owned(), format!("moved by {}, because its clock differs", time(trace.spans[i].shift)), Role::Health(Health::Degraded)));
        }
        lines.extend(span.tags.iter().map(|(k, v)| (k.clone(), v.clone(), Role::Dim)));
        // Two columns of tags where there is room for them.
        let columns = if inner.width >= 110 { 2 } else { 1 };
        let fixed = lines.iter().take_while(|(k, ..)| ["time", "reported by", "answer", "clock"].contains(&k.as_str())).count();
        let mut y = inner.y;
        for (key, value, role) in &lines[..fixed] {
            pen.row(inner, y, &[(&format!(" {key:>24} "), Role::Heading), (value, *role)]);
            y += 1;
        }
        let rest = &lines[fixed..];
        let each = rest.len().div_ceil(columns);
        for (n, (key, value, role)) in rest.iter().enumerate() {
            let (column, row) = (n / each.max(1), n % each.max(1));
            let wide = inner.width / columns as u16;
            let cell = Rect { x: inner.x + wide * column as u16, width: wide, ..inner };
            pen.row(cell, y + row as u16, &[(&format!(" {:>24} ", cut(key, 24)), Role::Heading), (value, *role)]);
        }
    }
}

/// `reviews GET /reviews/0` of who was called, `productpage → reviews:9080` of who called; else service and operation.
fn title(span: &Span, theme: &Theme) -> String {
    let service = span.service.split('.').next().unwrap_or_default();
    let url = span.tag("http.url");
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let host = span.operation.split(['/', ' ']).next().unwrap_or_default().replace(".svc.cluster.local", "");
    match (span.kind, path) {
        (Kind::Client, path) if host.contains(':') && !path.is_empty() => {
            format!("{service} {} {host} {} {path}", theme.pick(["→"], ["->"])[0], span.tag("http.method"))
        }
        (Kind::Client, _) if host.contains(':') => format!("{service} {} {host}", theme.pick(["→"], ["->"])[0]),
        (_, path) if !path.is_empty() => format!("{service} {} {path}", span.tag("http.method")),
        _ => format!("{service} {}", span.operation),
    }
}

/// The status, Envoy's flags; "-" for neither.
fn answer(span: &Span) -> String {
    let mut words: Vec<String> = span.status().map(|s| s.to_string()).into_iter().collect();
    words.extend(Some(span.flags().to_owned()).filter(|f| !f.is_empty()));
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

/// The heads of the columns, and the times above the bars.
fn axis(pen: &mut Pen<'_>, bars: Rect, trace: &Trace, right: u16) {
    let whole = trace.duration();
    let ticks = (bars.width / 14).clamp(1, 6);
    for tick in 0..=ticks {
        let label = time(whole * i64::from(tick) / i64::from(ticks));
        let x = bars.x + (u32::from(bars.width.saturating_sub(1)) * u32::from(tick) / u32::from(ticks)) as u16;
        // The last one ends at the border, the others begin at their place.
        let x = if tick == ticks { (bars.right()).saturating_sub(width(&label) as u16) } else { x };
        pen.text(x, bars.y, &label, usize::from(bars.right().saturating_sub(x)), Role::Heading);
    }
    let at = bars.right() + 1;
    if right > 0 {
        pen.text(at, bars.y, &format!("{:>9}", "TOOK"), TIME.into(), Role::Heading);
    }
    if right > TIME + 1 {
        pen.text(at + TIME + 1, bars.y, &format!("{:>9}", "SELF"), TIME.into(), Role::Heading);
        pen.text(at + 2 * (TIME + 1), bars.y, "ANSWER", ANSWER.into(), Role::Heading);
    }
}

/// One span over time: light, and heavy where the end waited for it.
fn bar(pen: &mut Pen<'_>, area: Rect, trace: &Trace, i: usize, times: &Times) {
    let span = &trace.spans[i].span;
    let (start, whole, columns) = (trace.start(), trace.duration().max(1), i64::from(area.width));
    if columns == 0 {
        return;
    }
    if pen.theme.is_read() {
        let text = if times.on_path[i] > 0 { format!("waited for {}", time(times.on_path[i])) } else { String::new() };
        pen.text(area.x, area.y, &text, area.width.into(), Role::Text);
        return;
    }
    let column = |at: i64| ((i128::from(at - start) * i128::from(columns)) / i128::from(whole)).clamp(0, i128::from(columns)) as i64;
    // What is too short to be seen is seen all the same.
    let from = column(span.start).min(columns - 1);
    let to = column(span.end()).clamp(from + 1, columns);
    let waited: Vec<(i64, i64)> = times.path.iter().filter(|s| s.span == i).map(|s| (column(s.from), column(s.to).max(column(s.from) + 1))).collect();
    let failing = span.is_error();
    for c in 0..columns {
        let x = area.x + c as u16;
        let is_inside = (from..to).contains(&c);
        let is_heavy = is_inside && waited.iter().any(|(a, b)| (*a..*b).contains(&c));
        let role = match (is_heavy, failing) {
            (_, true) => Role::Health(Health::Failing),
            (true, false) => Role::Focus,
            (false, false) => Role::Health(Health::Ok),
        };
        match (is_inside, is_heavy) {
            (false, _) => pen.text(x, area.y, pen.theme.pick(["·"], ["."])[0], usize::from(c % 8 == 0), Role::Frame),
            (true, true) => pen.text(x, area.y, pen.theme.pick(["█"], ["#"])[0], 1, role),
            (true, false) => pen.text(x, area.y, pen.theme.pick(["▒"], ["="])[0], 1, role),
        };
    }
}
