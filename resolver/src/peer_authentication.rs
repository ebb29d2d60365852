//! Which mTLS mode a workload serves with (ComposePeerAuthentication of istiod).

use crate::labels::Selector;
use crate::workload::Workload;
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtlsMode {
    Strict,
    Permissive,
    Disable,
}

impl fmt::Display for MtlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MtlsMode::Strict => "STRICT",
            MtlsMode::Permissive => "PERMISSIVE",
            MtlsMode::Disable => "DISABLE",
        })
    }
}

fn mode(mtls: Option<Node<'_>>) -> Option<MtlsMode> {
    match mtls?.text_of("mode") {
        "STRICT" => Some(MtlsMode::Strict),
        "PERMISSIVE" => Some(MtlsMode::Permissive),
        "DISABLE" => Some(MtlsMode::Disable),
        _ => None,
    }
}

/// The mode of a policy's own, not that of a port; `None` where it inherits.
pub fn own_mode(policy: &Object) -> Option<MtlsMode> {
    mode(policy.spec_at(&["mtls"]))
}

/// A mode and the policy that sets it; none for the default.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'a> {
    pub mode: MtlsMode,
    pub policy: Option<&'a Object>,
}

/// Where a policy writes the mode that is in force at a port.
pub fn mode_node(policy: &Object, port: u16) -> Node<'_> {
    // Of whole namespaces and the mesh no settings of ports count.
    let selects = policy.spec_at(&["selector", "matchLabels"]).is_some_and(|l| !l.is_empty());
    let of_port = policy.spec_at(&["portLevelMtls"]).filter(|_| selects).and_then(|p| p.get(&port.to_string())?.get("mode"));
    of_port.or_else(|| policy.spec_at(&["mtls", "mode"])).unwrap_or(policy.name_node())
}

/// The PeerAuthentications of a snapshot by scope, the oldest of each first.
#[derive(Debug, Default)]
pub struct PeerAuthentications<'a> {
    whole: FxHashMap<&'a str, &'a Object>,
    selecting: FxHashMap<&'a str, Vec<(&'a Object, Selector<'a>)>>,
    root: &'a str,
}

impl<'a> PeerAuthentications<'a> {
    pub fn new(objects: &[&'a Object], root_namespace: &'a str) -> PeerAuthentications<'a> {
        let mut all: Vec<&Object> = objects.iter().copied().filter(|o| o.kind == Kind::PeerAuthentication).collect();
        // Without a time of creation, the name decides; so does istiod among objects of one instant.
        all.sort_by_key(|o| (o.creation(), o.name()));
        let mut this = PeerAuthentications { root: root_namespace, ..PeerAuthentications::default() };
        for object in all {
            let selector = Selector::from_map(object.spec_at(&["selector", "matchLabels"]));
            if selector.is_empty() {
                this.whole.entry(object.namespace()).or_insert(object);
            } else if object.namespace() != root_namespace {
                // A selector in the root namespace has no effect.
                this.selecting.entry(object.namespace()).or_default().push((object, selector));
            }
        }
        this
    }

    /// The mode of the namespace: its own policy, else the mesh's, else PERMISSIVE.
    pub fn of_namespace(&self, namespace: &str) -> Effective<'a> {
        for ns in [namespace, self.root] {
            if let Some(policy) = self.whole.get(ns)
                && let Some(mode) = mode(policy.spec_at(&["mtls"]))
            {
                return Effective { mode, policy: Some(policy) };
            }
        }
        Effective { mode: MtlsMode::Permissive, policy: None }
    }

    /// The mode of a workload at a port of its own (a target port); `None` for the port asks for the workload's.
    pub fn of_workload(&self, w: &Workload<'a>, port: Option<u16>) -> Effective<'a> {
        self.of_labels(w.namespace, |k| w.label(k), port)
    }

    /// The same for whatever has these labels.
    pub fn of_labels<'l>(&self, namespace: &str, label: impl Fn(&str) -> Option<&'l str>, port: Option<u16>) -> Effective<'a> {
        if let Some(policy) = self.selecting_one(namespace, label) {
            let of_port = port.and_then(|p| policy.spec_at(&["portLevelMtls"])?.get(&p.to_string()));
            if let Some(mode) = mode(of_port).or_else(|| mode(policy.spec_at(&["mtls"]))) {
                return Effective { mode, policy: Some(policy) };
            }
        }
        self.of_namespace(namespace)
    }

    /// The ports that the policy of a workload sets a mode for.
    pub fn ports_of<'l>(&self, namespace: &str, label: impl Fn(&str) -> Option<&'l str>) -> Vec<u16> {
        let ports = self.selecting_one(namespace, label).and_then(|p| p.spec_at(&["portLevelMtls"]));
        ports.into_iter().flat_map(Node::entries).filter_map(|(port, _)| port.text().parse().ok()).collect()
    }

    /// The oldest policy that selects something with these labels.
    fn selecting_one<'l>(&self, namespace: &str, label: impl Fn(&str) -> Option<&'l str>) -> Option<&'a Object> {
        let picks = |s: &Selector<'a>| s.pairs.iter().all(|(k, v)| label(k) == Some(*v));
        self.selecting.get(namespace)?.iter().find(|(_, s)| picks(s)).map(|(policy, _)| *policy)
    }
}
