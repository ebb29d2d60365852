//! One patch of an EnvoyFilter: what it is for, what it matches, what it does.

use super::merge::Lists;
use super::value::{self, Fault, json, node_at};
use crate::translate::Origin;
use crate::translate::proxy::Proxy;
use mesh_envoy::api::{cluster::Cluster, hcm::HttpFilter, listener, route};
use mesh_envoy::matcher::re2;
use mesh_model::{Node, Object};
use serde_json::Value;

/// `applyTo`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApplyTo {
    Listener,
    ListenerFilter,
    FilterChain,
    NetworkFilter,
    HttpFilter,
    RouteConfiguration,
    VirtualHost,
    HttpRoute,
    Cluster,
}

const APPLY_TO: &[(&str, ApplyTo)] = &[
    ("LISTENER", ApplyTo::Listener),
    ("LISTENER_FILTER", ApplyTo::ListenerFilter),
    ("FILTER_CHAIN", ApplyTo::FilterChain),
    ("NETWORK_FILTER", ApplyTo::NetworkFilter),
    ("HTTP_FILTER", ApplyTo::HttpFilter),
    ("ROUTE_CONFIGURATION", ApplyTo::RouteConfiguration),
    ("VIRTUAL_HOST", ApplyTo::VirtualHost),
    ("HTTP_ROUTE", ApplyTo::HttpRoute),
    ("CLUSTER", ApplyTo::Cluster),
];

/// `patch.operation`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Merge,
    MergeReplacingLists,
    Add,
    Remove,
    InsertBefore,
    InsertAfter,
    InsertFirst,
    Replace,
}

const OPERATIONS: &[(&str, Operation)] = &[
    ("MERGE", Operation::Merge),
    ("MERGE_AND_REPLACE_LIST", Operation::MergeReplacingLists),
    ("ADD", Operation::Add),
    ("REMOVE", Operation::Remove),
    ("INSERT_BEFORE", Operation::InsertBefore),
    ("INSERT_AFTER", Operation::InsertAfter),
    ("INSERT_FIRST", Operation::InsertFirst),
    ("REPLACE", Operation::Replace),
];

impl Operation {
    /// How it merges; `None` for one that does not.
    pub fn lists(self) -> Option<Lists> {
        match self {
            Operation::Merge => Some(Lists::Append),
            Operation::MergeReplacingLists => Some(Lists::Replace),
            _ => None,
        }
    }
    fn is_insertion(self) -> bool {
        matches!(self, Operation::InsertBefore | Operation::InsertAfter | Operation::InsertFirst)
    }
}

/// Where traffic goes at the patched place: `match.context`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Inbound,
    Outbound,
    Gateway,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Inbound => "SIDECAR_INBOUND",
            Side::Outbound => "SIDECAR_OUTBOUND",
            Side::Gateway => "GATEWAY",
        }
    }
}

/// Why a patch is not applied: the node, and what is not known of it.
#[derive(Clone, Debug)]
pub(super) struct Reason<'a> {
    pub node: Node<'a>,
    pub what: String,
}

#[derive(Debug)]
pub(super) struct Patch<'a> {
    pub object: &'a Object,
    pub node: Node<'a>,
    pub apply_to: ApplyTo,
    pub operation: Operation,
    matching: Option<Node<'a>>,
    /// The message, in the spelling of our types; null where it has none.
    pub value: Result<Value, Reason<'a>>,
    /// `name` of the message as written.
    pub name: &'a str,
}

/// What a proxy's word on itself makes of a patch.
enum ForProxy<'a> {
    Yes,
    No,
    NotKnown(Reason<'a>),
}

impl<'a> Patch<'a> {
    pub fn origin(&self) -> Origin<'a> {
        Origin { object: self.object, node: self.node }
    }

    /// A patch for a proxy; `None` where it does nothing for it. An error for one of a sort that is not applied at all.
    pub fn read(object: &'a Object, node: Node<'a>, proxy: &Proxy) -> Option<Result<Patch<'a>, Reason<'a>>> {
        let patch = node.get("patch")?;
        let matching = node.get("match");
        let (kind, operation) = (node.text_of("applyTo"), patch.text_of("operation"));
        let mut operation = OPERATIONS.iter().find(|(name, _)| *name == operation)?.1;
        let for_proxy = for_proxy(matching, proxy);
        if matches!(for_proxy, ForProxy::No) {
            return None;
        }
        let Some((_, apply_to)) = APPLY_TO.iter().find(|(name, _)| *name == kind) else {
            return Some(Err(Reason { node, what: format!("a patch of {} is not translated", if kind.is_empty() { "nothing" } else { kind }) }));
        };
        let apply_to = *apply_to;
        let takes_insertions = matches!(apply_to, ApplyTo::HttpFilter | ApplyTo::NetworkFilter | ApplyTo::HttpRoute | ApplyTo::ListenerFilter);
        if operation.is_insertion() && !takes_insertions {
            operation = Operation::Add;
        }
        let written = patch.get("value");
        let mut value = match written {
            None => Ok(Value::Null),
            Some(_) if operation == Operation::Remove => Ok(Value::Null),
            Some(node) => read_value(apply_to, operation, &json(node)).map_err(|f| Reason { node: node_at(node, &f.path), what: f.what }),
        };
        if let ForProxy::NotKnown(reason) = for_proxy {
            value = Err(reason);
        } else if written.is_none() && operation != Operation::Remove {
            // istiod has nothing to put there.
            return None;
        }
        Some(Ok(Patch { object, node, apply_to, operation, matching, value, name: written.map_or("", |v| v.text_of("name")) }))
    }

    fn matching(&self, kind: &str) -> Option<Node<'a>> {
        self.matching?.get(kind)
    }

    pub fn is_for(&self, side: Side) -> bool {
        let context = self.matching.map_or("", |m| m.text_of("context"));
        matches!(context, "" | "ANY") || context == side.name()
    }
    /// Whether what is added is added on this side: without a context, where requests go out.
    pub fn adds_on(&self, side: Side) -> bool {
        let any = matches!(self.matching.map_or("", |m| m.text_of("context")), "" | "ANY");
        self.is_for(side) && !(any && side == Side::Inbound)
    }

    pub fn matches_listener(&self, l: &listener::Listener) -> bool {
        let Some(wanted) = self.matching("listener") else { return true };
        if !says(wanted, "name", &l.name) {
            return false;
        }
        // The port of these is that of a chain.
        if self.apply_to != ApplyTo::Listener && is_virtual(l) {
            return true;
        }
        let port = number(wanted, "portNumber");
        port == 0 || l.address.as_ref().and_then(|a| a.socket_address.as_ref()).and_then(|a| a.port_value) == Some(port)
    }

    pub fn matches_chain(&self, l: &listener::Listener, chain: &listener::FilterChain) -> bool {
        let Some(of_listener) = self.matching("listener") else { return true };
        let matching = chain.filter_chain_match.as_ref();
        let port = number(of_listener, "portNumber");
        let own_port = matching.and_then(|m| m.destination_port).unwrap_or(0);
        if is_virtual(l) && port != 0 && own_port != port {
            return false;
        }
        let Some(wanted) = of_listener.get("filterChain") else { return true };
        let has_all = |key: &str, own: &dyn Fn(&listener::FilterChainMatch) -> &[String]| {
            let text = wanted.text_of(key);
            text.is_empty() || matching.is_some_and(|m| text.split(',').all(|t| own(m).iter().any(|o| o == t)))
        };
        let transport = wanted.text_of("transportProtocol");
        let destination = number(wanted, "destinationPort");
        says(wanted, "name", &chain.name)
            && (wanted.text_of("sni").is_empty() || matching.is_some_and(|m| m.server_names.iter().any(|n| n == wanted.text_of("sni"))))
            && (transport.is_empty() || matching.is_some_and(|m| m.transport_protocol == transport))
            && has_all("applicationProtocols", &|m| &m.application_protocols)
            && (destination == 0 || matching.and_then(|m| m.destination_port) == Some(destination))
    }

    /// The name of the listener filter that is meant; `None` for any.
    pub fn listener_filter(&self) -> Option<&'a str> {
        Some(self.matching("listener")?.text_of("listenerFilter")).filter(|n| !n.is_empty())
    }
    fn filter(&self) -> Option<Node<'a>> {
        self.matching("listener")?.get("filterChain")?.get("filter")
    }
    /// The name of the network filter that is meant; `None` for any.
    pub fn network_filter(&self) -> Option<&'a str> {
        self.filter().map(|f| f.text_of("name"))
    }
    /// The name of the HTTP filter that is meant; `None` for any.
    pub fn http_filter(&self) -> Option<&'a str> {
        Some(self.filter()?.get("subFilter")?.text_of("name"))
    }

    /// Whether it is for a route configuration. `server_ports` are those of Gateways that a gateway's port stands for.
    pub fn matches_routes(&self, side: Side, name: &str, server_ports: &dyn Fn(u16) -> Vec<u16>) -> bool {
        let Some(wanted) = self.matching("routeConfiguration") else { return true };
        if !says(wanted, "name", name) {
            return false;
        }
        let port = number(wanted, "portNumber");
        if side != Side::Gateway {
            let own = match mesh_envoy::ClusterName::parse(name) {
                Some(parts) if name.starts_with("inbound") => u32::from(parts.port),
                _ => name.parse().unwrap_or(0),
            };
            return port == 0 || port == own;
        }
        let (own, port_name, gateway) = of_gateway(name);
        let behind = server_ports(own);
        let has_port = if behind.is_empty() { u32::from(own) == port } else { behind.iter().any(|p| u32::from(*p) == port) };
        (port == 0 || has_port) && says(wanted, "portName", port_name) && says(wanted, "gateway", &gateway)
    }
    fn host(&self) -> Option<Node<'a>> {
        self.matching("routeConfiguration")?.get("vhost")
    }
    pub fn matches_host(&self, name: &str) -> bool {
        self.host().is_none_or(|h| says(h, "name", name))
    }
    pub fn asks_for_route(&self) -> bool {
        self.host().and_then(|h| h.get("route")).is_some()
    }
    pub fn matches_route(&self, route: &route::Route) -> bool {
        let Some(wanted) = self.host().and_then(|h| h.get("route")) else { return true };
        let does = match wanted.text_of("action") {
            "ROUTE" => is_other(route, route.route.is_some()),
            "REDIRECT" => is_other(route, route.redirect.is_some()),
            "DIRECT_RESPONSE" => is_other(route, route.direct_response.is_some()),
            _ => true,
        };
        says(wanted, "name", &route.name) && does
    }

    /// Whether it is for a cluster. `hosts` are those of the services behind an inbound one.
    pub fn matches_cluster(&self, name: &str, hosts: &[&str]) -> bool {
        let Some(wanted) = self.matching("cluster") else { return true };
        if !wanted.text_of("name").is_empty() {
            return wanted.text_of("name") == name;
        }
        let parts = mesh_envoy::ClusterName::parse_any(name);
        let (subset, host, own_port) = parts.map_or(("", "", 0), |p| (p.subset, p.host, u32::from(p.port)));
        let is_inbound = parts.is_some_and(|p| p.direction == "inbound") && !hosts.is_empty();
        let service = wanted.text_of("service");
        let is_host = if is_inbound { hosts.contains(&service) } else { host == service };
        let port = number(wanted, "portNumber");
        says(wanted, "subset", subset) && (service.is_empty() || is_host) && (port == 0 || port == own_port)
    }
}

/// A route that does something of which istiod's match has no name counts for each.
fn is_other(route: &route::Route, is_it: bool) -> bool {
    is_it || (route.route.is_none() && route.redirect.is_none() && route.direct_response.is_none())
}

/// The message of a value, by what it is put into.
fn read_value(apply_to: ApplyTo, operation: Operation, written: &Value) -> Result<Value, Fault> {
    let is_new = operation.lists().is_none();
    match apply_to {
        ApplyTo::Listener => value::message::<listener::Listener>(written),
        ApplyTo::ListenerFilter => value::message::<listener::ListenerFilter>(written),
        ApplyTo::FilterChain => value::message::<listener::FilterChain>(written),
        ApplyTo::NetworkFilter => {
            let read = value::message::<listener::Filter>(written)?;
            judged(read, is_new, mesh_envoy::engine::network::unjudged)
        }
        ApplyTo::HttpFilter => {
            let read = value::message::<HttpFilter>(written)?;
            judged(read, is_new, mesh_envoy::engine::gate::unjudged)
        }
        ApplyTo::RouteConfiguration => value::message::<route::RouteConfiguration>(written),
        ApplyTo::VirtualHost => value::message::<route::VirtualHost>(written),
        ApplyTo::HttpRoute => value::message::<route::Route>(written),
        ApplyTo::Cluster => value::message::<Cluster>(written),
    }
}

/// A filter that is put in whole is put in only where it is known what it does.
fn judged(read: Value, is_new: bool, unjudged: fn(&Value) -> Option<mesh_envoy::engine::Unknown>) -> Result<Value, Fault> {
    match is_new.then(|| unjudged(&read)).flatten() {
        // The path is spelled as in the value, in snake case.
        Some(unknown) => Err(Fault { path: value::steps(&unknown.path).into_iter().skip(1).collect(), what: unknown.what }),
        None => Ok(read),
    }
}

/// `match.proxy`
fn for_proxy<'a>(matching: Option<Node<'a>>, proxy: &Proxy) -> ForProxy<'a> {
    let Some(wanted) = matching.and_then(|m| m.get("proxy")) else { return ForProxy::Yes };
    let version = wanted.get("proxyVersion").filter(|v| !v.text().is_empty());
    let metadata: Vec<(Node<'a>, Node<'a>)> = wanted.map("metadata").collect();
    if version.is_none() && metadata.is_empty() {
        return ForProxy::Yes;
    }
    let Some(known) = &proxy.metadata else {
        let what = "whether it is for this proxy is not known: the input lacks the version and the metadata that it matches";
        return ForProxy::NotKnown(Reason { node: wanted, what: what.to_owned() });
    };
    if let Some(node) = version {
        let own = known.get("ISTIO_VERSION").map_or("", String::as_str);
        // istiod takes no longer ones.
        if own.is_empty() || node.text().len() > 1024 {
            return ForProxy::No;
        }
        match re2::anywhere(node.text()) {
            Ok(r) if r.is_match(own) => {}
            Ok(_) => return ForProxy::No,
            Err(what) => return ForProxy::NotKnown(Reason { node, what }),
        }
    }
    let has_all = metadata.iter().all(|(k, v)| known.get(k.text()).map(String::as_str) == Some(v.text()));
    if has_all { ForProxy::Yes } else { ForProxy::No }
}

/// Whether a field of a match is empty or says just this.
fn says(wanted: Node<'_>, key: &str, own: &str) -> bool {
    matches!(wanted.text_of(key), t if t.is_empty() || t == own)
}

fn number(wanted: Node<'_>, key: &str) -> u32 {
    wanted.get(key).and_then(Node::int).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn is_virtual(l: &listener::Listener) -> bool {
    matches!(l.name.as_str(), "virtualInbound" | "virtualOutbound")
}

/// Port, name of the port and `namespace/name` of the Gateway in the name of a gateway's route configuration.
fn of_gateway(name: &str) -> (u16, &str, String) {
    let parts: Vec<&str> = name.split('.').collect();
    let port = |i: usize| parts.get(i).and_then(|p| p.parse().ok()).unwrap_or(0);
    match parts.as_slice() {
        ["http", _, ..] => (port(1), "", String::new()),
        ["https", _, port_name, gateway, namespace, ..] => (port(1), port_name, format!("{namespace}/{gateway}")),
        _ => (0, "", String::new()),
    }
}
