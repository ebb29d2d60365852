//! The headers of a message, in the order in which they came.

use http::{HeaderName, HeaderValue};

/// What a header may be asked for by.
pub trait Name {
    fn is(&self, name: &HeaderName) -> bool;
    /// The marks that a map has which holds it.
    fn mark(&self) -> u64;
}

/// A bit for a name, in whatever case. Of the names that sidecars see few have the same.
// What is always inlined here is worked out by the compiler where it knows the name.
#[inline(always)]
pub const fn mark(name: &str) -> u64 {
    let [first, .., last] = name.as_bytes() else { return 1 };
    let ends = (*first | 0x20).wrapping_add(*last | 0x20).wrapping_mul(7);
    1 << ((name.len().wrapping_mul(7) ^ ends as usize) & 63)
}

/// The bits of several.
pub const fn marks(names: &[&str]) -> u64 {
    let (mut all, mut at) = (0, 0);
    while at < names.len() {
        all |= mark(names[at]);
        at += 1;
    }
    all
}

impl Name for HeaderName {
    fn is(&self, name: &HeaderName) -> bool {
        self == name
    }
    #[inline(always)]
    fn mark(&self) -> u64 {
        mark(self.as_str())
    }
}

impl Name for &HeaderName {
    fn is(&self, name: &HeaderName) -> bool {
        *self == name
    }
    #[inline(always)]
    fn mark(&self) -> u64 {
        mark(self.as_str())
    }
}

/// A name in whatever case.
impl Name for &str {
    fn is(&self, name: &HeaderName) -> bool {
        name.as_str().eq_ignore_ascii_case(self)
    }
    #[inline(always)]
    fn mark(&self) -> u64 {
        mark(self)
    }
}

/// Names and values. A name may be there more than once.
#[derive(Clone, Debug, Default)]
pub struct HeaderMap {
    lines: Vec<(HeaderName, HeaderValue)>,
    /// Of each name that was put into it: most that are asked for are not there, and it says so of most of them.
    marks: u64,
    /// Whether two lines may have the same name.
    is_crowded: bool,
    /// Whether any is or was for a proxy of Envoy's kind, but for the one that says that a request is internal.
    speaks_to_envoy: bool,
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &HeaderMap) -> bool {
        self.lines == other.lines
    }
}

impl Eq for HeaderMap {}

impl HeaderMap {
    pub const fn new() -> HeaderMap {
        HeaderMap { lines: Vec::new(), marks: 0, is_crowded: false, speaks_to_envoy: false }
    }
    pub fn with_capacity(room: usize) -> HeaderMap {
        let mut out = HeaderMap::new();
        out.lines.reserve_exact(room);
        out
    }
    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
    pub fn iter(&self) -> std::slice::Iter<'_, (HeaderName, HeaderValue)> {
        self.lines.iter()
    }
    /// The name of each line.
    pub fn keys(&self) -> impl Iterator<Item = &HeaderName> {
        self.lines.iter().map(|(name, _)| name)
    }
    /// Whether any of the names may be there that [`marks`] was asked about: hardly ever where none is.
    pub fn may_have_any(&self, marks: u64) -> bool {
        self.marks & marks != 0
    }
    /// Whether any header may be one for a proxy of Envoy's kind: most messages have none of them.
    pub fn speaks_to_envoy(&self) -> bool {
        self.speaks_to_envoy
    }
    /// The place of a name's first line.
    #[inline(always)]
    fn place(&self, name: &impl Name) -> Option<usize> {
        if self.marks & name.mark() == 0 { None } else { self.look(name) }
    }
    fn look(&self, name: &impl Name) -> Option<usize> {
        self.lines.iter().position(|(n, _)| name.is(n))
    }
    /// The first value of a name.
    #[inline(always)]
    pub fn get(&self, name: impl Name) -> Option<&HeaderValue> {
        self.place(&name).map(|at| &self.lines[at].1)
    }
    /// All values of a name.
    #[inline(always)]
    pub fn get_all<N: Name>(&self, name: N) -> impl Iterator<Item = &HeaderValue> + use<'_, N> {
        let lines = if self.marks & name.mark() == 0 { &[] } else { self.lines.as_slice() };
        lines.iter().filter(move |(n, _)| name.is(n)).map(|(_, value)| value)
    }
    #[inline(always)]
    pub fn contains_key(&self, name: impl Name) -> bool {
        self.place(&name).is_some()
    }
    /// Adds a line behind all others.
    #[inline(always)]
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        let text = name.as_str();
        let mark = mark(text);
        let is_envoys = text.starts_with("x-envoy-") && text != "x-envoy-internal";
        self.put(name, value, mark, is_envoys);
    }
    fn put(&mut self, name: HeaderName, value: HeaderValue, mark: u64, is_envoys: bool) {
        self.speaks_to_envoy |= is_envoys;
        self.is_crowded |= self.marks & mark != 0;
        self.marks |= mark;
        self.lines.push((name, value));
    }
    /// Puts a value in the place of all of a name's.
    #[inline(always)]
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        match self.place(&name) {
            None => self.append(name, value),
            Some(at) => self.replace(at, &name, value),
        }
    }
    fn replace(&mut self, at: usize, name: &HeaderName, value: HeaderValue) {
        self.lines[at].1 = value;
        self.forget(name, at + 1);
    }
    /// Adds a value where there is none of that name.
    #[inline(always)]
    pub fn insert_absent(&mut self, name: HeaderName, value: impl FnOnce() -> HeaderValue) {
        if !self.contains_key(&name) {
            self.append(name, value());
        }
    }
    /// Takes a name away with all of its values, and gives the first.
    #[inline(always)]
    pub fn remove(&mut self, name: impl Name) -> Option<HeaderValue> {
        self.place(&name).map(|at| self.take(at, name))
    }
    fn take(&mut self, at: usize, name: impl Name) -> HeaderValue {
        let (_, value) = self.lines.remove(at);
        self.forget(name, at);
        value
    }
    /// Takes a name away from a place on.
    fn forget(&mut self, name: impl Name, from: usize) {
        if self.is_crowded && self.lines[from..].iter().any(|(n, _)| name.is(n)) {
            let mut at = 0;
            self.lines.retain(|(n, _)| {
                at += 1;
                at <= from || !name.is(n)
            });
        }
    }
    /// Whether any name is there twice.
    pub fn has_twins(&self) -> bool {
        /// With more it is cheaper to sort them.
        const FEW: usize = 24;
        if !self.is_crowded {
            return false;
        }
        if self.lines.len() <= FEW {
            return (1..self.lines.len()).any(|at| self.lines[..at].iter().any(|(n, _)| *n == self.lines[at].0));
        }
        let mut names: Vec<&str> = self.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}

impl IntoIterator for HeaderMap {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::vec::IntoIter<(HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.into_iter()
    }
}

impl<'h> IntoIterator for &'h HeaderMap {
    type Item = &'h (HeaderName, HeaderValue);
    type IntoIter = std::slice::Iter<'h, (HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.iter()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> HeaderMap {
        let mut out = HeaderMap::new();
        out.extend(lines);
        out
    }
}

impl Extend<(HeaderName, HeaderValue)> for HeaderMap {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, lines: I) {
        let lines = lines.into_iter();
        self.lines.reserve(lines.size_hint().0);
        lines.for_each(|(name, value)| self.append(name, value));
    }
}

impl From<http::HeaderMap> for HeaderMap {
    fn from(map: http::HeaderMap) -> HeaderMap {
        // Room for those that a proxy adds.
        let mut out = HeaderMap::with_capacity(map.len() + 6);
        for (name, value) in map {
            // The second value of a name comes without it.
            if let Some(name) = name.or_else(|| out.lines.last().map(|(name, _)| name.clone())) {
                out.append(name, value);
            }
        }
        out
    }
}

impl From<HeaderMap> for http::HeaderMap {
    fn from(headers: HeaderMap) -> http::HeaderMap {
        let mut out = http::HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            out.append(name, value);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(n: u8) -> HeaderName {
        [http::header::HOST, http::header::COOKIE, HeaderName::from_static("x-a"), HeaderName::from_static("x-b")][usize::from(n % 4)].clone()
    }
    fn lines(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
        headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect()
    }

    #[test]
    fn many_names_are_told_apart_as_few_are() {
        for most in [3, 30] {
            let mut headers: HeaderMap = (0..most).map(|n| (HeaderName::try_from(format!("x-{n}")).expect("a name"), n.into())).collect();
            assert!(!headers.has_twins());
            headers.append(HeaderName::from_static("x-1"), HeaderValue::from_static("again"));
            assert!(headers.has_twins());
        }
    }

    proptest! {
        /// Whatever is done to it, it has the values that `http`'s own map has.
        #[test]
        fn it_holds_what_the_other_map_holds(steps in proptest::collection::vec((0u8..4, 0u8..4, 0u16..9), 0..30)) {
            let (mut own, mut other) = (HeaderMap::new(), http::HeaderMap::new());
            for (step, n, value) in steps {
                let (name, value) = (name(n), HeaderValue::from(value));
                match step {
                    0 => {
                        own.insert(name.clone(), value.clone());
                        other.insert(name, value);
                    }
                    1 => {
                        own.append(name.clone(), value.clone());
                        other.append(name, value);
                    }
                    2 => prop_assert_eq!(own.remove(&name), other.remove(&name)),
                    _ => {
                        own.insert_absent(name.clone(), || value.clone());
                        other.entry(name).or_insert(value);
                    }
                }
            }
            for n in 0..4 {
                let upper = name(n).as_str().to_ascii_uppercase();
                prop_assert_eq!(own.get(name(n)), other.get(name(n)));
                prop_assert_eq!(own.get(upper.as_str()), other.get(upper.as_str()));
                prop_assert_eq!(own.contains_key(name(n)), other.contains_key(name(n)));
                prop_assert!(own.get_all(name(n)).eq(other.get_all(name(n)).iter()));
            }
            prop_assert_eq!((own.len(), own.has_twins()), (other.len(), other.len() > other.keys_len()));
            prop_assert_eq!(&http::HeaderMap::from(own.clone()), &other);
            let back = HeaderMap::from(other);
            let (mut own, mut back) = (lines(&own), lines(&back));
            own.sort_by_key(|(name, _)| *name);
            back.sort_by_key(|(name, _)| *name);
            prop_assert_eq!(own, back);
        }
    }
}
