//! Events in, effects out.

use super::{Ages, App, Effect, Event, Mode, MouseUse, palette};
use crate::action::{Action, Tab};
use crate::command::{self, Command};
use crate::filter::Filter;
use crate::keys::Key;
use crate::screens::{Cx, Request, Screen};
use crate::widgets::LineEdit;
use crate::world::Ask;
use crate::world::held::Form;
use crate::world::sections::Sections;
use crate::world::timeline::Jump;
use crossterm::event::KeyCode;
use std::time::Duration;

/// Times between two readings, in seconds.
const INTERVALS: [u64; 6] = [5, 10, 15, 30, 60, 300];

/// The next longer time between two readings; after the longest none, after none the shortest.
fn longer(every: Option<Duration>) -> Option<Duration> {
    let now = every.map_or(0, |d| d.as_secs());
    INTERVALS.into_iter().find(|s| *s > now).map(Duration::from_secs)
}

impl App {
    /// Changes the state. `now` is the time since the UI started.
    pub fn update(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        if self.toast.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.toast = None;
        }
        if matches!(event, Event::Key(_) | Event::Click(..)) {
            self.greeting = None;
        }
        let mut effects = match event {
            Event::Key(key) => self.key(key, now),
            Event::Paste(text) => {
                match &mut self.mode {
                    Mode::Filter(line) | Mode::Command { line, .. } | Mode::Palette { line, .. } => line.insert(&text),
                    Mode::Document(pager) => App::pager_paste(pager, &text),
                    // Pasted text is no command: nothing runs by accident.
                    _ => self.say("paste works where text is typed: / : ctrl-p", now),
                }
                Vec::new()
            }
            Event::Click(x, y) => self.click(x, y, now),
            Event::Drag(x, y) => {
                self.drag(x, y);
                Vec::new()
            }
            Event::Wheel(rows) => self.wheel(rows, now),
            Event::Resize(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Event::Background(palette) => {
                self.theme.palette = palette;
                Vec::new()
            }
            Event::Focus(_) => Vec::new(),
            Event::Tick if self.plays().is_some_and(|due| due <= now) => self.jump(Jump::Next, now),
            Event::Tick if self.due().is_some_and(|due| due <= now) => self.load_due(now),
            Event::Changed if !self.is_paused && self.reading.is_none() => self.changed(),
            Event::Tick | Event::Changed => Vec::new(),
            Event::Loaded(result) => {
                self.loaded(result, now);
                Vec::new()
            }
            Event::Told(question, answer) => {
                self.screens.proxies.told(&question, answer);
                Vec::new()
            }
            Event::Held(wanted, answer) => {
                self.held(&wanted, answer);
                Vec::new()
            }
            Event::LaidOut(made) => {
                if let Some(world) = self.world() {
                    self.screens.graph.made(*made, world.drawn());
                }
                Vec::new()
            }
            Event::Drawn { path, text } => self.drawn(path, text, now),
            Event::Done(result) => {
                let text = result.unwrap_or_else(|e| format!("failed: {e}"));
                self.say(text, now);
                Vec::new()
            }
        };
        effects.extend(self.load_missing());
        self.with_screen(|screen, cx| screen.prepare(cx));
        effects.extend(self.screens.graph.take_job().map(|job| Effect::LayOut(Box::new(job))));
        effects
    }

    fn key(&mut self, key: Key, now: Duration) -> Vec<Effect> {
        // Quitting and suspending work whatever is typed.
        let global = self.keymap.find(&[], key);
        if matches!(global, Some(Action::Quit | Action::Suspend)) && key.typed().is_none() {
            return self.act(global.unwrap_or(Action::Quit), now);
        }
        match &mut self.mode {
            Mode::Screen => {
                let scopes = self.screens.get(self.tab).scopes();
                match self.keymap.find(scopes, key) {
                    Some(action) => self.act(action, now),
                    None => {
                        self.say(format!("`{key}` does nothing here; ? shows what does"), now);
                        Vec::new()
                    }
                }
            }
            Mode::Filter(line) => {
                match key.code() {
                    KeyCode::Enter => {
                        let text = line.text().trim().to_owned();
                        self.set_filter(text);
                        self.mode = Mode::Screen;
                    }
                    KeyCode::Esc => self.mode = Mode::Screen,
                    _ => {
                        line.key(key);
                    }
                }
                Vec::new()
            }
            Mode::Command { .. } => self.command_key(key, now),
            Mode::Palette { .. } => self.palette_key(key, now),
            Mode::Document(_) => self.pager_key(key, now),
            Mode::Help { scroll } => {
                match self.keymap.find(&[], key) {
                    Some(Action::Down) => *scroll += 1,
                    Some(Action::Up) => *scroll = scroll.saturating_sub(1),
                    Some(Action::PageDown) => *scroll += 10,
                    Some(Action::PageUp) => *scroll = scroll.saturating_sub(10),
                    _ => self.mode = Mode::Screen,
                }
                Vec::new()
            }
        }
    }

    fn command_key(&mut self, key: Key, now: Duration) -> Vec<Effect> {
        let world = self.world();
        let Mode::Command { line, at } = &mut self.mode else { return Vec::new() };
        match key.code() {
            KeyCode::Esc => self.mode = Mode::Screen,
            KeyCode::Tab | KeyCode::Down | KeyCode::BackTab | KeyCode::Up => {
                let all = command::completions(line.text(), world.as_deref());
                let step = if matches!(key.code(), KeyCode::Tab | KeyCode::Down) { 1 } else { all.len().saturating_sub(1) };
                if let Some(n) = at.map_or(Some(0), |i| (i + step).checked_rem(all.len())).filter(|n| *n < all.len()) {
                    *at = Some(n);
                    // One candidate is taken at once, so that its argument can be typed.
                    if all.len() == 1 {
                        *line = LineEdit::new(&format!("{} ", all[0].0));
                        *at = None;
                    }
                }
            }
            KeyCode::Enter => {
                let all = command::completions(line.text(), world.as_deref());
                let text = at.and_then(|i| all.get(i)).map_or_else(|| line.text().to_owned(), |(t, _)| t.clone());
                self.mode = Mode::Screen;
                if text.trim().is_empty() {
                    return Vec::new();
                }
                match command::parse(&text) {
                    Ok(command) => return self.command(command, now),
                    Err(why) => self.say(why, now),
                }
            }
            KeyCode::Backspace if line.text().is_empty() => self.mode = Mode::Screen,
            _ => {
                line.key(key);
                *at = None;
            }
        }
        Vec::new()
    }

    fn palette_key(&mut self, key: Key, now: Duration) -> Vec<Effect> {
        let world = self.world();
        let scopes = self.screens.get(self.tab).scopes();
        let Mode::Palette { line, at } = &mut self.mode else { return Vec::new() };
        match key.code() {
            KeyCode::Esc => self.mode = Mode::Screen,
            KeyCode::Down | KeyCode::Tab => *at = at.saturating_add(1),
            KeyCode::Up | KeyCode::BackTab => *at = at.saturating_sub(1),
            KeyCode::Enter => {
                let found = palette::find(line.text(), &self.keymap, scopes, world.as_deref());
                let chosen = found.get((*at).min(found.len().saturating_sub(1))).map(|e| e.does.clone());
                self.mode = Mode::Screen;
                match chosen {
                    Some(palette::Does::Action(action)) => return self.act(action, now),
                    Some(palette::Does::Request(request)) => self.request(request, now),
                    None => self.say("nothing is called so", now),
                }
            }
            _ => {
                line.key(key);
                *at = 0;
            }
        }
        Vec::new()
    }

    fn command(&mut self, command: Command, now: Duration) -> Vec<Effect> {
        match command {
            Command::Show(tab, None) => self.go(tab),
            Command::Show(Tab::Traces, Some(words)) => self.request(Request::Traces(words), now),
            Command::Show(Tab::Findings, Some(words)) => self.request(Request::Findings(words), now),
            Command::Show(Tab::Proxies, Some(name)) => {
                let index = self.world().and_then(|w| w.proxies.known().and_then(|all| all.iter().position(|p| p.full_name().contains(&name))));
                match index {
                    Some(i) => self.request(Request::Proxy(i), now),
                    None => self.say(format!("no proxy is called `{name}`"), now),
                }
            }
            Command::Show(tab @ (Tab::Graph | Tab::Detail), Some(name)) => self.open_node(tab, &name, now),
            Command::Show(tab, Some(_)) => self.go(tab),
            Command::List(filter) => {
                self.go(Tab::Detail);
                self.set_filter(filter);
                self.screens.detail.list();
            }
            Command::Filter(text) => self.set_filter(text),
            Command::Find(text) => {
                self.go(Tab::Graph);
                if let Err(why) = self.screens.graph.find(&text) {
                    self.say(format!("find: {why}"), now);
                }
            }
            Command::Hide(text) => {
                self.go(Tab::Graph);
                if let Err(why) = self.screens.graph.hide(&text) {
                    self.say(format!("hide: {why}"), now);
                }
            }
            Command::Type(graph) => {
                self.go(Tab::Graph);
                return self.graph_type(graph, now);
            }
            Command::Theme(palette) => self.theme.palette = palette,
            Command::Write(path) => return self.write(path, now),
            Command::Screen(path) => return vec![self.write_screen(path, now)],
            Command::Request(words) => {
                self.go(Tab::Proxies);
                match self.with_proxies(|proxies, cx| proxies.ask(words, cx)) {
                    Some(Ok(question)) => return vec![Effect::Ask(question)],
                    Some(Err(why)) => self.say(format!("request: {why}"), now),
                    None => self.say("request: the sources are being read", now),
                }
            }
            Command::At(time) => return self.go_to(&time, now),
            Command::Help => self.mode = Mode::Help { scroll: 0 },
            Command::Refresh(None) => return self.act(Action::Refresh, now),
            Command::Refresh(Some(every)) => self.set_interval(every.map(Duration::from_secs), now),
            Command::Document(form) => return self.show_document(form, now),
            Command::Quit => return vec![Effect::Quit],
        }
        Vec::new()
    }

    /// Shows the node that is meant by `name` or `namespace/name`.
    pub(super) fn open_node(&mut self, tab: Tab, name: &str, now: Duration) {
        let Some(world) = self.world() else { return };
        match command::find(&world, name) {
            Some((ns, name)) if tab == Tab::Detail => self.request(Request::Detail(ns, name), now),
            Some(node) => self.request(Request::Graph { filter: String::new(), node: Some(node) }, now),
            None => {
                self.go(tab);
                self.say(format!("nothing is called `{name}`"), now);
            }
        }
    }

    fn set_filter(&mut self, text: String) {
        self.filters.insert(self.tab, text);
    }

    /// Shows a screen and notes it in the history.
    pub(super) fn go(&mut self, tab: Tab) {
        if tab == self.tab {
            return;
        }
        self.history.truncate(self.at + 1);
        self.history.push(tab);
        // Nobody goes back further.
        let extra = self.history.len().saturating_sub(100);
        self.history.drain(..extra);
        self.at = self.history.len() - 1;
        self.tab = tab;
    }

    fn go_in_history(&mut self, at: Option<usize>) -> bool {
        let Some((at, tab)) = at.and_then(|at| Some((at, *self.history.get(at)?))) else { return false };
        self.at = at;
        self.tab = tab;
        true
    }

    pub(super) fn request(&mut self, request: Request, now: Duration) {
        let Some(world) = self.world() else { return };
        let theme = self.theme;
        match request {
            Request::Say(text) => self.say(text, now),
            Request::Show(tab) => self.go(tab),
            Request::Finding(index) => {
                self.go(Tab::Findings);
                self.set_filter(String::new());
                let cx = Cx { world: &world, theme: &theme, filter: &Filter::default(), area: self.body(), ages: Ages::default() };
                self.screens.findings.show(index, &cx);
            }
            Request::Findings(filter) => {
                self.go(Tab::Findings);
                self.set_filter(filter);
            }
            Request::Proxy(index) => {
                self.go(Tab::Proxies);
                self.set_filter(String::new());
                self.screens.proxies.show(index);
            }
            Request::Graph { filter, node } => {
                self.go(Tab::Graph);
                self.set_filter(filter);
                if let Some(node) = node {
                    self.screens.graph.choose(node);
                }
            }
            Request::Traces(filter) => {
                self.go(Tab::Traces);
                self.screens.traces.escape();
                self.set_filter(filter);
            }
            Request::Trace(id) => {
                self.go(Tab::Traces);
                self.screens.traces.show(id);
            }
            Request::Detail(namespace, name) => {
                self.go(Tab::Detail);
                // A filter is of the list.
                self.set_filter(String::new());
                self.screens.detail.show(namespace, name);
            }
        }
    }

    /// Does what a key stands for.
    pub(super) fn act(&mut self, action: Action, now: Duration) -> Vec<Effect> {
        match action {
            Action::Quit => return vec![Effect::Quit],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Screen(tab) => self.go(tab),
            Action::Filter => match self.screens.get_mut(self.tab).to_filtered() {
                Ok(()) => self.mode = Mode::Filter(LineEdit::new(self.filters.get(&self.tab).map_or("", String::as_str))),
                Err(why) => self.say(why, now),
            },
            Action::Find | Action::Hide => {
                let (find, hide) = self.screens.graph.expressions();
                let text = if action == Action::Find { format!("find {find}") } else { format!("hide {hide}") };
                self.mode = Mode::Command { line: LineEdit::new(&text), at: None };
            }
            Action::Request => {
                // Without a proxy it is for the manifests to say, which have to know who sends it.
                let has_proxies = self.world().is_some_and(|w| w.proxies.known().is_some());
                let fresh = if has_proxies { "GET http://" } else { "" };
                let line = format!("request {}", self.screens.proxies.request().unwrap_or_else(|| fresh.to_owned()));
                self.mode = Mode::Command { line: LineEdit::new(&line), at: None };
            }
            Action::Command => self.mode = Mode::Command { line: LineEdit::default(), at: None },
            Action::Palette => self.mode = Mode::Palette { line: LineEdit::default(), at: 0 },
            Action::Help => self.mode = Mode::Help { scroll: 0 },
            Action::Escape | Action::Back => {
                let has_filter = self.filters.get(&self.tab).is_some_and(|f| !f.is_empty()) && self.screens.get(self.tab).is_filtered();
                if self.screens.get_mut(self.tab).escape() {
                } else if action == Action::Escape && has_filter {
                    self.set_filter(String::new());
                } else if !self.go_in_history(self.at.checked_sub(1)) && action == Action::Back {
                    return vec![Effect::Quit];
                }
            }
            Action::HistoryBack => {
                self.go_in_history(self.at.checked_sub(1));
            }
            Action::HistoryForward => {
                self.go_in_history(Some(self.at + 1));
            }
            Action::LastScreen => {
                let before = self.at.checked_sub(1).and_then(|at| self.history.get(at)).copied();
                if let Some(tab) = before {
                    self.go(tab);
                }
            }
            Action::Refresh => {
                if self.reading.is_some() {
                    self.say("the sources are being read", now);
                } else {
                    // The other screens ask when they are opened.
                    self.readings.outdate(Sections::ALL);
                    return self.load();
                }
            }
            Action::Mouse => {
                self.mouse = if self.mouse == MouseUse::Taken { MouseUse::Left } else { MouseUse::Taken };
                self.say(if self.mouse == MouseUse::Taken { "the mouse selects and scrolls" } else { "the mouse is the terminal's: it selects text" }, now);
                return vec![Effect::Mouse(self.mouse)];
            }
            Action::Window => return self.ask(|ask, _| ask.wider(), now),
            Action::GraphType => return self.graph_type(self.ask.next_type().graph, now),
            Action::Earlier if self.has_timeline() => return self.jump(Jump::Previous, now),
            Action::Later if self.has_timeline() => return self.jump(Jump::Next, now),
            Action::NextChange => return self.jump(Jump::NextChange, now),
            Action::PreviousChange => return self.jump(Jump::PreviousChange, now),
            Action::FirstError => return self.jump(Jump::FirstError, now),
            Action::Earlier => return self.ask(Ask::earlier, now),
            Action::Later => return self.ask(|ask, _| ask.later(), now),
            Action::Pause if self.has_timeline() && self.refresh.is_none() => {
                self.is_playing = !self.is_playing;
                // At the end it begins again.
                if self.is_playing && self.ask.back == 0 {
                    return self.jump(Jump::First, now);
                }
            }
            Action::Pause => {
                self.is_paused = !self.is_paused;
                let every = self.refresh.map(|d| crate::screens::span(d.as_secs() as i64));
                let text = match (every, self.is_paused) {
                    (None, false) => "not paused: a cluster is read again when it changes, all else by r".to_owned(),
                    (_, true) => "paused: what is shown stays as it is".to_owned(),
                    (Some(every), false) => format!("read again every {every}"),
                };
                self.say(text, now);
            }
            Action::Interval if self.has_timeline() => self.say("a recording stays as it is: it is not read again by itself", now),
            Action::Interval => self.set_interval(longer(self.refresh), now),
            Action::Yaml => return self.show_document(Form::Yaml, now),
            Action::Edit => return self.edit(now),
            Action::CopyName => match self.with_screen(|screen, cx| screen.name(cx)).flatten() {
                Some(name) => return vec![Effect::Copy(name)],
                None => self.say("nothing is selected", now),
            },
            Action::CopyCommand => {
                if let Some(command) = self.with_screen(|screen, cx| screen.command(cx)) {
                    return vec![Effect::Copy(command)];
                }
            }
            _ => {
                let requests = self.with_screen(|screen, cx| screen.act(action, cx)).unwrap_or_default();
                self.requested(requests, now);
            }
        }
        Vec::new()
    }

    /// The sources are read again this often; `None` is never.
    fn set_interval(&mut self, every: Option<Duration>, now: Duration) {
        self.refresh = every;
        let text = every.map_or("not read again by themselves; r reads the sources".to_owned(), |d| {
            format!("read again every {}", crate::screens::span(d.as_secs() as i64))
        });
        self.say(text, now);
    }
}
