//! Step five: which route of a virtual host a request takes. The first whose conditions all hold.

use super::action::Action;
use super::domain::{Domains, without_port};
use super::field::{Message, Path, Read, Unknown};
use super::gate::{Overrides, Policies, RateLimits};
use super::header::{HeaderCheck, QueryMatcher};
use super::recorder::{Candidate, Recorder};
use super::request::{Connection, Request};
use super::text::{self, Case};
use crate::matcher::{StringMatcher, UriTemplate};

/// A route configuration (`envoy.config.route.v3.RouteConfiguration`).
#[derive(Clone, Debug)]
pub struct Table {
    pub name: Box<str>,
    pub hosts: Vec<VirtualHost>,
    domains: Domains,
    ignores_port: bool,
    ignores_parameters: bool,
    pub overrides: Overrides,
    unknown: Option<Unknown>,
}

/// When a virtual host answers plaintext requests with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequireTls {
    No,
    ExternalOnly,
    All,
}

#[derive(Clone, Debug)]
pub struct VirtualHost {
    pub name: Box<str>,
    /// Its place in the route configuration, from 0.
    pub index: usize,
    pub domains: Vec<Box<str>>,
    pub require_tls: RequireTls,
    pub routes: Vec<Route>,
    pub overrides: Overrides,
    pub rate_limits: Policies,
    pub source: Box<str>,
    unknown: Option<Box<Unknown>>,
}

#[derive(Clone, Debug)]
pub struct Route {
    pub name: Box<str>,
    /// Its place in the virtual host, from 0.
    pub index: usize,
    /// The configuration object that made it; "" where the metadata names none.
    pub source: Box<str>,
    pub action: Action,
    pub overrides: Overrides,
    pub(super) conditions: Result<Conditions, Unknown>,
}

/// What a request path must be.
#[derive(Clone, Debug)]
pub(super) enum PathMatch {
    Prefix(Box<str>, Case),
    Exact(Box<str>, Case),
    /// A prefix that ends where a segment ends.
    SegmentPrefix(Box<str>, Case),
    Regex(StringMatcher),
    Template(UriTemplate),
    Connect,
}

/// A share of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    pub numerator: u64,
    pub denominator: u64,
}

/// `envoy.config.route.v3.RouteMatch`.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    path: PathMatch,
    headers: Vec<HeaderCheck>,
    query: Vec<QueryMatcher>,
    grpc: bool,
    fraction: Option<Fraction>,
    /// Whether a client certificate must be presented; validated.
    presented: Option<bool>,
    validated: Option<bool>,
}

/// What a route asks of requests, without the rest of it.
#[derive(Clone, Debug)]
pub struct Match(Conditions);

impl Match {
    /// Reads `envoy.config.route.v3.RouteMatch`.
    ///
    /// # Errors
    /// A condition that is not known.
    pub fn read(value: &serde_json::Value) -> Result<Match, Unknown> {
        Conditions::read(&Message::new(value, Path::root("match"))?).map(Match)
    }
    /// Whether a path, with or without its query, is one that the route takes; its other conditions are not asked.
    pub fn takes_path(&self, path: &str) -> bool {
        let headers: &[(&str, &str)] = &[];
        let request = Request { method: "", scheme: "", authority: "", path, headers: &headers };
        self.0.path.is_match(request.path_only(), &request)
    }
    /// Whether more than the path decides.
    pub fn is_conditional(&self) -> bool {
        let c = &self.0;
        !c.headers.is_empty() || !c.query.is_empty() || c.grpc || c.fraction.is_some() || c.presented.is_some() || c.validated.is_some()
    }
}

/// Which route takes a request.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'c, T> {
    Found(&'c T),
    None,
    Unknown(&'c Unknown),
}

impl Table {
    /// Compiles one route configuration, alone.
    ///
    /// # Errors
    /// A part that can't be read at all; what is not known in one route stands in that route.
    pub fn compile(value: &serde_json::Value) -> Result<Table, Unknown> {
        Table::read(value, Path::root("routes"))
    }
    pub fn read(value: &serde_json::Value, path: Path<'_>) -> Read<Table> {
        Table::from_message(&Message::new(value, path)?)
    }
    pub(super) fn from_message(m: &Message<'_, '_>) -> Read<Table> {
        let unknown = m.only(&[
            "name",
            "virtual_hosts",
            "internal_only_headers",
            "response_headers_to_add",
            "response_headers_to_remove",
            "request_headers_to_add",
            "request_headers_to_remove",
            "most_specific_header_mutations_wins",
            "validate_clusters",
            "max_direct_response_body_size_bytes",
            "request_mirror_policies",
            "ignore_port_in_host_matching",
            "ignore_path_parameters_in_path_matching",
            "typed_per_filter_config",
            "metadata",
            "vhds",
        ]);
        let list = m.messages("virtual_hosts")?;
        let mut hosts = Vec::with_capacity(list.len());
        let mut domains = Domains::default();
        for (i, host) in list.iter().enumerate() {
            let host = VirtualHost::read(host, i)?;
            host.domains.iter().for_each(|d| domains.add(d, u32::try_from(i).unwrap_or(u32::MAX)));
            hosts.push(host);
        }
        domains.shrink();
        Ok(Table {
            name: m.text("name")?.into(),
            hosts,
            domains,
            ignores_port: m.flag("ignore_port_in_host_matching")?,
            ignores_parameters: m.flag("ignore_path_parameters_in_path_matching")?,
            overrides: Overrides::read(m)?,
            // Virtual hosts that are fetched on demand are not in a dump.
            unknown: unknown.err().or_else(|| m.has("vhds").then(|| m.unknown_field("vhds", "virtual hosts on demand are not known to meshctl"))),
        })
    }

    /// The first thing in it that is not known.
    pub fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_ref().or_else(|| self.overrides.unknown()).or_else(|| self.hosts.iter().find_map(VirtualHost::unknown))
    }

    /// The virtual host of a host, as the request spells it.
    pub fn virtual_host<R: Recorder>(&self, host: &str, recorder: &mut R) -> Choice<'_, VirtualHost> {
        let host = if self.ignores_port { without_port(host) } else { host };
        let found = self.domains.find(host).and_then(|i| self.hosts.get(i as usize));
        if R::ON {
            for other in self.hosts.iter().filter(|h| found.is_none_or(|f| !std::ptr::eq(*h, f))) {
                // A host has thousands of neighbours: those that would match without the chosen one, or have its first label.
                let near = |d: &str| covers(d, host) || (host.len() > 2 && d.split('.').next() == host.split('.').next());
                if let Some(domain) = other.domains.iter().find(|d| near(d)) {
                    recorder.failed(|| match covers(domain, host) {
                        true => format!("a domain matches `{host}` more specifically than `{domain}`"),
                        false => format!("its domain `{domain}` does not match `{host}`"),
                    });
                    recorder.passed_over(|| Candidate { name: other.name.to_string(), source: other.source.to_string() });
                }
            }
        }
        match (found, &self.unknown) {
            (Some(host), _) => Choice::Found(host),
            (None, Some(u)) => Choice::Unknown(u),
            (None, None) => Choice::None,
        }
    }

    /// The route of a request in one of the table's virtual hosts. `random` is the request's random number.
    pub fn route<'c, R: Recorder>(
        &'c self,
        host: &'c VirtualHost,
        request: &Request<'_>,
        connection: &Connection<'_>,
        random: u64,
        recorder: &mut R,
    ) -> Choice<'c, Route> {
        if let Some(u) = &host.unknown {
            return Choice::Unknown(u);
        }
        let path = match self.ignores_parameters {
            true => request.path_only().split(';').next().unwrap_or(""),
            false => request.path_only(),
        };
        for route in &host.routes {
            let conditions = match &route.conditions {
                Ok(conditions) => conditions,
                // What the others of its conditions say is not known either.
                Err(u) => return Choice::Unknown(u),
            };
            if conditions.check(path, request, connection, random, recorder) {
                return Choice::Found(route);
            }
            recorder.passed_over(|| route.candidate());
        }
        Choice::None
    }
}

/// Whether a domain, with or without a wildcard, matches a host.
fn covers(domain: &str, host: &str) -> bool {
    let (domain, host) = (domain.to_ascii_lowercase(), host.to_ascii_lowercase());
    if domain == "*" {
        true
    } else if let Some(suffix) = domain.strip_prefix('*') {
        host.len() > suffix.len() && host.ends_with(suffix)
    } else if let Some(prefix) = domain.strip_suffix('*') {
        host.len() > prefix.len() && host.starts_with(prefix)
    } else {
        domain == host
    }
}

impl VirtualHost {
    /// What rate limits know the requests of a route by; `None` where it does not forward them.
    pub fn limits<'c>(&'c self, route: &'c Route) -> Option<RateLimits<'c>> {
        let Action::Forward(forward) = &route.action else { return None };
        Some(RateLimits { route: &forward.rate_limits, host: &self.rate_limits, includes_host: forward.includes_host_limits })
    }
    fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_deref().or_else(|| self.overrides.unknown()).or_else(|| self.routes.iter().find_map(Route::unknown))
    }
    fn read(m: &Message<'_, '_>, index: usize) -> Read<VirtualHost> {
        let unknown = m.only(&[
            "name",
            "domains",
            "routes",
            "require_tls",
            "virtual_clusters",
            "rate_limits",
            "request_headers_to_add",
            "request_headers_to_remove",
            "response_headers_to_add",
            "response_headers_to_remove",
            "cors",
            "typed_per_filter_config",
            "include_request_attempt_count",
            "include_attempt_count_in_response",
            "retry_policy",
            "hedge_policy",
            "include_is_timeout_retry_header",
            "per_request_buffer_limit_bytes",
            "request_body_buffer_limit",
            "request_mirror_policies",
            "metadata",
        ]);
        let retry = m.message("retry_policy")?;
        // Most hosts have one route: a vector that grows by itself would have room for four.
        let list = m.messages("routes")?;
        let mut routes = Vec::with_capacity(list.len());
        for (index, route) in list.iter().enumerate() {
            routes.push(Route::read(route, index, retry.as_ref())?);
        }
        Ok(VirtualHost {
            name: m.text("name")?.into(),
            index,
            domains: m.texts("domains")?.into_iter().map(Into::into).collect(),
            require_tls: match m.enumeration("require_tls", &["NONE", "EXTERNAL_ONLY", "ALL"])? {
                "ALL" => RequireTls::All,
                "EXTERNAL_ONLY" => RequireTls::ExternalOnly,
                _ => RequireTls::No,
            },
            routes,
            overrides: Overrides::read(m)?,
            rate_limits: Policies::read(m, "rate_limits"),
            source: super::source_of(m),
            unknown: unknown.err().map(Box::new),
        })
    }
}

impl Route {
    fn read(m: &Message<'_, '_>, index: usize, host_retry: Option<&Message<'_, '_>>) -> Read<Route> {
        let known = m.only(&[
            "name",
            "match",
            "route",
            "redirect",
            "direct_response",
            "filter_action",
            "non_forwarding_action",
            "metadata",
            "decorator",
            "typed_per_filter_config",
            "request_headers_to_add",
            "request_headers_to_remove",
            "response_headers_to_add",
            "response_headers_to_remove",
            "tracing",
            "per_request_buffer_limit_bytes",
            "request_body_buffer_limit",
            "stat_prefix",
        ]);
        let conditions = known.and_then(|()| Conditions::read(&m.message_or_empty("match")?));
        Ok(Route {
            name: m.text("name")?.into(),
            index,
            source: super::source_of(m),
            action: Action::read(m, conditions.as_ref().ok().map(|c| &c.path), host_retry),
            overrides: Overrides::read(m)?,
            conditions,
        })
    }
    /// The first thing in it that is not known: a condition, the action, a filter's configuration.
    pub fn unknown(&self) -> Option<&Unknown> {
        let of_action = match &self.action {
            Action::Unknown(u) => Some(u),
            Action::Forward(f) => match &f.target {
                super::action::Target::Weighted(w) => w.clusters.iter().find_map(|c| c.overrides.unknown()),
                _ => None,
            },
            _ => None,
        };
        self.conditions.as_ref().err().or(of_action).or_else(|| self.overrides.unknown())
    }
    fn candidate(&self) -> Candidate {
        let name = if self.name.is_empty() { format!("route {}", self.index) } else { self.name.to_string() };
        Candidate { name, source: self.source.to_string() }
    }
    /// Its conditions in words; "" where they are not known.
    pub fn conditions(&self) -> String {
        self.conditions.as_ref().map(Conditions::describe).unwrap_or_default()
    }
}

impl Fraction {
    /// `FractionalPercent`.
    pub fn read(m: &Message<'_, '_>) -> Read<Fraction> {
        let denominator = match m.enumeration("denominator", &["HUNDRED", "TEN_THOUSAND", "MILLION"])? {
            "TEN_THOUSAND" => 10_000,
            "MILLION" => 1_000_000,
            _ => 100,
        };
        Ok(Fraction { numerator: m.uint("numerator")?.unwrap_or(0), denominator })
    }
    /// `RuntimeFractionalPercent`: its default, since no runtime value is in the configuration.
    pub fn read_runtime(m: &Message<'_, '_>) -> Read<Fraction> {
        m.only(&["default_value", "runtime_key"])?;
        Fraction::read(&m.message_or_empty("default_value")?)
    }
    /// Whether a random number falls into it.
    pub fn holds(self, random: u64) -> bool {
        random % self.denominator < self.numerator
    }
    pub fn is_always(self) -> bool {
        self.numerator >= self.denominator
    }
    pub fn is_never(self) -> bool {
        self.numerator == 0
    }
}

impl std::fmt::Display for Fraction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", self.numerator as f64 * 100.0 / self.denominator as f64)
    }
}

impl Conditions {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Conditions> {
        m.only(&[
            "prefix",
            "path",
            "safe_regex",
            "connect_matcher",
            "path_separated_prefix",
            "path_match_policy",
            "case_sensitive",
            "runtime_fraction",
            "headers",
            "query_parameters",
            "grpc",
            "tls_context",
        ])?;
        let case = Case::sensitive(m.bool("case_sensitive")?.unwrap_or(true));
        let path = if m.has("prefix") {
            PathMatch::Prefix(m.text("prefix")?.into(), case)
        } else if m.has("path") {
            PathMatch::Exact(m.text("path")?.into(), case)
        } else if m.has("path_separated_prefix") {
            PathMatch::SegmentPrefix(m.text("path_separated_prefix")?.into(), case)
        } else if let Some(regex) = m.message("safe_regex")? {
            PathMatch::Regex(text::regex(&regex)?)
        } else if m.has("connect_matcher") {
            PathMatch::Connect
        } else if let Some(policy) = m.message("path_match_policy")? {
            match policy.any("typed_config")? {
                Some((name, config)) if name.ends_with(".UriTemplateMatchConfig") => PathMatch::Template(text::template(&config)?),
                _ => return Err(policy.unknown("a way to match paths that is not known to meshctl")),
            }
        } else {
            return Err(m.unknown("a match without a path"));
        };
        let tls = m.message_or_empty("tls_context")?;
        Ok(Conditions {
            path,
            headers: m.messages("headers")?.iter().map(HeaderCheck::read).collect::<Read<_>>()?,
            query: m.messages("query_parameters")?.iter().map(QueryMatcher::read).collect::<Read<_>>()?,
            grpc: m.has("grpc"),
            fraction: m.message("runtime_fraction")?.map(|f| Fraction::read_runtime(&f)).transpose()?,
            presented: tls.bool("presented")?,
            validated: tls.bool("validated")?,
        })
    }

    /// Whether all conditions hold; the recorder hears of the first that does not.
    pub(super) fn check<R: Recorder>(&self, path: &str, request: &Request<'_>, connection: &Connection<'_>, random: u64, recorder: &mut R) -> bool {
        let failed = |recorder: &mut R, why: &dyn Fn() -> String| {
            recorder.failed(why);
            false
        };
        if !self.path.is_match(path, request) {
            return failed(recorder, &|| format!("path: wants one that {}, is `{path}`", self.path.describe()));
        }
        if let Some(fraction) = self.fraction
            && !fraction.holds(random)
        {
            return failed(recorder, &|| format!("share of requests: takes {fraction}, and this request is not among them"));
        }
        if self.grpc && !request.is_grpc() {
            return failed(recorder, &|| "gRPC: wants a gRPC request, its content type says it is none".to_owned());
        }
        if !self.headers.iter().all(|h| h.check(request, recorder)) || !self.query.iter().all(|q| q.check(request, recorder)) {
            return false;
        }
        let certificate = connection.tls.as_ref().is_some_and(|t| t.certificate.is_some());
        if self.presented.is_some_and(|p| p != certificate) || self.validated.is_some_and(|v| v != certificate) {
            return failed(recorder, &|| "client certificate: another one is asked for".to_owned());
        }
        true
    }

    fn describe(&self) -> String {
        let mut parts = vec![format!("path {}", self.path.describe())];
        parts.extend(self.headers.iter().map(ToString::to_string));
        parts.extend(self.query.iter().map(ToString::to_string));
        if self.grpc {
            parts.push("gRPC".to_owned());
        }
        parts.extend(self.fraction.map(|f| format!("{f} of requests")));
        parts.join("; ")
    }
}

impl PathMatch {
    fn is_match(&self, path: &str, request: &Request<'_>) -> bool {
        if request.path.is_empty() && !matches!(self, PathMatch::Connect) {
            // A CONNECT request without a path has nothing that could match.
            return false;
        }
        match self {
            PathMatch::Prefix(p, case) => case.starts_with(path, p),
            PathMatch::Exact(p, case) => case.equal(path, p),
            PathMatch::SegmentPrefix(p, case) => case.starts_with(path, p) && matches!(path.as_bytes().get(p.len()), None | Some(b'/')),
            PathMatch::Regex(m) => m.matches(path).is_yes(),
            PathMatch::Template(t) => t.matches(path).is_yes(),
            PathMatch::Connect => request.is_connect(),
        }
    }
    fn describe(&self) -> String {
        let (word, text, case) = match self {
            PathMatch::Prefix(p, case) => ("starts with", p, *case),
            PathMatch::Exact(p, case) => ("is", p, *case),
            PathMatch::SegmentPrefix(p, case) => ("starts with the segments", p, *case),
            PathMatch::Regex(m) => return m.to_string(),
            PathMatch::Template(t) => return format!("has the form `{t}`"),
            PathMatch::Connect => return "belongs to a CONNECT request".to_owned(),
        };
        format!("{word} `{text}`{}", if case == Case::Ignored { " in any case" } else { "" })
    }
}
