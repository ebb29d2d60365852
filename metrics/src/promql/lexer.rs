//! The words of a query.

use super::{Error, Span};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword; a colon may be in it.
    Word(String),
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    String(String),
    /// Operators, brackets, commas.
    Sign(&'static str),
    End,
}

/// Longer ones first, so that `<=` is not `<`.
const SIGNS: &[&str] = &["==", "!=", "<=", ">=", "=~", "!~", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",", ":", "@"];

/// Units of durations, in milliseconds, in the order in which they may stand.
const UNITS: &[(&str, i64)] = &[("y", 365 * 86_400_000), ("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

pub(super) fn lex(query: &str) -> Result<Vec<(Token, Span)>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = query[at..].chars().next() {
        let rest = &query[at..];
        let start = at;
        let token = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => {
                let (text, width) = string(rest, first).map_err(|(offset, message)| Error::at(Span::new(start, start + offset), message))?;
                at += width;
                Token::String(text)
            }
            '0'..='9' => {
                let (token, width) = number_or_duration(rest).map_err(|(width, message)| Error::at(Span::new(start, start + width), message))?;
                at += width;
                token
            }
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let (token, width) = number_or_duration(rest).map_err(|(width, message)| Error::at(Span::new(start, start + width), message))?;
                at += width;
                token
            }
            c if c.is_ascii_alphabetic() || c == '_' || (c == ':' && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')) => {
                let width = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
                at += width;
                Token::Word(rest[..width].to_owned())
            }
            c => {
                let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) else {
                    return Err(Error::at(Span::new(start, start + c.len_utf8()), format!("`{}` means nothing here", c.escape_default())));
                };
                at += sign.len();
                Token::Sign(sign)
            }
        };
        tokens.push((token, Span::new(start, at)));
    }
    tokens.push((Token::End, Span::new(query.len(), query.len())));
    Ok(tokens)
}

/// The width of the word that starts here and what is wrong with it, or the token and its width.
fn number_or_duration(rest: &str) -> Result<(Token, usize), (usize, String)> {
    let mut width = 0;
    let bytes = rest.as_bytes();
    while let Some(b) = bytes.get(width) {
        let exponent_sign = matches!(b, b'+' | b'-') && matches!(bytes.get(width.wrapping_sub(1)), Some(b'e' | b'E')) && !rest.starts_with("0x");
        if !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_') || exponent_sign) {
            break;
        }
        width += 1;
    }
    let word = &rest[..width];
    if let Some(number) = number(word) {
        return Ok((Token::Number(number), width));
    }
    match duration(word) {
        Some(milliseconds) => Ok((Token::Duration(milliseconds), width)),
        None => Err((width, format!("`{word}` is neither a number nor a duration such as `5m` or `1h30m`"))),
    }
}

/// Numbers as Go writes them: decimal, hexadecimal and octal integers, fractions, exponents.
pub(super) fn number(word: &str) -> Option<f64> {
    let lower = word.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|n| n as f64);
    }
    if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) {
        return u64::from_str_radix(&lower, 8).ok().map(|n| n as f64);
    }
    match lower.as_str() {
        "inf" | "+inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ if lower.contains(|c: char| c.is_ascii_alphabetic() && c != 'e') => None,
        _ => lower.parse().ok(),
    }
}

/// `1h30m`: whole numbers with units, larger units first, each once. Milliseconds.
pub(super) fn duration(word: &str) -> Option<i64> {
    let mut rest = word;
    let mut total: i64 = 0;
    let mut next_unit = 0;
    if word.is_empty() {
        return None;
    }
    if word == "0" {
        return Some(0);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|n| *n > 0)?;
        let count: i64 = rest[..digits].parse().ok()?;
        let letters = rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - digits);
        let unit = &rest[digits..digits + letters];
        let index = UNITS.iter().position(|(name, _)| *name == unit).filter(|i| *i >= next_unit)?;
        next_unit = index + 1;
        total = total.checked_add(count.checked_mul(UNITS[index].1)?)?;
        rest = &rest[digits + letters..];
    }
    Some(total)
}

/// The text of a quoted string and its width with quotes; or the width up to where it goes wrong, and how.
fn string(rest: &str, quote: char) -> Result<(String, usize), (usize, String)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((out, at + 1)),
            '\\' if quote != '`' => {
                let Some((_, escape)) = chars.next() else { break };
                let mut code = |digits: usize, radix: u32, first: Option<char>| {
                    let mut text: String = first.into_iter().collect();
                    text.extend(chars.by_ref().take(digits).map(|(_, c)| c));
                    u32::from_str_radix(&text, radix).ok().and_then(char::from_u32)
                };
                let decoded = match escape {
                    'a' => Some('\u{7}'),
                    'b' => Some('\u{8}'),
                    'f' => Some('\u{c}'),
                    'n' => Some('\n'),
                    'r' => Some('\r'),
                    't' => Some('\t'),
                    'v' => Some('\u{b}'),
                    '\\' => Some('\\'),
                    'x' => code(2, 16, None),
                    'u' => code(4, 16, None),
                    'U' => code(8, 16, None),
                    '0'..='7' => code(2, 8, Some(escape)),
                    c if c == quote => Some(c),
                    _ => None,
                };
                match decoded {
                    Some(c) => out.push(c),
                    None => return Err((at + 2, format!("`\\{}` is no escape; a backslash is written `\\\\`", escape.escape_default()))),
                }
            }
            '\n' if quote != '`' => return Err((at, "the string does not end on its line".to_owned())),
            c => out.push(c),
        }
    }
    Err((rest.len(), "the string's closing quote is missing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_numbers() {
        for (word, want) in [("5m", 300_000), ("1h30m", 5_400_000), ("1d", 86_400_000), ("100ms", 100), ("1y2w3d4h5m6s7ms", 33_019_506_007)] {
            assert_eq!(duration(word), Some(want), "{word}");
        }
        for word in ["", "5", "m", "1m1h", "1m1m", "1.5h", "5mm", "99999999999999999999s"] {
            assert_eq!(duration(word), None, "{word}");
        }
        for (word, want) in [("0x1F", 31.0), ("1e3", 1000.0), ("1e-1", 0.1), (".5", 0.5), ("1.", 1.0), ("010", 8.0)] {
            assert_eq!(number(word), Some(want), "{word}");
        }
    }
}
