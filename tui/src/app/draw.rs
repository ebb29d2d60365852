//! Drawing: the top line, the screen, the footer, and what lies over them.

use super::{Ages, App, Data, Mode, Shown, palette};
use crate::action::{ACTIONS, Action, Scope, Tab};
use crate::command;
use crate::screens::{Cx, message, not_available, span};
use crate::text::width;
use crate::theme::{Charset, Role};
use crate::widgets::{LineEdit, Pen, pane};
use crate::world::sections::needs;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use std::time::Duration;

/// Traffic that is older than so many seconds is not of now.
const STALE: i64 = 120;

/// A shorter piece of what was opened is left out.
const LEAST_NAME: usize = 6;

/// Below this nothing can be read.
const LEAST: (u16, u16) = (30, 8);

impl App {
    /// Draws everything. The size is that of the last [`super::Event::Resize`].
    pub fn draw(&self, buffer: &mut Buffer, now: Duration) -> Shown {
        let area = buffer.area.intersection(Rect::new(0, 0, self.size.0, self.size.1));
        let mut shown = Shown::default();
        let theme = self.theme;
        if area.width < LEAST.0 || area.height < LEAST.1 {
            Pen { buffer, theme: &theme }.paragraph(area, area.y, "too small: 30×8 at least; q quits", Role::Text);
            return shown;
        }
        let filter = self.filter();
        let body = self.body();
        match &self.data {
            Data::Loading => message(&mut Pen { buffer, theme: &theme }, body, ["The sources are being read…", &self.context, "ctrl-c quits."]),
            Data::Failed(why) => not_available(&mut Pen { buffer, theme: &theme }, body, "Data", why, "r reads them again, q quits."),
            Data::Ready(world) => {
                let cx = Cx { world, theme: &theme, filter: &filter, area: body, ages: self.readings.ages(self.refresh, now) };
                let drawn = self.screens.get(self.tab).draw(&cx, buffer);
                shown = Shown { cursor: drawn.cursor, spots: drawn.spots };
            }
        }
        self.top(buffer, now);
        self.timeline(buffer);
        self.footer(buffer, &mut shown);
        match &self.mode {
            Mode::Screen | Mode::Filter(_) => {}
            Mode::Command { line, at } => self.completions(buffer, line, *at),
            Mode::Palette { line, at } => self.palette(buffer, line, *at, &mut shown),
            Mode::Help { scroll } => self.help(buffer, *scroll),
            Mode::Document(pager) => self.pager(buffer, pager, &mut shown),
        }
        if theme.charset == Charset::Ascii {
            ascii(buffer, area);
        }
        shown
    }

    /// Where one is, and what is looked at: source, age, window, and that nothing can be changed from here.
    fn top(&self, buffer: &mut Buffer, now: Duration) {
        let theme = self.theme;
        let mut pen = Pen { buffer, theme: &theme };
        let area = Rect::new(0, 0, self.size.0, 1);
        let age = match &self.data {
            Data::Ready(_) => age(self.readings.oldest(needs(self.tab), now)),
            Data::Loading => "reading".to_owned(),
            Data::Failed(_) => "not read".to_owned(),
        };
        let again = if self.reading.is_some() && matches!(self.data, Data::Ready(_)) { " · reading" } else { "" };
        let (context, failed) = match &self.data {
            Data::Ready(w) => (w.context.as_str(), w.sources.iter().filter(|s| s.state.is_err()).count()),
            _ => (self.context.as_str(), 0),
        };
        let failed = if failed == 0 { String::new() } else { format!(" · {failed} failed") };
        let room = usize::from(area.width);
        let arrow = theme.pick([" ▸ "], [" > "])[0];
        let mut crumbs = vec![self.tab.name().to_owned()];
        if let Some(world) = self.world() {
            let filter = self.filter();
            let cx = Cx { world: &world, theme: &theme, filter: &filter, area: self.body(), ages: Ages::default() };
            crumbs.extend(self.screens.get(self.tab).crumbs(&cx));
        }
        let filter = self.filters.get(&self.tab).filter(|t| !t.is_empty() && self.screens.get(self.tab).is_filtered());
        // Where one is comes before what else is known: of that the longest that there is room for.
        let crumbs_width: usize = crumbs.iter().map(|c| width(c) + width(arrow)).sum();
        let said = 9 + crumbs_width + filter.map_or(0, |f| width(f) + 3) + 2;
        let interval = self.interval();
        let paused = if self.is_paused { interval.as_str() } else { "" };
        let window = self.window().map_or(String::new(), |w| format!(" · window {w}"));
        let tails = [
            format!(" · {age}{again}{failed}{interval}{window} · read-only "),
            format!(" · {age}{again}{failed}{interval}{window} "),
            format!(" · {age}{again}{failed}{interval} "),
            format!(" · {age}{failed}{paused} "),
        ];
        let tail = tails.iter().find(|tail| said + width(tail) <= room).map_or_else(|| format!(" · {age}{paused} "), String::clone);
        let mut x = pen.text(0, 0, " meshctl ", 9, Role::Brand);
        let limit = room.saturating_sub(width(&tail) + 2);
        for (i, crumb) in crumbs.iter().enumerate() {
            let left = limit.saturating_sub(usize::from(x));
            x += pen.text(x, 0, arrow, left, Role::Dim);
            let left = limit.saturating_sub(usize::from(x));
            x += pen.text(x, 0, crumb, left, if i + 1 == crumbs.len() { Role::Name } else { Role::Text });
        }
        if let Some(text) = filter {
            let left = limit.saturating_sub(usize::from(x));
            x += pen.text(x, 0, &format!("  /{text}"), left, Role::Key);
        }
        let left = room.saturating_sub(usize::from(x) + width(&tail) + 1);
        // A letter of a name says nothing.
        let context = if left < LEAST_NAME { String::new() } else { crate::text::shorten(context, left.min(40)) };
        let start = room.saturating_sub(width(&context) + width(&tail));
        let x = start as u16;
        let w = pen.text(x, 0, &context, room, Role::Text);
        pen.text(x + w, 0, &tail, room, Role::Dim);
    }

    /// How often the sources are read by themselves: ` · ⟳ 15s`.
    fn interval(&self) -> String {
        match (self.refresh, self.is_paused) {
            (_, true) => " · paused".to_owned(),
            (None, false) => String::new(),
            (Some(every), false) => format!(" · {} {}", self.theme.pick(["⟳"], ["every"])[0], span(every.as_secs() as i64)),
        }
    }

    /// The time that traffic is of: `10m`, `10m to 11:48:00Z` where that is not now; none where no time is known.
    fn window(&self) -> Option<String> {
        let world = self.world();
        let times = world.as_ref().and_then(|w| w.times())?;
        let window = times.window.map_or("not said".to_owned(), span);
        Some(match (times.at, world.as_ref().map(|w| w.as_of)) {
            (Some(at), Some(now)) if times.window.is_none() && self.has_timeline() => format!("at {}", crate::text::moment(at, now)),
            (Some(at), Some(now)) if self.has_timeline() || (now - at).abs() >= STALE => format!("{window} to {}", crate::text::moment(at, now)),
            _ => window,
        })
    }

    /// What the keys do here; what is typed, or was said, comes before.
    fn footer(&self, buffer: &mut Buffer, shown: &mut Shown) {
        let theme = self.theme;
        let mut pen = Pen { buffer, theme: &theme };
        let y = self.size.1 - 1;
        let area = Rect::new(0, y, self.size.0, 1);
        let typed = |pen: &mut Pen<'_>, prompt: &str, line: &LineEdit, shown: &mut Shown| {
            pen.row(area, y, &[(prompt, Role::Key), (line.text(), Role::Text)]);
            let x = (width(prompt) + width(line.before())).min(usize::from(area.width) - 1);
            shown.cursor = Some(Position { x: x as u16, y });
        };
        match &self.mode {
            Mode::Filter(line) => return typed(&mut pen, "/", line, shown),
            Mode::Command { line, .. } => return typed(&mut pen, ":", line, shown),
            Mode::Document(pager) => {
                if let Some(line) = App::pager_line(pager) {
                    return typed(&mut pen, "/", line, shown);
                }
            }
            _ => {}
        }
        if let Some((text, _)) = &self.toast {
            pen.row(area, y, &[(" ", Role::Text), (text, Role::Name)]);
            return;
        }
        if let Mode::Document(pager) = &self.mode {
            let of = |action, scope, what| (self.keymap.keys(action, scope).first().map(ToString::to_string).unwrap_or_default(), what);
            let other = App::pager_form(pager).map(|form| of(Action::NextPane, Scope::Global, form));
            let hints = [
                of(Action::Filter, Scope::Global, "find"),
                of(Action::NextMatch, Scope::Global, "next"),
                of(Action::CopyName, Scope::Global, "copy"),
                of(Action::Edit, Scope::List, "edit"),
                of(Action::Escape, Scope::Global, "close"),
            ];
            // A proxy's resource is no file.
            let hints: Vec<_> = hints.into_iter().filter(|(_, what)| other.is_none() || *what != "edit").chain(other.clone()).collect();
            let parts: Vec<(&str, Role)> = hints
                .iter()
                .flat_map(|(key, what)| [(" ", Role::Text), (key.as_str(), Role::Key), (" ", Role::Text), (*what, Role::Text), (" ", Role::Text)])
                .collect();
            return pen.row(area, y, &parts);
        }
        if let Some(text) = &self.greeting {
            pen.row(area, y, &[(" ", Role::Text), (text, Role::Key)]);
            return;
        }
        let scopes = self.screens.get(self.tab).scopes();
        let hints = ACTIONS.iter().filter(|s| !s.hint.is_empty() && s.action != Action::Help && (s.scope == Scope::Global || scopes.contains(&s.scope)));
        let key_of = |action| self.keymap.keys(action, Scope::Global).first().map(ToString::to_string).unwrap_or_default();
        // How to get to other screens and to all other keys is said wherever there is room for anything.
        let screens = format!("{}-{}", key_of(Action::Screen(Tab::Overview)), key_of(Action::Screen(Tab::Logs)));
        let always = [(screens, "screens"), (key_of(Action::Help), "help")];
        let kept: usize = always.iter().map(|(key, what)| width(key) + width(what) + 3).sum();
        let room = usize::from(area.width).saturating_sub(kept);
        let mut x = 1;
        for spec in hints {
            let Some(key) = self.keymap.keys(spec.action, spec.scope).first().map(ToString::to_string) else { continue };
            let key = if key == "enter" { theme.pick(["↵"], ["enter"])[0].to_owned() } else { key };
            if x + width(&key) + width(spec.hint) + 3 > room {
                break;
            }
            x += usize::from(pen.text(x as u16, y, &key, 20, Role::Key)) + 1;
            x += usize::from(pen.text(x as u16, y, spec.hint, 20, Role::Text)) + 2;
        }
        for (key, what) in &always {
            if x + width(key) + width(what) + 1 > usize::from(area.width) {
                break;
            }
            x += usize::from(pen.text(x as u16, y, key, 20, Role::Key)) + 1;
            x += usize::from(pen.text(x as u16, y, what, 20, Role::Text)) + 2;
        }
    }

    fn completions(&self, buffer: &mut Buffer, line: &LineEdit, at: Option<usize>) {
        let theme = self.theme;
        let world = self.world();
        let all = command::completions(line.text(), world.as_deref());
        let height = (all.len().min(10) as u16 + 2).min(self.size.1.saturating_sub(3));
        if all.is_empty() || height < 3 {
            return;
        }
        let area = Rect { x: 0, y: self.size.1 - 1 - height, width: self.size.0.min(70), height };
        let first = at.unwrap_or(0).saturating_sub(usize::from(height) - 3);
        clear(buffer, area);
        let mut pen = Pen { buffer, theme: &theme };
        let inner = pane(&mut pen, area, "commands", true);
        for (i, y) in (first..all.len()).zip(inner.y..inner.bottom()) {
            let (text, what) = &all[i];
            let role = if at == Some(i) { Role::Selected } else { Role::Text };
            pen.row(inner, y, &[(&format!("{text:24} "), role), (what, Role::Dim)]);
        }
    }

    fn palette(&self, buffer: &mut Buffer, line: &LineEdit, at: usize, shown: &mut Shown) {
        let theme = self.theme;
        let world = self.world();
        let found = palette::find(line.text(), &self.keymap, self.screens.get(self.tab).scopes(), world.as_deref());
        let (width, height) = (self.size.0.min(90), self.size.1.saturating_sub(4).min(20));
        let area = Rect { x: (self.size.0 - width) / 2, y: 2.min(self.size.1), width, height };
        clear(buffer, area);
        let mut pen = Pen { buffer, theme: &theme };
        let inner = pane(&mut pen, area, &format!("find: {} fit", found.len()), true);
        if inner.height == 0 {
            return;
        }
        pen.row(inner, inner.y, &[("> ", Role::Key), (line.text(), Role::Text)]);
        shown.cursor = Some(Position { x: (inner.x + 2 + crate::text::width(line.before()) as u16).min(inner.right() - 1), y: inner.y });
        let at = at.min(found.len().saturating_sub(1));
        let rows = usize::from(inner.height) - 1;
        let first = at.saturating_sub(rows.saturating_sub(1));
        for ((i, e), y) in found.iter().enumerate().skip(first).zip(inner.y + 1..inner.bottom()) {
            let note = crate::text::cut(&e.note, 18);
            let room = usize::from(inner.width).saturating_sub(20);
            pen.text(inner.x, y, &e.text, room, if i == at { Role::Selected } else { Role::Text });
            pen.text(inner.right().saturating_sub(18), y, &note, 18, Role::Dim);
        }
    }

    fn help(&self, buffer: &mut Buffer, scroll: usize) {
        let theme = self.theme;
        let area = Rect { x: 2.min(self.size.0), y: 1, width: self.size.0.saturating_sub(4), height: self.size.1.saturating_sub(2) };
        clear(buffer, area);
        let mut pen = Pen { buffer, theme: &theme };
        let inner = pane(&mut pen, area, &format!("keys of {} · j k move · any other key closes", self.tab.name()), true);
        let scopes = self.screens.get(self.tab).scopes();
        let mut lines: Vec<[(String, Role); 2]> = Vec::new();
        for scope in scopes.iter().chain(&[Scope::Global]) {
            lines.push([(scope.name().to_owned(), Role::Heading), (String::new(), Role::Text)]);
            for spec in ACTIONS.iter().filter(|s| s.scope == *scope) {
                let keys: Vec<String> = self.keymap.keys(spec.action, spec.scope).iter().map(ToString::to_string).collect();
                let mut head = format!("  {:14}", keys.join(" "));
                let room = usize::from(inner.width).saturating_sub(width(&head));
                for text in crate::text::wrap(spec.what, room.max(1)) {
                    lines.push([(std::mem::replace(&mut head, format!("{:16}", "")), Role::Key), (text, Role::Text)]);
                }
            }
        }
        let most = lines.len().saturating_sub(usize::from(inner.height));
        for (line, y) in lines.iter().skip(scroll.min(most)).zip(inner.y..inner.bottom()) {
            let parts: Vec<(&str, Role)> = line.iter().map(|(t, r)| (t.as_str(), *r)).collect();
            pen.row(inner, y, &parts);
        }
    }
}

/// How old data is, in steps so coarse that a screen at rest stays as it is.
pub(super) fn age(age: Option<Duration>) -> String {
    match age.map(|a| a.as_secs()) {
        None => "not read".to_owned(),
        Some(0..60) => "just read".to_owned(),
        Some(s) => format!("read {} ago", span((s / 60 * 60) as i64)),
    }
}

/// Replaces what a terminal without Unicode can't show, in texts from outside too; every character keeps its columns.
fn ascii(buffer: &mut Buffer, area: Rect) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let Some(cell) = buffer.cell_mut((x, y)).filter(|c| !c.symbol().is_ascii()) else { continue };
            let symbol = match cell.symbol() {
                "→" | "▸" => ">",
                "←" => "<",
                "…" => "~",
                "·" => "|",
                "—" | "–" => "-",
                "×" => "x",
                "≥" => ">",
                "≤" => "<",
                "“" | "”" => "\"",
                "‘" | "’" => "'",
                _ => "?",
            };
            cell.set_symbol(symbol);
        }
    }
}

pub(super) fn clear(buffer: &mut Buffer, area: Rect) {
    let area = area.intersection(buffer.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}
