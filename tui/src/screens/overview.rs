//! The first screen: what is wrong now, the namespaces, and what expires next.

use super::{Cx, Drawn, HEAD, Request, Screen, command_line, span};
use crate::action::{Action, Scope, Tab};
use crate::graph::Health;
use crate::graph::flow::{milliseconds, percent};
use crate::text::{width, wrap};
use crate::theme::Role;
use crate::widgets::{By, Column, Cursor, Order, Pen, Row, Table, pane, sparkline};
use crate::world::sections::Section;
use crate::world::{Namespace, Problem, Target};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    Problems,
    Namespaces,
}

#[derive(Default)]
pub struct Overview {
    pane: Pane,
    problem: Cursor,
    namespace: Cursor,
    /// Of the namespaces.
    order: Order,
}

/// What namespaces can be sorted by.
const ORDERS: [By; 5] = [By::Given, By::Name, By::Errors, By::Rate, By::Latency];

const PROBLEMS: [Column; 3] = [Column::left("", 1, 0, 0), Column::left("WHAT", 16, 2, 0), Column::left("WHY", 20, 5, 1)];
/// The same on narrow screens: what is wrong says little without why.
const NARROW: [Column; 3] = [PROBLEMS[0], Column::left("WHAT", 12, 1, 0), Column::left("WHY", 12, 3, 0)];
const NAMESPACES: [Column; 9] = [
    Column::left("", 1, 0, 0),
    Column::left("NAMESPACE", 14, 2, 0),
    Column::right("ERRORS", 6, 0),
    Column::right("WARNINGS", 8, 1),
    Column::right("SERVICES", 8, 4),
    Column::right("WORKLOADS", 9, 3),
    Column::left("IN MESH", 7, 0, 2),
    Column::right("CONFIG", 6, 5),
    Column::right("PROXIES", 7, 6),
];

/// Columns that need samples over time.
const OVER_TIME: [&str; 2] = ["RATE OVER TIME", "FAILURES"];
/// Columns of a sparkline.
const TREND: usize = 14;

/// The golden signals come first where traffic is known.
const WITH_TRAFFIC: [Column; 15] = [
    Column::left("", 1, 0, 0),
    Column::left("NAMESPACE", 14, 2, 0),
    Column::right("RATE", 6, 0),
    Column::right("FAIL", 5, 0),
    Column::right("P95", 5, 1),
    Column::right("MTLS", 5, 1),
    Column::left(OVER_TIME[0], 14, 0, 2),
    Column::left(OVER_TIME[1], 14, 0, 2),
    Column::right("ERRORS", 6, 2),
    Column::right("WARNINGS", 8, 3),
    Column::right("SERVICES", 8, 6),
    Column::right("WORKLOADS", 9, 5),
    Column::left("IN MESH", 7, 0, 4),
    Column::right("CONFIG", 6, 7),
    Column::right("PROXIES", 7, 8),
];

/// Below so many rows one of the panes is shown.
const LOW: u16 = 10;

/// What the ranking is made from.
const RANKED: [Section; 3] = [Section::Configuration, Section::Proxies, Section::Metrics];

impl Overview {
    fn problems<'w>(&self, cx: &Cx<'w>) -> Vec<&'w Problem> {
        cx.world.problems.iter().filter(|p| cx.filter.matches(&[("name", &p.subject), ("text", &p.text)])).collect()
    }
    fn namespaces<'w>(&self, cx: &Cx<'w>) -> Vec<&'w Namespace> {
        let mut out: Vec<&Namespace> = cx.world.namespaces.iter().filter(|n| cx.filter.matches(&[("ns", &n.name)])).collect();
        // What has no figure comes last.
        let most = |figure: Option<f64>| std::cmp::Reverse(figure.map_or(-1, |f| (f * 1e6) as i64));
        let flow = |n: &Namespace| n.flow.unwrap_or_default();
        match self.order.by {
            By::Name => out.sort_by(|a, b| a.name.cmp(&b.name)),
            By::Errors => out.sort_by_key(|n| (most(flow(n).errors()), std::cmp::Reverse((n.errors, n.warnings)))),
            By::Rate => out.sort_by_key(|n| most(n.flow.map(|f| f.requests))),
            By::Latency => out.sort_by_key(|n| most(flow(n).p95)),
            _ => {}
        }
        self.order.turn(&mut out);
        out
    }
    /// Above the problems, below the namespaces; beside each other where it is wide.
    fn areas(&self, cx: &Cx<'_>) -> (Rect, Rect, Rect) {
        let body = Rect { y: cx.area.y + 1, height: cx.area.height.saturating_sub(1), ..cx.area };
        if body.height < LOW {
            // There is room for one: what is wrong, and the namespaces once they have the keyboard.
            let nothing = Rect { height: 0, width: 0, ..body };
            return if self.pane == Pane::Problems { (body, nothing, nothing) } else { (nothing, body, nothing) };
        }
        let namespaces = (cx.world.namespaces.len() as u16 + 3).clamp(5, (body.height / 2).max(5)).min(body.height);
        // What is wrong takes what it has to say: a row each, and the selected one in full. What is left goes to the others.
        let wrong = (self.problems(cx).len() as u16).saturating_add(10).max(body.height / 3);
        let namespaces = namespaces.max(body.height.saturating_sub(wrong));
        let top = Rect { height: body.height - namespaces, ..body };
        let below = Rect { y: top.bottom(), height: namespaces, ..body };
        let side = if cx.area.width >= 110 { 44 } else { 0 };
        let table = Rect { width: below.width - side, ..below };
        (top, table, Rect { x: table.right(), width: side, ..below })
    }
    fn open(&self, cx: &Cx<'_>) -> Vec<Request> {
        match self.pane {
            Pane::Problems => {
                let problems = self.problems(cx);
                let Some(p) = self.problem.get(problems.len()).and_then(|i| problems.get(i)) else { return Vec::new() };
                vec![match p.target {
                    Target::Node((ref ns, ref name)) => Request::Detail(ns.clone(), name.clone()),
                    Target::Finding(i) => Request::Finding(i),
                    Target::Proxy(i) => Request::Proxy(i),
                    Target::Certificates | Target::Sync => Request::Show(Tab::Mesh),
                    Target::Sources => Request::Show(Tab::Mesh),
                }]
            }
            // Where nothing is wrong its picture says more than an empty list.
            Pane::Namespaces => {
                let request = |n: &Namespace| match n.errors + n.warnings + n.infos {
                    0 => Request::Graph { filter: format!("ns:{}", n.name), node: None },
                    _ => Request::Findings(format!("ns:{}", n.name)),
                };
                self.chosen(cx).map(request).into_iter().collect()
            }
        }
    }
    fn chosen<'w>(&self, cx: &Cx<'w>) -> Option<&'w Namespace> {
        let list = self.namespaces(cx);
        self.namespace.get(list.len()).and_then(|i| list.get(i).copied())
    }
}

impl Screen for Overview {
    fn crumbs(&self, _cx: &Cx<'_>) -> Vec<String> {
        Vec::new()
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Overview, Scope::List]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let (top, below, _) = self.areas(cx);
        if let Some(sorted) = self.order.act(action, &ORDERS) {
            self.namespace.at = 0;
            return sorted.err().map(Request::Say).into_iter().collect();
        }
        match action {
            Action::NextPane | Action::PreviousPane => self.pane = if self.pane == Pane::Problems { Pane::Namespaces } else { Pane::Problems },
            Action::Open => return self.open(cx),
            Action::Findings => return self.chosen(cx).map(|n| Request::Findings(format!("ns:{}", n.name))).into_iter().collect(),
            Action::Graph => return self.chosen(cx).map(|n| Request::Graph { filter: format!("ns:{}", n.name), node: None }).into_iter().collect(),
            _ => {
                match self.pane {
                    Pane::Problems => self.problem.act(action, self.problems(cx).len(), usize::from(top.height.saturating_sub(3))),
                    Pane::Namespaces => self.namespace.act(action, self.namespaces(cx).len(), usize::from(below.height.saturating_sub(3))),
                };
            }
        }
        Vec::new()
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut pen = Pen { buffer, theme: cx.theme };
        let mut drawn = Drawn::default();
        summary(cx, &mut pen);
        let (top, below, side) = self.areas(cx);
        let problems = self.problems(cx);
        let inner = pane(&mut pen, top, &cx.titled("What is wrong now", &RANKED), self.pane == Pane::Problems);
        if problems.is_empty() {
            let text = if cx.filter.is_empty() { "Nothing that these sources show." } else { "Nothing that the filter lets through." };
            pen.paragraph(Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner }, inner.y, text, Role::Text);
        } else {
            let rows: Vec<Row> = problems
                .iter()
                .map(|p| vec![(cx.theme.glyph(p.health).to_owned(), Role::Health(p.health)), (p.subject.clone(), Role::Text), (p.text.clone(), Role::Text)])
                .collect();
            let table = Table {
                columns: if inner.width < 44 { &NARROW } else { &PROBLEMS },
                rows: &rows,
                cursor: self.problem,
                is_focused: self.pane == Pane::Problems,
            };
            let shown = table.draw(&mut pen, inner);
            spots(&mut drawn, &shown, problems.len(), 0);
            let free = Rect {
                y: inner.y + 1 + problems.len().min(usize::from(inner.height)) as u16,
                height: inner.height.saturating_sub(1 + problems.len() as u16),
                ..inner
            };
            if let Some(problem) = self.problem.get(problems.len()).map(|i| problems[i]) {
                whole(&mut pen, free, problem);
            }
            if self.pane == Pane::Problems {
                drawn.cursor = shown.cursor;
            }
        }
        let list = self.namespaces(cx);
        let order = self.order.said(ORDERS[0]);
        let title = if order.is_empty() { "Namespaces".to_owned() } else { format!("Namespaces {order}") };
        let inner = pane(&mut pen, below, &cx.titled(&title, &[Section::Configuration, Section::Metrics]), self.pane == Pane::Namespaces);
        let rows: Vec<Row> = list.iter().map(|n| namespace_row(n, cx)).collect();
        let columns = columns(cx);
        let table = Table { columns: &columns, rows: &rows, cursor: self.namespace, is_focused: self.pane == Pane::Namespaces };
        let shown = table.draw(&mut pen, inner);
        drawn.heads(&table, inner);
        spots(&mut drawn, &shown, list.len(), 1 << 20);
        if self.pane == Pane::Namespaces {
            drawn.cursor = shown.cursor;
        }
        if side.width > 0 {
            let inner = pane(&mut pen, side, &cx.titled("Control plane and certificates", &[Section::Proxies]), false);
            let inner = control_plane(cx, &mut pen, inner);
            expiries(cx, &mut pen, inner);
        }
        drawn
    }
    fn select(&mut self, spot: usize, cx: &Cx<'_>) {
        if let Some(column) = spot.checked_sub(HEAD) {
            self.order.click(columns(cx).get(column).map_or("", |c| c.title), &ORDERS);
        } else if spot >= 1 << 20 {
            (self.pane, self.namespace.at) = (Pane::Namespaces, spot - (1 << 20));
        } else {
            (self.pane, self.problem.at) = (Pane::Problems, spot);
        }
    }
    fn name(&self, cx: &Cx<'_>) -> Option<String> {
        match self.pane {
            Pane::Namespaces => self.chosen(cx).map(|n| n.name.clone()),
            Pane::Problems => {
                let list = self.problems(cx);
                self.problem.get(list.len()).and_then(|i| list.get(i)).map(|p| p.subject.clone())
            }
        }
    }
    fn objects(&self, cx: &Cx<'_>) -> Vec<String> {
        if self.pane == Pane::Namespaces {
            return self.chosen(cx).map(|n| format!("Namespace {}", n.name)).into_iter().collect();
        }
        let problems = self.problems(cx);
        match self.problem.get(problems.len()).map(|i| &problems[i].target) {
            Some(Target::Node(key)) => cx.world.objects(key),
            Some(Target::Finding(i)) => cx.world.findings.known().and_then(|all| Some(all.get(*i)?.object.clone())).into_iter().collect(),
            _ => Vec::new(),
        }
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        match self.pane {
            Pane::Problems => command_line(cx, "tui --no-tui"),
            Pane::Namespaces => match self.chosen(cx) {
                Some(n) => command_line(cx, &format!("analyze -n {}", n.name)),
                None => command_line(cx, "analyze"),
            },
        }
    }
}

/// The columns of the namespaces.
fn columns(cx: &Cx<'_>) -> Vec<Column> {
    match (cx.world.traffic.known(), &cx.world.history) {
        (None, _) => NAMESPACES.to_vec(),
        (Some(_), Some(_)) => WITH_TRAFFIC.to_vec(),
        (Some(_), None) => WITH_TRAFFIC.into_iter().filter(|c| !OVER_TIME.contains(&c.title)).collect(),
    }
}

/// The selected problem in all of its words, where the list leaves room.
fn whole(pen: &mut Pen<'_>, free: Rect, problem: &Problem) {
    let inner = Rect { x: free.x + 2, width: free.width.saturating_sub(4), ..free };
    let lines = wrap(&problem.text, usize::from(inner.width));
    // What fits its row is not said again.
    if lines.len() < 2 && width(&problem.text) + width(&problem.subject) + 6 < usize::from(free.width) || usize::from(free.height) < lines.len() + 2 {
        return;
    }
    let y = free.bottom() - lines.len() as u16 - 1;
    pen.text(inner.x, y, &problem.subject, usize::from(inner.width), Role::Name);
    for (line, y) in lines.iter().zip(y + 1..free.bottom()) {
        pen.text(inner.x, y, line, usize::from(inner.width), Role::Text);
    }
}

/// Makes the rows of a table spots, numbered from `base`.
pub(super) fn spots(drawn: &mut Drawn, shown: &crate::widgets::table::Shown, rows: usize, base: usize) {
    for i in 0..shown.area.height {
        let row = shown.first + usize::from(i);
        if row < rows {
            drawn.spots.push((Rect { y: shown.area.y + i, height: 1, ..shown.area }, base + row));
        }
    }
}

fn namespace_row(n: &Namespace, cx: &Cx<'_>) -> Row {
    let count = |c: usize, role: Role| (c.to_string(), if c == 0 { Role::Dim } else { role });
    let in_mesh = match (n.workloads, n.unknown) {
        (0, _) => ("-".to_owned(), Role::Dim),
        (all, 0) => (format!("{}/{all}", n.in_mesh), Role::Text),
        (all, unknown) => (format!("{}/{all} ?{unknown}", n.in_mesh), Role::Text),
    };
    let mut row = vec![(cx.theme.glyph(n.health()).to_owned(), Role::Health(n.health())), (n.name.clone(), Role::Text)];
    if cx.world.traffic.known().is_some() {
        let flow = n.flow.unwrap_or_default();
        let figure = |text: Option<String>, role: Role| text.map_or(("-".to_owned(), Role::Dim), |t| (t, role));
        let failing = if flow.errors().is_some_and(|e| e > 0.0) { Role::Health(n.traffic) } else { Role::Text };
        row.push((flow.rate(), if flow.is_idle() { Role::Dim } else { Role::Text }));
        row.push(figure(flow.errors().map(percent), failing));
        row.push(figure(flow.p95.map(milliseconds), Role::Text));
        row.push(figure(flow.mtls().map(percent), tls_role(flow.mtls())));
        if let Some(history) = &cx.world.history {
            let signals = history.namespaces.get(&n.name);
            row.push((signals.map_or(String::new(), |s| sparkline(&s.rate, TREND, cx.theme)), Role::Focus));
            row.push((signals.map_or(String::new(), |s| sparkline(&s.failed, TREND, cx.theme)), Role::Health(Health::Failing)));
        }
    }
    row.extend([
        count(n.errors, Role::Health(crate::graph::Health::Failing)),
        count(n.warnings, Role::Health(crate::graph::Health::Degraded)),
        count(n.services, Role::Text),
        count(n.workloads, Role::Text),
        in_mesh,
        count(n.configuration, Role::Text),
        count(n.proxies, Role::Text),
    ]);
    row
}

/// What is not encrypted is where one looks.
pub(super) fn tls_role(mtls: Option<f64>) -> Role {
    if mtls.is_some_and(|p| p < 100.0) { Role::Health(Health::Degraded) } else { Role::Text }
}

fn summary(cx: &Cx<'_>, pen: &mut Pen<'_>) {
    let [errors, warnings, infos] = cx.world.levels();
    let proxies = cx.world.proxies.shared().map_or(0, Vec::len);
    let bad = cx.world.proxies.known().map_or(0, |p| p.iter().filter(|p| p.health() >= Health::Degraded).count());
    let mark = |h| format!(" {} ", cx.theme.glyph(h));
    let (failing, degraded, idle) = (mark(Health::Failing), mark(Health::Degraded), mark(Health::Idle));
    let findings = match cx.world.findings.known() {
        Some(_) => [format!("{errors} errors"), format!("{warnings} warnings"), format!("{infos} infos")],
        None => ["findings: not available".to_owned(), String::new(), String::new()],
    };
    let proxies = if proxies == 0 { "proxies: not available".to_owned() } else { format!("{proxies} proxies, {bad} in trouble") };
    let mut parts: Vec<(&str, Role)> = Vec::new();
    if cx.world.findings.known().is_some() {
        parts.extend([(failing.as_str(), Role::Health(Health::Failing)), (&findings[0], Role::Text)]);
        parts.extend([(degraded.as_str(), Role::Health(Health::Degraded)), (&findings[1], Role::Text)]);
        parts.extend([(idle.as_str(), Role::Health(Health::Idle)), (&findings[2], Role::Text)]);
    } else {
        parts.extend([(" ", Role::Text), (findings[0].as_str(), Role::Dim)]);
    }
    let traffic = match cx.world.traffic.known().map(|t| t.whole()) {
        None => [("traffic: not available".to_owned(), Role::Dim), (String::new(), Role::Text), (String::new(), Role::Text)],
        Some(whole) => {
            let failed = whole.errors().map_or(String::new(), |e| format!("  {} fail", percent(e)));
            let role = if whole.failed > 0.0 { Role::Health(Health::Degraded) } else { Role::Text };
            let tls = whole.mtls().map_or("  mTLS: not known".to_owned(), |p| format!("  mTLS {}", percent(p)));
            [(whole.rate(), Role::Name), (failed, role), (tls, tls_role(whole.mtls()))]
        }
    };
    // What traffic says comes before what configuration says.
    let mut all: Vec<(&str, Role)> = vec![(" ", Role::Text)];
    all.extend(traffic.iter().map(|(text, role)| (text.as_str(), *role)));
    // Each figure says how old it is where it is stale.
    let [of_traffic, of_findings, of_proxies] =
        [Section::Metrics, Section::Configuration, Section::Proxies].map(|s| cx.ages.of(&[s]).map_or(String::new(), |age| format!(" ({age})")));
    all.extend([(of_traffic.as_str(), Role::Dim), ("  ", Role::Text)]);
    all.extend(parts);
    all.extend([(of_findings.as_str(), Role::Dim), ("   ", Role::Text), (proxies.as_str(), Role::Text), (of_proxies.as_str(), Role::Dim)]);
    pen.row(cx.area, cx.area.y, &all);
}

/// Versions of control planes and whether their proxies follow them; the rest of the area.
fn control_plane(cx: &Cx<'_>, pen: &mut Pen<'_>, area: Rect) -> Rect {
    let mut rows: Vec<Vec<(String, Role)>> = Vec::new();
    for v in cx.world.versions.iter().filter_map(|v| Some((v.of.strip_prefix("control plane ")?, &v.version))) {
        rows.push(vec![(v.0.to_owned(), Role::Text), (" ".to_owned(), Role::Text), (v.1.clone(), Role::Name)]);
    }
    if let Some(sync) = cx.world.sync.known() {
        let health = sync.iter().map(|s| s.health()).max().unwrap_or_default();
        rows.push(vec![(format!("{} ", cx.theme.glyph(health)), Role::Health(health)), (synced(sync), Role::Text)]);
    }
    if rows.is_empty() {
        rows.push(vec![("control plane: not available".to_owned(), Role::Dim)]);
    }
    // Half of the area is the certificates'.
    let shown = rows.len().min(usize::from(area.height / 2)) as u16;
    for (row, y) in rows.iter().zip(area.y..area.y + shown) {
        let parts: Vec<(&str, Role)> = row.iter().map(|(text, role)| (text.as_str(), *role)).collect();
        pen.row(area, y, &parts);
    }
    Rect { y: area.y + shown, height: area.height - shown, ..area }
}

/// `58 of 61 proxies have what was sent`.
pub(super) fn synced(sync: &[crate::world::sync::Sync]) -> String {
    let fine = sync.iter().filter(|s| s.health() < Health::Degraded).count();
    format!("{fine} of {} {} what was sent", sync.len(), if sync.len() == 1 { "proxy has" } else { "proxies have" })
}

fn expiries(cx: &Cx<'_>, pen: &mut Pen<'_>, area: Rect) {
    let Some(all) = cx.world.certificates.known() else {
        pen.paragraph(area, area.y, "not available: no source holds the certificates of proxies", Role::Dim);
        return;
    };
    if all.is_empty() {
        pen.paragraph(area, area.y, "The dumps hold no certificates.", Role::Dim);
    }
    for (c, y) in all.iter().zip(area.y..area.bottom()) {
        let left = c.not_after - cx.world.as_of;
        let (text, role) = if left <= 0 { (format!("expired {}", span(left)), Role::Health(crate::graph::Health::Failing)) } else { (span(left), Role::Text) };
        pen.row(area, y, &[(&format!("{text:>16} "), role), (&c.of, Role::Text), (" ", Role::Text), (&c.name, Role::Dim)]);
    }
}
