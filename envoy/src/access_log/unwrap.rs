//! What wraps a line on its way: kubectl's prefix and time stamps, CRI, docker's json-file, Fluent Bit and Fluentd,
//! ECS (Elastic's schema and Amazon's task logs), Loki (logcli and its API).

use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where a line comes from, as far as its wrapping says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// Takes lines out of what wraps them. It has a memory: container runtimes cut long lines, and the parts are joined.
#[derive(Clone, Debug, Default)]
pub struct Unwrapper {
    /// The beginnings of cut lines, by origin and stream.
    parts: BTreeMap<String, String>,
}

/// Whether a text may wrap another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// It looks wrapped; whoever can read it as it is says so, and it is not opened.
    Wrapped,
    Innermost,
}

/// Takes a text, and says whether it was understood.
type Each<'e> = &'e mut dyn FnMut(&str, &Origin, Layer) -> bool;

/// Wrappings in wrappings: kubectl's prefix, its time stamp, a shipper's JSON, a runtime's line.
const DEEPEST: usize = 5;
/// A line that is cut again and again is given up at this length.
const LONGEST: usize = 1 << 20;
/// So many cut lines are remembered at once.
const MOST_PARTS: usize = 256;

/// Keys that hold the line in JSON of shippers.
const LINE_KEYS: &[&str] = &["log", "message", "msg", "line", "event.original", "textPayload", "MESSAGE"];

impl Unwrapper {
    /// Calls `each` with the line and with what is inside it, from the outside in, until it is understood.
    pub fn lines(&mut self, line: &str, each: Each<'_>) {
        self.open(Cow::Borrowed(line), Origin::default(), DEEPEST, each);
    }

    fn open(&mut self, line: Cow<'_, str>, mut origin: Origin, depth: usize, each: Each<'_>) {
        let text = line.trim_end_matches(['\n', '\r']);
        if depth == 0 || !looks_wrapped(text) {
            each(text, &origin, Layer::Innermost);
            return;
        }
        if each(text, &origin, Layer::Wrapped) {
            return;
        }
        if let Some((pod, container, rest)) = kubectl_prefix(text) {
            (origin.pod, origin.container) = (pod.to_owned(), container.to_owned());
            return self.open(Cow::Borrowed(rest), origin, depth - 1, each);
        }
        if let Some(rest) = timestamp(text) {
            if let Some((stream, tag, rest)) = cri(rest) {
                let Some(whole) = self.join(&origin, stream, rest, tag == "P") else { return };
                return self.open(Cow::Owned(whole), origin, depth - 1, each);
            }
            let rest = logcli_labels(rest, &mut origin).unwrap_or(rest);
            return self.open(Cow::Borrowed(rest), origin, depth - 1, each);
        }
        if let Some(json) = fluent_bit_stdout(text) {
            return self.open(Cow::Owned(json), origin, depth - 1, each);
        }
        if text.starts_with('{') || text.starts_with("[{") {
            return self.json(text, origin, depth, each);
        }
        each(text, &origin, Layer::Innermost);
    }

    fn json(&mut self, text: &str, mut origin: Origin, depth: usize, each: Each<'_>) {
        let value: Value = match serde_json::from_str(text) {
            Ok(v) => v,
            Err(_) => {
                each(text, &origin, Layer::Innermost);
                return;
            }
        };
        let value = match &value {
            // Elasticsearch and OpenSearch answers, one hit a line.
            Value::Object(map) if map.contains_key("_source") => &value["_source"],
            _ => &value,
        };
        if let Some(streams) = value.pointer("/data/result").and_then(Value::as_array) {
            for stream in streams {
                labels(&stream["stream"], &mut origin);
                for pair in stream["values"].as_array().into_iter().flatten() {
                    if let Some(line) = pair.get(1).and_then(Value::as_str) {
                        self.open(Cow::Borrowed(line), origin.clone(), depth - 1, each);
                    }
                }
            }
            return;
        }
        if let Value::Array(list) = value {
            for item in list {
                self.open(Cow::Owned(item.to_string()), origin.clone(), depth - 1, each);
            }
            return;
        }
        labels(&value["labels"], &mut origin);
        labels(&value["kubernetes"], &mut origin);
        let of = |key: &str| match key.split_once('.') {
            Some((a, b)) => value.get(a)?.get(b).or_else(|| value.get(key)),
            None => value.get(key),
        };
        match LINE_KEYS.iter().find_map(|k| of(k)) {
            // docker cuts long lines: those without a line end go on.
            Some(Value::String(line)) => {
                let docker = value.get("stream").and_then(Value::as_str).filter(|_| value.get("time").is_some());
                let Some(whole) = self.join(&origin, docker.unwrap_or(""), line, docker.is_some() && !line.ends_with('\n')) else { return };
                self.open(Cow::Owned(whole), origin, depth - 1, each);
            }
            // Shippers that read JSON in a line put it in place of the text.
            Some(inner @ Value::Object(_)) => self.open(Cow::Owned(inner.to_string()), origin, depth - 1, each),
            _ => {
                each(text, &origin, Layer::Innermost);
            }
        }
    }

    /// The whole line, once its last part has come.
    fn join(&mut self, origin: &Origin, stream: &str, part: &str, goes_on: bool) -> Option<String> {
        let key = format!("{}/{}/{stream}", origin.pod, origin.container);
        if !goes_on && self.parts.is_empty() {
            return Some(part.to_owned());
        }
        let mut whole = self.parts.remove(&key).unwrap_or_default();
        whole.push_str(part);
        if goes_on && whole.len() < LONGEST && self.parts.len() < MOST_PARTS {
            self.parts.insert(key, whole);
            return None;
        }
        Some(whole)
    }
}

/// Whether a text begins like something that wraps a line. Most JSON lines are the proxy's own: only those with a
/// shipper's key look wrapped.
fn looks_wrapped(text: &str) -> bool {
    if text.starts_with(['{', '[']) && text[1..].trim_start().starts_with(['"', '{']) {
        return text.contains("\"values\"")
            || text.contains("_source")
            || LINE_KEYS.iter().any(|k| text.contains(&format!("\"{}\"", k.rsplit('.').next().unwrap_or(k))));
    }
    text.starts_with('[') || text.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

/// `[pod/NAME/CONTAINER] LINE` of `kubectl logs --prefix`.
fn kubectl_prefix(text: &str) -> Option<(&str, &str, &str)> {
    let (head, rest) = text.strip_prefix("[pod/")?.split_once("] ")?;
    let (pod, container) = head.split_once('/')?;
    Some((pod, container, rest))
}

/// What follows an RFC 3339 time stamp and a blank.
fn timestamp(text: &str) -> Option<&str> {
    let (stamp, rest) = text.split_once([' ', '\t'])?;
    let b = stamp.as_bytes();
    let digits = |range: std::ops::Range<usize>| b.get(range).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    let shape = b.len() >= 20 && digits(0..4) && b[4] == b'-' && digits(5..7) && b[7] == b'-' && digits(8..10) && b[10] == b'T' && digits(11..13);
    (shape && b[13] == b':' && (stamp.ends_with('Z') || stamp[19..].contains(['+', '-']))).then_some(rest)
}

/// `stdout F LINE`: the stream, the tag (F the last part of a line, P not), the line.
fn cri(text: &str) -> Option<(&str, &str, &str)> {
    let (stream, rest) = text.split_once(' ').filter(|(s, _)| matches!(*s, "stdout" | "stderr"))?;
    let (tags, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let tag = tags.split(':').next().unwrap_or("");
    matches!(tag, "F" | "P").then_some((stream, tag, rest))
}

/// `{app="x", pod="y"} LINE` of logcli, behind its time stamp.
fn logcli_labels<'t>(text: &'t str, origin: &mut Origin) -> Option<&'t str> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find('}')?;
    let (labels, rest) = (&inside[..end], inside[end + 1..].strip_prefix(' ')?);
    if !labels.is_empty() && !labels.contains("=\"") {
        return None;
    }
    for pair in labels.split(", ") {
        if let Some((key, value)) = pair.trim().split_once('=') {
            label(key, value.trim_matches('"'), origin);
        }
    }
    Some(rest)
}

/// `[0] tag: [[1700000000.1, {}], {"log"=>"…"}]` of Fluent Bit's stdout: the record as JSON.
fn fluent_bit_stdout(text: &str) -> Option<String> {
    let (index, rest) = text.strip_prefix('[')?.split_once("] ")?;
    if index.is_empty() || !index.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (_, record) = rest.split_once(": [")?;
    let record = &record[record.find(", {\"").map(|i| i + 2)?..];
    Some(record.strip_suffix(']').unwrap_or(record).replace("\"=>", "\":"))
}

fn labels(value: &Value, origin: &mut Origin) {
    for (key, v) in value.as_object().into_iter().flatten() {
        match v {
            Value::String(s) => label(key, s, origin),
            // ECS nests: kubernetes.pod.name.
            Value::Object(inner) => {
                if let Some(name) = inner.get("name").and_then(Value::as_str) {
                    label(key, name, origin);
                }
            }
            _ => {}
        }
    }
}

fn label(key: &str, value: &str, origin: &mut Origin) {
    match key {
        "pod" | "pod_name" => value.clone_into(&mut origin.pod),
        "container" | "container_name" => value.clone_into(&mut origin.container),
        "namespace" | "namespace_name" => value.clone_into(&mut origin.namespace),
        _ => {}
    }
}
