//! Objects as YAML, and what proxies hold as YAML or JSON, in a pager over the screen.

use super::{App, Effect, Mode, Shown};
use crate::action::{Action, Scope, Tab};
use crate::keys::Key;
use crate::text::{after, clean, width};
use crate::theme::Role;
use crate::widgets::{LineEdit, Pen, pane};
use crate::world::documents::Document;
use crate::world::held::{Form, Part, Wanted};
use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use std::time::Duration;

/// Columns that one key moves long lines by.
const STEP: usize = 8;

/// What is shown, and where in it one is.
#[derive(Clone, Debug, Default)]
pub(super) struct Pager {
    title: String,
    lines: Vec<String>,
    /// The first line of each document, and where that stands.
    places: Vec<(usize, String, u32)>,
    top: usize,
    left: usize,
    /// What is looked for; while it is typed, as a line.
    find: String,
    typed: Option<LineEdit>,
    /// What a proxy holds, and how it is written; none where objects are shown.
    parts: Vec<Part>,
    form: Form,
    /// The question whose answer is waited for.
    waited: Option<u64>,
}

impl Pager {
    fn new(documents: &[Document]) -> Pager {
        let mut pager = Pager::default();
        for document in documents {
            if !pager.lines.is_empty() {
                pager.lines.push("---".to_owned());
            }
            pager.places.push((pager.lines.len(), document.file.clone(), document.line));
            pager.lines.push(format!("# {}:{}", document.file, document.line));
            match &document.text {
                Ok(text) => pager.lines.extend(text.lines().map(str::to_owned)),
                Err(why) => pager.lines.push(format!("# {} is not shown: {why}", document.origin)),
            }
        }
        let more = documents.len().saturating_sub(1);
        let first = documents.first().map_or("", |d| d.origin.as_str());
        pager.title = if more == 0 { first.to_owned() } else { format!("{first} and {more} more") };
        pager
    }
    /// Says that a resource is waited for.
    fn waiting(wanted: &Wanted, form: Form) -> Pager {
        let lines = vec!["# it is being read…".to_owned()];
        Pager { title: "what the proxy holds".to_owned(), lines, form, waited: Some(wanted.number), ..Pager::default() }
    }
    /// Shows what a proxy holds.
    fn hold(&mut self, parts: Vec<Part>) {
        let first = parts.first().map_or("nothing", |p| p.title.as_str());
        self.title = first.to_owned();
        self.parts = parts;
        self.write(self.form);
    }
    fn write(&mut self, form: Form) {
        let mark = match form {
            Form::Yaml => "#",
            Form::Json => "//",
        };
        self.form = form;
        (self.top, self.left) = (0, 0);
        self.lines.clear();
        for part in &self.parts {
            if !self.lines.is_empty() {
                self.lines.push(if form == Form::Yaml { "---".to_owned() } else { String::new() });
            }
            self.lines.push(format!("{mark} {}", clean(&part.title)));
            self.lines.extend(part.text(form).lines().map(str::to_owned));
        }
    }
    /// What else it can be written as; none of an object.
    fn other_form(&self) -> Option<(Form, &'static str)> {
        let other = if self.form == Form::Yaml { (Form::Json, "JSON") } else { (Form::Yaml, "YAML") };
        Some(other).filter(|_| !self.parts.is_empty())
    }
    /// Where the document that is at the top stands.
    fn place(&self) -> Option<(&str, u32)> {
        self.places.iter().rfind(|(line, ..)| *line <= self.top).map(|(_, file, line)| (file.as_str(), *line))
    }
    fn is_hit(&self, line: &str) -> bool {
        !self.find.is_empty() && line.to_lowercase().contains(&self.find.to_lowercase())
    }
    /// The next line that holds what is looked for, round the end.
    fn next(&mut self, from: usize, action: Action) {
        let count = self.lines.len();
        let mut at = (0..count).map(|i| if action == Action::PreviousMatch { (from + count * 2 - 1 - i) % count } else { (from + i) % count });
        if let Some(line) = at.find(|i| self.is_hit(&self.lines[*i])) {
            self.top = line;
        }
    }
    fn moved(&mut self, action: Action, page: usize) {
        let last = self.lines.len().saturating_sub(1);
        match action {
            Action::Down | Action::Open => self.top += 1,
            Action::Up => self.top = self.top.saturating_sub(1),
            Action::PageDown => self.top += page,
            Action::PageUp => self.top = self.top.saturating_sub(page),
            Action::Top => self.top = 0,
            Action::Bottom => self.top = self.lines.len().saturating_sub(page),
            Action::Right => self.left = (self.left + STEP).min(self.lines.iter().map(|l| width(l)).max().unwrap_or(0)),
            Action::Left => self.left = self.left.saturating_sub(STEP),
            Action::NextMatch => self.next(self.top + 1, action),
            Action::PreviousMatch => self.next(self.top, action),
            _ => {}
        }
        self.top = self.top.min(last);
    }
}

impl App {
    /// The objects in focus.
    fn documents(&mut self) -> Vec<Document> {
        let Some(world) = self.world() else { return Vec::new() };
        let origins = self.with_screen(|screen, cx| screen.objects(cx)).unwrap_or_default();
        world.documents.of(&origins)
    }

    /// Shows the objects in focus; in the proxies the resource, which is asked for.
    pub(super) fn show_document(&mut self, form: Form, now: Duration) -> Vec<Effect> {
        if self.tab == Tab::Proxies {
            match self.with_proxies(|proxies, cx| proxies.wanted(cx)) {
                Some(Ok(wanted)) => {
                    self.mode = Mode::Document(Box::new(Pager::waiting(&wanted, form)));
                    return vec![Effect::Hold(wanted)];
                }
                Some(Err(why)) => self.say(why, now),
                None => self.say("the sources are being read", now),
            }
        } else if form == Form::Json {
            self.say("objects are shown as YAML: y; what proxies hold as JSON, too", now);
        } else {
            self.show_yaml(now);
        }
        Vec::new()
    }

    /// The resource is there; who waits for another or has closed the pager is not told.
    pub(super) fn held(&mut self, wanted: &Wanted, answer: Result<Vec<Part>, String>) {
        let Mode::Document(pager) = &mut self.mode else { return };
        if pager.waited != Some(wanted.number) {
            return;
        }
        pager.waited = None;
        match answer {
            Ok(parts) => pager.hold(parts),
            Err(why) => pager.lines = vec![format!("# not available: {why}")],
        }
    }

    /// Shows the objects in focus.
    fn show_yaml(&mut self, now: Duration) {
        let documents = self.documents();
        if documents.is_empty() {
            self.say("no object is in focus, or none that was read; C copies the command that prints what is shown", now);
        } else {
            self.mode = Mode::Document(Box::new(Pager::new(&documents)));
        }
    }

    /// Opens the first of them where it stands.
    pub(super) fn edit(&mut self, now: Duration) -> Vec<Effect> {
        match self.documents().into_iter().next() {
            Some(d) => vec![Effect::Edit { file: d.file, line: d.line }],
            None => {
                self.say("no object is in focus, or none that was read", now);
                Vec::new()
            }
        }
    }

    pub(super) fn pager_key(&mut self, key: Key, now: Duration) -> Vec<Effect> {
        let page = usize::from(self.body().height.saturating_sub(2)).max(1);
        let action = self.keymap.find(&[Scope::List], key);
        let Mode::Document(pager) = &mut self.mode else { return Vec::new() };
        if let Some(line) = &mut pager.typed {
            match key.code() {
                KeyCode::Enter => {
                    pager.find = line.text().to_owned();
                    pager.typed = None;
                    pager.next(pager.top, Action::NextMatch);
                }
                KeyCode::Esc => pager.typed = None,
                _ => {
                    line.key(key);
                }
            }
            return Vec::new();
        }
        match action {
            Some(Action::Filter) => pager.typed = Some(LineEdit::default()),
            Some(Action::CopyName) => return vec![Effect::Copy(pager.lines.join("\n"))],
            Some(Action::NextPane | Action::PreviousPane) => match pager.other_form() {
                Some((form, _)) => pager.write(form),
                None => self.say("objects are shown as YAML alone", now),
            },
            Some(Action::Edit) if !pager.parts.is_empty() => self.say("a proxy holds this: it is no file", now),
            Some(Action::Edit) => {
                let place = pager.place().map(|(file, line)| (file.to_owned(), line));
                return place.map(|(file, line)| Effect::Edit { file, line }).into_iter().collect();
            }
            Some(Action::Escape | Action::Back | Action::Yaml) => self.mode = Mode::Screen,
            Some(action) => pager.moved(action, page),
            None => self.say(format!("`{key}` does nothing here; esc closes"), now),
        }
        Vec::new()
    }

    /// What a pane key leads to in it, for the footer.
    pub(super) fn pager_form(pager: &Pager) -> Option<&'static str> {
        pager.other_form().map(|(_, name)| name)
    }

    /// What is typed in it, for the footer.
    pub(super) fn pager_line(pager: &Pager) -> Option<&LineEdit> {
        pager.typed.as_ref()
    }

    /// Pasted text is what is looked for.
    pub(super) fn pager_paste(pager: &mut Pager, text: &str) {
        pager.typed.get_or_insert_default().insert(text);
    }

    pub(super) fn pager_wheel(pager: &mut Pager, action: Action) {
        pager.moved(action, 1);
    }

    pub(super) fn pager(&self, buffer: &mut Buffer, pager: &Pager, shown: &mut Shown) {
        let area = self.body();
        super::draw::clear(buffer, area);
        let theme = self.theme;
        let mut pen = Pen { buffer, theme: &theme };
        let last = pager.lines.len();
        let inner = pane(&mut pen, area, &pager.title, true);
        for (line, y) in pager.lines.iter().skip(pager.top).zip(inner.y..inner.bottom()) {
            let mut x = inner.x;
            let mut left = pager.left;
            for (text, role) in parts(line) {
                let columns = width(&text);
                let text = after(&text, left);
                left = left.saturating_sub(columns);
                let role = if pager.is_hit(line) && role != Role::Dim { Role::Match } else { role };
                x += pen.text(x, y, &text, usize::from(inner.right().saturating_sub(x)), role);
            }
        }
        let more = format!(" {}-{}/{last} ", pager.top + 1, (pager.top + usize::from(inner.height)).min(last));
        let columns = width(&more) as u16;
        if area.width > columns + 20 {
            pen.text(area.right() - columns - 1, area.bottom().saturating_sub(1), &more, usize::from(columns), Role::Dim);
        }
        shown.cursor = Some(Position { x: inner.x, y: inner.y });
        shown.spots.clear();
    }
}

/// A line of YAML: what leads to a value, and the value.
fn parts(line: &str) -> Vec<(String, Role)> {
    let words = line.trim_start_matches([' ', '-']);
    if words.starts_with('#') || line.starts_with("// ") || line == "---" {
        return vec![(line.to_owned(), Role::Dim)];
    }
    let blank = &line[..line.len() - words.len()];
    let end = words.find(": ").map(|i| i + 1).or_else(|| words.ends_with(':').then_some(words.len()));
    match end.filter(|_| !words.starts_with('"') || words.contains("\":")) {
        Some(end) => vec![(blank.to_owned(), Role::Text), (words[..end].to_owned(), Role::Focus), (words[end..].to_owned(), Role::Text)],
        None => vec![(line.to_owned(), Role::Text)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_of_yaml_differ_and_long_lines_move() {
        let shown = |line: &str| parts(line).into_iter().map(|(t, r)| format!("{t}/{r:?}")).collect::<Vec<_>>();
        assert_eq!(shown("  - host: reviews"), ["  - /Text", "host:/Focus", " reviews/Text"]);
        assert_eq!(shown("spec:"), ["/Text", "spec:/Focus", "/Text"]);
        assert_eq!(shown("# a: b"), ["# a: b/Dim"]);
        assert_eq!(shown("- outbound|80||a"), ["- outbound|80||a/Text"]);
        assert_eq!([0, 2, 7].map(|n| after("abcdef", n)), ["abcdef", "cdef", ""]);
        assert_eq!([1, 2].map(|n| after("日本", n)), ["本", "本"]);
    }
}
