//! Which picture of a graph is readable in a window: the largest that fits, or another form, and why.

use super::collapse::{all, collapse};
use super::layout::{Detail, Labels, Layout, Seed, layout};
use super::view::View;

/// More nodes are never drawn one by one unless that is asked for: a picture of them is only good to pan over.
pub const MANY: usize = 150;

/// What the picture has become.
#[derive(Clone, Debug)]
pub enum Form {
    Drawn(Box<Layout>),
    /// Callers against callees.
    Matrix,
}

/// A view and its picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What is drawn: the view asked for, or one with its namespaces as nodes.
    pub view: View,
    pub form: Form,
    /// What was decided and how to see more; "" where each node is drawn, in the window or beside it.
    pub note: String,
    /// Columns and rows that boxes with labels take, where a smaller form was chosen.
    pub boxes: Option<(i32, i32)>,
}

/// Decides for a window of so many cells. `wish` is a detail that is asked for.
pub fn picture(view: &View, width: u16, height: u16, wish: Option<Detail>, seed: Option<&Seed>) -> Picture {
    let fits = |l: &Layout| l.width <= i32::from(width) && l.height <= i32::from(height);
    if let Some(detail) = wish {
        let layout = layout(view, detail, Labels::Shown, seed);
        return Picture { view: view.clone(), form: Form::Drawn(Box::new(layout)), note: String::new(), boxes: None };
    }
    let ladder = [
        (Detail::Full, Labels::Shown),
        (Detail::Full, Labels::Hidden),
        (Detail::Compact, Labels::Shown),
        (Detail::Compact, Labels::Hidden),
        (Detail::Name, Labels::Shown),
        (Detail::Name, Labels::Hidden),
    ];
    // A box takes more rows than a name: without room for those, nothing larger needs to be tried.
    let room = usize::from(height) * (usize::from(width) / 16).max(1);
    let (mut last, mut boxes) = (None, None);
    if view.nodes().len() <= MANY.min(room) {
        for (detail, labels) in ladder {
            let layout = layout(view, detail, labels, seed);
            if fits(&layout) {
                return Picture { view: view.clone(), form: Form::Drawn(Box::new(layout)), note: String::new(), boxes };
            }
            boxes = boxes.or(Some((layout.width, layout.height)));
            last = Some(layout);
        }
    }
    let count = view.nodes().len();
    let namespaces = view.namespaces().len();
    if namespaces > 1 && count > 24 {
        let small = collapse(view, &all(view));
        for (detail, labels) in ladder {
            let layout = layout(&small, detail, labels, None);
            if fits(&layout) {
                let note = format!("{count} nodes do not fit: each namespace is one node · x opens one · e shows what is near one · z draws all");
                return Picture { view: small, form: Form::Drawn(Box::new(layout)), note, boxes: None };
            }
        }
        if small.edges().len() > small.nodes().len() * 2 {
            let note = format!("{count} nodes in {namespaces} namespaces do not fit: a matrix of namespaces · e shows what is near one · z draws all");
            return Picture { view: small, form: Form::Matrix, note, boxes: None };
        }
    }
    match last {
        Some(layout) => Picture { view: view.clone(), form: Form::Drawn(Box::new(layout)), note: String::new(), boxes },
        None => Picture {
            view: view.clone(),
            form: Form::Matrix,
            note: format!("{count} nodes do not fit: a matrix · e shows what is near one · z draws all"),
            boxes: None,
        },
    }
}
