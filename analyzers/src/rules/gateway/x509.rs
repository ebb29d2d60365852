//! As much of X.509 as tells whether a certificate can be read, and when it is valid.

/// Seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

/// Decodes standard base64, blanks and line ends allowed.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0u32, 0u32);
    for b in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = (bits << 6) | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 0 | 2) => out.push((bits >> 4) as u8),
        (3, 0 | 1) => out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => return None,
    }
    Some(out)
}

/// The bytes of the first PEM block, whatever its label.
pub fn first_pem_block(data: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(data).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    // Headers such as `Proc-Type:` come before an empty line.
    let body = if body.contains(':') { body.split_once("\n\n").map_or(body, |(_, b)| b) } else { body };
    base64(body)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const VERSION: u8 = 0xa0;

/// One DER element off the front: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(count)?;
        (bytes.iter().fold(0usize, |n, b| (n << 8) | usize::from(*b)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(t, ..)| *t == tag).map(|(_, content, rest)| (content, rest))
}

/// When the certificates in `der` are all valid; `None` where one can not be read.
pub fn validity(der: &[u8]) -> Option<Validity> {
    let mut all: Option<Validity> = None;
    let mut rest = der;
    while !rest.is_empty() {
        let (certificate, after) = expect(rest, SEQUENCE)?;
        let one = validity_of(certificate)?;
        all = Some(match all {
            None => one,
            Some(v) => Validity { not_before: v.not_before.max(one.not_before), not_after: v.not_after.min(one.not_after) },
        });
        rest = after;
    }
    all
}

fn validity_of(certificate: &[u8]) -> Option<Validity> {
    let (to_be_signed, rest) = expect(certificate, SEQUENCE)?;
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (_, rest) = expect(rest, BIT_STRING)?;
    if !rest.is_empty() {
        return None;
    }
    let rest = match expect(to_be_signed, VERSION) {
        Some((_, rest)) => rest,
        None => to_be_signed,
    };
    let (_, rest) = expect(rest, INTEGER)?; // serial number
    let (_, rest) = expect(rest, SEQUENCE)?; // signature algorithm
    let (_, rest) = expect(rest, SEQUENCE)?; // issuer
    let (validity, rest) = expect(rest, SEQUENCE)?;
    let (_, rest) = expect(rest, SEQUENCE)?; // subject
    expect(rest, SEQUENCE)?; // public key
    let (tag, content, rest) = element(validity)?;
    let not_before = time(tag, content)?;
    let (tag, content, _) = element(rest)?;
    Some(Validity { not_before, not_after: time(tag, content)? })
}

/// UTCTime (`YYMMDDhhmmssZ`) or GeneralizedTime (`YYYYMMDDhhmmssZ`).
fn time(tag: u8, content: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        0x17 => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year >= 50 { 1900 + year } else { 2000 + year }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    if rest.len() != 10 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |i: usize| rest.get(i..i + 2).and_then(|t| t.parse::<i64>().ok());
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `2026-11-22`.
pub fn date(seconds: i64) -> String {
    let z = seconds.div_euclid(86400) + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", of_year - (153 * m + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut out = vec![tag, content.len() as u8];
        out.extend(content);
        out
    }

    fn certificate() -> Vec<u8> {
        let empty = der(SEQUENCE, &[]);
        let validity = der(SEQUENCE, &[&der(0x17, &[b"250102030405Z"]), &der(0x18, &[b"20551231235959Z"])]);
        let tbs = der(SEQUENCE, &[&der(VERSION, &[&der(INTEGER, &[&[2]])]), &der(INTEGER, &[&[1]]), &empty, &empty, &validity, &empty, &empty]);
        der(SEQUENCE, &[&tbs, &empty, &der(BIT_STRING, &[&[0]])])
    }

    #[test]
    fn validity_is_read_and_every_cut_is_refused() {
        let whole = certificate();
        let v = validity(&whole).expect("valid");
        assert_eq!((date(v.not_before), date(v.not_after)), ("2025-01-02".to_owned(), "2055-12-31".to_owned()));
        assert_eq!(v.not_before, 1_735_787_045);
        for cut in 0..whole.len() {
            assert_eq!(validity(&whole[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn base64_and_pem() {
        assert_eq!(base64("aGV sbG8=\n").as_deref(), Some(&b"hello"[..]));
        assert_eq!((base64("a"), base64("a*b="), base64("aGVsbG8=x")), (None, None, None));
        let pem = "x\n-----BEGIN CERTIFICATE-----\naGVs\nbG8=\n-----END CERTIFICATE-----\n";
        assert_eq!(first_pem_block(pem.as_bytes()).as_deref(), Some(&b"hello"[..]));
        assert_eq!(first_pem_block(b"-----BEGIN X-----\naGVs"), None);
    }
}
