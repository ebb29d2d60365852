//! The terminal: the only part of this crate that touches one. The binary gives it the clock, the sources and the output.
//!
//! The terminal is given back as it was after the end, a panic ([`leave`] is for a panic hook), SIGTERM, SIGHUP and before
//! a suspend. Frames are written whole (synchronized output), and nothing is written when nothing changed.

mod background;
mod guard;
mod screen;

pub use guard::leave;
pub use screen::Canvas;

use crate::app::{App, Effect, Event, Focus, MouseUse};
use crate::keys::Key;
use crate::text::clean;
use crate::world::held::{Part, Wanted};
use crate::world::way::{Question, Way};
use crate::world::{Load, World};
use crossterm::event::{self, Event as Input, KeyEventKind, MouseButton, MouseEventKind};
use guard::Guard;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Tells what becomes of a request.
pub type Asking = dyn Fn(&Question) -> Result<Way, String> + Send + Sync;

/// Tells what a proxy holds.
pub type Holding = dyn Fn(&Wanted) -> Result<Vec<Part>, String> + Send + Sync;

/// Reads what is asked for, and puts it into what was known before.
pub type Loading = dyn Fn(Load, Option<&World>) -> Result<World, String> + Send + Sync;

/// What the binary gives.
pub struct Host<'h> {
    /// Time since the start.
    pub now: &'h dyn Fn() -> Duration,
    /// Reads sources; runs on a thread of its own.
    pub load: Arc<Loading>,
    /// What becomes of a request at a proxy; runs on a thread of its own.
    pub ask: Arc<Asking>,
    /// A resource of a proxy; runs on a thread of its own.
    pub hold: Arc<Holding>,
    /// Whether sources that are followed have changed since they were read.
    pub changed: &'h dyn Fn() -> bool,
    /// Writes a file that only its owner may read.
    pub write: &'h dyn Fn(&str, &str) -> Result<(), String>,
    /// Opens a file at a line in the user's editor, while the terminal is given back; comes back when that ends.
    pub edit: &'h dyn Fn(&str, u32) -> Result<(), String>,
    pub background: Background,
}

/// Whether the terminal is asked for its background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// The colours are chosen already.
    Chosen,
    Asked,
}

/// How long the loop waits for input at most: signals are seen then.
const WAIT: Duration = Duration::from_millis(100);
/// While sources are read their end is waited for more closely.
const WAIT_READING: Duration = Duration::from_millis(15);
/// How long what was typed is looked for once it is there.
const LOOK: Duration = Duration::from_millis(1);
/// How often it is looked for before all of it is taken to be read: keys that crossterm has read already are not seen by a wait,
/// and a look that is interrupted for longer than [`LOOK`] finds none of them.
const LOOKS: u8 = 3;
/// How often the age in the top line is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Terminals take about so much by OSC 52.
const COPY: usize = 75_000;

struct Signals {
    ends: Vec<(i32, Arc<AtomicBool>)>,
    suspends: Arc<AtomicBool>,
    continues: Arc<AtomicBool>,
    resizes: Arc<AtomicBool>,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        let flag = |signal: i32| -> io::Result<Arc<AtomicBool>> {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            Ok(flag)
        };
        let ends = [SIGTERM, SIGHUP, SIGINT].into_iter().map(|s| Ok((s, flag(s)?))).collect::<io::Result<Vec<_>>>()?;
        Ok(Signals { ends, suspends: flag(SIGTSTP)?, continues: flag(SIGCONT)?, resizes: flag(SIGWINCH)? })
    }
    fn end(&self) -> Option<i32> {
        self.ends.iter().find(|(_, f)| f.load(Ordering::Relaxed)).map(|(s, _)| *s)
    }
}

/// Runs the UI until it is left. Returns the signal that ended it, if one did, once the terminal is as it was: the process is
/// to [`end_by`] it when it has put away what is its own.
pub fn run(app: &mut App, host: &Host<'_>, out: &mut impl Write) -> io::Result<Option<i32>> {
    let signals = Signals::new()?;
    let mut guard = Guard::enter(out, app.mouse())?;
    let ended = turn(app, host, &mut guard, &signals);
    guard.leave()?;
    drop(guard);
    ended
}

/// Ends the process as a signal does that nobody takes.
pub fn end_by(signal: i32) -> io::Result<()> {
    signal_hook::low_level::emulate_default_handler(signal)
}

/// The loop: input and data first, all of it; then one frame if anything happened.
fn turn(app: &mut App, host: &Host<'_>, guard: &mut Guard<'_, impl Write>, signals: &Signals) -> io::Result<Option<i32>> {
    let (sender, answers) = channel();
    let mut canvas = Canvas::default();
    let mut ticked = Duration::ZERO;
    // The sources that are read, and the questions that are open.
    let (mut is_reading, mut open) = (true, 0_usize);
    if let Some(first) = app.reading() {
        load(host, first, app, &sender);
    }
    resize(app, host)?;
    let mut is_dirty = true;
    let mut ticks = false;
    let mut inbox = Inbox::default();
    if host.background == Background::Asked {
        write!(guard.out(), "{}", background::QUESTION)?;
        guard.out().flush()?;
        inbox.answer = background::Answer::Asked;
    }
    let mut shown = app.told((host.now)());
    loop {
        if let Some(signal) = signals.end() {
            return Ok(Some(signal));
        }
        if signals.suspends.swap(false, Ordering::Relaxed) {
            suspend(app, guard)?;
        }
        if signals.continues.swap(false, Ordering::Relaxed) {
            // While another program had the terminal, its window may have changed, and nobody told this one.
            guard.enter_again(app.mouse())?;
            canvas.forget();
            resize(app, host)?;
            is_dirty = true;
        }
        if signals.resizes.swap(false, Ordering::Relaxed) {
            // A terminal may have moved or cut what it showed.
            canvas.forget();
            resize(app, host)?;
            is_dirty = true;
        }
        let now = (host.now)();
        if now.saturating_sub(ticked) >= TICK || app.deadline().is_some_and(|d| d <= now) {
            ticked = now;
            ticks = true;
        }
        // At rest nothing is even drawn, so that nothing has to be compared.
        let told = app.told(now);
        is_dirty |= told != shown;
        shown = told;
        if is_dirty {
            canvas.draw(app, now, guard.out())?;
            is_dirty = false;
        }
        let mut events = match std::mem::take(&mut ticks) {
            true if !is_reading && (host.changed)() => vec![Event::Tick, Event::Changed],
            true => vec![Event::Tick],
            false => inbox.waited(is_reading || open > 0)?,
        };
        for answer in answers.try_iter() {
            match &answer {
                Event::Loaded(_) => is_reading = false,
                _ => open = open.saturating_sub(1),
            }
            events.push(answer);
        }
        is_dirty |= events.iter().any(|e| !matches!(e, Event::Tick | Event::Changed));
        for event in events {
            for effect in app.update(event, (host.now)()) {
                match effect {
                    Effect::Quit => return Ok(None),
                    Effect::Suspend => suspend(app, guard)?,
                    Effect::Load(wanted) => {
                        is_reading = true;
                        load(host, wanted, app, &sender);
                    }
                    Effect::Ask(question) => {
                        open += 1;
                        ask(host, question, &sender);
                    }
                    Effect::Hold(wanted) => {
                        open += 1;
                        let (hold, sender) = (Arc::clone(&host.hold), sender.clone());
                        std::thread::spawn(move || {
                            let answer = hold(&wanted);
                            let _ = sender.send(Event::Held(wanted, answer));
                        });
                    }
                    Effect::LayOut(job) => {
                        open += 1;
                        let sender = sender.clone();
                        std::thread::spawn(move || {
                            let _ = sender.send(Event::LaidOut(Box::new(job.run())));
                        });
                    }
                    Effect::DrawWhole(whole) => {
                        open += 1;
                        let sender = sender.clone();
                        std::thread::spawn(move || {
                            let (path, text) = whole.run();
                            let _ = sender.send(Event::Drawn { path, text });
                        });
                    }
                    Effect::Mouse(mouse) => guard.mouse(mouse)?,
                    Effect::Edit { file, line } => {
                        guard.leave()?;
                        let done = (host.edit)(&file, line).map(|()| format!("back from {file}; r reads the sources again"));
                        guard.enter_again(app.mouse())?;
                        canvas.forget();
                        resize(app, host)?;
                        app.update(Event::Done(done), (host.now)());
                    }
                    Effect::Copy(text) => {
                        let done = copy(&text, guard.out());
                        app.update(Event::Done(done), (host.now)());
                    }
                    Effect::Write { path, text } => {
                        let done = (host.write)(&path, &text).map(|()| format!("written: {path}"));
                        app.update(Event::Done(done), (host.now)());
                    }
                }
            }
        }
    }
}

fn load(host: &Host<'_>, wanted: Load, app: &App, sender: &Sender<Event>) {
    let (load, sender, before) = (Arc::clone(&host.load), sender.clone(), app.world());
    std::thread::spawn(move || {
        // Nobody waits any more when the UI was left meanwhile.
        let _ = sender.send(Event::Loaded(load(wanted, before.as_deref()).map(Arc::new)));
    });
}

fn ask(host: &Host<'_>, question: Question, sender: &Sender<Event>) {
    let (ask, sender) = (Arc::clone(&host.ask), sender.clone());
    std::thread::spawn(move || {
        let answer = ask(&question);
        let _ = sender.send(Event::Told(question, answer));
    });
}

/// What is typed, as crossterm reads it.
#[derive(Default)]
struct Inbox {
    /// How often it is still looked for without input that waits.
    looks: u8,
    /// What the terminal answers comes among the keys.
    answer: background::Answer,
}

impl Inbox {
    /// What was typed, waited for a moment; everything that is there.
    fn waited(&mut self, is_reading: bool) -> io::Result<Vec<Event>> {
        let mut out = Vec::new();
        let wait = if is_reading { WAIT_READING } else { WAIT };
        if wait_for_input(wait)? {
            self.looks = LOOKS;
        } else if self.looks == 0 {
            // Crossterm would spend all of its time looking.
            return Ok(out);
        }
        loop {
            // Without any time at all crossterm does not look.
            match event::poll(LOOK) {
                Ok(false) => break,
                Ok(true) => {
                    self.looks = LOOKS;
                    out.extend(self.event(event::read()?));
                }
                // A signal came; it is looked at by the loop.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => break,
                Err(e) => return Err(e),
            }
        }
        self.looks = self.looks.saturating_sub(1);
        Ok(out)
    }

    fn event(&mut self, input: Input) -> Option<Event> {
        let Input::Key(key) = &input else { return translate(input) };
        match self.answer.take(key) {
            background::Taken::Key => translate(input),
            background::Taken::Part => None,
            background::Taken::End(palette) => palette.map(Event::Background),
        }
    }
}

/// Waits for input, and tells whether there is any. A terminal that has gone away is an error: crossterm would read its end for ever.
fn wait_for_input(wait: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    match poll(&mut watched, Some(&wait)) {
        // A signal came; it is looked at by the loop.
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
        Ok(_) if watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => {
            Err(io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone"))
        }
        Ok(n) => Ok(n > 0),
    }
}

fn translate(input: Input) -> Option<Event> {
    match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => Some(Event::Key(Key::of(&key))),
        Input::Key(_) => None,
        Input::Mouse(m) => match m.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Event::Click(m.column, m.row)),
            MouseEventKind::Drag(MouseButton::Left) => Some(Event::Drag(m.column, m.row)),
            MouseEventKind::ScrollDown => Some(Event::Wheel(3)),
            MouseEventKind::ScrollUp => Some(Event::Wheel(-3)),
            _ => None,
        },
        Input::Paste(text) => Some(Event::Paste(text)),
        // The loop has a signal handler of its own: crossterm loses the size that comes together with a key, and the one
        // that comes before its first event was asked for.
        Input::Resize(..) => None,
        Input::FocusGained => Some(Event::Focus(Focus::Gained)),
        Input::FocusLost => Some(Event::Focus(Focus::Lost)),
    }
}

/// Tells the size that the window has now.
fn resize(app: &mut App, host: &Host<'_>) -> io::Result<()> {
    let (width, height) = crossterm::terminal::size()?;
    app.update(Event::Resize(width, height), (host.now)());
    Ok(())
}

/// Gives the terminal back and stops; the loop takes it again on SIGCONT.
fn suspend(app: &App, guard: &mut Guard<'_, impl Write>) -> io::Result<()> {
    guard.leave()?;
    // The process stops here and goes on when the shell says so.
    signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
    guard.enter_again(app.mouse())
}

/// Copies by OSC 52, which works over ssh too.
fn copy(text: &str, out: &mut impl Write) -> Result<String, String> {
    let lines: Vec<_> = text.lines().map(clean).collect();
    let text = lines.join("\n");
    let encoded = data_encoding::BASE64.encode(text.as_bytes());
    if encoded.len() > COPY {
        return Err("too long to be copied".to_owned());
    }
    write!(out, "\u{1b}]52;c;{encoded}\u{7}").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    Ok(if lines.len() == 1 { format!("copied: {text}") } else { format!("copied: {} lines", lines.len()) })
}

/// How the mouse is used, for the guard.
fn takes_mouse(mouse: MouseUse) -> bool {
    mouse == MouseUse::Taken
}
