//! What is the same for every command: the instant, whose habits, where the answer goes.

use crate::args::{ColorWhen, GlobalArgs};
use crate::followers::Followers;
use crate::print::time::{clock, parse_rfc3339};
use crate::status::{Failure, Status};
use crate::stdio;
use std::path::PathBuf;
use std::sync::Arc;

/// Whose output and habits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    Meshctl,
    Istioctl,
}

/// What is said on standard error beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notes {
    Said,
    Quiet,
}

/// Whether the instant moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// It was given, or is a recording's.
    Stands,
    Runs,
}

#[derive(Clone, Debug)]
pub struct Context {
    pub compat: Compat,
    /// The instant of every age and expiry, in seconds since the epoch: `--now`, MESHCTL_NOW, else the recording's, else the clock.
    pub now: i64,
    pub clock: Clock,
    /// `--at`, as it was typed and found to be a time.
    pub at: Option<String>,
    pub notes: Notes,
    pub color: ColorWhen,
    /// A file for the answer; standard output without one.
    pub out: Option<PathBuf>,
    /// What an answer in part is worth.
    pub partial: Status,
    /// Where a command answers again and again, the clusters that it reads are followed.
    pub followers: Option<Arc<Followers>>,
}

impl Context {
    /// `recorded` is when the recording was made that is looked at, if one is.
    pub fn new(args: &GlobalArgs, recorded: Option<i64>) -> Result<Context, Failure> {
        let compat = match args.compat.as_deref() {
            None | Some("" | "none" | "meshctl") => Compat::Meshctl,
            Some("istioctl") => Compat::Istioctl,
            Some(other) => return Err(Failure::usage(format!("--compat takes istioctl, not `{other}`"))),
        };
        let now = match args.now.as_deref() {
            None | Some("") => recorded.unwrap_or_else(clock),
            Some(text) => parse_rfc3339(text).ok_or_else(|| Failure::usage(format!("--now takes an instant such as 2026-11-22T11:40:00Z, not `{text}`")))?,
        };
        let is_given = args.now.as_deref().is_some_and(|n| !n.is_empty()) || recorded.is_some();
        Ok(Context {
            compat,
            now,
            clock: if is_given { Clock::Stands } else { Clock::Runs },
            at: args.at.clone(),
            notes: if args.quiet { Notes::Quiet } else { Notes::Said },
            color: args.color,
            out: args.out.clone(),
            partial: if args.allow_partial { Status::Fine } else { Status::Partial },
            followers: None,
        })
    }

    /// For a command that answers again and again: from here on clusters are followed.
    pub fn following(&self) -> (Context, Arc<Followers>) {
        let followers = Arc::new(Followers::default());
        (Context { followers: Some(Arc::clone(&followers)), ..self.clone() }, followers)
    }

    /// Gives the answer.
    pub fn answer(&self, text: &str) -> Result<(), Failure> {
        stdio::answer(text, self.out.as_deref(), self.color)
    }

    /// Says something that is no error; `-q` leaves it out.
    pub fn note(&self, text: &str) {
        if self.notes == Notes::Said {
            stdio::note(&format!("note: {text}"));
        }
    }
}
