//! Format strings.

use super::json::JsonKeys;
use super::operator::Operator;
use std::fmt;

/// A format of text, or of JSON whose values are formats of text.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    Text(Vec<Piece>),
    /// Keys by their path (`a.b`), in order.
    Json(Vec<(String, Vec<Piece>)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    Operator(Operator),
}

impl Piece {
    pub fn operator(&self) -> Option<&Operator> {
        if let Piece::Operator(o) = self { Some(o) } else { None }
    }
}

/// What is wrong with a format string, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    pub message: String,
    /// Byte offset in the format.
    pub offset: usize,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.message)
    }
}
impl std::error::Error for FormatError {}

/// Envoy's default (docs/root/configuration/observability/access_log/usage).
const ENVOY: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#;
/// Istio's default, as istiod sends it.
const ISTIO: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"#;

/// More than any real format has.
const MOST_PIECES: usize = 1024;

impl Format {
    /// Envoy's default text format.
    pub fn envoy() -> Format {
        Format::Text(pieces(ENVOY, 0).unwrap_or_default())
    }
    /// Istio's default text format.
    pub fn istio() -> Format {
        Format::Text(pieces(ISTIO, 0).unwrap_or_default())
    }
    /// Reads a format as meshConfig and Envoy have it: text, or a JSON object of formats. `\n` at the end may be
    /// written as such; the names `envoy` and `istio` stand for the defaults.
    pub fn parse(text: &str) -> Result<Format, FormatError> {
        match text.trim() {
            "envoy" => return Ok(Format::envoy()),
            "istio" => return Ok(Format::istio()),
            json if json.starts_with('{') => {
                let value = serde_json::from_str(json).map_err(|e| FormatError { message: format!("no JSON: {e}"), offset: 0 })?;
                let mut keys = Vec::new();
                super::json::flatten(&value, "", &mut keys)?;
                return Ok(Format::Json(keys));
            }
            _ => {}
        }
        let text = text.trim_end_matches(['\n', '\r']);
        let pieces = pieces(text.strip_suffix("\\n").unwrap_or(text), 0)?;
        if !pieces.iter().any(|p| matches!(p, Piece::Operator(_))) {
            return Err(FormatError { message: "there is no operator in it, such as %RESPONSE_CODE%".to_owned(), offset: 0 });
        }
        Ok(Format::Text(pieces))
    }
    /// For a JSON format: which key has which field.
    pub(super) fn json_keys(&self) -> Option<JsonKeys> {
        match self {
            Format::Text(_) => None,
            Format::Json(keys) => Some(JsonKeys::of(keys)),
        }
    }
    /// The line that a request makes, without its line end. `value` gives what an operator stands for, already in the
    /// form that Envoy prints; `None` becomes `-` in text and null in JSON.
    pub fn render(&self, value: &dyn Fn(&Operator) -> Option<String>) -> String {
        match self {
            Format::Text(pieces) => text(pieces, value),
            Format::Json(keys) => {
                let mut out = serde_json::Map::new();
                for (key, pieces) in keys {
                    let v = match pieces.as_slice() {
                        [Piece::Operator(o)] => value(o).map_or(serde_json::Value::Null, |v| cut(v, o).into()),
                        _ => text(pieces, value).into(),
                    };
                    super::json::put(&mut out, key, v);
                }
                serde_json::Value::Object(out).to_string()
            }
        }
    }
}

fn text(pieces: &[Piece], value: &dyn Fn(&Operator) -> Option<String>) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(l) => out.push_str(l),
            Piece::Operator(o) => out.push_str(&value(o).map_or_else(|| "-".to_owned(), |v| cut(v, o))),
        }
    }
    out
}

fn cut(mut value: String, operator: &Operator) -> String {
    if let Some(n) = operator.max_length {
        let end = (0..=n.min(value.len())).rev().find(|i| value.is_char_boundary(*i)).unwrap_or(0);
        value.truncate(end);
    }
    value
}

/// The pieces of a text format that stands at `base` in a larger text. Neighbouring literals are one.
pub(super) fn pieces(format: &str, base: usize) -> Result<Vec<Piece>, FormatError> {
    let mut out: Vec<Piece> = Vec::new();
    let mut rest = format;
    let literal = |text: &str, out: &mut Vec<Piece>| match out.last_mut() {
        Some(Piece::Literal(l)) => l.push_str(text),
        _ if text.is_empty() => {}
        _ => out.push(Piece::Literal(text.to_owned())),
    };
    while let Some(at) = rest.find('%') {
        literal(&rest[..at], &mut out);
        let behind = &rest[at + 1..];
        if let Some(after) = behind.strip_prefix('%') {
            literal("%", &mut out);
            rest = after;
            continue;
        }
        let offset = base + format.len() - behind.len() - 1;
        let Some((operator, after)) = Operator::parse(behind) else {
            return Err(FormatError {
                message: "`%` begins no operator of the form %NAME%, %NAME(ARGUMENT)% or %NAME(ARGUMENT):LENGTH%; a plain % is %%".to_owned(),
                offset,
            });
        };
        out.push(Piece::Operator(operator));
        rest = after;
        if out.len() > MOST_PIECES {
            return Err(FormatError { message: format!("more than {MOST_PIECES} operators and texts"), offset });
        }
    }
    literal(rest, &mut out);
    Ok(out)
}
