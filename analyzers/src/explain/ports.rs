//! Ports of Istio's proxies and control plane. Source: Istio's application requirements, its listeners as recorded.

use super::topic::{Page, page};

pub const ALL: &[Page] = &[
    page(
        "15000",
        &[],
        "Envoy's admin interface, on localhost of the pod. `/config_dump?include_eds`, `/clusters?format=json`, `/stats`, `/certs`, `/server_info`, `/logging`. Whoever reaches it can change the proxy, so it listens on localhost only. Ask it with `kubectl port-forward POD 15000`.",
        &["15090", "config dump"],
    ),
    page(
        "15001",
        &["virtualOutbound"],
        "Outbound traffic: iptables sends every connection that leaves the application here (listener `virtualOutbound`). Envoy looks up the original address and hands the connection to the listener of that address and port; what fits none goes to PassthroughCluster or BlackHoleCluster.",
        &["15006", "PassthroughCluster", "BlackHoleCluster"],
    ),
    page("15002", &[], "A port on which nothing listens, kept for detecting failures of redirection.", &[]),
    page("15004", &[], "The agent's debug port: HTTP, for istiod's debug answers through the proxy's own connection.", &["15014"]),
    page(
        "15006",
        &["virtualInbound"],
        "Inbound traffic: iptables sends every connection that arrives at the pod here (listener `virtualInbound`). Its filter chains, one or two a port, decide whether mutual TLS is wanted (PeerAuthentication); `NR filter_chain_not_found` in its log is a connection that none takes.",
        &["15001", "filter_chain_not_found", "STRICT"],
    ),
    page(
        "15008",
        &["HBONE port"],
        "HBONE: mutual TLS with HTTP/2 CONNECT, the tunnel of ambient mode (ztunnel and waypoints), and of sidecars that speak it.",
        &["HBONE", "ztunnel", "waypoint"],
    ),
    page("15009", &[], "HBONE for sidecars' secure networks; in older versions only.", &["15008"]),
    page("15010", &[], "Istiod: xDS and CA in plaintext. For trusted networks and tests only.", &["15012", "xDS"]),
    page(
        "15012",
        &[],
        "Istiod: xDS and CA with TLS. Proxies authenticate by token or certificate. A proxy that can't reach it keeps its last configuration and can't renew its certificate.",
        &["xDS", "15010"],
    ),
    page(
        "15014",
        &[],
        "Istiod: metrics (`/metrics`), and its debug pages (`/debug/syncz` and others; older versions have them on 8080).",
        &["pilot_total_xds_rejects"],
    ),
    page("15017", &[], "Istiod: the webhooks (injection and validation), reached through port 443 of the Service istiod.", &[]),
    page(
        "15020",
        &[],
        "The agent: metrics of proxy, agent and application merged (`/stats/prometheus`), health (`/healthz/ready`), rewritten probes (`/app-health/…`), `/quitquitquit`. An application that answers its metrics path with something other than Prometheus text makes the whole page unreadable.",
        &["15090", "15021"],
    ),
    page(
        "15021",
        &[],
        "Readiness of the proxy: `/healthz/ready`. Kubernetes' probe of istio-proxy asks it; it says yes when Envoy has its configuration and its workers run.",
        &["15020"],
    ),
    page("15053", &[], "The agent's DNS proxy: pods' DNS questions are redirected here when DNS capture is on (`ISTIO_META_DNS_CAPTURE`).", &["DNS proxying"]),
    page("15090", &[], "Envoy's own metrics for Prometheus: `/stats/prometheus`.", &["15020", "istio_requests_total"]),
    page("15443", &[], "The east-west gateway: TLS passed through by SNI (`AUTO_PASSTHROUGH`) between networks and clusters.", &["SNI", "east-west gateway"]),
    page("8080", &[], "Istiod: debug pages of older versions. At an ingress gateway: the container port behind port 80.", &["15014"]),
];
