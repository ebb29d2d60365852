//! Who answered: the application, the other side, the route itself, a fault on purpose.

use super::{ANY, Cause, When, Whose};
use mesh_envoy::Direction;

pub const CAUSES: &[Cause] = &[
    Cause {
        id: "fault-injected",
        title: "A fault was injected on purpose",
        whose: Whose::Intended,
        when: &[When { details: &["fault_filter_abort"], ..ANY }, When { flags: &["FI"], ..ANY }],
        why: "A VirtualService has `fault.abort` for a share of the requests of this route, and the proxy answered in place of the \
              upstream. The upstream saw nothing of it.",
        evidence: &["the route's VirtualService: `http[].fault.abort`, its status and percentage"],
        next: &["meshctl proxy-config route --from DUMP -o json   # typedPerFilterConfig of the route"],
        source: "Envoy: HTTP fault filter; recorded requests",
    },
    Cause {
        id: "retries-exhausted-upstream-answered",
        title: "The upstream itself answered, and retries did not help",
        whose: Whose::Upstream,
        when: &[When { flags: &["URX"], details: &["via_upstream"], ..ANY }],
        why: "Every permitted attempt got an answer that the route's `retryOn` counts as a failure, and the last one was passed on. \
              The status is the upstream's.",
        evidence: &["the upstream's own access log: the same x-request-id, once an attempt", "stats of the cluster: upstream_rq_retry_limit_exceeded"],
        next: &["meshctl explain UPSTREAM_POD.log   # the log of the other side says more"],
        source: "Envoy: router filter; recorded requests",
    },
    Cause {
        id: "application-answered",
        title: "The application behind this proxy answered with this status",
        whose: Whose::Application,
        when: &[When { details: &["via_upstream"], status: (400, 999), directions: &[Direction::Inbound, Direction::InboundPassthrough], ..ANY }],
        why: "The request reached the workload, and the status is the program's own. It is not the mesh: look into the program's log.",
        evidence: &["the application's log at this time", "the same x-request-id in the logs of what the application calls"],
        next: &["kubectl logs POD -c CONTAINER   # the application's own container"],
        source: "Envoy: response code details; Istio operations guide",
    },
    Cause {
        id: "upstream-answered",
        title: "The other side answered with this status",
        whose: Whose::Upstream,
        when: &[When { details: &["via_upstream"], status: (400, 999), ..ANY }],
        why: "This proxy only passed the answer on. It comes from the upstream's application, or from the proxy in front of it, which \
              has then a line of its own with a flag or other details.",
        evidence: &["the access log of the upstream's proxy: the line with the same x-request-id tells who answered there"],
        next: &["meshctl explain UPSTREAM_POD.log   # the log of the other side says more"],
        source: "Envoy: response code details; recorded requests at both ends",
    },
    Cause {
        id: "black-hole",
        title: "The destination is not in the registry, and the mesh lets nothing else out",
        whose: Whose::Configuration,
        when: &[When { directions: &[Direction::BlackHole], ..ANY }],
        why: "`outboundTrafficPolicy` is REGISTRY_ONLY (in the mesh configuration or a Sidecar), and no Service or ServiceEntry that \
              this workload can see has the host or address.",
        evidence: &["cluster BlackHoleCluster, route `block_all`, in the log", "metrics with destination_service_name=\"BlackHoleCluster\""],
        next: &["meshctl analyze --complete DIR   # is there a ServiceEntry for the host, exported to this namespace?"],
        source: "Istio: outboundTrafficPolicy; pilot's BlackHoleCluster",
    },
    Cause {
        id: "answered-directly",
        title: "The route itself answers: a redirect or a fixed response",
        whose: Whose::Intended,
        when: &[When { details: &["direct_response"], ..ANY }],
        why: "A VirtualService or HTTPRoute has `redirect` or `directResponse` for this request; no upstream was asked. 301 with \
              an https location is `tls.httpsRedirect` of a Gateway. 502 on the route `block_all` is a host that \
              is not in the registry under REGISTRY_ONLY.",
        evidence: &["the route in the proxy: `redirect` or `directResponse` instead of `route`"],
        next: &["meshctl proxy-config route --from DUMP"],
        source: "Envoy: response code details; recorded requests",
    },
    Cause {
        id: "delayed-on-purpose",
        title: "The request was delayed on purpose",
        whose: Whose::Intended,
        when: &[When { flags: &["DI"], status: (0, 399), ..ANY }],
        why: "A VirtualService has `fault.delay` for a share of the requests of this route. Where the status is bad as well, \
              something else is the reason for that.",
        evidence: &["the route's VirtualService: `http[].fault.delay`"],
        next: &["meshctl proxy-config route --from DUMP -o json   # typedPerFilterConfig of the route"],
        source: "Envoy: HTTP fault filter",
    },
    Cause {
        id: "from-cache",
        title: "A cache filter answered",
        whose: Whose::Intended,
        when: &[When { flags: &["RFCF"], ..ANY }],
        why: "An EnvoyFilter added a cache, and the answer comes from it.",
        evidence: &["the filter `envoy.filters.http.cache` in the listener"],
        next: &["meshctl proxy-config listener --from DUMP -o json"],
        source: "Envoy: response flags",
    },
];
