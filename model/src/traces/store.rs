//! Spans as they come, in bounded memory: by trace, the oldest trace goes first. Words that many spans have are held once.

use super::span::{Kind, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// What a store may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of memory, as it is counted here. What lists keep in reserve and the allocator rounds up is not: half as much again.
    pub bytes: usize,
    /// Spans of one trace: what comes beyond is not taken.
    pub spans: usize,
    /// Tags of one span, in the order of their names.
    pub tags: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 24 << 20, spans: 10_000, tags: 128 }
    }
}

/// What is searched for: traces with a span that has all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// "" for any.
    pub service: String,
    pub operation: Option<String>,
    pub tags: Vec<(String, String)>,
    /// `client`, `server`, …
    pub kind: Option<String>,
    /// Of the span's start, in microseconds since the epoch, both included.
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// Of the span, in microseconds, both included.
    pub least: Option<i64>,
    pub most: Option<i64>,
}

/// A word that is held once for all who have it.
type Id = u32;

#[derive(Debug)]
struct Word {
    text: Arc<str>,
    uses: u32,
}

/// Words by their numbers; numbers of those that nobody has any more are given again.
#[derive(Debug, Default)]
struct Words {
    ids: HashMap<Arc<str>, Id>,
    list: Vec<Word>,
    free: Vec<Id>,
}

/// What a word takes beside its bytes: its entries in the list and in the table, and the counts before its text.
const OF_WORD: usize = size_of::<Word>() + 2 * (size_of::<(Arc<str>, Id)>() + 1) + 16;

impl Words {
    /// The number of a word, and the bytes that it takes anew.
    fn hold(&mut self, text: &str) -> (Id, usize) {
        if let Some(id) = self.ids.get(text) {
            self.list[*id as usize].uses += 1;
            return (*id, 0);
        }
        let text: Arc<str> = text.into();
        let word = Word { text: text.clone(), uses: 1 };
        let id = match self.free.pop() {
            Some(id) => {
                self.list[id as usize] = word;
                id
            }
            None => {
                self.list.push(word);
                (self.list.len() - 1) as Id
            }
        };
        let bytes = text.len() + OF_WORD;
        self.ids.insert(text, id);
        (id, bytes)
    }
    /// The bytes that are given back.
    fn release(&mut self, id: Id) -> usize {
        let word = &mut self.list[id as usize];
        word.uses -= 1;
        if word.uses > 0 {
            return 0;
        }
        let text = std::mem::replace(&mut word.text, Arc::from(""));
        self.ids.remove(&text);
        self.free.push(id);
        text.len() + OF_WORD
    }
    fn of(&self, text: &str) -> Option<Id> {
        self.ids.get(text).copied()
    }
    fn text(&self, id: Id) -> &str {
        &self.list[id as usize].text
    }
}

#[derive(Debug)]
struct Held {
    id: u64,
    /// 0 for none.
    parent: u64,
    start: i64,
    duration: i64,
    service: Id,
    operation: Id,
    kind: Kind,
    is_shared: bool,
    tags: Box<[(Id, Id)]>,
}

/// What a span takes beside its words and tags.
const OF_SPAN: usize = size_of::<Held>() + 16;
const OF_TAG: usize = size_of::<(Id, Id)>();
/// And a trace beside its spans.
const OF_TRACE: usize = 2 * (size_of::<u128>() + size_of::<Vec<Held>>()) + size_of::<u128>();

/// Spans by trace.
#[derive(Debug, Default)]
pub struct Store {
    limits: Limits,
    words: Words,
    traces: BTreeMap<u128, Vec<Held>>,
    /// As their first spans came.
    order: VecDeque<u128>,
    bytes: usize,
    taken: u64,
    refused: u64,
}

fn number(text: &str, digits: usize) -> Option<u128> {
    if text.len() > digits { None } else { u128::from_str_radix(text, 16).ok() }
}

impl Store {
    pub fn new(limits: Limits) -> Store {
        Store { limits, ..Store::default() }
    }

    /// Takes spans; those of traces that are too large, or with ids that are none, are counted alone.
    pub fn add(&mut self, spans: impl IntoIterator<Item = Span>) {
        for span in spans {
            match self.hold(&span) {
                Some(()) => self.taken += 1,
                None => self.refused += 1,
            }
        }
    }

    fn hold(&mut self, span: &Span) -> Option<()> {
        let trace = number(&span.trace, 32)?;
        let id = u64::try_from(number(&span.id, 16)?).ok()?;
        let parent = if span.parent.is_empty() { 0 } else { u64::try_from(number(&span.parent, 16)?).ok()? };
        if self.traces.get(&trace).is_some_and(|t| t.len() >= self.limits.spans) || weight(span) > self.limits.bytes / 2 {
            return None;
        }
        let words = &mut self.words;
        let mut bytes = OF_SPAN;
        let mut word = |text: &str| {
            let (id, new) = words.hold(text);
            bytes += new;
            id
        };
        let (service, operation) = (word(&span.service), word(&span.operation));
        let tags: Box<[(Id, Id)]> = span.tags.iter().take(self.limits.tags).map(|(k, v)| (word(k), word(v))).collect();
        bytes += tags.len() * OF_TAG;
        let list = self.traces.entry(trace).or_insert_with(|| {
            self.order.push_back(trace);
            bytes += OF_TRACE;
            Vec::new()
        });
        list.push(Held { id, parent, start: span.start, duration: span.duration.max(0), service, operation, kind: span.kind, is_shared: span.is_shared, tags });
        self.bytes += bytes;
        while self.bytes > self.limits.bytes {
            self.forget();
        }
        Some(())
    }

    /// The oldest trace goes.
    fn forget(&mut self) {
        let Some(oldest) = self.order.pop_front() else {
            self.bytes = 0;
            return;
        };
        for held in self.traces.remove(&oldest).into_iter().flatten() {
            let words = [held.service, held.operation].into_iter().chain(held.tags.iter().flat_map(|(k, v)| [*k, *v]));
            self.bytes -= OF_SPAN + held.tags.len() * OF_TAG + words.map(|id| self.words.release(id)).sum::<usize>();
        }
        self.bytes -= OF_TRACE;
    }

    /// What it takes, as it is counted here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// Traces that are held.
    pub fn len(&self) -> usize {
        self.traces.len()
    }
    pub fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }
    /// Spans that were taken so far, whether they are still held or not, and those that were not taken.
    pub fn counts(&self) -> (u64, u64) {
        (self.taken, self.refused)
    }

    fn span(&self, trace: u128, held: &Held) -> Span {
        let text = |id: Id| self.words.text(id).to_owned();
        Span {
            trace: format!("{trace:x}"),
            id: format!("{:x}", held.id),
            parent: if held.parent == 0 { String::new() } else { format!("{:x}", held.parent) },
            service: text(held.service),
            operation: text(held.operation),
            kind: held.kind,
            start: held.start,
            duration: held.duration,
            tags: held.tags.iter().map(|(k, v)| (text(*k), text(*v))).collect(),
            is_shared: held.is_shared,
        }
    }

    /// The spans of a trace, as they came; none of one that is not held. `id` is hexadecimal, with or without zeros in front.
    pub fn trace(&self, id: &str) -> Vec<Span> {
        number(id.trim_start_matches('0'), 32).map_or_else(Vec::new, |t| self.spans(t))
    }

    /// The trace of an id, where it is held.
    pub fn held(&self, id: &str) -> Option<u128> {
        number(id.trim_start_matches('0'), 32).filter(|t| self.traces.contains_key(t))
    }

    /// Bytes of all words of a trace, written out for each span that has them: much more than what is held of them, where many
    /// spans have the same.
    pub fn length(&self, trace: u128) -> usize {
        let of = |id: Id| self.words.text(id).len();
        let span = |h: &Held| of(h.service) + of(h.operation) + h.tags.iter().map(|(k, v)| of(*k) + of(*v)).sum::<usize>();
        self.traces.get(&trace).into_iter().flatten().map(span).fold(0, usize::saturating_add)
    }

    /// The spans of a trace that was found.
    pub fn spans(&self, trace: u128) -> Vec<Span> {
        self.traces.get(&trace).into_iter().flatten().map(|h| self.span(trace, h)).collect()
    }

    /// The traces that a query finds, the newest first, so many at most.
    pub fn find(&self, query: &Query, most: usize) -> Vec<u128> {
        // What no span has is found nowhere.
        let word = |text: &str| self.words.of(text);
        let service = match query.service.as_str() {
            "" => None,
            name => match word(name) {
                Some(id) => Some(id),
                None => return Vec::new(),
            },
        };
        let operation = query.operation.as_deref().map(word);
        let tags: Option<Vec<(Id, Id)>> = query.tags.iter().map(|(k, v)| Some((word(k)?, word(v)?))).collect();
        let (Some(tags), false) = (tags, operation == Some(None)) else { return Vec::new() };
        let fits = |h: &Held| {
            service.is_none_or(|s| h.service == s)
                && operation.is_none_or(|o| Some(h.operation) == o)
                && query.kind.as_deref().is_none_or(|k| h.kind.word() == k)
                && query.from.is_none_or(|f| h.start >= f)
                && query.to.is_none_or(|t| h.start <= t)
                && query.least.is_none_or(|l| h.duration >= l)
                && query.most.is_none_or(|m| h.duration <= m)
                && tags.iter().all(|t| h.tags.contains(t))
        };
        let began = |list: &[Held]| list.iter().map(|h| h.start).min().unwrap_or(0);
        let mut found: Vec<(i64, u128)> = self.traces.iter().filter(|(_, list)| list.iter().any(fits)).map(|(t, list)| (began(list), *t)).collect();
        found.sort_by_key(|(start, trace)| (std::cmp::Reverse(*start), *trace));
        found.truncate(most);
        found.into_iter().map(|(_, trace)| trace).collect()
    }

    /// Services that reported spans, sorted.
    pub fn services(&self) -> Vec<&str> {
        let ids: BTreeSet<Id> = self.traces.values().flatten().map(|h| h.service).collect();
        let mut names: Vec<&str> = ids.into_iter().map(|id| self.words.text(id)).filter(|n| !n.is_empty()).collect();
        names.sort_unstable();
        names
    }

    /// The operations of a service with their kinds, sorted.
    pub fn operations(&self, service: &str) -> Vec<(&str, Kind)> {
        let Some(service) = self.words.of(service) else { return Vec::new() };
        let ids: BTreeSet<(Id, Kind)> = self.traces.values().flatten().filter(|h| h.service == service).map(|h| (h.operation, h.kind)).collect();
        let mut names: Vec<(&str, Kind)> = ids.into_iter().map(|(id, kind)| (self.words.text(id), kind)).collect();
        names.sort_unstable();
        names
    }

    /// Which services' spans have a parent of which other, or of their own, and how many: of traces that began in a time, in
    /// microseconds since the epoch.
    pub fn dependencies(&self, from: i64, to: i64) -> BTreeMap<(&str, &str), u64> {
        let mut out: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for list in self.traces.values().filter(|l| l.iter().any(|h| (from..=to).contains(&h.start))) {
            let by_id: BTreeMap<u64, Id> = list.iter().map(|h| (h.id, h.service)).collect();
            for (parent, child) in list.iter().filter_map(|h| Some((by_id.get(&h.parent)?, h.service))) {
                *out.entry((self.words.text(*parent), self.words.text(child))).or_default() += 1;
            }
        }
        out
    }
}

/// What a span may take at most.
fn weight(span: &Span) -> usize {
    let tags: usize = span.tags.iter().map(|(k, v)| k.len() + v.len() + 2 * OF_WORD + OF_TAG).sum();
    OF_SPAN + OF_TRACE + span.service.len() + span.operation.len() + 2 * OF_WORD + tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(trace: &str, id: &str, parent: &str, service: &str, tags: &[(&str, &str)]) -> Span {
        Span {
            trace: trace.into(),
            id: id.into(),
            parent: parent.into(),
            service: service.into(),
            operation: format!("{service}:80/*"),
            kind: Kind::Server,
            start: i64::from_str_radix(trace, 16).unwrap_or(0) * 1000,
            duration: 10,
            tags: tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            is_shared: false,
        }
    }

    #[test]
    fn what_was_told_is_found_whole_and_the_newest_first() {
        let mut store = Store::default();
        let all = [
            span("a", "1", "", "web", &[("http.status_code", "200")]),
            span("a", "2", "1", "cart", &[("http.status_code", "503"), ("error", "true")]),
            span("b", "1", "", "web", &[("http.status_code", "200")]),
        ];
        store.add(all.clone());
        store.add([span("no hex", "1", "", "web", &[]), span("c", "11111111111111111", "", "web", &[])]);
        assert_eq!((store.counts(), store.len()), ((3, 2), 2));
        assert_eq!(store.trace("000a"), all[..2]);
        assert!(store.trace("c").is_empty());
        let find = |query: Query, most| store.find(&query, most).iter().map(|t| format!("{t:x}")).collect::<Vec<_>>();
        let of = |service: &str| Query { service: service.into(), ..Query::default() };
        assert_eq!(
            (find(of("web"), 9), find(of("web"), 1), find(of("cart"), 9)),
            (vec!["b".to_owned(), "a".to_owned()], vec!["b".to_owned()], vec!["a".to_owned()])
        );
        assert_eq!(store.spans(store.find(&of("cart"), 1)[0]).len(), 2);
        // Service and tag have to be those of one span.
        let tag = |k: &str, v: &str| vec![(k.to_owned(), v.to_owned())];
        assert_eq!(find(Query { tags: tag("error", "true"), ..of("web") }, 9), Vec::<String>::new());
        assert_eq!(find(Query { tags: tag("error", "true"), ..of("cart") }, 9), ["a"]);
        assert_eq!(find(Query { operation: Some("none".into()), ..of("web") }, 9), Vec::<String>::new());
        assert_eq!(find(Query { from: Some(10_001), ..of("web") }, 9), ["b"]);
        assert_eq!(find(Query { least: Some(11), ..of("web") }, 9), Vec::<String>::new());
        assert_eq!((store.services(), store.operations("cart")), (vec!["cart", "web"], vec![("cart:80/*", Kind::Server)]));
        assert_eq!(store.dependencies(0, i64::MAX).into_iter().collect::<Vec<_>>(), [(("web", "cart"), 1)]);
    }

    proptest! {
        /// It stays within its bounds, counts what it holds and nothing else, and what it holds is what came.
        #[test]
        fn it_stays_within_its_bounds(list in proptest::collection::vec((1u8..20, 1u8..5, "[a-c]{1,3}", "[a-z]{0,40}"), 0..200), bytes in 2_000usize..40_000) {
            let mut store = Store::new(Limits { bytes, spans: 3, tags: 2 });
            for (trace, id, service, value) in &list {
                store.add([span(&format!("{trace:x}"), &format!("{id:x}"), "", service, &[("k", value), ("l", "same"), ("m", "too many")])]);
                prop_assert!(store.bytes() <= bytes);
            }
            let (taken, refused) = store.counts();
            prop_assert_eq!(taken + refused, list.len() as u64);
            let held: Vec<Span> = store.find(&Query::default(), usize::MAX).into_iter().flat_map(|t| store.spans(t)).collect();
            let came = |s: &Span| list.iter().any(|(t, _, n, v)| format!("{t:x}") == s.trace && *n == s.service && *v == s.tags["k"]);
            prop_assert!(held.iter().all(|s| s.tags.len() == 2 && came(s)));
            let mut again = Store::new(Limits { bytes: usize::MAX, spans: 3, tags: 2 });
            again.add(held);
            prop_assert_eq!(again.bytes(), store.bytes());
            while !store.is_empty() {
                store.forget();
            }
            prop_assert_eq!((store.bytes(), store.words.ids.len()), (0, 0));
        }
    }
}
