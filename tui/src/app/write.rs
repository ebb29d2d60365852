//! Files of what is shown: the screen, and the whole graph, of which a screen shows a part.

use super::{App, Effect};
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
        Some(run(&mut self.screens.proxies, &Cx { world: &world, theme: &theme, filter: &filter, area }))
    }

    /// The whole graph where that is shown, else the screen.
    pub(super) fn write(&mut self, path: String, now: Duration) -> Vec<Effect> {
        if self.tab != Tab::Graph {
            return vec![self.write_screen(path, now)];
        }
        let Some(world) = self.world() else { return vec![self.write_screen(path, now)] };
        let (filter, theme, area) = (self.filter(), self.theme, self.body());
        match self.screens.graph.whole(&Cx { world: &world, theme: &theme, filter: &filter, area }) {
            Ok(buffer) => vec![Effect::Write { text: self.text_of(&buffer, &path), path }],
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
        Effect::Write { text: self.text_of(&buffer, &path), path }
    }

    fn text_of(&self, buffer: &Buffer, path: &str) -> String {
        if path.ends_with(".svg") { crate::svg::render(buffer, self.theme.palette) } else { crate::svg::text(buffer) }
    }
}
