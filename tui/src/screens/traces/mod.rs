//! Traces: searched, as points of time and duration, and one as a waterfall with its critical path.

mod scatter;
mod search;
mod waterfall;

use super::{Cx, Drawn, HEAD, Request, Screen, known};
use crate::action::{Action, Scope};
use crate::filter::Filter;
use crate::widgets::{By, Cursor, Order};
use crate::world::traces::{Traces as Known, workload};
use mesh_model::traces::{Criteria, Place, Trace, summary};
use ratatui::buffer::Buffer;
use waterfall::Waterfall;

/// What the list can be sorted by.
const ORDERS: [By; 3] = [By::Time, By::Latency, By::Errors];

/// How a list of traces is sorted.
fn said(order: Order) -> &'static str {
    match (order.by, order.turned) {
        (By::Latency, false) => "longest first",
        (By::Latency, true) => "shortest first",
        (By::Errors, false) => "most failures first",
        (By::Errors, true) => "fewest failures first",
        (_, false) => "newest first",
        (_, true) => "oldest first",
    }
}

#[derive(Default)]
pub struct Traces {
    cursor: Cursor,
    order: Order,
    /// The trace that is drawn as a waterfall, by its id.
    opened: Option<String>,
    waterfall: Waterfall,
    /// The filter that `places` hold for.
    summed: Option<Filter>,
    /// Where the time of the listed traces went.
    places: Vec<Place>,
}

impl Traces {
    /// Nothing of the world before holds any more.
    pub fn forget(&mut self) {
        self.summed = None;
    }
    /// Draws a trace as a waterfall.
    pub fn show(&mut self, id: String) {
        self.opened = Some(id);
        self.waterfall = Waterfall::default();
    }
    fn opened<'w>(&self, known: &'w Known) -> Option<&'w Trace> {
        let id = self.opened.as_ref()?;
        known.all.iter().find(|t| t.id == *id)
    }
    /// Indexes of the traces that filter and time let through, in the chosen order.
    fn rows(&self, known: &Known, cx: &Cx<'_>) -> Vec<usize> {
        let (special, rest) = cx.filter.apart(&["min", "max", "tag"]);
        let mut criteria = Criteria::default();
        for (field, value) in &special {
            match (field.as_str(), value.split_once('=')) {
                ("min", _) => criteria.least = micros(value),
                ("max", _) => criteria.most = micros(value),
                (_, Some((name, value))) => criteria.tags.push((name.to_owned(), value.to_owned())),
                // While it is being typed.
                _ => {}
            }
        }
        let time = cx.world.traced_time();
        let mut out: Vec<usize> = (0..known.all.len())
            .filter(|i| {
                let (trace, line) = (&known.all[*i], &known.lines[*i]);
                let seconds = line.start.div_euclid(1_000_000);
                let in_time = time.is_none_or(|(from, to)| (from..=to).contains(&seconds));
                let services: Vec<&str> = trace.services().into_iter().collect();
                let operations: Vec<&str> = trace.spans.iter().map(|p| p.span.operation.as_str()).collect();
                let health = crate::find::name_of(line.health);
                let error = if line.errors > 0 { "error" } else { "fine" };
                let fields = [
                    ("service", services.join(" ")),
                    ("operation", operations.join(" ")),
                    ("id", trace.id.clone()),
                    ("flags", line.flags.clone()),
                    ("health", health.to_owned()),
                    ("ended", error.to_owned()),
                ];
                let fields: Vec<(&'static str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
                in_time && criteria.fits(trace) && rest.matches(&fields)
            })
            .collect();
        out.sort_by_key(|i| {
            let line = &known.lines[*i];
            match self.order.by {
                By::Latency => (std::cmp::Reverse(line.duration), *i),
                By::Errors => (std::cmp::Reverse(line.errors as i64), *i),
                _ => (std::cmp::Reverse(line.start), *i),
            }
        });
        self.order.turn(&mut out);
        out
    }
    /// The trace that is selected or open.
    fn chosen<'w>(&self, cx: &Cx<'w>) -> Option<&'w Trace> {
        let known = cx.world.traces.known()?;
        self.opened(known).or_else(|| {
            let rows = self.rows(known, cx);
            known.all.get(rows[self.cursor.get(rows.len())?])
        })
    }
}

/// `200ms`, `1.5s`, `2m`, in microseconds; `None` for anything else.
fn micros(text: &str) -> Option<i64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    number.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| (n * unit) as i64)
}

/// `22.2 ms`, `1.65 s`, `37 us`.
pub(super) fn time(micros: i64) -> String {
    match micros {
        us if us >= 1_000_000 => format!("{:.2} s", us as f64 / 1e6),
        us if us >= 1_000 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{us} us"),
    }
}

impl Screen for Traces {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        let Some(known) = cx.world.traces.known() else { return Vec::new() };
        match self.opened(known) {
            Some(trace) => vec![trace.id.clone()],
            None => vec![format!("{} of {}", self.rows(known, cx).len(), known.all.len()), said(self.order).to_owned()],
        }
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Traces, Scope::List]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let Some(known) = cx.world.traces.known() else { return Vec::new() };
        if let Some(trace) = self.opened(known) {
            match action {
                Action::Open | Action::Graph => {
                    let span = self.waterfall.chosen(trace).map(|i| &trace.spans[i].span);
                    return match span.and_then(workload) {
                        Some((namespace, name)) if action == Action::Open => vec![Request::Detail(namespace, name)],
                        Some(node) => vec![Request::Graph { filter: String::new(), node: Some(node) }],
                        None => vec![Request::Say("this span does not say which workload reported it (no node_id)".to_owned())],
                    };
                }
                _ => self.waterfall.act(action, trace, cx),
            }
            return Vec::new();
        }
        let rows = self.rows(known, cx);
        if let Some(sorted) = self.order.act(action, &ORDERS) {
            self.cursor = Cursor::default();
            return sorted.err().map(Request::Say).into_iter().collect();
        }
        match action {
            Action::Open => {
                if let Some(i) = self.cursor.get(rows.len()) {
                    self.show(known.all[rows[i]].id.clone());
                }
            }
            // The points are walked by their time.
            Action::Left | Action::Right => {
                let now = self.cursor.get(rows.len());
                let mut by_time = rows.clone();
                by_time.sort_by_key(|i| (known.lines[*i].start, *i));
                let next = now.and_then(|n| by_time.iter().position(|i| *i == rows[n])).and_then(|at| {
                    let at = if action == Action::Right { at + 1 } else { at.checked_sub(1)? };
                    rows.iter().position(|i| Some(i) == by_time.get(at))
                });
                self.cursor.at = next.or(now).unwrap_or(0);
            }
            Action::CriticalPath => return vec![Request::Say("open a trace first: enter".to_owned())],
            _ => {
                self.cursor.act(action, rows.len(), usize::from(cx.area.height / 2));
            }
        }
        Vec::new()
    }
    fn escape(&mut self) -> bool {
        self.opened.take().is_some()
    }
    fn is_filtered(&self) -> bool {
        self.opened.is_none()
    }
    fn to_filtered(&mut self) -> Result<(), &'static str> {
        if self.is_filtered() { Ok(()) } else { Err("the filter is of the list of traces: esc goes there") }
    }
    fn prepare(&mut self, cx: &Cx<'_>) {
        let Some(known) = cx.world.traces.known().filter(|_| self.summed.as_ref() != Some(cx.filter)) else { return };
        self.summed = Some(cx.filter.clone());
        self.places = summary(self.rows(known, cx).iter().map(|i| &known.all[*i]));
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let Some(all) = known(&cx.world.traces, "Traces", cx, buffer, cx.area) else { return Drawn::default() };
        match self.opened(all) {
            Some(trace) => self.waterfall.draw(trace, cx, buffer),
            None => self.list(all, cx, buffer),
        }
    }
    fn select(&mut self, spot: usize, cx: &Cx<'_>) {
        if cx.world.traces.known().is_some_and(|k| self.opened(k).is_some()) {
            self.waterfall.cursor.at = spot;
        } else if let Some(column) = spot.checked_sub(HEAD) {
            self.order.click(search::COLUMNS.get(column).map_or("", |c| c.title), &ORDERS);
        } else {
            self.cursor.at = spot;
        }
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        self.chosen(cx).map(|t| t.id.clone())
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        let arguments = cx.world.traces.known().map_or("--from TRACES", |t| t.arguments.as_str());
        let is_open = cx.world.traces.known().is_some_and(|k| self.opened(k).is_some());
        match self.chosen(cx).filter(|_| is_open) {
            Some(trace) => format!("meshctl traces {} {arguments}", trace.id),
            None => format!("meshctl traces {arguments}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        let read = ["200ms", "1.5s", "2m", "7us", "7", "ms", "x", "1e9s"].map(micros);
        assert_eq!(read, [Some(200_000), Some(1_500_000), Some(120_000_000), Some(7), None, None, None, None]);
        assert_eq!([37, 22_200, 1_650_000].map(time), ["37 us", "22.2 ms", "1.65 s"]);
    }
}
