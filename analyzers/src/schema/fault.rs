//! What can be wrong with an object's form.

use super::table::Range;
use mesh_model::{Node, Object};
use std::borrow::Cow;

/// One fault: its object, the offending node (a key, for fields that should not be there), and what is wrong.
#[derive(Clone, Debug)]
pub struct Fault<'a> {
    pub object: &'a Object,
    pub at: Node<'a>,
    pub what: What<'a>,
}

/// A type that a value should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    String,
    Integer,
    Number,
    Boolean,
    IntegerOrString,
    List,
    /// A mapping.
    Object,
}

impl Expected {
    /// With its article, as in "takes a list".
    pub fn name(self) -> &'static str {
        match self {
            Expected::String => "a string",
            Expected::Integer => "an integer",
            Expected::Number => "a number",
            Expected::Boolean => "a boolean",
            Expected::IntegerOrString => "an integer or a string",
            Expected::List => "a list",
            Expected::Object => "a mapping",
        }
    }
}

/// Where a field that stands in the wrong place belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belongs<'a> {
    /// In an enclosing field, by its path; "" for the object itself.
    Above(String),
    /// In a field beside it.
    Below(&'a str),
}

#[derive(Clone, Debug)]
pub enum What<'a> {
    /// A field that no version has. `near` is what was probably meant.
    UnknownField {
        near: Option<&'a str>,
        belongs: Option<Belongs<'a>>,
    },
    /// A field or value that other minor versions have.
    OtherVersion {
        range: Range,
        family: &'static str,
        minor: u16,
    },
    WrongType {
        expected: Expected,
        duration: bool,
    },
    UnknownValue {
        near: Option<&'a str>,
        known: Vec<&'a str>,
    },
    OutOfBounds(Bound<'a>),
    /// `at` is the mapping that lacks the field.
    Missing {
        field: &'a str,
    },
    /// More than one of some fields, or none; `at` is the second one's key, or the mapping.
    Exclusive {
        present: Vec<&'a str>,
        among: Vec<&'a str>,
    },
    /// A rule of the CRD; the message says what is wrong.
    Rule {
        message: String,
    },
    /// A rule of the CRD that no interpreter is given, for what it may cost: no fault, only not judged.
    RuleNotJudged,
    /// A name that no object can have.
    Name,
    /// An apiVersion that does not serve the kind.
    Version {
        served: Vec<&'a str>,
    },
    /// A kind that its API group does not have: the group that has it, or the kind that was meant.
    Kind {
        group: Option<&'a str>,
        near: Option<&'a str>,
    },
    /// An item that repeats an earlier one; `keys` are the fields that agree (none: the whole value).
    Repeated {
        first: Node<'a>,
        keys: Vec<&'a str>,
    },
}

#[derive(Clone, Debug)]
pub enum Bound<'a> {
    Min(f64),
    Max(f64),
    MinLength(usize),
    MaxLength(usize),
    MinItems(usize),
    MaxItems(usize),
    Pattern(Cow<'a, str>),
    /// A format by its name.
    Format(&'a str),
}
