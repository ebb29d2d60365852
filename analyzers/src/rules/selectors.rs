//! Objects that select workloads of their namespace: those that select none, and those that select the same.

use crate::codes::Code;
use crate::rule::{Context, NotJudged, Sink};
use crate::spelling;
use mesh_model::{Node, Object};
use mesh_resolver::{Place, Selector};
use std::collections::BTreeMap;

/// Which objects select a workload, by the workload's id.
#[derive(Default)]
pub struct Selected<'a> {
    by_workload: BTreeMap<u32, Vec<&'a Object>>,
}

impl<'a> Selected<'a> {
    /// Notes what an object selects; false when nothing is known that it could be.
    pub fn add(&mut self, cx: &Context<'a>, object: &'a Object, labels: Node<'a>) -> bool {
        let selector = Selector::from_map(Some(labels));
        let ids = cx.mesh.workloads.matching_ids(Some(object.namespace()), &selector);
        for id in &ids {
            self.by_workload.entry(*id).or_default().push(object);
        }
        !ids.is_empty() || cx.mesh.picks(Some(object.namespace()), &selector)
    }
    pub fn all(&self) -> impl Iterator<Item = (u32, &[&'a Object])> {
        self.by_workload.iter().map(|(id, list)| (*id, list.as_slice()))
    }
    /// Workloads that several objects select.
    pub fn conflicts(&self) -> impl Iterator<Item = (u32, &[&'a Object])> {
        self.all().filter(|(_, list)| list.len() > 1)
    }
}

/// Reports a selector that picks no workload of the object's namespace.
pub fn none_selected<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, code: &'static Code, object: &'a Object, labels: Node<'a>, reason: NotJudged) {
    let namespace = object.namespace();
    let selector = Selector::from_map(Some(labels));
    if !cx.mesh.owns(object, Place::Workloads(namespace)) || cx.mesh.may_pick(object, Some(namespace), &selector) {
        sink.not_judged(reason);
        return;
    }
    let shown = selector.display();
    let finding =
        sink.report(code, object, labels, format!("selector `{shown}` picks no workload of namespace `{namespace}`: the {} has no effect", object.kind_name()));
    let near = labels.entries().find_map(|(key, value)| {
        let known = cx.mesh.workloads.in_namespace(namespace).filter_map(|w| w.label(key.text()));
        spelling::nearest(value.text(), known).map(|near| format!("`{}: {near}`", key.text()))
    });
    finding.help(match near {
        Some(near) => format!("did you mean {near}?"),
        None => "correct the labels, or remove the object".to_owned(),
    });
}
