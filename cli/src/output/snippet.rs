//! A source line with a caret under the place.

use crate::entry::Place;
use crate::term::is_unsafe;

/// Characters of a line that are shown at most.
const WIDTH: usize = 100;
/// Characters shown before the place in a line that is longer.
const BEFORE: usize = 40;

/// The text of a line around a place, and where in it the place is, in characters.
pub struct Snippet {
    pub text: String,
    pub from: usize,
    pub len: usize,
}

/// The line that a place starts on, cut to what is readable and to the bytes that may be shown. `None` where nothing may.
pub fn snippet(place: &Place) -> Option<Snippet> {
    let visible = place.visible?;
    let text = place.source.text();
    let start = (place.span.start as usize).min(text.len());
    // A place before the visible part, such as a comment above its object, still shows its own line.
    let from_limit = if place.span.start < visible.start { 0 } else { indentation(text, visible.start as usize) };
    let line_start = text.get(from_limit..start)?.rfind(['\n', '\r']).map_or(from_limit, |i| from_limit + i + 1);
    let left_out = window_start(text.get(line_start..start)?);
    let first = line_start + left_out;
    let to_limit = (visible.end as usize).max(place.span.end as usize).min(text.len());
    let last = text.get(start..to_limit)?.find(['\n', '\r']).map_or(to_limit, |i| start + i);
    let line = text.get(first..last)?;
    let cut = line.char_indices().nth(WIDTH).map(|(i, _)| i);
    let line = line.get(..cut.unwrap_or(line.len()))?;

    let mut out = String::new();
    if left_out > 0 {
        out.push('…');
    }
    let (mut from, mut to, mut count) = (None, None, usize::from(left_out > 0));
    for (i, c) in line.char_indices() {
        let at = first + i;
        if at >= start && from.is_none() {
            from = Some(count);
        }
        if at >= place.span.end as usize && to.is_none() {
            to = Some(count);
        }
        match c {
            '\t' => out.push(' '),
            c if is_unsafe(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
        count += 1;
    }
    let from = from.unwrap_or(count);
    let len = to.unwrap_or(count).saturating_sub(from).max(1);
    if cut.is_some() {
        out.push('…');
    }
    Some(Snippet { text: out.trim_end().to_owned(), from, len })
}

/// Where the blanks before an offset begin: the indentation of an object is shown with it.
fn indentation(text: &str, at: usize) -> usize {
    let head = text.get(..at).unwrap_or("");
    let trimmed = head.trim_end_matches([' ', '-', '\t']);
    if trimmed.is_empty() || trimmed.ends_with(['\n', '\r']) { trimmed.len() } else { at }
}

/// How many bytes of the text before the place are left out.
fn window_start(before: &str) -> usize {
    match before.char_indices().nth_back(BEFORE) {
        Some((i, _)) if before.len() > WIDTH * 3 / 4 => i,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::{Source, Span};

    fn show(text: &str, find: &str, visible: Option<(usize, usize)>) -> Option<String> {
        let source = Source::new("a", text);
        let at = text.find(find).unwrap_or(0);
        let place = Place { source, span: Span::new(at, at + find.len()), visible: visible.map(|(a, b)| Span::new(a, b)) };
        snippet(&place).map(|s| format!("{}|{}{}", s.text, " ".repeat(s.from), "^".repeat(s.len)))
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        let all = |t: &str| Some((0, t.len()));
        let text = "spec:\n\thost: \"é\" # x\n";
        assert_eq!(show(text, "\"é\"", all(text)).as_deref(), Some(" host: \"é\" # x|       ^^^"));
        assert_eq!(show(text, "\"é\"", None), None);
        let text = "a: \u{1b}[2Jx";
        assert_eq!(show(text, "x", all(text)).as_deref(), Some("a: \u{fffd}[2Jx|       ^"));
    }

    #[test]
    fn a_long_line_is_cut_and_other_objects_of_it_are_not_shown() {
        let text = format!("[{}{{\"b\":1}}{}]", "{\"secret\":0},".repeat(50), ",{\"c\":0}".repeat(50));
        let at = text.find("{\"b\"").unwrap_or(0);
        assert_eq!(show(&text, "1", Some((at, at + 7))).as_deref(), Some("{\"b\":1}|     ^"));
        let long = format!("{}x{}", "a".repeat(1_000_000), "b".repeat(1_000_000));
        let shown = show(&long, "x", Some((0, long.len()))).unwrap_or_default();
        assert!(shown.chars().count() < 300 && shown.starts_with('…') && shown.contains("ax"), "{shown}");
    }
}
