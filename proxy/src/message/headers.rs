//! The headers of a message, in the order in which they came.

use http::{HeaderName, HeaderValue};

/// What a header may be asked for by.
pub trait Name {
    fn is(&self, name: &HeaderName) -> bool;
}

impl Name for HeaderName {
    fn is(&self, name: &HeaderName) -> bool {
        self == name
    }
}

impl Name for &HeaderName {
    fn is(&self, name: &HeaderName) -> bool {
        *self == name
    }
}

/// A name in whatever case.
impl Name for &str {
    fn is(&self, name: &HeaderName) -> bool {
        name.as_str().eq_ignore_ascii_case(self)
    }
}

/// Names and values. A name may be there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap(Vec<(HeaderName, HeaderValue)>);

impl HeaderMap {
    pub const fn new() -> HeaderMap {
        HeaderMap(Vec::new())
    }
    pub fn with_capacity(room: usize) -> HeaderMap {
        HeaderMap(Vec::with_capacity(room))
    }
    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn iter(&self) -> std::slice::Iter<'_, (HeaderName, HeaderValue)> {
        self.0.iter()
    }
    /// The name of each line.
    pub fn keys(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }
    /// The first value of a name.
    pub fn get(&self, name: impl Name) -> Option<&HeaderValue> {
        self.0.iter().find(|(n, _)| name.is(n)).map(|(_, value)| value)
    }
    /// All values of a name.
    pub fn get_all<N: Name>(&self, name: N) -> impl Iterator<Item = &HeaderValue> + use<'_, N> {
        self.0.iter().filter(move |(n, _)| name.is(n)).map(|(_, value)| value)
    }
    pub fn contains_key(&self, name: impl Name) -> bool {
        self.0.iter().any(|(n, _)| name.is(n))
    }
    /// Adds a line behind all others.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }
    /// Puts a value in the place of all of a name's.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        match self.0.iter().position(|(n, _)| *n == name) {
            None => self.0.push((name, value)),
            Some(at) => {
                self.0[at].1 = value;
                self.forget(&name, at + 1);
            }
        }
    }
    /// Adds a value where there is none of that name.
    pub fn insert_absent(&mut self, name: HeaderName, value: impl FnOnce() -> HeaderValue) {
        if !self.contains_key(&name) {
            self.0.push((name, value()));
        }
    }
    /// Takes a name away with all of its values, and gives the first.
    pub fn remove(&mut self, name: impl Name) -> Option<HeaderValue> {
        let at = self.0.iter().position(|(n, _)| name.is(n))?;
        let (_, value) = self.0.remove(at);
        self.forget(name, at);
        Some(value)
    }
    /// Takes a name away from a place on.
    fn forget(&mut self, name: impl Name, from: usize) {
        if self.0[from..].iter().any(|(n, _)| name.is(n)) {
            let mut at = 0;
            self.0.retain(|(n, _)| {
                at += 1;
                at <= from || !name.is(n)
            });
        }
    }
    /// Whether any name is there twice.
    pub fn has_twins(&self) -> bool {
        /// With more it is cheaper to sort them.
        const FEW: usize = 24;
        if self.0.len() <= FEW {
            return (1..self.0.len()).any(|at| self.0[..at].iter().any(|(n, _)| *n == self.0[at].0));
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
        self.0.into_iter()
    }
}

impl<'h> IntoIterator for &'h HeaderMap {
    type Item = &'h (HeaderName, HeaderValue);
    type IntoIter = std::slice::Iter<'h, (HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> HeaderMap {
        HeaderMap(lines.into_iter().collect())
    }
}

impl Extend<(HeaderName, HeaderValue)> for HeaderMap {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, lines: I) {
        self.0.extend(lines);
    }
}

impl From<http::HeaderMap> for HeaderMap {
    fn from(map: http::HeaderMap) -> HeaderMap {
        // Room for those that a proxy adds.
        let mut out = HeaderMap::with_capacity(map.len() + 6);
        for (name, value) in map {
            // The second value of a name comes without it.
            if let Some(name) = name.or_else(|| out.0.last().map(|(name, _)| name.clone())) {
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
