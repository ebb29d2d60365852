//! How the bookshop's programs behave: as they should, unless somebody breaks one.

use crate::tokens::Token;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a program does that it should not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Of a hundred requests so many are answered with 500.
    pub fails: u8,
    /// How much longer it takes.
    pub takes: Duration,
    /// What it shows to the services that it calls.
    pub token: Token,
    /// It calls others without the headers of the trace that it was called in.
    pub drops_trace: bool,
}

/// Behaviours by workload.
#[derive(Debug, Default)]
pub struct Programs(Mutex<BTreeMap<&'static str, Behaviour>>);

impl Programs {
    pub fn of(&self, workload: &str) -> Behaviour {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(workload).copied().unwrap_or_default()
    }
    /// All that misbehave; the others do as they should.
    pub fn set(&self, all: BTreeMap<&'static str, Behaviour>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}
