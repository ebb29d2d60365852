//! Instants as people read them.

pub use mesh_model::time::{parse_rfc3339, rfc3339};

/// `Sun, 22 Nov 2026 11:53:26 UTC` (RFC 1123).
pub fn rfc1123(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = rfc3339(seconds);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("");
    let day = DAYS[seconds.div_euclid(86_400).rem_euclid(7) as usize];
    let month = part(5, 7).parse::<usize>().ok().and_then(|m| MONTHS.get(m.wrapping_sub(1))).copied().unwrap_or("");
    format!("{day}, {} {month} {} {} UTC", part(8, 10), part(0, 4), part(11, 19))
}

/// `42s`, `7m`, `3h`, `12d`: how long something is.
pub fn age(seconds: i64) -> String {
    match seconds {
        s if s < 0 => "0s".to_owned(),
        s if s < 120 => format!("{s}s"),
        s if s < 2 * 3600 => format!("{}m", s / 60),
        s if s < 2 * 86_400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// Seconds since the epoch, by the clock.
pub fn clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Milliseconds since the epoch, by the clock.
pub fn clock_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_ages() {
        assert_eq!(rfc1123(1_795_347_600), "Sun, 22 Nov 2026 11:40:00 UTC");
        assert_eq!((age(119), age(120), age(7200), age(-5)), ("119s".into(), "2m".into(), "2h".into(), "0s".into()));
    }
}
