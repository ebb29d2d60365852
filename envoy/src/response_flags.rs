//! `%RESPONSE_FLAGS%`: the complete set of Envoy 1.40, with short and long names.
//!
//! Source: Envoy's `source/common/stream_info/utility.h` (names) and docs of `%RESPONSE_FLAGS%` (meanings).

/// One flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFlag {
    pub short: &'static str,
    pub long: &'static str,
    /// What it says, as a sentence without its end.
    pub meaning: &'static str,
    /// The status that usually goes with it; "" where any does.
    pub code: &'static str,
}

const fn flag(short: &'static str, long: &'static str, code: &'static str, meaning: &'static str) -> ResponseFlag {
    ResponseFlag { short, long, meaning, code }
}

/// All flags, in the order of their short names.
pub const ALL: &[ResponseFlag] = &[
    flag("DC", "DownstreamConnectionTermination", "0", "The client closed the connection before the answer was complete"),
    flag("DF", "DnsResolutionFailed", "503", "The name of the upstream host could not be resolved"),
    flag("DI", "DelayInjected", "", "A fault filter delayed the request on purpose"),
    flag("DO", "DropOverload", "503", "The request was dropped because the cluster's load assignment tells to drop a share"),
    flag("DPE", "DownstreamProtocolError", "400", "What the client sent is no HTTP that the listener accepts"),
    flag("DR", "DownstreamRemoteReset", "0", "The client reset the stream"),
    flag("DT", "DurationTimeout", "", "The request or connection lasted longer than it may"),
    flag("FI", "FaultInjected", "", "A fault filter answered with an error on purpose"),
    flag("IH", "InvalidEnvoyRequestHeaders", "400", "A header x-envoy-* that is checked strictly has an invalid value"),
    flag("LH", "FailedLocalHealthCheck", "503", "This proxy's own service failed its health check"),
    flag("LR", "LocalReset", "503", "This proxy reset the connection or stream"),
    flag("NC", "NoClusterFound", "503", "The route names a cluster that this proxy does not have"),
    flag("NFCF", "NoFilterConfigFound", "500", "A filter's configuration (ECDS) did not arrive in time"),
    flag("NR", "NoRouteFound", "404", "No route matches the request, or no filter chain the connection"),
    flag("OM", "OverloadManagerTerminated", "503", "The overload manager ended the request"),
    flag("RFCF", "ResponseFromCacheFilter", "", "A cache filter answered"),
    flag("RL", "RateLimited", "429", "A rate limit refused the request"),
    flag("RLSE", "RateLimitServiceError", "500", "The rate limit service could not be asked, and the filter is told to refuse then"),
    flag("SI", "StreamIdleTimeout", "408", "Nothing happened on the stream for as long as its idle timeout"),
    flag("UAEX", "UnauthorizedExternalService", "403", "The external authorization service refused the request, or could not be asked"),
    flag("UC", "UpstreamConnectionTermination", "503", "The upstream closed the connection before it had answered"),
    flag("UDO", "UnconditionalDropOverload", "503", "The cluster's load assignment tells to drop all requests"),
    flag("UF", "UpstreamConnectionFailure", "503", "The connection to the upstream could not be made"),
    flag("UH", "NoHealthyUpstream", "503", "The cluster has no healthy host"),
    flag("UMSDR", "UpstreamMaxStreamDurationReached", "408", "The upstream request lasted longer than max_stream_duration"),
    flag("UO", "UpstreamOverflow", "503", "A circuit breaker is open: too many connections, pending requests, requests or retries"),
    flag("UPE", "UpstreamProtocolError", "502", "What the upstream answered is no HTTP that this proxy understands"),
    flag("UR", "UpstreamRemoteReset", "503", "The upstream reset the connection or stream"),
    flag("URX", "UpstreamRetryLimitExceeded", "503", "The last permitted attempt failed too: retries of HTTP, or connection attempts of TCP"),
    flag("UT", "UpstreamRequestTimeout", "504", "The upstream did not answer in time"),
];

/// A flag by its short or long name; case counts in neither.
pub fn find(name: &str) -> Option<&'static ResponseFlag> {
    ALL.iter().find(|f| f.short.eq_ignore_ascii_case(name) || f.long.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(ALL.windows(2).all(|w| w[0].short < w[1].short));
        let mut long: Vec<&str> = ALL.iter().map(|f| f.long).collect();
        long.sort_unstable();
        long.dedup();
        assert_eq!(long.len(), ALL.len());
        assert_eq!(find("uf").map(|f| f.long), Some("UpstreamConnectionFailure"));
        assert_eq!(find("NoRouteFound").map(|f| f.short), Some("NR"));
        assert_eq!(find("-"), None);
    }
}
