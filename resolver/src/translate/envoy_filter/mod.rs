//! EnvoyFilters: patches of what istiod makes, taken in the order and with the rules of istiod. What can't be applied as it
//! would be there is left out, and named with its object and place.
//!
//! Facts: istio/istio, pilot/pkg/networking/core/envoyfilter and pilot/pkg/model (`push_context.go`, `envoyfilter.go`).

mod access;
mod clusters;
mod listeners;
mod lists;
mod merge;
mod patch;
mod routes;
mod value;

pub use access::may_change_access;

use super::not_judged::{self, NotJudged};
use super::proxy::ProxyKind;
use super::{Context, Effect, Model, Origin, Proxy, Translation};
use merge::Lists;
use mesh_model::{Kind, Node, Object};
use patch::{ApplyTo, Operation, Patch, Reason, Side};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The EnvoyFilters of a proxy in the order in which they are applied: by priority, the root namespace's first, the oldest
/// first.
fn in_order<'a>(model: &Model<'_, 'a>, proxy: &Proxy) -> Vec<&'a Object> {
    let root = model.mesh.config.root_namespace();
    let mut out = model.policies_for(Kind::EnvoyFilter, proxy);
    let priority = |o: &Object| o.spec_at(&["priority"]).and_then(Node::int).unwrap_or(0);
    out.sort_by_key(|o| (priority(o), o.namespace() != root, o.creation(), format!("{}.{}", o.name(), o.namespace())));
    out
}

fn patches<'a>(object: &'a Object) -> impl Iterator<Item = Node<'a>> {
    object.spec().into_iter().flat_map(|s| s.list("configPatches"))
}

/// Whether an EnvoyFilter asks for versions or metadata of proxies: those that are alike otherwise may differ by it.
pub fn asks_for_proxies(object: &Object) -> bool {
    patches(object).any(|p| p.at(&["match", "proxy"]).is_some())
}

/// Whether any is for a proxy. What a waypoint holds is made whole, with them.
pub fn is_patched(model: &Model<'_, '_>, proxy: &Proxy) -> bool {
    proxy.kind != ProxyKind::Waypoint && !model.policies_for(Kind::EnvoyFilter, proxy).is_empty()
}

/// Whether a proxy's routes are patched.
pub fn patches_routes(cx: &Context<'_, '_>) -> bool {
    let of_routes = |p: Node<'_>| matches!(p.text_of("applyTo"), "ROUTE_CONFIGURATION" | "VIRTUAL_HOST" | "HTTP_ROUTE");
    cx.policies(Kind::EnvoyFilter).into_iter().any(|o| patches(o).any(of_routes))
}

/// Applies all that are for the proxy, and names what is not applied.
pub fn apply<'a>(cx: &Context<'_, 'a>, out: &mut Translation<'a>) {
    let mut run = Run { patches: Vec::new(), left_out: RefCell::default() };
    let mut left_out: Vec<NotJudged<'a>> = Vec::new();
    for object in in_order(cx.model, &cx.proxy) {
        for node in patches(object) {
            match Patch::read(object, node, &cx.proxy) {
                None => {}
                Some(Ok(patch)) => run.patches.push(patch),
                Some(Err(reason)) => left_out.push(named(object, &reason)),
            }
        }
    }
    if !run.patches.is_empty() {
        clusters::apply(&run, cx, &mut out.clusters);
        routes::apply(&run, cx, &mut out.routes);
        let has_own_routes = |chain: &str| out.inline_routes.contains_key(chain);
        listeners::apply(&run, cx, &mut out.listeners, &has_own_routes);
    }
    for (i, reason) in run.left_out.into_inner() {
        left_out.push(named(run.patches[i].object, &reason));
    }
    out.not_judged.append(&mut left_out);
    not_judged::in_order(&mut out.not_judged);
}

fn named<'a>(object: &'a Object, reason: &Reason<'a>) -> NotJudged<'a> {
    let path = crate::mesh::Mesh::path(object, reason.node);
    NotJudged { origin: Some(Origin { object, node: reason.node }), what: format!("`{path}` is not applied: {}", reason.what).into(), effect: Effect::Traffic }
}

/// The patches for one proxy, and which of them could not be applied where they match.
struct Run<'a> {
    patches: Vec<Patch<'a>>,
    left_out: RefCell<BTreeMap<usize, Reason<'a>>>,
}

impl<'a> Run<'a> {
    fn of(&self, apply_to: ApplyTo) -> impl Iterator<Item = (usize, &Patch<'a>)> {
        self.patches.iter().enumerate().filter(move |(_, p)| p.apply_to == apply_to)
    }
    fn has(&self, kinds: &[ApplyTo], side: Side) -> bool {
        self.patches.iter().any(|p| kinds.contains(&p.apply_to) && p.is_for(side))
    }
    fn leave_out(&self, i: usize, reason: Reason<'a>) {
        self.left_out.borrow_mut().entry(i).or_insert(reason);
    }
    /// The value of a patch that matches; null for one without. One that is not known is named.
    fn value(&self, i: usize) -> Option<&Value> {
        match &self.patches[i].value {
            Ok(value) => Some(value),
            Err(reason) => {
                self.leave_out(i, reason.clone());
                None
            }
        }
    }
    /// The same as a message.
    fn message<M: DeserializeOwned>(&self, i: usize) -> Option<M> {
        serde_json::from_value(self.value(i)?.clone()).ok()
    }
    /// Whether a patch that matches removes what it matches. One that is for this proxy or not, which is not known, is named.
    fn removes(&self, i: usize) -> bool {
        self.patches[i].operation == Operation::Remove && self.value(i).is_some()
    }
    /// Merges a patch's value into a message; whether that was done.
    fn merge<M: Serialize + DeserializeOwned>(&self, i: usize, message: &mut M, lists: Lists) -> bool {
        let Some(value) = self.value(i) else { return false };
        match merge::merged(message, value, lists) {
            Some(merged) => *message = merged,
            None => self.leave_out(i, Reason { node: self.patches[i].node, what: "the outcome is no message that meshctl knows".to_owned() }),
        }
        true
    }
    /// Merges the configuration of a patch's filter or transport socket into another; the merged one.
    fn merge_any(&self, i: usize, target: &mesh_envoy::api::Any, patch: &Value) -> Option<mesh_envoy::api::Any> {
        let merged = serde_json::to_value(target).ok().and_then(|t| merge::any(&t, patch)).and_then(|v| serde_json::from_value(v).ok());
        if merged.is_none() {
            let what = "its configuration is of another type than the one that it is merged into";
            self.leave_out(i, Reason { node: self.patches[i].node, what: what.to_owned() });
        }
        merged
    }
}

/// Adds where something comes from, once an object and place.
fn add_origin<'a>(list: &mut Vec<Origin<'a>>, origin: Origin<'a>) {
    if list.iter().all(|o| !std::ptr::eq(o.object, origin.object) || o.node.id() != origin.node.id()) {
        list.push(origin);
    }
}
