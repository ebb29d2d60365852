//! Sets of requests: a constraint on each value that a match looks at.

use super::automaton::Undecided;
use super::pattern::{Constraint, Pattern, Text};
use mesh_envoy::redact;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

/// A value of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Method,
    Path,
    Authority,
    Scheme,
    Port,
    /// In lower case.
    Header(String),
    Query(String),
    SourceNamespace,
    SourceLabel(String),
}

impl Field {
    fn text(&self) -> Text {
        if *self == Field::Path { Text::Path } else { Text::Value }
    }
    /// Whether every request has it.
    fn always(&self) -> bool {
        matches!(self, Field::Method | Field::Path | Field::Authority | Field::Scheme | Field::Port | Field::SourceNamespace)
    }
}

/// The requests that fulfil all constraints.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    fields: BTreeMap<Field, Constraint>,
    witness: OnceCell<Option<Witness>>,
}

impl PartialEq for Requests {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

/// More sets than this are not looked at together.
const MOST_IN_UNION: usize = 8;

impl Requests {
    pub fn within(&mut self, field: Field, pattern: Pattern) {
        if pattern.is_any() && field.always() {
            return;
        }
        self.fields.entry(field).or_default().within.push(pattern);
        self.witness = OnceCell::new();
    }
    pub fn outside(&mut self, field: Field, pattern: Pattern) {
        self.fields.entry(field).or_default().outside.push(pattern);
        self.witness = OnceCell::new();
    }

    fn covered_in(&self, field: &Field, others: &[&Requests]) -> bool {
        let free = Constraint::default();
        let own = self.fields.get(field).unwrap_or(&free);
        let theirs: Vec<&Constraint> = others.iter().map(|o| o.fields.get(field).unwrap_or(&free)).collect();
        theirs.iter().any(|t| t.is_free()) || own.covered_by(&theirs, field.text())
    }

    /// Whether every request of this set is one of `other`.
    pub fn contained_in(&self, other: &Requests) -> bool {
        !self.has_witness_outside(&[other]) && other.fields.keys().all(|f| self.covered_in(f, &[other]))
    }

    /// One request of the set often tells that it is not within others.
    fn has_witness_outside(&self, others: &[&Requests]) -> bool {
        self.witness_ref().is_some_and(|w| others.iter().all(|o| o.admits(w) == Ok(false)))
    }

    /// Whether a request is one of the set.
    fn admits(&self, w: &Witness) -> Result<bool, Undecided> {
        for (field, constraint) in &self.fields {
            let value = w.value(field);
            // What a witness does not say it leaves open where every request has it.
            if value.is_none() && field.always() {
                return Err(Undecided);
            }
            if !constraint.admits(value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every request of this set is one of `others` taken together, as far as that is seen cheaply: one of
    /// them holds all, or several do that differ in one field.
    pub fn contained_in_union(&self, others: &[&Requests]) -> bool {
        if self.has_witness_outside(others) {
            return false;
        }
        if others.iter().any(|o| self.contained_in(o)) {
            return true;
        }
        // Those that leave out requests by one field only.
        let mut by_field: BTreeMap<&Field, Vec<&Requests>> = BTreeMap::new();
        for o in others {
            let mut missing = o.fields.keys().filter(|f| !self.covered_in(f, &[o]));
            if let (Some(field), None) = (missing.next(), missing.next()) {
                by_field.entry(field).or_default().push(o);
            }
        }
        by_field.iter().any(|(field, list)| (2..=MOST_IN_UNION).contains(&list.len()) && self.covered_in(field, list))
    }

    /// A request of the set, `None` where there is none or it is too hard to find.
    pub fn witness(&self) -> Option<Witness> {
        self.witness_ref().cloned()
    }
    fn witness_ref(&self) -> Option<&Witness> {
        self.witness.get_or_init(|| self.find_witness()).as_ref()
    }
    fn find_witness(&self) -> Option<Witness> {
        let mut values = Vec::new();
        for (field, constraint) in &self.fields {
            match constraint.example(field.text()) {
                Ok(Some(Some(value))) => values.push((field.clone(), value)),
                Ok(Some(None)) => {}
                Ok(None) | Err(Undecided) => return None,
            }
        }
        Some(Witness(values))
    }
}

/// One request, as far as a match looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness(Vec<(Field, String)>);

impl Witness {
    /// What the request has there, where the set says anything of it.
    pub fn value(&self, field: &Field) -> Option<&str> {
        self.0.iter().find(|(f, _)| f == field).map(|(_, v)| v.as_str())
    }
}

impl fmt::Display for Witness {
    /// `GET shop.example.com/cart with header x-user: jason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}{}",
            self.value(&Field::Method).unwrap_or("GET"),
            self.value(&Field::Authority).unwrap_or(""),
            self.value(&Field::Path).unwrap_or("/")
        )?;
        let mut query = self.0.iter().filter_map(|(g, v)| if let Field::Query(n) = g { Some((n, v)) } else { None });
        if let Some((n, v)) = query.next() {
            write!(f, "?{n}={v}")?;
        }
        for (n, v) in query {
            write!(f, "&{n}={v}")?;
        }
        let mut separator = " with";
        for (field, v) in &self.0 {
            match field {
                Field::Header(n) => write!(f, "{separator} header {n}: {}", redact::header_value(n, v))?,
                Field::Port => write!(f, "{separator} port {v}")?,
                Field::Scheme => write!(f, "{separator} scheme {v}")?,
                Field::SourceNamespace => write!(f, "{separator} source namespace {v}")?,
                Field::SourceLabel(n) => write!(f, "{separator} source label {n}={v}")?,
                _ => continue,
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Case;
    use super::*;

    fn set(path: Pattern, header: Option<(&str, Pattern)>) -> Requests {
        let mut r = Requests::default();
        r.within(Field::Path, path);
        if let Some((n, p)) = header {
            r.within(Field::Header(n.to_owned()), p);
        }
        r
    }
    fn prefix(t: &str) -> Pattern {
        Pattern::prefix(t, Case::Sensitive)
    }
    fn exact(t: &str) -> Pattern {
        Pattern::exact(t, Case::Sensitive)
    }

    #[test]
    fn sets_contain_sets() {
        let (wide, narrow) = (set(prefix("/api"), None), set(exact("/api/v1"), None));
        assert!(narrow.contained_in(&wide) && !wide.contained_in(&narrow));
        let with_header = set(prefix("/api"), Some(("x", exact("1"))));
        assert!(with_header.contained_in(&wide) && !narrow.contained_in(&with_header));
        assert!(set(exact("/api/7"), None).contained_in(&set(Pattern::regex("/api/[0-9]+"), None)));
        assert!(!set(prefix("/api/7"), None).contained_in(&set(Pattern::regex("/api/[0-9]+"), None)));
        assert!(set(Pattern::regex("/api/[0-9]+"), None).contained_in(&wide));
    }

    #[test]
    fn unions_contain_what_they_share_out() {
        let with = set(prefix("/"), Some(("x", Pattern::any())));
        let mut without = set(prefix("/"), None);
        without.outside(Field::Header("x".into()), Pattern::any());
        let all = set(prefix("/"), None);
        assert!(all.contained_in_union(&[&with, &without]));
        assert!(!all.contained_in_union(&[&with]));
    }

    #[test]
    fn witnesses_read_like_requests() {
        let mut r = set(exact("/cart"), Some(("x-user", exact("jason"))));
        r.within(Field::Method, exact("POST"));
        assert_eq!(r.witness().map(|w| w.to_string()).as_deref(), Some("POST /cart with header x-user: jason"));
    }
}
