//! Files of what is shown: the screen, and the whole graph, of which a screen shows a part.

use super::{Ages, App, Effect};
use crate::action::Tab;
use crate::screens::Cx;
use crate::screens::proxies::Proxies;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Duration;

impl App {
    /// Runs something of the proxies' screen, whatever screen is shown.
    pub(super) fn with_proxies<T>(&mut self, run: impl FnOnce(&mut Proxies, &Cx<'_>) -> T) -> Option<T> {
        let world = self.world()?;
        let (filter, theme, area) = (self.filter(), self.theme, self.body());
        Some(run(&mut self.screens.proxies, &Cx { world: &world, theme: &theme, filter: &filter, area, ages: Ages::default() }))
    }

    /// The whole graph where that is shown, else the screen.
    pub(super) fn write(&mut self, path: String, now: Duration) -> Vec<Effect> {
        if self.tab != Tab::Graph {
            return vec![self.write_screen(path, now)];
        }
        let Some(world) = self.world() else { return vec![self.write_screen(path, now)] };
        let (filter, theme, area) = (self.filter(), self.theme, self.body());
        match self.screens.graph.whole(path, &Cx { world: &world, theme: &theme, filter: &filter, area, ages: Ages::default() }) {
            Ok(whole) => {
                self.say("the whole graph is being drawn", now);
                vec![Effect::DrawWhole(Box::new(whole))]
            }
            Err(why) => {
                self.say(format!("not written: {why}"), now);
                Vec::new()
            }
        }
    }

    /// What is on the screen now.
    pub(super) fn write_screen(&mut self, path: String, now: Duration) -> Effect {
        self.with_screen(|screen, cx| screen.prepare(cx));
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        self.draw(&mut buffer, now);
        Effect::Write { text: crate::svg::file(&buffer, self.theme.palette, &path), path }
    }

    /// The whole graph was drawn, to be written.
    pub(super) fn drawn(&mut self, path: String, text: Result<String, String>, now: Duration) -> Vec<Effect> {
        match text {
            Ok(text) => vec![Effect::Write { path, text }],
            Err(why) => {
                self.say(format!("not written: {why}"), now);
                Vec::new()
            }
        }
    }
}
