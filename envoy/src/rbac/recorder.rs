//! What was asked on the way to a decision, and what failed.

use super::condition::Test;
use crate::matcher::Truth;

/// Sees conditions as they are asked: `open` when one begins, `close` with its answer.
pub trait Recorder {
    /// Whether it wants to see anything; where not, no cost arises and searches end early.
    const ON: bool;
    fn open(&mut self, node: Node<'_>);
    fn close(&mut self, truth: Truth);
}

/// Sees nothing.
impl Recorder for () {
    const ON: bool = false;
    fn open(&mut self, _: Node<'_>) {}
    fn close(&mut self, _: Truth) {}
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Node<'c> {
    Policy(&'c str),
    All,
    Any,
    Not,
    Test {
        test: &'c Test,
        /// What the subject has.
        found: String,
    },
}

/// The tree of what was asked.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// One a policy.
    pub steps: Vec<Step>,
    open: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub kind: Kind,
    pub truth: Truth,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A policy by name.
    Policy(String),
    All,
    Any,
    Not,
    Test(Failed),
}

/// A condition that was asked in vain: what was wanted, and what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub wanted: String,
    pub found: String,
}

impl Recorder for Trace {
    const ON: bool = true;
    fn open(&mut self, node: Node<'_>) {
        let kind = match node {
            Node::Policy(name) => Kind::Policy(name.to_owned()),
            Node::All => Kind::All,
            Node::Any => Kind::Any,
            Node::Not => Kind::Not,
            Node::Test { test, found } => Kind::Test(Failed { wanted: test.to_string(), found }),
        };
        self.open.push(Step { kind, truth: Truth::Unknown, steps: Vec::new() });
    }
    fn close(&mut self, truth: Truth) {
        let Some(mut step) = self.open.pop() else { return };
        step.truth = truth;
        match self.open.last_mut() {
            Some(parent) => parent.steps.push(step),
            None => self.steps.push(step),
        }
    }
}

/// The failures of some steps, each once.
fn each_once<'s>(steps: impl Iterator<Item = &'s Step>) -> Vec<Failed> {
    let mut out: Vec<Failed> = Vec::new();
    for failed in steps.flat_map(Step::failures) {
        if !out.contains(&failed) {
            out.push(failed);
        }
    }
    out
}

impl Step {
    /// The policy's name, "" for other steps.
    pub fn policy(&self) -> &str {
        if let Kind::Policy(name) = &self.kind { name } else { "" }
    }
    /// Why the answer is not yes: the conditions that failed or are not known. Alternatives are one condition.
    pub fn failures(&self) -> Vec<Failed> {
        let open = || self.steps.iter().filter(|s| !s.truth.is_yes());
        match &self.kind {
            Kind::Test(test) => vec![test.clone()],
            // Where something failed for certain, what is not known does not matter.
            Kind::Policy(_) | Kind::All if self.truth == Truth::No => each_once(self.steps.iter().filter(|s| s.truth == Truth::No)),
            Kind::Policy(_) | Kind::All => each_once(open()),
            Kind::Any => match self.steps.as_slice() {
                [one] => one.failures(),
                [] => vec![Failed { wanted: "nothing: no alternative is listed".to_owned(), found: "anything".to_owned() }],
                _ => vec![self.as_one()],
            },
            // As istiod writes a policy without rules.
            Kind::Not if self.steps.is_empty() => {
                vec![Failed { wanted: "nothing, as a policy without rules: no request matches it".to_owned(), found: "a request".to_owned() }]
            }
            Kind::Not => vec![self.as_one()],
        }
    }
    fn as_one(&self) -> Failed {
        Failed { wanted: self.wanted(), found: self.found() }
    }
    fn wanted(&self) -> String {
        let list = |between: &str| self.steps.iter().map(Step::wanted).collect::<Vec<_>>().join(between);
        match &self.kind {
            Kind::Test(test) => test.wanted.clone(),
            Kind::Policy(_) | Kind::All => list(" and "),
            Kind::Any => list(" or "),
            Kind::Not if self.steps.is_empty() => "not: anything".to_owned(),
            Kind::Not => format!("not: {}", list(" and ")),
        }
    }
    /// What there is, each thing once.
    fn found(&self) -> String {
        let mut out: Vec<&str> = Vec::new();
        self.visit(&mut |test| {
            if !out.contains(&test.found.as_str()) {
                out.push(&test.found);
            }
        });
        out.join(", ")
    }
    fn visit<'s>(&'s self, see: &mut impl FnMut(&'s Failed)) {
        if let Kind::Test(test) = &self.kind {
            see(test);
        }
        for s in &self.steps {
            s.visit(see);
        }
    }
}
