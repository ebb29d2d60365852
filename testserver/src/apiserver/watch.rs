//! Watches: what a list held, where that is asked for, and then each change, a JSON document a line.

use super::answer::{Answer, List};
use super::data::Data;
use super::{Body, State, StreamingLists};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A change of an object, as watches tell it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub version: u64,
    /// `group/version/plural`; "" for a bookmark, which is everybody's.
    pub resource: String,
    pub kind: &'static str,
    pub object: Value,
}

/// What a watch asks for beside what its list would.
pub(super) struct Watch {
    list: List,
    from: u64,
    takes_bookmarks: bool,
    sends_initial_events: bool,
}

impl Watch {
    /// `None` where a list is asked for and no watch.
    pub fn of(path_and_query: &str) -> Option<Watch> {
        let list = List::of(path_and_query)?;
        let is = |key: &str| list.parameter(key).is_some_and(|v| v == "true" || v == "1");
        if !is("watch") {
            return None;
        }
        let from = list.parameter("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0);
        Some(Watch { from, takes_bookmarks: is("allowWatchBookmarks"), sends_initial_events: is("sendInitialEvents"), list })
    }

    /// The stream, or the refusal.
    pub fn open(self, state: &Arc<State>) -> Result<Body, Answer> {
        let lists = {
            let faults = state.faults.lock().unwrap_or_else(PoisonError::into_inner);
            self.list.refused(&faults)?;
            self.list.refused_to_watch(&faults)?;
            faults.streaming_lists
        };
        let data = state.data.lock().unwrap_or_else(PoisonError::into_inner);
        let resource = self.list.resource(&data)?.clone();
        let event = |kind: &str, object: &Value| line(kind, object);
        let failed = |code: u16, reason: &str, message: &str| {
            line(
                "ERROR",
                &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}),
            )
        };
        let mut first = VecDeque::new();
        let mut from = self.from;
        let mut ends = false;
        if self.sends_initial_events {
            match lists {
                StreamingLists::Served => {
                    for item in self.list.fitting(&resource) {
                        first.push_back(event("ADDED", &data.whole(item, &resource)));
                    }
                    let mut end = bookmark(&data.whole(&json!({}), &resource), data.version);
                    end["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
                    first.push_back(event("BOOKMARK", &end));
                    from = data.version;
                }
                // As etcd 3.4 makes it end.
                StreamingLists::Failing => {
                    first.push_back(failed(500, "InternalError", "etcdserver: request progress is not supported"));
                    ends = true;
                }
                StreamingLists::Unknown => {
                    let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
                    return Err(Answer::error(422, "Invalid", message));
                }
            }
        } else if from < data.oldest {
            first.push_back(failed(410, "Expired", &format!("too old resource version: {from} ({})", data.oldest)));
            ends = true;
        }
        drop(data);
        state.counts.watches.fetch_add(1, Ordering::Relaxed);
        let guard = Open(Arc::clone(state));
        guard.0.counts.open_watches.fetch_add(1, Ordering::Relaxed);
        let follow = Following {
            watch: self,
            resource_name: format!("{}/{}/{}", resource.group, resource.version, resource.plural),
            resource,
            first,
            from,
            ends,
            guard,
        };
        let versions = state.versions.subscribe();
        let lines = stream::unfold((follow, versions), |(mut follow, mut versions)| async move {
            loop {
                versions.borrow_and_update();
                if let Some(line) = follow.next() {
                    follow.guard.0.counts.bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
                    return Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from(line))), (follow, versions)));
                }
                if follow.ends || versions.changed().await.is_err() {
                    return None;
                }
            }
        });
        Ok(StreamBody::new(lines).boxed_unsync())
    }
}

/// A watch that is open, for the count of them.
struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counts.open_watches.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Following {
    watch: Watch,
    resource: super::Resource,
    resource_name: String,
    first: VecDeque<String>,
    /// The version of what was told last.
    from: u64,
    ends: bool,
    guard: Open,
}

impl Following {
    fn next(&mut self) -> Option<String> {
        if let Some(line) = self.first.pop_front() {
            return Some(line);
        }
        if self.ends {
            return None;
        }
        let data: &Data = &self.guard.0.data.lock().unwrap_or_else(PoisonError::into_inner);
        let from = self.from;
        for change in data.changes.iter().filter(|c| c.version > from) {
            self.from = change.version;
            if change.resource.is_empty() && self.watch.takes_bookmarks {
                self.guard.0.counts.bookmarks.fetch_add(1, Ordering::Relaxed);
                return Some(line("BOOKMARK", &bookmark(&data.whole(&json!({}), &self.resource), change.version)));
            }
            if change.resource == self.resource_name && self.watch.list.fits(&change.object) {
                return Some(line(change.kind, &data.whole(&change.object, &self.resource)));
            }
        }
        None
    }
}

fn bookmark(empty: &Value, version: u64) -> Value {
    let mut object = empty.clone();
    object["metadata"] = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
    object
}

fn line(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

/// The lines of a log that are there, and those that come.
pub(super) fn follow_log(state: &Arc<State>, of: super::stream::Wanted) -> Body {
    let versions = state.versions.subscribe();
    state.counts.open_watches.fetch_add(1, Ordering::Relaxed);
    let guard = Open(Arc::clone(state));
    let lines = stream::unfold((of, versions, guard, 0), |(of, mut versions, guard, mut told)| async move {
        loop {
            versions.borrow_and_update();
            let (text, all, ends) = {
                let data = guard.0.data.lock().unwrap_or_else(PoisonError::into_inner);
                of.lines(&data, told)
            };
            told = all;
            if !text.is_empty() {
                return Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from(text))), (of, versions, guard, told)));
            }
            if ends || versions.changed().await.is_err() {
                return None;
            }
        }
    });
    StreamBody::new(lines).boxed_unsync()
}
