//! Scalars as Kubernetes reads them: YAML 1.1, through sigs.k8s.io/yaml.

/// The value of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'a str),
}

/// Resolves a plain (unquoted) scalar. `yes`, `on` and `y` are booleans, `0755` and `0o755` are 493, `1_000` is
/// 1000, `1:30` and dates are strings.
pub fn resolve_plain(text: &str) -> Scalar<'_> {
    let Some(&first) = text.as_bytes().first() else { return Scalar::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => resolve_number(text),
        b'~' if text.len() == 1 => Scalar::Null,
        b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' if text.len() <= 5 => resolve_word(text),
        _ => Scalar::Str(text),
    }
}

/// The string that a plain scalar becomes as a key, where that is not its own text: `y:` is `"true"`, `010:` is `"8"`.
pub(super) fn canonical_key(text: &str) -> Option<String> {
    let canonical = match resolve_plain(text) {
        Scalar::Str(_) => return None,
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(b) => b.to_string(),
        Scalar::Int(i) => i.to_string(),
        Scalar::Float(f) => f.to_string(),
    };
    (canonical != text).then_some(canonical)
}

fn resolve_word(text: &str) -> Scalar<'_> {
    match text {
        "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => Scalar::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => Scalar::Bool(false),
        _ => Scalar::Str(text),
    }
}

fn resolve_number(text: &str) -> Scalar<'_> {
    let (sign, digits) = match text.as_bytes()[0] {
        b'-' => (-1i128, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    match digits {
        ".inf" | ".Inf" | ".INF" => return Scalar::Float(if sign < 0 { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" | ".NaN" | ".NAN" if text.len() == 4 => return Scalar::Float(f64::NAN),
        _ => {}
    }
    if !digits.as_bytes().first().is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
        return Scalar::Str(text);
    }
    let plain;
    let clean: &str = if digits.contains('_') {
        plain = digits.replace('_', "");
        &plain
    } else {
        digits
    };
    // A second sign, as in `0x-5`, makes it a string; Rust would read it.
    let digits_of = |d: &str, base: u32| d.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| i128::from_str_radix(d, base).ok()).flatten();
    let radix = |prefix: &[&str], base: u32| prefix.iter().find_map(|p| clean.strip_prefix(p)).and_then(|d| digits_of(d, base));
    let int = if let Some(v) = radix(&["0x", "0X"], 16).or_else(|| radix(&["0b", "0B"], 2)).or_else(|| radix(&["0o", "0O"], 8)) {
        Some(v)
    } else if clean.len() > 1 && clean.starts_with('0') && clean.bytes().all(|b| b.is_ascii_digit()) {
        i128::from_str_radix(clean, 8).ok()
    } else if clean.bytes().all(|b| b.is_ascii_digit()) {
        clean.parse::<i128>().ok()
    } else {
        None
    };
    if let Some(v) = int.and_then(|v| i64::try_from(v * sign).ok()) {
        return Scalar::Int(v);
    }
    // Rust reads "1.", ".5" and "1e3" as Go does; it must not read "1.2.3", "infinity" or "1e".
    if clean.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && clean != "."
        && let Ok(v) = clean.parse::<f64>()
    {
        return Scalar::Float(v * sign as f64);
    }
    Scalar::Str(text)
}

#[cfg(test)]
mod tests {
    use super::{Scalar::*, *};

    #[test]
    fn plain_scalars_resolve_as_kubernetes_reads_them() {
        for (text, want) in [
            ("", Null),
            ("~", Null),
            ("null", Null),
            ("nULL", Str("nULL")),
            ("yes", Bool(true)),
            ("on", Bool(true)),
            ("y", Bool(true)),
            ("True", Bool(true)),
            ("NO", Bool(false)),
            ("off", Bool(false)),
            ("0755", Int(493)),
            ("0o755", Int(493)),
            ("1_000", Int(1000)),
            ("0x1F", Int(31)),
            ("-5", Int(-5)),
            ("0x-5", Str("0x-5")),
            ("0b+1", Str("0b+1")),
            ("0o-7", Str("0o-7")),
            ("-0x5", Int(-5)),
            ("+5", Int(5)),
            ("0", Int(0)),
            ("1:30", Str("1:30")),
            ("2024-01-01", Str("2024-01-01")),
            ("1.2.3", Str("1.2.3")),
            ("10s", Str("10s")),
            ("-", Str("-")),
            ("--", Str("--")),
            ("1.5", Float(1.5)),
            (".5", Float(0.5)),
            ("1e3", Float(1000.0)),
            ("089", Float(89.0)),
            ("..", Str("..")),
            (".", Str(".")),
            ("v1", Str("v1")),
            ("e5", Str("e5")),
            (".inf", Float(f64::INFINITY)),
            ("-.inf", Float(f64::NEG_INFINITY)),
            ("10.0.0.0/8", Str("10.0.0.0/8")),
        ] {
            assert_eq!(resolve_plain(text), want, "{text}");
        }
    }
}
