//! Spans between moments of a request (`%COMMON_DURATION%`).

use crate::http::exchange::Exchange;
use std::time::Duration;

/// A moment of a request (`%COMMON_DURATION%`), as far as they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Begun,
    RequestRead,
    AnswerBegun,
    Over,
}

impl Moment {
    fn parse(name: &str) -> Option<Moment> {
        Some(match name {
            "DS_RX_BEG" => Moment::Begun,
            "DS_RX_END" => Moment::RequestRead,
            "US_RX_BEG" => Moment::AnswerBegun,
            "DS_TX_END" => Moment::Over,
            _ => return None,
        })
    }
    /// Since the request began; the start of an answer is known in milliseconds.
    fn of(self, e: &Exchange) -> Option<Duration> {
        match self {
            Moment::Begun => Some(Duration::ZERO),
            Moment::RequestRead => Some(e.body.completed_at()?.saturating_duration_since(e.begun)),
            Moment::AnswerBegun => e.upstream_answered().map(Duration::from_millis),
            Moment::Over => Some(e.lasted()),
        }
    }
}

/// What a span is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// `COMMON_DURATION(FROM:TO:UNIT)`
///
/// # Errors
/// What is not known, in a clause.
pub fn parse(argument: &str) -> Result<(Moment, Moment, Unit), String> {
    let wrong = || format!("%COMMON_DURATION({argument})%: DS_RX_BEG, DS_RX_END, US_RX_BEG and DS_TX_END are known, in ms, us or ns");
    let parts: Vec<&str> = argument.split(':').collect();
    let [from, to, unit] = parts.as_slice() else { return Err(wrong()) };
    let unit = match *unit {
        "ms" => Unit::Milliseconds,
        "us" => Unit::Microseconds,
        "ns" => Unit::Nanoseconds,
        _ => return Err(wrong()),
    };
    match (Moment::parse(from), Moment::parse(to)) {
        (Some(Moment::AnswerBegun), Some(_)) | (Some(_), Some(Moment::AnswerBegun)) if unit != Unit::Milliseconds => {
            Err(format!("%COMMON_DURATION({argument})%: US_RX_BEG is known in ms"))
        }
        (Some(from), Some(to)) => Ok((from, to, unit)),
        _ => Err(wrong()),
    }
}

/// How much time went by; `None` where one of the moments did not come.
pub fn between(e: &Exchange, (from, to, unit): (Moment, Moment, Unit)) -> Option<u64> {
    let span = to.of(e)?.checked_sub(from.of(e)?)?;
    let count = match unit {
        Unit::Milliseconds => span.as_millis(),
        Unit::Microseconds => span.as_micros(),
        Unit::Nanoseconds => span.as_nanos(),
    };
    u64::try_from(count).ok()
}
