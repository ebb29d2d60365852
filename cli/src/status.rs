//! Exit statuses, and errors that end a command.

use std::fmt;
use std::process::ExitCode;

/// How a command ended. Of several, the one that weighs most counts: 79 beats 65 beats 75.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Asked, and fine.
    Fine,
    /// Answered in part, and the part seen is fine.
    Partial,
    /// Some input was unreadable.
    Unreadable,
    /// Asked, and not fine.
    NotFine,
}

impl Status {
    pub fn code(self) -> u8 {
        match self {
            Status::Fine => 0,
            Status::Partial => 75,
            Status::Unreadable => 65,
            Status::NotFine => 79,
        }
    }
    pub fn exit(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The call is wrong.
    Usage(String),
    /// Something that was named and is needed could not be read.
    Input(String),
    /// Anything else.
    Other(String),
    /// Nobody reads the answer any more; that is no failure.
    Closed,
}

impl Failure {
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }
    pub fn input(message: impl Into<String>) -> Failure {
        Failure::Input(message.into())
    }
    pub fn none(message: impl Into<String>) -> Failure {
        Failure::Other(message.into())
    }
    /// The same, of the file or the page that could not be read.
    pub fn of(self, origin: &str) -> Failure {
        match self {
            Failure::Input(m) if !m.starts_with(origin) => Failure::Input(format!("{origin}: {m}")),
            other => other,
        }
    }
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 64,
            Failure::Input(_) => 65,
            Failure::Other(_) => 1,
            Failure::Closed => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(m) | Failure::Input(m) | Failure::Other(m) => f.write_str(m),
            Failure::Closed => Ok(()),
        }
    }
}

pub type Outcome = Result<Status, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_fine_beats_what_is_unreadable_beats_what_is_partial() {
        let worst = |list: &[Status]| list.iter().max().map(|s| s.code());
        assert_eq!(worst(&[Status::Partial, Status::NotFine, Status::Unreadable]), Some(79));
        assert_eq!(worst(&[Status::Partial, Status::Unreadable, Status::Fine]), Some(65));
        assert_eq!(worst(&[Status::Fine, Status::Partial]), Some(75));
    }
}
