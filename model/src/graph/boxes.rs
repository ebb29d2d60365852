//! Boxes around nodes of one app, namespace or cluster, and the hashes that are ids of nodes.

use super::build::Graph;
use super::health::Health;
use super::names::{EMPTY, Name, UNKNOWN, is_known};
use super::options::{BoxBy, GraphType, Options};
use super::traffic::Node;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A SHA-256 in hexadecimal.
pub(super) type Hash = [u8; 64];

/// The hash of some bytes, given in parts.
pub(super) fn hash(parts: &[&[u8]]) -> Hash {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut sha = Sha256::new();
    parts.iter().for_each(|part| sha.update(part));
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(sha.finalize()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

pub(super) enum Member {
    Node(usize),
    Box(usize),
}

pub(super) struct NodeBox {
    pub by: BoxBy,
    pub id: Hash,
    pub cluster: Name,
    pub namespace: Name,
    pub app: Name,
    pub members: Vec<Member>,
    /// Out of the mesh, inaccessible, outside.
    pub marks: (bool, bool, bool),
    pub health: Option<Health>,
}

impl BoxBy {
    pub(super) fn rank(self) -> u8 {
        match self {
            BoxBy::Cluster => 0,
            BoxBy::Namespace => 1,
            BoxBy::App => 2,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            BoxBy::Cluster => "cluster",
            BoxBy::Namespace => "namespace",
            BoxBy::App => "app",
        }
    }
}

/// Boxes have two members at least; those of namespaces and clusters are drawn only where there are several.
pub(super) fn boxes(graph: &Graph, options: &Options) -> Vec<NodeBox> {
    let mut boxes: Vec<NodeBox> = Vec::new();
    let mut is_boxed = vec![false; graph.nodes.len()];
    let text = |name: Name| graph.names.text(name);
    if options.box_by.contains(&BoxBy::App) || matches!(options.graph_type, GraphType::App | GraphType::VersionedApp) {
        let mut found: BTreeMap<(Name, Name, Name), Vec<usize>> = BTreeMap::new();
        for (index, node) in graph.nodes.iter().enumerate().filter(|(_, n)| is_known(n.app)) {
            found.entry((node.cluster, node.namespace, node.app)).or_default().push(index);
        }
        for ((cluster, namespace, app), members) in found.into_iter().filter(|(_, m)| m.len() > 1) {
            let marked = |f: fn(&Node) -> bool| members.iter().any(|m| f(&graph.nodes[*m]));
            boxes.push(NodeBox {
                by: BoxBy::App,
                id: hash(&[format!("box_{}_{}_{}", text(cluster), text(namespace), text(app)).as_bytes()]),
                cluster,
                namespace,
                app,
                marks: (marked(|n| n.marks.is_out_of_mesh), marked(|n| n.marks.is_inaccessible), marked(|n| n.marks.is_outside)),
                health: app_health(graph, &members),
                members: members.iter().map(|m| Member::Node(*m)).collect(),
            });
            members.iter().for_each(|m| is_boxed[*m] = true);
        }
    }
    for by in [BoxBy::Namespace, BoxBy::Cluster] {
        if !options.box_by.contains(&by) {
            continue;
        }
        let place = |cluster: Name, namespace: Name| match by {
            BoxBy::Namespace => (cluster, namespace, namespace != UNKNOWN),
            _ => (cluster, EMPTY, cluster != UNKNOWN),
        };
        let mut found: BTreeMap<(Name, Name), Vec<Member>> = BTreeMap::new();
        for (index, node) in graph.nodes.iter().enumerate().filter(|(i, _)| !is_boxed[*i]) {
            let (cluster, namespace, is_place) = place(node.cluster, node.namespace);
            if is_place {
                found.entry((cluster, namespace)).or_default().push(Member::Node(index));
            }
        }
        let inner: BTreeSet<usize> = boxes.iter().flat_map(|b| &b.members).filter_map(|m| if let Member::Box(i) = m { Some(*i) } else { None }).collect();
        for (index, one) in boxes.iter().enumerate().filter(|(i, _)| !inner.contains(i)) {
            let (cluster, namespace, is_place) = place(one.cluster, one.namespace);
            if is_place {
                found.entry((cluster, namespace)).or_default().push(Member::Box(index));
            }
        }
        if found.len() < 2 {
            continue;
        }
        for ((cluster, namespace), members) in found.into_iter().filter(|(_, m)| m.len() > 1) {
            let id = match by {
                BoxBy::Namespace => format!("box_{}_{}", text(cluster), text(namespace)),
                _ => format!("box_{}", text(cluster)),
            };
            for member in &members {
                if let Member::Node(index) = member {
                    is_boxed[*index] = true;
                }
            }
            boxes.push(NodeBox { by, id: hash(&[id.as_bytes()]), cluster, namespace, app: EMPTY, members, marks: (false, false, false), health: None });
        }
    }
    boxes
}

/// The health of an app: of its versions' requests together.
fn app_health(graph: &Graph, members: &[usize]) -> Option<Health> {
    let mut whole: Option<Health> = None;
    for health in members.iter().filter_map(|m| graph.nodes[*m].health.as_deref()).filter(|h| h.calculated.is_some()) {
        let whole = whole.get_or_insert_with(Health::default);
        for (mine, theirs) in [(&mut whole.inbound, &health.inbound), (&mut whole.outbound, &health.outbound)] {
            for (protocol, codes) in theirs {
                let mine = mine.entry(protocol.clone()).or_default();
                codes.iter().for_each(|(code, v)| *mine.entry(code.clone()).or_default() += v);
            }
        }
        whole.replicas.extend(health.replicas.iter().cloned());
    }
    whole.map(|mut health| {
        health.calculate(&super::health::default_tolerances());
        health
    })
}
