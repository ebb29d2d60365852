//! Routes to a Service: those of VirtualServices and of HTTPRoutes, and the gateways that they hang on.

use super::Facts;
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Mesh, Selector, Service, Workload, destination_rule, host};

/// What leads to a host; with a workload, whether it leads to that one.
pub fn to_host<'a>(mesh: &Mesh<'a>, about: &str, fqdn: &str, service: &Service<'a>, workload: Option<&Workload<'a>>, rules: &[&'a Object], facts: &mut Facts) {
    let first = first(mesh, fqdn);
    for vs in mesh.objects_everywhere(Kind::VirtualService) {
        let Some(spec) = vs.spec() else { continue };
        let mut elsewhere = 0;
        let mut lines = Vec::new();
        for key in ["http", "tls", "tcp"] {
            for route in spec.list(key) {
                let reached: Vec<Node<'_>> = route.list("route").filter(|d| leads(d, vs, fqdn, mesh.domain)).collect();
                if reached.is_empty() {
                    elsewhere += 1;
                    continue;
                }
                for destination in reached {
                    match line(&destination, workload, rules) {
                        (says, Reaches::Yes) => lines.push((format!("{}{says}{}", matches(&route), extras(&route)), false)),
                        (_, Reaches::Other) => elsewhere += 1,
                        (says, Reaches::NoSubset) => lines.push((format!("{}{says}", matches(&route)), true)),
                    }
                }
            }
        }
        if lines.is_empty() {
            continue;
        }
        let gateways: Vec<&str> = spec.list("gateways").map(Node::text).filter(|g| *g != "mesh").collect();
        if !gateways.is_empty() {
            let hosts: Vec<&str> = spec.list("hosts").map(Node::text).collect();
            facts.of(about, vs, format!("is exposed for {} on gateway {}", hosts.join(", "), gateways.join(", ")));
        }
        if let Some(other) = first.filter(|f| !std::ptr::eq(*f, *vs) && is_for(vs, fqdn, mesh.domain)) {
            facts.warn(about, format!("{}: does not count for callers in the mesh: {} has the host as well, and comes first", vs.origin(), other.origin()));
        }
        for (says, is_warning) in lines {
            if is_warning { facts.warn(about, format!("{}: {says}", vs.origin())) } else { facts.of(about, vs, says) }
        }
        if elsewhere > 0 {
            facts.of(about, vs, format!("{elsewhere} more {} elsewhere", if elsewhere == 1 { "destination leads" } else { "destinations lead" }));
        }
    }
    for route in [Kind::HttpRoute, Kind::GrpcRoute].into_iter().flat_map(|k| mesh.objects_everywhere(k)) {
        let backends = route.spec().into_iter().flat_map(|s| s.list("rules")).flat_map(|r| r.list("backendRefs"));
        let is_this = |b: &Node<'_>| {
            let namespace = if b.text_of("namespace").is_empty() { route.namespace() } else { b.text_of("namespace") };
            b.text_of("name") == service.object.name() && namespace == service.namespace && matches!(b.text_of("kind"), "" | "Service")
        };
        if backends.into_iter().any(|b| is_this(&b)) {
            let parents: Vec<String> = route
                .spec()
                .into_iter()
                .flat_map(|s| s.list("parentRefs"))
                .map(|p| format!("{} {}", if p.text_of("kind").is_empty() { "Gateway" } else { p.text_of("kind") }, p.text_of("name")))
                .collect();
            facts.of(about, route, format!("leads here from {}", parents.join(", ")));
        }
    }
}

/// The VirtualService that decides for callers in the mesh, of several for a host: the oldest.
fn first<'a>(mesh: &Mesh<'a>, fqdn: &str) -> Option<&'a Object> {
    let all = mesh.objects_everywhere(Kind::VirtualService).iter().copied().filter(|vs| is_for(vs, fqdn, mesh.domain));
    all.min_by_key(|vs| (vs.creation(), vs.name(), vs.namespace()))
}

/// Whether a VirtualService has a host, seen by everybody, for callers in the mesh.
fn is_for(vs: &Object, fqdn: &str, domain: &str) -> bool {
    let Some(spec) = vs.spec() else { return false };
    let mut gateways = spec.list("gateways").map(Node::text).peekable();
    let in_mesh = gateways.peek().is_none() || gateways.any(|g| g == "mesh");
    // Who sees it decides where it counts: what is exported to some alone may count beside another.
    let is_everywhere = spec.get("exportTo").is_none();
    in_mesh && is_everywhere && spec.list("hosts").any(|h| host::expand(h.text(), vs.namespace(), domain) == fqdn)
}

fn leads(destination: &Node<'_>, vs: &Object, fqdn: &str, domain: &str) -> bool {
    let written = destination.at(&["destination", "host"]).map_or("", Node::text);
    host::expand(written, vs.namespace(), domain) == fqdn
}

/// Where a destination leads.
enum Reaches {
    Yes,
    /// To other workloads of the Service.
    Other,
    /// To a subset that no DestinationRule has.
    NoSubset,
}

fn line(destination: &Node<'_>, workload: Option<&Workload<'_>>, rules: &[&Object]) -> (String, Reaches) {
    let weight = destination.text_of("weight");
    let weight = if weight.is_empty() { String::new() } else { format!(" with weight {weight}") };
    let name = destination.at(&["destination", "subset"]).map_or("", Node::text);
    if name.is_empty() {
        return (format!("leads here{weight}"), Reaches::Yes);
    }
    match destination_rule::subset(rules, name) {
        None => (format!("leads to subset {name}, which no DestinationRule has"), Reaches::NoSubset),
        Some((_, subset)) => {
            let selector = Selector::from_map(subset.get("labels"));
            let is_in = workload.is_none_or(|w| selector.matches(|key| w.labels().find(|(k, _)| *k == key).map(|(_, v)| v)));
            (format!("leads to subset {name}{weight}"), if is_in { Reaches::Yes } else { Reaches::Other })
        }
    }
}

/// `/reviews*, end-user=jason: `, "" for what takes everything.
fn matches(route: &Node<'_>) -> String {
    let one = |m: Node<'_>| {
        let mut parts: Vec<String> = Vec::new();
        for (key, value) in m.entries() {
            match key.text() {
                "uri" | "method" | "authority" | "scheme" => parts.push(string_match(value, "")),
                "headers" | "queryParams" => parts.extend(value.entries().map(|(name, m)| string_match(m, &format!("{}=", name.text())))),
                "name" | "ignoreUriCase" => {}
                "port" => parts.push(format!("port {}", value.text())),
                other => parts.push(other.to_owned()),
            }
        }
        parts.join(" ")
    };
    let list: Vec<String> = route.list("match").map(one).filter(|m| !m.is_empty()).collect();
    if list.is_empty() { String::new() } else { format!("{}: ", list.join(", ")) }
}

fn string_match(m: Node<'_>, before: &str) -> String {
    let of = |key: &str| m.get(key).map(Node::text);
    match (of("exact"), of("prefix"), of("regex")) {
        (Some(exact), ..) => format!("{before}{exact}"),
        (_, Some(prefix), _) => format!("{before}{prefix}*"),
        (.., Some(regex)) => format!("{before}regex {regex}"),
        _ => format!("{before}*"),
    }
}

/// What else a route does.
fn extras(route: &Node<'_>) -> String {
    let has: Vec<&str> = ["timeout", "retries", "fault", "mirror", "rewrite", "corsPolicy"].into_iter().filter(|key| route.get(key).is_some()).collect();
    if has.is_empty() { String::new() } else { format!(", with {}", has.join(", ")) }
}
