//! What is said on a stream of xDS, in both dialects: what is asked for, what was understood, and what was refused. No IO.
//!
//! State of the world: an answer is everything of its kind (clusters, listeners), or news of what was named (the others).
//! An acknowledgement says the version that is in use, a refusal the last one that was taken. Delta: answers say what changed.

use super::kind::Kind;
use mesh_envoy::api::Any;
use mesh_envoy::api::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node, Resource, Status};
use mesh_envoy::api::wire::first_text;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    StateOfTheWorld,
    Delta,
}

/// A resource as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    pub name: String,
    pub version: String,
    pub body: Any,
}

/// An answer of the control plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub kind: Kind,
    pub version: String,
    pub nonce: String,
    pub given: Vec<Given>,
    pub removed: Vec<String>,
    /// Whether what is not in it is gone.
    pub is_whole: bool,
}

/// A message to the control plane, for either dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub kind: Kind,
    pub node: Option<Node>,
    /// All names that are wanted.
    names: Vec<String>,
    subscribe: Vec<String>,
    unsubscribe: Vec<String>,
    held: BTreeMap<String, String>,
    version: String,
    nonce: String,
    pub error: Option<String>,
}

/// Envoy's: gRPC's INTERNAL.
const REFUSED: i32 = 13;
/// Longer reasons are cut, as they may be told in a header.
const LONGEST_REASON: usize = 4096;

fn status(error: String) -> Status {
    let mut message = error;
    if message.len() > LONGEST_REASON {
        let end = (0..=LONGEST_REASON).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    Status { code: REFUSED, message, details: Vec::new() }
}

impl From<Ask> for DiscoveryRequest {
    fn from(ask: Ask) -> DiscoveryRequest {
        DiscoveryRequest {
            version_info: ask.version,
            node: ask.node,
            resource_names: ask.names,
            type_url: ask.kind.url(),
            response_nonce: ask.nonce,
            error_detail: ask.error.map(status),
        }
    }
}

impl From<Ask> for DeltaDiscoveryRequest {
    fn from(ask: Ask) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: ask.node,
            type_url: ask.kind.url(),
            resource_names_subscribe: ask.subscribe,
            resource_names_unsubscribe: ask.unsubscribe,
            initial_resource_versions: ask.held,
            response_nonce: ask.nonce,
            error_detail: ask.error.map(status),
        }
    }
}

/// Answers of either dialect. `None` for kinds that nobody asked for.
pub trait Answer {
    fn update(self) -> Option<Update>;
}

impl Answer for DiscoveryResponse {
    fn update(self) -> Option<Update> {
        let kind = Kind::of_url(&self.type_url)?;
        let given = self.resources.into_iter().filter_map(|body| {
            let (body, version) = unwrap(body, &self.version_info)?;
            Some(Given { name: first_text(&body.value).to_owned(), version, body })
        });
        Some(Update { kind, given: given.collect(), version: self.version_info, nonce: self.nonce, removed: Vec::new(), is_whole: kind.is_wildcard() })
    }
}

/// A resource may be wrapped in one that says its version.
fn unwrap(body: Any, version: &str) -> Option<(Any, String)> {
    if body.type_name() != "envoy.service.discovery.v3.Resource" {
        return Some((body, version.to_owned()));
    }
    let wrapper = Resource::decode(body.value.as_slice()).ok()?;
    Some((wrapper.resource?, wrapper.version))
}

impl Answer for DeltaDiscoveryResponse {
    fn update(self) -> Option<Update> {
        let kind = Kind::of_url(&self.type_url)?;
        let given = self.resources.into_iter().filter_map(|r| {
            // Without a body it only says that what is held is still valid.
            let body = r.resource?;
            let name = if r.name.is_empty() { first_text(&body.value).to_owned() } else { r.name };
            Some(Given { name, version: r.version, body })
        });
        Some(Update { kind, given: given.collect(), version: self.system_version_info, nonce: self.nonce, removed: self.removed_resources, is_whole: false })
    }
}

/// What was said about one kind.
#[derive(Debug, Default)]
struct Subscription {
    names: BTreeSet<String>,
    /// Of the last answer that was taken.
    version: String,
    nonce: String,
    /// Versions by name, for a control plane that is asked anew.
    held: BTreeMap<String, String>,
    is_open: bool,
}

/// A conversation with a control plane, over as many streams as it takes.
#[derive(Debug)]
pub struct Session {
    node: Node,
    knows_node: bool,
    subscriptions: BTreeMap<Kind, Subscription>,
}

impl Session {
    pub fn new(node: Node) -> Session {
        Session { node, knows_node: false, subscriptions: BTreeMap::new() }
    }
    /// Notes a resource that is held from before.
    pub fn remember(&mut self, kind: Kind, name: &str, version: &str) {
        self.subscriptions.entry(kind).or_default().held.insert(name.to_owned(), version.to_owned());
    }
    /// A new stream: everything is asked for again.
    pub fn begin(&mut self) {
        self.knows_node = false;
        for s in self.subscriptions.values_mut() {
            s.nonce.clear();
            s.is_open = false;
        }
    }
    fn node(&mut self) -> Option<Node> {
        let told = std::mem::replace(&mut self.knows_node, true);
        (!told).then(|| self.node.clone())
    }

    /// What is to be said for these names to be wanted; `None` where it is said.
    pub fn want(&mut self, kind: Kind, names: &BTreeSet<String>) -> Option<Ask> {
        let known = self.subscriptions.get(&kind);
        if known.is_some_and(|s| s.is_open && s.names == *names) || (known.is_none_or(|s| !s.is_open) && names.is_empty() && !kind.is_wildcard()) {
            return None;
        }
        let node = self.node();
        let s = self.subscriptions.entry(kind).or_default();
        let (subscribe, unsubscribe, held) = if s.is_open {
            let gone: Vec<String> = s.names.difference(names).cloned().collect();
            gone.iter().for_each(|name| drop(s.held.remove(name)));
            (names.difference(&s.names).cloned().collect(), gone, BTreeMap::new())
        } else {
            if !kind.is_wildcard() {
                s.held.retain(|name, _| names.contains(name));
            }
            (names.iter().cloned().collect(), Vec::new(), s.held.clone())
        };
        // In delta a request with a nonce is an answer to an answer; this is none.
        let ask = Ask {
            kind,
            node,
            names: names.iter().cloned().collect(),
            subscribe,
            unsubscribe,
            held,
            version: s.version.clone(),
            nonce: s.nonce.clone(),
            error: None,
        };
        s.names.clone_from(names);
        s.is_open = true;
        Some(ask)
    }

    /// The answer to an answer: it is in use, or why it is not.
    pub fn acknowledge(&mut self, update: &Update, verdict: Result<(), String>) -> Ask {
        let node = self.node();
        let s = self.subscriptions.entry(update.kind).or_default();
        s.nonce.clone_from(&update.nonce);
        if verdict.is_ok() {
            s.version.clone_from(&update.version);
            if update.is_whole {
                s.held.clear();
            }
            s.held.extend(update.given.iter().map(|g| (g.name.clone(), g.version.clone())));
            update.removed.iter().for_each(|name| drop(s.held.remove(name)));
        }
        Ask {
            kind: update.kind,
            node,
            names: s.names.iter().cloned().collect(),
            subscribe: Vec::new(),
            unsubscribe: Vec::new(),
            held: BTreeMap::new(),
            version: s.version.clone(),
            nonce: update.nonce.clone(),
            error: verdict.err(),
        }
    }
}

/// For delta, where only answers to answers have a nonce.
pub fn delta(mut ask: Ask, is_answer: bool) -> DeltaDiscoveryRequest {
    if !is_answer {
        ask.nonce.clear();
    }
    ask.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }
    fn update(kind: Kind, version: &str, nonce: &str, given: &[&str]) -> Update {
        let given = given.iter().map(|n| Given { name: (*n).to_owned(), version: version.to_owned(), body: Any::default() });
        Update { kind, version: version.into(), nonce: nonce.into(), given: given.collect(), removed: Vec::new(), is_whole: kind.is_wildcard() }
    }

    #[test]
    fn versions_are_those_that_were_taken() {
        let mut session = Session::new(Node { id: "n".into(), ..Node::default() });
        let first: DiscoveryRequest = session.want(Kind::Cluster, &names(&[])).expect("asked").into();
        assert_eq!((first.node.map(|n| n.id).as_deref(), first.version_info.as_str(), first.resource_names.len()), (Some("n"), "", 0));
        assert_eq!(session.want(Kind::Cluster, &names(&[])), None);
        let ack: DiscoveryRequest = session.acknowledge(&update(Kind::Cluster, "1", "a", &["x"]), Ok(())).into();
        assert_eq!((ack.node, ack.version_info.as_str(), ack.response_nonce.as_str(), ack.error_detail), (None, "1", "a", None));
        let nack: DiscoveryRequest = session.acknowledge(&update(Kind::Cluster, "2", "b", &["x"]), Err("no".into())).into();
        assert_eq!((nack.version_info.as_str(), nack.response_nonce.as_str(), nack.error_detail.map(|e| e.code)), ("1", "b", Some(13)));
        session.begin();
        let again: DiscoveryRequest = session.want(Kind::Cluster, &names(&[])).expect("asked").into();
        assert_eq!((again.version_info.as_str(), again.response_nonce.as_str(), again.node.is_some()), ("1", "", true));
    }

    #[test]
    fn delta_says_what_changed_and_what_is_held() {
        let mut session = Session::new(Node::default());
        assert_eq!(session.want(Kind::Routes, &names(&[])), None);
        let first = delta(session.want(Kind::Routes, &names(&["a", "b"])).expect("asked"), false);
        assert_eq!(first.resource_names_subscribe, ["a", "b"]);
        session.acknowledge(&update(Kind::Routes, "1", "n1", &["a", "b"]), Ok(()));
        let next = delta(session.want(Kind::Routes, &names(&["b", "c"])).expect("asked"), false);
        assert_eq!((next.resource_names_subscribe.as_slice(), next.resource_names_unsubscribe.as_slice()), (&["c".to_owned()][..], &["a".to_owned()][..]));
        assert_eq!(next.response_nonce, "");
        session.acknowledge(&update(Kind::Routes, "2", "n2", &["c"]), Err("bad".into()));
        session.begin();
        let again = delta(session.want(Kind::Routes, &names(&["b", "c"])).expect("asked"), false);
        assert_eq!(again.initial_resource_versions, BTreeMap::from([("b".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let message = status("ä".repeat(5000)).message;
        assert!(message.len() <= LONGEST_REASON + 3 && message.ends_with("ä…"));
    }
}
