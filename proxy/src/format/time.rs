//! Points in time as text: `%START_TIME%` and `%START_TIME(%Y/%m/%d)%`.

use super::digits;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// A format of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-01-31T12:34:56.789Z`
    Default,
    Parts(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(char),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// Seconds since 1970.
    Epoch,
    /// So many digits of the second's fraction.
    Fraction(usize),
    /// Seconds with so many digits behind the point.
    Precise(usize),
}

impl TimeFormat {
    /// The conversions that Envoy's documentation shows.
    ///
    /// # Errors
    /// One that is not known.
    pub fn parse(text: &str) -> Result<TimeFormat, String> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                parts.push(Part::Text(c));
                continue;
            }
            let unknown = |spec: &str| format!("the time format %{spec} is not known to mesh-proxy");
            match chars.next() {
                Some('%') => parts.push(Part::Text('%')),
                Some('Y') => parts.push(Part::Year),
                Some('m') => parts.push(Part::Month),
                Some('d') => parts.push(Part::Day),
                Some('H') => parts.push(Part::Hour),
                Some('M') => parts.push(Part::Minute),
                Some('S') => parts.push(Part::Second),
                Some('s') => parts.push(Part::Epoch),
                Some('f') => parts.push(Part::Fraction(9)),
                Some('F') => parts.extend([Part::Year, Part::Text('-'), Part::Month, Part::Text('-'), Part::Day]),
                Some('T') => parts.extend([Part::Hour, Part::Text(':'), Part::Minute, Part::Text(':'), Part::Second]),
                Some('z') => parts.extend("+0000".chars().map(Part::Text)),
                Some('Z') => parts.extend("UTC".chars().map(Part::Text)),
                Some('E') => match (chars.next().and_then(|d| d.to_digit(10)), chars.next()) {
                    (Some(n @ 1..=9), Some('S')) => parts.push(Part::Precise(n as usize)),
                    _ => return Err(unknown("E")),
                },
                Some(d @ '1'..='9') if chars.peek() == Some(&'f') => {
                    chars.next();
                    parts.push(Part::Fraction(d as usize - '0' as usize));
                }
                other => return Err(unknown(&other.map(String::from).unwrap_or_default())),
            }
        }
        Ok(TimeFormat::Parts(parts))
    }

    pub fn write(&self, at: SystemTime, out: &mut String) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
        let (year, month, day) = date(i64::try_from(seconds / 86_400).unwrap_or(0));
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let fraction = |digits: usize| nanos / 10u32.pow(9 - u32::try_from(digits.min(9)).unwrap_or(9));
        // Writing to a String does not fail.
        let _ = match self {
            TimeFormat::Default => {
                let small = |n: u64| u32::try_from(n).unwrap_or(0);
                let of_date = [year, month, day].map(|n| small(n.unsigned_abs()));
                digits::timestamp(of_date, [small(hour), small(minute), small(second), fraction(3)], out);
                Ok(())
            }
            TimeFormat::Parts(parts) => parts.iter().try_for_each(|part| match part {
                Part::Text(c) => out.write_char(*c),
                Part::Year => write!(out, "{year:04}"),
                Part::Month => write!(out, "{month:02}"),
                Part::Day => write!(out, "{day:02}"),
                Part::Hour => write!(out, "{hour:02}"),
                Part::Minute => write!(out, "{minute:02}"),
                Part::Second => write!(out, "{second:02}"),
                Part::Epoch => write!(out, "{seconds}"),
                Part::Fraction(n) => write!(out, "{:0n$}", fraction(*n), n = *n),
                Part::Precise(n) => write!(out, "{second:02}.{:0n$}", fraction(*n), n = *n),
            }),
        };
    }
}

/// Year, month and day of a day since 1970, in the proleptic Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_in_utc() {
        let at = UNIX_EPOCH + Duration::new(1_709_210_096, 123_456_789);
        let text = |format: &TimeFormat| {
            let mut out = String::new();
            format.write(at, &mut out);
            out
        };
        assert_eq!(text(&TimeFormat::Default), "2024-02-29T12:34:56.123Z");
        assert_eq!(
            text(&TimeFormat::parse("%Y/%m/%dT%H:%M:%S%z %s %3f %f %E6S %%").expect("known")),
            "2024/02/29T12:34:56+0000 1709210096 123 123456789 56.123456 %"
        );
        assert!(TimeFormat::parse("%Q").is_err());
    }
}
