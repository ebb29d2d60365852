//! HTTP routes.

use super::{Legacy, check_gateway_names, layer4};
use crate::validation::{Checks, domain, duration, fields, float, given, has, has_text, http, int, labels, message, messages, net, regex, strings, text};
use mesh_envoy::grpc::{self, Spelling};
use mesh_model::Node;

/// Whether a route stands in a VirtualService with hosts or in a delegate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Root,
    Delegate,
}

pub fn check<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>, place: Place) {
    check_conflicts(checks, route, place);
    for m in route.list("match").filter(|m| m.is_mapping()) {
        check_match(checks, m);
    }
    for m in route.list("match").filter(|m| m.is_mapping()) {
        check_match_rest(checks, m);
    }
    check_headers(checks, route);
    if let Some(cors) = message(route, "corsPolicy") {
        check_cors(checks, cors);
    }
    if let Some(fault) = message(route, "fault") {
        check_fault(checks, fault);
    }
    check_mirrors(checks, route);
    if let Some(redirect) = message(route, "redirect") {
        check_redirect(checks, redirect, route);
    }
    if let Some(response) = message(route, "directResponse") {
        check_direct_response(checks, response);
    }
    if let Some(retries) = message(route, "retries") {
        check_retries(checks, retries);
    }
    if let Some(rewrite) = message(route, "rewrite") {
        check_rewrite(checks, rewrite);
    }
    check_authority(checks, route);
    layer4::check_destinations(checks, route);
    duration::check(checks, route, "timeout");
}

fn check_conflicts<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>, place: Place) {
    let label = match text(route, "name") {
        "" => String::new(),
        n => format!(" `{n}`"),
    };
    if has(route, "delegate") && place == Place::Root {
        for (field, is_given) in [("redirect", has(route, "redirect")), ("route", given(route, "route"))] {
            if is_given {
                checks
                    .error(route.get(field).unwrap_or(route), format!("route{label} delegates and has a `{field}` of its own"))
                    .help("the delegate decides where requests go");
            }
        }
        return;
    }
    if has(route, "delegate") {
        checks.error(route.get("delegate").unwrap_or(route), "a route of a delegate delegates itself").help("delegation goes one level deep");
    }
    let both = |checks: &mut Checks<'a, '_>, a: &str, b: &str| {
        checks.error(route.get(a).unwrap_or(route), format!("an HTTP route has both `{a}` and `{b}`"));
    };
    for target in ["redirect", "directResponse"] {
        if !has(route, target) {
            continue;
        }
        if given(route, "route") {
            both(checks, "route", target);
        }
        for other in ["fault", "rewrite"] {
            if has(route, other) {
                both(checks, other, target);
            }
        }
        if target == "redirect" && has(route, "directResponse") {
            both(checks, "directResponse", "redirect");
        }
        break;
    }
    if !has(route, "redirect") && !has(route, "directResponse") && !given(route, "route") && route.get("route").is_none_or(|r| r.is_sequence()) {
        checks.error(route, "an HTTP route has none of `route`, `redirect` and `directResponse`");
    }
    if has(route, "mirror") && given(route, "mirrors") {
        both(checks, "mirrors", "mirror");
    }
}

/// How an empty prefix is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefix {
    MayBeEmpty,
    NotEmpty,
}

fn check_string_match<'a>(checks: &mut Checks<'a, '_>, m: Node<'a>, what: &str, prefix: Prefix) {
    if !m.is_mapping() {
        return;
    }
    if let Some(p) = m.get("prefix").filter(|p| p.str() == Some("") && prefix == Prefix::NotEmpty) {
        checks.error(p, format!("the prefix of a match by `{what}` is empty")).help("leave the condition out where everything matches");
    }
    if let Some(r) = m.get("regex").filter(|r| r.str().is_some()) {
        if r.text().is_empty() {
            checks.error(r, format!("the regular expression of a match by `{what}` is empty"));
        } else {
            checks.valid(r, regex::check(what, r.text()));
        }
    }
}

fn check_match<'a>(checks: &mut Checks<'a, '_>, m: Node<'a>) {
    for (name, value) in m.map("headers") {
        if value.is_null() {
            checks.error(name, format!("the match by header `{}` is null", name.text())).help("an empty match, `{}`, asks for the header's presence");
        }
        checks.valid(name, http::match_header_name(name.text()));
        check_string_match(checks, value, "headers", Prefix::NotEmpty);
    }
    for (name, value) in m.map("withoutHeaders") {
        checks.valid(name, http::match_header_name(name.text()));
        if value.text_of("regex") != "*" {
            check_string_match(checks, value, "withoutHeaders", Prefix::NotEmpty);
        }
    }
    for (field, prefix) in [("uri", Prefix::MayBeEmpty), ("scheme", Prefix::NotEmpty), ("method", Prefix::NotEmpty), ("authority", Prefix::NotEmpty)] {
        if let Some(value) = message(m, field) {
            check_string_match(checks, value, field, prefix);
        }
    }
    for (_, value) in m.map("queryParams") {
        check_string_match(checks, value, "queryParams", Prefix::NotEmpty);
    }
}

fn check_match_rest<'a>(checks: &mut Checks<'a, '_>, m: Node<'a>) {
    if let Some(port) = int(m, "port").filter(|p| *p != 0) {
        checks.valid(m.get("port").unwrap_or(m), net::port(port));
    }
    labels::check(checks, m, "sourceLabels");
    check_gateway_names(checks, m, Legacy::Accepted);
    if has_text(m, "sourceNamespace") {
        checks.valid(m.get("sourceNamespace").unwrap_or(m), domain::label("source namespace", text(m, "sourceNamespace")));
    }
}

/// `headers` of a route or of a destination.
pub fn check_headers<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>) {
    let Some(headers) = message(node, "headers") else { return };
    for (side, name_of) in [("request", http::settable_request_header as fn(&str) -> Result<(), String>), ("response", http::changeable_header)] {
        let Some(operations) = message(headers, side) else { continue };
        for operation in ["add", "set"] {
            for (name, value, text) in fields::string_map(operations, operation) {
                checks.valid(name, name_of(name.text()));
                checks.valid(value, http::header_value(text));
            }
        }
        for (at, name) in strings(operations, "remove") {
            checks.valid(at, http::changeable_header(name));
        }
    }
}

fn check_cors<'a>(checks: &mut Checks<'a, '_>, cors: Node<'a>) {
    for origin in messages(cors, "allowOrigins") {
        let kind = ["exact", "prefix", "regex"].into_iter().find(|k| has(origin, k));
        match kind.filter(|k| origin.get(k).is_some_and(|v| v.str() != Some(""))) {
            None => {
                checks.error(origin, "an entry of `allowOrigins` has none of `exact`, `prefix` and `regex`");
            }
            Some("regex") => check_string_match(checks, origin, "allowOrigins", Prefix::MayBeEmpty),
            Some(_) => {}
        }
    }
    for (at, method) in strings(cors, "allowMethods").filter(|(_, m)| !http::CORS_METHODS.contains(m)) {
        let said = checks.error(at, format!("`{method}` is no method that CORS allows"));
        let upper = method.to_ascii_uppercase();
        if let Some(known) = http::CORS_METHODS.iter().find(|m| **m == upper) {
            said.help("methods are in capitals").fix_value(known);
        }
    }
    for field in ["allowHeaders", "exposeHeaders"] {
        for (at, name) in strings(cors, field) {
            checks.valid(at, http::cors_header_name(name));
        }
    }
    duration::check(checks, cors, "maxAge");
    if duration::field(cors, "maxAge").is_some_and(|n| n % 1_000_000_000 > 0) {
        checks.error(cors.get("maxAge").unwrap_or(cors), "`maxAge` is finer than a second");
    }
}

fn check_percentage<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>) {
    if let Some(p) = message(node, "percentage")
        && let Some(value) = float(p, "value").filter(|v| !(0.0..=100.0).contains(v) || (*v > 0.0 && *v < 0.0001))
    {
        checks.error(p.get("value").unwrap_or(p), format!("percentage {value} is neither 0 nor in the range 0.0001 to 100"));
    }
}

fn check_fault<'a>(checks: &mut Checks<'a, '_>, fault: Node<'a>) {
    if !has(fault, "abort") && !has(fault, "delay") {
        checks.error(fault, "a fault has neither `abort` nor `delay`");
    }
    if let Some(abort) = message(fault, "abort") {
        check_percentage(checks, abort);
        if let Some(status) = abort.get("grpcStatus").filter(|s| s.str().is_some()) {
            if grpc::number(status.text(), Spelling::Grpc).is_none() {
                let said = checks.error(status, format!("`{}` is no gRPC status", status.text()));
                if let Some(near) = crate::spelling::nearest(status.text(), grpc::names(Spelling::Grpc)) {
                    said.help(format!("did you mean `{near}`?")).fix_value(near);
                }
            }
        } else if has(abort, "http2Error") {
            checks.error(abort.get("http2Error").unwrap_or(abort), "aborting with an HTTP/2 error is not supported");
        } else if let Some(status) = abort.get("httpStatus")
            && let Some(code) = status.int()
        {
            check_status(checks, status, code);
        }
    }
    if let Some(delay) = message(fault, "delay") {
        check_percentage(checks, delay);
        duration::check(checks, delay, "fixedDelay");
        if has(delay, "exponentialDelay") {
            duration::check(checks, delay, "exponentialDelay");
            checks.error(delay.get("exponentialDelay").unwrap_or(delay), "`exponentialDelay` is not supported").help("use `fixedDelay`");
        }
    }
}

fn check_status<'a>(checks: &mut Checks<'a, '_>, at: Node<'a>, code: i64) {
    // Istio's own bound is 600, inclusive.
    if !(200..=600).contains(&code) {
        checks.error(at, format!("HTTP status {code} is not in the range 200 to 599"));
    }
}

fn check_mirrors<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>) {
    // The schema knows both spellings.
    if let Some(at) = ["mirrorPercent", "mirror_percent"].iter().find_map(|f| route.get(f)) {
        if let Some(p) = at.int().filter(|p| *p > 100) {
            checks.error(at, format!("`mirrorPercent` is {p}, more than 100"));
        }
        checks.warn(at, "`mirrorPercent` is deprecated").help("use `mirrorPercentage: {value: …}`");
    }
    let bounds = |checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str| {
        let Some(p) = message(node, field) else { return };
        if let Some(value) = float(p, "value").filter(|v| !(0.0..=100.0).contains(v)) {
            checks.error(p.get("value").unwrap_or(p), format!("`{field}` of a mirror is {value}, outside of 0 to 100"));
        }
    };
    bounds(checks, route, "mirrorPercentage");
    if let Some(mirror) = message(route, "mirror") {
        layer4::check_destination(checks, mirror);
    }
    for mirror in route.list("mirrors") {
        if mirror.is_null() {
            checks.error(mirror, "a mirror is null");
            continue;
        }
        if !mirror.is_mapping() {
            continue;
        }
        let Some(destination) = message(mirror, "destination") else {
            if !has(mirror, "destination") {
                checks.error(mirror, "a mirror has no `destination`");
            }
            continue;
        };
        layer4::check_destination(checks, destination);
        bounds(checks, mirror, "percentage");
    }
}

/// Istio stops at the first fault of a redirect.
fn check_redirect<'a>(checks: &mut Checks<'a, '_>, redirect: Node<'a>, route: Node<'a>) {
    let at = |f: &str| redirect.get(f).unwrap_or(redirect);
    let (uri, prefix) = (has_text(redirect, "uri"), has_text(redirect, "prefixRewrite"));
    if uri && prefix {
        checks.error(redirect, "a redirect has both `uri` and `prefixRewrite`");
        return;
    }
    if prefix && messages(route, "match").any(|m| message(m, "uri").is_some_and(|u| !has(u, "prefix"))) {
        checks.error(at("prefixRewrite"), "`prefixRewrite` stands on a route that does not match by prefix");
        return;
    }
    let port = ["port", "derivePort"].iter().any(|f| has(redirect, f));
    if !uri && !prefix && !has_text(redirect, "authority") && !port && !has_text(redirect, "scheme") {
        checks.error(redirect, "a redirect changes nothing").help("give `uri`, `authority`, `scheme` or `port`");
        return;
    }
    if let Some(code) = int(redirect, "redirectCode").filter(|c| *c != 0 && !(300..=399).contains(c)) {
        checks.error(at("redirectCode"), format!("redirect code {code} is no 3xx"));
        return;
    }
    if !matches!(text(redirect, "scheme"), "" | "http" | "https") {
        checks.error(at("scheme"), format!("scheme `{}` of a redirect is neither http nor https", text(redirect, "scheme")));
        return;
    }
    if let Some(number) = int(redirect, "port").filter(|p| *p > 0) {
        checks.valid(at("port"), net::port(number));
    }
}

const MB: usize = 1024 * 1024;
const KB: usize = 1024;

fn check_direct_response<'a>(checks: &mut Checks<'a, '_>, response: Node<'a>) {
    if let Some(body) = message(response, "body") {
        let size = match (body.get("string"), body.get("bytes")) {
            (Some(s), _) => s.text().len(),
            (_, Some(b)) => b.text().len() / 4 * 3,
            _ => 0,
        };
        if size > MB {
            checks.error(body, format!("the body of a direct response has {size} bytes, more than 1 MB"));
        } else if size > 100 * KB {
            checks.warn(body, format!("the body of a direct response has {size} bytes; it is sent to every proxy"));
        }
    }
    let at = response.get("status").unwrap_or(response);
    if response.get("status").is_none_or(|s| s.int().is_some()) {
        check_status(checks, at, int(response, "status").unwrap_or(0));
    }
}

pub(in crate::rules::schema) fn check_retries<'a>(checks: &mut Checks<'a, '_>, retries: Node<'a>) {
    let attempts = int(retries, "attempts").unwrap_or(0);
    let at = retries.get("attempts").unwrap_or(retries);
    if attempts < 0 {
        checks.error(at, "`attempts` is below zero");
    }
    let others = has(retries, "perTryTimeout") || has_text(retries, "retryOn") || has(retries, "retryRemoteLocalities");
    if attempts == 0 && others && retries.get("attempts").is_none_or(|a| a.int().is_some()) {
        checks.error(at, "retries are configured, but `attempts` is 0").help("give `attempts`, or leave the other fields out");
    }
    duration::check(checks, retries, "perTryTimeout");
    if let Some(on) = retries.get("retryOn").filter(|o| o.str().is_some_and(|s| !s.is_empty())) {
        for policy in on.text().split(',') {
            let known = http::RETRY_ON.contains(&policy) || policy.parse::<i64>().is_ok_and(http::is_status);
            if !known {
                let said = checks.error(on, format!("`{policy}` is no condition of `retryOn`"));
                if let Some(near) = crate::spelling::nearest(policy.trim(), http::RETRY_ON.iter().copied()) {
                    said.help(format!("did you mean `{near}`?"));
                } else if policy.trim() != policy {
                    said.help("leave out the blanks between conditions");
                }
            }
        }
    }
    duration::check(checks, retries, "backoff");
}

/// Istio stops at the first fault of a rewrite.
fn check_rewrite<'a>(checks: &mut Checks<'a, '_>, rewrite: Node<'a>) {
    let pattern = message(rewrite, "uriRegexRewrite");
    let uri = has_text(rewrite, "uri");
    if uri && pattern.is_some() {
        checks.error(rewrite, "a rewrite has both `uri` and `uriRegexRewrite`");
    } else if !uri && pattern.is_none() && !has_text(rewrite, "authority") {
        checks.error(rewrite, "a rewrite changes nothing").help("give `uri`, `uriRegexRewrite` or `authority`");
    } else if let Some(p) = pattern {
        if fields::lacks_text(p, "match") || fields::lacks_text(p, "rewrite") {
            checks.error(p, "`uriRegexRewrite` lacks `match` or `rewrite`");
        } else {
            checks.valid(p.get("match").unwrap_or(p), regex::check("uriRegexRewrite", text(p, "match")));
        }
    }
}

/// The authority may be set once: by `rewrite` or by a header.
fn check_authority<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>) {
    let mut set = message(route, "rewrite").is_some_and(|r| has_text(r, "authority"));
    let Some(request) = message(route, "headers").and_then(|h| message(h, "request")) else { return };
    for operation in ["set", "add"] {
        for (_, value, text) in fields::string_map(request, operation).filter(|(n, _, _)| http::is_authority(n.text())) {
            if set {
                checks.error(value, format!("the authority is set twice; here to `{text}`"));
                return;
            }
            set = !text.is_empty();
        }
    }
}
