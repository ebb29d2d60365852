//! `%RESPONSE_CODE_DETAILS%`: who answered, and why.
//!
//! Source: Envoy's documentation of response code details and `envoy/stream_info/stream_info.h`; details of filters from
//! the filters' own sources and from recordings. Envoy puts `_` for blanks.

/// Details taken apart: `upstream_reset_before_response_started{remote_connection_failure|TLS_error:…}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Details<'d> {
    /// `upstream_reset_before_response_started`.
    pub name: &'d str,
    /// What stands in braces, brackets or parentheses, of a reset up to the bar: `remote_connection_failure`, a policy's name.
    pub reason: &'d str,
    /// What follows the bar: the transport's failure.
    pub transport: &'d str,
}

impl<'d> Details<'d> {
    pub fn parse(text: &'d str) -> Details<'d> {
        let Some(at) = text.find(['{', '[', '(']) else { return Details { name: text, ..Details::default() } };
        let (name, inside) = (&text[..at], &text[at + 1..]);
        let close = match text.as_bytes()[at] {
            b'{' => '}',
            b'[' => ']',
            _ => ')',
        };
        let inside = inside.strip_suffix(close).unwrap_or(inside);
        // Resets have the transport's failure behind a bar, before Envoy 1.22 behind a comma.
        let is_reset = name.starts_with("upstream_reset");
        let (reason, transport) = if is_reset { inside.split_once(['|', ',']).unwrap_or((inside, "")) } else { (inside, "") };
        Details { name, reason, transport }
    }
}

/// One kind of details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeDetails {
    /// The name; one that ends in `.` stands for all that begin so.
    pub name: &'static str,
    pub meaning: &'static str,
}

const fn entry(name: &'static str, meaning: &'static str) -> CodeDetails {
    CodeDetails { name, meaning }
}

/// In the order of their names.
pub const ALL: &[CodeDetails] = &[
    entry("absolute_path_rejected", "The request line has a whole URL, which the route does not accept"),
    entry("admin_filter_response", "The admin interface answered"),
    entry("buffer_limit_exceeded", "A filter had to hold more of a body than it may"),
    entry("cluster_not_found", "The chosen route names a cluster that this proxy does not have"),
    entry("cors_response", "The CORS filter answered a preflight request"),
    entry("csrf_origin_mismatch", "The CSRF filter refused the request's origin"),
    entry("direct_response", "The route itself answers: a direct response or a redirect"),
    entry("downstream_header_timeout", "The client did not send its headers in time"),
    entry("downstream_local_disconnect", "This proxy closed the client's connection, for the reason in parentheses"),
    entry("downstream_remote_disconnect", "The client closed its connection before the answer was complete"),
    entry("downstream_remote_reset", "The client reset the stream"),
    entry("drop_overload", "The cluster's load assignment tells to drop a share of requests"),
    entry("duration_timeout", "The client's connection reached its maximum duration"),
    entry("ext_authz_denied", "The external authorization service refused the request"),
    entry("ext_authz_error", "The external authorization service could not be asked, and the filter refuses then"),
    entry("ext_proc_error", "The external processor failed"),
    entry("fault_filter_abort", "The fault filter answered in place of the upstream, on purpose"),
    entry("filter_added_invalid_request_data", "A filter added data to the request at a wrong time: a fault of the filter"),
    entry("filter_added_invalid_response_data", "A filter added data to the response at a wrong time: a fault of the filter"),
    entry("filter_chain_not_found", "No filter chain of the listener matches the connection"),
    entry("filter_removed_required_headers", "A filter removed headers that a request or response must have"),
    entry("filter_removed_required_request_headers", "A filter removed headers that a request must have"),
    entry("filter_removed_required_response_headers", "A filter removed headers that a response must have"),
    entry("grpc_bridge_data_too_small", "The gRPC bridge got less data than a gRPC message has"),
    entry("health_check_failed", "The health check filter answered: this proxy's own service is failing"),
    entry("health_check_ok", "The health check filter answered: this proxy's own service is well"),
    entry("http1.", "The HTTP/1 codec refused the message; the name says what is wrong with it"),
    entry("http2.", "The HTTP/2 codec refused the message; the name says what is wrong with it"),
    entry("http3.", "The HTTP/3 codec refused the message; the name says what is wrong with it"),
    entry("internal_redirect", "An internal redirect took the request's place"),
    entry("invalid_path", "The request's path is invalid"),
    entry("jwt_authn_access_denied", "The JWT filter refused the token, for the reason in braces"),
    entry("local_rate_limited", "The local rate limit filter refused the request"),
    entry("low_version", "The client speaks HTTP/1.0 or 0.9, which is not enabled"),
    entry("maintenance_mode", "The cluster is in maintenance mode"),
    entry("max_duration_timeout", "The stream reached its maximum duration"),
    entry("missing_host_header", "The request has no Host or :authority"),
    entry("missing_path_rejected", "The request has no path"),
    entry("no_healthy_upstream", "The cluster has no healthy host"),
    entry("oauth.", "The OAuth2 filter answered"),
    entry("overload", "The overload manager refused the request"),
    entry("path_normalization_failed", "The path can't be normalized: it is probably malformed"),
    entry("rate_limited", "The rate limit service refused the request"),
    entry("rate_limiter_error", "The rate limit service could not be asked, and the filter refuses then"),
    entry("rbac_access_denied_matched_policy", "An RBAC filter refused the request by the policy in brackets; `none`: no ALLOW policy matched"),
    entry("rejecting_because_detection_failed", "The original address of the client could not be found out"),
    entry("request_header_timeout", "The client did not send its headers in time"),
    entry("request_headers_failed_strict_check", "A header x-envoy-* that is checked strictly has an invalid value"),
    entry("request_overall_timeout", "The client did not send the whole request in time"),
    entry("request_payload_exceeded_retry_buffer_limit", "The body is too large to be kept for a retry"),
    entry("request_payload_too_large", "The request's body is larger than a filter may hold"),
    entry("response_payload_too_large", "The response's body is larger than a filter may hold"),
    entry("response_timeout", "The upstream did not answer within the route's timeout"),
    entry("route_configuration_not_found", "The listener's route configuration is not there (yet)"),
    entry("route_not_found", "No virtual host has the authority, or none of its routes matches the request"),
    entry("stream_idle_timeout", "Nothing happened on the stream for as long as its idle timeout"),
    entry("tcp_session_idle_timeout", "Nothing happened on the TCP session for as long as its idle timeout"),
    entry("unconditional_drop_overload", "The cluster's load assignment tells to drop all requests"),
    entry("upgrade_failed", "The request asks for an upgrade that is not enabled"),
    entry("upstream_max_stream_duration_reached", "The upstream request reached its maximum duration"),
    entry("upstream_per_try_idle_timeout", "Nothing came from the upstream for as long as the idle timeout of one try"),
    entry("upstream_per_try_timeout", "The upstream did not answer within the timeout of one try (`perTryTimeout`)"),
    entry("upstream_reset_after_response_started", "The upstream's connection or stream ended in the middle of the answer"),
    entry("upstream_reset_before_response_started", "The upstream's connection or stream ended before an answer, for the reason in braces"),
    entry("upstream_response_timeout", "The upstream did not answer within the route's timeout (the older name)"),
    entry("via_upstream", "The upstream answered: the status is its own, not this proxy's"),
    entry("websocket_handshake_unsuccessful", "The upstream refused the websocket handshake"),
];

/// The kind of details: by name, or by what it begins with.
pub fn find(details: &str) -> Option<&'static CodeDetails> {
    let name = Details::parse(details).name;
    ALL.iter().find(|d| d.name == name).or_else(|| ALL.iter().find(|d| d.name.ends_with('.') && name.starts_with(d.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_come_apart() {
        let d = Details::parse("upstream_reset_before_response_started{remote_connection_failure|TLS_error:|1:X|Y}");
        assert_eq!((d.name, d.reason, d.transport), ("upstream_reset_before_response_started", "remote_connection_failure", "TLS_error:|1:X|Y"));
        assert_eq!(Details::parse("rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]").reason, "ns[a]-policy[b]-rule[0]");
        assert_eq!(Details::parse("downstream_local_disconnect(on_idle_timeout)").reason, "on_idle_timeout");
        assert_eq!(Details::parse("via_upstream").name, "via_upstream");
        assert_eq!(Details::parse("x{").name, "x");
    }

    #[test]
    fn names_are_sorted_and_found() {
        assert!(ALL.windows(2).all(|w| w[0].name < w[1].name), "{:?}", ALL.windows(2).find(|w| w[0].name >= w[1].name));
        assert_eq!(find("http1.codec_error").map(|d| d.name), Some("http1."));
        assert_eq!(find("jwt_authn_access_denied{Jwt_is_missing}").map(|d| d.name), Some("jwt_authn_access_denied"));
        assert_eq!(find("whatever"), None);
    }
}
