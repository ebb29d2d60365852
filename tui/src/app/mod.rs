//! The state of the UI, and the one function that changes it.
//!
//! [`App::update`] takes an event and the time and returns effects, which the terminal's loop carries out. [`App::draw`]
//! only looks. Neither knows a clock, a file or a terminal.

mod document;
mod draw;
mod load;
mod mouse;
mod palette;
mod readings;
mod replay;
#[cfg(test)]
mod tests;
mod update;
mod write;

use crate::action::Tab;
use crate::filter::Filter;
use crate::keys::{Key, Keymap};
use crate::screens::graph::{Job, Made, Whole};
use crate::screens::{Cx, Request, Screens};
use crate::theme::{Palette, Theme};
use crate::widgets::LineEdit;
use crate::world::held::{Part, Wanted};
use crate::world::sections::{Section, needs};
use crate::world::timeline::Timeline;
use crate::world::way::{Question, Way};
use crate::world::{Ask, Load, World};
use ratatui::layout::{Position, Rect};
pub use readings::Ages;
use readings::Readings;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a moment of a recording stands while it is played.
const PLAY: Duration = Duration::from_millis(700);

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    Key(Key),
    Paste(String),
    /// A click at a cell.
    Click(u16, u16),
    /// The mouse was moved to a cell with its button held.
    Drag(u16, u16),
    /// The wheel, by so many rows; above zero is down.
    Wheel(i32),
    Resize(u16, u16),
    /// The terminal said what colours suit its background.
    Background(Palette),
    Focus(Focus),
    /// Time passed.
    Tick,
    /// What is followed has changed.
    Changed,
    Loaded(Result<Arc<World>, String>),
    /// What becomes of a request that was asked about.
    Told(Question, Result<Way, String>),
    /// A resource of a proxy.
    Held(Wanted, Result<Vec<Part>, String>),
    /// A picture of the graph.
    LaidOut(Box<Made>),
    /// The whole graph, for a file.
    Drawn {
        path: String,
        text: Result<String, String>,
    },
    /// How an effect ended: what to say.
    Done(Result<String, String>),
}

/// Whether the terminal has the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    Gained,
    Lost,
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask sources; [`Event::Loaded`] is the answer.
    Load(Load),
    /// Ask a proxy's configuration what becomes of a request; [`Event::Told`] is the answer.
    Ask(Question),
    /// Ask a proxy for one of its resources; [`Event::Held`] is the answer.
    Hold(Wanted),
    /// Make a picture of the graph; [`Event::LaidOut`] is the answer.
    LayOut(Box<Job>),
    /// Draw the whole graph, which takes longer than a key may; [`Event::Drawn`] is the answer.
    DrawWhole(Box<Whole>),
    Copy(String),
    Write {
        path: String,
        text: String,
    },
    Mouse(MouseUse),
    /// Open a file at a line in an editor, if it is one of this machine.
    Edit {
        file: String,
        line: u32,
    },
    Suspend,
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseUse {
    /// Clicks and the wheel come to the UI.
    Taken,
    /// They stay with the terminal, to select text.
    Left,
}

/// What the UI starts with.
#[derive(Clone, Debug)]
pub struct Options {
    pub theme: Theme,
    pub keymap: Keymap,
    pub mouse: MouseUse,
    /// What was opened, for the top line until it is read.
    pub context: String,
    pub open: Option<Start>,
    /// How often the sources are read again by themselves; `None` where that would bring nothing new.
    pub refresh: Option<Duration>,
    /// The time that is shown at first.
    pub ask: Ask,
}

/// Where the UI opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Screen(Tab),
    /// A node, by `name` or `namespace/name`.
    Node(String),
}

/// The sources, as far as they were read.
#[derive(Clone, Debug)]
enum Data {
    Loading,
    Failed(String),
    Ready(Arc<World>),
}

/// What takes the keys.
#[derive(Clone, Debug)]
enum Mode {
    Screen,
    Filter(LineEdit),
    Command { line: LineEdit, at: Option<usize> },
    Palette { line: LineEdit, at: usize },
    Help { scroll: usize },
    Document(Box<document::Pager>),
}

pub struct App {
    theme: Theme,
    keymap: Keymap,
    mouse: MouseUse,
    context: String,
    data: Data,
    /// What is being read.
    reading: Option<Load>,
    /// What was read when.
    readings: Readings,
    /// When reading ended last, well or not.
    read: Duration,
    screens: Screens,
    tab: Tab,
    history: Vec<Tab>,
    /// The place in the history.
    at: usize,
    filters: BTreeMap<Tab, String>,
    mode: Mode,
    toast: Option<(String, Duration)>,
    /// Stands where the keys are named, until the first one is typed.
    greeting: Option<String>,
    size: (u16, u16),
    spots: Vec<(Rect, usize)>,
    start: Option<Start>,
    last_click: Option<(u16, u16, Duration)>,
    /// Where the mouse was when it was dragged last.
    dragged: Option<(u16, u16)>,
    ask: Ask,
    refresh: Option<Duration>,
    is_paused: bool,
    /// Whether the recording goes on by itself.
    is_playing: bool,
}

/// What of the picture changes with time alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    age: String,
    ages: [Option<String>; Section::ALL.len()],
    has_toast: bool,
    is_reading: bool,
}

/// What a drawing leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Where the terminal's cursor belongs: at the focused row, for screen readers.
    pub cursor: Option<Position>,
    pub spots: Vec<(Rect, usize)>,
}

impl App {
    pub fn new(options: Options) -> App {
        let first = match &options.open {
            None => Tab::Overview,
            Some(Start::Screen(tab)) => *tab,
            Some(Start::Node(_)) => Tab::Graph,
        };
        let mut screens = Screens::default();
        if options.theme.is_read() {
            screens.graph.as_lines();
        }
        App {
            theme: options.theme,
            keymap: options.keymap,
            mouse: options.mouse,
            context: options.context,
            data: Data::Loading,
            reading: Some(Load { ask: options.ask, sections: needs(first) }),
            readings: Readings::default(),
            read: Duration::ZERO,
            screens,
            tab: Tab::Overview,
            history: vec![Tab::Overview],
            at: 0,
            filters: BTreeMap::new(),
            mode: Mode::Screen,
            toast: None,
            greeting: None,
            size: (80, 24),
            spots: Vec::new(),
            start: options.open,
            last_click: None,
            dragged: None,
            ask: options.ask,
            refresh: options.refresh,
            is_paused: false,
            is_playing: false,
        }
    }
    /// Says something until a key is typed, as who starts it has more to tell than the keys.
    #[must_use]
    pub fn greeting(self, text: Option<String>) -> App {
        App { greeting: text, ..self }
    }
    pub fn tab(&self) -> Tab {
        self.tab
    }
    pub fn size(&self) -> (u16, u16) {
        self.size
    }
    pub fn theme(&self) -> &Theme {
        &self.theme
    }
    pub fn mouse(&self) -> MouseUse {
        self.mouse
    }
    /// What is being read; at first what the first screen shows.
    pub fn reading(&self) -> Option<Load> {
        self.reading
    }
    /// Takes what the last drawing left behind.
    pub fn shown(&mut self, shown: Shown) {
        self.spots = shown.spots;
    }
    /// What is known.
    pub fn world(&self) -> Option<Arc<World>> {
        match &self.data {
            Data::Ready(world) => Some(Arc::clone(world)),
            _ => None,
        }
    }
    /// What can be replayed, where there is room for its line.
    fn replay(&self) -> Option<&Timeline> {
        let Data::Ready(world) = &self.data else { return None };
        world.timeline.as_ref().filter(|_| self.size.1 >= 12)
    }
    /// Between the top line and the footer.
    fn body(&self) -> Rect {
        let (width, height) = self.size;
        Rect { x: 0, y: 1.min(height), width, height: height.saturating_sub(2 + self.replay().map_or(0, |_| 1)) }
    }
    fn filter(&self) -> Filter {
        Filter::parse(match &self.mode {
            Mode::Filter(line) => line.text(),
            _ => self.filters.get(&self.tab).map_or("", String::as_str),
        })
    }
    /// Runs something of the screen that is shown.
    fn with_screen<T>(&mut self, run: impl FnOnce(&mut dyn crate::screens::Screen, &Cx<'_>) -> T) -> Option<T> {
        let world = self.world()?;
        let (filter, theme, area) = (self.filter(), self.theme, self.body());
        let cx = Cx { world: &world, theme: &theme, filter: &filter, area, ages: Ages::default() };
        Some(run(self.screens.get_mut(self.tab), &cx))
    }
    fn say(&mut self, text: impl Into<String>, now: Duration) {
        self.toast = Some((text.into(), now + Duration::from_secs(4)));
    }
    /// What time alone changes in the picture: while it stays the same, nothing needs to be drawn.
    pub fn told(&self, now: Duration) -> Told {
        let ages = self.readings.ages(self.refresh, now);
        Told {
            age: draw::age(self.readings.oldest(needs(self.tab), now)),
            ages: Section::ALL.map(|s| ages.of(&[s])),
            has_toast: self.toast.is_some(),
            is_reading: self.reading.is_some(),
        }
    }
    /// When time alone changes the picture next.
    pub fn deadline(&self) -> Option<Duration> {
        self.toast.as_ref().map(|(_, until)| *until).into_iter().chain(self.due()).chain(self.plays()).min()
    }
    /// When the recording goes on.
    fn plays(&self) -> Option<Duration> {
        (self.is_playing && self.reading.is_none()).then(|| self.read + PLAY)
    }
    /// When the sources are read again.
    fn due(&self) -> Option<Duration> {
        if self.is_paused || self.reading.is_some() {
            return None;
        }
        // What failed is tried again as well.
        self.refresh.and_then(|every| self.readings.due(needs(self.tab), every))
    }
    fn requested(&mut self, requests: Vec<Request>, now: Duration) {
        for request in requests {
            self.request(request, now);
        }
    }
}
