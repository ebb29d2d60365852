//! Rules of a VirtualService that hand their requests on to a delegate which does not count: they vanish from the routes.

use super::virtual_service::{self, HttpMatch, StringMatch};
use super::{Model, Origin, Overlooked};
use crate::ownership::Place;
use mesh_model::{Kind, Node, Object};

/// A rule that vanished.
#[derive(Clone, Debug)]
pub struct LostDelegate<'a> {
    /// Its `delegate`, and why it does not count.
    pub lost: Overlooked<'a>,
    pub rule: Node<'a>,
}

impl<'a> Model<'_, 'a> {
    /// The rules of a VirtualService whose delegates do not count, in the order in which they are written. A delegate of
    /// which some rules count is none of them.
    pub fn lost_delegates(&self, root: &'a Object) -> Vec<LostDelegate<'a>> {
        let rules = root.spec().into_iter().flat_map(|s| s.list("http"));
        rules.filter_map(|rule| self.lost_delegate(root, rule)).collect()
    }

    fn lost_delegate(&self, root: &'a Object, rule: Node<'a>) -> Option<LostDelegate<'a>> {
        let delegate = rule.get("delegate")?;
        let name = delegate.text_of("name");
        let namespace = Some(delegate.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(root.namespace());
        let of = |why: String, change: String, is_unseen: bool| {
            let why = format!("it delegates to {namespace}/{name}, which {why}");
            Some(LostDelegate { lost: Overlooked { origin: Origin { object: root, node: delegate }, why, change, is_unseen }, rule })
        };
        let Some(object) = self.mesh.find(Kind::VirtualService, namespace, name) else {
            return match self.mesh.owns(root, Place::Objects(Kind::VirtualService, namespace)) {
                true => of("does not exist".to_owned(), format!("create VirtualService {namespace}/{name}, or correct the delegate's name"), false),
                false => of("is not in the input".to_owned(), "give its manifest as well".to_owned(), true),
            };
        };
        let written = virtual_service::one(self.mesh, object);
        if !written.hosts.is_empty() {
            return of("has hosts of its own, so that it is no delegate".to_owned(), format!("remove `hosts` from {}", object.origin()), false);
        }
        if !written.is_visible_to(root.namespace()) {
            let to = written.export_to.join(", ");
            return of(format!("is exported to {to} only"), format!("add {} to `exportTo` of {}", root.namespace(), object.origin()), false);
        }
        if !written.http.is_empty() && written.http.iter().all(|r| r.delegate.is_some()) {
            return of("delegates again: that is not followed".to_owned(), "write its routes into the delegate itself".to_owned(), false);
        }
        let own = virtual_service::one(self.mesh, root).http.into_iter().find(|r| r.node.is_some_and(|n| n.id() == rule.id()))?;
        let counts = written.http.iter().any(|r| virtual_service::merge_matches(&own.matches, &r.matches).is_some());
        (!counts)
            .then(|| of("matches nothing that the rule lets through".to_owned(), "make the delegate's matches narrower than the rule's".to_owned(), false))?
    }

    /// Whether a rule of a VirtualService stands before the route that was taken: one of its own, or one of a delegate's,
    /// for which the first rule counts that leads there. Of routes of others it is not told.
    pub fn stands_before(root: &'a Object, rule: Node<'a>, taken: Origin<'a>) -> bool {
        if std::ptr::eq(taken.object, root) {
            return rule.id() < taken.node.id();
        }
        root.spec().and_then(|s| s.list("http").find(|r| leads(root, *r, taken.object))).is_some_and(|first| rule.id() < first.id())
    }

    /// The VirtualServices of a host that hand requests on to a delegate; none where it is no delegate.
    pub fn roots_of(&self, delegate: &Object, host: &str) -> Vec<&'a Object> {
        if delegate.kind != Kind::VirtualService || delegate.spec().is_some_and(|s| s.list("hosts").next().is_some()) {
            return Vec::new();
        }
        let is_for = |o: &Object, h: Node<'_>| crate::host::overlaps(&crate::host::expand(h.text(), o.namespace(), self.mesh.domain), host);
        let is_root = |o: &&'a Object| o.spec().is_some_and(|s| s.list("http").any(|r| leads(o, r, delegate)) && s.list("hosts").any(|h| is_for(o, h)));
        self.mesh.objects(Kind::VirtualService).iter().copied().filter(is_root).collect()
    }

    /// Whether a rule of a VirtualService may take a request, by its path and method; of other conditions nothing is asked.
    pub fn may_take(&self, root: &'a Object, rule: Node<'a>, method: &str, path: &str) -> bool {
        let own = virtual_service::one(self.mesh, root).http.into_iter().find(|r| r.node.is_some_and(|n| n.id() == rule.id()));
        let path = path.split('?').next().unwrap_or(path);
        own.is_some_and(|r| r.matches.is_empty() || r.matches.iter().any(|m| takes(m, method, path)))
    }
}

/// Whether a rule of a VirtualService hands its requests on to a delegate.
fn leads(root: &Object, rule: Node<'_>, delegate: &Object) -> bool {
    let Some(d) = rule.get("delegate") else { return false };
    let namespace = Some(d.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(root.namespace());
    d.text_of("name") == delegate.name() && namespace == delegate.namespace()
}

fn takes(m: &HttpMatch<'_>, method: &str, path: &str) -> bool {
    let of = |wanted: &Option<StringMatch>, text: &str, ignores_case: bool| {
        let fold = |t: &str| if ignores_case { t.to_lowercase() } else { t.to_owned() };
        match wanted {
            Some(StringMatch::Exact(w)) => fold(w) == fold(text),
            Some(StringMatch::Prefix(w)) => fold(text).starts_with(&fold(w)),
            Some(StringMatch::Regex(_) | StringMatch::Present) | None => true,
        }
    };
    of(&m.uri, path, m.ignore_uri_case) && of(&m.method, method, false)
}
