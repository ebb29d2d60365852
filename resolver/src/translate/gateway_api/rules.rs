//! Rules of HTTPRoutes and GRPCRoutes.

use super::backends::{Backend, Backends};
use crate::translate::virtual_service::{
    Cors, Destination, HeaderChanges, HeaderOperations, HttpMatch, HttpRoute, Redirect, RedirectPort, Retries, Rewrite, StringMatch, WeightedDestination,
    duration,
};
use mesh_envoy::api::Duration;
use mesh_model::{Kind, Node, Object};

/// A route that istiod takes no rule of: one of them says what it cannot do.
pub struct Refused;

/// All rules of a route, a route for each match.
pub fn of_route<'a>(backends: &Backends<'_, 'a>) -> Result<Vec<HttpRoute<'a>>, Refused> {
    let mut out = Vec::new();
    let object = backends.object;
    for (i, rule) in object.spec().into_iter().flat_map(|s| s.list("rules")).enumerate() {
        let route = of_rule(backends, rule, i)?;
        let is_grpc = object.kind == Kind::GrpcRoute;
        let matches: Vec<HttpMatch<'a>> = rule.list("matches").map(|m| if is_grpc { grpc_match(m) } else { http_match(m) }).collect();
        if matches.is_empty() {
            out.push(route);
        } else {
            out.extend(matches.into_iter().map(|m| HttpRoute { matches: vec![m], ..route.clone() }));
        }
    }
    Ok(out)
}

/// The routes of one port of a service match that port only.
pub fn at_port<'a>(object: &'a Object, mut routes: Vec<HttpRoute<'a>>, port: u16) -> Vec<HttpRoute<'a>> {
    for route in &mut routes {
        if route.matches.is_empty() {
            route.matches.push(HttpMatch { node: route.node.or(object.spec()), ..HttpMatch::default() });
        }
        route.matches.iter_mut().for_each(|m| m.port = port);
    }
    routes
}

fn of_rule<'a>(backends: &Backends<'_, 'a>, rule: Node<'a>, index: usize) -> Result<HttpRoute<'a>, Refused> {
    let object = backends.object;
    let is_grpc = object.kind == Kind::GrpcRoute;
    let name = match rule.text_of("name") {
        "" => format!("{}.{}.{index}", object.namespace(), object.name()),
        name => name.to_owned(),
    };
    let mut out = HttpRoute { object: Some(object), node: Some(rule), name, ..Default::default() };
    for filter in rule.list("filters") {
        match filter.text_of("type") {
            "RequestHeaderModifier" => header_changes(filter.get("requestHeaderModifier"), &mut out.headers.request)?,
            "ResponseHeaderModifier" => header_changes(filter.get("responseHeaderModifier"), &mut out.headers.response)?,
            "RequestMirror" => match filter.get("requestMirror").map(|m| mirror(backends, m)).transpose() {
                Ok(mirror) => out.mirrors.extend(mirror),
                // Of an HTTPRoute the mirror alone is left out.
                Err(Refused) if !is_grpc => {}
                Err(Refused) => return Err(Refused),
            },
            "RequestRedirect" if !is_grpc => out.redirect = filter.get("requestRedirect").map(redirect),
            "URLRewrite" if !is_grpc => out.rewrite = filter.get("urlRewrite").and_then(rewrite),
            "CORS" if !is_grpc => out.cors = filter.get("cors").map(Cors::GatewayApi),
            _ => return Err(Refused),
        }
    }
    if !is_grpc {
        times(rule, &mut out);
    }
    let weighted: Vec<(Node<'a>, u32)> = rule.list("backendRefs").map(|b| (b, weight(b))).collect();
    if weighted.iter().map(|(_, w)| w).sum::<u32>() == 0 {
        if out.redirect.is_none() {
            out.direct_response = Some((500, None));
        }
        return Ok(out);
    }
    let used: Vec<(Node<'a>, u32)> = weighted.into_iter().filter(|(_, w)| *w > 0).collect();
    let is_only = used.len() == 1;
    for (b, weight) in used {
        let destination = match backends.find(b) {
            Backend::Found(d) | Backend::Missing(d) => d,
            Backend::Refused => Destination::nowhere(),
            Backend::Invalid => return Err(Refused),
        };
        let mut headers = HeaderOperations::default();
        for filter in b.list("filters") {
            match filter.text_of("type") {
                "RequestHeaderModifier" => header_changes(filter.get("requestHeaderModifier"), &mut headers.request)?,
                "ResponseHeaderModifier" => header_changes(filter.get("responseHeaderModifier"), &mut headers.response)?,
                _ => return Err(Refused),
            }
        }
        out.destinations.push(WeightedDestination { destination, weight: if is_only { 0 } else { weight }, headers });
    }
    Ok(out)
}

pub fn weight(b: Node<'_>) -> u32 {
    b.get("weight").and_then(Node::int).and_then(|w| u32::try_from(w).ok()).unwrap_or(1)
}

/// Timeouts and retries.
fn times<'a>(rule: Node<'a>, out: &mut HttpRoute<'a>) {
    let time = |path: &[&str]| rule.at(path).and_then(|t| duration(t.text())).filter(|d| *d != Duration::default());
    if let Some(retry) = rule.get("retry") {
        let codes = retry.list("codes").map(|c| format!(",{}", c.text())).collect::<String>();
        out.retries = Some(Retries {
            attempts: retry.get("attempts").and_then(Node::int).unwrap_or(2),
            per_try_timeout: time(&["timeouts", "backendRequest"]),
            retry_on: format!("connect-failure,refused-stream,unavailable,cancelled{codes}"),
            ignore_previous_hosts: None,
            backoff: retry.get("backoff").and_then(|b| duration(b.text())),
        });
    }
    out.timeout = time(&["timeouts", "request"]);
    if out.retries.is_none() {
        out.timeout = time(&["timeouts", "backendRequest"]).or(out.timeout);
    }
}

fn mirror(backends: &Backends<'_, '_>, node: Node<'_>) -> Result<(Destination, Option<f64>), Refused> {
    let Some(Backend::Found(destination)) = node.get("backendRef").map(|b| backends.find(b)) else { return Err(Refused) };
    let number = |n: Node<'_>, key: &str, default: f64| n.get(key).and_then(Node::float).unwrap_or(default);
    let fraction = node.get("fraction").map(|f| 100.0 * number(f, "numerator", 0.0) / number(f, "denominator", 100.0));
    Ok((destination, fraction.or_else(|| node.get("percent").and_then(Node::float))))
}

/// Names in lower case; the first of a name counts.
fn header_changes(node: Option<Node<'_>>, out: &mut HeaderChanges) -> Result<(), Refused> {
    let Some(node) = node else { return Ok(()) };
    let pairs = |key: &str| {
        let mut list: Vec<(String, String)> = Vec::new();
        for h in node.list(key) {
            let value = h.text_of("value");
            if value.bytes().any(|b| b != b'\t' && (b < 0x20 || b == 0x7f)) {
                return Err(Refused);
            }
            let name = h.text_of("name").to_lowercase();
            if list.iter().all(|(n, _)| *n != name) {
                list.push((name, value.to_owned()));
            }
        }
        Ok(list)
    };
    *out = HeaderChanges { set: pairs("set")?, add: pairs("add")?, remove: node.list("remove").map(|r| r.text().to_owned()).collect() };
    Ok(())
}

fn redirect(node: Node<'_>) -> Redirect {
    let path = node.get("path");
    let replaces_prefix = path.is_some_and(|p| p.text_of("type") == "ReplacePrefixMatch");
    let scheme = node.text_of("scheme").to_owned();
    Redirect {
        uri: path.map_or("", |p| p.text_of(if replaces_prefix { "replacePrefixMatch" } else { "replaceFullPath" })).to_owned(),
        authority: node.text_of("hostname").to_owned(),
        port: match node.get("port").and_then(Node::int).and_then(|p| u16::try_from(p).ok()) {
            Some(port) => RedirectPort::Number(port),
            None if scheme.is_empty() => RedirectPort::OfRequest,
            None => RedirectPort::OfProtocol,
        },
        scheme,
        // The API server writes this default.
        code: node.get("statusCode").and_then(Node::int).and_then(|c| u16::try_from(c).ok()).unwrap_or(302),
        replaces_prefix,
    }
}

fn rewrite(node: Node<'_>) -> Option<Rewrite> {
    let path = node.get("path");
    let mut out = Rewrite { uri: String::new(), regex: None, authority: node.text_of("hostname").to_owned() };
    match path.map_or("", |p| p.text_of("type")) {
        "ReplacePrefixMatch" => {
            let prefix = path.map_or("", |p| p.text_of("replacePrefixMatch"));
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            out.uri = if prefix.is_empty() { "/".to_owned() } else { prefix.to_owned() };
        }
        "ReplaceFullPath" => out.regex = Some(("/.*".to_owned(), path.map_or("", |p| p.text_of("replaceFullPath")).to_owned())),
        _ => {}
    }
    (!out.uri.is_empty() || out.regex.is_some() || !out.authority.is_empty()).then_some(out)
}

/// Headers and query parameters.
fn named(m: Node<'_>, key: &str) -> Vec<(String, StringMatch)> {
    let mut out: Vec<(String, StringMatch)> = Vec::new();
    for h in m.list(key) {
        let value = h.text_of("value").to_owned();
        let value = if h.text_of("type") == "RegularExpression" { StringMatch::Regex(value) } else { StringMatch::Exact(value) };
        out.retain(|(n, _)| n != h.text_of("name"));
        out.push((h.text_of("name").to_owned(), value));
    }
    out
}

fn http_match<'a>(m: Node<'a>) -> HttpMatch<'a> {
    let path = m.get("path");
    // The API server writes this default.
    let value = match path.and_then(|p| p.get("value")).map_or("", Node::text) {
        "" => "/",
        v => v,
    };
    let uri = match path.map_or("", |p| p.text_of("type")) {
        "Exact" => StringMatch::Exact(value.to_owned()),
        "RegularExpression" => StringMatch::Regex(value.to_owned()),
        _ if value == "/" => StringMatch::Prefix(value.to_owned()),
        _ => StringMatch::Prefix(value.strip_suffix('/').unwrap_or(value).to_owned()),
    };
    HttpMatch {
        node: Some(m),
        uri: Some(uri),
        method: m.get("method").map(|n| StringMatch::Exact(n.text().to_owned())),
        headers: named(m, "headers"),
        query: named(m, "queryParams"),
        ..HttpMatch::default()
    }
}

fn grpc_match<'a>(m: Node<'a>) -> HttpMatch<'a> {
    let uri = m.get("method").map(|method| {
        let (service, name) = (method.text_of("service"), method.text_of("method"));
        match (method.text_of("type") == "RegularExpression", service, name) {
            (false, s, "") => StringMatch::Prefix(format!("/{s}/")),
            (_, "", n) => StringMatch::Regex(format!("/[^/]+/{n}")),
            (false, s, n) => StringMatch::Exact(format!("/{s}/{n}")),
            (true, s, "") => StringMatch::Regex(format!("/{s}/.+")),
            (true, s, n) => StringMatch::Regex(format!("/{s}/{n}")),
        }
    });
    HttpMatch { node: Some(m), uri, headers: named(m, "headers"), ..HttpMatch::default() }
}
