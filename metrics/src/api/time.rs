//! Times as parameters give them.

/// Unix seconds with an optional fraction, or RFC 3339. Milliseconds since the epoch.
pub fn parse_time(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.abs() < 9e12 => Some((seconds * 1000.0).round() as i64),
        Ok(_) => None,
        Err(_) => rfc3339(text),
    }
}

fn rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number =
        |from: usize, to: usize| bytes.get(from..to).filter(|d| d.iter().all(u8::is_ascii_digit)).and_then(|_| text.get(from..to)?.parse::<i64>().ok());
    let is_shaped =
        bytes.len() >= 20 && bytes[4] == b'-' && bytes[7] == b'-' && matches!(bytes[10], b'T' | b't' | b' ') && bytes[13] == b':' && bytes[16] == b':';
    if !is_shaped {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = [31, 28 + i64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = usize::try_from(month - 1).ok().and_then(|m| days_in_month.get(m))?;
    if !(1..=*length).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut milliseconds = 0;
    if bytes[at] == b'.' {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let three: String = text[at + 1..at + 1 + digits].chars().chain("000".chars()).take(3).collect();
        milliseconds = three.parse().ok()?;
        at += 1 + digits;
    }
    let offset = match &text[at..] {
        "Z" | "z" => 0,
        zone if zone.len() == 6 && zone.as_bytes()[3] == b':' => {
            let minutes = number(at + 1, at + 3)? * 60 + number(at + 4, at + 6)?;
            match zone.as_bytes()[0] {
                b'+' => minutes,
                b'-' => -minutes,
                _ => return None,
            }
        }
        _ => return None,
    };
    // Days since 1970, by the proleptic Gregorian calendar.
    let before = year - 1;
    let days = 365 * before + before / 4 - before / 100 + before / 400 + days_in_month[..(month - 1) as usize].iter().sum::<i64>() + day - 719_163;
    Some((((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_and_rfc_3339() {
        for (text, want) in [
            ("1435781451.781", Some(1_435_781_451_781)),
            ("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781)),
            ("2015-07-01T22:10:51.7811+02:00", Some(1_435_781_451_781)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2023-02-2é00:00:00Z1", None),
            ("yesterday", None),
            ("NaN", None),
            ("2015-07-01", None),
        ] {
            assert_eq!(parse_time(text), want, "{text}");
        }
    }
}
