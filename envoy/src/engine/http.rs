//! The HTTP connection manager: how it puts a request in order before filters and routes see it.

use super::field::{Message, Read, Unknown};
use super::gate::{HttpFilter, Reply};
use super::request::{Connection, Headers, Protocol, Request};
use super::route::Table;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// Where the route configuration stands.
#[derive(Clone, Debug)]
pub enum Routes {
    /// Shared with who keeps more beside each route.
    Inline(Arc<Table>),
    /// By name, over RDS.
    Named(Box<str>),
    Unknown(Unknown),
}

/// `path_with_escaped_slashes_action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EscapedSlashes {
    Keep,
    Reject,
    UnescapeAndRedirect,
    UnescapeAndForward,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StripPort {
    No,
    /// The listener's own.
    Matching,
    Any,
}

/// `HttpConnectionManager`.
#[derive(Clone, Debug)]
pub struct Manager {
    pub routes: Routes,
    pub filters: Vec<HttpFilter>,
    /// Protocols that a connection may be upgraded to, in lower case.
    pub upgrades: Vec<(Box<str>, bool)>,
    normalizes: bool,
    merges_slashes: bool,
    escaped_slashes: EscapedSlashes,
    strip_port: StripPort,
    strips_dot: bool,
    accepts_http10: bool,
    default_host: Box<str>,
    uses_remote_address: bool,
    trusted_hops: usize,
    unknown: Option<Unknown>,
}

const KNOWN: &[&str] = &[
    "codec_type",
    "stat_prefix",
    "rds",
    "route_config",
    "scoped_routes",
    "http_filters",
    "add_user_agent",
    "tracing",
    "common_http_protocol_options",
    "http1_safe_max_connection_duration",
    "http_protocol_options",
    "http2_protocol_options",
    "http3_protocol_options",
    "server_name",
    "server_header_transformation",
    "scheme_header_transformation",
    "max_request_headers_kb",
    "stream_idle_timeout",
    "stream_flush_timeout",
    "request_timeout",
    "request_headers_timeout",
    "drain_timeout",
    "delayed_close_timeout",
    "access_log",
    "access_log_flush_interval",
    "flush_access_log_on_new_request",
    "access_log_options",
    "use_remote_address",
    "xff_num_trusted_hops",
    "internal_address_config",
    "skip_xff_append",
    "via",
    "generate_request_id",
    "preserve_external_request_id",
    "always_set_request_id_in_response",
    "forward_client_cert_details",
    "set_current_client_cert_details",
    "proxy_100_continue",
    "represent_ipv4_remote_address_as_ipv4_mapped_ipv6",
    "upgrade_configs",
    "normalize_path",
    "merge_slashes",
    "path_with_escaped_slashes_action",
    "request_id_extension",
    "strip_matching_host_port",
    "strip_any_host_port",
    "stream_error_on_invalid_http_message",
    "strip_trailing_host_dot",
    "proxy_status_config",
    "append_x_forwarded_port",
    "append_local_overload",
    "add_proxy_protocol_connection_state",
    "local_reply_config",
];

impl Manager {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Manager> {
        let routes = if let Some(table) = m.message("route_config")? {
            Table::from_message(&table).map_or_else(Routes::Unknown, |t| Routes::Inline(Arc::new(t)))
        } else if let Some(rds) = m.message("rds")? {
            Routes::Named(rds.text("route_config_name")?.into())
        } else {
            Routes::Unknown(m.unknown("a way to find routes that is not known to meshctl"))
        };
        let escaped = ["IMPLEMENTATION_SPECIFIC_DEFAULT", "KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD"];
        let http1 = m.message_or_empty("http_protocol_options")?;
        Ok(Manager {
            routes,
            filters: m.messages("http_filters")?.iter().map(HttpFilter::read).collect(),
            upgrades: m.messages("upgrade_configs")?.iter().map(super::action::upgrade).collect::<Read<_>>()?,
            normalizes: m.flag("normalize_path")?,
            merges_slashes: m.flag("merge_slashes")?,
            escaped_slashes: match m.enumeration("path_with_escaped_slashes_action", &escaped)? {
                "REJECT_REQUEST" => EscapedSlashes::Reject,
                "UNESCAPE_AND_REDIRECT" => EscapedSlashes::UnescapeAndRedirect,
                "UNESCAPE_AND_FORWARD" => EscapedSlashes::UnescapeAndForward,
                _ => EscapedSlashes::Keep,
            },
            strip_port: match (m.flag("strip_any_host_port")?, m.flag("strip_matching_host_port")?) {
                (true, _) => StripPort::Any,
                (false, true) => StripPort::Matching,
                (false, false) => StripPort::No,
            },
            strips_dot: m.flag("strip_trailing_host_dot")?,
            accepts_http10: http1.flag("accept_http_10")?,
            default_host: http1.text("default_host_for_http_10")?.into(),
            uses_remote_address: m.flag("use_remote_address")?,
            trusted_hops: usize::try_from(m.uint("xff_num_trusted_hops")?.unwrap_or(0)).unwrap_or(0),
            unknown: if m.has("original_ip_detection_extensions") || m.has("early_header_mutation_extensions") || m.has("typed_header_validation_config") {
                Some(m.unknown("an extension of the connection manager that is not known to meshctl"))
            } else {
                m.only(KNOWN).err()
            },
        })
    }

    /// What is not known about the manager itself, if anything.
    pub fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_ref()
    }

    /// Whether forwarding headers of the client are taken as they are.
    pub fn trusts_forwarded(&self) -> bool {
        !self.uses_remote_address
    }
    /// The client's address: that of the connection, or what trusted proxies say.
    pub fn remote_address(&self, connection: &Connection<'_>, headers: &dyn Headers) -> IpAddr {
        let peer = connection.source.ip();
        let hops = if self.uses_remote_address { self.trusted_hops.checked_sub(1) } else { Some(self.trusted_hops) };
        let Some(hops) = hops else { return peer };
        let forwarded = headers.nth("x-forwarded-for", 0).unwrap_or("");
        forwarded.rsplit(',').nth(hops).and_then(|a| a.trim().parse().ok()).unwrap_or(peer)
    }

    /// Whether a protocol may be upgraded to, by a route's own word or the manager's.
    pub fn allows_upgrade(&self, protocol: &str, of_route: &[(Box<str>, bool)]) -> bool {
        let find = |list: &[(Box<str>, bool)]| list.iter().find(|(name, _)| name.eq_ignore_ascii_case(protocol)).map(|(_, on)| *on);
        find(of_route).or_else(|| find(&self.upgrades)).unwrap_or(false)
    }

    /// Puts a request in order: its host and its path as filters and routes see them, or the answer to one that is refused.
    ///
    /// # Errors
    /// The answer to a request that no route is asked about.
    pub fn prepare<'a>(&self, request: &Request<'a>, connection: &Connection<'_>) -> Result<(Cow<'a, str>, Cow<'a, str>), Reply> {
        let reply = |status, flag, details: &str| Err(Reply { status, flag, details: details.to_owned() });
        if connection.protocol == Protocol::Http10 && !self.accepts_http10 {
            return reply(426, "DPE", "low_version");
        }
        let mut host: Cow<'a, str> = request.authority.into();
        if host.is_empty() {
            if connection.protocol != Protocol::Http10 || self.default_host.is_empty() {
                return reply(400, "", "missing_host_header");
            }
            host = self.default_host.to_string().into();
        }
        if self.strips_dot {
            host = strip_dot(&host).into_owned().into();
        }
        let stripped = super::domain::without_port(&host);
        let port = host.get(stripped.len() + 1..).and_then(|p| p.parse::<u16>().ok());
        let strips = match self.strip_port {
            StripPort::No => false,
            StripPort::Matching => port.is_some() && port == Some(connection.destination.port()),
            StripPort::Any => port.is_some(),
        };
        if strips {
            host = stripped.to_owned().into();
        }
        if request.path.is_empty() {
            return Ok((host, "".into()));
        }
        // `OPTIONS *`: routes match paths.
        if !request.path.starts_with('/') {
            return reply(404, "", "absolute_path_rejected");
        }
        let path = self.path(request.path);
        match path {
            Path::Kept(path) => Ok((host, path)),
            Path::Refused(_) => reply(400, "", "path_normalization_failed"),
            Path::Redirected(_) => reply(307, "", "path_normalization_failed"),
        }
    }

    /// The path as logs have it where [`Manager::prepare`] refuses it for escaped slashes, and where a client is sent to if
    /// it answers with a redirect.
    pub fn refused_path(&self, path: &str) -> Option<String> {
        match self.path(path) {
            Path::Redirected(path) => Some(path),
            Path::Refused(path) => path,
            Path::Kept(_) => None,
        }
    }

    fn path<'a>(&self, path: &'a str) -> Path<'a> {
        if path.contains('#') {
            return Path::Refused(None);
        }
        let (mut before, query) = match path.find('?') {
            Some(at) => (Cow::Borrowed(&path[..at]), &path[at..]),
            None => (Cow::Borrowed(path), ""),
        };
        let mut redirects = false;
        if self.escaped_slashes != EscapedSlashes::Keep && has_escaped_slash(&before) {
            match self.escaped_slashes {
                EscapedSlashes::Reject => return Path::Refused(Some(format!("{}{query}", unescape_slashes(&before)))),
                EscapedSlashes::UnescapeAndRedirect => redirects = true,
                EscapedSlashes::Keep | EscapedSlashes::UnescapeAndForward => {}
            }
            before = unescape_slashes(&before).into();
        }
        if self.normalizes {
            match normalized(&before) {
                Some(path) => before = path.into(),
                None => return Path::Refused(None),
            }
        }
        if self.merges_slashes {
            before = merge_slashes(&before).into();
        }
        if redirects {
            return Path::Redirected(format!("{before}{query}"));
        }
        Path::Kept(if *before == path[..path.len() - query.len()] { path.into() } else { format!("{before}{query}").into() })
    }
}

enum Path<'a> {
    Kept(Cow<'a, str>),
    /// As it is without escapes, where they are why.
    Refused(Option<String>),
    Redirected(String),
}

fn strip_dot(host: &str) -> Cow<'_, str> {
    let name = super::domain::without_port(host);
    match name.strip_suffix('.') {
        Some(short) => format!("{short}{}", &host[name.len()..]).into(),
        None => host.into(),
    }
}

fn has_escaped_slash(path: &str) -> bool {
    path.as_bytes().windows(3).any(|w| w.eq_ignore_ascii_case(b"%2f") || w.eq_ignore_ascii_case(b"%5c"))
}

fn unescape_slashes(path: &str) -> String {
    path.replace("%2f", "/").replace("%2F", "/").replace("%5c", "\\").replace("%5C", "\\")
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// The path with `.` and `..` resolved, backslashes turned and escapes of unreserved characters undone; `None` for one
/// that cannot be put in order.
fn normalized(path: &str) -> Option<String> {
    let unescaped = unescape_unreserved(&path.replace('\\', "/"))?;
    let mut out: Vec<&str> = Vec::new();
    let segments: Vec<&str> = unescaped.strip_prefix('/')?.split('/').collect();
    let last = segments.len() - 1;
    for (i, segment) in segments.iter().enumerate() {
        match *segment {
            "." if i == last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if i == last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    Some(format!("/{}", out.join("/")))
}

fn unescape_unreserved(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = (bytes[i] == b'%').then(|| path.get(i + 1..i + 3)).flatten().and_then(|h| u8::from_str_radix(h, 16).ok());
        match escaped {
            Some(0) => return None,
            Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') => {
                out.push(b);
                i += 3;
            }
            _ => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_in_order() {
        for (path, want) in [
            ("/a/../b", Some("/b")),
            ("/a/./b/", Some("/a/b/")),
            ("/a/b/..", Some("/a/")),
            ("/../a", Some("/a")),
            ("/a%2e%2e/%61", Some("/a../a")),
            ("/x/%2e%2E/b", Some("/b")),
            ("/a//b", Some("/a//b")),
            ("/a\\b", Some("/a/b")),
            ("/a%20b%2F", Some("/a%20b%2F")),
            ("/a%00", None),
        ] {
            assert_eq!(normalized(path).as_deref(), want, "{path}");
        }
        assert_eq!(merge_slashes("//a///b/"), "/a/b/");
    }
}
