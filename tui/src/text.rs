//! Text from outside, made fit for cells of a terminal.

use unicode_width::UnicodeWidthChar;

/// Columns that a text takes once it is [`clean`].
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    if is_unsafe(c) { 1 } else { c.width().unwrap_or(1) }
}

/// Control characters, those that change the direction of writing, and those without width: none may reach a terminal.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with everything that could steer a terminal replaced by `·`; line ends and tabs become blanks.
pub fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return text.into();
    }
    let safe = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_unsafe(c) => '·',
        c => c,
    };
    text.chars().map(safe).collect::<String>().into()
}

/// Clean text in at most so many columns: the middle is left out, as names differ at their ends.
pub fn shorten(text: &str, columns: usize) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    if columns < 3 {
        return take(text.chars(), columns).into_iter().collect();
    }
    // More of the end: versions stand there.
    let front = (columns - 1) / 2;
    let head: String = take(text.chars(), front).into_iter().collect();
    let tail: String = take(text.chars().rev(), columns - 1 - front).into_iter().rev().collect();
    format!("{head}…{tail}")
}

/// Clean text in at most so many columns: the end is left out.
pub fn cut(text: &str, columns: usize) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let head: String = take(text.chars(), columns - 1).into_iter().collect();
    format!("{head}…")
}

/// The text without its first columns.
pub fn after(text: &str, columns: usize) -> String {
    let skipped = take(text.chars(), columns).len();
    // Of a character of two columns that is cut through nothing is left.
    let is_whole = width(&text.chars().take(skipped).collect::<String>()) == columns;
    text.chars().skip(skipped + usize::from(!is_whole)).collect()
}

fn take(chars: impl Iterator<Item = char>, columns: usize) -> Vec<char> {
    let mut left = columns;
    let mut out = Vec::new();
    for c in chars {
        let w = char_width(c);
        if w > left {
            break;
        }
        left -= w;
        out.push(c);
    }
    out
}

/// `11:48:00Z` of seconds since the epoch; with its date where `now` is of another day.
pub fn moment(seconds: i64, now: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let time = format!("{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60);
    if days == now.div_euclid(86_400) {
        return time;
    }
    // Days to civil date after Howard Hinnant's public algorithm.
    let z = days + 719_468;
    let day_of_era = z.rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{day:02} {time}", year + z.div_euclid(146_097) * 400 + i64::from(month <= 2))
}

/// Seconds since the epoch of `11:40`, `11:40:00` on the day of `now`, or of `2026-11-22T11:40:00Z`.
pub fn instant(text: &str, now: i64) -> Option<i64> {
    if let Some(at) = mesh_model::time::parse_rfc3339(text) {
        return Some(at);
    }
    let parts: Vec<i64> = text.trim_end_matches('Z').split(':').map(|p| p.parse().ok().filter(|n| (0..60).contains(n))).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts.as_slice() {
        [h, m] => (*h, *m, 0),
        [h, m, s] => (*h, *m, *s),
        _ => return None,
    };
    (hours < 24).then(|| now.div_euclid(86_400) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// Lines of at most so many columns, broken at blanks where there are any.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut out = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        for word in clean(line).split(' ') {
            let mut word = word.to_owned();
            if !current.is_empty() && width(&current) + 1 + width(&word) > columns {
                out.push(std::mem::take(&mut current));
            }
            while width(&word) > columns {
                let head: String = take(word.chars(), columns).into_iter().collect();
                if head.is_empty() {
                    break;
                }
                word = word[head.len()..].to_owned();
                out.push(head);
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(&word);
        }
        out.push(current);
    }
    out
}

/// Kinds by the short names that Kubernetes and Istio's definitions give them.
const SHORT_KINDS: [(&str, &str); 19] = [
    ("AuthorizationPolicy", "ap"),
    ("ConfigMap", "cm"),
    ("DaemonSet", "ds"),
    ("Deployment", "deploy"),
    ("DestinationRule", "dr"),
    ("Gateway", "gw"),
    ("Namespace", "ns"),
    ("PeerAuthentication", "pa"),
    ("Pod", "po"),
    ("ReplicaSet", "rs"),
    ("RequestAuthentication", "ra"),
    ("Service", "svc"),
    ("ServiceEntry", "se"),
    ("StatefulSet", "sts"),
    ("VirtualService", "vs"),
    ("WorkloadEntry", "we"),
    ("WorkloadGroup", "wg"),
    // As `:wl` and `:svc` have them.
    ("service", "svc"),
    ("workload", "wl"),
];

/// `dr shop/cart` of `DestinationRule shop/cart`; `None` of what begins with no kind that has a short name.
pub fn abbreviated(object: &str) -> Option<String> {
    let (kind, rest) = object.split_once(' ')?;
    let (_, short) = SHORT_KINDS.iter().find(|(long, _)| *long == kind)?;
    Some(format!("{short} {rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_objects_have_short_names() {
        assert_eq!(abbreviated("DestinationRule shop/cart").as_deref(), Some("dr shop/cart"));
        assert_eq!(abbreviated("workload shop/cart-v1").as_deref(), Some("wl shop/cart-v1"));
        assert_eq!(["Nothing shop/cart", "Service", "a workload"].map(abbreviated), [None, None, None]);
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(clean("a\u{1b}[31mb\u{7}\u{9b}c\u{202e}d\r\n"), "a·[31mb··c·d  ");
        assert_eq!(clean("plain"), "plain");
    }

    #[test]
    fn moments_have_a_date_where_it_is_another_day() {
        assert_eq!(moment(1_795_348_800, 1_795_350_000), "12:00:00Z");
        assert_eq!(moment(1_795_348_799, 1_795_435_200), "2026-11-22 11:59:59Z");
    }

    #[test]
    fn instants_are_of_the_shown_day_unless_they_have_one() {
        let noon = 1_795_348_800;
        for (text, want) in [("11:48", Some(noon - 720)), ("11:48:30Z", Some(noon - 690)), ("2026-11-22T12:00:00Z", Some(noon)), ("25:00", None), ("x", None)] {
            assert_eq!(instant(text, noon + 3600), want, "{text}");
        }
    }

    #[test]
    fn names_lose_their_middle() {
        assert_eq!(shorten("product-catalog-v2", 12), "produ…log-v2");
        assert_eq!(shorten("short", 12), "short");
        assert_eq!(shorten("日本語テキスト", 6), "日…ト");
        assert_eq!(cut("abcdef", 4), "abc…");
    }

    #[test]
    fn long_words_are_broken_and_blanks_first() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    }
}
