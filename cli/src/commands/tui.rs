//! `meshctl tui`: the sources, the terminal's manners, and the library that draws.

mod dumps;
mod editor;
mod environment;
mod held;
pub mod logs;
pub mod picture;
mod replay;
mod request;
mod scraping;
mod sources;
mod suspects;
pub mod telemetry;
mod traces;

use crate::args::telemetry::TelemetryArgs;
use crate::args::tui::TuiArgs;
use crate::context::{Context, Notes};
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use mesh_metrics::promql::parse_duration;
use mesh_tui::action::Tab;
use mesh_tui::app::{App, MouseUse, Options, Start};
use mesh_tui::config::Mouse;
use mesh_tui::graph::Health;
use mesh_tui::terminal::{self, Background, Host};
use mesh_tui::theme::{Charset, Depth, Medium, Palette, Theme};
use mesh_tui::world::sections::Sections;
use mesh_tui::world::{Ask, Load, Target, World};
use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub fn run(args: &TuiArgs, context: &Context) -> Outcome {
    run_and(args, context, None, terminal::end_by)
}

/// The same. `greeting` is said until a key is typed, and `end` is what follows a signal that ended it.
pub fn run_and(args: &TuiArgs, context: &Context, greeting: Option<String>, end: impl FnOnce(i32) -> std::io::Result<()>) -> Outcome {
    if args.print_config {
        context.answer(&mesh_tui::config::example())?;
        return Ok(Status::Fine);
    }
    let (words, named) = opened(args);
    let paths: Vec<String> = words.into_iter().chain(args.metrics.from.iter().cloned()).collect();
    let metrics = telemetry::Named(TelemetryArgs { from: Vec::new(), ..args.metrics.clone() });
    if paths.is_empty() && metrics.is_empty() && traces::address(&args.traces).is_none() {
        return Err(Failure::usage(
            "nothing to look at: no path is given. Type\n  meshctl tui DIR               manifests, config dumps, folders of both\n  meshctl tui --from kube       what the current context's cluster holds\n  meshctl tui http://localhost:15000   one proxy, as it is now\n  meshctl tui --series FILE     who calls whom, how much and how well",
        ));
    }
    let open = args.open.as_deref().or(named.as_deref()).map(start);
    let refresh = refresh(args, &paths, &metrics)?;
    // A recording that is named at a time opens there, and can be replayed from its beginning to its end.
    let (paths, started) = replay::without_times(&paths);
    let back = started.and_then(|at| replay::last(&paths).map(|last| (last - at).max(0))).unwrap_or(0);
    let window = crate::telemetry::duration("--since", &args.metrics.since)? / 1000;
    let ask = Ask { window, back, ..Ask::default() };
    let context = &Context { now: context.now + back, ..context.clone() };
    let is_once = args.picture.is_some() || args.no_tui || context.out.is_some() || environment::cannot_draw().is_some();
    let interval = Duration::from_millis(crate::telemetry::duration("--interval", &args.metrics.interval)?.unsigned_abs());
    let scraping = if is_once { scraping::Scraping::Twice(interval) } else { scraping::Scraping::kept() };
    let request = sources::Request {
        paths,
        complete: args.complete,
        context: context.clone(),
        metrics,
        traces: args.traces.clone(),
        replay: replay::Kept::default(),
        scraping,
        kept: Mutex::default(),
    };
    if let Some(file) = &args.picture {
        return take_picture(args, request, ask, open, file);
    }
    if args.no_tui || context.out.is_some() {
        return print(&request, ask, open.as_ref());
    }
    if let Some(why) = environment::cannot_draw() {
        stdio::note(&format!("note: {why}: here is the text (`--no-tui` says so without this note)"));
        return print(&request, ask, open.as_ref());
    }
    if let Some(signal) = draw(args, context, request, Opening { ask, open, refresh, greeting })? {
        end(signal).map_err(|e| Failure::none(format!("signal {signal}: {e}")))?;
    }
    Ok(Status::Fine)
}

fn medium(is_read: bool) -> Medium {
    if is_read { Medium::Read } else { Medium::Seen }
}

/// Admin ports and Prometheus are read again by themselves; a cluster is followed, and read when something has changed.
fn refresh(args: &TuiArgs, paths: &[String], metrics: &telemetry::Named) -> Result<Option<Duration>, Failure> {
    let has_server = traces::address(&args.traces).is_some();
    let is_port = |p: &String| ["http:", "https:", "unix:"].iter().any(|s| p.starts_with(s));
    match args.refresh.as_deref() {
        None => Ok((metrics.is_live() || has_server || paths.iter().any(is_port)).then_some(Duration::from_secs(15))),
        Some("off") => Ok(None),
        Some(text) => match parse_duration(text).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms >= 1000) {
            Some(ms) => Ok(Some(Duration::from_millis(ms))),
            None => Err(Failure::usage(format!("--refresh {text}: a duration of a second at least, such as 30s or 5m, or off must stand here"))),
        },
    }
}

/// The paths, and what of them is the place to open: the last word, where there is no such file and there are other sources.
fn opened(args: &TuiArgs) -> (Vec<String>, Option<String>) {
    let others = args.paths.len() > 1 || !args.metrics.from.is_empty() || args.metrics.series.is_some() || args.metrics.prometheus.is_some();
    let is_name = |w: &String| {
        let is_source = w == "-" || w.starts_with("kube") || w.contains([':', '*', '@', '.']);
        !is_source && !std::path::Path::new(w).exists()
    };
    match args.paths.split_last() {
        Some((last, paths)) if others && args.open.is_none() && is_name(last) => (paths.to_vec(), Some(last.clone())),
        _ => (args.paths.clone(), None),
    }
}

/// A screen's name, or else a node's.
fn start(open: &str) -> Start {
    Tab::ALL.into_iter().find(|t| t.name() == open).map_or_else(|| Start::Node(open.to_owned()), Start::Screen)
}

fn print(request: &sources::Request, ask: Ask, open: Option<&Start>) -> Outcome {
    // What is printed once is of everything that was named.
    let world = sources::world(request, Load { ask, sections: Sections::ALL }, None)?;
    let text = match open {
        None => mesh_tui::print::text(&world, Tab::Overview),
        Some(Start::Screen(tab)) => mesh_tui::print::text(&world, *tab),
        Some(Start::Node(name)) => {
            let key = mesh_tui::command::find(&world, name);
            let key = key.ok_or_else(|| Failure::usage(format!("nothing is called `{name}`, neither a screen nor a service or workload")))?;
            mesh_tui::print::node(&world, &key)
        }
    };
    request.context.answer(&text)?;
    Ok(status(&world))
}

/// The same whatever the environment is, so that it can be compared.
fn take_picture(args: &TuiArgs, request: sources::Request, ask: Ask, open: Option<Start>, file: &str) -> Outcome {
    let sizes = args.size.split(',').map(picture::size).collect::<Result<Vec<_>, _>>()?;
    let palette = args.theme.as_deref().and_then(Palette::parse).unwrap_or_default();
    let theme = Theme { palette, depth: Depth::True, charset: if args.ascii { Charset::Ascii } else { Charset::Unicode }, medium: medium(args.a11y) };
    let options = Options {
        theme,
        keymap: mesh_tui::keys::Keymap::default(),
        mouse: MouseUse::Left,
        context: request.name(),
        open,
        refresh: picture::refresh(args.moment),
        ask,
    };
    // What could not be read is on the picture, and in the exit status.
    let unread = Cell::new(false);
    let load = |load, before: Option<&World>| {
        let world = sources::world(&request, load, before);
        unread.set(unread.get() || world.as_ref().map_or(true, is_unread));
        world
    };
    let ask = |question: &_| request::answer(question, &request.context);
    let hold = |wanted: &_| held::answer(wanted, &request.context);
    let host = picture::Host { load: &load, ask: &ask, hold: &hold };
    let text = picture::render(&|| App::new(options.clone()), &host, &sizes, args.moment, &args.keys, file)?;
    if file == "-" {
        request.context.answer(&text)?;
    } else {
        stdio::file(std::path::Path::new(file), text.as_bytes())?;
    }
    Ok(if unread.get() { Status::Unreadable } else { Status::Fine })
}

/// As for every command: what is wrong makes it 79, what was not read 65.
fn status(world: &World) -> Status {
    let is_wrong = world.problems.iter().any(|p| p.health == Health::Failing && p.target != Target::Sources);
    match (is_wrong, is_unread(world)) {
        (true, _) => Status::NotFine,
        (_, true) => Status::Unreadable,
        _ => Status::Fine,
    }
}

fn is_unread(world: &World) -> bool {
    world.sources.iter().any(|s| s.state.is_err())
}

/// How it begins.
struct Opening {
    ask: Ask,
    open: Option<Start>,
    refresh: Option<Duration>,
    /// Said until the first key.
    greeting: Option<String>,
}

fn draw(args: &TuiArgs, context: &Context, request: sources::Request, opening: Opening) -> Result<Option<i32>, Failure> {
    let Opening { ask, open, refresh, greeting } = opening;
    let config = environment::config()?;
    let named = match args.theme.as_deref() {
        None => config.theme.or_else(environment::palette),
        Some(name) => Some(
            Palette::parse(name)
                .ok_or_else(|| Failure::usage(format!("--theme: there is no theme `{name}`; there are {}", Palette::ALL.map(Palette::name).join(", "))))?,
        ),
    };
    let depth = environment::depth(context.color);
    let background = if named.is_none() && depth != Depth::None && environment::knows_colours() { Background::Asked } else { Background::Chosen };
    let charset = if args.ascii { Charset::Ascii } else { config.charset.unwrap_or_else(environment::charset) };
    let mouse = if args.no_mouse || config.mouse == Some(Mouse::Left) { MouseUse::Left } else { MouseUse::Taken };
    let theme = Theme { palette: named.unwrap_or_default(), depth, charset, medium: if args.a11y { Medium::Read } else { config.medium.unwrap_or_default() } };
    let mut app = App::new(Options { theme, keymap: config.keymap, mouse, context: request.name(), open, refresh, ask }).greeting(greeting);
    // A panic must not leave the terminal raw, and its message must be readable.
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let _ = terminal::leave(&mut std::io::stdout());
        before(info);
    }));
    let started = Instant::now();
    // What is said while sources are read would be drawn over.
    let (following, followers) = Context { notes: Notes::Quiet, ..context.clone() }.following();
    let quiet = sources::Request { context: following, ..request };
    let asking = Context { notes: Notes::Quiet, ..context.clone() };
    let holding = asking.clone();
    // When the last reading ended, and how long it took: judging a large mesh must not take all the time.
    let last = Arc::new(Mutex::new((Instant::now(), Duration::ZERO)));
    let read = Arc::clone(&last);
    let host = Host {
        now: &|| started.elapsed(),
        load: Arc::new(move |load, before: Option<&World>| {
            let start = Instant::now();
            let world = sources::world(&quiet, load, before).map_err(|e| e.to_string());
            *read.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), start.elapsed());
            world
        }),
        ask: Arc::new(move |question| request::answer(question, &asking)),
        hold: Arc::new(move |wanted| held::answer(wanted, &holding)),
        changed: &|| {
            let (end, took) = *last.lock().unwrap_or_else(PoisonError::into_inner);
            end.elapsed() >= took * 4 && followers.have_changed()
        },
        edit: &editor::open,
        background,
        write: &|path, text| stdio::file(std::path::Path::new(path), text.as_bytes()).map_err(|e| e.to_string()),
    };
    let mut out = std::io::BufWriter::with_capacity(64 * 1024, std::io::stdout());
    match terminal::run(&mut app, &host, &mut out) {
        Ok(signal) => Ok(signal),
        Err(_) if !std::io::stdout().is_terminal() => Err(Failure::Closed),
        Err(e) => Err(Failure::none(format!("the terminal: {e}"))),
    }
}
