//! ## MSH0122 DelegateNotFound (Warning)
//!
//! **What it checks.** A route's `delegate` is a VirtualService that exists, has no hosts of its own, and is exported to
//! the namespace of the VirtualService that delegates.
//!
//! **Why it matters.** A route whose delegate can not be used is dropped without a word: its requests take a later route
//! or get 404. It is an Error where no later route is there to take them.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: edge}
//! spec: {hosts: [shop.example.com], http: [{match: [{uri: {prefix: /cart}}], delegate: {name: cart, namespace: shop}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: edge}
//! spec: {hosts: [shop.example.com], http: [{match: [{uri: {prefix: /cart}}], delegate: {name: cart, namespace: shop}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: shop}
//! spec: {http: [{directResponse: {status: 204}}]}
//! ```
//!
//! ## MSH0123 DelegateNested (Warning)
//!
//! **What it checks.** A delegate delegates again, to another VirtualService or back to where it came from.
//!
//! **Why it matters.** Istio resolves one level. The inner route leads nowhere.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: edge}
//! spec: {hosts: [shop.example.com], http: [{delegate: {name: cart}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: edge}
//! spec: {http: [{match: [{uri: {prefix: /cart}}], delegate: {name: pay}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: pay, namespace: edge}
//! spec: {http: [{match: [{uri: {prefix: /cart}}], delegate: {name: cart}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: edge}
//! spec: {hosts: [shop.example.com], http: [{match: [{uri: {prefix: /cart}}], delegate: {name: cart}}, {delegate: {name: pay}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: edge}
//! spec: {http: [{directResponse: {status: 204}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: pay, namespace: edge}
//! spec: {http: [{directResponse: {status: 204}}]}
//! ```

use super::destination::export_to;
use crate::codes::{MSH0122, MSH0123};
use crate::finding::Level;
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::Place;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let default = cx.mesh.config.default_export_to("defaultVirtualServiceExportTo");
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        let mut rules = object.spec().into_iter().flat_map(|s| s.list("http")).peekable();
        while let Some(rule) = rules.next() {
            let Some(delegate) = rule.get("delegate").filter(|d| d.is_mapping()) else { continue };
            if is_root(object) {
                judge(cx, sink, object, delegate, &default, rules.peek().is_none());
            } else {
                nested(cx, sink, object, delegate);
            }
        }
    }
}

fn is_root(object: &Object) -> bool {
    object.spec_at(&["hosts"]).is_some_and(|h| !h.is_empty())
}

fn target<'a>(object: &'a Object, delegate: Node<'a>) -> (&'a str, &'a str) {
    let ns = delegate.text_of("namespace");
    (if ns.is_empty() { object.namespace() } else { ns }, delegate.text_of("name"))
}

fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, delegate: Node<'a>, default: &[&'a str], last: bool) {
    let (ns, name) = target(object, delegate);
    let at = delegate.get("name").unwrap_or(delegate);
    let level = if last { Level::Error } else { Level::Warning };
    let effect = if last { "the route is dropped and its requests get 404" } else { "the route is dropped and its requests take a later one" };
    let Some(found) = cx.mesh.find(Kind::VirtualService, ns, name) else {
        let place = Place::Objects(Kind::VirtualService, ns);
        let m = Missing { code: &MSH0122, object, at, what: "delegate", value: name, place, reason: NotJudged::ObjectOutside };
        let before = sink.findings.len();
        let candidates = cx.mesh.objects_in(Kind::VirtualService, ns).iter().filter(|o| !is_root(o)).map(|o| o.name());
        missing(cx, sink, &m, format!("delegate `{ns}/{name}` does not exist: {effect}"), candidates);
        if let Some(finding) = sink.findings.get_mut(before).filter(|f| f.code == &MSH0122) {
            finding.level(level);
        }
        return;
    };
    if is_root(found) {
        sink.report_at_level(level, &MSH0122, object, at, format!("delegate `{ns}/{name}` has hosts of its own and can be no delegate: {effect}"))
            .help("remove `hosts` from the delegate")
            .related(found, found.spec_at(&["hosts"]).unwrap_or(found.name_node()), "its hosts");
    } else if !export_to(found, default).visible_to(found.namespace(), object.namespace()) {
        sink.report_at_level(level, &MSH0122, object, at, format!("delegate `{ns}/{name}` is not exported to namespace `{}`: {effect}", object.namespace()))
            .help(format!("add `{}` to its `exportTo`", object.namespace()))
            .related(found, found.spec_at(&["exportTo"]).unwrap_or(found.name_node()), "exported to");
    }
}

fn nested<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, delegate: Node<'a>) {
    let (ns, name) = target(object, delegate);
    let at = delegate.get("name").unwrap_or(delegate);
    let cyclic = leads_back(cx, object, delegate);
    let message = if cyclic {
        format!("delegate `{ns}/{name}` leads back to this VirtualService, and a delegate can not delegate: the route leads nowhere")
    } else {
        format!("this VirtualService is a delegate itself (it has no hosts) and can not delegate to `{ns}/{name}`: the route leads nowhere")
    };
    let finding = sink.report(&MSH0123, object, at, message);
    finding.help("delegate from the VirtualService that has the hosts");
    if let Some(other) = cx.mesh.find(Kind::VirtualService, ns, name) {
        finding.related(other, other.name_node(), "the inner delegate");
    }
}

/// Follows first delegates for some steps.
fn leads_back<'a>(cx: &Context<'a>, object: &'a Object, delegate: Node<'a>) -> bool {
    let (mut from, mut at) = (object, delegate);
    for _ in 0..8 {
        let (ns, name) = target(from, at);
        let Some(next) = cx.mesh.find(Kind::VirtualService, ns, name) else { return false };
        if std::ptr::eq(next, object) {
            return true;
        }
        let Some(inner) = next.spec().and_then(|s| s.list("http").find_map(|r| r.get("delegate"))) else { return false };
        (from, at) = (next, inner);
    }
    false
}
