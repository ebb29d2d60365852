//! Format strings, compiled: what access logs and header values are made of (`%RESPONSE_CODE%`, `%REQ(:AUTHORITY)%`).
//!
//! Parsing is `mesh_envoy::access_log`'s; here each operator becomes a variant once, so that a line is written into a buffer
//! without a look at a name.

pub mod digits;
mod moments;
mod operator;
pub mod texts;
pub mod time;

use crate::downstream::record::Record;
use crate::http::exchange::Exchange;
use http::HeaderName;
use mesh_envoy::access_log::{Format, Piece};
use operator::Op;
pub use time::TimeFormat;

/// What a line tells of: a request, or a connection.
pub trait Subject {
    fn record(&self) -> &Record;
    /// `None` for a connection.
    fn exchange(&self) -> Option<&Exchange>;
    /// Bytes from the client.
    fn received(&self) -> u64;
}

/// A text with operators in it.
#[derive(Clone, Debug, Default)]
pub struct Template {
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
enum Item {
    Text(Box<str>),
    Value { op: Op, max: Option<usize> },
}

/// What stands for an operator that has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    Dash,
    Nothing,
}

impl Template {
    /// # Errors
    /// What is wrong with the text, or an operator that is not known, in a clause.
    pub fn parse(text: &str) -> Result<Template, String> {
        // `Format::parse` wants an operator, and takes names of formats; a header's value may be any text.
        if !text.contains('%') {
            return Ok(Template { items: vec![Item::Text(text.into())] });
        }
        match Format::parse(text).map_err(|e| e.to_string())? {
            Format::Text(pieces) => {
                let mut template = Template::of(&pieces)?;
                // The parser takes a line end away: a log adds it.
                if text.ends_with('\n') || text.ends_with("\\n") {
                    template.items.push(Item::Text("\n".into()));
                }
                Ok(template)
            }
            Format::Json(_) => Err("an object where a text belongs".to_owned()),
        }
    }
    fn of(pieces: &[Piece]) -> Result<Template, String> {
        let mut items = Vec::with_capacity(pieces.len());
        for piece in pieces {
            items.push(match piece {
                Piece::Literal(text) => Item::Text(text.as_str().into()),
                Piece::Operator(o) => Item::Value { op: Op::compile(o)?, max: o.max_length },
            });
        }
        Ok(Template { items })
    }
    /// The headers of answers that it tells of.
    pub fn answer_headers(&self, names: &mut Vec<HeaderName>) {
        for item in &self.items {
            if let Item::Value { op: Op::Response(list), .. } = item {
                names.extend(list.iter().cloned());
            }
        }
    }
    /// Whether it tells of trailers of the answer.
    fn tells_trailers(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Value { op, .. } if op.tells_trailers()))
    }
    /// Its text where it has no operator.
    pub fn literal(&self) -> Option<&str> {
        match self.items.as_slice() {
            [] => Some(""),
            [Item::Text(t)] => Some(t),
            _ => None,
        }
    }
    /// Writes the text for one request or connection.
    pub fn write(&self, of: &impl Subject, absent: Absent, out: &mut String) {
        for item in &self.items {
            match item {
                Item::Text(t) => out.push_str(t),
                Item::Value { op, max } => {
                    let at = out.len();
                    if op.write(of, out) {
                        truncate(out, at, *max);
                    } else if absent == Absent::Dash {
                        out.push('-');
                    }
                }
            }
        }
    }
}

fn truncate(out: &mut String, at: usize, max: Option<usize>) {
    if let Some(max) = max
        && out.len() - at > max
    {
        let end = (at..=at + max).rev().find(|i| out.is_char_boundary(*i)).unwrap_or(at);
        out.truncate(end);
    }
}

/// What makes a line of an access log.
#[derive(Clone, Debug)]
pub enum Line {
    Text(Template),
    /// An object: keys in order, each a template or an object.
    Json(Keys),
}

/// Keys in their order, each with what it stands for.
pub type Keys = Vec<(Box<str>, Node)>;

#[derive(Clone, Debug)]
pub enum Node {
    Value(Template),
    Object(Keys),
}

impl Line {
    /// Envoy's default format.
    pub fn envoy() -> Line {
        let Format::Text(pieces) = Format::envoy() else { return Line::Text(Template::default()) };
        let mut template = Template::of(&pieces).unwrap_or_default();
        template.items.push(Item::Text("\n".into()));
        Line::Text(template)
    }
    /// A JSON format. Keys are written in their order by name, as Envoy does.
    ///
    /// # Errors
    /// The path of a value, and what is wrong with it.
    pub fn json(value: &serde_json::Value) -> Result<Line, (String, String)> {
        Ok(Line::Json(object(value, "")?))
    }
    /// The headers of answers that it tells of.
    pub fn answer_headers(&self, names: &mut Vec<HeaderName>) {
        match self {
            Line::Text(template) => template.answer_headers(names),
            Line::Json(keys) => answer_headers(keys, names),
        }
    }
    /// Whether it tells of trailers of the answer.
    pub fn tells_trailers(&self) -> bool {
        match self {
            Line::Text(template) => template.tells_trailers(),
            Line::Json(keys) => any(keys, &Template::tells_trailers),
        }
    }
    /// Appends the line, with its end.
    pub fn write(&self, of: &impl Subject, out: &mut String) {
        match self {
            Line::Text(template) => template.write(of, Absent::Dash, out),
            Line::Json(keys) => {
                write_object(keys, of, out);
                out.push('\n');
            }
        }
    }
}

fn any(keys: &[(Box<str>, Node)], holds: &impl Fn(&Template) -> bool) -> bool {
    keys.iter().any(|(_, node)| match node {
        Node::Value(template) => holds(template),
        Node::Object(inner) => any(inner, holds),
    })
}

fn answer_headers(keys: &[(Box<str>, Node)], names: &mut Vec<HeaderName>) {
    for (_, node) in keys {
        match node {
            Node::Value(template) => template.answer_headers(names),
            Node::Object(inner) => answer_headers(inner, names),
        }
    }
}

fn object(value: &serde_json::Value, path: &str) -> Result<Keys, (String, String)> {
    let wrong = |what: &str| (path.trim_start_matches('.').to_owned(), what.to_owned());
    let serde_json::Value::Object(fields) = value else { return Err(wrong("an object of formats belongs here")) };
    let mut out: Keys = Vec::new();
    for (key, value) in fields {
        let path = format!("{path}.{key}");
        let node = match value {
            serde_json::Value::String(text) => Node::Value(Template::parse(text).map_err(|what| (path.trim_start_matches('.').to_owned(), what))?),
            serde_json::Value::Object(_) => Node::Object(object(value, &path)?),
            other => Node::Value(Template { items: vec![Item::Text(other.to_string().into())] }),
        };
        out.push((key.as_str().into(), node));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

fn write_object(keys: &[(Box<str>, Node)], of: &impl Subject, out: &mut String) {
    out.push('{');
    for (i, (key, node)) in keys.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        quote(key, out);
        out.push(':');
        match node {
            Node::Object(inner) => write_object(inner, of, out),
            Node::Value(template) => write_value(template, of, out),
        }
    }
    out.push('}');
}

/// A value of one operator keeps its type: a number is one, and an absent one is null.
fn write_value(template: &Template, of: &impl Subject, out: &mut String) {
    let mut text = String::new();
    if let [Item::Value { op, max }] = template.items.as_slice() {
        if let Some(value) = op.value(of).filter(|_| max.is_none()) {
            out.push_str(&value.to_string());
            return;
        }
        if !op.write(of, &mut text) {
            out.push_str("null");
            return;
        }
        truncate(&mut text, 0, *max);
        if op.is_number() {
            out.push_str(&text);
            return;
        }
    } else {
        template.write(of, Absent::Dash, &mut text);
    }
    quote(&text, out);
}

/// A JSON string. Control characters are escaped, so that a line stays a line.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_said_at_compile_time() {
        assert!(Template::parse("%REQ(:PATH)% %RESPONSE_CODE%\n").is_ok());
        assert_eq!(Template::parse("plain").expect("a text").literal(), Some("plain"));
        assert!(Template::parse("%NO_SUCH_THING%").is_err_and(|e| e.contains("NO_SUCH_THING")));
        assert!(Template::parse("%").is_err());
        let nested = serde_json::json!({"a": {"b": "%NOPE%"}});
        assert!(matches!(Line::json(&nested), Err((path, _)) if path == "a.b"));
    }

    #[test]
    fn quotes_keep_a_line_a_line() {
        let mut out = String::new();
        quote("a\"\\\n\u{1}é", &mut out);
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001é\"");
    }
}
