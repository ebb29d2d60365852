//! Lines of text formats.
//!
//! Envoy escapes nothing, so a value may hold the text that ends it (a quote in a user agent). The first place where
//! the following text stands is tried first; where the rest then does not fit, the next. Whether the rest fits depends
//! on the place alone, so no place is tried twice: the work is bounded by the line's length times the format's.
//! Of several readings the one is taken in which hosts, methods and request ids are words, if there is one.

use super::entry::Entry;
use super::format::{Format, Piece};
use super::operator::{Class, Operator};
use std::borrow::Cow;

impl Format {
    /// Reads a line of a text format; `None` where it does not fit, and for JSON formats.
    pub(super) fn read<'l>(&self, line: &'l str) -> Option<Entry<'l>> {
        let Format::Text(pieces) = self else { return None };
        let places = self.places(line)?;
        let mut entry = Entry::default();
        for (piece, (start, end)) in pieces.iter().zip(&places) {
            if let Piece::Operator(o) = piece
                && let Some(field) = o.field()
            {
                entry.set(field, Cow::Borrowed(&line[*start..*end]));
            }
        }
        Some(entry)
    }
    /// Where each piece of a text format begins and ends in a line.
    pub(super) fn places(&self, line: &str) -> Option<Vec<(usize, usize)>> {
        let Format::Text(pieces) = self else { return None };
        [Operator::usual_class, Operator::class].into_iter().find_map(|class| {
            let mut search = Search { pieces, line, class, ends: vec![(0, 0); pieces.len()], untried: vec![0; pieces.len()] };
            search.fits(0, 0).then_some(search.ends)
        })
    }
}

struct Search<'f, 'l> {
    pieces: &'f [Piece],
    line: &'l str,
    class: fn(&Operator) -> Class,
    /// Where each piece begins and ends.
    ends: Vec<(usize, usize)>,
    /// For each piece the first end that was not tried yet: from those before it the line's end can't be reached.
    untried: Vec<usize>,
}

impl Search<'_, '_> {
    fn fits(&mut self, piece: usize, at: usize) -> bool {
        let mut at = at;
        let mut piece = piece;
        // Literals and operators with one possible end need no way back.
        loop {
            match self.pieces.get(piece) {
                None => return at == self.line.len(),
                Some(Piece::Literal(l)) => {
                    if !self.line[at..].starts_with(&**l) {
                        return false;
                    }
                    self.ends[piece] = (at, at + l.len());
                    at += l.len();
                    piece += 1;
                }
                Some(Piece::Operator(o)) => {
                    let class = (self.class)(o);
                    if matches!(class, Class::Any | Class::Time) {
                        return self.any(piece, at, o, class);
                    }
                    let Some(end) = self.token(piece, at, class) else { return false };
                    self.ends[piece] = (at, end);
                    at = end;
                    piece += 1;
                }
            }
        }
    }
    /// The end of a value without blanks: where the next text begins, or at a blank.
    fn token(&self, piece: usize, at: usize, class: Class) -> Option<usize> {
        let rest = &self.line[at..];
        let token = rest.split(char::is_whitespace).next().unwrap_or("");
        let end = match self.pieces.get(piece + 1) {
            Some(Piece::Literal(l)) if l.starts_with(char::is_whitespace) => token.len(),
            Some(Piece::Literal(l)) => rest.find(&**l)?,
            _ => token.len(),
        };
        class.admits(rest.get(..end)?).then_some(at + end)
    }
    fn any(&mut self, piece: usize, at: usize, operator: &Operator, class: Class) -> bool {
        let line = self.line;
        let last = operator.max_length.map_or(line.len(), |n| line.len().min(at.saturating_add(n)));
        let mut from = at.max(self.untried[piece]);
        loop {
            let end = match self.pieces.get(piece + 1) {
                Some(Piece::Literal(l)) => line.get(from..).and_then(|r| r.find(&**l)).map(|i| from + i),
                // Two operators side by side: the first is as short as it can be.
                Some(Piece::Operator(_)) => Some(from).filter(|f| *f <= line.len()),
                None => Some(line.len()).filter(|end| *end >= from),
            };
            let Some(end) = end.filter(|end| *end <= last) else { return false };
            // What a value must not hold, no longer one is without.
            if !class.admits(&line[at..end]) {
                return false;
            }
            self.ends[piece] = (at, end);
            if self.fits(piece + 1, end) {
                return true;
            }
            from = end + line[end..].chars().next().map_or(1, char::len_utf8);
            self.untried[piece] = from;
        }
    }
}
