//! A line that may be shown: without query values, credentials and tokens.

use super::Reader;
use super::format::Format;
use super::operator::Operator;
use crate::redact::{is_secret_header, placeholder, text};
use serde_json::Value;
use std::fmt::Write as _;

/// Longer lines are cut.
const LONGEST: usize = 1200;

impl Reader {
    /// The line as it may be shown; control characters are left to whoever shows it.
    pub fn sample(&self, line: &str) -> String {
        let line = line.trim();
        let mut out = match self.formats.iter().find_map(|f| f.split(line)) {
            Some(parts) => parts.into_iter().map(|(part, operator)| operator.map_or_else(|| part.to_owned(), |o| value(part, o))).collect(),
            None => match serde_json::from_str::<Value>(line) {
                Ok(v) if line.starts_with('{') => json(v, "").to_string(),
                _ => words(line),
            },
        };
        if out.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|i| out.is_char_boundary(*i)).unwrap_or(0);
            let cut = out.len() - end;
            out.truncate(end);
            let _ = write!(out, "… ({cut} more bytes)");
        }
        out
    }
}

impl Format {
    /// The line in the parts of the format, each value with its operator.
    fn split<'l>(&self, line: &'l str) -> Option<Vec<(&'l str, Option<&Operator>)>> {
        let Format::Text(pieces) = self else { return None };
        Some(pieces.iter().zip(self.places(line)?).map(|(piece, (start, end))| (&line[start..end], piece.operator())).collect())
    }
}

/// A value of an operator: those of secret headers are replaced whole.
fn value(text: &str, operator: &Operator) -> String {
    let names = operator.argument.as_deref().unwrap_or("").split('?');
    let secret = matches!(operator.name.as_str(), "REQ" | "RESP" | "TRAILER" | "REQ_WITHOUT_QUERY" | "COOKIE")
        && (operator.name == "COOKIE" || names.into_iter().any(is_secret_header));
    if secret && !text.is_empty() && text != "-" { placeholder(text.as_bytes()) } else { words(text) }
}

fn json(value: Value, key: &str) -> Value {
    match value {
        Value::String(s) if is_secret_header(key) && !s.is_empty() && s != "-" => placeholder(s.as_bytes()).into(),
        Value::String(s) => words(&s).into(),
        Value::Array(list) => list.into_iter().map(|v| json(v, key)).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k.clone(), json(v, &k))).collect::<serde_json::Map<_, _>>().into(),
        other => other,
    }
}

/// Text without what is secret in it: tokens, user information, query values, what follows `Bearer` and `Basic`.
fn words(line: &str) -> String {
    if line.contains("PRIVATE KEY-----") {
        return placeholder(line.as_bytes());
    }
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '\\');
    let mut out = String::with_capacity(line.len());
    let mut credential_follows = false;
    for piece in line.split_inclusive(is_end) {
        let word = piece.trim_end_matches(is_end);
        if credential_follows && !word.is_empty() {
            out.push_str(&placeholder(word.as_bytes()));
        } else {
            out.push_str(&query(&text(word)));
        }
        out.push_str(&piece[word.len()..]);
        let scheme = word.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        credential_follows = word.is_empty() && credential_follows || ["bearer", "basic"].iter().any(|w| scheme.eq_ignore_ascii_case(w));
    }
    out
}

/// `/a?b=secret` without its values. Names stay: they tell requests apart.
fn query(word: &str) -> String {
    let Some((path, query)) = word.split_once('?').filter(|(path, query)| path.contains('/') && !query.is_empty()) else { return word.to_owned() };
    let (query, fragment) = query.split_once('#').map_or((query, ""), |(q, f)| (q, f));
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((_, v)) if v.is_empty() || v.starts_with("[redacted:") => pair.to_owned(),
            Some((name, v)) => format!("{name}={}", placeholder(v.as_bytes())),
            None if pair.is_empty() || pair.starts_with("[redacted:") => pair.to_owned(),
            None => placeholder(pair.as_bytes()),
        })
        .collect();
    let fragment = if fragment.is_empty() { String::new() } else { format!("#{}", placeholder(fragment.as_bytes())) };
    format!("{path}?{}{fragment}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_what_explains_and_loses_what_is_secret() {
        let line = r#"[2026-11-22T11:53:47.671Z] "GET /a?token=hunter2&hunter3&x=#hunter4 HTTP/1.1" 404 NR route_not_found - "-" 0 0 0 - "10.77.0.1" "curl Bearer hunter5" "id" "h" "-" - - 127.0.0.1:8080 127.0.0.1:35276 - -"#;
        let out = Reader::default().sample(line);
        assert!(!out.contains("hunter") && out.contains("/a?token=[redacted: 7 bytes, sha256") && out.contains("404 NR route_not_found"), "{out}");
        let json =
            r#"{"response_code":404,"response_flags":"NR","path":"/a?q=hunter2","authorization":"hunter3","h":{"x-api-key":"hunter4"},"m":"Basic hunter5"}"#;
        let out = Reader::default().sample(json);
        assert!(!out.contains("hunter") && out.contains("\"response_flags\":\"NR\""), "{out}");
        let reader = Reader::of(Format::parse("%RESPONSE_CODE% \"%REQ(AUTHORIZATION)%\" %REQ(COOKIE)% %REQ(X-USER)%").expect("a format"));
        let out = reader.sample("200 \"Bearer hunter2\" a=hunter3 bob");
        assert!(!out.contains("hunter") && out.starts_with("200 \"[redacted:") && out.ends_with(" bob"), "{out}");
        let out = Reader::default().sample(&format!("{line} https://u:hunter9@h/p?a=hunter8"));
        assert!(!out.contains("hunter"), "{out}");
        assert!(Reader::default().sample(&"x ".repeat(4000)).len() < 1300);
    }
}
