//! Which namespaces a control plane watches: `discoverySelectors` of the mesh configuration. Of any other namespace istiod reads
//! nothing, so that its services, workloads and configuration are not there for any proxy
//! (<https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig>, `pkg/kube/namespace/filter.go`).

use crate::labels::Selector;
use crate::mesh_config::MeshConfig;
use mesh_envoy::matcher::Truth;
use mesh_model::{Kind, Node, Object, Role, Snapshot};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// The label that every Namespace is given, with its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The selectors of a mesh configuration, and the labels that they are asked of.
#[derive(Debug, Default)]
pub struct Watch<'a> {
    /// One of them has to match. Without any everything is watched.
    selectors: Vec<Selector<'a>>,
    namespaces: FxHashMap<(u16, &'a str), &'a Object>,
}

/// What is left out, and what may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut<'a> {
    /// Namespaces that no selector matches, with the number of their objects in the input.
    pub unwatched: BTreeMap<&'a str, usize>,
    /// Namespaces that have objects in the input, and a Namespace that is not: nobody knows its labels. Their objects count.
    pub unknown: BTreeMap<&'a str, usize>,
}

impl<'a> Watch<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Watch<'a> {
        let config = MeshConfig::new(snapshot.mesh_config.as_ref().map(Object::root));
        let Some(list) = config.at(&["discoverySelectors"]) else { return Watch::default() };
        // With one that can't be read istiod has none at all.
        let Some(selectors) = list.items().map(selector).collect::<Option<Vec<_>>>() else { return Watch::default() };
        if selectors.is_empty() {
            return Watch::default();
        }
        let is_seen = |o: &&Object| o.kind == Kind::Namespace && o.role != Role::Assumed;
        Watch { selectors, namespaces: snapshot.objects.iter().filter(is_seen).map(|o| ((o.cluster, o.name()), o)).collect() }
    }

    /// Whether all namespaces are watched, whatever they are.
    pub fn is_everything(&self) -> bool {
        self.selectors.is_empty()
    }

    /// Whether a namespace of a cluster is watched.
    pub fn namespace(&self, cluster: u16, name: &'a str) -> Truth {
        if self.is_everything() {
            return Truth::Yes;
        }
        let object = self.namespaces.get(&(cluster, name));
        let label = |key: &str| match (key, object) {
            (NAME_LABEL, _) => Some(Some(name)),
            (_, Some(object)) => Some(object.label(key)),
            (_, None) => None,
        };
        self.selectors.iter().map(|s| s.truth(label)).fold(Truth::No, Truth::or)
    }

    /// Whether the control plane sees an object. Namespaces, and what is in none, it always sees.
    pub fn object(&self, object: &'a Object) -> Truth {
        let is_in_one = !self.is_everything() && object.role != Role::Assumed && !object.namespace().is_empty();
        if is_in_one { self.namespace(object.cluster, object.namespace()) } else { Truth::Yes }
    }

    /// What becomes of the objects of a snapshot.
    pub fn left_out(&self, snapshot: &'a Snapshot) -> LeftOut<'a> {
        let mut out = LeftOut::default();
        for object in snapshot.objects.iter().filter(|_| !self.is_everything()) {
            let of = match self.object(object) {
                Truth::Yes => continue,
                Truth::No => &mut out.unwatched,
                Truth::Unknown => &mut out.unknown,
            };
            *of.entry(object.namespace()).or_default() += 1;
        }
        out
    }
}

/// A selector; `None` where Kubernetes would refuse it.
fn selector(node: Node<'_>) -> Option<Selector<'_>> {
    let is_valid = |e: Node<'_>| match e.text_of("operator") {
        "In" | "NotIn" => e.list("values").next().is_some(),
        "Exists" | "DoesNotExist" => e.list("values").next().is_none(),
        _ => false,
    };
    node.list("matchExpressions").all(is_valid).then(|| Selector::from_label_selector(Some(node)))
}
