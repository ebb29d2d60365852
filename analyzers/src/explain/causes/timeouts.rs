//! Too slow: timeouts, and clients that went away.

use super::{ANY, Cause, When, Whose};

pub const CAUSES: &[Cause] = &[
    Cause {
        id: "per-try-timeout",
        title: "One try took longer than perTryTimeout",
        whose: Whose::Upstream,
        when: &[When { details: &["upstream_per_try_timeout", "upstream_per_try_idle_timeout"], ..ANY }],
        why: "The route has `retries.perTryTimeout`, and the last permitted try was over it. The upstream is slow, or the limit is below its usual latency.",
        evidence: &["`retries` of the route's VirtualService", "latency of the destination: istio_request_duration_milliseconds with reporter=\"destination\""],
        next: &["meshctl proxy-config route --from DUMP"],
        source: "Envoy: router filter; recorded requests",
    },
    Cause {
        id: "route-timeout",
        title: "The upstream did not answer within the route's timeout",
        whose: Whose::Upstream,
        when: &[When { details: &["response_timeout", "upstream_response_timeout", "request_overall_timeout"], ..ANY }],
        why: "`timeout` of the VirtualService is over; it includes all retries. Without one Istio sets none, so somebody set it: \
              the VirtualService, the HTTPRoute, or the client by x-envoy-upstream-rq-timeout-ms.",
        evidence: &[
            "`timeout` of the route against the duration in the log",
            "latency of the destination: istio_request_duration_milliseconds with reporter=\"destination\"",
        ],
        next: &["meshctl proxy-config route --from DUMP"],
        source: "Envoy: router filter; recorded requests",
    },
    Cause {
        id: "upstream-timeout",
        title: "The upstream did not answer in time",
        whose: Whose::Upstream,
        when: &[When { flags: &["UT"], ..ANY }],
        why: "A timeout of the route is over: `timeout`, or `retries.perTryTimeout`.",
        evidence: &["timeouts of the route against the duration in the log"],
        next: &["meshctl proxy-config route --from DUMP"],
        source: "Envoy: response flags",
    },
    Cause {
        id: "max-stream-duration",
        title: "The stream lasted as long as it may",
        whose: Whose::Configuration,
        when: &[
            When { details: &["upstream_max_stream_duration_reached", "max_duration_timeout", "duration_timeout"], ..ANY },
            When { flags: &["DT"], ..ANY },
            When { flags: &["UMSDR"], ..ANY },
        ],
        why: "A maximum duration is set for streams or connections (`maxStreamDuration`, `maxConnectionDuration`, a gRPC timeout of the client).",
        evidence: &["`maxStreamDuration` of route and cluster", "`grpc-timeout` of the request"],
        next: &["meshctl proxy-config route --from DUMP -o json", "meshctl proxy-config cluster --from DUMP --fqdn HOST -o json"],
        source: "Envoy: response code details",
    },
    Cause {
        id: "idle-timeout",
        title: "Nothing happened on the stream for too long",
        whose: Whose::Upstream,
        when: &[When { flags: &["SI"], ..ANY }, When { details: &["stream_idle_timeout", "tcp_session_idle_timeout"], ..ANY }],
        why: "Neither side sent anything for as long as the stream's idle timeout: long polling, a quiet websocket or gRPC stream, a stuck upstream.",
        evidence: &["`streamIdleTimeout` of the listener, `idleTimeout` of the route"],
        next: &["meshctl proxy-config listener --from DUMP -o json"],
        source: "Envoy: response flags",
    },
    Cause {
        id: "client-too-slow",
        title: "The client did not send its request in time",
        whose: Whose::Client,
        when: &[When { details: &["request_header_timeout", "downstream_header_timeout"], ..ANY }],
        why: "The listener waits for headers only so long.",
        evidence: &["`requestHeadersTimeout` of the listener"],
        next: &["meshctl proxy-config listener --from DUMP -o json"],
        source: "Envoy: response code details",
    },
    Cause {
        id: "connection-closed-by-proxy",
        title: "The proxy closed the client's connection",
        whose: Whose::Infrastructure,
        when: &[When { details: &["downstream_local_disconnect"], ..ANY }],
        why: "The reason stands in parentheses. `filter_chain_is_being_removed`: the listener changed (a configuration push), and connections of the old \
              one are closed after the drain time. `on_idle_timeout`: nothing was sent for long.",
        evidence: &["pushes at this time: `pilot_xds_pushes`, listener_manager.lds.update_success", "how often the listener's version changes"],
        next: &["meshctl proxy-config listener --from DUMP"],
        source: "Envoy: response code details",
    },
    Cause {
        id: "client-gave-up",
        title: "The client went away before the answer was complete",
        whose: Whose::Client,
        when: &[When { details: &["downstream_remote_disconnect", "downstream_remote_reset"], ..ANY }, When { flags: &["DC"], ..ANY }],
        why: "The client, or the proxy before it, closed the connection: its own timeout is shorter than the answer takes, the user left, a load \
              balancer closed it. The duration in the log is the time until it gave up. It is no error of the mesh, but may show that the upstream is slow.",
        evidence: &[
            "durations of these lines: all near one value is the client's timeout",
            "the same x-request-id in the client's proxy: UT there means its route's timeout",
        ],
        next: &["meshctl explain CLIENT_POD.log   # the log of the caller's proxy"],
        source: "Envoy: response code details; recorded requests",
    },
    Cause {
        id: "client-reset",
        title: "The client reset the stream",
        whose: Whose::Client,
        when: &[When { flags: &["DR"], ..ANY }],
        why: "An HTTP/2 client cancelled its request: a gRPC deadline, a user who left.",
        evidence: &["durations of these lines", "`grpc-timeout` of the requests"],
        next: &["meshctl explain CLIENT_POD.log   # the log of the caller's proxy"],
        source: "Envoy: response flags",
    },
];
