//! HTTP routes: a VirtualService's rules as Envoy's, and the default ones.

use super::cluster;
use super::filters::config_metadata;
use super::proxy::{Proxy, ProxyKind};
use super::registry::RegisteredService;
use super::virtual_service::{
    Cors, Destination, HeaderChanges, HeaderOperations, HttpMatch, HttpRoute, Redirect, RedirectPort, Retries, Semantics, StringMatch, VirtualService,
    duration, retries, string_match,
};
use super::{Context, Origin};
use mesh_envoy::api::common::{FractionalPercent, FractionalPercentDenominatorType, RegexMatchAndSubstitute, RegexMatcher, StringMatcher};
use mesh_envoy::api::{Any, Duration, core, cors, extensions, fault, route};
use mesh_envoy::grpc::{self, Spelling};
use mesh_model::Node;

/// What the routes of one VirtualService are made for.
pub struct Place<'p, 'a> {
    /// Names of the gateway, or `mesh`.
    pub gateway: &'p str,
    pub port: u16,
    pub is_tls: bool,
    /// The service of a host, as the place sees it.
    pub lookup: &'p dyn Fn(&str) -> Option<RegisteredService<'a>>,
}

/// The routes of a VirtualService at a place, each with the match or rule it came from; empty where none applies.
pub fn of_virtual_service<'a>(cx: &Context<'_, 'a>, v: &VirtualService<'a>, place: &Place<'_, 'a>) -> Vec<(route::Route, Origin<'a>)> {
    let mut out = Vec::new();
    for http in &v.http {
        let matches: Vec<Option<&HttpMatch<'a>>> = if http.matches.is_empty() { vec![None] } else { http.matches.iter().map(Some).collect() };
        for m in matches {
            if !m.is_none_or(|m| applies(m, &cx.proxy, place)) {
                // A rule without matches ends the list, whoever it is for; one that does not apply does not.
                continue;
            }
            let route = translate(cx, v, http, m, place);
            let origin = Origin { object: http.object.unwrap_or(v.object), node: m.and_then(|m| m.node).or(http.node).unwrap_or(v.object.name_node()) };
            let ends = is_catch_all(&route);
            out.push((route, origin));
            if ends {
                return out;
            }
        }
        if http.matches.is_empty() {
            break;
        }
    }
    out
}

/// What can be told when the configuration is made: the port, the gateway, and who asks.
fn applies(m: &HttpMatch<'_>, proxy: &Proxy, place: &Place<'_, '_>) -> bool {
    if m.port != 0 && m.port != place.port {
        return false;
    }
    // A waypoint knows no labels of who calls.
    if proxy.kind == ProxyKind::Waypoint && !m.source_labels.is_empty() {
        return false;
    }
    if !m.gateways.is_empty() {
        return m.gateways.iter().any(|g| g == place.gateway);
    }
    m.source_labels.iter().all(|(k, v)| proxy.label(k) == Some(*v)) && (m.source_namespace.is_empty() || m.source_namespace == proxy.namespace)
}

pub fn is_catch_all(r: &route::Route) -> bool {
    let Some(m) = &r.r#match else { return true };
    let path = m.prefix.as_deref() == Some("/") || m.path_separated_prefix.as_deref() == Some("/") || m.safe_regex.as_ref().is_some_and(|r| r.regex == ".*");
    path && m.headers.is_empty() && m.query_parameters.is_empty() && m.dynamic_metadata.is_empty()
}

fn translate<'a>(cx: &Context<'_, 'a>, v: &VirtualService<'a>, http: &HttpRoute<'a>, m: Option<&HttpMatch<'a>>, place: &Place<'_, 'a>) -> route::Route {
    let name = match m.map_or("", |m| m.name.as_str()) {
        "" => http.name.clone(),
        own => format!("{}.{own}", http.name),
    };
    let matching = route_match(m, v.semantics);
    let mut out = route::Route { name, metadata: Some(config_metadata(&v.config)), ..Default::default() };
    let mut authority = String::new();
    add_headers(&mut out, &http.headers, &mut authority);
    if let Some(redirect) = &http.redirect {
        out.redirect = Some(Box::new(redirect_action(redirect, place)));
    } else if let Some((status, body)) = &http.direct_response {
        let body = body.as_ref().map(|b| core::DataSource { inline_string: Some(b.clone()), ..Default::default() });
        out.direct_response = Some(Box::new(route::DirectResponseAction { status: *status, body }));
    } else {
        destination(cx, v, http, place, &matching, authority, &mut out);
    }
    out.r#match = Some(matching);
    out.decorator = Some(route::Decorator { operation: operation(&out, v, place.port), ..Default::default() });
    if let Some(fault) = http.fault.and_then(fault_filter) {
        out.typed_per_filter_config.insert("envoy.filters.http.fault".into(), Any::pack(&fault));
    }
    if let Some(cors) = http.cors {
        out.typed_per_filter_config.insert("envoy.filters.http.cors".into(), Any::pack(&cors_policy(cors)));
    }
    out
}

/// `host:port/path`, as traces name it.
fn operation(r: &route::Route, v: &VirtualService<'_>, port: u16) -> String {
    let path = match &r.r#match {
        Some(route::RouteMatch { prefix: Some(p), .. }) => format!("{p}*"),
        Some(route::RouteMatch { path: Some(p), .. }) => p.clone(),
        Some(route::RouteMatch { safe_regex: Some(r), .. }) => r.regex.clone(),
        _ => "/*".to_owned(),
    };
    let to = r.route.as_ref().and_then(|a| a.cluster.as_deref()).unwrap_or_default();
    let parts: Vec<&str> = to.split('|').collect();
    match parts[..] {
        [_, port, _, host] => format!("{host}:{port}{path}"),
        _ => format!("{}:{port}{path}", v.name),
    }
}

fn destination<'a>(
    cx: &Context<'_, 'a>,
    v: &VirtualService<'a>,
    http: &HttpRoute<'a>,
    place: &Place<'_, 'a>,
    matching: &route::RouteMatch,
    mut authority: String,
    out: &mut route::Route,
) {
    let timeout = http.timeout.unwrap_or_default();
    let mut action = route::RouteAction { timeout: Some(timeout), max_grpc_timeout: Some(timeout), ..Default::default() };
    if v.semantics == Semantics::GatewayApi {
        action.cluster_not_found_response_code = route::RouteActionClusterNotFoundResponseCode::InternalServerError as i32;
    }
    if let Some(rewrite) = &http.rewrite {
        if let Some((pattern, substitution)) = &rewrite.regex {
            action.regex_rewrite = Some(Box::new(substitute(pattern, substitution)));
        } else if v.semantics == Semantics::GatewayApi && rewrite.uri == "/" {
            let prefix = matching.path_separated_prefix.as_deref().unwrap_or_default();
            action.regex_rewrite = Some(Box::new(substitute(&format!("^{}(/?)(.*)", quote(prefix)), r"/\2")));
        } else {
            action.prefix_rewrite = rewrite.uri.clone();
        }
        if !rewrite.authority.is_empty() {
            authority = rewrite.authority.clone();
        }
    }
    action.host_rewrite_literal = Some(authority).filter(|a| !a.is_empty());
    for (mirror, share) in http.mirrors.iter().filter(|(_, share)| share.is_none_or(|s| s > 0.0)) {
        action.request_mirror_policies.push(route::RouteActionRequestMirrorPolicy {
            cluster: cluster_of(cx, mirror, place),
            runtime_fraction: Some(runtime_fraction(share.map_or_else(|| percent(100), millionths))),
            trace_sampled: Some(false),
            disable_shadow_host_suffix_append: true,
            ..Default::default()
        });
    }
    let mut hashes = false;
    if let [one] = http.destinations.as_slice() {
        action.cluster = Some(cluster_of(cx, &one.destination, place));
        let mut own = String::new();
        add_headers(out, &one.headers, &mut own);
        if !own.is_empty() && action.host_rewrite_literal.is_none() {
            action.host_rewrite_literal = Some(own);
        }
        if let Some(policy) = hash_of(cx, &one.destination) {
            action.hash_policy.push(policy);
            hashes = true;
        }
    } else {
        let mut clusters = Vec::new();
        for d in http.destinations.iter().filter(|d| d.weight > 0) {
            let mut of = route::WeightedClusterClusterWeight { name: cluster_of(cx, &d.destination, place), weight: Some(d.weight), ..Default::default() };
            let mut own = String::new();
            of.request_headers_to_add = added(&d.headers.request, &mut own);
            of.request_headers_to_remove = removed(&d.headers.request);
            of.response_headers_to_add = added(&d.headers.response, &mut String::new());
            of.response_headers_to_remove = removed(&d.headers.response);
            of.host_rewrite_literal = Some(own).filter(|o| !o.is_empty());
            clusters.push(of);
            action.hash_policy.extend(hash_of(cx, &d.destination));
        }
        action.weighted_clusters = Some(route::WeightedCluster { clusters, ..Default::default() });
    }
    let of_mesh = || cx.model.mesh.config.at(&["defaultHttpRetryPolicy"]).map(retries);
    action.retry_policy = retry_policy(http.retries.clone().or_else(of_mesh).as_ref(), hashes);
    out.route = Some(action);
}

/// The cluster of a destination: its port, else the only one of the service, else that of the listener.
fn cluster_of<'a>(cx: &Context<'_, 'a>, d: &Destination, place: &Place<'_, 'a>) -> String {
    if d.host.is_empty() {
        return "UnknownService".to_owned();
    }
    let service = (place.lookup)(&d.host);
    cx.cluster_of(d, service.as_ref(), place.port)
}

pub fn cluster_name(d: &Destination, service: Option<&RegisteredService<'_>>, listener_port: u16) -> String {
    let alias = service.and_then(|s| s.object.spec()).map_or("", |s| s.text_of("externalName"));
    let host = if alias.is_empty() { d.host.as_str() } else { alias };
    let only = service.filter(|s| s.ports.len() == 1).map(|s| s.ports[0].number);
    cluster::name(d.port.or(only).unwrap_or(listener_port), &d.subset, host)
}

fn hash_of(cx: &Context<'_, '_>, d: &Destination) -> Option<route::RouteActionHashPolicy> {
    let service = cx.scope.service(&d.host)?;
    let rules = cx.rules(service);
    if rules.is_empty() {
        return None;
    }
    // Settings of a port count where the destination names the port.
    let port = d.port.unwrap_or(0);
    let subset = rules.subsets().into_iter().find(|s| s.name == d.subset);
    let of_subset = subset.and_then(|s| rules.subset_policy(&s, port).consistent_hash());
    hash_policy(of_subset.or_else(|| rules.policy(port).consistent_hash())?)
}

pub fn hash_policy(node: Node<'_>) -> Option<route::RouteActionHashPolicy> {
    let mut out = route::RouteActionHashPolicy::default();
    if let Some(name) = node.get("httpHeaderName") {
        out.header = Some(route::RouteActionHashPolicyHeader { header_name: name.text().to_owned() });
    } else if let Some(cookie) = node.get("httpCookie") {
        let attribute = |a: Node<'_>| route::RouteActionHashPolicyCookieAttribute { name: a.text_of("name").to_owned(), value: a.text_of("value").to_owned() };
        out.cookie = Some(route::RouteActionHashPolicyCookie {
            name: cookie.text_of("name").to_owned(),
            path: cookie.text_of("path").to_owned(),
            ttl: cookie.get("ttl").and_then(|t| duration(t.text())),
            attributes: cookie.list("attributes").map(attribute).collect(),
        });
    } else if let Some(source) = node.get("useSourceIp").and_then(Node::bool) {
        out.connection_properties = Some(route::RouteActionHashPolicyConnectionProperties { source_ip: source });
    } else if let Some(name) = node.get("httpQueryParameterName") {
        out.query_parameter = Some(route::RouteActionHashPolicyQueryParameter { name: name.text().to_owned() });
    } else {
        return None;
    }
    Some(out)
}

fn substitute(pattern: &str, substitution: &str) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute { pattern: Some(RegexMatcher { regex: pattern.to_owned(), ..Default::default() }), substitution: substitution.to_owned() }
}

/// The text as an expression that matches itself.
pub fn quote(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn percent(n: u32) -> FractionalPercent {
    FractionalPercent { numerator: n, denominator: FractionalPercentDenominatorType::Hundred as i32 }
}
fn millionths(percent: f64) -> FractionalPercent {
    FractionalPercent { numerator: (percent * 10_000.0) as u32, denominator: FractionalPercentDenominatorType::Million as i32 }
}
fn runtime_fraction(value: FractionalPercent) -> core::RuntimeFractionalPercent {
    core::RuntimeFractionalPercent { default_value: Some(value), ..Default::default() }
}

fn is_internal(key: &str) -> bool {
    key.starts_with(':') || key.eq_ignore_ascii_case("host")
}

/// Headers to set and to add, sorted by name each; `host` goes to the authority.
fn added(changes: &HeaderChanges, authority: &mut String) -> Vec<core::HeaderValueOption> {
    let mut out = Vec::new();
    for (list, action) in [
        (&changes.add, core::HeaderValueOptionHeaderAppendAction::AppendIfExistsOrAdd),
        (&changes.set, core::HeaderValueOptionHeaderAppendAction::OverwriteIfExistsOrAdd),
    ] {
        let mut of: Vec<core::HeaderValueOption> = Vec::new();
        for (key, value) in list {
            if key.eq_ignore_ascii_case(":authority") || key.eq_ignore_ascii_case("host") {
                *authority = value.clone();
            }
            if !is_internal(key) {
                let header = Some(core::HeaderValue { key: key.clone(), value: value.clone() });
                of.push(core::HeaderValueOption { header, append_action: action as i32, ..Default::default() });
            }
        }
        of.sort_by(|a, b| a.header.as_ref().map(|h| &h.key).cmp(&b.header.as_ref().map(|h| &h.key)));
        // What is set goes before what is added.
        out.splice(0..0, of);
    }
    out
}

fn removed(changes: &HeaderChanges) -> Vec<String> {
    changes.remove.iter().filter(|k| !is_internal(k)).cloned().collect()
}

fn add_headers(out: &mut route::Route, headers: &HeaderOperations, authority: &mut String) {
    out.request_headers_to_add.extend(added(&headers.request, authority));
    out.request_headers_to_remove.extend(removed(&headers.request));
    out.response_headers_to_add.extend(added(&headers.response, &mut String::new()));
    out.response_headers_to_remove.extend(removed(&headers.response));
}

fn redirect_action(redirect: &Redirect, place: &Place<'_, '_>) -> route::RedirectAction {
    use route::RedirectActionRedirectResponseCode as Code;
    let mut out = route::RedirectAction { host_redirect: redirect.authority.clone(), ..Default::default() };
    if redirect.replaces_prefix {
        out.prefix_rewrite = Some(redirect.uri.clone());
    } else {
        out.path_redirect = Some(redirect.uri.clone());
    }
    out.scheme_redirect = Some(redirect.scheme.clone()).filter(|s| !s.is_empty());
    let scheme = match (redirect.scheme.as_str(), place.is_tls) {
        ("", true) => "https",
        ("", false) => "http",
        (s, _) => s,
    };
    let port = match redirect.port {
        RedirectPort::Number(n) => n,
        RedirectPort::OfRequest => place.port,
        RedirectPort::Unset | RedirectPort::OfProtocol => 0,
    };
    let is_default = matches!((port, scheme), (80, "http") | (443, "https"));
    out.port_redirect = if is_default { 0 } else { u32::from(port) };
    out.response_code = match redirect.code {
        302 => Code::Found,
        303 => Code::SeeOther,
        307 => Code::TemporaryRedirect,
        308 => Code::PermanentRedirect,
        _ => Code::MovedPermanently,
    } as i32;
    out
}

fn string_matcher(m: &StringMatch) -> Option<StringMatcher> {
    let mut out = StringMatcher::default();
    match m {
        StringMatch::Exact(t) => out.exact = Some(t.clone()),
        StringMatch::Prefix(t) => out.prefix = Some(t.clone()),
        StringMatch::Regex(t) => out.safe_regex = Some(RegexMatcher { regex: t.clone(), ..Default::default() }),
        StringMatch::Present => return None,
    }
    Some(out)
}

fn header_matcher(name: &str, m: &StringMatch) -> route::HeaderMatcher {
    let mut out = route::HeaderMatcher { name: name.to_owned(), ..Default::default() };
    match string_matcher(m) {
        Some(text) => out.string_match = Some(text),
        None => out.present_match = Some(true),
    }
    out
}

/// `@request.auth.claims.a.b` or `@request.auth.claims[a][b]` as the path to a claim.
fn claim(name: &str) -> Option<Vec<String>> {
    let rest = name.strip_prefix("@request.auth.claims")?;
    if let Some(dotted) = rest.strip_prefix('.') {
        return Some(dotted.split('.').map(str::to_owned).collect());
    }
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.split("][").map(str::to_owned).collect())
}

/// A claim of the token, as the JWT filter leaves it.
fn claim_matcher(path: Vec<String>, m: &StringMatch, invert: bool) -> mesh_envoy::api::common::MetadataMatcher {
    use mesh_envoy::api::common::{ListMatcher, MetadataMatcher, MetadataMatcherPathSegment, OrMatcher, ValueMatcher};
    let text = ValueMatcher { string_match: string_matcher(m), present_match: matches!(m, StringMatch::Present).then_some(true), ..Default::default() };
    let list = ValueMatcher { list_match: Some(Box::new(ListMatcher { one_of: Some(Box::new(text.clone())) })), ..Default::default() };
    let path = std::iter::once("payload".to_owned()).chain(path).map(|key| MetadataMatcherPathSegment { key: Some(key) }).collect();
    MetadataMatcher {
        filter: "envoy.filters.http.jwt_authn".into(),
        path,
        value: Some(ValueMatcher { or_match: Some(OrMatcher { value_matchers: vec![text, list] }), ..Default::default() }),
        invert,
    }
}

fn route_match(m: Option<&HttpMatch<'_>>, semantics: Semantics) -> route::RouteMatch {
    let mut out = route::RouteMatch::default();
    let Some(m) = m else {
        out.prefix = Some("/".into());
        return out;
    };
    for (name, text) in &m.headers {
        match claim(name) {
            Some(path) => out.dynamic_metadata.push(claim_matcher(path, text, false)),
            None => out.headers.push(header_matcher(name, text)),
        }
    }
    for (name, text) in &m.without_headers {
        match claim(name) {
            Some(path) => out.dynamic_metadata.push(claim_matcher(path, text, true)),
            None => {
                let mut matcher = header_matcher(name, text);
                matcher.invert_match = true;
                matcher.treat_missing_header_as_empty = *text != StringMatch::Present;
                out.headers.push(matcher);
            }
        }
    }
    out.headers.sort_by(|a, b| a.name.cmp(&b.name));
    out.headers.shrink_to_fit();
    match &m.uri {
        Some(StringMatch::Exact(path)) => out.path = Some(path.clone()),
        Some(StringMatch::Prefix(prefix)) if semantics != Semantics::Istio && prefix != "/" => {
            out.path_separated_prefix = Some(prefix.strip_suffix('/').unwrap_or(prefix).to_owned());
        }
        Some(StringMatch::Prefix(prefix)) => out.prefix = Some(prefix.clone()),
        Some(StringMatch::Regex(regex)) => out.safe_regex = Some(Box::new(RegexMatcher { regex: regex.clone(), ..Default::default() })),
        Some(StringMatch::Present) | None => out.prefix = Some("/".into()),
    }
    out.case_sensitive = Some(!m.ignore_uri_case);
    for (name, text) in [(":method", &m.method), (":authority", &m.authority), (":scheme", &m.scheme)] {
        out.headers.extend(text.as_ref().map(|t| header_matcher(name, t)));
    }
    for (name, text) in &m.query {
        let mut matcher = route::QueryParameterMatcher { name: name.clone(), ..Default::default() };
        match string_matcher(text) {
            Some(text) => matcher.string_match = Some(text),
            None => matcher.present_match = Some(true),
        }
        out.query_parameters.push(matcher);
    }
    out.query_parameters.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

const RETRY_ON: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

/// Conditions, and the status codes among them.
fn retry_conditions(text: &str) -> (String, Vec<u32>) {
    let mut codes = Vec::new();
    let mut names = Vec::new();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match part.parse::<u32>() {
            Ok(code) if (100..600).contains(&code) => codes.push(code),
            _ => names.push(part),
        }
    }
    if !codes.is_empty() && !names.contains(&"retriable-status-codes") {
        names.push("retriable-status-codes");
    }
    (names.join(","), codes)
}

fn previous_hosts() -> Vec<route::RetryPolicyRetryHostPredicate> {
    vec![route::RetryPolicyRetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".into(),
        typed_config: Some(Any::pack(&extensions::PreviousHostsPredicate::default())),
    }]
}

fn retry_policy(own: Option<&Retries>, hashes: bool) -> Option<route::RetryPolicy> {
    let mut out = route::RetryPolicy {
        retry_on: RETRY_ON.to_owned(),
        num_retries: Some(2),
        host_selection_retry_max_attempts: 5,
        // With a hash a retry must reach the same host.
        retry_host_predicate: if hashes { Vec::new() } else { previous_hosts() },
        ..Default::default()
    };
    let Some(own) = own else { return Some(out) };
    if own.attempts <= 0 {
        return None;
    }
    out.num_retries = Some(own.attempts as u32);
    if !own.retry_on.is_empty() {
        (out.retry_on, out.retriable_status_codes) = retry_conditions(&own.retry_on);
    }
    out.per_try_timeout = own.per_try_timeout;
    if let Some(ignore) = own.ignore_previous_hosts {
        out.retry_host_predicate = if ignore { previous_hosts() } else { Vec::new() };
    }
    out.retry_back_off = own.backoff.map(|b| route::RetryPolicyRetryBackOff { base_interval: Some(b), ..Default::default() });
    Some(out)
}

fn fault_filter(node: Node<'_>) -> Option<fault::HTTPFault> {
    let share = |n: Node<'_>| match n.get("percentage") {
        Some(p) => millionths(p.get("value").and_then(Node::float).unwrap_or(0.0)),
        None => percent(n.get("percent").and_then(Node::int).unwrap_or(0) as u32),
    };
    let delay = node.get("delay").and_then(|d| {
        let fixed = duration(d.text_of("fixedDelay"))?;
        Some(fault::FaultDelay { fixed_delay: Some(fixed), percentage: Some(share(d)), ..Default::default() })
    });
    let abort = node.get("abort").and_then(|a| {
        let status = a.get("httpStatus").and_then(Node::int).map(|s| s as u32);
        let grpc = Some(a.text_of("grpcStatus")).filter(|s| !s.is_empty()).and_then(|s| grpc::number(s, Spelling::Grpc)).map(u32::from);
        if status.is_none() && grpc.is_none() {
            return None;
        }
        let percentage = a.get("percentage").map(|_| share(a));
        Some(fault::FaultAbort { http_status: status, grpc_status: grpc.filter(|_| status.is_none()), percentage, ..Default::default() })
    });
    (delay.is_some() || abort.is_some()).then(|| fault::HTTPFault { delay, abort, ..Default::default() })
}

fn cors_policy(policy: Cors<'_>) -> cors::CorsPolicy {
    let (node, origins, max_age, ignores) = match policy {
        Cors::Istio(node) => {
            let origins: Vec<StringMatch> = match node.get("allowOrigins") {
                Some(list) => list.items().filter_map(string_match).collect(),
                None => node.list("allowOrigin").map(|o| StringMatch::Exact(o.text().to_owned())).collect(),
            };
            let max_age = node.get("maxAge").and_then(|n| duration(n.text())).map(|d| d.seconds.to_string());
            (node, origins, max_age, node.text_of("unmatchedPreflights") == "IGNORE")
        }
        Cors::GatewayApi(node) => {
            let max_age = node.get("maxAge").and_then(Node::int).filter(|s| *s > 0).map(|s| s.to_string());
            (node, node.list("allowOrigins").filter(|o| !o.text().is_empty()).map(|o| origin(o.text())).collect(), max_age, true)
        }
    };
    let join = |key: &str| node.list(key).map(Node::text).collect::<Vec<_>>().join(",");
    let credentials = node.get("allowCredentials").and_then(Node::bool);
    cors::CorsPolicy {
        allow_origin_string_match: origins.iter().filter_map(string_matcher).collect(),
        allow_methods: join("allowMethods"),
        allow_headers: join("allowHeaders"),
        expose_headers: join("exposeHeaders"),
        max_age: max_age.unwrap_or_default(),
        allow_credentials: if matches!(policy, Cors::GatewayApi(_)) { credentials.filter(|c| *c) } else { credentials },
        filter_enabled: Some(runtime_fraction(percent(100))),
        forward_not_matching_preflights: Some(!ignores),
        ..Default::default()
    }
}

/// An origin of the Gateway API: `*` is any, and stands for any text in a longer one.
fn origin(text: &str) -> StringMatch {
    match text.strip_suffix('*') {
        Some("") => StringMatch::Regex(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$".into()),
        Some(prefix) if !prefix.contains('*') => StringMatch::Prefix(prefix.to_owned()),
        None if !text.contains('*') => StringMatch::Exact(text.to_owned()),
        _ => StringMatch::Regex(format!("^{}$", text.split('*').map(quote).collect::<Vec<_>>().join(".*"))),
    }
}

fn default_route(cluster: String, operation: String) -> route::Route {
    route::Route {
        name: "default".into(),
        r#match: Some(route_match(None, Semantics::Istio)),
        route: Some(route::RouteAction { cluster: Some(cluster), timeout: Some(Duration::default()), ..Default::default() }),
        decorator: Some(route::Decorator { operation, ..Default::default() }),
        ..Default::default()
    }
}

/// The route of a service without VirtualService.
pub fn outbound_default(cx: &Context<'_, '_>, host: &str, port: u16, hash: Option<Node<'_>>) -> route::Route {
    let mut out = default_route(cluster::name(port, "", host), format!("{host}:{port}/*"));
    let action = out.route.get_or_insert_default();
    let own = cx.model.mesh.config.at(&["defaultHttpRetryPolicy"]).map(retries);
    action.retry_policy = retry_policy(own.as_ref(), false);
    action.max_grpc_timeout = Some(Duration::default());
    action.hash_policy.extend(hash.and_then(hash_policy));
    out
}

/// The route to the application itself.
pub fn inbound_default(cluster: &str, host: &str, port: u16, is_grpc: bool) -> route::Route {
    let mut out = default_route(cluster.to_owned(), format!("{host}:{port}/*"));
    let action = out.route.get_or_insert_default();
    action.max_stream_duration = Some(Box::new(route::RouteActionMaxStreamDuration {
        max_stream_duration: Some(Duration::default()),
        grpc_timeout_header_max: Some(Duration::default()),
        ..Default::default()
    }));
    if !is_grpc {
        action.retry_policy = Some(route::RetryPolicy { retry_on: "reset-before-request".into(), num_retries: Some(2), ..Default::default() });
    }
    out
}

/// A route for everything that is not known.
pub fn catch_all(name: &str, to: Option<&str>) -> route::Route {
    let mut out = route::Route { name: name.to_owned(), r#match: Some(route_match(None, Semantics::Istio)), ..Default::default() };
    match to {
        Some(cluster) => {
            let none = Some(Duration::default());
            out.route = Some(route::RouteAction { cluster: Some(cluster.to_owned()), timeout: none, max_grpc_timeout: none, ..Default::default() });
        }
        None => out.direct_response = Some(Box::new(route::DirectResponseAction { status: 502, body: None })),
    }
    out
}
