//! What is read: what the screen that is shown needs, when it is opened and again and again; nothing else is asked.

use super::{App, Data, Effect, Start};
use crate::action::Tab;
use crate::world::sections::{Section, Sections, needs};
use crate::world::{Ask, Load, nodes_of};
use mesh_model::graph::GraphType;
use std::time::Duration;

impl App {
    /// Reads again what is shown.
    pub(super) fn load(&mut self) -> Vec<Effect> {
        self.ask_for(needs(self.tab))
    }

    fn ask_for(&mut self, sections: Sections) -> Vec<Effect> {
        let load = Load { ask: self.ask, sections: sections.whole() };
        self.reading = Some(load);
        vec![Effect::Load(load)]
    }

    /// Reads what is shown and was read long enough ago.
    pub(super) fn load_due(&mut self, now: Duration) -> Vec<Effect> {
        let Some(every) = self.refresh else { return Vec::new() };
        self.ask_for(self.readings.due_by(needs(self.tab), every, now))
    }

    /// Reads what the screen shows and was never read, or not for this time.
    pub(super) fn load_missing(&mut self) -> Vec<Effect> {
        if self.reading.is_some() {
            return Vec::new();
        }
        let missing = match self.data {
            Data::Loading => Sections::NONE,
            Data::Ready(_) => self.readings.missing(needs(self.tab), self.ask),
            // Where nothing could be read, another screen's sources may be there; why the first ones are not is to be told.
            Data::Failed(_) => match self.readings.missing(needs(self.tab), self.ask) {
                missing if missing.is_empty() => missing,
                missing => missing.and(needs(Tab::Overview)),
            },
        };
        if missing.is_empty() { Vec::new() } else { self.ask_for(missing) }
    }

    /// A cluster that is followed has changed.
    pub(super) fn changed(&mut self) -> Vec<Effect> {
        // What is judged by its objects is judged anew where it is shown.
        self.readings.outdate(Sections::of(&[Section::Configuration, Section::Proxies, Section::Metrics]));
        if needs(self.tab).contains(Section::Configuration) { self.load() } else { Vec::new() }
    }

    /// Asks for the graph of another type.
    pub(super) fn graph_type(&mut self, graph: GraphType, now: Duration) -> Vec<Effect> {
        if self.world().is_none_or(|w| w.traffic.known().is_none()) {
            self.say("types are of traffic, and no source holds any: this is the graph of the configuration", now);
            return Vec::new();
        }
        // While sources are read it is asked for behind that.
        self.ask.graph = graph;
        self.screens.graph.show_traffic();
        self.say(format!("graph of {}", nodes_of(graph)), now);
        self.load_missing()
    }

    /// Asks for traffic of another time, where the sources know of one.
    pub(super) fn ask(&mut self, change: impl FnOnce(Ask, i64) -> Ask, now: Duration) -> Vec<Effect> {
        let world = self.world();
        let Some(times) = world.as_ref().and_then(|w| w.times()) else {
            self.say("time window: not available: no source holds traffic or traces", now);
            return Vec::new();
        };
        if times.window.is_none() {
            self.say("time window: not available: this source has rates, and does not say of what time", now);
            return Vec::new();
        }
        if self.reading.is_some() {
            self.say("the sources are being read", now);
            return Vec::new();
        }
        let span = times.span.map_or(0, |(first, last)| last - first);
        let next = change(self.ask, span);
        if next == self.ask {
            self.say("the recording ends here", now);
            return Vec::new();
        }
        self.ask = next;
        // What is shown and depends on it is missing now.
        let effects = self.load_missing();
        if effects.is_empty() {
            self.say(format!("window {}: traffic and traces are read for it when they are shown", crate::screens::span(next.window)), now);
        }
        effects
    }

    pub(super) fn loaded(&mut self, result: Result<std::sync::Arc<crate::world::World>, String>, now: Duration) {
        let reading = self.reading.take();
        self.read = now;
        match result {
            Ok(world) => {
                self.readings.read(world.fresh, world.old, reading.map_or(self.ask, |r| r.ask), now);
                let is_fresh = |section| world.fresh.contains(section);
                if is_fresh(Section::Configuration) {
                    self.screens.graph.forget();
                    self.screens.proxies.outdate();
                }
                if is_fresh(Section::Traces) {
                    self.screens.traces.forget();
                }
                self.data = Data::Ready(world);
                match self.start.take() {
                    Some(Start::Screen(tab)) => self.go(tab),
                    Some(Start::Node(name)) => self.open_node(Tab::Graph, &name, now),
                    None => {}
                }
            }
            Err(why) => {
                if let Some(r) = reading {
                    self.readings.failed(r.sections, r.ask, now);
                }
                match self.data {
                    // What was there is better than nothing; that it is old is said.
                    Data::Ready(_) => self.say(format!("not read again: {why}"), now),
                    _ => self.data = Data::Failed(why),
                }
            }
        }
    }
}
