//! The cells that lines take in a window: which way they lead, and whether they meet.

use super::layout::{Area, Flow, Layout};
use super::view::{Health, View};

pub(super) const LEFT: u8 = 1;
pub(super) const RIGHT: u8 = 2;
pub(super) const UP: u8 = 4;
pub(super) const DOWN: u8 = 8;

/// One cell. Where lines cross without meeting both ways are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// Ways out.
    pub ways: u8,
    /// A line turns or branches here, so all lines here are joined.
    pub is_joint: bool,
    /// The worst health of what goes across and of what goes up and down.
    pub across: Option<Health>,
    pub upright: Option<Health>,
    /// Whether it belongs to an edge in focus.
    pub across_lit: bool,
    pub upright_lit: bool,
    pub is_forward: bool,
    pub is_back: bool,
}

impl Cell {
    pub fn is_crossing(&self) -> bool {
        !self.is_joint && self.ways & (LEFT | RIGHT) != 0 && self.ways & (UP | DOWN) != 0
    }
}

pub(super) struct Raster {
    pub window: Area,
    cells: Vec<Cell>,
}

impl Raster {
    /// The lines of a layout in a window. `is_lit` says which edges are in focus.
    pub fn new(layout: &Layout, view: &View, window: Area, is_lit: impl Fn(usize) -> bool) -> Raster {
        let size = window.width().max(0) as usize * window.height().max(0) as usize;
        let mut raster = Raster { window, cells: vec![Cell::default(); size] };
        for (e, path) in layout.paths.iter().enumerate() {
            if path.points.len() < 2 || !bounds(&path.points).meets(&window) {
                continue;
            }
            let health = view.edges().get(e).map_or(Health::Unknown, |e| e.health);
            raster.line(&path.points, path.flow, health, is_lit(e));
        }
        raster
    }

    pub fn get(&self, x: i32, y: i32) -> Option<&Cell> {
        self.index(x, y).map(|i| &self.cells[i])
    }

    fn index(&self, x: i32, y: i32) -> Option<usize> {
        self.window.contains(x, y).then(|| ((y - self.window.top) * self.window.width() + x - self.window.left) as usize)
    }

    fn line(&mut self, points: &[(i32, i32)], flow: Flow, health: Health, is_lit: bool) {
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let w = self.window;
            if y0 == y1 {
                if y0 < w.top || y0 >= w.bottom {
                    continue;
                }
                let (from, to) = (x0.min(x1), x0.max(x1));
                for x in from.max(w.left)..=to.min(w.right - 1) {
                    let ways = if x > from { LEFT } else { 0 } | if x < to { RIGHT } else { 0 };
                    self.mark(x, y0, ways, flow, health, is_lit);
                }
            } else {
                if x0 < w.left || x0 >= w.right {
                    continue;
                }
                let (from, to) = (y0.min(y1), y0.max(y1));
                for y in from.max(w.top)..=to.min(w.bottom - 1) {
                    let ways = if y > from { UP } else { 0 } | if y < to { DOWN } else { 0 };
                    self.mark(x0, y, ways, flow, health, is_lit);
                }
            }
        }
        // The ends meet the boxes.
        if let (Some(&first), Some(&last)) = (points.first(), points.last()) {
            let toward = |flow| if flow == Flow::Back { (RIGHT, LEFT) } else { (LEFT, RIGHT) };
            let (start, end) = toward(flow);
            self.mark(first.0, first.1, start, flow, health, is_lit);
            self.mark(last.0, last.1, end, flow, health, is_lit);
        }
        for corner in points.get(1..points.len() - 1).unwrap_or(&[]) {
            if let Some(i) = self.index(corner.0, corner.1) {
                self.cells[i].is_joint = true;
            }
        }
    }

    fn mark(&mut self, x: i32, y: i32, ways: u8, flow: Flow, health: Health, is_lit: bool) {
        let Some(i) = self.index(x, y) else { return };
        let cell = &mut self.cells[i];
        cell.ways |= ways;
        if ways & (LEFT | RIGHT) != 0 {
            cell.across = cell.across.max(Some(health));
            cell.across_lit |= is_lit;
        }
        if ways & (UP | DOWN) != 0 {
            cell.upright = cell.upright.max(Some(health));
            cell.upright_lit |= is_lit;
        }
        match flow {
            Flow::Back => cell.is_back = true,
            _ => cell.is_forward = true,
        }
    }
}

fn bounds(points: &[(i32, i32)]) -> Area {
    let mut out = Area { left: i32::MAX, top: i32::MAX, right: i32::MIN, bottom: i32::MIN };
    for &(x, y) in points {
        out = Area { left: out.left.min(x), top: out.top.min(y), right: out.right.max(x + 1), bottom: out.bottom.max(y + 1) };
    }
    out
}
