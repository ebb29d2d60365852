//! What a decision tells about the candidates it passed over. [`Off`] costs nothing: every call is a closure that is
//! never made.

/// Takes what the steps tell.
pub trait Recorder {
    /// Whether anything is kept; work that only serves the telling stands behind it.
    const ON: bool;
    /// The condition of the candidate under consideration that failed.
    fn failed(&mut self, why: impl FnOnce() -> String);
    /// The candidate under consideration is passed over, for what failed last.
    fn passed_over(&mut self, candidate: impl FnOnce() -> Candidate);
    /// The policy that let something pass, or refused it.
    fn decided_by(&mut self, policy: impl FnOnce() -> String);
}

/// Nothing is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Off;

impl Recorder for Off {
    const ON: bool = false;
    #[inline(always)]
    fn failed(&mut self, _: impl FnOnce() -> String) {}
    #[inline(always)]
    fn passed_over(&mut self, _: impl FnOnce() -> Candidate) {}
    #[inline(always)]
    fn decided_by(&mut self, _: impl FnOnce() -> String) {}
}

/// One of the things that a step chose among.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    /// The configuration object that made it, as the proxy's metadata spells it; "" where it names none.
    pub source: String,
}

/// A candidate that was passed over, and the condition that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    pub candidate: Candidate,
    pub why: String,
}

/// Keeps everything, step by step: [`Trace::take`] between steps.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    failed: String,
    passed: Vec<PassedOver>,
    by: String,
}

impl Trace {
    /// What was passed over since the last call.
    pub fn take(&mut self) -> Vec<PassedOver> {
        std::mem::take(&mut self.passed)
    }
    /// The policy that decided since the last call; "" for none.
    pub fn take_policy(&mut self) -> String {
        std::mem::take(&mut self.by)
    }
}

impl Recorder for Trace {
    const ON: bool = true;
    fn failed(&mut self, why: impl FnOnce() -> String) {
        self.failed = why();
    }
    fn passed_over(&mut self, candidate: impl FnOnce() -> Candidate) {
        let why = std::mem::take(&mut self.failed);
        self.passed.push(PassedOver { candidate: candidate(), why });
    }
    fn decided_by(&mut self, policy: impl FnOnce() -> String) {
        self.by = policy();
    }
}
