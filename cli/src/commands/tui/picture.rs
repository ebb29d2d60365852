//! A screen without a terminal: for the pictures of the documentation and for tests.

use crate::status::Failure;
use mesh_tui::app::{App, Effect, Event};
use mesh_tui::keys::Key;
use mesh_tui::svg;
use mesh_tui::world::held::{Part, Wanted};
use mesh_tui::world::way::{Question, Way};
use mesh_tui::world::{Load, World};
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

/// Reads what is asked for, and puts it into what was known before.
pub type Loading<'h> = dyn Fn(Load, Option<&World>) -> Result<World, Failure> + 'h;

/// What answers in place of the terminal's loop.
pub struct Host<'h> {
    pub load: &'h Loading<'h>,
    pub ask: &'h dyn Fn(&Question) -> Result<Way, String>,
    pub hold: &'h dyn Fn(&Wanted) -> Result<Vec<Part>, String>,
}

/// How far reading the sources is when the picture is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Moment {
    /// They are still being read.
    Reading,
    /// They were read; where they can't be, that is what the picture shows.
    Read,
    /// They were read two minutes ago, and not again since, though that was due.
    Later,
}

const LATER: Duration = Duration::from_secs(125);

/// How often sources would be read again.
pub fn refresh(moment: Moment) -> Option<Duration> {
    (moment == Moment::Later).then_some(Duration::from_secs(15))
}

/// What stands on the screen once the keys were typed: as SVG for a name that ends so, else as text. Of several sizes one
/// picture stands below the other, each under its size.
pub fn render(app: &dyn Fn() -> App, host: &Host<'_>, sizes: &[(u16, u16)], moment: Moment, keys: &str, name: &str) -> Result<String, Failure> {
    let keys = keys.split_whitespace().map(Key::parse).collect::<Result<Vec<_>, _>>().map_err(|e| Failure::usage(format!("--keys: {e}")))?;
    let mut world = None;
    let mut out = String::new();
    for &size in sizes {
        let mut app = app();
        tell(&mut app, Event::Resize(size.0, size.1), host);
        if let (Some(first), true) = (app.reading(), moment != Moment::Reading) {
            // What the first picture shows is read once for all of them.
            let read = world.get_or_insert_with(|| (host.load)(first, None).map(Arc::new).map_err(|e| e.to_string()));
            tell(&mut app, Event::Loaded(read.clone()), host);
        }
        keys.iter().for_each(|key| tell(&mut app, Event::Key(*key), host));
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        app.draw(&mut buffer, if moment == Moment::Later { LATER } else { Duration::ZERO });
        if sizes.len() > 1 {
            out.push_str(&format!("{}x{}\n", size.0, size.1));
        }
        out.push_str(&svg::file(&buffer, app.theme().palette, name));
    }
    Ok(out)
}

/// Tells an event, and everything that follows from it.
fn tell(app: &mut App, event: Event, host: &Host<'_>) {
    for effect in app.update(event, Duration::ZERO) {
        match effect {
            Effect::Load(load) => tell(app, Event::Loaded((host.load)(load, app.world().as_deref()).map(Arc::new).map_err(|e| e.to_string())), host),
            Effect::Ask(question) => {
                let answer = (host.ask)(&question);
                tell(app, Event::Told(question, answer), host);
            }
            Effect::Hold(wanted) => {
                let answer = (host.hold)(&wanted);
                tell(app, Event::Held(wanted, answer), host);
            }
            Effect::LayOut(job) => tell(app, Event::LaidOut(Box::new(job.run())), host),
            _ => {}
        }
    }
}
