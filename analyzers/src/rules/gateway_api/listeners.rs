//! Listeners of a Gateway or a ListenerSet, and what they let in.

use super::refs::{GROUP, Ref};
use crate::rule::Context;
use mesh_model::{Kind, Node, Object};
use mesh_resolver::Selector;

/// A listener, of a Gateway or a ListenerSet.
#[derive(Clone, Copy)]
pub struct Listener<'a> {
    pub node: Node<'a>,
    pub owner: &'a Object,
}

pub fn listeners_of(owner: &Object) -> impl Iterator<Item = Listener<'_>> {
    owner.spec().into_iter().flat_map(|s| s.list("listeners")).filter(|l| l.is_mapping()).map(move |node| Listener { node, owner })
}

impl<'a> Listener<'a> {
    pub fn name(&self) -> &'a str {
        self.node.text_of("name")
    }
    /// "" where it takes every host.
    pub fn hostname(&self) -> &'a str {
        self.node.text_of("hostname")
    }
    pub fn protocol(&self) -> &'a str {
        self.node.text_of("protocol")
    }
    pub fn port(&self) -> Option<i64> {
        self.node.get("port").and_then(Node::int)
    }
    /// The kinds of routes that its protocol can carry; `None` for a protocol that the Gateway API does not define.
    pub fn kinds_of_protocol(&self) -> Option<&'static [&'static str]> {
        Some(match self.protocol() {
            "HTTP" | "HTTPS" => &["HTTPRoute", "GRPCRoute"],
            "TLS" if self.node.at(&["tls", "mode"]).is_some_and(|m| m.text() == "Passthrough") => &["TLSRoute"],
            "TLS" => &["TLSRoute", "TCPRoute"],
            "TCP" => &["TCPRoute"],
            "UDP" => &["UDPRoute"],
            _ => return None,
        })
    }
    /// Whether it takes routes of a kind.
    pub fn takes_kind(&self, kind: &str) -> bool {
        let mut kinds = self.node.at(&["allowedRoutes", "kinds"]).into_iter().flat_map(Node::items).peekable();
        let listed = kinds.peek().is_none() || kinds.any(|k| k.text_of("kind") == kind && k.get("group").is_none_or(|g| g.text() == GROUP));
        listed && self.kinds_of_protocol().is_none_or(|kinds| kinds.contains(&kind))
    }
    /// Whether it takes routes of a namespace, `None` where that is not known.
    pub fn takes_namespace(&self, cx: &Context<'_>, namespace: &str) -> Option<bool> {
        admits(cx, self.node.at(&["allowedRoutes", "namespaces"]), "Same", self.owner.namespace(), namespace)
    }
}

/// Whether `from` and `selector` let a namespace in; `default` is what an absent `from` means. `None` where the
/// namespace's labels are not known.
pub fn admits(cx: &Context<'_>, namespaces: Option<Node<'_>>, default: &str, own: &str, namespace: &str) -> Option<bool> {
    let from = namespaces.map(|n| n.text_of("from")).filter(|f| !f.is_empty()).unwrap_or(default);
    match from {
        "All" => Some(true),
        "Same" => Some(own == namespace),
        "None" => Some(false),
        "Selector" => {
            let Some(node) = namespaces.and_then(|n| n.get("selector")) else { return Some(true) };
            let selector = Selector::from_label_selector(Some(node));
            let object = cx.mesh.find(Kind::Namespace, "", namespace);
            const NAME: &str = "kubernetes.io/metadata.name";
            let by_name =
                selector.pairs.iter().all(|(k, _)| *k == NAME) && selector.expressions.is_none_or(|list| list.items().all(|e| e.text_of("key") == NAME));
            if object.is_none() && !by_name && !cx.mesh.is_complete() {
                return None;
            }
            Some(selector.matches(|key| if key == NAME { Some(namespace) } else { object.and_then(|o| o.label(key)) }))
        }
        _ => None,
    }
}

/// The Gateway of a Gateway or a ListenerSet.
pub fn gateway_of<'a>(cx: &Context<'a>, owner: &'a Object) -> Option<&'a Object> {
    if owner.kind == Kind::K8sGateway {
        return Some(owner);
    }
    let r = Ref::new(owner.spec_at(&["parentRef"])?, GROUP, "Gateway", owner)?;
    if r.known_kind() == Kind::K8sGateway { cx.mesh.find(Kind::K8sGateway, r.namespace, r.name) } else { None }
}

/// The classes that Istio brings.
const CLASSES: [&str; 4] = ["istio", "istio-remote", "istio-waypoint", "istio-east-west"];

/// Whether Istio is known to implement a Gateway.
pub fn is_istio(cx: &Context<'_>, gateway: &Object) -> bool {
    let class = gateway.spec().map_or("", |s| s.text_of("gatewayClassName"));
    match cx.mesh.find(Kind::GatewayClass, "", class) {
        Some(class) => class.spec().is_some_and(|s| s.text_of("controllerName").starts_with("istio.io/")),
        None => CLASSES.contains(&class),
    }
}
