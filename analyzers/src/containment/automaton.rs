//! Finite automata over bytes, and the search for a string that some accept and others refuse.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// States of one automaton.
const MAX_STATES: usize = 4_000;
/// Steps of one search.
const MAX_STEPS: usize = 60_000;
/// Automata in one search.
pub const MAX_AUTOMATA: usize = 24;

/// The question is too big, or its syntax means different things to different engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided;

#[derive(Clone, Debug)]
enum State {
    Bytes(Box<[(u8, u8)]>, u32),
    Split(Vec<u32>),
    AtStart(u32),
    AtEnd(u32),
    Accept,
}

/// A nondeterministic automaton that matches whole strings.
#[derive(Clone, Debug)]
pub struct Nfa {
    states: Vec<State>,
    start: u32,
}

impl Nfa {
    /// Built from the end: each piece leads to the state that follows it.
    pub fn builder() -> Builder {
        Builder { states: vec![State::Accept] }
    }
    /// The whole-string meaning of a regular expression that RE2 and Rust read alike.
    pub fn regex(text: &str) -> Result<Nfa, Undecided> {
        if !is_common_syntax(text) {
            return Err(Undecided);
        }
        let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(text).map_err(|_| Undecided)?;
        let mut b = Nfa::builder();
        let start = b.hir(&hir, Builder::ACCEPT)?;
        Ok(b.finish(start))
    }
}

/// Whether a regular expression has only syntax that means the same to RE2 and to Rust.
fn is_common_syntax(text: &str) -> bool {
    if !text.is_ascii() || text.contains("{,") {
        return false;
    }
    let bytes = text.as_bytes();
    let (mut i, mut in_class) = (0, false);
    while i < bytes.len() {
        let next = bytes.get(i + 1).copied();
        match bytes[i] {
            b'\\' => i += 1,
            b'[' if in_class && next != Some(b':') => return false,
            b'[' if in_class => match text[i + 1..].find(']') {
                Some(end) => i += end + 1,
                None => return false,
            },
            b'[' => {
                in_class = true;
                // A bracket right after the opening one is a member.
                if next == Some(b'^') {
                    i += 1;
                }
                if bytes.get(i + 1) == Some(&b']') {
                    i += 1;
                }
            }
            b']' => in_class = false,
            c @ (b'&' | b'-' | b'~') if in_class && next == Some(c) => return false,
            _ => {}
        }
        i += 1;
    }
    true
}

pub struct Builder {
    states: Vec<State>,
}

impl Builder {
    pub const ACCEPT: u32 = 0;

    fn push(&mut self, state: State) -> Result<u32, Undecided> {
        if self.states.len() >= MAX_STATES {
            return Err(Undecided);
        }
        self.states.push(state);
        Ok(self.states.len() as u32 - 1)
    }
    pub fn bytes(&mut self, ranges: &[(u8, u8)], next: u32) -> Result<u32, Undecided> {
        self.push(State::Bytes(ranges.into(), next))
    }
    /// A literal string.
    pub fn text(&mut self, text: &str, ignore_case: bool, next: u32) -> Result<u32, Undecided> {
        text.bytes().rev().try_fold(next, |next, b| {
            let (low, up) = (b.to_ascii_lowercase(), b.to_ascii_uppercase());
            if ignore_case && low != up { self.bytes(&[(up, up), (low, low)], next) } else { self.bytes(&[(b, b)], next) }
        })
    }
    pub fn either(&mut self, ways: Vec<u32>) -> Result<u32, Undecided> {
        self.push(State::Split(ways))
    }
    /// Any bytes of the ranges, any number of times.
    pub fn any_of(&mut self, ranges: &[(u8, u8)], next: u32) -> Result<u32, Undecided> {
        let split = self.push(State::Split(vec![next]))?;
        let byte = self.bytes(ranges, split)?;
        if let Some(State::Split(ways)) = self.states.get_mut(split as usize) {
            ways.push(byte);
        }
        Ok(split)
    }
    pub fn finish(self, start: u32) -> Nfa {
        Nfa { states: self.states, start }
    }

    fn hir(&mut self, hir: &Hir, next: u32) -> Result<u32, Undecided> {
        match hir.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Literal(l) => l.0.iter().rev().try_fold(next, |next, b| self.bytes(&[(*b, *b)], next)),
            HirKind::Class(Class::Bytes(c)) => {
                let ranges: Vec<_> = c.ranges().iter().map(|r| (r.start(), r.end())).collect();
                self.bytes(&ranges, next)
            }
            HirKind::Class(Class::Unicode(c)) => {
                let ascii = |c: char| u8::try_from(c).unwrap_or(u8::MAX).min(0x7f);
                let ranges: Vec<_> = c.ranges().iter().filter(|r| r.start().is_ascii()).map(|r| (ascii(r.start()), ascii(r.end()))).collect();
                self.bytes(&ranges, next)
            }
            HirKind::Look(Look::Start) => self.push(State::AtStart(next)),
            HirKind::Look(Look::End) => self.push(State::AtEnd(next)),
            HirKind::Look(_) => Err(Undecided),
            HirKind::Capture(c) => self.hir(&c.sub, next),
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.hir(part, next)),
            HirKind::Alternation(parts) => {
                let ways = parts.iter().map(|part| self.hir(part, next)).collect::<Result<Vec<_>, _>>()?;
                self.either(ways)
            }
            HirKind::Repetition(r) => {
                let mut at = next;
                match r.max {
                    None => {
                        let split = self.push(State::Split(vec![next]))?;
                        let body = self.hir(&r.sub, split)?;
                        if let Some(State::Split(ways)) = self.states.get_mut(split as usize) {
                            ways.push(body);
                        }
                        at = split;
                    }
                    Some(max) => {
                        for _ in r.min..max {
                            let body = self.hir(&r.sub, at)?;
                            at = self.either(vec![body, next])?;
                        }
                    }
                }
                for _ in 0..r.min {
                    at = self.hir(&r.sub, at)?;
                }
                Ok(at)
            }
        }
    }
}

/// An automaton made deterministic as far as it is visited.
struct Lazy<'n> {
    nfa: &'n Nfa,
    ids: FxHashMap<Vec<u32>, u32>,
    sets: Vec<(Vec<u32>, bool)>,
    /// By state and byte class; `u32::MAX` where not yet known.
    next: Vec<u32>,
    classes: usize,
}

/// Where in the string a closure is taken.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Later,
}

impl<'n> Lazy<'n> {
    fn new(nfa: &'n Nfa, classes: usize) -> Lazy<'n> {
        let mut this = Lazy { nfa, ids: FxHashMap::default(), sets: Vec::new(), next: Vec::new(), classes };
        this.state(&[nfa.start], At::Start);
        this
    }
    fn closure(&self, from: &[u32], at: At, end: bool) -> Vec<u32> {
        let mut seen = vec![false; self.nfa.states.len()];
        let mut todo = from.to_vec();
        let mut out = Vec::new();
        while let Some(id) = todo.pop() {
            let Some(state) = self.nfa.states.get(id as usize) else { continue };
            if std::mem::replace(&mut seen[id as usize], true) {
                continue;
            }
            match state {
                State::Split(ways) => todo.extend(ways),
                State::AtStart(next) if at == At::Start => todo.push(*next),
                State::AtStart(_) => {}
                State::AtEnd(next) if end => todo.push(*next),
                State::Bytes(..) | State::AtEnd(_) | State::Accept => out.push(id),
            }
        }
        out.sort_unstable();
        out
    }
    fn state(&mut self, from: &[u32], at: At) -> u32 {
        let set = self.closure(from, at, false);
        // The start differs from a later visit of the same set only where `^` follows `$`.
        if let Some(id) = self.ids.get(&set) {
            return *id;
        }
        let accepts = self.closure(&set, at, true).contains(&Builder::ACCEPT);
        let id = self.sets.len() as u32;
        if at == At::Later {
            self.ids.insert(set.clone(), id);
        }
        self.sets.push((set, accepts));
        self.next.resize(self.next.len() + self.classes, u32::MAX);
        id
    }
    /// Where a byte leads from one state.
    fn target(&self, from: u32, byte: u8) -> Option<u32> {
        match self.nfa.states.get(from as usize)? {
            State::Bytes(ranges, next) if ranges.iter().any(|(lo, hi)| (*lo..=*hi).contains(&byte)) => Some(*next),
            _ => None,
        }
    }
    fn step(&mut self, from: u32, class: usize, byte: u8) -> u32 {
        let slot = from as usize * self.classes + class;
        match self.next.get(slot) {
            Some(&u32::MAX) | None => {}
            Some(known) => return *known,
        }
        let targets: Vec<u32> = self.sets[from as usize].0.iter().filter_map(|id| self.target(*id, byte)).collect();
        let to = self.state(&targets, At::Later);
        self.next[slot] = to;
        to
    }
    fn accepts(&self, state: u32) -> bool {
        self.sets[state as usize].1
    }
    fn is_dead(&self, state: u32) -> bool {
        self.sets[state as usize].0.is_empty()
    }
}

/// Bytes that no automaton tells apart, each class by its most readable member, the most readable class first.
fn classes(all: &[&Nfa]) -> Vec<u8> {
    let mut starts = [false; 257];
    for nfa in all {
        for state in &nfa.states {
            if let State::Bytes(ranges, _) = state {
                for (lo, hi) in ranges {
                    starts[*lo as usize] = true;
                    starts[*hi as usize + 1] = true;
                }
            }
        }
    }
    let mut class_of = [0u16; 256];
    let mut current = 0;
    for b in 0..256 {
        current += u16::from(starts[b]);
        class_of[b] = current;
    }
    let readable = (b'a'..=b'z').chain(b'0'..=b'9').chain(b'A'..=b'Z').chain(*b"-_./").chain(0x20..=0x7e);
    let mut seen = vec![false; usize::from(current) + 1];
    readable.filter(|b| !std::mem::replace(&mut seen[usize::from(class_of[usize::from(*b)])], true)).collect()
}

/// The shortest printable string that every one of `must` accepts and for which `wanted` holds, given which of
/// `others` accept it. `None` when there is none.
pub fn search(must: &[&Nfa], others: &[&Nfa], wanted: impl Fn(&[bool]) -> bool) -> Result<Option<String>, Undecided> {
    let all: Vec<&Nfa> = must.iter().chain(others).copied().collect();
    if all.len() > MAX_AUTOMATA {
        return Err(Undecided);
    }
    let alphabet = classes(&all);
    let mut lazy: Vec<Lazy<'_>> = all.iter().map(|n| Lazy::new(n, alphabet.len())).collect();
    let mut seen: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
    // (state, the one it was reached from, the byte that led here)
    let mut visited: Vec<(Vec<u32>, u32, u8)> = vec![(vec![0; all.len()], u32::MAX, 0)];
    let mut queue = VecDeque::from([0u32]);
    let mut accepted = vec![false; all.len()];
    let mut steps = 0;
    while let Some(id) = queue.pop_front() {
        let Some((state, ..)) = visited.get(id as usize) else { break };
        let state = state.clone();
        for (i, s) in state.iter().enumerate() {
            accepted[i] = lazy[i].accepts(*s);
        }
        let (required, rest) = accepted.split_at(must.len());
        if required.iter().all(|a| *a) && wanted(rest) {
            let mut text = Vec::new();
            let mut at = id;
            while let Some((_, from, byte)) = visited.get(at as usize).filter(|(_, from, _)| *from != u32::MAX) {
                text.push(*byte);
                at = *from;
            }
            text.reverse();
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
        for (class, byte) in alphabet.iter().enumerate() {
            steps += all.len();
            if steps > MAX_STEPS {
                return Err(Undecided);
            }
            let next: Vec<u32> = state.iter().enumerate().map(|(i, s)| lazy[i].step(*s, class, *byte)).collect();
            if next.iter().take(must.len()).enumerate().any(|(i, s)| lazy[i].is_dead(*s)) || seen.contains_key(&next) {
                continue;
            }
            let to = visited.len() as u32;
            seen.insert(next.clone(), to);
            visited.push((next, id, *byte));
            queue.push_back(to);
        }
    }
    Ok(None)
}

/// Whether the automaton accepts a string.
pub fn accepts(nfa: &Nfa, text: &str) -> bool {
    let run = Lazy::new(nfa, 0);
    let mut set = run.closure(&[nfa.start], At::Start, false);
    let mut at = At::Start;
    for byte in text.bytes() {
        let targets: Vec<u32> = set.iter().filter_map(|id| run.target(*id, byte)).collect();
        at = At::Later;
        set = run.closure(&targets, at, false);
        if set.is_empty() {
            return false;
        }
    }
    run.closure(&set, at, true).contains(&Builder::ACCEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contained(inner: &str, outer: &str) -> Option<bool> {
        let (a, b) = (Nfa::regex(inner).ok()?, Nfa::regex(outer).ok()?);
        search(&[&a], &[&b], |o| !o[0]).ok().map(|left| left.is_none())
    }

    #[test]
    fn regular_expressions_are_compared_as_languages() {
        for (inner, outer, want) in [
            ("/api/v[0-9]+", "/api/.*", Some(true)),
            ("/api/.*", "/api/v[0-9]+", Some(false)),
            ("(a|b)*", "[ab]*", Some(true)),
            ("^/x$", "/x", Some(true)),
            ("a{2,3}", "a{1,4}", Some(true)),
            ("a{1,4}", "a{2,3}", Some(false)),
            (r"\d+", "[0-9]*", Some(true)),
            ("(?i)get", "[Gg][Ee][Tt]", Some(true)),
            ("", "a*", Some(true)),
            (r"\bx", "x", None),
            ("[a&&b]", "a", None),
            ("[[a]]", "a", None),
            ("[[:alpha:]]", "[a-zA-Z]", Some(true)),
            ("[]a]", "[a]]|.", Some(true)),
        ] {
            assert_eq!(contained(inner, outer), want, "{inner} in {outer}");
        }
    }

    #[test]
    fn a_search_gives_the_shortest_string() {
        let (a, b) = (Nfa::regex("/v[0-9]+").expect("a"), Nfa::regex("/v[0-4]").expect("b"));
        assert_eq!(search(&[&a], &[&b], |o| !o[0]), Ok(Some("/v5".to_owned())));
    }

    #[test]
    fn huge_expressions_are_undecided() {
        assert!(Nfa::regex("((a{1,100}){1,100}){1,100}").is_err());
        let hard = Nfa::regex(".*a.{40}").expect("compiles");
        assert_eq!(search(&[&hard], &[&hard], |o| !o[0]), Err(Undecided));
    }
}
