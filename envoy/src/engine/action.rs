//! Step six: what a route does with a request: forward it, answer it, or send the client elsewhere.

use super::domain::without_port;
use super::field::{Message, Read, Unknown};
use super::gate::{Overrides, Policies};
use super::request::Request;
use super::route::{Fraction, PathMatch};
use super::text::Substitution;
use std::time::Duration;

#[derive(Clone, Debug)]
pub enum Action {
    Forward(Box<Forward>),
    Redirect(Box<Redirect>),
    Direct {
        status: u16,
    },
    /// A route that only filters look at.
    Nothing,
    Unknown(Unknown),
}

/// Where a request is forwarded to.
#[derive(Clone, Debug)]
pub enum Target {
    Cluster(Box<str>),
    /// The cluster that a request header names.
    Header(Box<str>),
    Weighted(Weighted),
}

/// Clusters among which requests are split.
#[derive(Clone, Debug)]
pub struct Weighted {
    pub clusters: Vec<WeightedCluster>,
    /// The request header that stands for the random number; "" for none.
    pub(super) random_header: Box<str>,
}

impl Weighted {
    /// The cluster for a random number, which a header of the request may replace.
    pub fn choose(&self, request: Option<&Request<'_>>, random: Option<u64>) -> Option<&WeightedCluster> {
        let total: u64 = self.clusters.iter().map(|c| c.weight).sum();
        let named = request.filter(|_| !self.random_header.is_empty()).and_then(|r| r.header(&self.random_header, 0)?.parse().ok());
        let chosen = named.or(random)?.checked_rem(total)?;
        let mut end = 0;
        self.clusters.iter().find(|c| {
            end += c.weight;
            chosen < end
        })
    }
}

#[derive(Clone, Debug)]
pub struct WeightedCluster {
    /// `None` where a request header names it.
    pub name: Option<Box<str>>,
    pub header: Box<str>,
    pub weight: u64,
    pub overrides: Overrides,
}

/// What becomes of the path or the host.
#[derive(Clone, Debug, Default)]
pub struct Rewrite {
    prefix: Option<(Matched, Box<str>)>,
    /// Beside the rest, as few routes have one.
    regex: Option<Box<Substitution>>,
    host: Option<Box<str>>,
    host_header: Option<Box<str>>,
    /// The host becomes the endpoint's name.
    pub host_of_endpoint: bool,
}

/// The part of a path that a prefix rewrite replaces.
#[derive(Clone, Debug)]
enum Matched {
    Prefix(usize),
    Whole,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// `retry_on`, as spelled.
    pub on: Box<str>,
    pub times: u64,
    pub per_try_timeout: Option<Duration>,
    pub status_codes: Vec<u64>,
}

impl Retry {
    /// Whether a word stands in `retry_on`.
    pub fn retries(&self, word: &str) -> bool {
        self.on.split(',').any(|w| w.trim() == word)
    }
}

/// A copy of the request that goes elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    pub cluster: Box<str>,
    pub fraction: Option<Fraction>,
    /// Whether copies go to the same host, and not to the one with `-shadow` in its name.
    pub keeps_host: bool,
}

#[derive(Clone, Debug)]
pub struct Forward {
    pub target: Target,
    /// The status where the cluster does not exist.
    pub not_found: u16,
    pub rewrite: Rewrite,
    /// `None` for no limit.
    pub timeout: Option<Duration>,
    pub retry: Option<Retry>,
    pub mirrors: Vec<Mirror>,
    /// Upgrades switched on or off here.
    pub upgrades: Vec<(Box<str>, bool)>,
    /// What requests are kept together by, for load balancers that hash.
    pub hashes: bool,
    /// Labels that endpoints must have.
    pub subset: Option<Box<serde_json::Value>>,
    pub rate_limits: Policies,
    /// Whether the virtual host's rate limits count as well.
    pub includes_host_limits: bool,
}

#[derive(Clone, Debug)]
pub struct Redirect {
    pub status: u16,
    scheme: Box<str>,
    host: Box<str>,
    port: Option<u64>,
    path: Option<Box<str>>,
    prefix: Option<(Matched, Box<str>)>,
    regex: Option<Substitution>,
    strips_query: bool,
}

/// Envoy's default where a route has no timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

const FORWARD: &[&str] = &[
    "cluster",
    "cluster_header",
    "weighted_clusters",
    "cluster_not_found_response_code",
    "metadata_match",
    "prefix_rewrite",
    "regex_rewrite",
    "host_rewrite_literal",
    "auto_host_rewrite",
    "host_rewrite_header",
    "append_x_forwarded_host",
    "timeout",
    "idle_timeout",
    "flush_timeout",
    "early_data_policy",
    "retry_policy",
    "request_mirror_policies",
    "priority",
    "rate_limits",
    "include_vh_rate_limits",
    "hash_policy",
    "cors",
    "max_grpc_timeout",
    "grpc_timeout_offset",
    "upgrade_configs",
    "hedge_policy",
    "max_stream_duration",
];

impl Action {
    pub(super) fn read(route: &Message<'_, '_>, path: Option<&PathMatch>, host_retry: Option<&Message<'_, '_>>) -> Action {
        Action::try_read(route, path, host_retry).unwrap_or_else(Action::Unknown)
    }
    fn try_read(route: &Message<'_, '_>, path: Option<&PathMatch>, host_retry: Option<&Message<'_, '_>>) -> Read<Action> {
        if let Some(m) = route.message("route")? {
            return Ok(Action::Forward(Box::new(Forward::read(&m, path, host_retry)?)));
        }
        if let Some(m) = route.message("redirect")? {
            return Ok(Action::Redirect(Box::new(Redirect::read(&m, path)?)));
        }
        if let Some(m) = route.message("direct_response")? {
            let status = m.uint("status")?.unwrap_or(0);
            return Ok(Action::Direct { status: u16::try_from(status).map_err(|_| m.unknown_field("status", "no status"))? });
        }
        if route.has("non_forwarding_action") {
            return Ok(Action::Nothing);
        }
        Err(route.unknown("a route without an action that is known to meshctl"))
    }
}

impl Forward {
    fn read(m: &Message<'_, '_>, path: Option<&PathMatch>, host_retry: Option<&Message<'_, '_>>) -> Read<Forward> {
        m.only(FORWARD)?;
        let not_found = match m.enumeration("cluster_not_found_response_code", &["SERVICE_UNAVAILABLE", "NOT_FOUND", "INTERNAL_SERVER_ERROR"])? {
            "NOT_FOUND" => 404,
            "INTERNAL_SERVER_ERROR" => 500,
            _ => 503,
        };
        let retry = m.message("retry_policy")?;
        let mut mirrors = Vec::new();
        for mirror in m.messages("request_mirror_policies")? {
            let fraction = mirror.message("runtime_fraction")?.map(|f| Fraction::read_runtime(&f)).transpose()?;
            let keeps_host = mirror.flag("disable_shadow_host_suffix_append")?;
            mirrors.push(Mirror { cluster: mirror.text("cluster")?.into(), fraction, keeps_host });
        }
        let timeout = m.duration("timeout")?.unwrap_or(DEFAULT_TIMEOUT);
        Ok(Forward {
            target: Target::read(m)?,
            not_found,
            rewrite: Rewrite {
                prefix: Some(m.text("prefix_rewrite")?).filter(|p| !p.is_empty()).map(|p| (Matched::by(path), p.into())),
                regex: m.message("regex_rewrite")?.map(|r| Substitution::read(&r).map(Box::new)).transpose()?,
                host: Some(m.text("host_rewrite_literal")?).filter(|h| !h.is_empty()).map(Into::into),
                host_header: Some(m.text("host_rewrite_header")?).filter(|h| !h.is_empty()).map(|h| h.to_ascii_lowercase().into()),
                host_of_endpoint: m.flag("auto_host_rewrite")?,
            },
            timeout: Some(timeout).filter(|t| !t.is_zero()),
            retry: retry.as_ref().or(host_retry).map(Retry::read).transpose()?,
            mirrors,
            upgrades: m.messages("upgrade_configs")?.iter().map(upgrade).collect::<Read<_>>()?,
            hashes: !m.values("hash_policy")?.is_empty(),
            subset: m.message_or_empty("metadata_match")?.message_or_empty("filter_metadata")?.value("envoy.lb").cloned().map(Box::new),
            rate_limits: Policies::read(m, "rate_limits"),
            includes_host_limits: m.flag("include_vh_rate_limits")?,
        })
    }
}

/// `upgrade_configs[]`: a protocol in lower case, and whether it is allowed.
pub(super) fn upgrade(m: &Message<'_, '_>) -> Read<(Box<str>, bool)> {
    Ok((m.text("upgrade_type")?.to_ascii_lowercase().into(), m.bool("enabled")?.unwrap_or(true)))
}

impl Target {
    fn read(m: &Message<'_, '_>) -> Read<Target> {
        if let Some(weighted) = m.message("weighted_clusters")? {
            weighted.only(&["clusters", "total_weight", "runtime_key_prefix", "header_name"])?;
            let mut clusters = Vec::new();
            for c in weighted.messages("clusters")? {
                clusters.push(WeightedCluster {
                    name: Some(c.text("name")?).filter(|n| !n.is_empty()).map(Into::into),
                    header: c.text("cluster_header")?.to_ascii_lowercase().into(),
                    weight: c.uint32("weight")?.unwrap_or(0),
                    overrides: Overrides::read(&c)?,
                });
            }
            return Ok(Target::Weighted(Weighted { clusters, random_header: weighted.text("header_name")?.to_ascii_lowercase().into() }));
        }
        if m.has("cluster_header") {
            return Ok(Target::Header(m.text("cluster_header")?.to_ascii_lowercase().into()));
        }
        match m.text("cluster")? {
            "" => Err(m.unknown("a way to name the cluster that is not known to meshctl")),
            name => Ok(Target::Cluster(name.into())),
        }
    }
    /// The cluster for a random number, and what it overrides; `None` where a header should name one and is absent.
    pub fn choose<'c>(&'c self, request: &Request<'c>, random: u64) -> Option<(&'c str, Option<&'c Overrides>)> {
        match self {
            Target::Cluster(name) => Some((name, None)),
            Target::Header(header) => request.header(header, 0).map(|name| (name, None)),
            Target::Weighted(weighted) => {
                let cluster = weighted.choose(Some(request), Some(random))?;
                let name = cluster.name.as_deref().or_else(|| request.header(&cluster.header, 0))?;
                Some((name, Some(&cluster.overrides)))
            }
        }
    }
}

impl Retry {
    fn read(m: &Message<'_, '_>) -> Read<Retry> {
        let codes = m.values("retriable_status_codes")?.iter().filter_map(serde_json::Value::as_u64);
        Ok(Retry {
            on: m.text("retry_on")?.into(),
            times: m.uint("num_retries")?.unwrap_or(1),
            per_try_timeout: m.duration("per_try_timeout")?.filter(|d| !d.is_zero()),
            status_codes: codes.collect(),
        })
    }
}

impl Matched {
    fn by(path: Option<&PathMatch>) -> Matched {
        match path {
            Some(PathMatch::Prefix(p, _) | PathMatch::SegmentPrefix(p, _)) => Matched::Prefix(p.len()),
            _ => Matched::Whole,
        }
    }
    fn replace(&self, path: &str, with: &str) -> String {
        match self {
            Matched::Prefix(n) => format!("{with}{}", path.get(*n..).unwrap_or("")),
            Matched::Whole => with.to_owned(),
        }
    }
}

/// A path and its query, question mark included.
fn split_query(path: &str) -> (&str, &str) {
    path.split_at(path.find('?').unwrap_or(path.len()))
}

impl Rewrite {
    /// Whether path and host stay what they are, whatever the request.
    pub fn is_nothing(&self) -> bool {
        self.prefix.is_none() && self.regex.is_none() && self.host.is_none() && self.host_header.is_none()
    }
    /// The path that the upstream sees.
    pub fn path(&self, request: &Request<'_>) -> String {
        let (path, query) = split_query(request.path);
        match (&self.prefix, &self.regex) {
            (Some((matched, with)), _) => format!("{}{query}", matched.replace(path, with)),
            (None, Some(regex)) => format!("{}{query}", regex.apply(path)),
            (None, None) => request.path.to_owned(),
        }
    }
    /// The host that the upstream sees, where the endpoint does not decide it.
    pub fn host<'a>(&'a self, request: &Request<'a>) -> &'a str {
        let from_header = self.host_header.as_deref().and_then(|h| request.header(h, 0));
        self.host.as_deref().or(from_header).unwrap_or(request.authority)
    }
}

impl Redirect {
    fn read(m: &Message<'_, '_>, path: Option<&PathMatch>) -> Read<Redirect> {
        m.only(&[
            "https_redirect",
            "scheme_redirect",
            "host_redirect",
            "port_redirect",
            "path_redirect",
            "prefix_rewrite",
            "regex_rewrite",
            "response_code",
            "strip_query",
        ])?;
        let codes = ["MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT"];
        let status = match m.enumeration("response_code", &codes)? {
            "FOUND" => 302,
            "SEE_OTHER" => 303,
            "TEMPORARY_REDIRECT" => 307,
            "PERMANENT_REDIRECT" => 308,
            _ => 301,
        };
        Ok(Redirect {
            status,
            scheme: if m.flag("https_redirect")? { "https" } else { m.text("scheme_redirect")? }.into(),
            host: m.text("host_redirect")?.into(),
            port: m.uint("port_redirect")?.filter(|p| *p != 0),
            path: m.value("path_redirect").is_some().then(|| m.text("path_redirect")).transpose()?.map(Into::into),
            prefix: m.has("prefix_rewrite").then(|| m.text("prefix_rewrite")).transpose()?.map(|p| (Matched::by(path), p.into())),
            regex: m.message("regex_rewrite")?.map(|r| Substitution::read(&r)).transpose()?,
            strips_query: m.flag("strip_query")?,
        })
    }

    /// The `location` that the client is sent to.
    pub fn location(&self, request: &Request<'_>) -> String {
        let scheme = if self.scheme.is_empty() { request.scheme } else { &self.scheme };
        let port = self.port.map(|p| format!(":{p}")).unwrap_or_default();
        let host = if self.host.is_empty() { self.request_host(request, scheme) } else { &self.host };
        let (path, query) = split_query(request.path);
        let query = if self.strips_query { "" } else { query };
        let path = match (&self.path, &self.prefix, &self.regex) {
            (Some(fixed), _, _) if fixed.contains('?') => fixed.to_string(),
            (Some(fixed), _, _) => format!("{fixed}{query}"),
            (None, Some((matched, with)), _) => format!("{}{query}", matched.replace(path, with)),
            (None, None, Some(regex)) => format!("{}{query}", regex.apply(path)),
            (None, None, None) => format!("{path}{query}"),
        };
        format!("{scheme}://{host}{port}{path}")
    }

    /// The request's host; its port goes where another is set, and where it was the old scheme's own.
    fn request_host<'a>(&self, request: &Request<'a>, scheme: &str) -> &'a str {
        let host = without_port(request.authority);
        let port = request.authority.get(host.len()..).unwrap_or("");
        let was_default = (request.scheme == "https" && port == ":443") || (request.scheme == "http" && port == ":80");
        if self.port.is_some() || (scheme != request.scheme && was_default) { host } else { request.authority }
    }
}
