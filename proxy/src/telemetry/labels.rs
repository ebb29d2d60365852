//! The labels of Istio's metrics: who called whom, and what came of it.

use super::overrides::{Metric, Overrides};
use super::peer::Peer;
use crate::config::cluster::Service;
use std::fmt::Write;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    #[default]
    Http,
    Grpc,
    Tcp,
}

/// What tells one series from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key {
    pub is_inbound: bool,
    pub peer: Option<Arc<Peer>>,
    pub service: Option<Arc<Service>>,
    /// The host that was asked for, where it may stand for a service.
    pub host: Box<str>,
    /// A name that says more than a service: that of a cluster for what is unknown.
    pub name: &'static str,
    pub peer_principal: Box<str>,
    pub own_principal: Box<str>,
    pub protocol: Protocol,
    pub status: u16,
    pub grpc_status: Option<u64>,
    pub flags: Box<str>,
    pub is_mutual: bool,
    /// Values of the expressions that Telemetry asks for, and the mark of what asks.
    pub values: Box<[Box<str>]>,
    pub asked_by: u64,
}

/// The labels of one series, as the page has them.
#[derive(Debug, Default)]
pub struct Labels {
    full: String,
    /// Those of messages, which are counted before there is an answer.
    peers: String,
    /// Where they are changed; `None` for a metric that there is not.
    own: Vec<(Metric, Option<String>)>,
}

impl Labels {
    /// `None`: the metric is dropped.
    pub fn of(&self, metric: Metric) -> Option<&str> {
        if let Some((_, own)) = self.own.iter().find(|(m, _)| *m == metric) {
            return own.as_deref();
        }
        Some(if is_early(metric) { &self.peers } else { &self.full })
    }
    pub fn new(key: &Key, own: &Peer, overrides: &Overrides) -> Labels {
        let pairs = pairs(key, own);
        let early: Vec<_> = pairs.iter().filter(|(name, _)| !LATE.contains(name)).cloned().collect();
        let mut out = Labels { full: joined(&pairs), peers: joined(&early), own: Vec::new() };
        for metric in Metric::ALL {
            let Some(change) = overrides.of(metric) else { continue };
            if change.is_dropped {
                out.own.push((metric, None));
                continue;
            }
            let value = |at: &usize| key.values.get(*at).map_or_else(|| "unknown".to_owned(), |v| escaped(v));
            let mut list = Vec::new();
            for (name, standard) in if is_early(metric) { &early } else { &pairs } {
                match change.labels.get(name) {
                    None => list.push((*name, standard.clone())),
                    Some(None) => {}
                    Some(Some(at)) => list.push((*name, value(at))),
                }
            }
            let mut text = joined(&list);
            for (name, at) in &change.more {
                let _ = write!(text, ",{name}=\"{}\"", value(at));
            }
            out.own.push((metric, Some(text)));
        }
        out
    }
}

fn is_early(metric: Metric) -> bool {
    matches!(metric, Metric::RequestMessages | Metric::ResponseMessages)
}

/// Labels that an answer decides.
const LATE: [&str; 5] = ["request_protocol", "response_code", "grpc_response_status", "response_flags", "connection_security_policy"];

fn joined(pairs: &[(&'static str, String)]) -> String {
    let mut out = String::new();
    for (i, (name, value)) in pairs.iter().enumerate() {
        let _ = write!(out, "{}{name}=\"{value}\"", if i > 0 { "," } else { "" });
    }
    out
}

pub fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`
fn namespace(principal: &str) -> &str {
    principal.split_once("/ns/").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""))
}

/// Istio's labels in Istio's order (`istio_stats.cc` of Envoy's contributed filters).
fn pairs(key: &Key, own: &Peer) -> Vec<(&'static str, String)> {
    let nobody = Peer::default();
    let peer = key.peer.as_deref().unwrap_or(&nobody);
    let (source, destination) = if key.is_inbound { (peer, own) } else { (own, peer) };
    let (source_principal, destination_principal) =
        if key.is_inbound { (&key.peer_principal, &key.own_principal) } else { (&key.own_principal, &key.peer_principal) };
    // The certificate knows the peer's namespace best.
    let peer_namespace = match namespace(&key.peer_principal) {
        "" => &*peer.namespace,
        named => named,
    };
    let (source_namespace, destination_namespace) = if key.is_inbound { (peer_namespace, &*own.namespace) } else { (&*own.namespace, peer_namespace) };
    let (mut host, mut name, mut service_namespace) = (&*key.host, &*key.host, "");
    match &key.service {
        _ if !key.name.is_empty() => name = key.name,
        Some(s) => (host, name, service_namespace) = (&s.host, &s.name, &s.namespace),
        None => {}
    }
    if key.is_inbound {
        host = if host.is_empty() { &own.canonical_name } else { host };
        name = if name.is_empty() { &own.canonical_name } else { name };
        service_namespace = &own.namespace;
    } else if service_namespace.is_empty() {
        service_namespace = peer_namespace;
    }
    let known = |text: &str| if text.is_empty() { "unknown".to_owned() } else { escaped(text) };
    let revision = |p: &Peer| if p.canonical_revision.is_empty() { "latest".to_owned() } else { escaped(&p.canonical_revision) };
    let mut out = vec![
        ("reporter", if key.is_inbound { "destination" } else { "source" }.to_owned()),
        ("source_workload", known(&source.workload)),
        ("source_canonical_service", known(&source.canonical_name)),
        ("source_canonical_revision", revision(source)),
        ("source_workload_namespace", known(source_namespace)),
        ("source_principal", known(source_principal)),
        ("source_app", known(&source.app)),
        ("source_version", known(&source.version)),
        ("source_cluster", known(&source.cluster)),
        ("destination_workload", known(&destination.workload)),
        ("destination_workload_namespace", known(destination_namespace)),
        ("destination_principal", known(destination_principal)),
        ("destination_app", known(&destination.app)),
        ("destination_version", known(&destination.version)),
        ("destination_service", known(host)),
        ("destination_canonical_service", known(&destination.canonical_name)),
        ("destination_canonical_revision", revision(destination)),
        ("destination_service_name", known(name)),
        ("destination_service_namespace", known(service_namespace)),
        ("destination_cluster", known(&destination.cluster)),
    ];
    let protocol = match key.protocol {
        Protocol::Http => "http",
        Protocol::Grpc => "grpc",
        Protocol::Tcp => "tcp",
    };
    out.push(("request_protocol", protocol.to_owned()));
    if key.protocol != Protocol::Tcp {
        out.push(("response_code", key.status.to_string()));
        let grpc = key.grpc_status.filter(|_| key.protocol == Protocol::Grpc);
        out.push(("grpc_response_status", grpc.map_or_else(String::new, |s| s.to_string())));
    }
    out.push(("response_flags", if key.flags.is_empty() { "-".to_owned() } else { key.flags.to_string() }));
    let policy = match (key.is_inbound, key.is_mutual) {
        (false, _) => "unknown",
        (true, true) => "mutual_tls",
        (true, false) => "none",
    };
    out.push(("connection_security_policy", policy.to_owned()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::engine::field::{Message, Path};
    use serde_json::json;

    fn web() -> Peer {
        Peer { workload: "web".into(), namespace: "shop".into(), canonical_name: "web".into(), ..Peer::default() }
    }

    #[test]
    fn what_is_not_known_is_unknown_and_revisions_are_latest() {
        let key = Key { status: 404, flags: "NR".into(), host: "a\"b".into(), ..Key::default() };
        let labels = Labels::new(&key, &web(), &Overrides::default());
        let text = labels.of(Metric::Requests).expect("labels");
        assert!(
            text.starts_with("reporter=\"source\",source_workload=\"web\",source_canonical_service=\"web\",source_canonical_revision=\"latest\""),
            "{text}"
        );
        assert!(text.contains("destination_service=\"a\\\"b\"") && text.contains("destination_workload=\"unknown\""), "{text}");
        assert!(text.ends_with("response_code=\"404\",grpc_response_status=\"\",response_flags=\"NR\",connection_security_policy=\"unknown\""), "{text}");
        let early = labels.of(Metric::RequestMessages).expect("labels");
        assert!(early.ends_with("destination_cluster=\"unknown\""), "{early}");
    }

    #[test]
    fn namespaces_and_names_fall_back_as_istio_has_it() {
        let inbound = Key { is_inbound: true, peer_principal: "spiffe://d/ns/from/sa/x".into(), protocol: Protocol::Tcp, ..Key::default() };
        let text = Labels::new(&inbound, &web(), &Overrides::default()).full;
        for label in ["source_workload_namespace=\"from\"", "destination_service=\"web\"", "destination_service_namespace=\"shop\"", "request_protocol=\"tcp\""]
        {
            assert!(text.contains(label), "{label} in {text}");
        }
        assert!(!text.contains("response_code"), "{text}");
        let passed = Key { name: "PassthroughCluster", host: "a.com".into(), ..Key::default() };
        let text = Labels::new(&passed, &web(), &Overrides::default()).full;
        assert!(text.contains("destination_service=\"a.com\"") && text.contains("destination_service_name=\"PassthroughCluster\""), "{text}");
    }

    #[test]
    fn labels_are_taken_away_changed_and_added() {
        let config = json!({"metrics": [
            {"name": "requests_total", "dimensions": {"response_code": "response.code", "mine": "request.method"}, "tags_to_remove": ["source_principal"]},
            {"name": "request_bytes", "drop": true}, {"tags_to_remove": ["destination_cluster"]}]});
        let overrides = Overrides::read(&Message::new(&config, Path::root("x")).expect("a message")).expect("overrides");
        let key = Key { values: ["GET".into(), "2xx".into()].into(), ..Key::default() };
        let labels = Labels::new(&key, &web(), &overrides);
        let text = labels.of(Metric::Requests).expect("labels");
        assert!(
            text.ends_with(",mine=\"GET\"")
                && text.contains("response_code=\"2xx\"")
                && !text.contains("source_principal")
                && !text.contains("destination_cluster"),
            "{text}"
        );
        assert_eq!(labels.of(Metric::RequestBytes), None);
        assert!(labels.of(Metric::Sent).is_some_and(|t| t.contains("source_principal") && !t.contains("destination_cluster")));
        let read = |config: &serde_json::Value| Overrides::read(&Message::new(config, Path::root("y")).expect("a message")).expect("overrides").mark;
        assert_eq!(read(&config), overrides.mark, "the same configuration, read again");
        assert_ne!(read(&json!({"metrics": [{"name": "request_bytes", "drop": true}]})), overrides.mark);
        let bad = json!({"metrics": [{"name": "requests_total", "dimensions": {"a": "1 +"}}]});
        let refused = Overrides::read(&Message::new(&bad, Path::root("x")).expect("a message")).expect_err("no expression");
        assert_eq!(refused.path, "x.metrics[0].dimensions.a");
    }
}
