//! What of the graph is asked for, and its picture. A layout that takes long is a job of its own: keys go on meanwhile.

use super::{Graph, Name};
use crate::filter::Filter;
use crate::find::{Find, Hits, name_of};
use crate::graph::collapse::collapse;
use crate::graph::flow::Label;
use crate::graph::focus::focus;
use crate::graph::paint::{Look, paint};
use crate::graph::readable::{Form, MANY, Picture, picture};
use crate::graph::{Detail, Labels, Seed, View, layout};
use crate::screens::Cx;
use crate::theme::Theme;
use crate::world::traffic::Traffic;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::collections::BTreeSet;

/// Everything that a picture depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Question {
    pub filter: Filter,
    pub focus: Option<(Name, usize)>,
    pub collapsed: BTreeSet<String>,
    pub detail: Option<Detail>,
    pub size: (u16, u16),
    pub label: Label,
    pub source: Shown,
    pub find: Find,
    pub hide: Find,
}

/// What is drawn where both are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    #[default]
    Traffic,
    Configuration,
}

/// Larger pictures, in nodes and edges, are made beside the keys.
const INLINE: usize = 100;

/// A picture of more cells is none that anybody looks at.
const CELLS: usize = 4_000_000;

/// A picture that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    number: u64,
    question: Question,
    view: View,
    seed: Option<Seed>,
}

/// A picture that was made.
#[derive(Clone, Debug)]
pub struct Made {
    number: u64,
    question: Question,
    picture: Picture,
}

impl Job {
    /// Makes it: some milliseconds, or tens of them.
    pub fn run(self) -> Made {
        let (width, height) = self.question.size;
        let picture = picture(&self.view, width, height, self.question.detail, self.seed.as_ref());
        Made { number: self.number, question: self.question, picture }
    }
}

/// A graph that is to be written to a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    path: String,
    view: View,
    detail: Detail,
    /// Of each edge, whether the expression finds it.
    found: Vec<bool>,
    theme: Theme,
}

impl Whole {
    /// Lays it out and draws it: the file, and what is to stand in it.
    pub fn run(self) -> (String, Result<String, String>) {
        let text = self.drawn().map(|buffer| crate::svg::file(&buffer, self.theme.palette, &self.path));
        (self.path, text)
    }
    fn drawn(&self) -> Result<Buffer, String> {
        let drawn = layout(&self.view, self.detail, Labels::Shown, None);
        let (width, height) = (drawn.width.max(1), drawn.height.max(1));
        let too_large = || format!("the whole graph takes {width}×{height} cells, which is too large: e, / or X make it smaller");
        let (Ok(columns), Ok(rows)) = (u16::try_from(width), u16::try_from(height)) else { return Err(too_large()) };
        if usize::from(columns) * usize::from(rows) > CELLS {
            return Err(too_large());
        }
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
        let look = Look { theme: &self.theme, origin: (0, 0), selected: None, boxed: None, found: &self.found };
        let area = buffer.area;
        paint(&drawn, &self.view, &look, area, &mut buffer);
        Ok(buffer)
    }
}

impl Graph {
    /// What the filter and the expression leave.
    pub(super) fn found_in(&self, base: &View, traffic: Option<&Traffic>) -> View {
        filtered(&self.asked.hide.hide(base, traffic), &self.asked.filter)
    }
    /// What is to be drawn: filtered, around the focus, with namespaces collapsed.
    pub(super) fn wanted(&self, base: &View, traffic: Option<&Traffic>) -> View {
        let mut view = self.found_in(base, traffic).labelled(self.asked.label);
        if let Some(((ns, name), hops)) = &self.asked.focus
            && let Some(centre) = view.find(ns, name)
        {
            view = focus(&view, centre, *hops);
        }
        collapse(&view, &self.asked.collapsed)
    }
    /// The whole graph as it is asked for, whatever fits on the screen, to be drawn beside the keys.
    pub fn whole(&self, path: String, cx: &Cx<'_>) -> Result<Whole, String> {
        let base = self.base(cx.world).ok_or("there is no graph: no source holds traffic or configuration")?;
        let traffic = cx.world.drawn().filter(|_| self.is_traffic(cx.world));
        let view = self.wanted(base, traffic);
        let detail = self.asked.detail.unwrap_or(if view.nodes().len() <= MANY { Detail::Full } else { Detail::Compact });
        let found = if self.asked.find.is_empty() { Vec::new() } else { self.asked.find.hits(&view, traffic).edges };
        Ok(Whole { path, view, detail, found, theme: *cx.theme })
    }
    /// Sees to it that there is a picture of what is asked for: now, or as a job where that takes longer than a frame may.
    pub(super) fn answer(&mut self, base: &View, cx: &Cx<'_>) {
        if self.prepared.as_ref().is_some_and(|(q, _)| *q == self.asked) {
            self.waited = None;
            return;
        }
        if self.waited.as_ref().is_some_and(|(_, q)| *q == self.asked) {
            return;
        }
        let traffic = cx.world.drawn().filter(|_| self.is_traffic(cx.world));
        if self.asked.focus.as_ref().is_some_and(|((ns, name), _)| self.found_in(base, traffic).find(ns, name).is_none()) {
            self.asked.focus = None;
        }
        let view = self.wanted(base, traffic);
        let a = &self.asked;
        let same = self.prepared.as_ref().filter(|(q, _)| (&q.focus, &q.filter, &q.collapsed, &q.hide) == (&a.focus, &a.filter, &a.collapsed, &a.hide));
        let seed = same.and_then(|(_, p)| match &p.form {
            Form::Drawn(l) => Some(l.seed().clone()),
            Form::Matrix => None,
        });
        self.jobs += 1;
        // Several layouts may be tried: what takes longer than a few milliseconds is made beside the keys.
        let is_long = view.nodes().len() + view.edges().len() > INLINE;
        let job = Job { number: self.jobs, question: self.asked.clone(), view, seed };
        self.waited = Some((job.number, self.asked.clone()));
        if is_long {
            self.job = Some(job);
        } else {
            self.made(job.run(), traffic);
        }
    }
    /// The layout that is to be made beside the keys.
    pub fn take_job(&mut self) -> Option<Job> {
        self.job.take()
    }
    /// A picture is there; one that nobody waits for any more is dropped.
    pub fn made(&mut self, made: Made, traffic: Option<&Traffic>) {
        if self.waited.as_ref().is_none_or(|(number, _)| *number != made.number) {
            return;
        }
        self.waited = None;
        let find = &made.question.find;
        self.found = if find.is_empty() { Hits::default() } else { find.hits(&made.picture.view, traffic) };
        self.prepared = Some((made.question, made.picture));
    }
}

/// What a filter lets through: the nodes it matches, and with a word also what they call and what calls them.
fn filtered(view: &View, filter: &Filter) -> View {
    if filter.is_empty() {
        return view.clone();
    }
    let keep: Vec<bool> = view
        .nodes()
        .iter()
        .map(|n| filter.matches(&[("ns", &n.namespace), ("name", &n.name), ("health", name_of(n.health)), ("kind", &n.figures), ("badges", &n.badges)]))
        .collect();
    view.part(&keep, |_| true)
}
