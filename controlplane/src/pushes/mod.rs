//! One stream of xDS as a state machine: requests and new configuration in, answers out. No socket, no clock.
//!
//! State of the world and delta differ in how a subscription is written and an answer is put together, and in nothing
//! else. A new configuration is rolled out so that no request is lost: first clusters and endpoints, those that will go
//! kept beside the new ones; when the proxy has them, listeners and routes; at last what is no longer referred to.
//! An answer that was not confirmed yet is not followed by another of its type: a proxy that says nothing, or refuses
//! for ever, costs two answers of a type a change at most.

mod message;
mod subscription;
#[cfg(test)]
mod tests;

pub use message::{Answer, Request};
pub use subscription::{Refusal, Subscription};

use crate::resource::{Named, Resource, Resources, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which of the two protocols a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    StateOfTheWorld,
    Delta,
}

/// How far a new configuration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// New clusters and endpoints are out; listeners and routes are still the old ones.
    Clusters,
    /// New listeners and routes are out; old clusters are still there.
    Routes,
    Done,
}

/// So many configurations are kept at most while a proxy has not taken the newest: of an older one the clusters go.
const KEPT: usize = 4;

/// So many foreign types are remembered.
const FOREIGN: usize = 32;

/// One stream.
#[derive(Debug)]
pub struct Stream {
    protocol: Protocol,
    /// Part of each nonce, so that one of another stream is never taken for one of this.
    id: String,
    serial: u64,
    current: Arc<Resources>,
    /// Whose listeners and routes the proxy is to have.
    routed: Arc<Resources>,
    /// Whose clusters and endpoints are kept beside the current ones.
    kept: Vec<Arc<Resources>>,
    step: Step,
    /// Handed out by name, each asked for by this proxy.
    secrets: Named,
    pub subscriptions: BTreeMap<Type, Subscription>,
    /// Types that are asked for and that nobody here serves.
    pub foreign: BTreeSet<String>,
}

impl Stream {
    pub fn new(protocol: Protocol, id: &str, current: Arc<Resources>) -> Stream {
        Stream {
            protocol,
            id: id.to_owned(),
            serial: 0,
            routed: Arc::clone(&current),
            current,
            kept: Vec::new(),
            step: Step::Done,
            secrets: Named::new(),
            subscriptions: BTreeMap::new(),
            foreign: BTreeSet::new(),
        }
    }

    pub fn current(&self) -> &Arc<Resources> {
        &self.current
    }
    pub fn step(&self) -> Step {
        self.step
    }

    /// Takes a request. `now` is milliseconds of any clock that the caller keeps to.
    pub fn request(&mut self, request: &Request, now: u64) -> Vec<Answer> {
        let Some(kind) = Type::parse(&request.type_url) else {
            if self.foreign.len() < FOREIGN {
                self.foreign.insert(request.type_url.clone());
            }
            return Vec::new();
        };
        let subscription = self.subscriptions.entry(kind).or_insert_with(|| Subscription::new(kind));
        let asked = subscription.take(self.protocol, request, now);
        if !asked.is_current {
            return Vec::new();
        }
        let mut out = Vec::new();
        let must = asked.is_first && subscription.is_wildcard;
        if must || !asked.again.is_empty() {
            out.extend(self.answer(kind, Some(&asked.again), must, now));
        }
        out.extend(self.advance(now));
        out
    }

    /// Takes a new configuration.
    pub fn update(&mut self, resources: Arc<Resources>, now: u64) -> Vec<Answer> {
        if Arc::ptr_eq(&resources, &self.current) {
            return Vec::new();
        }
        let old = std::mem::replace(&mut self.current, resources);
        self.kept.push(old);
        if self.kept.len() > KEPT {
            self.kept.remove(0);
        }
        self.step = Step::Clusters;
        self.advance(now)
    }

    /// Secrets that the proxy may have, by name.
    pub fn secrets(&self) -> &Named {
        &self.secrets
    }
    /// Takes secrets that a request is about to ask for.
    pub fn put_secrets(&mut self, secrets: impl IntoIterator<Item = Resource>) {
        self.secrets.extend(secrets.into_iter().map(|s| (s.name.clone(), Arc::new(s))));
    }
    /// Takes secrets that have changed.
    pub fn update_secrets(&mut self, secrets: impl IntoIterator<Item = Resource>, now: u64) -> Vec<Answer> {
        self.put_secrets(secrets);
        self.flush(now)
    }

    /// Goes on though the proxy has not confirmed what it was sent: called when it had its time.
    pub fn overdue(&mut self, now: u64) -> Vec<Answer> {
        match self.step {
            Step::Clusters => {
                self.routed = Arc::clone(&self.current);
                self.step = Step::Routes;
            }
            Step::Routes => self.finish(),
            Step::Done => {}
        }
        self.flush(now)
    }

    fn finish(&mut self) {
        self.kept.clear();
        self.step = Step::Done;
    }

    /// Sends what is due, and takes the next step as soon as the proxy has confirmed the last one.
    fn advance(&mut self, now: u64) -> Vec<Answer> {
        let mut out = self.flush(now);
        loop {
            match self.step {
                Step::Clusters if self.has_clusters() => {
                    self.routed = Arc::clone(&self.current);
                    self.step = Step::Routes;
                }
                Step::Routes if self.is_settled(Type::Listener) && self.is_settled(Type::Route) => self.finish(),
                _ => return out,
            }
            out.extend(self.flush(now));
        }
    }

    fn is_settled(&self, kind: Type) -> bool {
        self.subscriptions.get(&kind).is_none_or(Subscription::is_settled)
    }

    /// Whether the proxy has the current clusters and their endpoints, or has refused them.
    fn has_clusters(&self) -> bool {
        let Some(clusters) = self.subscriptions.get(&Type::Cluster) else { return true };
        if !clusters.is_settled() || !self.is_settled(Type::Endpoint) {
            return false;
        }
        let Some(endpoints) = self.subscriptions.get(&Type::Endpoint).filter(|_| !clusters.is_refused()) else { return true };
        let wanted = self.current.of(Type::Cluster).values().filter(|c| c.wants_endpoints && clusters.wants(&c.name));
        wanted.into_iter().all(|c| endpoints.has(&c.name))
    }

    /// What the proxy is to have of a type now, whether it asked for it or not.
    fn target(&self, kind: Type) -> Named {
        match kind {
            Type::Secret => self.secrets.clone(),
            Type::Cluster | Type::Endpoint => {
                let mut out = Named::new();
                for older in &self.kept {
                    out.extend(older.of(kind).iter().map(|(k, v)| (k.clone(), Arc::clone(v))));
                }
                out.extend(self.current.of(kind).iter().map(|(k, v)| (k.clone(), Arc::clone(v))));
                out
            }
            _ => self.routed.of(kind).clone(),
        }
    }

    /// A hash of what the proxy is to have of a type, where one is known without putting it together.
    fn sum(&self, kind: Type) -> Option<[u8; 32]> {
        match kind {
            Type::Secret => None,
            Type::Cluster | Type::Endpoint => {
                let sum = self.current.sum(kind)?;
                self.kept.iter().all(|k| k.sum(kind) == Some(sum)).then_some(*sum)
            }
            _ => self.routed.sum(kind).copied(),
        }
    }

    /// Sends each type that has changed and waits for no confirmation.
    fn flush(&mut self, now: u64) -> Vec<Answer> {
        let kinds: Vec<Type> = self.subscriptions.iter().filter(|(_, s)| s.is_settled()).map(|(k, _)| *k).collect();
        kinds.into_iter().filter_map(|kind| self.answer(kind, None, false, now)).collect()
    }

    /// An answer of one type, if something is to be said. `again` are names whose resources are sent though the proxy may
    /// have them, `must` says that even nothing is an answer.
    fn answer(&mut self, kind: Type, again: Option<&BTreeSet<String>>, must: bool, now: u64) -> Option<Answer> {
        let sum = self.sum(kind);
        // Mostly one type has changed, and the others need no look at each of their resources.
        if !must && again.is_none() && sum.is_some() && self.subscriptions.get(&kind)?.looked_at == sum {
            return None;
        }
        let target = self.target(kind);
        let subscription = self.subscriptions.get_mut(&kind)?;
        let change = subscription.change(self.protocol, &target, again);
        subscription.looked_at = sum;
        if change.is_empty() && !must {
            return None;
        }
        self.serial += 1;
        let nonce = format!("{}/{}-{}", self.current.version, self.id, self.serial);
        subscription.note(&change, &nonce, &self.current.version, now);
        let changed: Vec<String> = change.resources.iter().filter(|r| r.wants_endpoints).map(|r| r.name.clone()).collect();
        if kind == Type::Cluster
            && let Some(endpoints) = self.subscriptions.get_mut(&Type::Endpoint)
        {
            // A cluster that is made anew asks for its endpoints again, and waits for them.
            let is_new: Vec<String> = changed.into_iter().filter(|n| change.changed.contains(n)).collect();
            endpoints.forget(&is_new);
        }
        Some(Answer { kind, version: self.current.version.clone(), nonce, resources: change.resources, removed: change.removed })
    }
}
