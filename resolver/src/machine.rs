//! Workloads outside Kubernetes: WorkloadEntries, and the WorkloadGroups that make them when a machine registers.

use crate::labels::Selector;
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;

/// A machine, or the machines that a group will make.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    pub object: &'a Object,
    /// Labels by place, the one that wins first: of an entry its metadata's, then its own; of a group those of its
    /// entries' metadata, then of their template.
    labels: [Option<Node<'a>>; 2],
    account: &'a str,
}

impl<'a> Machine<'a> {
    fn new(object: &'a Object) -> Option<Machine<'a>> {
        let (labels, entry): (_, &[&str]) = match object.kind {
            Kind::WorkloadEntry => ([object.at(&["metadata", "labels"]), object.spec_at(&["labels"])], &[]),
            Kind::WorkloadGroup => ([object.spec_at(&["metadata", "labels"]), object.spec_at(&["template", "labels"])], &["template"]),
            _ => return None,
        };
        let account = object.spec_at(entry).map_or("", |e| e.text_of("serviceAccount"));
        Some(Machine { object, labels, account: if account.is_empty() { "default" } else { account } })
    }
    pub fn label(&self, key: &str) -> Option<&'a str> {
        self.labels.iter().flatten().find_map(|l| l.get(key)).map(Node::text)
    }
    /// What a selector finds.
    pub fn is_picked(&self, selector: &Selector<'a>) -> bool {
        selector.matches(|key| self.label(key))
    }
}

/// All machines by namespace, in input order.
#[derive(Debug, Default)]
pub struct Machines<'a> {
    by_namespace: FxHashMap<&'a str, Vec<Machine<'a>>>,
}

impl<'a> Machines<'a> {
    pub fn new(objects: &[&'a Object]) -> Machines<'a> {
        let mut this = Machines::default();
        for machine in objects.iter().filter_map(|o| Machine::new(o)) {
            this.by_namespace.entry(machine.object.namespace()).or_default().push(machine);
        }
        this
    }
    pub fn in_namespace<'s>(&'s self, namespace: &str) -> impl Iterator<Item = &'s Machine<'a>> {
        self.by_namespace.get(namespace).into_iter().flatten()
    }
    /// Whether a selector picks one, in one namespace or (`None`) in any.
    pub fn any(&self, namespace: Option<&str>, selector: &Selector<'a>) -> bool {
        match namespace {
            Some(ns) => self.in_namespace(ns).any(|m| m.is_picked(selector)),
            None => self.by_namespace.values().flatten().any(|m| m.is_picked(selector)),
        }
    }
    /// Whether a machine of the namespace runs as this service account.
    pub fn run_as(&self, namespace: &str, account: &str) -> bool {
        self.in_namespace(namespace).any(|m| m.account == account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Source};

    #[test]
    fn labels_of_the_metadata_win_over_those_of_the_machine() {
        let text = "
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop, labels: {app: cart}}
spec: {address: 10.0.0.1, labels: {app: other, version: v1}, serviceAccount: vms}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms, namespace: shop, labels: {app: not-this}}
spec: {metadata: {labels: {app: till}}, template: {labels: {zone: a}}}
";
        let manifest = read_manifest(&Source::new("", text), Role::Judged, 0, Limits::default());
        let objects: Vec<&Object> = manifest.objects.iter().collect();
        let machines = Machines::new(&objects);
        let picks = |pairs: &[(&'static str, &'static str)]| {
            let selector = Selector { pairs: pairs.to_vec(), expressions: None };
            (machines.any(Some("shop"), &selector), machines.any(Some("web"), &selector), machines.any(None, &selector))
        };
        assert_eq!(picks(&[("app", "cart"), ("version", "v1")]), (true, false, true));
        assert_eq!(picks(&[("app", "till"), ("zone", "a")]), (true, false, true));
        assert_eq!(picks(&[("app", "other")]), (false, false, false));
        assert_eq!(picks(&[("app", "not-this")]), (false, false, false));
        assert!(machines.run_as("shop", "vms") && !machines.run_as("web", "vms"));
    }
}
