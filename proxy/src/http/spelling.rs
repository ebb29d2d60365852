//! Names of headers as they stand on the wire of HTTP/1: maps of headers have them in small letters. Heads are written in small letters
//! first, and spelt afterwards: no name becomes longer by that.

use crate::config::header_format::{Format, Keeping};
use crate::http1::lines::Field;
use bytes::Bytes;
use memchr::{memchr, memmem};
use std::sync::Arc;

/// The names of a message's headers as its sender wrote them. It goes with the message, as an extension.
#[derive(Clone, Debug)]
pub struct Names(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    /// In their order: of two that differ in their case alone the first counts, as with Envoy.
    names: Vec<Bytes>,
    /// That of an answer.
    reason: Option<Bytes>,
    keeping: Keeping,
}

impl Names {
    pub fn new(names: Vec<Bytes>, keeping: Keeping) -> Names {
        Names(Arc::new(Kept { names, reason: None, keeping }))
    }
    /// Of a head, and the places of its headers.
    pub fn of(head: &Bytes, fields: &[Field], keeping: Keeping) -> Names {
        Names::new(fields.iter().map(|[a, b, ..]| head.slice(*a..*b)).collect(), keeping)
    }
    /// The same of an answer's head.
    pub fn of_answer(head: &Bytes, fields: &[Field], keeping: Keeping) -> Names {
        let names = fields.iter().map(|[a, b, ..]| head.slice(*a..*b)).collect();
        let reason = || {
            let line = head.slice(..memchr(b'\n', head)?);
            let end = line.len() - usize::from(line.ends_with(b"\r"));
            // `HTTP/1.1 200 `
            Some(line.slice(13.min(end)..end)).filter(|r| !r.is_empty())
        };
        Names(Arc::new(Kept { names, reason: reason().filter(|_| keeping.reason), keeping }))
    }
    fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.names.iter().find(|n| n.eq_ignore_ascii_case(name)).map(|n| &n[..])
    }
}

/// How the names of one head are to be written.
#[derive(Clone, Copy, Debug)]
pub enum Spelling<'n> {
    Proper,
    Kept(&'n Names),
}

impl<'n> Spelling<'n> {
    /// As Envoy has it, what is known of the message counts before what the connection that it goes out on says. `None` for small
    /// letters.
    pub fn of(names: Option<&'n Names>, connection: Format) -> Option<Spelling<'n>> {
        match names {
            Some(names) => Some(Spelling::Kept(names)),
            None => (connection == Format::Proper).then_some(Spelling::Proper),
        }
    }
    /// Spells the names of a head that stands from `start` on, in small letters, first line and empty line included. What is behind the
    /// empty line stays.
    pub fn head(self, out: &mut Vec<u8>, start: usize) {
        let Some(first) = memchr(b'\n', &out[start..]) else { return };
        self.lines(&mut out[start + first + 1..]);
        if let Spelling::Kept(names) = self
            && let Some(reason) = &names.0.reason
            && let Some(end) = memmem::find(&out[start..], b"\r\n")
            && end >= 13
        {
            out.splice(start + 13..start + end, reason.iter().copied());
        }
    }
    /// Spells the names of lines up to an empty one.
    pub fn lines(self, mut lines: &mut [u8]) {
        while let Some(end) = memchr(b'\n', lines) {
            let (line, rest) = std::mem::take(&mut lines).split_at_mut(end + 1);
            let Some(colon) = memchr(b':', line) else { return };
            self.name(&mut line[..colon]);
            lines = rest;
        }
    }
    fn name(self, name: &mut [u8]) {
        match self {
            Spelling::Proper => proper(name),
            Spelling::Kept(names) => match names.find(name) {
                Some(kept) => name.copy_from_slice(kept),
                None if names.0.keeping.others_are_proper => proper(name),
                None => {}
            },
        }
    }
}

/// A letter is a capital where nothing, or neither a letter nor a digit, stands before it.
fn proper(name: &mut [u8]) {
    let mut begins = true;
    for b in name {
        if begins {
            b.make_ascii_uppercase();
        }
        begins = !b.is_ascii_alphanumeric();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(spelling: Spelling<'_>, head: &str) -> String {
        let mut out = format!("before{head}").into_bytes();
        spelling.head(&mut out, 6);
        String::from_utf8(out).expect("ASCII").split_off(6)
    }

    #[test]
    fn words_begin_with_capitals() {
        let head = "HTTP/1.1 200 OK\r\nx-a_b.c1d-2e: v-w\r\nhost:\r\n\r\nbody: x";
        assert_eq!(spelt(Spelling::Proper, head), "HTTP/1.1 200 OK\r\nX-A_B.C1d-2e: v-w\r\nHost:\r\n\r\nbody: x");
    }

    #[test]
    fn names_are_as_they_came() {
        let names = |keeping| Names::new(vec!["X-a".into(), "x-A".into(), "hOST".into()], keeping);
        let head = "GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-a: 2\r\nx-own: 3\r\n\r\n";
        assert_eq!(spelt(Spelling::Kept(&names(Keeping::default())), head), "GET / HTTP/1.1\r\nhOST: a\r\nX-a: 1\r\nX-a: 2\r\nx-own: 3\r\n\r\n");
        let proper = Keeping { others_are_proper: true, ..Keeping::default() };
        assert_eq!(spelt(Spelling::Kept(&names(proper)), head), "GET / HTTP/1.1\r\nhOST: a\r\nX-a: 1\r\nX-a: 2\r\nX-Own: 3\r\n\r\n");
    }

    #[test]
    fn the_reason_of_an_answer_stays_where_that_is_asked_for() {
        let came = |line: &str| Bytes::from(format!("{line}\r\nA: b\r\n\r\n"));
        let head = "HTTP/1.1 200 OK\r\na: b\r\n\r\n";
        let of = |line: &str, reason| {
            let keeping = Keeping { reason, ..Keeping::default() };
            spelt(Spelling::Kept(&Names::of_answer(&came(line), &[[line.len() + 2, line.len() + 3, 0, 0]], keeping)), head)
        };
        assert_eq!(of("HTTP/1.1 200 Very Well", true), "HTTP/1.1 200 Very Well\r\nA: b\r\n\r\n");
        assert_eq!(of("HTTP/1.1 200 Very Well", false), "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
        assert_eq!(
            (of("HTTP/1.1 200 ", true), of("HTTP/1.1 200", true)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n".to_owned(), "HTTP/1.1 200 OK\r\nA: b\r\n\r\n".to_owned())
        );
    }
}
