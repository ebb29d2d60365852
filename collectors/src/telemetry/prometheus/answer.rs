//! The JSON of the query API: <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use super::error::QueryError;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, rename = "errorType", default)]
    error_type: Cow<'a, str>,
    #[serde(borrow, default)]
    error: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    result_type: Cow<'a, str>,
    #[serde(borrow)]
    result: &'a RawValue,
}

/// One element of an instant vector.
pub struct Element<'a> {
    /// Sorted by the server, or not.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub value: f64,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    metric: Labels<'a>,
    #[serde(borrow)]
    value: (f64, Cow<'a, str>),
}

struct Labels<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Labels<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(24);
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Labels(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Elements one by one, so that the whole vector is never there twice.
struct Each<F>(F);

impl<'de, F: FnMut(Element<'de>)> Visitor<'de> for Each<F> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an instant vector")
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(Raw { metric, value: (_, text) }) = seq.next_element::<Raw<'de>>()? {
            // Rust reads "NaN", "+Inf" and "1e+10" as Go writes them.
            let value: f64 = text.parse().map_err(|_| A::Error::custom(format!("the value `{text}` is no number")))?;
            (self.0)(Element { labels: metric.0, value });
        }
        Ok(())
    }
}

fn foreign(error: &serde_json::Error) -> QueryError {
    if error.is_eof() { QueryError::CutOff } else { QueryError::Foreign { why: error.to_string() } }
}

/// Type and message of an error, where the body is one.
pub(super) fn refusal(body: &[u8]) -> Option<(String, String)> {
    // A success is not read twice: it says so at its beginning.
    if body.starts_with(b"{\"status\":\"success\"") {
        return None;
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    (envelope.status == "error").then(|| (envelope.error_type.into_owned(), envelope.error.into_owned()))
}

/// Hands over the elements of an instant vector; the server's warnings.
pub fn vector<'a>(body: &'a [u8], each: impl FnMut(Element<'a>)) -> Result<Vec<String>, QueryError> {
    let text = std::str::from_utf8(body).map_err(|_| QueryError::Foreign { why: "it is no text".to_owned() })?;
    let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|e| foreign(&e))?;
    let data = envelope.data.ok_or_else(|| QueryError::Foreign { why: "there is no `data`".to_owned() })?;
    let data: Data<'a> = serde_json::from_str(data.get()).map_err(|e| foreign(&e))?;
    if data.result_type != "vector" {
        return Err(QueryError::Foreign { why: format!("a {} instead of a vector", data.result_type) });
    }
    serde_json::Deserializer::from_str(data.result.get()).deserialize_seq(Each(each)).map_err(|e| foreign(&e))?;
    Ok(envelope.warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_errors_and_what_is_no_answer() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"x\"y"},"value":[1.5,"NaN"]},{"metric":{},"value":[1,"+Inf"]}]},"warnings":["w"]}"#;
        let mut seen = Vec::new();
        let warnings = vector(body, |e| seen.push((e.labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>(), e.value.to_string())));
        assert_eq!(warnings, Ok(vec!["w".to_owned()]));
        assert_eq!(seen, [(vec!["a=x\"y".to_owned()], "NaN".to_owned()), (vec![], "inf".to_owned())]);
        assert_eq!(vector(&body[..60], |_| {}), Err(QueryError::CutOff));
        assert_eq!(refusal(br#"{"status":"error","errorType":"timeout","error":"slow"}"#), Some(("timeout".to_owned(), "slow".to_owned())));
        for wrong in [&b"[]"[..], b"{\"status\":\"success\"}", br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#] {
            assert!(matches!(vector(wrong, |_| {}), Err(QueryError::Foreign { .. })), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
