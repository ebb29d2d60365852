//! The workloads that Gateways select, worked out once a selector.

use crate::rule::Context;
use mesh_model::{Object, Role};
use mesh_resolver::{Selector, Workload};
use rustc_hash::FxHashMap;
use std::rc::Rc;

pub type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// What one selector picks.
pub struct Picked<'a> {
    pub workloads: Vec<&'a Workload<'a>>,
    /// Namespaces of the workloads, sorted.
    pub namespaces: Vec<&'a str>,
}

impl Picked<'_> {
    /// Nothing but the default gateway that is taken to exist.
    pub fn only_assumed(&self) -> bool {
        self.workloads.iter().all(|w| w.object.role == Role::Assumed)
    }
}

#[derive(Default)]
pub struct Cache<'a> {
    by_selector: FxHashMap<Pairs<'a>, Rc<Picked<'a>>>,
}

pub fn selector<'a>(gateway: &'a Object) -> Selector<'a> {
    Selector::from_map(gateway.spec_at(&["selector"]))
}

impl<'a> Cache<'a> {
    pub fn of(&mut self, cx: &Context<'a>, selector: &Selector<'a>) -> Rc<Picked<'a>> {
        if let Some(found) = self.by_selector.get(&selector.pairs) {
            return Rc::clone(found);
        }
        let workloads: Vec<_> = cx.mesh.workloads.matching(None, selector).collect();
        let mut namespaces: Vec<_> = workloads.iter().map(|w| w.namespace).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let picked = Rc::new(Picked { workloads, namespaces });
        self.by_selector.insert(selector.pairs.clone(), Rc::clone(&picked));
        picked
    }
}
