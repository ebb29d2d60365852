//! What containment says, against requests that are listed one by one and judged by the `regex` crate and plain text
//! functions.

use super::pattern::Case;
use super::{Field, Pattern, Requests};
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Form {
    Any,
    Exact(String),
    Prefix(String),
    Regex(String, Regex),
}

#[derive(Clone, Debug)]
struct Said {
    field: Field,
    form: Form,
    ignored_case: bool,
    is_outside: bool,
}

/// Where a field stands in a listed request.
fn index(field: &Field) -> usize {
    match field {
        Field::Path => 0,
        Field::Method => 1,
        _ => 2,
    }
}

impl Said {
    fn is_any(&self) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Prefix(t) => t.is_empty(),
            _ => false,
        }
    }
    fn holds(&self, value: Option<&str>) -> bool {
        let takes = |v: &str| {
            let fold = |t: &str| if self.ignored_case { t.to_ascii_lowercase() } else { t.to_owned() };
            match &self.form {
                Form::Any => true,
                Form::Exact(t) => fold(v) == fold(t),
                Form::Prefix(t) => fold(v).starts_with(&fold(t)),
                Form::Regex(_, whole) => whole.is_match(v),
            }
        };
        match (self.is_outside, value) {
            (false, v) => v.is_some_and(takes),
            // Envoy takes a missing header for an empty one where a value is excluded, and Istio asks for presence
            // where any value will do.
            (true, None) => self.is_any() || !takes(""),
            (true, Some(v)) => !takes(v),
        }
    }
}

fn regexes() -> impl Strategy<Value = String> {
    let leaf = select(vec!["a", "b", "/", "[ab]", "[^a]", ".", "", "B", "(?i:a)"]).prop_map(str::to_owned);
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a + &b),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}|{b})")),
            (inner.clone(), select(vec!["*", "+", "?", "{2}", "{1,2}"])).prop_map(|(a, many)| format!("({a}){many}")),
            inner.clone().prop_map(|a| format!("^{a}")),
            inner.prop_map(|a| format!("{a}$")),
        ]
    })
}

fn regex(text: &str) -> Form {
    let whole = Regex::new(&format!("^(?:{text})$")).expect("made of what the crate reads");
    Form::Regex(text.to_owned(), whole)
}

fn said() -> impl Strategy<Value = Said> {
    let form = prop_oneof![
        Just(Form::Any),
        "/?[abB/]{0,2}".prop_map(Form::Exact),
        "/?[abB/]{0,2}".prop_map(Form::Prefix),
        regexes().prop_map(|r| regex(&r)),
        regexes().prop_map(|r| regex(&format!("/{r}"))),
    ];
    let field = select(vec![Field::Path, Field::Path, Field::Method, Field::Header("x".into())]);
    (form, field, any::<bool>(), any::<bool>()).prop_map(|(form, field, ignored_case, outside)| {
        let ignored_case = ignored_case && !matches!(form, Form::Regex(..));
        let is_outside = outside && matches!(field, Field::Header(_));
        Said { field, form, ignored_case, is_outside }
    })
}

fn set(all: &[Said]) -> Requests {
    let mut requests = Requests::default();
    for said in all {
        let case = if said.ignored_case { Case::Ignored } else { Case::Sensitive };
        let pattern = match &said.form {
            Form::Any => Pattern::any(),
            Form::Exact(t) => Pattern::exact(t, case),
            Form::Prefix(t) => Pattern::prefix(t, case),
            Form::Regex(t, _) => Pattern::regex(t),
        };
        if said.is_outside { requests.outside(said.field.clone(), pattern) } else { requests.within(said.field.clone(), pattern) }
    }
    requests
}

/// All strings over a few letters, the short ones.
fn strings(longest: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut from = 0;
    for _ in 0..longest {
        let to = all.len();
        for i in from..to {
            for c in ['a', 'b', 'B', '/'] {
                all.push(format!("{}{c}", all[i]));
            }
        }
        from = to;
    }
    all
}

/// All values of the field at `at` that requests of these tests have.
fn values(at: usize) -> Vec<Option<String>> {
    let all = strings(3);
    match at {
        0 => all.iter().map(|v| Some(format!("/{v}"))).collect(),
        1 => all.into_iter().map(Some).collect(),
        _ => std::iter::once(None).chain(all.into_iter().map(Some)).collect(),
    }
}

/// Whether a listed request is in `inner` and in none of `outers`. Of values that the same sets take, one is enough.
fn is_left(inner: &[Said], outers: &[&[Said]]) -> bool {
    let takes = |set: &[Said], at: usize, v: &Option<String>| set.iter().filter(|s| index(&s.field) == at).all(|s| s.holds(v.as_deref()));
    let [paths, methods, headers] = [0, 1, 2].map(|at| {
        let of_inner = values(at).into_iter().filter(|v| takes(inner, at, v));
        of_inner.map(|v| outers.iter().map(|o| takes(o, at, &v)).collect::<Vec<bool>>()).collect::<BTreeSet<_>>()
    });
    let refused = |p: &[bool], m: &[bool], h: &[bool]| (0..outers.len()).all(|i| !(p[i] && m[i] && h[i]));
    paths.iter().any(|p| methods.iter().any(|m| headers.iter().any(|h| refused(p, m, h))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_called_contained_leaves_no_request_over(
        inner in prop::collection::vec(said(), 0..4),
        extra in prop::collection::vec(said(), 0..2),
        outer in prop::collection::vec(said(), 0..3),
        other in prop::collection::vec(said(), 0..3),
    ) {
        // Random sets are seldom contained in each other; one that says less always is.
        let narrower: Vec<Said> = outer.iter().chain(&extra).cloned().collect();
        for inner in [&inner, &narrower] {
            let (i, o, p) = (set(inner), set(&outer), set(&other));
            if i.contained_in(&o) {
                prop_assert!(!is_left(inner, &[&outer]), "{inner:?} in {outer:?}");
            }
            if i.contained_in_union(&[&o, &p]) {
                prop_assert!(!is_left(inner, &[&outer, &other]), "{inner:?} in {outer:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_witness_is_one_of_the_set(of in prop::collection::vec(said(), 0..4)) {
        if let Some(witness) = set(&of).witness() {
            let value = |field: &Field| witness.value(field).map(str::to_owned);
            let request = [value(&Field::Path), value(&Field::Method), value(&Field::Header("x".into()))];
            for said in &of {
                let is_open = said.field == Field::Method && request[1].is_none();
                prop_assert!(is_open || said.holds(request[index(&said.field)].as_deref()) || request[0].is_none(), "{witness} for {said:?}");
            }
        }
    }
}

/// Guards the property above: it would hold of a containment that never says yes.
#[test]
fn sets_that_say_more_are_contained() {
    let one = |field: Field, form: Form| Said { field, form, ignored_case: false, is_outside: false };
    let wide = vec![one(Field::Path, regex("/(a|b)*"))];
    let narrow = [wide.clone(), vec![one(Field::Header("x".into()), Form::Exact("a".into()))]].concat();
    assert!(set(&narrow).contained_in(&set(&wide)) && !set(&wide).contained_in(&set(&narrow)));
    assert!(is_left(&wide, &[&narrow]) && !is_left(&narrow, &[&wide]));
}
