//! One service, workload or gateway: everything that the sources say of it; and all of them as a list.

mod charts;
mod configuration;
mod list;
mod logs;
mod traces;
mod traffic;

use super::{Cx, Drawn, HEAD, Request, Screen, command_line, not_available};
use crate::action::{Action, Scope};
use crate::graph::Health;
use crate::text::{width, wrap};
use crate::theme::Role;
use crate::widgets::{Cursor, Order, Pen};
use crate::world::sections::Section;
use crate::world::traffic::Key;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

#[derive(Default)]
pub struct Detail {
    subject: Option<Key>,
    cursor: Cursor,
    view: View,
    /// In the list.
    row: Cursor,
    order: Order,
}

/// What of it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    One,
    List,
    /// One that was opened from the list, to which one goes back.
    OneOfList,
}

/// A row: its parts, and what opening it shows.
struct Line {
    parts: Vec<(String, Role)>,
    opens: Option<Request>,
    /// The object that it is about.
    object: Option<String>,
}

impl Line {
    fn of(parts: Vec<(String, Role)>) -> Line {
        Line { parts, opens: None, object: None }
    }
    fn dim(text: impl Into<String>) -> Line {
        Line::of(vec![(format!("  {}", text.into()), Role::Dim)])
    }
    fn opening(parts: Vec<(String, Role)>, opens: Request) -> Line {
        Line { parts, opens: Some(opens), object: None }
    }
    fn about(self, object: &str) -> Line {
        Line { object: Some(object.to_owned()), ..self }
    }
}

/// A blank row and a heading, with the age of what stands below it where that is stale.
fn heading(cx: &Cx<'_>, section: Section, out: &mut Vec<Line>, text: impl Into<String>) {
    let age = cx.ages.of(&[section]).map_or(String::new(), |age| format!("  {age}"));
    out.push(Line::of(Vec::new()));
    out.push(Line::of(vec![(text.into(), Role::Heading), (age, Role::Dim)]));
}

/// The glyph of a health, where rows begin.
fn mark(cx: &Cx<'_>, health: Health) -> (String, Role) {
    (format!("  {} ", cx.theme.glyph(health)), Role::Health(health))
}

impl Detail {
    pub fn show(&mut self, namespace: String, name: String) {
        self.subject = Some((namespace, name));
        self.cursor.at = 0;
        self.view = View::One;
    }
    /// Shows all of them.
    pub fn list(&mut self) {
        self.view = View::List;
        self.row = Cursor::default();
    }

    /// The row of the list that is selected.
    fn listed(&self, cx: &Cx<'_>) -> Option<Key> {
        let list = list::entries(cx, self.order);
        self.row.get(list.len()).map(|i| list[i].key.clone())
    }
    /// What is shown: the node asked for, else the worst one.
    fn subject(&self, cx: &Cx<'_>) -> Option<Key> {
        self.subject.clone().or_else(|| {
            let view = cx.world.view()?;
            view.worst().and_then(|n| view.nodes().get(n)).map(|n| (n.namespace.clone(), n.name.clone()))
        })
    }
    fn lines(&self, cx: &Cx<'_>) -> Vec<Line> {
        let Some(key) = self.subject(cx) else { return Vec::new() };
        let mut out = vec![head(cx, &key)];
        traffic::lines(cx, &key, &mut out);
        traces::lines(cx, &key, &mut out);
        logs::lines(cx, &key, &mut out);
        configuration::lines(cx, &key, &mut out);
        out
    }
    /// The same, with what is longer than the screen is wide going on below.
    fn rows(&self, cx: &Cx<'_>) -> Vec<Line> {
        let room = usize::from(cx.area.width).saturating_sub(1);
        self.lines(cx).into_iter().flat_map(|line| folded(line, room)).collect()
    }
}

/// How far what goes on is indented.
const INDENT: usize = 8;

/// A line and what of it goes on below.
fn folded(line: Line, room: usize) -> Vec<Line> {
    let length: usize = line.parts.iter().map(|(text, _)| width(text.trim_end())).sum();
    if length <= room || room < INDENT * 3 {
        return vec![line];
    }
    let (mut parts, mut rest, mut used) = (Vec::new(), Vec::new(), 0);
    for (text, role) in line.parts {
        let fits = rest.is_empty() && used + width(text.trim_end()) <= room;
        if fits {
            used += width(&text);
            parts.push((text, role));
            continue;
        }
        // Whole words stay on the first row while there is room.
        let words = text.trim_start();
        let blank = text.len() - words.len();
        let left = room.saturating_sub(used + blank);
        let first = wrap(words, left).into_iter().next().filter(|first| {
            // A word is not cut for that, and nothing is lost to cleaning.
            rest.is_empty() && left > INDENT && words.strip_prefix(first.as_str()).is_some_and(|rest| rest.starts_with(' '))
        });
        match first {
            Some(first) => {
                rest.push((words[first.len()..].trim().to_owned(), role));
                parts.push((format!("{:blank$}{first}", ""), role));
            }
            None => rest.push((text.trim().to_owned(), role)),
        }
    }
    let mut out = vec![Line { parts, opens: line.opens, object: line.object }];
    let role = rest.iter().find(|(text, _)| !text.is_empty()).map_or(Role::Text, |(_, role)| *role);
    let text = rest.into_iter().map(|(text, _)| text).filter(|t| !t.is_empty()).collect::<Vec<_>>().join("  ");
    out.extend(wrap(&text, room - INDENT).into_iter().filter(|l| !l.is_empty()).map(|l| Line::of(vec![(format!("{:INDENT$}{l}", ""), role)])));
    out
}

/// What the node is.
fn head(cx: &Cx<'_>, key: &Key) -> Line {
    let load = cx.world.traffic.known().and_then(|t| t.loads.get(key));
    let configured = cx.world.configuration.known().and_then(|c| Some(&c.view.nodes()[c.view.find(&key.0, &key.1)?]));
    // A service is as well as what answers for it.
    let behind = cx.world.traffic.known().and_then(|t| t.behind(key).map(|(_, l)| l.health).max());
    let health = [load.map(|l| l.health), configured.map(|n| n.health), behind].into_iter().flatten().max();
    let Some(health) = health else {
        return Line::of(vec![(format!("{}/{} is not in what was read.", key.0, key.1), Role::Text)]);
    };
    let what = match (load, configured) {
        (Some(l), _) => l.kind.to_owned(),
        (None, Some(n)) => n.figures.clone(),
        (None, None) => String::new(),
    };
    let version = load.map(|l| l.version.as_str()).filter(|v| !v.is_empty() && *v != "latest").map_or(String::new(), |v| format!("  version {v}"));
    let cluster = load.map(|l| l.cluster.as_str()).filter(|c| !c.is_empty()).map_or(String::new(), |c| format!("  cluster {c}"));
    let namespace = load.map_or(key.0.as_str(), |l| &l.namespace);
    let parts = vec![
        mark(cx, health),
        (key.1.clone(), Role::Name),
        (format!("  {what}{version}"), Role::Text),
        (format!("  namespace {namespace}{cluster}"), Role::Dim),
    ];
    Line::opening(parts, Request::Graph { filter: String::new(), node: Some(key.clone()) })
}

impl Screen for Detail {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        if self.view == View::List {
            return vec![format!("all {}", list::entries(cx, self.order).len())];
        }
        self.subject(cx).map(|(ns, name)| format!("{ns}/{name}")).into_iter().collect()
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Detail, Scope::List]
    }
    fn escape(&mut self) -> bool {
        let is_back = self.view == View::OneOfList;
        if is_back {
            self.view = View::List;
        }
        is_back
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        if action == Action::All {
            self.view = if self.view == View::List { View::One } else { View::List };
            return Vec::new();
        }
        if self.view == View::List {
            if let Some(sorted) = self.order.act(action, &list::ORDERS) {
                self.row = Cursor::default();
                return sorted.err().map(Request::Say).into_iter().collect();
            }
            match (action, self.listed(cx)) {
                (Action::Open, Some((namespace, name))) => {
                    self.show(namespace, name);
                    self.view = View::OneOfList;
                }
                (Action::Graph, Some(node)) => return vec![Request::Graph { filter: String::new(), node: Some(node) }],
                _ => {
                    let count = list::entries(cx, self.order).len();
                    self.row.act(action, count, usize::from(cx.area.height.saturating_sub(3)));
                }
            }
            return Vec::new();
        }
        if action == Action::Graph {
            return self.subject(cx).map(|node| Request::Graph { filter: String::new(), node: Some(node) }).into_iter().collect();
        }
        let lines = self.rows(cx);
        if action == Action::Open {
            return self.cursor.get(lines.len()).and_then(|i| lines[i].opens.clone()).into_iter().collect();
        }
        let before = self.cursor.at;
        if !self.cursor.act(action, lines.len(), usize::from(cx.area.height / 2)) {
            return Vec::new();
        }
        // Headings are passed over.
        let is_stop = |i: &usize| lines.get(*i).is_some_and(|l| l.opens.is_some());
        let at = self.cursor.at;
        let forward = (at..lines.len()).find(is_stop);
        let backward = (0..=at).rev().find(is_stop);
        let next = if at >= before { forward.or(backward) } else { backward.or(forward) };
        self.cursor.at = next.unwrap_or(at);
        Vec::new()
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        if self.view == View::List {
            return list::draw(cx, self.row, self.order, buffer);
        }
        let lines = self.rows(cx);
        let mut pen = Pen { buffer, theme: cx.theme };
        if lines.is_empty() {
            not_available(&mut pen, cx.area, "Detail", "No source holds services or workloads.", "Add a folder of manifests.");
            return drawn;
        }
        let key = self.subject(cx);
        let charts = key.as_ref().map_or(0, |k| charts::height(cx, k));
        // The first line says what it is; its signals stand below it, and the rest moves.
        let (head, rest) = if charts > 0 { lines.split_at(1) } else { lines.split_at(0) };
        if let (Some(key), true) = (&key, charts > 0) {
            charts::draw(cx, key, &mut pen, Rect { y: cx.area.y + 1, height: charts, ..cx.area });
        }
        let body = Rect { y: cx.area.y + head.len() as u16 + charts, height: cx.area.height - head.len() as u16 - charts, ..cx.area };
        let height = usize::from(body.height);
        let first = Cursor { at: self.cursor.at.saturating_sub(head.len()) }.first(rest.len(), height) + head.len();
        let heads = (0..head.len()).map(|i| (i, cx.area.y + i as u16));
        let rows = heads.chain((first..lines.len()).take(height).map(|i| (i, body.y + (i - first) as u16)));
        for (i, y) in rows {
            let line = &lines[i];
            let row = Rect { x: cx.area.x + 1, width: cx.area.width.saturating_sub(1), ..cx.area };
            let mut parts: Vec<(&str, Role)> = line.parts.iter().map(|(t, r)| (t.as_str(), *r)).collect();
            let is_selected = self.cursor.get(lines.len()) == Some(i) && line.opens.is_some();
            if is_selected {
                for part in parts.iter_mut().filter(|p| p.1 == Role::Text) {
                    part.1 = Role::Name;
                }
                pen.text(cx.area.x, y, cx.theme.pick(["▶"], [">"])[0], 1, Role::Key);
                drawn.cursor = Some(Position { x: cx.area.x, y });
            }
            pen.row(row, y, &parts);
            if line.opens.is_some() {
                drawn.spots.push((Rect { y, height: 1, ..cx.area }, i));
            }
        }
        drawn
    }
    fn is_filtered(&self) -> bool {
        self.view == View::List
    }
    fn to_filtered(&mut self) -> Result<(), &'static str> {
        if self.view != View::List {
            self.list();
        }
        Ok(())
    }
    fn select(&mut self, spot: usize, cx: &Cx<'_>) {
        if let Some(column) = spot.checked_sub(HEAD) {
            self.order.click(list::columns(cx).get(column).map_or("", |c| c.title), &list::ORDERS);
        } else if self.view == View::List {
            self.row.at = spot;
        } else {
            self.cursor.at = spot;
        }
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        let named = if self.view == View::List { self.listed(cx) } else { self.subject(cx) };
        named.map(|(ns, name)| format!("{ns}/{name}"))
    }
    fn objects(&self, cx: &Cx<'_>) -> Vec<String> {
        if self.view == View::List {
            return self.listed(cx).map_or(Vec::new(), |key| cx.world.objects(&key));
        }
        let lines = self.rows(cx);
        let line = self.cursor.get(lines.len()).map(|i| &lines[i]);
        match line.map(|l| (&l.object, &l.opens)) {
            Some((Some(object), _)) => vec![object.clone()],
            Some((_, Some(Request::Finding(i)))) => cx.world.findings.known().and_then(|all| Some(all.get(*i)?.object.clone())).into_iter().collect(),
            Some((_, Some(Request::Detail(ns, name)))) => cx.world.objects(&(ns.clone(), name.clone())),
            _ => self.subject(cx).map_or(Vec::new(), |key| cx.world.objects(&key)),
        }
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        let named = if self.view == View::List { self.listed(cx) } else { self.subject(cx) };
        let Some((namespace, name)) = named else { return command_line(cx, "tui --no-tui --open detail") };
        let node = if namespace.is_empty() { name } else { format!("{namespace}/{name}") };
        command_line(cx, &format!("tui --no-tui --open {}", crate::shell::quoted(&node)))
    }
}

/// Everything that is known of a node as lines of text; what the screen shows, without its charts.
pub fn text(cx: &Cx<'_>, key: &Key) -> String {
    let detail = Detail { subject: Some(key.clone()), ..Detail::default() };
    let mut out = String::new();
    for line in detail.lines(cx) {
        let text: String = line.parts.iter().map(|(part, _)| crate::text::clean(part).into_owned()).collect();
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_goes_on_below() {
        let shown = |parts: &[&str], room: usize| -> Vec<String> {
            let line = Line::of(parts.iter().map(|p| ((*p).to_owned(), Role::Text)).collect());
            folded(line, room).iter().map(|l| l.parts.iter().map(|(t, _)| t.as_str()).collect::<String>().trim_end().to_owned()).collect()
        };
        assert_eq!(shown(&["  ", "short"], 30), ["  short"]);
        assert_eq!(shown(&["  ", "it answers slowly: a call takes long"], 26), ["  it answers slowly: a", "        call takes long"]);
        assert_eq!(
            shown(&["  bookinfo/reviews-v1    ", "http  ", "  7.9/s", "  2.9% fail"], 27),
            ["  bookinfo/reviews-v1", "        http  7.9/s  2.9%", "        fail"]
        );
        assert_eq!(shown(&["too narrow for anything"], 10), ["too narrow for anything"]);
    }
}
