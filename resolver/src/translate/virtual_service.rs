//! VirtualServices in one form, whatever they were written as: Istio's own kind with its delegates merged, routes of
//! the Gateway API, Ingresses.

use crate::host;
use crate::mesh::Mesh;
use mesh_envoy::api::Duration;
use mesh_model::{Kind, Node, Object};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// Whose rules a route goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semantics {
    Istio,
    Ingress,
    GatewayApi,
}

/// The name of the gateway that all sidecars are.
pub const MESH: &str = "mesh";

#[derive(Clone, Debug)]
pub struct VirtualService<'a> {
    pub object: &'a Object,
    pub namespace: &'a str,
    pub name: String,
    /// What Envoy's metadata names it by.
    pub config: String,
    pub hosts: Vec<String>,
    /// `mesh`, or `namespace/name`.
    pub gateways: Vec<String>,
    pub export_to: Vec<&'a str>,
    pub http: Vec<HttpRoute<'a>>,
    pub tls: Vec<L4Route<'a>>,
    pub tcp: Vec<L4Route<'a>>,
    pub semantics: Semantics,
}

impl VirtualService<'_> {
    pub fn is_visible_to(&self, namespace: &str) -> bool {
        self.export_to.iter().any(|e| match *e {
            "*" => true,
            "." => self.namespace == namespace,
            "~" => false,
            name => name == namespace,
        })
    }
    /// Private rules come first, then those exported to the namespace, then public ones.
    pub fn rank_for(&self, namespace: &str) -> u8 {
        if self.export_to.contains(&"*") {
            2
        } else if self.namespace == namespace && self.export_to.iter().any(|e| *e == "." || *e == namespace) {
            0
        } else {
            1
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum StringMatch {
    Exact(String),
    Prefix(String),
    Regex(String),
    Present,
}

#[derive(Clone, Debug, Default)]
pub struct HttpMatch<'a> {
    pub node: Option<Node<'a>>,
    pub name: String,
    pub uri: Option<StringMatch>,
    pub ignore_uri_case: bool,
    pub scheme: Option<StringMatch>,
    pub method: Option<StringMatch>,
    pub authority: Option<StringMatch>,
    pub headers: Vec<(String, StringMatch)>,
    pub without_headers: Vec<(String, StringMatch)>,
    pub query: Vec<(String, StringMatch)>,
    /// 0 for any.
    pub port: u16,
    pub source_labels: Vec<(&'a str, &'a str)>,
    pub source_namespace: &'a str,
    pub gateways: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    pub host: String,
    pub subset: String,
    pub port: Option<u16>,
}

#[derive(Clone, Debug)]
pub struct WeightedDestination {
    pub destination: Destination,
    pub weight: u32,
    pub headers: HeaderOperations,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderChanges {
    pub set: Vec<(String, String)>,
    pub add: Vec<(String, String)>,
    pub remove: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderOperations {
    pub request: HeaderChanges,
    pub response: HeaderChanges,
}

#[derive(Clone, Debug)]
pub struct Redirect {
    pub uri: String,
    pub authority: String,
    pub scheme: String,
    pub port: RedirectPort,
    pub code: u16,
    /// The path is replaced up to the matched prefix only.
    pub replaces_prefix: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RedirectPort {
    Unset,
    Number(u16),
    OfRequest,
    OfProtocol,
}

#[derive(Clone, Debug)]
pub struct Rewrite {
    pub uri: String,
    pub regex: Option<(String, String)>,
    pub authority: String,
}

#[derive(Clone, Debug)]
pub struct Retries {
    pub attempts: i64,
    pub per_try_timeout: Option<Duration>,
    pub retry_on: String,
    pub ignore_previous_hosts: Option<bool>,
    pub backoff: Option<Duration>,
}

/// A policy of sharing between origins, as one of the two APIs writes it.
#[derive(Clone, Copy, Debug)]
pub enum Cors<'a> {
    Istio(Node<'a>),
    GatewayApi(Node<'a>),
}

#[derive(Clone, Debug, Default)]
pub struct HttpRoute<'a> {
    /// The object that the route is written in: a delegate's differs from its VirtualService's.
    pub object: Option<&'a Object>,
    pub node: Option<Node<'a>>,
    pub name: String,
    /// Any of them; none for every request.
    pub matches: Vec<HttpMatch<'a>>,
    pub redirect: Option<Redirect>,
    /// Status and body.
    pub direct_response: Option<(u32, Option<String>)>,
    pub destinations: Vec<WeightedDestination>,
    pub rewrite: Option<Rewrite>,
    pub timeout: Option<Duration>,
    pub retries: Option<Retries>,
    pub fault: Option<Node<'a>>,
    /// With the share in percent, where one is written.
    pub mirrors: Vec<(Destination, Option<f64>)>,
    pub cors: Option<Cors<'a>>,
    pub headers: HeaderOperations,
    /// Namespace and name of a VirtualService that holds the routes in its stead.
    pub delegate: Option<(String, String)>,
}

#[derive(Clone, Debug, Default)]
pub struct L4Match<'a> {
    pub sni_hosts: Vec<String>,
    pub destination_subnets: Vec<String>,
    pub port: u16,
    pub source_labels: Vec<(&'a str, &'a str)>,
    pub source_namespace: &'a str,
    pub gateways: Vec<String>,
}

/// A route of TCP or TLS connections.
#[derive(Clone, Debug)]
pub struct L4Route<'a> {
    pub node: Node<'a>,
    pub matches: Vec<L4Match<'a>>,
    pub destinations: Vec<WeightedDestination>,
}

/// A VirtualService as it is written: delegates are not looked up.
pub fn one<'a>(mesh: &Mesh<'a>, object: &'a Object) -> VirtualService<'a> {
    of_object(object, mesh.domain, &mesh.config.default_export_to("defaultVirtualServiceExportTo"))
}

/// All VirtualServices of a mesh, the oldest first.
pub fn all<'a>(mesh: &Mesh<'a>) -> Vec<VirtualService<'a>> {
    let default_export = mesh.config.default_export_to("defaultVirtualServiceExportTo");
    let read = |o: &&'a Object| of_object(o, mesh.domain, &default_export);
    let mut all: Vec<VirtualService<'a>> = mesh.objects(Kind::VirtualService).par_iter().with_min_len(64).map(read).collect();
    all.sort_by(|a, b| (a.object.creation(), &a.name, a.namespace).cmp(&(b.object.creation(), &b.name, b.namespace)));
    merge_delegates(all)
}

/// Roots get the routes of their delegates, whose own entries vanish.
fn merge_delegates(all: Vec<VirtualService<'_>>) -> Vec<VirtualService<'_>> {
    let (delegates, mut roots): (Vec<_>, Vec<_>) = all.into_iter().partition(|v| v.hosts.is_empty());
    let by_name: FxHashMap<(&str, &str), &VirtualService<'_>> = delegates.iter().map(|v| ((v.namespace, v.name.as_str()), v)).collect();
    for root in &mut roots {
        if root.http.iter().all(|r| r.delegate.is_none()) {
            continue;
        }
        let mut merged = Vec::new();
        for route in std::mem::take(&mut root.http) {
            let Some((namespace, name)) = &route.delegate else {
                merged.push(route);
                continue;
            };
            let delegate = by_name.get(&(namespace.as_str(), name.as_str())).filter(|d| d.is_visible_to(root.namespace));
            // A delegate of a delegate is not followed.
            let routes = delegate.into_iter().flat_map(|d| &d.http).filter(|r| r.delegate.is_none());
            merged.extend(routes.filter_map(|r| merge_route(&route, r)));
        }
        root.http = merged;
    }
    roots
}

/// A delegate's route within its root's; none where their matches contradict.
fn merge_route<'a>(root: &HttpRoute<'a>, route: &HttpRoute<'a>) -> Option<HttpRoute<'a>> {
    let mut out = route.clone();
    out.matches = merge_matches(&root.matches, &route.matches)?;
    out.name = match (root.name.is_empty(), route.name.is_empty()) {
        (true, _) => route.name.clone(),
        (_, true) => root.name.clone(),
        _ => format!("{}-{}", root.name, route.name),
    };
    out.rewrite = out.rewrite.or_else(|| root.rewrite.clone());
    out.direct_response = out.direct_response.or_else(|| root.direct_response.clone());
    out.timeout = out.timeout.or(root.timeout);
    out.retries = out.retries.or_else(|| root.retries.clone());
    out.fault = out.fault.or(root.fault);
    out.cors = out.cors.or(root.cors);
    if out.mirrors.is_empty() {
        out.mirrors = root.mirrors.clone();
    }
    if out.headers == HeaderOperations::default() {
        out.headers = root.headers.clone();
    }
    Some(out)
}

pub(super) fn merge_matches<'a>(root: &[HttpMatch<'a>], own: &[HttpMatch<'a>]) -> Option<Vec<HttpMatch<'a>>> {
    if root.is_empty() || own.is_empty() {
        return Some(if root.is_empty() { own.to_vec() } else { root.to_vec() });
    }
    let mut out = Vec::new();
    for leaf in own {
        let before = out.len();
        out.extend(root.iter().filter(|r| !contradict(r, leaf)).map(|r| merge_match(r, leaf)));
        if out.len() == before {
            return None;
        }
    }
    Some(out)
}

fn merge_match<'a>(root: &HttpMatch<'a>, leaf: &HttpMatch<'a>) -> HttpMatch<'a> {
    fn union<K: PartialEq + Clone, V: Clone>(root: &[(K, V)], leaf: &[(K, V)]) -> Vec<(K, V)> {
        let rest = root.iter().filter(|(k, _)| !leaf.iter().any(|(l, _)| l == k));
        leaf.iter().chain(rest).cloned().collect()
    }
    let mut out = leaf.clone();
    out.name = match (root.name.is_empty(), leaf.name.is_empty()) {
        (true, _) => leaf.name.clone(),
        (_, true) => root.name.clone(),
        _ => format!("{}-{}", root.name, leaf.name),
    };
    out.uri = out.uri.or_else(|| root.uri.clone());
    out.scheme = out.scheme.or_else(|| root.scheme.clone());
    out.method = out.method.or_else(|| root.method.clone());
    out.authority = out.authority.or_else(|| root.authority.clone());
    out.headers = union(&root.headers, &leaf.headers);
    out.without_headers = union(&root.without_headers, &leaf.without_headers);
    out.query = union(&root.query, &leaf.query);
    out.source_labels = union(&root.source_labels, &leaf.source_labels);
    out.port = if leaf.port == 0 { root.port } else { leaf.port };
    if out.source_namespace.is_empty() {
        out.source_namespace = root.source_namespace;
    }
    if out.gateways.is_empty() {
        out.gateways = root.gateways.clone();
    }
    out
}

/// Whether a delegate's match asks for what its root's excludes.
fn contradict(root: &HttpMatch<'_>, leaf: &HttpMatch<'_>) -> bool {
    let of = |list: &[(String, StringMatch)], key: &str| list.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let lists = [(&root.headers, &leaf.headers), (&root.without_headers, &leaf.without_headers), (&root.query, &leaf.query)];
    string_contradicts(root.uri.as_ref(), leaf.uri.as_ref())
        || string_contradicts(root.scheme.as_ref(), leaf.scheme.as_ref())
        || string_contradicts(root.method.as_ref(), leaf.method.as_ref())
        || string_contradicts(root.authority.as_ref(), leaf.authority.as_ref())
        || lists.iter().any(|(r, l)| l.iter().any(|(k, v)| string_contradicts(of(r, k).as_ref(), Some(v))))
        || root.ignore_uri_case != leaf.ignore_uri_case
        || (root.port != 0 && leaf.port != 0 && root.port != leaf.port)
        || (!root.source_namespace.is_empty() && leaf.source_namespace != root.source_namespace)
        || leaf.source_labels.iter().any(|(k, v)| root.source_labels.iter().any(|(rk, rv)| rk == k && rv != v))
        || (!root.gateways.is_empty() && leaf.gateways.iter().any(|g| !root.gateways.contains(g)))
}

/// A root's text must cover a delegate's; with an expression in the root the delegate may say nothing.
fn string_contradicts(root: Option<&StringMatch>, leaf: Option<&StringMatch>) -> bool {
    let (Some(root), Some(leaf)) = (root, leaf) else { return false };
    match (root, leaf) {
        (StringMatch::Present, _) => false,
        (StringMatch::Regex(_), _) | (_, StringMatch::Regex(_) | StringMatch::Present) => true,
        (StringMatch::Exact(r), StringMatch::Exact(l)) => r != l,
        (StringMatch::Exact(_), StringMatch::Prefix(_)) => true,
        (StringMatch::Prefix(r), StringMatch::Exact(l) | StringMatch::Prefix(l)) => !l.starts_with(r.as_str()),
    }
}

/// `gateway`, `namespace/gateway`, `./gateway` or an old `gateway.namespace.svc…` as `namespace/gateway`.
pub fn gateway_name(text: &str, namespace: &str) -> String {
    if text == MESH {
        return text.to_owned();
    }
    match text.split_once('/') {
        Some((".", name)) => format!("{namespace}/{name}"),
        Some(_) => text.to_owned(),
        None => match text.split_once('.') {
            None => format!("{namespace}/{text}"),
            Some((name, rest)) => format!("{}/{name}", rest.split('.').next().unwrap_or_default()),
        },
    }
}

fn of_object<'a>(object: &'a Object, domain: &str, default_export: &[&'a str]) -> VirtualService<'a> {
    let namespace = object.namespace();
    let reader = Reader { object, namespace, domain };
    let list = |key: &str| object.spec().into_iter().flat_map(move |s| s.list(key)).collect::<Vec<_>>();
    let export: Vec<&str> = list("exportTo").into_iter().map(Node::text).collect();
    let gateways: Vec<String> = list("gateways").into_iter().map(|g| gateway_name(g.text(), namespace)).collect();
    VirtualService {
        object,
        namespace,
        name: object.name().to_owned(),
        config: format!("/apis/networking.istio.io/v1/namespaces/{namespace}/virtual-service/{}", object.name()),
        hosts: list("hosts").into_iter().map(|h| reader.host(h.text())).collect(),
        gateways: if gateways.is_empty() { vec![MESH.to_owned()] } else { gateways },
        export_to: if export.is_empty() { default_export.to_vec() } else { export },
        http: list("http").into_iter().map(|n| reader.http(n)).collect(),
        tls: list("tls").into_iter().map(|n| reader.l4(n)).collect(),
        tcp: list("tcp").into_iter().map(|n| reader.l4(n)).collect(),
        semantics: Semantics::Istio,
    }
}

struct Reader<'a, 'd> {
    object: &'a Object,
    namespace: &'a str,
    domain: &'d str,
}

impl<'a> Reader<'a, '_> {
    fn host(&self, text: &str) -> String {
        if text.parse::<std::net::IpAddr>().is_ok() { text.to_owned() } else { host::expand(text, self.namespace, self.domain).into_owned() }
    }

    fn destination(&self, node: Node<'a>) -> Destination {
        Destination {
            host: self.host(node.text_of("host")),
            subset: node.text_of("subset").to_owned(),
            port: node.at(&["port", "number"]).and_then(port_number),
        }
    }

    fn destinations(&self, node: Node<'a>) -> Vec<WeightedDestination> {
        let of = |d: Node<'a>| {
            Some(WeightedDestination {
                destination: self.destination(d.get("destination")?),
                weight: d.get("weight").and_then(Node::int).and_then(|w| u32::try_from(w).ok()).unwrap_or(0),
                headers: headers(d.get("headers")),
            })
        };
        node.list("route").filter_map(of).collect()
    }

    fn http(&self, node: Node<'a>) -> HttpRoute<'a> {
        let mut mirrors = Vec::new();
        if let Some(mirror) = node.get("mirror") {
            let share = node.at(&["mirrorPercentage", "value"]).or_else(|| node.get("mirrorPercent")).or_else(|| node.get("mirror_percent"));
            // A percentage without a value is 0.
            let share = if node.get("mirrorPercentage").is_some() { Some(share.and_then(Node::float).unwrap_or(0.0)) } else { share.and_then(Node::float) };
            mirrors.push((self.destination(mirror), share));
        }
        for mirror in node.list("mirrors") {
            if let Some(destination) = mirror.get("destination") {
                let share = mirror.get("percentage").map(|p| p.get("value").and_then(Node::float).unwrap_or(0.0));
                mirrors.push((self.destination(destination), share));
            }
        }
        let delegate = node.get("delegate").map(|d| {
            let namespace = Some(d.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(self.namespace);
            (namespace.to_owned(), d.text_of("name").to_owned())
        });
        HttpRoute {
            object: Some(self.object),
            node: Some(node),
            name: node.text_of("name").to_owned(),
            matches: node.list("match").map(|m| self.http_match(m)).collect(),
            redirect: node.get("redirect").map(redirect),
            direct_response: node.get("directResponse").map(|d| {
                let body = d.at(&["body", "string"]).map(|b| b.text().to_owned());
                (d.get("status").and_then(Node::int).unwrap_or(0) as u32, body)
            }),
            destinations: self.destinations(node),
            rewrite: node.get("rewrite").map(|r| Rewrite {
                uri: r.text_of("uri").to_owned(),
                regex: r.get("uriRegexRewrite").map(|x| (x.text_of("match").to_owned(), x.text_of("rewrite").to_owned())),
                authority: r.text_of("authority").to_owned(),
            }),
            timeout: node.get("timeout").and_then(|t| duration(t.text())),
            retries: node.get("retries").map(retries),
            fault: node.get("fault"),
            mirrors,
            cors: node.get("corsPolicy").map(Cors::Istio),
            headers: headers(node.get("headers")),
            delegate,
        }
    }

    fn gateways(&self, node: Node<'a>) -> Vec<String> {
        node.list("gateways").map(|g| gateway_name(g.text(), self.namespace)).collect()
    }

    fn http_match(&self, m: Node<'a>) -> HttpMatch<'a> {
        let texts = |key: &str| m.map(key).map(|(k, v)| (k.text().to_owned(), string_match(v).unwrap_or(StringMatch::Present))).collect();
        HttpMatch {
            node: Some(m),
            name: m.text_of("name").to_owned(),
            uri: m.get("uri").and_then(string_match),
            ignore_uri_case: m.get("ignoreUriCase").and_then(Node::bool).unwrap_or(false),
            scheme: m.get("scheme").and_then(string_match),
            method: m.get("method").and_then(string_match),
            authority: m.get("authority").and_then(string_match),
            headers: texts("headers"),
            without_headers: texts("withoutHeaders"),
            query: texts("queryParams"),
            port: m.get("port").and_then(port_number).unwrap_or(0),
            source_labels: m.map("sourceLabels").map(|(k, v)| (k.text(), v.text())).collect(),
            source_namespace: m.text_of("sourceNamespace"),
            gateways: self.gateways(m),
        }
    }

    fn l4(&self, node: Node<'a>) -> L4Route<'a> {
        let texts = |m: Node<'a>, key: &str| m.list(key).map(|t| t.text().to_owned()).collect();
        let of = |m: Node<'a>| L4Match {
            sni_hosts: texts(m, "sniHosts"),
            destination_subnets: texts(m, "destinationSubnets"),
            port: m.get("port").and_then(port_number).unwrap_or(0),
            source_labels: m.map("sourceLabels").map(|(k, v)| (k.text(), v.text())).collect(),
            source_namespace: m.text_of("sourceNamespace"),
            gateways: self.gateways(m),
        };
        L4Route { node, matches: node.list("match").map(of).collect(), destinations: self.destinations(node) }
    }
}

fn port_number(node: Node<'_>) -> Option<u16> {
    node.int().and_then(|n| u16::try_from(n).ok())
}

/// `{exact|prefix|regex: …}`; empty matches whatever is there, and so does the expression `*`.
pub fn string_match(node: Node<'_>) -> Option<StringMatch> {
    let text = |key: &str| node.get(key).map(|n| n.text().to_owned());
    if let Some(t) = text("exact") {
        return Some(StringMatch::Exact(t));
    }
    if let Some(t) = text("prefix") {
        return Some(StringMatch::Prefix(t));
    }
    text("regex").map(|t| if t == "*" { StringMatch::Present } else { StringMatch::Regex(t) })
}

fn headers(node: Option<Node<'_>>) -> HeaderOperations {
    let of = |key: &str| {
        let part = node.and_then(|n| n.get(key));
        let map = |what: &str| part.into_iter().flat_map(|p| p.map(what)).map(|(k, v)| (k.text().to_owned(), v.text().to_owned())).collect::<Vec<_>>();
        HeaderChanges { set: map("set"), add: map("add"), remove: part.into_iter().flat_map(|p| p.list("remove")).map(|r| r.text().to_owned()).collect() }
    };
    HeaderOperations { request: of("request"), response: of("response") }
}

fn redirect(node: Node<'_>) -> Redirect {
    Redirect {
        uri: node.text_of("uri").to_owned(),
        authority: node.text_of("authority").to_owned(),
        scheme: node.text_of("scheme").to_owned(),
        port: match (node.get("port").and_then(port_number), node.text_of("derivePort")) {
            (Some(number), _) => RedirectPort::Number(number),
            (None, "FROM_REQUEST_PORT") => RedirectPort::OfRequest,
            (None, "FROM_PROTOCOL_DEFAULT") => RedirectPort::OfProtocol,
            _ => RedirectPort::Unset,
        },
        code: node.get("redirectCode").and_then(port_number).unwrap_or(301),
        replaces_prefix: false,
    }
}

/// HTTPRetry, of a route or of the mesh configuration.
pub fn retries(node: Node<'_>) -> Retries {
    Retries {
        attempts: node.get("attempts").and_then(Node::int).unwrap_or(0),
        per_try_timeout: node.get("perTryTimeout").and_then(|t| duration(t.text())),
        retry_on: node.text_of("retryOn").to_owned(),
        ignore_previous_hosts: node.get("retryIgnorePreviousHosts").and_then(Node::bool),
        backoff: node.get("backoff").and_then(|t| duration(t.text())),
    }
}

/// `10s`, `1.5h`, `1m30s`, `250ms`; nothing that is negative.
pub fn duration(text: &str) -> Option<Duration> {
    mesh_model::duration::parse(text).filter(|nanos| *nanos >= 0).map(Duration::from_nanos)
}
