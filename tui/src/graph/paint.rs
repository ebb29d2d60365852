//! Drawing the part of a layout that a window shows.

use super::layout::{Area, Detail, Flow, Layout};
use super::raster::{Cell, DOWN, LEFT, RIGHT, Raster, UP};
use super::view::{Health, Node, View};
use crate::text::{cut, shorten, width};
use crate::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Longer names lose their middle.
pub const NAME: usize = 28;

/// The same where nothing else of a node is drawn, as there is no room.
const SHORT: usize = 20;

/// How a picture is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'l> {
    pub theme: &'l Theme,
    /// The cell of the layout that stands in the window's upper left corner.
    pub origin: (i32, i32),
    /// The node whose lines stand out.
    pub selected: Option<usize>,
    /// The namespace whose frame stands out.
    pub boxed: Option<&'l str>,
    /// Edges that were found and stand out as well; empty for none.
    pub found: &'l [bool],
}

/// The columns of a node.
pub(super) fn node_width(node: &Node, detail: Detail) -> i32 {
    let name = width(&shorten(&node.name, NAME));
    let badges = width(&node.badges);
    let columns = match detail {
        Detail::Full => (name + 4).max(width(&node.figures) + 5).max(if badges > 0 { badges + 5 } else { 0 }),
        Detail::Compact => 2 + name + if badges > 0 { badges + 1 } else { 0 },
        Detail::Name => 2 + width(&shorten(&node.name, SHORT)),
    };
    columns as i32
}

/// Draws a layout of a view into an area of a buffer.
pub fn paint(layout: &Layout, view: &View, look: &Look<'_>, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    let (x, y) = look.origin;
    let window = Area { left: x, top: y, right: x + i32::from(area.width), bottom: y + i32::from(area.height) };
    let is_lit = |e: usize| look.found.get(e) == Some(&true) || look.selected.is_some_and(|n| view.edges().get(e).is_some_and(|e| e.from == n || e.to == n));
    let mut pen = Pen { buffer, area, window, theme: look.theme };
    frames(layout, look, &mut pen);
    let raster = Raster::new(layout, view, window, is_lit);
    lines(&raster, look, &mut pen);
    heads(layout, view, look, &mut pen);
    labels(layout, view, look, &mut pen);
    titles(layout, view, look, &mut pen);
    let mut marks = vec![Mark { is_selected: false, is_near: look.selected.is_none(), calls_itself: false }; layout.nodes.len()];
    for (e, path) in view.edges().iter().zip(&layout.paths) {
        marks[e.from].calls_itself |= path.flow == Flow::Own;
        if let Some(selected) = look.selected.filter(|&s| e.from == s || e.to == s) {
            marks[e.from].is_near = true;
            marks[e.to].is_near = true;
            marks[selected].is_selected = true;
        }
    }
    if let Some(mark) = look.selected.and_then(|s| marks.get_mut(s)) {
        *mark = Mark { is_selected: true, is_near: true, ..*mark };
    }
    for ((n, at), mark) in layout.nodes.iter().enumerate().zip(marks).filter(|((_, at), _)| at.meets(&window)) {
        let Some(node) = view.nodes().get(n) else { continue };
        match layout.detail {
            Detail::Full => full(node, at, &mark, &mut pen),
            Detail::Compact => row(node, at, &mark, &mut pen, (NAME, &node.badges)),
            Detail::Name => row(node, at, &mark, &mut pen, (SHORT, "")),
        }
    }
}

#[derive(Clone, Copy)]
struct Mark {
    is_selected: bool,
    is_near: bool,
    calls_itself: bool,
}

/// Writes at cells of the layout; what lies outside the window is left out.
struct Pen<'p> {
    buffer: &'p mut Buffer,
    area: Rect,
    window: Area,
    theme: &'p Theme,
}

impl Pen<'_> {
    fn put(&mut self, x: i32, y: i32, symbol: &str, style: Style) {
        if self.window.contains(x, y) {
            let (column, row) = (self.area.x + (x - self.window.left) as u16, self.area.y + (y - self.window.top) as u16);
            if let Some(cell) = self.buffer.cell_mut((column, row)) {
                cell.set_symbol(symbol).set_style(style);
            }
        }
    }
    /// Writes clean text.
    fn text(&mut self, x: i32, y: i32, text: &str, style: Style) {
        let mut at = x;
        let mut buffer = [0; 4];
        for c in text.chars() {
            let s = c.encode_utf8(&mut buffer);
            let w = width(s) as i32;
            if w == 0 {
                continue;
            }
            // Half of a wide character can't be shown.
            let s = if w == 2 && !self.window.contains(at + 1, y) { " " } else { s };
            self.put(at, y, s, style);
            if w == 2 {
                self.put(at + 1, y, "", style);
            }
            at += w;
        }
    }
}

fn frames(layout: &Layout, look: &Look<'_>, pen: &mut Pen<'_>) {
    let [across, upright, a, b, c, d] = pen.theme.pick(["┄", "┆", "╭", "╮", "╰", "╯"], ["~", ":", ":", ":", ":", ":"]);
    let window = pen.window;
    for lane in layout.lanes.iter().filter(|l| l.area.meets(&window)) {
        let is_boxed = look.boxed == Some(lane.namespace.as_str());
        let style = pen.theme.style(if is_boxed { Role::Focus } else { Role::Frame });
        let Area { left, top, right, bottom } = lane.area;
        for x in (left + 1).max(window.left)..(right - 1).min(window.right) {
            pen.put(x, top, across, style);
            pen.put(x, bottom - 1, across, style);
        }
        for y in (top + 1).max(window.top)..(bottom - 1).min(window.bottom) {
            pen.put(left, y, upright, style);
            pen.put(right - 1, y, upright, style);
        }
        pen.put(left, top, a, style);
        pen.put(right - 1, top, b, style);
        pen.put(left, bottom - 1, c, style);
        pen.put(right - 1, bottom - 1, d, style);
    }
}

fn titles(layout: &Layout, view: &View, look: &Look<'_>, pen: &mut Pen<'_>) {
    let window = pen.window;
    for lane in layout.lanes.iter().filter(|l| l.area.meets(&window)) {
        let (worst, counts) = view.health_of(lane.nodes.clone());
        let count = counts.get(&worst).copied().unwrap_or(0);
        let mark = format!("{}{count}", pen.theme.mark(worst));
        let room = (lane.title as usize).saturating_sub(4 + width(&mark));
        let name = if lane.namespace.is_empty() { "(no namespace)" } else { &lane.namespace };
        let name = shorten(name, room);
        let (x, y) = (lane.area.left + 1, lane.area.top);
        if name.is_empty() {
            continue;
        }
        let is_boxed = look.boxed == Some(lane.namespace.as_str());
        let style = pen.theme.style(if is_boxed { Role::Selected } else { Role::Namespace });
        pen.text(x, y, &format!(" {name} "), style);
        let health = pen.theme.style(Role::Health(worst));
        pen.text(x + 2 + width(&name) as i32, y, &format!("{mark} "), health);
    }
}

fn lines(raster: &Raster, look: &Look<'_>, pen: &mut Pen<'_>) {
    let Area { left, top, right, bottom } = raster.window;
    for y in top..bottom {
        for x in left..right {
            let Some(cell) = raster.get(x, y).filter(|c| c.ways != 0) else { continue };
            let (ways, health, is_lit) = shown(cell);
            let style = pen.theme.line(health, is_lit, look.selected.is_some());
            let symbol = pen.theme.line_glyph(ways, is_lit, cell.is_back && !cell.is_forward);
            pen.put(x, y, symbol, style);
        }
    }
}

/// What a cell shows: of two lines that cross the upright one, unless only the other is in focus.
fn shown(cell: &Cell) -> (u8, Health, bool) {
    let worst = cell.across.max(cell.upright).unwrap_or_default();
    if !cell.is_crossing() {
        return (cell.ways, worst, cell.across_lit || cell.upright_lit);
    }
    if cell.across_lit && !cell.upright_lit {
        (cell.ways & (LEFT | RIGHT), cell.across.unwrap_or_default(), true)
    } else {
        (cell.ways & (UP | DOWN), cell.upright.unwrap_or_default(), cell.upright_lit)
    }
}

/// Worse lines last, so that they are seen where several end together.
fn by_health<'v>(layout: &'v Layout, view: &'v View) -> Vec<(usize, &'v super::layout::Path)> {
    let mut out: Vec<_> = layout.paths.iter().enumerate().filter(|(_, p)| p.flow != Flow::Own).collect();
    out.sort_by_key(|(e, _)| view.edges().get(*e).map_or(Health::Unknown, |e| e.health));
    out
}

fn heads(layout: &Layout, view: &View, look: &Look<'_>, pen: &mut Pen<'_>) {
    for (e, path) in by_health(layout, view) {
        let Some(&(x, y)) = path.points.last().filter(|p| pen.window.contains(p.0, p.1)) else { continue };
        let Some(edge) = view.edges().get(e) else { continue };
        let is_lit = look.selected.is_some_and(|n| edge.from == n || edge.to == n);
        let [forward, back] = pen.theme.pick(["▶", "◀"], [">", "<"]);
        let style = pen.theme.line(edge.health, is_lit, look.selected.is_some());
        pen.put(x, y, if path.flow == Flow::Back { back } else { forward }, style);
    }
}

fn labels(layout: &Layout, view: &View, look: &Look<'_>, pen: &mut Pen<'_>) {
    for (e, path) in layout.paths.iter().enumerate() {
        let (Some((x, y)), Some(edge)) = (path.label, view.edges().get(e)) else { continue };
        let is_lit = look.selected.is_some_and(|n| edge.from == n || edge.to == n);
        let style = pen.theme.line(edge.health, is_lit, look.selected.is_some());
        pen.text(x, y, &cut(&edge.label, 16), style);
    }
}

fn full(node: &Node, at: &Area, mark: &Mark, pen: &mut Pen<'_>) {
    let theme = pen.theme;
    let health = theme.style(Role::Health(node.health));
    let frame = if mark.is_selected {
        theme.style(Role::Key)
    } else if mark.is_near {
        health
    } else {
        theme.style(Role::Dim)
    };
    let is_heavy = mark.is_selected;
    let glyph = |ways| theme.line_glyph(ways, is_heavy, false);
    let (right, bottom) = (at.right - 1, at.bottom - 1);
    for x in at.left + 1..right {
        pen.put(x, at.top, glyph(LEFT | RIGHT), frame);
        pen.put(x, at.top + 1, " ", theme.style(Role::Text));
        pen.put(x, bottom, glyph(LEFT | RIGHT), frame);
    }
    for (x, y, ways) in [(at.left, at.top, RIGHT | DOWN), (right, at.top, LEFT | DOWN), (at.left, bottom, RIGHT | UP), (right, bottom, LEFT | UP)] {
        pen.put(x, y, glyph(ways), frame);
    }
    pen.put(at.left, at.top + 1, glyph(UP | DOWN), frame);
    pen.put(right, at.top + 1, glyph(UP | DOWN), frame);
    let name = shorten(&node.name, NAME.min((at.width() - 4).max(0) as usize));
    let text = match (mark.is_selected, mark.is_near) {
        (true, _) => Role::Selected,
        (_, true) => Role::Name,
        _ => Role::Dim,
    };
    pen.text(at.left + 1, at.top, &format!(" {name} "), theme.style(text));
    pen.text(at.left + 1, at.top + 1, &format!("{} ", theme.mark(node.health)), health);
    let figures = if mark.is_near { health } else { theme.style(Role::Dim) };
    pen.text(at.left + 3, at.top + 1, &cut(&node.figures, (at.width() - 5).max(0) as usize), figures);
    let own = if mark.calls_itself { theme.pick(["↺"], ["@"])[0] } else { "" };
    let badges = format!("{own}{}", node.badges);
    if !badges.is_empty() {
        let badges = cut(&badges, (at.width() - 5).max(0) as usize);
        pen.text(right - 2 - width(&badges) as i32, bottom, &format!("[{badges}]"), theme.style(Role::Badge));
    }
}

/// A node in one row: so many columns of its name, and badges.
fn row(node: &Node, at: &Area, mark: &Mark, pen: &mut Pen<'_>, (columns, badges): (usize, &str)) {
    let theme = pen.theme;
    let name = if mark.is_selected {
        theme.style(Role::Selected)
    } else if mark.is_near {
        theme.style(Role::Name)
    } else {
        theme.style(Role::Dim)
    };
    for y in at.top..at.bottom {
        for x in at.left..at.right {
            pen.put(x, y, " ", theme.style(Role::Text));
        }
    }
    pen.text(at.left, at.top, theme.mark(node.health), theme.style(Role::Health(node.health)));
    let short = shorten(&node.name, columns);
    pen.text(at.left + 2, at.top, &short, name);
    if !badges.is_empty() {
        pen.text(at.left + 3 + width(&short) as i32, at.top, badges, theme.style(Role::Badge));
    }
}
