//! String patterns, and constraints on one value of a request.

use super::automaton::{self, MAX_AUTOMATA, Nfa, Undecided};
use std::cell::OnceCell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Ignored,
}

/// What sort of string a value is: which strings exist at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Text {
    /// A path without query: begins with `/`, or is `*`.
    Path,
    /// The value of a header or query parameter.
    Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Any,
    Exact(String),
    Prefix(String),
    Regex(String),
}

/// A set of strings.
#[derive(Clone, Debug)]
pub struct Pattern {
    form: Form,
    case: Case,
    compiled: OnceCell<Result<Nfa, Undecided>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && self.case == other.case
    }
}

const PRINTABLE: &[(u8, u8)] = &[(0x20, 0x7e)];
/// No space, `#` or `?`.
const IN_PATH: &[(u8, u8)] = &[(0x21, 0x22), (0x24, 0x3e), (0x40, 0x7e)];

impl Pattern {
    fn new(form: Form, case: Case) -> Pattern {
        Pattern { form, case, compiled: OnceCell::new() }
    }
    pub fn any() -> Pattern {
        Pattern::new(Form::Any, Case::Sensitive)
    }
    pub fn exact(text: &str, case: Case) -> Pattern {
        Pattern::new(Form::Exact(text.to_owned()), case)
    }
    pub fn prefix(text: &str, case: Case) -> Pattern {
        if text.is_empty() { Pattern::any() } else { Pattern::new(Form::Prefix(text.to_owned()), case) }
    }
    /// A regular expression for the whole string.
    pub fn regex(text: &str) -> Pattern {
        match text {
            ".*" => Pattern::any(),
            text => Pattern::new(Form::Regex(text.to_owned()), Case::Sensitive),
        }
    }
    pub fn is_any(&self) -> bool {
        self.form == Form::Any
    }
    /// The string, where it is a single one.
    pub fn as_exact(&self) -> Option<&str> {
        match &self.form {
            Form::Exact(text) if self.case == Case::Sensitive => Some(text),
            _ => None,
        }
    }

    fn compile(&self) -> Result<Nfa, Undecided> {
        let ignore = self.case == Case::Ignored;
        let printable = |text: &str| if text.bytes().all(|b| (0x20..=0x7e).contains(&b)) { Ok(()) } else { Err(Undecided) };
        let mut b = Nfa::builder();
        let end = automaton::Builder::ACCEPT;
        let start = match &self.form {
            Form::Any => b.any_of(PRINTABLE, end)?,
            Form::Exact(text) => {
                printable(text)?;
                b.text(text, ignore, end)?
            }
            Form::Prefix(text) => {
                printable(text)?;
                let rest = b.any_of(PRINTABLE, end)?;
                b.text(text, ignore, rest)?
            }
            Form::Regex(text) => return Nfa::regex(text),
        };
        Ok(b.finish(start))
    }
    fn nfa(&self) -> Result<&Nfa, Undecided> {
        self.compiled.get_or_init(|| self.compile()).as_ref().map_err(|e| *e)
    }
    pub fn accepts(&self, text: &str) -> Result<bool, Undecided> {
        let start = |p: &str| match self.case {
            Case::Sensitive => text.strip_prefix(p),
            Case::Ignored => text.get(..p.len()).filter(|s| s.eq_ignore_ascii_case(p)).and_then(|_| text.get(p.len()..)),
        };
        Ok(match &self.form {
            Form::Any => true,
            Form::Exact(p) => start(p) == Some(""),
            Form::Prefix(p) => start(p).is_some(),
            Form::Regex(_) if !text.is_ascii() => return Err(Undecided),
            Form::Regex(_) => automaton::accepts(self.nfa()?, text),
        })
    }
    /// Whether every member of `inner` is a member, where a look at the text is enough.
    fn covers_by_text(&self, inner: &Pattern) -> Option<bool> {
        if self.is_any() || self == inner {
            return Some(true);
        }
        if self.case != Case::Sensitive || inner.case != Case::Sensitive {
            return None;
        }
        match (&self.form, &inner.form) {
            (_, Form::Exact(text)) => self.accepts(text).ok(),
            (Form::Exact(_), Form::Prefix(_) | Form::Any) => Some(false),
            (Form::Prefix(a), Form::Prefix(b)) => Some(b.starts_with(a.as_str())),
            _ => None,
        }
    }
}

/// What is said of one value, which may be absent: in all of `within`, in none of `outside`. A value that is
/// absent is in nothing; for `outside` it counts as empty, and as absent where "any value" is excluded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraint {
    pub within: Vec<Pattern>,
    pub outside: Vec<Pattern>,
}

impl Constraint {
    pub fn is_free(&self) -> bool {
        self.within.is_empty() && self.outside.is_empty()
    }
    pub fn admits(&self, value: Option<&str>) -> Result<bool, Undecided> {
        for p in &self.within {
            match value {
                Some(v) if p.accepts(v)? => {}
                _ => return Ok(false),
            }
        }
        for p in &self.outside {
            let hit = match value {
                None if p.is_any() => false,
                _ => p.accepts(value.unwrap_or(""))?,
            };
            if hit {
                return Ok(false);
            }
        }
        Ok(true)
    }
    /// A value that is admitted and that none of `others` admits: `Some(None)` is an absent one. `None` when there
    /// is no such value. With no others: whether anything is admitted at all.
    pub fn outside_of(&self, others: &[&Constraint], text: Text) -> Result<Option<Option<String>>, Undecided> {
        if others.iter().any(|o| o.is_free() || *o == self) {
            return Ok(None);
        }
        if text == Text::Value && self.admits(None)? {
            let mut taken = false;
            for o in others {
                taken |= o.admits(None)?;
            }
            if !taken {
                return Ok(Some(None));
            }
        }
        if let (Some(inner), true, [outer]) = (self.within.first(), self.within.len() == 1 && self.outside.is_empty(), others)
            && let ([outer], true) = (outer.within.as_slice(), outer.outside.is_empty())
            && outer.covers_by_text(inner) == Some(true)
        {
            return Ok(None);
        }
        let mut must = Vec::new();
        let paths = path_universe();
        if text == Text::Path {
            must.push(&paths);
        }
        for p in self.within.iter().filter(|p| !p.is_any() || self.within.len() == 1) {
            must.push(p.nfa()?);
        }
        // Each side's automata in one list; `slots` says which belong to whom.
        let mut rest = Vec::new();
        for p in &self.outside {
            rest.push(p.nfa()?);
        }
        let own = rest.len();
        let mut slots = Vec::new();
        for o in others {
            let from = rest.len();
            for p in o.within.iter().chain(&o.outside) {
                rest.push(p.nfa()?);
            }
            slots.push((from, o.within.len(), rest.len()));
        }
        if must.len() + rest.len() > MAX_AUTOMATA {
            return Err(Undecided);
        }
        let left = automaton::search(&must, &rest, |accepted| {
            let hit = |from: usize, to: usize| accepted.get(from..to).unwrap_or_default();
            !hit(0, own).contains(&true)
                && !slots.iter().any(|(from, within, to)| !hit(*from, from + within).contains(&false) && !hit(from + within, *to).contains(&true))
        })?;
        Ok(left.map(Some))
    }
    /// Whether everything admitted is admitted by one of `others`.
    pub fn covered_by(&self, others: &[&Constraint], text: Text) -> bool {
        // The common refusals, without building anything.
        if let ([inner], [], [outer]) = (self.within.as_slice(), self.outside.as_slice(), others)
            && let ([outer], []) = (outer.within.as_slice(), outer.outside.as_slice())
            && let Some(answer) = outer.covers_by_text(inner)
        {
            return answer;
        }
        if self.is_free() && text == Text::Value && others.len() == 1 && others.iter().all(|o| !o.within.is_empty()) {
            return false;
        }
        self.outside_of(others, text) == Ok(None)
    }
    /// A value that is admitted: `Some(None)` when absence is.
    pub fn example(&self, text: Text) -> Result<Option<Option<String>>, Undecided> {
        if let ([only], []) = (self.within.as_slice(), self.outside.as_slice())
            && text == Text::Value
            && let Some(text) = only.as_exact()
        {
            return Ok(Some(Some(text.to_owned())));
        }
        self.outside_of(&[], text)
    }
}

fn path_universe() -> Nfa {
    let mut b = Nfa::builder();
    let end = automaton::Builder::ACCEPT;
    // So few states cannot be too many.
    let build = |b: &mut automaton::Builder| -> Result<u32, Undecided> {
        let rest = b.any_of(IN_PATH, end)?;
        let slash = b.text("/", false, rest)?;
        let star = b.text("*", false, end)?;
        b.either(vec![slash, star])
    };
    let start = build(&mut b).unwrap_or(end);
    b.finish(start)
}
