//! What is read: what the screen that is shown needs, when it is opened and again and again; nothing else is asked.

use super::{App, Data, Effect};
use crate::action::Tab;
use crate::world::Load;
use crate::world::sections::{Section, Sections, needs};
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
}
