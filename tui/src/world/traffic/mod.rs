//! What traffic did: who calls whom, how much, how well, and why it fails.

mod cause;
mod counterpart;
mod read;
#[cfg(test)]
pub(crate) mod tests;

pub use cause::{Blame, Ending, per_second};
pub use read::Times;

use crate::graph::{Flow, Health, View};
use mesh_model::graph::GraphType;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Namespace and name of a node.
pub type Key = (String, String);

/// One protocol between two nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub from: Key,
    pub to: Key,
    /// `http`, `grpc` or `tcp`.
    pub protocol: String,
    pub flow: Flow,
    pub health: Health,
    /// How requests ended, the most frequent first.
    pub endings: Vec<Ending>,
    /// SPIFFE ids; "" where not known.
    pub source_principal: String,
    pub destination_principal: String,
}

/// What a node of the graph is, and what goes into it and out of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// `workload`, `service`, `app`, `operation` or `unknown`.
    pub kind: &'static str,
    /// "" where only one is known.
    pub cluster: String,
    /// Of the objects; a node's own has the cluster before it where there are several.
    pub namespace: String,
    pub app: String,
    pub version: String,
    /// "" for a service, and for an app that has no version.
    pub workload: String,
    /// The services that it was called by: namespace and name.
    pub services: Vec<Key>,
    pub inbound: Flow,
    pub outbound: Flow,
    pub health: Health,
    /// Replicas that are wanted and that are there, where a workload of both is known.
    pub replicas: Option<(i64, i64)>,
    pub is_out_of_mesh: bool,
}

/// Everything that traffic says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// What its nodes are.
    pub graph_type: GraphType,
    pub view: View,
    pub loads: BTreeMap<Key, Load>,
    /// Sorted by their ends and protocols.
    pub calls: Vec<Call>,
    /// Seconds that rates look back; `None` where the source has rates alone.
    pub window: Option<i64>,
    /// Seconds since the epoch at which it was so; `None` where the source does not say.
    pub at: Option<i64>,
    /// The times of the first and the last sample.
    pub span: Option<(i64, i64)>,
    /// What `meshctl graph` takes to draw the same.
    pub arguments: String,
    /// What could not be seen.
    pub problems: Vec<String>,
}

/// Whether the calls into a node or those out of it are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Inbound,
    Outbound,
}

impl Traffic {
    pub fn calls_of<'t>(&'t self, key: &'t Key, side: Side) -> impl Iterator<Item = &'t Call> {
        self.calls.iter().filter(move |c| if side == Side::Inbound { c.to == *key } else { c.from == *key })
    }
    /// The calls of an edge, one a protocol.
    pub fn between<'t>(&'t self, from: &'t Key, to: &'t Key) -> impl Iterator<Item = &'t Call> {
        self.calls.iter().filter(move |c| c.from == *from && c.to == *to)
    }
    /// All that enters the nodes of a namespace.
    pub fn into_namespace(&self, namespace: &str) -> Flow {
        self.loads.iter().filter(|(_, l)| l.namespace == namespace).fold(Flow::default(), |sum, (_, l)| sum.and(&l.inbound))
    }
    /// The whole mesh: every call once.
    pub fn whole(&self) -> Flow {
        self.calls.iter().fold(Flow::default(), |sum, c| sum.and(&c.flow))
    }
    /// The nodes behind a service, each with what enters it.
    pub fn behind<'t>(&'t self, service: &'t Key) -> impl Iterator<Item = (&'t Key, &'t Load)> {
        self.loads.iter().filter(move |(key, l)| *key != service && l.services.contains(service))
    }
    /// Everybody who calls a node, directly or over others, nearest first, each with its distance.
    pub fn hurt_by(&self, key: &Key) -> Vec<(usize, &Key)> {
        // In a large mesh most call most over others: every call is looked at once.
        let mut callers_of: FxHashMap<&Key, Vec<&Key>> = FxHashMap::default();
        for call in &self.calls {
            callers_of.entry(&call.to).or_default().push(&call.from);
        }
        let mut found: Vec<(usize, &Key)> = Vec::new();
        let mut seen: FxHashSet<&Key> = [key].into_iter().collect();
        let mut next: Vec<&Key> = vec![key];
        for distance in 1.. {
            let mut callers: Vec<&Key> = next.iter().filter_map(|k| callers_of.get(*k)).flatten().copied().filter(|caller| seen.insert(caller)).collect();
            if callers.is_empty() {
                break;
            }
            callers.sort_unstable();
            found.extend(callers.iter().map(|c| (distance, *c)));
            next = callers;
        }
        found
    }
}
