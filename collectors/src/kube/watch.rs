//! Watches: the changes of a list as the server tells them, a JSON document a line.

use super::client::Cluster;
use super::error::{ApiError, chain};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// A line is an object at most, and no object of etcd's is nearly as large.
const LINE_LIMIT: usize = 32 << 20;

/// An answer that goes on, line by line.
pub(super) struct Lines {
    body: Body,
    rest: Vec<u8>,
    /// Where in `rest` no end of a line has been found yet.
    looked: usize,
    /// The largest line that is taken.
    limit: usize,
}

impl Lines {
    /// The next line without its end; `None` when the answer has ended. What is longer than the limit is an error.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        loop {
            let fresh = self.rest.get(self.looked..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', fresh) {
                let mut line: Vec<u8> = self.rest.drain(..=self.looked + end).collect();
                line.pop();
                self.looked = 0;
                return Ok(Some(line));
            }
            self.looked = self.rest.len();
            if self.rest.len() > self.limit {
                return Err(ApiError::Odd(format!("a line of more than {} MiB", self.limit >> 20)));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(|e| ApiError::Unreachable(chain(&e)))?;
                    self.rest.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
            }
        }
    }
}

impl Cluster {
    /// The answer to GET as it comes. Only its beginning has the time of a request.
    pub(super) async fn lines(&self, path: &str, limit: usize) -> Result<Lines, ApiError> {
        let request = Request::get(path).header(header::ACCEPT, "application/json, */*").body(Body::empty()).map_err(|e| ApiError::Odd(e.to_string()))?;
        let sent = tokio::time::timeout(self.timeout, self.client.send(request)).await;
        let answer = sent.map_err(|_| ApiError::TimedOut(self.timeout))?.map_err(|e| ApiError::Unreachable(chain(&e)))?;
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::OK {
            return Ok(Lines { body, rest: Vec::new(), looked: 0, limit });
        }
        let body = Limited::new(body, 1 << 16).collect().await.map_err(|e| ApiError::Unreachable(e.to_string()))?.to_bytes();
        Err(ApiError::of_status(head.status.as_u16(), &body, None))
    }
}

/// What a watch tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The JSON of an object that is new, or has changed.
    Applied {
        version: String,
        json: String,
    },
    Deleted {
        version: String,
        namespace: String,
        name: String,
    },
    /// How far the server has come.
    Bookmark {
        version: String,
        /// All that the list would have had has been told.
        ends_the_list: bool,
    },
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start<'v> {
    /// Behind this version of the list.
    Version(&'v str),
    /// With all that the list has: a streaming list.
    Beginning,
}

/// A watch that is open.
pub(super) struct Watch {
    lines: Lines,
    /// How long it may be silent.
    patience: Duration,
}

/// The server ends a watch after so long by itself; then it is opened anew.
const LASTS: Duration = Duration::from_secs(290);

impl Watch {
    /// `selector` is a parameter of the request: of fields or of labels; left out where it is empty.
    pub async fn open(cluster: &Cluster, path: &str, selector: (&str, &str), from: Start<'_>) -> Result<Watch, ApiError> {
        let lines = cluster.lines(&request(path, selector, from), LINE_LIMIT).await?;
        Ok(Watch { lines, patience: LASTS + Duration::from_secs(30) })
    }

    /// The next event; `None` when the server has ended the watch.
    pub async fn next(&mut self) -> Result<Option<Event>, ApiError> {
        let line = tokio::time::timeout(self.patience, self.lines.next()).await.map_err(|_| ApiError::TimedOut(self.patience))??;
        line.map(|line| event(&line)).transpose()
    }
}

fn request(path: &str, selector: (&str, &str), from: Start<'_>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("watch", "true").append_pair("allowWatchBookmarks", "true").append_pair("timeoutSeconds", &LASTS.as_secs().to_string());
    match from {
        Start::Version(version) => query.append_pair("resourceVersion", version),
        Start::Beginning => query.append_pair("sendInitialEvents", "true").append_pair("resourceVersionMatch", "NotOlderThan"),
    };
    if !selector.1.is_empty() {
        query.append_pair(selector.0, selector.1);
    }
    format!("{path}?{}", query.finish())
}

#[derive(Deserialize)]
struct Line<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Headed {
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    namespace: String,
    name: String,
    resource_version: String,
    annotations: std::collections::BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refused {
    code: u16,
}

fn event(line: &[u8]) -> Result<Event, ApiError> {
    let odd = |e: serde_json::Error| ApiError::Odd(format!("not what a watch tells: {e}"));
    let Line { r#type, object } = serde_json::from_slice(line).map_err(odd)?;
    if r#type == "ERROR" {
        let Refused { code } = serde_json::from_str(object.get()).map_err(odd)?;
        return Err(ApiError::of_status(code, object.get().as_bytes(), None));
    }
    let Headed { metadata } = serde_json::from_str(object.get()).map_err(odd)?;
    let version = metadata.resource_version;
    match r#type {
        "ADDED" | "MODIFIED" => Ok(Event::Applied { version, json: object.get().to_owned() }),
        "DELETED" => Ok(Event::Deleted { version, namespace: metadata.namespace, name: metadata.name }),
        "BOOKMARK" => Ok(Event::Bookmark { version, ends_the_list: metadata.annotations.get("k8s.io/initial-events-end").is_some_and(|v| v == "true") }),
        other => Err(ApiError::Odd(format!("a watch tells of `{other}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart() {
        let of = |text: &str| event(text.as_bytes());
        let object = r#"{"metadata": {"name": "a", "namespace": "shop", "resourceVersion": "7", "annotations": {"b": "c"}}, "spec": {}}"#;
        assert_eq!(of(&format!(r#"{{"type": "ADDED", "object": {object}}}"#)), Ok(Event::Applied { version: "7".into(), json: object.into() }));
        assert_eq!(
            of(&format!(r#"{{"type": "DELETED", "object": {object}}}"#)),
            Ok(Event::Deleted { version: "7".into(), namespace: "shop".into(), name: "a".into() })
        );
        let bookmark = |ends: &str| {
            of(&format!(r#"{{"type": "BOOKMARK", "object": {{"kind": "Pod", "metadata": {{"resourceVersion": "9", "creationTimestamp": null{ends}}}}}}}"#))
        };
        assert_eq!(bookmark(""), Ok(Event::Bookmark { version: "9".into(), ends_the_list: false }));
        assert_eq!(bookmark(r#", "annotations": {"k8s.io/initial-events-end": "true"}"#), Ok(Event::Bookmark { version: "9".into(), ends_the_list: true }));
        let error = of(r#"{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version", "reason": "Expired"}}"#);
        assert!(error.is_err_and(|e| e.is_expired()));
        for odd in ["", "{}", "null", r#"{"type": "ODD", "object": {}}"#, r#"{"type": "ADDED", "object": 1}"#, "<html>"] {
            assert!(matches!(of(odd), Err(ApiError::Odd(_))), "{odd}: {:?}", of(odd));
        }
    }
}
