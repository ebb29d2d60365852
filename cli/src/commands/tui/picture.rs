//! A screen without a terminal: for the pictures of the documentation and for tests.

use crate::status::Failure;
use mesh_tui::app::{App, Effect, Event};
use mesh_tui::keys::Key;
use mesh_tui::svg;
use mesh_tui::world::{Ask, World};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;
use std::time::Duration;

/// `120x40`, at most 400x200.
pub fn size(text: &str) -> Result<(u16, u16), Failure> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse::<u16>().ok()?, h.parse::<u16>().ok()?)));
    parsed
        .filter(|(w, h)| (1..=400).contains(w) && (1..=200).contains(h))
        .ok_or_else(|| Failure::usage(format!("--size takes WIDTHxHEIGHT such as 120x40, not `{text}`")))
}

/// What stands on the screen once the keys were typed: as SVG for a name that ends so, else as text.
pub fn render(app: &mut App, load: &dyn Fn(Ask) -> Result<World, Failure>, size: (u16, u16), keys: &str, name: &str) -> Result<String, Failure> {
    let keys = keys.split_whitespace().map(Key::parse).collect::<Result<Vec<_>, _>>().map_err(|e| Failure::usage(format!("--keys: {e}")))?;
    app.update(Event::Resize(size.0, size.1), Duration::ZERO);
    app.update(Event::Loaded(Ok(Arc::new(load(app.asked())?))), Duration::ZERO);
    for key in keys {
        for effect in app.update(Event::Key(key), Duration::ZERO) {
            if let Effect::Load(ask) = effect {
                app.update(Event::Loaded(Ok(Arc::new(load(ask)?))), Duration::ZERO);
            }
        }
    }
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    app.draw(&mut buffer, Duration::ZERO);
    Ok(if name.ends_with(".svg") { svg::render(&buffer, app.theme().palette) } else { svg::text(&buffer) })
}
