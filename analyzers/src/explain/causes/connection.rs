//! The connection to the upstream: not made, or lost.

use super::{ANY, Cause, When, Whose};
use mesh_envoy::Direction;

const HERE: &[Direction] = &[Direction::Inbound, Direction::InboundPassthrough];

pub const CAUSES: &[Cause] = &[
    Cause {
        id: "tls-to-plaintext",
        title: "TLS was spoken to a server that speaks plaintext",
        whose: Whose::Configuration,
        when: &[When { transport: &["wrong version number"], ..ANY }],
        why: "This proxy began TLS and the other side answered in plaintext: a DestinationRule forces ISTIO_MUTUAL or SIMPLE on a \
              workload without a sidecar; TLS is originated twice (https in the application and `tls: SIMPLE`); the port is not the TLS one.",
        evidence: &[
            "`trafficPolicy.tls` of the host's DestinationRule, and the cluster's transport socket",
            "whether the target's pod has a sidecar, and which mode its PeerAuthentication gives the port",
        ],
        next: &["meshctl proxy-config cluster --from DUMP --fqdn HOST -o wide", "meshctl analyze --complete DIR   # mTLS conflicts between client and server"],
        source: "BoringSSL: WRONG_VERSION_NUMBER; recorded requests",
    },
    Cause {
        id: "no-certificate-yet",
        title: "The proxy has no certificate yet",
        whose: Whose::Infrastructure,
        when: &[When { transport: &["secret is not supplied by sds"], ..ANY }],
        why: "The cluster needs a certificate by SDS and it has not come: istiod's CA can't be reached or refuses (token, trust domain, \
              clock), the credential of a gateway or DestinationRule (`credentialName`) does not exist or lies in another namespace, the proxy just started.",
        evidence: &["secrets of the proxy: state WARMING", "the agent's log: `failed to warm certificate`, `CSR`", "the Secret that `credentialName` names"],
        next: &["meshctl proxy-config secret --from DUMP"],
        source: "Envoy: SDS; Istio: operations guide",
    },
    Cause {
        id: "certificate-expired",
        title: "A certificate has expired",
        whose: Whose::Infrastructure,
        when: &[When { transport: &["certificate has expired", "certificate expired", "alert certificate expired"], ..ANY }],
        why: "The peer's certificate (or this one's, where the alert came from the peer) is past its end: it was not renewed because istiod \
              could not be reached, the root expired, or clocks differ.",
        evidence: &["validity of the certificates at both ends", "validity of the root", "the clock of the nodes"],
        next: &["meshctl proxy-config secret --from DUMP"],
        source: "BoringSSL: certificate verification",
    },
    Cause {
        id: "certificate-name-mismatch",
        title: "The server's certificate has another name than expected",
        whose: Whose::Configuration,
        when: &[When { transport: &["san matcher", "verify san list", "verify san", "ip address mismatch", "hostname mismatch"], ..ANY }],
        why: "The SPIFFE id or DNS name of the server is not among those that the cluster accepts: the workload runs under another service \
              account than istiod knows for that endpoint, a trust domain differs, or `subjectAltNames` of the DestinationRule is wrong.",
        evidence: &["`matchTypedSubjectAltNames` of the cluster against the SANs of the server's certificate", "service accounts of the endpoints"],
        next: &["meshctl proxy-config cluster --from DUMP --fqdn HOST -o json", "meshctl proxy-config secret --from SERVER_DUMP"],
        source: "Envoy: TLS certificate validation",
    },
    Cause {
        id: "unknown-authority",
        title: "A certificate was issued by an authority that the other side does not trust",
        whose: Whose::Infrastructure,
        when: &[When {
            transport: &[
                "unable to get local issuer certificate",
                "self signed certificate",
                "self-signed certificate",
                "unknown ca",
                "certificate signature failure",
            ],
            ..ANY
        }],
        why: "Client and server have different roots: two meshes or clusters with their own CAs, a root that was rotated at one side \
              only, a public server without `caCertificates`, or a private CA that is not configured.",
        evidence: &["fingerprints of ROOTCA at both ends", "`caCertificates` or `credentialName` of the DestinationRule"],
        next: &["meshctl proxy-config secret --from DUMP", "meshctl proxy-config secret --from SERVER_DUMP"],
        source: "BoringSSL: certificate verification",
    },
    Cause {
        id: "certificate-rejected",
        title: "A certificate was not accepted",
        whose: Whose::Infrastructure,
        when: &[When {
            transport: &["certificate verify failed", "bad certificate", "certificate unknown", "certificate revoked", "unsupported certificate"],
            ..ANY
        }],
        why: "Different roots, an expired certificate, or a name (SAN) other than expected; newer proxies say which behind the code.",
        evidence: &["roots, validity and SANs of the certificates at both ends", "stats ssl.fail_verify_error, ssl.fail_verify_san, ssl.fail_verify_no_cert"],
        next: &["meshctl proxy-config secret --from DUMP", "meshctl proxy-config secret --from SERVER_DUMP"],
        source: "BoringSSL: alerts and certificate verification",
    },
    Cause {
        id: "client-certificate-required",
        title: "The server wants a client certificate, and none was sent",
        whose: Whose::Configuration,
        when: &[When { transport: &["certificate required", "peer did not return a certificate"], ..ANY }],
        why: "The server demands mutual TLS (STRICT, or a gateway with `MUTUAL`), and the client's DestinationRule says SIMPLE or names no credential.",
        evidence: &["`trafficPolicy.tls.mode` of the client's DestinationRule", "the server's PeerAuthentication or `servers[].tls.mode`"],
        next: &["meshctl proxy-config cluster --from DUMP --fqdn HOST -o wide"],
        source: "BoringSSL: alerts",
    },
    Cause {
        id: "tls-handshake-failed",
        title: "The TLS handshake failed",
        whose: Whose::Configuration,
        when: &[When { transport: &["tls error", "ssl routines", "handshake"], ..ANY }],
        why: "The code says why: no common version or cipher (`minProtocolVersion`), an SNI that the server does not have, a server that closes. \
              A server that speaks no TLS usually shows as WRONG_VERSION_NUMBER.",
        evidence: &["the code in the line", "`trafficPolicy.tls` of the DestinationRule: mode, sni"],
        next: &["meshctl proxy-config cluster --from DUMP --fqdn HOST -o wide"],
        source: "BoringSSL: error codes",
    },
    Cause {
        id: "passthrough-failed",
        title: "The address that the client asked for, outside the registry, can't be reached",
        whose: Whose::Upstream,
        when: &[When { flags: &["UF"], directions: &[Direction::Passthrough], ..ANY }],
        why: "No service has the address, so the connection goes where the client wanted, and nothing accepts it there: a pod that is gone, a \
              wrong address from DNS, a firewall.",
        evidence: &["the address in the line (upstream host)", "whether a Service should have it: then the Sidecar or exportTo hides it"],
        next: &["meshctl explain PassthroughCluster"],
        source: "Istio: PassthroughCluster; Envoy: response flags",
    },
    Cause {
        id: "application-not-listening",
        title: "Nothing listens on the application's port",
        whose: Whose::Application,
        when: &[When { transport: &["connection refused", "delayed connect error: 111", "connect error: 111"], directions: HERE, ..ANY }],
        why: "The proxy of this pod was refused by its own pod: the program has not started or crashed, listens on another port than targetPort, or \
              on another address than the proxy uses (the pod's address; 127.0.0.1 only for a Sidecar that says so).",
        evidence: &["listening sockets in the pod: ss -ltn", "containerPort and targetPort against the program's port", "restarts of the container"],
        next: &["kubectl get pod POD -o wide   # restarts, readiness", "meshctl proxy-config cluster --from DUMP --direction inbound"],
        source: "Linux: ECONNREFUSED; recorded mesh",
    },
    Cause {
        id: "connection-refused",
        title: "The upstream refused the connection",
        whose: Whose::Upstream,
        when: &[When { transport: &["connection refused", "delayed connect error: 111", "connect error: 111"], ..ANY }],
        why: "Nothing listens on the address and port: the pod is going or coming (endpoints lag behind), targetPort is wrong, the program has \
              crashed, or its sidecar is not up. Between sidecars it is the other sidecar that refuses.",
        evidence: &[
            "the upstream host in the line: is it still an endpoint, is the pod ready?",
            "containerPort and targetPort",
            "stats upstream_cx_connect_fail",
        ],
        next: &["meshctl proxy-config endpoint --from CLUSTERS --cluster CLUSTER", "kubectl get pods -o wide   # whose is the upstream host?"],
        source: "Linux: ECONNREFUSED; recorded requests",
    },
    Cause {
        id: "unreachable",
        title: "There is no way to the upstream's address",
        whose: Whose::Infrastructure,
        when: &[When { transport: &["no route to host", "network is unreachable", "network unreachable", "connect error: 113", "connect error: 101"], ..ANY }],
        why: "The network says so: a pod or node that is gone, a route that is missing (another cluster or network without its east-west gateway), a NetworkPolicy that rejects.",
        evidence: &["the upstream host in the line: pod or node still there?", "NetworkPolicies of both namespaces"],
        next: &["meshctl proxy-config endpoint --from CLUSTERS --cluster CLUSTER"],
        source: "Linux: EHOSTUNREACH, ENETUNREACH",
    },
    Cause {
        id: "connect-timeout",
        title: "The upstream did not accept the connection in time",
        whose: Whose::Infrastructure,
        when: &[
            When { transport: &["connect timeout", "connection timed out", "connect error: 110"], ..ANY },
            When { details: &["upstream_reset_before_response_started"], reason: &["connection timeout"], ..ANY },
        ],
        why: "Packets get no answer: a NetworkPolicy or firewall drops them, the address is wrong or gone, the node is overloaded. \
              `connectionPool.tcp.connectTimeout` is 10 s unless set.",
        evidence: &["the upstream host in the line", "NetworkPolicies and security groups on the way", "stats upstream_cx_connect_timeout"],
        next: &["meshctl proxy-config endpoint --from CLUSTERS --cluster CLUSTER"],
        source: "Envoy: reset reasons; Linux: ETIMEDOUT",
    },
    Cause {
        id: "application-closed",
        title: "The application closed the connection instead of answering",
        whose: Whose::Application,
        when: &[When { flags: &["UC"], directions: HERE, ..ANY }],
        why: "The program crashed or was killed in the middle of a request, or its keep-alive is shorter than the proxy's (Node.js 5 s, gunicorn 2 s): it closes an idle \
              connection just when the next request comes; or it expects another protocol than it gets (HTTP/2, TLS).",
        evidence: &[
            "restarts and OOM kills of the container at this time",
            "idle time before these requests: always the same is the keep-alive race",
            "name and appProtocol of the Service's port",
        ],
        next: &["kubectl describe pod POD   # last state, OOMKilled", "meshctl explain keep-alive"],
        source: "Envoy: response flags; issues of users",
    },
    Cause {
        id: "upstream-closed",
        title: "The upstream closed the connection before it answered",
        whose: Whose::Upstream,
        when: &[
            When { flags: &["UC"], ..ANY },
            When { details: &["upstream_reset_before_response_started", "upstream_reset_after_response_started"], reason: &["connection termination"], ..ANY },
        ],
        why: "In this order: the keep-alive race (the upstream closes an idle connection just when the next request comes); the upstream crashed, was \
              killed or is shutting down; plaintext sent to a STRICT server, which closes at once; HTTP fields in an AuthorizationPolicy of a TCP port; a protocol that \
              the server does not speak. `connect-failure` in retryOn does not retry it once the request was sent; `reset` does.",
        evidence: &[
            "the upstream's log: filter_chain_not_found there means it wants mTLS",
            "idle time before these requests; stats upstream_cx_destroy_remote_with_active_rq",
            "restarts and deployments of the upstream at this time",
        ],
        next: &["meshctl explain UPSTREAM_POD.log   # the log of the other side says more", "meshctl proxy-config cluster --from DUMP --fqdn HOST -o wide"],
        source: "Envoy: response flags; recorded requests; issues of users",
    },
    Cause {
        id: "stream-refused",
        title: "The upstream refused the stream",
        whose: Whose::Upstream,
        when: &[When { reason: &["refused stream"], details: &["upstream_reset_before_response_started"], ..ANY }],
        why: "An HTTP/2 server is shutting down, or has as many streams as it accepts (`max_concurrent_streams`). Istio's default policy retries it.",
        evidence: &["restarts and deployments of the upstream at this time", "stats upstream_rq_rx_reset"],
        next: &["meshctl explain UPSTREAM_POD.log   # the log of the other side says more"],
        source: "Envoy: reset reasons; HTTP/2: REFUSED_STREAM",
    },
    Cause {
        id: "upstream-reset",
        title: "The upstream reset the stream",
        whose: Whose::Upstream,
        when: &[When { flags: &["UR"], ..ANY }],
        why: "The program or its proxy sent RST_STREAM or RST: gRPC servers that cancel, limits for headers or messages, a crash.",
        evidence: &["the upstream's log at this time", "stats upstream_rq_rx_reset"],
        next: &["meshctl explain UPSTREAM_POD.log   # the log of the other side says more"],
        source: "Envoy: response flags",
    },
    Cause {
        id: "local-reset",
        title: "This proxy reset the stream",
        whose: Whose::Infrastructure,
        when: &[When { flags: &["LR"], ..ANY }],
        why: "A codec error, an overload, or a connection of HTTP/2 that failed with this stream on it. The details say more.",
        evidence: &["the details", "the proxy's own log at this time"],
        next: &["meshctl proxy-config cluster --from DUMP --fqdn HOST"],
        source: "Envoy: response flags",
    },
    Cause {
        id: "connection-failed",
        title: "The connection to the upstream could not be made",
        whose: Whose::Upstream,
        when: &[When { flags: &["UF"], ..ANY }],
        why: "TLS that does not fit at both ends, a port on which nothing listens, a network that drops packets. The transport's failure, where it is logged, says which.",
        evidence: &[
            "upstream_transport_failure_reason of the line, if the format has it",
            "stats upstream_cx_connect_fail, upstream_cx_connect_timeout, ssl.connection_error",
        ],
        next: &["meshctl proxy-config endpoint --from CLUSTERS --cluster CLUSTER", "meshctl proxy-config cluster --from DUMP --fqdn HOST -o wide"],
        source: "Envoy: response flags",
    },
    Cause {
        id: "retries-exhausted",
        title: "All permitted attempts failed",
        whose: Whose::Upstream,
        when: &[When { flags: &["URX"], ..ANY }],
        why: "Of HTTP: `retries.attempts` are used up. Of TCP: `maxConnectAttempts`. The other flags and the details say how the last one failed.",
        evidence: &["the other flags", "stats upstream_rq_retry_limit_exceeded, upstream_cx_connect_attempts_exceeded"],
        next: &["meshctl proxy-config route --from DUMP"],
        source: "Envoy: response flags",
    },
    Cause {
        id: "reset",
        title: "The connection to the upstream ended before an answer",
        whose: Whose::Upstream,
        when: &[When { details: &["upstream_reset_before_response_started", "upstream_reset_after_response_started"], ..ANY }],
        why: "The reason stands in braces.",
        evidence: &["the reason, and the upstream's log at this time"],
        next: &["meshctl explain UPSTREAM_POD.log   # the log of the other side says more"],
        source: "Envoy: response code details",
    },
];
