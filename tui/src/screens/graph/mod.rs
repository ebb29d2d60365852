//! The graph: traffic where it is known, else what configuration says.

mod asked;
mod beyond;
mod counterpart;
mod inspector;
mod walk;

use super::{Cx, Drawn, Request, Screen, command_line, known, not_available};
use crate::action::{Action, Scope};
use crate::find::{Find, Hits};
use crate::graph::collapse::{COLLAPSED, all};
use crate::graph::flow::milliseconds;
use crate::graph::layout::Area;
use crate::graph::paint::{Look, paint};
use crate::graph::readable::{Form, Picture};
use crate::graph::tree::tree;
use crate::graph::{Detail, Health, Labels, Layout, View, matrix};
use crate::text::width;
use crate::theme::Role;
use crate::widgets::Pen;
use crate::world::sections::Section;
use crate::world::{World, nodes_of};
pub use asked::{Job, Made, Whole};
use asked::{Question, Shown};
use beyond::Beyond;
use counterpart::Standing;
use inspector::{inspector, of_namespace};
use mesh_model::graph::GraphType;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use std::collections::BTreeSet;

type Name = (String, String);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    /// What is readable.
    #[default]
    Picture,
    Matrix,
    Tree,
}

#[derive(Default)]
pub struct Graph {
    asked: Question,
    selected: Option<Name>,
    /// What named nodes are, to find them again in another type of graph.
    standing: Standing,
    /// The namespace whose box is selected, in place of a node.
    boxed: Option<String>,
    shape: Shape,
    pan: (i32, i32),
    /// Whether the inspector is shown; `None` where the width decides.
    inspector: Option<bool>,
    prepared: Option<(Question, Picture)>,
    /// The picture that is being made, and the number of its job.
    waited: Option<(u64, Question)>,
    /// A job that nobody has taken yet.
    job: Option<Job>,
    jobs: u64,
    /// What the expression finds of the picture's view.
    found: Hits,
    /// The expressions as they were typed.
    texts: (String, String),
}

/// Columns of the inspector, and from which width on it is shown.
const INSPECTOR: u16 = 38;
const WIDE: u16 = 100;
/// Rows from which on there is one for the selected node, where no inspector tells of it.
const LOW: u16 = 12;

/// What is where.
struct Areas {
    /// Columns and rows that the picture is made for.
    size: (u16, u16),
    /// Where of it is drawn.
    canvas: Rect,
    /// The inspector, or nothing.
    side: Rect,
    /// What is known of the selected node where there is no inspector, or nothing.
    line: Rect,
}

impl Graph {
    /// Nothing of the world before holds any more; the layout is kept to start from.
    pub fn forget(&mut self) {
        if let Some((question, _)) = &mut self.prepared {
            question.size = (0, 0);
        }
        self.waited = None;
    }
    /// Marks what an expression finds; "" marks nothing.
    pub fn find(&mut self, text: &str) -> Result<(), String> {
        self.asked.find = Find::parse(text)?;
        self.texts.0 = text.to_owned();
        Ok(())
    }
    /// Leaves out what an expression finds; "" shows everything.
    pub fn hide(&mut self, text: &str) -> Result<(), String> {
        self.asked.hide = Find::parse(text)?;
        self.texts.1 = text.to_owned();
        Ok(())
    }
    /// What is found and what is hidden, as it was typed.
    pub fn expressions(&self) -> (&str, &str) {
        (&self.texts.0, &self.texts.1)
    }
    /// Nodes to go to: those found, and those that found edges lead to.
    fn is_hit(&self, view: &View, node: usize) -> bool {
        self.asked.find.is_empty()
            || self.found.nodes.get(node) == Some(&true)
            || view.edges().iter().zip(&self.found.edges).any(|(e, hit)| *hit && e.to == node)
    }
    /// Lines of text in place of a picture; `v` draws one all the same.
    pub fn as_lines(&mut self) {
        self.shape = Shape::Tree;
    }
    /// Whether nodes and lines are drawn, which can be moved.
    pub fn is_picture(&self) -> bool {
        self.shape == Shape::Picture && self.picture().is_some_and(|p| matches!(p.form, Form::Drawn(_)))
    }
    /// Moves the picture by so many columns and rows.
    pub fn drag(&mut self, (columns, rows): (i32, i32)) {
        self.pan = (self.pan.0 - columns, self.pan.1 - rows);
    }
    pub fn choose(&mut self, node: Name) {
        self.selected = Some(node);
        self.standing.is_named_elsewhere = true;
        self.boxed = None;
        self.pan = (0, 0);
    }
    /// The view that is asked for.
    fn base<'w>(&self, world: &'w World) -> Option<&'w View> {
        match self.asked.source {
            Shown::Traffic => world.drawn().map(|t| &t.view).or(world.view()),
            Shown::Configuration => world.configuration.known().map(|c| &c.view).or(world.view()),
        }
    }
    /// Traffic and not configuration.
    pub fn show_traffic(&mut self) {
        self.asked.source = Shown::Traffic;
    }
    /// Whether that is who calls whom, and not who is routed where.
    fn is_traffic(&self, world: &World) -> bool {
        world.traffic.known().is_some() && (self.asked.source == Shown::Traffic || world.configuration.known().is_none())
    }
    fn has_inspector(&self, cx: &Cx<'_>) -> bool {
        self.shape != Shape::Tree && self.inspector.unwrap_or(cx.area.width >= WIDE)
    }
    fn areas(&self, cx: &Cx<'_>) -> Areas {
        let a = cx.area;
        let has_inspector = self.has_inspector(cx);
        let side = match a.width {
            _ if !has_inspector => 0,
            // Where it leaves nothing of the picture it takes all.
            width if width < INSPECTOR * 2 => width,
            _ => INSPECTOR,
        };
        let note = 1.min(a.height);
        let line = u16::from(!has_inspector && self.shape != Shape::Tree && a.height >= LOW);
        let canvas = Rect { y: a.y + note, width: a.width - side, height: a.height - note - line, ..a };
        // A narrow picture is not made anew for the inspector: it is moved to what is selected.
        let columns = if a.width >= WIDE { canvas.width } else { a.width };
        Areas {
            size: (columns, a.height - note - u16::from(a.width < WIDE && a.height >= LOW)),
            canvas,
            side: Rect { x: canvas.right(), y: a.y, width: side, height: a.height },
            line: Rect { y: canvas.bottom(), height: line, ..a },
        }
    }
    /// Keeps the picture from being moved further than is seen.
    fn bound(&mut self, cx: &Cx<'_>) {
        let Some((_, Picture { view, form: Form::Drawn(layout), .. })) = &self.prepared else { return };
        let canvas = self.areas(cx).canvas;
        let moved = self.origin(layout, view, canvas);
        let unmoved = self.origin_of((0, 0), layout, view, canvas);
        self.pan = (moved.0 - unmoved.0, moved.1 - unmoved.1);
    }
    fn picture(&self) -> Option<&Picture> {
        self.prepared.as_ref().map(|(_, p)| p)
    }
    /// The selected node, or the first one.
    fn node(&self, view: &View) -> Option<usize> {
        let found = self.selected.as_ref().and_then(|(ns, name)| {
            let collapsed = view.find(ns, COLLAPSED);
            view.find(ns, name).or(collapsed)
        });
        found.or_else(|| view.worst())
    }
    fn walk(&mut self, action: Action) {
        let Some((_, Picture { view, form, .. })) = &self.prepared else { return };
        let Some(at) = self.node(view) else { return };
        if let (Form::Drawn(layout), Some(boxed)) = (form, self.boxed(view)) {
            if let Some(lane) = walk::lane(view, layout, boxed, action) {
                self.selected = view.worst_of(lane.nodes.clone()).and_then(|n| view.nodes().get(n)).map(|n| (n.namespace.clone(), n.name.clone()));
                self.boxed = Some(lane.namespace.clone());
                self.pan = (0, 0);
            }
            return;
        }
        let next = match form {
            Form::Drawn(layout) if self.shape == Shape::Picture => walk::step(view, layout, at, action, &|n| self.is_hit(view, n)),
            _ => match action {
                Action::Down | Action::NextMatch => Some((at + 1).min(view.nodes().len() - 1)),
                Action::Up | Action::PreviousMatch => at.checked_sub(1),
                _ => None,
            },
        };
        if let Some(node) = next.and_then(|n| view.nodes().get(n)) {
            self.selected = Some((node.namespace.clone(), node.name.clone()));
            self.pan = (0, 0);
        }
    }
    /// The namespace whose box is selected, where it is drawn.
    fn boxed(&self, view: &View) -> Option<&str> {
        let boxed = self.boxed.as_deref()?;
        (self.shape == Shape::Picture && view.nodes().iter().any(|n| n.namespace == boxed)).then_some(boxed)
    }
    fn origin(&self, layout: &Layout, view: &View, canvas: Rect) -> (i32, i32) {
        self.origin_of(self.pan, layout, view, canvas)
    }
    /// The cell in the upper left corner, where the picture was moved by so much.
    fn origin_of(&self, pan: (i32, i32), layout: &Layout, view: &View, canvas: Rect) -> (i32, i32) {
        let lane = self.boxed(view).and_then(|b| layout.lanes.iter().find(|l| l.namespace == b));
        let at = self.node(view).and_then(|n| layout.nodes.get(n)).copied().unwrap_or_default();
        // Of a box that is larger than the window the corner with its name is seen.
        let at = lane.map_or(at, |l| Area {
            right: l.area.right.min(l.area.left + i32::from(canvas.width)),
            bottom: l.area.bottom.min(l.area.top + i32::from(canvas.height)),
            ..l.area
        });
        let place = |size: i32, window: u16, middle: i32, pan: i32| {
            let window = i32::from(window);
            // A corner of it stays in sight, wherever it is moved to.
            let least = (window / 4).min(size);
            let start = if size <= window { (size - window) / 2 } else { (middle - window / 2).clamp(0, size - window) };
            (start + pan).clamp(least - window, size - least)
        };
        (place(layout.width, canvas.width, (at.left + at.right) / 2, pan.0), place(layout.height, canvas.height, (at.top + at.bottom) / 2, pan.1))
    }
}

impl Screen for Graph {
    fn crumbs(&self, cx: &Cx<'_>) -> Vec<String> {
        let mut out = Vec::new();
        out.push(match cx.world.drawn().filter(|_| self.is_traffic(cx.world)) {
            Some(traffic) => format!("traffic of {}", nodes_of(traffic.graph_type)),
            None => "configuration, not traffic".to_owned(),
        });
        if let Some(((_, name), hops)) = &self.asked.focus {
            out.push(format!("{hops} {} around {name}", if *hops == 1 { "hop" } else { "hops" }));
        }
        if !self.asked.find.is_empty() {
            let count = |hits: &[bool]| hits.iter().filter(|h| **h).count();
            out.push(format!("found {} nodes {} edges", count(&self.found.nodes), count(&self.found.edges)));
        }
        if !self.asked.hide.is_empty() {
            out.push(format!("hidden: {}", self.texts.1));
        }
        if let Some(p) = self.picture() {
            out.push(format!("{} nodes {} edges", p.view.nodes().len(), p.view.edges().len()));
        }
        out
    }
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Graph]
    }
    fn act(&mut self, action: Action, cx: &Cx<'_>) -> Vec<Request> {
        let Some(base) = self.base(cx.world) else { return Vec::new() };
        let shown = self.picture().map_or(base, |p| &p.view);
        let node = self.node(shown).and_then(|n| shown.nodes().get(n)).map(|n| (n.namespace.clone(), n.name.clone()));
        match action {
            Action::Boxes => {
                self.boxed = match self.boxed.take() {
                    None => node.map(|(ns, _)| ns),
                    Some(_) => None,
                };
                if self.boxed.is_some() && self.shape != Shape::Picture {
                    self.shape = Shape::Picture;
                }
                self.pan = (0, 0);
            }
            // A box that is open lets one in, to the worst of its nodes.
            Action::Open if self.boxed(shown).is_some() && node.as_ref().is_some_and(|(_, name)| name != COLLAPSED) => self.boxed = None,
            Action::Open => {
                // A collapsed namespace opens; a node shows its detail.
                return match node {
                    Some((ns, name)) if name == COLLAPSED => {
                        if self.asked.collapsed.is_empty() {
                            self.asked.collapsed = all(base);
                        }
                        self.asked.collapsed.remove(&ns);
                        Vec::new()
                    }
                    Some(node) => {
                        let (ns, name) = self.detail_of(node, cx.world);
                        vec![Request::Detail(ns, name)]
                    }
                    None => Vec::new(),
                };
            }
            Action::Focus => {
                self.asked.focus = match (self.asked.focus.take(), node) {
                    (None, Some(node)) if node.1 != COLLAPSED => Some((node, 1)),
                    _ => None,
                };
                self.boxed = None;
                self.pan = (0, 0);
            }
            Action::More | Action::Fewer => {
                if let Some((_, hops)) = &mut self.asked.focus {
                    *hops = if action == Action::More { (*hops + 1).min(6) } else { hops.saturating_sub(1).max(1) };
                }
            }
            Action::Detail => {
                self.asked.detail = match self.asked.detail {
                    None => Some(Detail::Full),
                    Some(Detail::Full) => Some(Detail::Compact),
                    Some(Detail::Compact) => Some(Detail::Name),
                    Some(Detail::Name) => None,
                };
                let what = match self.asked.detail {
                    None => "size: what fits",
                    Some(Detail::Full) => "size: boxes",
                    Some(Detail::Compact) => "size: a row each",
                    Some(Detail::Name) => "size: a short name each",
                };
                return vec![Request::Say(what.to_owned())];
            }
            Action::Collapse => {
                if let Some((ns, name)) = node {
                    if name == COLLAPSED && self.asked.collapsed.is_empty() {
                        self.asked.collapsed = all(base);
                    }
                    if !self.asked.collapsed.remove(&ns) {
                        self.asked.collapsed.insert(ns);
                    }
                }
            }
            Action::CollapseAll => self.asked.collapsed = if self.asked.collapsed.is_empty() { all(base) } else { BTreeSet::new() },
            Action::Form => {
                self.shape = match self.shape {
                    Shape::Picture => Shape::Matrix,
                    Shape::Matrix => Shape::Tree,
                    Shape::Tree => Shape::Picture,
                };
            }
            Action::Labels if !self.is_traffic(cx.world) => {
                return vec![Request::Say("labels are of traffic, and this picture is of configuration".to_owned())];
            }
            Action::Labels => {
                self.asked.label = self.asked.label.next();
                return vec![Request::Say(format!("labels: {}", self.asked.label.name()))];
            }
            Action::Source => {
                let other = if self.asked.source == Shown::Traffic { Shown::Configuration } else { Shown::Traffic };
                let is_known = if other == Shown::Traffic { cx.world.traffic.known().is_some() } else { cx.world.configuration.known().is_some() };
                if !is_known {
                    let what = if other == Shown::Traffic { "traffic" } else { "configuration" };
                    return vec![Request::Say(format!("{what}: not available: no source holds any"))];
                }
                self.asked.source = other;
                self.asked.focus = None;
            }
            Action::Inspector => self.inspector = Some(!self.has_inspector(cx)),
            Action::Relayout => (self.prepared, self.waited) = (None, None),
            Action::PanLeft => self.pan.0 -= 8,
            Action::PanRight => self.pan.0 += 8,
            Action::PanUp | Action::PageUp => self.pan.1 -= if action == Action::PanUp { 3 } else { i32::from(cx.area.height / 2) },
            Action::PanDown | Action::PageDown => self.pan.1 += if action == Action::PanDown { 3 } else { i32::from(cx.area.height / 2) },
            _ => self.walk(action),
        }
        self.bound(cx);
        Vec::new()
    }
    fn prepare(&mut self, cx: &Cx<'_>) {
        self.follow(cx.world);
        let Some(base) = self.base(cx.world) else {
            self.prepared = None;
            return;
        };
        self.asked.size = self.areas(cx).size;
        self.asked.filter = cx.filter.clone();
        self.answer(base, cx);
    }
    fn escape(&mut self) -> bool {
        self.boxed.take().is_some()
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut drawn = Drawn::default();
        let Areas { canvas, side, line: about, .. } = self.areas(cx);
        if self.base(cx.world).is_none() {
            known(&cx.world.configuration, "Graph", cx, buffer, cx.area);
            return drawn;
        }
        let mut pen = Pen { buffer, theme: cx.theme };
        let Some(p) = self.picture() else {
            if self.waited.is_some() {
                pen.row(cx.area, cx.area.y, &[(" laying out…", Role::Dim)]);
            }
            return drawn;
        };
        if p.view.is_empty() {
            not_available(&mut pen, canvas, "Graph", "Nothing that the filter lets through.", "esc clears it.");
            return drawn;
        }
        let selected = self.node(&p.view);
        let boxed = self.boxed(&p.view);
        let section = if self.is_traffic(cx.world) { Section::Metrics } else { Section::Configuration };
        let age = cx.ages.of(&[section]).map_or(String::new(), |age| format!(" {age} ·"));
        pen.row(cx.area, cx.area.y, &[(&age, Role::Health(Health::Degraded))]);
        let line = Rect { x: cx.area.x + width(&age) as u16, width: canvas.width.saturating_sub(width(&age) as u16), ..cx.area };
        let drawn_at = match &p.form {
            Form::Drawn(layout) if self.shape == Shape::Picture => Some((layout, self.origin(layout, &p.view, canvas))),
            _ => None,
        };
        let beyond = drawn_at.map_or_else(Beyond::default, |(layout, origin)| Beyond::of(layout, origin, canvas));
        match &self.waited {
            Some(_) => pen.row(line, line.y, &[(" laying out…", Role::Dim)]),
            None => {
                // Without the inspector there may be room for more of each node.
                let has_room = |(width, height): (i32, i32)| width <= i32::from(cx.area.width) && height <= i32::from(canvas.height);
                let text = match p.boxes.filter(|boxes| side.width > 0 && has_room(*boxes)) {
                    Some(_) if self.shape == Shape::Picture => "i makes room for boxes · ",
                    _ => "",
                };
                note(cx, &mut pen, p, (self.is_traffic(cx.world), beyond, text), line);
            }
        }
        match (self.shape, &p.form) {
            (Shape::Tree, _) => lines(cx, &mut pen, &p.view, selected, canvas, &mut drawn),
            (Shape::Picture, Form::Drawn(layout)) => {
                let origin = self.origin(layout, &p.view, canvas);
                let look = Look {
                    theme: cx.theme,
                    origin,
                    selected: self.selected.as_ref().and(selected).filter(|_| boxed.is_none()),
                    boxed,
                    found: &self.found.edges,
                };
                paint(layout, &p.view, &look, canvas, pen.buffer);
                beyond.draw(&mut pen, canvas);
                if let Some(lane) = boxed.and_then(|b| layout.lanes.iter().find(|l| l.namespace == b)) {
                    let rect = visible(&lane.area, look.origin, canvas);
                    drawn.cursor = Some(Position { x: rect.x, y: rect.y });
                }
                for (n, at) in layout.nodes.iter().enumerate() {
                    let rect = visible(at, look.origin, canvas);
                    if rect.width > 0 && rect.height > 0 {
                        if self.found.nodes.get(n) == Some(&true) {
                            pen.buffer.set_style(rect, Style::new().add_modifier(Modifier::UNDERLINED));
                        }
                        drawn.spots.push((rect, n));
                        if selected == Some(n) && boxed.is_none() {
                            drawn.cursor = Some(Position { x: rect.x, y: rect.y });
                        }
                    }
                }
            }
            _ => matrix::paint(&p.view, selected, cx.theme, canvas, pen.buffer),
        }
        if let Some(n) = selected.filter(|_| about.height > 0) {
            summary(cx, &mut pen, &p.view, n, about);
        }
        if let (Some(boxed), true) = (boxed, side.width > 0) {
            of_namespace(cx, &mut pen, &p.view, boxed, side);
        } else if let Some(n) = selected.filter(|_| side.width > 0) {
            inspector(cx, &mut pen, &p.view, n, side, self.is_traffic(cx.world));
        }
        drawn
    }
    fn select(&mut self, spot: usize, _cx: &Cx<'_>) {
        let node = self.picture().and_then(|p| p.view.nodes().get(spot)).map(|n| (n.namespace.clone(), n.name.clone()));
        self.selected = node.or(self.selected.take());
        self.boxed = None;
    }
    fn name(&self, _cx: &Cx<'_>) -> Option<String> {
        let view = &self.picture()?.view;
        if let Some(boxed) = self.boxed(view) {
            return Some(boxed.to_owned());
        }
        self.node(view).and_then(|n| view.nodes().get(n)).map(|n| if n.name == COLLAPSED { n.namespace.clone() } else { format!("{}/{}", n.namespace, n.name) })
    }
    fn objects(&self, cx: &Cx<'_>) -> Vec<String> {
        let view = self.picture().map(|p| &p.view);
        let node = view.and_then(|v| v.nodes().get(self.node(v)?));
        node.map_or(Vec::new(), |n| cx.world.objects_of_drawn(&(n.namespace.clone(), n.name.clone())))
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        match cx.world.drawn().filter(|_| self.is_traffic(cx.world)) {
            Some(traffic) => {
                let of = match traffic.graph_type {
                    GraphType::Workload => String::new(),
                    other => format!("--type {}", other.name()),
                };
                let only = self.picture().and_then(|p| self.boxed(&p.view)).map_or(String::new(), |ns| format!("-n {ns}"));
                ["meshctl graph", &traffic.arguments, &of, &only].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
            }
            None => command_line(cx, "tui --no-tui --open graph"),
        }
    }
}

/// The line above the picture: what was decided and how to see more, else what the marks mean.
fn note(cx: &Cx<'_>, pen: &mut Pen<'_>, p: &Picture, (is_traffic, beyond, hint): (bool, Beyond, &str), area: Rect) {
    let all = p.view.nodes().len();
    if !p.note.is_empty() {
        pen.row(area, area.y, &[(" ", Role::Dim), (&p.note, Role::Health(Health::Degraded))]);
    } else if beyond.all > 0 {
        let text = format!("{} of {all} nodes are out of sight: H J K L move · e what is near one · z size", beyond.all);
        pen.row(area, area.y, &[(" ", Role::Dim), (&text, Role::Health(Health::Degraded))]);
    } else if !is_traffic {
        let marks = [Health::Ok, Health::Degraded, Health::Failing, Health::Unknown].map(|h| cx.theme.glyph(h));
        let text = format!(
            " {hint}{} no finding {} warning {} error {} not in the input · routes and selectors: who calls whom is not known",
            marks[0], marks[1], marks[2], marks[3]
        );
        pen.row(area, area.y, &[(&text, Role::Dim)]);
    } else {
        let marks = [Health::Ok, Health::Degraded, Health::Failing, Health::Idle].map(|h| cx.theme.glyph(h));
        // Where there is no room for labels nothing is said of them.
        let labels = match &p.form {
            Form::Drawn(layout) if layout.labels == Labels::Shown => format!(" · labels: {}", p.view.shown().name()),
            _ => String::new(),
        };
        let text = format!(" {hint}{} well {} some fail {} many fail {} no traffic{labels}", marks[0], marks[1], marks[2], marks[3]);
        pen.row(area, area.y, &[(&text, Role::Dim)]);
    }
}

/// What is known of the selected node, in a row.
fn summary(cx: &Cx<'_>, pen: &mut Pen<'_>, view: &View, n: usize, area: Rect) {
    let node = &view.nodes()[n];
    let count = |is_end: fn(&crate::graph::Edge, usize) -> bool| view.edges().iter().filter(|e| is_end(e, n)).count();
    let (callers, callees) = (count(|e, n| e.to == n), count(|e, n| e.from == n));
    let name = if node.name == COLLAPSED { &node.namespace } else { &node.name };
    let p95 = node.flow.and_then(|f| f.p95).map_or(String::new(), |p| format!(" p95 {}", milliseconds(p)));
    let arrow = cx.theme.pick(["→"], ["->"])[0];
    let rest = format!("  {}{p95} · {callers} {arrow} it {arrow} {callees} · i tells more", node.figures);
    pen.row(
        area,
        area.y,
        &[(" ", Role::Text), (cx.theme.glyph(node.health), Role::Health(node.health)), (" ", Role::Text), (name, Role::Name), (&rest, Role::Text)],
    );
}

/// The part of a node's area that is seen.
fn visible(at: &crate::graph::layout::Area, origin: (i32, i32), canvas: Rect) -> Rect {
    let clamp = |v: i32, size: u16| v.clamp(0, i32::from(size)) as u16;
    let (x0, x1) = (clamp(at.left - origin.0, canvas.width), clamp(at.right - origin.0, canvas.width));
    let (y0, y1) = (clamp(at.top - origin.1, canvas.height), clamp(at.bottom - origin.1, canvas.height));
    Rect { x: canvas.x + x0, y: canvas.y + y0, width: x1 - x0, height: y1 - y0 }
}

fn lines(cx: &Cx<'_>, pen: &mut Pen<'_>, view: &View, selected: Option<usize>, area: Rect, drawn: &mut Drawn) {
    let Some(selected) = selected else { return };
    for (line, y) in tree(view, selected).iter().zip(area.y..area.bottom()) {
        let indent = " ".repeat(2 + line.depth * 2);
        match line.node {
            None => pen.row(area, y, &[(&indent, Role::Text), (&line.text, Role::Heading)]),
            Some(n) => {
                let role = if n == selected && line.depth == 0 { Role::Selected } else { Role::Text };
                pen.row(area, y, &[(&indent, Role::Text), (cx.theme.glyph(line.health), Role::Health(line.health)), (" ", Role::Text), (&line.text, role)]);
                drawn.spots.push((Rect { y, height: 1, ..area }, n));
                if n == selected && line.depth == 0 {
                    drawn.cursor = Some(Position { x: area.x, y });
                }
            }
        }
    }
}
